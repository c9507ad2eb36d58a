#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "keys.h"
#include "path.h"
#include "plan_internal.h"

static struct plan_mount *add_mount(struct planner *p)
{
	struct plan *plan = p->plan;

	plan->mounts = arena_grow(p->arena, plan->mounts, plan->n_mounts, sizeof(*plan->mounts));
	struct plan_mount *m = &plan->mounts[plan->n_mounts++];
	*m = (struct plan_mount){.tree = -1, .instead = -1};
	return m;
}

static int set_attributes(struct planner *p, const struct plan_mount *m)
{
	const struct plan_attr *a = &m->attr;
	uint64_t set = a->set & ~(m->readonly_last ? (uint64_t)MOUNT_ATTR_RDONLY : 0);

	if ((a->recursive_set || a->recursive_clear) &&
	    sys_set_attr(m->tree, true, a->recursive_set, a->recursive_clear, 0) < 0)
		return error_errno(p->err, errno, "%s: setting the recursive options (r...)",
				   m->label);
	if ((set || a->clear) && sys_set_attr(m->tree, false, set, a->clear, 0) < 0)
		return error_errno(p->err, errno, "%s: setting its options", m->label);
	if (sys_set_attr(m->tree, a->propagation_recursive, 0, 0, a->propagation) < 0)
		return error_errno(p->err, errno, "%s: setting its propagation", m->label);
	return 0;
}

/*
 * The source is looked up once: checked, and cloned through the same descriptor. The clone gets
 * its options here, where the runtime's own rights over the mount are (mount_setattr(2) asks for
 * CAP_SYS_ADMIN in the user namespace that owns it).
 */
static int plan_bind(struct planner *p, const struct config_mount *mount,
		     const struct mount_words *words, struct plan_mount *m)
{
	struct stat st;

	if (!mount->source || !*mount->source)
		return error_set(p->err, "%s.source: a bind mount needs one", m->label);
	cleanup_fd int source = openat(p->in->bundle, mount->source, O_PATH | O_CLOEXEC);
	if (source < 0 || fstat(source, &st) < 0)
		return error_errno(p->err, errno, "%s.source: %s", m->label, mount->source);
	m->kind = PLAN_MOUNT_BIND;
	m->is_file = !S_ISDIR(st.st_mode);
	if (p->hardening->check_binds &&
	    plan_check_bind(p, source, arena_printf(p->arena, "%s.source", m->label),
			    mount->source) < 0)
		return -1;
	if (words->data_text)
		findings_add(p->findings, FINDING_NOTE,
			     arena_printf(p->arena, "%s.options", m->label),
			     "a bind mount has no use for \"%s\": passed over", words->data_text);
	bool idmap = plan_idmap_wanted(mount, words);
	plan_volume(p, mount, source, &st, idmap, m);
	if (p->in->check_only)
		return idmap ? plan_idmap(p, mount, words, m->label, -1) : 0;
	m->tree = sys_clone_tree(source, words->recursive_bind);
	if (m->tree < 0)
		return error_errno(p->err, errno, "%s.source: cloning the mount of %s%s", m->label,
				   mount->source,
				   errno == EINVAL && !words->recursive_bind
				       ? " (mounts below it hide something, and in a user "
					 "namespace they must go on to: use rbind)"
				       : "");
	if (idmap && plan_idmap(p, mount, words, m->label, m->tree) < 0)
		return -1;
	/* Without a word it is private: what is mounted inside must not show up on the host. */
	if (!m->attr.propagation) {
		m->attr.propagation = MS_PRIVATE;
		m->attr.propagation_recursive = true;
	}
	m->readonly_last = !m->is_file && m->attr.set & MOUNT_ATTR_RDONLY &&
			   plan_has_mounts_in(p, mount) && !plan_is_shown_to_others(p, m);
	return set_attributes(p, m);
}

/*
 * These show a namespace, and the kernel mounts them only for who owns that namespace: in a user
 * namespace of its own, beside the host's pid, network or cgroup namespace, the container gets a
 * bind of the host's mount, as it would see the same in a new one. Beside the host's cgroup
 * namespace it gets that in any case: a new cgroup2 mount there sets the options of the one
 * hierarchy that all share anew, and takes nsdelegate and memory_recursiveprot off the host
 * (cgroup-v2.rst, "Mounting").
 */
static const struct {
	const char *type;
	int flag;
	const char *host[2]; /* where the host has it: the first that is of the type */
} shown_namespaces[] = {
    {"proc", CLONE_NEWPID, {"/proc", NULL}},
    {"sysfs", CLONE_NEWNET, {"/sys", NULL}},
    {"cgroup2", CLONE_NEWCGROUP, {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}},
};

/* A namespace that was joined belongs to an outer user namespace when this container's is new. For
 * proc that is no reason: the host's would show other processes than the joined ones. */
