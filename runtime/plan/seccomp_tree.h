/*
 * From the rules of each system call to a BPF program: a balanced binary tree over intervals of
 * numbers with the same answer, and behind it a block for each set of rules with arguments. For our
 * own profile, when runsafe is built (tools/seccomp-build), and for config.json's.
 */
#ifndef RUNSAFE_SECCOMP_TREE_H
#define RUNSAFE_SECCOMP_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "config.h"
#include "seccomp_write.h"

#define X32_BIT 0x40000000u /* in the number; the architecture is x86-64's */

struct call_rule {
	const struct config_seccomp_arg *args;
	size_t n_args;
	uint32_t answer; /* SECCOMP_RET_* with its data */
};

/* The first of the rules whose arguments all match answers; else it is otherwise. */
struct call {
	struct call_rule *rules;
	size_t n_rules;
	bool decided; /* otherwise was set by a rule, not by the default action */
	uint32_t otherwise;
};

struct interval {
	uint32_t from; /* a number, to the next interval's */
	const struct call *call;
	place block; /* 0 for a plain answer */
};

/* `struct tree t = {.arena = arena};` */
struct tree {
	struct arena *arena;
	bool short_words; /* of a 32-bit architecture: only the low half of an argument counts */
	struct interval *intervals;
	size_t n;
};

/* Adds a rule; it has at least one argument, which stays the caller's. */
void call_add_rule(struct arena *arena, struct call *call, const struct config_seccomp_arg *args,
		   size_t n_args, uint32_t answer);

/* Whether a rule has just these arguments, as they are written. */
bool call_rule_asks(const struct call_rule *rule, const struct config_seccomp_arg *args,
		    size_t n_args);

/* Adds numbers in ascending order, the first of them 0. Neighbours with the same answer are one.
 * The call stays the caller's, and is looked at by tree_write(), too. */
void tree_add(struct tree *tree, uint32_t from, const struct call *call);

/* Writes the tree, which loads the number itself. Returns its place. Nothing is of use once
 * writer->full. */
place tree_write(struct bpf_writer *writer, struct tree *tree);

#endif
