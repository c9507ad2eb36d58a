/* Which of a container's groups one more process (exec) goes into. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "fd.h"

/* Groups inside a container may be its own making: their names are not to be trusted. */
static int open_below(int dir, const char *below)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};

	return (int)syscall(SYS_openat2, dir, below, &how, sizeof(how));
}

/* A group whose controllers are on for groups below it takes no processes itself (cgroup-v2.rst,
 * "No Internal Process Constraint"). */
static bool takes_processes(struct arena *arena, int dir)
{
	char *text;

	return file_read_all(arena, dir, "cgroup.subtree_control", 4096, &text, NULL) < 0 ||
	       strspn(text, " \n") == strlen(text);
}

/* An init system in the container has gone into a group of its own: next to it, then. */
static int open_beside_first(struct arena *arena, int dir, const char *path, int proc, pid_t first,
			     struct error *err)
{
	size_t length = strlen(path);
	char *text;

	if (file_read_all(arena, proc, arena_printf(arena, "%d/cgroup", first), 1 << 16, &text,
			  NULL) < 0)
		return error_errno(err, errno, "reading the cgroup of process %d", first);
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "0::", 3) != 0)
			continue;
		char *its = line + 3;
		its[strcspn(its, "\n")] = '\0';
		if (strncmp(its, path, length) != 0 || its[length] != '/')
			break;
		int fd = open_below(dir, its + length + 1);
		return fd < 0 ? error_errno(err, errno, "opening the cgroup %s", its) : fd;
	}
	return error_set(err,
			 "cgroup %s takes no processes (it has controllers for groups below it), "
			 "and the container's first process is in none below it: name one with "
			 "--cgroup",
			 path);
}

int cgroup_open_for_exec(struct arena *arena, const char *path, const char *below, int proc,
			 pid_t first, struct error *err)
{
	cleanup_fd int dir = cgroup_open(path);

	if (dir < 0)
		return error_errno(err, errno, "opening the container's cgroup %s", path);
	if (below && strchr(below, ':'))
		return error_set(
		    err,
		    "--cgroup %s: expected a path below the container's cgroup; cgroup "
		    "v2 has no controller to name before it",
		    below);
	if (below && *cg_relative(below)) {
		int fd = open_below(dir, cg_relative(below));
		return fd < 0 ? error_errno(err, errno, "--cgroup %s: below the cgroup %s", below,
					    path)
			      : fd;
	}
	if (!below && !takes_processes(arena, dir))
		return open_beside_first(arena, dir, path, proc, first, err);
	return fd_take(&dir);
}
