/* What netlink messages are made of (netlink(7)): written, and read without believing a length. */
#include <string.h>

#include "rtnl.h"

_Static_assert(NLMSG_ALIGNTO == 4 && NLA_ALIGNTO == 4, "messages and attributes are aligned alike");
_Static_assert(offsetof(struct rtnl_request, payload) == sizeof(struct nlmsghdr), "no gap");

/* The kernel's macros count in int. */
static size_t aligned(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

void *rtnl_request(struct rtnl_request *request, int type, int flags, size_t size)
{
	*request = (struct rtnl_request){
	    .header = {.nlmsg_len = (uint32_t)(sizeof(request->header) + aligned(size)),
		       .nlmsg_type = (uint16_t)type,
		       .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)}};
	return request->payload;
}

void rtnl_put(struct rtnl_request *request, int type, const void *data, size_t length)
{
	struct nlattr head = {.nla_type = (uint16_t)type};
	size_t used = request->header.nlmsg_len - sizeof(request->header);
	size_t room = sizeof(request->payload) - used;

	if (room < sizeof(head) || length > room - sizeof(head)) {
		request->is_too_long = true;
		return;
	}
	head.nla_len = (uint16_t)(sizeof(head) + length);
	memcpy(request->payload + used, &head, sizeof(head));
	memcpy(request->payload + used + sizeof(head), data, length);
	/* The room is a multiple of 4, and so is what is used of it. */
	request->header.nlmsg_len += (uint32_t)aligned(head.nla_len);
}

void rtnl_put_u32(struct rtnl_request *request, int type, uint32_t value)
{
	rtnl_put(request, type, &value, sizeof(value));
}

void rtnl_put_text(struct rtnl_request *request, int type, const char *text)
{
	rtnl_put(request, type, text, strlen(text) + 1);
}

const void *rtnl_payload(const struct nlmsghdr *message, size_t size)
{
	if (message->nlmsg_len < sizeof(*message) || message->nlmsg_len - sizeof(*message) < size)
		return NULL;
	return message + 1;
}

/* The attribute at that many bytes from the message's begin, if it is whole. */
static const struct nlattr *attribute_at(const struct nlmsghdr *message, size_t at)
{
	const char *begin = (const char *)message;
	struct nlattr head;

	if (at > message->nlmsg_len || message->nlmsg_len - at < sizeof(head))
		return NULL;
	memcpy(&head, begin + at, sizeof(head));
	if (head.nla_len < sizeof(head) || head.nla_len > message->nlmsg_len - at)
		return NULL;
	return (const struct nlattr *)(begin + at);
}

const struct nlattr *rtnl_first(const struct nlmsghdr *message, size_t skip)
{
	if (!rtnl_payload(message, skip))
		return NULL;
	return attribute_at(message, sizeof(*message) + aligned(skip));
}

const struct nlattr *rtnl_next(const struct nlmsghdr *message, const struct nlattr *attribute)
{
	size_t at = (size_t)((const char *)attribute - (const char *)message);

	return attribute_at(message, at + aligned(attribute->nla_len));
}

int rtnl_type(const struct nlattr *attribute)
{
	return attribute->nla_type & NLA_TYPE_MASK;
}

size_t rtnl_length(const struct nlattr *attribute)
{
	return attribute->nla_len - sizeof(*attribute);
}

const void *rtnl_data(const struct nlattr *attribute)
{
	return attribute + 1;
}

bool rtnl_u32(const struct nlattr *attribute, uint32_t *value)
{
	if (rtnl_length(attribute) != sizeof(*value))
		return false;
	memcpy(value, rtnl_data(attribute), sizeof(*value));
	return true;
}

const char *rtnl_text(const struct nlattr *attribute)
{
	const char *text = rtnl_data(attribute);
	size_t length = rtnl_length(attribute);

	return length > 0 && text[length - 1] == '\0' ? text : NULL;
}
