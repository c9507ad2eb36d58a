/* link: config base */
/*
 * No key that the specification has for Linux is passed over: each is either read, so that a value
 * of a wrong type is an error, or refused by name. What is read is acted on: the tests of the rooms
 * behind show that. The keys are those of the JSON schema of runtime-spec 1.3.0
 * (config-schema.json, config-linux.json, defs.json, defs-linux.json).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "config.h"

/* "[]" makes what stands before it a list; "x" is a key that the caller chooses. */
static const char *const keys[] = {
    "ociVersion",
    "hostname",
    "domainname",
    "annotations",
    "annotations.x",
    "root",
    "root.path",
    "root.readonly",
    "mounts",
    "mounts[].destination",
    "mounts[].type",
    "mounts[].source",
    "mounts[].options",
    "mounts[].options[]",
    "mounts[].uidMappings",
    "mounts[].uidMappings[].containerID",
    "mounts[].uidMappings[].hostID",
    "mounts[].uidMappings[].size",
    "mounts[].gidMappings",
    "mounts[].gidMappings[].containerID",
    "mounts[].gidMappings[].hostID",
    "mounts[].gidMappings[].size",
    "hooks",
    "hooks.prestart",
    "hooks.prestart[].path",
    "hooks.prestart[].args",
    "hooks.prestart[].args[]",
    "hooks.prestart[].env",
    "hooks.prestart[].env[]",
    "hooks.prestart[].timeout",
    "hooks.createRuntime",
    "hooks.createRuntime[].path",
    "hooks.createContainer",
    "hooks.createContainer[].path",
    "hooks.startContainer",
    "hooks.startContainer[].path",
    "hooks.poststart",
    "hooks.poststart[].path",
    "hooks.poststop",
    "hooks.poststop[].path",
    "process",
    "process.args",
    "process.args[]",
    "process.env",
    "process.env[]",
    "process.cwd",
    "process.terminal",
    "process.consoleSize",
    "process.consoleSize.height",
    "process.consoleSize.width",
    "process.user",
    "process.user.uid",
    "process.user.gid",
    "process.user.umask",
    "process.user.additionalGids",
    "process.user.additionalGids[]",
    "process.capabilities",
    "process.capabilities.bounding",
    "process.capabilities.bounding[]",
    "process.capabilities.permitted",
    "process.capabilities.effective",
    "process.capabilities.inheritable",
    "process.capabilities.ambient",
    "process.apparmorProfile",
    "process.selinuxLabel",
    "process.oomScoreAdj",
    "process.noNewPrivileges",
    "process.rlimits",
    "process.rlimits[].type",
    "process.rlimits[].soft",
    "process.rlimits[].hard",
    "process.scheduler",
    "process.scheduler.policy",
    "process.scheduler.nice",
    "process.scheduler.priority",
    "process.scheduler.flags",
    "process.scheduler.flags[]",
    "process.scheduler.runtime",
    "process.scheduler.deadline",
    "process.scheduler.period",
    "process.ioPriority",
    "process.ioPriority.class",
    "process.ioPriority.priority",
    "process.execCPUAffinity",
    "process.execCPUAffinity.initial",
    "process.execCPUAffinity.final",
    "linux",
    "linux.namespaces",
    "linux.namespaces[].type",
    "linux.namespaces[].path",
    "linux.uidMappings",
    "linux.uidMappings[].containerID",
    "linux.uidMappings[].hostID",
    "linux.uidMappings[].size",
    "linux.gidMappings",
    "linux.gidMappings[].containerID",
    "linux.gidMappings[].hostID",
    "linux.gidMappings[].size",
    "linux.timeOffsets",
    "linux.timeOffsets.boottime",
    "linux.timeOffsets.boottime.secs",
    "linux.timeOffsets.monotonic.nanosecs",
    "linux.devices",
    "linux.devices[].type",
    "linux.devices[].path",
    "linux.devices[].fileMode",
    "linux.devices[].major",
    "linux.devices[].minor",
    "linux.devices[].uid",
    "linux.devices[].gid",
    "linux.netDevices",
    "linux.netDevices.x",
    "linux.netDevices.x.name",
    "linux.cgroupsPath",
    "linux.rootfsPropagation",
    "linux.sysctl",
    "linux.sysctl.x",
    "linux.maskedPaths",
    "linux.maskedPaths[]",
    "linux.readonlyPaths",
    "linux.readonlyPaths[]",
    "linux.mountLabel",
    "linux.personality",
    "linux.personality.domain",
    "linux.personality.flags",
    "linux.personality.flags[]",
    "linux.memoryPolicy",
    "linux.memoryPolicy.mode",
    "linux.memoryPolicy.nodes",
    "linux.memoryPolicy.flags",
    "linux.memoryPolicy.flags[]",
    "linux.intelRdt",
    "linux.intelRdt.closID",
    "linux.intelRdt.schemata",
    "linux.intelRdt.schemata[]",
    "linux.intelRdt.l3CacheSchema",
    "linux.intelRdt.memBwSchema",
    "linux.intelRdt.enableMonitoring",
    "linux.seccomp",
    "linux.seccomp.defaultAction",
    "linux.seccomp.defaultErrnoRet",
    "linux.seccomp.flags",
    "linux.seccomp.flags[]",
    "linux.seccomp.listenerPath",
    "linux.seccomp.listenerMetadata",
    "linux.seccomp.architectures",
    "linux.seccomp.architectures[]",
    "linux.seccomp.syscalls",
    "linux.seccomp.syscalls[].names",
    "linux.seccomp.syscalls[].names[]",
    "linux.seccomp.syscalls[].action",
    "linux.seccomp.syscalls[].errnoRet",
    "linux.seccomp.syscalls[].args",
    "linux.seccomp.syscalls[].args[].index",
    "linux.seccomp.syscalls[].args[].value",
    "linux.seccomp.syscalls[].args[].valueTwo",
    "linux.seccomp.syscalls[].args[].op",
    "linux.resources",
    "linux.resources.unified",
    "linux.resources.unified.x",
    "linux.resources.devices",
    "linux.resources.devices[].allow",
    "linux.resources.devices[].type",
    "linux.resources.devices[].major",
    "linux.resources.devices[].minor",
    "linux.resources.devices[].access",
    "linux.resources.pids",
    "linux.resources.pids.limit",
    "linux.resources.blockIO",
    "linux.resources.blockIO.weight",
    "linux.resources.blockIO.leafWeight",
    "linux.resources.blockIO.weightDevice",
    "linux.resources.blockIO.weightDevice[].major",
    "linux.resources.blockIO.weightDevice[].minor",
    "linux.resources.blockIO.weightDevice[].weight",
    "linux.resources.blockIO.weightDevice[].leafWeight",
    "linux.resources.blockIO.throttleReadBpsDevice",
    "linux.resources.blockIO.throttleReadBpsDevice[].major",
    "linux.resources.blockIO.throttleReadBpsDevice[].minor",
    "linux.resources.blockIO.throttleReadBpsDevice[].rate",
    "linux.resources.blockIO.throttleWriteBpsDevice",
    "linux.resources.blockIO.throttleReadIOPSDevice",
    "linux.resources.blockIO.throttleWriteIOPSDevice",
    "linux.resources.cpu",
    "linux.resources.cpu.cpus",
    "linux.resources.cpu.mems",
    "linux.resources.cpu.period",
    "linux.resources.cpu.quota",
    "linux.resources.cpu.burst",
    "linux.resources.cpu.realtimePeriod",
    "linux.resources.cpu.realtimeRuntime",
    "linux.resources.cpu.shares",
    "linux.resources.cpu.idle",
    "linux.resources.hugepageLimits",
    "linux.resources.hugepageLimits[].pageSize",
    "linux.resources.hugepageLimits[].limit",
    "linux.resources.memory",
    "linux.resources.memory.kernel",
    "linux.resources.memory.kernelTCP",
    "linux.resources.memory.limit",
    "linux.resources.memory.reservation",
    "linux.resources.memory.swap",
    "linux.resources.memory.swappiness",
    "linux.resources.memory.disableOOMKiller",
    "linux.resources.memory.useHierarchy",
    "linux.resources.memory.checkBeforeUpdate",
    "linux.resources.rdma",
    "linux.resources.rdma.x",
    "linux.resources.rdma.x.hcaHandles",
    "linux.resources.rdma.x.hcaObjects",
};

