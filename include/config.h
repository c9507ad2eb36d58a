/*
 * Stage 1: config.json as a struct. It knows the OCI words and nothing of the kernel: names of
 * capabilities, syscalls, signals and mount options stay text here; plan/ gives them meaning.
 * Field names follow https://github.com/opencontainers/runtime-spec (1.3.0): config.md and
 * config-linux.md. Absent strings are NULL, absent lists have n == 0.
 */
#ifndef RUNSAFE_CONFIG_H
#define RUNSAFE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "json_read.h"
#include "json_write.h"
#include "lists.h"

struct config_root {
	bool present;
	char *path; /* absolute, or relative to the bundle */
	bool readonly;
};

struct config_id_mapping {
	uint32_t container_id;
	uint32_t host_id;
	uint32_t size;
};

struct config_mount {
	char *destination; /* absolute; a relative one is taken as below "/" (config.md, mounts) */
	char *type;
	char *source; /* a relative bind source is relative to the bundle */
	struct str_list options;
	/* Both or none; for idmap and ridmap. Without them these take linux.uidMappings. */
	struct config_id_mapping *uid_mappings;
	size_t n_uid_mappings;
	struct config_id_mapping *gid_mappings;
	size_t n_gid_mappings;
};

struct config_user {
	uint32_t uid;
	uint32_t gid;
	struct opt_u32 umask;
	struct u32_list additional_gids;
};

struct config_rlimit {
	char *type; /* "RLIMIT_NOFILE"; one of getrlimit(2)'s, each at most once */
	uint64_t soft;
	uint64_t hard;
};

struct config_capabilities {
	bool present;
	struct str_list bounding;
	struct str_list effective;
	struct str_list inheritable;
	struct str_list permitted;
	struct str_list ambient;
};

struct config_console_size {
	bool present;
	uint32_t height;
	uint32_t width;
};

struct config_scheduler {
	char *policy;		 /* SCHED_OTHER FIFO RR BATCH ISO IDLE DEADLINE */
	struct opt_i64 nice;	 /* -20 to 19 */
	struct opt_i64 priority; /* 0 to 99 */
	struct str_list flags;	 /* SCHED_FLAG_* */
	struct opt_u64 runtime;	 /* nanoseconds, as the next two: SCHED_DEADLINE */
	struct opt_u64 deadline;
	struct opt_u64 period;
};

struct config_io_priority {
	char *class_;	  /* IOPRIO_CLASS_RT, _BE, _IDLE */
	int64_t priority; /* 0 to 7 */
};

/* Lists of CPUs (0 to 8191) and memory nodes (0 to 1023) are checked: numbers and ascending ranges,
 * comma-separated, blanks around them. */
struct config_cpu_affinity {
	char *initial; /* "0-3,7"; NULL: leave */
	char *final_;
};

struct config_process {
	bool present;
	bool terminal;
	struct config_console_size console_size;
	bool user_present;
	struct config_user user;
	struct str_list args;
	struct str_list env;
	char *cwd;
	struct config_rlimit *rlimits;
	size_t n_rlimits;
	struct config_capabilities capabilities;
	bool no_new_privileges;
	struct opt_i64 oom_score_adj; /* -1000 to 1000 */
	char *apparmor_profile;
	char *selinux_label;
	struct config_scheduler *scheduler;	       /* NULL: none */
	struct config_io_priority *io_priority;	       /* NULL: none */
	struct config_cpu_affinity *exec_cpu_affinity; /* NULL: none; for exec only */
};

struct config_hook {
	char *path;	      /* absolute */
	struct str_list args; /* args[0] included, as in execv(3); empty: path is args[0] */
	struct str_list env;
	struct opt_i64 timeout; /* seconds, greater than 0 */
};

struct config_hook_list {
	struct config_hook *items;
	size_t n;
};

struct config_hooks {
	struct config_hook_list prestart;
	struct config_hook_list create_runtime;
	struct config_hook_list create_container;
	struct config_hook_list start_container;
	struct config_hook_list poststart;
	struct config_hook_list poststop;
};

struct config_namespace {
	char *type; /* pid network mount ipc uts user cgroup time */
	char *path; /* NULL: a new one */
};

struct config_time_offset {
	char *clock; /* "monotonic" or "boottime" */
	int64_t secs;
	uint32_t nanosecs; /* below 1000000000 */
};

