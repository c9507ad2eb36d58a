/* linux.netDevices: given to the container as long as it is being made, and then its own. */
#include "fd.h"
#include "launch.h"

int launch_move_net_devices(struct launch *l, struct error *err)
{
	int namespace = l->sandbox.network;

	if (net_devices_move(l->arena, l->plan.net_devices, l->plan.n_net_devices, namespace,
			     &l->net_move, err) < 0)
		return -1;
	fd_cleanup(&l->sandbox.network);
	return sandbox_continue(&l->sandbox, err);
}
