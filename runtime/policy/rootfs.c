/* What the workload sees of files: the rootfs, places to write, mounts, masked paths. */
#include <string.h>

#include "keys.h"
#include "policy_internal.h"

/* A step that was to write to the image as root would go on as somebody else and fail at anything,
 * with a message that is no help. What makes neither difference to a step lets it run. */
int rule_build(struct apply *a)
{
	const struct config_process *process = &a->cfg->process;
	bool root = !process->user_present || process->user.uid == 0;
	bool writes = a->policy.rootfs.readonly.value && !a->cfg->root.readonly;

	if (!a->in->image_build || (!writes && (!root || word_is(a->policy.user.root, WORD_KEEP))))
		return 0;
	return refuse(a, writes ? "root.readonly" : "process.user",
		      "this is a step of an image build (buildah), which needs root and a rootfs "
		      "that it can write: build with --runtime-flag policy=oci (Podman's global "
		      "option comes before \"build\"), or with runsafe-oci as the runtime");
}

int rule_rootfs(struct apply *a)
{
	char *propagation = a->cfg->linux_.rootfs_propagation;

	if (a->policy.rootfs.readonly.value && !a->cfg->root.readonly) {
		a->cfg->root.readonly = true;
		changed(a, "root.readonly", "was false: made true");
	}
	if (!word_is(a->policy.rootfs.propagation, WORD_PRIVATE) || propagation == NULL)
		return 0;
	if (strcmp(propagation, "shared") == 0 || strcmp(propagation, "rshared") == 0) {
		/* Not rprivate, which would cut off the slaves as well: `-v /mnt:/mnt:rslave`
		 * beside an rshared one shall still get what the host mounts later. */
		a->cfg->linux_.rootfs_propagation = arena_strdup(a->arena, "rslave");
		changed(a, "linux.rootfsPropagation", "was %s: made rslave", propagation);
	}
	return 0;
}

/* The devices that every container gets (config-linux.md, "Default Devices"): binding one of them
 * over a file hides that file, and must leave a device that works. */
static bool is_device(const struct apply *a, const char *source)
{
	static const char *const usual[] = {"/dev/null",   "/dev/zero",	   "/dev/full",
					    "/dev/random", "/dev/urandom", "/dev/tty"};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (strcmp(source, usual[i]) == 0)
			return true;
	}
	return str_list_has(&a->policy.devices.allow, source);
}

static bool needs_devices(const struct apply *a, const struct config_mount *m, bool bind)
{
	char *destination = path_normal(a->arena, m->destination);
	char *source = bind && m->source != NULL ? path_normal(a->arena, m->source) : NULL;

	return word_is(destination, "/dev") || word_is(m->type, "devpts") ||
	       (source != NULL && is_device(a, source));
}

/* The words that say the contrary of a flag, and the flag in both its forms. */
struct mount_flag {
	const char *on;
	const char *recursive;
	const char *off;
	const char *recursive_off;
};

static const struct mount_flag nosuid = {"nosuid", "rnosuid", "suid", "rsuid"};
static const struct mount_flag nodev = {"nodev", "rnodev", "dev", "rdev"};
static const struct mount_flag noexec = {"noexec", "rnoexec", "exec", "rexec"};

/* Makes flag hold whatever the options say; returns whether one had to be added or taken out. */
static bool force_flag(struct apply *a, struct config_mount *m, const char *path, bool recursive,
		       const struct mount_flag *flag)
{
	const char *word = recursive ? flag->recursive : flag->on;
	struct str_list options = {.items = NULL, .n = 0};
	bool there = false;
	bool contrary = false;

	for (size_t i = 0; i < m->options.n; i++) {
		char *option = m->options.items[i];

		if (strcmp(option, flag->off) == 0 || strcmp(option, flag->recursive_off) == 0) {
			contrary = true;
			changed(a, path, "option %s: made %s", option, word);
			continue;
		}
		/* What comes before "defaults" may be read as taken back by it. */
		if (strcmp(option, "defaults") == 0)
			there = false;
		there = there || strcmp(option, flag->recursive) == 0 ||
			(!recursive && strcmp(option, flag->on) == 0);
		str_list_add(a->arena, &options, option);
	}
	if (!there)
		str_list_add(a->arena, &options, arena_strdup(a->arena, word));
	if (contrary || !there)
		m->options = options;
	return !there;
}

static bool harden_mount(struct apply *a, struct config_mount *m, const char *path)
{
	bool rbind = str_list_has(&m->options, "rbind");
	bool bind = rbind || str_list_has(&m->options, "bind") || word_is(m->type, "bind");
	char *destination = path_normal(a->arena, m->destination);
	bool added = force_flag(a, m, path, rbind, &nosuid);

	if (!needs_devices(a, m, bind))
		return force_flag(a, m, path, rbind, &nodev) || added;
	/* No file of a container's /dev is a program. */
	if (!bind && (word_is(destination, "/dev") || word_is(m->type, "devpts")) &&
	    !str_list_has(&m->options, "exec"))
		return force_flag(a, m, path, false, &noexec) || added;
	return added;
}

