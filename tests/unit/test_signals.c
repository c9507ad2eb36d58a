/* link: container base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>

#include "container.h"

static void numbers_are_taken_as_they_are(void **state)
{
	(void)state;
	assert_int_equal(signal_parse("9"), 9);
	assert_int_equal(signal_parse("15"), 15);
	assert_int_equal(signal_parse("0"), 0);
	assert_int_equal(signal_parse("64"), 64);
}

static void names_are_taken_with_and_without_sig_in_any_case(void **state)
{
	(void)state;
	assert_int_equal(signal_parse("KILL"), SIGKILL);
	assert_int_equal(signal_parse("SIGKILL"), SIGKILL);
	assert_int_equal(signal_parse("sigterm"), SIGTERM);
	assert_int_equal(signal_parse("Hup"), SIGHUP);
	assert_int_equal(signal_parse("SIGWINCH"), SIGWINCH);
	assert_int_equal(signal_parse("SYS"), SIGSYS);
}

static void every_signal_of_the_kernel_has_its_name(void **state)
{
	static const char *const names[] = {
	    "HUP",  "INT",    "QUIT", "ILL",   "TRAP", "ABRT", "BUS",  "FPE",
	    "KILL", "USR1",   "SEGV", "USR2",  "PIPE", "ALRM", "TERM", "STKFLT",
	    "CHLD", "CONT",   "STOP", "TSTP",  "TTIN", "TTOU", "URG",  "XCPU",
	    "XFSZ", "VTALRM", "PROF", "WINCH", "IO",   "PWR",  "SYS"};

	(void)state;
	for (int i = 0; i < 31; i++)
		assert_int_equal(signal_parse(names[i]), i + 1);
}

static void other_names_of_the_same_signal_are_known(void **state)
{
	(void)state;
	assert_int_equal(signal_parse("IOT"), SIGABRT);
	assert_int_equal(signal_parse("SIGCLD"), SIGCHLD);
	assert_int_equal(signal_parse("POLL"), SIGPOLL);
}

static void realtime_signals_count_from_both_ends(void **state)
{
	(void)state;
	assert_int_equal(signal_parse("RTMIN"), SIGRTMIN);
	assert_int_equal(signal_parse("SIGRTMIN+3"), SIGRTMIN + 3);
	assert_int_equal(signal_parse("RTMAX"), SIGRTMAX);
	assert_int_equal(signal_parse("rtmax-1"), SIGRTMAX - 1);
	assert_int_equal(signal_parse("RTMIN+99"), -1);
	assert_int_equal(signal_parse("RTMAX+1"), -1);
	assert_int_equal(signal_parse("RTMIN-1"), -1);
	assert_int_equal(signal_parse("RTMIN+"), -1);
}

static void anything_else_is_no_signal(void **state)
{
	static const char *const wrong[] = {"",
					    "SIG",
					    "KIL",
					    "KILLS",
					    "65",
					    "-9",
					    "+9",
					    " 9",
					    "9 ",
					    "9x",
					    "0x9",
					    "1.5",
					    "999999999999999999999",
					    "SIGSIGKILL",
					    "SIG9"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(signal_parse(wrong[i]), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_taken_as_they_are),
	    cmocka_unit_test(names_are_taken_with_and_without_sig_in_any_case),
	    cmocka_unit_test(every_signal_of_the_kernel_has_its_name),
	    cmocka_unit_test(other_names_of_the_same_signal_are_known),
	    cmocka_unit_test(realtime_signals_count_from_both_ends),
	    cmocka_unit_test(anything_else_is_no_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
