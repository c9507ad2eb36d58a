/* link: plan policy config base gen */
/* When the stub may be what executes the workload, in place of a sealed copy of runsafe. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "plan_help.h"

/* A plan for which it may, to take from. */
static void alone(struct planning *t)
{
	t->plan.target = -1;
	t->plan.clone_flags = CLONE_NEWPID | CLONE_NEWNS;
}

static void a_container_with_a_pid_namespace_of_its_own_has_it(void **state)
{
	struct planning *t = *state;

	alone(t);
	assert_true(plan_stub_may(&t->plan));
	t->plan.clone_flags = CLONE_NEWNS; /* the host's, or another container's */
	assert_false(plan_stub_may(&t->plan));
}

static void a_joiner_is_seen_by_others_before_its_exec(void **state)
{
	struct planning *t = *state;

	alone(t);
	t->plan.target = 5;
	assert_false(plan_stub_may(&t->plan));
}

static void hooks_inside_would_be_executed_by_runsafe_itself(void **state)
{
	struct planning *t = *state;
	struct plan_hook hook = {.path = "/hook"};

	alone(t);
	t->plan.create_container = (struct plan_hook_list){.items = &hook, .n = 1};
	assert_true(plan_stub_may(&t->plan)); /* a program of the host's */
	t->plan.start_container = t->plan.create_container;
	assert_false(plan_stub_may(&t->plan));
}

static void a_files_capabilities_are_cut_down_to_what_the_process_had(void **state)
{
	struct planning *t = *state;

	alone(t);
	t->plan.uid = 1000;
	t->plan.no_new_privileges = true;
	t->plan.capabilities.permitted = 3;
	assert_false(plan_stub_may(&t->plan));
	t->plan.capabilities.ambient = 3;
	assert_true(plan_stub_may(&t->plan));
	t->plan.capabilities.ambient = 1;
	assert_false(plan_stub_may(&t->plan));
	t->plan.uid = 0;
	assert_true(plan_stub_may(&t->plan));
	t->plan.uid = 1000;
	t->plan.no_new_privileges = false; /* they come from the file alone */
	assert_true(plan_stub_may(&t->plan));
}

static void labels_would_be_the_stubs(void **state)
{
	struct planning *t = *state;

	alone(t);
	t->plan.apparmor_profile = "docker-default";
	assert_false(plan_stub_may(&t->plan));
	t->plan.apparmor_profile = NULL;
	t->plan.selinux_label = "a:b:c:s0";
	assert_false(plan_stub_may(&t->plan));
}

static void each_exec_protects_where_the_containers_own_process_could(void **state)
{
	struct planning *t = *state;
	struct config_namespace user = {.type = "user"};

	needs_root();
	t->config.process.user = (struct config_user){.uid = 0};
	assert_true(plan_exec_protects(&t->config));
	/* Asked of the plan, which knows the mapping. */
	t->config.linux_.namespaces = &user;
	t->config.linux_.n_namespaces = 1;
	assert_false(plan_exec_protects(&t->config));
	t->config.linux_.n_namespaces = 0;
	t->config.process.user.uid = t->config.process.user.gid = 54321;
	assert_true(plan_exec_protects(&t->config)); /* set-user-ID programs */
	t->config.process.no_new_privileges = true;
	assert_int_equal(chmod("/proc/self/exe", 0755), 0);
	assert_false(plan_exec_protects(&t->config));
	char *capability = "CAP_DAC_OVERRIDE";
	t->config.process.capabilities.bounding = (struct str_list){.items = &capability, .n = 1};
	assert_true(plan_exec_protects(&t->config));
}

/* A filter that gives this answer to one call and lets all others through. */
static bool lets(struct planning *t, uint32_t number, uint32_t answer)
{
	const struct sock_filter program[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, answer),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	t->plan.filters[0] = (struct seccomp_program){.instructions = program, .length = 4};
	t->plan.n_filters = 1;
	return plan_filters_let_stub(&t->plan);
}

static void the_filters_must_allow_what_it_does(void **state)
{
	struct planning *t = *state;
	const uint32_t needed[] = {SYS_execveat, SYS_fcntl, SYS_write, SYS_exit_group};

	assert_true(plan_filters_let_stub(&t->plan)); /* there is none */
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		assert_false(lets(t, needed[i], SECCOMP_RET_ERRNO | 1));
		assert_false(lets(t, needed[i], SECCOMP_RET_KILL_PROCESS));
		assert_false(lets(t, needed[i], SECCOMP_RET_TRACE));
		assert_true(lets(t, needed[i], SECCOMP_RET_LOG));
	}
	assert_true(lets(t, SYS_read, SECCOMP_RET_ERRNO | 1));
	t->plan.seccomp_listener = true; /* who might be asked */
	assert_false(lets(t, SYS_read, SECCOMP_RET_ERRNO | 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, planning_start, planning_end)
	const struct CMUnitTest tests[] = {
	    TEST(a_container_with_a_pid_namespace_of_its_own_has_it),
	    TEST(a_joiner_is_seen_by_others_before_its_exec),
	    TEST(hooks_inside_would_be_executed_by_runsafe_itself),
	    TEST(a_files_capabilities_are_cut_down_to_what_the_process_had),
	    TEST(labels_would_be_the_stubs),
	    TEST(each_exec_protects_where_the_containers_own_process_could),
	    TEST(the_filters_must_allow_what_it_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
