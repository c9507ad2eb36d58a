#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "criu.h"
#include "fd.h"
#include "json_read.h"
#include "kernel.h"

struct restoring {
	struct launch *launch;
	const struct criu_options *options;
	struct criu_dirs dirs;
	struct criu criu;
	pid_t verified; /* the first process, once restore_verify() has found it as it is to be */
	bool hooks_done;
	bool signals_begun;
};

/* From now on it is the container's first process that is watched, and killed on failure. */
static int adopt(struct launch *l, pid_t pid, struct error *err)
{
	if (l->sandbox.pid == pid)
		return 0;
	int pidfd = sys_pidfd_open(pid);
	if (pidfd < 0)
		return error_errno(err, errno, "opening the restored process %d", (int)pid);
	fd_cleanup(&l->sandbox.pidfd);
	l->sandbox.pid = pid;
	l->sandbox.pidfd = pidfd;
	return launch_record_pid(l, err);
}

static int run_hooks(struct restoring *r, struct error *err)
{
	struct launch *l = r->launch;
	const struct plan *plan = &l->plan;

	if (r->hooks_done)
		return 0;
	r->hooks_done = true;
	if (plan->prestart.n + plan->create_runtime.n == 0)
		return 0;
	l->hooks_began = true;
	if (container_write_state(l->arena, &l->container, err) < 0 ||
	    hooks_run(&plan->prestart, plan->state_before_pid, l->sandbox.pid,
		      plan->state_after_pid, err) < 0)
		return -1;
	return hooks_run(&plan->create_runtime, plan->state_before_pid, l->sandbox.pid,
			 plan->state_after_pid, err);
}

static int take_terminal(struct launch *l, int *fd, struct error *err)
{
	if (*fd < 0)
		return error_set(err, "criu did not hand the terminal over");
	if (l->console_path)
		return console_send(l->console_path, *fd, err);
	if (l->create->detach)
		return error_set(err, "the restored container has a terminal: a container that is "
				      "left alone needs --console-socket");
	fd_cleanup(&l->sandbox.console);
	l->sandbox.console = fd_take(fd);
	return 0;
}

/* Everything is restored, and nothing runs yet. What criu hears now it does not act on: killing is
 * ours. */
static int before_resume(struct restoring *r, struct error *err)
{
	struct launch *l = r->launch;

	/* Sysctls last: until it was looked at, its namespaces may be the host's. */
	if (run_hooks(r, err) == 0 && restore_verify(l, l->sandbox.pid, err) == 0 &&
	    sandbox_write_sysctls(&l->plan, l->sandbox.pidfd, err) == 0) {
		r->verified = l->sandbox.pid;
		if (l->create->detach)
			return 0;
		r->signals_begun = true;
		return supervise_begin(l, err);
	}
	(void)sys_pidfd_kill(l->sandbox.pidfd, SIGKILL);
	if (l->cgroup.dir >= 0)
		(void)cgroup_signal(l->cgroup.path, SIGKILL);
	return -1;
}

static int notify(void *context, const char *script, pid_t pid, int *fd, struct error *err)
{
	struct restoring *r = context;

	if (pid > 0 && adopt(r->launch, pid, err) < 0)
		return -1;
	if (strcmp(script, "orphan-pts-master") == 0)
		return take_terminal(r->launch, fd, err);
	if (strcmp(script, "setup-namespaces") == 0)
		return run_hooks(r, err);
	if (strcmp(script, "pre-resume") == 0)
		return before_resume(r, err);
	return 0;
}

struct descriptors {
	struct str_list names;
};

/* What was on 0, 1 and 2 (descriptors.json) becomes what is there now. */
static int inherit_descriptors(const struct restoring *r, struct wire *opts, struct error *err)
{
	static const struct json_field fields[] = {
	    {.key = "d", .kind = JSON_STRING_LIST, .offset = offsetof(struct descriptors, names)},
	    {.key = NULL}};
	static const struct json_table table = {.size = sizeof(struct descriptors),
						.fields = fields,
						.present_offset = JSON_NO_OFFSET,
						.key_offset = JSON_NO_OFFSET};
	struct descriptors d = {.names = {.n = 0}};
	char *text;

	if (file_read_all(opts->arena, r->dirs.images, "descriptors.json", 65536, &text, NULL) < 0)
		return error_errno(err, errno,
				   "--image-path: reading descriptors.json (there is "
				   "none where `runsafe checkpoint` did not write)");
	text = arena_printf(opts->arena, "{\"d\":%s}", text);
	if (json_read(opts->arena, "descriptors.json", text, strlen(text), &table, &d, err) < 0)
		return -1;
	for (size_t i = 0; i < d.names.n && i <= 2; i++) {
		struct wire inherit = {.arena = opts->arena};
		const char *name = d.names.items[i];

		bool file = strncmp(name, "file[", 5) == 0;

		if (!file && strncmp(name, "pipe:[", 6) != 0)
			continue;
		if (file && lseek((int)i, 0, SEEK_CUR) < 0)
			return error_set(err,
					 "descriptor %zu was a file (or /dev/null) when the "
					 "container was checkpointed: restore needs a file there, "
					 "too, not a pipe or a terminal",
					 i);
		wire_text(&inherit, 1, name);
		wire_number(&inherit, 2, (int64_t)i);
		wire_message(opts, CRIU_INHERIT_FD, &inherit);
	}
	return 0;
}

