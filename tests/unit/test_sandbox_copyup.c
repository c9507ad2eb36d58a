/* link: sandbox base gen */
/* tmpcopyup takes an image's tree, which is an attacker's, into a tmpfs. Linked without the plan:
 * what it is told is a struct. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd.h"
#include "../../runtime/sandbox/sandbox_internal.h"

static int from = -1, to = -1; /* what lay below, and the new tmpfs */
static struct error err;

/* In a mount namespace of this test's own. */
static int isolate(void **state)
{
	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		return 0;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static int fresh(void **state)
{
	struct plan_mount tmpfs = {.type = "tmpfs", .source = "tmpfs"};

	(void)state;
	err = (struct error)ERROR_INIT;
	if (geteuid() != 0)
		return 0;
	umask(0);
	from = mount_new(&tmpfs, &err);
	to = mount_new(&tmpfs, &err);
	return from < 0 || to < 0 ? -1 : 0;
}

static int stale(void **state)
{
	(void)state;
	close(from);
	close(to);
	return 0;
}

static void needs_root(void)
{
	if (geteuid() != 0)
		skip();
}

static int copy(bool owned)
{
	struct plan_mount m = {.owned = owned, .copy_up = true};
	cleanup_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct plan plan = {.proc = proc, .uid = 1000, .gid = 1001};

	return copy_up(&plan, from, to, &m, &err);
}

static void copied(bool owned)
{
	if (copy(owned) < 0)
		fail_msg("%s", err.text);
}

static void put(int dir, const char *name, const char *text, mode_t mode, uid_t owner)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchown(fd, owner, owner), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static struct stat look(const char *name)
{
	struct stat st = {0};

	if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s was not copied", name);
	return st;
}

static void not_there(const char *name)
{
	struct stat st;

	if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		fail_msg("%s was copied", name);
}

static void text_is(const char *name, const char *text)
{
	char buffer[64] = "";
	int fd = openat(to, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, buffer, sizeof(buffer) - 1), strlen(text));
	assert_string_equal(buffer, text);
	close(fd);
}

static void files_and_directories_come_with_content_and_mode(void **state)
{
	(void)state;
	needs_root();
	put(from, "a", "hello", 0640, 0);
	put(from, "empty", "", 0444, 0);
	assert_int_equal(mkdirat(from, "d", 0711), 0);
	assert_int_equal(mkdirat(from, "d/e", 0700), 0);
	put(from, "d/e/deep", "x", 0600, 0);
	copied(true);
	text_is("a", "hello");
	text_is("d/e/deep", "x");
	assert_int_equal(look("a").st_mode, S_IFREG | 0640);
	assert_int_equal(look("empty").st_mode, S_IFREG | 0444);
	assert_int_equal(look("d").st_mode, S_IFDIR | 0711);
}

/* DESIGN.md section 3: "all of it owned by the workload". */
static void all_of_it_belongs_to_the_workload(void **state)
{
	static const char *const names[] = {"f", "d", "d/g", "link"};

	(void)state;
	needs_root();
	put(from, "f", "", 0644, 0);
	assert_int_equal(mkdirat(from, "d", 0755), 0);
	put(from, "d/g", "", 0600, 33);
	assert_int_equal(symlinkat("/etc/shadow", from, "link"), 0);
	copied(true);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(look(names[i]).st_uid, 1000);
		assert_int_equal(look(names[i]).st_gid, 1001);
	}
}

static void without_that_word_owners_stay_and_the_top_is_as_it_was(void **state)
{
	(void)state;
	needs_root();
	put(from, "f", "", 0644, 33);
	assert_int_equal(fchownat(from, "", 44, 45, AT_EMPTY_PATH), 0);
	assert_int_equal(fchmodat(from, ".", 01770, 0), 0);
	copied(false);
	assert_int_equal(look("f").st_uid, 33);
	assert_int_equal(look(".").st_uid, 44);
	assert_int_equal(look(".").st_gid, 45);
	assert_int_equal(look(".").st_mode, S_IFDIR | 01770);
}

/* "without devices or set-user-ID" */
static void no_set_user_id_comes_along(void **state)
{
	(void)state;
	needs_root();
	put(from, "su", "x", 04755, 0);
	put(from, "sg", "x", 02755, 0);
	put(from, "all", "x", 07777, 0);
	assert_int_equal(mkdirat(from, "d", 0), 0);
	assert_int_equal(fchmodat(from, "d", 07755, 0), 0);
	copied(true);
	assert_int_equal(look("su").st_mode, S_IFREG | 0755);
	assert_int_equal(look("sg").st_mode, S_IFREG | 0755);
	assert_int_equal(look("all").st_mode, S_IFREG | 0777);
	/* On directories they say who may delete and which group is inherited. */
	assert_int_equal(look("d").st_mode, S_IFDIR | 03755);
}

static void set_user_id_stays_behind_with_owners_kept_too(void **state)
{
	(void)state;
	needs_root();
	put(from, "su", "x", 06755, 0);
	copied(false);
	assert_int_equal(look("su").st_mode, S_IFREG | 0755);
}

