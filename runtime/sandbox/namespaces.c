#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "net.h"
#include "sandbox_internal.h"

int step_session(struct child *child, struct error *err)
{
	(void)child;
	/* Also a protection: no TIOCSTI or job control into the terminal of the caller. */
	if (setsid() < 0)
		return error_errno(err, errno, "setsid");
	return 0;
}

static int join(struct plan_join *join, struct error *err)
{
	if (setns(join->fd, join->clone_flag) < 0)
		return error_errno(err, errno, "joining the %s namespace of linux.namespaces",
				   join->type);
	join->joined = true;
	/* Those who live in the joined one keep their root. */
	if (join->copy && unshare(CLONE_NEWNS) < 0)
		return error_errno(err, errno, "copying the joined mount namespace");
	return 0;
}

/*
 * Before the user namespace: what the runtime's own rights open (setns(2) asks for CAP_SYS_ADMIN
 * in the namespace's owner), then the user namespace; after it: what only its root may join. The
 * pid namespace is the parent's to join, it takes effect for children only.
 */
int namespaces_join_all(const struct plan *plan, bool before_user, struct error *err)
{
	struct plan_join *user = NULL;

	for (size_t i = 0; i < plan->n_joins; i++) {
		struct plan_join *j = &plan->joins[i];

		if (j->clone_flag == CLONE_NEWUSER)
			user = j;
		if (j->joined || j->clone_flag == CLONE_NEWUSER || j->clone_flag == CLONE_NEWPID)
			continue;
		if (join(j, err) < 0 && !(before_user && err->number == EPERM))
			return -1;
	}
	if (before_user && user && join(user, err) < 0)
		return -1;
	err->text[0] = '\0';
	err->number = 0;
	return 0;
}

/* From the host's root, whose uid stays on through clone3(2) and setns(2), to the namespace's. */
int namespaces_become_user(const struct plan *plan, struct error *err)
{
	if (sysctls_write(plan, true, err) < 0)
		return -1;
	if (setresgid(plan->setup_gid, plan->setup_gid, plan->setup_gid) < 0 ||
	    setresuid(plan->setup_uid, plan->setup_uid, plan->setup_uid) < 0)
		return error_errno(err, errno, "becoming uid %u of the user namespace",
				   plan->setup_uid);
	return 0;
}

/*
 * The systemd driver: what is in front of the ids' change, since a user's manager moves only
 * processes of that user; and in front of all that uses memory, which stays on the bill of the
 * cgroup that it was used in.
 */
int namespaces_late_cgroup(struct child *child, struct error *err)
{
	if (!child->plan->late_cgroup)
		return 0;
	if (child_tell(child, MESSAGE_CGROUP, -1) < 0 || child_wait_for_parent(child, err) < 0)
		return error_wrap(err, "waiting for the cgroup");
	/* Its root is the cgroup that one is in (cgroup_namespaces(7)). */
	if ((child->plan->clone_flags & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return error_errno(err, errno, "making the cgroup namespace");
	return 0;
}

int step_namespaces(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	if (plan->two_clones)
		return 0;
	if (namespaces_late_cgroup(child, err) < 0)
		return -1;
	if (plan->clone_flags & CLONE_NEWUSER) {
		if (child_tell(child, MESSAGE_MAP, -1) < 0 || child_wait_for_parent(child, err) < 0)
			return error_wrap(err, "waiting for the user namespace's mappings");
	}
	if ((plan->clone_flags & CLONE_NEWUSER || plan->entered_user_namespace) &&
	    namespaces_become_user(plan, err) < 0)
		return -1;
	return namespaces_join_all(plan, false, err);
}

/* Offsets can only be written before a process is inside (time_namespaces(7)): unshare, write,
 * enter. clone3(2) would be inside at once. */
int step_time(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	if (!plan->new_time_namespace)
		return 0;
	if (unshare(CLONE_NEWTIME) < 0)
		return error_errno(err, errno,
				   "making the time namespace (kernel 5.6 or newer, "
				   "CONFIG_TIME_NS)");
	/* Files of /proc/self are the host root's after a change of ids (proc(5), "/proc/pid"). */
	if (plan->time_offsets && plan->entered_user_namespace) {
		if (fd_write_all(child->own_time_offsets, plan->time_offsets,
				 strlen(plan->time_offsets)) < 0)
			return error_errno(err, errno, "writing linux.timeOffsets");
	} else if (plan->time_offsets && plan->user_namespace) {
		if (child_tell(child, MESSAGE_TIME, -1) < 0 ||
		    child_wait_for_parent(child, err) < 0)
			return error_wrap(err, "waiting for the time namespace's offsets");
	} else if (plan->time_offsets &&
		   file_write_text(plan->proc, "self/timens_offsets", plan->time_offsets) < 0) {
		return error_errno(err, errno, "writing linux.timeOffsets");
	}
	cleanup_fd int fd = openat(plan->proc, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWTIME) < 0)
		return error_errno(err, errno, "entering the time namespace");
	return 0;
}

int step_hostname(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	if (plan->hostname && sethostname(plan->hostname, strlen(plan->hostname)) < 0)
		return error_errno(err, errno, "setting the hostname \"%s\"", plan->hostname);
	if (plan->domainname && setdomainname(plan->domainname, strlen(plan->domainname)) < 0)
		return error_errno(err, errno, "setting the domainname \"%s\"", plan->domainname);
	return 0;
}

int step_loopback(struct child *child, struct error *err)
{
	if (child->plan->own_network && net_loopback_up() < 0)
		return error_errno(err, errno, "bringing lo up");
	return 0;
}

/* The runtime has the rights over the host's network, and the namespace from here. */
int step_net_devices(struct child *child, struct error *err)
{
	if (child->plan->n_net_devices == 0)
		return 0;
	cleanup_fd int own = openat(child->plan->proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return error_errno(err, errno, "opening the container's network namespace");
	if (child_tell(child, MESSAGE_NETWORK, own) < 0)
		return error_errno(err, errno, "telling the runtime");
	return child_wait_for_parent(child, err);
}

int step_keyring(struct child *child, struct error *err)
{
	if (!child->plan->new_keyring)
		return 0;
	if (lsm_label_keys(child->plan, err) < 0)
		return -1;
	/* A kernel without keyrings has no keys to leak. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return error_errno(err, errno,
				   "joining a new session keyring (--no-new-keyring goes without)");
	return 0;
}
