/* link: cgroup base */
/* What the runtime and its helper for systemd send each other. */
#include "../../runtime/cgroup/systemd_wire.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants the ones above. */
#include <cmocka.h>

static struct arena arena = ARENA_INIT;

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static struct sd_properties every_type(void)
{
	static unsigned char bytes[] = {0, 1, 0xff};
	static char *texts[] = {"", "a.target", NULL};
	static struct sd_property items[] = {
	    {.name = "b", .type = "b", .flag = true},
	    {.name = "s", .type = "s", .text = "text"},
	    {.name = "i", .type = "i", .number = INT32_MIN},
	    {.name = "u", .type = "u", .natural = UINT32_MAX},
	    {.name = "x", .type = "x", .number = INT64_MIN},
	    {.name = "t", .type = "t", .natural = UINT64_MAX, .since = 253},
	    {.name = "y", .type = "y", .natural = 255},
	    {.name = "n", .type = "n", .number = -1},
	    {.name = "q", .type = "q", .natural = UINT16_MAX},
	    {.name = "ay", .type = "ay", .bytes = bytes, .n_bytes = sizeof(bytes)},
	    {.name = "ay", .type = "ay"},
	    {.name = "as", .type = "as", .list = {.items = texts, .n = 2}},
	    {.name = "as", .type = "as"},
	    {.name = "au", .type = "au", .natural = 7},
	};

	return (struct sd_properties){
	    .arena = &arena, .items = items, .n = sizeof(items) / sizeof(items[0])};
}

static void assert_same(const struct sd_property *one, const struct sd_property *other)
{
	assert_string_equal(one->name, other->name);
	assert_string_equal(one->type, other->type);
	assert_int_equal(one->flag, other->flag);
	assert_int_equal(one->number, other->number);
	assert_int_equal(one->natural, other->natural);
	assert_int_equal(one->since, other->since);
	if (other->text)
		assert_string_equal(one->text, other->text);
	else
		assert_null(one->text);
	assert_int_equal(one->n_bytes, other->n_bytes);
	if (one->n_bytes)
		assert_memory_equal(one->bytes, other->bytes, one->n_bytes);
	assert_int_equal(one->list.n, other->list.n);
	for (size_t i = 0; i < one->list.n; i++)
		assert_string_equal(one->list.items[i], other->list.items[i]);
}

static struct wire a_request(void)
{
	const struct sd_properties list = every_type();
	struct wire w = {.arena = &arena};

	wire_put_number(&w, WIRE_START);
	wire_put_text(&w, "a.scope");
	wire_put_properties(&w, &list);
	return w;
}

static void take_request(struct wire *w, struct sd_properties *list)
{
	(void)wire_take_number(w, WIRE_TEXT);
	(void)wire_take_text(w);
	wire_take_properties(w, list);
}

