/* state.json: the form in which a container is remembered between two commands. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "json_read.h"
#include "json_write.h"
#include "path.h"
#include "kernel.h"
#include "store.h"

/* The form of the file. It is the mark by which a state.json is known as runsafe's, too: runc
 * calls its own so, under what may be the same root. */
#define MARKER	   "runsafeVersion"
#define FILE_FORM  1
#define FILE_LABEL STATE_FILE

struct file_finding {
	char *kind;
	char *path;
	char *text;
};

struct state_file {
	struct opt_i64 form;
	struct container_state state;
	struct file_finding *findings;
	size_t n_findings;
};

/* In the order of enum finding_kind, which begins at 1. */
static const char *const finding_kinds[] = {"changed", "refused", "note", NULL};
static const char *const recorded_words[] = {"creating", "created", "running", "stopped", NULL};

#define AT(member) offsetof(struct state_file, member)
#define TEXT(key_, at)                                                                             \
	{                                                                                          \
		.key = (key_), .kind = JSON_STRING, .offset = (at)                                 \
	}

static const struct json_field finding_fields[] = {
    {.key = "kind",
     .kind = JSON_STRING,
     .offset = offsetof(struct file_finding, kind),
     .words = finding_kinds,
     .flags = JSON_REQUIRED},
    TEXT("path", offsetof(struct file_finding, path)),
    TEXT("text", offsetof(struct file_finding, text)),
    {.key = NULL}};

static const struct json_table finding_table = {.size = sizeof(struct file_finding),
						.fields = finding_fields,
						.present_offset = JSON_NO_OFFSET,
						.key_offset = JSON_NO_OFFSET};

static const struct json_field marker_fields[] = {
    {.key = MARKER, .kind = JSON_OPT_I64, .offset = AT(form)}, {.key = NULL}};

static const struct json_table marker_table = {.size = sizeof(struct state_file),
					       .fields = marker_fields,
					       .present_offset = JSON_NO_OFFSET,
					       .key_offset = JSON_NO_OFFSET};

/* All that is shown of config by who only shows a state. */
static const struct json_field shown_fields[] = {
    {.key = "annotations", .kind = JSON_STRING_MAP, .offset = offsetof(struct config, annotations)},
    {.key = NULL}};

static const struct json_table shown_table = {.size = sizeof(struct config),
					      .fields = shown_fields,
					      .present_offset = JSON_NO_OFFSET,
					      .key_offset = JSON_NO_OFFSET};

#define MAX_FIELDS 40

