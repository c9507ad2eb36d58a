/* Where cgroup2 is, which controllers it has, and how a group gets them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "fd.h"

static const char *const controller_names[CG_CONTROLLERS] = {
    [CG_CPUSET] = "cpuset", [CG_CPU] = "cpu",	      [CG_IO] = "io",
    [CG_MEMORY] = "memory", [CG_HUGETLB] = "hugetlb", [CG_PIDS] = "pids",
    [CG_RDMA] = "rdma",	    [CG_MISC] = "misc",	      [CG_DMEM] = "dmem"};

const char *cg_controller_name(enum cg_controller controller)
{
	return controller < CG_CONTROLLERS ? controller_names[controller] : "cgroup";
}

/* Returns -1 with errno set: ENODEV where there is none. */
static int open_cgroup2(const char *path)
{
	struct statfs fs;
	cleanup_fd int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && fstatfs(fd, &fs) == 0) {
		if (fs.f_type == CGROUP2_SUPER_MAGIC)
			return fd_take(&fd);
		errno = ENODEV;
	} else if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
		errno = ENODEV;
	}
	return -1;
}

int cg_root_open(const char **mount)
{
	const char *const places[] = {CG_MOUNT, CG_UNIFIED};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int fd = open_cgroup2(places[i]);

		/* One that can not be looked at is not one that is not there. ENODEV and not
		 * ENOENT, which says that a group is gone. */
		if (fd < 0 && errno == ENODEV)
			continue;
		if (fd >= 0 && mount)
			*mount = places[i];
		return fd;
	}
	return -1;
}

const char *cg_relative(const char *path)
{
	return path + strspn(path, "/");
}

int cgroup_open(const char *path)
{
	cleanup_fd int root = cg_root_open(NULL);

	if (root < 0)
		return -1;
	if (!*cg_relative(path)) {
		errno = ENOENT;
		return -1;
	}
	return openat(root, cg_relative(path), O_PATH | O_DIRECTORY | O_CLOEXEC);
}

unsigned int cg_controllers_parse(const char *text)
{
	unsigned int bits = 0;

	while (*text) {
		size_t length = strcspn(text, " \n");

		for (unsigned int i = 0; i < CG_CONTROLLERS; i++)
			if (strlen(controller_names[i]) == length &&
			    memcmp(controller_names[i], text, length) == 0)
				bits |= CG_BIT(i);
		text += length;
		text += strspn(text, " \n");
	}
	return bits;
}

unsigned int cg_controllers_read(int dir, const char *file)
{
	char text[512];
	cleanup_fd int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (length < 0)
		return 0;
	text[length] = '\0';
	return cg_controllers_parse(text);
}

/*
 * A group with processes in it may hand down cpu, cpuset and pids: it becomes a threaded domain by
 * that, and nobody can enter the groups below it any more (cgroup-v2.rst, Threads). So it is left
 * alone. The real root, which has no cgroup.type, may hold processes.
 */
static bool has_processes(struct arena *arena, int root, const char *prefix)
{
	char first;
	cleanup_fd int procs = -1;

	if (faccessat(root, arena_printf(arena, "%scgroup.type", prefix), F_OK, 0) < 0)
		return false;
	procs = openat(root, arena_printf(arena, "%scgroup.procs", prefix), O_RDONLY | O_CLOEXEC);
	return procs >= 0 && read(procs, &first, 1) == 1;
}

static void refuse(struct cg_enabled *out, unsigned int controller, char *at, int number)
{
	out->refused |= CG_BIT(controller);
	out->why[controller].at = at;
	out->why[controller].number = number;
}

static bool write_all(struct arena *arena, int root, const char *file, unsigned int bits)
{
	char *all = arena_strdup(arena, "");

	for (unsigned int i = 0; i < CG_CONTROLLERS; i++)
		if (bits & CG_BIT(i))
			all = arena_printf(arena, "%s%s+%s", all, *all ? " " : "",
					   controller_names[i]);
	return file_write_text(root, file, all) == 0;
}

/* One ancestor: the first length bytes of path below the root. */
static void enable_at(struct arena *arena, int root, const char *mount, const char *path,
		      size_t length, unsigned int wanted, struct cg_enabled *out)
{
	char *prefix = arena_printf(arena, "%.*s%s", (int)length, path, length ? "/" : "");
	char *at = arena_printf(arena, "%s%s%.*s", mount, length ? "/" : "", (int)length, path);
	char *file = arena_printf(arena, "%scgroup.subtree_control", prefix);
	unsigned int missing = wanted & ~out->refused & ~cg_controllers_read(root, file);
	bool busy;

	if (!missing)
		return;
	busy = has_processes(arena, root, prefix);
	if (!busy && write_all(arena, root, file, missing))
		return;
	busy = busy || errno == EBUSY;
	/* One that is refused takes the others with it, so each gets its own try. */
	for (unsigned int i = 0; i < CG_CONTROLLERS; i++)
		if ((missing & CG_BIT(i)) && (busy || !write_all(arena, root, file, CG_BIT(i))))
			refuse(out, i, at, busy ? EBUSY : errno);
}

