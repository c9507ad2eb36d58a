#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox_internal.h"

#define STACK_SIZE (32 * 1024)

/*
 * A filter may ask its listener about any call of the process that loads it, and until the agent
 * has the listener nobody answers. So a thread beside it, which loads no filter, sends the listener
 * to the runtime; the process itself says by write(2), the one call that the filter can't ask
 * about, which descriptor it is. A thread leaves no zombie that a filtered wait(2) had to reap.
 */
struct messenger {
	struct child *child;
	int pipe[2];
};

static int carry_listener(void *context)
{
	struct messenger *m = context;
	struct message failed = {.kind = MESSAGE_FAILED};
	int listener = -1;
	ssize_t n;

	do {
		n = read(m->pipe[0], &listener, sizeof(listener));
	} while (n < 0 && errno == EINTR);
	/* Closed from here: close(2), too, may be a call that the filter asks about or refuses. */
	close(m->pipe[0]);
	close(m->pipe[1]);
	if (n == sizeof(listener) && child_tell(m->child, MESSAGE_LISTENER, listener) == 0) {
		close(listener);
		return 0;
	}
	failed.number = errno;
	strcpy(failed.text, "seccomp: the notify descriptor could not be handed to the runtime");
	(void)fd_write_all(m->child->socket, &failed, sizeof(failed));
	_exit(1);
}

static int start_messenger(struct messenger *m, struct error *err)
{
	static char stack[STACK_SIZE] __attribute__((aligned(16)));
	int flags =
	    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

	if (pipe2(m->pipe, O_CLOEXEC) < 0)
		return error_errno(err, errno, "making a pipe for the notify descriptor");
	/* Not pthread_create(3): setresuid(3) would want to change its ids, too, and wait for it.
	 */
	if (clone(carry_listener, stack + sizeof(stack), flags, m) < 0)
		return error_errno(
		    err, errno, "starting the thread that hands over the notify descriptor%s",
		    errno == EAGAIN ? " (does linux.resources.pids.limit leave room?)" : "");
	return 0;
}

static int load(const struct seccomp_program *filter)
{
	struct sock_fprog program = {
	    .len = filter->length,
	    .filter = (struct sock_filter *)filter->instructions,
	};

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter->flags, &program);
}

static int load_all(struct child *child, struct error *err)
{
	static struct messenger messenger;
	const struct plan *plan = child->plan;
	int result = 0;

	messenger.child = child;
	if (plan->seccomp_listener && start_messenger(&messenger, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->n_filters; i++) {
		result = load(&plan->filters[i]);
		if (result < 0)
			return error_errno(
			    err, errno, "loading filter %zu of %zu%s", i + 1, plan->n_filters,
			    errno == EBUSY
				? " (runsafe itself runs under a filter with a listener, "
				  "and there can be one)"
				: "");
	}
	if (plan->seccomp_listener && fd_write_all(messenger.pipe[1], &result, sizeof(result)) < 0)
		return error_errno(err, errno, "handing over the notify descriptor");
	return 0;
}

/* seccomp(2): without no_new_privs a filter asks for CAP_SYS_ADMIN, which is about to go. */
int step_seccomp_early(struct child *child, struct error *err)
{
	return child->plan->no_new_privileges ? 0 : load_all(child, err);
}

int step_seccomp(struct child *child, struct error *err)
{
	/* The last that is done with rights of its own: from here on the child outlives the
	 * runtime, unless that ends before the gate, which the socket tells. A filter may refuse
	 * prctl(2). */
	if (prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0)
		return error_errno(err, errno, "staying when the runtime is gone (prctl)");
	return child->plan->no_new_privileges ? load_all(child, err) : 0;
}
