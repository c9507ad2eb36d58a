/* link: policy config base gen */
/* What puts a workload ahead of others, and binds whose ids are mapped. */
#include "policy_help.h"

#define PROCESS(more) "\"user\":{\"uid\":9,\"gid\":9}," more ","

static void real_time_is_left_out(void **state)
{
	static const char *const policies[] = {"SCHED_FIFO", "SCHED_RR", "SCHED_DEADLINE"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct parts parts = {
		    .user = arena_printf(
			&test_arena, PROCESS("\"scheduler\":{\"policy\":\"%s\"%s}"), policies[i],
			i == 2 ? ",\"runtime\":1000000,\"deadline\":2000000,"
				 "\"period\":3000000"
			       : ",\"priority\":5")};
		struct outcome *o = accepted("default", &parts, NULL);

		assert_null(o->cfg.process.scheduler);
		assert_non_null(strstr(change_at(o, "process.scheduler"), policies[i]));
		refused("strict", &parts, NULL, "process.scheduler: SCHED_");
		o = accepted("oci", &parts, NULL);
		assert_string_equal(o->cfg.process.scheduler->policy, policies[i]);
		unchanged(o);
		o = accepted("default", &parts, "priority");
		assert_string_equal(o->cfg.process.scheduler->policy, policies[i]);
		refused("strict", &parts, "priority", "--allow priority: this policy does not");
	}
}

