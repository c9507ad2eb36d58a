/* Who may relax: --allow by the machine's owner, annotations only where the policy lists them. */
#include <string.h>

#include "policy_internal.h"

#define OUR_PREFIX     "io.runsafe."
#define SYSTEMD_PREFIX "org.systemd.property."

static const char *prefix_rest(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static int use_allowed(struct apply *a, const struct policy_setting *s)
{
	char *path = arena_printf(a->arena, "--allow %s", s->name);
	const struct setting *setting = setting_find(s->name);
	struct error why = ERROR_INIT;

	if (setting == NULL)
		return refuse(a, path, "no such name");
	/* The policy's own list: one --allow must not take the next one in. */
	if (!names_have(&a->in->policy->allow, s->name))
		return refuse(a, path,
			      "this policy does not accept it; a policy file that lists it under "
			      "\"allow\" would (%s)",
			      a->policy.file);
	if (setting_use(a->arena, setting, s->value, false, &a->policy, a->lower, &why) < 0)
		return refuse(a, path, "%s", why.text);
	noted(a, path, "%s%sin force for this container", s->value != NULL ? s->value : "",
	      s->value != NULL ? ": " : "");
	return 0;
}

int rule_allow(struct apply *a)
{
	for (size_t i = 0; i < a->in->n_allow; i++) {
		if (use_allowed(a, &a->in->allow[i]) < 0)
			return -1;
	}
	return 0;
}

static int use_annotation(struct apply *a, const char *path, const char *name, const char *value)
{
	const struct setting *setting = setting_find(name);
	struct error why = ERROR_INIT;

	if (setting == NULL)
		return refuse(a, path,
			      "runsafe knows no annotation of that name; see `runsafe --help` for "
			      "the names");
	if (!names_have(&a->in->policy->annotations, name))
		return refuse(a, path,
			      "not accepted: an image could have brought it; %s would accept it "
			      "with \"%s\" under \"annotations\"; the machine's owner can say "
			      "--allow %s",
			      a->policy.file, name, name);
	if (setting_use(a->arena, setting, value, true, &a->policy, a->lower, &why) < 0)
		return refuse(a, path, "%s", why.text);
	noted(a, path, "\"%s\" accepted", value);
	return 0;
}

static int check_systemd(struct apply *a, const char *path, const char *property)
{
	if (names_have(&a->policy.systemd_properties, property))
		return 0;
	return refuse(a, path,
		      "not accepted: it would make the host do something on an image's word; %s "
		      "would accept it with \"%s\" under \"systemdProperties\", and so does "
		      "--allow systemd-property=%s",
		      a->policy.file, property, property);
}

int rule_annotations(struct apply *a)
{
	for (size_t i = 0; i < a->cfg->annotations.n; i++) {
		const struct str_pair *pair = &a->cfg->annotations.items[i];
		char *path = arena_printf(a->arena, "annotations.%s", pair->key);
		const char *ours = prefix_rest(pair->key, OUR_PREFIX);
		const char *systemd = prefix_rest(pair->key, SYSTEMD_PREFIX);

		if (ours != NULL && use_annotation(a, path, ours, pair->value) < 0)
			return -1;
		if (systemd != NULL && check_systemd(a, path, systemd) < 0)
			return -1;
		/* Words to crun: hooks, handlers and checkpoints on an image's word. */
		if (prefix_rest(pair->key, "run.oci.") != NULL ||
		    (prefix_rest(pair->key, "org.criu.") != NULL && !a->policy.criu_config.value))
			noted(a, path, "not honoured: runsafe takes no orders from it");
	}
	return 0;
}

int rules_of_create(struct apply *a)
{
	/* What they say was found then. */
	struct findings known = {.arena = a->arena};
	struct apply silent = *a;

	silent.findings = &known;
	if (rule_allow(&silent) < 0 || rule_annotations(&silent) < 0)
		return -1;
	a->policy = silent.policy;
	memcpy(a->lower, silent.lower, sizeof(a->lower));
	return 0;
}
