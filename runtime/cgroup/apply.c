/* Writes settings into a group's files, and takes them back. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "fd.h"

/* Longest of these files is io.max, with a line for each device. */
#define FILE_LIMIT 65536

/* A file with a line for each device takes one line at a time. */
static int write_lines(struct arena *arena, int dir, const char *file, const char *text)
{
	/* An empty text would be no write at all; a newline empties cpuset.cpus. */
	if (!*text)
		return file_write_text(dir, file, "\n");
	while (*text) {
		size_t length = strcspn(text, "\n");

		if (length > 0 &&
		    file_write_text(dir, file, arena_strndup(arena, text, length)) < 0)
			return -1;
		text += length;
		text += strspn(text, "\n");
	}
	return 0;
}

/* What the line of key says in text, or reset. */
static char *line_of_key(struct arena *arena, const char *text, const char *key, char *reset)
{
	size_t key_length = strlen(key);

	while (*text) {
		size_t length = strcspn(text, "\n");

		if (length > key_length && text[key_length] == ' ' &&
		    memcmp(text, key, key_length) == 0)
			return arena_strndup(arena, text, length);
		text += length;
		text += strspn(text, "\n");
	}
	return reset;
}

static void keep_old_value(struct cg_apply *a, const struct cg_write *w)
{
	struct cg_undo *undo;
	char *text;

	if (file_read_all(a->arena, a->dir, w->file, FILE_LIMIT, &text, NULL) < 0)
		return;
	a->undo = arena_grow(a->arena, a->undo, a->n_undo, sizeof(*a->undo));
	undo = &a->undo[a->n_undo++];
	undo->file = w->file;
	undo->value = w->key ? line_of_key(a->arena, text, w->key, w->reset) : text;
}

/* ENOENT is what a kernel lacks, and may be passed over: it is believed only of a file that is not
 * there. One that has come meanwhile gets its value. */
static int write_one(struct cg_apply *a, const struct cg_write *w)
{
	if (a->keep_undo)
		keep_old_value(a, w);
	if (write_lines(a->arena, a->dir, w->file, w->value) == 0)
		return 0;
	if (errno != ENOENT || faccessat(a->dir, w->file, F_OK, 0) < 0)
		return -1;
	if (write_lines(a->arena, a->dir, w->file, w->value) == 0)
		return 0;
	if (errno == ENOENT)
		errno = EIO;
	return -1;
}

static int write_setting(struct cg_apply *a, const struct cg_setting *s)
{
	int first, number;

	if (!s->other.file)
		return write_one(a, &s->write);
	first = write_one(a, &s->write);
	number = errno;
	if (write_one(a, &s->other) == 0 || first == 0)
		return 0;
	/* The scheduler that is there has the better reason. */
	if (number != ENOENT && number != EOPNOTSUPP)
		errno = number;
	return -1;
}

/* A controller is named in cgroup.controllers before its files are there: who switches it on, for
 * another container that starts at the same time, holds the lock of all groups until they are. A
 * write that changes nothing waits for that lock. */
static int write_when_there(struct cg_apply *a, const struct cg_setting *s)
{
	if (write_setting(a, s) == 0)
		return 0;
	if (errno != ENOENT || !a->enabled || a->waited || s->controller == CG_CORE)
		return -1;
	a->waited = true;
	file_write_text(a->dir, "../cgroup.subtree_control",
			arena_printf(a->arena, "+%s", cg_controller_name(s->controller)));
	return write_setting(a, s);
}

/* Without a swap device a limit on swap holds by itself; /proc/swaps has one line of titles. */
static bool host_has_swap(struct arena *arena)
{
	char *text;
	const char *line;

	if (file_read_all(arena, AT_FDCWD, "/proc/swaps", FILE_LIMIT, &text, NULL) < 0)
		return errno != ENOENT;
	line = strchr(text, '\n');
	return line && line[1];
}

static void note(struct cg_apply *a, const struct cg_setting *s, const char *why)
{
	size_t n = a->findings ? a->findings->n : 0;

	/* One for a limit, however many files it has. */
	if (!a->findings || (n && strcmp(a->findings->items[n - 1].path, s->where) == 0))
		return;
	findings_add(a->findings, FINDING_NOTE, s->where, "not applied: %s", why);
}

static const char *hint(const struct cg_setting *s, int number)
{
	if (number == ENOENT && s->controller == CG_HUGETLB)
		return " (/sys/kernel/mm/hugepages has this host's page sizes)";
	if (number == ENODEV && s->controller == CG_RDMA)
		return " (there is no such RDMA device)";
	if (number == EINVAL && s->controller == CG_CPUSET)
		return " (expected CPUs or memory nodes of this host, like \"0-3,8\")";
	if (number == ERANGE || number == EINVAL)
		return " (the value is outside the range that the kernel allows)";
	if (number == EBUSY && s->controller == CG_MEMORY)
		return " (the container uses more than that, and it can not be taken from it)";
	if (number == ENODEV)
		return " (there is no such block device)";
	return "";
}

/* What says that there is no limit needs nobody to keep it. */
static bool is_no_limit(const struct cg_setting *s)
{
	return (s->flags & CG_MAY_LACK) || strncmp(s->write.value, "max", 3) == 0;
}

/* Where this host or kernel is what lacks; a wrong value is an error in every mode. */
static bool host_lacks(int number)
{
	return number == ENOENT || number == EOPNOTSUPP || number == EACCES || number == EPERM ||
	       number == EROFS;
}

