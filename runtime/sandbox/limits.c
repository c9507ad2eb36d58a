#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "fd.h"
#include "sandbox_internal.h"

int step_limits_of_runtime(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	if (!plan->user_namespace || (plan->n_rlimits == 0 && !plan->oom_score_adj_set))
		return 0;
	if (child_tell(child, MESSAGE_LIMITS, -1) < 0)
		return error_errno(err, errno, "asking the runtime");
	return child_wait_for_parent(child, err);
}

int step_oom_score(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;
	char text[16];

	if (plan->oom_score_adj_set && plan->entered_user_namespace) {
		snprintf(text, sizeof(text), "%d", plan->oom_score_adj);
		if (fd_write_all(child->own_oom_score, text, strlen(text)) < 0)
			return error_errno(err, errno,
					   "writing process.oomScoreAdj %s (going below the "
					   "runtime's own needs CAP_SYS_RESOURCE)",
					   text);
		return 0;
	}
	/* In a user namespace its file is the host root's: the runtime has written it. */
	if (!plan->oom_score_adj_set || plan->user_namespace)
		return 0;
	snprintf(text, sizeof(text), "%d", plan->oom_score_adj);
	if (file_write_text(plan->proc, "self/oom_score_adj", text) < 0)
		return error_errno(err, errno,
				   "writing process.oomScoreAdj %s (going below the runtime's own "
				   "needs CAP_SYS_RESOURCE)",
				   text);
	return 0;
}

int step_rlimits(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	for (size_t i = 0; i < plan->n_rlimits; i++) {
		const struct plan_rlimit *r = &plan->rlimits[i];
		if (setrlimit(r->resource, &r->limit) < 0)
			return error_errno(
			    err, errno,
			    "setting %s to soft %llu, hard %llu (raising a hard limit "
			    "needs CAP_SYS_RESOURCE)",
			    r->name, (unsigned long long)r->limit.rlim_cur,
			    (unsigned long long)r->limit.rlim_max);
	}
	return 0;
}

int step_personality(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	if (plan->personality_set && personality(plan->personality) < 0)
		return error_errno(err, errno, "setting linux.personality");
	return 0;
}
