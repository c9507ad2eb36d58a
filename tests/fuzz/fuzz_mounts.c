/* One mount of config.json, the rest being as `spec` has it: destination, type, source and options
 * with a byte 0xff behind each. */
#include "../../runtime/sandbox/sandbox_internal.h"
#include "fuzz.h"

static void mount_data(struct arena *arena, const struct config_mount *mount)
{
	struct plan_mount m = {.kind = PLAN_MOUNT_NEW, .type = mount->type};

	for (size_t i = 0; i < mount->options.n; i++) {
		m.data.items = arena_grow(arena, m.data.items, m.data.n, sizeof(*m.data.items));
		m.data.items[m.data.n++] =
		    (struct str_pair){.key = mount->options.items[i], .value = mount->source};
	}
	(void)mount_needs_old_call(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT;
	struct config cfg;
	struct config_mount mount = {0};

	config_spec(&arena, &cfg);
	mount.destination = next_part(&arena, &data, &size);
	mount.type = next_part(&arena, &data, &size);
	mount.source = next_part(&arena, &data, &size);
	while (size)
		str_list_add(&arena, &mount.options, next_part(&arena, &data, &size));
	/* As the reader has them: required, and "" is absent. */
	if (mount.destination[0]) {
		mount.type = mount.type[0] ? mount.type : NULL;
		mount.source = mount.source[0] ? mount.source : NULL;
		cfg.mounts[cfg.n_mounts - 1] = mount;
		harden_and_plan(&arena, &cfg, "default", false);
		harden_and_plan(&arena, &cfg, "oci", true);
		if (mount.type)
			mount_data(&arena, &mount);
	}
	arena_free(&arena);
	return 0;
}
