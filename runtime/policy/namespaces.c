/* Which namespaces are the container's own, and the sysctls that only make sense in those. */
#include <stddef.h>
#include <string.h>

#include "policy_internal.h"

static const struct {
	const char *type;
	size_t offset;	   /* of the word in struct policy_namespaces */
	const char *allow; /* what --allow calls the host's one; NULL: nothing lets that through */
} kinds[] = {
    {"mount", offsetof(struct policy_namespaces, mount), NULL},
    {"uts", offsetof(struct policy_namespaces, uts), "host-uts"},
    {"cgroup", offsetof(struct policy_namespaces, cgroup), "host-cgroup"},
    {"pid", offsetof(struct policy_namespaces, pid), "host-pid"},
    {"network", offsetof(struct policy_namespaces, network), "host-network"},
    {"ipc", offsetof(struct policy_namespaces, ipc), "host-ipc"},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char *word_of(const struct apply *a, size_t kind)
{
	const char *words = (const char *)&a->policy.namespaces;

	return *(char *const *)(const void *)(words + kinds[kind].offset);
}

static void add_namespace(struct apply *a, const char *type)
{
	struct config_linux *l = &a->cfg->linux_;
	struct config_namespace *list =
	    arena_alloc(a->arena, (l->n_namespaces + 1) * sizeof(*list));

	if (l->n_namespaces != 0)
		memcpy(list, l->namespaces, l->n_namespaces * sizeof(*list));
	list[l->n_namespaces++] = (struct config_namespace){.type = arena_strdup(a->arena, type)};
	l->namespaces = list;
}

static int refuse_missing(struct apply *a, size_t kind)
{
	const char *type = kinds[kind].type;
	const char *allow = kinds[kind].allow;

	/* Under strict no --allow would help: then only a policy file is worth naming. */
	if (allow == NULL || !names_have(&a->in->policy->allow, allow))
		return refuse(a, "linux.namespaces",
			      "there is no %s namespace, so the workload would be in the host's: "
			      "add {\"type\": \"%s\"}",
			      type, type);
	return refuse(a, "linux.namespaces",
		      "there is no %s namespace, so the workload would be in the host's: add "
		      "{\"type\": \"%s\"}, or let it through on purpose with --allow %s",
		      type, type, allow);
}

static int missing_namespace(struct apply *a, size_t kind, const char *word)
{
	const char *type = kinds[kind].type;

	if (word_is(word, WORD_KEEP))
		return 0;
	if (word_is(word, WORD_REFUSE))
		return refuse_missing(a, kind);
	add_namespace(a, type);
	changed(a, "linux.namespaces", "no %s namespace: a new one is made", type);
	return 0;
}

int rule_namespaces(struct apply *a)
{
	struct config_linux *l = &a->cfg->linux_;

	for (size_t i = 0; i < N_KINDS; i++) {
		const char *word = word_of(a, i);

		/* A path can still lead to the host's: plan compares inodes. */
		if (word_is(word, WORD_KEEP))
			str_list_add(a->arena, &a->out->host_namespaces,
				     arena_strdup(a->arena, kinds[i].type));
		else
			a->out->check_namespaces = true;
		if (config_namespace_find(l, kinds[i].type) != NULL)
			continue;
		if (!l->namespaces_present)
			word = a->policy.namespaces.no_list;
		if (missing_namespace(a, i, word) < 0)
			return -1;
	}
	if (l->n_namespaces != 0) {
		l->present = true;
		l->namespaces_present = true;
	}
	return 0;
}

/* Where config.json sets that sysctl, in either spelling; its number of sysctls if nowhere. */
static size_t find_sysctl(const struct apply *a, const char *name)
{
	const struct str_map *map = &a->cfg->linux_.sysctl;
	size_t i = 0;

	while (i < map->n && !word_is(sysctl_normal(a->arena, map->items[i].key), name))
		i++;
	return i;
}

/* The map without the pair at that index, if there is one, and in memory of its own. */
static struct str_map copy_without(struct arena *arena, const struct str_map *map, size_t index)
{
	struct str_map copy = {.items = NULL, .n = 0};

	for (size_t i = 0; i < map->n; i++) {
		if (i == index)
			continue;
		/* Each is there once already: no need to look for it. */
		copy.items = arena_grow(arena, copy.items, copy.n, sizeof(*copy.items));
		copy.items[copy.n++] = map->items[i];
	}
	return copy;
}

static void default_sysctl(struct apply *a, const char *name, char *value)
{
	struct str_map *map = &a->cfg->linux_.sysctl;

	if (find_sysctl(a, name) < map->n)
		return;
	*map = copy_without(a->arena, map, map->n);
	str_map_set(a->arena, map, arena_strdup(a->arena, name), value);
	noted(a, arena_printf(a->arena, "linux.sysctl.%s", name), "not set: set to \"%s\"", value);
}

/* Podman lets root's group ping, whoever the workload is. */
static void take_root_from_ping(struct apply *a, const char *name, const char *value)
{
	struct str_map *map = &a->cfg->linux_.sysctl;
	size_t at = find_sysctl(a, name);

	if (at == map->n || strcmp(map->items[at].value, "0 0") != 0 ||
	    a->cfg->process.user.gid == 0)
		return;
	*map = copy_without(a->arena, map, at);
	str_map_set(a->arena, map, arena_strdup(a->arena, name), arena_strdup(a->arena, value));
	changed(a, arena_printf(a->arena, "linux.sysctl.%s", name),
		"was \"0 0\", root's group alone: made \"%s\"", value);
}

static void network_sysctls(struct apply *a)
{
	const struct config_namespace *ns = config_namespace_find(&a->cfg->linux_, "network");
	uint32_t gid = a->cfg->process.user.gid;

	if (!a->policy.sysctl.unprivileged_network.value || ns == NULL)
		return;
	/* Where the host's network is let through, a path may be the host's; its ports are not
	   given to everybody. */
	if (ns->path != NULL && str_list_has(&a->out->host_namespaces, "network"))
		return;
	default_sysctl(a, "net.ipv4.ip_unprivileged_port_start", arena_strdup(a->arena, "0"));
	char *range = arena_printf(a->arena, "%u %u", gid, gid);
	take_root_from_ping(a, "net.ipv4.ping_group_range", range);
	default_sysctl(a, "net.ipv4.ping_group_range", range);
}

static void memfd_sysctl(struct apply *a)
{
	const struct config_namespace *ns = config_namespace_find(&a->cfg->linux_, "pid");
	struct str_map *map = &a->cfg->linux_.sysctl;
	size_t at = find_sysctl(a, "vm.memfd_noexec");

	if (!a->policy.sysctl.memfd_noexec.value || ns == NULL || ns->path != NULL)
		return;
	a->out->memfd_noexec = true;
	if (at == map->n)
		return;
	/* Otherwise config's value would be written as well, and be refused or undo ours. */
	if (strcmp(map->items[at].value, "2") != 0)
		changed(a, "linux.sysctl.vm.memfd_noexec", "was \"%s\": made 2",
			map->items[at].value);
	*map = copy_without(a->arena, map, at);
}

int rule_sysctl(struct apply *a)
{
	a->out->check_sysctls = a->policy.sysctl.check_namespaces.value;
	if (a->out->check_sysctls)
		a->out->allowed_sysctls = a->policy.sysctl.allow;
	network_sysctls(a);
	memfd_sysctl(a);
	return 0;
}
