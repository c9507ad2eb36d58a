/* link: plan gen policy config base */
/*
 * Compiled profiles that are kept. A kept file is made to say something else than its profile:
 * where that comes back the file was believed, and else it was compiled anew.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd.h"
#include "seccomp.h"

#define PROFILE(call)                                                                              \
	"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"" call              \
	"\", \"no_such_call\"], \"action\": \"SCMP_ACT_ALLOW\"}]}"

struct fixture {
	struct arena arena;
	char top[64], folder[128];
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	snprintf(f.top, sizeof(f.top), "/tmp/runsafe-cache.XXXXXX");
	assert_non_null(mkdtemp(f.top));
	snprintf(f.folder, sizeof(f.folder), "%s/@seccomp", f.top);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", f->top);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a folder of our own */
	arena_free(&f->arena);
	return 0;
}

static struct seccomp_program compile(struct fixture *f, const char *json)
{
	struct findings findings = {.arena = &f->arena};
	struct config_seccomp profile;
	struct seccomp_program program = {0};
	struct error err = ERROR_INIT;

	if (config_parse_seccomp(&f->arena, "config.json", json, strlen(json), &profile, &err) <
		0 ||
	    seccomp_compile(&f->arena, &profile, f->top, &program, &findings, &err) < 0)
		fail_msg("%s", err.text);
	/* Kept or not, it is said. */
	const struct finding *note = findings.items;
	if (findings.n != 1 || !note)
		fail_msg("%zu findings", findings.n);
	else if (note->kind != FINDING_NOTE || strcmp(note->path, "linux.seccomp.syscalls") != 0 ||
		 !strstr(note->text, ": no_such_call"))
		fail_msg("%s: %s", note->path, note->text);
	return program;
}

/* The path of the only file there is, or of one of them. */
static const char *kept(struct fixture *f, size_t *n)
{
	DIR *stream = opendir(f->folder);
	const struct dirent *entry;
	const char *path = NULL;

	*n = 0;
	while (stream && (entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		path = arena_printf(&f->arena, "%s/%s", f->folder, entry->d_name);
		++*n;
	}
	if (stream)
		closedir(stream);
	return path;
}

static char *contents(struct fixture *f, const char *path, size_t *length)
{
	char *text;

	assert_int_equal(file_read_all(&f->arena, AT_FDCWD, path, 1 << 20, &text, length), 0);
	return text;
}

static void write_file(const char *path, const char *data, size_t length)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, length), 0);
}

/* FNV-1a, as the file's first eight bytes have it of all behind them. */
static void sign(char *data, size_t length)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (size_t i = sizeof(sum); i < length; i++)
		sum = (sum ^ (unsigned char)data[i]) * 0x100000001b3u;
	memcpy(data, &sum, sizeof(sum));
}

/* Lets the last instruction of what is kept answer 4711. sum: nothing but its content tells;
 * length: it is cut off. */
static const char *change(struct fixture *f, bool sum, size_t length)
{
	const uint32_t other = 4711;
	size_t n, all;
	const char *path = kept(f, &n);

	assert_int_equal(n, 1);
	char *data = contents(f, path, &all);
	memcpy(data + all - sizeof(other), &other, sizeof(other));
	all = length ? length : all;
	if (sum)
		sign(data, all);
	write_file(path, data, all);
	return path;
}

static bool is_changed(const struct seccomp_program *program)
{
	return program->instructions && program->instructions[program->length - 1].k == 4711;
}

static bool believes(struct fixture *f)
{
	const struct seccomp_program program = compile(f, PROFILE("read"));

	return is_changed(&program);
}

