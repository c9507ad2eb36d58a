/* link: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "json_read.h"

struct inner {
	bool present;
	char *name;
	uint32_t level;
};

struct named {
	char *key;
	int64_t secs;
};

struct sample {
	char *text;
	bool flag;
	struct opt_bool opt_flag;
	uint32_t u32;
	int64_t i64;
	uint64_t u64;
	struct opt_u32 opt_u32;
	struct opt_i64 opt_i64;
	struct opt_u64 opt_u64;
	struct str_list list;
	struct str_list full;
	struct u32_list numbers;
	struct str_map map;
	struct inner inner;
	struct inner *maybe;
	struct inner *many;
	size_t n_many;
	bool many_set;
	struct named *named;
	size_t n_named;
	char *word;
	char *path;
	uint32_t mode;
	char *soft; /* "" counts as absent */
};

#define AT(member) .offset = offsetof(struct sample, member)

static const struct json_field inner_fields[] = {
    {.key = "name",
     .kind = JSON_STRING,
     .offset = offsetof(struct inner, name),
     .flags = JSON_REQUIRED | JSON_NONEMPTY},
    {.key = "level", .kind = JSON_U32, .offset = offsetof(struct inner, level), .min = 1, .max = 9},
    {0},
};

static const struct json_table inner_table = {
    .size = sizeof(struct inner),
    .fields = inner_fields,
    .present_offset = offsetof(struct inner, present),
    .key_offset = JSON_NO_OFFSET,
    .unknown_is_error = true,
};

static const struct json_field named_fields[] = {
    {.key = "secs", .kind = JSON_I64, .offset = offsetof(struct named, secs)},
    {0},
};

static const struct json_table named_table = {
    .size = sizeof(struct named),
    .fields = named_fields,
    .present_offset = JSON_NO_OFFSET,
    .key_offset = offsetof(struct named, key),
};

static const char *const words[] = {"red", "green", "blue", NULL};

static const struct json_field sample_fields[] = {
    {.key = "text", .kind = JSON_STRING, AT(text)},
    {.key = "flag", .kind = JSON_BOOL, AT(flag)},
    {.key = "optFlag", .kind = JSON_OPT_BOOL, AT(opt_flag)},
    {.key = "u32", .kind = JSON_U32, AT(u32)},
    {.key = "i64", .kind = JSON_I64, AT(i64)},
    {.key = "u64", .kind = JSON_U64, AT(u64)},
    {.key = "optU32", .kind = JSON_OPT_U32, AT(opt_u32)},
    {.key = "optI64", .kind = JSON_OPT_I64, AT(opt_i64), .min = -1, .max = 1000},
    {.key = "optU64", .kind = JSON_OPT_U64, AT(opt_u64)},
    {.key = "list", .kind = JSON_STRING_LIST, AT(list)},
    {.key = "full", .kind = JSON_STRING_LIST, AT(full), .flags = JSON_NONEMPTY | JSON_ABSOLUTE},
    {.key = "numbers", .kind = JSON_U32_LIST, AT(numbers)},
    {.key = "map", .kind = JSON_STRING_MAP, AT(map)},
    {.key = "inner", .kind = JSON_OBJECT, AT(inner), .table = &inner_table},
    {.key = "maybe", .kind = JSON_OPT_OBJECT, AT(maybe), .table = &inner_table},
    {.key = "many",
     .kind = JSON_OBJECT_LIST,
     AT(many),
     .count_offset = offsetof(struct sample, n_many),
     .set_offset = offsetof(struct sample, many_set),
     .table = &inner_table},
    {.key = "named",
     .kind = JSON_OBJECT_MAP,
     AT(named),
     .count_offset = offsetof(struct sample, n_named),
     .table = &named_table},
    {.key = "word", .kind = JSON_STRING, AT(word), .words = words},
    {.key = "path", .kind = JSON_STRING, AT(path), .flags = JSON_ABSOLUTE},
    {.key = "mode", .kind = JSON_U32, AT(mode), .max = 0777},
    {.key = "soft", .kind = JSON_STRING, AT(soft), .flags = JSON_EMPTY_ABSENT | JSON_ABSOLUTE},
    {.key = "later", .kind = JSON_REFUSED, .why = "the reason"},
    {.key = "windows", .kind = JSON_IGNORE},
    {0},
};

