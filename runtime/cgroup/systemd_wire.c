/* Frames between the runtime and its helper: a mark, the length, and that many bytes. */
#include "systemd_wire.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#define MARK	0x017364ffU
#define NO_TEXT UINT32_MAX

struct head {
	uint32_t mark;
	uint32_t length;
};

static void put(struct wire *w, const void *bytes, size_t n)
{
	if (n > w->room - w->n) {
		const size_t room = 2 * w->room + n + 256;
		unsigned char *bigger = arena_alloc(w->arena, room);

		if (w->n)
			memcpy(bigger, w->bytes, w->n);
		w->bytes = bigger;
		w->room = room;
	}
	if (n)
		memcpy(w->bytes + w->n, bytes, n);
	w->n += n;
}

void wire_put_number(struct wire *w, uint64_t number)
{
	put(w, &number, sizeof(number));
}

void wire_put_bytes(struct wire *w, const void *bytes, size_t n)
{
	const uint32_t length = (uint32_t)n;

	w->bad = w->bad || n >= NO_TEXT;
	put(w, &length, sizeof(length));
	put(w, bytes, n);
}

void wire_put_text(struct wire *w, const char *text)
{
	const uint32_t none = NO_TEXT;

	if (text)
		wire_put_bytes(w, text, strlen(text));
	else
		put(w, &none, sizeof(none));
}

void wire_put_properties(struct wire *w, const struct sd_properties *list)
{
	wire_put_number(w, list->n);
	for (size_t i = 0; i < list->n; i++) {
		const struct sd_property *p = &list->items[i];

		wire_put_text(w, p->name);
		wire_put_text(w, p->type);
		wire_put_number(w, p->since);
		wire_put_number(w, p->flag);
		wire_put_number(w, (uint64_t)p->number);
		wire_put_number(w, p->natural);
		wire_put_text(w, p->text);
		wire_put_bytes(w, p->bytes, p->n_bytes);
		wire_put_number(w, p->list.n);
		for (size_t j = 0; j < p->list.n; j++)
			wire_put_text(w, p->list.items[j]);
	}
}

void wire_put_error(struct wire *w, const struct error *err)
{
	wire_put_text(w, err->text);
	wire_put_number(w, (uint32_t)err->number);
}

void wire_put_rest(struct wire *w, const struct wire *rest)
{
	w->bad = w->bad || rest->bad;
	put(w, rest->bytes, rest->n);
}

/* The next n bytes, or NULL. */
static const unsigned char *take(struct wire *w, size_t n)
{
	if (w->bad || n > w->n - w->at) {
		w->bad = true;
		return NULL;
	}
	w->at += n;
	return w->bytes + w->at - n;
}

uint64_t wire_take_number(struct wire *w, uint64_t max)
{
	const unsigned char *from = take(w, sizeof(uint64_t));
	uint64_t number = 0;

	if (from)
		memcpy(&number, from, sizeof(number));
	if (number <= max)
		return number;
	w->bad = true;
	return 0;
}

/* A copy with a NUL behind it. */
static unsigned char *take_counted(struct wire *w, bool text, size_t *n)
{
	const unsigned char *from = take(w, sizeof(uint32_t));
	uint32_t length = NO_TEXT;

	*n = 0;
	if (from)
		memcpy(&length, from, sizeof(length));
	if (length == NO_TEXT) {
		w->bad = w->bad || !text;
		return NULL;
	}
	from = take(w, length);
	if (!from)
		return NULL;
	*n = length;
	return (unsigned char *)arena_strndup(w->arena, (const char *)from, length);
}

unsigned char *wire_take_bytes(struct wire *w, size_t *n)
{
	return take_counted(w, false, n);
}

const char *wire_take_text(struct wire *w)
{
	size_t n;
	const char *text = (const char *)take_counted(w, true, &n);

	if (!text || strlen(text) == n)
		return text;
	w->bad = true;
	return NULL;
}

