/*
 * Stage 5: the life cycle around the sandbox. A container is a directory ROOT/ID that holds
 * state.json (there whole or not at all: written beside and renamed), and while it waits at its
 * start gate the FIFOs `gate` and `report`. The directory itself is what flock(2) locks.
 */
#ifndef RUNSAFE_CONTAINER_H
#define RUNSAFE_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "cgroup.h"
#include "config.h"
#include "error.h"
#include "policy.h"
#include "resctrl.h"

/* What the global options say, as main read them. */
struct runtime_options {
	const char *root;	 /* --root; default /run/runsafe */
	enum cgroup_mode cgroup; /* --cgroup */
	enum cgroup_driver driver;
	const char *policy;  /* --policy; NULL: program name, /etc/runsafe/policy.json, default */
	const char *program; /* argv[0]'s last component */
	const struct policy_setting *allow;
	size_t n_allow;
	bool debug;
};

/* runtime-spec, runtime.md "State"; paused is runc's addition. */
enum container_status {
	STATUS_CREATING = 0,
	STATUS_CREATED,
	STATUS_RUNNING,
	STATUS_PAUSED,
	STATUS_STOPPED
};

/* What state.json holds. */
struct container_state {
	char *oci_version;
	char *id;
	char *bundle;	/* absolute */
	char *rootfs;	/* absolute */
	char *created;	/* RFC 3339 with nanoseconds, UTC */
	char *owner;	/* name or number of the user who made it */
	char *recorded; /* status as last written: creating, created, running */
	int64_t pid;	/* of the workload, in the runtime's pid namespace; 0 before there is one */
	uint64_t start_time; /* field 22 of /proc/PID/stat: tells a recycled pid */
	char *boot_id; /* /proc/sys/kernel/random/boot_id: a pid of an earlier boot is nobody */
	char *cgroup_driver;		/* cgroupfs, systemd, disabled */
	char *cgroup_path;		/* below the cgroup2 mount, "" for none */
	bool cgroup_pending;		/* not made yet: who is in it is not the container's */
	bool cgroup_kept;		/* it was there before the container, and stays */
	uint64_t cgroup_parents;	/* how many groups above it were made for it */
	struct cgroup_unit cgroup_unit; /* driver systemd: what the cgroup is there */
	struct resctrl resctrl;		/* linux.intelRdt */
	char *policy;			/* name of the policy that it was made under */
	char *policy_text;		/* and its whole JSON: exec and update obey this one */
	struct str_list allow;		/* "NAME=VALUE" of each --allow that it was made with */
	bool no_new_keyring;		/* --no-new-keyring: exec has none either */
	bool own_pid_namespace;		/* false: kill --all must go through the cgroup */
	uint64_t root_device; /* st_dev and st_ino of its root directory: where exec must land */
	uint64_t root_inode;
	/* What the policy brings that config.json has no words for: */
	bool builtin_seccomp;
	struct str_list policy_tmpfs; /* destinations */
	struct config config; /* the effective one; annotations and poststop hooks come from here */
	const char *config_text; /* the same as JSON where it changes no more, else NULL */
	struct findings findings;
};

/* An open container: its directory, locked unless asked otherwise, and its state. */
struct container {
	int dir;
	struct container_state state;
};

/* Checks an id: [A-Za-z0-9_+.-], 1 to 255 bytes, not "." or "..", not starting with '-'. */
int container_check_id(const char *id, struct error *err);

/*
 * Opens ROOT/ID and reads state.json. lock: waits for the exclusive lock (kept until
 * container_close()). A container that is not there is an error with the words "container does
 * not exist". Returns 0, or -1 with err set.
 */
int container_open(struct arena *arena, const char *root, const char *id, bool lock,
		   struct container *out, struct error *err);
void container_close(struct container *container);

/*
 * For who only shows what a container is: reads state.json without a lock, and without findings
 * and, but for its annotations, config, of which it is only known that they are JSON.
 */
int container_glance(struct arena *arena, const char *root, const char *id,
		     struct container_state *out, struct error *err);

/*
 * Makes ROOT (0711, parents too) and ROOT/ID (0711), locks it, and returns it with an empty state.
 * An id in use is an error ("container with given ID already exists"). A directory without a
 * state.json that nobody holds the lock of is debris of a killed create: it is taken over.
 */
int container_make(struct arena *arena, const char *root, const char *id, struct container *out,
		   struct error *err);

/* Writes state.json beside and renames it. Returns 0, or -1 with err set ("... no space left on
 * device"). */
int container_write_state(struct arena *arena, const struct container *container,
			  struct error *err);

/* Removes the directory ROOT/ID with all that runsafe put there; others' files in it are an
 * error. Returns 0, or -1 with err set. */