/* config's own table is known only at run time. */
static void make_fields(struct json_field fields[MAX_FIELDS], bool glance)
{
	const struct json_field all[] = {
	    {.key = MARKER, .kind = JSON_OPT_I64, .offset = AT(form)},
	    TEXT("ociVersion", AT(state.oci_version)),
	    {.key = "id",
	     .kind = JSON_STRING,
	     .offset = AT(state.id),
	     .flags = JSON_REQUIRED | JSON_NONEMPTY},
	    TEXT("bundle", AT(state.bundle)),
	    TEXT("rootfs", AT(state.rootfs)),
	    TEXT("created", AT(state.created)),
	    TEXT("owner", AT(state.owner)),
	    {.key = "status",
	     .kind = JSON_STRING,
	     .offset = AT(state.recorded),
	     .words = recorded_words,
	     .flags = JSON_REQUIRED},
	    {.key = "pid", .kind = JSON_I64, .offset = AT(state.pid), .min = 0, .max = INT32_MAX},
	    {.key = "startTime", .kind = JSON_U64, .offset = AT(state.start_time)},
	    TEXT("bootId", AT(state.boot_id)),
	    TEXT("cgroupPath", AT(state.cgroup_path)),
	    {.key = "config",
	     .kind = JSON_OBJECT,
	     .offset = AT(state.config),
	     .table = glance ? &shown_table : config_table()},
	    /* So much for a glance. */
	    {.key = glance ? NULL : "cgroupDriver",
	     .kind = JSON_STRING,
	     .offset = AT(state.cgroup_driver)},
	    TEXT("systemdUnit", AT(state.cgroup_unit.name)),
	    {.key = "systemdUser", .kind = JSON_BOOL, .offset = AT(state.cgroup_unit.user_manager)},
	    {.key = "cgroupInode", .kind = JSON_U64, .offset = AT(state.cgroup_unit.inode)},
	    TEXT("rdtClass", AT(state.resctrl.class_)),
	    {.key = "rdtMade", .kind = JSON_BOOL, .offset = AT(state.resctrl.made_class)},
	    TEXT("rdtMonitor", AT(state.resctrl.monitor)),
	    TEXT("policy", AT(state.policy)),
	    TEXT("policyText", AT(state.policy_text)),
	    {.key = "allow", .kind = JSON_STRING_LIST, .offset = AT(state.allow)},
	    {.key = "noNewKeyring", .kind = JSON_BOOL, .offset = AT(state.no_new_keyring)},
	    {.key = "builtinSeccomp", .kind = JSON_BOOL, .offset = AT(state.builtin_seccomp)},
	    {.key = "policyTmpfs", .kind = JSON_STRING_LIST, .offset = AT(state.policy_tmpfs)},
	    {.key = "rootDevice", .kind = JSON_U64, .offset = AT(state.root_device)},
	    {.key = "rootInode", .kind = JSON_U64, .offset = AT(state.root_inode)},
	    {.key = "cgroupPending", .kind = JSON_BOOL, .offset = AT(state.cgroup_pending)},
	    {.key = "cgroupKept", .kind = JSON_BOOL, .offset = AT(state.cgroup_kept)},
	    {.key = "cgroupParents", .kind = JSON_U64, .offset = AT(state.cgroup_parents)},
	    {.key = "ownPidNamespace", .kind = JSON_BOOL, .offset = AT(state.own_pid_namespace)},
	    {.key = "findings",
	     .kind = JSON_OBJECT_LIST,
	     .offset = AT(findings),
	     .count_offset = AT(n_findings),
	     .table = &finding_table},
	    {.key = NULL}};

	_Static_assert(sizeof(all) <= MAX_FIELDS * sizeof(all[0]), "make_fields() needs more room");
	memcpy(fields, all, sizeof(all));
}

static enum finding_kind kind_number(const char *word)
{
	int i = 0;

	while (finding_kinds[i] && strcmp(finding_kinds[i], word) != 0)
		i++;
	return (enum finding_kind)(i + 1);
}

static void take_findings(struct arena *arena, const struct state_file *file, struct findings *out)
{
	*out = (struct findings){.arena = arena};
	for (size_t i = 0; i < file->n_findings; i++)
		findings_add(out, kind_number(file->findings[i].kind), file->findings[i].path, "%s",
			     file->findings[i].text ? file->findings[i].text : "");
}

static int no_container(const char *id, struct error *err)
{
	error_set(err, "%s: container does not exist", id);
	err->number = ENOENT;
	return -1;
}

static bool has_marker(struct arena *arena, const char *text, size_t length)
{
	struct state_file file;
	struct error ignored = ERROR_INIT;

	memset(&file, 0, sizeof(file));
	return json_read_some(arena, FILE_LABEL, text, length, &marker_table, &file, &ignored) ==
		   0 &&
	       file.form.set;
}

/* As cgroup_choose_path() has them; all in it is killed one day. */
static bool is_group_path(const char *path)
{
	char clean[PATH_MAX];

	return !path || !*path ||
	       (path[1] && path_clean(path, clean, sizeof(clean)) == 0 && strcmp(path, clean) == 0);
}

static int parse(struct arena *arena, const char *id, const char *text, size_t length, bool glance,
		 struct container_state *out, struct error *err)
{
	int (*const reader)(struct arena *, const char *, const char *, size_t,
			    const struct json_table *, void *, struct error *) =
	    glance ? json_read_some : json_read;
	struct json_field fields[MAX_FIELDS];
	const struct json_table table = {.size = sizeof(struct state_file),
					 .fields = fields,
					 .present_offset = JSON_NO_OFFSET,
					 .key_offset = JSON_NO_OFFSET};
	struct state_file file;

