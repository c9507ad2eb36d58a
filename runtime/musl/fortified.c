/*
 * The checking variants of functions, under the names that gcc and glibc have for them: called by
 * our own code (include/musl), and by the libraries, whose archives are compiled for glibc. What
 * these use of glibc besides is what musl has in the same form.
 */
#undef _FORTIFY_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fortified.h"

static void check(size_t n, size_t room)
{
	static const char words[] = "runsafe: a write beyond the end of memory was stopped\n";

	if (__builtin_expect(n <= room, 1))
		return;
	if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
		abort();
	abort();
}

void *__memcpy_chk(void *restrict to, const void *restrict from, size_t n, size_t room)
{
	check(n, room);
	return memcpy(to, from, n);
}

void *__memmove_chk(void *to, const void *from, size_t n, size_t room)
{
	check(n, room);
	return memmove(to, from, n);
}

void *__memset_chk(void *to, int byte, size_t n, size_t room)
{
	check(n, room);
	return memset(to, byte, n);
}

char *__strcpy_chk(char *restrict to, const char *restrict from, size_t room)
{
	size_t n = strlen(from) + 1;

	check(n, room);
	return memcpy(to, from, n);
}

char *__strcat_chk(char *restrict to, const char *restrict from, size_t room)
{
	size_t length = strlen(to), n = strlen(from) + 1;

	check(length + n, room);
	memcpy(to + length, from, n);
	return to;
}

int __vsnprintf_chk(char *restrict to, size_t n, int flag, size_t room, const char *restrict format,
		    va_list list)
{
	(void)flag;
	check(n, room);
	return vsnprintf(to, n, format, list);
}

int __snprintf_chk(char *restrict to, size_t n, int flag, size_t room, const char *restrict format,
		   ...)
{
	va_list list;
	int length;

	va_start(list, format);
	length = __vsnprintf_chk(to, n, flag, room, format, list);
	va_end(list);
	return length;
}

int __sprintf_chk(char *restrict to, int flag, size_t room, const char *restrict format, ...)
{
	va_list list;
	int length;

	(void)flag;
	va_start(list, format);
	length = vsnprintf(to, room, format, list);
	va_end(list);
	if (length >= 0)
		check((size_t)length + 1, room);
	return length;
}

int __asprintf_chk(char **restrict to, int flag, const char *restrict format, ...)
{
	va_list list;
	int length;

	(void)flag;
	va_start(list, format);
	length = vasprintf(to, format, list);
	va_end(list);
	return length;
}

int __fprintf_chk(FILE *restrict to, int flag, const char *restrict format, ...)
{
	va_list list;
	int length;

	(void)flag;
	va_start(list, format);
	length = vfprintf(to, format, list);
	va_end(list);
	return length;
}

long __isoc23_strtol(const char *restrict text, char **restrict end, int base)
{
	return strtol(text, end, base);
}

unsigned long __isoc23_strtoul(const char *restrict text, char **restrict end, int base)
{
	return strtoul(text, end, base);
}

FILE *fopen64(const char *restrict path, const char *restrict mode)
{
	return fopen(path, mode);
}
