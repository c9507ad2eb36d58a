/* The object "linux" of config.json, but for its resources. */
#include "config_internal.h"

static void write_namespaces(struct json_writer *w, const struct config_linux *linux_)
{
	if (!linux_->namespaces_present && linux_->n_namespaces == 0)
		return;
	json_list_begin(w, "namespaces");
	for (size_t i = 0; i < linux_->n_namespaces; i++) {
		json_object_begin(w, NULL);
		json_string(w, "type", linux_->namespaces[i].type);
		config_write_text(w, "path", linux_->namespaces[i].path);
		json_object_end(w);
	}
	json_list_end(w);
}

void config_write_mappings(struct json_writer *w, const char *key,
			   const struct config_id_mapping *mappings, size_t n)
{
	if (n == 0)
		return;
	json_list_begin(w, key);
	for (size_t i = 0; i < n; i++) {
		json_object_begin(w, NULL);
		json_u64(w, "containerID", mappings[i].container_id);
		json_u64(w, "hostID", mappings[i].host_id);
		json_u64(w, "size", mappings[i].size);
		json_object_end(w);
	}
	json_list_end(w);
}

static void write_time_offsets(struct json_writer *w, const struct config_linux *linux_)
{
	if (linux_->n_time_offsets == 0)
		return;
	json_object_begin(w, "timeOffsets");
	for (size_t i = 0; i < linux_->n_time_offsets; i++) {
		const struct config_time_offset *offset = &linux_->time_offsets[i];

		json_object_begin(w, offset->clock);
		json_i64(w, "secs", offset->secs);
		json_u64(w, "nanosecs", offset->nanosecs);
		json_object_end(w);
	}
	json_object_end(w);
}

static void write_devices(struct json_writer *w, const struct config_linux *linux_)
{
	if (linux_->n_devices == 0)
		return;
	json_list_begin(w, "devices");
	for (size_t i = 0; i < linux_->n_devices; i++) {
		const struct config_device *device = &linux_->devices[i];
		bool numbered = device->type[0] != 'p';

		json_object_begin(w, NULL);
		json_string(w, "type", device->type);
		json_string(w, "path", device->path);
		if (numbered || device->major_set)
			json_i64(w, "major", device->major);
		if (numbered || device->minor_set)
			json_i64(w, "minor", device->minor);
		config_write_u32(w, "fileMode", device->file_mode);
		config_write_u32(w, "uid", device->uid);
		config_write_u32(w, "gid", device->gid);
		json_object_end(w);
	}
	json_list_end(w);
}

static void write_seccomp_args(struct json_writer *w, const struct config_seccomp_rule *rule)
{
	if (rule->n_args == 0)
		return;
	json_list_begin(w, "args");
	for (size_t i = 0; i < rule->n_args; i++) {
		json_object_begin(w, NULL);
		json_u64(w, "index", rule->args[i].index);
		json_u64(w, "value", rule->args[i].value);
		if (rule->args[i].value_two != 0)
			json_u64(w, "valueTwo", rule->args[i].value_two);
		json_string(w, "op", rule->args[i].op);
		json_object_end(w);
	}
	json_list_end(w);
}

void config_write_seccomp(struct json_writer *w, const char *key, const struct config_seccomp *s)
{
	json_object_begin(w, key);
	config_write_text(w, "defaultAction", s->default_action);
	config_write_u32(w, "defaultErrnoRet", s->default_errno_ret);
	config_write_list(w, "architectures", &s->architectures);
	config_write_list(w, "flags", &s->flags);
	if (s->n_syscalls > 0) {
		json_list_begin(w, "syscalls");
		for (size_t i = 0; i < s->n_syscalls; i++) {
			const struct config_seccomp_rule *rule = &s->syscalls[i];

			json_object_begin(w, NULL);
			json_string_list(w, "names", &rule->names);
			json_string(w, "action", rule->action);
			config_write_u32(w, "errnoRet", rule->errno_ret);
			write_seccomp_args(w, rule);
			json_object_end(w);
		}
		json_list_end(w);
	}
	config_write_text(w, "listenerPath", s->listener_path);
	config_write_text(w, "listenerMetadata", s->listener_metadata);
	json_object_end(w);
}

static void write_personality(struct json_writer *w, const struct config_personality *personality)
{
	json_object_begin(w, "personality");
	json_string(w, "domain", personality->domain);
	config_write_list(w, "flags", &personality->flags);
	json_object_end(w);
}

static void write_intel_rdt(struct json_writer *w, const struct config_intel_rdt *rdt)
{
	json_object_begin(w, "intelRdt");
	config_write_text(w, "closID", rdt->clos_id);
	config_write_list(w, "schemata", &rdt->schemata);
	config_write_text(w, "l3CacheSchema", rdt->l3_cache_schema);
	config_write_text(w, "memBwSchema", rdt->mem_bw_schema);
	if (rdt->enable_monitoring)
		json_bool(w, "enableMonitoring", true);
	json_object_end(w);
}

static void write_memory_policy(struct json_writer *w, const struct config_memory_policy *policy)
{
	json_object_begin(w, "memoryPolicy");
	json_string(w, "mode", policy->mode);
	config_write_text(w, "nodes", policy->nodes);
	config_write_list(w, "flags", &policy->flags);
	json_object_end(w);
}

static void write_net_devices(struct json_writer *w, const struct config_linux *linux_)
{
	if (linux_->n_net_devices == 0)
		return;
	json_object_begin(w, "netDevices");
	for (size_t i = 0; i < linux_->n_net_devices; i++) {
		json_object_begin(w, linux_->net_devices[i].host_name);
		config_write_text(w, "name", linux_->net_devices[i].name);
		json_object_end(w);
	}
	json_object_end(w);
}

void config_write_linux(struct json_writer *w, const struct config_linux *linux_)
{
	json_object_begin(w, "linux");
	write_namespaces(w, linux_);
	config_write_mappings(w, "uidMappings", linux_->uid_mappings, linux_->n_uid_mappings);
	config_write_mappings(w, "gidMappings", linux_->gid_mappings, linux_->n_gid_mappings);
	write_time_offsets(w, linux_);
	write_devices(w, linux_);
	config_write_text(w, "cgroupsPath", linux_->cgroups_path);
	if (linux_->resources.present)
		config_write_resources(w, "resources", &linux_->resources);
	if (linux_->sysctl.n > 0)
		json_string_map(w, "sysctl", &linux_->sysctl);
	if (linux_->seccomp)
		config_write_seccomp(w, "seccomp", linux_->seccomp);
	config_write_text(w, "rootfsPropagation", linux_->rootfs_propagation);
	config_write_list(w, "maskedPaths", &linux_->masked_paths);
	config_write_list(w, "readonlyPaths", &linux_->readonly_paths);
	if (linux_->personality)
		write_personality(w, linux_->personality);
	config_write_text(w, "mountLabel", linux_->mount_label);
	if (linux_->intel_rdt)
		write_intel_rdt(w, linux_->intel_rdt);
	if (linux_->memory_policy)
		write_memory_policy(w, linux_->memory_policy);
	write_net_devices(w, linux_);
	json_object_end(w);
}
