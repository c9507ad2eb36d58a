/* linux.netDevices (config-linux.md, "Network Devices"). */
#include <sched.h>

#include "plan_internal.h"

int plan_net_devices(struct planner *p)
{
	const struct config_linux *l = &p->config->linux_;
	struct plan *plan = p->plan;

	if (l->n_net_devices == 0)
		return 0;
	if (!plan_namespace_is_own(plan, CLONE_NEWNET))
		return error_set(p->err,
				 "linux.netDevices.%s: a device can only be moved into a network "
				 "namespace of the container's own, and linux.namespaces has none",
				 l->net_devices[0].host_name);
	plan->n_net_devices = l->n_net_devices;
	plan->net_devices = arena_alloc(p->arena, l->n_net_devices * sizeof(*plan->net_devices));
	for (size_t i = 0; i < l->n_net_devices; i++) {
		const struct config_net_device *d = &l->net_devices[i];
		const char *name = d->name && *d->name ? d->name : d->host_name;

		plan->net_devices[i] = (struct net_device){.host_name = d->host_name, .name = name};
	}
	return 0;
}
