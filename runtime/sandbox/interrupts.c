/* HUP, INT, QUIT and TERM while the runtime waits for something that may never come: a hook. */
#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox_internal.h"

static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

#define N_ENDING (sizeof(ending) / sizeof(ending[0]))

/* What the caller ignores stays ignored (nohup, a shell's background job). */
static void interrupting(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < N_ENDING; i++) {
		struct sigaction now;

		if (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(set, ending[i]);
	}
}

void interrupts_begin(struct interrupts *in)
{
	sigset_t set;

	interrupting(&set);
	in->fd = -1;
	in->blocked = sigprocmask(SIG_BLOCK, &set, &in->before) == 0;
	/* Where a filter refuses one of these, they do what they would do otherwise. */
	if (in->blocked)
		in->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (in->blocked && in->fd < 0)
		in->blocked = sigprocmask(SIG_SETMASK, &in->before, NULL) < 0;
}

int interrupts_end(struct interrupts *in, struct error *err)
{
	fd_cleanup(&in->fd);
	if (in->blocked && sigprocmask(SIG_SETMASK, &in->before, NULL) < 0)
		return error_errno(err, errno, "letting signals through again");
	return 0;
}

int interrupt_taken(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}
