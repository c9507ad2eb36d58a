#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_internal.h"

/* The caller's securebits (capabilities(7)) would stay: with SECBIT_NO_SETUID_FIXUP a workload that
 * gives root up would keep its capabilities. What is locked can not be changed. */
static int reset_securebits(struct error *err)
{
	int now = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

	if (now < 0)
		return error_errno(err, errno, "reading the caller's securebits");
	if (now == 0)
		return 0;
	/* A lock is the bit above the one that it locks. */
	int locks = now & (int)SECURE_ALL_LOCKS;
	int kept = now & (locks | locks >> 1);

	if (kept != now && prctl(PR_SET_SECUREBITS, kept, 0, 0, 0) < 0)
		return error_errno(err, errno, "resetting the caller's securebits");
	return 0;
}

int step_identity(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	if (reset_securebits(err) < 0)
		return -1;
	/* The capabilities step still needs what the user change would take away. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "keeping capabilities over the change");
	if (plan->deny_setgroups && plan->n_groups == 0) {
		/* user_namespaces(7): setgroups is denied for good here. */
	} else if (syscall(SYS_setgroups, plan->n_groups, plan->groups) < 0) {
		return error_errno(err, errno, "setting the additional groups");
	}
	if (setresgid(plan->gid, plan->gid, plan->gid) < 0)
		return error_errno(
		    err, errno, "becoming gid %u (is it mapped in the user namespace?)", plan->gid);
	if (setresuid(plan->uid, plan->uid, plan->uid) < 0)
		return error_errno(
		    err, errno, "becoming uid %u (is it mapped in the user namespace?)", plan->uid);
	/* The change made it what fs.suid_dumpable says, and that may be 1 (proc_sys_fs(5)). */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, errno, "staying closed to other processes of that user");
	umask(plan->umask_set ? plan->umask : 0022);
	return 0;
}

int step_no_new_privileges(struct child *child, struct error *err)
{
	if (child->plan->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "prctl");
	return 0;
}
