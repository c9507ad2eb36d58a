/*
 * cgroup v2: where a container's group lies, its limits, its devices program, freezing, killing,
 * removing. The rules are those of the kernel's Documentation/admin-guide/cgroup-v2.rst.
 */
#ifndef RUNSAFE_CGROUP_H
#define RUNSAFE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "config.h"
#include "error.h"
#include "policy.h"

enum cgroup_mode {
	CGROUP_REQUIRED = 0, /* a limit that can not be applied stops the start */
	CGROUP_AVAILABLE,    /* what can not be applied is a finding */
	CGROUP_NONE	     /* no cgroup at all; a finding says so */
};

enum cgroup_driver {
	CGROUP_DRIVER_CGROUPFS = 0,
	CGROUP_DRIVER_SYSTEMD, /* a transient unit, made by systemd when the process is there */
	CGROUP_DRIVER_DISABLED /* --cgroup-manager disabled: as CGROUP_NONE */
};

struct cgroup_request {
	enum cgroup_mode mode;
	enum cgroup_driver driver;
	const char *path; /* linux.cgroupsPath; NULL: /runsafe/ID. Relative: below /runsafe.
			     systemd: "slice:prefix:name", NULL: "::ID" with prefix "runsafe" */
	const char *id;
	const struct config_resources *resources;
	bool give;   /* the group, and the files that do no harm, are owner's */
	uid_t owner; /* as the runtime sees it */
	/* Device nodes that the workload must reach whatever resources.devices says (the default
	   set is added by the module itself): linux.devices, where the rules are not the caller's
	   own */
	const struct config_device *devices;
	size_t n_devices;
	/* False when the container runs in the host's devices as written (oci without rules). */
	bool restrict_devices;
	/* Any device node may be made with mknod(2), though not opened, as runc and crun let a
	   container with CAP_MKNOD (the oci policy). */
	bool allow_mknod;
	/* systemd: annotations org.systemd.property.NAME that the policy let through, NAME with
	   its value as GVariant text ("uint64 5000000"); other drivers note that they are unused */
	struct str_map unit_properties;
};

/* The systemd unit that a cgroup is; the state keeps it. */
struct cgroup_unit {
	char *name;	   /* "runsafe-ID.scope"; NULL: no unit, another driver made the cgroup */
	bool user_manager; /* of the user's manager, not the system's */
	uint64_t inode;	   /* st_ino of its directory: a later unit of that name is another's; 0
			      while it is not there */
};

/* A container's cgroup. All of it can be derived from path again, which the state keeps. */
struct cgroup {
	int dir;    /* descriptor of the directory for CLONE_INTO_CGROUP, or -1 without cgroup */
	char *path; /* below the cgroup2 mount, "/runsafe/ID"; "" without cgroup */
	bool made;  /* this process made the directory: cgroup_remove() may take it away again */
	size_t made_parents; /* how many of the path's directories above it were made as well */
	struct cgroup_unit unit;
	struct sd_manager *manager; /* systemd: connected from cgroup_create() to cgroup_enter(),
				     * or cgroup_reach() to cgroup_attach() */
};

/*
 * Says why limits can not be applied on this host, for a person ("no cgroup2 at /sys/fs/cgroup:
 * this host runs cgroup v1 (hybrid)", "controller memory is bound to cgroup v1"), or returns NULL
 * when memory, cpu and pids are all there. The text is the arena's.
 */
const char *cgroup_why_no_limits(struct arena *arena);

/*
 * Makes the cgroup, enables the controllers that the resources need on the way down, writes all
 * limits and attaches the devices program. A directory that exists is taken if it is empty of
 * processes and children, else refused ("not empty"). What a mode of CGROUP_AVAILABLE could not
 * apply is a FINDING_NOTE. On failure nothing that it made is left. Returns 0, or -1 with err set.
 * systemd: only looks whether it could be (out->unit.name is set, dir is -1): cgroup_enter() is to
 * follow, with a process that was cloned outside.
 */
int cgroup_create(struct arena *arena, const struct cgroup_request *request, struct cgroup *out,
		  struct findings *findings, struct error *err);

