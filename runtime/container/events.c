/* What a container uses, and when the kernel killed in it, as runc's lines of JSON: the names are
 * those of its types/events.go. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "json_write.h"
#include "process.h"

#define GONE_TIMEOUT_MS 1000

/* runc leaves numbers that are 0 out; some it does not. */
static void number(struct json_writer *w, const char *key, uint64_t value)
{
	if (value)
		json_u64(w, key, value);
}

static void write_pressure(struct json_writer *w, const char *key, const struct cgroup_pressure *p)
{
	json_object_begin(w, key);
	json_hundredths(w, "avg10", p->avg10);
	json_hundredths(w, "avg60", p->avg60);
	json_hundredths(w, "avg300", p->avg300);
	json_u64(w, "total", p->total);
	json_object_end(w);
}

static void write_psi(struct json_writer *w, const struct cgroup_psi *psi)
{
	if (!psi->some.set && !psi->full.set)
		return;
	json_object_begin(w, "psi");
	write_pressure(w, "some", &psi->some);
	write_pressure(w, "full", &psi->full);
	json_object_end(w);
}

static void write_cpu(struct json_writer *w, const struct cgroup_stats *s)
{
	json_object_begin(w, "cpu");
	json_object_begin(w, "usage");
	number(w, "total", s->cpu_total);
	json_u64(w, "kernel", s->cpu_kernel);
	json_u64(w, "user", s->cpu_user);
	json_object_end(w);
	json_object_begin(w, "throttling");
	number(w, "periods", s->periods);
	number(w, "throttledPeriods", s->throttled_periods);
	number(w, "throttledTime", s->throttled_time);
	json_object_end(w);
	write_psi(w, &s->cpu_psi);
	json_object_end(w);
}

/* cgroup v2 has files for two of these only, and no numbers in them that runc would print. */
static void write_cpuset(struct json_writer *w)
{
	static const char *const keys[] = {
	    "cpu_exclusive",   "mem_hardwall",	     "mem_exclusive",
	    "memory_migrate",  "memory_spread_page", "memory_spread_slab",
	    "memory_pressure", "sched_load_balance", "sched_relax_domain_level"};

	json_object_begin(w, "cpuset");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_u64(w, keys[i], 0);
	json_object_end(w);
}

static void write_memory_entry(struct json_writer *w, const char *key, uint64_t limit,
			       uint64_t usage, uint64_t max, uint64_t failures)
{
	json_object_begin(w, key);
	json_u64(w, "limit", limit);
	number(w, "usage", usage);
	number(w, "max", max);
	json_u64(w, "failcnt", failures);
	json_object_end(w);
}

static uint64_t stat_value(const struct cgroup_stats *s, const char *name)
{
	for (size_t i = 0; i < s->n_memory_stat; i++) {
		if (strcmp(s->memory_stat[i].name, name) == 0)
			return s->memory_stat[i].value;
	}
	return 0;
}

static void write_memory(struct json_writer *w, const struct cgroup_stats *s)
{
	bool unlimited = s->swap_limit == UINT64_MAX || s->memory_limit == UINT64_MAX;
	uint64_t swap_limit = unlimited ? UINT64_MAX : s->memory_limit + s->swap_limit;

	json_object_begin(w, "memory");
	number(w, "cache", stat_value(s, "file"));
	write_memory_entry(w, "usage", s->memory_limit, s->memory_usage, s->memory_peak, s->max);
	/* Memory and swap together, as in config.json. */
	if (s->has_swap)
		write_memory_entry(w, "swap", swap_limit, s->memory_usage + s->swap_usage, 0, 0);
	else
		write_memory_entry(w, "swap", 0, 0, 0, 0);
	write_memory_entry(w, "kernel", 0, 0, 0, 0);
	write_memory_entry(w, "kernelTCP", 0, 0, 0, 0);
	if (s->n_memory_stat) {
		json_object_begin(w, "raw");
		for (size_t i = 0; i < s->n_memory_stat; i++)
			json_u64(w, s->memory_stat[i].name, s->memory_stat[i].value);
		json_object_end(w);
	}
	write_psi(w, &s->memory_psi);
	json_object_begin(w, "event_count");
	number(w, "low", s->low);
	number(w, "high", s->high);
	number(w, "max", s->max);
	number(w, "oom", s->oom);
	number(w, "oom_kill", s->oom_kill);
	json_object_end(w);
	json_object_end(w);
}

