/*
 * Binds whose files show other owners (mount_setattr(2), "ID-mapped mounts"; config.md, "Mounts":
 * idmap and ridmap). The kernel takes a mapping as a user namespace, so one is made for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "plan_internal.h"

/* One mapping, and where in config.json it stands. */
struct mapping {
	const char *where; /* "mounts[3]" or "linux" */
	const struct config_id_mapping *uids, *gids;
	size_t n_uids, n_gids;
};

static int write_map(struct planner *p, pid_t pid, const struct mapping *m, bool of_groups)
{
	const char *path = arena_printf(p->arena, "%d/%cid_map", pid, of_groups ? 'g' : 'u');
	const char *text = of_groups ? plan_mapping_text(p->arena, m->gids, m->n_gids)
				     : plan_mapping_text(p->arena, m->uids, m->n_uids);

	if (text && file_write_text(p->plan->proc, path, text) < 0)
		return error_errno(p->err, errno, "%s.%cidMappings: writing them for the mount",
				   m->where, of_groups ? 'g' : 'u');
	return 0;
}

/* It only has to be there until its namespace is open. */
static _Noreturn void wait_to_be_killed(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	_exit(0);
}

static int open_namespace(struct planner *p, pid_t pid, const struct mapping *m)
{
	if (write_map(p, pid, m, false) < 0 || write_map(p, pid, m, true) < 0)
		return -1;
	int fd =
	    openat(p->plan->proc, arena_printf(p->arena, "%d/ns/user", pid), O_RDONLY | O_CLOEXEC);
	return fd < 0
		   ? error_errno(p->err, errno, "%s.uidMappings: opening their namespace", m->where)
		   : fd;
}

static int make_namespace(struct planner *p, const struct mapping *m)
{
	siginfo_t info;
	pid_t parent = getpid();
	cleanup_fd int pidfd = -1;
	pid_t pid = sys_clone3(CLONE_NEWUSER, -1, &pidfd);

	if (pid < 0)
		return error_errno(p->err, errno,
				   "%s.uidMappings: making a user namespace for the mount (is "
				   "user.max_user_namespaces reached?)",
				   m->where);
	if (pid == 0)
		wait_to_be_killed(parent);
	int fd = open_namespace(p, pid, m);
	sys_pidfd_kill(pidfd, SIGKILL);
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	return fd;
}

static int explain(struct planner *p, const char *label, const char *source, bool recursive)
{
	const char *below = recursive ? ", or that of something mounted below it," : "";

	if (errno == EINVAL)
		return error_errno(p->err, EINVAL,
				   "%s: mapping the ids of %s: its file system%s does not support "
				   "that",
				   label, source, below);
	if (errno == EPERM)
		return error_errno(p->err, EPERM,
				   "%s: mapping the ids of %s: only root of the host may, and of "
				   "a mount whose ids are not mapped already",
				   label, source);
	return error_errno(p->err, errno, "%s: mapping the ids of %s", label, source);
}

bool plan_idmap_wanted(const struct config_mount *mount, const struct mount_words *words)
{
	return words->idmap || mount->n_uid_mappings > 0;
}

int plan_idmap(struct planner *p, const struct config_mount *mount, const struct mount_words *words,
	       const char *label, int tree)
{
	const struct config_linux *l = &p->config->linux_;
	int joined = plan_user_join(p->plan);
	struct mapping m = {label, mount->uid_mappings, mount->gid_mappings, mount->n_uid_mappings,
			    mount->n_gid_mappings};
	cleanup_fd int made = -1;

	if (m.n_uids == 0 && joined < 0) {
		m = (struct mapping){"linux", l->uid_mappings, l->gid_mappings, l->n_uid_mappings,
				     l->n_gid_mappings};
		if (!p->plan->user_namespace || m.n_uids == 0)
			return error_set(p->err,
					 "%s.options: idmap needs uidMappings and gidMappings in "
					 "%s, or a user namespace of the container's own",
					 label, label);
	}
	if (p->in->check_only)
		return 0;
	/* By its own user namespace the kernel would not let it, either. */
	if (p->plan->entered_user_namespace) {
		errno = EPERM;
		return explain(p, label, mount->source, words->recursive_idmap);
	}
	if (m.n_uids > 0) {
		made = make_namespace(p, &m);
		if (made < 0)
			return -1;
	}
	if (sys_map_ids(tree, words->recursive_idmap, made < 0 ? joined : made) < 0)
		return explain(p, label, mount->source, words->recursive_idmap);
	return 0;
}
