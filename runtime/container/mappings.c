#include "mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* One of the two lists of config.json. */
struct list {
	const struct config_id_mapping *items;
	size_t n;
	const char *key;     /* "linux.uidMappings" */
	const char *file;    /* "uid_map" */
	const char *program; /* "newuidmap" */
	const char *ranges;  /* "/etc/subuid" */
	const char *option;  /* of usermod(8): "--add-subuids" */
	uint32_t own;	     /* the caller's */
};

struct helper {
	struct arena *arena;
	struct list uids, gids;
	pid_t runtime;
	struct error *err;
};

static const char *text_of(struct arena *arena, const struct list *list)
{
	char *text = arena_strdup(arena, "");

	for (size_t i = 0; i < list->n; i++)
		text = arena_printf(arena, "%s%u %u %u\n", text, list->items[i].container_id,
				    list->items[i].host_id, list->items[i].size);
	return text;
}

/* Who could write to it, or put another in its place, would run as who calls it; and an own copy
 * has not the rights that make it work. */
static bool is_roots(const char *path, mode_t type)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == 0 &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH)) && access(path, X_OK) == 0;
}

static const char *find_program(struct arena *arena, const char *name)
{
	const char *path = getenv("PATH");

	if (!path || !*path)
		path = DEFAULT_PATH;
	for (size_t length; *path; path += length + (path[length] == ':')) {
		length = strcspn(path, ":");
		char *dir = arena_strndup(arena, path, length);
		char *file = arena_printf(arena, "%s/%s", dir, name);

		if (*dir == '/' && is_roots(dir, S_IFDIR) && is_roots(file, S_IFREG))
			return file;
	}
	return NULL;
}

static unsigned long long last(uint32_t first, uint32_t size)
{
	return (unsigned long long)first + size - 1;
}

/* newuidmap(1) names the range that it refuses as "[0-1) -> [1000-1001)". */
static int explain(struct helper *h, const struct list *list, const char *program,
		   const char *output)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct config_id_mapping *m = &list->items[i];
		const char *range = arena_printf(
		    h->arena, "[%u-%llu) -> [%u-%llu)", m->container_id,
		    last(m->container_id, m->size) + 1, m->host_id, last(m->host_id, m->size) + 1);

		if (strstr(output, range))
			return error_set(
			    h->err,
			    "%s[%zu]: %s does not let uid %u map host ids %u to %llu: use a range "
			    "that %s gives this user, or have root run `usermod %s %u-%llu USER`",
			    list->key, i, program, getuid(), m->host_id, last(m->host_id, m->size),
			    list->ranges, list->option, m->host_id, last(m->host_id, m->size));
	}
	return error_set(h->err, "%s: %s failed: %s", list->key, program,
			 *output ? output : "it said nothing");
}

static char **arguments(struct helper *h, const struct list *list, const char *program)
{
	struct str_list argv = {0};

	str_list_add(h->arena, &argv, arena_strdup(h->arena, program));
	str_list_add(h->arena, &argv, arena_printf(h->arena, "%d", h->runtime));
	for (size_t i = 0; i < list->n; i++) {
		const uint32_t numbers[] = {list->items[i].container_id, list->items[i].host_id,
					    list->items[i].size};
		for (size_t n = 0; n < 3; n++)
			str_list_add(h->arena, &argv, arena_printf(h->arena, "%u", numbers[n]));
	}
	return argv.items;
}

/* Runs it; what it says on stdout and stderr goes into *output. Returns its wait status, or -1. */
static int execute(struct helper *h, const char *program, char **argv, char **output)
{
	/* English, for explain(). */
	static char *const environment[] = {(char *)"LC_ALL=C", (char *)"PATH=" DEFAULT_PATH, NULL};
	int ends[2];
	int status;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	cleanup_fd int from = ends[0];
	pid_t pid = fork();
	if (pid == 0) {
		if (dup2(ends[1], 1) >= 0 && dup2(ends[1], 2) >= 0)
			execve(program, argv, environment);
		_exit(127);
	}
	close(ends[1]);
	if (pid < 0)
		return -1;
	if (fd_read_all(h->arena, from, 4096, output, NULL) < 0)
		*output = arena_strdup(h->arena, "");
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	(*output)[strcspn(*output, "\n")] = '\0';
	return status;
}

