/* link: plan policy config base gen */
/* config.md "Linux Process" and config-linux.md "Memory policy", "Mount Label" as numbers and
 * texts for the kernel. */
#include "plan_help.h"

static struct config_scheduler *scheduler(struct planning *t, const char *policy)
{
	struct config_scheduler *s = arena_alloc(&t->arena, sizeof(*s));

	s->policy = arena_strdup(&t->arena, policy);
	t->config.process.scheduler = s;
	return s;
}

static void a_scheduler_is_made_of_its_words(void **state)
{
	struct planning *t = *state;
	struct config_scheduler *s = scheduler(t, "SCHED_RR");

	s->priority = (struct opt_i64){.set = true, .value = 99};
	s->flags = WORDS(&t->arena, "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_DL_OVERRUN");
	assert_done(t, plan_attributes(&t->p));
	assert_true(t->plan.scheduler.set);
	assert_int_equal(t->plan.scheduler.policy, 2);
	assert_int_equal(t->plan.scheduler.priority, 99);
	assert_int_equal(t->plan.scheduler.flags, 5);
}

static void a_real_time_scheduler_needs_a_priority(void **state)
{
	struct planning *t = *state;

	scheduler(t, "SCHED_FIFO");
	assert_failed(t, plan_attributes(&t->p), "process.scheduler.priority");
}

static void a_deadline_may_not_lie_before_its_runtime(void **state)
{
	struct planning *t = *state;
	struct config_scheduler *s = scheduler(t, "SCHED_DEADLINE");

	s->runtime = s->period = (struct opt_u64){.set = true, .value = 5000};
	s->deadline = (struct opt_u64){.set = true, .value = 4000};
	assert_failed(t, plan_attributes(&t->p), "runtime <= deadline <= period");
}

static void times_are_for_the_deadline_scheduler_only(void **state)
{
	struct planning *t = *state;

	scheduler(t, "SCHED_OTHER")->runtime = (struct opt_u64){.set = true, .value = 5000};
	assert_failed(t, plan_attributes(&t->p), "SCHED_DEADLINE only");
}

static void an_io_priority_is_class_and_level(void **state)
{
	struct planning *t = *state;
	struct config_io_priority priority = {.class_ = (char *)"IOPRIO_CLASS_IDLE", .priority = 7};

	t->config.process.io_priority = &priority;
	assert_done(t, plan_attributes(&t->p));
	assert_int_equal(t->plan.io_priority, 3 << 13 | 7);
	priority.class_ = (char *)"IOPRIO_CLASS_NONE";
	assert_failed(t, plan_attributes(&t->p), "IOPRIO_CLASS_BE");
}

static bool has(const struct plan_number_set *set, unsigned int number)
{
	return set->words[number / 64] >> number % 64 & 1;
}

static void a_list_of_cpus_is_a_set(void **state)
{
	struct planning *t = *state;
	struct plan_number_set set = {0};
	size_t n = 0;

	assert_done(t, plan_cpu_list(&t->p, "x", "63-65, 0 , 8191,2 - 2", &set));
	for (unsigned int i = 0; i < 8192; i++)
		n += has(&set, i);
	assert_int_equal(n, 6);
	assert_true(has(&set, 0) && has(&set, 2) && has(&set, 63) && has(&set, 64) &&
		    has(&set, 65) && has(&set, 8191));
}

static void what_is_no_list_of_cpus_is_refused(void **state)
{
	struct planning *t = *state;
	static const char *const wrong[] = {"8192",
					    "-1",
					    "1-",
					    "3-1",
					    "1,",
					    ",1",
					    "1 2",
					    " ",
					    "a",
					    "+1",
					    "0x1",
					    "1-2-3",
					    "99999999999999999999"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct plan_number_set set = {0};

		assert_failed(t, plan_cpu_list(&t->p, "the.path", wrong[i], &set), "the.path");
		assert_null(set.words);
	}
}

static void no_list_of_cpus_leaves_them_as_they_are(void **state)
{
	struct planning *t = *state;
	struct plan_number_set set = {0};

	assert_done(t, plan_cpu_list(&t->p, "x", NULL, &set));
	assert_done(t, plan_cpu_list(&t->p, "x", "", &set));
	assert_null(set.words);
}

