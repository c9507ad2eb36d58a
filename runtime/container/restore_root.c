/*
 * Where criu finds the container's root file system and what is mounted from outside: built in
 * criu's own mount namespace, from the trees that the plan has opened and checked, so that no
 * path of an image decides what is bound. Nothing of it is seen on the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "criu.h"
#include "fd.h"
#include "kernel.h"
#include "path.h"

#define COVER (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* What is offered to criu lies in these, numbered as in the plan. */
static const char mounts_folder[] = "mounts";
static const char devices_folder[] = "devices";
static const char files_folder[] = "files";

/* A bind copies the attributes of the mount it is made from. */
static int cover(int base, const char *name, struct error *err)
{
	cleanup_fd int at = openat(base, name, O_PATH | O_CLOEXEC);
	cleanup_fd int tree = at < 0 ? -1 : sys_clone_tree(at, false);

	if (tree < 0 || sys_set_attr(tree, false, COVER, 0, 0) < 0 || sys_move_mount(tree, at) < 0)
		return error_errno(err, errno, "preparing %s to cover paths with", name);
	return 0;
}

static int make_file(int base, const char *name, const char *content, struct error *err)
{
	cleanup_fd int fd = openat(base, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	if (fd < 0 || fd_write_all(fd, content, strlen(content)) < 0)
		return error_errno(err, errno, "writing %s", name);
	return cover(base, name, err);
}

static int make_base(const char *place, struct error *err)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "making criu's mount namespace");
	if (mount(SCRATCH_SOURCE, place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=0755,size=1m") < 0)
		return error_errno(err, errno, "mounting a tmpfs at %s", place);
	cleanup_fd int base = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return error_errno(err, errno, "opening %s", place);
	if (mkdirat(base, "root", 0755) < 0 || mkdirat(base, "empty", 0555) < 0 ||
	    mkdirat(base, mounts_folder, 0755) < 0 || mkdirat(base, devices_folder, 0755) < 0 ||
	    mkdirat(base, files_folder, 0755) < 0)
		return error_errno(err, errno, "making folders in %s", place);
	if (cover(base, "empty", err) < 0 || make_file(base, "nothing", "", err) < 0)
		return -1;
	return fd_take(&base);
}

static int attach(int base, const char *folder, size_t number, int tree, bool is_file,
		  struct error *err)
{
	char name[64];

	snprintf(name, sizeof(name), "/%s/%zu", folder, number);
	cleanup_fd int at = is_file ? path_make_file(base, name) : path_make_dir(base, name, 0755);
	if (at < 0 || sys_move_mount(tree, at) < 0)
		return error_errno(err, errno, "attaching %s", name + 1);
	return 0;
}

static int attach_all(const struct plan *plan, int base, struct error *err)
{
	char name[64];

	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct plan_mount *m = &plan->mounts[i];
		/* The mount points in it are there since the container was made. */
		if (m->readonly_last && sys_set_attr(m->tree, false, MOUNT_ATTR_RDONLY, 0, 0) < 0)
			return error_errno(err, errno, "%s: making it read-only", m->label);
		if (m->tree >= 0 && attach(base, mounts_folder, i, m->tree, m->is_file, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < plan->n_devices; i++) {
		if (plan->devices[i].tree >= 0 &&
		    attach(base, devices_folder, i, plan->devices[i].tree, true, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < plan->n_files; i++) {
		snprintf(name, sizeof(name), "%s/%zu", files_folder, i);
		if (make_file(base, name, plan->files[i].content, err) < 0)
			return -1;
	}
	return 0;
}

static bool is_below(const char *place, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(place, folder, n) == 0 && place[n] == '/';
}

/* What is below another mount is that one's: criu brings the content of a tmpfs, and the source of
 * a bind has it or not. */
static bool on_rootfs(const struct plan *plan, int root, size_t number, const char *place)
{
	char other[PATH_MAX];

	for (size_t i = 0; i < plan->n_mounts; i++) {
		if (i != number && plan->mounts[i].kind != PLAN_MOUNT_REMOUNT &&
		    path_resolve_text(root, plan->mounts[i].destination, other, sizeof(other)) ==
			0 &&
		    is_below(place, other))
			return false;
	}
	return true;
}

static int make_mount_point(const struct plan *plan, int root, size_t number,
			    const char *destination, bool is_file, struct error *err)
{
	char place[PATH_MAX];

	if (path_resolve_text(root, destination, place, sizeof(place)) < 0 ||
	    !on_rootfs(plan, root, number, place))
		return 0;
	cleanup_fd int at =
	    is_file ? path_make_file(root, place) : path_make_dir(root, place, 0755);
	return at < 0 ? error_errno(err, errno, "making the mount point %s", destination) : 0;
}

static int make_mount_points(const struct plan *plan, int root, struct error *err)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct plan_mount *m = &plan->mounts[i];
		if (m->kind != PLAN_MOUNT_REMOUNT &&
		    make_mount_point(plan, root, i, m->destination, m->is_file, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < plan->n_files; i++) {
		struct error optional = ERROR_INIT;
		if (make_mount_point(plan, root, plan->n_mounts, plan->files[i].destination, true,
				     plan->files[i].optional ? &optional : err) < 0 &&
		    !plan->files[i].optional)
			return -1;
	}
	return 0;
}

/* criu does not make the root read-only again, but its bind copies what it finds. */
static int attach_root(const struct plan *plan, int base, struct error *err)
{
	uint64_t attr = plan->rootfs_attr | (plan->rootfs_readonly ? MOUNT_ATTR_RDONLY : 0);
	cleanup_fd int at = openat(base, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (at < 0 || sys_move_mount(plan->rootfs_tree, at) < 0)
		return error_errno(err, errno, "attaching %s", plan->rootfs_path);
	if (make_mount_points(plan, plan->rootfs_tree, err) < 0)
		return -1;
	if (attr && sys_set_attr(plan->rootfs_tree, false, attr, 0, 0) < 0)
		return error_errno(err, errno, "making the root file system read-only");
	return 0;
}

/* Namespaces that the container shares go to criu as descriptors. */
static int pass_joins(const struct plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->n_joins; i++) {
		if (fcntl(plan->joins[i].fd, F_SETFD, 0) < 0)
			return error_errno(err, errno, "passing a namespace to criu");
	}
	return 0;
}

int restore_root_prepare(void *context, struct error *err)
{
	const struct restore_root *r = context;
	const struct plan *plan = &r->launch->plan;

	umask(0);
	cleanup_fd int base = make_base(r->place, err);
	if (base < 0 || attach_all(plan, base, err) < 0 || attach_root(plan, base, err) < 0 ||
	    pass_joins(plan, err) < 0)
		return -1;
	/* criu would leave it in its own; this process is in the container's cgroup already. */
	if (r->own_cgroup_namespace && unshare(CLONE_NEWCGROUP) < 0)
		return error_errno(err, errno, "making the cgroup namespace");
	/* What is restored has the session keyring of who restores it. */
	if (plan->new_keyring && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 &&
	    errno != ENOSYS)
		return error_errno(err, errno, "joining a new session keyring");
	return 0;
}

static void offer(struct wire *opts, const char *name, const char *place)
{
	wire_text(opts, CRIU_EXTERNAL, arena_printf(opts->arena, "mnt[%s]:%s", name, place));
}

/* The destination of what lies at FOLDER/NUMBER, and what follows that number. */
static const char *destination_of(struct arena *arena, const struct plan *plan, const char *at,
				  const char **rest)
{
	const char *slash = strchr(at, '/');
	char *end;

	if (!slash || slash[1] < '0' || slash[1] > '9')
		return NULL;
	const char *folder = arena_strndup(arena, at, (size_t)(slash - at));
	size_t number = strtoul(slash + 1, &end, 10);
	*rest = end;
	if (strcmp(folder, mounts_folder) == 0 && number < plan->n_mounts)
		return plan->mounts[number].destination;
	if (strcmp(folder, devices_folder) == 0 && number < plan->n_devices)
		return plan->devices[number].path;
	if (strcmp(folder, files_folder) == 0 && number < plan->n_files)
		return plan->files[number].destination;
	return NULL;
}

int restore_root_offer(const struct restore_root *r, pid_t criu, struct wire *opts,
		       struct error *err)
{
	const struct plan *plan = &r->launch->plan;
	size_t length = strlen(r->place);
	struct mount_line *lines;
	size_t n;

	if (mount_lines(opts->arena, plan->proc, criu, &lines, &n, err) < 0)
		return -1;
	offer(opts, "runsafe-nothing", arena_printf(opts->arena, "%s/nothing", r->place));
	offer(opts, "runsafe-empty", arena_printf(opts->arena, "%s/empty", r->place));
	for (size_t i = 0; i < n; i++) {
		char place[PATH_MAX];
		const char *rest, *destination;

		if (!is_below(lines[i].place, r->place))
			continue;
		destination = destination_of(opts->arena, plan, lines[i].place + length + 1, &rest);
		if (destination &&
		    path_resolve_text(plan->rootfs_tree, destination, place, sizeof(place)) == 0)
			offer(opts, arena_printf(opts->arena, "runsafe:%s%s", place, rest),
			      lines[i].place);
	}
	wire_text(opts, CRIU_ROOT, arena_printf(opts->arena, "%s/root", r->place));
	return 0;
}
