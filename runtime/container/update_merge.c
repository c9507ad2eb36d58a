#include "update.h"

#include <string.h>

#include "keys.h"

static void trim_i64(struct opt_i64 *value)
{
	if (value->value == 0)
		value->set = false;
}

static void trim_u64(struct opt_u64 *value)
{
	if (value->value == 0)
		value->set = false;
}

void update_trim(struct config_resources *wanted)
{
	struct config_memory *m = &wanted->memory;
	struct config_cpu *c = &wanted->cpu;

	trim_i64(&m->limit);
	trim_i64(&m->reservation);
	trim_i64(&m->swap);
	trim_i64(&c->quota);
	trim_i64(&c->realtime_runtime);
	trim_u64(&c->shares);
	trim_u64(&c->period);
	trim_u64(&c->realtime_period);
	/* At create it is a limit; here it is what Go writes for none. */
	trim_i64(&wanted->pids.limit);
	wanted->pids.present = wanted->pids.limit.set;
	if (wanted->block_io.weight.value == 0)
		wanted->block_io.weight.set = false;
	/* What the workload may reach is decided when it is made. runc leaves these alone, too. */
	wanted->devices = NULL;
	wanted->n_devices = 0;
}

static int unknown_to_v2(const char *name, struct error *err)
{
	return error_set(err, "linux.resources.%s: can not be set: cgroup v2 has nothing like it",
			 name);
}

int update_check(const struct config_resources *now, const struct config_resources *wanted,
		 struct error *err)
{
	const struct config_cpu *c = &wanted->cpu;
	const struct config_memory *m = &wanted->memory;
	const struct config_block_io *io = &wanted->block_io;

	if (c->realtime_runtime.set && c->realtime_runtime.value != now->cpu.realtime_runtime.value)
		return unknown_to_v2("cpu.realtimeRuntime", err);
	if (c->realtime_period.set && c->realtime_period.value != now->cpu.realtime_period.value)
		return unknown_to_v2("cpu.realtimePeriod", err);
	if (m->swappiness.set && m->swappiness.value != now->memory.swappiness.value)
		return unknown_to_v2("memory.swappiness", err);
	if (m->disable_oom_killer.value && !now->memory.disable_oom_killer.value)
		return unknown_to_v2("memory.disableOOMKiller", err);
	if (io->leaf_weight.value != 0 && io->leaf_weight.value != now->block_io.leaf_weight.value)
		return unknown_to_v2("blockIO.leafWeight", err);
	return 0;
}

void update_complete(const struct config_resources *now, struct config_resources *wanted)
{
	struct config_memory *m = &wanted->memory;
	struct config_cpu *c = &wanted->cpu;

	/* config.json's swap is a sum, the kernel's file is not. */
	if (m->swap.set && !m->limit.set && now->memory.limit.value > 0)
		m->limit = now->memory.limit;
	if (!m->check_before_update.set)
		m->check_before_update = now->memory.check_before_update;
	if (c->quota.set && !c->period.set && now->cpu.period.value > 0)
		c->period = now->cpu.period;
	if (c->period.set && !c->quota.set && now->cpu.quota.value != 0)
		c->quota = now->cpu.quota;
	/* Leaving idle resets the weight. */
	if (c->idle.set && c->idle.value == 0 && !c->shares.set && now->cpu.shares.value != 0)
		c->shares = now->cpu.shares;
}

#define TAKE(member)                                                                               \
	do {                                                                                       \
		if (wanted->member.set)                                                            \
			out->member = wanted->member;                                              \
	} while (0)

/* The file keeps what it has of swap alone when the limit of memory changes. */
static void merge_swap(const struct config_memory *now, const struct config_memory *wanted,
		       struct config_memory *out)
{
	if (wanted->swap.set) {
		out->swap = wanted->swap;
		return;
	}
	if (!wanted->limit.set || !now->swap.set || now->swap.value <= 0)
		return;
	if (wanted->limit.value < 0)
		out->swap.set = false; /* the cgroup room lifts it with the limit */
	else if (now->limit.value > 0)
		out->swap.value = now->swap.value - now->limit.value + wanted->limit.value;
}