static bool may_mount(const struct plan *plan, int flag)
{
	if (plan->new_user_namespace && flag != CLONE_NEWPID)
		return plan->clone_flags & flag;
	return plan_namespace_is_own(plan, flag);
}

/* Beside a joined network, sysfs can be mounted by the first of two processes, which still has the
 * rights to that network when it leaves for the user namespace. */
static bool is_early(const struct plan *plan, const char *type)
{
	return strcmp(type, "sysfs") == 0 && plan->two_clones &&
	       plan->clone_flags & CLONE_NEWUSER && !(plan->clone_flags & CLONE_NEWNET) &&
	       plan_namespace_is_own(plan, CLONE_NEWNET);
}

static bool is_cgroup2(const char *path)
{
	struct statfs fs;

	return path && statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static const char *hosts_instead(struct planner *p, const char *type)
{
	for (size_t i = 0; i < sizeof(shown_namespaces) / sizeof(shown_namespaces[0]); i++) {
		const int flag = shown_namespaces[i].flag;
		if (strcmp(type, shown_namespaces[i].type) != 0 ||
		    !(p->plan->user_namespace || p->in->nested || flag == CLONE_NEWCGROUP) ||
		    may_mount(p->plan, flag))
			continue;
		const char *first = shown_namespaces[i].host[0];
		const char *found = access(first, F_OK) == 0 ? first : shown_namespaces[i].host[1];
		return p->plan->user_namespace || p->in->nested || is_cgroup2(found) ? found : NULL;
	}
	return NULL;
}

static int bind_hosts(struct planner *p, const char *source, struct plan_mount *m)
{
	cleanup_fd int fd = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);

	m->kind = PLAN_MOUNT_BIND;
	m->data = (struct str_map){0};
	if (p->hardening->check_binds && plan_check_bind(p, fd, m->label, source) < 0)
		return -1;
	if (p->in->check_only)
		return 0;
	m->tree = fd < 0 ? -1 : sys_clone_tree(fd, strcmp(source, "/sys") == 0);
	if (m->tree < 0)
		return error_errno(p->err, errno, "%s: cloning the mount of %s", m->label, source);
	m->attr.propagation = MS_PRIVATE;
	m->attr.propagation_recursive = true;
	/* What is mounted below the host's must not be more writable than the mount itself. */
	m->attr.recursive_set = m->attr.set & MOUNT_ATTR_RDONLY;
	return set_attributes(p, m);
}

/* In a user namespace sysfs is refused, too, where the one outside is partly covered by other
 * mounts (a runtime in a container). A policy that looks at binds wants to be asked. */
static void plan_sysfs_instead(struct planner *p, struct plan_mount *m)
{
	struct plan_mount bind = *m;

	if (strcmp(m->type, "sysfs") != 0 || !(p->plan->user_namespace || p->in->nested) ||
	    (p->hardening->check_binds && !str_list_has(&p->hardening->allowed_binds, "/sys")))
		return;
	/* It may never be needed: only then its failure counts. */
	if (bind_hosts(p, "/sys", &bind) < 0) {
		*p->err = (struct error)ERROR_INIT;
		fd_cleanup(&bind.tree);
	}
	m->instead = bind.tree;
}

static int plan_new(struct planner *p, const struct config_mount *mount,
		    const struct mount_words *words, struct plan_mount *m)
{
	if (!mount->type || !*mount->type)
		return error_set(p->err, "%s.type: expected a file system, or a bind option",
				 m->label);
	/* Nothing is mounted below what is new, so "rro" is "ro"; plain words go before, as for
	 * binds. */
	m->attr.set |= m->attr.recursive_set & ~m->attr.clear;
	m->attr.recursive_set = m->attr.recursive_clear = 0;
	m->kind = PLAN_MOUNT_NEW;
	m->type = strcmp(mount->type, "cgroup") == 0 ? "cgroup2" : mount->type;
	m->source = mount->source && *mount->source ? mount->source : mount->type;
	if (words->copy_up && strcmp(m->type, "tmpfs") != 0)
		return error_set(p->err, "%s.options: tmpcopyup is for tmpfs only", m->label);
	if (p->hardening->check_binds &&
	    plan_check_file_system(p, m->type, m->source, &m->data, m->label) < 0)
		return -1;
	m->shows_kernel = strcmp(m->type, "proc") == 0 || strcmp(m->type, "sysfs") == 0;
	m->early = is_early(p->plan, m->type);
	const char *instead = m->early ? NULL : hosts_instead(p, m->type);
	if (instead)
		return bind_hosts(p, instead, m);
	plan_sysfs_instead(p, m);
	return 0;
}

static void add_pair(struct planner *p, struct plan_mount *m, const char *key, char *value)
{
	m->data.items = arena_grow(p->arena, m->data.items, m->data.n, sizeof(*m->data.items));
	m->data.items[m->data.n++] =
	    (struct str_pair){.key = arena_strdup(p->arena, key), .value = value};
	m->data_text = m->data_text ? arena_printf(p->arena, "%s,%s=%s", m->data_text, key, value)
				    : arena_printf(p->arena, "%s=%s", key, value);
}

