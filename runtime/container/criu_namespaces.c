/* Namespaces that a container joined: criu shall neither dump them nor make new ones. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "criu.h"
#include "fd.h"

static const struct {
	const char *type; /* linux.namespaces[].type */
	const char *file; /* in /proc/PID/ns, and in criu's names for it */
	const char *key;  /* not dumped, and given by that name at restore */
	bool join;	  /* dumped, but at restore joined instead of made */
} kinds[] = {
    {"network", "net", "extRootNetNS", false},
    {"pid", "pid", "extRootPidNS", false},
    {"ipc", "ipc", NULL, true},
    {"uts", "uts", NULL, true},
    {"mount", "mnt", NULL, false},
    {"user", "user", NULL, false},
    {"cgroup", "cgroup", NULL, false},
    {"time", "time", NULL, false},
};

static const struct config_namespace *by_path(const struct config *config, const char *type)
{
	const struct config_linux *l = &config->linux_;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		const struct config_namespace *ns = &l->namespaces[i];
		if (strcmp(ns->type, type) == 0 && ns->path && *ns->path)
			return ns;
	}
	return NULL;
}

static void give(const struct plan_join *join, size_t kind, struct wire *opts)
{
	struct wire given = {.arena = opts->arena};

	if (kinds[kind].key) {
		wire_text(&given, 1, kinds[kind].key);
		wire_number(&given, 2, join->fd);
		wire_message(opts, CRIU_INHERIT_FD, &given);
	} else if (kinds[kind].join) {
		wire_text(&given, 1, kinds[kind].file);
		wire_text(&given, 2,
			  arena_printf(opts->arena, "/proc/%d/fd/%d", getpid(), join->fd));
		wire_message(opts, CRIU_JOIN_NS, &given);
	}
}

void criu_give_namespaces(const struct plan *plan, struct wire *opts)
{
	for (size_t i = 0; i < plan->n_joins; i++) {
		for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
			if (strcmp(kinds[kind].type, plan->joins[i].type) == 0)
				give(&plan->joins[i], kind, opts);
		}
	}
}

int criu_external_namespaces(const struct config *config, const struct container_state *state,
			     struct wire *opts, struct error *err)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char path[64];
		struct stat st;

		if (!by_path(config, kinds[i].type))
			continue;
		if (!kinds[i].key && !kinds[i].join)
			return error_set(err,
					 "linux.namespaces: it shares the %s namespace of others "
					 "by path, which criu can not keep",
					 kinds[i].type);
		if (!state || !kinds[i].key)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)state->pid, kinds[i].file);
		if (stat(path, &st) < 0)
			return error_errno(err, errno, "looking at the container's %s namespace",
					   kinds[i].type);
		wire_text(opts, CRIU_EXTERNAL,
			  arena_printf(opts->arena, "%s[%lu]:%s", kinds[i].file,
				       (unsigned long)st.st_ino, kinds[i].key));
	}
	return 0;
}

/* In a process of its own: the file is that of the network namespace of who opens it. Tells what
 * was there. */
static int swap_range(const char *space, const char *range, int report)
{
	static const char file[] = "/proc/sys/net/ipv4/ping_group_range";
	char text[64];
	cleanup_fd int fd = open(space, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		return -1;
	cleanup_fd int now = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = now < 0 ? -1 : read(now, text, sizeof(text));
	if (n <= 0 || file_write_text(AT_FDCWD, file, range) < 0)
		return -1;
	return write(report, text, (size_t)n) == n ? 0 : -1;
}

int criu_swap_ping_range(struct arena *arena, pid_t pid, const char *range, char **old,
			 struct error *err)
{
	const char *space = arena_printf(arena, "/proc/%d/ns/net", (int)pid);
	int pair[2], status = -1;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, errno, "making a pipe");
	cleanup_fd int ours = pair[0];
	cleanup_fd int theirs = pair[1];
	pid_t child = fork();
	if (child == 0)
		_exit(swap_range(space, range, theirs) < 0);
	fd_cleanup(&theirs);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0 || fd_read_all(arena, ours, 64, old, NULL) < 0)
		return error_set(err, "changing net.ipv4.ping_group_range of the container failed");
	return 0;
}