static void write_io_entry(struct json_writer *w, const struct cgroup_io *io, const char *op,
			   uint64_t value)
{
	json_object_begin(w, NULL);
	number(w, "major", io->major);
	number(w, "minor", io->minor);
	json_string(w, "op", op);
	number(w, "value", value);
	json_object_end(w);
}

static void write_blkio(struct json_writer *w, const struct cgroup_stats *s)
{
	json_object_begin(w, "blkio");
	if (s->n_io) {
		json_list_begin(w, "ioServiceBytesRecursive");
		for (size_t i = 0; i < s->n_io; i++) {
			write_io_entry(w, &s->io[i], "Read", s->io[i].read_bytes);
			write_io_entry(w, &s->io[i], "Write", s->io[i].written_bytes);
		}
		json_list_end(w);
		json_list_begin(w, "ioServicedRecursive");
		for (size_t i = 0; i < s->n_io; i++) {
			write_io_entry(w, &s->io[i], "Read", s->io[i].reads);
			write_io_entry(w, &s->io[i], "Write", s->io[i].writes);
		}
		json_list_end(w);
	}
	write_psi(w, &s->io_psi);
	json_object_end(w);
}

static void write_hugetlb(struct json_writer *w, const struct cgroup_stats *s)
{
	json_object_begin(w, "hugetlb");
	for (size_t i = 0; i < s->n_hugetlb; i++) {
		json_object_begin(w, s->hugetlb[i].size);
		number(w, "usage", s->hugetlb[i].usage);
		json_u64(w, "failcnt", s->hugetlb[i].failures);
		json_object_end(w);
	}
	json_object_end(w);
}

static const char *stats_line(struct arena *arena, const char *id, const struct cgroup_stats *s)
{
	struct json_writer w;

	json_start(&w, arena, false);
	json_object_begin(&w, NULL);
	json_string(&w, "type", "stats");
	json_string(&w, "id", id);
	json_object_begin(&w, "data");
	write_cpu(&w, s);
	write_cpuset(&w);
	write_memory(&w, s);
	json_object_begin(&w, "pids");
	number(&w, "current", s->pids);
	/* 0 stands for no limit there. */
	number(&w, "limit", s->pids_limit == UINT64_MAX ? 0 : s->pids_limit);
	json_object_end(&w);
	write_blkio(&w, s);
	write_hugetlb(&w, s);
	json_object_begin(&w, "intel_rdt");
	json_object_end(&w);
	json_string(&w, "network_interfaces", NULL);
	json_object_end(&w);
	json_object_end(&w);
	return json_finish(&w);
}

static const char *oom_line(struct arena *arena, const char *id)
{
	struct json_writer w;

	json_start(&w, arena, false);
	json_object_begin(&w, NULL);
	json_string(&w, "type", "oom");
	json_string(&w, "id", id);
	json_object_end(&w);
	return json_finish(&w);
}

struct watch {
	const struct container_state *state;
	container_event_sink *sink;
	void *context;
	int pidfd;
	int memory; /* memory.events; -1 without that controller */
	uint64_t kills;
};

static int tell_stats(struct watch *w, struct error *err)
{
	struct arena arena = ARENA_INIT;
	struct cgroup_stats stats;
	int result = cgroup_read_stats(&arena, w->state->cgroup_path, &stats, err);

	if (result < 0)
		error_wrap(err, "%s", w->state->id);
	else
		result = w->sink(w->context, stats_line(&arena, w->state->id, &stats), err);
	arena_free(&arena);
	return result;
}

