/* What sandbox/stub.c and the stub itself agree on. */
#ifndef RUNSAFE_STUB_H
#define RUNSAFE_STUB_H

#include <stddef.h>

/* Its first arguments. */
enum stub_word { STUB_REPORT, STUB_HOW, STUB_TEXT, STUB_LINE, STUB_FILE, STUB_WORDS };

/* Its ELF file, made by mk/generate.mk; of size 0 where it has no code for the processor. */
extern const unsigned char stub_image[];
extern const size_t stub_image_size;

#endif
