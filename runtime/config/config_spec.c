/* The config.json that a person starts from: hardened already, so that the protections can be seen
 * and hold under every policy. */
#include "config_internal.h"

#define MIB INT64_C(1048576)

/* No /run: only the policy's has the folders that the image has there, as the workload's own. */
static const struct config_mount spec_mounts[] = {
    {.destination = "/proc", .type = "proc", .source = "proc"},
    {.destination = "/dev", .type = "tmpfs", .source = "tmpfs"},
    {.destination = "/dev/pts", .type = "devpts", .source = "devpts"},
    {.destination = "/dev/shm", .type = "tmpfs", .source = "shm"},
    {.destination = "/dev/mqueue", .type = "mqueue", .source = "mqueue"},
    {.destination = "/sys", .type = "sysfs", .source = "sysfs"},
    {.destination = "/sys/fs/cgroup", .type = "cgroup", .source = "cgroup"},
    {.destination = "/tmp", .type = "tmpfs", .source = "tmpfs"},
    {.destination = "/var/tmp", .type = "tmpfs", .source = "tmpfs"},
};

#define N_SPEC_MOUNTS (sizeof(spec_mounts) / sizeof(spec_mounts[0]))

/* In the order of spec_mounts; devpts has no gid=5, which a user namespace may not map. */
static const char *const spec_options[N_SPEC_MOUNTS][8] = {
    {"nosuid", "noexec", "nodev"},
    {"nosuid", "strictatime", "mode=755", "size=65536k"},
    {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"},
    {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"},
    {"nosuid", "noexec", "nodev"},
    {"nosuid", "noexec", "nodev", "ro"},
    {"nosuid", "noexec", "nodev", "relatime", "ro"},
    {"nosuid", "noexec", "nodev", "mode=1777", "size=512m"},
    {"nosuid", "noexec", "nodev", "mode=1777", "size=512m"},
};

static const char *const spec_namespaces[] = {"pid", "network", "ipc", "uts", "mount", "cgroup"};

#define N_SPEC_NAMESPACES (sizeof(spec_namespaces) / sizeof(spec_namespaces[0]))

/* What tells of the host, wakes it, or measures it: proc(5); powercap is CVE-2020-8694, interrupts
 * counts the host's key strokes. */
static const char *const spec_masked[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    NULL,
};

static const char *const spec_readonly[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

static struct str_list list_of(struct arena *arena, const char *const *words)
{
	struct str_list list = {0};

	for (; *words; words++)
		str_list_add(arena, &list, arena_strdup(arena, *words));
	return list;
}

static void fill_process(struct arena *arena, struct config_process *process)
{
	static const char *const args[] = {"sh", NULL};
	static const char *const env[] = {
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	    "TERM=xterm",
	    NULL,
	};

	process->present = true;
	process->terminal = true;
	process->user_present = true;
	process->user.uid = 1000;
	process->user.gid = 1000;
	process->args = list_of(arena, args);
	process->env = list_of(arena, env);
	process->cwd = arena_strdup(arena, "/");
	process->capabilities.present = true;
	process->no_new_privileges = true;
	process->rlimits = arena_alloc(arena, sizeof(*process->rlimits));
	process->n_rlimits = 1;
	process->rlimits[0].type = arena_strdup(arena, "RLIMIT_NOFILE");
	process->rlimits[0].soft = 1024;
	process->rlimits[0].hard = 1024;
}

static void fill_mounts(struct arena *arena, struct config *out)
{
	for (size_t i = 0; i < N_SPEC_MOUNTS; i++) {
		struct config_mount *mount;

		out->mounts = arena_grow(arena, out->mounts, i, sizeof(*out->mounts));
		mount = &out->mounts[i];
		mount->destination = arena_strdup(arena, spec_mounts[i].destination);
		mount->type = arena_strdup(arena, spec_mounts[i].type);
		mount->source = arena_strdup(arena, spec_mounts[i].source);
		mount->options = list_of(arena, spec_options[i]);
	}
	out->n_mounts = N_SPEC_MOUNTS;
}

/* The limits that the default policy sets where config sets none. */
static void fill_resources(struct arena *arena, struct config_resources *res)
{
	res->present = true;
	res->devices = arena_alloc(arena, sizeof(*res->devices));
	res->n_devices = 1;
	res->devices[0].access = arena_strdup(arena, "rwm");
	res->memory.limit = (struct opt_i64){true, 1024 * MIB};
	/* Memory and swap together: no swap. */
	res->memory.swap = res->memory.limit;
	res->cpu.quota = (struct opt_i64){true, 100000};
	res->cpu.period = (struct opt_u64){true, 100000};
	res->pids.present = true;
	res->pids.limit = (struct opt_i64){true, 1024};
}

static void fill_linux(struct arena *arena, struct config_linux *out)
{
	out->present = true;
	out->namespaces_present = true;
	for (size_t i = 0; i < N_SPEC_NAMESPACES; i++) {
		out->namespaces = arena_grow(arena, out->namespaces, i, sizeof(*out->namespaces));
		out->namespaces[i].type = arena_strdup(arena, spec_namespaces[i]);
	}
	out->n_namespaces = N_SPEC_NAMESPACES;
	fill_resources(arena, &out->resources);
	out->masked_paths = list_of(arena, spec_masked);
	out->readonly_paths = list_of(arena, spec_readonly);
}

void config_spec(struct arena *arena, struct config *out)
{
	*out = (struct config){.oci_version = arena_strdup(arena, "1.3.0")};
	out->root.present = true;
	out->root.path = arena_strdup(arena, "rootfs");
	out->root.readonly = true;
	out->hostname = arena_strdup(arena, "runsafe");
	fill_process(arena, &out->process);
	fill_mounts(arena, out);
	fill_linux(arena, &out->linux_);
}

static struct config_id_mapping *single_id(struct arena *arena, uint32_t inside, uint32_t outside)
{
	struct config_id_mapping *mapping = arena_alloc(arena, sizeof(*mapping));

	*mapping =
	    (struct config_id_mapping){.container_id = inside, .host_id = outside, .size = 1};
	return mapping;
}

void config_spec_rootless(struct arena *arena, struct config *config, uint32_t uid, uint32_t gid)
{
	struct config_linux *l = &config->linux_;
	const struct config_user *user = &config->process.user;

	l->namespaces = arena_grow(arena, l->namespaces, l->n_namespaces, sizeof(*l->namespaces));
	l->namespaces[l->n_namespaces++] =
	    (struct config_namespace){.type = arena_strdup(arena, "user")};
	l->uid_mappings = single_id(arena, user->uid, uid);
	l->n_uid_mappings = 1;
	l->gid_mappings = single_id(arena, user->gid, gid);
	l->n_gid_mappings = 1;
}
