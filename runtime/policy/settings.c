/*
 * The names that --allow and annotations io.runsafe.NAME know: one table, and what each does to a
 * policy.
 */
#include <stddef.h>
#include <string.h>

#include "keys.h"
#include "policy_internal.h"

enum setting_kind {
	SET_WORD,  /* no value: the policy's key becomes a word */
	SET_BOOL,  /* no value: the policy's key becomes flag */
	SET_LIST,  /* ITEM[,ITEM]: added to the policy's list */
	SET_LIMIT, /* an amount */
	SET_USER,
	SET_TMPFS,
	SET_UNMASK
};

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t offset; /* in struct policy */
	const char *word;
	bool flag;
	enum limit_type limit;
	char *(*normal)(struct arena *, const char *);
	const char *syntax; /* of the value, for messages */
	const char *help;
};

#define IN(member)     .offset = offsetof(struct policy, member)
#define KEEP(member)   .kind = SET_WORD, IN(member), .word = WORD_KEEP
#define ADDS(member)   .kind = SET_LIST, IN(member)
#define AMOUNT(member) .kind = SET_LIMIT, IN(limits.member)

static const struct setting settings[] = {
    {.name = "bind",
     ADDS(mounts.allow_binds),
     .normal = path_normal,
     .syntax = "PATH[,PATH]",
     .help = "bind=PATH[,PATH]: a host path that may be bound although it is /, /proc, /sys, /dev "
	     "or an engine's socket, or a disk that may be mounted"},
    {.name = "capability",
     ADDS(capabilities.give),
     .normal = capability_normal,
     .syntax = "CAP_NAME[,CAP_NAME]",
     .help = "capability=CAP_NAME[,CAP_NAME]: given to the workload in all five sets"},
    {.name = "cpus",
     AMOUNT(cpus),
     .limit = LIMIT_CPUS,
     .syntax = "NUMBER",
     .help = "cpus=NUMBER|unlimited: processors where config.json says none (an annotation only "
	     "lowers)"},
    {.name = "device",
     ADDS(devices.allow),
     .normal = path_normal,
     .syntax = "PATH[,PATH]",
     .help = "device=PATH[,PATH]: a device of config.json that stays, such as /dev/fuse"},
    {.name = "host-cgroup",
     KEEP(namespaces.cgroup),
     .help = "host-cgroup: the host's cgroup namespace where config.json wants it"},
    {.name = "host-ipc",
     KEEP(namespaces.ipc),
     .help = "host-ipc: the host's IPC namespace where config.json wants it"},
    {.name = "host-network",
     KEEP(namespaces.network),
     .help = "host-network: the host's network where config.json wants it"},
    {.name = "host-pid",
     KEEP(namespaces.pid),
     .help = "host-pid: the host's processes in view where config.json wants it"},
    {.name = "host-uts",
     KEEP(namespaces.uts),
     .help = "host-uts: the host's host name where config.json wants it"},
    {.name = "memfd-exec",
     .kind = SET_BOOL,
     IN(sysctl.memfd_noexec),
     .flag = false,
     .help = "memfd-exec: files made by memfd_create may be executed (runc in a container, some "
	     "JITs)"},
    {.name = "memory",
     AMOUNT(memory),
     .limit = LIMIT_MEMORY,
     .syntax = "SIZE",
     .help = "memory=SIZE|unlimited: memory where config.json says none, such as 4g (an annotation "
	     "only lowers)"},
    {.name = "new-privileges",
     .kind = SET_BOOL,
     IN(no_new_privileges),
     .flag = false,
     .help = "new-privileges: set-user-ID programs work where config.json lets them"},
    {.name = "pids",
     AMOUNT(pids),
     .limit = LIMIT_PIDS,
     .syntax = "NUMBER",
     .help = "pids=NUMBER|unlimited: processes where config.json says none (an annotation only "
	     "lowers)"},
    {.name = "priority",
     KEEP(process.priority),
     .help = "priority: real-time scheduling and I/O, a nice below 0, and the like, where "
	     "config.json asks for it"},
    {.name = "root",
     KEEP(user.root),
     .help = "root: uid 0 stays uid 0 (still without capabilities)"},
    {.name = "rootfs-writable",
     .kind = SET_BOOL,
     IN(rootfs.readonly),
     .flag = false,
     .help = "rootfs-writable: the rootfs can be written where config.json lets it"},
    {.name = "seccomp",
     ADDS(seccomp.allow),
     .normal = group_normal,
     .syntax = "GROUP[,GROUP]",
     .help = "seccomp=GROUP[,GROUP]: a group that the built-in filter lets through, such as "
	     "ptrace"},
    {.name = "shared-propagation",
     KEEP(rootfs.propagation),
     .help = "shared-propagation: mounts travel to the host where config.json wants it"},
    {.name = "sysctl",
     ADDS(sysctl.allow),
     .normal = sysctl_normal,
     .syntax = "NAME[,NAME]",
     .help = "sysctl=NAME[,NAME]: a sysctl that may be set although its namespace is the host's"},
    {.name = "systemd-property",
     ADDS(systemd_properties),
     .normal = arena_strdup,
     .syntax = "NAME[,NAME]",
     .help = "systemd-property=NAME[,NAME]: an annotation org.systemd.property.NAME is honoured"},
    {.name = "tmpfs",
     .kind = SET_TMPFS,
     .syntax = "PATH[:exec][,PATH[:exec]]",
     .help = "tmpfs=PATH[:exec][,...]: one more place that can be written, gone with the container "
	     "(an annotation never with exec)"},
    {.name = "unmask",
     .kind = SET_UNMASK,
     .normal = path_normal,
     .syntax = "PATH[,PATH] or all",
     .help = "unmask=PATH[,PATH]|all: a path that is not masked or made read-only unless "
	     "config.json says so"},
    {.name = "user",
     .kind = SET_USER,
     .syntax = "UID[:GID], neither of them 0",
     .help = "user=UID[:GID]: what root becomes (GID: the same number)"},
};
#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

