/* link: cgroup policy base */
/* Limits as the kernel has them: for hosts with cgroup v2's controllers, and the virtual machine.
 */
#include "test_cgroup_request.h"

static void need_controllers(void)
{
	if (!HAVE(CG_BIT(CG_MEMORY) | CG_BIT(CG_CPU) | CG_BIT(CG_PIDS) | CG_BIT(CG_CPUSET)))
		_exit(SKIPPED);
}

static void all_controllers(void)
{
	need_controllers();
	CHECK(cgroup_why_no_limits(&arena) == NULL);
	resources.memory.limit = I64(64 * MEGABYTE);
	resources.memory.swap = I64(80 * MEGABYTE);
	resources.memory.reservation = I64(32 * MEGABYTE);
	resources.cpu.quota = I64(50000);
	resources.cpu.period = U64(20000);
	resources.cpu.burst = U64(10000);
	resources.cpu.shares = U64(2048);
	resources.cpu.cpus = resources.cpu.mems = arena_strdup(&arena, "0");
	resources.pids.limit = I64(77);
	CHECK_DONE(create(NULL, CGROUP_REQUIRED));
	CHECK(strcmp(read_file(FILE_OF("memory.max")), "67108864") == 0);
	CHECK(strcmp(read_file(FILE_OF("memory.low")), "33554432") == 0);
	if (access(FILE_OF("memory.swap.max"), F_OK) == 0)
		CHECK(strcmp(read_file(FILE_OF("memory.swap.max")), "16777216") == 0);
	CHECK(strcmp(read_file(FILE_OF("cpu.max")), "50000 20000") == 0);
	CHECK(strcmp(read_file(FILE_OF("cpu.max.burst")), "10000") == 0);
	CHECK(strcmp(read_file(FILE_OF("cpu.weight")), "174") == 0);
	CHECK(strcmp(read_file(FILE_OF("cpuset.cpus")), "0") == 0);
	CHECK(strcmp(read_file(FILE_OF("cpuset.mems")), "0") == 0);
	CHECK(strcmp(read_file(FILE_OF("pids.max")), "77") == 0);
}

/* Engines read statistics there, limit or not. */
static void statistics_without_limits(void)
{
	need_controllers();
	CHECK_DONE(create(NULL, CGROUP_REQUIRED));
	CHECK(access(FILE_OF("memory.current"), F_OK) == 0);
	CHECK(access(FILE_OF("pids.current"), F_OK) == 0);
	CHECK(access(FILE_OF("io.stat"), F_OK) == 0 || !HAVE(CG_BIT(CG_IO)));
	CHECK_TEXT(read_file(FILE_OF("cpu.stat")), "nr_throttled");
}

static void set_cpu(int64_t quota, uint64_t period, uint64_t burst)
{
	clear_resources();
	resources.cpu.quota = (struct opt_i64){quota != 0, quota};
	resources.cpu.period = (struct opt_u64){period != 0, period};
	resources.cpu.burst = (struct opt_u64){burst != 0, burst};
	CHECK_DONE(cgroup_set_resources(&arena, cgroup.dir, &resources, &err));
}

static void cpu_updates(void)
{
	need_controllers();
	CHECK_DONE(create(NULL, CGROUP_REQUIRED));
	/* a period alone keeps the quota, a quota alone the period */
	set_cpu(50000, 20000, 0);
	set_cpu(0, 50000, 0);
	CHECK(strcmp(read_file(FILE_OF("cpu.max")), "50000 50000") == 0);
	set_cpu(-1, 0, 0);
	CHECK(strcmp(read_file(FILE_OF("cpu.max")), "max 50000") == 0);
	/* burst and quota go up and down together, whichever has to be first */
	set_cpu(20000, 0, 5000);
	set_cpu(200000, 0, 100000);
	CHECK(strcmp(read_file(FILE_OF("cpu.max.burst")), "100000") == 0);
	set_cpu(20000, 0, 5000);
	CHECK(strcmp(read_file(FILE_OF("cpu.max.burst")), "5000") == 0);
	CHECK(strcmp(read_file(FILE_OF("cpu.max")), "20000 50000") == 0);
	clear_resources();
	resources.cpu.idle = I64(1);
	CHECK_DONE(cgroup_set_resources(&arena, cgroup.dir, &resources, &err));
	CHECK(strcmp(read_file(FILE_OF("cpu.idle")), "1") == 0);
}

