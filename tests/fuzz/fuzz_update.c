/* update: the JSON of `--resources -`, or without a brace the values of its options. After it the
 * container still has every limit that its policy wants, and none above an annotation's. */
#include <inttypes.h>

#include "../../runtime/cgroup/systemd_internal.h"
#include "../../runtime/container/update.h"
#include "commands.h"
#include "fuzz.h"

/* main's table, which is not linked here. */
const struct command commands[] = {{.name = "update", .main = update_main, .arguments = "ID"},
				   {.name = NULL}};

/* Two containers: one as `spec` has it, one whose annotations lower all that they can. */
static const struct config *container(struct arena *arena, bool lowered)
{
	static const char *const annotations[][2] = {
	    {"io.runsafe.memory", "64m"}, {"io.runsafe.cpus", "0.5"}, {"io.runsafe.pids", "100"}};
	struct config *cfg = arena_alloc(arena, sizeof(*cfg));
	struct policy_input in = builtin_policy(arena, "default");
	struct findings findings = {.arena = arena};
	struct hardening hardening;
	struct error err = ERROR_INIT;

	config_spec(arena, cfg);
	for (size_t i = 0; lowered && i < 3; i++)
		str_map_set(arena, &cfg->annotations, arena_strdup(arena, annotations[i][0]),
			    arena_strdup(arena, annotations[i][1]));
	if (policy_apply(arena, &in, false, cfg, &hardening, &findings, &err) < 0)
		broken("what `spec` prints starts", err.text);
	return cfg;
}

static void must_stay_lowered(const struct config_resources *r)
{
	const int64_t period =
	    r->cpu.period.set && r->cpu.period.value ? (int64_t)r->cpu.period.value : 100000;

	if (r->memory.limit.value > (int64_t)64 << 20 || r->pids.limit.value > 100 ||
	    (double)r->cpu.quota.value / (double)period > 0.5)
		broken("update lifts nothing above an annotation", "it did");
}

/* What is told to systemd, too. */
static void must_be_properties(struct arena *arena, const struct config_resources *r)
{
	struct sd_properties list = {.arena = arena};
	struct cg_settings settings;
	struct error err = ERROR_INIT;

	if (cg_settings_build(arena, r, "100000", &settings, NULL, &err) < 0 ||
	    sd_properties_of_settings(&list, &settings, &err) < 0) {
		check_error(&err);
		return;
	}
	for (size_t i = 0; i < list.n; i++) {
		if ((strcmp(list.items[i].name, "MemoryMax") == 0 ||
		     strcmp(list.items[i].name, "MemorySwapMax") == 0 ||
		     strcmp(list.items[i].name, "CPUQuotaPerSecUSec") == 0 ||
		     strcmp(list.items[i].name, "TasksMax") == 0) &&
		    list.items[i].natural == UINT64_MAX)
			broken("systemd lifts no limit", list.items[i].name);
	}
}

static void update(struct arena *arena, const struct config_resources *parsed, bool lowered)
{
	const struct config *cfg = container(arena, lowered);
	const struct config_resources *now = &cfg->linux_.resources;
	struct config after = *cfg;
	struct config_resources wanted = *parsed;
	struct policy_input in = builtin_policy(arena, "default");
	struct findings findings = {.arena = arena};
	struct error err = ERROR_INIT;

	update_trim(&wanted);
	if (update_check(now, &wanted, &err) < 0 ||
	    policy_apply_update(arena, &in, cfg, &wanted, &findings, &err) < 0) {
		check_error(&err);
		return;
	}
	update_complete(now, &wanted);
	update_merge(arena, now, &wanted, &after.linux_.resources);
	must_come_back(arena, &after);
	must_be_limited(&after.linux_.resources);
	if (lowered)
		must_stay_lowered(&after.linux_.resources);
	must_be_properties(arena, &after.linux_.resources);
}

/* No such container: the options are read, and then it ends. */
static void read_options(struct arena *arena, const uint8_t *data, size_t size)
{
	static const char *const names[] = {"memory",	   "memory-reservation", "memory-swap",
					    "cpu-period",  "cpu-quota",		 "cpu-burst",
					    "cpu-share",   "cpu-idle",		 "cpuset-cpus",
					    "cpuset-mems", "pids-limit",	 "blkio-weight"};
	struct str_list argv = {0};
	struct runtime_options options = {.root = "/nonexistent/runsafe-fuzz"};
	struct error err = ERROR_INIT;

	str_list_add(arena, &argv, arena_strdup(arena, "update"));
	for (size_t i = 0; size && i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = next_part(arena, &data, &size);

		if (*value)
			str_list_add(arena, &argv, arena_printf(arena, "--%s=%s", names[i], value));
	}
	str_list_add(arena, &argv, arena_strdup(arena, "fuzz"));
	if (update_main((int)argv.n, argv.items, &options, arena, &err) == 0)
		broken("a container that is not there can not be updated", argv.items[1]);
	check_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct config_resources resources;

	if (!size || data[0] != '{')
		read_options(&arena, data, size);
	else if (config_parse_resources(&arena, "resources", as_text(&arena, data, size), size,
					&resources, &err) < 0)
		check_error(&err);
	else
		for (int lowered = 0; lowered < 2; lowered++)
			update(&arena, &resources, lowered);
	arena_free(&arena);
	return 0;
}
