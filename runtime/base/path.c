#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"

/* As the kernel's own MAXSYMLINKS, see path_resolution(7). */
#define MAX_LINKS 40
/* A rename somewhere in the system during a lookup of ".." gives EAGAIN; who can make it fail this
 * often in a row does it on purpose. */
#define MAX_RETRIES 1000

static int openat2_retry(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
			       .resolve = resolve};

	/* openat2(2) refuses a mode that means nothing. */
	if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)
		how.mode = mode & 07777;
	for (int i = 0; i < MAX_RETRIES; i++) {
		long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));

		if (fd >= 0 || errno != EAGAIN)
			return (int)fd;
	}
	return -1;
}

int path_open_in_root(int root, const char *path, int flags, mode_t mode)
{
	return openat2_retry(root, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int path_open_plain(int root, const char *path, int flags)
{
	return openat2_retry(root, path, flags, 0,
			     RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
}

enum walk_kind {
	WALK_DIR,  /* ends at a directory, missing ones are made */
	WALK_FILE, /* ends at anything but a directory, made if missing */
	WALK_TEXT  /* makes nothing, only says where the path ends up */
};

/*
 * A lookup by hand, component by component, for what openat2(2) can not do: going on behind a
 * component that is missing. Each component is opened once without following it; only what was
 * opened is looked at.
 */
struct walk {
	enum walk_kind kind;
	int root;
	int dir;   /* where we are, O_PATH */
	int found; /* the last component, if it is no directory */
	mode_t mode;
	unsigned int links;
	char done[PATH_MAX]; /* the way to dir from root, "" or "/a/b" */
	char rest[PATH_MAX]; /* what is still to be walked */
	char name[NAME_MAX + 1];
};

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void strip_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
}

static int append_name(char *path, size_t size, const char *name, size_t length)
{
	size_t have = strlen(path);

	if (have + 1 + length + 1 > size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	path[have] = '/';
	memcpy(path + have + 1, name, length);
	path[have + 1 + length] = '\0';
	return 0;
}

/* Appends every component of path to out, "." and ".." taken lexically. */
static int append_lexically(char *out, size_t size, const char *path)
{
	while (*path) {
		size_t length = strcspn(path, "/");

		if (length == 2 && path[0] == '.' && path[1] == '.')
			strip_last(out);
		else if (length > 0 && !(length == 1 && path[0] == '.') &&
			 append_name(out, size, path, length) < 0)
			return -1;
		path += length;
		path += strspn(path, "/");
	}
	return 0;
}

/* Moves the next component of rest, without its slashes, to name. 1, 0 at the end, -1. */
static int walk_next(struct walk *w)
{
	const char *start = w->rest + strspn(w->rest, "/");
	size_t length = strcspn(start, "/");

	if (length == 0)
		return 0;
	if (length > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(w->name, start, length);
	w->name[length] = '\0';
	start += length;
	start += strspn(start, "/");
	memmove(w->rest, start, strlen(start) + 1);
	return 1;
}

static void walk_enter(struct walk *w, int dir)
{
	close(w->dir);
	w->dir = dir;
}

/* ".." stops at root; the parent is looked up from root, so a directory that was moved out of
 * root meanwhile can not take us with it. */
static int walk_up(struct walk *w)
{
	int dir;

	strip_last(w->done);
	dir = openat2_retry(w->root, w->done[0] ? w->done : ".", O_PATH | O_DIRECTORY, 0,
			    RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
	if (dir < 0)
		return -1;
	walk_enter(w, dir);
	return 0;
}

/* The text of a magic link (proc(5), /proc/PID/root) is not where it leads. */
static int refuse_magic_link(const struct walk *w, int link)
{
	cleanup_fd int target = -1;
	struct statfs fs;

	if (fstatfs(link, &fs) < 0)
		return -1;
	if (fs.f_type != PROC_SUPER_MAGIC)
		return 0;
	target = openat2_retry(w->dir, w->name, O_PATH, 0, RESOLVE_NO_MAGICLINKS);
	return target < 0 && errno == ELOOP ? -1 : 0;
}

static int walk_link(struct walk *w, int link)
{
	char target[PATH_MAX];
	ssize_t length;

	if (++w->links > MAX_LINKS) {
		errno = ELOOP;
		return -1;
	}
	if (refuse_magic_link(w, link) < 0)
		return -1;
	length = readlinkat(link, "", target, sizeof(target));
	if (length < 0)
		return -1;
	if ((size_t)length + 1 + strlen(w->rest) + 1 > sizeof(w->rest)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memmove(w->rest + length + 1, w->rest, strlen(w->rest) + 1);
	memcpy(w->rest, target, (size_t)length);
	w->rest[length] = '/';
	if (target[0] == '/') {
		int dir = openat(w->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0)
			return -1;
		walk_enter(w, dir);
		w->done[0] = '\0';
	}
	return 0;
}

static int walk_make(const struct walk *w)
{
	bool last = w->rest[0] == '\0';
	mode_t old = umask(0);
	int result;

	if (last && w->kind == WALK_FILE)
		result = mknodat(w->dir, w->name, S_IFREG | 0644, 0);
	else
		result = mkdirat(w->dir, w->name, last ? w->mode : 0755);
	umask(old);
	return result < 0 && errno != EEXIST ? -1 : 0;
}

/* Takes fd, which is what name was when it was opened. 1 when the walk is at its end. */
static int walk_into(struct walk *w, int fd)
{
	cleanup_fd int entry = fd;
	bool last = w->rest[0] == '\0';
	struct stat st;

	if (fstat(entry, &st) < 0)
		return -1;
	if (S_ISLNK(st.st_mode))
		return walk_link(w, entry);
	if (append_name(w->done, sizeof(w->done), w->name, strlen(w->name)) < 0)
		return -1;
	if (S_ISDIR(st.st_mode)) {
		walk_enter(w, fd_take(&entry));
		return 0;
	}
	if (!last || w->kind == WALK_DIR) {
		errno = ENOTDIR;
		return -1;
	}
	w->found = fd_take(&entry);
	return 1;
}

static int walk_step(struct walk *w)
{
	int fd;

	if (strcmp(w->name, ".") == 0)
		return 0;
	if (strcmp(w->name, "..") == 0)
		return walk_up(w);
	fd = openat(w->dir, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		if (w->kind == WALK_TEXT) {
			if (append_name(w->done, sizeof(w->done), w->name, strlen(w->name)) < 0)
				return -1;
			return append_lexically(w->done, sizeof(w->done), w->rest) < 0 ? -1 : 1;
		}
		if (walk_make(w) < 0)
			return -1;
		fd = openat(w->dir, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	return fd < 0 ? -1 : walk_into(w, fd);
}

static int walk_run(struct walk *w, int root, const char *path)
{
	size_t length = strlen(path);
	int result;

	if (length == 0) {
		errno = ENOENT;
		return -1;
	}
	if (length >= sizeof(w->rest)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(w->rest, path, length + 1);
	w->root = root;
	w->found = -1;
	w->dir = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->dir < 0)
		return -1;
	while ((result = walk_next(w)) > 0) {
		result = walk_step(w);
		if (result != 0)
			break;
	}
	return result < 0 ? -1 : 0;
}

static void walk_end(struct walk *w)
{
	fd_cleanup(&w->dir);
	fd_cleanup(&w->found);
}

int path_make_dir(int root, const char *path, mode_t mode)
{
	struct walk w = {.kind = WALK_DIR, .dir = -1, .found = -1, .mode = mode};
	int fd = path_open_in_root(root, path, O_PATH | O_DIRECTORY, 0);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (walk_run(&w, root, path) == 0)
		fd = fd_take(&w.dir);
	walk_end(&w);
	return fd;
}

/* The same path without slashes at its end, in out. */
static int strip_slashes(const char *path, char out[PATH_MAX])
{
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		length--;
	if (length >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(out, path, length);
	out[length] = '\0';
	return 0;
}

int path_make_file(int root, const char *path)
{
	struct walk w = {.kind = WALK_FILE, .dir = -1, .found = -1};
	char clean[PATH_MAX];
	struct stat st;
	int fd;

	if (strip_slashes(path, clean) < 0)
		return -1;
	fd = path_open_in_root(root, clean, O_PATH, 0);
	if (fd < 0 && errno == ENOENT) {
		if (walk_run(&w, root, clean) == 0)
			fd = fd_take(w.found >= 0 ? &w.found : &w.dir);
		walk_end(&w);
	}
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		return fd;
	close(fd);
	errno = EISDIR;
	return -1;
}

int path_open_parent(int root, const char *path, bool make, char *name, size_t name_size)
{
	char parent[PATH_MAX];
	char *last;
	size_t length;

	if (strip_slashes(path, parent) < 0)
		return -1;
	last = strrchr(parent, '/');
	last = last ? last + 1 : parent;
	length = strlen(last);
	if (length == 0 || is_dots(last)) {
		errno = EINVAL;
		return -1;
	}
	if (length >= name_size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name, last, length + 1);
	*last = '\0';
	if (parent[0] == '\0')
		return openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (make)
		return path_make_dir(root, parent, 0755);
	return path_open_in_root(root, parent, O_PATH | O_DIRECTORY, 0);
}

static bool has_dot_dot(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p += 2)
		if ((p == path || p[-1] == '/') && (p[2] == '\0' || p[2] == '/'))
			return true;
	return false;
}

int path_resolve_text(int root, const char *path, char *out, size_t out_size)
{
	struct walk w = {.kind = WALK_TEXT, .dir = -1, .found = -1};
	int result;

	/* One look is enough where no symlink is on the way, which is nearly always. */
	if (!has_dot_dot(path)) {
		int fd =
		    openat2_retry(root, path, O_PATH, 0, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);

		if (fd >= 0)
			close(fd);
		if (fd >= 0 || (errno == ENOENT && path[0] != '\0'))
			return path_clean(path, out, out_size);
	}
	result = walk_run(&w, root, path);
	if (result == 0)
		result = path_clean(w.done, out, out_size);
	walk_end(&w);
	return result;
}

int path_clean(const char *path, char *out, size_t out_size)
{
	if (out_size < 2) {
		errno = ENAMETOOLONG;
		return -1;
	}
	out[0] = '\0';
	if (append_lexically(out, out_size, path) < 0)
		return -1;
	if (out[0] == '\0')
		memcpy(out, "/", 2);
	return 0;
}
