/* link: base */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd.h"
#include "path.h"

/* The tree: BASE/outside is what must never be reached, BASE/root is the container's root. */
static char base[] = "/tmp/runsafe-path-XXXXXX";
static int base_fd = -1;
static int root = -1;

static int setup(void **state)
{
	(void)state;
	strcpy(base, "/tmp/runsafe-path-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	base_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(base_fd, "outside", 0755) < 0 || mkdirat(base_fd, "root", 0755) < 0)
		return -1;
	root = openat(base_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	close(root);
	close(base_fd);
	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	return system(command);
}

static bool exists(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool same(int fd, int dir, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dir, path, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static unsigned int mode_of(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode & 07777 : ~0u;
}

/* Nothing may ever appear beside root. */
static void assert_outside_untouched(void)
{
	assert_int_equal(unlinkat(base_fd, "outside", AT_REMOVEDIR), 0);
	assert_int_equal(mkdirat(base_fd, "outside", 0755), 0);
}

static void test_absolute_link_stays_in_root(void **state)
{
	cleanup_fd int fd = -1;

	(void)state;
	assert_int_equal(symlinkat("/etc", root, "escape"), 0);
	assert_int_equal(path_open_in_root(root, "escape", O_PATH, 0), -1);
	assert_int_equal(errno, ENOENT);
	fd = path_make_dir(root, "/escape/inner", 0700);
	assert_true(fd >= 0);
	assert_true(same(fd, root, "etc/inner"));
	assert_false(exists(AT_FDCWD, "/etc/inner"));
	assert_int_equal(mode_of(root, "etc"), 0755);
	assert_int_equal(mode_of(root, "etc/inner"), 0700);
}

static void test_dots_stay_in_root(void **state)
{
	cleanup_fd int dir = path_make_dir(root, "../../../outside/x", 0755);
	cleanup_fd int file = -1, deep = -1, up = -1;

	(void)state;
	assert_true(dir >= 0);
	assert_true(same(dir, root, "outside/x"));
	assert_int_equal(symlinkat("../../../../outside", root, "outside/x/up"), 0);
	file = path_make_file(root, "outside/x/up/y");
	assert_true(same(file, root, "outside/y"));
	/* ".." behind a component that is made on the way */
	deep = path_make_dir(root, "new/../../../outside/z", 0755);
	assert_true(same(deep, root, "outside/z"));
	up = path_open_in_root(root, "../..", O_PATH | O_DIRECTORY, 0);
	assert_true(same(up, base_fd, "root"));
	assert_outside_untouched();
}

static void test_link_loops(void **state)
{
	char name[32], target[32], out[PATH_MAX];

	(void)state;
	assert_int_equal(symlinkat("b", root, "a"), 0);
	assert_int_equal(symlinkat("a", root, "b"), 0);
	assert_int_equal(path_make_dir(root, "a/x", 0755), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(path_make_file(root, "a"), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(path_resolve_text(root, "/a/x", out, sizeof(out)), -1);
	assert_int_equal(errno, ELOOP);
	/* grows by itself without coming back to the same text */
	assert_int_equal(symlinkat("self/missing", root, "self"), 0);
	assert_int_equal(path_make_dir(root, "self", 0755), -1);
	assert_int_equal(errno, ELOOP);
	/* 40 links in a row that end at nothing are followed, 41 are not */
	for (int i = 0; i < 41; i++) {
		snprintf(name, sizeof(name), "chain%d", i);
		snprintf(target, sizeof(target), i == 0 ? "end" : "chain%d", i - 1);
		assert_int_equal(symlinkat(target, root, name), 0);
	}
	assert_int_equal(path_make_dir(root, "chain40", 0755), -1);
	assert_int_equal(errno, ELOOP);
	assert_false(exists(root, "end"));
	cleanup_fd int fd = path_make_dir(root, "chain39", 0755);
	assert_true(same(fd, root, "end"));
}

static void test_dangling_links_are_followed_and_made(void **state)
{
	cleanup_fd int lock = -1, file = -1;

	(void)state;
	/* Debian's /var/run -> /run in a root file system without /run */
	assert_int_equal(mkdirat(root, "var", 0755), 0);
	assert_int_equal(symlinkat("/run", root, "var/run"), 0);
	assert_int_equal(symlinkat("run/lock", root, "var/lock"), 0);
	lock = path_make_dir(root, "/var/lock/sub", 01777);
	assert_true(same(lock, root, "run/lock/sub"));
	assert_int_equal(mode_of(root, "run/lock/sub"), 01777);
	assert_int_equal(symlinkat("/run/systemd/stub-resolv.conf", root, "resolv.conf"), 0);
	file = path_make_file(root, "/resolv.conf");
	assert_true(same(file, root, "run/systemd/stub-resolv.conf"));
	assert_int_equal(mode_of(root, "run/systemd/stub-resolv.conf"), 0644);
}

static void test_umask_does_not_matter(void **state)
{
	mode_t old = umask(077);
	cleanup_fd int dir = path_make_dir(root, "a/b", 0777);
	cleanup_fd int file = path_make_file(root, "c/d");
	mode_t after = umask(old);

	(void)state;
	assert_true(dir >= 0 && file >= 0);
	assert_int_equal(after, 077);
	assert_int_equal(mode_of(root, "a"), 0755);
	assert_int_equal(mode_of(root, "a/b"), 0777);
	assert_int_equal(mode_of(root, "c/d"), 0644);
}

static void test_wrong_types(void **state)
{
	cleanup_fd int file = path_make_file(root, "file");
	cleanup_fd int dir = path_make_dir(root, "dir", 0755);
	cleanup_fd int again = -1, fifo = -1;
	char out[PATH_MAX];

	(void)state;
	assert_true(file >= 0 && dir >= 0);
	assert_int_equal(path_make_dir(root, "file", 0755), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(path_make_dir(root, "file/below", 0755), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(symlinkat("/file/nothing", root, "link"), 0);
	assert_int_equal(path_make_dir(root, "link/x", 0755), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(path_resolve_text(root, "link", out, sizeof(out)), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(path_make_file(root, "dir"), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(path_make_file(root, "dir/"), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(path_make_file(root, "/"), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(path_make_file(root, "made/.."), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(path_make_file(root, ""), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(path_make_dir(root, "", 0755), -1);
	assert_int_equal(errno, ENOENT);
	/* existing files of any type are opened as they are, without blocking */
	again = path_make_file(root, "file/");
	assert_true(same(again, root, "file"));
	assert_int_equal(mkfifoat(root, "fifo", 0600), 0);
	fifo = path_make_file(root, "fifo");
	assert_true(same(fifo, root, "fifo"));
}

static void test_long_names(void **state)
{
	char name[300], out[PATH_MAX], name_out[8];
	char *path = malloc(PATH_MAX * 2);

	(void)state;
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(path_make_dir(root, name, 0755), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(path_make_file(root, name), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	name[255] = '\0';
	cleanup_fd int fd = path_make_dir(root, name, 0755);
	assert_true(fd >= 0);
	for (size_t i = 0; i + 1 < PATH_MAX * 2; i++)
		path[i] = i % 2 ? 'a' : '/';
	path[PATH_MAX * 2 - 1] = '\0';
	assert_int_equal(path_make_dir(root, path, 0755), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(path_make_file(root, path), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(path_resolve_text(root, path, out, sizeof(out)), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(path_clean(path, out, sizeof(out)), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(path_open_parent(root, "abcdefgh", false, name_out, sizeof(name_out)), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	/* a symlink whose target and the rest behind it do not fit together */
	path[3000] = '\0';
	assert_int_equal(symlinkat(path, root, "long"), 0);
	memcpy(path, "long", 4);
	assert_int_equal(path_make_dir(root, path, 0755), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	free(path);
}

static void test_open_parent(void **state)
{
	char name[NAME_MAX + 1];
	const char *wrong[] = {"", "/", "..", "a/..", "a/.", "/.", "a/../"};
	cleanup_fd int top = path_open_parent(root, "/file", false, name, sizeof(name));

	(void)state;
	assert_true(same(top, base_fd, "root"));
	assert_string_equal(name, "file");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(path_open_parent(root, wrong[i], true, name, sizeof(name)), -1);
		assert_int_equal(errno, EINVAL);
	}
	assert_int_equal(path_open_parent(root, "a/b/c", false, name, sizeof(name)), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(symlinkat("../../../outside", root, "link"), 0);
	cleanup_fd int made = path_open_parent(root, "link/b/c//", true, name, sizeof(name));
	assert_true(same(made, root, "outside/b"));
	assert_string_equal(name, "c");
	assert_false(exists(made, "c"));
	assert_outside_untouched();
}

static void check_text(const char *path, const char *expected)
{
	char out[PATH_MAX];

	assert_int_equal(path_resolve_text(root, path, out, sizeof(out)), 0);
	assert_string_equal(out, expected);
}

static void test_resolve_text(void **state)
{
	cleanup_fd int dir = path_make_dir(root, "run/inner", 0755);
	cleanup_fd int file = path_make_file(root, "run/file");
	char small[8];

	(void)state;
	assert_int_equal(mkdirat(root, "var", 0755), 0);
	assert_int_equal(symlinkat("../run", root, "var/run"), 0);
	assert_int_equal(symlinkat("/nowhere/at/all", root, "dangling"), 0);
	assert_int_equal(symlinkat("../../../run/file", root, "to-file"), 0);
	check_text("/", "/");
	check_text("..", "/");
	check_text("run", "/run");
	check_text("//run/./inner/", "/run/inner");
	check_text("/var/run", "/run");
	check_text("/var/run/inner/../x/y", "/run/x/y");
	check_text("/var/run/missing/deeper", "/run/missing/deeper");
	check_text("/missing/../var/run", "/var/run");
	check_text("dangling/more", "/nowhere/at/all/more");
	check_text("to-file", "/run/file");
	check_text("/var/run/..", "/");
	check_text("a..b/..c", "/a..b/..c");
	assert_false(exists(root, "nowhere"));
	assert_int_equal(path_resolve_text(root, "/run/inner", small, sizeof(small)), -1);
	assert_int_equal(errno, ENAMETOOLONG);
}

static void check_clean(const char *path, const char *expected)
{
	char out[PATH_MAX];

	assert_int_equal(path_clean(path, out, sizeof(out)), 0);
	assert_string_equal(out, expected);
}

static void test_clean(void **state)
{
	char out[4];

	(void)state;
	check_clean("", "/");
	check_clean("/", "/");
	check_clean("a", "/a");
	check_clean("//a///b//", "/a/b");
	check_clean("/a/./b/.", "/a/b");
	check_clean("/a/../../b", "/b");
	check_clean("/a/b/..", "/a");
	check_clean("..", "/");
	check_clean("/...", "/...");
	check_clean("/.hidden/..x", "/.hidden/..x");
	assert_int_equal(path_clean("abc", out, sizeof(out)), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(path_clean("ab", out, sizeof(out)), 0);
	assert_int_equal(path_clean("", out, 1), -1);
}

/* In a mount namespace of its own: /proc bound into root as a hostile image would like it. */
static int refused_through_proc(void)
{
	char out[PATH_MAX], text[PATH_MAX + 64];

	snprintf(text, sizeof(text), "%s/root/proc", base);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mkdir(text, 0755) < 0 || mount("/proc", text, NULL, MS_BIND, NULL) < 0)
		return 77;
	/* root's descriptor is of the old namespace's mount, where nothing is bound */
	snprintf(text, sizeof(text), "%s/root", base);
	int there = open(text, O_PATH | O_DIRECTORY);

	if (path_open_in_root(there, "/proc/self/status", O_PATH, 0) < 0)
		return 2;
	if (path_open_in_root(there, "/proc/self/root/etc", O_PATH, 0) >= 0 || errno != ELOOP)
		return 3;
	if (path_make_dir(there, "/proc/self/cwd/runsafe-test", 0755) >= 0 || errno != ELOOP)
		return 4;
	if (path_make_file(there, "/proc/self/exe") >= 0 || errno != ELOOP)
		return 5;
	if (path_resolve_text(there, "/proc/self/root/x", out, sizeof(out)) == 0 || errno != ELOOP)
		return 6;
	/* an ordinary link of procfs is only text */
	snprintf(text, sizeof(text), "/proc/%d/status", getpid());
	if (path_resolve_text(there, "/proc/self/status", out, sizeof(out)) < 0 ||
	    strcmp(out, text) != 0)
		return 7;
	return 0;
}

static void test_magic_links_are_refused(void **state)
{
	int status;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	child = fork();
	if (child == 0)
		_exit(refused_through_proc());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* One process swaps a directory for a link to the outside as fast as it can, the other makes
 * directories below it: none may come out outside (CVE-2021-30465's game). */
static void test_swapping_does_not_escape(void **state)
{
	pid_t child;

	(void)state;
	assert_int_equal(mkdirat(root, "swap", 0755), 0);
	assert_int_equal(symlinkat("../../../outside", root, "other"), 0);
	child = fork();
	if (child == 0) {
		for (;;)
			renameat2(root, "swap", root, "other", RENAME_EXCHANGE);
	}
	for (int i = 0; i < 3000; i++) {
		char path[64];

		snprintf(path, sizeof(path), "swap/d%d/e", i);
		cleanup_fd int fd = path_make_dir(root, path, 0755);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_outside_untouched();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_absolute_link_stays_in_root),
	    TEST(test_dots_stay_in_root),
	    TEST(test_link_loops),
	    TEST(test_dangling_links_are_followed_and_made),
	    TEST(test_umask_does_not_matter),
	    TEST(test_wrong_types),
	    TEST(test_long_names),
	    TEST(test_open_parent),
	    TEST(test_resolve_text),
	    TEST(test_clean),
	    TEST(test_magic_links_are_refused),
	    TEST(test_swapping_does_not_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
