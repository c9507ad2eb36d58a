/* config.json's linux.seccomp to BPF, by libseccomp. */
#define RUNSAFE_WITH_LIBSECCOMP
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"
#include "seccomp.h"
#include "seccomp_cache.h"
#include "seccomp_front.h"
#include "seccomp_words.h"

#define WHERE	    "config.json: linux.seccomp"
#define MAX_ERRNO   4095 /* the kernel caps SECCOMP_RET_DATA there for SECCOMP_RET_ERRNO */
#define MAX_DATA    65535
#define BINARY_TREE 2 /* SCMP_FLTATR_CTL_OPTIMIZE, seccomp_attr_set(3) */
#define N_ARGS	    6 /* a system call has */
/* More than there are system calls. */
#define MAX_UNCONDITIONAL 1024

/* What one call of seccomp_compile() works on. */
struct compile {
	struct arena *arena;
	const struct config_seccomp *profile;
	struct findings *findings;
	scmp_filter_ctx filter;
	uint32_t default_action;
	bool notify;		 /* a rule asks the agent behind listenerPath */
	struct str_list unknown; /* names */
	struct seccomp_front front;
	size_t taken; /* rules and conditions so far */
	/* Answered whatever their arguments are. */
	struct unconditional {
		int number;
		uint32_t action;
	} unconditional[MAX_UNCONDITIONAL];
	size_t n_unconditional;
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

/* Turns the arguments of a rule into libseccomp's; *repeated: one index is there twice. */
static int convert_args(const struct config_seccomp_rule *rule, const char *where,
			struct scmp_arg_cmp *out, bool *repeated, struct error *err)
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
		out[i].op = (enum scmp_compare)op;
		out[i].arg = arg->index;
		out[i].datum_a = arg->value;
		out[i].datum_b = arg->value_two;
	}
	return 0;
}

/* libseccomp looks through all rules for each one, a second one that changes nothing, too. */
static bool known_already(struct compile *c, int number, uint32_t action)
{
	for (size_t i = 0; i < c->n_unconditional; i++)
		if (c->unconditional[i].number == number && c->unconditional[i].action == action)
			return true;
	if (c->n_unconditional < MAX_UNCONDITIONAL)
		c->unconditional[c->n_unconditional++] = (struct unconditional){number, action};
	return false;
}

static int add_rule(struct compile *c, int number, const char *name, uint32_t action,
		    const struct scmp_arg_cmp *args, size_t n_args, struct error *err)
{
	if (n_args == 0 && known_already(c, number, action))
		return 0;
	/* libseccomp compares each with all others. */
	c->taken += n_args ? n_args : 1;
	if (c->taken > BPF_MAXINSNS)
		return error_set(err,
				 "%s: more than %d rules and conditions on arguments, and the "
				 "kernel takes no more instructions than that",
				 WHERE, BPF_MAXINSNS);
	int r = seccomp_rule_add_array(c->filter, action, number, (unsigned int)n_args, args);

	if (r == -EEXIST)
		return error_set(err, "%s: two rules for %s answer the same arguments differently",
				 WHERE, name);
	if (r < 0)
		return error_errno(err, -r, "%s: libseccomp did not take a rule for %s", WHERE,
				   name);
	return 0;
}

/* A name that libseccomp does not know: our table, or a finding. */
static void add_unknown(struct compile *c, const char *name, uint32_t action, size_t n_args)
{
	if (n_args == 0 && seccomp_front_add(&c->front, name, action))
		return;
	str_list_add(c->arena, &c->unknown, arena_strdup(c->arena, name));
}

static int add_name(struct compile *c, const char *name, uint32_t action,
		    const struct scmp_arg_cmp *args, size_t n_args, bool repeated,
		    struct error *err)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number == __NR_SCMP_ERROR) {
		add_unknown(c, name, action, n_args);
		return 0;
	}
	seccomp_front_named(&c->front, number);
	if (action == c->default_action)
		return 0; /* libseccomp refuses such a rule */
	if (!repeated)
		return add_rule(c, number, name, action, args, n_args, err);
	for (size_t i = 0; i < n_args; i++)
		if (add_rule(c, number, name, action, &args[i], 1, err) < 0)
			return -1;
	return 0;
}

