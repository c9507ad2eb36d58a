#include "json_write.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

static void put(struct json_writer *w, const char *text, size_t length)
{
	if (w->room - w->length <= length) {
		size_t room = 2 * w->room + length + 1024;
		char *bigger = arena_alloc(w->arena, room);

		if (w->length > 0)
			memcpy(bigger, w->text, w->length);
		w->text = bigger;
		w->room = room;
	}
	memcpy(w->text + w->length, text, length);
	w->length += length;
}

static void put_text(struct json_writer *w, const char *text)
{
	put(w, text, strlen(text));
}

static void put_escaped(struct json_writer *w, unsigned char byte)
{
	const char plain[] = {'\\', (char)byte};
	char text[8];

	switch (byte) {
	case '"':
	case '\\':
		/* Hundreds of them in the text of a policy, which each state has. */
		put(w, plain, sizeof(plain));
		return;
	case '\n':
		put(w, "\\n", 2);
		return;
	case '\t':
		put(w, "\\t", 2);
		return;
	default:
		snprintf(text, sizeof(text), "\\u%04x", byte);
	}
	put_text(w, text);
}

static void put_quoted(struct json_writer *w, const char *text)
{
	size_t left = strlen(text);
	size_t run = 0; /* bytes behind text that can go as they are */

	put(w, "\"", 1);
	while (run < left) {
		unsigned char byte = (unsigned char)text[run];
		size_t length = utf8_length(text + run, left - run);

		if (length > 0 && byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f) {
			run += length;
			continue;
		}
		put(w, text, run);
		if (length == 0)
			put_text(w, "\xef\xbf\xbd"); /* U+FFFD */
		else
			put_escaped(w, byte);
		text += run + 1;
		left -= run + 1;
		run = 0;
	}
	put(w, text, run);
	put(w, "\"", 1);
}

static void new_line(struct json_writer *w)
{
	if (!w->pretty)
		return;
	put(w, "\n", 1);
	for (int i = 0; i < w->depth; i++)
		put(w, "  ", 2);
}

/* Everything that stands in front of a value: comma, new line, key. */
static void before_value(struct json_writer *w, const char *key)
{
	if (w->depth > 0) {
		if (!w->first[w->depth - 1])
			put(w, ",", 1);
		w->first[w->depth - 1] = false;
		new_line(w);
	}
	if (key) {
		put_quoted(w, key);
		put_text(w, w->pretty ? ": " : ":");
	}
}

static void begin(struct json_writer *w, const char *key, const char *bracket)
{
	before_value(w, key);
	put_text(w, bracket);
	assert((size_t)w->depth < sizeof(w->first) / sizeof(w->first[0]));
	w->first[w->depth++] = true;
}

static void end(struct json_writer *w, const char *bracket)
{
	assert(w->depth > 0);
	w->depth--;
	if (!w->first[w->depth])
		new_line(w);
	put_text(w, bracket);
}

void json_start(struct json_writer *w, struct arena *arena, bool pretty)
{
	*w = (struct json_writer){.arena = arena, .pretty = pretty};
}

const char *json_finish(struct json_writer *w)
{
	if (w->pretty)
		put(w, "\n", 1);
	put(w, "", 1);
	w->length--;
	return w->text;
}

void json_object_begin(struct json_writer *w, const char *key)
{
	begin(w, key, "{");
}

void json_object_end(struct json_writer *w)
{
	end(w, "}");
}

void json_list_begin(struct json_writer *w, const char *key)
{
	begin(w, key, "[");
}

void json_list_end(struct json_writer *w)
{
	end(w, "]");
}

void json_string(struct json_writer *w, const char *key, const char *text)
{
	before_value(w, key);
	if (text)
		put_quoted(w, text);
	else
		put_text(w, "null");
}

void json_i64(struct json_writer *w, const char *key, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, value);
	before_value(w, key);
	put_text(w, text);
}

void json_u64(struct json_writer *w, const char *key, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	before_value(w, key);
	put_text(w, text);
}

void json_hundredths(struct json_writer *w, const char *key, double value)
{
	char text[32];
	size_t length = (size_t)snprintf(text, sizeof(text), "%.2f", value);

	while (length > 1 && text[length - 1] == '0')
		length--;
	if (length > 1 && text[length - 1] == '.')
		length--;
	text[length] = '\0';
	before_value(w, key);
	put_text(w, text);
}

void json_bool(struct json_writer *w, const char *key, bool value)
{
	before_value(w, key);
	put_text(w, value ? "true" : "false");
}

void json_raw(struct json_writer *w, const char *key, const char *text)
{
	before_value(w, key);
	put_text(w, text);
}

void json_string_list(struct json_writer *w, const char *key, const struct str_list *list)
{
	json_list_begin(w, key);
	for (size_t i = 0; i < list->n; i++)
		json_string(w, NULL, list->items[i]);
	json_list_end(w);
}

void json_string_map(struct json_writer *w, const char *key, const struct str_map *map)
{
	json_object_begin(w, key);
	for (size_t i = 0; i < map->n; i++)
		json_string(w, map->items[i].key, map->items[i].value);
	json_object_end(w);
}
