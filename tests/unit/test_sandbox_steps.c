/* link: sandbox net base */
/* A real child walks a plan that is written by hand here: no config, no policy, no planner. It
 * reaches its gate and runs; and where one thing can not be done, the message begins with the name
 * of that step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/sandbox/sandbox_internal.h"
#include "fd.h"

/* The workload is this very program, in a rootfs that has its libraries by bind mounts. */
static char dir[64];
static struct plan plan;
static struct sandbox box;
static struct error err;
static char *argv[4], *envp[2];

static int isolate(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/runsafe-steps.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	if (geteuid() != 0)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return mount("tmpfs", dir, "tmpfs", 0, NULL);
}

static int leave(void **state)
{
	(void)state;
	if (geteuid() == 0)
		umount2(dir, MNT_DETACH);
	return rmdir(dir);
}

static void copy_program(const char *from, const char *to)
{
	static char buffer[1 << 16];
	cleanup_fd int in = open(from, O_RDONLY | O_CLOEXEC);
	cleanup_fd int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ssize_t n;

	if (in < 0)
		return;
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(out, buffer, (size_t)n), n);
}

static void in_rootfs(const char *path, char full[128])
{
	snprintf(full, 128, "%s/%s", dir, path);
}

static int fresh(void **state)
{
	static const char *const directories[] = {"bin", "dev", "etc", "tmp", "closed"};
	char full[128];

	(void)state;
	if (geteuid() != 0)
		return 0;
	for (size_t i = 0; i < 5; i++) {
		in_rootfs(directories[i], full);
		mkdir(full, 0755);
	}
	in_rootfs("bin/busybox", full);
	if (access(full, F_OK) < 0)
		copy_program("/bin/busybox", full);
	in_rootfs("etc/plain", full);
	close(open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	cleanup_fd int rootfs = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	argv[0] = (char *)"/bin/busybox";
	argv[1] = (char *)"true";
	argv[2] = argv[3] = NULL;
	envp[0] = (char *)"PATH=/bin";
	plan = (struct plan){
	    .clone_flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET,
	    .own_network = true,
	    .hostname = "unit",
	    .rootfs_path = dir,
	    .rootfs_tree = sys_clone_tree(rootfs, true),
	    .rootfs_readonly = true,
	    .argv = argv,
	    .envp = envp,
	    .n_env = 1,
	    .cwd = "/",
	    .uid = 1000,
	    .gid = 1000,
	    .capabilities = {.known = ((uint64_t)1 << 41) - 1},
	    .no_new_privileges = true,
	    .proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
	    .gate = -1,
	    .report = -1,
	    .state_before_pid = "{\"pid\":",
	    .state_after_pid = "}",
	};
	err = (struct error)ERROR_INIT;
	return plan.rootfs_tree < 0 || plan.proc < 0 ? -1 : 0;
}

static int stale(void **state)
{
	(void)state;
	if (geteuid() == 0) {
		fd_cleanup(&plan.rootfs_tree);
		fd_cleanup(&plan.proc);
	}
	return 0;
}

static void needs_root_and_busybox(void)
{
	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0)
		skip();
}

static void no_child_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* Expects the walk to end in that step, saying part. */
static void fails_at(const char *step, const char *part)
{
	enum sandbox_event event = 0;
	char prefix[64];

	assert_int_equal(sandbox_spawn(&plan, -1, &box, &err), 0);
	if (sandbox_wait(&box, &plan, &event, &err) == 0) {
		sandbox_abandon(&box);
		fail_msg("the child reached %s", event == SANDBOX_READY ? "its gate" : "the hooks");
	}
	sandbox_abandon(&box);
	snprintf(prefix, sizeof(prefix), "%s: ", step);
	if (strncmp(err.text, prefix, strlen(prefix)) != 0 || !strstr(err.text, part))
		fail_msg("expected \"%s ... %s\" in \"%s\"", prefix, part, err.text);
	no_child_is_left();
}

