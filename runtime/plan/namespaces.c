#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "plan_internal.h"

static const struct namespace_word {
	const char *type; /* in config.json */
	const char *file; /* in /proc/PID/ns */
	int flag;
} words[] = {
    {"cgroup", "cgroup", CLONE_NEWCGROUP}, {"ipc", "ipc", CLONE_NEWIPC},
    {"mount", "mnt", CLONE_NEWNS},	   {"network", "net", CLONE_NEWNET},
    {"pid", "pid", CLONE_NEWPID},	   {"time", "time", CLONE_NEWTIME},
    {"user", "user", CLONE_NEWUSER},	   {"uts", "uts", CLONE_NEWUTS},
};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

const char *const *plan_namespaces(void)
{
	static const char *names[N_WORDS + 1];

	for (size_t i = 0; i < N_WORDS; i++)
		names[i] = words[i].type;
	return names;
}

bool plan_namespace_is_own(const struct plan *plan, int clone_flag)
{
	if (plan->clone_flags & clone_flag)
		return true;
	for (size_t i = 0; i < plan->n_joins; i++) {
		if (plan->joins[i].clone_flag == clone_flag)
			return true;
	}
	return clone_flag == CLONE_NEWTIME && plan->new_time_namespace;
}

/* A path is a new way to say "the host's": what counts is the inode behind it. */
static int is_hosts(struct planner *p, const struct namespace_word *word, const struct stat *st,
		    bool *hosts)
{
	const char *path = arena_printf(p->arena, "self/ns/%s", word->file);
	struct stat own;

	if (fstatat(p->plan->proc, path, &own, 0) < 0)
		return error_errno(p->err, errno, "looking at the runtime's own %s namespace",
				   word->type);
	*hosts = st->st_dev == own.st_dev && st->st_ino == own.st_ino;
	return 0;
}

static int add_join(struct planner *p, const struct namespace_word *word,
		    const struct config_namespace *ns, size_t index)
{
	struct plan *plan = p->plan;
	struct stat st;
	bool hosts = false;
	cleanup_fd int fd = open(ns->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return error_errno(p->err, errno, "linux.namespaces[%zu].path: opening %s", index,
				   ns->path);
	if (ioctl(fd, NS_GET_NSTYPE) != word->flag)
		return error_set(p->err, "linux.namespaces[%zu].path: %s is not a %s namespace",
				 index, ns->path, word->type);
	if (fstat(fd, &st) < 0 || is_hosts(p, word, &st, &hosts) < 0)
		return error_errno(p->err, errno, "linux.namespaces[%zu].path", index);
	if (hosts && p->hardening->check_namespaces && word->flag != CLONE_NEWUSER &&
	    !str_list_has(&p->hardening->host_namespaces, word->type))
		return plan_refuse(p, arena_printf(p->arena, "linux.namespaces[%zu].path", index),
				   "%s is the host's own %s namespace; say `--allow host-%s`, or "
				   "leave the path out for a new one",
				   ns->path, word->type, word->type);
	/* Joining what one is in already is nothing to do; for user it is even refused (setns(2)).
	 */
	if (hosts)
		return 0;
	plan->joins = arena_grow(p->arena, plan->joins, plan->n_joins, sizeof(*plan->joins));
	plan->joins[plan->n_joins++] = (struct plan_join){
	    .fd = fd_take(&fd),
	    .clone_flag = word->flag,
	    .type = word->type,
	    /* The specification wants the very one, where pivot_root(2) changes
	       the root of all who live in it: a policy that protects makes a copy. */
	    .copy = word->flag == CLONE_NEWNS && p->hardening->check_namespaces};
	return 0;
}

const char *plan_mapping_text(struct arena *arena, const struct config_id_mapping *items, size_t n)
{
	char *text = n ? arena_strdup(arena, "") : NULL;

	for (size_t i = 0; i < n; i++)
		text = arena_printf(arena, "%s%u %u %u\n", text, items[i].container_id,
				    items[i].host_id, items[i].size);
	return text;
}

/* Set-up makes files and mounts: as root of the user namespace, or where none is mapped, as the
 * first id that is. */
static uint32_t setup_id(const struct config_id_mapping *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (items[i].container_id == 0)
			return 0;
	}
	return n ? items[0].container_id : 0;
}

