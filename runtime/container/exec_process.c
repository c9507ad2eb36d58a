/* What exec is asked to run: a process object from a file, or the container's own with changes. */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"
#include "json_read.h"
#include "keys.h"

/* Digits only: "1000x", "+5", " 7", "" and what is beyond 32 bits are no ids (CVE-2026-30892,
 * CVE-2024-40635). 4294967295 is -1 to setuid(2). */
static int parse_id(const char *text, size_t length, uint32_t *id)
{
	uint64_t value = 0;

	if (length == 0 || length > 10)
		return -1;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	if (value >= UINT32_MAX)
		return -1;
	*id = (uint32_t)value;
	return 0;
}

static int set_user(const char *text, struct config_user *user, struct error *err)
{
	size_t length = strcspn(text, ":");
	const char *group = text[length] ? text + length + 1 : NULL;

	if (parse_id(text, length, &user->uid) < 0 ||
	    (group && parse_id(group, strlen(group), &user->gid) < 0))
		return error_set(err,
				 "--user: expected UID or UID:GID, whole numbers from 0 to "
				 "4294967294, got \"%s\" (names are the engine's to look up)",
				 text);
	return 0;
}

static int add_groups(struct arena *arena, const struct str_list *texts, struct u32_list *groups,
		      struct error *err)
{
	uint32_t *items = arena_alloc(arena, (groups->n + texts->n + 1) * sizeof(*items));

	for (size_t i = 0; i < groups->n; i++)
		items[i] = groups->items[i];
	for (size_t i = 0; i < texts->n; i++) {
		if (parse_id(texts->items[i], strlen(texts->items[i]), &items[groups->n + i]) < 0)
			return error_set(err,
					 "--additional-gids: expected a whole number from 0 to "
					 "4294967294, got \"%s\"",
					 texts->items[i]);
	}
	groups->items = items;
	groups->n += texts->n;
	return 0;
}

/* As env_set() one by one: the first of a name is replaced, later ones go, a new one is appended.
 */
static int add_environment(struct arena *arena, const struct str_list *added, struct str_list *env,
			   struct error *err)
{
	cleanup_keys struct keys names = {0}; /* numbers of added, from 1; 0: it is placed */
	struct str_list all = {.n = 0};

	for (size_t i = 0; i < added->n; i++) {
		const char *equals = strchr(added->items[i], '=');

		if (!equals || equals == added->items[i])
			return error_set(err, "--env: expected NAME=value, got \"%s\"",
					 added->items[i]);
		*keys_at(arena, &names, added->items[i], (size_t)(equals - added->items[i])) =
		    i + 1;
	}
	for (size_t i = 0; i < env->n + added->n; i++) {
		char *entry = i < env->n ? env->items[i] : added->items[i - env->n];
		size_t length = strcspn(entry, "=");
		const size_t *known = keys_find(&names, entry, length);

		if (!known || !entry[length]) {
			str_list_add(arena, &all, entry);
			continue;
		}
		size_t *last = keys_at(arena, &names, entry, length);
		if (*last)
			str_list_add(arena, &all, added->items[*last - 1]);
		*last = 0;
	}
	*env = all;
	return 0;
}

static void add_to(struct arena *arena, struct str_list *set, const struct str_list *added)
{
	struct str_list all = {.n = 0};

	for (size_t i = 0; i < set->n; i++)
		str_list_add(arena, &all, set->items[i]);
	for (size_t i = 0; i < added->n; i++) {
		if (!str_list_has(&all, added->items[i]))
			str_list_add(arena, &all, added->items[i]);
	}
	*set = all;
}

/* A user other than root loses at execve(2) what is not ambient. */
static void add_capabilities(struct arena *arena, const struct str_list *added,
			     struct config_process *process)
{
	struct config_capabilities *c = &process->capabilities;

