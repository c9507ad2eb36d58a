/* open(2) of musl sets O_CLOEXEC once more by fcntl(2), for kernels before 2.6.23; openat(2) does
 * not. */
#ifndef RUNSAFE_MUSL_FCNTL_H
#define RUNSAFE_MUSL_FCNTL_H

#include_next <fcntl.h>

#define open(...) openat(AT_FDCWD, __VA_ARGS__)

#endif
