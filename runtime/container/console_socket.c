#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "launch.h"

/* connect(2) waits while the other side's queue is full. */
#define ANSWER_SECONDS 10

/* A path longer than sun_path (unix(7)) is reached by a descriptor of the socket's own file. */
static int fill_address(const char *path, struct sockaddr_un *address, int *file)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) < sizeof(address->sun_path)) {
		memcpy(address->sun_path, path, strlen(path));
		return 0;
	}
	*file = open(path, O_PATH | O_CLOEXEC);
	if (*file < 0)
		return -1;
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d", *file);
	return 0;
}

int unix_connect(const char *path, int seconds)
{
	struct timeval limit = {.tv_sec = seconds};
	struct sockaddr_un address;
	cleanup_fd int file = -1;
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || fill_address(path, &address, &file) < 0 ||
	    (seconds && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return fd_take(&fd);
}

/* With errno of unix_connect(). Returns -1. */
static int connect_failed(const char *option, const char *path, struct error *err)
{
	if (errno == EAGAIN)
		return error_set(err,
				 "%s: connecting to %s: whoever listens there did not answer for "
				 "%d seconds",
				 option, path, ANSWER_SECONDS);
	return error_errno(err, errno, "%s: connecting to %s", option, path);
}

int unix_send(int socket, const char *text, size_t length, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {.iov_base = (void *)text, .iov_len = length};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	ssize_t sent = sendmsg(socket, &header, MSG_NOSIGNAL);
	/* Of a stream the kernel may take a part; the descriptor went with the first byte. */
	for (size_t done = (size_t)sent; sent >= 0 && done < length; done += (size_t)sent)
		sent = send(socket, text + done, length - done, MSG_NOSIGNAL);
	return sent < 0 ? -1 : 0;
}

/* Not before there is something to send: conmon takes a connection that ends without for the end of
 * the runtime, and passes on nothing of what that has to say. */
int console_send(const char *path, int master, struct error *err)
{
	static const char name[] = "/dev/ptmx"; /* engines read it as the file's name */
	cleanup_fd int socket = unix_connect(path, ANSWER_SECONDS);

	if (socket < 0)
		return connect_failed("--console-socket", path, err);
	if (unix_send(socket, name, sizeof(name) - 1, master) < 0)
		return error_errno(err, errno, "--console-socket: sending the terminal");
	return 0;
}

int pidfd_connect(struct launch *l, const char *path, struct error *err)
{
	if (!path)
		return 0;
	l->pidfd_socket = unix_connect(path, ANSWER_SECONDS);
	return l->pidfd_socket < 0 ? connect_failed("--pidfd-socket", path, err) : 0;
}

int pidfd_hand_over(struct launch *l, const char *name, struct error *err)
{
	if (l->pidfd_socket < 0)
		return 0;
	if (unix_send(l->pidfd_socket, name, strlen(name), l->sandbox.pidfd) < 0)
		return error_errno(err, errno, "--pidfd-socket: sending the process's pidfd");
	fd_cleanup(&l->pidfd_socket);
	return 0;
}

int console_hand_over(struct launch *l, struct error *err)
{
	if (!l->console_path)
		return 0;
	if (console_send(l->console_path, l->sandbox.console, err) < 0)
		return -1;
	/* Theirs alone: kept here, the workload would not notice when they hang up. */
	fd_cleanup(&l->sandbox.console);
	return 0;
}

/*
 * A file without a name until it is whole, so that a runtime that is killed leaves none lying
 * about. What has that name from before goes first. Returns 1 where the file system has no such
 * files.
 */
static int link_pid_file(const char *path, const char *text)
{
	char folder[PATH_MAX], here[64];
	const char *slash = strrchr(path, '/');
	const size_t length = slash ? (size_t)(slash - path) + 1 : 0;

	if (length >= sizeof(folder))
		return 1;
	memcpy(folder, path, length);
	folder[length] = '\0';
	cleanup_fd int fd = open(length ? folder : ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		return 1;
	if (fd_write_all(fd, text, strlen(text)) < 0)
		return -1;
	snprintf(here, sizeof(here), "/proc/self/fd/%d", fd);
	while (linkat(AT_FDCWD, here, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0) {
		if (errno != EEXIST)
			return 1;
		if (unlink(path) < 0 && errno != ENOENT)
			return -1;
	}
	return 0;
}

int pid_file_write(const char *path, pid_t pid, struct error *err)
{
	char beside[PATH_MAX], text[16];

	if (snprintf(beside, sizeof(beside), "%s.%d.new", path, getpid()) >= (int)sizeof(beside))
		return error_errno(err, ENAMETOOLONG, "--pid-file");
	snprintf(text, sizeof(text), "%d", pid);
	const int linked = link_pid_file(path, text);
	if (linked <= 0)
		return linked < 0 ? error_errno(err, errno, "--pid-file: writing %s", path) : 0;
	cleanup_fd int fd =
	    open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return error_errno(err, errno, "--pid-file: writing beside %s", path);
	if (fd_write_all(fd, text, strlen(text)) < 0 || rename(beside, path) < 0) {
		error_errno(err, errno, "--pid-file: writing %s", path);
		unlink(beside);
		return -1;
	}
	return 0;
}
