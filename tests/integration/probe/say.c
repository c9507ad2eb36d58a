/*
 * Sends a text to a datagram socket, as a service does by sd_notify(3): say PATH TEXT. Static,
 * since a container's rootfs has no library.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (argc != 3 || fd < 0 || strlen(argv[1]) >= sizeof(to.sun_path))
		return 2;
	memcpy(to.sun_path, argv[1], strlen(argv[1]));
	return sendto(fd, argv[2], strlen(argv[2]), 0, (struct sockaddr *)&to, sizeof(to)) < 0;
}
