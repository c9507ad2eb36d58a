/* Files that the workload shall see without the image being touched. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "path.h"
#include "sandbox_internal.h"

/* Makes a world-readable file in the set-up's tmpfs. Returns 0, or -1 with errno set. */
int scratch_file(struct child *child, const char *name, const char *content)
{
	cleanup_fd int fd =
	    openat(child->scratch, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	return fd < 0 ? -1 : fd_write_all(fd, content, strlen(content));
}

static int show_file(struct child *child, const struct plan_file *file, size_t number,
		     struct error *err)
{
	char name[32];

	snprintf(name, sizeof(name), "file%zu", number);
	if (scratch_file(child, name, file->content) < 0)
		return error_errno(err, errno, "writing the workload's %s", file->destination);
	cleanup_fd int source = openat(child->scratch, name, O_PATH | O_CLOEXEC);
	cleanup_fd int tree = source < 0 ? -1 : sys_clone_tree(source, false);
	if (tree < 0 || sys_set_attr(tree, false,
				     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					 MOUNT_ATTR_NOEXEC,
				     0, 0) < 0)
		return error_errno(err, errno, "preparing the workload's %s", file->destination);
	cleanup_fd int target = path_make_file(child->root, file->destination);
	if (target < 0 && file->optional && (errno == EROFS || errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (target < 0 || sys_move_mount(tree, target) < 0)
		return error_errno(err, errno, "mounting the workload's %s", file->destination);
	return 0;
}

int step_files(struct child *child, struct error *err)
{
	for (size_t i = 0; i < child->plan->n_files; i++) {
		if (show_file(child, &child->plan->files[i], i, err) < 0)
			return -1;
	}
	return 0;
}

int step_home(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;
	char name[NAME_MAX + 1];

	if (!plan->make_home)
		return 0;
	cleanup_fd int parent =
	    path_open_parent(child->root, plan->make_home, true, name, sizeof(name));
	if (parent < 0)
		return error_errno(err, errno, "the directory of %s", plan->make_home);
	if (mkdirat(parent, name, 0700) < 0) {
		/* A /tmp of config's own may have one already; it keeps its owner. */
		struct stat st;
		if (errno == EEXIST && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode))
			return 0;
		return error_errno(err, errno, "making %s", plan->make_home);
	}
	/* Where /tmp is a volume of several containers, another may have put something in its
	 * place. */
	struct stat made;
	cleanup_fd int home = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (home < 0 || fstat(home, &made) < 0)
		return error_errno(err, errno, "opening %s", plan->make_home);
	if ((made.st_uid != geteuid() && made.st_uid != plan->uid) || folder_is_empty(home) != 1)
		return error_set(err, "%s changed while it was made", plan->make_home);
	if (fchown(home, plan->uid, plan->gid) < 0)
		return error_errno(err, errno, "giving %s to the workload", plan->make_home);
	return 0;
}
