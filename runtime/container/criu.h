/*
 * The program criu, spoken to as its "swrk" service: requests and answers are protobuf messages
 * (criu's images/rpc.proto) over a SOCK_SEQPACKET socket that the program inherits.
 */
#ifndef RUNSAFE_CONTAINER_CRIU_H
#define RUNSAFE_CONTAINER_CRIU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "container.h"
#include "launch.h"

/* A protobuf message: fields one after another (protobuf.dev, "Encoding"). */
struct wire {
	struct arena *arena;
	unsigned char *bytes;
	size_t n, room;
};

void wire_number(struct wire *w, unsigned int field, int64_t value);  /* also bool and enum */
void wire_flag(struct wire *w, unsigned int field, bool value);	      /* false is left out */
void wire_text(struct wire *w, unsigned int field, const char *text); /* NULL is left out */
void wire_message(struct wire *w, unsigned int field, const struct wire *inner);

/* One field as read. */
struct wire_field {
	unsigned int number;
	uint64_t value;		    /* of a varint */
	const unsigned char *bytes; /* of a text or message, else NULL */
	size_t length;
};

/* Reads the next field from *at up to end. Returns 1, 0 at the end, -1 for a malformed message. */
int wire_next(const unsigned char **at, const unsigned char *end, struct wire_field *out);

/* enum criu_req_type */
enum criu_type { CRIU_DUMP = 1, CRIU_RESTORE = 2, CRIU_PRE_DUMP = 4, CRIU_NOTIFY = 6 };

/* Field numbers of message criu_opts that we use. */
enum criu_option {
	CRIU_IMAGES_DIR_FD = 1,
	CRIU_PID = 2,
	CRIU_LEAVE_RUNNING = 3,
	CRIU_EXT_UNIX_SK = 4,
	CRIU_TCP_ESTABLISHED = 5,
	CRIU_EVASIVE_DEVICES = 6,
	CRIU_SHELL_JOB = 7,
	CRIU_FILE_LOCKS = 8,
	CRIU_LOG_LEVEL = 9,
	CRIU_LOG_FILE = 10,
	CRIU_PAGE_SERVER = 11,
	CRIU_NOTIFY_SCRIPTS = 12,
	CRIU_ROOT = 13,
	CRIU_PARENT_IMG = 14,
	CRIU_TRACK_MEM = 15,
	CRIU_AUTO_DEDUP = 16,
	CRIU_WORK_DIR_FD = 17,
	CRIU_LINK_REMAP = 18,
	CRIU_MANAGE_CGROUPS = 24,
	CRIU_CGROUP_ROOT = 25,
	CRIU_RST_SIBLING = 26,
	CRIU_INHERIT_FD = 27,
	CRIU_MANAGE_CGROUPS_MODE = 34,
	CRIU_EXTERNAL = 37,
	CRIU_EMPTY_NS = 38,
	CRIU_JOIN_NS = 39,
	CRIU_FREEZE_CGROUP = 44,
	CRIU_TCP_SKIP_IN_FLIGHT = 46,
	CRIU_LAZY_PAGES = 48,
	CRIU_STATUS_FD = 49,
	CRIU_ORPHAN_PTS_MASTER = 50,
	CRIU_CONFIG_FILE = 51,
	CRIU_TCP_CLOSE = 52,
	CRIU_LSM_PROFILE = 53,
	CRIU_LSM_MOUNT_CONTEXT = 63
};

/* A running criu. */
struct criu {
	pid_t pid;
	int pidfd;
	int socket;
};

/*
 * Called where criu waits: script is "post-dump", "setup-namespaces", "pre-resume" ..., pid the
 * container's first process where there is one, *fd a descriptor that came along (or -1; fd_take
 * it to keep it). Returns 0 to go on, or -1 with err set.
 */
typedef int criu_notify(void *context, const char *script, pid_t pid, int *fd, struct error *err);

/* The directories of one dump or restore. */
struct criu_dirs {
	int images;
	int work;
	const char *work_path; /* for messages: where the log is */
	const char *log;       /* "dump.log" */
};

