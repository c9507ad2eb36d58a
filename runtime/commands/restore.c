#include "commands.h"

#include <string.h>

/* Podman asks by this option without a value whether restoring into a pod can be done, and looks
 * for "requires an argument", older ones for "flag needs an argument" (runc's words). */
static int check_probe(int argc, char **argv, struct error *err)
{
	static const char option[] = "--lsm-mount-context";

	if (argc < 2 || strcmp(argv[argc - 1], option) != 0)
		return 0;
	return error_set(
	    err, "restore: option %s requires an argument (flag needs an argument: LABEL)", option);
}

static int restore(struct arena *arena, const struct runtime_options *options,
		   struct create_options *create, struct criu_options *criu, const char *id,
		   struct error *err)
{
	int status = 1;

	create->id = criu->id = id;
	return container_restore(arena, options, create, criu, &status, err) < 0 ? 1 : status;
}

int restore_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
		 struct error *err)
{
	struct create_options create = {.id = NULL};
	struct criu_options criu = {.status_fd = -1};
	struct str_list arguments = {.n = 0};
	const struct option_spec specs[] = {
	    {"bundle", 'b', OPTION_TEXT, &create.bundle, "DIR", "the bundle (default: .)"},
	    {"image-path", 0, OPTION_TEXT, &criu.image_path, "DIR",
	     "where checkpoint put the image files (default: checkpoint)"},
	    {"work-path", 0, OPTION_TEXT, &criu.work_path, "DIR",
	     "where criu's log goes (default: the image path)"},
	    {"detach", 'd', OPTION_FLAG, &create.detach, NULL,
	     "leave it running and return once it runs again"},
	    {"console-socket", 0, OPTION_TEXT, &create.console_socket, "SOCKET",
	     "unix socket that gets the terminal's master end"},
	    {"pid-file", 0, OPTION_TEXT, &create.pid_file, "FILE",
	     "write the workload's process id there"},
	    {"tcp-established", 0, OPTION_FLAG, &criu.tcp_established, NULL,
	     "restore open TCP connections"},
	    {"tcp-close", 0, OPTION_FLAG, &criu.tcp_close, NULL,
	     "restore open TCP connections as closed ones"},
	    {"ext-unix-sk", 0, OPTION_FLAG, &criu.ext_unix_sk, NULL,
	     "allow unix sockets connected to the outside"},
	    {"shell-job", 0, OPTION_FLAG, &criu.shell_job, NULL, "allow a terminal of the outside"},
	    {"file-locks", 0, OPTION_FLAG, &criu.file_locks, NULL, "restore file locks"},
	    {"lazy-pages", 0, OPTION_FLAG, &criu.lazy_pages, NULL,
	     "fetch memory pages later, from `criu lazy-pages`"},
	    {"auto-dedup", 0, OPTION_FLAG, &criu.auto_dedup, NULL,
	     "drop from the images what has been restored"},
	    {"manage-cgroups-mode", 0, OPTION_TEXT, &criu.cgroups_mode, "WORD",
	     "soft (default), full, strict or ignore"},
	    {"empty-ns", 0, OPTION_LIST, &criu.empty_namespaces, "network",
	     "make that namespace again without what was in it"},
	    {"lsm-profile", 0, OPTION_TEXT, &criu.lsm_profile, "TYPE:NAME",
	     "another profile for the processes: apparmor:NAME or selinux:LABEL"},
	    {"lsm-mount-context", 0, OPTION_TEXT, &criu.lsm_mount_context, "LABEL",
	     "another SELinux label for the mounts"},
	    {"no-pivot", 0, OPTION_FLAG, &create.no_pivot, NULL,
	     "taken for runc's sake: criu changes the root"},
	    {"no-subreaper", 0, OPTION_FLAG, &create.no_subreaper, NULL,
	     "do not adopt orphans of the workload"},
	    {.name = NULL}};
	int result = check_probe(argc, argv, err);

	if (result == 0)
		result = command_arguments(arena, specs, argc, argv, 1, 1, &arguments, err);
	if (result)
		return result < 0;
	return restore(arena, options, &create, &criu, arguments.items[0], err);
}
