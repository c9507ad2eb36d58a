/* What a runtime that only watches its workload, maybe for months, has no use for any more. */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "launch.h"

#define BIT(cap) (UINT64_C(1) << (cap))

/* For run: to signal the workload, to see what it does with signals (/proc/PID/syscall), to take
 * away what others own below its cgroup or its state. */
#define RUN_NEEDS  (BIT(CAP_KILL) | BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_OVERRIDE))
#define EXEC_NEEDS BIT(CAP_KILL)
/* To take the pid file of a process that could not be executed out of whosever folder. */
#define EXEC_PID_FILE_NEEDS (EXEC_NEEDS | BIT(CAP_DAC_OVERRIDE))

static int keep_capabilities(uint64_t needed, struct error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return error_errno(err, errno, "asking for the own capabilities");
	/* No program's set-user-ID or file capabilities bring them back, nor does being root: what
	 * execve(2) would add goes beyond what the process has, and no_new_privs cuts it off there
	 * (capabilities(7)). So the bounding set may stay, at forty calls less. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "giving up new privileges");
	for (int word = 0; word < 2; word++) {
		data[word].permitted &= (uint32_t)(needed >> (32 * word));
		data[word].effective &= data[word].permitted;
		data[word].inheritable = 0; /* and the ambient set with it */
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return error_errno(err, errno, "giving up capabilities");
	return 0;
}

void launch_close_unused(struct launch *l)
{
	int proc = -1;

	if (l->container.state.own_pid_namespace) { /* for ^C (supervise.c) */
		proc = l->plan.proc;
		l->plan.proc = -1;
	}
	plan_close(&l->plan);
	l->plan.proc = proc;
	fd_cleanup(&l->sandbox.socket);
	fd_cleanup(&l->sandbox.network);
	fd_cleanup(&l->sandbox.listener);
	fd_cleanup(&l->bundle);
	fd_cleanup(&l->pidfd_socket);
	if (l->container.dir >= 0)
		container_close(&l->container);
	l->container.dir = -1;
}

int launch_give_up(struct launch *l, struct error *err)
{
	const bool deletes = l->create;
	const uint64_t exec_needs = l->wrote_pid_file ? EXEC_PID_FILE_NEEDS : EXEC_NEEDS;

	if (l->gave_up)
		return 0;
	l->gave_up = true;
	/* No core dump of what config.json says, no ptrace(2) by who has the same uid. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, errno, "closing itself to other processes");
	/* Hooks are the administrator's programs and get what they get under runc; systemd asks the
	 * bus for its callers' capabilities. */
	if (deletes && (l->container.state.config.hooks.poststop.n > 0 ||
			l->options->driver == CGROUP_DRIVER_SYSTEMD))
		return 0;
	return keep_capabilities(deletes ? RUN_NEEDS : exec_needs, err);
}
