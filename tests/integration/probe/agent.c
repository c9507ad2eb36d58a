/*
 * Tries to reach release_agent, by which a cgroup hierarchy of version 1 runs a program of the
 * host: in new namespaces, where a process has all capabilities, when called with "unshare". What
 * it would write is an empty line, so that nothing runs. Prints NAME=OK or the error's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(const char *name, long result)
{
	printf("%s=%s\n", name, result < 0 ? strerrorname_np(errno) : "OK");
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = {"freezer", "memory",	   "rdma", "misc", "cpuset",
					    "pids",    "none,name=systemd"};

	if (argc > 1 && strcmp(argv[1], "unshare") == 0)
		say("unshare", unshare(CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWNS));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int mounted = mount("cgroup", "/mnt", "cgroup", 0, kinds[i]);

		say("mount", mounted);
		if (mounted < 0)
			continue;
		int fd = open("/mnt/release_agent", O_WRONLY | O_CLOEXEC);
		say("open", fd);
		if (fd >= 0)
			say("write", write(fd, "\n", 1));
	}
	say("mkdir", mkdir("/sys/fs/cgroup/made", 0755));
	say("move", open("/sys/fs/cgroup/cgroup.procs", O_WRONLY | O_CLOEXEC));
	return 0;
}
