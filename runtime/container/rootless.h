/* What runsafe does first where it is not root of the host. */
#ifndef RUNSAFE_CONTAINER_ROOTLESS_H
#define RUNSAFE_CONTAINER_ROOTLESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "config.h"
#include "error.h"
#include "plan.h"

/*
 * The plan clones mounts, which takes CAP_SYS_ADMIN. A caller who has it only needs to be told
 * apart (out->nested: it counts in a user namespace of somebody's, not on the host). A caller who
 * has it not goes into the container's user namespace with the runtime itself, and into a copy of
 * the mounts: makes it and has its mappings written (newuidmap(1) where the kernel does not let a
 * user write them himself), or joins it by path. Files are still reached as the caller. Fills the
 * fields of *out that say so. Descriptors that were opened before are of mounts that can not be
 * cloned any more. Returns 0, or -1 with err set.
 */
int rootless_begin(struct arena *arena, const struct config *config, struct plan_input *out,
		   struct error *err);

/*
 * exec by an ordinary user: goes into the user namespace of plan->target before anything is cloned
 * (joining its pid namespace asks for CAP_SYS_ADMIN), and takes it off plan->target_namespaces.
 * With CAP_SYS_ADMIN, or without another user namespace, nothing is done. Files are still reached
 * as the caller. Returns 0, or -1 with err set.
 */
int rootless_enter(struct plan *plan, struct error *err);

#endif
