/*
 * Runs a classic BPF program over struct seccomp_data as the kernel does (seccomp(2)), and holds it
 * to the kernel's rules for such programs. For tests: no filter is loaded.
 */
#ifndef RUNSAFE_BPF_MACHINE_H
#define RUNSAFE_BPF_MACHINE_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline uint32_t bpf_broken(const char *why, size_t pc)
{
	fprintf(stderr, "BPF program broken at %zu: %s\n", pc, why);
	abort();
}

static inline bool bpf_jumps(const struct sock_filter *in, uint32_t a)
{
	switch (BPF_OP(in->code)) {
	case BPF_JEQ:
		return a == in->k;
	case BPF_JGT:
		return a > in->k;
	case BPF_JGE:
		return a >= in->k;
	case BPF_JSET:
		return (a & in->k) != 0;
	default:
		return bpf_broken("unknown jump", 0);
	}
}

#define BPF_TRACED 64

/* What a program looked at on its way. */
struct bpf_trace {
	struct {
		uint32_t offset; /* of the word in struct seccomp_data */
		uint32_t k;	 /* that it was compared with, or masked */
	} asked[BPF_TRACED];
	size_t n;
	/* The kernel's action cache remembers such an answer: only number and architecture were
	 * looked at, and by plain comparisons. */
	bool constant;
};

static inline void bpf_note(struct bpf_trace *trace, uint32_t offset, const struct sock_filter *in)
{
	if (!trace)
		return;
	if (in->code == (BPF_ALU | BPF_AND | BPF_K) ||
	    offset >= offsetof(struct seccomp_data, instruction_pointer))
		trace->constant = false;
	if (BPF_CLASS(in->code) != BPF_LD && in->code != (BPF_JMP | BPF_JA) &&
	    trace->n < BPF_TRACED) {
		trace->asked[trace->n].offset = offset;
		trace->asked[trace->n++].k = in->k;
	}
}

/* trace may be NULL. */
static inline uint32_t bpf_trace(const struct sock_filter *code, size_t length,
				 const struct seccomp_data *data, struct bpf_trace *trace)
{
	uint32_t a = 0, offset = 0;

	if (trace)
		*trace = (struct bpf_trace){.constant = true};
	for (size_t pc = 0; pc < length; pc++) {
		const struct sock_filter *in = &code[pc];

		if (in->code == (BPF_LD | BPF_W | BPF_ABS))
			offset = in->k;
		if (in->code != (BPF_RET | BPF_K))
			bpf_note(trace, offset, in);

		if (in->code == (BPF_LD | BPF_W | BPF_ABS)) {
			if (in->k % 4 != 0 || in->k >= sizeof(*data))
				return bpf_broken("load from outside", pc);
			memcpy(&a, (const char *)data + in->k, sizeof(a));
		} else if (in->code == (BPF_ALU | BPF_AND | BPF_K)) {
			a &= in->k;
		} else if (in->code == (BPF_RET | BPF_K)) {
			return in->k;
		} else if (in->code == (BPF_JMP | BPF_JA)) {
			pc += in->k;
		} else if (BPF_CLASS(in->code) == BPF_JMP && BPF_SRC(in->code) == BPF_K) {
			pc += bpf_jumps(in, a) ? in->jt : in->jf;
		} else {
			return bpf_broken("unknown instruction", pc);
		}
	}
	return bpf_broken("ran off the end", length);
}

static inline uint32_t bpf_run(const struct sock_filter *code, size_t length,
			       const struct seccomp_data *data)
{
	return bpf_trace(code, length, data, NULL);
}

#endif
