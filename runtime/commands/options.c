#include "commands.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	struct arena *arena;
	const struct option_spec *specs;
	int argc;
	char **argv;
	int next; /* index of the next word to read */
	bool *help;
	bool failed; /* err has the first failure; later ones are passed over */
	struct error *err;
};

__attribute__((format(printf, 2, 3))) static void fail(struct parser *p, const char *format, ...)
{
	va_list args;

	if (p->failed)
		return;
	va_start(args, format);
	error_set(p->err, "%s", arena_vprintf(p->arena, format, args));
	va_end(args);
	p->failed = true;
}

static const struct option_spec *find(const struct option_spec *specs, const char *name,
				      size_t length)
{
	for (; specs->name; specs++) {
		if (strlen(specs->name) == length && memcmp(specs->name, name, length) == 0)
			return specs;
		if (length == 1 && specs->short_name == name[0])
			return specs;
	}
	return NULL;
}

/* The words that Go's strconv.ParseBool takes: engines write --debug=true. */
static void set_flag(struct parser *p, const struct option_spec *spec, const char *value)
{
	static const char *const yes[] = {"true", "True", "TRUE", "t", "T", "1"};
	static const char *const no[] = {"false", "False", "FALSE", "f", "F", "0"};
	bool *target = spec->target;

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (!value || strcmp(value, yes[i]) == 0) {
			*target = true;
			return;
		}
		if (strcmp(value, no[i]) == 0) {
			*target = false;
			return;
		}
	}
	fail(p, "option --%s: expected true or false, got \"%s\"", spec->name, value);
}

static void set_number(struct parser *p, const struct option_spec *spec, const char *value)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(value, &end, 10);
	/* strtoul(3) takes blanks and signs; a count has digits only. */
	if (value[0] < '0' || value[0] > '9' || *end || errno || number > UINT_MAX) {
		fail(p, "option --%s: expected a whole number, got \"%s\"", spec->name, value);
		return;
	}
	*(unsigned int *)spec->target = (unsigned int)number;
}

static void set_value(struct parser *p, const struct option_spec *spec, char *value)
{
	switch (spec->kind) {
	case OPTION_FLAG:
		set_flag(p, spec, value);
		break;
	case OPTION_TEXT:
		*(const char **)spec->target = value;
		break;
	case OPTION_NUMBER:
		set_number(p, spec, value);
		break;
	case OPTION_LIST:
		str_list_add(p->arena, spec->target, value);
		break;
	}
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

/* Reads the option at p->next, with its value when that is a word of its own. */
static void read_option(struct parser *p)
{
	char *word = p->argv[p->next++];
	const char *name = word + (word[1] == '-' ? 2 : 1);
	char *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_spec *spec = find(p->specs, name, length);
	char *value = equals ? equals + 1 : NULL;

	if (!spec) {
		if (strcmp(name, "h") == 0 || strcmp(name, "help") == 0 || strcmp(name, "?") == 0)
			*p->help = true;
		else
			fail(p, "unknown option \"%.*s\"", (int)(name - word) + (int)length, word);
		return;
	}
	if (spec->kind != OPTION_FLAG && !value) {
		if (p->next >= p->argc) {
			fail(p, "option --%s needs a value (%s)", spec->name, spec->value_name);
			return;
		}
		value = p->argv[p->next++];
	}
	set_value(p, spec, value);
}

int options_parse(struct arena *arena, const struct option_spec *specs, int argc, char **argv,
		  bool *help, struct error *err)
{
	struct parser p = {.arena = arena,
			   .specs = specs,
			   .argc = argc,
			   .argv = argv,
			   .next = 1,
			   .help = help,
			   .err = err};

	while (p.next < argc && is_option(argv[p.next])) {
		if (strcmp(argv[p.next], "--") == 0) {
			p.next++;
			break;
		}
		read_option(&p);
	}
	return p.failed ? -1 : p.next < argc ? p.next : argc;
}

int options_parse_mixed(struct arena *arena, const struct option_spec *specs, int argc, char **argv,
			struct str_list *arguments, bool *help, struct error *err)
{
	struct parser p = {.arena = arena,
			   .specs = specs,
			   .argc = argc,
			   .argv = argv,
			   .next = 1,
			   .help = help,
			   .err = err};
	bool options_ended = false;

	while (p.next < argc) {
		if (options_ended || !is_option(argv[p.next])) {
			str_list_add(arena, arguments, argv[p.next++]);
		} else if (strcmp(argv[p.next], "--") == 0) {
			options_ended = true;
			p.next++;
		} else {
			read_option(&p);
		}
	}
	return p.failed ? -1 : 0;
}

/* "-b, --bundle DIR" */
static void option_label(const struct option_spec *spec, char *out, size_t size)
{
	char short_form[8] = "    ";

	if (spec->short_name)
		snprintf(short_form, sizeof(short_form), "-%c, ", spec->short_name);
	snprintf(out, size, "%s--%s%s%s", short_form, spec->name, spec->value_name ? " " : "",
		 spec->value_name ? spec->value_name : "");
}

void options_usage(FILE *out, const char *usage, const char *summary,
		   const struct option_spec *specs)
{
	static const struct option_spec help = {
	    .name = "help", .short_name = 'h', .help = "print this"};
	char label[128];
	int width = 0;

	for (const struct option_spec *spec = specs; spec->name; spec++) {
		option_label(spec, label, sizeof(label));
		if (spec->help && (int)strlen(label) > width)
			width = (int)strlen(label);
	}
	option_label(&help, label, sizeof(label));
	if ((int)strlen(label) > width)
		width = (int)strlen(label);

	fprintf(out, "Usage: %s\n\n%s\n\nOptions:\n", usage, summary);
	for (const struct option_spec *spec = specs; spec->name; spec++) {
		if (!spec->help)
			continue;
		option_label(spec, label, sizeof(label));
		fprintf(out, "  %-*s  %s\n", width, label, spec->help);
	}
	option_label(&help, label, sizeof(label));
	fprintf(out, "  %-*s  %s\n", width, label, help.help);
}
