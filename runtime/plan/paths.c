/* Masked and read-only paths: from where each is looked up. */
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "keys.h"
#include "path.h"
#include "plan_internal.h"

/* A procfs or sysfs, or a bind of one: the kernel's own files, which no image can bend elsewhere.
 * Returns 0, or -1 with the error set: a mask by its path is less than one by its mount. */
static int see_kernel(struct planner *p, struct plan_mount *m)
{
	struct statfs fs;

	/* Nobody asks this of a bind where nothing is covered: it is a call for nothing. */
	if (m->shows_kernel || m->kind != PLAN_MOUNT_BIND || m->is_file || m->tree < 0)
		return 0;
	if (fstatfs(m->tree, &fs) < 0)
		return error_errno(p->err, errno,
				   "%s: looking whether it is a procfs or sysfs (fstatfs)",
				   m->label);
	m->shows_kernel = fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC;
	return 0;
}

/* Of several mounts on one place the last is seen. */
static void note_mounts(struct planner *p, struct keys *last)
{
	char at[PATH_MAX];

	for (size_t i = 0; i < p->plan->n_mounts; i++) {
		const struct plan_mount *m = &p->plan->mounts[i];
		if (m->kind == PLAN_MOUNT_REMOUNT || path_clean(m->destination, at, PATH_MAX) < 0)
			continue;
		const char *key = arena_strdup(p->arena, at);
		*keys_at(p->arena, last, key, strlen(key)) = i + 1;
	}
}

static int place(struct planner *p, const struct keys *last, const char *path,
		 struct plan_path *out)
{
	char clean[PATH_MAX];
	size_t above = 0, newest = 0;

	*out = (struct plan_path){.path = path, .mount = PLAN_NO_MOUNT, .below = path};
	/* What is too long is an error when it is looked up. */
	if (path_clean(path, clean, sizeof(clean)) < 0)
		return 0;
	for (size_t length = 1; clean[length]; length++) {
		if (clean[length] != '/')
			continue;
		const size_t *number = keys_find(last, clean, length);
		/* An earlier one is hidden by what was mounted above it since. */
		if (!number || *number < newest)
			continue;
		newest = *number;
		struct plan_mount *m = &p->plan->mounts[newest - 1];
		if (see_kernel(p, m) < 0)
			return -1;
		if (m->shows_kernel) {
			out->mount = newest - 1;
			above = length;
		}
	}
	if (above)
		out->below = arena_strdup(p->arena, clean + above);
	return 0;
}

static int place_all(struct planner *p, const struct keys *last, const struct str_list *paths,
		     const struct plan_path **out, size_t *n)
{
	struct plan_path *all = arena_alloc(p->arena, (paths->n + 1) * sizeof(*all));

	for (size_t i = 0; i < paths->n; i++)
		if (place(p, last, paths->items[i], &all[i]) < 0)
			return -1;
	*out = all;
	*n = paths->n;
	return 0;
}

int plan_covered_paths(struct planner *p)
{
	const struct config_linux *l = &p->config->linux_;
	struct plan *plan = p->plan;
	cleanup_keys struct keys last = {0};

	if (l->masked_paths.n + l->readonly_paths.n > 0)
		note_mounts(p, &last);
	return place_all(p, &last, &l->masked_paths, &plan->masked, &plan->n_masked) < 0 ||
		       place_all(p, &last, &l->readonly_paths, &plan->readonly, &plan->n_readonly) <
			   0
		   ? -1
		   : 0;
}
