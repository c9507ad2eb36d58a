/* link: sandbox net base gen */
/* Where one thing of a plan can not be done, the message begins with the name of that step, says
 * what and why, and no child is left. */
#include <sys/inotify.h>

#include "sandbox_help.h"

/* Expects the walk to end in that step, saying part. */
static void fails_at(const char *step, const char *part)
{
	enum sandbox_event event = 0;
	char prefix[64];

	int result;

	assert_int_equal(sandbox_spawn(&plan, -1, &box, &err), 0);
	do {
		result = sandbox_wait(&box, &plan, &event, &err);
	} while (result == 0 && event == SANDBOX_NAMESPACES && plan.create_container.n &&
		 sandbox_continue(&box, &err) == 0);
	if (result == 0) {
		sandbox_abandon(&box);
		fail_msg("the child reached %s", event == SANDBOX_READY ? "its gate" : "the hooks");
	}
	sandbox_abandon(&box);
	snprintf(prefix, sizeof(prefix), "%s: ", step);
	if (strncmp(err.text, prefix, strlen(prefix)) != 0 || !strstr(err.text, part))
		fail_msg("expected \"%s ... %s\" in \"%s\"", prefix, part, err.text);
	no_child_is_left();
}

static void hostname_too_long(void **state)
{
	(void)state;
	needs_root_and_busybox();
	plan.hostname = "x123456789012345678901234567890123456789012345678901234567890123456789";
	fails_at("hostname", "setting the hostname");
}

static void namespace_of_another_type(void **state)
{
	struct plan_join join = {.fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC),
				 .clone_flag = CLONE_NEWNET,
				 .type = "network"};

	(void)state;
	needs_root_and_busybox();
	plan.joins = &join;
	plan.n_joins = 1;
	fails_at("namespaces", "joining the network namespace");
	close(join.fd);
}

static void rootfs_that_is_no_mount(void **state)
{
	(void)state;
	needs_root_and_busybox();
	close(plan.rootfs_tree);
	plan.rootfs_tree = open("/etc", O_PATH | O_CLOEXEC);
	fails_at("rootfs", dir);
}

static void mount_of_a_file_system_that_is_not_there(void **state)
{
	struct plan_mount m = {.kind = PLAN_MOUNT_NEW,
			       .label = "mounts[7]",
			       .destination = "/tmp",
			       .type = "nosuchfs",
			       .source = "none",
			       .tree = -1};

	(void)state;
	needs_root_and_busybox();
	plan.mounts = &m;
	plan.n_mounts = 1;
	fails_at("mounts", "mounts[7]");
	assert_non_null(strstr(err.text, "nosuchfs"));
}

static void mount_with_an_option_that_tmpfs_does_not_know(void **state)
{
	struct str_pair data[] = {{(char *)"rubbish", (char *)"1"}};
	struct plan_mount m = {.kind = PLAN_MOUNT_NEW,
			       .label = "mounts[0]",
			       .destination = "/tmp",
			       .type = "tmpfs",
			       .source = "tmpfs",
			       .data = {.items = data, .n = 1},
			       .data_text = "rubbish=1",
			       .tree = -1};

	(void)state;
	needs_root_and_busybox();
	plan.mounts = &m;
	plan.n_mounts = 1;
	fails_at("mounts", "rubbish");
}

static void mount_of_a_directory_on_a_file(void **state)
{
	struct plan_mount m = {.kind = PLAN_MOUNT_NEW,
			       .label = "mounts[0]",
			       .destination = "/etc/plain",
			       .type = "tmpfs",
			       .source = "tmpfs",
			       .tree = -1};

	(void)state;
	needs_root_and_busybox();
	plan.mounts = &m;
	plan.n_mounts = 1;
	fails_at("mounts", "mounts[0]");
	assert_non_null(strstr(err.text, "not a directory"));
}

/* What an image has at the place of a device is not taken for it. */
static void device_where_something_else_lies(void **state)
{
	struct plan_device d = {
	    .path = "/etc/plain", .mode = S_IFCHR | 0666, .rdev = makedev(1, 3), .tree = -1};

	(void)state;
	needs_root_and_busybox();
	plan.devices = &d;
	plan.n_devices = 1;
	fails_at("devices", "making /etc/plain: file exists");
}

