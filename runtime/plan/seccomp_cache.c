/*
 * An engine's profile takes libseccomp longer than all the rest of a start takes together, and is
 * the same at each start. So its program is kept, in a folder that only who calls runsafe can write
 * to, beside the states, which are believed as well. A file holds all that its program was made
 * from, and that must be the same to the last byte: the name is a hash, which proves nothing. A
 * file that is not whole is none.
 */
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fd.h"
#include "json_write.h"
#include "seccomp_cache.h"

#define FOLDER	       "@seccomp"   /* no container's id has an @ */
#define MAX_FILE       (128u << 10) /* Docker's profile takes 8 KiB */
#define MAX_KEPT       64 /* files: a host has few profiles, and who makes many gets no faster */
#define MIN_FREE       (4u << 20) /* bytes */
#define MIN_FREE_FILES 256

/* A file: this, the key, the notes (each a path and a text with their ends), the instructions. */
struct head {
	uint64_t sum;	       /* of all behind it */
	uint32_t flags, notes; /* notes: bytes */
	uint64_t length;       /* instructions */
};

/* FNV-1a: no protection, but against a file that was cut off or overwritten. */
static uint64_t hash(const char *data, size_t length)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (unsigned char)data[i]) * 0x100000001b3u;
	return sum;
}

static size_t round_up(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

static void add_hex(struct json_writer *key, const char *id, size_t length)
{
	char *text = arena_alloc(key->arena, 2 * length + 1);

	for (size_t i = 0; i < length; i++)
		snprintf(text + 2 * i, 3, "%02x", (unsigned char)id[i]);
	json_string(key, NULL, text);
}

/* Adds the id that the linker gave a program or a library (ld(1), --build-id). One without stops
 * the walk. */
static int add_build_id(struct dl_phdr_info *info, size_t size, void *key)
{
	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		const char *at = (const char *)(info->dlpi_addr + header->p_vaddr);
		const char *end = at + header->p_memsz;

		if (header->p_type != PT_NOTE || header->p_align != 4)
			continue;
		while (end - at > (ptrdiff_t)sizeof(ElfW(Nhdr))) {
			const ElfW(Nhdr) *note = (const void *)at;
			const char *name = at + sizeof(*note);
			const char *id = name + round_up(note->n_namesz);

			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == sizeof("GNU") &&
			    memcmp(name, "GNU", sizeof("GNU")) == 0) {
				add_hex(key, id, note->n_descsz);
				return 0;
			}
			at = id + round_up(note->n_descsz);
		}
	}
	return 1;
}

/* What a program is made from: the profile, by runsafe and its libraries as they now run, on this
 * kernel (whose vDSO is one of them). An update of one of these makes all new. */
static bool make_key(struct seccomp_cache *c, const struct config_seccomp *profile)
{
	struct config_seccomp rules = *profile;
	struct json_writer key;

	/* They may be different for each container. */
	rules.listener_path = rules.listener_metadata = NULL;
	json_start(&key, c->arena, false);
	json_object_begin(&key, NULL);
	json_list_begin(&key, "builds");
	if (dl_iterate_phdr(add_build_id, &key) != 0)
		return false;
	json_list_end(&key);
	config_write_seccomp(&key, "seccomp", &rules);
	json_object_end(&key);
	c->key = json_finish(&key);
	c->key_length = strlen(c->key);
	snprintf(c->name, sizeof(c->name), "%016" PRIx64, hash(c->key, c->key_length));
	return true;
}

/* Who else could write there could take a container's filter away. */
static bool ours_alone(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
	       (st.st_mode & 077) == 0;
}

/* What is kept must not be what the states have no room for, nor end a start by SIGXFSZ. 0 blocks
 * or files: no limit, or none that is told. */
static bool has_room(int root)
{
	struct statvfs st;
	struct rlimit limit;

	return fstatvfs(root, &st) == 0 && getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
	       (st.f_blocks == 0 || st.f_bavail * st.f_frsize > MIN_FREE) &&
	       (st.f_files == 0 || st.f_favail > MIN_FREE_FILES) && limit.rlim_cur >= MAX_FILE;
}

