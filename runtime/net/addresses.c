#include "addresses.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* What says how an address is used, and not in what state it is. */
#define KEPT_FLAGS                                                                                 \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE |            \
	 IFA_F_MCAUTOJOIN)

static uint32_t flags_of(const struct nlmsghdr *message, const struct ifaddrmsg *address)
{
	uint32_t flags = address->ifa_flags;
	const struct nlattr *attribute;

	/* The header's eight bits are the older form. */
	rtnl_for_each(attribute, message, sizeof(*address))
	{
		if (rtnl_type(attribute) == IFA_FLAGS && rtnl_u32(attribute, &flags))
			break;
	}
	return flags;
}

static void take(const struct nlmsghdr *message, void *context)
{
	struct address_list *list = context;
	const struct ifaddrmsg *address = rtnl_payload(message, sizeof(*address));

	if (message->nlmsg_type != RTM_NEWADDR || !address ||
	    (int)address->ifa_index != list->index || address->ifa_scope != RT_SCOPE_UNIVERSE ||
	    !(flags_of(message, address) & IFA_F_PERMANENT))
		return;
	struct nlmsghdr *copy = arena_alloc(list->arena, message->nlmsg_len);
	memcpy(copy, message, message->nlmsg_len);
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): they are pointers. */
	list->items = arena_grow(list->arena, list->items, list->n, sizeof(*list->items));
	list->items[list->n++] = copy;
}

int addresses_read(struct rtnl *rtnl, struct address_list *list)
{
	struct rtnl_request request;
	int result;

	do {
		list->n = 0;
		rtnl_request(&request, RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg));
		result = rtnl_talk(rtnl, &request, take, list);
		/* EINTR: others changed addresses meanwhile. */
	} while (result < 0 && errno == EINTR);
	return result;
}

/* "eth0:web" is a label of eth0 (ip-address(8)) and must begin with the name of the device. */
static void put_label(struct rtnl_request *request, const char *label, const char *old_name,
		      const char *name)
{
	char text[2 * IFNAMSIZ];
	size_t length = strlen(old_name);

	if (strncmp(label, old_name, length) != 0 || label[length] != ':')
		return;
	snprintf(text, sizeof(text), "%s%s", name, label + length);
	if (strlen(text) < IFNAMSIZ)
		rtnl_put_text(request, IFA_LABEL, text);
}

static void put_attribute(struct rtnl_request *request, const struct nlattr *attribute,
			  const char *old_name, const char *name)
{
	int type = rtnl_type(attribute);
	const char *label = type == IFA_LABEL ? rtnl_text(attribute) : NULL;

	switch (type) {
	case IFA_LABEL:
		if (label)
			put_label(request, label, old_name, name);
		break;
	case IFA_ADDRESS:
	case IFA_LOCAL:
	case IFA_BROADCAST:
	case IFA_ANYCAST:
	case IFA_CACHEINFO: /* the preferred lifetime: 0 for one that is deprecated */
	case IFA_RT_PRIORITY:
#ifdef IFA_PROTO
	case IFA_PROTO:
#endif
		rtnl_put(request, type, rtnl_data(attribute), rtnl_length(attribute));
		break;
	default:
		break;
	}
}

static int write_one(struct rtnl *rtnl, const struct nlmsghdr *message, int index,
		     const char *old_name, const char *name)
{
	const struct ifaddrmsg *old = rtnl_payload(message, sizeof(*old));
	struct rtnl_request request;
	struct ifaddrmsg *address =
	    rtnl_request(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*address));
	const struct nlattr *attribute;

	address->ifa_family = old->ifa_family;
	address->ifa_prefixlen = old->ifa_prefixlen;
	address->ifa_scope = old->ifa_scope;
	address->ifa_index = (uint32_t)index;
	rtnl_for_each(attribute, message, sizeof(*old))
	    put_attribute(&request, attribute, old_name, name);
	rtnl_put_u32(&request, IFA_FLAGS, flags_of(message, old) & KEPT_FLAGS);
	return rtnl_talk(rtnl, &request, NULL, NULL);
}

int addresses_write(struct rtnl *rtnl, const struct address_list *list, int index,
		    const char *old_name, const char *name)
{
	for (size_t i = 0; i < list->n; i++) {
		if (write_one(rtnl, list->items[i], index, old_name, name) < 0)
			return -1;
	}
	return 0;
}
