/* What is done to a group's processes: listing, signals, killing, freezing. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "fd.h"

#define PROCS_LIMIT (64u << 20)

long long cg_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct pid_list {
	struct arena *arena;
	pid_t *items;
	size_t n;
};

static int add_pids(int dir, void *data)
{
	struct pid_list *list = data;
	char *text, *end;

	if (file_read_all(list->arena, dir, "cgroup.procs", PROCS_LIMIT, &text, NULL) < 0) {
		/* Gone meanwhile; or threaded, whose processes the group above lists. */
		if (errno == ENOENT || errno == ENODEV || errno == EOPNOTSUPP)
			return 0;
		return -1;
	}
	for (; *text; text = end) {
		long pid = strtol(text, &end, 10);

		if (end == text)
			break;
		end += strspn(end, "\n");
		/* 0 is a process that our pid namespace does not see. A number that is none must
		 * not become a negative one, a whole group to kill(2). */
		if (pid <= 0 || pid > INT_MAX)
			continue;
		list->items = arena_grow(list->arena, list->items, list->n, sizeof(*list->items));
		list->items[list->n++] = (pid_t)pid;
	}
	return 0;
}

int cgroup_pids(struct arena *arena, const char *path, pid_t **pids, size_t *n)
{
	struct pid_list list = {.arena = arena};
	struct cg_visit visit = {.enter = add_pids, .data = &list};
	int dir = cgroup_open(path);

	if (dir < 0 || cg_walk(dir, &visit) < 0)
		return -1;
	*pids = list.items;
	*n = list.n;
	return 0;
}

int cgroup_signal(const char *path, int sig)
{
	struct arena arena = ARENA_INIT;
	pid_t *pids;
	size_t n;
	int sent = 0, number = 0;

	if (cgroup_pids(&arena, path, &pids, &n) < 0) {
		number = errno;
		n = 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (kill(pids[i], sig) == 0)
			sent++;
		else if (errno != ESRCH)
			number = errno;
	}
	arena_free(&arena);
	errno = number;
	return number ? -1 : sent;
}

/* The value of key in cgroup.events; -1 with errno set if the group is gone (ENODEV), the kernel
 * does not have the key (ENODATA), or it can not be read. */
static int read_event(int events, const char *key)
{
	char text[128];
	ssize_t length = pread(events, text, sizeof(text) - 1, 0);
	char *line;

	if (length < 0)
		return -1;
	text[length] = '\0';
	line = strstr(text, key);
	errno = ENODATA;
	return line ? line[strlen(key)] == '1' : -1;
}

static int open_events(int dir)
{
	return openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
}

/* Waits until key has the value. 1 when it has, or the group is gone, 0 after timeout_ms. */
static int wait_on(int events, const char *key, int value, int timeout_ms)
{
	long long end = cg_now() + timeout_ms;
	/* The kernel holds a second notice back for 10 ms, so some first looks are our own. */
	int step = 1;

	for (;;) {
		struct pollfd wait = {.fd = events, .events = POLLPRI};
		int is = read_event(events, key);
		long long left = end - cg_now();

		if (is == value || (is < 0 && errno == ENODEV))
			return 1;
		if (left <= 0)
			return 0;
		poll(&wait, 1, left < step ? (int)left : step);
		if (step < 64)
			step *= 2;
	}
}

static int wait_event(int dir, const char *key, int value, int timeout_ms)
{
	cleanup_fd int events = open_events(dir);

	if (events < 0)
		return errno == ENOENT || errno == ENODEV ? 1 : -1;
	return wait_on(events, key, value, timeout_ms);
}

/* Also for kernels before 5.14. Frozen, the processes can not fork away from under the list. */
static void kill_one_by_one(const char *path, int dir, long long end)
{
	file_write_text(dir, "cgroup.freeze", "1");
	do
		cgroup_signal(path, SIGKILL);
	while (wait_event(dir, "populated ", 0, 5) == 0 && cg_now() < end);
	file_write_text(dir, "cgroup.freeze", "0");
}

static int kill_all(const char *path, bool kept, int timeout_ms, struct error *err)
{
	cleanup_fd int dir = cgroup_open(path);
	long long end = cg_now() + timeout_ms;
	int done;

	if (dir < 0 && errno == ENOENT)
		return 0;
	if (dir < 0)
		return error_errno(err, errno, "can not open the cgroup %s below " CG_MOUNT, path);
	if (wait_event(dir, "populated ", 0, 0) > 0)
		return 0;
	/* Seen on 6.18: what clone3(2) puts into a group that was once killed by cgroup.kill
	 * is killed at once, since its kill_seq is compared with that of the caller's group. */
	if (kept) {
		kill_one_by_one(path, dir, end);
	} else if (file_write_text(dir, "cgroup.kill", "1") < 0) {
		if (errno == ENODEV)
			return 0;
		if (errno != ENOENT && errno != EOPNOTSUPP)
			return error_errno(err, errno, "can not kill the processes in cgroup %s",
					   path);
		kill_one_by_one(path, dir, end);
	}
	done = wait_event(dir, "populated ", 0, (int)(end - cg_now()));
	if (done < 0)
		return error_errno(err, errno, "can not read %s/cgroup.events", path);
	if (done == 0)
		return error_set(err,
				 "processes in cgroup %s are still there %d ms after SIGKILL: they "
				 "may hang in the kernel, look at /proc/PID/stack of those in "
				 "its cgroup.procs",
				 path, timeout_ms);
	return 0;
}

int cgroup_kill(const char *path, int timeout_ms, struct error *err)
{
	return kill_all(path, false, timeout_ms, err);
}

int cgroup_kill_kept(const char *path, int timeout_ms, struct error *err)
{
	return kill_all(path, true, timeout_ms, err);
}

int cgroup_freeze(const char *path, bool frozen, int timeout_ms, struct error *err)
{
	cleanup_fd int dir = cgroup_open(path);

	if (dir < 0)
		return error_errno(err, errno, "can not open the cgroup \"%s\" of the container",
				   path);
	/* First: who can not see what came of it changes nothing. */
	cleanup_fd int events = open_events(dir);
	if (events < 0)
		return error_errno(err, errno, "can not open %s/cgroup.events", path);
	if (file_write_text(dir, "cgroup.freeze", frozen ? "1" : "0") < 0)
		return error_errno(err, errno, "can not write %s/cgroup.freeze", path);
	if (wait_on(events, "frozen ", frozen, timeout_ms) > 0)
		return 0;
	if (frozen)
		file_write_text(dir, "cgroup.freeze", "0");
	return error_set(err, "the processes in cgroup %s are not %s after %d ms", path,
			 frozen ? "frozen" : "thawed", timeout_ms);
}

/* The file tells by itself that it is of cgroup2; where it does not, or is not there, its place is
 * looked for step by step. */
static int open_events_of(const char *path)
{
	char name[PATH_MAX];
	struct statfs fs;
	int length = snprintf(name, sizeof(name), CG_MOUNT "/%s/cgroup.events", cg_relative(path));

	if (*cg_relative(path) && length > 0 && (size_t)length < sizeof(name)) {
		cleanup_fd int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

		if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return fd_take(&fd);
	}
	cleanup_fd int dir = cgroup_open(path);
	return dir < 0 ? -1 : open_events(dir);
}

int cgroup_frozen(const char *path)
{
	cleanup_fd int events = open_events_of(path);
	const int frozen = events < 0 ? -1 : read_event(events, "frozen ");

	/* Gone, or a kernel before 5.2. */
	if (frozen < 0 && (errno == ENOENT || errno == ENODEV || errno == ENODATA))
		return 0;
	return frozen;
}
