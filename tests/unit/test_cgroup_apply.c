/* link: cgroup policy base */
#include <sys/syscall.h>

#include "test_cgroup_fixture.h"

/* So many writes that come next say what only an open may say. */
static int writes_without_file;

ssize_t write(int fd, const void *text, size_t length)
{
	if (writes_without_file > 0) {
		writes_without_file--;
		errno = ENOENT;
		return -1;
	}
	return syscall(SYS_write, fd, text, length);
}

/* A controller's files come after its name is in cgroup.controllers, while somebody else holds the
 * lock; a write to the parent's cgroup.subtree_control waits for it. Here that is a FIFO, which
 * waits for its reader: it is there when the file is. */
static void the_other_container(const char *folder)
{
	char path[PATH_MAX], text[64];

	usleep(100000);
	snprintf(path, sizeof(path), "%s/group/memory.max", folder);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", folder);
	int fd = open(path, O_RDONLY);
	_exit(read(fd, text, sizeof(text)) == 7 && memcmp(text, "+memory", 7) == 0 ? 0 : 1);
}

static void test_files_of_a_controller_just_switched_on_are_waited_for(void **state)
{
	char folder[] = "/tmp/runsafe-apply.XXXXXX", path[PATH_MAX], limit[PATH_MAX];
	struct arena arena = {0};
	struct error err = ERROR_INIT;
	struct cg_setting item = {.controller = CG_MEMORY,
				  .where = (char *)"linux.resources.memory.limit",
				  .write = {.file = "memory.max", .value = (char *)"1048576"}};
	struct cg_settings settings = {.arena = &arena, .items = &item, .n = 1};
	struct cg_enabled enabled = {.have = CG_BIT(CG_MEMORY)};

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/group", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	pid_t child = fork();
	if (child == 0)
		the_other_container(folder);
	struct cg_apply apply = {.arena = &arena,
				 .dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
				 .name = path,
				 .enabled = &enabled};
	int result = cg_apply(&apply, &settings, &err);
	if (result < 0)
		kill(child, SIGKILL);
	assert_int_equal(wait_for(child), 0);
	assert_string_equal(err.text, "");
	assert_int_equal(result, 0);

	snprintf(limit, sizeof(limit), "%s/group/memory.max", folder);
	assert_string_equal(read_file(limit), "1048576");
	unlink(limit);
	/* One wait is enough: what is missing now is missing. Without a reader this would hang. */
	assert_int_equal(cg_apply(&apply, &settings, &err), -1);
	assert_non_null(strstr(err.text, "this kernel's cgroups have no memory.max"));
	close(apply.dir);
	arena_free(&arena);
	assert_int_equal(rmdir(path), 0);
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", folder);
	unlink(path);
	assert_int_equal(rmdir(folder), 0);
}

/* hugetlb.SIZE.rsvd.max may lack, since old kernels have none: not where the file is there. */
static void test_a_limit_is_not_passed_over_where_its_file_is_there(void **state)
{
	char folder[] = "/tmp/runsafe-apply.XXXXXX", path[PATH_MAX];
	struct arena arena = {0};
	struct error err = ERROR_INIT;
	struct cg_setting item = {.controller = CG_HUGETLB,
				  .flags = CG_MAY_LACK,
				  .where = (char *)"linux.resources.hugepageLimits[0]",
				  .write = {.file = "hugetlb.2MB.rsvd.max", .value = (char *)"9"}};
	struct cg_settings settings = {.arena = &arena, .items = &item, .n = 1};

	(void)state;
	assert_non_null(mkdtemp(folder));
	struct cg_apply apply = {.arena = &arena,
				 .dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC),
				 .mode = CGROUP_AVAILABLE,
				 .name = folder};
	assert_int_equal(cg_apply(&apply, &settings, &err), 0);
	snprintf(path, sizeof(path), "%s/hugetlb.2MB.rsvd.max", folder);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	writes_without_file = 2;
	assert_int_equal(cg_apply(&apply, &settings, &err), -1);
	assert_non_null(strstr(err.text, "can not write \"9\" to "));
	/* A file that came after the first look gets its value. */
	writes_without_file = 1;
	assert_int_equal(cg_apply(&apply, &settings, &err), 0);
	assert_string_equal(read_file(path), "9");
	assert_int_equal(writes_without_file, 0);
	close(apply.dir);
	arena_free(&arena);
	unlink(path);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_limit_is_not_passed_over_where_its_file_is_there),
	    cmocka_unit_test(test_files_of_a_controller_just_switched_on_are_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
