/*
 * What /proc shows of the runtime's call inside of a pid namespace that is joined: cmdline to all
 * there, environ to CAP_SYS_ADMIN and CAP_PERFMON (perfmon_capable() of Linux). Paths of the host,
 * the caller's secrets, exec's --env. The child is seen from the clone on, so that it is the parent
 * who wipes them, for the moment of the clone.
 */
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "sandbox_internal.h"

int arguments_hide(struct arguments *a, struct error *err)
{
	/* One behind the other: arguments, environment, the file's name (execve(2)). */
	char *start = program_invocation_name;
	const char *end = (const char *)getauxval(AT_EXECFN);

	*a = (struct arguments){.n = 0};
	if (!start || end <= start)
		return 0;
	const size_t n = (size_t)(end - start);
	void *copy = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return error_errno(err, errno, "hiding the runtime's arguments");
	/* The child has no use for it. */
	if (madvise(copy, n, MADV_DONTFORK) < 0) {
		error_errno(err, errno, "keeping the runtime's arguments from the child");
		(void)munmap(copy, n);
		return -1;
	}
	*a = (struct arguments){.start = start, .copy = copy, .n = n};
	memcpy(copy, start, n);
	memset(start, 0, n);
	return 0;
}

void arguments_show(struct arguments *a)
{
	if (a->n == 0)
		return;
	memcpy(a->start, a->copy, a->n);
	(void)munmap(a->copy, a->n);
}
