/* What was seen already, of lists that may have a million entries: by a tree, since each entry
 * compared with each would take hours. */
#ifndef RUNSAFE_KEYS_H
#define RUNSAFE_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

/* `cleanup_keys struct keys seen = {0};` */
struct keys {
	void *root;
};

#define cleanup_keys __attribute__((cleanup(keys_end)))
void keys_end(struct keys *keys);

/* The number that belongs to the key, the caller's to set: 0 when the key is new. The bytes must
 * live as long as keys does. */
size_t *keys_at(struct arena *arena, struct keys *keys, const void *bytes, size_t length);

/* The same for one that is there; NULL when it is not. */
const size_t *keys_find(const struct keys *keys, const void *bytes, size_t length);

/* Whether text was not among them yet; it is from now on. */
bool keys_add(struct arena *arena, struct keys *keys, const char *text);

#endif
