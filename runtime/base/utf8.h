/* Private to base: well-formed UTF-8 as RFC 3629 section 4 has it. */
#ifndef RUNSAFE_UTF8_H
#define RUNSAFE_UTF8_H

#include <stddef.h>

/* The number of bytes (1 to 4) of the well-formed sequence that text starts with, or 0. */
static inline size_t utf8_length(const char *text, size_t left)
{
	const unsigned char *b = (const unsigned char *)text;
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t length;

	if (left == 0)
		return 0;
	if (b[0] < 0x80)
		return 1;
	if (b[0] < 0xc2 || b[0] > 0xf4)
		return 0;
	length = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
	if (left < length)
		return 0;
	/* Overlong forms, surrogates, and what is above U+10FFFF are told by the second byte. */
	if (b[0] == 0xe0)
		low = 0xa0;
	else if (b[0] == 0xed)
		high = 0x9f;
	else if (b[0] == 0xf0)
		low = 0x90;
	else if (b[0] == 0xf4)
		high = 0x8f;
	if (b[1] < low || b[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

#endif
