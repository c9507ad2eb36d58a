/*
 * What the default policy does not let into a container by a bind mount: the host itself, and what
 * gives orders to it. Compared by device and inode, so a symlink or another path to it is the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "plan_internal.h"

/* The sockets of engines: who can write to one is root on the host. */
static const char *const engine_sockets[] = {
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/containerd/containerd.sock.ttrpc",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/dockershim.sock",
    "/run/docker/containerd/containerd.sock",
    "/var/run/docker.sock",
    "/var/run/containerd/containerd.sock",
    "/var/run/podman/podman.sock",
};

/* Those of users' engines, below "/run/user/UID". */
static const char *const user_sockets[] = {"docker.sock", "podman/podman.sock"};

static const char *const host_trees[] = {"/", "/proc", "/sys", "/dev"};

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether source is the directory at, or one above it; by "..", which crosses mounts as the kernel
 * does. What can not be looked at counts as yes. Takes the descriptor. */
static bool is_above(const struct stat *source, int at)
{
	bool found = at < 0;
	struct stat st, above;

	for (bool top = false; !found && !top;) {
		int up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		found = up < 0 || fstat(at, &st) < 0 || fstat(up, &above) < 0 || same(source, &st);
		top = !found && same(&above, &st);
		fd_cleanup(&at);
		at = up;
	}
	fd_cleanup(&at);
	return found;
}

/* Whether source is the thing at path, or a directory above it. A path that is not there is
 * neither; one that can not be looked at counts as both. */
