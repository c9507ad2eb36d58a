/* link: policy config base gen */
/* exec: one more process under the policy that the container was made under. */
#include "policy_help.h"

#define OWN_USER "\"user\":{\"uid\":4000,\"gid\":5000,\"additionalGids\":[7],\"umask\":18},"

/* What became of a process asked for in a container. */
struct executed {
	int result;
	struct config_process process;
	struct hardening hard;
	struct findings findings;
	struct error err;
};

static struct executed *exec_in(const char *policy, const struct parts *parts, const char *allow,
				const char *process)
{
	struct outcome *o = accepted(policy, parts, allow);
	struct executed *e = arena_alloc(&test_arena, sizeof(*e));
	struct policy_setting setting;
	struct policy_input in = {.policy = policy_of(policy), .allow = &setting};
	char *text = arena_printf(&test_arena, "{\"args\":[\"ls\"],\"cwd\":\"/\"%s}", process);

	if (allow != NULL && policy_parse_allow(&test_arena, allow, &setting, &e->err) < 0)
		fail_msg("%s", e->err.text);
	in.n_allow = allow != NULL;
	e->findings.arena = &test_arena;
	if (config_parse_process(&test_arena, "process.json", text, strlen(text), &e->process,
				 &e->err) < 0)
		fail_msg("%s", e->err.text);
	e->result = policy_apply_process(&test_arena, &in, &o->cfg, &e->process, &e->hard,
					 &e->findings, &e->err);
	return e;
}

static struct executed *taken(const char *policy, const struct parts *parts, const char *allow,
			      const char *process)
{
	struct executed *e = exec_in(policy, parts, allow, process);

	if (e->result != 0)
		fail_msg("policy %s: %s", policy, e->err.text);
	return e;
}

static void exec_refused(const char *policy, const struct parts *parts, const char *process,
			 const char *part)
{
	struct executed *e = exec_in(policy, parts, NULL, process);

	if (e->result == 0)
		fail_msg("policy %s refused nothing; expected: %s", policy, part);
	if (strstr(e->err.text, part) == NULL)
		fail_msg("expected \"%s\" in \"%s\"", part, e->err.text);
	/* The process is not in config.json. */
	assert_null(strstr(e->err.text, "config.json"));
}

static bool changed_at(const struct executed *e, const char *path)
{
	for (size_t i = 0; i < e->findings.n; i++) {
		const struct finding *f = &e->findings.items[i];

		if (f->kind == FINDING_CHANGED && strcmp(f->path, path) == 0)
			return true;
	}
	return false;
}

static void assert_user(const struct executed *e, uint32_t uid, uint32_t gid, size_t n_groups)
{
	assert_int_equal(e->process.user.uid, uid);
	assert_int_equal(e->process.user.gid, gid);
	assert_int_equal(e->process.user.additional_gids.n, n_groups);
	assert_true(e->process.user_present);
}

static void root_becomes_the_containers_own_user(void **state)
{
	static const char *const users[] = {
	    "",
	    ",\"user\":{\"uid\":0,\"gid\":0}",
	    ",\"user\":{\"uid\":0,\"gid\":44,\"additionalGids\":[0,1,2]}",
	};
	const struct parts parts = {.user = OWN_USER};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct executed *e = taken("default", &parts, NULL, users[i]);

		assert_user(e, 4000, 5000, 1);
		assert_int_equal(e->process.user.additional_gids.items[0], 7);
		assert_int_equal(e->process.user.umask.value, 18);
		assert_true(changed_at(e, "process.user"));
		exec_refused("strict", &parts, users[i], "process.user.uid: ");
	}
	/* One that was made 1000 itself. */
	assert_user(taken("default", &(struct parts){.user = ""}, NULL, users[1]), 1000, 1000, 0);
}

static void another_user_is_kept_but_for_roots_group(void **state)
{
	const struct parts parts = {.user = OWN_USER};

	(void)state;
	assert_user(taken("default", &parts, NULL, ",\"user\":{\"uid\":33,\"gid\":34}"), 33, 34, 0);
	struct executed *e = taken("default", &parts, NULL,
				   ",\"user\":{\"uid\":33,\"gid\":0,\"additionalGids\":[0,9]}");

	assert_user(e, 33, 5000, 1);
	assert_int_equal(e->process.user.additional_gids.items[0], 9);
	exec_refused("strict", &parts, ",\"user\":{\"uid\":33,\"gid\":0}", "process.user.gid");
	assert_user(taken("{\"user\":{\"rootGroup\":\"keep\"}}",
			  &(struct parts){.user = "\"user\":{\"uid\":5,\"gid\":0},"}, NULL, ""),
		    5, 0, 0);
}

