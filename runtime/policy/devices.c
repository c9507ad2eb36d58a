/* Which devices the workload can reach. */
#include <string.h>

#include "policy_internal.h"

/* config-linux.md, "Default Devices"; Documentation/admin-guide/devices.txt has the numbers.
 * -1: any, as the pts have. */
static const struct {
	const char *path;
	int64_t major;
	int64_t minor;
} usual[] = {
    {"/dev/null", 1, 3},    {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8},  {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
    {"/dev/console", 5, 1}, {"/dev/ptmx", 5, 2},    {"/dev/pts", 136, -1},
};
#define N_USUAL (sizeof(usual) / sizeof(usual[0]))

static bool is_usual(const char *path, const char *type, int64_t major, int64_t minor)
{
	if (!word_is(type, "c") && !word_is(type, "u"))
		return false;
	for (size_t i = 0; i < N_USUAL; i++) {
		if (usual[i].major == major && (usual[i].minor == minor || usual[i].minor == -1) &&
		    (path == NULL || strcmp(path, usual[i].path) == 0))
			return true;
	}
	return false;
}

static void keep_allowed_devices(struct apply *a)
{
	struct config_linux *l = &a->cfg->linux_;
	struct config_device *left = NULL;
	size_t n = 0;

	for (size_t i = 0; i < l->n_devices; i++) {
		const struct config_device *d = &l->devices[i];
		char *path = path_normal(a->arena, d->path);

		if (path != NULL && str_list_has(&a->policy.devices.allow, path)) {
			left = arena_grow(a->arena, left, n, sizeof(*left));
			left[n++] = *d;
		} else if (!is_usual(path, d->type, d->major, d->minor)) {
			changed(a, arena_printf(a->arena, "linux.devices[%zu]", i),
				"%s: left out (--allow device=%s would keep it)", d->path, d->path);
		}
	}
	l->devices = left;
	l->n_devices = n;
}

/* Whether a device that stays is the one that the rule is for. */
static bool is_kept(const struct config_linux *l, const struct config_device_rule *rule)
{
	for (size_t i = 0; i < l->n_devices; i++) {
		const struct config_device *d = &l->devices[i];
		const char *type = word_is(d->type, "u") ? "c" : d->type;

		if (word_is(type, rule->type != NULL ? rule->type : "a") &&
		    d->major == rule->major.value && d->minor == rule->minor.value)
			return true;
	}
	return false;
}

/* Whether the rule lets something be read or written that the workload will not reach. */
static bool reaches_further(const struct config_linux *l, const struct config_device_rule *rule)
{
	int64_t major = rule->major.set ? rule->major.value : -1;
	int64_t minor = rule->minor.set ? rule->minor.value : -1;

	if (!rule->allow || word_is(rule->access, "m"))
		return false;
	return !is_usual(NULL, rule->type, major, minor) && !is_kept(l, rule);
}

static char *number_text(struct arena *arena, struct opt_i64 number)
{
	if (!number.set || number.value < 0)
		return arena_strdup(arena, "*");
	return arena_printf(arena, "%lld", (long long)number.value);
}

static void drop_rules(struct apply *a)
{
	struct config_resources *r = &a->cfg->linux_.resources;

	for (size_t i = 0; i < r->n_devices; i++) {
		const struct config_device_rule *rule = &r->devices[i];

		if (reaches_further(&a->cfg->linux_, rule))
			changed(a, arena_printf(a->arena, "linux.resources.devices[%zu]", i),
				"%s %s:%s allowed: only the usual devices are",
				rule->type != NULL ? rule->type : "a",
				number_text(a->arena, rule->major),
				number_text(a->arena, rule->minor));
	}
	r->devices = NULL;
	r->n_devices = 0;
}

int rule_devices(struct apply *a)
{
	a->out->restrict_devices = !a->policy.devices.as_written.value;
	if (!a->out->restrict_devices)
		return 0;
	keep_allowed_devices(a);
	drop_rules(a);
	return 0;
}
