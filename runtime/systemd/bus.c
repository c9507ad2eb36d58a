/* The manager over D-Bus, through libsystemd. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../cgroup/systemd_manager.h"
#include "library.h"

#define SERVICE	  "org.freedesktop.systemd1"
#define PATH	  "/org/freedesktop/systemd1"
#define INTERFACE SERVICE ".Manager"
#define UNIT	  SERVICE ".Unit"

/* What a job may take where the manager is busy; its own calls end after 25 s. */
#define JOB_TIMEOUT_MS 30000

struct sd_manager {
	struct arena *arena;
	struct sd_bus *bus;
	bool user;
	bool direct;	  /* without a bus between us */
	bool matched;	  /* JobRemoved is listened to */
	const char *job;  /* whose end is waited for */
	char *job_result; /* "done"; NULL: it goes on */
};

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int open_address(struct sd_manager *m, const char *address, bool client)
{
	int result = sd.new(&m->bus);

	if (result >= 0)
		result = sd.set_address(m->bus, address);
	if (result >= 0)
		result = sd.set_bus_client(m->bus, client);
	if (result >= 0)
		result = sd.start(m->bus);
	if (result < 0 && m->bus)
		m->bus = sd.flush_close_unref(m->bus);
	return result;
}

/*
 * Root of a user namespace is somebody else outside, so the bus must not be told a uid in
 * AUTH EXTERNAL but look at the credentials of the socket: so does libsystemd, which names none.
 */
static const char *user_address(struct arena *arena)
{
	const char *address = getenv("DBUS_SESSION_BUS_ADDRESS");
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (address && *address)
		return address;
	/* Shims call delete with an empty environment. */
	if (!dir || !*dir)
		dir = arena_printf(arena, "/run/user/%lu", sd_outer_uid(arena, geteuid()));
	return arena_printf(arena, "unix:path=%s/bus", dir);
}

static int connect_bus(struct sd_manager *m, struct error *err)
{
	const char *address = m->user ? user_address(m->arena) : NULL;
	int result = m->user ? open_address(m, address, true) : sd.open_system(&m->bus);

	/* A small host may have systemd and no bus: its own socket does then, for root. */
	if (result < 0 && !m->user)
		m->direct = open_address(m, "unix:path=/run/systemd/private", false) >= 0;
	if (result >= 0 || m->direct)
		return 0;
	if (m->user)
		return error_errno(err, -result,
				   "the systemd cgroup driver can not reach the user's manager at "
				   "%s: is this a login session (loginctl enable-linger), and is "
				   "DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR set?",
				   address);
	return error_errno(err, -result,
			   "the systemd cgroup driver can not reach systemd over the system bus: "
			   "is systemd process 1 here, and dbus running? --cgroup-manager cgroupfs "
			   "does without");
}

struct sd_manager *sd_manager_open(struct arena *arena, bool user, struct error *err)
{
	struct sd_manager *m = arena_alloc(arena, sizeof(*m));

	m->arena = arena;
	m->user = user;
	if (sd_library_load(err) < 0 || connect_bus(m, err) < 0)
		return NULL;
	return m;
}

void sd_manager_close(struct sd_manager *m)
{
	if (m && m->bus)
		m->bus = sd.flush_close_unref(m->bus);
}

void sd_manager_cleanup(struct sd_manager **manager)
{
	sd_manager_close(*manager);
}

/* A call being put together and what came of it. The first negative result is kept. */
struct call {
	struct sd_manager *manager;
	struct sd_bus_message *message;
	struct sd_bus_message *reply;
	struct sd_bus_error error;
	int result; /* negative errno */
};

static void call_begin(struct call *c, struct sd_manager *m, const char *path,
		       const char *interface, const char *member)
{
	*c = (struct call){.manager = m};
	c->result = sd.new_method_call(m->bus, &c->message, SERVICE, path, interface, member);
}

