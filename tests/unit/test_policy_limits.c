/* link: policy config base gen */
/* Namespaces, sysctls and limits of the policy table, under default, strict and oci. */
#include "policy_help.h"

static const char *const builtin[] = {"default", "strict", "oci"};

static const char *const six[] = {"pid", "network", "ipc", "uts", "mount", "cgroup"};

/* A list of the six without one of them, or with a path for it. */
static struct parts without(const char *type, const char *path)
{
	char *list = arena_strdup(&test_arena, "");

	for (size_t i = 0; i < 6; i++) {
		bool this = strcmp(six[i], type) == 0;

		if (this && path == NULL)
			continue;
		list = arena_printf(&test_arena, "%s%s{\"type\":\"%s\"%s%s%s}", list,
				    list[0] ? "," : "", six[i], this ? ",\"path\":\"" : "",
				    this ? path : "", this ? "\"" : "");
	}
	return (struct parts){.namespaces =
				  arena_printf(&test_arena, "\"namespaces\":[%s],", list)};
}

static bool all_six(const struct outcome *o)
{
	for (size_t i = 0; i < 6; i++) {
		if (config_namespace_find(&o->cfg.linux_, six[i]) == NULL)
			return false;
	}
	return o->cfg.linux_.namespaces_present;
}

static void without_a_list_all_are_made(void **state)
{
	struct parts parts = {.namespaces = ""};
	struct outcome *o = accepted("default", &parts, NULL);

	(void)state;
	assert_true(all_six(o));
	assert_int_equal(o->cfg.linux_.n_namespaces, 6);
	(void)change_at(o, "linux.namespaces");
	refused("strict", &parts, NULL, "linux.namespaces: there is no mount namespace");
	o = accepted("oci", &parts, NULL);
	assert_int_equal(o->cfg.linux_.n_namespaces, 0);
	unchanged(o);
}

static void an_empty_list_is_a_list(void **state)
{
	(void)state;
	refused("default", &(struct parts){.namespaces = "\"namespaces\":[],"}, NULL,
		"there is no pid namespace");
}

static void a_missing_namespace_is_made_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct parts parts = without(six[i], NULL);

		assert_int_equal(accepted("oci", &parts, NULL)->cfg.linux_.n_namespaces, 5);
		refused("strict", &parts, NULL, "so the workload would be in the host's: add");
		if (i >= 3) {
			assert_true(all_six(accepted("default", &parts, NULL)));
			continue;
		}
		char *allow = arena_printf(&test_arena, "host-%s", six[i]);
		char *words = arena_printf(&test_arena, "--allow %s", allow);

		refused("default", &parts, NULL, words);
		struct outcome *o = accepted("default", &parts, allow);

		assert_int_equal(o->cfg.linux_.n_namespaces, 5);
		assert_string_equal(o->hard.host_namespaces.items[0], six[i]);
	}
	struct parts uts = without("uts", NULL);

	assert_int_equal(accepted("default", &uts, "host-uts")->cfg.linux_.n_namespaces, 5);
	refused("strict", &uts, "host-uts", "does not accept it");
}

static void strict_does_not_name_what_would_not_help(void **state)
{
	struct parts parts = without("network", NULL);
	struct outcome *o = apply_to("strict", &parts, NULL, false);

	(void)state;
	assert_null(strstr(o->err.text, "--allow"));
}

static void joined_namespaces_are_for_plan_to_look_at(void **state)
{
	struct parts parts = without("network", "/proc/7/ns/net");

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct outcome *o = accepted(builtin[i], &parts, NULL);

		assert_int_equal(o->hard.check_namespaces, i != 2);
		assert_int_equal(o->hard.host_namespaces.n, i != 2 ? 0 : 6);
		assert_true(all_six(o));
	}
}

static const char *sysctl(const struct outcome *o, const char *name)
{
	const char *value = str_map_get(&o->cfg.linux_.sysctl, name);

	return value != NULL ? value : "";
}

#define PORTS "net.ipv4.ip_unprivileged_port_start"
#define PING  "net.ipv4.ping_group_range"

static void ports_and_ping_need_no_capability(void **state)
{
	struct parts parts = {.user = "\"user\":{\"uid\":7,\"gid\":8},"};
	struct parts joined = without("network", "/proc/7/ns/net");
	struct parts host = without("network", NULL);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct outcome *o = accepted(builtin[i], &parts, NULL);

		assert_string_equal(sysctl(o, PORTS), "0");
		assert_string_equal(sysctl(o, PING), "8 8");
		assert_string_equal(sysctl(accepted(builtin[i], &joined, NULL), PORTS), "0");
		assert_true(o->hard.check_sysctls && o->hard.memfd_noexec);
	}
	/* The gid that the workload ends up with. */
	assert_string_equal(sysctl(accepted("default", &(struct parts){.user = ""}, NULL), PING),
			    "1000 1000");
	assert_string_equal(sysctl(accepted("default", &host, "host-network"), PORTS), "");
	/* The path may be the host's network then. */
	assert_string_equal(sysctl(accepted("default", &joined, "host-network"), PORTS), "");
	struct outcome *o = accepted("oci", &parts, NULL);

	assert_int_equal(o->cfg.linux_.sysctl.n, 0);
	assert_false(o->hard.check_sysctls || o->hard.memfd_noexec);
}

