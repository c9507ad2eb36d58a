/*
 * Stage 4: the child walks the plan. It parses nothing and decides nothing; each protection is one
 * step of one table (sandbox/steps.c), in the order in which they are applied. A step that fails
 * sends its name, the object and errno up the socket, and the parent prints one clear sentence.
 */
#ifndef RUNSAFE_SANDBOX_H
#define RUNSAFE_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "error.h"
#include "plan.h"

/* A child on its way into the sandbox, seen from the parent. */
struct sandbox {
	pid_t pid; /* in the parent's pid namespace */
	int pidfd;
	int socket;   /* to the child; closed by its exec */
	int console;  /* master side of the container's terminal, or -1 */
	int network;  /* the container's network namespace, for linux.netDevices; or -1 */
	int listener; /* notify descriptor of linux.seccomp, or -1 */
	bool ready;   /* sandbox_wait()'s own notes: what came */
	bool listened;
};

/*
 * Clones the child straight into cgroup (a directory descriptor, or -1) and new namespaces.
 * Returns 0 with *out filled, or -1 with err set and no child left.
 */
int sandbox_spawn(const struct plan *plan, int cgroup, struct sandbox *out, struct error *err);

/* What the child has reached. */
enum sandbox_event {
	SANDBOX_CGROUP = 1, /* waits to be put into its cgroup (plan.late_cgroup), with nothing
			       done yet; sandbox_continue() goes on */
	SANDBOX_NAMESPACES, /* waits: namespaces and mounts are there, before pivot_root:
			       createRuntime hooks run now; sandbox_continue() goes on */
	SANDBOX_NETWORK,    /* waits for linux.netDevices, in out->network;
			       sandbox_continue() goes on */
	SANDBOX_LISTENER,   /* goes on by itself: out->listener is there, for an agent */
	SANDBOX_READY	    /* waits at the start gate, all protections applied; with
			       PLAN_GATE_FIFO for sandbox_continue() first, when its pid is
			       on record: until then it ends with the runtime */
};

/*
 * Puts the calling process on these CPUs (sched_setaffinity(2)); without any it does nothing. exec:
 * the runtime does it with plan->initial_cpus before it clones. name is "initial" or "final", for
 * the message. Returns 0, or -1 with err set.
 */
int affinity_set(const struct plan_number_set *cpus, const char *name, struct error *err);

/*
 * With plan->check_mapping: that the workload's ids are not the host's root in the user namespace
 * of process pid. For exec, with the container's process; sandbox_wait() does it where a namespace
 * is joined by its path. Returns 0, or -1 with err set.
 */
int mapping_check(const struct plan *plan, pid_t pid, struct error *err);

/* Waits for the next event. A terminal's master arrives in out->console on the way. Returns 0, or
 * -1 with err set by the child's own report (or "killed by signal N" when it died silently). */
int sandbox_wait(struct sandbox *sandbox, const struct plan *plan, enum sandbox_event *event,
		 struct error *err);

/* Lets the child go on after an event. */
int sandbox_continue(struct sandbox *sandbox, struct error *err);

/* PLAN_GATE_SOCKET: opens the gate and waits for the exec. interruptible: HUP, INT, QUIT and TERM
 * end the waiting (for startContainer hooks); else they are left alone. Returns 0 once the workload
 * runs, or -1 with err set by the child (exit_status 126 or 127 as a shell has them). */
int sandbox_open_gate(struct sandbox *sandbox, bool interruptible, struct error *err);

/*
 * Whether the process pid has ended and never executed anything: what a workload that was killed
 * between its gate and its exec looks like. False for one that is not there any more: then nobody
 * can tell.
 */
bool sandbox_died_before_exec(pid_t pid);

/* PLAN_GATE_FIFO: the same from another process, by the FIFOs in the container's directory. err
 * says "not waiting at its start gate" with number ENXIO when nobody reads; *opened, whether the
 * workload may have begun. */
int sandbox_open_gate_fifo(int dir, bool *opened, struct error *err);

/*
 * Where plan->stub_suffices: makes plan->stub, the sealed program in memory (memfd_create(2)) that
 * will execute the workload, in whose stead /proc/self/exe would lead to runsafe's own file. It
 * lives as long as the process. Returns 0, or -1 with errno set where this kernel, architecture or
 * host (sysctl vm.memfd_noexec) has no such thing: then runsafe has to be sealed itself.
 */
int sandbox_make_stub(struct plan *plan);

/* Makes the two FIFOs in dir and opens them into plan->gate and plan->report. */
int sandbox_make_gate(int dir, struct plan *plan, struct error *err);

/*
 * restore: writes the plan's sysctls in the namespaces of another process that the plan has as new
 * ones. Returns 0, or -1 with err set.
 */
int sandbox_write_sysctls(const struct plan *plan, int pidfd, struct error *err);

/* Kills and reaps a child that shall not go on; closes its descriptors. */
void sandbox_abandon(struct sandbox *sandbox);

/* Closes the descriptors only: the child goes on by itself. */
void sandbox_close(struct sandbox *sandbox);

/*
 * Runs hooks in order in the calling process's namespaces: each gets the state text on standard
 * input (state_before_pid, the pid, state_after_pid), its args, exactly its env, and is killed
 * with its process group at its timeout. Returns 0, or -1 at the first that fails, with err set.
 */
int hooks_run(const struct plan_hook_list *hooks, const char *state_before_pid, pid_t pid,
	      const char *state_after_pid, struct error *err);

/* For issue-7 speed work and the removal test: names of the steps in order, ended by NULL. */
const char *const *sandbox_step_names(void);

#endif