#define CALL(c, function, ...)                                                                     \
	do {                                                                                       \
		if ((c)->result >= 0)                                                              \
			(c)->result = sd.function((c)->message, ##__VA_ARGS__);                    \
	} while (0)

static int call_go(struct call *c)
{
	if (c->result >= 0)
		c->result = sd.call(c->manager->bus, c->message, 0, &c->error, &c->reply);
	return c->result;
}

static bool call_failed_with(const struct call *c, const char *name)
{
	return c->error.name && strcmp(c->error.name, name) == 0;
}

#define NO_SUCH_UNIT SERVICE ".NoSuchUnit"

static int call_error(const struct call *c, const char *what, const char *unit, struct error *err)
{
	if (c->error.message)
		error_set(err, "systemd can not %s %s: %s", what, unit, c->error.message);
	else
		error_errno(err, -c->result, "can not ask systemd to %s %s", what, unit);
	err->number = -c->result;
	return -1;
}

static void call_end(struct call *c)
{
	sd.error_free(&c->error);
	c->message = c->message ? sd.unref(c->message) : NULL;
	c->reply = c->reply ? sd.unref(c->reply) : NULL;
}
#define cleanup_call __attribute__((cleanup(call_end)))

static void append_property(struct call *c, const struct sd_property *p)
{
	CALL(c, open_container, 'r', "sv");
	CALL(c, append, "s", p->name);
	CALL(c, open_container, 'v', p->type);
	switch (p->type[0]) {
	case 'b':
		CALL(c, append, "b", (int)p->flag);
		break;
	case 's':
		CALL(c, append, "s", p->text);
		break;
	case 'i':
	case 'n':
		CALL(c, append, p->type, (int)p->number);
		break;
	case 'u':
	case 'q':
	case 'y':
		CALL(c, append, p->type, (unsigned int)p->natural);
		break;
	case 'x':
		CALL(c, append, "x", p->number);
		break;
	case 't':
		CALL(c, append, "t", p->natural);
		break;
	default:
		if (p->type[1] == 'y') {
			CALL(c, append_array, 'y', p->bytes, p->n_bytes);
		} else if (p->type[1] == 'u') {
			uint32_t number = (uint32_t)p->natural;
			CALL(c, append_array, 'u', &number, sizeof(number));
		} else {
			CALL(c, open_container, 'a', "s");
			for (size_t i = 0; i < p->list.n; i++)
				CALL(c, append, "s", p->list.items[i]);
			CALL(c, close_container);
		}
	}
	CALL(c, close_container);
	CALL(c, close_container);
}

/* 257 of "257.9-1~deb13u1"; 0 if it does not say. */
static unsigned int version_of(struct sd_manager *m)
{
	cleanup_call struct call c;
	const char *text = "";

	call_begin(&c, m, PATH, "org.freedesktop.DBus.Properties", "Get");
	CALL(&c, append, "ss", INTERFACE, "Version");
	if (call_go(&c) < 0 || sd.read(c.reply, "v", "s", &text) < 0)
		return 0;
	return (unsigned int)strtoul(text + strcspn(text, "0123456789"), NULL, 10);
}

static void append_properties(struct call *c, const struct sd_properties *list)
{
	unsigned int version = 0;

	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].since && !version)
			version = version_of(c->manager);
	CALL(c, open_container, 'a', "(sv)");
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].since <= version)
			append_property(c, &list->items[i]);
	CALL(c, close_container);
}

static int job_removed(struct sd_bus_message *message, void *data, struct sd_bus_error *error)
{
	struct sd_manager *m = data;
	const char *job, *unit, *result;
	uint32_t id;

	(void)error;
	if (m->job && sd.read(message, "uoss", &id, &job, &unit, &result) > 0 &&
	    strcmp(job, m->job) == 0)
		m->job_result = arena_strdup(m->arena, result);
	return 0;
}

/* Before the call that makes the job. Not waited for: the bus keeps the order. */
static void listen_to_jobs(struct call *c)
{
	struct sd_manager *m = c->manager;

	if (m->matched || c->result < 0)
		return;
	c->result =
	    sd.add_match_async(m->bus, NULL,
			       arena_printf(m->arena,
					    "type='signal',%spath='" PATH "',interface='" INTERFACE
					    "',member='JobRemoved'",
					    m->direct ? "" : "sender='" SERVICE "',"),
			       job_removed, NULL, m);
	m->matched = c->result >= 0;
}

/* The reply names the job. */
static int wait_for_job(struct call *c, const char *what, const char *unit, int timeout_ms,
			struct error *err)
{
	struct sd_manager *m = c->manager;
	long long end = now_ms() + timeout_ms;
	int result;

	m->job_result = NULL;
	result = sd.read(c->reply, "o", &m->job);
	while (result >= 0 && !m->job_result) {
		long long left = end - now_ms();

		result = sd.process(m->bus, NULL);
		if (result != 0)
			continue;
		if (left <= 0)
			return error_set(err,
					 "systemd did not %s %s within %d seconds: is it busy? "
					 "`systemctl list-jobs` shows what it does",
					 what, unit, timeout_ms / 1000);
		result = sd.wait(m->bus, (uint64_t)left * 1000);
		if (result == -EINTR)
			result = 0;
	}
	m->job = NULL;
	if (result < 0)
		return error_errno(err, -result, "waiting for systemd to %s %s", what, unit);
	return 0;
}

