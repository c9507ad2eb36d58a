/* link: policy config base gen */
/* How a policy file is read: the built-in ones, what extends them, and what is wrong in one. */
#include "policy_help.h"

static void parse_fails(const char *text, const char *part)
{
	struct error err = ERROR_INIT;

	if (policy_parse(&test_arena, "my.json", text, strlen(text), &err) != NULL)
		fail_msg("accepted: %s", text);
	if (strstr(err.text, part) == NULL)
		fail_msg("expected \"%s\" in \"%s\"", part, err.text);
	assert_memory_equal(err.text, "my.json: ", 9);
}

static void the_built_in_policies_are_complete(void **state)
{
	static const char *const names[] = {"default", "strict", "oci"};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(policy_name(policy_of(names[i])), names[i]);
	assert_null(policy_builtin_text("Default", &(size_t){0}));
}

static void a_file_says_only_the_differences(void **state)
{
	struct outcome *o = accepted("{\"extends\":\"default\",\"limits\":{\"memory\":\"4g\"}}",
				     &(struct parts){.resources = ""}, NULL);

	(void)state;
	assert_int_equal(o->cfg.linux_.resources.memory.limit.value, 4LL << 30);
	/* The rest of limits, and of the policy, is default's. */
	assert_int_equal(o->cfg.linux_.resources.pids.limit.value, 1024);
	assert_true(o->hard.builtin_seccomp);
	/* It answers by its own name: by its file's when it has none. */
	assert_string_equal(o->hard.policy, "test.json");
}

static void a_file_that_extends_nothing_by_name_extends_default(void **state)
{
	struct outcome *o =
	    accepted("{\"name\":\"mine\"}", &(struct parts){.root = "\"readonly\":false"}, NULL);

	(void)state;
	assert_true(o->cfg.root.readonly);
	assert_non_null(strstr(change_at(o, "root.readonly"), "(policy mine)"));
}

static void a_list_replaces_even_an_empty_one(void **state)
{
	(void)state;
	refused("{\"annotations\":[]}", &(struct parts){.annotations = "\"io.runsafe.pids\":\"5\""},
		NULL, "test.json would accept it");
}

static void tmpfs_entries_are_merged_by_path(void **state)
{
	struct outcome *o = accepted("{\"rootfs\":{\"tmpfs\":{\"/cache\":{\"exec\":true},"
				     "\"/tmp\":{\"exec\":true},\"/var/tmp\":{\"enabled\":false}}}}",
				     &(struct parts){.root = NULL}, NULL);

	(void)state;
	assert_int_equal(o->hard.n_tmpfs, 3);
	assert_string_equal(o->hard.tmpfs[0].path, "/cache");
	assert_int_equal(o->hard.tmpfs[0].mode, 0755);
	assert_true(o->hard.tmpfs[0].exec && o->hard.tmpfs[0].owned && o->hard.tmpfs[0].copy_up);
	assert_string_equal(o->hard.tmpfs[1].path, "/run");
	assert_string_equal(o->hard.tmpfs[2].path, "/tmp");
	assert_int_equal(o->hard.tmpfs[2].mode, 01777);
	assert_true(o->hard.tmpfs[2].exec && !o->hard.tmpfs[2].owned);
}

static void strict_extends_default(void **state)
{
	struct outcome *o = accepted("strict", &(struct parts){.root = "\"readonly\":false"}, NULL);

	(void)state;
	assert_true(o->cfg.root.readonly);
	assert_true(o->hard.builtin_seccomp);
}

