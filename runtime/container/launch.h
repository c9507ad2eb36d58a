/* From a bundle to a container that waits at its gate: what create, run and check share. */
#ifndef RUNSAFE_CONTAINER_LAUNCH_H
#define RUNSAFE_CONTAINER_LAUNCH_H

#include <poll.h>

#include "container.h"
#include "plan.h"
#include "sandbox.h"

struct launch {
	struct arena *arena;
	const struct runtime_options *options;
	const struct create_options *create;
	int bundle; /* open directory */
	char *bundle_path;
	struct config config;
	struct hardening hardening;
	const char *policy_name;
	const char *policy_text;
	struct findings findings;
	struct plan plan;
	struct cgroup_request cgroup_request;
	struct cgroup cgroup;
	struct container container;
	struct sandbox sandbox;
	struct net_move net_move; /* until the container is made */
	const char *console_path; /* --console-socket, or NULL */
	int pidfd_socket;	  /* connected, or -1 */
	int notify_socket;	  /* the container's own for sd_notify(3), or -1 */
	int signals;		  /* supervise_begin()'s signalfd(2), or -1 */
	uid_t caller;		  /* before the runtime entered a user namespace */
	bool wrote_pid_file;
	bool gave_up;	  /* launch_give_up() */
	bool hooks_began; /* from then on a failure runs the poststop hooks */
};

/* Whether host ids in config's mappings are those of a user namespace that runsafe itself is in:
 * policy_input.in_user_namespace. */
bool policy_user_namespace(const struct config *config);

/* Marks all descriptors as not open, so that launch_close() is safe from here on. */
void launch_init(struct launch *launch);

/* Stages 1 to 3: reads, hardens, plans. Nothing is made yet. check: refusals are findings. */
int launch_prepare(struct launch *launch, bool check, struct error *err);

/*
 * Makes the container's directory and cgroup and brings the child to its gate. On failure nothing
 * is left behind. gate says how `start` will reach it.
 */
int launch_go(struct launch *launch, enum plan_gate gate, struct error *err);

/* unit.c: where the cgroup will be (for the state), the cgroup itself, and for the systemd driver
 * the child's way into it. */
int launch_choose_cgroup(struct launch *launch, struct error *err);
int launch_make_cgroup(struct launch *launch, struct error *err);
int launch_enter_cgroup(struct launch *launch, struct error *err);

/* Its parts, for restore. Begins: interrupt_begin(), the locked directory. On failure nothing is
 * left. */
int launch_begin(struct launch *launch, struct error *err);

/* rdt.c: linux.intelRdt's class, made before the process is; and the process put into it. */
int launch_make_rdt(struct launch *launch, struct error *err);
int launch_enter_rdt(struct launch *launch, struct error *err);
int container_remove_rdt(struct arena *arena, const struct container_state *state,
			 struct error *err);

/* cgroup_owner.c: whether the cgroup is given to somebody: the workload's user on the host, or, in
 * a user namespace that the runtime is in, in there. */
bool launch_cgroup_owner(const struct launch *launch, uid_t *owner);

/* The state and the cgroup, before there is a process. On failure the caller calls launch_undo().
 */
int launch_make_room(struct launch *launch, struct error *err);

/* Notes the sandbox's pid and its start time in the state. */
int launch_record_pid(struct launch *launch, struct error *err);

/* Kills what was started and takes all of it away again. */
void launch_undo(struct launch *launch);

/* Runs the poststop hooks of a container that is gone; failures show with --debug only. */
void launch_poststop(struct arena *arena, const struct container_state *state);

/* Closes descriptors; the container stays. */
void launch_close(struct launch *launch);

/* Notes in state what the policy brings that config.json has no words for. */
void launch_describe(struct launch *launch, struct container_state *state);

/* Writes recorded ("running") into the state. */
int launch_record(struct launch *launch, const char *recorded, struct error *err);

/* net_devices.c, on SANDBOX_NETWORK: linux.netDevices. */
int launch_move_net_devices(struct launch *launch, struct error *err);

/* The state JSON around its pid, for hooks_run(). */
void launch_state_text(struct arena *arena, const struct container_state *state,
		       enum container_status status, const char **before_pid,
		       const char **after_pid);

/*
 * Runs this program once more from a read-only mount of its own file, where the workload could
 * write to that file otherwise (CVE-2019-5736). Returns only on failure, -1 with err set.
 */
int seal_and_reexecute(struct error *err);

/* Connects to the unix(7) socket at path and sends the terminal's master there (SCM_RIGHTS).
 * Returns 0, or -1 with err set. */
int console_send(const char *path, int master, struct error *err);

/* The same for the child's terminal, where there is a --console-socket. */
int console_hand_over(struct launch *launch, struct error *err);

/*
 * --pidfd-socket, as runc has it: connects to it where there is one, and sends the pidfd of the
 * sandbox's process there (SCM_RIGHTS) with the name, "standard" of a container's first process and
 * "setns" of exec's. The process is not let go before. Return 0, or -1 with err set.
 */
