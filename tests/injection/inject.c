/*
 * Kills a runtime, fails one of its system calls, or exchanges two names of files, at a chosen call
 * of a chosen process.
 *
 *	inject [-t TRACE] [-r REPORT] [-c NAME,...] [-a PID]... [-p PROCESS:CALL=ACTION]...
 *	       -- COMMAND...
 *
 * It follows COMMAND and all that it makes for as long as that is the runtime: the file of COMMAND,
 * or a copy of it in memory. What executes another program (the workload, a hook) is let go. The
 * processes and threads are numbered as they come, 0 is COMMAND; -a attaches to one that is there
 * already, such as a container that waits to be started. Each one's calls are counted from 1, by
 * their entry; 0's begin with the first after its execve; with -c only calls of these names.
 *PROCESS `all` counts those of all together. ACTION, at the entry of that call:
 *
 *	kill	the process dies there, and what the call would have done is not done
 *	kill:N	process N dies, wherever it is
 *	ERRNO	a name or a number: the call is not made (but close is), and returns that
 *	exchange:A:B	the two files of these names are exchanged, and the call is made
 *
 * TRACE gets a line for each call: PROCESS CALL NAME PATH. REPORT gets "reached PROCESS CALL NAME"
 * for each point that was, or "not reached". The exit status is COMMAND's, 128+N for a signal. When
 * COMMAND has ended, and what is left waits for something, that is let go and stays as it is.
 */
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_POINTS = 8, MAX_ATTACH = 8, SETTLE_MS = 3000, QUIET_LOOKS = 3, OF_ALL = -1 };

#define OPTIONS                                                                                    \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |  \
	 PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)

struct task {
	pid_t pid;
	int number;
	long calls;
	bool failing; /* the call that it is in returns result, and is not made */
	int result;
	bool gone; /* ended, or let go */
};

struct point {
	int process; /* or OF_ALL */
	long call;
	bool kill;
	char *a, *b; /* of exchange, else NULL */
	int victim;  /* of kill */
	int number;  /* the errno, otherwise */
	bool reached;
};

static struct {
	struct task *tasks;
	int n_tasks;
	struct point points[MAX_POINTS];
	int n_points;
	pid_t attach[MAX_ATTACH];
	int n_attach;
	const char *names; /* of the calls that count; NULL: each does */
	long calls;
	FILE *trace;
	FILE *report;
	pid_t command;
	bool ended;
	int status;
	struct stat runtime; /* its file */
} all;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(125);
}

static struct task *find(pid_t pid)
{
	for (int i = 0; i < all.n_tasks; i++) {
		if (all.tasks[i].pid == pid && !all.tasks[i].gone)
			return &all.tasks[i];
	}
	return NULL;
}

static struct task *add(pid_t pid)
{
	struct task *task = find(pid);

	if (task)
		return task;
	all.tasks = realloc(all.tasks, sizeof(*task) * (size_t)(all.n_tasks + 1));
	if (!all.tasks)
		die("memory");
	task = &all.tasks[all.n_tasks];
	*task = (struct task){.pid = pid, .number = all.n_tasks++};
	return task;
}

/* Who has no point before it need not stop at each call, which is what takes the time. attach()
 * waits for the first. */
static bool calls_matter(const struct task *task)
{
	if (all.trace || task->failing || task->calls == 0)
		return true;
	for (int i = 0; i < all.n_points; i++) {
		const struct point *p = &all.points[i];
		if ((p->process == task->number || p->process == OF_ALL) && !p->reached)
			return true;
	}
	return false;
}

/* Fails where the task was killed meanwhile: its end comes by waitpid. */
static void resume(const struct task *task, int sig)
{
	(void)ptrace(calls_matter(task) ? PTRACE_SYSCALL : PTRACE_CONT, task->pid, NULL, (long)sig);
}

static void handle(pid_t pid, int status);

/* Until its end is seen, so that nothing goes on beside one that still dies. */
static void kill_task(int number)
{
	pid_t pid = number < all.n_tasks && !all.tasks[number].gone ? all.tasks[number].pid : 0;
	int status;

	if (pid)
		(void)kill(pid, SIGKILL);
	while (pid && find(pid)) {
		pid_t next = waitpid(-1, &status, __WALL);
		if (next > 0)
			handle(next, status);
		else if (errno != EINTR)
			return;
	}
}

/* Returns false when the task itself was killed. */
static bool at_point(struct task *task, struct point *point, const char *name)
{
	const int own = task->number;

	point->reached = true;
	if (all.report) {
		fprintf(all.report, "reached %d %ld %s\n", own, point->call, name);
		(void)fflush(all.report);
	}
	if (point->a) {
		if (!inject_exchange(point->a, point->b) && all.report)
			fprintf(all.report, "not exchanged: %s\n", strerror(errno));
		return true;
	}
	if (!point->kill) {
		task->failing = true;
		task->result = -point->number;
		/* Linux closes the descriptor whatever it returns (close(2), notes). */
		return strcmp(name, "close") == 0 || inject_skip_call(task->pid);
	}
	if (point->victim == own) {
		(void)kill(task->pid, SIGKILL);
		return false;
	}
	kill_task(point->victim);
	return true;
}

