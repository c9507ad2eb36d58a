/* The cgroup of a container, made before its process or, by systemd, around it. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "launch.h"
#include "process.h"

#define PROPERTY "org.systemd.property."

/* What is still there of these, the policy let through. */
static void ask_for_properties(struct launch *l)
{
	const struct str_map *annotations = &l->config.annotations;

	for (size_t i = 0; i < annotations->n; i++)
		if (strncmp(annotations->items[i].key, PROPERTY, strlen(PROPERTY)) == 0)
			str_map_set(l->arena, &l->cgroup_request.unit_properties,
				    annotations->items[i].key + strlen(PROPERTY),
				    annotations->items[i].value);
}

int launch_choose_cgroup(struct launch *l, struct error *err)
{
	const struct cgroup_request *request = &l->cgroup_request;

	ask_for_properties(l);
	if (request->driver == CGROUP_DRIVER_SYSTEMD && request->mode != CGROUP_NONE)
		return cgroup_choose_unit(l->arena, request, &l->cgroup.unit, &l->cgroup.path, err);
	l->cgroup.path = cgroup_choose_path(l->arena, request, err);
	return l->cgroup.path ? 0 : -1;
}

int launch_make_cgroup(struct launch *l, struct error *err)
{
	struct stat group;

	if (cgroup_create(l->arena, &l->cgroup_request, &l->cgroup, &l->findings, err) < 0)
		return -1;
	l->plan.late_cgroup = l->cgroup.unit.name;
	l->container.state.cgroup_path = l->cgroup.path;
	l->container.state.cgroup_unit = l->cgroup.unit;
	if (l->cgroup.dir >= 0) {
		if (fstat(l->cgroup.dir, &group) < 0)
			return error_errno(err, errno, "looking at the cgroup %s", l->cgroup.path);
		l->container.state.cgroup_unit.inode = group.st_ino;
	}
	l->container.state.cgroup_pending = false;
	l->container.state.cgroup_kept = l->cgroup.dir >= 0 && !l->cgroup.made;
	l->container.state.cgroup_parents = l->cgroup.made_parents;
	l->container.state.findings = l->findings;
	/* Before a process is in it: a delete after a crash has to end that one. */
	return container_write_state(l->arena, &l->container, err);
}

int launch_enter_cgroup(struct launch *l, struct error *err)
{
	if (cgroup_enter(l->arena, &l->cgroup_request, l->sandbox.pid, &l->cgroup, &l->findings,
			 err) < 0)
		return -1;
	l->container.state.cgroup_path = l->cgroup.path;
	l->container.state.cgroup_unit = l->cgroup.unit;
	l->container.state.findings = l->findings;
	/* Before anything can run in it: a delete after a crash has to know where it is. */
	if (container_write_state(l->arena, &l->container, err) < 0)
		return -1;
	/* restore has criu there, which waits anyway. */
	return l->sandbox.socket < 0 ? 0 : sandbox_continue(&l->sandbox, err);
}
