/*
 * What stands in for sysctl vm.memfd_noexec=2 where the caller may not write it: its file belongs
 * to root of the host, whoever owns the pid namespace. A program that asks for an executable file
 * in memory is refused, and since no filter can set a flag, so is one that does not say
 * MFD_NOEXEC_SEAL (memfd_create(2)): what a value of 2 did before Linux 6.6.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "plan_internal.h"
#include "seccomp_bpf.h"

#define NOEXEC_SEAL 0x0008 /* MFD_NOEXEC_SEAL: newer than some systems' headers */

/* The numbers of memfd_create. */
#if defined(__aarch64__)
#define NUMBER	      279
#define NUMBER_X32    279
#define COMPAT_NUMBER 385
#else
#define NUMBER	      319
#define NUMBER_X32    (0x40000000 + 319)
#define COMPAT_NUMBER 356
#endif

static const struct sock_filter instructions[] = {
    LOAD(arch),
    IF(ARCH, 0, 4),
    LOAD(nr),
    IF(NUMBER, 5, 0),
    IF(NUMBER_X32, 4, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    /* No third one is known: whatever calls it is, it gets nothing. */
    IF(COMPAT, 0, 5),
    LOAD(nr),
    IF(COMPAT_NUMBER, 0, 2),
    /* The lower half: both machines are little-endian. */
    LOAD(args[1]),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NOEXEC_SEAL, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
};

enum plan_memfd plan_memfd_rule(struct planner *p)
{
	static const char file[] = "sys/vm/memfd_noexec";
	const struct str_map *sysctl = &p->config->linux_.sysctl;
	char *now;

	if (!p->hardening->memfd_noexec ||
	    !((p->plan->clone_flags | p->plan->target_namespaces) & CLONE_NEWPID) ||
	    str_map_get(sysctl, "vm.memfd_noexec") || str_map_get(sysctl, "vm/memfd_noexec"))
		return PLAN_MEMFD_FREE;
	if (faccessat(p->plan->proc, file, W_OK, AT_EACCESS) == 0)
		return PLAN_MEMFD_SYSCTL;
	/* The kernel has it since 6.3; before, there is nothing to set. */
	if (errno == ENOENT)
		return PLAN_MEMFD_FREE;
	/* Not refused, but not known either: the step says what is wrong when it writes it. */
	if (errno != EACCES && errno != EPERM && errno != EROFS)
		return PLAN_MEMFD_SYSCTL;
	/* A new pid namespace is at least as strict as the one around it. */
	if (file_read_all(p->arena, p->plan->proc, file, 16, &now, NULL) == 0 &&
	    strtol(now, NULL, 10) >= 2)
		return PLAN_MEMFD_FREE;
	return PLAN_MEMFD_FILTER;
}

void plan_memfd_filter(struct planner *p)
{
	struct plan *plan = p->plan;

	if (plan_memfd_rule(p) != PLAN_MEMFD_FILTER)
		return;
	plan->filters[plan->n_filters++] = (struct seccomp_program){
	    .instructions = instructions,
	    .length = sizeof(instructions) / sizeof(instructions[0]),
	};
	findings_add(p->findings, FINDING_NOTE, "linux.sysctl.vm.memfd_noexec",
		     "only root of the host may write it: a filter refuses memfd_create without "
		     "MFD_NOEXEC_SEAL instead; --allow memfd-exec goes without");
}
