/* link: container config policy cgroup base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../runtime/container/process.h"
#include "../../runtime/container/store.h"
#include "container.h"

static struct arena arena = ARENA_INIT;
static char base[32];
static char root[64]; /* below base, made by the code under test */
static struct container c;
static struct error err;

static int setup(void **state)
{
	(void)state;
	strcpy(base, "/tmp/runsafe-store-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	snprintf(root, sizeof(root), "%s/a/root", base);
	memset(&c, 0, sizeof(c));
	c.dir = -1;
	err = (struct error)ERROR_INIT;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	container_close(&c);
	return system(arena_printf(&arena, "rm -rf %s", base));
}

static const char *below(const char *path)
{
	return arena_printf(&arena, "%s/%s", root, path);
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(below(path), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void make(const char *id)
{
	assert_int_equal(container_make(&arena, root, id, &c, &err), 0);
}

/* A container whose workload is this process. */
static void make_ours(const char *id, const char *recorded)
{
	char boot[BOOT_ID_SIZE];
	char letter;

	make(id);
	assert_int_equal(process_boot_id(boot, &(struct error)ERROR_INIT), 0);
	c.state.boot_id = arena_strdup(&arena, boot);
	c.state.pid = getpid();
	assert_int_equal(process_stat(getpid(), &c.state.start_time, &letter), 0);
	c.state.recorded = arena_strdup(&arena, recorded);
	assert_int_equal(container_write_state(&arena, &c, &err), 0);
}

static void reopen(const char *id)
{
	container_close(&c);
	assert_int_equal(container_open(&arena, root, id, false, &c, &err), 0);
}

static void assert_missing(const char *id)
{
	struct container other;

	assert_int_equal(container_open(&arena, root, id, false, &other, &err), -1);
	assert_int_equal(err.number, ENOENT);
	assert_non_null(strstr(err.text, "container does not exist"));
}

static void assert_in_use(const char *id)
{
	struct container other;

	assert_int_equal(container_make(&arena, root, id, &other, &err), -1);
	assert_non_null(strstr(err.text, "container with given ID already exists"));
}

static void ids_are_checked(void **state)
{
	static const char *const good[] = {"a", "A_z+9.-", ".hidden", "0", "..."};
	static const char *const bad[] = {"",	 ".",	 "..",	     "-a", "a/b",
					  "a b", "a\nb", "\xc3\xa4", "a:b"};
	char long_id[301];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(container_check_id(good[i], &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(container_check_id(bad[i], &err), -1);
	memset(long_id, 'a', 300);
	long_id[300] = '\0';
	assert_int_equal(container_check_id(long_id, &err), -1);
	long_id[256] = '\0';
	assert_int_equal(container_check_id(long_id, &err), -1);
	long_id[255] = '\0';
	assert_int_equal(container_check_id(long_id, &err), 0);
}

static void make_makes_the_root_and_its_parents(void **state)
{
	mode_t old = umask(077);
	struct stat st;

	(void)state;
	make("one");
	umask(old);
	assert_int_equal(stat(root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(stat(below("one"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_string_equal(c.state.id, "one");
	assert_int_equal(fcntl(c.dir, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void an_id_is_used_once(void **state)
{
	(void)state;
	make("one");
	assert_in_use("one"); /* locked by a create at work */
	c.state.recorded = arena_strdup(&arena, "created");
	assert_int_equal(container_write_state(&arena, &c, &err), 0);
	container_close(&c);
	assert_in_use("one");
}

static void state_comes_back_as_it_was_written(void **state)
{
	struct stat st;

	(void)state;
	make("one");
	c.state.oci_version = arena_strdup(&arena, "1.2.0");
	c.state.bundle = arena_strdup(&arena, "/b \"quoted\"\n");
	c.state.rootfs = arena_strdup(&arena, "/b/rootfs");
	c.state.created = arena_strdup(&arena, "2026-01-02T03:04:05.000000006Z");
	c.state.owner = arena_strdup(&arena, "root");
	c.state.recorded = arena_strdup(&arena, "running");
	c.state.pid = 4194304;
	c.state.start_time = UINT64_MAX;
	c.state.boot_id = arena_strdup(&arena, "boot");
	c.state.cgroup_driver = arena_strdup(&arena, "cgroupfs");
	c.state.cgroup_path = arena_strdup(&arena, "/runsafe/one");
	c.state.policy = arena_strdup(&arena, "default");
	c.state.policy_text = arena_strdup(&arena, "{\"name\": \"default\"}");
	c.state.own_pid_namespace = true;
	config_spec(&arena, &c.state.config);
	str_map_set(&arena, &c.state.config.annotations, arena_strdup(&arena, "k"),
		    arena_strdup(&arena, "v"));
	findings_add(&c.state.findings, FINDING_CHANGED, "root.readonly", "made true");
	findings_add(&c.state.findings, FINDING_NOTE, "linux.seccomp", "unknown name");
	assert_int_equal(container_write_state(&arena, &c, &err), 0);
	assert_int_equal(stat(below("one/state.json"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access(below("one/state.json.new"), F_OK), -1);

	reopen("one");
	assert_string_equal(c.state.oci_version, "1.2.0");
	assert_string_equal(c.state.id, "one");
	assert_string_equal(c.state.bundle, "/b \"quoted\"\n");
	assert_string_equal(c.state.rootfs, "/b/rootfs");
	assert_string_equal(c.state.created, "2026-01-02T03:04:05.000000006Z");
	assert_string_equal(c.state.owner, "root");
	assert_string_equal(c.state.recorded, "running");
	assert_int_equal(c.state.pid, 4194304);
	assert_true(c.state.start_time == UINT64_MAX);
	assert_string_equal(c.state.boot_id, "boot");
	assert_string_equal(c.state.cgroup_driver, "cgroupfs");
	assert_string_equal(c.state.cgroup_path, "/runsafe/one");
	assert_string_equal(c.state.policy, "default");
	assert_string_equal(c.state.policy_text, "{\"name\": \"default\"}");
	assert_true(c.state.own_pid_namespace);
	assert_string_equal(str_map_get(&c.state.config.annotations, "k"), "v");
	assert_true(c.state.config.process.args.n > 0);
	assert_int_equal(c.state.findings.n, 2);
	assert_int_equal(c.state.findings.items[0].kind, FINDING_CHANGED);
	assert_string_equal(c.state.findings.items[0].path, "root.readonly");
	assert_int_equal(c.state.findings.items[1].kind, FINDING_NOTE);
	assert_string_equal(c.state.findings.items[1].text, "unknown name");
}

static void a_write_that_fails_leaves_the_old_state(void **state)
{
	const struct rlimit small = {16, RLIM_INFINITY};
	const struct rlimit large = {RLIM_INFINITY, RLIM_INFINITY};

	(void)state;
	make("one");
	c.state.recorded = arena_strdup(&arena, "created");
	assert_int_equal(container_write_state(&arena, &c, &err), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	c.state.recorded = arena_strdup(&arena, "running");
	assert_int_equal(container_write_state(&arena, &c, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &large), 0);
	assert_non_null(strstr(err.text, "file too large"));
	assert_int_equal(access(below("one/state.json.new"), F_OK), -1);
	reopen("one");
	assert_string_equal(c.state.recorded, "created");
}

static void foreign_folders_are_passed_over(void **state)
{
	struct str_list ids;

	(void)state;
	assert_int_equal(container_list(&arena, root, &ids, &err), 0);
	assert_int_equal(ids.n, 0);
	make_ours("zwei", "running");
	container_close(&c);
	make_ours("eins", "running");
	container_close(&c);
	mkdir(below("runc"), 0755);
	put("runc/state.json",
	    "{\"id\":\"runc\",\"init_process_pid\":5,\"config\":{\"rootfs\":1}}");
	mkdir(below("youki"), 0755);
	put("youki/state.json", "{\"id\":\"youki\",\"status\":\"running\",\"pid\":1}");
	mkdir(below("crun"), 0755);
	put("crun/status", "{}");
	mkdir(below("broken"), 0755);
	put("broken/state.json", "{\"runsafeVersion\":");
	put("file", "");
	assert_int_equal(symlink("eins", below("link")), 0);
	mkdir(below("with space"), 0755);
	assert_int_equal(container_list(&arena, root, &ids, &err), 0);
	assert_int_equal(ids.n, 2);
	assert_string_equal(ids.items[0], "eins");
	assert_string_equal(ids.items[1], "zwei");
	assert_missing("runc");
	assert_missing("youki");
	assert_missing("crun");
	assert_missing("file");
	assert_missing("link");
	assert_missing("none");
	/* and nobody's folder is taken over, or away */
	assert_in_use("runc");
	assert_in_use("crun");
	assert_in_use("file");
	assert_int_equal(store_remove_debris(root, "crun", &err), 0);
	assert_int_equal(access(below("crun/status"), F_OK), 0);
	assert_int_equal(store_remove_debris(root, "runc", &err), 0);
	assert_int_equal(access(below("runc/state.json"), F_OK), 0);
}

static int note(void *context, const struct container_state *seen, struct error *e)
{
	(void)e;
	str_list_add(&arena, context,
		     arena_printf(&arena, "%s %s %s", seen->id, seen->recorded,
				  seen->config.annotations.n
				      ? seen->config.annotations.items[0].value
				      : "-"));
	return seen->pid == 1 ? -1 : 0;
}

static void a_glance_has_what_is_shown(void **state)
{
	struct container_state seen;
	struct str_list notes = {.n = 0};

	(void)state;
	assert_int_equal(container_each(&arena, root, note, &notes, &err), 0);
	assert_int_equal(notes.n, 0);
	make_ours("zwei", "creating");
	container_close(&c);
	make_ours("eins", "running");
	container_close(&c);
	put("eins/state.json",
	    "{\"runsafeVersion\":1,\"id\":\"eins\",\"status\":\"running\","
	    "\"config\":{\"process\":7,\"annotations\":{\"k\":\"v\"}},\"findings\":5}");
	assert_int_equal(container_glance(&arena, root, "eins", &seen, &err), 0);
	assert_string_equal(seen.config.annotations.items[0].value, "v");
	/* Who needs it hears of it. */
	assert_int_equal(container_open(&arena, root, "eins", false, &c, &err), -1);
	assert_non_null(strstr(err.text, "config.process"));
	/* Nobody holds the lock of "zwei" any more. */
	mkdir(below("foreign"), 0755);
	put("foreign/state.json", "{\"id\":\"foreign\",\"status\":\"running\",\"pid\":1}");
	assert_int_equal(container_each(&arena, root, note, &notes, &err), 0);
	assert_int_equal(notes.n, 2);
	assert_string_equal(notes.items[0], "eins running v");
	assert_string_equal(notes.items[1], "zwei stopped -");
	assert_int_equal(container_glance(&arena, root, "foreign", &seen, &err), -1);
	assert_int_equal(err.number, ENOENT);
	/* A visitor ends it, and so does one that is damaged, or has another's name. */
	put("eins/state.json", "{\"runsafeVersion\":1,\"id\":\"eins\",\"status\":\"running\","
			       "\"pid\":1}");
	assert_int_equal(container_each(&arena, root, note, &notes, &err), -1);
	put("eins/state.json", "{\"runsafeVersion\":1,\"id\":\"eins\",\"status\":7}");
	assert_int_equal(container_each(&arena, root, note, &notes, &err), -1);
	assert_non_null(strstr(err.text, "status"));
	put("eins/state.json", "{\"runsafeVersion\":1,\"id\":\"drei\",\"status\":\"running\"}");
	assert_int_equal(container_each(&arena, root, note, &notes, &err), -1);
	assert_non_null(strstr(err.text, "that of container drei"));
}

static void a_state_of_a_later_form_is_said(void **state)
{
	struct container other;

	(void)state;
	make("one");
	put("one/state.json", "{\"runsafeVersion\":2,\"id\":\"one\",\"status\":\"created\"}");
	assert_int_equal(container_open(&arena, root, "one", false, &other, &err), -1);
	assert_non_null(strstr(err.text, "form 2"));
	assert_int_not_equal(err.number, ENOENT);
}

static void debris_is_taken_over(void **state)
{
	(void)state;
	make("one");
	container_close(&c);
	assert_int_equal(mkfifo(below("one/gate"), 0600), 0);
	put("one/state.json.new", "{");
	assert_missing("one");
	make("one");
	assert_int_equal(access(below("one/gate"), F_OK), -1);
	assert_int_equal(access(below("one/state.json.new"), F_OK), -1);
}

static void debris_is_removed_and_others_files_are_not(void **state)
{
	(void)state;
	make("one");
	container_close(&c);
	put("one/gate", "");
	assert_int_equal(store_remove_debris(root, "one", &err), 1);
	assert_int_equal(access(below("one"), F_OK), -1);
	assert_int_equal(store_remove_debris(root, "one", &err), 0);

	make_ours("two", "running");
	put("two/notes", "mine");
	assert_int_equal(container_remove_dir(root, "two", &c, &err), -1);
	assert_non_null(strstr(err.text, "did not put there"));
	assert_int_equal(access(below("two/notes"), F_OK), 0);
	unlink(below("two/notes"));
	assert_int_equal(container_remove_dir(root, "two", &c, &err), 0);
	assert_int_equal(access(below("two"), F_OK), -1);
}

/* Runs a function in a child that tells through its exit status. */
static pid_t in_child(int (*function)(const char *), const char *argument)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(function(argument));
	assert_true(pid > 0);
	return pid;
}

static int exit_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_reads_running(const char *lock)
{
	struct container other;
	struct error e = ERROR_INIT;

	if (container_open(&arena, root, "one", *lock == 'l', &other, &e) < 0)
		return e.number == ENOENT ? 2 : 1;
	return strcmp(other.state.recorded, "running") == 0 ? 0 : 3;
}

static void an_open_waits_for_the_create_at_work(void **state)
{
	pid_t locked;
	pid_t unlocked;

	(void)state;
	make("one");
	locked = in_child(open_reads_running, "locked");
	unlocked = in_child(open_reads_running, "unlocked");
	usleep(50000);
	assert_int_equal(waitpid(locked, NULL, WNOHANG), 0);
	assert_int_equal(waitpid(unlocked, NULL, WNOHANG), 0);
	c.state.recorded = arena_strdup(&arena, "running");
	assert_int_equal(container_write_state(&arena, &c, &err), 0);
	container_close(&c);
	assert_int_equal(exit_status(locked), 0);
	assert_int_equal(exit_status(unlocked), 0);
}

static void a_waiter_sees_that_the_container_is_gone(void **state)
{
	pid_t waiter;

	(void)state;
	make_ours("one", "running");
	waiter = in_child(open_reads_running, "locked");
	usleep(50000);
	assert_int_equal(container_remove_dir(root, "one", &c, &err), 0);
	container_close(&c);
	assert_int_equal(exit_status(waiter), 2);
}

static void a_waiter_finds_the_container_that_was_made_anew(void **state)
{
	struct container old;
	pid_t waiter;

	(void)state;
	make_ours("one", "created");
	old = c;
	waiter = in_child(open_reads_running, "locked");
	usleep(50000);
	assert_int_equal(container_remove_dir(root, "one", &old, &err), 0);
	make_ours("one", "running");
	container_close(&old);
	container_close(&c);
	assert_int_equal(exit_status(waiter), 0);
}

static void an_open_without_lock_does_not_wait_for_a_state_that_is_there(void **state)
{
	struct container other;

	(void)state;
	make_ours("one", "creating");
	assert_int_equal(container_open(&arena, root, "one", false, &other, &err), 0);
	/* The lock is held, so the create is at work. */
	assert_int_equal(container_status(&other.state), STATUS_CREATING);
	container_close(&other);
}

static void creating_without_a_lock_was_abandoned(void **state)
{
	(void)state;
	make_ours("one", "creating");
	reopen("one");
	assert_int_equal(container_status(&c.state), STATUS_STOPPED);
	container_close(&c);
	assert_int_equal(container_open(&arena, root, "one", true, &c, &err), 0);
	assert_int_equal(container_status(&c.state), STATUS_STOPPED);
}

static void a_child_does_not_hold_a_closed_lock(void **state)
{
	struct container other;
	pid_t child;

	(void)state;
	make_ours("one", "running");
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	container_close(&c);
	alarm(20);
	assert_int_equal(container_open(&arena, root, "one", true, &other, &err), 0);
	alarm(0);
	container_close(&other);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(ids_are_checked),
	    STORE_TEST(make_makes_the_root_and_its_parents),
	    STORE_TEST(an_id_is_used_once),
	    STORE_TEST(state_comes_back_as_it_was_written),
	    STORE_TEST(a_write_that_fails_leaves_the_old_state),
	    STORE_TEST(foreign_folders_are_passed_over),
	    STORE_TEST(a_glance_has_what_is_shown),
	    STORE_TEST(a_state_of_a_later_form_is_said),
	    STORE_TEST(debris_is_taken_over),
	    STORE_TEST(debris_is_removed_and_others_files_are_not),
	    STORE_TEST(an_open_waits_for_the_create_at_work),
	    STORE_TEST(a_waiter_sees_that_the_container_is_gone),
	    STORE_TEST(a_waiter_finds_the_container_that_was_made_anew),
	    STORE_TEST(an_open_without_lock_does_not_wait_for_a_state_that_is_there),
	    STORE_TEST(creating_without_a_lock_was_abandoned),
	    STORE_TEST(a_child_does_not_hold_a_closed_lock),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
