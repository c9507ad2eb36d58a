/* What is answered before libseccomp's program is asked. */
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>

#include "seccomp_front.h"
#include "seccomp_table.h"

#define X32_BIT 0x40000000u

#define LOAD_WORD(member)                                                                          \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, member))
#define RETURN(answer)	       BPF_STMT(BPF_RET | BPF_K, answer)
#define IF(op, value, yes, no) BPF_JUMP(BPF_JMP | (op) | BPF_K, value, yes, no)
#define SKIP(count)	       BPF_STMT(BPF_JMP | BPF_JA, count)

void seccomp_front_named(struct seccomp_front *front, int number)
{
	if (number > 0 && (uint32_t)number > front->newest)
		front->newest = (uint32_t)number;
}

bool seccomp_front_add(struct seccomp_front *front, const char *name, uint32_t action)
{
	const struct seccomp_table *table = seccomp_table_native();
	const struct seccomp_table_name *known = table ? table->newer : NULL;

	while (known && known->name && strcmp(known->name, name) != 0)
		known++;
	if (!known || !known->name)
		return false;
	for (size_t i = 0; i < front->n; i++)
		if (front->calls[i].number == known->number)
			return true;
	if (front->n == SECCOMP_FRONT_CALLS)
		return false;
	front->calls[front->n].number = known->number;
	front->calls[front->n++].action = action;
	seccomp_front_named(front, (int)known->number);
	return true;
}

/* Only where the default is to refuse: then a program gets the answer of an older kernel and
 * falls back. Killing, logging and allowing stay what they are. */
static bool refuses(uint32_t action)
{
	return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
}

size_t seccomp_front_write(const struct seccomp_front *front, uint32_t default_action,
			   struct sock_filter *out)
{
	bool newer = refuses(default_action) && front->newest > 0;
	const struct seccomp_table *table = seccomp_table_native();
	uint32_t body;
	size_t n = 0;

	if (!table || (front->n == 0 && !newer))
		return 0;
	body = (uint32_t)(2 * front->n + 1 + (newer ? 3 : 0));
	out[n++] = (struct sock_filter)LOAD_WORD(arch);
	out[n++] = (struct sock_filter)IF(BPF_JEQ, table->arch, 1, 0);
	out[n++] = (struct sock_filter)SKIP(body);
	out[n++] = (struct sock_filter)LOAD_WORD(nr);
	for (size_t i = 0; i < front->n; i++) {
		out[n++] = (struct sock_filter)IF(BPF_JEQ, front->calls[i].number, 0, 1);
		out[n++] = (struct sock_filter)RETURN(front->calls[i].action);
	}
	if (newer) {
		out[n++] = (struct sock_filter)IF(BPF_JGT, front->newest, 0, 2);
		/* x32 numbers are not newer ones; libseccomp's part answers them. */
		out[n++] = (struct sock_filter)IF(BPF_JGE, X32_BIT, 1, 0);
		out[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | ENOSYS);
	}
	return n;
}
