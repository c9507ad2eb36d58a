#define RUNSAFE_WITH_LIBSECCOMP
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "seccomp_calls.h"
#include "seccomp_table.h"

#define PRIVATE_BASE  0xf0000u
#define SOCKETCALL    102      /* of i386 */
#define IPC	      117      /* likewise */
#define NO_CALL_BELOW (-10000) /* libseccomp's numbers for what an architecture has not */

void seccomp_calls_begin(struct seccomp_calls *out, struct arena *arena, uint32_t default_action)
{
	*out = (struct seccomp_calls){.arena = arena, .default_action = default_action};
	(void)seccomp_calls_arch(out, seccomp_arch_native());
}

bool seccomp_calls_arch(struct seccomp_calls *calls, uint32_t token)
{
	for (size_t i = 0; i < calls->n_archs; i++)
		if (calls->archs[i]->token == token)
			return true;
	if (calls->n_archs == CALLS_ARCHS)
		return false;
	struct seccomp_arch *arch = arena_alloc(calls->arena, sizeof(*arch));

	arch->token = token;
	calls->archs[calls->n_archs++] = arch;
	return true;
}

/* The chunks are in the order of their numbers. */
static uint32_t chunk_begin(size_t i)
{
	return i < CALLS_CHUNKS - 1 ? (uint32_t)i * CALLS_CHUNK : PRIVATE_BASE;
}

/* NULL: there is no place for that number. */
static struct call *call_at(const struct seccomp_calls *calls, struct seccomp_arch *arch,
			    uint32_t number)
{
	if (arch->token == SCMP_ARCH_X32)
		number &= ~X32_BIT;
	for (size_t i = 0; i < CALLS_CHUNKS; i++) {
		struct call **chunk = &arch->chunks[i];

		if (number - chunk_begin(i) >= CALLS_CHUNK)
			continue;
		if (!*chunk)
			*chunk = arena_alloc(calls->arena, CALLS_CHUNK * sizeof(**chunk));
		return *chunk + (number - chunk_begin(i));
	}
	return NULL;
}

struct rule {
	const char *name;
	const struct config_seccomp_arg *args;
	size_t n_args;
	uint32_t action;
};

static int add_condition(const struct seccomp_calls *calls, struct seccomp_arch *arch,
			 struct call *call, const struct rule *rule, struct error *err)
{
	for (size_t i = 0; i < call->n_rules; i++) {
		if (!call_rule_asks(&call->rules[i], rule->args, rule->n_args))
			continue;
		if (call->rules[i].answer == rule->action)
			return 0;
		return error_set(err, "two rules for %s answer the same arguments differently",
				 rule->name);
	}
	/* Each takes an instruction at least, and is compared with others. */
	if (arch->n_conditional++ == BPF_MAXINSNS)
		return error_set(err, "more than %d rules with arguments", BPF_MAXINSNS);
	call->otherwise = calls->default_action;
	call_add_rule(calls->arena, call, rule->args, rule->n_args, rule->action);
	return 0;
}

static int add_at(const struct seccomp_calls *calls, struct seccomp_arch *arch, int number,
		  const struct rule *rule, struct error *err)
{
	struct call *call = call_at(calls, arch, (uint32_t)number);

	if (!call)
		return error_set(err, "%s: there is no place for its number, %d", rule->name,
				 number);
	if (call->decided)
		return 0;
	if (rule->n_args > 0)
		return add_condition(calls, arch, call, rule, err);
	call->decided = true;
	call->otherwise = rule->action;
	call->n_rules = 0;
	return 0;
}

static void add_behind(struct call_behind *call, const struct rule *rule)
{
	const bool decides = rule->n_args == 0;

	if (call->decided || (call->named && !decides && rule->action != SECCOMP_RET_ALLOW))
		return;
	*call = (struct call_behind){.named = true, .decided = decides, .answer = rule->action};
}

/* The number that i386 has for a call beside the one that leads to it, or -1 (the kernel's
 * syscall_32.tbl). */
static int direct_number(bool is_ipc, size_t n)
{
	static const short socketcalls[CALLS_BEHIND] = {-1,  359, 361, 362, 363, -1,  367, 368, 360,
							-1,  -1,  369, 371, 373, 366, 365, 370, 372,
							364, 337, 345, -1,  -1,	 -1,  -1};
	static const short ipcs[CALLS_BEHIND] = {-1, -1, 393, 394, -1,	-1,  -1, -1, -1,
						 -1, -1, 400, 401, 399, 402, -1, -1, -1,
						 -1, -1, -1,  397, 398, 395, 396};

	return is_ipc ? ipcs[n] : socketcalls[n];
}

