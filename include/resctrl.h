/*
 * linux.intelRdt: classes of service in the kernel's resctrl
 * (Documentation/filesystems/resctrl.rst; config-linux.md, "IntelRdt"), which also serves AMD's and
 * Arm's hardware.
 */
#ifndef RUNSAFE_RESCTRL_H
#define RUNSAFE_RESCTRL_H

#include <stdbool.h>
#include <sys/types.h>

#include "arena.h"
#include "config.h"
#include "error.h"

/* What of resctrl is a container's; the state keeps it. */
struct resctrl {
	char *class_;	 /* its class, below the mount: the folder's name, "." for the default one;
			    NULL: it has none */
	bool made_class; /* it was made for this container and goes with it */
	char *monitor;	 /* name of its group in the class's mon_groups; NULL: none */
};

/* Opens the resctrl that is mounted in this mount namespace. mountinfo is the text of
 * /proc/self/mountinfo. Returns an O_PATH descriptor, or -1 with err set. */
int resctrl_open(struct arena *arena, const char *mountinfo, struct error *err);

/*
 * Makes or finds the class that rdt asks for and writes or compares its schemata; makes the
 * monitoring group. What was made is in *out also on failure, for resctrl_remove(). Returns 0, or
 * -1 with err set.
 */
int resctrl_make(struct arena *arena, int root, const struct config_intel_rdt *rdt, const char *id,
		 struct resctrl *out, struct error *err);

/* Puts the process into the class and the monitoring group. Returns 0, or -1 with err set. */
int resctrl_enter(int root, const struct resctrl *group, pid_t pid, struct error *err);

/*
 * update: writes l3_cache_schema and mem_bw_schema of rdt to the container's class, all or nothing;
 * one that was not made for it is refused. *old is what resctrl_restore() takes back. Returns 0, or
 * -1 with err set.
 */
int resctrl_update(struct arena *arena, int root, const struct resctrl *group,
		   const struct config_intel_rdt *rdt, char **old, struct error *err);
int resctrl_restore(int root, const struct resctrl *group, const char *old, struct error *err);

/* Takes away what was made for the container; what is gone is fine. Returns 0, or -1 with err set.
 */
int resctrl_remove(int root, const struct resctrl *group, struct error *err);

#endif
