/*
 * criu restores what an image says, and an image is a file: whether the processes are protected as
 * the plan wants is looked at while they still stand. Who finds something missing kills them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "criu.h"
#include "fd.h"
#include "path.h"

static const struct {
	int flag;
	const char *file;
} namespaces[] = {
    {CLONE_NEWNS, "mnt"},	 {CLONE_NEWPID, "pid"}, {CLONE_NEWNET, "net"},
    {CLONE_NEWIPC, "ipc"},	 {CLONE_NEWUTS, "uts"}, {CLONE_NEWUSER, "user"},
    {CLONE_NEWCGROUP, "cgroup"},
};

static int missing(struct error *err, const char *what)
{
	return error_set(err,
			 "the restored container would be less protected than the policy and "
			 "config.json say (%s): it was killed before it ran on",
			 what);
}

static bool same_namespace(int proc, pid_t pid, const char *file, int joined)
{
	struct stat theirs, other;
	char path[64];

	snprintf(path, sizeof(path), "%d/ns/%s", (int)pid, file);
	if (fstatat(proc, path, &theirs, 0) < 0)
		return joined < 0; /* a doubt is answered against us */
	snprintf(path, sizeof(path), "self/ns/%s", file);
	if (joined >= 0 ? fstat(joined, &other) < 0 : fstatat(proc, path, &other, 0) < 0)
		return joined < 0;
	return theirs.st_dev == other.st_dev && theirs.st_ino == other.st_ino;
}

static int verify_namespaces(const struct launch *l, pid_t pid, struct error *err)
{
	const struct plan *plan = &l->plan;

	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
		const char *file = namespaces[i].file;

		if ((plan->clone_flags & namespaces[i].flag) &&
		    same_namespace(plan->proc, pid, file, -1))
			return missing(err, arena_printf(l->arena,
							 "it is in the host's %s "
							 "namespace",
							 file));
		for (size_t j = 0; j < plan->n_joins; j++) {
			if (plan->joins[j].clone_flag == namespaces[i].flag &&
			    !same_namespace(plan->proc, pid, file, plan->joins[j].fd))
				return missing(err,
					       arena_printf(l->arena,
							    "it is not in the %s namespace that "
							    "linux.namespaces names",
							    file));
		}
	}
	return 0;
}

/* A number of /proc/PID/status; false when there is no such line. */
static bool status_number(const char *status, const char *name, int base, uint64_t *out)
{
	const char *at = strstr(status, name);

	if (!at)
		return false;
	*out = strtoull(at + strlen(name), NULL, base);
	return true;
}

static uint32_t host_id(const struct config_id_mapping *map, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (id >= map[i].container_id && id - map[i].container_id < map[i].size)
			return map[i].host_id + (id - map[i].container_id);
	}
	return id;
}

/* Whether a line of /proc/PID/status has that id; a doubt is answered against us. */
static bool has_id(const char *status, const char *line, uint32_t id)
{
	const char *at = strstr(status, line);
	char *end;

	if (!at)
		return true;
	for (at += strlen(line); at += strspn(at, " \t"), *at && *at != '\n'; at = end) {
		if (strtoul(at, &end, 10) == id || end == at)
			return true;
	}
	return false;
}

/* Real, effective, saved and file system ids, and the groups: none may be root's, where the plan
 * has another. */
static int verify_ids(const struct launch *l, const char *status, struct error *err)
{
	const struct config_linux *linux_ = &l->config.linux_;
	const struct plan *plan = &l->plan;
	uint32_t root = host_id(linux_->uid_mappings, linux_->n_uid_mappings, 0);
	uint32_t group = host_id(linux_->gid_mappings, linux_->n_gid_mappings, 0);
	bool in_group = plan->gid == 0;

	if (plan->uid != 0 && has_id(status, "\nUid:", root))
		return missing(err, "it runs as root");
	for (size_t i = 0; i < plan->n_groups; i++)
		in_group |= plan->groups[i] == 0;
	if (plan->uid != 0 && !in_group &&
	    (has_id(status, "\nGid:", group) || has_id(status, "\nGroups:", group)))
		return missing(err, "it is in root's group");
	return 0;
}

