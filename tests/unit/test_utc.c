/* link: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "utc.h"

static void assert_as_libc_has_it(time_t seconds)
{
	char text[UTC_TEXT_SIZE], expected[UTC_TEXT_SIZE];
	struct tm utc;

	assert_non_null(gmtime_r(&seconds, &utc));
	assert_true(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &utc) > 0);
	utc_text(text, seconds);
	assert_string_equal(text, expected);
}

static void each_day_is_as_libc_has_it(void **state)
{
	(void)state;
	for (time_t day = 0; day < 8030 * (time_t)365; day++) {
		assert_as_libc_has_it(day * 86400);
		assert_as_libc_has_it(day * 86400 + 86399);
	}
	for (time_t second = 1700000000; second < 1700000000 + 86400; second++)
		assert_as_libc_has_it(second);
}

static void what_has_no_four_digits_is_the_first_or_the_last(void **state)
{
	char text[UTC_TEXT_SIZE];

	(void)state;
	utc_text(text, -1);
	assert_string_equal(text, "1970-01-01T00:00:00");
	utc_text(text, INT64_MAX);
	assert_string_equal(text, "9999-12-31T23:59:59");
	assert_as_libc_has_it(253402300799);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_day_is_as_libc_has_it),
	    cmocka_unit_test(what_has_no_four_digits_is_the_first_or_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
