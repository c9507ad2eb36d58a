/* config-linux.md: "Network devices". */
#include <ctype.h>
#include <net/if.h>
#include <string.h>

#include "config_internal.h"

#define MAX_DEVICES 4096 /* more than one host has */

static const struct json_field net_device_fields[] = {
    FIELD(config_net_device, name, "name", JSON_STRING, .flags = JSON_EMPTY_ABSENT),
    FIELDS_END,
};

const struct json_table config_net_device_table = {
    .size = sizeof(struct config_net_device),
    .fields = net_device_fields,
    .present_offset = JSON_NO_OFFSET,
    .key_offset = offsetof(struct config_net_device, host_name),
};

/* As the kernel's dev_valid_name() has it. */
static bool is_interface_name(const char *name)
{
	if (name[0] == '\0' || strlen(name) >= IFNAMSIZ || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return false;
	for (; *name; name++) {
		if (*name == '/' || *name == ':' || isspace((unsigned char)*name))
			return false;
	}
	return true;
}

/* In a template one %d stands for the first free number; the kernel takes no other %. */
static bool is_template_or_plain(const char *name)
{
	const char *percent = strchr(name, '%');

	return !percent || (percent[1] == 'd' && !strchr(percent + 1, '%'));
}

static const char *name_inside(const struct config_net_device *device)
{
	return device->name ? device->name : device->host_name;
}

static int check_one(const struct config_check *c, const struct config_net_device *device)
{
	if (!is_interface_name(device->host_name) || strchr(device->host_name, '%'))
		return config_wrong(c,
				    "netDevices: expected names of network interfaces (1 to 15 "
				    "bytes without blanks, / : and %%), got %s",
				    json_shown(c->arena, device->host_name));
	if (is_interface_name(name_inside(device)) && is_template_or_plain(name_inside(device)))
		return 0;
	return config_wrong(
	    c,
	    "netDevices.%s.name: expected a name of 1 to 15 bytes without blanks, / "
	    "and :, with at most one %%d, got %s",
	    device->host_name, json_shown(c->arena, device->name));
}

int config_check_net_devices(const struct config_check *c, const struct config_linux *linux_)
{
	/* Each is compared with all others. */
	if (linux_->n_net_devices > MAX_DEVICES)
		return config_wrong(c, "netDevices: expected at most %d devices, got %zu",
				    MAX_DEVICES, linux_->n_net_devices);
	for (size_t i = 0; i < linux_->n_net_devices; i++) {
		const struct config_net_device *device = &linux_->net_devices[i];

		if (check_one(c, device) < 0)
			return -1;
		if (strchr(name_inside(device), '%'))
			continue;
		for (size_t j = 0; j < i; j++) {
			const struct config_net_device *other = &linux_->net_devices[j];

			if (strcmp(name_inside(other), name_inside(device)) == 0)
				return config_wrong(c,
						    "netDevices.%s.name: expected each name once, "
						    "got %s again (it is %s's)",
						    device->host_name, name_inside(device),
						    other->host_name);
		}
	}
	return 0;
}
