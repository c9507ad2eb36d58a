#include <string.h>

#include "fd.h"
#include "launch.h"

/* The limits that this host could not apply would stop the start, or not, by --cgroup. */
static void check_limits(struct launch *l, struct findings *findings)
{
	const struct config_resources *r = &l->config.linux_.resources;
	bool limits = (r->memory.limit.set && r->memory.limit.value > 0) || r->pids.limit.set ||
		      (r->cpu.quota.set && r->cpu.quota.value > 0);
	const char *why = limits ? cgroup_why_no_limits(l->arena) : NULL;

	if (!why)
		return;
	if (l->options->cgroup == CGROUP_REQUIRED && l->options->driver != CGROUP_DRIVER_DISABLED)
		findings_add(findings, FINDING_REFUSED, "linux.resources",
			     "its limits can not be applied: %s; `--cgroup=available` starts it "
			     "without them",
			     why);
	else
		findings_add(findings, FINDING_NOTE, "linux.resources",
			     "its limits are not applied: %s", why);
}

int container_check(struct arena *arena, const struct runtime_options *options, const char *bundle,
		    struct container_state *effective, struct error *err)
{
	struct create_options create = {.bundle = bundle, .id = "check"};
	struct launch launch = {.arena = arena, .options = options, .create = &create};

	int result = launch_prepare(&launch, true, err);
	if (result == 0)
		check_limits(&launch, &launch.findings);
	*effective = (struct container_state){.findings = launch.findings, .config = launch.config};
	launch_describe(&launch, effective);
	launch_close(&launch);
	return result;
}
