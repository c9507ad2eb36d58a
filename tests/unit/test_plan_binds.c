/* link: plan policy config base gen */
/* DESIGN.md section 3, "other mounts": what is bound counts by device and inode, however it is
 * spelt. In a mount namespace of its own, where /run is this test's, with an engine's socket. */
#include <sys/socket.h>
#include <sys/un.h>

#include "plan_help.h"

#define SOCKET "/run/docker.sock"

static int private_run(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		return 0;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0 ||
	    mount("tmpfs", "/mnt", "tmpfs", 0, NULL) < 0)
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof(address));
}

static int check(struct planning *t, const char *source)
{
	int fd = open(source, O_PATH | O_CLOEXEC);

	if (fd < 0)
		fail_msg("%s can not be opened", source);
	t->err = (struct error)ERROR_INIT;
	int result = plan_check_bind(&t->p, fd, "mounts[1].source", source);
	close(fd);
	return result;
}

static void refused(struct planning *t, const char *source, const char *part)
{
	assert_failed(t, check(t, source), part);
	assert_non_null(strstr(t->err.text, "policy default refuses mounts[1].source"));
	/* It says what would let it through. */
	assert_non_null(strstr(t->err.text, "--allow bind="));
}

static void the_hosts_root_and_kernel_trees_are_refused(void **state)
{
	struct planning *t = *state;

	refused(t, "/", "the host's /");
	refused(t, "/proc", "the host's /proc");
	refused(t, "/sys", "the host's /sys");
	refused(t, "/dev", "the host's /dev");
}

static void another_spelling_of_it_is_the_same(void **state)
{
	char link[128], longer[160];
	struct planning *t = *state;

	snprintf(link, sizeof(link), "%s/link", t->dir);
	assert_int_equal(symlink("/", link), 0);
	refused(t, link, "the host's /");
	snprintf(longer, sizeof(longer), "%s/proc", link);
	refused(t, longer, "the host's /proc");
	refused(t, "/usr/../dev/./", "the host's /dev");
}

static void a_bind_mount_of_it_elsewhere_is_the_same(void **state)
{
	struct planning *t = *state;

	needs_root();
	mkdir("/mnt/root", 0755);
	assert_int_equal(mount("/", "/mnt/root", NULL, MS_BIND, NULL), 0);
	refused(t, "/mnt/root", "the host's /");
	mkdir("/mnt/dev", 0755);
	assert_int_equal(mount("/dev", "/mnt/dev", NULL, MS_BIND, NULL), 0);
	refused(t, "/mnt/dev", "the host's /dev");
}

static void a_directory_inside_proc_or_another_procfs_is_refused(void **state)
{
	struct planning *t = *state;

	refused(t, "/proc/self", "part of the host's /proc");
	refused(t, "/proc/1", "part of the host's /proc");
	needs_root();
	mkdir("/mnt/proc", 0755);
	assert_int_equal(mount("proc", "/mnt/proc", "proc", 0, NULL), 0);
	refused(t, "/mnt/proc", "/proc");
}

/* "/dev/shm, a single device, a sandbox's shm are fine." */
static void parts_of_dev_and_sys_are_fine(void **state)
{
	static const char *const fine[] = {"/dev/null", "/dev/zero", "/sys/class",
					   "/usr",	"/etc",	     "/tmp"};
	struct planning *t = *state;

	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		assert_done(t, check(t, fine[i]));
	if (access("/dev/shm", F_OK) == 0)
		assert_done(t, check(t, "/dev/shm"));
}

static void an_engines_socket_is_refused_however_it_is_reached(void **state)
{
	char link[128];
	struct planning *t = *state;

	needs_root();
	refused(t, SOCKET, "engine's socket /run/docker.sock");
	snprintf(link, sizeof(link), "%s/harmless", t->dir);
	assert_int_equal(symlink(SOCKET, link), 0);
	refused(t, link, "engine's socket");
	/* A hard link and a bind mount have its inode. */
	assert_int_equal(linkat(AT_FDCWD, SOCKET, AT_FDCWD, "/run/other", 0), 0);
	refused(t, "/run/other", "engine's socket");
	assert_int_equal(creat("/mnt/bound", 0600) < 0, 0);
	assert_int_equal(mount(SOCKET, "/mnt/bound", NULL, MS_BIND, NULL), 0);
	refused(t, "/mnt/bound", "engine's socket");
}

