/* link: plan policy config base gen */
/* linux.namespaces: new, joined by path, and the host's own by another name. */
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "plan_help.h"

/* A process in namespaces of its own, for others to join. */
static pid_t holder;

static int hold(void **state)
{
	int ready[2];
	char go;

	(void)state;
	if (geteuid() != 0)
		return 0;
	if (pipe2(ready, O_CLOEXEC) < 0 || (holder = fork()) < 0)
		return -1;
	if (holder == 0) {
		int failed = unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS);
		if (failed || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ssize_t n = read(ready[0], &go, 1);
	close(ready[0]);
	return n == 1 ? 0 : -1;
}

static int let_go(void **state)
{
	(void)state;
	if (holder > 0 && kill(holder, SIGKILL) == 0)
		waitpid(holder, NULL, 0);
	return 0;
}

static char *of_holder(struct planning *t, const char *file)
{
	needs_root();
	return arena_printf(&t->arena, "/proc/%d/ns/%s", holder, file);
}

static void a_type_without_path_is_made(void **state)
{
	static const struct {
		const char *type;
		int flag;
	} types[] = {{"pid", CLONE_NEWPID},	 {"network", CLONE_NEWNET}, {"ipc", CLONE_NEWIPC},
		     {"uts", CLONE_NEWUTS},	 {"mount", CLONE_NEWNS},    {"user", CLONE_NEWUSER},
		     {"cgroup", CLONE_NEWCGROUP}};
	struct planning *t = *state;
	int all = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		/* An empty path is none, as engines write it. */
		namespace_add(t, types[i].type, i % 2 ? "" : NULL);
		all |= types[i].flag;
	}
	assert_done(t, plan_namespaces_make(&t->p));
	assert_int_equal(t->plan.clone_flags, all);
	assert_int_equal(t->plan.n_joins, 0);
	assert_true(t->plan.user_namespace && t->plan.own_network);
	/* The kernel does a new user namespace and all others in one clone3(2). */
	assert_false(t->plan.two_clones);
}

static void time_is_not_for_clone3_and_takes_its_offsets(void **state)
{
	struct planning *t = *state;
	struct config_time_offset offsets[] = {
	    {.clock = (char *)"monotonic", .secs = -5, .nanosecs = 7},
	    {.clock = (char *)"boottime", .secs = 86400}};

	namespace_add(t, "mount", NULL);
	namespace_add(t, "time", NULL);
	t->config.linux_.time_offsets = offsets;
	t->config.linux_.n_time_offsets = 2;
	assert_done(t, plan_namespaces_make(&t->p));
	assert_int_equal(t->plan.clone_flags, CLONE_NEWNS);
	assert_true(t->plan.new_time_namespace);
	assert_true(plan_namespace_is_own(&t->plan, CLONE_NEWTIME));
	assert_string_equal(t->plan.time_offsets, "monotonic -5 7\nboottime 86400 0\n");
}

static void a_path_is_joined_by_an_open_descriptor(void **state)
{
	struct planning *t = *state;

	namespace_add(t, "uts", of_holder(t, "uts"));
	namespace_add(t, "network", of_holder(t, "net"));
	namespace_add(t, "mount", NULL);
	t->hardening.check_namespaces = true;
	t->config.hostname = (char *)"web";
	assert_done(t, plan_namespaces_make(&t->p));
	assert_int_equal(t->plan.clone_flags, CLONE_NEWNS);
	assert_int_equal(t->plan.n_joins, 2);
	assert_int_equal(t->plan.joins[0].clone_flag, CLONE_NEWUTS);
	assert_int_equal(ioctl(t->plan.joins[1].fd, NS_GET_NSTYPE), CLONE_NEWNET);
	assert_int_equal(fcntl(t->plan.joins[1].fd, F_GETFD), FD_CLOEXEC);
	/* lo of somebody else's namespace is theirs. */
	assert_false(t->plan.own_network);
	assert_string_equal(t->plan.hostname, "web");
}

/* DESIGN.md section 1, plan: "a namespace path whose inode is the host's". */
static void the_hosts_own_by_path_is_refused_and_says_what_would_allow_it(void **state)
{
	static const char *const types[] = {"network", "net", "ipc", "ipc",    "pid",
					    "pid",     "uts", "uts", "cgroup", "cgroup"};
	struct planning *t = *state;

	t->hardening.check_namespaces = true;
	for (size_t i = 0; i < 10; i += 2) {
		t->config.linux_.n_namespaces = 0;
		namespace_add(t, types[i],
			      arena_printf(&t->arena, "/proc/self/ns/%s", types[i + 1]));
		t->err = (struct error)ERROR_INIT;
		assert_failed(t, plan_namespaces_make(&t->p), "linux.namespaces[0].path");
		assert_non_null(
		    strstr(t->err.text, arena_printf(&t->arena, "--allow host-%s", types[i])));
	}
}

static void a_symlink_or_bind_to_the_hosts_is_the_hosts(void **state)
{
	struct planning *t = *state;

	t->hardening.check_namespaces = true;
	assert_int_equal(symlinkat("/proc/self/ns/net", t->in.bundle, "pod"), 0);
	namespace_add(t, "network", arena_printf(&t->arena, "%s/pod", t->dir));
	assert_failed(t, plan_namespaces_make(&t->p), "the host's own network namespace");
}

