#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void line(const char *name, const char *value)
{
	printf("  %-13s %s\n", name, value);
}

/* "a, b, c", or what stands for an empty list. */
static char *joined(struct arena *arena, const struct str_list *list, const char *empty)
{
	char *text = arena_strdup(arena, list->n ? list->items[0] : empty);

	for (size_t i = 1; i < list->n; i++)
		text = arena_printf(arena, "%s, %s", text, list->items[i]);
	return text;
}

static void print_user(struct arena *arena, const struct config_process *process)
{
	const struct config_user *user = &process->user;
	char *text = arena_printf(arena, "%" PRIu32 ":%" PRIu32, user->uid, user->gid);

	for (size_t i = 0; i < user->additional_gids.n; i++)
		text = arena_printf(arena, "%s%s%" PRIu32, text, i ? "," : " and groups ",
				    user->additional_gids.items[i]);
	line("user", text);
}

static void print_capabilities(struct arena *arena, const struct config_process *process)
{
	const struct config_capabilities *c = &process->capabilities;
	const struct str_list *effective = process->user.uid == 0 ? &c->effective : &c->ambient;

	/* execve(2) as another user than root keeps the ambient ones only (capabilities(7)). */
	line("capabilities", joined(arena, effective, "none"));
	line("bounding set", joined(arena, &c->bounding, "none"));
}

static void print_seccomp(const struct container_state *check)
{
	const char *own = check->config.linux_.seccomp ? "config.json's filter" : "none";

	if (check->builtin_seccomp)
		own = check->config.linux_.seccomp ? "the built-in filter and config.json's"
						   : "the built-in filter";
	line("seccomp", own);
}

/* Those of config.json, and those of the policy. */
static void print_tmpfs(struct arena *arena, const struct container_state *check)
{
	struct str_list places = {.n = 0};

	for (size_t i = 0; i < check->config.n_mounts; i++) {
		const struct config_mount *mount = &check->config.mounts[i];

		if (mount->type && strcmp(mount->type, "tmpfs") == 0)
			str_list_add(arena, &places, mount->destination);
	}
	for (size_t i = 0; i < check->policy_tmpfs.n; i++)
		str_list_add(arena, &places, check->policy_tmpfs.items[i]);
	line("tmpfs", joined(arena, &places, "none"));
}

static void print_binds(struct arena *arena, const struct config *config)
{
	struct str_list binds = {.n = 0};

	for (size_t i = 0; i < config->n_mounts; i++) {
		const struct config_mount *mount = &config->mounts[i];
		bool readonly =
		    str_list_has(&mount->options, "ro") || str_list_has(&mount->options, "rro");

		if (!str_list_has(&mount->options, "bind") &&
		    !str_list_has(&mount->options, "rbind"))
			continue;
		str_list_add(arena, &binds,
			     arena_printf(arena, "%s (%s)", mount->destination,
					  readonly ? "read-only" : "can be written"));
	}
	if (binds.n)
		line("from the host", joined(arena, &binds, ""));
}

static void print_namespaces(struct arena *arena, const struct config_linux *linux_)
{
	struct str_list names = {.n = 0};

	for (size_t i = 0; i < linux_->n_namespaces; i++) {
		const struct config_namespace *ns = &linux_->namespaces[i];

		str_list_add(arena, &names,
			     ns->path ? arena_printf(arena, "%s (%s)", ns->type, ns->path)
				      : ns->type);
	}
	line("namespaces", joined(arena, &names, "none of its own"));
}

static const char *bytes(struct arena *arena, int64_t n)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	for (; n != 0 && n % 1024 == 0 && unit < 4; unit++)
		n /= 1024;
	return arena_printf(arena, "%" PRId64 " %s", n, units[unit]);
}

static void print_limits(struct arena *arena, const struct config_resources *r)
{
	const struct config_memory *memory = &r->memory;
	bool limited = memory->limit.set && memory->limit.value > 0;
	int64_t period = r->cpu.period.set && r->cpu.period.value
			     ? (int64_t)r->cpu.period.value
			     : 100000; /* the kernel's, in microseconds (cgroup-v2.rst, cpu.max) */

	line("memory", limited ? bytes(arena, memory->limit.value) : "no limit");
	/* memory.swap is memory and swap together (config-linux.md, "Memory"). */
	if (limited && memory->swap.set && memory->swap.value >= memory->limit.value)
		line("swap", bytes(arena, memory->swap.value - memory->limit.value));
	else
		line("swap", "no limit");
	if (r->cpu.quota.set && r->cpu.quota.value > 0)
		line("processors",
		     arena_printf(arena, "%.2f", (double)r->cpu.quota.value / (double)period));
	else
		line("processors", "no limit");
	if (r->pids.limit.set && r->pids.limit.value >= 0)
		line("processes", arena_printf(arena, "%" PRId64, r->pids.limit.value));
	else
		line("processes", "no limit");
}

void check_print_effective(struct arena *arena, const struct container_state *check)
{
	const struct config *config = &check->config;

	print_user(arena, &config->process);
	print_capabilities(arena, &config->process);
	line("no new privs", config->process.no_new_privileges ? "yes" : "no");
	print_seccomp(check);
	line("rootfs", config->root.readonly ? "read-only" : "can be written");
	print_tmpfs(arena, check);
	print_binds(arena, config);
	print_namespaces(arena, &config->linux_);
	print_limits(arena, &config->linux_.resources);
}
