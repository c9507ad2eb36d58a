/* link: commands base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "commands.h"

/* What a parse found. */
static struct {
	const char *bundle;
	const char *log;
	bool detach;
	bool keep;
	unsigned int fds;
	struct str_list allow;
	struct str_list arguments;
	bool help;
	struct error err;
	int result;
} got;

static struct arena arena = ARENA_INIT;

static const struct option_spec specs[] = {
    {"bundle", 'b', OPTION_TEXT, &got.bundle, "DIR", "the bundle"},
    {"log", 0, OPTION_TEXT, &got.log, "FILE", "the log"},
    {"detach", 'd', OPTION_FLAG, &got.detach, NULL, "leave it"},
    {"keep", 0, OPTION_FLAG, &got.keep, NULL, NULL},
    {"preserve-fds", 0, OPTION_NUMBER, &got.fds, "N", "descriptors"},
    {"allow", 0, OPTION_LIST, &got.allow, "NAME", "allow"},
    {.name = NULL}};

/* Words after the command's name, split at blanks. */
static int words(const char *text, char *argv[32])
{
	int argc = 0;
	char *save = NULL;

	memset(&got, 0, sizeof(got));
	argv[argc++] = arena_strdup(&arena, "command");
	for (char *word = strtok_r(arena_strdup(&arena, text), " ", &save); word;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return argc;
}

static int parse(const char *text)
{
	char *argv[32];
	int argc = words(text, argv);

	got.result = options_parse(&arena, specs, argc, argv, &got.help, &got.err);
	return got.result;
}

static int parse_mixed(const char *text)
{
	char *argv[32];
	int argc = words(text, argv);

	got.result =
	    options_parse_mixed(&arena, specs, argc, argv, &got.arguments, &got.help, &got.err);
	return got.result;
}

static void every_form_of_an_option_is_taken(void **state)
{
	static const char *const forms[] = {"--bundle /b", "--bundle=/b", "-bundle /b",
					    "-bundle=/b",  "-b /b",	  "-b=/b"};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		assert_true(parse(forms[i]) > 0);
		assert_string_equal(got.bundle, "/b");
	}
}

static void flags_take_the_words_that_go_takes(void **state)
{
	(void)state;
	assert_int_equal(parse("--detach"), 2);
	assert_true(got.detach);
	parse("-d");
	assert_true(got.detach);
	parse("--detach=true");
	assert_true(got.detach);
	parse("-detach=1");
	assert_true(got.detach);
	parse("-d --detach=false");
	assert_false(got.detach);
	assert_int_equal(parse("--detach=maybe"), -1);
	assert_non_null(strstr(got.err.text, "--detach"));
	assert_non_null(strstr(got.err.text, "maybe"));
}

static void the_first_argument_ends_the_options(void **state)
{
	(void)state;
	assert_int_equal(parse("-d run --keep"), 2);
	assert_true(got.detach);
	assert_false(got.keep);
	assert_int_equal(parse("-- --keep"), 2);
	assert_false(got.keep);
	assert_int_equal(parse(""), 1);
	/* A single dash is an argument, as everywhere. */
	assert_int_equal(parse("- --keep"), 1);
}

static void a_value_may_look_like_an_option(void **state)
{
	(void)state;
	assert_int_equal(parse("--bundle --log x"), 3);
	assert_string_equal(got.bundle, "--log");
	parse("--bundle=a=b");
	assert_string_equal(got.bundle, "a=b");
	parse("--bundle=");
	assert_string_equal(got.bundle, "");
}

static void a_list_grows_and_a_text_keeps_the_last(void **state)
{
	(void)state;
	parse("--allow a --allow=b -allow c --bundle 1 --bundle 2");
	assert_int_equal(got.allow.n, 3);
	assert_string_equal(got.allow.items[0], "a");
	assert_string_equal(got.allow.items[2], "c");
	assert_string_equal(got.bundle, "2");
}

static void numbers_have_digits_only(void **state)
{
	static const char *const wrong[] = {
	    "-1", "x", "1x", "+1", "4294967296", "0x10", "99999999999999999999999"};

	(void)state;
	parse("--preserve-fds 3");
	assert_int_equal(got.fds, 3);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(parse(arena_printf(&arena, "--preserve-fds=%s", wrong[i])), -1);
		assert_non_null(strstr(got.err.text, wrong[i]));
	}
	assert_int_equal(parse("--preserve-fds="), -1);
}

static void an_unknown_option_is_named(void **state)
{
	(void)state;
	assert_int_equal(parse("--no-such=5"), -1);
	assert_string_equal(got.err.text, "unknown option \"--no-such\"");
	assert_int_equal(parse("-x"), -1);
	assert_string_equal(got.err.text, "unknown option \"-x\"");
	/* Not a prefix, not a bundle of short ones. */
	assert_int_equal(parse("--bund /b"), -1);
	assert_int_equal(parse("-db /b"), -1);
}

static void a_missing_value_is_said(void **state)
{
	(void)state;
	assert_int_equal(parse("--bundle"), -1);
	assert_non_null(strstr(got.err.text, "--bundle needs a value"));
}

static void after_an_error_the_log_is_still_read(void **state)
{
	(void)state;
	assert_int_equal(parse("--no-such --also-not --log /l"), -1);
	assert_string_equal(got.err.text, "unknown option \"--no-such\"");
	assert_string_equal(got.log, "/l");
}

static void help_is_asked_for_in_each_form(void **state)
{
	static const char *const forms[] = {"-h", "--help", "-help", "--h"};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		parse(forms[i]);
		assert_true(got.help);
	}
}

static void mixed_takes_options_anywhere(void **state)
{
	(void)state;
	assert_int_equal(parse_mixed("id -d 9 --bundle /b"), 0);
	assert_int_equal(got.arguments.n, 2);
	assert_string_equal(got.arguments.items[0], "id");
	assert_string_equal(got.arguments.items[1], "9");
	assert_true(got.detach);
	assert_string_equal(got.bundle, "/b");
	assert_int_equal(parse_mixed("-d -- -d --keep"), 0);
	assert_int_equal(got.arguments.n, 2);
	assert_false(got.keep);
	assert_int_equal(parse_mixed("id --no-such"), -1);
}

static void usage_is_aligned_and_hides_what_has_no_help(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	options_usage(out, "runsafe x", "Does x.", specs);
	fclose(out);
	assert_string_equal(text, "Usage: runsafe x\n\nDoes x.\n\nOptions:\n"
				  "  -b, --bundle DIR      the bundle\n"
				  "      --log FILE        the log\n"
				  "  -d, --detach          leave it\n"
				  "      --preserve-fds N  descriptors\n"
				  "      --allow NAME      allow\n"
				  "  -h, --help            print this\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_form_of_an_option_is_taken),
	    cmocka_unit_test(flags_take_the_words_that_go_takes),
	    cmocka_unit_test(the_first_argument_ends_the_options),
	    cmocka_unit_test(a_value_may_look_like_an_option),
	    cmocka_unit_test(a_list_grows_and_a_text_keeps_the_last),
	    cmocka_unit_test(numbers_have_digits_only),
	    cmocka_unit_test(an_unknown_option_is_named),
	    cmocka_unit_test(a_missing_value_is_said),
	    cmocka_unit_test(after_an_error_the_log_is_still_read),
	    cmocka_unit_test(help_is_asked_for_in_each_form),
	    cmocka_unit_test(mixed_takes_options_anywhere),
	    cmocka_unit_test(usage_is_aligned_and_hides_what_has_no_help),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
