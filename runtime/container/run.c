#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "fd.h"
#include "launch.h"
#include "start.h"

/* Hooks are the administrator's programs and get what the caller had: with those of poststart it
 * gives up after them. */
static int begin_watching(struct launch *l, struct error *err)
{
	if (supervise_begin(l, err) < 0)
		return -1;
	return l->config.hooks.poststart.n ? 0 : launch_give_up(l, err);
}

static int go(struct launch *l, struct error *err)
{
	if (launch_go(l, PLAN_GATE_SOCKET, err) < 0)
		return -1;
	l->hooks_began = true; /* whatever happens now, poststop follows */
	l->notify_socket = notify_socket_open(l->container.dir, err);
	bool begun = (l->notify_socket >= 0 || !err->text[0]) &&
		     (l->create->detach || begin_watching(l, err) == 0);
	bool interrupted = interrupt_check(err) < 0;
	interrupt_end();
	if (!begun || interrupted ||
	    sandbox_open_gate(&l->sandbox, l->plan.start_container.n > 0, err) < 0 ||
	    start_poststart(l->arena, &l->container.state, err) < 0) {
		launch_undo(l);
		return -1;
	}
	/* Others may look at it, kill it and delete it from now on. */
	container_close(&l->container);
	l->container.dir = -1;
	return 0;
}

static int finish(struct launch *l, struct error *err)
{
	if (l->create->keep)
		return 0;
	/* Nobody else takes away what is left here: what fails once, by a signal or for want of
	 * memory, is tried once more. */
	struct error first = ERROR_INIT;
	return container_delete_own(l->arena, l->options, &l->container.state, &first) < 0
		   ? container_delete_own(l->arena, l->options, &l->container.state, err)
		   : 0;
}

int container_run(struct arena *arena, const struct runtime_options *options,
		  const struct create_options *create, int *status, struct error *err)
{
	struct launch launch = {.arena = arena, .options = options, .create = create};

	if (!create->no_subreaper && !create->detach &&
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "becoming the reaper of the workload's orphans");
	int result = launch_prepare(&launch, false, err);
	if (result == 0)
		result = go(&launch, err);
	*status = 0;
	if (result == 0 && create->detach && launch.notify_socket >= 0)
		result = notify_socket_wait(launch.notify_socket, launch.sandbox.pidfd,
					    launch.sandbox.pid, err);
	if (result == 0 && !create->detach) {
		result = supervise(&launch, status, err);
		if (finish(&launch, err) < 0)
			result = -1;
	}
	launch_close(&launch);
	return result;
}
