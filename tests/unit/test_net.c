/* link: net base */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net.h"

static int loopback_flags(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result = ioctl(fd, SIOCGIFFLAGS, &request);

	close(fd);
	return result < 0 ? -1 : request.ifr_flags;
}

static int lo_comes_up(void)
{
	int before, next;

	if (unshare(CLONE_NEWNET) < 0)
		return 77;
	before = dup(0);
	if (before < 0)
		return 2;
	close(before);
	if (loopback_flags() & IFF_UP)
		return 3;
	if (net_loopback_up() < 0)
		return 4;
	if (!(loopback_flags() & IFF_UP))
		return 5;
	/* no descriptor is left open, and a second time does no harm */
	next = dup(0);
	if (next != before)
		return 6;
	return net_loopback_up() < 0 ? 7 : 0;
}

/* Without CAP_NET_ADMIN over the namespace the kernel's refusal comes out as errno. */
static int refusal_is_told(void)
{
	if (unshare(CLONE_NEWNET) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 77;
	if (net_loopback_up() == 0)
		return 2;
	return errno == EPERM ? 0 : 3;
}

static void run_in_child(int (*body)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(body());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_lo_comes_up(void **state)
{
	(void)state;
	run_in_child(lo_comes_up);
}

static void test_refusal_is_told(void **state)
{
	(void)state;
	run_in_child(refusal_is_told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lo_comes_up),
	    cmocka_unit_test(test_refusal_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
