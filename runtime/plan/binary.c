/* Whether the workload could write to runsafe's own file through /proc/self/exe (CVE-2019-5736). */
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fd.h"
#include "plan_internal.h"

/* The host's id behind a container's, where that can be known. */
static bool to_host(const struct plan *plan, const struct config_id_mapping *items, size_t n,
		    uint32_t id, uint32_t *host)
{
	*host = id;
	if (!plan->user_namespace)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (id >= items[i].container_id && id - items[i].container_id < items[i].size) {
			*host = items[i].host_id + (id - items[i].container_id);
			return true;
		}
	}
	return false;
}

/* Without no_new_privs a set-user-ID program of the image gives a user root's id, and with it the
 * file of a root without capabilities. */
static bool can_gain(const struct plan *plan)
{
	return plan->capabilities.bounding || plan->capabilities.permitted ||
	       !plan->no_new_privileges;
}

/* In a user namespace ids and capabilities count over files whose owner is mapped there. */
static bool reaches(const struct plan *plan, const struct config_linux *l, uint32_t owner)
{
	for (size_t i = 0; i < l->n_uid_mappings; i++) {
		const struct config_id_mapping *m = &l->uid_mappings[i];

		if (owner >= m->host_id && owner - m->host_id < m->size)
			return can_gain(plan);
	}
	return false;
}

bool plan_must_protect_binary(const struct plan *plan, const struct config *config)
{
	const struct config_linux *l = &config->linux_;
	struct statvfs fs;
	struct stat st;
	uint32_t uid, gid;
	cleanup_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (self < 0 || fstatvfs(self, &fs) < 0 || fstat(self, &st) < 0)
		return true;
	/* Sealed already: this process runs from a read-only mount of its own (container/seal.c).
	 */
	if (fs.f_flag & ST_RDONLY)
		return false;
	int seals = fcntl(self, F_GET_SEALS);
	if (seals >= 0 && (seals & F_SEAL_WRITE) && (seals & F_SEAL_SEAL))
		return false;
	/* Capabilities that count on the host, or root itself, pass over owner and mode. */
	if (!plan->user_namespace && (plan->uid == 0 || can_gain(plan)))
		return true;
	if (!to_host(plan, l->uid_mappings, l->n_uid_mappings, plan->uid, &uid) ||
	    !to_host(plan, l->gid_mappings, l->n_gid_mappings, plan->gid, &gid))
		return true;
	if (uid == 0 || uid == st.st_uid || (st.st_mode & S_IWOTH) || reaches(plan, l, st.st_uid))
		return true;
	/* Further groups could match, too: a file that its group may write is taken for writable.
	 */
	return st.st_mode & S_IWGRP;
}

/* execve(2) takes from a user who is not root what is not ambient. With no_new_privs a file's
 * capabilities are cut down to what the process had before (capabilities(7)): to what the stub's
 * own exec has left. */
static bool loses_by_the_stub(const struct plan *plan)
{
	return plan->uid != 0 && plan->no_new_privileges &&
	       plan->capabilities.permitted & ~plan->capabilities.ambient;
}

bool plan_stub_may(const struct plan *plan)
{
	/* Alone in its pid namespace nobody sees it. A startContainer hook is executed inside, by
	 * runsafe itself; a label takes effect at the next exec, which would be the stub's. */
	return plan->target < 0 && plan->clone_flags & CLONE_NEWPID &&
	       plan->start_container.n == 0 && !plan->apparmor_profile && !plan->selinux_label &&
	       !loses_by_the_stub(plan);
}
