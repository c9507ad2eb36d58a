/*
 * Writes BPF programs backwards, since BPF only jumps forward: what an instruction jumps to is
 * there already.
 */
#ifndef RUNSAFE_SECCOMP_WRITE_H
#define RUNSAFE_SECCOMP_WRITE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All that is used of BPF's instructions. */
#define OP_LOAD	  (BPF_LD | BPF_W | BPF_ABS)
#define OP_AND	  (BPF_ALU | BPF_AND | BPF_K)
#define OP_RETURN (BPF_RET | BPF_K)
#define OP_ALWAYS (BPF_JMP | BPF_JA)
#define OP_EQ	  (BPF_JMP | BPF_JEQ | BPF_K)
#define OP_GT	  (BPF_JMP | BPF_JGT | BPF_K)
#define OP_GE	  (BPF_JMP | BPF_JGE | BPF_K)
#define OP_ANY	  (BPF_JMP | BPF_JSET | BPF_K)

/* The number of instructions from there to the end; never 0. */
typedef size_t place;

struct bpf_writer {
	struct sock_filter backwards[BPF_MAXINSNS];
	size_t n;
	bool full; /* what was written is not whole; places are of no use */
};

/* Writes an instruction; jt and jf as they are in it. Returns its place, which is writer->n. */
place write_push(struct bpf_writer *writer, uint16_t code, uint32_t k, size_t jt, size_t jf);

/* The place of an instruction that returns answer; written if there is none yet. */
place write_answer(struct bpf_writer *writer, uint32_t answer);

/* Writes a place right here that leads to a far one. */
place write_near(struct bpf_writer *writer, place target);

/* Writes a conditional jump, and what brings a place near that is too far for it. */
place write_jump(struct bpf_writer *writer, uint16_t code, uint32_t k, place yes, place no);

/* Copies the program, of writer->n instructions, in its order. */
void write_forwards(const struct bpf_writer *writer, struct sock_filter *out);

#endif
