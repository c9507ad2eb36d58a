/*
 * Time that grows faster than the input: each long list or text that a caller, an image or the
 * kernel can give, read in one size and in four times that size. Four times the time is linear;
 * sixteen times, quadratic, is a failure, as is running out of memory.
 * Usage: growth [KIBIBYTES [NAME]]. The longer of the two inputs has 4 * KIBIBYTES.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../runtime/cgroup/systemd_internal.h"
#include "../../runtime/container/store.h"
#include "../../runtime/container/update.h"
#include "../../runtime/plan/plan_internal.h"
#include "fuzz.h"

#define TIMES	    4
#define SLACK_MS    150 /* caches, allocators: not what is looked for */
#define CPU_SECONDS 60	/* for one shape */
#define MEMORY	    ((rlim_t)6 << 30)

static void read_config(struct arena *arena, char *text, size_t length)
{
	struct error err = ERROR_INIT;
	struct config cfg;

	if (config_parse(arena, "config.json", text, length, &cfg, &err) < 0) {
		check_error(&err);
		return;
	}
	harden_and_plan(arena, &cfg, "default", false);
	harden_and_plan(arena, &cfg, "oci", false);
}

static void read_update(struct arena *arena, char *text, size_t length)
{
	struct config_resources r, merged;
	struct error err = ERROR_INIT;
	struct policy_input in = builtin_policy(arena, "default");
	struct findings findings = {.arena = arena};
	struct cg_settings settings;
	struct config cfg;

	config_spec(arena, &cfg);
	if (config_parse_resources(arena, "resources", text, length, &r, &err) < 0) {
		check_error(&err);
		return;
	}
	update_trim(&r);
	if (policy_apply_update(arena, &in, &cfg, &r, &findings, &err) == 0) {
		update_merge(arena, &r, &r, &merged);
		(void)cg_settings_build(arena, &merged, "100000", &settings, NULL, &err);
	}
}

static void read_process(struct arena *arena, char *text, size_t length)
{
	struct policy_input in = builtin_policy(arena, "default");
	struct findings findings = {.arena = arena};
	struct error err = ERROR_INIT;
	struct hardening hardening;
	struct config_process process;
	struct config cfg;

	config_spec(arena, &cfg);
	if (config_parse_process(arena, "process", text, length, &process, &err) == 0)
		(void)policy_apply_process(arena, &in, &cfg, &process, &hardening, &findings, &err);
}

static void read_policy(struct arena *arena, char *text, size_t length)
{
	struct error err = ERROR_INIT;
	struct policy_input in = {.policy = policy_parse(arena, "policy", text, length, &err)};
	struct findings findings = {.arena = arena};
	struct hardening hardening;
	struct config cfg;

	config_spec(arena, &cfg);
	if (in.policy)
		(void)policy_apply(arena, &in, true, &cfg, &hardening, &findings, &err);
}

static void read_allow(struct arena *arena, char *text, size_t length)
{
	struct policy_setting setting;
	struct error err = ERROR_INIT;

	(void)length;
	(void)policy_parse_allow(arena, text, &setting, &err);
}

static void read_state(struct arena *arena, char *text, size_t length)
{
	struct container_state state;
	struct error err = ERROR_INIT;

	place_write(STATE_FILE, text, length);
	(void)state_file_read(arena, place_bundle(), "fuzz", &state, &err);
}

static void read_property(struct arena *arena, char *text, size_t length)
{
	struct error err = ERROR_INIT;
	struct sd_property property;

	(void)length;
	(void)sd_variant_parse(arena, text, NULL, &property, &err);
}

static void read_properties(struct arena *arena, char *text, size_t length)
{
	struct str_map map = {0};
	struct sd_properties list = {.arena = arena};
	struct error err = ERROR_INIT;

	(void)length;
	for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
		map.items = arena_grow(arena, map.items, map.n, sizeof(*map.items));
		map.items[map.n++] =
		    (struct str_pair){.key = word, .value = arena_strdup(arena, "1")};
	}
	(void)sd_properties_of_annotations(&list, &map, &err);
}

static void read_unit(struct arena *arena, char *text, size_t length)
{
	struct error err = ERROR_INIT;
	struct sd_unit unit;

	(void)length;
	(void)sd_unit_choose(arena, text, "fuzz", false, &unit, &err);
}

static void read_passwd(struct arena *arena, char *text, size_t length)
{
	(void)length;
	(void)passwd_find_uid(arena, text, 1);
	(void)group_has_gid(text, 1);
	(void)passwd_has_name(text, "app");
}

