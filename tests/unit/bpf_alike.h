/*
 * Whether two BPF programs give the same answer to each call: asked for the first numbers, for
 * those around what the first program compares with, and where arguments count, for those that it
 * asks for.
 */
#ifndef RUNSAFE_BPF_ALIKE_H
#define RUNSAFE_BPF_ALIKE_H

#include <linux/audit.h>

#include "bpf_machine.h"

#define BPF_ROUNDS 60 /* for one number whose answer depends on arguments */

struct bpf_pair {
	const struct sock_filter *one, *other;
	size_t one_length, other_length;
	uint64_t seed;
};

static inline uint32_t bpf_pick(uint64_t *seed, uint32_t n)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % n;
}

/* Goes on with one word that the program asked for being what it was compared with, or beside. */
static inline void bpf_change(uint64_t *seed, const struct bpf_trace *trace,
			      struct seccomp_data *data)
{
	size_t at = bpf_pick(seed, trace->n ? (uint32_t)trace->n : 1);
	uint32_t offset = trace->n ? trace->asked[at].offset : 16 + 4 * bpf_pick(seed, 12);
	uint32_t word = trace->n ? trace->asked[at].k + bpf_pick(seed, 3) - 1 : 0;

	if (bpf_pick(seed, 6) == 0)
		word = bpf_pick(seed, 2) ? UINT32_MAX : 1u << bpf_pick(seed, 32);
	if (offset >= offsetof(struct seccomp_data, instruction_pointer))
		memcpy((char *)data + offset, &word, sizeof(word));
}

static inline bool bpf_answers_alike(struct bpf_pair *p, uint32_t arch, uint32_t number)
{
	struct seccomp_data data = {.nr = (int)number, .arch = arch};

	for (size_t i = 0; i < BPF_ROUNDS; i++) {
		struct bpf_trace trace, others;
		uint32_t one = bpf_trace(p->one, p->one_length, &data, &trace);
		uint32_t other = bpf_trace(p->other, p->other_length, &data, &others);

		if (one != other || (trace.constant && !others.constant)) {
			fprintf(stderr, "%x/%x: %x and %x; constant: %d and %d\n", arch, number,
				one, other, trace.constant, others.constant);
			return false;
		}
		if (trace.constant)
			return true;
		bpf_change(&p->seed, &trace, &data);
	}
	return true;
}

static inline bool bpf_alike_on(struct bpf_pair *p, uint32_t arch, uint32_t numbers)
{
	static const uint32_t edges[] = {0x3fffffff, 0x7fffffff, 0x80000000, 0xbfffffff,
					 0xc0000000, 0xfffffffe, 0xffffffff};

	for (uint32_t number = 0; number < numbers; number++)
		if (!bpf_answers_alike(p, arch, number) ||
		    !bpf_answers_alike(p, arch, 0x40000000 | number))
			return false;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		if (!bpf_answers_alike(p, arch, edges[i]))
			return false;
	for (size_t i = 0; i < p->one_length; i++) {
		const uint32_t k = p->one[i].k;

		if (BPF_CLASS(p->one[i].code) == BPF_JMP && (k & ~0x40000000u) >= numbers - 1 &&
		    (!bpf_answers_alike(p, arch, k - 1) || !bpf_answers_alike(p, arch, k) ||
		     !bpf_answers_alike(p, arch, k + 1)))
			return false;
	}
	return true;
}

/* Prints where they are not. numbers: how many are asked for whatever the program compares with. */
static inline bool bpf_alike(const struct sock_filter *one, size_t one_length,
			     const struct sock_filter *other, size_t other_length, uint32_t numbers)
{
#if defined(__x86_64__)
	static const uint32_t archs[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_RISCV64};
#else
	static const uint32_t archs[] = {AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, AUDIT_ARCH_RISCV64};
#endif
	struct bpf_pair p = {one, other, one_length, other_length, 1};

	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		if (!bpf_alike_on(&p, archs[i], numbers))
			return false;
	return true;
}

#endif