/* Podman's own tmpfs on /tmp (--read-only, --tmpfs) says neither exec nor noexec: what is not asked
 * for is not given where the policy would have mounted one itself. */
static void harden_tmpfs(struct apply *a, struct config_mount *m, const char *path)
{
	static const char *const said[] = {"exec", "rexec", "noexec", "rnoexec"};
	const struct policy_rootfs *rootfs = &a->policy.rootfs;
	char *place = path_normal(a->arena, m->destination);
	bool meant = false;

	if (!word_is(m->type, "tmpfs"))
		return;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		if (str_list_has(&m->options, said[i]))
			return;
	for (size_t i = 0; i < rootfs->n_tmpfs; i++) {
		const struct policy_tmpfs *t = &rootfs->tmpfs[i];

		meant |= word_is(place, t->path) && !t->exec.value &&
			 (!t->enabled.set || t->enabled.value);
	}
	if (!meant)
		return;
	(void)force_flag(a, m, path, false, &noexec);
	changed(a, path, "a tmpfs on %s that says neither exec nor noexec: made noexec", place);
}

/*
 * Where a container joins a pod's user namespace, Podman takes the host's /sys for all that the
 * kernel would let it have, although the network is the pod's own: there it can have a sysfs.
 */
static void take_own_sysfs(struct apply *a, struct config_mount *m, const char *path)
{
	static const char *const wanted[] = {"ro", "nosuid", "nodev", "noexec"};
	const struct config_linux *l = &a->cfg->linux_;
	bool bind = str_list_has(&m->options, "rbind") || str_list_has(&m->options, "bind") ||
		    word_is(m->type, "bind");
	struct str_list options = {.items = NULL, .n = 0};

	if (!bind || m->source == NULL || !word_is(path_normal(a->arena, m->source), "/sys") ||
	    !word_is(path_normal(a->arena, m->destination), "/sys") ||
	    str_list_has(&a->policy.mounts.allow_binds, "/sys") ||
	    config_namespace_find(l, "user") == NULL || config_namespace_find(l, "network") == NULL)
		return;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		str_list_add(a->arena, &options, arena_strdup(a->arena, wanted[i]));
	m->type = arena_strdup(a->arena, "sysfs");
	m->source = arena_strdup(a->arena, "sysfs");
	m->options = options;
	changed(a, path, "a bind of the host's /sys: made a read-only sysfs of its own");
}

int rule_mounts(struct apply *a)
{
	struct config *cfg = a->cfg;
	struct config_mount *mounts = NULL;
	size_t n_added = 0;

	a->out->check_binds = a->policy.mounts.check_binds.value;
	a->out->no_setid_binds = a->policy.mounts.nosuid_nodev.value;
	a->out->give_new_volumes = a->policy.mounts.give_new_volumes.value;
	a->out->explain_denied = a->policy.mounts.explain_denied.value;
	if (a->out->check_binds)
		a->out->allowed_binds = a->policy.mounts.allow_binds;
	if ((!a->out->check_binds && !a->out->no_setid_binds) || cfg->n_mounts == 0)
		return 0;
	mounts = arena_alloc(a->arena, cfg->n_mounts * sizeof(*mounts));
	memcpy(mounts, cfg->mounts, cfg->n_mounts * sizeof(*mounts));
	cfg->mounts = mounts;
	for (size_t i = 0; i < cfg->n_mounts; i++) {
		char *path = arena_printf(a->arena, "mounts[%zu]", i);

		if (a->out->check_binds)
			take_own_sysfs(a, &mounts[i], path);
		harden_tmpfs(a, &mounts[i], path);
		if (!a->out->no_setid_binds)
			continue;
		n_added += harden_mount(a, &mounts[i], path) ? 1 : 0;
	}
	if (n_added != 0)
		noted(a, "mounts", "nosuid or nodev added to %zu of %zu", n_added, cfg->n_mounts);
	return 0;
}

static void add_tmpfs(struct apply *a, const struct policy_tmpfs *t, const struct keys *mounted)
{
	struct hardening *out = a->out;
	struct hardening_tmpfs tmpfs = {
	    .path = t->path,
	    .exec = t->exec.value,
	    .copy_up = t->copy_up.value,
	    .owned = t->owned.value,
	};
	size_t at = out->n_tmpfs;

	/* Checked when the policy was read. */
	(void)mode_parse(t->mode, &tmpfs.mode);
	out->tmpfs = arena_grow(a->arena, out->tmpfs, out->n_tmpfs, sizeof(*out->tmpfs));
	out->n_tmpfs++;
	/* In the order of their paths: one must not hide another that lies below it. */
	for (; at > 0 && strcmp(out->tmpfs[at - 1].path, t->path) > 0; at--)
		out->tmpfs[at] = out->tmpfs[at - 1];
	out->tmpfs[at] = tmpfs;
	if (!keys_find(mounted, t->path, strlen(t->path)))
		noted(a, "mounts", "%s: a tmpfs is added (mode %s%s)", t->path, t->mode,
		      t->exec.value ? ", exec" : "");
}

