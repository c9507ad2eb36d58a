/* Whose manager it is, system's or user's. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "systemd_manager.h"

unsigned long sd_outer_uid(struct arena *arena, unsigned long uid)
{
	char *text, *at;

	if (file_read_all(arena, AT_FDCWD, "/proc/self/uid_map", 65536, &text, NULL) < 0)
		return uid;
	for (at = text; *at;) {
		unsigned long inside = strtoul(at, &at, 10), outside = strtoul(at, &at, 10);
		unsigned long size = strtoul(at, &at, 10);

		at += strspn(at, " \n");
		if (uid >= inside && uid - inside < size)
			return outside + uid - inside;
	}
	return uid;
}

bool sd_user_manager(void)
{
	struct arena arena = ARENA_INIT;
	struct stat own, first;
	bool nested;

	if (geteuid() != 0)
		return true;
	/* All ids mapped onto themselves is the initial namespace (as in container/launch.c). */
	nested = sd_outer_uid(&arena, 4294967294u) != 4294967294u || sd_outer_uid(&arena, 0) != 0;
	arena_free(&arena);
	if (!nested)
		return false;
	/* Root of a system container has a manager of its own as process 1; in a namespace that
	 * Podman made, process 1 is the host's. */
	return stat("/proc/self/ns/user", &own) < 0 || stat("/proc/1/ns/user", &first) < 0 ||
	       own.st_ino != first.st_ino;
}