/*
 * Opens the image and work directories (made, 0700, when make is true and they are missing).
 * Returns 0, or -1 with err set.
 */
int criu_open_dirs(const struct criu_options *options, bool make, struct criu_dirs *out,
		   struct error *err);
void criu_close_dirs(struct criu_dirs *dirs);

/*
 * criu follows symbolic links and is root: an image must not be one (its content would come into
 * the container), nor a file that criu writes (that of a dump when dump is true, else of a
 * restore). Returns 0, or -1 with err set.
 */
int criu_check_dirs(const struct criu_dirs *dirs, bool dump, struct error *err);

/* What dump and restore have in common, by the caller's options; settings for criu are the machine
 * owner's, or those of the annotation org.criu.config where the container's policy takes it. */
int criu_common(struct wire *opts, const struct criu_options *options, const struct criu_dirs *dirs,
		const struct container_state *state, struct error *err);

/*
 * Starts criu in cgroup (a directory descriptor, or -1). prepare runs in the new process before
 * the program, with descriptors still open; its error becomes ours. Returns 0, or -1 with err set.
 */
int criu_start(struct arena *arena, int cgroup, int (*prepare)(void *context, struct error *err),
	       void *context, struct criu *out, struct error *err);

/*
 * Sends the request and serves criu's questions until it answers. *pid is the restored process.
 * Returns 0, or -1 with err set: by notify, or from criu's log.
 */
int criu_talk(struct arena *arena, struct criu *criu, enum criu_type type, const struct wire *opts,
	      const struct criu_dirs *dirs, criu_notify *notify, void *context, pid_t *pid,
	      struct error *err);

/* Ends and reaps it, if it still runs. */
void criu_end(struct criu *criu);

/* One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
struct mount_line {
	int id;
	char *device; /* "0:45" */
	char *root;
	char *place;
	char *options; /* of the mount: "ro,nosuid" */
	char *type;
	char *source;
};

/* Reads it. Returns 0, or -1 with err set. */
int mount_lines(struct arena *arena, int proc, pid_t pid, struct mount_line **lines, size_t *n,
		struct error *err);
bool mount_line_has(const struct mount_line *line, const char *option);

/* What the scratch file system of a container is called (sandbox/mounts.c). */
#define SCRATCH_SOURCE "runsafe"

/*
 * Tells criu which mounts of the container are not its own to dump: binds of the caller's, and
 * what runsafe covers paths with. Each gets the name under which restore will offer it. Returns 0,
 * or -1 with err set.
 */
int criu_external_mounts(struct arena *arena, const struct container_state *state,
			 struct wire *opts, struct error *err);

/* restore: the root file system and what is mounted from outside, as criu finds it. */
struct restore_root {
	struct launch *launch;
	const char *place;	   /* a directory to build in, in criu's own mount namespace */
	bool own_cgroup_namespace; /* --manage-cgroups-mode ignore: criu makes none */
};

/* In criu's process: a criu_start() prepare function; context is a struct restore_root. */
int restore_root_prepare(void *context, struct error *err);

/* Names what it made, as the process criu sees it. Returns 0, or -1 with err set. */
int restore_root_offer(const struct restore_root *root, pid_t criu, struct wire *opts,
		       struct error *err);

/*
 * Before the restored processes go on: whether they are as protected as the plan says (namespaces,
 * ids, capabilities, filters, read-only and masked paths). Returns 0, or -1 with err set.
 */
int restore_verify(struct launch *launch, pid_t pid, struct error *err);

/* Namespaces that the container joined by path are others': said to criu for a dump (state NULL:
 * only checked). Those of other kinds than network, pid, ipc and uts can not be kept: an error. */
int criu_external_namespaces(const struct config *config, const struct container_state *state,
			     struct wire *opts, struct error *err);

/* Writes net.ipv4.ping_group_range in the network namespace of pid; *old is what it was. Returns 0,
 * or -1 with err set. */
int criu_swap_ping_range(struct arena *arena, pid_t pid, const char *range, char **old,
			 struct error *err);

/* For a restore: hands criu the namespaces that the plan has opened. */
void criu_give_namespaces(const struct plan *plan, struct wire *opts);

#endif
