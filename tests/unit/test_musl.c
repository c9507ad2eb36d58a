/* link: musl */
/* What runsafe has of its own beside musl. Linked into this program, its memcpy(3) is ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../runtime/musl/fortified.h"

#define ROOM 400

static unsigned char from[ROOM], to[ROOM], expected[ROOM];

static void fill(void)
{
	for (size_t i = 0; i < ROOM; i++) {
		from[i] = (unsigned char)(i * 7 + 1);
		to[i] = expected[i] = 0xee;
	}
}

static void memcpy_writes_what_it_is_told_and_nothing_else(void **state)
{
	void *(*volatile copy)(void *, const void *, size_t) = memcpy;

	(void)state;
	for (size_t n = 0; n < 300; n++) {
		for (size_t shift = 0; shift < 20; shift++) {
			fill();
			for (size_t i = 0; i < n; i++)
				expected[shift + i] = from[19 - shift + i];
			assert_ptr_equal(copy(to + shift, from + 19 - shift, n), to + shift);
			assert_memory_equal(to, expected, ROOM);
		}
	}
}

static void memmove_reads_before_it_writes_over(void **state)
{
	void *(*volatile move)(void *, const void *, size_t) = memmove;

	(void)state;
	for (size_t n = 0; n < 60; n++) {
		for (size_t a = 0; a < 60; a += 3) {
			for (size_t b = 0; b < 60; b++) {
				fill();
				for (size_t i = 0; i < ROOM; i++)
					expected[i] = from[i];
				for (size_t i = 0; i < n; i++)
					expected[b + i] = (unsigned char)((a + i) * 7 + 1);
				assert_ptr_equal(move(from + b, from + a, n), from + b);
				assert_memory_equal(from, expected, ROOM);
			}
		}
	}
}

enum overrun { COPY, MOVE, SET, STRCPY, STRCAT, SNPRINTF, SPRINTF, OVERRUNS };

/* NOLINTBEGIN(clang-analyzer-security.insecureAPI.strcpy): they are what is tried. */
static void write_into(char *small, enum overrun which, size_t room)
{
	switch (which) {
	case COPY:
		__memcpy_chk(small, "1234567", 8, room);
		break;
	case MOVE:
		__memmove_chk(small, "1234567", 8, room);
		break;
	case SET:
		__memset_chk(small, 0, 8, room);
		break;
	case STRCPY:
		__strcpy_chk(small, "1234567", room);
		break;
	case STRCAT:
		strcpy(small, "123");
		__strcat_chk(small, "4567", room);
		break;
	case SNPRINTF:
		__snprintf_chk(small, 8, 1, room, "%s", "1");
		break;
	default:
		__sprintf_chk(small, 1, room, "%s", "1234567");
	}
}

/* NOLINTEND(clang-analyzer-security.insecureAPI.strcpy) */

/* How a process of its own ends that writes 8 bytes where there is room. */
static int end_of(enum overrun which, size_t room)
{
	char memory[32] = "";
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		close(STDERR_FILENO);
		write_into(memory, which, room);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void a_write_beyond_the_end_ends_the_program(void **state)
{
	(void)state;
	for (int which = COPY; which < OVERRUNS; which++) {
		int fits = end_of(which, 8), over = end_of(which, 7);

		assert_true(WIFEXITED(fits) && WEXITSTATUS(fits) == 0);
		assert_true(WIFSIGNALED(over) && WTERMSIG(over) == SIGABRT);
	}
}

/* glibc's words: engines look for some, and people for the others. */
static void errors_have_the_words_that_they_have_with_glibc(void **state)
{
	static const int numbers[] = {
	    EPERM,  ENOENT, EIO,    E2BIG,  ENOEXEC,	  ECHILD,  EAGAIN,   ENOMEM,	 EACCES,
	    EBUSY,  EEXIST, EXDEV,  ENODEV, ENOTDIR,	  EISDIR,  EINVAL,   EMFILE,	 ENOTTY,
	    ENOSPC, EROFS,  ENOSYS, ELOOP,  ENAMETOOLONG, ETXTBSY, EMSGSIZE, EOPNOTSUPP, EOVERFLOW};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_string_equal(strerrordesc_np(numbers[i]), strerror(numbers[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memcpy_writes_what_it_is_told_and_nothing_else),
	    cmocka_unit_test(memmove_reads_before_it_writes_over),
	    cmocka_unit_test(a_write_beyond_the_end_ends_the_program),
	    cmocka_unit_test(errors_have_the_words_that_they_have_with_glibc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
