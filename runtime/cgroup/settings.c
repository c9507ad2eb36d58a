/* linux.resources as a list of files and values. Pure: nothing is read or written here. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cgroup_internal.h"

#define RESOURCES "linux.resources."

struct build {
	struct arena *arena;
	struct cg_settings *out;
	struct findings *findings;
};

/* A setting for a file with one value. */
static struct cg_setting *add(struct build *b, enum cg_controller controller, const char *where,
			      const char *file, char *value)
{
	struct cg_settings *out = b->out;
	struct cg_setting *setting;

	out->items = arena_grow(b->arena, out->items, out->n, sizeof(*out->items));
	setting = &out->items[out->n++];
	setting->controller = controller;
	setting->where = arena_strdup(b->arena, where);
	setting->write.file = arena_strdup(b->arena, file);
	setting->write.value = value;
	return setting;
}

static char *max_or_number(struct arena *arena, int64_t value)
{
	return value < 0 ? arena_strdup(arena, "max") : arena_printf(arena, "%" PRId64, value);
}

/* config-linux.md, Unified: what has no counterpart in cgroup v2 MUST be an error. Returns -1 with
 * err set for the first that asks for something. */
static int refuse_v1(const struct config_resources *r, struct error *err)
{
	const struct config_memory *m = &r->memory;
	const struct config_cpu *c = &r->cpu;
	bool leaf = r->block_io.leaf_weight.set && r->block_io.leaf_weight.value != 0;

	for (size_t i = 0; i < r->block_io.n_weight_devices; i++)
		leaf = leaf || (r->block_io.weight_devices[i].leaf_weight.set &&
				r->block_io.weight_devices[i].leaf_weight.value != 0);
	const struct {
		const char *name;
		bool asked;
	} words[] = {
	    {"memory.kernel", m->kernel.set && m->kernel.value > 0},
	    {"memory.kernelTCP", m->kernel_tcp.set && m->kernel_tcp.value > 0},
	    /* Docker writes -1 for none. */
	    {"memory.swappiness", m->swappiness.set && m->swappiness.value != UINT64_MAX},
	    {"memory.disableOOMKiller", m->disable_oom_killer.set && m->disable_oom_killer.value},
	    /* cgroup v2 always counts what is below. */
	    {"memory.useHierarchy", m->use_hierarchy.set && !m->use_hierarchy.value},
	    {"cpu.realtimeRuntime", c->realtime_runtime.set && c->realtime_runtime.value != 0},
	    {"cpu.realtimePeriod", c->realtime_period.set && c->realtime_period.value != 0},
	    {"blockIO.leafWeight", leaf},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].asked)
			return error_set(err,
					 RESOURCES "%s: can not be set: cgroup v2 has nothing like "
						   "it; leave it out",
					 words[i].name);
	return 0;
}

static int build_memory(struct build *b, const struct config_memory *m, struct error *err)
{
	bool limit = m->limit.set && m->limit.value != 0;
	bool swap = m->swap.set && m->swap.value != 0;
	int64_t swap_max;

	if (cgroup_swap_max(m->limit, m->swap, &swap_max, err) < 0)
		return -1;
	if (limit)
		add(b, CG_MEMORY, RESOURCES "memory.limit", "memory.max",
		    max_or_number(b->arena, m->limit.value));
	if (m->reservation.set && m->reservation.value != 0)
		add(b, CG_MEMORY, RESOURCES "memory.reservation", "memory.low",
		    max_or_number(b->arena, m->reservation.value));
	if (swap)
		add(b, CG_MEMORY, RESOURCES "memory.swap", "memory.swap.max",
		    max_or_number(b->arena, swap_max))
		    ->flags = swap_max < 0 ? CG_MAY_LACK : CG_SWAP;
	else if (limit && m->limit.value < 0) /* unlimited memory and limited swap makes no sense */
		add(b, CG_MEMORY, RESOURCES "memory.limit", "memory.swap.max",
		    arena_strdup(b->arena, "max"))
		    ->flags = CG_MAY_LACK;
	return 0;
}

static int build_cpu(struct build *b, const struct config_cpu *c, const char *quota_now,
		     struct error *err)
{
	bool quota = c->quota.set && c->quota.value != 0;
	bool period = c->period.set && c->period.value != 0;
	bool idle = c->idle.set && c->idle.value == 1;

