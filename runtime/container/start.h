#ifndef RUNSAFE_CONTAINER_START_H
#define RUNSAFE_CONTAINER_START_H

#include "container.h"

/* Runs the poststart hooks of a container that has just been started. When one fails the container
 * is killed (runtime.md, lifecycle step 9); it stays there, stopped. Returns 0, or -1 with err. */
int start_poststart(struct arena *arena, const struct container_state *state, struct error *err);

#endif
