#include "json_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yajl/yajl_parse.h>

#include "fd.h"
#include "json_read_internal.h"

/* yajl's callbacks go on with 1 and stop with 0. */
#define GO_ON 1

static int go_on_if(int result)
{
	return result == 0;
}

static int fail_refused(struct json_reader *r)
{
	return json_fail(r, "not supported: %s; leave it out", r->refused->why);
}

static int on_value(struct json_reader *r, const struct json_got *got)
{
	struct json_frame *frame;
	const struct json_field *field;

	if (r->skip > 0)
		return r->refused ? go_on_if(fail_refused(r)) : GO_ON;
	if (r->depth == 0)
		return go_on_if(
		    json_fail(r, "expected an object, got %s", json_got_text(r->arena, got)));
	frame = &r->frames[r->depth - 1];
	if (got->kind == GOT_NULL && frame->shape != IN_LIST)
		return GO_ON;
	if (json_store(r, frame, got) < 0)
		return 0;
	if (frame->shape == IN_LIST)
		frame->index++;
	field = frame->field;
	if (frame->shape != IN_OBJECT || !field)
		return GO_ON;
	frame->filled |= 1ull << (field - frame->table->fields);
	if (field->set_offset)
		*(bool *)(frame->base + field->set_offset) = true;
	return GO_ON;
}

static int on_null(void *ctx)
{
	return on_value(ctx, &(struct json_got){.kind = GOT_NULL});
}

static int on_boolean(void *ctx, int value)
{
	return on_value(ctx, &(struct json_got){.kind = GOT_BOOL, .boolean = value != 0});
}

static int on_number(void *ctx, const char *text, size_t length)
{
	return on_value(ctx,
			&(struct json_got){.kind = GOT_NUMBER, .text = text, .length = length});
}

static int on_string(void *ctx, const unsigned char *text, size_t length)
{
	return on_value(ctx, &(struct json_got){.kind = GOT_STRING,
						.text = length ? (const char *)text : "",
						.length = length});
}

static void push(struct json_reader *r, const struct json_frame *frame)
{
	/* json_scan() has refused what would nest deeper. */
	if (r->depth == sizeof(r->frames) / sizeof(r->frames[0]))
		abort();
	r->frames[r->depth++] = *frame;
}

static void push_object(struct json_reader *r, const struct json_table *table, void *place)
{
	push(r, &(struct json_frame){.shape = IN_OBJECT, .table = table, .base = place});
	if (table->present_offset != JSON_NO_OFFSET)
		*(bool *)((char *)place + table->present_offset) = true;
}

/* A new element, the last one, of the list or map that frame stands for. */
static void *new_element(struct json_reader *r, struct json_frame *frame)
{
	const struct json_field *field = frame->field;
	void **items = (void *)(frame->base + field->offset);
	size_t *n = (void *)(frame->base + field->count_offset);
	char *element;

	*items = arena_grow(r->arena, *items, *n, field->table->size);
	element = (char *)*items + *n * field->table->size;
	++*n;
	if (frame->shape == IN_MAP)
		*(char **)(void *)(element + field->table->key_offset) = frame->key;
	return element;
}

static int begin_object(struct json_reader *r, struct json_frame *frame, enum json_kind kind)
{
	const struct json_field *field = frame->field;
	char *base = frame->base;

	switch (kind) {
	case JSON_OBJECT:
		if (frame->shape != IN_OBJECT)
			push_object(r, field->table, new_element(r, frame));
		else
			push_object(r, field->table, base + field->offset);
		return GO_ON;
	case JSON_OPT_OBJECT: {
		void *place = arena_alloc(r->arena, field->table->size);

		*(void **)(void *)(base + field->offset) = place;
		push_object(r, field->table, place);
		return GO_ON;
	}
	case JSON_STRING_MAP:
	case JSON_OBJECT_MAP:
		push(r, &(struct json_frame){.shape = IN_MAP, .field = field, .base = base});
		return GO_ON;
	default:
		return go_on_if(json_unexpected(r, &(struct json_got){.kind = GOT_OBJECT}));
	}
}

static int begin_list(struct json_reader *r, struct json_frame *frame, enum json_kind kind)
{
	void **items;

	if (kind != JSON_STRING_LIST && kind != JSON_U32_LIST && kind != JSON_OBJECT_LIST)
		return go_on_if(json_unexpected(r, &(struct json_got){.kind = GOT_LIST}));
	/* Room for the NULL of an empty str_list; the lists start with their items. */
	items = (void *)(frame->base + frame->field->offset);
	*items = arena_alloc(r->arena, sizeof(char *));
	push(r, &(struct json_frame){.shape = IN_LIST, .field = frame->field, .base = frame->base});
	return GO_ON;
}

