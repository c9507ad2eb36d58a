#include "net.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdint.h>

/* "lo" is the first device of every network namespace and its index is always 1: the kernel's
 * net/core/net_namespace.c makes it before anything else can, LOOPBACK_IFINDEX. */
#define LOOPBACK_INDEX 1

static int bring_up(struct mnl_socket *socket)
{
	char buffer[1024];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link;
	ssize_t length;

	header->nlmsg_type = RTM_NEWLINK;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header->nlmsg_seq = 1;
	link = mnl_nlmsg_put_extra_header(header, sizeof(*link));
	link->ifi_family = AF_UNSPEC;
	link->ifi_index = LOOPBACK_INDEX;
	link->ifi_change = IFF_UP;
	link->ifi_flags = IFF_UP;

	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return -1;
	length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (length < 0)
		return -1;
	/* The acknowledgement is an NLMSG_ERROR with 0: MNL_CB_STOP; others come as errno. */
	return mnl_cb_run(buffer, (size_t)length, 1, mnl_socket_get_portid(socket), NULL, NULL) < 0
		   ? -1
		   : 0;
}

int net_loopback_up(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int result, saved;

	if (!socket)
		return -1;
	result = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID);
	if (result == 0)
		result = bring_up(socket);
	saved = errno;
	mnl_socket_close(socket);
	errno = saved;
	return result;
}
