/* AppArmor's profile and SELinux's label, from the next exec on. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox_internal.h"

/*
 * Opens one of the thread's own attributes in the procfs that the runtime knows to be one. Nothing
 * may be mounted over it: a write into another file would be a protection that is not there
 * (CVE-2019-16884, CVE-2019-19921).
 */
static int open_attribute(const struct plan *plan, const char *name)
{
	char path[64];
	struct open_how how = {
	    .flags = O_WRONLY | O_CLOEXEC,
	    .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};

	snprintf(path, sizeof(path), "thread-self/attr/%s", name);
	return (int)syscall(SYS_openat2, plan->proc, path, &how, sizeof(how));
}

static int write_once(int fd, const char *text, size_t length)
{
	ssize_t n = write(fd, text, length);

	if (n >= 0 && (size_t)n != length)
		errno = EIO;
	return n == (ssize_t)length ? 0 : -1;
}

static int explain_profile(const char *profile, int errnum, struct error *err)
{
	const char *hint = "";

	if (errnum == ENOENT)
		hint = " (no such profile is loaded: apparmor_parser -r FILE loads one, aa-status "
		       "lists them)";
	else if (errnum == EACCES || errnum == EPERM)
		hint = " (the profile that the runtime itself runs under does not let it)";
	return error_errno(err, errnum, "applying \"%s\"%s", profile, hint);
}

int step_apparmor(struct child *child, struct error *err)
{
	const char *profile = child->plan->apparmor_profile;
	char text[4096]; /* the kernel takes a page at most */

	if (!profile)
		return 0;
	int length = snprintf(text, sizeof(text), "exec %s", profile);
	if (length < 0 || (size_t)length >= sizeof(text))
		return explain_profile("the profile", ENAMETOOLONG, err);
	cleanup_fd int fd = open_attribute(child->plan, "apparmor/exec");
	/* Before Linux 5.8; with other modules beside it that file is the first one's. */
	if (fd < 0 && errno == ENOENT)
		fd = open_attribute(child->plan, "exec");
	if (fd < 0)
		return error_errno(err, errno, "opening /proc/thread-self/attr/apparmor/exec");
	if (write_once(fd, text, (size_t)length) < 0)
		return explain_profile(profile, errno, err);
	return 0;
}

static int write_label(const struct plan *plan, const char *attribute, struct error *err)
{
	const char *label = plan->selinux_label;
	cleanup_fd int fd = open_attribute(plan, attribute);

	if (fd < 0)
		return error_errno(err, errno, "opening /proc/thread-self/attr/%s", attribute);
	if (write_once(fd, label, strlen(label)) < 0)
		return error_errno(err, errno, "applying \"%s\" (attr/%s)%s", label, attribute,
				   errno == EINVAL ? " (the loaded policy knows no such label)"
						   : "");
	return 0;
}

int step_selinux(struct child *child, struct error *err)
{
	return child->plan->selinux_label ? write_label(child->plan, "exec", err) : 0;
}

/* A key is labelled when it is made: else the workload could not use its own keyring. */
int lsm_label_keys(const struct plan *plan, struct error *err)
{
	return plan->selinux_label ? write_label(plan, "keycreate", err) : 0;
}

/* mqueue takes no context option: its root is labelled as a file is. */
int lsm_label_mount(const struct plan *plan, const struct plan_mount *mount, int mounted,
		    struct error *err)
{
	if (!plan->mount_label || strcmp(mount->type, "mqueue") != 0)
		return 0;
	cleanup_fd int fd = openat(mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 ||
	    fsetxattr(fd, "security.selinux", plan->mount_label, strlen(plan->mount_label), 0) < 0)
		return error_errno(err, errno, "%s: giving it linux.mountLabel", mount->label);
	return 0;
}
