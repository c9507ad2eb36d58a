/*
 * Ahead of others: what the kernel gives to CAP_SYS_NICE, CAP_SYS_ADMIN and CAP_SYS_RESOURCE only
 * (sched(7), ioprio_set(2), setrlimit(2), proc_pid_oom_score_adj(5)). The runtime has these, so a
 * workload without a capability would get from it what it could not get by itself. Real-time
 * classes stand outside of the limits, too: cpu.max does not hold them.
 */
#include <string.h>

#include "policy_internal.h"

#define NICE_CEILING 20 /* of RLIMIT_NICE: nice 0 (getrlimit(2)) */

/* Something that is left out: 1 when it is to be; 0 when it stays, or its refusal was recorded. */
static int leave_out(struct apply *a, const char *path, const char *what, const char *made)
{
	const char *word = a->policy.process.priority;

	if (word_is(word, WORD_KEEP))
		return 0;
	if (word_is(word, WORD_REFUSE))
		return refuse(a, path, "%s: this policy refuses it", what);
	changed(a, path, "%s: %s (--allow priority would keep it)", what, made);
	return 1;
}

static int scheduler(struct apply *a)
{
	struct config_scheduler *s = a->cfg->process.scheduler;
	int drop = 0;

	if (s == NULL)
		return 0;
	if (word_is(s->policy, "SCHED_FIFO") || word_is(s->policy, "SCHED_RR") ||
	    word_is(s->policy, "SCHED_DEADLINE")) {
		drop = leave_out(a, "process.scheduler",
				 arena_printf(a->arena, "%s, ahead of all others", s->policy),
				 "left out");
		if (drop > 0)
			a->cfg->process.scheduler = NULL;
		return drop;
	}
	if (!s->nice.set || s->nice.value >= 0)
		return 0;
	drop = leave_out(a, "process.scheduler.nice",
			 arena_printf(a->arena, "%lld, ahead of others", (long long)s->nice.value),
			 "made 0");
	if (drop <= 0)
		return drop;
	struct config_scheduler *copy = arena_alloc(a->arena, sizeof(*copy));

	*copy = *s;
	copy->nice.value = 0;
	a->cfg->process.scheduler = copy;
	return 0;
}

static int io_priority(struct apply *a)
{
	const struct config_io_priority *p = a->cfg->process.io_priority;

	if (p == NULL || !word_is(p->class_, "IOPRIO_CLASS_RT"))
		return 0;
	int drop =
	    leave_out(a, "process.ioPriority", "IOPRIO_CLASS_RT, ahead of all others", "left out");

	if (drop > 0)
		a->cfg->process.io_priority = NULL;
	return drop;
}

/* The highest value that asks for nothing, or UINT64_MAX. */
static uint64_t ceiling(const struct config_rlimit *limit)
{
	if (word_is(limit->type, "RLIMIT_RTPRIO"))
		return 0;
	return word_is(limit->type, "RLIMIT_NICE") ? NICE_CEILING : UINT64_MAX;
}

static int rlimits(struct apply *a)
{
	struct config_process *p = &a->cfg->process;
	struct config_rlimit *copy = NULL;

	for (size_t i = 0; i < p->n_rlimits; i++) {
		struct config_rlimit limit = p->rlimits[i];
		const uint64_t most = ceiling(&limit);

		if (limit.soft > most || limit.hard > most) {
			int drop = leave_out(
			    a, arena_printf(a->arena, "process.rlimits[%zu]", i),
			    arena_printf(a->arena, "%s of %llu lets it go ahead of others",
					 limit.type, (unsigned long long)limit.hard),
			    arena_printf(a->arena, "made %llu", (unsigned long long)most));

			if (drop < 0)
				return -1;
			if (drop > 0)
				limit.soft = limit.hard = most;
		}
		copy = arena_grow(a->arena, copy, i, sizeof(*copy));
		copy[i] = limit;
	}
	p->rlimits = copy;
	return 0;
}

int rule_priority(struct apply *a)
{
	if (scheduler(a) < 0 || io_priority(a) < 0)
		return -1;
	return rlimits(a);
}

int exec_oom_score(struct apply *a, const struct config *container)
{
	struct opt_i64 *score = &a->cfg->process.oom_score_adj;
	const struct opt_i64 own = container->process.oom_score_adj;
	/* Without one the container's process has the runtime's, which is 0 or above unless the
	   whole host was tuned. */
	const int64_t floor = own.set ? own.value : 0;

	if (!score->set || score->value >= floor)
		return 0;
	int drop =
	    leave_out(a, "process.oomScoreAdj",
		      arena_printf(a->arena, "%lld, spared before the container's own (%lld)",
				   (long long)score->value, (long long)floor),
		      "made that of the container");

	if (drop > 0)
		*score = own;
	return drop < 0 ? -1 : 0;
}

/* A label is a profile that confines; "unconfined" is AppArmor's word for none. */
static bool confines(const char *label)
{
	return label != NULL && label[0] != '\0' && strcmp(label, "unconfined") != 0;
}

static int label(struct apply *a, const char *path, char *own, char **wanted)
{
	const char *word = a->policy.process.labels;

	/* Where the container has none, any is better. */
	if (word_is(word, WORD_KEEP) || !confines(own))
		return 0;
	/* None, or an empty one, must not mean the runtime's own. */
	if (*wanted == NULL || (*wanted)[0] == '\0' || strcmp(*wanted, own) == 0) {
		*wanted = own;
		return 0;
	}
	if (word_is(word, WORD_REFUSE))
		return refuse(a, path,
			      "\"%s\" is not the container's own, \"%s\": this policy refuses "
			      "another",
			      *wanted, own);
	changed(a, path, "\"%s\": made the container's own, \"%s\"", *wanted, own);
	*wanted = own;
	return 0;
}

int exec_labels(struct apply *a, const struct config *container)
{
	struct config_process *p = &a->cfg->process;

	if (label(a, "process.apparmorProfile", container->process.apparmor_profile,
		  &p->apparmor_profile) < 0)
		return -1;
	return label(a, "process.selinuxLabel", container->process.selinux_label,
		     &p->selinux_label);
}
