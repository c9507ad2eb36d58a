/* What the child tells, as the runtime takes it. Whoever gets hold of the child before its exec can
 * write anything there: nothing in it is taken on trust. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox_internal.h"

int message_receive(int socket, struct received *out)
{
	char control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))]
	    __attribute__((aligned(8)));
	struct iovec iov = {.iov_base = &out->message, .iov_len = sizeof(out->message)};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = sizeof(control)};
	ssize_t n;

	*out = (struct received){.fd = -1};
	do {
		n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	/* It was killed before it had read all that it was told. */
	if (n < 0)
		return errno == ECONNRESET ? 0 : -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS)
			fd_take_sent(c, &out->fd);
		if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred credentials;
			memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
			out->pid = credentials.pid;
		}
	}
	if (n == (ssize_t)sizeof(out->message))
		return 1;
	fd_cleanup(&out->fd);
	errno = EPROTO;
	return n == 0 ? 0 : -1;
}

/* Whether the plan has a step that says so. */
static bool is_planned(const struct plan *plan, int32_t kind)
{
	switch (kind) {
	case MESSAGE_HELLO:
		return plan->two_clones || plan->target >= 0;
	case MESSAGE_CGROUP:
		return plan->late_cgroup;
	case MESSAGE_MAP:
		return plan->clone_flags & CLONE_NEWUSER;
	case MESSAGE_TIME:
		return plan->time_offsets;
	case MESSAGE_CONSOLE:
		return plan->terminal;
	case MESSAGE_NETWORK:
		return plan->n_net_devices > 0;
	case MESSAGE_LISTENER:
		return plan->seccomp_listener;
	default:
		return true;
	}
}

int message_check(const struct plan *plan, const struct received *got, struct error *err)
{
	const int32_t kind = got->message.kind;
	const char *carries = kind == MESSAGE_CONSOLE	 ? "console: the terminal"
			      : kind == MESSAGE_NETWORK	 ? "the network namespace"
			      : kind == MESSAGE_LISTENER ? "seccomp: the notify descriptor"
							 : NULL;

	if (!is_planned(plan, kind))
		return error_set(err,
				 "the container's process asks for what nobody planned (message "
				 "%d): has somebody else got hold of it?",
				 kind);
	if (carries && got->fd < 0)
		return error_set(err, "%s did not come along (too many open files?)", carries);
	return 0;
}

int message_failed(struct message *message, struct error *err)
{
	message->text[sizeof(message->text) - 1] = '\0';
	error_set(err, "%s",
		  message->text[0] ? message->text
				   : "the container's process failed and did not say why");
	err->number = message->number;
	/* 256 would be 0 to who waits for the runtime. */
	if (message->exit_status > 0 && message->exit_status <= UINT8_MAX)
		err->exit_status = message->exit_status;
	return -1;
}