/*
 * The root of a user namespace reads the images by itself. The folder is opened to its group and to
 * nobody else: the images have the container's memory in them, for all to read who come this far.
 */
static int let_namespace_root_in(const struct launch *l, int images, struct error *err)
{
	const struct config_linux *linux_ = &l->config.linux_;
	struct stat st;

	if (!(l->plan.clone_flags & CLONE_NEWUSER) || fstat(images, &st) < 0 ||
	    (st.st_mode & S_IXOTH))
		return 0;
	for (size_t i = 0; i < linux_->n_gid_mappings; i++) {
		const struct config_id_mapping *map = &linux_->gid_mappings[i];

		if (map->container_id == 0 && (fchown(images, (uid_t)-1, map->host_id) < 0 ||
					       fchmod(images, (st.st_mode & 07700) | S_IXGRP) < 0))
			return error_errno(err, errno,
					   "--image-path: letting the container's root "
					   "search the folder");
	}
	return 0;
}

/* An image names the cgroup that it was dumped in: the container's own comes in its place. */
static void move_cgroups(const struct launch *l, struct wire *opts)
{
	struct wire root = {.arena = opts->arena};

	if (!l->cgroup.path || !*l->cgroup.path)
		return;
	wire_text(&root, 1, "");
	wire_text(&root, 2, l->cgroup.path);
	wire_message(opts, CRIU_CGROUP_ROOT, &root);
}

static int make_request(const struct restoring *r, const struct restore_root *root,
			struct wire *opts, struct error *err)
{
	const struct launch *l = r->launch;

	if (criu_common(opts, r->options, &r->dirs, &l->container.state, err) < 0 ||
	    restore_root_offer(root, r->criu.pid, opts, err) < 0 ||
	    inherit_descriptors(r, opts, err) < 0)
		return -1;
	criu_give_namespaces(&l->plan, opts);
	move_cgroups(l, opts);
	wire_flag(opts, CRIU_EVASIVE_DEVICES, true);
	wire_flag(opts, CRIU_RST_SIBLING, true);
	wire_text(opts, CRIU_LSM_PROFILE, r->options->lsm_profile);
	wire_text(opts, CRIU_LSM_MOUNT_CONTEXT, r->options->lsm_mount_context);
	return 0;
}

/* The container's own directory is a place that nobody else's files are in. */
static const char *scratch_place(const struct launch *l, struct error *err)
{
	char real[PATH_MAX];
	const char *path = arena_printf(l->arena, "%s/%s", l->options->root, l->create->id);

	if (!realpath(path, real)) {
		error_errno(err, errno, "looking up %s", path);
		return NULL;
	}
	return arena_strdup(l->arena, real);
}

/* criu mounts in its work directory, which has to be one of its own mount namespace for that. */
static int reopen(struct arena *arena, pid_t criu, int *dir, struct error *err)
{
	char real[PATH_MAX];
	ssize_t n = readlink(arena_printf(arena, "/proc/self/fd/%d", *dir), real, sizeof(real));
	int fd = -1;

	if (n > 0 && (size_t)n < sizeof(real))
		fd = open(arena_printf(arena, "/proc/%d/root%.*s", (int)criu, (int)n, real),
			  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "opening the image files for criu");
	fd_cleanup(dir);
	*dir = fd;
	return 0;
}

