/* A cgroup2 of a test's own: a fresh group is the root of a cgroup namespace, mounted at
 * /sys/fs/cgroup in a private mount namespace. The host's mounts and groups stay as they are. */
#ifndef TEST_CGROUP_FIXTURE_H
#define TEST_CGROUP_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/cgroup/cgroup_internal.h"
#include "fd.h"

#define SKIPPED 77

/* For bodies that run in a child, where cmocka's own asserts would lead nowhere. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s (errno %d)\n", __FILE__, __LINE__,    \
				#condition, errno);                                                \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)
#define CHECK_TEXT(text, part)                                                                     \
	do {                                                                                       \
		if (!strstr((text), (part))) {                                                     \
			fprintf(stderr, "%s:%d: expected \"%s\" in: %s\n", __FILE__, __LINE__,     \
				(part), (text));                                                   \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static inline void write_file(const char *path, const char *text)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* The file's text without its last newline. */
static inline const char *read_file(const char *path)
{
	static char text[4096];
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (length < 0)
		return "(no such file)";
	text[length] = '\0';
	if (length && text[length - 1] == '\n')
		text[length - 1] = '\0';
	return text;
}

static inline int wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The root of the namespace may hand controllers down once nobody is in it. */
static inline void enter_own_root(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), CG_MOUNT "%s/cgroup.procs", group);
	write_file(path, "0");
	CHECK(unshare(CLONE_NEWCGROUP | CLONE_NEWNS) == 0);
	CHECK(umount2(CG_MOUNT, MNT_DETACH) == 0);
	CHECK(mount("cgroup2", CG_MOUNT, "cgroup2", 0, NULL) == 0);
	CHECK(mkdir(CG_MOUNT "/init", 0755) == 0);
	write_file(CG_MOUNT "/init/cgroup.procs", "0");
}

static inline int with_own_cgroup2(void (*body)(void))
{
	char group[64], path[128];
	struct arena arena = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct cg_enabled enabled;
	pid_t child;
	int status;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    /* EBUSY: it is there already */
	    (mount("cgroup2", CG_MOUNT, "cgroup2", 0, NULL) < 0 && errno != EBUSY))
		return SKIPPED;
	snprintf(group, sizeof(group), "/runsafe-unit-%d", getpid());
	snprintf(path, sizeof(path), CG_MOUNT "%s", group);
	CHECK(mkdir(path, 0755) == 0);
	cleanup_fd int root = cg_root_open(NULL);
	cleanup_fd int dir = cgroup_open(group);
	cg_controllers_enable(&arena, root, CG_MOUNT, group, dir, 0, &enabled);
	child = fork();
	if (child == 0) {
		enter_own_root(group);
		body();
		_exit(0);
	}
	status = wait_for(child);
	CHECK(cgroup_kill(group, 5000, &err) == 0);
	if (cgroup_remove(group, 5000, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	arena_free(&arena);
	return status;
}

/* Runs the body in its own child; a cmocka test is one line then. */
static inline void run_body(int (*around)(void (*)(void)), void (*body)(void))
{
	int status;
	pid_t child;

	if (geteuid() != 0)
		skip();
	child = fork();
	if (child == 0)
		_exit(around(body));
	status = wait_for(child);
	if (status == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

/* A process in the group that does nothing until it is killed. */
static inline pid_t process_in(const char *path)
{
	char file[4200];
	pid_t child = fork();

	if (child == 0) {
		signal(SIGTERM, SIG_DFL);
		for (;;)
			pause();
	}
	snprintf(file, sizeof(file), CG_MOUNT "%s/cgroup.procs", path);
	cleanup_fd int fd = open(file, O_WRONLY | O_CLOEXEC);
	dprintf(fd, "%d", child);
	return child;
}

static inline bool is_dir(const char *path)
{
	char full[4200];

	snprintf(full, sizeof(full), CG_MOUNT "%s", path);
	return access(full, F_OK) == 0;
}

#endif
