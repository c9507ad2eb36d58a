/* link: config base */
/* Schedulers, memory policies, resctrl classes and network devices that can not be. */
#include <stdio.h>

#include "config_wrong.h"

#define POLICIES                                                                                   \
	"expected one of SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_ISO, SCHED_IDLE "   \
	"or SCHED_DEADLINE, "
#define SCHEDULER(members) PROCESS("'scheduler':{" members "}")
#define DEADLINE(members)  SCHEDULER("'policy':'SCHED_DEADLINE'" members)
#define CPU_LIST	   "expected a list such as \"0-3,7\" of numbers up to 8191, got "

static const struct wrong scheduling[] = {
    {SCHEDULER(""), "process.scheduler.policy: " POLICIES "but it is missing"},
    {SCHEDULER("'policy':'SCHED_NORMAL'"),
     "process.scheduler.policy: " POLICIES "got \"SCHED_NORMAL\""},
    {SCHEDULER("'policy':'SCHED_ISO'"),
     "process.scheduler.policy: SCHED_ISO is reserved, and no Linux kernel has it (sched(7)); use "
     "SCHED_RR or SCHED_FIFO"},
    {SCHEDULER("'policy':'SCHED_OTHER','nice':20"),
     "process.scheduler.nice: expected a whole number from -20 to 19, got 20"},
    {SCHEDULER("'policy':'SCHED_OTHER','nice':-21"),
     "process.scheduler.nice: expected a whole number from -20 to 19, got -21"},
    {SCHEDULER("'policy':'SCHED_FIFO'"),
     "process.scheduler.priority: expected a whole number from 1 to 99 with SCHED_FIFO, but it is "
     "missing"},
    {SCHEDULER("'policy':'SCHED_RR','priority':0"),
     "process.scheduler.priority: expected a whole number from 1 to 99 with SCHED_RR, got 0"},
    {SCHEDULER("'policy':'SCHED_RR','priority':100"),
     "process.scheduler.priority: expected a whole number from 0 to 99, got 100"},
    {SCHEDULER("'policy':'SCHED_BATCH','priority':1"),
     "process.scheduler.priority: expected only with SCHED_FIFO or SCHED_RR, got 1 with "
     "SCHED_BATCH"},
    {SCHEDULER("'policy':'SCHED_OTHER','flags':['SCHED_FLAG_ALL']"),
     "process.scheduler.flags[0]: expected one of SCHED_FLAG_RESET_ON_FORK, SCHED_FLAG_RECLAIM, "
     "SCHED_FLAG_DL_OVERRUN, SCHED_FLAG_KEEP_POLICY, SCHED_FLAG_KEEP_PARAMS, "
     "SCHED_FLAG_UTIL_CLAMP_MIN or SCHED_FLAG_UTIL_CLAMP_MAX, got \"SCHED_FLAG_ALL\""},
    {SCHEDULER("'policy':'SCHED_OTHER','runtime':1"),
     "process.scheduler.runtime: expected only with SCHED_DEADLINE, got 1 with SCHED_OTHER"},
    {SCHEDULER("'policy':'SCHED_IDLE','deadline':2"),
     "process.scheduler.deadline: expected only with SCHED_DEADLINE, got 2 with SCHED_IDLE"},
    {SCHEDULER("'policy':'SCHED_RR','priority':1,'period':3"),
     "process.scheduler.period: expected only with SCHED_DEADLINE, got 3 with SCHED_RR"},
    {DEADLINE(""),
     "process.scheduler.runtime: expected at least 1024 nanoseconds with SCHED_DEADLINE, got 0"},
    {DEADLINE(",'runtime':5000"),
     "process.scheduler.deadline: expected at least the runtime 5000 with SCHED_DEADLINE, got 0"},
    {DEADLINE(",'runtime':5000,'deadline':6000,'period':5999"),
     "process.scheduler.period: expected 0, or at least the deadline 6000, got 5999"},
    {DEADLINE(",'runtime':9223372036854775808"),
     "process.scheduler.runtime: expected a whole number from 0 to 9223372036854775807, got "
     "9223372036854775808"},
    {DEADLINE(",'runtime':5000,'deadline':6000,'priority':1"),
     "process.scheduler.priority: expected only with SCHED_FIFO or SCHED_RR, got 1 with "
     "SCHED_DEADLINE"},
    {PROCESS("'ioPriority':{'priority':1}"),
     "process.ioPriority.class: expected one of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE or "
     "IOPRIO_CLASS_IDLE, but it is missing"},
    {PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_BE','priority':8}"),
     "process.ioPriority.priority: expected a whole number from 0 to 7, got 8"},
    {PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_BE','priority':-1}"),
     "process.ioPriority.priority: expected a whole number from 0 to 7, got -1"},
    {PROCESS("'execCPUAffinity':{'initial':'0-'}"),
     "process.execCPUAffinity.initial: " CPU_LIST "\"0-\""},
    {PROCESS("'execCPUAffinity':{'initial':'3-1'}"),
     "process.execCPUAffinity.initial: " CPU_LIST "\"3-1\""},
    {PROCESS("'execCPUAffinity':{'initial':'1,,2'}"),
     "process.execCPUAffinity.initial: " CPU_LIST "\"1,,2\""},
    {PROCESS("'execCPUAffinity':{'initial':' '}"),
     "process.execCPUAffinity.initial: " CPU_LIST "\" \""},
    {PROCESS("'execCPUAffinity':{'final':'1,'}"),
     "process.execCPUAffinity.final: " CPU_LIST "\"1,\""},
    {PROCESS("'execCPUAffinity':{'final':'8192'}"),
     "process.execCPUAffinity.final: " CPU_LIST "\"8192\""},
    {PROCESS("'execCPUAffinity':{'final':'18446744073709551616'}"),
     "process.execCPUAffinity.final: " CPU_LIST "\"18446744073709551616\""},
    {PROCESS("'execCPUAffinity':{'final':'0xf'}"),
     "process.execCPUAffinity.final: " CPU_LIST "\"0xf\""},
    {PROCESS("'execCPUAffinity':'0'"), "process.execCPUAffinity: expected an object, got \"0\""},
};

