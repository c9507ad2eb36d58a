/* run in the foreground: like the workload itself to whoever started it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "launch.h"
#include "log.h"
#include "process.h"

#define FREEZE_TIMEOUT_MS 2000
#define KILL_TIMEOUT_MS	  10000
/* How often we look, from the background, for the foreground: the shell's fg of a job that runs
 * sends no signal. */
#define BACKGROUND_MS 200

struct supervisor {
	struct launch *launch;
	struct terminal terminal;
	bool ended;
	int status; /* wait status of the workload */
	int fatal;  /* a signal that we had to make fatal ourselves; 0: none */
};

/*
 * Synchronous signals stay: blocked, they would only hide a fault of our own. What the caller
 * ignores stays ignored: nohup's SIGHUP, and SIGINT of a shell's background job.
 */
static int watch_signals(struct error *err)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP, SIGABRT};
	sigset_t all;

	/* Not sigfillset(3): each libc leaves those out that its threads use, musl also glibc's
	 * SIGRTMIN. */
	memset(&all, 0xff, sizeof(all));
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&all, own[i]);
	for (int sig = 1; sig < SIGRTMIN; sig++) {
		struct sigaction was;
		if (sigaction(sig, NULL, &was) == 0 && was.sa_handler == SIG_IGN)
			sigdelset(&all, sig);
	}
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return error_errno(err, errno, "blocking signals");
	int fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_errno(err, errno, "signalfd") : fd;
}

enum disposition { SIGNAL_TAKEN, SIGNAL_BLOCKED, SIGNAL_LOST };

/* Blocked for as long as it waits in sigwait(3), which /proc shows as not blocked. */
static bool waits_for_signals(const char *proc_syscall)
{
	return strtol(proc_syscall, NULL, 10) == SYS_rt_sigtimedwait;
}

/* What becomes of sig now, by the sets in /proc/PID/status; what can't be read is the workload's.
 */
static enum disposition look_at(struct supervisor *s, struct arena *arena, int sig)
{
	static const char *const sets[] = {"\nSigBlk:", "\nSigIgn:", "\nSigCgt:"};
	bool in[3];
	char *text = NULL, *now = NULL;
	const char *pid = arena_printf(arena, "%d", s->launch->sandbox.pid);
	int proc = s->launch->plan.proc;

	if (file_read_all(arena, proc, arena_printf(arena, "%s/status", pid), 65536, &text, NULL) <
		0 ||
	    file_read_all(arena, proc, arena_printf(arena, "%s/syscall", pid), 4096, &now, NULL) <
		0)
		return SIGNAL_TAKEN;
	for (size_t i = 0; i < 3; i++) {
		const char *at = strstr(text, sets[i]);
		in[i] = !at || strtoull(at + strlen(sets[i]), NULL, 16) >> (sig - 1) & 1;
	}
	if (in[1] || in[2] || waits_for_signals(now))
		return SIGNAL_TAKEN;
	return in[0] ? SIGNAL_BLOCKED : SIGNAL_LOST;
}

/* Whether sig would do nothing at all: the first process of a pid namespace gets no signal that it
 * has no handler for (pid_namespaces(7)). libc blocks all of them around a fork, so a blocked one
 * is looked at again: who wants it by signalfd(2) keeps it blocked. */
static bool has_no_handler(struct supervisor *s, int sig)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	enum disposition found = SIGNAL_BLOCKED;
	struct arena arena = ARENA_INIT;

	for (int tries = 0; tries < 10 && found == SIGNAL_BLOCKED; tries++) {
		if (tries)
			nanosleep(&pause, NULL);
		found = look_at(s, &arena, sig);
	}
	arena_free(&arena);
	return found == SIGNAL_LOST;
}

/* A program run directly would end on ^C; as the first of its namespace it would not even notice.
 */
static void forward(struct supervisor *s, int sig)
{
	int pidfd = s->launch->sandbox.pidfd;
	bool ends = sig == SIGHUP || sig == SIGINT || sig == SIGQUIT || sig == SIGTERM;

	if (ends && s->launch->container.state.own_pid_namespace && has_no_handler(s, sig)) {
		s->fatal = sig;
		sig = SIGKILL;
	}
	(void)process_signal(pidfd, sig);
}

/* The default action of a signal that stops; it has none in an orphaned process group, where there
 * is no shell that would continue us. */
static void stop_ourselves(int sig)
{
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, sig);
	(void)raise(sig);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	sigprocmask(SIG_BLOCK, &one, NULL);
}

/* ^Z: the whole container stops, not only its first process; and then we do. */
static void stop(struct supervisor *s, int sig)
{
	const char *cgroup = s->launch->cgroup.path;
	bool has_cgroup = s->launch->cgroup.dir >= 0;
	/* By `pause`, maybe: who froze it thaws it. */
	bool frozen_already = has_cgroup && cgroup_frozen(cgroup) > 0;
	struct error ignored = ERROR_INIT;
	bool frozen = !frozen_already && has_cgroup &&
		      cgroup_freeze(cgroup, true, FREEZE_TIMEOUT_MS, &ignored) == 0;

	if (!frozen && !frozen_already)
		(void)process_signal(s->launch->sandbox.pidfd, SIGSTOP);
	terminal_release(&s->terminal);
	stop_ourselves(sig);
	if (frozen)
		(void)cgroup_freeze(cgroup, false, FREEZE_TIMEOUT_MS, &ignored);
	else if (!frozen_already)
		(void)process_signal(s->launch->sandbox.pidfd, SIGCONT);
	terminal_again(&s->terminal);
}

