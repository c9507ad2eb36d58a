/* The object "linux.resources" of config.json. */
#include "config_internal.h"

static void write_device_rules(struct json_writer *w, const struct config_resources *res)
{
	if (res->n_devices == 0)
		return;
	json_list_begin(w, "devices");
	for (size_t i = 0; i < res->n_devices; i++) {
		const struct config_device_rule *rule = &res->devices[i];

		json_object_begin(w, NULL);
		json_bool(w, "allow", rule->allow);
		config_write_text(w, "type", rule->type);
		config_write_i64(w, "major", rule->major);
		config_write_i64(w, "minor", rule->minor);
		config_write_text(w, "access", rule->access);
		json_object_end(w);
	}
	json_list_end(w);
}

static void write_memory(struct json_writer *w, const struct config_memory *memory)
{
	if (!memory->limit.set && !memory->reservation.set && !memory->swap.set &&
	    !memory->kernel.set && !memory->kernel_tcp.set && !memory->swappiness.set &&
	    !memory->disable_oom_killer.set && !memory->use_hierarchy.set &&
	    !memory->check_before_update.set)
		return;
	json_object_begin(w, "memory");
	config_write_i64(w, "limit", memory->limit);
	config_write_i64(w, "reservation", memory->reservation);
	config_write_i64(w, "swap", memory->swap);
	config_write_i64(w, "kernel", memory->kernel);
	config_write_i64(w, "kernelTCP", memory->kernel_tcp);
	config_write_u64(w, "swappiness", memory->swappiness);
	config_write_bool(w, "disableOOMKiller", memory->disable_oom_killer);
	config_write_bool(w, "useHierarchy", memory->use_hierarchy);
	config_write_bool(w, "checkBeforeUpdate", memory->check_before_update);
	json_object_end(w);
}

static void write_cpu(struct json_writer *w, const struct config_cpu *cpu)
{
	if (!cpu->shares.set && !cpu->quota.set && !cpu->burst.set && !cpu->period.set &&
	    !cpu->realtime_runtime.set && !cpu->realtime_period.set && !cpu->idle.set &&
	    !cpu->cpus && !cpu->mems)
		return;
	json_object_begin(w, "cpu");
	config_write_u64(w, "shares", cpu->shares);
	config_write_i64(w, "quota", cpu->quota);
	config_write_u64(w, "burst", cpu->burst);
	config_write_u64(w, "period", cpu->period);
	config_write_i64(w, "realtimeRuntime", cpu->realtime_runtime);
	config_write_u64(w, "realtimePeriod", cpu->realtime_period);
	config_write_i64(w, "idle", cpu->idle);
	config_write_text(w, "cpus", cpu->cpus);
	config_write_text(w, "mems", cpu->mems);
	json_object_end(w);
}

static void write_throttle(struct json_writer *w, const char *key,
			   const struct config_throttle_list *list)
{
	if (list->n == 0)
		return;
	json_list_begin(w, key);
	for (size_t i = 0; i < list->n; i++) {
		json_object_begin(w, NULL);
		json_i64(w, "major", list->items[i].major);
		json_i64(w, "minor", list->items[i].minor);
		json_u64(w, "rate", list->items[i].rate);
		json_object_end(w);
	}
	json_list_end(w);
}

static void write_weight_devices(struct json_writer *w, const struct config_block_io *io)
{
	if (io->n_weight_devices == 0)
		return;
	json_list_begin(w, "weightDevice");
	for (size_t i = 0; i < io->n_weight_devices; i++) {
		json_object_begin(w, NULL);
		json_i64(w, "major", io->weight_devices[i].major);
		json_i64(w, "minor", io->weight_devices[i].minor);
		config_write_u32(w, "weight", io->weight_devices[i].weight);
		config_write_u32(w, "leafWeight", io->weight_devices[i].leaf_weight);
		json_object_end(w);
	}
	json_list_end(w);
}

static void write_block_io(struct json_writer *w, const struct config_block_io *io)
{
	if (!io->weight.set && !io->leaf_weight.set && io->n_weight_devices == 0 &&
	    io->read_bps.n == 0 && io->write_bps.n == 0 && io->read_iops.n == 0 &&
	    io->write_iops.n == 0)
		return;
	json_object_begin(w, "blockIO");
	config_write_u32(w, "weight", io->weight);
	config_write_u32(w, "leafWeight", io->leaf_weight);
	write_weight_devices(w, io);
	write_throttle(w, "throttleReadBpsDevice", &io->read_bps);
	write_throttle(w, "throttleWriteBpsDevice", &io->write_bps);
	write_throttle(w, "throttleReadIOPSDevice", &io->read_iops);
	write_throttle(w, "throttleWriteIOPSDevice", &io->write_iops);
	json_object_end(w);
}

static void write_hugepages(struct json_writer *w, const struct config_resources *res)
{
	if (res->n_hugepage_limits == 0)
		return;
	json_list_begin(w, "hugepageLimits");
	for (size_t i = 0; i < res->n_hugepage_limits; i++) {
		json_object_begin(w, NULL);
		json_string(w, "pageSize", res->hugepage_limits[i].page_size);
		json_u64(w, "limit", res->hugepage_limits[i].limit);
		json_object_end(w);
	}
	json_list_end(w);
}

static void write_rdma(struct json_writer *w, const struct config_resources *res)
{
	if (res->n_rdma == 0)
		return;
	json_object_begin(w, "rdma");
	for (size_t i = 0; i < res->n_rdma; i++) {
		json_object_begin(w, res->rdma[i].device);
		config_write_u32(w, "hcaHandles", res->rdma[i].hca_handles);
		config_write_u32(w, "hcaObjects", res->rdma[i].hca_objects);
		json_object_end(w);
	}
	json_object_end(w);
}

void config_write_resources(struct json_writer *w, const char *key,
			    const struct config_resources *res)
{
	json_object_begin(w, key);
	write_device_rules(w, res);
	write_memory(w, &res->memory);
	write_cpu(w, &res->cpu);
	if (res->pids.present) {
		json_object_begin(w, "pids");
		config_write_i64(w, "limit", res->pids.limit);
		json_object_end(w);
	}
	write_block_io(w, &res->block_io);
	write_hugepages(w, res);
	write_rdma(w, res);
	if (res->unified.n > 0)
		json_string_map(w, "unified", &res->unified);
	json_object_end(w);
}
