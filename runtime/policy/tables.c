/* Which keys a policy file has. docs/policy.md says what each means. */
#include "tables.h"

#include <stddef.h>

#include "policy_internal.h"

#define FIELD(type, key_, kind_, member)                                                           \
	{                                                                                          \
		.key = (key_), .kind = (kind_), .offset = offsetof(struct type, member)            \
	}
#define WORDS(type, key_, member, ...)                                                             \
	{                                                                                          \
		.key = (key_), .kind = JSON_STRING, .offset = offsetof(struct type, member),       \
		.words = (const char *const[])                                                     \
		{                                                                                  \
			__VA_ARGS__, NULL                                                          \
		}                                                                                  \
	}
#define ID(type, key_, member)                                                                     \
	{                                                                                          \
		.key = (key_), .kind = JSON_OPT_U32, .offset = offsetof(struct type, member),      \
		.min = 1, .max = UINT32_MAX - 1                                                    \
	}
#define OBJECT(key_, member, table_)                                                               \
	{                                                                                          \
		.key = (key_), .kind = JSON_OBJECT, .offset = offsetof(struct policy, member),     \
		.table = &(table_)                                                                 \
	}
#define TABLE(type, fields_)                                                                       \
	{                                                                                          \
		.size = sizeof(struct type), .fields = (fields_),                                  \
		.present_offset = JSON_NO_OFFSET, .key_offset = JSON_NO_OFFSET,                    \
		.unknown_is_error = true                                                           \
	}
#define END                                                                                        \
	{                                                                                          \
		.key = NULL                                                                        \
	}

static const struct json_field user_fields[] = {
    WORDS(policy_user, "root", root, WORD_REPLACE, WORD_REFUSE, WORD_KEEP),
    ID(policy_user, "uid", uid),
    ID(policy_user, "gid", gid),
    WORDS(policy_user, "rootGroup", root_group, WORD_REPLACE, WORD_REFUSE, WORD_KEEP),
    WORDS(policy_user, "additionalRootGroup", additional_root_group, WORD_DROP, WORD_REFUSE,
	  WORD_KEEP),
    FIELD(policy_user, "mustBeMapped", JSON_OPT_BOOL, must_be_mapped),
    WORDS(policy_user, "home", home, WORD_FOLLOW, WORD_KEEP),
    FIELD(policy_user, "identityFiles", JSON_OPT_BOOL, identity_files),
    END,
};
static const struct json_table user_table = TABLE(policy_user, user_fields);

static const struct json_field capabilities_fields[] = {
    FIELD(policy_capabilities, "asWritten", JSON_OPT_BOOL, as_written),
    FIELD(policy_capabilities, "give", JSON_STRING_LIST, give),
    END,
};
static const struct json_table capabilities_table = TABLE(policy_capabilities, capabilities_fields);

static const struct json_field process_fields[] = {
    WORDS(policy_process, "priority", priority, WORD_DROP, WORD_REFUSE, WORD_KEEP),
    WORDS(policy_process, "labels", labels, WORD_REPLACE, WORD_REFUSE, WORD_KEEP),
    END,
};
static const struct json_table process_table = TABLE(policy_process, process_fields);

static const struct json_field seccomp_fields[] = {
    FIELD(policy_seccomp, "builtin", JSON_OPT_BOOL, builtin),
    FIELD(policy_seccomp, "allow", JSON_STRING_LIST, allow),
    END,
};
static const struct json_table seccomp_table = TABLE(policy_seccomp, seccomp_fields);

static const struct json_field tmpfs_fields[] = {
    FIELD(policy_tmpfs, "mode", JSON_STRING, mode),
    FIELD(policy_tmpfs, "exec", JSON_OPT_BOOL, exec),
    FIELD(policy_tmpfs, "copyUp", JSON_OPT_BOOL, copy_up),
    FIELD(policy_tmpfs, "owned", JSON_OPT_BOOL, owned),
    FIELD(policy_tmpfs, "enabled", JSON_OPT_BOOL, enabled),
    END,
};
static const struct json_table tmpfs_table = {
    .size = sizeof(struct policy_tmpfs),
    .fields = tmpfs_fields,
    .present_offset = JSON_NO_OFFSET,
    .key_offset = offsetof(struct policy_tmpfs, path),
    .unknown_is_error = true,
};

static const struct json_field rootfs_fields[] = {
    FIELD(policy_rootfs, "readonly", JSON_OPT_BOOL, readonly),
    WORDS(policy_rootfs, "propagation", propagation, WORD_PRIVATE, WORD_KEEP),
    {.key = "tmpfs",
     .kind = JSON_OBJECT_MAP,
     .offset = offsetof(struct policy_rootfs, tmpfs),
     .count_offset = offsetof(struct policy_rootfs, n_tmpfs),
     .table = &tmpfs_table},
    END,
};
static const struct json_table rootfs_table = TABLE(policy_rootfs, rootfs_fields);

