/* link: policy config base gen */
/* Who the workload is and what it may do: those rows of the policy table (DESIGN.md section 3)
 * under default, strict and oci. */
#include "policy_help.h"

static const char *const builtin[] = {"default", "strict", "oci"};

static void a_hardened_config_is_left_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++)
		unchanged(accepted(builtin[i], &(struct parts){.root = NULL}, NULL));
}

static void what_spec_prints_needs_no_hardening(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct outcome o = {.result = 0};
		struct policy_input in = {.policy = policy_of(builtin[i])};

		config_spec(&test_arena, &o.cfg);
		o.findings.arena = &test_arena;
		assert_int_equal(
		    policy_apply(&test_arena, &in, false, &o.cfg, &o.hard, &o.findings, &o.err), 0);
		unchanged(&o);
	}
}

static void assert_user(const struct outcome *o, uint32_t uid, uint32_t gid)
{
	assert_int_equal(o->cfg.process.user.uid, uid);
	assert_int_equal(o->cfg.process.user.gid, gid);
}

static void root_becomes_1000(void **state)
{
	static const char *const users[] = {
	    "",
	    "\"user\":{\"uid\":0,\"gid\":0,\"additionalGids\":[0,10]},",
	    "\"user\":{\"uid\":0,\"gid\":7},",
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct parts parts = {.user = users[i], .env = "\"HOME=/root\""};
		struct outcome *o = accepted("default", &parts, NULL);

		assert_user(o, 1000, 1000);
		assert_true(o->cfg.process.user_present);
		assert_true(o->hard.home_follows);
		assert_non_null(strstr(change_at(o, "process.user"), "made 1000:1000"));
		refused("strict", &parts, NULL, "process.user.uid");
		o = accepted("oci", &parts, NULL);
		assert_user(o, 0, i == 2 ? 7 : 0);
		assert_false(o->hard.home_follows);
		unchanged(o);
	}
}

/* What a step of `podman build` came to under a policy: NULL, or the message. */
static const char *build_step(const char *policy, const char *root, const char *user)
{
	struct outcome *o = arena_alloc(&test_arena, sizeof(*o));
	struct policy_input in = {.policy = policy_of(policy), .image_build = true};
	char *text = config_text(&test_arena, &(struct parts){.root = root, .user = user});

	o->findings.arena = &test_arena;
	if (config_parse(&test_arena, "config.json", text, strlen(text), &o->cfg, &o->err) < 0)
		fail_msg("%s", o->err.text);
	if (policy_apply(&test_arena, &in, false, &o->cfg, &o->hard, &o->findings, &o->err) == 0)
		return NULL;
	return o->err.text;
}

static void a_build_is_refused_by_what_can_not_build_and_told_what_can(void **state)
{
	static const char writable[] = "\"readonly\":false", readonly[] = "\"readonly\":true";
	static const char lets_write[] =
	    "{\"name\":\"w\",\"extends\":\"default\",\"rootfs\":{\"readonly\":false}}";

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const char *message = build_step(builtin[i], writable, "");

		assert_non_null(message);
		assert_non_null(strstr(message, "image build"));
		assert_non_null(strstr(message, "--runtime-flag policy=oci"));
	}
	assert_null(build_step("oci", writable, ""));
	/* USER app, where the rootfs may be written. */
	assert_non_null(build_step(lets_write, writable, ""));
	assert_null(build_step(lets_write, writable, NULL));
	assert_null(build_step("default", readonly, NULL));
}

static void a_tmpfs_of_config_is_for_who_took_roots_place(void **state)
{
#define TMPFS(place, option)                                                                       \
	"{\"destination\":\"" place "\",\"type\":\"tmpfs\",\"options\":[\"" option "\"]}"
	static const char mounts[] =
	    TMPFS("/data", "mode=0700") "," TMPFS("/dev/x", "rw") "," TMPFS(
		"/sys/fs/cgroup", "rw") "," TMPFS("/own", "uid=0") "," TMPFS("/also",
									     "size=1m,gid=0");
	const struct parts root = {.user = "", .mounts = mounts};
	const struct parts other = {.mounts = mounts};
	struct outcome *o = accepted("default", &root, NULL);

	(void)state;
	assert_int_equal(o->hard.given_tmpfs.n, 1);
	assert_string_equal(o->hard.given_tmpfs.items[0], "/data");
	assert_non_null(change_at(o, "mounts[0]"));
	assert_int_equal(accepted("default", &other, NULL)->hard.given_tmpfs.n, 0);
	assert_int_equal(accepted("default", &root, "root")->hard.given_tmpfs.n, 0);
	assert_int_equal(accepted("oci", &root, NULL)->hard.given_tmpfs.n, 0);
}