/*
 * libseccomp's number of what is multiplexed is -100 or -200, less that of the call behind
 * (seccomp-syscalls.h). Of the machines that we have tables for, i386 alone does it; for the others
 * such a number says that they have no such call (send(2)), as do those below -10000.
 */
static int add_multiplexed(struct seccomp_calls *calls, struct seccomp_arch *arch, int number,
			   const struct rule *rule, struct error *err)
{
	const bool is_ipc = number < -200;
	const int n = -number - (is_ipc ? 200 : 100);

	if (n <= 0 || n >= CALLS_BEHIND || !seccomp_table_native())
		return error_set(err, "%s: libseccomp's number %d is not known here", rule->name,
				 number);
	if (arch->token != SCMP_ARCH_X86)
		return 0;
	add_behind(is_ipc ? &arch->ipc[n] : &arch->socketcall[n], rule);
	number = direct_number(is_ipc, (size_t)n);
	return number < 0 ? 0 : add_at(calls, arch, number, rule, err);
}

static int add_to_arch(struct seccomp_calls *calls, struct seccomp_arch *arch, int number,
		       const struct rule *rule, struct error *err)
{
	if (number < NO_CALL_BELOW)
		return 0;
	return number < 0 ? add_multiplexed(calls, arch, number, rule, err)
			  : add_at(calls, arch, number, rule, err);
}

static int add_known(struct seccomp_calls *calls, int native, const struct rule *rule,
		     struct error *err)
{
	/* Of two names for one number, libseccomp finds the others' numbers by this one, too. */
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, native);
	int r = 0;

	if (!name)
		memory_is_out();
	for (size_t i = 0; i < calls->n_archs && r == 0; i++) {
		const uint32_t token = calls->archs[i]->token;
		const int number = i == 0 ? native : seccomp_syscall_resolve_name_arch(token, name);

		r = add_to_arch(calls, calls->archs[i], number, rule, err);
	}
	free(name);
	return r;
}

/* A call that is newer than this libseccomp. Returns its number, or 0. */
static unsigned int newer_number(const char *name)
{
	const struct seccomp_table *table = seccomp_table_native();

	for (const struct seccomp_table_name *n = table ? table->newer : NULL; n && n->name; n++)
		if (strcmp(n->name, name) == 0)
			return n->number;
	return 0;
}

int seccomp_calls_rule(struct seccomp_calls *calls, const char *name,
		       const struct config_seccomp_arg *args, size_t n_args, uint32_t action,
		       struct error *err)
{
	const struct rule rule = {name, args, n_args, action};
	int native = seccomp_syscall_resolve_name(name), r = 0;
	const bool newer = native == __NR_SCMP_ERROR;

	if (newer)
		native = (int)newer_number(name);
	if (newer && native == 0)
		return 0;
	if (native > 0 && (uint32_t)native > calls->newest)
		calls->newest = (uint32_t)native;
	/* libseccomp passes over what says the same as the default, too. */
	if (action != calls->default_action)
		r = newer ? add_at(calls, calls->archs[0], native, &rule, err)
			  : add_known(calls, native, &rule, err);
	return r < 0 ? -1 : 1;
}

/* What leads to calls behind it is asked for them by its first argument. */
static void add_rules_behind(const struct seccomp_calls *calls, struct seccomp_arch *arch,
			     uint32_t number, const struct call_behind *behind)
{
	struct call *call = call_at(calls, arch, number);

	for (size_t n = 0; n < CALLS_BEHIND && call && !call->decided; n++) {
		if (!behind[n].named)
			continue;
		struct config_seccomp_arg *arg = arena_alloc(calls->arena, sizeof(*arg));

		*arg = (struct config_seccomp_arg){.op = (char *)"SCMP_CMP_EQ", .value = n};
		call->otherwise = calls->default_action;
		call_add_rule(calls->arena, call, arg, 1, behind[n].answer);
	}
}

/* What answers for numbers that have no rule. */
struct unnamed {
	struct call older, newer;
	uint32_t newest; /* of the older ones */
};

static void add_call(struct tree *tree, uint32_t number, uint32_t bit, const struct call *call,
		     const struct unnamed *unnamed)
{
	if (!call || (!call->decided && call->n_rules == 0))
		call = number > unnamed->newest ? &unnamed->newer : &unnamed->older;
	tree_add(tree, number | bit, call);
}

