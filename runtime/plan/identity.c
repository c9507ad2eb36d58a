/* Who the workload is, and that the rootfs knows it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fd.h"
#include "path.h"
#include "plan_internal.h"

#define MAX_DATABASE ((size_t)4 * 1024 * 1024)

/* A file as the workload will see it (O_PATH): of the rootfs, or what config mounts over it. exec
 * has no bundle, and a root with all that is mounted. */
static int find_visible(struct planner *p, const char *path)
{
	const struct config_mount *over = p->in->bundle < 0 ? NULL : plan_mount_at(p, path);

	if (!over)
		return path_open_in_root(p->rootfs, path, O_PATH, 0);
	if (over->source)
		return openat(p->in->bundle, over->source, O_PATH | O_CLOEXEC);
	errno = ENOENT;
	return -1;
}

/* Files of the kernel look like regular ones, and reading one can do something: it takes the lines
 * of /proc/kmsg away from who logs them. */
static bool is_kernels(const struct statfs *fs)
{
	return fs->f_type == PROC_SUPER_MAGIC || fs->f_type == SYSFS_MAGIC ||
	       fs->f_type == DEBUGFS_MAGIC || fs->f_type == TRACEFS_MAGIC;
}

/* Only what is known to be a regular file is opened: an image, or a container's root, can put a
 * device node there, and opening one does something (a watchdog restarts the machine). */
