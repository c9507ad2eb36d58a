/* From the working directory to the exec: what a shell would tell about a command it can't run. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "lists.h"
#include "sandbox_internal.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int step_cwd(struct child *child, struct error *err)
{
	const char *cwd = child->plan->cwd;
	char where[4096];

	if (chdir(cwd) < 0)
		return error_errno(err, errno, "entering process.cwd \"%s\"", cwd);
	/* A descriptor of the host's, reached through /proc/self/fd, is not inside
	 * (CVE-2024-21626): getcwd(2) then says "(unreachable)". */
	if (syscall(SYS_getcwd, where, sizeof(where)) < 0 || where[0] != '/')
		return error_set(err, "process.cwd \"%s\" is outside of the container's root", cwd);
	return 0;
}

/* Closes all from first on, but those in keep. */
static int close_others(unsigned int first, const int *keep, size_t n)
{
	for (;;) {
		unsigned int next = UINT_MAX;

		for (size_t i = 0; i < n; i++) {
			if (keep[i] >= 0 && (unsigned int)keep[i] >= first &&
			    (unsigned int)keep[i] < next)
				next = (unsigned int)keep[i];
		}
		if (next == UINT_MAX)
			return close_range(first, UINT_MAX, 0);
		if (next > first && close_range(first, next - 1, 0) < 0)
			return -1;
		first = next + 1;
	}
}

/*
 * Closed, not only close-on-exec: process.args is looked up while they are still open, and
 * /proc/self/fd/N/../../bin/sh would start a program of the host's, whose file root could then
 * write (CVE-2024-21626, its third form). A neighbour in a joined pid namespace could take them too
 * while this process waits at its gate, so it can't be looked into until it executes the workload.
 */
int step_descriptors(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;
	const int keep[] = {child->socket, plan->gate, plan->report, plan->stub};
	const size_t n = sizeof(keep) / sizeof(keep[0]);

	if (plan->preserve_fds > INT_MAX - 3)
		return error_set(err, "--preserve-fds %u: there are not that many",
				 plan->preserve_fds);
	/* In the caller's range, too, what is close-on-exec is the runtime's own. */
	for (int fd = 3; fd < 3 + (int)plan->preserve_fds && fd < getdtablesize(); fd++) {
		int flags = fcntl(fd, F_GETFD);
		bool needed = fd == keep[0] || fd == keep[1] || fd == keep[2] || fd == keep[3];

		if (flags >= 0 && flags & FD_CLOEXEC && !needed)
			close(fd);
	}
	if (close_others(3 + plan->preserve_fds, keep, n) < 0)
		return error_errno(err, errno, "close_range");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, errno, "prctl");
	return 0;
}

static int tell(struct error *err, const char *program, int errnum)
{
	if (errnum == EISDIR)
		/* Podman takes "permission denied" for its status 126, and knows no other words. */
		error_set(err, "exec: \"%s\": is a directory (permission denied)", program);
	else
		error_errno(err, errnum, "exec: \"%s\"", program);
	err->number = errnum;
	err->exit_status = errnum == ENOENT || errnum == ENOTDIR ? 127 : 126;
	return -1;
}

/* Returns 0 when path can be executed by this user, else an errno. */
static int judge(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		return EACCES;
	return 0;
}

static int search(struct child *child, const char *name, struct error *err)
{
	const struct str_list env = {.items = child->plan->envp, .n = child->plan->n_env};
	const char *path = env_get(&env, "PATH");
	int found = ENOENT;

	for (const char *at = path ? path : DEFAULT_PATH; at; at = strchr(at, ':')) {
		at += *at == ':';
		int length = (int)strcspn(at, ":");
		int n = snprintf(child->program, sizeof(child->program), "%.*s%s%s", length, at,
				 length ? "/" : "./", name);
		if (n < 0 || (size_t)n >= sizeof(child->program))
			continue;
		int verdict = judge(child->program);
		if (verdict == 0)
			return 0;
		if (verdict != ENOENT && verdict != ENOTDIR && verdict != EISDIR)
			found = verdict;
	}
	if (found != ENOENT)
		return tell(err, name, found);
	error_set(err, "exec: \"%s\": executable file not found in $PATH", name);
	err->number = ENOENT;
	err->exit_status = 127;
	return -1;
}

int step_program(struct child *child, struct error *err)
{
	const char *name = child->plan->argv[0];

	if (!strchr(name, '/'))
		return search(child, name, err);
	int verdict = judge(name);
	if (verdict)
		return tell(err, name, verdict);
	if ((size_t)snprintf(child->program, sizeof(child->program), "%s", name) >=
	    sizeof(child->program))
		return tell(err, name, ENAMETOOLONG);
	return 0;
}

static int wait_at_gate(const struct plan *plan, int socket)
{
	char go;
	ssize_t n;

	do {
		n = read(plan->gate_kind == PLAN_GATE_FIFO ? plan->gate : socket, &go, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : -1;
}

int program_execute(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	if (wait_at_gate(plan, child->socket) < 0)
		_exit(1);
	if (hooks_run(&plan->start_container, plan->started_before_pid, getpid(),
		      plan->started_after_pid, err) < 0)
		return -1;
	if (plan->listen_pid)
		snprintf(plan->listen_pid, sizeof("0123456789"), "%d", getpid());
	volumes_say(plan);
	if (plan->stub_argv)
		(void)stub_execute(child);
	else
		execve(child->program, plan->argv, plan->envp);
	return tell(err, plan->argv[0], errno);
}