#define MODES                                                                                      \
	"expected one of MPOL_DEFAULT, MPOL_BIND, MPOL_INTERLEAVE, MPOL_WEIGHTED_INTERLEAVE, "     \
	"MPOL_PREFERRED, MPOL_PREFERRED_MANY or MPOL_LOCAL, "
#define MEMORY(members) LINUX("'memoryPolicy':{" members "}")
#define NODES_MISSING(mode)                                                                        \
	"linux.memoryPolicy.nodes: expected a list such as \"0-3,7\" with " mode                   \
	", but it is missing"

static const struct wrong memory_policy[] = {
    {MEMORY(""), "linux.memoryPolicy.mode: " MODES "but it is missing"},
    {MEMORY("'mode':'bind'"), "linux.memoryPolicy.mode: " MODES "got \"bind\""},
    {MEMORY("'mode':'MPOL_BIND'"), NODES_MISSING("MPOL_BIND")},
    {MEMORY("'mode':'MPOL_INTERLEAVE','nodes':''"), NODES_MISSING("MPOL_INTERLEAVE")},
    {MEMORY("'mode':'MPOL_WEIGHTED_INTERLEAVE'"), NODES_MISSING("MPOL_WEIGHTED_INTERLEAVE")},
    {MEMORY("'mode':'MPOL_PREFERRED_MANY'"), NODES_MISSING("MPOL_PREFERRED_MANY")},
    {MEMORY("'mode':'MPOL_DEFAULT','nodes':'0'"),
     "linux.memoryPolicy.nodes: expected none with MPOL_DEFAULT, got \"0\""},
    {MEMORY("'mode':'MPOL_LOCAL','nodes':'0-1'"),
     "linux.memoryPolicy.nodes: expected none with MPOL_LOCAL, got \"0-1\""},
    {MEMORY("'mode':'MPOL_BIND','nodes':'0-1024'"),
     "linux.memoryPolicy.nodes: expected a list such as \"0-3,7\" of numbers up to 1023, got "
     "\"0-1024\""},
    {MEMORY("'mode':'MPOL_BIND','nodes':'all'"),
     "linux.memoryPolicy.nodes: expected a list such as \"0-3,7\" of numbers up to 1023, got "
     "\"all\""},
    {MEMORY("'mode':'MPOL_BIND','nodes':'0','flags':['MPOL_F_STATIC']"),
     "linux.memoryPolicy.flags[0]: expected one of MPOL_F_NUMA_BALANCING, MPOL_F_RELATIVE_NODES or "
     "MPOL_F_STATIC_NODES, got \"MPOL_F_STATIC\""},
    {MEMORY("'mode':'MPOL_BIND','nodes':'0','flags':['MPOL_F_STATIC_NODES',"
	    "'MPOL_F_RELATIVE_NODES']"),
     "linux.memoryPolicy.flags: expected one of MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES, got "
     "both"},
    {MEMORY("'mode':'MPOL_PREFERRED','flags':['MPOL_F_STATIC_NODES']"),
     "linux.memoryPolicy.flags: expected MPOL_F_STATIC_NODES only with nodes, but nodes is "
     "missing"},
    {MEMORY("'mode':'MPOL_LOCAL','flags':['MPOL_F_RELATIVE_NODES']"),
     "linux.memoryPolicy.flags: expected MPOL_F_RELATIVE_NODES only with nodes, but nodes is "
     "missing"},
    {MEMORY("'mode':'MPOL_INTERLEAVE','nodes':'0','flags':['MPOL_F_NUMA_BALANCING']"),
     "linux.memoryPolicy.flags: expected MPOL_F_NUMA_BALANCING only with MPOL_BIND or "
     "MPOL_PREFERRED_MANY, got it with MPOL_INTERLEAVE"},
};

