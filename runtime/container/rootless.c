#include "rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "launch.h"
#include "mappings.h"

static bool has_admin(void)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	if (caps && cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &value) < 0)
		value = CAP_CLEAR;
	cap_free(caps);
	return value == CAP_SET;
}

/* Root of a user namespace that was made without a mount namespace (unshare -r). */
static int own_mounts(struct error *err)
{
	cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int probe = root < 0 ? -1 : sys_clone_tree(root, true);

	if (probe >= 0 || errno != EPERM)
		return 0;
	if (unshare(CLONE_NEWNS) < 0)
		return error_errno(err, errno, "making a mount namespace for the runtime");
	return 0;
}

static int explain_unshare(int errnum, struct error *err)
{
	const char *hint = "";

	if (errnum == ENOSPC || errnum == EUSERS)
		hint = " (user.max_user_namespaces and user.max_mnt_namespaces of sysctl(8) allow "
		       "no more)";
	else if (errnum == EPERM)
		hint = " (refused in a chroot, and where sysctl kernel.unprivileged_userns_clone "
		       "is 0 or kernel.apparmor_restrict_unprivileged_userns is 1)";
	return error_errno(err, errnum, "making the container's user namespace as uid %u%s",
			   geteuid(), hint);
}

static int make(struct arena *arena, const struct config_linux *l, struct error *err)
{
	struct mappings_helper helper;

	if (l->n_uid_mappings == 0 || l->n_gid_mappings == 0)
		return error_set(
		    err,
		    "linux.%s: missing: a new user namespace needs one line at least, such as "
		    "{\"containerID\": 1000, \"hostID\": %u, \"size\": 1}",
		    l->n_uid_mappings ? "gidMappings" : "uidMappings",
		    l->n_uid_mappings ? getegid() : geteuid());
	if (mappings_begin(arena, l, &helper, err) < 0)
		return -1;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
		int number = errno;

		mappings_cancel(&helper);
		return explain_unshare(number, err);
	}
	return mappings_write(&helper, err);
}

static int join(const struct config_namespace *ns, struct error *err)
{
	cleanup_fd int fd = open(ns->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return error_errno(err, errno, "linux.namespaces: opening %s", ns->path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWUSER)
		return error_set(err, "linux.namespaces: %s is not a user namespace", ns->path);
	if (setns(fd, CLONE_NEWUSER) < 0)
		return error_errno(
		    err, errno,
		    "linux.namespaces: joining the user namespace %s as uid %u (only "
		    "who made it may, and not from inside)",
		    ns->path, geteuid());
	if (unshare(CLONE_NEWNS) < 0)
		return error_errno(err, errno, "making a mount namespace for the runtime");
	return 0;
}

/* Set-up makes files and mounts: as id 0, or where that is not mapped, as the first that is. */
static int mapped_id(struct arena *arena, const char *file, uint32_t *id, struct error *err)
{
	char *at, *end;

	if (file_read_all(arena, AT_FDCWD, file, 1 << 20, &at, NULL) < 0)
		return error_errno(err, errno, "reading %s", file);
	for (bool first = true; *at; first = false, at += strcspn(at, "\n"), at += *at == '\n') {
		uint32_t inside = (uint32_t)strtoul(at, &end, 10);

		if (end == at)
			break;
		if (first || inside == 0)
			*id = inside;
		if (inside == 0)
			break;
	}
	return 0;
}

static int look_around(struct arena *arena, struct plan_input *out, struct error *err)
{
	char *setgroups;

	if (mapped_id(arena, "/proc/self/uid_map", &out->setup_uid, err) < 0 ||
	    mapped_id(arena, "/proc/self/gid_map", &out->setup_gid, err) < 0)
		return -1;
	if (file_read_all(arena, AT_FDCWD, "/proc/self/setgroups", 64, &setgroups, NULL) < 0)
		return error_errno(err, errno, "reading /proc/self/setgroups");
	out->deny_setgroups = strncmp(setgroups, "deny", 4) == 0;
	return 0;
}

/* In the new namespace this program would lose its rights by executing itself again, so it is done
 * before. With CAP_DAC_OVERRIDE over a mapped owner the workload could write to its file, too. */
static bool must_seal(const struct config_linux *l)
{
	cleanup_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (self < 0 || fstat(self, &st) < 0)
		return true;
	int seals = fcntl(self, F_GET_SEALS);
	if (seals >= 0 && (seals & F_SEAL_WRITE) && (seals & F_SEAL_SEAL))
		return false;
	if (st.st_uid == geteuid() || (st.st_mode & (S_IWOTH | S_IWGRP)))
		return true;
	/* A joined namespace may map anybody but root. */
	if (l->n_uid_mappings == 0 && st.st_uid != 0)
		return true;
	for (size_t i = 0; i < l->n_uid_mappings; i++) {
		const struct config_id_mapping *m = &l->uid_mappings[i];

		if (st.st_uid >= m->host_id && st.st_uid - m->host_id < m->size)
			return true;
	}
	return false;
}

int rootless_begin(struct arena *arena, const struct config *config, struct plan_input *out,
		   struct error *err)
{
	const struct config_linux *l = &config->linux_;
	const struct config_namespace *ns = config_namespace_find(l, "user");

	if (has_admin()) {
		out->nested = sys_in_user_namespace();
		return out->nested ? own_mounts(err) : 0;
	}
	if (!ns)
		return error_set(
		    err,
		    "linux.namespaces: uid %u has not CAP_SYS_ADMIN, so the container needs a user "
		    "namespace, and the list has none: add {\"type\": \"user\"}, with "
		    "linux.uidMappings and linux.gidMappings (`runsafe spec --rootless` shows how)",
		    geteuid());
	if (must_seal(l))
		return seal_and_reexecute(err);
	if ((ns->path && *ns->path ? join(ns, err) : make(arena, l, err)) < 0)
		return -1;
	out->entered_user_namespace = true;
	return look_around(arena, out, err);
}

int rootless_enter(struct plan *plan, struct error *err)
{
	if (!(plan->target_namespaces & CLONE_NEWUSER) || has_admin())
		return 0;
	if (setns(plan->target, CLONE_NEWUSER) < 0)
		return error_errno(
		    err, errno,
		    "joining the container's user namespace as uid %u (only who made "
		    "it may)",
		    geteuid());
	plan->target_namespaces &= ~CLONE_NEWUSER;
	plan->entered_user_namespace = true;
	return 0;
}
