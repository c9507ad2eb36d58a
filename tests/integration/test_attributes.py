"""config.md "Linux Process" and config-linux.md: scheduler, I/O priority, memory policy, CPUs."""

import ctypes
import json
import os
import pathlib
import struct

import pytest

RESET_ON_FORK = 0x40000000
NUMA = pathlib.Path("/proc/self/numa_maps").exists()


def stat(pid):
    """Fields of /proc/PID/stat by their numbers in proc_pid_stat(5)."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    fields = text.rpartition(")")[2].split()
    return {"nice": int(fields[16]), "priority": int(fields[37]), "policy": int(fields[38])}


def io_priority(pid):
    """(class, level) of ioprio_get(2)."""
    number = {"x86_64": 252, "aarch64": 31}[os.uname().machine]
    value = ctypes.CDLL(None).syscall(number, 1, pid, 0)
    return value >> 13, value & 7


def deadline_of(pid):
    """(runtime, deadline, period) of sched_getattr(2)."""
    number = {"x86_64": 315, "aarch64": 275}[os.uname().machine]
    attributes = ctypes.create_string_buffer(48)
    assert ctypes.CDLL(None).syscall(number, pid, attributes, 48, 0) == 0
    return struct.unpack("IIQiIQQQ", attributes.raw)[5:]


def scheduled(runsafe, bundle):
    """A running container's first process: its facts and whether its children start anew."""
    name = runsafe.running(bundle)
    pid = runsafe.state(name)["pid"]
    return stat(pid), bool(os.sched_getscheduler(pid) & RESET_ON_FORK), pid


@pytest.mark.parametrize("policy, number", [("SCHED_OTHER", 0), ("SCHED_BATCH", 3)])
def test_scheduler_nice_is_set(oci, plain, policy, number):
    """policy and nice: the nice value for the process, affecting its priority."""
    plain.set("process.scheduler", {"policy": policy, "nice": 7})
    facts, _, _ = scheduled(oci, plain)
    assert facts == {"nice": 7, "priority": 0, "policy": number}


def test_scheduler_nice_can_be_better_than_the_runtimes(oci, plain):
    """It is set while the right to is still there: before the user change."""
    plain.set("process.scheduler", {"policy": "SCHED_OTHER", "nice": -5})
    plain.set("process.user", {"uid": 1000, "gid": 1000}).cap()
    facts, _, _ = scheduled(oci, plain)
    assert facts["nice"] == -5


def test_scheduler_idle(oci, plain):
    """SCHED_IDLE."""
    plain.set("process.scheduler", {"policy": "SCHED_IDLE"})
    assert scheduled(oci, plain)[0]["policy"] == 5


@pytest.mark.parametrize("policy, number", [("SCHED_FIFO", 1), ("SCHED_RR", 2)])
def test_scheduler_real_time_priority(oci, plain, policy, number):
    """priority: the static priority of the process, for SCHED_FIFO and SCHED_RR."""
    plain.set("process.scheduler", {"policy": policy, "priority": 3})
    plain.set("process.user", {"uid": 1000, "gid": 1000}).cap()
    facts, reset, _ = scheduled(oci, plain)
    assert (facts["policy"], facts["priority"], reset) == (number, 3, False)


def test_scheduler_flags(oci, plain):
    """flags: an array of strings representing scheduling flags."""
    plain.set("process.scheduler", {"policy": "SCHED_RR", "priority": 3,
                                    "flags": ["SCHED_FLAG_RESET_ON_FORK"]})
    facts, reset, _ = scheduled(oci, plain)
    assert facts["policy"] == 2 and reset


DEADLINE = {"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 20000000,
            "period": 40000000}


def test_scheduler_deadline(oci, plain):
    """runtime, deadline and period, in nanoseconds, of the deadline scheduler."""
    plain.set("process.scheduler", DEADLINE)
    facts, _, pid = scheduled(oci, plain)
    assert facts["policy"] == 6
    assert deadline_of(pid) == (1000000, 20000000, 40000000)


