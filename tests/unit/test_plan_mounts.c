/* link: plan policy config base gen */
/* The list of mounts: order, what the policy adds and where config's word comes before it. */
#include "plan_help.h"

static struct hardening_tmpfs usual[] = {
    {.path = (char *)"/tmp", .mode = 01777, .owned = false},
    {.path = (char *)"/var/tmp", .mode = 01777},
    {.path = (char *)"/run", .mode = 0755, .copy_up = true, .owned = true},
};

static void harden(struct planning *t)
{
	t->hardening.tmpfs = usual;
	t->hardening.n_tmpfs = 3;
	t->hardening.tmpfs_max_bytes = UINT64_C(512) * 1024;
	t->in.check_only = true; /* no clones of mounts: any user can run these */
	t->plan.uid = 1000;
	t->plan.gid = 1001;
}

static bool has(const struct planning *t, const char *destination)
{
	for (size_t i = 0; i < t->plan.n_mounts; i++) {
		if (strcmp(t->plan.mounts[i].destination, destination) == 0)
			return true;
	}
	return false;
}

static const struct plan_mount *at(const struct planning *t, const char *destination)
{
	size_t i = 0;

	while (i < t->plan.n_mounts && strcmp(t->plan.mounts[i].destination, destination) != 0)
		i++;
	if (i == t->plan.n_mounts)
		fail_msg("nothing is mounted at %s", destination);
	return &t->plan.mounts[i];
}

/* DESIGN.md section 3, rootfs: they come before config's first mount, so that /run/secrets and
 * what engines mount below /run stay visible. */
static void policy_tmpfs_come_before_configs_first_mount(void **state)
{
	struct planning *t = *state;

	harden(t);
	mount_add(t, "/proc", "proc", "proc");
	mount_add(t, "/run/secrets", "tmpfs", "tmpfs");
	assert_done(t, plan_mounts(&t->p));
	assert_int_equal(t->plan.n_mounts, 5);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(t->plan.mounts[i].destination, usual[i].path);
	assert_string_equal(t->plan.mounts[3].destination, "/proc");
	assert_string_equal(t->plan.mounts[3].label, "mounts[0]");
	assert_string_equal(t->plan.mounts[4].destination, "/run/secrets");
}

