/* The small ones, by the first byte: signal names, a rootfs's passwd and group, annotations for
 * systemd, the caller's LISTEN_FDS, an id mapping of the kernel's, and netlink's answers about a
 * device that is to be moved. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../runtime/cgroup/systemd_internal.h"
#include "../../runtime/container/launch.h"
#include "../../runtime/plan/plan_internal.h"
#include "fd.h"
#include "fuzz.h"

static const uint8_t *fed;
static size_t fed_size;
static uint32_t asked; /* the number of the last request */

/* In the place of what they wrap (-Wl,--wrap): /proc/self/uid_map, and a netlink socket. */
int __real_file_read_all(struct arena *arena, int dirfd, const char *path, size_t limit, char **out,
			 size_t *length);
int __wrap_file_read_all(struct arena *arena, int dirfd, const char *path, size_t limit, char **out,
			 size_t *length);
int __wrap_setns(int fd, int type);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *size);
ssize_t __wrap_send(int fd, const void *buffer, size_t size, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *datagram, int flags);

int __wrap_file_read_all(struct arena *arena, int dirfd, const char *path, size_t limit, char **out,
			 size_t *length)
{
	if (!fed || strncmp(path, "/proc/self/", 11) != 0)
		return __real_file_read_all(arena, dirfd, path, limit, out, length);
	*out = as_text(arena, fed, fed_size);
	return 0;
}

int __wrap_setns(int fd, int type)
{
	(void)fd;
	(void)type;
	return 0;
}

int __wrap_socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)type;
	(void)protocol;
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	(void)fd;
	(void)level;
	(void)name;
	(void)value;
	(void)size;
	return 0;
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
	(void)fd;
	(void)address;
	(void)size;
	return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
	(void)fd;
	(void)address;
	(void)size;
	return 0;
}

/* What is sent is a message, the whole of it. */
ssize_t __wrap_send(int fd, const void *buffer, size_t size, int flags)
{
	struct nlmsghdr header;

	(void)fd;
	(void)flags;
	memcpy(&header, buffer, sizeof(header));
	if (size != header.nlmsg_len || size % NLMSG_ALIGNTO != 0)
		broken("a request has the length that it says", "(it does not)");
	asked = header.nlmsg_seq;
	return (ssize_t)size;
}

/* Inputs need not know the numbers of the requests: 0 stands for that of the last. */
static void number(char *answer, size_t length)
{
	struct nlmsghdr header;

	for (size_t at = 0; at < length && length - at >= sizeof(header);
	     at += NLMSG_ALIGN(header.nlmsg_len)) {
		memcpy(&header, answer + at, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > length - at)
			return;
		if (header.nlmsg_seq == 0)
			header.nlmsg_seq = asked;
		memcpy(answer + at, &header, sizeof(header));
	}
}

/* Two bytes before each datagram: its length, of at most what the kernel's messages have; whether
 * it was longer; whether somebody else sent it. */
ssize_t __wrap_recvmsg(int fd, struct msghdr *datagram, int flags)
{
	size_t size = datagram->msg_iov->iov_len, head, length;

	(void)fd;
	(void)flags;
	if (fed_size < 2) {
		errno = ENOBUFS;
		return -1;
	}
	head = (size_t)fed[0] | (size_t)fed[1] << 8;
	fed += 2;
	fed_size -= 2;
	length = head & 0x3fff;
	length = length < fed_size ? length : fed_size;
	length = length < size ? length : size;
	memcpy(datagram->msg_iov->iov_base, fed, length);
	fed += length;
	fed_size -= length;
	number(datagram->msg_iov->iov_base, length);
	*(struct sockaddr_nl *)datagram->msg_name =
	    (struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_pid = head & 0x4000 ? 1 : 0};
	datagram->msg_flags = head & 0x8000 ? MSG_TRUNC : 0;
	return (ssize_t)length;
}

static void move_device(struct arena *arena)
{
	const struct net_device devices[] = {{"eth0", "eth%d"}, {"eth1", "net1"}};
	cleanup_fd int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct error err = ERROR_INIT;
	struct net_move move;

	if (net_devices_move(arena, devices, 2, here, &move, &err) < 0)
		check_error(&err);
	net_devices_return(&move);
}

static void find_user(struct arena *arena, const char *text)
{
	const char *const names[] = {"root", "app", ""};
	const uint32_t ids[] = {0, 1000, UINT32_MAX};

	for (size_t i = 0; i < 3; i++) {
		struct passwd_entry entry = passwd_find_uid(arena, text, ids[i]);

		if (entry.found && (strchr(entry.name, ':') || strchr(entry.home, '\n')))
			broken("a field ends at its colon, a line at its end", entry.home);
		if (entry.found && home_is_sane(entry.home) &&
		    (entry.home[0] != '/' || strpbrk(entry.home, ":\n")))
			broken("a home makes no second field or line", entry.home);
		(void)group_has_gid(text, ids[i]);
		(void)passwd_has_name(text, names[i]);
	}
}

static void read_property(struct arena *arena, const char *text)
{
	static const char *const types[] = {"i", "t", "s", "as", "b", NULL};

	for (size_t i = 0; i < 6; i++) {
		struct error err = ERROR_INIT;
		struct sd_property property;

		if (sd_variant_parse(arena, text, types[i], &property, &err) < 0)
			check_error(&err);
		else if (types[i] && strcmp(types[i], property.type) != 0)
			broken("a property is of the type that systemd wants", text);
	}
}

static void read_signal(const char *text)
{
	int number = signal_parse(text);

	if (number < -1 || number > 64)
		broken("a signal is one", text);
}

static void listen_fds(struct arena *arena, const char *text)
{
	static char *none[] = {NULL};
	struct plan plan = {.envp = none};

	unsetenv("LISTEN_PID");
	setenv("LISTEN_FDS", text, 1);
	setenv("LISTEN_FDNAMES", text, 1);
	activation_environment(arena, &plan);
	if (plan.preserve_fds > INT32_MAX)
		broken("a number of descriptors is one", text);
}

static void read_mapping(struct arena *arena)
{
	const struct plan_input in = {.nested = true};
	struct plan plan = {.uid = 1000, .gid = 100};
	struct findings findings = {.arena = arena};
	struct error err = ERROR_INIT;
	struct planner p = {
	    .arena = arena, .in = &in, .plan = &plan, .findings = &findings, .err = &err};

	if (plan_nested_ids(&p) < 0 || plan_nested_groups(&p) < 0)
		check_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT;
	int next = place_next_descriptor();

	if (size == 0)
		return 0;
	const char *text = as_text(&arena, data + 1, size - 1);
	fed = data + 1;
	fed_size = size - 1;
	switch (data[0] & 7) {
	case 0:
		read_signal(text);
		break;
	case 1:
		find_user(&arena, text);
		break;
	case 2:
		read_property(&arena, text);
		break;
	case 3:
		listen_fds(&arena, text);
		break;
	case 4:
		read_mapping(&arena);
		break;
	default:
		move_device(&arena);
	}
	fed = NULL;
	if (place_next_descriptor() != next)
		broken("what was opened is closed", "a descriptor is left");
	arena_free(&arena);
	return 0;
}
