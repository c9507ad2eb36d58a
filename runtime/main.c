/* runsafe: global options, and the table of commands. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "kernel.h"
#include "log.h"

const struct command commands[] = {
    {"create", create_main, "[OPTIONS] ID", "Make a container from a bundle; it waits until start.",
     NULL},
    {"start", start_main, "ID", "Let a created container's workload run.", NULL},
    {"run", run_main, "[OPTIONS] BUNDLE | ID",
     "Create and start a container, wait for its end and take it away.",
     "An argument with a slash, \".\", \"..\", or the name of a folder that holds a config.json\n"
     "is a bundle and runs under a generated id. Any other is the id for the bundle that\n"
     "--bundle names. The exit status is the workload's, 128+N when signal N ended it.\n"},
    {"exec", exec_main, "[OPTIONS] ID PROGRAM [ARGUMENT]...",
     "Run one more program in a container, under the policy that it was made with.",
     "Options end at the id. The exit status is the program's, 128+N when signal N ended it; 126\n"
     "and 127 as a shell has them; 255 when runsafe itself failed.\n"},
    {"state", state_main, "ID", "Print a container's state as JSON.", NULL},
    {"kill", kill_main, "[OPTIONS] ID [SIGNAL]", "Send a signal to a container's workload.",
     "SIGNAL is a number or a name: 9, KILL or SIGKILL. Without one it is TERM.\n"},
    {"delete", delete_main, "[OPTIONS] ID",
     "Take a stopped or not yet started container away with all that belongs to it.", NULL},
    {"pause", pause_main, "ID", "Freeze all processes of a container.", NULL},
    {"resume", resume_main, "ID", "Let a paused container's processes go on.", NULL},
    {"update", update_main, "[OPTIONS] ID", "Change a container's limits.",
     "What is not given stays as it is, and 0 is not given. Either all is changed or nothing.\n"
     "-1 lifts a limit, where the policy that the container was made under lets it.\n"},
    {"ps", ps_main, "[OPTIONS] ID [PS-OPTIONS]", "List the processes of a container.",
     "PS-OPTIONS are handed to the program ps, whose lines of other processes are left out; it\n"
     "must print the column PID. Without any they are -ef.\n"},
    {"events", events_main, "[OPTIONS] ID",
     "Print what a container uses, and when it runs out of memory, as lines of JSON.", NULL},
    {"checkpoint", checkpoint_main, "[OPTIONS] ID",
     "Write a running container's processes into files, and take it away.",
     "The program criu does it, and restore makes a container of such files again.\n"},
    {"restore", restore_main, "[OPTIONS] ID",
     "Make a container of a bundle and the files of a checkpoint, and let it run on.",
     "The policy is applied as by run; what would be less protected than it says is killed\n"
     "before it runs on.\n"},
    {"list", list_main, "[OPTIONS]", "List the containers under --root.", NULL},
    {"check", check_main, "[OPTIONS] BUNDLE | ID",
     "Show what the policy changes or refuses, and what the workload ends up with.",
     "The exit status is 0 when nothing had to be changed, 1 when something was, and 2 when it\n"
     "would be refused. It is 1 as well when the command itself fails, with a message on\n"
     "stderr and nothing on stdout.\n"},
    {"spec", spec_main, "[OPTIONS]", "Print a hardened config.json to start from.", NULL},
    {"features", features_main, "", "Print what this runtime can do, as JSON.", NULL},
    {.name = NULL}};

struct globals {
	const char *root;
	const char *log;
	const char *log_format;
	const char *policy;
	const char *cgroup;
	const char *cgroup_manager;
	const char *rootless;
	const char *criu;
	const char *log_level;
	struct str_list allow;
	bool systemd_cgroup;
	bool debug;
	bool version;
	bool help;
};

enum { N_GLOBAL_OPTIONS = 14 };

static void global_specs(struct globals *g, struct option_spec specs[N_GLOBAL_OPTIONS])
{
	const struct option_spec all[N_GLOBAL_OPTIONS] = {
	    {"root", 0, OPTION_TEXT, &g->root, "DIR",
	     "where containers' state is kept (default for root: /run/runsafe)"},
	    {"policy", 0, OPTION_TEXT, &g->policy, "NAME|FILE",
	     "default, strict, oci, or a policy file"},
	    {"allow", 0, OPTION_LIST, &g->allow, "NAME[=VALUE]",
	     "relax or set one thing of the policy; may be given again"},
	    {"cgroup", 0, OPTION_TEXT, &g->cgroup, "WORD",
	     "required, available or none: what to do where limits can not be applied"},
	    {"cgroup-manager", 0, OPTION_TEXT, &g->cgroup_manager, "WORD",
	     "cgroupfs (default), disabled or systemd"},
	    {"systemd-cgroup", 0, OPTION_FLAG, &g->systemd_cgroup, NULL,
	     "the same as --cgroup-manager systemd"},
	    {"log", 0, OPTION_TEXT, &g->log, "FILE", "append failures to FILE, too"},
	    {"log-format", 0, OPTION_TEXT, &g->log_format, "text|json", "how they are written"},
	    {"debug", 0, OPTION_FLAG, &g->debug, NULL, "log what is done on the way"},
	    {"rootless", 0, OPTION_TEXT, &g->rootless, "WORD",
	     "true, false or auto: taken for runc's sake, without effect"},
	    {"criu", 0, OPTION_TEXT, &g->criu, "FILE", NULL},
	    {"log-level", 0, OPTION_TEXT, &g->log_level, "WORD", NULL}, /* crun's */
	    {"version", 'v', OPTION_FLAG, &g->version, NULL, "print the version"},
	    {.name = NULL}};

	memcpy(specs, all, sizeof(all));
}

