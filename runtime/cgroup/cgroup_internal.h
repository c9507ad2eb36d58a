/* What the files of the cgroup room share. */
#ifndef RUNSAFE_CGROUP_INTERNAL_H
#define RUNSAFE_CGROUP_INTERNAL_H

#include "cgroup.h"

#define CG_MOUNT   "/sys/fs/cgroup"
#define CG_UNIFIED CG_MOUNT "/unified"
/* Where runsafe's own groups lie below the mount. */
#define CG_OWN "/runsafe"

enum cg_controller {
	CG_CPUSET,
	CG_CPU,
	CG_IO,
	CG_MEMORY,
	CG_HUGETLB,
	CG_PIDS,
	CG_RDMA,
	CG_MISC,
	CG_DMEM,
	CG_CONTROLLERS,
	CG_CORE /* cgroup.*: belongs to no controller */
};

#define CG_BIT(controller) (1u << (unsigned int)(controller))
/* Engines read statistics from these files, so they are switched on where they can be, limit or
 * not. */
#define CG_ALWAYS                                                                                  \
	(CG_BIT(CG_CPUSET) | CG_BIT(CG_CPU) | CG_BIT(CG_IO) | CG_BIT(CG_MEMORY) |                  \
	 CG_BIT(CG_HUGETLB) | CG_BIT(CG_PIDS))

/* own.c */

/* Below what relative paths lie: CG_OWN, or for a caller who may not make that, a group beside his
 * own ("/user.slice/.../app.slice", "" for the root) if he may write there. The arena's. */
const char *cg_base(struct arena *arena);
/* Whether the caller is root, and of no user namespace but the host's. */
bool cg_is_hosts_root(void);

/* hierarchy.c */

/* The root of cgroup2: O_PATH descriptor, or -1 with errno ENODEV. *mount (may be NULL) is where it
 * was found: CG_MOUNT, or CG_UNIFIED on a hybrid host. */
int cg_root_open(const char **mount);
/* A path from the state, as openat(2) wants it below the root: without its slash. */
const char *cg_relative(const char *path);
const char *cg_controller_name(enum cg_controller controller);
/* "cpu io memory\n" as bits; names that are not known are passed over. */
unsigned int cg_controllers_parse(const char *text);
/* The controllers in the file below dir as bits; 0 if it can not be read. */
unsigned int cg_controllers_read(int dir, const char *file);

/* Which controllers a group has, and why others are not there. */
struct cg_enabled {
	unsigned int have;	/* in the group itself */
	unsigned int available; /* in the root; 0: not read, since have is all that is asked for */
	unsigned int refused;
	const struct cgroup_unit *unit; /* a user's manager switches on what it has; NULL: we */
	struct {
		char *at; /* the directory whose cgroup.subtree_control was not to be had */
		int number;
	} why[CG_CONTROLLERS];
};

/* Switches controllers on in every ancestor of path, from the root down. */
void cg_controllers_enable(struct arena *arena, int root, const char *mount, const char *path,
			   int dir, unsigned int needed, struct cg_enabled *out);
/* The same for a unit of a user's manager, which alone switches them on. */
void cg_controllers_of_unit(int root, int dir, const struct cgroup_unit *unit,
			    struct cg_enabled *out);
/* Why the group lacks the controller, for a person. */
const char *cg_controller_why_missing(struct arena *arena, const struct cg_enabled *enabled,
				      enum cg_controller controller);

/* settings.c: resources as what is to be written. No file is looked at here. */

enum cg_flags {
	CG_MAY_LACK = 1, /* passed over in silence where the kernel has no such file */
	CG_SWAP = 2,	 /* memory.swap.max: it is missing where the kernel does not count swap */
	CG_AGAIN = 4	 /* EINVAL: once more after the others, the order depends on old values */
};

struct cg_write {
	char *file;
	char *value;
	/* In a file with a line for each device: the line's first word, and what to write to undo
	   the setting where the file had no such line. NULL for a file with one value. */
	char *key;
	char *reset;
};

struct cg_setting {
	enum cg_controller controller;
	unsigned int flags;
	char *where; /* JSON path */
	struct cg_write write;
	struct cg_write other; /* the same for another I/O scheduler: one of both must take it */
};

struct cg_settings {
	struct arena *arena;
	struct cg_setting *items;
	size_t n;
	unsigned int needed; /* controllers */
};

/*
 * quota_now is the first word of the group's cpu.max: a period is written together with a quota.
 * findings may be NULL; it gets what cgroup v2 has no word for. Returns 0, or -1 with err set.
 */
int cg_settings_build(struct arena *arena, const struct config_resources *resources,
		      const char *quota_now, struct cg_settings *out, struct findings *findings,
		      struct error *err);

/* apply.c */

struct cg_undo {
	char *file;
	char *value;
};

struct cg_apply {
	struct arena *arena;
	int dir;
	const char *name; /* the directory, for messages */
	enum cgroup_mode mode;
	const struct cg_enabled *enabled; /* NULL: whatever has its file */
	struct findings *findings;	  /* NULL with CGROUP_REQUIRED */
	bool keep_undo;			  /* old values are noted before each write */
	bool waited;			  /* for the files of controllers just switched on */
	struct cg_undo *undo;
	size_t n_undo;
};

/* Writes all settings; on failure what was noted is written back. */
int cg_apply(struct cg_apply *apply, const struct cg_settings *settings, struct error *err);
void cg_apply_undo(struct cg_apply *apply);
/* cgroup_set_resources(), with what it wrote and what undoes it. apply has arena and dir. */
int cg_set_resources(struct cg_apply *apply, const struct config_resources *resources,
		     struct cg_settings *settings, struct error *err);

/* devices.c */

/* Attaches a program for the request's rules to the group. Returns 0, or -1 with err set. */
int cg_devices_attach(struct arena *arena, const struct cgroup_request *request, int dir,
		      struct error *err);

/* walk.c */

/* Calls enter with each directory below and including dir (a descriptor that is taken), parents
 * first, and leave with (parent, name) of each below dir, children first. Either may be NULL; a
 * negative result ends the walk. Deep trees are a container's to make: one descriptor does. */
struct cg_visit {
	int (*enter)(int dir, void *data);
	int (*leave)(int parent, const char *name, void *data);
	void *data;
};
int cg_walk(int dir, const struct cg_visit *visit);

/* stats.c: cgroup_read_stats() of an open directory. Returns 0, or -1 with errno set and *failed
 * the file that could not be read; ENOENT when the group went away meanwhile. */
int cg_stats_read(struct arena *arena, int dir, struct cgroup_stats *out, const char **failed);

/* Milliseconds of CLOCK_MONOTONIC. */
long long cg_now(void);

#endif
