/* The systemd driver: a container's cgroup is a transient unit of the system's or the user's
 * manager (org.freedesktop.systemd1(5)). What its files share. */
#ifndef RUNSAFE_CGROUP_SYSTEMD_INTERNAL_H
#define RUNSAFE_CGROUP_SYSTEMD_INTERNAL_H

#include "cgroup_internal.h"
#include "lists.h"

/* systemd_unit.c: names. Pure. */

struct sd_unit {
	char *name;    /* "runsafe-ID.scope", or "NAME.slice" */
	char *slice;   /* "system.slice" */
	char *path;    /* below the manager's own cgroup: "/a.slice/a-b.slice/runsafe-ID.scope" */
	bool is_slice; /* the name asks for a slice: a unit that can not be given processes */
};

/*
 * linux.cgroupsPath as slice:prefix:name, each of which may be empty; NULL is "::ID". Characters
 * that a unit's name can not have are written \xNN (systemd-escape(1)). Returns 0, or -1 with err
 * set.
 */
int sd_unit_choose(struct arena *arena, const char *cgroups_path, const char *id, bool user_manager,
		   struct sd_unit *out, struct error *err);

/* "a-b.slice" to "/a.slice/a-b.slice", "-.slice" to "" (systemd.slice(5)). NULL with err set. */
char *sd_slice_path(struct arena *arena, const char *slice, struct error *err);

/* systemd_properties.c: what a unit is given. Pure. */

struct sd_property {
	const char *name;
	const char *type; /* of D-Bus: b s i u x t y n q ay as au */
	bool flag;
	int64_t number; /* i x n */
	uint64_t natural;
	const char *text;
	struct str_list list;
	unsigned char *bytes; /* ay */
	size_t n_bytes;
	unsigned int since; /* first systemd that knows it; 0: all that we care for */
};

struct sd_properties {
	struct arena *arena;
	struct sd_property *items;
	size_t n;
};

/* Adds a property, or replaces the one of that name; the rest is the caller's to fill. */
struct sd_property *sd_property_add(struct sd_properties *list, const char *name, const char *type);

/* What of the settings systemd would write itself on the next daemon-reload, by its own names. The
 * last setting of a file counts. Returns 0, or -1 with err set. */
int sd_properties_of_settings(struct sd_properties *list, const struct cg_settings *settings,
			      struct error *err);

/* Annotations org.systemd.property.NAME: the value is text of GVariant. Returns 0, or -1 with err
 * set. */
int sd_properties_of_annotations(struct sd_properties *list, const struct str_map *annotations,
				 struct error *err);

/* systemd.c: cgroup_create()'s part, before there is a process to put into the unit. Fills unit,
 * path and manager. Returns 0, or -1 with err set. */
int cg_systemd_prepare(struct arena *arena, const struct cgroup_request *request,
		       const struct cg_settings *settings, struct cgroup *out, struct error *err);

/* cgroup_update() for a unit, whose cgroup dir is. */
int cg_systemd_update(struct arena *arena, const struct cgroup_unit *unit, int dir,
		      const struct config_resources *resources, struct error *err);

/* create.c: limits, owner and devices program of a unit's cgroup, which out has open. Returns 0, or
 * -1 with err set. */
int cg_fill_unit(struct arena *arena, const struct cgroup_request *request,
		 const struct cg_settings *settings, struct cgroup *out, struct findings *findings,
		 struct error *err);

/* systemd_variant.c */

/* "uint64 5", "'text'", "true", "['a', 'b']". wanted is the type that it must have, NULL for the
 * one that the text says; numbers without a word before them take the wanted one. Returns 0, or -1
 * with err set. */
int sd_variant_parse(struct arena *arena, const char *text, const char *wanted,
		     struct sd_property *out, struct error *err);

/* systemd_bus.c: the manager at the other end. */

struct sd_manager;

/* Whether a runtime like this one belongs to a user's manager: an ordinary user, or root of a user
 * namespace that has no manager of its own. */
bool sd_user_manager(void);

/* Loads libsystemd and connects. NULL with err set. */
struct sd_manager *sd_manager_open(struct arena *arena, bool user, struct error *err);
void sd_manager_close(struct sd_manager *manager);
#define cleanup_manager __attribute__((cleanup(sd_manager_cleanup)))
void sd_manager_cleanup(struct sd_manager **manager);

/* Makes and starts the unit and waits for its job. *exists says that the name is taken; *asked is
 * set once there may be a unit to take away. Returns 0, or -1 with err set. */
int sd_start_unit(struct sd_manager *manager, const char *unit,
		  const struct sd_properties *properties, bool *asked, bool *exists,
		  struct error *err);

/* Stops the unit and waits for the job's end; one that is not there is fine. */
int sd_stop_unit(struct sd_manager *manager, const char *unit, int timeout_ms, struct error *err);

/* Forgets a failure of the unit, and with it the unit; one that is not there is fine. */
int sd_reset_failed(struct sd_manager *manager, const char *unit, struct error *err);

/* Changes properties of a unit until the next boot, all or none; in force on return. */
int sd_set_properties(struct sd_manager *manager, const char *unit,
		      const struct sd_properties *properties, struct error *err);

/* Puts a process into a unit's cgroup, below it where that says so ("/exec"). */
int sd_attach(struct sd_manager *manager, const char *unit, const char *below, pid_t pid,
	      struct error *err);

/* A text property of the unit, like Description, the manager's arena's. NULL for a unit that is not
 * loaded, or with err set. */
const char *sd_unit_text(struct sd_manager *manager, const char *unit, const char *property,
			 struct error *err);

#endif
