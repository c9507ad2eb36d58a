/* link: plan base */
/* passwd and group of an image are an attacker's text: passwd(5), group(5) and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "../../runtime/plan/plan_internal.h"

static struct arena arena;

static void home_is(const char *text, uint32_t uid, const char *home)
{
	struct passwd_entry entry = passwd_find_uid(&arena, text, uid);

	if (!home && entry.found)
		fail_msg("found a home %s in: %s", entry.home, text);
	if (home && !entry.found)
		fail_msg("not found in: %s", text);
	if (home)
		assert_string_equal(entry.home, home);
}

static void the_line_with_the_uid_is_found(void **state)
{
	static const char text[] = "root:x:0:0:root:/root:/bin/sh\n"
				   "app:x:1000:1001:An App,,,:/srv/app:/bin/false\n"
				   "other:x:10000:1:::\n";
	struct passwd_entry entry = passwd_find_uid(&arena, text, 1000);

	(void)state;
	assert_true(entry.found);
	assert_string_equal(entry.name, "app");
	assert_int_equal(entry.gid, 1001);
	assert_string_equal(entry.home, "/srv/app");
	home_is(text, 0, "/root");
	home_is(text, 10000, "");
	home_is(text, 1, NULL);
	home_is(text, 100, NULL);
}

static void the_first_of_two_counts_as_in_getpwuid(void **state)
{
	(void)state;
	home_is("a:x:7:7::/first:\nb:x:7:7::/second:\n", 7, "/first");
}

static void a_last_line_without_its_end_counts(void **state)
{
	(void)state;
	home_is("a:x:7:7::/home/a:/bin/sh", 7, "/home/a");
	home_is("a:x:7:7::/home/a", 7, "/home/a");
	assert_true(group_has_gid("g:x:9", 9));
}

static void broken_lines_are_nobody(void **state)
{
	static const char *const texts[] = {
	    "",
	    "\n\n\n",
	    "a:x:7\n",
	    "a:x:7:7:gecos\n",
	    "a:x: 7:7::/h:\n",
	    "a:x:+7:7::/h:\n",
	    "a:x:0x7:7::/h:\n",
	    "a:x:7a:7::/h:\n",
	    "a:x::7::/h:\n",
	    "7:7:a:7:7:7:7\n",
	    "a:x:4294967303:7::/h:\n",		 /* 7 plus 2 to the 32 */
	    "a:x:18446744073709551623:7::/h:\n", /* and plus 2 to the 64 */
	    "a:x\n7:7::/h:\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		home_is(texts[i], 7, NULL);
}

static void a_broken_line_does_not_hide_the_next(void **state)
{
	(void)state;
	home_is("garbage\n::::::::\n:\na:x:7:7::/h:", 7, "/h");
	home_is("a:x:0007:7::/h:\n", 7, "/h");
	home_is("a:x:4294967295:7::/h:\n", UINT32_MAX, "/h");
}

static void a_group_is_found_by_its_number(void **state)
{
	static const char text[] = "root:x:0:\napp:x:1000:a,b\nshort:x:55\nbad:1001\n";

	(void)state;
	assert_true(group_has_gid(text, 0));
	assert_true(group_has_gid(text, 1000));
	assert_true(group_has_gid(text, 55));
	assert_false(group_has_gid(text, 1001));
	assert_false(group_has_gid(text, 100));
	assert_false(group_has_gid("", 0));
}

static void a_name_is_the_whole_first_field(void **state)
{
	(void)state;
	assert_true(passwd_has_name("x:x:1:\napp:x:2:", "app"));
	assert_false(passwd_has_name("application:x:1:\nanapp:x:2:\n", "app"));
	assert_false(passwd_has_name("app\n", "app"));
	assert_false(passwd_has_name("x:app:1:\n", "app"));
}

/* DESIGN.md section 3: "if it is absolute and free of `:` and control bytes". A line feed in HOME
 * would be a second line of the passwd that is made from it. */
static void a_home_is_absolute_and_of_printable_bytes(void **state)
{
	static const char *const bad[] = {"",	     "home",	"./home", "~",
					  "/a:b",    "/a\nb",	"/a\tb",  "/a\rb",
					  "/a\x1b[", "/a\177b", "/\x01",  " /home"};

	(void)state;
	assert_false(home_is_sane(NULL));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(home_is_sane(bad[i]));
	assert_true(home_is_sane("/"));
	assert_true(home_is_sane("/home/a b"));
	assert_true(home_is_sane("/home/\xc3\xa4pp"));
}

static int end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_line_with_the_uid_is_found),
	    cmocka_unit_test(the_first_of_two_counts_as_in_getpwuid),
	    cmocka_unit_test(a_last_line_without_its_end_counts),
	    cmocka_unit_test(broken_lines_are_nobody),
	    cmocka_unit_test(a_broken_line_does_not_hide_the_next),
	    cmocka_unit_test(a_group_is_found_by_its_number),
	    cmocka_unit_test(a_name_is_the_whole_first_field),
	    cmocka_unit_test(a_home_is_absolute_and_of_printable_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
