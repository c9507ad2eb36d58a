/* The mappings of a user namespace that the runtime itself goes into: another process has to write
 * them, one that stayed outside (user_namespaces(7)). */
#ifndef RUNSAFE_CONTAINER_MAPPINGS_H
#define RUNSAFE_CONTAINER_MAPPINGS_H

#include <sys/types.h>

#include "arena.h"
#include "config.h"
#include "error.h"

struct mappings_helper {
	pid_t pid;
	int socket;
};

/* Leaves a process outside that waits. Returns 0, or -1 with err set. */
int mappings_begin(struct arena *arena, const struct config_linux *config,
		   struct mappings_helper *out, struct error *err);

/* The runtime is inside: has it write linux.uidMappings and linux.gidMappings, and end. */
int mappings_write(struct mappings_helper *helper, struct error *err);

/* The runtime did not get inside. */
void mappings_cancel(struct mappings_helper *helper);

#endif
