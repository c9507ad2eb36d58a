/* link: cgroup policy base */
#include <sys/resource.h>

#include "test_cgroup_request.h"

static void hugepages(const char *size, uint64_t limit)
{
	static struct config_hugepage_limit item;

	item.page_size = arena_strdup(&arena, size);
	item.limit = limit;
	resources.hugepage_limits = &item;
	resources.n_hugepage_limits = 1;
}

static void life_cycle(void)
{
	pid_t child, *pids;
	size_t n;

	CHECK(create(NULL, CGROUP_REQUIRED) == 0);
	CHECK(strcmp(cgroup.path, "/runsafe/box") == 0);
	CHECK(cgroup.made && cgroup.made_parents == 1 && cgroup.dir >= 0);
	CHECK(fcntl(cgroup.dir, F_GETFD) & FD_CLOEXEC);
	CHECK(findings.n == 0);
	child = process_in(cgroup.path);
	CHECK(cgroup_pids(&arena, cgroup.path, &pids, &n) == 0 && n == 1 && pids[0] == child);
	CHECK(cgroup_remove(cgroup.path, 30, &err) == -1);
	CHECK_TEXT(err.text, "can not remove the cgroup /runsafe/box");
	CHECK(err.number == EBUSY);
	CHECK(cgroup_signal(cgroup.path, 0) == 1);
	CHECK(cgroup_kill(cgroup.path, 5000, &err) == 0);
	CHECK(wait_for(child) == 128 + SIGKILL);
	CHECK(cgroup_signal(cgroup.path, SIGKILL) == 0);
	CHECK(cgroup_remove(cgroup.path, 1000, &err) == 0);
	CHECK(!is_dir("/runsafe"));
	/* what is gone, or never was, is fine */
	CHECK(cgroup_remove(cgroup.path, 0, &err) == 0);
	CHECK(cgroup_remove("", 0, &err) == 0);
	CHECK(cgroup_kill(cgroup.path, 0, &err) == 0);
	CHECK(cgroup_kill("", 0, &err) == 0);
	CHECK(cgroup_open("") == -1 && errno == ENOENT);
	CHECK(cgroup_pids(&arena, cgroup.path, &pids, &n) == -1 && errno == ENOENT);
	CHECK(!cgroup_frozen(cgroup.path));
}