const struct setting *setting_find(const char *name)
{
	for (size_t i = 0; i < N_SETTINGS; i++) {
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	}
	return NULL;
}

const char *const *policy_setting_names(void)
{
	static const char *names[N_SETTINGS + 1];

	for (size_t i = 0; i < N_SETTINGS; i++)
		names[i] = settings[i].name;
	return names;
}

const char *policy_setting_help(const char *name)
{
	const struct setting *setting = setting_find(name);

	return setting != NULL ? setting->help : NULL;
}

/* Cuts the next "ITEM" off "ITEM,ITEM"; NULL at the end. An empty item is returned as such. */
static char *next_item(struct arena *arena, const char **rest)
{
	if (*rest == NULL)
		return NULL;
	size_t length = strcspn(*rest, ",");
	char *item = arena_strndup(arena, *rest, length);

	*rest = (*rest)[length] == ',' ? *rest + length + 1 : NULL;
	return item;
}

static int use_list(struct arena *arena, const struct setting *s, const char *value,
		    struct str_list *list)
{
	cleanup_keys struct keys there = {0};
	struct str_list all = {.items = NULL, .n = 0};

	/* A list of its own: the old one may be another policy's, too. */
	for (size_t i = 0; i < list->n; i++) {
		str_list_add(arena, &all, list->items[i]);
		(void)keys_add(arena, &there, list->items[i]);
	}
	for (char *item = NULL; (item = next_item(arena, &value)) != NULL;) {
		char *normal = item[0] != '\0' ? s->normal(arena, item) : NULL;

		if (normal == NULL)
			return -1;
		if (keys_add(arena, &there, normal))
			str_list_add(arena, &all, normal);
	}
	*list = all;
	return 0;
}

static int use_limit(struct arena *arena, const struct setting *s, const char *value,
		     bool annotation, char **word, struct limit *lower)
{
	struct limit limit;

	if (limit_parse(s->limit, value, &limit) < 0 || limit.kind == LIMIT_REQUIRED)
		return -1;
	if (annotation) {
		if (limit.kind != LIMIT_VALUE)
			return -1;
		lower[s->limit] = limit;
		return 0;
	}
	*word = arena_strdup(arena, value);
	return 0;
}

static int use_user(struct arena *arena, const char *value, struct policy_user *user)
{
	size_t length = strcspn(value, ":");
	const char *group = value[length] == ':' ? value + length + 1 : NULL;
	uint32_t uid = 0;
	uint32_t gid = 0;

	if (id_parse(value, length, &uid) < 0 || uid == 0)
		return -1;
	gid = uid;
	if (group != NULL && (id_parse(group, strlen(group), &gid) < 0 || gid == 0))
		return -1;
	user->uid = (struct opt_u32){.set = true, .value = uid};
	user->gid = (struct opt_u32){.set = true, .value = gid};
	user->root = arena_strdup(arena, WORD_REPLACE);
	return 0;
}

static int add_tmpfs(struct arena *arena, struct policy_rootfs *rootfs, char *path, bool exec)
{
	const struct opt_bool yes = {.set = true, .value = true};
	size_t at = 0;

	if (rootfs->n_tmpfs >= MOST_TMPFS)
		return -1;
	struct policy_tmpfs *copy = arena_alloc(arena, (rootfs->n_tmpfs + 1) * sizeof(*copy));

	for (size_t i = 0; i < rootfs->n_tmpfs; i++)
		copy[i] = rootfs->tmpfs[i];
	rootfs->tmpfs = copy;
	while (at < rootfs->n_tmpfs && strcmp(copy[at].path, path) != 0)
		at++;
	if (at == rootfs->n_tmpfs) {
		copy[at] = (struct policy_tmpfs){
		    .path = path,
		    .mode = arena_strdup(arena, "0755"),
		    .copy_up = yes,
		    .owned = yes,
		};
		rootfs->n_tmpfs++;
	}
	copy[at].enabled = yes;
	if (exec)
		copy[at].exec = yes;
	return 0;
}

