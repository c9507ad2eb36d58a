/* runtime-spec, features.md and features-linux.md: what the tables say that the code acts on. */
#include "commands.h"

#include "json_write.h"
#include "plan.h"
#include "seccomp.h"

static void words(struct json_writer *w, const char *key, const char *const *list)
{
	json_list_begin(w, key);
	for (; *list; list++)
		json_string(w, NULL, *list);
	json_list_end(w);
}

static void enabled(struct json_writer *w, const char *key, bool value)
{
	json_object_begin(w, key);
	json_bool(w, "enabled", value);
	json_object_end(w);
}

static void write_cgroup(struct json_writer *w)
{
	json_object_begin(w, "cgroup");
	json_bool(w, "v1", false);
	json_bool(w, "v2", true);
	json_bool(w, "systemd", true);
	json_bool(w, "systemdUser", true);
	json_bool(w, "rdma", true);
	json_object_end(w);
}

static void write_seccomp(struct json_writer *w)
{
	json_object_begin(w, "seccomp");
	json_bool(w, "enabled", true);
	words(w, "actions", seccomp_actions());
	words(w, "operators", seccomp_operators());
	words(w, "archs", seccomp_architectures());
	words(w, "knownFlags", seccomp_flags());
	words(w, "supportedFlags", seccomp_flags());
	json_object_end(w);
}

static void write_linux(struct json_writer *w)
{
	json_object_begin(w, "linux");
	words(w, "namespaces", plan_namespaces());
	words(w, "capabilities", plan_capabilities());
	write_cgroup(w);
	write_seccomp(w);
	enabled(w, "apparmor", true);
	enabled(w, "selinux", true);
	json_object_begin(w, "memoryPolicy");
	words(w, "modes", plan_memory_modes());
	words(w, "flags", plan_memory_flags());
	json_object_end(w);
	json_object_begin(w, "intelRdt");
	json_bool(w, "enabled", true);
	json_bool(w, "schemata", true);
	json_bool(w, "monitoring", true);
	json_object_end(w);
	json_object_begin(w, "mountExtensions");
	enabled(w, "idmap", true);
	json_object_end(w);
	enabled(w, "netDevices", true);
	json_object_end(w);
}

static void write_annotations(struct json_writer *w)
{
	/* What ends with a dot stands for all names that begin so (features.md). */
	static const char *const unsafe[] = {"io.runsafe.", "org.criu.config",
					     "org.systemd.property.", NULL};

	json_object_begin(w, "annotations");
	json_string(w, "io.runsafe.version", runsafe_version());
	json_string(w, "io.runsafe.commit", runsafe_commit());
	json_object_end(w);
	words(w, "potentiallyUnsafeConfigAnnotations", unsafe);
}

int features_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
		  struct error *err)
{
	static const struct option_spec specs[] = {{.name = NULL}};
	struct str_list arguments = {.n = 0};
	struct json_writer w;
	int result = command_arguments(arena, specs, argc, argv, 0, 0, &arguments, err);

	(void)options;
	if (result)
		return result < 0;
	json_start(&w, arena, true);
	json_object_begin(&w, NULL);
	json_string(&w, "ociVersionMin", "1.0.0");
	json_string(&w, "ociVersionMax", runsafe_spec_version());
	words(&w, "hooks", config_hook_names());
	words(&w, "mountOptions", plan_mount_options());
	write_linux(&w);
	write_annotations(&w);
	json_object_end(&w);
	fputs(json_finish(&w), stdout);
	return 0;
}
