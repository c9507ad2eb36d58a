/* One container's cgroup, "/runsafe/box" or another path, and the macros to test it. */
#ifndef TEST_CGROUP_REQUEST_H
#define TEST_CGROUP_REQUEST_H

#include "test_cgroup_fixture.h"

static struct arena arena = ARENA_INIT;
static struct error err;
static struct findings findings = {.arena = &arena};
static struct config_resources resources;
static struct cgroup cgroup;

#define I64(n)	 ((struct opt_i64){true, n})
#define U64(n)	 ((struct opt_u64){true, n})
#define MEGABYTE INT64_C(1048576)
#define CHECK_DONE(call)                                                                           \
	do {                                                                                       \
		if ((call) != 0) {                                                                 \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, err.text);              \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)
#define FILE_OF(x)  CG_MOUNT "/runsafe/box/" x
#define HAVE(names) ((root_controllers() & (names)) == (names))

static unsigned int root_controllers(void)
{
	cleanup_fd int root = cg_root_open(NULL);

	return cg_controllers_read(root, "cgroup.controllers");
}

static int create(const char *path, enum cgroup_mode mode)
{
	struct cgroup_request request = {
	    .mode = mode, .path = path, .id = "box", .resources = &resources};

	err = (struct error)ERROR_INIT;
	findings.n = 0;
	return cgroup_create(&arena, &request, &cgroup, &findings, &err);
}

static void clear_resources(void)
{
	memset(&resources, 0, sizeof(resources));
}

#define IN_CGROUP2(name)                                                                           \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		run_body(with_own_cgroup2, name);                                                  \
	}
#endif
