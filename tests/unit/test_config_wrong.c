/* link: config base */
#include "config_wrong.h"

#define RES(members)	 LINUX("'resources':{" members "}")
#define SECCOMP(members) LINUX("'seccomp':{'defaultAction':'SCMP_ACT_ALLOW'," members "}")
#define RULE(members)                                                                              \
	SECCOMP("'syscalls':[{'names':['read'],'action':'SCMP_ACT_ERRNO'," members "}]")
#define ARG(members) RULE("'args':[{'index':0,'value':0,'op':'SCMP_CMP_EQ'},{" members "}]")
#define BIG	     "18446744073709551615"
#define ID	     "{'containerID':0,'hostID':1,'size':1}"

#define NUMBER_MISSING "expected a whole number, but it is missing"
#define STRING_MISSING "expected a string, but it is missing"

static const struct wrong top[] = {
    {"{}", "ociVersion: " STRING_MISSING},
    {"{'ociVersion':'1.0.0'}", "root: expected an object, but it is missing"},
    {"{'ociVersion':'1.0.0','root':null}", "root: expected an object, but it is missing"},
    {"{'ociVersion':'1.0.0','root':{}}",
     "root.path: expected a non-empty string, but it is missing"},
    {"{'ociVersion':'1.0.0','root':{'path':''}}",
     "root.path: expected a non-empty string, got \"\""},
    {"{'ociVersion':'1.0.0','root':'r'}", "root: expected an object, got \"r\""},
    {"{'ociVersion':1.0,'root':{'path':'r'}}", "ociVersion: expected a string, got 1.0"},
    {TOP("'root':{}"), "root: given twice"},
    {TOP("'hostname':['a']"), "hostname: expected a string, got a list"},
    {TOP("'hostname':'0123456789012345678901234567890123456789012345678901234567890123x'"),
     "hostname: expected at most 64 bytes, got 65"},
    {TOP("'domainname':'0123456789012345678901234567890123456789012345678901234567890123x'"),
     "domainname: expected at most 64 bytes, got 65"},
    {TOP("'annotations':{'a':1}"), "annotations.a: expected a string, got 1"},
    {TOP("'annotations':{'':'x'}"), "annotations: expected keys that are not empty, got \"\""},
    {TOP("'annotations':{'a':'1','a':'2'}"), "annotations.a: given twice"},
    {TOP("'mounts':{}"), "mounts: expected a list of objects, got an object"},
    {TOP("'mounts':[{'type':'proc'}]"),
     "mounts[0].destination: expected a non-empty string, but it is missing"},
    {TOP("'mounts':[{'destination':''}]"),
     "mounts[0].destination: expected a non-empty string, got \"\""},
    {TOP("'mounts':[{'destination':'/a'},{'destination':'/b','options':['ro',7]}]"),
     "mounts[1].options[1]: expected a string, got 7"},
    {TOP("'mounts':[{'destination':'/a','options':'ro'}]"),
     "mounts[0].options: expected a list of strings, got \"ro\""},
    {TOP("'mounts':[{'destination':'/a','uidMappings':[{'containerID':0}]}]"),
     "mounts[0].uidMappings[0].hostID: " NUMBER_MISSING},
    {TOP("'mounts':[{'destination':'/a'},{'destination':'/a','gidMappings':[" ID "]}]"),
     "mounts[1].uidMappings: expected uidMappings and gidMappings, or neither, but it is missing"},
    {TOP("'mounts':[{'destination':'/a','uidMappings':[" ID "],'gidMappings':[]}]"),
     "mounts[0].gidMappings: expected uidMappings and gidMappings, or neither, but it is missing"},
    {TOP("'mounts':[{'destination':'/a','uidMappings':[" ID "],'gidMappings':[" ID
	 ",{'containerID':1,'hostID':1,'size':4294967295}]}]"),
     "mounts[0].gidMappings[1].size: expected ids up to 4294967294, got a range that ends at "
     "4294967295"},
    {TOP("'process':[]"), "process: expected an object, got a list"},
    {TOP("'linux':true"), "linux: expected an object, got true"},
};

