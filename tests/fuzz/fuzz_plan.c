/* The whole way of a config.json before a child exists: parsed, hardened, planned. The rootfs is a
 * folder of our own, whatever the input says; a path that leads to the host is opened as create
 * would open it, and nothing is made or mounted there: plan/ only opens, reads and clones. */
#include "../../runtime/cgroup/systemd_internal.h"
#include "fuzz.h"

/* What only the cgroup room reads of it: the name of a unit, and its properties. */
static void read_names(struct arena *arena, const struct config *cfg)
{
	struct error err = ERROR_INIT;
	struct sd_properties list = {.arena = arena};
	struct sd_unit unit;

	if (sd_unit_choose(arena, cfg->linux_.cgroups_path, "fuzz", false, &unit, &err) < 0)
		check_error(&err);
	else if (strstr(unit.path, "/../") || strchr(unit.name, '/'))
		broken("a unit is one name below its slice", unit.path);
	err = (struct error)ERROR_INIT;
	if (sd_properties_of_annotations(&list, &cfg->annotations, &err) < 0)
		check_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char rootfs[] = "rootfs";
	struct arena arena = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct config cfg;

	if (config_parse(&arena, "config.json", as_text(&arena, data, size), size, &cfg, &err) <
	    0) {
		check_error(&err);
	} else {
		if (cfg.root.path[0] != '/')
			cfg.root.path = rootfs;
		harden_and_plan(&arena, &cfg, "default", false);
		harden_and_plan(&arena, &cfg, "default", true);
		harden_and_plan(&arena, &cfg, "strict", true);
		harden_and_plan(&arena, &cfg, "oci", true);
		read_names(&arena, &cfg);
	}
	arena_free(&arena);
	return 0;
}
