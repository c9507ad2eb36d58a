/*
 * Looks at the arguments and the environment of every process that it can see, for ever, and says
 * when it finds the word "of-the-host" there. Static, since a container's rootfs has no library.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void look(const char *pid, const char *file)
{
	char path[300], text[4096];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	if (n > 0 && memmem(text, (size_t)n, "of-the-host", 11)) {
		printf("SEEN %s\n", file);
		fflush(stdout);
	}
}

int main(void)
{
	puts("up");
	fflush(stdout);
	for (;;) {
		DIR *all = opendir("/proc");

		for (struct dirent *entry; all && (entry = readdir(all));) {
			if (strtol(entry->d_name, NULL, 10) > 1) {
				look(entry->d_name, "cmdline");
				look(entry->d_name, "environ");
			}
		}
		if (all)
			closedir(all);
	}
}