static const struct wrong process[] = {
    {TOP("'process':{'cwd':'/'}"), "process.args: expected a list of strings, but it is missing"},
    {TOP("'process':{'cwd':'/','args':null}"),
     "process.args: expected a list of strings, but it is missing"},
    {TOP("'process':{'cwd':'/','args':[]}"), "process.args: expected a list that is not empty"},
    {TOP("'process':{'cwd':'/','args':'sh'}"),
     "process.args: expected a list of strings, got \"sh\""},
    {TOP("'process':{'cwd':'/','args':['']}"),
     "process.args[0]: expected the name of a program, got \"\": "
     "executable file not found in $PATH"},
    {TOP("'process':{'cwd':'/','args':['a','b\\u0000c']}"),
     "process.args[1]: expected text without NUL characters, got \"b\\x00c\""},
    {TOP("'process':{'args':['a']}"), "process.cwd: expected an absolute path, but it is missing"},
    {TOP("'process':{'args':['a'],'cwd':'tmp'}"),
     "process.cwd: expected an absolute path, got \"tmp\""},
    {TOP("'process':{'args':['a'],'cwd':''}"), "process.cwd: expected an absolute path, got \"\""},
    {PROCESS("'terminal':'yes'"), "process.terminal: expected true or false, got \"yes\""},
    {PROCESS("'consoleSize':{'height':1}"), "process.consoleSize.width: " NUMBER_MISSING},
    {PROCESS("'consoleSize':{'height':65536,'width':1}"),
     "process.consoleSize.height: expected a whole number from 0 to 65535, got 65536"},
    {PROCESS("'user':{'uid':-1}"),
     "process.user.uid: expected a whole number from 0 to 4294967294, got -1"},
    {PROCESS("'user':{'uid':4294967296}"),
     "process.user.uid: expected a whole number from 0 to 4294967294, got 4294967296"},
    {PROCESS("'user':{'uid':4294967295}"),
     "process.user.uid: expected a whole number from 0 to 4294967294, got 4294967295"},
    {PROCESS("'user':{'uid':'root'}"), "process.user.uid: expected a whole number, got \"root\""},
    {PROCESS("'user':{'gid':1.0}"),
     "process.user.gid: expected a whole number from 0 to 4294967294, got 1.0"},
    {PROCESS("'user':{'umask':512}"),
     "process.user.umask: expected a whole number from 0 to 511, got 512"},
    {PROCESS("'user':{'additionalGids':[1,-2]}"),
     "process.user.additionalGids[1]: expected a whole number from 0 to 4294967294, got -2"},
    {PROCESS("'env':['A=b','C']"), "process.env[1]: expected NAME=value, got \"C\""},
    {PROCESS("'env':['=b']"), "process.env[0]: expected NAME=value, got \"=b\""},
    {PROCESS("'env':{'A':'b'}"), "process.env: expected a list of strings, got an object"},
    {PROCESS("'capabilities':['CAP_CHOWN']"),
     "process.capabilities: expected an object, got a list"},
    {PROCESS("'capabilities':{'bounding':'CAP_CHOWN'}"),
     "process.capabilities.bounding: expected a list of strings, got \"CAP_CHOWN\""},
    {PROCESS("'rlimits':[{'soft':1,'hard':1}]"),
     "process.rlimits[0].type: expected one of RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, "
     "RLIMIT_FSIZE, RLIMIT_LOCKS, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_NOFILE, "
     "RLIMIT_NPROC, RLIMIT_RSS, RLIMIT_RTPRIO, RLIMIT_RTTIME, RLIMIT_SIGPENDING or RLIMIT_STACK, "
     "but it is missing"},
    {PROCESS("'rlimits':[{'type':'RLIMIT_FILES','soft':1,'hard':1}]"),
     "process.rlimits[0].type: expected one of RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, "
     "RLIMIT_FSIZE, RLIMIT_LOCKS, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_NOFILE, "
     "RLIMIT_NPROC, RLIMIT_RSS, RLIMIT_RTPRIO, RLIMIT_RTTIME, RLIMIT_SIGPENDING or RLIMIT_STACK, "
     "got \"RLIMIT_FILES\""},
    {PROCESS("'rlimits':[{'type':'RLIMIT_CPU','soft':1}]"),
     "process.rlimits[0].hard: " NUMBER_MISSING},
    {PROCESS("'rlimits':[{'type':'RLIMIT_CPU','soft':-1,'hard':1}]"),
     "process.rlimits[0].soft: expected a whole number from 0 to " BIG ", got -1"},
    {PROCESS("'rlimits':[{'type':'RLIMIT_CPU','soft':2,'hard':1}]"),
     "process.rlimits[0].soft: expected at most the hard limit 1, got 2"},
    {PROCESS("'rlimits':[{'type':'RLIMIT_CPU','soft':1,'hard':1},"
	     "{'type':'RLIMIT_AS','soft':1,'hard':1},{'type':'RLIMIT_CPU','soft':1,'hard':1}]"),
     "process.rlimits[2].type: expected each limit once, got RLIMIT_CPU again (it is in "
     "process.rlimits[0])"},
    {PROCESS("'oomScoreAdj':1001"),
     "process.oomScoreAdj: expected a whole number from -1000 to 1000, got 1001"},
    {PROCESS("'oomScoreAdj':-1001"),
     "process.oomScoreAdj: expected a whole number from -1000 to 1000, got -1001"},
    {PROCESS("'apparmorProfile':'a\\nb'"),
     "process.apparmorProfile: expected a name without control characters and quotes, got "
     "\"a\\x0ab\""},
    {PROCESS("'selinuxLabel':'a:b:\\u007f'"),
     "process.selinuxLabel: expected a name without control characters and quotes, got "
     "\"a:b:\\x7f\""},
    {PROCESS("'apparmorProfile':['a']"), "process.apparmorProfile: expected a string, got a list"},
};