static void root_can_be_let_stay(void **state)
{
	struct parts parts = {
	    .user = "\"user\":{\"uid\":0,\"gid\":0,\"additionalGids\":[0]},",
	    .env = "\"HOME=/root\"",
	    .capabilities = "\"bounding\":[\"CAP_CHOWN\"]",
	};
	struct outcome *o = accepted("default", &parts, "root");

	(void)state;
	assert_user(o, 0, 0);
	assert_int_equal(o->cfg.process.user.additional_gids.n, 1);
	assert_false(o->hard.home_follows);
	assert_int_equal(o->cfg.process.capabilities.bounding.n, 0);
	refused("strict", &parts, "root", "--allow root: this policy does not accept it");
}

static void another_user_becomes_of_root_by_name(void **state)
{
	struct parts root = {.user = ""};
	struct parts other = {.user = "\"user\":{\"uid\":33,\"gid\":33},"};

	(void)state;
	assert_user(accepted("default", &root, "user=5:6"), 5, 6);
	assert_user(accepted("default", &root, "user=5"), 5, 5);
	assert_user(accepted("oci", &root, "user=5"), 5, 5);
	/* A user that somebody named is not taken away. */
	assert_user(accepted("default", &other, "user=5:6"), 33, 33);
}

static void groups_of_another_user(void **state)
{
	struct parts gid = {.user = "\"user\":{\"uid\":33,\"gid\":0},"};
	struct parts more = {
	    .user = "\"user\":{\"uid\":33,\"gid\":33,\"additionalGids\":[0,2000,0,3000]},"};
	struct outcome *o = accepted("default", &gid, NULL);

	(void)state;
	assert_user(o, 33, 1000);
	(void)change_at(o, "process.user.gid");
	refused("strict", &gid, NULL, "process.user.gid");
	assert_user(accepted("oci", &gid, NULL), 33, 0);

	o = accepted("default", &more, NULL);
	assert_int_equal(o->cfg.process.user.additional_gids.n, 2);
	assert_int_equal(o->cfg.process.user.additional_gids.items[0], 2000);
	assert_int_equal(o->cfg.process.user.additional_gids.items[1], 3000);
	(void)change_at(o, "process.user.additionalGids");
	refused("strict", &more, NULL, "process.user.additionalGids");
	assert_int_equal(accepted("oci", &more, NULL)->cfg.process.user.additional_gids.n, 4);
}

static void home_follows_the_user(void **state)
{
	static const struct {
		const char *user;
		const char *env;
		bool follows;
	} rows[] = {
	    {"", "\"HOME=/app\"", true},
	    {NULL, "\"HOME=/app\"", false},
	    {NULL, "", true},
	    {NULL, "\"HOME=\"", true},
	    {NULL, "\"HOME=/root\"", true},
	    {NULL, "\"HOMER=/root\",\"HOME=/app\"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parts parts = {.user = rows[i].user, .env = rows[i].env};

		assert_int_equal(accepted("default", &parts, NULL)->hard.home_follows,
				 rows[i].follows);
		assert_false(accepted("oci", &parts, NULL)->hard.home_follows);
		if (rows[i].user == NULL)
			assert_int_equal(accepted("strict", &parts, NULL)->hard.home_follows,
					 rows[i].follows);
	}
}

static void home_that_would_break_passwd_is_refused(void **state)
{
	static const char *const homes[] = {"\"HOME=/a:0:0\"", "\"HOME=/a\\nroot\"",
					    "\"HOME=/a\\u007f\"", "\"HOME=/a\",\"HOME=/b:c\""};

	(void)state;
	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++) {
		struct parts parts = {.env = homes[i]};

		refused("default", &parts, NULL, "config.json: process.env[");
		refused("strict", &parts, NULL, "HOME has a colon, a newline");
		(void)accepted("oci", &parts, NULL);
	}
}

#define USER_NS "\"namespaces\":[" SIX ",{\"type\":\"user\"}],"
#define MAPS(maps)                                                                                 \
	.namespaces = USER_NS,                                                                     \
	.more_linux = ",\"uidMappings\":[" maps "],\"gidMappings\":[" maps "]"
#define MAP(inside, outside, size)                                                                 \
	"{\"containerID\":" #inside ",\"hostID\":" #outside ",\"size\":" #size "}"

