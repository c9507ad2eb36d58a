/*
 * Every path below a container's root goes through here: it is the attacker's. A path is resolved
 * once, by openat2(2) with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS, to a descriptor that is then
 * used (CVE-2019-16884, CVE-2021-30465, CVE-2019-19921 were all second looks at such a path).
 */
#ifndef RUNSAFE_PATH_H
#define RUNSAFE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

/*
 * Opens path inside root. flags and mode as for open(2), O_CLOEXEC is added. Absolute paths and
 * symlinks are taken as relative to root and can not leave it. Returns the descriptor, or -1 with
 * errno set (EAGAIN is retried, as openat2(2) says of races with rename).
 */
int path_open_in_root(int root, const char *path, int flags, mode_t mode);

/* The same where no component may be a symlink: ELOOP. For what is looked up by its name later. */
int path_open_plain(int root, const char *path, int flags);

/*
 * Opens path inside root as an O_PATH directory, making the directories that are missing (mode
 * 0755 for those on the way, mode for the last). Dangling symlinks on the way are followed inside
 * root, and what they point to is made. Modes hold whatever the umask is. Returns
 * the descriptor, or -1 with errno set.
 */
int path_make_dir(int root, const char *path, mode_t mode);

/* The same for an empty regular file (mode 0644) as a mount point; an existing file of any type
 * but a directory (EISDIR) is opened as it is, with O_PATH. Slashes at the end are ignored. */
int path_make_file(int root, const char *path);

/*
 * Splits off the last component: opens (making, when make is true) the parent directory of path
 * in root as O_PATH and copies the component to name. ".", ".." and "" as last component are
 * EINVAL, slashes at the end are ignored, and a component that does not fit name_size is
 * ENAMETOOLONG. Returns the descriptor, or -1 with errno set.
 */
int path_open_parent(int root, const char *path, bool make, char *name, size_t name_size);

/*
 * Where path ends up inside root after symlinks, as an absolute path from root's view, with the
 * components that do not exist appended as they are. For comparing destinations. Returns 0, or -1
 * with errno set. out has out_size bytes.
 */
int path_resolve_text(int root, const char *path, char *out, size_t out_size);

/* Lexical clean-up: collapses "//", "." and ".." without looking at any file; the result is
 * absolute. Returns 0, or -1 with errno ENAMETOOLONG. */
int path_clean(const char *path, char *out, size_t out_size);

#endif
