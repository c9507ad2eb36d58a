/*
 * System call filters as BPF programs (seccomp(2)). Compiled before a child exists: our own
 * profile when runsafe is built, config.json's at create. The sandbox only loads them.
 */
#ifndef RUNSAFE_SECCOMP_H
#define RUNSAFE_SECCOMP_H

/* libseccomp's header has the same name, and -Iinclude finds this one first. */
#ifdef RUNSAFE_WITH_LIBSECCOMP
#include_next <seccomp.h>
#endif

#include <linux/filter.h>
#include <stddef.h>

#include "arena.h"
#include "config.h"
#include "error.h"
#include "policy.h"

struct seccomp_program {
	const struct sock_filter *instructions; /* NULL: no filter */
	unsigned short length;
	unsigned int flags; /* SECCOMP_FILTER_FLAG_* for seccomp(2) */
};

/*
 * Our own profile (profiles/seccomp-default.json, docs/seccomp.md) for this machine. allow names
 * the groups that the policy lets through ("ptrace": profiles/seccomp-allow-ptrace.json); an
 * unknown name is an error that lists them. Each combination was compiled at build time. Returns
 * 0, or -1 with err set.
 */
int seccomp_builtin(const struct str_list *allow, struct seccomp_program *out, struct error *err);

/* The group names that seccomp_builtin() knows, ended by NULL. */
const char *const *seccomp_builtin_groups(void);

/*
 * Compiles linux.seccomp (plan/seccomp_calls.h says how rules are read). Names that libseccomp does
 * not know are looked up in our own number table; what is not there either, and architectures that
 * this machine does not have, are findings (FINDING_NOTE) and no failures. Under a default action
 * of SCMP_ACT_ERRNO, native calls newer than all that the profile names answer ENOSYS, so that libc
 * falls back (as runc has it). Several conditions on one argument in one rule are alternatives (as
 * runc has it too). A rule with SCMP_ACT_NOTIFY puts SECCOMP_FILTER_FLAG_NEW_LISTENER into flags
 * (config_read() wants listenerPath then). SECCOMP_FILTER_FLAG_TSYNC and, without a listener,
 * WAIT_KILLABLE_RECV are accepted and mean nothing here. root: the folder of states, where programs
 * are kept for the next time (docs/security.md), or NULL. Memory is the arena's. Returns 0, or -1
 * with err set.
 */
int seccomp_compile(struct arena *arena, const struct config_seccomp *profile, const char *root,
		    struct seccomp_program *out, struct findings *findings, struct error *err);

/* The accepted words, for `features`; each ended by NULL. */
const char *const *seccomp_actions(void);
const char *const *seccomp_operators(void);
const char *const *seccomp_architectures(void);
const char *const *seccomp_flags(void);

#endif