	if (c->burst.set && quota && c->quota.value > 0 &&
	    c->burst.value > (uint64_t)c->quota.value)
		return error_set(err,
				 RESOURCES "cpu.burst: %" PRIu64 " is more than cpu.quota, which "
					   "is %" PRId64,
				 c->burst.value, c->quota.value);
	if (c->burst.set)
		add(b, CG_CPU, RESOURCES "cpu.burst", "cpu.max.burst",
		    arena_printf(b->arena, "%" PRIu64, c->burst.value))
		    ->flags = c->burst.value ? CG_AGAIN : CG_AGAIN | CG_MAY_LACK;
	if (quota || period) {
		const char *first = quota ? max_or_number(b->arena, c->quota.value) : quota_now;

		/* A quota alone leaves the period as it is. */
		add(b, CG_CPU, quota ? RESOURCES "cpu.quota" : RESOURCES "cpu.period", "cpu.max",
		    period ? arena_printf(b->arena, "%s %" PRIu64, first, c->period.value)
			   : arena_strdup(b->arena, first));
	}
	if (c->idle.set)
		add(b, CG_CPU, RESOURCES "cpu.idle", "cpu.idle",
		    arena_printf(b->arena, "%" PRId64, c->idle.value))
		    ->flags = c->idle.value ? 0 : CG_MAY_LACK;
	/* An idle group has no weight: the kernel refuses one. */
	if (c->shares.set && c->shares.value != 0 && !idle)
		add(b, CG_CPU, RESOURCES "cpu.shares", "cpu.weight",
		    arena_printf(b->arena, "%" PRIu64, cgroup_cpu_weight(c->shares.value)));
	if (c->cpus && *c->cpus)
		add(b, CG_CPUSET, RESOURCES "cpu.cpus", "cpuset.cpus", c->cpus);
	if (c->mems && *c->mems)
		add(b, CG_CPUSET, RESOURCES "cpu.mems", "cpuset.mems", c->mems);
	return 0;
}

static void build_pids(struct build *b, const struct config_pids *p)
{
	if (!p->limit.set)
		return;
	add(b, CG_PIDS, RESOURCES "pids.limit", "pids.max",
	    max_or_number(b->arena, p->limit.value));
	if (p->limit.value == 0 && b->findings)
		findings_add(b->findings, FINDING_NOTE, RESOURCES "pids.limit",
			     "0 is a limit as it stands: no process can start in this container; "
			     "-1 means unlimited");
}

/* Both I/O schedulers that know weights get theirs: which one a device uses can change. BFQ's
 * scale is that of cgroup v1. */
static void add_io_weight(struct build *b, const char *where, const char *key, const char *reset,
			  uint32_t weight)
{
	struct cg_setting *setting =
	    add(b, CG_IO, where, "io.weight",
		arena_printf(b->arena, "%s %" PRIu64, key, cgroup_io_weight(weight)));

	setting->write.key = setting->other.key = arena_strdup(b->arena, key);
	setting->write.reset = setting->other.reset = arena_printf(b->arena, "%s %s", key, reset);
	setting->other.file = arena_strdup(b->arena, "io.bfq.weight");
	setting->other.value = arena_printf(b->arena, "%s %" PRIu32, key, weight);
}

/* "8:0"; NULL with err set. */
static char *device_name(struct build *b, int64_t major, int64_t minor, const char *where,
			 struct error *err)
{
	if (major >= 0 && major <= UINT32_MAX && minor >= 0 && minor <= UINT32_MAX)
		return arena_printf(b->arena, "%" PRId64 ":%" PRId64, major, minor);
	error_set(err,
		  "%s: %" PRId64 ":%" PRId64 " is no device, expected a major and a minor number "
		  "from 0 up",
		  where, major, minor);
	return NULL;
}

static int build_throttle(struct build *b, const struct config_throttle_list *list,
			  const char *json, const char *word, struct error *err)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct config_throttle_device *d = &list->items[i];
		char *where = arena_printf(b->arena, RESOURCES "blockIO.%s[%zu]", json, i);
		struct cg_setting *setting;
		char *device = device_name(b, d->major, d->minor, where, err);

		if (!device)
			return -1;
		if (d->rate == 0)
			continue;
		setting = add(b, CG_IO, where, "io.max",
			      arena_printf(b->arena, "%s %s=%" PRIu64, device, word, d->rate));
		setting->write.key = device;
		setting->write.reset =
		    arena_printf(b->arena, "%s rbps=max wbps=max riops=max wiops=max", device);
	}
	return 0;
}

static int build_block_io(struct build *b, const struct config_block_io *io, struct error *err)
{
	if (io->weight.set && io->weight.value != 0)
		add_io_weight(b, RESOURCES "blockIO.weight", "default", "100", io->weight.value);
	for (size_t i = 0; i < io->n_weight_devices; i++) {
		const struct config_weight_device *d = &io->weight_devices[i];
		char *where = arena_printf(b->arena, RESOURCES "blockIO.weightDevice[%zu]", i);
		char *device = device_name(b, d->major, d->minor, where, err);

		if (!device)
			return -1;
		if (!d->weight.set && !d->leaf_weight.set)
			return error_set(err, "%s: expected a weight", where);
		if (d->weight.set && d->weight.value != 0)
			add_io_weight(b, where, device, "default", d->weight.value);
	}
	if (build_throttle(b, &io->read_bps, "throttleReadBpsDevice", "rbps", err) < 0 ||
	    build_throttle(b, &io->write_bps, "throttleWriteBpsDevice", "wbps", err) < 0 ||
	    build_throttle(b, &io->read_iops, "throttleReadIOPSDevice", "riops", err) < 0)
		return -1;
	return build_throttle(b, &io->write_iops, "throttleWriteIOPSDevice", "wiops", err);
}

