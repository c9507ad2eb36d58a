/* config.md: "Linux Process" (scheduler, ioPriority, execCPUAffinity) and config-linux.md: "Memory
 * policy". What needs a privilege or a newer kernel is the kernel's to refuse. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

/* The kernel's own bounds: CONFIG_NR_CPUS is at most 8192, MAX_NUMNODES 1024. */
#define CPU_MAX	 8191
#define NODE_MAX 1023

/* sched_setattr(2) takes no less than this for SCHED_DEADLINE, and no bit 63. */
#define RUNTIME_MIN 1024
#define LIST_BYTES  65536
#define TIME_MAX    INT64_MAX

static const char *const policy_words[] = {
    "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR",	   "SCHED_BATCH",
    "SCHED_ISO",   "SCHED_IDLE", "SCHED_DEADLINE", NULL,
};

static const char *const sched_flag_words[] = {
    "SCHED_FLAG_RESET_ON_FORK",	 "SCHED_FLAG_RECLAIM",
    "SCHED_FLAG_DL_OVERRUN",	 "SCHED_FLAG_KEEP_POLICY",
    "SCHED_FLAG_KEEP_PARAMS",	 "SCHED_FLAG_UTIL_CLAMP_MIN",
    "SCHED_FLAG_UTIL_CLAMP_MAX", NULL,
};

static const struct json_field scheduler_fields[] = {
    FIELD(config_scheduler, policy, "policy", JSON_STRING, .flags = JSON_REQUIRED,
	  .words = policy_words),
    FIELD(config_scheduler, nice, "nice", JSON_OPT_I64, .min = -20, .max = 19),
    FIELD(config_scheduler, priority, "priority", JSON_OPT_I64, .max = 99),
    FIELD(config_scheduler, flags, "flags", JSON_STRING_LIST, .words = sched_flag_words),
    FIELD(config_scheduler, runtime, "runtime", JSON_OPT_U64, .max = TIME_MAX),
    FIELD(config_scheduler, deadline, "deadline", JSON_OPT_U64, .max = TIME_MAX),
    FIELD(config_scheduler, period, "period", JSON_OPT_U64, .max = TIME_MAX),
    FIELDS_END,
};

const struct json_table config_scheduler_table = TABLE(config_scheduler, scheduler_fields);

static const char *const io_class_words[] = {"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE",
					     "IOPRIO_CLASS_IDLE", NULL};

static const struct json_field io_priority_fields[] = {
    FIELD(config_io_priority, class_, "class", JSON_STRING, .flags = JSON_REQUIRED,
	  .words = io_class_words),
    FIELD(config_io_priority, priority, "priority", JSON_I64, .max = 7),
    FIELDS_END,
};

const struct json_table config_io_priority_table = TABLE(config_io_priority, io_priority_fields);

