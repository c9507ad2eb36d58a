/* Where the groups of a caller lie who is not root of the host: where he may make any. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "fd.h"
#include "kernel.h"

static bool may_write(int root, const char *path)
{
	const char *dir = *cg_relative(path) ? cg_relative(path) : ".";

	return faccessat(root, dir, W_OK, AT_EACCESS) == 0;
}

/* The runtime's own group, "/user.slice/..."; NULL where it can not be known. */
static char *own_group(struct arena *arena)
{
	char *text, *line;

	if (file_read_all(arena, AT_FDCWD, "/proc/self/cgroup", 65536, &text, NULL) < 0)
		return NULL;
	line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
	if (!line)
		return NULL;
	line += strcspn(line, "/");
	line[strcspn(line, "\n")] = '\0';
	return line;
}

bool cg_is_hosts_root(void)
{
	return geteuid() == 0 && !sys_in_user_namespace();
}

const char *cg_base(struct arena *arena)
{
	cleanup_fd int root = cg_is_hosts_root() ? -1 : cg_root_open(NULL);
	char *own;

	if (root < 0 || may_write(root, "/") || may_write(root, CG_OWN) ||
	    !(own = own_group(arena)))
		return CG_OWN;
	/* Beside its own group rather than in it: a group with processes can not hand controllers
	 * down (cgroup-v2.rst, "No Internal Process Constraint"). runc does so, too. */
	char *above = arena_strndup(arena, own, (size_t)(strrchr(own, '/') - own));
	if (may_write(root, above))
		return above;
	return may_write(root, own) && own[1] ? own : CG_OWN;
}