static const struct wrong hooks[] = {
    {TOP("'hooks':[]"), "hooks: expected an object, got a list"},
    {TOP("'hooks':{'prestart':{}}"), "hooks.prestart: expected a list of objects, got an object"},
    {TOP("'hooks':{'poststop':[{'args':['a']}]}"),
     "hooks.poststop[0].path: expected an absolute path, but it is missing"},
    {TOP("'hooks':{'createRuntime':[{'path':'/a'},{'path':'b'}]}"),
     "hooks.createRuntime[1].path: expected an absolute path, got \"b\""},
    {TOP("'hooks':{'createContainer':[{'path':''}]}"),
     "hooks.createContainer[0].path: expected an absolute path, got \"\""},
    {TOP("'hooks':{'startContainer':[{'path':'/a','timeout':0}]}"),
     "hooks.startContainer[0].timeout: expected a whole number from 1 to 2147483647, got 0"},
    {TOP("'hooks':{'poststart':[{'path':'/a','env':['A=b','x']}]}"),
     "hooks.poststart[0].env[1]: expected NAME=value, got \"x\""},
};

static const struct wrong linux_objects[] = {
    {LINUX("'namespaces':[{'path':'/n'}]"),
     "linux.namespaces[0].type: expected one of pid, network, mount, ipc, uts, user, cgroup or "
     "time, but it is missing"},
    {LINUX("'namespaces':[{'type':'net'}]"),
     "linux.namespaces[0].type: expected one of pid, network, mount, ipc, uts, user, cgroup or "
     "time, got \"net\""},
    {LINUX("'namespaces':[{'type':'pid'},{'type':'uts'},{'type':'pid','path':'/p'}]"),
     "linux.namespaces[2].type: expected each type once, got pid again (it is in "
     "linux.namespaces[0])"},
    {LINUX("'namespaces':[{'type':'pid','path':'proc/1/ns/pid'}]"),
     "linux.namespaces[0].path: expected an absolute path, got \"proc/1/ns/pid\""},
    {LINUX("'uidMappings':[{'containerID':0,'hostID':1,'size':1}]"),
     "linux.uidMappings: expected only with a namespace of type user in linux.namespaces"},
    {LINUX("'gidMappings':[{'containerID':0,'hostID':1,'size':1}]"),
     "linux.gidMappings: expected only with a namespace of type user in linux.namespaces"},
    {LINUX("'uidMappings':[{'containerID':0,'hostID':1,'size':0}]"),
     "linux.uidMappings[0].size: expected a whole number from 1 to 4294967295, got 0"},
    {LINUX("'uidMappings':[{'containerID':0,'size':1}]"),
     "linux.uidMappings[0].hostID: " NUMBER_MISSING},
    {LINUX("'namespaces':[{'type':'user'}],"
	   "'gidMappings':[{'containerID':0,'hostID':4294967290,'size':6}]"),
     "linux.gidMappings[0].size: expected ids up to 4294967294, got a range that ends at "
     "4294967295"},
    {LINUX("'timeOffsets':{'monotonic':{'secs':1}}"),
     "linux.timeOffsets: expected only with a namespace of type time in linux.namespaces"},
    {LINUX("'namespaces':[{'type':'time'}],'timeOffsets':{'realtime':{'secs':1}}"),
     "linux.timeOffsets: expected monotonic or boottime, got \"realtime\""},
    {LINUX("'namespaces':[{'type':'time'}],'timeOffsets':{'boottime':{'nanosecs':1000000000}}"),
     "linux.timeOffsets.boottime.nanosecs: expected a whole number from 0 to 999999999, got "
     "1000000000"},
    {LINUX("'devices':[{'path':'/dev/a'}]"),
     "linux.devices[0].type: expected one of c, b, u or p, but it is missing"},
    {LINUX("'devices':[{'type':'x','path':'/dev/a'}]"),
     "linux.devices[0].type: expected one of c, b, u or p, got \"x\""},
    {LINUX("'devices':[{'type':'p','path':'dev/a'}]"),
     "linux.devices[0].path: expected an absolute path, got \"dev/a\""},
    {LINUX("'devices':[{'type':'p','path':'/dev/p'},{'type':'c','path':'/dev/a','major':1}]"),
     "linux.devices[1].minor: expected a whole number for a device of type c, but it is missing"},
    {LINUX("'devices':[{'type':'b','path':'/dev/a','minor':0}]"),
     "linux.devices[0].major: expected a whole number for a device of type b, but it is missing"},
    {LINUX("'devices':[{'type':'c','path':'/dev/a','major':4096,'minor':0}]"),
     "linux.devices[0].major: expected a whole number from 0 to 4095, got 4096"},
    {LINUX("'cgroupsPath':'a\\u0000b'"),
     "linux.cgroupsPath: expected text without NUL characters, got \"a\\x00b\""},
    {LINUX("'sysctl':{'net.ipv4.ip_forward':1}"),
     "linux.sysctl.net.ipv4.ip_forward: expected a string, got 1"},
    {LINUX("'sysctl':{'':'1'}"),
     "linux.sysctl: expected names such as net.ipv4.ip_forward, got \"\""},
    {LINUX("'sysctl':{'net/../kernel/x':'1'}"),
     "linux.sysctl: expected names such as net.ipv4.ip_forward, got \"net/../kernel/x\""},
    {LINUX("'sysctl':{'/kernel/x':'1'}"),
     "linux.sysctl: expected names such as net.ipv4.ip_forward, got \"/kernel/x\""},
    {LINUX("'sysctl':{'kernel.':'1'}"),
     "linux.sysctl: expected names such as net.ipv4.ip_forward, got \"kernel.\""},
    {LINUX("'rootfsPropagation':'rshare'"),
     "linux.rootfsPropagation: expected one of shared, slave, private, unbindable, rshared, "
     "rslave, rprivate or runbindable, got \"rshare\""},
    {LINUX("'maskedPaths':['/a','b']"),
     "linux.maskedPaths[1]: expected an absolute path, got \"b\""},
    {LINUX("'readonlyPaths':['']"), "linux.readonlyPaths[0]: expected an absolute path, got \"\""},
    {LINUX("'personality':{}"),
     "linux.personality.domain: expected one of LINUX or LINUX32, but it is missing"},
    {LINUX("'personality':{'domain':'BSD'}"),
     "linux.personality.domain: expected one of LINUX or LINUX32, got \"BSD\""},
    {LINUX("'personality':{'domain':'LINUX','flags':['X']}"),
     "linux.personality.flags: expected an empty list (no flag is defined), got \"X\""},
    {LINUX("'mountLabel':'a\\u0022b'"),
     "linux.mountLabel: expected a name without control characters and quotes, got \"a\"b\""},
};

