/* link: config base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "fd.h"

static struct arena arena;
static struct error err;
static struct config cfg;

/* Every key that is read, once, with a value of its own. */
static const char everything[] =
    "{\"ociVersion\":\"1.2.0\",\"process\":{\"terminal\":true,\"consoleSize\":{\"height\":24,"
    "\"width\":80},\"user\":{\"uid\":7,\"gid\":8,\"umask\":18,\"additionalGids\":[9,10]},"
    "\"args\":[\"/bin/a\",\"\"],\"env\":[\"A=b\",\"E=\"],\"cwd\":\"/w\",\"capabilities\":{"
    "\"bounding\":[\"CAP_CHOWN\"],\"effective\":[],\"inheritable\":[],\"permitted\":[\"CAP_X\"],"
    "\"ambient\":[]},\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":"
    "18446744073709551615}],\"noNewPrivileges\":true,\"oomScoreAdj\":-5,"
    "\"apparmorProfile\":\"aa\",\"selinuxLabel\":\"u:r:t:s0\",\"scheduler\":{\"policy\":"
    "\"SCHED_DEADLINE\",\"nice\":-20,\"priority\":0,\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"],"
    "\"runtime\":42000,\"deadline\":1000000,\"period\":1000001},\"ioPriority\":{\"class\":"
    "\"IOPRIO_CLASS_RT\",\"priority\":7},\"execCPUAffinity\":{\"initial\":\"0-3, 7\",\"final\":"
    "\"1\"}},"
    "\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"h\",\"domainname\":\"d\","
    "\"mounts\":[{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"s\",\"options\":[\"ro\"],"
    "\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":2}],\"gidMappings\":[{"
    "\"containerID\":3,\"hostID\":4,\"size\":5}]},"
    "{\"destination\":\"rel\"}],\"hooks\":{\"prestart\":[{\"path\":\"/h1\",\"args\":[\"h1\",\"x\"],"
    "\"env\":[\"K=v\"],\"timeout\":3}],\"createRuntime\":[{\"path\":\"/h2\"}],\"createContainer\":"
    "[{\"path\":\"/h3\"}],\"startContainer\":[{\"path\":\"/h4\"}],\"poststart\":[{\"path\":\"/h5\"}"
    "],\"poststop\":[{\"path\":\"/h6\"}]},\"annotations\":{\"a.b\":\"c\",\"e\":\"\"},"
    "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/n\"},"
    "{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"user\"},"
    "{\"type\":\"cgroup\"},{\"type\":\"time\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":"
    "100000,\"size\":65536}],\"gidMappings\":[{\"containerID\":1,\"hostID\":2,\"size\":3}],"
    "\"timeOffsets\":{\"monotonic\":{\"secs\":-7,\"nanosecs\":999999999},\"boottime\":{\"secs\":1,"
    "\"nanosecs\":0}},\"devices\":[{\"type\":\"c\",\"path\":\"/dev/fuse\",\"major\":10,\"minor\":"
    "229,\"fileMode\":438,\"uid\":0,\"gid\":5},{\"type\":\"p\",\"path\":\"/dev/p\"}],"
    "\"cgroupsPath\":\"/cg\",\"resources\":{\"devices\":[{\"allow\":false},{\"allow\":true,"
    "\"type\":\"c\",\"major\":1,\"minor\":-1,\"access\":\"rw\"}],\"memory\":{\"limit\":1000,"
    "\"reservation\":-1,\"swap\":2000,\"kernel\":3,\"kernelTCP\":4,\"swappiness\":5,"
    "\"disableOOMKiller\":false,\"useHierarchy\":true,\"checkBeforeUpdate\":false},\"cpu\":{"
    "\"shares\":1024,\"quota\":-1,\"burst\":6,\"period\":100000,\"realtimeRuntime\":7,"
    "\"realtimePeriod\":8,\"idle\":1,\"cpus\":\"0-1\",\"mems\":\"0\"},\"pids\":{\"limit\":0},"
    "\"blockIO\":{\"weight\":10,\"leafWeight\":1000,\"weightDevice\":[{\"major\":8,\"minor\":0,"
    "\"weight\":20,\"leafWeight\":30}],\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":1,"
    "\"rate\":11}],\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":2,\"rate\":12}],"
    "\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":3,\"rate\":13}],"
    "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":4,\"rate\":14}]},\"hugepageLimits\":[{"
    "\"pageSize\":\"2MB\",\"limit\":9}],\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":"
    "10000},\"rxe3\":{"
    "\"hcaObjects\":0}},\"unified\":{\"memory.high\":\"max\"}},\"sysctl\":{"
    "\"net.ipv4.ip_forward\":\"1\"},\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\","
    "\"defaultErrnoRet\":38,\"architectures\":[\"SCMP_ARCH_X86_64\"],\"flags\":["
    "\"SECCOMP_FILTER_FLAG_LOG\"],\"syscalls\":[{\"names\":[\"read\",\"nosuchcall\"],\"action\":"
    "\"SCMP_ACT_TRACE\",\"errnoRet\":65535,\"args\":[{\"index\":5,\"value\":18446744073709551615,"
    "\"valueTwo\":2,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},{\"names\":[\"mkdir\"],\"action\":"
    "\"SCMP_ACT_NOTIFY\"}],\"listenerPath\":\"/run/"
    "l\",\"listenerMetadata\":\"m\"},\"rootfsPropagation\":\"rslave\","
    "\"maskedPaths\":[\"/proc/kcore\"],\"readonlyPaths\":[\"/proc/sys\"],\"personality\":{"
    "\"domain\":\"LINUX32\"},\"mountLabel\":\"u:r:f:s0:c1,c2\",\"intelRdt\":{\"closID\":"
    "\"gold\",\"schemata\":[\"L3:0=f\",\"MB:0=20\"],\"l3CacheSchema\":\"L3:0=ff\",\"memBwSchema\":"
    "\"MB:0=30\",\"enableMonitoring\":true},\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":"
    "\"0-1,3\",\"flags\":[\"MPOL_F_STATIC_NODES\",\"MPOL_F_NUMA_BALANCING\"]},\"netDevices\":{"
    "\"eth0\":{\"name\":\"ctr%d\"},\"eth1\":{}}}}";

