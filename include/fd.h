/* File descriptors, whole reads and writes, and cleanup on the declaration. */
#ifndef RUNSAFE_FD_H
#define RUNSAFE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "arena.h"
#include "error.h"

/* `cleanup_fd int fd = open(...)`: closed when it goes out of scope, if not negative. */
#define cleanup_fd __attribute__((cleanup(fd_cleanup)))
void fd_cleanup(int *fd);

/* Returns *fd and sets *fd to -1: hands the descriptor on out of a cleanup_fd variable. */
int fd_take(int *fd);

/* Writes all of data. Returns 0, or -1 with errno set. EINTR is repeated. */
int fd_write_all(int fd, const void *data, size_t length);

/* Opens what an O_PATH descriptor was seen to be, by the magic link in proc, a directory that is
 * known to be procfs (proc(5), /proc/pid/fd). What an image or a container holds is looked at by
 * O_PATH first: opening a device node or a FIFO does something. Returns a descriptor (O_CLOEXEC),
 * or -1 with errno set. */
int fd_reopen(int proc, int fd, int flags);

/* Reads to end of file, at most limit bytes (E2BIG beyond), into *out with a NUL behind it;
 * *length (may be NULL) is the number of bytes. Returns 0, or -1 with errno set. */
int fd_read_all(struct arena *arena, int fd, size_t limit, char **out, size_t *length);

/* The same for a file by path relative to dirfd, opened O_RDONLY|O_CLOEXEC. */
int file_read_all(struct arena *arena, int dirfd, const char *path, size_t limit, char **out,
		  size_t *length);

/* Writes text to the existing file path below dirfd with a single write(2), as /proc and cgroup
 * files want it. Returns 0, or -1 with errno set. */
int file_write_text(int dirfd, const char *path, const char *text);

/* Whether an open folder (not O_PATH) has nothing in it but "." and "..": 1 or 0, or -1 with errno
 * set. Allocates nothing. Its offset is moved (getdents(2)). */
int folder_is_empty(int folder);

/* The descriptors of an SCM_RIGHTS message (cmsg(3)): the first becomes *fd, unless that is one
 * already; the kernel hands on as many as there is room for, and the others are closed. */
void fd_take_sent(struct cmsghdr *message, int *fd);

/* A file in memory (memfd_create(2)) that holds an ELF file, for fexecve(3): executable, sealed
 * against changes. Returns the descriptor (O_CLOEXEC), or -1 with errno set. */
int fd_of_program(const unsigned char *image, size_t size);

/* Marks every descriptor from first up close-on-exec (close_range(2), CLOSE_RANGE_CLOEXEC).
 * Returns 0, or -1 with errno set. */
int fd_cloexec_from(unsigned int first);

/* Opens path O_PATH|O_CLOEXEC|O_DIRECTORY and checks by fstatfs(2) that it is of the file system
 * with that magic number (statfs(2)). Returns the descriptor, or -1 with err set. */
int open_checked_dir(const char *path, long magic, const char *file_system, struct error *err);

#endif
