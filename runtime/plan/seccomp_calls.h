/*
 * The system calls that config.json's linux.seccomp has rules for, by their numbers on each of its
 * architectures; and the program for all of them.
 *
 * Names and numbers are libseccomp's. The program is not: libseccomp 2.5 and 2.6 make wrong ones of
 * rules whose conditions overlap, which allow what no rule allows (an argument's value is still
 * held when another one is compared), never end for others, make other ones where memory is short,
 * and take 10 ms for Docker's profile, of which nearly all is for rules without conditions.
 */
#ifndef RUNSAFE_SECCOMP_CALLS_H
#define RUNSAFE_SECCOMP_CALLS_H

#include "seccomp.h"
#include "seccomp_tree.h"

#define CALLS_ARCHS  3
#define CALLS_CHUNK  64 /* numbers whose calls lie together */
#define CALLS_CHUNKS 17 /* those below 1024, and the first from 0xf0000 on (Arm's own) */
#define CALLS_BEHIND 25 /* calls behind one number: socketcall(2) has 20, ipc(2) 24 */

/* A call that socketcall(2) or ipc(2) of i386 leads to. Its arguments lie in memory, where a filter
 * can not look at them. */
struct call_behind {
	bool named, decided;
	uint32_t answer;
};

struct seccomp_arch {
	uint32_t token;			   /* SCMP_ARCH_* */
	struct call *chunks[CALLS_CHUNKS]; /* NULL: none of its calls has a rule */
	size_t n_conditional;		   /* rules */
	struct call_behind socketcall[CALLS_BEHIND], ipc[CALLS_BEHIND];
};

struct seccomp_calls {
	struct arena *arena;
	uint32_t default_action;
	uint32_t newest;			 /* native number that the profile names; 0: none */
	struct seccomp_arch *archs[CALLS_ARCHS]; /* the native one is the first */
	size_t n_archs;
};

/* Begins with the native architecture alone. default_action: SECCOMP_RET_* with its data. */
void seccomp_calls_begin(struct seccomp_calls *out, struct arena *arena, uint32_t default_action);

/* token: SCMP_ARCH_*. All are added before the rules. Returns false: there are too many. */
bool seccomp_calls_arch(struct seccomp_calls *calls, uint32_t token);

/*
 * Adds a rule for a call, wherever it exists: of its rules without arguments the first counts, and
 * if there is one, those with arguments do not (as libseccomp has it). What i386 multiplexes is
 * answered by its rule without arguments there; else allowed where a rule would, whatever its
 * arguments ask for. args stay the caller's. Returns 1, 0 for a name that neither libseccomp nor
 * our own table knows, or -1 with err set: another rule answers the very same arguments
 * differently.
 */
int seccomp_calls_rule(struct seccomp_calls *calls, const char *name,
		       const struct config_seccomp_arg *args, size_t n_args, uint32_t action,
		       struct error *err);

/*
 * Writes the program: other architectures are killed, x32 without its own token too (as libseccomp
 * has it). Under a default action of SCMP_ACT_ERRNO, native calls newer than all that were named
 * answer ENOSYS. Returns false when it is longer than the kernel's BPF_MAXINSNS.
 */
bool seccomp_calls_write(const struct seccomp_calls *calls, struct bpf_writer *out);

#endif
