#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "criu.h"
#include "fd.h"
#include "json_write.h"
#include "process.h"

#define THAW_TIMEOUT_MS 2000

/* What descriptor fd of the process is, as /proc says it: "pipe:[123]", "/dev/null"; or "". */
static char *describe_fd(struct arena *arena, int proc, pid_t pid, int fd)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(proc, arena_printf(arena, "%d/fd/%d", pid, fd), text, sizeof(text));

	return arena_strndup(arena, text, n < 0 ? 0 : (size_t)n);
}

/* "file[MOUNT:INODE]", both in hexadecimal, as criu calls a file of another mount namespace.
 * NULL for one that is the container's own, or none. */
static char *foreign_file(struct arena *arena, int proc, pid_t pid, int fd)
{
	struct mount_line *lines;
	struct error ignored = ERROR_INIT;
	struct stat st;
	char *text, *found;
	size_t n;

	if (fstatat(proc, arena_printf(arena, "%d/fd/%d", pid, fd), &st, 0) < 0 ||
	    !(S_ISREG(st.st_mode) || S_ISCHR(st.st_mode)) ||
	    file_read_all(arena, proc, arena_printf(arena, "%d/fdinfo/%d", pid, fd), 65536, &text,
			  NULL) < 0)
		return NULL;
	found = strstr(text, "mnt_id:");
	if (!found || mount_lines(arena, proc, pid, &lines, &n, &ignored) < 0)
		return NULL;
	int mount = (int)strtol(found + strlen("mnt_id:"), NULL, 10);
	for (size_t i = 0; i < n; i++) {
		if (lines[i].id == mount)
			return NULL;
	}
	return arena_printf(arena, "file[%x:%lx]", (unsigned int)mount, (unsigned long)st.st_ino);
}

/*
 * descriptors.json: what 0, 1 and 2 were, by criu's names, so that restore can put its own there
 * (engines read it, too).
 */
static int save_descriptors(struct arena *arena, const struct container_state *state, int images,
			    struct wire *opts, struct error *err)
{
	struct str_list names = {.n = 0};
	struct json_writer w;
	pid_t pid = (pid_t)state->pid;
	cleanup_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (int fd = 0; fd <= 2; fd++) {
		char *file = foreign_file(arena, proc, pid, fd);

		if (file)
			wire_text(opts, CRIU_EXTERNAL, file);
		str_list_add(arena, &names, file ? file : describe_fd(arena, proc, pid, fd));
	}
	json_start(&w, arena, false);
	json_string_list(&w, NULL, &names);
	const char *text = json_finish(&w);
	cleanup_fd int fd = openat(images, "descriptors.json",
				   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		return error_errno(err, errno, "--image-path: writing descriptors.json");
	return 0;
}

/* "ADDRESS:PORT", ADDRESS maybe an IPv6 one in brackets. */
static int add_page_server(struct wire *opts, const char *text, struct error *err)
{
	struct wire server = {.arena = opts->arena};
	const char *colon = strrchr(text, ':');
	char *end;
	long port = colon ? strtol(colon + 1, &end, 10) : 0;

	if (!colon || colon == text || colon[1] < '0' || colon[1] > '9' || *end || port < 1 ||
	    port > 65535)
		return error_set(err, "--page-server: expected ADDRESS:PORT, got \"%s\"", text);
	bool brackets = text[0] == '[' && colon[-1] == ']';
	wire_text(&server, 1,
		  arena_strndup(opts->arena, text + brackets,
				(size_t)(colon - text) - (brackets ? 2 : 0)));
	wire_number(&server, 2, port);
	wire_message(opts, CRIU_PAGE_SERVER, &server);
	return 0;
}

static int add_status_fd(struct wire *opts, int fd, struct error *err)
{
	if (fd < 0)
		return 0;
	/* criu inherits it. */
	if (fcntl(fd, F_SETFD, 0) < 0)
		return error_errno(err, errno, "--status-fd %d", fd);
	wire_number(opts, CRIU_STATUS_FD, fd);
	return 0;
}

/* criu stops all processes by it at once. */
static void add_freezer(struct wire *opts, const struct container_state *state)
{
	if (state->cgroup_path && *state->cgroup_path)
		wire_text(opts, CRIU_FREEZE_CGROUP,
			  arena_printf(opts->arena, "/sys/fs/cgroup%s", state->cgroup_path));
}

static int make_request(struct wire *opts, const struct criu_options *o,
			const struct container_state *state, const struct criu_dirs *dirs,
			struct error *err)
{
	if (criu_common(opts, o, dirs, state, err) < 0 ||
	    criu_external_namespaces(&state->config, state, opts, err) < 0 ||
	    add_status_fd(opts, o->status_fd, err) < 0)
		return -1;
	wire_number(opts, CRIU_PID, state->pid);
	wire_flag(opts, CRIU_LEAVE_RUNNING, o->leave_running);
	wire_flag(opts, CRIU_TCP_SKIP_IN_FLIGHT, o->tcp_skip_in_flight);
	wire_flag(opts, CRIU_LINK_REMAP, o->link_remap);
	wire_text(opts, CRIU_PARENT_IMG, o->parent_path);
	wire_flag(opts, CRIU_TRACK_MEM, o->parent_path || o->pre_dump);
	add_freezer(opts, state);
	if (o->page_server && add_page_server(opts, o->page_server, err) < 0)
		return -1;
	/* A pre-dump is of memory alone. */
	if (o->pre_dump)
		return 0;
	if (criu_external_mounts(opts->arena, state, opts, err) < 0)
		return -1;
	return save_descriptors(opts->arena, state, dirs->images, opts, err);
}

static int check_status(const struct container_state *state, struct error *err)
{
	enum container_status status;

	if (container_look(state, &status, err) < 0)
		return -1;
	if (status == STATUS_RUNNING || status == STATUS_PAUSED)
		return 0;
	if (status == STATUS_STOPPED)
		return error_set(err, "cannot checkpoint container %s: container not running",
				 state->id);
	return error_set(err, "cannot checkpoint container %s: it is %s, expected running",
			 state->id, container_status_name(status));
}

/* criu that was killed can not thaw what it froze. */
static void let_go_on(const struct container_state *state, enum container_status was)
{
	struct error ignored = ERROR_INIT;

	if (was == STATUS_RUNNING && state->cgroup_path && cgroup_frozen(state->cgroup_path) > 0)
		(void)cgroup_freeze(state->cgroup_path, false, THAW_TIMEOUT_MS, &ignored);
}

/*
 * criu writes net.ipv4.ping_group_range down with the host's group ids, and could not write them
 * inside of a user namespace. Nobody for the time of the dump; restore writes the policy's again.
 * *old is what it was, NULL where that is all the same.
 */
static int hide_ping_range(struct arena *arena, const struct container_state *state, char **old,
			   struct error *err)
{
	const struct config_linux *linux_ = &state->config.linux_;
	const struct config_namespace *network = config_namespace_find(linux_, "network");

