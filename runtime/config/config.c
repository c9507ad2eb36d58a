/* config.md: the whole of config.json, and the ways in. */
#include "config.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "config_internal.h"

/* Linux's limit for both names (uname(2), __NEW_UTS_LEN). */
#define HOST_NAME_BYTES 64

/* The objects of other platforms (freebsd, solaris, windows, zos) say nothing of a Linux container.
 * vm does: it asks for a kernel of its own. */
static const struct json_field config_fields[] = {
    FIELD(config, oci_version, "ociVersion", JSON_STRING, .flags = JSON_REQUIRED),
    FIELD(config, root, "root", JSON_OBJECT, .table = &config_root_table, .flags = JSON_REQUIRED),
    FIELD(config, hostname, "hostname", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELD(config, domainname, "domainname", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    OBJECTS(config, mounts, n_mounts, "mounts", JSON_OBJECT_LIST, &config_mount_table),
    FIELD(config, process, "process", JSON_OBJECT, .table = &config_process_table),
    FIELD(config, hooks, "hooks", JSON_OBJECT, .table = &config_hooks_table),
    FIELD(config, annotations, "annotations", JSON_STRING_MAP),
    FIELD(config, linux_, "linux", JSON_OBJECT, .table = &config_linux_table),
    REFUSED("vm", "runsafe starts no virtual machines"),
    FIELDS_END,
};

static const struct json_table whole_table = TABLE(config, config_fields);

const struct json_table *config_table(void)
{
	return &whole_table;
}

int config_wrong(const struct config_check *c, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(c->arena, format, args);
	va_end(args);
	return error_set(c->err, "%s: %s%s", c->label, c->at, text);
}

/* Steps over a number without a leading zero (Semantic Versioning 2.0.0, item 2). */
static bool skip_number(const char **text)
{
	size_t digits = strspn(*text, "0123456789");

	if (digits == 0 || (digits > 1 && **text == '0'))
		return false;
	*text += digits;
	return true;
}

/* Whether it is 1.MINOR.PATCH, with "-pre" and "+build" behind it or not. A later minor version
 * adds, it changes nothing that we know. */
static bool is_version_1(const char *text)
{
	if (strncmp(text, "1.", 2) != 0)
		return false;
	text += 2;
	if (!skip_number(&text) || *text++ != '.' || !skip_number(&text))
		return false;
	if (*text == '\0')
		return true;
	if ((*text != '-' && *text != '+') || text[1] == '\0')
		return false;
	for (text++; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr(".-+", *text))
			return false;
	}
	return true;
}

static int check_name(const struct config_check *c, const char *key, const char *name)
{
	size_t length = name ? strlen(name) : 0;

	if (length > HOST_NAME_BYTES)
		return config_wrong(c, "%s: expected at most %d bytes, got %zu", key,
				    HOST_NAME_BYTES, length);
	return 0;
}

static int check_annotations(const struct config_check *c, const struct str_map *annotations)
{
	for (size_t i = 0; i < annotations->n; i++) {
		if (annotations->items[i].key[0] == '\0')
			return config_wrong(c, "annotations: expected keys that are not empty, "
					       "got \"\"");
	}
	return 0;
}

static int check(const struct config_check *c, const struct config *cfg)
{
	struct config_check process = *c;

	process.at = "process.";
	if (!is_version_1(cfg->oci_version))
		return config_wrong(c, "ociVersion: expected a version from 1.0.0 to 1.3.0, got %s",
				    json_shown(c->arena, cfg->oci_version));
	if (check_name(c, "hostname", cfg->hostname) < 0 ||
	    check_name(c, "domainname", cfg->domainname) < 0 ||
	    check_annotations(c, &cfg->annotations) < 0 || config_check_mounts(c, cfg) < 0 ||
	    config_check_process(&process, &cfg->process) < 0 ||
	    config_check_hooks(c, &cfg->hooks) < 0)
		return -1;
	return config_check_linux(c, &cfg->linux_);
}

int config_read_file(struct arena *arena, int bundle, const char *name, struct config *out,
		     struct error *err)
{
	struct config_check c = {arena, name, "", err};

	memset(out, 0, sizeof(*out));
	if (json_read_file(arena, bundle, c.label, c.label, &whole_table, out, err) < 0)
		return -1;
	return check(&c, out);
}

int config_read(struct arena *arena, int bundle, struct config *out, struct error *err)
{
	return config_read_file(arena, bundle, "config.json", out, err);
}

int config_parse(struct arena *arena, const char *label, const char *text, size_t length,
		 struct config *out, struct error *err)
{
	struct config_check c = {arena, label, "", err};

	memset(out, 0, sizeof(*out));
	if (json_read(arena, label, text, length, &whole_table, out, err) < 0)
		return -1;
	return check(&c, out);
}

int config_parse_seccomp(struct arena *arena, const char *label, const char *text, size_t length,
			 struct config_seccomp *out, struct error *err)
{
	struct config_check c = {arena, label, "", err};

	memset(out, 0, sizeof(*out));
	if (json_read(arena, label, text, length, &config_seccomp_table, out, err) < 0)
		return -1;
	return config_check_seccomp(&c, out);
}

int config_parse_resources(struct arena *arena, const char *label, const char *text, size_t length,
			   struct config_resources *out, struct error *err)
{
	struct config_check c = {arena, label, "", err};

	memset(out, 0, sizeof(*out));
	if (json_read(arena, label, text, length, &config_resources_table, out, err) < 0)
		return -1;
	return config_check_resources(&c, out);
}

int config_parse_process(struct arena *arena, const char *label, const char *text, size_t length,
			 struct config_process *out, struct error *err)
{
	struct config_check c = {arena, label, "", err};

	memset(out, 0, sizeof(*out));
	if (json_read(arena, label, text, length, &config_process_table, out, err) < 0)
		return -1;
	return config_check_process(&c, out);
}
