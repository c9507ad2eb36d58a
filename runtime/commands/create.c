#include "commands.h"

int create_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
		struct error *err)
{
	struct create_options create = {.id = NULL};
	struct str_list arguments = {.n = 0};
	const struct option_spec specs[] = {
	    {"bundle", 'b', OPTION_TEXT, &create.bundle, "DIR", "the bundle (default: .)"},
	    {"config", 'f', OPTION_TEXT, &create.config, "FILE",
	     "read this file of the bundle instead of config.json"},
	    {"console-socket", 0, OPTION_TEXT, &create.console_socket, "SOCKET",
	     "unix socket that gets the terminal's master end"},
	    {"pidfd-socket", 0, OPTION_TEXT, &create.pidfd_socket, "SOCKET",
	     "unix socket that gets a pidfd of the process"},
	    {"pid-file", 0, OPTION_TEXT, &create.pid_file, "FILE",
	     "write the workload's process id there"},
	    {"no-pivot", 0, OPTION_FLAG, &create.no_pivot, NULL,
	     "move the root instead of pivot_root(2), for a rootfs on a ramdisk"},
	    {"no-new-keyring", 0, OPTION_FLAG, &create.no_new_keyring, NULL,
	     "keep the caller's session keyring"},
	    {"no-subreaper", 0, OPTION_FLAG, &create.no_subreaper, NULL, NULL},
	    {"preserve-fds", 0, OPTION_NUMBER, &create.preserve_fds, "N",
	     "pass descriptors 3 to 3+N-1 to the workload"},
	    {.name = NULL}};
	int result = command_arguments(arena, specs, argc, argv, 1, 1, &arguments, err);

	if (result)
		return result < 0;
	create.id = arguments.items[0];
	return container_create(arena, options, &create, err) < 0;
}
