/* link: cgroup policy base */
#include <sys/capability.h>
#include <sys/sysmacros.h>

#include "test_cgroup_fixture.h"

/*
 * The kernel itself is asked: a process in the group opens and makes device nodes. EPERM is the
 * program's no; a number without a driver gives ENXIO or ENODEV when the program lets it pass.
 */
static struct arena arena = ARENA_INIT;
static struct error err;
static struct findings findings = {.arena = &arena};
static struct config_resources resources;
static struct cgroup_request request;
static struct cgroup cgroup;

#define I64(n) ((struct opt_i64){true, n})
#define ALL    ((struct opt_i64){false, 0})

static void rule(bool allow, const char *type, struct opt_i64 major, struct opt_i64 minor,
		 const char *access)
{
	struct config_device_rule *r;

	resources.devices = arena_grow(&arena, resources.devices, resources.n_devices, sizeof(*r));
	r = &resources.devices[resources.n_devices++];
	*r = (struct config_device_rule){.allow = allow, .major = major, .minor = minor};
	r->type = arena_strdup(&arena, type);
	r->access = arena_strdup(&arena, access);
}

static int create(void)
{
	request.id = "box";
	request.resources = &resources;
	request.restrict_devices = true;
	err = (struct error)ERROR_INIT;
	return cgroup_create(&arena, &request, &cgroup, &findings, &err);
}

