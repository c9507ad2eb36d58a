#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U /* since Linux 6.3 */
#endif

void fd_cleanup(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

int fd_reopen(int proc, int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "self/fd/%d", fd);
	return openat(proc, path, flags | O_CLOEXEC);
}

int fd_write_all(int fd, const void *data, size_t length)
{
	const char *next = data;

	while (length > 0) {
		ssize_t n = write(fd, next, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		next += n;
		length -= (size_t)n;
	}
	return 0;
}

/* A first guess at the bytes to come; files in /proc and pipes say 0. */
static size_t expected_bytes(int fd, size_t limit)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return limit < 4096 ? limit : 4096;
	return (uintmax_t)st.st_size < limit ? (size_t)st.st_size : limit;
}

int fd_read_all(struct arena *arena, int fd, size_t limit, char **out, size_t *length)
{
	/* One byte beyond what is expected, so that the end is seen without growing; one for NUL.
	 */
	size_t room = expected_bytes(fd, limit) + 2;
	char *text = arena_alloc(arena, room);
	size_t used = 0;

	for (;;) {
		ssize_t n = read(fd, text + used, room - 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > limit) {
			errno = E2BIG;
			return -1;
		}
		if (used == room - 1) {
			char *bigger = arena_alloc(arena, room * 2);

			memcpy(bigger, text, used);
			text = bigger;
			room *= 2;
		}
	}
	text[used] = '\0';
	*out = text;
	if (length)
		*length = used;
	return 0;
}

int file_read_all(struct arena *arena, int dirfd, const char *path, size_t limit, char **out,
		  size_t *length)
{
	cleanup_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : fd_read_all(arena, fd, limit, out, length);
}

int file_write_text(int dirfd, const char *path, const char *text)
{
	cleanup_fd int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	size_t length = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -1;
	do {
		n = write(fd, text, length);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	if ((size_t)n != length) {
		errno = EIO;
		return -1;
	}
	return 0;
}

static int executable_memory(void)
{
	const unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("runsafe", flags | MFD_EXEC);

	return fd < 0 && errno == EINVAL ? memfd_create("runsafe", flags) : fd;
}

int fd_of_program(const unsigned char *image, size_t size)
{
	cleanup_fd int fd = executable_memory();

	if (fd < 0 || fd_write_all(fd, image, size) < 0 || fchmod(fd, 0555) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -1;
	return fd_take(&fd);
}

int fd_cloexec_from(unsigned int first)
{
	return close_range(first, UINT32_MAX, CLOSE_RANGE_CLOEXEC);
}

int open_checked_dir(const char *path, long magic, const char *file_system, struct error *err)
{
	cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC | O_DIRECTORY);
	struct statfs fs;

	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	if (fstatfs(fd, &fs) < 0)
		return error_errno(err, errno, "statfs %s", path);
	if ((long)fs.f_type != magic)
		return error_set(err, "%s: expected a mount of %s here, found another file system",
				 path, file_system);
	return fd_take(&fd);
}

void fd_take_sent(struct cmsghdr *message, int *fd)
{
	const size_t n = (message->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n; i++) {
		int sent;

		memcpy(&sent, CMSG_DATA(message) + i * sizeof(int), sizeof(int));
		if (*fd < 0)
			*fd = sent;
		else
			close(sent);
	}
}

int folder_is_empty(int folder)
{
	_Alignas(struct dirent) char entries[1024];
	long n;

	if (lseek(folder, 0, SEEK_SET) < 0)
		return -1;
	while ((n = syscall(SYS_getdents64, folder, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent *entry = (const void *)(entries + at);

			if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
				return 0;
			at += entry->d_reclen;
		}
	}
	return n == 0 ? 1 : -1;
}
