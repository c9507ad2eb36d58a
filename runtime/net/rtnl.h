/* One request and its answer over rtnetlink(7). */
#ifndef RUNSAFE_NET_RTNL_H
#define RUNSAFE_NET_RTNL_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rtnl {
	int socket; /* -1: not open */
	uint32_t port;
	uint32_t sequence; /* of the last request */
	bool interrupted;  /* what a dump tells has changed meanwhile */
	char said[256];	   /* by the kernel, of the last request that failed; often empty */
};

/* Opens a socket in the network namespace namespace (-1: the process's own). Returns 0, or -1 with
 * errno set. */
int rtnl_open(struct rtnl *rtnl, int namespace);
void rtnl_close(struct rtnl *rtnl);

/* A name, some numbers and addresses: what we send takes less than a quarter of it. */
struct rtnl_request {
	struct nlmsghdr header;
	char payload[1024];
	bool is_too_long; /* not all of it is in there, and rtnl_talk() refuses it */
};

/* Begins a request. Returns what follows its header: size bytes of zeros. */
void *rtnl_request(struct rtnl_request *request, int type, int flags, size_t size);

/* Attributes behind what is there already; a text with its NUL. */
void rtnl_put(struct rtnl_request *request, int type, const void *data, size_t length);
void rtnl_put_u32(struct rtnl_request *request, int type, uint32_t value);
void rtnl_put_text(struct rtnl_request *request, int type, const char *text);

/* Takes one message of an answer, all of which is there. */
typedef void rtnl_taker(const struct nlmsghdr *message, void *context);

/*
 * Sends it and hands each message of the answer to take (may be NULL). Returns 0, or -1 with errno
 * set and rtnl->said: the kernel's own; EINTR for a dump in which others changed something; ENOSPC,
 * EBADMSG, ESRCH, EPROTO for an answer that is too long, malformed, for another socket, to another
 * request; EMSGSIZE for a request that is too long. After one of those the socket is to be closed.
 */
int rtnl_talk(struct rtnl *rtnl, struct rtnl_request *request, rtnl_taker *take, void *context);

/* One datagram of an answer, aligned as its messages are. Returns 1 when more must come, else as
 * rtnl_talk() does. */
int rtnl_read(struct rtnl *rtnl, const void *answer, size_t length, rtnl_taker *take,
	      void *context);

/* What follows a message's header, or NULL when that is less than size bytes. */
const void *rtnl_payload(const struct nlmsghdr *message, size_t size);

/* The attributes behind the first skip bytes of the payload. Each is whole; what is behind one that
 * is not is passed over. */
const struct nlattr *rtnl_first(const struct nlmsghdr *message, size_t skip);
const struct nlattr *rtnl_next(const struct nlmsghdr *message, const struct nlattr *attribute);
#define rtnl_for_each(attribute, message, skip)                                                    \
	for ((attribute) = rtnl_first(message, skip); (attribute);                                 \
	     (attribute) = rtnl_next(message, attribute))

/* Without the bits that say how it is written. */
int rtnl_type(const struct nlattr *attribute);
size_t rtnl_length(const struct nlattr *attribute);
const void *rtnl_data(const struct nlattr *attribute);

/* Returns false, and leaves *value as it is, for an attribute of another length. */
bool rtnl_u32(const struct nlattr *attribute, uint32_t *value);

/* Returns NULL for what does not end with a NUL. */
const char *rtnl_text(const struct nlattr *attribute);

#endif
