/* link: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "keys.h"

static void test_a_key_is_new_once(void **state)
{
	struct arena arena = ARENA_INIT;
	cleanup_keys struct keys keys = {0};

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		assert_true(keys_add(&arena, &keys, arena_printf(&arena, "k%zu", i)));
	assert_false(keys_add(&arena, &keys, "k0"));
	assert_false(keys_add(&arena, &keys, "k999"));
	assert_true(keys_add(&arena, &keys, ""));
	arena_free(&arena);
}

static void test_a_key_keeps_its_number(void **state)
{
	struct arena arena = ARENA_INIT;
	cleanup_keys struct keys keys = {0};

	(void)state;
	assert_int_equal(*keys_at(&arena, &keys, "a\0b", 3), 0);
	*keys_at(&arena, &keys, "a\0b", 3) = 5;
	assert_int_equal(*keys_at(&arena, &keys, "a\0c", 3), 0);
	assert_int_equal(*keys_find(&keys, "a\0b", 3), 5);
	assert_null(keys_find(&keys, "a", 1));
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_key_is_new_once),
	    cmocka_unit_test(test_a_key_keeps_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
