"""config-linux.md, "Control groups": the path, the device rules, the limits as the kernel shows them and
as they bite."""

import contextlib
import os
import pathlib

import pytest

import harness


# --- where it lies

def group_of(pid):
    """A process's cgroup of version 2."""
    lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return [line[3:] for line in lines if line.startswith("0::")][0]


@contextlib.contextmanager
def group(path):
    """A cgroup that was there before: an engine's."""
    (harness.CGROUP / path.lstrip("/")).mkdir(parents=True)
    try:
        yield harness.CGROUP / path.lstrip("/")
    finally:
        with contextlib.suppress(OSError):
            (harness.CGROUP / path.lstrip("/")).rmdir()


def gone(path):
    return not (harness.CGROUP / path.lstrip("/")).exists()


def running(program, bundle, path):
    bundle.set("linux.cgroupsPath", path)
    name = program.running(bundle)
    return name, group_of(program.state(name)["pid"])


def test_an_absolute_cgroups_path(oci, plain):
    """config-linux.md, Cgroups Path: absolute: relative to the cgroups mount point."""
    path = f"/{oci.prefix}-top/deep"
    with group(f"/{oci.prefix}-top") as engines:
        name, where = running(oci, plain, path)
        assert where == path
        oci.delete(name, "--force")
        assert gone(path)
        assert engines.is_dir()


def test_a_relative_cgroups_path(oci, plain):
    """config-linux.md, Cgroups Path: relative: the runtime MAY interpret it; ours lie in /runsafe."""
    path = f"{oci.prefix}-relative/deep"
    name, where = running(oci, plain, path)
    assert where == "/runsafe/" + path
    oci.delete(name, "--force")
    assert gone(f"/runsafe/{oci.prefix}-relative")


def test_the_same_cgroups_path_is_the_same_cgroup(oci, plain):
    """config-linux.md, Cgroups Path: MUST consistently attach to the same place."""
    for _ in range(2):
        name, where = running(oci, plain, f"{oci.prefix}-again")
        assert where == f"/runsafe/{oci.prefix}-again"
        oci.delete(name, "--force")


@pytest.mark.parametrize("path", ["", None])
def test_no_cgroups_path_is_one_by_the_id(oci, plain, path):
    """config-linux.md, Cgroups Path: not specified: the runtime MAY define the default."""
    if path is not None:
        plain.set("linux.cgroupsPath", path)
    name = oci.running(plain)
    assert name in group_of(oci.state(name)["pid"])
    oci.delete(name, "--force")
    assert gone(f"/runsafe/{name}")


@pytest.mark.parametrize("path", ["/..", "../x", "/a/../../b", "a/.."])
def test_a_cgroups_path_with_dots_is_an_error(oci, plain, path):
    """A path that climbs is somebody else's group."""
    oci.create_fails(plain.set("linux.cgroupsPath", path), "linux.cgroupsPath", "..")


@pytest.mark.parametrize("path", ["/", "//", "."])
def test_the_root_is_no_cgroup_for_a_container(oci, plain, path):
    oci.create_fails(plain.set("linux.cgroupsPath", path), "linux.cgroupsPath")


def test_a_cgroup_that_is_there_and_empty_is_taken(oci, plain):
    """Engines make it before."""
    with group(f"/{oci.prefix}-there"):
        name, where = running(oci, plain, f"/{oci.prefix}-there")
        assert where == f"/{oci.prefix}-there"
        oci.delete(name, "--force")


def test_a_cgroup_with_somebody_in_it_is_refused(oci, plain):
    """Two containers in one group would share limits, and the one's delete end the other."""
    first, where = running(oci, plain, f"/{oci.prefix}-taken")
    oci.create_fails(plain, where, "not empty")
    assert oci.status(first) == "running"


def test_the_process_is_in_its_cgroup_when_create_returns(oci, plain):
    """DESIGN.md section 4: engines read statistics there."""
    name = oci.create(plain.set("linux.cgroupsPath", f"/{oci.prefix}-created"))
    assert group_of(oci.state(name)["pid"]) == f"/{oci.prefix}-created"


# --- devices, by a BPF program

