/* What is used of libsystemd (sd-bus(3)), declared here so that its headers are not needed. */
#ifndef RUNSAFE_SYSTEMD_LIBRARY_H
#define RUNSAFE_SYSTEMD_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct sd_bus;
struct sd_bus_message;
struct sd_bus_slot;
struct sd_bus_error {
	const char *name;
	const char *message;
	int need_free;
};

typedef int sd_handler(struct sd_bus_message *m, void *data, struct sd_bus_error *error);

struct sd_library {
	int (*new)(struct sd_bus **bus);
	int (*set_address)(struct sd_bus *bus, const char *address);
	int (*set_bus_client)(struct sd_bus *bus, int is_client);
	int (*start)(struct sd_bus *bus);
	int (*open_system)(struct sd_bus **bus);
	struct sd_bus *(*flush_close_unref)(struct sd_bus *bus);
	int (*new_method_call)(struct sd_bus *bus, struct sd_bus_message **m, const char *service,
			       const char *path, const char *interface, const char *member);
	int (*append)(struct sd_bus_message *m, const char *types, ...);
	int (*append_array)(struct sd_bus_message *m, char type, const void *items, size_t bytes);
	int (*open_container)(struct sd_bus_message *m, char type, const char *contents);
	int (*close_container)(struct sd_bus_message *m);
	int (*read)(struct sd_bus_message *m, const char *types, ...);
	struct sd_bus_message *(*unref)(struct sd_bus_message *m);
	int (*call)(struct sd_bus *bus, struct sd_bus_message *m, uint64_t us,
		    struct sd_bus_error *error, struct sd_bus_message **reply);
	int (*add_match_async)(struct sd_bus *bus, struct sd_bus_slot **slot, const char *rule,
			       sd_handler *got, sd_handler *installed, void *data);
	int (*process)(struct sd_bus *bus, struct sd_bus_message **m);
	int (*wait)(struct sd_bus *bus, uint64_t us);
	void (*error_free)(struct sd_bus_error *error);
};

extern struct sd_library sd;

/* Loads it, once. Returns 0, or -1 with err set. */
int sd_library_load(struct error *err);

#endif
