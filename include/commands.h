/* The commands: each reads its own options, calls container/, prints. main has the table. */
#ifndef RUNSAFE_COMMANDS_H
#define RUNSAFE_COMMANDS_H

#include <stdbool.h>
#include <stdio.h>

#include "arena.h"
#include "container.h"
#include "error.h"

struct command {
	const char *name;
	/* argv[0] is the command's name. Returns the exit status; a failure has err->text set. */
	int (*main)(int argc, char **argv, const struct runtime_options *options,
		    struct arena *arena, struct error *err);
	const char *arguments; /* for the usage line: "[OPTIONS] ID" */
	const char *summary;   /* one line for the list of commands */
};

extern const struct command commands[]; /* ended by name NULL */

/*
 * One option of a command or of runsafe itself. Both "--name value", "--name=value", "-name
 * value" (Go's single dash) and the short form are taken.
 */
enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_LIST };

struct option_spec {
	const char *name; /* long name without dashes; NULL ends the table */
	char short_name;  /* 0: none */
	enum option_kind kind;
	void *target;     /* bool *, const char **, unsigned int *, struct str_list * */
	const char *value_name; /* for the help: "FILE" */
	const char *help;
};

/*
 * Reads options up to the first argument that is none (or "--"). Returns the index of that
 * argument, or -1 with err set; an unknown option is an error. -h and --help set *help.
 */
int options_parse(struct arena *arena, const struct option_spec *specs, int argc, char **argv,
		  bool *help, struct error *err);

/* Prints "Usage: ..." and the options, aligned. */
void options_usage(FILE *out, const char *usage, const char *summary,
		   const struct option_spec *specs);

const char *runsafe_version(void);
const char *runsafe_commit(void);
/* The version of the specification that is implemented: "1.3.0". */
const char *runsafe_spec_version(void);

#endif
