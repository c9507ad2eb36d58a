/* What a group has used, from its files (cgroup-v2.rst, "Interface Files"). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "fd.h"

/* memory.stat has some 60 lines, io.stat one for each disk. */
#define FILE_LIMIT (1u << 20)

/* The group that is read, and what was there and could not be. */
struct reader {
	struct arena *arena;
	int dir;
	const char *failed;
	int number; /* its errno */
};

static void note_failure(struct reader *r, const char *name)
{
	if (!r->failed)
		r->number = errno;
	r->failed = r->failed ? r->failed : name;
}

/* The file's text, or NULL where there is none: its controller is not switched on. EOPNOTSUPP is
 * what a *.pressure says on a kernel that was started with psi=0. */
static char *read_text(struct reader *r, const char *name)
{
	char *text;

	if (file_read_all(r->arena, r->dir, name, FILE_LIMIT, &text, NULL) == 0)
		return text;
	if (errno != ENOENT && errno != EOPNOTSUPP)
		note_failure(r, name);
	return NULL;
}

/* Whether the file is there; *out is its number, UINT64_MAX for "max". */
static bool read_number(struct reader *r, const char *name, uint64_t *out)
{
	const char *text = read_text(r, name);

	if (!text)
		return false;
	*out = strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
	return true;
}

uint64_t cgroup_stat_value(const char *text, const char *key)
{
	size_t length = strlen(key);

	while (text && *text) {
		if (strncmp(text, key, length) == 0 && text[length] == ' ')
			return strtoull(text + length + 1, NULL, 10);
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return 0;
}

/* What follows key in the line; "" without it. */
static const char *after(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	return at ? at + strlen(key) : "";
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
static void read_psi(struct reader *r, const char *name, struct cgroup_psi *out)
{
	char *text = read_text(r, name);
	char *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		const struct cgroup_pressure p = {
		    .set = true,
		    .avg10 = strtod(after(line, " avg10="), NULL),
		    .avg60 = strtod(after(line, " avg60="), NULL),
		    .avg300 = strtod(after(line, " avg300="), NULL),
		    .total = strtoull(after(line, " total="), NULL, 10),
		};

		if (strncmp(line, "some ", 5) == 0)
			out->some = p;
		else if (strncmp(line, "full ", 5) == 0)
			out->full = p;
	}
}

static void read_cpu(struct reader *r, struct cgroup_stats *out)
{
	const uint64_t ns = 1000; /* the file has microseconds */
	const char *text = read_text(r, "cpu.stat");

	out->cpu_total = cgroup_stat_value(text, "usage_usec") * ns;
	out->cpu_user = cgroup_stat_value(text, "user_usec") * ns;
	out->cpu_kernel = cgroup_stat_value(text, "system_usec") * ns;
	out->periods = cgroup_stat_value(text, "nr_periods");
	out->throttled_periods = cgroup_stat_value(text, "nr_throttled");
	out->throttled_time = cgroup_stat_value(text, "throttled_usec") * ns;
}

static void read_memory_stat(struct reader *r, struct cgroup_stats *out)
{
	char *text = read_text(r, "memory.stat");
	char *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *blank = strchr(line, ' ');

		if (!blank)
			continue;
		*blank = '\0';
		out->memory_stat = arena_grow(r->arena, out->memory_stat, out->n_memory_stat,
					      sizeof(*out->memory_stat));
		out->memory_stat[out->n_memory_stat++] =
		    (struct cgroup_value){line, strtoull(blank + 1, NULL, 10)};
	}
}

static void read_memory(struct reader *r, struct cgroup_stats *out)
{
	const char *events = read_text(r, "memory.events");

	out->has_memory = read_number(r, "memory.current", &out->memory_usage);
	read_number(r, "memory.peak", &out->memory_peak); /* since 5.19 */
	read_number(r, "memory.max", &out->memory_limit);
	out->has_swap = read_number(r, "memory.swap.current", &out->swap_usage);
	read_number(r, "memory.swap.max", &out->swap_limit);
	read_memory_stat(r, out);
	out->low = cgroup_stat_value(events, "low");
	out->high = cgroup_stat_value(events, "high");
	out->max = cgroup_stat_value(events, "max");
	out->oom = cgroup_stat_value(events, "oom");
	out->oom_kill = cgroup_stat_value(events, "oom_kill");
}

