/*
 * A few instructions in front of what libseccomp makes, for calls that it does not know: those by
 * name from our own number table, and ENOSYS for those newer than all that the profile names.
 */
#ifndef RUNSAFE_SECCOMP_FRONT_H
#define RUNSAFE_SECCOMP_FRONT_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECCOMP_FRONT_CALLS 128
#define SECCOMP_FRONT_MAX   (8 + 2 * SECCOMP_FRONT_CALLS) /* instructions */

struct seccomp_front {
	struct {
		uint32_t number;
		uint32_t action;
	} calls[SECCOMP_FRONT_CALLS];
	size_t n;
	uint32_t newest; /* number that the profile names; 0: none */
};

/* The profile has a rule for that native call; negative (libseccomp's pseudo) numbers do not
 * count. */
void seccomp_front_named(struct seccomp_front *front, int number);

/* Answers a call that libseccomp does not know. The first rule for a name counts, as in
 * libseccomp. Returns false if our table does not have it either. */
bool seccomp_front_add(struct seccomp_front *front, const char *name, uint32_t action);

/* Writes at most SECCOMP_FRONT_MAX instructions; what they do not answer goes on behind them.
 * Returns their number, 0 if there is nothing to answer. */
size_t seccomp_front_write(const struct seccomp_front *front, uint32_t default_action,
			   struct sock_filter *out);

#endif