static const struct wrong resources[] = {
    {RES("'memory':{'limit':'512m'}"),
     "linux.resources.memory.limit: expected a whole number, got \"512m\""},
    {RES("'memory':{'limit':-2}"),
     "linux.resources.memory.limit: expected a whole number from -1 to 9223372036854775807, "
     "got -2"},
    {RES("'memory':{'swap':9223372036854775808}"),
     "linux.resources.memory.swap: expected a whole number from -1 to 9223372036854775807, got "
     "9223372036854775808"},
    {RES("'memory':512"), "linux.resources.memory: expected an object, got 512"},
    {RES("'cpu':{'shares':-1}"),
     "linux.resources.cpu.shares: expected a whole number from 0 to 18446744073709551615, got -1"},
    {RES("'cpu':{'quota':999}"),
     "linux.resources.cpu.quota: expected -1, 0, or at least 1000 microseconds, got 999"},
    {RES("'cpu':{'period':1000001}"),
     "linux.resources.cpu.period: expected 0, or 1000 to 1000000 microseconds, got 1000001"},
    {RES("'cpu':{'burst':-1}"),
     "linux.resources.cpu.burst: expected a whole number from 0 to " BIG ", got -1"},
    {RES("'cpu':{'idle':2}"),
     "linux.resources.cpu.idle: expected a whole number from 0 to 1, got 2"},
    {RES("'cpu':{'cpus':'0-3\\n'}"),
     "linux.resources.cpu.cpus: expected a list such as \"0-3,7\", got \"0-3\\x0a\""},
    {RES("'cpu':{'mems':'all'}"),
     "linux.resources.cpu.mems: expected a list such as \"0-3,7\", got \"all\""},
    {RES("'cpu':{'cpus':1}"), "linux.resources.cpu.cpus: expected a string, got 1"},
    {RES("'pids':{'limit':-2}"),
     "linux.resources.pids.limit: expected a whole number from -1 to 9223372036854775807, "
     "got -2"},
    {RES("'devices':[{'access':'rwm'}]"),
     "linux.resources.devices[0].allow: expected true or false, but it is missing"},
    {RES("'devices':[{'allow':true},{'allow':true,'type':'d'}]"),
     "linux.resources.devices[1].type: expected one of a, c or b, got \"d\""},
    {RES("'devices':[{'allow':true,'access':'rx'}]"),
     "linux.resources.devices[0].access: expected letters of \"rwm\", got \"rx\""},
    {RES("'devices':[{'allow':true,'major':-2}]"),
     "linux.resources.devices[0].major: expected a whole number from -1 to 4095, got -2"},
    {RES("'blockIO':{'weight':9}"),
     "linux.resources.blockIO.weight: expected 0, or 10 to 1000, got 9"},
    {RES("'blockIO':{'weight':1001}"),
     "linux.resources.blockIO.weight: expected a whole number from 0 to 1000, got 1001"},
    {RES("'blockIO':{'weightDevice':[{'major':8,'minor':0,'weight':1}]}"),
     "linux.resources.blockIO.weightDevice[0].weight: expected 0, or 10 to 1000, got 1"},
    {RES("'blockIO':{'throttleReadBpsDevice':[{'major':8,'minor':0}]}"),
     "linux.resources.blockIO.throttleReadBpsDevice[0].rate: " NUMBER_MISSING},
    {RES("'blockIO':{'throttleWriteIOPSDevice':[{'minor':0,'rate':0}]}"),
     "linux.resources.blockIO.throttleWriteIOPSDevice[0].major: " NUMBER_MISSING},
    {RES("'hugepageLimits':[{'limit':1}]"),
     "linux.resources.hugepageLimits[0].pageSize: " STRING_MISSING},
    {RES("'hugepageLimits':[{'pageSize':'../x','limit':1}]"),
     "linux.resources.hugepageLimits[0].pageSize: expected a size such as 64KB, 2MB or 1GB, got "
     "\"../x\""},
    {RES("'hugepageLimits':[{'pageSize':'2MB','limit':1},{'pageSize':'2MB','limit':2}]"),
     "linux.resources.hugepageLimits[1].pageSize: expected each size once, got 2MB again"},
    {RES("'unified':{'../memory.max':'1'}"),
     "linux.resources.unified: expected names of cgroup files such as memory.high, got "
     "\"../memory.max\""},
    {RES("'unified':{'memory.max':1}"),
     "linux.resources.unified.memory.max: expected a string, got 1"},
    {RES("'rdma':{'mlx5_1':{}}"), "linux.resources.rdma.mlx5_1: expected hcaHandles or hcaObjects "
				  "or both, but both are missing"},
    {RES("'rdma':{'mlx5_1':{'hcaHandles':-1}}"), "linux.resources.rdma.mlx5_1.hcaHandles: expected "
						 "a whole number from 0 to 4294967295, got -1"},
    {RES("'rdma':{'mlx5_1':{'hcaObjects':'max'}}"),
     "linux.resources.rdma.mlx5_1.hcaObjects: expected a whole number, got \"max\""},
    {RES("'rdma':{'a b':{'hcaHandles':1}}"),
     "linux.resources.rdma: expected names of RDMA devices such as mlx5_1, got \"a b\""},
    {RES("'rdma':[]"), "linux.resources.rdma: expected an object, got a list"},
    {RES("'network':{'classID':1}"), "linux.resources.network: not supported: cgroup v2 has "
				     "neither net_cls nor net_prio; leave it out"},
};

