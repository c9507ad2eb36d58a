/* statx(2), which musl has since 1.2.5, without its newer fields. */
#ifndef RUNSAFE_MUSL_SYS_STAT_H
#define RUNSAFE_MUSL_SYS_STAT_H

#define statx		statx_of_musl
#define statx_timestamp statx_timestamp_of_musl
#include_next <sys/stat.h>
#undef statx
#undef statx_timestamp

#include <linux/stat.h>

int statx(int dir, const char *restrict path, int flags, unsigned int mask,
	  struct statx *restrict found);

#endif
