"""Issue 3: update, with runc's options: policy obeyed, all or nothing, what is not given stays."""

import json
import pathlib

import pytest

import harness

MIB = 1 << 20
needs_limits = pytest.mark.needs_limits


class Group:
    """The files of a running container's cgroup."""

    def __init__(self, program, name):
        pid = program.state(name)["pid"]
        lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        self.path = harness.CGROUP / [x[4:] for x in lines if x.startswith("0::")][0]

    def __getitem__(self, file):
        return (self.path / file).read_text().strip()


def recorded(program, name):
    """The resources that later commands go by."""
    state = json.loads((program.root / name / "state.json").read_text())
    return state["config"]["linux"]["resources"]


def from_json(program, name, resources, **more):
    return program.ok("update", "--resources", "-", name, stdin=json.dumps(resources), **more)


# --- what can be seen without controllers: files that every cgroup has

def test_a_value_that_the_kernel_refuses_leaves_the_others_as_they_were(oci, plain):
    """Issue 3: all or nothing: a refused value leaves the old ones."""
    plain.set("linux.resources", {"unified": {"cgroup.max.depth": "5"}})
    name = oci.running(plain)
    group = Group(oci, name)
    before = (oci.root / name / "state.json").read_text()
    wanted = {"unified": {"cgroup.max.depth": "7", "cgroup.max.descendants": "lots"}}
    oci.fails("update", "-r", "-", name, stdin=json.dumps(wanted),
              words=[name, "unified.cgroup.max.descendants", "lots"])
    assert group["cgroup.max.depth"] == "5"
    assert (oci.root / name / "state.json").read_text() == before
    oci.delete(name, "--force")


def test_resources_from_a_file_and_from_standard_input(oci, plain, folder):
    name = oci.running(plain)
    group = Group(oci, name)
    from_json(oci, name, {"unified": {"cgroup.max.depth": "7"}})
    assert group["cgroup.max.depth"] == "7"
    file = folder / "resources.json"
    file.write_text('{"unified": {"cgroup.max.descendants": "9"}}')
    oci.ok("update", "--resources", file, name)
    assert (group["cgroup.max.depth"], group["cgroup.max.descendants"]) == ("7", "9")
    assert recorded(oci, name)["unified"] == {"cgroup.max.depth": "7",
                                              "cgroup.max.descendants": "9"}
    oci.delete(name, "--force")


def test_a_created_and_a_paused_container_are_updated_too(oci, plain):
    name = oci.create(plain.args("/bin/sleep", "1000"))
    group = Group(oci, name)
    from_json(oci, name, {"unified": {"cgroup.max.depth": "3"}})
    assert group["cgroup.max.depth"] == "3"
    oci.start(name)
    oci.ok("pause", name)
    from_json(oci, name, {"unified": {"cgroup.max.depth": "4"}})
    assert group["cgroup.max.depth"] == "4"
    assert oci.status(name) == "paused"
    oci.delete(name, "--force")


def test_a_stopped_container_is_an_error(oci, plain):
    name = oci.create(plain.sh("exit 0"))
    oci.start(name)
    oci.wait_status(name, "stopped")
    oci.fails("update", "--pids-limit", "5", name, words=[name, "container not running"])
    oci.fails("update", "--pids-limit", "5", "nobody", words=["container does not exist"])
    oci.delete(name)


def test_a_container_without_a_cgroup_is_an_error(runsafe, bundle):
    program = runsafe.with_options("--cgroup=none")
    program.options = [o for o in program.options if o != "--cgroup=available"]
    name = program.running(bundle)
    program.fails("update", "--memory", "64m", name, words=["only a cgroup has limits"])
    program.delete(name, "--force")


# What Docker 20.10 writes beside the one thing that was asked for.
DOCKER = {"memory": {"limit": 0, "reservation": 0, "kernel": 0},
          "cpu": {"shares": 0, "quota": 0, "period": 0}, "blockIO": {"weight": 0}}

ENGINES = {
    "docker": DOCKER,
    "docker, older": {**DOCKER, "memory": {"limit": 0, "swap": 0}, "pids": {"limit": 0},
                      "devices": None},
    "podman": {"cpu": {}, "memory": {}, "blockIO": {"weightDevice": []}},
    # containerd's CRI sends the container's whole resources again, device rules too.
    "cri": {"devices": [{"allow": False, "access": "rwm"}], "memory": {"swap": None},
            "cpu": None, "pids": None, "hugepageLimits": [], "unified": {}, "rdma": {}},
}


@pytest.mark.parametrize("resources", ENGINES.values(), ids=ENGINES.keys())
def test_what_engines_write_for_nothing_changes_nothing(runsafe, bundle, resources):
    name = runsafe.running(bundle)
    before = recorded(runsafe, name)
    from_json(runsafe, name, resources)
    assert recorded(runsafe, name) == before
    runsafe.delete(name, "--force")