static const struct json_field mounts_fields[] = {
    FIELD(policy_mounts, "nosuidNodev", JSON_OPT_BOOL, nosuid_nodev),
    FIELD(policy_mounts, "checkBinds", JSON_OPT_BOOL, check_binds),
    FIELD(policy_mounts, "allowBinds", JSON_STRING_LIST, allow_binds),
    FIELD(policy_mounts, "giveNewVolumes", JSON_OPT_BOOL, give_new_volumes),
    FIELD(policy_mounts, "explainDenied", JSON_OPT_BOOL, explain_denied),
    END,
};
static const struct json_table mounts_table = TABLE(policy_mounts, mounts_fields);

#define NAMESPACE(key_, member)                                                                    \
	WORDS(policy_namespaces, key_, member, WORD_ADD, WORD_REFUSE, WORD_KEEP)

static const struct json_field namespaces_fields[] = {
    NAMESPACE("noList", no_list),  NAMESPACE("pid", pid),
    NAMESPACE("network", network), NAMESPACE("ipc", ipc),
    NAMESPACE("mount", mount),	   NAMESPACE("uts", uts),
    NAMESPACE("cgroup", cgroup),   END,
};
static const struct json_table namespaces_table = TABLE(policy_namespaces, namespaces_fields);

static const struct json_field paths_fields[] = {
    FIELD(policy_paths, "masked", JSON_STRING_LIST, masked),
    FIELD(policy_paths, "readonly", JSON_STRING_LIST, readonly),
    END,
};
static const struct json_table paths_table = TABLE(policy_paths, paths_fields);

static const struct json_field devices_fields[] = {
    FIELD(policy_devices, "asWritten", JSON_OPT_BOOL, as_written),
    FIELD(policy_devices, "allow", JSON_STRING_LIST, allow),
    END,
};
static const struct json_table devices_table = TABLE(policy_devices, devices_fields);

static const struct json_field limits_fields[] = {
    FIELD(policy_limits, "memory", JSON_STRING, memory),
    FIELD(policy_limits, "swap", JSON_STRING, swap),
    FIELD(policy_limits, "cpus", JSON_STRING, cpus),
    FIELD(policy_limits, "pids", JSON_STRING, pids),
    END,
};
static const struct json_table limits_table = TABLE(policy_limits, limits_fields);

static const struct json_field sysctl_fields[] = {
    FIELD(policy_sysctl, "unprivilegedNetwork", JSON_OPT_BOOL, unprivileged_network),
    FIELD(policy_sysctl, "memfdNoexec", JSON_OPT_BOOL, memfd_noexec),
    FIELD(policy_sysctl, "checkNamespaces", JSON_OPT_BOOL, check_namespaces),
    FIELD(policy_sysctl, "allow", JSON_STRING_LIST, allow),
    END,
};
static const struct json_table sysctl_table = TABLE(policy_sysctl, sysctl_fields);

static const struct json_field policy_fields[] = {
    {.key = "comment", .kind = JSON_IGNORE}, /* JSON has no comments of its own */
    WORDS(policy, "extends", extends, "default", "strict", "oci", "none"),
    {.key = "name",
     .kind = JSON_STRING,
     .offset = offsetof(struct policy, name),
     .flags = JSON_NONEMPTY},
    OBJECT("user", user, user_table),
    OBJECT("capabilities", capabilities, capabilities_table),
    FIELD(policy, "noNewPrivileges", JSON_OPT_BOOL, no_new_privileges),
    OBJECT("seccomp", seccomp, seccomp_table),
    OBJECT("process", process, process_table),
    OBJECT("rootfs", rootfs, rootfs_table),
    OBJECT("mounts", mounts, mounts_table),
    OBJECT("namespaces", namespaces, namespaces_table),
    OBJECT("paths", paths, paths_table),
    OBJECT("devices", devices, devices_table),
    OBJECT("limits", limits, limits_table),
    OBJECT("sysctl", sysctl, sysctl_table),
    FIELD(policy, "annotations", JSON_STRING_LIST, annotations),
    FIELD(policy, "allow", JSON_STRING_LIST, allow),
    FIELD(policy, "systemdProperties", JSON_STRING_LIST, systemd_properties),
    FIELD(policy, "criuConfig", JSON_OPT_BOOL, criu_config),
    END,
};
const struct json_table policy_table = TABLE(policy, policy_fields);
