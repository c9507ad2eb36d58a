/*
 * Runs a command and prints what it took, one line: nanoseconds from before the spawn to after the
 * wait; microseconds of processor time; KiB of the largest process. The last two are of the command
 * and of all of its descendants that were waited for.
 *
 *   timer [-n COUNT] [-j AT_ONCE] COMMAND [WORD...]
 *
 * With -n and -j: of COUNT commands, AT_ONCE of them at a time; an @ in a word is the command's
 * number. Fails when one fails. Small and static, since until exec a process counts as large as
 * the one that spawned it.
 */
#include <err.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static posix_spawn_file_actions_t actions;

/* The commands' stdin and stdout are /dev/null; stderr is ours. */
static void prepare(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		err(2, "/dev/null");
	if (posix_spawn_file_actions_init(&actions) ||
	    posix_spawn_file_actions_adddup2(&actions, null, 0) ||
	    posix_spawn_file_actions_adddup2(&actions, null, 1))
		errx(2, "posix_spawn_file_actions: no memory");
	/* What the command leaves behind shall be waited for as well, when it ends in time. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		err(2, "PR_SET_CHILD_SUBREAPER");
}

static char *numbered(const char *word, int number)
{
	const char *at = strchr(word, '@');
	char *result = NULL;

	if (!at)
		return (char *)word;
	if (asprintf(&result, "%.*s%d%s", (int)(at - word), word, number, at + 1) < 0)
		err(2, "asprintf");
	return result;
}

static pid_t spawn(char **command, int number)
{
	char *words[256];
	pid_t pid = -1;
	int count = 0, failed = 0;

	for (; command[count]; count++) {
		if (count == 255)
			errx(2, "more than 255 words");
		words[count] = numbered(command[count], number);
	}
	words[count] = NULL;
	failed = posix_spawnp(&pid, command[0], &actions, NULL, words, environ);
	if (failed)
		errx(2, "%s: %s", command[0], strerror(failed));
	return pid;
}

/* Waits for one of the commands; others are orphans that they left. */
static void wait_for_one(pid_t *running, int count)
{
	for (;;) {
		int status = 0;
		pid_t pid = waitpid(-1, &status, 0);

		if (pid < 0)
			err(2, "waitpid");
		for (int i = 0; i < count; i++) {
			if (running[i] != pid)
				continue;
			if (status)
				errx(1, "the command ended with %s %d",
				     WIFSIGNALED(status) ? "signal" : "status",
				     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
			running[i] = 0;
			return;
		}
	}
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	int count = 1, at_once = 1, option = 0;
	pid_t running[64] = {0};

	while ((option = getopt(argc, argv, "+n:j:")) != -1) {
		if (option != 'n' && option != 'j')
			return 2;
		*(option == 'n' ? &count : &at_once) = (int)strtol(optarg, NULL, 10);
	}
	if (optind == argc || count < 1 || at_once < 1 || at_once > 64)
		errx(2, "usage: timer [-n COUNT] [-j AT_ONCE, at most 64] COMMAND [WORD...]");
	prepare();
	long long start = now();

	for (int number = 0; number < count; number++) {
		int slot = 0;

		if (number >= at_once)
			wait_for_one(running, at_once);
		while (running[slot])
			slot++;
		running[slot] = spawn(argv + optind, number);
	}
	for (int left = count < at_once ? count : at_once; left; left--)
		wait_for_one(running, at_once);
	long long end = now();
	struct rusage used;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	getrusage(RUSAGE_CHILDREN, &used);
	printf("%lld %lld %ld\n", end - start,
	       (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec +
		   used.ru_stime.tv_usec,
	       used.ru_maxrss);
	return 0;
}
