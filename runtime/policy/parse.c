/* A policy's JSON to struct policy: read, put over what it extends, checked. */
#include <stdio.h>
#include <string.h>

#include "merge.h"
#include "policy_internal.h"
#include "tables.h"

#define SYSTEM_FILE "/etc/runsafe/policy.json"

static bool is_builtin(const char *name)
{
	size_t length = 0;

	return policy_builtin_text(name, &length) != NULL;
}

/* Whether this text is the built-in policy of that name, and not a file that borrows the name. */
static bool is_builtin_text(const char *name, const char *text, size_t length)
{
	size_t builtin_length = 0;
	const char *builtin = policy_builtin_text(name, &builtin_length);

	return builtin != NULL && builtin_length == length && memcmp(builtin, text, length) == 0;
}

static int check_limits(const struct policy_limits *l, const char *label, struct error *err)
{
	const char *const texts[] = {l->memory, l->swap, l->cpus, l->pids};
	static const char *const names[] = {"memory", "swap", "cpus", "pids"};
	struct limit limit;

	for (enum limit_type type = 0; type < LIMIT_TYPES; type++) {
		if (limit_parse(type, texts[type], &limit) < 0)
			return error_set(err,
					 "%s: limits.%s: expected %s, \"unlimited\" or "
					 "\"required\", got \"%s\"",
					 label, names[type], limit_expected(type), texts[type]);
	}
	return 0;
}

static int check_list(struct arena *arena, struct str_list *list,
		      char *(*normal)(struct arena *, const char *), const char *label,
		      const char *key, const char *expected, struct error *err)
{
	struct str_list out = {.items = NULL, .n = 0};

	for (size_t i = 0; i < list->n; i++) {
		char *item = normal(arena, list->items[i]);

		if (item == NULL)
			return error_set(err, "%s: %s[%zu]: expected %s, got \"%s\"", label, key, i,
					 expected, list->items[i]);
		str_list_add(arena, &out, item);
	}
	/* An empty list that was given is not one that was not. */
	if (list->n != 0)
		*list = out;
	return 0;
}

static char *setting_normal(struct arena *arena, const char *text)
{
	bool known = strcmp(text, WORD_ANY) == 0 || setting_find(text) != NULL;

	return known ? arena_strdup(arena, text) : NULL;
}

static int check_lists(struct arena *arena, struct policy *p, const char *label, struct error *err)
{
	static const char path[] = "an absolute path without \"..\"";
	static const char name[] = "a name that --allow knows (see --help)";
	struct {
		struct str_list *list;
		char *(*normal)(struct arena *, const char *);
		const char *key;
		const char *expected;
	} const lists[] = {
	    {&p->capabilities.give, capability_normal, "capabilities.give",
	     "a capability, such as CAP_NET_ADMIN"},
	    {&p->seccomp.allow, group_normal, "seccomp.allow", "a group, such as ptrace"},
	    {&p->mounts.allow_binds, path_normal, "mounts.allowBinds", path},
	    {&p->paths.masked, path_normal, "paths.masked", path},
	    {&p->paths.readonly, path_normal, "paths.readonly", path},
	    {&p->devices.allow, path_normal, "devices.allow", path},
	    {&p->sysctl.allow, sysctl_normal, "sysctl.allow", "a sysctl, such as kernel.sem"},
	    {&p->annotations, setting_normal, "annotations", name},
	    {&p->allow, setting_normal, "allow", name},
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (check_list(arena, lists[i].list, lists[i].normal, label, lists[i].key,
			       lists[i].expected, err) < 0)
			return -1;
	}
	return 0;
}

/* What the file leaves open for a tmpfs of its own: a place for the workload, as it was. */
static void complete_tmpfs(struct arena *arena, struct policy_tmpfs *t)
{
	const struct opt_bool yes = {.set = true, .value = true};

	if (t->mode == NULL)
		t->mode = arena_strdup(arena, "0755");
	if (!t->copy_up.set)
		t->copy_up = yes;
	if (!t->owned.set)
		t->owned = yes;
	if (!t->enabled.set)
		t->enabled = yes;
}