static int run_criu(struct restoring *r, struct error *err)
{
	struct launch *l = r->launch;
	struct wire opts = {.arena = l->arena};
	struct restore_root root = {.launch = l, .place = scratch_place(l, err)};
	const char *mode = r->options->cgroups_mode;
	pid_t pid = -1;

	root.own_cgroup_namespace =
	    mode && strcmp(mode, "ignore") == 0 && l->plan.clone_flags & CLONE_NEWCGROUP;
	if (root.own_cgroup_namespace && l->plan.late_cgroup)
		return error_set(err, "--manage-cgroups-mode ignore: not with the systemd driver");
	if (!root.place ||
	    criu_start(l->arena, l->cgroup.dir, restore_root_prepare, &root, &r->criu, err) < 0)
		return -1;
	l->sandbox.pid = r->criu.pid;
	l->sandbox.pidfd = fcntl(r->criu.pidfd, F_DUPFD_CLOEXEC, 0);
	int result = l->plan.late_cgroup ? launch_enter_cgroup(l, err) : 0;
	if (result == 0)
		result = launch_enter_rdt(l, err);
	if (result == 0)
		result = reopen(l->arena, r->criu.pid, &r->dirs.images, err);
	if (result == 0)
		result = reopen(l->arena, r->criu.pid, &r->dirs.work, err);
	if (result == 0)
		result = let_namespace_root_in(l, r->dirs.images, err);
	if (result == 0)
		result = make_request(r, &root, &opts, err);
	if (result == 0)
		result = criu_talk(l->arena, &r->criu, CRIU_RESTORE, &opts, &r->dirs, notify, r,
				   &pid, err);
	if (result == 0)
		result = adopt(l, pid, err);
	/* A success without the question "pre-resume" is one that nobody has looked at. */
	if (result == 0 && r->verified != pid)
		result = error_set(err,
				   "criu did not let runsafe look at process %d before it ran on; "
				   "it was killed",
				   (int)pid);
	return result;
}

static int make_all(struct restoring *r, struct error *err)
{
	struct launch *l = r->launch;

	if (launch_make_room(l, err) < 0)
		return -1;
	int result = run_criu(r, err);
	criu_end(&r->criu);
	if (result < 0 || interrupt_check(err) < 0)
		return -1;
	if (launch_record(l, "running", err) < 0)
		return -1;
	if (l->create->pid_file && pid_file_write(l->create->pid_file, l->sandbox.pid, err) < 0)
		return -1;
	l->wrote_pid_file = l->create->pid_file;
	return 0;
}

/* What no image has, and nobody would bring back. */
static int check_plan(const struct plan *plan, struct error *err)
{
	if (plan->n_net_devices)
		return error_set(err, "linux.netDevices: criu can not keep devices of the host");
	if (plan->seccomp_listener)
		return error_set(err, "linux.seccomp.listenerPath: criu can not keep a filter with "
				      "a listener");
	return 0;
}

static int go(struct restoring *r, struct error *err)
{
	struct launch *l = r->launch;

	if (launch_begin(l, err) < 0)
		return -1;
	int result = make_all(r, err);
	interrupt_end();
	if (result < 0) {
		launch_undo(l);
		return -1;
	}
	l->hooks_began = true;
	container_close(&l->container);
	l->container.dir = -1;
	return 0;
}

static int finish(struct launch *l, int *status, struct error *err)
{
	struct error gone = ERROR_INIT;
	struct container there;
	int result = supervise(l, status, err);

	if (container_open(l->arena, l->options->root, l->create->id, false, &there, &gone) < 0)
		return result;
	container_close(&there);
	if (container_delete(l->arena, l->options, l->create->id, true, err) < 0)
		return -1;
	return result;
}

int container_restore(struct arena *arena, const struct runtime_options *options,
		      const struct create_options *create, const struct criu_options *criu,
		      int *status, struct error *err)
{
	struct launch launch = {.arena = arena, .options = options, .create = create};
	struct restoring r = {.launch = &launch,
			      .options = criu,
			      .dirs = {.images = -1, .work = -1},
			      .criu = {.pid = -1, .pidfd = -1, .socket = -1}};

	*status = 0;
	if (!create->no_subreaper && !create->detach &&
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "becoming the reaper of the workload's orphans");
	int result = launch_prepare(&launch, false, err);
	if (result == 0)
		result = check_plan(&launch.plan, err);
	if (result == 0)
		result = criu_external_namespaces(&launch.config, NULL, NULL, err);
	if (result == 0)
		result = criu_open_dirs(criu, false, &r.dirs, err);
	r.dirs.log = "restore.log";
	if (result == 0)
		result = go(&r, err);
	criu_close_dirs(&r.dirs);
	if (result < 0)
		error_wrap(err, "cannot restore container %s", create->id);
	else if (!create->detach)
		result = finish(&launch, status, err);
	launch_close(&launch);
	return result;
}