static const struct json_field cpu_affinity_fields[] = {
    FIELD(config_cpu_affinity, initial, "initial", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELD(config_cpu_affinity, final_, "final", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELDS_END,
};

const struct json_table config_cpu_affinity_table = TABLE(config_cpu_affinity, cpu_affinity_fields);

static const char *const mode_words[] = {
    "MPOL_DEFAULT",   "MPOL_BIND",	     "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE",
    "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL",	NULL,
};

static const char *const mode_flag_words[] = {
    "MPOL_F_NUMA_BALANCING",
    "MPOL_F_RELATIVE_NODES",
    "MPOL_F_STATIC_NODES",
    NULL,
};

static const struct json_field memory_policy_fields[] = {
    FIELD(config_memory_policy, mode, "mode", JSON_STRING, .flags = JSON_REQUIRED,
	  .words = mode_words),
    FIELD(config_memory_policy, nodes, "nodes", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELD(config_memory_policy, flags, "flags", JSON_STRING_LIST, .words = mode_flag_words),
    FIELDS_END,
};

const struct json_table config_memory_policy_table =
    TABLE(config_memory_policy, memory_policy_fields);

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

/* Steps over blanks, digits and blanks; false if it is no number up to max. */
static bool skip_number(const char **text, unsigned long max, unsigned long *value)
{
	char *end;

	*text += strspn(*text, " ");
	if (**text < '0' || **text > '9')
		return false;
	*value = strtoul(*text, &end, 10);
	*text = end + strspn(end, " ");
	return *value <= max;
}

/* "0-3,7": no empty part, no range that runs backwards. */
static bool is_number_list(const char *text, unsigned long max)
{
	for (;; text++) {
		unsigned long first;
		unsigned long last;

		if (!skip_number(&text, max, &first))
			return false;
		last = first;
		if (*text == '-') {
			text++;
			if (!skip_number(&text, max, &last) || last < first)
				return false;
		}
		if (*text != ',')
			return *text == '\0';
	}
}

static int check_list(const struct config_check *c, const char *key, const char *text,
		      unsigned long max)
{
	/* With all of its numbers a list has 40 KiB: longer ones say them again and again. */
	if (text && strlen(text) > LIST_BYTES)
		return config_wrong(c, "%s: expected at most %d bytes, got %zu", key, LIST_BYTES,
				    strlen(text));
	if (!text || is_number_list(text, max))
		return 0;
	return config_wrong(c, "%s: expected a list such as \"0-3,7\" of numbers up to %lu, got %s",
			    key, max, json_shown(c->arena, text));
}

int config_check_cpu_affinity(const struct config_check *c,
			      const struct config_cpu_affinity *affinity)
{
	if (check_list(c, "execCPUAffinity.initial", affinity->initial, CPU_MAX) < 0)
		return -1;
	return check_list(c, "execCPUAffinity.final", affinity->final_, CPU_MAX);
}

/* Absent times are 0, as the specification says; a period of 0 is the deadline (sched(7)). */
static int check_deadline(const struct config_check *c, const struct config_scheduler *s)
{
	if (s->runtime.value < RUNTIME_MIN)
		return config_wrong(c,
				    "scheduler.runtime: expected at least %d nanoseconds with "
				    "SCHED_DEADLINE, got %" PRIu64,
				    RUNTIME_MIN, s->runtime.value);
	if (s->deadline.value < s->runtime.value)
		return config_wrong(c,
				    "scheduler.deadline: expected at least the runtime %" PRIu64
				    " with SCHED_DEADLINE, got %" PRIu64,
				    s->runtime.value, s->deadline.value);
	if (s->period.value != 0 && s->period.value < s->deadline.value)
		return config_wrong(c,
				    "scheduler.period: expected 0, or at least the deadline "
				    "%" PRIu64 ", got %" PRIu64,
				    s->deadline.value, s->period.value);
	return 0;
}

static int check_no_time(const struct config_check *c, const struct config_scheduler *s,
			 const char *key, struct opt_u64 value)
{
	if (value.value == 0)
		return 0;
	return config_wrong(
	    c, "scheduler.%s: expected only with SCHED_DEADLINE, got %" PRIu64 " with %s", key,
	    value.value, s->policy);
}

/* Nice is taken with every policy, since runc takes it: the kernel keeps it for the time when the
 * process goes back to SCHED_OTHER or SCHED_BATCH. */
int config_check_scheduler(const struct config_check *c, const struct config_scheduler *s)
{
	bool realtime = is_one_of(s->policy, (const char *const[]){"SCHED_FIFO", "SCHED_RR", NULL});

	if (strcmp(s->policy, "SCHED_ISO") == 0)
		return config_wrong(c,
				    "scheduler.policy: SCHED_ISO is reserved, and no Linux kernel "
				    "has it (sched(7)); use SCHED_RR or SCHED_FIFO");
	if (realtime && s->priority.value == 0)
		return config_wrong(c,
				    "scheduler.priority: expected a whole number from 1 to 99 "
				    "with %s, %s",
				    s->policy, s->priority.set ? "got 0" : "but it is missing");
	if (!realtime && s->priority.value != 0)
		return config_wrong(c,
				    "scheduler.priority: expected only with SCHED_FIFO or "
				    "SCHED_RR, got %" PRId64 " with %s",
				    s->priority.value, s->policy);
	if (strcmp(s->policy, "SCHED_DEADLINE") == 0)
		return check_deadline(c, s);
	if (check_no_time(c, s, "runtime", s->runtime) < 0 ||
	    check_no_time(c, s, "deadline", s->deadline) < 0)
		return -1;
	return check_no_time(c, s, "period", s->period);
}

/* As set_mempolicy(2) has them: which flag goes with which mode. */
static int check_mode_flags(const struct config_check *c, const struct config_memory_policy *policy)
{
	bool fixed = str_list_has(&policy->flags, "MPOL_F_STATIC_NODES");
	bool relative = str_list_has(&policy->flags, "MPOL_F_RELATIVE_NODES");
	static const char *const balanced[] = {"MPOL_BIND", "MPOL_PREFERRED_MANY", NULL};

	if (fixed && relative)
		return config_wrong(c,
				    "memoryPolicy.flags: expected one of MPOL_F_STATIC_NODES and "
				    "MPOL_F_RELATIVE_NODES, got both");
	if ((fixed || relative) && !policy->nodes)
		return config_wrong(c,
				    "memoryPolicy.flags: expected %s only with nodes, but nodes "
				    "is missing",
				    fixed ? "MPOL_F_STATIC_NODES" : "MPOL_F_RELATIVE_NODES");
	if (str_list_has(&policy->flags, "MPOL_F_NUMA_BALANCING") &&
	    !is_one_of(policy->mode, balanced))
		return config_wrong(c,
				    "memoryPolicy.flags: expected MPOL_F_NUMA_BALANCING only with "
				    "MPOL_BIND or MPOL_PREFERRED_MANY, got it with %s",
				    policy->mode);
	return 0;
}

int config_check_memory_policy(const struct config_check *c,
			       const struct config_memory_policy *policy)
{
	static const char *const without_nodes[] = {"MPOL_DEFAULT", "MPOL_LOCAL", NULL};

	if (check_list(c, "memoryPolicy.nodes", policy->nodes, NODE_MAX) < 0)
		return -1;
	if (is_one_of(policy->mode, without_nodes)) {
		if (policy->nodes)
			return config_wrong(c, "memoryPolicy.nodes: expected none with %s, got %s",
					    policy->mode, json_shown(c->arena, policy->nodes));
	} else if (!policy->nodes && strcmp(policy->mode, "MPOL_PREFERRED") != 0) {
		/* MPOL_PREFERRED without nodes is MPOL_LOCAL. */
		return config_wrong(c,
				    "memoryPolicy.nodes: expected a list such as \"0-3,7\" with "
				    "%s, but it is missing",
				    policy->mode);
	}
	return check_mode_flags(c, policy);
}
