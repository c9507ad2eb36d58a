/* strerrordesc_np(3), and _FORTIFY_SOURCE as glibc's headers have it: lengths that the compiler can
 * know are checked when the call is made (runtime/musl/fortified.c). */
#ifndef RUNSAFE_MUSL_STRING_H
#define RUNSAFE_MUSL_STRING_H

#include_next <string.h>

const char *strerrordesc_np(int number);

/* Without what clang has not (__builtin_va_arg_pack). */
#if _FORTIFY_SOURCE > 0 && !defined(__clang__)
#if _FORTIFY_SOURCE > 2
#define FORTIFIED_SIZE(to) __builtin_dynamic_object_size(to, 0)
#else
#define FORTIFIED_SIZE(to) __builtin_object_size(to, 0)
#endif

#define FORTIFIED extern inline __attribute__((gnu_inline, always_inline, artificial))

FORTIFIED void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	return __builtin___memcpy_chk(to, from, n, FORTIFIED_SIZE(to));
}

FORTIFIED void *memmove(void *to, const void *from, size_t n)
{
	return __builtin___memmove_chk(to, from, n, FORTIFIED_SIZE(to));
}

FORTIFIED void *memset(void *to, int byte, size_t n)
{
	return __builtin___memset_chk(to, byte, n, FORTIFIED_SIZE(to));
}

FORTIFIED char *strcpy(char *restrict to, const char *restrict from)
{
	return __builtin___strcpy_chk(to, from, FORTIFIED_SIZE(to));
}
#endif

#endif