def test_scheduler_deadline_and_start_hooks(oci, plain):
    """A deadline process may not fork (sched(7)), so hooks could not run: said before anything is
    made. With the flag that lets it, they run, and the workload is a deadline one all the same."""
    mark = plain.rootfs / "tmp/hook"
    plain.config["hooks"] = {"startContainer": [
        {"path": "/bin/touch", "args": ["touch", "/tmp/hook"]}]}
    plain.set("process.scheduler", DEADLINE)
    oci.create_fails(plain, "hooks.startContainer", "SCHED_FLAG_RESET_ON_FORK")
    plain.set("process.scheduler", {**DEADLINE, "flags": ["SCHED_FLAG_RESET_ON_FORK"]})
    facts, reset, _ = scheduled(oci, plain)
    assert facts["policy"] == 6 and reset and mark.exists()


def test_scheduler_deadline_and_other_hooks(oci, plain):
    """createContainer hooks run before: they need no flag."""
    plain.config["hooks"] = {"createContainer": [{"path": "/bin/true"}]}
    plain.set("process.scheduler", DEADLINE)
    assert scheduled(oci, plain)[0]["policy"] == 6


def test_scheduler_iso_is_refused(oci, plain):
    """No kernel has SCHED_ISO: an error says so."""
    plain.set("process.scheduler", {"policy": "SCHED_ISO"})
    oci.create_fails(plain, "process.scheduler", "SCHED_ISO")


@pytest.mark.parametrize("scheduler, word", [
    ({"policy": "SCHED_FAST"}, "SCHED_FAST"),
    ({"policy": "SCHED_FIFO"}, "priority"),
    ({"policy": "SCHED_OTHER", "priority": 5}, "priority"),
    ({"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_X"]}, "SCHED_FLAG_X"),
    ({"policy": "SCHED_DEADLINE"}, "runtime"),
    ({**DEADLINE, "deadline": 1}, "deadline"),
    ({"policy": "SCHED_OTHER", "nice": 20}, "nice"),
    ({"policy": "SCHED_OTHER", "nice": -21}, "nice"),
])
def test_scheduler_that_can_not_be_is_refused(oci, plain, scheduler, word):
    """Nothing is passed over: the message names the field."""
    plain.set("process.scheduler", scheduler)
    oci.create_fails(plain, "process.scheduler", word)


def with_user_namespace(bundle):
    bundle.namespace("user")
    bundle.set("linux.uidMappings", [{"containerID": 0, "hostID": 100000, "size": 65536}])
    bundle.set("linux.gidMappings", [{"containerID": 0, "hostID": 100000, "size": 65536}])
    bundle.mount(destination="/tmp", type="tmpfs", source="tmpfs")
    return bundle


def test_priorities_in_a_user_namespace(oci, plain):
    """CAP_SYS_NICE of a user namespace counts for nothing: the runtime sets them from outside."""
    with_user_namespace(plain)
    plain.set("process.scheduler", {"policy": "SCHED_FIFO", "priority": 2})
    plain.set("process.ioPriority", {"class": "IOPRIO_CLASS_RT", "priority": 1})
    facts, _, pid = scheduled(oci, plain)
    assert (facts["policy"], facts["priority"], io_priority(pid)) == (1, 2, (1, 1))


@pytest.mark.parametrize("name, number", [("RT", 1), ("BE", 2), ("IDLE", 3)])
def test_io_priority(oci, plain, name, number):
    """ioPriority: class and level, for the container's process."""
    plain.set("process.ioPriority", {"class": f"IOPRIO_CLASS_{name}", "priority": 6})
    plain.set("process.user", {"uid": 1000, "gid": 1000}).cap()
    assert io_priority(scheduled(oci, plain)[2]) == (number, 6)