	memset(&file, 0, sizeof(file));
	make_fields(fields, glance);
	if (reader(arena, FILE_LABEL, text, length, &table, &file, err) < 0) {
		/* Another runtime's state.json need not be to our taste. */
		if (length > 0 && !has_marker(arena, text, length))
			return no_container(id, err);
		return error_wrap(err, "container %s", id);
	}
	if (!file.form.set)
		return no_container(id, err);
	if (file.form.value != FILE_FORM)
		return error_set(err,
				 "container %s: %s is of form %lld, this runsafe knows form %d: "
				 "use the runsafe that made it",
				 id, FILE_LABEL, (long long)file.form.value, FILE_FORM);
	if (!is_group_path(file.state.cgroup_path))
		return error_set(err,
				 "container %s: %s: cgroupPath: \"%s\" is no cgroup of a container",
				 id, FILE_LABEL, file.state.cgroup_path);
	*out = file.state;
	take_findings(arena, &file, &out->findings);
	return 0;
}

static bool is_strangers(const struct stat *st)
{
	return st->st_uid != 0 && st->st_uid != geteuid();
}

/* It is written beside and renamed: one read has it, as long as it was, and the end. */
static int read_text(struct arena *arena, int fd, const struct stat *st, char **text,
		     size_t *length)
{
	if (S_ISREG(st->st_mode) && st->st_size > 0 && st->st_size <= (off_t)JSON_MAX_BYTES) {
		*length = (size_t)st->st_size;
		*text = arena_alloc(arena, *length + 2);
		if (pread(fd, *text, *length + 1, 0) == (ssize_t)*length)
			return 0;
	}
	return fd_read_all(arena, fd, JSON_MAX_BYTES, text, length);
}

/*
 * Hooks in it are run on delete, and its pid is killed: only what the caller or root wrote counts,
 * not what somebody put into a folder that --root or XDG_RUNTIME_DIR led to. Returns 0, or -1 with
 * errno set, ESTALE for another's file, whose owner is *owner then.
 */
static int read_own(struct arena *arena, int dir, char **text, size_t *length, uid_t *owner)
{
	struct stat st, folder;
	cleanup_fd int fd =
	    openat(dir, STATE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st) < 0 || fstat(dir, &folder) < 0)
		return -1;
	/* Whose folder it is can link another's state there, and exchange what is written. */
	if (is_strangers(&st) || is_strangers(&folder)) {
		*owner = is_strangers(&st) ? st.st_uid : folder.st_uid;
		errno = ESTALE;
		return -1;
	}
	return read_text(arena, fd, &st, text, length);
}

static int read_failed(const char *id, uid_t owner, struct error *err)
{
	if (errno == ENOENT)
		return no_container(id, err);
	if (errno == ESTALE)
		return error_set(
		    err,
		    "container %s: its %s, or the folder, belongs to uid %u, and what "
		    "that user wrote there is not acted upon as uid %u: call runsafe as that user",
		    id, STATE_FILE, owner, geteuid());
	return error_errno(err, errno, "container %s: cannot read its %s", id, STATE_FILE);
}

static int read_state(struct arena *arena, int dir, const char *id, bool glance,
		      struct container_state *out, struct error *err)
{
	size_t length = 0;
	uid_t owner = 0;
	char *text = NULL;

	if (read_own(arena, dir, &text, &length, &owner) < 0)
		return read_failed(id, owner, err);
	return parse(arena, id, text, length, glance, out, err);
}

int state_file_read(struct arena *arena, int dir, const char *id, struct container_state *out,
		    struct error *err)
{
	return read_state(arena, dir, id, false, out, err);
}

int state_file_glance(struct arena *arena, int dir, const char *id, struct container_state *out,
		      struct error *err)
{
	return read_state(arena, dir, id, true, out, err);
}

bool state_of_hosts_root(void)
{
	return geteuid() == 0 && !sys_in_user_namespace();
}

/* What can not be read may be one: who opens it hears why. Not what says that it is none, or is
 * somebody else's. */
static bool may_be_ours(int number)
{
	return number != ENOENT && number != ENOTDIR && number != ELOOP && number != EISDIR &&
	       number != ESTALE && number != E2BIG && number != ENXIO &&
	       (number != EACCES || state_of_hosts_root());
}

bool state_file_ours(struct arena *arena, int dir)
{
	size_t length;
	uid_t owner;
	char *text;

	if (read_own(arena, dir, &text, &length, &owner) == 0)
		return has_marker(arena, text, length);
	return may_be_ours(errno);
}

