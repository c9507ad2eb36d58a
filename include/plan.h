/*
 * Stage 3: everything that can be decided, opened, compiled or looked up before a child exists.
 * The plan is the sandbox's only input: numbers, masks, descriptors and texts for the kernel.
 */
#ifndef RUNSAFE_PLAN_H
#define RUNSAFE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "arena.h"
#include "config.h"
#include "error.h"
#include "net.h"
#include "policy.h"
#include "seccomp.h"

/* A namespace to join: opened, checked to be of its type. */
struct plan_join {
	int fd;
	bool copy;	  /* a mount namespace: leave it and go on in a copy */
	bool joined;	  /* the sandbox's own note: it was joined before the user namespace */
	int clone_flag;	  /* CLONE_NEW* */
	const char *type; /* for messages */
};

/* Attributes of a mount, for mount_setattr(2). */
struct plan_attr {
	uint64_t set; /* MOUNT_ATTR_* on the mount itself */
	uint64_t clear;
	uint64_t recursive_set; /* on it and all below: rro, rnosuid ... */
	uint64_t recursive_clear;
	uint64_t propagation; /* one of MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE, or 0 */
	bool propagation_recursive;
};

enum plan_mount_kind {
	PLAN_MOUNT_NEW = 1, /* a new instance of a file system */
	PLAN_MOUNT_BIND,    /* tree is a detached clone, made from the checked source */
	PLAN_MOUNT_REMOUNT  /* attributes of what is mounted there already */
};

/* An engine's named volume that becomes the workload's if it turns out to be new. Ids as the
 * runtime sees them on the disk. */
struct plan_volume {
	int fd; /* its folder, O_PATH; -1 once it was looked at */
	uid_t uid, root_uid;
	gid_t gid, root_gid;
};

/* What the workload needs of a bind, and what it reads on its stderr where it may not. */
struct plan_access {
	const char *path;    /* in the container, clean */
	bool is_file;	     /* to be read; else a folder, to be written in */
	bool only_if_barren; /* said only of a folder that is empty, or can not be read either */
	dev_t device;	     /* a later mount may hide it: nothing is said then */
	ino_t inode;
	const char *owner; /* "the volume belongs to 0:0 (mode 0755)" */
	const char *who;   /* "1000:1000" */
	const char *help;  /* "on the host: chown ..." */
	int denied;	   /* the sandbox's own: errno */
};

struct plan_mount {
	enum plan_mount_kind kind;
	const char *label;	 /* "mounts[3]", "policy tmpfs /tmp": for messages */
	const char *destination; /* in the container */
	const char *type;	 /* PLAN_MOUNT_NEW */
	const char *source;	 /* as written, for the kernel's tables */
	struct str_map data;	 /* PLAN_MOUNT_NEW: fsconfig(2) keys; value NULL: a flag */
	const char *data_text;	 /* the same as one text, for mount(2) */
	int tree;		 /* PLAN_MOUNT_BIND: of open_tree(2), or -1 */
	int instead; /* PLAN_MOUNT_NEW: a clone for where the kernel refuses it, or -1 */
	bool early;  /* PLAN_MOUNT_NEW: made into instead before the user namespace, if it can be */
	bool is_file;	    /* PLAN_MOUNT_BIND: the source is no directory */
	bool readonly_last; /* PLAN_MOUNT_BIND: read-only once all that comes into it is there */
	struct plan_attr attr;
	uint64_t superblock_flags;  /* MS_RDONLY and kin that belong to the file system */
	bool copy_up;		    /* fill the tmpfs with what lay below */
	bool keep_mode;		    /* a tmpfs without a mode: the directory's below, else 1777 */
	uint32_t kept_mode;	    /* the sandbox's own: that mode */
	bool of_policy;		    /* config.json does not mount it */
	bool owned;		    /* all of it, and the root, belong to the workload */
	bool late_readonly;	    /* PLAN_MOUNT_NEW: /dev, read-only once the devices are in it */
	bool shows_kernel;	    /* a procfs or sysfs; of a new one, too, tree is kept then */
	struct plan_volume *volume; /* NULL: it stays whose it is */
	struct plan_access *access; /* NULL: nothing to look at */
};

