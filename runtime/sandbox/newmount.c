/* A new instance of a file system, by the new mount API where it will do. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox_internal.h"

static const struct {
	uint64_t flag;
	const char *word;
} superblock_words[] = {
    {MS_SYNCHRONOUS, "sync"},
    {MS_DIRSYNC, "dirsync"},
    {MS_LAZYTIME, "lazytime"},
    {MS_MANDLOCK, "mand"}, /* "silent" is a word of mount(2) only */
};

static int set(int context, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			    key, value, 0);
}

/* The context keeps a log of what the file system did not like ("e tmpfs: Unknown parameter"). */
static int explain(int context, int errnum, const char *what, struct error *err)
{
	char text[256];
	ssize_t n = read(context, text, sizeof(text) - 1);

	if (n <= 2)
		return error_errno(err, errnum, "%s", what);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return error_errno(err, errnum, "%s: %s", what, text + 2);
}

static int configure(int context, const struct plan_mount *m, struct error *err)
{
	char mode[16];

	(void)snprintf(mode, sizeof(mode), "%o", m->kept_mode);
	if (m->keep_mode && set(context, "mode", mode) < 0)
		return explain(context, errno, "mode", err);
	if (m->source && set(context, "source", m->source) < 0)
		return explain(context, errno, "its source", err);
	for (size_t i = 0; i < sizeof(superblock_words) / sizeof(superblock_words[0]); i++) {
		if (m->superblock_flags & superblock_words[i].flag &&
		    set(context, superblock_words[i].word, NULL) < 0)
			return explain(context, errno, superblock_words[i].word, err);
	}
	for (size_t i = 0; i < m->data.n; i++) {
		if (set(context, m->data.items[i].key, m->data.items[i].value) < 0)
			return explain(context, errno, m->data.items[i].key, err);
	}
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return explain(context, errno, "making the file system", err);
	return 0;
}

/* Returns the detached mount, or -1 with err set. */
int mount_new(const struct plan_mount *m, struct error *err)
{
	uint64_t attr = m->attr.set;
	cleanup_fd int context = (int)syscall(SYS_fsopen, m->type, FSOPEN_CLOEXEC);

	if (context < 0)
		return error_errno(err, errno, "file system \"%s\"", m->type);
	if (configure(context, m, err) < 0)
		return -1;
	if (m->copy_up)
		attr &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	int mounted = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, (unsigned int)attr);
	if (mounted < 0)
		return error_errno(err, errno, "mounting");
	return mounted;
}

bool mount_needs_old_call(const struct plan_mount *m)
{
	for (size_t i = 0; i < m->data.n; i++) {
		const char *value = m->data.items[i].value;
		/* overlay before Linux 6.5 refuses an escaped comma from fsconfig(2). */
		if (value && (strlen(value) > 255 || strchr(value, ',')))
			return true;
	}
	return false;
}

static unsigned long old_flags(uint64_t attr)
{
	static const struct {
		uint64_t attr;
		unsigned long flag;
	} pairs[] = {
	    {MOUNT_ATTR_RDONLY, MS_RDONLY},
	    {MOUNT_ATTR_NOSUID, MS_NOSUID},
	    {MOUNT_ATTR_NODEV, MS_NODEV},
	    {MOUNT_ATTR_NOEXEC, MS_NOEXEC},
	    {MOUNT_ATTR_NOATIME, MS_NOATIME},
	    {MOUNT_ATTR_STRICTATIME, MS_STRICTATIME},
	    {MOUNT_ATTR_NODIRATIME, MS_NODIRATIME},
	    {MOUNT_ATTR_NOSYMFOLLOW, 256 /* MS_NOSYMFOLLOW, Linux 5.10 */},
	};
	unsigned long flags = 0;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (attr & pairs[i].attr)
			flags |= pairs[i].flag;
	}
	return flags;
}

/* mount(2) in the set-up's own tmpfs, from where it is moved as what mount_new() returns is: no
 * path of the rootfs takes part. Returns the mount, or -1 with err set. */
int mount_old(const struct plan_mount *m, int scratch, struct error *err)
{
	static const char place[] = "place";

	if (mkdirat(scratch, place, 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "making a place to mount at");
	cleanup_fd int at = openat(scratch, place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || fchdir(at) < 0 ||
	    mount(m->source, ".", m->type,
		  old_flags(m->attr.set) | (unsigned long)m->superblock_flags, m->data_text) < 0)
		return error_errno(err, errno, "mounting with options %s", m->data_text);
	if (chdir("/") < 0)
		return error_errno(err, errno, "going back to /");
	int mounted = openat(scratch, place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return mounted < 0 ? error_errno(err, errno, "opening what was mounted") : mounted;
}
