/* What the fuzz targets share: each returns when all is well and aborts when a promise broke. */
#ifndef RUNSAFE_TESTS_FUZZ_H
#define RUNSAFE_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "config.h"
#include "error.h"
#include "plan.h"
#include "policy.h"

/* libFuzzer's entry. Returns 0: inputs that are refused are worth keeping, too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline _Noreturn void broken(const char *promise, const char *text)
{
	fprintf(stderr, "broken promise: %s: %s\n", promise, text);
	abort();
}

/* An error says something, and it ends. */
static inline void check_error(const struct error *err)
{
	if (!err->text[0])
		broken("a failure has a message", "(none)");
	if (memchr(err->text, '\0', sizeof(err->text)) == NULL)
		broken("a message ends", "(it does not)");
	if (err->exit_status < 0 || err->exit_status > 255)
		broken("an exit status is one", err->text);
}

/* The reader gets text with a NUL behind it, as fd_read_all() makes it. */
static inline char *as_text(struct arena *arena, const uint8_t *data, size_t size)
{
	return arena_strndup(arena, (const char *)data, size);
}

/* Cuts the next part, up to a byte 0xff, off the input; "" when there is nothing left. */
static inline char *next_part(struct arena *arena, const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size ? memchr(*data, 0xff, *size) : NULL;
	size_t length = end ? (size_t)(end - *data) : *size;
	char *part = as_text(arena, *data, length);

	*data += length + (end != NULL);
	*size -= length + (end != NULL);
	return part;
}

/* place.c: a folder of this process alone, in $TMPDIR or in memory: a bundle, and a rootfs in it
 * that looks like one. Opened once. */
int place_bundle(void);
const char *place_path(void);
/* Makes the file below it hold data. */
void place_write(const char *name, const void *data, size_t size);

/* The number that the next descriptor will have: the same before and after, or one was left open.
 */
int place_next_descriptor(void);

/* promises.c: what `default` and `strict` promise of every container, whatever config.json says.
 * Each aborts when it is not so. */
void must_be_unprivileged(const struct config_process *process, const struct hardening *hardening);
void must_be_limited(const struct config_resources *resources);
void must_be_hardened(const struct config *cfg, const struct hardening *hardening);
void must_be_planned(const struct config *cfg, const struct plan *plan);

/* Hardens a copy of parsed by the built-in policy and plans it, as create does; check: as `check`
 * does, where refusals are findings. All that must hold is looked at on the way. */
void harden_and_plan(struct arena *arena, const struct config *parsed, const char *policy,
		     bool check);

/* Aborts unless what config_write() writes of cfg is read again as the same. */
void must_come_back(struct arena *arena, const struct config *cfg);
const char *written(struct arena *arena, const struct config *cfg);

/* A built-in policy as the input of the policy room. */
struct policy_input builtin_policy(struct arena *arena, const char *name);

#endif
