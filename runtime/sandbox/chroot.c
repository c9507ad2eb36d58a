/*
 * A runtime that runs in a chroot itself (a build root, a rescue system). Its "/" may be no mount,
 * and below it lies the real root: after pivot_root(2) that would still be in the container's mount
 * namespace, one setns(2) away. So the child goes to the namespace's own root first.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox_internal.h"

/* setns(2) into the mount namespace that one is in sets root and working directory to its root. */
static int enter_real_root(struct child *child)
{
	cleanup_fd int own = openat(child->plan->proc, "self/ns/mnt", O_RDONLY | O_CLOEXEC);

	return own < 0 ? -1 : setns(own, CLONE_NEWNS);
}

static int same_place(int fd, bool *same)
{
	struct statx a, b;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &a) < 0 ||
	    statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &b) < 0)
		return -1;
	*same = a.stx_mnt_id == b.stx_mnt_id && a.stx_ino == b.stx_ino;
	return 0;
}

int step_leave_chroot(struct child *child, struct error *err)
{
	bool same = true;
	cleanup_fd int before = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (before < 0 || enter_real_root(child) < 0 || same_place(before, &same) < 0)
		return error_errno(err, errno, "going to the root of the mount namespace");
	if (!same)
		child->runtime_root = fd_take(&before);
	return 0;
}

int chroot_to_runtime(struct child *child, struct error *err)
{
	if (child->runtime_root < 0)
		return 0;
	if (fchdir(child->runtime_root) < 0 || chroot(".") < 0)
		return error_errno(err, errno, "going back to the runtime's own root");
	return 0;
}

int chroot_leave_again(struct child *child, struct error *err)
{
	if (child->runtime_root >= 0 && enter_real_root(child) < 0)
		return error_errno(err, errno, "going to the root of the mount namespace");
	return 0;
}
