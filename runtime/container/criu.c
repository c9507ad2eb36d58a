#include "criu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "log.h"

/* criu's answers are small; its own limit is 1 KiB times the fields of a request. */
#define MAX_ANSWER   65536
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
/* What begins a message from our own child: a text that says why, or nothing more. */
#define OWN_FAILURE '\xff'
#define OWN_READY   '\xfe'

int criu_open_dirs(const struct criu_options *o, bool make, struct criu_dirs *out,
		   struct error *err)
{
	const char *images = o->image_path && *o->image_path ? o->image_path : "checkpoint";
	const char *work = o->work_path && *o->work_path ? o->work_path : images;
	const char *paths[] = {images, work};
	int *const fds[] = {&out->images, &out->work};

	*out = (struct criu_dirs){.images = -1, .work = -1, .work_path = work};
	for (size_t i = 0; i < 2; i++) {
		const char *option = i ? "--work-path" : "--image-path";

		if ((make || i) && mkdir(paths[i], 0700) < 0 && errno != EEXIST)
			return error_errno(err, errno, "%s: making %s", option, paths[i]);
		*fds[i] = open(paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (*fds[i] < 0)
			return error_errno(err, errno, "%s: opening %s", option, paths[i]);
	}
	return criu_check_dirs(out, make, err);
}

void criu_close_dirs(struct criu_dirs *dirs)
{
	fd_cleanup(&dirs->images);
	fd_cleanup(&dirs->work);
}

/* The machine owner's settings for criu; those for runc are what a host that changes over has. */
static const char *owners_config(void)
{
	static const char *const files[] = {"/etc/criu/runsafe.conf", "/etc/criu/runc.conf"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (access(files[i], F_OK) == 0)
			return files[i];
	}
	return NULL;
}

static int annotated_config(struct arena *arena, const struct container_state *state,
			    const char **file, struct error *err)
{
	const char *annotated = str_map_get(&state->config.annotations, "org.criu.config");
	struct policy_input input;

	*file = NULL;
	if (!annotated || !*annotated)
		return 0;
	if (policy_of_state(arena, state, &input, err) < 0)
		return -1;
	if (policy_takes_criu_config(input.policy))
		*file = annotated;
	return 0;
}

/* enum criu_cg_mode. Returns -1 with err set. */
static int cgroups_mode(const char *word, struct error *err)
{
	static const struct {
		const char *word;
		int number;
	} modes[] = {{"ignore", 0}, {"soft", 3}, {"full", 4}, {"strict", 5}};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].word, word) == 0)
			return modes[i].number;
	}
	return error_set(
	    err, "--manage-cgroups-mode: expected soft, full, strict or ignore, got \"%s\"", word);
}

static int add_empty_namespaces(struct wire *opts, const struct criu_options *o, struct error *err)
{
	for (size_t i = 0; i < o->empty_namespaces.n; i++) {
		const char *word = o->empty_namespaces.items[i];

		if (strcmp(word, "network") != 0)
			return error_set(err, "--empty-ns: expected network, got \"%s\"", word);
	}
	if (o->empty_namespaces.n)
		wire_number(opts, CRIU_EMPTY_NS, CLONE_NEWNET);
	return 0;
}

