/* link: net base */
/*
 * What the kernel answers over rtnetlink is not believed: lengths, numbers and texts that lie end
 * in an error, and nothing is read that is not there. Each answer lies in memory of just its size,
 * so that `make asan` and valgrind see a byte too much.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../runtime/net/rtnl.h"

#define PORT	 7
#define SEQUENCE 3

/* An answer that is put together: messages, and what lies in them. */
struct answer {
	char bytes[2048];
	size_t length;
	size_t last; /* where the last message begins */
};

static void add(struct answer *a, const void *data, size_t length)
{
	memcpy(a->bytes + a->length, data, length);
	a->length += length;
}

static struct nlmsghdr *last(struct answer *a)
{
	return (struct nlmsghdr *)(void *)(a->bytes + a->last);
}

static void pad(struct answer *a)
{
	a->length = NLMSG_ALIGN(a->length);
}

static void message(struct answer *a, int type, int flags, const void *payload, size_t length)
{
	struct nlmsghdr header = {.nlmsg_len = (uint32_t)(sizeof(header) + length),
				  .nlmsg_type = (uint16_t)type,
				  .nlmsg_flags = (uint16_t)flags,
				  .nlmsg_seq = SEQUENCE,
				  .nlmsg_pid = PORT};

	pad(a);
	a->last = a->length;
	add(a, &header, sizeof(header));
	add(a, payload, length);
}

/* Behind what the last message has; says to be said bytes long. */
static void attribute(struct answer *a, int type, size_t said, const void *data, size_t length)
{
	struct nlattr head = {.nla_len = (uint16_t)said, .nla_type = (uint16_t)type};

	pad(a);
	add(a, &head, sizeof(head));
	add(a, data, length);
	last(a)->nlmsg_len = (uint32_t)(a->length - a->last);
}

static void error_message(struct answer *a, int error, int flags)
{
	struct nlmsgerr e = {.error = error, .msg.nlmsg_len = sizeof(struct nlmsghdr)};

	message(a, NLMSG_ERROR, flags, &e, sizeof(e));
}

static struct rtnl rtnl;
static int taken;

static void count(const struct nlmsghdr *one, void *context)
{
	const struct nlattr *a;
	size_t *bytes = context;

	taken++;
	if (!bytes)
		return;
	rtnl_for_each(a, one, sizeof(struct ifinfomsg))
	{
		for (size_t i = 0; i < rtnl_length(a); i++)
			*bytes += ((const unsigned char *)rtnl_data(a))[i];
	}
}

static int read_bytes(const void *bytes, size_t length, void *context)
{
	char *copy = malloc(length ? length : 1);
	int result;

	rtnl = (struct rtnl){.socket = -1, .port = PORT, .sequence = SEQUENCE};
	taken = 0;
	errno = 0;
	memcpy(copy, bytes, length);
	result = rtnl_read(&rtnl, copy, length, count, context);
	free(copy);
	return result;
}

static int read_it(const struct answer *a)
{
	return read_bytes(a->bytes, a->length, NULL);
}

static void fails(const struct answer *a, int number)
{
	assert_int_equal(read_it(a), -1);
	assert_int_equal(errno, number);
}

static void test_messages_are_taken_until_the_acknowledgement(void **state)
{
	struct ifinfomsg info = {.ifi_index = 5};
	struct answer a = {.length = 0};

	(void)state;
	assert_int_equal(read_it(&a), 1);
	message(&a, RTM_NEWLINK, 0, &info, sizeof(info));
	assert_int_equal(read_it(&a), 1);
	assert_int_equal(taken, 1);
	message(&a, NLMSG_NOOP, 0, "", 0);
	message(&a, RTM_NEWLINK, 0, &info, sizeof(info) - 3); /* its end is aligned */
	assert_int_equal(read_it(&a), 1);
	error_message(&a, 0, NLM_F_CAPPED);
	message(&a, RTM_NEWLINK, 0, &info, sizeof(info)); /* behind the end */
	assert_int_equal(read_it(&a), 0);
	assert_int_equal(taken, 2);
}

static void test_lengths_that_lie_are_refused(void **state)
{
	static const uint32_t said[] = {
	    0, 1, 15, 33, 36, 4096, 0x7fffffff, 0x80000000, 0x80000010, 0xfffffff0, 0xffffffff};
	struct ifinfomsg info = {.ifi_index = 5};

	(void)state;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		struct answer a = {.length = 0};

		message(&a, RTM_NEWLINK, 0, &info, sizeof(info));
		last(&a)->nlmsg_len = said[i];
		fails(&a, EBADMSG);
		assert_int_equal(taken, 0);
		/* likewise of the second */
		a = (struct answer){.length = 0};
		message(&a, RTM_NEWLINK, 0, &info, sizeof(info));
		message(&a, RTM_NEWLINK, 0, &info, sizeof(info));
		last(&a)->nlmsg_len = said[i];
		fails(&a, EBADMSG);
		assert_int_equal(taken, 1);
	}
}