static const struct json_table sample_table = {
    .size = sizeof(struct sample),
    .fields = sample_fields,
    .present_offset = JSON_NO_OFFSET,
    .key_offset = JSON_NO_OFFSET,
};

static struct arena arena;
static struct sample sample;
static struct error err;

/* The text lies at the end of its own allocation, so that a sanitizer sees a read beyond it. */
static int read_bytes(const char *text, size_t length)
{
	char *copy = malloc(length ? length : 1);
	int result;

	memcpy(copy, text, length);
	memset(&sample, 0, sizeof(sample));
	memset(&err, 0, sizeof(err));
	result = json_read(&arena, "t.json", copy, length, &sample_table, &sample, &err);
	free(copy);
	return result;
}

static int read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

static void assert_reads(const char *text)
{
	if (read_text(text) < 0)
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(err.text, "");
}

static void assert_refused(const char *text, const char *message)
{
	assert_int_equal(read_text(text), -1);
	assert_string_equal(err.text, message);
}

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void test_every_kind_is_read(void **state)
{
	(void)state;
	assert_reads("{\"text\":\"a\\u00e4\\n\",\"flag\":true,\"optFlag\":false,\"u32\":4294967295,"
		     "\"i64\":-9223372036854775808,\"u64\":18446744073709551615,\"optU32\":0,"
		     "\"optI64\":-1,\"optU64\":7,\"list\":[\"x\",\"y\",\"z\"],\"numbers\":[1,2,3],"
		     "\"map\":{\"k\":\"v\",\"l\":\"\"},\"inner\":{\"name\":\"i\",\"level\":9},"
		     "\"maybe\":{\"name\":\"m\"},\"many\":[{\"name\":\"a\"},{\"name\":\"b\"},"
		     "{\"name\":\"c\"}],\"named\":{\"boot\":{\"secs\":-3},\"mono\":{}},"
		     "\"word\":\"green\",\"path\":\"/p\",\"mode\":511}");
	assert_string_equal(sample.text, "a\xc3\xa4\n");
	assert_true(sample.flag);
	assert_true(sample.opt_flag.set);
	assert_false(sample.opt_flag.value);
	assert_int_equal(sample.u32, UINT32_MAX);
	assert_true(sample.i64 == INT64_MIN);
	assert_true(sample.u64 == UINT64_MAX);
	assert_true(sample.opt_u32.set && sample.opt_u32.value == 0);
	assert_true(sample.opt_i64.set && sample.opt_i64.value == -1);
	assert_true(sample.opt_u64.set && sample.opt_u64.value == 7);
	assert_int_equal(sample.list.n, 3);
	assert_string_equal(sample.list.items[2], "z");
	assert_null(sample.list.items[3]);
	assert_int_equal(sample.numbers.n, 3);
	assert_int_equal(sample.numbers.items[2], 3);
	assert_int_equal(sample.map.n, 2);
	assert_string_equal(sample.map.items[1].key, "l");
	assert_string_equal(sample.map.items[1].value, "");
	assert_true(sample.inner.present);
	assert_int_equal(sample.inner.level, 9);
	assert_string_equal(sample.maybe->name, "m");
	assert_int_equal(sample.n_many, 3);
	assert_true(sample.many_set);
	assert_string_equal(sample.many[2].name, "c");
	assert_int_equal(sample.n_named, 2);
	assert_string_equal(sample.named[0].key, "boot");
	assert_int_equal(sample.named[0].secs, -3);
	assert_string_equal(sample.named[1].key, "mono");
	assert_string_equal(sample.word, "green");
	assert_int_equal(sample.mode, 0777);
}

