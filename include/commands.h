/* The commands: each reads its own options, calls container/, prints. main has the table. */
#ifndef RUNSAFE_COMMANDS_H
#define RUNSAFE_COMMANDS_H

#include <stdbool.h>
#include <stdio.h>

#include "arena.h"
#include "container.h"
#include "error.h"
#include "lists.h"

/* argv[0] is the command's name. Returns the exit status; a failure has err->text set. */
typedef int command_main(int argc, char **argv, const struct runtime_options *options,
			 struct arena *arena, struct error *err);

struct command {
	const char *name;
	command_main *main;
	const char *arguments; /* for the usage line: "[OPTIONS] ID" */
	const char *summary;   /* one line for the list of commands */
	const char *details;   /* more for its own --help, whole lines; NULL: nothing */
};

extern const struct command commands[]; /* ended by name NULL */

command_main check_main, checkpoint_main, create_main, delete_main, events_main, exec_main,
    features_main, kill_main, list_main, pause_main, ps_main, resume_main, restore_main, run_main,
    spec_main, start_main, state_main, update_main;

/*
 * One option of a command or of runsafe itself. Both "--name value", "--name=value", "-name
 * value" (Go's single dash) and the short form are taken.
 */
enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_LIST };

struct option_spec {
	const char *name; /* long name without dashes; NULL ends the table */
	char short_name;  /* 0: none */
	enum option_kind kind;
	void *target;		/* bool *, const char **, unsigned int *, struct str_list * */
	const char *value_name; /* for the help: "FILE" */
	const char *help;	/* NULL: taken, but not shown in the help */
};

/*
 * Reads options up to the first argument that is none (or "--"). Returns the index of that
 * argument, or -1 with err set; an unknown option is an error. -h and --help set *help. After an
 * error the rest is read all the same, so that the caller knows --log when it reports the first.
 */
int options_parse(struct arena *arena, const struct option_spec *specs, int argc, char **argv,
		  bool *help, struct error *err);

/*
 * The same, with options before, between and after the arguments, which go to *arguments; what
 * follows "--" is an argument whatever it looks like. Returns 0, or -1 with err set.
 */
int options_parse_mixed(struct arena *arena, const struct option_spec *specs, int argc, char **argv,
			struct str_list *arguments, bool *help, struct error *err);

/* Prints "Usage: ..." and the options, aligned. */
void options_usage(FILE *out, const char *usage, const char *summary,
		   const struct option_spec *specs);

/* The command of that name, or NULL. */
const struct command *command_find(const char *name);

/* Prints the usage of the command and its options. */
void command_usage(FILE *out, const struct command *command, const struct option_spec *specs);

/*
 * What every command does first: reads options and between min and max arguments. Returns 0; 1
 * when --help was asked for and printed; -1 with err set and the usage printed on stderr.
 */
int command_arguments(struct arena *arena, const struct option_spec *specs, int argc, char **argv,
		      size_t min, size_t max, struct str_list *arguments, struct error *err);

/* Whether an argument of run or check means a bundle, not an id: it has a slash, is "." or "..",
 * or is a directory that holds a config.json. */
bool command_means_bundle(const char *argument);

const char *runsafe_version(void);
const char *runsafe_commit(void);
/* The version of the specification that is implemented: "1.3.0". */
const char *runsafe_spec_version(void);

#endif
