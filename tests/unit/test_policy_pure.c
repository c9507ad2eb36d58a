/* link: policy config base gen */
/* policy has no files and no system calls in it: what libpolicy.a takes from elsewhere is listed
 * here, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Computation on memory; the rooms that are pure themselves. */
static const char *const allowed[] = {
    "__ctype_b_loc",
    "isalnum", /* what are glibc's macros of the two above, musl has as functions */
    "iscntrl",
    "__ctype_tolower_loc",
    "__errno_location",
    "memcmp",
    "memcpy",
    "__memcpy_chk", /* with a length that the compiler knows */
    "memset",
    "stpcpy",
    "strchr",
    "strcmp",
    "strcasecmp",
    "strcspn",
    "strlen",
    "strncasecmp",
    "strncmp",
    "strspn",
    "strstr",
    "strtoll",
    "__isoc23_strtoll",
    "tolower",
    /* base */
    "arena_alloc",
    "arena_grow",
    "arena_printf",
    "arena_strdup",
    "arena_strndup",
    "arena_vprintf",
    "env_get",
    "error_set",
    "error_wrap",
    "str_list_add",
    "str_list_has",
    "str_map_get",
    "str_map_set",
    "str_list_join",
    "keys_add",
    "keys_end",
    "keys_find",
    /* reads text in memory; json_read_file is not here */
    "json_read",
    /* config, gen */
    "config_namespace_find",
    "policy_builtin_text",
    /* the compiler's */
    "_GLOBAL_OFFSET_TABLE_",
};

static const char *const allowed_prefixes[] = {"__stack_chk_", "__asan_", "__ubsan_"};

static int is_allowed(const char *symbol)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (strcmp(symbol, allowed[i]) == 0)
			return 1;
	}
	for (size_t i = 0; i < sizeof(allowed_prefixes) / sizeof(allowed_prefixes[0]); i++) {
		if (strncmp(symbol, allowed_prefixes[i], strlen(allowed_prefixes[i])) == 0)
			return 1;
	}
	return 0;
}

/* This program is build/tests/unit/test_policy_pure, and the archive build/libpolicy.a: the one
 * that runsafe is linked with. */
static FILE *list_symbols(const char *option)
{
	char self[4000] = "";
	char command[4200];

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		fail_msg("/proc/self/exe can not be read");
	for (int up = 0; up < 3; up++)
		*strrchr(self, '/') = '\0';
	snprintf(command, sizeof(command), "nm -P %s '%s/libpolicy.a'", option, self);
	return popen(command, "r");
}

static void the_archive_defines(const char *symbol)
{
	FILE *nm = list_symbols("--defined-only");
	char line[512];
	int found = 0;

	assert_non_null(nm);
	while (fgets(line, sizeof(line), nm) != NULL) {
		line[strcspn(line, " \n")] = '\0';
		found |= strcmp(line, symbol) == 0;
	}
	assert_int_equal(pclose(nm), 0);
	assert_true(found);
}

/* Symbols that the archive takes from outside itself. */
static void policy_takes_nothing_that_does_io(void **state)
{
	FILE *nm = list_symbols("-u");
	char line[512];
	int n = 0;
	int bad = 0;

	(void)state;
	assert_non_null(nm);
	while (fgets(line, sizeof(line), nm) != NULL) {
		char *end = strstr(line, " U");

		if (end == NULL)
			continue;
		*end = '\0';
		n++;
		if (is_allowed(line))
			continue;
		/* One file of the room using another. */
		FILE *own = list_symbols("--defined-only");
		char defined[512];
		int inside = 0;

		while (fgets(defined, sizeof(defined), own) != NULL) {
			defined[strcspn(defined, " \n")] = '\0';
			inside |= strcmp(defined, line) == 0;
		}
		pclose(own);
		if (!inside) {
			print_error("policy uses %s\n", line);
			bad++;
		}
	}
	assert_int_equal(pclose(nm), 0);
	assert_true(n > 10);
	assert_int_equal(bad, 0);
}

static void the_right_archive_is_looked_at(void **state)
{
	(void)state;
	the_archive_defines("policy_apply");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_right_archive_is_looked_at),
	    cmocka_unit_test(policy_takes_nothing_that_does_io),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
