/* link: plan policy config base gen */
/* Devices, rlimits, capability masks, sysctls and hooks, as the sandbox gets them. */
#include <limits.h>
#include <linux/capability.h>
#include <sys/personality.h>
#include <sys/sysmacros.h>

#include "plan_help.h"

static const struct plan_device *device(const struct planning *t, const char *path)
{
	size_t i = 0;

	while (i < t->plan.n_devices && strcmp(t->plan.devices[i].path, path) != 0)
		i++;
	if (i == t->plan.n_devices)
		fail_msg("there is no %s", path);
	return &t->plan.devices[i];
}

static void device_add(struct planning *t, struct config_device d)
{
	struct config_linux *l = &t->config.linux_;

	l->devices = arena_grow(&t->arena, l->devices, l->n_devices, sizeof(*l->devices));
	l->devices[l->n_devices++] = d;
}

/* config-linux.md, "Default Devices". */
static void the_default_devices_are_always_there(void **state)
{
	static const struct {
		const char *path;
		unsigned int major, minor;
	} defaults[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
			{"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
	struct planning *t = *state;

	assert_done(t, plan_devices(&t->p));
	assert_int_equal(t->plan.n_devices, 6);
	assert_true(t->plan.dev_links);
	for (size_t i = 0; i < 6; i++) {
		const struct plan_device *d = device(t, defaults[i].path);
		assert_int_equal(d->rdev, makedev(defaults[i].major, defaults[i].minor));
		assert_int_equal(d->mode, S_IFCHR | 0666);
		assert_int_equal(d->tree, -1);
	}
}

static void configs_devices_come_behind_and_replace_by_path(void **state)
{
	struct planning *t = *state;

	device_add(t, (struct config_device){.type = (char *)"c",
					     .path = (char *)"/dev/null",
					     .major = 1,
					     .minor = 3,
					     .file_mode = {true, 0100600},
					     .uid = {true, 7},
					     .gid = {true, 8}});
	device_add(t,
		   (struct config_device){
		       .type = (char *)"b", .path = (char *)"/dev/sda", .major = 8, .minor = 300});
	device_add(t, (struct config_device){.type = (char *)"p", .path = (char *)"/dev/pipe"});
	device_add(t,
		   (struct config_device){
		       .type = (char *)"u", .path = (char *)"/dev/u", .major = 10, .minor = 200});
	assert_done(t, plan_devices(&t->p));
	assert_int_equal(t->plan.n_devices, 9);
	/* Type bits of Go's or stat's in fileMode are not mknod's. */
	assert_int_equal(device(t, "/dev/null")->mode, S_IFCHR | 0600);
	assert_int_equal(device(t, "/dev/null")->uid, 7);
	assert_int_equal(device(t, "/dev/null")->gid, 8);
	assert_int_equal(device(t, "/dev/sda")->mode, S_IFBLK | 0666);
	assert_int_equal(device(t, "/dev/sda")->rdev, makedev(8, 300));
	assert_int_equal(device(t, "/dev/pipe")->mode, S_IFIFO | 0666);
	assert_int_equal(device(t, "/dev/pipe")->rdev, 0);
	assert_int_equal(device(t, "/dev/u")->mode, S_IFCHR | 0666);
}

static void a_bound_dev_brings_its_own_nodes(void **state)
{
	struct planning *t = *state;
	struct plan_mount bind = {.kind = PLAN_MOUNT_BIND, .destination = "/dev/", .tree = -1};

	t->plan.mounts = &bind;
	t->plan.n_mounts = 1;
	assert_done(t, plan_devices(&t->p));
	assert_int_equal(t->plan.n_devices, 0);
	assert_false(t->plan.dev_links);
	bind.destination = "/dev/shm";
	assert_done(t, plan_devices(&t->p));
	assert_int_equal(t->plan.n_devices, 6);
	t->plan.n_mounts = 0; /* they end with this function */
}

/* mknod(2) is refused in a user namespace: the host's own node is bound, if it is the very one. */
static void in_a_user_namespace_the_hosts_nodes_are_cloned(void **state)
{
	struct planning *t = *state;
	struct stat st;

	needs_root();
	t->plan.user_namespace = true;
	assert_done(t, plan_devices(&t->p));
	assert_int_equal(fstat(device(t, "/dev/null")->tree, &st), 0);
	assert_int_equal(st.st_rdev, makedev(1, 3));
	device_add(t,
		   (struct config_device){
		       .type = (char *)"c", .path = (char *)"/dev/zero", .major = 1, .minor = 3});
	assert_failed(t, plan_devices(&t->p), "/dev/zero is another device than 1:3");
}

static void process(struct planning *t)
{
	t->config.process.present = true;
	t->config.process.args = WORDS(&t->arena, "sh");
	t->config.process.cwd = (char *)"/";
}

static void rlimits_by_name(void **state)
{
	struct planning *t = *state;
	struct config_rlimit limits[] = {
	    {.type = (char *)"RLIMIT_NOFILE", .soft = 1024, .hard = 4096},
	    {.type = (char *)"RLIMIT_CORE", .soft = 0, .hard = UINT64_MAX},
	    {.type = (char *)"RLIMIT_NOFILES", .soft = 0, .hard = 0}};

	process(t);
	t->config.process.rlimits = limits;
	t->config.process.n_rlimits = 2;
	assert_done(t, plan_process(&t->p));
	assert_int_equal(t->plan.n_rlimits, 2);
	assert_int_equal(t->plan.rlimits[0].resource, RLIMIT_NOFILE);
	assert_int_equal(t->plan.rlimits[0].limit.rlim_cur, 1024);
	assert_int_equal(t->plan.rlimits[0].limit.rlim_max, 4096);
	assert_int_equal(t->plan.rlimits[1].resource, RLIMIT_CORE);
	assert_true(t->plan.rlimits[1].limit.rlim_max == RLIM_INFINITY);
	t->config.process.n_rlimits = 3;
	assert_failed(t, plan_process(&t->p),
		      "process.rlimits[2].type: unknown \"RLIMIT_NOFILES\"");
}

static void there_is_something_to_run(void **state)
{
	struct planning *t = *state;

	assert_failed(t, plan_process(&t->p), "process.args");
	t->config.process.present = true;
	assert_failed(t, plan_process(&t->p), "process.args");
}

static void a_personality_is_32_bits_or_none(void **state)
{
	struct planning *t = *state;
	struct config_personality wanted = {.domain = (char *)"LINUX32"};

	process(t);
	assert_done(t, plan_process(&t->p));
	assert_false(t->plan.personality_set);
	t->config.linux_.personality = &wanted;
	assert_done(t, plan_process(&t->p));
	assert_true(t->plan.personality_set);
	assert_int_equal(t->plan.personality, PER_LINUX32);
	wanted.flags = WORDS(&t->arena, "ADDR_NO_RANDOMIZE");
	assert_failed(t, plan_process(&t->p), "linux.personality.flags");
}

static void a_console_larger_than_the_kernels_is_an_error(void **state)
{
	struct planning *t = *state;

	process(t);
	t->config.process.console_size =
	    (struct config_console_size){.present = true, .height = 24, .width = 65535};
	assert_done(t, plan_process(&t->p));
	assert_int_equal(t->plan.rows, 24);
	assert_int_equal(t->plan.columns, 65535);
	t->config.process.console_size.width = 65536; /* would be 0 in a winsize */
	assert_failed(t, plan_process(&t->p), "process.consoleSize");
}

#define BIT(cap) ((uint64_t)1 << (cap))

static void nothing_said_of_capabilities_means_none(void **state)
{
	struct planning *t = *state;

	assert_done(t, plan_capability_sets(&t->p));
	const struct plan_capabilities *c = &t->plan.capabilities;
	assert_int_equal(c->bounding | c->effective | c->permitted | c->inheritable | c->ambient,
			 0);
	/* Without knowing them all, none could be dropped. */
	assert_true(c->known & BIT(CAP_SYS_ADMIN));
	assert_true(c->known & BIT(CAP_AUDIT_READ));
}

static void each_set_gets_its_own_mask(void **state)
{
	struct planning *t = *state;
	struct config_capabilities *c = &t->config.process.capabilities;

	t->plan.user_namespace = true; /* the runtime's own do not limit then */
	c->bounding = WORDS(&t->arena, "CAP_CHOWN", "CAP_NET_RAW", "CAP_KILL");
	c->permitted = WORDS(&t->arena, "CAP_CHOWN", "CAP_NET_RAW");
	c->effective = WORDS(&t->arena, "CAP_CHOWN");
	c->inheritable = WORDS(&t->arena, "CAP_NET_RAW", "CAP_AUDIT_READ");
	c->ambient = WORDS(&t->arena, "CAP_NET_RAW");
	assert_done(t, plan_capability_sets(&t->p));
	const struct plan_capabilities *out = &t->plan.capabilities;
	assert_int_equal(out->bounding, BIT(CAP_CHOWN) | BIT(CAP_NET_RAW) | BIT(CAP_KILL));
	assert_int_equal(out->permitted, BIT(CAP_CHOWN) | BIT(CAP_NET_RAW));
	assert_int_equal(out->effective, BIT(CAP_CHOWN));
	assert_int_equal(out->inheritable, BIT(CAP_NET_RAW) | BIT(CAP_AUDIT_READ));
	assert_int_equal(out->ambient, BIT(CAP_NET_RAW));
	assert_int_equal(t->findings.n, 0);
}

/* capabilities(7): ambient is at most what is permitted and inheritable. */
static void ambient_beyond_permitted_and_inheritable_is_left_out_and_noted(void **state)
{
	struct planning *t = *state;
	struct config_capabilities *c = &t->config.process.capabilities;

	t->plan.user_namespace = true;
	c->permitted = WORDS(&t->arena, "CAP_CHOWN", "CAP_KILL");
	c->inheritable = WORDS(&t->arena, "CAP_CHOWN");
	c->ambient = WORDS(&t->arena, "CAP_CHOWN", "CAP_KILL");
	assert_done(t, plan_capability_sets(&t->p));
	assert_int_equal(t->plan.capabilities.ambient, BIT(CAP_CHOWN));
	assert_true(findings_have(&t->findings, FINDING_NOTE));
}

/* DESIGN.md section 5: names that this kernel does not know are findings, not failures. */
static void an_unknown_name_is_a_finding_with_its_place(void **state)
{
	struct planning *t = *state;

	t->plan.user_namespace = true;
	t->config.process.capabilities.bounding =
	    WORDS(&t->arena, "CAP_KILL", "CAP_FROM_THE_FUTURE");
	assert_done(t, plan_capability_sets(&t->p));
	assert_int_equal(t->plan.capabilities.bounding, BIT(CAP_KILL));
	assert_int_equal(t->findings.n, 1);
	assert_string_equal(t->findings.items[0].path, "process.capabilities.bounding[1]");
}

static void hooks_become_argv_envp_and_milliseconds(void **state)
{
	struct planning *t = *state;
	struct plan_hook_list out;
	struct config_hook hooks[] = {
	    {.path = (char *)"/bin/a"},
	    {.path = (char *)"/bin/b",
	     .args = WORDS(&t->arena, "b", "-x"),
	     .env = WORDS(&t->arena, "A=1"),
	     .timeout = {.set = true, .value = 3}},
	    {.path = (char *)"/bin/c", .timeout = {.set = true, .value = INT32_MAX}}};

	plan_hooks(&t->arena, &(struct config_hook_list){.items = hooks, .n = 3}, "hooks.poststop",
		   &out);
	assert_int_equal(out.n, 3);
	assert_string_equal(out.items[0].label, "hooks.poststop[0]");
	assert_string_equal(out.items[0].argv[0], "/bin/a");
	assert_null(out.items[0].argv[1]);
	/* Without env it has none: not the runtime's (config.md, POSIX-platform Hooks). */
	assert_null(out.items[0].envp[0]);
	assert_int_equal(out.items[0].timeout_ms, 0);
	assert_string_equal(out.items[1].argv[1], "-x");
	assert_string_equal(out.items[1].envp[0], "A=1");
	assert_int_equal(out.items[1].timeout_ms, 3000);
	/* 68 years must not end at once. */
	assert_int_equal(out.items[2].timeout_ms, INT_MAX);
	plan_hooks(&t->arena, &(struct config_hook_list){0}, "hooks.poststop", &out);
	assert_int_equal(out.n, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, planning_start, planning_end)
	const struct CMUnitTest tests[] = {
	    TEST(the_default_devices_are_always_there),
	    TEST(configs_devices_come_behind_and_replace_by_path),
	    TEST(a_bound_dev_brings_its_own_nodes),
	    TEST(in_a_user_namespace_the_hosts_nodes_are_cloned),
	    TEST(rlimits_by_name),
	    TEST(there_is_something_to_run),
	    TEST(a_personality_is_32_bits_or_none),
	    TEST(a_console_larger_than_the_kernels_is_an_error),
	    TEST(nothing_said_of_capabilities_means_none),
	    TEST(each_set_gets_its_own_mask),
	    TEST(ambient_beyond_permitted_and_inheritable_is_left_out_and_noted),
	    TEST(an_unknown_name_is_a_finding_with_its_place),
	    TEST(hooks_become_argv_envp_and_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
