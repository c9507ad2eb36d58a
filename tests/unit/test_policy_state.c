/* link: container config policy cgroup base gen */
/* The policy of a container that is there, from its state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../runtime/container/store.h"
#include "container.h"
#include "fd.h"

static struct arena arena = ARENA_INIT;
static struct error err;
static char folder[32];
static struct container c;

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/runsafe-policy-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	err = (struct error)ERROR_INIT;
	c = (struct container){.dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	c.state.id = arena_strdup(&arena, "box");
	c.state.policy = arena_strdup(&arena, "strict");
	c.state.policy_text = arena_strdup(&arena, policy_builtin_text("strict", &(size_t){0}));
	return c.dir < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(c.dir);
	int result = system(arena_printf(&arena, "rm -rf %s", folder));
	arena_free(&arena);
	return result;
}

static struct container_state again(void)
{
	struct container_state state;

	assert_int_equal(container_write_state(&arena, &c, &err), 0);
	if (state_file_read(&arena, c.dir, "box", &state, &err) < 0)
		fail_msg("%s", err.text);
	return state;
}

static void it_comes_back_with_each_allow_in_order(void **state)
{
	struct policy_input in;

	(void)state;
	str_list_add(&arena, &c.state.allow, arena_strdup(&arena, "rootfs-writable"));
	str_list_add(&arena, &c.state.allow, arena_strdup(&arena, "tmpfs=/a=b:exec,/c"));
	c.state.no_new_keyring = true;
	struct container_state read = again();

	assert_int_equal(policy_of_state(&arena, &read, &in, &err), 0);
	assert_string_equal(policy_name(in.policy), "strict");
	assert_int_equal(in.n_allow, 2);
	assert_string_equal(in.allow[0].name, "rootfs-writable");
	assert_null(in.allow[0].value);
	assert_string_equal(in.allow[1].name, "tmpfs");
	assert_string_equal(in.allow[1].value, "/a=b:exec,/c");
	assert_true(in.no_new_keyring);
	/* No ids are mapped: nobody asks whose. */
	assert_false(in.in_user_namespace);
}

static void a_state_of_before_there_was_allow_is_read(void **state)
{
	static const char *const keys[] = {"\"allow\":[],", "\"noNewKeyring\":false,"};
	struct container_state read;
	struct policy_input in;
	char *text;

	(void)state;
	again();
	assert_int_equal(file_read_all(&arena, c.dir, STATE_FILE, 1 << 20, &text, NULL), 0);
	for (size_t i = 0; i < 2; i++) {
		char *at = strstr(text, keys[i]);

		assert_non_null(at);
		memmove(at, at + strlen(keys[i]), strlen(at + strlen(keys[i])) + 1);
	}
	cleanup_fd int fd = openat(c.dir, STATE_FILE, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(state_file_read(&arena, c.dir, "box", &read, &err), 0);
	assert_int_equal(policy_of_state(&arena, &read, &in, &err), 0);
	assert_int_equal(in.n_allow, 0);
	assert_false(in.no_new_keyring);
}

static void a_file_of_the_owners_is_named_as_it_was(void **state)
{
	struct policy_input in;

	(void)state;
	c.state.policy = arena_strdup(&arena, "/etc/runsafe/policy.json");
	c.state.policy_text = arena_strdup(&arena, "{\"limits\":{\"memory\":\"4g\"}}");
	assert_int_equal(policy_of_state(&arena, &c.state, &in, &err), 0);
	assert_string_equal(policy_name(in.policy), "/etc/runsafe/policy.json");
}

static void what_is_not_a_policy_stops_the_command(void **state)
{
	struct policy_input in;

	(void)state;
	str_list_add(&arena, &c.state.allow, arena_strdup(&arena, "everything"));
	assert_int_equal(policy_of_state(&arena, &c.state, &in, &err), -1);
	assert_non_null(strstr(err.text, "container box: the policy that it was made under: "
					 "--allow everything: no such name"));
	c.state.allow.n = 0;
	c.state.policy_text = arena_strdup(&arena, "{\"usr\":{}}");
	assert_int_equal(policy_of_state(&arena, &c.state, &in, &err), -1);
	assert_non_null(strstr(err.text, "unknown key \"usr\""));
	c.state.policy_text = NULL;
	assert_int_equal(policy_of_state(&arena, &c.state, &in, &err), -1);
	assert_non_null(strstr(err.text, "does not say its policy"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_comes_back_with_each_allow_in_order),
	    TEST(a_state_of_before_there_was_allow_is_read),
	    TEST(a_file_of_the_owners_is_named_as_it_was),
	    TEST(what_is_not_a_policy_stops_the_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
