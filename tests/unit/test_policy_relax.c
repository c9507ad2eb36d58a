/* link: policy config base gen */
/* Who may relax (DESIGN.md section 3): the owner, and annotations only where the policy says so. */
#include "policy_help.h"

static struct parts annotated(const char *key, const char *value)
{
	return (struct parts){
	    .annotations = arena_printf(&test_arena, "\"%s\":\"%s\"", key, value),
	};
}

static void default_accepts_what_can_not_weaken(void **state)
{
	struct parts tmpfs = annotated("io.runsafe.tmpfs", "/cache,/data");
	struct parts user = annotated("io.runsafe.user", "7:8");
	struct parts again = annotated("io.runsafe.tmpfs", "/tmp");
	struct outcome *o = accepted("default", &tmpfs, NULL);

	(void)state;
	assert_int_equal(o->hard.n_tmpfs, 5);
	assert_string_equal(o->hard.tmpfs[0].path, "/cache");
	assert_false(o->hard.tmpfs[0].exec);
	assert_non_null(finding_at(o, FINDING_NOTE, "annotations.io.runsafe.tmpfs"));
	user.user = "";
	assert_int_equal(accepted("default", &user, NULL)->cfg.process.user.uid, 7);
	assert_int_equal(accepted("default", &user, NULL)->cfg.process.user.gid, 8);
	/* Of one that is there already, an annotation changes nothing. */
	o = accepted("default", &again, NULL);
	assert_int_equal(o->hard.n_tmpfs, 3);
	assert_int_equal(o->hard.tmpfs[1].mode, 01777);
}

static void no_annotation_gives_exec(void **state)
{
	struct parts parts = annotated("io.runsafe.tmpfs", "/cache:exec");

	(void)state;
	refused("default", &parts, NULL, ":exec only by --allow or a policy");
	/* Not even where the owner lists tmpfs. */
	refused("{\"extends\":\"oci\",\"annotations\":[\"*\"]}", &parts, NULL, ":exec only by");
}

static void no_annotation_makes_root(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct parts parts = annotated("io.runsafe.user", i == 0 ? "0" : "7:0");

		refused("default", &parts, NULL, "neither of them 0");
	}
}

static void a_relaxing_annotation_is_refused_by_name(void **state)
{
	const char *const *names = policy_setting_names();

	(void)state;
	for (size_t i = 0; names[i] != NULL; i++) {
		static const char *const harmless[] = {"tmpfs", "user", "memory", "cpus", "pids"};
		char *key = arena_printf(&test_arena, "io.runsafe.%s", names[i]);
		struct parts parts = annotated(key, "true");
		bool weakens = true;

		for (size_t k = 0; k < 5; k++)
			weakens = weakens && strcmp(names[i], harmless[k]) != 0;
		if (weakens)
			refused("default", &parts, NULL,
				"not accepted: an image could have brought it; "
				"/etc/runsafe/policy.json would accept it");
		refused("strict", &parts, NULL, "/etc/runsafe/policy.json would accept it");
		refused("oci", &parts, NULL, "/etc/runsafe/policy.json would accept it");
	}
}

static void a_misspelt_annotation_is_refused(void **state)
{
	static const char *const policies[] = {"default", "strict", "oci"};
	struct parts parts = annotated("io.runsafe.memroy", "1g");

	(void)state;
	for (size_t i = 0; i < 3; i++)
		refused(policies[i], &parts, NULL,
			"config.json: annotations.io.runsafe.memroy: runsafe knows no annotation");
}

static void a_policy_can_accept_more(void **state)
{
	struct parts parts = annotated("io.runsafe.rootfs-writable", "true");
	struct parts no = annotated("io.runsafe.rootfs-writable", "false");

	parts.root = "\"readonly\":false";
	(void)state;
	assert_false(
	    accepted("{\"annotations\":[\"rootfs-writable\"]}", &parts, NULL)->cfg.root.readonly);
	refused("{\"annotations\":[\"rootfs-writable\"]}", &no, NULL, "expected no value");
	/* --allow relaxes a container, not what its annotations may say. */
	refused("default", &parts, "rootfs-writable", "not accepted");
}

static void an_annotation_of_others_is_nothing_to_us(void **state)
{
	struct parts parts = annotated("io.runsafely.root", "true");
	struct parts crun = annotated("run.oci.handler", "krun");
	struct parts criu = annotated("org.criu.config", "/x");

	(void)state;
	assert_int_equal(accepted("default", &parts, NULL)->findings.n,
			 accepted("default", &(struct parts){.root = NULL}, NULL)->findings.n);
	assert_non_null(finding_at(accepted("default", &crun, NULL), FINDING_NOTE,
				   "annotations.run.oci.handler"));
	assert_non_null(finding_at(accepted("default", &criu, NULL), FINDING_NOTE,
				   "annotations.org.criu.config"));
	assert_false(policy_takes_criu_config(policy_of("default")));
	assert_false(policy_takes_criu_config(policy_of("strict")));
	/* It is honoured there: nothing to note. */
	unchanged(accepted("oci", &criu, NULL));
	assert_null(
	    finding_at(accepted("oci", &criu, NULL), FINDING_NOTE, "annotations.org.criu.config"));
	assert_true(policy_takes_criu_config(policy_of("oci")));
}

