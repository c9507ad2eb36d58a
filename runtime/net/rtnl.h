/* One request and its answer over rtnetlink(7), through libmnl. */
#ifndef RUNSAFE_NET_RTNL_H
#define RUNSAFE_NET_RTNL_H

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#define RTNL_REQUEST 8192 /* bytes: what a request may be long */

/* mnl_attr_for_each(), without its warning about int. skip: bytes of the payload in front. */
#define rtnl_for_each(attribute, message, skip)                                                    \
	for ((attribute) = mnl_nlmsg_get_payload_offset(message, skip);                            \
	     mnl_attr_ok(attribute, (int)((const char *)mnl_nlmsg_get_payload_tail(message) -      \
					  (const char *)(attribute)));                             \
	     (attribute) = mnl_attr_next(attribute))

struct rtnl {
	struct mnl_socket *socket; /* NULL: not open */
	unsigned int sequence;
	char said[256]; /* by the kernel, of the last request that failed; often empty */
};

/* Opens a socket in the network namespace namespace (-1: the process's own). Returns 0, or -1 with
 * errno set. */
int rtnl_open(struct rtnl *rtnl, int namespace);
void rtnl_close(struct rtnl *rtnl);

/* Begins a request in buffer, of RTNL_REQUEST bytes; extra bytes of zeros follow the header. */
struct nlmsghdr *rtnl_request(char *buffer, int type, int flags, size_t extra);

/*
 * Sends it and hands each message of the answer to take (may be NULL), which returns MNL_CB_OK.
 * Returns 0, or -1 with errno set and rtnl->said.
 */
int rtnl_talk(struct rtnl *rtnl, struct nlmsghdr *request, mnl_cb_t take, void *context);

#endif