static void what_was_compiled_once_is_not_compiled_again(void **state)
{
	struct fixture *f = *state;
	struct seccomp_program first, second;
	struct stat st;
	size_t n;

	first = compile(f, PROFILE("read"));
	const char *path = kept(f, &n);
	assert_int_equal(n, 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(f->folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);

	second = compile(f, PROFILE("read"));
	assert_int_equal(first.length, second.length);
	assert_int_equal(first.flags, second.flags);
	assert_memory_equal(first.instructions, second.instructions,
			    first.length * sizeof(*first.instructions));
	change(f, true, 0);
	assert_true(believes(f));
}

static void another_profile_is_another_one(void **state)
{
	struct fixture *f = *state;
	struct seccomp_program program;
	size_t n;

	compile(f, PROFILE("read"));
	const char *path = change(f, true, 0);
	program = compile(f, PROFILE("write"));
	assert_false(is_changed(&program));
	kept(f, &n);
	assert_int_equal(n, 2);

	/* Also where its file has got that name: two hashes could be the same. */
	assert_int_equal(unlink(path), 0);
	const char *other = kept(f, &n);
	assert_int_equal(n, 1);
	change(f, true, 0);
	assert_int_equal(rename(other, path), 0);
	assert_false(believes(f));
	program = compile(f, PROFILE("read")); /* it has been put right */
	assert_false(is_changed(&program));
}

static void where_the_agent_listens_makes_no_difference(void **state)
{
	struct fixture *f = *state;
	size_t n;

	for (int i = 0; i < 3; i++)
		compile(f, arena_printf(&f->arena,
					"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"listenerPath\": "
					"\"/run/%d\", \"listenerMetadata\": \"%d\", \"syscalls\": "
					"[{\"names\": [\"read\", \"no_such_call\"], \"action\": "
					"\"SCMP_ACT_NOTIFY\"}]}",
					i, i));
	kept(f, &n);
	assert_int_equal(n, 1);
}

static void what_is_not_whole_is_not_believed(void **state)
{
	struct fixture *f = *state;

	compile(f, PROFILE("read"));
	change(f, false, 0);
	assert_false(believes(f));
	for (size_t length = 8; length < 400; length += 13) {
		change(f, true, length);
		assert_false(believes(f));
	}
	/* It was replaced each time. */
	change(f, true, 0);
	assert_true(believes(f));
}

static void lengths_that_lie_are_not_believed(void **state)
{
	struct fixture *f = *state;

	compile(f, PROFILE("read"));
	for (size_t at = 12; at < 24; at += 4) {
		const uint32_t wrong[] = {0, 1, 4097, 0x7fffffff, 0xffffffff};

		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			size_t length;
			const char *path = change(f, true, 0);
			char *data = contents(f, path, &length);

			if (memcmp(data + at, &wrong[i], sizeof(wrong[i])) == 0)
				continue;
			memcpy(data + at, &wrong[i], sizeof(wrong[i]));
			sign(data, length);
			write_file(path, data, length);
			assert_false(believes(f));
		}
	}
}

static void what_others_may_write_is_not_believed(void **state)
{
	struct fixture *f = *state;

	compile(f, PROFILE("read"));
	const char *path = change(f, true, 0);
	assert_int_equal(chmod(path, 0620), 0);
	assert_false(believes(f));

	change(f, true, 0);
	assert_int_equal(chmod(f->folder, 0770), 0);
	assert_false(believes(f));
	assert_int_equal(chmod(f->folder, 0700), 0);
	assert_true(believes(f));

	if (geteuid() == 0) {
		assert_int_equal(chown(f->folder, 1000, 0), 0);
		assert_false(believes(f));
		assert_int_equal(chown(f->folder, 0, 0), 0);
		assert_int_equal(chown(path, 1000, 0), 0);
		assert_false(believes(f));
	}
}

static void neither_links_nor_fifos_are_followed(void **state)
{
	struct fixture *f = *state;
	const char *aside = arena_printf(&f->arena, "%s/aside", f->top);

	compile(f, PROFILE("read"));
	const char *path = change(f, true, 0);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(symlink(aside, path), 0);
	assert_false(believes(f));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(believes(f));

	assert_int_equal(rename(f->folder, aside), -1);
	assert_int_equal(unlink(aside), 0);
	change(f, true, 0);
	assert_int_equal(rename(f->folder, aside), 0);
	assert_int_equal(symlink(aside, f->folder), 0);
	assert_false(believes(f));
}

static void a_bounded_number_is_kept(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	size_t n;

	for (int i = 0; i < 200; i++) {
		const char *json = arena_printf(
		    &f->arena,
		    "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": "
		    "[\"read\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": %d}]}",
		    i + 1);
		struct findings findings = {.arena = &f->arena};
		struct config_seccomp profile;
		struct seccomp_program program;

		assert_int_equal(
		    config_parse_seccomp(&f->arena, "x", json, strlen(json), &profile, &err), 0);
		assert_int_equal(
		    seccomp_compile(&f->arena, &profile, f->top, &program, &findings, &err), 0);
		kept(f, &n);
		assert_in_range(n, 1, 64);
	}
}

static void without_a_folder_nothing_is_kept(void **state)
{
	struct fixture *f = *state;

	/* The state's own folder is not there before the first container. */
	assert_int_equal(rmdir(f->top), 0);
	compile(f, PROFILE("read"));
	assert_int_equal(access(f->top, F_OK), -1);
}

static void who_may_not_write_files_compiles(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, none;
	size_t n;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 1; /* more is answered by SIGXFSZ */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	compile(f, PROFILE("read"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_null(kept(f, &n));
	compile(f, PROFILE("read"));
	assert_non_null(kept(f, &n));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_was_compiled_once_is_not_compiled_again),
	    TEST(another_profile_is_another_one),
	    TEST(where_the_agent_listens_makes_no_difference),
	    TEST(what_is_not_whole_is_not_believed),
	    TEST(lengths_that_lie_are_not_believed),
	    TEST(what_others_may_write_is_not_believed),
	    TEST(neither_links_nor_fifos_are_followed),
	    TEST(a_bounded_number_is_kept),
	    TEST(without_a_folder_nothing_is_kept),
	    TEST(who_may_not_write_files_compiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
