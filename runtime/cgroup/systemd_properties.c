/*
 * Limits by systemd's names (systemd.resource-control(5)). systemd owns the files of a unit's own
 * cgroup and writes them anew from these at each daemon-reload, so that a file alone would not
 * last. What it has no name for (io.max of ours, cpu.max.burst, hugetlb), it leaves alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "systemd_internal.h"

#define NUMBERS_MAX	 8192 /* CPUs or memory nodes */
#define MOST_ANNOTATIONS 1000

struct sd_property *sd_property_add(struct sd_properties *list, const char *name, const char *type)
{
	struct sd_property *p = NULL;

	for (size_t i = 0; i < list->n && !p; i++)
		if (strcmp(list->items[i].name, name) == 0)
			p = &list->items[i];
	if (!p) {
		list->items = arena_grow(list->arena, list->items, list->n, sizeof(*list->items));
		p = &list->items[list->n++];
	}
	*p = (struct sd_property){.name = name, .type = type};
	return p;
}

/* "max", or a number with the kernel's letters behind it (memparse()). */
static int number_or_max(const char *text, uint64_t *out)
{
	static const char units[] = "kmgtpe";
	const char *unit;
	char *end;

	*out = UINT64_MAX;
	if (strncmp(text, "max", 3) == 0 && (!text[3] || text[3] == ' ' || text[3] == '\n'))
		return 0;
	errno = 0;
	*out = strtoull(text, &end, 0);
	if (end == text || errno || *text == '-')
		return -1;
	unit = *end ? strchr(units, *end | 0x20) : NULL;
	if (unit) {
		unsigned int shift = 10 * (unsigned int)(unit - units + 1);

		if (*out > UINT64_MAX >> shift)
			return -1;
		*out <<= shift;
		end++;
	}
	return *end && *end != ' ' && *end != '\n' ? -1 : 0;
}

/* "0-3,8": bit N of the bytes is number N. */
static int number_set(struct sd_properties *list, const char *text, struct sd_property *out)
{
	unsigned char *bytes = arena_alloc(list->arena, NUMBERS_MAX / 8);

	out->bytes = bytes;
	while (*text && *text != '\n') {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (end == text)
			return -1;
		if (*end == '-') {
			text = end + 1;
			last = strtoul(text, &end, 10);
			if (end == text)
				return -1;
		}
		if (first > last || last >= NUMBERS_MAX)
			return -1;
		for (; first <= last; first++)
			bytes[first / 8] |= (unsigned char)(1u << first % 8);
		if (out->n_bytes < last / 8 + 1)
			out->n_bytes = last / 8 + 1;
		if (*end && *end != ',' && *end != '\n')
			return -1;
		text = end + (*end == ',');
	}
	return 0;
}

typedef int convert(struct sd_properties *list, const char *name, const char *value);

static int natural(struct sd_properties *list, const char *name, const char *value)
{
	uint64_t number;

	if (strchr(value, ' ') || number_or_max(value, &number) < 0)
		return -1;
	sd_property_add(list, name, "t")->natural = number;
	return 0;
}

/* systemd takes no 0. One process is there already, and one byte is less than a page, so that the
 * kernel does the same with 1. */
static int natural_from_1(struct sd_properties *list, const char *name, const char *value)
{
	uint64_t number;

	if (strchr(value, ' ') || number_or_max(value, &number) < 0)
		return -1;
	sd_property_add(list, name, "t")->natural = number ? number : 1;
	return 0;
}

static int zswap(struct sd_properties *list, const char *name, const char *value)
{
	struct sd_property *p = sd_property_add(list, name, "t");

	p->since = 253;
	return number_or_max(value, &p->natural);
}

static int idle(struct sd_properties *list, const char *name, const char *value)
{
	struct sd_property *p;

	if (*value != '1')
		return *value == '0' ? 0 : -1;
	p = sd_property_add(list, name, "t");
	p->since = 252; /* CPUWeight=idle */
	return 0;
}

/*
 * "QUOTA PERIOD" in microseconds. systemd keeps whole percents of a CPU: rounded up, so that a
 * reload never takes from a container what it was given, nor makes 0 of it.
 */
