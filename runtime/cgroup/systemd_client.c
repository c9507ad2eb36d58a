/*
 * The runtime's side of the systemd driver: a small program of its own, which lies as bytes in the
 * binary (mk/systemd.mk), is started when the driver is asked for and not before. It loads
 * libsystemd and talks to the manager (runtime/systemd); here it is asked, one thing at a time.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"
#include "systemd_wire.h"

#define HELPER	"the helper of the systemd cgroup driver"
#define WITHOUT "--cgroup-manager cgroupfs does without"

/* Made by mk/systemd.mk. */
extern const unsigned char systemd_image[];
extern const size_t systemd_image_size;

struct sd_manager {
	struct arena *arena;
	int socket;
	pid_t pid;
};

/* Says by the socket why there is no helper there. */
static _Noreturn void not_executed(struct arena *arena, int socket)
{
	const int number = errno;
	struct error why = ERROR_INIT;
	struct wire w = {.arena = arena};

	error_errno(&why, number,
		    HELPER " can not be executed; it needs glibc and its library libsystemd, "
			   "and to be executed from memory (sysctl vm.memfd_noexec); " WITHOUT);
	wire_put_number(&w, WIRE_FAILED);
	wire_put_error(&w, &why);
	(void)wire_send(socket, &w, WIRE_MAX_ANSWER);
	_exit(127);
}

/* All that it gets is the socket, the environment and our stderr. Main has seen to it that there
 * are the descriptors 0 to 2. */
static _Noreturn void become_helper(struct arena *arena, int program, int socket)
{
	static char *argv[] = {"runsafe-systemd", NULL};

	/* In a session of its own ^C does not reach it: we end it when we are through. Whoever
	 * kills us has killed what we wait for. */
	(void)setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || sys_default_signals() < 0 ||
	    dup2(socket, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
	    fd_cloexec_from(3) < 0)
		not_executed(arena, socket);
	fexecve(program, argv, environ);
	not_executed(arena, socket);
}

static int start_helper(struct sd_manager *m, struct error *err)
{
	int pair[2];
	cleanup_fd int program = fd_of_program(systemd_image, systemd_image_size);

	if (program < 0)
		return error_errno(err, errno,
				   "making " HELPER " executable in memory (is sysctl "
				   "vm.memfd_noexec set?); " WITHOUT);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "making the socket to " HELPER);
	cleanup_fd int ours = pair[0];
	cleanup_fd int theirs = pair[1];
	m->pid = fork();
	if (m->pid < 0)
		return error_errno(err, errno, "starting " HELPER);
	if (m->pid == 0)
		become_helper(m->arena, program, theirs);
	m->socket = fd_take(&ours);
	return 0;
}

/* Everything that it was asked to do is done, or given up: there is nothing to wait for. Returns
 * how it ended, -1 if nobody knows. */
static int end_helper(struct sd_manager *m, int sig)
{
	int status = -1;
	pid_t ended;

	fd_cleanup(&m->socket);
	if (m->pid <= 0)
		return -1;
	if (sig)
		(void)kill(m->pid, sig);
	do {
		ended = waitpid(m->pid, &status, 0);
	} while (ended < 0 && errno == EINTR);
	m->pid = -1;
	return ended < 0 ? -1 : status;
}

/* The stream has an end: it has ended, or is about to. */
static int helper_ended(struct sd_manager *m, const char *what, struct error *err)
{
	const int status = end_helper(m, 0);

	if (status >= 0 && WIFSIGNALED(status))
		return error_set(err, HELPER " was killed by signal %d before it could %s",
				 WTERMSIG(status), what);
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return error_set(err,
				 HELPER " does not run here (what is missing, it says on stderr): "
					"it needs glibc and libsystemd; " WITHOUT);
	return error_set(err, HELPER " ended with status %d before it could %s",
			 status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1, what);
}

static int bad_answer(struct sd_manager *m, const char *what, struct error *err)
{
	(void)end_helper(m, SIGKILL);
	return error_set(err, HELPER " gave no answer that can be understood when it had to %s",
			 what);
}

/* Sends the request and reads the answer up to what its request is answered with. Returns 0 when
 * that is done, -1 with err set when not. What comes behind is read all the same, if *said. */
