/* update: new limits for a container that lives. */
#include "update.h"

#include <errno.h>
#include <string.h>

#include "container.h"
#include "log.h"
#include "process.h"

static int check_state(const struct container_state *state, struct error *err)
{
	switch (container_status(state)) {
	case STATUS_CREATED:
	case STATUS_RUNNING:
	case STATUS_PAUSED:
		break;
	case STATUS_CREATING:
		return error_set(err, "container not running: it is being created");
	case STATUS_STOPPED:
		error_set(err, "container not running");
		err->number = ESRCH;
		return -1;
	}
	if (!state->cgroup_path || !*state->cgroup_path)
		return error_set(err, "only a cgroup has limits, and the container was made "
				      "without one (--cgroup=none or --cgroup-manager=disabled)");
	return process_check_cgroup(state, err);
}

static int harden(struct arena *arena, const struct container_state *state,
		  struct config_resources *wanted, struct error *err)
{
	struct findings findings = {.arena = arena};
	struct policy_input input;

	if (policy_of_state(arena, state, &input, err) < 0 ||
	    policy_apply_update(arena, &input, &state->config, wanted, &findings, err) < 0)
		return -1;
	for (size_t i = 0; i < findings.n; i++)
		log_debug("%s: %s", findings.items[i].path, findings.items[i].text);
	return 0;
}

/* What create found about a limit that is another one now. */
static void forget_findings(struct container_state *state, const struct config_resources *wanted)
{
	const struct {
		const char *path;
		bool changed;
	} limits[] = {
	    {"linux.resources.memory.limit", wanted->memory.limit.set},
	    {"linux.resources.memory.swap", wanted->memory.swap.set},
	    {"linux.resources.cpu.quota", wanted->cpu.quota.set},
	    {"linux.resources.pids.limit", wanted->pids.limit.set},
	};
	struct findings left = {.arena = state->findings.arena};

	for (size_t i = 0; i < state->findings.n; i++) {
		const struct finding *f = &state->findings.items[i];
		bool stale = false;

		for (size_t j = 0; j < sizeof(limits) / sizeof(limits[0]); j++)
			stale |= limits[j].changed && strcmp(limits[j].path, f->path) == 0;
		if (!stale)
			findings_add(&left, f->kind, f->path, "%s", f->text);
	}
	state->findings = left;
}

static void merge_rdt(struct arena *arena, const struct config_intel_rdt *rdt,
		      struct config_linux *linux_)
{
	if (!rdt || !linux_->intel_rdt)
		return;
	struct config_intel_rdt *merged = arena_alloc(arena, sizeof(*merged));

	*merged = *linux_->intel_rdt;
	if (rdt->l3_cache_schema)
		merged->l3_cache_schema = rdt->l3_cache_schema;
	if (rdt->mem_bw_schema)
		merged->mem_bw_schema = rdt->mem_bw_schema;
	linux_->intel_rdt = merged;
}

/*
 * The state first: a disk that is full must not leave limits that no later command knows of. When
 * the kernel then refuses, the old state is written again.
 */
static int set(struct arena *arena, struct container *container,
	       const struct config_resources *wanted, const struct config_intel_rdt *rdt,
	       struct error *err)
{
	const struct container_state old = container->state;
	struct container_state *state = &container->state;
	struct error failed = ERROR_INIT;
	char *schemata = NULL;

	update_merge(arena, &old.config.linux_.resources, wanted, &state->config.linux_.resources);
	merge_rdt(arena, rdt, &state->config.linux_);
	state->config.linux_.present = true;
	forget_findings(state, wanted);
	if (container_write_state(arena, container, err) < 0)
		return -1;
	if (container_update_rdt(arena, state, rdt, &schemata, err) == 0 &&
	    cgroup_update(arena, &state->cgroup_unit, state->cgroup_path, wanted, err) == 0)
		return 0;
	container->state = old;
	int restored = container_restore_rdt(arena, state, schemata, &failed);
	int written = container_write_state(arena, container, &failed);
	if (written < 0)
		return error_wrap(err, "%s, so `check` shows limits that were refused",
				  failed.text);
	if (restored < 0)
		return error_wrap(err, "%s, after this", failed.text);
	return -1;
}

static int update(struct arena *arena, struct container *container, struct config_resources *wanted,
		  const struct config_intel_rdt *rdt, struct error *err)
{
	const struct config_resources *now = &container->state.config.linux_.resources;

	if (check_state(&container->state, err) < 0)
		return -1;
	update_trim(wanted);
	if (update_check(now, wanted, err) < 0 || harden(arena, &container->state, wanted, err) < 0)
		return -1;
	update_complete(now, wanted);
	return set(arena, container, wanted, rdt, err);
}

int container_update(struct arena *arena, const struct runtime_options *options, const char *id,
		     const struct config_resources *resources, const struct config_intel_rdt *rdt,
		     struct error *err)
{
	struct config_resources wanted = *resources;
	struct container container;

	if (container_open(arena, options->root, id, true, &container, err) < 0)
		return -1;
	int result = update(arena, &container, &wanted, rdt, err);

	if (result < 0)
		error_wrap(err, "%s: cannot update it", id);
	container_close(&container);
	return result;
}
