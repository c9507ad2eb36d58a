/* What the filters of a plan would answer: asked before it is decided when they are loaded, and by
 * what the workload is executed. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "plan_internal.h"
#include "seccomp_table.h"

static bool jumps(const struct sock_filter *in, uint32_t a)
{
	switch (BPF_OP(in->code)) {
	case BPF_JEQ:
		return a == in->k;
	case BPF_JGT:
		return a > in->k;
	case BPF_JGE:
		return a >= in->k;
	default:
		return a & in->k;
	}
}

/* As the kernel runs it (seccomp(2)), for the instructions that libseccomp and we write; a program
 * with others refuses. */
static uint32_t answer(const struct seccomp_program *program, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < program->length; pc++) {
		const struct sock_filter *in = &program->instructions[pc];

		if (in->code == (BPF_LD | BPF_W | BPF_ABS) && in->k % sizeof(a) == 0 &&
		    in->k < sizeof(*data))
			memcpy(&a, (const char *)data + in->k, sizeof(a));
		else if (in->code == (BPF_ALU | BPF_AND | BPF_K))
			a &= in->k;
		else if (in->code == (BPF_RET | BPF_K))
			return in->k;
		else if (in->code == (BPF_JMP | BPF_JA))
			pc += in->k;
		else if (BPF_CLASS(in->code) == BPF_JMP && BPF_SRC(in->code) == BPF_K)
			pc += jumps(in, a) ? in->jt : in->jf;
		else
			break;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

static bool let(const struct plan *plan, const struct seccomp_data *calls, size_t n)
{
	const struct seccomp_table *table = seccomp_table_native();

	/* Who is asked by a listener does not answer before the runtime hands that over. */
	if (plan->seccomp_listener || !table)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct seccomp_data data = calls[i];

		data.arch = table->arch;
		for (size_t f = 0; f < plan->n_filters; f++) {
			uint32_t said = answer(&plan->filters[f], &data);
			if (said != SECCOMP_RET_ALLOW && said != SECCOMP_RET_LOG)
				return false;
		}
	}
	return true;
}

bool plan_filters_let_in(const struct plan *plan)
{
	static const struct seccomp_data calls[] = {
	    {.nr = SYS_clone, .args = {CLONE_PARENT}},
	    {.nr = SYS_exit_group},
	    {.nr = SYS_setsid},
	    {.nr = SYS_ioctl, .args = {0, TIOCSCTTY}},
	};

	return let(plan, calls, sizeof(calls) / sizeof(calls[0]));
}

bool plan_filters_let_stub(const struct plan *plan)
{
	static const struct seccomp_data calls[] = {
	    {.nr = SYS_execveat, .args = {0, 0, 0, 0, AT_EMPTY_PATH}},
	    {.nr = SYS_fcntl, .args = {0, F_SETFD, FD_CLOEXEC}},
	    {.nr = SYS_fcntl, .args = {0, F_SETFD, 0}},
	    {.nr = SYS_write},
	    {.nr = SYS_exit_group},
	};

	return plan->n_filters == 0 || let(plan, calls, sizeof(calls) / sizeof(calls[0]));
}