static void test_an_answer_that_ends_early_is_refused(void **state)
{
	struct ifinfomsg info = {.ifi_index = 5};
	struct answer a = {.length = 0};

	(void)state;
	message(&a, RTM_NEWLINK, 0, &info, sizeof(info));
	for (size_t n = 1; n < a.length; n++) {
		assert_int_equal(read_bytes(a.bytes, n, NULL), -1);
		assert_int_equal(errno, EBADMSG);
		assert_int_equal(taken, 0);
	}
}

static void test_answers_to_others_are_refused(void **state)
{
	struct answer a = {.length = 0};

	(void)state;
	error_message(&a, 0, NLM_F_CAPPED);
	last(&a)->nlmsg_seq = SEQUENCE - 1;
	fails(&a, EPROTO);
	last(&a)->nlmsg_seq = 0;
	fails(&a, EPROTO);
	last(&a)->nlmsg_seq = SEQUENCE;
	last(&a)->nlmsg_pid = PORT + 1;
	fails(&a, ESRCH);
	last(&a)->nlmsg_pid = 0;
	fails(&a, ESRCH);
	last(&a)->nlmsg_pid = PORT;
	assert_int_equal(read_it(&a), 0);
}

static void test_an_error_and_its_words_are_told(void **state)
{
	struct nlmsgerr whole = {.error = -EPERM, .msg.nlmsg_len = sizeof(struct nlmsghdr) + 6};
	struct answer a = {.length = 0};

	(void)state;
	error_message(&a, -ENODEV, NLM_F_CAPPED);
	fails(&a, ENODEV);
	assert_string_equal(rtnl.said, "");
	/* without the flag there are no words */
	attribute(&a, NLMSGERR_ATTR_MSG, 8, "not", 4);
	fails(&a, ENODEV);
	assert_string_equal(rtnl.said, "");
	last(&a)->nlmsg_flags |= NLM_F_ACK_TLVS;
	fails(&a, ENODEV);
	assert_string_equal(rtnl.said, "not");

	/* the request is sent back before them, and may have any length */
	a = (struct answer){.length = 0};
	message(&a, NLMSG_ERROR, NLM_F_ACK_TLVS, &whole, sizeof(whole));
	add(&a, "\4\0\1\0.", 6); /* what looks like words is the request's */
	attribute(&a, NLMSGERR_ATTR_OFFS, 8, "\4\0\0\0", 4);
	attribute(&a, NLMSGERR_ATTR_MSG | NLA_F_NESTED, 7, "no", 3);
	fails(&a, EPERM);
	assert_string_equal(rtnl.said, "no");
}

static void test_an_error_that_lies_is_refused(void **state)
{
	static const uint32_t requests[] = {0, 15, 4096, 0x80000000, 0xfffffffc, 0xffffffff};
	static const int numbers[] = {1, -4096, INT32_MAX, INT32_MIN};
	struct nlmsgerr e = {.error = -EPERM};
	struct answer a;

	(void)state;
	for (size_t n = 0; n < sizeof(e); n++) {
		a = (struct answer){.length = 0};
		message(&a, NLMSG_ERROR, NLM_F_CAPPED, &e, n);
		fails(&a, EBADMSG);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		a = (struct answer){.length = 0};
		error_message(&a, numbers[i], NLM_F_CAPPED);
		fails(&a, EBADMSG);
	}
	/* a request that is not there has no words behind it */
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		e.msg.nlmsg_len = requests[i];
		a = (struct answer){.length = 0};
		message(&a, NLMSG_ERROR, NLM_F_ACK_TLVS, &e, sizeof(e));
		attribute(&a, NLMSGERR_ATTR_MSG, 8, "not", 4);
		fails(&a, requests[i] < sizeof(struct nlmsghdr) ? EBADMSG : EPERM);
		assert_string_equal(rtnl.said, "");
	}
}

