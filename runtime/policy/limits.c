/*
 * Limits: what config.json leaves open is filled, or refused. cgroup v2 knows a limit under two
 * names in config.json, its own and its file's under "unified", where the file's name wins; the
 * rules here see one.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy_internal.h"

#define MEMORY_PATH "linux.resources.memory.limit"
#define SWAP_PATH   "linux.resources.memory.swap"
#define CPU_PATH    "linux.resources.cpu.quota"
#define PIDS_PATH   "linux.resources.pids.limit"

static char *size_text(struct arena *arena, int64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	while (unit < 4 && bytes != 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	return arena_printf(arena, "%lld %s", (long long)bytes, units[unit]);
}

static char *cpus_text(struct arena *arena, int64_t quota, int64_t period)
{
	return arena_printf(arena, "%.5g CPU", (double)quota / (double)period);
}

struct limit rule_for(const struct apply *a, enum limit_type type)
{
	const struct policy_limits *l = &a->policy.limits;
	const char *const texts[] = {l->memory, l->swap, l->cpus, l->pids};
	struct limit limit;

	(void)limit_parse(type, texts[type], &limit);
	return limit;
}

/* Reads "max" as -1, or a number as the kernel's files take it, with unit if sized. Points *end
 * behind it. Returns -1 when it is neither. */
static int unified_parse(const char *text, bool sized, int64_t *out, const char **end)
{
	static const char units[] = "kmgtpe";
	char *stop = NULL;

	while (isspace((unsigned char)*text))
		text++;
	if (strncmp(text, "max", 3) == 0) {
		*out = -1;
		*end = text + 3;
		return 0;
	}
	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	long long value = strtoll(text, &stop, 10);
	const char *unit =
	    sized && *stop != '\0' ? strchr(units, tolower((unsigned char)*stop)) : NULL;
	unsigned int shift = unit != NULL ? 10 * (unsigned int)(unit - units + 1) : 0;

	if (errno != 0 || value > INT64_MAX >> shift)
		return -1;
	*out = (int64_t)value << shift;
	*end = stop + (unit != NULL ? 1 : 0);
	return 0;
}

static bool only_space(const char *text)
{
	return text[strspn(text, " \t\n")] == '\0';
}

static void unified_drop(struct apply *a, const char *key)
{
	struct str_map *map = &a->cfg->linux_.resources.unified;
	struct str_map left = {.items = NULL, .n = 0};

	for (size_t i = 0; i < map->n; i++) {
		if (strcmp(map->items[i].key, key) == 0)
			continue;
		left.items = arena_grow(a->arena, left.items, left.n, sizeof(*left.items));
		left.items[left.n++] = map->items[i];
	}
	*map = left;
}

/* In a list of its own: that of config.json stays as it was read. */
void unified_set(struct apply *a, const char *key, const char *value)
{
	unified_drop(a, key);
	str_map_set(a->arena, &a->cfg->linux_.resources.unified, arena_strdup(a->arena, key),
		    arena_strdup(a->arena, value));
}

int unified_take(struct apply *a, const char *key, bool sized, int64_t *out, int64_t *second)
{
	const char *text = str_map_get(&a->cfg->linux_.resources.unified, key);
	const char *end = NULL;

	if (text == NULL)
		return 0;
	bool good = unified_parse(text, sized, out, &end) == 0;

	if (good && second != NULL && !only_space(end))
		good = unified_parse(end, false, second, &end) == 0 && *second > 0;
	if (!good || !only_space(end)) {
		char *path = arena_printf(a->arena, "linux.resources.unified.%s", key);

		return refuse(a, path, "expected \"max\" or a number%s, got \"%s\"",
			      second != NULL ? " and a period" : "", text) < 0
			   ? -1
			   : 2;
	}
	unified_drop(a, key);
	return 1;
}

static bool applies(const struct limit *rule, const struct limit *lower)
{
	return rule->kind != LIMIT_UNLIMITED || lower->kind == LIMIT_VALUE;
}

static int refuse_unset(struct apply *a, const char *path)
{
	return refuse(a, path, "not set: this policy wants config.json to set this limit");
}

/* An annotation's limit over the one in force: only down. Returns 1 when it is to be used. */
static int lower_limit(struct apply *a, const char *name, int64_t now, int64_t wanted,
		       const char *now_text)
{
	char *path = arena_printf(a->arena, "annotations.io.runsafe.%s", name);

	if (now < 0 || wanted <= now)
		return 1;
	return refuse(a, path,
		      "would raise the limit (now %s): an annotation can only lower it; --allow "
		      "%s or a policy file can raise what config.json leaves open",
		      now_text, name);
}

