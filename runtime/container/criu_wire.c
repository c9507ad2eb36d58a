/* Just enough of protobuf: varints and what has a length. */
#include <string.h>

#include "criu.h"

enum wire_type { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_LENGTH = 2, WIRE_32BIT = 5 };

static void put(struct wire *w, const void *data, size_t n)
{
	if (w->n + n > w->room) {
		size_t room = (w->n + n) * 2 + 256;
		unsigned char *bytes = arena_alloc(w->arena, room);

		if (w->n)
			memcpy(bytes, w->bytes, w->n);
		w->bytes = bytes;
		w->room = room;
	}
	if (n)
		memcpy(w->bytes + w->n, data, n);
	w->n += n;
}

static void put_varint(struct wire *w, uint64_t value)
{
	unsigned char bytes[10];
	size_t n = 0;

	for (; value > 0x7f; value >>= 7)
		bytes[n++] = (unsigned char)(value | 0x80);
	bytes[n++] = (unsigned char)value;
	put(w, bytes, n);
}

static void put_key(struct wire *w, unsigned int field, enum wire_type type)
{
	put_varint(w, (uint64_t)field << 3 | type);
}

void wire_number(struct wire *w, unsigned int field, int64_t value)
{
	put_key(w, field, WIRE_VARINT);
	put_varint(w, (uint64_t)value);
}

void wire_flag(struct wire *w, unsigned int field, bool value)
{
	if (value)
		wire_number(w, field, 1);
}

static void put_block(struct wire *w, unsigned int field, const void *data, size_t n)
{
	put_key(w, field, WIRE_LENGTH);
	put_varint(w, n);
	put(w, data, n);
}

void wire_text(struct wire *w, unsigned int field, const char *text)
{
	if (text)
		put_block(w, field, text, strlen(text));
}

void wire_message(struct wire *w, unsigned int field, const struct wire *inner)
{
	put_block(w, field, inner->bytes, inner->n);
}

/* Returns 0, or -1 when the varint does not end. */
static int take_varint(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
	*out = 0;
	for (unsigned int shift = 0; shift < 64 && *at < end; shift += 7) {
		unsigned char byte = *(*at)++;

		*out |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return 0;
	}
	return -1;
}

/* Passes over n bytes, noting where they are. */
static int take_bytes(const unsigned char **at, const unsigned char *end, uint64_t n,
		      struct wire_field *out)
{
	if (n > (uint64_t)(end - *at))
		return -1;
	out->bytes = *at;
	out->length = (size_t)n;
	*at += n;
	return 0;
}

int wire_next(const unsigned char **at, const unsigned char *end, struct wire_field *out)
{
	uint64_t key, length;
	int result = -1;

	*out = (struct wire_field){.number = 0};
	if (*at == end)
		return 0;
	if (take_varint(at, end, &key) < 0)
		return -1;
	out->number = (unsigned int)(key >> 3);
	switch (key & 7) {
	case WIRE_VARINT:
		result = take_varint(at, end, &out->value);
		break;
	case WIRE_LENGTH:
		result = take_varint(at, end, &length) < 0 ? -1 : take_bytes(at, end, length, out);
		break;
	case WIRE_64BIT:
		result = take_bytes(at, end, 8, out);
		break;
	case WIRE_32BIT:
		result = take_bytes(at, end, 4, out);
		break;
	default:
		break;
	}
	return result < 0 ? -1 : 1;
}