static int verify_capabilities(const struct launch *l, const char *status, struct error *err)
{
	static const char *const sets[] = {
	    "\nCapInh:", "\nCapPrm:", "\nCapEff:", "\nCapBnd:", "\nCapAmb:"};
	const struct plan_capabilities *c = &l->plan.capabilities;
	uint64_t allowed = c->bounding | c->permitted | c->inheritable;

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		uint64_t mask;
		if (!status_number(status, sets[i], 16, &mask) || mask & ~allowed)
			return missing(err, arena_printf(l->arena,
							 "capabilities: %s has more than "
							 "it may",
							 sets[i] + 1));
	}
	return 0;
}

static int verify_process(const struct launch *l, pid_t pid, struct error *err)
{
	const struct plan *plan = &l->plan;
	uint64_t number;
	char *status;

	if (file_read_all(l->arena, plan->proc, arena_printf(l->arena, "%d/status", (int)pid),
			  65536, &status, NULL) < 0)
		return error_errno(err, errno, "looking at the restored process %d", (int)pid);
	if (l->hardening.builtin_seccomp && verify_ids(l, status, err) < 0)
		return -1;
	if (plan->no_new_privileges &&
	    (!status_number(status, "\nNoNewPrivs:", 10, &number) || number != 1))
		return missing(err, "no_new_privs is not set");
	if (plan->n_filters && (!status_number(status, "\nSeccomp:", 10, &number) || number != 2))
		return missing(err, "there is no seccomp filter");
	/* Since Linux 5.9. */
	if (status_number(status, "\nSeccomp_filters:", 10, &number) && number < plan->n_filters)
		return missing(err, "a seccomp filter is missing");
	return verify_capabilities(l, status, err);
}

/* An image names a cgroup, too: outside of its own the container would have no limits. */
static int verify_cgroup(const struct launch *l, pid_t pid, struct error *err)
{
	const char *wanted = l->cgroup.path;
	size_t length = wanted ? strlen(wanted) : 0;
	char *text;

	if (!length)
		return 0;
	if (file_read_all(l->arena, l->plan.proc, arena_printf(l->arena, "%d/cgroup", (int)pid),
			  65536, &text, NULL) < 0)
		return error_errno(err, errno, "looking at the restored cgroup");
	/* The line of cgroup v2 is the last one (cgroups(7), "/proc/PID/cgroup"). */
	const char *at = strstr(text, "0::");
	if (!at || strncmp(at + 3, wanted, length) != 0 || !strchr("/\n", at[3 + length]))
		return missing(err, arena_printf(l->arena, "it is not in the cgroup %s", wanted));
	return 0;
}

/* Under a policy that hardens, every process; as written, an exec may have been given more. */
static int verify_processes(const struct launch *l, pid_t init, struct error *err)
{
	pid_t *pids;
	size_t n;

	if (verify_process(l, init, err) < 0)
		return -1;
	if (!l->hardening.builtin_seccomp || l->cgroup.dir < 0)
		return 0;
	if (cgroup_pids(l->arena, l->cgroup.path, &pids, &n) < 0)
		return error_errno(err, errno, "listing the restored processes");
	for (size_t i = 0; i < n; i++) {
		char path[32];
		struct stat theirs, own;

		/* criu itself is there, too: in our own pid namespace. */
		snprintf(path, sizeof(path), "%d/ns/pid", (int)pids[i]);
		if (fstatat(l->plan.proc, path, &theirs, 0) < 0 ||
		    fstatat(l->plan.proc, "self/ns/pid", &own, 0) < 0 ||
		    theirs.st_ino == own.st_ino)
			continue;
		if (verify_process(l, pids[i], err) < 0)
			return -1;
	}
	return 0;
}

/* The mount that path, in the container, is on. NULL when there is nothing at path, or a doubt. */
static const struct mount_line *mount_of(const struct mount_line *lines, size_t n, int root,
					 const char *path, bool *absent)
{
	struct statx stx;
	cleanup_fd int fd = path_open_in_root(root, path, O_PATH, 0);

	*absent = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if ((uint64_t)lines[i].id == stx.stx_mnt_id)
			return &lines[i];
	}
	return NULL;
}

