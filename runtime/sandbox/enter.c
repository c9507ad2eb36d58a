/* exec: into the namespaces, and the root, of a container that is there. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

int step_enter(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	if (namespaces_late_cgroup(child, err) < 0)
		return -1;
	/* All at once: the user namespace's rights count for the others, and the first process
	 * can not change one in between (setns(2), "fd refers to a PID file descriptor"). */
	if (plan->target_namespaces && setns(plan->target, plan->target_namespaces) < 0)
		return error_errno(err, errno, "joining the container's namespaces");
	if (plan->user_namespace && namespaces_become_user(plan, err) < 0)
		return -1;
	return check_root(plan, err);
}

bool clones_inside(const struct plan *plan)
{
	return plan->target >= 0 && plan->target_namespaces & CLONE_NEWPID;
}

/*
 * A pid namespace is joined for children only (pid_namespaces(7)). From this clone on the container
 * sees the process in its /proc, and whoever has CAP_SYS_PTRACE there may do with it as he likes:
 * nothing of the host's, and no right that the workload has not got, is left in it by now
 * (CVE-2016-9962). Not clone3(2), which engines' filters answer with ENOSYS.
 */
static int clone_inside(struct child *child, struct error *err)
{
	long pid = syscall(SYS_clone, CLONE_PARENT, NULL, NULL, NULL, NULL);
	if (pid < 0)
		return error_errno(err, errno, "cloning the process%s",
				   errno == EAGAIN ? " (is pids.limit, or RLIMIT_NPROC, reached?)"
						   : "");
	/* The runtime's child, too; this one has done its part. */
	if (pid > 0)
		_exit(0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_errno(err, errno, "ending with the runtime (prctl)");
	return child_tell(child, MESSAGE_HELLO, -1) < 0
		   ? error_errno(err, errno, "telling the runtime")
		   : 0;
}

/* The process that executes the program leads its session, and has the terminal. */
static int come_inside(struct child *child, struct error *err)
{
	child->inside = true;
	if ((clones_inside(child->plan) && clone_inside(child, err) < 0) ||
	    step_session(child, err) < 0)
		return -1;
	return step_controlling_terminal(child, err);
}

/* Filters that refuse what is to be done inside, and need CAP_SYS_ADMIN to be loaded. */
int step_inside_unfiltered(struct child *child, struct error *err)
{
	if (child->plan->no_new_privileges || child->plan->filters_first)
		return 0;
	return come_inside(child, err);
}

int step_inside(struct child *child, struct error *err)
{
	return child->inside ? 0 : come_inside(child, err);
}