static void test_words_end(void **state)
{
	char much[600];
	struct answer a = {.length = 0};

	(void)state;
	memset(much, 'x', sizeof(much));
	error_message(&a, -EPERM, NLM_F_CAPPED | NLM_F_ACK_TLVS);
	attribute(&a, NLMSGERR_ATTR_MSG, 4 + sizeof(much), much, sizeof(much)); /* no NUL */
	fails(&a, EPERM);
	assert_string_equal(rtnl.said, "");
	much[sizeof(much) - 1] = '\0';
	attribute(&a, NLMSGERR_ATTR_MSG, 4 + sizeof(much), much, sizeof(much));
	attribute(&a, NLMSGERR_ATTR_MSG, 4, "", 0);
	fails(&a, EPERM);
	assert_int_equal(strlen(rtnl.said), sizeof(rtnl.said) - 1);
}

static void test_a_dump_ends_as_it_says(void **state)
{
	struct ifinfomsg info = {.ifi_index = 5};
	int error = 0;
	struct answer a = {.length = 0};

	(void)state;
	message(&a, RTM_NEWLINK, NLM_F_MULTI, &info, sizeof(info));
	message(&a, NLMSG_DONE, NLM_F_MULTI, "", 0);
	assert_int_equal(read_it(&a), 0);
	a.length = a.last;
	message(&a, NLMSG_DONE, NLM_F_MULTI, &error, sizeof(error));
	assert_int_equal(read_it(&a), 0);
	error = -EINVAL;
	a.length = a.last;
	message(&a, NLMSG_DONE, NLM_F_MULTI | NLM_F_ACK_TLVS, &error, sizeof(error));
	attribute(&a, NLMSGERR_ATTR_MSG, 8, "not", 4);
	fails(&a, EINVAL);
	assert_string_equal(rtnl.said, "not");
	assert_int_equal(taken, 1);
	a.length = a.last;
	message(&a, NLMSG_OVERRUN, 0, "", 0);
	fails(&a, ENOBUFS);
}

/* To its end, which comes with another datagram: else the next request would find it. */
static void test_a_dump_that_others_interrupted_is_read_to_its_end(void **state)
{
	struct ifinfomsg info = {.ifi_index = 5};
	struct answer a = {.length = 0};

	(void)state;
	message(&a, RTM_NEWLINK, NLM_F_MULTI | NLM_F_DUMP_INTR, &info, sizeof(info));
	message(&a, RTM_NEWLINK, NLM_F_MULTI, &info, sizeof(info));
	assert_int_equal(read_it(&a), 1);
	assert_int_equal(taken, 2);
	message(&a, NLMSG_DONE, NLM_F_MULTI, "", 0);
	fails(&a, EINTR);
}

/* The lengths that an attribute may say, with 16 bytes there. */
static void test_attributes_that_overrun_are_not_there(void **state)
{
	static const size_t said[] = {0, 1, 3, 17, 20, 0x7fff, 0x8000, 0xffff};
	static const char text[16] = "\1\1\1\1\1\1\1\1\1\1\1\1";
	struct ifinfomsg info = {.ifi_index = 5};
	size_t sum;

	(void)state;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		struct answer a = {.length = 0};

		message(&a, RTM_NEWLINK, 0, &info, sizeof(info));
		attribute(&a, IFLA_IFNAME, 5, "\1", 1);
		attribute(&a, IFLA_IFNAME, said[i], text, 12);
		sum = 0;
		assert_int_equal(read_bytes(a.bytes, a.length, &sum), 1);
		assert_int_equal(taken, 1);
		assert_int_equal(sum, 1);
	}
	/* a message that is shorter than what its attributes come behind, or ends within a head */
	for (size_t n = 0; n < sizeof(info) + 4; n++) {
		struct answer a = {.length = 0};

		message(&a, RTM_NEWLINK, 0, text, n < 16 ? n : 16);
		if (n > 16)
			add(&a, text, n - 16);
		last(&a)->nlmsg_len = (uint32_t)a.length;
		sum = 0;
		assert_int_equal(read_bytes(a.bytes, a.length, &sum), 1);
		assert_int_equal(sum, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_messages_are_taken_until_the_acknowledgement),
	    cmocka_unit_test(test_lengths_that_lie_are_refused),
	    cmocka_unit_test(test_an_answer_that_ends_early_is_refused),
	    cmocka_unit_test(test_answers_to_others_are_refused),
	    cmocka_unit_test(test_an_error_and_its_words_are_told),
	    cmocka_unit_test(test_an_error_that_lies_is_refused),
	    cmocka_unit_test(test_words_end),
	    cmocka_unit_test(test_a_dump_ends_as_it_says),
	    cmocka_unit_test(test_a_dump_that_others_interrupted_is_read_to_its_end),
	    cmocka_unit_test(test_attributes_that_overrun_are_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
