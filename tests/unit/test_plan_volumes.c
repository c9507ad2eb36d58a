/* link: plan policy config base gen */
/* Which binds the workload is asked about, and the line that helps. Whose a volume becomes is seen
 * in tests/integration/test_volumes.py. */
#include "plan_help.h"

static char *make(struct planning *t, const char *path, mode_t mode, bool folder)
{
	char *whole = arena_printf(&t->arena, "%s/%s", t->dir, path);

	for (char *slash = strchr(whole + strlen(t->dir) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(whole, 0755);
		*slash = '/';
	}
	if (folder)
		assert_int_equal(mkdir(whole, mode), 0);
	else
		close(open(whole, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode));
	assert_int_equal(chmod(whole, mode), 0);
	return whole;
}

/* The bind as planned. */
static const struct plan_mount *plan_one(struct planning *t, const char *source,
					 const char *destination, const char *option)
{
	t->in.check_only = true;
	t->hardening.explain_denied = t->hardening.give_new_volumes = true;
	t->plan.uid = 1000;
	t->plan.gid = 1001;
	mount_add(t, destination, "bind", source)->options = WORDS(&t->arena, "rbind", option);
	assert_done(t, plan_mounts(&t->p));
	return &t->plan.mounts[t->plan.n_mounts - 1];
}

static void a_volume_is_always_looked_at(void **state)
{
	struct planning *t = *state;
	const char *source = make(t, "volumes/web/_data", 0755, true);
	const struct plan_mount *m = plan_one(t, source, "data/./", "rw");

	assert_string_equal(m->access->path, "/data");
	assert_false(m->access->is_file || m->access->only_if_barren);
	assert_non_null(strstr(m->access->owner, "the volume belongs to "));
	assert_non_null(strstr(m->access->owner, " (mode 0755)"));
	assert_string_equal(m->access->who, "1000:1001");
	assert_non_null(m->volume);
	assert_int_equal(m->volume->uid, 1000);
	assert_int_equal(m->volume->gid, 1001);
}

static void what_is_no_volume_is_none(void **state)
{
	static const char *const others[] = {"volumes/_data",	   "volumes/a/b/_data",
					     "myvolumes/a/_data",  "volumes/a/data",
					     "volumes/a/_data/in", "volumes/a/x_data"};
	struct planning *t = *state;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const struct plan_mount *m =
		    plan_one(t, make(t, others[i], 0755, true), "/a", "rw");

		assert_null(m->volume);
		assert_true(m->access->only_if_barren);
		assert_non_null(strstr(m->access->owner, "the host's folder"));
	}
}

static void a_volume_behind_a_symlink_is_none(void **state)
{
	struct planning *t = *state;
	const char *source = make(t, "volumes/web/_data", 0755, true);
	const char *link = arena_printf(&t->arena, "%s/volumes/link", t->dir);

	assert_int_equal(symlink("web", link), 0);
	assert_null(plan_one(t, arena_printf(&t->arena, "%s/_data", link), "/a", "rw")->volume);
	assert_null(plan_one(t, arena_printf(&t->arena, "%s/", source), "/b", "rw")->volume);
	assert_null(plan_one(t, arena_printf(&t->arena, "//%s", source), "/c", "rw")->volume);
	assert_non_null(plan_one(t, source, "/d", "rw")->volume);
}

static void what_is_read_only_is_not_written_to(void **state)
{
	struct planning *t = *state;
	const char *source = make(t, "volumes/web/_data", 0755, true);

	for (size_t i = 0; i < 2; i++) {
		const struct plan_mount *m = plan_one(t, source, "/a", i ? "rro" : "ro");

		assert_null(m->volume);
		assert_null(m->access);
	}
	assert_true(plan_one(t, make(t, "secret", 0600, false), "/s", "ro")->access->is_file);
}

static void what_engines_mount_for_themselves_is_left_out(void **state)
{
	static const char *const files[] = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
					    "/dev/termination-log", "/run/.containerenv"};
	struct planning *t = *state;
	const char *file = make(t, "file", 0600, false), *folder = make(t, "folder", 0700, true);

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_null(plan_one(t, file, files[i], "rw")->access);
	assert_non_null(plan_one(t, file, "/etc/hosts.allow", "rw")->access);
	assert_non_null(plan_one(t, file, "/run/secrets/word", "rw")->access);
	assert_null(plan_one(t, folder, "/run/secrets", "rw")->access);
	assert_null(plan_one(t, folder, "/dev/shm", "rw")->access);
	assert_null(plan_one(t, "/dev/null", "/null", "rw")->access);
}

