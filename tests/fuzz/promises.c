/* The promises of docs/security.md as assertions, said without the code that keeps them. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../../runtime/cgroup/cgroup_internal.h"
#include "fuzz.h"
#include "json_write.h"
#include "seccomp.h"

static void must(bool holds, const char *promise, const char *text)
{
	if (!holds)
		broken(promise, text ? text : "(not set)");
}

const char *written(struct arena *arena, const struct config *cfg)
{
	struct json_writer w;

	json_start(&w, arena, false);
	config_write(&w, NULL, cfg);
	return json_finish(&w);
}

/* What `check` shows and state.json keeps has to mean the same when it is read again. As the state
 * is: a value that only the kernel will refuse may be in it. */
void must_come_back(struct arena *arena, const struct config *cfg)
{
	struct config again = {0};
	struct error err = ERROR_INIT;
	const char *text = written(arena, cfg);

	if (json_read(arena, "written", text, strlen(text), config_table(), &again, &err) < 0)
		broken(err.text, text);
	if (strcmp(written(arena, &again), text) != 0)
		broken(text, written(arena, &again));
}

struct policy_input builtin_policy(struct arena *arena, const char *name)
{
	struct error err = ERROR_INIT;
	size_t length;
	const char *text = policy_builtin_text(name, &length);
	struct policy_input in = {.policy = policy_parse(arena, name, text, length, &err)};

	if (!in.policy)
		broken("a built-in policy is valid", err.text);
	return in;
}

void must_be_unprivileged(const struct config_process *p, const struct hardening *h)
{
	const struct config_capabilities *c = &p->capabilities;

	must(p->user_present && p->user.uid != 0, "no uid 0", "process.user.uid");
	must(p->user.gid != 0, "no gid 0", "process.user.gid");
	for (size_t i = 0; i < p->user.additional_gids.n; i++)
		must(p->user.additional_gids.items[i] != 0, "no group 0", "additionalGids");
	must(c->bounding.n + c->effective.n + c->inheritable.n + c->permitted.n + c->ambient.n == 0,
	     "no capability", "process.capabilities");
	must(p->no_new_privileges, "no_new_privs", "false");
	must(h->builtin_seccomp && h->seccomp_allow.n == 0, "our filter", "missing");
	must(h->new_keyring, "a new keyring", "the caller's");
}

/* A number, and perhaps a period behind it: no "max", no sign, no blank that a kernel passes over.
 */
static bool is_limit(const char *value)
{
	size_t first = strspn(value, "0123456789");
	const char *rest = value + first;

	return first > 0 && (!*rest || (*rest == ' ' && rest[1] &&
					rest[1 + strspn(rest + 1, "0123456789")] == '\0'));
}

/* What is written last to the file counts. */
static const char *last_written(const struct cg_settings *settings, const char *file)
{
	const char *value = NULL;

	for (size_t i = 0; i < settings->n; i++) {
		must(!strchr(settings->items[i].write.file, '/'), "a file of the cgroup's own",
		     settings->items[i].write.file);
		if (strcmp(settings->items[i].write.file, file) == 0)
			value = settings->items[i].write.value;
	}
	return value;
}

void must_be_limited(const struct config_resources *resources)
{
	static const char *const files[] = {"memory.max", "memory.swap.max", "cpu.max", "pids.max"};
	struct arena arena = ARENA_INIT;
	struct cg_settings settings;
	struct error err = ERROR_INIT;

	/* What can not be written to a cgroup does not start. */
	if (cg_settings_build(&arena, resources, "100000", &settings, NULL, &err) < 0) {
		check_error(&err);
	} else {
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
			const char *value = last_written(&settings, files[i]);

			must(value && is_limit(value), files[i], value);
		}
	}
	arena_free(&arena);
}