static void config_has_the_last_word_on_ports(void **state)
{
	struct parts parts = {.more_linux = ",\"sysctl\":{\"net/ipv4/ip_unprivileged_port_start\":"
					    "\"500\",\"net.ipv4.ping_group_range\":\"1 0\"}"};
	struct outcome *o = accepted("default", &parts, NULL);

	(void)state;
	assert_int_equal(o->cfg.linux_.sysctl.n, 2);
	assert_string_equal(sysctl(o, PING), "1 0");
}

/* Podman's own setting, which lets nobody ping but root. */
static void roots_group_alone_is_not_the_last_word_on_ping(void **state)
{
	struct parts parts = {.more_linux = ",\"sysctl\":{\"net.ipv4.ping_group_range\":\"0 0\"}"};
	struct parts root = {.user = "\"user\":{\"uid\":0,\"gid\":0},",
			     .more_linux = parts.more_linux};

	(void)state;
	assert_string_equal(sysctl(accepted("default", &parts, NULL), PING), "1000 1000");
	assert_string_equal(sysctl(accepted("default", &root, NULL), PING), "1000 1000");
	assert_string_equal(sysctl(accepted("default", &root, "root"), PING), "0 0");
	assert_string_equal(sysctl(accepted("oci", &parts, NULL), PING), "0 0");
}

static void memfd_is_noexec_in_a_new_pid_namespace(void **state)
{
	struct parts joined = without("pid", "/proc/7/ns/pid");
	struct parts host = without("pid", NULL);
	struct parts written = {.more_linux = ",\"sysctl\":{\"vm.memfd_noexec\":\"0\"}"};
	struct outcome *o = accepted("default", &written, NULL);

	(void)state;
	assert_true(o->hard.memfd_noexec);
	assert_string_equal(sysctl(o, "vm.memfd_noexec"), "");
	(void)change_at(o, "linux.sysctl.vm.memfd_noexec");
	assert_false(accepted("default", &joined, NULL)->hard.memfd_noexec);
	assert_false(accepted("default", &host, "host-pid")->hard.memfd_noexec);
	o = accepted("default", &written, "memfd-exec");
	assert_false(o->hard.memfd_noexec);
	assert_string_equal(sysctl(o, "vm.memfd_noexec"), "0");
	assert_string_equal(sysctl(accepted("oci", &written, NULL), "vm.memfd_noexec"), "0");
}

static void a_hosts_sysctl_by_name(void **state)
{
	struct parts parts = {.root = NULL};
	struct outcome *o = accepted("default", &parts, "sysctl=kernel/sem");

	(void)state;
	assert_string_equal(o->hard.allowed_sysctls.items[0], "kernel.sem");
}

/* Limits: -1 stands for "not set". */
struct limits {
	int64_t memory;
	int64_t swap;
	int64_t quota;
	int64_t period;
	int64_t pids;
};

#define GIB (1LL << 30)

static void assert_limits(const struct outcome *o, struct limits want)
{
	const struct config_resources *r = &o->cfg.linux_.resources;

	assert_int_equal(r->memory.limit.set ? r->memory.limit.value : -1, want.memory);
	assert_int_equal(r->memory.swap.set ? r->memory.swap.value : -1, want.swap);
	assert_int_equal(r->cpu.quota.set ? r->cpu.quota.value : -1, want.quota);
	assert_int_equal(r->cpu.period.set ? (int64_t)r->cpu.period.value : -1, want.period);
	assert_int_equal(r->pids.limit.set ? r->pids.limit.value : -1, want.pids);
	assert_true(r->present && r->pids.present);
}