static void add_io(struct arena *arena, char *line, struct cgroup_stats *out)
{
	char *end;
	struct cgroup_io io = {.major = (unsigned int)strtoul(line, &end, 10)};

	if (end == line || *end != ':')
		return;
	io.minor = (unsigned int)strtoul(end + 1, NULL, 10);
	io.read_bytes = strtoull(after(line, " rbytes="), NULL, 10);
	io.written_bytes = strtoull(after(line, " wbytes="), NULL, 10);
	io.reads = strtoull(after(line, " rios="), NULL, 10);
	io.writes = strtoull(after(line, " wios="), NULL, 10);
	out->io = arena_grow(arena, out->io, out->n_io, sizeof(*out->io));
	out->io[out->n_io++] = io;
}

static void read_io(struct reader *r, struct cgroup_stats *out)
{
	char *text = read_text(r, "io.stat");
	char *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		add_io(r->arena, line, out);
}

static void add_hugetlb(struct reader *r, const char *name, struct cgroup_stats *out)
{
	struct cgroup_hugetlb one = {.size = NULL};
	const char *size = name + strlen("hugetlb.");
	const char *dot = strchr(size, '.');
	const char *events;

	/* A failure keeps the name of the file, and the list of files is closed before it is told.
	 */
	name = arena_strdup(r->arena, name);
	one.size = arena_strndup(r->arena, size, (size_t)(dot - size));
	read_number(r, name, &one.usage);
	events = read_text(r, arena_printf(r->arena, "hugetlb.%s.events", one.size));
	one.failures = cgroup_stat_value(events, "max");
	out->hugetlb = arena_grow(r->arena, out->hugetlb, out->n_hugetlb, sizeof(*out->hugetlb));
	out->hugetlb[out->n_hugetlb++] = one;
}

static int by_size(const void *a, const void *b)
{
	return strcmp(((const struct cgroup_hugetlb *)a)->size,
		      ((const struct cgroup_hugetlb *)b)->size);
}

/* hugetlb.SIZE.current for each size that the machine has; not hugetlb.SIZE.rsvd.current. */
static void read_hugetlb(struct reader *r, struct cgroup_stats *out)
{
	int copy = openat(r->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!stream) {
		note_failure(r, "its list of files");
		fd_cleanup(&copy);
		return;
	}
	while (errno = 0, (entry = readdir(stream))) {
		const char *size = entry->d_name + strlen("hugetlb.");

		if (strncmp(entry->d_name, "hugetlb.", strlen("hugetlb.")) != 0)
			continue;
		if (strchr(size, '.') && strcmp(strchr(size, '.'), ".current") == 0)
			add_hugetlb(r, entry->d_name, out);
	}
	if (errno)
		note_failure(r, "its list of files");
	closedir(stream);
	if (out->n_hugetlb > 1)
		qsort(out->hugetlb, out->n_hugetlb, sizeof(*out->hugetlb), by_size);
}

/* A group that goes away meanwhile loses its files one by one, and each seems to be switched off.
 */
static void see_gone(struct reader *r)
{
	if (faccessat(r->dir, "cgroup.procs", F_OK, 0) < 0)
		note_failure(r, "cgroup.procs");
	/* What was opened before the group went (kernfs). */
	if (r->failed && r->number == ENODEV)
		r->number = ENOENT;
}

int cg_stats_read(struct arena *arena, int dir, struct cgroup_stats *out, const char **failed)
{
	struct reader reader = {.arena = arena, .dir = dir}, *r = &reader;

	*out = (struct cgroup_stats){.cpu_total = 0};
	read_cpu(r, out);
	read_memory(r, out);
	read_io(r, out);
	read_hugetlb(r, out);
	read_number(r, "pids.current", &out->pids);
	read_number(r, "pids.max", &out->pids_limit);
	read_psi(r, "cpu.pressure", &out->cpu_psi);
	read_psi(r, "memory.pressure", &out->memory_psi);
	read_psi(r, "io.pressure", &out->io_psi);
	see_gone(r);
	if (!r->failed)
		return 0;
	*failed = r->failed;
	errno = r->number;
	return -1;
}

int cgroup_read_stats(struct arena *arena, const char *path, struct cgroup_stats *out,
		      struct error *err)
{
	cleanup_fd int dir = cgroup_open(path);
	const char *failed;

	if (dir < 0)
		return error_errno(err, errno, "can not open the cgroup \"%s\" of the container",
				   path);
	/* Half of the numbers would be taken for all of them. */
	if (cg_stats_read(arena, dir, out, &failed) < 0)
		return error_errno(err, errno,
				   "can not read %s in the cgroup \"%s\" of the container", failed,
				   path);
	return 0;
}
