/* Who the workload is on the host, where its user namespace is one that was there before: only a
 * process inside shows it (user_namespaces(7)). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox_internal.h"

/* 340 lines of three numbers are the most that the kernel takes. */
struct map {
	char text[340 * 36];
};

static int read_map(const struct plan *plan, pid_t pid, const char *file, struct map *out,
		    struct error *err)
{
	char path[64];
	size_t used = 0;
	ssize_t n;

	out->text[0] = '\0';
	snprintf(path, sizeof(path), "%d/%s", pid, file);
	cleanup_fd int fd = openat(plan->proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "opening the %s of the container's process", file);
	while ((n = read(fd, out->text + used, sizeof(out->text) - 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		return error_errno(err, errno, "reading the %s of the container's process", file);
	out->text[used] = '\0';
	return 0;
}

/* Whether id inside is 0 as the runtime sees it. An id that is not mapped is nobody's, and the user
 * step fails at it. */
static bool is_hosts_root(const struct map *map, unsigned long id)
{
	for (const char *at = map->text; *at;) {
		char *end;
		unsigned long inside = strtoul(at, &end, 10);
		unsigned long outside = strtoul(end, &end, 10);
		unsigned long size = strtoul(end, &end, 10);

		if (id >= inside && id - inside < size && outside + (id - inside) == 0)
			return true;
		while (*end && *end != '\n')
			end++;
		at = *end ? end + 1 : end;
	}
	return false;
}

static int refuse(const char *path, const char *what, unsigned long id, struct error *err)
{
	return error_set(err,
			 "the policy refuses %s: %s %lu of the user namespace that "
			 "linux.namespaces joins is 0, root on the host: use a namespace that maps "
			 "it to another id",
			 path, what, id);
}

int mapping_check(const struct plan *plan, pid_t pid, struct error *err)
{
	struct map map;

	if (!plan->check_mapping)
		return 0;
	/* Root inside was let stay on purpose, and where it is mapped to is the engine's business.
	 */
	if (read_map(plan, pid, "uid_map", &map, err) < 0)
		return -1;
	if (plan->uid != 0 && is_hosts_root(&map, plan->uid))
		return refuse("process.user.uid", "uid", plan->uid, err);
	if (read_map(plan, pid, "gid_map", &map, err) < 0)
		return -1;
	if (plan->gid != 0 && is_hosts_root(&map, plan->gid))
		return refuse("process.user.gid", "gid", plan->gid, err);
	for (size_t i = 0; plan->uid != 0 && i < plan->n_groups; i++) {
		if (is_hosts_root(&map, plan->groups[i]))
			return refuse("process.user.additionalGids", "gid", plan->groups[i], err);
	}
	return 0;
}