struct config_device {
	char *type; /* c b u p */
	char *path;
	int64_t major;
	int64_t minor;
	struct opt_u32 file_mode; /* may carry Go's or stat's type bits; mknod takes & 07777 */
	struct opt_u32 uid;
	struct opt_u32 gid;
	bool major_set; /* always for c, b and u; p has none */
	bool minor_set;
};

struct config_device_rule {
	bool allow;
	char *type;	      /* a c b; NULL is a */
	struct opt_i64 major; /* absent or -1: all */
	struct opt_i64 minor;
	char *access; /* subset of "rwm"; NULL or "": all */
};

struct config_memory {
	struct opt_i64 limit; /* bytes; -1 unlimited */
	struct opt_i64 reservation;
	struct opt_i64 swap;	   /* memory plus swap, as the specification has it */
	struct opt_i64 kernel;	   /* cgroup v1 only, ignored */
	struct opt_i64 kernel_tcp; /* cgroup v1 only, ignored */
	struct opt_u64 swappiness; /* cgroup v1 only */
	struct opt_bool disable_oom_killer;
	struct opt_bool use_hierarchy;
	struct opt_bool check_before_update;
};

struct config_cpu {
	struct opt_u64 shares; /* 2 to 262144; 0 unset */
	struct opt_i64 quota;  /* microseconds a period; -1 unlimited, 0 unset */
	struct opt_u64 burst;
	struct opt_u64 period; /* 0 unset */
	struct opt_i64 realtime_runtime;
	struct opt_u64 realtime_period;
	struct opt_i64 idle;
	char *cpus;
	char *mems;
};

struct config_pids {
	bool present;
	struct opt_i64 limit; /* -1 unlimited */
};

struct config_weight_device {
	int64_t major;
	int64_t minor;
	struct opt_u32 weight;
	struct opt_u32 leaf_weight;
};

struct config_throttle_device {
	int64_t major;
	int64_t minor;
	uint64_t rate; /* bytes or operations a second */
};

struct config_throttle_list {
	struct config_throttle_device *items;
	size_t n;
};

struct config_block_io {
	struct opt_u32 weight; /* 10 to 1000; 0 unset */
	struct opt_u32 leaf_weight;
	struct config_weight_device *weight_devices;
	size_t n_weight_devices;
	struct config_throttle_list read_bps;
	struct config_throttle_list write_bps;
	struct config_throttle_list read_iops;
	struct config_throttle_list write_iops;
};

struct config_hugepage_limit {
	char *page_size; /* "2MB" */
	uint64_t limit;	 /* bytes */
};

struct config_rdma {
	char *device;		    /* the key: "mlx5_1" */
	struct opt_u32 hca_handles; /* at least one of the two */
	struct opt_u32 hca_objects;
};

struct config_resources {
	bool present;
	struct config_device_rule *devices;
	size_t n_devices;
	struct config_memory memory;
	struct config_cpu cpu;
	struct config_pids pids;
	struct config_block_io block_io;
	struct config_hugepage_limit *hugepage_limits;
	size_t n_hugepage_limits;
	struct config_rdma *rdma;
	size_t n_rdma;
	struct str_map unified;
};

struct config_seccomp_arg {
	uint32_t index; /* 0 to 5 */
	uint64_t value;
	uint64_t value_two;
	char *op; /* SCMP_CMP_NE LT LE EQ GE GT MASKED_EQ */
};

struct config_seccomp_rule {
	struct str_list names;
	char *action;
	struct opt_u32 errno_ret;
	struct config_seccomp_arg *args;
	size_t n_args;
};

struct config_seccomp {
	char *default_action;
	struct opt_u32 default_errno_ret;
	struct str_list architectures;
	struct str_list flags;
	struct config_seccomp_rule *syscalls;
	size_t n_syscalls;
	char *listener_path;	 /* unix socket that gets the notify descriptor */
	char *listener_metadata; /* handed on as it is */
};

struct config_personality {
	char *domain; /* LINUX, LINUX32 */
	struct str_list flags;
};

struct config_intel_rdt {
	char *clos_id; /* NULL: the container's id; "/": resctrl's own folder, the default class */
	struct str_list schemata;
	char *l3_cache_schema;
	char *mem_bw_schema;
	bool enable_monitoring;
};