static void test_null_counts_as_absent(void **state)
{
	(void)state;
	assert_reads(
	    "{\"text\":null,\"flag\":null,\"optI64\":null,\"list\":null,\"map\":{\"a\":null},"
	    "\"inner\":null,\"maybe\":null,\"many\":null,\"later\":null,\"word\":null}");
	assert_null(sample.text);
	assert_false(sample.opt_i64.set);
	assert_int_equal(sample.map.n, 0);
	assert_false(sample.inner.present);
	assert_null(sample.maybe);
	assert_false(sample.many_set);
	assert_null(sample.list.items);
}

static void test_an_empty_list_is_known_to_have_been_there(void **state)
{
	(void)state;
	assert_reads("{\"list\":[],\"many\":[]}");
	assert_non_null(sample.list.items);
	assert_null(sample.list.items[0]);
	assert_non_null(sample.many);
	assert_true(sample.many_set);
	assert_int_equal(sample.n_many, 0);
}

static void test_unknown_keys_are_passed_over(void **state)
{
	(void)state;
	assert_reads("{\"new\":{\"a\":[1,{\"b\":[[]]}],\"a\":2},\"windows\":{\"x\":[{}]},"
		     "\"other\":1e9,\"text\":\"kept\",\"\":1}");
	assert_string_equal(sample.text, "kept");
}

static void test_what_is_not_built_may_be_empty_only(void **state)
{
	(void)state;
	assert_reads("{\"later\":\"\"}");
	assert_reads("{\"later\":[],\"text\":\"t\"}");
	assert_string_equal(sample.text, "t");
	assert_reads("{\"later\":{},\"u32\":5}");
	assert_int_equal(sample.u32, 5);
	assert_reads("{\"later\":false}");
	assert_reads("{\"later\":0}");
	assert_refused("{\"later\":\"docker\"}",
		       "t.json: later: not supported: the reason; leave it out "
		       "(got \"docker\")");
	assert_refused("{\"later\":{\"a\":\"\"}}",
		       "t.json: later: not supported: the reason; leave it out");
	assert_refused("{\"later\":[[]]}",
		       "t.json: later: not supported: the reason; leave it out");
	assert_refused("{\"later\":[null]}",
		       "t.json: later: not supported: the reason; leave it out");
}

static void test_wrong_kinds_name_path_and_value(void **state)
{
	(void)state;
	assert_refused("{\"i64\":\"512m\"}", "t.json: i64: expected a whole number, got \"512m\"");
	assert_refused("{\"u32\":[]}", "t.json: u32: expected a whole number, got a list");
	assert_refused("{\"u32\":true}", "t.json: u32: expected a whole number, got true");
	assert_refused("{\"text\":5}", "t.json: text: expected a string, got 5");
	assert_refused("{\"text\":{}}", "t.json: text: expected a string, got an object");
	assert_refused("{\"flag\":\"true\"}", "t.json: flag: expected true or false, got \"true\"");
	assert_refused("{\"flag\":1}", "t.json: flag: expected true or false, got 1");
	assert_refused("{\"list\":\"a\"}", "t.json: list: expected a list of strings, got \"a\"");
	assert_refused("{\"list\":{}}", "t.json: list: expected a list of strings, got an object");
	assert_refused("{\"list\":[\"a\",1]}", "t.json: list[1]: expected a string, got 1");
	assert_refused("{\"list\":[null]}", "t.json: list[0]: expected a string, got null");
	assert_refused("{\"list\":[[\"a\"]]}", "t.json: list[0]: expected a string, got a list");
	assert_refused("{\"numbers\":[1,\"2\"]}",
		       "t.json: numbers[1]: expected a whole number, got \"2\"");
	assert_refused("{\"map\":[]}",
		       "t.json: map: expected an object with strings as values, got a list");
	assert_refused("{\"map\":{\"a.b\":1}}", "t.json: map.a.b: expected a string, got 1");
	assert_refused("{\"map\":{\"a\":{}}}", "t.json: map.a: expected a string, got an object");
	assert_refused("{\"inner\":[]}", "t.json: inner: expected an object, got a list");
	assert_refused("{\"inner\":\"x\"}", "t.json: inner: expected an object, got \"x\"");
	assert_refused("{\"maybe\":7}", "t.json: maybe: expected an object, got 7");
	assert_refused("{\"many\":{}}", "t.json: many: expected a list of objects, got an object");
	assert_refused("{\"many\":[{\"name\":\"a\"},[]]}",
		       "t.json: many[1]: expected an object, got a list");
	assert_refused("{\"many\":[{\"name\":\"a\"},{\"name\":false}]}",
		       "t.json: many[1].name: expected a non-empty string, got false");
	assert_refused("{\"named\":[]}", "t.json: named: expected an object, got a list");
	assert_refused("{\"named\":{\"b\":[]}}", "t.json: named.b: expected an object, got a list");
	assert_refused("{\"named\":{\"b\":{\"secs\":\"1\"}}}",
		       "t.json: named.b.secs: expected a whole number, got \"1\"");
	assert_refused("[]", "t.json: expected an object, got a list");
	assert_refused("12", "t.json: expected an object, got 12");
	assert_refused("\"x\"", "t.json: expected an object, got \"x\"");
	assert_refused("null", "t.json: expected an object, got null");
}

