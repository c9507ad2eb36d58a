/*
 * What tools/seccomp-build makes of profiles/seccomp-*.json when runsafe is built: ready programs
 * for each machine, so that a test on one machine proves the other's too.
 */
#ifndef RUNSAFE_SECCOMP_TABLE_H
#define RUNSAFE_SECCOMP_TABLE_H

#include <linux/filter.h>
#include <stdint.h>

struct seccomp_table_program {
	const struct sock_filter *instructions;
	unsigned short length;
};

/* A system call by name, for those that an older libseccomp does not know. */
struct seccomp_table_name {
	const char *name;
	unsigned int number;
};

struct seccomp_table {
	uint32_t arch; /* AUDIT_ARCH_*, as in struct seccomp_data */
	/* The program with group i of seccomp_table_groups let through is at an index with bit i.
	 */
	const struct seccomp_table_program *programs;
	const struct seccomp_table_name *newer; /* calls from number 335 on; ended by name NULL */
};

/* The table of the machine that runsafe was built for, or NULL. */
const struct seccomp_table *seccomp_table_native(void);

extern const struct seccomp_table seccomp_tables[]; /* ended by arch 0 */
extern const char *const seccomp_table_groups[];    /* ended by NULL */

#endif
