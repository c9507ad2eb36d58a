/* What the fuzz targets share: each returns when all is well and aborts when a promise broke. */
#ifndef RUNSAFE_TESTS_FUZZ_H
#define RUNSAFE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "error.h"

/* libFuzzer's entry. Returns 0: inputs that are refused are worth keeping, too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline _Noreturn void broken(const char *promise, const char *text)
{
	fprintf(stderr, "broken promise: %s: %s\n", promise, text);
	abort();
}

/* An error says something, and is one sentence of one line: the log's readers take it as such. */
static inline void check_error(const struct error *err)
{
	if (!err->text[0])
		broken("a failure has a message", "(none)");
	if (memchr(err->text, '\0', sizeof(err->text)) == NULL)
		broken("a message ends", "(it does not)");
}

/* The reader gets text with a NUL behind it, as fd_read_all() makes it. */
static inline char *as_text(struct arena *arena, const uint8_t *data, size_t size)
{
	return arena_strndup(arena, (const char *)data, size);
}

#endif