static int on_begin(struct json_reader *r, bool object)
{
	struct json_frame *frame;
	const struct json_field *field;
	enum json_kind kind;

	if (r->skip > 0) {
		if (r->refused)
			return go_on_if(fail_refused(r));
		r->skip++;
		return GO_ON;
	}
	if (r->depth == 0) {
		if (!object)
			return go_on_if(json_fail(r, "expected an object, got a list"));
		push_object(r, r->table, r->out);
		return GO_ON;
	}
	frame = &r->frames[r->depth - 1];
	kind = json_wanted(frame);
	if (kind == JSON_IGNORE || kind == JSON_REFUSED) {
		r->skip = 1;
		r->refused = kind == JSON_REFUSED ? frame->field : NULL;
		return GO_ON;
	}
	field = frame->field;
	if (frame->shape == IN_OBJECT) {
		frame->filled |= 1ull << (field - frame->table->fields);
		if (field->set_offset)
			*(bool *)(frame->base + field->set_offset) = true;
	}
	return object ? begin_object(r, frame, kind) : begin_list(r, frame, kind);
}

static int on_begin_object(void *ctx)
{
	return on_begin(ctx, true);
}

static int on_begin_list(void *ctx)
{
	return on_begin(ctx, false);
}

const struct json_field *json_find_field(const struct json_table *table, const char *key,
					 size_t length)
{
	for (const struct json_field *field = table->fields; field->key; field++) {
		/* The first byte tells most of them, without a call. */
		if (field->key[0] == key[0] && strncmp(field->key, key, length) == 0 &&
		    field->key[length] == '\0')
			return field;
	}
	return NULL;
}

static int on_key(void *ctx, const unsigned char *text, size_t length)
{
	struct json_reader *r = ctx;
	const char *key = length ? (const char *)text : "";
	struct json_frame *frame = &r->frames[r->depth - 1];
	uint64_t bit;

	if (r->skip > 0)
		return r->refused ? go_on_if(fail_refused(r)) : GO_ON;
	if (frame->shape == IN_MAP) {
		frame->key = arena_strndup(r->arena, key, length);
		if (memchr(key, '\0', length))
			return go_on_if(json_fail(r, "expected a key without NUL characters"));
		return GO_ON;
	}
	frame->field =
	    memchr(key, '\0', length) ? NULL : json_find_field(frame->table, key, length);
	if (!frame->field) {
		if (!frame->table->unknown_is_error)
			return GO_ON;
		key = json_shown(r->arena, arena_strndup(r->arena, key, length));
		return go_on_if(json_fail(r, "unknown key %s", key));
	}
	bit = 1ull << (frame->field - frame->table->fields);
	if (frame->seen & bit)
		return go_on_if(json_fail(r, "given twice"));
	frame->seen |= bit;
	return GO_ON;
}

static int check_required(struct json_reader *r, struct json_frame *frame)
{
	uint64_t bit = 1;

	for (const struct json_field *field = frame->table->fields; field->key;
	     field++, bit <<= 1) {
		if (!(field->flags & JSON_REQUIRED) || (frame->filled & bit))
			continue;
		frame->field = field;
		return json_fail(r, "expected %s, but it is missing",
				 json_expected(r->arena, field, field->kind, false));
	}
	return 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted and not compared each with each: a file of 16 MiB has room for a million keys. */
static int check_twice(struct json_reader *r, struct json_frame *frame)
{
	const struct json_field *field = frame->field;
	const struct str_map *map = (void *)(frame->base + field->offset);
	bool strings = field->kind == JSON_STRING_MAP;
	size_t n = strings ? map->n : *(size_t *)(void *)(frame->base + field->count_offset);
	char **keys;

	if (n < 2)
		return 0;
	keys = arena_alloc(r->arena, n * sizeof(*keys));
	for (size_t i = 0; i < n; i++) {
		char *element = *(char **)(void *)(frame->base + field->offset);

		keys[i] = strings ? map->items[i].key
				  : *(char **)(void *)(element + i * field->table->size +
						       field->table->key_offset);
	}
	qsort(keys, n, sizeof(*keys), compare_texts);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(keys[i - 1], keys[i]) == 0) {
			frame->key = keys[i];
			return json_fail(r, "given twice");
		}
	}
	return 0;
}

static int on_end(void *ctx)
{
	struct json_reader *r = ctx;
	struct json_frame *frame = &r->frames[r->depth - 1];
	struct json_frame *outer = r->depth > 1 ? frame - 1 : NULL;

	if (r->skip > 0) {
		r->skip--;
		return GO_ON;
	}
	if (frame->shape == IN_OBJECT && check_required(r, frame) < 0)
		return 0;
	if (frame->shape == IN_MAP && check_twice(r, frame) < 0)
		return 0;
	r->depth--;
	if (frame->shape == IN_LIST && frame->index == 0 && (frame->field->flags & JSON_NONEMPTY))
		return go_on_if(json_fail(r, "expected a list that is not empty"));
	if (outer && outer->shape == IN_LIST)
		outer->index++;
	return GO_ON;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_begin_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_begin_list,
    .yajl_end_array = on_end,
};

