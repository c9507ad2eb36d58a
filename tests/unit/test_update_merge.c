/* link: container config base */
/* What an update makes of the resources that a container has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../runtime/container/update.h"

static struct arena arena = ARENA_INIT;

static struct config_resources parse(const char *text)
{
	struct config_resources r = {.present = false};
	struct error err = ERROR_INIT;

	if (config_parse_resources(&arena, "r.json", text, strlen(text), &r, &err) < 0)
		fail_msg("%s", err.text);
	return r;
}

/* As container_update() goes about it, without policy and kernel. */
static struct config_resources merged(const char *now_text, const char *wanted_text)
{
	struct config_resources now = parse(now_text);
	struct config_resources wanted = parse(wanted_text);
	struct config_resources before = now;
	struct config_resources out;
	struct error err = ERROR_INIT;

	update_trim(&wanted);
	if (update_check(&now, &wanted, &err) < 0)
		fail_msg("%s", err.text);
	update_complete(&now, &wanted);
	update_merge(&arena, &now, &wanted, &out);
	assert_memory_equal(&before, &now, sizeof(now));
	return out;
}

static struct config_resources completed(const char *now_text, const char *wanted_text)
{
	struct config_resources now = parse(now_text);
	struct config_resources wanted = parse(wanted_text);

	update_trim(&wanted);
	update_complete(&now, &wanted);
	return wanted;
}

#define FULL                                                                                       \
	"{\"memory\":{\"limit\":100,\"swap\":130,\"reservation\":50},"                             \
	"\"cpu\":{\"shares\":5,\"quota\":2000,\"period\":4000,\"burst\":7,\"cpus\":\"0\","         \
	"\"mems\":\"1\",\"idle\":0},\"pids\":{\"limit\":9},\"blockIO\":{\"weight\":11}}"

static void nothing_given_changes_nothing(void **state)
{
	static const char *const nothing[] = {
	    "{}",
	    "{\"memory\":null,\"cpu\":null,\"pids\":null,\"blockIO\":null,\"devices\":null}",
	    "{\"memory\":{\"limit\":0,\"swap\":0,\"reservation\":0},\"cpu\":{\"shares\":0,"
	    "\"quota\":0,\"period\":0,\"cpus\":\"\",\"mems\":\"\"},\"pids\":{\"limit\":0},"
	    "\"blockIO\":{\"weight\":0,\"weightDevice\":[]},\"unified\":{},\"hugepageLimits\":[]}",
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct config_resources r = merged(FULL, nothing[i]);

		assert_int_equal(r.memory.limit.value, 100);
		assert_int_equal(r.memory.swap.value, 130);
		assert_int_equal(r.memory.reservation.value, 50);
		assert_int_equal(r.cpu.shares.value, 5);
		assert_int_equal(r.cpu.quota.value, 2000);
		assert_int_equal(r.cpu.period.value, 4000);
		assert_int_equal(r.cpu.burst.value, 7);
		assert_string_equal(r.cpu.cpus, "0");
		assert_string_equal(r.cpu.mems, "1");
		assert_int_equal(r.pids.limit.value, 9);
		assert_true(r.pids.present);
		assert_int_equal(r.block_io.weight.value, 11);
		struct config_resources w = completed(FULL, nothing[i]);

		assert_false(w.memory.limit.set || w.memory.swap.set || w.cpu.quota.set ||
			     w.cpu.period.set || w.cpu.shares.set || w.pids.limit.set ||
			     w.block_io.weight.set);
	}
}

