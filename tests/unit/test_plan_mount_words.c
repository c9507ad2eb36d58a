/* link: plan base */
/* mounts[].options: each word's meaning by mount(8) and config.md "Linux mount options", and that
 * the last word wins. Linked without policy and config: words need neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "../../runtime/plan/plan_internal.h"
#include "kernel.h"

static struct arena arena;

static struct mount_words of(const char *const *options)
{
	struct planner p = {.arena = &arena};
	struct str_list list = {0};
	struct mount_words out;

	for (; *options; options++)
		str_list_add(&arena, &list, arena_strdup(&arena, *options));
	plan_mount_words(&p, &list, &out);
	return out;
}

#define OF(...) of((const char *const[]){__VA_ARGS__, NULL})

#define ATIME MOUNT_ATTR__ATIME

/* Each word that acts on the mount itself: what it sets and what it clears. */
static const struct {
	const char *word;
	uint64_t set, clear;
} attributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"noatime", MOUNT_ATTR_NOATIME, ATIME},
    {"atime", 0, ATIME},
    {"relatime", MOUNT_ATTR_RELATIME, ATIME},
    {"norelatime", 0, ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, ATIME},
    {"nostrictatime", 0, ATIME},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
};

#define N_ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

static void a_word_sets_its_flag_on_the_mount_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ATTRIBUTES; i++) {
		struct mount_words w = OF(attributes[i].word);

		if (w.attr.set != attributes[i].set || w.attr.clear != attributes[i].clear)
			fail_msg("%s means something else", attributes[i].word);
		assert_int_equal(w.attr.recursive_set | w.attr.recursive_clear, 0);
		assert_int_equal(w.superblock_flags, 0);
		assert_int_equal(w.data.n, 0);
		assert_false(w.bind);
	}
}

static void an_r_before_it_means_all_that_lies_below_too(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ATTRIBUTES; i++) {
		const char *word = arena_printf(&arena, "r%s", attributes[i].word);
		struct mount_words w = OF(word);

		if (w.attr.recursive_set != attributes[i].set ||
		    w.attr.recursive_clear != attributes[i].clear)
			fail_msg("%s means something else", word);
		assert_int_equal(w.attr.set | w.attr.clear, 0);
		assert_int_equal(w.data.n, 0);
	}
}

/* "relatime" begins with an r and is no recursive "elatime"; "remount" and "rw" the same. */
static void words_that_begin_with_r_are_themselves(void **state)
{
	(void)state;
	assert_int_equal(OF("relatime").attr.recursive_clear, 0);
	assert_int_equal(OF("rw").attr.recursive_clear, 0);
	assert_true(OF("remount").remount);
	assert_int_equal(OF("rrelatime").attr.recursive_clear, ATIME);
	assert_int_equal(OF("rrw").attr.recursive_clear, MOUNT_ATTR_RDONLY);
}

static void the_last_word_wins(void **state)
{
	struct mount_words w = OF("ro", "nosuid", "rw");

	(void)state;
	assert_int_equal(w.attr.set, MOUNT_ATTR_NOSUID);
	assert_int_equal(w.attr.clear, MOUNT_ATTR_RDONLY);
	w = OF("rw", "ro");
	assert_int_equal(w.attr.set, MOUNT_ATTR_RDONLY);
	assert_int_equal(w.attr.clear, 0);
	/* How access times are kept is one choice of several. */
	w = OF("noatime", "strictatime");
	assert_int_equal(w.attr.set, MOUNT_ATTR_STRICTATIME);
	assert_int_equal(w.attr.clear, ATIME);
	w = OF("strictatime", "relatime");
	assert_int_equal(w.attr.set, 0);
	assert_int_equal(w.attr.clear, ATIME);
	/* mount_setattr(2) refuses an access time without all of them in the clear mask. */
	w = OF("noatime", "nodiratime");
	assert_int_equal(w.attr.set, MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME);
	assert_int_equal(w.attr.clear, ATIME);
	w = OF("rro", "rrw");
	assert_int_equal(w.attr.recursive_set, 0);
	assert_int_equal(w.attr.recursive_clear, MOUNT_ATTR_RDONLY);
	/* The recursive form does not undo the plain one: they act on different mounts. */
	w = OF("ro", "rrw");
	assert_int_equal(w.attr.set, MOUNT_ATTR_RDONLY);
	assert_int_equal(w.attr.recursive_clear, MOUNT_ATTR_RDONLY);
}