static void root_that_was_let_stay_stays_in_exec(void **state)
{
	const struct parts parts = {.user = "\"user\":{\"uid\":0,\"gid\":0},"};

	(void)state;
	assert_user(taken("default", &parts, "root", ",\"user\":{\"uid\":0,\"gid\":0}"), 0, 0, 0);
	assert_user(taken("oci", &parts, NULL, ",\"user\":{\"uid\":0,\"gid\":0}"), 0, 0, 0);
	/* A group of root's for another user is the policy's then. */
	assert_user(taken("default", &parts, "root", ",\"user\":{\"uid\":33,\"gid\":0}"), 33, 1000,
		    0);
}

static void what_root_becomes_by_annotation_or_by_allow_holds_for_exec(void **state)
{
	const struct parts noted = {.user = "", .annotations = "\"io.runsafe.user\":\"77:78\""};
	const char *root = ",\"user\":{\"uid\":0,\"gid\":0}";

	(void)state;
	assert_user(taken("default", &noted, NULL, root), 77, 78, 0);
	assert_user(taken("default", &(struct parts){.user = ""}, "user=5:6", root), 5, 6, 0);
	/* Where an owner lets annotations say it. */
	assert_user(
	    taken("{\"annotations\":[\"root\"]}",
		  &(struct parts){.user = "", .annotations = "\"io.runsafe.root\":\"true\""}, NULL,
		  root),
	    0, 0, 0);
}

static void ids_must_be_mapped_in_the_containers_user_namespace(void **state)
{
	const struct parts parts = {
	    .namespaces = "\"namespaces\":[" SIX ",{\"type\":\"user\"}],",
	    .more_linux = ",\"uidMappings\":[{\"containerID\":0,\"hostID\":5000,\"size\":2000}]"
			  ",\"gidMappings\":[{\"containerID\":0,\"hostID\":5000,\"size\":2000}]",
	};

	(void)state;
	taken("default", &parts, NULL, ",\"user\":{\"uid\":1999,\"gid\":1}");
	exec_refused("default", &parts, ",\"user\":{\"uid\":2000,\"gid\":1}", "uid 2000");
}

static void home_follows_the_user(void **state)
{
	const struct parts root = {.user = "", .env = "\"HOME=/srv/db\",\"A=b\""};
	const char *const homes[] = {"", ",\"env\":[\"HOME=\"]", ",\"env\":[\"HOME=/root\"]"};
	/* The container's root became 1000: its HOME must not come back by exec. */
	struct outcome *o = accepted("default", &root, NULL);

	(void)state;
	assert_true(o->hard.home_follows);
	assert_null(env_get(&o->cfg.process.env, "HOME"));
	assert_string_equal(env_get(&o->cfg.process.env, "A"), "b");
	for (size_t i = 0; i < 3; i++) {
		struct executed *e =
		    taken("default", &root, NULL,
			  arena_printf(&test_arena, "%s,\"user\":{\"uid\":9,\"gid\":9}", homes[i]));

		assert_true(e->hard.home_follows);
	}
	assert_false(taken("default", &root, NULL,
			   ",\"env\":[\"HOME=/data\"],\"user\":{\"uid\":9,\"gid\":9}")
			 ->hard.home_follows);
	/* Root's HOME goes with root. */
	assert_true(taken("default", &root, NULL, ",\"env\":[\"HOME=/data\"]")->hard.home_follows);
	assert_false(taken("oci", &root, NULL, "")->hard.home_follows);
	exec_refused("default", &root, ",\"env\":[\"HOME=/a:b\"],\"user\":{\"uid\":9,\"gid\":9}",
		     "process.env[0]: HOME has a colon");
}

