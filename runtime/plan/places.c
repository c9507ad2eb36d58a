/* Where config.json's mounts come to lie, as far as one depends on others. Looked up once and kept:
 * there may be a hundred thousand of them. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "path.h"
#include "plan_internal.h"

static int resolve(struct planner *p, const char *path, char out[PATH_MAX])
{
	if (path_resolve_text(p->rootfs, path, out, PATH_MAX) == 0)
		return 0;
	return path_clean(path, out, PATH_MAX);
}

static void look_up_all(struct planner *p)
{
	char at[PATH_MAX];

	p->mounted_known = true;
	for (size_t i = 0; i < p->config->n_mounts; i++) {
		if (resolve(p, p->config->mounts[i].destination, at) < 0)
			continue;
		const char *key = arena_strdup(p->arena, at);
		*keys_at(p->arena, &p->mounted, key, strlen(key)) = i + 1;
	}
}

const struct config_mount *plan_mount_at(struct planner *p, const char *destination)
{
	char wanted[PATH_MAX];

	if (!p->mounted_known)
		look_up_all(p);
	if (resolve(p, destination, wanted) < 0)
		return NULL;
	const size_t *number = keys_find(&p->mounted, wanted, strlen(wanted));
	return number ? &p->config->mounts[*number - 1] : NULL;
}

bool plan_is_mounted(struct planner *p, const char *destination)
{
	return plan_mount_at(p, destination) != NULL;
}

/* One destination, and the last mount (counted from 1) that is on it, or below it. */
struct node {
	const char *path;
	size_t on, below;
	struct node *above;
};

struct place {
	const char *path;
	size_t index;
	struct node *node;
};

static int rank(char c)
{
	return c == '\0' ? 0 : c == '/' ? 1 : 2 + (unsigned char)c;
}

/* So that what is below a folder follows it at once. */
static int by_path(const void *a, const void *b)
{
	const char *one = ((const struct place *)a)->path;
	const char *other = ((const struct place *)b)->path;

	for (; *one && *one == *other; one++)
		other++;
	return rank(*one) - rank(*other);
}

static bool is_below(const char *path, const char *folder)
{
	const size_t length = strlen(folder);

	return strncmp(path, folder, length) == 0 && path[length] == '/';
}

static struct node *leave(struct node *node)
{
	struct node *above = node->above;

	if (above) {
		above->below = node->on > above->below ? node->on : above->below;
		above->below = node->below > above->below ? node->below : above->below;
	}
	return above;
}

static size_t sort_places(struct planner *p, struct place *places)
{
	char at[PATH_MAX];
	size_t n = 0;

	for (size_t i = 0; i < p->config->n_mounts; i++) {
		if (path_clean(p->config->mounts[i].destination, at, sizeof(at)) == 0)
			places[n++] =
			    (struct place){.path = arena_strdup(p->arena, at), .index = i};
	}
	if (n > 1)
		qsort(places, n, sizeof(*places), by_path);
	return n;
}

/* p->last_below: for each mount the number of the last one below it, 0 for none. */
static void find_below(struct planner *p)
{
	const size_t most = p->config->n_mounts;
	struct place *places = arena_alloc(p->arena, most * sizeof(*places));
	struct node *nodes = arena_alloc(p->arena, most * sizeof(*nodes));
	const size_t n = sort_places(p, places);
	struct node *top = NULL;

	p->last_below = arena_alloc(p->arena, most * sizeof(*p->last_below));
	for (size_t i = 0; i < n; i++) {
		const char *path = places[i].path;

		while (top && strcmp(path, top->path) != 0 && !is_below(path, top->path))
			top = leave(top);
		if (!top || strcmp(path, top->path) != 0) {
			nodes[i] = (struct node){.path = path, .above = top};
			top = &nodes[i];
		}
		if (top->on < places[i].index + 1)
			top->on = places[i].index + 1;
		places[i].node = top;
	}
	while (top)
		top = leave(top);
	for (size_t i = 0; i < n; i++)
		p->last_below[places[i].index] = places[i].node->below;
}

/*
 * Podman's --read-only binds /run/secrets read-only and then each secret in it, at a mount point
 * that is still to be made there.
 */
bool plan_has_mounts_in(struct planner *p, const struct config_mount *mount)
{
	const size_t index = (size_t)(mount - p->config->mounts);

	if (!p->last_below)
		find_below(p);
	return p->last_below[index] > index + 1;
}

void plan_note_shared(struct planner *p, const struct plan_mount *mount)
{
	char at[PATH_MAX];

	if (resolve(p, mount->destination, at) < 0)
		p->shared_anywhere = true;
	else
		(void)keys_add(p->arena, &p->shared, arena_strdup(p->arena, at));
}

/* Below a mount that others share, they would have got a copy before it is read-only: for good. */
bool plan_is_shown_to_others(struct planner *p, const struct plan_mount *mount)
{
	char at[PATH_MAX];

	if (!p->shared.root && !p->shared_anywhere)
		return false;
	if (p->shared_anywhere || resolve(p, mount->destination, at) < 0)
		return true;
	for (size_t length = strlen(at); length > 1; length--) {
		if (at[length - 1] == '/' && keys_find(&p->shared, at, length - 1))
			return true;
	}
	return false;
}

void plan_places_end(struct planner *p)
{
	keys_end(&p->mounted);
	keys_end(&p->shared);
}