static void usage(FILE *out, const struct option_spec *specs)
{
	options_usage(out, "runsafe [GLOBAL OPTIONS] COMMAND [ARGUMENTS]",
		      "Runs OCI containers that are safe because runsafe started them.", specs);
	fprintf(out, "\nCommands:\n");
	for (const struct command *command = commands; command->name; command++)
		fprintf(out, "  %-12s%s\n", command->name, command->summary);
	fprintf(out, "\n\"runsafe COMMAND --help\" says more about a command.\n");
}

/* What --help says beyond the usage that goes with an error. */
static void help(const struct option_spec *specs)
{
	usage(stdout, specs);
	printf("\nWhat --allow takes:\n");
	for (const char *const *name = policy_setting_names(); *name; name++) {
		const char *text = policy_setting_help(*name); /* "bind=PATH: what it does" */
		const char *colon = strstr(text, ": ");

		if (colon)
			printf("  %-30.*s  %s\n", (int)(colon - text), text, colon + 2);
		else
			printf("  %-30s  %s\n", *name, text);
	}
}

/*
 * A caller may have closed 0, 1 or 2; the next file that is opened (a socket to the child, a state
 * file) would get that number, and messages would be written into it.
 */
static int open_standard_fds(struct error *err)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		const int opened = open("/dev/null", O_RDWR);

		if (opened < 0)
			return error_errno(err, errno, "opening /dev/null, since %d is closed", fd);
		if (opened != fd)
			return error_set(err, "descriptor %d is closed, and can not be opened", fd);
	}
	return 0;
}

/* Root of a user namespace is some user to the host, as Podman runs its runtime; but where a whole
 * system lives in one (LXC), its root is called so. The same as runc has it. */
static bool is_root(void)
{
	const char *user = getenv("USER");

	return geteuid() == 0 && (!sys_in_user_namespace() || (user && strcmp(user, "root") == 0));
}

static const char *default_root(struct arena *arena)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");

	if (!is_root() && runtime_dir && *runtime_dir)
		return arena_printf(arena, "%s/runsafe", runtime_dir);
	return geteuid() == 0 ? "/run/runsafe"
			      : arena_printf(arena, "/run/user/%u/runsafe", geteuid());
}

static int choose_root(struct arena *arena, const char *given, const char **root, struct error *err)
{
	char *here;

	if (given && !*given)
		return error_set(err, "option --root: expected a directory, got \"\"");
	if (!given)
		given = default_root(arena);
	if (given[0] != '/') {
		here = get_current_dir_name();
		if (!here)
			return error_errno(err, errno, "--root %s: cannot find the current folder",
					   given);
		given = arena_printf(arena, "%s/%s", here, given);
		free(here);
	}
	*root = given;
	return 0;
}

static int word_index(const char *option, const char *word, const char *const *words,
		      struct error *err)
{
	for (int i = 0; words[i]; i++) {
		if (strcmp(word, words[i]) == 0)
			return i;
	}
	return error_set(err, "option --%s: expected %s, %s or %s, got \"%s\"", option, words[0],
			 words[1], words[2], word);
}

static int choose_cgroup(const struct globals *g, struct runtime_options *options,
			 struct error *err)
{
	/* In the order of enum cgroup_mode and enum cgroup_driver. */
	static const char *const modes[] = {"required", "available", "none", NULL};
	static const char *const drivers[] = {"cgroupfs", "systemd", "disabled", NULL};
	static const char *const rootless[] = {"true", "false", "auto", NULL};
	static const char *const levels[] = {"error", "warning", "debug", NULL};
	int mode = g->cgroup ? word_index("cgroup", g->cgroup, modes, err) : CGROUP_REQUIRED;
	int driver = CGROUP_DRIVER_CGROUPFS;

	if (mode < 0)
		return -1;
	if ((g->rootless && word_index("rootless", g->rootless, rootless, err) < 0) ||
	    (g->log_level && word_index("log-level", g->log_level, levels, err) < 0))
		return -1;
	if (g->cgroup_manager)
		driver = word_index("cgroup-manager", g->cgroup_manager, drivers, err);
	else if (g->systemd_cgroup)
		driver = CGROUP_DRIVER_SYSTEMD;
	if (driver < 0)
		return -1;
	if (g->cgroup && mode == CGROUP_REQUIRED && driver == CGROUP_DRIVER_DISABLED)
		return error_set(err, "--cgroup required and --cgroup-manager disabled "
				      "contradict each other");
	options->cgroup = (enum cgroup_mode)mode;
	options->driver = (enum cgroup_driver)driver;
	return 0;
}

