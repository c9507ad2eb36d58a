/*
 * Reads back, as the workload, all that a plan promises: one line "what: value" for each, without
 * anything that differs from one start to the next. Static, since a container's rootfs has no
 * library.
 *   readback [-s STATUS] [PATH]...  Prints, says END, waits for the end of its standard input and
 *                                   ends with STATUS. Each PATH is looked at and tried: to read,
 *                                   to list, to write.
 *   readback -q                     Does nothing: a hook.
 *   readback -w                     Waits for ever: a container for exec to go into.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* On the way to the end of the path some names differ with each start. */
static const char *steady(const char *link)
{
	static const char *const kinds[] = {"pipe:[", "socket:[", NULL};

	for (const char *const *kind = kinds; *kind; kind++) {
		if (strncmp(link, *kind, strlen(*kind)) == 0)
			return *kind;
	}
	return link;
}

static const char *outcome(long result)
{
	return result < 0 ? strerrorname_np(errno) : "OK";
}

static size_t slurp(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t used = 0;
	ssize_t n;

	while (fd >= 0 && used < size - 1 && (n = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	if (fd >= 0)
		close(fd);
	return used;
}

/* Each line of a file as it is. */
static void print_file(const char *path)
{
	static char text[256 * 1024];

	slurp(path, text, sizeof(text));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		printf("%s: %s\n", path, line);
}

/* What changes by itself is left out. */
static void print_status(void)
{
	static const char *const wanted[] = {"Umask",
					     "Uid",
					     "Gid",
					     "Groups",
					     "SigQ",
					     "SigBlk",
					     "SigIgn",
					     "SigCgt",
					     "ShdPnd",
					     "SigPnd",
					     "CapInh",
					     "CapPrm",
					     "CapEff",
					     "CapBnd",
					     "CapAmb",
					     "NSpid",
					     "THP_enabled",
					     "NoNewPrivs",
					     "Seccomp",
					     "Seccomp_filters",
					     "Mems_allowed",
					     "TracerPid",
					     "Speculation_Store_Bypass",
					     "Threads",
					     NULL};
	char text[8192];

	slurp("/proc/self/status", text, sizeof(text));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const size_t n = strcspn(line, ":");

		for (const char *const *name = wanted; *name; name++) {
			if (strlen(*name) != n || strncmp(line, *name, n) != 0)
				continue;
			/* exec's pid is the next free one, and SigQ's first number the host's. */
			if (strcmp(*name, "NSpid") == 0)
				printf("pid: %s\n", getpid() == 1 ? "1" : "another");
			else if (strcmp(*name, "SigQ") == 0)
				printf("SigQ: %s\n", strchr(line, '/'));
			else
				printf("%s\n", line);
		}
	}
}

/* proc_pid_mountinfo(5) without the numbers of mounts, devices and peer groups. */
static void print_mounts(void)
{
	static char text[64 * 1024];

	slurp("/proc/self/mountinfo", text, sizeof(text));
	for (char *line = text; *line;) {
		char *end = strchrnul(line, '\n');
		char *next = *end ? end + 1 : end;
		char *word = line;

		*end = '\0';
		for (int i = 0; i < 3; i++)
			word += strcspn(word, " ") + 1;
		for (char *c = strstr(word, ":"); c; c = strstr(c + 1, ":")) {
			/* "shared:12" */
			for (char *digit = c + 1; *digit >= '0' && *digit <= '9'; digit++)
				*digit = '#';
		}
		printf("mount: %s\n", word);
		line = next;
	}
}

static void print_namespaces(void)
{
	static const char *const names[] = {
	    "cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children",
	    "user",   "uts", NULL};
	for (const char *const *name = names; *name; name++) {
		char path[64], link[64] = "";

		snprintf(path, sizeof(path), "/proc/self/ns/%s", *name);
		if (readlink(path, link, sizeof(link) - 1) < 0)
			printf("namespace %s: %s\n", *name, strerrorname_np(errno));
		else
			printf("namespace %s: %s\n", *name, link);
	}
}

static void print_attributes(void)
{
	struct utsname names;
	char text[4096];

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit = {0};

		getrlimit((__rlimit_resource_t)i, &limit);
		printf("rlimit %d: %llu %llu\n", i, (unsigned long long)limit.rlim_cur,
		       (unsigned long long)limit.rlim_max);
	}
	uname(&names);
	printf("hostname: %s\ndomainname: %s\n", names.nodename, names.domainname);
	printf("cwd: %s\n", getcwd(text, sizeof(text)) ? text : strerrorname_np(errno));
	printf("session: %d %d\n", getsid(0) == getpid(), getpgrp() == getpid());
	printf("terminal: %s\n", outcome(open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)));
	printf("priority: %d\n", getpriority(PRIO_PROCESS, 0));
	printf("io priority: %ld\n", syscall(SYS_ioprio_get, 1, 0));
	printf("scheduler: %ld\n", syscall(SYS_sched_getscheduler, 0));
	int mode = -1;
	const char *policy = outcome(syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0));
	printf("memory policy: %d %s\n", mode, policy);
	printf("securebits: %d\n", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	printf("keepcaps: %d\n", prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
	printf("dumpable: %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	int signal_number = -1;
	prctl(PR_GET_PDEATHSIG, &signal_number, 0, 0, 0);
	int subreaper = -1;
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0);
	printf("parent-death signal: %d\nsubreaper: %d\n", signal_number, subreaper);
	printf("timer slack: %d\n", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
}

/* KEYCTL_DESCRIBE of the session keyring: its name, and whose it is. */
static void print_keyring(void)
{
	enum { GET_KEYRING_ID = 0, DESCRIBE = 6, SESSION = -3 };
	char text[256] = "";
	long id = syscall(SYS_keyctl, GET_KEYRING_ID, SESSION, 0);

	printf("keyring: %s", outcome(id));
	if (id >= 0 && syscall(SYS_keyctl, DESCRIBE, id, text, sizeof(text) - 1) > 0)
		printf(" %s", text);
	putchar('\n');
}

static void print_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		int fd = (int)strtol(entry->d_name, NULL, 10);
		char path[300], link[4096] = "";
		struct stat st;

		if (entry->d_name[0] == '.' || fd == dirfd(folder))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		(void)!readlink(path, link, sizeof(link) - 1);
		if (fstat(fd, &st) < 0)
			continue;
		printf("descriptor %d: %s %o %u:%u %x\n", fd, steady(link), st.st_mode, st.st_uid,
		       st.st_gid, (unsigned int)fcntl(fd, F_GETFL));
	}
	if (folder)
		closedir(folder);
}

