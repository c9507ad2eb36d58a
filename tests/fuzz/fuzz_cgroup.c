/* What the kernel's files say: those of a cgroup, of /proc/PID, of resctrl. Every one of them says
 * the same here, each reader takes what it knows. The workload has its words in some: names of
 * processes, of mounts. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../runtime/cgroup/cgroup_internal.h"
#include "../../runtime/container/criu.h"
#include "../../runtime/container/process.h"
#include "fd.h"
#include "fuzz.h"
#include "resctrl.h"
#include "sandbox.h"

static const uint8_t *fed;
static size_t fed_size;

/* The linker puts these in the place of what they wrap (-Wl,--wrap). */
ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);
int __wrap_cgroup_open(const char *path);

/* The next read(2) of anybody gets the input. */
ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
	if (!fed)
		return __real_read(fd, buffer, size);
	size = fed_size < size ? fed_size : size;
	memcpy(buffer, fed, size);
	fed = NULL;
	return (ssize_t)size;
}

int __wrap_cgroup_open(const char *path)
{
	(void)path;
	return openat(place_bundle(), "cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void link_to_input(int dir, const char *folder, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (symlinkat("../input", dir, path) < 0)
		broken("a folder for the fuzzer can be made", path);
}

static int make_files(void)
{
	static const char *const files[] = {"memory.stat",	  "memory.events",
					    "memory.current",	  "memory.max",
					    "memory.peak",	  "memory.swap.current",
					    "memory.swap.max",	  "cpu.stat",
					    "cpu.pressure",	  "memory.pressure",
					    "io.pressure",	  "io.stat",
					    "pids.current",	  "pids.max",
					    "cgroup.procs",	  "cgroup.events",
					    "cgroup.controllers", "hugetlb.2MB.current",
					    "hugetlb.2MB.events", "schemata"};
	static const char *const of_process[] = {"status", "cgroup", "mountinfo"};
	static bool made;
	const int dir = place_bundle();

	if (made)
		return dir;
	made = true;
	if (mkdirat(dir, "cgroup", 0755) < 0 || mkdirat(dir, "1", 0755) < 0 ||
	    mkdirat(dir, "1/root", 0755) < 0)
		broken("a folder for the fuzzer can be made", strerror(errno));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		link_to_input(dir, "cgroup", files[i]);
	for (size_t i = 0; i < sizeof(of_process) / sizeof(of_process[0]); i++)
		link_to_input(dir, "1", of_process[i]);
	return dir;
}

static void read_group(struct arena *arena)
{
	struct cgroup_stats stats;
	struct error err = ERROR_INIT;
	pid_t *pids = NULL;
	size_t n = 0;

	if (cgroup_read_stats(arena, "/", &stats, &err) < 0)
		broken("statistics can be read", err.text);
	if (cgroup_pids(arena, "/", &pids, &n) == 0) {
		for (size_t i = 0; i < n; i++)
			if (pids[i] <= 0)
				broken("a pid is no group of processes", "cgroup.procs");
	}
	(void)cgroup_frozen("/");
}

static void read_process(const uint8_t *data, size_t size)
{
	uint64_t start_time;
	char state;

	fed = data;
	fed_size = size;
	(void)process_stat(getpid(), &start_time, &state);
	fed = data;
	(void)sandbox_died_before_exec(getpid());
	fed = NULL;
}

/* A restored process is looked at by what /proc says of it. */
static void verify(struct arena *arena, int dir)
{
	struct launch launch = {.arena = arena};
	struct error err = ERROR_INIT;

	launch.plan = (struct plan){.proc = dir,
				    .uid = 1000,
				    .gid = 1000,
				    .no_new_privileges = true,
				    .n_filters = 1,
				    .rootfs_readonly = true};
	launch.hardening.builtin_seccomp = true;
	launch.cgroup.dir = -1;
	launch.cgroup.path = arena_strdup(arena, "/runsafe/web");
	if (restore_verify(&launch, 1, &err) < 0)
		check_error(&err);
}

static void read_resctrl(struct arena *arena, const char *text, int dir)
{
	struct config_intel_rdt rdt = {.clos_id = arena_strdup(arena, "cgroup"),
				       .l3_cache_schema = (char *)text};
	struct error err = ERROR_INIT;
	struct resctrl group;
	/* Where it opens a path of the input, it opens a name. */
	int opened = resctrl_open(arena, text, &err);

	if (opened < 0)
		check_error(&err);
	fd_cleanup(&opened);
	err = (struct error)ERROR_INIT;
	str_list_add(arena, &rdt.schemata, (char *)text);
	if (resctrl_make(arena, dir, &rdt, "fuzz", &group, &err) < 0)
		check_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT;
	const int dir = make_files();
	const int next = place_next_descriptor();
	const char *text = as_text(&arena, data, size);

	place_write("input", data, size);
	read_group(&arena);
	read_process(data, size);
	verify(&arena, dir);
	read_resctrl(&arena, text, dir);
	(void)cg_controllers_parse(text);
	if (place_next_descriptor() != next)
		broken("what was opened is closed", "a descriptor is left");
	arena_free(&arena);
	return 0;
}
