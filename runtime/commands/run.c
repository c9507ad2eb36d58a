#include "commands.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Of the bundle's name; the id has a random part as well. */
#define ID_NAME_MAX 40

/* An id that a person recognises in `list`: the bundle's folder name and eight random digits. */
static int generate_id(struct arena *arena, const char *bundle, const char **id, struct error *err)
{
	char real[PATH_MAX];
	char name[ID_NAME_MAX + 1];
	unsigned int random;
	size_t n = 0;

	if (!realpath(bundle, real))
		return error_errno(err, errno, "cannot open the bundle %s", bundle);
	for (const char *c = strrchr(real, '/') + 1; *c && n < ID_NAME_MAX; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			     (*c >= '0' && *c <= '9') || (n > 0 && strchr("_+.-", *c));

		if (plain)
			name[n++] = *c;
	}
	name[n] = '\0';
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return error_errno(err, errno, "cannot get random bytes for an id");
	*id = arena_printf(arena, "%s-%08x", n ? name : "bundle", random);
	return 0;
}

static int run(struct arena *arena, const struct runtime_options *options,
	       struct create_options *create, const char *argument, struct error *err)
{
	int status = 1;

	if (!create->bundle && command_means_bundle(argument)) {
		create->bundle = argument;
		if (generate_id(arena, argument, &create->id, err) < 0)
			return 1;
	} else {
		create->id = argument;
	}
	return container_run(arena, options, create, &status, err) < 0 ? 1 : status;
}

int run_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
	     struct error *err)
{
	struct create_options create = {.id = NULL};
	struct str_list arguments = {.n = 0};
	const struct option_spec specs[] = {
	    {"bundle", 'b', OPTION_TEXT, &create.bundle, "DIR",
	     "the bundle; the argument is an id then"},
	    {"detach", 'd', OPTION_FLAG, &create.detach, NULL,
	     "leave it running and return once it has started"},
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
	    {"no-subreaper", 0, OPTION_FLAG, &create.no_subreaper, NULL,
	     "do not adopt orphans of the workload"},
	    {"preserve-fds", 0, OPTION_NUMBER, &create.preserve_fds, "N",
	     "pass descriptors 3 to 3+N-1 to the workload"},
	    {"keep", 0, OPTION_FLAG, &create.keep, NULL,
	     "keep the container's state when the workload has ended"},
	    {.name = NULL}};
	int result = command_arguments(arena, specs, argc, argv, 1, 1, &arguments, err);

	if (result)
		return result < 0;
	return run(arena, options, &create, arguments.items[0], err);
}
