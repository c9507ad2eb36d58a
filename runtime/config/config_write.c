/* The way back: a struct as config.json. */
#include "config_internal.h"

void config_write_text(struct json_writer *w, const char *key, const char *text)
{
	if (text)
		json_string(w, key, text);
}

void config_write_list(struct json_writer *w, const char *key, const struct str_list *list)
{
	if (list->n > 0)
		json_string_list(w, key, list);
}

void config_write_u32(struct json_writer *w, const char *key, struct opt_u32 value)
{
	if (value.set)
		json_u64(w, key, value.value);
}

void config_write_i64(struct json_writer *w, const char *key, struct opt_i64 value)
{
	if (value.set)
		json_i64(w, key, value.value);
}

void config_write_u64(struct json_writer *w, const char *key, struct opt_u64 value)
{
	if (value.set)
		json_u64(w, key, value.value);
}

void config_write_bool(struct json_writer *w, const char *key, struct opt_bool value)
{
	if (value.set)
		json_bool(w, key, value.value);
}

static void write_mounts(struct json_writer *w, const struct config *cfg)
{
	if (cfg->n_mounts == 0)
		return;
	json_list_begin(w, "mounts");
	for (size_t i = 0; i < cfg->n_mounts; i++) {
		const struct config_mount *mount = &cfg->mounts[i];

		json_object_begin(w, NULL);
		json_string(w, "destination", mount->destination);
		config_write_text(w, "type", mount->type);
		config_write_text(w, "source", mount->source);
		config_write_list(w, "options", &mount->options);
		config_write_mappings(w, "uidMappings", mount->uid_mappings, mount->n_uid_mappings);
		config_write_mappings(w, "gidMappings", mount->gid_mappings, mount->n_gid_mappings);
		json_object_end(w);
	}
	json_list_end(w);
}

static void write_user(struct json_writer *w, const struct config_user *user)
{
	json_object_begin(w, "user");
	json_u64(w, "uid", user->uid);
	json_u64(w, "gid", user->gid);
	config_write_u32(w, "umask", user->umask);
	if (user->additional_gids.n > 0) {
		json_list_begin(w, "additionalGids");
		for (size_t i = 0; i < user->additional_gids.n; i++)
			json_u64(w, NULL, user->additional_gids.items[i]);
		json_list_end(w);
	}
	json_object_end(w);
}

/* The empty sets as well: that a set is empty is what a reader wants to see. */
static void write_capabilities(struct json_writer *w, const struct config_capabilities *caps)
{
	json_object_begin(w, "capabilities");
	json_string_list(w, "bounding", &caps->bounding);
	json_string_list(w, "effective", &caps->effective);
	json_string_list(w, "inheritable", &caps->inheritable);
	json_string_list(w, "permitted", &caps->permitted);
	json_string_list(w, "ambient", &caps->ambient);
	json_object_end(w);
}

static void write_rlimits(struct json_writer *w, const struct config_process *process)
{
	if (process->n_rlimits == 0)
		return;
	json_list_begin(w, "rlimits");
	for (size_t i = 0; i < process->n_rlimits; i++) {
		json_object_begin(w, NULL);
		json_string(w, "type", process->rlimits[i].type);
		json_u64(w, "soft", process->rlimits[i].soft);
		json_u64(w, "hard", process->rlimits[i].hard);
		json_object_end(w);
	}
	json_list_end(w);
}

static void write_scheduler(struct json_writer *w, const struct config_scheduler *scheduler)
{
	json_object_begin(w, "scheduler");
	json_string(w, "policy", scheduler->policy);
	config_write_i64(w, "nice", scheduler->nice);
	config_write_i64(w, "priority", scheduler->priority);
	config_write_list(w, "flags", &scheduler->flags);
	config_write_u64(w, "runtime", scheduler->runtime);
	config_write_u64(w, "deadline", scheduler->deadline);
	config_write_u64(w, "period", scheduler->period);
	json_object_end(w);
}

