/* What glibc has and musl has not; include/musl declares it. */
#include <errno.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int statx(int dir, const char *restrict path, int flags, unsigned int mask,
	  struct statx *restrict found)
{
	return (int)syscall(SYS_statx, dir, path, flags, mask, found);
}

int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	return (int)syscall(SYS_execveat, dir, path, argv, envp, flags);
}

int close_range(unsigned int first, unsigned int last, int flags)
{
	return (int)syscall(SYS_close_range, first, last, flags);
}

/* Where musl has words of its own: people search for glibc's, and engines match some. */
const char *strerrordesc_np(int number)
{
	static const struct {
		int number;
		const char *words;
	} known[] = {{EIO, "Input/output error"},
		     {ECHILD, "No child processes"},
		     {ENOMEM, "Cannot allocate memory"},
		     {EBUSY, "Device or resource busy"},
		     {EXDEV, "Invalid cross-device link"},
		     {EMFILE, "Too many open files"},
		     {ENOTTY, "Inappropriate ioctl for device"},
		     {ENAMETOOLONG, "File name too long"},
		     {ELOOP, "Too many levels of symbolic links"},
		     {EOVERFLOW, "Value too large for defined data type"},
		     {EMSGSIZE, "Message too long"},
		     {EOPNOTSUPP, "Operation not supported"},
		     {EADDRINUSE, "Address already in use"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].number == number)
			return known[i].words;
	}
	return strerror(number);
}