def test_options_that_are_wrong_name_themselves(runsafe, bundle):
    name = runsafe.running(bundle)
    for option, value in [("memory", "lots"), ("memory", "-2"), ("memory", "1e3"),
                          ("memory", "9999999999g"), ("memory-swap", "5x"), ("cpu-quota", "999"),
                          ("cpu-quota", "-5"), ("cpu-period", "999"), ("cpu-period", "1000001"),
                          ("cpu-share", "262145"), ("cpu-idle", "2"), ("pids-limit", "-2"),
                          ("pids-limit", "0x10"), ("blkio-weight", "5"), ("cpu-burst", " 5"),
                          ("blkio-weight", "4294967306")]:
        runsafe.fails("update", f"--{option}={value}", name,
                      words=[f"option --{option}: expected", f'"{value}"'])
    for option in ["l3-cache-schema", "mem-bw-schema"]:
        runsafe.fails("update", f"--{option}", "L3:0=ff", name, words=["linux.intelRdt", "class"])
    runsafe.fails("update", "--cpu-rt-runtime", "5000", name,
                  words=["cpu.realtimeRuntime", "cgroup v2"])
    # cgroup v1's, without effect there as well; runc takes them.
    runsafe.ok("update", "--kernel-memory", "5m", "--kernel-memory-tcp", "5m", name)
    runsafe.delete(name, "--force")


@pytest.mark.parametrize("text, word", [
    ("", "empty"), ("{", "JSON"), ("[]", "object"), ('{"memory": {"limit": "5m"}}', "limit"),
    ('{"memory": {"limit": 1.5}}', "limit"), ('{"cpu": {"quota": 5}}', "cpu.quota"),
    ('{"cpu": {"realtimeRuntime": 5}}', "cpu.realtimeRuntime"),
    ('{"memory": {"swappiness": 7}}', "memory.swappiness"),
    ('{"memory": {"disableOOMKiller": true}}', "memory.disableOOMKiller"),
    ('{"unified": {"../x": "1"}}', "unified"), ('{"network": {"classID": 5}}', "network")])
def test_resources_that_are_wrong_are_named(runsafe, bundle, text, word):
    name = runsafe.running(bundle)
    before = recorded(runsafe, name)
    runsafe.fails("update", "-r", "-", name, stdin=text, words=[word])
    assert recorded(runsafe, name) == before
    runsafe.delete(name, "--force")


def test_a_resources_file_that_is_not_there(runsafe, bundle):
    name = runsafe.running(bundle)
    runsafe.fails("update", "-r", "/nowhere", name, words=["/nowhere", "no such file or directory"])
    runsafe.delete(name, "--force")


# --- the policy

LIFTS = {
    "memory": (["--memory", "-1"], "linux.resources.memory.limit"),
    "swap": (["--memory", "64m", "--memory-swap", "-1"], "linux.resources.memory.swap"),
    "cpus": (["--cpu-quota", "-1"], "linux.resources.cpu.quota"),
    "pids": (["--pids-limit", "-1"], "linux.resources.pids.limit"),
}


@pytest.mark.parametrize("options, path", LIFTS.values(), ids=LIFTS.keys())
@pytest.mark.parametrize("policy", ["default", "strict"])
def test_no_limit_is_lifted_that_the_policy_wants(runsafe, bundle, policy, options, path):
    """DESIGN.md section 3, limits: update obeys the same."""
    name = runsafe.with_options("--policy", policy).running(bundle)
    # The policy is the container's own, not the command's.
    runsafe.with_options("--policy", "oci").fails(
        "update", *options, name, words=[path, "would lift the limit", f"(policy {policy})"])
    runsafe.delete(name, "--force")


@pytest.mark.parametrize("file, value", [("memory.max", "max"), ("memory.swap.max", "max"),
                                         ("cpu.max", "max 100000"), ("pids.max", "max")])
def test_no_limit_is_lifted_by_the_name_of_its_file(runsafe, bundle, file, value):
    name = runsafe.running(bundle)
    runsafe.fails("update", "-r", "-", name, stdin=json.dumps({"unified": {file: value}}),
                  words=["would lift the limit"])
    runsafe.delete(name, "--force")


def test_what_an_annotation_lowered_is_not_raised(runsafe, bundle):
    bundle.annotate(memory="64m", pids="20", cpus="0.5")
    name = runsafe.running(bundle)
    for options in (["--memory", "65m"], ["--pids-limit", "21"], ["--cpu-quota", "50001"],
                    ["--cpu-period", "99999"]):
        runsafe.fails("update", *options, name, words=["annotation io.runsafe."])
    runsafe.delete(name, "--force")


# --- the limits themselves

