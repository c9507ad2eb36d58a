/* link: cgroup config base */
/* update's schemata, on a folder that stands for resctrl; the kernel's own checks are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "resctrl.h"

static struct arena arena = ARENA_INIT;
static struct error err;
static char folder[32];
static int root;

static int start(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/runsafe-rdt-XXXXXX");
	err = (struct error)ERROR_INIT;
	if (!mkdtemp(folder))
		return -1;
	root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return mkdirat(root, "box", 0755);
}

static int end(void **state)
{
	(void)state;
	close(root);
	int result = system(arena_printf(&arena, "rm -rf %s", folder));
	arena_free(&arena);
	return result;
}

static void put(const char *text)
{
	cleanup_fd int fd =
	    openat(root, "box/schemata", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static const char *get(void)
{
	char *text;

	assert_int_equal(file_read_all(&arena, root, "box/schemata", 4096, &text, NULL), 0);
	return text;
}

static char l3[] = "L3:0=0f";
static char mb[] = "MB:0=50";
static char name[] = "box";

static void new_schemata_are_written_and_taken_back(void **state)
{
	const struct resctrl group = {.class_ = name, .made_class = true};
	const struct config_intel_rdt rdt = {.l3_cache_schema = l3, .mem_bw_schema = mb};
	char *old = NULL;

	(void)state;
	put("L3:0=7f\nMB:0=10\n");
	assert_int_equal(resctrl_update(&arena, root, &group, &rdt, &old, &err), 0);
	assert_string_equal(get(), "L3:0=0f\nMB:0=50\n");
	assert_string_equal(old, "L3:0=7f\nMB:0=10\n");
	assert_int_equal(resctrl_restore(root, &group, old, &err), 0);
	assert_string_equal(get(), "L3:0=7f\nMB:0=10\n");
}

static void a_class_of_others_is_left_alone(void **state)
{
	const struct resctrl group = {.class_ = name, .made_class = false};
	const struct config_intel_rdt rdt = {.mem_bw_schema = mb};
	char *old = NULL;

	(void)state;
	put("MB:0=10\n");
	assert_int_equal(resctrl_update(&arena, root, &group, &rdt, &old, &err), -1);
	assert_non_null(strstr(err.text, "linux.intelRdt: class box was there before"));
	assert_string_equal(get(), "MB:0=10\n");
	assert_null(old);
}

static void a_class_that_is_gone_is_an_error(void **state)
{
	const struct resctrl group = {.class_ = name, .made_class = true};
	const struct config_intel_rdt rdt = {.mem_bw_schema = mb};
	char *old = NULL;

	(void)state;
	assert_int_equal(resctrl_update(&arena, root, &group, &rdt, &old, &err), -1);
	assert_non_null(strstr(err.text, "reading the schemata of class box"));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(new_schemata_are_written_and_taken_back),
	    TEST(a_class_of_others_is_left_alone),
	    TEST(a_class_that_is_gone_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
