/* What exec is asked to run: process.json, or without a brace the options --user, --cwd, groups,
 * variables and capabilities, with a byte 0xff behind each. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../runtime/container/exec.h"
#include "fd.h"
#include "fuzz.h"

/* The container that is there: what `spec` prints, hardened. Its memory is kept. */
static const struct config *container(const char *policy)
{
	static struct {
		const char *policy;
		struct config cfg;
	} made[3];
	static struct arena arena;
	struct error err = ERROR_INIT;
	struct hardening hardening;
	struct findings findings = {.arena = &arena};
	size_t i = 0;

	for (; i < 3 && made[i].policy; i++)
		if (strcmp(made[i].policy, policy) == 0)
			return &made[i].cfg;
	struct policy_input in = builtin_policy(&arena, policy);

	made[i].policy = policy;
	config_spec(&arena, &made[i].cfg);
	if (policy_apply(&arena, &in, true, &made[i].cfg, &hardening, &findings, &err) < 0)
		broken("check collects what is refused", err.text);
	return &made[i].cfg;
}

static int read_process(struct arena *arena, const uint8_t *data, size_t size,
			const struct config_process *own, struct config_process *out,
			struct error *err)
{
	struct exec_options exec = {0};

	if (size && data[0] == '{') {
		cleanup_fd int file = memfd_create("process", MFD_CLOEXEC);

		if (file < 0 || fd_write_all(file, data, size) < 0)
			broken("a file in memory can be made", "process.json");
		exec.process_file = arena_printf(arena, "/proc/self/fd/%d", file);
		return exec_process(arena, &exec, own, out, err);
	}
	exec.user = next_part(arena, &data, &size);
	exec.cwd = next_part(arena, &data, &size);
	str_list_add(arena, &exec.args, arena_strdup(arena, "sh"));
	while (size) {
		str_list_add(arena, &exec.env, next_part(arena, &data, &size));
		if (size)
			str_list_add(arena, &exec.additional_gids, next_part(arena, &data, &size));
		if (size)
			str_list_add(arena, &exec.capabilities, next_part(arena, &data, &size));
	}
	return exec_process(arena, &exec, own, out, err);
}

/* This process stands for the container's first one: it is in its own namespaces. */
static void plan_it(struct arena *arena, const struct config *cfg,
		    const struct hardening *hardening, const struct config_process *first)
{
	static int pidfd = -1;
	struct findings findings = {.arena = arena};
	struct error err = ERROR_INIT;
	struct stat root;
	struct plan plan;

	if (pidfd < 0)
		pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (pidfd < 0 || stat("/", &root) < 0)
		broken("a process can look at itself", "pidfd_open");
	const struct plan_exec_input in = {.config = cfg,
					   .hardening = hardening,
					   .first = first,
					   .pidfd = pidfd,
					   .pid = getpid(),
					   .root_device = root.st_dev,
					   .root_inode = root.st_ino};

	if (plan_make_exec(arena, &in, &plan, &findings, &err) < 0)
		check_error(&err);
	else if (plan.uid == 0 || plan.gid == 0 || plan.capabilities.bounding ||
		 plan.capabilities.ambient || !plan.no_new_privileges || plan.n_filters == 0)
		broken("exec is no looser than its container", "plan");
	plan_close(&plan);
}

static void harden(struct arena *arena, const struct config_process *parsed, const char *policy)
{
	const struct config *made = container(policy);
	struct policy_input in = builtin_policy(arena, policy);
	struct findings findings = {.arena = arena};
	struct error err = ERROR_INIT;
	struct hardening hardening = {0};
	struct config cfg = *made;

	cfg.process = *parsed;
	if (policy_apply_process(arena, &in, made, &cfg.process, &hardening, &findings, &err) < 0) {
		check_error(&err);
		return;
	}
	if (strcmp(policy, "oci") == 0)
		return;
	must_be_unprivileged(&cfg.process, &hardening);
	if (strcmp(policy, "default") == 0)
		plan_it(arena, &cfg, &hardening, &made->process);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const policies[] = {"default", "strict", "oci"};
	struct arena arena = ARENA_INIT;
	int next = place_next_descriptor();

	for (size_t i = 0; i < 3; i++) {
		const struct config *made = container(policies[i]);
		struct config_process process;
		struct error err = ERROR_INIT;

		if (read_process(&arena, data, size, &made->process, &process, &err) < 0)
			check_error(&err);
		else
			harden(&arena, &process, policies[i]);
	}
	if (place_next_descriptor() > next + 1)
		broken("exec closes what it opened", "a descriptor is left");
	arena_free(&arena);
	return 0;
}
