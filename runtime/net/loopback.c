#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "fd.h"
#include "net.h"

/*
 * Three calls, and the kernel's answer is what the second returns; rtnetlink(7) takes four and a
 * tenth more time. Any socket does (netdevice(7)), and one of AF_UNIX every kernel has that runsafe
 * runs on; it must be a new one, as a socket is of the network namespace that it was made in.
 */
int net_loopback_up(void)
{
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	return fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
}