@pytest.mark.parametrize("value, word", [
    ({"class": "IOPRIO_CLASS_NO", "priority": 1}, "class"),
    ({"class": "IOPRIO_CLASS_BE", "priority": 8}, "priority"),
    ({"class": "IOPRIO_CLASS_BE", "priority": -1}, "priority"),
])
def test_io_priority_that_can_not_be_is_refused(oci, plain, value, word):
    """class is one of three, priority 0 to 7."""
    plain.set("process.ioPriority", value)
    oci.create_fails(plain, "process.ioPriority", word)


def memory_policy_of(oci, bundle):
    """The policy that the kernel notes at every mapping (numa(7), /proc/PID/numa_maps)."""
    lines = oci.sh(bundle, "cat /proc/self/numa_maps").lines
    return {line.split()[1] for line in lines}


@pytest.mark.skipif(not NUMA, reason="NEEDS NUMA: this kernel is built without CONFIG_NUMA")
@pytest.mark.parametrize("mode, nodes, flags, seen", [
    ("MPOL_BIND", "0", [], "bind:0"),
    ("MPOL_INTERLEAVE", "0", [], "interleave:0"),
    ("MPOL_PREFERRED", "0", [], "prefer:0"),
    ("MPOL_PREFERRED", "", [], "local"),
    ("MPOL_PREFERRED_MANY", "0", [], "prefer (many):0"),
    ("MPOL_LOCAL", "", [], "local"),
    ("MPOL_BIND", "0", ["MPOL_F_STATIC_NODES"], "bind=static:0"),
    ("MPOL_BIND", "0", ["MPOL_F_RELATIVE_NODES"], "bind=relative:0"),
])
def test_memory_policy(oci, plain, mode, nodes, flags, seen):
    """memoryPolicy: mode, nodes and flags of set_mempolicy(2), still there after the exec."""
    plain.set("linux.memoryPolicy", {"mode": mode, "nodes": nodes, "flags": flags})
    lines = oci.sh(plain, "cat /proc/self/numa_maps").lines
    assert all(seen in line for line in lines if "stack" in line), lines


@pytest.mark.skipif(not NUMA, reason="NEEDS NUMA: this kernel is built without CONFIG_NUMA")
@pytest.mark.needs_kernel("6.9")
def test_memory_policy_weighted_interleave(oci, plain):
    """MPOL_WEIGHTED_INTERLEAVE (Linux 6.9)."""
    plain.set("linux.memoryPolicy", {"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": "0"})
    assert "weighted interleave:0" in oci.sh(plain, "cat /proc/self/numa_maps").out


