/* config.md: "Root" and "Mounts". What an option means is plan's to decide. */
#include "config_internal.h"

static const struct json_field root_fields[] = {
    FIELD(config_root, path, "path", JSON_STRING, .flags = JSON_REQUIRED | JSON_NONEMPTY),
    FIELD(config_root, readonly, "readonly", JSON_BOOL),
    FIELDS_END,
};

const struct json_table config_root_table = TABLE_PRESENT(config_root, root_fields);

static const struct json_field mount_fields[] = {
    FIELD(config_mount, destination, "destination", JSON_STRING,
	  .flags = JSON_REQUIRED | JSON_NONEMPTY),
    FIELD(config_mount, type, "type", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELD(config_mount, source, "source", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELD(config_mount, options, "options", JSON_STRING_LIST),
    UNBUILT("uidMappings"),
    UNBUILT("gidMappings"),
    FIELDS_END,
};

const struct json_table config_mount_table = TABLE(config_mount, mount_fields);