static void print_network(void)
{
	struct if_nameindex *all = if_nameindex();
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (struct if_nameindex *i = all; i && i->if_name; i++) {
		struct ifreq request = {0};

		strncpy(request.ifr_name, i->if_name, IFNAMSIZ - 1);
		(void)ioctl(fd, SIOCGIFFLAGS, &request);
		printf("interface: %s %x\n", i->if_name, (unsigned int)request.ifr_flags);
	}
	if (fd >= 0)
		close(fd);
}

/* A file that is there, or can be made, and can be written, says so; nothing is changed. */
static const char *try_write(const char *path, mode_t mode)
{
	char inside[PATH_MAX];

	if (!S_ISDIR(mode)) {
		int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		const char *result = outcome(fd);

		if (fd >= 0)
			close(fd);
		return result;
	}
	snprintf(inside, sizeof(inside), "%s/of-readback", path);
	const char *result = outcome(mkdir(inside, 0700));
	(void)rmdir(inside);
	return result;
}

static void try_path(const char *path)
{
	static char text[4096];
	struct stat st;
	size_t length = 0, entries = 0;

	if (lstat(path, &st) < 0) {
		printf("path %s: %s\n", path, strerrorname_np(errno));
		return;
	}
	const char *readable = outcome(access(path, R_OK));
	if (S_ISREG(st.st_mode))
		length = slurp(path, text, sizeof(text));
	DIR *folder = S_ISDIR(st.st_mode) ? opendir(path) : NULL;
	while (folder && readdir(folder))
		entries++;
	if (folder)
		closedir(folder);
	printf("path %s: %o %u:%u %s, %s, write %s\n", path, st.st_mode, st.st_uid, st.st_gid,
	       readable, length || entries > 2 ? "has content" : "empty",
	       try_write(path, st.st_mode));
}