static int check_tmpfs(struct arena *arena, struct policy *p, const char *label, struct error *err)
{
	for (size_t i = 0; i < p->rootfs.n_tmpfs; i++) {
		struct policy_tmpfs *t = &p->rootfs.tmpfs[i];
		char *path = tmpfs_path_normal(arena, t->path);
		uint32_t mode = 0;

		if (path == NULL || strcmp(path, t->path) != 0)
			return error_set(err,
					 "%s: rootfs.tmpfs: expected an absolute path without "
					 "\"..\" that is not /, /proc, /sys, /dev or below, got "
					 "\"%s\"",
					 label, t->path);
		complete_tmpfs(arena, t);
		if (mode_parse(t->mode, &mode) < 0)
			return error_set(err,
					 "%s: rootfs.tmpfs.%s.mode: expected octal digits such as "
					 "\"0755\", got \"%s\"",
					 label, t->path, t->mode);
	}
	return 0;
}

static int check_policy(struct arena *arena, struct policy *p, const char *label, struct error *err)
{
	char *missing = policy_missing_key(arena, &policy_table, p);

	if (missing != NULL)
		return error_set(err,
				 "%s: %s: missing: a policy that extends nothing must say "
				 "everything; \"extends\": \"default\" asks for the differences "
				 "only",
				 label, missing);
	if (check_limits(&p->limits, label, err) < 0 || check_lists(arena, p, label, err) < 0)
		return -1;
	return check_tmpfs(arena, p, label, err);
}

/* recorded: of an earlier version, where a built-in policy may have had another text. */
static int read_policy(struct arena *arena, const char *label, const char *text, size_t length,
		       bool recorded, struct policy *out, struct error *err)
{
	struct policy file = {.name = NULL};
	struct policy base = {.name = NULL};

	if (json_read(arena, label, text, length, &policy_table, &file, err) < 0)
		return -1;
	if (file.rootfs.n_tmpfs > MOST_TMPFS)
		return error_set(err, "%s: rootfs.tmpfs: expected at most %d, got %zu", label,
				 MOST_TMPFS, file.rootfs.n_tmpfs);
	bool builtin = file.name != NULL && is_builtin_text(file.name, text, length);
	bool older = recorded && !builtin && file.name != NULL && is_builtin(file.name);

	/* No file may have such a name, so this was the built-in one. */
	if (older)
		file.extends = file.name;
	/* A file can only extend a built-in policy, and those do not go in a circle. */
	if (file.extends == NULL)
		file.extends = arena_strdup(arena, builtin ? "none" : "default");
	if (file.name == NULL)
		file.name = arena_strdup(arena, label);
	if (!builtin && !older && is_builtin(file.name))
		return error_set(err,
				 "%s: name: \"%s\" is the name of a built-in policy: choose "
				 "another one",
				 label, file.name);
	if (strcmp(file.extends, "none") != 0) {
		size_t base_length = 0;
		const char *base_text = policy_builtin_text(file.extends, &base_length);

		if (base_text == NULL ||
		    read_policy(arena, file.extends, base_text, base_length, false, &base, err) < 0)
			return error_wrap(err, "%s: extends", label);
	}
	policy_merge(arena, &policy_table, &base, &file);
	base.file = builtin || older ? SYSTEM_FILE : arena_strdup(arena, label);
	*out = base;
	return check_policy(arena, out, label, err);
}

static const struct policy *parse(struct arena *arena, const char *label, const char *text,
				  size_t length, bool recorded, struct error *err)
{
	struct policy *policy = arena_alloc(arena, sizeof(*policy));

	if (read_policy(arena, label, text, length, recorded, policy, err) < 0)
		return NULL;
	return policy;
}

const struct policy *policy_parse(struct arena *arena, const char *label, const char *text,
				  size_t length, struct error *err)
{
	return parse(arena, label, text, length, false, err);
}

const struct policy *policy_parse_recorded(struct arena *arena, const char *label, const char *text,
					   size_t length, struct error *err)
{
	return parse(arena, label, text, length, true, err);
}

bool policy_takes_criu_config(const struct policy *policy)
{
	return policy->criu_config.value;
}

const char *policy_name(const struct policy *policy)
{
	return policy->name;
}
