#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "plan_internal.h"

/* Which namespace a sysctl belongs to; all others are the whole machine's. "kernel.msg" stands for
 * all that start so. Sources: namespaces(7), ipc_namespaces(7), network_namespaces(7). */
static const struct {
	const char *prefix;
	int flag;
	const char *type;
} owners[] = {
    {"net/", CLONE_NEWNET, "network"},	      {"fs/mqueue/", CLONE_NEWIPC, "ipc"},
    {"kernel/msg", CLONE_NEWIPC, "ipc"},      {"kernel/sem", CLONE_NEWIPC, "ipc"},
    {"kernel/shm", CLONE_NEWIPC, "ipc"},      {"kernel/auto_msgmni", CLONE_NEWIPC, "ipc"},
    {"kernel/hostname", CLONE_NEWUTS, "uts"}, {"kernel/domainname", CLONE_NEWUTS, "uts"},
    {"vm/memfd_noexec", CLONE_NEWPID, "pid"},
};

/* The two spellings of sysctl(8): whichever of '.' and '/' comes first separates. */
static char *to_path(struct arena *arena, const char *key)
{
	char *path = arena_strdup(arena, key);

	if (key[strcspn(key, "./")] != '.')
		return path;
	for (char *c = path; *c; c++)
		*c = (char)(*c == '.' ? '/' : *c == '/' ? '.' : *c);
	return path;
}

static bool is_plain(const char *path)
{
	return path[0] && path[0] != '/' && !strstr(path, "//") && strcmp(path, "..") != 0 &&
	       strncmp(path, "../", 3) != 0 && !strstr(path, "/../") &&
	       !(strlen(path) > 3 && strcmp(path + strlen(path) - 3, "/..") == 0) &&
	       strlen(path) < 400;
}

static bool is_allowed(struct planner *p, const char *path)
{
	const struct str_list *allowed = &p->hardening->allowed_sysctls;

	for (size_t i = 0; i < allowed->n; i++) {
		if (strcmp(to_path(p->arena, allowed->items[i]), path) == 0)
			return true;
	}
	return false;
}

/* Not only a matter of policy: a container that writes the host's settings is never meant. */
static int check_owner(struct planner *p, const char *key, const char *path)
{
	const char *json = arena_printf(p->arena, "linux.sysctl.%s", key);

	if (is_allowed(p, path))
		return 0;
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		if (strncmp(path, owners[i].prefix, strlen(owners[i].prefix)) != 0)
			continue;
		if (plan_namespace_is_own(p->plan, owners[i].flag))
			return 0;
		return plan_refuse(p, json,
				   "it would change the host's, since the container has no %s "
				   "namespace of its own; say `--allow sysctl=%s` if that is meant",
				   owners[i].type, key);
	}
	return plan_refuse(
	    p, json,
	    "it belongs to no namespace, so it would change the host's; say `--allow "
	    "sysctl=%s` if that is meant",
	    key);
}

/* Those of new network and ipc namespaces belong to root of the container's user namespace. */
static bool is_of_host_root(const struct plan *plan, const char *path)
{
	return strcmp(path, "vm/memfd_noexec") == 0 ||
	       (strncmp(path, "net/", 4) == 0 && !(plan->clone_flags & CLONE_NEWNET));
}

/*
 * Beside a network that was joined, a new user namespace has no rights to it. On the host uid 0 is
 * enough for the kernel until the ids change; inside an engine's own user namespace it is not
 * (kernel, net/sysctl_net.c), and they have to be written before.
 */
static bool is_early(const struct planner *p, const char *path)
{
	return p->in->nested && p->plan->clone_flags & CLONE_NEWUSER && p->plan->two_clones &&
	       strncmp(path, "net/", 4) == 0 && !(p->plan->clone_flags & CLONE_NEWNET);
}

/* Whether it is a range of one group, "N N". */
static bool is_one_group(const char *value, unsigned long *group)
{
	char *end, *last;

	*group = strtoul(value, &end, 10);
	return end != value && strtoul(end, &last, 10) == *group && last != end;
}

/* The group ids of net.ipv4.ping_group_range are those of the writer's user namespace. */
static const char *outer_groups(struct planner *p, const char *path, const char *value)
{
	const struct config_linux *l = &p->config->linux_;
	unsigned long group;

	if (strcmp(path, "net/ipv4/ping_group_range") != 0 || !is_one_group(value, &group))
		return value;
	for (size_t i = 0; i < l->n_gid_mappings; i++) {
		const struct config_id_mapping *m = &l->gid_mappings[i];

		if (group < m->container_id || group - m->container_id >= m->size)
			continue;
		group = group - m->container_id + m->host_id;
		return arena_printf(p->arena, "%lu %lu", group, group);
	}
	return value;
}

static void add(struct planner *p, const char *key, const char *path, const char *value,
		bool optional)
{
	struct plan *plan = p->plan;
	bool early = is_early(p, path);

	plan->sysctls =
	    arena_grow(p->arena, plan->sysctls, plan->n_sysctls, sizeof(*plan->sysctls));
	plan->sysctls[plan->n_sysctls++] = (struct plan_sysctl){
	    .path = path,
	    .key = key,
	    .value = early ? outer_groups(p, path, value) : value,
	    .early = early,
	    .optional = optional,
	    /* A runtime inside already has no more rights before than after. */
	    .before_user = !early && plan->user_namespace && !plan->entered_user_namespace &&
			   is_of_host_root(plan, path)};
}

/* Before 6.6, 2 also refused memfd_create without flags, which glibc programs still do. Returns
 * NULL with errno set. */
static const char *memfd_noexec_value(void)
{
	struct utsname name;
	char *rest = NULL;
	unsigned long major = 0, minor = 0;

	if (uname(&name) < 0)
		return NULL;
	major = strtoul(name.release, &rest, 10);
	if (*rest == '.')
		minor = strtoul(rest + 1, NULL, 10);
	return major > 6 || (major == 6 && minor >= 6) ? "2" : "1";
}

int plan_sysctls(struct planner *p)
{
	const struct str_map *sysctl = &p->config->linux_.sysctl;

	for (size_t i = 0; i < sysctl->n; i++) {
		const char *key = sysctl->items[i].key;
		const char *path = to_path(p->arena, key);

		if (!is_plain(path))
			return error_set(p->err, "linux.sysctl: \"%s\" is not the name of a sysctl",
					 key);
		if (check_owner(p, key, path) < 0)
			return -1;
		add(p, key, path, sysctl->items[i].value, false);
	}
	if (plan_memfd_rule(p) != PLAN_MEMFD_SYSCTL)
		return 0;
	const char *noexec = memfd_noexec_value();
	if (!noexec)
		return error_errno(p->err, errno, "asking for the kernel's version");
	add(p, "vm.memfd_noexec", "vm/memfd_noexec", noexec, true);
	return 0;
}