#define RDT(members) LINUX("'intelRdt':{" members "}")
#define RDT_OLD                                                                                    \
	": not supported: specification 1.3 has enableMonitoring in its place; leave it out (got " \
	"true)"

static const struct wrong intel_rdt[] = {
    {RDT("'closID':'..'"), "linux.intelRdt.closID: expected the name of a class, got \"..\""},
    {RDT("'closID':'info'"), "linux.intelRdt.closID: expected the name of a class, got \"info\""},
    {RDT("'closID':'a/b'"),
     "linux.intelRdt.closID: expected a name without slashes, or / for the default class, got "
     "\"a/b\""},
    {RDT("'closID':'/a'"),
     "linux.intelRdt.closID: expected a name without slashes, or / for the default class, got "
     "\"/a\""},
    {RDT("'schemata':'L3:0=f'"),
     "linux.intelRdt.schemata: expected a list of strings, got \"L3:0=f\""},
    {RDT("'schemata':['L3:0=f','']"),
     "linux.intelRdt.schemata[1]: expected one line such as \"L3:0=f;1=f\", got \"\""},
    {RDT("'schemata':['L3:0=f\\nMB:0=1']"),
     "linux.intelRdt.schemata[0]: expected one line such as \"L3:0=f;1=f\", got "
     "\"L3:0=f\\x0aMB:0=1\""},
    {RDT("'memBwSchema':'L3:0=f'"),
     "linux.intelRdt.memBwSchema: expected one line that starts with MB:, got \"L3:0=f\""},
    {RDT("'memBwSchema':'MB:0=1\\nL3:0=f'"),
     "linux.intelRdt.memBwSchema: expected one line that starts with MB:, got "
     "\"MB:0=1\\x0aL3:0=f\""},
    {RDT("'l3CacheSchema':1"), "linux.intelRdt.l3CacheSchema: expected a string, got 1"},
    {RDT("'enableMonitoring':1"), "linux.intelRdt.enableMonitoring: expected true or false, got 1"},
    {RDT("'enableCMT':true"), "linux.intelRdt.enableCMT" RDT_OLD},
    {RDT("'enableMBM':true"), "linux.intelRdt.enableMBM" RDT_OLD},
};

#define NET(members) LINUX("'netDevices':{" members "}")
#define NET_KEY                                                                                    \
	"linux.netDevices: expected names of network interfaces (1 to 15 bytes without blanks, / " \
	": and %), got "
#define NET_NAME                                                                                   \
	"expected a name of 1 to 15 bytes without blanks, / and :, with at most one %d, got "