#define PLAN_NO_MOUNT SIZE_MAX

/*
 * What is to be masked or made read-only. In a procfs or sysfs it is looked up by the descriptor of
 * that mount: a container with the same rootfs may have put another folder at its path meanwhile,
 * and it would lie elsewhere, with nothing covered (CVE-2019-19921).
 */
struct plan_path {
	const char *path;  /* as written, for messages */
	size_t mount;	   /* in which of plan->mounts; PLAN_NO_MOUNT: from the container's root */
	const char *below; /* the path from there */
};

struct plan_device {
	const char *path; /* in the container */
	mode_t mode;	  /* type and permission bits */
	dev_t rdev;
	uid_t uid;
	gid_t gid;
	int tree;	 /* in a user namespace: a clone of the host's node to bind, else -1 */
	bool by_default; /* config.json does not list it */
};

struct plan_file {
	const char *destination; /* "/etc/passwd" */
	const char *content;
	bool optional; /* without a mount point in a rootfs that can't be written: leave out */
};

struct plan_sysctl {
	const char *path; /* below /proc/sys: "net/ipv4/ping_group_range" */
	const char *key;  /* as written, for messages */
	const char *value;
	bool optional;	  /* the kernel may not have it (a policy's extra) */
	bool before_user; /* only root of the host may write it: before the user namespace's ids */
	bool early; /* only who has the rights to a joined network: before the user namespace */
};

struct plan_rlimit {
	int resource;
	const char *name;
	struct rlimit limit;
};

struct plan_hook {
	const char *label; /* "hooks.createContainer[0]" */
	char *path;
	char **argv;
	char **envp;
	int timeout_ms; /* 0: none */
};

struct plan_hook_list {
	struct plan_hook *items;
	size_t n;
	const char *cwd; /* where they run: the bundle, as runc and crun do; NULL: where we are */
};

struct plan_capabilities {
	uint64_t bounding, effective, inheritable, permitted, ambient; /* bit N is capability N */
	uint64_t known; /* all that this kernel has (cap_last_cap) */
};

/* For sched_setattr(2). */
struct plan_scheduler {
	bool set;
	uint32_t policy; /* SCHED_* */
	uint64_t flags;	 /* SCHED_FLAG_* */
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period; /* nanoseconds */
};

/* A set of numbers (CPUs, NUMA nodes) as the kernel takes it. */
struct plan_number_set {
	unsigned long *words; /* NULL: none was said */
	size_t n_words;
};

struct plan_memory_policy {
	bool set;
	int mode; /* MPOL_* with MPOL_F_*, for set_mempolicy(2) */
	struct plan_number_set nodes;
};

enum plan_gate {
	PLAN_GATE_SOCKET = 0, /* run: the runtime stays and opens the gate over the socket */
	PLAN_GATE_FIFO	      /* create: two FIFOs in the container's directory */
};

struct plan {
	/* namespaces */
	int clone_flags; /* CLONE_NEW* to make */
	struct plan_join *joins;
	size_t n_joins;
	bool user_namespace;	     /* the container has one of its own, new or joined */
	bool new_user_namespace;     /* new, by clone_flags or by the runtime before the plan */
	bool entered_user_namespace; /* the runtime itself is in it already */
	bool check_mapping; /* joined: the workload's ids in there must not be the host's root */
	bool late_cgroup;   /* systemd makes the cgroup around the process: its cgroup namespace can
			       only come after that */
	bool two_clones;    /* a user namespace by path, or a new one beside others by path: a first
			       process joins and clones the one that goes on */
	uid_t setup_uid; /* who the set-up runs as in the user namespace: 0, or the first mapped */
	gid_t setup_gid;
	bool own_network;    /* a new network namespace: bring lo up */
	const char *uid_map; /* text for /proc/PID/uid_map, NULL: none */
	const char *gid_map;
	bool deny_setgroups;
	const char *time_offsets; /* text for timens_offsets, NULL: none */
	bool new_time_namespace;
	const char *hostname; /* NULL: leave */
	const char *domainname;

