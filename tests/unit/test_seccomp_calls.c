/* link: plan gen policy config base */
/*
 * Random profiles of config.json answer as they say on each architecture, and as libseccomp's
 * program for them does where that is right.
 */
#define RUNSAFE_WITH_LIBSECCOMP
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/plan/seccomp_words.h"
#include "bpf_alike.h"
#include "fd.h"
#include "seccomp.h"
#include "seccomp_oracle.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define MAX_RULES   40

/* The native one comes by itself. */
#if defined(__x86_64__)
static const char *const architectures[] = {"SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#else
static const char *const architectures[] = {"SCMP_ARCH_ARM"};
#endif

struct fixture {
	struct arena arena;
	struct str_list names; /* of all calls of all architectures */
	size_t n_simple;       /* the first of them: what is multiplexed nowhere */
	struct config_seccomp profile;
	struct sock_filter direct[BPF_MAXINSNS];
	size_t n_direct;
	struct seccomp_program program;
	uint64_t seed; /* the same in each run */
};

static uint32_t token_of(const char *word)
{
	uint32_t token;

	assert_true(seccomp_architecture_word(word, &token));
	return token;
}

static bool is_multiplexed(const char *name)
{
	const int number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, name);

	return (number < 0 && number > -1000) || strcmp(name, "ipc") == 0 ||
	       strcmp(name, "socketcall") == 0;
}

static void add_names_of(struct fixture *f, uint32_t token, bool multiplexed)
{
	const uint32_t bit = token == SCMP_ARCH_X32 ? 0x40000000 : 0;

	for (uint32_t number = 0; number < 480; number++) {
		char *name = seccomp_syscall_resolve_num_arch(token, (int)(number | bit));

		if (name && is_multiplexed(name) == multiplexed)
			str_list_add(&f->arena, &f->names, arena_strdup(&f->arena, name));
		free(name);
	}
}

static void add_names(struct fixture *f, bool multiplexed)
{
	add_names_of(f, SCMP_ARCH_NATIVE, multiplexed);
	for (size_t i = 0; i < COUNT(architectures); i++)
		add_names_of(f, token_of(architectures[i]), multiplexed);
}

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	f.seed = 1;
	add_names(&f, false);
	f.n_simple = f.names.n;
	assert_in_range(f.n_simple, 600, 2000);
	/* What is multiplexed, more often: rules for the same call shall meet. */
	for (int i = 0; i < 6; i++)
		add_names(&f, true);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_free(&f->arena);
	return 0;
}

static uint32_t pick(struct fixture *f, size_t n)
{
	return bpf_pick(&f->seed, (uint32_t)n);
}

/* SCMP_ACT_KILL is 0, as what nothing was written to. */
static char *random_action(struct fixture *f, struct opt_u32 *data)
{
	static char *const words[] = {"SCMP_ACT_ALLOW", "SCMP_ACT_ALLOW", "SCMP_ACT_ALLOW",
				      "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",  "SCMP_ACT_LOG"};
	char *word = words[pick(f, COUNT(words))];

	*data =
	    (struct opt_u32){.set = strcmp(word, "SCMP_ACT_ERRNO") == 0, .value = 1 + pick(f, 2)};
	return word;
}

