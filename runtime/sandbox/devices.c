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

/* runtime-linux.md "Dev symbolic links", and /dev/ptmx of config-linux.md "Default Devices". */
static const struct {
	const char *name;
	const char *target;
} links[] = {
    {"/dev/fd", "/proc/self/fd"},	{"/dev/stdin", "/proc/self/fd/0"},
    {"/dev/stdout", "/proc/self/fd/1"}, {"/dev/stderr", "/proc/self/fd/2"},
    {"/dev/ptmx", "pts/ptmx"},
};

/* The directory of the last node, kept open: the next is there, too, nearly always. */
struct directory {
	int fd;
	const char *path; /* of that node */
	size_t length;	  /* of its part in front of the last slash */
};

/* As path_open_parent(), but the descriptor stays in. */
static int open_parent(struct child *child, struct directory *in, const char *path, char *name,
		       size_t name_size)
{
	const char *slash = strrchr(path, '/');
	const size_t length = slash ? (size_t)(slash - path) : 0;

	if (in->fd >= 0 && length > 0 && length == in->length &&
	    memcmp(path, in->path, length) == 0 && slash[1] && slash[1] != '.' &&
	    strlen(slash + 1) < name_size) {
		memcpy(name, slash + 1, strlen(slash + 1) + 1);
		return 0;
	}
	fd_cleanup(&in->fd);
	*in = (struct directory){.fd = path_open_parent(child->root, path, true, name, name_size),
				 .path = path,
				 .length = length};
	return in->fd < 0 ? -1 : 0;
}

/* Whether something was mounted just there, as with `-v /dev/urandom:/dev/random`: it stays, and
 * neither mode nor owner of what may be the host's node are touched. */
static bool is_mounted_there(struct child *child, const struct plan_device *d)
{
	struct statx stx;
	cleanup_fd int node = path_open_in_root(child->root, d->path, O_PATH | O_NOFOLLOW, 0);

	return node >= 0 && statx(node, "", AT_EMPTY_PATH, STATX_TYPE, &stx) == 0 &&
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int bind_device(struct child *child, const struct plan_device *d, struct error *err)
{
	if (mounts_attach(child, d->tree, d->path, true) < 0)
		return error_errno(err, errno,
				   "binding %s from the host (a user namespace can not "
				   "make device nodes)",
				   d->path);
	return 0;
}

/* A node that is there already must be the very device; its mode becomes what is asked for. */
static int take_device(const struct plan *plan, int parent, const char *name,
		       const struct plan_device *d)
{
	struct stat st;
	char path[32];
	cleanup_fd int node = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (node < 0 || fstat(node, &st) < 0)
		return -1;
	if ((st.st_mode & S_IFMT) != (d->mode & S_IFMT) ||
	    (!S_ISFIFO(st.st_mode) && st.st_rdev != d->rdev)) {
		errno = EEXIST;
		return -1;
	}
	if ((st.st_mode & 07777) == (d->mode & 07777))
		return 0;
	/* chmod(2) by name could follow a symlink that was put there meanwhile. */
	snprintf(path, sizeof(path), "self/fd/%d", node);
	return fchmodat(plan->proc, path, d->mode & 07777, 0);
}

static int make_device(struct child *child, struct directory *in, const struct plan_device *d,
		       struct error *err)
{
	char name[NAME_MAX + 1];

	if (open_parent(child, in, d->path, name, sizeof(name)) < 0)
		return error_errno(err, errno, "the directory of %s", d->path);
	if (mknodat(in->fd, name, d->mode, d->rdev) < 0) {
		int number = errno;

		if (number == EEXIST && d->by_default && is_mounted_there(child, d))
			return 0;
		errno = number;
		if (errno != EEXIST || take_device(child->plan, in->fd, name, d) < 0)
			return error_errno(err, errno, "making %s", d->path);
	}
	if (fchownat(in->fd, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "giving %s to %u:%u", d->path, d->uid, d->gid);
	return 0;
}

static int make_link(struct child *child, struct directory *in, const char *path,
		     const char *target, struct error *err)
{
	char name[NAME_MAX + 1];

	if (open_parent(child, in, path, name, sizeof(name)) < 0)
		return error_errno(err, errno, "the directory of %s", path);
	if (symlinkat(target, in->fd, name) < 0 && errno != EEXIST)
		return error_errno(err, errno, "making the symlink %s", path);
	return 0;
}

static int make_all(struct child *child, struct directory *in, struct error *err)
{
	const struct plan *plan = child->plan;

	for (size_t i = 0; i < plan->n_devices; i++) {
		const struct plan_device *d = &plan->devices[i];
		if (d->tree >= 0 && d->by_default && is_mounted_there(child, d))
			continue;
		if ((d->tree >= 0 ? bind_device(child, d, err) : make_device(child, in, d, err)) <
		    0)
			return -1;
	}
	for (size_t i = 0; plan->dev_links && i < sizeof(links) / sizeof(links[0]); i++) {
		if (make_link(child, in, links[i].name, links[i].target, err) < 0)
			return -1;
	}
	return 0;
}

int step_devices(struct child *child, struct error *err)
{
	struct directory in = {.fd = -1};
	int result = make_all(child, &in, err);

	fd_cleanup(&in.fd);
	return result;
}
