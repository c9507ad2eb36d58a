/*
 * JSON text cut down to what a table reads, for who reads little of much: yajl, which hands on each
 * value by itself, takes four times as long. Only what is JSON beyond doubt is left out.
 */
#include <string.h>

#include "json_read_internal.h"
#include "utf8.h"

/* text[length] is a NUL, at which every look ahead ends. */
struct skim {
	const char *at;
	const char *end;
	char *out;
};

static void skip_blanks(struct skim *s)
{
	while (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t')
		s->at++;
}

static bool skip_byte(struct skim *s, char byte)
{
	skip_blanks(s);
	if (*s->at != byte)
		return false;
	s->at++;
	return true;
}

static bool skip_word(struct skim *s, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(s->at, word, length) != 0)
		return false;
	s->at += length;
	return true;
}

/* Bytes of a string that stand for themselves and are one character each. */
static const bool plain[256] = {
    [0x20 ... '"' - 1] = true, ['"' + 1 ... '\\' - 1] = true, ['\\' + 1 ... 0x7f] = true};

/* \u is left to who reads all. */
static bool is_escaped(char letter)
{
	switch (letter) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return true;
	default:
		return false;
	}
}

static bool skip_string(struct skim *s)
{
	if (*s->at != '"')
		return false;
	for (s->at++;;) {
		const char *at = s->at;
		size_t step;

		while (plain[(unsigned char)*at])
			at++;
		s->at = at;
		const unsigned char byte = (unsigned char)*at;
		if (byte == '"') {
			s->at++;
			return true;
		}
		if (byte == '\\')
			step = is_escaped(s->at[1]) ? 2 : 0;
		else
			step = byte < 0x80 ? 0 : utf8_length(s->at, (size_t)(s->end - s->at));
		if (step == 0)
			return false;
		s->at += step;
	}
}

static bool skip_digits(struct skim *s)
{
	const char *first = s->at;

	while (*s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > first;
}

/* Without fractions and exponents, which runsafe has none of. */
static bool skip_number(struct skim *s)
{
	if (*s->at == '-')
		s->at++;
	const char first = *s->at;
	const char *second = s->at + 1;

	return skip_digits(s) && (first != '0' || s->at == second);
}

static bool skip_scalar(struct skim *s)
{
	switch (*s->at) {
	case '"':
		return skip_string(s);
	case 't':
		return skip_word(s, "true");
	case 'f':
		return skip_word(s, "false");
	case 'n':
		return skip_word(s, "null");
	default:
		return skip_number(s);
	}
}

static bool skip_key(struct skim *s)
{
	skip_blanks(s);
	return skip_string(s) && skip_byte(s, ':');
}

/* One value with all that is in it. objects: a bit for each level, set where it is an object. */
static bool skip_value(struct skim *s)
{
	uint64_t objects = 0;
	size_t depth = 0;

	for (;;) {
		skip_blanks(s);
		if (*s->at == '{' || *s->at == '[') {
			const bool object = *s->at++ == '{';

			if (++depth >= JSON_MAX_DEPTH - 1)
				return false;
			objects = objects << 1 | object;
			skip_blanks(s);
			if (*s->at != (object ? '}' : ']')) {
				if (object && !skip_key(s))
					return false;
				continue;
			}
		} else if (!skip_scalar(s)) {
			return false;
		}
		/* A value has ended, or one that is empty is about to. */
		for (; depth; depth--, objects >>= 1) {
			skip_blanks(s);
			if (*s->at == ',') {
				s->at++;
				if (objects & 1 && !skip_key(s))
					return false;
				break;
			}
			if (!skip_byte(s, objects & 1 ? '}' : ']'))
				return false;
		}
		if (depth == 0)
			return true;
	}
}

static void keep(struct skim *s, const char *from)
{
	const size_t length = (size_t)(s->at - from);

	memcpy(s->out, from, length);
	s->out += length;
}

/* What the table has not is left out, key and value. Its objects in objects are few. */
static bool skim_object(struct skim *s, const struct json_table *table)
{
	bool first = true;

	if (!skip_byte(s, '{'))
		return false;
	*s->out++ = '{';
	skip_blanks(s);
	for (bool more = *s->at != '}'; more; more = skip_byte(s, ',')) {
		skip_blanks(s);
		const char *key = s->at;
		if (!skip_string(s))
			return false;
		const size_t length = (size_t)(s->at - key);
		const struct json_field *field = json_find_field(table, key + 1, length - 2);
		if (memchr(key, '\\', length) || !skip_byte(s, ':'))
			return false;
		if (!field) {
			if (!skip_value(s))
				return false;
			continue;
		}
		if (!first)
			*s->out++ = ',';
		first = false;
		keep(s, key);
		skip_blanks(s);
		const char *value = s->at;
		if (field->kind == JSON_OBJECT && *value == '{') {
			if (!skim_object(s, field->table))
				return false;
			continue;
		}
		if (!skip_value(s))
			return false;
		keep(s, value);
	}
	*s->out++ = '}';
	return skip_byte(s, '}');
}

int json_read_some(struct arena *arena, const char *label, const char *text, size_t length,
		   const struct json_table *table, void *out, struct error *err)
{
	struct skim s = {.at = text, .end = text + length};
	struct error ignored = ERROR_INIT;

	if (length <= JSON_MAX_BYTES) {
		char *some = arena_alloc(arena, length + 1);

		s.out = some;
		const bool sure = skim_object(&s, table);
		skip_blanks(&s);
		if (sure && s.at == s.end &&
		    json_read_scanned(arena, label, some, (size_t)(s.out - some), table, out,
				      &ignored) == 0)
			return 0;
		/* Whatever is wrong is said of the text as it is. */
		memset(out, 0, table->size);
	}
	return json_read(arena, label, text, length, table, out, err);
}
