/* A time as text, without libc's rules of time zones, which are read from a file. */
#ifndef RUNSAFE_UTC_H
#define RUNSAFE_UTC_H

#include <time.h>

#define UTC_TEXT_SIZE 32

/* "2026-11-22T15:18:11", RFC 3339 without its end; before 1970 it is 1970, and after 9999 9999. */
void utc_text(char out[UTC_TEXT_SIZE], time_t seconds);

#endif
