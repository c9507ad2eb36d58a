/* What the files of the policy room share. Nothing outside runtime/policy/ includes it. */
#ifndef RUNSAFE_POLICY_INTERNAL_H
#define RUNSAFE_POLICY_INTERNAL_H

#include "policy.h"

/* Words that say what becomes of something that config.json asks for. Not every key takes each. */
#define WORD_KEEP    "keep"    /* as written */
#define WORD_REPLACE "replace" /* by what the policy says */
#define WORD_REFUSE  "refuse"  /* the workload does not start */
#define WORD_ADD     "add"     /* what is missing is made */
#define WORD_DROP    "drop"    /* left out */
#define WORD_FOLLOW  "follow"  /* HOME goes with the user */
#define WORD_PRIVATE "private" /* no mount event leaves the container */
#define WORD_ANY     "*"       /* in a list of names: all of them */

struct policy_user {
	char *root;
	struct opt_u32 uid; /* what root becomes */
	struct opt_u32 gid;
	char *root_group;	     /* gid 0 of a user that is not root */
	char *additional_root_group; /* 0 in additionalGids */
	struct opt_bool must_be_mapped;
	char *home;
	struct opt_bool identity_files;
};

struct policy_capabilities {
	struct opt_bool as_written;
	struct str_list give; /* "CAP_X", in all five sets */
};

struct policy_process {
	char *priority; /* what puts a process ahead of others */
	char *labels;	/* exec's own AppArmor profile or SELinux label */
};

struct policy_seccomp {
	struct opt_bool builtin;
	struct str_list allow;
};

struct policy_tmpfs {
	char *path;
	char *mode; /* octal digits */
	struct opt_bool exec;
	struct opt_bool copy_up;
	struct opt_bool owned;
	struct opt_bool enabled; /* false takes away one that the extended policy has */
};

struct policy_rootfs {
	struct opt_bool readonly;
	char *propagation;
	struct policy_tmpfs *tmpfs;
	size_t n_tmpfs;
};

struct policy_mounts {
	struct opt_bool nosuid_nodev;
	struct opt_bool check_binds;
	struct str_list allow_binds;
	struct opt_bool give_new_volumes;
	struct opt_bool explain_denied;
};

struct policy_namespaces {
	char *no_list; /* linux.namespaces is not there at all */
	char *pid;     /* the list is there and this one is not in it */
	char *network;
	char *ipc;
	char *mount;
	char *uts;
	char *cgroup;
};

struct policy_paths {
	struct str_list masked;
	struct str_list readonly;
};

struct policy_devices {
	struct opt_bool as_written;
	struct str_list allow;
};

struct policy_limits {
	char *memory;
	char *swap; /* beyond memory, other than config.json's memory.swap */
	char *cpus;
	char *pids;
};

struct policy_sysctl {
	struct opt_bool unprivileged_network;
	struct opt_bool memfd_noexec;
	struct opt_bool check_namespaces;
	struct str_list allow;
};

struct policy {
	char *extends;
	char *name;
	const char *file; /* which file would have to say more: its label, or the system's */
	struct policy_user user;
	struct policy_capabilities capabilities;
	struct opt_bool no_new_privileges;
	struct policy_seccomp seccomp;
	struct policy_process process;
	struct policy_rootfs rootfs;
	struct policy_mounts mounts;
	struct policy_namespaces namespaces;
	struct policy_paths paths;
	struct policy_devices devices;
	struct policy_limits limits;
	struct policy_sysctl sysctl;
	struct str_list annotations;	    /* settings that annotations may use */
	struct str_list allow;		    /* settings that --allow may use */
	struct str_list systemd_properties; /* org.systemd.property.* that are honoured */
	struct opt_bool criu_config;	    /* the annotation org.criu.config is honoured */
};

/* Each is a mount, and looked for among config's mounts. */
#define MOST_TMPFS 64

enum limit_type { LIMIT_MEMORY = 0, LIMIT_SWAP, LIMIT_CPUS, LIMIT_PIDS, LIMIT_TYPES };

/* "unlimited": config.json's word stands, even none; "required": config.json must say one. */
enum limit_kind { LIMIT_UNLIMITED = 0, LIMIT_REQUIRED, LIMIT_VALUE };

/* CFS quota is counted in microseconds a period; cpus are kept as quota of this period. */
#define CPU_PERIOD 100000