void must_be_hardened(const struct config *cfg, const struct hardening *h)
{
	static const char *const kinds[] = {"pid", "network", "ipc", "mount", "uts", "cgroup"};

	must_be_unprivileged(&cfg->process, h);
	must_be_limited(&cfg->linux_.resources);
	must(cfg->root.readonly, "a root that is read-only", "root.readonly");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		must(config_namespace_find(&cfg->linux_, kinds[i]), "a namespace", kinds[i]);
	must(h->check_namespaces && h->host_namespaces.n == 0, "not the host's namespaces", "");
	must(h->check_binds && h->allowed_binds.n == 0, "not the host's trees", "");
	must(h->restrict_devices, "the usual devices alone", "");
	must(h->no_setid_binds, "no set-user-ID files", "");
	must(h->tmpfs_max_bytes > 0, "a tmpfs within the limit of memory", "");
	for (size_t i = 0; i < h->n_tmpfs; i++)
		must(!h->tmpfs[i].exec && strcmp(h->tmpfs[i].path, "/") != 0,
		     "no new programs from a tmpfs", h->tmpfs[i].path);
}

static void must_not_be_hosts(const struct plan *plan)
{
	static const struct {
		int flag;
		const char *file;
	} kinds[] = {
	    {CLONE_NEWNS, "/proc/self/ns/mnt"},	  {CLONE_NEWPID, "/proc/self/ns/pid"},
	    {CLONE_NEWNET, "/proc/self/ns/net"},  {CLONE_NEWIPC, "/proc/self/ns/ipc"},
	    {CLONE_NEWUTS, "/proc/self/ns/uts"},  {CLONE_NEWCGROUP, "/proc/self/ns/cgroup"},
	    {CLONE_NEWUSER, "/proc/self/ns/user"}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool own = plan->clone_flags & kinds[i].flag;
		struct stat theirs, ours;

		for (size_t j = 0; j < plan->n_joins; j++) {
			if (plan->joins[j].clone_flag != kinds[i].flag)
				continue;
			own = true;
			must(fstat(plan->joins[j].fd, &theirs) == 0 &&
				 stat(kinds[i].file, &ours) == 0 &&
				 (theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino),
			     "a namespace that is not the host's", kinds[i].file);
		}
		must(own || kinds[i].flag == CLONE_NEWUSER, "a namespace of its own",
		     kinds[i].file);
	}
}

static bool is_usual_device(dev_t number)
{
	const unsigned int a = major(number), b = minor(number);

	return (a == 1 && (b == 3 || b == 5 || b == 7 || b == 8 || b == 9)) ||
	       (a == 5 && (b == 0 || b == 1 || b == 2)) || a == 136;
}

/* Set and not taken back, on the mount itself. */
static bool has_attribute(const struct plan_mount *m, uint64_t bit)
{
	const uint64_t set = m->attr.set | m->attr.recursive_set;

	return (set & bit) && !(m->attr.recursive_clear & bit) &&
	       ((m->attr.set & bit) || !(m->attr.clear & bit) || (m->attr.recursive_set & bit));
}

static void must_be_tame(const struct plan_mount *m)
{
	must(has_attribute(m, MOUNT_ATTR_NOSUID), "no set-user-ID files", m->destination);
	/* Devices are reached where they belong; which ones is the cgroup's program's to say. */
	if (m->kind == PLAN_MOUNT_NEW && strcmp(m->type, "devpts") != 0 &&
	    !strstr(m->destination, "dev"))
		must(has_attribute(m, MOUNT_ATTR_NODEV), "no devices", m->destination);
}

static void must_cover(const struct plan_path *list, size_t n, const char *const *wanted)
{
	for (; *wanted; wanted++) {
		/* Another spelling of the same path is fine: its end tells. */
		const char *end = strrchr(*wanted, '/');
		bool there = false;

		for (size_t i = 0; i < n && !there; i++) {
			const size_t length = strlen(list[i].path);

			there = length >= strlen(end) &&
				strcmp(list[i].path + length - strlen(end), end) == 0;
		}
		must(there, "a path that is covered", *wanted);
	}
}

static void must_be_nobodys_root(const struct config *cfg, const struct plan *plan)
{
	const struct config_linux *l = &cfg->linux_;

	for (size_t i = 0; plan->uid_map && i < l->n_uid_mappings; i++) {
		const struct config_id_mapping *m = &l->uid_mappings[i];

		if (plan->uid >= m->container_id && plan->uid - m->container_id < m->size) {
			must(plan->uid - m->container_id + m->host_id != 0, "not root of the host",
			     "linux.uidMappings");
			return;
		}
	}
	must(!plan->uid_map, "a mapped user", "linux.uidMappings");
}

