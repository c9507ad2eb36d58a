/*
 * Binds with ids mapped (mount_setattr(2), "ID-mapped mounts"). Where the workload's own id stands
 * for 0 on the disk, the workload is root over the host's files below the source.
 */
#include "policy_internal.h"

/* A user namespace's map: what id is outside, and what is not mapped is nobody: false. */
static bool map_out(const struct config_id_mapping *maps, size_t n, uint32_t id, uint32_t *out)
{
	for (size_t i = 0; i < n; i++) {
		if (id >= maps[i].container_id && id - maps[i].container_id < maps[i].size) {
			*out = id - maps[i].container_id + maps[i].host_id;
			return true;
		}
	}
	return false;
}

/* The mount's map, from ids on the disk to the host's: who of the host writes files of 0 there. */
static bool root_of(const struct config_id_mapping *maps, size_t n, uint32_t *host)
{
	for (size_t i = 0; i < n; i++) {
		if (maps[i].container_id == 0 && maps[i].size > 0) {
			*host = maps[i].host_id;
			return true;
		}
	}
	return false;
}

struct ids {
	const struct config_id_mapping *own; /* of the container's user namespace */
	size_t n_own;
	const struct config_id_mapping *mount;
	size_t n_mount;
	const char *key; /* of the mount */
};

static int check_id(struct apply *a, size_t index, const struct ids *ids, uint32_t id)
{
	const struct config_mount *m = &a->cfg->mounts[index];
	const struct config_namespace *user = config_namespace_find(&a->cfg->linux_, "user");
	uint32_t host = id;
	uint32_t root = 0;
	bool known = user == NULL || ids->n_own > 0;

	if (!root_of(ids->mount, ids->n_mount, &root))
		return 0;
	if (user != NULL && known && !map_out(ids->own, ids->n_own, id, &host))
		return 0;
	if (known && host != root)
		return 0;
	const char *path = arena_printf(a->arena, "mounts[%zu].%s", index, ids->key);

	if (!known)
		return refuse(a, path,
			      "who is root over %s can not be told in a user namespace that is "
			      "joined without linux.%s; --allow bind=%s would bind it all the same",
			      m->source, ids->key, m->source);
	return refuse(a, path,
		      "the workload's id %u would be 0, root, in the host's files below %s: map "
		      "it to another id; --allow bind=%s would bind it all the same",
		      id, m->source, m->source);
}

static bool is_bind(const struct config_mount *m)
{
	return word_is(m->type, "bind") || str_list_has(&m->options, "bind") ||
	       str_list_has(&m->options, "rbind");
}

static int check_mount(struct apply *a, size_t index)
{
	const struct config_mount *m = &a->cfg->mounts[index];
	const struct config_linux *l = &a->cfg->linux_;
	const struct config_user *user = &a->cfg->process.user;
	const struct ids uids = {l->uid_mappings, l->n_uid_mappings, m->uid_mappings,
				 m->n_uid_mappings, "uidMappings"};
	const struct ids gids = {l->gid_mappings, l->n_gid_mappings, m->gid_mappings,
				 m->n_gid_mappings, "gidMappings"};

	if (m->source == NULL || !is_bind(m))
		return 0;
	char *source = path_normal(a->arena, m->source);

	if ((source != NULL && str_list_has(&a->policy.mounts.allow_binds, source)))
		return 0;
	/* Root was let stay on purpose, and so root over what is bound for it. */
	if (uids.n_mount > 0 && user->uid != 0 && check_id(a, index, &uids, user->uid) < 0)
		return -1;
	if (gids.n_mount == 0)
		return 0;
	if (user->gid != 0 && check_id(a, index, &gids, user->gid) < 0)
		return -1;
	for (size_t i = 0; user->uid != 0 && i < user->additional_gids.n; i++) {
		if (check_id(a, index, &gids, user->additional_gids.items[i]) < 0)
			return -1;
	}
	return 0;
}

int rule_idmaps(struct apply *a)
{
	/* Inside an engine's own user namespace, 0 of the host is not among the ids. */
	if (!a->policy.mounts.check_binds.value || a->in->in_user_namespace)
		return 0;
	for (size_t i = 0; i < a->cfg->n_mounts; i++) {
		if (check_mount(a, i) < 0)
			return -1;
	}
	return 0;
}