#define ACTIONS                                                                                    \
	"expected one of SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, SCMP_ACT_KILL, SCMP_ACT_KILL_PROCESS, "   \
	"SCMP_ACT_LOG, SCMP_ACT_KILL_THREAD, SCMP_ACT_TRAP, SCMP_ACT_TRACE or SCMP_ACT_NOTIFY, "

static const struct wrong seccomp[] = {
    {LINUX("'seccomp':{}"), "linux.seccomp.defaultAction: " ACTIONS "but it is missing"},
    {LINUX("'seccomp':{'defaultAction':'SCMP_ACT_DENY'}"),
     "linux.seccomp.defaultAction: " ACTIONS "got \"SCMP_ACT_DENY\""},
    {SECCOMP("'defaultErrnoRet':4096"),
     "linux.seccomp.defaultErrnoRet: expected a whole number from 0 to 4095 with "
     "SCMP_ACT_ALLOW, got 4096"},
    {SECCOMP("'flags':['SECCOMP_FILTER_FLAG_NEW']"),
     "linux.seccomp.flags[0]: expected one of SECCOMP_FILTER_FLAG_TSYNC, "
     "SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW or "
     "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, got \"SECCOMP_FILTER_FLAG_NEW\""},
    {SECCOMP("'syscalls':[{'action':'SCMP_ACT_KILL'}]"),
     "linux.seccomp.syscalls[0].names: expected a list of strings, but it is missing"},
    {SECCOMP("'syscalls':[{'names':[],'action':'SCMP_ACT_KILL'}]"),
     "linux.seccomp.syscalls[0].names: expected a list that is not empty"},
    {SECCOMP("'syscalls':[{'names':['read'],'action':'kill'}]"),
     "linux.seccomp.syscalls[0].action: " ACTIONS "got \"kill\""},
    {RULE("'errnoRet':4096"), "linux.seccomp.syscalls[0].errnoRet: expected a whole number from "
			      "0 to 4095 with SCMP_ACT_ERRNO, got 4096"},
    {RULE("'args':{}"),
     "linux.seccomp.syscalls[0].args: expected a list of objects, got an object"},
    {ARG("'index':6,'value':1,'op':'SCMP_CMP_EQ'"),
     "linux.seccomp.syscalls[0].args[1].index: expected a whole number from 0 to 5, got 6"},
    {ARG("'index':1,'value':-1,'op':'SCMP_CMP_EQ'"),
     "linux.seccomp.syscalls[0].args[1].value: expected a whole number from 0 to " BIG ", got -1"},
    {ARG("'index':1,'value':1,'op':'EQ'"),
     "linux.seccomp.syscalls[0].args[1].op: expected one of SCMP_CMP_NE, SCMP_CMP_LT, "
     "SCMP_CMP_LE, SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT or SCMP_CMP_MASKED_EQ, got \"EQ\""},
    {ARG("'value':1,'op':'SCMP_CMP_EQ'"),
     "linux.seccomp.syscalls[0].args[1].index: " NUMBER_MISSING},
    {SECCOMP("'listenerPath':'run/s'"),
     "linux.seccomp.listenerPath: expected an absolute path, got \"run/s\""},
    {SECCOMP("'listenerMetadata':'m'"),
     "linux.seccomp.listenerMetadata: expected only with listenerPath, but listenerPath is "
     "missing"},
    {SECCOMP("'syscalls':[{'names':['mkdir'],'action':'SCMP_ACT_NOTIFY'}]"),
     "linux.seccomp.syscalls[0].action: expected SCMP_ACT_NOTIFY only with listenerPath, but "
     "listenerPath is missing"},
    {SECCOMP("'listenerPath':'/s','syscalls':[{'names':['mkdir'],'action':'SCMP_ACT_KILL'},"
	     "{'names':['read','write'],'action':'SCMP_ACT_NOTIFY'}]"),
     "linux.seccomp.syscalls[1].names: expected syscalls other than write with SCMP_ACT_NOTIFY: "
     "the start itself needs it"},
    {LINUX("'seccomp':{'defaultAction':'SCMP_ACT_NOTIFY','listenerPath':'/s'}"),
     "linux.seccomp.defaultAction: expected an action other than SCMP_ACT_NOTIFY, which would stop "
     "the start itself"},
};

