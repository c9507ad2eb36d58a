/* state.json under a root that other runtimes share: anything may be in it. */
#include <fcntl.h>
#include <unistd.h>

#include "../../runtime/container/store.h"
#include "fd.h"
#include "fuzz.h"

static void put(int dir, const void *data, size_t size)
{
	cleanup_fd int fd = openat(dir, STATE_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || fd_write_all(fd, data, size) < 0)
		broken("a directory for state.json", "can not be written");
}

static char *get(struct arena *arena, int dir)
{
	char *text = NULL;

	if (file_read_all(arena, dir, STATE_FILE, JSON_MAX_BYTES, &text, NULL) < 0)
		broken("state.json can be read back", "(it can not)");
	return text;
}

/* A command writes what it read: nothing may get lost or change on the way. */
static void state_must_come_back(struct arena *arena, int dir, const struct container_state *state)
{
	struct container container = {.dir = dir, .state = *state};
	struct container_state again;
	struct error err = ERROR_INIT;

	if (container_write_state(arena, &container, &err) < 0)
		broken("a state can be written", err.text);
	const char *text = get(arena, dir);
	if (state_file_read(arena, dir, "fuzz", &again, &err) < 0)
		broken(err.text, text);
	container.state = again;
	if (container_write_state(arena, &container, &err) < 0 ||
	    strcmp(text, get(arena, dir)) != 0)
		broken(text, get(arena, dir));
	if (!state_file_ours(arena, dir))
		broken("what runsafe wrote is known as its own", text);
}

/* A glance sees the same, as far as it goes; it need not see what is wrong elsewhere. */
static void glance_must_agree(struct arena *arena, int dir, const struct container_state *state)
{
	struct container_state seen;
	struct error err = ERROR_INIT;

	if (state_file_glance(arena, dir, "fuzz", &seen, &err) < 0) {
		check_error(&err);
		if (state)
			broken("a state can be glanced at", err.text);
	} else if (state) {
		const char *text = container_state_json(arena, state, STATUS_RUNNING, false);

		if (strcmp(text, container_state_json(arena, &seen, STATUS_RUNNING, false)) != 0)
			broken("a glance sees the same", text);
	}
	if (state_file_glance_ours(arena, dir, "fuzz", &seen, &err) > 0 &&
	    !state_file_ours(arena, dir))
		broken("what a glance finds is listed", "(it is not)");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int dir = place_bundle();
	struct arena arena = ARENA_INIT;
	struct container_state state;
	struct error err = ERROR_INIT;

	put(dir, data, size);
	bool good = state_file_read(&arena, dir, "fuzz", &state, &err) == 0;
	glance_must_agree(&arena, dir, good ? &state : NULL);
	if (!good)
		check_error(&err);
	else
		state_must_come_back(&arena, dir, &state);
	arena_free(&arena);
	return 0;
}