static void under_oci_there_is_nothing(void **state)
{
	struct planning *t = *state;
	const char *source = make(t, "volumes/web/_data", 0755, true);

	t->in.check_only = true;
	t->plan.uid = 1000;
	mount_add(t, "/data", "bind", source);
	assert_done(t, plan_mounts(&t->p));
	assert_null(t->plan.mounts[0].access);
	assert_null(t->plan.mounts[0].volume);
}

static void the_line_says_what_to_type(void **state)
{
	struct planning *t = *state;
	const char *file = make(t, "it's", 0200, false);
	const char *expected = arena_printf(
	    &t->arena, "on the host: chown 1000 '%s/it'\\''s' && chmod u+r '%s/it'\\''s'", t->dir,
	    t->dir);

	if (geteuid() == 1000)
		skip();
	assert_string_equal(plan_one(t, file, "/s", "ro")->access->help, expected);
	file = make(t, "mounts/secrets/x", 0400, false);
	assert_string_equal(plan_one(t, file, "/s", "ro")->access->help,
			    "name its user: --secret NAME,uid=1000,gid=1001");
	file = make(t, "kubelet/pods/1/volumes/x", 0700, true);
	assert_string_equal(plan_one(t, file, "/s", "rw")->access->help,
			    "in the pod's spec: securityContext: {fsGroup: 1001}");
	t->in.nested = true;
	file = make(t, "secret", 0400, false);
	assert_string_equal(
	    plan_one(t, file, "/s", "ro")->access->help,
	    arena_printf(&t->arena, "on the host: podman unshare chown 1000 %s/secret", t->dir));
}

static void in_a_user_namespace_the_hosts_ids_are_said(void **state)
{
	static struct config_id_mapping map = {.container_id = 0, .host_id = 300000, .size = 65536};
	struct planning *t = *state;
	const char *source = make(t, "volumes/web/_data", 0755, true);

	t->plan.user_namespace = true;
	t->plan.clone_flags = CLONE_NEWUSER;
	t->config.linux_.uid_mappings = t->config.linux_.gid_mappings = &map;
	t->config.linux_.n_uid_mappings = t->config.linux_.n_gid_mappings = 1;
	const struct plan_mount *m = plan_one(t, source, "/data", "rw");
	assert_string_equal(m->access->who, "1000:1001 (301000:301001 on the host)");
	assert_non_null(strstr(m->access->help, "chown -hR 301000:301001 "));
	assert_int_equal(m->volume->uid, 301000);
	assert_int_equal(m->volume->root_uid, 300000);
}

/* Podman's pods, CRI's. In one that has no /proc/PID nobody knows what is mapped. */
static void of_a_joined_user_namespace_the_process_in_it_tells(void **state)
{
	struct planning *t = *state;
	const char *source = make(t, "volumes/web/_data", 0755, true);
	const char *path = arena_printf(&t->arena, "/proc/%d/ns/user", getpid());
	struct plan_join join = {.fd = open(path, O_RDONLY | O_CLOEXEC),
				 .clone_flag = CLONE_NEWUSER};

	t->plan.user_namespace = true;
	t->plan.joins = &join;
	t->plan.n_joins = 1;
	namespace_add(t, "user", path);
	assert_non_null(plan_one(t, source, "/data", "rw")->volume);
	/* The process ended, and another one has its number. */
	close(join.fd);
	join.fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	const struct plan_mount *m = plan_one(t, source, "/data", "rw");
	assert_null(m->volume);
	assert_null(strstr(m->access->help, "chown"));
	close(join.fd);
	t->plan.n_joins = 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, planning_start, planning_end)
	const struct CMUnitTest tests[] = {
	    TEST(a_volume_is_always_looked_at),
	    TEST(what_is_no_volume_is_none),
	    TEST(a_volume_behind_a_symlink_is_none),
	    TEST(what_is_read_only_is_not_written_to),
	    TEST(what_engines_mount_for_themselves_is_left_out),
	    TEST(under_oci_there_is_nothing),
	    TEST(the_line_says_what_to_type),
	    TEST(in_a_user_namespace_the_hosts_ids_are_said),
	    TEST(of_a_joined_user_namespace_the_process_in_it_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
