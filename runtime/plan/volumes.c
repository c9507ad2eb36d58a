/*
 * Whose a bind is. An engine makes a new named volume for root, whom the policy replaced: it
 * becomes the workload's, as long as nobody has been given it yet. Where the workload can do
 * nothing with a bind all the same, it shall read why: what is said is put together here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "path.h"
#include "plan_internal.h"

#define LOCK_TRIES 100
#define LOCK_PAUSE 10000000 /* nanoseconds */

/* Docker's and Podman's: .../volumes/NAME/_data. */
static bool has_shape(const char *path)
{
	static const char folder[] = "/volumes/", end[] = "/_data";
	size_t length = strlen(path);

	if (path[0] != '/' || length < sizeof(end) || strcmp(path + length - strlen(end), end) != 0)
		return false;
	const char *name = path + length - strlen(end);
	while (name > path && name[-1] != '/')
		name--;
	return name[0] != '/' && (size_t)(name - path) >= strlen(folder) &&
	       memcmp(name - strlen(folder), folder, strlen(folder)) == 0;
}

/* Written by the engine, and reached without a symlink: nobody has led the runtime elsewhere. */
static bool is_volume(struct planner *p, const struct config_mount *mount, int source)
{
	char path[PATH_MAX];

	if (!has_shape(mount->source))
		return false;
	ssize_t length = readlinkat(p->plan->proc, arena_printf(p->arena, "self/fd/%d", source),
				    path, sizeof(path) - 1);
	if (length < 0)
		return false;
	path[length] = '\0';
	return strcmp(path, mount->source) == 0;
}

/* Not the runtime's, root's or the container's own root's (Podman's are), or a folder that others
 * may write to: somebody else could have put another folder in the volume's place. */
static bool is_kept(const struct plan_volume *v, int folder)
{
	struct stat st;

	return fstat(folder, &st) == 0 &&
	       (st.st_uid == geteuid() || st.st_uid == 0 || st.st_uid == v->root_uid) &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static bool same_mount(int a, int b)
{
	struct statx one, other;

	return statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &one) == 0 &&
	       statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &other) == 0 &&
	       (one.stx_mask & other.stx_mask & STATX_MNT_ID) && one.stx_mnt_id == other.stx_mnt_id;
}

/* A driver's mount on it is a folder of the host, or another machine's: not a new one of the
 * engine's. Takes what is above by "..", so it is the volume's own, whatever lies at its path. */
static bool lies_well(const struct plan_volume *v, int volume)
{
	cleanup_fd int above = openat(volume, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int top = above < 0 ? -1 : openat(above, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return top >= 0 && is_kept(v, above) && is_kept(v, top) && same_mount(volume, above) &&
	       same_mount(volume, top);
}

/* Nobody has been given it: it is root's alone, and others can not write to it already. */
static bool is_new(const struct plan_volume *v, int folder)
{
	struct stat st;

	return fstat(folder, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == v->root_uid &&
	       st.st_gid == v->root_gid &&
	       (st.st_mode & (S_IWOTH | S_IXOTH)) != (S_IWOTH | S_IXOTH) &&
	       folder_is_empty(folder) == 1;
}

/* What a driver has mounted there is not even opened: it may hang. -1: it is no new one. */
static int open_new(const struct plan *plan, const struct plan_volume *v)
{
	if (!lies_well(v, v->fd))
		return -1;
	cleanup_fd int folder = fd_reopen(plan->proc, v->fd, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	return folder >= 0 && is_new(v, folder) ? fd_take(&folder) : -1;
}

/* Of two containers that start at once with the same new volume, the first gets it. The folder
 * above is locked, which no workload can open. Returns its descriptor, or -1 with errno set. */
static int lock(int volume)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE};
	cleanup_fd int above = openat(volume, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; above >= 0 && i < LOCK_TRIES; i++) {
		if (flock(above, LOCK_EX | LOCK_NB) == 0)
			return fd_take(&above);
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -1;
		(void)nanosleep(&pause, NULL);
		errno = EWOULDBLOCK;
	}
	return -1;
}

/* Returns 1 when it was given, 0 when it is no new one, -1 with errno set. */
static int give(const struct plan *plan, const struct plan_volume *v)
{
	cleanup_fd int folder = open_new(plan, v);

	if (folder < 0)
		return 0;
	cleanup_fd int locked = lock(folder);
	if (locked < 0)
		return -1;
	/* Somebody may have had the lock before. */
	if (!is_new(v, folder))
		return 0;
	return fchown(folder, v->uid, v->gid) < 0 ? -1 : 1;
}

static const char *given_text(struct arena *arena, const struct plan_volume *v, const char *policy)
{
	return arena_printf(arena, "a new volume of %u:%u: made the workload's, %u:%u (policy %s)",
			    v->root_uid, v->root_gid, v->uid, v->gid, policy);
}

void plan_give_volumes(struct arena *arena, struct plan *plan, const char *policy,
		       struct findings *findings)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		struct plan_mount *m = &plan->mounts[i];
		const char *path = arena_printf(arena, "%s.source", m->label);

		if (!m->volume)
			continue;
		int given = give(plan, m->volume);
		if (given > 0) {
			findings_add(findings, FINDING_CHANGED, path, "%s",
				     given_text(arena, m->volume, policy));
		} else if (given < 0) {
			const char *why = strerror(errno);
			findings_add(findings, FINDING_NOTE, path,
				     "a new volume that could not be made the workload's: %s", why);
			if (m->access)
				m->access->owner =
				    arena_printf(arena, "%s, which runsafe could not change (%s)",
						 m->access->owner, why);
		}
		fd_cleanup(&m->volume->fd);
	}
}