/* No place to write for a workload: /dev, /proc, /sys. Whose it is may be said already. */
static bool is_given(struct apply *a, const struct config_mount *m)
{
	const char *place = path_normal(a->arena, m->destination);

	if (!word_is(m->type, "tmpfs") || place == NULL || path_below(place, "/dev") ||
	    path_below(place, "/proc") || path_below(place, "/sys"))
		return false;
	for (size_t i = 0; i < m->options.n; i++) {
		const char *option = m->options.items[i];

		/* One string may hold several of a file system. */
		if (strncmp(option, "uid=", 4) == 0 || strncmp(option, "gid=", 4) == 0 ||
		    strstr(option, ",uid=") != NULL || strstr(option, ",gid=") != NULL)
			return false;
	}
	return true;
}

static void give_tmpfs(struct apply *a)
{
	for (size_t i = 0; a->uid_replaced && i < a->cfg->n_mounts; i++) {
		const struct config_mount *m = &a->cfg->mounts[i];

		if (!is_given(a, m))
			continue;
		str_list_add(a->arena, &a->out->given_tmpfs, m->destination);
		changed(a, arena_printf(a->arena, "mounts[%zu]", i),
			"a tmpfs of root's: made the workload's");
	}
}

static void add_normal(struct apply *a, struct keys *places, const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n_mounts; i++) {
		const char *place = path_normal(a->arena, cfg->mounts[i].destination);

		if (place != NULL)
			(void)keys_add(a->arena, places, place);
	}
}

int rule_tmpfs(struct apply *a)
{
	const struct config_resources *r = &a->cfg->linux_.resources;
	const struct policy_rootfs *rootfs = &a->policy.rootfs;
	cleanup_keys struct keys mounted = {0};

	add_normal(a, &mounted, a->cfg);
	for (size_t i = 0; i < rootfs->n_tmpfs; i++) {
		if (!rootfs->tmpfs[i].enabled.set || rootfs->tmpfs[i].enabled.value)
			add_tmpfs(a, &rootfs->tmpfs[i], &mounted);
	}
	give_tmpfs(a);
	if (a->out->n_tmpfs != 0 && r->memory.limit.set && r->memory.limit.value > 0)
		a->out->tmpfs_max_bytes = (uint64_t)r->memory.limit.value / 2;
	return 0;
}

/* A list of config.json's that grows, and what is in it. */
struct path_list {
	struct str_list all;
	struct keys there;
	const char *path; /* in config.json */
	const char *what; /* is done to them */
};

static void add_paths(struct apply *a, struct path_list *list, const struct str_list *usual)
{
	struct str_list added = {.items = NULL, .n = 0};

	for (size_t i = 0; i < usual->n; i++) {
		if (!keys_add(a->arena, &list->there, usual->items[i]))
			continue;
		str_list_add(a->arena, &list->all, usual->items[i]);
		str_list_add(a->arena, &added, usual->items[i]);
	}
	if (added.n != 0)
		changed(a, list->path, "%s: %s as well", list_text(a->arena, &added), list->what);
}

/* A second procfs or sysfs at another place shows, and lets write, the same as the first. */
static void add_elsewhere(struct apply *a, struct path_list *list, const struct str_list *usual)
{
	for (size_t i = 0; i < a->cfg->n_mounts; i++) {
		const struct config_mount *m = &a->cfg->mounts[i];
		const char *home = word_is(m->type, "proc")    ? "/proc"
				   : word_is(m->type, "sysfs") ? "/sys"
							       : NULL;
		const char *place = path_normal(a->arena, m->destination);
		struct str_list moved = {.items = NULL, .n = 0};

		if (home == NULL || place == NULL || strcmp(place, home) == 0)
			continue;
		for (size_t k = 0; k < usual->n; k++) {
			if (path_below(usual->items[k], home))
				str_list_add(a->arena, &moved,
					     arena_printf(a->arena, "%s%s", place,
							  usual->items[k] + strlen(home)));
		}
		add_paths(a, list, &moved);
	}
}

static void add_all_paths(struct apply *a, struct str_list *list, const struct str_list *usual,
			  const char *path, const char *what)
{
	struct path_list grown = {.path = path, .what = what};

	for (size_t i = 0; i < list->n; i++) {
		const char *normal = path_normal(a->arena, list->items[i]);

		str_list_add(a->arena, &grown.all, list->items[i]);
		if (normal != NULL)
			(void)keys_add(a->arena, &grown.there, normal);
	}
	add_paths(a, &grown, usual);
	add_elsewhere(a, &grown, usual);
	if (grown.all.n != list->n)
		*list = grown.all;
	keys_end(&grown.there);
}

int rule_paths(struct apply *a)
{
	struct config_linux *l = &a->cfg->linux_;

	add_all_paths(a, &l->masked_paths, &a->policy.paths.masked, "linux.maskedPaths", "masked");
	add_all_paths(a, &l->readonly_paths, &a->policy.paths.readonly, "linux.readonlyPaths",
		      "made read-only");
	return 0;
}
