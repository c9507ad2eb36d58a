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
	CGROUP_DRIVER_SYSTEMD, /* issue 3: refused by name for now */
	CGROUP_DRIVER_DISABLED /* --cgroup-manager disabled: as CGROUP_NONE */
};

struct cgroup_request {
	enum cgroup_mode mode;
	enum cgroup_driver driver;
	const char *path; /* linux.cgroupsPath; NULL: /runsafe/ID. Relative: below /runsafe */
	const char *id;
	const struct config_resources *resources;
	bool own_user_namespace; /* the container has one: cgroup files are given to root in it */
	uid_t owner;		 /* host uid of that root */
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
};

/* A container's cgroup. All of it can be derived from path again, which the state keeps. */
struct cgroup {
	int dir;    /* descriptor of the directory for CLONE_INTO_CGROUP, or -1 without cgroup */
	char *path; /* below the cgroup2 mount, "/runsafe/ID"; "" without cgroup */
	bool made;  /* this process made the directory: cgroup_remove() may take it away again */
	size_t made_parents; /* how many of the path's directories above it were made as well */
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
 */
int cgroup_create(struct arena *arena, const struct cgroup_request *request, struct cgroup *out,
		  struct findings *findings, struct error *err);

/* The path that cgroup_create() would use; for the state, before the directory is made. "" for
 * none. Checks the path ("..", length). Returns NULL with err set. */
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

/* Sends SIGKILL to all processes in the cgroup and below (cgroup.kill, or one by one before 5.14)
 * and waits up to timeout_ms until it is empty. A path that is gone, or "", has nobody to kill.
 * Returns 0, or -1 with err set. */
int cgroup_kill(const char *path, int timeout_ms, struct error *err);

/* Sends sig to every process in the cgroup and below. Returns how many got it, or -1 with errno. */
int cgroup_signal(const char *path, int sig);

/* cgroup.freeze, waiting (up to timeout_ms) until cgroup.events says it is so; what did not freeze
 * in time is thawed again. Returns 0, or -1 with err set. */
int cgroup_freeze(const char *path, bool frozen, int timeout_ms, struct error *err);

/* Whether cgroup.events says frozen 1. False without a cgroup. */
bool cgroup_frozen(const char *path);

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

/* Reads all statistics of the group. Returns 0, or -1 with err set (the group is gone). */
int cgroup_read_stats(struct arena *arena, const char *path, struct cgroup_stats *out,
		      struct error *err);

/* The key's value in a text of "key value" lines; 0 where there is none. */
uint64_t cgroup_stat_value(const char *text, const char *key);

/* Removes the directory with all below it (must be empty of processes; retries EBUSY for up to
 * timeout_ms), then its parents up to /runsafe, if it is below that, when they are empty. A path
 * that is gone already, or "", is fine. Returns 0, or -1 with err set. */
int cgroup_remove(const char *path, int timeout_ms, struct error *err);

/* The same for a start that failed: also the parents that cgroup_create() made, when empty. */
int cgroup_unmake(const struct cgroup *cgroup, int timeout_ms, struct error *err);

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
