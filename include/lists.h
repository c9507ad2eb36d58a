/* Small shared shapes: lists, maps and values that may be absent. All memory is an arena's. */
#ifndef RUNSAFE_LISTS_H
#define RUNSAFE_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/* items[n] is always NULL when items is not NULL, so it serves as argv and envp. */
struct str_list {
	char **items;
	size_t n;
};

struct str_pair {
	char *key;
	char *value;
};

/* In the order of the file; a repeated key keeps its last value. */
struct str_map {
	struct str_pair *items;
	size_t n;
};

struct u32_list {
	uint32_t *items;
	size_t n;
};

struct opt_bool {
	bool set;
	bool value;
};
struct opt_u32 {
	bool set;
	uint32_t value;
};
struct opt_i64 {
	bool set;
	int64_t value;
};
struct opt_u64 {
	bool set;
	uint64_t value;
};

/* Appends text itself (not a copy). */
void str_list_add(struct arena *arena, struct str_list *list, char *text);

bool str_list_has(const struct str_list *list, const char *text);

/* All items as one text, with separator between them. */
char *str_list_join(struct arena *arena, const struct str_list *list, const char *separator);

/* Returns the value of key, or NULL. */
const char *str_map_get(const struct str_map *map, const char *key);

/* Replaces the value of key, or appends the pair; keeps the pointers that it is given. */
void str_map_set(struct arena *arena, struct str_map *map, char *key, char *value);

/* The value of NAME in an environment of NAME=value strings, or NULL. */
const char *env_get(const struct str_list *env, const char *name);

/* Sets NAME=value in env: replaces the first such entry, drops later ones, or appends. */
void env_set(struct arena *arena, struct str_list *env, const char *name, const char *value);

#endif
