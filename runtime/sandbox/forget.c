/*
 * What waits at the gate of a created container, maybe for hours, is a copy of the runtime: with
 * config.json, hooks' tokens, paths of the host. It keeps what it will execute (plan_keep()) and
 * wipes the rest. Not by giving pages back: the workload's filter is loaded by then and may know no
 * madvise(2).
 */
#include <string.h>

#include "sandbox_internal.h"

/* The stack that the runtime has used before the clone, with room to spare. */
#define STACK_BYTES ((size_t)128 * 1024)

static __attribute__((noinline)) void wipe_stack(void)
{
	char below[STACK_BYTES];

	explicit_bzero(below, sizeof(below));
}

void child_forget(const struct plan *plan)
{
	if (!plan->rest)
		return;
	arena_wipe(plan->rest);
	wipe_stack();
}
