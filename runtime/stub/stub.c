/*
 * The last of runsafe in a container: a page in sealed memory that executes the workload, and does
 * nothing else. While it does, /proc/self/exe leads to that page and not to runsafe's own file
 * (CVE-2019-5736), so that runsafe need not start once more from a sealed copy. No libc: that
 * would take longer to start than all that is done here.
 *
 * Its arguments: who is told of a failure (a descriptor), how ("-": him alone, "<": after stderr,
 * ">": before it), the failure's beginning for him and for stderr, the file, then the workload's.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "../sandbox/message.h"
#include "stub.h"

#if defined(__x86_64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call stub_main\n");

static long call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	mov x29, #0\n"
	"	mov x0, sp\n"
	"	bl stub_main\n");

static long call(long number, long a, long b, long c)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
#else
#error "the Makefile makes no stub for this architecture"
#endif

static struct message message;
static char line[sizeof(message.text) + 2];

/* What execve(2) may give; in strerror(3)'s words, which engines look for. */
static const char *cause(long number)
{
	switch (number) {
	case ENOENT:
		return "no such file or directory";
	case ENOTDIR:
		return "not a directory";
	case EACCES:
		return "permission denied";
	case EPERM:
		return "operation not permitted";
	case ENOEXEC:
		return "exec format error";
	case ETXTBSY:
		return "text file busy";
	case E2BIG:
		return "argument list too long";
	case ENOMEM:
		return "cannot allocate memory";
	case EAGAIN:
		return "resource temporarily unavailable";
	case ELOOP:
		return "too many levels of symbolic links";
	case ENAMETOOLONG:
		return "file name too long";
	case EIO:
		return "input/output error";
	case EINVAL:
		return "invalid argument";
	case ELIBBAD:
		return "accessing a corrupted shared library";
	case EMFILE:
		return "too many open files";
	case ENFILE:
		return "too many open files in system";
	default:
		return "it can not be executed";
	}
}

/* Returns where to go on. */
static size_t add(char *to, size_t at, size_t room, const char *text)
{
	while (*text && at < room - 1)
		to[at++] = *text++;
	to[at] = '\0';
	return at;
}

static int descriptor(const char *text)
{
	int number = 0;

	for (; *text >= '0' && *text <= '9' && number < 1 << 20; text++)
		number = number * 10 + (*text - '0');
	return *text ? -1 : number;
}

static void say(const char *beginning, const char *why)
{
	size_t n = add(line, 0, sizeof(line) - 1, beginning);

	n = add(line, n, sizeof(line) - 1, why);
	n = add(line, n, sizeof(line), "\n");
	(void)call(__NR_write, 2, (long)line, (long)n);
}

static void report(int to, const char *beginning, const char *why)
{
	size_t n = add(message.text, 0, sizeof(message.text), beginning);

	(void)add(message.text, n, sizeof(message.text), why);
	(void)call(__NR_write, to, (long)&message, sizeof(message));
}

static _Noreturn void leave(int status)
{
	for (;;)
		(void)call(__NR_exit_group, status, 0, 0);
}

_Noreturn __attribute__((used)) void stub_main(long *stack);

_Noreturn void stub_main(long *stack)
{
	const long n = stack[0];
	char **argv = (char **)(stack + 1), **envp = argv + n + 1;
	const int to = n > STUB_WORDS ? descriptor(argv[STUB_REPORT]) : -1;

	/* process.args, or what they lead to, is /proc/self/exe: as a program or an interpreter. */
	if (to < 0) {
		say("runsafe: exec: ", "/proc/self/exe is no program of the container's");
		leave(127);
	}
	long result = call(__NR_fcntl, to, F_SETFD, FD_CLOEXEC);
	if (result == 0)
		result =
		    call(__NR_execve, (long)argv[STUB_FILE], (long)(argv + STUB_WORDS), (long)envp);
	const long number = -result;
	const char how = *argv[STUB_HOW], *why = cause(number);
	message.kind = MESSAGE_FAILED;
	message.number = (int)number;
	message.exit_status = number == ENOENT || number == ENOTDIR ? 127 : 126;
	if (how == '<')
		say(argv[STUB_LINE], why);
	report(to, argv[STUB_TEXT], why);
	if (how == '>')
		say(argv[STUB_LINE], why);
	leave(message.exit_status);
}