void cg_controllers_enable(struct arena *arena, int root, const char *mount, const char *path,
			   int dir, unsigned int needed, struct cg_enabled *out)
{
	unsigned int wanted = CG_ALWAYS | needed;
	const char *relative = cg_relative(path);

	*out = (struct cg_enabled){.have = cg_controllers_read(dir, "cgroup.controllers")};
	if ((out->have & wanted) == wanted)
		return;
	out->available = cg_controllers_read(root, "cgroup.controllers");
	wanted &= out->available;
	if ((out->have & wanted) == wanted)
		return;
	enable_at(arena, root, mount, "", 0, wanted, out);
	for (const char *p = strchr(relative, '/'); p; p = strchr(p + 1, '/'))
		enable_at(arena, root, mount, relative, (size_t)(p - relative), wanted, out);
	out->have = cg_controllers_read(dir, "cgroup.controllers");
}

void cg_controllers_of_unit(int root, int dir, const struct cgroup_unit *unit,
			    struct cg_enabled *out)
{
	*out = (struct cg_enabled){.have = cg_controllers_read(dir, "cgroup.controllers"),
				   .available = cg_controllers_read(root, "cgroup.controllers"),
				   .unit = unit};
}

/* What /proc/cgroups says of a controller that cgroup2's root does not have. */
static const char *why_not_in_root(struct arena *arena, enum cg_controller controller)
{
	const char *name = controller_names[controller];
	/* cgroup v1 calls it so */
	const char *old_name = controller == CG_IO ? "blkio" : name;
	char *text, *save = NULL;

	if (file_read_all(arena, AT_FDCWD, "/proc/cgroups", 65536, &text, NULL) < 0)
		text = arena_strdup(arena, "");
	/* name, hierarchy (0: not v1), number of groups, enabled */
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t length = strlen(old_name);
		const char *last = strrchr(line, '\t');
		bool hierarchy, enabled;

		if (strncmp(line, old_name, length) != 0 || line[length] != '\t')
			continue;
		hierarchy = line[length + 1] != '0';
		enabled = last[1] != '0';
		if (!enabled)
			return arena_printf(arena,
					    "controller %s is switched off on the kernel's "
					    "command line (cgroup_disable=)",
					    name);
		if (hierarchy)
			return arena_printf(arena, "controller %s is bound to cgroup v1", name);
	}
	return arena_printf(arena,
			    "controller %s is not there: this kernel was built without it, or it "
			    "is not handed down to this cgroup namespace",
			    name);
}

const char *cg_controller_why_missing(struct arena *arena, const struct cg_enabled *enabled,
				      enum cg_controller controller)
{
	const char *name = cg_controller_name(controller);
	struct error cause = ERROR_INIT;
	const char *hint = "";

	if (!(enabled->available & CG_BIT(controller)))
		return why_not_in_root(arena, controller);
	if (enabled->unit)
		return arena_printf(
		    arena,
		    "controller %s is not handed down to the user's manager: root "
		    "can do it with Delegate=cpu cpuset io memory pids under "
		    "[Service] in /etc/systemd/system/user@.service.d/delegate.conf",
		    name);
	if (!(enabled->refused & CG_BIT(controller)))
		return arena_printf(arena, "controller %s can not be switched on here", name);
	switch (enabled->why[controller].number) {
	case EBUSY:
		hint = ": there are processes in that cgroup itself, and only one without may "
		       "hand controllers down (cgroup-v2.rst, no internal process constraint); "
		       "move them to a cgroup below it, or choose another cgroupsPath";
		break;
	case ENOTSUP:
		hint = ": that cgroup is threaded; choose a cgroupsPath below a domain cgroup";
		break;
	case EINVAL:
		hint = ": it may be a threaded cgroup, or have realtime processes while the kernel "
		       "groups those (CONFIG_RT_GROUP_SCHED)";
		break;
	case ENOENT:
		hint = ": that cgroup has not got it itself";
		break;
	default:
		break;
	}
	error_errno(&cause, enabled->why[controller].number,
		    "controller %s can not be switched on in %s/cgroup.subtree_control", name,
		    enabled->why[controller].at);
	return arena_printf(arena, "%s%s", cause.text, hint);
}

const char *cgroup_why_no_limits(struct arena *arena)
{
	static const enum cg_controller wanted[] = {CG_MEMORY, CG_CPU, CG_PIDS};
	const char *mount = NULL;
	cleanup_fd int root = cg_root_open(&mount);
	struct statfs fs;
	char *why = NULL;
	unsigned int have;

	if (root < 0) {
		if (statfs(CG_MOUNT, &fs) == 0 && access(CG_MOUNT "/memory", F_OK) == 0)
			return "no cgroup2 at " CG_MOUNT ": this host runs cgroup v1";
		return "no cgroup2 is mounted at " CG_MOUNT;
	}
	have = cg_controllers_read(root, "cgroup.controllers");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (have & CG_BIT(wanted[i]))
			continue;
		why = arena_printf(arena, "%s%s%s", why ? why : "", why ? ", " : "",
				   why_not_in_root(arena, wanted[i]));
	}
	if (strcmp(mount, CG_UNIFIED) == 0)
		return arena_printf(arena,
				    "no cgroup2 at " CG_MOUNT ": this host runs cgroup v1 "
				    "(hybrid, with cgroup2 at " CG_UNIFIED ")%s%s",
				    why ? "; " : "", why ? why : "");
	return why;
}
