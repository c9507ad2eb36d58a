/* link: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

#include "arena.h"

static struct arena arena;

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void test_memory_is_zeroed_aligned_and_apart(void **state)
{
	unsigned char *previous = NULL;

	(void)state;
	for (size_t size = 0; size < 3000; size += 7) {
		unsigned char *memory = arena_alloc(&arena, size);

		assert_non_null(memory);
		assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
		assert_ptr_not_equal(memory, previous);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(memory[i], 0);
		memset(memory, 0xff, size);
		previous = memory;
	}
}

static void test_big_pieces_leave_the_small_ones_alone(void **state)
{
	char *small = arena_strdup(&arena, "small");
	char *big = arena_alloc(&arena, 1 << 20);

	(void)state;
	memset(big, 'b', 1 << 20);
	/* Still from the block of the first. */
	assert_ptr_equal(arena_strdup(&arena, "next"), small + alignof(max_align_t));
	assert_string_equal(small, "small");
	big = arena_alloc(&arena, 10 << 20);
	assert_int_equal(big[(10 << 20) - 1], 0);
}

static void test_grow_keeps_all_elements(void **state)
{
	struct pair {
		uint64_t a, b;
	} *list = NULL;
	size_t n = 0;

	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		list = arena_grow(&arena, list, n, sizeof(*list));
		assert_true(list[n].a == 0 && list[n].b == 0);
		list[n++] = (struct pair){i, ~i};
	}
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(list[i].a == i && list[i].b == ~i);
	/* What was behind the end of a list that was cut is not seen again. */
	n = 3;
	list = arena_grow(&arena, list, n, sizeof(*list));
	assert_true(list[3].a == 0 && list[3].b == 0);
}

static void test_texts(void **state)
{
	(void)state;
	assert_null(arena_strdup(&arena, NULL));
	assert_string_equal(arena_strdup(&arena, ""), "");
	assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
	assert_string_equal(arena_printf(&arena, "%s-%05d", "x", 42), "x-00042");
}

static void test_free_gives_an_arena_to_use_again(void **state)
{
	(void)state;
	arena_alloc(&arena, 100000);
	arena_free(&arena);
	assert_null(arena.head);
	arena_free(&arena);
	assert_string_equal(arena_strdup(&arena, "again"), "again");
}

static void test_rewound_memory_is_zeroed_and_used_again(void **state)
{
	(void)state;
	arena_rewind(&arena);
	assert_null(arena.head);
	char *first = arena_strdup(&arena, "first");
	memset(arena_alloc(&arena, 100000), 1, 100000);
	memset(arena_alloc(&arena, 5000), 1, 5000);
	arena_rewind(&arena);
	const char *again = arena_alloc(&arena, 6000);
	assert_ptr_equal(again, first);
	for (size_t i = 0; i < 6000; i++)
		assert_int_equal(again[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_memory_is_zeroed_aligned_and_apart, teardown),
	    cmocka_unit_test_teardown(test_big_pieces_leave_the_small_ones_alone, teardown),
	    cmocka_unit_test_teardown(test_grow_keeps_all_elements, teardown),
	    cmocka_unit_test_teardown(test_texts, teardown),
	    cmocka_unit_test_teardown(test_rewound_memory_is_zeroed_and_used_again, teardown),
	    cmocka_unit_test_teardown(test_free_gives_an_arena_to_use_again, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