int criu_common(struct wire *opts, const struct criu_options *o, const struct criu_dirs *dirs,
		const struct container_state *state, struct error *err)
{
	const char *annotated;
	int mode = cgroups_mode(o->cgroups_mode ? o->cgroups_mode : "soft", err);

	if (mode < 0 || add_empty_namespaces(opts, o, err) < 0 ||
	    annotated_config(opts->arena, state, &annotated, err) < 0)
		return -1;
	wire_number(opts, CRIU_IMAGES_DIR_FD, dirs->images);
	wire_number(opts, CRIU_WORK_DIR_FD, dirs->work);
	wire_number(opts, CRIU_LOG_LEVEL, 4);
	wire_text(opts, CRIU_LOG_FILE, dirs->log);
	wire_flag(opts, CRIU_NOTIFY_SCRIPTS, true);
	wire_flag(opts, CRIU_ORPHAN_PTS_MASTER, true);
	wire_flag(opts, CRIU_MANAGE_CGROUPS, true);
	wire_number(opts, CRIU_MANAGE_CGROUPS_MODE, mode);
	wire_flag(opts, CRIU_EXT_UNIX_SK, o->ext_unix_sk);
	wire_flag(opts, CRIU_TCP_ESTABLISHED, o->tcp_established);
	wire_flag(opts, CRIU_TCP_CLOSE, o->tcp_close);
	wire_flag(opts, CRIU_SHELL_JOB, o->shell_job);
	wire_flag(opts, CRIU_FILE_LOCKS, o->file_locks);
	wire_flag(opts, CRIU_AUTO_DEDUP, o->auto_dedup);
	wire_flag(opts, CRIU_LAZY_PAGES, o->lazy_pages);
	wire_text(opts, CRIU_CONFIG_FILE, annotated ? annotated : owners_config());
	return 0;
}

/* The program's path by $PATH, or where distributions have it. Returns NULL with err set. */
static const char *find_program(struct arena *arena, struct error *err)
{
	const char *path = getenv("PATH");

	for (const char *at = path && *path ? path : DEFAULT_PATH; *at;) {
		size_t length = strcspn(at, ":");
		const char *file = arena_printf(arena, "%.*s/criu", (int)length, at);

		if (length && *at == '/' && access(file, X_OK) == 0)
			return file;
		at += length + (at[length] == ':');
	}
	error_set(err, "checkpoint and restore are done by the program criu, which is not in $PATH "
		       "(package criu; https://criu.org)");
	return NULL;
}

static _Noreturn void child_fail(int socket, const struct error *err)
{
	char text[sizeof(err->text) + 1];

	text[0] = OWN_FAILURE;
	memcpy(text + 1, err->text, sizeof(err->text));
	(void)send(socket, text, 1 + strlen(err->text), MSG_NOSIGNAL);
	_exit(1);
}

/* What criu says without being asked goes to its log, but for what comes when its socket is gone.
 */
static void stand_alone(void)
{
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setsid();
	for (int fd = 0; fd <= 2 && null > 2; fd++)
		(void)dup2(null, fd);
}

static _Noreturn void child(const char *program, int socket,
			    int (*prepare)(void *context, struct error *err), void *context)
{
	struct error err = ERROR_INIT;
	char number[16];
	sigset_t none;

	/*
	 * A half-restored container goes with us. In a half-dumped one criu's own code runs: it has
	 * to come to an end, whatever befalls us, and without the terminal's ^C.
	 */
	if (prepare)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	else
		stand_alone();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (prepare && prepare(context, &err) < 0)
		child_fail(socket, &err);
	const char *path = getenv("PATH");
	if (!path || !*path)
		(void)setenv("PATH", DEFAULT_PATH, 1); /* it runs tar, ip and iptables */
	snprintf(number, sizeof(number), "%d", socket);
	const char ready = OWN_READY;
	if (fcntl(socket, F_SETFD, 0) == 0 && send(socket, &ready, 1, MSG_NOSIGNAL) == 1)
		execl(program, "criu", "swrk", number, (char *)NULL);
	error_errno(&err, errno, "executing %s", program);
	child_fail(socket, &err);
}

/* Until the child is about to execute the program. */
static int wait_until_ready(int socket, struct error *err)
{
	char text[sizeof(err->text) + 1];
	ssize_t n;

	do {
		n = recv(socket, text, sizeof(text) - 1, 0);
	} while (n < 0 && errno == EINTR);
	if (n == 1 && text[0] == OWN_READY)
		return 0;
	if (n > 1)
		return error_set(err, "%.*s", (int)n - 1, text + 1);
	return error_set(err, "criu ended before it began");
}