static void test_all_that_is_sent_arrives(void **state)
{
	const struct sd_properties list = every_type();
	struct error err = ERROR_INIT, again = ERROR_INIT;
	struct sd_properties got;
	struct wire sent = a_request(), w = {.arena = &arena};
	int pair[2];

	(void)state;
	error_errno(&err, EPERM, "it failed");
	wire_put_error(&sent, &err);
	wire_put_text(&sent, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(wire_send(pair[0], &sent, WIRE_MAX_REQUEST), 0);
	assert_int_equal(wire_receive(pair[1], &w, WIRE_MAX_REQUEST), 1);
	assert_int_equal(wire_take_number(&w, WIRE_TEXT), WIRE_START);
	assert_string_equal(wire_take_text(&w), "a.scope");
	wire_take_properties(&w, &got);
	assert_int_equal(got.n, list.n);
	for (size_t i = 0; i < list.n; i++)
		assert_same(&got.items[i], &list.items[i]);
	wire_take_error(&w, &again);
	assert_string_equal(again.text, err.text);
	assert_int_equal(again.number, EPERM);
	assert_false(wire_whole(&w));
	assert_null(wire_take_text(&w));
	assert_true(wire_whole(&w));
	close(pair[0]);
	assert_int_equal(wire_receive(pair[1], &w, WIRE_MAX_REQUEST), 0);
	close(pair[1]);
}

/* One that ends too early, at each byte, and one with a byte too many. */
static void test_a_frame_that_is_cut_off_is_none(void **state)
{
	const struct wire whole = a_request();
	struct sd_properties got;

	(void)state;
	for (size_t n = 0; n <= whole.n + 1; n++) {
		struct wire w = {.arena = &arena, .n = n};

		/* Memory of its own, so that a sanitizer sees a read behind its end. */
		w.bytes = test_malloc(n + 1);
		memset(w.bytes, 0, n + 1);
		memcpy(w.bytes, whole.bytes, n < whole.n ? n : whole.n);
		take_request(&w, &got);
		assert_int_equal(wire_whole(&w), n == whole.n);
		assert_int_equal(got.n, n < whole.n ? 0 : every_type().n);
		test_free(w.bytes);
	}
}

/* Whatever a byte is changed to: nothing is read that is not there, and no property is half. */
static void test_no_length_is_taken_on_trust(void **state)
{
	static const unsigned char values[] = {0, 1, 0x7f, 0xff};
	const struct wire whole = a_request();
	struct sd_properties got;

	(void)state;
	for (size_t i = 0; i < whole.n * sizeof(values); i++) {
		struct wire w = {.arena = &arena, .n = whole.n};

		w.bytes = test_malloc(whole.n);
		memcpy(w.bytes, whole.bytes, whole.n);
		w.bytes[i / sizeof(values)] = values[i % sizeof(values)];
		take_request(&w, &got);
		for (size_t j = 0; j < got.n; j++) {
			assert_non_null(got.items[j].name);
			assert_true(got.items[j].type[0] != 's' || got.items[j].text);
			assert_true(got.items[j].n_bytes <= whole.n);
		}
		test_free(w.bytes);
		arena_rewind(&arena);
	}
}

static void test_a_text_has_no_zeros_in_it(void **state)
{
	struct wire w = {.arena = &arena};

	(void)state;
	wire_put_bytes(&w, "a\0b", 3);
	assert_null(wire_take_text(&w));
	assert_false(wire_whole(&w));
}

static void test_a_number_that_is_too_large_is_none(void **state)
{
	struct wire w = {.arena = &arena};

	(void)state;
	wire_put_number(&w, 2);
	assert_int_equal(wire_take_number(&w, 1), 0);
	assert_false(wire_whole(&w));
}

static void test_what_is_too_long_is_neither_sent_nor_read(void **state)
{
	struct wire sent = a_request(), w = {.arena = &arena};
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(wire_send(pair[0], &sent, sent.n - 1), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(wire_send(pair[0], &sent, sent.n), 0);
	assert_int_equal(wire_receive(pair[1], &w, sent.n - 1), -1);
	assert_int_equal(errno, EBADMSG);
	close(pair[0]);
	close(pair[1]);
}

static void test_other_bytes_are_no_frame(void **state)
{
	static const char *const cases[] = {"error while loading shared libraries", "short"};
	struct wire w = {.arena = &arena};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const ssize_t n = (ssize_t)strlen(cases[i]);
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		assert_int_equal(write(pair[0], cases[i], (size_t)n), n);
		close(pair[0]);
		assert_true(wire_receive(pair[1], &w, WIRE_MAX_ANSWER) < 1);
		assert_int_equal(w.n, 0);
		close(pair[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_all_that_is_sent_arrives, teardown),
	    cmocka_unit_test_teardown(test_a_frame_that_is_cut_off_is_none, teardown),
	    cmocka_unit_test_teardown(test_no_length_is_taken_on_trust, teardown),
	    cmocka_unit_test_teardown(test_a_text_has_no_zeros_in_it, teardown),
	    cmocka_unit_test_teardown(test_a_number_that_is_too_large_is_none, teardown),
	    cmocka_unit_test_teardown(test_what_is_too_long_is_neither_sent_nor_read, teardown),
	    cmocka_unit_test_teardown(test_other_bytes_are_no_frame, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