static void all_that_is_given_is_taken(void **state)
{
	struct config_resources r = merged(
	    FULL, "{\"memory\":{\"limit\":200,\"swap\":201,\"reservation\":20},"
		  "\"cpu\":{\"shares\":6,\"quota\":3000,\"period\":5000,\"burst\":0,\"idle\":1,"
		  "\"cpus\":\"2\",\"mems\":\"3\"},\"pids\":{\"limit\":-1},"
		  "\"blockIO\":{\"weight\":12}}");

	(void)state;
	assert_int_equal(r.memory.limit.value, 200);
	assert_int_equal(r.memory.swap.value, 201);
	assert_int_equal(r.memory.reservation.value, 20);
	assert_int_equal(r.cpu.shares.value, 6);
	assert_int_equal(r.cpu.quota.value, 3000);
	assert_int_equal(r.cpu.period.value, 5000);
	assert_int_equal(r.cpu.burst.value, 0);
	assert_true(r.cpu.burst.set);
	assert_int_equal(r.cpu.idle.value, 1);
	assert_string_equal(r.cpu.cpus, "2");
	assert_string_equal(r.cpu.mems, "3");
	assert_int_equal(r.pids.limit.value, -1);
	assert_int_equal(r.block_io.weight.value, 12);
}

static void swap_alone_stays_as_large_as_it_is(void **state)
{
	struct config_resources r = merged(FULL, "{\"memory\":{\"limit\":70}}");

	(void)state;
	assert_int_equal(r.memory.swap.value, 100);
	r = merged(FULL, "{\"memory\":{\"limit\":-1}}");
	assert_false(r.memory.swap.set);
	r = merged("{\"memory\":{\"limit\":100,\"swap\":-1}}", "{\"memory\":{\"limit\":70}}");
	assert_int_equal(r.memory.swap.value, -1);
	r = merged("{\"memory\":{\"limit\":100}}", "{\"memory\":{\"limit\":70}}");
	assert_false(r.memory.swap.set);
}

static void what_the_kernel_wants_beside_is_added(void **state)
{
	struct config_resources w = completed(FULL, "{\"memory\":{\"swap\":500}}");

	(void)state;
	assert_int_equal(w.memory.limit.value, 100);
	assert_false(completed("{}", "{\"memory\":{\"swap\":500}}").memory.limit.set);
	assert_int_equal(completed(FULL, "{\"cpu\":{\"quota\":3000}}").cpu.period.value, 4000);
	assert_int_equal(completed(FULL, "{\"cpu\":{\"period\":5000}}").cpu.quota.value, 2000);
	assert_int_equal(completed(FULL, "{\"cpu\":{\"idle\":0}}").cpu.shares.value, 5);
	assert_false(completed(FULL, "{\"cpu\":{\"idle\":1}}").cpu.shares.set);
	w = completed("{\"memory\":{\"limit\":9,\"checkBeforeUpdate\":true}}",
		      "{\"memory\":{\"limit\":5}}");
	assert_true(w.memory.check_before_update.value);
}

static void lists_are_merged_by_their_keys(void **state)
{
	struct config_resources r = merged(
	    "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":5}],"
	    "\"rdma\":{\"mlx5_0\":{\"hcaHandles\":3,\"hcaObjects\":4}},"
	    "\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":20}],"
	    "\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":7}]}}",
	    "{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":6},{\"pageSize\":\"2MB\","
	    "\"limit\":0}],\"rdma\":{\"mlx5_0\":{\"hcaObjects\":9},\"mlx5_1\":{\"hcaHandles\":1}},"
	    "\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":16,\"weight\":30},"
	    "{\"major\":8,\"minor\":0,\"weight\":40}],"
	    "\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":8},"
	    "{\"major\":9,\"minor\":0,\"rate\":1}]}}");

	(void)state;
	assert_int_equal(r.n_hugepage_limits, 2);
	assert_int_equal(r.hugepage_limits[0].limit, 0);
	assert_string_equal(r.hugepage_limits[1].page_size, "1GB");
	assert_int_equal(r.n_rdma, 2);
	assert_int_equal(r.rdma[0].hca_handles.value, 3);
	assert_int_equal(r.rdma[0].hca_objects.value, 9);
	assert_string_equal(r.rdma[1].device, "mlx5_1");
	assert_int_equal(r.block_io.n_weight_devices, 2);
	assert_int_equal(r.block_io.weight_devices[0].weight.value, 40);
	assert_int_equal(r.block_io.weight_devices[1].minor, 16);
	assert_int_equal(r.block_io.read_bps.n, 2);
	assert_int_equal(r.block_io.read_bps.items[0].rate, 8);
}

