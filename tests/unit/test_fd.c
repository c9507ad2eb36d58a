/* link: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"

static struct arena arena;

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int temporary_file(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static void test_cleanup_closes_and_keeps_errno(void **state)
{
	int number;

	(void)state;
	{
		cleanup_fd int fd = temporary_file();

		number = fd;
		errno = EXDEV;
	}
	assert_int_equal(errno, EXDEV);
	assert_int_equal(fcntl(number, F_GETFD), -1);
	{
		/* close(2) fails here. */
		cleanup_fd int fd = 1 << 20;

		(void)fd;
		errno = EXDEV;
	}
	assert_int_equal(errno, EXDEV);
	{
		cleanup_fd int fd = temporary_file();

		number = fd_take(&fd);
		assert_int_equal(fd, -1);
	}
	assert_true(fcntl(number, F_GETFD) >= 0);
	close(number);
}

static void test_read_all_reads_what_write_all_wrote(void **state)
{
	size_t size = 300000;
	char *data = malloc(size);
	cleanup_fd int fd = temporary_file();
	size_t length;
	char *text;

	(void)state;
	memset(data, 'd', size);
	assert_int_equal(fd_write_all(fd, data, size), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(fd_read_all(&arena, fd, size, &text, &length), 0);
	assert_int_equal(length, size);
	assert_memory_equal(text, data, size);
	assert_int_equal(text[size], 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(fd_read_all(&arena, fd, size - 1, &text, &length), -1);
	assert_int_equal(errno, E2BIG);
	free(data);
}

static void test_read_all_from_a_pipe_and_from_proc(void **state)
{
	char data[20000];
	int ends[2];
	size_t length;
	char *text;

	(void)state;
	memset(data, 'p', sizeof(data));
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fd_write_all(ends[1], data, sizeof(data)), 0);
	close(ends[1]);
	assert_int_equal(fd_read_all(&arena, ends[0], sizeof(data), &text, &length), 0);
	assert_int_equal(length, sizeof(data));
	close(ends[0]);
	assert_int_equal(file_read_all(&arena, AT_FDCWD, "/proc/self/comm", 100, &text, NULL), 0);
	assert_string_equal(text, arena_printf(&arena, "%s\n", program_invocation_short_name));
	assert_int_equal(file_read_all(&arena, AT_FDCWD, "/nowhere", 100, &text, NULL), -1);
	assert_int_equal(errno, ENOENT);
}

static void test_write_text_needs_the_file(void **state)
{
	char dir_path[] = "/tmp/runsafe-fd-XXXXXX";
	cleanup_fd int dir = -1;
	char *text;

	(void)state;
	assert_non_null(mkdtemp(dir_path));
	dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_write_text(dir, "f", "x"), -1);
	assert_int_equal(errno, ENOENT);
	close(openat(dir, "f", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(file_write_text(dir, "f", "max"), 0);
	assert_int_equal(file_read_all(&arena, dir, "f", 10, &text, NULL), 0);
	assert_string_equal(text, "max");
	unlinkat(dir, "f", 0);
	rmdir(dir_path);
}

static void test_cloexec_from(void **state)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD, 100);

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	assert_int_equal(fd_cloexec_from(100), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void test_a_directory_of_the_wrong_file_system_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	int fd = open_checked_dir("/proc", PROC_SUPER_MAGIC, "procfs", &err);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(open_checked_dir("/", PROC_SUPER_MAGIC, "procfs", &err), -1);
	assert_string_equal(err.text,
			    "/: expected a mount of procfs here, found another file system");
	assert_int_equal(open_checked_dir("/nowhere", PROC_SUPER_MAGIC, "procfs", &err), -1);
	assert_string_equal(err.text, "open /nowhere: no such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_cleanup_closes_and_keeps_errno, teardown),
	    cmocka_unit_test_teardown(test_read_all_reads_what_write_all_wrote, teardown),
	    cmocka_unit_test_teardown(test_read_all_from_a_pipe_and_from_proc, teardown),
	    cmocka_unit_test_teardown(test_write_text_needs_the_file, teardown),
	    cmocka_unit_test_teardown(test_cloexec_from, teardown),
	    cmocka_unit_test_teardown(test_a_directory_of_the_wrong_file_system_is_refused,
				      teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
