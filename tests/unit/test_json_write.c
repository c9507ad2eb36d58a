/* link: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "json_write.h"

static struct arena arena;

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static const char *sample(bool pretty)
{
	struct json_writer w;
	struct str_list list = {0};
	struct str_map map = {0};

	str_list_add(&arena, &list, "x");
	str_list_add(&arena, &list, "y");
	str_map_set(&arena, &map, "k", "v");
	json_start(&w, &arena, pretty);
	json_object_begin(&w, NULL);
	json_string(&w, "s", "t");
	json_string(&w, "none", NULL);
	json_i64(&w, "i", INT64_MIN);
	json_u64(&w, "u", UINT64_MAX);
	json_bool(&w, "b", true);
	json_string_list(&w, "l", &list);
	json_string_map(&w, "m", &map);
	json_list_begin(&w, "o");
	json_object_begin(&w, NULL);
	json_object_end(&w);
	json_list_begin(&w, NULL);
	json_list_end(&w);
	json_bool(&w, NULL, false);
	json_list_end(&w);
	json_object_end(&w);
	return json_finish(&w);
}

static void test_one_line(void **state)
{
	(void)state;
	assert_string_equal(sample(false),
			    "{\"s\":\"t\",\"none\":null,\"i\":-9223372036854775808,"
			    "\"u\":18446744073709551615,\"b\":true,\"l\":[\"x\",\"y\"],"
			    "\"m\":{\"k\":\"v\"},\"o\":[{},[],false]}");
}

static void test_pretty(void **state)
{
	(void)state;
	assert_string_equal(sample(true), "{\n"
					  "  \"s\": \"t\",\n"
					  "  \"none\": null,\n"
					  "  \"i\": -9223372036854775808,\n"
					  "  \"u\": 18446744073709551615,\n"
					  "  \"b\": true,\n"
					  "  \"l\": [\n"
					  "    \"x\",\n"
					  "    \"y\"\n"
					  "  ],\n"
					  "  \"m\": {\n"
					  "    \"k\": \"v\"\n"
					  "  },\n"
					  "  \"o\": [\n"
					  "    {},\n"
					  "    [],\n"
					  "    false\n"
					  "  ]\n"
					  "}\n");
}

static const char *quoted(const char *text)
{
	struct json_writer w;

	json_start(&w, &arena, false);
	json_string(&w, NULL, text);
	return json_finish(&w);
}

static void test_escapes(void **state)
{
	(void)state;
	assert_string_equal(quoted(""), "\"\"");
	assert_string_equal(quoted("a\"b\\c/\n\t\r\x1b\x7f"),
			    "\"a\\\"b\\\\c/\\n\\t\\u000d\\u001b\\u007f\"");
	assert_string_equal(quoted("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
			    "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	assert_string_equal(quoted("a\xff\xc3(\xe2\x82"),
			    "\"a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void test_keys_are_escaped_too(void **state)
{
	struct json_writer w;

	(void)state;
	json_start(&w, &arena, false);
	json_object_begin(&w, NULL);
	json_bool(&w, "a\"b", true);
	json_object_end(&w);
	assert_string_equal(json_finish(&w), "{\"a\\\"b\":true}");
}

static void test_long_texts_grow_the_buffer(void **state)
{
	static char text[300001];
	const char *out;

	(void)state;
	memset(text, '"', sizeof(text) - 1);
	out = quoted(text);
	assert_int_equal(strlen(out), 600002);
	assert_memory_equal(out + 599999, "\\\"\"", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_one_line, teardown),
	    cmocka_unit_test_teardown(test_pretty, teardown),
	    cmocka_unit_test_teardown(test_escapes, teardown),
	    cmocka_unit_test_teardown(test_keys_are_escaped_too, teardown),
	    cmocka_unit_test_teardown(test_long_texts_grow_the_buffer, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
