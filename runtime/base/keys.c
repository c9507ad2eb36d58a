#include "keys.h"

#include <search.h>
#include <string.h>

#include "memory.h"

struct key {
	const void *bytes;
	size_t length;
	size_t number;
};

/* By length first, so that long texts with the same beginning are not read through each time. */
static int compare(const void *a, const void *b)
{
	const struct key *one = a, *other = b;

	if (one->length != other->length)
		return one->length < other->length ? -1 : 1;
	return memcmp(one->bytes, other->bytes, one->length);
}

static void keep(void *key)
{
	/* The arena's. */
	(void)key;
}

void keys_end(struct keys *keys)
{
	tdestroy(keys->root, keep);
	keys->root = NULL;
}

size_t *keys_at(struct arena *arena, struct keys *keys, const void *bytes, size_t length)
{
	struct key *key = arena_alloc(arena, sizeof(*key));

	*key = (struct key){.bytes = bytes, .length = length};
	struct key **node = tsearch(key, &keys->root, compare);
	if (!node)
		memory_is_out();
	return &(*node)->number;
}

const size_t *keys_find(const struct keys *keys, const void *bytes, size_t length)
{
	const struct key wanted = {.bytes = bytes, .length = length};
	struct key *const *node = tfind(&wanted, &keys->root, compare);

	return node ? &(*node)->number : NULL;
}

bool keys_add(struct arena *arena, struct keys *keys, const char *text)
{
	size_t *number = keys_at(arena, keys, text, strlen(text));

	return (*number)++ == 0;
}
