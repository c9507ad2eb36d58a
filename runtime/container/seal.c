/*
 * Where the workload's user on the host may write runsafe's own file, it could do so through
 * /proc/self/exe of a process that is still runsafe (CVE-2019-5736). Then this program executes
 * itself once more from a detached, read-only mount of that file: what /proc/self/exe leads to can
 * not be opened for writing, and nobody in the container has rights over that mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "launch.h"

static char **split_arguments(struct arena *arena, char *text, size_t length)
{
	struct str_list argv = {0};

	for (size_t at = 0; at < length; at += strlen(text + at) + 1)
		str_list_add(arena, &argv, text + at);
	return argv.items;
}

static int read_only_mount(int self)
{
	cleanup_fd int mounted = sys_clone_tree(self, false);

	if (mounted < 0 || sys_set_attr(mounted, false, MOUNT_ATTR_RDONLY, 0, 0) < 0)
		return -1;
	return fd_take(&mounted);
}

/* For a file that is on no mount of ours: a memfd, or one of another mount namespace. */
static int sealed_copy(int self)
{
	struct stat st;
	off_t at = 0;
	cleanup_fd int copy = memfd_create("runsafe", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (copy < 0 || fstat(self, &st) < 0)
		return -1;
	while (at < st.st_size) {
		if (sendfile(copy, self, &at, (size_t)(st.st_size - at)) <= 0)
			return -1;
	}
	if (fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -1;
	return fd_take(&copy);
}

int seal_and_reexecute(struct error *err)
{
	struct arena arena = ARENA_INIT;
	char *text;
	size_t length;
	cleanup_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (self < 0)
		return error_errno(err, errno, "protecting runsafe's own file: /proc/self/exe");
	cleanup_fd int sealed = read_only_mount(self);
	if (sealed < 0)
		sealed = sealed_copy(self);
	if (sealed < 0)
		return error_errno(err, errno,
				   "protecting runsafe's own file by a read-only mount, or a "
				   "sealed copy in memory");
	/* The arguments from the kernel: main's may have been cut up by the option parser. */
	if (file_read_all(&arena, AT_FDCWD, "/proc/self/cmdline", 1 << 22, &text, &length) < 0)
		return error_errno(err, errno, "protecting runsafe's own file: its arguments");
	char **argv = split_arguments(&arena, text, length);
	if (argv)
		execveat(sealed, "", argv, environ, AT_EMPTY_PATH);
	error_errno(err, argv ? errno : EINVAL,
		    "protecting runsafe's own file: executing it again");
	arena_free(&arena);
	return -1;
}
