/* link: plan gen policy config base */
/* Our own profile, loaded: the kernel answers as the program that was made at build time. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "seccomp.h"

#define X32 0x40000000u

struct live {
	const char *what;
	long number;
	long args[6];
	int expected; /* errno, 0 for success, -1 for anything but EPERM and ENOSYS */
};

static const struct live live_calls[] = {
    {"getpid", SYS_getpid, {0}, -1},
    {"mount", SYS_mount, {0}, EPERM},
    {"unshare(CLONE_NEWUSER)", SYS_unshare, {0x10000000}, EPERM},
    {"unshare(CLONE_FS)", SYS_unshare, {0x200}, 0},
    {"clone(CLONE_NEWUTS)", SYS_clone, {0x04000000}, EPERM},
    {"clone3", SYS_clone3, {0}, ENOSYS},
    {"openat2", SYS_openat2, {0}, ENOSYS},
    {"io_uring_setup", SYS_io_uring_setup, {0}, EPERM},
    {"bpf", SYS_bpf, {-1}, EPERM},
    {"keyctl", SYS_keyctl, {0}, EPERM},
    {"ptrace", SYS_ptrace, {0}, EPERM},
    {"socket(AF_UNIX)", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}, 0},
    {"socket(AF_VSOCK)", SYS_socket, {40, SOCK_STREAM, 0}, EPROTONOSUPPORT},
    {"socket(AF_PACKET)", SYS_socket, {17, SOCK_RAW, 0}, EPROTONOSUPPORT},
    {"socket(AF_ALG)", SYS_socket, {38, SOCK_SEQPACKET, 0}, EPROTONOSUPPORT},
    {"socket(NETLINK_ROUTE)", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}, 0},
    {"socket(NETLINK_NETFILTER)", SYS_socket, {AF_NETLINK, SOCK_RAW, 12}, EPROTONOSUPPORT},
    {"ioctl(TIOCSTI)", SYS_ioctl, {-1, TIOCSTI}, EPERM},
    {"ioctl(TIOCGWINSZ)", SYS_ioctl, {-1, TIOCGWINSZ}, EBADF},
    {"fchmod(04755)", SYS_fchmod, {-1, 04755}, EPERM},
    {"fchmod(02755)", SYS_fchmod, {-1, 02755}, EBADF},
    {"openat(O_TMPFILE, 04700)", SYS_openat, {-1, (long)"/", O_TMPFILE | O_RDWR, 04700}, EPERM},
    {"openat without a mode", SYS_openat, {-1, (long)"/", O_RDONLY, -1}, 0},
    {"file_setattr and newer", 600, {0}, ENOSYS},
    {"x32", (long)(X32 | SYS_getpid), {0}, ENOSYS},
    {"rseq", SYS_rseq, {0}, -1},
};

static void load(void)
{
	struct str_list none = {0};
	struct seccomp_program program;
	struct error err = ERROR_INIT;
	struct sock_fprog filter;

	if (seccomp_builtin(&none, &program, &err) < 0)
		_exit(100);
	filter.len = program.length;
	filter.filter = (struct sock_filter *)(uintptr_t)program.instructions;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, program.flags, &filter) < 0)
		_exit(101);
}

static bool live_right(const struct live *call)
{
	const long *a = call->args;
	long r;
	int got;

	errno = 0;
	r = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	got = r < 0 ? errno : 0;
	if (call->expected == -1 ? got != EPERM && got != ENOSYS : got == call->expected)
		return true;
	dprintf(2, "%s: expected errno %d, got %d\n", call->what, call->expected, got);
	return false;
}

static void the_kernel_answers_as_the_program(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		int wrong = 0;

		load();
		for (size_t i = 0; i < sizeof(live_calls) / sizeof(live_calls[0]); i++)
			wrong += !live_right(&live_calls[i]);
		_exit(wrong);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void int_0x80_ends_the_process(void **state)
{
	(void)state;
#if defined(__x86_64__)
	int status;
	pid_t child = fork();

	if (child == 0) {
		long number = 20; /* getpid of i386 */

		load();
		__asm__ volatile("int $0x80" : "+a"(number) : : "memory");
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	if (WTERMSIG(status) == SIGSEGV)
		skip(); /* a kernel without IA32 emulation has no such door */
	assert_int_equal(WTERMSIG(status), SIGSYS);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_kernel_answers_as_the_program),
	    cmocka_unit_test(int_0x80_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