static void parse(const char *text)
{
	if (config_parse(&arena, "t.json", text, strlen(text), &cfg, &err) < 0)
		fail_msg("%s", err.text);
}

static const char *written(bool pretty)
{
	struct json_writer w;

	json_start(&w, &arena, pretty);
	config_write(&w, NULL, &cfg);
	return json_finish(&w);
}

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void test_everything_survives_the_round_trip(void **state)
{
	(void)state;
	parse(everything);
	assert_string_equal(written(false), everything);
	parse(written(true));
	assert_string_equal(written(false), everything);
}

/* Fuzzing starts from it, to get far. */
static void test_the_seed_of_the_fuzzer_has_everything(void **state)
{
	char *seed;

	(void)state;
	assert_int_equal(file_read_all(&arena, AT_FDCWD, "tests/fuzz/corpus/fuzz_config/everything",
				       JSON_MAX_BYTES, &seed, NULL),
			 0);
	assert_string_equal(seed, arena_printf(&arena, "%s\n", everything));
}

static void test_process_is_read(void **state)
{
	const struct config_process *p = &cfg.process;

	(void)state;
	parse(everything);
	assert_true(p->present && p->terminal && p->user_present && p->no_new_privileges);
	assert_int_equal(p->console_size.height, 24);
	assert_int_equal(p->console_size.width, 80);
	assert_int_equal(p->user.uid, 7);
	assert_int_equal(p->user.gid, 8);
	assert_int_equal(p->user.umask.value, 022);
	assert_int_equal(p->user.additional_gids.n, 2);
	assert_int_equal(p->user.additional_gids.items[1], 10);
	assert_int_equal(p->args.n, 2);
	assert_null(p->args.items[2]);
	assert_string_equal(env_get(&p->env, "A"), "b");
	assert_string_equal(p->cwd, "/w");
	assert_true(p->capabilities.present);
	assert_string_equal(p->capabilities.permitted.items[0], "CAP_X");
	assert_true(p->rlimits[0].hard == UINT64_MAX);
	assert_int_equal(p->oom_score_adj.value, -5);
	assert_string_equal(p->apparmor_profile, "aa");
	assert_string_equal(p->selinux_label, "u:r:t:s0");
	assert_string_equal(p->scheduler->policy, "SCHED_DEADLINE");
	assert_int_equal(p->scheduler->nice.value, -20);
	assert_true(p->scheduler->priority.set && p->scheduler->priority.value == 0);
	assert_string_equal(p->scheduler->flags.items[0], "SCHED_FLAG_RESET_ON_FORK");
	assert_int_equal(p->scheduler->runtime.value, 42000);
	assert_int_equal(p->scheduler->deadline.value, 1000000);
	assert_int_equal(p->scheduler->period.value, 1000001);
	assert_string_equal(p->io_priority->class_, "IOPRIO_CLASS_RT");
	assert_int_equal(p->io_priority->priority, 7);
	assert_string_equal(p->exec_cpu_affinity->initial, "0-3, 7");
	assert_string_equal(p->exec_cpu_affinity->final_, "1");
}

