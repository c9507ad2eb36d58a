/* The parent's side: the clone, the user namespace's mappings, and what the child tells. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox_internal.h"

/* A pid namespace is joined for children only (pid_namespaces(7)), so the parent does it around
 * the clone and goes back. */
static int enter_pid_namespace(const struct plan *plan, int *back, struct error *err)
{
	for (size_t i = 0; i < plan->n_joins; i++) {
		if (plan->joins[i].clone_flag != CLONE_NEWPID)
			continue;
		*back = openat(plan->proc, "self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (*back < 0)
			return error_errno(err, errno, "opening the runtime's own pid namespace");
		if (setns(plan->joins[i].fd, CLONE_NEWPID) < 0)
			return error_errno(err, errno,
					   "joining the pid namespace of linux.namespaces");
	}
	return 0;
}

int sandbox_spawn(const struct plan *plan, int cgroup, struct sandbox *out, struct error *err)
{
	struct arguments arguments;
	int pair[2];
	int on = 1;
	cleanup_fd int own_pidns = -1;
	/* In two steps only the second process gets the rest of the namespaces. */
	uint64_t flags = plan->two_clones ? 0 : (uint64_t)plan->clone_flags;

	if (plan->late_cgroup)
		flags &= ~(uint64_t)CLONE_NEWCGROUP;

	*out = (struct sandbox){
	    .pid = -1, .pidfd = -1, .socket = -1, .console = -1, .network = -1, .listener = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "making the socket to the container's process");
	cleanup_fd int ours = pair[0];
	cleanup_fd int theirs = pair[1];
	if ((plan->two_clones || clones_inside(plan)) &&
	    setsockopt(ours, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return error_errno(err, errno, "asking for credentials on the socket");
	if (arguments_hide(&arguments, err) < 0)
		return -1;
	if (enter_pid_namespace(plan, &own_pidns, err) < 0) {
		arguments_show(&arguments);
		return -1;
	}

	pid_t pid = sys_clone3(flags, cgroup, &out->pidfd);
	int clone_error = errno;
	if (pid == 0) {
		close(ours);
		child_main(plan, theirs);
	}
	arguments_show(&arguments);
	/* Inside a user namespace there is no way back (setns(2)): what is cloned later, too, lives
	 * in that pid namespace. */
	if (own_pidns >= 0 && setns(own_pidns, CLONE_NEWPID) < 0 && errno != EPERM) {
		error_errno(err, errno, "going back to the runtime's own pid namespace");
		if (pid > 0)
			sandbox_abandon(out);
		return -1;
	}
	if (pid < 0) {
		out->pidfd = -1;
		if (clone_error == EAGAIN)
			return error_errno(err, clone_error,
					   "cloning the container's process (is pids.limit, or the "
					   "host's own limit of processes, reached?)");
		return error_errno(err, clone_error,
				   "cloning the container's process with its new namespaces "
				   "(namespaces in the kernel, and user.max_*_namespaces?)");
	}
	out->pid = pid;
	out->socket = fd_take(&ours);
	return 0;
}

/* Writes the mappings the way user_namespaces(7) wants them: setgroups first when it is denied. */
static int write_mappings(const struct plan *plan, pid_t pid, struct error *err)
{
	char path[64];

	if (plan->deny_setgroups) {
		snprintf(path, sizeof(path), "%d/setgroups", pid);
		if (file_write_text(plan->proc, path, "deny") < 0)
			return error_errno(err, errno, "denying setgroups in the user namespace");
	}
	snprintf(path, sizeof(path), "%d/uid_map", pid);
	if (plan->uid_map && file_write_text(plan->proc, path, plan->uid_map) < 0)
		return error_errno(err, errno, "writing linux.uidMappings");
	snprintf(path, sizeof(path), "%d/gid_map", pid);
	if (plan->gid_map && file_write_text(plan->proc, path, plan->gid_map) < 0)
		return error_errno(err, errno, "writing linux.gidMappings");
	return 0;
}

static int write_oom_score(const struct plan *plan, pid_t pid, struct error *err)
{
	char path[64], text[16];

	if (!plan->oom_score_adj_set || plan->entered_user_namespace)
		return 0;
	snprintf(path, sizeof(path), "%d/oom_score_adj", pid);
	snprintf(text, sizeof(text), "%d", plan->oom_score_adj);
	if (file_write_text(plan->proc, path, text) < 0)
		return error_errno(err, errno, "writing process.oomScoreAdj %s", text);
	return 0;
}

/* Here and not in the child: rights in a user namespace do not raise a hard limit (getrlimit(2)),
 * nor do its ids open oom_score_adj. The child lowers what is to be lower by itself. */
static int raise_limits(const struct plan *plan, pid_t pid, struct error *err)
{
	for (size_t i = 0; i < plan->n_rlimits; i++) {
		const struct plan_rlimit *r = &plan->rlimits[i];
		const int resource = r->resource;
		struct rlimit now;

		/* The child still has ours. */
		if (getrlimit(resource, &now) < 0)
			return error_errno(err, errno, "looking at %s", r->name);
		if (r->limit.rlim_max <= now.rlim_max)
			continue;
		now.rlim_max = r->limit.rlim_max;
		if (prlimit(pid, resource, &now, NULL) < 0)
			return error_errno(err, errno,
					   "raising the hard limit of %s to %llu (this needs "
					   "CAP_SYS_RESOURCE)",
					   r->name, (unsigned long long)now.rlim_max);
	}
	return write_oom_score(plan, pid, err);
}

static int write_time_offsets(const struct plan *plan, pid_t pid, struct error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/timens_offsets", pid);
	if (file_write_text(plan->proc, path, plan->time_offsets) < 0)
		return error_errno(err, errno, "writing linux.timeOffsets");
	return 0;
}

/* The child is gone without a word: how did it end? */
static int silent_death(struct sandbox *sandbox, struct error *err)
{
	siginfo_t info = {0};

	if (waitid(P_PIDFD, (id_t)sandbox->pidfd, &info, WEXITED | WNOWAIT) == 0 &&
	    (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)) {
		const char *hint = "";
		if (info.si_status == SIGKILL)
			hint = " (by hand, or is memory.limit too small for the set-up?)";
		else if (info.si_status == SIGSYS)
			hint = " (linux.seccomp refuses a system call that the start needs: write, "
			       "read, execve)";
		return error_set(err,
				 "the container's process was killed by signal %d before the "
				 "workload ran%s",
				 info.si_status, hint);
	}
	return error_set(err, "the container's process ended before the workload ran");
}

static int adopt(struct sandbox *sandbox, pid_t pid, struct error *err)
{
	int status;

	/* The first process of two has done its part. */
	while (waitpid(sandbox->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(sandbox->pidfd);
	sandbox->pid = pid;
	sandbox->pidfd = sys_pidfd_open(pid);
	if (sandbox->pidfd < 0)
		return error_errno(err, errno, "opening the container's process %d", pid);
	return 0;
}

static void keep(int *place, int *fd)
{
	fd_cleanup(place);
	*place = fd_take(fd);
}

int sandbox_wait(struct sandbox *sandbox, const struct plan *plan, enum sandbox_event *event,
		 struct error *err)
{
	while (!(sandbox->ready && sandbox->listened)) {
		struct received got;
		int n = message_receive(sandbox->socket, &got);
		cleanup_fd int fd = got.fd;

		if (n < 0)
			return error_errno(err, errno, "reading from the container's process");
		if (n == 0)
			return silent_death(sandbox, err);
		if (message_check(plan, &got, err) < 0)
			return -1;
		switch (got.message.kind) {
		case MESSAGE_HELLO:
			if (adopt(sandbox, got.pid, err) < 0 ||
			    mapping_check(plan, sandbox->pid, err) < 0 ||
			    (clones_inside(plan) && priorities_set(plan, sandbox->pid, err) < 0))
				return -1;
			break;
		case MESSAGE_MAP:
			if (write_mappings(plan, sandbox->pid, err) < 0 ||
			    sandbox_continue(sandbox, err) < 0)
				return -1;
			break;
		case MESSAGE_LIMITS:
			if (raise_limits(plan, sandbox->pid, err) < 0 ||
			    sandbox_continue(sandbox, err) < 0)
				return -1;
			break;
		case MESSAGE_TIME:
			if (write_time_offsets(plan, sandbox->pid, err) < 0 ||
			    sandbox_continue(sandbox, err) < 0)
				return -1;
			break;
		case MESSAGE_PRIORITIES:
			if (priorities_set(plan, sandbox->pid, err) < 0 ||
			    sandbox_continue(sandbox, err) < 0)
				return -1;
			break;
		case MESSAGE_CONSOLE:
			keep(&sandbox->console, &fd);
			break;
		case MESSAGE_CGROUP:
			*event = SANDBOX_CGROUP;
			return 0;
		case MESSAGE_NAMESPACES:
			*event = SANDBOX_NAMESPACES;
			return 0;
		case MESSAGE_NETWORK:
			keep(&sandbox->network, &fd);
			*event = SANDBOX_NETWORK;
			return 0;
		case MESSAGE_LISTENER:
			keep(&sandbox->listener, &fd);
			sandbox->listened = true;
			*event = SANDBOX_LISTENER;
			return 0;
		case MESSAGE_READY:
			/* A thread beside the child sends the listener, maybe later. */
			if (plan->seccomp_listener && !sandbox->listened) {
				sandbox->ready = true;
				break;
			}
			*event = SANDBOX_READY;
			return 0;
		default:
			return message_failed(&got.message, err);
		}
	}
	*event = SANDBOX_READY;
	return 0;
}

int sandbox_continue(struct sandbox *sandbox, struct error *err)
{
	ssize_t n;

	do {
		n = send(sandbox->socket, "", 1, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	/* It would be waited for without end where it is not gone. */
	if (errno != EPIPE && errno != ECONNRESET)
		return error_errno(err, errno, "letting the container's process go on");
	return silent_death(sandbox, err);
}

/* Returns 0 when the child has something to say, or -1 with err set by a signal. */
static int wait_for_word(const struct sandbox *sandbox, struct error *err)
{
	struct interrupts in;
	int signal_number = 0;

	interrupts_begin(&in);
	while (!signal_number) {
		struct pollfd polls[2] = {{.fd = sandbox->socket, .events = POLLIN},
					  {.fd = in.fd, .events = POLLIN}};

		if (poll(polls, 2, -1) < 0)
			continue;
		if (polls[0].revents)
			break;
		signal_number = interrupt_taken(in.fd);
	}
	if (interrupts_end(&in, err) < 0)
		return -1;
	if (!signal_number)
		return 0;
	error_set(err, "interrupted by signal %d while hooks.startContainer ran", signal_number);
	err->exit_status = 128 + signal_number;
	return -1;
}

int sandbox_open_gate(struct sandbox *sandbox, bool interruptible, struct error *err)
{
	struct received got;

	if (sandbox_continue(sandbox, err) < 0 ||
	    (interruptible && wait_for_word(sandbox, err) < 0))
		return -1;
	int n = message_receive(sandbox->socket, &got);
	fd_cleanup(&got.fd);
	if (n < 0)
		return error_errno(err, errno, "reading from the container's process");
	if (n > 0)
		return message_failed(&got.message, err);
	/* Its end of the socket is close-on-exec: the end of file is the exec, or its end. */
	return sandbox_died_before_exec(sandbox->pid) ? silent_death(sandbox, err) : 0;
}

/* proc_pid_stat(5), field 9: the kernel's flags; they stay until the process is reaped. */
bool sandbox_died_before_exec(pid_t pid)
{
	enum { STATE = 3, FLAGS = 9, FORKED_NO_EXEC = 0x40 }; /* PF_FORKNOEXEC, linux/sched.h */
	char text[1024];

	snprintf(text, sizeof(text), "/proc/%d/stat", pid);
	cleanup_fd int fd = open(text, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	const char *at = strrchr(text, ')'); /* the name before may hold anything */
	for (int field = STATE - 1; at && field < FLAGS; field++)
		at = strchr(at + 1, ' ');
	return at && strtoul(at + 1, NULL, 10) & FORKED_NO_EXEC;
}

int sandbox_make_gate(int dir, struct plan *plan, struct error *err)
{
	plan->gate_kind = PLAN_GATE_FIFO;
	plan->says_itself = true;
	if (mkfifoat(dir, "gate", 0600) < 0 || mkfifoat(dir, "report", 0600) < 0)
		return error_errno(err, errno, "making the start gate in the state folder");
	/* Both ends at once, so that neither open nor read depends on who else is there. */
	plan->gate = openat(dir, "gate", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	plan->report = openat(dir, "report", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (plan->gate < 0 || plan->report < 0)
		return error_errno(err, errno, "opening the start gate in the state folder");
	return 0;
}

/* Who waited there may be dead by now: no reason to die as well. */
static int open_fifo(int gate)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;

	sigaction(SIGPIPE, &ignore, &before);
	int result = fd_write_all(gate, "", 1);
	int number = errno;
	sigaction(SIGPIPE, &before, NULL);
	errno = number;
	return result;
}

int sandbox_open_gate_fifo(int dir, bool *opened, struct error *err)
{
	struct message message = {0};
	cleanup_fd int report =
	    openat(dir, "report", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	cleanup_fd int gate = openat(dir, "gate", O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

	*opened = false;
	if ((report < 0 || gate < 0) && errno != ENOENT && errno != ENXIO)
		return error_errno(err, errno, "opening the start gate");
	if (report < 0 || gate < 0) {
		error_set(err, "the container is not waiting at its start gate");
		err->number = ENXIO;
		return -1;
	}
	if (open_fifo(gate) < 0) {
		error_errno(err, errno, "opening the start gate");
		err->number = err->number == EPIPE ? ENXIO : err->number;
		return -1;
	}
	*opened = true;
	struct pollfd poll_report = {.fd = report, .events = POLLIN};
	ssize_t n;
	do {
		(void)poll(&poll_report, 1, -1);
		n = read(report, &message, sizeof(message));
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n == 0)
		return 0;
	if (n != sizeof(message))
		return error_errno(err, n < 0 ? errno : EPROTO, "reading the start gate's report");
	return message_failed(&message, err);
}

void sandbox_abandon(struct sandbox *sandbox)
{
	if (sandbox->pidfd >= 0) {
		siginfo_t info;
		sys_pidfd_kill(sandbox->pidfd, SIGKILL);
		while (waitid(P_PIDFD, (id_t)sandbox->pidfd, &info, WEXITED) < 0 && errno == EINTR)
			;
	}
	sandbox_close(sandbox);
}

void sandbox_close(struct sandbox *sandbox)
{
	fd_cleanup(&sandbox->pidfd);
	fd_cleanup(&sandbox->socket);
	fd_cleanup(&sandbox->console);
	fd_cleanup(&sandbox->network);
	fd_cleanup(&sandbox->listener);
}