static void test_numbers_have_a_range(void **state)
{
	(void)state;
	assert_reads("{\"u32\":-0}");
	assert_int_equal(sample.u32, 0);
	assert_refused("{\"u32\":4294967296}",
		       "t.json: u32: expected a whole number from 0 to 4294967295, got 4294967296");
	assert_refused("{\"u32\":-1}",
		       "t.json: u32: expected a whole number from 0 to 4294967295, got -1");
	assert_refused("{\"u32\":1.5}",
		       "t.json: u32: expected a whole number from 0 to 4294967295, got 1.5");
	assert_refused("{\"u32\":1e3}",
		       "t.json: u32: expected a whole number from 0 to 4294967295, got 1e3");
	assert_refused("{\"u64\":18446744073709551616}",
		       "t.json: u64: expected a whole number from 0 to 18446744073709551615, got "
		       "18446744073709551616");
	assert_refused("{\"i64\":9223372036854775808}",
		       "t.json: i64: expected a whole number from -9223372036854775808 to "
		       "9223372036854775807, got 9223372036854775808");
	assert_refused("{\"i64\":-9223372036854775809}",
		       "t.json: i64: expected a whole number from -9223372036854775808 to "
		       "9223372036854775807, got -9223372036854775809");
	assert_refused("{\"optI64\":-2}",
		       "t.json: optI64: expected a whole number from -1 to 1000, got -2");
	assert_refused("{\"optI64\":1001}",
		       "t.json: optI64: expected a whole number from -1 to 1000, got 1001");
	assert_refused("{\"mode\":512}",
		       "t.json: mode: expected a whole number from 0 to 511, got 512");
	assert_refused("{\"inner\":{\"name\":\"a\",\"level\":0}}",
		       "t.json: inner.level: expected a whole number from 1 to 9, got 0");
	assert_refused("{\"numbers\":[0,4294967296]}",
		       "t.json: numbers[1]: expected a whole number from 0 to 4294967295, got "
		       "4294967296");
	assert_int_equal(read_text("{\"u32\":01}"), -1);
	assert_int_equal(read_text("{\"u32\":+1}"), -1);
	assert_int_equal(read_text("{\"u32\":NaN}"), -1);
}

