/* Namespaces that a container joined: criu shall neither dump them nor make new ones. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "criu.h"
#include "fd.h"

static const struct {
	const char *type; /* linux.namespaces[].type */
	const char *file; /* in /proc/PID/ns, and in criu's name for it */
	const char *key;  /* the name that restore gives its own by; NULL: criu can't */
} kinds[] = {
    {"network", "net", "extRootNetNS"},
    {"pid", "pid", "extRootPidNS"},
    {"mount", "mnt", NULL},
    {"ipc", "ipc", NULL},
    {"uts", "uts", NULL},
    {"user", "user", NULL},
    {"cgroup", "cgroup", NULL},
    {"time", "time", NULL},
};

static const struct config_namespace *by_path(const struct config *config, const char *type)
{
	const struct config_linux *l = &config->linux_;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		const struct config_namespace *ns = &l->namespaces[i];
		if (strcmp(ns->type, type) == 0 && ns->path && *ns->path)
			return ns;
	}
	return NULL;
}

const char *criu_namespace_key(const char *type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].type, type) == 0)
			return kinds[i].key;
	}
	return NULL;
}

int criu_external_namespaces(const struct config *config, const struct container_state *state,
			     struct wire *opts, struct error *err)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char path[64];
		struct stat st;

		if (!by_path(config, kinds[i].type))
			continue;
		if (!kinds[i].key)
			return error_set(err,
					 "linux.namespaces: it shares the %s namespace of others "
					 "by path, which criu can not keep",
					 kinds[i].type);
		if (!state)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)state->pid, kinds[i].file);
		if (stat(path, &st) < 0)
			return error_errno(err, errno, "looking at the container's %s namespace",
					   kinds[i].type);
		wire_text(opts, CRIU_EXTERNAL,
			  arena_printf(opts->arena, "%s[%lu]:%s", kinds[i].file,
				       (unsigned long)st.st_ino, kinds[i].key));
	}
	return 0;
}