/*
 * systemd driver: starts the unit with pid in it, waits for systemd to have done it, and then does
 * what cgroup_create() does for others; fills out->dir, path and unit.inode. Limits are properties
 * of the unit and are in its files. A unit of that name that is there is an error, a failed one is
 * forgotten first. On failure out->made says whether cgroup_unmake() has something to do. Returns
 * 0, or -1 with err set (systemd's own words in it).
 */
int cgroup_enter(struct arena *arena, const struct cgroup_request *request, pid_t pid,
		 struct cgroup *out, struct findings *findings, struct error *err);

/*
 * exec: systemd puts a process into the unit's cgroup that cgroup->dir is, or is below, and that
 * has that path. For one who may not write the groups that both have above them: somebody in a
 * login session is not below the user's manager. cgroup_reach() connects before the process is
 * there. Return 0, or -1 with err set.
 */
int cgroup_reach(struct arena *arena, const struct cgroup_unit *unit, struct cgroup *out,
		 struct error *err);
int cgroup_attach(struct arena *arena, const struct cgroup_unit *unit, const char *path,
		  struct cgroup *cgroup, pid_t pid, struct error *err);

/* The unit and the path that it will have ("" where only systemd knows); for the state, before the
 * unit is made. Returns 0, or -1 with err set. */
int cgroup_choose_unit(struct arena *arena, const struct cgroup_request *request,
		       struct cgroup_unit *unit, char **path, struct error *err);

/* Kills what is left in the unit, stops it, waits, and forgets it and its failure. A unit that is
 * gone, or that is another container's by now, is fine. Without a manager to ask, the cgroup alone
 * is taken away. Returns 0, or -1 with err set. */
int cgroup_remove_unit(const struct cgroup_unit *unit, const char *id, const char *path,
		       int timeout_ms, struct error *err);

/* Closes descriptors and the connection; the cgroup stays. */
void cgroup_close(struct cgroup *cgroup);

/* How many of the path's directories, the group itself among them, are not there. */
size_t cgroup_missing(struct arena *arena, const char *path);

/* The path that cgroup_create() would use; for the state, before the directory is made. "" for
 * none. Checks the path ("..", length). Not for systemd. Returns NULL with err set. */
char *cgroup_choose_path(struct arena *arena, const struct cgroup_request *request,
			 struct error *err);

/* Opens the directory of a path from the state, O_PATH|O_DIRECTORY. Returns -1 with errno set;
 * ENOENT for "". */
int cgroup_open(const char *path);

/*
 * Opens the group that one more process of a container goes into, for CLONE_INTO_CGROUP: below
 * (--cgroup; may not leave it), else path itself, else, where that takes no processes any more,
 * that of the container's first process. proc is an open /proc. Returns the descriptor, or -1
 * with err set.
 */
int cgroup_open_for_exec(struct arena *arena, const char *path, const char *below, int proc,
			 pid_t first, struct error *err);

/*
 * Writes limits to an existing cgroup, all or nothing: when one is refused, the old values are
 * written back. Needs a controller only for what is set. Returns 0, or -1 with err set.
 */
int cgroup_set_resources(struct arena *arena, int dir, const struct config_resources *resources,
			 struct error *err);

/*
 * update: the same for a container's cgroup by the unit (its name NULL: none) and path that its
 * state has. resources holds only what is to change, completed by what the kernel wants beside it.
 * Returns 0, or -1 with err set and nothing changed.
 */
int cgroup_update(struct arena *arena, const struct cgroup_unit *unit, const char *path,
		  const struct config_resources *resources, struct error *err);

/* Sends SIGKILL to all processes in the cgroup and below (cgroup.kill, or one by one before 5.14)
 * and waits up to timeout_ms until it is empty. A path that is gone, or "", has nobody to kill.
 * Returns 0, or -1 with err set. */
int cgroup_kill(const char *path, int timeout_ms, struct error *err);
/* The same, one by one, for a group that will be used again. */
int cgroup_kill_kept(const char *path, int timeout_ms, struct error *err);

/* Sends sig to every process in the cgroup and below. Returns how many got it, or -1 with errno. */
int cgroup_signal(const char *path, int sig);