static void test_linux_is_read(void **state)
{
	const struct config_linux *l = &cfg.linux_;

	(void)state;
	parse(everything);
	assert_true(l->present && l->namespaces_present);
	assert_string_equal(config_namespace_find(l, "network")->path, "/n");
	assert_null(config_namespace_find(l, "pid")->path);
	assert_int_equal(l->uid_mappings[0].size, 65536);
	assert_int_equal(l->gid_mappings[0].host_id, 2);
	assert_int_equal(l->n_time_offsets, 2);
	assert_string_equal(l->time_offsets[0].clock, "monotonic");
	assert_int_equal(l->time_offsets[0].secs, -7);
	assert_int_equal(l->devices[0].minor, 229);
	assert_true(l->devices[0].minor_set);
	assert_false(l->devices[1].minor_set);
	assert_int_equal(l->devices[0].file_mode.value, 0666);
	assert_string_equal(l->cgroups_path, "/cg");
	assert_string_equal(str_map_get(&l->sysctl, "net.ipv4.ip_forward"), "1");
	assert_string_equal(l->rootfs_propagation, "rslave");
	assert_string_equal(l->masked_paths.items[0], "/proc/kcore");
	assert_string_equal(l->readonly_paths.items[0], "/proc/sys");
	assert_string_equal(l->personality->domain, "LINUX32");
	assert_string_equal(l->mount_label, "u:r:f:s0:c1,c2");
	assert_string_equal(l->intel_rdt->clos_id, "gold");
	assert_string_equal(l->intel_rdt->schemata.items[1], "MB:0=20");
	assert_string_equal(l->intel_rdt->l3_cache_schema, "L3:0=ff");
	assert_string_equal(l->intel_rdt->mem_bw_schema, "MB:0=30");
	assert_true(l->intel_rdt->enable_monitoring);
	assert_string_equal(l->memory_policy->mode, "MPOL_BIND");
	assert_string_equal(l->memory_policy->nodes, "0-1,3");
	assert_string_equal(l->memory_policy->flags.items[1], "MPOL_F_NUMA_BALANCING");
	assert_int_equal(l->n_net_devices, 2);
	assert_string_equal(l->net_devices[0].host_name, "eth0");
	assert_string_equal(l->net_devices[0].name, "ctr%d");
	assert_string_equal(l->net_devices[1].host_name, "eth1");
	assert_null(l->net_devices[1].name);
}

