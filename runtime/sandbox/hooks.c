/* Hooks (config.md, "POSIX-platform Hooks"), run by the runtime or by the child before its exec. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox_internal.h"

#define OUTPUT_KEPT 512

struct running_hook {
	pid_t pid;
	int pidfd; /* -1 where a filter refuses pidfd_open(2): then it is asked for every 10 ms */
	int input; /* write end of its standard input; -1 once all is written */
	int output;
	const char *parts[3]; /* of the state text that are still to be written */
	char kept[OUTPUT_KEPT];
	size_t n_kept;
};

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static _Noreturn void become_hook(const struct plan_hook *hook, const char *cwd, int input,
				  int output)
{
	static char *empty[] = {NULL};
	sigset_t none;

	sigemptyset(&none);
	/* The timeout reaches what it starts, too. */
	if (setpgid(0, 0) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0 ||
	    signal(SIGPIPE, SIG_DFL) == SIG_ERR || dup2(input, 0) < 0 || dup2(output, 1) < 0 ||
	    dup2(output, 2) < 0)
		_exit(126);
	/* A bundle that is gone by now, or that only the host's root can enter, is no reason to
	 * leave the hook out. */
	if (cwd && chdir(cwd) < 0 && chdir("/") < 0)
		_exit(126);
	if (fd_cloexec_from(3) < 0)
		_exit(126);
	execve(hook->path, hook->argv, hook->envp ? hook->envp : empty);
	struct error why = ERROR_INIT;
	error_errno(&why, errno, "it cannot be executed");
	(void)fd_write_all(2, why.text, strlen(why.text));
	_exit(127);
}

static void feed(struct running_hook *run)
{
	for (size_t i = 0; i < 3; i++) {
		while (run->parts[i] && *run->parts[i]) {
			ssize_t n = write(run->input, run->parts[i], strlen(run->parts[i]));
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0 && errno == EAGAIN)
				return;
			if (n < 0) /* it does not want to read: its own choice */
				goto done;
			run->parts[i] += n;
		}
	}
done:
	fd_cleanup(&run->input);
	run->input = -1;
}

static void keep_output(struct running_hook *run)
{
	char spill[4096];
	ssize_t n = read(run->output, spill, sizeof(spill));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		fd_cleanup(&run->output);
		run->output = -1;
	}
	for (ssize_t i = 0; i < n && run->n_kept < sizeof(run->kept) - 1; i++)
		run->kept[run->n_kept++] = (char)(spill[i] == '\n' ? ' ' : spill[i]);
}

static int start(struct running_hook *run, const struct plan_hook *hook, const char *cwd,
		 struct error *err)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return error_errno(err, errno, "%s: making a pipe", hook->label);
	cleanup_fd int in_read = in[0];
	run->input = in[1];
	if (pipe2(out, O_CLOEXEC) < 0)
		return error_errno(err, errno, "%s: making a pipe", hook->label);
	run->output = out[0];
	cleanup_fd int out_write = out[1];
	if (fcntl(run->input, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(run->output, F_SETFL, O_NONBLOCK) < 0)
		return error_errno(err, errno, "%s: a pipe that does not block", hook->label);
	run->pid = fork();
	if (run->pid < 0)
		return error_errno(err, errno, "%s: fork", hook->label);
	if (run->pid == 0)
		become_hook(hook, cwd, in_read, out_write);
	run->pidfd = sys_pidfd_open(run->pid);
	return 0;
}

enum hook_end { HOOK_ENDED, HOOK_TIMEOUT, HOOK_INTERRUPTED };