@pytest.mark.parametrize("value, words", [
    ({"mode": "MPOL_BIND", "nodes": "1000"}, ()),
    ({"mode": "MPOL_BIND", "nodes": "70000"}, ()),
    ({"mode": "MPOL_BIND", "nodes": ""}, ("nodes",)),
    ({"mode": "MPOL_BIND", "nodes": "1-0"}, ("nodes",)),
    ({"mode": "MPOL_BIND", "nodes": "x"}, ("nodes",)),
    ({"mode": "MPOL_DEFAULT", "nodes": "0"}, ("nodes",)),
    ({"mode": "MPOL_ELSE", "nodes": "0"}, ("mode",)),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_X"]}, ("flags",)),
    ({"mode": "MPOL_BIND", "nodes": "0",
      "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}, ()),
])
def test_memory_policy_that_can_not_be_is_refused(oci, plain, value, words):
    """What the kernel or the machine does not have is an error that names it."""
    plain.set("linux.memoryPolicy", value)
    oci.create_fails(plain, "linux.memoryPolicy", *words)


def test_personality_flags_are_refused(oci, plain):
    """No flag is defined for linux.personality: one that is asked for is not passed over."""
    plain.set("linux.personality", {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]})
    oci.create_fails(plain, "linux.personality.flags", "ADDR_NO_RANDOMIZE")


# --- execCPUAffinity

def first_cpu():
    return min(os.sched_getaffinity(0))


def exec_with(oci, name, folder, affinity):
    process = {"terminal": False, "cwd": "/", "user": {"uid": 0, "gid": 0},
               "args": ["/bin/grep", "Cpus_allowed_list", "/proc/self/status"],
               "env": ["PATH=/bin"], "execCPUAffinity": affinity}
    file = folder / "process.json"
    file.write_text(json.dumps(process), encoding="utf-8")
    return oci("exec", "--process", file, name)


def cpus_of(text):
    """"0-3,7" as a set."""
    found = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_exec_cpu_affinity_final(oci, plain, folder):
    """final: the CPUs the process will be run on after the transition to the cgroup."""
    cpu = first_cpu()
    result = exec_with(oci, oci.running(plain), folder, {"final": str(cpu)})
    assert result.status == 0 and cpus_of(result.out.split()[-1]) == {cpu}, result


def test_exec_cpu_affinity_initial_is_not_the_last_word(oci, plain, folder):
    """If final is omitted the container's default CPU affinity is used."""
    result = exec_with(oci, oci.running(plain), folder, {"initial": str(first_cpu())})
    assert result.status == 0, result
    assert cpus_of(result.out.split()[-1]) >= os.sched_getaffinity(0), result


@pytest.mark.parametrize("affinity", [{"final": "8000"}, {"initial": "8000"}])
def test_exec_cpu_affinity_that_can_not_be_is_refused(oci, plain, folder, affinity):
    """CPUs that are not there are an error that names the field."""
    result = exec_with(oci, oci.running(plain), folder, affinity)
    assert result.status != 0 and "process.execCPUAffinity" in result.err, result
    assert list(affinity)[0] in result.err, result


def test_exec_cpu_affinity_is_not_for_the_first_process(oci, plain):
    """This setting is not applicable to the container's init process."""
    plain.set("process.execCPUAffinity", {"initial": str(first_cpu()), "final": str(first_cpu())})
    out = oci.sh(plain, "grep Cpus_allowed_list /proc/self/status").out
    assert cpus_of(out.split()[-1]) >= os.sched_getaffinity(0)


@pytest.mark.parametrize("text", ["1-", "-1", "3-1", "a", "1,,2", "0x1", "99999999999999999999"])
def test_exec_cpu_affinity_that_is_no_list_is_refused(oci, plain, text):
    """A comma-separated list, with dashes to represent ranges."""
    plain.set("process.execCPUAffinity", {"final": text})
    oci.create_fails(plain, "process.execCPUAffinity.final")


# --- config-linux.md "Cgroup ownership"

DELEGATE = pathlib.Path("/sys/kernel/cgroup/delegate")
OWNED = (DELEGATE.read_text(encoding="ascii").split() if DELEGATE.exists()
         else ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"])


def cgroup_mount(bundle, *options, source="cgroup", destination="/sys/fs/cgroup"):
    bundle.config["mounts"] = [m for m in bundle.config["mounts"]
                               if m["destination"] != "/sys/fs/cgroup"]
    return bundle.mount(destination=destination, type="cgroup", source=source,
                        options=["nosuid", "noexec", "nodev", *options])


def owners(oci, bundle):
    """Who owns the container's cgroup and what is in it."""
    name = oci.running(bundle)
    line = [line for line in pathlib.Path(f"/proc/{oci.state(name)['pid']}/cgroup").read_text(
        encoding="ascii").splitlines() if line.startswith("0::")][0]
    folder = pathlib.Path("/sys/fs/cgroup" + line[3:])
    return folder.stat().st_uid, {f.name: f.stat().st_uid for f in folder.iterdir()}


def test_cgroup_ownership_is_the_workloads_user(oci, plain):
    """Change the owner of the container's cgroup to the host uid that maps to the value of
    process.user.uid: the directory and the files listed in /sys/kernel/cgroup/delegate, and no
    other file."""
    cgroup_mount(with_user_namespace(plain)).set("process.user", {"uid": 7, "gid": 7})
    own, files = owners(oci, plain)
    assert own == 100007
    given = {name for name, uid in files.items() if uid == 100007}
    assert given == {name for name in OWNED if name in files}
    assert {uid for name, uid in files.items() if name not in given} == {0}


def test_cgroup_ownership_lets_the_workload_make_groups(oci, plain):
    """That is what it is for."""
    cgroup_mount(with_user_namespace(plain)).set("process.user", {"uid": 7, "gid": 7})
    plain.cap()
    oci.sh(plain, "mkdir /sys/fs/cgroup/inner && echo 1 > /sys/fs/cgroup/inner/cgroup.procs")


@pytest.mark.parametrize("how", ["ro", "no mount", "other source", "other destination",
                                 "host's cgroup namespace", "no user namespace"])
def test_cgroup_ownership_is_not_changed_otherwise(oci, plain, how):
    """If the configuration does not specify such a mount, or no new cgroup namespace, the runtime
    SHOULD NOT change the cgroup ownership."""
    if how != "no user namespace":
        with_user_namespace(plain)
    cgroup_mount(plain, *(["ro"] if how == "ro" else []),
                 source="cgroup2" if how == "other source" else "cgroup",
                 destination="/opt" if how == "other destination" else "/sys/fs/cgroup")
    if how == "no mount":
        plain.config["mounts"].pop()
        plain.write()
    if how == "host's cgroup namespace":
        plain.namespace("cgroup", drop=True)
    own, files = owners(oci, plain)
    assert own == 0 and set(files.values()) == {0}


# --- config-linux.md "IntelRdt"

@pytest.mark.skipif("resctrl" in pathlib.Path("/proc/mounts").read_text(encoding="ascii"),
                    reason="NEEDS NO RESCTRL: it is mounted here")
@pytest.mark.parametrize("policy", ["oci", "default"])
def test_intel_rdt_without_resctrl_is_refused(runsafe, bundle, policy):
    """If no mounted resctrl pseudo-filesystem is available in the runtime mount namespace, the
    runtime MUST generate an error."""
    bundle.set("linux.intelRdt", {"closID": "gold", "memBwSchema": "MB:0=20"})
    runsafe.with_options("--policy", policy).create_fails(
        bundle, "linux.intelRdt", "no resctrl is mounted")


# --- config-linux.md "RDMA" and "Huge page limits"

@pytest.mark.needs_limits
def test_rdma_device_that_is_not_there_is_refused(oci, plain):
    """rdma: the entry key is a device's name; what can't be applied stops the start."""
    plain.set("linux.resources.rdma", {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}})
    oci.create_fails(plain, "linux.resources.rdma.mlx5_1")


def test_rdma_without_a_limit_is_refused(oci, plain):
    """You MUST specify at least one of the hcaHandles or hcaObjects in a given entry."""
    plain.set("linux.resources.rdma", {"mlx5_1": {}})
    oci.create_fails(plain, "linux.resources.rdma.mlx5_1")


@pytest.mark.needs_limits
def test_hugepage_limits_are_for_reservations_too(oci, plain):
    """hugepageLimits: reservations (if supported) or usage."""
    plain.set("linux.resources.hugepageLimits", [{"pageSize": "2MB", "limit": 4 << 20}])
    name = oci.running(plain)
    group = pathlib.Path(f"/proc/{oci.state(name)['pid']}/cgroup").read_text(encoding="ascii")
    folder = pathlib.Path("/sys/fs/cgroup" + group.strip().partition("::")[2])
    for file in ("hugetlb.2MB.max", "hugetlb.2MB.rsvd.max"):
        assert (folder / file).read_text(encoding="ascii").strip() == str(4 << 20)


@pytest.mark.needs_limits
@pytest.mark.parametrize("mode", ["required", "available"])
def test_hugepage_size_that_the_host_has_not_is_refused(oci, plain, mode):
    """pageSize must match the hugepagesize of the corresponding control file."""
    plain.set("linux.resources.hugepageLimits", [{"pageSize": "3MB", "limit": 4 << 20}])
    oci.with_options(f"--cgroup={mode}").create_fails(
        plain, "linux.resources.hugepageLimits[0]", "hugetlb.3MB.max", "page sizes")
