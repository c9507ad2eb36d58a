/* config-linux.md: what is neither cgroup nor seccomp. */
#include <inttypes.h>
#include <string.h>

#include "config_internal.h"

static const char *const namespace_words[] = {"pid",  "network", "mount", "ipc", "uts",
					      "user", "cgroup",	 "time",  NULL};
static const char *const clock_words[] = {"monotonic", "boottime", NULL};
static const char *const device_words[] = {"c", "b", "u", "p", NULL};
static const char *const domain_words[] = {"LINUX", "LINUX32", NULL};
static const char *const propagation_words[] = {"shared",     "slave",	     "private",
						"unbindable", "rshared",     "rslave",
						"rprivate",   "runbindable", NULL};

static const struct json_field namespace_fields[] = {
    FIELD(config_namespace, type, "type", JSON_STRING, .flags = JSON_REQUIRED,
	  .words = namespace_words),
    FIELD(config_namespace, path, "path", JSON_STRING, .flags = JSON_ABSOLUTE | JSON_EMPTY_ABSENT),
    FIELDS_END,
};

static const struct json_table namespace_table = TABLE(config_namespace, namespace_fields);

static const struct json_field id_mapping_fields[] = {
    FIELD(config_id_mapping, container_id, "containerID", JSON_U32, .flags = JSON_REQUIRED),
    FIELD(config_id_mapping, host_id, "hostID", JSON_U32, .flags = JSON_REQUIRED),
    FIELD(config_id_mapping, size, "size", JSON_U32, .flags = JSON_REQUIRED, .min = 1,
	  .max = UINT32_MAX),
    FIELDS_END,
};

const struct json_table config_id_mapping_table = TABLE(config_id_mapping, id_mapping_fields);

static const struct json_field time_offset_fields[] = {
    FIELD(config_time_offset, secs, "secs", JSON_I64),
    FIELD(config_time_offset, nanosecs, "nanosecs", JSON_U32, .max = 999999999),
    FIELDS_END,
};

static const struct json_table time_offset_table = {
    .size = sizeof(struct config_time_offset),
    .fields = time_offset_fields,
    .present_offset = JSON_NO_OFFSET,
    .key_offset = offsetof(struct config_time_offset, clock),
};

static const struct json_field device_fields[] = {
    FIELD(config_device, type, "type", JSON_STRING, .flags = JSON_REQUIRED, .words = device_words),
    FIELD(config_device, path, "path", JSON_STRING, .flags = JSON_REQUIRED | JSON_ABSOLUTE),
    FIELD(config_device, major, "major", JSON_I64, .max = DEVICE_MAJOR_MAX,
	  .set_offset = offsetof(struct config_device, major_set)),
    FIELD(config_device, minor, "minor", JSON_I64, .max = DEVICE_MINOR_MAX,
	  .set_offset = offsetof(struct config_device, minor_set)),
    FIELD(config_device, file_mode, "fileMode", JSON_OPT_U32),
    FIELD(config_device, uid, "uid", JSON_OPT_U32, .max = UINT32_MAX - 1),
    FIELD(config_device, gid, "gid", JSON_OPT_U32, .max = UINT32_MAX - 1),
    FIELDS_END,
};

static const struct json_table device_table = TABLE(config_device, device_fields);

static const struct json_field personality_fields[] = {
    FIELD(config_personality, domain, "domain", JSON_STRING, .flags = JSON_REQUIRED,
	  .words = domain_words),
    FIELD(config_personality, flags, "flags", JSON_STRING_LIST),
    FIELDS_END,
};

static const struct json_table personality_table = TABLE(config_personality, personality_fields);