struct config_memory_policy {
	char *mode;	       /* MPOL_DEFAULT BIND INTERLEAVE WEIGHTED_INTERLEAVE PREFERRED
				  PREFERRED_MANY LOCAL */
	char *nodes;	       /* "0-3,7"; NULL: none */
	struct str_list flags; /* MPOL_F_NUMA_BALANCING, _RELATIVE_NODES, _STATIC_NODES */
};

struct config_net_device {
	char *host_name; /* the key */
	char *name;	 /* in the container, may have a %d; NULL: the same */
};

struct config_linux {
	bool present;
	bool namespaces_present; /* the key was there, even as an empty list */
	struct config_namespace *namespaces;
	size_t n_namespaces;
	struct config_id_mapping *uid_mappings;
	size_t n_uid_mappings;
	struct config_id_mapping *gid_mappings;
	size_t n_gid_mappings;
	struct config_time_offset *time_offsets;
	size_t n_time_offsets;
	struct config_device *devices;
	size_t n_devices;
	char *cgroups_path;
	struct config_resources resources;
	struct str_map sysctl;
	struct config_seccomp *seccomp; /* NULL: none */
	char *rootfs_propagation;
	struct str_list masked_paths;
	struct str_list readonly_paths;
	struct config_personality *personality; /* NULL: none */
	char *mount_label;
	struct config_intel_rdt *intel_rdt;	    /* NULL: none */
	struct config_memory_policy *memory_policy; /* NULL: none */
	struct config_net_device *net_devices;
	size_t n_net_devices;
};

struct config {
	char *oci_version;
	struct config_root root;
	char *hostname;
	char *domainname;
	struct config_mount *mounts;
	size_t n_mounts;
	struct config_process process;
	struct config_hooks hooks;
	struct str_map annotations;
	struct config_linux linux_; /* "linux" is a macro under gnu17 */
};

/*
 * Reads config.json of the bundle (an open directory). Checks what the specification says about
 * each field by itself: presence, type, range, accepted words, absolute paths, ociVersion 1.x.
 * Returns 0, or -1 with err set.
 */
int config_read(struct arena *arena, int bundle, struct config *out, struct error *err);

/* The same of another file in it (or anywhere, by an absolute path). */
int config_read_file(struct arena *arena, int bundle, const char *name, struct config *out,
		     struct error *err);

/* The same from text; label stands for the file in messages. */
int config_parse(struct arena *arena, const char *label, const char *text, size_t length,
		 struct config *out, struct error *err);

/* Reads a linux.seccomp object that is the whole text (profiles/seccomp-default.json). */
int config_parse_seccomp(struct arena *arena, const char *label, const char *text, size_t length,
			 struct config_seccomp *out, struct error *err);

/* Reads a linux.resources object that is the whole text (update --resources). */
int config_parse_resources(struct arena *arena, const char *label, const char *text, size_t length,
			   struct config_resources *out, struct error *err);

/* Reads a process object that is the whole text (exec --process). args and cwd must be there.
 * Returns 0, or -1 with err set. */
int config_parse_process(struct arena *arena, const char *label, const char *text, size_t length,
			 struct config_process *out, struct error *err);

/* Writes cfg as an OCI config.json object (what `spec` prints and `check` shows as the outcome)
 * under key, NULL at the top. Absent values are left out. */
void config_write(struct json_writer *w, const char *key, const struct config *cfg);

/* The table that config_read() walks, for a config inside another file (state.json). It is
 * NULL-safe in JSON_OBJECT fields of size sizeof(struct config). */
const struct json_table *config_table(void);

/* Writes the members of a seccomp object under key. */
void config_write_seccomp(struct json_writer *w, const char *key, const struct config_seccomp *s);

/* The hardened config.json that `runsafe spec` prints; filled into *out with arena memory. */
void config_spec(struct arena *arena, struct config *out);

/* Makes of it one for an ordinary user (`spec --rootless`): a user namespace in which the workload
 * is uid:gid of the host, which a user may map without newuidmap(1). */
void config_spec_rootless(struct arena *arena, struct config *config, uint32_t uid, uint32_t gid);

/* The names of the hooks that are read, NULL-ended. */
const char *const *config_hook_names(void);

/* The first namespace of that type, or NULL. */
struct config_namespace *config_namespace_find(const struct config_linux *linux_, const char *type);

#endif