static int open_folder(const struct seccomp_cache *c, bool make)
{
	cleanup_fd int root = open(c->root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || (make && !has_room(root)))
		return -1;
	if (make)
		(void)mkdirat(root, FOLDER, 0700);
	cleanup_fd int dir = openat(root, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return dir >= 0 && ours_alone(dir, S_IFDIR) ? fd_take(&dir) : -1;
}

/* Returns what is behind the key in a file that is whole and of this very key, or NULL. */
static const char *read_kept(const struct seccomp_cache *c, struct head *head)
{
	const size_t before = sizeof(*head) + c->key_length;
	cleanup_fd int dir = open_folder(c, false);
	char *text;
	size_t length;

	if (dir < 0)
		return NULL;
	cleanup_fd int fd = openat(dir, c->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || !ours_alone(fd, S_IFREG) ||
	    fd_read_all(c->arena, fd, MAX_FILE, &text, &length) < 0 || length < before)
		return NULL;
	memcpy(head, text, sizeof(*head));
	if (head->sum != hash(text + sizeof(head->sum), length - sizeof(head->sum)) ||
	    memcmp(text + sizeof(*head), c->key, c->key_length) != 0)
		return NULL;
	if (head->length == 0 || head->length > BPF_MAXINSNS ||
	    length != before + head->notes + head->length * sizeof(struct sock_filter) ||
	    (head->notes > 0 && text[before + head->notes - 1] != '\0'))
		return NULL;
	return text + before;
}

bool seccomp_cache_find(struct seccomp_cache *c, const struct config_seccomp *profile,
			struct seccomp_program *out)
{
	struct sock_filter *instructions;
	const char *at, *text;
	struct head head;

	if (!c->root || !make_key(c, profile) || !(at = read_kept(c, &head)))
		return false;
	const char *end = at + head.notes;
	while (at < end && (text = at + strlen(at) + 1) < end) {
		findings_add(c->findings, FINDING_NOTE, at, "%s", text);
		at = text + strlen(text) + 1;
	}
	/* Copied: there it may lie at any address. */
	instructions = arena_alloc(c->arena, head.length * sizeof(*instructions));
	memcpy(instructions, end, head.length * sizeof(*instructions));
	*out = (struct seccomp_program){.instructions = instructions,
					.length = (unsigned short)head.length,
					.flags = head.flags};
	return true;
}

/* All go when there are too many: what is in use is there again after one start. */
static void make_room(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	int n = 0;

	if (!stream) {
		fd_cleanup(&copy);
		return;
	}
	while ((entry = readdir(stream)) != NULL)
		n += entry->d_name[0] != '.';
	rewinddir(stream);
	while (n >= MAX_KEPT && (entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] != '.')
			(void)unlinkat(dir, entry->d_name, 0);
	}
	closedir(stream);
}

/* The file gets its name when it is whole; of two that write the same, the second one's is dropped.
 * No fsync(2): a file that a crash left half is not believed. */
static void write_kept(const struct seccomp_cache *c, int dir, const char *text, size_t length)
{
	cleanup_fd int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	char here[64];

	if (fd < 0 || fd_write_all(fd, text, length) < 0)
		return;
	/* One that was there could not be used. */
	(void)unlinkat(dir, c->name, 0);
	snprintf(here, sizeof(here), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, here, dir, c->name, AT_SYMLINK_FOLLOW) < 0)
		return; /* next time */
}

void seccomp_cache_keep(const struct seccomp_cache *c, const struct seccomp_program *program)
{
	struct head head = {.flags = program->flags, .length = program->length};
	const struct findings *notes = c->findings;
	const size_t bytes = program->length * sizeof(*program->instructions);

	if (!c->key)
		return;
	for (size_t i = c->n_findings; i < notes->n; i++)
		head.notes +=
		    (uint32_t)(strlen(notes->items[i].path) + strlen(notes->items[i].text) + 2);
	const size_t length = sizeof(head) + c->key_length + head.notes + bytes;
	if (length > MAX_FILE)
		return;
	char *text = arena_alloc(c->arena, length);
	char *at = mempcpy(text + sizeof(head), c->key, c->key_length);
	for (size_t i = c->n_findings; i < notes->n; i++) {
		at = stpcpy(at, notes->items[i].path) + 1;
		at = stpcpy(at, notes->items[i].text) + 1;
	}
	memcpy(at, program->instructions, bytes);
	memcpy(text, &head, sizeof(head));
	head.sum = hash(text + sizeof(head.sum), length - sizeof(head.sum));
	memcpy(text, &head.sum, sizeof(head.sum));

	cleanup_fd int dir = open_folder(c, true);
	if (dir < 0)
		return;
	make_room(dir);
	write_kept(c, dir, text, length);
}