static void policy_tmpfs_have_their_mode_size_owner_and_flags(void **state)
{
	struct planning *t = *state;

	harden(t);
	assert_done(t, plan_mounts(&t->p));
	const struct plan_mount *tmp = at(t, "/tmp"), *run = at(t, "/run");
	assert_int_equal(tmp->attr.set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	assert_string_equal(tmp->data_text, "mode=1777,size=524288");
	assert_false(tmp->copy_up);
	assert_string_equal(run->data_text, "mode=755,size=524288,uid=1000,gid=1001");
	assert_string_equal(str_map_get(&run->data, "gid"), "1001");
	assert_true(run->copy_up && run->owned);
	assert_int_equal(run->kind, PLAN_MOUNT_NEW);
}

static void a_tmpfs_with_exec_is_still_nosuid_and_nodev(void **state)
{
	struct planning *t = *state;
	struct hardening_tmpfs one = {.path = (char *)"/cache", .mode = 01777, .exec = true};

	harden(t);
	t->hardening.tmpfs = &one;
	t->hardening.n_tmpfs = 1;
	t->hardening.tmpfs_max_bytes = 0;
	assert_done(t, plan_mounts(&t->p));
	assert_int_equal(at(t, "/cache")->attr.set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	assert_string_equal(at(t, "/cache")->data_text, "mode=1777");
}

static void where_config_mounts_exactly_there_the_policy_adds_none(void **state)
{
	struct planning *t = *state;

	harden(t);
	mount_add(t, "/tmp/", "tmpfs", "tmpfs");
	mount_add(t, "/var/../run", "tmpfs", "tmpfs");
	mount_add(t, "/var/tmp/below", "tmpfs", "tmpfs");
	assert_done(t, plan_mounts(&t->p));
	assert_false(has(t, "/tmp"));
	assert_false(has(t, "/run"));
	assert_true(has(t, "/var/tmp"));
	assert_int_equal(t->plan.n_mounts, 4);
}

/* /var/run is a symlink to /run in most images, and an engine may write either. */
static void the_same_place_by_a_symlink_counts_as_there(void **state)
{
	struct planning *t = *state;

	harden(t);
	rootfs_dir(t, "/run");
	rootfs_dir(t, "/var");
	rootfs_link(t, "/var/run", "/run");
	rootfs_link(t, "/var/tmp", "../tmp");
	mount_add(t, "/var/run", "tmpfs", "tmpfs");
	mount_add(t, "/tmp", "tmpfs", "tmpfs");
	assert_done(t, plan_mounts(&t->p));
	/* /run by way of /var/run, and the policy's /var/tmp is config's /tmp. */
	assert_int_equal(t->plan.n_mounts, 2);
}

/* A symlink of the image's can not lead the comparison out of the rootfs. */
static void an_absolute_symlink_stays_inside_the_rootfs(void **state)
{
	struct planning *t = *state;

	harden(t);
	rootfs_dir(t, "/run");
	rootfs_link(t, "/escape", "../../../../../../run");
	mount_add(t, "/escape", "tmpfs", "tmpfs");
	assert_done(t, plan_mounts(&t->p));
	assert_false(has(t, "/run"));
}

static void the_policy_brings_a_dev_unless_config_does(void **state)
{
	struct planning *t = *state;

	harden(t);
	t->hardening.identity_files = true;
	assert_done(t, plan_mounts(&t->p));
	assert_string_equal(t->plan.mounts[0].destination, "/dev");
	assert_int_equal(t->plan.mounts[0].attr.set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	t->plan.n_mounts = 0;
	t->plan.mounts = NULL;
	plan_places_end(&t->p);
	t->p.mounted_known = false;
	mount_add(t, "/dev", "tmpfs", "tmpfs");
	assert_done(t, plan_mounts(&t->p));
	assert_int_equal(t->plan.n_mounts, 4);
	assert_string_equal(t->plan.mounts[3].label, "mounts[0]");
}

static void the_rootfs_itself_is_nosuid_and_nodev_where_the_policy_says_so(void **state)
{
	struct planning *t = *state;

	assert_done(t, plan_mounts(&t->p));
	assert_int_equal(t->plan.rootfs_attr, 0);
	t->hardening.no_setid_binds = true;
	assert_done(t, plan_mounts(&t->p));
	assert_int_equal(t->plan.rootfs_attr, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

static void the_root_can_not_be_mounted_over(void **state)
{
	static const char *const spellings[] = {"/", "//", "/.", "/tmp/..", "."};
	struct planning *t = *state;

	for (size_t i = 0; i < 5; i++) {
		t->config.n_mounts = 0;
		mount_add(t, spellings[i], "tmpfs", "tmpfs");
		assert_failed(t, plan_mounts(&t->p), "mounts[0].destination");
	}
}

static void a_new_mount_needs_a_type_and_only_tmpfs_copies_up(void **state)
{
	struct planning *t = *state;
	struct config_mount *m = mount_add(t, "/x", "", NULL);

	assert_failed(t, plan_mounts(&t->p), "mounts[0].type");
	m->options = WORDS(&t->arena, "tmpcopyup");
	m->type = (char *)"proc";
	assert_failed(t, plan_mounts(&t->p), "tmpcopyup is for tmpfs only");
}

/* Nothing is mounted below what is new, so all below is the mount itself; as crun has it. */
static void recursive_options_of_a_new_mount_are_its_own(void **state)
{
	struct planning *t = *state;

	mount_add(t, "/x", "tmpfs", NULL)->options = WORDS(&t->arena, "rro", "rnosuid");
	mount_add(t, "/y", "tmpfs", NULL)->options = WORDS(&t->arena, "rw", "rro", "rnoexec");
	assert_done(t, plan_mounts(&t->p));
	assert_int_equal(at(t, "/x")->attr.set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
	assert_int_equal(at(t, "/x")->attr.recursive_set, 0);
	/* The plain word goes before. */
	assert_int_equal(at(t, "/y")->attr.set, MOUNT_ATTR_NOEXEC);
}

static void cgroup_becomes_cgroup2_and_remount_is_no_new_mount(void **state)
{
	struct planning *t = *state;

	mount_add(t, "/sys/fs/cgroup", "cgroup", "cgroup");
	mount_add(t, "/x", "none", NULL)->options = WORDS(&t->arena, "remount", "ro");
	assert_done(t, plan_mounts(&t->p));
	assert_string_equal(t->plan.mounts[0].type, "cgroup2");
	assert_int_equal(t->plan.mounts[1].kind, PLAN_MOUNT_REMOUNT);
	assert_int_equal(t->plan.mounts[1].attr.set, MOUNT_ATTR_RDONLY);
}

/* config.md, mounts: a relative bind source is relative to the bundle. */
static void a_bind_is_cloned_from_its_source_with_its_options(void **state)
{
	struct planning *t = *state;

	needs_root();
	assert_int_equal(mkdirat(t->in.bundle, "data", 0755), 0);
	mount_add(t, "/data", "bind", "data")->options = WORDS(&t->arena, "ro", "nosuid");
	mount_add(t, "/null", "none", "/dev/null")->options = WORDS(&t->arena, "rbind");
	assert_done(t, plan_mounts(&t->p));
	const struct plan_mount *data = at(t, "/data"), *null = at(t, "/null");
	struct stat clone, there;
	assert_int_equal(data->kind, PLAN_MOUNT_BIND);
	assert_false(data->is_file);
	assert_int_equal(fstat(data->tree, &clone), 0);
	assert_int_equal(fstatat(t->in.bundle, "data", &there, 0), 0);
	assert_true(clone.st_ino == there.st_ino && clone.st_dev == there.st_dev);
	/* The clone has its options already: the child has no rights to add them in every case. */
	assert_int_equal(mkdirat(data->tree, "no", 0755), -1);
	assert_true(null->is_file);
	/* Without a word it is private. */
	assert_int_equal(null->attr.propagation, MS_PRIVATE);
}

static void a_bind_without_a_source_names_its_place(void **state)
{
	struct planning *t = *state;

	mount_add(t, "/data", "bind", "not-there");
	assert_failed(t, plan_mounts(&t->p), "mounts[0].source: not-there: no such file");
	t->config.mounts[0].source = NULL;
	assert_failed(t, plan_mounts(&t->p), "mounts[0].source: a bind mount needs one");
}

static void data_on_a_bind_is_a_note(void **state)
{
	struct planning *t = *state;

	t->in.check_only = true;
	mount_add(t, "/data", "bind", ".")->options = WORDS(&t->arena, "size=1m");
	assert_done(t, plan_mounts(&t->p));
	assert_true(findings_have(&t->findings, FINDING_NOTE));
	assert_string_equal(t->findings.items[0].path, "mounts[0].options");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, planning_start, planning_end)
	const struct CMUnitTest tests[] = {
	    TEST(policy_tmpfs_come_before_configs_first_mount),
	    TEST(policy_tmpfs_have_their_mode_size_owner_and_flags),
	    TEST(a_tmpfs_with_exec_is_still_nosuid_and_nodev),
	    TEST(where_config_mounts_exactly_there_the_policy_adds_none),
	    TEST(the_same_place_by_a_symlink_counts_as_there),
	    TEST(an_absolute_symlink_stays_inside_the_rootfs),
	    TEST(the_policy_brings_a_dev_unless_config_does),
	    TEST(the_rootfs_itself_is_nosuid_and_nodev_where_the_policy_says_so),
	    TEST(the_root_can_not_be_mounted_over),
	    TEST(a_new_mount_needs_a_type_and_only_tmpfs_copies_up),
	    TEST(recursive_options_of_a_new_mount_are_its_own),
	    TEST(cgroup_becomes_cgroup2_and_remount_is_no_new_mount),
	    TEST(a_bind_is_cloned_from_its_source_with_its_options),
	    TEST(a_bind_without_a_source_names_its_place),
	    TEST(data_on_a_bind_is_a_note),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
