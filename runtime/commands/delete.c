#include "commands.h"

int delete_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
		struct error *err)
{
	bool force = false;
	struct str_list arguments = {.n = 0};
	const struct option_spec specs[] = {
	    {"force", 'f', OPTION_FLAG, &force, NULL,
	     "kill it first when it runs; an id that is not there is no failure"},
	    {.name = NULL}};
	int result = command_arguments(arena, specs, argc, argv, 1, 1, &arguments, err);

	if (result)
		return result < 0;
	return container_delete(arena, options, arguments.items[0], force, err) < 0;
}
