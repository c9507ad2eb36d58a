/* A planner in front of a rootfs of its own, for test_plan_*.c: each test fills in what matters. */
#ifndef RUNSAFE_TESTS_PLAN_HELP_H
#define RUNSAFE_TESTS_PLAN_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/plan/plan_internal.h"
#include "kernel.h"

struct planning {
	struct arena arena;
	struct config config;
	struct hardening hardening;
	struct plan_input in;
	struct plan plan;
	struct findings findings;
	struct error err;
	struct planner p;
	char dir[64]; /* holds rootfs/ */
};

static inline int planning_start(void **state)
{
	static struct planning planning;
	struct planning *t = &planning;

	*t = (struct planning){.dir = "/tmp/runsafe-plan.XXXXXX"};
	*state = t;
	if (!mkdtemp(t->dir))
		return -1;
	t->in = (struct plan_input){
	    .config = &t->config,
	    .hardening = &t->hardening,
	    .id = "unit",
	    .bundle = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    .bundle_path = t->dir,
	};
	mkdirat(t->in.bundle, "rootfs", 0755);
	t->config.root.path = arena_strdup(&t->arena, "rootfs");
	t->hardening.policy = arena_strdup(&t->arena, "default");
	t->findings.arena = &t->arena;
	t->plan.rootfs_tree = t->plan.gate = t->plan.report = t->plan.target = -1;
	t->plan.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	t->p = (struct planner){
	    .arena = &t->arena,
	    .in = &t->in,
	    .config = &t->config,
	    .hardening = &t->hardening,
	    .plan = &t->plan,
	    .findings = &t->findings,
	    .err = &t->err,
	    .rootfs = openat(t->in.bundle, "rootfs", O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	return t->p.rootfs < 0 || t->plan.proc < 0 ? -1 : 0;
}

static inline int planning_unlink(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int planning_end(void **state)
{
	struct planning *t = *state;

	plan_places_end(&t->p);
	plan_close(&t->plan);
	close(t->p.rootfs);
	close(t->in.bundle);
	nftw(t->dir, planning_unlink, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	arena_free(&t->arena);
	return 0;
}

/* Whether this process may make mounts; where not, the test that asks is skipped. */
static inline void needs_root(void)
{
	if (geteuid() != 0)
		skip();
}

static inline struct str_list words_of(struct arena *arena, const char *const *words)
{
	struct str_list list = {0};

	for (; *words; words++)
		str_list_add(arena, &list, arena_strdup(arena, *words));
	return list;
}

#define WORDS(arena, ...) words_of(arena, (const char *const[]){__VA_ARGS__, NULL})

/* Expects -1 and all of part in the message. */
static inline void assert_failed(const struct planning *t, int result, const char *part)
{
	if (result != -1)
		fail_msg("nothing failed; expected: %s", part);
	if (!strstr(t->err.text, part))
		fail_msg("expected \"%s\" in \"%s\"", part, t->err.text);
}

static inline void assert_done(const struct planning *t, int result)
{
	if (result != 0)
		fail_msg("%s", t->err.text);
}

static inline struct config_mount *mount_add(struct planning *t, const char *destination,
					     const char *type, const char *source)
{
	struct config *c = &t->config;

	c->mounts = arena_grow(&t->arena, c->mounts, c->n_mounts, sizeof(*c->mounts));
	struct config_mount *m = &c->mounts[c->n_mounts++];
	m->destination = arena_strdup(&t->arena, destination);
	m->type = arena_strdup(&t->arena, type);
	m->source = arena_strdup(&t->arena, source);
	return m;
}

static inline void namespace_add(struct planning *t, const char *type, const char *path)
{
	struct config_linux *l = &t->config.linux_;

	l->namespaces =
	    arena_grow(&t->arena, l->namespaces, l->n_namespaces, sizeof(*l->namespaces));
	l->namespaces[l->n_namespaces++] = (struct config_namespace){
	    .type = arena_strdup(&t->arena, type), .path = arena_strdup(&t->arena, path)};
}

/* A file in the rootfs. */
static inline void rootfs_file(const struct planning *t, const char *path, const char *text)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/rootfs%s", t->dir, path);
	*strrchr(full, '/') = '\0';
	mkdir(full, 0755);
	full[strlen(full)] = '/';
	FILE *file = fopen(full, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static inline void rootfs_link(const struct planning *t, const char *path, const char *target)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/rootfs%s", t->dir, path);
	assert_int_equal(symlink(target, full), 0);
}

static inline void rootfs_dir(const struct planning *t, const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/rootfs%s", t->dir, path);
	assert_int_equal(mkdir(full, 0755), 0);
}

#endif
