#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "fd.h"
#include "json_write.h"

static const char *spec_text(struct arena *arena, bool rootless)
{
	struct config config;
	struct json_writer w;

	memset(&config, 0, sizeof(config));
	config_spec(arena, &config);
	if (rootless)
		config_spec_rootless(arena, &config, geteuid(), getegid());
	json_start(&w, arena, true);
	config_write(&w, NULL, &config);
	return json_finish(&w);
}

static int write_new(struct arena *arena, const char *bundle, const char *text, struct error *err)
{
	const char *path = arena_printf(arena, "%s/config.json", bundle);
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0 && errno == EEXIST)
		return error_set(err, "%s is there already; remove it first", path);
	if (fd < 0)
		return error_errno(err, errno, "cannot make %s", path);
	if (fd_write_all(fd, text, strlen(text)) < 0) {
		int number = errno;

		unlink(path);
		return error_errno(err, number, "cannot write %s", path);
	}
	return 0;
}

int spec_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
	      struct error *err)
{
	const char *bundle = NULL;
	bool rootless = false;
	struct str_list arguments = {.n = 0};
	const struct option_spec specs[] = {
	    {"bundle", 'b', OPTION_TEXT, &bundle, "DIR",
	     "write DIR/config.json instead; one that is there is not touched"},
	    {"rootless", 0, OPTION_FLAG, &rootless, NULL,
	     "one that you can run without being root: with a user namespace for your own id"},
	    {.name = NULL}};
	int result = command_arguments(arena, specs, argc, argv, 0, 0, &arguments, err);

	(void)options;
	if (result)
		return result < 0;
	if (rootless && geteuid() == 0)
		return error_set(err,
				 "spec --rootless: you are root, and its namespace would map "
				 "your own id: call it as the user who will run the bundle") < 0;
	if (bundle)
		return write_new(arena, bundle, spec_text(arena, rootless), err) < 0;
	fputs(spec_text(arena, rootless), stdout);
	return 0;
}
