#include "resctrl.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "fd.h"

#define PATH_SIZE     640 /* two names of at most 255 bytes, and what joins them */
#define SCHEMATA_MAX  65536
#define DEFAULT_CLASS "." /* the mount's own folder */

int resctrl_open(struct arena *arena, const char *mountinfo, struct error *err)
{
	/* "... MOUNT-POINT OPTIONS [TAG]... - TYPE SOURCE SUPER-OPTIONS" */
	for (const char *line = mountinfo; *line; line += *line == '\n') {
		size_t length = strcspn(line, "\n");
		char *text = arena_strndup(arena, line, length);
		const char *type = strstr(text, " - ");
		char *point = text;

		line += length;
		if (!type || strncmp(type, " - resctrl ", 11) != 0)
			continue;
		for (int field = 0; field < 4 && point; field++) {
			point = strchr(point, ' ');
			if (point)
				point++;
		}
		if (!point)
			continue;
		point[strcspn(point, " ")] = '\0';
		int fd = open(point, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? error_errno(err, errno, "linux.intelRdt: opening %s", point) : fd;
	}
	return error_set(err,
			 "linux.intelRdt: no resctrl is mounted here: `mount -t resctrl resctrl "
			 "/sys/fs/resctrl` does it on a machine and kernel that have it, else "
			 "leave linux.intelRdt out");
}

/* The kernel's own words about the last thing that it refused. */
static int refused(struct arena *arena, int root, int number, const char *what, struct error *err)
{
	char *why;

	if (file_read_all(arena, root, "info/last_cmd_status", 4096, &why, NULL) < 0 || !*why ||
	    strcmp(why, "ok\n") == 0)
		return error_errno(err, number, "linux.intelRdt: %s", what);
	why[strcspn(why, "\n")] = '\0';
	return error_errno(err, number, "linux.intelRdt: %s: %s", what, why);
}

/* What l3CacheSchema and memBwSchema say together: the latter has the last word on MB. NULL for
 * neither. */
static char *combined(struct arena *arena, const struct config_intel_rdt *rdt)
{
	char *text = NULL;

	for (const char *line = rdt->l3_cache_schema; line && *line; line += *line == '\n') {
		size_t length = strcspn(line, "\n");

		if (length && !(rdt->mem_bw_schema && strncmp(line, "MB:", 3) == 0))
			text = arena_printf(arena, "%s%.*s\n", text ? text : "", (int)length, line);
		line += length;
	}
	if (rdt->mem_bw_schema)
		text = arena_printf(arena, "%s%s\n", text ? text : "", rdt->mem_bw_schema);
	return text;
}

static char *joined(struct arena *arena, const struct str_list *lines)
{
	char *text = NULL;

	for (size_t i = 0; i < lines->n; i++)
		text = arena_printf(arena, "%s%s\n", text ? text : "", lines->items[i]);
	return text;
}

/* The length of a number without the zeros that the kernel pads masks with. */
static size_t measure(const char **text)
{
	*text += strspn(*text, " ");
	while (**text == '0' && isxdigit((unsigned char)(*text)[1]))
		(*text)++;
	return strcspn(*text, ";\n ");
}

static bool same_number(const char *a, const char *b)
{
	size_t length = measure(&a);

	return measure(&b) == length && strncasecmp(a, b, length) == 0;
}

/* Finds "ID=" in what follows the colon of a line; NULL where it is not. */
static const char *domain(const char *line, const char *id, size_t id_length)
{
	for (const char *at = line; *at && *at != '\n'; at += *at == ';') {
		at += strspn(at, " ");
		if (strncmp(at, id, id_length) == 0 && at[id_length] == '=')
			return at + id_length + 1;
		at += strcspn(at, ";\n");
	}
	return NULL;
}

/* The line of a resource ("L3:") in the kernel's schemata, behind the colon; NULL where none is. */
static const char *resource(const char *schemata, const char *name, size_t length)
{
	for (const char *at = schemata; *at; at += *at == '\n') {
		at += strspn(at, " ");
		if (strncmp(at, name, length) == 0 && at[length] == ':')
			return at + length + 1;
		at += strcspn(at, "\n");
	}
	return NULL;
}

/* Whether every domain of one line is so in the kernel's schemata, which pads with spaces and zeros
 * and lists all domains. */
static bool line_holds(const char *schemata, const char *line)
{
	size_t name = strcspn(line, ":\n");
	const char *now = line[name] == ':' ? resource(schemata, line, name) : NULL;

	if (!now)
		return false;
	for (const char *at = line + name + 1; *at && *at != '\n'; at += *at == ';') {
		at += strspn(at, " ");
		size_t id = strcspn(at, "=;\n");
		const char *value = at[id] == '=' ? domain(now, at, id) : NULL;

		if (!value || !same_number(value, at + id + 1))
			return false;
		at += strcspn(at, ";\n");
	}
	return true;
}

static int compare(struct arena *arena, int dir, const char *class_, const char *wanted,
		   struct error *err)
{
	char *now;

	if (file_read_all(arena, dir, "schemata", SCHEMATA_MAX, &now, NULL) < 0)
		return error_errno(err, errno, "linux.intelRdt: reading the schemata of class %s",
				   class_);
	for (const char *line = wanted; *line; line += *line == '\n') {
		size_t length = strcspn(line, "\n");

		if (length && !line_holds(now, line))
			return error_set(err,
					 "linux.intelRdt.closID: class %s is there already, with "
					 "other schemata than \"%.*s\": choose another closID, or "
					 "leave the schemata out to join it as it is",
					 class_, (int)length, line);
		line += length;
	}
	return 0;
}

static int write_schemata(struct arena *arena, int root, int dir, const char *text,
			  struct error *err)
{
	if (!text || file_write_text(dir, "schemata", text) == 0)
		return 0;
	return refused(
	    arena, root, errno,
	    arena_printf(arena, "writing \"%.*s\" to schemata", (int)strlen(text) - 1, text), err);
}

static int make_class(struct arena *arena, int root, const char *name, struct error *err)
{
	int why;

	if (mkdirat(root, name, 0755) == 0)
		return 0;
	why = errno;
	if (why == EEXIST)
		return error_set(
		    err,
		    "linux.intelRdt: resctrl has a class %s already, which is not this "
		    "container's: name it as closID to join it, or remove its folder",
		    name);
	return refused(arena, root, why,
		       arena_printf(arena, "making class %s%s", name,
				    why == ENOSPC ? " (the hardware has no more)" : ""),
		       err);
}

static int make_monitor(struct arena *arena, int root, int dir, const char *id, struct resctrl *out,
			struct error *err)
{
	const char *path = arena_printf(arena, "mon_groups/%s", id);

	if (mkdirat(dir, path, 0755) < 0) {
		int why = errno;

		return refused(arena, root, why,
			       arena_printf(arena, "enableMonitoring: making %s in class %s%s",
					    path, out->class_,
					    why == ENOENT ? " (this machine can not monitor)" : ""),
			       err);
	}
	out->monitor = arena_strdup(arena, id);
	return 0;
}

/* The rules of config-linux.md, "IntelRdt". */
static int choose_class(struct arena *arena, int root, const struct config_intel_rdt *rdt,
			const char *id, bool schemata, struct resctrl *out, struct error *err)
{
	struct stat st;
	const char *name = rdt->clos_id ? rdt->clos_id : id;

	if (strcmp(name, "/") == 0)
		name = DEFAULT_CLASS;
	if (rdt->clos_id && fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISDIR(st.st_mode))
			return error_set(err, "linux.intelRdt.closID: %s is no class", name);
		out->class_ = arena_strdup(arena, name);
		return 0;
	}
	if (rdt->clos_id && !schemata)
		return error_set(err,
				 "linux.intelRdt.closID: resctrl has no class %s, and without "
				 "schemata none is made",
				 name);
	if (make_class(arena, root, name, err) < 0)
		return -1;
	out->class_ = arena_strdup(arena, name);
	out->made_class = true;
	return 0;
}