static int ask(struct sd_manager *m, const struct wire *request, struct wire *answer,
	       const char *what, bool *said, struct error *err)
{
	uint64_t result;
	int got = -1;

	*said = false;
	*answer = (struct wire){.arena = m->arena};
	if (m->socket < 0)
		return error_set(err, HELPER " is not there any more, and had to %s", what);
	/* What it could not read, it may have answered before it ended: why it never was there. */
	if (wire_send(m->socket, request, WIRE_MAX_REQUEST) < 0 && errno != EPIPE &&
	    errno != ECONNRESET)
		return error_errno(err, errno, "asking " HELPER " to %s", what);
	got = wire_receive(m->socket, answer, WIRE_MAX_ANSWER);
	if (got < 0 && errno == EBADMSG)
		return bad_answer(m, what, err);
	if (got <= 0)
		return helper_ended(m, what, err);
	result = wire_take_number(answer, WIRE_FAILED);
	if (result == WIRE_FAILED)
		wire_take_error(answer, err);
	if (answer->bad || result == 0)
		return bad_answer(m, what, err);
	*said = true;
	return result == WIRE_DONE ? 0 : -1;
}

static struct wire request_for(struct sd_manager *m, enum wire_request kind, const char *unit)
{
	struct wire w = {.arena = m->arena};

	wire_put_number(&w, kind);
	if (unit)
		wire_put_text(&w, unit);
	return w;
}

/* Where the answer is no more than whether it was done. */
static int ask_to(struct sd_manager *m, const struct wire *request, const char *what,
		  struct error *err)
{
	struct wire answer;
	bool said;
	const int result = ask(m, request, &answer, what, &said, err);

	if (said && !wire_whole(&answer))
		return bad_answer(m, what, err);
	return result;
}

struct sd_manager *sd_manager_open(struct arena *arena, bool user, struct error *err)
{
	struct sd_manager *m = arena_alloc(arena, sizeof(*m));
	struct wire request;

	*m = (struct sd_manager){.arena = arena, .socket = -1, .pid = -1};
	request = request_for(m, WIRE_OPEN, NULL);
	wire_put_number(&request, user);
	if (start_helper(m, err) < 0)
		return NULL;
	if (ask_to(m, &request, "reach systemd", err) == 0)
		return m;
	sd_manager_close(m);
	return NULL;
}

void sd_manager_close(struct sd_manager *m)
{
	if (m)
		(void)end_helper(m, SIGKILL);
}

void sd_manager_cleanup(struct sd_manager **manager)
{
	sd_manager_close(*manager);
}

int sd_start_unit(struct sd_manager *m, const char *unit, const struct sd_properties *properties,
		  bool *asked, bool *exists, struct error *err)
{
	static const char what[] = "start the unit";
	struct wire request = request_for(m, WIRE_START, unit), answer;
	bool said;
	int result;

	*exists = false;
	wire_put_properties(&request, properties);
	result = ask(m, &request, &answer, what, &said, err);
	if (said) {
		const bool made = wire_take_number(&answer, 1);

		*exists = wire_take_number(&answer, 1);
		if (wire_whole(&answer)) {
			*asked |= made;
			return result;
		}
		bad_answer(m, what, err);
	}
	/* It may be made yet. */
	*asked = true;
	return -1;
}

int sd_stop_unit(struct sd_manager *m, const char *unit, int timeout_ms, struct error *err)
{
	struct wire request = request_for(m, WIRE_STOP, unit);

	wire_put_number(&request, timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
	return ask_to(m, &request, "stop the unit", err);
}

int sd_reset_failed(struct sd_manager *m, const char *unit, struct error *err)
{
	const struct wire request = request_for(m, WIRE_RESET, unit);

	return ask_to(m, &request, "forget the failed unit", err);
}

int sd_set_properties(struct sd_manager *m, const char *unit,
		      const struct sd_properties *properties, struct error *err)
{
	struct wire request;

	if (properties->n == 0)
		return 0;
	request = request_for(m, WIRE_PROPERTIES, unit);
	wire_put_properties(&request, properties);
	return ask_to(m, &request, "set limits of the unit", err);
}

int sd_attach(struct sd_manager *m, const char *unit, const char *below, pid_t pid,
	      struct error *err)
{
	struct wire request = request_for(m, WIRE_ATTACH, unit);

	wire_put_text(&request, below);
	wire_put_number(&request, (uint64_t)pid);
	return ask_to(m, &request, "put a process into the unit", err);
}

const char *sd_unit_text(struct sd_manager *m, const char *unit, const char *property,
			 struct error *err)
{
	static const char what[] = "describe the unit";
	struct wire request = request_for(m, WIRE_TEXT, unit), answer;
	const char *text;
	bool said;

	wire_put_text(&request, property);
	if (ask(m, &request, &answer, what, &said, err) < 0)
		return NULL;
	text = wire_take_text(&answer);
	if (wire_whole(&answer))
		return text;
	(void)bad_answer(m, what, err);
	return NULL;
}
