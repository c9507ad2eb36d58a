#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "fuzz.h"

/* In the place of what clones mounts (-Wl,--wrap): that needs rights, leaves work to the kernel,
 * and what is cloned is for a child that never comes. */
int __wrap_sys_clone_tree(int fd, bool recursive);
int __wrap_sys_set_attr(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation);

int __wrap_sys_clone_tree(int fd, bool recursive)
{
	(void)recursive;
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

int __wrap_sys_set_attr(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation)
{
	(void)recursive;
	(void)set;
	(void)clear;
	(void)propagation;
	return fcntl(fd, F_GETFD) < 0 ? -1 : 0;
}

static char place[256];

static void put(int dir, const char *name, const void *data, size_t size)
{
	cleanup_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || fd_write_all(fd, data, size) < 0)
		broken("a folder for the fuzzer can be written", name);
}

static void put_text(int dir, const char *name, const char *text)
{
	put(dir, name, text, strlen(text));
}

/* What images have, and what they may have in the way of the mounts. */
static void make_rootfs(int dir)
{
	static const char *const folders[] = {
	    "rootfs",	      "rootfs/etc", "rootfs/dev", "rootfs/proc",    "rootfs/sys",
	    "rootfs/tmp",     "rootfs/var", "rootfs/run", "rootfs/home",    "rootfs/bin",
	    "rootfs/var/tmp", "volumes",    "volumes/v",  "volumes/v/_data"};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (mkdirat(dir, folders[i], 0755) < 0)
			broken("a bundle for the fuzzer can be made", folders[i]);
	}
	put_text(dir, "rootfs/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/srv:\n");
	put_text(dir, "rootfs/etc/group", "root:x:0:\nweb:x:33:\n");
	put_text(dir, "rootfs/bin/sh", "");
	put_text(dir, "file", "");
	if (symlinkat("/run", dir, "rootfs/var/run") < 0 ||
	    symlinkat("/nowhere", dir, "rootfs/dangling") < 0)
		broken("a bundle for the fuzzer can be made", strerror(errno));
}

int place_bundle(void)
{
	static int dir = -1;

	if (dir >= 0)
		return dir;
	const char *base = getenv("TMPDIR");

	snprintf(place, sizeof(place), "%s/runsafe-fuzz.XXXXXX", base ? base : "/dev/shm");
	if (!mkdtemp(place))
		broken("a folder for the fuzzer can be made", place);
	dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		broken("a folder for the fuzzer can be opened", place);
	make_rootfs(dir);
	return dir;
}

const char *place_path(void)
{
	(void)place_bundle();
	return place;
}

void place_write(const char *name, const void *data, size_t size)
{
	put(place_bundle(), name, data, size);
}

int place_next_descriptor(void)
{
	int fd = fcntl(place_bundle(), F_DUPFD_CLOEXEC, 3);

	if (fd >= 0)
		close(fd);
	return fd;
}
