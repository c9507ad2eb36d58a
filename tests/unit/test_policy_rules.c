/* link: policy config base gen */
/* The rows of the policy table (DESIGN.md section 3) but limits, under default, strict and oci. */
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

static void the_rootfs_is_read_only(void **state)
{
	struct parts parts = {.root = "\"readonly\":false"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct outcome *o = accepted(builtin[i], &parts, NULL);

		assert_true(o->cfg.root.readonly);
		(void)change_at(o, "root.readonly");
		assert_false(accepted(builtin[i], &parts, "rootfs-writable")->cfg.root.readonly);
	}
	assert_false(accepted("oci", &parts, NULL)->cfg.root.readonly);
}

static void there_are_places_to_write(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct outcome *o = accepted(builtin[i], &(struct parts){.root = NULL}, NULL);
		const struct hardening_tmpfs *t = o->hard.tmpfs;

		assert_int_equal(o->hard.n_tmpfs, 3);
		assert_string_equal(t[0].path, "/run");
		assert_true(t[0].mode == 0755 && t[0].copy_up && t[0].owned && !t[0].exec);
		assert_string_equal(t[1].path, "/tmp");
		assert_true(t[1].mode == 01777 && !t[1].copy_up && !t[1].owned && !t[1].exec);
		assert_string_equal(t[2].path, "/var/tmp");
		assert_true(t[2].mode == 01777 && !t[2].copy_up && !t[2].owned && !t[2].exec);
		/* Half of config's 512 MiB. */
		assert_int_equal(o->hard.tmpfs_max_bytes, 256 << 20);
	}
	assert_int_equal(accepted("oci", &(struct parts){.root = NULL}, NULL)->hard.n_tmpfs, 0);
}

static void more_places_by_name(void **state)
{
	static const char *const allow[] = {"tmpfs=/run/x/,/cache:exec", "tmpfs=/tmp:exec", NULL};
	struct outcome *o = apply_to("default", &(struct parts){.root = NULL}, allow, false);

	(void)state;
	assert_int_equal(o->result, 0);
	assert_int_equal(o->hard.n_tmpfs, 5);
	assert_string_equal(o->hard.tmpfs[0].path, "/cache");
	assert_true(o->hard.tmpfs[0].exec && o->hard.tmpfs[0].owned);
	/* Behind /run, which would hide it. */
	assert_string_equal(o->hard.tmpfs[2].path, "/run/x");
	assert_false(o->hard.tmpfs[2].exec);
	assert_true(o->hard.tmpfs[3].exec && o->hard.tmpfs[3].mode == 01777);
	assert_false(o->hard.tmpfs[4].exec);
}

