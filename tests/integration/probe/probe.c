/*
 * Makes system calls as an attacker would, and says what came back. Static, since a container's
 * rootfs has no library. Usage: probe NAME:NUMBER[:ARGUMENT,ARGUMENT...] ..., one call each:
 *   a NUMBER with a leading "i" goes through int $0x80, the 32-bit door;
 *   one with a leading "v" is made by the probe itself, and its value printed;
 *   an ARGUMENT is a number, or @TEXT for a pointer to that text.
 * Prints NAME=OK, NAME=EPERM (the error's name), or NAME=SIGSYS (what killed it).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGUMENTS 6

static long door32(long number)
{
#ifdef __x86_64__
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(0), "c"(0), "d"(0)
			 : "memory");
	errno = result < 0 ? (int)-result : 0;
	return result < 0 ? -1 : result;
#else
	(void)number;
	errno = ENOSYS;
	return -1;
#endif
}

static long value_of(const char *text)
{
	return text[0] == '@' ? (long)(text + 1) : (long)strtoull(text, NULL, 0);
}

/* In a process of its own: some calls change it for good. Never returns. */
static _Noreturn void make_call(const char *number, char *arguments)
{
	long value[MAX_ARGUMENTS] = {0};
	size_t n = 0;
	long result;

	for (char *at = arguments; at && n < MAX_ARGUMENTS; n++) {
		char *next = strchr(at, ',');
		if (next)
			*next++ = '\0';
		value[n] = value_of(at);
		at = next;
	}
	errno = 0;
	if (number[0] == 'i')
		result = door32(strtol(number + 1, NULL, 0));
	else
		result = syscall(strtol(number, NULL, 0), value[0], value[1], value[2], value[3],
				 value[4], value[5]);
	_exit(result == -1 ? errno : 0);
}

static void report(const char *name, int status)
{
	if (WIFSIGNALED(status))
		printf("%s=SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		printf("%s=OK\n", name);
	else
		printf("%s=%s\n", name, strerrorname_np(WEXITSTATUS(status)));
}

int main(int argc, char **argv)
{
	/* The calls' own children and what they raise must not end us. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		char *number = strchr(argv[i], ':');
		int status = 0;

		if (!number) {
			fprintf(stderr, "probe: expected NAME:NUMBER, got %s\n", argv[i]);
			return 2;
		}
		*number++ = '\0';
		char *arguments = strchr(number, ':');
		if (arguments)
			*arguments++ = '\0';
		if (number[0] == 'v') {
			printf("%s=%ld\n", argv[i],
			       syscall(strtol(number + 1, NULL, 0),
				       arguments ? value_of(arguments) : 0));
			continue;
		}
		pid_t pid = fork();
		if (pid == 0)
			make_call(number, arguments);
		if (pid < 0 || waitpid(pid, &status, 0) != pid) {
			perror("probe");
			return 2;
		}
		report(argv[i], status);
	}
	return 0;
}
