/* Where and when the workload may run: scheduler, I/O priority, memory policy, CPUs (config.md,
 * "Linux Process"; config-linux.md, "Memory policy"). */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "plan_internal.h"

struct word {
	const char *name;
	uint32_t value;
};

/* sched(7); include/uapi/linux/sched.h. Numbers, since not all headers have all names. */
enum { FIFO = 1, RR = 2, DEADLINE = 6 };
static const struct word policies[] = {
    {"SCHED_OTHER", 0},
    {"SCHED_FIFO", FIFO},
    {"SCHED_RR", RR},
    {"SCHED_BATCH", 3},
    {"SCHED_ISO", 4},
    {"SCHED_IDLE", 5},
    {"SCHED_DEADLINE", DEADLINE},
    {NULL, 0},
};

enum { RESET_ON_FORK = 0x01 };
static const struct word scheduler_flags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", RESET_ON_FORK},
    {"SCHED_FLAG_RECLAIM", 0x02},
    {"SCHED_FLAG_DL_OVERRUN", 0x04},
    {"SCHED_FLAG_KEEP_POLICY", 0x08},
    {"SCHED_FLAG_KEEP_PARAMS", 0x10},
    {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40},
    {NULL, 0},
};

/* ioprio_set(2) */
static const struct word io_classes[] = {
    {"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}, {NULL, 0}};
#define IO_CLASS_SHIFT 13

/* set_mempolicy(2); include/uapi/linux/mempolicy.h */
enum { MODE_DEFAULT = 0, MODE_PREFERRED = 1, MODE_LOCAL = 4 };
static const struct word memory_modes[] = {
    {"MPOL_DEFAULT", MODE_DEFAULT},
    {"MPOL_PREFERRED", MODE_PREFERRED},
    {"MPOL_BIND", 2},
    {"MPOL_INTERLEAVE", 3},
    {"MPOL_LOCAL", MODE_LOCAL},
    {"MPOL_PREFERRED_MANY", 5},
    {"MPOL_WEIGHTED_INTERLEAVE", 6},
    {NULL, 0},
};
static const struct word memory_flags[] = {
    {"MPOL_F_STATIC_NODES", 1U << 15},
    {"MPOL_F_RELATIVE_NODES", 1U << 14},
    {"MPOL_F_NUMA_BALANCING", 1U << 13},
    {NULL, 0},
};

/* The largest that a kernel can be built for (x86: CONFIG_NR_CPUS; MAX_NUMNODES). */
#define MAX_CPUS  8192
#define MAX_NODES 1024
#define WORD_BITS (CHAR_BIT * sizeof(unsigned long))

static const char *const *names(const struct word *list, const char **out)
{
	size_t n = 0;

	for (; list[n].name; n++)
		out[n] = list[n].name;
	out[n] = NULL;
	return out;
}

const char *const *plan_memory_modes(void)
{
	static const char *out[sizeof(memory_modes) / sizeof(memory_modes[0])];

	return names(memory_modes, out);
}

const char *const *plan_memory_flags(void)
{
	static const char *out[sizeof(memory_flags) / sizeof(memory_flags[0])];

	return names(memory_flags, out);
}

static int find(struct planner *p, const struct word *list, const char *path, const char *name,
		uint32_t *value)
{
	char *known = NULL;

	for (const struct word *w = list; w->name; w++) {
		if (name && strcmp(w->name, name) == 0) {
			*value = w->value;
			return 0;
		}
		known = arena_printf(p->arena, "%s%s%s", known ? known : "", known ? ", " : "",
				     w->name);
	}
	return error_set(p->err, "%s: expected one of %s, got \"%s\"", path, known,
			 name ? name : "");
}

static int find_flags(struct planner *p, const struct word *list, const char *path,
		      const struct str_list *flags, uint32_t *out)
{
	for (size_t i = 0; i < flags->n; i++) {
		uint32_t value = 0;
		const char *at = arena_printf(p->arena, "%s[%zu]", path, i);

		if (find(p, list, at, flags->items[i], &value) < 0)
			return -1;
		*out |= value;
	}
	return 0;
}

/* The kernel would only say "invalid argument" (sched(7), "SCHED_DEADLINE"). */
static int check_deadline(struct planner *p, const struct plan_scheduler *s)
{
	/* The kernel takes no period as one that is as long as the deadline. */
	uint64_t period = s->period ? s->period : s->deadline;

	if (s->runtime < 1024 || s->runtime > s->deadline || s->deadline > period)
		return error_set(p->err,
				 "process.scheduler: SCHED_DEADLINE expects 1024 <= runtime <= "
				 "deadline <= period (nanoseconds), got %llu, %llu, %llu",
				 (unsigned long long)s->runtime, (unsigned long long)s->deadline,
				 (unsigned long long)s->period);
	if (!(s->flags & RESET_ON_FORK) && p->config->hooks.start_container.n > 0)
		return error_set(p->err,
				 "process.scheduler: hooks.startContainer can not run, since a "
				 "SCHED_DEADLINE process may not fork (sched(7)): add "
				 "SCHED_FLAG_RESET_ON_FORK to process.scheduler.flags");
	return 0;
}

static int plan_scheduler(struct planner *p)
{
	const struct config_scheduler *wanted = p->config->process.scheduler;
	struct plan_scheduler *s = &p->plan->scheduler;
	uint32_t flags = 0;

	if (!wanted)
		return 0;
	if (find(p, policies, "process.scheduler.policy", wanted->policy, &s->policy) < 0 ||
	    find_flags(p, scheduler_flags, "process.scheduler.flags", &wanted->flags, &flags) < 0)
		return -1;
	s->set = true;
	s->flags = flags;
	s->nice = (int32_t)wanted->nice.value;
	s->priority = (uint32_t)wanted->priority.value;
	s->runtime = wanted->runtime.value;
	s->deadline = wanted->deadline.value;
	s->period = wanted->period.value;
	bool real_time = s->policy == FIFO || s->policy == RR;
	if (real_time ? s->priority < 1 || s->priority > 99 : s->priority != 0)
		return error_set(p->err, "process.scheduler.priority: %s expects %s, got %u",
				 wanted->policy, real_time ? "1 to 99" : "0 or none", s->priority);
	if (s->policy == DEADLINE)
		return check_deadline(p, s);
	if (s->runtime || s->deadline || s->period)
		return error_set(p->err,
				 "process.scheduler: runtime, deadline and period are for "
				 "SCHED_DEADLINE only, not for %s",
				 wanted->policy);
	return 0;
}

static int plan_io_priority(struct planner *p)
{
	const struct config_io_priority *wanted = p->config->process.io_priority;
	uint32_t class_ = 0;

	if (!wanted)
		return 0;
	if (find(p, io_classes, "process.ioPriority.class", wanted->class_, &class_) < 0)
		return -1;
	if (wanted->priority < 0 || wanted->priority > 7)
		return error_set(p->err, "process.ioPriority.priority: expected 0 to 7, got %lld",
				 (long long)wanted->priority);
	p->plan->io_priority_set = true;
	p->plan->io_priority = (int)(class_ << IO_CLASS_SHIFT) | (int)wanted->priority;
	return 0;
}

static const char *skip_spaces(const char *at)
{
	return at + strspn(at, " ");
}

/* Reads a number below limit; returns what follows it and blanks, or NULL. */
static const char *read_number(const char *at, unsigned long limit, unsigned long *out)
{
	char *end;

	/* strtoul(3) alone would take a sign. */
	if (!isdigit((unsigned char)*at))
		return NULL;
	*out = strtoul(at, &end, 10);
	return *out < limit ? skip_spaces(end) : NULL;
}

static int parse_set(struct planner *p, const char *path, const char *text, unsigned long limit,
		     struct plan_number_set *out)
{
	const char *at = skip_spaces(text);
	unsigned long first = 0, last = 0;
	size_t n_words = (limit + WORD_BITS - 1) / WORD_BITS;
	unsigned long *words = arena_alloc(p->arena, n_words * sizeof(*words));

	for (;; at = skip_spaces(at + 1)) {
		at = read_number(at, limit, &first);
		last = first;
		if (at && *at == '-')
			at = read_number(skip_spaces(at + 1), limit, &last);
		if (!at || last < first)
			break;
		for (unsigned long i = first; i <= last; i++)
			words[i / WORD_BITS] |= 1UL << i % WORD_BITS;
		if (!*at) {
			*out = (struct plan_number_set){.words = words, .n_words = n_words};
			return 0;
		}
		if (*at != ',')
			break;
	}
	return error_set(p->err,
			 "%s: expected numbers and ranges below %lu such as \"0-3,7\", got \"%s\"",
			 path, limit, text);
}

int plan_cpu_list(struct planner *p, const char *path, const char *text,
		  struct plan_number_set *out)
{
	if (!text || !*text)
		return 0;
	return parse_set(p, path, text, MAX_CPUS, out);
}

static int plan_cpus(struct planner *p)
{
	const struct config_cpu_affinity *wanted = p->config->process.exec_cpu_affinity;

	if (!wanted)
		return 0;
	if (plan_cpu_list(p, "process.execCPUAffinity.initial", wanted->initial,
			  &p->plan->initial_cpus) < 0)
		return -1;
	return plan_cpu_list(p, "process.execCPUAffinity.final", wanted->final_,
			     &p->plan->final_cpus);
}

static int plan_memory(struct planner *p)
{
	const struct config_memory_policy *wanted = p->config->linux_.memory_policy;
	struct plan_memory_policy *m = &p->plan->memory_policy;
	uint32_t mode = 0, flags = 0;

	if (!wanted)
		return 0;
	if (find(p, memory_modes, "linux.memoryPolicy.mode", wanted->mode, &mode) < 0 ||
	    find_flags(p, memory_flags, "linux.memoryPolicy.flags", &wanted->flags, &flags) < 0)
		return -1;
	bool nodes = wanted->nodes && *wanted->nodes;
	bool takes_none = mode == MODE_DEFAULT || mode == MODE_LOCAL;
	if (nodes && takes_none)
		return error_set(p->err, "linux.memoryPolicy.nodes: %s takes no nodes, got \"%s\"",
				 wanted->mode, wanted->nodes);
	if (!nodes && !takes_none && mode != MODE_PREFERRED)
		return error_set(p->err,
				 "linux.memoryPolicy.nodes: %s expects nodes such as "
				 "\"0-1\", got none",
				 wanted->mode);
	m->set = true;
	m->mode = (int)(mode | flags);
	return nodes ? parse_set(p, "linux.memoryPolicy.nodes", wanted->nodes, MAX_NODES, &m->nodes)
		     : 0;
}

int plan_attributes(struct planner *p)
{
	if (plan_scheduler(p) < 0 || plan_io_priority(p) < 0 || plan_cpus(p) < 0)
		return -1;
	return plan_memory(p);
}
