/* exec: one more process in a container that is there. */
#include "exec.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "launch.h"
#include "log.h"
#include "process.h"
#include "rootless.h"

static int check_status(const struct container_state *state, bool ignore_paused, struct error *err)
{
	enum container_status status;

	if (container_look(state, &status, err) < 0)
		return error_wrap(err, "cannot exec");
	switch (status) {
	case STATUS_CREATED:
	case STATUS_RUNNING:
		return 0;
	case STATUS_PAUSED:
		if (ignore_paused)
			return 0;
		return error_set(err,
				 "cannot exec: container %s is paused (--ignore-paused waits until "
				 "it is resumed)",
				 state->id);
	case STATUS_STOPPED:
		return error_set(err, "cannot exec in %s: container not running", state->id);
	default:
		return error_set(err, "cannot exec in %s: it is still being created", state->id);
	}
}

static int harden(struct launch *l, struct config_process *process, struct error *err)
{
	const struct container_state *state = &l->container.state;
	struct policy_input input;

	l->findings.arena = l->arena;
	if (policy_of_state(l->arena, state, &input, err) < 0 ||
	    policy_apply_process(l->arena, &input, &state->config, process, &l->hardening,
				 &l->findings, err) < 0)
		return -1;
	for (size_t i = 0; i < l->findings.n; i++)
		log_debug("%s: %s", l->findings.items[i].path, l->findings.items[i].text);
	return 0;
}

static int make_plan(struct launch *l, const struct exec_options *exec, int pidfd,
		     struct error *err)
{
	const struct container_state *state = &l->container.state;
	struct plan_exec_input input = {
	    .config = &l->config,
	    .hardening = &l->hardening,
	    .first = &state->config.process,
	    .pidfd = pidfd,
	    .pid = (pid_t)state->pid,
	    .root_device = state->root_device,
	    .root_inode = state->root_inode,
	    .preserve_fds = exec->preserve_fds,
	    .seals = true,
	    .root = l->options->root,
	};

	if (plan_make_exec(l->arena, &input, &l->plan, &l->findings, err) < 0 ||
	    mapping_check(&l->plan, input.pid, err) < 0)
		return -1;
	/* All that was read of /proc/PID was its own if it is still alive now. */
	if (process_wait(pidfd, 0) == 0)
		return error_set(err, "cannot exec in %s: container not running", state->id);
	if (errno != ETIMEDOUT)
		return error_errno(err, errno, "cannot exec in %s: looking whether it still runs",
				   state->id);
	if (l->plan.protect_binary) {
		exec_process_again(exec);
		return seal_and_reexecute(err);
	}
	if (rootless_enter(&l->plan, err) < 0)
		return -1;
	activation_environment(l->arena, &l->plan);
	if (l->plan.terminal && exec->detach && !exec->console_socket)
		return error_set(err, "cannot allocate a terminal for a detached process without "
				      "--console-socket");
	if (!l->plan.terminal && exec->console_socket)
		return error_set(err, "--console-socket: the process has no terminal (--tty)");
	return 0;
}

static int open_cgroup(struct launch *l, const struct exec_options *exec, struct error *err)
{
	const struct container_state *state = &l->container.state;

	l->cgroup.path = (char *)"";
	if (!state->cgroup_path || !*state->cgroup_path)
		return exec->cgroup
			   ? error_set(err, "--cgroup: container %s has no cgroup", state->id)
			   : 0;
	if (process_check_cgroup(state, err) < 0)
		return -1;
	l->cgroup.dir = cgroup_open_for_exec(l->arena, state->cgroup_path, exec->cgroup,
					     l->plan.proc, (pid_t)state->pid, err);
	return l->cgroup.dir < 0 ? -1 : 0;
}

/* Whether this user may clone into that cgroup; what else is in the way, the clone itself says. */
static bool may_clone_into(int cgroup)
{
	const pid_t pid = sys_clone3(0, cgroup, NULL);

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return errno != EACCES;
	/* In a paused container it would not come to its end. */
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return true;
}

/*
 * A user who is not below the own manager may not put a process there: systemd does it then. Who
 * asks systemd is started before the clone: in a user namespace all that comes after it is in the
 * container's pid namespace (sandbox_spawn()), where nobody shall see that one.
 */
static int spawn(struct launch *l, struct error *err)
{
	const struct cgroup_unit *unit = &l->container.state.cgroup_unit;

	if (!unit->user_manager || l->cgroup.dir < 0 || may_clone_into(l->cgroup.dir))
		return sandbox_spawn(&l->plan, l->cgroup.dir, &l->sandbox, err);
	if (cgroup_reach(l->arena, unit, &l->cgroup, err) < 0)
		return -1;
	l->plan.late_cgroup = true;
	return sandbox_spawn(&l->plan, -1, &l->sandbox, err);
}

