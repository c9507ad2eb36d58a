/* config.json's linux.seccomp to BPF: its words are checked here, seccomp_calls.c has the rules. */
#define RUNSAFE_WITH_LIBSECCOMP
#include <errno.h>
#include <linux/seccomp.h>

#include "seccomp.h"
#include "seccomp_cache.h"
#include "seccomp_calls.h"
#include "seccomp_words.h"

#define WHERE	  "config.json: linux.seccomp"
#define MAX_ERRNO 4095 /* the kernel caps SECCOMP_RET_DATA there for SECCOMP_RET_ERRNO */
#define MAX_DATA  65535
#define N_ARGS	  6 /* a system call has */

/* What one call of seccomp_compile() works on. */
struct compile {
	struct arena *arena;
	const struct config_seccomp *profile;
	struct findings *findings;
	struct seccomp_calls *calls;
	bool notify;		 /* a rule asks the agent behind listenerPath */
	struct str_list unknown; /* names */
};

static int action_data(uint32_t action, const struct opt_u32 *data, uint32_t *out,
		       struct error *err)
{
	uint32_t limit = action == SCMP_ACT_ERRNO(0) ? MAX_ERRNO : MAX_DATA;

	if (action != SCMP_ACT_ERRNO(0) && action != SCMP_ACT_TRACE(0)) {
		if (data->set)
			return error_set(err, "only SCMP_ACT_ERRNO and SCMP_ACT_TRACE take one");
		*out = action;
		return 0;
	}
	if (data->set && data->value > limit)
		return error_set(err, "expected 0 to %u, got %u", limit, data->value);
	*out = action | (data->set ? data->value : EPERM);
	return 0;
}

/* where and member: the JSON path of the action; errno_key stands beside it. */
static int action_of(const char *word, const struct opt_u32 *data, const char *where,
		     const char *member, const char *errno_key, uint32_t *out, struct error *err)
{
	uint32_t action;

	if (!seccomp_action_word(word, &action))
		return error_set(err, "%s.%s: unknown action \"%s\"", where, member, word);
	if (action_data(action, data, out, err) < 0)
		return error_wrap(err, "%s.%s", where, errno_key);
	return 0;
}

/* *repeated: one index is there twice. */
static int check_args(const struct config_seccomp_rule *rule, const char *where, bool *repeated,
		      struct error *err)
{
	bool seen[N_ARGS] = {false};

	*repeated = false;
	for (size_t i = 0; i < rule->n_args; i++) {
		const struct config_seccomp_arg *arg = &rule->args[i];
		uint32_t op;

		if (arg->index >= N_ARGS)
			return error_set(err, "%s.args[%zu].index: expected 0 to 5, got %u", where,
					 i, arg->index);
		if (!seccomp_operator_word(arg->op, &op))
			return error_set(err, "%s.args[%zu].op: unknown operator \"%s\"", where, i,
					 arg->op);
		*repeated = *repeated || seen[arg->index];
		seen[arg->index] = true;
	}
	return 0;
}

static int add_name(struct compile *c, const char *name, const struct config_seccomp_rule *rule,
		    uint32_t action, bool repeated, struct error *err)
{
	int known = 1;

	if (!repeated)
		return seccomp_calls_rule(c->calls, name, rule->args, rule->n_args, action, err);
	for (size_t i = 0; i < rule->n_args && known > 0; i++)
		known = seccomp_calls_rule(c->calls, name, &rule->args[i], 1, action, err);
	return known;
}

static int add_rule(struct compile *c, size_t i, struct error *err)
{
	const struct config_seccomp_rule *rule = &c->profile->syscalls[i];
	const char *where = arena_printf(c->arena, WHERE ".syscalls[%zu]", i);
	uint32_t action = 0;
	bool repeated;

	if (action_of(rule->action, &rule->errno_ret, where, "action", "errnoRet", &action, err) <
		0 ||
	    check_args(rule, where, &repeated, err) < 0)
		return -1;
	c->notify = c->notify || action == SCMP_ACT_NOTIFY;
	for (size_t j = 0; j < rule->names.n; j++) {
		const int known = add_name(c, rule->names.items[j], rule, action, repeated, err);

		if (known < 0)
			return error_wrap(err, "%s", where);
		if (known == 0)
			str_list_add(c->arena, &c->unknown, rule->names.items[j]);
	}
	return 0;
}

