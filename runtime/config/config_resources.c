/* config-linux.md: "Control groups". */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config_internal.h"

#define MAX_PAGE_SIZES 64 /* no kernel has as many */

static const char *const rule_type_words[] = {"a", "c", "b", NULL};

static const struct json_field device_rule_fields[] = {
    FIELD(config_device_rule, allow, "allow", JSON_BOOL, .flags = JSON_REQUIRED),
    FIELD(config_device_rule, type, "type", JSON_STRING, .flags = JSON_EMPTY_ABSENT,
	  .words = rule_type_words),
    FIELD(config_device_rule, major, "major", JSON_OPT_I64, .min = -1, .max = DEVICE_MAJOR_MAX),
    FIELD(config_device_rule, minor, "minor", JSON_OPT_I64, .min = -1, .max = DEVICE_MINOR_MAX),
    FIELD(config_device_rule, access, "access", JSON_STRING),
    FIELDS_END,
};

static const struct json_table device_rule_table = TABLE(config_device_rule, device_rule_fields);

/* Bytes; -1 is unlimited. swappiness has no range: Docker writes -1 as 18446744073709551615, and
 * cgroup v2 has no such file. */
#define BYTES .min = -1, .max = INT64_MAX

static const struct json_field memory_fields[] = {
    FIELD(config_memory, limit, "limit", JSON_OPT_I64, BYTES),
    FIELD(config_memory, reservation, "reservation", JSON_OPT_I64, BYTES),
    FIELD(config_memory, swap, "swap", JSON_OPT_I64, BYTES),
    FIELD(config_memory, kernel, "kernel", JSON_OPT_I64, BYTES),
    FIELD(config_memory, kernel_tcp, "kernelTCP", JSON_OPT_I64, BYTES),
    FIELD(config_memory, swappiness, "swappiness", JSON_OPT_U64),
    FIELD(config_memory, disable_oom_killer, "disableOOMKiller", JSON_OPT_BOOL),
    FIELD(config_memory, use_hierarchy, "useHierarchy", JSON_OPT_BOOL),
    FIELD(config_memory, check_before_update, "checkBeforeUpdate", JSON_OPT_BOOL),
    FIELDS_END,
};

static const struct json_table memory_table = TABLE(config_memory, memory_fields);

