/* config.md: "Process". */
#include <inttypes.h>
#include <string.h>

#include "config_internal.h"

/* getrlimit(2) */
static const char *const rlimit_words[] = {
    "RLIMIT_AS",
    "RLIMIT_CORE",
    "RLIMIT_CPU",
    "RLIMIT_DATA",
    "RLIMIT_FSIZE",
    "RLIMIT_LOCKS",
    "RLIMIT_MEMLOCK",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_NOFILE",
    "RLIMIT_NPROC",
    "RLIMIT_RSS",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
    "RLIMIT_SIGPENDING",
    "RLIMIT_STACK",
    NULL,
};

/* A terminal's size is two 16-bit numbers (ioctl_tty(2), struct winsize). */
static const struct json_field console_size_fields[] = {
    FIELD(config_console_size, height, "height", JSON_U32, .flags = JSON_REQUIRED, .max = 65535),
    FIELD(config_console_size, width, "width", JSON_U32, .flags = JSON_REQUIRED, .max = 65535),
    FIELDS_END,
};

static const struct json_table console_size_table =
    TABLE_PRESENT(config_console_size, console_size_fields);

/* 4294967295 is -1, "leave it as it is", to setuid(2) and chown(2). */
static const struct json_field user_fields[] = {
    FIELD(config_user, uid, "uid", JSON_U32, .max = UINT32_MAX - 1),
    FIELD(config_user, gid, "gid", JSON_U32, .max = UINT32_MAX - 1),
    FIELD(config_user, umask, "umask", JSON_OPT_U32, .max = 0777),
    FIELD(config_user, additional_gids, "additionalGids", JSON_U32_LIST, .max = UINT32_MAX - 1),
    FIELDS_END,
};

static const struct json_table user_table = TABLE(config_user, user_fields);

static const struct json_field capabilities_fields[] = {
    FIELD(config_capabilities, bounding, "bounding", JSON_STRING_LIST),
    FIELD(config_capabilities, effective, "effective", JSON_STRING_LIST),
    FIELD(config_capabilities, inheritable, "inheritable", JSON_STRING_LIST),
    FIELD(config_capabilities, permitted, "permitted", JSON_STRING_LIST),
    FIELD(config_capabilities, ambient, "ambient", JSON_STRING_LIST),
    FIELDS_END,
};

static const struct json_table capabilities_table =
    TABLE_PRESENT(config_capabilities, capabilities_fields);

static const struct json_field rlimit_fields[] = {
    FIELD(config_rlimit, type, "type", JSON_STRING, .flags = JSON_REQUIRED, .words = rlimit_words),
    FIELD(config_rlimit, soft, "soft", JSON_U64, .flags = JSON_REQUIRED),
    FIELD(config_rlimit, hard, "hard", JSON_U64, .flags = JSON_REQUIRED),
    FIELDS_END,
};

static const struct json_table rlimit_table = TABLE(config_rlimit, rlimit_fields);

static const struct json_field process_fields[] = {
    FIELD(config_process, terminal, "terminal", JSON_BOOL),
    FIELD(config_process, console_size, "consoleSize", JSON_OBJECT, .table = &console_size_table),
    FIELD(config_process, user, "user", JSON_OBJECT, .table = &user_table,
	  .set_offset = offsetof(struct config_process, user_present)),
    FIELD(config_process, args, "args", JSON_STRING_LIST, .flags = JSON_REQUIRED | JSON_NONEMPTY),
    FIELD(config_process, env, "env", JSON_STRING_LIST),
    FIELD(config_process, cwd, "cwd", JSON_STRING, .flags = JSON_REQUIRED | JSON_ABSOLUTE),
    OBJECTS(config_process, rlimits, n_rlimits, "rlimits", JSON_OBJECT_LIST, &rlimit_table),
    FIELD(config_process, capabilities, "capabilities", JSON_OBJECT, .table = &capabilities_table),
    FIELD(config_process, no_new_privileges, "noNewPrivileges", JSON_BOOL),
    FIELD(config_process, oom_score_adj, "oomScoreAdj", JSON_OPT_I64, .min = -1000, .max = 1000),
    FIELD(config_process, apparmor_profile, "apparmorProfile", JSON_STRING,
	  .flags = JSON_EMPTY_ABSENT),
    FIELD(config_process, selinux_label, "selinuxLabel", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELD(config_process, scheduler, "scheduler", JSON_OPT_OBJECT,
	  .table = &config_scheduler_table),
    FIELD(config_process, io_priority, "ioPriority", JSON_OPT_OBJECT,
	  .table = &config_io_priority_table),
    FIELD(config_process, exec_cpu_affinity, "execCPUAffinity", JSON_OPT_OBJECT,
	  .table = &config_cpu_affinity_table),
    FIELDS_END,
};

const struct json_table config_process_table = TABLE_PRESENT(config_process, process_fields);

int config_check_env(const struct config_check *c, const char *key, const struct str_list *env)
{
	for (size_t i = 0; i < env->n; i++) {
		const char *equals = strchr(env->items[i], '=');

		if (!equals || equals == env->items[i])
			return config_wrong(c, "%s[%zu]: expected NAME=value, got %s", key, i,
					    json_shown(c->arena, env->items[i]));
	}
	return 0;
}

/* It is written to a file of /proc whole, as one line, or stands in a mount's options. */
int config_check_label(const struct config_check *c, const char *key, const char *label)
{
	for (const char *byte = label; byte && *byte; byte++) {
		if ((unsigned char)*byte < ' ' || *byte == 0x7f || *byte == '"')
			return config_wrong(c,
					    "%s: expected a name without control characters and "
					    "quotes, got %s",
					    key, json_shown(c->arena, label));
	}
	return 0;
}

static int check_rlimits(const struct config_check *c, const struct config_process *process)
{
	for (size_t i = 0; i < process->n_rlimits; i++) {
		const struct config_rlimit *limit = &process->rlimits[i];

		if (limit->soft > limit->hard)
			return config_wrong(c,
					    "rlimits[%zu].soft: expected at most the hard "
					    "limit %" PRIu64 ", got %" PRIu64,
					    i, limit->hard, limit->soft);
		for (size_t j = 0; j < i; j++) {
			if (strcmp(process->rlimits[j].type, limit->type) == 0)
				return config_wrong(c,
						    "rlimits[%zu].type: expected each "
						    "limit once, got %s again (it is in "
						    "%srlimits[%zu])",
						    i, limit->type, c->at, j);
		}
	}
	return 0;
}

int config_check_process(const struct config_check *c, const struct config_process *process)
{
	if (!process->present)
		return 0;
	if (process->args.items[0][0] == '\0')
		return config_wrong(c, "args[0]: expected the name of a program, got \"\": "
				       "executable file not found in $PATH");
	if (config_check_env(c, "env", &process->env) < 0)
		return -1;
	if (check_rlimits(c, process) < 0 ||
	    config_check_label(c, "apparmorProfile", process->apparmor_profile) < 0 ||
	    config_check_label(c, "selinuxLabel", process->selinux_label) < 0)
		return -1;
	if (process->scheduler && config_check_scheduler(c, process->scheduler) < 0)
		return -1;
	return process->exec_cpu_affinity ? config_check_cpu_affinity(c, process->exec_cpu_affinity)
					  : 0;
}
