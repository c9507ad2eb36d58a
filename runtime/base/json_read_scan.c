#include "json_read_internal.h"

#include <string.h>

#include "utf8.h"

char *json_place(struct arena *arena, const char *text, size_t offset)
{
	size_t line = 1;
	size_t column = 1;

	for (size_t i = 0; i < offset; i++) {
		column++;
		if (text[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return arena_printf(arena, "line %zu, column %zu", line, column);
}

int json_too_large(const char *label, struct error *err)
{
	return error_set(err, "%s: larger than the %zu MiB that are read at most", label,
			 JSON_MAX_BYTES / ((size_t)1024 * 1024));
}

static int bad_text(const char *label, const char *text, size_t offset, const char *what,
		    struct error *err)
{
	struct arena arena = ARENA_INIT;

	error_set(err, "%s: %s: %s", label, json_place(&arena, text, offset), what);
	arena_free(&arena);
	return -1;
}

/* The code unit of the \uXXXX that text starts with, or -1. */
static long escaped_unit(const char *text, size_t left)
{
	long unit = 0;

	if (left < 6 || text[0] != '\\' || text[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		const char *digits = "0123456789abcdef";
		const char *digit = text[i] ? strchr(digits, text[i] | 0x20) : NULL;

		if (!digit)
			return -1;
		unit = unit * 16 + (digit - digits);
	}
	return unit;
}

/* The bytes of the escape that text starts with; 0 for half of a surrogate pair, which has no
 * UTF-8 form (RFC 8259 section 8.2). Other wrong escapes are yajl's to report. */
static size_t escape_length(const char *text, size_t left)
{
	long unit = escaped_unit(text, left);
	long low;

	if (unit < 0)
		return left < 2 ? left : 2;
	if (unit < 0xd800 || unit > 0xdfff)
		return 6;
	low = unit < 0xdc00 ? escaped_unit(text + 6, left - 6) : -1;
	return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

/* Moves *at from behind the opening quote to behind the closing one. Returns what is wrong with
 * the character at *at, or NULL. */
static const char *scan_string(const char *text, size_t length, size_t *at)
{
	while (*at < length) {
		unsigned char byte = (unsigned char)text[*at];
		size_t step = 1;

		if (byte == '"') {
			++*at;
			return NULL;
		}
		if (byte == '\\') {
			step = escape_length(text + *at, length - *at);
			if (step == 0)
				return "half of a surrogate pair, which is no character";
		} else if (byte < 0x20) {
			return "a control character inside a string; write it as an escape (\\n)";
		} else if (byte >= 0x80) {
			step = utf8_length(text + *at, length - *at);
			if (step == 0)
				return "not UTF-8 text";
		}
		*at += step;
	}
	return NULL;
}

int json_scan(const char *label, const char *text, size_t length, struct error *err)
{
	size_t depth = 0;
	size_t at = 0;

	if (length > JSON_MAX_BYTES)
		return json_too_large(label, err);
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return error_set(err, "%s: starts with a byte order mark; save it as UTF-8 without",
				 label);
	while (at < length) {
		unsigned char byte = (unsigned char)text[at];
		const char *wrong = NULL;

		if (byte == '"') {
			at++;
			wrong = scan_string(text, length, &at);
		} else {
			if ((byte == '{' || byte == '[') && ++depth > JSON_MAX_DEPTH)
				wrong = "nested deeper than the 64 levels that are read at most";
			else if ((byte == '}' || byte == ']') && depth > 0)
				depth--;
			else if (byte >= 0x80 && utf8_length(text + at, length - at) == 0)
				wrong = "not UTF-8 text";
			at += wrong == NULL;
		}
		if (wrong)
			return bad_text(label, text, at, wrong, err);
	}
	return 0;
}
