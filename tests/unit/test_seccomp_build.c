/* link: plan config base */
/*
 * tools/seccomp-build's two steps, compiled in here: programs of random profiles answer as the
 * profile says, for every operator, and far beyond the reach of one jump; wrong profiles are
 * refused.
 */
#include <linux/audit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The tool is no room, so its parts are in no archive. */
#include "../../tools/seccomp_program.c" // NOLINT(bugprone-suspicious-include)
#include "../../tools/seccomp_rules.c"	 // NOLINT(bugprone-suspicious-include)
#include "bpf_machine.h"
#include "seccomp_oracle.h"

#define RANDOM_PROFILES 60
#define NUMBERS		300
#define PROBES		40

static const char *const operators[] = {"SCMP_CMP_NE",	     "SCMP_CMP_LT", "SCMP_CMP_LE",
					"SCMP_CMP_EQ",	     "SCMP_CMP_GE", "SCMP_CMP_GT",
					"SCMP_CMP_MASKED_EQ"};

static uint64_t seed; /* the same profiles in each run */

static size_t pick(size_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % n;
}

/* Values that meet each other often, in both words. */
static uint64_t random_value(void)
{
	static const uint64_t words[] = {0, 1, 2, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};

	return words[pick(7)] << 32 | words[pick(7)];
}

