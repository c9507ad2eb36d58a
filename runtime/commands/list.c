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

struct listing {
	struct arena *arena;
	bool json;
	struct row *rows;
	size_t n;
	struct str_list texts; /* nothing is printed of a list that fails */
};

static const char *cell(struct arena *arena, const char *text)
{
	return text && *text ? arena_strdup(arena, text) : "-";
}

static struct row make_row(struct arena *arena, const struct container_state *state,
			   enum container_status status)
{
	int64_t pid = status == STATUS_STOPPED ? 0 : state->pid;
	struct row row = {{cell(arena, state->id), arena_printf(arena, "%lld", (long long)pid),
			   container_status_name(status), cell(arena, state->bundle),
			   cell(arena, state->created), cell(arena, state->owner)}};

	return row;
}

static int add(void *context, const struct container_state *state, struct error *err)
{
	struct listing *listing = context;
	struct arena *arena = listing->arena;
	enum container_status status;

	if (container_look(state, &status, err) < 0)
		return -1;
	if (listing->json) {
		const char *text = container_state_json(arena, state, status, false);

		str_list_add(arena, &listing->texts, arena_strdup(arena, text));
		return 0;
	}
	listing->rows = arena_grow(arena, listing->rows, listing->n, sizeof(*listing->rows));
	listing->rows[listing->n++] = make_row(arena, state, status);
	return 0;
}

/* One that is deleted between the listing and the look is passed over. */
static int list_all(struct arena *arena, const char *root, bool json, struct error *err)
{
	struct listing listing = {.arena = arena, .json = json, .n = 1};

	listing.rows = arena_grow(arena, NULL, 0, sizeof(*listing.rows));
	listing.rows[0] = (struct row){{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
	if (container_each(arena, root, add, &listing, err) < 0)
		return -1;
	if (!json)
		print_table(listing.rows, listing.n);
	for (size_t i = 0; json && i < listing.texts.n; i++)
		printf("%s%s", i ? "," : "[", listing.texts.items[i]);
	if (json)
		puts(listing.texts.n ? "]" : "[]");
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
	if (!quiet)
		return list_all(arena, options->root, strcmp(format, "json") == 0, err) < 0;
	if (container_list(arena, options->root, &ids, err) < 0)
		return 1;
	for (size_t i = 0; i < ids.n; i++)
		printf("%s\n", ids.items[i]);
	return 0;
}
