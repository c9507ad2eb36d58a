/*
 * The systemd driver: the container's cgroup is a transient scope (systemd.scope(5)) that is made
 * with the container's first process in it, since a scope without processes can not be.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "systemd_internal.h"

static const char *description(struct arena *arena, const char *id)
{
	return arena_printf(arena, "runsafe container %s", id);
}

int cgroup_choose_unit(struct arena *arena, const struct cgroup_request *request,
		       struct cgroup_unit *unit, char **path, struct error *err)
{
	struct sd_unit chosen;

	*unit = (struct cgroup_unit){.user_manager = sd_user_manager()};
	if (sd_unit_choose(arena, request->path, request->id, unit->user_manager, &chosen, err) < 0)
		return -1;
	unit->name = chosen.name;
	/* Where a user's manager has its own cgroup is only known when the unit is there. */
	*path = arena_strdup(arena, unit->user_manager ? "" : chosen.path);
	return 0;
}

static void unit_properties(struct sd_properties *list, const struct cgroup_request *request,
			    const struct sd_unit *unit, pid_t pid)
{
	struct arena *arena = list->arena;

	sd_property_add(list, "Description", "s")->text = description(arena, request->id);
	/* No job of another unit may wait for it, nor it for others. */
	sd_property_add(list, "DefaultDependencies", "b")->flag = false;
	if (unit->is_slice) {
		if (unit->slice)
			str_list_add(arena, &sd_property_add(list, "Wants", "as")->list,
				     unit->slice);
		/* A slice gets controllers only where somebody asks for them. */
		sd_property_add(list, "MemoryAccounting", "b")->flag = true;
		sd_property_add(list, "CPUAccounting", "b")->flag = true;
		sd_property_add(list, "TasksAccounting", "b")->flag = true;
		sd_property_add(list, "IOAccounting", "b")->flag = true;
		return;
	}
	sd_property_add(list, "Slice", "s")->text = unit->slice;
	/*
	 * All controllers, and everything below is the container's. No DevicePolicy: systemd then
	 * attaches no devices program, and takes away none but its own; ours stays the rule. One
	 * that an administrator adds is asked as well, and can only narrow (BPF_F_ALLOW_MULTI).
	 */
	sd_property_add(list, "Delegate", "b")->flag = true;
	/* It goes also when it failed (by OOM), so that the name is free again. */
	sd_property_add(list, "CollectMode", "s")->text = "inactive-or-failed";
	sd_property_add(list, "PIDs", "au")->natural = (uint64_t)pid;
}

/* The process's cgroup in our own cgroup namespace. */
static char *path_of(struct arena *arena, pid_t pid, struct error *err)
{
	char *text;

	if (file_read_all(arena, AT_FDCWD, arena_printf(arena, "/proc/%d/cgroup", pid), 1 << 16,
			  &text, NULL) < 0) {
		error_errno(err, errno, "reading the cgroup of process %d", pid);
		return NULL;
	}
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "0::/", 4) == 0)
			return arena_strndup(arena, line + 3, strcspn(line + 3, "\n"));
	}
	error_set(err, "process %d is in no cgroup of cgroup v2", pid);
	return NULL;
}

/* systemd says "done" when the process is in it: nobody takes its word for more than that. */
static int open_unit(struct arena *arena, const struct sd_unit *unit, pid_t pid, struct cgroup *out,
		     struct error *err)
{
	struct stat st;
	char *path;

	if (unit->is_slice) {
		cleanup_fd int dir = cgroup_open(unit->path);

		if (dir < 0 ||
		    file_write_text(dir, "cgroup.procs", arena_printf(arena, "%d", pid)) < 0)
			return error_errno(err, errno,
					   "putting the container's process into the slice %s",
					   unit->name);
	}
	path = path_of(arena, pid, err);
	if (!path)
		return -1;
	if (!strrchr(path, '/') || strcmp(strrchr(path, '/') + 1, unit->name) != 0)
		return error_set(err,
				 "systemd made the unit %s, but left the container's process in %s",
				 unit->name, path);
	out->path = path;
	out->dir = cgroup_open(path);
	if (out->dir < 0 || fstat(out->dir, &st) < 0)
		return error_errno(err, errno, "opening the cgroup %s of the unit %s", path,
				   unit->name);
	out->unit.inode = st.st_ino;
	return 0;
}

