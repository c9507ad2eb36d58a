#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "json_write.h"
#include "log.h"
#include "process.h"
#include "rootless.h"
#include "utc.h"

#define KILL_TIMEOUT_MS 10000

static int open_bundle(struct launch *l, struct error *err)
{
	char real[PATH_MAX];
	const char *path = l->create->bundle ? l->create->bundle : ".";

	l->bundle = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->bundle < 0)
		return error_errno(err, errno, "opening the bundle %s", path);
	if (!realpath(path, real))
		return error_errno(err, errno, "looking up the bundle %s", path);
	l->bundle_path = arena_strdup(l->arena, real);
	return 0;
}

/*
 * buildah, also as `podman build`, marks its steps by nothing but names that it chooses itself: the
 * id is "buildah-" and the bundle's folder, which is "buildah" and a number. It only makes a
 * refusal clearer: whoever uses such names gets no more by them.
 */
static bool is_image_build(const struct launch *l)
{
	static const char mark[] = "buildah-buildah";
	const char *folder = strrchr(l->bundle_path, '/');
	const char *id = l->create->id;

	return id && folder && strncmp(id, mark, strlen(mark)) == 0 &&
	       strcmp(strchr(id, '-') + 1, folder + 1) == 0;
}

static int harden(struct launch *l, bool check, struct error *err)
{
	size_t length;
	const struct policy *policy =
	    policy_choose(l->arena, l->options, &l->policy_text, &length, err);
	if (!policy)
		return -1;
	struct policy_input input = {
	    .policy = policy,
	    .allow = l->options->allow,
	    .n_allow = l->options->n_allow,
	    .no_new_keyring = l->create->no_new_keyring,
	    .image_build = is_image_build(l),
	    .in_user_namespace = policy_user_namespace(&l->config),
	};
	l->policy_name = policy_name(policy);
	return policy_apply(l->arena, &input, check, &l->config, &l->hardening, &l->findings, err);
}

static int check_terminal(struct launch *l, struct error *err)
{
	bool detached = l->create->detach || !l->create->id;

	if (l->plan.terminal && detached && !l->create->console_socket)
		return error_set(err,
				 "process.terminal: cannot allocate a terminal for a container "
				 "that is left alone without --console-socket");
	if (!l->plan.terminal && l->create->console_socket)
		return error_set(err, "--console-socket: the container has no terminal "
				      "(process.terminal is false)");
	return 0;
}

void launch_init(struct launch *l)
{
	l->findings.arena = l->arena;
	l->notify_socket = -1;
	l->bundle = l->pidfd_socket = l->signals = l->container.dir = l->cgroup.dir = -1;
	l->plan.rootfs_tree = l->plan.proc = l->plan.gate = l->plan.report = l->plan.target = -1;
	l->sandbox = (struct sandbox){
	    .pid = -1, .pidfd = -1, .socket = -1, .console = -1, .network = -1, .listener = -1};
	l->net_move = (struct net_move){.from = -1, .to = -1};
}