/* The number of kills until now; what it was before when the group is gone. */
static uint64_t read_kills(struct watch *w)
{
	char text[512];
	ssize_t n = w->memory < 0 ? -1 : pread(w->memory, text, sizeof(text) - 1, 0);

	if (n < 0) {
		w->memory = -1; /* it would be ready for ever */
		return w->kills;
	}
	text[n] = '\0';
	return cgroup_stat_value(text, "oom_kill");
}

static int tell_kills(struct watch *w, struct error *err)
{
	struct arena arena = ARENA_INIT;
	uint64_t now = read_kills(w);
	int result = 0;

	for (; result == 0 && w->kills < now; w->kills++)
		result = w->sink(w->context, oom_line(&arena, w->state->id), err);
	arena_free(&arena);
	return result;
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int watch(struct watch *w, int interval_ms, struct error *err)
{
	long long next = now_ms() + interval_ms;

	for (;;) {
		struct pollfd polls[2] = {{.fd = w->pidfd, .events = POLLIN},
					  {.fd = w->memory, .events = POLLPRI}};
		long long left = next - now_ms();

		if (poll(polls, 2, left > 0 ? (int)left : 0) < 0 && errno != EINTR)
			return error_errno(err, errno, "%s: waiting for events", w->state->id);
		/* Before the end is told: what ended it may be the kill. */
		if (tell_kills(w, err) < 0)
			return -1;
		if (polls[0].revents)
			return 0;
		if (now_ms() < next)
			continue;
		next = now_ms() + interval_ms;
		if (tell_stats(w, err) == 0)
			continue;
		/* A group that is gone went with its container, which is the end. */
		if (err->number != ENOENT || process_wait(w->pidfd, GONE_TIMEOUT_MS) < 0)
			return -1;
		*err = (struct error)ERROR_INIT;
		return 0;
	}
}

static int not_running(const struct container_state *state, struct error *err)
{
	error_set(err, "%s: container not running", state->id);
	err->number = ESRCH;
	return -1;
}

static int tell_once(struct watch *w, struct error *err)
{
	int result = tell_stats(w, err);

	/* It was deleted since its status was looked at. */
	return result < 0 && err->number == ENOENT ? not_running(w->state, err) : result;
}

static int check(const struct container_state *state, struct error *err)
{
	if (container_status(state) == STATUS_STOPPED)
		return not_running(state, err);
	if (!state->cgroup_path || !*state->cgroup_path)
		return error_set(err,
				 "%s: there are no statistics: they are a cgroup's, and the "
				 "container was made without one (--cgroup=none or "
				 "--cgroup-manager=disabled)",
				 state->id);
	return 0;
}

int container_events(struct arena *arena, const struct runtime_options *options, const char *id,
		     int interval_ms, bool once, container_event_sink *sink, void *context,
		     struct error *err)
{
	struct container container;
	struct watch w = {.state = &container.state, .sink = sink, .context = context};

	if (container_open(arena, options->root, id, false, &container, err) < 0)
		return -1;
	container_close(&container);
	if (check(&container.state, err) < 0)
		return -1;
	if (once)
		return tell_once(&w, err);
	cleanup_fd int pidfd = process_open(&container.state);
	if (pidfd < 0 && errno == ESRCH)
		return 0;
	if (pidfd < 0)
		return error_errno(err, errno, "%s: cannot watch process %lld", id,
				   (long long)container.state.pid);
	cleanup_fd int dir = cgroup_open(container.state.cgroup_path);
	cleanup_fd int memory = dir < 0 ? -1 : openat(dir, "memory.events", O_RDONLY | O_CLOEXEC);
	if (memory < 0 && errno != ENOENT)
		return error_errno(err, errno, "%s: can not watch memory.events in its cgroup", id);
	w.pidfd = pidfd;
	w.memory = memory;
	w.kills = read_kills(&w);
	return watch(&w, interval_ms, err);
}
