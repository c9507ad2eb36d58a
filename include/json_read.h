/*
 * JSON text to struct by table. Each JSON object is a table of fields (key, kind, where it goes,
 * range); one engine on yajl's callbacks walks them. Limits are checked before yajl sees the text:
 * 16 MiB and 64 levels (CVE-2022-24795, CVE-2023-33460); invalid UTF-8, comments and trailing
 * text are errors. Every error names the file, the JSON path and what was expected:
 *   config.json: linux.resources.memory.limit: expected a whole number, got "512m"
 */
#ifndef RUNSAFE_JSON_READ_H
#define RUNSAFE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "lists.h"

#define JSON_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define JSON_MAX_DEPTH 64

enum json_kind {
	JSON_STRING = 1,  /* char *; NULL when absent. A NUL byte (\u0000) inside is an error. */
	JSON_BOOL,	  /* bool */
	JSON_OPT_BOOL,	  /* struct opt_bool */
	JSON_U32,	  /* uint32_t, in [min, max] */
	JSON_I64,	  /* int64_t */
	JSON_U64,	  /* uint64_t */
	JSON_OPT_U32,	  /* struct opt_u32 */
	JSON_OPT_I64,	  /* struct opt_i64 */
	JSON_OPT_U64,	  /* struct opt_u64 */
	JSON_STRING_LIST, /* struct str_list */
	JSON_U32_LIST,	  /* struct u32_list */
	JSON_STRING_MAP,  /* struct str_map: an object whose values are strings */
	JSON_OBJECT,	  /* a struct in place; table->present tells whether it was there */
	JSON_OPT_OBJECT,  /* pointer to a struct; NULL when absent */
	JSON_OBJECT_LIST, /* pointer to an array of structs; its size_t is at count_offset */
	JSON_OBJECT_MAP, /* the same for an object of objects: each element's table->key_offset is a
			    char * that gets the key */
	JSON_IGNORE,	 /* any value, passed over (known, and without meaning for us) */
	JSON_REFUSED	 /* a non-empty value is an error that gives the field's why; null, "", {},
			    [], 0 and false count as absent */
};

enum json_flag {
	JSON_REQUIRED = 1,    /* must be there */
	JSON_NONEMPTY = 2,    /* a string that is there, or a list, must not be empty */
	JSON_ABSOLUTE = 4,    /* a string that is there, or each of a list, must start with '/' */
	JSON_EMPTY_ABSENT = 8 /* the string "" counts as absent, as Go's engines mean it */
};

struct json_table;

struct json_field {
	const char *key;
	enum json_kind kind;
	size_t offset;	     /* in the enclosing struct */
	size_t count_offset; /* JSON_OBJECT_LIST, JSON_OBJECT_MAP */
	const struct json_table *table;
	int64_t min; /* numbers: range; both 0 means the whole range of the type */
	uint64_t max;
	const char *const *words; /* JSON_STRING, JSON_STRING_LIST: accepted words, NULL-ended */
	unsigned int flags;	  /* enum json_flag */
	size_t set_offset; /* of a bool set to true when the key was there and not null; 0: none */
	const char *why;   /* JSON_REFUSED: the reason, behind "not supported: " */
};

#define JSON_NO_OFFSET ((size_t)-1)

struct json_table {
	size_t size;			 /* of the struct */
	const struct json_field *fields; /* ended by key NULL */
	size_t
	    present_offset; /* of a bool set to true when the object was there, or JSON_NO_OFFSET */
	size_t key_offset;  /* JSON_OBJECT_MAP: of the char *, else JSON_NO_OFFSET */
	bool unknown_is_error; /* false: unknown keys are passed over, as the specification says */
};

/* A table's fields are at most this many. */
#define JSON_MAX_FIELDS 64

/*
 * Reads text into *out, which the caller has zeroed (table->size bytes). JSON null counts as
 * absent
 * everywhere but as an element of a list, where it is an error. A list that was there has items
 * that are not NULL, even when it is empty. A duplicate key is an error ("given twice"). label is
 * the file's name for messages. What out points to is the arena's. Returns 0, or -1 with err set.
 */
int json_read(struct arena *arena, const char *label, const char *text, size_t length,
	      const struct json_table *table, void *out, struct error *err);

/*
 * The same for a table that has little of what is in the text: what it does not have need only be
 * JSON, and takes a quarter of the time. text[length] must be a NUL.
 */
int json_read_some(struct arena *arena, const char *label, const char *text, size_t length,
		   const struct json_table *table, void *out, struct error *err);

/*
 * Reads the file path below dirfd the same way; label as above. Files over JSON_MAX_BYTES are
 * refused by size, not read; not a regular file, missing, unreadable: err says so.
 */
int json_read_file(struct arena *arena, int dirfd, const char *path, const char *label,
		   const struct json_table *table, void *out, struct error *err);

/* Text as messages show it: in quotes, cut when long, control bytes escaped. */
char *json_shown(struct arena *arena, const char *text);

#endif
