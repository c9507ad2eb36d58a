/* Whether the workload can do with its binds what they are there for; where not, it reads why. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox_internal.h"

/* Of no use to who can not write there: nothing in it, or nothing that can be seen. */
static bool is_barren(const char *path)
{
	cleanup_fd int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	return folder < 0 ? errno == EACCES : folder_is_empty(folder) == 1;
}

static void look(struct plan_access *a)
{
	struct stat st;

	/* The raw call: glibc may put an answer of its own together, without capabilities. */
	if (syscall(SYS_faccessat2, AT_FDCWD, a->path, a->is_file ? R_OK : W_OK | X_OK,
		    AT_EACCESS) == 0)
		return;
	const int why = errno;
	/* EPERM: an immutable one (chattr(1)). */
	if ((why != EACCES && why != EROFS && why != EPERM) || stat(a->path, &st) < 0 ||
	    st.st_dev != a->device || st.st_ino != a->inode ||
	    (a->only_if_barren && !is_barren(a->path)))
		return;
	a->denied = why;
}

int step_volumes(struct child *child, struct error *err)
{
	const struct plan *plan = child->plan;

	(void)err;
	for (size_t i = 0; i < plan->n_mounts; i++) {
		if (plan->mounts[i].access)
			look(plan->mounts[i].access);
	}
	return 0;
}

/* Nobody may read there, or not soon: nothing that a start should wait for, or end by (SIGPIPE).
 * An engine's filter that knows no poll(2) is no reason to try. */
static bool is_read(void)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) == 1 && out.revents == POLLOUT;
}

/* It may be meant so: the workload starts all the same. A terminal takes 8 KiB until it is read. */
void volumes_say(const struct plan *plan)
{
	enum { LINES = 16 };
	int said = 0;

	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct plan_access *a = plan->mounts[i].access;
		struct error line = ERROR_INIT;

		if (!a || !a->denied || said == LINES || !is_read())
			continue;
		said++;
		if (a->denied == EROFS)
			error_set(&line,
				  "%s: its file system is read-only, and this workload, %s, can "
				  "not write there",
				  a->path, a->who);
		else
			error_set(&line, "%s: %s, and this workload, %s, can not %s; %s", a->path,
				  a->owner, a->who, a->is_file ? "read it" : "write there",
				  a->help);
		child_say(&line);
	}
}
