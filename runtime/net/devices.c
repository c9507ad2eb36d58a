/*
 * linux.netDevices. The kernel keeps a device's MTU, hardware address and kin when it changes its
 * namespace, and takes its addresses away; so these are read before and written after.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "addresses.h"
#include "fd.h"
#include "net.h"
#include "rtnl.h"

struct link {
	int index;
	unsigned int flags; /* IFF_* */
	char name[IFNAMSIZ];
};

struct net_moved {
	const char *host_name;
	int index; /* where it is now */
	char name[IFNAMSIZ];
	bool was_up;
	struct address_list addresses;
};

static void take_link(const struct nlmsghdr *message, void *context)
{
	struct link *link = context;
	const struct ifinfomsg *info = rtnl_payload(message, sizeof(*info));
	const struct nlattr *attribute;

	if (message->nlmsg_type != RTM_NEWLINK || !info)
		return;
	link->index = info->ifi_index;
	link->flags = info->ifi_flags;
	rtnl_for_each(attribute, message, sizeof(*info))
	{
		const char *name = rtnl_text(attribute);

		if (name && rtnl_type(attribute) == IFLA_IFNAME)
			snprintf(link->name, sizeof(link->name), "%s", name);
	}
}

/* By name, or where that is NULL by index. Returns 0, or -1 with errno set: ENODEV for none. */
static int find_link(struct rtnl *rtnl, const char *name, int index, struct link *out)
{
	struct rtnl_request request;
	struct ifinfomsg *info = rtnl_request(&request, RTM_GETLINK, 0, sizeof(*info));

	if (name)
		rtnl_put_text(&request, IFLA_IFNAME, name);
	else
		info->ifi_index = index;
	*out = (struct link){.index = 0};
	return rtnl_talk(rtnl, &request, take_link, out);
}

/* namespace: where to, or -1; name: what it is to be called, or NULL. */
static int change_link(struct rtnl *rtnl, int index, int namespace, const char *name, bool up)
{
	struct rtnl_request request;
	struct ifinfomsg *info = rtnl_request(&request, RTM_NEWLINK, 0, sizeof(*info));

	info->ifi_index = index;
	if (up)
		info->ifi_flags = info->ifi_change = IFF_UP;
	if (namespace >= 0)
		rtnl_put_u32(&request, IFLA_NET_NS_FD, (uint32_t) namespace);
	if (name)
		rtnl_put_text(&request, IFLA_IFNAME, name);
	return rtnl_talk(rtnl, &request, NULL, NULL);
}

/* Both ends of the way, and what is on it. */
struct way {
	struct rtnl from, to;
	int to_namespace;
	struct error *err;
};

static int tell(const struct way *way, const struct rtnl *rtnl, const char *host_name,
		const char *what)
{
	int number = errno;
	const char *hint =
	    number == EPERM ? " (this needs CAP_NET_ADMIN over both network namespaces)" : "";

	if (rtnl->said[0])
		return error_errno(way->err, number, "linux.netDevices.%s: %s%s: %s", host_name,
				   what, hint, rtnl->said);
	return error_errno(way->err, number, "linux.netDevices.%s: %s%s", host_name, what, hint);
}

static bool is_template(const char *name)
{
	return strchr(name, '%');
}

/* Nobody has moved yet: the start may still fail without a trace. */
static int check(struct way *way, const struct net_device *device)
{
	struct link link;

	if (find_link(&way->from, device->host_name, 0, &link) < 0) {
		if (errno == ENODEV)
			return error_set(way->err,
					 "linux.netDevices.%s: there is no such network device in "
					 "the runtime's network namespace: no such device",
					 device->host_name);
		return tell(way, &way->from, device->host_name, "looking it up");
	}
	if (link.flags & IFF_LOOPBACK)
		return error_set(way->err,
				 "linux.netDevices.%s: a loopback device can not be moved, each "
				 "network namespace has one of its own",
				 device->host_name);
	if (is_template(device->name))
		return 0;
	if (find_link(&way->to, device->name, 0, &link) == 0)
		return error_set(way->err,
				 "linux.netDevices.%s.name: the container's network namespace has "
				 "a device %s already: file exists",
				 device->host_name, device->name);
	return errno == ENODEV ? 0 : tell(way, &way->to, device->host_name, "looking for its name");
}

/*
 * The kernel would give a template its number, but not say which it was. So it comes over under a
 * name that nobody has, is found by that one, and renamed there.
 */
