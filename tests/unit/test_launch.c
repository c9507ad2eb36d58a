/* link: container sandbox plan config policy cgroup net base gen */
/* What create, run and check share: the state text that hooks get, and that a launch which fails
 * leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/container/launch.h"
#include "fd.h"

static struct arena arena;
static char base[64], root[96], bundle[96];
static struct runtime_options options;
static struct create_options create;
static struct launch l;
static struct error err;

static void write_config(const char *more_process, const char *more)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/config.json", bundle);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file,
		"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"},"
		"\"process\":{\"user\":{\"uid\":1000,\"gid\":1000},\"cwd\":\"/\","
		"\"noNewPrivileges\":true,"
		"\"args\":[\"/no/program\"]%s},"
		"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"}]}%s}",
		more_process, more);
	fclose(file);
}

static int setup(void **state)
{
	(void)state;
	strcpy(base, "/tmp/runsafe-launch.XXXXXX");
	if (!mkdtemp(base))
		return -1;
	snprintf(root, sizeof(root), "%s/root", base);
	snprintf(bundle, sizeof(bundle), "%s/bundle", base);
	mkdir(bundle, 0755);
	char rootfs[128];
	snprintf(rootfs, sizeof(rootfs), "%s/rootfs", bundle);
	mkdir(rootfs, 0755);
	options = (struct runtime_options){
	    .root = root, .cgroup = CGROUP_NONE, .policy = "oci", .program = "runsafe"};
	create = (struct create_options){.id = "unit", .bundle = bundle, .detach = true};
	l = (struct launch){.arena = &arena, .options = &options, .create = &create};
	err = (struct error)ERROR_INIT;
	return 0;
}

static int unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return nftw(base, unlink_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = -2; /* "." and ".." */

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void error_has(const char *part)
{
	if (!strstr(err.text, part))
		fail_msg("expected \"%s\" in \"%s\"", part, err.text);
}

