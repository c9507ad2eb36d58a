#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "path.h"
#include "plan_internal.h"

static const struct {
	const char *word;
	uint64_t flag;
	bool recursive;
} propagations[] = {
    {"shared", MS_SHARED, false},	  {"rshared", MS_SHARED, true},
    {"slave", MS_SLAVE, false},		  {"rslave", MS_SLAVE, true},
    {"private", MS_PRIVATE, false},	  {"rprivate", MS_PRIVATE, true},
    {"unbindable", MS_UNBINDABLE, false}, {"runbindable", MS_UNBINDABLE, true},
};

static int explain_missing(struct planner *p, int errnum)
{
	struct stat st;
	const char *path = p->config->root.path;

	if (fstatat(p->in->bundle, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(p->err, errno, "root.path: %s", p->plan->rootfs_path);
	if (S_ISLNK(st.st_mode))
		return error_set(p->err, "root.path: %s is a symlink; name the directory itself",
				 p->plan->rootfs_path);
	if (!S_ISDIR(st.st_mode))
		return error_set(p->err, "root.path: %s is not a directory", p->plan->rootfs_path);
	return error_errno(p->err, errnum, "root.path: opening %s", p->plan->rootfs_path);
}

static int open_rootfs(struct planner *p)
{
	const char *path = p->config->root.path;

	p->plan->rootfs_path =
	    path[0] == '/' ? path : arena_printf(p->arena, "%s/%s", p->in->bundle_path, path);
	p->rootfs = openat(p->in->bundle, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return p->rootfs < 0 ? explain_missing(p, errno) : 0;
}

/*
 * The clone that becomes the container's root: private, so nothing mounted inside shows up on the
 * host. Mounts that lie below the rootfs on the host come along; where the rootfs shall be
 * read-only they are it at once, and the root itself after mount points were made.
 */
static int clone_rootfs(struct planner *p)
{
	struct plan *plan = p->plan;
	struct statvfs before;

	plan->rootfs_tree = sys_clone_tree(p->rootfs, true);
	if (plan->rootfs_tree < 0)
		return error_errno(p->err, errno,
				   "root.path: cloning the mount of %s (open_tree, Linux 5.2; this "
				   "needs CAP_SYS_ADMIN)",
				   plan->rootfs_path);
	/* A slave still gets what the host mounts below the rootfs later; that is what it is for.
	 */
	if (sys_set_attr(plan->rootfs_tree, true, 0, 0,
			 plan->rootfs_propagation == MS_SLAVE ? MS_SLAVE : MS_PRIVATE) < 0)
		return error_errno(p->err, errno,
				   "root.path: making the clone of %s private (mount_setattr, "
				   "Linux 5.12)",
				   plan->rootfs_path);
	/* With what is mounted below it: the step at the end is for the rootfs itself only. */
	if (p->hardening->no_setid_binds &&
	    sys_set_attr(plan->rootfs_tree, true, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, 0) < 0)
		return error_errno(p->err, errno, "root.path: nosuid and nodev for %s",
				   plan->rootfs_path);
	if (!plan->rootfs_readonly)
		return 0;
	if (fstatvfs(plan->rootfs_tree, &before) < 0 ||
	    sys_set_attr(plan->rootfs_tree, true, MOUNT_ATTR_RDONLY, 0, 0) < 0)
		return error_errno(p->err, errno, "root.readonly: what is mounted below %s",
				   plan->rootfs_path);
	if (!(before.f_flag & ST_RDONLY) &&
	    sys_set_attr(plan->rootfs_tree, false, 0, MOUNT_ATTR_RDONLY, 0) < 0)
		return error_errno(p->err, errno, "root.readonly: preparing %s", plan->rootfs_path);
	return 0;
}

static void set_propagation(struct planner *p)
{
	const char *word = p->config->linux_.rootfs_propagation;

	for (size_t i = 0; word && i < sizeof(propagations) / sizeof(propagations[0]); i++) {
		if (strcmp(word, propagations[i].word) == 0) {
			p->plan->rootfs_propagation = propagations[i].flag;
			p->plan->rootfs_propagation_recursive = propagations[i].recursive;
		}
	}
}

int plan_rootfs(struct planner *p)
{
	if (open_rootfs(p) < 0)
		return -1;
	if (p->hardening->check_binds &&
	    plan_check_bind(p, p->rootfs, "root.path", p->plan->rootfs_path) < 0)
		return -1;
	p->plan->rootfs_readonly = p->config->root.readonly;
	set_propagation(p);
	return p->in->check_only ? 0 : clone_rootfs(p);
}
