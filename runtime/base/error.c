#include "error.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Arguments may point into err->text, so the new text is made beside it. */
static void set_text(struct error *err, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void set_text(struct error *err, const char *format, va_list args)
{
	char text[sizeof(err->text)];

	vsnprintf(text, sizeof(text), format, args);
	memcpy(err->text, text, strlen(text) + 1);
}

static void append(struct error *err, const char *text)
{
	size_t length = strlen(err->text);

	snprintf(err->text + length, sizeof(err->text) - length, "%s", text);
}

int error_set(struct error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_text(err, format, args);
	va_end(args);
	err->number = 0;
	return -1;
}

int error_errno(struct error *err, int errnum, const char *format, ...)
{
	char cause[128];
	const char *text = strerrordesc_np(errnum);
	va_list args;

	if (text)
		snprintf(cause, sizeof(cause), ": %c%s", tolower((unsigned char)text[0]), text + 1);
	else
		snprintf(cause, sizeof(cause), ": error number %d", errnum);

	va_start(args, format);
	set_text(err, format, args);
	va_end(args);
	/* The cause is what engines match: a long sentence is cut in front of it. */
	if (strlen(err->text) + strlen(cause) >= sizeof(err->text))
		err->text[sizeof(err->text) - strlen(cause) - 1] = '\0';
	append(err, cause);
	err->number = errnum;
	return -1;
}

int error_wrap(struct error *err, const char *format, ...)
{
	char old[sizeof(err->text)];
	va_list args;

	memcpy(old, err->text, sizeof(old));
	va_start(args, format);
	set_text(err, format, args);
	va_end(args);
	append(err, ": ");
	/* Engines match the cause at its end: what is too much goes from the middle. */
	size_t used = strlen(err->text), length = strlen(old), room = sizeof(err->text) - 1;
	size_t keep = length < room / 2 ? length : room / 2;
	if (used + keep > room)
		err->text[used = room - keep] = '\0';
	append(err, old + (used + length > room ? used + length - room : 0));
	return -1;
}
