/*
 * The other side of a race for a path: swaps pairs of names for each other, for that many seconds,
 * with pauses of so many microseconds (0: as fast as it can); -m: moves the first to the second and
 * back. Static, since a container's rootfs has no library.
 * Usage: exchange [-m] SECONDS PAUSE A B [A B]...
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The runtime may have put something there that can not be renamed, or not yet. */
static bool is_part_of_it(int number)
{
	return number == EBUSY || number == ENOENT || number == ENOTEMPTY || number == EEXIST;
}

static void turn(const char *a, const char *b, bool move)
{
	const unsigned int flags = move ? 0 : RENAME_EXCHANGE;

	if (renameat2(AT_FDCWD, a, AT_FDCWD, b, flags) == 0 || is_part_of_it(errno)) {
		if (!move || rename(b, a) == 0 || is_part_of_it(errno))
			return;
	}
	fprintf(stderr, "exchange %s and %s: %s\n", a, b, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	const bool move = argc > 1 && strcmp(argv[1], "-m") == 0;

	argc -= move;
	argv += move;
	if (argc < 5 || argc % 2 == 0) {
		fprintf(stderr, "usage: exchange [-m] SECONDS PAUSE A B [A B]...\n");
		return 2;
	}
	/* Whoever raced is done when its parent is; the alarm is for a forgotten one. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm((unsigned int)strtoul(argv[1], NULL, 10));
	const useconds_t pause = (useconds_t)strtoul(argv[2], NULL, 10);
	const struct sched_param first = {.sched_priority = 1};
	/* On a busy machine, too, it shall come in between: at once, when a pause is over. */
	if (pause)
		(void)sched_setscheduler(0, SCHED_FIFO, &first);
	puts("up");
	fflush(stdout);
	for (;;) {
		for (int i = 3; i < argc; i += 2)
			turn(argv[i], argv[i + 1], move);
		if (pause)
			(void)usleep(pause);
	}
}
