/* link: policy config base gen */
/* What the workload sees of files: those rows of the policy table (DESIGN.md section 3) under
 * default, strict and oci. */
#include "policy_help.h"

static const char *const builtin[] = {"default", "strict", "oci"};

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
	} rows[] = {{"shared", "rslave"},
		    {"rshared", "rslave"},
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
	    /* Podman's --read-only, and --tmpfs /tmp:exec. */
	    {MOUNT("/tmp/", "tmpfs", "\"rw\""), "rw,noexec,nosuid,nodev", true},
	    {MOUNT("/tmp", "tmpfs", "\"exec\""), "exec,nosuid,nodev", false},
	    {MOUNT("/tmp", "tmpfs", "\"noexec\""), "noexec,nosuid,nodev", false},
	    {MOUNT("/tmp", "bind", "\"bind\""), "bind,nosuid,nodev", false},
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

static void a_tmpfs_on_tmp_may_execute_where_the_policys_own_may(void **state)
{
	struct parts parts = MOUNT("/tmp", "tmpfs", "");

	(void)state;
	assert_true(has(accepted("default", &parts, NULL), "noexec"));
	assert_true(has(accepted("default", &parts, "tmpfs=/tmp"), "noexec"));
	assert_false(has(accepted("default", &parts, "tmpfs=/tmp:exec"), "noexec"));
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

static void volumes_are_given_and_explained_but_under_oci(void **state)
{
	struct parts parts = {.root = NULL};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const char *name = (const char *const[]){"default", "strict", "oci"}[i];
		struct outcome *o = accepted(name, &parts, NULL);

		assert_int_equal(o->hard.give_new_volumes, i < 2);
		assert_int_equal(o->hard.explain_denied, i < 2);
	}
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
			  "\"minor\":229},{\"path\":\"/dev/full\",\"type\":\"b\",\"major\":1,"
			  "\"minor\":7},{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1,"
			  "\"minor\":3}]",
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
		/* Nor is a usual one under another name, which would just be missing. */
		(void)change_at(o, "linux.devices[3]");
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
	assert_int_equal(o->cfg.linux_.n_devices, 4);
	assert_int_equal(o->cfg.linux_.resources.n_devices, 4);
}

/* As Podman writes it for a container that joins a pod's user namespace. */
static void the_hosts_sys_becomes_one_of_its_own_beside_a_user_namespace(void **state)
{
	static const char with_user[] =
	    "\"namespaces\":[" SIX ",{\"type\":\"user\",\"path\":\"/proc/7/ns/user\"}],";
	struct parts parts = {.namespaces = with_user,
			      .mounts =
				  "{\"destination\":\"/sys\",\"type\":\"bind\",\"source\":\"/sys\","
				  "\"options\":[\"rbind\",\"rw\"]}"};
	struct parts without = {.mounts = parts.mounts};
	struct parts elsewhere = {
	    .namespaces = with_user,
	    .mounts =
		"{\"destination\":\"/host/sys\",\"source\":\"/sys\",\"options\":[\"rbind\"]}"};
	struct outcome *o = accepted("default", &parts, NULL);

	(void)state;
	assert_string_equal(o->cfg.mounts[0].type, "sysfs");
	assert_true(str_list_has(&o->cfg.mounts[0].options, "ro"));
	assert_false(str_list_has(&o->cfg.mounts[0].options, "rbind"));
	assert_non_null(change_at(o, "mounts[0]"));
	/* All others stay binds, for plan to refuse. */
	assert_string_equal(accepted("default", &without, NULL)->cfg.mounts[0].type, "bind");
	assert_null(accepted("default", &elsewhere, NULL)->cfg.mounts[0].type);
	assert_string_equal(accepted("default", &parts, "bind=/sys")->cfg.mounts[0].type, "bind");
	assert_string_equal(accepted("oci", &parts, NULL)->cfg.mounts[0].type, "bind");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(the_hosts_sys_becomes_one_of_its_own_beside_a_user_namespace,
				      free_arena),
	    cmocka_unit_test_teardown(the_rootfs_is_read_only, free_arena),
	    cmocka_unit_test_teardown(there_are_places_to_write, free_arena),
	    cmocka_unit_test_teardown(more_places_by_name, free_arena),
	    cmocka_unit_test_teardown(propagation_stays_in_the_container, free_arena),
	    cmocka_unit_test_teardown(mounts_are_nosuid_and_nodev, free_arena),
	    cmocka_unit_test_teardown(a_tmpfs_on_tmp_may_execute_where_the_policys_own_may,
				      free_arena),
	    cmocka_unit_test_teardown(a_bound_device_works, free_arena),
	    cmocka_unit_test_teardown(binds_are_for_plan_to_look_at, free_arena),
	    cmocka_unit_test_teardown(volumes_are_given_and_explained_but_under_oci, free_arena),
	    cmocka_unit_test_teardown(the_usual_paths_are_masked, free_arena),
	    cmocka_unit_test_teardown(devices_are_the_default_set, free_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
