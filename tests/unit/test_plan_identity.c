/* link: plan policy config base gen */
/* Who the workload is: HOME, the files that make it known, mapped ids, and whether it could write
 * to runsafe itself. */
#include <errno.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#include "fd.h"
#include "plan_help.h"

static void user(struct planning *t, uint32_t uid, uint32_t gid)
{
	t->config.process.user.uid = uid;
	t->config.process.user.gid = gid;
}

static const char *home(struct planning *t)
{
	assert_done(t, plan_identity(&t->p));
	const struct str_list env = {.items = t->plan.envp, .n = t->plan.n_env};
	const char *value = env_get(&env, "HOME");

	assert_non_null(value);
	return value;
}

static const char *file(const struct planning *t, const char *destination)
{
	for (size_t i = 0; i < t->plan.n_files; i++) {
		if (strcmp(t->plan.files[i].destination, destination) == 0)
			return t->plan.files[i].content;
	}
	return NULL;
}

static void file_is(const struct planning *t, const char *destination, const char *content)
{
	const char *text = file(t, destination);

	if (!text)
		fail_msg("there is no %s", destination);
	assert_string_equal(text, content);
}

/* "HOME follows: home of that uid in the rootfs's passwd if it is absolute and free of `:` and
 * control bytes, else /tmp/home, made there". */
static void home_follows_the_rootfss_passwd(void **state)
{
	struct planning *t = *state;

	user(t, 1000, 1000);
	t->hardening.home_follows = true;
	t->config.process.env = WORDS(&t->arena, "PATH=/bin", "HOME=/root");
	rootfs_file(t, "/etc/passwd", "root:x:0:0::/root:\nweb:x:1000:1000::/srv/web:\n");
	assert_string_equal(home(t), "/srv/web");
	assert_null(t->plan.make_home);
	assert_int_equal(t->plan.n_env, 2);
	/* The environment of the config stays as it was: state.json and check show it. */
	assert_string_equal(t->config.process.env.items[1], "HOME=/root");
}

static void without_an_entry_or_with_a_bad_one_it_is_made_in_tmp(void **state)
{
	static const char *const lines[] = {"", "web:x:1000:1000::home:\n",
					    "web:x:1000:1000::/srv/\x1bweb:\n",
					    "web:x:1000:1000:::\n", "web:x:1001:1000::/srv/web:\n"};
	struct planning *t = *state;

	user(t, 1000, 1000);
	t->hardening.home_follows = true;
	assert_string_equal(home(t), "/tmp/home");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		t->plan.make_home = NULL;
		rootfs_file(t, "/etc/passwd", lines[i]);
		assert_string_equal(home(t), "/tmp/home");
		assert_string_equal(t->plan.make_home, "/tmp/home");
	}
}

static void without_that_rule_homes_own_word_stays(void **state)
{
	struct planning *t = *state;

	user(t, 1000, 1000);
	t->config.process.env = WORDS(&t->arena, "HOME=/data");
	assert_string_equal(home(t), "/data");
	/* As runc and crun: a HOME from passwd, else "/". */
	t->config.process.env = (struct str_list){0};
	assert_string_equal(home(t), "/");
	rootfs_file(t, "/etc/passwd", "web:x:1000:1000::/srv/web:\n");
	assert_string_equal(home(t), "/srv/web");
	assert_null(t->plan.make_home);
}

/* /etc/passwd may be a symlink that wants out, a FIFO that blocks, or a directory. */
static void what_lies_at_etc_passwd_can_not_hurt(void **state)
{
	char path[128];
	struct planning *t = *state;

	user(t, 0, 0);
	t->hardening.home_follows = true;
	rootfs_dir(t, "/etc");
	rootfs_link(t, "/etc/passwd", "../../../../../../etc/passwd");
	assert_string_equal(home(t), "/tmp/home"); /* the host's says /root */
	snprintf(path, sizeof(path), "%s/rootfs/etc/passwd", t->dir);
	unlink(path);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_string_equal(home(t), "/tmp/home");
	unlink(path);
	rootfs_dir(t, "/etc/passwd");
	assert_string_equal(home(t), "/tmp/home");
}

/* Opening a device node of the image's could restart the machine: what is no regular file is only
 * looked at. */
