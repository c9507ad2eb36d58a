/* link: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "error.h"

static void test_set_formats_and_returns_minus_one(void **state)
{
	struct error err = {.number = EPERM, .exit_status = 127};

	(void)state;
	assert_int_equal(error_set(&err, "%s: %d", "a", 5), -1);
	assert_string_equal(err.text, "a: 5");
	assert_int_equal(err.number, 0);
	assert_int_equal(err.exit_status, 127);
}

static void test_errno_texts_are_what_engines_match(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(error_errno(&err, EACCES, "open %s", "/x"), -1);
	assert_string_equal(err.text, "open /x: permission denied");
	assert_int_equal(err.number, EACCES);
	error_errno(&err, ENOENT, "x");
	assert_string_equal(err.text, "x: no such file or directory");
	error_errno(&err, EISDIR, "x");
	assert_string_equal(err.text, "x: is a directory");
	error_errno(&err, 99999, "x");
	assert_string_equal(err.text, "x: error number 99999");
}

static void test_wrap_puts_context_in_front(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	error_errno(&err, EBUSY, "mount %s", "/proc");
	assert_int_equal(error_wrap(&err, "container %s", "c1"), -1);
	assert_string_equal(err.text, "container c1: mount /proc: device or resource busy");
	assert_int_equal(err.number, EBUSY);
}

static void test_the_old_text_may_be_an_argument(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	error_set(&err, "first");
	error_set(&err, "second after %s", err.text);
	assert_string_equal(err.text, "second after first");
	error_wrap(&err, "[%s]", err.text);
	assert_string_equal(err.text, "[second after first]: second after first");
}

static void test_long_texts_are_cut_and_keep_their_cause(void **state)
{
	struct error err = ERROR_INIT;
	char big[4096];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	error_set(&err, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_wrap(&err, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_errno(&err, EACCES, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_non_null(strstr(err.text, "xxx: permission denied"));
	/* Wrapped, whichever of the two is too long. */
	error_wrap(&err, "maskedPaths");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_ptr_equal(strstr(err.text, "maskedPaths: xxx"), err.text);
	assert_non_null(strstr(err.text, "xxx: permission denied"));
	error_errno(&err, EACCES, "short");
	error_wrap(&err, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_non_null(strstr(err.text, "xxxshort: permission denied"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_set_formats_and_returns_minus_one),
	    cmocka_unit_test(test_errno_texts_are_what_engines_match),
	    cmocka_unit_test(test_wrap_puts_context_in_front),
	    cmocka_unit_test(test_the_old_text_may_be_an_argument),
	    cmocka_unit_test(test_long_texts_are_cut_and_keep_their_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
