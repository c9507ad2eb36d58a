/*
 * Image files come from elsewhere: unpacked from an archive, received by a migration. criu opens
 * them by name, as root and through links: pages-1.img -> /etc/shadow would become memory of a
 * restored process, and restore.log -> /etc/passwd would be emptied.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "criu.h"
#include "fd.h"

#define PARENT	   "parent" /* criu's own link, to the images of the pre-dump before */
#define MAX_DEPTH  64
#define SHOWN_SIZE 512

static int check_folder(int dir, const char *shown, int depth, struct error *err);

static int check_parent(int dir, const char *shown, int depth, struct error *err)
{
	char below[SHOWN_SIZE];
	cleanup_fd int parent = openat(dir, PARENT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent < 0)
		return error_errno(err, errno, "--image-path: opening %s" PARENT, shown);
	if (depth == MAX_DEPTH)
		return error_set(err, "--image-path: more than %d folders by links called " PARENT,
				 MAX_DEPTH);
	snprintf(below, sizeof(below), "%s" PARENT "/", shown);
	return check_folder(parent, below, depth + 1, err);
}

static int check_entry(int dir, const char *name, const char *shown, int depth, struct error *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "--image-path: looking at %s%s", shown, name);
	if (S_ISLNK(st.st_mode) && strcmp(name, PARENT) == 0)
		return check_parent(dir, shown, depth, err);
	/* The socket of criu lazy-pages can be there. */
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISSOCK(st.st_mode))
		return 0;
	return error_set(
	    err,
	    "--image-path: %s%s is a %s, expected a file: criu would open as root what "
	    "it leads to",
	    shown, name,
	    S_ISLNK(st.st_mode)	   ? "symbolic link"
	    : S_ISFIFO(st.st_mode) ? "named pipe"
				   : "device");
}

static int check_folder(int dir, const char *shown, int depth, struct error *err)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	int result = 0;

	if (!stream) {
		fd_cleanup(&copy);
		return error_errno(err, errno, "--image-path: reading the folder");
	}
	while (result == 0 && (entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = check_entry(dir, entry->d_name, shown, depth, err);
	}
	closedir(stream);
	return result;
}

static int check_written(int dir, const char *name, struct error *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			   ? 0
			   : error_errno(err, errno, "--work-path: looking at %s", name);
	if (S_ISREG(st.st_mode) && st.st_nlink == 1)
		return 0;
	return error_set(err,
			 "--work-path: %s is a link or no file: criu would write as root to what "
			 "it leads to",
			 name);
}

int criu_check_dirs(const struct criu_dirs *dirs, bool dump, struct error *err)
{
	static const char *const written[2][3] = {{"restore.log", "stats-restore", NULL},
						  {"dump.log", "stats-dump", NULL}};

	for (const char *const *name = written[dump]; *name; name++) {
		if (check_written(dirs->work, *name, err) < 0)
			return -1;
	}
	return check_folder(dirs->images, "", 0, err);
}
