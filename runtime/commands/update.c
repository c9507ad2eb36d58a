#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "fd.h"

enum { N_NUMBERS = 13 };

struct update_arguments {
	const char *resources; /* FILE or "-" */
	const char *numbers[N_NUMBERS];
	const char *cpus;
	const char *mems;
	const char *ignored[2]; /* kernel memory: cgroup v1's, and gone there, too */
	const char *l3_cache;
	const char *bandwidth;
};

/* Which number is which; the order of the table below. */
enum number {
	MEMORY = 0,
	RESERVATION,
	SWAP,
	PERIOD,
	QUOTA,
	BURST,
	SHARE,
	IDLE,
	RT_PERIOD,
	RT_RUNTIME,
	PIDS,
	WEIGHT
};

static const struct {
	const char *name;
	const char *expected;
	bool sized;	  /* "512m" */
	bool unlimited;	  /* -1 is a value */
	int64_t min, max; /* of all others but 0, which asks for nothing */
} kinds[] = {
    [MEMORY] = {"memory", "a size such as 512m, or -1", true, true, 1, INT64_MAX},
    [RESERVATION] = {"memory-reservation", "a size such as 512m, or -1", true, true, 1, INT64_MAX},
    [SWAP] = {"memory-swap", "a size such as 512m, or -1", true, true, 1, INT64_MAX},
    [PERIOD] = {"cpu-period", "0, or 1000 to 1000000 microseconds", false, false, 1000, 1000000},
    [QUOTA] = {"cpu-quota", "-1, 0, or at least 1000 microseconds", false, true, 1000, INT64_MAX},
    [BURST] = {"cpu-burst", "a whole number of microseconds", false, false, 0, INT64_MAX},
    [SHARE] = {"cpu-share", "a whole number up to 262144", false, false, 1, 262144},
    [IDLE] = {"cpu-idle", "0 or 1", false, false, 0, 1},
    [RT_PERIOD] = {"cpu-rt-period", "a whole number of microseconds", false, false, 1, INT64_MAX},
    [RT_RUNTIME] = {"cpu-rt-runtime", "a whole number of microseconds", false, false, 1, INT64_MAX},
    [PIDS] = {"pids-limit", "a whole number, or -1", false, true, 1, INT64_MAX},
    [WEIGHT] = {"blkio-weight", "0, or 10 to 1000", false, false, 10, 1000},
};

/* How far the unit behind a size moves it: k, KB, KiB and the like, by 1024. -1: no unit. */
static int unit_shift(const char *unit)
{
	static const char letters[] = "kmgtp";
	const char *letter;

	while (*unit == ' ')
		unit++;
	if (!*unit || strcasecmp(unit, "b") == 0)
		return 0;
	letter = strchr(letters, tolower((unsigned char)*unit));
	if (!letter ||
	    (unit[1] && strcasecmp(unit + 1, "b") != 0 && strcasecmp(unit + 1, "ib") != 0))
		return -1;
	return 10 * (int)(letter - letters + 1);
}

/* "512", "1.5g": digits, perhaps a fraction, and perhaps a unit. */
static int size_parse(const char *text, int64_t *out)
{
	char *end;
	uint64_t thousandths = 0;
	uint64_t scale = 100;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	uint64_t whole = strtoull(text, &end, 10);
	if (errno || whole > INT64_MAX / 2)
		return -1;
	if (*end == '.') {
		for (end++; isdigit((unsigned char)*end); end++, scale /= 10)
			thousandths += scale * (uint64_t)(*end - '0');
	}
	int shift = unit_shift(end);
	if (shift < 0 || whole > (uint64_t)INT64_MAX >> shift)
		return -1;
	uint64_t bytes = (whole << shift) +
			 (uint64_t)((double)thousandths / 1000 * (double)(UINT64_C(1) << shift));
	if (bytes > INT64_MAX)
		return -1;
	*out = (int64_t)bytes;
	return 0;
}

static int whole_parse(const char *text, int64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno || *end ? -1 : 0;
}

/* Returns 1 with *out, 0 where the option was not given, -1 with err set. */
static int take_number(const struct update_arguments *a, enum number which, int64_t *out,
		       struct error *err)
{
	const char *text = a->numbers[which];
	bool good;

	if (!text || !*text)
		return 0;
	if (kinds[which].unlimited && strcmp(text, "-1") == 0) {
		*out = -1;
		return 1;
	}
	good = (kinds[which].sized ? size_parse(text, out) : whole_parse(text, out)) == 0;
	if (good && (*out == 0 || (*out >= kinds[which].min && *out <= kinds[which].max)))
		return 1;
	return error_set(err, "option --%s: expected %s, got \"%s\"", kinds[which].name,
			 kinds[which].expected, text);
}

static int take_signed(const struct update_arguments *a, enum number which, struct opt_i64 *out,
		       struct error *err)
{
	int64_t value;
	int given = take_number(a, which, &value, err);

	if (given > 0)
		*out = (struct opt_i64){.set = true, .value = value};
	return given < 0 ? -1 : 0;
}

static int take_unsigned(const struct update_arguments *a, enum number which, struct opt_u64 *out,
			 struct error *err)
{
	int64_t value;
	int given = take_number(a, which, &value, err);

	if (given > 0)
		*out = (struct opt_u64){.set = true, .value = (uint64_t)value};
	return given < 0 ? -1 : 0;
}

/* Over what the file says. */
static int take_options(const struct update_arguments *a, struct config_resources *r,
			struct error *err)
{
	struct config_memory *m = &r->memory;
	struct config_cpu *c = &r->cpu;
	int64_t weight;
	int given;

