/*
 * From a seccomp profile in the OCI form to BPF, when runsafe is built. Three steps: the rules of
 * each system call by number (seccomp_rules.c), a program of them (seccomp_program.c), C text
 * (seccomp-build.c).
 *
 * How the rules of one call are read: those with arguments in the order of the file, the first
 * whose arguments all match answers; else its rule without arguments; else the default action.
 */
#ifndef RUNSAFE_SECCOMP_BUILD_H
#define RUNSAFE_SECCOMP_BUILD_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "../runtime/plan/seccomp_tree.h"
#include "arena.h"
#include "config.h"
#include "error.h"

#define MAX_NUMBER 1024 /* of a system call in our tables */

/* Names of one machine's system calls by number; NULL where there is none. */
struct number_table {
	const char *label; /* file name */
	uint32_t arch;	   /* AUDIT_ARCH_* */
	const char *names[MAX_NUMBER];
};

struct calls {
	struct call by_number[MAX_NUMBER];
	uint32_t unknown; /* the answer for numbers beyond the table and holes in it */
};

/* Reads "number name" lines; # starts a comment line. Returns 0, or -1 with err set. */
int number_table_read(struct arena *arena, const char *path, uint32_t arch,
		      struct number_table *out, struct error *err);

/* Starts out with the profile's default action. Returns 0, or -1 with err set. */
int calls_begin(const struct config_seccomp *profile, struct calls *out, struct error *err);

/*
 * Adds the rules of a profile for the machine of numbers. Comes after what was added before, so
 * the profile's own rules are added last; a call that an earlier profile decided without
 * arguments is passed over. Names that are not this machine's are passed over too. Returns 0, or
 * -1 with err set: a rule that can never match, a call decided twice, an action that a program
 * made at build time cannot have.
 */
int calls_add(struct arena *arena, const struct config_seccomp *profile,
	      const struct number_table *numbers, struct calls *out, struct error *err);

struct program {
	struct sock_filter code[BPF_MAXINSNS];
	size_t length;
};

/* Makes the program. Returns 0, or -1 with err set when it is too long for the kernel. */
int program_build(struct arena *arena, const struct calls *calls, uint32_t arch,
		  struct program *out, struct error *err);

#endif