#define ASKED                                                                                      \
	",\"user\":{\"uid\":9,\"gid\":9},\"capabilities\":{\"bounding\":[\"CAP_CHOWN\","           \
	"\"CAP_NET_RAW\"],\"effective\":[\"CAP_NET_RAW\"],\"permitted\":[\"CAP_NET_RAW\"]}"

static void only_given_capabilities_count(void **state)
{
	const struct parts parts = {.user = NULL};
	struct executed *e = taken("default", &parts, NULL, ASKED);

	(void)state;
	assert_int_equal(e->process.capabilities.bounding.n, 0);
	assert_int_equal(e->process.capabilities.permitted.n, 0);
	assert_true(changed_at(e, "process.capabilities"));
	e = taken("default", &parts, "capability=CAP_NET_RAW", ASKED);
	assert_int_equal(e->process.capabilities.bounding.n, 1);
	assert_int_equal(e->process.capabilities.ambient.n, 1);
	assert_string_equal(e->process.capabilities.ambient.items[0], "CAP_NET_RAW");
	e = taken("oci", &parts, NULL, ASKED);
	assert_int_equal(e->process.capabilities.bounding.n, 2);
	assert_int_equal(e->process.capabilities.ambient.n, 0);
}

static void no_new_privileges_the_filter_and_a_keyring_are_always_there(void **state)
{
	const struct parts parts = {.no_new_privileges = "false"};
	struct executed *e = taken("default", &parts, NULL, "");

	(void)state;
	assert_true(e->process.no_new_privileges);
	assert_true(e->hard.builtin_seccomp && e->hard.new_keyring);
	assert_int_equal(e->hard.seccomp_allow.n, 0);
	assert_string_equal(e->hard.policy, "default");
	e = taken("default", &parts, "seccomp=ptrace", "");
	assert_string_equal(e->hard.seccomp_allow.items[0], "ptrace");
	assert_false(taken("default", &parts, "new-privileges", "")->process.no_new_privileges);
	e = taken("oci", &parts, NULL, "");
	assert_false(e->process.no_new_privileges || e->hard.builtin_seccomp);
	assert_true(e->hard.new_keyring);
}

static void the_keyring_is_as_it_was_at_create(void **state)
{
	struct outcome *o = accepted("default", &(struct parts){.user = NULL}, NULL);
	struct policy_input in = {.policy = policy_of("default"), .no_new_keyring = true};
	struct config_process process = o->cfg.process;

	(void)state;
	assert_int_equal(policy_apply_process(&test_arena, &in, &o->cfg, &process, &o->hard,
					      &o->findings, &o->err),
			 0);
	assert_false(o->hard.new_keyring);
}

static void exec_is_no_way_out_of_the_containers_labels(void **state)
{
	static const struct {
		const char *key;
		const char *own;
		const char *other;
	} rows[] = {
	    {"apparmorProfile", "mine", "unconfined"},
	    {"apparmorProfile", "mine", "theirs"},
	    {"selinuxLabel", "system_u:system_r:container_t:s0:c1,c2", "unconfined_u:x:y:s0"},
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct parts parts = {.user = arena_printf(&test_arena,
							   "\"user\":{\"uid\":9,\"gid\":9},"
							   "\"%s\":\"%s\",",
							   rows[i].key, rows[i].own)};
		char *path = arena_printf(&test_arena, "process.%s", rows[i].key);
		char *asked =
		    arena_printf(&test_arena, ",\"user\":{\"uid\":9,\"gid\":9},\"%s\":\"%s\"",
				 rows[i].key, rows[i].other);
		struct executed *e = taken("default", &parts, NULL, asked);

		assert_string_equal(i < 2 ? e->process.apparmor_profile : e->process.selinux_label,
				    rows[i].own);
		assert_true(changed_at(e, path));
		exec_refused("strict", &parts, asked, path);
		e = taken("oci", &parts, NULL, asked);
		assert_string_equal(i < 2 ? e->process.apparmor_profile : e->process.selinux_label,
				    rows[i].other);
		/* Where the container has none, one more confines. */
		e = taken("strict", &(struct parts){.user = NULL}, NULL, asked);
		assert_string_equal(i < 2 ? e->process.apparmor_profile : e->process.selinux_label,
				    rows[i].other);
		/* Its own, also by saying nothing, or an empty name. */
		for (size_t j = 0; j < 2; j++) {
			e = taken("strict", &parts, NULL,
				  arena_printf(&test_arena, ",\"user\":{\"uid\":9,\"gid\":9}%s",
					       j == 0 ? ""
						      : arena_printf(&test_arena, ",\"%s\":\"\"",
								     rows[i].key)));
			assert_string_equal(i < 2 ? e->process.apparmor_profile
						  : e->process.selinux_label,
					    rows[i].own);
		}
	}
}

