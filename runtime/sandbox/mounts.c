#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fd.h"
#include "path.h"
#include "sandbox_internal.h"

int step_propagation(struct child *child, struct error *err)
{
	(void)child;
	/* The namespace starts as a copy whose mounts still share with the host's. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "making the mounts private");
	return 0;
}

/* A tmpfs of our own below the rootfs, for generated files and what masks other paths. */
static int make_scratch(struct child *child, int point, struct error *err)
{
	/* What masks a path is as readable for the workload as its other mounts. */
	const char *mount_label = child->plan->mount_label;
	struct str_pair data[] = {{(char *)"mode", (char *)"0755"},
				  {(char *)"size", (char *)"1m"},
				  {(char *)"context", (char *)mount_label}};
	struct plan_mount scratch = {
	    .type = "tmpfs",
	    .source = "runsafe",
	    .data = {.items = data, .n = mount_label ? 3 : 2},
	    .data_text = "mode=0755,size=1m",
	    .attr = {.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC},
	};

	child->scratch = mount_new(&scratch, err);
	if (child->scratch < 0)
		return error_wrap(err, "the set-up's own tmpfs");
	if (sys_move_mount(child->scratch, point) < 0)
		return error_errno(err, errno, "attaching the set-up's own tmpfs");
	if (mkdirat(child->scratch, "empty", 0555) < 0)
		return error_errno(err, errno, "making an empty directory to mask with");
	return scratch_file(child, "nothing", "") < 0
		   ? error_errno(err, errno, "making an empty file to mask with")
		   : 0;
}

/*
 * Hooks look for the rootfs at its own path, and mount there (nvidia's by setns(2) into the
 * child's mount namespace, whose root must be the host's for that). Elsewhere, or where the user
 * namespace's root can't reach the path, or where another folder is by now: over the old root, so
 * that nothing is looked up a second time. Returns the descriptor, or -1, with err set on failure.
 */
static int own_path(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;
	struct stat here, checked;

	if (!hooks_see_mounts(plan) || strcmp(plan->rootfs_path, "/") == 0)
		return -1;
	if (chroot_to_runtime(child, err) < 0)
		return -1;
	cleanup_fd int own = open(plan->rootfs_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (chroot_leave_again(child, err) < 0)
		return -1;
	if (own >= 0 && fstat(own, &here) == 0 && fstat(plan->rootfs_tree, &checked) == 0 &&
	    here.st_dev == checked.st_dev && here.st_ino == checked.st_ino)
		return fd_take(&own);
	return -1;
}

/*
 * Where the scratch goes away together with the old root: over its /proc. Over that root itself it
 * would have to be taken away on its own, and each such umount2(2) waits for all processors (RCU).
 * -1: there it has to go, as hooks may need /proc, or there is none.
 */
static int place_aside(struct child *child)
{
	const int aside =
	    hooks_see_mounts(child->plan) ? -1 : open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	child->scratch_over_root = aside < 0;
	return aside;
}

/* The rootfs comes as a detached clone of what the plan checked. */
int step_rootfs(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;
	cleanup_fd int point = own_path(child, err);

	child->at_own_path = point >= 0;
	if (point < 0 && err->text[0])
		return -1;
	if (point < 0)
		point = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (point < 0)
		return error_errno(err, errno, "opening the old root");
	cleanup_fd int aside = child->at_own_path ? -1 : place_aside(child);
	if (make_scratch(child, aside < 0 ? point : aside, err) < 0)
		return -1;
	if (sys_move_mount(plan->rootfs_tree, child->at_own_path ? child->scratch : point) < 0)
		return error_errno(err, errno, "attaching %s", plan->rootfs_path);
	child->root = plan->rootfs_tree;
	return 0;
}

int mounts_attach(struct child *child, int tree, const char *destination, bool is_file)
{
	cleanup_fd int target = is_file ? path_make_file(child->root, destination)
					: path_make_dir(child->root, destination, 0755);

	if (target < 0)
		return -1;
	return sys_move_mount(tree, target);
}

static int explain_attach(const struct plan_mount *m, int errnum, struct error *err)
{
	const char *hint = "";

	if (errnum == EROFS || errnum == ENOENT)
		hint = " (the mount point has to be in the rootfs, or the rootfs writable on the "
		       "host)";
	else if (errnum == ELOOP || errnum == EXDEV)
		hint = " (its symlinks lead nowhere inside the rootfs)";
	else if (errnum == ENOTDIR || errnum == EISDIR) {
		/* As mount(2) says it for both: engines add a hint of their own to this one. */
		errnum = ENOTDIR;
		hint = " (a directory can only be mounted on a directory, a file on a file)";
	}
	return error_errno(err, errnum, "%s: mounting at %s%s", m->label, m->destination, hint);
}

/*
 * With a symlink on the way, into a volume, what the workload finds at /proc could be exchanged by
 * another container at any time (CVE-2019-19921). Masks do not go by that name (plan/paths.c).
 */
static int check_plain(struct child *child, const struct plan_mount *m, struct error *err)
{
	/* type is set where it is new, or the host's in place of a new one (plan/mounts.c). */
	if (!m->shows_kernel || !m->type)
		return 0;
	cleanup_fd int target = path_open_plain(child->root, m->destination, O_PATH | O_DIRECTORY);
	if (target < 0 && errno == ELOOP)
		return error_set(
		    err,
		    "%s: %s has a symlink of the rootfs in its way: %s is only mounted "
		    "on a real directory",
		    m->label, m->destination, m->type);
	return target < 0 ? explain_attach(m, errno, err) : 0;
}

/* The whole of a procfs, not a directory of it. */
static bool is_procfs(int fd)
{
	enum { PROC_ROOT_INODE = 1 }; /* linux/fs/proc */
	struct statfs fs;
	struct stat st;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
	       fstat(fd, &st) == 0 && st.st_ino == PROC_ROOT_INODE;
}

static uint64_t mount_id(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) == 0 && st.stx_mask & STATX_MNT_ID
		   ? st.stx_mnt_id
		   : 0;
}

/* In the rootfs the directory keeps the tmpfs's mode for the next start. On a volume it is the
 * host's, and not to be opened to everybody there. */
static mode_t mode_to_make(struct child *child, const struct plan_mount *m)
{
	char at[PATH_MAX];

	if (!m->keep_mode || path_resolve_text(child->root, m->destination, at, sizeof(at)) < 0)
		return 0755;
	for (;;) {
		cleanup_fd int there =
		    path_open_in_root(child->root, *at ? at : "/", O_PATH | O_DIRECTORY, 0);
		char *slash = strrchr(at, '/');

		if (there >= 0)
			return mount_id(there) == mount_id(child->root) ? 01777 : 0755;
		if (!slash)
			return 0755;
		*slash = '\0';
	}
}

/* Makes and opens the mount point. A directory of procfs is none: an image that bends a volume's
 * destination there would put its own files where the runtime and tools look for the kernel's
 * (CVE-2019-16884). Single files are what lxcfs mounts over; one procfs may lie over another, as
 * when the host's / and /proc are bound at /host and /host/proc. */
static int open_target(struct child *child, const struct plan_mount *m, struct error *err)
{
	struct statfs fs;
	cleanup_fd int target =
	    m->is_file ? path_make_file(child->root, m->destination)
		       : path_make_dir(child->root, m->destination, mode_to_make(child, m));

	if (target < 0 || fstatfs(target, &fs) < 0)
		return explain_attach(m, errno, err);
	if (!m->is_file && fs.f_type == PROC_SUPER_MAGIC &&
	    (!m->type || strcmp(m->type, "proc") != 0) &&
	    !(is_procfs(target) && is_procfs(m->tree)))
		return error_set(err,
				 "%s: %s is a directory of /proc: nothing can be mounted there",
				 m->label, m->destination);
	return fd_take(&target);
}

/* fsmount(2) of them in a user namespace must not uncover what is hidden outside. */
static int explain_new(const struct plan_mount *m, struct error *err)
{
	bool sysfs = strcmp(m->type, "sysfs") == 0;

	if (err->number == EPERM && (sysfs || strcmp(m->type, "proc") == 0))
		(void)error_wrap(err,
				 "in a user namespace the kernel mounts it only where nothing is "
				 "mounted over a part of the one outside%s",
				 sysfs ? ", and `--allow bind=/sys` shows that one instead" : "");
	return error_wrap(err, "%s: %s at %s", m->label, m->type, m->destination);
}

/* Asked before the directory is made. */
static mode_t mode_below(struct child *child, const char *destination)
{
	struct stat st;
	cleanup_fd int there = path_open_in_root(child->root, destination, O_PATH | O_DIRECTORY, 0);

	return there < 0 || fstat(there, &st) < 0 ? 01777 : st.st_mode & 03777;
}

static int attach_new(struct child *child, struct plan_mount *m, struct error *err)
{
	struct plan_mount own = *m, *planned = m;

	own.kept_mode = m->keep_mode ? mode_below(child, m->destination) : 0;
	cleanup_fd int target = open_target(child, m, err);

	if (target < 0)
		return -1;
	if (m->late_readonly)
		own.attr.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	m = &own;
	if (check_plain(child, m, err) < 0)
		return -1;
	cleanup_fd int mounted =
	    mount_needs_old_call(m) ? mount_old(m, child->scratch, err) : mount_new(m, err);
	if (mounted < 0 && err->number == EPERM && m->instead >= 0) {
		*err = (struct error)ERROR_INIT;
		mounted = fcntl(m->instead, F_DUPFD_CLOEXEC, 3);
	}
	if (mounted < 0)
		return explain_new(m, err);
	if (m->copy_up && copy_up(child->plan, target, mounted, m, err) < 0)
		return error_wrap(err, "%s: copying the rootfs's %s up", m->label, m->destination);
	/* What is to be read-only was written to until now. */
	if (m->copy_up && (m->attr.set & MOUNT_ATTR_RDONLY) &&
	    sys_set_attr(mounted, false, MOUNT_ATTR_RDONLY, 0, 0) < 0)
		return error_errno(err, errno, "%s: making it read-only", m->label);
	if (lsm_label_mount(child->plan, m, mounted, err) < 0)
		return -1;
	if (sys_move_mount(mounted, target) < 0)
		return explain_attach(m, errno, err);
	if (m->attr.propagation &&
	    sys_set_attr(mounted, m->attr.propagation_recursive, 0, 0, m->attr.propagation) < 0)
		return error_errno(err, errno, "%s: setting its propagation", m->label);
	/* Its path may lead elsewhere later, where another container has the same rootfs. */
	if (m->shows_kernel || m->late_readonly)
		planned->tree = fd_take(&mounted);
	return 0;
}

static int attach_bind(struct child *child, const struct plan_mount *m, struct error *err)
{
	cleanup_fd int target = open_target(child, m, err);

	if (target < 0)
		return -1;
	if (sys_move_mount(m->tree, target) < 0)
		return explain_attach(m, errno, err);
	return check_plain(child, m, err);
}

static int remount(struct child *child, const struct plan_mount *m, struct error *err)
{
	cleanup_fd int target = path_open_in_root(child->root, m->destination, O_PATH, 0);

	if (target < 0 ||
	    sys_set_attr(target, false, m->attr.set, m->attr.clear, m->attr.propagation) < 0)
		return error_errno(err, errno, "%s: remounting %s", m->label, m->destination);
	if ((m->attr.recursive_set || m->attr.recursive_clear) &&
	    sys_set_attr(target, true, m->attr.recursive_set, m->attr.recursive_clear, 0) < 0)
		return error_errno(err, errno, "%s: remounting all below %s", m->label,
				   m->destination);
	return 0;
}

void mounts_before_user(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		struct plan_mount *m = &plan->mounts[i];
		struct error later = ERROR_INIT; /* the mounts step says it, where it needs it */
		cleanup_fd int mounted = m->early ? mount_new(m, &later) : -1;

		if (mounted < 0)
			continue;
		fd_cleanup(&m->instead);
		m->instead = fd_take(&mounted);
	}
}

