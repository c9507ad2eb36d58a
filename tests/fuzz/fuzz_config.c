/* config.json from anybody: parsed, hardened by each policy, written, and read again as it was. */
#include "fuzz.h"

static void harden(struct arena *arena, const struct config *parsed, const char *name, bool collect)
{
	struct error err = ERROR_INIT;
	struct findings findings = {.arena = arena};
	struct hardening hardening = {0};
	struct config cfg = *parsed;
	struct policy_input in = builtin_policy(arena, name);

	if (policy_apply(arena, &in, collect, &cfg, &hardening, &findings, &err) < 0) {
		if (collect)
			broken("check collects what is refused", err.text);
		check_error(&err);
		return;
	}
	must_come_back(arena, &cfg);
	if (strcmp(name, "oci") != 0 && !findings_have(&findings, FINDING_REFUSED))
		must_be_hardened(&cfg, &hardening);
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
