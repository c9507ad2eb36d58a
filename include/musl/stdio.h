/* _FORTIFY_SOURCE for what writes by a format, see string.h. */
#ifndef RUNSAFE_MUSL_STDIO_H
#define RUNSAFE_MUSL_STDIO_H

#include_next <stdio.h>

#include <stdarg.h>

#include <string.h>

#ifdef FORTIFIED
FORTIFIED int vsnprintf(char *restrict to, size_t n, const char *restrict format, va_list list)
{
	return __builtin___vsnprintf_chk(to, n, 1, FORTIFIED_SIZE(to), format, list);
}

FORTIFIED int snprintf(char *restrict to, size_t n, const char *restrict format, ...)
{
	return __builtin___snprintf_chk(to, n, 1, FORTIFIED_SIZE(to), format,
					__builtin_va_arg_pack());
}
#endif

#endif
