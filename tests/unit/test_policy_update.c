/* link: policy config base gen */
/* update: what may become of a container's limits under its policy. */
#include "policy_help.h"

struct updated {
	int result;
	struct config_resources wanted;
	struct error err;
};

static struct updated *update(const char *policy, const struct parts *parts, const char *allow,
			      const char *resources)
{
	struct outcome *o = accepted(policy, parts, allow);
	struct updated *u = arena_alloc(&test_arena, sizeof(*u));
	struct policy_setting setting;
	struct policy_input in = {.policy = policy_of(policy), .allow = &setting};
	struct config before = o->cfg;

	if (allow != NULL && policy_parse_allow(&test_arena, allow, &setting, &u->err) < 0)
		fail_msg("%s", u->err.text);
	in.n_allow = allow != NULL;
	if (config_parse_resources(&test_arena, "r.json", resources, strlen(resources), &u->wanted,
				   &u->err) < 0)
		fail_msg("%s", u->err.text);
	u->result =
	    policy_apply_update(&test_arena, &in, &o->cfg, &u->wanted, &o->findings, &u->err);
	assert_memory_equal(&before, &o->cfg, sizeof(before));
	return u;
}

static struct config_resources *allowed(const char *policy, const struct parts *parts,
					const char *allow, const char *resources)
{
	struct updated *u = update(policy, parts, allow, resources);

	if (u->result != 0)
		fail_msg("policy %s: %s", policy, u->err.text);
	return &u->wanted;
}

static void not_allowed(const char *policy, const struct parts *parts, const char *resources,
			const char *part)
{
	struct updated *u = update(policy, parts, NULL, resources);

	if (u->result == 0)
		fail_msg("policy %s lets through %s", policy, resources);
	if (strstr(u->err.text, part) == NULL)
		fail_msg("expected \"%s\" in \"%s\"", part, u->err.text);
	assert_null(strstr(u->err.text, "config.json"));
}

static const struct parts usual = {.root = NULL};
static const struct parts no_limits = {.resources = ""};

static const struct {
	const char *resources;
	const char *path;
	const char *allow; /* NULL: no --allow knows swap */
} lifting[] = {
    {"{\"memory\":{\"limit\":-1}}", "linux.resources.memory.limit: would lift", "memory=unlimited"},
    {"{\"unified\":{\"memory.max\":\"max\"}}", "linux.resources.memory.limit: would lift",
     "memory=unlimited"},
    {"{\"cpu\":{\"quota\":-1}}", "linux.resources.cpu.quota: would lift", "cpus=unlimited"},
    {"{\"unified\":{\"cpu.max\":\"max\"}}", "linux.resources.cpu.quota: would lift",
     "cpus=unlimited"},
    {"{\"unified\":{\"cpu.max\":\"max 50000\"}}", "linux.resources.cpu.quota: would lift",
     "cpus=unlimited"},
    {"{\"pids\":{\"limit\":-1}}", "linux.resources.pids.limit: would lift", "pids=unlimited"},
    {"{\"unified\":{\"pids.max\":\" max\"}}", "linux.resources.pids.limit: would lift",
     "pids=unlimited"},
    {"{\"memory\":{\"swap\":-1}}", "linux.resources.memory.swap: would lift", NULL},
    {"{\"unified\":{\"memory.swap.max\":\"max\"}}", "memory.swap.max: would lift", NULL},
};
#define N_LIFTING (sizeof(lifting) / sizeof(lifting[0]))

static void no_limit_is_lifted_that_the_policy_wants(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_LIFTING; i++) {
		not_allowed("default", &usual, lifting[i].resources, lifting[i].path);
		not_allowed("default", &no_limits, lifting[i].resources, lifting[i].path);
		not_allowed("strict", &usual, lifting[i].resources, lifting[i].path);
		allowed("oci", &usual, NULL, lifting[i].resources);
		if (lifting[i].allow != NULL)
			allowed("default", &usual, lifting[i].allow, lifting[i].resources);
	}
	allowed("{\"limits\":{\"swap\":\"unlimited\"}}", &usual, NULL, lifting[7].resources);
}

