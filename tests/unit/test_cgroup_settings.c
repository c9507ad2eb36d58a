/* link: cgroup policy base */
#include "test_cgroup_fixture.h"

static struct arena arena = ARENA_INIT;
static struct config_resources resources;
static struct findings findings;

static int setup(void **state)
{
	(void)state;
	memset(&resources, 0, sizeof(resources));
	findings = (struct findings){.arena = &arena};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* What would be written, as "file=value" in order with spaces between; the error's text. */
static const char *built(void)
{
	struct error err = ERROR_INIT;
	struct cg_settings settings;
	char *text = arena_strdup(&arena, "");

	if (cg_settings_build(&arena, &resources, "max", &settings, &findings, &err) < 0)
		return arena_printf(&arena, "error: %s", err.text);
	for (size_t i = 0; i < settings.n; i++) {
		const struct cg_setting *s = &settings.items[i];

		text = arena_printf(&arena, "%s%s%s=%s", text, *text ? " | " : "", s->write.file,
				    s->write.value);
		if (s->other.file)
			text =
			    arena_printf(&arena, "%s | %s=%s", text, s->other.file, s->other.value);
	}
	return text;
}

static unsigned int needed(void)
{
	struct error err = ERROR_INIT;
	struct cg_settings settings;

	assert_int_equal(cg_settings_build(&arena, &resources, "max", &settings, NULL, &err), 0);
	return settings.needed;
}

#define I64(n) ((struct opt_i64){true, n})
#define U64(n) ((struct opt_u64){true, n})
#define U32(n) ((struct opt_u32){true, n})
#define YES    ((struct opt_bool){true, true})

static void test_rdma_is_a_line_for_each_device(void **state)
{
	struct config_rdma items[] = {
	    {.device = (char *)"mlx5_1", .hca_handles = U32(3), .hca_objects = U32(10000)},
	    {.device = (char *)"rxe3", .hca_objects = U32(0)},
	};

	(void)state;
	resources.rdma = items;
	resources.n_rdma = 2;
	assert_string_equal(built(), "rdma.max=mlx5_1 hca_handle=3 hca_object=10000 | "
				     "rdma.max=rxe3 hca_object=0");
	assert_int_equal(needed(), CG_BIT(CG_RDMA));
}

static void test_nothing_needs_nothing(void **state)
{
	struct error err = ERROR_INIT;
	struct cg_settings settings;

	(void)state;
	assert_string_equal(built(), "");
	assert_int_equal(needed(), 0);
	assert_int_equal(cg_settings_build(&arena, NULL, "max", &settings, NULL, &err), 0);
	/* Docker writes zeros for what nobody asked for. */
	resources.memory.limit = resources.memory.reservation = resources.memory.swap = I64(0);
	resources.cpu.quota = I64(0);
	resources.cpu.period = resources.cpu.shares = U64(0);
	resources.cpu.cpus = resources.cpu.mems = arena_strdup(&arena, "");
	resources.block_io.weight = U32(0);
	assert_string_equal(built(), "");
	assert_int_equal(needed(), 0);
	assert_int_equal(findings.n, 0);
}

static void test_memory(void **state)
{
	(void)state;
	resources.memory.limit = I64(536870912);
	resources.memory.reservation = I64(268435456);
	resources.memory.swap = I64(536870912);
	assert_string_equal(built(),
			    "memory.max=536870912 | memory.low=268435456 | memory.swap.max=0");
	assert_int_equal(needed(), CG_BIT(CG_MEMORY));
	resources.memory.swap = I64(-1);
	resources.memory.reservation = I64(-1);
	assert_string_equal(built(), "memory.max=536870912 | memory.low=max | memory.swap.max=max");
	resources.memory = (struct config_memory){.limit = I64(-1)};
	assert_string_equal(built(), "memory.max=max | memory.swap.max=max");
	resources.memory = (struct config_memory){.limit = I64(9223372036854775807)};
	assert_string_equal(built(), "memory.max=9223372036854775807");
	resources.memory.swap = I64(1);
	assert_non_null(strstr(built(), "error: linux.resources.memory.swap: "));
}

static void test_cpu(void **state)
{
	(void)state;
	resources.cpu.quota = I64(50000);
	assert_string_equal(built(), "cpu.max=50000");
	resources.cpu.period = U64(20000);
	resources.cpu.burst = U64(50000);
	resources.cpu.shares = U64(1024);
	assert_string_equal(built(), "cpu.max.burst=50000 | cpu.max=50000 20000 | cpu.weight=100");
	assert_int_equal(needed(), CG_BIT(CG_CPU));
	resources.cpu.burst = U64(50001);
	assert_non_null(strstr(built(), "error: linux.resources.cpu.burst: 50001 is more than"));
	resources.cpu = (struct config_cpu){.quota = I64(-1), .period = U64(1000)};
	assert_string_equal(built(), "cpu.max=max 1000");
	resources.cpu = (struct config_cpu){.period = U64(1000000)};
	assert_string_equal(built(), "cpu.max=max 1000000");
	/* an idle group has no weight */
	resources.cpu = (struct config_cpu){.idle = I64(1), .shares = U64(2)};
	assert_string_equal(built(), "cpu.idle=1");
	resources.cpu.idle = I64(0);
	assert_string_equal(built(), "cpu.idle=0 | cpu.weight=1");
	resources.cpu = (struct config_cpu){.cpus = arena_strdup(&arena, "0-1"),
					    .mems = arena_strdup(&arena, "0")};
	assert_string_equal(built(), "cpuset.cpus=0-1 | cpuset.mems=0");
	assert_int_equal(needed(), CG_BIT(CG_CPUSET));
}

static void test_period_keeps_the_quota_of_now(void **state)
{
	struct error err = ERROR_INIT;
	struct cg_settings settings;

	(void)state;
	resources.cpu.period = U64(2000);
	assert_int_equal(cg_settings_build(&arena, &resources, "70000", &settings, NULL, &err), 0);
	assert_string_equal(settings.items[0].write.value, "70000 2000");
}

static void test_pids(void **state)
{
	(void)state;
	resources.pids.present = true;
	assert_string_equal(built(), "");
	resources.pids.limit = I64(-1);
	assert_string_equal(built(), "pids.max=max");
	resources.pids.limit = I64(1024);
	assert_string_equal(built(), "pids.max=1024");
	assert_int_equal(findings.n, 0);
	/* a real limit, with a hint */
	resources.pids.limit = I64(0);
	assert_string_equal(built(), "pids.max=0");
	assert_int_equal(findings.n, 1);
	assert_non_null(strstr(findings.items[0].text, "no process can start"));
}

static void test_block_io(void **state)
{
	struct config_throttle_device device = {.major = 8, .minor = 16, .rate = 1048576};
	struct config_throttle_device unset = {.major = 8, .minor = 0, .rate = 0};
	struct config_weight_device weight = {.major = 8, .minor = 0, .weight = U32(1000)};

	(void)state;
	resources.block_io.weight = U32(500);
	resources.block_io.weight_devices = &weight;
	resources.block_io.n_weight_devices = 1;
	assert_string_equal(built(), "io.weight=default 4950 | io.bfq.weight=default 500 | "
				     "io.weight=8:0 10000 | io.bfq.weight=8:0 1000");
	resources.block_io = (struct config_block_io){.read_bps = {&device, 1},
						      .write_bps = {&device, 1},
						      .read_iops = {&unset, 1},
						      .write_iops = {&device, 1}};
	assert_string_equal(built(), "io.max=8:16 rbps=1048576 | io.max=8:16 wbps=1048576 | "
				     "io.max=8:16 wiops=1048576");
	assert_int_equal(needed(), CG_BIT(CG_IO));
	device.minor = -2;
	assert_string_equal(built(), "error: linux.resources.blockIO.throttleReadBpsDevice[0]: "
				     "8:-2 is no device, expected a major and a minor number "
				     "from 0 up");
}

static void test_hugepages(void **state)
{
	struct config_hugepage_limit limit = {.page_size = NULL, .limit = 0};
	const char *wrong[] = {"", "MB", "2mb", "2MB/../x", "2", "12345678901MB", "-2MB"};

	(void)state;
	resources.hugepage_limits = &limit;
	resources.n_hugepage_limits = 1;
	assert_non_null(strstr(built(), "error: linux.resources.hugepageLimits[0].pageSize"));
	limit.page_size = arena_strdup(&arena, "2MB");
	assert_string_equal(built(), "hugetlb.2MB.max=0 | hugetlb.2MB.rsvd.max=0");
	assert_int_equal(needed(), CG_BIT(CG_HUGETLB));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		limit.page_size = arena_strdup(&arena, wrong[i]);
		assert_non_null(strstr(built(), "error: linux.resources.hugepageLimits[0]"));
	}
}

