/* ROOT/ID: directories as containers, found, made, locked and taken away. */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"

/* A user namespace's root must pass through to the gate, so execute is for all. */
#define DIR_MODE 0711

/* All that runsafe puts into a container's directory. state.json goes last when it is taken away:
 * until then the container can be found again, and after that the rest is known as debris. */
static const struct {
	const char *name;
	int flags; /* of unlinkat(2) */
} own_files[] = {
    {"gate", 0},	 {"report", 0},	  {"notify/notify.sock", 0}, {"notify", AT_REMOVEDIR},
    {STATE_FILE_NEW, 0}, {STATE_FILE, 0},
};
enum { N_OWN_FILES = sizeof(own_files) / sizeof(own_files[0]) };

static int no_container(const char *id, struct error *err)
{
	error_set(err, "%s: container does not exist", id);
	err->number = ENOENT;
	return -1;
}

static int id_in_use(const char *id, struct error *err)
{
	error_set(err, "%s: container with given ID already exists", id);
	err->number = EEXIST;
	return -1;
}

/* Opens ROOT. Returns -1 with errno set. */
static int open_root(const char *root)
{
	return open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int open_entry(int root, const char *id)
{
	return openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Whether dir still is what lies under the name id: another command may have deleted it, and even
 * made it again, while this one waited for the lock. 1, 0, or -1 with errno set where that can not
 * be told. */
static int same_entry(int root, const char *id, int dir)
{
	struct stat at_name;
	struct stat opened;

	if (fstatat(root, id, &at_name, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(dir, &opened) < 0)
		return -1;
	return at_name.st_dev == opened.st_dev && at_name.st_ino == opened.st_ino;
}

static int lock_dir(int dir, int operation)
{
	int result;

	do {
		result = flock(dir, operation);
	} while (result < 0 && errno == EINTR);
	return result;
}

/* Opens ROOT/ID and waits for its lock. Returns -1 with errno set. */
static int open_locked(int root, const char *id)
{
	for (;;) {
		cleanup_fd int dir = open_entry(root, id);

		if (dir < 0 || lock_dir(dir, LOCK_EX) < 0)
			return -1;
		const int same = same_entry(root, id, dir);
		if (same)
			return same < 0 ? -1 : fd_take(&dir);
	}
}

/* Whether errnum says that there is no directory of that name. */
static bool says_missing(int errnum)
{
	return errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP;
}

static int open_failed(const char *root, const char *id, struct error *err)
{
	if (says_missing(errno))
		return no_container(id, err);
	return error_errno(err, errno, "cannot open the state directory %s/%s", root, id);
}

static bool has_state(int dir)
{
	return faccessat(dir, STATE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/*
 * A state that says "creating" is true only while the creating command lives, and that one holds
 * the lock. Without it the create was killed midway, and there is no workload that could start.
 */
static void see_abandoned(struct container_state *state, int dir, bool locked)
{
	static char stopped[] = "stopped";

	if (!state->recorded || strcmp(state->recorded, "creating") != 0)
		return;
	if (!locked) {
		if (flock(dir, LOCK_SH | LOCK_NB) < 0)
			return;
		flock(dir, LOCK_UN);
	}
	state->recorded = stopped;
}

/* Who can write to ROOT can give a folder another one's name. */
static int check_name(const char *root, const char *id, const struct container_state *state,
		      struct error *err)
{
	if (strcmp(state->id, id) == 0)
		return 0;
	return error_set(err, "container %s: the state in %s/%s is that of container %s", id, root,
			 id, state->id);
}

/* Opens without the lock, unless there is no state yet: then a create may be about to write it. */
static int open_unlocked(int root, const char *id)
{
	cleanup_fd int dir = open_entry(root, id);

	if (dir < 0 || has_state(dir))
		return fd_take(&dir);
	int locked = open_locked(root, id);

	if (locked >= 0)
		flock(locked, LOCK_UN);
	return locked;
}

static int open_dir(const char *root, const char *id, bool lock, struct error *err)
{
	cleanup_fd int root_dir = -1;
	int dir = -1;

	if (container_check_id(id, err) < 0)
		return -1;
	root_dir = open_root(root);
	if (root_dir >= 0)
		dir = lock ? open_locked(root_dir, id) : open_unlocked(root_dir, id);
	return dir < 0 ? open_failed(root, id, err) : dir;
}

int container_open(struct arena *arena, const char *root, const char *id, bool lock,
		   struct container *out, struct error *err)
{
	memset(out, 0, sizeof(*out));
	out->dir = -1;
	cleanup_fd int dir = open_dir(root, id, lock, err);
	if (dir < 0 || state_file_read(arena, dir, id, &out->state, err) < 0 ||
	    check_name(root, id, &out->state, err) < 0)
		return -1;
	out->dir = fd_take(&dir);
	see_abandoned(&out->state, out->dir, lock);
	return 0;
}

int container_glance(struct arena *arena, const char *root, const char *id,
		     struct container_state *out, struct error *err)
{
	cleanup_fd int dir = open_dir(root, id, false, err);

	if (dir < 0 || state_file_glance(arena, dir, id, out, err) < 0 ||
	    check_name(root, id, out, err) < 0)
		return -1;
	see_abandoned(out, dir, false);
	return 0;
}

void container_close(struct container *container)
{
	/* Said, not left to close(2): a child that shares the open file would go on holding it. */
	if (container->dir >= 0)
		flock(container->dir, LOCK_UN);
	fd_cleanup(&container->dir);
}

/* Makes path and its parents. Directories that are there stay as they are. */
static int make_root(const char *root, struct error *err)
{
	char path[PATH_MAX];
	size_t length = strlen(root);
	/* What keeps a folder in XDG_RUNTIME_DIR from being cleaned up (its specification). */
	mode_t sticky = geteuid() != 0 || sys_in_user_namespace() ? S_ISVTX : 0;

	if (length >= sizeof(path))
		return error_errno(err, ENAMETOOLONG, "--root");
	memcpy(path, root, length + 1);
	for (char *end = path + 1;; end++) {
		if (*end != '/' && *end != '\0')
			continue;
		char saved = *end;

		*end = '\0';
		if (mkdir(path, DIR_MODE) == 0) {
			/* Whatever the caller's umask is. */
			if (chmod(path, saved ? DIR_MODE : DIR_MODE | sticky) < 0)
				return error_errno(err, errno, "cannot make %s", path);
		} else if (errno != EEXIST) {
			return error_errno(err, errno, "cannot make the state directory %s", path);
		}
		if (!saved)
			return 0;
		*end = saved;
	}
}

static bool is_own_file(const char *name)
{
	for (size_t i = 0; i < N_OWN_FILES; i++) {
		if (strcmp(name, own_files[i].name) == 0)
			return true;
	}
	return false;
}

bool store_is_debris(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	bool debris = true;

	if (!stream) {
		fd_cleanup(&copy);
		return false;
	}
	while (errno = 0, debris && (entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		debris = is_own_file(entry->d_name) && strcmp(entry->d_name, STATE_FILE) != 0;
	}
	debris = debris && !errno;
	closedir(stream);
	return debris;
}

/* Returns -1 with errno set. */
static int remove_own_files(int dir)
{
	for (size_t i = 0; i < N_OWN_FILES; i++) {
		if (unlinkat(dir, own_files[i].name, own_files[i].flags) < 0 && errno != ENOENT)
			return -1;
	}
	return 0;
}

/* Who owns a folder can exchange what root puts there, such as a socket that is to be made 0777. */
static bool is_ours(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid());
}

/* What make_entry() made, or found. */
static int take_entry(int root, const char *id, bool made)
{
	cleanup_fd int dir = open_entry(root, id);

	if (dir < 0) {
		errno = errno == ENOENT ? EAGAIN : says_missing(errno) ? EEXIST : errno;
		return -1;
	}
	if (!is_ours(dir)) {
		errno = ESTALE;
		return -1;
	}
	if (lock_dir(dir, made ? LOCK_EX : LOCK_EX | LOCK_NB) < 0) {
		errno = errno == EWOULDBLOCK ? EEXIST : errno;
		return -1;
	}
	const int same = same_entry(root, id, dir);
	if (same <= 0) {
		errno = same < 0 ? errno : EAGAIN;
		return -1;
	}
	/* It is, where nobody has taken over what we made. */
	const bool empty = folder_is_empty(dir) == 1;
	if (!empty && !store_is_debris(dir)) {
		errno = EEXIST;
		return -1;
	}
	if ((!empty && remove_own_files(dir) < 0) || fchmod(dir, DIR_MODE) < 0)
		return -1;
	return fd_take(&dir);
}

/*
 * Makes ROOT/ID, or takes debris over, and locks it. Returns the descriptor; -1 with errno set,
 * EEXIST when the id is in use, EAGAIN when somebody took the directory away meanwhile, ESTALE
 * when another user made it.
 */
static int make_entry(int root, const char *id)
{
	bool made = mkdirat(root, id, DIR_MODE) == 0;

	if (!made && errno != EEXIST)
		return -1;
	int dir = take_entry(root, id, made);
	int number = errno;
	/* With EAGAIN it is somebody else's by now. */
	if (dir < 0 && made && number != EAGAIN)
		(void)unlinkat(root, id, AT_REMOVEDIR);
	errno = number;
	return dir;
}

int container_make(struct arena *arena, const char *root, const char *id, struct container *out,
		   struct error *err)
{
	cleanup_fd int root_dir = -1;

	memset(out, 0, sizeof(*out));
	out->dir = -1;
	if (container_check_id(id, err) < 0 || make_root(root, err) < 0)
		return -1;
	root_dir = open_root(root);
	if (root_dir < 0)
		return error_errno(err, errno, "cannot open the state directory %s", root);
	do {
		out->dir = make_entry(root_dir, id);
	} while (out->dir < 0 && errno == EAGAIN);
	if (out->dir < 0 && errno == EEXIST)
		return id_in_use(id, err);
	if (out->dir < 0 && errno == ESTALE)
		return error_set(err,
				 "the state directory %s/%s was made by another user, who could "
				 "exchange what is in it: take it away, or choose another --root",
				 root, id);
	if (out->dir < 0)
		return error_errno(err, errno, "cannot make the state directory %s/%s", root, id);
	out->state.id = arena_strdup(arena, id);
	out->state.findings.arena = arena;
	return 0;
}

/* Returns -1 with errno set. */
static int remove_entry(int root, const char *id, int dir)
{
	if (remove_own_files(dir) < 0)
		return -1;
	const int same = same_entry(root, id, dir);
	return same <= 0 ? same : unlinkat(root, id, AT_REMOVEDIR);
}

int container_remove_dir(const char *root, const char *id, struct container *container,
			 struct error *err)
{
	cleanup_fd int root_dir = open_root(root);

	if (root_dir >= 0 && remove_entry(root_dir, id, container->dir) == 0)
		return 0;
	if (errno == ENOTEMPTY)
		return error_errno(err, errno,
				   "%s/%s holds files that runsafe did not put there; take them "
				   "away and delete again",
				   root, id);
	return error_errno(err, errno, "cannot remove the state directory %s/%s", root, id);
}

int store_remove_debris(const char *root, const char *id, struct error *err)
{
	cleanup_fd int root_dir = open_root(root);
	cleanup_fd int dir = root_dir < 0 ? -1 : open_locked(root_dir, id);

	if (dir < 0 && says_missing(errno))
		return 0;
	if (dir < 0)
		return open_failed(root, id, err);
	if (!is_ours(dir) || !store_is_debris(dir))
		return 0;
	if (remove_entry(root_dir, id, dir) < 0)
		return error_errno(err, errno, "cannot remove the state directory %s/%s", root, id);
	return 1;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whether a folder that can not be opened may be a container's. */
static bool hides_container(int number)
{
	return !says_missing(number) && (number != EACCES || state_of_hosts_root());
}

/* The names that may be ids, sorted. */
static int read_names(struct arena *arena, const char *root, DIR *stream, struct str_list *names,
		      struct error *err)
{
	const struct dirent *entry;
	struct error ignored = ERROR_INIT;

	while (errno = 0, (entry = readdir(stream)) != NULL) {
		if (container_check_id(entry->d_name, &ignored) == 0)
			str_list_add(arena, names, arena_strdup(arena, entry->d_name));
	}
	if (errno)
		return error_errno(err, errno, "cannot list the state directory %s", root);
	if (names->n > 1)
		qsort(names->items, names->n, sizeof(names->items[0]), compare_texts);
	return 0;
}

static int open_names(struct arena *arena, const char *root, DIR **stream, struct str_list *names,
		      struct error *err)
{
	*names = (struct str_list){.n = 0};
	*stream = opendir(root);
	if (!*stream && errno == ENOENT)
		return 0;
	if (!*stream)
		return error_errno(err, errno, "cannot open the state directory %s", root);
	if (read_names(arena, root, *stream, names, err) == 0)
		return 0;
	closedir(*stream);
	return -1;
}

int container_list(struct arena *arena, const char *root, struct str_list *ids, struct error *err)
{
	struct arena scratch = ARENA_INIT;
	struct str_list names;
	DIR *stream;

	*ids = (struct str_list){.n = 0};
	if (open_names(arena, root, &stream, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		cleanup_fd int dir = open_entry(dirfd(stream), names.items[i]);

		if (dir < 0 ? hides_container(errno) : state_file_ours(&scratch, dir))
			str_list_add(arena, ids, names.items[i]);
		arena_rewind(&scratch);
	}
	arena_free(&scratch);
	if (stream)
		closedir(stream);
	return 0;
}

/* Returns 1; 0 for what is no container; -1 with err set. */
static int glance_entry(struct arena *arena, const char *root, int root_dir, const char *id,
			struct container_state *out, struct error *err)
{
	cleanup_fd int dir = open_entry(root_dir, id);

	if (dir < 0)
		return hides_container(errno) ? open_failed(root, id, err) : 0;
	const int found = state_file_glance_ours(arena, dir, id, out, err);
	if (found <= 0 || check_name(root, id, out, err) < 0)
		return found <= 0 ? found : -1;
	see_abandoned(out, dir, false);
	return 1;
}

int container_each(struct arena *arena, const char *root, container_visitor *visit, void *context,
		   struct error *err)
{
	struct arena scratch = ARENA_INIT;
	struct str_list names;
	DIR *stream;
	int result = 0;

	if (open_names(arena, root, &stream, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n && result == 0; i++) {
		struct container_state state;
		struct error one = ERROR_INIT;
		const int found =
		    glance_entry(&scratch, root, dirfd(stream), names.items[i], &state, &one);

		if (found > 0)
			result = visit(context, &state, err);
		if (found < 0) {
			*err = one;
			result = -1;
		}
		arena_rewind(&scratch);
	}
	arena_free(&scratch);
	if (stream)
		closedir(stream);
	return result;
}