static const char *take_type(struct wire *w)
{
	static const char *const types[] = {"b", "s", "i", "u",	 "x",  "t",
					    "y", "n", "q", "ay", "as", "au"};
	const char *type = wire_take_text(w);

	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i]) == 0)
			return types[i];
	w->bad = true;
	return types[0];
}

static void take_property(struct wire *w, struct sd_property *p)
{
	size_t n;

	p->name = wire_take_text(w);
	p->type = take_type(w);
	p->since = (unsigned int)wire_take_number(w, UINT_MAX);
	p->flag = wire_take_number(w, 1);
	p->number = (int64_t)wire_take_number(w, UINT64_MAX);
	p->natural = wire_take_number(w, UINT64_MAX);
	p->text = wire_take_text(w);
	p->bytes = wire_take_bytes(w, &p->n_bytes);
	n = (size_t)wire_take_number(w, w->n);
	for (size_t i = 0; i < n && !w->bad; i++) {
		char *text = (char *)wire_take_text(w);

		if (text)
			str_list_add(w->arena, &p->list, text);
		else
			w->bad = true;
	}
	if (!p->name || (p->type[0] == 's' && !p->text))
		w->bad = true;
}

void wire_take_properties(struct wire *w, struct sd_properties *list)
{
	const size_t n = (size_t)wire_take_number(w, w->n);

	*list = (struct sd_properties){.arena = w->arena};
	for (size_t i = 0; i < n && !w->bad; i++) {
		list->items = arena_grow(w->arena, list->items, list->n, sizeof(*list->items));
		take_property(w, &list->items[list->n++]);
	}
	if (w->bad)
		list->n = 0;
}

void wire_take_error(struct wire *w, struct error *err)
{
	const char *text = wire_take_text(w);
	const int number = (int)wire_take_number(w, INT_MAX);

	if (!text || !*text) {
		w->bad = true;
		return;
	}
	error_set(err, "%s", text);
	err->number = number;
}

bool wire_whole(const struct wire *w)
{
	return !w->bad && w->at == w->n;
}

static int send_all(int socket, const void *bytes, size_t n)
{
	const unsigned char *next = bytes;

	while (n > 0) {
		const ssize_t sent = send(socket, next, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -1;
		next += sent;
		n -= (size_t)sent;
	}
	return 0;
}

int wire_send(int socket, const struct wire *w, size_t max)
{
	const struct head head = {.mark = MARK, .length = (uint32_t)w->n};

	if (w->bad || w->n > max) {
		errno = EMSGSIZE;
		return -1;
	}
	return send_all(socket, &head, sizeof(head)) < 0 ? -1 : send_all(socket, w->bytes, w->n);
}

/* Up to n bytes: fewer at the end of the stream only. Returns how many, or -1 with errno set. */
static ssize_t receive_all(int socket, void *to, size_t n)
{
	unsigned char *next = to;
	size_t got = 0;

	while (got < n) {
		const ssize_t more = recv(socket, next + got, n - got, 0);

		if (more < 0 && errno == EINTR)
			continue;
		if (more < 0)
			return -1;
		if (more == 0)
			break;
		got += (size_t)more;
	}
	return (ssize_t)got;
}

int wire_receive(int socket, struct wire *w, size_t max)
{
	struct head head = {0};
	ssize_t got = receive_all(socket, &head, sizeof(head));

	*w = (struct wire){.arena = w->arena};
	if (got < 0)
		return -1;
	if (got == sizeof(head) && (head.mark != MARK || head.length > max)) {
		errno = EBADMSG;
		return -1;
	}
	if (got != sizeof(head))
		return 0;
	w->bytes = arena_alloc(w->arena, (size_t)head.length + 1);
	got = receive_all(socket, w->bytes, head.length);
	if (got < 0)
		return -1;
	if ((size_t)got < head.length)
		return 0;
	w->n = head.length;
	return 1;
}