static void random_rule(struct arena *arena, struct config_seccomp_rule *rule, bool plain,
			const struct number_table *numbers, size_t number)
{
	rule->action = (char *)(pick(3) ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW");
	rule->errno_ret.set = true;
	rule->errno_ret.value = (uint32_t)pick(40) + 1;
	str_list_add(arena, &rule->names, (char *)numbers->names[number]);
	rule->n_args = plain ? 0 : pick(3) + 1;
	rule->args = arena_alloc(arena, rule->n_args * sizeof(*rule->args) + 1);
	for (size_t i = 0; i < rule->n_args; i++) {
		struct config_seccomp_arg *arg = &rule->args[i];

		arg->index = (uint32_t)pick(6);
		arg->op = (char *)operators[pick(7)];
		arg->value = random_value();
		arg->value_two = random_value();
		if (strcmp(arg->op, "SCMP_CMP_MASKED_EQ") == 0)
			arg->value_two &= arg->value;
	}
}

/* Up to three conditional rules for a call, and often one without arguments. */
static void random_profile(struct arena *arena, const struct number_table *numbers,
			   size_t conditional, struct config_seccomp *out)
{
	size_t n = 0;

	memset(out, 0, sizeof(*out));
	out->default_action = (char *)(pick(2) ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW");
	out->syscalls = arena_alloc(arena, (size_t)4 * NUMBERS * sizeof(*out->syscalls));
	for (size_t number = 0; number < NUMBERS; number++) {
		if (pick(NUMBERS) < conditional)
			for (size_t i = pick(3) + 1; i > 0; i--)
				random_rule(arena, &out->syscalls[n++], false, numbers, number);
		if (pick(4))
			random_rule(arena, &out->syscalls[n++], true, numbers, number);
	}
	out->n_syscalls = n;
}

static void some_numbers(struct arena *arena, struct number_table *out)
{
	memset(out, 0, sizeof(*out));
	out->label = "numbers";
	for (size_t i = 0; i < NUMBERS; i++)
		out->names[i] = arena_printf(arena, "call%zu", i);
}

static void probe(const struct program *program, const struct config_seccomp *profile,
		  const char *name, int number)
{
	for (int i = 0; i < PROBES; i++) {
		struct seccomp_data data = {.nr = number, .arch = AUDIT_ARCH_AARCH64};
		uint64_t args[6];

		for (size_t a = 0; a < 6; a++)
			args[a] = random_value();
		memcpy(data.args, args, sizeof(args));
		assert_int_equal(bpf_run(program->code, program->length, &data),
				 oracle(NULL, profile, name, args));
	}
}

/* Returns the length of the program. */
static size_t check_random(size_t conditional)
{
	static struct calls calls;
	static struct program program;
	struct arena arena = ARENA_INIT;
	struct number_table numbers;
	struct config_seccomp profile;
	struct error err = ERROR_INIT;

	some_numbers(&arena, &numbers);
	random_profile(&arena, &numbers, conditional, &profile);
	assert_int_equal(calls_begin(&profile, &calls, &err), 0);
	if (calls_add(&arena, &profile, &numbers, &calls, &err) < 0 ||
	    program_build(&arena, &calls, AUDIT_ARCH_AARCH64, &program, &err) < 0)
		fail_msg("%s", err.text);
	for (int number = 0; number < NUMBERS + 10; number++)
		probe(&program, &profile, number < NUMBERS ? numbers.names[number] : "", number);
	arena_free(&arena);
	return program.length;
}

static void random_profiles_answer_as_they_say(void **state)
{
	(void)state;
	seed = 1;
	for (int i = 0; i < RANDOM_PROFILES; i++)
		check_random(10);
}

static void far_jumps_arrive(void **state)
{
	(void)state;
	seed = 2;
	for (int i = 0; i < 5; i++)
		assert_in_range(check_random(80), 1000, BPF_MAXINSNS);
}

static int build(struct config_seccomp *profile, uint32_t arch, struct program *program,
		 struct error *err)
{
	static struct calls calls;
	struct arena arena = ARENA_INIT;
	struct number_table numbers;
	int r;

	some_numbers(&arena, &numbers);
	r = calls_begin(profile, &calls, err);
	if (r == 0)
		r = calls_add(&arena, profile, &numbers, &calls, err);
	if (r == 0)
		r = program_build(&arena, &calls, arch, program, err);
	arena_free(&arena);
	return r;
}

static void x32_stays_shut_when_the_default_is_to_allow(void **state)
{
	static struct program program;
	struct config_seccomp profile = {.default_action = (char *)"SCMP_ACT_ALLOW"};
	struct seccomp_data data = {.nr = 0x40000000, .arch = AUDIT_ARCH_X86_64};
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(build(&profile, AUDIT_ARCH_X86_64, &program, &err), 0);
	assert_int_equal(bpf_run(program.code, program.length, &data), SECCOMP_RET_ERRNO | ENOSYS);
	data.nr = 0x3fffffff;
	assert_int_equal(bpf_run(program.code, program.length, &data), SECCOMP_RET_ALLOW);
	data.nr = -1;
	assert_int_equal(bpf_run(program.code, program.length, &data), SECCOMP_RET_ERRNO | ENOSYS);
}

static void refused(struct config_seccomp_rule *rules, size_t n, const char *why)
{
	static struct program program;
	struct config_seccomp profile = {
	    .default_action = (char *)"SCMP_ACT_ALLOW", .syscalls = rules, .n_syscalls = n};
	struct error err = ERROR_INIT;

	assert_int_equal(build(&profile, AUDIT_ARCH_AARCH64, &program, &err), -1);
	if (!strstr(err.text, why))
		fail_msg("expected \"%s\" in: %s", why, err.text);
}

static void wrong_profiles_are_refused(void **state)
{
	char *names[] = {(char *)"call1", NULL};
	struct config_seccomp_arg never = {
	    .index = 1, .value = 4, .value_two = 3, .op = (char *)"SCMP_CMP_MASKED_EQ"};
	struct config_seccomp_arg seventh = {.index = 6, .op = (char *)"SCMP_CMP_EQ"};
	struct config_seccomp_rule twice[2] = {
	    {.names = {names, 1}, .action = (char *)"SCMP_ACT_ALLOW"},
	    {.names = {names, 1}, .action = (char *)"SCMP_ACT_KILL"}};
	struct config_seccomp_rule rule = {.names = {names, 1},
					   .action = (char *)"SCMP_ACT_NOTIFY"};

	(void)state;
	refused(twice, 2, "syscalls[1]: call1 has two rules without arguments");
	refused(&rule, 1, "syscalls[0]: SCMP_ACT_NOTIFY has no place");
	rule.action = (char *)"SCMP_ACT_ERRNO";
	rule.errno_ret = (struct opt_u32){.set = true, .value = 5000};
	refused(&rule, 1, "errnoRet");
	rule.errno_ret.value = 1;
	rule.n_args = 1;
	rule.args = &never;
	refused(&rule, 1, "never matches");
	rule.args = &seventh;
	refused(&rule, 1, "args[0].index");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_profiles_answer_as_they_say),
	    cmocka_unit_test(far_jumps_arrive),
	    cmocka_unit_test(x32_stays_shut_when_the_default_is_to_allow),
	    cmocka_unit_test(wrong_profiles_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
