/* The constants of fsopen(2) and what belongs to it, which musl does not have. */
#ifndef RUNSAFE_MUSL_SYS_MOUNT_H
#define RUNSAFE_MUSL_SYS_MOUNT_H

#include_next <sys/mount.h>

#include <linux/mount.h>

#endif