static void a_file_and_its_word_are_one_limit(void **state)
{
	static const struct {
		const char *file;
		const char *resources;
	} rows[] = {
	    {"memory.max", "{\"memory\":{\"limit\":5}}"},
	    {"memory.low", "{\"memory\":{\"reservation\":5}}"},
	    {"memory.swap.max", "{\"memory\":{\"limit\":5,\"swap\":5}}"},
	    {"cpu.max", "{\"cpu\":{\"quota\":5000}}"},
	    {"cpu.max", "{\"cpu\":{\"period\":5000}}"},
	    {"cpu.max.burst", "{\"cpu\":{\"burst\":0}}"},
	    {"cpu.weight", "{\"cpu\":{\"shares\":5}}"},
	    {"cpu.weight.nice", "{\"cpu\":{\"shares\":5}}"},
	    {"cpu.idle", "{\"cpu\":{\"idle\":0}}"},
	    {"cpuset.cpus", "{\"cpu\":{\"cpus\":\"0\"}}"},
	    {"cpuset.mems", "{\"cpu\":{\"mems\":\"0\"}}"},
	    {"pids.max", "{\"pids\":{\"limit\":5}}"},
	    {"io.weight", "{\"blockIO\":{\"weight\":50}}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *now = arena_printf(
		    &arena, "{\"unified\":{\"%s\":\"1\",\"memory.high\":\"2\"}}", rows[i].file);
		struct config_resources r = merged(now, rows[i].resources);

		assert_null(str_map_get(&r.unified, rows[i].file));
		assert_string_equal(str_map_get(&r.unified, "memory.high"), "2");
		/* And the other way about: the file has the last word. */
		r = merged(rows[i].resources, now);
		assert_string_equal(str_map_get(&r.unified, rows[i].file), "1");
	}
}

static void what_cgroup_v2_lacks_is_refused_when_it_is_new(void **state)
{
	static const struct {
		const char *resources;
		const char *part;
	} rows[] = {
	    {"{\"cpu\":{\"realtimeRuntime\":5}}", "cpu.realtimeRuntime"},
	    {"{\"cpu\":{\"realtimePeriod\":5}}", "cpu.realtimePeriod"},
	    {"{\"memory\":{\"swappiness\":5}}", "memory.swappiness"},
	    {"{\"memory\":{\"disableOOMKiller\":true}}", "memory.disableOOMKiller"},
	    {"{\"blockIO\":{\"leafWeight\":50}}", "blockIO.leafWeight"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_resources now = parse("{}");
		struct config_resources wanted = parse(rows[i].resources);
		struct error err = ERROR_INIT;

		update_trim(&wanted);
		assert_int_equal(update_check(&now, &wanted, &err), -1);
		assert_non_null(strstr(err.text, rows[i].part));
		assert_int_equal(update_check(&wanted, &wanted, &err), 0);
	}
}

static void device_rules_are_left_alone(void **state)
{
	const char *rules = "{\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]}";

	(void)state;
	assert_int_equal(merged("{}", rules).n_devices, 0);
	assert_int_equal(merged(rules, "{}").n_devices, 1);
	assert_int_equal(completed("{}", rules).n_devices, 0);
}

static int done(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(nothing_given_changes_nothing),
	    TEST(all_that_is_given_is_taken),
	    TEST(swap_alone_stays_as_large_as_it_is),
	    TEST(what_the_kernel_wants_beside_is_added),
	    TEST(lists_are_merged_by_their_keys),
	    TEST(a_file_and_its_word_are_one_limit),
	    TEST(what_cgroup_v2_lacks_is_refused_when_it_is_new),
	    TEST(device_rules_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
