/* link: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lists.h"

static struct arena arena;

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static struct str_list three(char *a, char *b, char *c)
{
	struct str_list list = {0};

	str_list_add(&arena, &list, a);
	str_list_add(&arena, &list, b);
	str_list_add(&arena, &list, c);
	return list;
}

static void test_a_list_always_ends_with_null(void **state)
{
	struct str_list list = {0};

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		str_list_add(&arena, &list, arena_printf(&arena, "%zu", i));
		assert_int_equal(list.n, i + 1);
		assert_null(list.items[list.n]);
	}
	assert_string_equal(list.items[0], "0");
	assert_string_equal(list.items[99], "99");
	assert_true(str_list_has(&list, "57"));
	assert_false(str_list_has(&list, "100"));
	assert_false(str_list_has(&(struct str_list){0}, "0"));
	/* Also one that was cut short. */
	list.n = 5;
	str_list_add(&arena, &list, "new");
	assert_string_equal(list.items[5], "new");
	assert_null(list.items[6]);
}

static void test_a_map_replaces_and_appends(void **state)
{
	struct str_map map = {0};

	(void)state;
	assert_null(str_map_get(&map, "a"));
	for (size_t i = 0; i < 20; i++)
		str_map_set(&arena, &map, arena_printf(&arena, "k%zu", i), "old");
	str_map_set(&arena, &map, "k7", "new");
	assert_int_equal(map.n, 20);
	assert_string_equal(str_map_get(&map, "k7"), "new");
	assert_string_equal(str_map_get(&map, "k8"), "old");
}

static void test_a_list_is_joined(void **state)
{
	struct str_list list = three("a", "", "bc"), none = {0};

	(void)state;
	assert_string_equal(str_list_join(&arena, &list, ", "), "a, , bc");
	assert_string_equal(str_list_join(&arena, &none, ", "), "");
}

static void test_env_get_takes_whole_names(void **state)
{
	struct str_list env = three("HOMER=x", "HOME=/a", "EMPTY=");

	(void)state;
	assert_string_equal(env_get(&env, "HOME"), "/a");
	assert_string_equal(env_get(&env, "EMPTY"), "");
	assert_null(env_get(&env, "HOM"));
	assert_null(env_get(&env, "NONE"));
}

static void test_env_set_replaces_the_first_and_drops_the_others(void **state)
{
	struct str_list env = three("HOME=/a", "X=1", "HOME=/b");
	struct str_list copy = env;

	(void)state;
	env_set(&arena, &env, "HOME", "/c");
	assert_int_equal(env.n, 2);
	assert_string_equal(env.items[0], "HOME=/c");
	assert_string_equal(env.items[1], "X=1");
	assert_null(env.items[2]);
	/* Whoever holds the old list still has it as it was. */
	assert_int_equal(copy.n, 3);
	assert_string_equal(copy.items[0], "HOME=/a");
	env_set(&arena, &env, "NEW", "");
	assert_string_equal(env.items[2], "NEW=");
	assert_null(env.items[3]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_a_list_always_ends_with_null, teardown),
	    cmocka_unit_test_teardown(test_a_list_is_joined, teardown),
	    cmocka_unit_test_teardown(test_a_map_replaces_and_appends, teardown),
	    cmocka_unit_test_teardown(test_env_get_takes_whole_names, teardown),
	    cmocka_unit_test_teardown(test_env_set_replaces_the_first_and_drops_the_others,
				      teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
