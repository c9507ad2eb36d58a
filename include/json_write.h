/* JSON text out: a growing buffer and calls that put commas, quotes and escapes where they belong.
 */
#ifndef RUNSAFE_JSON_WRITE_H
#define RUNSAFE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "lists.h"

struct json_writer {
	struct arena *arena;
	char *text; /* NUL-ended once json_finish was called */
	size_t length;
	size_t room;
	int depth;
	bool pretty; /* two spaces an indentation level, else one line without blanks */
	bool first[64];
	bool after_key;
};

void json_start(struct json_writer *w, struct arena *arena, bool pretty);

/* Ends the text with a newline when pretty; returns it. It is the arena's. */
const char *json_finish(struct json_writer *w);

/* key is NULL inside a list and at the top. */
void json_object_begin(struct json_writer *w, const char *key);
void json_object_end(struct json_writer *w);
void json_list_begin(struct json_writer *w, const char *key);
void json_list_end(struct json_writer *w);
/* NULL text writes null. Invalid UTF-8 bytes are written as U+FFFD. */
void json_string(struct json_writer *w, const char *key, const char *text);
void json_i64(struct json_writer *w, const char *key, int64_t value);
void json_u64(struct json_writer *w, const char *key, uint64_t value);
/* As short as it can be said with two digits behind the point: 0, 1.5. */
void json_hundredths(struct json_writer *w, const char *key, double value);
void json_bool(struct json_writer *w, const char *key, bool value);
/* text is JSON already, without blanks. */
void json_raw(struct json_writer *w, const char *key, const char *text);
void json_string_list(struct json_writer *w, const char *key, const struct str_list *list);
void json_string_map(struct json_writer *w, const char *key, const struct str_map *map);

#endif
