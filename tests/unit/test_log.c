/* link: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"

#define TIME "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"

static struct arena arena;
static char log_path[64];
static char stderr_path[64];
static int saved_stderr;

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(log_path, sizeof(log_path), "/tmp/runsafe-log-%d", (int)getpid());
	snprintf(stderr_path, sizeof(stderr_path), "/tmp/runsafe-stderr-%d", (int)getpid());
	saved_stderr = dup(STDERR_FILENO);
	fd = open(stderr_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		return -1;
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	struct error err;

	(void)state;
	if (dup2(saved_stderr, STDERR_FILENO) < 0)
		return -1;
	close(saved_stderr);
	log_open(NULL, NULL, false, &err);
	unlink(log_path);
	unlink(stderr_path);
	arena_free(&arena);
	return 0;
}

static const char *contents(const char *path)
{
	char *text;

	if (file_read_all(&arena, AT_FDCWD, path, 100000, &text, NULL) < 0)
		return "unreadable";
	return text;
}

static void assert_matches(const char *text, const char *pattern)
{
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&regex, text, 0, NULL, 0) != 0)
		fail_msg("%s does not match %s", text, pattern);
	regfree(&regex);
}

static void test_json_line(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(log_open(log_path, "json", false, &err), 0);
	log_failure("can't \"run\"\n\x1b[31m\xc2\x9b\xc3\x9c\xe2\x80\xae\xe2\x82\xac");
	log_debug("not seen");
	assert_matches(
	    contents(log_path),
	    "^\\{\"level\":\"error\",\"msg\":\"can't \\\\\"run\\\\\"\\\\n\\\\u001b\\[31m[^\"]*\","
	    "\"time\":\"" TIME "\"\\}\n$");
	assert_string_equal(contents(stderr_path),
			    "runsafe: can't \"run\"\\n\\x1b[31m\\x9b\xc3\x9c\\xae\xe2\x82\xac\n");
}

static void test_text_line(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(log_open(log_path, "text", false, &err), 0);
	log_failure("a \"b\" c:\\\n");
	log_failure("second");
	assert_matches(contents(log_path), "^time=\"" TIME "\" level=error "
					   "msg=\"a \\\\\"b\\\\\" c:\\\\\\\\\\\\n\"\n"
					   "time=\"" TIME "\" level=error msg=\"second\"\n$");
}

static void test_debug_goes_to_the_log_when_asked_for(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(log_open(log_path, "json", true, &err), 0);
	log_debug("pid %d", 42);
	assert_matches(contents(log_path),
		       "^\\{\"level\":\"debug\",\"msg\":\"pid 42\",\"time\":\"" TIME "\"\\}\n$");
	assert_string_equal(contents(stderr_path), "");
}

static void test_without_a_log_stderr_is_all(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(log_open(NULL, NULL, false, &err), 0);
	log_debug("not seen");
	log_failure("broken");
	assert_string_equal(contents(stderr_path), "runsafe: broken\n");
}

static void test_the_log_is_appended_to_and_private(void **state)
{
	struct error err;
	struct stat st;

	(void)state;
	assert_int_equal(log_open(log_path, NULL, false, &err), 0);
	log_failure("one");
	assert_int_equal(log_open(log_path, NULL, false, &err), 0);
	log_failure("two");
	assert_matches(contents(log_path), "one\"\n.*two\"\n$");
	assert_int_equal(stat(log_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_wrong_options_are_refused(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(log_open(NULL, "xml", false, &err), -1);
	assert_string_equal(err.text, "--log-format xml: expected text or json");
	assert_int_equal(log_open("/nowhere/at/all", "json", false, &err), -1);
	assert_string_equal(err.text,
			    "open the log file /nowhere/at/all: no such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_json_line, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_text_line, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_debug_goes_to_the_log_when_asked_for, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_without_a_log_stderr_is_all, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_log_is_appended_to_and_private, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_wrong_options_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
