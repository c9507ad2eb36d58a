#include "json_read_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "utf8.h"

/* A message shows this much of a text. */
#define SHOWN_BYTES 60

static char *shown(struct arena *arena, const char *text, size_t length)
{
	char *out = arena_alloc(arena, SHOWN_BYTES * 4 + 16);
	char *next = out;
	size_t at = 0;

	*next++ = '"';
	while (at < length && at < SHOWN_BYTES) {
		unsigned char byte = (unsigned char)text[at];
		size_t step = utf8_length(text + at, length - at);

		if (step == 0 || byte < 0x20 || byte == 0x7f) {
			const char *digits = "0123456789abcdef";

			step = 1;
			next = stpcpy(next, "\\x");
			*next++ = digits[byte >> 4];
			*next++ = digits[byte & 15];
		} else {
			memcpy(next, text + at, step);
			next += step;
		}
		at += step;
	}
	stpcpy(next, at < length ? "...\"" : "\"");
	return out;
}

char *json_shown(struct arena *arena, const char *text)
{
	return shown(arena, text, strlen(text));
}

const char *json_got_text(struct arena *arena, const struct json_got *got)
{
	switch (got->kind) {
	case GOT_NULL:
		return "null";
	case GOT_BOOL:
		return got->boolean ? "true" : "false";
	case GOT_NUMBER:
		return arena_printf(arena, "%.*s%s",
				    (int)(got->length < SHOWN_BYTES ? got->length : SHOWN_BYTES),
				    got->text, got->length > SHOWN_BYTES ? "..." : "");
	case GOT_STRING:
		return shown(arena, got->text, got->length);
	case GOT_LIST:
		return "a list";
	case GOT_OBJECT:
		return "an object";
	}
	return "something else";
}

struct range {
	int64_t min;
	uint64_t max;
};

static struct range range_of(const struct json_field *field, enum json_kind kind)
{
	if (field->min != 0 || field->max != 0)
		return (struct range){field->min, field->max};
	switch (kind) {
	case JSON_U32:
	case JSON_OPT_U32:
		return (struct range){0, UINT32_MAX};
	case JSON_I64:
	case JSON_OPT_I64:
		return (struct range){INT64_MIN, INT64_MAX};
	default:
		return (struct range){0, UINT64_MAX};
	}
}

static char *expected_words(struct arena *arena, const char *const *words)
{
	char *text = arena_printf(arena, "one of %s", words[0]);

	for (size_t i = 1; words[i]; i++)
		text = arena_printf(arena, "%s%s%s", text, words[i + 1] ? ", " : " or ", words[i]);
	return text;
}

char *json_expected(struct arena *arena, const struct json_field *field, enum json_kind kind,
		    bool name_range)
{
	struct range range;

	switch (kind) {
	case JSON_STRING:
		if (field->words)
			return expected_words(arena, field->words);
		if (field->flags & JSON_ABSOLUTE)
			return arena_strdup(arena, "an absolute path");
		return arena_strdup(arena,
				    field->kind == JSON_STRING && (field->flags & JSON_NONEMPTY)
					? "a non-empty string"
					: "a string");
	case JSON_BOOL:
	case JSON_OPT_BOOL:
		return arena_strdup(arena, "true or false");
	case JSON_STRING_LIST:
		return arena_strdup(arena, "a list of strings");
	case JSON_U32_LIST:
		return arena_strdup(arena, "a list of whole numbers");
	case JSON_OBJECT_LIST:
		return arena_strdup(arena, "a list of objects");
	case JSON_STRING_MAP:
		return arena_strdup(arena, "an object with strings as values");
	case JSON_OBJECT:
	case JSON_OPT_OBJECT:
	case JSON_OBJECT_MAP:
		return arena_strdup(arena, "an object");
	default:
		break;
	}
	if (!name_range)
		return arena_strdup(arena, "a whole number");
	range = range_of(field, kind);
	return arena_printf(arena, "a whole number from %" PRId64 " to %" PRIu64, range.min,
			    range.max);
}

/* "process.user.uid", "mounts[3].options[0]": where the next value of the last frame stands. */
static char *path_text(struct json_reader *r)
{
	char *path = arena_strdup(r->arena, "");

	for (size_t i = 0; i < r->depth; i++) {
		const struct json_frame *frame = &r->frames[i];
		const char *key = NULL;

		if (frame->shape == IN_LIST)
			path = arena_printf(r->arena, "%s[%zu]", path, frame->index);
		else if (frame->shape == IN_MAP)
			key = frame->key;
		else if (frame->field)
			key = frame->field->key;
		if (key)
			path = arena_printf(r->arena, "%s%s%s", path, *path ? "." : "", key);
	}
	return path;
}

int json_fail(struct json_reader *r, const char *format, ...)
{
	const char *path = path_text(r);
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(r->arena, format, args);
	va_end(args);
	r->failed = true;
	return error_set(r->err, "%s: %.500s%s%s", r->label, path, *path ? ": " : "", text);
}

enum json_kind json_wanted(const struct json_frame *frame)
{
	if (frame->shape == IN_OBJECT)
		return frame->field ? frame->field->kind : JSON_IGNORE;
	switch (frame->field->kind) {
	case JSON_STRING_LIST:
	case JSON_STRING_MAP:
		return JSON_STRING;
	case JSON_U32_LIST:
		return JSON_U32;
	default:
		return JSON_OBJECT;
	}
}

int json_unexpected(struct json_reader *r, const struct json_got *got)
{
	const struct json_frame *frame = &r->frames[r->depth - 1];

	return json_fail(
	    r, "expected %s, got %s",
	    json_expected(r->arena, frame->field, json_wanted(frame), got->kind == GOT_NUMBER),
	    json_got_text(r->arena, got));
}

