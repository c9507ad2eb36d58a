#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_internal.h"

static int load_all(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	for (size_t i = 0; i < plan->n_filters; i++) {
		const struct seccomp_program *filter = &plan->filters[i];
		struct sock_fprog program = {
		    .len = filter->length,
		    .filter = (struct sock_filter *)filter->instructions,
		};
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter->flags, &program) != 0)
			return error_errno(err, errno, "loading filter %zu of %zu", i + 1,
					   plan->n_filters);
	}
	return 0;
}

/* seccomp(2): without no_new_privs a filter asks for CAP_SYS_ADMIN, which is about to go. */
int step_seccomp_early(struct child *child, struct error *err)
{
	return child->plan->no_new_privileges ? 0 : load_all(child, err);
}

int step_seccomp(struct child *child, struct error *err)
{
	return child->plan->no_new_privileges ? load_all(child, err) : 0;
}
