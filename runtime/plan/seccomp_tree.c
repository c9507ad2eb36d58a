/*
 * The kernel asks such a program once when it is loaded, for each number: what it answers without
 * looking at arguments costs no BPF at run time (the kernel's action cache, 5.11). It must keep to
 * loads of nr and arch and plain jumps for that, which the tree does.
 */
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#include "seccomp_tree.h"

#define MAX_LEAF 8 /* intervals, so four numbers alone between the others */

/* Intervals that the tree's comparisons leave together: some with one answer, and numbers alone
 * between them. */
struct leaf {
	const struct interval *intervals;
	size_t n;
};

void call_add_rule(struct arena *arena, struct call *call, const struct config_seccomp_arg *args,
		   size_t n_args, uint32_t answer)
{
	call->rules = arena_grow(arena, call->rules, call->n_rules, sizeof(*call->rules));
	call->rules[call->n_rules++] =
	    (struct call_rule){.args = args, .n_args = n_args, .answer = answer};
}

static uint32_t low(uint64_t value)
{
	return (uint32_t)value;
}

static uint32_t high(uint64_t value)
{
	return (uint32_t)(value >> 32);
}

/* Offsets in struct seccomp_data; both machines are little endian. */
static uint32_t low_word(uint32_t index)
{
	return (uint32_t)(offsetof(struct seccomp_data, args) + sizeof(uint64_t) * index);
}

static uint32_t high_word(uint32_t index)
{
	return low_word(index) + 4;
}

/* (word & mask) == value ? yes : no. A single bit needs no AND. */
static place word_masked(struct bpf_writer *w, uint32_t word, uint32_t mask, uint32_t value,
			 place yes, place no)
{
	if (mask == UINT32_MAX) {
		write_jump(w, OP_EQ, value, yes, no);
	} else if (value == 0) {
		write_jump(w, OP_ANY, mask, no, yes);
	} else {
		write_jump(w, OP_EQ, value, yes, no);
		write_push(w, OP_AND, mask, 0, 0);
	}
	return write_push(w, OP_LOAD, word, 0, 0);
}

/* Bits of the value that are not in the mask do not count, as for libseccomp. */
static place masked(struct bpf_writer *w, uint32_t index, uint64_t mask, uint64_t value, place yes,
		    place no)
{
	value &= mask;
	if (low(mask) != 0 || high(mask) == 0)
		yes = word_masked(w, low_word(index), low(mask), low(value), yes, no);
	if (high(mask) != 0)
		yes = word_masked(w, high_word(index), high(mask), high(value), yes, no);
	return yes;
}

/* arg > value, or arg >= value: the high words decide unless they are equal. */
static place greater(struct bpf_writer *w, uint16_t code, bool short_words, uint32_t index,
		     uint64_t value, place yes, place no)
{
	place low_words, equal;

	write_jump(w, code, low(value), yes, no);
	low_words = write_push(w, OP_LOAD, low_word(index), 0, 0);
	if (short_words)
		return low_words;
	equal = write_jump(w, OP_EQ, high(value), low_words, no);
	write_jump(w, OP_GT, high(value), yes, equal);
	return write_push(w, OP_LOAD, high_word(index), 0, 0);
}

static place condition(struct bpf_writer *w, const struct config_seccomp_arg *arg, bool short_words,
		       place yes, place no)
{
	const char *op = arg->op + strlen("SCMP_CMP_");
	const uint64_t all = short_words ? UINT32_MAX : UINT64_MAX;

	if (strcmp(op, "MASKED_EQ") == 0)
		return masked(w, arg->index, arg->value & all, arg->value_two, yes, no);
	if (strcmp(op, "EQ") == 0)
		return masked(w, arg->index, all, arg->value, yes, no);
	if (strcmp(op, "NE") == 0)
		return masked(w, arg->index, all, arg->value, no, yes);
	if (strcmp(op, "GT") == 0)
		return greater(w, OP_GT, short_words, arg->index, arg->value, yes, no);
	if (strcmp(op, "GE") == 0)
		return greater(w, OP_GE, short_words, arg->index, arg->value, yes, no);
	if (strcmp(op, "LT") == 0)
		return greater(w, OP_GE, short_words, arg->index, arg->value, no, yes);
	return greater(w, OP_GT, short_words, arg->index, arg->value, no, yes); /* LE */
}

