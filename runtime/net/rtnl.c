#include "rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"

/* An answer of a link with many addresses and alternative names; netlink(7) wants 32 KiB. */
#define ANSWER 32768

static int open_here(struct rtnl *rtnl)
{
	cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl own = {.nl_family = AF_NETLINK};
	socklen_t length = sizeof(own);
	int on = 1;

	if (fd < 0)
		return -1;
	/* Without it only the kernel's own words are lost. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	/* The kernel finds a port. */
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &length) < 0)
		return -1;
	rtnl->port = own.nl_pid;
	rtnl->socket = fd_take(&fd);
	return 0;
}

int rtnl_open(struct rtnl *rtnl, int namespace)
{
	cleanup_fd int own = -1;
	int result, saved;

	*rtnl = (struct rtnl){.socket = -1};
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
	fd_cleanup(&rtnl->socket);
}

static int fail(int number)
{
	errno = number;
	return -1;
}

/* NETLINK_EXT_ACK: attributes behind what a message of the kernel's has anyway. */
static void keep_words(struct rtnl *rtnl, const struct nlmsghdr *message, size_t skip)
{
	const struct nlattr *attribute;

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	rtnl_for_each(attribute, message, skip)
	{
		const char *text = rtnl_text(attribute);

		if (text && rtnl_type(attribute) == NLMSGERR_ATTR_MSG)
			snprintf(rtnl->said, sizeof(rtnl->said), "%s", text);
	}
}

/* What the kernel says at the end: 0 or a negative errno. */
static int outcome(int error)
{
	if (error == 0)
		return 0;
	return fail(error < 0 && error > -4096 ? -error : EBADMSG);
}

/* An acknowledgement is one, too. The request is sent back behind the error, if not NLM_F_CAPPED.
 */
static int read_error(struct rtnl *rtnl, const struct nlmsghdr *message)
{
	const struct nlmsgerr *answer = rtnl_payload(message, sizeof(*answer));
	size_t skip = sizeof(*answer);

	if (!answer)
		return fail(EBADMSG);
	if (!(message->nlmsg_flags & NLM_F_CAPPED)) {
		if (answer->msg.nlmsg_len < sizeof(answer->msg))
			return fail(EBADMSG);
		skip += answer->msg.nlmsg_len - sizeof(answer->msg);
	}
	if (answer->error != 0)
		keep_words(rtnl, message, skip);
	return outcome(answer->error);
}

/* The end of a dump, which says what became of it since Linux 4.20 or so. */
static int read_done(struct rtnl *rtnl, const struct nlmsghdr *message)
{
	const int *error = rtnl_payload(message, sizeof(*error));

	if (error && *error != 0)
		keep_words(rtnl, message, sizeof(*error));
	if (outcome(error ? *error : 0) < 0)
		return -1;
	return rtnl->interrupted ? fail(EINTR) : 0;
}

/* Returns as rtnl_read() does. */
static int read_message(struct rtnl *rtnl, const struct nlmsghdr *message, rtnl_taker *take,
			void *context)
{
	if (message->nlmsg_pid != rtnl->port)
		return fail(ESRCH);
	if (message->nlmsg_seq != rtnl->sequence)
		return fail(EPROTO);
	/* All of it is read nevertheless: the next request's answer comes behind it. */
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		rtnl->interrupted = true;
	switch (message->nlmsg_type) {
	case NLMSG_ERROR:
		return read_error(rtnl, message);
	case NLMSG_DONE:
		return read_done(rtnl, message);
	case NLMSG_OVERRUN:
		return fail(ENOBUFS);
	default:
		break;
	}
	if (take && message->nlmsg_type >= NLMSG_MIN_TYPE)
		take(message, context);
	return 1;
}

int rtnl_read(struct rtnl *rtnl, const void *answer, size_t length, rtnl_taker *take, void *context)
{
	const char *at = answer;

	while (length > 0) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)at;
		size_t step;
		int result;

		if (length < sizeof(*message) || message->nlmsg_len < sizeof(*message) ||
		    message->nlmsg_len > length)
			return fail(EBADMSG);
		result = read_message(rtnl, message, take, context);
		if (result <= 0)
			return result;
		/* Behind the last one there need be no padding. */
		step = ((size_t)message->nlmsg_len + 3) & ~(size_t)3;
		if (step > length)
			break;
		at += step;
		length -= step;
	}
	return 1;
}

/* Returns its length, or -1 with errno set. Who has CAP_NET_ADMIN over a network namespace that is
 * joined can send to any port there (netlink(7)): what is not the kernel's is passed over. */
static ssize_t receive(const struct rtnl *rtnl, void *answer, size_t size)
{
	struct sockaddr_nl sender;
	struct iovec part = {answer, size};
	struct msghdr datagram;
	ssize_t n;

	do {
		sender = (struct sockaddr_nl){.nl_pid = UINT32_MAX};
		datagram = (struct msghdr){.msg_name = &sender,
					   .msg_namelen = sizeof(sender),
					   .msg_iov = &part,
					   .msg_iovlen = 1};
		n = recvmsg(rtnl->socket, &datagram, 0);
		if (n < 0 && errno != EINTR)
			return -1;
	} while (n < 0 || datagram.msg_namelen != sizeof(sender) ||
		 sender.nl_family != AF_NETLINK || sender.nl_pid != 0);
	return datagram.msg_flags & MSG_TRUNC ? fail(ENOSPC) : n;
}

int rtnl_talk(struct rtnl *rtnl, struct rtnl_request *request, rtnl_taker *take, void *context)
{
	static _Alignas(struct nlmsghdr) char answer[ANSWER];
	int result = 1;

	rtnl->said[0] = '\0';
	rtnl->interrupted = false;
	if (request->is_too_long)
		return fail(EMSGSIZE);
	request->header.nlmsg_seq = ++rtnl->sequence;
	/* A dump ends by itself; all else by its acknowledgement. */
	if ((request->header.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->header.nlmsg_flags |= NLM_F_ACK;
	/* To the kernel, as the socket is connected to nobody else. */
	if (send(rtnl->socket, request, request->header.nlmsg_len, 0) < 0)
		return -1;
	while (result > 0) {
		ssize_t n = receive(rtnl, answer, sizeof(answer));

		result = n < 0 ? -1 : rtnl_read(rtnl, answer, (size_t)n, take, context);
	}
	return result;
}
