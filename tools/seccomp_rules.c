/* The rules of each system call by number, out of profiles in the OCI form. */
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "seccomp_build.h"

#include <errno.h>
#include <fcntl.h>

#define MAX_ERRNO 4095 /* the kernel caps SECCOMP_RET_DATA there for SECCOMP_RET_ERRNO */

static int number_line(struct arena *arena, char *line, size_t lineno, struct number_table *out,
		       struct error *err)
{
	char *name;
	unsigned long number;

	if (line[0] == '#')
		return 0;
	number = strtoul(line, &name, 10);
	if (name == line || name[0] != ' ' || name[1] == '\0' || number >= MAX_NUMBER)
		return error_set(err, "%s:%zu: expected \"number name\", got \"%s\"", out->label,
				 lineno, line);
	if (out->names[number])
		return error_set(err, "%s:%zu: number %lu is given twice", out->label, lineno,
				 number);
	out->names[number] = arena_strdup(arena, name + 1);
	return 0;
}

int number_table_read(struct arena *arena, const char *path, uint32_t arch,
		      struct number_table *out, struct error *err)
{
	char *text, *line, *rest = NULL;
	size_t lineno = 0;

	memset(out, 0, sizeof(*out));
	out->label = path;
	out->arch = arch;
	if (file_read_all(arena, AT_FDCWD, path, 1 << 20, &text, NULL) < 0)
		return error_errno(err, errno, "%s", path);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (number_line(arena, line, ++lineno, out, err) < 0)
			return -1;
	return 0;
}

static int action_answer(const char *action, const struct opt_u32 *errno_ret, uint32_t *out,
			 struct error *err)
{
	static const struct {
		const char *word;
		uint32_t answer;
	} actions[] = {
	    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
	    {"SCMP_ACT_LOG", SECCOMP_RET_LOG},
	    {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
	    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
	    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
	    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
	};

	if (strcmp(action, "SCMP_ACT_ERRNO") == 0) {
		uint32_t value = errno_ret->set ? errno_ret->value : EPERM;

		if (value == 0 || value > MAX_ERRNO)
			return error_set(err, "errnoRet: expected 1 to %d, got %u", MAX_ERRNO,
					 value);
		*out = SECCOMP_RET_ERRNO | value;
		return 0;
	}
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(action, actions[i].word) == 0) {
			*out = actions[i].answer;
			return 0;
		}
	return error_set(err, "%s has no place in a built-in profile", action);
}

int calls_begin(const struct config_seccomp *profile, struct calls *out, struct error *err)
{
	memset(out, 0, sizeof(*out));
	if (action_answer(profile->default_action, &profile->default_errno_ret, &out->unknown,
			  err) < 0)
		return error_wrap(err, "defaultAction");
	for (size_t i = 0; i < MAX_NUMBER; i++)
		out->by_number[i].otherwise = out->unknown;
	return 0;
}

static int args_check(const struct config_seccomp_rule *rule, struct error *err)
{
	for (size_t i = 0; i < rule->n_args; i++) {
		const struct config_seccomp_arg *arg = &rule->args[i];

		if (arg->index > 5)
			return error_set(err, "args[%zu].index: expected 0 to 5, got %u", i,
					 arg->index);
		if (strcmp(arg->op, "SCMP_CMP_MASKED_EQ") == 0 && (arg->value_two & ~arg->value))
			return error_set(err,
					 "args[%zu] never matches: valueTwo has bits that value, "
					 "the mask, has not",
					 i);
	}
	return 0;
}

/* Gives a rule to the call of that name. earlier: the calls decided before this profile. */
static int name_add(struct arena *arena, const char *name, const struct config_seccomp_rule *rule,
		    uint32_t answer, const struct number_table *numbers, const bool *earlier,
		    struct calls *out, struct error *err)
{
	for (size_t i = 0; i < MAX_NUMBER; i++) {
		struct call *call = &out->by_number[i];

		if (!numbers->names[i] || strcmp(numbers->names[i], name) != 0 || earlier[i])
			continue;
		if (rule->n_args > 0) {
			call_add_rule(arena, call, rule->args, rule->n_args, answer);
			continue;
		}
		if (call->decided)
			return error_set(err, "%s has two rules without arguments", name);
		call->decided = true;
		call->otherwise = answer;
	}
	return 0;
}

int calls_add(struct arena *arena, const struct config_seccomp *profile,
	      const struct number_table *numbers, struct calls *out, struct error *err)
{
	bool earlier[MAX_NUMBER];

	for (size_t i = 0; i < MAX_NUMBER; i++)
		earlier[i] = out->by_number[i].decided;
	for (size_t i = 0; i < profile->n_syscalls; i++) {
		const struct config_seccomp_rule *rule = &profile->syscalls[i];
		uint32_t answer;

		if (action_answer(rule->action, &rule->errno_ret, &answer, err) < 0 ||
		    args_check(rule, err) < 0)
			return error_wrap(err, "syscalls[%zu]", i);
		for (size_t j = 0; j < rule->names.n; j++)
			if (name_add(arena, rule->names.items[j], rule, answer, numbers, earlier,
				     out, err) < 0)
				return error_wrap(err, "syscalls[%zu]", i);
	}
	return 0;
}
