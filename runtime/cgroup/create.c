#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "fd.h"
#include "systemd_internal.h"

/* Another runsafe may remove an empty /runsafe just before we make our group in it. */
#define MAKE_TRIES 16

static int check_component(const char *path, const char *part, size_t length, struct error *err)
{
	if (length == 2 && memcmp(part, "..", 2) == 0)
		return error_set(err, "linux.cgroupsPath: \"%s\": \"..\" is not allowed", path);
	if (length > NAME_MAX)
		return error_set(err,
				 "linux.cgroupsPath: a name in it has %zu bytes, at most %d "
				 "are possible",
				 length, NAME_MAX);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)part[i] < ' ' || part[i] == 0x7f)
			return error_set(err, "linux.cgroupsPath: has a control character");
	return 0;
}

/* "slice:prefix:name" is for systemd; a colon is fine in a real path. */
static bool is_systemd_form(const char *path)
{
	const char *colon = strchr(path, ':');

	return colon && !strchr(path, '/') && strchr(colon + 1, ':');
}

/* The path with one slash before each component. */
static char *clean_path(struct arena *arena, const char *path, struct error *err)
{
	const char *base = path[0] == '/' ? "" : cg_base(arena);
	char *out = arena_strdup(arena, base);

	if (strlen(path) >= PATH_MAX) {
		error_set(err, "linux.cgroupsPath: has %zu bytes, too long for a path",
			  strlen(path));
		return NULL;
	}
	for (const char *p = path + strspn(path, "/"); *p; p += strspn(p, "/")) {
		size_t length = strcspn(p, "/");

		if (check_component(path, p, length, err) < 0)
			return NULL;
		if (!(length == 1 && *p == '.'))
			out = arena_printf(arena, "%s/%.*s", out, (int)length, p);
		p += length;
	}
	if (strlen(out) >= PATH_MAX - 256) {
		error_set(err, "linux.cgroupsPath: has %zu bytes, too long for a path",
			  strlen(out));
		return NULL;
	}
	if (!*out || strcmp(out, CG_OWN) == 0 || (*base && strcmp(out, base) == 0)) {
		error_set(err, "linux.cgroupsPath: \"%s\" is no cgroup of its own for a container",
			  path);
		return NULL;
	}
	return out;
}

static bool without_cgroup(const struct cgroup_request *request)
{
	return request->mode == CGROUP_NONE || request->driver == CGROUP_DRIVER_DISABLED;
}

char *cgroup_choose_path(struct arena *arena, const struct cgroup_request *request,
			 struct error *err)
{
	const char *path = request->path;

	if (without_cgroup(request))
		return arena_strdup(arena, "");
	if (!path || !*path)
		path = strcmp(cg_base(arena), CG_OWN) == 0
			   ? arena_printf(arena, CG_OWN "/%s", request->id)
			   : arena_printf(arena, "runsafe-%s", request->id);
	if (is_systemd_form(path)) {
		error_set(err,
			  "linux.cgroupsPath: \"%s\" is the form slice:prefix:name of the "
			  "systemd cgroup driver, but the cgroupfs driver is in use: expected "
			  "a path like \"/runsafe/name\"",
			  path);
		return NULL;
	}
	if (request->mode == CGROUP_AVAILABLE) {
		cleanup_fd int root = cg_root_open(NULL);

		if (root < 0 && errno == ENODEV)
			return arena_strdup(arena, "");
		if (root < 0) {
			error_errno(err, errno, "looking for the cgroups at " CG_MOUNT);
			return NULL;
		}
	}
	return clean_path(arena, path, err);
}

size_t cgroup_missing(struct arena *arena, const char *path)
{
	char *dir = arena_strdup(arena, cg_relative(path));
	cleanup_fd int root = *dir ? cg_root_open(NULL) : -1;
	char *slash = dir;
	size_t n = 0;

	for (; root >= 0 && slash && faccessat(root, dir, F_OK, 0) < 0 && errno == ENOENT; n++) {
		slash = strrchr(dir, '/');
		if (slash)
			*slash = '\0';
	}
	return n;
}

struct make {
	struct arena *arena;
	const struct cgroup_request *request;
	struct cgroup *out;
	struct findings *findings;
	struct cg_settings settings;
	struct cg_apply apply;
	int root;
	const char *mount;
	const char *name; /* mount and path, for messages */
	uid_t owner_before;
};

/* Parents first; made_parents counts from the highest that was ours to make. */
static int make_parents(struct make *m, const char *relative)
{
	size_t above = 0, n = 0;

	for (const char *p = relative; (p = strchr(p, '/')); p++)
		above++;
	for (const char *p = strchr(relative, '/'); p; p = strchr(p + 1, '/'), n++) {
		char *dir = arena_strndup(m->arena, relative, (size_t)(p - relative));

		if (mkdirat(m->root, dir, 0755) == 0) {
			if (above - n > m->out->made_parents)
				m->out->made_parents = above - n;
		} else if (errno != EEXIST) {
			return -1;
		}
	}
	return 0;
}

