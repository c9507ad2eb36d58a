/*
 * memcpy(3) in place of musl's, whose "rep movsq" takes some 100 ns to begin on the machine of
 * docs/performance.md: a start makes 7,000 copies of a few bytes each. Two moves that overlap in
 * the middle do for each size up to twice their width.
 */
#undef _FORTIFY_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t two __attribute__((may_alias, aligned(1)));
typedef uint32_t four __attribute__((may_alias, aligned(1)));
typedef uint64_t eight __attribute__((may_alias, aligned(1)));
typedef uint64_t sixteen __attribute__((vector_size(16), may_alias, aligned(1)));

/* The first and the last sizeof(type) bytes; both are read before either is written. */
#define MOVE_ENDS(type)                                                                            \
	do {                                                                                       \
		const type first = *(const type *)(const void *)f;                                 \
		const type last = *(const type *)(const void *)(f + n - sizeof(type));             \
		*(type *)(void *)t = first;                                                        \
		*(type *)(void *)(t + n - sizeof(type)) = last;                                    \
	} while (0)

static void few(unsigned char *t, const unsigned char *f, size_t n)
{
	if (n >= sizeof(eight))
		MOVE_ENDS(eight);
	else if (n >= sizeof(four))
		MOVE_ENDS(four);
	else if (n >= sizeof(two))
		MOVE_ENDS(two);
	else if (n > 0)
		*t = *f;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if (n <= sizeof(sixteen)) {
		few(t, f, n);
		return to;
	}
	/* The last piece overlaps the one before. */
	for (size_t at = 0; at + sizeof(sixteen) < n; at += sizeof(sixteen))
		*(sixteen *)(void *)(t + at) = *(const sixteen *)(const void *)(f + at);
	*(sixteen *)(void *)(t + n - sizeof(sixteen)) =
	    *(const sixteen *)(const void *)(f + n - sizeof(sixteen));
	return to;
}

/* musl's shares code with its memcpy. Little is moved, and seldom. */
void *memmove(void *to, const void *from, size_t n)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	/* From the side on which nothing is written over before it is read. */
	if (t <= f || t >= f + n) {
		for (size_t at = 0; at < n; at++)
			t[at] = f[at];
		return to;
	}
	while (n-- > 0)
		t[n] = f[n];
	return to;
}