static int add_rules(struct compile *c, struct error *err)
{
	for (size_t i = 0; i < c->profile->n_syscalls; i++) {
		const struct config_seccomp_rule *rule = &c->profile->syscalls[i];
		const char *where = arena_printf(c->arena, WHERE ".syscalls[%zu]", i);
		struct scmp_arg_cmp *args =
		    arena_alloc(c->arena, (rule->n_args + 1) * sizeof(*args));
		uint32_t action = 0;
		bool repeated = false;

		if (action_of(rule->action, &rule->errno_ret, where, "action", "errnoRet", &action,
			      err) < 0 ||
		    convert_args(rule, where, args, &repeated, err) < 0)
			return -1;
		c->notify = c->notify || action == SCMP_ACT_NOTIFY;
		for (size_t j = 0; j < rule->names.n; j++)
			if (add_name(c, rule->names.items[j], action, args, rule->n_args, repeated,
				     err) < 0)
				return -1;
	}
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
	int r;

	if (!seccomp_architecture_word(word, &token)) {
		findings_add(c->findings, FINDING_NOTE, "linux.seccomp.architectures",
			     "this libseccomp does not know %s: passed over", word);
		return 0;
	}
	if (token == SCMP_ARCH_NATIVE || token == seccomp_arch_native())
		return 0; /* seccomp_init(3) put it there */
	if (!same_family(token)) {
		findings_add(c->findings, FINDING_NOTE, "linux.seccomp.architectures",
			     "this machine does not run %s: passed over", word);
		return 0;
	}
	r = seccomp_arch_add(c->filter, token);
	if (r < 0 && r != -EEXIST)
		return error_errno(err, -r, "%s.architectures[%zu]: %s", WHERE, i, word);
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

/* Puts libseccomp's program behind the front. */
static int finish(struct compile *c, const void *body, size_t bytes, struct seccomp_program *out,
		  struct error *err)
{
	size_t front, n = bytes / sizeof(struct sock_filter);
	struct sock_filter *all = arena_alloc(c->arena, SECCOMP_FRONT_MAX * sizeof(*all) + bytes);

	front = seccomp_front_write(&c->front, c->default_action, all);
	memcpy(all + front, body, bytes);
	if (front + n > BPF_MAXINSNS)
		return error_set(err, "%s: %zu instructions, and the kernel takes %d", WHERE,
				 front + n, BPF_MAXINSNS);
	out->instructions = all;
	out->length = (unsigned short)(front + n);
	return 0;
}

#if SCMP_VER_MAJOR > 2 || (SCMP_VER_MAJOR == 2 && SCMP_VER_MINOR >= 6)
static int export_program(struct compile *c, struct seccomp_program *out, struct error *err)
{
	size_t bytes = BPF_MAXINSNS * sizeof(struct sock_filter);
	void *body = arena_alloc(c->arena, bytes);
	int r = seccomp_export_bpf_mem(c->filter, body, &bytes);

	if (r < 0)
		return error_errno(err, -r, "%s: libseccomp made no program of it", WHERE);
	return finish(c, body, bytes, out, err);
}
#else
static int export_program(struct compile *c, struct seccomp_program *out, struct error *err)
{
	cleanup_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	size_t bytes;
	char *body;
	int r;

	if (fd < 0)
		return error_errno(err, errno, "memfd_create for %s", WHERE);
	r = seccomp_export_bpf(c->filter, fd);
	if (r < 0)
		return error_errno(err, -r, "%s: libseccomp made no program of it", WHERE);
	if (lseek(fd, 0, SEEK_SET) < 0 || fd_read_all(c->arena, fd, 1 << 20, &body, &bytes) < 0)
		return error_errno(err, errno, "reading the program of %s", WHERE);
	return finish(c, body, bytes, out, err);
}
#endif

static int compile(struct compile *c, struct seccomp_program *out, struct error *err)
{
	const struct config_seccomp *p = c->profile;

	/* Only speed is lost where it is not to be had. */
	(void)seccomp_attr_set(c->filter, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);
	for (size_t i = 0; i < p->architectures.n; i++)
		if (add_architecture(c, i, p->architectures.items[i], err) < 0)
			return -1;
	if (add_rules(c, err) < 0)
		return -1;
	return export_program(c, out, err);
}

static int compile_anew(struct arena *arena, const struct config_seccomp *profile,
			struct seccomp_program *out, struct findings *findings, struct error *err)
{
	struct compile c = {.arena = arena, .profile = profile, .findings = findings};
	int r;

	if (action_of(profile->default_action, &profile->default_errno_ret, WHERE, "defaultAction",
		      "defaultErrnoRet", &c.default_action, err) < 0 ||
	    flag_bits(&profile->flags, &out->flags, err) < 0)
		return -1;
	c.filter = seccomp_init(c.default_action);
	if (!c.filter)
		return error_set(err, "%s: libseccomp could not start a filter", WHERE);
	r = compile(&c, out, err);
	seccomp_release(c.filter);
	/* seccomp(2): the one is for listeners only. */
	if (c.notify)
		out->flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	else
		out->flags &= ~(unsigned int)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	return r;
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
