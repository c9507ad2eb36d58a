/* AppArmor and SELinux: what a kernel can't apply is refused here, before a child exists. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "plan_internal.h"

#define UNCONFINED "unconfined"

/* Only the root of AppArmor's policy namespace may read the parameter: what can't be read is taken
 * as on, and the write of the profile tells. */
static bool apparmor_is_on(struct planner *p)
{
	char *text;

	if (file_read_all(p->arena, AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 64, &text,
			  NULL) < 0)
		return errno != ENOENT && errno != ENOTDIR;
	return text[0] == 'Y';
}

/* Only a kernel that runs with SELinux registers its file system. */
static bool selinux_is_on(struct planner *p)
{
	char *text;

	if (file_read_all(p->arena, p->plan->proc, "filesystems", 1 << 20, &text, NULL) < 0)
		return false;
	return strstr(text, "\tselinuxfs\n");
}

/* One word for one write: a line break would end it early. */
static int check_word(struct planner *p, const char *path, const char *text)
{
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 127)
			return error_set(p->err, "%s: expected no control characters in it", path);
	}
	return 0;
}

static int plan_apparmor(struct planner *p)
{
	const char *profile = p->config->process.apparmor_profile;

	if (!profile || !*profile)
		return 0;
	if (check_word(p, "process.apparmorProfile", profile) < 0)
		return -1;
	if (apparmor_is_on(p)) {
		p->plan->apparmor_profile = profile;
		return 0;
	}
	/* Without AppArmor everything is. */
	if (strcmp(profile, UNCONFINED) == 0)
		return 0;
	return error_set(
	    p->err,
	    "process.apparmorProfile: \"%s\" can not be applied: this kernel runs "
	    "without AppArmor (/sys/module/apparmor/parameters/enabled); leave it out, "
	    "or boot with apparmor=1 security=apparmor",
	    profile);
}

static int need_selinux(struct planner *p, const char *path, const char *label)
{
	if (check_word(p, path, label) < 0)
		return -1;
	if (selinux_is_on(p))
		return 0;
	return error_set(
	    p->err,
	    "%s: \"%s\" can not be applied: this kernel runs without SELinux "
	    "(/proc/filesystems has no selinuxfs); leave it out, or boot with selinux=1",
	    path, label);
}

int plan_lsm(struct planner *p)
{
	const char *label = p->config->process.selinux_label;

	if (plan_apparmor(p) < 0)
		return -1;
	if (!label || !*label)
		return 0;
	p->plan->selinux_label = label;
	return need_selinux(p, "process.selinuxLabel", label);
}

/* proc, sysfs and cgroup2 are labelled by the policy (genfscon), and their one superblock for all
 * takes no context of one mount's. mqueue gets its label once it is mounted. */
static bool takes_context(const struct plan_mount *m)
{
	static const char *const without[] = {"proc", "sysfs", "cgroup2", "mqueue"};

	if (m->kind != PLAN_MOUNT_NEW)
		return false;
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		if (strcmp(m->type, without[i]) == 0)
			return false;
	}
	/* What the mount's own options say is closer to the point. */
	return !str_map_get(&m->data, "context");
}

static void label_mount(struct planner *p, struct plan_mount *m, const char *label)
{
	m->data.items = arena_grow(p->arena, m->data.items, m->data.n, sizeof(*m->data.items));
	m->data.items[m->data.n++] = (struct str_pair){.key = arena_strdup(p->arena, "context"),
						       .value = arena_strdup(p->arena, label)};
	/* Quoted: a label has commas of its own (mount(8), "context"). */
	m->data_text =
	    arena_printf(p->arena, "%s%scontext=\"%s\"", m->data_text ? m->data_text : "",
			 m->data_text ? "," : "", label);
}

int plan_mount_label(struct planner *p)
{
	const char *label = p->config->linux_.mount_label;

	if (!label || !*label)
		return 0;
	if (need_selinux(p, "linux.mountLabel", label) < 0)
		return -1;
	return plan_label_mounts(p, label);
}

int plan_label_mounts(struct planner *p, const char *label)
{
	/* It goes into the text of mount(2) between quotes. */
	if (strchr(label, '"'))
		return error_set(p->err, "linux.mountLabel: expected no quotes in it, got %s",
				 label);
	p->plan->mount_label = label;
	for (size_t i = 0; i < p->plan->n_mounts; i++) {
		if (takes_context(&p->plan->mounts[i]))
			label_mount(p, &p->plan->mounts[i], label);
	}
	return 0;
}