static void test_mappings_of_a_mount_are_read(void **state)
{
	const struct config_mount *mount;

	(void)state;
	parse(everything);
	mount = &cfg.mounts[0];
	assert_int_equal(mount->n_uid_mappings, 1);
	assert_int_equal(mount->uid_mappings[0].host_id, 1);
	assert_int_equal(mount->n_gid_mappings, 1);
	assert_int_equal(mount->gid_mappings[0].size, 5);
	assert_int_equal(cfg.mounts[1].n_uid_mappings, 0);
}

static void test_resources_are_read(void **state)
{
	const struct config_resources *r = &cfg.linux_.resources;

	(void)state;
	parse(everything);
	assert_true(r->present);
	assert_false(r->devices[0].allow);
	assert_null(r->devices[0].type);
	assert_int_equal(r->devices[1].minor.value, -1);
	assert_int_equal(r->memory.limit.value, 1000);
	assert_int_equal(r->memory.swap.value, 2000);
	assert_int_equal(r->cpu.quota.value, -1);
	assert_int_equal(r->cpu.idle.value, 1);
	assert_string_equal(r->cpu.cpus, "0-1");
	assert_true(r->pids.present && r->pids.limit.set && r->pids.limit.value == 0);
	assert_int_equal(r->block_io.weight.value, 10);
	assert_int_equal(r->block_io.read_bps.items[0].rate, 11);
	assert_int_equal(r->block_io.write_bps.items[0].rate, 12);
	assert_int_equal(r->block_io.read_iops.items[0].rate, 13);
	assert_int_equal(r->block_io.write_iops.items[0].rate, 14);
	assert_string_equal(r->hugepage_limits[0].page_size, "2MB");
	assert_string_equal(str_map_get(&r->unified, "memory.high"), "max");
	assert_int_equal(r->n_rdma, 2);
	assert_string_equal(r->rdma[0].device, "mlx5_1");
	assert_int_equal(r->rdma[0].hca_handles.value, 3);
	assert_int_equal(r->rdma[0].hca_objects.value, 10000);
	assert_false(r->rdma[1].hca_handles.set);
	assert_true(r->rdma[1].hca_objects.set);
}

static void test_seccomp_is_read(void **state)
{
	const struct config_seccomp *s;

	(void)state;
	parse(everything);
	s = cfg.linux_.seccomp;
	assert_string_equal(s->default_action, "SCMP_ACT_ERRNO");
	assert_int_equal(s->default_errno_ret.value, 38);
	assert_string_equal(s->syscalls[0].names.items[1], "nosuchcall");
	assert_int_equal(s->syscalls[0].errno_ret.value, 65535);
	assert_int_equal(s->syscalls[0].args[0].index, 5);
	assert_true(s->syscalls[0].args[0].value == UINT64_MAX);
	assert_string_equal(s->listener_path, "/run/l");
	assert_string_equal(s->listener_metadata, "m");
}

static void test_hooks_are_read_in_their_six_lists(void **state)
{
	const struct config_hooks *h = &cfg.hooks;

	(void)state;
	parse(everything);
	assert_string_equal(h->prestart.items[0].args.items[1], "x");
	assert_int_equal(h->prestart.items[0].timeout.value, 3);
	assert_string_equal(h->create_runtime.items[0].path, "/h2");
	assert_string_equal(h->create_container.items[0].path, "/h3");
	assert_string_equal(h->start_container.items[0].path, "/h4");
	assert_string_equal(h->poststart.items[0].path, "/h5");
	assert_string_equal(h->poststop.items[0].path, "/h6");
}

static void test_what_is_absent_stays_absent(void **state)
{
	static const char least[] = "{\"ociVersion\":\"1.0.2-dev\",\"root\":{\"path\":\"/r\","
				    "\"readonly\":false}}";

	(void)state;
	parse(least);
	assert_false(cfg.process.present);
	assert_false(cfg.linux_.present);
	assert_null(cfg.hostname);
	assert_string_equal(written(false), least);
}

