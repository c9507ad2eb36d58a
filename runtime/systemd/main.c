/*
 * The runtime's helper for systemd: it answers what the runtime asks at the other end of its stdin
 * (cgroup/systemd_client.c), one thing at a time, and ends with that. A program of its own, since
 * it loads a library: the runtime is linked statically, and starts sooner for it.
 */
#include <limits.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../cgroup/systemd_wire.h"

struct helper {
	struct arena *arena; /* of the request and its answer */
	struct arena *kept;
	struct sd_manager *manager;
	struct wire in;
	struct wire more; /* of the answer, behind the result */
};

static int start(struct helper *h, const char *unit, struct error *err)
{
	struct sd_properties properties;
	bool asked = false, exists = false;
	int result;

	wire_take_properties(&h->in, &properties);
	if (!wire_whole(&h->in))
		return -1;
	result = sd_start_unit(h->manager, unit, &properties, &asked, &exists, err);
	wire_put_number(&h->more, asked);
	wire_put_number(&h->more, exists);
	return result;
}

static int set_properties(struct helper *h, const char *unit, struct error *err)
{
	struct sd_properties properties;

	wire_take_properties(&h->in, &properties);
	return wire_whole(&h->in) ? sd_set_properties(h->manager, unit, &properties, err) : -1;
}

static int attach(struct helper *h, const char *unit, struct error *err)
{
	const char *below = wire_take_text(&h->in);
	const pid_t pid = (pid_t)wire_take_number(&h->in, INT_MAX);

	return below && wire_whole(&h->in) ? sd_attach(h->manager, unit, below, pid, err) : -1;
}

static int text(struct helper *h, const char *unit, struct error *err)
{
	const char *property = wire_take_text(&h->in);

	if (!property || !wire_whole(&h->in))
		return -1;
	wire_put_text(&h->more, sd_unit_text(h->manager, unit, property, err));
	return err->text[0] ? -1 : 0;
}

static int open_manager(struct helper *h, struct error *err)
{
	const bool user = wire_take_number(&h->in, 1);

	if (!wire_whole(&h->in) || h->manager)
		return -1;
	h->manager = sd_manager_open(h->kept, user, err);
	return h->manager ? 0 : -1;
}

/* -1 without words in err: it is no request. */
static int answer(struct helper *h, struct error *err)
{
	const uint64_t kind = wire_take_number(&h->in, WIRE_TEXT);
	const char *unit;
	int timeout_ms;

	if (kind == WIRE_OPEN)
		return open_manager(h, err);
	unit = wire_take_text(&h->in);
	if (!unit || !h->manager)
		return -1;
	switch (kind) {
	case WIRE_START:
		return start(h, unit, err);
	case WIRE_STOP:
		timeout_ms = (int)wire_take_number(&h->in, INT_MAX);
		return wire_whole(&h->in) ? sd_stop_unit(h->manager, unit, timeout_ms, err) : -1;
	case WIRE_RESET:
		return wire_whole(&h->in) ? sd_reset_failed(h->manager, unit, err) : -1;
	case WIRE_PROPERTIES:
		return set_properties(h, unit, err);
	case WIRE_ATTACH:
		return attach(h, unit, err);
	case WIRE_TEXT:
		return text(h, unit, err);
	default:
		return -1;
	}
}

static int say(struct helper *h, int result, const struct error *err)
{
	struct wire out = {.arena = h->arena};

	wire_put_number(&out, result < 0 ? WIRE_FAILED : WIRE_DONE);
	if (result < 0)
		wire_put_error(&out, err);
	wire_put_rest(&out, &h->more);
	return wire_send(STDIN_FILENO, &out, WIRE_MAX_ANSWER);
}

int main(void)
{
	struct arena kept = ARENA_INIT, arena = ARENA_INIT;
	struct helper h = {.arena = &arena, .kept = &kept};

	(void)prctl(PR_SET_NAME, "runsafe-systemd");
	for (;;) {
		struct error err = ERROR_INIT;
		int result;

		h.in = h.more = (struct wire){.arena = &arena};
		/* The runtime has what it wanted, or is gone. */
		if (wire_receive(STDIN_FILENO, &h.in, WIRE_MAX_REQUEST) != 1)
			_exit(0);
		result = answer(&h, &err);
		if (result < 0 && !err.text[0])
			error_set(&err, "this is no request to the helper for systemd");
		if (say(&h, result, &err) < 0)
			_exit(1);
		arena_rewind(&arena);
	}
}