static int start(struct sd_manager *manager, const struct sd_unit *unit,
		 const struct sd_properties *properties, struct cgroup *out, struct error *err)
{
	bool exists;
	const char *state;

	if (sd_start_unit(manager, unit->name, properties, &out->made, &exists, err) == 0)
		return 0;
	if (!exists)
		return -1;
	/* What failed once and was kept is nobody's any more. */
	*err = (struct error)ERROR_INIT;
	state = sd_unit_text(manager, unit->name, "ActiveState", err);
	if (err->text[0])
		return -1;
	if (state && strcmp(state, "failed") != 0 && strcmp(state, "inactive") != 0)
		return error_set(err,
				 "the systemd unit %s exists already and is %s: stop it, or choose "
				 "another cgroupsPath",
				 unit->name, state);
	if (sd_reset_failed(manager, unit->name, err) < 0)
		return -1;
	return sd_start_unit(manager, unit->name, properties, &out->made, &exists, err);
}

int cgroup_enter(struct arena *arena, const struct cgroup_request *request, pid_t pid,
		 struct cgroup *out, struct findings *findings, struct error *err)
{
	cleanup_manager struct sd_manager *manager = out->manager;
	struct sd_properties properties = {.arena = arena};
	struct cg_settings settings;
	struct sd_unit unit;

	out->manager = NULL;
	if (sd_unit_choose(arena, request->path, request->id, out->unit.user_manager, &unit, err) <
	    0)
		return -1;
	unit_properties(&properties, request, &unit, pid);
	/* cgroup_create() has had its findings about these. */
	if (cg_settings_build(arena, request->resources, "max", &settings, NULL, err) < 0 ||
	    sd_properties_of_settings(&properties, &settings, err) < 0 ||
	    sd_properties_of_annotations(&properties, &request->unit_properties, err) < 0)
		return -1;
	if (start(manager, &unit, &properties, out, err) < 0 ||
	    open_unit(arena, &unit, pid, out, err) < 0)
		return -1;
	return cg_fill_unit(arena, request, &settings, out, findings, err);
}

int cg_systemd_prepare(struct arena *arena, const struct cgroup_request *request,
		       const struct cg_settings *settings, struct cgroup *out, struct error *err)
{
	struct sd_properties properties = {.arena = arena};

	/* What can be said to be wrong before there is a child, is. */
	if (cgroup_choose_unit(arena, request, &out->unit, &out->path, err) < 0 ||
	    sd_properties_of_settings(&properties, settings, err) < 0 ||
	    sd_properties_of_annotations(&properties, &request->unit_properties, err) < 0)
		return -1;
	out->manager = sd_manager_open(arena, out->unit.user_manager, err);
	return out->manager ? 0 : -1;
}

int cgroup_reach(struct arena *arena, const struct cgroup_unit *unit, struct cgroup *out,
		 struct error *err)
{
	out->manager = sd_manager_open(arena, unit->user_manager, err);
	return out->manager ? 0 : -1;
}

int cgroup_attach(struct arena *arena, const struct cgroup_unit *unit, const char *path,
		  struct cgroup *cgroup, pid_t pid, struct error *err)
{
	cleanup_manager struct sd_manager *manager = cgroup->manager;
	char name[PATH_MAX];
	const char *below;
	ssize_t length =
	    readlink(arena_printf(arena, "/proc/self/fd/%d", cgroup->dir), name, sizeof(name) - 1);

	cgroup->manager = NULL;
	if (length < 0)
		return error_errno(err, errno, "looking up the path of cgroup %s", path);
	name[length] = '\0';
	below = strstr(name, path);
	if (!below)
		return error_set(err, "the cgroup %s is not at %s any more", name, path);
	below += strlen(path);
	return sd_attach(manager, unit->name, *below ? below : "/", pid, err);
}

