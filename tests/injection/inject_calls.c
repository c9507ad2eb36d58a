#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#include "inject.h"

#if defined(__x86_64__)
bool inject_skip_call(pid_t pid)
{
	return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), -1L) == 0;
}

bool inject_set_result(pid_t pid, int result)
{
	return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), (long)result) == 0;
}
#elif defined(__aarch64__)
bool inject_skip_call(pid_t pid)
{
	int none = -1;
	struct iovec iov = {.iov_base = &none, .iov_len = sizeof(none)};

	return ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &iov) == 0;
}

bool inject_set_result(pid_t pid, int result)
{
	struct user_regs_struct regs;
	struct iovec iov = {.iov_base = &regs, .iov_len = sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov) < 0)
		return false;
	regs.regs[0] = (unsigned long long)(long long)result;
	return ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov) == 0;
}
#else
#error "inject knows the registers of x86-64 and aarch64"
#endif

char *inject_call_name(const struct __ptrace_syscall_info *info)
{
	char *name = seccomp_syscall_resolve_num_arch(info->arch, (int)info->entry.nr);

	if (!name && asprintf(&name, "call_%d", (int)info->entry.nr) < 0)
		abort();
	return name;
}

/* Which argument is the path; those that are not here have it second when their name ends so. */
static const struct {
	const char *name;
	int argument;
} paths[] = {
    {"access", 0},     {"chdir", 0},	   {"chmod", 0},      {"chroot", 0},   {"execve", 0},
    {"fsopen", 0},     {"getxattr", 0},	   {"lgetxattr", 0},  {"lstat", 0},    {"memfd_create", 0},
    {"mkdir", 0},      {"mkfifo", 0},	   {"mknod", 0},      {"mount", 1},    {"mount_setattr", 1},
    {"open", 0},       {"open_tree", 1},   {"pivot_root", 0}, {"readlink", 0}, {"rename", 0},
    {"rmdir", 0},      {"sethostname", 0}, {"stat", 0},	      {"statfs", 0},   {"statx", 1},
    {"symlink", 0},    {"umount2", 0},	   {"unlink", 0},     {"fspick", 1},   {"fsconfig", 2},
    {"move_mount", 3}, {"setxattr", 0},
};

static const char *const descriptors[] = {
    "write", "read",  "pwrite64", "fchmod", "fchown", "flock", "ftruncate",  "fsync",
    "fcntl", "ioctl", "fstat",	  "fchdir", "writev", "close", "getdents64",
};

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

static int path_argument(const char *name)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (strcmp(paths[i].name, name) == 0)
			return paths[i].argument;
	}
	if (strcmp(name, "symlinkat") == 0)
		return 2;
	return ends_in(name, "at") || ends_in(name, "at2") ? 1 : -1;
}

static void print_word(FILE *out, const char *text, ssize_t length)
{
	for (ssize_t i = 0; i < length && text[i]; i++)
		fputc(text[i] > ' ' && text[i] < 0x7f ? text[i] : '?', out);
}

void inject_print_path(FILE *out, pid_t pid, const char *name,
		       const struct __ptrace_syscall_info *info)
{
	char text[256], link[64];
	const int argument = path_argument(name);

	if (argument >= 0) {
		struct iovec here = {.iov_base = text, .iov_len = sizeof(text)};
		const size_t at = (size_t)info->entry.args[argument];
		/* No further than its page: the next may not be there. */
		struct iovec there = {.iov_base = (char *)NULL + at, .iov_len = 4096 - at % 4096};
		if (there.iov_len > sizeof(text))
			there.iov_len = sizeof(text);
		print_word(out, text, at ? process_vm_readv(pid, &here, 1, &there, 1, 0) : 0);
		return;
	}
	for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
		if (strcmp(descriptors[i], name) != 0)
			continue;
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, (int)info->entry.args[0]);
		print_word(out, text, readlink(link, text, sizeof(text)));
	}
}

char inject_task_state(pid_t pid)
{
	char text[512];

	snprintf(text, sizeof(text), "/proc/%d/stat", pid);
	int fd = open(text, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	const char *end = strrchr(text, ')');
	return (char)(end && end[1] ? end[2] : 0);
}

bool inject_is_listed(const char *list, const char *name)
{
	const size_t n = strlen(name);

	for (; *list; list += strcspn(list, ","), list += *list == ',') {
		if (strncmp(list, name, n) == 0 && (list[n] == ',' || !list[n]))
			return true;
	}
	return false;
}

bool inject_exchange(const char *a, const char *b)
{
	return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0;
}

int inject_errno(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (end != text && !*end)
		return number >= 0 && number < 4096 ? (int)number : -1;
	for (int i = 1; i < 200; i++) {
		const char *name = strerrorname_np(i);
		if (name && strcmp(name, text) == 0)
			return i;
	}
	return -1;
}