static void devices_fifos_and_sockets_stay_behind_and_block_nothing(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	needs_root();
	assert_int_equal(mknodat(from, "null", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(mknodat(from, "disk", S_IFBLK | 0666, makedev(8, 0)), 0);
	assert_int_equal(mkfifoat(from, "fifo", 0666), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/socket", from);
	(void)bind(fd, (struct sockaddr *)&address, sizeof(address));
	put(from, "file", "kept", 0644, 0);
	copied(true);
	not_there("null");
	not_there("disk");
	not_there("fifo");
	not_there("socket");
	text_is("file", "kept");
	close(fd);
}

/* A symlink is copied as one; what it points to, on the host or in the image, is never read. */
static void symlinks_are_copied_and_never_followed(void **state)
{
	static const char *const targets[] = {"/etc/passwd", "../../../../etc/passwd", "gone",
					      "loop",	     "/proc/self/fd/0",	       "/"};
	char name[8], target[64];

	(void)state;
	needs_root();
	for (size_t i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), i == 3 ? "loop" : "l%zu", i);
		assert_int_equal(symlinkat(targets[i], from, name), 0);
	}
	copied(true);
	for (size_t i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), i == 3 ? "loop" : "l%zu", i);
		memset(target, 0, sizeof(target));
		assert_true(readlinkat(to, name, target, sizeof(target) - 1) > 0);
		assert_string_equal(target, targets[i]);
		assert_true(S_ISLNK(look(name).st_mode));
	}
	/* The change of owner was the symlink's, not /etc/passwd's. */
	struct stat st;
	assert_int_equal(stat("/etc/passwd", &st), 0);
	assert_int_equal(st.st_uid, 0);
}

static void nest(int depth)
{
	int at = dup(from);

	for (int i = 0; i < depth; i++) {
		assert_int_equal(mkdirat(at, "d", 0755), 0);
		int next = openat(at, "d", O_PATH | O_CLOEXEC);
		close(at);
		at = next;
	}
	close(at);
}

static void a_tree_of_thirty_levels_is_nothing_special(void **state)
{
	(void)state;
	needs_root();
	nest(30);
	copied(true);
	assert_true(
	    S_ISDIR(look("d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d").st_mode));
}

static void a_tree_that_is_too_deep_is_an_error_and_no_crash(void **state)
{
	(void)state;
	needs_root();
	nest(40); /* three descriptors a level: an image's depth must not use them up */
	assert_int_equal(copy(true), -1);
	assert_non_null(strstr(err.text, "more than 32 folders in one another"));
}

/* "inside the container's own memory limit", and no larger than the tmpfs: the start fails. */
static void a_tree_that_is_too_large_names_what_did_not_fit(void **state)
{
	struct str_pair data[] = {{(char *)"size", (char *)"64k"}};
	struct plan_mount small = {
	    .type = "tmpfs", .source = "tmpfs", .data = {.items = data, .n = 1}};
	char block[4096];
	int fd;

	(void)state;
	needs_root();
	close(to);
	to = mount_new(&small, &err);
	assert_true(to >= 0);
	memset(block, 'x', sizeof(block));
	fd = openat(from, "big", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	for (int i = 0; i < 64; i++)
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	close(fd);
	assert_int_equal(copy(true), -1);
	assert_int_equal(err.number, ENOSPC);
	assert_non_null(strstr(err.text, "big: no space left on device"));
}

static void odd_names_are_names(void **state)
{
	static const char *const names[] = {"a b", "-rf", "...", "\n", "\xff\xfe", "%s%n", "'"};

	(void)state;
	needs_root();
	for (size_t i = 0; i < 7; i++)
		put(from, names[i], "x", 0644, 0);
	copied(true);
	for (size_t i = 0; i < 7; i++)
		text_is(names[i], "x");
}

static void no_descriptor_is_left_open(void **state)
{
	(void)state;
	needs_root();
	nest(10);
	put(from, "f", "x", 0644, 0);
	int before = dup(0);
	close(before);
	copied(true);
	int after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, stale)
	const struct CMUnitTest tests[] = {
	    TEST(files_and_directories_come_with_content_and_mode),
	    TEST(all_of_it_belongs_to_the_workload),
	    TEST(without_that_word_owners_stay_and_the_top_is_as_it_was),
	    TEST(no_set_user_id_comes_along),
	    TEST(set_user_id_stays_behind_with_owners_kept_too),
	    TEST(devices_fifos_and_sockets_stay_behind_and_block_nothing),
	    TEST(symlinks_are_copied_and_never_followed),
	    TEST(a_tree_that_is_too_deep_is_an_error_and_no_crash),
	    TEST(a_tree_of_thirty_levels_is_nothing_special),
	    TEST(a_tree_that_is_too_large_names_what_did_not_fit),
	    TEST(odd_names_are_names),
	    TEST(no_descriptor_is_left_open),
	};

	return cmocka_run_group_tests(tests, isolate, NULL);
}
