/* The values that policies, --allow and annotations share: sizes, processors, ids, names. */
#include <ctype.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "policy_internal.h"

/* capabilities(7), Linux 5.9 to 6.12. A name that is not here would not be given, so it is an
 * error in a policy; in config.json it is only dropped. */
static const char *const capability_names[] = {
    "CAP_AUDIT_CONTROL",   "CAP_AUDIT_READ",   "CAP_AUDIT_WRITE",
    "CAP_BLOCK_SUSPEND",   "CAP_BPF",	       "CAP_CHECKPOINT_RESTORE",
    "CAP_CHOWN",	   "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",	   "CAP_FSETID",       "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",	   "CAP_KILL",	       "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN",    "CAP_MAC_OVERRIDE",
    "CAP_MKNOD",	   "CAP_NET_ADMIN",    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",   "CAP_NET_RAW",      "CAP_PERFMON",
    "CAP_SETFCAP",	   "CAP_SETGID",       "CAP_SETPCAP",
    "CAP_SETUID",	   "CAP_SYS_ADMIN",    "CAP_SYS_BOOT",
    "CAP_SYS_CHROOT",	   "CAP_SYS_MODULE",   "CAP_SYS_NICE",
    "CAP_SYS_PACCT",	   "CAP_SYS_PTRACE",   "CAP_SYS_RAWIO",
    "CAP_SYS_RESOURCE",	   "CAP_SYS_TIME",     "CAP_SYS_TTY_CONFIG",
    "CAP_SYSLOG",	   "CAP_WAKE_ALARM",   NULL,
};

bool word_is(const char *text, const char *word)
{
	return text != NULL && strcmp(text, word) == 0;
}

bool names_have(const struct str_list *names, const char *name)
{
	return str_list_has(names, name) || str_list_has(names, WORD_ANY);
}

void list_append(struct arena *arena, struct str_list *list, char *text)
{
	struct str_list copy = {.items = NULL, .n = 0};

	for (size_t i = 0; i < list->n; i++)
		str_list_add(arena, &copy, list->items[i]);
	str_list_add(arena, &copy, text);
	*list = copy;
}

char *list_text(struct arena *arena, const struct str_list *list)
{
	return str_list_join(arena, list, ", ");
}

/* Reads decimal digits up to max; returns how many characters were read, 0 for none or too much. */
static size_t digits_parse(const char *text, size_t length, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	size_t i = 0;

	for (; i < length && isdigit((unsigned char)text[i]); i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');

		if (value > (max - digit) / 10)
			return 0;
		value = value * 10 + digit;
	}
	*out = value;
	return i;
}

static int size_parse(const char *text, int64_t *out)
{
	static const char units[] = "kmgt";
	uint64_t value = 0;
	size_t used = digits_parse(text, strlen(text), INT64_MAX, &value);
	const char *unit = text + used;
	unsigned int shift = 0;

	if (used == 0)
		return -1;
	if (*unit != '\0') {
		const char *at = strchr(units, tolower((unsigned char)*unit));

		if (at == NULL)
			return -1;
		shift = 10 * (unsigned int)(at - units + 1);
		unit++;
		/* 1g, 1G, 1gb and 1GiB are the same: no one wants a limit that is 7 % off. */
		if (tolower((unsigned char)unit[0]) == 'i' &&
		    tolower((unsigned char)unit[1]) == 'b')
			unit += 2;
		else if (tolower((unsigned char)unit[0]) == 'b')
			unit++;
	}
	if (*unit != '\0' || value > ((uint64_t)INT64_MAX >> shift))
		return -1;
	*out = (int64_t)(value << shift);
	return 0;
}

/* "2", "0.5": as quota of CPU_PERIOD. The kernel takes no quota below 1 ms. */
static int cpus_parse(const char *text, int64_t *out)
{
	uint64_t whole = 0;
	uint64_t part = 0;
	size_t used = digits_parse(text, strlen(text), 1000000, &whole);

	if (used == 0)
		return -1;
	text += used;
	if (*text == '.') {
		size_t places = digits_parse(text + 1, strlen(text + 1), 99999, &part);

		if (places == 0 || places > 5)
			return -1;
		text += 1 + places;
		for (; places < 5; places++)
			part *= 10;
	}
	*out = (int64_t)(whole * CPU_PERIOD + part);
	return *text == '\0' && *out >= CPU_PERIOD / 100 ? 0 : -1;
}

