#include <errno.h>

#include "container.h"
#include "process.h"

/* A process that waits for a disk or a network file system freezes when that answers. */
#define FREEZE_TIMEOUT_MS 10000

static int check_pause(const struct container_state *state, enum container_status status,
		       struct error *err)
{
	switch (status) {
	case STATUS_CREATED:
	case STATUS_RUNNING:
		return 0;
	case STATUS_PAUSED:
		return error_set(err, "%s: container not running: container %s is paused already",
				 state->id, state->id);
	case STATUS_CREATING:
		return error_set(err, "%s: container not running: it is being created", state->id);
	case STATUS_STOPPED:
		break;
	}
	error_set(err, "%s: container not running", state->id);
	err->number = ESRCH;
	return -1;
}

static int freeze(const struct container_state *state, bool frozen, struct error *err)
{
	const char *what = frozen ? "pause" : "resume";

	if (!state->cgroup_path || !*state->cgroup_path)
		return error_set(
		    err,
		    "%s: cannot %s it: only a cgroup can be frozen, and the container "
		    "was made without one (--cgroup=none or --cgroup-manager=disabled)",
		    state->id, what);
	if (process_check_cgroup(state, err) < 0)
		return -1;
	if (cgroup_freeze(state->cgroup_path, frozen, FREEZE_TIMEOUT_MS, err) < 0)
		return error_wrap(err, "%s: cannot %s it", state->id, what);
	return 0;
}

int container_pause(struct arena *arena, const struct runtime_options *options, const char *id,
		    struct error *err)
{
	struct container container;

	enum container_status status;

	if (container_open(arena, options->root, id, true, &container, err) < 0)
		return -1;
	int result = container_look(&container.state, &status, err);
	if (result == 0)
		result = check_pause(&container.state, status, err);
	if (result == 0)
		result = freeze(&container.state, true, err);
	container_close(&container);
	return result;
}

int container_resume(struct arena *arena, const struct runtime_options *options, const char *id,
		     struct error *err)
{
	struct container container;
	enum container_status status;

	if (container_open(arena, options->root, id, true, &container, err) < 0)
		return -1;
	int result = container_look(&container.state, &status, err);
	if (result == 0 && status == STATUS_PAUSED)
		result = freeze(&container.state, false, err);
	else if (result == 0)
		result = error_set(err, "%s: container not paused: it is %s", id,
				   container_status_name(status));
	container_close(&container);
	return result;
}