#define HEAD	"{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"rootfs\"},"
#define PROCESS "\"process\":{\"args\":[\"a\"],\"cwd\":\"/\"},"
#define LINUX	HEAD PROCESS "\"linux\":{"
#define OWN                                                                                        \
	"\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":"    \
	"\"network\"},{\"type\":\"user\"}]"

/* item has up to two numbers, both of which are its place in the list. */
static const struct shape {
	const char *name;
	void (*run)(struct arena *arena, char *text, size_t length);
	const char *head, *item, *between, *tail;
} shapes[] = {
    {"mounts of tmpfs", read_config, HEAD PROCESS "\"mounts\":[",
     "{\"destination\":\"/m/%zu\",\"type\":\"tmpfs\"}", ",", "]}"},
    {"mounts of proc", read_config, HEAD PROCESS "\"mounts\":[",
     "{\"destination\":\"/p%zu\",\"type\":\"proc\"}", ",", "]}"},
    {"mounts of files", read_config, HEAD PROCESS "\"mounts\":[",
     "{\"destination\":\"/f%zu\",\"type\":\"bind\",\"source\":\"file\"}", ",", "]}"},
    {"mounts of folders, read-only", read_config, HEAD PROCESS "\"mounts\":[",
     "{\"destination\":\"/f%zu\",\"type\":\"bind\",\"source\":\"volumes\",\"options\":[\"ro\"]}",
     ",", "]}"},
    {"mounts below each other", read_config, HEAD PROCESS "\"mounts\":[",
     "{\"destination\":\"/f/%zu/../"
     "a\",\"type\":\"bind\",\"source\":\"volumes\",\"options\":[\"ro\","
     "\"rshared\"]}",
     ",", "]}"},
    {"options of a mount", read_config,
     HEAD PROCESS "\"mounts\":[{\"destination\":\"/m\",\"type\":\"tmpfs\",\"options\":[",
     "\"o%zu\"", ",", "]}]}"},
    {"one long option", read_config,
     HEAD PROCESS "\"mounts\":[{\"destination\":\"/m\",\"type\":\"tmpfs\",\"options\":[\"", "o%zu",
     ",", "\"]}]}"},
    {"directories of an overlay", read_config,
     HEAD PROCESS "\"mounts\":[{\"destination\":\"/m\",\"type\":\"overlay\",\"options\":["
		  "\"lowerdir=",
     "", "volumes:", "\"]}]}"},
    {"mappings of a mount", read_config,
     HEAD PROCESS "\"mounts\":[{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"file\","
		  "\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}],\"uidMappings\":[",
     "{\"containerID\":%zu,\"hostID\":%zu,\"size\":1}", ",", "]}]}"},
    {"capabilities", read_config,
     HEAD "\"process\":{\"args\":[\"a\"],\"cwd\":\"/\",\"capabilities\":{\"bounding\":[",
     "\"CAP_%zu\"", ",", "]}}}"},
    {"variables", read_config, HEAD "\"process\":{\"args\":[\"a\"],\"cwd\":\"/\",\"env\":[",
     "\"HOME=%zu\",\"A%zu=b\"", ",", "]}}"},
    {"arguments", read_config, HEAD "\"process\":{\"cwd\":\"/\",\"args\":[", "\"%zu\"", ",", "]}}"},
    {"groups", read_config,
     HEAD "\"process\":{\"args\":[\"a\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0,"
	  "\"additionalGids\":[",
     "0,%zu", ",", "]}}}"},
    {"a long path", read_config, HEAD "\"process\":{\"args\":[\"a\"],\"cwd\":\"", "", "/..",
     "\"}}"},
    {"annotations", read_config, HEAD PROCESS "\"annotations\":{", "\"a%zu\":\"b\"", ",", "}}"},
    {"annotations for crun", read_config, HEAD PROCESS "\"annotations\":{", "\"run.oci.%zu\":\"b\"",
     ",", "}}"},
    {"an annotation of many tmpfs", read_config,
     HEAD PROCESS "\"annotations\":{\"io.runsafe.tmpfs\":\"", "/t/%zu", ",", "\"}}"},
    {"hooks", read_config, HEAD PROCESS "\"hooks\":{\"poststop\":[",
     "{\"path\":\"/%zu\",\"args\":[\"a\"],\"env\":[\"A=b\"]}", ",", "]}}"},
    {"masked paths", read_config, LINUX "\"maskedPaths\":[", "\"/m/%zu\"", ",", "]}}"},
    {"read-only paths", read_config, LINUX "\"readonlyPaths\":[", "\"/proc/%zu\"", ",", "]}}"},
    {"devices", read_config, LINUX "\"devices\":[",
     "{\"path\":\"/dev/d%zu\",\"type\":\"c\",\"major\":1,\"minor\":%zu}", ",", "]}}"},
    {"devices in a user namespace", read_config, LINUX OWN ",\"devices\":[",
     "{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,\"minor\":3,\"uid\":%zu}", ",", "]}}"},
    {"rules of devices", read_config, LINUX "\"resources\":{\"devices\":[",
     "{\"allow\":true,\"type\":\"c\",\"major\":8,\"minor\":%zu,\"access\":\"rw\"}", ",", "]}}}"},
    {"unified", read_config, LINUX "\"resources\":{\"unified\":{", "\"memory.f%zu\":\"1\"", ",",
     "}}}}"},
    {"sysctls", read_config, LINUX "\"sysctl\":{", "\"net.ipv4.s%zu\":\"1\"", ",", "}}}"},
    {"uid mappings", read_config, LINUX OWN ",\"uidMappings\":[",
     "{\"containerID\":%zu,\"hostID\":%zu,\"size\":1}", ",", "]}}"},
    {"a list of CPUs", read_config, LINUX "\"resources\":{\"cpu\":{\"cpus\":\"", "0-8191", ",",
     "\"}}}}"},
    {"nodes of memory", read_config, LINUX "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"",
     "0-1023", ",", "\"}}}"},
    {"flags of the scheduler", read_config,
     HEAD "\"process\":{\"args\":[\"a\"],\"cwd\":\"/\",\"scheduler\":{\"policy\":\"SCHED_OTHER\","
	  "\"flags\":[",
     "\"SCHED_FLAG_RECLAIM\"", ",", "]}}}"},
    {"network devices", read_config, LINUX "\"netDevices\":{", "\"e%zu\":{\"name\":\"f%zu\"}", ",",
     "}}}"},
    {"schemata", read_config, LINUX "\"intelRdt\":{\"schemata\":[", "\"L3:0=%zu\"", ",", "]}}}"},
    {"names of system calls", read_config,
     LINUX "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"action\":"
	   "\"SCMP_ACT_ALLOW\",\"names\":[",
     "\"read\",\"c%zu\"", ",", "]}]}}}"},
    {"rules for a system call", read_config,
     LINUX "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[",
     "{\"action\":\"SCMP_ACT_ALLOW\",\"names\":[\"read\"],\"args\":[{\"index\":0,\"value\":%zu,"
     "\"op\":\"SCMP_CMP_EQ\"}]}",
     ",", "]}}}"},
    {"conditions of a rule", read_config,
     LINUX "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"action\":"
	   "\"SCMP_ACT_ALLOW\",\"names\":[\"read\"],\"args\":[",
     "{\"index\":0,\"value\":%zu,\"op\":\"SCMP_CMP_NE\"}", ",", "]}]}}}"},
    {"architectures", read_config,
     LINUX "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[",
     "\"SCMP_ARCH_%zu\"", ",", "]}}}"},
    {"lists in lists", read_config, HEAD PROCESS "\"x\":[", "[[[[[[]]]]]]", ",", "]}"},
    {"keys that nobody knows", read_config, HEAD PROCESS "\"x\":{", "\"k%zu\":{\"a\":[1,\"b\"]}",
     ",", "}}"},
    {"escapes", read_config, HEAD PROCESS "\"hostname\":\"", "", "\\u00e4\\n", "\"}"},
    {"blanks", read_config, HEAD PROCESS, "", "    \\n", "\"x\":0}"},
    {"throttled devices", read_update, "{\"blockIO\":{\"throttleReadBpsDevice\":[",
     "{\"major\":8,\"minor\":%zu,\"rate\":%zu}", ",", "]}}"},
    {"weighted devices", read_update, "{\"blockIO\":{\"weightDevice\":[",
     "{\"major\":8,\"minor\":%zu,\"weight\":10}", ",", "]}}"},
    {"hugepage limits", read_update, "{\"hugepageLimits\":[",
     "{\"pageSize\":\"%zuMB\",\"limit\":1}", ",", "]}"},
    {"rdma devices", read_update, "{\"rdma\":{", "\"d%zu\":{\"hcaHandles\":1}", ",", "}}"},
    {"unified of update", read_update, "{\"unified\":{", "\"memory.f%zu\":\"1\"", ",", "}}"},
    {"capabilities of exec", read_process,
     "{\"args\":[\"a\"],\"cwd\":\"/\",\"capabilities\":{\"ambient\":[", "\"CAP_%zu\"", ",", "]}}"},
    {"groups of exec", read_process,
     "{\"args\":[\"a\"],\"cwd\":\"/\",\"user\":{\"additionalGids\":[", "%zu,0", ",", "]}}"},
    {"tmpfs of a policy", read_policy,
     "{\"name\":\"a\",\"extends\":\"default\",\"rootfs\":{\"tmpfs\":{",
     "\"/t/%zu\":{\"mode\":\"0755\"}", ",", "}}}"},
    {"paths of a policy", read_policy,
     "{\"name\":\"a\",\"extends\":\"default\",\"paths\":{\"masked\":[", "\"/t/%zu\"", ",", "]}}"},
    {"names in a policy", read_policy,
     "{\"name\":\"a\",\"extends\":\"default\",\"sysctl\":{\"allow\":[", "\"net.a%zu\"", ",", "]}}"},
    {"--allow tmpfs", read_allow, "tmpfs=", "/t/%zu", ",", ""},
    {"--allow sysctl", read_allow, "sysctl=", "a.b%zu", ",", ""},
    {"findings of a state", read_state, "{\"runsafeVersion\":1,\"id\":\"fuzz\",\"findings\":[",
     "{\"kind\":\"note\",\"path\":\"a%zu\",\"text\":\"b\"}", ",", "]}"},
    {"texts of a property", read_property, "[", "'a%zu'", ",", "]"},
    {"properties", read_properties, "", "p%zu", ",", ""},
    {"a unit's name", read_unit, "system.slice:a:", "%zu", "+", ""},
    {"users of a rootfs", read_passwd, "", "u%zu:x:5%zu:1::/:", "\n", ""},
};

