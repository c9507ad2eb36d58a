#include <errno.h>
#include <signal.h>

#include "fd.h"
#include "launch.h"
#include "log.h"
#include "process.h"
#include "store.h"

/* How long a killed process may take: its memory is given back before it is gone. */
#define KILL_TIMEOUT_MS	  10000
#define CGROUP_TIMEOUT_MS 10000

/*
 * All in the group, and nobody is waited for. The first process of a pid namespace ends when all
 * others in it are buried, and whose parent is in the group and frozen would wait for ever.
 */
static void kill_group(const struct container_state *state)
{
	const char *path = state->cgroup_path;
	struct error ignored = ERROR_INIT;

	if (path && *path && !state->cgroup_pending && process_other_boot(state, &ignored) == 0 &&
	    process_check_cgroup(state, &ignored) == 0)
		(void)(state->cgroup_kept ? cgroup_kill_kept : cgroup_kill)(path, 0, &ignored);
}

static int kill_workload(const struct container_state *state, struct error *err)
{
	cleanup_fd int pidfd = process_open(state);

	if (pidfd < 0 && errno == ESRCH)
		return 0;
	if (pidfd < 0 || (process_signal(pidfd, SIGKILL) < 0 && errno != ESRCH))
		return error_errno(err, errno, "%s: cannot kill process %lld", state->id,
				   (long long)state->pid);
	kill_group(state);
	if (process_wait(pidfd, KILL_TIMEOUT_MS) < 0)
		return error_errno(err, errno, "%s: process %lld was killed and does not end",
				   state->id, (long long)state->pid);
	return 0;
}

/* Processes may be left in it where the pid namespace was not the container's own. */
static int remove_cgroup(const struct container_state *state, struct error *err)
{
	const char *path = state->cgroup_path;
	struct error other = ERROR_INIT;

	/* After a reboot a group of that name is somebody else's. */
	const int other_boot = process_other_boot(state, err);
	if (other_boot)
		return other_boot < 0 ? -1 : 0;
	if (state->cgroup_unit.name)
		return cgroup_remove_unit(&state->cgroup_unit, state->id, path, CGROUP_TIMEOUT_MS,
					  err) < 0
			   ? error_wrap(err, "%s", state->id)
			   : 0;
	if (!path || !*path)
		return 0;
	/* A create that was killed before it had the group: another container may live in it. */
	if (state->cgroup_pending) {
		struct error ignored = ERROR_INIT;

		if (!state->cgroup_kept)
			(void)cgroup_remove_made(path, false, state->cgroup_parents, 0, &ignored);
		return 0;
	}
	if (process_check_cgroup(state, &other) < 0) {
		/* With no number it is another's, and its own is gone. */
		if (other.number) {
			*err = other;
			return -1;
		}
		log_debug("%s", other.text);
		return 0;
	}
	cleanup_fd int dir = cgroup_open(path);

	if ((dir >= 0 || errno != ENOENT) &&
	    (state->cgroup_kept ? cgroup_kill_kept : cgroup_kill)(path, KILL_TIMEOUT_MS, err) < 0)
		return error_wrap(err, "%s", state->id);
	/* Also when it is gone, or was never made: a parent of runsafe's own can be there alone. */
	if (cgroup_remove_made(path, state->cgroup_kept, state->cgroup_parents, CGROUP_TIMEOUT_MS,
			       err) < 0)
		return error_wrap(err, "%s", state->id);
	return 0;
}

static int delete_open(struct arena *arena, const char *root, struct container *container,
		       bool force, struct error *err)
{
	const struct container_state *state = &container->state;
	enum container_status status;
	struct error unseen = ERROR_INIT;

	if (container_look(state, &status, &unseen) < 0 && !force) {
		*err = unseen;
		return -1;
	}
	/* A created one may be deleted: nothing of the workload has run, and engines do it. */
	if (!force && status != STATUS_STOPPED && status != STATUS_CREATED)
		return error_set(err, "cannot delete container %s that is not stopped: %s",
				 state->id, container_status_name(status));
	/* A killed create can leave a child that waits, so "stopped" is not taken for dead. */
	if (kill_workload(state, err) < 0 || remove_cgroup(state, err) < 0 ||
	    container_remove_rdt(arena, state, err) < 0)
		return -1;
	if (container_remove_dir(root, state->id, container, err) < 0)
		return -1;
	launch_poststop(arena, state);
	return 0;
}

/*
 * Who creates or starts the container holds its lock, maybe for as long as a hook hangs in it; with
 * its process gone that one gives up. What can not be killed so is said by delete_open().
 */
static void kill_unlocked(struct arena *arena, const char *root, const char *id)
{
	struct container container;
	struct error ignored = ERROR_INIT;

	if (container_open(arena, root, id, false, &container, &ignored) < 0)
		return;
	container_close(&container);
	cleanup_fd int pidfd = process_open(&container.state);
	if (pidfd >= 0)
		(void)process_signal(pidfd, SIGKILL);
}

static int delete_locked(struct arena *arena, const struct runtime_options *options, const char *id,
			 bool force, const struct container_state *own, struct error *err)
{
	struct container container;
	struct error missing = ERROR_INIT;
	int result = 0;

	if (container_open(arena, options->root, id, true, &container, &missing) == 0) {
		const struct container_state *there = &container.state;

		if (!own || (there->pid == own->pid && there->start_time == own->start_time))
			result = delete_open(arena, options->root, &container, force, err);
		container_close(&container);
		return result;
	}
	if (!force || missing.number != ENOENT) {
		*err = missing;
		return -1;
	}
	return store_remove_debris(options->root, id, err) < 0 ? -1 : 0;
}

int container_delete(struct arena *arena, const struct runtime_options *options, const char *id,
		     bool force, struct error *err)
{
	if (force)
		kill_unlocked(arena, options->root, id);
	return delete_locked(arena, options, id, force, NULL, err);
}

int container_delete_own(struct arena *arena, const struct runtime_options *options,
			 const struct container_state *own, struct error *err)
{
	return delete_locked(arena, options, own->id, true, own, err);
}
