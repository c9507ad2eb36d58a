/*
 * From the rules of each system call to a BPF program: a balanced binary tree over intervals of
 * numbers with the same answer, and behind it one block for each set of rules with arguments.
 *
 * The kernel asks such a program once when it is loaded, for each number: what it answers without
 * looking at arguments costs no BPF at run time (the kernel's action cache, 5.11). It must keep to
 * loads of nr and arch and plain jumps for that, which the tree does.
 *
 * Programs are written backwards, since BPF only jumps forward: what an instruction jumps to is
 * there already. A place is the number of instructions from it to the end.
 */
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "seccomp_build.h"

#define FARTHEST_JUMP 255 /* jt and jf of struct sock_filter are 8 bits wide */
#define X32_BIT	      0x40000000u

#define LOAD   (BPF_LD | BPF_W | BPF_ABS)
#define AND    (BPF_ALU | BPF_AND | BPF_K)
#define RETURN (BPF_RET | BPF_K)
#define ALWAYS (BPF_JMP | BPF_JA)
#define EQ     (BPF_JMP | BPF_JEQ | BPF_K)
#define GT     (BPF_JMP | BPF_JGT | BPF_K)
#define GE     (BPF_JMP | BPF_JGE | BPF_K)
#define ANY    (BPF_JMP | BPF_JSET | BPF_K)

typedef size_t place;

struct writer {
	struct sock_filter backwards[BPF_MAXINSNS];
	size_t n;
	bool full;
};

struct interval {
	uint32_t from; /* to the next one's from */
	const struct call *call;
	place block; /* 0 for a plain answer */
};

struct tree {
	struct interval intervals[MAX_NUMBER + 2];
	size_t n;
};

static place push(struct writer *w, uint16_t code, uint32_t k, size_t jt, size_t jf)
{
	if (w->n == BPF_MAXINSNS) {
		w->full = true;
		return w->n;
	}
	w->backwards[w->n++] =
	    (struct sock_filter){.code = code, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k};
	return w->n;
}

/* The place of an instruction that returns answer; written if there is none yet. */
static place answer_place(struct writer *w, uint32_t answer)
{
	for (size_t i = w->n; i > 0; i--)
		if (w->backwards[i - 1].code == RETURN && w->backwards[i - 1].k == answer)
			return i;
	return push(w, RETURN, answer, 0, 0);
}

/* A place right here that leads to a far one. */
static place bring_near(struct writer *w, place target)
{
	if (w->backwards[target - 1].code == RETURN)
		return push(w, RETURN, w->backwards[target - 1].k, 0, 0);
	return push(w, ALWAYS, (uint32_t)(w->n - target), 0, 0);
}

