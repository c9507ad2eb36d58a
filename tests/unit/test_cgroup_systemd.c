/* link: cgroup policy base */
/* The systemd driver's pure half: names of units, properties, annotations. */
#include "../../runtime/cgroup/systemd_internal.h"
#include "test_cgroup_fixture.h"

static struct arena arena = ARENA_INIT;

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* "name slice path", or the error. */
static const char *unit_of(const char *path, const char *id, bool user)
{
	struct error err = ERROR_INIT;
	struct sd_unit unit;

	if (sd_unit_choose(&arena, path, id, user, &unit, &err) < 0)
		return arena_printf(&arena, "error: %s", err.text);
	return arena_printf(&arena, "%s %s %s", unit.name, unit.slice ? unit.slice : "-",
			    unit.path);
}

static void test_names(void **state)
{
	const struct {
		const char *path, *id;
		bool user;
		const char *unit;
	} cases[] = {
	    {NULL, "c1", false, "runsafe-c1.scope system.slice /system.slice/runsafe-c1.scope"},
	    {NULL, "c1", true, "runsafe-c1.scope user.slice /user.slice/runsafe-c1.scope"},
	    {"", "c1", false, "runsafe-c1.scope system.slice /system.slice/runsafe-c1.scope"},
	    {"machine.slice:libpod:x", "c1", false,
	     "libpod-x.scope machine.slice /machine.slice/libpod-x.scope"},
	    {"a-b-c.slice:p:n", "c1", false,
	     "p-n.scope a-b-c.slice /a.slice/a-b.slice/a-b-c.slice/p-n.scope"},
	    {"::n", "c1", false, "n.scope system.slice /system.slice/n.scope"},
	    {"-.slice:p:n", "c1", false, "p-n.scope -.slice /p-n.scope"},
	    {":p:a-b.slice", "c1", false, "a-b.slice - /a.slice/a-b.slice"},
	    {"c.slice:p:a-b.slice", "c1", false, "a-b.slice c.slice /a.slice/a-b.slice"},
	    {NULL, "a+b", false,
	     "runsafe-a\\x2bb.scope system.slice /system.slice/runsafe-a\\x2bb.scope"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(unit_of(cases[i].path, cases[i].id, cases[i].user),
				    cases[i].unit);
}

static void test_names_that_are_none(void **state)
{
	static const char *const paths[] = {
	    "/a/b",	     "a:b",	     "a.slice:b:c:d",  "a.slice:b:",
	    "a:b:c",	     "/a.slice:b:c", "a--b.slice:c:d", "-a.slice:b:c",
	    "a-.slice:b:c",  ".slice:b:c",   "a.slice:b/c:d",  "a.slice:b:\n",
	    ":b:a--b.slice", "..:b:c",	     "a@.slice:b:c",
	};
	char *long_name = arena_alloc(&arena, 300);

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_non_null(strstr(unit_of(paths[i], "c", false), "linux.cgroupsPath"));
	memset(long_name, 'x', 299);
	assert_non_null(strstr(unit_of(NULL, long_name, false), "at most 255"));
}

static const char *shown(const struct sd_properties *list)
{
	char *text = arena_strdup(&arena, "");

	for (size_t i = 0; i < list->n; i++) {
		const struct sd_property *p = &list->items[i];

		text = arena_printf(&arena, "%s%s%s=", text, i ? " " : "", p->name);
		for (size_t j = 0; j < p->n_bytes; j++)
			text = arena_printf(&arena, "%s%02x", text, p->bytes[j]);
		if (strcmp(p->type, "t") == 0 && p->natural == UINT64_MAX)
			text = arena_printf(&arena, "%sinfinity", text);
		else if (strcmp(p->type, "t") == 0)
			text = arena_printf(&arena, "%s%llu", text, (unsigned long long)p->natural);
	}
	return text;
}

/* Properties of a file with a value, or of several. */
static const char *property_of(const char *const pairs[][2], size_t n)
{
	struct cg_setting items[8] = {0};
	struct cg_settings settings = {.arena = &arena, .items = items, .n = n};
	struct sd_properties list = {.arena = &arena};
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < n; i++) {
		items[i].where = arena_strdup(&arena, "linux.resources.x");
		items[i].write.file = arena_strdup(&arena, pairs[i][0]);
		items[i].write.value = arena_strdup(&arena, pairs[i][1]);
	}
	if (sd_properties_of_settings(&list, &settings, &err) < 0)
		return arena_printf(&arena, "error: %s", err.text);
	return shown(&list);
}

static void test_properties(void **state)
{
	static const char *const cases[][3] = {
	    {"memory.max", "1048576", "MemoryMax=1048576"},
	    {"memory.max", "max", "MemoryMax=infinity"},
	    {"memory.max", "0", "MemoryMax=1"},
	    {"memory.high", "2G", "MemoryHigh=2147483648"},
	    {"memory.low", "0", "MemoryLow=0"},
	    {"memory.min", "5", "MemoryMin=5"},
	    {"memory.swap.max", "0", "MemorySwapMax=0"},
	    {"memory.zswap.max", "7", "MemoryZSwapMax=7"},
	    {"cpu.weight", "59", "CPUWeight=59"},
	    {"cpu.idle", "1", "CPUWeight=0"},
	    {"cpu.idle", "0", ""},
	    {"cpu.max", "50000 100000", "CPUQuotaPerSecUSec=500000 CPUQuotaPeriodUSec=100000"},
	    {"cpu.max", "50000", "CPUQuotaPerSecUSec=500000"},
	    {"cpu.max", "12345 50000", "CPUQuotaPerSecUSec=250000 CPUQuotaPeriodUSec=50000"},
	    {"cpu.max", "1 1000000", "CPUQuotaPerSecUSec=10000 CPUQuotaPeriodUSec=1000000"},
	    {"cpu.max", "max 20000", "CPUQuotaPerSecUSec=infinity CPUQuotaPeriodUSec=20000"},
	    {"cpuset.cpus", "0-3,8", "AllowedCPUs=0f01"},
	    {"cpuset.mems", "9", "AllowedMemoryNodes=0002"},
	    {"pids.max", "max", "TasksMax=infinity"},
	    {"pids.max", "0", "TasksMax=1"},
	    {"io.weight", "default 4950", "IOWeight=4950"},
	    {"io.weight", "200", "IOWeight=200"},
	    {"io.weight", "8:0 300", ""},
	    {"io.max", "8:0 rbps=1", ""},
	    {"hugetlb.2MB.max", "0", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const pair[1][2] = {{cases[i][0], cases[i][1]}};

		assert_string_equal(property_of(pair, 1), cases[i][2]);
	}
}

static void test_the_last_word_counts(void **state)
{
	static const char *const pairs[][2] = {
	    {"memory.max", "100"}, {"pids.max", "5"}, {"memory.max", "200"}};

	(void)state;
	assert_string_equal(property_of(pairs, 3), "MemoryMax=200 TasksMax=5");
}

static void test_values_that_systemd_could_not_keep(void **state)
{
	static const char *const cases[][2] = {
	    {"memory.max", "much"},	{"memory.max", "-1"},	  {"cpu.max", "5 0"},
	    {"cpu.max", "5 2000000"},	{"cpuset.cpus", "3-1"},	  {"cpuset.cpus", "a"},
	    {"cpuset.cpus", "0-99999"}, {"pids.max", "5 apples"}, {"memory.max", "99999999999E"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const pair[1][2] = {{cases[i][0], cases[i][1]}};

		assert_non_null(strstr(property_of(pair, 1), "error: linux.resources.x"));
	}
}

/* "type value" of an annotation's text, or the error. */
static const char *variant(const char *text, const char *wanted)
{
	struct error err = ERROR_INIT;
	struct sd_property p;
	char *out;

	if (sd_variant_parse(&arena, text, wanted, &p, &err) < 0)
		return arena_printf(&arena, "error: %s", err.text);
	out = arena_strdup(&arena, p.type);
	if (p.type[0] == 'b')
		return arena_printf(&arena, "b %d", p.flag);
	if (p.type[0] == 's')
		return arena_printf(&arena, "s %s", p.text);
	if (p.type[0] == 'a') {
		for (size_t i = 0; i < p.list.n; i++)
			out = arena_printf(&arena, "%s %s", out, p.list.items[i]);
		return out;
	}
	if (strchr("ixn", p.type[0]))
		return arena_printf(&arena, "%s %lld", out, (long long)p.number);
	return arena_printf(&arena, "%s %llu", out, (unsigned long long)p.natural);
}

static void test_annotations_are_gvariant_text(void **state)
{
	static const char *const cases[][3] = {
	    {"uint64 5000000", "t", "t 5000000"},
	    {"5000000", "t", "t 5000000"},
	    {"15", "i", "i 15"},
	    {"int32 37", "i", "i 37"},
	    {"-5", NULL, "i -5"},
	    {"int64 -5", NULL, "x -5"},
	    {"byte 0x1f", NULL, "y 31"},
	    {"'inactive-or-failed'", "s", "s inactive-or-failed"},
	    {"\"two words\"", "s", "s two words"},
	    {"'it\\'s'", "s", "s it's"},
	    {"true", "b", "b 1"},
	    {" false ", "b", "b 0"},
	    {"['a.service', \"b.service\"]", "as", "as a.service b.service"},
	    {"[]", "as", "as"},
	    {"@as []", "as", "as"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(variant(cases[i][0], cases[i][1]), cases[i][2]);
}

static void test_what_is_no_gvariant_text(void **state)
{
	static const char *const cases[][2] = {
	    {"", NULL},
	    {"'open", NULL},
	    {"word", NULL},
	    {"uint64 -1", "t"},
	    {"uint64 x", "t"},
	    {"byte 256", NULL},
	    {"2147483648", "i"},
	    {"'5'", "t"},
	    {"5", "s"},
	    {"['a' 'b']", "as"},
	    {"['a',]", "as"},
	    {"['a'", "as"},
	    {"[5]", "as"},
	    {"true false", "b"},
	    {"uint32 5", "t"},
	    {"'a'; rm", "s"},
	    {"truely", "b"},
	    {"'a\\", "s"},
	    {"99999999999999999999", "t"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_non_null(strstr(variant(cases[i][0], cases[i][1]), "error: expected"));
}

static const char *annotated(const char *name, const char *value)
{
	struct sd_properties list = {.arena = &arena};
	struct str_map map = {0};
	struct error err = ERROR_INIT;

	sd_property_add(&list, "DefaultDependencies", "b")->flag = false;
	str_map_set(&arena, &map, arena_strdup(&arena, name), arena_strdup(&arena, value));
	if (sd_properties_of_annotations(&list, &map, &err) < 0)
		return arena_printf(&arena, "error: %s", err.text);
	return arena_printf(&arena, "%zu %s %s", list.n, list.items[list.n - 1].name,
			    list.items[list.n - 1].type);
}

static void test_annotations_become_properties(void **state)
{
	(void)state;
	assert_string_equal(annotated("TimeoutStopUSec", "uint64 1"), "2 TimeoutStopUSec t");
	/* Ours is replaced. */
	assert_string_equal(annotated("DefaultDependencies", "true"), "1 DefaultDependencies b");
	assert_non_null(strstr(annotated("KillSignal", "'TERM'"),
			       "annotations.org.systemd.property.KillSignal: expected a number"));
	/* What a policy lets through beside them has the type that it says. */
	assert_string_equal(annotated("OOMPolicy", "'kill'"), "2 OOMPolicy s");
	assert_non_null(strstr(annotated("Delegate", "false"), "runsafe sets it itself"));
	assert_non_null(strstr(annotated("PIDs", "[5]"), "runsafe sets it itself"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_names, teardown),
	    cmocka_unit_test_teardown(test_names_that_are_none, teardown),
	    cmocka_unit_test_teardown(test_properties, teardown),
	    cmocka_unit_test_teardown(test_the_last_word_counts, teardown),
	    cmocka_unit_test_teardown(test_values_that_systemd_could_not_keep, teardown),
	    cmocka_unit_test_teardown(test_annotations_are_gvariant_text, teardown),
	    cmocka_unit_test_teardown(test_what_is_no_gvariant_text, teardown),
	    cmocka_unit_test_teardown(test_annotations_become_properties, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
