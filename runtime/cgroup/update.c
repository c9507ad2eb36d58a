/* New limits for a container's group, by the driver that made it. */
#include <errno.h>
#include <string.h>

#include "fd.h"
#include "systemd_internal.h"

int cgroup_update(struct arena *arena, const struct cgroup_unit *unit, const char *path,
		  const struct config_resources *resources, struct error *err)
{
	cleanup_fd int dir = cgroup_open(path);

	if (dir < 0)
		return error_errno(err, errno, "opening the container's cgroup %s", path);
	if (unit->name)
		return cg_systemd_update(arena, unit, dir, resources, err);
	return cgroup_set_resources(arena, dir, resources, err);
}
