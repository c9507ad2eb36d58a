#include "commands.h"

int resume_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
		struct error *err)
{
	static const struct option_spec specs[] = {{.name = NULL}};
	struct str_list arguments = {.n = 0};
	int result = command_arguments(arena, specs, argc, argv, 1, 1, &arguments, err);

	if (result)
		return result < 0;
	return container_resume(arena, options, arguments.items[0], err) < 0;
}