static int fill_memory(struct apply *a, const struct limit *rule)
{
	struct opt_i64 *limit = &a->cfg->linux_.resources.memory.limit;

	if (limit->set && limit->value > 0)
		return 0;
	if (rule->kind == LIMIT_REQUIRED)
		return refuse_unset(a, MEMORY_PATH);
	if (rule->kind != LIMIT_VALUE)
		return 0;
	*limit = (struct opt_i64){.set = true, .value = rule->value};
	changed(a, MEMORY_PATH, "none: set to %s", size_text(a->arena, rule->value));
	return 0;
}

/* Swap without a limit of memory: config.json's sum can not say it, the kernel's file can. */
static void fill_bare_swap(struct apply *a, const struct limit *rule)
{
	a->cfg->linux_.resources.memory.swap = (struct opt_i64){.set = false};
	unified_set(a, "memory.swap.max", arena_printf(a->arena, "%lld", (long long)rule->value));
	changed(a, SWAP_PATH, "none: swap set to %s", size_text(a->arena, rule->value));
}

/* bare: bytes of swap from "memory.swap.max", or -1. */
static int fill_swap(struct apply *a, const struct limit *rule, int64_t bare)
{
	struct config_memory *m = &a->cfg->linux_.resources.memory;
	bool limited = m->limit.set && m->limit.value > 0;

	if (bare >= 0 && !limited) {
		fill_bare_swap(a, &(struct limit){.kind = LIMIT_VALUE, .value = bare});
		return 0;
	}
	if (bare >= 0) {
		bare = bare > INT64_MAX - m->limit.value ? INT64_MAX - m->limit.value : bare;
		m->swap = (struct opt_i64){.set = true, .value = m->limit.value + bare};
	}
	if (m->swap.set && m->swap.value > 0) {
		if (limited && m->swap.value < m->limit.value) {
			changed(a, SWAP_PATH, "below the memory limit: set to it, so no swap");
			m->swap.value = m->limit.value;
		}
		return 0;
	}
	if (rule->kind == LIMIT_REQUIRED)
		return refuse_unset(a, SWAP_PATH);
	if (rule->kind != LIMIT_VALUE)
		return 0;
	if (!limited) {
		fill_bare_swap(a, rule);
		return 0;
	}
	int64_t room = INT64_MAX - m->limit.value;

	m->swap = (struct opt_i64){
	    .set = true,
	    .value = m->limit.value + (rule->value > room ? room : rule->value),
	};
	changed(a, SWAP_PATH, "none: set to allow %s of swap", size_text(a->arena, rule->value));
	return 0;
}

static int lower_memory(struct apply *a)
{
	struct config_memory *m = &a->cfg->linux_.resources.memory;
	int64_t wanted = a->lower[LIMIT_MEMORY].value;
	int64_t now = m->limit.set && m->limit.value > 0 ? m->limit.value : -1;

	if (a->lower[LIMIT_MEMORY].kind != LIMIT_VALUE)
		return 0;
	int use = lower_limit(a, "memory", now, wanted, size_text(a->arena, now));

	if (use <= 0)
		return use;
	/* What is beyond memory, the swap, stays as large as it was. */
	if (m->swap.set && m->swap.value > 0 && now >= 0)
		m->swap.value -= now - wanted;
	m->limit = (struct opt_i64){.set = true, .value = wanted};
	return 0;
}

static int limit_memory(struct apply *a)
{
	struct config_memory *m = &a->cfg->linux_.resources.memory;
	struct limit memory = rule_for(a, LIMIT_MEMORY);
	struct limit swap = rule_for(a, LIMIT_SWAP);
	int64_t value = 0;
	int64_t bare = -1;
	int taken = 0;

	if (applies(&memory, &a->lower[LIMIT_MEMORY])) {
		taken = unified_take(a, "memory.max", true, &value, NULL);
		if (taken < 0)
			return -1;
		if (taken == 1)
			m->limit = (struct opt_i64){.set = true, .value = value};
		if (fill_memory(a, &memory) < 0)
			return -1;
	}
	if (swap.kind != LIMIT_UNLIMITED) {
		taken = unified_take(a, "memory.swap.max", true, &value, NULL);
		if (taken < 0)
			return -1;
		if (taken == 1) {
			m->swap = (struct opt_i64){.set = false};
			bare = value;
		}
		if (fill_swap(a, &swap, bare) < 0)
			return -1;
	}
	return lower_memory(a);
}