static void test_strings_have_rules(void **state)
{
	(void)state;
	assert_refused("{\"word\":\"pink\"}",
		       "t.json: word: expected one of red, green or blue, got \"pink\"");
	assert_refused("{\"word\":\"\"}",
		       "t.json: word: expected one of red, green or blue, got \"\"");
	assert_refused("{\"path\":\"p\"}", "t.json: path: expected an absolute path, got \"p\"");
	assert_refused("{\"path\":\"\"}", "t.json: path: expected an absolute path, got \"\"");
	assert_refused("{\"full\":[\"/a\",\"b\"]}",
		       "t.json: full[1]: expected an absolute path, got \"b\"");
	assert_refused("{\"full\":[]}", "t.json: full: expected a list that is not empty");
	assert_refused("{\"inner\":{\"name\":\"\"}}",
		       "t.json: inner.name: expected a non-empty string, got \"\"");
	assert_reads("{\"soft\":\"\"}");
	assert_null(sample.soft);
	assert_refused("{\"soft\":\"s\"}", "t.json: soft: expected an absolute path, got \"s\"");
}

static void test_nul_characters_are_refused(void **state)
{
	(void)state;
	assert_refused("{\"text\":\"a\\u0000b\"}",
		       "t.json: text: expected text without NUL characters, got \"a\\x00b\"");
	assert_refused("{\"list\":[\"\\u0000\"]}",
		       "t.json: list[0]: expected text without NUL characters, got \"\\x00\"");
	assert_int_equal(read_text("{\"map\":{\"a\\u0000\":\"\"}}"), -1);
	assert_non_null(strstr(err.text, "expected a key without NUL characters"));
	assert_reads("{\"text\\u0000\":5}");
	assert_null(sample.text);
	assert_int_equal(read_bytes("{\"text\":\"a\0b\"}", 14), -1);
}

static void test_missing_twice_and_unknown(void **state)
{
	(void)state;
	assert_refused("{\"inner\":{}}",
		       "t.json: inner.name: expected a non-empty string, but it is missing");
	assert_refused("{\"inner\":{\"name\":null}}",
		       "t.json: inner.name: expected a non-empty string, but it is missing");
	assert_refused("{\"many\":[{\"name\":\"a\"},{}]}",
		       "t.json: many[1].name: expected a non-empty string, but it is missing");
	assert_refused("{\"u32\":1,\"text\":\"\",\"u32\":1}", "t.json: u32: given twice");
	assert_refused("{\"u32\":null,\"u32\":1}", "t.json: u32: given twice");
	assert_refused("{\"map\":{\"b\":\"\",\"a\":\"\",\"b\":\"\"}}",
		       "t.json: map.b: given twice");
	assert_refused("{\"named\":{\"b\":{},\"b\":{}}}", "t.json: named.b: given twice");
	assert_refused("{\"inner\":{\"name\":\"a\",\"nmae\":1}}",
		       "t.json: inner: unknown key \"nmae\"");
}

static void test_long_and_odd_values_are_shown_short_and_clean(void **state)
{
	(void)state;
	assert_refused(
	    "{\"u32\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
	    "t.json: u32: expected a whole number, got "
	    "\"012345678901234567890123456789012345678901234567890123456789...\"");
	assert_refused("{\"u32\":\"\\u001b[31m\"}",
		       "t.json: u32: expected a whole number, got \"\\x1b[31m\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_every_kind_is_read, teardown),
	    cmocka_unit_test_teardown(test_null_counts_as_absent, teardown),
	    cmocka_unit_test_teardown(test_an_empty_list_is_known_to_have_been_there, teardown),
	    cmocka_unit_test_teardown(test_unknown_keys_are_passed_over, teardown),
	    cmocka_unit_test_teardown(test_what_is_not_built_may_be_empty_only, teardown),
	    cmocka_unit_test_teardown(test_wrong_kinds_name_path_and_value, teardown),
	    cmocka_unit_test_teardown(test_numbers_have_a_range, teardown),
	    cmocka_unit_test_teardown(test_strings_have_rules, teardown),
	    cmocka_unit_test_teardown(test_nul_characters_are_refused, teardown),
	    cmocka_unit_test_teardown(test_missing_twice_and_unknown, teardown),
	    cmocka_unit_test_teardown(test_long_and_odd_values_are_shown_short_and_clean, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
