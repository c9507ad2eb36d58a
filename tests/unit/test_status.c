/* link: container config policy cgroup base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../runtime/container/process.h"
#include "container.h"

static struct arena arena = ARENA_INIT;
static struct container_state state; /* of a container whose workload is this process */

static int setup(void **unused)
{
	char boot[BOOT_ID_SIZE];
	char letter;

	(void)unused;
	assert_int_equal(process_boot_id(boot, &(struct error)ERROR_INIT), 0);
	state = (struct container_state){.id = arena_strdup(&arena, "one"),
					 .boot_id = arena_strdup(&arena, boot),
					 .pid = getpid(),
					 .recorded = arena_strdup(&arena, "running")};
	return process_stat(getpid(), &state.start_time, &letter);
}

static void status_is_what_the_process_is(void **unused)
{
	(void)unused;
	assert_int_equal(container_status(&state), STATUS_RUNNING);
	state.start_time++; /* the pid is another process's by now */
	assert_int_equal(container_status(&state), STATUS_STOPPED);
	state.start_time--;
	state.boot_id = arena_strdup(&arena, "00000000-0000-0000-0000-000000000000");
	assert_int_equal(container_status(&state), STATUS_STOPPED);
}

static void a_dead_or_zombie_workload_is_stopped(void **unused)
{
	pid_t child;
	siginfo_t ended;
	char letter;

	(void)unused;
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	state.pid = child;
	assert_int_equal(process_stat(child, &state.start_time, &letter), 0);
	assert_int_equal(container_status(&state), STATUS_RUNNING);
	kill(child, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
	assert_int_equal(container_status(&state), STATUS_STOPPED);
	waitpid(child, NULL, 0);
	assert_int_equal(container_status(&state), STATUS_STOPPED);
}

/* One read says what only an open may say. */
static bool lose_file;

ssize_t read(int fd, void *text, size_t length)
{
	if (lose_file) {
		lose_file = false;
		errno = ENOENT;
		return -1;
	}
	return syscall(SYS_read, fd, text, length);
}

static void who_can_not_be_read_is_not_taken_for_gone(void **unused)
{
	uint64_t start_time;
	char letter;

	(void)unused;
	lose_file = true;
	assert_int_equal(process_stat(getpid(), &start_time, &letter), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(process_stat(getpid(), &start_time, &letter), 0);
}

static void created_is_what_has_executed_nothing_yet(void **unused)
{
	pid_t child;
	char letter;

	(void)unused;
	state.recorded = arena_strdup(&arena, "created");
	/* This program was executed: a start that was killed before it wrote so. */
	assert_int_equal(container_status(&state), STATUS_RUNNING);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	state.pid = child;
	assert_int_equal(process_stat(child, &state.start_time, &letter), 0);
	assert_int_equal(container_status(&state), STATUS_CREATED);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(container_status(&state), STATUS_STOPPED);
}

static void a_name_can_not_forge_the_stat_line(void **unused)
{
	uint64_t before;
	uint64_t after;
	char letter;
	char name[16] = "";

	(void)unused;
	prctl(PR_GET_NAME, name);
	assert_int_equal(process_stat(getpid(), &before, &letter), 0);
	prctl(PR_SET_NAME, "a) Z 1 1 1 (b");
	assert_int_equal(process_stat(getpid(), &after, &letter), 0);
	prctl(PR_SET_NAME, name);
	assert_int_equal(letter, 'R');
	assert_true(before == after && before > 0);
}

static void a_signal_goes_to_the_recorded_process_only(void **unused)
{
	int pidfd = process_open(&state);

	(void)unused;
	assert_true(pidfd >= 0);
	assert_int_equal(process_signal(pidfd, 0), 0);
	assert_int_equal(process_wait(pidfd, 0), -1);
	assert_int_equal(errno, ETIMEDOUT);
	close(pidfd);
	state.start_time--;
	assert_int_equal(process_open(&state), -1);
	assert_int_equal(errno, ESRCH);
	state.pid = 0;
	assert_int_equal(process_open(&state), -1);
	assert_int_equal(errno, ESRCH);
}

static void state_json_is_that_of_the_specification(void **unused)
{
	const char *text;

	(void)unused;
	state.oci_version = arena_strdup(&arena, "1.3.0");
	state.bundle = arena_strdup(&arena, "/b");
	str_map_set(&arena, &state.config.annotations, arena_strdup(&arena, "k"),
		    arena_strdup(&arena, "\"pid\":5"));
	text = container_state_json(&arena, &state, STATUS_STOPPED, false);
	assert_non_null(strstr(text, "\"ociVersion\":\"1.3.0\""));
	assert_non_null(strstr(text, "\"id\":\"one\""));
	assert_non_null(strstr(text, "\"status\":\"stopped\""));
	assert_non_null(strstr(text, "\"bundle\":\"/b\""));
	/* Hooks get the pid put in behind the first one of these. */
	assert_ptr_equal(strstr(text, "\"pid\":"), strstr(text, "\"pid\":0,"));
	text = container_state_json(&arena, &state, STATUS_RUNNING, false);
	assert_non_null(strstr(text, arena_printf(&arena, "\"pid\":%d,", getpid())));
}

#define STATUS_TEST(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STATUS_TEST(status_is_what_the_process_is),
	    STATUS_TEST(created_is_what_has_executed_nothing_yet),
	    STATUS_TEST(a_dead_or_zombie_workload_is_stopped),
	    STATUS_TEST(who_can_not_be_read_is_not_taken_for_gone),
	    STATUS_TEST(a_name_can_not_forge_the_stat_line),
	    STATUS_TEST(a_signal_goes_to_the_recorded_process_only),
	    STATUS_TEST(state_json_is_that_of_the_specification),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