/* Everything below path: what it is, whose, which device, which content. */
static void print_tree(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	struct stat st;

	while (folder && (entry = readdir(folder))) {
		char inside[PATH_MAX], link[256] = "";

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(inside, sizeof(inside), "%s/%s", strcmp(path, "/") ? path : "",
			 entry->d_name);
		if (lstat(inside, &st) < 0)
			continue;
		if (S_ISLNK(st.st_mode))
			(void)!readlink(inside, link, sizeof(link) - 1);
		printf("file %s: %o %u:%u %lx %s\n", inside, st.st_mode, st.st_uid, st.st_gid,
		       (unsigned long)st.st_rdev, link);
		if (S_ISREG(st.st_mode) && st.st_size < 4096 && strncmp(inside, "/etc/", 5) == 0)
			print_file(inside);
		if (S_ISDIR(st.st_mode) && strcmp(inside, "/proc") != 0 &&
		    strcmp(inside, "/sys") != 0)
			print_tree(inside);
	}
	if (folder)
		closedir(folder);
}

/* What a filter, or the missing capability, refuses; arguments that do nothing if it does not. */
static void print_refusals(void)
{
	static const struct {
		const char *name;
		long number, first;
	} calls[] = {{"add_key", SYS_add_key, 0},
		     {"bpf", SYS_bpf, 999},
		     {"delete_module", SYS_delete_module, 0},
		     {"finit_module", SYS_finit_module, -1},
		     {"fsopen", SYS_fsopen, 0},
		     {"io_uring_setup", SYS_io_uring_setup, 0},
		     {"kexec_load", SYS_kexec_load, 0},
		     {"keyctl", SYS_keyctl, 999},
		     {"mount", SYS_mount, 0},
		     {"name_to_handle_at", SYS_name_to_handle_at, -1},
		     {"open_by_handle_at", SYS_open_by_handle_at, -1},
		     {"open_tree", SYS_open_tree, -1},
		     {"perf_event_open", SYS_perf_event_open, 0},
		     {"personality", SYS_personality, 0x40000},
		     {"pivot_root", SYS_pivot_root, 0},
		     {"process_vm_readv", SYS_process_vm_readv, -1},
		     {"reboot", SYS_reboot, 0},
		     {"setns", SYS_setns, -1},
		     {"syslog", SYS_syslog, 999},
		     {"unshare", SYS_unshare, 0x10000000},
		     {"userfaultfd", SYS_userfaultfd, 0x7f000000}};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const char *result = outcome(syscall(calls[i].number, calls[i].first, 0, 0, 0, 0));

		printf("call %s: %s\n", calls[i].name, result);
	}
	printf("call socket(AF_VSOCK): %s\n", outcome(socket(40, SOCK_STREAM, 0)));
	printf("call prctl(PR_SET_SECUREBITS): %s\n",
	       outcome(prctl(PR_SET_SECUREBITS, 1, 0, 0, 0)));
}

static void print_all(char **argv)
{
	static const char *const files[] = {
	    "/proc/self/cgroup",	  "/proc/self/oom_score_adj",
	    "/proc/self/personality",	  "/proc/self/attr/current",
	    "/proc/self/uid_map",	  "/proc/self/gid_map",
	    "/proc/self/setgroups",	  "/proc/self/timens_offsets",
	    "/proc/self/coredump_filter", NULL};

	print_status();
	print_mounts();
	print_namespaces();
	print_attributes();
	print_keyring();
	print_descriptors();
	print_network();
	for (const char *const *file = files; *file; file++)
		print_file(*file);
	for (char **name = environ; *name; name++)
		printf("environment: %s\n", *name);
	print_tree("/");
	for (; *argv; argv++) {
		try_path(*argv);
		if (strncmp(*argv, "/proc/sys/", 10) == 0)
			print_file(*argv);
	}
	print_refusals();
}

int main(int argc, char **argv)
{
	static char buffer[512 * 1024];
	int status = 0;
	char byte;

	if (argc > 1 && strcmp(argv[1], "-q") == 0)
		return 0;
	if (argc > 1 && strcmp(argv[1], "-w") == 0) {
		for (;;)
			pause();
	}
	if (argc > 2 && strcmp(argv[1], "-s") == 0) {
		status = (int)strtol(argv[2], NULL, 10);
		argv += 2;
	}
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	print_all(argv + 1);
	puts("END");
	fflush(stdout);
	/* Somebody looks from outside in the meantime. */
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return status;
}