static void test_an_empty_namespace_list_is_not_no_list(void **state)
{
	(void)state;
	parse("{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":[]}}");
	assert_true(cfg.linux_.namespaces_present);
	assert_int_equal(cfg.linux_.n_namespaces, 0);
	assert_non_null(strstr(written(false), "\"namespaces\":[]"));
	parse("{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"linux\":{}}");
	assert_true(cfg.linux_.present);
	assert_false(cfg.linux_.namespaces_present);
	parse(
	    "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":null}}");
	assert_false(cfg.linux_.namespaces_present);
}

/* Engines written in Go leave empty values of what they do not use. */
static void test_empty_values_count_as_absent(void **state)
{
	(void)state;
	parse(
	    "{\"ociVersion\":\"1.3.0+dev\",\"root\":{\"path\":\"r\"},\"hostname\":\"\","
	    "\"mounts\":[{\"destination\":\"/"
	    "a\",\"type\":\"\",\"source\":\"\",\"uidMappings\":null}],"
	    "\"process\":{\"args\":[\"a\"],\"cwd\":\"/\",\"apparmorProfile\":\"\","
	    "\"selinuxLabel\":\"\",\"scheduler\":null,\"ioPriority\":null,\"execCPUAffinity\":{"
	    "\"initial\":\"\"},\"commandLine\":\"x\"},"
	    "\"linux\":{\"cgroupsPath\":\"\",\"mountLabel\":\"\",\"intelRdt\":{\"closID\":\"\","
	    "\"l3CacheSchema\":\"\",\"memBwSchema\":\"\",\"enableCMT\":false,\"enableMBM\":false},"
	    "\"memoryPolicy\":{\"mode\":\"MPOL_LOCAL\",\"nodes\":\"\"},\"netDevices\":{},"
	    "\"rootfsPropagation\":\"\",\"namespaces\":[{\"type\":\"pid\",\"path\":\"\"}],"
	    "\"resources\":{\"rdma\":{},\"cpu\":{\"cpus\":\"\",\"shares\":0},\"devices\":["
	    "{\"allow\":true,\"type\":\"\",\"access\":\"\"}],"
	    "\"memory\":{\"swappiness\":18446744073709551615}},"
	    "\"seccomp\":null}}");
	assert_null(cfg.hostname);
	assert_null(cfg.mounts[0].type);
	assert_null(cfg.mounts[0].source);
	assert_null(cfg.linux_.cgroups_path);
	assert_null(cfg.linux_.rootfs_propagation);
	assert_null(cfg.linux_.namespaces[0].path);
	assert_null(cfg.linux_.resources.cpu.cpus);
	assert_null(cfg.linux_.resources.devices[0].type);
	assert_null(cfg.linux_.seccomp);
	assert_null(cfg.process.apparmor_profile);
	assert_null(cfg.process.selinux_label);
	assert_null(cfg.process.scheduler);
	assert_null(cfg.process.io_priority);
	assert_null(cfg.process.exec_cpu_affinity->initial);
	assert_null(cfg.linux_.mount_label);
	assert_null(cfg.linux_.memory_policy->nodes);
	assert_int_equal(cfg.linux_.n_net_devices, 0);
	assert_int_equal(cfg.linux_.resources.n_rdma, 0);
	/* Set, as an empty object: the class is the container's id. */
	assert_non_null(cfg.linux_.intel_rdt);
	assert_null(cfg.linux_.intel_rdt->clos_id);
	assert_null(cfg.linux_.intel_rdt->mem_bw_schema);
}