static bool is_at(const struct point *point, const struct task *task)
{
	if (point->process == OF_ALL)
		return point->call == all.calls;
	return point->process == task->number && point->call == task->calls;
}

static void entered(int number, const struct __ptrace_syscall_info *info)
{
	struct task *task = &all.tasks[number];
	char *name = inject_call_name(info);
	bool goes_on = true;

	if (all.names && !inject_is_listed(all.names, name)) {
		free(name);
		resume(task, 0);
		return;
	}
	task->calls++;
	all.calls++;
	if (all.trace) {
		fprintf(all.trace, "%d %ld %s ", number, task->calls, name);
		inject_print_path(all.trace, task->pid, name, info);
		fputc('\n', all.trace);
		(void)fflush(all.trace);
	}
	for (int i = 0; goes_on && i < all.n_points; i++) {
		struct point *p = &all.points[i];
		if (!p->reached && is_at(p, task))
			goes_on = at_point(task, p, name);
		task = &all.tasks[number]; /* the table may have grown */
	}
	free(name);
	if (goes_on)
		resume(task, 0);
}

static void at_call(struct task *task)
{
	struct __ptrace_syscall_info info = {0};

	if (ptrace(PTRACE_GET_SYSCALL_INFO, task->pid, sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		entered(task->number, &info);
		return;
	}
	if (task->failing && info.op == PTRACE_SYSCALL_INFO_EXIT) {
		(void)inject_set_result(task->pid, task->result);
		task->failing = false;
	}
	resume(task, 0);
}

/* A mount of its own has the file's device and inode; a copy in memory has that for a name. */
static bool is_runtime(pid_t pid)
{
	char path[64], target[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	ssize_t n = readlink(path, target, sizeof(target));
	if (n >= 7 && memcmp(target, "/memfd:", 7) == 0)
		return true;
	if (stat(path, &st) < 0)
		return false;
	if (!all.runtime.st_ino && pid == all.command)
		all.runtime = st;
	return st.st_dev == all.runtime.st_dev && st.st_ino == all.runtime.st_ino;
}

static void let_go(struct task *task, int sig)
{
	(void)ptrace(PTRACE_DETACH, task->pid, NULL, (long)sig);
	task->gone = true;
}

/* An execve in a thread ends the others, and gives it the number of the first. */
static void at_exec(struct task *task)
{
	unsigned long former = 0;

	(void)ptrace(PTRACE_GETEVENTMSG, task->pid, NULL, &former);
	struct task *thread = (pid_t)former == task->pid ? NULL : find((pid_t)former);
	if (thread)
		thread->gone = true;
	if (is_runtime(task->pid))
		resume(task, 0);
	else
		let_go(task, 0);
}

static void at_stop(int number, int status)
{
	struct task *task = &all.tasks[number];
	const int event = status >> 16, sig = WSTOPSIG(status);
	unsigned long made = 0;

	switch (event) {
	case 0:
		if (sig == (SIGTRAP | 0x80))
			at_call(task);
		else
			resume(task, sig);
		break;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		if (ptrace(PTRACE_GETEVENTMSG, task->pid, NULL, &made) == 0 && made)
			(void)add((pid_t)made);
		resume(&all.tasks[number], 0);
		break;
	case PTRACE_EVENT_EXEC:
		at_exec(task);
		break;
	case PTRACE_EVENT_STOP:
		/* Stopped like others are by SIGSTOP: it stays so until SIGCONT. */
		if (sig != SIGTRAP)
			(void)ptrace(PTRACE_LISTEN, task->pid, NULL, NULL);
		else
			resume(task, 0);
		break;
	default:
		resume(task, 0);
	}
}

static void handle(pid_t pid, int status)
{
	struct task *task = find(pid);

	if (WIFSTOPPED(status)) {
		/* A new one's first stop can come before its maker's. */
		at_stop(task ? task->number : add(pid)->number, status);
		return;
	}
	if (task)
		task->gone = true;
	if (pid == all.command) {
		all.ended = true;
		all.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}

/* Whether all that is left waits for something from outside. */
static bool all_wait(void)
{
	for (int i = 0; i < all.n_tasks; i++) {
		if (!all.tasks[i].gone && inject_task_state(all.tasks[i].pid) != 'S')
			return false;
	}
	return true;
}

static bool any_left(void)
{
	for (int i = 0; i < all.n_tasks; i++) {
		if (!all.tasks[i].gone)
			return true;
	}
	return false;
}

static void settle(void)
{
	const struct timespec millisecond = {.tv_nsec = 1000000};
	int quiet = 0, status;

	for (int ms = 0; ms < SETTLE_MS && quiet < QUIET_LOOKS && any_left();) {
		pid_t pid = waitpid(-1, &status, __WALL | WNOHANG);
		if (pid > 0) {
			handle(pid, status);
			quiet = 0;
			continue;
		}
		quiet = all_wait() ? quiet + 1 : 0;
		(void)nanosleep(&millisecond, NULL);
		ms++;
	}
}

static void let_all_go(void)
{
	for (int i = 0; i < all.n_tasks; i++) {
		const pid_t pid = all.tasks[i].pid;
		unsigned long made;
		int status;

		if (all.tasks[i].gone)
			continue;
		(void)ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
		if (waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status)) {
			all.tasks[i].gone = true;
			continue;
		}
		const int event = status >> 16, sig = WSTOPSIG(status);
		if (event >= PTRACE_EVENT_FORK && event <= PTRACE_EVENT_CLONE &&
		    ptrace(PTRACE_GETEVENTMSG, pid, NULL, &made) == 0)
			(void)add((pid_t)made);
		let_go(&all.tasks[i], event || sig == (SIGTRAP | 0x80) ? 0 : sig);
	}
}

/* The call that it waits in begins again, as its first one. */
static void attach(pid_t pid)
{
	struct task *task = add(pid);
	const int number = task->number;
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, OPTIONS) < 0 ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || waitpid(pid, &status, __WALL) < 0)
		die("attaching");
	do {
		handle(pid, status);
	} while (find(pid) && all.tasks[number].calls == 0 && waitpid(pid, &status, __WALL) == pid);
}