static void the_user_must_be_mapped(void **state)
{
	static const struct {
		struct parts parts;
		const char *part; /* NULL: fine */
	} rows[] = {
	    {{MAPS(MAP(0, 100000, 65536))}, NULL},
	    {{MAPS(MAP(0, 100000, 1000) "," MAP(1000, 200000, 1))}, NULL},
	    {{MAPS(MAP(0, 100000, 1000))},
	     "linux.uidMappings: uid 1000, which the workload runs as"},
	    {{MAPS(MAP(0, 100000, 1000))}, "it maps 0-999 to 100000-100999"},
	    {{MAPS("")}, "it is empty"},
	    {{MAPS(MAP(1000, 0, 1))}, "maps uid 1000 to 0, root on the host"},
	    {{.namespaces = USER_NS,
	      .more_linux =
		  ",\"uidMappings\":[" MAP(0, 5, 2000) "],\"gidMappings\":[" MAP(0, 5, 1) "]"},
	     "linux.gidMappings: gid 1000"},
	    {{.user = "\"user\":{\"uid\":7,\"gid\":7,\"additionalGids\":[4000]},",
	      MAPS(MAP(0, 9, 100))},
	     "additional gid 4000"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)accepted("oci", &rows[i].parts, NULL);
		for (size_t k = 0; k < 2; k++) {
			if (rows[i].part == NULL)
				(void)accepted(builtin[k], &rows[i].parts, NULL);
			else
				refused(builtin[k], &rows[i].parts, NULL, rows[i].part);
		}
	}
}

static void a_rootless_engine_maps_to_its_own_0(void **state)
{
	struct parts parts = {MAPS(MAP(0, 1, 1000) "," MAP(1000, 0, 1))};
	struct outcome o = {.result = 0};
	char *text = config_text(&test_arena, &parts);
	struct policy_input in = {.policy = policy_of("default"), .in_user_namespace = true};

	(void)state;
	o.findings.arena = &test_arena;
	assert_int_equal(
	    config_parse(&test_arena, "config.json", text, strlen(text), &o.cfg, &o.err), 0);
	assert_int_equal(
	    policy_apply(&test_arena, &in, false, &o.cfg, &o.hard, &o.findings, &o.err), 0);
}

static void a_joined_user_namespace_is_for_plan_to_look_at(void **state)
{
	struct parts parts = {.namespaces = "\"namespaces\":[" SIX
					    ",{\"type\":\"user\",\"path\":\"/proc/7/ns/user\"}],"};

	(void)state;
	assert_true(accepted("default", &parts, NULL)->hard.check_mapping);
	assert_true(accepted("strict", &parts, NULL)->hard.check_mapping);
	assert_false(accepted("oci", &parts, NULL)->hard.check_mapping);
	assert_false(accepted("default", &(struct parts){.root = NULL}, NULL)->hard.check_mapping);
}

static size_t all_capabilities(const struct outcome *o)
{
	const struct config_capabilities *c = &o->cfg.process.capabilities;

	assert_true(c->present);
	assert_int_equal(c->bounding.n, c->effective.n);
	assert_int_equal(c->bounding.n, c->inheritable.n);
	assert_int_equal(c->bounding.n, c->permitted.n);
	assert_int_equal(c->bounding.n, c->ambient.n);
	return c->bounding.n;
}

static void capabilities_are_none(void **state)
{
	struct parts parts = {.capabilities = "\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"],"
					      "\"effective\":[\"CAP_CHOWN\"],"
					      "\"inheritable\":[\"CAP_CHOWN\"],"
					      "\"permitted\":[\"CAP_NET_RAW\"],"
					      "\"ambient\":[\"CAP_CHOWN\"]"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct outcome *o = accepted(builtin[i], &parts, NULL);

		assert_int_equal(all_capabilities(o), 0);
		assert_non_null(strstr(change_at(o, "process.capabilities"),
				       "CAP_CHOWN, CAP_KILL, CAP_NET_RAW: taken out of all sets"));
	}
	struct outcome *o = accepted("oci", &parts, NULL);

	assert_int_equal(o->cfg.process.capabilities.bounding.n, 2);
	assert_string_equal(o->cfg.process.capabilities.permitted.items[0], "CAP_NET_RAW");
	unchanged(o);
}