static int add_rules(struct compile *c, struct error *err)
{
	for (size_t i = 0; i < c->profile->n_syscalls; i++)
		if (add_rule(c, i, err) < 0)
			return -1;
	if (c->unknown.n)
		findings_add(c->findings, FINDING_NOTE, "linux.seccomp.syscalls",
			     "system calls that neither libseccomp nor runsafe knows are left to "
			     "the default action: %s",
			     str_list_join(c->arena, &c->unknown, ", "));
	return 0;
}

/* Whether this machine's kernel can run programs of that architecture. */
static bool same_family(uint32_t token)
{
	switch (seccomp_arch_native()) {
	case SCMP_ARCH_X86_64:
		return token == SCMP_ARCH_X86 || token == SCMP_ARCH_X32;
	case SCMP_ARCH_AARCH64:
		return token == SCMP_ARCH_ARM;
	default:
		return false;
	}
}

static int add_architecture(struct compile *c, size_t i, const char *word, struct error *err)
{
	uint32_t token;

	if (!seccomp_architecture_word(word, &token)) {
		findings_add(c->findings, FINDING_NOTE, "linux.seccomp.architectures",
			     "this libseccomp does not know %s: passed over", word);
		return 0;
	}
	if (token == SCMP_ARCH_NATIVE || token == seccomp_arch_native())
		return 0; /* it is there */
	if (!same_family(token)) {
		findings_add(c->findings, FINDING_NOTE, "linux.seccomp.architectures",
			     "this machine does not run %s: passed over", word);
		return 0;
	}
	if (!seccomp_calls_arch(c->calls, token))
		return error_set(err, "%s.architectures[%zu]: no more than %d", WHERE, i,
				 CALLS_ARCHS);
	return 0;
}

static int flag_bits(const struct str_list *words, unsigned int *out, struct error *err)
{
	uint32_t bit;

	*out = 0;
	for (size_t i = 0; i < words->n; i++) {
		if (!seccomp_flag_word(words->items[i], &bit))
			return error_set(err, "%s.flags[%zu]: unknown flag \"%s\"", WHERE, i,
					 words->items[i]);
		*out |= bit;
	}
	return 0;
}

static int compile(struct compile *c, struct seccomp_program *out, struct error *err)
{
	const struct config_seccomp *p = c->profile;
	struct bpf_writer *w = arena_alloc(c->arena, sizeof(*w));
	struct sock_filter *instructions;

	for (size_t i = 0; i < p->architectures.n; i++)
		if (add_architecture(c, i, p->architectures.items[i], err) < 0)
			return -1;
	if (add_rules(c, err) < 0)
		return -1;
	if (!seccomp_calls_write(c->calls, w))
		return error_set(err, "%s: more than the %d instructions that the kernel takes",
				 WHERE, BPF_MAXINSNS);
	instructions = arena_alloc(c->arena, w->n * sizeof(*instructions));
	write_forwards(w, instructions);
	out->instructions = instructions;
	out->length = (unsigned short)w->n;
	return 0;
}

static int compile_anew(struct arena *arena, const struct config_seccomp *profile,
			struct seccomp_program *out, struct findings *findings, struct error *err)
{
	struct seccomp_calls calls;
	struct compile c = {
	    .arena = arena, .profile = profile, .findings = findings, .calls = &calls};
	uint32_t action = 0;

	if (action_of(profile->default_action, &profile->default_errno_ret, WHERE, "defaultAction",
		      "defaultErrnoRet", &action, err) < 0 ||
	    flag_bits(&profile->flags, &out->flags, err) < 0)
		return -1;
	seccomp_calls_begin(&calls, arena, action);
	if (compile(&c, out, err) < 0)
		return -1;
	/* seccomp(2): the one is for listeners only. */
	if (c.notify)
		out->flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	else
		out->flags &= ~(unsigned int)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	return 0;
}

int seccomp_compile(struct arena *arena, const struct config_seccomp *profile, const char *root,
		    struct seccomp_program *out, struct findings *findings, struct error *err)
{
	struct seccomp_cache cache = {
	    .arena = arena, .root = root, .findings = findings, .n_findings = findings->n};

	if (seccomp_cache_find(&cache, profile, out))
		return 0;
	if (compile_anew(arena, profile, out, findings, err) < 0)
		return -1;
	seccomp_cache_keep(&cache, out);
	return 0;
}
