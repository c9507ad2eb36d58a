/* The plan's sysctls once more, in namespaces that somebody else has made: criu brings a few of a
 * network namespace's back, and vm.memfd_noexec not at all. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox_internal.h"

enum { SHOWN = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS };

/* Group ids in net.ipv4.ping_group_range are those of the writer's user namespace. */
static int write_all(const struct plan *plan, int pidfd, struct error *err)
{
	if (!(plan->clone_flags & CLONE_NEWUSER)) {
		if (sysctls_write(plan, true, err) < 0)
			return -1;
		return sysctls_write(plan, false, err);
	}
	if (setns(pidfd, CLONE_NEWUSER) < 0)
		return error_errno(err, errno, "joining the user namespace to write sysctls");
	if (namespaces_become_user(plan, err) < 0)
		return -1;
	return sysctls_write(plan, false, err);
}

static _Noreturn void tell(int report, const struct error *err)
{
	(void)fd_write_all(report, err->text, strlen(err->text));
	_exit(1);
}

/* A pid namespace is joined for children only, and vm.memfd_noexec is that of who writes it. */
static _Noreturn void join_and_write(const struct plan *plan, int pidfd, int report)
{
	struct error err = ERROR_INIT;
	int status;

	if (setns(pidfd, plan->clone_flags & SHOWN) < 0) {
		error_errno(&err, errno, "joining the namespaces to write sysctls");
		tell(report, &err);
	}
	pid_t pid = fork();
	if (pid == 0) {
		if (write_all(plan, pidfd, &err) < 0)
			tell(report, &err);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(pid < 0 || status != 0);
}

int sandbox_write_sysctls(const struct plan *plan, int pidfd, struct error *err)
{
	int pair[2], status;

	if (plan->n_sysctls == 0 || !(plan->clone_flags & SHOWN))
		return 0;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, errno, "making a pipe");
	cleanup_fd int ours = pair[0];
	cleanup_fd int theirs = pair[1];
	pid_t pid = fork();
	if (pid == 0)
		join_and_write(plan, pidfd, theirs);
	fd_cleanup(&theirs);
	if (pid < 0)
		return error_errno(err, errno, "writing sysctls: fork");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return 0;
	char text[sizeof(err->text)];
	ssize_t n = read(ours, text, sizeof(text) - 1);
	return error_set(err, "%.*s", n > 0 ? (int)n : 0, text);
}