static void propagation_stays_in_the_container(void **state)
{
	static const struct {
		const char *was;
		const char *becomes;
	} rows[] = {{"shared", "rprivate"},
		    {"rshared", "rprivate"},
		    {"rslave", "rslave"},
		    {"private", "private"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parts parts = {
		    .more_linux =
			arena_printf(&test_arena, ",\"rootfsPropagation\":\"%s\"", rows[i].was)};

		for (size_t k = 0; k < 2; k++)
			assert_string_equal(
			    accepted(builtin[k], &parts, NULL)->cfg.linux_.rootfs_propagation,
			    rows[i].becomes);
		assert_string_equal(accepted("oci", &parts, NULL)->cfg.linux_.rootfs_propagation,
				    rows[i].was);
		assert_string_equal(accepted("default", &parts, "shared-propagation")
					->cfg.linux_.rootfs_propagation,
				    rows[i].was);
	}
}

static bool has(const struct outcome *o, const char *option)
{
	return str_list_has(&o->cfg.mounts[0].options, option);
}

#define MOUNT(destination, type, options)                                                          \
	{                                                                                          \
		.mounts = "{\"destination\":\"" destination "\",\"type\":\"" type                  \
			  "\",\"source\":\"/srv\",\"options\":[" options "]}"                      \
	}

static void mounts_are_nosuid_and_nodev(void **state)
{
	static const struct {
		struct parts parts;
		const char *options; /* as they end up */
		bool contrary;
	} rows[] = {
	    {MOUNT("/data", "bind", "\"bind\""), "bind,nosuid,nodev", false},
	    {MOUNT("/data", "", "\"bind\",\"ro\",\"nodev\""), "bind,ro,nodev,nosuid", false},
	    {MOUNT("/data", "bind", "\"rbind\",\"nosuid\""), "rbind,nosuid,rnosuid,rnodev", false},
	    {MOUNT("/data", "tmpfs", "\"suid\",\"dev\",\"exec\""), "exec,nosuid,nodev", true},
	    {MOUNT("/data", "bind", "\"rbind\",\"rsuid\",\"rnodev\""), "rbind,rnodev,rnosuid",
	     true},
	    {MOUNT("/data", "tmpfs", "\"nosuid\",\"nodev\",\"defaults\""),
	     "nosuid,nodev,defaults,nosuid,nodev", false},
	    {MOUNT("/proc", "proc", ""), "nosuid,nodev", false},
	    {MOUNT("/dev", "tmpfs", "\"nosuid\""), "nosuid,noexec", false},
	    {MOUNT("//dev/.", "tmpfs", ""), "nosuid,noexec", false},
	    {MOUNT("/dev/pts", "devpts", ""), "nosuid,noexec", false},
	    {MOUNT("/dev/shm", "tmpfs", ""), "nosuid,nodev", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t k = 0; k < 2; k++) {
			struct outcome *o = accepted(builtin[k], &rows[i].parts, NULL);
			char *text = arena_strdup(&test_arena, "");

			for (size_t n = 0; n < o->cfg.mounts[0].options.n; n++)
				text = arena_printf(&test_arena, "%s%s%s", text, n ? "," : "",
						    o->cfg.mounts[0].options.items[n]);
			assert_string_equal(text, rows[i].options);
			assert_int_equal(findings_have(&o->findings, FINDING_CHANGED),
					 rows[i].contrary);
		}
		struct outcome *o = accepted("oci", &rows[i].parts, NULL);

		assert_int_equal(o->findings.n, 0);
	}
}

static void a_bound_device_works(void **state)
{
	struct parts null = {.mounts = "{\"destination\":\"/etc/x\",\"type\":\"bind\","
				       "\"source\":\"/dev/null\",\"options\":[\"bind\"]}"};
	struct parts fuse = {.mounts = "{\"destination\":\"/dev/fuse\",\"type\":\"bind\","
				       "\"source\":\"/dev/fuse\",\"options\":[\"bind\"]}"};

	(void)state;
	assert_false(has(accepted("default", &null, NULL), "nodev"));
	assert_true(has(accepted("default", &null, NULL), "nosuid"));
	assert_true(has(accepted("default", &fuse, NULL), "nodev"));
	assert_false(has(accepted("default", &fuse, "device=/dev/fuse"), "nodev"));
}

static void binds_are_for_plan_to_look_at(void **state)
{
	struct parts parts = {.root = NULL};
	struct outcome *o = accepted("default", &parts, "bind=/run/docker.sock");

	(void)state;
	assert_true(o->hard.check_binds);
	assert_string_equal(o->hard.allowed_binds.items[0], "/run/docker.sock");
	assert_true(accepted("strict", &parts, NULL)->hard.check_binds);
	assert_false(accepted("oci", &parts, NULL)->hard.check_binds);
}

static void the_usual_paths_are_masked(void **state)
{
	struct parts parts = {.paths = "\"maskedPaths\":[\"/x\",\"/proc/keys/\"],"
				       "\"readonlyPaths\":[]"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct outcome *o = accepted(builtin[i], &parts, NULL);

		assert_string_equal(o->cfg.linux_.masked_paths.items[0], "/x");
		assert_true(str_list_has(&o->cfg.linux_.masked_paths, "/proc/kcore"));
		assert_false(str_list_has(&o->cfg.linux_.masked_paths, "/proc/keys"));
		assert_true(str_list_has(&o->cfg.linux_.readonly_paths, "/proc/sys"));
		(void)change_at(o, "linux.maskedPaths");
		(void)change_at(o, "linux.readonlyPaths");
		o = accepted(builtin[i], &parts, "unmask=/proc/sys,/proc/kcore");
		assert_false(str_list_has(&o->cfg.linux_.readonly_paths, "/proc/sys"));
		assert_false(str_list_has(&o->cfg.linux_.masked_paths, "/proc/kcore"));
		assert_true(str_list_has(&o->cfg.linux_.masked_paths, "/sys/firmware"));
		o = accepted(builtin[i], &parts, "unmask=all");
		assert_int_equal(o->cfg.linux_.masked_paths.n, 2);
		assert_int_equal(o->cfg.linux_.readonly_paths.n, 0);
	}
	struct outcome *o = accepted("oci", &parts, NULL);

	assert_int_equal(o->cfg.linux_.masked_paths.n, 2);
	unchanged(o);
}

static void devices_are_the_default_set(void **state)
{
	struct parts parts = {
	    .more_linux = ",\"devices\":[{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,"
			  "\"minor\":3},{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,"
			  "\"minor\":229},{\"path\":\"/dev/full\",\"type\":\"b\",\"major\":8,"
			  "\"minor\":0}]",
	    .resources = LIMITS
	    ",\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
	    "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rwm\"},"
	    "{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rwm\"},"
	    "{\"allow\":true,\"type\":\"c\",\"access\":\"m\"}]",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct outcome *o = accepted(builtin[i], &parts, NULL);

		assert_true(o->hard.restrict_devices);
		assert_int_equal(o->cfg.linux_.n_devices, 0);
		assert_int_equal(o->cfg.linux_.resources.n_devices, 0);
		assert_null(finding_at(o, FINDING_CHANGED, "linux.devices[0]"));
		(void)change_at(o, "linux.devices[1]");
		/* A disk under a usual name is no usual device. */
		(void)change_at(o, "linux.devices[2]");
		assert_null(finding_at(o, FINDING_CHANGED, "linux.resources.devices[1]"));
		(void)change_at(o, "linux.resources.devices[2]");
		assert_null(finding_at(o, FINDING_CHANGED, "linux.resources.devices[3]"));
		o = accepted(builtin[i], &parts, "device=/dev/fuse");
		assert_int_equal(o->cfg.linux_.n_devices, 1);
		assert_string_equal(o->cfg.linux_.devices[0].path, "/dev/fuse");
		assert_null(finding_at(o, FINDING_CHANGED, "linux.resources.devices[2]"));
	}
	struct outcome *o = accepted("oci", &parts, NULL);

	assert_false(o->hard.restrict_devices);
	assert_int_equal(o->cfg.linux_.n_devices, 3);
	assert_int_equal(o->cfg.linux_.resources.n_devices, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(a_hardened_config_is_left_alone, free_arena),
	    cmocka_unit_test_teardown(what_spec_prints_needs_no_hardening, free_arena),
	    cmocka_unit_test_teardown(root_becomes_1000, free_arena),
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
	    cmocka_unit_test_teardown(the_rootfs_is_read_only, free_arena),
	    cmocka_unit_test_teardown(there_are_places_to_write, free_arena),
	    cmocka_unit_test_teardown(more_places_by_name, free_arena),
	    cmocka_unit_test_teardown(propagation_stays_in_the_container, free_arena),
	    cmocka_unit_test_teardown(mounts_are_nosuid_and_nodev, free_arena),
	    cmocka_unit_test_teardown(a_bound_device_works, free_arena),
	    cmocka_unit_test_teardown(binds_are_for_plan_to_look_at, free_arena),
	    cmocka_unit_test_teardown(the_usual_paths_are_masked, free_arena),
	    cmocka_unit_test_teardown(devices_are_the_default_set, free_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
