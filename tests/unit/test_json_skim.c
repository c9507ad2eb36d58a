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
	struct str_map notes;
};

struct sample {
	char *id;
	uint64_t number;
	struct str_list words;
	struct inner inner;
};

static const struct json_field inner_fields[] = {
    {.key = "notes", .kind = JSON_STRING_MAP, .offset = offsetof(struct inner, notes)},
    {0},
};

static const struct json_table inner_table = {
    .size = sizeof(struct inner),
    .fields = inner_fields,
    .present_offset = JSON_NO_OFFSET,
    .key_offset = JSON_NO_OFFSET,
};

static const struct json_field fields[] = {
    {.key = "id",
     .kind = JSON_STRING,
     .offset = offsetof(struct sample, id),
     .flags = JSON_REQUIRED},
    {.key = "number", .kind = JSON_U64, .offset = offsetof(struct sample, number), .max = 999},
    {.key = "words", .kind = JSON_STRING_LIST, .offset = offsetof(struct sample, words)},
    {.key = "inner",
     .kind = JSON_OBJECT,
     .offset = offsetof(struct sample, inner),
     .table = &inner_table},
    {0},
};

static const struct json_table table = {
    .size = sizeof(struct sample),
    .fields = fields,
    .present_offset = JSON_NO_OFFSET,
    .key_offset = JSON_NO_OFFSET,
};

static void assert_same_text(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_ptr_equal(a, b);
}

/* Reads the text in both ways, which must come to the same. */
static int compare(const char *given, size_t length)
{
	struct arena arena = ARENA_INIT;
	/* In a piece of memory of its own, so that valgrind sees who looks beyond its end. */
	char *text = malloc(length + 1);
	struct sample whole = {0}, some = {0};
	struct error why = ERROR_INIT, why_some = ERROR_INIT;

	assert_non_null(text);
	memcpy(text, given, length);
	text[length] = '\0';
	const int result = json_read(&arena, "f", text, length, &table, &whole, &why);
	assert_int_equal(json_read_some(&arena, "f", text, length, &table, &some, &why_some),
			 result);
	assert_string_equal(why_some.text, why.text);
	if (result == 0) {
		assert_same_text(some.id, whole.id);
		assert_int_equal(some.number, whole.number);
		assert_int_equal(some.words.n, whole.words.n);
		for (size_t i = 0; i < whole.words.n; i++)
			assert_string_equal(some.words.items[i], whole.words.items[i]);
		assert_int_equal(some.inner.notes.n, whole.inner.notes.n);
		for (size_t i = 0; i < whole.inner.notes.n; i++) {
			assert_string_equal(some.inner.notes.items[i].key,
					    whole.inner.notes.items[i].key);
			assert_string_equal(some.inner.notes.items[i].value,
					    whole.inner.notes.items[i].value);
		}
	}
	free(text);
	arena_free(&arena);
	return result;
}

static const char sample[] =
    "{\"x\":[0,-12,{},[],[[{\"y\":\"\\\"\\\\\\n\"}],true],{\"z\":false,\"u\":null}],\"id\":\"a\","
    "\"\":\"\\u00e4\xc3\xa4\",\"number\" : "
    "7,\t\"words\":[\"w\"],\"more\":{\"id\":\"b\",\"k\":[\"]\"]},"
    "\n\"inner\":{\"a\":1,\"notes\":{\"k\":\"v\"},\"b\":{\"c\":[2]}}, \"last\":1.5e3}\r\n";

static void what_is_left_out_changes_nothing(void **state)
{
	static const char *const good[] = {sample, "{\"id\":\"a\"}", "{\"i\\u0064\":\"a\"}",
					   " { \"id\" : \"a\" , \"b\" : { } } ",
					   "{\"id\":\"a\",\"b\":\"\\ud83d\\ude00\"}"};
	static const char *const bad[] = {
	    "",
	    " ",
	    "{",
	    "{}",
	    "[]",
	    "\"id\"",
	    "\xef\xbb\xbf{\"id\":\"a\"}",
	    "{\"id\":1}",
	    "{\"id\":\"a\",\"id\":\"a\"}",
	    "{\"id\":\"a\",\"number\":1000}",
	    "{\"id\":\"a\",\"inner\":[]}",
	    "{\"id\":\"a\",\"b\":01}",
	    "{\"id\":\"a\",\"b\":-}",
	    "{\"id\":\"a\",\"b\":[1,]}",
	    "{\"id\":\"a\",\"b\":{\"c\"}}",
	    "{\"id\":\"a\",\"b\":{\"c\":1,}}",
	    "{\"id\":\"a\",\"b\":{1:2}}",
	    "{\"id\":\"a\",\"b\":[1}}",
	    "{\"id\":\"a\",\"b\":tru}",
	    "{\"id\":\"a\",\"b\":\"\\x\"}",
	    "{\"id\":\"a\",\"b\":\"\\ud800\"}",
	    "{\"id\":\"a\",\"b\":\"\n\"}",
	    "{\"id\":\"a\",\"b\":\"\xc3\"}",
	    "{\"id\":\"a\",\"b\":\"\xed\xa0\x80\"}",
	    "{\"id\":\"a\",\"b\":1}}",
	    "{\"id\":\"a\",\"b\":1} x",
	    "{\"id\":\"a\",}",
	    "{\"id\":\"a\" \"b\":1}",
	    "{,\"id\":\"a\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(compare(good[i], strlen(good[i])), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(compare(bad[i], strlen(bad[i])), -1);
	/* A NUL is the end of nothing. */
	assert_int_equal(compare("{\"id\":\"a\"}\0", 11), -1);
	assert_int_equal(compare("{\"id\":\"a\",\"b\":\"\0\"}", 18), -1);
}

static void any_byte_that_is_damaged_is_seen(void **state)
{
	static const char bytes[] = "\"\\{}[],:0-9.eutfn /\x01\x7f\x80\xc3\xf4";
	const size_t length = sizeof(sample) - 1;
	char text[sizeof(sample) + 1];

	(void)state;
	for (size_t at = 0; at < length; at++) {
		for (size_t i = 0; i < sizeof(bytes); i++) { /* and the NUL */
			memcpy(text, sample, length);
			text[at] = bytes[i];
			(void)compare(text, length);
			memcpy(text + at + 1, sample + at, length - at);
			(void)compare(text, length + 1);
		}
		memcpy(text, sample, length);
		(void)compare(text, at);
		memmove(text + at, text + at + 1, length - at - 1);
		(void)compare(text, length - 1);
	}
}

static void depth_has_the_same_end(void **state)
{
	char text[256];

	(void)state;
	for (int depth = 55; depth < 75; depth++) {
		char *at = stpcpy(text, "{\"id\":\"a\",\"b\":");

		for (int i = 0; i < depth; i++)
			*at++ = '[';
		for (int i = 0; i < depth; i++)
			*at++ = ']';
		*at++ = '}';
		assert_int_equal(compare(text, (size_t)(at - text)),
				 depth < JSON_MAX_DEPTH ? 0 : -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_left_out_changes_nothing),
	    cmocka_unit_test(any_byte_that_is_damaged_is_seen),
	    cmocka_unit_test(depth_has_the_same_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
