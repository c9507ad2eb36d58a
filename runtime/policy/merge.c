/*
 * {"extends": "default", ...}: what a policy file says goes over what the extended policy says,
 * key by key, by the same tables that read them (the rules of RFC 7396: objects are merged, a list
 * or a value replaces).
 */
#include "merge.h"

#include <string.h>

static void merge_map(struct arena *arena, const struct json_field *field, char *to,
		      const char *from)
{
	const struct json_table *table = field->table;
	char **list = (char **)(void *)(to + field->offset);
	size_t *n = (size_t *)(void *)(to + field->count_offset);
	const char *over = *(char *const *)(const void *)(from + field->offset);
	size_t n_over = *(const size_t *)(const void *)(from + field->count_offset);
	size_t n_base = *n;
	char *all = arena_alloc(arena, (n_base + n_over + 1) * table->size);

	if (n_base != 0)
		memcpy(all, *list, n_base * table->size);
	for (size_t i = 0; i < n_over; i++) {
		const char *item = over + i * table->size;
		const char *key = *(char *const *)(const void *)(item + table->key_offset);
		size_t at = 0;

		while (at < *n &&
		       strcmp(*(char **)(void *)(all + at * table->size + table->key_offset),
			      key) != 0)
			at++;
		if (at == *n) {
			memcpy(all + at * table->size, item, table->size);
			(*n)++;
		} else {
			policy_merge(arena, table, all + at * table->size, item);
		}
	}
	*list = all;
}

void policy_merge(struct arena *arena, const struct json_table *table, void *base, const void *over)
{
	for (const struct json_field *f = table->fields; f->key != NULL; f++) {
		char *to = (char *)base;
		const char *from = (const char *)over;

		if (f->kind == JSON_IGNORE)
			continue;
		if (f->kind == JSON_OBJECT)
			policy_merge(arena, f->table, to + f->offset, from + f->offset);
		else if (f->kind == JSON_OBJECT_MAP)
			merge_map(arena, f, to, from);
		else if (policy_field_set(f, over))
			memcpy(to + f->offset, from + f->offset, policy_field_size(f));
	}
}

size_t policy_field_size(const struct json_field *field)
{
	switch (field->kind) {
	case JSON_STRING:
		return sizeof(char *);
	case JSON_OPT_BOOL:
		return sizeof(struct opt_bool);
	case JSON_OPT_U32:
		return sizeof(struct opt_u32);
	case JSON_STRING_LIST:
		return sizeof(struct str_list);
	default: /* the tables of policies use no other kind; a unit test looks */
		return 0;
	}
}

bool policy_field_set(const struct json_field *field, const void *object)
{
	const void *at = (const char *)object + field->offset;

	switch (field->kind) {
	case JSON_STRING:
		return *(char *const *)at != NULL;
	case JSON_OPT_BOOL:
		return ((const struct opt_bool *)at)->set;
	case JSON_OPT_U32:
		return ((const struct opt_u32 *)at)->set;
	case JSON_STRING_LIST:
		/* An empty list that was given has items, too: its NULL. */
		return ((const struct str_list *)at)->items != NULL;
	default:
		return false;
	}
}

char *policy_missing_key(struct arena *arena, const struct json_table *table, const void *object)
{
	for (const struct json_field *f = table->fields; f->key != NULL; f++) {
		char *below = NULL;

		if (f->kind == JSON_IGNORE || f->kind == JSON_OBJECT_MAP)
			continue;
		if (f->kind == JSON_OBJECT) {
			below =
			    policy_missing_key(arena, f->table, (const char *)object + f->offset);
			if (below != NULL)
				return arena_printf(arena, "%s.%s", f->key, below);
		} else if (!policy_field_set(f, object)) {
			return arena_strdup(arena, f->key);
		}
	}
	return NULL;
}