static int refused(struct cg_apply *a, const struct cg_setting *s, int number, struct error *err)
{
	struct error cause = ERROR_INIT;

	if (number == ENOENT && is_no_limit(s))
		return 0;
	if (number == ENOENT && (s->flags & CG_SWAP) && !host_has_swap(a->arena)) {
		note(a, s, "this kernel does not count swap; this host has none");
		return 0;
	}
	if (number == ENOENT && !a->enabled)
		error_set(&cause, "the container's cgroup has no %s: controller %s is not on there",
			  s->write.file, cg_controller_name(s->controller));
	else if (number == ENOENT)
		error_set(&cause, "this kernel's cgroups have no %s", s->write.file);
	else
		error_errno(&cause, number, "can not write \"%s\" to %s/%s", s->write.value,
			    a->name, s->write.file);
	/* Where the controller is, the page size is what is wrong. */
	bool wrong_size = number == ENOENT && s->controller == CG_HUGETLB && a->enabled;
	if (a->mode == CGROUP_AVAILABLE && host_lacks(number) && !wrong_size) {
		note(a, s, cause.text);
		return 0;
	}
	error_set(err, "%s: %s%s", s->where, cause.text, hint(s, number));
	err->number = number;
	return -1;
}

/* False when the group lacks the setting's controller. */
static bool has_controller(const struct cg_apply *a, const struct cg_setting *s)
{
	return !a->enabled || s->controller == CG_CORE ||
	       (a->enabled->have & CG_BIT(s->controller));
}

static int lacks_controller(struct cg_apply *a, const struct cg_setting *s, struct error *err)
{
	const char *why = cg_controller_why_missing(a->arena, a->enabled, s->controller);

	if (is_no_limit(s))
		return 0;
	if (a->mode == CGROUP_AVAILABLE) {
		note(a, s, why);
		return 0;
	}
	return error_set(err,
			 "%s: can not be applied: %s; --cgroup=available starts without the "
			 "limits that this host can not apply",
			 s->where, why);
}

static int apply_all(struct cg_apply *a, const struct cg_settings *settings, struct error *err)
{
	bool *again = arena_alloc(a->arena, settings->n + 1);

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < settings->n; i++) {
			const struct cg_setting *s = &settings->items[i];

			if (round == 1 && !again[i])
				continue;
			if (!has_controller(a, s)) {
				if (lacks_controller(a, s, err) < 0)
					return -1;
			} else if (write_when_there(a, s) < 0) {
				again[i] = round == 0 && errno == EINVAL && (s->flags & CG_AGAIN);
				if (!again[i] && refused(a, s, errno, err) < 0)
					return -1;
			}
		}
	}
	return 0;
}

void cg_apply_undo(struct cg_apply *a)
{
	bool *again = arena_alloc(a->arena, a->n_undo + 1);

	for (size_t i = a->n_undo; i-- > 0;)
		again[i] = write_lines(a->arena, a->dir, a->undo[i].file, a->undo[i].value) < 0;
	/* cpu.max and cpu.max.burst refuse each other in one order. */
	for (size_t i = a->n_undo; i-- > 0;)
		if (again[i])
			write_lines(a->arena, a->dir, a->undo[i].file, a->undo[i].value);
	a->n_undo = 0;
}

int cg_apply(struct cg_apply *apply, const struct cg_settings *settings, struct error *err)
{
	int result = apply_all(apply, settings, err);

	if (result < 0)
		cg_apply_undo(apply);
	return result;
}

/* memory.checkBeforeUpdate: a limit below what is in use is refused and not enforced by killing. */
static int check_usage(struct arena *arena, int dir, const struct config_memory *m,
		       struct error *err)
{
	char *text;
	uint64_t used;

	if (!m->check_before_update.set || !m->check_before_update.value || !m->limit.set ||
	    m->limit.value <= 0)
		return 0;
	if (file_read_all(arena, dir, "memory.current", FILE_LIMIT, &text, NULL) < 0)
		return error_errno(err, errno,
				   "linux.resources.memory.limit: can not read memory.current");
	used = strtoull(text, NULL, 10);
	if (used > (uint64_t)m->limit.value)
		return error_set(err,
				 "linux.resources.memory.limit: %" PRId64 " is less than the "
				 "container uses, %" PRIu64 " (checkBeforeUpdate)",
				 m->limit.value, used);
	return 0;
}

int cg_set_resources(struct cg_apply *apply, const struct config_resources *resources,
		     struct cg_settings *settings, struct error *err)
{
	char *quota;

	apply->name = "the container's cgroup";
	apply->keep_undo = true;
	if (file_read_all(apply->arena, apply->dir, "cpu.max", FILE_LIMIT, &quota, NULL) < 0)
		quota = arena_strdup(apply->arena, "max");
	quota[strcspn(quota, " \n")] = '\0';
	if (cg_settings_build(apply->arena, resources, quota, settings, NULL, err) < 0 ||
	    check_usage(apply->arena, apply->dir, &resources->memory, err) < 0)
		return -1;
	return cg_apply(apply, settings, err);
}

int cgroup_set_resources(struct arena *arena, int dir, const struct config_resources *resources,
			 struct error *err)
{
	struct cg_apply apply = {.arena = arena, .dir = dir};
	struct cg_settings settings;

	return cg_set_resources(&apply, resources, &settings, err);
}