int criu_start(struct arena *arena, int cgroup, int (*prepare)(void *context, struct error *err),
	       void *context, struct criu *out, struct error *err)
{
	const char *program = find_program(arena, err);
	int pair[2];

	*out = (struct criu){.pid = -1, .pidfd = -1, .socket = -1};
	if (!program)
		return -1;
	if (geteuid() != 0)
		return error_set(err, "criu needs root");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "making the socket to criu");
	cleanup_fd int ours = pair[0];
	cleanup_fd int theirs = pair[1];
	pid_t pid = sys_clone3(0, cgroup, &out->pidfd);
	if (pid == 0) {
		close(ours);
		child(program, theirs, prepare, context);
	}
	if (pid < 0) {
		out->pidfd = -1;
		return error_errno(err, errno, "starting %s", program);
	}
	out->pid = pid;
	out->socket = fd_take(&ours);
	close(fd_take(&theirs));
	if (wait_until_ready(out->socket, err) == 0)
		return 0;
	criu_end(out);
	return -1;
}

void criu_end(struct criu *criu)
{
	int status;

	fd_cleanup(&criu->socket);
	if (criu->pid > 0) {
		/* After its answer it has nothing to do any more but to leave. */
		(void)sys_pidfd_kill(criu->pidfd, SIGKILL);
		while (waitpid(criu->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	criu->pid = -1;
	fd_cleanup(&criu->pidfd);
}

/* The last two things that criu's log calls errors: the first of them is often the reason. What
 * says only that it failed is left out. */
static const char *logged_error(struct arena *arena, const struct criu_dirs *dirs)
{
	const char *before = NULL, *found = NULL;
	char *text, *line, *rest = NULL;

	if (file_read_all(arena, dirs->work, dirs->log, 64u << 20, &text, NULL) < 0)
		return NULL;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		const char *error = strstr(line, "Error (");
		const char *what = error ? strstr(error, "): ") : NULL;

		if (what && !strstr(what, "FAILED")) {
			before = found;
			found = what + 3;
		}
	}
	return before ? arena_printf(arena, "%s; %s", before, found) : found;
}

static int criu_failed(struct arena *arena, const struct criu_dirs *dirs, const char *said,
		       struct error *err)
{
	const char *logged = logged_error(arena, dirs);

	if (!logged)
		logged = said && *said ? said : "it does not say why";
	return error_set(err, "criu: %s (its log is %s/%s)", logged, dirs->work_path, dirs->log);
}

struct answer {
	unsigned int type;
	bool success;
	const char *script;
	pid_t notify_pid;
	pid_t restored;
	const char *message;
};

static char *field_text(struct arena *arena, const struct wire_field *f)
{
	return arena_strndup(arena, f->bytes ? (const char *)f->bytes : "", f->length);
}

/* criu_notify: script 1, pid 2. criu_restore_resp: pid 1. */
static void read_inner(struct arena *arena, const struct wire_field *outer, struct answer *a)
{
	const unsigned char *at = outer->bytes;
	struct wire_field f;

	while (at && wire_next(&at, outer->bytes + outer->length, &f) == 1) {
		if (outer->number == 4 && f.number == 1)
			a->restored = (pid_t)f.value;
		if (outer->number == 5 && f.number == 1)
			a->script = field_text(arena, &f);
		if (outer->number == 5 && f.number == 2)
			a->notify_pid = (pid_t)f.value;
	}
}

/* criu_resp: type 1, success 2, restore 4, notify 5, cr_errmsg 9. */
static int read_answer(struct arena *arena, const unsigned char *bytes, size_t n, struct answer *a)
{
	const unsigned char *at = bytes;
	struct wire_field f;
	int more;

	*a = (struct answer){.script = ""};
	while ((more = wire_next(&at, bytes + n, &f)) == 1) {
		if (f.number == 1)
			a->type = (unsigned int)f.value;
		else if (f.number == 2)
			a->success = f.value;
		else if (f.number == 4 || f.number == 5)
			read_inner(arena, &f, a);
		else if (f.number == 9)
			a->message = field_text(arena, &f);
	}
	return more;
}

/* Returns the bytes, 0 when criu is gone, -1 with errno. */
static ssize_t receive(int socket, unsigned char bytes[MAX_ANSWER], int *fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {.iov_base = bytes, .iov_len = MAX_ANSWER};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = sizeof(control)};
	ssize_t n;

	*fd = -1;
	do {
		n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			fd_take_sent(c, fd);
	}
	return n;
}

static int send_request(struct arena *arena, int socket, enum criu_type type,
			const struct wire *opts, bool success, struct error *err)
{
	struct wire request = {.arena = arena};

	wire_number(&request, 1, type);
	if (opts)
		wire_message(&request, 2, opts);
	else
		wire_number(&request, 3, success);
	if (send(socket, request.bytes, request.n, MSG_NOSIGNAL) < 0)
		return error_errno(err, errno, "talking to criu");
	return 0;
}

/* One message from criu. Returns 1 when it wants to go on, 0 at its last answer, -1 with err. */
static int serve(struct arena *arena, struct criu *criu, const struct criu_dirs *dirs,
		 criu_notify *notify, void *context, struct answer *a, struct error *err)
{
	static unsigned char bytes[MAX_ANSWER];
	cleanup_fd int fd = -1;
	ssize_t n = receive(criu->socket, bytes, &fd);

	if (n < 0)
		return error_errno(err, errno, "listening to criu");
	if (n == 0)
		return criu_failed(arena, dirs, "it ended without an answer", err);
	if (bytes[0] == (unsigned char)OWN_FAILURE && n > 1 && bytes[1])
		return error_set(err, "%.*s", (int)n - 1, (const char *)bytes + 1);
	if (read_answer(arena, bytes, (size_t)n, a) < 0)
		return error_set(err,
				 "criu's answer is not understood: is this criu 3.11 or newer?");
	if (a->type == CRIU_NOTIFY) {
		log_debug("criu: %s", a->script);
		if (notify && notify(context, a->script, a->notify_pid, &fd, err) < 0) {
			struct error ignored = ERROR_INIT;
			(void)send_request(arena, criu->socket, CRIU_NOTIFY, NULL, false, &ignored);
			return -1;
		}
		return send_request(arena, criu->socket, CRIU_NOTIFY, NULL, true, err) < 0 ? -1 : 1;
	}
	return a->success ? 0 : criu_failed(arena, dirs, a->message, err);
}

/* criu takes back what it had begun after a refusal; its answer is waited for, not its words. */
static void let_it_end(struct arena *arena, struct criu *criu, const struct criu_dirs *dirs)
{
	struct error ignored = ERROR_INIT;
	struct answer answer;

	while (serve(arena, criu, dirs, NULL, NULL, &answer, &ignored) == 1)
		;
}

int criu_talk(struct arena *arena, struct criu *criu, enum criu_type type, const struct wire *opts,
	      const struct criu_dirs *dirs, criu_notify *notify, void *context, pid_t *pid,
	      struct error *err)
{
	struct answer answer = {.type = 0};
	int more;

	/* The log of an earlier one would speak for this one. The file stays: Podman labels it. */
	cleanup_fd int log =
	    openat(dirs->work, dirs->log, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
	fd_cleanup(&log);
	if (send_request(arena, criu->socket, type, opts, false, err) < 0) {
		/* It may have said why it is gone. */
		struct error said = ERROR_INIT;
		if (serve(arena, criu, dirs, NULL, NULL, &answer, &said) < 0)
			*err = said;
		return -1;
	}
	do {
		more = serve(arena, criu, dirs, notify, context, &answer, err);
	} while (more == 1);
	if (more < 0 && answer.type == CRIU_NOTIFY)
		let_it_end(arena, criu, dirs);
	if (more == 0 && pid)
		*pid = answer.restored;
	return more;
}