static bool is_readonly(const struct plan_mount *m)
{
	return ((m->attr.set & ~m->attr.clear) | m->attr.recursive_set) & MOUNT_ATTR_RDONLY;
}

static void plan_gift(struct planner *p, int source, struct plan_mount *m)
{
	const struct plan *plan = p->plan;
	struct plan_volume v;

	if (plan->uid == 0 || !plan_on_disk(p, false, plan->uid, &v.uid) ||
	    !plan_on_disk(p, true, plan->gid, &v.gid) || !plan_on_disk(p, false, 0, &v.root_uid) ||
	    !plan_on_disk(p, true, 0, &v.root_gid) || v.uid == v.root_uid)
		return;
	v.fd = fcntl(source, F_DUPFD_CLOEXEC, 3);
	if (v.fd < 0)
		return;
	m->volume = arena_alloc(p->arena, sizeof(v));
	*m->volume = v;
	if (!p->in->check_only)
		return;
	cleanup_fd int folder = open_new(plan, &v);
	if (folder >= 0)
		findings_add(p->findings, FINDING_CHANGED,
			     arena_printf(p->arena, "%s.source", m->label), "%s",
			     given_text(p->arena, &v, p->hardening->policy));
}

/* A path as a shell takes it: a person copies the line. */
static const char *shell_word(struct arena *arena, const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/_.,:@%+=-";
	char *rest = arena_strdup(arena, path);
	const char *quoted = NULL;

	if (strspn(path, plain) == strlen(path))
		return path;
	for (const char *part; (part = strsep(&rest, "'"));)
		quoted = quoted ? arena_printf(arena, "%s'\\''%s", quoted, part) : part;
	return arena_printf(arena, "'%s'", quoted);
}

/* Secrets of Swarm and Podman are made anew for each container. */
static bool is_engines_secret(const char *source)
{
	return strstr(source, "/mounts/secrets/") || strstr(source, "/userdata/secrets/");
}

static const char *commands(struct planner *p, const struct stat *st, uint32_t uid, uint32_t gid,
			    const char *path)
{
	const bool folder = S_ISDIR(st->st_mode);
	const mode_t needed = folder ? S_IRWXU : S_IRUSR;
	const char *word = shell_word(p->arena, path);
	/* Rootless: where root of that namespace is, ids are as the runtime sees them. */
	const char *where = p->in->nested ? "podman unshare " : "";
	const char *owner = "", *mode = "";

	/* -h: who had the volume before may have left symlinks in it. */
	if (plan_on_host(p, false, st->st_uid) != uid && folder)
		owner = arena_printf(p->arena, "%schown -hR %u:%u %s", where, uid, gid, word);
	else if (plan_on_host(p, false, st->st_uid) != uid)
		owner = arena_printf(p->arena, "%schown %u %s", where, uid, word);
	if ((st->st_mode & needed) != needed)
		mode = arena_printf(p->arena, "%schmod u+%s %s", where, folder ? "rwx" : "r", word);
	return arena_printf(p->arena, "%s%s%s", owner, *owner && *mode ? " && " : "", mode);
}

