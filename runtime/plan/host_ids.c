/* The container's ids as the host has them: where a user namespace maps them (user_namespaces(7)).
 */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fd.h"
#include "plan_internal.h"

static bool map_id(const struct config_id_mapping *items, size_t n, uint32_t id, uint32_t *out)
{
	for (size_t i = 0; i < n; i++) {
		if (id >= items[i].container_id && id - items[i].container_id < items[i].size) {
			*out = id - items[i].container_id + items[i].host_id;
			return true;
		}
	}
	return false;
}

int plan_user_join(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_joins; i++) {
		if (plan->joins[i].clone_flag == CLONE_NEWUSER)
			return plan->joins[i].fd;
	}
	return -1;
}

static const char *user_path(const struct config_linux *l)
{
	for (size_t i = 0; i < l->n_namespaces; i++) {
		if (strcmp(l->namespaces[i].type, "user") == 0)
			return l->namespaces[i].path;
	}
	return NULL;
}

/* The namespace is joined by a process that lives in it, as engines have it: /proc/PID/ns/user.
 * Only where that still is the one that was opened does its map count. NULL: nobody knows. */
static char *joined_text(struct planner *p, bool of_groups)
{
	static const char start[] = "/proc/", end[] = "/ns/user";
	const char *path = user_path(&p->config->linux_);
	struct stat joined, there;
	char *text, *rest;

	if (!path || strncmp(path, start, strlen(start)) != 0)
		return NULL;
	unsigned long pid = strtoul(path + strlen(start), &rest, 10);
	if (pid == 0 || strcmp(rest, end) != 0)
		return NULL;
	const char *map = arena_printf(p->arena, "%lu/%cid_map", pid, of_groups ? 'g' : 'u');
	if (file_read_all(p->arena, p->plan->proc, map, 1 << 20, &text, NULL) < 0)
		return NULL;
	if (fstat(plan_user_join(p->plan), &joined) < 0 ||
	    fstatat(p->plan->proc, arena_printf(p->arena, "%lu%s", pid, end), &there, 0) < 0 ||
	    joined.st_dev != there.st_dev || joined.st_ino != there.st_ino)
		return NULL;
	return text;
}

static bool map_joined(struct planner *p, bool of_groups, uint32_t id, uint32_t *out)
{
	char *at = joined_text(p, of_groups);

	while (at && *at) {
		char *end;
		struct config_id_mapping line = {.container_id = (uint32_t)strtoul(at, &end, 10)};

		line.host_id = (uint32_t)strtoul(end, &end, 10);
		line.size = (uint32_t)strtoul(end, &end, 10);
		if (map_id(&line, 1, id, out))
			return true;
		at = *end ? end + 1 : end;
	}
	return false;
}

bool plan_on_disk(struct planner *p, bool of_groups, uint32_t id, uint32_t *out)
{
	const struct config_linux *l = &p->config->linux_;

	*out = id;
	if (!p->plan->user_namespace || p->plan->entered_user_namespace)
		return true;
	/* A mapping beside a namespace that is joined means nothing (plan/namespaces.c). */
	if (!(p->plan->clone_flags & CLONE_NEWUSER))
		return map_joined(p, of_groups, id, out);
	return of_groups ? map_id(l->gid_mappings, l->n_gid_mappings, id, out)
			 : map_id(l->uid_mappings, l->n_uid_mappings, id, out);
}

uint32_t plan_on_host(const struct planner *p, bool of_groups, uint32_t id)
{
	const struct config_linux *l = &p->config->linux_;
	uint32_t out = id;

	if (p->plan->entered_user_namespace)
		(void)(of_groups ? map_id(l->gid_mappings, l->n_gid_mappings, id, &out)
				 : map_id(l->uid_mappings, l->n_uid_mappings, id, &out));
	return out;
}