static void systemd_properties_are_the_harmless_five(void **state)
{
	static const char *const five[] = {"KillSignal", "TimeoutStopUSec", "CollectMode", "After",
					   "DefaultDependencies"};
	struct parts other = annotated("org.systemd.property.ExecStartPre", "'/bin/sh'");

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct parts parts =
		    annotated(arena_printf(&test_arena, "org.systemd.property.%s", five[i]), "'x'");

		(void)accepted("default", &parts, NULL);
		(void)accepted("strict", &parts, NULL);
		(void)accepted("oci", &parts, NULL);
	}
	refused("default", &other, NULL, "it would make the host do something on an image's word");
	refused("strict", &other, NULL, "\"systemdProperties\"");
	/* Also there: on hosts of others it was a hole (CVE-2024-3154). */
	refused("oci", &other, NULL, "\"systemdProperties\"");
	(void)accepted("oci", &other, "systemd-property=ExecStartPre");
	(void)accepted("default", &other, "systemd-property=ExecStartPre");
}

static void check_collects_all_refusals(void **state)
{
	struct parts parts = annotated("io.runsafe.memroy", "1g");
	size_t n = 0;

	parts.namespaces = "\"namespaces\":[{\"type\":\"mount\"}],";
	parts.env = "\"HOME=a:b\"";
	parts.root = "\"readonly\":false";
	struct outcome *o = apply_to("default", &parts, NULL, true);

	(void)state;
	assert_int_equal(o->result, 0);
	for (size_t i = 0; i < o->findings.n; i++)
		n += o->findings.items[i].kind == FINDING_REFUSED;
	/* The annotation, HOME, and the pid, network and ipc namespaces. */
	assert_int_equal(n, 5);
	(void)change_at(o, "root.readonly");
	assert_string_equal(o->err.text, "");
}

static void the_config_that_was_read_is_not_written_through(void **state)
{
	struct parts parts = {.mounts = "{\"destination\":\"/d\",\"options\":[\"bind\"]}",
			      .paths = "\"maskedPaths\":[]"};
	struct outcome *o = accepted("default", &parts, NULL);
	char *text = config_text(&test_arena, &parts);
	struct policy_input in = {.policy = policy_of("default")};
	struct config cfg = {.oci_version = NULL};
	struct config copy;

	(void)state;
	assert_int_equal(
	    config_parse(&test_arena, "config.json", text, strlen(text), &cfg, &o->err), 0);
	copy = cfg;
	assert_int_equal(
	    policy_apply(&test_arena, &in, false, &copy, &o->hard, &o->findings, &o->err), 0);
	assert_int_equal(cfg.mounts[0].options.n, 1);
	assert_null(cfg.mounts[0].options.items[1]);
	assert_int_equal(copy.mounts[0].options.n, 3);
}

static void a_policy_serves_many_containers(void **state)
{
	const struct policy *policy = policy_of("default");
	struct policy_setting cap = {.name = (char *)"capability", .value = (char *)"CAP_CHOWN"};
	struct policy_input in = {.policy = policy, .allow = &cap, .n_allow = 1};
	struct outcome o = {.result = 0};

	(void)state;
	o.findings.arena = &test_arena;
	for (size_t i = 0; i < 2; i++) {
		config_spec(&test_arena, &o.cfg);
		in.n_allow = 1 - i;
		assert_int_equal(
		    policy_apply(&test_arena, &in, false, &o.cfg, &o.hard, &o.findings, &o.err), 0);
		assert_int_equal(o.cfg.process.capabilities.ambient.n, 1 - i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(default_accepts_what_can_not_weaken, free_arena),
	    cmocka_unit_test_teardown(no_annotation_gives_exec, free_arena),
	    cmocka_unit_test_teardown(no_annotation_makes_root, free_arena),
	    cmocka_unit_test_teardown(a_relaxing_annotation_is_refused_by_name, free_arena),
	    cmocka_unit_test_teardown(a_misspelt_annotation_is_refused, free_arena),
	    cmocka_unit_test_teardown(a_policy_can_accept_more, free_arena),
	    cmocka_unit_test_teardown(an_annotation_of_others_is_nothing_to_us, free_arena),
	    cmocka_unit_test_teardown(systemd_properties_are_the_harmless_five, free_arena),
	    cmocka_unit_test_teardown(check_collects_all_refusals, free_arena),
	    cmocka_unit_test_teardown(the_config_that_was_read_is_not_written_through, free_arena),
	    cmocka_unit_test_teardown(a_policy_serves_many_containers, free_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
