/* The addresses of a device that must go with it: permanent ones of global scope. */
#ifndef RUNSAFE_NET_ADDRESSES_H
#define RUNSAFE_NET_ADDRESSES_H

#include "arena.h"
#include "rtnl.h"

struct address_list {
	struct arena *arena;
	int index; /* of the device */
	const struct nlmsghdr **items;
	size_t n;
};

/* Fills list, whose arena and index are set. Returns 0, or -1 with errno set. */
int addresses_read(struct rtnl *rtnl, struct address_list *list);

/* Gives them to the device index, called name now and old_name when they were read. Returns 0, or
 * -1 with errno set. */
int addresses_write(struct rtnl *rtnl, const struct address_list *list, int index,
		    const char *old_name, const char *name);

#endif
