/* link: plan gen policy config base */
/*
 * config.json's linux.seccomp: a profile as Docker writes it answers as it says, what this
 * libseccomp does not know included; wrong ones are errors with their JSON path.
 */
#include <errno.h>
#include <linux/audit.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/plan/seccomp_table.h"
#include "bpf_machine.h"
#include "seccomp.h"
#include "seccomp_oracle.h"

#define ALLOW	SECCOMP_RET_ALLOW
#define NO(err) (SECCOMP_RET_ERRNO | (err))

#if defined(__x86_64__)
#define NATIVE	AUDIT_ARCH_X86_64
#define NUMBERS "profiles/syscalls-x86_64.tbl"
#else
#define NATIVE	AUDIT_ARCH_AARCH64
#define NUMBERS "profiles/syscalls-aarch64.tbl"
#endif

struct fixture {
	struct arena arena;
	struct config_seccomp profile;
	struct findings findings;
	struct seccomp_program program;
	struct error err;
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	f.findings.arena = &f.arena;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_free(&f->arena);
	return 0;
}

static int compile(struct fixture *f, const char *json)
{
	if (config_parse_seccomp(&f->arena, "config.json", json, strlen(json), &f->profile,
				 &f->err) < 0)
		fail_msg("%s", f->err.text);
	return seccomp_compile(&f->arena, &f->profile, NULL, &f->program, &f->findings, &f->err);
}

static void compiles(struct fixture *f, const char *json)
{
	if (compile(f, json) < 0)
		fail_msg("%s", f->err.text);
}

static uint32_t run_on(const struct fixture *f, uint32_t arch, int number, const uint64_t *args)
{
	struct seccomp_data data = {.nr = number, .arch = arch};

	memcpy(data.args, args, sizeof(data.args));
	return bpf_run(f->program.instructions, f->program.length, &data);
}

static uint32_t run(const struct fixture *f, long number, uint64_t a0, uint64_t a1)
{
	const uint64_t args[6] = {a0, a1};

	return run_on(f, NATIVE, (int)number, args);
}

static const char docker[] =
    "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 1,"
    " \"architectures\": [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\","
    "   \"SCMP_ARCH_AARCH64\", \"SCMP_ARCH_ARM\", \"SCMP_ARCH_RISCV64\", \"SCMP_ARCH_FUTURE\"],"
    " \"syscalls\": ["
    "  {\"names\": [\"accept\", \"bind\", \"brk\", \"close\", \"execve\", \"exit_group\","
    "    \"futex\", \"getpid\", \"ioctl\", \"mmap\", \"munmap\", \"openat\", \"read\", \"write\","
    "    \"rt_sigreturn\", \"landlock_create_ruleset\", \"mseal\", \"listmount\","
    "    \"not_a_system_call\"], \"action\": \"SCMP_ACT_ALLOW\"},"
    "  {\"names\": [\"personality\"], \"action\": \"SCMP_ACT_ALLOW\","
    "    \"args\": [{\"index\": 0, \"value\": 8, \"op\": \"SCMP_CMP_EQ\"}]},"
    "  {\"names\": [\"personality\"], \"action\": \"SCMP_ACT_ALLOW\","
    "    \"args\": [{\"index\": 0, \"value\": 4294967295, \"op\": \"SCMP_CMP_EQ\"}]},"
    "  {\"names\": [\"socket\"], \"action\": \"SCMP_ACT_ALLOW\","
    "    \"args\": [{\"index\": 0, \"value\": 40, \"op\": \"SCMP_CMP_NE\"}]},"
    "  {\"names\": [\"clone\"], \"action\": \"SCMP_ACT_ALLOW\","
    "    \"args\": [{\"index\": 0, \"value\": 2114060288, \"valueTwo\": 0,"
    "      \"op\": \"SCMP_CMP_MASKED_EQ\"}]},"
    "  {\"names\": [\"mount\", \"also_unknown\"], \"action\": \"SCMP_ACT_ERRNO\"},"
    "  {\"names\": [\"clone3\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 38}]}";

