/*
 * What the runtime and its helper for systemd (runtime/systemd) send each other over a stream
 * socket: frames of numbers, texts and bytes. Who reads takes no length on trust, and reads from
 * what is not as it should be only zeros and NULL, until it asks by wire_whole().
 */
#ifndef RUNSAFE_CGROUP_SYSTEMD_WIRE_H
#define RUNSAFE_CGROUP_SYSTEMD_WIRE_H

#include <sys/types.h>

#include "systemd_manager.h"

/* A request holds properties, and these come from a config.json; an answer holds some texts. */
#define WIRE_MAX_REQUEST ((size_t)64 * 1024 * 1024)
#define WIRE_MAX_ANSWER	 ((size_t)1024 * 1024)

/* What a request is for, its first number. The others that it has, and those of its answer: */
enum wire_request {
	WIRE_OPEN = 1,	 /* user */
	WIRE_START,	 /* unit, properties: asked, exists */
	WIRE_STOP,	 /* unit, timeout in ms */
	WIRE_RESET,	 /* unit */
	WIRE_PROPERTIES, /* unit, properties */
	WIRE_ATTACH,	 /* unit, below, pid */
	WIRE_TEXT,	 /* unit, property: its text */
};

/* The first number of an answer; error and number follow when it failed. */
enum wire_result { WIRE_DONE = 1, WIRE_FAILED };

/* A frame that is written, or one that is read. All memory is the arena's. */
struct wire {
	struct arena *arena;
	unsigned char *bytes;
	size_t n;
	size_t room; /* written: of bytes */
	size_t at;   /* read: what comes next */
	bool bad;
};

void wire_put_number(struct wire *w, uint64_t number);
void wire_put_bytes(struct wire *w, const void *bytes, size_t n);
void wire_put_text(struct wire *w, const char *text); /* NULL is one, too */
void wire_put_properties(struct wire *w, const struct sd_properties *list);
void wire_put_rest(struct wire *w, const struct wire *rest); /* what another one has, behind it */
void wire_put_error(struct wire *w, const struct error *err);

/* The next one of the frame; max is the largest number that is expected. */
uint64_t wire_take_number(struct wire *w, uint64_t max);
unsigned char *wire_take_bytes(struct wire *w, size_t *n);
const char *wire_take_text(struct wire *w);
void wire_take_properties(struct wire *w, struct sd_properties *list);
void wire_take_error(struct wire *w, struct error *err);

/* Whether all of it was as expected, and nothing is left. */
bool wire_whole(const struct wire *w);

/* Sends the frame; EMSGSIZE where it is longer than max. Returns 0, or -1 with errno set. */
int wire_send(int socket, const struct wire *w, size_t max);

/* Reads a frame of at most max bytes into w, whose arena is set. Returns 1; 0 at the end of the
 * stream; -1 with errno set, EBADMSG for what is no such frame. */
int wire_receive(int socket, struct wire *w, size_t max);

#endif
