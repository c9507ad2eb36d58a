/* The words of mounts[].options (config.md, "Mounts"), as flags of mount_setattr(2). */
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "kernel.h"
#include "plan_internal.h"

enum word_kind {
	WORD_NOTHING = 0, /* known, and what the kernel does anyway */
	WORD_ATTR,	  /* set and clear, on the mount itself; "r" before it: and all below */
	WORD_SUPERBLOCK,
	WORD_SUPERBLOCK_OFF,
	WORD_PROPAGATION,
	WORD_PROPAGATION_ALL,
	WORD_BIND,
	WORD_BIND_ALL,
	WORD_REMOUNT,
	WORD_COPY_UP,
	WORD_IDMAP,
	WORD_IDMAP_ALL
};

#define ATIME MOUNT_ATTR__ATIME

static const struct mount_word {
	const char *word;
	enum word_kind kind;
	uint32_t set;
	uint32_t clear;
	bool has_recursive; /* "r" + word exists too */
} words[] = {
    {"async", WORD_SUPERBLOCK_OFF, MS_SYNCHRONOUS, 0, false},
    {"atime", WORD_ATTR, 0, ATIME, true},
    {"bind", WORD_BIND, 0, 0, false},
    {"defaults", WORD_NOTHING, 0, 0, false},
    {"dev", WORD_ATTR, 0, MOUNT_ATTR_NODEV, true},
    {"diratime", WORD_ATTR, 0, MOUNT_ATTR_NODIRATIME, true},
    {"dirsync", WORD_SUPERBLOCK, MS_DIRSYNC, 0, false},
    {"exec", WORD_ATTR, 0, MOUNT_ATTR_NOEXEC, true},
    {"idmap", WORD_IDMAP, 0, 0, false},
    {"iversion", WORD_NOTHING, 0, 0, false},
    {"lazytime", WORD_SUPERBLOCK, MS_LAZYTIME, 0, false},
    {"loud", WORD_SUPERBLOCK_OFF, MS_SILENT, 0, false},
    {"mand", WORD_SUPERBLOCK, MS_MANDLOCK, 0, false},
    {"noatime", WORD_ATTR, MOUNT_ATTR_NOATIME, ATIME, true},
    {"nodev", WORD_ATTR, MOUNT_ATTR_NODEV, 0, true},
    {"nodiratime", WORD_ATTR, MOUNT_ATTR_NODIRATIME, 0, true},
    {"noexec", WORD_ATTR, MOUNT_ATTR_NOEXEC, 0, true},
    {"noiversion", WORD_NOTHING, 0, 0, false},
    {"nolazytime", WORD_SUPERBLOCK_OFF, MS_LAZYTIME, 0, false},
    {"nomand", WORD_SUPERBLOCK_OFF, MS_MANDLOCK, 0, false},
    {"norelatime", WORD_ATTR, 0, ATIME, true},
    {"nostrictatime", WORD_ATTR, 0, ATIME, true},
    {"nosuid", WORD_ATTR, MOUNT_ATTR_NOSUID, 0, true},
    {"nosymfollow", WORD_ATTR, MOUNT_ATTR_NOSYMFOLLOW, 0, true},
    {"private", WORD_PROPAGATION, MS_PRIVATE, 0, false},
    {"rbind", WORD_BIND_ALL, 0, 0, false},
    {"relatime", WORD_ATTR, MOUNT_ATTR_RELATIME, ATIME, true},
    {"remount", WORD_REMOUNT, 0, 0, false},
    {"ridmap", WORD_IDMAP_ALL, 0, 0, false},
    {"ro", WORD_ATTR, MOUNT_ATTR_RDONLY, 0, true},
    {"rprivate", WORD_PROPAGATION_ALL, MS_PRIVATE, 0, false},
    {"rshared", WORD_PROPAGATION_ALL, MS_SHARED, 0, false},
    {"rslave", WORD_PROPAGATION_ALL, MS_SLAVE, 0, false},
    {"runbindable", WORD_PROPAGATION_ALL, MS_UNBINDABLE, 0, false},
    {"rw", WORD_ATTR, 0, MOUNT_ATTR_RDONLY, true},
    {"shared", WORD_PROPAGATION, MS_SHARED, 0, false},
    {"silent", WORD_SUPERBLOCK, MS_SILENT, 0, false},
    {"slave", WORD_PROPAGATION, MS_SLAVE, 0, false},
    {"strictatime", WORD_ATTR, MOUNT_ATTR_STRICTATIME, ATIME, true},
    {"suid", WORD_ATTR, 0, MOUNT_ATTR_NOSUID, true},
    {"symfollow", WORD_ATTR, 0, MOUNT_ATTR_NOSYMFOLLOW, true},
    {"sync", WORD_SUPERBLOCK, MS_SYNCHRONOUS, 0, false},
    {"tmpcopyup", WORD_COPY_UP, 0, 0, false},
    {"unbindable", WORD_PROPAGATION, MS_UNBINDABLE, 0, false},
};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

