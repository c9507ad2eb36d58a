/* A plan written by hand and a rootfs with a busybox, for test_sandbox_{walk,steps}.c, in a mount
 * namespace of the test's own. */
#ifndef RUNSAFE_TESTS_SANDBOX_HELP_H
#define RUNSAFE_TESTS_SANDBOX_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/sandbox/sandbox_internal.h"
#include "fd.h"

/* The workload is this very program, in a rootfs that has its libraries by bind mounts. */
static char dir[64];
static struct plan plan;
static struct sandbox box;
static struct error err;
static char *argv[4], *envp[2];

static inline int isolate(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/runsafe-steps.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	if (geteuid() != 0)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return mount("tmpfs", dir, "tmpfs", 0, NULL);
}

static inline int leave(void **state)
{
	(void)state;
	if (geteuid() == 0)
		umount2(dir, MNT_DETACH);
	return rmdir(dir);
}

static inline void copy_program(const char *from, const char *to)
{
	static char buffer[1 << 16];
	cleanup_fd int in = open(from, O_RDONLY | O_CLOEXEC);
	cleanup_fd int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ssize_t n;

	if (in < 0)
		return;
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(out, buffer, (size_t)n), n);
}

static inline void in_rootfs(const char *path, char full[128])
{
	snprintf(full, 128, "%s/%s", dir, path);
}

static inline int fresh(void **state)
{
	static const char *const directories[] = {"bin", "dev", "etc", "tmp", "closed"};
	char full[128];

	(void)state;
	if (geteuid() != 0)
		return 0;
	/* A child that waits for ever is a failure, too. */
	alarm(30);
	for (size_t i = 0; i < 5; i++) {
		in_rootfs(directories[i], full);
		mkdir(full, 0755);
	}
	in_rootfs("tmp", full);
	chmod(full, 01777);
	in_rootfs("bin/busybox", full);
	if (access(full, F_OK) < 0)
		copy_program("/bin/busybox", full);
	in_rootfs("etc/plain", full);
	close(open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	cleanup_fd int rootfs = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	argv[0] = (char *)"/bin/busybox";
	argv[1] = (char *)"true";
	argv[2] = argv[3] = NULL;
	envp[0] = (char *)"PATH=/bin";
	plan = (struct plan){
	    .clone_flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET,
	    .own_network = true,
	    .hostname = "unit",
	    .rootfs_path = dir,
	    .rootfs_tree = sys_clone_tree(rootfs, true),
	    .rootfs_readonly = true,
	    .argv = argv,
	    .envp = envp,
	    .n_env = 1,
	    .cwd = "/",
	    .uid = 1000,
	    .gid = 1000,
	    .capabilities = {.known = ((uint64_t)1 << 41) - 1},
	    .no_new_privileges = true,
	    .proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
	    .gate = -1,
	    .report = -1,
	    .target = -1,
	    .state_before_pid = "{\"pid\":",
	    .state_after_pid = "}",
	};
	err = (struct error)ERROR_INIT;
	return plan.rootfs_tree < 0 || plan.proc < 0 ? -1 : 0;
}

static inline int stale(void **state)
{
	(void)state;
	if (geteuid() == 0) {
		fd_cleanup(&plan.rootfs_tree);
		fd_cleanup(&plan.proc);
	}
	return 0;
}

static inline void needs_root_and_busybox(void)
{
	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0)
		skip();
}

static inline void no_child_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static inline void reaches_its_gate(void)
{
	enum sandbox_event event = 0;

	if (sandbox_spawn(&plan, -1, &box, &err) < 0 || sandbox_wait(&box, &plan, &event, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(event, SANDBOX_READY);
}

static inline int exit_status(void)
{
	int status = 0;

	assert_int_equal(waitpid(box.pid, &status, 0), box.pid);
	sandbox_close(&box);
	no_child_is_left();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int runs(void)
{
	reaches_its_gate();
	if (sandbox_open_gate(&box, false, &err) < 0)
		fail_msg("%s", err.text);
	return exit_status();
}

#endif