static int lower_cpus(struct apply *a)
{
	struct config_cpu *c = &a->cfg->linux_.resources.cpu;
	int64_t period =
	    c->period.set && c->period.value != 0 ? (int64_t)c->period.value : CPU_PERIOD;
	bool limited = c->quota.set && c->quota.value > 0;
	/* Both as quotas of config's own period. */
	int64_t wanted =
	    (int64_t)((double)a->lower[LIMIT_CPUS].value * (double)period / CPU_PERIOD);
	int64_t now = limited ? c->quota.value : -1;

	if (a->lower[LIMIT_CPUS].kind != LIMIT_VALUE)
		return 0;
	int use = lower_limit(a, "cpus", now, wanted, cpus_text(a->arena, now, period));

	if (use <= 0)
		return use;
	c->quota = (struct opt_i64){.set = true, .value = wanted < 1000 ? 1000 : wanted};
	c->period = (struct opt_u64){.set = true, .value = (uint64_t)period};
	return 0;
}

static int fill_cpus(struct apply *a, const struct limit *rule)
{
	struct config_cpu *c = &a->cfg->linux_.resources.cpu;
	uint64_t period = c->period.set && c->period.value != 0 ? c->period.value : CPU_PERIOD;
	int64_t quota = (int64_t)((double)rule->value * (double)period / CPU_PERIOD);

	if (c->quota.set && c->quota.value > 0)
		return 0;
	if (rule->kind == LIMIT_REQUIRED)
		return refuse_unset(a, CPU_PATH);
	if (rule->kind != LIMIT_VALUE)
		return 0;
	c->quota = (struct opt_i64){.set = true, .value = quota < 1000 ? 1000 : quota};
	c->period = (struct opt_u64){.set = true, .value = period};
	changed(a, CPU_PATH, "none: set to %s", cpus_text(a->arena, rule->value, CPU_PERIOD));
	return 0;
}

static int limit_cpus(struct apply *a)
{
	struct config_cpu *c = &a->cfg->linux_.resources.cpu;
	struct limit rule = rule_for(a, LIMIT_CPUS);
	int64_t quota = 0;
	int64_t period = CPU_PERIOD;

	if (!applies(&rule, &a->lower[LIMIT_CPUS]))
		return 0;
	int taken = unified_take(a, "cpu.max", false, &quota, &period);

	if (taken < 0)
		return -1;
	if (taken == 1) {
		c->quota = (struct opt_i64){.set = true, .value = quota};
		c->period = (struct opt_u64){.set = true, .value = (uint64_t)period};
	}
	return fill_cpus(a, &rule) < 0 ? -1 : lower_cpus(a);
}

static int limit_pids(struct apply *a)
{
	struct config_pids *p = &a->cfg->linux_.resources.pids;
	struct limit rule = rule_for(a, LIMIT_PIDS);
	const struct limit *lower = &a->lower[LIMIT_PIDS];
	int64_t value = 0;

	if (!applies(&rule, lower))
		return 0;
	int taken = unified_take(a, "pids.max", false, &value, NULL);

	if (taken < 0)
		return -1;
	if (taken == 1)
		*p = (struct config_pids){.present = true, .limit = {.set = true, .value = value}};
	/* 0 is a limit: no process beyond the first. */
	bool limited = p->limit.set && p->limit.value >= 0;

	if (!limited && rule.kind == LIMIT_REQUIRED && refuse_unset(a, PIDS_PATH) < 0)
		return -1;
	if (!limited && rule.kind == LIMIT_VALUE) {
		changed(a, PIDS_PATH, "none: set to %lld", (long long)rule.value);
		*p = (struct config_pids){.present = true,
					  .limit = {.set = true, .value = rule.value}};
		limited = true;
	}
	if (lower->kind != LIMIT_VALUE)
		return 0;
	int64_t now = limited ? p->limit.value : -1;
	int use = lower_limit(a, "pids", now, lower->value,
			      arena_printf(a->arena, "%lld", (long long)now));

	if (use > 0)
		*p = (struct config_pids){.present = true,
					  .limit = {.set = true, .value = lower->value}};
	return use < 0 ? -1 : 0;
}

int rule_limits(struct apply *a)
{
	struct config_resources *r = &a->cfg->linux_.resources;

	if (limit_memory(a) < 0 || limit_cpus(a) < 0 || limit_pids(a) < 0)
		return -1;
	if ((r->memory.limit.set || r->cpu.quota.set || r->pids.present) && !r->present) {
		r->present = true;
		a->cfg->linux_.present = true;
	}
	return 0;
}
