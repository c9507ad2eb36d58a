/* link: config base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "fd.h"

static struct arena arena;
static struct config spec;

static int setup(void **state)
{
	(void)state;
	config_spec(&arena, &spec);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static const char *written(const struct config *cfg)
{
	struct json_writer w;

	json_start(&w, &arena, true);
	config_write(&w, NULL, cfg);
	return json_finish(&w);
}

/* After a wanted change: UPDATE_EXAMPLE=1 make check-unit T=spec */
static void test_the_example_is_what_spec_prints(void **state)
{
	const char *expected = written(&spec);
	char *example;

	(void)state;
	if (getenv("UPDATE_EXAMPLE")) {
		cleanup_fd int fd =
		    open("config.json.example", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

		assert_int_equal(fd_write_all(fd, expected, strlen(expected)), 0);
	}
	assert_int_equal(
	    file_read_all(&arena, AT_FDCWD, "config.json.example", JSON_MAX_BYTES, &example, NULL),
	    0);
	assert_string_equal(example, expected);
}

static void test_it_is_read_back_the_same(void **state)
{
	const char *text = written(&spec);
	struct config again;
	struct error err = ERROR_INIT;

	(void)state;
	if (config_parse(&arena, "spec", text, strlen(text), &again, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(written(&again), text);
}

static void test_the_process_has_no_privileges(void **state)
{
	const struct config_process *p = &spec.process;

	(void)state;
	assert_int_equal(p->user.uid, 1000);
	assert_int_equal(p->user.gid, 1000);
	assert_true(p->no_new_privileges);
	assert_true(p->capabilities.present);
	assert_int_equal(p->capabilities.bounding.n, 0);
	assert_int_equal(p->capabilities.effective.n, 0);
	assert_int_equal(p->capabilities.inheritable.n, 0);
	assert_int_equal(p->capabilities.permitted.n, 0);
	assert_int_equal(p->capabilities.ambient.n, 0);
	assert_null(env_get(&p->env, "HOME"));
	assert_true(spec.root.readonly);
	assert_non_null(strstr(written(&spec), "\"ambient\": []"));
}

static void test_every_mount_is_nosuid_and_all_but_dev_noexec_nodev(void **state)
{
	(void)state;
	assert_int_equal(spec.n_mounts, 9);
	for (size_t i = 0; i < spec.n_mounts; i++) {
		const struct config_mount *mount = &spec.mounts[i];
		bool devices = strcmp(mount->destination, "/dev") == 0 ||
			       strcmp(mount->destination, "/dev/pts") == 0;

		assert_true(str_list_has(&mount->options, "nosuid"));
		assert_int_equal(str_list_has(&mount->options, "nodev"), !devices);
		assert_int_equal(str_list_has(&mount->options, "noexec"),
				 strcmp(mount->destination, "/dev") != 0);
		if (strncmp(mount->destination, "/sys", 4) == 0)
			assert_true(str_list_has(&mount->options, "ro"));
	}
}

static void test_namespaces_and_limits_are_the_defaults(void **state)
{
	static const char *const types[] = {"pid", "network", "ipc", "uts", "mount", "cgroup"};
	const struct config_resources *res = &spec.linux_.resources;

	(void)state;
	assert_int_equal(spec.linux_.n_namespaces, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_non_null(config_namespace_find(&spec.linux_, types[i]));
		assert_null(config_namespace_find(&spec.linux_, types[i])->path);
	}
	assert_int_equal(res->memory.limit.value, 1 << 30);
	assert_int_equal(res->memory.swap.value, 1 << 30);
	assert_int_equal(res->cpu.quota.value, 100000);
	assert_int_equal(res->cpu.period.value, 100000);
	assert_int_equal(res->pids.limit.value, 1024);
	assert_int_equal(res->n_devices, 1);
	assert_false(res->devices[0].allow);
}

static void test_the_usual_paths_are_hidden(void **state)
{
	static const char *const masked[] = {
	    "/proc/interrupts",	   "/sys/devices/virtual/powercap",
	    "/sys/firmware",	   "/proc/acpi",
	    "/proc/asound",	   "/proc/kcore",
	    "/proc/keys",	   "/proc/timer_list",
	    "/proc/latency_stats", "/proc/timer_stats",
	    "/proc/scsi",	   "/proc/sched_debug",
	};
	static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					       "/proc/sysrq-trigger"};

	(void)state;
	for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
		assert_true(str_list_has(&spec.linux_.masked_paths, masked[i]));
	for (size_t i = 0; i < sizeof(readonly) / sizeof(readonly[0]); i++)
		assert_true(str_list_has(&spec.linux_.readonly_paths, readonly[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_the_example_is_what_spec_prints, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_it_is_read_back_the_same, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_process_has_no_privileges, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_every_mount_is_nosuid_and_all_but_dev_noexec_nodev,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(test_namespaces_and_limits_are_the_defaults, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_the_usual_paths_are_hidden, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