/* A mount that was opened in the old mount namespace can not be cloned in the new one. */
static int reopen_bundle(struct launch *l, struct error *err)
{
	struct stat before, after;
	cleanup_fd int again = open(l->bundle_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (again < 0 || fstat(l->bundle, &before) < 0 || fstat(again, &after) < 0)
		return error_errno(err, errno, "opening the bundle %s again", l->bundle_path);
	if (before.st_dev != after.st_dev || before.st_ino != after.st_ino)
		return error_set(err, "the bundle %s changed while it was read", l->bundle_path);
	close(l->bundle);
	l->bundle = fd_take(&again);
	return 0;
}

static int begin_rootless(struct launch *l, struct plan_input *input, struct error *err)
{
	l->caller = getuid();
	if (rootless_begin(l->arena, &l->config, input, err) < 0)
		return -1;
	if (!input->entered_user_namespace && !input->nested)
		return 0;
	if (reopen_bundle(l, err) < 0)
		return -1;
	input->bundle = l->bundle;
	return 0;
}

int launch_prepare(struct launch *l, bool check, struct error *err)
{
	const char *config = l->create->config;
	struct plan_input input;

	launch_init(l);
	if (open_bundle(l, err) < 0 ||
	    config_read_file(l->arena, l->bundle, config ? config : "config.json", &l->config,
			     err) < 0 ||
	    harden(l, check, err) < 0)
		return -1;
	input = (struct plan_input){
	    .config = &l->config,
	    .hardening = &l->hardening,
	    .id = l->create->id,
	    .bundle = l->bundle,
	    .bundle_path = l->bundle_path,
	    .no_pivot = l->create->no_pivot,
	    .preserve_fds = l->create->preserve_fds,
	    .check_only = check,
	    .seals = !check,
	    .root = check ? NULL : l->options->root,
	};
	if (!check && begin_rootless(l, &input, err) < 0)
		return -1;
	if (plan_make(l->arena, &input, &l->plan, &l->findings, err) < 0)
		return -1;
	if (check)
		return 0;
	if (l->plan.protect_binary && (!l->plan.stub_suffices || sandbox_make_stub(&l->plan) < 0))
		return seal_and_reexecute(err);
	activation_environment(l->arena, &l->plan);
	return check_terminal(l, err);
}

static char *now_text(struct arena *arena)
{
	struct timespec now;
	char text[UTC_TEXT_SIZE];

	clock_gettime(CLOCK_REALTIME, &now);
	utc_text(text, now.tv_sec);
	return arena_printf(arena, "%s.%09ldZ", text, now.tv_nsec);
}

static char *owner_text(struct arena *arena, uid_t caller)
{
	/* Not getpwuid(3): its modules may ask the network, and each start would wait. */
	return caller == 0 ? arena_strdup(arena, "root") : arena_printf(arena, "%u", caller);
}

static const char *driver_name(const struct runtime_options *options)
{
	if (options->driver == CGROUP_DRIVER_DISABLED || options->cgroup == CGROUP_NONE)
		return "disabled";
	return options->driver == CGROUP_DRIVER_SYSTEMD ? "systemd" : "cgroupfs";
}

void launch_describe(struct launch *l, struct container_state *state)
{
	state->policy = arena_strdup(l->arena, l->policy_name);
	state->builtin_seccomp = l->hardening.builtin_seccomp;
	state->policy_tmpfs = (struct str_list){0};
	for (size_t i = 0; i < l->plan.n_mounts; i++) {
		if (l->plan.mounts[i].of_policy)
			str_list_add(l->arena, &state->policy_tmpfs,
				     arena_strdup(l->arena, l->plan.mounts[i].destination));
	}
}

/* As they were written, for policy_of_state(). */
static struct str_list allow_texts(struct arena *arena, const struct runtime_options *options)
{
	struct str_list texts = {0};

	for (size_t i = 0; i < options->n_allow; i++) {
		const struct policy_setting *s = &options->allow[i];

		str_list_add(arena, &texts,
			     arena_printf(arena, "%s%s%s", s->name, s->value ? "=" : "",
					  s->value ? s->value : ""));
	}
	return texts;
}

/* The state is written three times, and an engine's filter is most of it. */
static const char *config_text(struct launch *l)
{
	struct json_writer w;

	json_start(&w, l->arena, false);
	config_write(&w, NULL, &l->config);
	return json_finish(&w);
}

static int fill_state(struct launch *l, struct error *err)
{
	struct container_state *s = &l->container.state;
	char boot_id[BOOT_ID_SIZE];
	struct stat root = {0};
	/* A delete after a crash takes away what is made from now on. */
	const size_t missing = cgroup_missing(l->arena, l->cgroup.path);

	if (process_boot_id(boot_id, err) < 0)
		return -1;
	(void)fstat(l->plan.rootfs_tree, &root); /* on failure exec is refused, no more */
	*s = (struct container_state){
	    .oci_version = l->config.oci_version,
	    .id = arena_strdup(l->arena, l->create->id),
	    .bundle = l->bundle_path,
	    .rootfs = arena_strdup(l->arena, l->plan.rootfs_path),
	    .created = now_text(l->arena),
	    .owner = owner_text(l->arena, l->caller),
	    .recorded = arena_strdup(l->arena, "creating"),
	    .boot_id = arena_strdup(l->arena, boot_id),
	    .cgroup_driver = arena_strdup(l->arena, driver_name(l->options)),
	    .cgroup_path = l->cgroup.path,
	    .cgroup_unit = l->cgroup.unit,
	    .cgroup_pending = true,
	    .cgroup_kept = missing == 0,
	    .cgroup_parents = missing ? missing - 1 : 0,
	    .policy_text = arena_strdup(l->arena, l->policy_text),
	    .allow = allow_texts(l->arena, l->options),
	    .no_new_keyring = l->create->no_new_keyring,
	    .own_pid_namespace = l->plan.clone_flags & CLONE_NEWPID,
	    .root_device = root.st_dev,
	    .root_inode = root.st_ino,
	    .config = l->config,
	    .config_text = config_text(l),
	    .findings = l->findings,
	};
	launch_describe(l, s);
	return 0;
}

void launch_state_text(struct arena *arena, const struct container_state *state,
		       enum container_status status, const char **before_pid,
		       const char **after_pid)
{
	/* The pid is known only where the hook runs. The first hit is the key itself: only the
	 * version and the checked id stand before it. */
	static const char key[] = "\"pid\":";
	const char *text = container_state_json(arena, state, status, false);
	const char *number = strstr(text, key) + strlen(key);

	*before_pid = arena_strndup(arena, text, (size_t)(number - text));
	*after_pid = arena_strdup(arena, number + strspn(number, "0123456789"));
}

static void ask_for_cgroup(struct launch *l)
{
	const struct config_linux *linux_ = &l->config.linux_;

	l->cgroup_request = (struct cgroup_request){
	    .mode = l->options->cgroup,
	    .driver = l->options->driver,
	    .path = linux_->cgroups_path && *linux_->cgroups_path ? linux_->cgroups_path : NULL,
	    .id = l->create->id,
	    .resources = &linux_->resources,
	    .devices = linux_->devices,
	    /* As written, it is the rules that say what a node in /dev is good for ("r" alone). */
	    .n_devices = l->hardening.restrict_devices ? linux_->n_devices : 0,
	    .restrict_devices = l->hardening.restrict_devices || linux_->resources.n_devices,
	    .allow_mknod = !l->hardening.restrict_devices,
	};
	l->cgroup_request.give = launch_cgroup_owner(l, &l->cgroup_request.owner);
}

/* The pid, where hooks and other commands can see it. */
int launch_record_pid(struct launch *l, struct error *err)
{
	struct container_state *s = &l->container.state;
	char letter;

	s->pid = l->sandbox.pid;
	if (process_stat(l->sandbox.pid, &s->start_time, &letter) < 0)
		return error_errno(err, errno, "looking at the container's process");
	return 0;
}

int launch_record(struct launch *l, const char *recorded, struct error *err)
{
	l->container.state.recorded = arena_strdup(l->arena, recorded);
	return container_write_state(l->arena, &l->container, err);
}

static int runtime_hooks(struct launch *l, struct error *err)
{
	const struct plan *plan = &l->plan;

	l->hooks_began = true;
	/* A hook may ask for the container's state by its id. */
	if (launch_record_pid(l, err) < 0 ||
	    container_write_state(l->arena, &l->container, err) < 0)
		return -1;
	if (hooks_run(&plan->prestart, plan->state_before_pid, l->sandbox.pid,
		      plan->state_after_pid, err) < 0 ||
	    hooks_run(&plan->create_runtime, plan->state_before_pid, l->sandbox.pid,
		      plan->state_after_pid, err) < 0)
		return -1;
	return sandbox_continue(&l->sandbox, err);
}

static int bring_to_gate(struct launch *l, struct error *err)
{
	enum sandbox_event event;

	if (sandbox_spawn(&l->plan, l->cgroup.dir, &l->sandbox, err) < 0 ||
	    interrupt_check(err) < 0)
		return -1;
	do {
		if (sandbox_wait(&l->sandbox, &l->plan, &event, err) < 0)
			return -1;
		if (event == SANDBOX_CGROUP && launch_enter_cgroup(l, err) < 0)
			return -1;
		if (event == SANDBOX_NETWORK && launch_move_net_devices(l, err) < 0)
			return -1;
		if (event == SANDBOX_NAMESPACES && runtime_hooks(l, err) < 0)
			return -1;
		if (event == SANDBOX_LISTENER &&
		    seccomp_notify_hand_over(l->arena, &l->sandbox, &l->container.state,
					     STATUS_CREATING, err) < 0)
			return -1;
	} while (event != SANDBOX_READY);
	if (launch_enter_rdt(l, err) < 0)
		return -1;
	if (console_hand_over(l, err) < 0 || pidfd_hand_over(l, "standard", err) < 0)
		return -1;
	return launch_record_pid(l, err);
}

int launch_make_room(struct launch *l, struct error *err)
{
	struct plan *plan = &l->plan;

	ask_for_cgroup(l);
	if (launch_choose_cgroup(l, err) < 0)
		return -1;
	plan_give_volumes(l->arena, plan, l->policy_name, &l->findings);
	/* Before the cgroup is made: a delete after a crash has to know where it lies. */
	if (fill_state(l, err) < 0 || container_write_state(l->arena, &l->container, err) < 0 ||
	    notify_socket_prepare(l, err) < 0 || launch_make_cgroup(l, err) < 0 ||
	    launch_make_rdt(l, err) < 0)
		return -1;
	launch_state_text(l->arena, &l->container.state, STATUS_CREATING, &plan->state_before_pid,
			  &plan->state_after_pid);
	return 0;
}

static int make_all(struct launch *l, enum plan_gate gate, struct error *err)
{
	struct plan *plan = &l->plan;

	if (launch_make_room(l, err) < 0)
		return -1;
	if (plan->start_container.n) {
		const char *after;
		launch_state_text(l->arena, &l->container.state, STATUS_CREATED,
				  &plan->started_before_pid, &after);
		plan->started_after_pid = after;
	}
	if (gate == PLAN_GATE_FIFO && sandbox_make_gate(l->container.dir, plan, err) < 0)
		return -1;
	if (gate == PLAN_GATE_FIFO)
		plan_keep(plan, l->arena);
	if (bring_to_gate(l, err) < 0)
		return -1;
	if (launch_record(l, "created", err) < 0)
		return -1;
	if (l->create->pid_file && pid_file_write(l->create->pid_file, l->sandbox.pid, err) < 0)
		return -1;
	l->wrote_pid_file = l->create->pid_file;
	/* Last: until then the child ends with us. Conmon waits for the end of one that is left of
	 * a killed create, and nobody would bring that about. */
	return gate == PLAN_GATE_FIFO ? sandbox_continue(&l->sandbox, err) : 0;
}

int launch_begin(struct launch *l, struct error *err)
{
	if (container_check_id(l->create->id, err) < 0)
		return -1;
	l->console_path = l->create->console_socket;
	if (pidfd_connect(l, l->create->pidfd_socket, err) < 0)
		return -1;
	interrupt_begin(&l->sandbox);
	if (container_make(l->arena, l->options->root, l->create->id, &l->container, err) < 0) {
		interrupt_end();
		l->container.dir = -1;
		return -1;
	}
	return 0;
}

int launch_go(struct launch *l, enum plan_gate gate, struct error *err)
{
	if (launch_begin(l, err) < 0)
		return -1;
	int result = make_all(l, gate, err);
	/* Whatever failed after a signal, failed by it. */
	if (interrupt_check(err) == 0 && result == 0) {
		net_move_close(&l->net_move);
		return 0;
	}
	launch_undo(l);
	interrupt_end();
	return -1;
}

/*
 * Each on its own: one that fails does not stop the others, nor the delete (runtime-spec,
 * runtime.md "Lifecycle", 13). The command succeeds then, so only --debug tells.
 */
void launch_poststop(struct arena *arena, const struct container_state *state)
{
	struct plan_hook_list hooks = {.n = 0};
	const char *before;
	const char *after;

	plan_hooks(arena, &state->config.hooks.poststop, "hooks.poststop", &hooks);
	if (hooks.n)
		launch_state_text(arena, state, STATUS_STOPPED, &before, &after);
	for (size_t i = 0; i < hooks.n; i++) {
		struct plan_hook_list one = {
		    .items = &hooks.items[i], .n = 1, .cwd = state->bundle};
		struct error err = ERROR_INIT;

		if (hooks_run(&one, before, 0, after, &err) < 0)
			log_debug("%s: %s", state->id, err.text);
	}
}

void launch_undo(struct launch *l)
{
	struct error ignored = ERROR_INIT;

	sandbox_abandon(&l->sandbox);
	net_devices_return(&l->net_move);
	if (l->cgroup.dir >= 0 || l->cgroup.made) {
		(void)(l->cgroup.made ? cgroup_kill : cgroup_kill_kept)(l->cgroup.path,
									KILL_TIMEOUT_MS, &ignored);
		(void)cgroup_unmake(&l->cgroup, l->create->id, KILL_TIMEOUT_MS, &ignored);
	}
	(void)container_remove_rdt(l->arena, &l->container.state, &ignored);
	/* One that another container wrote before stays. */
	if (l->wrote_pid_file)
		(void)unlink(l->create->pid_file);
	if (l->container.dir >= 0)
		(void)container_remove_dir(l->options->root, l->create->id, &l->container,
					   &ignored);
	l->container.dir = -1;
	if (l->hooks_began)
		launch_poststop(l->arena, &l->container.state);
}

void launch_close(struct launch *l)
{
	plan_close(&l->plan);
	sandbox_close(&l->sandbox);
	cgroup_close(&l->cgroup);
	fd_cleanup(&l->pidfd_socket);
	fd_cleanup(&l->notify_socket);
	fd_cleanup(&l->signals);
	fd_cleanup(&l->bundle);
	if (l->container.dir >= 0)
		container_close(&l->container);
	l->container.dir = -1;
}
