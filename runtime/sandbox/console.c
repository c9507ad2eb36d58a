#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fd.h"
#include "path.h"
#include "sandbox_internal.h"

/* The multiplexer of the container's own devpts: what an image put at that path is not it, and is
 * not opened. */
static int open_master(struct child *child, struct error *err)
{
	struct statfs fs;
	/* exec is inside already. */
	cleanup_fd int inside = child->root < 0 ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	cleanup_fd int found =
	    path_open_in_root(child->root < 0 ? inside : child->root, "/dev/pts/ptmx", O_PATH, 0);

	if (found >= 0 && (fstatfs(found, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC))
		return error_set(err, "/dev/pts/ptmx is not on a devpts");
	int master = found < 0 ? -1 : fd_reopen(child->plan->proc, found, O_RDWR | O_NOCTTY);
	if (master < 0)
		return error_errno(err, errno,
				   "opening /dev/pts/ptmx (process.terminal needs a "
				   "devpts mount at /dev/pts in mounts)");
	return master;
}

/* The slave comes from the master itself (TIOCGPTPEER, kernel 4.13), never by a path that the
 * container could bend (CVE-2025-52565). */
static int open_slave(int master, struct error *err)
{
	int unlock = 0;
	int slave = -1;

	if (ioctl(master, TIOCSPTLCK, &unlock) == 0)
		slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return error_errno(err, errno, "opening the terminal");
	return slave;
}

static int take_terminal(struct child *child, int slave, struct error *err)
{
	const struct plan *plan = child->plan;

	if (fchown(slave, plan->uid, (gid_t)-1) < 0)
		return error_errno(err, errno, "giving the terminal to uid %u", plan->uid);
	/* exec: of the process that leads the session, step_controlling_terminal(). */
	if (plan->target < 0 && ioctl(slave, TIOCSCTTY, 0) < 0)
		return error_errno(err, errno, "making it the controlling terminal");
	for (int fd = 0; fd <= 2; fd++) {
		if (dup2(slave, fd) < 0)
			return error_errno(err, errno, "putting it on descriptor %d", fd);
	}
	return 0;
}

static int bind_on_console(struct child *child, int slave)
{
	cleanup_fd int tree = sys_clone_tree(slave, false);

	return tree < 0 ? -1 : mounts_attach(child, tree, "/dev/console", true);
}

int step_console(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	if (!plan->terminal)
		return 0;
	cleanup_fd int master = open_master(child, err);
	if (master < 0)
		return -1;
	cleanup_fd int slave = open_slave(master, err);
	if (slave < 0)
		return -1;
	if (plan->console_size_set) {
		struct winsize size = {.ws_row = plan->rows, .ws_col = plan->columns};
		if (ioctl(master, TIOCSWINSZ, &size) < 0)
			return error_errno(err, errno, "setting process.consoleSize");
	}
	if (plan->target < 0 && bind_on_console(child, slave) < 0)
		return error_errno(err, errno, "binding it on /dev/console");
	if (child_tell(child, MESSAGE_CONSOLE, master) < 0)
		return error_errno(err, errno, "handing its master to the runtime");
	return take_terminal(child, slave, err);
}

int step_controlling_terminal(struct child *child, struct error *err)
{
	if (child->plan->terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		return error_errno(err, errno, "making it the controlling terminal");
	return 0;
}

/*
 * The container's own /dev/null, or -1 with errno set. Only looked at before it is known to be that
 * device: what was put in its place could be a FIFO, or do something when opened.
 */
static int open_null(struct child *child)
{
	struct stat st;
	cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int null = root < 0 ? -1 : path_open_in_root(root, "/dev/null", O_PATH, 0);

	if (null < 0 || fstat(null, &st) < 0)
		return -1;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) {
		errno = ENODEV;
		return -1;
	}
	return fd_reopen(child->plan->proc, null, O_RDWR | O_NOCTTY);
}

/* Engines hand over the host's /dev/null: the container's root could take everybody else's rights
 * to it away, by chmod(2) through /proc/self/fd. */
static int replace_null(struct child *child, int fd, struct error *err)
{
	cleanup_fd int null = open_null(child);

	/* The caller's own /dev is as it is, and exec finds what create left. */
	if (null < 0 && errno == ENOENT && child->plan->target < 0 && !child->plan->dev_links)
		return 0;
	if (null < 0 || dup2(null, fd) < 0)
		return error_errno(err, errno,
				   "putting the container's /dev/null on descriptor %d, which is "
				   "the host's",
				   fd);
	return 0;
}

/* /dev/stdout of a workload that is not root: reopening a pipe asks for its owner's rights. */
static int own_pipe(const struct plan *plan, int fd, const struct stat *st, struct error *err)
{
	if (!plan->own_stdio_pipes || st->st_uid == plan->uid)
		return 0;
	/* An unmapped owner can't be changed from inside a user namespace: then it stays. */
	if (fchown(fd, plan->uid, plan->gid) < 0 && errno != EPERM && errno != EINVAL &&
	    errno != EROFS)
		return error_errno(err, errno, "giving descriptor %d to uid %u", fd, plan->uid);
	return 0;
}

int step_stdio(struct child *child, struct error *err)
{
	for (int fd = 0; fd <= 2; fd++) {
		struct stat st;
		int failed = 0;

		if (fstat(fd, &st) < 0) {
			if (errno == EBADF)
				continue;
			return error_errno(err, errno, "looking at descriptor %d", fd);
		}
		if (S_ISFIFO(st.st_mode))
			failed = own_pipe(child->plan, fd, &st, err);
		else if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
			failed = replace_null(child, fd, err);
		if (failed)
			return -1;
	}
	return 0;
}
