#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "fd.h"

/* A process that was reaped just now can keep its group busy for a moment. */
static int remove_dir(int parent, const char *name, long long end)
{
	struct timespec pause = {.tv_nsec = 100000};

	for (;;) {
		if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY || cg_now() >= end)
			return -1;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 10000000)
			pause.tv_nsec *= 2;
	}
}

static int remove_child(int parent, const char *name, void *data)
{
	return remove_dir(parent, name, *(long long *)data);
}

static int remove_tree(int root, const char *name, int timeout_ms)
{
	long long end = cg_now() + timeout_ms;
	struct cg_visit visit = {.leave = remove_child, .data = &end};
	int dir;

	if (unlinkat(root, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY)
		return -1;
	dir = openat(root, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -1;
	if (cg_walk(dir, &visit) < 0)
		return -1;
	return remove_dir(root, name, end);
}

/* What a container made below a group that was there before it. */
static int remove_below(int root, const char *name, int timeout_ms)
{
	long long end = cg_now() + timeout_ms;
	struct cg_visit visit = {.leave = remove_child, .data = &end};
	int dir = openat(root, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : -1;
	return cg_walk(dir, &visit);
}

/* Up to most empty directories above path. */
static void remove_parents(struct arena *arena, int root, const char *path, size_t most)
{
	char *parent = arena_strdup(arena, path);
	char *slash;

	while (most-- > 0 && (slash = strrchr(parent, '/')) && slash != parent) {
		*slash = '\0';
		/* Not there: a create was killed before it was made, or another was faster. */
		if (unlinkat(root, cg_relative(parent), AT_REMOVEDIR) < 0 && errno != ENOENT)
			return;
	}
}

static int remove_with_parents(const char *path, bool kept, size_t parents, int timeout_ms,
			       struct error *err)
{
	cleanup_fd int root = -1;
	struct arena arena = ARENA_INIT;

	if (!*cg_relative(path))
		return 0;
	root = cg_root_open(NULL);
	if (root < 0)
		return error_errno(err, errno,
				   "can not remove the cgroup %s: no cgroup2 at " CG_MOUNT, path);
	if ((kept ? remove_below : remove_tree)(root, cg_relative(path), timeout_ms) < 0)
		return error_errno(err, errno, "can not remove the cgroup %s%s", path,
				   errno == EBUSY ? " (processes are in it)" : "");
	remove_parents(&arena, root, path, kept ? 0 : parents);
	arena_free(&arena);
	return 0;
}

int cgroup_remove_made(const char *path, bool kept, size_t parents, int timeout_ms,
		       struct error *err)
{
	/* Parents that are runsafe's own go with the last group in them. */
	bool own = strncmp(path, CG_OWN "/", strlen(CG_OWN "/")) == 0;

	return remove_with_parents(path, kept, own ? SIZE_MAX : parents, timeout_ms, err);
}

int cgroup_remove(const char *path, int timeout_ms, struct error *err)
{
	return cgroup_remove_made(path, false, 0, timeout_ms, err);
}

int cgroup_unmake(const struct cgroup *cgroup, const char *id, int timeout_ms, struct error *err)
{
	if (cgroup->unit.name)
		return cgroup->made
			   ? cgroup_remove_unit(&cgroup->unit, id, cgroup->path, timeout_ms, err)
			   : 0;
	return remove_with_parents(cgroup->path, !cgroup->made, cgroup->made_parents, timeout_ms,
				   err);
}