	/* file system */
	const char *rootfs_path; /* absolute, for messages and hooks */
	int rootfs_tree;	 /* detached recursive clone of the rootfs */
	bool rootfs_readonly;
	uint64_t rootfs_attr;	     /* further MOUNT_ATTR_* of the rootfs, set with read-only */
	uint64_t rootfs_propagation; /* MS_* or 0 */
	bool rootfs_propagation_recursive;
	bool no_pivot;
	struct plan_mount *mounts; /* in order */
	size_t n_mounts;
	struct plan_device *devices;
	size_t n_devices;
	struct plan_file *files;
	size_t n_files;
	const struct plan_path *masked;
	size_t n_masked;
	const struct plan_path *readonly;
	size_t n_readonly;
	struct plan_sysctl *sysctls;
	size_t n_sysctls;
	bool dev_links;	       /* /dev/fd and kin: config mounts a /dev of its own */
	const char *make_home; /* "/tmp/home", to be made 0700 for the workload; NULL: none */

	/* process */
	bool terminal;
	bool console_size_set;
	unsigned short rows, columns;
	char **argv;
	char **envp;
	size_t n_env;
	const char *cwd;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;
	bool umask_set;
	mode_t umask;
	struct plan_rlimit *rlimits;
	size_t n_rlimits;
	struct plan_capabilities capabilities;
	bool no_new_privileges;
	bool new_keyring;
	bool oom_score_adj_set;
	int oom_score_adj;
	bool personality_set;
	unsigned long personality;
	struct seccomp_program filters[4]; /* ours first: it lets the next one be loaded */
	size_t n_filters;
	const char *apparmor_profile; /* from the next exec on; NULL: as it is */
	const char *selinux_label;    /* the same */
	const char *mount_label;      /* SELinux context of what is mounted; NULL: none */
	struct plan_scheduler scheduler;
	bool io_priority_set;
	int io_priority; /* for ioprio_set(2) */
	struct plan_memory_policy memory_policy;
	struct plan_number_set initial_cpus; /* exec: before it is in the cgroup */
	struct plan_number_set final_cpus;   /* exec: from then on */
	struct net_device *net_devices;	     /* moved by the runtime once the child is there */
	size_t n_net_devices;
	bool seccomp_listener; /* the last filter has a notify descriptor: sent to the runtime */
	bool own_stdio_pipes;  /* fchown pipes on 0, 1, 2 to the workload */
	unsigned int preserve_fds;
	char *listen_pid; /* in envp, ten digits of room: the child's own pid; NULL: none */

	/* hooks; their state JSON is put together around the pid by the one who runs them */
	struct plan_hook_list prestart, create_runtime, create_container, start_container,
	    poststart;
	const char *state_before_pid; /* {"ociVersion":...,"status":"creating","pid": */
	const char *state_after_pid;
	const char *started_before_pid; /* the same with status "created", for startContainer */
	const char *started_after_pid;

	/* exec only: the child joins a container that is there instead of making one */
	int target;	       /* pidfd of the container's first process, or -1 */
	int target_namespaces; /* CLONE_NEW* that are not the runtime's own already */
	bool filters_first;    /* without no_new_privs: the filters are loaded before the child is
				  seen in the container, as they let it come there */
	uint64_t root_device;  /* where it must come out: st_dev and st_ino of "/" */
	uint64_t root_inode;

	/* descriptors the child needs */
	int proc;   /* the host's /proc, checked by fstatfs(2) */
	int gate;   /* PLAN_GATE_FIFO: read end of the start gate, else -1 */
	int report; /* where a failed exec is told after the gate, else -1 */
	enum plan_gate gate_kind;
	/* PLAN_GATE_FIFO: what is used behind the gate lies in kept; rest is wiped before it. */
	struct arena kept, *rest;
	bool says_itself; /* that its program can not be executed, on stderr: nobody waits for it */
	bool protect_binary; /* the workload's host user may write our own file (CVE-2019-5736) */
	/* Then: that file is reached at the workload's exec alone, so that a stub can be what
	 * executes it; else runsafe executes itself again, sealed (container/seal.c). */
	bool stub_suffices;
	int stub;	  /* sandbox_make_stub(), else -1 */
	char **stub_argv; /* then: room for PLAN_STUB_WORDS and argv */
};