static int choose_allow(struct arena *arena, const struct str_list *texts,
			struct runtime_options *options, struct error *err)
{
	struct policy_setting *settings =
	    arena_alloc(arena, (texts->n + 1) * sizeof(struct policy_setting));

	for (size_t i = 0; i < texts->n; i++) {
		if (policy_parse_allow(arena, texts->items[i], &settings[i], err) < 0)
			return -1;
	}
	options->allow = settings;
	options->n_allow = texts->n;
	return 0;
}

static int choose_options(struct arena *arena, const struct globals *g, const char *program,
			  struct runtime_options *options, struct error *err)
{
	const char *slash = strrchr(program, '/');

	*options = (struct runtime_options){.policy = g->policy, .debug = g->debug};
	options->program = slash ? slash + 1 : program;
	if (choose_root(arena, g->root, &options->root, err) < 0)
		return -1;
	if (choose_cgroup(g, options, err) < 0)
		return -1;
	return choose_allow(arena, &g->allow, options, err);
}

/* Returns NULL with err set, and with the usage on stderr where that helps. */
static const struct command *find_command(const char *name, const struct option_spec *specs,
					  struct error *err)
{
	const struct command *command = command_find(name);

	if (command)
		return command;
	usage(stderr, specs);
	error_set(err, "unknown command \"%s\"", name);
	return NULL;
}

static int print_version(void)
{
	printf("runsafe version %s\ncommit: %s\nspec: %s\n", runsafe_version(), runsafe_commit(),
	       runsafe_spec_version());
	return 0;
}

/* argv begins with the command's name. Returns the exit status. */
static int run_command(struct arena *arena, int argc, char **argv, const struct globals *g,
		       const struct option_spec *specs, const char *program, struct error *err)
{
	static char help_option[] = "--help";
	char *help_argv[] = {argc > 1 ? argv[1] : argv[0], help_option, NULL};
	const struct command *command;
	struct runtime_options options;

	if (strcmp(argv[0], "help") == 0) { /* "help run" is "run --help" */
		argv = help_argv;
		argc = 2;
	}
	command = find_command(argv[0], specs, err);
	if (!command)
		return 1;
	if (choose_options(arena, g, program, &options, err) < 0)
		return 1;
	return command->main(argc, argv, &options, arena, err);
}

/* Returns the exit status. */
static int runsafe(struct arena *arena, int argc, char **argv, struct error *err)
{
	struct globals g = {.help = false};
	struct option_spec specs[N_GLOBAL_OPTIONS];
	const char *program = argc > 0 && argv[0] ? argv[0] : "runsafe";
	struct error log_err = ERROR_INIT;
	int first;

	global_specs(&g, specs);
	first = options_parse(arena, specs, argc, argv, &g.help, err);
	if (g.log_level && strcmp(g.log_level, "debug") == 0)
		g.debug = true;
	/* The log comes first: it is to have the failures of reading the options, too. */
	if (log_open(g.log, g.log_format, g.debug, &log_err) < 0 && first >= 0) {
		*err = log_err;
		return 1;
	}
	if (first < 0) {
		usage(stderr, specs);
		return 1;
	}
	if (g.help || (argc - first == 1 && strcmp(argv[first], "help") == 0)) {
		help(specs);
		return 0;
	}
	if (g.version)
		return print_version();
	if (first >= argc) {
		usage(stderr, specs);
		error_set(err, "no command given");
		return 1;
	}
	return run_command(arena, argc - first, argv + first, &g, specs, program, err);
}

int main(int argc, char **argv)
{
	/* What does not fit goes out in parts; musl's own takes 1,000 bytes. */
	static char output[64 * 1024];
	struct arena arena = ARENA_INIT;
	struct error err = ERROR_INIT;
	int status;

	(void)setvbuf(stdout, output, _IOFBF, sizeof(output));
	if (open_standard_fds(&err) < 0) {
		log_failure(err.text);
		return 1;
	}
	/* The originals are wiped where they would be seen (sandbox/arguments.c). */
	for (int i = 0; i < argc; i++)
		argv[i] = arena_strdup(&arena, argv[i]);
	/* A caller may ignore it, and then no child of ours could be waited for (wait(2), notes).
	 */
	signal(SIGCHLD, SIG_DFL);
	status = runsafe(&arena, argc, argv, &err);
	if (!err.text[0] && (fflush(stdout) || ferror(stdout)))
		error_errno(&err, errno, "cannot write to standard output");
	if (err.text[0]) {
		log_failure(err.text);
		status = err.exit_status ? err.exit_status : 1;
	}
	arena_free(&arena);
	return status;
}
