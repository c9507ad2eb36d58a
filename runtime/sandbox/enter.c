/* exec: into the namespaces, and the root, of a container that is there. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox_internal.h"

/*
 * A runtime that itself ran in a chroot was seen to land in the host's root (crun); a container
 * that changed its own mount namespace could put anything there. So "/" must be what it was when
 * the container was made, and nothing may lie over it.
 */
static int check_root(const struct plan *plan, struct error *err)
{
	struct stat root, above;

	if (stat("/", &root) < 0 || stat("/..", &above) < 0)
		return error_errno(err, errno, "looking at the container's root");
	if (root.st_dev != plan->root_device || root.st_ino != plan->root_inode ||
	    above.st_dev != root.st_dev || above.st_ino != root.st_ino)
		return error_set(err, "\"/\" in the container's mount namespace is not the rootfs "
				      "that the container was made with");
	return 0;
}

/* The pid namespace was joined around the clone, where it takes effect (pid_namespaces(7)). */
int step_enter(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;
	int rest = plan->target_namespaces & ~CLONE_NEWPID;

	if (namespaces_late_cgroup(child, err) < 0)
		return -1;
	/* All at once: the user namespace's rights count for the others, and the first process
	 * can not change one in between (setns(2), "fd refers to a PID file descriptor"). */
	if (rest && setns(plan->target, rest) < 0)
		return error_errno(err, errno, "joining the container's namespaces");
	if (plan->user_namespace && namespaces_become_user(plan, err) < 0)
		return -1;
	return check_root(plan, err);
}