static void what_is_no_regular_file_is_not_opened(void **state)
{
	static const char *const names[] = {"passwd", "group", "hosts"};
	char path[128];
	struct inotify_event event;
	struct planning *t = *state;
	cleanup_fd int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	user(t, 1000, 1000);
	t->hardening.identity_files = true;
	rootfs_dir(t, "/etc");
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/rootfs/etc/%s", t->dir, names[i]);
		assert_int_equal(mkfifo(path, 0666), 0);
		assert_true(inotify_add_watch(watch, path, IN_OPEN) >= 0);
	}
	home(t);
	assert_int_equal(read(watch, &event, sizeof(event)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_null(file(t, "/etc/hosts")); /* something is there */
}

/* "the workload sees /etc/passwd and /etc/group with a line for it (name `app`, home as HOME)" */
static void an_unknown_uid_and_gid_get_a_line_each(void **state)
{
	struct planning *t = *state;

	user(t, 1000, 1001);
	t->hardening.home_follows = t->hardening.identity_files = true;
	rootfs_file(t, "/etc/passwd", "root:x:0:0:root:/root:/bin/sh"); /* without its line feed */
	rootfs_file(t, "/etc/group", "root:x:0:\n");
	assert_string_equal(home(t), "/tmp/home");
	file_is(t, "/etc/passwd",
		"root:x:0:0:root:/root:/bin/sh\n"
		"app:x:1000:1001:runsafe workload:/tmp/home:/bin/sh\n");
	file_is(t, "/etc/group", "root:x:0:\napp:x:1001:\n");
	/* "and an /etc/hosts with localhost where the rootfs has none" */
	assert_non_null(strstr(file(t, "/etc/hosts"), "127.0.0.1\tlocalhost"));
	for (size_t i = 0; i < t->plan.n_files; i++)
		assert_true(t->plan.files[i].optional);
}

static void a_known_one_gets_no_file(void **state)
{
	struct planning *t = *state;

	user(t, 1000, 1000);
	t->hardening.identity_files = true;
	rootfs_file(t, "/etc/passwd", "web:x:1000:1000::/srv/web:\n");
	rootfs_file(t, "/etc/group", "web:x:1000:\n");
	rootfs_file(t, "/etc/hosts", "");
	home(t);
	assert_int_equal(t->plan.n_files, 0);
}

static void a_name_that_is_taken_is_not_given_twice(void **state)
{
	struct planning *t = *state;

	user(t, 1000, 1000);
	t->hardening.identity_files = t->hardening.home_follows = true;
	rootfs_file(t, "/etc/passwd", "app:x:5:5::/app:\n");
	rootfs_file(t, "/etc/group", "app:x:5:\n");
	home(t);
	assert_non_null(strstr(file(t, "/etc/passwd"), "\napp-1000:x:1000:1000:"));
	assert_non_null(strstr(file(t, "/etc/group"), "\napp-1000:x:1000:"));
}

static void what_config_mounts_there_is_the_callers_word(void **state)
{
	struct planning *t = *state;

	user(t, 1000, 1000);
	t->hardening.identity_files = true;
	mount_add(t, "/etc/hosts", "bind", "/etc/hosts");
	mount_add(t, "//etc/./passwd", "bind", "/etc/passwd");
	home(t);
	assert_null(file(t, "/etc/hosts"));
	assert_null(file(t, "/etc/passwd"));
	assert_non_null(file(t, "/etc/group"));
}

/* HOME of config.json's own may hold anything; in a passwd line it would make a second one. */
static void a_home_with_a_colon_never_reaches_passwd(void **state)
{
	struct planning *t = *state;

	user(t, 1000, 1000);
	t->hardening.identity_files = true;
	t->config.process.env = WORDS(&t->arena, "HOME=/x\nroot2:x:0:0::/:/bin/sh");
	home(t);
	assert_null(strstr(file(t, "/etc/passwd"), "root2"));
	assert_non_null(strstr(file(t, "/etc/passwd"), ":/tmp/home:"));
}

static void without_the_policy_no_file_is_added(void **state)
{
	struct planning *t = *state;

	user(t, 1234, 1234);
	home(t);
	assert_int_equal(t->plan.n_files, 0);
}

static void ids_have_to_be_mapped(void **state)
{
	struct planning *t = *state;
	struct config_id_mapping ids[] = {{0, 100000, 1000}};
	struct config_user *u = &t->config.process.user;
	uint32_t groups[] = {5, 1000};

	t->config.linux_.uid_mappings = t->config.linux_.gid_mappings = ids;
	t->config.linux_.n_uid_mappings = t->config.linux_.n_gid_mappings = 1;
	user(t, 999, 999);
	assert_done(t, plan_identity(&t->p));
	user(t, 1000, 999);
	assert_failed(t, plan_identity(&t->p), "process.user.uid: 1000 is not mapped");
	user(t, 999, 1000);
	assert_failed(t, plan_identity(&t->p), "process.user.gid: 1000 is not mapped");
	user(t, 999, 999);
	u->additional_gids = (struct u32_list){.items = groups, .n = 2};
	assert_failed(t, plan_identity(&t->p), "process.user.additionalGids[1]: 1000");
}

/* binary.c: whether the host's user behind the workload could write to this very program. */
static bool protect(struct planning *t, uint32_t uid, uint32_t gid)
{
	t->plan.uid = uid;
	t->plan.gid = gid;
	return plan_must_protect_binary(&t->plan, &t->config);
}

static mode_t own_mode(mode_t mode)
{
	struct stat st;

	assert_int_equal(stat("/proc/self/exe", &st), 0);
	assert_int_equal(chmod("/proc/self/exe", mode), 0);
	return st.st_mode & 07777;
}

static void root_and_capabilities_mean_that_the_binary_is_protected(void **state)
{
	struct planning *t = *state;

	needs_root();
	mode_t mode = own_mode(0755);
	t->plan.no_new_privileges = true;
	bool root = protect(t, 0, 1000), plain = protect(t, 1000, 1000);
	t->plan.no_new_privileges = false; /* a set-user-ID program of the image */
	bool gains = protect(t, 1000, 1000);
	t->plan.no_new_privileges = true;
	t->plan.capabilities.bounding = 1;
	bool bounding = protect(t, 1000, 1000);
	t->plan.capabilities = (struct plan_capabilities){.permitted = 1};
	bool permitted = protect(t, 1000, 1000);
	own_mode(mode);
	assert_true(root && gains && bounding && permitted);
	/* Without a reason there is no second exec: it costs time. */
	assert_false(plain);
}

static void a_binary_that_others_may_write_is_protected(void **state)
{
	struct planning *t = *state;

	needs_root();
	mode_t mode = own_mode(0757);
	bool others = protect(t, 1000, 1000);
	own_mode(0775);
	bool group = protect(t, 1000, 1000);
	own_mode(mode);
	assert_true(others);
	assert_true(group);
}

static void in_a_user_namespace_the_hosts_id_counts(void **state)
{
	struct planning *t = *state;
	struct config_id_mapping far[] = {{0, 100000, 65536}}, near[] = {{0, 0, 1}, {1, 100000, 9}};
	struct config_linux *l = &t->config.linux_;

	needs_root();
	mode_t mode = own_mode(0755);
	t->plan.user_namespace = true;
	t->plan.no_new_privileges = true;
	t->plan.capabilities.bounding = 1; /* they count over files whose owner is mapped */
	l->uid_mappings = l->gid_mappings = far;
	l->n_uid_mappings = l->n_gid_mappings = 1;
	bool far_root = protect(t, 0, 0), unmapped = protect(t, 70000, 0);
	l->uid_mappings = l->gid_mappings = near;
	l->n_uid_mappings = l->n_gid_mappings = 2;
	bool near_root = protect(t, 0, 0), near_with = protect(t, 1, 1);
	t->plan.capabilities.bounding = 0;
	bool beside = protect(t, 1, 1);
	own_mode(mode);
	assert_false(far_root);
	assert_true(near_root && near_with);
	assert_false(beside);
	/* What is not known is taken for the worst. */
	assert_true(unmapped);
}

static void write_map(pid_t pid, const char *name, const char *map)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	assert_int_equal(file_write_text(AT_FDCWD, path, map), 0);
}

