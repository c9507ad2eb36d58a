/*
 * A process with a number of choice, as a wrapped counter of pids gives it out one day: reuse PID.
 * Prints "up" when it is there; it sleeps until it is killed. Runs on the host, as root.
 */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	pid_t wanted = argc == 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	struct clone_args args = {
	    .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&wanted, .set_tid_size = 1};
	int status;

	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0) {
		printf("%s\n", strerrorname_np(errno));
		return 1;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		puts("up");
		fflush(stdout);
		for (;;)
			pause();
	}
	(void)waitpid((pid_t)pid, &status, 0);
	return 3;
}
