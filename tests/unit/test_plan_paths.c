/* link: plan policy config base gen */
/* From where a masked or read-only path is looked up. */
#include "plan_help.h"

static struct plan_mount *mounted(struct planning *t, const char *destination, const char *type)
{
	struct plan *plan = &t->plan;

	plan->mounts = arena_grow(&t->arena, plan->mounts, plan->n_mounts, sizeof(*plan->mounts));
	struct plan_mount *m = &plan->mounts[plan->n_mounts++];
	*m = (struct plan_mount){
	    .kind = type ? PLAN_MOUNT_NEW : PLAN_MOUNT_BIND,
	    .destination = destination,
	    .type = type,
	    .tree = -1,
	    .instead = -1,
	    .shows_kernel = type && strcmp(type, "tmpfs") != 0,
	};
	return m;
}

static void assert_place(struct planning *t, const char *path, size_t mount, const char *below)
{
	t->config.linux_.masked_paths = WORDS(&t->arena, path);
	t->config.linux_.readonly_paths = WORDS(&t->arena, "/other", path);
	assert_int_equal(plan_covered_paths(&t->p), 0);
	assert_int_equal(t->plan.n_masked, 1);
	assert_int_equal(t->plan.n_readonly, 2);
	for (int i = 0; i < 2; i++) {
		const struct plan_path *p = i ? &t->plan.readonly[1] : &t->plan.masked[0];
		assert_string_equal(p->path, path);
		assert_string_equal(p->below, below);
		assert_int_equal(p->mount, mount);
	}
}

static void in_a_procfs_or_sysfs_they_are_looked_up_from_its_root(void **state)
{
	struct planning *t = *state;

	mounted(t, "/proc", "proc");
	mounted(t, "/dev", "tmpfs");
	mounted(t, "//x/../sys/", "sysfs");
	assert_place(t, "/proc/kcore", 0, "/kcore");
	assert_place(t, "/proc//./sys/kernel", 0, "/sys/kernel");
	assert_place(t, "/sys/firmware", 2, "/firmware");
	/* What lies over a part of it is crossed on the way. */
	mounted(t, "/sys/fs/cgroup", "tmpfs");
	assert_place(t, "/sys/fs/cgroup/x", 2, "/fs/cgroup/x");
}

static void elsewhere_from_the_containers_root(void **state)
{
	struct planning *t = *state;

	mounted(t, "/proc", "proc");
	mounted(t, "/dev", "tmpfs");
	assert_place(t, "/dev/x", PLAN_NO_MOUNT, "/dev/x");
	assert_place(t, "/etc/../opt", PLAN_NO_MOUNT, "/etc/../opt");
	/* The mount itself, and what only begins as its name does. */
	assert_place(t, "/proc", PLAN_NO_MOUNT, "/proc");
	assert_place(t, "/process/x", PLAN_NO_MOUNT, "/process/x");
}

static void the_mount_that_is_seen_counts(void **state)
{
	struct planning *t = *state;

	mounted(t, "/host/proc", "proc");
	mounted(t, "/host", "tmpfs");
	assert_place(t, "/host/proc/kcore", PLAN_NO_MOUNT, "/host/proc/kcore");
	mounted(t, "/host/proc", "proc");
	assert_place(t, "/host/proc/kcore", 2, "/kcore");
	mounted(t, "/host/proc", "tmpfs");
	assert_place(t, "/host/proc/kcore", PLAN_NO_MOUNT, "/host/proc/kcore");
	mounted(t, "/host/proc", "proc");
	mounted(t, "/host/proc/sub", "sysfs");
	assert_place(t, "/host/proc/sub/x", 5, "/x");
	/* Its attributes are changed by that, no more. */
	mounted(t, "/host", NULL)->kind = PLAN_MOUNT_REMOUNT;
	assert_place(t, "/host/proc/kcore", 4, "/kcore");
}

static void a_bind_of_a_procfs_is_one(void **state)
{
	struct planning *t = *state;

	mounted(t, "/proc", NULL)->tree = open("/proc", O_PATH | O_CLOEXEC);
	mounted(t, "/etc", NULL)->tree = open("/etc", O_PATH | O_CLOEXEC);
	mounted(t, "/here/sys", NULL)->tree = open("/proc/sys", O_PATH | O_CLOEXEC);
	assert_place(t, "/proc/kcore", 0, "/kcore");
	assert_place(t, "/etc/kcore", PLAN_NO_MOUNT, "/etc/kcore");
	assert_place(t, "/here/sys/kernel", 2, "/kernel");
}

static void a_path_that_is_too_long_is_left_to_who_looks_it_up(void **state)
{
	struct planning *t = *state;
	char *path = arena_alloc(&t->arena, 8001);

	for (size_t i = 0; i < 8000; i++)
		path[i] = i % 2 ? 'x' : '/';
	mounted(t, "/x", "proc");
	assert_place(t, path, PLAN_NO_MOUNT, path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, planning_start, planning_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(in_a_procfs_or_sysfs_they_are_looked_up_from_its_root),
	    TEST(elsewhere_from_the_containers_root),
	    TEST(the_mount_that_is_seen_counts),
	    TEST(a_bind_of_a_procfs_is_one),
	    TEST(a_path_that_is_too_long_is_left_to_who_looks_it_up),
	};

	return cmocka_run_group_tests_name("plan_paths", tests, NULL, NULL);
}