/* All or nothing over several controllers. */
static void refused_update_changes_nothing(void)
{
	need_controllers();
	resources.memory.limit = I64(64 * MEGABYTE);
	resources.pids.limit = I64(77);
	CHECK_DONE(create(NULL, CGROUP_REQUIRED));
	clear_resources();
	resources.memory.limit = I64(128 * MEGABYTE);
	resources.memory.swap = I64(256 * MEGABYTE);
	resources.pids.limit = I64(5);
	resources.cpu.quota = I64(5000);
	str_map_set(&arena, &resources.unified, arena_strdup(&arena, "pids.max"),
		    arena_strdup(&arena, "many"));
	CHECK(cgroup_set_resources(&arena, cgroup.dir, &resources, &err) == -1);
	CHECK_TEXT(err.text, "linux.resources.unified.pids.max: can not write \"many\"");
	CHECK(strcmp(read_file(FILE_OF("memory.max")), "67108864") == 0);
	CHECK(strcmp(read_file(FILE_OF("pids.max")), "77") == 0);
	CHECK(strcmp(read_file(FILE_OF("cpu.max")), "max 100000") == 0);
	if (access(FILE_OF("memory.swap.max"), F_OK) == 0)
		CHECK(strcmp(read_file(FILE_OF("memory.swap.max")), "max") == 0);
	clear_resources();
	resources.cpu.cpus = arena_strdup(&arena, "0-x");
	CHECK(cgroup_set_resources(&arena, cgroup.dir, &resources, &err) == -1);
	CHECK_TEXT(err.text, "linux.resources.cpu.cpus");
	CHECK_TEXT(err.text, "expected CPUs or memory nodes");
}

/* checkBeforeUpdate refuses a memory limit that would have to kill. */
static void check_before_update(void)
{
	need_controllers();
	CHECK_DONE(create(NULL, CGROUP_REQUIRED));
	pid_t user = fork();

	if (user == 0) {
		static char page[1 << 20];

		write_file(FILE_OF("cgroup.procs"), "0");
		memset(page, 1, sizeof(page));
		for (;;)
			pause();
	}
	usleep(300000);
	resources.memory.limit = I64(4096);
	resources.memory.check_before_update = (struct opt_bool){true, true};
	CHECK(cgroup_set_resources(&arena, cgroup.dir, &resources, &err) == -1);
	CHECK_TEXT(err.text, "is less than the container uses");
	CHECK(strcmp(read_file(FILE_OF("memory.max")), "max") == 0);
	CHECK_DONE(cgroup_kill(cgroup.path, 5000, &err));
	wait_for(user);
}

/* Weights go to the schedulers that are there; at least one must be. */
static void io_weight(void)
{
	if (!HAVE(CG_BIT(CG_IO)))
		_exit(SKIPPED);
	resources.block_io.weight = (struct opt_u32){true, 500};
	CHECK_DONE(create(NULL, CGROUP_AVAILABLE));
	if (access(FILE_OF("io.weight"), F_OK) == 0)
		CHECK_TEXT(read_file(FILE_OF("io.weight")), "default 4950");
	else if (access(FILE_OF("io.bfq.weight"), F_OK) == 0)
		CHECK_TEXT(read_file(FILE_OF("io.bfq.weight")), "500");
	else
		CHECK(findings.n == 1);
}

static void io_limits(void)
{
	struct config_throttle_device limit = {.rate = 1048576};
	struct config_throttle_device nothing = {.major = 4000, .minor = 0, .rate = 1};
	char *line, *end;
	const char *device;

	if (!HAVE(CG_BIT(CG_IO)))
		_exit(SKIPPED);
	resources.block_io.write_bps = (struct config_throttle_list){&nothing, 1};
	CHECK(create(NULL, CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "linux.resources.blockIO.throttleWriteBpsDevice[0]");
	CHECK_TEXT(err.text, "there is no such block device");
	/* a wrong number is an error with --cgroup=available as well */
	CHECK(create(NULL, CGROUP_AVAILABLE) == -1);
	device =
	    access("/sys/block/vda/dev", F_OK) < 0 ? "/sys/block/loop0/dev" : "/sys/block/vda/dev";
	if (access(device, F_OK) < 0)
		return;
	limit.major = strtol(read_file(device), &end, 10);
	limit.minor = strtol(end + 1, NULL, 10);
	line =
	    arena_printf(&arena, "%d:%d rbps=max wbps=1048576", (int)limit.major, (int)limit.minor);
	resources.block_io.write_bps = (struct config_throttle_list){&limit, 1};
	CHECK_DONE(create(NULL, CGROUP_REQUIRED));
	CHECK_TEXT(read_file(FILE_OF("io.max")), line);
	/* the line of that device comes back */
	limit.rate = 4096;
	str_map_set(&arena, &resources.unified, arena_strdup(&arena, "io.max"),
		    arena_strdup(&arena, "nonsense"));
	CHECK(cgroup_set_resources(&arena, cgroup.dir, &resources, &err) == -1);
	CHECK_TEXT(read_file(FILE_OF("io.max")), line);
}

IN_CGROUP2(all_controllers)
IN_CGROUP2(statistics_without_limits)
IN_CGROUP2(cpu_updates)
IN_CGROUP2(refused_update_changes_nothing)
IN_CGROUP2(check_before_update)
IN_CGROUP2(io_weight)
IN_CGROUP2(io_limits)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_controllers),
	    cmocka_unit_test(test_statistics_without_limits),
	    cmocka_unit_test(test_cpu_updates),
	    cmocka_unit_test(test_refused_update_changes_nothing),
	    cmocka_unit_test(test_check_before_update),
	    cmocka_unit_test(test_io_weight),
	    cmocka_unit_test(test_io_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