int sd_start_unit(struct sd_manager *m, const char *unit, const struct sd_properties *properties,
		  bool *asked, bool *exists, struct error *err)
{
	cleanup_call struct call c;

	*exists = false;
	call_begin(&c, m, PATH, INTERFACE, "StartTransientUnit");
	CALL(&c, append, "ss", unit, "fail");
	append_properties(&c, properties);
	CALL(&c, append, "a(sa(sv))", 0);
	listen_to_jobs(&c);
	if (call_go(&c) < 0) {
		*exists = call_failed_with(&c, SERVICE ".UnitExists");
		/* Without an answer it may be made yet. */
		*asked |=
		    !c.error.name || call_failed_with(&c, "org.freedesktop.DBus.Error.NoReply");
		return call_error(&c, "start the unit", unit, err);
	}
	*asked = true;
	if (wait_for_job(&c, "start the unit", unit, JOB_TIMEOUT_MS, err) < 0)
		return -1;
	if (strcmp(m->job_result, "done") == 0)
		return 0;
	return error_set(err,
			 "systemd could not start the unit %s: the job's result is \"%s\"; "
			 "`journalctl %s%s` may say why",
			 unit, m->job_result, m->user ? "--user-unit=" : "--unit=", unit);
}

int sd_stop_unit(struct sd_manager *m, const char *unit, int timeout_ms, struct error *err)
{
	cleanup_call struct call c;

	call_begin(&c, m, PATH, INTERFACE, "StopUnit");
	CALL(&c, append, "ss", unit, "replace");
	listen_to_jobs(&c);
	if (call_go(&c) < 0) {
		if (call_failed_with(&c, NO_SUCH_UNIT))
			return 0;
		return call_error(&c, "stop the unit", unit, err);
	}
	/* However it ended: what counts is that the cgroup is gone. */
	return wait_for_job(&c, "stop the unit", unit, timeout_ms, err);
}

int sd_reset_failed(struct sd_manager *m, const char *unit, struct error *err)
{
	cleanup_call struct call c;

	call_begin(&c, m, PATH, INTERFACE, "ResetFailedUnit");
	CALL(&c, append, "s", unit);
	if (call_go(&c) < 0 && !call_failed_with(&c, NO_SUCH_UNIT))
		return call_error(&c, "forget the failed unit", unit, err);
	return 0;
}

/* The object of a unit that is loaded; NULL with err empty where it is not. */
static char *unit_object(struct sd_manager *m, const char *unit, struct error *err)
{
	cleanup_call struct call c;
	const char *path;

	call_begin(&c, m, PATH, INTERFACE, "GetUnit");
	CALL(&c, append, "s", unit);
	if (call_go(&c) >= 0)
		c.result = sd.read(c.reply, "o", &path);
	if (c.result >= 0)
		return arena_strdup(m->arena, path);
	if (!call_failed_with(&c, NO_SUCH_UNIT))
		call_error(&c, "look up the unit", unit, err);
	return NULL;
}

const char *sd_unit_text(struct sd_manager *m, const char *unit, const char *property,
			 struct error *err)
{
	cleanup_call struct call c = {.manager = m};
	const char *path = unit_object(m, unit, err);
	const char *text;

	if (!path)
		return NULL;
	call_begin(&c, m, path, "org.freedesktop.DBus.Properties", "Get");
	CALL(&c, append, "ss", UNIT, property);
	if (call_go(&c) >= 0)
		c.result = sd.read(c.reply, "v", "s", &text);
	if (c.result >= 0)
		return arena_strdup(m->arena, text);
	call_error(&c, "describe the unit", unit, err);
	return NULL;
}

int sd_set_properties(struct sd_manager *m, const char *unit,
		      const struct sd_properties *properties, struct error *err)
{
	cleanup_call struct call c = {.manager = m};

	if (properties->n == 0)
		return 0;
	call_begin(&c, m, PATH, INTERFACE, "SetUnitProperties");
	CALL(&c, append, "sb", unit, 1);
	append_properties(&c, properties);
	if (call_go(&c) < 0)
		return call_error(&c, "set limits of the unit", unit, err);
	/* systemd writes the files once it has answered, and before it reads the next call. */
	(void)version_of(m);
	return 0;
}

int sd_attach(struct sd_manager *m, const char *unit, const char *below, pid_t pid,
	      struct error *err)
{
	cleanup_call struct call c;

	call_begin(&c, m, PATH, INTERFACE, "AttachProcessesToUnit");
	CALL(&c, append, "ssau", unit, below, 1, (uint32_t)pid);
	if (call_go(&c) < 0)
		return call_error(&c, "put a process into the unit", unit, err);
	return 0;
}