static void terminal_without_devpts(void **state)
{
	(void)state;
	needs_root_and_busybox();
	plan.terminal = true;
	fails_at("console", "devpts");
}

/* Opening a device node does something: what an image put there is only looked at. */
static void terminal_that_an_image_brings_is_not_opened(void **state)
{
	struct inotify_event event;
	char full[128];

	(void)state;
	needs_root_and_busybox();
	in_rootfs("dev", full);
	mkdir(full, 0755);
	in_rootfs("dev/pts", full);
	mkdir(full, 0755);
	in_rootfs("dev/pts/ptmx", full);
	close(open(full, O_RDWR | O_CREAT | O_CLOEXEC, 0666));
	cleanup_fd int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_true(inotify_add_watch(watch, full, IN_OPEN) >= 0);
	plan.terminal = true;
	fails_at("console", "/dev/pts/ptmx is not on a devpts");
	assert_int_equal(read(watch, &event, sizeof(event)), -1);
	assert_int_equal(errno, EAGAIN);
}

static void identity_file_without_a_place(void **state)
{
	struct plan_file f = {.destination = "/etc/plain/passwd", .content = "x"};

	(void)state;
	needs_root_and_busybox();
	plan.files = &f;
	plan.n_files = 1;
	fails_at("identity files", "/etc/plain/passwd");
}

static void home_below_a_file(void **state)
{
	(void)state;
	needs_root_and_busybox();
	plan.make_home = "/etc/plain/home";
	fails_at("home", "/etc/plain/home");
}

static void hook_that_fails(void **state)
{
	char *hook_argv[] = {(char *)"sh", (char *)"-c", (char *)"echo no >&2; exit 9", NULL};
	struct plan_hook hook = {
	    .label = "hooks.createContainer[0]", .path = (char *)"/bin/sh", .argv = hook_argv};

	(void)state;
	needs_root_and_busybox();
	plan.create_container = (struct plan_hook_list){.items = &hook, .n = 1};
	fails_at("createContainer hooks", "hooks.createContainer[0]: /bin/sh failed with exit "
					  "status 9: no");
}

static void sysctl_that_is_not_there(void **state)
{
	struct plan_sysctl s = {
	    .path = "net/ipv4/no_such_thing", .key = "net.ipv4.no_such_thing", .value = "1"};

	(void)state;
	needs_root_and_busybox();
	plan.sysctls = &s;
	plan.n_sysctls = 1;
	fails_at("sysctl", "net.ipv4.no_such_thing: no such file");
	s.optional = true;
	fresh(NULL);
	plan.sysctls = &s;
	plan.n_sysctls = 1;
	assert_int_equal(runs(), 0);
}

