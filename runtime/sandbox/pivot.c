#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "path.h"
#include "sandbox_internal.h"

int step_runtime_hooks(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	/* Before createContainer hooks, too: the pid goes on record, so that a create that hangs in
	 * one can be ended. */
	if (!hooks_see_mounts(plan))
		return 0;
	if (child_tell(child, MESSAGE_NAMESPACES, -1) < 0)
		return error_errno(err, errno, "telling the runtime");
	return child_wait_for_parent(child, err);
}

int step_container_hooks(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	if (plan->create_container.n == 0)
		return 0;
	if (chroot_to_runtime(child, err) < 0 ||
	    hooks_run(&plan->create_container, plan->state_before_pid, getpid(),
		      plan->state_after_pid, err) < 0)
		return -1;
	return chroot_leave_again(child, err);
}

static int mount_id(int fd, const char *path, uint64_t *id)
{
	struct statx stx;

	if (statx(fd, path, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID, &stx) < 0)
		return -1;
	*id = stx.stx_mnt_id;
	return 0;
}

/*
 * What is at "/" must be the rootfs and nothing else, whatever the kernel did above. A lookup that
 * starts at the root does not see what is mounted over it, but ".." comes out on top of that: the
 * host's root, or a mount whose destination the image bent to "/" with a symlink.
 */
static int check_root(struct child *child, struct error *err)
{
	uint64_t root, top, rootfs;

	if (mount_id(AT_FDCWD, "/", &root) < 0 || mount_id(AT_FDCWD, "/..", &top) < 0 ||
	    mount_id(child->root, "", &rootfs) < 0)
		return error_errno(err, errno, "looking at the new root");
	if (root != rootfs)
		return error_set(err, "the root is not the rootfs afterwards");
	if (top != rootfs)
		return error_set(
		    err, "something is mounted over the root of the container: a mount's "
			 "destination is \"/\", or a symlink of the rootfs that leads there");
	return 0;
}

static int move_root(struct child *child, struct error *err)
{
	/* --no-pivot, for a host whose root is the initial ramfs: the rootfs lies over "/", so
	 * entering it is enough; what lies below stays, hidden. */
	if (child->at_own_path) {
		cleanup_fd int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (old_root < 0 || sys_move_mount(child->root, old_root) < 0)
			return error_errno(err, errno, "moving the rootfs over the old root");
	}
	if (fchdir(child->root) < 0 || chroot(".") < 0)
		return error_errno(err, errno, "changing the root");
	return 0;
}

int step_pivot_root(struct child *child, struct error *err)
{
	if (child->plan->no_pivot) {
		if (move_root(child, err) < 0)
			return -1;
	} else {
		if (fchdir(child->root) < 0)
			return error_errno(err, errno, "entering the rootfs");
		if (syscall(SYS_pivot_root, ".", ".") < 0)
			return error_errno(err, errno,
					   "pivot_root (on a host that runs from its initial "
					   "ramfs, use --no-pivot)");
		/* The old root lies over the new one now, and our scratch over or inside that. */
		if (umount2(".", MNT_DETACH) < 0 ||
		    (child->scratch_over_root && umount2(".", MNT_DETACH) < 0))
			return error_errno(err, errno, "taking the host's root away");
	}
	if (chdir("/") < 0)
		return error_errno(err, errno, "entering the new root");
	return check_root(child, err);
}

/*
 * A working directory that the image lacks is made, as runc and crun do: 0755, the container's
 * root's, before the rootfs becomes read-only. What is odd about a path that can be reached is
 * step_cwd's matter.
 */
int step_make_cwd(struct child *child, struct error *err)
{
	const char *cwd = child->plan->cwd;

	if (access(cwd, F_OK) == 0 || errno != ENOENT)
		return 0;
	cleanup_fd int made = path_make_dir(child->root, cwd, 0755);
	if (made < 0)
		return error_errno(err, errno,
				   "process.cwd \"%s\" does not exist and cannot be made", cwd);
	return 0;
}

int step_rootfs_readonly(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	if (mounts_late_readonly(child, err) < 0)
		return -1;
	uint64_t attr = plan->rootfs_attr | (plan->rootfs_readonly ? MOUNT_ATTR_RDONLY : 0);

	if (attr && sys_set_attr(child->root, false, attr, 0, 0) < 0)
		return error_errno(err, errno, "making the root file system read-only");
	if (plan->rootfs_propagation &&
	    sys_set_attr(child->root, plan->rootfs_propagation_recursive, 0, 0,
			 plan->rootfs_propagation) < 0)
		return error_errno(err, errno, "setting linux.rootfsPropagation");
	return 0;
}
