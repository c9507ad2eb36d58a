/* Scheduler, I/O priority, memory policy and CPUs of the workload. They need the host's rights, so
 * they come before the user change; where a user namespace has taken those already, the runtime
 * does it from outside. */
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_internal.h"

/* sched_setattr(2). Newer C libraries have a struct sched_attr of their own. */
struct scheduler_attributes {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

/* sched(7) */
enum { FIFO = 1, RR = 2, ISO = 4, DEADLINE = 6 };

static int set_scheduler(const struct plan_scheduler *s, pid_t pid)
{
	struct scheduler_attributes attributes = {
	    .size = sizeof(attributes),
	    .policy = s->policy,
	    .flags = s->flags,
	    .nice = s->nice,
	    .priority = s->priority,
	    .runtime = s->runtime,
	    .deadline = s->deadline,
	    .period = s->period,
	};

	return (int)syscall(SYS_sched_setattr, pid, &attributes, 0);
}

static int explain_scheduler(const struct plan_scheduler *s, int errnum, struct error *err)
{
	const char *hint = "";

	if (errnum == EINVAL && s->policy == ISO)
		hint = " (no Linux has SCHED_ISO)";
	else if (errnum == EPERM && s->policy == DEADLINE)
		hint = " (CAP_SYS_NICE, and a cpuset with all CPUs of its root domain: sched(7))";
	else if (errnum == EPERM && (s->policy == FIFO || s->policy == RR))
		hint = " (CAP_SYS_NICE; a kernel with CONFIG_RT_GROUP_SCHED lets real-time "
		       "processes into the root cgroup only)";
	else if (errnum == EPERM || errnum == EACCES)
		hint = " (it needs CAP_SYS_NICE)";
	else if (errnum == EBUSY)
		hint = " (there is not that much CPU time left for SCHED_DEADLINE)";
	return error_errno(err, errnum, "setting process.scheduler%s", hint);
}

static int explain_io_priority(int errnum, struct error *err)
{
	return error_errno(
	    err, errnum, "setting process.ioPriority%s",
	    errnum == EPERM ? " (IOPRIO_CLASS_RT needs CAP_SYS_NICE or CAP_SYS_ADMIN)" : "");
}

static int set_io_priority(const struct plan *plan, pid_t pid)
{
	enum { WHO_PROCESS = 1 }; /* ioprio_set(2): no header has it */

	return (int)syscall(SYS_ioprio_set, WHO_PROCESS, pid, plan->io_priority);
}

int priorities_set(const struct plan *plan, pid_t pid, struct error *err)
{
	if (plan->scheduler.set && set_scheduler(&plan->scheduler, pid) < 0)
		return explain_scheduler(&plan->scheduler, errno, err);
	if (plan->io_priority_set && set_io_priority(plan, pid) < 0)
		return explain_io_priority(errno, err);
	return 0;
}

int step_priorities(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	/* The clone would not hand all of them on: the runtime does it then (sandbox_wait()). */
	if (clones_inside(plan) || priorities_set(plan, 0, err) == 0)
		return 0;
	if (!plan->user_namespace || err->number != EPERM)
		return -1;
	/* CAP_SYS_NICE counts in the first user namespace only: the runtime may have it. */
	*err = (struct error)ERROR_INIT;
	if (child_tell(child, MESSAGE_PRIORITIES, -1) < 0 || child_wait_for_parent(child, err) < 0)
		return error_wrap(err, "waiting for the runtime to set them");
	return 0;
}

int step_memory_policy(struct child *child, struct error *err)
{
	const struct plan_memory_policy *m = &child->plan->memory_policy;
	const char *hint = "";

	if (!m->set)
		return 0;
	/* The kernel takes one bit less than it is told (set_mempolicy(2), BUGS). */
	unsigned long bits = m->nodes.words ? m->nodes.n_words * 8 * sizeof(unsigned long) + 1 : 0;
	if (syscall(SYS_set_mempolicy, m->mode, m->nodes.words, bits) == 0)
		return 0;
	if (errno == EINVAL)
		hint = " (a mode, flag or node that this kernel or machine does not have, or no "
		       "node that the cpuset allows; /sys/devices/system/node/has_memory)";
	else if (errno == ENOSYS)
		hint = " (this kernel is built without CONFIG_NUMA)";
	return error_errno(err, errno, "setting linux.memoryPolicy%s", hint);
}

int affinity_set(const struct plan_number_set *cpus, const char *name, struct error *err)
{
	if (cpus->words && syscall(SYS_sched_setaffinity, 0, cpus->n_words * sizeof(*cpus->words),
				   cpus->words) < 0)
		return error_errno(err, errno, "setting process.execCPUAffinity.%s%s", name,
				   errno == EINVAL ? " (none of these CPUs is there, or is in the "
						     "cgroup's cpuset)"
						   : "");
	return 0;
}

int step_final_cpus(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;
	unsigned long all[8192 / (8 * sizeof(unsigned long))];

	if (plan->final_cpus.words || !plan->initial_cpus.words)
		return affinity_set(&plan->final_cpus, "final", err);
	/* None said: what the cgroup has, not what the runtime was put on before (config.md). */
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		all[i] = ~0UL;
	return affinity_set(
	    &(struct plan_number_set){.words = all, .n_words = sizeof(all) / sizeof(all[0])},
	    "final", err);
}
