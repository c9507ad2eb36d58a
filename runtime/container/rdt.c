/* linux.intelRdt in the life of a container: its class is made before the process, which enters it
 * before the workload runs, and goes with the container. */
#include <errno.h>
#include <fcntl.h>

#include "fd.h"
#include "launch.h"
#include "process.h"
#include "update.h"

#define MOUNTINFO_MAX ((size_t)16 * 1024 * 1024)

static int open_root(struct arena *arena, struct error *err)
{
	char *mountinfo;

	if (file_read_all(arena, AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo,
			  NULL) < 0)
		return error_errno(err, errno, "linux.intelRdt: reading /proc/self/mountinfo");
	return resctrl_open(arena, mountinfo, err);
}

int launch_make_rdt(struct launch *l, struct error *err)
{
	struct resctrl *group = &l->container.state.resctrl;

	if (!l->config.linux_.intel_rdt)
		return 0;
	cleanup_fd int root = open_root(l->arena, err);
	if (root < 0 ||
	    resctrl_make(l->arena, root, l->config.linux_.intel_rdt, l->create->id, group, err) < 0)
		return -1;
	/* A delete after a crash has to know what was made. */
	return container_write_state(l->arena, &l->container, err);
}

int launch_enter_rdt(struct launch *l, struct error *err)
{
	const struct resctrl *group = &l->container.state.resctrl;

	if (!group->class_)
		return 0;
	cleanup_fd int root = open_root(l->arena, err);
	return root < 0 ? -1 : resctrl_enter(root, group, l->sandbox.pid, err);
}

int container_remove_rdt(struct arena *arena, const struct container_state *state,
			 struct error *err)
{
	struct error unmounted = ERROR_INIT;

	if (!state->resctrl.class_)
		return 0;
	/* After a reboot a class of that name is somebody else's. */
	const int other = process_other_boot(state, err);
	if (other)
		return other < 0 ? -1 : 0;
	cleanup_fd int root = open_root(arena, &unmounted);
	/* Unmounting resctrl takes all classes away. */
	return root < 0 ? 0 : resctrl_remove(root, &state->resctrl, err);
}

int container_update_rdt(struct arena *arena, const struct container_state *state,
			 const struct config_intel_rdt *rdt, char **old, struct error *err)
{
	if (!rdt)
		return 0;
	if (!state->resctrl.class_)
		return error_set(err, "linux.intelRdt: the container was made without a class");
	cleanup_fd int root = open_root(arena, err);
	return root < 0 ? -1 : resctrl_update(arena, root, &state->resctrl, rdt, old, err);
}

int container_restore_rdt(struct arena *arena, const struct container_state *state, const char *old,
			  struct error *err)
{
	if (!old)
		return 0;
	cleanup_fd int root = open_root(arena, err);
	return root < 0 ? -1 : resctrl_restore(root, &state->resctrl, old, err);
}