/* ^C, ^\ or ^Z for a workload that, as the first of its pid namespace, would not notice. */
static bool typed(void *context, int sig)
{
	struct supervisor *s = context;

	if (!s->launch->container.state.own_pid_namespace || !has_no_handler(s, sig))
		return false;
	if (sig == SIGTSTP)
		(void)kill(0, sig); /* the whole job, as a terminal does; ours comes by signalfd */
	else
		forward(s, sig);
	return true;
}

/* Returns -1 with err set: nobody would ask again, since no signal comes twice. */
static int reap(struct supervisor *s, struct error *err)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EINTR)) {
		if (pid == s->launch->sandbox.pid) {
			s->ended = true;
			s->status = status;
		}
	}
	if (pid < 0 && !s->ended)
		return error_errno(err, errno, "waiting for the workload");
	return 0;
}

static int take_signals(struct supervisor *s, struct error *err)
{
	struct signalfd_siginfo info;
	ssize_t n;

	while ((n = read(s->launch->signals, &info, sizeof(info))) == sizeof(info)) {
		switch ((int)info.ssi_signo) {
		case SIGCHLD:
			if (reap(s, err) < 0)
				return -1;
			break;
		case SIGWINCH:
			terminal_resize(&s->terminal);
			if (s->terminal.master < 0)
				forward(s, SIGWINCH);
			break;
		case SIGTSTP:
		case SIGTTIN:
		case SIGTTOU:
			stop(s, (int)info.ssi_signo);
			break;
		case SIGCONT:
			terminal_again(&s->terminal);
			break;
		case SIGPIPE: /* ours: an output of the terminal that nobody reads */
			break;
		default:
			forward(s, (int)info.ssi_signo);
		}
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return error_errno(err, errno, "reading signals");
	return 0;
}

/* With a console socket the terminal is somebody else's to relay. */
static int relayed(const struct launch *l)
{
	return l->console_path ? -1 : l->sandbox.console;
}

int supervise_begin(struct launch *l, struct error *err)
{
	l->signals = watch_signals(err);
	if (l->signals < 0)
		return -1;
	terminal_size(relayed(l));
	return 0;
}

/* READY=1 counts once (sd_notify(3)); a service manager that is gone is no reason to end. */
static void take_notice(struct supervisor *s)
{
	struct launch *l = s->launch;
	struct error err = ERROR_INIT;
	int ready = notify_socket_read(l->notify_socket, l->sandbox.pid, &err);

	if (ready < 0)
		log_debug("%s", err.text);
	if (ready)
		fd_cleanup(&l->notify_socket);
}

static int wait_for_end(struct supervisor *s, struct error *err)
{
	int signals = s->launch->signals;

	/* It may have ended before we looked. */
	if (reap(s, err) < 0)
		return -1;
	while (!s->ended) {
		struct pollfd polls[5];
		terminal_want(&s->terminal, polls);
		polls[3] = (struct pollfd){.fd = signals, .events = POLLIN};
		polls[4] = (struct pollfd){.fd = s->launch->notify_socket, .events = POLLIN};
		if (poll(polls, 5, s->terminal.background ? BACKGROUND_MS : -1) < 0) {
			if (errno == EINTR)
				continue;
			return error_errno(err, errno, "waiting for the workload");
		}
		terminal_move(&s->terminal, polls);
		if (polls[3].revents && take_signals(s, err) < 0)
			return -1;
		if (polls[4].revents)
			take_notice(s);
		if (s->terminal.background)
			terminal_again(&s->terminal);
	}
	return 0;
}

/* Who can not watch it any more leaves nothing that runs. */
static void end_workload(const struct launch *l)
{
	if (process_signal(l->sandbox.pidfd, SIGKILL) == 0)
		(void)process_wait(l->sandbox.pidfd, KILL_TIMEOUT_MS);
}

int supervise(struct launch *l, int *status, struct error *err)
{
	struct supervisor s = {.launch = l};

	launch_close_unused(l);
	if (launch_give_up(l, err) < 0) {
		end_workload(l);
		return -1;
	}
	terminal_open(&s.terminal, relayed(l));
	s.terminal.workload = l->sandbox.pid;
	s.terminal.typed = typed;
	s.terminal.context = &s;
	int result = wait_for_end(&s, err);
	terminal_close(&s.terminal, l->signals);
	if (result < 0) {
		end_workload(l);
		return -1;
	}
	if (WIFSIGNALED(s.status))
		*status = 128 + (s.fatal ? s.fatal : WTERMSIG(s.status));
	else
		*status = WEXITSTATUS(s.status);
	return 0;
}