/* All numbers of an architecture. */
static void add_calls(struct tree *tree, const struct seccomp_arch *arch, uint32_t bit,
		      const struct unnamed *unnamed)
{
	for (size_t i = 0; i < CALLS_CHUNKS; i++) {
		const struct call *chunk = arch->chunks[i];
		const uint32_t begin = chunk_begin(i);

		for (uint32_t n = 0; n < CALLS_CHUNK; n++)
			add_call(tree, begin + n, bit, chunk ? chunk + n : NULL, unnamed);
		/* What lies in no chunk. */
		if (i + 1 == CALLS_CHUNKS || chunk_begin(i + 1) != begin + CALLS_CHUNK)
			add_call(tree, begin + CALLS_CHUNK, bit, NULL, unnamed);
	}
}

/* Only where the default is to refuse: then a program gets the answer of an older kernel and
 * falls back. Killing, logging and allowing stay what they are. */
static uint32_t answer_for_newer(const struct seccomp_calls *calls)
{
	const bool refuses = (calls->default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;

	return refuses && calls->newest > 0 && seccomp_table_native() ? SECCOMP_RET_ERRNO | ENOSYS
								      : calls->default_action;
}

static const struct seccomp_arch *find_arch(const struct seccomp_calls *calls, uint32_t token)
{
	for (size_t i = 0; i < calls->n_archs; i++)
		if (calls->archs[i]->token == token)
			return calls->archs[i];
	return NULL;
}

/* The native architecture, and x32, whose numbers lie behind its own. */
static void add_native(struct tree *tree, const struct seccomp_calls *calls,
		       const struct unnamed *native, const struct unnamed *others)
{
	static const struct call killed = {.otherwise = SECCOMP_RET_KILL_THREAD};
	const struct seccomp_arch *x32 = find_arch(calls, SCMP_ARCH_X32);
	const uint32_t token = calls->archs[0]->token;

	add_calls(tree, calls->archs[0], 0, native);
	if (x32)
		add_calls(tree, x32, X32_BIT, others);
	else
		tree_add(tree, X32_BIT, token == SCMP_ARCH_X86_64 ? &killed : &others->older);
	/* -1 is what a tracer makes of a call that it takes away. */
	tree_add(tree, UINT32_MAX, &others->older);
}

static void add_other(struct tree *tree, const struct seccomp_calls *calls,
		      struct seccomp_arch *arch, const struct unnamed *unnamed)
{
	if (arch->token == SCMP_ARCH_X86) {
		add_rules_behind(calls, arch, SOCKETCALL, arch->socketcall);
		add_rules_behind(calls, arch, IPC, arch->ipc);
	}
	tree->short_words = arch->token == SCMP_ARCH_X86 || arch->token == SCMP_ARCH_ARM;
	add_calls(tree, arch, 0, unnamed);
}

static place write_arch(const struct seccomp_calls *calls, size_t i, struct bpf_writer *out)
{
	const struct call otherwise = {.otherwise = calls->default_action};
	const struct call newer = {.otherwise = answer_for_newer(calls)};
	const struct unnamed native = {otherwise, newer, calls->newest};
	const struct unnamed others = {otherwise, otherwise, 0};
	struct tree tree = {.arena = calls->arena};

	if (i == 0)
		add_native(&tree, calls, &native, &others);
	else
		add_other(&tree, calls, calls->archs[i], &others);
	return tree_write(out, &tree);
}

bool seccomp_calls_write(const struct seccomp_calls *calls, struct bpf_writer *out)
{
	place roots[CALLS_ARCHS] = {0}, next = write_answer(out, SECCOMP_RET_KILL_THREAD);

	/* Backwards: the native one is asked for first. */
	for (size_t i = calls->n_archs; i-- > 0;)
		if (calls->archs[i]->token != SCMP_ARCH_X32)
			roots[i] = write_arch(calls, i, out);
	/* libseccomp's tokens are the kernel's values, but for x32's. */
	for (size_t i = calls->n_archs; i-- > 0;)
		if (calls->archs[i]->token != SCMP_ARCH_X32)
			next = write_jump(out, OP_EQ, calls->archs[i]->token, roots[i], next);
	write_push(out, OP_LOAD, offsetof(struct seccomp_data, arch), 0, 0);
	return !out->full;
}