/* Known to the specification, and refused whatever they say. */
static const char *const refused_keys[] = {
    "linux.resources.network",
    "linux.intelRdt.enableCMT", /* of 1.2 */
    "linux.intelRdt.enableMBM",
    "vm",
};

/* Of other platforms: they say nothing of a Linux container (config.md, "Platform-specific
 * configuration"; commandLine and username are Windows'). */
static const char *const foreign_keys[] = {
    "windows.layerFolders", "solaris.milestone",   "zos.namespaces",
    "freebsd.devices",	    "process.commandLine", "process.user.username",
};

static struct arena arena;

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* A config.json that holds value at the path, and nothing else. The path as messages have it, with
 * "[0]" for "[]", goes to *shown. */
static const char *json_at(const char *path, const char *value, const char **shown)
{
	const char *before = "{\"";
	const char *behind = "}";
	const char *where = "";

	for (; *path; path++) {
		if (*path == '.') {
			before = arena_printf(&arena, "%s%s", before,
					      path[-1] == ']' ? "{\"" : "\":{\"");
			behind = arena_printf(&arena, "}%s", behind);
			where = arena_printf(&arena, "%s.", where);
		} else if (*path == '[') {
			before = arena_printf(&arena, "%s\":[", before);
			behind = arena_printf(&arena, "]%s", behind);
			where = arena_printf(&arena, "%s[0]", where);
			path++;
		} else {
			before = arena_printf(&arena, "%s%c", before, *path);
			where = arena_printf(&arena, "%s%c", where, *path);
		}
	}
	*shown = where;
	return arena_printf(&arena, "%s%s%s%s", before, path[-1] == ']' ? "" : "\":", value,
			    behind);
}