static bool is_or_contains(const struct stat *source, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		/* What an ordinary user may not reach he can not hand on. */
		if (errno == EACCES && (geteuid() != 0 || sys_in_user_namespace()))
			return false;
		return errno != ENOENT && errno != ENOTDIR;
	}
	if (same(source, &st))
		return true;
	char real[PATH_MAX];
	if (!realpath(path, real))
		return true;
	char *slash = strrchr(real, '/');
	*(slash == real ? slash + 1 : slash) = '\0';
	/* Above "/" is nothing. */
	if (strcmp(real, "/") == 0)
		return stat(real, &st) < 0 || same(source, &st);
	return is_above(source, open(real, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* Distributions of Kubernetes keep theirs elsewhere (/run/k0s, /var/snap/microk8s): a socket that
 * has an engine's name is one. Its path, the arena's, or NULL. */
static const char *named_as_engine(struct planner *p, int source, const struct stat *st)
{
	static const char *const names[] = {
	    "docker.sock", "containerd.sock", "containerd.sock.ttrpc", "cri-dockerd.sock",
	    "podman.sock", "crio.sock",	      "buildkitd.sock"};
	char path[PATH_MAX];

	if (!S_ISSOCK(st->st_mode))
		return NULL;
	ssize_t length =
	    readlink(arena_printf(p->arena, "/proc/self/fd/%d", source), path, sizeof(path) - 1);
	if (length < 0)
		return "(a socket whose path can not be read)";
	path[length] = '\0';
	const char *slash = strrchr(path, '/');
	for (size_t i = 0; slash && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(slash + 1, names[i]) == 0)
			return arena_strdup(p->arena, path);
	}
	return NULL;
}

static const char *find_users_socket(struct planner *p, const struct stat *source)
{
	const char *hit = NULL;
	glob_t users = {0};

	switch (glob("/run/user/*", GLOB_NOSORT, NULL, &users)) {
	case 0:
		break;
	case GLOB_NOMATCH:
		return NULL;
	default:
		return "(below /run/user, which can not be read)";
	}
	for (size_t n = 0; n < users.gl_pathc; n++) {
		for (size_t i = 0; !hit && i < sizeof(user_sockets) / sizeof(user_sockets[0]);
		     i++) {
			const char *path =
			    arena_printf(p->arena, "%s/%s", users.gl_pathv[n], user_sockets[i]);
			if (is_or_contains(source, path))
				hit = path;
		}
	}
	globfree(&users);
	return hit;
}

static const char *find_socket(struct planner *p, int fd, const struct stat *source)
{
	const char *hit;

	for (size_t i = 0; i < sizeof(engine_sockets) / sizeof(engine_sockets[0]); i++) {
		if (is_or_contains(source, engine_sockets[i]))
			return engine_sockets[i];
	}
	hit = find_users_socket(p, source);
	return hit ? hit : named_as_engine(p, fd, source);
}

static bool is_allowed(struct planner *p, const struct stat *source)
{
	for (size_t i = 0; i < p->hardening->allowed_binds.n; i++) {
		struct stat st;
		if (stat(p->hardening->allowed_binds.items[i], &st) == 0 && same(source, &st))
			return true;
	}
	return false;
}

int plan_check_bind(struct planner *p, int source, const char *label, const char *text)
{
	struct stat st;
	struct statfs fs;

	if (fstat(source, &st) < 0 || fstatfs(source, &fs) < 0)
		return error_errno(p->err, errno, "%s: looking at %s", label, text);
	/* A file with bytes in it is no directory and no socket: engines bind three of them always.
	 */
	if (S_ISREG(st.st_mode) || is_allowed(p, &st))
		return 0;
	for (size_t i = 0; i < sizeof(host_trees) / sizeof(host_trees[0]); i++) {
		if (is_or_contains(&st, host_trees[i]))
			return plan_refuse(
			    p, label,
			    "%s is%s the host's %s; bind what is needed of it, or say "
			    "`--allow bind=%s`",
			    text, i ? ", or contains," : "", host_trees[i], text);
	}
	/* Another instance of procfs, or a part of it, shows the host's processes as well. */
	if (fs.f_type == PROC_SUPER_MAGIC && S_ISDIR(st.st_mode))
		return plan_refuse(p, label,
				   "%s is part of the host's /proc; say `--allow bind=%s` if the "
				   "container shall see it",
				   text, text);
	const char *socket = find_socket(p, source, &st);
	if (socket)
		return plan_refuse(
		    p, label,
		    "%s is, or contains, the container engine's socket %s, and who "
		    "can write to that is root on the host; say `--allow bind=%s` if "
		    "that is meant",
		    text, socket, text);
	return 0;
}

/* overlay's own words for the host's directories that it shows. */
static int check_overlay(struct planner *p, const struct str_map *data, const char *label)
{
	static const char *const words[] = {"lowerdir", "lowerdir+", "datadir+", "upperdir",
					    "workdir"};

	for (size_t i = 0; i < data->n; i++) {
		bool names_dirs = false;
		for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
			names_dirs |= strcmp(data->items[i].key, words[w]) == 0;
		if (!names_dirs || !data->items[i].value)
			continue;
		char *rest = arena_strdup(p->arena, data->items[i].value);
		for (char *dir; (dir = strsep(&rest, ":"));) {
			cleanup_fd int fd = *dir ? open(dir, O_PATH | O_CLOEXEC) : -1;
			if (*dir && fd < 0)
				return error_errno(p->err, errno, "%s: %s %s", label,
						   data->items[i].key, dir);
			if (*dir && plan_check_bind(p, fd, label, dir) < 0)
				return -1;
		}
	}
	return 0;
}

int plan_check_file_system(struct planner *p, const char *type, const char *source,
			   const struct str_map *data, const char *label)
{
	/* These show nothing of the host but what the namespaces do. */
	static const char *const own[] = {"tmpfs",  "ramfs",  "proc",	"sysfs",
					  "devpts", "mqueue", "cgroup", "cgroup2"};
	struct stat st;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (strcmp(type, own[i]) == 0)
			return 0;
	}
	if (strcmp(type, "overlay") == 0)
		return check_overlay(p, data, label);
	if (stat(source, &st) == 0 && is_allowed(p, &st))
		return 0;
	return plan_refuse(
	    p, label,
	    "a file system of type %s from %s is the host's own storage; bind what is "
	    "needed of it, or say `--allow bind=%s`",
	    type, source, source);
}