/* systemd sets all or none; what it refuses is undone in the files. */
int cg_systemd_update(struct arena *arena, const struct cgroup_unit *unit, int dir,
		      const struct config_resources *resources, struct error *err)
{
	struct cg_apply apply = {.arena = arena, .dir = dir};
	struct sd_properties properties = {.arena = arena};
	struct cg_settings settings;
	struct error ignored = ERROR_INIT;
	cleanup_manager struct sd_manager *manager =
	    sd_manager_open(arena, unit->user_manager, err);

	if (!manager || cg_set_resources(&apply, resources, &settings, err) < 0)
		return -1;
	if (sd_properties_of_settings(&properties, &settings, err) < 0 ||
	    sd_set_properties(manager, unit->name, &properties, err) < 0) {
		cg_apply_undo(&apply);
		return -1;
	}
	/* Once more, since systemd has written what it can express (whole percents of a CPU). */
	apply.keep_undo = false;
	apply.n_undo = 0;
	(void)cg_apply(&apply, &settings, &ignored);
	return 0;
}

void cgroup_close(struct cgroup *cgroup)
{
	sd_manager_close(cgroup->manager);
	cgroup->manager = NULL;
	fd_cleanup(&cgroup->dir);
}

/* 1: the cgroup is the unit's that was made for this container; 0: it is gone; -1: another has the
 * name by now. */
static int whose(const struct cgroup_unit *unit, const char *path)
{
	cleanup_fd int dir = path && *path ? cgroup_open(path) : -1;
	struct stat st;

	if (dir < 0 || fstat(dir, &st) < 0)
		return 0;
	return !unit->inode || st.st_ino == unit->inode ? 1 : -1;
}

static bool gone_in_time(const char *path, int timeout_ms)
{
	long long end = cg_now() + timeout_ms;
	struct timespec pause = {.tv_nsec = 1000000};

	for (;;) {
		cleanup_fd int dir = *path ? cgroup_open(path) : -1;

		if (dir < 0)
			return true;
		if (cg_now() >= end)
			return false;
		nanosleep(&pause, NULL);
	}
}

static int stop(struct arena *arena, struct sd_manager *manager, const struct cgroup_unit *unit,
		const char *id, const char *path, int timeout_ms, struct error *err)
{
	/* A create that was killed may not have come to make it, because it was somebody else's. */
	if (!unit->inode) {
		const char *text = sd_unit_text(manager, unit->name, "Description", err);

		if (err->text[0])
			return -1;
		if (!text || strcmp(text, description(arena, id)) != 0)
			return 0;
	}
	if (cgroup_kill(path, timeout_ms, err) < 0 ||
	    sd_stop_unit(manager, unit->name, timeout_ms, err) < 0 ||
	    sd_reset_failed(manager, unit->name, err) < 0)
		return -1;
	/* systemd takes the directory away, but not where groups below keep it from that. */
	return gone_in_time(path, 1000) ? 0 : cgroup_remove(path, timeout_ms, err);
}

int cgroup_remove_unit(const struct cgroup_unit *unit, const char *id, const char *path,
		       int timeout_ms, struct error *err)
{
	struct arena arena = ARENA_INIT;
	struct error no_manager = ERROR_INIT;
	struct sd_manager *manager;
	int result = 0, is = whose(unit, path);

	if (is < 0)
		return 0;
	manager = sd_manager_open(&arena, unit->user_manager, &no_manager);
	if (manager)
		result = stop(&arena, manager, unit, id, path ? path : "", timeout_ms, err);
	else if (is > 0 && unit->inode)
		/* Empty and gone, systemd finds out by itself. */
		result = cgroup_kill(path, timeout_ms, err) < 0 ||
				 cgroup_remove(path, timeout_ms, err) < 0
			     ? error_wrap(err, "%s", no_manager.text)
			     : 0;
	sd_manager_close(manager);
	arena_free(&arena);
	return result;
}
