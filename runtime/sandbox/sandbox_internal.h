/* What the files of the sandbox share: the child's view, its steps, the words on the socket. */
#ifndef RUNSAFE_SANDBOX_INTERNAL_H
#define RUNSAFE_SANDBOX_INTERNAL_H

#include <signal.h>
#include <stdint.h>
#include <sys/mount.h>

#include "error.h"
#include "kernel.h"
#include "message.h"
#include "plan.h"
#include "sandbox.h"

/* The child while it walks. */
struct child {
	const struct plan *plan;
	int socket;
	int root;	  /* the container's root, O_PATH */
	int scratch;	  /* a tmpfs of ours, below the rootfs: goes away with the old root */
	int runtime_root; /* the runtime's own root where that is a chroot, else -1 */
	int own_oom_score, own_time_offsets; /* files in /proc, opened early where nobody else can
						write them for us, else -1 */
	bool at_own_path; /* rootfs and scratch lie on the rootfs's own path, else over the old root
			   */
	bool scratch_over_root; /* it has to be taken away before the old root can be */
	bool inside;		/* exec: seen in the container's pid namespace */
	char program[4096];	/* what will be executed, resolved */
};

/* Whether hooks see the mounts before pivot_root(2) takes the old root away. */
static inline bool hooks_see_mounts(const struct plan *plan)
{
	return plan->prestart.n + plan->create_runtime.n + plan->create_container.n > 0;
}

/* One step; on failure it says on what and why in err, and the walk ends. */
struct step {
	const char *name; /* as a person would call the protection */
	int (*run)(struct child *child, struct error *err);
};

/* steps.c: the order of things. */
extern const struct step sandbox_steps[];
extern const struct step sandbox_exec_steps[];

/* receive.c: a message on the runtime's side. */
struct received {
	struct message message;
	int fd;	   /* -1: none came along */
	pid_t pid; /* the sender's, where asked for */
};
/* Returns 1 with a message, 0 at the end of the socket, -1 with errno set. out->fd is the caller's.
 */
int message_receive(int socket, struct received *out);
/* That it is one of this plan's, and brought what belongs to it. Returns 0, or -1 with err set. */
int message_check(const struct plan *plan, const struct received *got, struct error *err);
/* Makes err of the child's own report. Returns -1. */
int message_failed(struct message *message, struct error *err);

/* child.c */
int child_tell(struct child *child, enum message_kind kind, int fd);
int child_wait_for_parent(struct child *child, struct error *err);
/* "runsafe: TEXT" as it may be shown on a terminal. Returns its length. */
size_t child_line(const char *text, char *line, size_t room);
/* One line on the workload's stderr, which is somebody else's then. */
void child_say(const struct error *err);
/* Never returns. stage is 0 for the first process of two, 1 for the one that becomes the workload.
 */
_Noreturn void child_main(const struct plan *plan, int socket);

/* The steps, by file. namespaces.c */
int step_session(struct child *child, struct error *err);
int step_namespaces(struct child *child, struct error *err);
int step_time(struct child *child, struct error *err);
int step_hostname(struct child *child, struct error *err);
int step_loopback(struct child *child, struct error *err);
int step_net_devices(struct child *child, struct error *err);
int step_keyring(struct child *child, struct error *err);
/* The first of two processes: joins, and clones the one that goes on (DESIGN.md section 6). */
int namespaces_become_user(const struct plan *plan, struct error *err);
int namespaces_late_cgroup(struct child *child, struct error *err);
int namespaces_join_all(const struct plan *plan, bool before_user, struct error *err);
/* enter.c: the second and third step are one, at the one or the other place */
int step_enter(struct child *child, struct error *err);
int step_inside_unfiltered(struct child *child, struct error *err);
int step_inside(struct child *child, struct error *err);
/* Whether it is a second process, cloned by that step, that executes the program. */
bool clones_inside(const struct plan *plan);
/* chroot.c: paths of the runtime's (hooks, the rootfs) are looked up between the two. */
int step_leave_chroot(struct child *child, struct error *err);
int chroot_to_runtime(struct child *child, struct error *err);
int chroot_leave_again(struct child *child, struct error *err);
/* mounts.c */
int step_propagation(struct child *child, struct error *err);
int step_rootfs(struct child *child, struct error *err);
int step_mounts(struct child *child, struct error *err);
/* What only the first of two processes may mount, into the plan. */
void mounts_before_user(const struct plan *plan);
int mounts_attach(struct child *child, int tree, const char *destination, bool is_file);
/* Makes a /dev read-only that config.json wants so, after all that goes into it. */
int mounts_late_readonly(struct child *child, struct error *err);
/* copyup.c */
int copy_up(const struct plan *plan, int from, int to, const struct plan_mount *mount,
	    struct error *err);
