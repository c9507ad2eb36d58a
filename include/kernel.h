/* System calls that glibc of the oldest supported system (Debian 12) does not wrap as we need. All
 * return -1 with errno set when they fail. */
#ifndef RUNSAFE_KERNEL_H
#define RUNSAFE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/types.h>

/* MOUNT_ATTR_NOSYMFOLLOW came with Linux 5.14, after the headers of some supported systems. */
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

/* move_mount(2) of the mount at descriptor from onto the place of descriptor to. */
int sys_move_mount(int from, int to);

/* open_tree(2) with OPEN_TREE_CLONE: a detached copy of the mount (and all below) at fd. */
int sys_clone_tree(int fd, bool recursive);

/* mount_setattr(2): MOUNT_ATTR_* to set and clear, propagation one of MS_* or 0. */
int sys_set_attr(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation);

/* mount_setattr(2) with MOUNT_ATTR_IDMAP: files of the detached mount show the owners that the user
 * namespace maps theirs to. */
int sys_map_ids(int fd, bool recursive, int user_namespace);

/* clone3(2) like fork(2), with CLONE_NEW* and CLONE_PARENT in flags; straight into the cgroup
 * directory when it is not -1; *pidfd is filled when pidfd is not NULL. */
pid_t sys_clone3(uint64_t flags, int cgroup, int *pidfd);

/* Whether this process is in another user namespace than the host's first one, now: the runtime of
 * an ordinary user enters one on its way (rootless_begin()). What can not be looked at counts as
 * that one, where the rules are stricter. */
bool sys_in_user_namespace(void);

/* Every signal does what it does by default, and none is blocked (signal(7)): for what is executed
 * next, whose business are neither our handlers nor what our caller ignores. Returns 0, or -1 with
 * errno set. */
int sys_default_signals(void);

/* pidfd_open(2) and pidfd_send_signal(2). */
int sys_pidfd_open(pid_t pid);
int sys_pidfd_kill(int pidfd, int sig);

#endif
