/* config-linux.md: "IntelRdt". */
#include <string.h>

#include "config_internal.h"

/* The two that 1.2 had and 1.3 took out: resctrl's monitoring is one thing, enableMonitoring. */
#define MONITORING "specification 1.3 has enableMonitoring in its place"

static const struct json_field intel_rdt_fields[] = {
    FIELD(config_intel_rdt, clos_id, "closID", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELD(config_intel_rdt, schemata, "schemata", JSON_STRING_LIST),
    FIELD(config_intel_rdt, l3_cache_schema, "l3CacheSchema", JSON_STRING,
	  .flags = JSON_EMPTY_ABSENT),
    FIELD(config_intel_rdt, mem_bw_schema, "memBwSchema", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELD(config_intel_rdt, enable_monitoring, "enableMonitoring", JSON_BOOL),
    REFUSED("enableCMT", MONITORING),
    REFUSED("enableMBM", MONITORING),
    FIELDS_END,
};

const struct json_table config_intel_rdt_table = TABLE(config_intel_rdt, intel_rdt_fields);

/* It becomes a folder in resctrl; "/" is resctrl's own, the default class. The kernel's folders
 * there are no classes. */
static int check_clos_id(const struct config_check *c, const char *id)
{
	static const char *const taken[] = {".", "..", "info", "mon_data", "mon_groups", NULL};

	if (!id || strcmp(id, "/") == 0)
		return 0;
	for (const char *const *name = taken; *name; name++) {
		if (strcmp(id, *name) == 0)
			return config_wrong(c,
					    "intelRdt.closID: expected the name of a class, got %s",
					    json_shown(c->arena, id));
	}
	if (strpbrk(id, "/\n") || strlen(id) > 255)
		return config_wrong(
		    c,
		    "intelRdt.closID: expected a name without slashes, or / for the "
		    "default class, got %s",
		    json_shown(c->arena, id));
	return 0;
}

int config_check_intel_rdt(const struct config_check *c, const struct config_intel_rdt *rdt)
{
	const char *bandwidth = rdt->mem_bw_schema;

	if (check_clos_id(c, rdt->clos_id) < 0)
		return -1;
	if (bandwidth && (strncmp(bandwidth, "MB:", 3) != 0 || strchr(bandwidth, '\n')))
		return config_wrong(c,
				    "intelRdt.memBwSchema: expected one line that starts with MB:, "
				    "got %s",
				    json_shown(c->arena, bandwidth));
	for (size_t i = 0; i < rdt->schemata.n; i++) {
		const char *line = rdt->schemata.items[i];

		if (line[0] == '\0' || strchr(line, '\n'))
			return config_wrong(c,
					    "intelRdt.schemata[%zu]: expected one line such as "
					    "\"L3:0=f;1=f\", got %s",
					    i, json_shown(c->arena, line));
	}
	return 0;
}