static void a_capability_on_purpose_is_in_all_sets(void **state)
{
	struct parts parts = {.capabilities = "\"bounding\":[\"CAP_NET_RAW\",\"CAP_KILL\"]"};
	struct outcome *o = accepted("default", &parts, "capability=net_raw,CAP_CHOWN");

	(void)state;
	assert_int_equal(all_capabilities(o), 2);
	assert_string_equal(o->cfg.process.capabilities.ambient.items[0], "CAP_NET_RAW");
	assert_non_null(strstr(change_at(o, "process.capabilities"), "CAP_KILL: taken"));
	refused("strict", &parts, "capability=net_raw", "--allow capability: this policy does not");
	o = accepted("{\"extends\":\"strict\",\"allow\":[\"capability\"]}", &parts,
		     "capability=net_raw");
	assert_int_equal(all_capabilities(o), 1);
	o = accepted("oci", &parts, "capability=CAP_CHOWN");
	assert_int_equal(o->cfg.process.capabilities.bounding.n, 3);
	assert_int_equal(o->cfg.process.capabilities.ambient.n, 1);
}

static void no_new_privileges_is_always_on(void **state)
{
	struct parts parts = {.no_new_privileges = "false"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct outcome *o = accepted(builtin[i], &parts, NULL);

		assert_true(o->cfg.process.no_new_privileges);
		(void)change_at(o, "process.noNewPrivileges");
	}
	assert_false(accepted("oci", &parts, NULL)->cfg.process.no_new_privileges);
	assert_false(accepted("default", &parts, "new-privileges")->cfg.process.no_new_privileges);
}

static void a_new_keyring_is_always_made(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct outcome o = {.result = 0};
		struct policy_input in = {.policy = policy_of(builtin[i]), .no_new_keyring = true};

		config_spec(&test_arena, &o.cfg);
		o.findings.arena = &test_arena;
		assert_int_equal(
		    policy_apply(&test_arena, &in, false, &o.cfg, &o.hard, &o.findings, &o.err), 0);
		assert_false(o.hard.new_keyring);
		assert_true(
		    accepted(builtin[i], &(struct parts){.root = NULL}, NULL)->hard.new_keyring);
	}
}

static void the_built_in_filter_is_beside_the_engines(void **state)
{
	struct parts with = {.more_linux = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct outcome *o = accepted(builtin[i], &with, NULL);

		assert_non_null(o->cfg.linux_.seccomp);
		assert_int_equal(o->hard.builtin_seccomp, i != 2);
		o = accepted(builtin[i], &(struct parts){.root = NULL}, NULL);
		assert_int_equal(o->hard.builtin_seccomp, i != 2);
	}
	struct outcome *o = accepted("default", &with, "seccomp=ptrace");

	assert_int_equal(o->hard.seccomp_allow.n, 1);
	assert_string_equal(o->hard.seccomp_allow.items[0], "ptrace");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(a_hardened_config_is_left_alone, free_arena),
	    cmocka_unit_test_teardown(what_spec_prints_needs_no_hardening, free_arena),
	    cmocka_unit_test_teardown(root_becomes_1000, free_arena),
	    cmocka_unit_test_teardown(a_build_is_refused_by_what_can_not_build_and_told_what_can,
				      free_arena),
	    cmocka_unit_test_teardown(a_tmpfs_of_config_is_for_who_took_roots_place, free_arena),
	    cmocka_unit_test_teardown(root_can_be_let_stay, free_arena),
	    cmocka_unit_test_teardown(another_user_becomes_of_root_by_name, free_arena),
	    cmocka_unit_test_teardown(groups_of_another_user, free_arena),
	    cmocka_unit_test_teardown(home_follows_the_user, free_arena),
	    cmocka_unit_test_teardown(home_that_would_break_passwd_is_refused, free_arena),
	    cmocka_unit_test_teardown(the_user_must_be_mapped, free_arena),
	    cmocka_unit_test_teardown(a_rootless_engine_maps_to_its_own_0, free_arena),
	    cmocka_unit_test_teardown(a_joined_user_namespace_is_for_plan_to_look_at, free_arena),
	    cmocka_unit_test_teardown(capabilities_are_none, free_arena),
	    cmocka_unit_test_teardown(a_capability_on_purpose_is_in_all_sets, free_arena),
	    cmocka_unit_test_teardown(no_new_privileges_is_always_on, free_arena),
	    cmocka_unit_test_teardown(a_new_keyring_is_always_made, free_arena),
	    cmocka_unit_test_teardown(the_built_in_filter_is_beside_the_engines, free_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