static void a_number_is_the_callers_word(void **state)
{
	const struct config_resources *r =
	    allowed("default", &no_limits, NULL,
		    "{\"memory\":{\"limit\":8589934592,\"swap\":9589934592},"
		    "\"cpu\":{\"quota\":800000,\"period\":100000},\"pids\":{\"limit\":9999}}");

	(void)state;
	assert_int_equal(r->memory.limit.value, 8589934592);
	assert_int_equal(r->memory.swap.value, 9589934592);
	assert_int_equal(r->cpu.quota.value, 800000);
	assert_int_equal(r->pids.limit.value, 9999);
	assert_int_equal(r->unified.n, 0);
}

static void what_is_not_given_is_not_filled(void **state)
{
	const struct config_resources *r = allowed("default", &no_limits, NULL, "{}");

	(void)state;
	assert_false(r->memory.limit.set || r->memory.swap.set || r->cpu.quota.set ||
		     r->pids.limit.set);
	assert_int_equal(r->unified.n, 0);
}

static void the_kernels_names_are_the_same_limits(void **state)
{
	const struct config_resources *r =
	    allowed("default", &no_limits, NULL,
		    "{\"unified\":{\"memory.max\":\"64M\",\"memory.swap.max\":\"1048576\","
		    "\"cpu.max\":\"5000 50000\",\"pids.max\":\"9\",\"memory.high\":\"5\"}}");

	(void)state;
	assert_int_equal(r->memory.limit.value, 64 << 20);
	assert_int_equal(r->memory.swap.value, 65 << 20);
	assert_int_equal(r->cpu.quota.value, 5000);
	assert_int_equal(r->cpu.period.value, 50000);
	assert_int_equal(r->pids.limit.value, 9);
	assert_int_equal(r->unified.n, 1);
	assert_string_equal(r->unified.items[0].key, "memory.high");
	/* As written where no rule is. */
	r = allowed("oci", &usual, NULL, "{\"unified\":{\"memory.max\":\"64M\"}}");
	assert_string_equal(str_map_get(&r->unified, "memory.max"), "64M");
	not_allowed("default", &usual, "{\"unified\":{\"pids.max\":\"some\"}}",
		    "unified.pids.max: expected \"max\" or a number");
}

static void swap_stays_when_memory_is_unlimited(void **state)
{
	/* The kernel's file for swap would be lifted with that of memory. */
	const struct config_resources *r =
	    allowed("default", &no_limits, "memory=2g", "{\"memory\":{\"limit\":1073741824}}");

	(void)state;
	assert_null(str_map_get(&r->unified, "memory.swap.max"));
	r = allowed("default", &no_limits, "memory=unlimited", "{\"memory\":{\"limit\":-1}}");
	assert_string_equal(str_map_get(&r->unified, "memory.swap.max"), "0");
	r = allowed("default",
		    &(struct parts){.resources = "\"memory\":{\"limit\":1048576,\"swap\":3145728}"},
		    "memory=unlimited", "{\"memory\":{\"limit\":-1}}");
	assert_string_equal(str_map_get(&r->unified, "memory.swap.max"), "2097152");
}

static void what_an_annotation_lowered_is_not_raised(void **state)
{
	const struct parts lowered = {
	    .annotations = "\"io.runsafe.memory\":\"64m\",\"io.runsafe.pids\":\"20\","
			   "\"io.runsafe.cpus\":\"0.25\"",
	};
	static const char *const above[] = {
	    "{\"memory\":{\"limit\":67108865}}",
	    "{\"pids\":{\"limit\":21}}",
	    "{\"cpu\":{\"quota\":25001}}",
	    "{\"cpu\":{\"period\":99999}}",
	    "{\"cpu\":{\"quota\":5000,\"period\":19999}}",
	    "{\"unified\":{\"pids.max\":\"21\"}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(above) / sizeof(above[0]); i++)
		not_allowed("default", &lowered, above[i], "annotation io.runsafe.");
	allowed("default", &lowered, NULL,
		"{\"memory\":{\"limit\":67108864},\"pids\":{\"limit\":20},"
		"\"cpu\":{\"quota\":5000,\"period\":20000}}");
}

#define TEST(name) cmocka_unit_test_teardown(name, free_arena)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(no_limit_is_lifted_that_the_policy_wants),
	    TEST(a_number_is_the_callers_word),
	    TEST(what_is_not_given_is_not_filled),
	    TEST(the_kernels_names_are_the_same_limits),
	    TEST(swap_stays_when_memory_is_unlimited),
	    TEST(what_an_annotation_lowered_is_not_raised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