/* Whether the plan is made inside an engine's user namespace with that map. Root's to try. */
static bool inside(struct planning *t, const char *map, uint32_t id)
{
	int ready[2], mapped[2], status;
	char go;

	assert_int_equal(pipe(ready) | pipe(mapped), 0);
	pid_t pid = fork();
	if (pid == 0) {
		t->in.nested = true;
		user(t, id, id);
		_exit(unshare(CLONE_NEWUSER) < 0 || close(ready[1]) < 0 ||
			      read(mapped[0], &go, 1) != 1
			  ? 2
			  : plan_identity(&t->p) != 0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &go, 1), 0);
	write_map(pid, "uid_map", map);
	write_map(pid, "gid_map", map);
	assert_int_equal(write(mapped[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ready[0]);
	close(mapped[0]);
	close(mapped[1]);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

static void ids_have_to_be_mapped_where_the_engine_is_too(void **state)
{
	static const char map[] = "10 100010 5\n5 100005 2\n0 0 1\n";
	struct planning *t = *state;

	needs_root();
	assert_true(inside(t, map, 0) && inside(t, map, 6) && inside(t, map, 14));
	assert_false(inside(t, map, 1) || inside(t, map, 7) || inside(t, map, 15));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, planning_start, planning_end)
	const struct CMUnitTest tests[] = {
	    TEST(home_follows_the_rootfss_passwd),
	    TEST(without_an_entry_or_with_a_bad_one_it_is_made_in_tmp),
	    TEST(without_that_rule_homes_own_word_stays),
	    TEST(what_lies_at_etc_passwd_can_not_hurt),
	    TEST(what_is_no_regular_file_is_not_opened),
	    TEST(an_unknown_uid_and_gid_get_a_line_each),
	    TEST(a_known_one_gets_no_file),
	    TEST(a_name_that_is_taken_is_not_given_twice),
	    TEST(what_config_mounts_there_is_the_callers_word),
	    TEST(a_home_with_a_colon_never_reaches_passwd),
	    TEST(without_the_policy_no_file_is_added),
	    TEST(ids_have_to_be_mapped),
	    TEST(root_and_capabilities_mean_that_the_binary_is_protected),
	    TEST(a_binary_that_others_may_write_is_protected),
	    TEST(in_a_user_namespace_the_hosts_id_counts),
	    TEST(ids_have_to_be_mapped_where_the_engine_is_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
