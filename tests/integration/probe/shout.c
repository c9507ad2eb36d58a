/*
 * A workload that says to the service manager what is not its own to say (sd_notify(3)), with
 * descriptors, line breaks and zero bytes. Usage: shout [flood], which never ends. NOTIFY_SOCKET
 * says where. Static, since a container's rootfs has no library.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fd;
static struct sockaddr_un to = {.sun_family = AF_UNIX};

static void say(const char *text, size_t length, int descriptor)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {.iov_base = (void *)text, .iov_len = length};
	struct msghdr header = {
	    .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov, .msg_iovlen = 1};

	if (descriptor >= 0) {
		header.msg_control = control;
		header.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &descriptor, sizeof(int));
	}
	(void)sendmsg(fd, &header, MSG_NOSIGNAL);
}

#define SAY(text, descriptor) say(text, sizeof(text) - 1, descriptor)

int main(int argc, char **argv)
{
	static char large[100000];
	const char *path = getenv("NOTIFY_SOCKET");

	(void)argv;
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (!path || strlen(path) >= sizeof(to.sun_path) || fd < 0)
		return 2;
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	for (; argc > 1; argc++) /* for ever */
		SAY("STATUS=again and again", -1);
	memset(large, 'x', sizeof(large));
	SAY("", -1);
	SAY("FDSTORE=1\nFDNAME=mine", 1);
	SAY("MAINPID=1", -1);
	SAY("STOPPING=1", -1);
	SAY("WATCHDOG=trigger\0READY=0", -1);
	SAY("XREADY=1\nREADY=12\n READY=1", -1);
	say(large, sizeof(large), -1);
	for (int i = 0; i < 3000; i++)
		SAY("STATUS=thousands", 1);
	SAY("MAINPID=1\nFDSTORE=1\nREADY=1\nERRNO=5\nEXTEND_TIMEOUT_USEC=999999999", 1);
	SAY("READY=1\nMAINPID=1", -1);
	SAY("BUSERROR=x\nEXIT_STATUS=0", -1);
	sleep(1);
	return 0;
}