static void add_owner(struct planner *p, struct plan_mount *m)
{
	add_pair(p, m, "uid", arena_printf(p->arena, "%u", p->plan->uid));
	add_pair(p, m, "gid", arena_printf(p->arena, "%u", p->plan->gid));
	m->owned = true;
}

static int plan_one(struct planner *p, size_t index, const struct keys *given)
{
	const struct config_mount *mount = &p->config->mounts[index];
	struct mount_words words;
	char clean[PATH_MAX];
	const char *label = arena_printf(p->arena, "mounts[%zu]", index);

	plan_mount_words(p, &mount->options, &words);
	if (path_clean(mount->destination, clean, sizeof(clean)) < 0)
		return error_errno(p->err, errno, "%s.destination", label);
	if (strcmp(clean, "/") == 0)
		return error_set(p->err,
				 "%s.destination: the root itself can not be mounted over; "
				 "use root.path",
				 label);
	struct plan_mount *m = add_mount(p);
	m->label = label;
	m->destination = mount->destination;
	m->attr = words.attr;
	m->superblock_flags = words.superblock_flags;
	m->copy_up = words.copy_up;
	if (mount->type && strcmp(mount->type, "bind") == 0)
		words.bind = true;
	if ((!words.bind || words.remount) && plan_idmap_wanted(mount, &words))
		return error_set(p->err, "%s.options: idmap, and mappings, are for binds only",
				 label);
	if (words.remount) {
		m->kind = PLAN_MOUNT_REMOUNT;
		return 0;
	}
	if (words.bind)
		return plan_bind(p, mount, &words, m);
	m->data = words.data;
	m->data_text = words.data_text;
	m->late_readonly = strcmp(clean, "/dev") == 0;
	if (plan_new(p, mount, &words, m) < 0)
		return -1;
	if (m->kind == PLAN_MOUNT_NEW && keys_find(given, m->destination, strlen(m->destination)))
		add_owner(p, m);
	m->keep_mode = m->kind == PLAN_MOUNT_NEW && strcmp(m->type, "tmpfs") == 0 &&
		       !str_map_get(&m->data, "mode");
	return 0;
}

static void plan_policy_tmpfs(struct planner *p)
{
	const struct hardening *h = p->hardening;

	for (size_t i = 0; i < h->n_tmpfs; i++) {
		const struct hardening_tmpfs *t = &h->tmpfs[i];

		if (plan_is_mounted(p, t->path))
			continue;
		struct plan_mount *m = add_mount(p);
		m->kind = PLAN_MOUNT_NEW;
		m->label = arena_printf(p->arena, "the policy's tmpfs");
		m->destination = t->path;
		m->type = "tmpfs";
		m->source = "tmpfs";
		m->attr.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			      (t->exec ? 0 : (uint64_t)MOUNT_ATTR_NOEXEC);
		m->copy_up = t->copy_up;
		m->of_policy = true;
		add_pair(p, m, "mode", arena_printf(p->arena, "%o", t->mode));
		if (h->tmpfs_max_bytes)
			add_pair(
			    p, m, "size",
			    arena_printf(p->arena, "%llu", (unsigned long long)h->tmpfs_max_bytes));
		if (t->owned)
			add_owner(p, m);
	}
}

/* Device nodes go into a /dev of the container's own, never into the image. */
static void plan_policy_dev(struct planner *p)
{
	struct plan_mount *m;

	if (!p->hardening->identity_files || plan_is_mounted(p, "/dev"))
		return;
	m = add_mount(p);
	m->kind = PLAN_MOUNT_NEW;
	m->label = "the policy's /dev";
	m->of_policy = true;
	m->destination = "/dev";
	m->type = m->source = "tmpfs";
	m->attr.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	add_pair(p, m, "mode", arena_strdup(p->arena, "755"));
	add_pair(p, m, "size", arena_strdup(p->arena, "65536k"));
}

int plan_mounts(struct planner *p)
{
	const struct str_list *given = &p->hardening->given_tmpfs;
	cleanup_keys struct keys is_given = {0};

	for (size_t i = 0; i < given->n; i++)
		(void)keys_add(p->arena, &is_given, given->items[i]);
	plan_policy_dev(p);
	plan_policy_tmpfs(p);
	for (size_t i = 0; i < p->config->n_mounts; i++) {
		if (plan_one(p, i, &is_given) < 0)
			return -1;
		const struct plan_mount *last = &p->plan->mounts[p->plan->n_mounts - 1];
		if (last->attr.propagation & MS_SHARED)
			plan_note_shared(p, last);
	}
	/* With a /dev of its own, nothing on the image needs to be a device or set-user-ID. */
	if (p->hardening->no_setid_binds)
		p->plan->rootfs_attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	return plan_mount_label(p);
}