def test_a_device_that_no_rule_allows_can_not_be_opened(oci, plain):
    """config-linux.md, Device allowlist: allow, type, major, minor, access; in order."""
    plain.set("linux.devices", [
        {"type": "c", "path": "/dev/one", "major": 1, "minor": 11, "fileMode": 0o666},
        {"type": "c", "path": "/dev/two", "major": 10, "minor": 183, "fileMode": 0o666}])
    plain.set("linux.resources.devices", [{"allow": False, "access": "rwm"},
                                          {"allow": True, "type": "c", "major": 1, "minor": 11,
                                           "access": "r"}])
    result = oci.sh(plain, """for d in one two null zero; do
        (exec 3</dev/$d) 2>/dev/null && echo $d read; (exec 3>>/dev/$d) 2>/dev/null && echo $d write
        done; true""")
    assert result.lines == ["one read", "null read", "null write", "zero read", "zero write"]


def test_a_later_device_rule_goes_before_an_earlier_one(oci, plain):
    """config-linux.md: entries are applied in order."""
    plain.set("linux.devices", [{"type": "c", "path": "/dev/one", "major": 1, "minor": 11}])
    allow = {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rw"}
    deny = {"allow": False, "type": "c", "major": 1, "access": "w"}
    script = "(exec 3>>/dev/one) 2>/dev/null && echo written; (exec 3</dev/one) && echo read"
    for rules, lines in ([allow, deny], ["read"]), ([deny, allow], ["written", "read"]):
        plain.set("linux.resources.devices", [{"allow": False, "access": "rwm"}, *rules])
        assert oci.sh(plain, script).lines == lines


def test_making_a_node_is_no_matter_of_the_device_rules(oci, plain):
    """As runc and crun have it: a node alone opens nothing."""
    plain.set("linux.resources.devices", [{"allow": False, "access": "rwm"}])
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs")  # the host's may be nodev
    assert oci.sh(plain, "mknod /opt/node b 8 0; cat /opt/node 2>&1 || true").out.strip().endswith(
        "not permitted")


def test_wrong_device_rules(oci, plain):
    plain.set("linux.resources.devices", [{"allow": True, "access": "rwx"}])
    oci.create_fails(plain, "linux.resources.devices[0].access", "rwx")


# --- limits, where the controllers are

needs_limits = pytest.mark.needs_limits


def limits(program, bundle, **resources):
    """A running container with these; (folder of its cgroup, reader of a file there)."""
    bundle.config["linux"]["resources"] = resources
    name = program.running(bundle.write())
    place = harness.CGROUP / group_of(program.state(name)["pid"]).lstrip("/")

    def read(file):
        return (place / file).read_text().strip()
    return read


def has(*controllers):
    """Skips where the machine has cgroup v2 without these."""
    there = (harness.CGROUP / "cgroup.controllers").read_text().split()
    missing = set(controllers) - set(there)
    if missing:
        pytest.skip(f"NEEDS CONTROLLERS: cgroup v2 here has no {', '.join(sorted(missing))}")


@needs_limits
def test_memory_limit_reservation_and_swap(oci, plain):
    """config-linux.md, Memory: swap there is memory and swap together; v2 has swap alone."""
    read = limits(oci, plain, memory={"limit": 256 << 20, "reservation": 64 << 20,
                                      "swap": 300 << 20})
    assert read("memory.max") == str(256 << 20)
    assert read("memory.low") == str(64 << 20)
    if os.path.exists("/proc/swaps"):
        assert read("memory.swap.max") == str(44 << 20)


@needs_limits
@pytest.mark.parametrize("memory,swap", [({"limit": -1, "swap": -1}, "max"),
                                         ({"limit": 256 << 20, "swap": -1}, "max"),
                                         ({"limit": 256 << 20, "swap": 256 << 20}, "0")])
def test_unlimited_memory_and_swap(oci, plain, memory, swap):
    """config-linux.md, Memory: -1 is unlimited."""
    read = limits(oci, plain, memory=memory)
    assert read("memory.max") == ("max" if memory["limit"] < 0 else str(memory["limit"]))
    assert read("memory.swap.max") == swap


def test_less_swap_than_memory_is_an_error(oci, plain):
    plain.set("linux.resources", {"memory": {"limit": 256 << 20, "swap": 128 << 20}})
    oci.create_fails(plain, "linux.resources.memory.swap")


@needs_limits
def test_the_memory_limit_bites(oci, plain):
    """The kernel kills what takes more; the status says so."""
    plain.set("linux.resources", {"memory": {"limit": 32 << 20, "swap": 32 << 20}})
    result = oci.run(plain.args("/bin/tail", "/dev/zero"))
    assert result.status == 137


@needs_limits
@pytest.mark.parametrize("shares,weight", [(2, "1"), (262144, "10000")])
def test_cpu_shares_become_a_weight(oci, plain, shares, weight):
    """config-linux.md, CPU, shares: 2 to 262144 there, 1 to 10000 in cgroup v2."""
    assert limits(oci, plain, cpu={"shares": shares})("cpu.weight") == weight


@needs_limits
@pytest.mark.parametrize("cpu,text", [({"quota": 50000, "period": 200000}, "50000 200000"),
                                      ({"quota": 50000}, "50000 100000"),
                                      ({"period": 50000}, "max 50000"),
                                      ({"quota": -1, "period": 100000}, "max 100000")])
def test_cpu_quota_and_period(oci, plain, cpu, text):
    """config-linux.md, CPU: quota in a period, in microseconds."""
    assert limits(oci, plain, cpu=cpu)("cpu.max") == text


@needs_limits
def test_cpu_burst(oci, plain):
    """config-linux.md, CPU, burst: maximum accumulated quota."""
    read = limits(oci, plain, cpu={"quota": 50000, "period": 100000, "burst": 20000})
    assert (read("cpu.max"), read("cpu.max.burst")) == ("50000 100000", "20000")


@needs_limits
@pytest.mark.needs_kernel("5.15")
def test_cpu_idle(oci, plain):
    """config-linux.md, CPU, idle: SCHED_IDLE for the whole group."""
    assert limits(oci, plain, cpu={"idle": 1})("cpu.idle") == "1"


@needs_limits
def test_the_quota_bites(oci, plain):
    """cpu.stat counts the periods in which the group had to wait."""
    plain.set("linux.resources", {"cpu": {"quota": 10000, "period": 100000}})
    plain.set("linux.cgroupsPath", f"/{oci.prefix}-busy")
    name = oci.create(plain.sh("while :; do :; done"))
    oci.start(name)

    def throttled():
        text = (harness.CGROUP / f"{oci.prefix}-busy/cpu.stat").read_text().split()
        return int(text[text.index("nr_throttled") + 1]) > 3
    assert harness.wait_for(throttled)


@needs_limits
def test_cpus_and_mems(oci, plain):
    """config-linux.md, CPU, cpus and mems: what it may run on."""
    has("cpuset")
    plain.set("linux.resources", {"cpu": {"cpus": "0", "mems": "0"}})
    facts = oci.sh(plain, "cat /proc/self/status").facts()
    assert (facts["Cpus_allowed_list"], facts["Mems_allowed_list"]) == ("0", "0")


@needs_limits
@pytest.mark.parametrize("limit,text", [(77, "77"), (-1, "max")])
def test_pids(oci, plain, limit, text):
    """config-linux.md, PIDs, limit; -1 is unlimited."""
    assert limits(oci, plain, pids={"limit": limit})("pids.max") == text


@needs_limits
def test_the_pids_limit_stops_a_fork_bomb(oci, plain):
    plain.set("linux.resources", {"pids": {"limit": 20}})
    plain.set("linux.cgroupsPath", f"/{oci.prefix}-bomb")
    name = oci.create(plain.sh("bomb() { bomb & bomb & sleep 2; }; bomb 2>/dev/null; sleep 1000"))
    oci.start(name)
    place = harness.CGROUP / f"{oci.prefix}-bomb"
    assert harness.wait_for(lambda: int((place / "pids.events").read_text().split()[1]) > 0)
    assert int((place / "pids.current").read_text()) <= 20
    oci.delete(name, "--force")


@needs_limits
def test_block_io_weight(oci, plain):
    """config-linux.md, Block IO, weight: 10 to 1000 there, 1 to 10000 in cgroup v2."""
    has("io")
    plain.config["linux"]["resources"] = {"blockIO": {"weight": 1000}}
    name = oci.running(plain.write())
    place = harness.CGROUP / group_of(oci.state(name)["pid"]).lstrip("/")
    shown = {f.name: f.read_text().split()[1] for f in
             (place / "io.weight", place / "io.bfq.weight") if f.exists()}
    assert shown.get("io.weight", "10000") == "10000"
    assert shown.get("io.bfq.weight", "1000") == "1000"


@needs_limits
def test_block_io_throttles(oci, plain):
    """config-linux.md, Block IO: bytes and operations a second, by device."""
    has("io")
    devices = [d for d in pathlib.Path("/sys/block").iterdir()
               if (d / "device").exists() and int((d / "size").read_text())]
    if not devices:
        pytest.skip("NEEDS A DISK: this machine shows none in /sys/block")
    major, minor = map(int, (devices[0] / "dev").read_text().split(":"))
    one = {"major": major, "minor": minor}
    read = limits(oci, plain, blockIO={
        "throttleReadBpsDevice": [{**one, "rate": 1048576}],
        "throttleWriteBpsDevice": [{**one, "rate": 2097152}],
        "throttleReadIOPSDevice": [{**one, "rate": 300}],
        "throttleWriteIOPSDevice": [{**one, "rate": 400}]})
    assert read("io.max") == f"{major}:{minor} rbps=1048576 wbps=2097152 riops=300 wiops=400"


@needs_limits
def test_huge_pages(oci, plain):
    """config-linux.md, Huge page limits: pageSize and limit in bytes."""
    has("hugetlb")
    read = limits(oci, plain, hugepageLimits=[{"pageSize": "2MB", "limit": 4 << 20}])
    assert read("hugetlb.2MB.max") == str(4 << 20)
    assert read("hugetlb.2MB.rsvd.max") == str(4 << 20)


def test_a_page_size_that_is_none_is_an_error(oci, plain):
    plain.set("linux.resources", {"hugepageLimits": [{"pageSize": "2 MB", "limit": 1}]})
    oci.create_fails(plain, "linux.resources.hugepageLimits[0].pageSize", "2 MB")


@needs_limits
def test_unified_values_have_the_last_word(oci, plain):
    """config-linux.md, Unified: file names and what is written to them."""
    read = limits(oci, plain, pids={"limit": 77}, unified={
        "memory.high": str(128 << 20), "memory.oom.group": "1", "pids.max": "66",
        "cgroup.max.descendants": "5"})
    assert read("memory.high") == str(128 << 20)
    assert read("memory.oom.group") == "1"
    assert read("pids.max") == "66"
    assert read("cgroup.max.descendants") == "5"


@pytest.mark.parametrize("name", ["../cgroup.procs", "cgroup.procs", "nothing", "memory/max"])
def test_a_unified_name_that_is_no_limit_is_an_error(oci, plain, name):
    """config-linux.md, Unified: MUST generate an error for a file that can not be written; a path is
    none."""
    plain.set("linux.resources", {"unified": {name: "1"}})
    oci.create_fails(plain, "linux.resources.unified", name)


@needs_limits
def test_a_unified_file_that_is_not_there_is_an_error(oci, plain):
    """config-linux.md, Unified: MUST generate an error."""
    plain.set("linux.resources", {"unified": {"memory.colour": "1"}})
    oci.create_fails(plain, "memory.colour")


@needs_limits
def test_a_value_that_the_kernel_refuses_is_an_error(oci, plain):
    plain.set("linux.resources", {"cpu": {"cpus": "5000"}})
    has("cpuset")
    oci.create_fails(plain, "linux.resources.cpu.cpus", "5000")


def test_a_limit_that_can_not_be_applied_stops_the_start(oci, plain):
    """DESIGN.md section 3: never fail open; --cgroup=required is the default."""
    if not harness.why_no_limits():
        pytest.skip("NEEDS NO LIMITS: here they can be applied")
    strict = oci.with_options("--cgroup=required")
    plain.set("linux.resources", {"memory": {"limit": 1 << 30}})
    strict.create_fails(plain, "--cgroup=available")
