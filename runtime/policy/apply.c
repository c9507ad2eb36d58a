/* All rules, in the order in which they are applied. */
#include <string.h>

#include "policy_internal.h"

static int (*const rules[])(struct apply *) = {
    /* What the owner and the annotations say changes what the rules below ask for. */
    rule_allow,
    rule_annotations,
    rule_build,
    /* The mapping and HOME are those of the user that the workload ends up with. */
    rule_user,
    rule_mapping,
    rule_home,
    rule_capabilities,
    rule_privileges,
    rule_priority,
    rule_rootfs,
    rule_mounts,
    rule_idmaps,
    /* sysctl and tmpfs look at the namespaces and limits that are there in the end. */
    rule_namespaces,
    rule_paths,
    rule_devices,
    rule_limits,
    rule_tmpfs,
    rule_sysctl,
};

int policy_apply(struct arena *arena, const struct policy_input *in, bool collect,
		 struct config *cfg, struct hardening *out, struct findings *findings,
		 struct error *err)
{
	struct apply a = {
	    .arena = arena,
	    .in = in,
	    .policy = *in->policy,
	    .collect = collect,
	    .cfg = cfg,
	    .out = out,
	    .findings = findings,
	    .err = err,
	};

	*out = (struct hardening){
	    .policy = arena_strdup(arena, in->policy->name),
	    .new_keyring = !in->no_new_keyring,
	};
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i](&a) < 0)
			return -1;
	}
	return 0;
}