/* newmount.c */
int mount_new(const struct plan_mount *mount, struct error *err);
/* Whether only mount(2) can do it: fsconfig(2) takes values of at most 255 bytes, and no commas for
 * file systems of the older kind. */
bool mount_needs_old_call(const struct plan_mount *mount);
int mount_old(const struct plan_mount *mount, int scratch, struct error *err);
/* devices.c */
int step_devices(struct child *child, struct error *err);
/* files.c */
int step_files(struct child *child, struct error *err);
int step_home(struct child *child, struct error *err);
int scratch_file(struct child *child, const char *name, const char *content);
/* console.c */
int step_console(struct child *child, struct error *err);
int step_controlling_terminal(struct child *child, struct error *err);
int step_stdio(struct child *child, struct error *err);
/* paths.c */
int step_masked_paths(struct child *child, struct error *err);
int step_readonly_paths(struct child *child, struct error *err);
int step_sysctl(struct child *child, struct error *err);
int sysctls_write(const struct plan *plan, bool before_user, struct error *err);
int sysctls_write_early(const struct plan *plan, struct error *err);
/* pivot.c */
int step_runtime_hooks(struct child *child, struct error *err);
int step_container_hooks(struct child *child, struct error *err);
int step_pivot_root(struct child *child, struct error *err);
int step_make_cwd(struct child *child, struct error *err);
int step_rootfs_readonly(struct child *child, struct error *err);
int step_cwd(struct child *child, struct error *err);
/* limits.c */
int step_limits_of_runtime(struct child *child, struct error *err);
int step_oom_score(struct child *child, struct error *err);
int step_rlimits(struct child *child, struct error *err);
int step_personality(struct child *child, struct error *err);
/* scheduling.c */
int step_priorities(struct child *child, struct error *err);
int step_memory_policy(struct child *child, struct error *err);
/* exec's last word on its CPUs: once it is in the cgroup */
int step_final_cpus(struct child *child, struct error *err);
/* Scheduler and I/O priority of a process; 0 is the caller's own. */
int priorities_set(const struct plan *plan, pid_t pid, struct error *err);
/* lsm.c */
int step_apparmor(struct child *child, struct error *err);
int step_selinux(struct child *child, struct error *err);
int lsm_label_keys(const struct plan *plan, struct error *err);
int lsm_label_mount(const struct plan *plan, const struct plan_mount *mount, int mounted,
		    struct error *err);
/* capabilities.c */
int step_bounding_set(struct child *child, struct error *err);
int step_capabilities(struct child *child, struct error *err);
/* identity.c */
int step_identity(struct child *child, struct error *err);
int step_no_new_privileges(struct child *child, struct error *err);
/* seccomp.c */
int step_seccomp_early(struct child *child, struct error *err);
int step_seccomp(struct child *child, struct error *err);
/* interrupts.c: while they are begun, HUP, INT, QUIT and TERM come by fd (-1: they do not). */
struct interrupts {
	int fd;
	bool blocked;
	sigset_t before;
};
void interrupts_begin(struct interrupts *interrupts);
/* Returns 0, or -1 with err set where they stay blocked. */
int interrupts_end(struct interrupts *interrupts, struct error *err);
int interrupt_taken(int fd); /* the signal's number; 0: none is there */
/* program.c */
int step_descriptors(struct child *child, struct error *err);
int step_program(struct child *child, struct error *err);
/* volumes.c: the step finds out, by the rights that the workload has; it is said once the gate is
 * open, when an engine has begun to listen. */
int step_volumes(struct child *child, struct error *err);
void volumes_say(const struct plan *plan);
/* stub.c */
/* Executes the workload by way of the stub. Returns -1 with errno set where that can't be begun. */
int stub_execute(struct child *child);

/* forget.c: wipes what is not used behind the gate, where plan_keep() has prepared it. */
void child_forget(const struct plan *plan);
/* Waits at the gate, runs startContainer hooks, executes. Returns only on failure. */
int program_execute(struct child *child, struct error *err);

/* The runtime's arguments and environment, wiped while they are hidden. main() has copies of the
 * arguments; getenv(3) finds nothing meanwhile. arguments_hide() returns 0, or -1 with err set. */
struct arguments {
	char *start, *copy;
	size_t n;
};
int arguments_hide(struct arguments *arguments, struct error *err);
void arguments_show(struct arguments *arguments);

#endif
