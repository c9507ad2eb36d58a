/* CMSG_NXTHDR of musl does not compile without warnings (-Wconversion). */
#ifndef RUNSAFE_MUSL_SYS_SOCKET_H
#define RUNSAFE_MUSL_SYS_SOCKET_H

#include_next <sys/socket.h>

#include <stddef.h>

#undef CMSG_NXTHDR
#define CMSG_NXTHDR(message, header) cmsg_next(message, header)

/* cmsg(3): the header behind this one; NULL where there is no room for another. */
static inline struct cmsghdr *cmsg_next(const struct msghdr *message, struct cmsghdr *header)
{
	const size_t end = message->msg_controllen;
	const size_t at = (size_t)((char *)header - (char *)message->msg_control);
	const size_t size = CMSG_ALIGN((size_t)header->cmsg_len);

	if (header->cmsg_len < sizeof(*header) || size > end - at ||
	    end - at - size < sizeof(*header))
		return NULL;
	return (struct cmsghdr *)(void *)((char *)header + size);
}

#endif
