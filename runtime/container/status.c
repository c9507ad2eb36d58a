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
static bool alive(const struct container_state *state, bool *executed, struct error *err)
{
	const int lives = process_look(state, executed);

	if (lives < 0)
		error_errno(err, errno, "%s: looking at its process %lld", state->id,
			    (long long)state->pid);
	return lives != 0;
}

static bool frozen(const struct container_state *state, struct error *err)
{
	const char *path = state->cgroup_path;
	const int is = path && *path ? cgroup_frozen(path) : 0;

	if (is < 0)
		error_errno(err, errno, "%s: looking whether it is paused (cgroup.events in %s)",
			    state->id, path);
	return is > 0;
}

/* What can not be seen is noted in err. */
static enum container_status look(const struct container_state *state, struct error *err)
{
	const bool creating = recorded_as(state, STATUS_CREATING);
	bool executed;

	if (recorded_as(state, STATUS_STOPPED))
		return STATUS_STOPPED;
	if (creating && state->pid == 0 && process_other_boot(state, err) <= 0)
		return STATUS_CREATING;
	if (!alive(state, &executed, err))
		return STATUS_STOPPED;
	if (creating)
		return STATUS_CREATING;
	if (frozen(state, err))
		return STATUS_PAUSED;
	/* run does not write that the workload runs, and a start that was killed in the middle
	 * could not. */
	return recorded_as(state, STATUS_CREATED) && !executed ? STATUS_CREATED : STATUS_RUNNING;
}

int container_look(const struct container_state *state, enum container_status *status,
		   struct error *err)
{
	struct error unseen = ERROR_INIT;

	*status = look(state, &unseen);
	if (!unseen.text[0])
		return 0;
	*err = unseen;
	return -1;
}

enum container_status container_status(const struct container_state *state)
{
	struct error ignored = ERROR_INIT;

	return look(state, &ignored);
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
