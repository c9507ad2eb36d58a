/* link: sandbox base gen */
/* config.md, "POSIX-platform Hooks": input, environment, failure, timeout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/sandbox/sandbox_internal.h"

static char dir[64];
static struct error err;

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/runsafe-hooks.XXXXXX");
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return chdir("/") == 0 ? system(command) : -1;
}

/* A shell line as a hook; env NULL: none at all. */
static int run_env(const char *line, int timeout_ms, char **env)
{
	static char *nothing[] = {NULL};
	char *argv[] = {(char *)"hook", (char *)"-c", (char *)line, NULL};
	struct plan_hook hook = {.label = "hooks.createRuntime[2]",
				 .path = (char *)"/bin/sh",
				 .argv = argv,
				 .envp = env ? env : nothing,
				 .timeout_ms = timeout_ms};
	struct plan_hook_list list = {.items = &hook, .n = 1};

	err = (struct error)ERROR_INIT;
	return hooks_run(&list, "{\"pid\":", 4711, ",\"end\":true}", &err);
}

static int run(const char *line)
{
	return run_env(line, 0, NULL);
}

static void file_is(const char *name, const char *text)
{
	char buffer[512] = "";
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, buffer, sizeof(buffer) - 1) >= 0);
	close(fd);
	assert_string_equal(buffer, text);
}

static void failed_with(int result, const char *part)
{
	assert_int_equal(result, -1);
	if (!strstr(err.text, part))
		fail_msg("expected \"%s\" in \"%s\"", part, err.text);
	assert_non_null(strstr(err.text, "hooks.createRuntime[2]"));
	assert_non_null(strstr(err.text, "/bin/sh"));
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* "The state of the container MUST be passed to hooks over stdin". */
static void the_state_with_its_pid_is_on_standard_input(void **state)
{
	(void)state;
	assert_int_equal(run("/bin/cat > input"), 0);
	file_is("input", "{\"pid\":4711,\"end\":true}");
}

static void a_state_larger_than_a_pipe_arrives_whole(void **state)
{
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)"/usr/bin/wc -c > size", NULL};
	struct plan_hook hook = {.label = "h", .path = (char *)"/bin/sh", .argv = argv};
	struct plan_hook_list list = {.items = &hook, .n = 1};
	char *large = calloc(1, 300001);

	(void)state;
	assert_non_null(large);
	memset(large, 'x', 300000);
	assert_int_equal(hooks_run(&list, large, 12, "", &err), 0);
	free(large);
	file_is("size", "300002\n");
}

static void a_hook_that_reads_nothing_is_fine(void **state)
{
	(void)state;
	assert_int_equal(run("exec 0<&-; exit 0"), 0);
	/* And the runtime's SIGPIPE is as it was. */
	struct sigaction now;
	sigaction(SIGPIPE, NULL, &now);
	assert_true(now.sa_handler == SIG_DFL);
}

/* "env ... with the same semantics as IEEE Std 1003.1-2008's environ": that and no other. */
static void it_has_its_own_environment_and_no_other(void **state)
{
	char *env[] = {(char *)"A=1", (char *)"B=two words", NULL};

	(void)state;
	setenv("SECRET_OF_THE_RUNTIME", "x", 1);
	assert_int_equal(run_env("echo \"$A $B$SECRET_OF_THE_RUNTIME\" > env", 0, env), 0);
	file_is("env", "1 two words\n");
	assert_int_equal(run("echo \"[$A$SECRET_OF_THE_RUNTIME]\" > none"), 0);
	file_is("none", "[]\n");
}

static void its_arguments_begin_with_its_own_name(void **state)
{
	(void)state;
	assert_int_equal(run("echo $0 > name"), 0);
	file_is("name", "hook\n");
}

static void no_descriptor_of_the_runtime_reaches_it(void **state)
{
	int open_one = open("/dev/null", O_RDONLY); /* without close-on-exec, as a bug would */

	(void)state;
	assert_int_equal(run("for f in /proc/self/fd/*; do echo ${f##*/}; done | "
			     "/bin/grep -cvE '^[0-3]$' > fds; exit 0"),
			 0);
	close(open_one);
	/* 0 to 2, and the shell's own of the directory at most. */
	file_is("fds", "0\n");
}

static void its_exit_code_and_words_are_in_the_message(void **state)
{
	(void)state;
	failed_with(run("echo first; echo oops >&2; exit 3"), "failed with exit status 3");
	assert_non_null(strstr(err.text, "first oops"));
	/* The log takes one line. */
	assert_null(strchr(err.text, '\n'));
	failed_with(run("kill -9 $$"), "killed by signal 9");
	assert_int_equal(run("echo noise; exit 0"), 0);
}

static void a_flood_of_output_neither_blocks_nor_fills_the_message(void **state)
{
	(void)state;
	failed_with(
	    run_env("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; exit 5",
		    20000, NULL),
	    "exit status 5: 0123456789");
	assert_true(strlen(err.text) < 1000);
}