static void reaches_its_gate(void)
{
	enum sandbox_event event = 0;

	if (sandbox_spawn(&plan, -1, &box, &err) < 0 || sandbox_wait(&box, &plan, &event, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(event, SANDBOX_READY);
}

static int exit_status(void)
{
	int status = 0;

	assert_int_equal(waitpid(box.pid, &status, 0), box.pid);
	sandbox_close(&box);
	no_child_is_left();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int runs(void)
{
	reaches_its_gate();
	if (sandbox_open_gate(&box, &err) < 0)
		fail_msg("%s", err.text);
	return exit_status();
}

static void shell(const char *line)
{
	argv[1] = (char *)"sh";
	argv[2] = (char *)"-c";
	/* argv has room for the end only behind the fourth. */
	static char *more[5];
	memcpy(more, argv, sizeof(argv));
	more[3] = (char *)line;
	more[4] = NULL;
	plan.argv = more;
}

static void a_plan_by_hand_reaches_its_gate_and_runs(void **state)
{
	(void)state;
	needs_root_and_busybox();
	assert_int_equal(runs(), 0);
}

static void the_workloads_exit_status_is_its_own(void **state)
{
	(void)state;
	needs_root_and_busybox();
	shell("exit 42");
	assert_int_equal(runs(), 42);
}

/* What the walk leaves behind, asked of the workload itself: each bit is one thing that is wrong.
 */
static void the_workload_is_who_the_plan_says(void **state)
{
	(void)state;
	needs_root_and_busybox();
	shell("r=0; b=/bin/busybox\n"
	      "[ $($b id -u) = 1000 ] && [ $($b id -g) = 1000 ] || r=$((r+1))\n"
	      "[ $($b hostname) = unit ] || r=$((r+2))\n"
	      "[ $$ = 1 ] || r=$((r+4))\n"
	      "$b touch /etc/new 2>&- && r=$((r+8))\n"
	      "[ -e /proc ] && r=$((r+16))\n"
	      "[ $($b ls / | $b wc -w) -le 5 ] || r=$((r+32))\n"
	      "exit $r");
	assert_int_equal(runs(), 0);
}

static void it_waits_until_the_gate_is_opened(void **state)
{
	siginfo_t info = {0};

	(void)state;
	needs_root_and_busybox();
	reaches_its_gate();
	usleep(50000);
	assert_int_equal(waitid(P_PID, (id_t)box.pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	assert_int_equal(info.si_pid, 0);
	assert_int_equal(sandbox_open_gate(&box, &err), 0);
	assert_int_equal(exit_status(), 0);
}

static void abandoned_at_its_gate_it_never_runs(void **state)
{
	(void)state;
	needs_root_and_busybox();
	reaches_its_gate();
	sandbox_abandon(&box);
	no_child_is_left();
}

/* create and start are two processes: the gate is two FIFOs. */
static void the_gate_of_fifos_opens_once(void **state)
{
	char path[] = "/tmp/runsafe-gate.XXXXXX";

	(void)state;
	needs_root_and_busybox();
	assert_non_null(mkdtemp(path));
	cleanup_fd int gate = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(sandbox_make_gate(gate, &plan, &err), 0);
	reaches_its_gate();
	fd_cleanup(&plan.gate);
	fd_cleanup(&plan.report);
	if (sandbox_open_gate_fifo(gate, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(exit_status(), 0);
	assert_int_equal(sandbox_open_gate_fifo(gate, &err), -1);
	assert_int_equal(err.number, ENXIO);
	unlinkat(gate, "gate", 0);
	unlinkat(gate, "report", 0);
	rmdir(path);
}

static void what_only_the_exec_can_find_comes_through_the_gate(void **state)
{
	char full[128];

	(void)state;
	needs_root_and_busybox();
	in_rootfs("bin/broken", full);
	int fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_int_equal(write(fd,
			       "\x7f"
			       "ELFrubbish",
			       11),
			 11);
	close(fd);
	argv[0] = (char *)"/bin/broken";
	reaches_its_gate();
	assert_int_equal(sandbox_open_gate(&box, &err), -1);
	assert_non_null(strstr(err.text, "exec format error"));
	assert_int_equal(err.exit_status, 126);
	sandbox_abandon(&box);
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

static void paths_that_can_not_be_looked_up(void **state)
{
	const char *const paths[] = {"/gone", "/loop"};
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
	plan.cwd = "/nowhere";
	fails_at("cwd", "\"/nowhere\": no such file or directory");
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

/* A child that can not even write its report is missed all the same. */
static void a_silent_death_is_told_by_its_signal(void **state)
{
	static const struct sock_filter kill_all[] = {
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
	enum sandbox_event event;

	(void)state;
	needs_root_and_busybox();
	plan.filters[0] = (struct seccomp_program){.instructions = kill_all, .length = 1};
	plan.n_filters = 1;
	assert_int_equal(sandbox_spawn(&plan, -1, &box, &err), 0);
	assert_int_equal(sandbox_wait(&box, &plan, &event, &err), -1);
	sandbox_abandon(&box);
	assert_non_null(strstr(err.text, "killed by signal 31"));
	assert_non_null(strstr(err.text, "linux.seccomp"));
	no_child_is_left();
}

static void a_clone_that_fails_leaves_nothing(void **state)
{
	cleanup_fd int no_cgroup = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	needs_root_and_busybox();
	assert_int_equal(sandbox_spawn(&plan, no_cgroup, &box, &err), -1);
	assert_non_null(strstr(err.text, "cloning the container's process"));
	no_child_is_left();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, stale)
	const struct CMUnitTest tests[] = {
	    TEST(a_plan_by_hand_reaches_its_gate_and_runs),
	    TEST(the_workloads_exit_status_is_its_own),
	    TEST(the_workload_is_who_the_plan_says),
	    TEST(it_waits_until_the_gate_is_opened),
	    TEST(abandoned_at_its_gate_it_never_runs),
	    TEST(the_gate_of_fifos_opens_once),
	    TEST(what_only_the_exec_can_find_comes_through_the_gate),
	    TEST(hostname_too_long),
	    TEST(namespace_of_another_type),
	    TEST(rootfs_that_is_no_mount),
	    TEST(mount_of_a_file_system_that_is_not_there),
	    TEST(mount_with_an_option_that_tmpfs_does_not_know),
	    TEST(mount_of_a_directory_on_a_file),
	    TEST(device_where_something_else_lies),
	    TEST(terminal_without_devpts),
	    TEST(identity_file_without_a_place),
	    TEST(home_below_a_file),
	    TEST(hook_that_fails),
	    TEST(sysctl_that_is_not_there),
	    TEST(paths_that_can_not_be_looked_up),
	    TEST(oom_score_out_of_range),
	    TEST(rlimit_with_soft_above_hard),
	    TEST(working_directory_that_is_not_there),
	    TEST(user_that_is_not_mapped),
	    TEST(capability_that_is_effective_and_not_permitted),
	    TEST(program_that_is_not_there_or_not_to_be_run),
	    TEST(filter_that_the_kernel_refuses),
	    TEST(a_silent_death_is_told_by_its_signal),
	    TEST(a_clone_that_fails_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, isolate, leave);
}