static int move_link(struct way *way, int index, const char *name, struct link *there)
{
	char between[IFNAMSIZ];

	snprintf(between, sizeof(between), "rs%x.%x", (unsigned int)getpid(),
		 (unsigned int)index & 0xffff);
	bool template = is_template(name);
	if (change_link(&way->from, index, way->to_namespace, template ? between : name, false) < 0)
		return -1;
	if (find_link(&way->to, template ? between : name, 0, there) < 0)
		return -1;
	if (template && (change_link(&way->to, there->index, -1, name, false) < 0 ||
			 find_link(&way->to, NULL, there->index, there) < 0))
		return -1;
	return 0;
}

/* Addresses before it is up: IPv6 looks for others who have them once, when it comes up. */
static int settle(struct way *way, const struct net_moved *moved, const char *old_name, bool up)
{
	if (addresses_write(&way->to, &moved->addresses, moved->index, old_name, moved->name) < 0)
		return tell(way, &way->to, moved->host_name, "giving it its addresses again");
	if (up && change_link(&way->to, moved->index, -1, NULL, true) < 0)
		return tell(way, &way->to, moved->host_name, "setting it up in the container");
	return 0;
}

static int move_one(struct arena *arena, struct way *way, const struct net_device *device,
		    struct net_move *move)
{
	struct net_moved moved = {.host_name = device->host_name};
	struct link here, there;

	if (find_link(&way->from, device->host_name, 0, &here) < 0)
		return tell(way, &way->from, device->host_name, "looking it up");
	moved.was_up = here.flags & IFF_UP;
	moved.addresses = (struct address_list){.arena = arena, .index = here.index};
	if (addresses_read(&way->from, &moved.addresses) < 0)
		return tell(way, &way->from, device->host_name, "reading its addresses");
	if (move_link(way, here.index, device->name, &there) < 0)
		return tell(way, &way->from, device->host_name,
			    "moving it into the container's network namespace");
	moved.index = there.index;
	memcpy(moved.name, there.name, sizeof(moved.name));
	move->items = arena_grow(arena, move->items, move->n, sizeof(*move->items));
	move->items[move->n++] = moved;
	return settle(way, &moved, device->host_name, true);
}

static int open_way(struct way *way, int from, int to)
{
	way->to_namespace = to;
	if (rtnl_open(&way->from, from) < 0)
		return -1;
	if (rtnl_open(&way->to, to) == 0)
		return 0;
	rtnl_close(&way->from);
	return -1;
}

static void close_way(struct way *way)
{
	rtnl_close(&way->from);
	rtnl_close(&way->to);
}

int net_devices_move(struct arena *arena, const struct net_device *devices, size_t n, int to,
		     struct net_move *move, struct error *err)
{
	struct way way = {.err = err};
	int result = 0;

	*move = (struct net_move){.from = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC),
				  .to = fcntl(to, F_DUPFD_CLOEXEC, 3)};
	if (move->from < 0 || move->to < 0 || open_way(&way, -1, move->to) < 0)
		return error_errno(err, errno, "linux.netDevices.%s: %s", devices[0].host_name,
				   errno == EPERM ? "only root of the runtime's network namespace "
						    "can move a device out of it"
						  : "opening the network namespaces");
	for (size_t i = 0; i < n && result == 0; i++)
		result = check(&way, &devices[i]);
	/* A number that a template finds must not be in a name that is still to come. */
	for (int templates = 0; templates <= 1; templates++) {
		for (size_t i = 0; i < n && result == 0; i++) {
			if (is_template(devices[i].name) == templates)
				result = move_one(arena, &way, &devices[i], move);
		}
	}
	close_way(&way);
	return result;
}

static void return_one(struct way *way, struct net_moved *moved)
{
	struct link there;

	if (move_link(way, moved->index, moved->host_name, &there) < 0)
		return;
	moved->index = there.index;
	memcpy(moved->name, there.name, sizeof(moved->name));
	/* The addresses' labels are those of the host's name. */
	(void)settle(way, moved, moved->host_name, moved->was_up);
}

void net_devices_return(struct net_move *move)
{
	struct error ignored = ERROR_INIT;
	struct way way = {.err = &ignored};

	if (move->n && open_way(&way, move->to, move->from) == 0) {
		for (size_t i = move->n; i > 0; i--)
			return_one(&way, &move->items[i - 1]);
		close_way(&way);
	}
	net_move_close(move);
}

void net_move_close(struct net_move *move)
{
	move->n = 0;
	fd_cleanup(&move->from);
	fd_cleanup(&move->to);
}
