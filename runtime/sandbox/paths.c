#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "path.h"
#include "sandbox_internal.h"

static int open_path(const struct child *child, const struct plan_path *path)
{
	const struct plan_mount *mounts = child->plan->mounts;
	int base = path->mount == PLAN_NO_MOUNT ? child->root : mounts[path->mount].tree;

	return path_open_in_root(base, path->below, O_PATH, 0);
}

/*
 * Masks with an empty file or directory of the set-up's own tmpfs. Nothing of the container's /dev
 * takes part, so a false /dev/null can not (CVE-2025-31133).
 */
static int mask(struct child *child, const struct plan_path *path, struct error *err)
{
	struct stat st;
	cleanup_fd int target = open_path(child, path);

	if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (target < 0 || fstat(target, &st) < 0)
		return error_errno(err, errno, "%s", path->path);
	cleanup_fd int cover =
	    openat(child->scratch, S_ISDIR(st.st_mode) ? "empty" : "nothing", O_PATH | O_CLOEXEC);
	cleanup_fd int tree = cover < 0 ? -1 : sys_clone_tree(cover, false);
	if (tree < 0 ||
	    sys_set_attr(tree, false,
			 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			     MOUNT_ATTR_NOEXEC,
			 0, 0) < 0 ||
	    sys_move_mount(tree, target) < 0)
		return error_errno(err, errno, "masking %s", path->path);
	return 0;
}

int step_masked_paths(struct child *child, struct error *err)
{
	for (size_t i = 0; i < child->plan->n_masked; i++) {
		if (mask(child, &child->plan->masked[i], err) < 0)
			return -1;
	}
	return 0;
}

static int make_readonly(struct child *child, const struct plan_path *path, struct error *err)
{
	cleanup_fd int target = open_path(child, path);

	if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (target < 0)
		return error_errno(err, errno, "%s", path->path);
	cleanup_fd int tree = sys_clone_tree(target, true);
	if (tree < 0 || sys_set_attr(tree, true, MOUNT_ATTR_RDONLY, 0, 0) < 0 ||
	    sys_move_mount(tree, target) < 0)
		return error_errno(err, errno, "making %s read-only", path->path);
	return 0;
}

int step_readonly_paths(struct child *child, struct error *err)
{
	for (size_t i = 0; i < child->plan->n_readonly; i++) {
		if (make_readonly(child, &child->plan->readonly[i], err) < 0)
			return -1;
	}
	return 0;
}

/* Through the host's /proc, which is known to be procfs: sysctl files show the namespaces of who
 * opens them, and the container's /proc is not trusted. */
static int sysctl_write(const struct plan *plan, const struct plan_sysctl *s, struct error *err)
{
	char path[512];

	snprintf(path, sizeof(path), "sys/%s", s->path);
	if (file_write_text(plan->proc, path, s->value) == 0 || (s->optional && errno == ENOENT))
		return 0;
	return error_errno(err, errno, "writing \"%s\" to %s", s->value, s->key);
}

int sysctls_write(const struct plan *plan, bool before_user, struct error *err)
{
	for (size_t i = 0; i < plan->n_sysctls; i++) {
		const struct plan_sysctl *s = &plan->sysctls[i];

		if (!s->early && s->before_user == before_user && sysctl_write(plan, s, err) < 0)
			return -1;
	}
	return 0;
}

static bool network_is_joined(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_joins; i++) {
		if (plan->joins[i].clone_flag == CLONE_NEWNET)
			return plan->joins[i].joined;
	}
	return false;
}

int sysctls_write_early(const struct plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->n_sysctls; i++) {
		const struct plan_sysctl *s = &plan->sysctls[i];

		if (!s->early)
			continue;
		/* A failure to join is not the last word there; this would be the engine's own. */
		if (!network_is_joined(plan))
			return error_set(
			    err,
			    "writing %s: the network namespace of linux.namespaces can "
			    "not be joined without the rights of its owner",
			    s->key);
		if (sysctl_write(plan, s, err) < 0)
			return -1;
	}
	return 0;
}

int step_sysctl(struct child *child, struct error *err)
{
	return sysctls_write(child->plan, false, err);
}