static int bring_to_gate(struct launch *l, struct error *err)
{
	enum sandbox_event event;

	/* Before it is in the cgroup, which the clone puts it into (config.md, "execCPUAffinity").
	 */
	if (affinity_set(&l->plan.initial_cpus, "initial", err) < 0 || spawn(l, err) < 0 ||
	    interrupt_check(err) < 0)
		return -1;
	do {
		if (sandbox_wait(&l->sandbox, &l->plan, &event, err) < 0)
			return -1;
		if (event == SANDBOX_CGROUP &&
		    (cgroup_attach(l->arena, &l->container.state.cgroup_unit,
				   l->container.state.cgroup_path, &l->cgroup, l->sandbox.pid,
				   err) < 0 ||
		     sandbox_continue(&l->sandbox, err) < 0))
			return -1;
		if (event == SANDBOX_LISTENER &&
		    seccomp_notify_hand_over(l->arena, &l->sandbox, &l->container.state,
					     STATUS_RUNNING, err) < 0)
			return -1;
	} while (event != SANDBOX_READY);
	/* It is the runtime's child, so it would be in the runtime's class. */
	if (launch_enter_rdt(l, err) < 0 || console_hand_over(l, err) < 0)
		return -1;
	return pidfd_hand_over(l, "setns", err);
}

/* See container/start.c: a process that was left alone says itself that it can not be executed. */
static int open_gate(struct launch *l, bool alone, struct error *err)
{
	int result = sandbox_open_gate(&l->sandbox, false, err);

	if (result == 0 || !alone || !error_of_program(err))
		return result;
	log_debug("%s: %s", l->container.state.id, err->text);
	*err = (struct error)ERROR_INIT;
	return 0;
}

static int go(struct launch *l, const struct exec_options *exec, struct error *err)
{
	l->plan.says_itself = exec->detach; /* before the clone */
	if (open_cgroup(l, exec, err) < 0)
		return -1;
	l->console_path = exec->console_socket;
	if (pidfd_connect(l, exec->pidfd_socket, err) < 0)
		return -1;
	interrupt_begin(&l->sandbox);
	int result = bring_to_gate(l, err);
	if (result == 0 && exec->pid_file) {
		result = pid_file_write(exec->pid_file, l->sandbox.pid, err);
		l->wrote_pid_file = result == 0;
	}
	if (result == 0 && !exec->detach)
		result = supervise_begin(l, err) < 0 ? -1 : launch_give_up(l, err);
	if (interrupt_check(err) < 0)
		result = -1;
	interrupt_end();
	if (result == 0)
		result = open_gate(l, exec->detach, err);
	if (result == 0)
		return 0;
	sandbox_abandon(&l->sandbox);
	if (l->wrote_pid_file && exec->pid_file)
		(void)unlink(exec->pid_file);
	return -1;
}

static int prepare(struct launch *l, const struct exec_options *exec, int *pidfd, struct error *err)
{
	const struct container_state *state = &l->container.state;
	struct config_process process;

	if (container_open(l->arena, l->options->root, exec->id, false, &l->container, err) < 0) {
		l->container.dir = -1;
		return -1;
	}
	if (plan_exec_protects(&state->config))
		return seal_and_reexecute(err);
	if (check_status(state, exec->ignore_paused, err) < 0)
		return -1;
	*pidfd = process_open(state);
	if (*pidfd < 0)
		return error_errno(err, errno, "cannot exec in %s: container not running",
				   state->id);
	if (exec_process(l->arena, exec, &state->config.process, &process, err) < 0 ||
	    harden(l, &process, err) < 0)
		return -1;
	l->config = state->config;
	l->config.process = process;
	if (make_plan(l, exec, *pidfd, err) < 0)
		return -1;
	/* ^C and ^Z are for this process, which is not the first of its namespace. */
	l->container.state.own_pid_namespace = false;
	return 0;
}

/* What can not be had of a container that ends meanwhile is no news about the host. */
static void see_ended(const struct container_state *state, int pidfd, struct error *err)
{
	if (pidfd < 0 || err->exit_status || !process_ends(state, pidfd))
		return;
	log_debug("%s: %s", state->id, err->text);
	error_set(err, "cannot exec in %s: container not running (it has just ended)", state->id);
	err->number = ESRCH;
}

int container_exec(struct arena *arena, const struct runtime_options *options,
		   const struct exec_options *exec, int *status, struct error *err)
{
	struct launch l = {.arena = arena, .options = options};
	cleanup_fd int pidfd = -1;

	launch_init(&l);
	*status = 0;
	int result = prepare(&l, exec, &pidfd, err);
	if (result == 0)
		result = go(&l, exec, err);
	if (result < 0)
		see_ended(&l.container.state, pidfd, err);
	/* What ^Z does to the whole container in `run` is for this one process here. */
	fd_cleanup(&l.cgroup.dir);
	if (result == 0 && !exec->detach)
		result = supervise(&l, status, err);
	launch_close(&l);
	return result;
}