static void allowed_or_without_policy_it_is_nothing_to_do(void **state)
{
	struct planning *t = *state;

	namespace_add(t, "mount", NULL);
	namespace_add(t, "network", "/proc/self/ns/net");
	assert_done(t, plan_namespaces_make(&t->p));
	assert_int_equal(t->plan.n_joins, 0);
	t->hardening.check_namespaces = true;
	t->hardening.host_namespaces = WORDS(&t->arena, "network");
	assert_done(t, plan_namespaces_make(&t->p));
	assert_int_equal(t->plan.n_joins, 0);
	assert_false(plan_namespace_is_own(&t->plan, CLONE_NEWNET));
	/* One type that is let through opens no other. */
	t->config.linux_.namespaces[1] =
	    (struct config_namespace){.type = (char *)"ipc", .path = (char *)"/proc/self/ns/ipc"};
	assert_failed(t, plan_namespaces_make(&t->p), "--allow host-ipc");
}

static void a_path_of_another_type_or_no_namespace_is_an_error(void **state)
{
	struct planning *t = *state;

	namespace_add(t, "network", "/proc/self/ns/uts");
	assert_failed(t, plan_namespaces_make(&t->p), "is not a network namespace");
	t->config.linux_.namespaces[0].path = (char *)"/dev/null";
	assert_failed(t, plan_namespaces_make(&t->p), "is not a network namespace");
	t->config.linux_.namespaces[0].path = (char *)"/proc/0/ns/net";
	assert_failed(t, plan_namespaces_make(&t->p), "no such file or directory");
	/* A FIFO would block an open for ever. */
	assert_int_equal(mkfifoat(t->in.bundle, "fifo", 0600), 0);
	t->config.linux_.namespaces[0].path = arena_printf(&t->arena, "%s/fifo", t->dir);
	assert_failed(t, plan_namespaces_make(&t->p), "is not a network namespace");
}

static void a_list_without_mount_is_refused_under_every_policy(void **state)
{
	struct planning *t = *state;

	namespace_add(t, "pid", NULL);
	assert_failed(t, plan_namespaces_make(&t->p), "mount namespace");
	namespace_add(t, "mount", "/proc/self/ns/mnt");
	assert_failed(t, plan_namespaces_make(&t->p), "mount namespace");
}

static void an_unknown_type_is_an_error(void **state)
{
	struct planning *t = *state;

	namespace_add(t, "net", NULL);
	assert_failed(t, plan_namespaces_make(&t->p), "linux.namespaces[0].type: unknown \"net\"");
}

static void names_need_a_uts_namespace_of_their_own(void **state)
{
	struct planning *t = *state;

	namespace_add(t, "mount", NULL);
	t->config.hostname = (char *)"web";
	assert_failed(t, plan_namespaces_make(&t->p), "hostname");
	t->config.hostname = (char *)"";
	t->config.domainname = (char *)"example.org";
	assert_failed(t, plan_namespaces_make(&t->p), "domainname");
	namespace_add(t, "uts", NULL);
	assert_done(t, plan_namespaces_make(&t->p));
	assert_null(t->plan.hostname);
	assert_string_equal(t->plan.domainname, "example.org");
}

static void mappings_are_text_for_the_kernel_and_say_who_sets_up(void **state)
{
	struct planning *t = *state;
	struct config_id_mapping uids[] = {{5, 100005, 10}, {0, 100000, 1}};
	struct config_id_mapping gids[] = {{1000, 201000, 1}};

	namespace_add(t, "mount", NULL);
	namespace_add(t, "user", NULL);
	t->config.linux_.uid_mappings = uids;
	t->config.linux_.n_uid_mappings = 2;
	t->config.linux_.gid_mappings = gids;
	t->config.linux_.n_gid_mappings = 1;
	assert_done(t, plan_namespaces_make(&t->p));
	assert_string_equal(t->plan.uid_map, "5 100005 10\n0 100000 1\n");
	assert_string_equal(t->plan.gid_map, "1000 201000 1\n");
	assert_int_equal(t->plan.setup_uid, 0);
	assert_int_equal(t->plan.setup_gid, 1000);
}

/* DESIGN.md section 6: a new user namespace beside others by path takes a second clone; a joined
 * pid namespace does not. */
static void only_a_join_beside_a_new_user_namespace_takes_two_clones(void **state)
{
	struct planning *t = *state;

	namespace_add(t, "mount", NULL);
	namespace_add(t, "user", NULL);
	namespace_add(t, "network", of_holder(t, "net"));
	assert_done(t, plan_namespaces_make(&t->p));
	assert_true(t->plan.two_clones);
}

static void features_lists_all_eight(void **state)
{
	size_t n = 0;

	(void)state;
	while (plan_namespaces()[n])
		n++;
	assert_int_equal(n, 8);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, planning_start, planning_end)
	const struct CMUnitTest tests[] = {
	    TEST(a_type_without_path_is_made),
	    TEST(time_is_not_for_clone3_and_takes_its_offsets),
	    TEST(a_path_is_joined_by_an_open_descriptor),
	    TEST(the_hosts_own_by_path_is_refused_and_says_what_would_allow_it),
	    TEST(a_symlink_or_bind_to_the_hosts_is_the_hosts),
	    TEST(allowed_or_without_policy_it_is_nothing_to_do),
	    TEST(a_path_of_another_type_or_no_namespace_is_an_error),
	    TEST(a_list_without_mount_is_refused_under_every_policy),
	    TEST(an_unknown_type_is_an_error),
	    TEST(names_need_a_uts_namespace_of_their_own),
	    TEST(mappings_are_text_for_the_kernel_and_say_who_sets_up),
	    TEST(only_a_join_beside_a_new_user_namespace_takes_two_clones),
	    TEST(features_lists_all_eight),
	};

	return cmocka_run_group_tests(tests, hold, let_go);
}