static void nothing_is_left(void)
{
	assert_int_equal(entries(root), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* runtime.md, "State": hooks get it with the pid, which only who runs them knows. */
static void the_state_text_is_whole_around_its_pid(void **state)
{
	struct str_pair tricks[] = {{(char *)"\"pid\":9", (char *)"\"pid\":8,"},
				    {(char *)"pid", (char *)"7"}};
	struct container_state s = {.oci_version = (char *)"1.3.0",
				    .id = (char *)"a",
				    .bundle = (char *)"/b/\"pid\":6",
				    .rootfs = (char *)"/r",
				    .created = (char *)"2026",
				    .owner = (char *)"root"};

	(void)state;
	s.config.annotations = (struct str_map){.items = tricks, .n = 2};
	for (enum container_status i = STATUS_CREATING; i <= STATUS_STOPPED; i++) {
		for (int64_t pid = 0; pid < 5000000; pid = pid * 41 + 1) {
			const char *before, *after;
			s.pid = pid;
			launch_state_text(&arena, &s, i, &before, &after);
			long long shown = i == STATUS_STOPPED ? 0 : pid;
			assert_string_equal(arena_printf(&arena, "%s%lld%s", before, shown, after),
					    container_state_json(&arena, &s, i, false));
			/* Right behind the key, and no other number's place. */
			assert_string_equal(before + strlen(before) - 6, "\"pid\":");
			assert_true(after[0] == ',' || after[0] == '}');
		}
	}
}

static void a_bundle_that_is_not_there(void **state)
{
	(void)state;
	create.bundle = "/no/such/bundle";
	assert_int_equal(launch_prepare(&l, false, &err), -1);
	error_has("/no/such/bundle: no such file or directory");
	launch_close(&l);
	nothing_is_left();
}

static void a_bundle_without_a_config(void **state)
{
	(void)state;
	assert_int_equal(launch_prepare(&l, false, &err), -1);
	error_has("config.json");
	launch_close(&l);
	nothing_is_left();
}

static void a_terminal_wants_a_console_socket_and_the_other_way_round(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_config(",\"terminal\":true", "");
	assert_int_equal(launch_prepare(&l, false, &err), -1);
	error_has("process.terminal");
	launch_close(&l);
	write_config("", "");
	create.console_socket = "/tmp/none";
	assert_int_equal(launch_prepare(&l, false, &err), -1);
	error_has("--console-socket");
	launch_close(&l);
	nothing_is_left();
}

static void check_makes_nothing(void **state)
{
	struct stat st;

	(void)state;
	options.policy = "strict";
	write_config("", "");
	assert_int_equal(launch_prepare(&l, true, &err), 0);
	assert_true(findings_have(&l.findings, FINDING_REFUSED));
	assert_true(findings_have(&l.findings, FINDING_CHANGED));
	assert_int_equal(l.plan.rootfs_tree, -1);
	launch_close(&l);
	assert_int_equal(stat(root, &st), -1);
}

static void prepared(void)
{
	if (launch_prepare(&l, false, &err) < 0)
		fail_msg("%s", err.text);
}

/* A container's whole way back, from the child that could not go on. */
static void a_program_that_is_not_there_leaves_nothing(void **state)
{
	char pid_file[128];
	int before = dup(0);

	(void)state;
	close(before);
	if (geteuid() != 0)
		skip();
	snprintf(pid_file, sizeof(pid_file), "%s/pid", base);
	create.pid_file = pid_file;
	write_config("", "");
	prepared();
	assert_int_equal(launch_go(&l, PLAN_GATE_FIFO, &err), -1);
	error_has("/no/program");
	error_has("no such file or directory");
	launch_close(&l);
	nothing_is_left();
	assert_int_equal(access(pid_file, F_OK), -1);
	int after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

/* runtime.md, lifecycle: a create that failed after its hooks began runs the poststop hooks. */
static void a_failed_create_hook_is_told_and_poststop_runs(void **state)
{
	char path[128], more[400], text[512] = "";

	(void)state;
	if (geteuid() != 0)
		skip();
	snprintf(path, sizeof(path), "%s/poststop", base);
	snprintf(
	    more, sizeof(more),
	    ",\"hooks\":{\"createRuntime\":[{\"path\":\"/bin/false\"}],"
	    "\"poststop\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"/bin/cat > %s\"]}]}",
	    path);
	write_config("", more);
	prepared();
	assert_int_equal(launch_go(&l, PLAN_GATE_FIFO, &err), -1);
	error_has("hooks.createRuntime[0]");
	launch_close(&l);
	nothing_is_left();
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "\"status\":\"stopped\""));
	assert_non_null(strstr(text, "\"id\":\"unit\""));
}

static void an_id_in_use_stays_as_it_was(void **state)
{
	char path[128];

	(void)state;
	if (geteuid() != 0)
		skip();
	write_config("", "");
	prepared();
	mkdir(root, 0711);
	snprintf(path, sizeof(path), "%s/unit", root);
	mkdir(path, 0711);
	snprintf(path, sizeof(path), "%s/unit/foreign", root);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(launch_go(&l, PLAN_GATE_FIFO, &err), -1);
	launch_close(&l);
	assert_int_equal(access(path, F_OK), 0);
}

static void a_bad_id_makes_no_folder(void **state)
{
	static const char *const bad[] = {"..", "a/b", "", "-x"};
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	write_config("", "");
	for (size_t i = 0; i < 4; i++) {
		l = (struct launch){.arena = &arena, .options = &options, .create = &create};
		prepared();
		create.id = bad[i];
		assert_int_equal(launch_go(&l, PLAN_GATE_FIFO, &err), -1);
		launch_close(&l);
		assert_int_equal(stat(root, &st), -1);
	}
}

/* A program that its group may write would be executed again, sealed: not in a test. */
static int own_mode(void **state)
{
	(void)state;
	return geteuid() == 0 ? chmod("/proc/self/exe", 0755) : 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(the_state_text_is_whole_around_its_pid),
	    TEST(a_bundle_that_is_not_there),
	    TEST(a_bundle_without_a_config),
	    TEST(a_terminal_wants_a_console_socket_and_the_other_way_round),
	    TEST(check_makes_nothing),
	    TEST(a_program_that_is_not_there_leaves_nothing),
	    TEST(a_failed_create_hook_is_told_and_poststop_runs),
	    TEST(an_id_in_use_stays_as_it_was),
	    TEST(a_bad_id_makes_no_folder),
	};

	return cmocka_run_group_tests(tests, own_mode, NULL);
}
