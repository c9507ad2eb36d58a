/*
 * Stage 2: what the machine's owner allows. Struct in, struct out, plus findings. Pure: no files
 * and no syscalls in here (a unit test links it alone and looks at its undefined symbols), so
 * every rule of DESIGN.md section 3 is a unit test. What can only be known from the system is left
 * as a flag in struct hardening for plan/ to decide.
 */
#ifndef RUNSAFE_POLICY_H
#define RUNSAFE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "config.h"
#include "error.h"
#include "json_write.h"
#include "lists.h"

/* One thing that the policy changed or noticed: "root.readonly was false: made true". */
enum finding_kind {
	FINDING_CHANGED = 1, /* the workload gets something else than config.json says */
	FINDING_REFUSED,     /* it would not start (only `check` collects these) */
	FINDING_NOTE	     /* nothing changed: an unknown syscall name, a limit not applied ... */
};

struct finding {
	enum finding_kind kind;
	char *path; /* JSON path in config.json, "annotations.io.runsafe.tmpfs", "--allow tmpfs" */
	char *text; /* what was there, what was made of it, and why */
};

struct findings {
	struct arena *arena;
	struct finding *items;
	size_t n;
};

void findings_add(struct findings *f, enum finding_kind kind, const char *path, const char *format,
		  ...) __attribute__((format(printf, 4, 5)));
bool findings_have(const struct findings *f, enum finding_kind kind);

/* One relaxation or setting by name, from --allow, or from an annotation io.runsafe.NAME. */
struct policy_setting {
	char *name;
	char *value; /* NULL: none was given */
};

/* A policy as read from its JSON file. Its members are the policy module's own, see
 * runtime/policy/policy_internal.h; the built-in ones are found by name. */
struct policy;

/*
 * Reads a policy from JSON. label is the file's name for messages. Unknown keys are errors.
 * Returns NULL with err set.
 */
const struct policy *policy_parse(struct arena *arena, const char *label, const char *text,
				  size_t length, struct error *err);

/*
 * The same for a text that was a policy when a container was made, perhaps by another version of
 * runsafe: keys that a built-in policy did not have then are as it has them now.
 */
const struct policy *policy_parse_recorded(struct arena *arena, const char *label, const char *text,
					   size_t length, struct error *err);

/* The JSON of a built-in policy ("default", "strict", "oci"), or NULL for another name. */
const char *policy_builtin_text(const char *name, size_t *length);

/* The policy's own name (key "name"), for messages and the state. */
const char *policy_name(const struct policy *policy);

/* Whether the annotation org.criu.config, which may come from an image and names programs that
 * criu runs as root, is honoured by checkpoint and restore (only under `oci`). */
bool policy_takes_criu_config(const struct policy *policy);

/* A tmpfs that the policy adds before config's first mount, unless config mounts exactly there
 * (plan compares after symlinks are resolved). */
struct hardening_tmpfs {
	char *path;
	uint32_t mode; /* 01777, 0755 */
	bool exec;     /* else noexec; nosuid and nodev always */
	bool copy_up;  /* the image's content is copied in, all of it owned by the workload */
	bool owned;    /* the tmpfs root itself belongs to the workload */
};

/* What the policy asks for beyond what config.json has words for. All false under `oci`, but
 * new_keyring. */
struct hardening {
	char *policy;		       /* name of the policy */
	bool new_keyring;	       /* a new empty session keyring (unless --no-new-keyring) */
	bool builtin_seccomp;	       /* our own profile, beside the engine's own */
	struct str_list seccomp_allow; /* groups let through by name in our profile: "ptrace" */
	bool home_follows; /* HOME from the rootfs's passwd entry of the uid, else /tmp/home
			      (made with mode 0700); config's HOME was root's or absent */
	struct hardening_tmpfs *tmpfs;
	size_t n_tmpfs;
	uint64_t tmpfs_max_bytes;    /* size= of those; 0: no memory limit to halve */
	struct str_list given_tmpfs; /* destinations of config's own tmpfs that root would have
					written to: they belong to who took root's place */
	bool check_binds;      /* refuse binds of the host's /, /proc, /sys, /dev, engine sockets */
	bool give_new_volumes; /* an engine's new named volume becomes the workload's */
	bool explain_denied;   /* say on its stderr which bind it can not write or read */
	struct str_list allowed_binds;	 /* sources that are let through all the same */
	bool check_namespaces;		 /* refuse a namespace path whose inode is the host's ... */
	struct str_list host_namespaces; /* ... but not for these types ("network") */
	bool identity_files;		 /* passwd, group and hosts lines for the workload */
	bool memfd_noexec;  /* vm.memfd_noexec=2 (1 before 6.6) in a new pid namespace */
	bool check_sysctls; /* a sysctl of the host's is refused. plan does so under every policy,
				    as runc: read by tests only */
	struct str_list allowed_sysctls; /* ... but not these ("kernel.sem", with dots) */
	bool check_mapping; /* the ids must not be the host's root in a joined user namespace; where
			       they are not mapped, the user step fails */
	bool no_setid_binds;   /* nosuid,nodev on config's mounts. The words are in their options
				  already (not nodev on /dev, devpts and devices): nothing is
				  left for plan */
	bool restrict_devices; /* only the default set and what is left in linux.devices can be
				  reached: cgroup_request.restrict_devices */
};

struct policy_input {
	const struct policy *policy;
	const struct policy_setting *allow; /* --allow, in order */
	size_t n_allow;
	bool no_new_keyring; /* --no-new-keyring */
	bool image_build;    /* a RUN step of buildah or `podman build` */
	/* runsafe itself runs inside a user namespace (a rootless engine): host ids in mappings are
	   not the machine's, and 0 among them is no root. */
	bool in_user_namespace;
};

/*
 * Hardens *cfg in place (its lists are replaced, never written through) and fills *out. Every
 * change is a finding with its JSON path. A rule that refuses: with collect false, the first one
 * is the error and -1 is returned; with collect true (check), each is a FINDING_REFUSED, the walk
 * goes on, and 0 is returned.
 */
int policy_apply(struct arena *arena, const struct policy_input *in, bool collect,
		 struct config *cfg, struct hardening *out, struct findings *findings,
		 struct error *err);

/*
 * exec: hardens one more process of a container in place, by the policy that the container was
 * made under (row "exec": root becomes the container's own user). container is its effective
 * config. Fills what of *out concerns a process (seccomp, keyring, HOME). Errors as
 * policy_apply(); changes are findings with the path "process. ...".
 */
int policy_apply_process(struct arena *arena, const struct policy_input *in,
			 const struct config *container, struct config_process *process,
			 struct hardening *out, struct findings *findings, struct error *err);

/*
 * update: refuses what would lift a limit above what the policy allows, or take away one that it
 * asks for. container is the effective config, wanted has only what is to change (it may be
 * completed in place). Returns 0, or -1 with err set.
 */
int policy_apply_update(struct arena *arena, const struct policy_input *in,
			const struct config *container, struct config_resources *wanted,
			struct findings *findings, struct error *err);

/*
 * Parses "NAME[=VALUE]" of --allow. Unknown names and bad values are errors that list what there
 * is. Returns 0, or -1 with err set.
 */
int policy_parse_allow(struct arena *arena, const char *text, struct policy_setting *out,
		       struct error *err);

/* The names that --allow and annotations know, for --help and features; ended by NULL. */
const char *const *policy_setting_names(void);

/* One line of help for a setting's name: what its value is and what it lets through. */
const char *policy_setting_help(const char *name);

#endif