	*old = NULL;
	if (!config_namespace_find(linux_, "user") || !network || network->path)
		return 0;
	return criu_swap_ping_range(arena, (pid_t)state->pid, "1 0", old, err);
}

static int dump(struct arena *arena, const struct container_state *state,
		const struct criu_options *o, struct criu_dirs *dirs, struct error *err)
{
	enum container_status was;
	struct wire opts = {.arena = arena};
	struct error ignored = ERROR_INIT;
	struct criu criu;
	char *range, *hidden;

	if (container_look(state, &was, err) < 0 || make_request(&opts, o, state, dirs, err) < 0 ||
	    criu_start(arena, -1, NULL, NULL, &criu, err) < 0)
		return -1;
	if (hide_ping_range(arena, state, &range, err) < 0) {
		criu_end(&criu);
		return -1;
	}
	int result = criu_talk(arena, &criu, o->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP, &opts, dirs,
			       NULL, NULL, NULL, err);
	criu_end(&criu);
	if (result < 0)
		let_go_on(state, was);
	if (range && (result < 0 || o->leave_running || o->pre_dump))
		(void)criu_swap_ping_range(arena, (pid_t)state->pid, range, &hidden, &ignored);
	return result;
}

int container_checkpoint(struct arena *arena, const struct runtime_options *options,
			 const struct criu_options *o, struct error *err)
{
	struct container container;
	struct criu_dirs dirs = {.images = -1, .work = -1};

	if (container_open(arena, options->root, o->id, true, &container, err) < 0)
		return -1;
	int result = check_status(&container.state, err);
	if (result == 0)
		result = criu_open_dirs(o, true, &dirs, err);
	dirs.log = "dump.log";
	if (result == 0)
		result = dump(arena, &container.state, o, &dirs, err);
	container_close(&container);
	criu_close_dirs(&dirs);
	if (result < 0)
		return error_wrap(err, "cannot checkpoint container %s", o->id);
	if (o->leave_running || o->pre_dump)
		return 0;
	/* Its processes live on in the images: what is left of it here is taken away. */
	return container_delete(arena, options, o->id, true, err);
}