@needs_limits
def test_every_option_reaches_the_kernel(runsafe, bundle):
    """Issue 3: update with runc's options."""
    bundle.set("linux.resources", {})
    name = runsafe.running(bundle)
    group = Group(runsafe, name)
    runsafe.ok("update", "--memory", "100m", "--memory-reservation", "50m",
               "--memory-swap", "150m", "--cpu-period", "50000", "--cpu-quota", "20000",
               "--cpu-share", "512", "--cpuset-cpus", "0", "--cpuset-mems", "0",
               "--pids-limit", "77", name)
    assert group["memory.max"] == str(100 * MIB)
    assert group["memory.low"] == str(50 * MIB)
    if (group.path / "memory.swap.max").exists():
        assert group["memory.swap.max"] == str(50 * MIB)
    assert group["cpu.max"] == "20000 50000"
    assert group["cpu.weight"] == "59"
    assert group["cpuset.cpus"] == "0"
    assert group["cpuset.mems"] == "0"
    assert group["pids.max"] == "77"
    now = recorded(runsafe, name)
    assert now["memory"]["limit"] == 100 * MIB
    assert now["memory"]["swap"] == 150 * MIB
    assert now["cpu"]["quota"] == 20000
    assert now["pids"]["limit"] == 77
    runsafe.delete(name, "--force")


@needs_limits
def test_what_docker_and_podman_write(runsafe, bundle):
    """Seen from `docker update` 20.10 (on standard input) and `podman update` 4.3 (in a file)."""
    bundle.set("linux.resources", {})
    name = runsafe.running(bundle)
    group = Group(runsafe, name)
    from_json(runsafe, name, {**DOCKER, "memory": {"limit": 64 * MIB, "reservation": 0,
                                                   "swap": 80 * MIB, "kernel": 0}})
    assert (group["memory.max"], group["cpu.max"]) == (str(64 * MIB), "100000 100000")
    from_json(runsafe, name, {**DOCKER, "cpu": {"shares": 0, "quota": 50000, "period": 100000}})
    assert (group["memory.max"], group["cpu.max"]) == (str(64 * MIB), "50000 100000")
    from_json(runsafe, name, {**DOCKER, "pids": {"limit": 55}})
    assert group["pids.max"] == "55"
    runsafe.fails("update", "--resources", "-", name, words=["pids.limit", "would lift"],
                  stdin=json.dumps({**DOCKER, "pids": {"limit": -1}}))
    from_json(runsafe, name, {**DOCKER, "cpu": {"shares": 512, "quota": 0, "period": 0,
                                                "cpus": "0"}})
    assert (group["cpu.weight"], group["cpuset.cpus"]) == ("59", "0")
    from_json(runsafe, name, {"memory": {"limit": 67108864, "swap": 134217728}})
    if (group.path / "memory.swap.max").exists():
        assert group["memory.swap.max"] == str(64 * MIB)
    assert (group["pids.max"], group["cpu.max"]) == ("55", "50000 100000")
    runsafe.delete(name, "--force")


@needs_limits
def test_what_is_not_given_stays(runsafe, bundle):
    bundle.set("linux.resources", {"memory": {"limit": 200 * MIB, "swap": 210 * MIB},
                                   "cpu": {"quota": 30000, "period": 60000}, "pids": {"limit": 50}})
    name = runsafe.running(bundle)
    group = Group(runsafe, name)
    swap = (group.path / "memory.swap.max").exists()
    runsafe.ok("update", "--memory", "300m", name)
    assert group["memory.max"] == str(300 * MIB)
    if swap:
        assert group["memory.swap.max"] == str(10 * MIB)
    assert group["cpu.max"] == "30000 60000"
    assert group["pids.max"] == "50"
    # The state's sum went along, so that the swap is the same when only swap is given.
    assert recorded(runsafe, name)["memory"]["swap"] == 310 * MIB
    runsafe.ok("update", "--memory-swap", "320m", name)
    if swap:
        assert group["memory.swap.max"] == str(20 * MIB)
    runsafe.ok("update", "--cpu-quota", "12000", name)
    assert group["cpu.max"] == "12000 60000"
    runsafe.ok("update", "--cpu-period", "24000", name)
    assert group["cpu.max"] == "12000 24000"
    runsafe.delete(name, "--force")


@needs_limits
def test_memory_and_swap_are_raised_and_lowered_together(oci, plain):
    plain.set("linux.resources", {"memory": {"limit": 64 * MIB, "swap": 64 * MIB}})
    name = oci.running(plain)
    group = Group(oci, name)
    for memory, swap in [(128, 256), (32, 40), (500, 500)]:
        oci.ok("update", f"--memory={memory}m", f"--memory-swap={swap}MiB", name)
        assert group["memory.max"] == str(memory * MIB)
        if (group.path / "memory.swap.max").exists():
            assert group["memory.swap.max"] == str((swap - memory) * MIB)
    oci.fails("update", "--memory", "64m", "--memory-swap", "63m", name,
              words=["memory.swap", "at least memory.limit"])
    assert group["memory.max"] == str(500 * MIB)
    oci.ok("update", "--memory", "-1", "--memory-swap", "-1", name)
    assert group["memory.max"] == "max"
    oci.delete(name, "--force")


