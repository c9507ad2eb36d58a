#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"
#include "fd.h"
#include "json_read.h"
#include "kernel.h"
#include "launch.h"

#define SYSTEM_FOLDER	"/etc/runsafe"
#define SYSTEM_POLICY	SYSTEM_FOLDER "/policy.json"
#define BUILTIN_DEFAULT "default"
#define PROGRAM_PREFIX	"runsafe-"

struct choice {
	const char *label; /* for messages */
	const char *text;
	size_t length;
};

static bool take_builtin(const char *name, struct choice *out)
{
	out->label = name;
	out->text = policy_builtin_text(name, &out->length);
	return out->text != NULL;
}

/* Whether nobody but root may write it. Where root's id has no name (a user namespace) its owner
 * can not be known. */
static bool is_roots(const struct stat *st)
{
	bool known = !sys_in_user_namespace();

	return (st->st_uid == 0 || !known) && !(st->st_mode & S_IWOTH) &&
	       (st->st_gid == 0 || !known || !(st->st_mode & S_IWGRP));
}

/* What lies in there rules containers of everybody, without a word of who starts them. */
static int check_system_file(const char *path, const struct stat *st, struct error *err)
{
	struct stat folder;

	if (strncmp(path, SYSTEM_FOLDER "/", strlen(SYSTEM_FOLDER "/")) != 0)
		return 0;
	if (stat(SYSTEM_FOLDER, &folder) < 0)
		return error_errno(err, errno, "policy file %s: its folder", path);
	if (is_roots(st) && is_roots(&folder))
		return 0;
	return error_set(err,
			 "policy file %s: %s may be written by others than root, who could relax "
			 "every container; as root: chown root:root and chmod go-w",
			 path, is_roots(st) ? SYSTEM_FOLDER : "it");
}

/* Returns 0, -1 with err set. ENOENT is in err->number. */
static int take_file(struct arena *arena, const char *path, struct choice *out, struct error *err)
{
	/* O_NONBLOCK: a FIFO without a writer would hold the command up. */
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char *text;

	if (fd < 0)
		return error_errno(err, errno, "cannot open the policy file %s", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "policy file %s", path);
	if (S_ISDIR(st.st_mode))
		return error_errno(err, EISDIR, "policy file %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, "policy file %s: not a regular file", path);
	if (check_system_file(path, &st, err) < 0)
		return -1;
	if (fd_read_all(arena, fd, JSON_MAX_BYTES, &text, &out->length) < 0)
		return error_errno(err, errno, "cannot read the policy file %s", path);
	out->label = path;
	out->text = text;
	return 0;
}

static int choose_named(struct arena *arena, const char *name, struct choice *out,
			struct error *err)
{
	if (take_builtin(name, out))
		return 0;
	if (take_file(arena, name, out, err) == 0)
		return 0;
	if (err->number == ENOENT && !strchr(name, '/'))
		return error_errno(err, ENOENT,
				   "--policy %s: expected default, strict, oci or a policy file",
				   name);
	return error_wrap(err, "--policy");
}

/* runsafe-NAME is the built-in policy NAME, else /etc/runsafe/NAME.json: where an engine passes no
 * options (containerd, CRI-O, Swarm) a symlink chooses. A misspelt one must not give less, or more,
 * protection than its maker thinks, so there is no falling back. */
static int choose_program(struct arena *arena, const char *program, struct choice *out,
			  struct error *err)
{
	const char *name = program + strlen(PROGRAM_PREFIX);
	const char *file = arena_printf(arena, SYSTEM_FOLDER "/%s.json", name);

	if (take_builtin(name, out) || take_file(arena, file, out, err) == 0)
		return 0;
	if (err->number != ENOENT)
		return -1;
	return error_set(err,
			 "called as %s, but there is no built-in policy \"%s\" (only default, "
			 "strict, oci), and no file %s; make one, say --policy or call it by "
			 "another name",
			 program, name, file);
}

static int choose(struct arena *arena, const struct runtime_options *options, struct choice *out,
		  struct error *err)
{
	const char *program = options->program;

	if (options->policy)
		return choose_named(arena, options->policy, out, err);
	if (program && strncmp(program, PROGRAM_PREFIX, strlen(PROGRAM_PREFIX)) == 0)
		return choose_program(arena, program, out, err);
	if (take_file(arena, SYSTEM_POLICY, out, err) == 0)
		return 0;
	if (err->number != ENOENT)
		return -1;
	*err = (struct error)ERROR_INIT;
	if (!take_builtin(BUILTIN_DEFAULT, out))
		return error_set(err, "the built-in policy default is missing from this build");
	return 0;
}

const struct policy *policy_choose(struct arena *arena, const struct runtime_options *options,
				   const char **text, size_t *text_length, struct error *err)
{
	struct choice choice = {.text = NULL};

	if (choose(arena, options, &choice, err) < 0)
		return NULL;
	*text = choice.text;
	*text_length = choice.length;
	return policy_parse(arena, choice.label, choice.text, choice.length, err);
}

static bool in_user_namespace(void)
{
	/* The initial user namespace, and only it, maps all ids onto themselves. What can not be
	 * read counts as that one, where the rules are stricter. */
	static const unsigned long wanted[] = {0, 0, UINT_MAX};
	struct arena arena = ARENA_INIT;
	char *text = NULL;
	bool other = false;

	if (file_read_all(&arena, AT_FDCWD, "/proc/self/uid_map", 4096, &text, NULL) == 0) {
		char *at = text;
		for (size_t i = 0; i < 3; i++)
			other |= strtoul(at, &at, 10) != wanted[i];
	}
	arena_free(&arena);
	return other;
}

bool policy_user_namespace(const struct config *config)
{
	bool mapped = config->linux_.n_uid_mappings > 0;

	for (size_t i = 0; i < config->n_mounts; i++)
		mapped |= config->mounts[i].n_uid_mappings > 0;
	return mapped && in_user_namespace();
}

static int take_allow(struct arena *arena, const struct str_list *texts, struct policy_input *out,
		      struct error *err)
{
	struct policy_setting *settings = arena_alloc(arena, (texts->n + 1) * sizeof(*settings));

	for (size_t i = 0; i < texts->n; i++) {
		if (policy_parse_allow(arena, texts->items[i], &settings[i], err) < 0)
			return -1;
	}
	out->allow = settings;
	out->n_allow = texts->n;
	return 0;
}

int policy_of_state(struct arena *arena, const struct container_state *state,
		    struct policy_input *out, struct error *err)
{
	*out = (struct policy_input){
	    .no_new_keyring = state->no_new_keyring,
	    .in_user_namespace = policy_user_namespace(&state->config),
	};
	if (!state->policy || !state->policy_text)
		return error_set(err, "container %s: its state does not say its policy", state->id);
	out->policy = policy_parse_recorded(arena, state->policy, state->policy_text,
					    strlen(state->policy_text), err);
	if (!out->policy || take_allow(arena, &state->allow, out, err) < 0)
		return error_wrap(err, "container %s: the policy that it was made under",
				  state->id);
	return 0;
}