/* What the rules for schedulers, memory policies and network devices let through. */
static void test_values_at_the_edges_are_taken(void **state)
{
	static const char *const process[] = {
	    "\"scheduler\":{\"policy\":\"SCHED_RR\",\"priority\":99,\"nice\":19}",
	    "\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"priority\":1}",
	    "\"scheduler\":{\"policy\":\"SCHED_IDLE\",\"priority\":0,\"runtime\":0}",
	    "\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":1024,\"deadline\":1024}",
	    "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\"}",
	    "\"execCPUAffinity\":{\"final\":\"0-0,8191\"}",
	};
	static const char *const linux_objects[] = {
	    "\"memoryPolicy\":{\"mode\":\"MPOL_PREFERRED\"}",
	    "\"memoryPolicy\":{\"mode\":\"MPOL_DEFAULT\"}",
	    "\"memoryPolicy\":{\"mode\":\"MPOL_PREFERRED_MANY\",\"nodes\":\"1023\",\"flags\":["
	    "\"MPOL_F_NUMA_BALANCING\",\"MPOL_F_RELATIVE_NODES\"]}",
	    "\"intelRdt\":{\"closID\":\"/\"}",
	    "\"intelRdt\":{\"closID\":\"..a\",\"l3CacheSchema\":\"L3:0=f\\nMB:0=1\"}",
	    "\"netDevices\":{\"a\":{\"name\":\"b\"},\"b\":{\"name\":\"a\"},\"c\":{\"name\":"
	    "\"eth%d\"},\"d\":{\"name\":\"eth%d\"},\"0123456789abcde\":{}}",
	    "\"resources\":{\"rdma\":{\"a\":{\"hcaHandles\":4294967295}}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(process) / sizeof(process[0]); i++)
		parse(
		    arena_printf(&arena,
				 "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"r\"},\"process\":"
				 "{\"args\":[\"a\"],\"cwd\":\"/\",%s}}",
				 process[i]));
	for (size_t i = 0; i < sizeof(linux_objects) / sizeof(linux_objects[0]); i++)
		parse(arena_printf(
		    &arena, "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"r\"},\"linux\":{%s}}",
		    linux_objects[i]));
}

static void test_keys_of_others_are_passed_over(void **state)
{
	(void)state;
	parse("{\"ociVersion\":\"1.9.0\",\"root\":{\"path\":\"r\",\"x\":1},\"windows\":{\"a\":[]},"
	      "\"solaris\":7,\"vm\":null,\"zos\":{},\"freebsd\":[{}],\"future\":{\"a\":{\"b\":[]}},"
	      "\"linux\":{\"unknown\":true}}");
	assert_string_equal(cfg.root.path, "r");
}

static void test_seccomp_alone(void **state)
{
	static const char text[] =
	    "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":"
	    "[\"mount\"],\"action\":\"SCMP_ACT_ERRNO\",\"comment\":\"why\"}]}";
	struct config_seccomp seccomp;
	struct json_writer w;

	(void)state;
	assert_int_equal(config_parse_seccomp(&arena, "s.json", text, strlen(text), &seccomp, &err),
			 0);
	assert_string_equal(seccomp.syscalls[0].names.items[0], "mount");
	json_start(&w, &arena, false);
	config_write_seccomp(&w, NULL, &seccomp);
	assert_string_equal(json_finish(&w),
			    "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":"
			    "[\"mount\"],\"action\":\"SCMP_ACT_ERRNO\"}]}");
}

static void test_resources_alone(void **state)
{
	static const char text[] = "{\"memory\":{\"limit\":5},\"pids\":{\"limit\":-1}}";
	static const char wrong[] = "{\"cpu\":{\"period\":10}}";
	struct config_resources res;

	(void)state;
	assert_int_equal(config_parse_resources(&arena, "r.json", text, strlen(text), &res, &err),
			 0);
	assert_true(res.present);
	assert_int_equal(res.memory.limit.value, 5);
	assert_int_equal(res.pids.limit.value, -1);
	assert_int_equal(config_parse_resources(&arena, "r.json", wrong, strlen(wrong), &res, &err),
			 -1);
	assert_string_equal(
	    err.text, "r.json: cpu.period: expected 0, or 1000 to 1000000 microseconds, got 10");
}

static void test_process_alone(void **state)
{
	static const char text[] = "{\"args\":[\"id\"],\"cwd\":\"/\",\"user\":{\"uid\":5},"
				   "\"execCPUAffinity\":{\"initial\":\"1\"}}";
	static const struct {
		const char *text;
		const char *message;
	} wrong[] = {
	    {"{\"cwd\":\"/\"}", "p.json: args: expected a list of strings, but it is missing"},
	    {"{\"args\":[\"a\"]}", "p.json: cwd: expected an absolute path, but it is missing"},
	    {"{\"args\":[\"\"],\"cwd\":\"/\"}",
	     "p.json: args[0]: expected the name of a program, got \"\": "
	     "executable file not found in $PATH"},
	    {"{\"args\":[\"a\"],\"cwd\":\"/\",\"env\":[\"x\"]}",
	     "p.json: env[0]: expected NAME=value, got \"x\""},
	};
	struct config_process process;

	(void)state;
	assert_int_equal(config_parse_process(&arena, "p.json", text, strlen(text), &process, &err),
			 0);
	assert_true(process.present);
	assert_int_equal(process.user.uid, 5);
	assert_string_equal(process.exec_cpu_affinity->initial, "1");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(config_parse_process(&arena, "p.json", wrong[i].text,
						      strlen(wrong[i].text), &process, &err),
				 -1);
		assert_string_equal(err.text, wrong[i].message);
	}
}

