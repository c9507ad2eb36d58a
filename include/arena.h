/*
 * Memory that is freed in one go. All that is parsed, decided and planned for one container lives
 * in one arena, so nothing is freed piece by piece and an early return leaks nothing.
 */
#ifndef RUNSAFE_ARENA_H
#define RUNSAFE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *head;
};

#define ARENA_INIT                                                                                 \
	{                                                                                          \
		.head = NULL                                                                       \
	}

/* Frees everything that came from the arena; it can be used again afterwards. */
void arena_free(struct arena *arena);

/* Takes back everything that came from the arena, and keeps a block of memory for what comes next.
 */
void arena_rewind(struct arena *arena);

/* Zeroes all that came from the arena; it can only be freed afterwards. */
void arena_wipe(struct arena *arena);

/* Returns size zeroed bytes, aligned for any type. Never NULL: without memory the program ends
 * with exit status 1 and a message. The size is for the compiler's own checks (_FORTIFY_SOURCE). */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((alloc_size(2), returns_nonnull));

/* Returns a copy of n zeroed-and-copied elements with room for one more, the new last one being
 * zeroed: `list = arena_grow(arena, list, n, sizeof(*list)); list[n++] = item;`. Amortised: it
 * copies only when n is 0 or a power of two. */
void *arena_grow(struct arena *arena, void *list, size_t n, size_t element_size);

/* Returns a copy of text; NULL for NULL. */
char *arena_strdup(struct arena *arena, const char *text);

/* Returns a copy of the first length bytes of text with a NUL behind them. */
char *arena_strndup(struct arena *arena, const char *text, size_t length);

/* Returns the formatted text. */
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

#endif
