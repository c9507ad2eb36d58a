/* config-linux.md: "Seccomp". Names of syscalls and architectures are judged where they are
 * compiled: an unknown one is a finding there, and no failure. */
#include <stdio.h>
#include <string.h>

#include "config_internal.h"

static const char *const action_words[] = {
    "SCMP_ACT_ALLOW",  "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",   "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_LOG",    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",   "SCMP_ACT_TRACE",
    "SCMP_ACT_NOTIFY", NULL,
};

static const char *const operator_words[] = {
    "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",	"SCMP_CMP_EQ",
    "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", NULL,
};

static const char *const flag_words[] = {
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    NULL,
};

static const struct json_field arg_fields[] = {
    /* A syscall has six arguments (syscall(2)). */
    FIELD(config_seccomp_arg, index, "index", JSON_U32, .flags = JSON_REQUIRED, .max = 5),
    FIELD(config_seccomp_arg, value, "value", JSON_U64, .flags = JSON_REQUIRED),
    FIELD(config_seccomp_arg, value_two, "valueTwo", JSON_U64),
    FIELD(config_seccomp_arg, op, "op", JSON_STRING, .flags = JSON_REQUIRED,
	  .words = operator_words),
    FIELDS_END,
};

static const struct json_table arg_table = TABLE(config_seccomp_arg, arg_fields);

/* SCMP_ACT_TRACE hands 16 bits to the tracer; check_errno() narrows it for an errno. */
static const struct json_field rule_fields[] = {
    FIELD(config_seccomp_rule, names, "names", JSON_STRING_LIST,
	  .flags = JSON_REQUIRED | JSON_NONEMPTY),
    FIELD(config_seccomp_rule, action, "action", JSON_STRING, .flags = JSON_REQUIRED,
	  .words = action_words),
    FIELD(config_seccomp_rule, errno_ret, "errnoRet", JSON_OPT_U32, .max = 65535),
    OBJECTS(config_seccomp_rule, args, n_args, "args", JSON_OBJECT_LIST, &arg_table),
    FIELDS_END,
};

static const struct json_table rule_table = TABLE(config_seccomp_rule, rule_fields);

static const struct json_field seccomp_fields[] = {
    FIELD(config_seccomp, default_action, "defaultAction", JSON_STRING, .flags = JSON_REQUIRED,
	  .words = action_words),
    FIELD(config_seccomp, default_errno_ret, "defaultErrnoRet", JSON_OPT_U32, .max = 65535),
    FIELD(config_seccomp, architectures, "architectures", JSON_STRING_LIST),
    FIELD(config_seccomp, flags, "flags", JSON_STRING_LIST, .words = flag_words),
    OBJECTS(config_seccomp, syscalls, n_syscalls, "syscalls", JSON_OBJECT_LIST, &rule_table),
    FIELD(config_seccomp, listener_path, "listenerPath", JSON_STRING,
	  .flags = JSON_ABSOLUTE | JSON_EMPTY_ABSENT),
    FIELD(config_seccomp, listener_metadata, "listenerMetadata", JSON_STRING,
	  .flags = JSON_EMPTY_ABSENT),
    FIELDS_END,
};

const struct json_table config_seccomp_table = TABLE(config_seccomp, seccomp_fields);

/* The kernel cuts what is above MAX_ERRNO (include/linux/err.h) to it. */
static int check_errno(const struct config_check *c, const char *path, const char *action,
		       struct opt_u32 value)
{
	const uint32_t max_errno = 4095;

	if (!value.set || value.value <= max_errno || strcmp(action, "SCMP_ACT_TRACE") == 0)
		return 0;
	return config_wrong(c, "%s: expected a whole number from 0 to %u with %s, got %u", path,
			    max_errno, action, value.value);
}

static bool is_notify(const char *action)
{
	return strcmp(action, "SCMP_ACT_NOTIFY") == 0;
}

/* What would wait for an answer before the listener has the descriptor that it answers on: sending
 * it is a syscall under the filter, too. */
static int check_notify(const struct config_check *c, const struct config_seccomp *seccomp)
{
	if (seccomp->listener_metadata && !seccomp->listener_path)
		return config_wrong(c, "listenerMetadata: expected only with listenerPath, but "
				       "listenerPath is missing");
	if (is_notify(seccomp->default_action))
		return config_wrong(c, "defaultAction: expected an action other than "
				       "SCMP_ACT_NOTIFY, which would stop the start itself");
	for (size_t i = 0; i < seccomp->n_syscalls; i++) {
		const struct config_seccomp_rule *rule = &seccomp->syscalls[i];

		if (!is_notify(rule->action))
			continue;
		if (!seccomp->listener_path)
			return config_wrong(c,
					    "syscalls[%zu].action: expected SCMP_ACT_NOTIFY only "
					    "with listenerPath, but listenerPath is missing",
					    i);
		if (str_list_has(&rule->names, "write"))
			return config_wrong(c,
					    "syscalls[%zu].names: expected syscalls other than "
					    "write with SCMP_ACT_NOTIFY: the start itself needs it",
					    i);
	}
	return 0;
}

int config_check_seccomp(const struct config_check *c, const struct config_seccomp *seccomp)
{
	if (check_errno(c, "defaultErrnoRet", seccomp->default_action, seccomp->default_errno_ret) <
	    0)
		return -1;
	for (size_t i = 0; i < seccomp->n_syscalls; i++) {
		const struct config_seccomp_rule *rule = &seccomp->syscalls[i];
		char path[64];

		snprintf(path, sizeof(path), "syscalls[%zu].errnoRet", i);
		if (check_errno(c, path, rule->action, rule->errno_ret) < 0)
			return -1;
	}
	return check_notify(c, seccomp);
}
