/*
 * What people and engines read when something fails. A command that succeeds writes nothing
 * (DESIGN.md section 4); a failure is one line in --log and the same sentence on stderr.
 */
#ifndef RUNSAFE_LOG_H
#define RUNSAFE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/*
 * How many bytes at `at` are one character that breaks a line or steers a terminal, 0 if it is
 * none: those of ASCII; U+0080 to U+009F, which xterm and others obey as escape sequences, too;
 * U+2028 to U+202E and U+2066 to U+2069, which break a line or turn the writing round, so that a
 * name reads as another one.
 */
static inline size_t log_control(const char *at)
{
	const unsigned char *b = (const unsigned char *)at;

	if (b[0] == 0xc2 && b[1] >= 0x80 && b[1] <= 0x9f)
		return 2;
	if (b[0] == 0xe2 && ((b[1] == 0x80 && b[2] >= 0xa8 && b[2] <= 0xae) ||
			     (b[1] == 0x81 && b[2] >= 0xa6 && b[2] <= 0xa9)))
		return 3;
	return (b[0] && b[0] < 0x20) || b[0] == 0x7f;
}

/*
 * Chooses where failures go. path may be NULL (stderr only); format is "text" or "json".
 * Opens path for appending (O_CREAT 0600 -- engines read it as the same user). Returns 0, or -1
 * with err set.
 */
int log_open(const char *path, const char *format, bool debug, struct error *err);

/* Appends one line `level` error with `msg` and `time` (RFC 3339) to the log and prints
 * "runsafe: TEXT" on stderr. */
void log_failure(const char *text);

/* With --debug, one line of level debug to the log, or to stderr without a log; else nothing. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
