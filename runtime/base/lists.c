#include "lists.h"

#include <string.h>

void str_list_add(struct arena *arena, struct str_list *list, char *text)
{
	/* The NULL behind the last item counts as an element, so that there is always room for it.
	 */
	list->items = arena_grow(arena, list->items, list->n + 1, sizeof(*list->items));
	list->items[list->n++] = text;
	list->items[list->n] = NULL;
}

bool str_list_has(const struct str_list *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->items[i], text) == 0)
			return true;
	}
	return false;
}

char *str_list_join(struct arena *arena, const struct str_list *list, const char *separator)
{
	size_t length = 0;

	/* Measured first: lists of config.json may be long. */
	for (size_t i = 0; i < list->n; i++)
		length += strlen(list->items[i]) + strlen(separator);
	char *text = arena_alloc(arena, length + 1);
	char *end = text;
	for (size_t i = 0; i < list->n; i++) {
		end = stpcpy(end, list->items[i]);
		if (i + 1 < list->n)
			end = stpcpy(end, separator);
	}
	return text;
}

static struct str_pair *find_pair(const struct str_map *map, const char *key)
{
	for (size_t i = 0; i < map->n; i++) {
		if (strcmp(map->items[i].key, key) == 0)
			return &map->items[i];
	}
	return NULL;
}

const char *str_map_get(const struct str_map *map, const char *key)
{
	const struct str_pair *pair = find_pair(map, key);

	return pair ? pair->value : NULL;
}

void str_map_set(struct arena *arena, struct str_map *map, char *key, char *value)
{
	struct str_pair *pair = find_pair(map, key);

	if (pair) {
		pair->value = value;
		return;
	}
	map->items = arena_grow(arena, map->items, map->n, sizeof(*map->items));
	map->items[map->n++] = (struct str_pair){.key = key, .value = value};
}

/* The value behind NAME=, or NULL when the entry is another variable's. */
static const char *value_of(const char *entry, const char *name)
{
	size_t length = strlen(name);

	return strncmp(entry, name, length) == 0 && entry[length] == '=' ? entry + length + 1
									 : NULL;
}

const char *env_get(const struct str_list *env, const char *name)
{
	for (size_t i = 0; i < env->n; i++) {
		const char *value = value_of(env->items[i], name);

		if (value)
			return value;
	}
	return NULL;
}

void env_set(struct arena *arena, struct str_list *env, const char *name, const char *value)
{
	char *entry = arena_printf(arena, "%s=%s", name, value);
	struct str_list kept = {0};
	bool placed = false;

	/* A new list: the old one may be shared with a copy of its struct. */
	for (size_t i = 0; i < env->n; i++) {
		if (!value_of(env->items[i], name)) {
			str_list_add(arena, &kept, env->items[i]);
		} else if (!placed) {
			str_list_add(arena, &kept, entry);
			placed = true;
		}
	}
	if (!placed)
		str_list_add(arena, &kept, entry);
	*env = kept;
}
