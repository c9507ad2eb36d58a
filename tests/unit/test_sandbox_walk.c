/* link: sandbox net base gen */
/* A real child walks a plan that is written by hand: no config, no policy, no planner. It reaches
 * its gate, waits there, and runs; or is missed. */
#include "sandbox_help.h"

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
	      "$b touch /tmp/new 2>&- && r=$((r+8))\n"
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
	assert_int_equal(sandbox_open_gate(&box, false, &err), 0);
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
	assert_int_equal(sandbox_continue(&box, &err), 0);
	bool opened = false;
	if (sandbox_open_gate_fifo(gate, &opened, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(opened);
	assert_int_equal(exit_status(), 0);
	assert_int_equal(sandbox_open_gate_fifo(gate, &opened, &err), -1);
	assert_int_equal(err.number, ENXIO);
	unlinkat(gate, "gate", 0);
	unlinkat(gate, "report", 0);
	rmdir(path);
}

/* Until its pid is on record nobody could find it: it ends with the runtime. */
static void before_its_pid_is_on_record_it_ends_with_the_runtime(void **state)
{
	char path[] = "/tmp/runsafe-gate.XXXXXX";

	(void)state;
	needs_root_and_busybox();
	assert_non_null(mkdtemp(path));
	cleanup_fd int gate = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(sandbox_make_gate(gate, &plan, &err), 0);
	reaches_its_gate();
	/* As if the runtime were killed; exit_status() waits for the child. */
	fd_cleanup(&box.socket);
	assert_int_equal(exit_status(), 1);
	fd_cleanup(&plan.gate);
	fd_cleanup(&plan.report);
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
	assert_int_equal(sandbox_open_gate(&box, false, &err), -1);
	assert_non_null(strstr(err.text, "exec format error"));
	assert_int_equal(err.exit_status, 126);
	sandbox_abandon(&box);
	no_child_is_left();
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
	    TEST(before_its_pid_is_on_record_it_ends_with_the_runtime),
	    TEST(what_only_the_exec_can_find_comes_through_the_gate),
	    TEST(a_silent_death_is_told_by_its_signal),
	    TEST(a_clone_that_fails_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, isolate, leave);
}
