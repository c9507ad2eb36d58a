/* What a container is now, and the JSON that says so. */
#include <errno.h>
#include <string.h>

#include "fd.h"
#include "json_write.h"
#include "process.h"

const char *container_status_name(enum container_status status)
{
	switch (status) {
	case STATUS_CREATING:
		return "creating";
	case STATUS_CREATED:
		return "created";
	case STATUS_RUNNING:
		return "running";
	case STATUS_PAUSED:
		return "paused";
	case STATUS_STOPPED:
		break;
	}
	return "stopped";
}

static bool recorded_as(const struct container_state *state, enum container_status status)
{
	return state->recorded && strcmp(state->recorded, container_status_name(status)) == 0;
}

/* Anything but a clear "dead" counts as alive: nothing is deleted on a doubt. */
static bool alive(const struct container_state *state)
{
	cleanup_fd int pidfd = process_open(state);

	return pidfd >= 0 || errno != ESRCH;
}

enum container_status container_status(const struct container_state *state)
{
	if (recorded_as(state, STATUS_STOPPED))
		return STATUS_STOPPED;
	if (recorded_as(state, STATUS_CREATING) && state->pid == 0 && !process_other_boot(state))
		return STATUS_CREATING;
	if (!alive(state))
		return STATUS_STOPPED;
	if (recorded_as(state, STATUS_CREATING))
		return STATUS_CREATING;
	if (state->cgroup_path && *state->cgroup_path && cgroup_frozen(state->cgroup_path))
		return STATUS_PAUSED;
	/* A start or a run that was killed in the middle could not write that the workload runs. */
	return recorded_as(state, STATUS_CREATED) && !process_executed((pid_t)state->pid)
		   ? STATUS_CREATED
		   : STATUS_RUNNING;
}

const char *container_state_json(struct arena *arena, const struct container_state *state,
				 enum container_status status, bool pretty)
{
	struct json_writer w;

	json_start(&w, arena, pretty);
	json_object_begin(&w, NULL);
	json_string(&w, "ociVersion", state->oci_version);
	json_string(&w, "id", state->id);
	/* runc prints 0 for a stopped one, too, and shims read the key without looking for it. */
	json_i64(&w, "pid", status == STATUS_STOPPED ? 0 : state->pid);
	json_string(&w, "status", container_status_name(status));
	json_string(&w, "bundle", state->bundle);
	json_string(&w, "rootfs", state->rootfs);
	json_string(&w, "created", state->created);
	json_string_map(&w, "annotations", &state->config.annotations);
	json_string(&w, "owner", state->owner);
	json_object_end(&w);
	return json_finish(&w);
}