static const struct {
	uint64_t attr;
	const char *option;
} attributes[] = {
    {MOUNT_ATTR_RDONLY, "ro"},
    {MOUNT_ATTR_NOSUID, "nosuid"},
    {MOUNT_ATTR_NODEV, "nodev"},
    {MOUNT_ATTR_NOEXEC, "noexec"},
};

static int verify_mount(const struct launch *l, const struct mount_line *line, uint64_t attr,
			const char *path, struct error *err)
{
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		if ((attr & attributes[i].attr) &&
		    (!line || !mount_line_has(line, attributes[i].option)))
			return missing(err, arena_printf(l->arena, "%s is not %s", path,
							 attributes[i].option));
	}
	return 0;
}

static int verify_paths(const struct launch *l, const struct mount_line *lines, size_t n, int root,
			struct error *err)
{
	const struct plan *plan = &l->plan;
	bool absent;

	for (size_t i = 0; i < plan->n_masked; i++) {
		const struct mount_line *m =
		    mount_of(lines, n, root, plan->masked[i].path, &absent);
		if (!absent &&
		    (!m || strcmp(m->source, SCRATCH_SOURCE) != 0 ||
		     (strcmp(m->root, "/nothing") != 0 && strcmp(m->root, "/empty") != 0)))
			return missing(
			    err, arena_printf(l->arena, "%s is not masked", plan->masked[i].path));
	}
	for (size_t i = 0; i < plan->n_readonly; i++) {
		const struct mount_line *m =
		    mount_of(lines, n, root, plan->readonly[i].path, &absent);
		if (!absent &&
		    verify_mount(l, m, MOUNT_ATTR_RDONLY, plan->readonly[i].path, err) < 0)
			return -1;
	}
	return 0;
}

/* The last one at a destination is the one that counts. */
static bool is_covered(const struct plan *plan, size_t number)
{
	for (size_t i = number + 1; i < plan->n_mounts; i++) {
		if (strcmp(plan->mounts[i].destination, plan->mounts[number].destination) == 0)
			return true;
	}
	return false;
}

static int verify_mounts(const struct launch *l, pid_t pid, struct error *err)
{
	const struct plan *plan = &l->plan;
	struct mount_line *lines;
	bool absent;
	size_t n;
	cleanup_fd int root = openat(plan->proc, arena_printf(l->arena, "%d/root", (int)pid),
				     O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return error_errno(err, errno, "opening the restored root");
	if (mount_lines(l->arena, plan->proc, pid, &lines, &n, err) < 0)
		return -1;
	if (verify_mount(l, mount_of(lines, n, root, "/", &absent),
			 plan->rootfs_attr | (plan->rootfs_readonly ? MOUNT_ATTR_RDONLY : 0), "/",
			 err) < 0)
		return -1;
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct plan_mount *m = &plan->mounts[i];
		if (m->kind != PLAN_MOUNT_REMOUNT && !is_covered(plan, i) &&
		    verify_mount(l, mount_of(lines, n, root, m->destination, &absent), m->attr.set,
				 m->destination, err) < 0)
			return -1;
	}
	return verify_paths(l, lines, n, root, err);
}

/* criu writes an image's label back; where the module is off, or another one is on, it is not. */
static int verify_label(const struct launch *l, pid_t pid, struct error *err)
{
	const char *profile = l->plan.apparmor_profile;
	char *text;

	if (!profile)
		return 0;
	if (file_read_all(l->arena, l->plan.proc,
			  arena_printf(l->arena, "%d/attr/current", (int)pid), 4096, &text,
			  NULL) < 0 ||
	    strncmp(text, profile, strlen(profile)) != 0)
		return missing(err,
			       arena_printf(l->arena, "AppArmor's profile is not %s", profile));
	return 0;
}

int restore_verify(struct launch *l, pid_t pid, struct error *err)
{
	if (verify_namespaces(l, pid, err) < 0 || verify_cgroup(l, pid, err) < 0 ||
	    verify_processes(l, pid, err) < 0 || verify_mounts(l, pid, err) < 0)
		return -1;
	return verify_label(l, pid, err);
}