int resctrl_make(struct arena *arena, int root, const struct config_intel_rdt *rdt, const char *id,
		 struct resctrl *out, struct error *err)
{
	char *first = combined(arena, rdt);
	char *last = joined(arena, &rdt->schemata);

	*out = (struct resctrl){.class_ = NULL};
	if (choose_class(arena, root, rdt, id, first || last, out, err) < 0)
		return -1;
	cleanup_fd int dir =
	    openat(root, out->class_, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return error_errno(err, errno, "linux.intelRdt: opening class %s", out->class_);
	if (out->made_class) {
		if (write_schemata(arena, root, dir, first, err) < 0 ||
		    write_schemata(arena, root, dir, last, err) < 0)
			return -1;
	} else if ((first && compare(arena, dir, out->class_, first, err) < 0) ||
		   (last && compare(arena, dir, out->class_, last, err) < 0)) {
		return -1;
	}
	return rdt->enable_monitoring ? make_monitor(arena, root, dir, id, out, err) : 0;
}

int resctrl_enter(int root, const struct resctrl *group, pid_t pid, struct error *err)
{
	char path[PATH_SIZE], text[16];

	if (!group->class_)
		return 0;
	snprintf(text, sizeof(text), "%d", pid);
	snprintf(path, sizeof(path), "%s/tasks", group->class_);
	if (file_write_text(root, path, text) < 0)
		return error_errno(err, errno,
				   "linux.intelRdt: putting the container into class %s",
				   group->class_);
	snprintf(path, sizeof(path), "%s/mon_groups/%s/tasks", group->class_,
		 group->monitor ? group->monitor : "");
	if (group->monitor && file_write_text(root, path, text) < 0)
		return error_errno(err, errno,
				   "linux.intelRdt: putting the container into %s of class %s",
				   "its monitoring group", group->class_);
	return 0;
}

int resctrl_remove(int root, const struct resctrl *group, struct error *err)
{
	char path[PATH_SIZE];

	if (!group->class_)
		return 0;
	snprintf(path, sizeof(path), "%s/mon_groups/%s", group->class_,
		 group->monitor ? group->monitor : "");
	if (group->monitor && unlinkat(root, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_errno(err, errno, "removing resctrl's %s", path);
	if (group->made_class && unlinkat(root, group->class_, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_errno(err, errno, "removing resctrl's class %s", group->class_);
	return 0;
}

int resctrl_update(struct arena *arena, int root, const struct resctrl *group,
		   const struct config_intel_rdt *rdt, char **old, struct error *err)
{
	struct error ignored = ERROR_INIT;

	if (!group->made_class)
		return error_set(err,
				 "linux.intelRdt: class %s was there before the container, and "
				 "others may be in it: change its schemata in resctrl itself",
				 group->class_);
	cleanup_fd int dir =
	    openat(root, group->class_, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || file_read_all(arena, dir, "schemata", SCHEMATA_MAX, old, NULL) < 0)
		return error_errno(err, errno, "linux.intelRdt: reading the schemata of class %s",
				   group->class_);
	if (write_schemata(arena, root, dir, combined(arena, rdt), err) == 0)
		return 0;
	/* Line by line: those before the wrong one are in force. */
	(void)resctrl_restore(root, group, *old, &ignored);
	return -1;
}

int resctrl_restore(int root, const struct resctrl *group, const char *old, struct error *err)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/schemata", group->class_);
	if (file_write_text(root, path, old) == 0)
		return 0;
	return error_errno(err, errno, "linux.intelRdt: writing the old schemata of class %s back",
			   group->class_);
}
