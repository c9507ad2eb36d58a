/* What the workload may do: capabilities, set-user-ID programs, system calls. */
#include <string.h>

#include "policy_internal.h"

#define N_SETS 5

static void capability_sets(struct config_capabilities *c, struct str_list *sets[N_SETS])
{
	sets[0] = &c->bounding;
	sets[1] = &c->effective;
	sets[2] = &c->inheritable;
	sets[3] = &c->permitted;
	/* Without the ambient set a user that is not root loses all of them at execve(2). */
	sets[4] = &c->ambient;
}

/* More names than there are capabilities are not worth telling. */
enum { LOST_NAMES = 64 };

/* The names that any of the sets has and give has not. */
static struct str_list lost(struct arena *arena, struct config_capabilities *c,
			    const struct str_list *give)
{
	struct str_list names = {.items = NULL, .n = 0};
	struct str_list *sets[N_SETS];

	capability_sets(c, sets);
	for (size_t set = 0; set < N_SETS; set++) {
		for (size_t i = 0; i < sets[set]->n; i++) {
			char *name = sets[set]->items[i];

			if (names.n < LOST_NAMES && !str_list_has(give, name) &&
			    !str_list_has(&names, name))
				str_list_add(arena, &names, name);
		}
	}
	return names;
}

static void add_given(struct arena *arena, struct str_list *set, const struct str_list *give)
{
	for (size_t i = 0; i < give->n; i++) {
		if (!str_list_has(set, give->items[i]))
			list_append(arena, set, give->items[i]);
	}
}

int rule_capabilities(struct apply *a)
{
	struct config_capabilities *c = &a->cfg->process.capabilities;
	const struct str_list *give = &a->policy.capabilities.give;
	struct str_list *sets[N_SETS];

	if (!a->policy.capabilities.as_written.value) {
		struct str_list names = lost(a->arena, c, give);

		if (names.n != 0)
			changed(a, "process.capabilities", "%s: taken out of all sets",
				list_text(a->arena, &names));
		*c = (struct config_capabilities){.present = true};
	}
	if (give->n == 0)
		return 0;
	capability_sets(c, sets);
	c->present = true;
	for (size_t set = 0; set < N_SETS; set++)
		add_given(a->arena, sets[set], give);
	noted(a, "process.capabilities", "%s: given in all five sets, as the owner asked",
	      list_text(a->arena, give));
	return 0;
}

int rule_privileges(struct apply *a)
{
	struct config_process *process = &a->cfg->process;

	if (a->policy.no_new_privileges.value && !process->no_new_privileges) {
		process->no_new_privileges = true;
		changed(a, "process.noNewPrivileges", "was false: made true");
	}
	a->out->builtin_seccomp = a->policy.seccomp.builtin.value;
	if (!a->out->builtin_seccomp)
		return 0;
	for (size_t i = 0; i < a->policy.seccomp.allow.n; i++)
		str_list_add(a->arena, &a->out->seccomp_allow, a->policy.seccomp.allow.items[i]);
	noted(a, "linux.seccomp", "%s the built-in filter%s%s%s",
	      a->cfg->linux_.seccomp != NULL ? "in addition," : "none:",
	      a->cfg->linux_.seccomp != NULL ? "" : " applies",
	      a->out->seccomp_allow.n != 0 ? ", which lets through " : "",
	      list_text(a->arena, &a->out->seccomp_allow));
	return 0;
}