static int by_program(struct helper *h, const struct list *list)
{
	const char *program = find_program(h->arena, list->program);
	char *output;

	if (!program)
		return error_set(h->err,
				 "%s: mapping more than one's own id (%u, size 1) takes %s, and no "
				 "folder of PATH that is root's has it: install the package uidmap "
				 "(shadow-utils), or map that id alone",
				 list->key, list->own, list->program);
	int status = execute(h, program, arguments(h, list, program), &output);
	if (status < 0)
		return error_errno(h->err, errno, "%s: running %s", list->key, program);
	return status == 0 ? 0 : explain(h, list, program, output);
}

/* What the kernel lets a user write himself (user_namespaces(7)). */
static bool is_own(const struct list *list)
{
	return list->n == 1 && list->items[0].size == 1 && list->items[0].host_id == list->own;
}

static int write_one(struct helper *h, const struct list *list)
{
	const char *file = arena_printf(h->arena, "/proc/%d/%s", h->runtime, list->file);

	/* A caller with CAP_SETUID and CAP_SETGID may as well. */
	if (file_write_text(AT_FDCWD, file, text_of(h->arena, list)) == 0)
		return 0;
	if (errno == EPERM && !is_own(list))
		return by_program(h, list);
	return error_errno(h->err, errno, "%s: writing %s", list->key, file);
}

static int write_both(struct helper *h)
{
	const char *setgroups = arena_printf(h->arena, "/proc/%d/setgroups", h->runtime);

	if (write_one(h, &h->uids) < 0)
		return -1;
	/* Or one could leave a group that takes rights away (CVE-2014-8989). */
	if (is_own(&h->gids) && geteuid() != 0 && file_write_text(AT_FDCWD, setgroups, "deny") < 0)
		return error_errno(h->err, errno, "denying setgroups in the user namespace");
	return write_one(h, &h->gids);
}

static _Noreturn void help(struct helper *h, int socket)
{
	char go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (recv(socket, &go, 1, 0) == 1) {
		(void)write_both(h);
		(void)send(socket, h->err, sizeof(*h->err), MSG_NOSIGNAL);
	}
	_exit(0);
}

int mappings_begin(struct arena *arena, const struct config_linux *l, struct mappings_helper *out,
		   struct error *err)
{
	struct error said = ERROR_INIT;
	struct helper h = {
	    .arena = arena,
	    .uids = {l->uid_mappings, l->n_uid_mappings, "linux.uidMappings", "uid_map",
		     "newuidmap", "/etc/subuid", "--add-subuids", geteuid()},
	    .gids = {l->gid_mappings, l->n_gid_mappings, "linux.gidMappings", "gid_map",
		     "newgidmap", "/etc/subgid", "--add-subgids", getegid()},
	    .runtime = getpid(),
	    .err = &said,
	};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "making a socket to the writer of the mappings");
	out->pid = fork();
	if (out->pid == 0) {
		close(pair[0]);
		help(&h, pair[1]);
	}
	int number = errno;
	close(pair[1]);
	out->socket = pair[0];
	if (out->pid < 0) {
		close(pair[0]);
		return error_errno(err, number, "starting the writer of the mappings");
	}
	return 0;
}

void mappings_cancel(struct mappings_helper *helper)
{
	close(helper->socket); /* it reads the end, and goes */
	while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int mappings_write(struct mappings_helper *helper, struct error *err)
{
	struct error said = ERROR_INIT;
	ssize_t n = -1;

	if (send(helper->socket, "", 1, MSG_NOSIGNAL) == 1) {
		do {
			n = recv(helper->socket, &said, sizeof(said), 0);
		} while (n < 0 && errno == EINTR);
	}
	mappings_cancel(helper);
	if (n != (ssize_t)sizeof(said))
		return error_set(err, "linux.uidMappings: the process that writes them ended");
	if (!said.text[0])
		return 0;
	*err = said;
	return -1;
}
