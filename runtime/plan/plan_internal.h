/* What the files of the plan share. */
#ifndef RUNSAFE_PLAN_INTERNAL_H
#define RUNSAFE_PLAN_INTERNAL_H

#include <sys/stat.h>

#include "keys.h"
#include "plan.h"

struct planner {
	struct arena *arena;
	const struct plan_input *in;
	const struct config *config;
	const struct hardening *hardening;
	struct plan *plan;
	struct findings *findings;
	struct error *err;
	const char *root; /* as in struct plan_input */
	int rootfs;	  /* O_PATH of the rootfs as found, for looking things up in it */
	/* places.c */
	struct keys mounted; /* config's destinations, resolved: the last mount there, from 1 */
	bool mounted_known;
	struct keys shared; /* where mounts are that others share, resolved */
	bool shared_anywhere;
	size_t *last_below; /* of each mount: the last one below it, from 1; 0: none */
};

/* A rule of the policy says no: an error, or with check_only a FINDING_REFUSED and 0. */
int plan_refuse(struct planner *p, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Each returns 0, or -1 with p->err set. namespaces.c */
int plan_namespaces_make(struct planner *p);
bool plan_namespace_is_own(const struct plan *plan, int clone_flag); /* new or joined */
/* As /proc/PID/uid_map takes it; NULL for none. */
const char *plan_mapping_text(struct arena *arena, const struct config_id_mapping *items, size_t n);
/* rootfs.c */
int plan_rootfs(struct planner *p);
/* mount_options.c */
struct mount_words {
	bool bind, recursive_bind, remount, copy_up, idmap, recursive_idmap;
	struct plan_attr attr;
	uint64_t superblock_flags;
	struct str_map data;
	const char *data_text;
};
void plan_mount_words(struct planner *p, const struct str_list *options, struct mount_words *out);
/* idmap.c: maps the ids of the detached tree, as the mount's own mappings or the container's user
 * namespace say. With check_only, only whether there are any. */
bool plan_idmap_wanted(const struct config_mount *mount, const struct mount_words *words);
int plan_idmap(struct planner *p, const struct config_mount *mount, const struct mount_words *words,
	       const char *label, int tree);
/* net_devices.c */
int plan_net_devices(struct planner *p);
/* mounts.c */
int plan_mounts(struct planner *p);
/* places.c */
/* What config.json mounts just there (the last of several; symlinks of the rootfs resolved), or
 * NULL; and whether it does. */
const struct config_mount *plan_mount_at(struct planner *p, const char *destination);
bool plan_is_mounted(struct planner *p, const char *destination);
/* Whether a later one of config's mounts lies below this one. */
bool plan_has_mounts_in(struct planner *p, const struct config_mount *mount);
/* Notes a mount that others share; whether another one lies below such a one. */
void plan_note_shared(struct planner *p, const struct plan_mount *mount);
bool plan_is_shown_to_others(struct planner *p, const struct plan_mount *mount);
void plan_places_end(struct planner *p);
/* host_ids.c: the user namespace that is joined, open in the plan; -1 where there is none. It has
 * its mapping already. */
int plan_user_join(const struct plan *plan);
/* host_ids.c: an id of the container's as the runtime sees it on a disk; false: only its user
 * namespace knows. And one from a disk as the host's root would say it. */
bool plan_on_disk(struct planner *p, bool of_groups, uint32_t id, uint32_t *out);
uint32_t plan_on_host(const struct planner *p, bool of_groups, uint32_t id);
/* volumes.c: what the workload does with a bind: whether it is to be given to it, and what is said
 * where it can not write or read. source is the open source of mount, st what it is. */
void plan_volume(struct planner *p, const struct config_mount *mount, int source,
		 const struct stat *st, bool idmapped, struct plan_mount *m);
/* binds.c */
int plan_check_bind(struct planner *p, int source, const char *label, const char *text);
/* The same for a new mount: a disk of the host's is no way around the rule. */
int plan_check_file_system(struct planner *p, const char *type, const char *source,
			   const struct str_map *data, const char *label);
/* paths.c: once all mounts are there */
int plan_covered_paths(struct planner *p);
/* devices.c */
int plan_devices(struct planner *p);
/* identity.c */
int plan_identity(struct planner *p);
/* nested.c: refuses ids that the engine's own user namespace does not have, and leaves groups out
 * where it denies setgroups(2). 0, or -1 with the error set. */
int plan_nested_ids(struct planner *p);
int plan_nested_groups(struct planner *p);
/* passwd.c: looking into the rootfs's passwd and group, text in, text out. */
struct passwd_entry {
	char *name;
	uint32_t uid, gid;
	char *home;
	bool found;
};
struct passwd_entry passwd_find_uid(struct arena *arena, const char *text, uint32_t uid);
bool group_has_gid(const char *text, uint32_t gid);
bool passwd_has_name(const char *text, const char *name);
bool home_is_sane(const char *home);
/* process.c */
int plan_process(struct planner *p);
int plan_sysctls(struct planner *p);
/* attributes.c: where and when it runs */
int plan_attributes(struct planner *p);
/* "0-3,7" as a set of CPUs; NULL and "" leave *out as it is. path is for the message. */
int plan_cpu_list(struct planner *p, const char *path, const char *text,
		  struct plan_number_set *out);
/* lsm.c: AppArmor and SELinux; plan_mount_label() once all mounts are there */
int plan_lsm(struct planner *p);
int plan_mount_label(struct planner *p);
int plan_label_mounts(struct planner *p, const char *label);
/* plan.c */
int plan_begin(struct plan *out, int target, unsigned int preserve_fds, struct error *err);
int plan_filters(struct planner *p);
/* exec: whether they all let the process do what follows once they are loaded. */
bool plan_filters_let_in(const struct plan *plan);
/* keep.c: for plan->stub_argv, all NULL. */
char **plan_stub_room(struct arena *arena, char *const *argv);
/* Whether the filters allow what sandbox/stub.c and the stub do behind them. */
bool plan_filters_let_stub(const struct plan *plan);
/* seccomp_memfd.c: what keeps the workload from executable files in memory */
enum plan_memfd {
	PLAN_MEMFD_FREE = 0, /* nothing is to be done */
	PLAN_MEMFD_SYSCTL,
	PLAN_MEMFD_FILTER /* the caller may not write the sysctl */
};
enum plan_memfd plan_memfd_rule(struct planner *p);
void plan_memfd_filter(struct planner *p);
/* seccomp_groups.c: lets a workload without further groups "leave" them */
void plan_groups_filter(struct planner *p);
/* capabilities.c */
int plan_capability_sets(struct planner *p);
/* binary.c */
bool plan_must_protect_binary(const struct plan *plan, const struct config *config);
/* Whether nobody reaches that file before the workload's own exec, nor this exec by another path.
 */
bool plan_stub_may(const struct plan *plan);

#endif
