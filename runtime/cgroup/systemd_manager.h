/*
 * systemd's manager, system's or user's, as the systemd driver needs it. Declared for both ends:
 * systemd_client.c has the runtime's, which start a small program (runtime/systemd) and ask that;
 * there systemd/bus.c has them, over D-Bus by libsystemd. The runtime itself loads no library.
 */
#ifndef RUNSAFE_CGROUP_SYSTEMD_MANAGER_H
#define RUNSAFE_CGROUP_SYSTEMD_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "error.h"
#include "lists.h"

struct sd_property {
	const char *name;
	const char *type; /* of D-Bus: b s i u x t y n q ay as au */
	bool flag;
	unsigned int since; /* first systemd that knows it; 0: all that we care for */
	int64_t number;	    /* i x n */
	uint64_t natural;
	const char *text;
	struct str_list list;
	unsigned char *bytes; /* ay */
	size_t n_bytes;
};

struct sd_properties {
	struct arena *arena;
	struct sd_property *items;
	size_t n;
};

/* systemd_user.c */

/* The id outside of this user namespace; the id itself outside of any. */
unsigned long sd_outer_uid(struct arena *arena, unsigned long uid);

/* Whether a runtime like this one belongs to a user's manager: an ordinary user, or root of a user
 * namespace that has no manager of its own. */
bool sd_user_manager(void);

struct sd_manager;

/* Starts the helper, which loads libsystemd and connects. NULL with err set. */
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
