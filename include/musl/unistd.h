/* execveat(2) and close_range(2), which musl does not have; setresuid(2) without what musl does for
 * other threads, of which there are none. */
#ifndef RUNSAFE_MUSL_UNISTD_H
#define RUNSAFE_MUSL_UNISTD_H

#include_next <unistd.h>

#include <sys/syscall.h>

int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags);
int close_range(unsigned int first, unsigned int last, int flags);

#define setresuid(real, effective, saved) ((int)syscall(SYS_setresuid, real, effective, saved))
#define setresgid(real, effective, saved) ((int)syscall(SYS_setresgid, real, effective, saved))

#endif