/* Values that meet each other often, in both words. */
static uint64_t random_word(struct fixture *f)
{
	static const uint32_t words[] = {0,	     1,		 2,	     40,
					 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
	uint64_t high = pick(f, 2) ? 0 : words[pick(f, COUNT(words))];

	return high << 32 | words[pick(f, COUNT(words))];
}

static void random_args(struct fixture *f, struct config_seccomp_rule *rule)
{
	static char *const ops[] = {"SCMP_CMP_EQ",	 "SCMP_CMP_NE", "SCMP_CMP_GT",
				    "SCMP_CMP_GE",	 "SCMP_CMP_LT", "SCMP_CMP_LE",
				    "SCMP_CMP_MASKED_EQ"};

	rule->n_args = 1 + pick(f, 3);
	rule->args = arena_alloc(&f->arena, rule->n_args * sizeof(*rule->args));
	for (size_t i = 0; i < rule->n_args; i++)
		rule->args[i] = (struct config_seccomp_arg){.index = (uint32_t)i * 2,
							    .op = ops[pick(f, COUNT(ops))],
							    .value = random_word(f),
							    .value_two = random_word(f)};
}

/* One that libseccomp makes no mistakes with: see
 * runtime/plan/seccomp_calls.h. */
static void simple_args(struct fixture *f, struct config_seccomp_rule *rule)
{
	rule->n_args = 1;
	rule->args = arena_alloc(&f->arena, sizeof(*rule->args));
	*rule->args = (struct config_seccomp_arg){
	    .index = 1, .op = (char *)"SCMP_CMP_EQ", .value = pick(f, 5)};
}

/* simple: for libseccomp. */
static void random_profile(struct fixture *f, bool simple)
{
	struct config_seccomp *p = &f->profile;

	memset(p, 0, sizeof(*p));
	p->default_action = random_action(f, &p->default_errno_ret);
	for (size_t i = 0; i < COUNT(architectures); i++)
		if (pick(f, 3))
			str_list_add(&f->arena, &p->architectures, (char *)architectures[i]);
	p->n_syscalls = 1 + pick(f, MAX_RULES);
	p->syscalls = arena_alloc(&f->arena, p->n_syscalls * sizeof(*p->syscalls));
	for (size_t i = 0; i < p->n_syscalls; i++) {
		struct config_seccomp_rule *rule = &p->syscalls[i];

		rule->action = random_action(f, &rule->errno_ret);
		if (pick(f, 3) == 0)
			(simple ? simple_args : random_args)(f, rule);
		const size_t n_names = simple && rule->n_args ? f->n_simple : f->names.n;

		for (uint32_t n = 1 + pick(f, rule->n_args ? 4 : pick(f, 8) ? 12 : 250); n > 0; n--)
			str_list_add(&f->arena, &rule->names, f->names.items[pick(f, n_names)]);
	}
}

static void compile(struct fixture *f)
{
	struct findings findings = {.arena = &f->arena};
	struct error err = ERROR_INIT;

	if (seccomp_compile(&f->arena, &f->profile, NULL, &f->program, &findings, &err) < 0)
		fail_msg("%s", err.text);
}

static uint32_t value_of(const char *word, const struct opt_u32 *data)
{
	uint32_t action;

	assert_true(seccomp_action_word(word, &action));
	return action | (data->set ? data->value : 0);
}

/* What an architecture calls a name: a number, or libseccomp's for what is multiplexed or missing.
 */
static int id_of(uint32_t token, const char *name)
{
	char *native =
	    seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, seccomp_syscall_resolve_name(name));
	int id;

	assert_non_null(native);
	id = seccomp_syscall_resolve_name_arch(token, native);
	free(native);
	return id;
}

static int id_of_number(uint32_t token, uint32_t number)
{
	char *name = seccomp_syscall_resolve_num_arch(token, (int)number);
	int id = name ? seccomp_syscall_resolve_name_arch(token, name) : -1;

	free(name);
	return id;
}

/* The rules for one call, as the profile has them. */
struct asked {
	const struct config_seccomp_rule *rules[MAX_RULES];
	size_t n;
};

static void rules_for(struct fixture *f, const int *ids, int id, struct asked *out)
{
	const struct config_seccomp *p = &f->profile;
	const uint32_t otherwise = value_of(p->default_action, &p->default_errno_ret);

	out->n = 0;
	for (size_t i = 0, at = 0; i < p->n_syscalls; at += p->syscalls[i++].names.n) {
		const struct config_seccomp_rule *rule = &p->syscalls[i];

		for (size_t j = 0; j < rule->names.n; j++)
			if (ids[at + j] == id &&
			    value_of(rule->action, &rule->errno_ret) != otherwise) {
				out->rules[out->n++] = rule;
				break;
			}
	}
}

static bool plain_answer(const struct asked *asked, uint32_t *answer)
{
	for (size_t i = 0; i < asked->n; i++)
		if (asked->rules[i]->n_args == 0) {
			*answer = value_of(asked->rules[i]->action, &asked->rules[i]->errno_ret);
			return true;
		}
	return false;
}

static bool holds(const struct config_seccomp_arg *arg, const uint64_t *args, bool short_words)
{
	const uint64_t all = short_words ? UINT32_MAX : UINT64_MAX;
	struct config_seccomp_arg masked = *arg;
	uint64_t cut[6];

	for (size_t i = 0; i < COUNT(cut); i++)
		cut[i] = args[i] & all;
	masked.value &= all;
	masked.value_two &= masked.value;
	return oracle_arg(&masked, cut);
}

static bool condition_answer(const struct asked *asked, const uint64_t *args, bool short_words,
			     uint32_t *answer)
{
	for (size_t i = 0; i < asked->n; i++) {
		const struct config_seccomp_rule *rule = asked->rules[i];
		bool all = true;

		for (size_t j = 0; j < rule->n_args; j++)
			all = all && holds(&rule->args[j], args, short_words);
		if (all) {
			*answer = value_of(rule->action, &rule->errno_ret);
			return true;
		}
	}
	return false;
}

