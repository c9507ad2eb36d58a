/* libsystemd is loaded when the driver is asked for and not before: a host without systemd has
 * none. */
#include "library.h"

#include <dlfcn.h>
#include <string.h>

struct sd_library sd;
static void *library;

static const struct {
	const char *name;
	void *to;
} symbols[] = {
    {"sd_bus_new", &sd.new},
    {"sd_bus_set_address", &sd.set_address},
    {"sd_bus_set_bus_client", &sd.set_bus_client},
    {"sd_bus_start", &sd.start},
    {"sd_bus_open_system", &sd.open_system},
    {"sd_bus_flush_close_unref", &sd.flush_close_unref},
    {"sd_bus_message_new_method_call", &sd.new_method_call},
    {"sd_bus_message_append", &sd.append},
    {"sd_bus_message_append_array", &sd.append_array},
    {"sd_bus_message_open_container", &sd.open_container},
    {"sd_bus_message_close_container", &sd.close_container},
    {"sd_bus_message_read", &sd.read},
    {"sd_bus_message_unref", &sd.unref},
    {"sd_bus_call", &sd.call},
    {"sd_bus_add_match_async", &sd.add_match_async},
    {"sd_bus_process", &sd.process},
    {"sd_bus_wait", &sd.wait},
    {"sd_bus_error_free", &sd.error_free},
};

int sd_library_load(struct error *err)
{
	if (library)
		return 0;
	library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return error_set(err,
				 "the systemd cgroup driver needs the library libsystemd, and it "
				 "can not be loaded (%s): install it (Debian: libsystemd0), or use "
				 "--cgroup-manager cgroupfs",
				 dlerror());
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol) {
			library = NULL;
			return error_set(err,
					 "the systemd cgroup driver needs %s, which this "
					 "libsystemd.so.0 does not have: 237 or newer is needed",
					 symbols[i].name);
		}
		memcpy(symbols[i].to, &symbol, sizeof(symbol));
	}
	return 0;
}
