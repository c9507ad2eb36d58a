#include "commands.h"

#include <string.h>

/* Options end at the id: what follows is the program and its own. */
static int read_options(struct arena *arena, const struct option_spec *specs, int argc, char **argv,
			struct exec_options *exec, struct error *err)
{
	const struct command *command = command_find(argv[0]);
	bool help = false;
	int first = options_parse(arena, specs, argc, argv, &help, err);

	if (first >= 0 && help) {
		command_usage(stdout, command, specs);
		return 1;
	}
	if (first >= 0 && first >= argc)
		first = error_set(err, "an argument is missing: %s %s", command->name,
				  command->arguments);
	if (first >= 0) {
		exec->id = argv[first++];
		if (first < argc && strcmp(argv[first], "--") == 0)
			first++;
		for (; first < argc; first++)
			str_list_add(arena, &exec->args, argv[first]);
		if (exec->args.n == 0 && !exec->process_file)
			first = error_set(err, "expected a program to run, or --process FILE");
		else if (exec->args.n > 0 && exec->process_file)
			first =
			    error_set(err, "unexpected argument \"%s\": --process says what to run",
				      exec->args.items[0]);
	}
	if (first >= 0)
		return 0;
	error_wrap(err, "%s", command->name);
	command_usage(stderr, command, specs);
	return -1;
}

int exec_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
	      struct error *err)
{
	struct exec_options exec = {.id = NULL};
	const struct option_spec specs[] = {
	    {"tty", 't', OPTION_FLAG, &exec.terminal, NULL, "give the process a terminal"},
	    {"detach", 'd', OPTION_FLAG, &exec.detach, NULL,
	     "leave it running and return once it has started"},
	    {"process", 'p', OPTION_TEXT, &exec.process_file, "FILE",
	     "a process object of config.json (- is standard input) instead of the options below"},
	    {"cwd", 0, OPTION_TEXT, &exec.cwd, "DIR", "working directory in the container"},
	    {"env", 'e', OPTION_LIST, &exec.env, "NAME=VALUE", "may be given again"},
	    {"user", 'u', OPTION_TEXT, &exec.user, "UID[:GID]", "numbers only"},
	    {"additional-gids", 'g', OPTION_LIST, &exec.additional_gids, "GID",
	     "may be given again"},
	    {"cap", 'c', OPTION_LIST, &exec.capabilities, "CAP_NAME",
	     "a capability beyond the container's; may be given again"},
	    {"no-new-privs", 0, OPTION_FLAG, &exec.no_new_privileges, NULL,
	     "set no_new_privs for the process"},
	    {"apparmor", 0, OPTION_TEXT, &exec.apparmor, "PROFILE", "AppArmor profile"},
	    {"process-label", 0, OPTION_TEXT, &exec.process_label, "LABEL", "SELinux label"},
	    {"console-socket", 0, OPTION_TEXT, &exec.console_socket, "SOCKET",
	     "unix socket that gets the terminal's master end"},
	    {"pidfd-socket", 0, OPTION_TEXT, &exec.pidfd_socket, "SOCKET",
	     "unix socket that gets a pidfd of the process"},
	    {"pid-file", 0, OPTION_TEXT, &exec.pid_file, "FILE", "write its process id there"},
	    {"preserve-fds", 0, OPTION_NUMBER, &exec.preserve_fds, "N",
	     "pass descriptors 3 to 3+N-1 to the process"},
	    {"cgroup", 0, OPTION_TEXT, &exec.cgroup, "PATH",
	     "a cgroup below the container's own that it goes into"},
	    {"ignore-paused", 0, OPTION_FLAG, &exec.ignore_paused, NULL,
	     "also in a paused container: it runs once that is resumed"},
	    {.name = NULL}};
	int result = read_options(arena, specs, argc, argv, &exec, err);
	int status = 0;

	if (result > 0)
		return 0;
	exec.terminal_set = exec.terminal;
	exec.no_new_privileges_set = exec.no_new_privileges;
	if (result == 0 && container_exec(arena, options, &exec, &status, err) == 0)
		return status;
	/* As runc: 255 is exec's own failure, told apart from what the program answers. */
	if (!err->exit_status)
		err->exit_status = 255;
	return err->exit_status;
}
