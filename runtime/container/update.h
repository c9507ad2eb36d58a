/* What an update makes of a container. */
#ifndef RUNSAFE_CONTAINER_UPDATE_H
#define RUNSAFE_CONTAINER_UPDATE_H

#include "container.h"

/* rdt.c: writes new schemata, NULL for none, and takes them back. *old stays NULL where nothing was
 * written. Return 0, or -1 with err set. */
int container_update_rdt(struct arena *arena, const struct container_state *state,
			 const struct config_intel_rdt *rdt, char **old, struct error *err);
int container_restore_rdt(struct arena *arena, const struct container_state *state, const char *old,
			  struct error *err);

/* The rest is pure: nothing is read or written there. */

/* Drops what asks for nothing: 0 where it means unset, as Go's structs are written. */
void update_trim(struct config_resources *wanted);

/* Refuses what cgroup v2 can not do and the container does not have anyway; the same again is
 * fine, since engines send all that they know. Returns 0, or -1 with err set. */
int update_check(const struct config_resources *now, const struct config_resources *wanted,
		 struct error *err);

/* Adds what the kernel wants beside that which is given: the limit to a swap, a period to a
 * quota. */
void update_complete(const struct config_resources *now, struct config_resources *wanted);

/* now with all that is in wanted. Lists are merged by their keys and never written through. */
void update_merge(struct arena *arena, const struct config_resources *now,
		  const struct config_resources *wanted, struct config_resources *out);

#endif
