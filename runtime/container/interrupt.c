/* ^C and its kin while a container is being made: what was made is taken away again. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "kernel.h"
#include "launch.h"

static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

#define N_ENDING (sizeof(ending) / sizeof(ending[0]))

static volatile sig_atomic_t caught;
static const struct sandbox *volatile watched;

/* Whoever waits for the child sees it go, and the way back from there is that of any failure. */
static void on_signal(int sig)
{
	int saved = errno;

	caught = sig;
	if (watched->pidfd >= 0)
		(void)sys_pidfd_kill(watched->pidfd, SIGKILL);
	errno = saved;
}

void interrupt_begin(const struct sandbox *sandbox)
{
	/* Once: a second one ends us at once, if a hook does not end. */
	struct sigaction action = {.sa_handler = on_signal,
				   .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};
	struct sigaction before;

	watched = sandbox;
	for (size_t i = 0; i < N_ENDING; i++) {
		if (sigaction(ending[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			(void)sigaction(ending[i], &action, NULL);
	}
}

int interrupt_check(struct error *err)
{
	if (!caught)
		return 0;
	error_set(err, "interrupted by signal %d: the container was not started", (int)caught);
	err->exit_status = 128 + (int)caught;
	return -1;
}

void interrupt_end(void)
{
	struct sigaction now;

	for (size_t i = 0; i < N_ENDING; i++) {
		if (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler == on_signal)
			(void)signal(ending[i], SIG_DFL);
	}
}
