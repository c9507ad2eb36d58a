/* Compiled profiles, kept from one start to the next (seccomp_cache.c). */
#ifndef RUNSAFE_SECCOMP_CACHE_H
#define RUNSAFE_SECCOMP_CACHE_H

#include "seccomp.h"

/* One profile that is looked for, and kept if it was not there. */
struct seccomp_cache {
	struct arena *arena;
	const char *root;	   /* the folder of states; NULL: nothing is kept */
	struct findings *findings; /* the profile's begin behind the first n_findings */
	size_t n_findings;
	/* What seccomp_cache_find() fills. */
	const char *key; /* all that the program comes from; NULL: that can not be told */
	size_t key_length;
	char name[17]; /* of the file */
};

/* Whether the program was kept; then it is in out, and what was found about the profile is in
 * findings once more. */
bool seccomp_cache_find(struct seccomp_cache *cache, const struct config_seccomp *profile,
			struct seccomp_program *out);

/* Keeps a program that was made now, and what was found meanwhile. No failure is one of the
 * caller's: the next start compiles again. */
void seccomp_cache_keep(const struct seccomp_cache *cache, const struct seccomp_program *program);

#endif