@needs_limits
def test_a_later_value_that_is_refused_leaves_the_limits_before_it(runsafe, bundle):
    """Issue 3: all or nothing."""
    name = runsafe.running(bundle)
    group = Group(runsafe, name)
    files = ["memory.max", "memory.low", "cpu.max", "cpu.weight", "pids.max"]
    before = [group[file] for file in files], recorded(runsafe, name)
    runsafe.fails("update", "--memory", "300m", "--memory-reservation", "20m",
                  "--cpu-quota", "5000", "--cpu-share", "99", "--pids-limit", "9",
                  "--cpuset-cpus", "4000", name, words=["cpu.cpus", "4000"])
    assert ([group[file] for file in files], recorded(runsafe, name)) == before
    runsafe.delete(name, "--force")


@needs_limits
def test_a_limit_below_what_is_used_is_refused_where_that_is_asked_for(oci, plain):
    """config-linux.md, Memory: checkBeforeUpdate: the runtime MUST reject the new limit."""
    name = oci.create(plain.sh("head -c 20m /dev/zero >/dev/shm/x; echo full; sleep 1000"))
    oci.start(name)
    assert harness.wait_for(lambda: "full" in oci.output(name))
    group = Group(oci, name)
    from_json_fails = {"memory": {"limit": 10 * MIB, "checkBeforeUpdate": True}}
    oci.fails("update", "-r", "-", name, stdin=json.dumps(from_json_fails),
              words=["memory.limit", "less than the container uses"])
    assert group["memory.max"] == "max"
    oci.ok("update", "--memory", "100m", name)
    oci.delete(name, "--force")


@needs_limits
def test_a_new_limit_bites(runsafe, bundle):
    name = runsafe.running(bundle)
    many = ["exec", name, "/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait"]
    assert runsafe.ok(*many)
    runsafe.ok("update", "--pids-limit", "5", name)
    result = runsafe(*many)
    assert result.status != 0, result
    assert "fork" in result.err, result
    runsafe.delete(name, "--force")


@needs_limits
def test_check_shows_the_new_limits_and_not_what_was_found_about_the_old(runsafe, bundle):
    bundle.set("linux.resources", {})
    name = runsafe.running(bundle)
    assert "none: set to 1 GiB" in runsafe("check", name).out
    runsafe.ok("update", "--memory", "2g", name)
    out = runsafe("check", name).out
    assert "set to 1 GiB" not in out
    assert "none: set to 1 CPU" in out
    runsafe.delete(name, "--force")


@needs_limits
def test_what_was_allowed_at_create_may_be_lifted(runsafe, bundle):
    """DESIGN.md section 3: --allow is the owner's word; the state keeps it."""
    program = runsafe.with_options("--allow", "memory=unlimited", "--allow", "pids=unlimited")
    name = program.running(bundle)
    group = Group(runsafe, name)
    runsafe.ok("update", "--memory", "-1", "--pids-limit", "-1", name)
    assert (group["memory.max"], group["pids.max"]) == ("max", "max")
    # But not swap along with it: nobody allowed that.
    if (group.path / "memory.swap.max").exists():
        assert group["memory.swap.max"] == "0"
    runsafe.delete(name, "--force")


@needs_limits
def test_a_file_under_unified_and_its_option_are_one_limit(oci, plain):
    """config-linux.md, Unified: the later word stands, whichever of the two it is."""
    name = oci.running(plain)
    group = Group(oci, name)
    from_json(oci, name, {"unified": {"pids.max": "30", "memory.high": "50000000"}})
    assert group["pids.max"] == "30"
    oci.ok("update", "--pids-limit", "31", name)
    assert group["pids.max"] == "31"
    assert "pids.max" not in recorded(oci, name)["unified"]
    assert recorded(oci, name)["unified"]["memory.high"] == "50000000"
    oci.delete(name, "--force")


@needs_limits
def test_an_idle_group_gets_its_weight_back(oci, plain):
    """Documentation/admin-guide/cgroup-v2.rst, cpu.idle: leaving it resets the weight."""
    plain.set("linux.resources", {"cpu": {"shares": 2048}})
    name = oci.running(plain)
    group = Group(oci, name)
    weight = group["cpu.weight"]
    oci.ok("update", "--cpu-idle", "1", name)
    assert group["cpu.idle"] == "1"
    oci.ok("update", "--cpu-idle", "0", name)
    assert (group["cpu.idle"], group["cpu.weight"]) == ("0", weight)
    oci.delete(name, "--force")
