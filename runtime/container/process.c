#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fd.h"

struct stat_line {
	char state;
	unsigned long flags;
	long threads;
	uint64_t start_time;
};

/* pid (comm) state ...: comm may hold blanks and parentheses, so fields count from the last ')'
 * (proc_pid_stat(5)). */
static int parse_stat(const char *text, struct stat_line *out)
{
	enum { STATE = 3, FLAGS = 9, THREADS = 20, STARTTIME = 22 };
	const char *at = strrchr(text, ')');

	if (!at || at[1] != ' ')
		return -1;
	at += 2;
	out->state = *at;
	for (int field = STATE; field < STARTTIME; field++) {
		if (field == FLAGS)
			out->flags = strtoul(at, NULL, 10);
		if (field == THREADS)
			out->threads = strtol(at, NULL, 10);
		while (*at != ' ')
			if (!*at++)
				return -1;
		at++;
	}
	out->start_time = strtoull(at, NULL, 10);
	return 0;
}

/*
 * What was opened tells by itself that it is of procfs. Only where there is nothing to be opened
 * /proc is looked at: without a procfs nobody is dead.
 */
static int open_stat(pid_t pid)
{
	struct error err = ERROR_INIT;
	struct statfs fs;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int number = errno;
	if (fd >= 0 && fstatfs(fd, &fs) < 0)
		return -1;
	if (fd >= 0 && fs.f_type == PROC_SUPER_MAGIC)
		return fd_take(&fd);
	cleanup_fd int proc = open_checked_dir("/proc", PROC_SUPER_MAGIC, "proc", &err);
	if (proc < 0 && err.number)
		errno = err.number;
	else
		errno = proc < 0 || fd >= 0 ? EMEDIUMTYPE : number;
	return -1;
}

static int read_stat(pid_t pid, struct stat_line *out)
{
	char text[1024];
	cleanup_fd int fd = open_stat(pid);

	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n < 0) {
		/* ESRCH when it went away after the open, which alone says ENOENT. */
		if (errno == ENOENT)
			errno = EIO;
		return -1;
	}
	text[n] = '\0';
	if (parse_stat(text, out) < 0) {
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

int process_stat(pid_t pid, uint64_t *start_time, char *state)
{
	struct stat_line line = {0};

	if (read_stat(pid, &line) < 0)
		return -1;
	*start_time = line.start_time;
	*state = line.state;
	return 0;
}

/* It stays the same for as long as we live. */
static const char *this_boot(struct error *err)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	static char known[BOOT_ID_SIZE];
	char text[BOOT_ID_SIZE];

	if (known[0])
		return known;
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, BOOT_ID_SIZE - 1);
	if (n != BOOT_ID_SIZE - 1) {
		error_errno(err, n < 0 ? errno : EBADMSG,
			    "reading %s, by which pids of an earlier boot are known", path);
		return NULL;
	}
	memcpy(known, text, (size_t)n);
	return known;
}

int process_boot_id(char out[BOOT_ID_SIZE], struct error *err)
{
	const char *boot = this_boot(err);

	if (!boot)
		return -1;
	memcpy(out, boot, BOOT_ID_SIZE);
	return 0;
}

int process_other_boot(const struct container_state *state, struct error *err)
{
	if (!state->boot_id || !*state->boot_id)
		return 0;
	const char *boot = this_boot(err);

	return boot ? strcmp(state->boot_id, boot) != 0 : -1;
}

int process_look(const struct container_state *state, bool *executed)
{
	enum { FORKED_NO_EXEC = 0x40 }; /* PF_FORKNOEXEC, linux/sched.h */
	struct error err = ERROR_INIT;
	struct stat_line line = {0};
	const int other = state->pid <= 0 ? 1 : process_other_boot(state, &err);

	*executed = true;
	if (other) {
		errno = other < 0 ? err.number : 0;
		return other < 0 ? -1 : 0;
	}
	if (read_stat((pid_t)state->pid, &line) < 0)
		return errno == ENOENT || errno == ESRCH ? 0 : -1;
	*executed = !(line.flags & FORKED_NO_EXEC);
	/* A first thread that has left is a zombie for as long as others run. */
	const bool ended = (line.state == 'Z' || line.state == 'X') && line.threads <= 1;
	return line.start_time == state->start_time && !ended;
}

int process_open(const struct container_state *state)
{
	pid_t pid = (pid_t)state->pid;
	struct error err = ERROR_INIT;
	const int other = pid <= 0 ? 1 : process_other_boot(state, &err);
	uint64_t start_time;
	char letter;

	if (other) {
		errno = other < 0 ? err.number : ESRCH;
		return -1;
	}
	cleanup_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0) {
		/* EINVAL, ENOENT from 6.9: the number is a thread's of another process by now. */
		if (errno == EINVAL || errno == ENOENT)
			errno = ESRCH;
		return -1;
	}
	/* After the open: the number can not change hands any more without this being seen. */
	if (process_stat(pid, &start_time, &letter) < 0) {
		if (errno == ENOENT)
			errno = ESRCH;
		return -1;
	}
	/* A zombie whose threads still run (its first one has left) polls as alive. */
	if (start_time != state->start_time || process_wait(pidfd, 0) == 0) {
		errno = ESRCH;
		return -1;
	}
	return errno == ETIMEDOUT ? fd_take(&pidfd) : -1;
}

bool process_ends(const struct container_state *state, int pidfd)
{
	enum { EXITING = 0x4 }; /* PF_EXITING, linux/sched.h */
	struct stat_line line = {0};

	/* Of another process there is no line if this one is there. */
	if (read_stat((pid_t)state->pid, &line) < 0 && (errno == ENOENT || errno == ESRCH))
		return true;
	return line.flags & EXITING || process_wait(pidfd, 0) == 0;
}

int process_check_cgroup(const struct container_state *state, struct error *err)
{
	struct stat st;

	if (!state->cgroup_path || !*state->cgroup_path || !state->cgroup_unit.inode)
		return 0;
	cleanup_fd int dir = cgroup_open(state->cgroup_path);
	if (dir < 0 && errno == ENOENT)
		return 0;
	if (dir < 0 || fstat(dir, &st) < 0)
		return error_errno(err, errno, "%s: looking at its cgroup %s", state->id,
				   state->cgroup_path);
	if (st.st_ino == state->cgroup_unit.inode)
		return 0;
	return error_set(err,
			 "%s: the cgroup %s is not the one that the container was made in: who "
			 "runs there now is left alone",
			 state->id, state->cgroup_path);
}

int process_signal(int pidfd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

int process_wait(int pidfd, int timeout_ms)
{
	struct pollfd entry = {.fd = pidfd, .events = POLLIN};
	int n;

	do {
		n = poll(&entry, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : -1;
}
