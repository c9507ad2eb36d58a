/* Findings: what a policy changed, refused or noticed. */
#include <stdarg.h>

#include "policy_internal.h"

static void add(struct findings *f, enum finding_kind kind, const char *path, char *text)
{
	f->items = arena_grow(f->arena, f->items, f->n, sizeof(*f->items));
	f->items[f->n++] = (struct finding){
	    .kind = kind,
	    .path = arena_strdup(f->arena, path),
	    .text = text,
	};
}

void findings_add(struct findings *f, enum finding_kind kind, const char *path, const char *format,
		  ...)
{
	va_list args;

	va_start(args, format);
	add(f, kind, path, arena_vprintf(f->arena, format, args));
	va_end(args);
}

bool findings_have(const struct findings *f, enum finding_kind kind)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->items[i].kind == kind)
			return true;
	}
	return false;
}

void changed(struct apply *a, const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = arena_vprintf(a->arena, format, args);
	va_end(args);
	findings_add(a->findings, FINDING_CHANGED, path, "%s (policy %s)", text, a->policy.name);
}

void noted(struct apply *a, const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(a->findings, FINDING_NOTE, path, arena_vprintf(a->findings->arena, format, args));
	va_end(args);
}

int refuse(struct apply *a, const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = arena_vprintf(a->arena, format, args);
	va_end(args);
	if (a->collect) {
		findings_add(a->findings, FINDING_REFUSED, path, "%s (policy %s)", text,
			     a->policy.name);
		return 0;
	}
	/* --allow is no part of config.json. */
	const char *file = path[0] == '-' || a->no_file ? "" : "config.json: ";
	return error_set(a->err, "%s%s: %s (policy %s)", file, path, text, a->policy.name);
}
