/*
 * The kernel's part of a container, and nothing else: what every runtime has to pay at least. No
 * config.json is read, no state kept, nothing is made safe against the rootfs. Never run a real
 * container with it.
 *
 *   floor run ROOTFS CGROUP PROGRAM [WORD...]   what `runc spec` writes, with PROGRAM
 *   floor exec PID PROGRAM [WORD...]            PROGRAM in the namespaces of PID
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAFE	     (MS_NOSUID | MS_NOEXEC | MS_NODEV)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static long must(long result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static void mounts(void)
{
	static const struct {
		const char *type, *target, *data;
		unsigned long flags;
	} all[] = {
	    {"proc", "proc", NULL, 0},
	    {"tmpfs", "dev", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME},
	    {"devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5",
	     MS_NOSUID | MS_NOEXEC},
	    {"tmpfs", "dev/shm", "mode=1777,size=65536k", SAFE},
	    {"mqueue", "dev/mqueue", NULL, SAFE},
	    {"sysfs", "sys", NULL, SAFE | MS_RDONLY},
	    {"cgroup2", "sys/fs/cgroup", NULL, SAFE | MS_RELATIME | MS_RDONLY},
	};

	for (size_t i = 0; i < COUNT(all); i++) {
		if (strncmp(all[i].target, "dev/", 4) == 0)
			must(mkdir(all[i].target, 0755), all[i].target);
		must(mount(all[i].type, all[i].target, all[i].type, all[i].flags, all[i].data),
		     all[i].target);
	}
}

static void devices(void)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} nodes[] = {{"dev/null", 1, 3},   {"dev/zero", 1, 5},	  {"dev/full", 1, 7},
		     {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
	static const char *const links[][2] = {
	    {"/proc/self/fd", "dev/fd"},       {"/proc/self/fd/0", "dev/stdin"},
	    {"/proc/self/fd/1", "dev/stdout"}, {"/proc/self/fd/2", "dev/stderr"},
	    {"pts/ptmx", "dev/ptmx"},
	};

	for (size_t i = 0; i < COUNT(nodes); i++)
		must(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)),
		     nodes[i].path);
	for (size_t i = 0; i < COUNT(links); i++)
		must(symlink(links[i][0], links[i][1]), links[i][1]);
}

static void enter(const char *rootfs)
{
	umask(0);
	/* Every runtime gives a container a session of its own, so that it can not type into ours.
	 */
	must(setsid(), "setsid");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "/: private");
	must(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), rootfs);
	must(chdir(rootfs), rootfs);
	mounts();
	devices();
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(umount2(".", MNT_DETACH), "the old root");
	must(chdir("/"), "/");
}

/* What is not on this machine needs no cover. */
static void covers(void)
{
	static const char *const masked[] = {
	    "/proc/acpi",	   "/proc/asound",     "/proc/kcore",	    "/proc/keys",
	    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	    "/sys/firmware",	   "/proc/scsi",
	};
	static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					       "/proc/sysrq-trigger"};

	for (size_t i = 0; i < COUNT(readonly); i++) {
		if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) == 0)
			must(mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | SAFE,
				   NULL),
			     readonly[i]);
		else if (errno != ENOENT)
			err(1, "%s", readonly[i]);
	}
	for (size_t i = 0; i < COUNT(masked); i++) {
		struct stat there;

		/* A mount that fails has the kernel wait for an RCU grace period. */
		if (stat(masked[i], &there) < 0)
			continue;
		if (S_ISDIR(there.st_mode))
			must(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, "size=0k"), masked[i]);
		else
			must(mount("/dev/null", masked[i], NULL, MS_BIND, NULL), masked[i]);
	}
	must(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), "/: read-only");
}

/* root, with the three capabilities that `runc spec` leaves. */
static void identity(void)
{
	const uint32_t kept = 1U << CAP_AUDIT_WRITE | 1U << CAP_KILL | 1U << CAP_NET_BIND_SERVICE;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2] = {{kept, kept, kept}};
	const struct rlimit files = {1024, 1024};

	must(sethostname("floor", 5), "sethostname");
	must(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (cap >= 32 || !(kept & 1U << cap))
			must(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "PR_CAPBSET_DROP");
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(0, 0, 0), "setresgid");
	must(setresuid(0, 0, 0), "setresuid");
	must(syscall(SYS_capset, &header, sets), "capset");
	for (unsigned long cap = 0; cap < 32; cap++)
		if (kept & 1U << cap)
			must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0),
			     "PR_CAP_AMBIENT");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
}

static int wait_for(int pidfd)
{
	siginfo_t info;

	must(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), "waitid");
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static int run(const char *rootfs, const char *cgroup, char **command)
{
	int pidfd = -1;
	struct clone_args args = {
	    .flags = CLONE_INTO_CGROUP | CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
		     CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWCGROUP,
	    .pidfd = (uintptr_t)&pidfd,
	    .exit_signal = SIGCHLD,
	};

	must(mkdir(cgroup, 0755), cgroup);
	args.cgroup = (uint64_t)must(open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC), cgroup);
	if (must(syscall(SYS_clone3, &args, sizeof(args)), "clone3") == 0) {
		enter(rootfs);
		covers();
		identity();
		must(execv(command[0], command), command[0]);
	}
	int status = wait_for(pidfd);

	must(rmdir(cgroup), cgroup);
	return status;
}

static int join(const char *pid, char **command)
{
	int target = (int)must(syscall(SYS_pidfd_open, strtol(pid, NULL, 10), 0), "pidfd_open");
	int pidfd = -1;
	struct clone_args args = {
	    .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};

	must(setns(target, CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS |
			       CLONE_NEWCGROUP),
	     "setns");
	if (must(syscall(SYS_clone3, &args, sizeof(args)), "clone3") == 0)
		must(execv(command[0], command), command[0]);
	return wait_for(pidfd);
}

int main(int argc, char **argv)
{
	if (argc > 4 && strcmp(argv[1], "run") == 0)
		return run(argv[2], argv[3], argv + 4);
	if (argc > 3 && strcmp(argv[1], "exec") == 0)
		return join(argv[2], argv + 3);
	errx(2, "usage: floor run ROOTFS CGROUP PROGRAM... | floor exec PID PROGRAM...");
}
