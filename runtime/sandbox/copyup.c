/* tmpcopyup: fills a tmpfs with what lay below it, inside the container's own memory limit. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "lists.h"
#include "sandbox_internal.h"

#define MAX_DEPTH 32

struct copy {
	int proc;   /* the host's procfs */
	bool owned; /* all of it becomes uid:gid; else owners stay */
	uid_t uid;
	gid_t gid;
	struct error *err;
};

static int copy_directory(const struct copy *copy, int from, int to, int depth);

static int give(const struct copy *copy, int to, const char *name, const struct stat *st)
{
	return fchownat(to, name, copy->owned ? copy->uid : st->st_uid,
			copy->owned ? copy->gid : st->st_gid, AT_SYMLINK_NOFOLLOW);
}

static int copy_file(const struct copy *copy, int from, int to, const char *name,
		     const struct stat *st)
{
	cleanup_fd int found = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat now;
	if (found < 0 || fstat(found, &now) < 0)
		return -1;
	/* Somebody may write to the rootfs meanwhile, and to open a device does something. */
	if (!S_ISREG(now.st_mode)) {
		errno = ESTALE;
		return -1;
	}
	cleanup_fd int in = fd_reopen(copy->proc, found, O_RDONLY | O_NONBLOCK);
	if (in < 0)
		return -1;
	cleanup_fd int out =
	    openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -1;
	for (;;) {
		ssize_t n = sendfile(out, in, NULL, 1 << 20);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n == 0)
			break;
	}
	if (give(copy, to, name, st) < 0)
		return -1;
	/* After the change of owner, which clears them anyway: no set-user-ID, no set-group-ID. */
	return fchmod(out, st->st_mode & 0777);
}

static int copy_link(const struct copy *copy, int from, int to, const char *name,
		     const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -1;
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0)
		return -1;
	return give(copy, to, name, st);
}

static int copy_subdirectory(const struct copy *copy, int from, int to, const char *name,
			     const struct stat *st, int depth)
{
	if (depth >= MAX_DEPTH)
		return error_set(copy->err, "%s: more than %d folders in one another", name,
				 MAX_DEPTH);
	cleanup_fd int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0 || mkdirat(to, name, 0700) < 0)
		return -1;
	cleanup_fd int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0 || copy_directory(copy, in, out, depth + 1) < 0)
		return -1;
	if (give(copy, to, name, st) < 0)
		return -1;
	/* Set-group-ID and sticky mean something else on directories and stay. */
	return fchmod(out, st->st_mode & 03777);
}

static int copy_entry(const struct copy *copy, int from, int to, const char *name, int depth)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(copy, from, to, name, &st);
	case S_IFLNK:
		return copy_link(copy, from, to, name, &st);
	case S_IFDIR:
		return copy_subdirectory(copy, from, to, name, &st, depth);
	default:
		return 0; /* devices, sockets and FIFOs stay behind */
	}
}

static int copy_directory(const struct copy *copy, int from, int to, int depth)
{
	int listing = fcntl(from, F_DUPFD_CLOEXEC, 3);
	DIR *dir = listing < 0 ? NULL : fdopendir(listing);
	int result = 0;

	if (!dir)
		return -1;
	for (struct dirent *entry; result == 0 && (errno = 0, entry = readdir(dir));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		result = copy_entry(copy, from, to, entry->d_name, depth);
		if (result < 0 && !copy->err->text[0])
			error_errno(copy->err, errno, "%s", entry->d_name);
	}
	if (result == 0 && errno)
		result = -1;
	int saved = errno;
	closedir(dir);
	errno = saved;
	return result;
}

/* What config says of the tmpfs itself ("mode=", "uid=", "gid=") goes before what lies below. to is
 * of fsmount(2), so good for paths only (O_PATH). */
static int keep_top(int source, int to, const struct plan_mount *m, struct error *err)
{
	const struct str_map *said = &m->data;
	struct stat st;
	cleanup_fd int top = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0 || fstat(source, &st) < 0 ||
	    fchown(top, str_map_get(said, "uid") ? (uid_t)-1 : st.st_uid,
		   str_map_get(said, "gid") ? (gid_t)-1 : st.st_gid) < 0 ||
	    (!str_map_get(said, "mode") &&
	     fchmod(top, m->keep_mode ? m->kept_mode : st.st_mode & 03777) < 0))
		return error_errno(err, errno, "keeping its mode and owner");
	return 0;
}

int copy_up(const struct plan *plan, int from, int to, const struct plan_mount *m,
	    struct error *err)
{
	struct copy copy = {
	    .proc = plan->proc, .owned = m->owned, .uid = plan->uid, .gid = plan->gid, .err = err};
	cleanup_fd int source = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (source < 0)
		return error_errno(err, errno, "opening it");
	if (copy_directory(&copy, source, to, 0) < 0)
		return err->text[0] ? -1 : error_errno(err, errno, "reading it");
	return keep_top(source, to, m, err);
}
