/* link: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"

/* A process of its own for what can not be undone; what it returns is its exit status. */
static int in_a_child(int (*what)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(what());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define NOT_ALLOWED 77

static int enter_and_ask(void)
{
	(void)sys_in_user_namespace();
	if (unshare(CLONE_NEWUSER) < 0)
		return NOT_ALLOWED;
	return sys_in_user_namespace() ? 0 : 1;
}

/* As the runtime of an ordinary user does: what it asked before it went in is not true any more. */
static void a_user_namespace_is_seen_as_soon_as_it_is_entered(void **state)
{
	const int said = in_a_child(enter_and_ask);

	(void)state;
	if (said == NOT_ALLOWED) {
		print_message("SKIPPED: no user namespace can be made here\n");
		skip();
	}
	assert_int_equal(said, 0);
}

static int ignore_and_restore(void)
{
	struct sigaction now;
	sigset_t blocked;

	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, _exit);
	sigfillset(&blocked);
	if (sigprocmask(SIG_SETMASK, &blocked, NULL) < 0 || sys_default_signals() < 0)
		return 1;
	for (int sig = 1; sig < 32; sig++)
		if (sigaction(sig, NULL, &now) < 0 || now.sa_handler != SIG_DFL)
			return 1;
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	return sigismember(&blocked, SIGTERM);
}

static void signals_are_what_they_are_by_default(void **state)
{
	(void)state;
	assert_int_equal(in_a_child(ignore_and_restore), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_user_namespace_is_seen_as_soon_as_it_is_entered),
	    cmocka_unit_test(signals_are_what_they_are_by_default),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