static void write_scheduling(struct json_writer *w, const struct config_process *process)
{
	if (process->scheduler)
		write_scheduler(w, process->scheduler);
	if (process->io_priority) {
		json_object_begin(w, "ioPriority");
		json_string(w, "class", process->io_priority->class_);
		json_i64(w, "priority", process->io_priority->priority);
		json_object_end(w);
	}
	if (process->exec_cpu_affinity) {
		json_object_begin(w, "execCPUAffinity");
		config_write_text(w, "initial", process->exec_cpu_affinity->initial);
		config_write_text(w, "final", process->exec_cpu_affinity->final_);
		json_object_end(w);
	}
}

static void write_process(struct json_writer *w, const struct config_process *process)
{
	json_object_begin(w, "process");
	json_bool(w, "terminal", process->terminal);
	if (process->console_size.present) {
		json_object_begin(w, "consoleSize");
		json_u64(w, "height", process->console_size.height);
		json_u64(w, "width", process->console_size.width);
		json_object_end(w);
	}
	if (process->user_present)
		write_user(w, &process->user);
	config_write_list(w, "args", &process->args);
	config_write_list(w, "env", &process->env);
	config_write_text(w, "cwd", process->cwd);
	if (process->capabilities.present)
		write_capabilities(w, &process->capabilities);
	write_rlimits(w, process);
	json_bool(w, "noNewPrivileges", process->no_new_privileges);
	config_write_i64(w, "oomScoreAdj", process->oom_score_adj);
	config_write_text(w, "apparmorProfile", process->apparmor_profile);
	config_write_text(w, "selinuxLabel", process->selinux_label);
	write_scheduling(w, process);
	json_object_end(w);
}

static void write_hook_list(struct json_writer *w, const char *key,
			    const struct config_hook_list *hooks)
{
	if (hooks->n == 0)
		return;
	json_list_begin(w, key);
	for (size_t i = 0; i < hooks->n; i++) {
		const struct config_hook *hook = &hooks->items[i];

		json_object_begin(w, NULL);
		json_string(w, "path", hook->path);
		config_write_list(w, "args", &hook->args);
		config_write_list(w, "env", &hook->env);
		config_write_i64(w, "timeout", hook->timeout);
		json_object_end(w);
	}
	json_list_end(w);
}

static void write_hooks(struct json_writer *w, const struct config_hooks *hooks)
{
	if (hooks->prestart.n == 0 && hooks->create_runtime.n == 0 &&
	    hooks->create_container.n == 0 && hooks->start_container.n == 0 &&
	    hooks->poststart.n == 0 && hooks->poststop.n == 0)
		return;
	json_object_begin(w, "hooks");
	write_hook_list(w, "prestart", &hooks->prestart);
	write_hook_list(w, "createRuntime", &hooks->create_runtime);
	write_hook_list(w, "createContainer", &hooks->create_container);
	write_hook_list(w, "startContainer", &hooks->start_container);
	write_hook_list(w, "poststart", &hooks->poststart);
	write_hook_list(w, "poststop", &hooks->poststop);
	json_object_end(w);
}

void config_write(struct json_writer *w, const char *key, const struct config *cfg)
{
	json_object_begin(w, key);
	config_write_text(w, "ociVersion", cfg->oci_version);
	if (cfg->process.present)
		write_process(w, &cfg->process);
	if (cfg->root.present) {
		json_object_begin(w, "root");
		config_write_text(w, "path", cfg->root.path);
		json_bool(w, "readonly", cfg->root.readonly);
		json_object_end(w);
	}
	config_write_text(w, "hostname", cfg->hostname);
	config_write_text(w, "domainname", cfg->domainname);
	write_mounts(w, cfg);
	write_hooks(w, &cfg->hooks);
	if (cfg->annotations.n > 0)
		json_string_map(w, "annotations", &cfg->annotations);
	if (cfg->linux_.present)
		config_write_linux(w, &cfg->linux_);
	json_object_end(w);
}