static bool is_word(const char *const *words, const char *text)
{
	for (; *words; words++) {
		if (strcmp(*words, text) == 0)
			return true;
	}
	return false;
}

static int store_string(struct json_reader *r, struct json_frame *frame, const struct json_got *got)
{
	const struct json_field *field = frame->field;
	unsigned int flags = field->flags;
	char *text;

	if (got->kind != GOT_STRING)
		return json_unexpected(r, got);
	if (memchr(got->text, '\0', got->length))
		return json_fail(r, "expected text without NUL characters, got %s",
				 json_got_text(r->arena, got));
	if (got->length == 0 && field->kind == JSON_STRING) {
		if ((flags & JSON_EMPTY_ABSENT) && !(flags & JSON_REQUIRED))
			return 0;
		if (flags & (JSON_NONEMPTY | JSON_EMPTY_ABSENT))
			return json_unexpected(r, got);
	}
	text = arena_strndup(r->arena, got->text, got->length);
	if (field->words && !is_word(field->words, text))
		return json_unexpected(r, got);
	if ((flags & JSON_ABSOLUTE) && text[0] != '/')
		return json_unexpected(r, got);

	if (field->kind == JSON_STRING) {
		*(char **)(void *)(frame->base + field->offset) = text;
	} else if (field->kind == JSON_STRING_LIST) {
		str_list_add(r->arena, (void *)(frame->base + field->offset), text);
	} else {
		struct str_map *map = (void *)(frame->base + field->offset);

		/* Keys given twice are looked for at the end of the object, all at once. */
		map->items = arena_grow(r->arena, map->items, map->n, sizeof(*map->items));
		map->items[map->n++] = (struct str_pair){.key = frame->key, .value = text};
	}
	return 0;
}

/* A JSON number as sign and magnitude. False for a fraction, an exponent, or beyond 64 bits. */
static bool whole_number(const char *text, size_t length, bool *negative, uint64_t *magnitude)
{
	size_t i = 0;

	*negative = length > 0 && text[0] == '-';
	*magnitude = 0;
	for (i = *negative; i < length; i++) {
		unsigned int digit = (unsigned int)text[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(*magnitude, 10u, magnitude) ||
		    __builtin_add_overflow(*magnitude, digit, magnitude))
			return false;
	}
	*negative = *negative && *magnitude != 0;
	return true;
}

static int store_number(struct json_reader *r, struct json_frame *frame, enum json_kind kind,
			const struct json_got *got)
{
	struct range range = range_of(frame->field, kind);
	void *place = frame->base + frame->field->offset;
	uint64_t magnitude;
	uint64_t value;
	bool negative;

	if (got->kind != GOT_NUMBER || !whole_number(got->text, got->length, &negative, &magnitude))
		return json_unexpected(r, got);
	if (negative ? range.min >= 0 || magnitude > 0 - (uint64_t)range.min
		     : magnitude > range.max || (range.min > 0 && magnitude < (uint64_t)range.min))
		return json_unexpected(r, got);
	value = negative ? 0 - magnitude : magnitude;

	if (frame->field->kind == JSON_U32_LIST) {
		struct u32_list *list = place;

		list->items = arena_grow(r->arena, list->items, list->n, sizeof(*list->items));
		list->items[list->n++] = (uint32_t)value;
		return 0;
	}
	switch (kind) {
	case JSON_U32:
		*(uint32_t *)place = (uint32_t)value;
		break;
	case JSON_I64:
		*(int64_t *)place = (int64_t)value;
		break;
	case JSON_U64:
		*(uint64_t *)place = value;
		break;
	case JSON_OPT_U32:
		*(struct opt_u32 *)place = (struct opt_u32){true, (uint32_t)value};
		break;
	case JSON_OPT_I64:
		*(struct opt_i64 *)place = (struct opt_i64){true, (int64_t)value};
		break;
	default:
		*(struct opt_u64 *)place = (struct opt_u64){true, value};
	}
	return 0;
}

static int store_bool(struct json_reader *r, struct json_frame *frame, enum json_kind kind,
		      const struct json_got *got)
{
	void *place = frame->base + frame->field->offset;

	if (got->kind != GOT_BOOL)
		return json_unexpected(r, got);
	if (kind == JSON_BOOL)
		*(bool *)place = got->boolean;
	else
		*(struct opt_bool *)place = (struct opt_bool){true, got->boolean};
	return 0;
}

static bool counts_as_absent(const struct json_got *got)
{
	switch (got->kind) {
	case GOT_BOOL:
		return !got->boolean;
	case GOT_NUMBER:
		return got->length == 1 && got->text[0] == '0';
	case GOT_STRING:
		return got->length == 0;
	default:
		return false;
	}
}

int json_store(struct json_reader *r, struct json_frame *frame, const struct json_got *got)
{
	enum json_kind kind = json_wanted(frame);

	switch (kind) {
	case JSON_IGNORE:
		return 0;
	case JSON_REFUSED:
		if (counts_as_absent(got))
			return 0;
		return json_fail(r, "not supported: %s; leave it out (got %s)", frame->field->why,
				 json_got_text(r->arena, got));
	case JSON_STRING:
		return store_string(r, frame, got);
	case JSON_BOOL:
	case JSON_OPT_BOOL:
		return store_bool(r, frame, kind, got);
	case JSON_U32:
	case JSON_I64:
	case JSON_U64:
	case JSON_OPT_U32:
	case JSON_OPT_I64:
	case JSON_OPT_U64:
		return store_number(r, frame, kind, got);
	default:
		return json_unexpected(r, got);
	}
}
