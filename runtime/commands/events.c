#include "commands.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What Go's time.ParseDuration takes; in ms. */
static const struct {
	const char *name;
	double ms;
} units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\302\265s", 1e-3}, {"\316\274s", 1e-3},
	     {"ms", 1},	   {"s", 1e3},	 {"m", 60e3},	      {"h", 3600e3}};

/* Digits with at most one point among them, and a unit. Returns what follows, NULL if it is none.
 */
static const char *parse_part(const char *text, double *ms)
{
	size_t length = strspn(text, "0123456789.");
	size_t name_length = strcspn(text + length, "0123456789.");
	const char *point = memchr(text, '.', length);

	if (length == (point ? 1 : 0) ||
	    (point && memchr(point + 1, '.', (size_t)(text + length - point - 1))))
		return NULL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strlen(units[i].name) != name_length ||
		    strncmp(units[i].name, text + length, name_length) != 0)
			continue;
		*ms += strtod(text, NULL) * units[i].ms;
		return text + length + name_length;
	}
	return NULL;
}

/* Returns 0, or -1 for what is no duration. */
static int parse_duration(const char *text, double *ms)
{
	double sign = *text == '-' ? -1 : 1;

	if (*text == '-' || *text == '+')
		text++;
	*ms = 0;
	if (strcmp(text, "0") == 0)
		return 0;
	if (!*text)
		return -1;
	while (text && *text)
		text = parse_part(text, ms);
	*ms *= sign;
	return text ? 0 : -1;
}

static int parse_interval(const char *text, int *ms, struct error *err)
{
	double value;

	if (parse_duration(text, &value) < 0)
		return error_set(err,
				 "events: option --interval: expected a duration like 5s, 500ms or "
				 "1m30s, got \"%s\"",
				 text);
	if (value <= 0)
		return error_set(err,
				 "events: option --interval: duration interval must be greater "
				 "than 0, got \"%s\"",
				 text);
	*ms = value < 1 ? 1 : value > INT_MAX ? INT_MAX : (int)value;
	return 0;
}

/* At once: whoever reads it waits for it. */
static int print_line(void *context, const char *line, struct error *err)
{
	FILE *out = context;

	if (fprintf(out, "%s\n", line) < 0 || fflush(out) != 0)
		return error_errno(err, errno, "cannot write to standard output");
	return 0;
}

int events_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
		struct error *err)
{
	const char *interval = "5s";
	bool stats = false;
	int ms = 0;
	struct str_list arguments = {.n = 0};
	const struct option_spec specs[] = {
	    {"interval", 0, OPTION_TEXT, &interval, "DURATION",
	     "time between two lines of statistics: 500ms, 1m30s (default: 5s)"},
	    {"stats", 0, OPTION_FLAG, &stats, NULL, "print one line of statistics and end"},
	    {.name = NULL}};
	int result = command_arguments(arena, specs, argc, argv, 1, 1, &arguments, err);

	if (result)
		return result < 0;
	if (parse_interval(interval, &ms, err) < 0)
		return 1;
	return container_events(arena, options, arguments.items[0], ms, stats, print_line, stdout,
				err) < 0;
}
