/* The five sets of capabilities(7). The masks are the plan's; the order is this file's. */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_internal.h"

int step_bounding_set(struct child *child, struct error *err)
{
	const struct plan_capabilities *caps = &child->plan->capabilities;

	for (unsigned long cap = 0; cap < 64; cap++) {
		if (!(caps->known >> cap & 1) || caps->bounding >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return error_errno(err, errno, "dropping capability %lu", cap);
	}
	return 0;
}

static int set_ambient(const struct plan_capabilities *caps, struct error *err)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_errno(err, errno, "clearing the ambient set");
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (!(caps->ambient >> cap & 1))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return error_errno(err, errno,
					   "raising ambient capability %lu (it has to be in the "
					   "permitted and inheritable sets)",
					   cap);
	}
	return 0;
}

int step_capabilities(struct child *child, struct error *err)
{
	const struct plan_capabilities *caps = &child->plan->capabilities;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int word = 0; word < 2; word++) {
		data[word] = (struct __user_cap_data_struct){
		    .effective = (uint32_t)(caps->effective >> (32 * word)),
		    .permitted = (uint32_t)(caps->permitted >> (32 * word)),
		    .inheritable = (uint32_t)(caps->inheritable >> (32 * word)),
		};
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return error_errno(err, errno,
				   "setting process.capabilities (a capability that the runtime "
				   "itself has not, or effective without permitted?)");
	return set_ambient(caps, err);
}