	if (added->n == 0)
		return;
	c->present = true;
	add_to(arena, &c->bounding, added);
	add_to(arena, &c->permitted, added);
	add_to(arena, &c->effective, added);
	if (process->user.uid == 0)
		return;
	add_to(arena, &c->inheritable, added);
	add_to(arena, &c->ambient, added);
}

/*
 * Standard input is read once more where this program executes itself again (container/seal.c): a
 * pipe's content is kept in a file for that. The process finds it at its end, as it would have.
 */
static int keep_input(const char *text, size_t length)
{
	if (lseek(0, 0, SEEK_CUR) >= 0)
		return 0;
	cleanup_fd int copy = memfd_create("process", MFD_CLOEXEC);
	if (copy < 0 || fd_write_all(copy, text, length) < 0)
		return -1;
	return dup2(copy, 0) < 0 ? -1 : 0;
}

void exec_process_again(const struct exec_options *exec)
{
	if (exec->process_file && strcmp(exec->process_file, "-") == 0)
		(void)lseek(0, 0, SEEK_SET);
}

/* What the object leaves open is the container's, as runc has it. */
static int read_file(struct arena *arena, const char *path, const struct config_process *own,
		     struct config_process *out, struct error *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	cleanup_fd int fd = is_stdin ? dup(0) : open(path, O_RDONLY | O_CLOEXEC);
	size_t length;
	char *text;

	if (fd < 0 || fd_read_all(arena, fd, JSON_MAX_BYTES, &text, &length) < 0 ||
	    (is_stdin && keep_input(text, length) < 0))
		return error_errno(err, errno, "--process: reading %s", path);
	if (config_parse_process(arena, is_stdin ? "standard input" : path, text, length, out,
				 err) < 0)
		return error_wrap(err, "--process");
	if (!out->capabilities.present)
		out->capabilities = own->capabilities;
	if (out->n_rlimits == 0) {
		out->rlimits = own->rlimits;
		out->n_rlimits = own->n_rlimits;
	}
	if (!out->apparmor_profile)
		out->apparmor_profile = own->apparmor_profile;
	if (!out->selinux_label)
		out->selinux_label = own->selinux_label;
	if (!out->oom_score_adj.set)
		out->oom_score_adj = own->oom_score_adj;
	if (!out->scheduler)
		out->scheduler = own->scheduler;
	if (!out->io_priority)
		out->io_priority = own->io_priority;
	return 0;
}

static int from_options(struct arena *arena, const struct exec_options *exec,
			struct config_process *out, struct error *err)
{
	out->terminal = exec->terminal;
	out->console_size.present = false;
	out->args = exec->args;
	if (exec->cwd)
		out->cwd = arena_strdup(arena, exec->cwd);
	if (!out->cwd || out->cwd[0] != '/')
		return error_set(err, "--cwd: expected an absolute path, got \"%s\"",
				 out->cwd ? out->cwd : "");
	if (exec->user && set_user(exec->user, &out->user, err) < 0)
		return -1;
	if (exec->no_new_privileges_set)
		out->no_new_privileges = exec->no_new_privileges;
	if (exec->apparmor)
		out->apparmor_profile = arena_strdup(arena, exec->apparmor);
	if (exec->process_label)
		out->selinux_label = arena_strdup(arena, exec->process_label);
	if (add_groups(arena, &exec->additional_gids, &out->user.additional_gids, err) < 0 ||
	    add_environment(arena, &exec->env, &out->env, err) < 0)
		return -1;
	add_capabilities(arena, &exec->capabilities, out);
	return 0;
}

int exec_process(struct arena *arena, const struct exec_options *exec,
		 const struct config_process *own, struct config_process *out, struct error *err)
{
	*out = *own;
	if (!exec->process_file)
		return from_options(arena, exec, out, err);
	if (read_file(arena, exec->process_file, own, out, err) < 0)
		return -1;
	if (exec->terminal_set)
		out->terminal = exec->terminal;
	return 0;
}