static int make_dirs(struct make *m, const char *relative)
{
	for (int i = 0; i < MAKE_TRIES; i++) {
		if (mkdirat(m->root, relative, 0755) == 0) {
			m->out->made = true;
			break;
		}
		if (errno == EEXIST)
			break;
		if (errno != ENOENT || make_parents(m, relative) < 0)
			return -1;
	}
	/* Somebody else's, of that name. */
	if (!m->out->made && !cg_is_hosts_root() &&
	    faccessat(m->root, relative, W_OK, AT_EACCESS) < 0)
		return -1;
	m->out->dir = openat(m->root, relative, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return m->out->dir < 0 ? -1 : 0;
}

/* A group that was there before is taken only if nobody is in it. */
static int take_existing(struct make *m, struct error *err)
{
	struct stat st;
	char *events;
	unsigned int on = cg_controllers_read(m->out->dir, "cgroup.subtree_control");

	if (fstat(m->out->dir, &st) < 0 ||
	    file_read_all(m->arena, m->out->dir, "cgroup.events", 4096, &events, NULL) < 0)
		return error_errno(err, errno, "can not look into the cgroup %s", m->name);
	if (st.st_nlink > 2 || !strstr(events, "populated 0"))
		return error_set(err,
				 "the cgroup %s is not empty: %s; stop what runs there, or choose "
				 "another cgroupsPath",
				 m->name,
				 st.st_nlink > 2 ? "it has groups below it" : "it has processes");
	m->owner_before = st.st_uid;
	/* Controllers that it hands down would keep processes out of it. */
	for (unsigned int i = 0; i < CG_CONTROLLERS; i++)
		if (on & CG_BIT(i))
			file_write_text(m->out->dir, "cgroup.subtree_control",
					arena_printf(m->arena, "-%s",
						     cg_controller_name((enum cg_controller)i)));
	return 0;
}

/* What the container may write: not the limits, those are the parent's
 * (cgroup-v2.rst, Model of Delegation). */
static int give_to(struct make *m, uid_t owner)
{
	char *list, *save = NULL;

	if (file_read_all(m->arena, AT_FDCWD, "/sys/kernel/cgroup/delegate", 4096, &list, NULL) < 0)
		list = arena_strdup(m->arena,
				    "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n");
	if (fchownat(m->out->dir, "", owner, (gid_t)-1, AT_EMPTY_PATH) < 0)
		return -1;
	for (char *file = strtok_r(list, "\n", &save); file; file = strtok_r(NULL, "\n", &save))
		if (fchownat(m->out->dir, file, owner, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno != ENOENT)
			return -1;
	return 0;
}

/* cgroup-v2.rst, "Threads": a process can neither be moved nor cloned into such a group. */
static int check_type(struct make *m, struct error *err)
{
	char *text;

	if (file_read_all(m->arena, m->out->dir, "cgroup.type", 64, &text, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, "domain invalid") != 0 && strcmp(text, "threaded") != 0)
		return 0;
	return error_set(err,
			 "linux.cgroupsPath: no process can enter the cgroup %s, whose cgroup.type "
			 "is \"%s\": a cgroup above it is threaded; choose a path elsewhere",
			 m->name, text);
}

static int fill(struct make *m, struct error *err)
{
	const struct cgroup_request *request = m->request;
	struct cg_enabled enabled;

	if (!m->out->made && take_existing(m, err) < 0)
		return -1;
	/* systemd's own manager knows nothing of hugetlb and rdma: those are ours to switch on. */
	if (m->out->unit.user_manager)
		cg_controllers_of_unit(m->root, m->out->dir, &m->out->unit, &enabled);
	else
		cg_controllers_enable(m->arena, m->root, m->mount, m->out->path, m->out->dir,
				      m->settings.needed, &enabled);
	m->apply = (struct cg_apply){.arena = m->arena,
				     .dir = m->out->dir,
				     .name = m->name,
				     .mode = request->mode,
				     .enabled = &enabled,
				     .findings = m->findings,
				     .keep_undo = !m->out->made};
	if (cg_apply(&m->apply, &m->settings, err) < 0 || check_type(m, err) < 0)
		return -1;
	if (request->give && give_to(m, request->owner) < 0)
		return error_errno(err, errno,
				   "can not give the cgroup %s to uid %u, the workload's user",
				   m->name, request->owner);
	/* Last: nothing that can fail comes behind it, so it never has to be detached. */
	if (request->restrict_devices && cg_is_hosts_root())
		return cg_devices_attach(m->arena, request, m->out->dir, err);
	if (request->restrict_devices)
		findings_add(m->findings, FINDING_NOTE, "linux.resources.devices",
			     "not applied: only root of the host may load the program for it; in a "
			     "user namespace no device node can be made, and those in /dev are the "
			     "host's, with the rights that the caller has");
	return 0;
}

static void undo(struct make *m)
{
	char *dir = arena_strdup(m->arena, cg_relative(m->out->path));

	if (m->apply.arena && !m->out->made) {
		cg_apply_undo(&m->apply);
		if (m->request->give)
			give_to(m, m->owner_before);
	}
	fd_cleanup(&m->out->dir);
	if (m->out->made)
		unlinkat(m->root, dir, AT_REMOVEDIR);
	for (; m->out->made_parents > 0; m->out->made_parents--) {
		*strrchr(dir, '/') = '\0';
		unlinkat(m->root, dir, AT_REMOVEDIR);
	}
	*m->out = (struct cgroup){.dir = -1, .path = arena_strdup(m->arena, "")};
}

/* CGROUP_AVAILABLE with no cgroup to be had: one note for each thing that is not applied. */
static void note_all(struct make *m, const char *why)
{
	const char *last = "";

	m->out->path = arena_strdup(m->arena, "");
	for (size_t i = 0; i < m->settings.n; i++) {
		if (strcmp(m->settings.items[i].where, last) == 0)
			continue;
		last = m->settings.items[i].where;
		findings_add(m->findings, FINDING_NOTE, last, "not applied: %s", why);
	}
	if (m->request->restrict_devices)
		findings_add(m->findings, FINDING_NOTE, "linux.resources.devices",
			     "not applied: %s; what keeps the workload from devices is that /dev "
			     "has no others",
			     why);
}

static int make(struct make *m, struct error *err)
{
	const char *relative = cg_relative(m->out->path);
	int number;

	if (make_dirs(m, relative) == 0) {
		if (fill(m, err) == 0)
			return 0;
		undo(m);
		return -1;
	}
	number = errno;
	error_errno(err, number, "can not make the cgroup %s%s", m->name,
		    cg_is_hosts_root() ? ""
				       : " (without root it takes a cgroup that was delegated to "
					 "you, such as the one of `systemd-run --user --scope -p "
					 "Delegate=yes`; --cgroup=available starts without)");
	undo(m);
	if (number == EAGAIN)
		return error_wrap(err, "a cgroup above has reached its cgroup.max.descendants or "
				       "cgroup.max.depth");
	if (m->request->mode == CGROUP_AVAILABLE &&
	    (number == EACCES || number == EPERM || number == EROFS)) {
		note_all(m, err->text);
		*err = (struct error)ERROR_INIT;
		return 0;
	}
	return -1;
}

static void note_unit_properties(const struct cgroup_request *request, struct findings *findings)
{
	for (size_t i = 0; i < request->unit_properties.n; i++)
		findings_add(findings, FINDING_NOTE,
			     arena_printf(findings->arena, "annotations.org.systemd.property.%s",
					  request->unit_properties.items[i].key),
			     "not applied: the container is no unit of systemd without "
			     "--systemd-cgroup");
}

int cgroup_create(struct arena *arena, const struct cgroup_request *request, struct cgroup *out,
		  struct findings *findings, struct error *err)
{
	struct make m = {.arena = arena, .request = request, .out = out, .findings = findings};
	cleanup_fd int root = -1;
	char *path = request->driver == CGROUP_DRIVER_SYSTEMD
			 ? arena_strdup(arena, "")
			 : cgroup_choose_path(arena, request, err);

	*out = (struct cgroup){.dir = -1, .path = arena_strdup(arena, "")};
	if (!path ||
	    cg_settings_build(arena, request->resources, "max", &m.settings, findings, err) < 0)
		return -1;
	if (without_cgroup(request)) {
		findings_add(findings, FINDING_NOTE, "linux.resources",
			     "not applied, neither limits nor the devices list: no cgroup is made "
			     "(%s)",
			     request->mode == CGROUP_NONE ? "--cgroup=none"
							  : "--cgroup-manager disabled");
		return 0;
	}
	root = m.root = cg_root_open(&m.mount);
	if (root < 0 && errno != ENODEV)
		return error_errno(err, errno, "looking for the cgroups at " CG_MOUNT);
	if (request->mode == CGROUP_REQUIRED && (root < 0 || strcmp(m.mount, CG_UNIFIED) == 0))
		return error_set(
		    err,
		    "limits can not be applied: %s; boot the host with cgroup v2 alone "
		    "(systemd.unified_cgroup_hierarchy=1), or use --cgroup=available "
		    "to start without the limits that can not be applied",
		    cgroup_why_no_limits(arena));
	if (root < 0) {
		note_all(&m, cgroup_why_no_limits(arena));
		return 0;
	}
	if (request->driver == CGROUP_DRIVER_SYSTEMD)
		return cg_systemd_prepare(arena, request, &m.settings, out, err);
	note_unit_properties(request, findings);
	out->path = path;
	m.name = arena_printf(arena, "%s%s", m.mount, path);
	return make(&m, err);
}

int cg_fill_unit(struct arena *arena, const struct cgroup_request *request,
		 const struct cg_settings *settings, struct cgroup *out, struct findings *findings,
		 struct error *err)
{
	struct make m = {.arena = arena, .request = request, .out = out, .findings = findings};
	cleanup_fd int root = cg_root_open(&m.mount);

	m.settings = *settings;
	m.root = root;
	m.name = arena_printf(arena, "%s%s", m.mount, out->path);
	return fill(&m, err);
}
