/* link: net base */
/* Requests over rtnetlink, the values in a message, and whose answer is believed. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/net/rtnl.h"

static void test_values_have_their_length(void **state)
{
	struct {
		struct nlattr head;
		char bytes[8];
	} a = {.head = {.nla_len = 8, .nla_type = 3 | NLA_F_NESTED | NLA_F_NET_BYTEORDER},
	       .bytes = "abc"};
	uint32_t value = 1;

	(void)state;
	assert_int_equal(rtnl_type(&a.head), 3);
	assert_string_equal(rtnl_text(&a.head), "abc");
	assert_true(rtnl_u32(&a.head, &value));
	assert_memory_equal(&value, "abc", 4);
	for (uint16_t n = 4; n <= 12; n++) {
		a.head.nla_len = n;
		value = 1;
		assert_int_equal(rtnl_length(&a.head), n - 4);
		assert_int_equal(rtnl_u32(&a.head, &value), n == 8);
		assert_int_equal(value == 1, n != 8);
		/* NULs are the fourth byte and those behind it */
		assert_int_equal(rtnl_text(&a.head) != NULL, n >= 8);
	}
}

static void test_a_payload_is_there_or_not(void **state)
{
	struct nlmsghdr header = {.nlmsg_len = sizeof(header) + 4};

	(void)state;
	assert_ptr_equal(rtnl_payload(&header, 4), &header + 1);
	assert_null(rtnl_payload(&header, 5));
	assert_null(rtnl_payload(&header, SIZE_MAX));
	assert_null(rtnl_first(&header, SIZE_MAX));
	assert_null(rtnl_first(&header, 4));
	header.nlmsg_len = 15;
	assert_null(rtnl_payload(&header, 0));
}

static void test_a_request_is_read_as_it_was_written(void **state)
{
	struct rtnl_request request;
	struct ifinfomsg *info = rtnl_request(&request, RTM_NEWLINK, NLM_F_CREATE, sizeof(*info));
	const struct nlattr *a;
	uint32_t value = 0;

	(void)state;
	info->ifi_index = 9;
	rtnl_put_text(&request, IFLA_IFNAME, "net10");
	rtnl_put_u32(&request, IFLA_MTU, 1400);
	rtnl_put(&request, IFLA_ADDRESS, "\2\0\0\0\0\1", 6);
	assert_int_equal(request.header.nlmsg_len, 16 + sizeof(*info) + 12 + 8 + 12);
	assert_int_equal(request.header.nlmsg_type, RTM_NEWLINK);
	assert_int_equal(request.header.nlmsg_flags, NLM_F_REQUEST | NLM_F_CREATE);
	a = rtnl_first(&request.header, sizeof(*info));
	assert_int_equal(rtnl_type(a), IFLA_IFNAME);
	assert_string_equal(rtnl_text(a), "net10");
	a = rtnl_next(&request.header, a);
	assert_int_equal(rtnl_type(a), IFLA_MTU);
	assert_true(rtnl_u32(a, &value) && value == 1400);
	a = rtnl_next(&request.header, a);
	assert_int_equal(rtnl_length(a), 6);
	assert_memory_equal(rtnl_data(a), "\2\0\0\0\0\1", 6);
	assert_null(rtnl_next(&request.header, a));
}

/* Up to the last byte, and not one more: the guard behind it stays. */
static void test_a_request_that_is_too_long_is_not_sent(void **state)
{
	struct {
		struct rtnl_request request;
		char guard[64];
	} r;
	static const char data[2000];
	struct rtnl none = {.socket = -1};

	(void)state;
	for (size_t n = 1000; n <= sizeof(data); n++) {
		memset(r.guard, 'g', sizeof(r.guard));
		rtnl_request(&r.request, RTM_NEWLINK, 0, 4);
		rtnl_put(&r.request, 1, data, n);
		assert_int_equal(r.request.is_too_long, n > sizeof(r.request.payload) - 8);
		for (size_t i = 0; i < sizeof(r.guard); i++)
			assert_int_equal(r.guard[i], 'g');
	}
	assert_int_equal(rtnl_talk(&none, &r.request, NULL, NULL), -1);
	assert_int_equal(errno, EMSGSIZE);
	/* full to the last byte, and then more */
	rtnl_request(&r.request, RTM_NEWLINK, 0, 0);
	for (size_t i = 0; i < 300; i++)
		rtnl_put_u32(&r.request, 1, 0);
	assert_true(r.request.is_too_long);
	assert_int_equal(r.request.header.nlmsg_len, 16 + sizeof(r.request.payload));
	rtnl_put(&r.request, 1, data, SIZE_MAX);
	assert_true(r.request.header.nlmsg_len <= 16 + sizeof(r.request.payload));
}

static int taken;

static void count(const struct nlmsghdr *one, void *context)
{
	(void)one;
	(void)context;
	taken++;
}

static int forge(int fd, const struct rtnl *to)
{
	struct sockaddr_nl there = {.nl_family = AF_NETLINK, .nl_pid = to->port};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} forged = {.header = {.nlmsg_len = sizeof(forged),
			       .nlmsg_type = NLMSG_ERROR,
			       .nlmsg_flags = NLM_F_CAPPED,
			       .nlmsg_seq = to->sequence + 1,
			       .nlmsg_pid = to->port}};

	return sendto(fd, &forged, sizeof(forged), 0, (struct sockaddr *)&there, sizeof(there)) ==
		       sizeof(forged)
		   ? 0
		   : -1;
}

static int ask(struct rtnl *one, const char *name)
{
	struct rtnl_request request;

	rtnl_request(&request, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	rtnl_put_text(&request, IFLA_IFNAME, name);
	taken = 0;
	return rtnl_talk(one, &request, count, NULL);
}

/* Beside the kernel there is only who may send to others' ports (CAP_NET_ADMIN). */
static int only_the_kernel_is_believed(void)
{
	struct rtnl one;
	struct rtnl other;
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return 77;
	if (rtnl_open(&one, -1) < 0 || rtnl_open(&other, -1) < 0 || one.port == other.port)
		return 2;
	if (ask(&one, "lo") < 0 || taken != 1)
		return 3;
	if (ask(&one, "eth7") == 0 || errno != ENODEV)
		return 4;
	if (forge(other.socket, &one) < 0)
		return 5;
	if (ask(&one, "eth7") == 0 || errno != ENODEV)
		return 6; /* the forged acknowledgement was believed */
	if (ask(&one, "lo") < 0 || taken != 1)
		return 7;
	fd = one.socket;
	rtnl_close(&one);
	rtnl_close(&other);
	return one.socket == -1 && close(fd) < 0 ? 0 : 8;
}

static void test_only_the_kernel_is_believed(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(only_the_kernel_is_believed());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values_have_their_length),
	    cmocka_unit_test(test_a_payload_is_there_or_not),
	    cmocka_unit_test(test_a_request_is_read_as_it_was_written),
	    cmocka_unit_test(test_a_request_that_is_too_long_is_not_sent),
	    cmocka_unit_test(test_only_the_kernel_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