struct limit {
	enum limit_kind kind;
	int64_t value; /* bytes, processes, or microseconds of CPU_PERIOD */
};

/* Everything that one policy_apply() works on. */
struct apply {
	struct arena *arena;
	const struct policy_input *in;
	struct policy policy; /* in->policy with --allow and the accepted annotations in it */
	struct limit lower[LIMIT_TYPES]; /* what annotations ask for: never above what rules give */
	bool collect;
	bool
	    no_file; /* exec, update: what is wrong stands on the command line, or is an engine's */
	bool uid_replaced;
	struct config *cfg;
	struct hardening *out;
	struct findings *findings;
	struct error *err;
};

/* Records a change; " (policy NAME)" is appended. */
void changed(struct apply *a, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Records something that leaves what config.json says as it is. */
void noted(struct apply *a, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A rule that refuses: -1 with the error set, or 0 and a finding when findings are collected. */
int refuse(struct apply *a, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The rules, one row of DESIGN.md section 3 each; 0, or what refuse() returned. */
int rule_allow(struct apply *a);
int rule_annotations(struct apply *a);
int rule_build(struct apply *a);
int rule_user(struct apply *a);
int rule_mapping(struct apply *a);
int rule_home(struct apply *a);
int rule_capabilities(struct apply *a);
int rule_privileges(struct apply *a);
int rule_priority(struct apply *a);
int rule_rootfs(struct apply *a);
int rule_mounts(struct apply *a);
int rule_idmaps(struct apply *a);
int rule_namespaces(struct apply *a);
int rule_paths(struct apply *a);
int rule_devices(struct apply *a);
int rule_limits(struct apply *a);
int rule_tmpfs(struct apply *a);
int rule_sysctl(struct apply *a);

/* exec, update: puts into a->policy what --allow and annotations did at create. 0, or -1. */
int rules_of_create(struct apply *a);
/* And those of exec alone; container is the effective config. */
int exec_oom_score(struct apply *a, const struct config *container);
int exec_labels(struct apply *a, const struct config *container);

/* The policy's rule for a limit. Its text was checked when the policy was read. */
struct limit rule_for(const struct apply *a, enum limit_type type);
/*
 * Takes a limit's file out of "unified". *out is set when it was there: -1 for "max". second is
 * for a period behind it, or NULL. Returns 1 then, 0 without it, -1 when it is refused, 2 when
 * that was only recorded.
 */
int unified_take(struct apply *a, const char *key, bool sized, int64_t *out, int64_t *second);
void unified_set(struct apply *a, const char *key, const char *value);

/* One name that --allow and annotations know. */
struct setting;
const struct setting *setting_find(const char *name);
/*
 * Puts a setting's value into policy. annotation: the stricter rules for annotations hold, and
 * limits go to lower (else lower may be NULL). Returns 0, or -1 with err saying what is expected.
 */
int setting_use(struct arena *arena, const struct setting *setting, const char *value,
		bool annotation, struct policy *policy, struct limit *lower, struct error *err);

bool word_is(const char *text, const char *word);
/* Whether names has name, or WORD_ANY. */
bool names_have(const struct str_list *names, const char *name);
/* Appends to a list that may share its memory with another: a new array is made. */
void list_append(struct arena *arena, struct str_list *list, char *text);
/* "a, b, c" */
char *list_text(struct arena *arena, const struct str_list *list);

/* Values. Each returns -1, or NULL, when the text is not such a value. */
int limit_parse(enum limit_type type, const char *text, struct limit *out);
/* What limit_parse() takes, for a message. */
const char *limit_expected(enum limit_type type);
int id_parse(const char *text, size_t length, uint32_t *out);
int mode_parse(const char *text, uint32_t *out);
/* A path cleaned of "//", "." and a last "/". It must be absolute, without "..". */
char *path_normal(struct arena *arena, const char *text);
char *capability_normal(struct arena *arena, const char *text);
/* A sysctl's name with dots ("net/ipv4/x" is the same as "net.ipv4.x"). */
char *sysctl_normal(struct arena *arena, const char *text);
char *group_normal(struct arena *arena, const char *text);
char *tmpfs_path_normal(struct arena *arena, const char *text);
/* Whether path is directory or below it. */
bool path_below(const char *path, const char *directory);

#endif
