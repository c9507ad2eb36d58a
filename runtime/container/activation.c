/* Socket activation (sd_listen_fds(3)): the caller's sockets go on to the workload. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch.h"

unsigned int activation_fds(void)
{
	const char *count = getenv("LISTEN_FDS");
	const char *pid = getenv("LISTEN_PID");
	unsigned long n;
	char *end;

	if (!count || *count < '0' || *count > '9')
		return 0;
	/* Meant for another process: the variables were inherited, the sockets were not. */
	if (pid && *pid && strtol(pid, NULL, 10) != getpid())
		return 0;
	errno = 0;
	n = strtoul(count, &end, 10);
	return *end || errno || n > INT_MAX / 2 ? 0 : (unsigned int)n;
}

void activation_environment(struct arena *arena, struct plan *plan)
{
	struct str_list env = {.items = plan->envp, .n = plan->n_env};
	const char *names = getenv("LISTEN_FDNAMES");
	unsigned int n = activation_fds();

	if (n == 0)
		return;
	plan->preserve_fds += n;
	env_set(arena, &env, "LISTEN_FDS", arena_printf(arena, "%u", n));
	if (names)
		env_set(arena, &env, "LISTEN_FDNAMES", names);
	/* Its number in its own pid namespace is known to the child only. */
	env_set(arena, &env, "LISTEN_PID", "0123456789");
	for (size_t i = 0; i < env.n; i++) {
		if (strcmp(env.items[i], "LISTEN_PID=0123456789") == 0)
			plan->listen_pid = env.items[i] + sizeof("LISTEN_PID=") - 1;
	}
	plan->envp = env.items;
	plan->n_env = env.n;
}
