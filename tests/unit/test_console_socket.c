/* link: container base */
/* --console-socket and --pid-file: what engines hand over as a path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/container/launch.h"
#include "fd.h"

static char base[64];
static struct error err;

static int setup(void **state)
{
	(void)state;
	strcpy(base, "/tmp/runsafe-console.XXXXXX");
	err = (struct error)ERROR_INIT;
	return mkdtemp(base) ? 0 : -1;
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
	return nftw(base, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A listening socket called name in directory dir, however long both are. */
static int listen_at(const char *dir, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* A bind by a short name, and then the long one. */
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (strcmp(name, "s") != 0)
		assert_int_equal(rename("s", name), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(chdir("/"), 0);
	return fd;
}

/* Whether a connection to path arrives at listener. */
static void arrives(const char *path, int listener)
{
	int client = unix_connect(path, 10);

	if (client < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(fcntl(client, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	int server = accept(listener, NULL, NULL);
	if (server < 0)
		fail_msg("it connected to something else");
	close(server);
	close(client);
}

static void a_short_path_is_connected_to(void **state)
{
	char path[128];
	int listener = listen_at(base, "s");

	(void)state;
	snprintf(path, sizeof(path), "%s/s", base);
	arrives(path, listener);
	close(listener);
}

/* containerd's and podman's paths pass 107 bytes easily: unix(7) has no more room. */
static void a_path_longer_than_an_address_is_connected_to(void **state)
{
	char dir[512], path[600];
	size_t n = (size_t)snprintf(dir, sizeof(dir), "%s", base);

	(void)state;
	for (int i = 0; i < 3; i++) {
		n += (size_t)snprintf(dir + n, sizeof(dir) - n, "/%0100d", i);
		assert_int_equal(mkdir(dir, 0700), 0);
	}
	int listener = listen_at(dir, "s");
	snprintf(path, sizeof(path), "%s/s", dir);
	arrives(path, listener);
	close(listener);
}

/* Cut short it would be another file: here one that is there and listens. */
static void a_name_longer_than_an_address_is_not_cut(void **state)
{
	char name[201], cut[81], path[300];

	(void)state;
	memset(name, 'x', 200);
	name[200] = '\0';
	memset(cut, 'x', 80);
	cut[80] = '\0';
	int decoy = listen_at(base, cut);
	int listener = listen_at(base, name);
	snprintf(path, sizeof(path), "%s/%s", base, name);
	arrives(path, listener);
	close(listener);
	close(decoy);
}

static void lengths_around_the_limit_work(void **state)
{
	(void)state;
	for (size_t length = 104; length <= 112; length++) {
		char path[128];
		size_t prefix = strlen(base) + 1;
		snprintf(path, sizeof(path), "%s/", base);
		memset(path + prefix, 'n', length - prefix);
		path[length] = '\0';
		int listener = listen_at(base, path + prefix);
		arrives(path, listener);
		close(listener);
	}
}

static void where_nobody_listens_the_message_names_the_path(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/none", base);
	assert_int_equal(console_send(path, STDIN_FILENO, &err), -1);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "no such file or directory"));
	assert_int_equal(console_send("/dev/null", STDIN_FILENO, &err), -1);
	assert_non_null(strstr(err.text, "--console-socket"));
}

static void the_terminals_master_arrives_with_its_name(void **state)
{
	char path[128];
	char name[64] = "", control[64] = {0};
	struct iovec iov = {.iov_base = name, .iov_len = sizeof(name) - 1};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = sizeof(control)};
	struct stat sent, got;
	int fd = -1;
	cleanup_fd int file = open("/dev/null", O_RDWR | O_CLOEXEC);
	int listener = listen_at(base, "master");

	(void)state;
	snprintf(path, sizeof(path), "%s/master", base);
	if (console_send(path, file, &err) < 0)
		fail_msg("%s", err.text);
	cleanup_fd int server = accept(listener, NULL, NULL);
	assert_true(recvmsg(server, &header, MSG_CMSG_CLOEXEC) > 0);
	const struct cmsghdr *c = CMSG_FIRSTHDR(&header);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	assert_int_equal(fstat(fd, &got), 0);
	assert_int_equal(fstat(file, &sent), 0);
	assert_int_equal(got.st_rdev, sent.st_rdev);
	assert_true(name[0] != '\0');
	close(fd);
	close(listener);
}

/* An error, and no SIGPIPE. */
static void an_engine_that_went_away_is_an_error(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	assert_int_equal(unix_send(pair[0], "x", 1, STDIN_FILENO), -1);
	assert_int_equal(errno, EPIPE);
	close(pair[0]);
}

static void content_is(const char *path, const char *text)
{
	char buffer[64] = "";
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, buffer, sizeof(buffer) - 1) >= 0);
	assert_string_equal(buffer, text);
}

/* conmon and shims read it as a number up to its end. */
static void the_pid_file_is_the_number_and_nothing_else(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/pid", base);
	assert_int_equal(pid_file_write(path, 4711, &err), 0);
	content_is(path, "4711");
	assert_int_equal(pid_file_write(path, 12, &err), 0);
	content_is(path, "12");
	/* Nothing beside it: the folder can be removed. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(base), 0);
	assert_int_equal(mkdir(base, 0700), 0);
}

static void a_symlink_at_its_place_is_replaced_and_not_followed(void **state)
{
	char path[128], victim[128];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/pid", base);
	snprintf(victim, sizeof(victim), "%s/victim", base);
	close(open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(symlink(victim, path), 0);
	assert_int_equal(pid_file_write(path, 5, &err), 0);
	content_is(victim, "");
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void where_it_can_not_be_written_nothing_is_left(void **state)
{
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/no/pid", base);
	assert_int_equal(pid_file_write(path, 5, &err), -1);
	assert_non_null(strstr(err.text, "--pid-file"));
	assert_non_null(strstr(err.text, path));
	/* A directory is in its place. */
	snprintf(path, sizeof(path), "%s/taken", base);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(pid_file_write(path, 5, &err), -1);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(base), 0);
	assert_int_equal(mkdir(base, 0700), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_short_path_is_connected_to),
	    TEST(a_path_longer_than_an_address_is_connected_to),
	    TEST(a_name_longer_than_an_address_is_not_cut),
	    TEST(lengths_around_the_limit_work),
	    TEST(where_nobody_listens_the_message_names_the_path),
	    TEST(the_terminals_master_arrives_with_its_name),
	    TEST(an_engine_that_went_away_is_an_error),
	    TEST(the_pid_file_is_the_number_and_nothing_else),
	    TEST(a_symlink_at_its_place_is_replaced_and_not_followed),
	    TEST(where_it_can_not_be_written_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