int state_file_glance_ours(struct arena *arena, int dir, const char *id,
			   struct container_state *out, struct error *err)
{
	size_t length = 0;
	uid_t owner = 0;
	char *text = NULL;

	if (read_own(arena, dir, &text, &length, &owner) < 0) {
		if (!may_be_ours(errno))
			return 0;
		return read_failed(id, owner, err);
	}
	if (length == 0)
		return 0;
	if (parse(arena, id, text, length, true, out, err) == 0)
		return 1;
	return err->number == ENOENT ? 0 : -1;
}

static void write_findings(struct json_writer *w, const struct findings *findings)
{
	json_list_begin(w, "findings");
	for (size_t i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->items[i];

		json_object_begin(w, NULL);
		json_string(w, "kind", finding_kinds[finding->kind - 1]);
		json_string(w, "path", finding->path);
		json_string(w, "text", finding->text);
		json_object_end(w);
	}
	json_list_end(w);
}

static const char *state_text(struct arena *arena, const struct container_state *state)
{
	struct json_writer w;

	json_start(&w, arena, false);
	json_object_begin(&w, NULL);
	json_i64(&w, MARKER, FILE_FORM);
	json_string(&w, "ociVersion", state->oci_version);
	json_string(&w, "id", state->id);
	json_string(&w, "bundle", state->bundle);
	json_string(&w, "rootfs", state->rootfs);
	json_string(&w, "created", state->created);
	json_string(&w, "owner", state->owner);
	json_string(&w, "status", state->recorded ? state->recorded : "creating");
	json_i64(&w, "pid", state->pid);
	json_u64(&w, "startTime", state->start_time);
	json_string(&w, "bootId", state->boot_id);
	json_string(&w, "cgroupDriver", state->cgroup_driver);
	json_string(&w, "cgroupPath", state->cgroup_path);
	if (state->cgroup_unit.name) {
		json_string(&w, "systemdUnit", state->cgroup_unit.name);
		json_bool(&w, "systemdUser", state->cgroup_unit.user_manager);
	}
	json_u64(&w, "cgroupInode", state->cgroup_unit.inode);
	if (state->resctrl.class_) {
		json_string(&w, "rdtClass", state->resctrl.class_);
		json_bool(&w, "rdtMade", state->resctrl.made_class);
	}
	if (state->resctrl.monitor)
		json_string(&w, "rdtMonitor", state->resctrl.monitor);
	json_string(&w, "policy", state->policy);
	json_string(&w, "policyText", state->policy_text);
	json_string_list(&w, "allow", &state->allow);
	json_bool(&w, "noNewKeyring", state->no_new_keyring);
	json_u64(&w, "rootDevice", state->root_device);
	json_u64(&w, "rootInode", state->root_inode);
	json_bool(&w, "cgroupPending", state->cgroup_pending);
	if (state->cgroup_kept)
		json_bool(&w, "cgroupKept", true);
	if (state->cgroup_parents)
		json_u64(&w, "cgroupParents", state->cgroup_parents);
	json_bool(&w, "ownPidNamespace", state->own_pid_namespace);
	json_bool(&w, "builtinSeccomp", state->builtin_seccomp);
	json_string_list(&w, "policyTmpfs", &state->policy_tmpfs);
	if (state->config_text)
		json_raw(&w, "config", state->config_text);
	else if (state->config.oci_version)
		config_write(&w, "config", &state->config);
	write_findings(&w, &state->findings);
	json_object_end(&w);
	return json_finish(&w);
}

/*
 * Written beside and renamed: whole or not at all. Not synced to the disk: what a power cut takes
 * is of a boot that is over, and so are its containers.
 */
int container_write_state(struct arena *arena, const struct container *container, struct error *err)
{
	const char *text = state_text(arena, &container->state);
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
	cleanup_fd int fd = openat(container->dir, STATE_FILE_NEW, flags, 0600);

	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0 ||
	    renameat(container->dir, STATE_FILE_NEW, container->dir, STATE_FILE) < 0) {
		int number = errno;

		unlinkat(container->dir, STATE_FILE_NEW, 0);
		return error_errno(err, number, "container %s: cannot write its %s",
				   container->state.id, STATE_FILE);
	}
	return 0;
}