/* yajl's own words without "parse error: " in front and the line end behind. */
static char *syntax_error_text(struct arena *arena, yajl_handle handle)
{
	unsigned char *yajl_text = yajl_get_error(handle, 0, NULL, 0);
	const char *colon = strstr((char *)yajl_text, ": ");
	char *text = arena_strdup(arena, colon ? colon + 2 : (char *)yajl_text);

	yajl_free_error(handle, yajl_text);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static int parse(struct json_reader *r, yajl_handle handle, const char *text, size_t length)
{
	yajl_status status = yajl_parse(handle, (const unsigned char *)text, length);
	size_t consumed = yajl_get_bytes_consumed(handle);

	if (status == yajl_status_ok) {
		status = yajl_complete_parse(handle);
		consumed = length;
		if (status == yajl_status_error)
			return error_set(r->err, "%s: not valid JSON: the text ends too early",
					 r->label);
	}
	if (r->failed)
		return -1;
	if (status == yajl_status_ok && r->depth == 0)
		return 0;
	if (consumed > length)
		consumed = length;
	return error_set(r->err, "%s: %s: not valid JSON: %s", r->label,
			 json_place(r->arena, text, consumed), syntax_error_text(r->arena, handle));
}

/* yajl's own memory is the arena's, too: it is wiped with that (sandbox/forget.c), and musl would
 * map and unmap pages for each parse. How long a piece is stands before it, for realloc. */
union yajl_piece {
	size_t size;
	max_align_t alignment;
};

static void *yajl_malloc_(void *arena, size_t size)
{
	union yajl_piece *piece = NULL;

	/* yajl goes on with what its allocator returns without looking. */
	if (size > SIZE_MAX - sizeof(*piece))
		abort();
	piece = arena_alloc(arena, sizeof(*piece) + size);
	piece->size = size;
	return piece + 1;
}

static void yajl_free_(void *arena, void *memory)
{
	(void)arena;
	(void)memory;
}

static void *yajl_realloc_(void *arena, void *old, size_t size)
{
	const size_t before = old ? ((union yajl_piece *)old - 1)->size : 0;
	void *memory = yajl_malloc_(arena, size);

	return before ? memcpy(memory, old, before < size ? before : size) : memory;
}

static bool is_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n')
			return false;
	}
	return true;
}

int json_read_scanned(struct arena *arena, const char *label, const char *text, size_t length,
		      const struct json_table *table, void *out, struct error *err)
{
	yajl_alloc_funcs memory = {yajl_malloc_, yajl_realloc_, yajl_free_, arena};
	struct json_reader r = {
	    .arena = arena, .label = label, .err = err, .table = table, .out = out};
	yajl_handle handle;
	int result;

	handle = yajl_alloc(&callbacks, &memory, &r);
	/* It has been done already, and more strictly. */
	yajl_config(handle, yajl_dont_validate_strings, 1);
	result = parse(&r, handle, text, length);
	yajl_free(handle);
	return result;
}

int json_read(struct arena *arena, const char *label, const char *text, size_t length,
	      const struct json_table *table, void *out, struct error *err)
{
	if (is_blank(text, length))
		return error_set(err, "%s: expected a JSON object, but the file is empty", label);
	if (json_scan(label, text, length, err) < 0)
		return -1;
	return json_read_scanned(arena, label, text, length, table, out, err);
}

int json_read_file(struct arena *arena, int dirfd, const char *path, const char *label,
		   const struct json_table *table, void *out, struct error *err)
{
	/* O_NONBLOCK: a FIFO must not make us wait for a writer. */
	cleanup_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t length;
	char *text;

	if (fd < 0)
		return error_errno(err, errno, "%s: can not be read", label);
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "%s: can not be read", label);
	if (S_ISDIR(st.st_mode))
		return error_errno(err, EISDIR, "%s: expected a file", label);
	if (!S_ISREG(st.st_mode))
		return error_set(err, "%s: expected a regular file, found another type", label);
	if (st.st_size > (off_t)JSON_MAX_BYTES)
		return json_too_large(label, err);
	if (fd_read_all(arena, fd, JSON_MAX_BYTES, &text, &length) < 0)
		return errno == E2BIG ? json_too_large(label, err)
				      : error_errno(err, errno, "%s: can not be read", label);
	return json_read(arena, label, text, length, table, out, err);
}
