/*
 * sd_notify(3) for a service whose main program is a container: the workload gets a socket of its
 * own at /run/notify, and of what it says there only READY=1 goes on to the service manager, with
 * the workload's pid as seen from outside. The rest of that protocol would let a container speak
 * for its host's service (MAINPID, FDSTORE, STOPPING ...).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "launch.h"

#define FOLDER	     "notify"
#define SOCKET	     "notify.sock"
#define DESTINATION  "/run/notify"
#define MOST_AT_ONCE 64 /* messages */

static const char *manager(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	/* sd_notify(3): a path, or an abstract name after "@". */
	return path && (*path == '/' || *path == '@') ? path : NULL;
}

/* A mount of the folder that the socket will be in: a socket can be connected to on a read-only
 * mount, and nothing else can be put there. */
static int add_mount(struct launch *l, int folder, struct error *err)
{
	struct plan *plan = &l->plan;
	cleanup_fd int tree = sys_clone_tree(folder, false);

	if (tree < 0 || sys_set_attr(tree, false,
				     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					 MOUNT_ATTR_NOEXEC,
				     0, MS_PRIVATE) < 0)
		return error_errno(err, errno, "NOTIFY_SOCKET: cloning the socket's folder");
	plan->mounts = arena_grow(l->arena, plan->mounts, plan->n_mounts, sizeof(*plan->mounts));
	plan->mounts[plan->n_mounts++] = (struct plan_mount){
	    .kind = PLAN_MOUNT_BIND,
	    .label = "NOTIFY_SOCKET",
	    .destination = DESTINATION,
	    .tree = fd_take(&tree),
	};
	return 0;
}

int notify_socket_prepare(struct launch *l, struct error *err)
{
	struct str_list env = {.items = l->plan.envp, .n = l->plan.n_env};

	if (!manager())
		return 0;
	if (mkdirat(l->container.dir, FOLDER, 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "NOTIFY_SOCKET: making a folder for the socket");
	cleanup_fd int folder =
	    openat(l->container.dir, FOLDER, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Whatever the caller's umask is. */
	if (folder < 0 || fchmodat(l->container.dir, FOLDER, 0755, 0) < 0)
		return error_errno(err, errno, "NOTIFY_SOCKET: the socket's folder");
	env_set(l->arena, &env, "NOTIFY_SOCKET", DESTINATION "/" SOCKET);
	l->plan.envp = env.items;
	l->plan.n_env = env.n;
	return add_mount(l, folder, err);
}

/* By a descriptor: the whole path may be longer than an address is. */
int notify_socket_open(int dir, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char here[64];
	cleanup_fd int folder = openat(dir, FOLDER, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (!manager() || (folder < 0 && errno == ENOENT))
		return -1;
	if (folder < 0)
		return error_errno(err, errno, "NOTIFY_SOCKET: the socket's folder");
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(here, sizeof(here), "/proc/self/fd/%d", folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SOCKET, here);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, 0777) < 0)
		return error_errno(err, errno, "NOTIFY_SOCKET: making the container's socket");
	return fd_take(&fd);
}

static int tell_manager(pid_t pid)
{
	const char *path = manager();
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char text[64];

	if (!path) {
		errno = ENOENT;
		return -1;
	}
	size_t length = strlen(path);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (length >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, length);
	if (*path == '@')
		address.sun_path[0] = '\0';
	snprintf(text, sizeof(text), "MAINPID=%d\nREADY=1", pid);
	return fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
				(socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0
		   ? -1
		   : 0;
}

static bool says_ready(const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "READY=1", 7) == 0 && (line[7] == '\n' || line[7] == '\0'))
			return true;
	}
	return false;
}

int notify_socket_read(int fd, pid_t pid, struct error *err)
{
	char text[4096];
	ssize_t n;

	/* Who sends without end must not keep the caller from its signals. */
	for (int i = 0; i < MOST_AT_ONCE && (n = recv(fd, text, sizeof(text) - 1, 0)) >= 0; i++) {
		text[n] = '\0';
		if (!says_ready(text))
			continue;
		if (tell_manager(pid) < 0)
			return error_errno(err, errno,
					   "NOTIFY_SOCKET: telling the service manager at %s",
					   manager());
		return 1;
	}
	return 0;
}

int notify_socket_wait(int fd, int pidfd, pid_t pid, struct error *err)
{
	for (;;) {
		struct pollfd polls[2] = {{.fd = fd, .events = POLLIN},
					  {.fd = pidfd, .events = POLLIN}};

		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			return error_errno(err, errno, "NOTIFY_SOCKET: waiting for READY=1");
		int ready = notify_socket_read(fd, pid, err);
		if (ready)
			return ready < 0 ? -1 : 0;
		/* It ended without a word: that is the service manager's to notice. */
		if (polls[1].revents)
			return 0;
	}
}