static void wrong_policies_are_refused_by_key(void **state)
{
	static const struct {
		const char *text;
		const char *part;
	} rows[] = {
	    {"", "empty"},
	    {"{", "not valid JSON"},
	    {"{\"annotation\":[]}", "unknown key \"annotation\""},
	    {"{\"user\":{\"rot\":\"keep\"}}", "user: unknown key \"rot\""},
	    {"{\"user\":{\"root\":\"maybe\"}}",
	     "user.root: expected one of replace, refuse or keep"},
	    {"{\"user\":{\"uid\":0}}", "user.uid: expected a whole number from 1"},
	    {"{\"user\":{\"gid\":4294967295}}", "user.gid"},
	    {"{\"extends\":\"other.json\"}",
	     "extends: expected one of default, strict, oci or none"},
	    {"{\"name\":\"oci\"}", "name of a built-in policy"},
	    {"{\"name\":\"\"}", "name"},
	    {"{\"extends\":\"none\",\"name\":\"x\"}", "user.root: missing"},
	    {"{\"limits\":{\"memory\":\"lots\"}}", "limits.memory: expected a size"},
	    {"{\"limits\":{\"memory\":\"0\"}}", "limits.memory: expected a size"},
	    {"{\"limits\":{\"memory\":1024}}", "limits.memory: expected a string, got 1024"},
	    {"{\"limits\":{\"cpus\":\"0.001\"}}", "limits.cpus: expected a number of processors"},
	    {"{\"limits\":{\"pids\":\"0\"}}", "limits.pids: expected a number of processes"},
	    {"{\"limits\":{\"swap\":\"-1\"}}", "limits.swap: expected a size"},
	    {"{\"capabilities\":{\"give\":[\"CAP_FLY\"]}}", "capabilities.give[0]: expected a cap"},
	    {"{\"mounts\":{\"allowBinds\":[\"/a/../b\"]}}",
	     "mounts.allowBinds[0]: expected an abs"},
	    {"{\"devices\":{\"allow\":[\"fuse\"]}}", "devices.allow[0]"},
	    {"{\"seccomp\":{\"allow\":[\"P trace\"]}}", "seccomp.allow[0]"},
	    {"{\"sysctl\":{\"allow\":[\"sem\"]}}", "sysctl.allow[0]"},
	    {"{\"paths\":{\"masked\":[\"kcore\"]}}", "paths.masked[0]"},
	    {"{\"annotations\":[\"tmpf\"]}", "annotations[0]: expected a name that --allow knows"},
	    {"{\"allow\":[\"capabilities\"]}", "allow[0]"},
	    {"{\"rootfs\":{\"tmpfs\":{\"/proc/x\":{}}}}", "got \"/proc/x\""},
	    {"{\"rootfs\":{\"tmpfs\":{\"/\":{}}}}", "got \"/\""},
	    {"{\"rootfs\":{\"tmpfs\":{\"/x/\":{}}}}", "got \"/x/\""},
	    {"{\"rootfs\":{\"tmpfs\":{\"/x\":{\"mode\":\"999\"}}}}", "rootfs.tmpfs./x.mode"},
	    {"{\"rootfs\":{\"tmpfs\":{\"/x\":{\"mode\":\"4755\"}}}}", "rootfs.tmpfs./x.mode"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		parse_fails(rows[i].text, rows[i].part);
}

static void a_comment_may_be_anything(void **state)
{
	(void)state;
	assert_string_equal(policy_name(policy_of("{\"comment\":[\"why\"]}")), "test.json");
}

static void names_and_help_agree(void **state)
{
	const char *const *names = policy_setting_names();
	size_t n = 0;

	(void)state;
	for (; names[n] != NULL; n++) {
		const char *help = policy_setting_help(names[n]);

		assert_non_null(help);
		assert_memory_equal(help, names[n], strlen(names[n]));
	}
	assert_true(n > 15);
	assert_null(policy_setting_help("nothing"));
}

static void allow_is_parsed(void **state)
{
	static const struct {
		const char *text;
		const char *part; /* NULL: fine */
	} rows[] = {
	    {"rootfs-writable", NULL},
	    {"rootfs-writable=true", NULL},
	    {"rootfs-writable=yes", "expected no value"},
	    {"rootfs-writeable", "no such name; there are: bind, capability"},
	    {"", "no such name"},
	    {"capability=CAP_NET_ADMIN,net_raw", NULL},
	    {"capability", "expected CAP_NAME"},
	    {"capability=", "expected CAP_NAME"},
	    {"capability=CAP_NET_ADMIN,", "expected CAP_NAME"},
	    {"capability=ALL", "expected CAP_NAME"},
	    {"tmpfs=/cache:exec,/data", NULL},
	    {"tmpfs=/cache:suid", "expected PATH[:exec]"},
	    {"tmpfs=cache", "expected PATH[:exec]"},
	    {"tmpfs=/dev/shm", "expected PATH[:exec]"},
	    {"tmpfs=/a/../proc", "expected PATH[:exec]"},
	    {"user=33", NULL},
	    {"user=33:34", NULL},
	    {"user=0", "neither of them 0"},
	    {"user=33:0", "neither of them 0"},
	    {"user=33:", "neither of them 0"},
	    {"user=4294967295", "neither of them 0"},
	    {"user=4294967296", "neither of them 0"},
	    {"user=-1", "neither of them 0"},
	    {"user=www-data", "neither of them 0"},
	    {"memory=4g", NULL},
	    {"memory=4GiB", NULL},
	    {"memory=unlimited", NULL},
	    {"memory=required", "expected a size"},
	    {"memory=9223372036854775807t", "expected a size"},
	    {"memory=0", "expected a size"},
	    {"cpus=0.5", NULL},
	    {"cpus=0.5.", "expected a number of processors"},
	    {"pids=4194304", NULL},
	    {"pids=4194305", "expected a number of processes"},
	    {"bind=/var/run/docker.sock", NULL},
	    {"bind=docker.sock", "expected PATH"},
	    {"device=/dev/fuse", NULL},
	    {"seccomp=ptrace", NULL},
	    {"sysctl=kernel.sem", NULL},
	    {"unmask=all", NULL},
	    {"unmask=/proc/keys,/proc/sys", NULL},
	    {"host-network", NULL},
	    {"host-pid", NULL},
	    {"host-ipc", NULL},
	    {"host-uts", NULL},
	    {"host-cgroup", NULL},
	    {"new-privileges", NULL},
	    {"memfd-exec", NULL},
	    {"root", NULL},
	    {"shared-propagation", NULL},
	    {"systemd-property=Delegate", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_setting s;
		struct error err = ERROR_INIT;
		int result = policy_parse_allow(&test_arena, rows[i].text, &s, &err);

		if (rows[i].part == NULL && result < 0)
			fail_msg("%s: %s", rows[i].text, err.text);
		if (rows[i].part != NULL && (result == 0 || !strstr(err.text, rows[i].part)))
			fail_msg("%s: expected \"%s\" in \"%s\"", rows[i].text, rows[i].part,
				 err.text);
	}
}

static void the_examples_of_the_documentation_are_policies(void **state)
{
	static const char *const examples[] = {
	    "{\"name\": \"our-servers\", \"extends\": \"default\", \"rootfs\": {\"readonly\": "
	    "false}}",
	    "{\"extends\": \"default\", \"limits\": {\"memory\": \"4g\", \"pids\": "
	    "\"unlimited\"}}",
	    "{\"extends\": \"default\", \"rootfs\": {\"tmpfs\": {\"/var/cache/nginx\": {}, "
	    "\"/opt/jit\": {\"exec\": true}}}}",
	    "{\"extends\": \"default\", \"seccomp\": {\"allow\": [\"ptrace\"]}}",
	    "{\"extends\": \"strict\", \"allow\": [\"tmpfs\", \"capability\"]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		assert_non_null(policy_of(examples[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(the_built_in_policies_are_complete, free_arena),
	    cmocka_unit_test_teardown(a_file_says_only_the_differences, free_arena),
	    cmocka_unit_test_teardown(a_file_that_extends_nothing_by_name_extends_default,
				      free_arena),
	    cmocka_unit_test_teardown(a_list_replaces_even_an_empty_one, free_arena),
	    cmocka_unit_test_teardown(tmpfs_entries_are_merged_by_path, free_arena),
	    cmocka_unit_test_teardown(strict_extends_default, free_arena),
	    cmocka_unit_test_teardown(wrong_policies_are_refused_by_key, free_arena),
	    cmocka_unit_test_teardown(a_comment_may_be_anything, free_arena),
	    cmocka_unit_test_teardown(names_and_help_agree, free_arena),
	    cmocka_unit_test_teardown(allow_is_parsed, free_arena),
	    cmocka_unit_test_teardown(the_examples_of_the_documentation_are_policies, free_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