static void merge_memory(const struct config_memory *now, const struct config_memory *wanted,
			 struct config_memory *out)
{
	merge_swap(now, wanted, out);
	TAKE(limit);
	TAKE(reservation);
	TAKE(check_before_update);
}

static void merge_cpu(const struct config_cpu *wanted, struct config_cpu *out)
{
	TAKE(shares);
	TAKE(quota);
	TAKE(burst);
	TAKE(period);
	TAKE(idle);
	if (wanted->cpus && *wanted->cpus)
		out->cpus = wanted->cpus;
	if (wanted->mems && *wanted->mems)
		out->mems = wanted->mems;
}

/* Where the element with that key is in a list of *n: at its end, which grows, if it is new. */
static size_t place_of(struct arena *arena, struct keys *keys, const void *key, size_t length,
		       size_t *n, bool *is_new)
{
	size_t *number = keys_at(arena, keys, key, length);

	*is_new = *number == 0;
	if (*is_new)
		*number = ++*n;
	return *number - 1;
}

static size_t place_of_device(struct arena *arena, struct keys *keys, int64_t major, int64_t minor,
			      size_t *n, bool *is_new)
{
	int64_t *key = arena_alloc(arena, 2 * sizeof(*key));

	key[0] = major;
	key[1] = minor;
	return place_of(arena, keys, key, 2 * sizeof(*key), n, is_new);
}

static void merge_throttle(struct arena *arena, const struct config_throttle_list *wanted,
			   struct config_throttle_list *out)
{
	const size_t most = out->n + wanted->n;
	struct config_throttle_list all = {.items = arena_alloc(arena, most * sizeof(*all.items))};
	cleanup_keys struct keys keys = {0};

	for (size_t i = 0; i < most; i++) {
		const struct config_throttle_device *d =
		    i < out->n ? &out->items[i] : &wanted->items[i - out->n];
		bool is_new;
		size_t at = place_of_device(arena, &keys, d->major, d->minor, &all.n, &is_new);

		if (is_new || d->rate != 0) /* 0 is unset */
			all.items[at] = *d;
	}
	*out = all;
}

static void merge_weights(struct arena *arena, const struct config_block_io *wanted,
			  struct config_block_io *out)
{
	const size_t most = out->n_weight_devices + wanted->n_weight_devices;
	struct config_weight_device *all = arena_alloc(arena, most * sizeof(*all));
	cleanup_keys struct keys keys = {0};
	size_t n = 0;

	for (size_t i = 0; i < most; i++) {
		const struct config_weight_device *d =
		    i < out->n_weight_devices ? &out->weight_devices[i]
					      : &wanted->weight_devices[i - out->n_weight_devices];
		bool is_new;
		size_t at = place_of_device(arena, &keys, d->major, d->minor, &n, &is_new);

		if (is_new)
			all[at] = *d;
		else if (d->weight.value != 0)
			all[at].weight = d->weight;
	}
	out->weight_devices = all;
	out->n_weight_devices = n;
}

static void merge_hugepages(struct arena *arena, const struct config_resources *wanted,
			    struct config_resources *out)
{
	const size_t most = out->n_hugepage_limits + wanted->n_hugepage_limits;
	struct config_hugepage_limit *all = arena_alloc(arena, most * sizeof(*all));
	cleanup_keys struct keys keys = {0};
	size_t n = 0;

	for (size_t i = 0; i < most; i++) {
		const struct config_hugepage_limit *h =
		    i < out->n_hugepage_limits
			? &out->hugepage_limits[i]
			: &wanted->hugepage_limits[i - out->n_hugepage_limits];
		bool is_new;

		all[place_of(arena, &keys, h->page_size, strlen(h->page_size), &n, &is_new)] = *h;
	}
	out->hugepage_limits = all;
	out->n_hugepage_limits = n;
}

