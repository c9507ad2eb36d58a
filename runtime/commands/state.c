#include "commands.h"

int state_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
	       struct error *err)
{
	static const struct option_spec specs[] = {{.name = NULL}};
	struct str_list arguments = {.n = 0};
	struct container_state state;
	int result = command_arguments(arena, specs, argc, argv, 1, 1, &arguments, err);

	if (result)
		return result < 0;
	if (container_glance(arena, options->root, arguments.items[0], &state, err) < 0)
		return 1;
	enum container_status status;
	result = container_look(&state, &status, err);
	if (result == 0)
		fputs(container_state_json(arena, &state, status, true), stdout);
	return result < 0;
}
