/* link: cgroup base */
#include "test_cgroup_fixture.h"

static void test_cpu_weight(void **state)
{
	/* shares and ceil(10^((l^2 + 125 l) / 612 - 7 / 34)), calculated with floating point */
	static const uint64_t known[][2] = {
	    {0, 0},	   {1, 1},	   {2, 1},	    {3, 2},	     {4, 2},
	    {10, 4},	   {100, 17},	   {102, 17},	    {512, 59},	     {1023, 100},
	    {1024, 100},   {1025, 101},	   {2000, 170},	    {2048, 174},     {4096, 303},
	    {65536, 3023}, {131072, 5478}, {262143, 10000}, {262144, 10000}, {UINT64_MAX, 10000}};
	uint64_t before = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (cgroup_cpu_weight(known[i][0]) != known[i][1])
			print_error("shares %lu\n", known[i][0]);
		assert_int_equal(cgroup_cpu_weight(known[i][0]), known[i][1]);
	}
	for (uint64_t shares = 0; shares < 262200; shares++) {
		uint64_t weight = cgroup_cpu_weight(shares);

		assert_true(weight >= before && weight <= 10000);
		before = weight;
	}
}

static void test_io_weight(void **state)
{
	(void)state;
	assert_int_equal(cgroup_io_weight(0), 0);
	assert_int_equal(cgroup_io_weight(1), 1);
	assert_int_equal(cgroup_io_weight(10), 1);
	assert_int_equal(cgroup_io_weight(11), 11);
	assert_int_equal(cgroup_io_weight(500), 4950);
	assert_int_equal(cgroup_io_weight(999), 9989);
	assert_int_equal(cgroup_io_weight(1000), 10000);
	assert_int_equal(cgroup_io_weight(UINT64_MAX), 10000);
}

static int64_t swap_max(struct opt_i64 limit, struct opt_i64 swap)
{
	struct error err = ERROR_INIT;
	int64_t out;

	assert_int_equal(cgroup_swap_max(limit, swap, &out, &err), 0);
	return out;
}

static void test_swap(void **state)
{
#define SET(n) ((struct opt_i64){true, n})
	const struct opt_i64 absent = {false, 0};
	struct error err = ERROR_INIT;
	int64_t out;

	(void)state;
	assert_int_equal(swap_max(SET(100), SET(100)), 0);
	assert_int_equal(swap_max(SET(100), SET(150)), 50);
	assert_int_equal(swap_max(SET(1), SET(INT64_MAX)), INT64_MAX - 1);
	assert_int_equal(swap_max(SET(INT64_MAX), SET(INT64_MAX)), 0);
	assert_int_equal(swap_max(SET(100), SET(-1)), -1);
	assert_int_equal(swap_max(SET(-1), SET(-1)), -1);
	assert_int_equal(swap_max(absent, SET(-1)), -1);
	assert_int_equal(swap_max(SET(100), absent), -1);
	assert_int_equal(swap_max(SET(100), SET(0)), -1);
	assert_int_equal(cgroup_swap_max(SET(100), SET(99), &out, &err), -1);
	assert_non_null(strstr(err.text, "linux.resources.memory.swap"));
	assert_non_null(strstr(err.text, "at least memory.limit, which is 100"));
	assert_int_equal(cgroup_swap_max(absent, SET(100), &out, &err), -1);
	assert_non_null(strstr(err.text, "needs a memory.limit"));
	assert_int_equal(cgroup_swap_max(SET(-1), SET(100), &out, &err), -1);
	assert_int_equal(cgroup_swap_max(SET(100), SET(INT64_MIN), &out, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cpu_weight),
	    cmocka_unit_test(test_io_weight),
	    cmocka_unit_test(test_swap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
