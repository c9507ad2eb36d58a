/* Structs that are read by table, put over each other by the same table. */
#ifndef RUNSAFE_POLICY_MERGE_H
#define RUNSAFE_POLICY_MERGE_H

#include <stdbool.h>

#include "json_read.h"

/* Puts all that over says into base. */
void policy_merge(struct arena *arena, const struct json_table *table, void *base,
		  const void *over);

/* Whether the file said something for this field. */
bool policy_field_set(const struct json_field *field, const void *object);
size_t policy_field_size(const struct json_field *field);

/* The path of the first key that object does not say ("user.root"), or NULL. */
char *policy_missing_key(struct arena *arena, const struct json_table *table, const void *object);

#endif
