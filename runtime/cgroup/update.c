/* New limits for a container's group, by the driver that made it. */
#include <errno.h>
#include <string.h>

#include "cgroup.h"
#include "fd.h"

int cgroup_update(struct arena *arena, const char *driver, const char *path,
		  const struct config_resources *resources, struct error *err)
{
	cleanup_fd int dir = cgroup_open(path);

	(void)driver;
	if (dir < 0)
		return error_errno(err, errno, "opening the container's cgroup %s", path);
	return cgroup_set_resources(arena, dir, resources, err);
}