static void a_directory_that_holds_the_socket_is_refused(void **state)
{
	struct planning *t = *state;

	needs_root();
	refused(t, "/run", "engine's socket");
	mkdir("/mnt/run", 0755);
	assert_int_equal(mount("/run", "/mnt/run", NULL, MS_BIND, NULL), 0);
	refused(t, "/mnt/run", "engine's socket");
	/* Beside it there is no harm. */
	mkdir("/run/lock", 0755);
	assert_done(t, check(t, "/run/lock"));
}

static void a_users_socket_is_found_by_pattern(void **state)
{
	struct planning *t = *state;

	needs_root();
	mkdir("/run/user", 0755);
	mkdir("/run/user/4711", 0700);
	mkdir("/run/user/4711/podman", 0700);
	mknod("/run/user/4711/podman/podman.sock", S_IFSOCK | 0600, 0);
	refused(t, "/run/user/4711/podman/podman.sock", "/run/user/4711/podman/podman.sock");
	refused(t, "/run/user/4711", "/run/user/4711/podman/podman.sock");
	refused(t, "/run/user", "podman.sock");
}

static void a_socket_that_has_an_engines_name_is_refused_wherever_it_is(void **state)
{
	static const char *const names[] = {"containerd.sock", "harmless.sock"};
	struct planning *t = *state;

	for (size_t i = 0; i < 2; i++) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", t->dir, names[i]);
		assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
		close(fd);
		if (i == 0)
			refused(t, address.sun_path, "engine's socket");
		else
			assert_done(t, check(t, address.sun_path));
	}
}

static void what_the_owner_allowed_is_let_through(void **state)
{
	struct planning *t = *state;

	t->hardening.allowed_binds = WORDS(&t->arena, "/nowhere", "/sys");
	assert_done(t, check(t, "/sys"));
	assert_done(t, check(t, "/proc/../sys"));
	refused(t, "/dev", "the host's /dev");
}

static void check_collects_it_as_a_finding(void **state)
{
	struct planning *t = *state;

	t->in.check_only = true;
	assert_done(t, check(t, "/dev"));
	assert_int_equal(t->findings.n, 1);
	assert_int_equal(t->findings.items[0].kind, FINDING_REFUSED);
	assert_string_equal(t->findings.items[0].path, "mounts[1].source");
}

/* The rule holds for mounts and for the rootfs, and only where the policy asks for it. */
static void mounts_and_rootfs_go_through_the_check(void **state)
{
	struct planning *t = *state;

	t->hardening.check_binds = true;
	mount_add(t, "/host", "bind", "/dev");
	assert_failed(t, plan_mounts(&t->p), "mounts[0].source");
	t->config.root.path = (char *)"/";
	close(t->p.rootfs);
	t->err = (struct error)ERROR_INIT;
	assert_failed(t, plan_rootfs(&t->p), "refuses root.path");
	close(t->p.rootfs);
	t->hardening.check_binds = false;
	t->in.check_only = true;
	assert_done(t, plan_mounts(&t->p));
	assert_done(t, plan_rootfs(&t->p));
	assert_int_equal(t->findings.n, 0);
}

static void a_rootfs_that_is_no_directory_says_what_it_is(void **state)
{
	struct planning *t = *state;

	close(t->p.rootfs);
	t->config.root.path = (char *)"gone";
	assert_failed(t, plan_rootfs(&t->p), "gone: no such file or directory");
	assert_int_equal(symlinkat("rootfs", t->in.bundle, "link"), 0);
	t->config.root.path = (char *)"link";
	assert_failed(t, plan_rootfs(&t->p), "is a symlink");
	close(openat(t->in.bundle, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	t->config.root.path = (char *)"file";
	assert_failed(t, plan_rootfs(&t->p), "is not a directory");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, planning_start, planning_end)
	const struct CMUnitTest tests[] = {
	    TEST(the_hosts_root_and_kernel_trees_are_refused),
	    TEST(another_spelling_of_it_is_the_same),
	    TEST(a_bind_mount_of_it_elsewhere_is_the_same),
	    TEST(a_directory_inside_proc_or_another_procfs_is_refused),
	    TEST(parts_of_dev_and_sys_are_fine),
	    TEST(an_engines_socket_is_refused_however_it_is_reached),
	    TEST(a_directory_that_holds_the_socket_is_refused),
	    TEST(a_users_socket_is_found_by_pattern),
	    TEST(a_socket_that_has_an_engines_name_is_refused_wherever_it_is),
	    TEST(what_the_owner_allowed_is_let_through),
	    TEST(check_collects_it_as_a_finding),
	    TEST(mounts_and_rootfs_go_through_the_check),
	    TEST(a_rootfs_that_is_no_directory_says_what_it_is),
	};

	return cmocka_run_group_tests(tests, private_run, NULL);
}
