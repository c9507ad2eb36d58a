/* link: cgroup base gen */
/* The runtime's side of the helper for systemd, with a bus that is not there or never answers. */
#include "../../runtime/cgroup/systemd_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the ones above. */
#include <cmocka.h>

#include "fd.h"

static struct arena arena = ARENA_INIT;
static char folder[] = "/tmp/runsafe-test-XXXXXX";
static int bus = -1; /* listens, and never answers */

static void set_bus(const char *name)
{
	setenv("DBUS_SESSION_BUS_ADDRESS", arena_printf(&arena, "unix:path=%s/%s", folder, name),
	       1);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

/* A new one, to which nobody has connected. */
static void make_bus(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (bus >= 0)
		close(bus);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/bus", folder);
	unlink(address.sun_path);
	bus = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(bus, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(bus, 8), 0);
	set_bus("bus");
}

static int teardown(void **state)
{
	(void)state;
	close(bus);
	unlink(arena_printf(&arena, "%s/bus", folder));
	unlink(arena_printf(&arena, "%s/libsystemd.so.0", folder));
	rmdir(folder);
	arena_free(&arena);
	return 0;
}

/* One that waits for the silent bus from its first call on; skips where there is no library. */
static struct sd_manager *silent_manager(void)
{
	struct error err = ERROR_INIT;
	struct sd_manager *m;

	make_bus();
	m = sd_manager_open(&arena, true, &err);
	if (!m && strstr(err.text, "can not be loaded"))
		skip();
	assert_string_equal(err.text, "");
	assert_non_null(m);
	return m;
}

/* Our only child. */
static pid_t helper(void)
{
	char *text;

	assert_int_equal(
	    file_read_all(&arena, AT_FDCWD,
			  arena_printf(&arena, "/proc/self/task/%d/children", getpid()), 4096,
			  &text, NULL),
	    0);
	return (pid_t)strtol(text, NULL, 10);
}

static void assert_no_child_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void assert_not_opened(const char *word, const char *other)
{
	struct error err = ERROR_INIT;

	assert_null(sd_manager_open(&arena, true, &err));
	if (!strstr(err.text, word) || !strstr(err.text, other))
		fail_msg("no \"%s\" and \"%s\" in: %s", word, other, err.text);
	assert_no_child_is_left();
}

static void test_a_bus_that_is_not_there(void **state)
{
	(void)state;
	sd_manager_close(silent_manager());
	set_bus("none");
	assert_not_opened(folder, "can not reach the user's manager at");
	assert_not_opened("", ": no such file or directory");
}

static void test_a_library_that_is_none(void **state)
{
	const int fd = open(arena_printf(&arena, "%s/libsystemd.so.0", folder),
			    O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	(void)state;
	assert_int_equal(fd_write_all(fd, "none", 4), 0);
	close(fd);
	setenv("LD_LIBRARY_PATH", folder, 1);
	assert_not_opened("needs the library libsystemd", "--cgroup-manager cgroupfs");
	unsetenv("LD_LIBRARY_PATH");
}

/* A host with another C library: nothing there can start the helper. */
static void without_a_loader(void)
{
	static const char *const loaders[] = {"/lib64/ld-linux-x86-64.so.2",
					      "/lib/ld-linux-aarch64.so.1"};
	struct error err = ERROR_INIT;
	bool hidden = false;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(77);
	for (size_t i = 0; i < 2; i++)
		hidden |= mount("/dev/null", loaders[i], "none", MS_BIND, NULL) == 0;
	if (!hidden)
		_exit(77);
	if (sd_manager_open(&arena, true, &err) || !strstr(err.text, "can not be executed") ||
	    !strstr(err.text, "glibc") || !strstr(err.text, "--cgroup-manager cgroupfs"))
		_exit(fprintf(stderr, "%s\n", err.text) ? 1 : 2);
	_exit(waitpid(-1, NULL, WNOHANG) == -1 ? 0 : 3);
}

static void test_a_helper_that_can_not_be_executed(void **state)
{
	const pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		without_a_loader();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static char *read_proc(pid_t pid, const char *name)
{
	char *text;

	assert_int_equal(file_read_all(&arena, AT_FDCWD,
				       arena_printf(&arena, "/proc/%d/%s", pid, name), 65536, &text,
				       NULL),
			 0);
	return text;
}

static void test_it_inherits_its_socket_and_nothing_else(void **state)
{
	const int extra = dup2(STDIN_FILENO, 100);
	sigset_t blocked, before;
	struct sd_manager *m;
	pid_t pid;

	(void)state;
	assert_int_equal(extra, 100);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	(void)signal(SIGPIPE, SIG_IGN);
	m = silent_manager();
	pid = helper();
	assert_int_equal(access(arena_printf(&arena, "/proc/%d/fd/100", pid), F_OK), -1);
	/* Its own one of the bus; 4 may be what libsystemd keeps. */
	assert_int_equal(access(arena_printf(&arena, "/proc/%d/fd/6", pid), F_OK), -1);
	assert_non_null(strstr(read_proc(pid, "status"), "SigBlk:\t0000000000000000"));
	assert_non_null(strstr(read_proc(pid, "status"), "SigIgn:\t0000000000000000"));
	assert_int_equal(getsid(pid), pid);
	sd_manager_close(m);
	sd_manager_close(m);
	assert_no_child_is_left();
	(void)signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(extra);
}

/* Kills pid as soon as it has asked the bus. */
static pid_t start_killer(pid_t pid)
{
	const pid_t killer = fork();

	if (killer == 0) {
		const int connection = accept(bus, NULL, NULL);
		char byte;

		_exit(read(connection, &byte, 1) == 1 && kill(pid, SIGKILL) == 0 ? 0 : 1);
	}
	return killer;
}

static void test_a_helper_that_is_killed_is_an_error(void **state)
{
	const struct sd_properties none = {.arena = &arena};
	struct error err = ERROR_INIT;
	struct sd_manager *m = silent_manager();
	const pid_t killer = start_killer(helper());
	bool asked = false, exists = true;
	int status;

	(void)state;
	assert_int_equal(sd_start_unit(m, "a.scope", &none, &asked, &exists, &err), -1);
	assert_non_null(strstr(err.text, "was killed by signal 9 before it could start the unit"));
	/* The manager may have heard it. */
	assert_true(asked);
	assert_false(exists);
	assert_int_equal(waitpid(killer, &status, 0), killer);
	assert_int_equal(status, 0);
	assert_int_equal(sd_reset_failed(m, "a.scope", &err), -1);
	assert_non_null(strstr(err.text, "is not there any more"));
	assert_null(sd_unit_text(m, "a.scope", "Description", &err));
	sd_manager_close(m);
	assert_no_child_is_left();
}

/* The bus sees the helper go. */
static void test_the_helper_ends_with_the_runtime(void **state)
{
	struct pollfd end = {.events = POLLIN};
	char bytes[512];
	pid_t pid;

	(void)state;
	/* Skips where that can not be. */
	sd_manager_close(silent_manager());
	make_bus();
	pid = fork();
	if (pid == 0) {
		struct error err = ERROR_INIT;
		struct sd_manager *m = sd_manager_open(&arena, true, &err);

		_exit(m ? sd_reset_failed(m, "a.scope", &err) : 1);
	}
	end.fd = accept(bus, NULL, NULL);
	assert_true(read(end.fd, bytes, sizeof(bytes)) > 0);
	/* By then it has been asked, and waits for the bus and not for the runtime. */
	usleep(300000);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(poll(&end, 1, 10000), 1);
	assert_int_equal(read(end.fd, bytes, sizeof(bytes)), 0);
	close(end.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_bus_that_is_not_there),
	    cmocka_unit_test(test_a_library_that_is_none),
	    cmocka_unit_test(test_a_helper_that_can_not_be_executed),
	    cmocka_unit_test(test_it_inherits_its_socket_and_nothing_else),
	    cmocka_unit_test(test_a_helper_that_is_killed_is_an_error),
	    cmocka_unit_test(test_the_helper_ends_with_the_runtime),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