static place jump(struct writer *w, uint16_t code, uint32_t k, place yes, place no)
{
	while (!w->full && (w->n - yes > FARTHEST_JUMP || w->n - no > FARTHEST_JUMP)) {
		if (w->n - yes > FARTHEST_JUMP)
			yes = bring_near(w, yes);
		else
			no = bring_near(w, no);
	}
	return push(w, code, k, w->n - yes, w->n - no);
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
static place word_masked(struct writer *w, uint32_t word, uint32_t mask, uint32_t value, place yes,
			 place no)
{
	if (mask == UINT32_MAX) {
		jump(w, EQ, value, yes, no);
	} else if (value == 0) {
		jump(w, ANY, mask, no, yes);
	} else {
		jump(w, EQ, value, yes, no);
		push(w, AND, mask, 0, 0);
	}
	return push(w, LOAD, word, 0, 0);
}

static place masked(struct writer *w, uint32_t index, uint64_t mask, uint64_t value, place yes,
		    place no)
{
	if (low(mask) != 0 || high(mask) == 0)
		yes = word_masked(w, low_word(index), low(mask), low(value), yes, no);
	if (high(mask) != 0)
		yes = word_masked(w, high_word(index), high(mask), high(value), yes, no);
	return yes;
}

/* arg > value, or arg >= value: the high words decide unless they are equal. */
static place greater(struct writer *w, uint16_t code, uint32_t index, uint64_t value, place yes,
		     place no)
{
	place low_words, equal;

	jump(w, code, low(value), yes, no);
	low_words = push(w, LOAD, low_word(index), 0, 0);
	equal = jump(w, EQ, high(value), low_words, no);
	jump(w, GT, high(value), yes, equal);
	return push(w, LOAD, high_word(index), 0, 0);
}

static place condition(struct writer *w, const struct config_seccomp_arg *arg, place yes, place no)
{
	const char *op = arg->op + strlen("SCMP_CMP_");

	if (strcmp(op, "MASKED_EQ") == 0)
		return masked(w, arg->index, arg->value, arg->value_two, yes, no);
	if (strcmp(op, "EQ") == 0)
		return masked(w, arg->index, UINT64_MAX, arg->value, yes, no);
	if (strcmp(op, "NE") == 0)
		return masked(w, arg->index, UINT64_MAX, arg->value, no, yes);
	if (strcmp(op, "GT") == 0)
		return greater(w, GT, arg->index, arg->value, yes, no);
	if (strcmp(op, "GE") == 0)
		return greater(w, GE, arg->index, arg->value, yes, no);
	if (strcmp(op, "LT") == 0)
		return greater(w, GE, arg->index, arg->value, no, yes);
	return greater(w, GT, arg->index, arg->value, no, yes); /* LE */
}

static place block(struct writer *w, const struct call *call)
{
	place next = answer_place(w, call->otherwise);

	for (size_t i = call->n_rules; i > 0; i--) {
		const struct call_rule *rule = &call->rules[i - 1];
		place match = answer_place(w, rule->answer);

		for (size_t j = rule->n_args; j > 0; j--)
			match = condition(w, &rule->args[j - 1], match, next);
		next = match;
	}
	return next;
}

/* Neighbours with the same answer are one interval. */
static void add_interval(struct tree *t, uint32_t from, const struct call *call)
{
	if (t->n > 0 && call_same(t->intervals[t->n - 1].call, call))
		return;
	t->intervals[t->n++] = (struct interval){.from = from, .call = call};
}

static void write_blocks(struct writer *w, struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct interval *in = &t->intervals[i];

		if (in->call->n_rules == 0)
			continue;
		for (size_t j = 0; j < i && in->block == 0; j++)
			if (call_same(t->intervals[j].call, in->call))
				in->block = t->intervals[j].block;
		if (in->block == 0)
			in->block = block(w, in->call);
	}
}

static place subtree(struct writer *w, const struct interval *intervals, size_t n)
{
	place left, right;

	if (n == 1)
		return intervals->block ? intervals->block
					: answer_place(w, intervals->call->otherwise);
	right = subtree(w, intervals + n / 2, n - n / 2);
	left = subtree(w, intervals, n / 2);
	return jump(w, GE, intervals[n / 2].from, right, left);
}

int program_build(const struct calls *calls, uint32_t arch, struct program *out, struct error *err)
{
	static const struct call x32 = {.otherwise = SECCOMP_RET_ERRNO | ENOSYS};
	struct call unknown = {.otherwise = calls->unknown};
	struct writer w = {.n = 0};
	struct tree t = {.n = 0};
	place root;

	for (uint32_t i = 0; i < MAX_NUMBER; i++)
		add_interval(&t, i, &calls->by_number[i]);
	add_interval(&t, MAX_NUMBER, &unknown);
	/* Whatever the default action is: the x32 door stays shut. */
	if (arch == AUDIT_ARCH_X86_64)
		add_interval(&t, X32_BIT, &x32);

	write_blocks(&w, &t);
	root = subtree(&w, t.intervals, t.n);
	if (root != w.n)
		bring_near(&w, root);
	root = push(&w, LOAD, offsetof(struct seccomp_data, nr), 0, 0);
	/* int 0x80 and AArch32 have other numbers and other doors (socketcall). */
	jump(&w, EQ, arch, root, answer_place(&w, SECCOMP_RET_KILL_PROCESS));
	push(&w, LOAD, offsetof(struct seccomp_data, arch), 0, 0);
	if (w.full)
		return error_set(err, "the program is longer than the kernel's %d instructions",
				 BPF_MAXINSNS);

	out->length = w.n;
	for (size_t i = 0; i < w.n; i++)
		out->code[i] = w.backwards[w.n - 1 - i];
	return 0;
}