static void start(char **argv)
{
	static const int ignored[] = {SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGHUP};
	int go[2];
	char byte;

	if (pipe2(go, O_CLOEXEC) < 0)
		die("pipe");
	all.command = fork();
	if (all.command < 0)
		die("fork");
	if (all.command == 0) {
		close(go[1]);
		if (read(go[0], &byte, 1) == 1)
			execvp(argv[0], argv);
		die(argv[0]);
	}
	/* Those of a terminal are the command's. */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)add(all.command);
	if (ptrace(PTRACE_SEIZE, all.command, NULL, OPTIONS) < 0) {
		(void)kill(all.command, SIGKILL);
		die("tracing");
	}
	for (int i = 0; i < all.n_attach; i++)
		attach(all.attach[i]);
	if (write(go[1], "", 1) != 1)
		die("starting the command");
	close(go[0]);
	close(go[1]);
}

/* PROCESS:CALL=ACTION */
static bool parse_point(char *text)
{
	struct point *p = &all.points[all.n_points];
	char *end;

	if (all.n_points == MAX_POINTS)
		return false;
	p->process = strncmp(text, "all", 3) == 0 ? OF_ALL : (int)strtol(text, &end, 10);
	if (p->process == OF_ALL)
		end = text + 3;
	if (end == text || *end != ':')
		return false;
	const char *call = end + 1;
	p->call = strtol(call, &end, 10);
	if (end == call || *end != '=')
		return false;
	char *action = end + 1;
	all.n_points++;
	if (strncmp(action, "exchange:", 9) == 0) {
		p->b = action + 9;
		p->a = strsep(&p->b, ":");
		return p->b;
	}
	p->kill = strncmp(action, "kill", 4) == 0;
	if (!p->kill) {
		p->number = inject_errno(action);
		return p->number >= 0;
	}
	p->victim = action[4] == ':' ? (int)strtol(action + 5, &end, 10) : p->process;
	return action[4] == '\0' || (action[4] == ':' && end != action + 5 && !*end);
}

static FILE *output(const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file)
		die(path);
	return file;
}

static bool parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "+t:r:c:a:p:")) != -1) {
		if (option == 't')
			all.trace = output(optarg);
		else if (option == 'r')
			all.report = output(optarg);
		else if (option == 'c')
			all.names = optarg;
		else if (option == 'a' && all.n_attach < MAX_ATTACH)
			all.attach[all.n_attach++] = (pid_t)strtol(optarg, NULL, 10);
		else if (option != 'p' || !parse_point(optarg))
			return false;
	}
	return optind < argc;
}

int main(int argc, char **argv)
{
	int status;
	bool reached = false;

	if (!parse(argc, argv)) {
		fprintf(stderr, "usage: inject [-t TRACE] [-r REPORT] [-c NAME,...] [-a PID]... "
				"[-p PROCESS:CALL=kill|kill:PROCESS|ERRNO|exchange:A:B]... "
				"-- COMMAND...\n");
		return 125;
	}
	start(argv + optind);
	while (!all.ended) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid > 0)
			handle(pid, status);
		else if (errno != EINTR)
			die("waiting");
	}
	settle();
	let_all_go();
	for (int i = 0; i < all.n_points; i++)
		reached |= all.points[i].reached;
	if (all.report && !reached)
		fprintf(all.report, "not reached\n");
	free(all.tasks);
	return all.status;
}
