/* What all commands share: their arguments and what a first argument means. */
#include "commands.h"

#include <string.h>
#include <sys/stat.h>

const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}

void command_usage(FILE *out, const struct command *command, const struct option_spec *specs)
{
	char usage[256];

	snprintf(usage, sizeof(usage), "runsafe [GLOBAL OPTIONS] %s %s", command->name,
		 command->arguments);
	options_usage(out, usage, command->summary, specs);
	if (command->details)
		fprintf(out, "\n%s", command->details);
}

int command_arguments(struct arena *arena, const struct option_spec *specs, int argc, char **argv,
		      size_t min, size_t max, struct str_list *arguments, struct error *err)
{
	const struct command *command = command_find(argv[0]);
	bool help = false;

	if (!command) /* main() has found it */
		return error_set(err, "unknown command \"%s\"", argv[0]);
	int result = options_parse_mixed(arena, specs, argc, argv, arguments, &help, err);

	if (result == 0 && help) {
		command_usage(stdout, command, specs);
		return 1;
	}
	if (result == 0 && arguments->n < min)
		result = error_set(err, "an argument is missing: %s %s", command->name,
				   command->arguments);
	else if (result == 0 && arguments->n > max)
		result = error_set(err, "unexpected argument \"%s\": %s %s", arguments->items[max],
				   command->name, command->arguments);
	if (result < 0) {
		error_wrap(err, "%s", command->name);
		command_usage(stderr, command, specs);
	}
	return result;
}

bool command_means_bundle(const char *argument)
{
	char path[4096];
	struct stat st;

	if (strchr(argument, '/') || strcmp(argument, ".") == 0 || strcmp(argument, "..") == 0)
		return true;
	if ((size_t)snprintf(path, sizeof(path), "%s/config.json", argument) >= sizeof(path))
		return false;
	return stat(path, &st) == 0;
}