static int quota(struct sd_properties *list, const char *name, const char *value)
{
	const char *second = strchr(value, ' ');
	uint64_t us, period = 100000;

	if (number_or_max(value, &us) < 0 || (second && number_or_max(second + 1, &period) < 0) ||
	    period == 0 || period > 1000000 || (us != UINT64_MAX && us > UINT64_MAX / 1000000))
		return -1;
	if (us != UINT64_MAX)
		us = (us * 1000000 / period + 9999) / 10000 * 10000;
	sd_property_add(list, name, "t")->natural = us;
	if (second)
		sd_property_add(list, "CPUQuotaPeriodUSec", "t")->natural = period;
	return 0;
}

static int cpu_set(struct sd_properties *list, const char *name, const char *value)
{
	return number_set(list, value, sd_property_add(list, name, "ay"));
}

/* The default alone: a line for a device is not touched by systemd. */
static int io_weight(struct sd_properties *list, const char *name, const char *value)
{
	static const char word[] = "default ";

	if (strncmp(value, word, strlen(word)) == 0)
		value += strlen(word);
	else if (strchr(value, ':'))
		return 0;
	return natural(list, name, value);
}

static const struct {
	const char *file;
	const char *name;
	convert *convert;
} equivalents[] = {
    {"memory.max", "MemoryMax", natural_from_1},    {"memory.high", "MemoryHigh", natural_from_1},
    {"memory.low", "MemoryLow", natural},	    {"memory.min", "MemoryMin", natural},
    {"memory.swap.max", "MemorySwapMax", natural},  {"memory.zswap.max", "MemoryZSwapMax", zswap},
    {"cpu.weight", "CPUWeight", natural},	    {"cpu.idle", "CPUWeight", idle},
    {"cpu.max", "CPUQuotaPerSecUSec", quota},	    {"cpuset.cpus", "AllowedCPUs", cpu_set},
    {"cpuset.mems", "AllowedMemoryNodes", cpu_set}, {"pids.max", "TasksMax", natural_from_1},
    {"io.weight", "IOWeight", io_weight},
};

int sd_properties_of_settings(struct sd_properties *list, const struct cg_settings *settings,
			      struct error *err)
{
	for (size_t i = 0; i < settings->n; i++) {
		const struct cg_setting *s = &settings->items[i];

		for (size_t j = 0; j < sizeof(equivalents) / sizeof(equivalents[0]); j++) {
			if (strcmp(equivalents[j].file, s->write.file) != 0)
				continue;
			if (equivalents[j].convert(list, equivalents[j].name, s->write.value) < 0)
				return error_set(err,
						 "%s: \"%s\" is no value for %s that systemd could "
						 "keep as %s",
						 s->where, s->write.value, s->write.file,
						 equivalents[j].name);
		}
	}
	return 0;
}

/* Those that a policy may let through by its own list, with the types that systemd wants. */
static const struct {
	const char *name;
	const char *type;
} known[] = {{"KillSignal", "i"},
	     {"TimeoutStopUSec", "t"},
	     {"CollectMode", "s"},
	     {"After", "as"},
	     {"DefaultDependencies", "b"}};

/* Not even a policy that lets all of them through gives these away. */
static const char *const own[] = {"PIDs", "Delegate", "DelegateSubgroup", "Slice", "Description"};

int sd_properties_of_annotations(struct sd_properties *list, const struct str_map *annotations,
				 struct error *err)
{
	/* systemd has not as many; each is compared with each. */
	if (annotations->n > MOST_ANNOTATIONS)
		return error_set(err,
				 "annotations.org.systemd.property.*: expected at most %d, got %zu",
				 MOST_ANNOTATIONS, annotations->n);
	for (size_t i = 0; i < annotations->n; i++) {
		const struct str_pair *pair = &annotations->items[i];
		const char *wanted = NULL;
		struct sd_property value;

		for (size_t j = 0; j < sizeof(own) / sizeof(own[0]); j++)
			if (strcmp(own[j], pair->key) == 0)
				return error_set(
				    err,
				    "annotations.org.systemd.property.%s: runsafe sets "
				    "it itself",
				    pair->key);
		for (size_t j = 0; j < sizeof(known) / sizeof(known[0]); j++)
			if (strcmp(known[j].name, pair->key) == 0)
				wanted = known[j].type;
		if (sd_variant_parse(list->arena, pair->value, wanted, &value, err) < 0)
			return error_wrap(err, "annotations.org.systemd.property.%s", pair->key);
		value.name = pair->key;
		*sd_property_add(list, pair->key, value.type) = value;
	}
	return 0;
}