/* The stub's own arguments, before the workload's. */
#define PLAN_STUB_WORDS 5

struct plan_input {
	const struct config *config;
	const struct hardening *hardening;
	const char *id;
	int bundle;		 /* open directory */
	const char *bundle_path; /* absolute */
	const char *root;	 /* the folder of states, for seccomp_compile(), or NULL */
	bool no_pivot;
	unsigned int preserve_fds;
	bool check_only; /* `check`: collect refusals as findings instead of failing */
	bool seals; /* the caller executes itself again where protect_binary, and the stub does not
		       suffice: no filters are made then */
	/* Not as root of the host (container/rootless.h): */
	bool nested;		     /* in a user namespace that config.json knows nothing of */
	bool entered_user_namespace; /* the runtime is in the container's own already */
	uid_t setup_uid;	     /* then: as in struct plan */
	gid_t setup_gid;
	bool deny_setgroups;
};

/*
 * Makes the plan. Opens descriptors (all close-on-exec; they live as long as the process), makes
 * nothing on disk. Refusals of the policy that need the system (host namespace paths, forbidden
 * bind sources, host sysctls) are errors, or FINDING_REFUSED with check_only. Returns 0, or -1
 * with err set; plan_close() is safe either way.
 */
int plan_make(struct arena *arena, const struct plan_input *in, struct plan *out,
	      struct findings *findings, struct error *err);
void plan_close(struct plan *plan);

/*
 * Gives engines' new named volumes to the workload: those that are empty, and belong to nobody but
 * the container's root. Each is a finding; a failure is one, too, and no error: the workload reads
 * then why it can not write. Once it is sure that the container is made.
 */
void plan_give_volumes(struct arena *arena, struct plan *plan, const char *policy,
		       struct findings *findings);

struct plan_exec_input {
	const struct config *config; /* the container's, with the process to run */
	const struct hardening *hardening;
	const struct config_process *first; /* the container's own process */
	int pidfd; /* of the container's first process; plan->target, the caller's to close */
	pid_t pid;
	uint64_t root_device; /* of the container's root, from its state */
	uint64_t root_inode;
	bool in_user_namespace; /* the caller is in the container's user namespace already */
	bool seals;		/* as in struct plan_input */
	const char *root;	/* likewise */
	unsigned int preserve_fds;
};

/*
 * The same for one more process in a container that is there (exec): namespaces to join, identity,
 * capabilities, filters. Returns 0, or -1 with err set; plan_close() is safe either way.
 */
int plan_make_exec(struct arena *arena, const struct plan_exec_input *in, struct plan *out,
		   struct findings *findings, struct error *err);

/*
 * Whether each exec in a container with this config has to protect runsafe's own file, whatever it
 * executes (CVE-2019-5736): known before anything is planned, so that all of that is done once.
 * false may still become true by what is executed, and in a user namespace.
 */
bool plan_exec_protects(const struct config *config);

/* Before a clone whose child waits at PLAN_GATE_FIFO: moves what is used behind that gate into
 * plan->kept, so that the child can wipe all of rest, where the plan comes from. */
void plan_keep(struct plan *plan, struct arena *rest);

/* Turns config's hooks into what hooks_run() takes. label is "hooks.poststop". */
void plan_hooks(struct arena *arena, const struct config_hook_list *hooks, const char *label,
		struct plan_hook_list *out);

/* The words that the code acts on, for `features`; each ended by NULL. */
const char *const *plan_mount_options(void);
const char *const *plan_namespaces(void);
const char *const *plan_capabilities(void);
const char *const *plan_memory_modes(void);
const char *const *plan_memory_flags(void);

#endif
