/* What of a container's mounts came from outside: criu writes down names for them, no content. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "criu.h"
#include "fd.h"
#include "path.h"

/* Blanks and their kin are written as \040 (proc_pid_mountinfo(5)). */
static char *unescape(struct arena *arena, const char *text)
{
	char *out = arena_strdup(arena, text);
	char *to = out;

	for (const char *from = text; *from; from++) {
		char *end;
		char digits[4] = "";

		if (from[0] == '\\')
			(void)snprintf(digits, sizeof(digits), "%s", from + 1);
		unsigned long byte = strtoul(digits, &end, 8);
		if (end == digits + 3 && byte <= 0xff) {
			*to++ = (char)byte;
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return out;
}

/* ID PARENT DEVICE ROOT PLACE OPTIONS [TAGS...] - TYPE SOURCE DATA */
static int parse_line(struct arena *arena, char *text, struct mount_line *out)
{
	enum { FIELDS = 6 };
	char *words[FIELDS];
	char *rest = NULL;
	char *after = strstr(text, " - ");

	if (!after)
		return -1;
	*after = '\0';
	for (size_t i = 0; i < FIELDS; i++) {
		words[i] = strtok_r(i ? NULL : text, " ", &rest);
		if (!words[i])
			return -1;
	}
	const char *type = strtok_r(after + 3, " ", &rest);
	const char *source = strtok_r(NULL, " ", &rest);
	*out = (struct mount_line){
	    .id = (int)strtol(words[0], NULL, 10),
	    .device = words[2],
	    .root = unescape(arena, words[3]),
	    .place = unescape(arena, words[4]),
	    .options = words[5],
	    .type = arena_strdup(arena, type ? type : ""),
	    .source = unescape(arena, source ? source : ""),
	};
	return 0;
}

int mount_lines(struct arena *arena, int proc, pid_t pid, struct mount_line **lines, size_t *n,
		struct error *err)
{
	char *text, *line, *rest = NULL;
	const char *path = arena_printf(arena, "%d/mountinfo", pid);

	*lines = NULL;
	*n = 0;
	if (file_read_all(arena, proc, path, 16u << 20, &text, NULL) < 0)
		return error_errno(err, errno, "looking at the container's mounts");
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		*lines = arena_grow(arena, *lines, *n, sizeof(**lines));
		if (parse_line(arena, line, &(*lines)[*n]) < 0)
			return error_set(err, "/proc/%s is not understood", path);
		(*n)++;
	}
	return 0;
}

bool mount_line_has(const struct mount_line *line, const char *option)
{
	size_t length = strlen(option);

	for (const char *at = line->options; *at;) {
		size_t word = strcspn(at, ",");

		if (word == length && memcmp(at, option, word) == 0)
			return true;
		at += word + (at[word] == ',');
	}
	return false;
}

static bool is_bind(const struct config_mount *m)
{
	return (m->type && strcmp(m->type, "bind") == 0) || str_list_has(&m->options, "bind") ||
	       str_list_has(&m->options, "rbind");
}

static bool is_below(const char *place, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(place, folder, n) == 0 && place[n] == '/';
}

struct places {
	struct str_list binds; /* where the caller's files are */
	struct str_list own;   /* where file systems of the container's own are */
};

static void add_place(struct arena *arena, int root, const char *destination, struct str_list *out)
{
	char there[PATH_MAX];

	if (path_resolve_text(root, destination, there, sizeof(there)) == 0)
		str_list_add(arena, out, arena_strdup(arena, there));
}

static void find_places(struct arena *arena, int root, const struct container_state *state,
			struct places *out)
{
	const struct config *c = &state->config;

	for (size_t i = 0; i < c->n_mounts; i++)
		add_place(arena, root, c->mounts[i].destination,
			  is_bind(&c->mounts[i]) ? &out->binds : &out->own);
	for (size_t i = 0; i < state->policy_tmpfs.n; i++)
		add_place(arena, root, state->policy_tmpfs.items[i], &out->own);
}

static bool comes_with_a_bind(const struct places *places, const char *place)
{
	for (size_t i = 0; i < places->binds.n; i++) {
		if (is_below(place, places->binds.items[i]) && !str_list_has(&places->own, place))
			return true;
	}
	return false;
}

/* A node of /dev that was bound from the host, in a user namespace (plan/devices.c). */
static bool is_foreign_device(const struct mount_line *lines, size_t n, const struct mount_line *m)
{
	if (!is_below(m->place, "/dev") || strcmp(m->root, "/") == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(lines[i].device, m->device) == 0 && strcmp(lines[i].root, "/") == 0)
			return false;
	}
	return true;
}

static const char *external_name(struct arena *arena, const struct places *places,
				 const struct mount_line *lines, size_t n,
				 const struct mount_line *m)
{
	if (strcmp(m->source, SCRATCH_SOURCE) == 0 && strcmp(m->type, "tmpfs") == 0 &&
	    strcmp(m->root, "/") != 0) {
		if (strcmp(m->root, "/nothing") == 0)
			return "runsafe-nothing";
		if (strcmp(m->root, "/empty") == 0)
			return "runsafe-empty";
		return arena_printf(arena, "runsafe:%s", m->place);
	}
	if (str_list_has(&places->binds, m->place) || comes_with_a_bind(places, m->place) ||
	    is_foreign_device(lines, n, m))
		return arena_printf(arena, "runsafe:%s", m->place);
	return NULL;
}

int criu_external_mounts(struct arena *arena, const struct container_state *state,
			 struct wire *opts, struct error *err)
{
	pid_t pid = (pid_t)state->pid;
	struct mount_line *lines;
	struct places places = {.binds = {.n = 0}};
	size_t n;
	cleanup_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int root =
	    openat(proc, arena_printf(arena, "%d/root", pid), O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (proc < 0 || root < 0)
		return error_errno(err, errno, "opening the container's root");
	if (mount_lines(arena, proc, pid, &lines, &n, err) < 0)
		return -1;
	find_places(arena, root, state, &places);
	for (size_t i = 0; i < n; i++) {
		const char *name = external_name(arena, &places, lines, n, &lines[i]);

		if (name)
			wire_text(opts, CRIU_EXTERNAL,
				  arena_printf(arena, "mnt[%s]:%s", lines[i].place, name));
	}
	return 0;
}
