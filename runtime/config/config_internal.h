/* Private to config: the tables of the OCI objects, one file a family, and the rules beside them.
 */
#ifndef RUNSAFE_CONFIG_INTERNAL_H
#define RUNSAFE_CONFIG_INTERNAL_H

#include "config.h"
#include "json_read.h"

/* A line of a table: where the value goes, its key, its kind, and what json_field has beyond. */
#define FIELD(struct_, member, key_, kind_, ...)                                                   \
	{                                                                                          \
		.key = (key_), .kind = (kind_), .offset = offsetof(struct struct_, member),        \
		__VA_ARGS__                                                                        \
	}

/* A list (or map) of objects; member.items and member.n, or two members. */
#define OBJECTS(struct_, items_, n_, key_, kind_, table_, ...)                                     \
	FIELD(struct_, items_, key_, kind_, .count_offset = offsetof(struct struct_, n_),          \
	      .table = (table_), __VA_ARGS__)

/* What can not be honoured: refused by name when it says something, never passed over. */
#define REFUSED(key_, why_)                                                                        \
	{                                                                                          \
		.key = (key_), .kind = JSON_REFUSED, .why = (why_)                                 \
	}

#define FIELDS_END                                                                                 \
	{                                                                                          \
		.key = NULL                                                                        \
	}

#define TABLE(struct_, fields_)                                                                    \
	{                                                                                          \
		.size = sizeof(struct struct_), .fields = (fields_),                               \
		.present_offset = JSON_NO_OFFSET, .key_offset = JSON_NO_OFFSET,                    \
	}

/* The struct has a member bool present. */
#define TABLE_PRESENT(struct_, fields_)                                                            \
	{                                                                                          \
		.size = sizeof(struct struct_), .fields = (fields_),                               \
		.present_offset = offsetof(struct struct_, present), .key_offset = JSON_NO_OFFSET, \
	}

extern const struct json_table config_root_table;
extern const struct json_table config_mount_table;
extern const struct json_table config_process_table;
extern const struct json_table config_hooks_table;
extern const struct json_table config_linux_table;
extern const struct json_table config_id_mapping_table;
extern const struct json_table config_scheduler_table;
extern const struct json_table config_io_priority_table;
extern const struct json_table config_cpu_affinity_table;
extern const struct json_table config_memory_policy_table;
extern const struct json_table config_intel_rdt_table;
extern const struct json_table config_net_device_table;
extern const struct json_table config_resources_table;
extern const struct json_table config_seccomp_table;

/* The device number as Linux packs it: 12 bits and 20 bits (include/linux/kdev_t.h). */
#define DEVICE_MAJOR_MAX 4095
#define DEVICE_MINOR_MAX 1048575

/* Rules that a table line can not say. */
struct config_check {
	struct arena *arena;
	const char *label; /* the file in messages */
	const char *at;	   /* the JSON path so far, with its dot: "linux.resources." */
	struct error *err;
};

/* "LABEL: AT" and the formatted text, which begins with the rest of the path. Returns -1. */
int config_wrong(const struct config_check *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Each returns 0, or -1 with err set. */
int config_check_label(const struct config_check *c, const char *key, const char *label);
int config_check_mappings(const struct config_check *c, const char *key,
			  const struct config_id_mapping *list, size_t n);
int config_check_mounts(const struct config_check *c, const struct config *cfg);
int config_check_scheduler(const struct config_check *c, const struct config_scheduler *s);
int config_check_cpu_affinity(const struct config_check *c,
			      const struct config_cpu_affinity *affinity);
int config_check_memory_policy(const struct config_check *c,
			       const struct config_memory_policy *policy);
int config_check_intel_rdt(const struct config_check *c, const struct config_intel_rdt *rdt);
int config_check_net_devices(const struct config_check *c, const struct config_linux *linux_);
int config_check_env(const struct config_check *c, const char *key, const struct str_list *env);
int config_check_process(const struct config_check *c, const struct config_process *process);
int config_check_hooks(const struct config_check *c, const struct config_hooks *hooks);
int config_check_linux(const struct config_check *c, const struct config_linux *linux_);
int config_check_resources(const struct config_check *c, const struct config_resources *res);
int config_check_seccomp(const struct config_check *c, const struct config_seccomp *seccomp);

/* Writes the object "linux". */
void config_write_linux(struct json_writer *w, const struct config_linux *linux_);
void config_write_resources(struct json_writer *w, const char *key,
			    const struct config_resources *res);

/* A list that is left out when it is empty. */
void config_write_mappings(struct json_writer *w, const char *key,
			   const struct config_id_mapping *mappings, size_t n);

/* Members that may be absent. */
void config_write_text(struct json_writer *w, const char *key, const char *text);
void config_write_list(struct json_writer *w, const char *key, const struct str_list *list);
void config_write_u32(struct json_writer *w, const char *key, struct opt_u32 value);
void config_write_i64(struct json_writer *w, const char *key, struct opt_i64 value);
void config_write_u64(struct json_writer *w, const char *key, struct opt_u64 value);
void config_write_bool(struct json_writer *w, const char *key, struct opt_bool value);

#endif