static const char *help_text(struct planner *p, const struct stat *st, uint32_t uid, uint32_t gid,
			     const char *source, bool volume)
{
	const mode_t all = S_IROTH | S_IXOTH;
	uint32_t root;
	const char *other = "";
	const char *command = commands(p, st, uid, gid, source);

	if (is_engines_secret(source))
		return arena_printf(p->arena, "name its user: --secret NAME,uid=%u,gid=%u",
				    p->plan->uid, p->plan->gid);
	if (strstr(source, "/kubelet/pods/"))
		return arena_printf(p->arena, "in the pod's spec: securityContext: {fsGroup: %u}",
				    p->plan->gid);
	if (!*command)
		return "an access control list of it says no: getfacl(1)";
	/* Another service's: that one shall not lose it. */
	if (S_ISDIR(st->st_mode) && plan_on_disk(p, false, 0, &root) && st->st_uid != root &&
	    plan_on_host(p, false, st->st_uid) != uid)
		other = "mount it read-only (:ro) if it is only to be read, run this as the same "
			"user, or ";
	else if (S_ISDIR(st->st_mode) && !volume && (st->st_mode & all) != all)
		/* /root was meant to be closed. */
		other = "if nothing else there needs it, ";
	return arena_printf(p->arena, "%son the host: %s", other, command);
}

static const char *kind_text(const struct stat *st, bool volume)
{
	if (!S_ISDIR(st->st_mode))
		return "the file";
	return volume ? "the volume" : "the host's folder";
}

/* For people, who are elsewhere: config.json's path may be one from the bundle. */
static const char *full_path(struct planner *p, const struct config_mount *mount, int source)
{
	char path[PATH_MAX];
	ssize_t length = -1;

	if (mount->source[0] != '/')
		length = readlinkat(p->plan->proc, arena_printf(p->arena, "self/fd/%d", source),
				    path, sizeof(path) - 1);
	if (length < 0)
		return mount->source;
	path[length] = '\0';
	return arena_strdup(p->arena, path);
}

static void explain(struct planner *p, const char *source, const struct stat *st, bool volume,
		    struct plan_access *a)
{
	const struct plan *plan = p->plan;
	uint32_t uid, gid;

	a->owner = arena_printf(p->arena, "%s belongs to %u:%u (mode %04o)", kind_text(st, volume),
				plan_on_host(p, false, st->st_uid),
				plan_on_host(p, true, st->st_gid), st->st_mode & 07777);
	a->who = arena_printf(p->arena, "%u:%u", plan->uid, plan->gid);
	if (!plan_on_disk(p, false, plan->uid, &uid) || !plan_on_disk(p, true, plan->gid, &gid)) {
		a->help = "it is to belong to what its user namespace maps that to";
		return;
	}
	uid = plan_on_host(p, false, uid);
	gid = plan_on_host(p, true, gid);
	if (uid != plan->uid || gid != plan->gid)
		a->who = arena_printf(p->arena, "%s (%u:%u on the host)", a->who, uid, gid);
	a->help = help_text(p, st, uid, gid, source, volume);
}

static bool is_below(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	return strncmp(path, folder, length) == 0 && (path[length] == '/' || !path[length]);
}

/* What engines mount for themselves is their business. */
static bool is_engines_own(const char *path, bool folder)
{
	static const char *const trees[] = {
	    "/dev",	     "/proc",		"/sys", "/run/.containerenv", "/etc/hosts",
	    "/etc/hostname", "/etc/resolv.conf"};
	static const char *const folders[] = {"/run/secrets", "/var/run/secrets"};

	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		if (is_below(path, trees[i]))
			return true;
	}
	for (size_t i = 0; folder && i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (is_below(path, folders[i]))
			return true;
	}
	return false;
}

/* The workload's rights are asked for with system calls that are the runtime's: an engine's filter
 * that is loaded before, or that kills for what it does not name, would answer, or end it all. */
static bool may_ask(struct planner *p)
{
	const struct config_seccomp *filter = p->config->linux_.seccomp;
	const char *action = filter ? filter->default_action : NULL;

	return !filter || (p->config->process.no_new_privileges && action &&
			   !strstr(action, "_KILL") && !strstr(action, "_TRAP"));
}

void plan_volume(struct planner *p, const struct config_mount *mount, int source,
		 const struct stat *st, bool idmapped, struct plan_mount *m)
{
	const bool folder = S_ISDIR(st->st_mode), writable = !is_readonly(m);
	const bool volume = folder && is_volume(p, mount, source);
	char path[PATH_MAX];

	if (p->hardening->give_new_volumes && volume && writable && !idmapped)
		plan_gift(p, source, m);
	if (!p->hardening->explain_denied || !may_ask(p) ||
	    !(folder ? writable : S_ISREG(st->st_mode)) ||
	    path_clean(mount->destination, path, sizeof(path)) < 0 ||
	    (!volume && is_engines_own(path, folder)))
		return;
	m->access = arena_alloc(p->arena, sizeof(*m->access));
	*m->access = (struct plan_access){
	    .path = arena_strdup(p->arena, path),
	    .is_file = !folder,
	    .only_if_barren = folder && !volume,
	    .device = st->st_dev,
	    .inode = st->st_ino,
	};
	explain(p, full_path(p, mount, source), st, volume, m->access);
}
