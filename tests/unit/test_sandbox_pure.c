/* link: sandbox net base gen */
/* DESIGN.md section 1: the sandbox "parses nothing, decides nothing". Looked at in libsandbox.a:
 * no JSON, no yajl, no libseccomp, and nothing of the stages before it but the data of the plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox.h"

/* A plan is a struct: even plan_make() and plan_close() are the runtime's to call. */
static const char *const foreign[] = {
    "json_",	   "yajl_",	 "config_", "policy_", "plan_", "seccomp_", "findings_",
    "passwd_",	   "container_", "cgroup_", "launch_", "cap_",	"getpw",    "getgr",
    "getaddrinfo", "getenv",	 "dlopen",  "system",  "popen"};

/* This program is build/tests/unit/test_sandbox_pure, and the archive build/libsandbox.a. */
static FILE *list_symbols(const char *option)
{
	char self[4000] = "";
	char command[4200];

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		fail_msg("/proc/self/exe can not be read");
	for (int up = 0; up < 3; up++)
		*strrchr(self, '/') = '\0';
	snprintf(command, sizeof(command), "nm -P %s '%s/libsandbox.a'", option, self);
	return popen(command, "r");
}

static void the_right_archive_is_looked_at(void **state)
{
	FILE *nm = list_symbols("--defined-only");
	char line[512];
	int found = 0;

	(void)state;
	assert_non_null(nm);
	while (fgets(line, sizeof(line), nm))
		found |= strncmp(line, "sandbox_spawn T", 15) == 0;
	assert_int_equal(pclose(nm), 0);
	assert_true(found);
}

static void it_takes_nothing_from_the_stages_before_it(void **state)
{
	FILE *nm = list_symbols("--undefined-only");
	char line[512];
	int bad = 0, n = 0;

	(void)state;
	assert_non_null(nm);
	while (fgets(line, sizeof(line), nm)) {
		line[strcspn(line, " \n")] = '\0';
		n++;
		for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
			if (strncmp(line, foreign[i], strlen(foreign[i])) != 0)
				continue;
			print_error("the sandbox uses %s\n", line);
			bad++;
		}
	}
	assert_int_equal(pclose(nm), 0);
	assert_true(n > 30);
	assert_int_equal(bad, 0);
}

/* "It allocates nothing it can avoid": what it has is on the stack and in the plan. */
static void it_allocates_nothing(void **state)
{
	FILE *nm = list_symbols("--undefined-only");
	char line[512];
	static const char *const allocating[] = {"malloc",   "calloc",	    "realloc",	   "strdup",
						 "asprintf", "arena_alloc", "arena_printf"};

	(void)state;
	assert_non_null(nm);
	while (fgets(line, sizeof(line), nm)) {
		line[strcspn(line, " \n")] = '\0';
		for (size_t i = 0; i < sizeof(allocating) / sizeof(allocating[0]); i++) {
			if (strcmp(line, allocating[i]) == 0)
				fail_msg("the sandbox uses %s", line);
		}
	}
	assert_int_equal(pclose(nm), 0);
}

/* The removal script and a reader go by these names: each once, none without. */
static void each_step_has_a_name_of_its_own(void **state)
{
	const char *const *names = sandbox_step_names();
	size_t n = 0;

	(void)state;
	for (; names[n]; n++) {
		assert_true(names[n][0] != '\0');
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(names[i], names[n]);
	}
	assert_true(n > 25);
}

static size_t place(const char *name)
{
	const char *const *names = sandbox_step_names();
	size_t i = 0;

	while (names[i] && strcmp(names[i], name) != 0)
		i++;
	if (!names[i])
		fail_msg("there is no step \"%s\"", name);
	return i;
}

/* The order is the point of steps.c: what each protection would lose in another place. */
static void the_order_that_safety_hangs_on(void **state)
{
	static const struct {
		const char *first, *then;
	} order[] = {
	    {"namespaces", "mount propagation"},
	    {"mount propagation", "rootfs"},
	    {"rootfs", "mounts"},
	    {"mounts", "devices"},
	    {"createContainer hooks", "pivot_root"},
	    {"sysctl", "readonlyPaths"},
	    {"maskedPaths", "pivot_root"},
	    {"pivot_root", "read-only rootfs"},
	    {"pivot_root", "cwd"},
	    {"capability bounding set", "user"},
	    {"user", "capabilities"},
	    {"capabilities", "no_new_privs"},
	    {"seccomp (privileged)", "capability bounding set"},
	    {"no_new_privs", "seccomp"},
	    {"user", "program"},
	    {"program", "seccomp"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (place(order[i].first) >= place(order[i].then))
			fail_msg("\"%s\" has to come before \"%s\"", order[i].first, order[i].then);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_right_archive_is_looked_at),
	    cmocka_unit_test(it_takes_nothing_from_the_stages_before_it),
	    cmocka_unit_test(it_allocates_nothing),
	    cmocka_unit_test(each_step_has_a_name_of_its_own),
	    cmocka_unit_test(the_order_that_safety_hangs_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
