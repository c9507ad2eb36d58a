#include "arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A usual config.json with all that is decided from it fits in a handful of these. */
#define BLOCK_BYTES ((size_t)32 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) unsigned char bytes[];
};

static void *out_of_memory(void)
{
	fputs("runsafe: out of memory\n", stderr);
	exit(1);
}

static struct arena_block *new_block(size_t size)
{
	struct arena_block *block;

	if (size > SIZE_MAX - sizeof(*block))
		return out_of_memory();
	/* Not calloc(3): what is never handed out shall never be touched, eight pages a block. */
	block = malloc(sizeof(*block) + size);
	if (!block)
		return out_of_memory();
	block->next = NULL;
	block->used = 0;
	block->size = size;
	return block;
}

void arena_free(struct arena *arena)
{
	while (arena->head) {
		struct arena_block *next = arena->head->next;

		free(arena->head);
		arena->head = next;
	}
}

void arena_rewind(struct arena *arena)
{
	struct arena rest = {.head = arena->head ? arena->head->next : NULL};

	arena_free(&rest);
	if (!arena->head)
		return;
	arena->head->next = NULL;
	arena->head->used = 0;
}

void arena_wipe(struct arena *arena)
{
	for (struct arena_block *block = arena->head; block; block = block->next)
		explicit_bzero(block->bytes, block->used);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *block = arena->head;
	size_t rounded = (size + align - 1) & ~(align - 1);
	void *memory;

	if (rounded < size)
		return out_of_memory();
	if (rounded == 0)
		rounded = align;
	if (!block || block->size - block->used < rounded) {
		bool big = rounded > BLOCK_BYTES / 4;

		block = new_block(big ? rounded : BLOCK_BYTES);
		/* A big one goes behind the head, whose room is not spent yet. */
		if (big && arena->head) {
			block->next = arena->head->next;
			arena->head->next = block;
		} else {
			block->next = arena->head;
			arena->head = block;
		}
	}
	memory = block->bytes + block->used;
	block->used += rounded;
	return memset(memory, 0, rounded);
}

void *arena_grow(struct arena *arena, void *list, size_t n, size_t element_size)
{
	size_t room = n == 0 ? 1 : 2 * n;
	void *grown = list;

	if (n == 0 || (n & (n - 1)) == 0) {
		if (room < n || room > SIZE_MAX / element_size)
			return out_of_memory();
		grown = arena_alloc(arena, room * element_size);
		if (list && n > 0)
			memcpy(grown, list, n * element_size);
	}
	/* A list that was cut short leaves old elements behind its end. */
	memset((unsigned char *)grown + n * element_size, 0, element_size);
	return grown;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);

	memcpy(copy, text, length);
	return copy;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
	va_list again;
	char *text;
	int length;

	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0)
		return out_of_memory();
	text = arena_alloc(arena, (size_t)length + 1);
	vsnprintf(text, (size_t)length + 1, format, args);
	return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(arena, format, args);
	va_end(args);
	return text;
}
