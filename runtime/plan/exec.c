/* One more process for a container that is there: what exec decides before it clones. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "plan_internal.h"

static const struct {
	const char *own;    /* file in /proc/self/ns */
	const char *theirs; /* file in /proc/PID/ns */
	int flag;
} namespaces[] = {
    {"user", "user", CLONE_NEWUSER},
    {"mnt", "mnt", CLONE_NEWNS},
    /* What a child of ours would be in. */
    {"pid_for_children", "pid", CLONE_NEWPID},
    {"net", "net", CLONE_NEWNET},
    {"ipc", "ipc", CLONE_NEWIPC},
    {"uts", "uts", CLONE_NEWUTS},
    {"cgroup", "cgroup", CLONE_NEWCGROUP},
    {"time", "time", CLONE_NEWTIME},
};

/* Joining what one is in already is nothing to do; for user it is even refused (setns(2)). */
static int find_namespaces(struct planner *p, pid_t pid)
{
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
		const char *own = arena_printf(p->arena, "self/ns/%s", namespaces[i].own);
		const char *theirs = arena_printf(p->arena, "%d/ns/%s", pid, namespaces[i].theirs);
		struct stat a, b;

		if (fstatat(p->plan->proc, own, &a, 0) < 0) {
			/* A kernel before 5.6 has no time namespaces; all others are there. */
			if (errno == ENOENT && namespaces[i].flag == CLONE_NEWTIME)
				continue;
			return error_errno(p->err, errno, "looking at the runtime's own %s",
					   namespaces[i].own);
		}
		if (fstatat(p->plan->proc, theirs, &b, 0) < 0)
			return error_errno(
			    p->err, errno, "looking at the container's %s namespace%s",
			    namespaces[i].theirs,
			    errno == EACCES ? " (without root that takes a container whose "
					      "workload was started, and by you)"
					    : "");
		if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
			p->plan->target_namespaces |= namespaces[i].flag;
	}
	return 0;
}

/* The first id of each line is one inside; 0 is there in most. */
static int mapped_id(struct planner *p, pid_t pid, const char *file, uint32_t *id)
{
	char *text;

	if (file_read_all(p->arena, p->plan->proc, arena_printf(p->arena, "%d/%s", pid, file),
			  1 << 20, &text, NULL) < 0)
		return error_errno(p->err, errno, "reading the container's %s", file);
	bool first = true;
	for (char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!*line)
			break;
		uint32_t inside = (uint32_t)strtoul(line, NULL, 10);
		if (first || inside == 0)
			*id = inside;
		first = false;
	}
	return first ? error_set(p->err, "the container's %s is empty", file) : 0;
}

/* Where an ordinary user mapped his own gid alone. */
static int setgroups_denied(struct planner *p, pid_t pid)
{
	char *text;

	if (file_read_all(p->arena, p->plan->proc, arena_printf(p->arena, "%d/setgroups", pid), 64,
			  &text, NULL) < 0)
		return error_errno(p->err, errno, "reading the container's setgroups");
	p->plan->deny_setgroups = strncmp(text, "deny", 4) == 0;
	return 0;
}

static int set_up(struct planner *p, const struct plan_exec_input *in)
{
	struct plan *plan = p->plan;

	if (find_namespaces(p, in->pid) < 0)
		return -1;
	plan->user_namespace = plan->target_namespaces & CLONE_NEWUSER || in->in_user_namespace;
	plan->check_mapping = p->hardening->check_mapping && !sys_in_user_namespace();
	if (plan->target_namespaces & CLONE_NEWUSER &&
	    (mapped_id(p, in->pid, "uid_map", &plan->setup_uid) < 0 ||
	     mapped_id(p, in->pid, "gid_map", &plan->setup_gid) < 0))
		return -1;
	if (plan->user_namespace && setgroups_denied(p, in->pid) < 0)
		return -1;
	p->rootfs = openat(plan->proc, arena_printf(p->arena, "%d/root", in->pid),
			   O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->rootfs < 0)
		return error_errno(p->err, errno, "opening the container's root");
	return 0;
}

/* What the container's own process could do, on a plan for it. */
static void as_first(struct plan *first, const struct config_process *process)
{
	const struct config_capabilities *c = &process->capabilities;

	first->uid = process->user.uid;
	first->gid = process->user.gid;
	first->capabilities.bounding = c->bounding.n + c->permitted.n > 0;
	first->no_new_privileges = process->no_new_privileges;
}

/* The joiner is runsafe's own program inside the container for a moment: who lives there counts as
 * much as who is about to (CVE-2019-5736). */
static bool must_protect_binary(const struct plan *plan, const struct plan_exec_input *in)
{
	struct plan first = *plan;

	as_first(&first, in->first);
	return plan_must_protect_binary(plan, in->config) ||
	       plan_must_protect_binary(&first, in->config);
}

bool plan_exec_protects(const struct config *config)
{
	struct plan first = {.target = -1};

	for (size_t i = 0; i < config->linux_.n_namespaces; i++) {
		if (strcmp(config->linux_.namespaces[i].type, "user") == 0)
			return false;
	}
	as_first(&first, &config->process);
	return plan_must_protect_binary(&first, config);
}

static int plan_parts(struct planner *p, const struct plan_exec_input *in)
{
	if (plan_identity(p) < 0 || plan_process(p) < 0 || plan_capability_sets(p) < 0)
		return -1;
	/* They lie there since the container was made. */
	p->plan->n_files = 0;
	p->plan->make_home = NULL;
	p->plan->protect_binary = must_protect_binary(p->plan, in);
	if (p->plan->protect_binary && in->seals)
		return 0;
	if (plan_filters(p) < 0)
		return -1;
	p->plan->filters_first = plan_filters_let_in(p->plan);
	return 0;
}

int plan_make_exec(struct arena *arena, const struct plan_exec_input *in, struct plan *out,
		   struct findings *findings, struct error *err)
{
	const struct plan_input nothing = {.bundle = -1, .nested = sys_in_user_namespace()};
	struct planner p = {
	    .arena = arena,
	    .in = &nothing,
	    .config = in->config,
	    .hardening = in->hardening,
	    .plan = out,
	    .findings = findings,
	    .err = err,
	    .root = in->root,
	    .rootfs = -1,
	};

	if (plan_begin(out, in->pidfd, in->preserve_fds, err) < 0)
		return -1;
	out->root_device = in->root_device;
	out->root_inode = in->root_inode;
	int result = set_up(&p, in) < 0 ? -1 : plan_parts(&p, in);
	plan_places_end(&p);
	fd_cleanup(&p.rootfs);
	return result;
}
