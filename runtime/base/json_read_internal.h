/* Private to base: the parts of the JSON reader. */
#ifndef RUNSAFE_JSON_READ_INTERNAL_H
#define RUNSAFE_JSON_READ_INTERNAL_H

#include "json_read.h"

enum json_shape { IN_OBJECT = 1, IN_LIST, IN_MAP };

/* One open object or list on the way to the value that is being read. */
struct json_frame {
	enum json_shape shape;
	const struct json_table *table; /* IN_OBJECT */
	const struct json_field *field; /* IN_OBJECT: of the last key, NULL when that is unknown;
					   else the field that the list or map belongs to */
	char *base;			/* the struct that the offsets are in */
	uint64_t seen;			/* IN_OBJECT: one bit a field whose key was there */
	uint64_t filled;		/* the same, with a value that is not null */
	size_t index;			/* IN_LIST: of the next element */
	char *key;			/* IN_MAP: of the next value */
};

struct json_reader {
	struct arena *arena;
	const char *label;
	struct error *err;
	const struct json_table *table;
	void *out;
	struct json_frame frames[JSON_MAX_DEPTH + 1];
	size_t depth;
	size_t skip;			  /* nesting inside a value that is passed over */
	const struct json_field *refused; /* whose value that is: it must be empty; or NULL */
	bool failed;			  /* err is set */
};

enum json_got_kind { GOT_NULL = 1, GOT_BOOL, GOT_NUMBER, GOT_STRING, GOT_LIST, GOT_OBJECT };

/* What stands in the file. */
struct json_got {
	enum json_got_kind kind;
	bool boolean;
	const char *text; /* GOT_NUMBER, GOT_STRING: not NUL-ended */
	size_t length;
};

/* Limits and encoding, before yajl sees the text. Returns 0, or -1 with err set. */
int json_scan(const char *label, const char *text, size_t length, struct error *err);

/* json_read() of a text of which json_scan() would find nothing. */
int json_read_scanned(struct arena *arena, const char *label, const char *text, size_t length,
		      const struct json_table *table, void *out, struct error *err);

/* Says that the text is over JSON_MAX_BYTES. Returns -1. */
int json_too_large(const char *label, struct error *err);

/* "line 3, column 7" of an offset into text. */
char *json_place(struct arena *arena, const char *text, size_t offset);

/* The table's field of that key, which need not end with a NUL; NULL for none. */
const struct json_field *json_find_field(const struct json_table *table, const char *key,
					 size_t length);

/* What the value that comes next must be; in a list or map, of its elements. */
enum json_kind json_wanted(const struct json_frame *frame);

/* Stores a value that is neither null, list nor object. Returns 0, or -1 with err set. */
int json_store(struct json_reader *r, struct json_frame *frame, const struct json_got *got);

/* "PATH: expected X, got Y" for the value that comes next in the last frame. Returns -1. */
int json_unexpected(struct json_reader *r, const struct json_got *got);

/* "LABEL: PATH: " and the formatted text. Returns -1. */
int json_fail(struct json_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What stands in the file, for a message: "512m" in quotes, a number, "a list" ... */
const char *json_got_text(struct arena *arena, const struct json_got *got);

/* What kind of value a field wants, in words for a message. */
char *json_expected(struct arena *arena, const struct json_field *field, enum json_kind kind,
		    bool name_range);

#endif