static void plan_user_namespace(struct planner *p)
{
	const struct config_linux *l = &p->config->linux_;
	struct plan *plan = p->plan;
	size_t other_joins = 0;
	bool joined = false;

	for (size_t i = 0; i < plan->n_joins; i++) {
		joined |= plan->joins[i].clone_flag == CLONE_NEWUSER;
		other_joins += plan->joins[i].clone_flag != CLONE_NEWPID;
	}
	bool made = plan->clone_flags & CLONE_NEWUSER;
	plan->entered_user_namespace = p->in->entered_user_namespace;
	plan->user_namespace = made || joined || plan->entered_user_namespace;
	plan->new_user_namespace = made || (plan->entered_user_namespace && l->n_uid_mappings);
	/* Podman writes a mapping that means nothing, since runc asks for one. */
	if (joined && l->n_uid_mappings + l->n_gid_mappings)
		findings_add(p->findings, FINDING_NOTE, "linux.uidMappings",
			     "passed over, as linux.gidMappings: the user namespace that is joined "
			     "by its path has its own");
	/* Inside an engine's own user namespace, 0 is the engine's plain user. */
	plan->check_mapping = joined && p->hardening->check_mapping && !sys_in_user_namespace();
	/* A namespace of the host's root can not be joined from inside a new user namespace. */
	plan->two_clones = joined || (made && other_joins > 0);
	if (made) {
		plan->uid_map = plan_mapping_text(p->arena, l->uid_mappings, l->n_uid_mappings);
		plan->gid_map = plan_mapping_text(p->arena, l->gid_mappings, l->n_gid_mappings);
		plan->setup_uid = setup_id(l->uid_mappings, l->n_uid_mappings);
		plan->setup_gid = setup_id(l->gid_mappings, l->n_gid_mappings);
	} else if (plan->entered_user_namespace) {
		plan->setup_uid = p->in->setup_uid;
		plan->setup_gid = p->in->setup_gid;
		plan->deny_setgroups = p->in->deny_setgroups;
	}
}

static int plan_time(struct planner *p)
{
	const struct config_linux *l = &p->config->linux_;
	char *text = NULL;

	if (!(p->plan->clone_flags & CLONE_NEWTIME))
		/* Once somebody is inside they are fixed (time_namespaces(7)). */
		return l->n_time_offsets == 0
			   ? 0
			   : error_set(p->err,
				       "linux.timeOffsets: they can only be set in a new time "
				       "namespace, and linux.namespaces joins one by its path");
	p->plan->clone_flags &= ~CLONE_NEWTIME;
	p->plan->new_time_namespace = true;
	for (size_t i = 0; i < l->n_time_offsets; i++)
		text = arena_printf(p->arena, "%s%s %lld %u\n", text ? text : "",
				    l->time_offsets[i].clock, (long long)l->time_offsets[i].secs,
				    l->time_offsets[i].nanosecs);
	p->plan->time_offsets = text;
	return 0;
}

static int plan_names(struct planner *p)
{
	const struct config *c = p->config;

	p->plan->hostname = c->hostname && *c->hostname ? c->hostname : NULL;
	p->plan->domainname = c->domainname && *c->domainname ? c->domainname : NULL;
	if ((p->plan->hostname || p->plan->domainname) &&
	    !plan_namespace_is_own(p->plan, CLONE_NEWUTS))
		return error_set(p->err,
				 "%s: it can only be set in a uts namespace of the "
				 "container's own, and linux.namespaces has none",
				 p->plan->hostname ? "hostname" : "domainname");
	return 0;
}

int plan_namespaces_make(struct planner *p)
{
	const struct config_linux *l = &p->config->linux_;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		const struct config_namespace *ns = &l->namespaces[i];
		const struct namespace_word *word = words;

		while (word < words + N_WORDS && strcmp(word->type, ns->type) != 0)
			word++;
		if (word == words + N_WORDS)
			return error_set(p->err, "linux.namespaces[%zu].type: unknown \"%s\"", i,
					 ns->type);
		if (word->flag == CLONE_NEWUSER && p->in->entered_user_namespace)
			continue;
		if (!ns->path || !*ns->path)
			p->plan->clone_flags |= word->flag;
		else if (add_join(p, word, ns, i) < 0)
			return -1;
	}
	if (!plan_namespace_is_own(p->plan, CLONE_NEWNS))
		return error_set(p->err, "linux.namespaces: a container needs a mount namespace of "
					 "its own, and the list has none");
	plan_user_namespace(p);
	if (plan_time(p) < 0)
		return -1;
	p->plan->own_network = p->plan->clone_flags & CLONE_NEWNET;
	return plan_names(p);
}