static void a_profile_of_dockers_answers_as_it_says(void **state)
{
	static char names[ORACLE_NUMBERS][40];
	static const uint64_t values[] = {
	    0, 8, 9, 40, 0x20000, 0x10000011, 0xffffffff, 1ull << 32, 0xffffffff00000008};
	struct fixture *f = *state;

	oracle_numbers(NUMBERS, names);
	compiles(f, docker);
	/* mseal, 462, is the newest that it names. */
	for (int number = 0; number <= 462; number++)
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			const uint64_t args[6] = {values[i], values[i]};

			if (names[number][0])
				assert_int_equal(run_on(f, NATIVE, number, args),
						 oracle(NULL, &f->profile, names[number], args));
		}
}

static void newer_calls_than_the_profile_names_are_not_implemented(void **state)
{
	struct fixture *f = *state;

	compiles(f, docker);
	assert_int_equal(run(f, 462, 0, 0), ALLOW);
	assert_int_equal(run(f, 463, 0, 0), NO(ENOSYS));
	assert_int_equal(run(f, 1000, 0, 0), NO(ENOSYS));
	assert_int_equal(run(f, 461, 0, 0), NO(EPERM));
}

/* Not in libseccomp 2.5, but in our table. */
static void conditions_count_for_newer_calls_too(void **state)
{
	struct fixture *f = *state;

	compiles(f, "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": ["
		    "{\"names\": [\"mseal\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": ["
		    "{\"index\": 1, \"value\": 9, \"op\": \"SCMP_CMP_EQ\"}]}]}");
	assert_int_equal(run(f, 462, 0, 9), ALLOW);
	assert_int_equal(run(f, 462, 0, 8), NO(EPERM));
	assert_int_equal(f->findings.n, 0);
}

static void what_nobody_knows_is_a_finding(void **state)
{
	struct fixture *f = *state;
	size_t names = 0, foreign = 0, unknown = 0;

	compiles(f, docker);
	for (size_t i = 0; i < f->findings.n; i++) {
		const struct finding *finding = &f->findings.items[i];

		assert_int_equal(finding->kind, FINDING_NOTE);
		if (strcmp(finding->path, "linux.seccomp.syscalls") == 0 &&
		    strstr(finding->text, ": not_a_system_call, also_unknown"))
			names++;
		if (strstr(finding->text, "SCMP_ARCH_RISCV64"))
			foreign++;
		if (strstr(finding->text, "SCMP_ARCH_FUTURE"))
			unknown++;
	}
	assert_int_equal(names, 1);
	assert_int_equal(foreign, 1);
	assert_int_equal(unknown, 1);
}

static void other_architectures_are_open_only_when_listed(void **state)
{
	struct fixture *f = *state;
	const uint64_t args[6] = {0};

	compiles(f, docker);
	assert_int_equal(run_on(f, AUDIT_ARCH_RISCV64, 63, args), SECCOMP_RET_KILL_THREAD);
	/* Our table's numbers are for the native one alone. */
	assert_int_equal(run_on(f, AUDIT_ARCH_RISCV64, 462, args), SECCOMP_RET_KILL_THREAD);
#if defined(__x86_64__)
	assert_int_equal(run_on(f, AUDIT_ARCH_I386, 3 /* read */, args), ALLOW);
	assert_int_equal(run_on(f, AUDIT_ARCH_I386, 21 /* mount */, args), NO(EPERM));
	assert_int_equal(run_on(f, NATIVE, 0x40000000, args), ALLOW);
	assert_int_equal(run_on(f, NATIVE, 0x40000000 | 165, args), NO(EPERM));
#endif
	compiles(f, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": []}");
	assert_int_equal(run(f, SYS_read, 0, 0), ALLOW);
	assert_int_equal(run_on(f, AUDIT_ARCH_I386, 3, args), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(run_on(f, NATIVE, 0x40000000, args), SECCOMP_RET_KILL_THREAD);
}

static void new_calls_can_be_denied_where_the_default_is_to_allow(void **state)
{
	struct fixture *f = *state;

	compiles(f, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\":"
		    "[\"open_tree_attr\", \"mount\"], \"action\": \"SCMP_ACT_ERRNO\"}]}");
	assert_int_equal(run(f, 467, 0, 0), NO(EPERM));
	assert_int_equal(run(f, SYS_mount, 0, 0), NO(EPERM));
	assert_int_equal(run(f, 468, 0, 0), ALLOW);
	assert_int_equal(run(f, 1000, 0, 0), ALLOW);
	assert_int_equal(f->findings.n, 0);
}

static void conditions_on_one_argument_are_alternatives(void **state)
{
	struct fixture *f = *state;

	compiles(f, "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"kill\"],"
		    "\"action\": \"SCMP_ACT_ALLOW\", \"args\": ["
		    "{\"index\": 1, \"value\": 9, \"op\": \"SCMP_CMP_EQ\"},"
		    "{\"index\": 1, \"value\": 15, \"op\": \"SCMP_CMP_EQ\"}]},"
		    "{\"names\": [\"tkill\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": ["
		    "{\"index\": 0, \"value\": 1, \"op\": \"SCMP_CMP_GT\"},"
		    "{\"index\": 1, \"value\": 15, \"op\": \"SCMP_CMP_LE\"}]}]}");
	assert_int_equal(run(f, SYS_kill, 0, 9), ALLOW);
	assert_int_equal(run(f, SYS_kill, 0, 15), ALLOW);
	assert_int_equal(run(f, SYS_kill, 0, 10), NO(EPERM));
	assert_int_equal(run(f, SYS_tkill, 2, 15), ALLOW);
	assert_int_equal(run(f, SYS_tkill, 1, 15), NO(EPERM));
	assert_int_equal(run(f, SYS_tkill, 2, 16), NO(EPERM));
}

static void the_first_of_the_rules_that_match_answers(void **state)
{
	struct fixture *f = *state;

	compiles(f, "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": ["
		    "{\"names\": [\"kill\"], \"action\": \"SCMP_ACT_KILL\", \"args\": ["
		    "{\"index\": 0, \"value\": 3, \"op\": \"SCMP_CMP_EQ\"},"
		    "{\"index\": 1, \"value\": 9, \"op\": \"SCMP_CMP_EQ\"}]},"
		    "{\"names\": [\"kill\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": ["
		    "{\"index\": 0, \"value\": 3, \"op\": \"SCMP_CMP_EQ\"}]},"
		    "{\"names\": [\"kill\"], \"action\": \"SCMP_ACT_LOG\", \"args\": ["
		    "{\"index\": 1, \"value\": 9, \"op\": \"SCMP_CMP_EQ\"}]}]}");
	assert_int_equal(run(f, SYS_kill, 3, 9), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(run(f, SYS_kill, 3, 8), ALLOW);
	assert_int_equal(run(f, SYS_kill, 2, 9), SECCOMP_RET_LOG);
	assert_int_equal(run(f, SYS_kill, 2, 8), NO(EPERM));
}

/* As libseccomp takes them, and so as runc and crun answer. */
static void the_first_of_two_rules_for_a_call_answers(void **state)
{
	struct fixture *f = *state;

	compiles(f, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": ["
		    "{\"names\": [\"getpid\"], \"action\": \"SCMP_ACT_LOG\"},"
		    "{\"names\": [\"getpid\", \"getppid\"], \"action\": \"SCMP_ACT_KILL\"},"
		    "{\"names\": [\"getppid\", \"getpid\"], \"action\": \"SCMP_ACT_LOG\"},"
		    "{\"names\": [\"getuid\"], \"action\": \"SCMP_ACT_KILL\"}]}");
	assert_int_equal(run(f, SYS_getpid, 0, 0), SECCOMP_RET_LOG);
	assert_int_equal(run(f, SYS_getppid, 0, 0), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(run(f, SYS_getuid, 0, 0), SECCOMP_RET_KILL_THREAD);
}

/* There the call is a condition on an argument of another one, socketcall. */
static void the_first_of_two_rules_for_a_call_of_i386_answers(void **state)
{
#if defined(__x86_64__)
	struct fixture *f = *state;

	static const uint64_t socket[6] = {1}, bind[6] = {2};

	compiles(f, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\":"
		    "[\"SCMP_ARCH_X86\"], \"syscalls\": ["
		    "{\"names\": [\"socket\"], \"action\": \"SCMP_ACT_LOG\"},"
		    "{\"names\": [\"socket\"], \"action\": \"SCMP_ACT_KILL\"}]}");
	assert_int_equal(run_on(f, AUDIT_ARCH_I386, 102, socket), SECCOMP_RET_LOG);
	assert_int_equal(run_on(f, AUDIT_ARCH_I386, 102, bind), ALLOW);
	assert_int_equal(run_on(f, AUDIT_ARCH_I386, 359, socket), SECCOMP_RET_LOG);
#else
	(void)state;
	skip();
#endif
}

/* libseccomp 2.5 and 2.6 compare the third argument with what is meant for the first. */
static void rules_with_the_same_beginning_do_not_mix(void **state)
{
#if defined(__x86_64__)
	struct fixture *f = *state;
	static const uint64_t refused[6] = {0, 0, 4}, third[6] = {0, 0, 5}, first[6] = {1, 0, 4};

	compiles(f,
		 "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"architectures\": [\"SCMP_ARCH_X86\"],"
		 "\"syscalls\": [{\"names\": [\"close_range\"], \"action\": \"SCMP_ACT_ALLOW\","
		 "  \"args\": [{\"index\": 0, \"value\": 0, \"op\": \"SCMP_CMP_EQ\"},"
		 "    {\"index\": 2, \"value\": 4, \"op\": \"SCMP_CMP_NE\"}]},"
		 " {\"names\": [\"msgget\"], \"action\": \"SCMP_ACT_KILL\"},"
		 " {\"names\": [\"ipc\", \"close_range\"], \"action\": \"SCMP_ACT_ALLOW\","
		 "  \"args\": [{\"index\": 0, \"value\": 0, \"op\": \"SCMP_CMP_GT\"}]}]}");
	assert_int_equal(run_on(f, AUDIT_ARCH_I386, 436, refused), NO(EPERM));
	assert_int_equal(run_on(f, AUDIT_ARCH_I386, 436, third), ALLOW);
	assert_int_equal(run_on(f, AUDIT_ARCH_I386, 436, first), ALLOW);
#else
	(void)state;
	skip();
#endif
}

static void there_are_no_more_rules_than_the_kernel_takes_instructions(void **state)
{
	struct fixture *f = *state;
	char *json = malloc(2 << 20), *end = json;

	end += snprintf(end, 99, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [");
	for (int i = 0; i < 4097; i++)
		end += snprintf(end, 199,
				"%s{\"names\": [\"%s\"], \"action\": \"SCMP_ACT_LOG\", \"args\": "
				"[{\"index\": 0, \"value\": %d, \"op\": \"SCMP_CMP_EQ\"}]}",
				i ? "," : "", i % 2 ? "getpid" : "getppid", i);
	snprintf(end, 99, "]}");
	assert_int_equal(compile(f, json), -1);
	assert_non_null(strstr(f->err.text, "more than 4096 rules with arguments"));
	memcpy(strstr(json, ",{\"names\": [\"getpid\"], \"action\": \"SCMP_ACT_LOG\", \"args\": "
			    "[{\"index\": 0, \"value\": 2001"),
	       "]}", 3);
	assert_int_equal(compile(f, json), -1);
	assert_non_null(strstr(f->err.text, "more than the 4096 instructions"));
	free(json);
}

static void every_action_is_what_it_says(void **state)
{
	static const struct {
		const char *action;
		uint32_t answer;
	} actions[] = {
	    {"\"SCMP_ACT_KILL\"", SECCOMP_RET_KILL_THREAD},
	    {"\"SCMP_ACT_KILL_THREAD\"", SECCOMP_RET_KILL_THREAD},
	    {"\"SCMP_ACT_KILL_PROCESS\"", SECCOMP_RET_KILL_PROCESS},
	    {"\"SCMP_ACT_TRAP\"", SECCOMP_RET_TRAP},
	    {"\"SCMP_ACT_ERRNO\"", SECCOMP_RET_ERRNO | EPERM},
	    {"\"SCMP_ACT_ERRNO\", \"errnoRet\": 0", SECCOMP_RET_ERRNO},
	    {"\"SCMP_ACT_ERRNO\", \"errnoRet\": 93", SECCOMP_RET_ERRNO | 93},
	    {"\"SCMP_ACT_TRACE\", \"errnoRet\": 65535", SECCOMP_RET_TRACE | 65535},
	    {"\"SCMP_ACT_LOG\"", SECCOMP_RET_LOG},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		compiles(f, arena_printf(&f->arena,
					 "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": "
					 "[{\"names\": [\"getpid\", \"mseal\"], \"action\": %s}]}",
					 actions[i].action));
		assert_int_equal(run(f, SYS_getpid, 0, 0), actions[i].answer);
		assert_int_equal(run(f, 462, 0, 0), actions[i].answer);
		assert_int_equal(run(f, SYS_getppid, 0, 0), ALLOW);
	}
}

static void a_default_that_kills_kills_newer_calls_too(void **state)
{
	struct fixture *f = *state;

	compiles(f, "{\"defaultAction\": \"SCMP_ACT_KILL_PROCESS\", \"syscalls\": [{\"names\":"
		    "[\"getpid\"], \"action\": \"SCMP_ACT_ALLOW\"}]}");
	assert_int_equal(run(f, SYS_getpid, 0, 0), ALLOW);
	assert_int_equal(run(f, 1000, 0, 0), SECCOMP_RET_KILL_PROCESS);
}

static void flags_become_those_of_seccomp(void **state)
{
	struct fixture *f = *state;

	compiles(f, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": ["
		    "\"SECCOMP_FILTER_FLAG_TSYNC\", \"SECCOMP_FILTER_FLAG_LOG\","
		    "\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\", "
		    "\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]}");
	assert_int_equal(f->program.flags,
			 SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	compiles(f, "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}");
	assert_int_equal(f->program.flags, 0);
}

/* The kernel takes WAIT_KILLABLE_RECV for a filter with a listener only. */
static void a_rule_with_notify_makes_a_listener(void **state)
{
	struct fixture *f = *state;

	compiles(f, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"listenerPath\": \"/a\", "
		    "\"flags\": [\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"], \"syscalls\": "
		    "[{\"names\": [\"mkdir\"], \"action\": \"SCMP_ACT_NOTIFY\"}]}");
	assert_int_equal(f->program.flags,
			 SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
}

static void wrong_profiles_are_errors_with_their_path(void **state)
{
	static const struct {
		const char *json, *text;
	} wrong[] = {
	    {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"defaultErrnoRet\": 1}",
	     "linux.seccomp.defaultErrnoRet: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE"},
	    {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"read\"],"
	     "\"action\": \"SCMP_ACT_KILL\", \"errnoRet\": 1}]}",
	     "linux.seccomp.syscalls[0].errnoRet: only SCMP_ACT_ERRNO"},
	    {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": ["
	     "{\"names\": [\"kill\"], \"action\": \"SCMP_ACT_LOG\", \"args\":"
	     "[{\"index\": 1, \"value\": 9, \"op\": \"SCMP_CMP_EQ\"}]},"
	     "{\"names\": [\"kill\"], \"action\": \"SCMP_ACT_KILL\", \"args\":"
	     "[{\"index\": 1, \"value\": 9, \"op\": \"SCMP_CMP_EQ\"}]}]}",
	     "two rules for kill answer the same arguments differently"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(compile(f, wrong[i].json), -1);
		if (!strstr(f->err.text, wrong[i].text))
			fail_msg("expected \"%s\" in: %s", wrong[i].text, f->err.text);
	}
}

/* What config.json's parser would not let through either. */
static void words_that_are_unknown_are_errors(void **state)
{
	struct fixture *f = *state;
	char *flag[] = {(char *)"SECCOMP_FILTER_FLAG_NONE", NULL};
	struct config_seccomp profile = {.default_action = (char *)"SCMP_ACT_MAYBE"};

	assert_int_equal(
	    seccomp_compile(&f->arena, &profile, NULL, &f->program, &f->findings, &f->err), -1);
	assert_non_null(strstr(f->err.text, "unknown action \"SCMP_ACT_MAYBE\""));
	profile.default_action = (char *)"SCMP_ACT_ALLOW";
	profile.flags = (struct str_list){flag, 1};
	assert_int_equal(
	    seccomp_compile(&f->arena, &profile, NULL, &f->program, &f->findings, &f->err), -1);
	assert_non_null(strstr(f->err.text, "flags[0]: unknown flag"));
}

static bool has(const char *const *words, const char *word)
{
	for (; *words; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

static void features_lists_the_words(void **state)
{
	(void)state;
	assert_true(has(seccomp_actions(), "SCMP_ACT_KILL_PROCESS"));
	assert_true(has(seccomp_actions(), "SCMP_ACT_NOTIFY"));
	assert_true(has(seccomp_operators(), "SCMP_CMP_MASKED_EQ"));
	assert_true(has(seccomp_architectures(), "SCMP_ARCH_X86_64"));
	assert_true(has(seccomp_flags(), "SECCOMP_FILTER_FLAG_LOG"));
}

static void load(const struct fixture *f)
{
	struct sock_fprog filter = {.len = f->program.length,
				    .filter =
					(struct sock_filter *)(uintptr_t)f->program.instructions};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->program.flags, &filter) < 0)
		_exit(101);
}

/* Plainly: a sanitizer's _exit() asks for more than the profile gives. */
static void leave(int status)
{
	syscall(SYS_exit_group, status);
}

static void the_kernel_takes_the_program(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	compiles(f, docker);
	child = fork();
	if (child == 0) {
		load(f);
		if (syscall(SYS_getpid) < 0)
			leave(1);
		if (syscall(SYS_getppid) != -1 || errno != EPERM)
			leave(2);
		if (syscall(1000) != -1 || errno != ENOSYS)
			leave(3);
		if (syscall(SYS_clone3, 0, 0) != -1 || errno != ENOSYS)
			leave(4);
		leave(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_profile_of_dockers_answers_as_it_says),
	    TEST(newer_calls_than_the_profile_names_are_not_implemented),
	    TEST(conditions_count_for_newer_calls_too),
	    TEST(what_nobody_knows_is_a_finding),
	    TEST(other_architectures_are_open_only_when_listed),
	    TEST(new_calls_can_be_denied_where_the_default_is_to_allow),
	    TEST(conditions_on_one_argument_are_alternatives),
	    TEST(the_first_of_the_rules_that_match_answers),
	    TEST(the_first_of_two_rules_for_a_call_answers),
	    TEST(the_first_of_two_rules_for_a_call_of_i386_answers),
	    TEST(rules_with_the_same_beginning_do_not_mix),
	    TEST(there_are_no_more_rules_than_the_kernel_takes_instructions),
	    TEST(every_action_is_what_it_says),
	    TEST(a_default_that_kills_kills_newer_calls_too),
	    TEST(flags_become_those_of_seccomp),
	    TEST(a_rule_with_notify_makes_a_listener),
	    TEST(wrong_profiles_are_errors_with_their_path),
	    TEST(words_that_are_unknown_are_errors),
	    TEST(features_lists_the_words),
	    TEST(the_kernel_takes_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
