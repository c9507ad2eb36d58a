/*
 * What gcc calls for the functions of these names where it knows how much room there is: they do
 * the same, and end the program where it does not fit (gcc's manual, "Object Size Checking"). room:
 * bytes that to points at, SIZE_MAX for unknown; flag: not looked at.
 */
#ifndef RUNSAFE_MUSL_FORTIFIED_H
#define RUNSAFE_MUSL_FORTIFIED_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): gcc's and glibc's names.
 */
void *__memcpy_chk(void *restrict to, const void *restrict from, size_t n, size_t room);
void *__memmove_chk(void *to, const void *from, size_t n, size_t room);
void *__memset_chk(void *to, int byte, size_t n, size_t room);
char *__strcpy_chk(char *restrict to, const char *restrict from, size_t room);
char *__strcat_chk(char *restrict to, const char *restrict from, size_t room);
int __vsnprintf_chk(char *restrict to, size_t n, int flag, size_t room, const char *restrict format,
		    va_list list);
int __snprintf_chk(char *restrict to, size_t n, int flag, size_t room, const char *restrict format,
		   ...);
int __sprintf_chk(char *restrict to, int flag, size_t room, const char *restrict format, ...);
int __asprintf_chk(char **restrict to, int flag, const char *restrict format, ...);
int __fprintf_chk(FILE *restrict to, int flag, const char *restrict format, ...);

/* fopen(3): all files are large in musl, and since 1.2.4 it has no second name for that. */
#undef fopen64 /* musl before 1.2.4 */
FILE *fopen64(const char *restrict path, const char *restrict mode);

/* strtol(3) and strtoul(3) of glibc 2.38 and newer: binary numbers (0b1) besides, which the
 * libraries are never given. */
long __isoc23_strtol(const char *restrict text, char **restrict end, int base);
unsigned long __isoc23_strtoul(const char *restrict text, char **restrict end, int base);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

#endif
