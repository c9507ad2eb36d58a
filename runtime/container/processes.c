/* Whose a process is: by the cgroup, or else by the pid namespace. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "process.h"

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

/* Opens PID/ns/pid below proc. Returns -1 with errno set. */
static int open_namespace(int proc, const char *pid)
{
	cleanup_fd int dir = openat(proc, pid, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? -1 : openat(dir, "ns/pid", O_RDONLY | O_CLOEXEC);
}

/* Whether the process is in the namespace or in one below it: nested ones are the container's. */
static bool is_inside(int proc, const char *pid, const struct stat *wanted)
{
	cleanup_fd int space = open_namespace(proc, pid);
	struct stat st;

	while (space >= 0 && fstat(space, &st) == 0) {
		if (st.st_dev == wanted->st_dev && st.st_ino == wanted->st_ino)
			return true;
		int parent = ioctl(space, NS_GET_PARENT); /* EPERM above our own */

		fd_cleanup(&space);
		space = parent;
	}
	return false;
}

static int walk_proc(struct arena *arena, int proc, const struct stat *wanted, pid_t **pids,
		     size_t *n)
{
	int copy = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!stream) {
		fd_cleanup(&copy);
		return -1;
	}
	while ((entry = readdir(stream))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !is_inside(proc, entry->d_name, wanted))
			continue;
		*pids = arena_grow(arena, *pids, *n, sizeof(**pids));
		(*pids)[(*n)++] = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	closedir(stream);
	return 0;
}

static int by_namespace(struct arena *arena, const struct container_state *state, pid_t **pids,
			size_t *n, struct error *err)
{
	struct stat wanted;

	if (!state->own_pid_namespace)
		return error_set(err,
				 "%s: cannot tell its processes from others': it was made without "
				 "a cgroup and without a pid namespace of its own",
				 state->id);
	cleanup_fd int proc = open_checked_dir("/proc", PROC_SUPER_MAGIC, "proc", err);
	if (proc < 0)
		return -1;
	cleanup_fd int first =
	    open_namespace(proc, arena_printf(arena, "%lld", (long long)state->pid));
	if (first < 0 || fstat(first, &wanted) < 0)
		return error_errno(err, errno, "%s: cannot look at the pid namespace of %lld",
				   state->id, (long long)state->pid);
	/* Its number may have become another's since the status was looked at. */
	cleanup_fd int pidfd = process_open(state);
	if (pidfd < 0 && errno == ESRCH)
		return 0;
	if (walk_proc(arena, proc, &wanted, pids, n) < 0)
		return error_errno(err, errno, "%s: cannot list /proc", state->id);
	return 0;
}

static int find(struct arena *arena, const struct container_state *state, pid_t **pids, size_t *n,
		struct error *err)
{
	const char *path = state->cgroup_path;
	const int other = process_other_boot(state, err);

	if (other)
		return other < 0 ? -1 : 0;
	if (path && *path) {
		if (cgroup_pids(arena, path, pids, n) == 0 || errno == ENOENT)
			return 0;
		return error_errno(err, errno, "%s: cannot list the processes in cgroup %s",
				   state->id, path);
	}
	if (container_status(state) == STATUS_STOPPED)
		return 0;
	return by_namespace(arena, state, pids, n, err);
}

int container_processes(struct arena *arena, const struct runtime_options *options, const char *id,
			pid_t **pids, size_t *n, struct error *err)
{
	struct container container;

	*pids = NULL;
	*n = 0;
	if (container_open(arena, options->root, id, false, &container, err) < 0)
		return -1;
	container_close(&container);
	if (find(arena, &container.state, pids, n, err) < 0)
		return -1;
	if (*n > 1)
		qsort(*pids, *n, sizeof(**pids), by_number);
	return 0;
}