REFUSES(top)
REFUSES(process)
REFUSES(hooks)
REFUSES(linux_objects)
REFUSES(resources)
REFUSES(seccomp)

static void test_versions(void **state)
{
	static const char *const wrong[] = {"2.0.0",  "0.6.0",	"1",	     "1.0",    "1.0.0.0",
					    "1.x.0",  "",	"1.00.0",    "1.0.0-", "1.0.0 ",
					    "10.0.0", "v1.0.0", "1.0.0-a b", "1.-1.0"};
	static const char *const right[] = {"1.0.0",  "1.0.2",	    "1.0.2-dev", "1.1.0-rc.1",
					    "1.2.1",  "1.3.0",	    "1.3.0+dev", "1.4.0",
					    "1.10.0", "1.0.0-rc5+b"};
	static struct config cfg;
	struct error err = ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *text =
		    arena_printf(&arena, "{'ociVersion':'%s','root':{'path':'r'}}", wrong[i]);

		assert_string_equal(refused(text),
				    arena_printf(&arena,
						 "t.json: ociVersion: expected a version from "
						 "1.0.0 to 1.3.0, got \"%s\"",
						 wrong[i]));
	}
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		const char *text = arena_printf(
		    &arena, "{\"ociVersion\":\"%s\",\"root\":{\"path\":\"r\"}}", right[i]);

		if (config_parse(&arena, "t.json", text, strlen(text), &cfg, &err) < 0)
			fail_msg("%s", err.text);
	}
}

static void test_broken_files(void **state)
{
	char *deep = malloc(200001);

	(void)state;
	assert_string_equal(refused(""), "t.json: expected a JSON object, but the file is empty");
	assert_string_equal(refused("{'ociVersion':'1.0"),
			    "t.json: not valid JSON: the text ends too early");
	assert_string_equal(refused("{'ociVersion':'\xff'}"),
			    "t.json: line 1, column 16: not UTF-8 text");
	assert_string_equal(refused("[]"), "t.json: expected an object, got a list");
	memset(deep, '[', 200000);
	deep[200000] = '\0';
	assert_string_equal(refused(deep), "t.json: line 1, column 65: nested deeper than the 64 "
					   "levels that are read at most");
	free(deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_top, teardown),
	    cmocka_unit_test_teardown(test_process, teardown),
	    cmocka_unit_test_teardown(test_hooks, teardown),
	    cmocka_unit_test_teardown(test_linux_objects, teardown),
	    cmocka_unit_test_teardown(test_resources, teardown),
	    cmocka_unit_test_teardown(test_seccomp, teardown),
	    cmocka_unit_test_teardown(test_versions, teardown),
	    cmocka_unit_test_teardown(test_broken_files, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
