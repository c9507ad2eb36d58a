/* runsafe inside a user namespace that an engine made (rootless Podman): what that one does not
 * give, no container in it can have. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "plan_internal.h"

/* user_namespaces(7): each line is the first id inside, the first outside, and how many. */
static bool text_maps(const char *text, uint32_t id)
{
	for (const char *line = text; *line;) {
		char *end;
		unsigned long first = strtoul(line, &end, 10);

		(void)strtoul(end, &end, 10);
		unsigned long count = strtoul(end, &end, 10);
		if (id >= first && id - first < count)
			return true;
		line = *end ? end + 1 : end;
	}
	return false;
}

static int check_id(struct planner *p, const char *file, const char *what, uint32_t id)
{
	char *text;

	if (file_read_all(p->arena, AT_FDCWD, file, 1 << 20, &text, NULL) < 0)
		return error_errno(p->err, errno, "reading %s", file);
	if (text_maps(text, id))
		return 0;
	return error_set(
	    p->err,
	    "process.user.%s: %u, which the workload runs as, is not mapped in the user namespace "
	    "that the engine made: it needs subordinate ids (/etc/subuid and /etc/subgid, then "
	    "`podman system migrate`), or --userns=keep-id:uid=%u,gid=%u",
	    what, id, p->plan->uid, p->plan->gid);
}

int plan_nested_ids(struct planner *p)
{
	/* In one of its own the container's mapping counts. */
	if (!p->in->nested || p->plan->user_namespace)
		return 0;
	return check_id(p, "/proc/self/uid_map", "uid", p->plan->uid) < 0
		   ? -1
		   : check_id(p, "/proc/self/gid_map", "gid", p->plan->gid);
}

int plan_nested_groups(struct planner *p)
{
	struct plan *plan = p->plan;
	char *text;

	if (!p->in->nested)
		return 0;
	if (file_read_all(p->arena, AT_FDCWD, "/proc/self/setgroups", 64, &text, NULL) < 0)
		return error_errno(p->err, errno, "reading /proc/self/setgroups");
	if (strncmp(text, "deny", 4) != 0)
		return 0;
	plan->deny_setgroups = true;
	/* Its own group is always among those that Podman lists. */
	for (size_t i = 0; i < plan->n_groups; i++) {
		if (plan->groups[i] != plan->gid)
			findings_add(p->findings, FINDING_NOTE, "process.user.additionalGids",
				     "%u is left out: the engine's user namespace has one group "
				     "only, and denies setgroups(2)",
				     plan->groups[i]);
	}
	plan->n_groups = 0;
	return 0;
}