int container_remove_dir(const char *root, const char *id, struct container *container,
			 struct error *err);

/* What it is now: looks at the pid, its start time, zombie state, boot id and the cgroup's freezer.
 * Returns 0, or -1 with err set where a part of that can not be seen; *status is then what loses
 * nothing if it is wrong: alive, running, not paused. */
int container_look(const struct container_state *state, enum container_status *status,
		   struct error *err);

/* The same for who asks no more than whether it has stopped. */
enum container_status container_status(const struct container_state *state);
const char *container_status_name(enum container_status status);

/* The ids under root that have a readable state.json, sorted; foreign folders are passed over. */
int container_list(struct arena *arena, const char *root, struct str_list *ids, struct error *err);

/* Gets a state as container_glance() has it, which is gone when it returns. A negative result ends
 * the visits, with err set. */
typedef int container_visitor(void *context, const struct container_state *state,
			      struct error *err);

/* Visits what container_list() lists, in that order. Returns 0, or -1 with err set. */
int container_each(struct arena *arena, const char *root, container_visitor *visit, void *context,
		   struct error *err);

/* The OCI state JSON (ociVersion, id, status, pid, bundle, annotations) with runc's additions
 * rootfs, created, owner. What `state` prints and what hooks get. */
const char *container_state_json(struct arena *arena, const struct container_state *state,
				 enum container_status status, bool pretty);

/* /proc/PID/stat: start time (field 22) and state letter. Returns 0, or -1 with errno set. */
int process_stat(pid_t pid, uint64_t *start_time, char *state);

/* Chooses the policy by DESIGN.md section 3 and reads it. *text and *text_length are its JSON,
 * the arena's. Returns NULL with err set. */
const struct policy *policy_choose(struct arena *arena, const struct runtime_options *options,
				   const char **text, size_t *text_length, struct error *err);

struct create_options {
	const char *id;
	const char *bundle;	    /* directory; NULL: "." */
	const char *config;	    /* file, from there on; NULL: config.json */
	const char *pid_file;	    /* NULL: none */
	const char *console_socket; /* NULL: none */
	const char *pidfd_socket;   /* NULL: none */
	unsigned int preserve_fds;
	bool no_pivot;
	bool no_new_keyring;
	bool detach;	   /* run --detach */
	bool keep;	   /* run --keep */
	bool no_subreaper; /* run --no-subreaper */
};

/* create: returns once the container waits at its start gate. Returns 0, or -1 with err set and
 * nothing left behind. */
int container_create(struct arena *arena, const struct runtime_options *options,
		     const struct create_options *create, struct error *err);

/* start: opens the gate, waits for the exec, runs poststart hooks. */
int container_start(struct arena *arena, const struct runtime_options *options, const char *id,
		    struct error *err);

/* run: create, start and, unless detached, wait, relay signals and the terminal, delete. *status
 * is what the program should exit with (the workload's, 128+N for a signal). */
int container_run(struct arena *arena, const struct runtime_options *options,
		  const struct create_options *create, int *status, struct error *err);

/*
 * kill: sends sig to the workload (all: to every process of the container). A stopped container
 * is an error with the words "container not running", but not to all. Returns 0, or -1 with err
 * set.
 */
int container_kill(struct arena *arena, const struct runtime_options *options, const char *id,
		   int sig, bool all, struct error *err);

/*
 * delete: a stopped container goes with its cgroup, its directory, and then poststop hooks run
 * (failures are logged only). A created one is killed first, as runc does it. A running one is an
 * error without force; with force it is killed first, too. force on an id that is not there is 0.
 */
int container_delete(struct arena *arena, const struct runtime_options *options, const char *id,
		     bool force, struct error *err);

/*
 * The same with force for who made the container and saw its workload end: one of that name that
 * somebody else has made since then stays.
 */
int container_delete_own(struct arena *arena, const struct runtime_options *options,
			 const struct container_state *own, struct error *err);

/*
 * check: applies the policy to the bundle and collects what it changes, refuses and notes, plan's
 * own refusals included; *effective is what the workload would end up with (policy, findings,
 * config, builtin_seccomp and policy_tmpfs of it are filled). Nothing is made.
 */
int container_check(struct arena *arena, const struct runtime_options *options, const char *bundle,
		    struct container_state *effective, struct error *err);

/*
 * The policy that a container was made under, from its state: text, --allow, annotations. *out is
 * what policy_apply_process() and policy_apply_update() take. Returns 0, or -1 with err set.
 */
int policy_of_state(struct arena *arena, const struct container_state *state,
		    struct policy_input *out, struct error *err);