static void a_program_that_is_not_there_says_so(void **state)
{
	char *argv[] = {(char *)"x", NULL};
	struct plan_hook hook = {
	    .label = "hooks.poststart[0]", .path = (char *)"/no/such/hook", .argv = argv};
	struct plan_hook_list list = {.items = &hook, .n = 1};

	(void)state;
	err = (struct error)ERROR_INIT;
	assert_int_equal(hooks_run(&list, "{", 1, "}", &err), -1);
	assert_non_null(strstr(err.text, "/no/such/hook"));
	assert_non_null(strcasestr(err.text, "no such file or directory"));
}

/* "If timeout is set, it MUST be greater than zero": and then the hook ends, and what it began. */
static void at_its_timeout_the_whole_group_is_killed(void **state)
{
	long long begin = now_ms();

	(void)state;
	failed_with(run_env("/bin/sleep 30 & echo $! > child; /bin/sleep 30", 300, NULL),
		    "timeout");
	assert_true(now_ms() - begin < 5000);

	char buffer[16] = "";
	int fd = open("child", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && read(fd, buffer, sizeof(buffer) - 1) > 0);
	close(fd);
	pid_t grandchild = (pid_t)strtol(buffer, NULL, 10);
	assert_true(grandchild > 1);
	/* It is somebody else's to reap, so a zombie is as good as gone. */
	for (int i = 0; i < 100; i++) {
		char path[32], stat[256] = "";
		snprintf(path, sizeof(path), "/proc/%d/stat", grandchild);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? 0 : read(fd, stat, sizeof(stat) - 1);
		if (fd >= 0)
			close(fd);
		if (n <= 0 || strstr(stat, ") Z") || strstr(stat, ") X"))
			return;
		usleep(10000);
	}
	fail_msg("process %d of the hook outlived its timeout", grandchild);
}

static void a_timeout_that_is_not_reached_is_none(void **state)
{
	(void)state;
	assert_int_equal(run_env("/bin/sleep 0.05", 10000, NULL), 0);
}

/* A hook may leave a process behind (a network daemon): its end is the hook's, not the pipe's. */
static void what_it_leaves_behind_is_not_waited_for(void **state)
{
	long long begin = now_ms();

	(void)state;
	assert_int_equal(run("/bin/sleep 3 & exit 0"), 0);
	assert_true(now_ms() - begin < 2000);
}

static void they_run_in_order_and_the_first_failure_ends_it(void **state)
{
	char *one[] = {(char *)"sh", (char *)"-c", (char *)"echo 1 >> order", NULL};
	char *two[] = {(char *)"sh", (char *)"-c", (char *)"echo 2 >> order; exit 1", NULL};
	char *three[] = {(char *)"sh", (char *)"-c", (char *)"echo 3 >> order", NULL};
	struct plan_hook hooks[] = {
	    {.label = "h[0]", .path = (char *)"/bin/sh", .argv = one},
	    {.label = "h[1]", .path = (char *)"/bin/sh", .argv = two},
	    {.label = "h[2]", .path = (char *)"/bin/sh", .argv = three},
	};
	struct plan_hook_list list = {.items = hooks, .n = 3};

	(void)state;
	err = (struct error)ERROR_INIT;
	assert_int_equal(hooks_run(&list, "{", 1, "}", &err), -1);
	assert_non_null(strstr(err.text, "h[1]"));
	file_is("order", "1\n2\n");
	assert_int_equal(hooks_run(&(struct plan_hook_list){0}, NULL, 0, NULL, &err), 0);
}

static void no_child_and_no_descriptor_is_left(void **state)
{
	int before = dup(0);

	(void)state;
	close(before);
	assert_int_equal(run("exit 0"), 0);
	assert_int_equal(run("exit 1"), -1);
	assert_int_equal(run_env("/bin/sleep 9", 50, NULL), -1);
	int after = dup(0);
	close(after);
	assert_int_equal(before, after);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_state_with_its_pid_is_on_standard_input),
	    cmocka_unit_test(a_state_larger_than_a_pipe_arrives_whole),
	    cmocka_unit_test(a_hook_that_reads_nothing_is_fine),
	    cmocka_unit_test(it_has_its_own_environment_and_no_other),
	    cmocka_unit_test(its_arguments_begin_with_its_own_name),
	    cmocka_unit_test(no_descriptor_of_the_runtime_reaches_it),
	    cmocka_unit_test(its_exit_code_and_words_are_in_the_message),
	    cmocka_unit_test(a_flood_of_output_neither_blocks_nor_fills_the_message),
	    cmocka_unit_test(a_program_that_is_not_there_says_so),
	    cmocka_unit_test(at_its_timeout_the_whole_group_is_killed),
	    cmocka_unit_test(a_timeout_that_is_not_reached_is_none),
	    cmocka_unit_test(what_it_leaves_behind_is_not_waited_for),
	    cmocka_unit_test(they_run_in_order_and_the_first_failure_ends_it),
	    cmocka_unit_test(no_child_and_no_descriptor_is_left),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