/* cgroup.freeze, waiting (up to timeout_ms) until cgroup.events says it is so; what did not freeze
 * in time is thawed again. Returns 0, or -1 with err set; what could not be thawed is frozen. */
int cgroup_freeze(const char *path, bool frozen, int timeout_ms, struct error *err);

/* Whether cgroup.events says frozen 1: 1, 0 (also without a cgroup), or -1 with errno set. */
int cgroup_frozen(const char *path);

/* All pids in the cgroup and below. Returns 0, or -1 with errno set. */
int cgroup_pids(struct arena *arena, const char *path, pid_t **pids, size_t *n);

/* Pressure as psi(7) has it: shares of time in percent, total in microseconds. */
struct cgroup_pressure {
	bool set; /* false: this kernel does not say */
	double avg10, avg60, avg300;
	uint64_t total;
};

struct cgroup_psi {
	struct cgroup_pressure some, full;
};

/* One device's line of io.stat. */
struct cgroup_io {
	unsigned int major, minor;
	uint64_t read_bytes, written_bytes, reads, writes;
};

struct cgroup_hugetlb {
	char *size; /* "2MB" */
	uint64_t usage, failures;
};

struct cgroup_value {
	char *name;
	uint64_t value;
};

/* What a cgroup's files say. A controller that is not there leaves zeros and empty lists. "max"
 * is UINT64_MAX. */
struct cgroup_stats {
	uint64_t cpu_total, cpu_user, cpu_kernel; /* ns */
	uint64_t periods, throttled_periods;
	uint64_t throttled_time; /* ns */
	bool has_memory;
	uint64_t memory_usage, memory_peak, memory_limit; /* bytes */
	bool has_swap;
	uint64_t swap_usage, swap_limit; /* bytes, of swap alone */
	struct cgroup_value *memory_stat;
	size_t n_memory_stat;
	uint64_t low, high, max, oom, oom_kill; /* memory.events */
	uint64_t pids, pids_limit;
	struct cgroup_io *io;
	size_t n_io;
	struct cgroup_hugetlb *hugetlb;
	size_t n_hugetlb;
	struct cgroup_psi cpu_psi, memory_psi, io_psi;
};

/* Reads all statistics of the group. Returns 0, or -1 with err set: the group is gone (ENOENT), or
 * a file that is there can not be read. */
int cgroup_read_stats(struct arena *arena, const char *path, struct cgroup_stats *out,
		      struct error *err);

/* The key's value in a text of "key value" lines; 0 where there is none. */
uint64_t cgroup_stat_value(const char *text, const char *key);

/* Removes the directory with all below it (must be empty of processes; retries EBUSY for up to
 * timeout_ms), then its parents up to /runsafe, if it is below that, when they are empty. A path
 * that is gone already, or "", is fine. Returns 0, or -1 with err set. */
int cgroup_remove(const char *path, int timeout_ms, struct error *err);

/* The same for one that create made or, kept, found there: then what is below it goes and it stays
 * (runtime.md, Delete). parents is how many of the directories above it were made as well. */
int cgroup_remove_made(const char *path, bool kept, size_t parents, int timeout_ms,
		       struct error *err);

/* The same for a start that failed: also the parents that cgroup_create() made, when empty. */
int cgroup_unmake(const struct cgroup *cgroup, const char *id, int timeout_ms, struct error *err);

/* Arithmetic, exported for unit tests. */
/* cpu.shares 2..262144 to cpu.weight 1..10000, the curve that runc 1.3.2 and crun 1.23 brought
 * (1024 becomes 100). 0 for 0. */
uint64_t cgroup_cpu_weight(uint64_t shares);
/* blkio weight 10..1000 to io.weight 1..10000 (linear). 0 for 0. */
uint64_t cgroup_io_weight(uint64_t weight);
/* memory+swap and memory limits to memory.swap.max: -1 is "max", also for a swap that is unset or
 * 0; an error for one below the limit, or without a limit. Returns 0, or -1 with err set. */
int cgroup_swap_max(struct opt_i64 limit, struct opt_i64 swap, int64_t *out, struct error *err);

#endif