static void what_config_leaves_open_is_filled(void **state)
{
	static const struct {
		const char *resources;
		struct limits want;
	} rows[] = {
	    {"", {GIB, GIB, 100000, 100000, 1024}},
	    {"\"memory\":{\"limit\":-1,\"swap\":-1},\"cpu\":{\"quota\":-1},\"pids\":{\"limit\":-1}",
	     {GIB, GIB, 100000, 100000, 1024}},
	    /* As Docker writes it. */
	    {"\"memory\":{\"limit\":0,\"swap\":0},\"cpu\":{\"quota\":0,\"period\":0,\"shares\":0},"
	     "\"pids\":{}",
	     {GIB, GIB, 100000, 100000, 1024}},
	    {"\"pids\":{\"limit\":0}", {GIB, GIB, 100000, 100000, 0}},
	    {"\"memory\":{\"limit\":4096}", {4096, 4096, 100000, 100000, 1024}},
	    {"\"memory\":{\"limit\":4096,\"swap\":8192}", {4096, 8192, 100000, 100000, 1024}},
	    {"\"memory\":{\"swap\":4096}", {GIB, GIB, 100000, 100000, 1024}},
	    {"\"cpu\":{\"period\":50000}", {GIB, GIB, 50000, 50000, 1024}},
	    {"\"cpu\":{\"quota\":800000}", {GIB, GIB, 800000, -1, 1024}},
	    /* The kernel's names for the same. */
	    {"\"unified\":{\"memory.max\":\"max\",\"memory.swap.max\":\"max\",\"cpu.max\":\"max\","
	     "\"pids.max\":\"max\"}",
	     {GIB, GIB, 100000, 100000, 1024}},
	    {"\"unified\":{\"memory.max\":\"1m\",\"memory.swap.max\":\"4096\",\"cpu.max\":\"5000 "
	     "20000\",\"pids.max\":\"7\\n\"}",
	     {1 << 20, (1 << 20) + 4096, 5000, 20000, 7}},
	    {"\"memory\":{\"limit\":4096},\"unified\":{\"memory.max\":\"8192\"}",
	     {8192, 8192, 100000, 100000, 1024}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parts parts = {.resources = rows[i].resources};
		struct outcome *o = accepted("default", &parts, NULL);

		assert_limits(o, rows[i].want);
		assert_int_equal(o->hard.tmpfs_max_bytes, rows[i].want.memory / 2);
		assert_int_equal(o->cfg.linux_.resources.unified.n, 0);
	}
	struct outcome *o = accepted("default", &(struct parts){.resources = ""}, NULL);

	assert_non_null(strstr(change_at(o, "linux.resources.memory.limit"), "set to 1 GiB"));
	assert_non_null(strstr(change_at(o, "linux.resources.cpu.quota"), "set to 1 CPU"));
	(void)change_at(o, "linux.resources.memory.swap");
	(void)change_at(o, "linux.resources.pids.limit");
}

static void oci_has_no_limits_of_its_own(void **state)
{
	struct parts parts = {.resources = "\"unified\":{\"memory.max\":\"max\"}"};
	struct outcome *o = accepted("oci", &parts, NULL);

	(void)state;
	assert_false(o->cfg.linux_.resources.memory.limit.set);
	assert_false(o->cfg.linux_.resources.cpu.quota.set);
	assert_false(o->cfg.linux_.resources.pids.present);
	assert_string_equal(str_map_get(&o->cfg.linux_.resources.unified, "memory.max"), "max");
	assert_int_equal(o->hard.tmpfs_max_bytes, 0);
}

static void strict_wants_limits_set(void **state)
{
	static const struct {
		const char *resources;
		const char *part;
	} rows[] = {
	    {"\"cpu\":{\"quota\":5000},\"pids\":{\"limit\":5}", "linux.resources.memory.limit"},
	    {"\"memory\":{\"limit\":0},\"cpu\":{\"quota\":5000},\"pids\":{\"limit\":5}",
	     "linux.resources.memory.limit: not set"},
	    {"\"memory\":{\"limit\":4096},\"pids\":{\"limit\":5}", "linux.resources.cpu.quota"},
	    {"\"memory\":{\"limit\":4096},\"cpu\":{\"quota\":5000}", "linux.resources.pids.limit"},
	    {"\"memory\":{\"limit\":4096},\"cpu\":{\"quota\":5000},"
	     "\"unified\":{\"pids.max\":\"max\"}",
	     "linux.resources.pids.limit"},
	};
	struct parts good = {.resources = "\"cpu\":{\"quota\":5000},\"pids\":{\"limit\":0},"
					  "\"unified\":{\"memory.max\":\"4096\"}"};
	struct parts open = {.resources = rows[0].resources};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parts parts = {.resources = rows[i].resources};

		refused("strict", &parts, NULL, rows[i].part);
	}
	assert_limits(accepted("strict", &good, NULL), (struct limits){4096, 4096, 5000, -1, 0});
	/* The owner may set it in config.json's place. */
	assert_limits(accepted("strict", &open, "memory=1m"),
		      (struct limits){1 << 20, 1 << 20, 5000, -1, 5});
}

