/* /etc/passwd and /etc/group of the rootfs, as text: passwd(5), group(5). */
#include <stdlib.h>
#include <string.h>

#include "plan_internal.h"

/* Points fields[] at up to max fields of the line and ends each with its length. */
static size_t split(const char *line, size_t length, const char **fields, size_t *lengths,
		    size_t max)
{
	size_t n = 0;

	while (n < max) {
		const char *colon = memchr(line, ':', length);
		fields[n] = line;
		lengths[n] = colon ? (size_t)(colon - line) : length;
		n++;
		if (!colon)
			break;
		length -= (size_t)(colon + 1 - line);
		line = colon + 1;
	}
	return n;
}

static bool number_is(const char *text, size_t length, uint32_t wanted)
{
	unsigned long long value = 0;

	if (length == 0 || length > 10)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned long long)(text[i] - '0');
	}
	return value == wanted;
}

static const char *next_line(const char *line, size_t *length)
{
	*length = strcspn(line, "\n");
	return line + *length + (line[*length] == '\n');
}

struct passwd_entry passwd_find_uid(struct arena *arena, const char *text, uint32_t uid)
{
	struct passwd_entry entry = {.uid = uid};
	size_t length;

	for (const char *line = text; line && *line;) {
		const char *fields[7], *next = next_line(line, &length);
		size_t lengths[7];

		if (split(line, length, fields, lengths, 7) >= 6 &&
		    number_is(fields[2], lengths[2], uid)) {
			entry.found = true;
			entry.name = arena_strndup(arena, fields[0], lengths[0]);
			entry.gid = (uint32_t)strtoul(fields[3], NULL, 10);
			entry.home = arena_strndup(arena, fields[5], lengths[5]);
			return entry;
		}
		line = next;
	}
	return entry;
}

bool group_has_gid(const char *text, uint32_t gid)
{
	size_t length;

	for (const char *line = text; line && *line;) {
		const char *fields[4], *next = next_line(line, &length);
		size_t lengths[4];

		if (split(line, length, fields, lengths, 4) >= 3 &&
		    number_is(fields[2], lengths[2], gid))
			return true;
		line = next;
	}
	return false;
}

bool passwd_has_name(const char *text, const char *name)
{
	size_t wanted = strlen(name), length;

	for (const char *line = text; line && *line;) {
		const char *next = next_line(line, &length);
		if (length > wanted && memcmp(line, name, wanted) == 0 && line[wanted] == ':')
			return true;
		line = next;
	}
	return false;
}

bool home_is_sane(const char *home)
{
	if (!home || home[0] != '/')
		return false;
	for (const char *c = home; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f || *c == ':')
			return false;
	}
	return true;
}