static void flags_of_the_file_system_are_kept_apart(void **state)
{
	(void)state;
	assert_int_equal(OF("sync").superblock_flags, MS_SYNCHRONOUS);
	assert_int_equal(OF("dirsync").superblock_flags, MS_DIRSYNC);
	assert_int_equal(OF("lazytime").superblock_flags, MS_LAZYTIME);
	assert_int_equal(OF("mand").superblock_flags, MS_MANDLOCK);
	assert_int_equal(OF("sync", "async").superblock_flags, 0);
	assert_int_equal(OF("lazytime", "nolazytime").superblock_flags, 0);
	assert_int_equal(OF("mand", "sync", "nomand").superblock_flags, MS_SYNCHRONOUS);
	assert_int_equal(OF("silent", "loud").superblock_flags, 0);
	assert_int_equal(OF("sync").attr.set | OF("sync").attr.clear, 0);
}

static void propagation_is_one_of_four_and_the_last(void **state)
{
	static const struct {
		const char *word;
		uint64_t flag;
		bool all;
	} table[] = {
	    {"shared", MS_SHARED, false},	  {"rshared", MS_SHARED, true},
	    {"slave", MS_SLAVE, false},		  {"rslave", MS_SLAVE, true},
	    {"private", MS_PRIVATE, false},	  {"rprivate", MS_PRIVATE, true},
	    {"unbindable", MS_UNBINDABLE, false}, {"runbindable", MS_UNBINDABLE, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct mount_words w = OF(table[i].word);
		assert_int_equal(w.attr.propagation, table[i].flag);
		assert_int_equal(w.attr.propagation_recursive, table[i].all);
		w = OF("rshared", table[i].word);
		assert_int_equal(w.attr.propagation, table[i].flag);
		assert_int_equal(w.attr.propagation_recursive, table[i].all);
	}
}

static void bind_and_its_kin(void **state)
{
	struct mount_words w = OF("bind");

	(void)state;
	assert_true(w.bind && !w.recursive_bind);
	w = OF("rbind");
	assert_true(w.bind && w.recursive_bind);
	assert_true(OF("tmpcopyup").copy_up);
	w = OF("defaults", "iversion", "noiversion", "");
	assert_false(w.bind || w.remount || w.copy_up);
	assert_int_equal(w.data.n, 0);
	assert_null(w.data_text);
}

static void other_words_go_to_the_file_system_as_they_are(void **state)
{
	struct mount_words w = OF("size=64m", "ro", "mode=1777", "noswap", "x=a=b");

	(void)state;
	assert_int_equal(w.data.n, 4);
	assert_string_equal(w.data.items[0].key, "size");
	assert_string_equal(w.data.items[0].value, "64m");
	assert_string_equal(w.data.items[2].key, "noswap");
	assert_null(w.data.items[2].value);
	assert_string_equal(w.data.items[3].key, "x");
	assert_string_equal(w.data.items[3].value, "a=b");
	assert_string_equal(w.data_text, "size=64m,mode=1777,noswap,x=a=b");
	assert_int_equal(w.attr.set, MOUNT_ATTR_RDONLY);
	/* No guessing: a word in capitals, or nearly a word, is the file system's to refuse. */
	w = OF("RO", "rro2", "nosuids");
	assert_int_equal(w.data.n, 3);
	assert_int_equal(w.attr.set | w.attr.recursive_set, 0);
}

static void idmap_and_ridmap_differ_in_what_lies_below(void **state)
{
	struct mount_words w = OF("bind", "idmap");

	(void)state;
	assert_true(w.idmap && !w.recursive_idmap);
	w = OF("rbind", "ridmap");
	assert_true(w.idmap && w.recursive_idmap);
	w = OF("rbind", "ridmap", "idmap");
	assert_true(w.idmap && !w.recursive_idmap);
	w = OF("rbind");
	assert_false(w.idmap);
}

/* `features` must not promise what is refused, nor what would go to the file system as data. */
static void every_word_that_features_lists_is_acted_on(void **state)
{
	size_t n = 0;

	(void)state;
	for (const char *const *name = plan_mount_options(); *name; name++, n++) {
		struct mount_words w = OF(*name);
		if (w.data.n)
			fail_msg("%s is listed and passed on as data", *name);
	}
	assert_true(n > 2 * N_ATTRIBUTES);
}

static int end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_word_sets_its_flag_on_the_mount_alone),
	    cmocka_unit_test(an_r_before_it_means_all_that_lies_below_too),
	    cmocka_unit_test(words_that_begin_with_r_are_themselves),
	    cmocka_unit_test(the_last_word_wins),
	    cmocka_unit_test(flags_of_the_file_system_are_kept_apart),
	    cmocka_unit_test(propagation_is_one_of_four_and_the_last),
	    cmocka_unit_test(bind_and_its_kin),
	    cmocka_unit_test(other_words_go_to_the_file_system_as_they_are),
	    cmocka_unit_test(idmap_and_ridmap_differ_in_what_lies_below),
	    cmocka_unit_test(every_word_that_features_lists_is_acted_on),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
