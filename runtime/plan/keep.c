/*
 * What waits at the gate of a created container, maybe for hours, is a copy of the runtime: with
 * config.json, hooks' tokens, paths of the host. What it will execute is set apart here, so that it
 * can wipe the rest (sandbox/forget.c).
 */
#include <string.h>

#include "plan_internal.h"

char **plan_stub_room(struct arena *arena, char *const *argv)
{
	size_t n = 0;

	while (argv && argv[n])
		n++;
	return arena_alloc(arena, (PLAN_STUB_WORDS + n + 1) * sizeof(char *));
}

static char **keep_texts(struct arena *to, char *const *texts)
{
	size_t n = 0;

	if (!texts)
		return NULL;
	while (texts[n])
		n++;
	char **kept = arena_alloc(to, (n + 1) * sizeof(*kept));
	for (size_t i = 0; i < n; i++)
		kept[i] = arena_strdup(to, texts[i]);
	return kept;
}

static void keep_environment(struct arena *to, struct plan *plan)
{
	char **kept = keep_texts(to, plan->envp);

	for (size_t i = 0; kept && i < plan->n_env && plan->listen_pid; i++) {
		const size_t length = strlen(plan->envp[i]);

		if (plan->listen_pid < plan->envp[i] || plan->listen_pid > plan->envp[i] + length)
			continue;
		/* There is room behind it for the number. */
		const size_t at = (size_t)(plan->listen_pid - plan->envp[i]);
		kept[i] = arena_alloc(to, at + sizeof("0123456789"));
		memcpy(kept[i], plan->envp[i], at);
		plan->listen_pid = kept[i] + at;
		break;
	}
	plan->envp = kept;
}

static void keep_hooks(struct arena *to, struct plan_hook_list *hooks)
{
	struct plan_hook *kept = arena_alloc(to, (hooks->n + 1) * sizeof(*kept));

	for (size_t i = 0; i < hooks->n; i++) {
		kept[i] = hooks->items[i];
		kept[i].label = arena_strdup(to, kept[i].label);
		kept[i].path = arena_strdup(to, kept[i].path);
		kept[i].argv = keep_texts(to, kept[i].argv);
		kept[i].envp = keep_texts(to, kept[i].envp);
	}
	hooks->items = kept;
	hooks->cwd = arena_strdup(to, hooks->cwd);
}

/* The mounts themselves are over then; what is said of them comes after the gate. */
static void keep_accesses(struct arena *to, struct plan *plan)
{
	struct plan_mount *kept = arena_alloc(to, (plan->n_mounts + 1) * sizeof(*kept));

	for (size_t i = 0; i < plan->n_mounts; i++) {
		kept[i] = plan->mounts[i];
		if (!kept[i].access)
			continue;
		struct plan_access *access = arena_alloc(to, sizeof(*access));
		*access = *kept[i].access;
		access->path = arena_strdup(to, access->path);
		access->owner = arena_strdup(to, access->owner);
		access->who = arena_strdup(to, access->who);
		access->help = arena_strdup(to, access->help);
		kept[i].access = access;
	}
	plan->mounts = kept;
}

void plan_keep(struct plan *plan, struct arena *rest)
{
	struct arena *to = &plan->kept;

	plan->argv = keep_texts(to, plan->argv);
	if (plan->stub_argv)
		plan->stub_argv = plan_stub_room(to, plan->argv);
	keep_environment(to, plan);
	keep_hooks(to, &plan->start_container);
	plan->started_before_pid = arena_strdup(to, plan->started_before_pid);
	plan->started_after_pid = arena_strdup(to, plan->started_after_pid);
	keep_accesses(to, plan);
	plan->rest = rest;
}