	if (take_signed(a, MEMORY, &m->limit, err) < 0 ||
	    take_signed(a, RESERVATION, &m->reservation, err) < 0 ||
	    take_signed(a, SWAP, &m->swap, err) < 0 ||
	    take_unsigned(a, PERIOD, &c->period, err) < 0 ||
	    take_signed(a, QUOTA, &c->quota, err) < 0 ||
	    take_unsigned(a, BURST, &c->burst, err) < 0 ||
	    take_unsigned(a, SHARE, &c->shares, err) < 0 ||
	    take_signed(a, IDLE, &c->idle, err) < 0 ||
	    take_unsigned(a, RT_PERIOD, &c->realtime_period, err) < 0 ||
	    take_signed(a, RT_RUNTIME, &c->realtime_runtime, err) < 0 ||
	    take_signed(a, PIDS, &r->pids.limit, err) < 0)
		return -1;
	given = take_number(a, WEIGHT, &weight, err);
	if (given < 0)
		return -1;
	if (given)
		r->block_io.weight = (struct opt_u32){.set = true, .value = (uint32_t)weight};
	if (a->cpus && *a->cpus)
		c->cpus = (char *)a->cpus;
	if (a->mems && *a->mems)
		c->mems = (char *)a->mems;
	return 0;
}

static int read_resources(struct arena *arena, const char *path, struct config_resources *out,
			  struct error *err)
{
	bool input = strcmp(path, "-") == 0;
	const char *label = input ? "--resources (standard input)" : path;
	cleanup_fd int opened = -1;
	char *text;
	size_t length;

	if (!input) {
		opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (opened < 0)
			return error_errno(err, errno, "--resources: cannot open %s", path);
	}
	if (fd_read_all(arena, input ? STDIN_FILENO : opened, JSON_MAX_BYTES, &text, &length) < 0)
		return error_errno(err, errno, "--resources: cannot read %s", label);
	return config_parse_resources(arena, label, text, length, out, err);
}

enum { N_OPTIONS = 20 };

static void option_specs(struct update_arguments *a, struct option_spec specs[N_OPTIONS])
{
	const char **n = a->numbers;
	const struct option_spec all[N_OPTIONS] = {
	    {"resources", 'r', OPTION_TEXT, &a->resources, "FILE",
	     "a linux.resources object of JSON; - is standard input. Options go over it"},
	    {"memory", 0, OPTION_TEXT, &n[MEMORY], "SIZE", "memory limit: bytes, or 512m, 1.5g"},
	    {"memory-reservation", 0, OPTION_TEXT, &n[RESERVATION], "SIZE",
	     "memory that is reclaimed last"},
	    {"memory-swap", 0, OPTION_TEXT, &n[SWAP], "SIZE", "memory and swap together"},
	    {"cpu-period", 0, OPTION_TEXT, &n[PERIOD], "USEC", "what cpu-quota is counted in"},
	    {"cpu-quota", 0, OPTION_TEXT, &n[QUOTA], "USEC", "processor time in each period"},
	    {"cpu-burst", 0, OPTION_TEXT, &n[BURST], "USEC", "what may be saved up for a burst"},
	    {"cpu-share", 0, OPTION_TEXT, &n[SHARE], "NUMBER", "share among others: 2 to 262144"},
	    {"cpu-idle", 0, OPTION_TEXT, &n[IDLE], "0|1",
	     "1: runs only where nobody else wants to"},
	    {"cpu-rt-period", 0, OPTION_TEXT, &n[RT_PERIOD], "USEC", NULL},
	    {"cpu-rt-runtime", 0, OPTION_TEXT, &n[RT_RUNTIME], "USEC", NULL},
	    {"cpuset-cpus", 0, OPTION_TEXT, &a->cpus, "LIST", "processors: 0-3,7"},
	    {"cpuset-mems", 0, OPTION_TEXT, &a->mems, "LIST", "memory nodes"},
	    {"pids-limit", 0, OPTION_TEXT, &n[PIDS], "NUMBER", "processes and threads"},
	    {"blkio-weight", 0, OPTION_TEXT, &n[WEIGHT], "NUMBER", "share of I/O: 10 to 1000"},
	    {"kernel-memory", 0, OPTION_TEXT, &a->ignored[0], "SIZE", NULL},
	    {"kernel-memory-tcp", 0, OPTION_TEXT, &a->ignored[1], "SIZE", NULL},
	    {"l3-cache-schema", 0, OPTION_TEXT, &a->l3_cache, "TEXT",
	     "schemata of the container's own resctrl class: L3:0=f"},
	    {"mem-bw-schema", 0, OPTION_TEXT, &a->bandwidth, "TEXT",
	     "its memory bandwidth: MB:0=50"},
	    {.name = NULL}};

	memcpy(specs, all, sizeof(all));
}

int update_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
		struct error *err)
{
	struct update_arguments a = {.resources = NULL};
	struct config_resources resources = {.present = false};
	struct config_intel_rdt rdt = {.clos_id = NULL};
	struct option_spec specs[N_OPTIONS];
	struct str_list arguments = {.n = 0};

	option_specs(&a, specs);
	int result = command_arguments(arena, specs, argc, argv, 1, 1, &arguments, err);

	if (result)
		return result < 0;
	if (a.resources && read_resources(arena, a.resources, &resources, err) < 0)
		return 1;
	if (take_options(&a, &resources, err) < 0)
		return 1;
	if (a.l3_cache && *a.l3_cache)
		rdt.l3_cache_schema = (char *)a.l3_cache;
	if (a.bandwidth && *a.bandwidth)
		rdt.mem_bw_schema = (char *)a.bandwidth;
	bool schemata = rdt.l3_cache_schema || rdt.mem_bw_schema;

	return container_update(arena, options, arguments.items[0], &resources,
				schemata ? &rdt : NULL, err) < 0;
}
