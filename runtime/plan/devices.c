#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "keys.h"
#include "path.h"
#include "plan_internal.h"

/* config-linux.md, "Default Devices". */
static const struct {
	const char *path;
	unsigned int major, minor;
} defaults[] = {
    {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},	   {"/dev/full", 1, 7},
    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};

static struct plan_device *add_device(struct planner *p, struct keys *known, const char *path)
{
	struct plan *plan = p->plan;
	size_t *number = keys_at(p->arena, known, path, strlen(path));

	if (*number)
		return &plan->devices[*number - 1];
	*number = plan->n_devices + 1;
	plan->devices =
	    arena_grow(p->arena, plan->devices, plan->n_devices, sizeof(*plan->devices));
	return &plan->devices[plan->n_devices++];
}

/* What config says of a bound node's mode and owner can not be done: chmod(2) would change the
 * host's. */
static void note_host_owner(struct planner *p, const struct plan_device *d, const struct stat *st)
{
	const struct config_linux *l = &p->config->linux_;

	for (size_t i = 0; i < l->n_devices; i++) {
		const struct config_device *c = &l->devices[i];

		if (strcmp(c->path, d->path) == 0 &&
		    (c->uid.set || c->gid.set ||
		     (c->file_mode.set && (c->file_mode.value & 07777) != (st->st_mode & 07777))))
			findings_add(
			    p->findings, FINDING_NOTE,
			    arena_printf(p->arena, "linux.devices[%zu]", i),
			    "%s is bound from the host, since a user namespace can not make "
			    "device nodes: it keeps the host's mode %04o and owner %u:%u",
			    d->path, st->st_mode & 07777, st->st_uid, st->st_gid);
	}
}

/* In a user namespace mknod(2) is refused whoever asks: the host's node is bound instead. A FIFO is
 * no device to it. */
static int open_host_node(struct planner *p, struct plan_device *d)
{
	struct stat st;

	if (!(p->plan->user_namespace || p->in->nested) || p->in->check_only || S_ISFIFO(d->mode))
		return 0;
	cleanup_fd int node = open(d->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0 || fstat(node, &st) < 0)
		return error_errno(p->err, errno, "linux.devices: the host's %s", d->path);
	if ((st.st_mode & S_IFMT) != (d->mode & S_IFMT) || st.st_rdev != d->rdev)
		return error_set(
		    p->err,
		    "linux.devices: the host's %s is another device than %u:%u, and in "
		    "a user namespace it can only be bound",
		    d->path, major(d->rdev), minor(d->rdev));
	note_host_owner(p, d, &st);
	d->tree = sys_clone_tree(node, false);
	if (d->tree < 0)
		return error_errno(p->err, errno, "linux.devices: cloning the host's %s", d->path);
	/* No peer of the host's /dev: a mount on it inside would show up there. */
	if (sys_set_attr(d->tree, false, 0, 0, MS_PRIVATE) < 0)
		return error_errno(p->err, errno, "linux.devices: making the clone of %s private",
				   d->path);
	return 0;
}

static mode_t type_bits(const char *type)
{
	switch (type[0]) {
	case 'b':
		return S_IFBLK;
	case 'p':
		return S_IFIFO;
	default:
		return S_IFCHR; /* c, and u: the same without buffering */
	}
}

/* Where /dev is the caller's own directory it brings its own nodes. */
static bool dev_is_bound(struct planner *p)
{
	for (size_t i = 0; i < p->plan->n_mounts; i++) {
		char clean[PATH_MAX];
		const struct plan_mount *m = &p->plan->mounts[i];
		if (m->kind == PLAN_MOUNT_BIND &&
		    path_clean(m->destination, clean, sizeof(clean)) == 0 &&
		    strcmp(clean, "/dev") == 0)
			return true;
	}
	return false;
}

/* --privileged lists all of the host's nodes. /dev/ptmx has to be a link to the container's own
 * /dev/pts/ptmx (config-linux.md, "Default Devices"). */
static bool is_made_anyway(const struct planner *p, const struct config_device *c)
{
	return p->plan->dev_links && strcmp(c->path, "/dev/ptmx") == 0 && c->type[0] == 'c' &&
	       c->major == 5 && c->minor == 2;
}

int plan_devices(struct planner *p)
{
	const struct config_linux *l = &p->config->linux_;
	bool bound = dev_is_bound(p);
	cleanup_keys struct keys known = {0};

	p->plan->dev_links = !bound;
	for (size_t i = 0; !bound && i < sizeof(defaults) / sizeof(defaults[0]); i++)
		*add_device(p, &known, defaults[i].path) = (struct plan_device){
		    .path = defaults[i].path,
		    .mode = S_IFCHR | 0666,
		    .rdev = makedev(defaults[i].major, defaults[i].minor),
		    .tree = -1,
		    .by_default = true,
		};
	for (size_t i = 0; i < l->n_devices; i++) {
		const struct config_device *c = &l->devices[i];
		mode_t permissions = c->file_mode.set ? c->file_mode.value & 07777 : 0666;

		if (is_made_anyway(p, c))
			continue;
		*add_device(p, &known, c->path) = (struct plan_device){
		    .path = c->path,
		    .mode = type_bits(c->type) | permissions,
		    .rdev = c->type[0] == 'p'
				? 0
				: makedev((unsigned int)c->major, (unsigned int)c->minor),
		    .uid = c->uid.set ? c->uid.value : 0,
		    .gid = c->gid.set ? c->gid.value : 0,
		    .tree = -1,
		};
	}
	for (size_t i = 0; i < p->plan->n_devices; i++) {
		if (open_host_node(p, &p->plan->devices[i]) < 0)
			return -1;
	}
	return 0;
}