static void nice_is_not_below_0(void **state)
{
	struct parts below = {
	    .user = PROCESS("\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":-1}")};
	struct parts above = {
	    .user = PROCESS("\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":19}")};
	struct outcome *o = accepted("default", &below, NULL);

	(void)state;
	assert_string_equal(o->cfg.process.scheduler->policy, "SCHED_BATCH");
	assert_int_equal(o->cfg.process.scheduler->nice.value, 0);
	change_at(o, "process.scheduler.nice");
	refused("strict", &below, NULL, "process.scheduler.nice");
	assert_int_equal(accepted("oci", &below, NULL)->cfg.process.scheduler->nice.value, -1);
	assert_int_equal(accepted("strict", &above, NULL)->cfg.process.scheduler->nice.value, 19);
}

static void input_and_output_are_not_ahead_of_all(void **state)
{
	struct parts rt = {
	    .user = PROCESS("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_RT\",\"priority\":7}")};
	struct parts be = {
	    .user = PROCESS("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":0}")};
	struct outcome *o = accepted("default", &rt, NULL);

	(void)state;
	assert_null(o->cfg.process.io_priority);
	change_at(o, "process.ioPriority");
	refused("strict", &rt, NULL, "process.ioPriority");
	assert_non_null(accepted("oci", &rt, NULL)->cfg.process.io_priority);
	assert_non_null(accepted("strict", &be, NULL)->cfg.process.io_priority);
}

static void rlimits_do_not_let_it_go_ahead(void **state)
{
	struct parts parts = {.user =
				  PROCESS("\"rlimits\":["
					  "{\"type\":\"RLIMIT_NOFILE\",\"soft\":64,\"hard\":1024},"
					  "{\"type\":\"RLIMIT_RTPRIO\",\"soft\":0,\"hard\":99},"
					  "{\"type\":\"RLIMIT_NICE\",\"soft\":21,\"hard\":40}]")};
	struct parts harmless = {
	    .user = PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_NICE\",\"soft\":5,\"hard\":20},"
			    "{\"type\":\"RLIMIT_RTPRIO\",\"soft\":0,\"hard\":0}]")};
	struct outcome *o = accepted("default", &parts, NULL);
	const struct config_rlimit *r = o->cfg.process.rlimits;

	(void)state;
	assert_int_equal(o->cfg.process.n_rlimits, 3);
	assert_int_equal(r[0].soft, 64);
	assert_int_equal(r[0].hard, 1024);
	assert_int_equal(r[1].hard, 0);
	assert_int_equal(r[2].soft, 20);
	assert_int_equal(r[2].hard, 20);
	change_at(o, "process.rlimits[1]");
	change_at(o, "process.rlimits[2]");
	refused("strict", &parts, NULL, "process.rlimits[1]: RLIMIT_RTPRIO of 99");
	assert_int_equal(accepted("oci", &parts, NULL)->cfg.process.rlimits[1].hard, 99);
	assert_int_equal(accepted("default", &parts, "priority")->cfg.process.rlimits[2].hard, 40);
	assert_int_equal(accepted("strict", &harmless, NULL)->cfg.process.rlimits[0].soft, 5);
}

static void an_oom_score_is_the_engines_at_create(void **state)
{
	/* What Kubernetes gives to a pod whose memory is guaranteed. */
	struct parts parts = {.user = PROCESS("\"oomScoreAdj\":-997")};
	struct outcome *o = accepted("strict", &parts, NULL);

	(void)state;
	assert_int_equal(o->cfg.process.oom_score_adj.value, -997);
	unchanged(o);
}

#define MAP(disk, host, size) "[{\"containerID\":" disk ",\"hostID\":" host ",\"size\":" size "}]"
#define IDMAP(uids, gids)                                                                          \
	"{\"destination\":\"/d\",\"source\":\"/srv/d\",\"type\":\"bind\",\"options\":[\"bind\","   \
	"\"idmap\"],\"uidMappings\":" uids ",\"gidMappings\":" gids "}"

static void no_mount_makes_the_workload_root_on_the_disk(void **state)
{
	struct parts uid = {.mounts = IDMAP(MAP("0", "1000", "1"), MAP("5", "5", "1"))};
	struct parts gid = {.mounts = IDMAP(MAP("5", "5", "1"), MAP("0", "1000", "1"))};
	struct parts group = {.user =
				  "\"user\":{\"uid\":1000,\"gid\":1000,\"additionalGids\":[44]},",
			      .mounts = IDMAP(MAP("5", "5", "1"), MAP("0", "44", "1"))};
	struct parts other = {.mounts = IDMAP(MAP("0", "5000", "1"), MAP("0", "5000", "1"))};

	(void)state;
	refused("default", &uid, NULL, "mounts[0].uidMappings: the workload's id 1000");
	refused("strict", &gid, NULL, "mounts[0].gidMappings: the workload's id 1000");
	refused("default", &group, NULL, "mounts[0].gidMappings: the workload's id 44");
	accepted("default", &other, NULL);
	accepted("oci", &uid, NULL);
	accepted("default", &uid, "bind=/srv/d");
	/* Root that was let stay is root there, too. */
	accepted("default",
		 &(struct parts){.user = "\"user\":{\"uid\":0,\"gid\":0},",
				 .mounts = IDMAP(MAP("0", "0", "9"), MAP("0", "0", "9"))},
		 "root");
}

#define USER_NS "\"namespaces\":[" SIX ",{\"type\":\"user\"}],"
#define POD_NS	"\"namespaces\":[" SIX ",{\"type\":\"user\",\"path\":\"/proc/1/ns/user\"}],"
#define MAPS                                                                                       \
	",\"uidMappings\":" MAP("0", "70000", "5000") ",\"gidMappings\":" MAP("0", "70000", "5000")

static void a_pods_volumes_are_mapped_as_its_user_namespace(void **state)
{
	/* As Kubernetes has it: disk and container have the same ids. */
	const char *volume = IDMAP(MAP("0", "70000", "5000"), MAP("0", "70000", "5000"));
	const char *shifted = IDMAP(MAP("0", "71000", "1"), MAP("0", "71000", "1"));
	const char *without = IDMAP(MAP("7", "71000", "1"), MAP("7", "71000", "1"));

	(void)state;
	accepted("strict",
		 &(struct parts){.namespaces = USER_NS, .more_linux = MAPS, .mounts = volume},
		 NULL);
	accepted("strict",
		 &(struct parts){.namespaces = POD_NS, .more_linux = MAPS, .mounts = volume}, NULL);
	refused("default",
		&(struct parts){.namespaces = USER_NS, .more_linux = MAPS, .mounts = shifted}, NULL,
		"the workload's id 1000 would be 0");
	/* Who is who there is known to the kernel only. */
	refused("default", &(struct parts){.namespaces = POD_NS, .mounts = volume}, NULL,
		"can not be told");
	accepted("default", &(struct parts){.namespaces = POD_NS, .mounts = without}, NULL);
}

#define TEST(name) cmocka_unit_test_teardown(name, free_arena)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(real_time_is_left_out),
	    TEST(nice_is_not_below_0),
	    TEST(input_and_output_are_not_ahead_of_all),
	    TEST(rlimits_do_not_let_it_go_ahead),
	    TEST(an_oom_score_is_the_engines_at_create),
	    TEST(no_mount_makes_the_workload_root_on_the_disk),
	    TEST(a_pods_volumes_are_mapped_as_its_user_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
