/* A policy file, and what follows --allow: the owner's word, which may be misspelt all the same. */
#include "config.h"
#include "fuzz.h"
#include "policy.h"

static void apply(struct arena *arena, const struct policy *policy, bool collect)
{
	struct error err = ERROR_INIT;
	struct findings findings = {.arena = arena};
	struct hardening hardening = {0};
	struct policy_input in = {.policy = policy};
	struct config cfg;

	config_spec(arena, &cfg);
	if (policy_apply(arena, &in, collect, &cfg, &hardening, &findings, &err) < 0)
		check_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct policy_setting setting;
	char *text = as_text(&arena, data, size);
	const struct policy *policy = policy_parse(&arena, "policy.json", text, size, &err);

	if (policy) {
		if (!policy_name(policy))
			broken("a policy has a name", text);
		apply(&arena, policy, false);
		apply(&arena, policy, true);
	} else {
		check_error(&err);
	}
	err = (struct error)ERROR_INIT;
	if (policy_parse_allow(&arena, text, &setting, &err) < 0)
		check_error(&err);
	arena_free(&arena);
	return 0;
}