/* A fraction is no value of any key. */
static void test_each_key_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct error err = ERROR_INIT;
		struct config cfg;
		const char *shown;
		const char *text = json_at(keys[i], "7.5", &shown);
		const char *begin = arena_printf(&arena, "t.json: %s: expected ", shown);

		assert_int_equal(config_parse(&arena, "t.json", text, strlen(text), &cfg, &err),
				 -1);
		if (strncmp(err.text, begin, strlen(begin)) != 0 || !strstr(err.text, ", got 7.5"))
			fail_msg("%s: %s", text, err.text);
	}
}

static void test_what_can_not_be_done_is_refused_by_name(void **state)
{
	static const char *const values[] = {"true", "\"x\"", "{\"x\":1}", "[1]"};

	(void)state;
	for (size_t i = 0; i < sizeof(refused_keys) / sizeof(refused_keys[0]); i++) {
		for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
			struct error err = ERROR_INIT;
			struct config cfg;
			const char *shown;
			const char *text = json_at(refused_keys[i], values[j], &shown);
			const char *begin =
			    arena_printf(&arena, "t.json: %s: not supported: ", shown);

			assert_int_equal(
			    config_parse(&arena, "t.json", text, strlen(text), &cfg, &err), -1);
			if (strncmp(err.text, begin, strlen(begin)) != 0)
				fail_msg("%s: %s", text, err.text);
		}
	}
}

/* What is missing then is ociVersion; the key itself is no error. */
static void test_other_platforms_are_passed_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(foreign_keys) / sizeof(foreign_keys[0]); i++) {
		struct error err = ERROR_INIT;
		struct config cfg;
		const char *shown;
		const char *text = json_at(foreign_keys[i], "7.5", &shown);

		assert_int_equal(config_parse(&arena, "t.json", text, strlen(text), &cfg, &err),
				 -1);
		if (!strstr(err.text, "is missing"))
			fail_msg("%s: %s", text, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_each_key_is_read, teardown),
	    cmocka_unit_test_teardown(test_what_can_not_be_done_is_refused_by_name, teardown),
	    cmocka_unit_test_teardown(test_other_platforms_are_passed_over, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