static const struct json_field linux_fields[] = {
    OBJECTS(config_linux, namespaces, n_namespaces, "namespaces", JSON_OBJECT_LIST,
	    &namespace_table, .set_offset = offsetof(struct config_linux, namespaces_present)),
    OBJECTS(config_linux, uid_mappings, n_uid_mappings, "uidMappings", JSON_OBJECT_LIST,
	    &config_id_mapping_table),
    OBJECTS(config_linux, gid_mappings, n_gid_mappings, "gidMappings", JSON_OBJECT_LIST,
	    &config_id_mapping_table),
    OBJECTS(config_linux, time_offsets, n_time_offsets, "timeOffsets", JSON_OBJECT_MAP,
	    &time_offset_table),
    OBJECTS(config_linux, devices, n_devices, "devices", JSON_OBJECT_LIST, &device_table),
    FIELD(config_linux, cgroups_path, "cgroupsPath", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELD(config_linux, resources, "resources", JSON_OBJECT, .table = &config_resources_table),
    FIELD(config_linux, sysctl, "sysctl", JSON_STRING_MAP),
    FIELD(config_linux, seccomp, "seccomp", JSON_OPT_OBJECT, .table = &config_seccomp_table),
    FIELD(config_linux, rootfs_propagation, "rootfsPropagation", JSON_STRING,
	  .flags = JSON_EMPTY_ABSENT, .words = propagation_words),
    FIELD(config_linux, masked_paths, "maskedPaths", JSON_STRING_LIST, .flags = JSON_ABSOLUTE),
    FIELD(config_linux, readonly_paths, "readonlyPaths", JSON_STRING_LIST, .flags = JSON_ABSOLUTE),
    FIELD(config_linux, personality, "personality", JSON_OPT_OBJECT, .table = &personality_table),
    FIELD(config_linux, mount_label, "mountLabel", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELD(config_linux, intel_rdt, "intelRdt", JSON_OPT_OBJECT, .table = &config_intel_rdt_table),
    FIELD(config_linux, memory_policy, "memoryPolicy", JSON_OPT_OBJECT,
	  .table = &config_memory_policy_table),
    OBJECTS(config_linux, net_devices, n_net_devices, "netDevices", JSON_OBJECT_MAP,
	    &config_net_device_table),
    FIELDS_END,
};

const struct json_table config_linux_table = TABLE_PRESENT(config_linux, linux_fields);

struct config_namespace *config_namespace_find(const struct config_linux *linux_, const char *type)
{
	for (size_t i = 0; i < linux_->n_namespaces; i++) {
		if (strcmp(linux_->namespaces[i].type, type) == 0)
			return &linux_->namespaces[i];
	}
	return NULL;
}

static int check_namespaces(const struct config_check *c, const struct config_linux *linux_)
{
	for (size_t i = 0; i < linux_->n_namespaces; i++) {
		const struct config_namespace *ns = &linux_->namespaces[i];
		const struct config_namespace *first = config_namespace_find(linux_, ns->type);

		if (first != ns)
			return config_wrong(c,
					    "namespaces[%zu].type: expected each type once, got %s "
					    "again (it is in linux.namespaces[%zu])",
					    i, ns->type, (size_t)(first - linux_->namespaces));
	}
	return 0;
}

/* user_namespaces(7), "Defining user and group ID mappings". */
enum { MAX_MAPPINGS = 340 };

int config_check_mappings(const struct config_check *c, const char *key,
			  const struct config_id_mapping *list, size_t n)
{
	if (n > MAX_MAPPINGS)
		return config_wrong(c, "%s: expected at most %d ranges, which the kernel takes",
				    key, MAX_MAPPINGS);
	for (size_t i = 0; i < n; i++) {
		uint64_t first =
		    list[i].container_id > list[i].host_id ? list[i].container_id : list[i].host_id;

		/* 4294967295 is no id: it is -1 to chown(2) and setuid(2). */
		if (first + list[i].size > UINT32_MAX)
			return config_wrong(c,
					    "%s[%zu].size: expected ids up to 4294967294, got a "
					    "range that ends at %" PRIu64,
					    key, i, first + list[i].size - 1);
	}
	return 0;
}

static int check_user_mappings(const struct config_check *c, const struct config_linux *linux_)
{
	if ((linux_->n_uid_mappings || linux_->n_gid_mappings) &&
	    !config_namespace_find(linux_, "user"))
		return config_wrong(c,
				    "%s: expected only with a namespace of type user in "
				    "linux.namespaces",
				    linux_->n_uid_mappings ? "uidMappings" : "gidMappings");
	if (config_check_mappings(c, "uidMappings", linux_->uid_mappings, linux_->n_uid_mappings) <
	    0)
		return -1;
	return config_check_mappings(c, "gidMappings", linux_->gid_mappings,
				     linux_->n_gid_mappings);
}

static int check_time_offsets(const struct config_check *c, const struct config_linux *linux_)
{
	if (linux_->n_time_offsets > 0 && !config_namespace_find(linux_, "time"))
		return config_wrong(c, "timeOffsets: expected only with a namespace of type time "
				       "in linux.namespaces");
	for (size_t i = 0; i < linux_->n_time_offsets; i++) {
		const char *clock = linux_->time_offsets[i].clock;
		const char *const *word = clock_words;

		while (*word && strcmp(*word, clock) != 0)
			word++;
		if (!*word)
			return config_wrong(c,
					    "timeOffsets: expected monotonic or boottime, got %s",
					    json_shown(c->arena, clock));
	}
	return 0;
}

static int check_devices(const struct config_check *c, const struct config_linux *linux_)
{
	for (size_t i = 0; i < linux_->n_devices; i++) {
		const struct config_device *device = &linux_->devices[i];

		if (strcmp(device->type, "p") == 0 || (device->major_set && device->minor_set))
			continue;
		return config_wrong(c,
				    "devices[%zu].%s: expected a whole number for a device of type "
				    "%s, but it is missing",
				    i, device->major_set ? "minor" : "major", device->type);
	}
	return 0;
}

/* A key becomes a path below /proc/sys: no part of it may be empty, "." or "..". Two separators
 * side by side would make one. */
static bool is_sysctl_key(const char *key)
{
	bool after_separator = true;

	for (; *key; key++) {
		bool separator = *key == '.' || *key == '/';

		if ((separator && after_separator) || (unsigned char)*key <= ' ')
			return false;
		after_separator = separator;
	}
	return !after_separator;
}

static int check_sysctl(const struct config_check *c, const struct str_map *sysctl)
{
	for (size_t i = 0; i < sysctl->n; i++) {
		if (!is_sysctl_key(sysctl->items[i].key))
			return config_wrong(c,
					    "sysctl: expected names such as net.ipv4.ip_forward, "
					    "got %s",
					    json_shown(c->arena, sysctl->items[i].key));
	}
	return 0;
}

int config_check_linux(const struct config_check *c, const struct config_linux *linux_)
{
	struct config_check in = *c;

	in.at = "linux.";
	if (check_namespaces(&in, linux_) < 0 || check_user_mappings(&in, linux_) < 0 ||
	    check_time_offsets(&in, linux_) < 0 || check_devices(&in, linux_) < 0 ||
	    check_sysctl(&in, &linux_->sysctl) < 0 ||
	    config_check_label(&in, "mountLabel", linux_->mount_label) < 0 ||
	    config_check_net_devices(&in, linux_) < 0)
		return -1;
	if (linux_->intel_rdt && config_check_intel_rdt(&in, linux_->intel_rdt) < 0)
		return -1;
	if (linux_->memory_policy && config_check_memory_policy(&in, linux_->memory_policy) < 0)
		return -1;
	if (linux_->personality && linux_->personality->flags.n > 0)
		return config_wrong(
		    &in,
		    "personality.flags: expected an empty list (no flag is defined), "
		    "got %s",
		    json_shown(c->arena, linux_->personality->flags.items[0]));
	in.at = "linux.resources.";
	if (config_check_resources(&in, &linux_->resources) < 0)
		return -1;
	in.at = "linux.seccomp.";
	return linux_->seccomp ? config_check_seccomp(&in, linux_->seccomp) : 0;
}
