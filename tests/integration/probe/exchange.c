/*
 * The other side of a race for a path: swaps pairs of names for each other, for that many seconds,
 * with pauses of so many microseconds (0: as fast as it can). Static, since a container's rootfs
 * has no library. Usage: exchange SECONDS PAUSE A B [A B]...
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 5 || argc % 2 == 0) {
		fprintf(stderr, "usage: exchange SECONDS PAUSE A B [A B]...\n");
		return 2;
	}
	/* Whoever raced is done when its parent is; the alarm is for a forgotten one. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm((unsigned int)strtoul(argv[1], NULL, 10));
	const useconds_t pause = (useconds_t)strtoul(argv[2], NULL, 10);
	puts("up");
	fflush(stdout);
	for (;;) {
		for (int i = 3; i < argc; i += 2) {
			/* The runtime may have put something there that can not be renamed. */
			if (renameat2(AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], RENAME_EXCHANGE) <
				0 &&
			    errno != EBUSY && errno != ENOENT) {
				fprintf(stderr, "exchange %s and %s: %s\n", argv[i], argv[i + 1],
					strerror(errno));
				return 1;
			}
		}
		if (pause)
			(void)usleep(pause);
	}
}