int limit_parse(enum limit_type type, const char *text, struct limit *out)
{
	*out = (struct limit){.kind = LIMIT_VALUE};
	if (word_is(text, "unlimited") || word_is(text, "required")) {
		out->kind = text[0] == 'u' ? LIMIT_UNLIMITED : LIMIT_REQUIRED;
		return 0;
	}
	switch (type) {
	case LIMIT_MEMORY:
		return size_parse(text, &out->value) == 0 && out->value > 0 ? 0 : -1;
	case LIMIT_SWAP:
		return size_parse(text, &out->value);
	case LIMIT_CPUS:
		return cpus_parse(text, &out->value);
	case LIMIT_PIDS:
	case LIMIT_TYPES:
	default:
		break;
	}
	uint64_t value = 0;
	size_t used = digits_parse(text, strlen(text), 4194304, &value); /* PID_MAX_LIMIT */

	out->value = (int64_t)value;
	return used != 0 && text[used] == '\0' && value != 0 ? 0 : -1;
}

const char *limit_expected(enum limit_type type)
{
	switch (type) {
	case LIMIT_MEMORY:
	case LIMIT_SWAP:
		return "a size in bytes or with k, m, g or t behind it, such as 512m";
	case LIMIT_CPUS:
		return "a number of processors, at least 0.01, such as 2 or 0.5";
	case LIMIT_PIDS:
	case LIMIT_TYPES:
	default:
		return "a number of processes from 1 to 4194304";
	}
}

int id_parse(const char *text, size_t length, uint32_t *out)
{
	uint64_t value = 0;
	/* 4294967295 is (uid_t)-1, "no change" for setresuid(2). */
	size_t used = digits_parse(text, length, UINT32_MAX - 1, &value);

	*out = (uint32_t)value;
	return used != 0 && used == length ? 0 : -1;
}

int mode_parse(const char *text, uint32_t *out)
{
	uint32_t mode = 0;
	size_t i = 0;

	for (; text[i] >= '0' && text[i] <= '7'; i++)
		mode = mode * 8 + (uint32_t)(text[i] - '0');
	*out = mode;
	/* set-user-ID and set-group-ID have no place on the root of a tmpfs. */
	return i >= 3 && i <= 4 && text[i] == '\0' && (mode & 06000) == 0 ? 0 : -1;
}

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		if (iscntrl((unsigned char)*text))
			return true;
	}
	return false;
}

char *path_normal(struct arena *arena, const char *text)
{
	char *out = arena_alloc(arena, strlen(text) + 2);
	size_t n = 0;

	if (text[0] != '/' || has_control(text))
		return NULL;
	while (*text != '\0') {
		size_t length = strcspn(text, "/");

		if (length == 2 && strncmp(text, "..", 2) == 0)
			return NULL;
		if (length != 0 && !(length == 1 && text[0] == '.')) {
			out[n++] = '/';
			memcpy(out + n, text, length);
			n += length;
		}
		text += length;
		text += *text == '/' ? 1 : 0;
	}
	if (n == 0)
		out[0] = '/';
	return out;
}

bool path_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 &&
	       (path[length] == '\0' || path[length] == '/');
}

char *tmpfs_path_normal(struct arena *arena, const char *text)
{
	char *path = path_normal(arena, text);

	/* What the kernel shows there, and the masks on it, must stay what they are. */
	if (path == NULL || strcmp(path, "/") == 0 || path_below(path, "/proc") ||
	    path_below(path, "/sys") || path_below(path, "/dev"))
		return NULL;
	return path;
}

char *capability_normal(struct arena *arena, const char *text)
{
	bool prefixed = strncasecmp(text, "CAP_", 4) == 0;

	for (size_t i = 0; capability_names[i] != NULL; i++) {
		const char *name = capability_names[i] + (prefixed ? 0 : 4);

		if (strcasecmp(text, name) == 0)
			return arena_strdup(arena, capability_names[i]);
	}
	return NULL;
}

char *sysctl_normal(struct arena *arena, const char *text)
{
	char *name = arena_strdup(arena, text);
	char first = '\0';

	/* sysctl(8): when the first separator is a slash, slashes and dots change places. */
	for (char *c = name; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && strchr("._-/*:@", *c) == NULL)
			return NULL;
		if (*c != '.' && *c != '/')
			continue;
		if (first == '\0')
			first = *c;
		if (first == '/')
			*c = *c == '/' ? '.' : '/';
	}
	return name[0] == '\0' || first == '\0' ? NULL : name;
}

char *group_normal(struct arena *arena, const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-' &&
		    *c != '_')
			return NULL;
	}
	return text[0] == '\0' ? NULL : arena_strdup(arena, text);
}
