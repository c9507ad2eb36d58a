/* link: plan policy config base gen */
/* linux.sysctl: both spellings of sysctl(8), and whose each of them is. */
#include "plan_help.h"

static int sysctls(struct planning *t, const char *key)
{
	t->config.linux_.sysctl = (struct str_map){0};
	str_map_set(&t->arena, &t->config.linux_.sysctl, arena_strdup(&t->arena, key),
		    arena_strdup(&t->arena, "1"));
	t->plan.n_sysctls = 0;
	t->err = (struct error)ERROR_INIT;
	return plan_sysctls(&t->p);
}

static void path_is(struct planning *t, const char *key, const char *path)
{
	assert_done(t, sysctls(t, key));
	assert_int_equal(t->plan.n_sysctls, 1);
	assert_string_equal(t->plan.sysctls[0].path, path);
	assert_string_equal(t->plan.sysctls[0].key, key);
	assert_string_equal(t->plan.sysctls[0].value, "1");
	assert_false(t->plan.sysctls[0].optional);
}

static void whichever_separator_comes_first_separates(void **state)
{
	struct planning *t = *state;

	t->plan.clone_flags = CLONE_NEWNET;
	path_is(t, "net.ipv4.ip_forward", "net/ipv4/ip_forward");
	path_is(t, "net/ipv4/ip_forward", "net/ipv4/ip_forward");
	/* An interface with a dot in its name, in either spelling. */
	path_is(t, "net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding");
	path_is(t, "net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding");
}

static void a_name_that_leads_elsewhere_is_none(void **state)
{
	static const char *const bad[] = {"",
					  "/net/ipv4/x",
					  "../kernel/core_pattern",
					  "net/../kernel/core_pattern",
					  "net/..",
					  "net//ipv4",
					  "..",
					  "net.//.kernel.core_pattern",
					  ".net.ipv4.x",
					  "net..ipv4.x",
					  "///",
					  "net/ipv4/../../kernel/x"};
	struct planning *t = *state;

	t->plan.clone_flags = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_failed(t, sysctls(t, bad[i]), "is not the name of a sysctl");
}

static void a_name_longer_than_any_is_none(void **state)
{
	struct planning *t = *state;
	char name[600] = "net.";

	t->plan.clone_flags = CLONE_NEWNET;
	memset(name + 4, 'x', 500);
	assert_failed(t, sysctls(t, name), "is not the name of a sysctl");
}

/* namespaces(7), ipc_namespaces(7), uts_namespaces(7). */
static void each_belongs_to_a_namespace_of_the_containers_own(void **state)
{
	static const struct {
		const char *key;
		int flag;
		const char *type;
	} table[] = {
	    {"net.core.somaxconn", CLONE_NEWNET, "network"},
	    {"fs.mqueue.msg_max", CLONE_NEWIPC, "ipc"},
	    {"kernel.msgmax", CLONE_NEWIPC, "ipc"},
	    {"kernel.sem", CLONE_NEWIPC, "ipc"},
	    {"kernel.shm_rmid_forced", CLONE_NEWIPC, "ipc"},
	    {"kernel/shmmax", CLONE_NEWIPC, "ipc"},
	    {"kernel.domainname", CLONE_NEWUTS, "uts"},
	    {"vm.memfd_noexec", CLONE_NEWPID, "pid"},
	};
	struct planning *t = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		t->plan.clone_flags = table[i].flag;
		assert_done(t, sysctls(t, table[i].key));
		/* All others would not make it the container's. */
		t->plan.clone_flags =
		    (CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWNS) &
		    ~table[i].flag;
		assert_failed(t, sysctls(t, table[i].key), table[i].key);
		assert_non_null(strstr(t->err.text, table[i].type));
		assert_non_null(strstr(t->err.text, "the host's"));
	}
}

static void a_joined_namespace_counts_as_own(void **state)
{
	struct planning *t = *state;
	static struct plan_join pod = {.fd = -1, .clone_flag = CLONE_NEWNET, .type = "network"};

	t->plan.joins = &pod;
	t->plan.n_joins = 1;
	assert_done(t, sysctls(t, "net.ipv4.ip_unprivileged_port_start"));
}

static void what_belongs_to_no_namespace_is_the_hosts(void **state)
{
	static const char *const hosts[] = {
	    "kernel.core_pattern",     "vm.swappiness", "fs.file-max",
	    "kernel.modprobe",	       "network.x",	"fs.mqueues",
	    "user.max_user_namespaces"};
	struct planning *t = *state;

	t->plan.clone_flags =
	    CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWUSER;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		assert_failed(t, sysctls(t, hosts[i]), "it belongs to no namespace");
}

static void what_the_owner_allows_goes_through_in_either_spelling(void **state)
{
	struct planning *t = *state;

	t->hardening.allowed_sysctls = WORDS(&t->arena, "vm.swappiness");
	path_is(t, "vm.swappiness", "vm/swappiness");
	path_is(t, "vm/swappiness", "vm/swappiness");
	assert_failed(t, sysctls(t, "vm.swappiness2"), "no namespace");
}

static void check_collects_it_as_a_finding(void **state)
{
	struct planning *t = *state;

	t->in.check_only = true;
	assert_done(t, sysctls(t, "kernel.core_pattern"));
	assert_int_equal(t->findings.n, 1);
	assert_string_equal(t->findings.items[0].path, "linux.sysctl.kernel.core_pattern");
}

/* "in a new pid namespace vm.memfd_noexec=2 (1 before kernel 6.6)" */
static void memfd_noexec_is_added_in_a_new_pid_namespace(void **state)
{
	struct planning *t = *state;

	t->hardening.memfd_noexec = true;
	assert_done(t, plan_sysctls(&t->p));
	assert_int_equal(t->plan.n_sysctls, 0);
	t->plan.clone_flags = CLONE_NEWPID;
	assert_done(t, plan_sysctls(&t->p));
	assert_int_equal(t->plan.n_sysctls, 1);
	assert_string_equal(t->plan.sysctls[0].path, "vm/memfd_noexec");
	/* The kernel has it since 6.3. */
	assert_true(t->plan.sysctls[0].optional);
	/* Config's own word for it comes first. */
	path_is(t, "vm.memfd_noexec", "vm/memfd_noexec");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, planning_start, planning_end)
	const struct CMUnitTest tests[] = {
	    TEST(whichever_separator_comes_first_separates),
	    TEST(a_name_that_leads_elsewhere_is_none),
	    TEST(a_name_longer_than_any_is_none),
	    TEST(each_belongs_to_a_namespace_of_the_containers_own),
	    TEST(a_joined_namespace_counts_as_own),
	    TEST(what_belongs_to_no_namespace_is_the_hosts),
	    TEST(what_the_owner_allows_goes_through_in_either_spelling),
	    TEST(check_collects_it_as_a_finding),
	    TEST(memfd_noexec_is_added_in_a_new_pid_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
