/*
 * exec: the rules for one more process of a container (DESIGN.md section 3, row "exec"). They are
 * those of create, but for what the container's own process has already: root becomes its user.
 */
#include <string.h>

#include "policy_internal.h"

/* The container's own user. One that is root was let stay so, and what exec asks for instead is
 * measured by the policy's. */
static struct config_user own_user(const struct apply *a, const struct config *container)
{
	struct config_user user = container->process.user;

	if (container->process.user_present && user.uid != 0)
		return user;
	return (struct config_user){.uid = a->policy.user.uid.value,
				    .gid = a->policy.user.gid.value};
}

static int exec_user(struct apply *a, const struct config *container)
{
	struct config_process *process = &a->cfg->process;
	const struct config_user own = own_user(a, container);
	struct opt_u32 umask = process->user.umask;
	bool root = !process->user_present || process->user.uid == 0;

	/* What rule_user() makes of root and of its group is the container's own here. */
	a->policy.user.uid.value = own.uid;
	if (own.gid != 0)
		a->policy.user.gid.value = own.gid;
	if (rule_user(a) < 0)
		return -1;
	if (!root || process->user.uid == 0)
		return 0;
	process->user.gid = own.gid;
	process->user.additional_gids = own.additional_gids;
	process->user.umask = umask.set ? umask : own.umask;
	return 0;
}

/* Where a filter stands in for the sysctl, each process of the container needs it. */
static void exec_memfd(struct apply *a, const struct config *container)
{
	const struct config_namespace *ns = config_namespace_find(&container->linux_, "pid");

	a->out->memfd_noexec = a->policy.sysctl.memfd_noexec.value && ns && !ns->path;
}

static int apply_rules(struct apply *a, const struct config *container)
{
	if (rules_of_create(a) < 0)
		return -1;
	if (exec_user(a, container) < 0 || rule_mapping(a) < 0 || rule_home(a) < 0)
		return -1;
	if (rule_capabilities(a) < 0 || rule_privileges(a) < 0 || rule_priority(a) < 0)
		return -1;
	exec_memfd(a, container);
	return exec_oom_score(a, container) < 0 ? -1 : exec_labels(a, container);
}

int policy_apply_process(struct arena *arena, const struct policy_input *in,
			 const struct config *container, struct config_process *process,
			 struct hardening *out, struct findings *findings, struct error *err)
{
	struct config all = *container;
	struct apply a = {
	    .arena = arena,
	    .in = in,
	    .policy = *in->policy,
	    .no_file = true,
	    .cfg = &all,
	    .out = out,
	    .findings = findings,
	    .err = err,
	};

	all.process = *process;
	*out = (struct hardening){
	    .policy = arena_strdup(arena, in->policy->name),
	    .new_keyring = !in->no_new_keyring,
	};
	if (apply_rules(&a, container) < 0)
		return -1;
	*process = all.process;
	return 0;
}
