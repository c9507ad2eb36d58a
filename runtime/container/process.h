/* A container's workload as a process, seen from the runtime: alive, dead, or somebody else. */
#ifndef RUNSAFE_CONTAINER_PROCESS_H
#define RUNSAFE_CONTAINER_PROCESS_H

#include <stdbool.h>

#include "container.h"

/* Text of a boot id with its NUL: a UUID. */
#define BOOT_ID_SIZE 37

/* This boot's id from /proc/sys/kernel/random/boot_id. Returns 0, or -1 with err set. */
int process_boot_id(char out[BOOT_ID_SIZE], struct error *err);

/* Whether the state is from an earlier boot: its pid and its cgroup are nobody's, or others'. 1, 0,
 * or -1 with err set where that can not be seen. */
int process_other_boot(const struct container_state *state, struct error *err);

/*
 * Opens the workload as a pidfd, so that a signal can not reach a process that got its number
 * later. Returns the descriptor, or -1 with errno set: ESRCH when it is dead, a zombie, or when
 * its number belongs to another process by now.
 */
int process_open(const struct container_state *state);

/*
 * Whether the workload lives, for who only looks: as process_open() without the descriptor. 1, 0,
 * or -1 with errno set where that can not be seen. *executed: whether it is another program by now
 * than the runtime that made it.
 */
int process_look(const struct container_state *state, bool *executed);

/*
 * Whether the workload of this pidfd is dead or dying: what it had (namespaces, files) is taken
 * away before the pidfd says that it has ended.
 */
bool process_ends(const struct container_state *state, int pidfd);

/*
 * That the cgroup at the state's path, if one is there, is the one that the container was made in:
 * a path can be made again, by whoever. Returns 0, or -1 with err set; its number is 0 when the
 * group is another's, and errno when that could not be seen.
 */
int process_check_cgroup(const struct container_state *state, struct error *err);

/* Sends sig through a pidfd. Returns 0, or -1 with errno set. */
int process_signal(int pidfd, int sig);

/* Waits until the process of a pidfd has ended. Returns 0, or -1 with errno ETIMEDOUT or other. */
int process_wait(int pidfd, int timeout_ms);

#endif
