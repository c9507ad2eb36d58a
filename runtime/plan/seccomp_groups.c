/*
 * A program that starts as root makes itself an ordinary user: setgroups(2), setgid(2), setuid(2)
 * (celery --uid=1000 --gid=1000, initgroups(3) in many others). A workload that is that user
 * already may do the last two, but not the first, which asks for CAP_SETGID whatever it is called
 * with. Where the workload has no group but its own, at most one group leads nowhere else: such a
 * call is said to have succeeded. It gets no right by that, and nobody goes on with groups that he
 * believes to have left: there are none. With further groups, or with CAP_SETGID, it is the
 * kernel's; and without no_new_privs, where set-group-ID programs have more groups than that, and
 * where filters are loaded before the runtime itself has left the caller's groups
 * (sandbox/steps.c).
 */
#include <linux/capability.h>
#include <sys/syscall.h>

#include "plan_internal.h"
#include "seccomp_bpf.h"

static const struct sock_filter instructions[] = {
    LOAD(arch),
    IF(ARCH, 0, 4),
    LOAD(nr),
    IF(SYS_setgroups, 0, 2),
    /* An int: the lower half. */
    LOAD(args[0]),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 1, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
};

static bool has_no_group_but_its_own(const struct plan *plan)
{
	/* Then the caller's own groups stay (check_denied_groups()). */
	if (plan->deny_setgroups)
		return false;
	for (size_t i = 0; i < plan->n_groups; i++)
		if (plan->groups[i] != plan->gid)
			return false;
	return true;
}

void plan_groups_filter(struct planner *p)
{
	const struct plan_capabilities *c = &p->plan->capabilities;
	uint64_t any = c->bounding | c->permitted | c->inheritable | c->ambient | c->effective;

	if (!p->hardening->builtin_seccomp || !p->plan->no_new_privileges ||
	    (any >> CAP_SETGID & 1) || !has_no_group_but_its_own(p->plan))
		return;
	p->plan->filters[p->plan->n_filters++] = (struct seccomp_program){
	    .instructions = instructions,
	    .length = sizeof(instructions) / sizeof(instructions[0]),
	};
}
