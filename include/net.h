/* Network set-up of a container's network namespace. */
#ifndef RUNSAFE_NET_H
#define RUNSAFE_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "error.h"

/* Brings the interface "lo" of the calling process's network namespace, a new one, up
 * (netdevice(7), SIOCSIFFLAGS). Returns 0, or -1 with errno set. */
int net_loopback_up(void);

/* linux.netDevices (config-linux.md, "Network Devices"). */
struct net_device {
	const char *host_name;
	const char *name; /* in the container; may have a %d, for which the kernel finds a number */
};

struct net_moved;

/* What was moved, so that it can be brought back as long as the container is not made. */
struct net_move {
	int from; /* network namespaces, open; -1: nothing was moved */
	int to;
	struct net_moved *items;
	size_t n;
};

/*
 * Moves the devices from the calling process's network namespace into to (a descriptor, which stays
 * the caller's), renames them, gives them their permanent global addresses again and sets them up.
 * That each is there, and its name free, is looked at before the first is moved. Returns 0, or -1
 * with err set, which names linux.netDevices.NAME; *move is what net_devices_return() takes then.
 */
int net_devices_move(struct arena *arena, const struct net_device *devices, size_t n, int to,
		     struct net_move *move, struct error *err);

/* Moves them back, with name, addresses and state as they were. What fails is left where it is. */
void net_devices_return(struct net_move *move);

/* Closes the descriptors: from now on they stay. */
void net_move_close(struct net_move *move);

#endif
