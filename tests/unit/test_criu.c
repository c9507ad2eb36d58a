/* link: container base */
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

#include "../../runtime/container/criu.h"
#include "fd.h"

static struct arena arena;

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void test_fields_are_encoded_as_protobuf_says(void **state)
{
	/* The examples of protobuf.dev, "Encoding": 150 in field 1, "testing" in field 2, that
	 * message in field 3; and -2, which takes ten bytes. */
	static const unsigned char wanted[] = {
	    0x08, 0x96, 0x01, 0x12, 0x07, 't',	'e',  's',  't',  'i',	'n',  'g',  0x1a, 0x03,
	    0x08, 0x96, 0x01, 0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
	struct wire w = {.arena = &arena};
	struct wire inner = {.arena = &arena};

	(void)state;
	wire_number(&inner, 1, 150);
	wire_number(&w, 1, 150);
	wire_text(&w, 2, "testing");
	wire_text(&w, 5, NULL);
	wire_flag(&w, 6, false);
	wire_message(&w, 3, &inner);
	wire_number(&w, 1, -2);
	assert_int_equal(w.n, sizeof(wanted));
	assert_memory_equal(w.bytes, wanted, sizeof(wanted));
}

static void test_what_was_written_is_read(void **state)
{
	struct wire w = {.arena = &arena};
	struct wire_field f;

	(void)state;
	wire_number(&w, 63, INT64_MIN);
	wire_text(&w, 1, "text");
	const unsigned char *at = w.bytes;
	assert_int_equal(wire_next(&at, w.bytes + w.n, &f), 1);
	assert_int_equal(f.number, 63);
	assert_true(f.value == (uint64_t)INT64_MIN);
	assert_null(f.bytes);
	assert_int_equal(wire_next(&at, w.bytes + w.n, &f), 1);
	assert_int_equal(f.number, 1);
	assert_int_equal(f.length, 4);
	assert_memory_equal(f.bytes, "text", 4);
	assert_int_equal(wire_next(&at, w.bytes + w.n, &f), 0);
}

static void refused(const char *bytes, size_t n)
{
	const unsigned char *at = (const unsigned char *)bytes;
	const unsigned char *end = at + n;
	struct wire_field f;
	int result;

	while ((result = wire_next(&at, end, &f)) == 1)
		assert_true(at <= end);
	assert_int_equal(result, -1);
}

static void test_what_is_cut_or_lies_about_its_length_is_refused(void **state)
{
	(void)state;
	refused("\x08", 1);	    /* no value */
	refused("\x08\x96", 2);	    /* a varint without its end */
	refused("\x12\x07test", 6); /* longer than what is there */
	refused("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
	refused("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
	refused("\x09\x01\x02", 3); /* eight bytes of 64 bits */
	refused("\x0d\x01", 2);	    /* four of 32 */
	refused("\x0b", 1);	    /* a group, which nobody uses */
}

static void test_mountinfo_is_read_with_its_escapes(void **state)
{
	char folder[] = "/tmp/runsafe-criu-XXXXXX";
	struct mount_line *lines;
	struct error err = ERROR_INIT;
	size_t n;

	(void)state;
	assert_non_null(mkdtemp(folder));
	cleanup_fd int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(dir, "7", 0700), 0);
	cleanup_fd int file = openat(dir, "7/mountinfo", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(dprintf(file, "12 1 0:45 /a\\040b /c\\134d ro,nosuid,relatime master:3 - "
				  "tmpfs run\\040safe rw\n"
				  "13 12 0:46 / /e rw - proc proc rw\n") > 0);
	assert_int_equal(mount_lines(&arena, dir, 7, &lines, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(lines[0].id, 12);
	assert_string_equal(lines[0].device, "0:45");
	assert_string_equal(lines[0].root, "/a b");
	assert_string_equal(lines[0].place, "/c\\d");
	assert_string_equal(lines[0].type, "tmpfs");
	assert_string_equal(lines[0].source, "run safe");
	assert_true(mount_line_has(&lines[0], "ro"));
	assert_true(mount_line_has(&lines[0], "relatime"));
	assert_false(mount_line_has(&lines[0], "rela"));
	assert_false(mount_line_has(&lines[1], "ro"));
	assert_string_equal(lines[1].place, "/e");
	unlinkat(dir, "7/mountinfo", 0);
	unlinkat(dir, "7", AT_REMOVEDIR);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields_are_encoded_as_protobuf_says),
	    cmocka_unit_test(test_what_was_written_is_read),
	    cmocka_unit_test(test_what_is_cut_or_lies_about_its_length_is_refused),
	    cmocka_unit_test(test_mountinfo_is_read_with_its_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