void must_be_planned(const struct config *cfg, const struct plan *plan)
{
	static const char *const masked[] = {"/proc/kcore",	 "/proc/keys",
					     "/proc/timer_list", "/proc/sched_debug",
					     "/sys/firmware",	 NULL};
	static const char *const readonly[] = {
	    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL};
	const struct plan_capabilities *c = &plan->capabilities;
	struct seccomp_program ours;
	struct error err = ERROR_INIT;

	must(plan->uid != 0 && plan->gid != 0, "no uid or gid 0", "plan");
	for (size_t i = 0; i < plan->n_groups; i++)
		must(plan->groups[i] != 0, "no group 0", "plan");
	must((c->bounding | c->effective | c->inheritable | c->permitted | c->ambient) == 0,
	     "no capability", "plan");
	must(plan->rootfs_readonly, "a root that is read-only", "plan");
	must(plan->no_new_privileges && plan->new_keyring, "no_new_privs, keyring", "plan");
	must(plan->rootfs_attr & MOUNT_ATTR_NOSUID, "no set-user-ID files on the root", "plan");
	must(seccomp_builtin(&(struct str_list){0}, &ours, &err) == 0 && plan->n_filters > 0 &&
		 plan->filters[0].instructions == ours.instructions &&
		 plan->filters[0].length == ours.length,
	     "our filter first", "plan");
	must(plan->rootfs_propagation != MS_SHARED, "no mounts on the host", "rootfs");
	must_not_be_hosts(plan);
	must_be_nobodys_root(cfg, plan);
	for (size_t i = 0; i < plan->n_mounts; i++) {
		if (plan->mounts[i].kind == PLAN_MOUNT_NEW || !plan->mounts[i].of_policy)
			must_be_tame(&plan->mounts[i]);
	}
	for (size_t i = 0; i < plan->n_devices; i++)
		must(is_usual_device(plan->devices[i].rdev), "a usual device",
		     plan->devices[i].path);
	must_cover(plan->masked, plan->n_masked, masked);
	must_cover(plan->readonly, plan->n_readonly, readonly);
	for (size_t i = 0; i < plan->n_sysctls; i++)
		must(plan->sysctls[i].path[0] != '/' && !strstr(plan->sysctls[i].path, ".."),
		     "a sysctl", plan->sysctls[i].path);
	must(plan->scheduler.policy != 1 && plan->scheduler.policy != 2 &&
		 plan->scheduler.policy != 6,
	     "not ahead of others", "process.scheduler");
}

static void make_plan(struct arena *arena, const struct config *cfg,
		      const struct hardening *hardening, struct findings *findings, bool check)
{
	struct error err = ERROR_INIT;
	struct plan plan;
	const struct plan_input in = {.config = cfg,
				      .hardening = hardening,
				      .id = "fuzz",
				      .bundle = place_bundle(),
				      .bundle_path = place_path(),
				      .check_only = check};
	bool as_written = strcmp(hardening->policy, "oci") == 0;

	if (plan_make(arena, &in, &plan, findings, &err) < 0)
		check_error(&err);
	else if (!as_written && !findings_have(findings, FINDING_REFUSED))
		must_be_planned(cfg, &plan);
	plan_close(&plan);
}

void harden_and_plan(struct arena *arena, const struct config *parsed, const char *policy,
		     bool check)
{
	struct error err = ERROR_INIT;
	struct findings findings = {.arena = arena};
	struct hardening hardening = {0};
	struct config cfg = *parsed;
	struct policy_input in = builtin_policy(arena, policy);
	int next = place_next_descriptor();

	if (policy_apply(arena, &in, check, &cfg, &hardening, &findings, &err) < 0) {
		if (check)
			broken("check collects what is refused", err.text);
		check_error(&err);
		return;
	}
	must_come_back(arena, &cfg);
	if (strcmp(policy, "oci") != 0 && !findings_have(&findings, FINDING_REFUSED))
		must_be_hardened(&cfg, &hardening);
	make_plan(arena, &cfg, &hardening, &findings, check);
	if (place_next_descriptor() != next)
		broken("a plan closes what it opened", "a descriptor is left");
}
