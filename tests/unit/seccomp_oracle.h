/*
 * What a profile says about a call, read straight from the JSON's struct and by no code of the
 * compilers under test.
 */
#ifndef RUNSAFE_SECCOMP_ORACLE_H
#define RUNSAFE_SECCOMP_ORACLE_H

#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static inline uint32_t oracle_action(const char *word, const struct opt_u32 *number)
{
	if (strcmp(word, "SCMP_ACT_ALLOW") == 0)
		return SECCOMP_RET_ALLOW;
	if (strcmp(word, "SCMP_ACT_ERRNO") == 0)
		return SECCOMP_RET_ERRNO | (number->set ? number->value : EPERM);
	fprintf(stderr, "no such action here: %s\n", word);
	abort();
}

static inline bool oracle_arg(const struct config_seccomp_arg *arg, const uint64_t *args)
{
	uint64_t is = args[arg->index];

	if (strcmp(arg->op, "SCMP_CMP_MASKED_EQ") == 0)
		return (is & arg->value) == arg->value_two;
	if (strcmp(arg->op, "SCMP_CMP_EQ") == 0)
		return is == arg->value;
	if (strcmp(arg->op, "SCMP_CMP_NE") == 0)
		return is != arg->value;
	if (strcmp(arg->op, "SCMP_CMP_GT") == 0)
		return is > arg->value;
	if (strcmp(arg->op, "SCMP_CMP_GE") == 0)
		return is >= arg->value;
	if (strcmp(arg->op, "SCMP_CMP_LT") == 0)
		return is < arg->value;
	return is <= arg->value;
}

static inline bool oracle_args(const struct config_seccomp_rule *rule, const uint64_t *args)
{
	for (size_t i = 0; i < rule->n_args; i++)
		if (!oracle_arg(&rule->args[i], args))
			return false;
	return true;
}

/*
 * docs/seccomp.md, "How the profile is read": conditional rules in order, then the unconditional
 * one, then the default. extra (may be NULL) is a group, asked first.
 */
static inline uint32_t oracle(const struct config_seccomp *extra,
			      const struct config_seccomp *profile, const char *name,
			      const uint64_t *args)
{
	const struct config_seccomp *both[] = {extra, profile};

	for (size_t p = 0; p < 2; p++)
		for (size_t pass = 0; both[p] && pass < 2; pass++)
			for (size_t i = 0; i < both[p]->n_syscalls; i++) {
				const struct config_seccomp_rule *rule = &both[p]->syscalls[i];

				if ((rule->n_args > 0) == (pass == 0) &&
				    str_list_has(&rule->names, name) && oracle_args(rule, args))
					return oracle_action(rule->action, &rule->errno_ret);
			}
	return oracle_action(profile->default_action, &profile->default_errno_ret);
}

#define ORACLE_NUMBERS 1024

/* profiles/syscalls-*.tbl */
static inline void oracle_numbers(const char *path, char names[ORACLE_NUMBERS][40])
{
	FILE *f = fopen(path, "re");
	char line[128];

	if (!f) {
		perror(path);
		abort();
	}
	memset(names, 0, ORACLE_NUMBERS * sizeof(names[0]));
	while (fgets(line, sizeof(line), f)) {
		char *name;
		unsigned long number = strtoul(line, &name, 10);

		if (line[0] != '#' && number < ORACLE_NUMBERS)
			snprintf(names[number], sizeof(names[0]), "%.*s",
				 (int)strcspn(name + 1, "\n"), name + 1);
	}
	fclose(f);
}

#endif