static void a_strange_limit_is_refused(void **state)
{
	static const char *const unified[] = {
	    "\"memory.max\":\"lots\"",
	    "\"memory.max\":\"\"",
	    "\"memory.max\":\"max 5\"",
	    "\"cpu.max\":\"5 0\"",
	    "\"cpu.max\":\"5 x\"",
	    "\"pids.max\":\"-1\"",
	    "\"memory.max\":\"999999999999999999999\"",
	    "\"memory.swap.max\":\"0x10\"",
	    "\"cpu.max\":\"max 100000 1\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(unified) / sizeof(unified[0]); i++) {
		struct parts parts = {
		    .resources = arena_printf(&test_arena, "\"unified\":{%s}", unified[i])};

		refused("default", &parts, NULL, "linux.resources.unified.");
		(void)accepted("oci", &parts, NULL);
	}
}

static void the_owner_may_raise_what_config_leaves_open(void **state)
{
	static const char *const allow[] = {"memory=4g", "cpus=2.5", "pids=unlimited", NULL};
	struct parts open = {.resources = ""};
	struct outcome *o = apply_to("default", &open, allow, false);

	(void)state;
	assert_int_equal(o->cfg.linux_.resources.memory.limit.value, 4 * GIB);
	assert_int_equal(o->cfg.linux_.resources.cpu.quota.value, 250000);
	assert_false(o->cfg.linux_.resources.pids.present);
	/* config.json's own limit stays. */
	o = accepted("default", &(struct parts){.root = NULL}, "memory=4g");
	assert_int_equal(o->cfg.linux_.resources.memory.limit.value, 512 << 20);
}

static void unlimited_memory_still_has_no_swap(void **state)
{
	struct parts open = {.resources = "\"memory\":{\"limit\":-1,\"swap\":-1}"};
	struct outcome *o = accepted("default", &open, "memory=unlimited");

	(void)state;
	assert_string_equal(str_map_get(&o->cfg.linux_.resources.unified, "memory.swap.max"), "0");
	assert_int_equal(o->hard.tmpfs_max_bytes, 0);
}

static void annotations_only_lower(void **state)
{
	struct parts lower = {.resources = LIMITS,
			      .annotations = "\"io.runsafe.memory\":\"1m\",\"io.runsafe.cpus\":"
					     "\"0.1\",\"io.runsafe.pids\":\"7\""};
	struct parts swap = {.resources = "\"memory\":{\"limit\":4096,\"swap\":5096}",
			     .annotations = "\"io.runsafe.memory\":\"2k\""};

	(void)state;
	assert_limits(accepted("default", &lower, NULL),
		      (struct limits){1 << 20, 1 << 20, 10000, 100000, 7});
	/* As much swap as before. */
	assert_int_equal(accepted("default", &swap, NULL)->cfg.linux_.resources.memory.swap.value,
			 2048 + 1000);
	lower.resources = "";
	assert_limits(accepted("default", &lower, NULL),
		      (struct limits){1 << 20, 1 << 20, 10000, 100000, 7});
}

static void annotations_do_not_raise(void **state)
{
	static const char *const texts[] = {
	    "\"io.runsafe.memory\":\"513m\"", "\"io.runsafe.cpus\":\"0.50001\"",
	    "\"io.runsafe.pids\":\"101\"", "\"io.runsafe.memory\":\"unlimited\"",
	    "\"io.runsafe.cpus\":\"required\""};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refused("default", &(struct parts){.annotations = texts[i]}, NULL,
			i < 3 ? "would raise the limit (now " : "expected a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(without_a_list_all_are_made, free_arena),
	    cmocka_unit_test_teardown(an_empty_list_is_a_list, free_arena),
	    cmocka_unit_test_teardown(a_missing_namespace_is_made_or_refused, free_arena),
	    cmocka_unit_test_teardown(strict_does_not_name_what_would_not_help, free_arena),
	    cmocka_unit_test_teardown(joined_namespaces_are_for_plan_to_look_at, free_arena),
	    cmocka_unit_test_teardown(ports_and_ping_need_no_capability, free_arena),
	    cmocka_unit_test_teardown(config_has_the_last_word_on_ports, free_arena),
	    cmocka_unit_test_teardown(roots_group_alone_is_not_the_last_word_on_ping, free_arena),
	    cmocka_unit_test_teardown(memfd_is_noexec_in_a_new_pid_namespace, free_arena),
	    cmocka_unit_test_teardown(a_hosts_sysctl_by_name, free_arena),
	    cmocka_unit_test_teardown(what_config_leaves_open_is_filled, free_arena),
	    cmocka_unit_test_teardown(oci_has_no_limits_of_its_own, free_arena),
	    cmocka_unit_test_teardown(strict_wants_limits_set, free_arena),
	    cmocka_unit_test_teardown(a_strange_limit_is_refused, free_arena),
	    cmocka_unit_test_teardown(the_owner_may_raise_what_config_leaves_open, free_arena),
	    cmocka_unit_test_teardown(unlimited_memory_still_has_no_swap, free_arena),
	    cmocka_unit_test_teardown(annotations_only_lower, free_arena),
	    cmocka_unit_test_teardown(annotations_do_not_raise, free_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
