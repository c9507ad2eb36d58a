/* link: cgroup base */
/* config-linux.md, "IntelRdt": each of its MUSTs, on a folder that stands for resctrl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd.h"
#include "resctrl.h"

/* As the hardware has it before anything is said. */
#define WHOLE "    L3:0=07ff;1=07ff\n    MB:0=100;1=100\n"

static struct arena arena;
static struct error err;
static struct resctrl group;
static struct config_intel_rdt rdt;
static char dir[64];
static int root;
static bool without_schemata; /* a write that fails, as the kernel refuses a wrong one */

static int put(int at, const char *path, const char *text)
{
	cleanup_fd int fd = openat(at, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	return fd < 0 ? -1 : fd_write_all(fd, text, strlen(text));
}

static int populate(int at)
{
	if (put(at, "tasks", "") < 0 || (!without_schemata && put(at, "schemata", WHOLE) < 0))
		return -1;
	return (int)syscall(SYS_mkdirat, at, "mon_groups", 0755);
}

/* In resctrl a folder that is made has its files, and one that is removed takes them along: these
 * stand before the C library's. */
int mkdirat(int at, const char *path, mode_t mode)
{
	if (syscall(SYS_mkdirat, at, path, mode) < 0)
		return -1;
	cleanup_fd int made = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return strstr(path, "mon_groups/") ? put(made, "tasks", "") : populate(made);
}

static int take(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int unlinkat(int at, const char *path, int flags)
{
	char full[512];

	(void)flags;
	assert_int_equal(at, root);
	snprintf(full, sizeof(full), "%s/%s", dir, path);
	return nftw(full, take, 8, FTW_DEPTH | FTW_PHYS);
}

static int start(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/runsafe-resctrl.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	err = (struct error)ERROR_INIT;
	rdt = (struct config_intel_rdt){.clos_id = NULL};
	group = (struct resctrl){.class_ = NULL};
	if (syscall(SYS_mkdirat, root, "info", 0755) < 0 || populate(root) < 0)
		return -1;
	return put(root, "info/last_cmd_status", "ok\n");
}

static int end(void **state)
{
	(void)state;
	close(root);
	arena_free(&arena);
	return nftw(dir, take, 8, FTW_DEPTH | FTW_PHYS);
}

static void there(const char *class_, const char *schemata)
{
	assert_int_equal(mkdirat(root, class_, 0755), 0);
	assert_int_equal(put(root, arena_printf(&arena, "%s/schemata", class_), schemata), 0);
}

static void made(void)
{
	if (resctrl_make(&arena, root, &rdt, "box", &group, &err) < 0)
		fail_msg("%s", err.text);
}

static void not_made(const char *part)
{
	assert_int_equal(resctrl_make(&arena, root, &rdt, "box", &group, &err), -1);
	if (!strstr(err.text, part) || !strstr(err.text, "linux.intelRdt"))
		fail_msg("expected \"%s\" in \"%s\"", part, err.text);
	assert_false(group.made_class);
}

static void says(const char *path, const char *text)
{
	char *is;

	if (file_read_all(&arena, root, path, 4096, &is, NULL) < 0)
		fail_msg("no %s", path);
	assert_string_equal(is, text);
}

/* The fixture's file keeps what lies behind the last write; the kernel's takes it as a command. */
static void written(const char *path, const char *text)
{
	char *is;

	assert_int_equal(file_read_all(&arena, root, path, 4096, &is, NULL), 0);
	assert_memory_equal(is, text, strlen(text));
}

static bool exists(const char *path)
{
	return faccessat(root, path, F_OK, 0) == 0;
}

static void without_a_closid_it_is_the_containers_id(void **state)
{
	(void)state;
	made();
	assert_string_equal(group.class_, "box");
	assert_true(group.made_class);
	assert_int_equal(resctrl_enter(root, &group, 4321, &err), 0);
	says("box/tasks", "4321");
	says("box/schemata", WHOLE);
	assert_int_equal(resctrl_remove(root, &group, &err), 0);
	assert_false(exists("box"));
	assert_int_equal(resctrl_remove(root, &group, &err), 0);
}

static void somebody_elses_class_of_that_name_is_not_taken(void **state)
{
	(void)state;
	there("box", WHOLE);
	not_made("box already");
	assert_true(exists("box"));
}

/* "If closID directory doesn't exist, the runtimes MUST create it", and it goes with us. */
static void a_closid_with_schemata_is_made(void **state)
{
	(void)state;
	rdt.clos_id = (char *)"gold";
	rdt.l3_cache_schema = (char *)"L3:0=f0;1=f";
	made();
	assert_true(group.made_class);
	written("gold/schemata", "L3:0=f0;1=f\n");
}

static void schemata_are_written_last(void **state)
{
	char *lines[] = {(char *)"L2:0=f", (char *)"MB:0=20", NULL};

	(void)state;
	rdt.l3_cache_schema = (char *)"L3:0=f0";
	rdt.schemata = (struct str_list){.items = lines, .n = 2};
	made();
	written("box/schemata", "L2:0=f\nMB:0=20\n");
}

/* "the value written MUST be the non-MB: line(s) from l3CacheSchema and the line from memBWSchema"
 */
static void memory_bandwidth_has_one_say(void **state)
{
	(void)state;
	rdt.l3_cache_schema = (char *)"L3:0=f0\nMB:0=50\nL3CODE:0=3";
	rdt.mem_bw_schema = (char *)"MB:0=20";
	made();
	written("box/schemata", "L3:0=f0\nL3CODE:0=3\nMB:0=20\n");
}

static void alone_l3cacheschema_is_written_as_it_is(void **state)
{
	(void)state;
	rdt.l3_cache_schema = (char *)"L3:0=f0\nMB:0=50";
	made();
	written("box/schemata", "L3:0=f0\nMB:0=50\n");
}

/* "if closID directory exists, runtimes MUST compare ... and generate an error if doesn't match" */
static void a_class_that_is_there_is_compared(void **state)
{
	char *lines[] = {(char *)"MB:1=70"};

	(void)state;
	there("gold", "   MB:0= 20;1= 70\n   L3:0=007f0;1=0001f\n");
	rdt.clos_id = (char *)"gold";
	rdt.l3_cache_schema = (char *)"L3:0=7F0;1=1f";
	rdt.mem_bw_schema = (char *)"MB:0=20";
	rdt.schemata = (struct str_list){.items = lines, .n = 1};
	made();
	assert_false(group.made_class);
	assert_int_equal(resctrl_enter(root, &group, 1, &err), 0);
	says("gold/tasks", "1");
	says("gold/schemata", "   MB:0= 20;1= 70\n   L3:0=007f0;1=0001f\n");
	assert_int_equal(resctrl_remove(root, &group, &err), 0);
	assert_true(exists("gold"));
}

static void a_class_with_other_schemata_is_refused(void **state)
{
	static const char *const other[] = {"L3:0=7f1", "L3:1=7f0;2=1", "L2:0=f",
					    "L3:0=7f",	"L3:0",		"L3:0=7f00"};

	(void)state;
	there("gold", "   MB:0=20;1=70\n   L3:0=7f0;1=7f0\n");
	rdt.clos_id = (char *)"gold";
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		rdt.l3_cache_schema = (char *)(uintptr_t)other[i];
		not_made("other schemata");
	}
	rdt.l3_cache_schema = NULL;
	rdt.mem_bw_schema = (char *)"MB:0=2";
	not_made("other schemata");
	says("gold/schemata", "   MB:0=20;1=70\n   L3:0=7f0;1=7f0\n");
}

/* "none of them are set: runtime MUST assign container to this closID", or generate an error */
static void a_closid_alone_has_to_be_there(void **state)
{
	(void)state;
	rdt.clos_id = (char *)"gold";
	not_made("no class gold");
	assert_false(exists("gold"));
	there("gold", WHOLE);
	made();
	assert_string_equal(group.class_, "gold");
	assert_false(group.made_class);
}

static void a_slash_is_the_default_class(void **state)
{
	(void)state;
	rdt.clos_id = (char *)"/";
	rdt.enable_monitoring = true;
	made();
	assert_int_equal(resctrl_enter(root, &group, 77, &err), 0);
	says("tasks", "77");
	says("mon_groups/box/tasks", "77");
	assert_int_equal(resctrl_remove(root, &group, &err), 0);
	assert_false(exists("mon_groups/box"));
	assert_true(exists("tasks"));
}

static void monitoring_is_a_group_of_the_containers_own(void **state)
{
	(void)state;
	there("gold", WHOLE);
	rdt.clos_id = (char *)"gold";
	rdt.enable_monitoring = true;
	made();
	assert_int_equal(resctrl_enter(root, &group, 77, &err), 0);
	says("gold/tasks", "77");
	says("gold/mon_groups/box/tasks", "77");
	assert_int_equal(resctrl_remove(root, &group, &err), 0);
	assert_false(exists("gold/mon_groups/box"));
	assert_true(exists("gold"));
}

static void a_schema_that_is_refused_leaves_word_of_what_was_made(void **state)
{
	(void)state;
	rdt.l3_cache_schema = (char *)"L3:0=0";
	put(root, "info/last_cmd_status", "Mask out of range\n");
	without_schemata = true;
	assert_int_equal(resctrl_make(&arena, root, &rdt, "box", &group, &err), -1);
	without_schemata = false;
	assert_non_null(
	    strstr(err.text, "linux.intelRdt: writing \"L3:0=0\" to schemata: Mask out"));
	assert_true(group.made_class);
	assert_int_equal(resctrl_remove(root, &group, &err), 0);
	assert_false(exists("box"));
}

static void the_mount_is_looked_for(void **state)
{
	char *text = arena_printf(
	    &arena,
	    "22 1 0:20 / / rw - ext4 /dev/vda rw\n30 22 0:50 / %s rw,relatime - resctrl "
	    "resctrl rw\n",
	    dir);
	struct stat a, b;

	(void)state;
	int found = resctrl_open(&arena, text, &err);
	assert_true(found >= 0);
	assert_int_equal(fstat(found, &a) | fstat(root, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	close(found);
	assert_int_equal(resctrl_open(&arena, "22 1 0:20 / / rw - ext4 resctrl rw\n", &err), -1);
	assert_non_null(strstr(err.text, "linux.intelRdt: no resctrl is mounted"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(without_a_closid_it_is_the_containers_id),
	    TEST(somebody_elses_class_of_that_name_is_not_taken),
	    TEST(a_closid_with_schemata_is_made),
	    TEST(schemata_are_written_last),
	    TEST(memory_bandwidth_has_one_say),
	    TEST(alone_l3cacheschema_is_written_as_it_is),
	    TEST(a_class_that_is_there_is_compared),
	    TEST(a_class_with_other_schemata_is_refused),
	    TEST(a_closid_alone_has_to_be_there),
	    TEST(a_slash_is_the_default_class),
	    TEST(monitoring_is_a_group_of_the_containers_own),
	    TEST(a_schema_that_is_refused_leaves_word_of_what_was_made),
	    TEST(the_mount_is_looked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
