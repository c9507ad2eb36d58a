/* Names of units and slices: systemd.unit(5), systemd.slice(5). */
#include <string.h>

#include "systemd_internal.h"

#define SLICE	      ".slice"
#define UNIT_NAME_MAX 255 /* bytes, the type and its dot among them */

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), of_end = strlen(end);

	return length > of_end && strcmp(text + length - of_end, end) == 0;
}

static bool in_unit_name(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr(":_.\\@-", c));
}

/* What an id may have and a unit's name not: "+". */
static char *escape(struct arena *arena, const char *text, struct error *err)
{
	char *out = arena_strdup(arena, "");

	if (strlen(text) > UNIT_NAME_MAX) {
		error_set(err,
			  "linux.cgroupsPath: the unit's name has %zu bytes, at most %d are "
			  "possible",
			  strlen(text), UNIT_NAME_MAX);
		return NULL;
	}
	for (; *text; text++) {
		if (*text == '/' || (unsigned char)*text < ' ' || *text == 0x7f) {
			error_set(err, "linux.cgroupsPath: a unit's name has no \"/\" and no "
				       "control characters");
			return NULL;
		}
		out = in_unit_name(*text)
			  ? arena_printf(arena, "%s%c", out, *text)
			  : arena_printf(arena, "%s\\x%02x", out, (unsigned char)*text);
	}
	return out;
}

char *sd_slice_path(struct arena *arena, const char *slice, struct error *err)
{
	char *path = arena_strdup(arena, "");
	size_t length = strlen(slice);
	const char *dash;
	bool valid = ends_with(slice, SLICE) && length <= UNIT_NAME_MAX;

	if (strcmp(slice, "-" SLICE) == 0)
		return path;
	length -= valid ? strlen(SLICE) : 0;
	/* No part between two dashes is empty. */
	valid = valid && slice[0] != '-' && slice[length - 1] != '-' && !strstr(slice, "--");
	for (size_t i = 0; valid && i < length; i++)
		valid = in_unit_name(slice[i]) && slice[i] != '@' && slice[i] != ':';
	if (!valid) {
		error_set(err,
			  "linux.cgroupsPath: \"%s\" is no slice of systemd: expected a name like "
			  "\"machine.slice\" or, below it, \"machine-web.slice\"",
			  slice);
		return NULL;
	}
	for (dash = strchr(slice, '-'); dash; dash = strchr(dash + 1, '-'))
		path = arena_printf(arena, "%s/%.*s" SLICE, path, (int)(dash - slice), slice);
	return arena_printf(arena, "%s/%s", path, slice);
}

static int split(struct arena *arena, const char *path, char *parts[3], struct error *err)
{
	const char *first = strchr(path, ':');
	const char *second = first ? strchr(first + 1, ':') : NULL;

	if (!second || strchr(second + 1, ':'))
		return error_set(err,
				 "linux.cgroupsPath: \"%s\": the systemd cgroup driver takes "
				 "slice:prefix:name, like \"system.slice:runsafe:name\"; paths are "
				 "for the cgroupfs driver",
				 path);
	parts[0] = arena_strndup(arena, path, (size_t)(first - path));
	parts[1] = arena_strndup(arena, first + 1, (size_t)(second - first - 1));
	parts[2] = arena_strdup(arena, second + 1);
	if (!*parts[2])
		return error_set(err,
				 "linux.cgroupsPath: \"%s\": the name behind the last colon "
				 "is empty",
				 path);
	return 0;
}

int sd_unit_choose(struct arena *arena, const char *cgroups_path, const char *id, bool user_manager,
		   struct sd_unit *out, struct error *err)
{
	char *parts[3] = {"", "runsafe", arena_strdup(arena, id)};
	const char *above;

	*out = (struct sd_unit){.name = NULL};
	if (cgroups_path && *cgroups_path && split(arena, cgroups_path, parts, err) < 0)
		return -1;
	out->is_slice = ends_with(parts[2], SLICE);
	out->slice = *parts[0] ? parts[0]
			       : arena_strdup(arena, user_manager ? "user" SLICE : "system" SLICE);
	if (out->is_slice) {
		/* Where it lies is in its name; a slice beside it is only wanted. */
		out->name = parts[2];
		out->slice = *parts[0] ? parts[0] : NULL;
		if (out->slice && !sd_slice_path(arena, out->slice, err))
			return -1;
		out->path = sd_slice_path(arena, out->name, err);
		return out->path ? 0 : -1;
	}
	above = sd_slice_path(arena, out->slice, err);
	if (!above)
		return -1;
	out->name = escape(
	    arena, arena_printf(arena, "%s%s%s.scope", parts[1], *parts[1] ? "-" : "", parts[2]),
	    err);
	if (!out->name)
		return -1;
	if (strlen(out->name) > UNIT_NAME_MAX)
		return error_set(err,
				 "linux.cgroupsPath: the unit's name %s has %zu bytes, at most %d "
				 "are possible",
				 out->name, strlen(out->name), UNIT_NAME_MAX);
	out->path = arena_printf(arena, "%s/%s", above, out->name);
	return 0;
}
