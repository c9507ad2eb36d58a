/* Names to masks. What this kernel, libcap or the runtime itself does not have is a finding. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>

#include "fd.h"
#include "memory.h"
#include "plan_internal.h"

const char *const *plan_capabilities(void)
{
	static char names[64][32];
	static const char *list[65];
	size_t n = 0;

	for (cap_value_t cap = 0; cap < cap_max_bits() && cap < 64; cap++) {
		char *name = cap_to_name(cap);
		/* It has no other reason. A list that is too short would be believed. */
		if (!name)
			memory_is_out();
		if (strncmp(name, "cap_", 4) != 0) {
			cap_free(name);
			continue;
		}
		for (size_t i = 0; i < sizeof(names[n]) - 1 && name[i]; i++)
			names[n][i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A'
									      : name[i]);
		cap_free(name);
		list[n] = names[n];
		n++;
	}
	list[n] = NULL;
	return list;
}

struct sets {
	struct planner *p;
	uint64_t known; /* of the kernel */
	uint64_t own;	/* what the runtime may hand on */
};

/* Not cap_max_bits(3), which asks the kernel by trial, and takes any error for the end: what is
 * left out here would stay in the workload's bounding set. */
static int known_capabilities(struct planner *p, uint64_t *known)
{
	char *text, *end;

	if (file_read_all(p->arena, p->plan->proc, "sys/kernel/cap_last_cap", 64, &text, NULL) < 0)
		return error_errno(p->err, errno, "reading /proc/sys/kernel/cap_last_cap");
	const unsigned long last = strtoul(text, &end, 10);
	if (end == text || last > 63)
		return error_set(p->err,
				 "/proc/sys/kernel/cap_last_cap: expected a number up to 63, got "
				 "\"%.20s\"",
				 text);
	*known = UINT64_MAX >> (63 - last);
	return 0;
}

static int own_permitted(struct planner *p, uint64_t known, uint64_t *own)
{
	cap_t caps = cap_get_proc();

	*own = 0;
	if (!caps)
		return error_errno(p->err, errno, "reading the runtime's own capabilities");
	for (cap_value_t cap = 0; cap < 64; cap++) {
		cap_flag_value_t has = CAP_CLEAR;
		if (!(known >> cap & 1) || cap_get_flag(caps, cap, CAP_PERMITTED, &has) < 0 ||
		    has != CAP_SET)
			continue;
		const int bound = cap_get_bound(cap);
		if (bound < 0) {
			cap_free(caps);
			return error_errno(p->err, errno, "reading the runtime's bounding set");
		}
		*own |= (uint64_t)bound << cap;
	}
	cap_free(caps);
	/* A new or joined user namespace brings all of them. */
	if (p->plan->user_namespace)
		*own = known;
	return 0;
}

static uint64_t mask_of(const struct sets *s, const struct str_list *names, const char *set)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < names->n; i++) {
		struct planner *p = s->p;
		const char *path = arena_printf(p->arena, "process.capabilities.%s[%zu]", set, i);
		cap_value_t cap;

		if (cap_from_name(names->items[i], &cap) < 0 || cap < 0 || cap >= 64 ||
		    !(s->known >> cap & 1)) {
			findings_add(p->findings, FINDING_NOTE, path,
				     "this kernel does not know \"%s\": passed over",
				     names->items[i]);
			continue;
		}
		if (!(s->own >> cap & 1)) {
			findings_add(p->findings, FINDING_NOTE, path,
				     "the runtime itself does not have %s: passed over",
				     names->items[i]);
			continue;
		}
		mask |= (uint64_t)1 << cap;
	}
	return mask;
}

int plan_capability_sets(struct planner *p)
{
	const struct config_capabilities *c = &p->config->process.capabilities;
	struct plan_capabilities *out = &p->plan->capabilities;
	struct sets s = {.p = p};

	if (known_capabilities(p, &s.known) < 0)
		return -1;
	out->known = s.known;
	/* Nothing said means none: an absent object leaves no set to keep (config.md, "Linux
	 * Process"). */
	if (c->bounding.n + c->effective.n + c->inheritable.n + c->permitted.n + c->ambient.n == 0)
		return 0;
	if (own_permitted(p, s.known, &s.own) < 0)
		return -1;
	out->bounding = mask_of(&s, &c->bounding, "bounding");
	out->permitted = mask_of(&s, &c->permitted, "permitted");
	out->inheritable = mask_of(&s, &c->inheritable, "inheritable");
	out->effective = mask_of(&s, &c->effective, "effective");
	uint64_t ambient = mask_of(&s, &c->ambient, "ambient");
	/* capabilities(7): ambient is at most what is both permitted and inheritable. */
	out->ambient = ambient & out->permitted & out->inheritable;
	if (out->ambient != ambient)
		findings_add(p->findings, FINDING_NOTE, "process.capabilities.ambient",
			     "what is not permitted and inheritable too was left out");
	return 0;
}
