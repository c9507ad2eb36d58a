#include <errno.h>
#include <signal.h>

#include "fd.h"
#include "process.h"

#define KILL_TIMEOUT_MS 10000

static int not_running(const char *id, struct error *err)
{
	error_set(err, "%s: container not running", id);
	err->number = ESRCH;
	return -1;
}

static int signal_workload(const struct container_state *state, int sig, struct error *err)
{
	cleanup_fd int pidfd = process_open(state);

	if (pidfd >= 0 && process_signal(pidfd, sig) == 0)
		return 0;
	if (errno == ESRCH)
		return not_running(state->id, err);
	return error_errno(err, errno, "%s: cannot send signal %d to process %lld", state->id, sig,
			   (long long)state->pid);
}

/* Without a cgroup only the pid namespace knows who belongs to the container: its end is theirs
 * (pid_namespaces(7)). */
static int signal_all_without_cgroup(const struct container_state *state, int sig,
				     struct error *err)
{
	if (state->own_pid_namespace && sig == SIGKILL)
		return signal_workload(state, sig, err);
	return error_set(err,
			 "%s: --all needs the container's cgroup, and it was made without one; "
			 "only KILL to a container with its own pid namespace works so",
			 state->id);
}

/* That nobody is left is no failure, as runc and crun have it: shims send KILL to all of a
 * container that has ended, and give up on one that answers with an error. */
static int signal_all(const struct container_state *state, enum container_status status, int sig,
		      struct error *err)
{
	const char *path = state->cgroup_path;
	const int other = process_other_boot(state, err);
	int n;

	if (other < 0)
		return -1;
	/* Pending: who is in the group may be another container. */
	if (other || state->cgroup_pending)
		return status == STATUS_STOPPED ? 0 : not_running(state->id, err);
	if (!path || !*path)
		return status == STATUS_STOPPED ? 0 : signal_all_without_cgroup(state, sig, err);
	if (process_check_cgroup(state, err) < 0)
		return -1;
	/* Processes may be left when the first one has ended: shims send KILL to all of them then.
	 */
	if (sig == SIGKILL && status != STATUS_STOPPED)
		return (state->cgroup_kept ? cgroup_kill_kept : cgroup_kill)(path, KILL_TIMEOUT_MS,
									     err);
	n = cgroup_signal(path, sig);
	if (n < 0 && errno != ENOENT)
		return error_errno(err, errno, "%s: cannot send signal %d to cgroup %s", state->id,
				   sig, path);
	return 0;
}

int container_kill(struct arena *arena, const struct runtime_options *options, const char *id,
		   int sig, bool all, struct error *err)
{
	struct container container;
	enum container_status status;
	int result;

	/* Without the lock: a start whose hook hangs holds it, and that container is to be ended.
	 */
	if (container_open(arena, options->root, id, false, &container, err) < 0)
		return -1;
	status = container_status(&container.state);
	if (all)
		result = signal_all(&container.state, status, sig, err);
	else if (status == STATUS_STOPPED)
		result = not_running(id, err);
	else
		result = signal_workload(&container.state, sig, err);
	container_close(&container);
	return result;
}