static const char *built_with(const char *key, const char *value)
{
	resources.unified = (struct str_map){NULL, 0};
	str_map_set(&arena, &resources.unified, arena_strdup(&arena, key),
		    arena_strdup(&arena, value));
	return built();
}

static void test_unified(void **state)
{
	const char *wrong[] = {"memory/high",
			       "../memory.max",
			       "memory",
			       "memory.",
			       "cgroup.procs",
			       "cgroup.kill",
			       "cgroup.type",
			       "cgroup.freeze",
			       "cgroup.subtree_control",
			       "unknown.max",
			       "",
			       ".",
			       "memoryx.max"};

	(void)state;
	/* it has the last word */
	resources.memory.limit = I64(1000);
	assert_string_equal(built_with("memory.max", "2000"), "memory.max=1000 | memory.max=2000");
	resources.memory.limit.set = false;
	assert_string_equal(built_with("pids.max", "5"), "pids.max=5");
	assert_int_equal(needed(), CG_BIT(CG_PIDS));
	assert_string_equal(built_with("misc.max", "sev 1"), "misc.max=sev 1");
	assert_int_equal(needed(), CG_BIT(CG_MISC));
	assert_string_equal(built_with("cgroup.max.depth", "3"), "cgroup.max.depth=3");
	assert_int_equal(needed(), 0);
	assert_string_equal(built_with("cpu.weight.nice", "1"), "cpu.weight.nice=1");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(
		    strstr(built_with(wrong[i], "1"), "error: linux.resources.unified."));
	assert_non_null(strstr(built_with("memory.high", ""), "expected a value"));
}