/* Where joining the pod's network failed, it would be the engine's own that is written to. */
static void an_early_sysctl_is_not_written_elsewhere(void **state)
{
	static struct plan_sysctl s = {.path = "x", .key = "x", .value = "1", .early = true};
	static struct plan_join join = {.type = "network", .clone_flag = CLONE_NEWNET, .fd = -1};
	char full[128], text[8] = "";

	(void)state;
	needs_root_and_busybox();
	in_rootfs("sys", full);
	mkdir(full, 0755);
	in_rootfs("sys/x", full);
	cleanup_fd int file = open(full, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	close(plan.proc);
	plan.proc = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	plan.sysctls = &s;
	plan.joins = &join;
	plan.n_sysctls = plan.n_joins = 1;
	assert_int_equal(sysctls_write_early(&plan, &err), -1);
	assert_int_equal(read(file, text, sizeof(text)), 0);
	join.joined = true;
	assert_int_equal(sysctls_write_early(&plan, &err), 0);
	assert_int_equal(read(file, text, sizeof(text)), 1);
}

static void paths_that_can_not_be_looked_up(void **state)
{
	const struct plan_path paths[] = {
	    {.path = "/gone", .mount = PLAN_NO_MOUNT, .below = "/gone"},
	    {.path = "/loop", .mount = PLAN_NO_MOUNT, .below = "/loop"},
	};
	char full[128];

	(void)state;
	needs_root_and_busybox();
	in_rootfs("loop", full);
	assert_int_equal(symlink("loop", full), 0);
	plan.masked = paths;
	plan.n_masked = 2;
	fails_at("maskedPaths", "/loop: too many levels of symbolic links");
	fresh(NULL);
	plan.readonly = paths;
	plan.n_readonly = 2;
	fails_at("readonlyPaths", "/loop: too many levels of symbolic links");
	unlink(full);
}

static void oom_score_out_of_range(void **state)
{
	(void)state;
	needs_root_and_busybox();
	plan.oom_score_adj_set = true;
	plan.oom_score_adj = 2000;
	fails_at("oomScoreAdj", "2000");
}

static void rlimit_with_soft_above_hard(void **state)
{
	struct plan_rlimit r = {.resource = RLIMIT_NOFILE,
				.name = "RLIMIT_NOFILE",
				.limit = {.rlim_cur = 100, .rlim_max = 50}};

	(void)state;
	needs_root_and_busybox();
	plan.rlimits = &r;
	plan.n_rlimits = 1;
	fails_at("rlimits", "RLIMIT_NOFILE to soft 100, hard 50");
}

static void working_directory_that_is_not_there(void **state)
{
	(void)state;
	needs_root_and_busybox();
	plan.cwd = "/bin/busybox/x";
	fails_at("cwd", "\"/bin/busybox/x\": not a directory");
}

/* In a user namespace with one id, no other can be taken. */
static void user_that_is_not_mapped(void **state)
{
	(void)state;
	needs_root_and_busybox();
	plan.clone_flags |= CLONE_NEWUSER;
	plan.user_namespace = true;
	plan.uid_map = plan.gid_map = "0 100000 1\n";
	plan.own_network = false;
	fails_at("user", "1000");
}

static void capability_that_is_effective_and_not_permitted(void **state)
{
	(void)state;
	needs_root_and_busybox();
	plan.capabilities.effective = 1;
	fails_at("capabilities", "process.capabilities");
}

static void program_that_is_not_there_or_not_to_be_run(void **state)
{
	static const struct {
		const char *program, *part;
		int exit_status;
	} table[] = {
	    {"nope", "executable file not found in $PATH", 127},
	    {"/bin/nope", "no such file or directory", 127},
	    {"/etc/plain/x", "not a directory", 127},
	    {"/etc", "is a directory", 126},
	    {"/etc/plain", "permission denied", 126},
	};

	(void)state;
	needs_root_and_busybox();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		fresh(NULL);
		argv[0] = (char *)table[i].program;
		fails_at("program", table[i].part);
		assert_int_equal(err.exit_status, table[i].exit_status);
		stale(NULL);
	}
	fresh(NULL);
}

static void filter_that_the_kernel_refuses(void **state)
{
	static const struct sock_filter rubbish[] = {{0xffff, 0, 0, 0}};

	(void)state;
	needs_root_and_busybox();
	plan.filters[0] = (struct seccomp_program){.instructions = rubbish, .length = 1};
	plan.n_filters = 1;
	fails_at("seccomp", "loading filter 1 of 1");
	fresh(NULL);
	plan.filters[0] = (struct seccomp_program){.instructions = rubbish, .length = 1};
	plan.n_filters = 1;
	plan.no_new_privileges = false;
	fails_at("seccomp (privileged)", "loading filter 1 of 1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, stale)
	const struct CMUnitTest tests[] = {
	    TEST(hostname_too_long),
	    TEST(namespace_of_another_type),
	    TEST(rootfs_that_is_no_mount),
	    TEST(mount_of_a_file_system_that_is_not_there),
	    TEST(mount_with_an_option_that_tmpfs_does_not_know),
	    TEST(mount_of_a_directory_on_a_file),
	    TEST(device_where_something_else_lies),
	    TEST(terminal_without_devpts),
	    TEST(terminal_that_an_image_brings_is_not_opened),
	    TEST(identity_file_without_a_place),
	    TEST(home_below_a_file),
	    TEST(hook_that_fails),
	    TEST(sysctl_that_is_not_there),
	    TEST(an_early_sysctl_is_not_written_elsewhere),
	    TEST(paths_that_can_not_be_looked_up),
	    TEST(oom_score_out_of_range),
	    TEST(rlimit_with_soft_above_hard),
	    TEST(working_directory_that_is_not_there),
	    TEST(user_that_is_not_mapped),
	    TEST(capability_that_is_effective_and_not_permitted),
	    TEST(program_that_is_not_there_or_not_to_be_run),
	    TEST(filter_that_the_kernel_refuses),
	};

	return cmocka_run_group_tests(tests, isolate, leave);
}