static int use_tmpfs(struct arena *arena, const char *value, bool annotation,
		     struct policy_rootfs *rootfs)
{
	for (char *item = NULL; (item = next_item(arena, &value)) != NULL;) {
		char *option = strchr(item, ':');

		/* exec is the owner's to give: an image must not make itself a place to drop
		   programs in. */
		if (option != NULL && (strcmp(option, ":exec") != 0 || annotation))
			return -1;
		if (option != NULL)
			*option = '\0';
		char *path = tmpfs_path_normal(arena, item);

		if (path == NULL || add_tmpfs(arena, rootfs, path, option != NULL) < 0)
			return -1;
	}
	return 0;
}

static void take_out(struct arena *arena, struct str_list *list, const struct str_list *out)
{
	struct str_list left = {.items = list->items, .n = 0};

	for (size_t i = 0; i < list->n; i++) {
		if (!str_list_has(out, list->items[i]))
			list_append(arena, &left, list->items[i]);
	}
	*list = left;
}

static int use_unmask(struct arena *arena, const struct setting *s, const char *value,
		      struct policy_paths *paths)
{
	struct str_list out = {.items = NULL, .n = 0};

	if (strcmp(value, "all") == 0) {
		paths->masked.n = 0;
		paths->readonly.n = 0;
		return 0;
	}
	if (use_list(arena, s, value, &out) < 0)
		return -1;
	take_out(arena, &paths->masked, &out);
	take_out(arena, &paths->readonly, &out);
	return 0;
}

static int use_value(struct arena *arena, const struct setting *s, const char *value,
		     bool annotation, struct policy *policy, struct limit *lower)
{
	void *key = (char *)policy + s->offset;

	switch (s->kind) {
	case SET_LIST:
		return use_list(arena, s, value, key);
	case SET_LIMIT:
		return use_limit(arena, s, value, annotation, key, lower);
	case SET_USER:
		return use_user(arena, value, &policy->user);
	case SET_TMPFS:
		return use_tmpfs(arena, value, annotation, &policy->rootfs);
	case SET_UNMASK:
		return use_unmask(arena, s, value, &policy->paths);
	case SET_WORD:
	case SET_BOOL:
	default:
		return -1;
	}
}

/* What a value may be, where an annotation may say less than --allow. */
static const char *expected_text(const struct setting *s, bool annotation)
{
	if (s->kind == SET_LIMIT)
		return limit_expected(s->limit);
	if (s->kind == SET_TMPFS && annotation)
		return "PATH[,PATH] outside /, /proc, /sys and /dev, at most 64 (:exec only by "
		       "--allow or a policy)";
	if (s->kind == SET_TMPFS)
		return "PATH[:exec][,PATH[:exec]] outside /, /proc, /sys and /dev, at most 64";
	return s->syntax;
}

int setting_use(struct arena *arena, const struct setting *s, const char *value, bool annotation,
		struct policy *policy, struct limit *lower, struct error *err)
{
	void *key = (char *)policy + s->offset;

	if (s->kind == SET_WORD || s->kind == SET_BOOL) {
		/* An annotation always has a value. */
		if (value != NULL && strcmp(value, "true") != 0)
			return error_set(err, "expected no value or \"true\", got \"%s\"", value);
		if (s->kind == SET_WORD)
			*(char **)key = arena_strdup(arena, s->word);
		else
			*(struct opt_bool *)key = (struct opt_bool){.set = true, .value = s->flag};
		return 0;
	}
	if (value == NULL || use_value(arena, s, value, annotation, policy, lower) < 0)
		return error_set(err, "expected %s, got \"%s\"", expected_text(s, annotation),
				 value != NULL ? value : "");
	return 0;
}

static char *all_names(struct arena *arena)
{
	struct str_list names = {.items = NULL, .n = 0};

	for (size_t i = 0; i < N_SETTINGS; i++)
		list_append(arena, &names, arena_strdup(arena, settings[i].name));
	return list_text(arena, &names);
}

int policy_parse_allow(struct arena *arena, const char *text, struct policy_setting *out,
		       struct error *err)
{
	size_t length = strcspn(text, "=");
	struct policy scratch = {.name = NULL};
	struct limit lower[LIMIT_TYPES];

	out->name = arena_strndup(arena, text, length);
	out->value = text[length] == '=' ? arena_strdup(arena, text + length + 1) : NULL;
	const struct setting *setting = setting_find(out->name);

	if (setting == NULL)
		return error_set(err, "--allow %s: no such name; there are: %s", out->name,
				 all_names(arena));
	if (setting_use(arena, setting, out->value, false, &scratch, lower, err) < 0)
		return error_wrap(err, "--allow %s", out->name);
	return 0;
}