/* A text of about that many bytes. */
static char *make(const struct shape *shape, size_t bytes, size_t *length)
{
	const size_t room = bytes + 4096;
	char *text = malloc(room);
	size_t at;

	if (!text)
		broken("there is memory", shape->name);
	at = (size_t)snprintf(text, room, "%s", shape->head);
	for (size_t i = 1; at < bytes; i++) {
		char item[1024];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(item, sizeof(item), shape->item, i, i);
#pragma GCC diagnostic pop
		at += (size_t)snprintf(text + at, room - at, "%s%s", i > 1 ? shape->between : "",
				       item);
	}
	*length = at + (size_t)snprintf(text + at, room - at, "%s", shape->tail);
	return text;
}

/* Milliseconds of processor time. */
static double measure(const struct shape *shape, size_t bytes)
{
	struct arena arena = ARENA_INIT;
	struct timespec before, after;
	size_t length;
	char *text = make(shape, bytes, &length);

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	shape->run(&arena, text, length);
	arena_free(&arena);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	free(text);
	return (double)(after.tv_sec - before.tv_sec) * 1000 +
	       (double)(after.tv_nsec - before.tv_nsec) / 1e6;
}

/* In a process of its own, whose time and memory have an end. Exits with 0 when all is well. */
static _Noreturn void child(const struct shape *shape, size_t bytes)
{
	const struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS}, memory = {MEMORY, MEMORY};
	struct rlimit files;
	double small = 0, large = 0;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CPU, &cpu) < 0 ||
	    setrlimit(RLIMIT_AS, &memory) < 0)
		broken("limits can be set", strerror(errno));
	/* Somebody else's work beside it costs caches: once more before it counts. */
	for (int i = 0; i < 3; i++) {
		small = measure(shape, bytes);
		large = measure(shape, bytes * TIMES);
		if (large <= 2 * TIMES * small + SLACK_MS)
			_exit(0);
	}
	printf("  %s: %zu KiB take %.0f ms, %zu KiB take %.0f ms\n", shape->name, bytes >> 10,
	       small, bytes * TIMES >> 10, large);
	fflush(stdout);
	_exit(1);
}

static bool passes(const struct shape *shape, size_t bytes)
{
	int status;

	fflush(stdout);
	const pid_t pid = fork();
	if (pid == 0)
		child(shape, bytes);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		broken("a process can be made", strerror(errno));
	if (WIFSIGNALED(status))
		printf("  %s: killed by signal %d (24, 9: after %d seconds)\n", shape->name,
		       WTERMSIG(status), CPU_SECONDS);
	else if (WEXITSTATUS(status) && WEXITSTATUS(status) != 1)
		printf("  %s: exit status %d\n", shape->name, WEXITSTATUS(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
	const size_t bytes = (argc > 1 ? strtoul(argv[1], NULL, 10) : 256) << 10;
	size_t passed = 0, failed = 0;

	(void)place_bundle();
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (argc > 2 && strcmp(argv[2], shapes[i].name) != 0)
			continue;
		if (passes(&shapes[i], bytes))
			passed++;
		else
			failed++;
	}
	printf("  growth: %zu shapes, %zu of them take longer than they should\n", passed + failed,
	       failed);
	return failed != 0;
}