static void merge_rdma(struct arena *arena, const struct config_resources *wanted,
		       struct config_resources *out)
{
	const size_t most = out->n_rdma + wanted->n_rdma;
	struct config_rdma *all = arena_alloc(arena, most * sizeof(*all));
	cleanup_keys struct keys keys = {0};
	size_t n = 0;

	for (size_t i = 0; i < most; i++) {
		const struct config_rdma *r =
		    i < out->n_rdma ? &out->rdma[i] : &wanted->rdma[i - out->n_rdma];
		bool is_new;
		size_t at = place_of(arena, &keys, r->device, strlen(r->device), &n, &is_new);

		all[at].device = r->device;
		if (r->hca_handles.set)
			all[at].hca_handles = r->hca_handles;
		if (r->hca_objects.set)
			all[at].hca_objects = r->hca_objects;
	}
	out->rdma = all;
	out->n_rdma = n;
}

/* Whether wanted says by config.json's own word what this file has. */
static bool said_otherwise(const struct config_resources *wanted, const char *file)
{
	const struct config_memory *m = &wanted->memory;
	const struct config_cpu *c = &wanted->cpu;
	const struct {
		const char *file;
		bool said;
	} words[] = {
	    {"memory.max", m->limit.set},	  {"memory.low", m->reservation.set},
	    {"memory.swap.max", m->swap.set},	  {"cpu.max", c->quota.set || c->period.set},
	    {"cpu.max.burst", c->burst.set},	  {"cpu.weight", c->shares.set},
	    {"cpu.weight.nice", c->shares.set},	  {"cpu.idle", c->idle.set},
	    {"cpuset.cpus", c->cpus && *c->cpus}, {"cpuset.mems", c->mems && *c->mems},
	    {"pids.max", wanted->pids.limit.set}, {"io.weight", wanted->block_io.weight.set},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (words[i].said && strcmp(words[i].file, file) == 0)
			return true;
	}
	return false;
}

/* "unified" has the last word at create, so an old one must not stand over a new value. */
static void merge_unified(struct arena *arena, const struct config_resources *wanted,
			  struct config_resources *out)
{
	const size_t most = out->unified.n + wanted->unified.n;
	struct str_map all = {.items = arena_alloc(arena, most * sizeof(*all.items))};
	cleanup_keys struct keys keys = {0};

	for (size_t i = 0; i < most; i++) {
		const bool old = i < out->unified.n;
		const struct str_pair *pair =
		    old ? &out->unified.items[i] : &wanted->unified.items[i - out->unified.n];
		bool is_new;

		if (old && said_otherwise(wanted, pair->key))
			continue;
		size_t at = place_of(arena, &keys, pair->key, strlen(pair->key), &all.n, &is_new);
		all.items[at] = *pair;
	}
	out->unified = all;
}

void update_merge(struct arena *arena, const struct config_resources *now,
		  const struct config_resources *wanted, struct config_resources *out)
{
	*out = *now;
	out->present = true;
	merge_memory(&now->memory, &wanted->memory, &out->memory);
	merge_cpu(&wanted->cpu, &out->cpu);
	if (wanted->pids.limit.set)
		out->pids = wanted->pids;
	TAKE(block_io.weight);
	merge_weights(arena, &wanted->block_io, &out->block_io);
	merge_throttle(arena, &wanted->block_io.read_bps, &out->block_io.read_bps);
	merge_throttle(arena, &wanted->block_io.write_bps, &out->block_io.write_bps);
	merge_throttle(arena, &wanted->block_io.read_iops, &out->block_io.read_iops);
	merge_throttle(arena, &wanted->block_io.write_iops, &out->block_io.write_iops);
	merge_hugepages(arena, wanted, out);
	merge_rdma(arena, wanted, out);
	merge_unified(arena, wanted, out);
}
