/*
 * Connects to an abstract unix socket of its network namespace and prints what is said there.
 * Usage: abstract NAME; says "refused" and ends with 1 where nobody listens.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char text[256];
	size_t length = argc > 1 ? strlen(argv[1]) : 0;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || length == 0 || length >= sizeof(address.sun_path))
		return 2;
	memcpy(address.sun_path + 1, argv[1], length);
	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)) < 0) {
		puts("refused");
		return 1;
	}
	for (ssize_t n; (n = read(fd, text, sizeof(text))) > 0;) {
		if (fwrite(text, 1, (size_t)n, stdout) != (size_t)n)
			return 2;
	}
	return 0;
}