static void paths(void)
{
	CHECK(cgroup_missing(&arena, "/runsafe/a/b/c") == 4 && cgroup_missing(&arena, "") == 0);
	CHECK(create("a/b/c", CGROUP_REQUIRED) == 0);
	CHECK(cgroup_missing(&arena, "/runsafe/a/b/c") == 0);
	CHECK(cgroup_missing(&arena, "/runsafe/a/b/d") == 1);
	CHECK(strcmp(cgroup.path, "/runsafe/a/b/c") == 0 && cgroup.made_parents == 3);
	CHECK(create("a/b/d", CGROUP_REQUIRED) == 0 && cgroup.made_parents == 0);
	CHECK(cgroup_remove("/runsafe/a/b/c", 0, &err) == 0);
	CHECK(is_dir("/runsafe/a/b/d"));
	CHECK(cgroup_remove("/runsafe/a/b/d", 0, &err) == 0);
	CHECK(!is_dir("/runsafe"));
	/* a parent that is an engine's stays */
	CHECK(mkdir(CG_MOUNT "/docker", 0755) == 0);
	CHECK(create("/docker/0123", CGROUP_REQUIRED) == 0 && cgroup.made_parents == 0);
	CHECK(cgroup_remove(cgroup.path, 0, &err) == 0);
	CHECK(is_dir("/docker"));
	/* names of the kernel's own files are no groups */
	CHECK(create("/docker/cgroup.procs", CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "can not make the cgroup /sys/fs/cgroup/docker/cgroup.procs");
}

static void existing(void)
{
	pid_t child;

	CHECK(mkdir(CG_MOUNT "/there", 0755) == 0 && mkdir(CG_MOUNT "/there/below", 0755) == 0);
	CHECK(create("/there", CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "/sys/fs/cgroup/there is not empty: it has groups below it");
	CHECK(is_dir("/there/below"));
	CHECK(rmdir(CG_MOUNT "/there/below") == 0);
	child = process_in("/there");
	CHECK(create("/there", CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "is not empty: it has processes");
	/* not even by --cgroup=available */
	CHECK(create("/there", CGROUP_AVAILABLE) == -1);
	kill(child, SIGKILL);
	wait_for(child);
	if (HAVE(CG_BIT(CG_HUGETLB))) {
		/* controllers that it hands down would keep the container's processes out */
		write_file(CG_MOUNT "/cgroup.subtree_control", "+hugetlb");
		write_file(CG_MOUNT "/there/cgroup.subtree_control", "+hugetlb");
	}
	CHECK(create("/there", CGROUP_REQUIRED) == 0);
	CHECK(!cgroup.made);
	CHECK(strcmp(read_file(CG_MOUNT "/there/cgroup.subtree_control"), "") == 0);
	child = process_in("/there");
	CHECK(cgroup_signal("/there", SIGTERM) == 1);
	CHECK(wait_for(child) == 128 + SIGTERM);
}

static void failure_leaves_nothing(void)
{
	if (!HAVE(CG_BIT(CG_HUGETLB)))
		_exit(SKIPPED);
	hugepages("3MB", 0);
	CHECK(create(NULL, CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "linux.resources.hugepageLimits[0]: this kernel's cgroups have no "
			     "hugetlb.3MB.max");
	CHECK(!is_dir("/runsafe"));
	CHECK(cgroup.dir == -1 && strcmp(cgroup.path, "") == 0 && !cgroup.made);
	/* the old values of a group that was there come back */
	clear_resources();
	hugepages("2MB", 4 * MEGABYTE);
	CHECK(create("/there", CGROUP_REQUIRED) == 0);
	CHECK(strcmp(read_file(CG_MOUNT "/there/hugetlb.2MB.max"), "4194304") == 0);
	hugepages("2MB", 8 * MEGABYTE);
	str_map_set(&arena, &resources.unified, arena_strdup(&arena, "hugetlb.2MB.rsvd.max"),
		    arena_strdup(&arena, "nonsense"));
	CHECK(create("/there", CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "linux.resources.unified.hugetlb.2MB.rsvd.max: can not write "
			     "\"nonsense\"");
	CHECK_TEXT(err.text, "invalid argument");
	CHECK(is_dir("/there"));
	CHECK(strcmp(read_file(CG_MOUNT "/there/hugetlb.2MB.max"), "4194304") == 0);
	CHECK(strcmp(read_file(CG_MOUNT "/there/hugetlb.2MB.rsvd.max"), "4194304") == 0);
}

static void update_is_all_or_nothing(void)
{
	if (!HAVE(CG_BIT(CG_HUGETLB)))
		_exit(SKIPPED);
	hugepages("2MB", 4 * MEGABYTE);
	CHECK(create(NULL, CGROUP_REQUIRED) == 0);
	hugepages("2MB", 6 * MEGABYTE);
	CHECK(cgroup_set_resources(&arena, cgroup.dir, &resources, &err) == 0);
	CHECK(strcmp(read_file(FILE_OF("hugetlb.2MB.max")), "6291456") == 0);
	hugepages("2MB", 8 * MEGABYTE);
	str_map_set(&arena, &resources.unified, arena_strdup(&arena, "hugetlb.2MB.max"),
		    arena_strdup(&arena, "-5x"));
	CHECK(cgroup_set_resources(&arena, cgroup.dir, &resources, &err) == -1);
	CHECK_TEXT(err.text, "linux.resources.unified.hugetlb.2MB.max");
	CHECK(strcmp(read_file(FILE_OF("hugetlb.2MB.max")), "6291456") == 0);
	CHECK(strcmp(read_file(FILE_OF("hugetlb.2MB.rsvd.max")), "6291456") == 0);
	/* a controller that is not on is named, and only if it is needed */
	clear_resources();
	str_map_set(&arena, &resources.unified, arena_strdup(&arena, "rdma.max"),
		    arena_strdup(&arena, "mlx hca_handle=1"));
	CHECK(cgroup_set_resources(&arena, cgroup.dir, &resources, &err) == -1);
	CHECK_TEXT(err.text, "controller rdma is not on there");
}

static void missing_controllers(void)
{
	if (HAVE(CG_BIT(CG_MEMORY)))
		_exit(SKIPPED);
	resources.memory.limit = resources.memory.swap = I64(64 * MEGABYTE);
	resources.pids.limit = I64(10);
	CHECK(create(NULL, CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "linux.resources.memory.limit: can not be applied: controller memory");
	CHECK_TEXT(err.text, "--cgroup=available");
	CHECK(!is_dir("/runsafe"));
	CHECK(create(NULL, CGROUP_AVAILABLE) == 0);
	CHECK(cgroup.dir >= 0 && is_dir("/runsafe/box"));
	CHECK(findings.n == 3);
	CHECK(strcmp(findings.items[0].path, "linux.resources.memory.limit") == 0);
	CHECK(strcmp(findings.items[1].path, "linux.resources.memory.swap") == 0);
	CHECK(strcmp(findings.items[2].path, "linux.resources.pids.limit") == 0);
	for (size_t i = 0; i < findings.n; i++) {
		CHECK(findings.items[i].kind == FINDING_NOTE);
		CHECK_TEXT(findings.items[i].text, "not applied: controller ");
	}
	CHECK(cgroup_why_no_limits(&arena));
	CHECK_TEXT(cgroup_why_no_limits(&arena), "controller memory");
	/* "unlimited" needs no controller */
	CHECK(cgroup_remove(cgroup.path, 0, &err) == 0);
	resources.memory.limit = resources.memory.swap = I64(-1);
	resources.pids.limit = I64(-1);
	CHECK(create(NULL, CGROUP_REQUIRED) == 0);
	CHECK(findings.n == 0);
}

static void busy_ancestor_is_told(void)
{
	if (!HAVE(CG_BIT(CG_HUGETLB)))
		_exit(SKIPPED);
	write_file(CG_MOUNT "/cgroup.procs", "0");
	hugepages("2MB", 0);
	CHECK(create(NULL, CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "controller hugetlb can not be switched on in "
			     "/sys/fs/cgroup/cgroup.subtree_control");
	CHECK_TEXT(err.text, "there are processes in that cgroup");
	CHECK(!is_dir("/runsafe"));
	/* what nobody asked for may be missing, and nothing may become a threaded domain by it:
	   processes could not enter the group */
	clear_resources();
	CHECK(create(NULL, CGROUP_REQUIRED) == 0);
	CHECK(strcmp(read_file(CG_MOUNT "/cgroup.type"), "domain") == 0);
	CHECK(strcmp(read_file(FILE_OF("cgroup.type")), "domain") == 0);
	process_in(cgroup.path);
	CHECK(cgroup_signal(cgroup.path, 0) == 1);
}

static void threaded_ancestor_is_told(void)
{
	if (!HAVE(CG_BIT(CG_HUGETLB)))
		_exit(SKIPPED);
	CHECK(mkdir(CG_MOUNT "/dom", 0755) == 0 && mkdir(CG_MOUNT "/dom/thr", 0755) == 0);
	write_file(CG_MOUNT "/cgroup.subtree_control", "+hugetlb");
	write_file(CG_MOUNT "/dom/thr/cgroup.type", "threaded");
	hugepages("2MB", 0);
	CHECK(create("/dom/thr/box", CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "controller hugetlb can not be switched on");
	CHECK(!is_dir("/dom/thr/box"));
	/* also without a limit */
	clear_resources();
	CHECK(create("/dom/thr/box", CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "domain invalid");
	CHECK(!is_dir("/dom/thr/box"));
}

static void freezing(void)
{
	CHECK(create(NULL, CGROUP_REQUIRED) == 0);
	pid_t child = process_in(cgroup.path);

	CHECK(!cgroup_frozen(cgroup.path));
	CHECK(cgroup_freeze(cgroup.path, true, 5000, &err) == 0);
	CHECK(cgroup_frozen(cgroup.path));
	CHECK(cgroup_freeze(cgroup.path, true, 5000, &err) == 0);
	CHECK(cgroup_freeze(cgroup.path, false, 5000, &err) == 0);
	CHECK(!cgroup_frozen(cgroup.path));
	/* what is frozen can be killed */
	CHECK(cgroup_freeze(cgroup.path, true, 5000, &err) == 0);
	CHECK(cgroup_kill(cgroup.path, 5000, &err) == 0);
	CHECK(wait_for(child) == 128 + SIGKILL);
	CHECK(cgroup_freeze("/gone", true, 10, &err) == -1);
	CHECK_TEXT(err.text, "\"/gone\"");
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 32; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void deep_and_wide(void)
{
	struct rlimit few = {32, 32};
	char path[4096] = CG_MOUNT "/runsafe/box";
	pid_t *pids, first, second;
	size_t n, length = strlen(path);
	int open_before;

	CHECK(create(NULL, CGROUP_REQUIRED) == 0);
	first = process_in(cgroup.path);
	for (int i = 0; i < 300; i++) {
		length += (size_t)snprintf(path + length, sizeof(path) - length, "/deeper");
		CHECK(mkdir(path, 0755) == 0);
		if (i % 100 != 50)
			continue;
		for (int j = 0; j < 5; j++) {
			char wide[4200];

			snprintf(wide, sizeof(wide), "%s/wide%d", path, j);
			CHECK(mkdir(wide, 0755) == 0);
		}
	}
	second = process_in(path + strlen(CG_MOUNT));
	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
	open_before = open_descriptors();
	CHECK(cgroup_pids(&arena, cgroup.path, &pids, &n) == 0);
	CHECK(n == 2 && pids[0] == first && pids[1] == second);
	CHECK(cgroup_remove(cgroup.path, 20, &err) == -1);
	CHECK(cgroup_kill(cgroup.path, 5000, &err) == 0);
	wait_for(first);
	wait_for(second);
	CHECK(cgroup_remove(cgroup.path, 5000, &err) == 0);
	CHECK(!is_dir("/runsafe"));
	CHECK(open_descriptors() == open_before);
}

static void many_fork_while_killed(void)
{
	CHECK(create(NULL, CGROUP_REQUIRED) == 0);
	pid_t child = fork();

	if (child == 0) {
		write_file(CG_MOUNT "/runsafe/box/cgroup.procs", "0");
		for (int i = 0; i < 50; i++)
			if (fork() == 0)
				break;
		for (;;) /* each goes on as its own child */
			if (fork() > 0)
				_exit(0);
	}
	usleep(50000);
	CHECK(cgroup_kill(cgroup.path, 10000, &err) == 0);
	wait_for(child);
	CHECK(cgroup_remove(cgroup.path, 2000, &err) == 0);
}

static void given_to_user_namespace(void)
{
	struct cgroup_request request = {
	    .id = "box", .resources = &resources, .give = true, .owner = 100000};
	struct stat st;

	if (HAVE(CG_BIT(CG_HUGETLB)))
		hugepages("2MB", 0);
	CHECK(cgroup_create(&arena, &request, &cgroup, &findings, &err) == 0);
	CHECK(stat(CG_MOUNT "/runsafe/box", &st) == 0 && st.st_uid == 100000);
	CHECK(stat(FILE_OF("cgroup.procs"), &st) == 0 && st.st_uid == 100000);
	CHECK(stat(FILE_OF("cgroup.threads"), &st) == 0 && st.st_uid == 100000);
	CHECK(stat(FILE_OF("cgroup.subtree_control"), &st) == 0 && st.st_uid == 100000);
	CHECK(stat(FILE_OF("cgroup.freeze"), &st) == 0 && st.st_uid == 0);
	CHECK(stat(FILE_OF("cgroup.kill"), &st) == 0 && st.st_uid == 0);
	if (HAVE(CG_BIT(CG_HUGETLB)))
		CHECK(stat(FILE_OF("hugetlb.2MB.max"), &st) == 0 && st.st_uid == 0);
	CHECK(stat(CG_MOUNT "/runsafe", &st) == 0 && st.st_uid == 0);
}

/* /sys/fs/cgroup as tests would have it; unified is a cgroup2 below a tmpfs. */
static int on_tmpfs(void (*body)(void))
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", CG_MOUNT, "tmpfs", 0, NULL) < 0)
		return SKIPPED;
	body();
	return 0;
}

static void no_cgroup2(void)
{
	struct cgroup_request request = {.id = "box",
					 .mode = CGROUP_AVAILABLE,
					 .resources = &resources,
					 .restrict_devices = true};

	hugepages("2MB", 0);
	resources.pids.limit = I64(10);
	CHECK_TEXT(cgroup_why_no_limits(&arena), "no cgroup2 is mounted at /sys/fs/cgroup");
	CHECK(mkdir(CG_MOUNT "/memory", 0755) == 0);
	CHECK_TEXT(cgroup_why_no_limits(&arena), "this host runs cgroup v1");
	CHECK(create(NULL, CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "limits can not be applied: no cgroup2 at /sys/fs/cgroup");
	CHECK_TEXT(err.text, "--cgroup=available");
	findings.n = 0;
	CHECK(cgroup_create(&arena, &request, &cgroup, &findings, &err) == 0);
	CHECK(cgroup.dir == -1 && strcmp(cgroup.path, "") == 0 && !cgroup.made);
	CHECK(strcmp(cgroup_choose_path(&arena, &request, &err), "") == 0);
	CHECK(findings.n == 3);
	CHECK(strcmp(findings.items[0].path, "linux.resources.pids.limit") == 0);
	CHECK(strcmp(findings.items[1].path, "linux.resources.hugepageLimits[0]") == 0);
	CHECK(strcmp(findings.items[2].path, "linux.resources.devices") == 0);
	findings.n = 0;
	request.mode = CGROUP_NONE;
	CHECK(cgroup_create(&arena, &request, &cgroup, &findings, &err) == 0);
	CHECK(findings.n == 1 && strcmp(cgroup.path, "") == 0);
	CHECK_TEXT(findings.items[0].text, "--cgroup=none");
	/* a group that the state knows is not taken for gone */
	CHECK(cgroup_kill("/runsafe/box", 10, &err) == -1);
	CHECK(cgroup_remove("/runsafe/box", 10, &err) == -1);
}

static void hybrid(void)
{
	struct cgroup_request request = {.mode = CGROUP_AVAILABLE, .resources = &resources};

	CHECK(mkdir(CG_UNIFIED, 0755) == 0);
	CHECK(mount("cgroup2", CG_UNIFIED, "cgroup2", 0, NULL) == 0);
	CHECK_TEXT(cgroup_why_no_limits(&arena), "(hybrid, with cgroup2 at");
	CHECK(create(NULL, CGROUP_REQUIRED) == -1);
	CHECK_TEXT(err.text, "hybrid");
	CHECK_TEXT(err.text, "--cgroup=available");
	/* it serves to hold, freeze and kill */
	request.id = arena_printf(&arena, "unit-%d", getpid());
	CHECK(cgroup_create(&arena, &request, &cgroup, &findings, &err) == 0);
	CHECK(access(arena_printf(&arena, CG_UNIFIED "%s", cgroup.path), F_OK) == 0);
	CHECK(cgroup_freeze(cgroup.path, true, 1000, &err) == 0);
	CHECK(cgroup_kill(cgroup.path, 1000, &err) == 0);
	CHECK(cgroup_remove(cgroup.path, 1000, &err) == 0);
	CHECK(access(arena_printf(&arena, CG_UNIFIED "%s", cgroup.path), F_OK) == -1);
}

#define ON_TMPFS(name)                                                                             \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		run_body(on_tmpfs, name);                                                          \
	}

IN_CGROUP2(life_cycle)
IN_CGROUP2(paths)
IN_CGROUP2(existing)
IN_CGROUP2(failure_leaves_nothing)
IN_CGROUP2(update_is_all_or_nothing)
IN_CGROUP2(missing_controllers)
IN_CGROUP2(busy_ancestor_is_told)
IN_CGROUP2(threaded_ancestor_is_told)
IN_CGROUP2(freezing)
IN_CGROUP2(deep_and_wide)
IN_CGROUP2(many_fork_while_killed)
IN_CGROUP2(given_to_user_namespace)
ON_TMPFS(no_cgroup2)
ON_TMPFS(hybrid)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_life_cycle),
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_existing),
	    cmocka_unit_test(test_failure_leaves_nothing),
	    cmocka_unit_test(test_update_is_all_or_nothing),
	    cmocka_unit_test(test_missing_controllers),
	    cmocka_unit_test(test_busy_ancestor_is_told),
	    cmocka_unit_test(test_threaded_ancestor_is_told),
	    cmocka_unit_test(test_freezing),
	    cmocka_unit_test(test_deep_and_wide),
	    cmocka_unit_test(test_many_fork_while_killed),
	    cmocka_unit_test(test_given_to_user_namespace),
	    cmocka_unit_test(test_no_cgroup2),
	    cmocka_unit_test(test_hybrid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
