/* config-linux.md, "Cgroup ownership": when the container may make groups below its own. */
#include <limits.h>
#include <string.h>

#include "launch.h"
#include "path.h"

/* "if and only if the cgroup filesystem is to be mounted read/write" */
static bool is_writable_cgroup(const struct config_mount *mount)
{
	char clean[PATH_MAX];

	return mount->source && strcmp(mount->source, "cgroup") == 0 &&
	       path_clean(mount->destination, clean, sizeof(clean)) == 0 &&
	       strcmp(clean, "/sys/fs/cgroup") == 0 && !str_list_has(&mount->options, "ro") &&
	       !str_list_has(&mount->options, "rro");
}

static bool mounts_cgroup_writable(const struct config *config)
{
	const struct config_namespace *ns = config_namespace_find(&config->linux_, "cgroup");

	/* "unless it will also create a new cgroup namespace" */
	if (!ns || ns->path)
		return false;
	for (size_t i = 0; i < config->n_mounts; i++) {
		if (is_writable_cgroup(&config->mounts[i]))
			return true;
	}
	return false;
}

static bool covers(const struct config_id_mapping *mapping, uint32_t first, uint32_t id)
{
	return id >= first && id - first < mapping->size;
}

bool launch_cgroup_owner(const struct launch *l, uid_t *owner)
{
	const struct config_linux *linux_ = &l->config.linux_;

	if (!l->plan.new_user_namespace || !mounts_cgroup_writable(&l->config))
		return false;
	for (size_t i = 0; i < linux_->n_uid_mappings; i++) {
		const struct config_id_mapping *m = &linux_->uid_mappings[i];

		if (!l->plan.entered_user_namespace && covers(m, m->container_id, l->plan.uid)) {
			*owner = m->host_id + (l->plan.uid - m->container_id);
			return true;
		}
		/* From inside, only what belongs to an id that is mapped there can be given away:
		 * an ordinary user's cgroup is his. */
		if (l->plan.entered_user_namespace && covers(m, m->host_id, l->caller)) {
			*owner = l->plan.uid;
			return true;
		}
	}
	return false;
}