static int open_regular(struct planner *p, int found)
{
	struct stat st;
	struct statfs fs;

	if (found < 0 || fstat(found, &st) < 0 || fstatfs(found, &fs) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) || is_kernels(&fs)) {
		errno = ENOENT;
		return -1;
	}
	return fd_reopen(p->plan->proc, found, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

/* That the rootfs, or the caller's rights to it, are so; all else is a failure. */
static bool says_none(int number)
{
	return number == ENOENT || number == ENOTDIR || number == ELOOP || number == EACCES ||
	       number == EXDEV || number == ENAMETOOLONG;
}

/* The text of such a file; "" where there is none that can be read as one; NULL, with a finding,
 * for one that is too large to be completed. Returns 0, or -1 with the planner's err set. */
static int read_database(struct planner *p, const char *path, bool *exists, const char **out)
{
	char *text = NULL;
	cleanup_fd int found = find_visible(p, path);
	cleanup_fd int fd = open_regular(p, found);

	*exists = found >= 0;
	*out = "";
	if (fd < 0 && says_none(errno))
		return 0;
	if (fd >= 0 && fd_read_all(p->arena, fd, MAX_DATABASE, &text, NULL) == 0) {
		*out = text;
		return 0;
	}
	if (fd < 0 || errno != E2BIG)
		return error_errno(p->err, errno, "reading %s of the rootfs", path);
	findings_add(p->findings, FINDING_NOTE, "root.path",
		     "%s in it is larger than 4 MiB: left as it is", path);
	*out = NULL;
	return 0;
}

static const char *end_line(struct planner *p, const char *text)
{
	size_t length = strlen(text);

	return length && text[length - 1] != '\n' ? arena_printf(p->arena, "%s\n", text) : text;
}

static void add_file(struct planner *p, const char *destination, const char *content)
{
	struct plan *plan = p->plan;

	/* What config mounts there is the caller's word. */
	if (plan_is_mounted(p, destination))
		return;
	plan->files = arena_grow(p->arena, plan->files, plan->n_files, sizeof(*plan->files));
	plan->files[plan->n_files++] =
	    (struct plan_file){.destination = destination, .content = content, .optional = true};
}

static const char *free_name(struct planner *p, const char *text, const char *wanted, uint32_t id)
{
	return passwd_has_name(text, wanted) ? arena_printf(p->arena, "%s-%u", wanted, id) : wanted;
}

static int add_identity_files(struct planner *p, const char *passwd, bool user_known,
			      const char *home)
{
	struct plan *plan = p->plan;
	const char *group, *hosts;
	bool exists;

	if (passwd && !user_known)
		add_file(p, "/etc/passwd",
			 arena_printf(p->arena, "%s%s:x:%u:%u:runsafe workload:%s:/bin/sh\n",
				      end_line(p, passwd), free_name(p, passwd, "app", plan->uid),
				      plan->uid, plan->gid,
				      home_is_sane(home) ? home : "/tmp/home"));
	if (read_database(p, "/etc/group", &exists, &group) < 0)
		return -1;
	if (group && !group_has_gid(group, plan->gid))
		add_file(p, "/etc/group",
			 arena_printf(p->arena, "%s%s:x:%u:\n", end_line(p, group),
				      free_name(p, group, "app", plan->gid), plan->gid));
	if (read_database(p, "/etc/hosts", &exists, &hosts) < 0)
		return -1;
	if (!exists)
		add_file(p, "/etc/hosts",
			 "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
	return 0;
}

static bool maps(const struct config_id_mapping *items, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (id >= items[i].container_id && id - items[i].container_id < items[i].size)
			return true;
	}
	return n == 0;
}

/* user_namespaces(7), "The /proc/pid/setgroups file". */
static int check_denied_groups(struct planner *p)
{
	const struct plan *plan = p->plan;
	gid_t groups[64];
	int n = getgroups(sizeof(groups) / sizeof(groups[0]), groups);
	bool others = n < 0;

	if (!plan->deny_setgroups)
		return 0;
	if (plan->n_groups)
		return error_set(p->err, "process.user.additionalGids: groups can not be set in a "
					 "user namespace that maps the caller's own gid alone: "
					 "leave them out, or map more in linux.gidMappings "
					 "(newgidmap)");
	for (int i = 0; i < n; i++)
		others |= groups[i] != getegid();
	if (others)
		findings_add(p->findings, FINDING_NOTE, "process.user.additionalGids",
			     "the caller's own further groups stay: they can not be left in a user "
			     "namespace that maps his own gid alone");
	return 0;
}

static int check_mapped(struct planner *p)
{
	const struct config_linux *l = &p->config->linux_;
	const struct plan *plan = p->plan;

	if (!maps(l->uid_mappings, l->n_uid_mappings, plan->uid))
		return error_set(p->err, "process.user.uid: %u is not mapped by linux.uidMappings",
				 plan->uid);
	if (!maps(l->gid_mappings, l->n_gid_mappings, plan->gid))
		return error_set(p->err, "process.user.gid: %u is not mapped by linux.gidMappings",
				 plan->gid);
	for (size_t i = 0; i < plan->n_groups; i++) {
		if (!maps(l->gid_mappings, l->n_gid_mappings, plan->groups[i]))
			return error_set(p->err,
					 "process.user.additionalGids[%zu]: %u is not mapped by "
					 "linux.gidMappings",
					 i, plan->groups[i]);
	}
	return 0;
}

static void set_user(struct planner *p)
{
	const struct config_user *user = &p->config->process.user;
	struct plan *plan = p->plan;

	plan->uid = user->uid;
	plan->gid = user->gid;
	plan->n_groups = user->additional_gids.n;
	plan->groups = user->additional_gids.items;
	plan->umask_set = user->umask.set;
	plan->umask = user->umask.value;
	/* Without a policy the pipes of an engine stay root's; runc and crun give them away too. */
	plan->own_stdio_pipes = plan->uid != 0 || plan->user_namespace;
}

int plan_identity(struct planner *p)
{
	struct plan *plan = p->plan;
	struct str_list env = {0};
	const char *passwd;
	bool exists;

	set_user(p);
	if (check_mapped(p) < 0 || plan_nested_ids(p) < 0 || plan_nested_groups(p) < 0 ||
	    check_denied_groups(p) < 0 || read_database(p, "/etc/passwd", &exists, &passwd) < 0)
		return -1;
	struct passwd_entry entry = passwd_find_uid(p->arena, passwd, plan->uid);

	for (size_t i = 0; i < p->config->process.env.n; i++)
		str_list_add(p->arena, &env, p->config->process.env.items[i]);
	if (p->hardening->home_follows) {
		bool known = entry.found && home_is_sane(entry.home);
		env_set(p->arena, &env, "HOME", known ? entry.home : "/tmp/home");
		if (!known)
			plan->make_home = "/tmp/home";
	} else if (!env_get(&env, "HOME") || !*env_get(&env, "HOME")) {
		/* As runc and crun have it, so that a shell finds its way. */
		env_set(p->arena, &env, "HOME",
			entry.found && home_is_sane(entry.home) ? entry.home : "/");
	}
	plan->envp = env.items;
	plan->n_env = env.n;
	return p->hardening->identity_files
		   ? add_identity_files(p, passwd, entry.found, env_get(&env, "HOME"))
		   : 0;
}
