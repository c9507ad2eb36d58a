#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "fd.h"
#include "launch.h"
#include "log.h"
#include "process.h"
#include "start.h"

#define STOP_TIMEOUT_MS 10000

static int wrong_status(const char *id, enum container_status status, struct error *err)
{
	if (status == STATUS_STOPPED)
		return error_set(err,
				 "cannot start container %s: container not running (it has "
				 "stopped already; delete it and create it again)",
				 id);
	return error_set(err, "cannot start container %s: it is %s, expected created", id,
			 container_status_name(status));
}

static void stop(const struct container_state *state)
{
	cleanup_fd int pidfd = process_open(state);

	if (pidfd >= 0 && process_signal(pidfd, SIGKILL) == 0)
		(void)process_wait(pidfd, STOP_TIMEOUT_MS);
}

int start_poststart(struct arena *arena, const struct container_state *state, struct error *err)
{
	struct plan_hook_list hooks = {.n = 0};
	const char *before, *after;

	if (state->config.hooks.poststart.n == 0)
		return 0;
	plan_hooks(arena, &state->config.hooks.poststart, "hooks.poststart", &hooks);
	hooks.cwd = state->bundle;
	launch_state_text(arena, state, STATUS_RUNNING, &before, &after);
	if (hooks_run(&hooks, before, (pid_t)state->pid, after, err) == 0)
		return 0;
	/* runtime.md, lifecycle step 9: an error, and the container is stopped. */
	stop(state);
	return -1;
}

static int begun(struct arena *arena, struct container *container, struct error *err)
{
	(void)unlinkat(container->dir, "gate", 0);
	(void)unlinkat(container->dir, "report", 0);
	container->state.recorded = arena_strdup(arena, "running");
	return container_write_state(arena, container, err);
}

/*
 * A program that only execve(2) finds wrong (another machine's, or its interpreter is missing) has
 * been started and ends with 126 or 127, having said why on its stderr, as under runc and crun:
 * Docker hears of the process's end, and of a start that fails as well gets into a state that it
 * can not remove a container from.
 */
static int open_gate(struct arena *arena, struct container *container, bool *opened, bool *executed,
		     struct error *err)
{
	*executed = sandbox_open_gate_fifo(container->dir, opened, err) == 0;
	if (!*executed && error_of_program(err)) {
		log_debug("%s: %s", container->state.id, err->text);
		*err = (struct error)ERROR_INIT;
		return begun(arena, container, err);
	}
	if (!*executed) {
		if (err->number != ENXIO)
			return -1;
		if (container_status(&container->state) == STATUS_STOPPED)
			return wrong_status(container->state.id, STATUS_STOPPED, err);
		return wrong_status(container->state.id, STATUS_RUNNING, err);
	}
	if (sandbox_died_before_exec((pid_t)container->state.pid))
		return error_set(err,
				 "cannot start container %s: container not running (its process "
				 "was killed before the workload ran)",
				 container->state.id);
	return begun(arena, container, err);
}

static int open_notify_socket(const struct container *container, int *notify, struct error *err)
{
	*notify = notify_socket_open(container->dir, err);
	return *notify < 0 && err->text[0] ? -1 : 0;
}

static int wait_until_ready(const struct container_state *state, int notify, struct error *err)
{
	cleanup_fd int pidfd = process_open(state);

	return pidfd < 0 ? 0 : notify_socket_wait(notify, pidfd, (pid_t)state->pid, err);
}

int container_start(struct arena *arena, const struct runtime_options *options, const char *id,
		    struct error *err)
{
	struct container container;
	cleanup_fd int notify = -1;
	bool opened = false, executed = false;

	if (container_open(arena, options->root, id, true, &container, err) < 0)
		return -1;
	enum container_status status;
	int result = container_look(&container.state, &status, err);
	if (result == 0)
		result = status == STATUS_CREATED ? open_notify_socket(&container, &notify, err)
						  : wrong_status(id, status, err);
	if (result == 0) {
		result = open_gate(arena, &container, &opened, &executed, err);
		/* A start that fails leaves no workload that runs. */
		if (result < 0 && opened)
			stop(&container.state);
	}
	if (result == 0 && executed)
		result = start_poststart(arena, &container.state, err);
	/* Others may look at it and stop it while this waits. */
	container_close(&container);
	if (result == 0 && notify >= 0)
		result = wait_until_ready(&container.state, notify, err);
	err->exit_status = 0;
	return result;
}
