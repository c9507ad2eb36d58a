#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "sandbox_internal.h"

static int send_message(int socket, const struct message *message, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {.iov_base = (void *)message, .iov_len = sizeof(*message)};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		header.msg_control = control;
		header.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int child_tell(struct child *child, enum message_kind kind, int fd)
{
	struct message message = {.kind = (int32_t)kind};

	/* write(2) where it will do: an engine's filter, loaded by now, may know no sendmsg(2). */
	if (fd < 0)
		return fd_write_all(child->socket, &message, sizeof(message));
	return send_message(child->socket, &message, fd);
}

int child_wait_for_parent(struct child *child, struct error *err)
{
	char go;
	ssize_t n;

	do {
		n = read(child->socket, &go, 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		return error_set(err, "the runtime went away in the middle of the start");
	return 0;
}

static void child_report(int fd, const struct error *err)
{
	struct message message = {
	    .kind = MESSAGE_FAILED, .number = err->number, .exit_status = err->exit_status};

	memcpy(message.text, err->text, sizeof(message.text));
	(void)fd_write_all(fd, &message, sizeof(message));
}

static _Noreturn void child_fail(int fd, const struct error *err)
{
	child_report(fd, err);
	_exit(err->exit_status ? err->exit_status : 1);
}

/* What holds from the first moment on. */
static int begin(struct error *err)
{
	/* A runtime that is killed takes the half-made container with it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_errno(err, errno, "ending with the runtime (prctl)");
	/* A neighbour in a joined pid or user namespace must not look into a process that still has
	 * the host's descriptors (ptrace(2), /proc/PID/fd): CVE-2016-9962. Until the exec. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_errno(err, errno, "closing itself to other processes (prctl)");
	if (sys_default_signals() < 0)
		return error_errno(err, errno, "resetting the signals");
	umask(0);
	return 0;
}

static bool taken_out(const char *name)
{
#ifdef WITHOUT
	/* tests/removal builds copies that lack one protection, to see the tests notice. */
	return strcmp(name, WITHOUT) == 0;
#else
	(void)name;
	return false;
#endif
}

size_t child_line(const char *text, char *line, size_t room)
{
	int length = snprintf(line, room, "runsafe: %s", text);

	if (length >= (int)room)
		length = (int)room - 1;
	/* Parts of it come from config.json: no byte may steer a terminal. */
	for (int i = 0; i < length; i++) {
		for (size_t n = log_control(line + i); n > 0; n--)
			line[i + (int)n - 1] = '?';
	}
	return (size_t)length;
}

/* `start` is over by then for the engine: whoever reads the workload's output reads it there. */
void child_say(const struct error *err)
{
	char line[sizeof(err->text) + sizeof("runsafe: \n")];
	size_t length = child_line(err->text, line, sizeof(line) - 1);

	line[length++] = '\n';
	(void)fd_write_all(STDERR_FILENO, line, length);
}

static void walk(struct child *child)
{
	struct error err = ERROR_INIT;
	const bool fifo = child->plan->gate_kind == PLAN_GATE_FIFO;

	const struct step *step = child->plan->target >= 0 ? sandbox_exec_steps : sandbox_steps;

	for (; step->name; step++) {
		if (taken_out(step->name))
			continue;
		if (step->run(child, &err) < 0) {
			error_wrap(&err, "%s", step->name);
			child_fail(child->socket, &err);
		}
	}
	if (child_tell(child, MESSAGE_READY, -1) < 0)
		_exit(1);
	/* Nobody would find this process if the runtime ended before it wrote the state. */
	if (fifo && child_wait_for_parent(child, &err) < 0)
		_exit(1);
	child_forget(child->plan);
	(void)program_execute(child, &err);
	const bool says = child->plan->says_itself && error_of_program(&err);

	/* exec's runtime is this process's end as soon as it has the report. */
	if (says && !fifo)
		child_say(&err);
	child_report(fifo ? child->plan->report : child->socket, &err);
	/* Nobody may read there (SIGPIPE), or not soon: nothing that `start` should wait for. */
	if (says && fifo)
		child_say(&err);
	_exit(err.exit_status ? err.exit_status : 1);
}

/* Two clones: this first process joins what it must before (and with) the user namespace, and its
 * child, the runtime's by CLONE_PARENT, walks on. */
static void clone_again(struct child *child)
{
	struct error err = ERROR_INIT;

	if (namespaces_join_all(child->plan, true, &err) < 0)
		goto fail;
	mounts_before_user(child->plan);
	if (sysctls_write_early(child->plan, &err) < 0)
		goto fail;
	if (child->plan->clone_flags & CLONE_NEWUSER) {
		if (unshare(CLONE_NEWUSER) < 0) {
			error_errno(&err, errno, "making the user namespace");
			goto fail;
		}
		if (child_tell(child, MESSAGE_MAP, -1) < 0 ||
		    child_wait_for_parent(child, &err) < 0)
			goto fail;
	}
	if (namespaces_join_all(child->plan, false, &err) < 0)
		goto fail;
	if (unshare(child->plan->clone_flags & ~CLONE_NEWUSER &
		    ~(child->plan->late_cgroup ? CLONE_NEWCGROUP : 0)) < 0) {
		error_errno(&err, errno, "making the namespaces inside the user namespace");
		goto fail;
	}
	pid_t pid = sys_clone3(CLONE_PARENT, -1, NULL);
	if (pid < 0) {
		error_errno(&err, errno, "cloning the container's process");
		goto fail;
	}
	if (pid > 0)
		_exit(0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
		error_errno(&err, errno, "ending with the runtime (prctl)");
		goto fail;
	}
	if (child_tell(child, MESSAGE_HELLO, -1) < 0)
		_exit(1);
	/* The pid namespace is there only now. */
	if (namespaces_late_cgroup(child, &err) < 0 ||
	    namespaces_become_user(child->plan, &err) < 0)
		goto fail;
	return;
fail:
	error_wrap(&err, "namespaces");
	child_fail(child->socket, &err);
}

/* A runtime without rights on the host can not write them, nor this process once it is closed to
 * others: they belong to the host's root then (proc(5), "/proc/pid"). */
static void open_own_files(struct child *child)
{
	const struct plan *plan = child->plan;

	if (!plan->entered_user_namespace)
		return;
	if (plan->oom_score_adj_set)
		child->own_oom_score =
		    openat(plan->proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (plan->time_offsets)
		child->own_time_offsets =
		    openat(plan->proc, "self/timens_offsets", O_WRONLY | O_CLOEXEC);
}

void child_main(const struct plan *plan, int socket)
{
	struct child child = {.plan = plan,
			      .socket = socket,
			      .root = -1,
			      .scratch = -1,
			      .runtime_root = -1,
			      .own_oom_score = -1,
			      .own_time_offsets = -1};

	struct error err = ERROR_INIT;

	open_own_files(&child);
	if (begin(&err) < 0)
		child_fail(socket, &err);
	if (plan->two_clones)
		clone_again(&child);
	walk(&child);
	_exit(1);
}
