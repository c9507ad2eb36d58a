/*
 * What /proc shows of the runtime's call inside of a pid namespace that is joined: cmdline to all
 * there, environ to CAP_SYS_ADMIN and CAP_PERFMON (perfmon_capable() of Linux). Paths of the host,
 * the caller's secrets, exec's --env. The child is seen from the clone on, so that it is the parent
 * who wipes them, for the moment of the clone.
 */
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>

#include "sandbox_internal.h"

void arguments_hide(struct arguments *a)
{
	/* One behind the other: arguments, environment, the file's name (execve(2)). */
	char *start = program_invocation_name;
	const char *end = (const char *)getauxval(AT_EXECFN);

	*a = (struct arguments){.arena = ARENA_INIT};
	if (!start || end <= start)
		return;
	a->start = start;
	a->n = (size_t)(end - start);
	a->copy = arena_alloc(&a->arena, a->n);
	memcpy(a->copy, start, a->n);
	memset(start, 0, a->n);
}

void arguments_show(struct arguments *a)
{
	if (a->n)
		memcpy(a->start, a->copy, a->n);
	arena_free(&a->arena);
}
