/* link: cgroup policy base */
#include "test_cgroup_fixture.h"

static struct arena arena = ARENA_INIT;
static char folder[] = "/tmp/runsafe-stats-XXXXXX";
static int dir = -1;
static struct cgroup_stats stats;

static void put(const char *name, const char *text)
{
	cleanup_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void read_all(void)
{
	const char *failed;

	assert_int_equal(cg_stats_read(&arena, dir, &stats, &failed), 0);
}

static int setup(void **state)
{
	(void)state;
	memset(folder + strlen(folder) - 6, 'X', 6);
	if (!mkdtemp(folder))
		return -1;
	dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	put("cgroup.procs", ""); /* every group has that */
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"cgroup.procs",
					    "cpu.stat",
					    "cpu.pressure",
					    "memory.current",
					    "memory.peak",
					    "memory.max",
					    "memory.swap.current",
					    "memory.swap.max",
					    "memory.stat",
					    "memory.events",
					    "pids.current",
					    "pids.max",
					    "io.stat",
					    "hugetlb.2MB.current",
					    "hugetlb.2MB.rsvd.current",
					    "hugetlb.2MB.events",
					    "hugetlb.1GB.current"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(dir, names[i], 0);
	fd_cleanup(&dir);
	rmdir(folder);
	arena_free(&arena);
	return 0;
}

static void no_files_are_no_numbers(void **state)
{
	(void)state;
	read_all();
	assert_int_equal(stats.cpu_total, 0);
	assert_false(stats.has_memory);
	assert_false(stats.has_swap);
	assert_int_equal(stats.n_memory_stat + stats.n_io + stats.n_hugetlb, 0);
	assert_false(stats.cpu_psi.some.set);
}

static void times_of_the_cpu_are_nanoseconds(void **state)
{
	(void)state;
	put("cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\n"
			"nr_throttled 3\nthrottled_usec 7\n");
	read_all();
	assert_int_equal(stats.cpu_total, 30000);
	assert_int_equal(stats.cpu_user, 20000);
	assert_int_equal(stats.cpu_kernel, 10000);
	assert_int_equal(stats.periods, 4);
	assert_int_equal(stats.throttled_periods, 3);
	assert_int_equal(stats.throttled_time, 7000);
}

static void pressure_has_some_and_full(void **state)
{
	(void)state;
	put("cpu.pressure", "some avg10=1.50 avg60=0.25 avg300=0.00 total=123\n"
			    "full avg10=0.00 avg60=0.00 avg300=0.75 total=45\n");
	read_all();
	assert_true(stats.cpu_psi.some.set && stats.cpu_psi.full.set);
	assert_true(stats.cpu_psi.some.avg10 > 1.49 && stats.cpu_psi.some.avg10 < 1.51);
	assert_true(stats.cpu_psi.full.avg300 > 0.74);
	assert_int_equal(stats.cpu_psi.some.total, 123);
	assert_int_equal(stats.cpu_psi.full.total, 45);
	assert_false(stats.io_psi.some.set);
}

static void memory_with_and_without_a_limit(void **state)
{
	(void)state;
	put("memory.current", "4096\n");
	put("memory.peak", "8192\n");
	put("memory.max", "max\n");
	put("memory.swap.current", "1\n");
	put("memory.swap.max", "2\n");
	put("memory.stat", "anon 100\nfile 200\nanon_thp 300\n");
	put("memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
	read_all();
	assert_true(stats.has_memory && stats.has_swap);
	assert_int_equal(stats.memory_usage, 4096);
	assert_int_equal(stats.memory_peak, 8192);
	assert_true(stats.memory_limit == UINT64_MAX);
	assert_int_equal(stats.swap_usage, 1);
	assert_int_equal(stats.swap_limit, 2);
	assert_int_equal(stats.n_memory_stat, 3);
	assert_string_equal(stats.memory_stat[1].name, "file");
	assert_int_equal(stats.memory_stat[1].value, 200);
	assert_int_equal(stats.low * 10000 + stats.high * 1000 + stats.max * 100 + stats.oom * 10 +
			     stats.oom_kill,
			 12345);
}

static void one_line_of_io_for_each_device(void **state)
{
	(void)state;
	put("io.stat", "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n253:0 rbytes=7\n"
		       "7:0 \n");
	read_all();
	assert_int_equal(stats.n_io, 3);
	assert_int_equal(stats.io[0].major, 8);
	assert_int_equal(stats.io[0].minor, 16);
	assert_int_equal(stats.io[0].read_bytes, 1);
	assert_int_equal(stats.io[0].written_bytes, 2);
	assert_int_equal(stats.io[0].reads, 3);
	assert_int_equal(stats.io[0].writes, 4);
	assert_int_equal(stats.io[1].read_bytes, 7);
	assert_int_equal(stats.io[1].writes, 0);
}

static void huge_pages_by_size_and_without_reservations(void **state)
{
	(void)state;
	put("hugetlb.2MB.current", "2097152\n");
	put("hugetlb.2MB.rsvd.current", "9\n");
	put("hugetlb.2MB.events", "max 3\n");
	put("hugetlb.1GB.current", "0\n");
	read_all();
	assert_int_equal(stats.n_hugetlb, 2);
	assert_string_equal(stats.hugetlb[0].size, "1GB");
	assert_string_equal(stats.hugetlb[1].size, "2MB");
	assert_int_equal(stats.hugetlb[1].usage, 2097152);
	assert_int_equal(stats.hugetlb[1].failures, 3);
}

static void pids_and_their_limit(void **state)
{
	(void)state;
	put("pids.current", "3\n");
	put("pids.max", "max\n");
	read_all();
	assert_int_equal(stats.pids, 3);
	assert_true(stats.pids_limit == UINT64_MAX);
}

static void a_key_is_not_found_by_its_beginning(void **state)
{
	(void)state;
	assert_int_equal(cgroup_stat_value("oom_kill 5\noom 4\n", "oom"), 4);
	assert_int_equal(cgroup_stat_value("oom_kill 5\n", "oom"), 0);
	assert_int_equal(cgroup_stat_value(NULL, "oom"), 0);
}

static void a_file_that_is_there_and_can_not_be_read_is_an_error(void **state)
{
	const char *failed = NULL;

	(void)state;
	assert_int_equal(mkdirat(dir, "io.stat", 0700), 0);
	int result = cg_stats_read(&arena, dir, &stats, &failed);
	int number = errno;
	unlinkat(dir, "io.stat", AT_REMOVEDIR);
	assert_int_equal(result, -1);
	assert_int_equal(number, EISDIR);
	assert_string_equal(failed, "io.stat");
}

static void a_group_that_goes_away_meanwhile_is_an_error(void **state)
{
	const char *failed;

	(void)state;
	put("cpu.stat", "usage_usec 30\n");
	unlinkat(dir, "cgroup.procs", 0);
	assert_int_equal(cg_stats_read(&arena, dir, &stats, &failed), -1);
	assert_int_equal(errno, ENOENT);
}

static void a_group_that_is_gone_is_an_error(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(cgroup_read_stats(&arena, "/no-such-group-of-runsafe", &stats, &err), -1);
	assert_non_null(strstr(err.text, "/no-such-group-of-runsafe"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(no_files_are_no_numbers, setup, teardown),
	    cmocka_unit_test_setup_teardown(times_of_the_cpu_are_nanoseconds, setup, teardown),
	    cmocka_unit_test_setup_teardown(pressure_has_some_and_full, setup, teardown),
	    cmocka_unit_test_setup_teardown(memory_with_and_without_a_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_line_of_io_for_each_device, setup, teardown),
	    cmocka_unit_test_setup_teardown(huge_pages_by_size_and_without_reservations, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(pids_and_their_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_file_that_is_there_and_can_not_be_read_is_an_error,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(a_group_that_goes_away_meanwhile_is_an_error, setup,
					    teardown),
	    cmocka_unit_test(a_key_is_not_found_by_its_beginning),
	    cmocka_unit_test(a_group_that_is_gone_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