struct exec_options {
	const char *id;
	const char *process_file; /* --process FILE ("-": standard input); else the fields below */
	struct str_list args;
	struct str_list env;		 /* added to the container's */
	struct str_list capabilities;	 /* added to the container's: "CAP_NET_RAW" */
	struct str_list additional_gids; /* numbers */
	const char *cwd;		 /* NULL: the container's */
	const char *user;		 /* "UID[:GID]", numbers; NULL: the container's */
	const char *apparmor;
	const char *process_label;
	const char *pid_file;
	const char *console_socket;
	const char *pidfd_socket;
	const char *cgroup; /* --cgroup PATH: below the container's own; NULL: that one */
	unsigned int preserve_fds;
	bool terminal;
	bool terminal_set;
	bool detach;
	bool no_new_privileges;
	bool no_new_privileges_set;
	bool ignore_paused;
};

/*
 * exec: one more process in a container that is created or running, in its namespaces, its cgroup
 * and its root, behind its filters and its policy. *status is what the program should exit with.
 * A stopped container is an error with "container not running", a paused one with "is paused"
 * (unless ignore_paused). Returns 0, or -1 with err set (exit_status 126, 127 or 255 as runc has
 * it).
 */
int container_exec(struct arena *arena, const struct runtime_options *options,
		   const struct exec_options *exec, int *status, struct error *err);

/* pause, resume: the cgroup's freezer. A container that is not running (or created), or not
 * paused, is an error. Returns 0, or -1 with err set. */
int container_pause(struct arena *arena, const struct runtime_options *options, const char *id,
		    struct error *err);
int container_resume(struct arena *arena, const struct runtime_options *options, const char *id,
		     struct error *err);

/* ps: the pids of all processes of the container, in the runtime's pid namespace, ascending. */
int container_processes(struct arena *arena, const struct runtime_options *options, const char *id,
			pid_t **pids, size_t *n, struct error *err);

/* Gets one line of JSON, without its newline. A negative result ends the events. */
typedef int container_event_sink(void *context, const char *line, struct error *err);

/*
 * events: a line of statistics each interval_ms, and one each time that the kernel kills for want
 * of memory, until the container stops. once: one line of statistics, now. A container that is
 * not running is an error with "container not running", one without a cgroup an error, too.
 * Returns 0, or -1 with err set.
 */
int container_events(struct arena *arena, const struct runtime_options *options, const char *id,
		     int interval_ms, bool once, container_event_sink *sink, void *context,
		     struct error *err);

/*
 * update: new limits for a container that is not stopped, all or nothing; what the policy does not
 * allow is refused. rdt: new schemata in l3_cache_schema and mem_bw_schema; NULL: none. The state
 * keeps the new ones. Returns 0, or -1 with err set.
 */
int container_update(struct arena *arena, const struct runtime_options *options, const char *id,
		     const struct config_resources *resources, const struct config_intel_rdt *rdt,
		     struct error *err);

/* What checkpoint and restore hand to the program criu; NULL and false: its default. */
struct criu_options {
	const char *id;
	const char *image_path;	  /* directory; NULL: "checkpoint" */
	const char *work_path;	  /* directory of criu's log; NULL: the image's */
	const char *parent_path;  /* checkpoint: an earlier pre-dump, relative to image_path */
	const char *page_server;  /* checkpoint: "ADDRESS:PORT" */
	const char *cgroups_mode; /* "soft", "full", "strict" or "ignore"; NULL: soft */
	struct str_list empty_namespaces; /* "network" */
	const char *lsm_profile;	  /* restore: "apparmor:NAME", "selinux:LABEL" */
	const char *lsm_mount_context;	  /* restore */
	int status_fd; /* gets a byte when the pages can be asked for; -1: none */
	bool leave_running;
	bool pre_dump;
	bool tcp_established;
	bool tcp_skip_in_flight;
	bool tcp_close;
	bool link_remap;
	bool ext_unix_sk;
	bool shell_job;
	bool lazy_pages;
	bool file_locks;
	bool auto_dedup;
};

/*
 * checkpoint: writes a running (or paused) container's processes into image files. It is deleted
 * then, as runc does it, unless it is left running or was only pre-dumped. Returns 0, or -1 with
 * err set; a container whose dump failed goes on running.
 */
int container_checkpoint(struct arena *arena, const struct runtime_options *options,
			 const struct criu_options *criu, struct error *err);

/*
 * restore: a new container from a bundle and image files; as container_run() otherwise. The policy
 * is applied to the bundle again, and restored processes that are less protected than it says are
 * killed before they run on. Returns 0, or -1 with err set and nothing left behind.
 */
int container_restore(struct arena *arena, const struct runtime_options *options,
		      const struct create_options *create, const struct criu_options *criu,
		      int *status, struct error *err);

/* "KILL", "SIGKILL", "9", "sigterm", "RTMIN+3" to a number; -1 for anything else. */
int signal_parse(const char *text);

#endif