static const struct json_field cpu_fields[] = {
    FIELD(config_cpu, shares, "shares", JSON_OPT_U64),
    FIELD(config_cpu, quota, "quota", JSON_OPT_I64, .min = -1, .max = INT64_MAX),
    FIELD(config_cpu, burst, "burst", JSON_OPT_U64),
    FIELD(config_cpu, period, "period", JSON_OPT_U64),
    FIELD(config_cpu, realtime_runtime, "realtimeRuntime", JSON_OPT_I64),
    FIELD(config_cpu, realtime_period, "realtimePeriod", JSON_OPT_U64),
    FIELD(config_cpu, idle, "idle", JSON_OPT_I64, .max = 1),
    FIELD(config_cpu, cpus, "cpus", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELD(config_cpu, mems, "mems", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELDS_END,
};

static const struct json_table cpu_table = TABLE(config_cpu, cpu_fields);

static const struct json_field pids_fields[] = {
    FIELD(config_pids, limit, "limit", JSON_OPT_I64, .min = -1, .max = INT64_MAX),
    FIELDS_END,
};

static const struct json_table pids_table = TABLE_PRESENT(config_pids, pids_fields);

#define MAJOR_MINOR(struct_)                                                                       \
	FIELD(struct_, major, "major", JSON_I64, .flags = JSON_REQUIRED, .max = DEVICE_MAJOR_MAX), \
	    FIELD(struct_, minor, "minor", JSON_I64, .flags = JSON_REQUIRED,                       \
		  .max = DEVICE_MINOR_MAX)

static const struct json_field weight_device_fields[] = {
    MAJOR_MINOR(config_weight_device),
    FIELD(config_weight_device, weight, "weight", JSON_OPT_U32, .max = 1000),
    FIELD(config_weight_device, leaf_weight, "leafWeight", JSON_OPT_U32, .max = 1000),
    FIELDS_END,
};

static const struct json_table weight_device_table =
    TABLE(config_weight_device, weight_device_fields);

static const struct json_field throttle_device_fields[] = {
    MAJOR_MINOR(config_throttle_device),
    FIELD(config_throttle_device, rate, "rate", JSON_U64, .flags = JSON_REQUIRED),
    FIELDS_END,
};

static const struct json_table throttle_device_table =
    TABLE(config_throttle_device, throttle_device_fields);

#define THROTTLE(items_, n_, key)                                                                  \
	OBJECTS(config_block_io, items_, n_, key, JSON_OBJECT_LIST, &throttle_device_table)

static const struct json_field block_io_fields[] = {
    FIELD(config_block_io, weight, "weight", JSON_OPT_U32, .max = 1000),
    FIELD(config_block_io, leaf_weight, "leafWeight", JSON_OPT_U32, .max = 1000),
    OBJECTS(config_block_io, weight_devices, n_weight_devices, "weightDevice", JSON_OBJECT_LIST,
	    &weight_device_table),
    THROTTLE(read_bps.items, read_bps.n, "throttleReadBpsDevice"),
    THROTTLE(write_bps.items, write_bps.n, "throttleWriteBpsDevice"),
    THROTTLE(read_iops.items, read_iops.n, "throttleReadIOPSDevice"),
    THROTTLE(write_iops.items, write_iops.n, "throttleWriteIOPSDevice"),
    FIELDS_END,
};

static const struct json_table block_io_table = TABLE(config_block_io, block_io_fields);

static const struct json_field hugepage_fields[] = {
    FIELD(config_hugepage_limit, page_size, "pageSize", JSON_STRING, .flags = JSON_REQUIRED),
    FIELD(config_hugepage_limit, limit, "limit", JSON_U64, .flags = JSON_REQUIRED),
    FIELDS_END,
};

static const struct json_table hugepage_table = TABLE(config_hugepage_limit, hugepage_fields);

static const struct json_field rdma_fields[] = {
    FIELD(config_rdma, hca_handles, "hcaHandles", JSON_OPT_U32),
    FIELD(config_rdma, hca_objects, "hcaObjects", JSON_OPT_U32),
    FIELDS_END,
};

static const struct json_table rdma_table = {
    .size = sizeof(struct config_rdma),
    .fields = rdma_fields,
    .present_offset = JSON_NO_OFFSET,
    .key_offset = offsetof(struct config_rdma, device),
};

static const struct json_field resources_fields[] = {
    OBJECTS(config_resources, devices, n_devices, "devices", JSON_OBJECT_LIST, &device_rule_table),
    FIELD(config_resources, memory, "memory", JSON_OBJECT, .table = &memory_table),
    FIELD(config_resources, cpu, "cpu", JSON_OBJECT, .table = &cpu_table),
    FIELD(config_resources, pids, "pids", JSON_OBJECT, .table = &pids_table),
    FIELD(config_resources, block_io, "blockIO", JSON_OBJECT, .table = &block_io_table),
    OBJECTS(config_resources, hugepage_limits, n_hugepage_limits, "hugepageLimits",
	    JSON_OBJECT_LIST, &hugepage_table),
    FIELD(config_resources, unified, "unified", JSON_STRING_MAP),
    OBJECTS(config_resources, rdma, n_rdma, "rdma", JSON_OBJECT_MAP, &rdma_table),
    REFUSED("network", "cgroup v2 has neither net_cls nor net_prio"),
    FIELDS_END,
};

const struct json_table config_resources_table = TABLE_PRESENT(config_resources, resources_fields);

static int check_devices(const struct config_check *c, const struct config_resources *res)
{
	for (size_t i = 0; i < res->n_devices; i++) {
		const char *access = res->devices[i].access;

		if (access && access[strspn(access, "rwm")] != '\0')
			return config_wrong(c,
					    "devices[%zu].access: expected letters of \"rwm\", "
					    "got %s",
					    i, json_shown(c->arena, access));
	}
	return 0;
}

/* The kernel's bounds (Documentation/scheduler/sched-bwc.rst); 0 is unset, -1 unlimited. */
static int check_cpu(const struct config_check *c, const struct config_cpu *cpu)
{
	const char *list_characters = "0123456789,-:/ ";

	if (cpu->quota.value > 0 && cpu->quota.value < 1000)
		return config_wrong(c,
				    "cpu.quota: expected -1, 0, or at least 1000 microseconds, got "
				    "%" PRId64,
				    cpu->quota.value);
	if (cpu->period.value > 0 && (cpu->period.value < 1000 || cpu->period.value > 1000000))
		return config_wrong(c,
				    "cpu.period: expected 0, or 1000 to 1000000 microseconds, got "
				    "%" PRIu64,
				    cpu->period.value);
	if (cpu->cpus && cpu->cpus[strspn(cpu->cpus, list_characters)] != '\0')
		return config_wrong(c, "cpu.cpus: expected a list such as \"0-3,7\", got %s",
				    json_shown(c->arena, cpu->cpus));
	if (cpu->mems && cpu->mems[strspn(cpu->mems, list_characters)] != '\0')
		return config_wrong(c, "cpu.mems: expected a list such as \"0-3,7\", got %s",
				    json_shown(c->arena, cpu->mems));
	return 0;
}

static int check_weight(const struct config_check *c, const char *path, struct opt_u32 weight)
{
	if (!weight.set || weight.value == 0 || weight.value >= 10)
		return 0;
	return config_wrong(c, "blockIO.%s: expected 0, or 10 to 1000, got %u", path, weight.value);
}

static int check_block_io(const struct config_check *c, const struct config_block_io *io)
{
	if (check_weight(c, "weight", io->weight) < 0 ||
	    check_weight(c, "leafWeight", io->leaf_weight) < 0)
		return -1;
	for (size_t i = 0; i < io->n_weight_devices; i++) {
		char path[64];

		snprintf(path, sizeof(path), "weightDevice[%zu].weight", i);
		if (check_weight(c, path, io->weight_devices[i].weight) < 0)
			return -1;
		snprintf(path, sizeof(path), "weightDevice[%zu].leafWeight", i);
		if (check_weight(c, path, io->weight_devices[i].leaf_weight) < 0)
			return -1;
	}
	return 0;
}

/* It becomes part of a file's name: hugetlb.2MB.max. */
static int check_hugepages(const struct config_check *c, const struct config_resources *res)
{
	/* Each is compared with all others. */
	if (res->n_hugepage_limits > MAX_PAGE_SIZES)
		return config_wrong(c, "hugepageLimits: expected at most %d sizes, got %zu",
				    MAX_PAGE_SIZES, res->n_hugepage_limits);
	for (size_t i = 0; i < res->n_hugepage_limits; i++) {
		const char *size = res->hugepage_limits[i].page_size;
		const char *unit = size + strspn(size, "0123456789");

		if (unit == size || size[0] == '0' ||
		    (strcmp(unit, "KB") != 0 && strcmp(unit, "MB") != 0 && strcmp(unit, "GB") != 0))
			return config_wrong(c,
					    "hugepageLimits[%zu].pageSize: expected a size such as "
					    "64KB, 2MB or 1GB, got %s",
					    i, json_shown(c->arena, size));
		for (size_t j = 0; j < i; j++) {
			if (strcmp(res->hugepage_limits[j].page_size, size) == 0)
				return config_wrong(c,
						    "hugepageLimits[%zu].pageSize: expected each "
						    "size once, got %s again",
						    i, size);
		}
	}
	return 0;
}

/* The device's name is the first word of a line in rdma.max (cgroups(7)). */
static int check_rdma(const struct config_check *c, const struct config_resources *res)
{
	for (size_t i = 0; i < res->n_rdma; i++) {
		const struct config_rdma *limit = &res->rdma[i];

		if (limit->device[0] == '\0' || strpbrk(limit->device, " \t\r\n\v\f/"))
			return config_wrong(c,
					    "rdma: expected names of RDMA devices such as mlx5_1, "
					    "got %s",
					    json_shown(c->arena, limit->device));
		if (!limit->hca_handles.set && !limit->hca_objects.set)
			return config_wrong(c,
					    "rdma.%s: expected hcaHandles or hcaObjects or both, "
					    "but both are missing",
					    limit->device);
	}
	return 0;
}

/* A key is a file's name in the cgroup (config-linux.md, "Unified"). */
static int check_unified(const struct config_check *c, const struct str_map *unified)
{
	for (size_t i = 0; i < unified->n; i++) {
		const char *key = unified->items[i].key;

		if (key[0] == '\0' || key[0] == '.' || strchr(key, '/'))
			return config_wrong(c,
					    "unified: expected names of cgroup files such as "
					    "memory.high, got %s",
					    json_shown(c->arena, key));
	}
	return 0;
}

int config_check_resources(const struct config_check *c, const struct config_resources *res)
{
	if (check_devices(c, res) < 0 || check_cpu(c, &res->cpu) < 0 ||
	    check_block_io(c, &res->block_io) < 0 || check_hugepages(c, res) < 0 ||
	    check_rdma(c, res) < 0)
		return -1;
	return check_unified(c, &res->unified);
}
