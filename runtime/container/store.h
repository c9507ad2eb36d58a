/* What store.c, state_file.c and delete.c share of a container's directory. */
#ifndef RUNSAFE_CONTAINER_STORE_H
#define RUNSAFE_CONTAINER_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "container.h"

#define STATE_FILE     "state.json"
#define STATE_FILE_NEW "state.json.new"

/*
 * Reads state.json of the directory dir. Returns 0; or -1 with err set: number ENOENT when there
 * is none, or when it is another runtime's.
 */
int state_file_read(struct arena *arena, int dir, const char *id, struct container_state *out,
		    struct error *err);

/* The same without findings and, but for its annotations, config: of these it is only known that
 * they are JSON. */
int state_file_glance(struct arena *arena, int dir, const char *id, struct container_state *out,
		      struct error *err);

/* Returns 1, 0 where it is none that state_file_ours() would find, or -1 with err set. */
int state_file_glance_ours(struct arena *arena, int dir, const char *id,
			   struct container_state *out, struct error *err);

/* Whether the caller is root of the host: what he may not read is not simply another user's. */
bool state_of_hosts_root(void);

/* Whether dir holds a state.json that runsafe wrote. */
bool state_file_ours(struct arena *arena, int dir);

/*
 * Whether dir is what a killed create, or a killed delete, left: no state.json, and nothing that
 * is not runsafe's (another runtime's container under the same root has files of its own).
 */
bool store_is_debris(int dir);

/*
 * Takes a directory that is debris away, waiting for its lock first (a create may be at work).
 * Returns 1 when it is gone, 0 when there is none or it is no debris, -1 with err set.
 */
int store_remove_debris(const char *root, const char *id, struct error *err);

#endif