/* "2MB": digits and a unit as the kernel names its files. 0 is a limit: kubelet writes it. */
static int build_hugepage(struct build *b, const struct config_hugepage_limit *h, size_t i,
			  struct error *err)
{
	char *where = arena_printf(b->arena, RESOURCES "hugepageLimits[%zu]", i);
	size_t digits = h->page_size ? strspn(h->page_size, "0123456789") : 0;
	char *value = arena_printf(b->arena, "%" PRIu64, h->limit);
	const char *unit = h->page_size ? h->page_size + digits : "";

	if (digits == 0 || digits > 9 ||
	    (strcmp(unit, "KB") != 0 && strcmp(unit, "MB") != 0 && strcmp(unit, "GB") != 0))
		return error_set(err,
				 "%s.pageSize: \"%s\" is no page size, expected one like \"2MB\"",
				 where, h->page_size ? h->page_size : "");
	add(b, CG_HUGETLB, where, arena_printf(b->arena, "hugetlb.%s.max", h->page_size), value);
	/* Reservations count apart, and came with Linux 5.7. */
	add(b, CG_HUGETLB, where, arena_printf(b->arena, "hugetlb.%s.rsvd.max", h->page_size),
	    value)
	    ->flags = CG_MAY_LACK;
	return 0;
}

/* "mlx5_1 hca_handle=3 hca_object=10000"; what is not said is left as it is (rdma.max). */
static void build_rdma(struct build *b, const struct config_rdma *r)
{
	struct cg_setting *setting;
	char *line = arena_strdup(b->arena, r->device);

	if (r->hca_handles.set)
		line = arena_printf(b->arena, "%s hca_handle=%" PRIu32, line, r->hca_handles.value);
	if (r->hca_objects.set)
		line = arena_printf(b->arena, "%s hca_object=%" PRIu32, line, r->hca_objects.value);
	setting = add(b, CG_RDMA, arena_printf(b->arena, RESOURCES "rdma.%s", r->device),
		      "rdma.max", line);
	setting->write.key = arena_strdup(b->arena, r->device);
	setting->write.reset =
	    arena_printf(b->arena, "%s hca_handle=max hca_object=max", r->device);
}

/* Which controller a file name belongs to; CG_CONTROLLERS for none. */
static enum cg_controller controller_of_file(const char *file)
{
	/* What limits and nothing else of the files that every group has. */
	static const char *const core[] = {"cgroup.max.depth", "cgroup.max.descendants",
					   "cgroup.pressure"};
	size_t length = strcspn(file, ".");

	for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++)
		if (strcmp(core[i], file) == 0)
			return CG_CORE;
	for (unsigned int i = 0; i < CG_CONTROLLERS; i++) {
		const char *name = cg_controller_name((enum cg_controller)i);

		if (file[length] == '.' && file[length + 1] && strlen(name) == length &&
		    memcmp(name, file, length) == 0)
			return (enum cg_controller)i;
	}
	return CG_CONTROLLERS;
}

static int build_unified(struct build *b, const struct str_pair *pair, struct error *err)
{
	enum cg_controller controller = controller_of_file(pair->key);
	char *where = arena_printf(b->arena, RESOURCES "unified.%s", pair->key);

	if (strchr(pair->key, '/'))
		return error_set(err, "%s: expected the name of a file, it has a slash", where);
	if (controller == CG_CONTROLLERS)
		return error_set(err,
				 "%s: expected a file of a cgroup v2 controller, like "
				 "\"memory.high\" or \"pids.max\"",
				 where);
	if (!pair->value || !*pair->value)
		return error_set(err, "%s: expected a value, got an empty string", where);
	add(b, controller, where, pair->key, pair->value);
	return 0;
}

int cg_settings_build(struct arena *arena, const struct config_resources *resources,
		      const char *quota_now, struct cg_settings *out, struct findings *findings,
		      struct error *err)
{
	struct build b = {.arena = arena, .out = out, .findings = findings};

	*out = (struct cg_settings){.arena = arena};
	if (!resources)
		return 0;
	/* memory.oom.group stays 0, as the other runtimes leave it: the workload's init may want
	   to see a child's death by memory and go on. unified can set it. */
	if (refuse_v1(resources, err) < 0 || build_memory(&b, &resources->memory, err) < 0 ||
	    build_cpu(&b, &resources->cpu, quota_now, err) < 0)
		return -1;
	build_pids(&b, &resources->pids);
	if (build_block_io(&b, &resources->block_io, err) < 0)
		return -1;
	for (size_t i = 0; i < resources->n_hugepage_limits; i++)
		if (build_hugepage(&b, &resources->hugepage_limits[i], i, err) < 0)
			return -1;
	for (size_t i = 0; i < resources->n_rdma; i++)
		build_rdma(&b, &resources->rdma[i]);
	/* Last, so that it has the last word. */
	for (size_t i = 0; i < resources->unified.n; i++)
		if (build_unified(&b, &resources->unified.items[i], err) < 0)
			return -1;
	for (size_t i = 0; i < out->n; i++)
		if (out->items[i].controller != CG_CORE)
			out->needed |= CG_BIT(out->items[i].controller);
	return 0;
}