static const struct wrong net_devices[] = {
    {NET("'':{}"), NET_KEY "\"\""},
    {NET("'eth0':{},'..':{}"), NET_KEY "\"..\""},
    {NET("'a b':{}"), NET_KEY "\"a b\""},
    {NET("'eth0:1':{}"), NET_KEY "\"eth0:1\""},
    {NET("'eth%d':{}"), NET_KEY "\"eth%d\""},
    {NET("'0123456789abcdef':{}"), NET_KEY "\"0123456789abcdef\""},
    {NET("'eth0':{},'eth0':{}"), "linux.netDevices.eth0: given twice"},
    {NET("'eth0':'eth1'"), "linux.netDevices.eth0: expected an object, got \"eth1\""},
    {NET("'eth0':{'name':1}"), "linux.netDevices.eth0.name: expected a string, got 1"},
    {NET("'eth0':{'name':'.'}"), "linux.netDevices.eth0.name: " NET_NAME "\".\""},
    {NET("'eth0':{'name':'a/b'}"), "linux.netDevices.eth0.name: " NET_NAME "\"a/b\""},
    {NET("'eth0':{'name':'a\\tb'}"), "linux.netDevices.eth0.name: " NET_NAME "\"a\\x09b\""},
    {NET("'eth0':{'name':'0123456789abcdef'}"),
     "linux.netDevices.eth0.name: " NET_NAME "\"0123456789abcdef\""},
    {NET("'eth0':{'name':'a%d%d'}"), "linux.netDevices.eth0.name: " NET_NAME "\"a%d%d\""},
    {NET("'eth0':{'name':'a%s'}"), "linux.netDevices.eth0.name: " NET_NAME "\"a%s\""},
    {NET("'eth0':{'name':'a%'}"), "linux.netDevices.eth0.name: " NET_NAME "\"a%\""},
    {NET("'eth0':{},'eth1':{'name':'eth0'}"),
     "linux.netDevices.eth1.name: expected each name once, got eth0 again (it is eth0's)"},
    {NET("'eth0':{'name':'x'},'eth1':{'name':'x'}"),
     "linux.netDevices.eth1.name: expected each name once, got x again (it is eth0's)"},
};

REFUSES(scheduling)
REFUSES(memory_policy)
REFUSES(intel_rdt)
REFUSES(net_devices)

/* before, n times one with the numbers up to n in it, and behind. */
static char *repeated(const char *before, const char *one, int n, const char *behind)
{
	char *items = malloc((size_t)n * 64), *end = items, *text;

	for (int i = 0; i < n; i++) {
		*end++ = i ? ',' : ' ';
		for (const char *c = one; *c; c++) {
			if (*c == '#')
				end += snprintf(end, 8, "%d", i + 1);
			else
				*end++ = *c;
		}
	}
	*end = '\0';
	text = arena_printf(&arena, "%s%s%s", before, items, behind);
	for (char *c = text; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	free(items);
	return text;
}

/* Each of a long list is compared with all others, so that none is longer than any host needs. */
static void test_long_lists(void **state)
{
	static const struct {
		const char *before, *one, *behind;
		int most;
		const char *message;
	} lists[] = {
	    {"'resources':{'hugepageLimits':[", "{'pageSize':'#MB','limit':0}", "]}", 64,
	     "linux.resources.hugepageLimits: expected at most 64 sizes, got 65"},
	    {"'netDevices':{", "'e#':{}", "}", 4096,
	     "linux.netDevices: expected at most 4096 devices, got 4097"},
	    {"'namespaces':[{'type':'user'}],"
	     "'gidMappings':[{'containerID':0,'hostID':0,'size':1}],'uidMappings':[",
	     "{'containerID':#,'hostID':#,'size':1}", "]", 340,
	     "linux.uidMappings: expected at most 340 ranges, which the kernel takes"},
	};
	static struct config cfg;

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const char *before =
		    arena_printf(&arena, "{'ociVersion':'1.0.0','root':{'path':'r'},'linux':{%s",
				 lists[i].before);
		const char *behind = arena_printf(&arena, "%s}}", lists[i].behind);
		const char *text = repeated(before, lists[i].one, lists[i].most, behind);
		struct error err = ERROR_INIT;

		if (config_parse(&arena, "t.json", text, strlen(text), &cfg, &err) < 0)
			fail_msg("%s", err.text);
		assert_string_equal(
		    refused(repeated(before, lists[i].one, lists[i].most + 1, behind)),
		    arena_printf(&arena, "t.json: %s", lists[i].message));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_scheduling, teardown),
	    cmocka_unit_test_teardown(test_memory_policy, teardown),
	    cmocka_unit_test_teardown(test_intel_rdt, teardown),
	    cmocka_unit_test_teardown(test_net_devices, teardown),
	    cmocka_unit_test_teardown(test_long_lists, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
