/* Who the workload is: user, groups, HOME, and the mapping of its ids. */
#include <ctype.h>
#include <string.h>

#include "policy_internal.h"

static int change_root(struct apply *a)
{
	const struct policy_user *p = &a->policy.user;
	struct config_process *process = &a->cfg->process;
	const char *was = process->user_present ? "0 (root)" : "not set, which is root";

	if (word_is(p->root, WORD_KEEP))
		return 0;
	if (word_is(p->root, WORD_REFUSE))
		return refuse(a, "process.user.uid",
			      "%s: this policy wants another user; name one in the image or with "
			      "the engine's --user",
			      was);
	changed(a, "process.user", "uid %s: made %u:%u", was, p->uid.value, p->gid.value);
	process->user_present = true;
	process->user.uid = p->uid.value;
	process->user.gid = p->gid.value;
	a->uid_replaced = true;
	return 0;
}

static int change_root_group(struct apply *a)
{
	const struct policy_user *p = &a->policy.user;
	struct config_user *user = &a->cfg->process.user;

	if (user->gid != 0 || word_is(p->root_group, WORD_KEEP))
		return 0;
	if (word_is(p->root_group, WORD_REFUSE))
		return refuse(a, "process.user.gid",
			      "0 (root's group): this policy wants another group");
	changed(a, "process.user.gid", "0 (root's group): made %u", p->gid.value);
	user->gid = p->gid.value;
	return 0;
}

static int change_additional(struct apply *a)
{
	const char *word = a->policy.user.additional_root_group;
	struct u32_list *gids = &a->cfg->process.user.additional_gids;
	struct u32_list left = {.items = NULL, .n = 0};

	if (word_is(word, WORD_KEEP))
		return 0;
	for (size_t i = 0; i < gids->n; i++) {
		if (gids->items[i] == 0)
			continue;
		left.items = arena_grow(a->arena, left.items, left.n, sizeof(*left.items));
		left.items[left.n++] = gids->items[i];
	}
	if (left.n == gids->n)
		return 0;
	if (word_is(word, WORD_REFUSE))
		return refuse(a, "process.user.additionalGids",
			      "0 (root's group) is among them: this policy refuses that");
	changed(a, "process.user.additionalGids", "0 (root's group): left out");
	*gids = left;
	return 0;
}

int rule_user(struct apply *a)
{
	struct config_process *process = &a->cfg->process;

	a->out->identity_files = a->policy.user.identity_files.value;
	if (!process->user_present || process->user.uid == 0) {
		if (change_root(a) < 0)
			return -1;
		/* Root that stays root: its groups belong to it. */
		if (process->user.uid == 0)
			return 0;
	}
	return change_root_group(a) < 0 || change_additional(a) < 0 ? -1 : 0;
}

static char *mappings_text(struct arena *arena, const struct config_id_mapping *maps, size_t n)
{
	char *text = arena_strdup(arena, n == 0 ? "is empty" : "");

	for (size_t i = 0; i < n; i++)
		text = arena_printf(arena, "%s%s%u-%llu to %u-%llu", text, i == 0 ? "maps " : ", ",
				    maps[i].container_id,
				    maps[i].container_id + (unsigned long long)maps[i].size - 1,
				    maps[i].host_id,
				    maps[i].host_id + (unsigned long long)maps[i].size - 1);
	return text;
}

/* With a single line of size 1 somebody maps the one id that he may: it can be another inside. */
static const char *how_to_map(struct apply *a, uint32_t id, const struct config_id_mapping *maps,
			      size_t n)
{
	if (n != 1 || maps[0].size != 1)
		return "";
	return arena_printf(a->arena, " with {\"containerID\": %u, \"hostID\": %u, \"size\": 1}",
			    id, maps[0].host_id);
}

static int check_id(struct apply *a, const char *what, const char *key, uint32_t id,
		    const struct config_id_mapping *maps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (id < maps[i].container_id || id - maps[i].container_id >= maps[i].size)
			continue;
		/* Inside an engine's own user namespace, 0 is the engine's plain user. */
		if (id - maps[i].container_id + maps[i].host_id != 0 || a->in->in_user_namespace)
			return 0;
		return refuse(a, key, "maps %s %u to 0, root on the host: map it to another id",
			      what, id);
	}
	return refuse(a, key,
		      "%s %u, which the workload runs as, is not mapped in the container's user "
		      "namespace (it %s): map it%s, or name another user",
		      what, id, mappings_text(a->arena, maps, n),
		      strcmp(what, "additional gid") == 0 ? "" : how_to_map(a, id, maps, n));
}

int rule_mapping(struct apply *a)
{
	const struct config_linux *l = &a->cfg->linux_;
	const struct config_user *user = &a->cfg->process.user;
	const struct config_namespace *ns = config_namespace_find(l, "user");

	if (!a->policy.user.must_be_mapped.value || ns == NULL)
		return 0;
	if (ns->path != NULL) {
		/* Only the namespace itself knows: plan looks. */
		a->out->check_mapping = true;
		return 0;
	}
	/* Root was let stay on purpose, and where 0 is mapped to is the engine's business. */
	if (user->uid != 0 && check_id(a, "uid", "linux.uidMappings", user->uid, l->uid_mappings,
				       l->n_uid_mappings) < 0)
		return -1;
	if (user->gid != 0 && check_id(a, "gid", "linux.gidMappings", user->gid, l->gid_mappings,
				       l->n_gid_mappings) < 0)
		return -1;
	for (size_t i = 0; user->uid != 0 && i < user->additional_gids.n; i++) {
		if (check_id(a, "additional gid", "linux.gidMappings",
			     user->additional_gids.items[i], l->gid_mappings,
			     l->n_gid_mappings) < 0)
			return -1;
	}
	return 0;
}

/* A HOME goes into a line of /etc/passwd, where these would begin another field or line. */
static bool home_is_clean(const char *home)
{
	for (; *home != '\0'; home++) {
		if (*home == ':' || iscntrl((unsigned char)*home))
			return false;
	}
	return true;
}

/* Who looks at the effective config later, exec above all, must not take the old one for meant. */
static void drop_home(struct apply *a)
{
	struct str_list *env = &a->cfg->process.env;
	struct str_list left = {.items = NULL, .n = 0};

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->items[i], "HOME=", 5) != 0)
			str_list_add(a->arena, &left, env->items[i]);
	}
	*env = left;
}

int rule_home(struct apply *a)
{
	const struct config_process *process = &a->cfg->process;
	const char *home = env_get(&process->env, "HOME");

	if (!word_is(a->policy.user.home, WORD_FOLLOW))
		return 0;
	for (size_t i = 0; i < process->env.n; i++) {
		const char *entry = process->env.items[i];

		if (strncmp(entry, "HOME=", 5) != 0 || home_is_clean(entry + 5))
			continue;
		if (refuse(a, arena_printf(a->arena, "process.env[%zu]", i),
			   "HOME has a colon, a newline or another control byte in it: a home "
			   "folder must be a plain path") < 0)
			return -1;
	}
	bool absent = home == NULL || home[0] == '\0';
	bool roots = !absent && strcmp(home, "/root") == 0 && process->user.uid != 0;

	if (!a->uid_replaced && !absent && !roots)
		return 0;
	a->out->home_follows = true;
	drop_home(a);
	if (absent)
		noted(a, "process.env", "no HOME: that of the user in the rootfs, or /tmp/home");
	else
		changed(a, "process.env",
			"HOME was %s: made that of the user in the rootfs, or /tmp/home", home);
	return 0;
}
