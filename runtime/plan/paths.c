/* Masked and read-only paths: from where each is looked up. */
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "keys.h"
#include "path.h"
#include "plan_internal.h"

/* A procfs or sysfs, or a bind of one: the kernel's own files, which no image can bend elsewhere.
 */
static bool shows_kernel(struct plan_mount *m)
{
	struct statfs fs;

	/* Nobody asks this of a bind where nothing is covered: it is a call for nothing. */
	if (!m->shows_kernel && m->kind == PLAN_MOUNT_BIND && !m->is_file && m->tree >= 0 &&
	    fstatfs(m->tree, &fs) == 0)
		m->shows_kernel = fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC;
	return m->shows_kernel;
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

static struct plan_path place(struct planner *p, const struct keys *last, const char *path)
{
	struct plan_path out = {.path = path, .mount = PLAN_NO_MOUNT, .below = path};
	char clean[PATH_MAX];
	size_t above = 0, newest = 0;

	/* What is too long is an error when it is looked up. */
	if (path_clean(path, clean, sizeof(clean)) < 0)
		return out;
	for (size_t length = 1; clean[length]; length++) {
		if (clean[length] != '/')
			continue;
		const size_t *number = keys_find(last, clean, length);
		/* An earlier one is hidden by what was mounted above it since. */
		if (!number || *number < newest)
			continue;
		newest = *number;
		if (shows_kernel(&p->plan->mounts[newest - 1])) {
			out.mount = newest - 1;
			above = length;
		}
	}
	if (above)
		out.below = arena_strdup(p->arena, clean + above);
	return out;
}

static const struct plan_path *place_all(struct planner *p, const struct keys *last,
					 const struct str_list *paths)
{
	struct plan_path *out = paths->n ? arena_alloc(p->arena, paths->n * sizeof(*out)) : NULL;

	for (size_t i = 0; i < paths->n; i++)
		out[i] = place(p, last, paths->items[i]);
	return out;
}

void plan_covered_paths(struct planner *p)
{
	const struct config_linux *l = &p->config->linux_;
	struct plan *plan = p->plan;
	cleanup_keys struct keys last = {0};

	if (l->masked_paths.n + l->readonly_paths.n > 0)
		note_mounts(p, &last);
	plan->masked = place_all(p, &last, &l->masked_paths);
	plan->n_masked = l->masked_paths.n;
	plan->readonly = place_all(p, &last, &l->readonly_paths);
	plan->n_readonly = l->readonly_paths.n;
}