/* What is built of the resources with this alone in it. */
static void refused_alone(const char *name)
{
	assert_non_null(strstr(built(), name));
	assert_non_null(strstr(built(), "cgroup v2 has nothing like it"));
	resources.memory = (struct config_memory){0};
	resources.cpu = (struct config_cpu){0};
	resources.block_io = (struct config_block_io){0};
}

static void test_v1_words_are_refused(void **state)
{
	struct config_weight_device device = {.major = 8, .minor = 0, .leaf_weight = U32(10)};

	(void)state;
	resources.memory.kernel = I64(1);
	refused_alone("memory.kernel:");
	resources.memory.kernel_tcp = I64(1);
	refused_alone("memory.kernelTCP:");
	resources.memory.swappiness = U64(60);
	refused_alone("memory.swappiness:");
	resources.memory.disable_oom_killer = YES;
	refused_alone("memory.disableOOMKiller:");
	resources.memory.use_hierarchy = (struct opt_bool){true, false};
	refused_alone("memory.useHierarchy:");
	resources.cpu.realtime_runtime = I64(1);
	refused_alone("cpu.realtimeRuntime:");
	resources.cpu.realtime_period = U64(1);
	refused_alone("cpu.realtimePeriod:");
	resources.block_io.leaf_weight = U32(10);
	refused_alone("blockIO.leafWeight:");
	resources.block_io.weight_devices = &device;
	resources.block_io.n_weight_devices = 1;
	refused_alone("blockIO.leafWeight:");
	/* zeros, -1 and false ask for nothing, and a hierarchy is what there is */
	resources.memory = (struct config_memory){.kernel = I64(0),
						  .swappiness = U64(UINT64_MAX),
						  .disable_oom_killer = {true, false},
						  .use_hierarchy = YES};
	resources.cpu = (struct config_cpu){.realtime_runtime = I64(0)};
	resources.block_io.leaf_weight = U32(0);
	assert_string_equal(built(), "");
	assert_int_equal(findings.n, 0);
}