/* A new group with the rules that were given since the last one. */
static void begin(void)
{
	if (create() < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
}

static void end(void)
{
	CHECK(cgroup_remove(cgroup.path, 1000, &err) == 0);
	resources = (struct config_resources){.present = false};
	request = (struct cgroup_request){.path = NULL};
}

/* Letters of "rwm" that a process in the group is granted one by one, and "+" if r and w at once.
 */
static const char *granted(mode_t type, unsigned int major, unsigned int minor)
{
	static char *result;
	int pipes[2];
	pid_t child;
	ssize_t length;

	CHECK(pipe(pipes) == 0);
	result = arena_alloc(&arena, 8);
	child = fork();
	if (child == 0) {
		const int how[] = {O_RDONLY, O_WRONLY, O_RDWR};
		char text[8] = "", *p = text;

		/* a node made outside the group is there whatever the program says */
		unlink("/tmp/made");
		unlink("/tmp/node");
		CHECK(mknod("/tmp/node", type | 0600, makedev(major, minor)) == 0);
		write_file(CG_MOUNT "/runsafe/box/cgroup.procs", "0");
		for (int i = 0; i < 3; i++) {
			int fd = open("/tmp/node", how[i] | O_NONBLOCK | O_NOCTTY);

			if (fd >= 0 || errno != EPERM)
				*p++ = "rw+"[i];
			fd_cleanup(&fd);
		}
		if (mknod("/tmp/made", type | 0600, makedev(major, minor)) == 0)
			*p++ = 'm';
		CHECK(write(pipes[1], text, 8) == 8);
		_exit(0);
	}
	length = read(pipes[0], result, 8);
	CHECK(wait_for(child) == 0 && length == 8);
	close(pipes[0]);
	close(pipes[1]);
	return result;
}

#define CHECK_GRANTED(type, major, minor, expected)                                                \
	do {                                                                                       \
		const char *is = granted(type, major, minor);                                      \
		if (strcmp(is, expected) != 0) {                                                   \
			fprintf(stderr, "%s:%d: %u:%u grants \"%s\", expected \"%s\"\n", __FILE__, \
				__LINE__, (unsigned int)(major), (unsigned int)(minor), is,        \
				expected);                                                         \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void default_set(void)
{
	begin();
	CHECK_GRANTED(S_IFCHR, 1, 3, "rw+m");	/* null */
	CHECK_GRANTED(S_IFCHR, 1, 5, "rw+m");	/* zero */
	CHECK_GRANTED(S_IFCHR, 1, 7, "rw+m");	/* full */
	CHECK_GRANTED(S_IFCHR, 1, 8, "rw+m");	/* random */
	CHECK_GRANTED(S_IFCHR, 1, 9, "rw+m");	/* urandom */
	CHECK_GRANTED(S_IFCHR, 5, 0, "rw+m");	/* tty */
	CHECK_GRANTED(S_IFCHR, 5, 1, "rw+m");	/* console */
	CHECK_GRANTED(S_IFCHR, 5, 2, "rw+m");	/* ptmx */
	CHECK_GRANTED(S_IFCHR, 136, 0, "rw+m"); /* pts */
	CHECK_GRANTED(S_IFCHR, 136, 4000, "rw+m");
	CHECK_GRANTED(S_IFCHR, 1, 1, "");    /* mem */
	CHECK_GRANTED(S_IFCHR, 1, 11, "");   /* kmsg */
	CHECK_GRANTED(S_IFCHR, 10, 200, ""); /* tun */
	CHECK_GRANTED(S_IFCHR, 10, 229, ""); /* fuse */
	CHECK_GRANTED(S_IFCHR, 137, 0, "");
	CHECK_GRANTED(S_IFBLK, 1, 3, ""); /* a block device is another one */
	CHECK_GRANTED(S_IFBLK, 241, 0, "");
	CHECK_GRANTED(S_IFBLK, 240, 0, "");
	end();
	/* nobody's rule takes the default set away */
	rule(true, "c", I64(1), I64(11), "r");
	rule(false, "a", ALL, ALL, "rwm");
	begin();
	CHECK_GRANTED(S_IFCHR, 1, 3, "rw+m");
	CHECK_GRANTED(S_IFCHR, 1, 11, "");
	end();
}

static void later_rules_override(void)
{
	rule(false, "a", ALL, ALL, "rwm");
	rule(true, "c", I64(1), I64(11), "rw");
	rule(false, "c", I64(1), I64(11), "w");
	begin();
	CHECK_GRANTED(S_IFCHR, 1, 11, "r");
	end();
	/* accesses from two rules add up */
	rule(true, "c", I64(1), I64(11), "r");
	rule(true, "c", I64(1), ALL, "w");
	begin();
	CHECK_GRANTED(S_IFCHR, 1, 11, "rw+");
	CHECK_GRANTED(S_IFCHR, 1, 1, "w");
	end();
	rule(false, "c", I64(1), I64(11), "");
	rule(true, "c", ALL, I64(11), "m");
	begin();
	CHECK_GRANTED(S_IFCHR, 1, 11, "m");
	CHECK_GRANTED(S_IFCHR, 10, 11, "m");
	end();
	/* all is allowed but one, and a denied access denies those asked with it */
	rule(true, "a", ALL, ALL, NULL);
	rule(false, "b", ALL, ALL, "w");
	rule(false, "c", I64(1), I64(1), "rwm");
	begin();
	CHECK_GRANTED(S_IFBLK, 240, 0, "rm");
	CHECK_GRANTED(S_IFCHR, 1, 1, "");
	CHECK_GRANTED(S_IFCHR, 10, 229, "rw+m");
	end();
	/* type left out means all, -1 means all */
	rule(true, NULL, I64(-1), I64(-1), NULL);
	begin();
	CHECK_GRANTED(S_IFBLK, 240, 0, "rw+m");
	end();
	/* and a type a with numbers is as it is written */
	rule(true, "a", I64(10), ALL, "rw");
	begin();
	CHECK_GRANTED(S_IFCHR, 10, 229, "rw+");
	CHECK_GRANTED(S_IFCHR, 1, 11, "");
	end();
}

static void nodes_and_mknod(void)
{
	struct config_device nodes[] = {
	    {.type = arena_strdup(&arena, "c"), .major = 10, .minor = 229},
	    {.type = arena_strdup(&arena, "p")},
	    {.type = arena_strdup(&arena, "b"), .major = 240, .minor = 7}};

	rule(false, "a", ALL, ALL, "rwm");
	request.devices = nodes;
	request.n_devices = 3;
	begin();
	CHECK_GRANTED(S_IFCHR, 10, 229, "rw+m");
	CHECK_GRANTED(S_IFBLK, 240, 7, "rw+m");
	CHECK_GRANTED(S_IFCHR, 10, 200, "");
	CHECK_GRANTED(S_IFCHR, 0, 229, "");
	end();
	/* any node may be made, not opened */
	request.allow_mknod = true;
	begin();
	CHECK_GRANTED(S_IFCHR, 1, 11, "m");
	CHECK_GRANTED(S_IFBLK, 240, 0, "m");
	end();
}

static void many_rules(void)
{
	for (int i = 0; i < 500; i++)
		rule(i % 3, i % 2 ? "c" : "b", I64(i % 50), I64(i), i % 5 ? "rw" : "r");
	rule(true, "c", I64(4294967295), I64(4294967295), "rwm");
	begin();
	CHECK_GRANTED(S_IFCHR, 1, 11, "");
	CHECK_GRANTED(S_IFCHR, 1, 3, "rw+m");
	CHECK_GRANTED(S_IFCHR, 1, 251, "rw+");
	end();
}

/* What the rules say of these accesses at once, read from the last one on. */
static bool said(const char *type, int major, int minor, const char *accesses)
{
	char left[4] = "";
	size_t n = 0;

	for (; accesses[n]; n++)
		left[n] = accesses[n];
	for (size_t i = resources.n_devices; i-- > 0;) {
		const struct config_device_rule *r = &resources.devices[i];

		if ((*r->type != 'a' && *r->type != *type) ||
		    (r->major.value >= 0 && r->major.value != major) ||
		    (r->minor.value >= 0 && r->minor.value != minor))
			continue;
		if (!r->allow && left[strcspn(left, r->access)])
			return false;
		for (char *at = left; r->allow && *at;)
			if (strchr(r->access, *at))
				memmove(at, at + 1, strlen(at));
			else
				at++;
		if (!*left)
			return true;
	}
	return false;
}

/* The same each time (Knuth's linear congruential generator). */
static unsigned int chance(unsigned int most)
{
	static uint64_t seed = 7;

	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(seed >> 33) % most;
}

static const char *all_said(const char *type, int major, int minor)
{
	static const char *const asked[] = {"r", "w", "rw", "m"};
	static char text[8];
	size_t n = 0;

	for (size_t i = 0; i < 4; i++)
		if (said(type, major, minor, asked[i]))
			text[n++] = "rw+m"[i];
	text[n] = '\0';
	return text;
}

static void rules_by_chance(void)
{
	static const char *const types[] = {"c", "b", "a", "c"}, *const accesses[] = {
								     "rwm", "rw",  "r", "wm",
								     "m",   "rwm", "w", "rm"};
	/* The last ones are larger than any device's. */
	static const int64_t majors[] = {-1, 240, 241, 4096 + 240},
			     minors[] = {-1, 1, 2, 1 << 20 | 1};

	for (int round = 0; round < 60; round++) {
		for (unsigned int i = 1 + chance(6); i > 0; i--)
			rule(chance(3) > 0, types[chance(4)], I64(majors[chance(4)]),
			     I64(minors[chance(4)]), accesses[chance(8)]);
		begin();
		for (unsigned int device = 0; device < 8; device++) {
			const unsigned int major = device & 2 ? 240 : 241,
					   minor = device & 4 ? 1 : 2;
			const char *type = device & 1 ? "c" : "b";

			CHECK_GRANTED(device & 1 ? S_IFCHR : S_IFBLK, major, minor,
				      all_said(type, (int)major, (int)minor));
		}
		end();
	}
}

static void wrong_rules(void)
{
	rule(true, "x", ALL, ALL, NULL);
	CHECK(create() == -1);
	CHECK_TEXT(err.text, "linux.resources.devices[0].type: expected");
	resources.n_devices = 0;
	rule(true, "c", I64(1), I64(2), "rwx");
	CHECK(create() == -1);
	CHECK_TEXT(err.text, "linux.resources.devices[0].access: expected letters of \"rwm\"");
	resources.n_devices = 0;
	rule(true, "c", I64(4294967296), ALL, "rwm");
	CHECK(create() == -1);
	CHECK_TEXT(err.text, "linux.resources.devices[0].major: expected a device number");
	resources.n_devices = 0;
	rule(true, "c", I64(1), I64(-2), "rwm");
	CHECK(create() == -1);
	CHECK_TEXT(err.text, "linux.resources.devices[0].minor");
	CHECK(!is_dir("/runsafe"));
}

/* Never fail open: who may not load the program gets no container, in every mode but none. */
static void refused_without_capability(void)
{
	CHECK(mkdir(CG_MOUNT "/mine", 0755) == 0);
	CHECK(cap_set_proc(cap_init()) == 0);
	request.path = "/mine/box";
	CHECK(create() == -1);
	CHECK_TEXT(err.text, "linux.resources.devices: can not attach the BPF program");
	CHECK_TEXT(err.text, "operation not permitted");
	CHECK_TEXT(err.text, "CAP_BPF");
	CHECK(!is_dir("/mine/box"));
	request.mode = CGROUP_AVAILABLE;
	CHECK(create() == -1);
	CHECK(!is_dir("/mine/box"));
	request.mode = CGROUP_NONE;
	CHECK(create() == 0);
	CHECK(findings.n > 0);
}

/* Without restrict_devices no program is attached. */
static void unrestricted(void)
{
	begin();
	CHECK(cgroup_remove(cgroup.path, 1000, &err) == 0);
	request.restrict_devices = false;
	CHECK(cgroup_create(&arena, &request, &cgroup, &findings, &err) == 0);
	CHECK_GRANTED(S_IFCHR, 10, 229, "rw+m");
	CHECK_GRANTED(S_IFBLK, 240, 0, "rw+m");
}

static int with_nodes(void (*body)(void))
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0)
		return SKIPPED;
	return with_own_cgroup2(body);
}

#define TEST_OF(name)                                                                              \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		run_body(with_nodes, name);                                                        \
	}

TEST_OF(default_set)
TEST_OF(later_rules_override)
TEST_OF(nodes_and_mknod)
TEST_OF(many_rules)
TEST_OF(rules_by_chance)
TEST_OF(wrong_rules)
TEST_OF(refused_without_capability)
TEST_OF(unrestricted)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_default_set),
	    cmocka_unit_test(test_later_rules_override),
	    cmocka_unit_test(test_nodes_and_mknod),
	    cmocka_unit_test(test_many_rules),
	    cmocka_unit_test(test_rules_by_chance),
	    cmocka_unit_test(test_wrong_rules),
	    cmocka_unit_test(test_refused_without_capability),
	    cmocka_unit_test(test_unrestricted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
