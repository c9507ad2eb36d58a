/* The systemd driver: a container's cgroup is a transient unit of the system's or the user's
 * manager (org.freedesktop.systemd1(5)). What its files share. */
#ifndef RUNSAFE_CGROUP_SYSTEMD_INTERNAL_H
#define RUNSAFE_CGROUP_SYSTEMD_INTERNAL_H

#include "cgroup_internal.h"
#include "systemd_manager.h"

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

#endif