int mounts_late_readonly(struct child *child, struct error *err)
{
	const struct plan_mount *top = NULL;

	/* Of several the last is the one that is seen. */
	for (size_t i = 0; i < child->plan->n_mounts; i++)
		if (child->plan->mounts[i].late_readonly)
			top = &child->plan->mounts[i];
	/* Without links /dev is a bind of the caller's, and covers it. */
	if (!top || !child->plan->dev_links || !(top->attr.set & MOUNT_ATTR_RDONLY))
		return 0;
	if (sys_set_attr(top->tree, false, MOUNT_ATTR_RDONLY, 0, 0) < 0)
		return error_errno(err, errno, "%s: making %s read-only", top->label,
				   top->destination);
	return 0;
}

int step_mounts(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	for (size_t i = 0; i < plan->n_mounts; i++) {
		struct plan_mount *m = &plan->mounts[i];
		int done;

		if (m->kind == PLAN_MOUNT_REMOUNT) {
			done = remount(child, m, err);
		} else if (m->kind == PLAN_MOUNT_NEW) {
			done = attach_new(child, m, err);
		} else {
			done = attach_bind(child, m, err);
		}
		if (done < 0)
			return -1;
	}
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct plan_mount *m = &plan->mounts[i];

		if (m->readonly_last && sys_set_attr(m->tree, false, MOUNT_ATTR_RDONLY, 0, 0) < 0)
			return error_errno(err, errno, "%s: making %s read-only", m->label,
					   m->destination);
	}
	return 0;
}