static void test_controllers_are_parsed(void **state)
{
	(void)state;
	assert_int_equal(cg_controllers_parse(""), 0);
	assert_int_equal(cg_controllers_parse("cpu\n"), CG_BIT(CG_CPU));
	assert_int_equal(cg_controllers_parse("cpuset cpu io unknown pids\n"),
			 CG_BIT(CG_CPUSET) | CG_BIT(CG_CPU) | CG_BIT(CG_IO) | CG_BIT(CG_PIDS));
}

static const char *chosen(struct cgroup_request request)
{
	struct error err = ERROR_INIT;
	const char *path;

	request.id = "some-id";
	path = cgroup_choose_path(&arena, &request, &err);
	return path ? path : arena_printf(&arena, "error: %s", err.text);
}

static void test_paths(void **state)
{
	char long_name[300];

	(void)state;
#define CHOSEN(text) chosen((struct cgroup_request){.path = (text)})
	assert_string_equal(CHOSEN(NULL), "/runsafe/some-id");
	assert_string_equal(CHOSEN(""), "/runsafe/some-id");
	assert_string_equal(CHOSEN("a/b"), "/runsafe/a/b");
	assert_string_equal(CHOSEN("/docker/0123"), "/docker/0123");
	assert_string_equal(CHOSEN("//a///./b/"), "/a/b");
	assert_string_equal(CHOSEN("/kubepods/a:b:c"), "/kubepods/a:b:c");
	assert_string_equal(CHOSEN("/..a/b.."), "/..a/b..");
	assert_non_null(strstr(CHOSEN("/a/../b"), "error: linux.cgroupsPath: \"/a/../b\""));
	assert_non_null(strstr(CHOSEN(".."), "\"..\" is not allowed"));
	assert_non_null(strstr(CHOSEN("/"), "no cgroup of its own"));
	assert_non_null(strstr(CHOSEN("."), "no cgroup of its own"));
	assert_non_null(strstr(CHOSEN("/runsafe"), "no cgroup of its own"));
	assert_non_null(strstr(CHOSEN("/a\nb"), "control character"));
	assert_non_null(strstr(CHOSEN("system.slice:runsafe:1"), "slice:prefix:name"));
	memset(long_name, 'x', sizeof(long_name));
	long_name[0] = '/';
	long_name[256] = '\0';
	assert_string_equal(CHOSEN(long_name), long_name);
	long_name[256] = 'x';
	long_name[257] = '\0';
	assert_non_null(strstr(CHOSEN(long_name), "at most 255"));
	assert_string_equal(chosen((struct cgroup_request){.mode = CGROUP_NONE}), "");
	assert_string_equal(chosen((struct cgroup_request){.driver = CGROUP_DRIVER_DISABLED}), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_nothing_needs_nothing),
	    TEST(test_rdma_is_a_line_for_each_device),
	    TEST(test_memory),
	    TEST(test_cpu),
	    TEST(test_period_keeps_the_quota_of_now),
	    TEST(test_pids),
	    TEST(test_block_io),
	    TEST(test_hugepages),
	    TEST(test_unified),
	    TEST(test_v1_words_are_refused),
	    TEST(test_controllers_are_parsed),
	    TEST(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