int pidfd_connect(struct launch *launch, const char *path, struct error *err);
int pidfd_hand_over(struct launch *launch, const char *name, struct error *err);

/*
 * What these sockets are made of. Connects to a unix(7) stream socket, of a path of any length;
 * what blocks for that many seconds (0: for ever) fails with EAGAIN, the sending too. Returns the
 * descriptor, or -1 with errno set.
 */
int unix_connect(const char *path, int seconds);
/* Sends all of text, and fd (SCM_RIGHTS) with its first byte. Returns 0, or -1 with errno set. */
int unix_send(int socket, const char *text, size_t length, int fd);

/*
 * notify.c, on SANDBOX_LISTENER: sends the container process state (config-linux.md, "The Container
 * Process State") with the notify descriptor to listenerPath, and closes it here. state is the
 * container's; status is STATUS_CREATING for its first process, STATUS_RUNNING for exec. Returns 0,
 * or -1 with err set: the process must not go on then.
 */
int seccomp_notify_hand_over(struct arena *arena, struct sandbox *sandbox,
			     const struct container_state *state, enum container_status status,
			     struct error *err);

/* Sockets that the caller was activated with (LISTEN_FDS, meant for this process): how many. They
 * are descriptors 3 and up, before those of --preserve-fds. */
unsigned int activation_fds(void);
/* Lets them through to the workload, with the environment that it expects (sd_listen_fds(3)). */
void activation_environment(struct arena *arena, struct plan *plan);

/*
 * sd_notify(3), where NOTIFY_SOCKET is in the runtime's environment. prepare: the container's
 * folder, mount and variable, before the child is cloned. open: binds the socket before the gate
 * opens; returns the descriptor, or -1, with err set on failure. read: takes what is there; 1 when
 * READY=1 went on to the service manager, 0 when not, -1 with err set. wait: until then, or until
 * the workload has ended.
 */
int notify_socket_prepare(struct launch *launch, struct error *err);
int notify_socket_open(int dir, struct error *err);
int notify_socket_read(int fd, pid_t pid, struct error *err);
int notify_socket_wait(int fd, int pidfd, pid_t pid, struct error *err);

/* Writes the pid, beside and renamed. */
int pid_file_write(const char *path, pid_t pid, struct error *err);

/*
 * While a container is being made, SIGHUP, SIGINT, SIGQUIT and SIGTERM kill its child, so that the
 * start fails and is undone; ignored ones stay ignored. launch_go() begins it, and ends it on
 * failure; after its success the caller ends it, when signals have another receiver.
 */
void interrupt_begin(const struct sandbox *sandbox);
int interrupt_check(struct error *err); /* -1 with err set when one came */
void interrupt_end(void);

/*
 * run in the foreground. Before the gate opens: from now on signals wait for supervise(), so that
 * none can end us between the workload's start and the relay; and the container's terminal gets the
 * caller's size, so that the workload never sees another. Returns 0, or -1 with err set.
 */
int supervise_begin(struct launch *launch, struct error *err);

/* Waits for the workload, relaying signals and the terminal. *status is the exit status, 128+N for
 * a signal. Signals stay blocked, so that a second ^C does not keep the container from being taken
 * away. */
int supervise(struct launch *launch, int *status, struct error *err);

/*
 * give_up.c: drops capabilities and closes this process to others, but for what watching, and in
 * run deleting, still needs; the second time it does nothing. Before the gate opens, where nothing
 * later needs more: a failure is none of a workload that runs then. Returns 0, or -1 with err set.
 */
int launch_give_up(struct launch *launch, struct error *err);
/* For supervise(): what the gate was the last to need. */
void launch_close_unused(struct launch *launch);

/* terminal.c: the caller's terminal in raw mode, and the bytes between it and the container's. */
struct terminal {
	int master;	 /* -1: no terminal */
	int slave;	 /* held open for the workload; -1: could not be */
	bool raw;	 /* stdin is a terminal and was changed */
	bool background; /* stdin is a terminal, and others are in its foreground */
	bool input_open;
	char last_in; /* byte that was read last */
	char in[4096], out[4096];
	size_t n_in, n_out;
	pid_t workload; /* its process group, where ^C is typed for itself */
	/* Asked on ^C, ^\\ and ^Z for the workload itself; true: taken, it shall not get the byte.
	 */
	bool (*typed)(void *context, int sig);
	void *context;
};
void terminal_open(struct terminal *terminal, int master);
void terminal_size(int master); /* makes it that of stdin, where stdin is a terminal */
void terminal_resize(struct terminal *terminal);
void terminal_release(struct terminal *terminal); /* the mode as it was: before stopping */
void terminal_again(struct terminal *terminal);	  /* raw mode once more, after SIGCONT */

/* Drains what is left, unless one of the signals that end a program comes in by that signalfd(2),
 * and restores the mode. */
void terminal_close(struct terminal *terminal, int signals);

void terminal_want(const struct terminal *terminal, struct pollfd polls[3]);
void terminal_move(struct terminal *terminal, const struct pollfd polls[3]);

#endif
