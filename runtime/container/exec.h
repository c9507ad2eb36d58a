#ifndef RUNSAFE_CONTAINER_EXEC_H
#define RUNSAFE_CONTAINER_EXEC_H

#include "container.h"

/* Puts together the process to run, from --process or from the options and the container's own
 * one, before any policy. Returns 0, or -1 with err set. */
int exec_process(struct arena *arena, const struct exec_options *exec,
		 const struct config_process *own, struct config_process *out, struct error *err);

/* Before this program executes itself again: makes what exec_process() has read from standard input
 * readable once more. */
void exec_process_again(const struct exec_options *exec);

#endif
