/*
 * The sandbox, from top to bottom. Each line is one protection or one thing the workload needs;
 * the order is the point of this file, and each comment says what would break in another one.
 */
#include <stddef.h>
#include <string.h>

#include "sandbox_internal.h"

const struct step sandbox_steps[] = {
    {"session", step_session},
    /* Before anything is mounted or named: all later steps act inside them. */
    {"namespaces", step_namespaces},
    {"time namespace", step_time},
    /* As root: its key quota is a hundred times the workload's. */
    {"session keyring", step_keyring},
    {"hostname", step_hostname},
    {"loopback interface", step_loopback},
    /* Before hooks and sysctls, which may be about them. */
    {"network devices", step_net_devices},
    /* Before "/" is named: it shall be the namespace's root. */
    {"leaving a chroot", step_leave_chroot},
    /* First of the mounts, or each of them would show up on the host. */
    {"mount propagation", step_propagation},
    {"rootfs", step_rootfs},
    {"mounts", step_mounts},
    /* Into the /dev that the mounts brought. */
    {"devices", step_devices},
    {"console", step_console},
    {"identity files", step_files},
    {"home", step_home},
    /* Hooks see the finished file system, but not yet from inside (config.md, hooks). */
    {"createRuntime hooks", step_runtime_hooks},
    {"createContainer hooks", step_container_hooks},
    /* After the hooks, which may still write there; sysctl before /proc/sys is read-only. */
    {"sysctl", step_sysctl},
    {"readonlyPaths", step_readonly_paths},
    {"maskedPaths", step_masked_paths},
    {"pivot_root", step_pivot_root},
    {"missing cwd", step_make_cwd},
    /* Last of the mounts: mount points had to be made. */
    {"read-only rootfs", step_rootfs_readonly},
    {"limits set by the runtime", step_limits_of_runtime},
    {"oomScoreAdj", step_oom_score},
    {"rlimits", step_rlimits},
    {"personality", step_personality},
    /* As the host's root, for CAP_SYS_NICE; a deadline scheduler forbids to fork (sched(7)), so
     * after the runtime's hooks. */
    {"priorities", step_priorities},
    {"memory policy", step_memory_policy},
    /* As root: a working directory of root's (WORKDIR /root) is still entered. */
    {"cwd", step_cwd},
    {"stdio", step_stdio},
    /* They take effect at the exec; while the host's /proc is still open. */
    {"apparmorProfile", step_apparmor},
    {"selinuxLabel", step_selinux},
    {"descriptors", step_descriptors},
    /* Without no_new_privs a filter needs CAP_SYS_ADMIN, so it comes before that goes. */
    {"seccomp (privileged)", step_seccomp_early},
    /* The bounding set needs CAP_SETPCAP, which the user change takes away. */
    {"capability bounding set", step_bounding_set},
    {"user", step_identity},
    {"capabilities", step_capabilities},
    {"no_new_privs", step_no_new_privileges},
    /* As the workload's user: what it may not execute is not there. */
    {"program", step_program},
    /* As the workload, or it would not be its rights that are asked for. */
    {"volumes", step_volumes},
    /* Last: the filter need not let through what set-up does. */
    {"seccomp", step_seccomp},
    {NULL, NULL},
};

/* exec: the same for one more process, where the file system is there already. */
const struct step sandbox_exec_steps[] = {
    /* All but the pid namespace: until "pid namespace" nobody in the container sees it. */
    {"entering the container", step_enter},
    {"session keyring", step_keyring},
    {"console", step_console},
    {"limits set by the runtime", step_limits_of_runtime},
    {"oomScoreAdj", step_oom_score},
    {"rlimits", step_rlimits},
    {"personality", step_personality},
    {"priorities", step_priorities},
    {"memory policy", step_memory_policy},
    {"final CPUs", step_final_cpus},
    {"cwd", step_cwd},
    {"stdio", step_stdio},
    {"apparmorProfile", step_apparmor},
    {"selinuxLabel", step_selinux},
    {"descriptors", step_descriptors},
    /* Only for filters that would not let it happen later. */
    {"pid namespace, before filters", step_inside_unfiltered},
    {"seccomp (privileged)", step_seccomp_early},
    {"capability bounding set", step_bounding_set},
    {"user", step_identity},
    {"capabilities", step_capabilities},
    {"no_new_privs", step_no_new_privileges},
    /* From here on in the reach of who is in the container: with his rights alone. */
    {"pid namespace", step_inside},
    {"program", step_program},
    {"seccomp", step_seccomp},
    {NULL, NULL},
};

#define N_STEPS	     (sizeof(sandbox_steps) / sizeof(sandbox_steps[0]) - 1)
#define N_EXEC_STEPS (sizeof(sandbox_exec_steps) / sizeof(sandbox_exec_steps[0]) - 1)

const char *const *sandbox_step_names(void)
{
	static const char *names[N_STEPS + N_EXEC_STEPS + 1];
	size_t n = 0;

	for (size_t i = 0; i < N_STEPS; i++)
		names[n++] = sandbox_steps[i].name;
	for (size_t i = 0; i < N_EXEC_STEPS; i++) {
		size_t known = 0;

		while (known < n && strcmp(names[known], sandbox_exec_steps[i].name) != 0)
			known++;
		if (known == n)
			names[n++] = sandbox_exec_steps[i].name;
	}
	names[n] = NULL;
	return names;
}
