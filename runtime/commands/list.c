#include "commands.h"

#include <errno.h>
#include <string.h>

enum { COLUMNS = 6 };

struct row {
	const char *cells[COLUMNS];
};

static void print_table(const struct row *rows, size_t n)
{
	int width[COLUMNS] = {0};

	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < COLUMNS; c++) {
			int length = (int)strlen(rows[i].cells[c]);

			if (length > width[c])
				width[c] = length;
		}
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c + 1 < COLUMNS; c++)
			printf("%-*s  ", width[c], rows[i].cells[c]);
		printf("%s\n", rows[i].cells[COLUMNS - 1]);
	}
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static struct row make_row(struct arena *arena, const struct container_state *state,
			   enum container_status status)
{
	int64_t pid = status == STATUS_STOPPED ? 0 : state->pid;
	struct row row = {{state->id, arena_printf(arena, "%lld", (long long)pid),
			   container_status_name(status), or_dash(state->bundle),
			   or_dash(state->created), or_dash(state->owner)}};

	return row;
}

/* One that is deleted between the listing and the look is passed over. */
static int list_all(struct arena *arena, const char *root, const struct str_list *ids, bool json,
		    struct error *err)
{
	struct row *rows = arena_grow(arena, NULL, 0, sizeof(*rows));
	size_t n = 1;
	struct str_list texts = {.n = 0}; /* nothing is printed of a list that fails */

	rows[0] = (struct row){{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
	for (size_t i = 0; i < ids->n; i++) {
		struct container container;
		struct error one = ERROR_INIT;
		enum container_status status;

		if (container_open(arena, root, ids->items[i], false, &container, &one) < 0) {
			if (one.number == ENOENT)
				continue;
			*err = one;
			return -1;
		}
		const int seen = container_look(&container.state, &status, err);
		container_close(&container);
		if (seen < 0)
			return -1;
		if (json) {
			str_list_add(
			    arena, &texts,
			    arena_strdup(arena, container_state_json(arena, &container.state,
								     status, false)));
			continue;
		}
		rows = arena_grow(arena, rows, n, sizeof(*rows));
		rows[n++] = make_row(arena, &container.state, status);
	}
	if (!json)
		print_table(rows, n);
	for (size_t i = 0; json && i < texts.n; i++)
		printf("%s%s", i ? "," : "[", texts.items[i]);
	if (json)
		puts(texts.n ? "]" : "[]");
	return 0;
}

int list_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
	      struct error *err)
{
	const char *format = "table";
	bool quiet = false;
	struct str_list arguments = {.n = 0};
	struct str_list ids = {.n = 0};
	const struct option_spec specs[] = {
	    {"format", 'f', OPTION_TEXT, &format, "table|json", "how to print them"},
	    {"quiet", 'q', OPTION_FLAG, &quiet, NULL, "print the ids only"},
	    {.name = NULL}};
	int result = command_arguments(arena, specs, argc, argv, 0, 0, &arguments, err);

	if (result)
		return result < 0;
	if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0) {
		error_set(err, "list: option --format: expected table or json, got \"%s\"", format);
		return 1;
	}
	if (container_list(arena, options->root, &ids, err) < 0)
		return 1;
	if (!quiet)
		return list_all(arena, options->root, &ids, strcmp(format, "json") == 0, err) < 0;
	for (size_t i = 0; i < ids.n; i++)
		printf("%s\n", ids.items[i]);
	return 0;
}