static void exec_is_not_spared_before_the_container(void **state)
{
	const struct parts parts = {.user = "\"user\":{\"uid\":9,\"gid\":9},\"oomScoreAdj\":-5,"};
	const char *lower = ",\"user\":{\"uid\":9,\"gid\":9},\"oomScoreAdj\":-6";
	struct executed *e = taken("default", &parts, NULL, lower);

	(void)state;
	assert_int_equal(e->process.oom_score_adj.value, -5);
	assert_true(changed_at(e, "process.oomScoreAdj"));
	exec_refused("strict", &parts, lower, "process.oomScoreAdj");
	assert_int_equal(taken("oci", &parts, NULL, lower)->process.oom_score_adj.value, -6);
	assert_int_equal(taken("default", &parts, "priority", lower)->process.oom_score_adj.value,
			 -6);
	/* Without one of its own: 0. */
	e = taken("default", &(struct parts){.user = NULL}, NULL, lower);
	assert_false(e->process.oom_score_adj.set);
	e = taken("strict", &parts, NULL, ",\"user\":{\"uid\":9,\"gid\":9},\"oomScoreAdj\":-5");
	assert_int_equal(e->process.oom_score_adj.value, -5);
}

static void a_process_is_hardened_in_a_copy(void **state)
{
	struct outcome *o = accepted("default", &(struct parts){.user = OWN_USER}, NULL);
	struct policy_input in = {.policy = policy_of("default")};
	struct config before = o->cfg;
	struct config_process process = o->cfg.process;

	(void)state;
	process.user.uid = 0;
	assert_int_equal(policy_apply_process(&test_arena, &in, &o->cfg, &process, &o->hard,
					      &o->findings, &o->err),
			 0);
	assert_memory_equal(&before, &o->cfg, sizeof(before));
	assert_int_equal(process.user.uid, 4000);
}

static void a_policy_of_an_earlier_version_is_still_read(void **state)
{
	static const char old[] = "{\"name\":\"strict\",\"extends\":\"default\","
				  "\"user\":{\"root\":\"refuse\"},\"limits\":{\"pids\":\"77\"}}";
	static const char alone[] = "{\"name\":\"default\",\"extends\":\"none\","
				    "\"noNewPrivileges\":true}";
	struct error err = ERROR_INIT;

	(void)state;
	assert_null(policy_parse(&test_arena, "strict", old, strlen(old), &err));
	const struct policy *policy =
	    policy_parse_recorded(&test_arena, "strict", old, strlen(old), &err);

	assert_non_null(policy);
	assert_string_equal(policy_name(policy), "strict");
	assert_non_null(policy_parse_recorded(&test_arena, "default", alone, strlen(alone), &err));
	/* A person's policy is as it ever was. */
	assert_null(policy_parse_recorded(&test_arena, "x", "{\"extends\":\"none\",\"name\":\"x\"}",
					  29, &err));
}

#define TEST(name) cmocka_unit_test_teardown(name, free_arena)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(root_becomes_the_containers_own_user),
	    TEST(another_user_is_kept_but_for_roots_group),
	    TEST(root_that_was_let_stay_stays_in_exec),
	    TEST(what_root_becomes_by_annotation_or_by_allow_holds_for_exec),
	    TEST(ids_must_be_mapped_in_the_containers_user_namespace),
	    TEST(home_follows_the_user),
	    TEST(only_given_capabilities_count),
	    TEST(no_new_privileges_the_filter_and_a_keyring_are_always_there),
	    TEST(the_keyring_is_as_it_was_at_create),
	    TEST(exec_is_no_way_out_of_the_containers_labels),
	    TEST(exec_is_not_spared_before_the_container),
	    TEST(a_process_is_hardened_in_a_copy),
	    TEST(a_policy_of_an_earlier_version_is_still_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
