#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fd.h"
#include "plan_internal.h"

int plan_refuse(struct planner *p, const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = arena_vprintf(p->arena, format, args);
	va_end(args);
	if (p->in->check_only) {
		findings_add(p->findings, FINDING_REFUSED, path, "%s", text);
		return 0;
	}
	return error_set(p->err, "policy %s refuses %s: %s", p->hardening->policy, path, text);
}

int plan_filters(struct planner *p)
{
	struct plan *plan = p->plan;

	if (p->hardening->builtin_seccomp) {
		if (seccomp_builtin(&p->hardening->seccomp_allow, &plan->filters[plan->n_filters],
				    p->err) < 0)
			return error_wrap(p->err, "the default seccomp profile");
		plan->n_filters++;
	}
	plan_memfd_filter(p);
	plan_groups_filter(p);
	if (p->config->linux_.seccomp) {
		struct seccomp_program *program = &plan->filters[plan->n_filters];
		if (seccomp_compile(p->arena, p->config->linux_.seccomp, p->root, program,
				    p->findings, p->err) < 0)
			return -1;
		if (program->instructions)
			plan->n_filters++;
		plan->seccomp_listener = program->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER;
	}
	return 0;
}

/* A number of seconds that no int of milliseconds can hold is as good as the longest one: 24 days.
 */
static int milliseconds(int64_t seconds)
{
	return seconds > INT_MAX / 1000 ? INT_MAX : (int)seconds * 1000;
}

void plan_hooks(struct arena *arena, const struct config_hook_list *hooks, const char *label,
		struct plan_hook_list *out)
{
	static char *nothing[] = {NULL};

	out->n = hooks->n;
	out->items = hooks->n ? arena_alloc(arena, hooks->n * sizeof(*out->items)) : NULL;
	for (size_t i = 0; i < hooks->n; i++) {
		const struct config_hook *hook = &hooks->items[i];
		struct str_list argv = hook->args;

		if (argv.n == 0)
			str_list_add(arena, &argv, hook->path);
		out->items[i] = (struct plan_hook){
		    .label = arena_printf(arena, "%s[%zu]", label, i),
		    .path = hook->path,
		    .argv = argv.items,
		    .envp = hook->env.items ? hook->env.items : nothing,
		    .timeout_ms = hook->timeout.set ? milliseconds(hook->timeout.value) : 0,
		};
	}
}

static void plan_all_hooks(struct planner *p)
{
	const struct config_hooks *hooks = &p->config->hooks;
	struct plan *plan = p->plan;

	plan_hooks(p->arena, &hooks->prestart, "hooks.prestart", &plan->prestart);
	plan_hooks(p->arena, &hooks->create_runtime, "hooks.createRuntime", &plan->create_runtime);
	plan_hooks(p->arena, &hooks->create_container, "hooks.createContainer",
		   &plan->create_container);
	plan_hooks(p->arena, &hooks->start_container, "hooks.startContainer",
		   &plan->start_container);
	plan_hooks(p->arena, &hooks->poststart, "hooks.poststart", &plan->poststart);
	plan->prestart.cwd = plan->create_runtime.cwd = p->in->bundle_path;
	plan->create_container.cwd = plan->poststart.cwd = p->in->bundle_path;
}

static int plan_all(struct planner *p)
{
	if (plan_namespaces_make(p) < 0 || plan_net_devices(p) < 0 || plan_rootfs(p) < 0)
		return -1;
	/* Who it is comes before the mounts: some of them will belong to it. */
	if (plan_identity(p) < 0 || plan_mounts(p) < 0 || plan_devices(p) < 0)
		return -1;
	if (plan_process(p) < 0 || plan_sysctls(p) < 0 || plan_capability_sets(p) < 0)
		return -1;
	if (plan_covered_paths(p) < 0)
		return -1;
	plan_all_hooks(p);
	/* Who entered a user namespace looked before that (container/rootless.c). */
	p->plan->protect_binary =
	    !p->in->entered_user_namespace && plan_must_protect_binary(p->plan, p->config);
	p->plan->stub_suffices = p->plan->protect_binary && plan_stub_may(p->plan);
	if (p->plan->protect_binary && p->in->seals && !p->plan->stub_suffices)
		return 0;
	if (plan_filters(p) < 0)
		return -1;
	p->plan->stub_suffices = p->plan->stub_suffices && plan_filters_let_stub(p->plan);
	if (p->plan->stub_suffices)
		p->plan->stub_argv = plan_stub_room(p->arena, p->plan->argv);
	return 0;
}

int plan_begin(struct plan *out, int target, unsigned int preserve_fds, struct error *err)
{
	*out = (struct plan){.rootfs_tree = -1,
			     .gate = -1,
			     .report = -1,
			     .stub = -1,
			     .target = target,
			     .preserve_fds = preserve_fds,
			     .proc = open_checked_dir("/proc", PROC_SUPER_MAGIC, "procfs", err)};
	return out->proc < 0 ? -1 : 0;
}

int plan_make(struct arena *arena, const struct plan_input *in, struct plan *out,
	      struct findings *findings, struct error *err)
{
	struct planner p = {
	    .arena = arena,
	    .in = in,
	    .config = in->config,
	    .hardening = in->hardening,
	    .plan = out,
	    .findings = findings,
	    .err = err,
	    .root = in->root,
	    .rootfs = -1,
	};

	if (plan_begin(out, -1, in->preserve_fds, err) < 0)
		return -1;
	out->no_pivot = in->no_pivot;
	int result = plan_all(&p);
	plan_places_end(&p);
	fd_cleanup(&p.rootfs);
	return result;
}

void plan_close(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_joins; i++)
		fd_cleanup(&plan->joins[i].fd);
	for (size_t i = 0; i < plan->n_mounts; i++)
		fd_cleanup(&plan->mounts[i].tree);
	for (size_t i = 0; i < plan->n_mounts; i++)
		fd_cleanup(&plan->mounts[i].instead);
	for (size_t i = 0; i < plan->n_mounts; i++) {
		if (plan->mounts[i].volume)
			fd_cleanup(&plan->mounts[i].volume->fd);
	}
	for (size_t i = 0; i < plan->n_devices; i++)
		fd_cleanup(&plan->devices[i].tree);
	fd_cleanup(&plan->rootfs_tree);
	fd_cleanup(&plan->proc);
	fd_cleanup(&plan->gate);
	fd_cleanup(&plan->report);
	arena_free(&plan->kept);
}
