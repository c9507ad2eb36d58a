#include "rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fd.h"

/* An answer of a link with many addresses and alternative names; netlink(7) wants 32 KiB. */
#define ANSWER 32768

static int open_here(struct rtnl *rtnl)
{
	int on = 1;

	rtnl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!rtnl->socket)
		return -1;
	/* Without it only the kernel's own words are lost. */
	(void)mnl_socket_setsockopt(rtnl->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	if (mnl_socket_bind(rtnl->socket, 0, MNL_SOCKET_AUTOPID) == 0)
		return 0;
	rtnl_close(rtnl);
	return -1;
}

int rtnl_open(struct rtnl *rtnl, int namespace)
{
	cleanup_fd int own = -1;
	int result, saved;

	*rtnl = (struct rtnl){.socket = NULL};
	if (namespace < 0)
		return open_here(rtnl);
	/* A socket stays in the namespace that it was made in. */
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	/* First into the one that it is in: who may not do that can not come back (an ordinary user
	 * who is root of his own user namespace only). */
	if (own < 0 || setns(own, CLONE_NEWNET) < 0 || setns(namespace, CLONE_NEWNET) < 0)
		return -1;
	result = open_here(rtnl);
	saved = errno;
	/* Whatever the runtime did from here on, it would do to the container's network. */
	if (setns(own, CLONE_NEWNET) < 0)
		abort();
	errno = saved;
	return result;
}

void rtnl_close(struct rtnl *rtnl)
{
	int saved = errno;

	if (rtnl->socket)
		mnl_socket_close(rtnl->socket);
	rtnl->socket = NULL;
	errno = saved;
}

struct nlmsghdr *rtnl_request(char *buffer, int type, int flags, size_t extra)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);

	header->nlmsg_type = (uint16_t)type;
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	mnl_nlmsg_put_extra_header(header, extra);
	return header;
}

/* netlink(7), NETLINK_EXT_ACK: attributes behind the error, and behind the request where that is
 * sent back. */
static int keep_words(const struct nlmsghdr *message, void *context)
{
	struct rtnl *rtnl = context;
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);
	size_t skip = sizeof(*answer);
	const struct nlattr *attribute;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*answer)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (answer->error == 0)
		return MNL_CB_STOP;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		skip += mnl_nlmsg_get_payload_len(&answer->msg);
	if (message->nlmsg_flags & NLM_F_ACK_TLVS && skip <= mnl_nlmsg_get_payload_len(message)) {
		rtnl_for_each(attribute, message, skip)
		{
			if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
			    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
				snprintf(rtnl->said, sizeof(rtnl->said), "%s",
					 mnl_attr_get_str(attribute));
		}
	}
	errno = answer->error < 0 && answer->error > -4096 ? -answer->error : EBADMSG;
	return MNL_CB_ERROR;
}

struct taker {
	struct rtnl *rtnl;
	mnl_cb_t take;
	void *context;
};

/* libmnl hands control messages and others to the same context. */
static int control(const struct nlmsghdr *message, void *context)
{
	struct taker *taker = context;

	return keep_words(message, taker->rtnl);
}

static int other(const struct nlmsghdr *message, void *context)
{
	struct taker *taker = context;

	return taker->take ? taker->take(message, taker->context) : MNL_CB_OK;
}

/* libmnl takes a length beyond 2 GiB for a negative one that fits, and goes round in circles. */
static bool is_whole(const char *answer, size_t n)
{
	struct nlmsghdr header;

	for (size_t at = 0; n - at >= sizeof(header); at += NLMSG_ALIGN(header.nlmsg_len)) {
		memcpy(&header, answer + at, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > n - at)
			return false;
		if (NLMSG_ALIGN(header.nlmsg_len) > n - at)
			break;
	}
	return true;
}

int rtnl_talk(struct rtnl *rtnl, struct nlmsghdr *request, mnl_cb_t take, void *context)
{
	static char answer[ANSWER];
	static mnl_cb_t controls[NLMSG_ERROR + 1] = {[NLMSG_ERROR] = control};
	struct taker taker = {rtnl, take, context};
	int result = MNL_CB_OK;

	rtnl->said[0] = '\0';
	request->nlmsg_seq = ++rtnl->sequence;
	/* A dump ends by itself; all else by its acknowledgement. */
	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(rtnl->socket, request, request->nlmsg_len) < 0)
		return -1;
	while (result > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(rtnl->socket, answer, sizeof(answer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!is_whole(answer, (size_t)n)) {
			errno = EBADMSG;
			return -1;
		}
		result = mnl_cb_run2(answer, (size_t)n, rtnl->sequence,
				     mnl_socket_get_portid(rtnl->socket), other, &taker, controls,
				     NLMSG_ERROR + 1);
	}
	return result < 0 ? -1 : 0;
}
