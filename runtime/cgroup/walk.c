/* All groups below one. A container that was given its cgroup may nest them as deep as it likes,
 * so neither the stack nor the table of descriptors may grow with the depth. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "fd.h"

struct level {
	struct str_list children;
	size_t next;
};

static int list_children(struct arena *arena, int dir, struct str_list *out)
{
	struct stat st;
	struct dirent *entry;
	DIR *stream;
	int copy;

	/* kernfs counts a link for each directory below: most groups have none. */
	if (fstat(dir, &st) == 0 && st.st_nlink == 2)
		return 0;
	copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stream = copy < 0 ? NULL : fdopendir(copy);
	if (!stream) {
		fd_cleanup(&copy);
		return errno == ENOENT ? 0 : -1;
	}
	while ((entry = readdir(stream)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			str_list_add(arena, out, arena_strdup(arena, entry->d_name));
	closedir(stream);
	return 0;
}

struct walk {
	struct arena arena;
	struct level *levels;
	size_t depth, room;
	int dir;
};

static void change_dir(struct walk *w, int dir)
{
	close(w->dir);
	w->dir = dir;
}

static int enter(struct walk *w, const struct cg_visit *visit)
{
	struct level *level;

	if (visit->enter && visit->enter(w->dir, visit->data) < 0)
		return -1;
	if (w->depth == w->room) {
		struct level *more;

		w->room = w->room ? 2 * w->room : 8;
		more = arena_alloc(&w->arena, w->room * sizeof(*more));
		if (w->depth)
			memcpy(more, w->levels, w->depth * sizeof(*more));
		w->levels = more;
	}
	level = &w->levels[w->depth++];
	*level = (struct level){.next = 0};
	return list_children(&w->arena, w->dir, &level->children);
}

/* Goes down into the next child, or up. */
static int step(struct walk *w, const struct cg_visit *visit)
{
	struct level *level = &w->levels[w->depth - 1];
	int dir;

	if (level->next < level->children.n) {
		dir = openat(w->dir, level->children.items[level->next],
			     O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0 && errno != ENOENT)
			return -1;
		if (dir < 0) {
			level->next++;
			return 0;
		}
		change_dir(w, dir);
		return enter(w, visit);
	}
	if (--w->depth == 0)
		return 0;
	dir = openat(w->dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	change_dir(w, dir);
	level = &w->levels[w->depth - 1];
	if (visit->leave && visit->leave(dir, level->children.items[level->next], visit->data) < 0)
		return -1;
	level->next++;
	return 0;
}

int cg_walk(int dir, const struct cg_visit *visit)
{
	struct walk w = {.arena = ARENA_INIT, .dir = dir};
	int result = enter(&w, visit);
	int number;

	while (result == 0 && w.depth > 0)
		result = step(&w, visit);
	number = errno;
	close(w.dir);
	arena_free(&w.arena);
	errno = number;
	return result;
}
