/* A config.json put together from parts, and a policy applied to it, for test_policy_*.c. */
#ifndef RUNSAFE_TESTS_POLICY_HELP_H
#define RUNSAFE_TESTS_POLICY_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "policy.h"

/* One word each for the whole members of config.json; NULL is a hardened value. */
struct parts {
	const char *root;
	const char *user; /* "\"user\": {...}," or "" */
	const char *env;  /* "\"HOME=/root\"" */
	const char *capabilities;
	const char *no_new_privileges;
	const char *namespaces; /* "\"namespaces\": [...]," or "" */
	const char *resources;
	const char *paths;
	const char *more_linux; /* ", \"sysctl\": {}" */
	const char *mounts;
	const char *annotations;
};

#define SIX                                                                                        \
	"{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"         \
	"{\"type\":\"mount\"},{\"type\":\"cgroup\"}"
#define LIMITS                                                                                     \
	"\"memory\":{\"limit\":536870912,\"swap\":536870912},"                                     \
	"\"cpu\":{\"quota\":50000,\"period\":100000},\"pids\":{\"limit\":100}"
#define USUAL_PATHS                                                                                \
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/interrupts\",\"/proc/kcore\","   \
	"\"/proc/keys\",\"/proc/latency_stats\",\"/proc/sched_debug\",\"/proc/scsi\","             \
	"\"/proc/timer_list\",\"/proc/timer_stats\",\"/sys/devices/virtual/powercap\","            \
	"\"/sys/firmware\"],\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\","          \
	"\"/proc/sys\",\"/proc/sysrq-trigger\"]"

static inline const char *or_else(const char *text, const char *other)
{
	return text != NULL ? text : other;
}

static inline char *config_text(struct arena *arena, const struct parts *p)
{
	return arena_printf(
	    arena,
	    "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\",%s},\"process\":{%s"
	    "\"args\":[\"sh\"],\"cwd\":\"/\",\"env\":[%s],\"capabilities\":{%s},"
	    "\"noNewPrivileges\":%s},\"mounts\":[%s],\"annotations\":{%s},"
	    "\"linux\":{%s\"resources\":{%s},%s%s}}",
	    or_else(p->root, "\"readonly\":true"),
	    or_else(p->user, "\"user\":{\"uid\":1000,\"gid\":1000},"),
	    or_else(p->env, "\"HOME=/home/app\""), or_else(p->capabilities, ""),
	    or_else(p->no_new_privileges, "true"), or_else(p->mounts, ""),
	    or_else(p->annotations, ""), or_else(p->namespaces, "\"namespaces\":[" SIX "],"),
	    or_else(p->resources, LIMITS), or_else(p->paths, USUAL_PATHS),
	    or_else(p->more_linux, ""));
}

/* What became of it. */
struct outcome {
	int result;
	struct config cfg;
	struct hardening hard;
	struct findings findings;
	struct error err;
};

static struct arena test_arena;

static inline const struct policy *policy_from(const char *label, const char *text)
{
	struct error err = ERROR_INIT;
	const struct policy *policy = policy_parse(&test_arena, label, text, strlen(text), &err);

	if (policy == NULL)
		fail_msg("%s", err.text);
	return policy;
}

/* A built-in policy by name, or a policy's own text. */
static inline const struct policy *policy_of(const char *name)
{
	size_t length = 0;
	const char *text = name[0] == '{' ? name : policy_builtin_text(name, &length);

	assert_non_null(text);
	return policy_from(name[0] == '{' ? "test.json" : name, text);
}

/* allow: NULL-ended texts of --allow, or NULL. */
static inline struct outcome *apply_to(const char *policy, const struct parts *parts,
				       const char *const *allow, bool collect)
{
	struct outcome *o = arena_alloc(&test_arena, sizeof(*o));
	char *text = config_text(&test_arena, parts);
	struct policy_setting settings[8];
	struct policy_input in = {.policy = policy_of(policy), .allow = settings};

	for (; allow != NULL && allow[in.n_allow] != NULL; in.n_allow++) {
		if (policy_parse_allow(&test_arena, allow[in.n_allow], &settings[in.n_allow],
				       &o->err) < 0)
			fail_msg("%s", o->err.text);
	}
	o->findings.arena = &test_arena;
	if (config_parse(&test_arena, "config.json", text, strlen(text), &o->cfg, &o->err) < 0)
		fail_msg("%s", o->err.text);
	o->result =
	    policy_apply(&test_arena, &in, collect, &o->cfg, &o->hard, &o->findings, &o->err);
	return o;
}

static inline struct outcome *accepted(const char *policy, const struct parts *parts,
				       const char *allow)
{
	const char *const list[] = {allow, NULL};
	struct outcome *o = apply_to(policy, parts, list, false);

	if (o->result != 0)
		fail_msg("policy %s: %s", policy, o->err.text);
	return o;
}

/* Expects a refusal whose message has part in it, with and without collecting. */
static inline void refused(const char *policy, const struct parts *parts, const char *allow,
			   const char *part)
{
	const char *const list[] = {allow, NULL};
	struct outcome *o = apply_to(policy, parts, list, false);

	if (o->result == 0)
		fail_msg("policy %s refused nothing; expected: %s", policy, part);
	if (strstr(o->err.text, part) == NULL)
		fail_msg("policy %s: expected \"%s\" in \"%s\"", policy, part, o->err.text);
	o = apply_to(policy, parts, list, true);
	assert_int_equal(o->result, 0);
	assert_true(findings_have(&o->findings, FINDING_REFUSED));
}

static inline const struct finding *finding_at(const struct outcome *o, enum finding_kind kind,
					       const char *path)
{
	for (size_t i = 0; i < o->findings.n; i++) {
		if (o->findings.items[i].kind == kind &&
		    strcmp(o->findings.items[i].path, path) == 0)
			return &o->findings.items[i];
	}
	return NULL;
}

/* Expects a change at that path, and returns what it says. */
static inline const char *change_at(const struct outcome *o, const char *path)
{
	const struct finding *finding = finding_at(o, FINDING_CHANGED, path);

	if (finding == NULL)
		fail_msg("no change at %s was found", path);
	return finding != NULL ? finding->text : "";
}

static inline void unchanged(const struct outcome *o)
{
	for (size_t i = 0; i < o->findings.n; i++) {
		if (o->findings.items[i].kind != FINDING_NOTE)
			fail_msg("%s: %s", o->findings.items[i].path, o->findings.items[i].text);
	}
}

static inline int free_arena(void **state)
{
	(void)state;
	arena_free(&test_arena);
	return 0;
}

#endif
