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
    OBJECTS(config_mount, uid_mappings, n_uid_mappings, "uidMappings", JSON_OBJECT_LIST,
	    &config_id_mapping_table),
    OBJECTS(config_mount, gid_mappings, n_gid_mappings, "gidMappings", JSON_OBJECT_LIST,
	    &config_id_mapping_table),
    FIELDS_END,
};

const struct json_table config_mount_table = TABLE(config_mount, mount_fields);

int config_check_mounts(const struct config_check *c, const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n_mounts; i++) {
		const struct config_mount *mount = &cfg->mounts[i];
		const char *at = arena_printf(c->arena, "mounts[%zu].", i);
		const char *missing = mount->n_uid_mappings ? "gidMappings" : "uidMappings";
		struct config_check in = *c;

		if (mount->n_uid_mappings + mount->n_gid_mappings == 0)
			continue;
		in.at = at;
		if (mount->n_uid_mappings == 0 || mount->n_gid_mappings == 0)
			return config_wrong(&in,
					    "%s: expected uidMappings and gidMappings, or neither, "
					    "but it is missing",
					    missing);
		if (config_check_mappings(&in, "uidMappings", mount->uid_mappings,
					  mount->n_uid_mappings) < 0 ||
		    config_check_mappings(&in, "gidMappings", mount->gid_mappings,
					  mount->n_gid_mappings) < 0)
			return -1;
	}
	return 0;
}