/* What was multiplexed: no condition can be asked for. */
static bool answer_behind(const struct asked *asked, uint32_t *answer)
{
	if (asked->n == 0 || plain_answer(asked, answer))
		return asked->n > 0;
	*answer = value_of(asked->rules[0]->action, &asked->rules[0]->errno_ret);
	for (size_t i = 0; i < asked->n; i++)
		if (strcmp(asked->rules[i]->action, "SCMP_ACT_ALLOW") == 0)
			*answer = SECCOMP_RET_ALLOW;
	return true;
}

/* An argument that a rule asks for, or nearly. */
static void choose_args(struct fixture *f, const struct asked *asked, uint64_t *args)
{
	for (size_t i = 0; i < 6; i++)
		args[i] = pick(f, 3) ? random_word(f) : pick(f, 26);
	for (size_t i = 0; i < asked->n; i++)
		for (size_t j = 0; j < asked->rules[i]->n_args; j++) {
			const struct config_seccomp_arg *arg = &asked->rules[i]->args[j];

			if (pick(f, 2))
				args[arg->index] =
				    (pick(f, 2) ? arg->value : arg->value_two) + pick(f, 3) - 1;
		}
}

struct asker {
	struct fixture *f;
	uint32_t token;
	const int *ids;
	uint32_t newest;
};

static uint32_t right_answer(const struct asker *a, uint32_t number, int id,
			     const struct asked *asked, const uint64_t *args)
{
	const struct config_seccomp *p = &a->f->profile;
	uint32_t answer = value_of(p->default_action, &p->default_errno_ret);
	const bool refuses = strcmp(p->default_action, "SCMP_ACT_ERRNO") == 0;
	const uint32_t behind = (uint32_t)args[0];
	struct asked others;

	if (plain_answer(asked, &answer) ||
	    condition_answer(asked, args, a->token == SCMP_ARCH_X86, &answer))
		return answer;
	if (a->token == SCMP_ARCH_X86 && (id == 102 || id == 117) && behind >= 1 && behind <= 24) {
		rules_for(a->f, a->ids, -(id == 102 ? 100 : 200) - (int)behind, &others);
		if (answer_behind(&others, &answer))
			return answer;
	}
	if (a->token == seccomp_arch_native() && refuses && a->newest > 0 && number > a->newest)
		return SECCOMP_RET_ERRNO | ENOSYS;
	return answer;
}

static void ask_for(const struct asker *a, uint32_t number)
{
	const bool x32 = a->token == SCMP_ARCH_X32;
	const int id = id_of_number(a->token, number);
	struct seccomp_data data = {.nr = (int)number, .arch = x32 ? AUDIT_ARCH_X86_64 : a->token};
	struct asked asked;

	rules_for(a->f, a->ids, id, &asked);
	for (int i = 0; i < (asked.n || id == 102 || id == 117 ? 12 : 1); i++) {
		choose_args(a->f, &asked, (uint64_t *)data.args);
		const uint32_t right =
		    right_answer(a, number, id, &asked, (const uint64_t *)data.args);
		const uint32_t got =
		    bpf_run(a->f->program.instructions, a->f->program.length, &data);

		if (got != right)
			fail_msg("%x, %u(%llx, %llx, %llx): %x instead of %x", a->token, number,
				 data.args[0], data.args[2], data.args[4], got, right);
	}
}

static void ask_architecture(struct fixture *f, uint32_t token)
{
	const struct config_seccomp *p = &f->profile;
	const uint32_t bit = token == SCMP_ARCH_X32 ? 0x40000000 : 0;
	size_t n = 0;
	struct asker a = {.f = f, .token = token};
	int *ids;

	for (size_t i = 0; i < p->n_syscalls; i++)
		n += p->syscalls[i].names.n;
	ids = arena_alloc(&f->arena, n * sizeof(*ids));
	n = 0;
	for (size_t i = 0; i < p->n_syscalls; i++)
		for (size_t j = 0; j < p->syscalls[i].names.n; j++) {
			const char *name = p->syscalls[i].names.items[j];
			const int native = seccomp_syscall_resolve_name(name);

			ids[n++] = id_of(token, name);
			if (native > 0 && (uint32_t)native > a.newest)
				a.newest = (uint32_t)native;
		}
	a.ids = ids;
	for (uint32_t number = 0; number < 480; number++)
		ask_for(&a, number | bit);
	ask_for(&a, 0x3fffffff | bit);
#if defined(__aarch64__)
	for (uint32_t number = 0; token == SCMP_ARCH_ARM && number < 8; number++)
		ask_for(&a, 0xf0000 + number);
#endif
}

