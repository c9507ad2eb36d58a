#include "commands.h"

int kill_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
	      struct error *err)
{
	bool all = false;
	struct str_list arguments = {.n = 0};
	const struct option_spec specs[] = {
	    {"all", 'a', OPTION_FLAG, &all, NULL, "to every process of the container"},
	    {.name = NULL}};
	int result = command_arguments(arena, specs, argc, argv, 1, 2, &arguments, err);
	const char *name;
	int sig;

	if (result)
		return result < 0;
	name = arguments.n > 1 ? arguments.items[1] : "TERM";
	sig = signal_parse(name);
	if (sig < 0) {
		error_set(err,
			  "unknown signal \"%s\": expected a number like 9 or a name like KILL "
			  "or SIGKILL",
			  name);
		return 1;
	}
	return container_kill(arena, options, arguments.items[0], sig, all, err) < 0;
}
