/* What comes up the sockets to the runtime from processes that others may have got hold of: the
 * child on its way into the sandbox (and exec's joiner, which is the same), the report behind the
 * start gate, criu's answers, a service's READY=1. The first byte says which; messages follow, each
 * with two bytes of length and one of flags. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../runtime/container/criu.h"
#include "../../runtime/sandbox/sandbox_internal.h"
#include "fd.h"
#include "fuzz.h"

enum flag { WITH_ONE = 1, WITH_TWO = 2, WHOLE = 4, FILLED = 8 };

#define MOST 65536

static void send_one(int socket, const void *bytes, size_t size, unsigned int flags)
{
	char control[CMSG_SPACE(2 * sizeof(int))] __attribute__((aligned(8))) = {0};
	const int fds[2] = {0, 0};
	const size_t n_fds = flags & WITH_TWO ? 2 : flags & WITH_ONE;
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds) {
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	(void)sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* whole: the size that a message of the child has. */
static void send_all(int socket, const uint8_t *data, size_t size, size_t whole)
{
	static uint8_t bytes[MOST];

	while (size >= 3) {
		size_t length = (size_t)data[0] | (size_t)data[1] << 8;
		const unsigned int flags = data[2];

		data += 3;
		size -= 3;
		length = length < size ? length : size;
		memset(bytes, flags & FILLED ? 'x' : 0, sizeof(bytes));
		memcpy(bytes, data, length);
		send_one(socket, bytes, flags & WHOLE ? whole : length, flags);
		data += length;
		size -= length;
	}
	(void)shutdown(socket, SHUT_WR);
}

static void make_pair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		broken("a socket can be made", strerror(errno));
}

static void from_child(const uint8_t *data, size_t size, unsigned int how)
{
	struct plan plan = {.proc = -1, .two_clones = how & 1, .seccomp_listener = how & 2};
	struct sandbox sandbox = {
	    .pid = INT_MAX, .pidfd = -1, .console = -1, .network = -1, .listener = -1};
	enum sandbox_event event;
	int pair[2], on = 1, result = 0;

	make_pair(pair);
	if (plan.two_clones && setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		broken("credentials can be asked for", strerror(errno));
	sandbox.socket = pair[0];
	send_all(pair[1], data, size, sizeof(struct message));
	for (int i = 0; i < 16 && result == 0; i++) {
		struct error err = ERROR_INIT;

		result = how & 4 ? sandbox_open_gate(&sandbox, false, &err)
				 : sandbox_wait(&sandbox, &plan, &event, &err);
		if (result < 0)
			check_error(&err);
	}
	close(pair[1]);
	sandbox_close(&sandbox);
}

/* What the child writes behind its gate, or somebody with the same folder. */
static void from_gate(const uint8_t *data, size_t size)
{
	struct error err = ERROR_INIT;
	int dir = place_bundle();
	bool opened;

	(void)mkfifoat(dir, "gate", 0600);
	(void)mkfifoat(dir, "report", 0600);
	cleanup_fd int gate = openat(dir, "gate", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	cleanup_fd int report = openat(dir, "report", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (size == 0 || gate < 0 || report < 0 || write(report, data, size) < 0)
		return;
	if (sandbox_open_gate_fifo(dir, &opened, &err) < 0)
		check_error(&err);
}

static int notified(void *context, const char *script, pid_t pid, int *fd, struct error *err)
{
	(void)context;
	(void)pid;
	(void)fd;
	return strlen(script) > 100 ? error_set(err, "no") : 0;
}

static void from_criu(struct arena *arena, const uint8_t *data, size_t size)
{
	const int dir = place_bundle();
	const struct criu_dirs dirs = {
	    .images = dir, .work = dir, .work_path = place_path(), .log = "criu.log"};
	struct error err = ERROR_INIT;
	struct wire opts = {.arena = arena};
	pid_t pid = 0;
	int pair[2];

	make_pair(pair);
	struct criu criu = {.pid = -1, .pidfd = -1, .socket = pair[0]};
	send_all(pair[1], data, size, 512);
	wire_number(&opts, 1, 1);
	if (criu_talk(arena, &criu, CRIU_RESTORE, &opts, &dirs, notified, NULL, &pid, &err) < 0)
		check_error(&err);
	close(pair[1]);
	criu_end(&criu);
}

/* The service manager hears of it once, and only when the workload said so. */
static void from_workload(const uint8_t *data, size_t size)
{
	static int manager = -1;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct error err = ERROR_INIT;
	char heard[256];
	int pair[2];

	const int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
				    "runsafe-fuzz-%d", getpid());
	if (manager < 0) {
		manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (bind(manager, (struct sockaddr *)&address,
			 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) <
		    0)
			broken("a socket can be made", strerror(errno));
		address.sun_path[0] = '@';
		setenv("NOTIFY_SOCKET", address.sun_path, 1);
	}
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		broken("a socket can be made", strerror(errno));
	send_one(pair[1], data, size, 0);
	const int said = notify_socket_read(pair[0], 4711, &err);
	const ssize_t n = recv(manager, heard, sizeof(heard) - 1, 0);
	heard[n < 0 ? 0 : n] = '\0';
	if (said < 0)
		check_error(&err);
	if (strcmp(heard, said > 0 ? "MAINPID=4711\nREADY=1" : "") != 0)
		broken("only READY=1 goes on", heard);
	if (said > 0 && !memmem(data, size, "READY=1", 7))
		broken("only what was said goes on", heard);
	close(pair[0]);
	close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT;
	int next = place_next_descriptor();

	if (size == 0)
		return 0;
	switch (data[0] & 0x30) {
	case 0x10:
		from_gate(data + 1, size - 1);
		break;
	case 0x20:
		from_criu(&arena, data + 1, size - 1);
		break;
	case 0x30:
		from_workload(data + 1, size - 1);
		next = place_next_descriptor();
		break;
	default:
		from_child(data + 1, size - 1, data[0]);
	}
	if (place_next_descriptor() != next)
		broken("what comes with a message and is not wanted is closed",
		       "a descriptor is left");
	arena_free(&arena);
	return 0;
}