static void test_a_bundle_is_read(void **state)
{
	char dir_path[] = "/tmp/runsafe-config-XXXXXX";
	size_t length = strlen(everything);
	int dir;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir_path));
	dir = open(dir_path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(config_read(&arena, dir, &cfg, &err), -1);
	assert_string_equal(err.text, "config.json: can not be read: no such file or directory");
	fd = openat(dir, "config.json", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(config_read(&arena, dir, &cfg, &err), -1);
	assert_string_equal(err.text, "config.json: expected a JSON object, but the file is empty");
	assert_int_equal(write(fd, everything, length), length);
	assert_int_equal(config_read(&arena, dir, &cfg, &err), 0);
	assert_string_equal(written(false), everything);
	assert_int_equal(ftruncate(fd, (off_t)length - 1), 0);
	assert_int_equal(config_read(&arena, dir, &cfg, &err), -1);
	assert_string_equal(err.text, "config.json: not valid JSON: the text ends too early");
	close(fd);
	unlinkat(dir, "config.json", 0);
	assert_int_equal(mkdirat(dir, "config.json", 0700), 0);
	assert_int_equal(config_read(&arena, dir, &cfg, &err), -1);
	assert_string_equal(err.text, "config.json: expected a file: is a directory");
	unlinkat(dir, "config.json", AT_REMOVEDIR);
	close(dir);
	rmdir(dir_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_everything_survives_the_round_trip, teardown),
	    cmocka_unit_test_teardown(test_the_seed_of_the_fuzzer_has_everything, teardown),
	    cmocka_unit_test_teardown(test_process_is_read, teardown),
	    cmocka_unit_test_teardown(test_linux_is_read, teardown),
	    cmocka_unit_test_teardown(test_resources_are_read, teardown),
	    cmocka_unit_test_teardown(test_seccomp_is_read, teardown),
	    cmocka_unit_test_teardown(test_hooks_are_read_in_their_six_lists, teardown),
	    cmocka_unit_test_teardown(test_what_is_absent_stays_absent, teardown),
	    cmocka_unit_test_teardown(test_an_empty_namespace_list_is_not_no_list, teardown),
	    cmocka_unit_test_teardown(test_empty_values_count_as_absent, teardown),
	    cmocka_unit_test_teardown(test_keys_of_others_are_passed_over, teardown),
	    cmocka_unit_test_teardown(test_seccomp_alone, teardown),
	    cmocka_unit_test_teardown(test_resources_alone, teardown),
	    cmocka_unit_test_teardown(test_process_alone, teardown),
	    cmocka_unit_test_teardown(test_mappings_of_a_mount_are_read, teardown),
	    cmocka_unit_test_teardown(test_values_at_the_edges_are_taken, teardown),
	    cmocka_unit_test_teardown(test_a_bundle_is_read, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
