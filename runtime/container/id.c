/* What a container may be called. */
#include <string.h>

#include "container.h"

/* The id itself is not repeated with bytes in it that a log or a terminal would act on. */
static int bad_character(const char *id, struct error *err)
{
	static const char rule[] = "only letters, digits and the characters _ + . - are allowed";

	for (const char *c = id; *c; c++) {
		unsigned char byte = (unsigned char)*c;

		if (byte < 0x20 || byte >= 0x7f)
			return error_set(err, "invalid container id: it has the byte 0x%02x; %s",
					 byte, rule);
	}
	return error_set(err, "invalid container id \"%s\": %s", id, rule);
}

int container_check_id(const char *id, struct error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-";
	size_t length = id ? strlen(id) : 0;

	if (length == 0)
		return error_set(err, "the container id is empty");
	if (length > 255)
		return error_set(err,
				 "the container id is %zu characters long: at most 255 are "
				 "allowed",
				 length);
	if (strspn(id, allowed) != length)
		return bad_character(id, err);
	if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return error_set(err, "invalid container id \"%s\": it names a directory", id);
	if (id[0] == '-')
		return error_set(err, "invalid container id \"%s\": it must not begin with \"-\"",
				 id);
	return 0;
}
