#include "launch.h"

int container_create(struct arena *arena, const struct runtime_options *options,
		     const struct create_options *create, struct error *err)
{
	struct create_options detached = *create;
	struct launch launch = {.arena = arena, .options = options, .create = &detached};

	detached.detach = true;
	int result = launch_prepare(&launch, false, err);
	if (result == 0)
		result = launch_go(&launch, PLAN_GATE_FIFO, err);
	interrupt_end();
	launch_close(&launch);
	/* 126 and 127 are for run and exec; engines expect 1 from create. */
	err->exit_status = 0;
	return result;
}
