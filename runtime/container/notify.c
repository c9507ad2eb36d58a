/* SCMP_ACT_NOTIFY: the agent that answers for the workload gets the filter's notify descriptor. */
#include <errno.h>
#include <string.h>

#include "fd.h"
#include "json_write.h"
#include "launch.h"

/* An agent that neither takes the connection nor reads must not hold up the start for ever. */
#define AGENT_SECONDS 10
#define WHERE	      "linux.seccomp.listenerPath"

static int tell(struct error *err, const char *what, const char *path)
{
	if (errno == EAGAIN)
		return error_set(err, WHERE ": %s %s: the agent did not answer for %d seconds",
				 what, path, AGENT_SECONDS);
	return error_errno(err, errno, WHERE ": %s %s", what, path);
}

/* config-linux.md, "The Container Process State". */
static const char *process_state(struct arena *arena, pid_t pid,
				 const struct container_state *container,
				 enum container_status status)
{
	struct container_state state = *container;
	const char *metadata = state.config.linux_.seccomp->listener_metadata;
	struct json_writer w;

	if (status == STATUS_CREATING)
		state.pid = pid; /* not on record yet */
	json_start(&w, arena, false);
	json_object_begin(&w, NULL);
	json_string(&w, "ociVersion", state.oci_version);
	json_list_begin(&w, "fds");
	json_string(&w, NULL, "seccompFd");
	json_list_end(&w);
	json_i64(&w, "pid", pid);
	if (metadata && *metadata)
		json_string(&w, "metadata", metadata);
	json_object_end(&w);
	const char *text = json_finish(&w);
	return arena_printf(arena, "%.*s,\"state\":%s}", (int)(strlen(text) - 1), text,
			    container_state_json(arena, &state, status, false));
}

int seccomp_notify_hand_over(struct arena *arena, struct sandbox *sandbox,
			     const struct container_state *state, enum container_status status,
			     struct error *err)
{
	const struct config_seccomp *seccomp = state->config.linux_.seccomp;
	const char *path = seccomp ? seccomp->listener_path : NULL;

	if (!path)
		return error_set(err, WHERE ": the container's state does not have it");
	const char *text = process_state(arena, sandbox->pid, state, status);
	cleanup_fd int agent = unix_connect(path, AGENT_SECONDS);
	if (agent < 0)
		return tell(err, "connecting to", path);
	if (unix_send(agent, text, strlen(text), sandbox->listener) < 0)
		return tell(err, "sending the notify descriptor to", path);
	/* Its only holder now: a call finds ENOSYS instead of waiting when the agent is gone. */
	fd_cleanup(&sandbox->listener);
	return 0;
}