/* Fills status for HOOK_ENDED, and with a signal's number for HOOK_INTERRUPTED. */
static enum hook_end wait_for(struct running_hook *run, const struct plan_hook *hook, int signals,
			      int *status)
{
	long long end = now_ms() + hook->timeout_ms;

	for (;;) {
		long long left = hook->timeout_ms ? end - now_ms() : -1;
		struct pollfd polls[4] = {{.fd = run->pidfd, .events = POLLIN},
					  {.fd = run->input, .events = POLLOUT},
					  {.fd = run->output, .events = POLLIN},
					  {.fd = signals, .events = POLLIN}};

		if (hook->timeout_ms && left <= 0)
			return HOOK_TIMEOUT;
		if (run->pidfd < 0 && (left < 0 || left > 10))
			left = 10;
		(void)poll(polls, 4, (int)left);
		if (run->input >= 0 && polls[1].revents)
			feed(run);
		if (run->output >= 0 && polls[2].revents)
			keep_output(run);
		pid_t ended = waitpid(run->pid, status, WNOHANG);
		if (ended == run->pid) {
			if (run->output >= 0)
				keep_output(run);
			return HOOK_ENDED;
		}
		if (ended < 0 && errno != EINTR) {
			*status = 0x100;
			return HOOK_ENDED;
		}
		if (signals >= 0 && polls[3].revents && (*status = interrupt_taken(signals)) > 0)
			return HOOK_INTERRUPTED;
	}
}

static int judge(const struct running_hook *run, const struct plan_hook *hook, int status,
		 struct error *err)
{
	const char *colon = run->n_kept ? ": " : "";

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return error_set(err, "%s: %s was killed by signal %d%s%s", hook->label, hook->path,
				 WTERMSIG(status), colon, run->kept);
	return error_set(err, "%s: %s failed with exit status %d%s%s", hook->label, hook->path,
			 WEXITSTATUS(status), colon, run->kept);
}

static void kill_hook(struct running_hook *run)
{
	int status;

	kill(-run->pid, SIGKILL);
	kill(run->pid, SIGKILL);
	while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
		;
}

static int finish(struct running_hook *run, const struct plan_hook *hook, int signals,
		  struct error *err)
{
	int status = 0;

	switch (wait_for(run, hook, signals, &status)) {
	case HOOK_ENDED:
		return judge(run, hook, status, err);
	case HOOK_INTERRUPTED:
		kill_hook(run);
		error_set(err, "%s: %s was interrupted by signal %d", hook->label, hook->path,
			  status);
		err->exit_status = 128 + status;
		return -1;
	case HOOK_TIMEOUT:
		break;
	}
	kill_hook(run);
	return error_set(err, "%s: %s did not end within its timeout of %d s", hook->label,
			 hook->path, hook->timeout_ms / 1000);
}

static int run_one(const struct plan_hook *hook, const char *cwd, const char *const state[3],
		   struct error *err)
{
	struct running_hook run = {.pid = -1,
				   .pidfd = -1,
				   .input = -1,
				   .output = -1,
				   .parts = {state[0], state[1], state[2]}};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	struct interrupts interrupts;
	int result = -1;

	/* A hook that does not read its input must not end the runtime. An engine's filter may
	 * refuse it. */
	const bool ignored = sigaction(SIGPIPE, &ignore, &before) == 0;
	interrupts_begin(&interrupts);
	if (start(&run, hook, cwd, err) == 0)
		result = finish(&run, hook, interrupts.fd, err);
	/* startContainer: what is not as it was would be the workload's. */
	if (interrupts_end(&interrupts, err) < 0)
		result = error_wrap(err, "%s", hook->label);
	if (ignored && sigaction(SIGPIPE, &before, NULL) < 0)
		result = error_errno(err, errno, "%s: SIGPIPE as it was", hook->label);
	fd_cleanup(&run.pidfd);
	fd_cleanup(&run.input);
	fd_cleanup(&run.output);
	return result;
}

int hooks_run(const struct plan_hook_list *hooks, const char *state_before_pid, pid_t pid,
	      const char *state_after_pid, struct error *err)
{
	char number[16];
	const char *const state[3] = {state_before_pid, number, state_after_pid};

	snprintf(number, sizeof(number), "%d", pid);
	for (size_t i = 0; i < hooks->n; i++) {
		if (run_one(&hooks->items[i], hooks->cwd, state, err) < 0)
			return -1;
	}
	return 0;
}
