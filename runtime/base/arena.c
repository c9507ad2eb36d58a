#include "arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* A usual config.json with all that is decided from it fits in a few of these, and what is never
 * handed out is never touched. Below what musl's malloc(3) maps one by one. */
#define BLOCK_BYTES ((size_t)96 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) unsigned char bytes[];
};

/* A start gets along with these: where memory runs out is not in the midst of it. */
static alignas(max_align_t) unsigned char own[4][sizeof(struct arena_block) + BLOCK_BYTES];
static size_t n_own_used;

/* Freed blocks of BLOCK_BYTES. Given back to the kernel they cost more than to wipe them. */
static struct arena_block *spare;

static struct arena_block *new_block(size_t size)
{
	struct arena_block *block;

	if (size > SIZE_MAX - sizeof(*block))
		memory_is_out();
	if (size == BLOCK_BYTES && spare) {
		block = spare;
		spare = block->next;
	} else if (size == BLOCK_BYTES && n_own_used < sizeof(own) / sizeof(own[0])) {
		block = (struct arena_block *)(void *)own[n_own_used++];
	} else {
		/* Not calloc(3): what is never handed out shall never be touched. */
		block = malloc(sizeof(*block) + size);
	}
	if (!block)
		memory_is_out();
	block->next = NULL;
	block->used = 0;
	block->size = size;
	return block;
}

void arena_free(struct arena *arena)
{
	while (arena->head) {
		struct arena_block *block = arena->head;

		arena->head = block->next;
		explicit_bzero(block->bytes, block->used);
		if (block->size == BLOCK_BYTES) {
			block->next = spare;
			spare = block;
		} else {
			free(block);
		}
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

/* size as the next piece's beginning needs it; 0 where there is no such number. */
static size_t round_up(size_t size)
{
	const size_t align = alignof(max_align_t);

	return size == 0 ? align : (size + align - 1) & ~(align - 1);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->head;
	const size_t rounded = round_up(size);
	void *memory;

	if (rounded < size)
		memory_is_out();
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
			memory_is_out();
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

/* What is left of the block that the next piece comes from. */
static size_t room_for_text(const struct arena *arena)
{
	return arena->head ? arena->head->size - arena->head->used : 0;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
	const size_t room = room_for_text(arena);
	char *place = room ? (char *)arena->head->bytes + arena->head->used : NULL;
	va_list again;
	char *text;
	int length;

	va_copy(again, args);
	length = vsnprintf(place, room, format, again);
	va_end(again);
	if (length < 0)
		memory_is_out();
	/* Mostly it is there already. */
	if (room && round_up((size_t)length + 1) <= room) {
		arena->head->used += round_up((size_t)length + 1);
		return place;
	}
	/* arena_wipe() would not find what was tried in vain. */
	if (room)
		explicit_bzero(place, room <= (size_t)length ? room : (size_t)length);
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