static void a_memory_policy_is_mode_flags_and_nodes(void **state)
{
	struct planning *t = *state;
	struct config_memory_policy policy = {
	    .mode = (char *)"MPOL_WEIGHTED_INTERLEAVE",
	    .nodes = (char *)"1,70",
	    .flags = WORDS(&t->arena, "MPOL_F_STATIC_NODES"),
	};

	t->config.linux_.memory_policy = &policy;
	assert_done(t, plan_attributes(&t->p));
	assert_true(t->plan.memory_policy.set);
	assert_int_equal(t->plan.memory_policy.mode, 6 | 1 << 15);
	assert_true(has(&t->plan.memory_policy.nodes, 70));
	policy.mode = (char *)"MPOL_LOCAL";
	assert_failed(t, plan_attributes(&t->p), "MPOL_LOCAL takes no nodes");
	policy.mode = (char *)"MPOL_INTERLEAVE";
	policy.nodes = (char *)"";
	assert_failed(t, plan_attributes(&t->p), "MPOL_INTERLEAVE expects nodes");
}

static struct plan_mount *planned(struct planning *t, const char *type, const char *text)
{
	struct plan *plan = &t->plan;

	plan->mounts = arena_grow(&t->arena, plan->mounts, plan->n_mounts, sizeof(*plan->mounts));
	plan->mounts[plan->n_mounts] = (struct plan_mount){
	    .kind = PLAN_MOUNT_NEW, .type = type, .data_text = text, .tree = -1};
	return &plan->mounts[plan->n_mounts++];
}

static void a_mount_label_is_a_quoted_option(void **state)
{
	struct planning *t = *state;

	planned(t, "tmpfs", "size=1m");
	planned(t, "devpts", NULL);
	planned(t, "proc", NULL);
	planned(t, "sysfs", NULL);
	planned(t, "cgroup2", NULL);
	planned(t, "mqueue", NULL);
	planned(t, "tmpfs", NULL)->kind = PLAN_MOUNT_BIND;
	assert_done(t, plan_label_mounts(&t->p, "u:r:t:s0:c1,c2"));
	const struct plan_mount *m = t->plan.mounts;
	assert_string_equal(m[0].data_text, "size=1m,context=\"u:r:t:s0:c1,c2\"");
	assert_string_equal(m[1].data_text, "context=\"u:r:t:s0:c1,c2\"");
	assert_string_equal(str_map_get(&m[1].data, "context"), "u:r:t:s0:c1,c2");
	for (size_t i = 2; i < 7; i++) {
		assert_null(m[i].data_text);
		assert_int_equal(m[i].data.n, 0);
	}
	assert_string_equal(t->plan.mount_label, "u:r:t:s0:c1,c2");
}

static void a_mount_label_leaves_the_mounts_own_context(void **state)
{
	struct planning *t = *state;
	struct plan_mount *m = planned(t, "tmpfs", "context=\"a:b:c\"");

	str_map_set(&t->arena, &m->data, arena_strdup(&t->arena, "context"),
		    arena_strdup(&t->arena, "a:b:c"));
	assert_done(t, plan_label_mounts(&t->p, "u:r:t"));
	assert_string_equal(t->plan.mounts[0].data_text, "context=\"a:b:c\"");
}

static void a_mount_label_with_a_quote_is_refused(void **state)
{
	struct planning *t = *state;

	assert_failed(t, plan_label_mounts(&t->p, "u:r:t\",size=1\""), "linux.mountLabel");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, planning_start, planning_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_scheduler_is_made_of_its_words),
	    TEST(a_real_time_scheduler_needs_a_priority),
	    TEST(a_deadline_may_not_lie_before_its_runtime),
	    TEST(times_are_for_the_deadline_scheduler_only),
	    TEST(an_io_priority_is_class_and_level),
	    TEST(a_list_of_cpus_is_a_set),
	    TEST(what_is_no_list_of_cpus_is_refused),
	    TEST(no_list_of_cpus_leaves_them_as_they_are),
	    TEST(a_memory_policy_is_mode_flags_and_nodes),
	    TEST(a_mount_label_is_a_quoted_option),
	    TEST(a_mount_label_leaves_the_mounts_own_context),
	    TEST(a_mount_label_with_a_quote_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
