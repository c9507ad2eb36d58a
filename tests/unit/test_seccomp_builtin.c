/* link: plan gen policy config base */
/*
 * Our own profile: the programs made at build time answer as profiles/seccomp-default.json says,
 * for both machines, and the profile says what issue 2 asks for. test_seccomp_live.c asks the
 * kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/plan/seccomp_table.h"
#include "bpf_machine.h"
#include "fd.h"
#include "seccomp.h"
#include "seccomp_oracle.h"

#define ALLOW	SECCOMP_RET_ALLOW
#define NO(err) (SECCOMP_RET_ERRNO | (err))
#define HIGH	0xdeadbeef00000000u /* what the kernel does not look at in an int */
#define WITHOUT 0
#define PTRACE	1 /* index of the program with that group */
#define X32	0x40000000u

struct machine {
	uint32_t arch;
	char names[ORACLE_NUMBERS][40];
	const struct seccomp_table *table;
};

static struct machine machines[2] = {{.arch = AUDIT_ARCH_X86_64}, {.arch = AUDIT_ARCH_AARCH64}};
static struct arena arena;
static struct config_seccomp profile, group;

static void read_profile(const char *path, struct config_seccomp *out)
{
	struct error err = ERROR_INIT;
	size_t length;
	char *text;

	assert_int_equal(file_read_all(&arena, AT_FDCWD, path, 1 << 20, &text, &length), 0);
	if (config_parse_seccomp(&arena, path, text, length, out, &err) < 0)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	(void)state;
	read_profile("profiles/seccomp-default.json", &profile);
	read_profile("profiles/seccomp-allow-ptrace.json", &group);
	oracle_numbers("profiles/syscalls-x86_64.tbl", machines[0].names);
	oracle_numbers("profiles/syscalls-aarch64.tbl", machines[1].names);
	for (size_t m = 0; m < 2; m++)
		for (size_t i = 0; seccomp_tables[i].arch; i++)
			if (seccomp_tables[i].arch == machines[m].arch)
				machines[m].table = &seccomp_tables[i];
	assert_non_null(machines[0].table);
	assert_non_null(machines[1].table);
	assert_string_equal(seccomp_table_groups[0], "ptrace");
	assert_null(seccomp_table_groups[1]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static uint32_t run(const struct machine *m, size_t program, uint32_t number, const uint64_t *args)
{
	const struct seccomp_table_program *p = &m->table->programs[program];
	struct seccomp_data data = {.nr = (int)number, .arch = m->arch};

	memcpy(data.args, args, sizeof(data.args));
	return bpf_run(p->instructions, p->length, &data);
}

static int number_of(const struct machine *m, const char *name)
{
	for (int i = 0; i < ORACLE_NUMBERS; i++)
		if (strcmp(m->names[i], name) == 0)
			return i;
	return -1;
}

/* Expects an answer of a call on each machine that has it, with the group and without. */
static void expect(const char *name, uint32_t answer, uint64_t a0, uint64_t a1, uint64_t a2,
		   uint64_t a3)
{
	const uint64_t args[6] = {a0, a1, a2, a3};
	bool found = false;

	for (size_t m = 0; m < 2; m++) {
		int number = number_of(&machines[m], name);

		if (number < 0)
			continue;
		found = true;
		for (size_t p = WITHOUT; p <= PTRACE; p++)
			if (run(&machines[m], p, (uint32_t)number, args) != answer)
				fail_msg("%s(0x%lx, 0x%lx, 0x%lx, 0x%lx): expected %x, got %x",
					 name, a0, a1, a2, a3, answer,
					 run(&machines[m], p, (uint32_t)number, args));
	}
	if (!found)
		fail_msg("%s is in no table", name);
}

static void every_number_answers_as_the_profile_says(void **state)
{
	const uint64_t patterns[][6] = {
	    {0}, {~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull}, {1, 2, 3, 4, 5, 6}};

	(void)state;
	for (size_t m = 0; m < 2; m++)
		for (uint32_t number = 0; number < ORACLE_NUMBERS + 100; number++)
			for (size_t p = WITHOUT; p <= PTRACE; p++)
				for (size_t a = 0; a < 3; a++) {
					const char *name = number < ORACLE_NUMBERS
							       ? machines[m].names[number]
							       : "";
					uint32_t is = run(&machines[m], p, number, patterns[a]);
					uint32_t should = oracle(p == PTRACE ? &group : NULL,
								 &profile, name, patterns[a]);

					if (is != should)
						fail_msg("%s %u: expected %x, got %x", name, number,
							 should, is);
				}
}

/* Values at the edges of every condition on one argument of a call. */
static size_t edges(const char *name, uint32_t index, uint64_t *out, size_t limit)
{
	const struct config_seccomp *both[] = {&profile, &group};
	size_t n = 0;

	out[n++] = 0;
	for (size_t b = 0; b < 2; b++)
		for (size_t i = 0; i < both[b]->n_syscalls; i++) {
			const struct config_seccomp_rule *rule = &both[b]->syscalls[i];

			for (size_t j = 0; j < rule->n_args; j++) {
				const struct config_seccomp_arg *arg = &rule->args[j];

				if (!str_list_has(&rule->names, name) || arg->index != index ||
				    n + 6 > limit)
					continue;
				out[n++] = arg->value;
				out[n++] = arg->value_two;
				out[n++] = arg->value_two + 1;
				out[n++] = arg->value_two - 1;
				out[n++] = arg->value_two | HIGH;
				out[n++] = arg->value & (arg->value >> 1);
			}
		}
	return n;
}

static void check_edges(const struct machine *m, uint32_t number)
{
	uint64_t values[4][64];
	size_t counts[4];
	const char *name = m->names[number];

	for (uint32_t i = 0; i < 4; i++)
		counts[i] = edges(name, i, values[i], 64);
	for (size_t a = 0; a < counts[0]; a++)
		for (size_t b = 0; b < counts[1]; b++)
			for (size_t c = 0; c < counts[2]; c++)
				for (size_t d = 0; d < counts[3]; d++) {
					const uint64_t args[6] = {values[0][a], values[1][b],
								  values[2][c], values[3][d]};

					for (size_t p = WITHOUT; p <= PTRACE; p++)
						assert_int_equal(run(m, p, number, args),
								 oracle(p == PTRACE ? &group : NULL,
									&profile, name, args));
				}
}

static void every_condition_holds_at_its_edges(void **state)
{
	(void)state;
	for (size_t m = 0; m < 2; m++)
		for (uint32_t number = 0; number < ORACLE_NUMBERS; number++)
			if (machines[m].names[number][0])
				check_edges(&machines[m], number);
}

static void every_known_call_is_in_the_profile(void **state)
{
	(void)state;
	for (size_t m = 0; m < 2; m++)
		for (size_t number = 0; number < ORACLE_NUMBERS; number++) {
			const char *name = machines[m].names[number];
			bool found = false;

			for (size_t i = 0; i < profile.n_syscalls; i++)
				found |= str_list_has(&profile.syscalls[i].names, name);
			if (name[0] && !found)
				fail_msg("profiles/seccomp-default.json does not name %s", name);
		}
}

static void what_only_attackers_and_administrators_do_is_refused(void **state)
{
	static const char *const refused[] = {
	    "mount",
	    "umount2",
	    "pivot_root",
	    "open_tree",
	    "move_mount",
	    "fsopen",
	    "fsconfig",
	    "fsmount",
	    "fspick",
	    "mount_setattr",
	    "open_tree_attr",
	    "setns",
	    "bpf",
	    "perf_event_open",
	    "userfaultfd",
	    "io_uring_setup",
	    "io_uring_enter",
	    "io_uring_register",
	    "keyctl",
	    "add_key",
	    "request_key",
	    "kexec_load",
	    "kexec_file_load",
	    "init_module",
	    "finit_module",
	    "delete_module",
	    "process_vm_readv",
	    "process_vm_writev",
	    "pidfd_getfd",
	    "kcmp",
	    "open_by_handle_at",
	    "quotactl",
	    "quotactl_fd",
	    "acct",
	    "swapon",
	    "swapoff",
	    "reboot",
	    "settimeofday",
	    "clock_settime",
	    "clock_adjtime",
	    "adjtimex",
	    "sethostname",
	    "setdomainname",
	    "syslog",
	    "vhangup",
	    "iopl",
	    "ioperm",
	    "fanotify_init",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		expect(refused[i], NO(EPERM), 0, 0, 0, 0);
}

static void ordinary_calls_are_allowed(void **state)
{
	static const char *const allowed[] = {
	    "read",	   "write",	  "mmap",	"execve",	 "execveat",
	    "futex",	   "epoll_wait",  "accept4",	"sendmsg",	 "prctl",
	    "arch_prctl",  "rseq",	  "getrandom",	"memfd_create",	 "pidfd_open",
	    "mseal",	   "cachestat",	  "seccomp",	"modify_ldt",	 "landlock_restrict_self",
	    "io_setup",	   "uretprobe",	  "setxattrat", "inotify_init1", "sched_setaffinity",
	    "statx",	   "close_range", "fork",	"vfork",	 "rt_sigreturn",
	    "futex_waitv", "setuid",	  "capset",	"shmget",	 "copy_file_range",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		expect(allowed[i], ALLOW, ~0ull, ~0ull, ~0ull, ~0ull);
}

static void ptrace_is_refused_unless_its_group_is_allowed(void **state)
{
	const uint64_t none[6] = {0}, no_randomize[6] = {0x0040000};

	(void)state;
	for (size_t m = 0; m < 2; m++) {
		uint32_t ptrace = (uint32_t)number_of(&machines[m], "ptrace");
		uint32_t personality = (uint32_t)number_of(&machines[m], "personality");

		assert_int_equal(run(&machines[m], WITHOUT, ptrace, none), NO(EPERM));
		assert_int_equal(run(&machines[m], PTRACE, ptrace, none), ALLOW);
		assert_int_equal(run(&machines[m], WITHOUT, personality, no_randomize), NO(EPERM));
		assert_int_equal(run(&machines[m], PTRACE, personality, no_randomize), ALLOW);
	}
}

static void new_namespaces_are_refused(void **state)
{
	static const uint64_t flags[] = {0x00020000, 0x02000000, 0x04000000, 0x08000000,
					 0x10000000, 0x20000000, 0x40000000};

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		expect("clone", NO(EPERM), flags[i] | SIGCHLD, 0, 0, 0);
		expect("clone", NO(EPERM), flags[i] | HIGH, 0, 0, 0);
		expect("unshare", NO(EPERM), flags[i], 0, 0, 0);
		expect("unshare", NO(EPERM), flags[i] | 0x200, 0, 0, 0);
	}
	expect("unshare", NO(EPERM), 0x80, 0, 0, 0); /* CLONE_NEWTIME */
	expect("unshare", NO(EPERM), 1ull << 40, 0, 0, 0);
	expect("unshare", ALLOW, 0x200 | 0x400 | 0x40000, 0, 0, 0);
	/* What glibc's pthread_create, fork and posix_spawn pass. */
	expect("clone", ALLOW, 0x003d0f00, 0, 0, 0);
	expect("clone", ALLOW, 0x01200011, 0, 0, 0);
	expect("clone", ALLOW, 0x00004111, 0, 0, 0);
	expect("clone3", NO(ENOSYS), 0, 0, 0, 0);
	expect("openat2", NO(ENOSYS), 0, 0, 0, 0);
}

static void socket_families_are_few(void **state)
{
	static const char *const calls[] = {"socket", "socketpair"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (uint64_t family = 0; family < 64; family++) {
			bool allowed = family == AF_UNIX || family == AF_INET || family == AF_INET6;
			uint32_t answer = allowed ? ALLOW : NO(EPROTONOSUPPORT);

			expect(calls[i], answer, family, SOCK_STREAM, 6, 0);
			expect(calls[i], answer, family | HIGH, SOCK_STREAM, 6, 0);
		}
		expect(calls[i], ALLOW, AF_NETLINK, SOCK_RAW, 0, 0);
		expect(calls[i], ALLOW, AF_NETLINK | HIGH, SOCK_RAW, HIGH, 0);
		expect(calls[i], NO(EPROTONOSUPPORT), AF_NETLINK, SOCK_RAW, 9, 0);
		expect(calls[i], NO(EPROTONOSUPPORT), AF_NETLINK | HIGH, SOCK_RAW, 12 | HIGH, 0);
		expect(calls[i], NO(EPROTONOSUPPORT), 0xffffffff, 0, 0, 0);
	}
}

static void terminals_take_no_typed_input(void **state)
{
	(void)state;
	expect("ioctl", NO(EPERM), 0, TIOCSTI, 0, 0);
	expect("ioctl", NO(EPERM), 0, TIOCSTI | HIGH, 0, 0); /* CVE-2019-10063 */
	expect("ioctl", NO(EPERM), 0, TIOCSTI | 1ull << 63, 0, 0);
	expect("ioctl", NO(EPERM), 0, TIOCLINUX | HIGH, 0, 0);
	expect("ioctl", ALLOW, 0, TIOCGWINSZ, 0, 0);
	expect("ioctl", ALLOW, 0, (uint64_t)TIOCSTI << 32, 0, 0);
}

static void no_call_makes_a_set_user_id_file(void **state)
{
	(void)state;
	expect("chmod", NO(EPERM), 0, 04755, 0, 0);
	expect("chmod", ALLOW, 0, 02755, 04000, 0);
	expect("fchmod", NO(EPERM), 0, 06755, 0, 0);
	expect("fchmod", ALLOW, 04000, 02775, 0, 0);
	expect("fchmodat", NO(EPERM), 0, 0, 04755 | HIGH, 0);
	expect("fchmodat", ALLOW, 0, 04755, 0755, 0);
	expect("fchmodat2", NO(EPERM), 0, 0, 04000, 0);
	expect("fchmodat2", ALLOW, 0, 0, 01777, 04000);
	expect("mknod", NO(EPERM), 0, S_IFREG | 04755, 0, 0);
	expect("mknod", ALLOW, 0, S_IFIFO | 0600, 0, 0);
	expect("mknodat", NO(EPERM), 0, 0, S_IFREG | 04755, 0);
	expect("mknodat", ALLOW, 0, 0, S_IFSOCK | 0600, 0);
	expect("creat", NO(EPERM), 0, 04755, 0, 0);
	expect("creat", ALLOW, 0, 0755, 0, 0);
}

static void open_looks_at_mode_only_when_it_makes_a_file(void **state)
{
	const uint64_t tmpfile_bit = 020000000; /* __O_TMPFILE, without O_DIRECTORY */

	(void)state;
	expect("open", NO(EPERM), 0, O_CREAT, 04755, 0);
	expect("open", NO(EPERM), 0, tmpfile_bit, 04755, 0);
	expect("open", NO(EPERM), 0, O_TMPFILE | O_RDWR, 04700, 0);
	expect("open", ALLOW, 0, O_CREAT | O_EXCL, 02755, 0);
	expect("open", ALLOW, 0, O_RDONLY, 0xffffffffffffffff, 0);
	expect("open", ALLOW, 0, O_DIRECTORY, 04755, 0);
	expect("openat", NO(EPERM), 0, 0, O_CREAT | O_WRONLY, 04755);
	expect("openat", NO(EPERM), 0, 0, O_CREAT | HIGH, 04755 | HIGH);
	expect("openat", NO(EPERM), 0, 0, tmpfile_bit, 07777);
	expect("openat", ALLOW, 0, 0, O_CREAT | O_TMPFILE, 03777);
	expect("openat", ALLOW, 04755, 04755, O_RDWR, 0xffffffffffffffff);
}

static void personality_has_harmless_values_only(void **state)
{
	(void)state;
	expect("personality", ALLOW, 0, 0, 0, 0);
	expect("personality", ALLOW, 8, 0, 0, 0);
	expect("personality", ALLOW, 0xffffffff, 0, 0, 0);
	expect("personality", ALLOW, 0xffffffffffffffff, 0, 0, 0);
	expect("personality", NO(EPERM), 0x0400000, 0, 0, 0); /* READ_IMPLIES_EXEC */
	expect("personality", NO(EPERM), 0x0100000, 0, 0, 0); /* MMAP_PAGE_ZERO */
}

static void unknown_and_x32_numbers_are_not_implemented(void **state)
{
	const uint64_t args[6] = {0};

	(void)state;
	for (size_t m = 0; m < 2; m++)
		for (size_t p = WITHOUT; p <= PTRACE; p++) {
			assert_int_equal(run(&machines[m], p, 472, args), NO(ENOSYS));
			assert_int_equal(run(&machines[m], p, 0xffffffff, args), NO(ENOSYS));
			for (uint32_t number = 0; number < 600; number++)
				assert_int_equal(run(&machines[m], p, X32 | number, args),
						 NO(ENOSYS));
		}
}

static void foreign_architectures_are_killed(void **state)
{
	static const uint32_t foreign[] = {AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_RISCV64, 0};

	(void)state;
	for (size_t m = 0; m < 2; m++)
		for (size_t i = 0; i < 4; i++)
			for (int number = 0; number < 600; number++) {
				struct seccomp_data data = {.nr = number, .arch = foreign[i]};
				const struct seccomp_table_program *p =
				    &machines[m].table->programs[0];

				assert_int_equal(bpf_run(p->instructions, p->length, &data),
						 SECCOMP_RET_KILL_PROCESS);
			}
}

static void programs_are_small_and_shallow(void **state)
{
	(void)state;
	for (size_t m = 0; m < 2; m++)
		for (size_t p = WITHOUT; p <= PTRACE; p++)
			assert_in_range(machines[m].table->programs[p].length, 50, 400);
}

static void groups_are_chosen_by_name(void **state)
{
	char *names[] = {(char *)"ptrace", NULL}, *wrong[] = {(char *)"ptrce", NULL};
	struct str_list none = {0}, one = {names, 1}, misspelt = {wrong, 1};
	struct seccomp_program program;
	struct error err = ERROR_INIT;
	const struct seccomp_table *native = seccomp_table_native();

	(void)state;
	assert_int_equal(seccomp_builtin(&none, &program, &err), 0);
	assert_ptr_equal(program.instructions, native->programs[WITHOUT].instructions);
	assert_int_equal(program.length, native->programs[WITHOUT].length);
	assert_int_equal(seccomp_builtin(&one, &program, &err), 0);
	assert_ptr_equal(program.instructions, native->programs[PTRACE].instructions);
	assert_int_equal(seccomp_builtin(&misspelt, &program, &err), -1);
	assert_non_null(strstr(err.text, "\"ptrce\""));
	assert_non_null(strstr(err.text, "it has: ptrace"));
	assert_string_equal(seccomp_builtin_groups()[0], "ptrace");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_number_answers_as_the_profile_says),
	    cmocka_unit_test(every_condition_holds_at_its_edges),
	    cmocka_unit_test(every_known_call_is_in_the_profile),
	    cmocka_unit_test(what_only_attackers_and_administrators_do_is_refused),
	    cmocka_unit_test(ordinary_calls_are_allowed),
	    cmocka_unit_test(ptrace_is_refused_unless_its_group_is_allowed),
	    cmocka_unit_test(new_namespaces_are_refused),
	    cmocka_unit_test(socket_families_are_few),
	    cmocka_unit_test(terminals_take_no_typed_input),
	    cmocka_unit_test(no_call_makes_a_set_user_id_file),
	    cmocka_unit_test(open_looks_at_mode_only_when_it_makes_a_file),
	    cmocka_unit_test(personality_has_harmless_values_only),
	    cmocka_unit_test(unknown_and_x32_numbers_are_not_implemented),
	    cmocka_unit_test(foreign_architectures_are_killed),
	    cmocka_unit_test(programs_are_small_and_shallow),
	    cmocka_unit_test(groups_are_chosen_by_name),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