const char *const *plan_mount_options(void)
{
	static const char *names[2 * N_WORDS + 1];
	static char recursive[N_WORDS][24];
	size_t n = 0;

	for (size_t i = 0; i < N_WORDS; i++) {
		names[n++] = words[i].word;
		if (words[i].has_recursive) {
			snprintf(recursive[i], sizeof(recursive[i]), "r%s", words[i].word);
			names[n++] = recursive[i];
		}
	}
	names[n] = NULL;
	return names;
}

static const struct mount_word *find_word(const char *option, bool *recursive)
{
	for (size_t i = 0; i < N_WORDS; i++) {
		*recursive = false;
		if (strcmp(option, words[i].word) == 0)
			return &words[i];
		*recursive = true;
		if (words[i].has_recursive && option[0] == 'r' &&
		    strcmp(option + 1, words[i].word) == 0)
			return &words[i];
	}
	return NULL;
}

/* The last word wins, so each undoes what an earlier one said of the same bits. */
static void set_attr(uint64_t *set, uint64_t *clear, const struct mount_word *word)
{
	uint64_t touched = word->set | (uint64_t)word->clear;

	*set = (*set & ~touched) | word->set;
	*clear = (*clear & ~touched) | word->clear;
}

static void apply_word(struct mount_words *out, const struct mount_word *word, bool recursive)
{
	switch (word->kind) {
	case WORD_ATTR:
		if (recursive)
			set_attr(&out->attr.recursive_set, &out->attr.recursive_clear, word);
		else
			set_attr(&out->attr.set, &out->attr.clear, word);
		break;
	case WORD_SUPERBLOCK:
		out->superblock_flags |= word->set;
		break;
	case WORD_SUPERBLOCK_OFF:
		out->superblock_flags &= ~(uint64_t)word->set;
		break;
	case WORD_PROPAGATION:
	case WORD_PROPAGATION_ALL:
		out->attr.propagation = word->set;
		out->attr.propagation_recursive = word->kind == WORD_PROPAGATION_ALL;
		break;
	case WORD_BIND:
	case WORD_BIND_ALL:
		out->bind = true;
		out->recursive_bind |= word->kind == WORD_BIND_ALL;
		break;
	case WORD_REMOUNT:
		out->remount = true;
		break;
	case WORD_COPY_UP:
		out->copy_up = true;
		break;
	case WORD_IDMAP:
	case WORD_IDMAP_ALL:
		out->idmap = true;
		out->recursive_idmap = word->kind == WORD_IDMAP_ALL;
		break;
	default:
		break;
	}
}

static void add_pair(struct planner *p, struct mount_words *out, const char *option, size_t length)
{
	const char *equals = memchr(option, '=', length);
	size_t key = equals ? (size_t)(equals - option) : length;

	if (length == 0)
		return;
	out->data.items =
	    arena_grow(p->arena, out->data.items, out->data.n, sizeof(*out->data.items));
	out->data.items[out->data.n++] = (struct str_pair){
	    .key = arena_strndup(p->arena, option, key),
	    .value = equals ? arena_strndup(p->arena, equals + 1, length - key - 1) : NULL};
}

/* One string may hold several, as mount(2) has them: "size=1m,mode=755". A comma is part of a value
 * after a backslash (overlay's paths) and in double quotes (SELinux's contexts). */
static void add_data(struct planner *p, struct mount_words *out, const char *option)
{
	const char *start = option;
	bool quoted = false;

	for (const char *c = option; *c; c++) {
		if (*c == '\\' && c[1])
			c++;
		else if (*c == '"')
			quoted = !quoted;
		else if (*c == ',' && !quoted) {
			add_pair(p, out, start, (size_t)(c - start));
			start = c + 1;
		}
	}
	add_pair(p, out, start, strlen(start));
}

void plan_mount_words(struct planner *p, const struct str_list *options, struct mount_words *out)
{
	struct str_list data = {0};

	*out = (struct mount_words){0};
	for (size_t i = 0; i < options->n; i++) {
		bool recursive;
		const struct mount_word *word = find_word(options->items[i], &recursive);

		if (word)
			apply_word(out, word, recursive);
		else if (options->items[i][0]) {
			add_data(p, out, options->items[i]);
			str_list_add(p->arena, &data, options->items[i]);
		}
	}
	if (data.n)
		out->data_text = str_list_join(p->arena, &data, ",");
}