static void random_profiles_answer_as_they_say(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 120; i++) {
		random_profile(f, false);
		compile(f);
		ask_architecture(f, seccomp_arch_native());
		for (size_t j = 0; j < f->profile.architectures.n; j++)
			ask_architecture(f, token_of(f->profile.architectures.items[j]));
	}
}

/* Returns what seccomp_rule_add(3) says. */
static int add_directly(scmp_filter_ctx filter, uint32_t otherwise,
			const struct config_seccomp_rule *rule, const char *name)
{
	const uint32_t action = value_of(rule->action, &rule->errno_ret);
	struct scmp_arg_cmp args[6];
	uint32_t op;

	if (action == otherwise)
		return 0;
	for (size_t i = 0; i < rule->n_args; i++) {
		assert_true(seccomp_operator_word(rule->args[i].op, &op));
		args[i] = (struct scmp_arg_cmp){rule->args[i].index, (enum scmp_compare)op,
						rule->args[i].value, rule->args[i].value_two};
	}
	const int number = seccomp_syscall_resolve_name(name);

	return number == __NR_SCMP_ERROR ? 0
					 : seccomp_rule_add_array(filter, action, number,
								  (unsigned int)rule->n_args, args);
}

static void export_directly(struct fixture *f, scmp_filter_ctx filter)
{
	int fd = memfd_create("seccomp", MFD_CLOEXEC);
	ssize_t length;

	assert_return_code(fd, errno);
	assert_int_equal(seccomp_export_bpf(filter, fd), 0);
	length = pread(fd, f->direct, sizeof(f->direct), 0);
	assert_return_code(length, errno);
	f->n_direct = (size_t)length / sizeof(f->direct[0]);
	close(fd);
}

/* By libseccomp. Returns 0, or what it says of the first rule that it refuses. */
static int compile_directly(struct fixture *f)
{
	const struct config_seccomp *p = &f->profile;
	const uint32_t otherwise = value_of(p->default_action, &p->default_errno_ret);
	/* The native one is there. */
	static const unsigned long taken[] = {0, (unsigned long)-EEXIST};
	scmp_filter_ctx filter = seccomp_init(otherwise);
	int r = 0;

	assert_non_null(filter);
	for (size_t i = 0; i < p->architectures.n; i++)
		assert_in_set(
		    (unsigned long)seccomp_arch_add(filter, token_of(p->architectures.items[i])),
		    taken, COUNT(taken));
	for (size_t i = 0; i < p->n_syscalls && r == 0; i++)
		for (size_t j = 0; j < p->syscalls[i].names.n && r == 0; j++)
			r = add_directly(filter, otherwise, &p->syscalls[i],
					 p->syscalls[i].names.items[j]);
	if (r == 0)
		export_directly(f, filter);
	seccomp_release(filter);
	return r;
}

/* Calls that are newer than the profile have an answer of ours only where it is an errno. */
static void compare_with_libseccomp(struct fixture *f)
{
	if (!bpf_alike(f->direct, f->n_direct, f->program.instructions, f->program.length, 1100))
		fail_msg("%zu instructions and our %u differ", f->n_direct, f->program.length);
}

static void simple_profiles_answer_as_libseccomp_has_it(void **state)
{
	struct fixture *f = *state;
	size_t compared = 0;

	for (int i = 0; i < 200; i++) {
		random_profile(f, true);
		if (strcmp(f->profile.default_action, "SCMP_ACT_ERRNO") == 0 ||
		    compile_directly(f) < 0)
			continue;
		compile(f);
		compare_with_libseccomp(f);
		compared++;
	}
	assert_in_range(compared, 80, 200);
}

static void dockers_profile_answers_as_libseccomp_has_it(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	struct config config;
	char *text;
	size_t length;

	assert_return_code(file_read_all(&f->arena, AT_FDCWD, "tests/bench/docker-config.json",
					 1 << 20, &text, &length),
			   errno);
	assert_int_equal(config_parse(&f->arena, "config.json", text, length, &config, &err), 0);
	f->profile = *config.linux_.seccomp;
	f->profile.default_action = (char *)"SCMP_ACT_LOG";
	f->profile.default_errno_ret.set = false;
	assert_int_equal(compile_directly(f), 0);
	compile(f);
	compare_with_libseccomp(f);
	assert_in_range(f->program.length, 100, 250);
	assert_in_range(f->n_direct, 4 * f->program.length, BPF_MAXINSNS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(random_profiles_answer_as_they_say, setup, teardown),
	    cmocka_unit_test_setup_teardown(simple_profiles_answer_as_libseccomp_has_it, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(dockers_profile_answers_as_libseccomp_has_it, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
