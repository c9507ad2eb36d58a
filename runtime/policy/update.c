/*
 * update: what may become of a container's limits. A number is config.json's word, as at create;
 * to lift a limit altogether is not, where the policy asks for one.
 */
#include <inttypes.h>

#include "policy_internal.h"

#define PATH(what) "linux.resources." what

static bool holds(const struct limit *rule, const struct limit *lower)
{
	return rule->kind != LIMIT_UNLIMITED || lower->kind == LIMIT_VALUE;
}

static int lifts(struct apply *a, const char *path, const char *how)
{
	return refuse(a, path, "would lift the limit: this policy wants one (%s)", how);
}

static int over_annotation(struct apply *a, const char *path, const char *name)
{
	return refuse(a, path,
		      "is above what the annotation io.runsafe.%s lets this container have", name);
}

static int update_memory(struct apply *a)
{
	struct config_memory *m = &a->cfg->linux_.resources.memory;
	const struct limit rule = rule_for(a, LIMIT_MEMORY);
	const struct limit *lower = &a->lower[LIMIT_MEMORY];
	int64_t value = 0;

	if (!holds(&rule, lower))
		return 0;
	int taken = unified_take(a, "memory.max", true, &value, NULL);

	if (taken < 0)
		return -1;
	/* 0 asks for nothing, as under config.json's own name: it must not stand for the limit. */
	if (taken > 0 && value != 0)
		m->limit = (struct opt_i64){.set = true, .value = value};
	if (m->limit.set && m->limit.value < 0)
		return lifts(a, PATH("memory.limit"),
			     "--allow memory=unlimited when the container is made lets it");
	if (lower->kind == LIMIT_VALUE && m->limit.set && m->limit.value > lower->value)
		return over_annotation(a, PATH("memory.limit"), "memory");
	return 0;
}

/* Bytes of swap alone that the container has now, as text for memory.swap.max; NULL: no limit. */
static const char *swap_now(struct apply *a, const struct config_resources *now)
{
	const struct config_memory *m = &now->memory;
	const char *bare = str_map_get(&now->unified, "memory.swap.max");

	if (bare != NULL)
		return bare;
	if (!m->swap.set || m->swap.value <= 0 || !m->limit.set || m->limit.value <= 0)
		return NULL;
	return arena_printf(a->arena, "%" PRId64, m->swap.value - m->limit.value);
}

static int update_swap(struct apply *a, const struct config_resources *now)
{
	struct config_resources *r = &a->cfg->linux_.resources;
	struct config_memory *m = &r->memory;
	const struct limit rule = rule_for(a, LIMIT_SWAP);
	static const char how[] = "a policy file whose limits.swap is \"unlimited\" lets it";
	int64_t bare = 0;

	if (rule.kind == LIMIT_UNLIMITED)
		return 0;
	int taken = unified_take(a, "memory.swap.max", true, &bare, NULL);

	if (taken < 0)
		return -1;
	if (taken > 0 && bare < 0)
		return lifts(a, PATH("unified.memory.swap.max"), how);
	if (taken == 0 && m->swap.set && m->swap.value < 0)
		return lifts(a, PATH("memory.swap"), how);
	const struct opt_i64 limit = m->limit.set ? m->limit : now->memory.limit;
	const char *keep = taken > 0 ? arena_printf(a->arena, "%" PRId64, bare) : NULL;

	if (keep != NULL && limit.set && limit.value > 0 && bare <= INT64_MAX - limit.value) {
		m->swap = (struct opt_i64){.set = true, .value = limit.value + bare};
		return 0;
	}
	/* Memory without a limit takes that of swap with it, unless it is said in the kernel's own
	   words. */
	if (keep == NULL && m->limit.set && m->limit.value < 0 && !m->swap.set)
		keep = swap_now(a, now);
	if (keep != NULL)
		unified_set(a, "memory.swap.max", keep);
	return 0;
}

static int update_cpus(struct apply *a, const struct config_cpu *now)
{
	struct config_cpu *c = &a->cfg->linux_.resources.cpu;
	const struct limit rule = rule_for(a, LIMIT_CPUS);
	const struct limit *lower = &a->lower[LIMIT_CPUS];
	int64_t quota = 0;
	int64_t period = CPU_PERIOD;

	if (!holds(&rule, lower))
		return 0;
	int taken = unified_take(a, "cpu.max", false, &quota, &period);

	if (taken < 0)
		return -1;
	if (taken > 0 && quota != 0) {
		c->quota = (struct opt_i64){.set = true, .value = quota};
		c->period = (struct opt_u64){.set = true, .value = (uint64_t)period};
	}
	if (c->quota.set && c->quota.value < 0)
		return lifts(a, PATH("cpu.quota"),
			     "--allow cpus=unlimited when the container is made lets it");
	if (lower->kind != LIMIT_VALUE || (!c->quota.set && !c->period.set))
		return 0;
	/* One of the two may stay as it is. */
	quota = c->quota.set ? c->quota.value : now->quota.value;
	if (c->period.set || now->period.set)
		period = (int64_t)(c->period.set ? c->period.value : now->period.value);
	if (period == 0)
		period = CPU_PERIOD;
	if ((double)quota / (double)period > (double)lower->value / CPU_PERIOD)
		return over_annotation(a, c->quota.set ? PATH("cpu.quota") : PATH("cpu.period"),
				       "cpus");
	return 0;
}

static int update_pids(struct apply *a)
{
	struct config_pids *p = &a->cfg->linux_.resources.pids;
	const struct limit rule = rule_for(a, LIMIT_PIDS);
	const struct limit *lower = &a->lower[LIMIT_PIDS];
	int64_t value = 0;

	if (!holds(&rule, lower))
		return 0;
	int taken = unified_take(a, "pids.max", false, &value, NULL);

	if (taken < 0)
		return -1;
	if (taken > 0)
		*p = (struct config_pids){.present = true, .limit = {.set = true, .value = value}};
	if (p->limit.set && p->limit.value < 0)
		return lifts(a, PATH("pids.limit"),
			     "--allow pids=unlimited when the container is made lets it");
	if (lower->kind == LIMIT_VALUE && p->limit.set && p->limit.value > lower->value)
		return over_annotation(a, PATH("pids.limit"), "pids");
	return 0;
}

static int apply_rules(struct apply *a, const struct config *container)
{
	const struct config_resources *now = &container->linux_.resources;

	if (rules_of_create(a) < 0)
		return -1;
	if (update_memory(a) < 0 || update_swap(a, now) < 0 || update_cpus(a, &now->cpu) < 0)
		return -1;
	return update_pids(a);
}

int policy_apply_update(struct arena *arena, const struct policy_input *in,
			const struct config *container, struct config_resources *wanted,
			struct findings *findings, struct error *err)
{
	struct config all = *container;
	struct apply a = {
	    .arena = arena,
	    .in = in,
	    .policy = *in->policy,
	    .no_file = true,
	    .cfg = &all,
	    .findings = findings,
	    .err = err,
	};

	all.linux_.resources = *wanted;
	if (apply_rules(&a, container) < 0)
		return -1;
	*wanted = all.linux_.resources;
	return 0;
}