static place block(struct bpf_writer *w, const struct call *call, bool short_words)
{
	place next = write_answer(w, call->otherwise);

	for (size_t i = call->n_rules; i > 0; i--) {
		const struct call_rule *rule = &call->rules[i - 1];
		place match = write_answer(w, rule->answer);

		for (size_t j = rule->n_args; j > 0; j--)
			match = condition(w, &rule->args[j - 1], short_words, match, next);
		next = match;
	}
	return next;
}

static bool arg_same(const struct config_seccomp_arg *a, const struct config_seccomp_arg *b)
{
	return a->index == b->index && a->value == b->value && a->value_two == b->value_two &&
	       strcmp(a->op, b->op) == 0;
}

bool call_rule_asks(const struct call_rule *rule, const struct config_seccomp_arg *args,
		    size_t n_args)
{
	if (rule->n_args != n_args)
		return false;
	for (size_t i = 0; i < n_args; i++)
		if (!arg_same(&rule->args[i], &args[i]))
			return false;
	return true;
}

/* Whether both answer alike for all arguments (compared as written). */
static bool same(const struct call *a, const struct call *b)
{
	if (a->otherwise != b->otherwise || a->n_rules != b->n_rules)
		return false;
	for (size_t i = 0; i < a->n_rules; i++)
		if (a->rules[i].answer != b->rules[i].answer ||
		    !call_rule_asks(&a->rules[i], b->rules[i].args, b->rules[i].n_args))
			return false;
	return true;
}

void tree_add(struct tree *tree, uint32_t from, const struct call *call)
{
	if (tree->n > 0 && same(tree->intervals[tree->n - 1].call, call))
		return;
	tree->intervals =
	    arena_grow(tree->arena, tree->intervals, tree->n, sizeof(*tree->intervals));
	tree->intervals[tree->n++] = (struct interval){.from = from, .call = call};
}

static void write_blocks(struct bpf_writer *w, struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct interval *in = &t->intervals[i];

		if (in->call->n_rules == 0)
			continue;
		for (size_t j = 0; j < i && in->block == 0; j++)
			if (same(t->intervals[j].call, in->call))
				in->block = t->intervals[j].block;
		if (in->block == 0)
			in->block = block(w, in->call, t->short_words);
	}
}

static place place_of(struct bpf_writer *w, const struct interval *in)
{
	return in->block ? in->block : write_answer(w, in->call->otherwise);
}

/* Whether n intervals go on with a number alone, and then as they began. */
static bool is_alone(const struct interval *in, size_t n, size_t i)
{
	return i + 1 < n && in[i + 1].from - in[i].from == 1 && same(in[0].call, in[i + 1].call);
}

/* How many of n intervals the first leaf takes. */
static size_t leaf_size(const struct interval *in, size_t n)
{
	size_t size = 1;

	while (size < MAX_LEAF && is_alone(in, n, size))
		size += 2;
	/* The next one begins with the same answer again: so it can have numbers alone as well. */
	return is_alone(in, n, size) ? size - 1 : size;
}

static place write_leaf(struct bpf_writer *w, const struct leaf *leaf)
{
	const struct interval *in = leaf->intervals;
	place root = place_of(w, &in[0]);

	for (size_t i = 1; i < leaf->n; i += 2)
		root = write_jump(w, OP_EQ, in[i].from, place_of(w, &in[i]), root);
	return root;
}

static place write_subtree(struct bpf_writer *w, const struct leaf *leaves, size_t n)
{
	place left, right;

	if (n == 1)
		return write_leaf(w, leaves);
	right = write_subtree(w, leaves + n / 2, n - n / 2);
	left = write_subtree(w, leaves, n / 2);
	return write_jump(w, OP_GE, leaves[n / 2].intervals[0].from, right, left);
}

place tree_write(struct bpf_writer *w, struct tree *t)
{
	struct leaf *leaves = arena_alloc(t->arena, t->n * sizeof(*leaves));
	size_t n = 0;
	place root;

	write_blocks(w, t);
	for (size_t i = 0; i < t->n; i += leaves[n++].n)
		leaves[n] = (struct leaf){t->intervals + i, leaf_size(t->intervals + i, t->n - i)};
	root = write_subtree(w, leaves, n);
	if (root != w->n)
		write_near(w, root);
	return write_push(w, OP_LOAD, offsetof(struct seccomp_data, nr), 0, 0);
}
