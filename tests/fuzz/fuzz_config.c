/* config.json from anybody: parsed, hardened by each policy, written, and read again as it was. */
#include "config.h"
#include "fuzz.h"
#include "json_write.h"
#include "policy.h"

static const char *written(struct arena *arena, const struct config *cfg)
{
	struct json_writer w;

	json_start(&w, arena, false);
	config_write(&w, NULL, cfg);
	return json_finish(&w);
}

/* What `check` shows and state.json keeps has to mean the same when it is read again. */
static void must_come_back(struct arena *arena, const struct config *cfg)
{
	struct config again;
	struct error err = ERROR_INIT;
	const char *text = written(arena, cfg);

	if (config_parse(arena, "written", text, strlen(text), &again, &err) < 0)
		broken(err.text, text);
	if (strcmp(written(arena, &again), text) != 0)
		broken(text, written(arena, &again));
}

static void harden(struct arena *arena, const struct config *parsed, const char *name, bool collect)
{
	struct error err = ERROR_INIT;
	struct findings findings = {.arena = arena};
	struct hardening hardening = {0};
	struct config cfg = *parsed;
	size_t length;
	const char *text = policy_builtin_text(name, &length);
	struct policy_input in = {.policy = policy_parse(arena, name, text, length, &err)};

	if (!in.policy)
		broken("a built-in policy is valid", err.text);
	if (policy_apply(arena, &in, collect, &cfg, &hardening, &findings, &err) < 0) {
		if (collect)
			broken("check collects what is refused", err.text);
		check_error(&err);
		return;
	}
	must_come_back(arena, &cfg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const policies[] = {"default", "strict", "oci"};
	struct arena arena = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct config cfg;

	if (config_parse(&arena, "config.json", as_text(&arena, data, size), size, &cfg, &err) <
	    0) {
		check_error(&err);
	} else {
		const char *before = written(&arena, &cfg);
		must_come_back(&arena, &cfg);
		for (size_t i = 0; i < 6; i++)
			harden(&arena, &cfg, policies[i / 2], i % 2);
		/* policy_apply() replaces lists and never writes through them. */
		if (strcmp(before, written(&arena, &cfg)) != 0)
			broken("the parsed config stays as it was", before);
	}
	arena_free(&arena);
	return 0;
}
