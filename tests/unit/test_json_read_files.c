/* link: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json_read.h"

/* What makes a whole file wrong, whatever its table says. */
struct sample {
	char *text;
	uint32_t u32;
	bool flag;
	struct str_list list;
	struct str_map map;
};

#define AT(member) .offset = offsetof(struct sample, member)

static const struct json_field sample_fields[] = {
    {.key = "text", .kind = JSON_STRING, AT(text)},
    {.key = "u32", .kind = JSON_U32, AT(u32)},
    {.key = "flag", .kind = JSON_BOOL, AT(flag)},
    {.key = "list", .kind = JSON_STRING_LIST, AT(list)},
    {.key = "map", .kind = JSON_STRING_MAP, AT(map)},
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

static void test_broken_text_is_refused(void **state)
{
	static const char whole[] =
	    "{\"text\":\"abc\\u00e4\",\"u32\":123,\"flag\":true,\"list\":[\"x\"],"
	    "\"inner\":{\"name\":\"n\"}}";

	(void)state;
	assert_refused("", "t.json: expected a JSON object, but the file is empty");
	assert_refused(" \n\t", "t.json: expected a JSON object, but the file is empty");
	assert_reads(whole);
	for (size_t length = 1; length < sizeof(whole) - 1; length++) {
		assert_int_equal(read_bytes(whole, length), -1);
		assert_non_null(strstr(err.text, "the text ends too early"));
	}
	assert_refused("{} x", "t.json: line 1, column 5: not valid JSON: trailing garbage");
	assert_int_equal(read_text("{}{}"), -1);
	assert_int_equal(read_text("{/* no */}"), -1);
	assert_int_equal(read_text("{\"text\":'a'}"), -1);
	assert_int_equal(read_text("{\"u32\":1,}"), -1);
	assert_int_equal(read_text("{\"list\":[1}"), -1);
	assert_int_equal(read_text("}"), -1);
	assert_int_equal(read_text("{\n\"text\" 5}"), -1);
	assert_non_null(strstr(err.text, "t.json: line 2, column "));
	assert_int_equal(read_text("{\"text\":\"\\x\"}"), -1);
	assert_int_equal(read_text("{\"text\":\"\\u12g4\"}"), -1);
	assert_int_equal(read_text("{\"text\":\"a\nb\"}"), -1);
	assert_int_equal(read_bytes("{}\0", 3), -1);
}

static void test_only_utf8_is_read(void **state)
{
	static const char *const wrong[] = {
	    "\xff",
	    "\xc3",
	    "\xc0\xaf",
	    "\xe0\x80\xaf",
	    "\xed\xa0\x80",
	    "\xf4\x90\x80\x80",
	    "\xf8\x88\x80\x80",
	    "\x80",
	    "\xe2\x82",
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "{\n \"text\":\"ok %s\"}", wrong[i]);
		assert_refused(text, "t.json: line 2, column 13: not UTF-8 text");
	}
	assert_refused("{\"text\":\"\\ud800\"}", "t.json: line 1, column 10: half of a surrogate "
						 "pair, which is no character");
	assert_int_equal(read_text("{\"text\":\"\\udc00\\ud800\"}"), -1);
	assert_int_equal(read_text("{\"text\":\"\\ud800x\"}"), -1);
	assert_reads("{\"text\":\"\\ud83d\\ude00 \xf0\x9f\x98\x80\"}");
	assert_string_equal(sample.text, "\xf0\x9f\x98\x80 \xf0\x9f\x98\x80");
	assert_refused("\xff\xfe{", "t.json: line 1, column 1: not UTF-8 text");
	assert_refused("\xef\xbb\xbf{}",
		       "t.json: starts with a byte order mark; save it as UTF-8 without");
}

static void test_depth_and_size_are_limited(void **state)
{
	size_t huge = 100000;
	char *text = malloc(2 * huge + 16);
	size_t at = 0;

	(void)state;
	at = (size_t)sprintf(text, "{\"new\":");
	memset(text + at, '[', huge);
	assert_int_equal(read_bytes(text, at + huge), -1);
	assert_string_equal(err.text, "t.json: line 1, column 71: nested deeper than the 64 levels "
				      "that are read at most");
	memset(text + at, '[', 63);
	memset(text + at + 63, ']', 63);
	text[at + 126] = '}';
	assert_int_equal(read_bytes(text, at + 127), 0);
	/* Brackets in a string nest nothing. */
	at = (size_t)sprintf(text, "{\"text\":\"\\\"");
	memset(text + at, '{', 1000);
	text[at + 1000] = '"';
	text[at + 1001] = '}';
	assert_int_equal(read_bytes(text, at + 1002), 0);
	free(text);

	text = malloc(JSON_MAX_BYTES + 1);
	memset(text, ' ', JSON_MAX_BYTES + 1);
	text[0] = '{';
	text[1] = '}';
	assert_int_equal(read_bytes(text, JSON_MAX_BYTES), 0);
	assert_int_equal(read_bytes(text, JSON_MAX_BYTES + 1), -1);
	assert_string_equal(err.text, "t.json: larger than the 16 MiB that are read at most");
	free(text);
}

static void test_many_keys_take_no_quadratic_time(void **state)
{
	size_t n = 1000000;
	char *text = malloc(n * 16);
	size_t at = (size_t)sprintf(text, "{\"map\":{");

	(void)state;
	for (size_t i = 0; i < n; i++)
		at += (size_t)sprintf(text + at, "\"%zx\":\"\",", i * 7919 % n);
	at += (size_t)sprintf(text + at - 1, "}}") - 1;
	assert_int_equal(read_bytes(text, at), 0);
	assert_int_equal(sample.map.n, n);
	free(text);
}

static int read_file(int dir, const char *path)
{
	memset(&sample, 0, sizeof(sample));
	memset(&err, 0, sizeof(err));
	return json_read_file(&arena, dir, path, "x.json", &sample_table, &sample, &err);
}

static void test_files(void **state)
{
	char dir_path[] = "/tmp/runsafe-json-XXXXXX";
	int dir;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir_path));
	dir = open(dir_path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(read_file(dir, "none"), -1);
	assert_string_equal(err.text, "x.json: can not be read: no such file or directory");
	assert_int_equal(read_file(dir, "."), -1);
	assert_string_equal(err.text, "x.json: expected a file: is a directory");
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(read_file(dir, "fifo"), -1);
	assert_string_equal(err.text, "x.json: expected a regular file, found another type");
	fd = openat(dir, "file", O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "{\"u32\":77}", 10), 10);
	assert_int_equal(read_file(dir, "file"), 0);
	assert_int_equal(sample.u32, 77);
	assert_int_equal(ftruncate(fd, (off_t)100 * 1024 * 1024), 0);
	assert_int_equal(read_file(dir, "file"), -1);
	assert_string_equal(err.text, "x.json: larger than the 16 MiB that are read at most");
	close(fd);
	unlinkat(dir, "file", 0);
	unlinkat(dir, "fifo", 0);
	close(dir);
	rmdir(dir_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_broken_text_is_refused, teardown),
	    cmocka_unit_test_teardown(test_only_utf8_is_read, teardown),
	    cmocka_unit_test_teardown(test_depth_and_size_are_limited, teardown),
	    cmocka_unit_test_teardown(test_many_keys_take_no_quadratic_time, teardown),
	    cmocka_unit_test_teardown(test_files, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
