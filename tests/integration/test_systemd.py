"""The systemd cgroup driver (issue 3; DESIGN.md sections 4 and 6), on a machine where systemd is
process 1: tests/vm/run -i systemd."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import pytest

import harness
from harness import CGROUP, wait_for

pytestmark = [pytest.mark.needs_systemd, pytest.mark.needs_limits]

JOE = 1000


def systemctl(*words, check=True):
    return subprocess.run(["systemctl", "--no-pager", *words], capture_output=True, text=True,
                          check=check).stdout.strip()


def show(unit, *names, user=False):
    """The unit's properties."""
    words = ["show", unit, *(f"--property={name}" for name in names)]
    if user:
        words = ["--user", "-M", f"{JOE}@", *words]
    return dict(line.partition("=")[::2] for line in systemctl(*words).splitlines())


def loaded(unit):
    return show(unit, "LoadState")["LoadState"] == "loaded"


def stop_slices(*names):
    """Those stay when they are empty."""
    systemctl("stop", *names)


@pytest.fixture(scope="session", autouse=True)
def bus():
    """The bus is started when it is first used: before anybody looks what is left behind."""
    if harness.SYSTEMD:
        systemctl("list-jobs")
        subprocess.run(["busctl", "--no-pager", "list"], capture_output=True, check=True)


@pytest.fixture
def systemd(runsafe):
    return runsafe.with_options("--systemd-cgroup")


@pytest.fixture
def oci_systemd(oci):
    return oci.with_options("--systemd-cgroup")


def unit_of(runsafe, name):
    return json.loads((runsafe.root / name / "state.json").read_text())["systemdUnit"]


def group_of(runsafe, name):
    path = json.loads((runsafe.root / name / "state.json").read_text())["cgroupPath"]
    return CGROUP / path.lstrip("/")


def path_of(pid):
    return pathlib.Path(f"/proc/{pid}/cgroup").read_text().strip()


# --- the unit

def test_a_container_is_a_transient_scope_that_is_delegated_to_it(systemd, bundle):
    """a transient scope over D-Bus; cgroupsPath missing: system.slice, "runsafe" and the id."""
    name = systemd.running(bundle)
    unit = f"runsafe-{name}.scope"
    facts = show(unit, "Transient", "Slice", "Delegate", "CollectMode", "DefaultDependencies",
                 "Description", "ActiveState", "ControlGroup")
    assert facts == {"Transient": "yes", "Slice": "system.slice", "Delegate": "yes",
                     "CollectMode": "inactive-or-failed", "DefaultDependencies": "no",
                     "Description": f"runsafe container {name}", "ActiveState": "active",
                     "ControlGroup": f"/system.slice/{unit}"}
    assert unit_of(systemd, name) == unit
    pid = systemd.state(name)["pid"]
    assert path_of(pid) == f"0::/system.slice/{unit}"


def test_the_root_of_the_cgroup_namespace_is_the_scope(systemd, bundle):
    """clone, a transient scope with that pid, wait for its job, the cgroup namespace last."""
    assert systemd.sh(bundle, "cat /proc/self/cgroup").out == "0::/\n"


@pytest.mark.parametrize("path, unit, where, slices", [
    ("a-b.slice:pre:NAME", "pre-NAME.scope", "/a.slice/a-b.slice", ["a.slice"]),
    ("::NAME", "NAME.scope", "/system.slice", []),
    ("-.slice:pre:NAME", "pre-NAME.scope", "", []),
])
def test_slice_prefix_and_name_make_the_unit(oci_systemd, plain, path, unit, where, slices):
    """cgroupsPath slice:prefix:name."""
    runsafe = oci_systemd
    name = runsafe.prefix
    plain.namespace("cgroup", drop=True).set("linux.cgroupsPath", path.replace("NAME", name))
    try:
        out = runsafe.sh(plain, "cat /proc/self/cgroup").out
        assert out == f"0::{where}/{unit.replace('NAME', name)}\n"
        assert not loaded(unit.replace("NAME", name))
    finally:
        if slices:
            stop_slices(*slices)


def test_a_name_that_ends_with_slice_makes_a_slice(oci_systemd, plain):
    plain.namespace("cgroup", drop=True).set("linux.cgroupsPath", ":x:runsafe-test.slice")
    plain.set("linux.resources.memory", {"limit": 1 << 28})
    try:
        name = oci_systemd.running(plain)
        assert show("runsafe-test.slice", "MemoryMax", "ActiveState") == {
            "MemoryMax": str(1 << 28), "ActiveState": "active"}
        assert group_of(oci_systemd, name) == CGROUP / "runsafe.slice/runsafe-test.slice"
        assert path_of(oci_systemd.state(name)["pid"]).endswith("/runsafe-test.slice")
        oci_systemd.delete(name, "--force")
        assert show("runsafe-test.slice", "ActiveState")["ActiveState"] == "inactive"
        assert not (CGROUP / "runsafe.slice/runsafe-test.slice").exists()
    finally:
        stop_slices("runsafe.slice")


def test_a_sign_of_an_id_that_units_can_not_have_is_escaped(systemd, bundle):
    name = systemd.id() + "+1"
    systemd.ok("create", "-b", bundle.path, name)
    assert unit_of(systemd, name) == f"runsafe-{name[:-2]}\\x2b1.scope"
    assert loaded(unit_of(systemd, name))
    systemd.delete(name)


@pytest.mark.parametrize("path, words", [
    ("/runsafe/x", "slice:prefix:name"), ("a.slice:b", "slice:prefix:name"),
    ("bad:b:c", '"bad" is no slice'), ("a--b.slice:b:c", "is no slice"), ("a.slice:b:", "empty"),
    ("a.slice:b/../c:d", "/"),
])
def test_a_path_that_is_no_unit_is_refused(systemd, bundle, path, words):
    systemd.create_fails(bundle.set("linux.cgroupsPath", path), "linux.cgroupsPath", words)


@pytest.mark.parametrize("options", [["--systemd-cgroup"], ["--cgroup-manager=systemd"],
                                     ["--cgroup-manager", "systemd"]])
def test_each_word_for_the_driver_chooses_it(runsafe, bundle, options):
    other = runsafe.with_options(*options)
    assert unit_of(other, other.create(bundle))


def test_a_unit_of_that_name_is_an_error_and_left_alone(systemd, bundle):
    """A unit of that name that exists already: error."""
    name = systemd.id()
    unit = f"runsafe-{name}.scope"
    other = subprocess.Popen(["systemd-run", "--quiet", "--scope", f"--unit={unit}", "sleep",
                              "1000"])
    try:
        assert wait_for(lambda: loaded(unit))
        systemd.fails("create", "-b", bundle.path, name, words=[unit, "exists already"])
        assert systemd.ids() == []
        assert show(unit, "ActiveState")["ActiveState"] == "active" and other.poll() is None
    finally:
        other.kill()
        other.wait()
        wait_for(lambda: not loaded(unit))


def test_a_failed_unit_of_that_name_is_forgotten(systemd, bundle):
    """a failed leftover: ResetFailedUnit first."""
    name = systemd.id()
    unit = f"runsafe-{name}.scope"
    other = subprocess.Popen(["systemd-run", "--quiet", "--scope", f"--unit={unit}",
                              "--property=RuntimeMaxSec=500ms", "sleep", "1000"])
    other.wait()
    assert wait_for(lambda: show(unit, "ActiveState")["ActiveState"] == "failed")
    systemd.ok("create", "-b", bundle.path, name)
    assert show(unit, "ActiveState")["ActiveState"] == "active"
    systemd.delete(name)
    assert not loaded(unit)


# --- limits

LIMITS = {"memory": {"limit": 200 << 20, "reservation": 100 << 20, "swap": 250 << 20},
          "cpu": {"shares": 512, "quota": 25000, "period": 50000, "cpus": "0", "mems": "0"},
          "pids": {"limit": 77}, "blockIO": {"weight": 500},
          "unified": {"memory.high": str(150 << 20), "memory.min": str(1 << 20)}}
PROPERTIES = {"MemoryMax": str(200 << 20), "MemoryLow": str(100 << 20),
              "MemorySwapMax": str(50 << 20), "MemoryHigh": str(150 << 20),
              "MemoryMin": str(1 << 20), "CPUWeight": "59", "CPUQuotaPerSecUSec": "500ms",
              "CPUQuotaPeriodUSec": "50ms", "AllowedCPUs": "0", "AllowedMemoryNodes": "0",
              "TasksMax": "77", "IOWeight": "4950"}
FILES = {"memory.max": str(200 << 20), "memory.low": str(100 << 20),
         "memory.swap.max": str(50 << 20), "memory.high": str(150 << 20),
         "memory.min": str(1 << 20), "cpu.weight": "59", "cpu.max": "25000 50000",
         "cpuset.cpus": "0", "cpuset.mems": "0", "pids.max": "77", "io.weight": "default 4950"}


def files(group, names):
    return {name: (group / name).read_text().strip() for name in names}


def test_limits_are_properties_of_the_unit_and_in_its_files(oci_systemd, plain):
    """resources as unit properties as well as in the files, so that `systemctl daemon-reload` does
    not undo them"""
    name = oci_systemd.running(plain.set("linux.resources", LIMITS))
    unit, group = unit_of(oci_systemd, name), group_of(oci_systemd, name)
    assert show(unit, *PROPERTIES) == PROPERTIES
    assert files(group, FILES) == FILES
    systemctl("daemon-reload")
    assert files(group, FILES) == FILES


def test_systemd_keeps_limits_when_it_writes_them_anew(oci_systemd, plain):
    """One property changed makes systemd write all files of that controller."""
    name = oci_systemd.running(plain.set("linux.resources", LIMITS))
    unit, group = unit_of(oci_systemd, name), group_of(oci_systemd, name)
    systemctl("set-property", "--runtime", unit, "MemoryZSwapMax=1G")
    systemctl("set-property", "--runtime", unit, "CPUQuota=40%")
    systemctl("daemon-reload")
    kept = {**FILES, "cpu.max": "20000 50000"}
    assert wait_for(lambda: files(group, kept) == kept), files(group, kept)


def test_no_limit_is_said_to_systemd_as_well(oci_systemd, plain):
    plain.set("linux.resources", {"pids": {"limit": -1}, "memory": {"limit": -1}})
    name = oci_systemd.running(plain)
    assert show(unit_of(oci_systemd, name), "TasksMax", "MemoryMax") == {
        "TasksMax": "infinity", "MemoryMax": "infinity"}
    assert files(group_of(oci_systemd, name), ["pids.max"]) == {"pids.max": "max"}


def test_an_idle_group_stays_idle(oci_systemd, plain):
    name = oci_systemd.running(plain.set("linux.resources", {"cpu": {"idle": 1}}))
    group = group_of(oci_systemd, name)
    assert files(group, ["cpu.idle"]) == {"cpu.idle": "1"}
    systemctl("daemon-reload")
    assert files(group, ["cpu.idle"]) == {"cpu.idle": "1"}


def test_a_controller_that_systemd_does_not_know_is_switched_on(oci_systemd, plain):
    plain.set("linux.resources", {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]})
    name = oci_systemd.running(plain)
    assert files(group_of(oci_systemd, name), ["hugetlb.2MB.max"]) == {
        "hugetlb.2MB.max": str(4 << 20)}


def test_the_default_limits_are_properties(systemd, bundle):
    name = systemd.running(bundle.set("linux.resources", {}))
    assert show(unit_of(systemd, name), "MemoryMax", "MemorySwapMax", "TasksMax",
                "CPUQuotaPerSecUSec") == {"MemoryMax": str(1 << 30), "MemorySwapMax": "0",
                                          "TasksMax": "1024", "CPUQuotaPerSecUSec": "1s"}


def test_update_sets_properties_and_files(oci_systemd, plain):
    name = oci_systemd.running(plain.set("linux.resources", LIMITS))
    unit, group = unit_of(oci_systemd, name), group_of(oci_systemd, name)
    oci_systemd.ok("update", "--pids-limit", "50", "--cpu-quota", "12345", "--cpu-share", "1024",
                   "--memory-reservation", str(90 << 20), name)
    assert show(unit, "TasksMax", "CPUQuotaPerSecUSec", "CPUWeight", "MemoryLow") == {
        "TasksMax": "50", "CPUQuotaPerSecUSec": "250ms", "CPUWeight": "100",
        "MemoryLow": str(90 << 20)}
    now = {"pids.max": "50", "cpu.max": "12345 50000", "cpu.weight": "100",
           "memory.low": str(90 << 20), "memory.max": FILES["memory.max"]}
    assert files(group, now) == now
    systemctl("daemon-reload")
    assert files(group, ["pids.max", "cpu.weight", "memory.low", "memory.max"]) == {
        key: now[key] for key in ("pids.max", "cpu.weight", "memory.low", "memory.max")}
    # What `docker update --cpus 0` comes to: nothing to set.
    oci_systemd.ok("update", "--resources", "-", name, stdin="{}")
    assert files(group, now) == now


def test_update_that_is_refused_changes_nothing(oci_systemd, plain):
    """all or nothing: a refused value leaves the old ones"""
    name = oci_systemd.running(plain.set("linux.resources", LIMITS))
    unit, group = unit_of(oci_systemd, name), group_of(oci_systemd, name)
    oci_systemd.fails("update", "--pids-limit", "50", "--cpuset-cpus", "7777", name,
                      words=["linux.resources.cpu.cpus"])
    # The kernel takes a period of 5 ms; of systemd's own it has to be at most a second.
    oci_systemd.fails("update", "--resources", "-", name, words=["cpu.weight"],
                      stdin=json.dumps({"pids": {"limit": 51}, "unified": {"cpu.weight": "0"}}))
    assert show(unit, *PROPERTIES) == PROPERTIES
    assert files(group, FILES) == FILES


# --- devices

def test_the_devices_program_is_the_rule(systemd, bundle):
    """Neither daemon-reload nor DeviceAllow of an administrator opens a device."""
    name = systemd.running(bundle)
    unit = unit_of(systemd, name)
    pid = systemd.state(name)["pid"]

    def opens(node):
        # As root of the host in the container's cgroup, so that the program alone says no.
        move = f"echo $$ >{group_of(systemd, name)}/cgroup.procs && exec 3<{node}"
        return subprocess.run(["sh", "-c", move], capture_output=True, check=False).returncode == 0

    assert path_of(pid).endswith(unit)
    assert opens("/dev/null") and not opens("/dev/vda")
    systemctl("daemon-reload")
    assert opens("/dev/null") and not opens("/dev/vda")
    systemctl("set-property", "--runtime", unit, "DeviceAllow=/dev/vda rwm")
    systemctl("daemon-reload")
    assert not opens("/dev/vda")
    # Back to no rule of systemd's: it takes away what is its own, and no more.
    systemctl("set-property", "--runtime", unit, "DeviceAllow=")
    systemctl("daemon-reload")
    assert opens("/dev/null") and not opens("/dev/vda")


# --- the end

def test_the_unit_is_gone_after_delete(systemd, bundle):
    """the unit gone after delete"""
    name = systemd.running(bundle)
    unit, group = unit_of(systemd, name), group_of(systemd, name)
    assert loaded(unit) and group.is_dir()
    systemd.ok("kill", name, "KILL")
    systemd.wait_status(name, "stopped")
    systemd.delete(name)
    assert not loaded(unit) and not group.exists()


def test_the_unit_is_gone_after_a_delete_by_force(systemd, bundle):
    name = systemd.running(bundle.sh("mkdir -p /sys/fs/cgroup/x; trap '' TERM; sleep 1000 & wait"))
    unit, group = unit_of(systemd, name), group_of(systemd, name)
    began = time.monotonic()
    systemd.delete(name, "--force")
    assert not loaded(unit) and not group.exists()
    assert time.monotonic() - began < 10, "it waited for TERM to be obeyed"


def test_the_unit_is_gone_after_run(systemd, bundle):
    name = systemd.id()
    systemd("run", "-b", bundle.args("/bin/true").path, name)
    assert not loaded(f"runsafe-{name}.scope")


def test_a_failed_unit_is_gone_after_delete(systemd, bundle):
    """CollectMode=inactive as somebody asked for it, and a unit that failed by running too long."""
    bundle.set("annotations", {"org.systemd.property.CollectMode": "'inactive'"})
    name = systemd.running(bundle)
    unit = unit_of(systemd, name)
    systemctl("set-property", "--runtime", unit, "TasksMax=100")
    systemctl("kill", "--signal=KILL", unit)
    systemd.wait_status(name, "stopped")
    systemd.delete(name)
    assert not loaded(unit)


def test_a_start_that_fails_leaves_no_unit(systemd, bundle):
    systemd.create_fails(bundle.args("/bin/nothing-here"), "no such file or directory")
    bundle.args("/bin/true").set("hooks", {"createRuntime": [{"path": "/bin/false"}]})
    systemd.create_fails(bundle, "createRuntime")
    assert f"runsafe-{systemd.prefix}" not in systemctl("list-units", "--all")


def test_a_start_that_fails_leaves_no_slice(oci_systemd, plain):
    """A slice does not go by itself when its last process ends."""
    plain.set("linux.cgroupsPath", ":x:runsafe-test.slice")
    plain.set("hooks", {"createRuntime": [{"path": "/bin/false"}]})
    systemctl("start", "runsafe.slice")
    try:
        oci_systemd.create_fails(plain, "createRuntime")
        assert show("runsafe-test.slice", "ActiveState")["ActiveState"] == "inactive"
    finally:
        stop_slices("runsafe.slice")


def test_delete_leaves_a_unit_alone_that_create_did_not_come_to_make(systemd, bundle):
    """create was killed after it wrote the state, and before it could see that the name is taken"""
    name = systemd.create(bundle)
    unit = f"{systemd.prefix}-other.scope"
    other = subprocess.Popen(["systemd-run", "--quiet", "--scope", f"--unit={unit}", "sleep",
                              "1000"])
    try:
        assert wait_for(lambda: loaded(unit))
        place = systemd.root / name / "state.json"
        state = json.loads(place.read_text())
        os.kill(state["pid"], signal.SIGKILL)
        state.update(status="creating", pid=0, startTime=0, systemdUnit=unit, cgroupInode=0,
                     cgroupPath=f"/system.slice/{unit}")
        place.write_text(json.dumps(state))
        systemd.delete(name, "--force")
        assert other.poll() is None and loaded(unit)
    finally:
        other.kill()
        other.wait()
        wait_for(lambda: not loaded(unit))


def test_delete_takes_away_what_a_killed_create_left(systemd, bundle, folder):
    """after a crash of runsafe too"""
    mark = folder / "hook"
    bundle.set("hooks", {"createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", f"cat >/dev/null; : >{mark}; sleep 1000"]}]})
    name = systemd.id()
    create = systemd.start_process("create", "-b", bundle.path, name)
    assert wait_for(mark.exists)
    unit = f"runsafe-{name}.scope"
    assert loaded(unit)
    create.kill()
    create.communicate()
    for pid in harness.children():
        os.kill(pid, signal.SIGKILL)
    systemd.delete(name, "--force")
    assert not loaded(unit) and not (CGROUP / "system.slice" / unit).exists()


def test_delete_leaves_a_later_unit_of_that_name_alone(systemd, bundle):
    """Its own unit went with its last process; the name may be another's by now."""
    name = systemd.running(bundle)
    unit = unit_of(systemd, name)
    os.kill(systemd.state(name)["pid"], signal.SIGKILL)
    assert wait_for(lambda: not loaded(unit))
    other = subprocess.Popen(["systemd-run", "--quiet", "--scope", f"--unit={unit}", "sleep",
                              "1000"])
    try:
        assert wait_for(lambda: loaded(unit))
        systemd.delete(name)
        assert other.poll() is None and loaded(unit)
    finally:
        other.kill()
        other.wait()
        wait_for(lambda: not loaded(unit))


def test_a_stop_of_the_unit_ends_the_container(systemd, bundle):
    name = systemd.running(bundle.args("/bin/cat", "/dev/zero"))
    systemctl("kill", "--signal=KILL", unit_of(systemd, name))
    systemd.wait_status(name, "stopped")
    systemd.delete(name)


# --- other commands

def test_later_commands_go_by_the_state(systemd, bundle, runsafe):
    """It records driver, cgroup path and policy: later commands go by it, not by their flags (shims
    call delete without `--systemd-cgroup`). Works with an empty environment."""
    name = systemd.running(bundle)
    plain = runsafe.with_options()
    env = {}
    assert plain.ok("exec", name, "/bin/cat", "/proc/self/cgroup", env=env).out == "0::/\n"
    plain.ok("pause", name, env=env)
    assert plain.status(name) == "paused"
    plain.ok("resume", name, env=env)
    assert plain.status(name) == "running"
    assert str(plain.state(name)["pid"]) in plain.ok("ps", "--format", "json", name, env=env).out
    plain.ok("update", "--pids-limit", "44", name, env=env)
    assert show(unit_of(plain, name), "TasksMax") == {"TasksMax": "44"}
    plain.ok("kill", "--all", name, "KILL", env=env)
    plain.wait_status(name, "stopped")
    plain.ok("delete", name, env=env)
    assert not loaded(f"runsafe-{name}.scope")


def test_hooks_and_the_pid_file_see_the_process_in_its_scope(systemd, bundle, folder):
    """When create returns, the process in the pid file is in its final cgroup."""
    bundle.set("hooks", {"createRuntime": [{"path": "/bin/sh", "args": [
        "sh", "-c", f"sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p' >{folder}/pid; "
                    f"cat /proc/$(cat {folder}/pid)/cgroup >{folder}/seen"]}]})
    name = systemd.create(bundle, "--pid-file", folder / "pidfile")
    expected = f"0::/system.slice/runsafe-{name}.scope"
    assert (folder / "seen").read_text().strip() == expected
    assert path_of((folder / "pidfile").read_text()) == expected


# --- annotations

def test_harmless_properties_are_taken_from_annotations(systemd, bundle):
    """`org.systemd.property.*` is honoured only for KillSignal, TimeoutStopUSec, CollectMode, After
    and DefaultDependencies"""
    bundle.set("annotations", {
        "org.systemd.property.KillSignal": "int32 37",
        "org.systemd.property.TimeoutStopUSec": "uint64 5000000",
        "org.systemd.property.CollectMode": "'inactive'",
        "org.systemd.property.After": "['dbus.socket']",
        "org.systemd.property.DefaultDependencies": "true"})
    name = systemd.create(bundle)
    facts = show(unit_of(systemd, name), "KillSignal", "TimeoutStopUSec", "CollectMode", "After",
                 "DefaultDependencies")
    assert "dbus.socket" in facts.pop("After")
    assert facts == {"KillSignal": "37", "TimeoutStopUSec": "5s", "CollectMode": "inactive",
                     "DefaultDependencies": "yes"}


@pytest.mark.parametrize("policy", ["default", "oci"])
def test_a_property_that_makes_the_host_act_is_refused(systemd, bundle, policy):
    """CVE-2024-3154"""
    bundle.set("annotations", {"org.systemd.property.FailureAction": "'reboot'"})
    systemd.with_options("--policy", policy).create_fails(bundle, "FailureAction")


def test_a_property_that_the_owner_allows_is_set(systemd, bundle):
    bundle.set("annotations", {"org.systemd.property.RuntimeMaxUSec": "uint64 77000000"})
    other = systemd.with_options("--allow", "systemd-property=RuntimeMaxUSec")
    name = other.create(bundle)
    assert show(unit_of(other, name), "RuntimeMaxUSec") == {"RuntimeMaxUSec": "1min 17s"}


@pytest.mark.parametrize("name, value, words", [
    ("KillSignal", "'TERM'", "expected a number"), ("After", "'x'", "expected a list"),
    ("TimeoutStopUSec", "uint64 -1", "expected a number"), ("CollectMode", "word", "in quotes"),
    ("CollectMode", "'never'", "systemd can not start"),
])
def test_a_property_with_a_wrong_value_is_refused(systemd, bundle, name, value, words):
    bundle.set("annotations", {f"org.systemd.property.{name}": value})
    systemd.create_fails(bundle, words)


# --- user namespaces

MAPPINGS = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def own_user_namespace(bundle):
    for path in [bundle.rootfs, *bundle.rootfs.rglob("*")]:
        os.lchown(path, 100000, 100000)
    bundle.config["linux"].update(uidMappings=MAPPINGS, gidMappings=MAPPINGS)
    return bundle.namespace("user")


def test_a_user_namespace_gets_the_scope(oci_systemd, plain):
    """delegation: what the container may write of its cgroup is its root's"""
    for mount in plain.config["mounts"]:
        if mount["destination"] == "/sys/fs/cgroup":
            mount["options"] = [o for o in mount["options"] if o != "ro"]
    name = oci_systemd.running(own_user_namespace(plain))
    group = group_of(oci_systemd, name)
    assert group.name == f"runsafe-{name}.scope"
    assert group.stat().st_uid == (group / "cgroup.procs").stat().st_uid == 100000
    assert (group / "memory.max").stat().st_uid == 0
    out = oci_systemd.ok("exec", name, "cat", "/proc/self/cgroup").out
    assert out == "0::/\n"


def test_a_joined_user_namespace_gets_the_scope(oci_systemd, plain, new_bundle):
    """a second clone with CLONE_PARENT: the process that goes on is the one in the scope"""
    first = oci_systemd.running(own_user_namespace(plain))
    pid = oci_systemd.state(first)["pid"]
    second = new_bundle("second")
    second.config = json.loads(json.dumps(plain.config))
    for key in ("uidMappings", "gidMappings"):
        second.config["linux"].pop(key)
    second.namespace("user", f"/proc/{pid}/ns/user")
    for path in [second.rootfs, *second.rootfs.rglob("*")]:
        os.lchown(path, 100000, 100000)
    second.sh("cat /proc/self/cgroup; sleep 1000")
    name = oci_systemd.create(second)
    oci_systemd.start(name)
    assert wait_for(lambda: oci_systemd.output(name) == "0::/\n"), oci_systemd.output(name)
    assert path_of(oci_systemd.state(name)["pid"]) == f"0::/system.slice/runsafe-{name}.scope"


# --- what is not there

def without(*files):
    """Words before a command that hide files from it and all that it starts."""
    hide = " && ".join(f"mount -n --bind /dev/null {file}" for file in files)
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{hide} && exec "$@"',
            "sh"]


def library():
    return next(pathlib.Path("/usr/lib").glob("*/libsystemd.so.0")).resolve()


def test_the_library_is_needed_only_when_it_is_asked_for(runsafe, systemd, bundle):
    """libsystemd only for the systemd cgroup driver, loaded when `--systemd-cgroup` asks for it"""
    bundle.args("/bin/true")
    words = without(library())
    done = subprocess.run([*words, *systemd.command("run", "-b", bundle.path, systemd.id())],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "libsystemd" in done.stderr and "cgroupfs" in done.stderr
    systemd.log.unlink()
    subprocess.run([*words, *runsafe.command("run", "-b", bundle.path, runsafe.id())], check=True)
    # ldd fails for a static program.
    assert "libsystemd" not in subprocess.run(["ldd", harness.RUNSAFE], capture_output=True,
                                              text=True, check=False).stdout


def loader():
    """What the helper for systemd is started by, and runsafe itself is not."""
    elf = pathlib.Path(harness.RUNSAFE).read_bytes()
    at, size, n = (int.from_bytes(elf[i:i + 8 if i == 32 else i + 2], "little")
                   for i in (32, 54, 56))
    if any(elf[i] == 3 for i in range(at, at + n * size, size)):  # PT_INTERP
        pytest.skip("this runsafe is no static program")
    return next(pathlib.Path("/lib64").glob("ld-linux*.so.*")).resolve()


def test_without_a_c_library_for_the_helper_all_but_the_driver_works(runsafe, systemd, bundle):
    words = without(loader())
    name = systemd.id()
    done = subprocess.run([*words, *systemd.command("create", "-b", bundle.path, name)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "glibc" in done.stderr and "cgroupfs" in done.stderr
    assert systemd.ids() == []
    systemd.log.unlink()
    bundle.args("/bin/true")
    subprocess.run([*words, *runsafe.command("run", "-b", bundle.path, runsafe.id())], check=True)


# --- the helper that talks to systemd (runtime/systemd)

def helpers():
    """Their pids, but for those that have ended: one without its runtime comes to us."""
    found = []
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == "runsafe-systemd":
                found.append(int(comm.parent.name))
        except OSError:
            pass
    return [pid for pid in found if not harness.is_zombie(pid)]


@pytest.fixture
def waiting(systemd, bundle):
    """A create whose helper waits for a bus that does not answer."""
    daemon = int(show("dbus.service", "MainPID")["MainPID"])
    assert helpers() == []
    os.kill(daemon, signal.SIGSTOP)
    try:
        create = systemd.start_process("create", "-b", bundle.path, systemd.id(),
                                       start_new_session=True)
        assert wait_for(helpers)
        yield create, lambda: os.kill(daemon, signal.SIGCONT)
    finally:
        os.kill(daemon, signal.SIGCONT)
        create.kill()
        create.communicate()
        systemd.log.unlink(missing_ok=True)


def test_a_helper_that_is_killed_is_an_error_and_nothing_is_left(systemd, waiting):
    create, go_on = waiting
    # It has what it is asked for once the container's process is there.
    assert wait_for(lambda: len(harness.children()) == 3)
    time.sleep(0.5)
    os.kill(helpers()[0], signal.SIGKILL)
    go_on()
    assert "killed by signal 9" in create.communicate(timeout=60)[1] and create.returncode == 1
    assert systemd.ids() == [] and helpers() == []


def test_the_helper_ends_with_a_runtime_that_is_killed(waiting):
    create, _ = waiting
    create.kill()
    assert wait_for(lambda: helpers() == [], 5)


def test_the_end_of_the_terminal_is_not_the_helpers(systemd, waiting):
    """^C reaches the whole foreground group; what was made is taken away, which takes systemd."""
    create, go_on = waiting
    assert wait_for(lambda: len(harness.children()) == 3)
    os.killpg(create.pid, signal.SIGINT)
    time.sleep(0.5)
    assert create.poll() is None and len(helpers()) == 1
    go_on()
    assert "interrupted by signal 2" in create.communicate(timeout=60)[1]
    assert create.returncode == 1
    assert systemd.ids() == [] and helpers() == []
    assert f"runsafe-{systemd.prefix}" not in systemctl("list-units", "--all")


def test_the_container_gets_nothing_of_the_helper(systemd, runsafe, bundle):
    """Its socket, or that of the bus: neither while it waits to be started nor later."""
    kinds = []
    for other in runsafe, systemd:
        name = other.create(bundle.args("/bin/sleep", "1000"))
        files = pathlib.Path("/proc") / str(other.state(name)["pid"]) / "fd"
        kinds.append(sorted(os.readlink(fd).split(":")[0].split("/")[0] for fd in files.iterdir()))
        other.start(name)
        assert wait_for(lambda: {fd.name for fd in files.iterdir()} == {"0", "1", "2"})
    assert kinds[0] == kinds[1] and helpers() == []


def test_without_the_bus_systemd_is_reached_by_its_own_socket(systemd, bundle):
    name = systemd.id()
    words = without("/run/dbus/system_bus_socket")
    subprocess.run([*words, *systemd.command("run", "-d", "-b",
                                             bundle.args("/bin/sleep", "1000").path, name)],
                   check=True)
    assert loaded(f"runsafe-{name}.scope")
    subprocess.run([*words, *systemd.command("delete", "--force", name)], check=True)
    assert not loaded(f"runsafe-{name}.scope")


def test_without_bus_and_systemd_a_start_is_refused_and_a_delete_is_not(systemd, bundle):
    words = without("/run/dbus/system_bus_socket", "/run/systemd/private")
    done = subprocess.run([*words, *systemd.command("create", "-b", bundle.path, systemd.id())],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "can not reach systemd" in done.stderr
    assert systemd.ids() == []
    systemd.log.unlink()
    name = systemd.running(bundle)
    unit = unit_of(systemd, name)
    subprocess.run([*words, *systemd.command("delete", "--force", name)], check=True)
    assert systemd.ids() == [] and wait_for(lambda: not loaded(unit))


def test_features_say_that_there_is_the_driver(runsafe):
    cgroup = json.loads(runsafe.ok("features").out)["linux"]["cgroup"]
    assert cgroup["systemd"] and cgroup["systemdUser"]


# --- the user's manager

LINES = {"passwd": f"joe:x:{JOE}:{JOE}::/home/joe:/bin/sh", "group": f"joe:x:{JOE}:",
         "shadow": "joe:*:19000:0:99999:7:::", "subuid": "joe:100000:65536",
         "subgid": "joe:100000:65536"}


@pytest.fixture(scope="session")
def joe(bus):  # pylint: disable=redefined-outer-name,unused-argument
    """An ordinary user with a manager, who is not below it (as in a login session)."""
    for file, line in LINES.items():
        place = pathlib.Path("/etc") / file
        text = place.read_text() if place.exists() else ""
        if line not in text:
            place.write_text(text + line + "\n")
    home = pathlib.Path("/home/joe")
    home.mkdir(exist_ok=True)
    os.chown(home, JOE, JOE)
    systemctl("start", f"user@{JOE}.service")
    user = Joe()
    # His bus and his slice: they stay, and are no container's.
    user(["busctl", "--user", "--no-pager", "list"])
    user(["systemd-run", "--user", "--quiet", "--scope", "--slice=user.slice", "true"])
    yield user
    systemctl("stop", f"user@{JOE}.service")


class Joe:
    """Runs commands as that user."""

    words = ["setpriv", f"--reuid={JOE}", f"--regid={JOE}", "--clear-groups"]
    env = {"PATH": os.environ["PATH"], "HOME": "/home/joe", "XDG_RUNTIME_DIR": f"/run/user/{JOE}"}

    def __call__(self, command, env=None):
        # Files, since a container that is left alone keeps its stdout open.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run([*self.words, *map(str, command)], stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=err, env=self.env if env is None else env,
                                  check=False, timeout=harness.TIME_LIMIT)
            texts = [(f.seek(0), f.read())[1] for f in (out, err)]
        return harness.Result(command, done.returncode, *texts)


@pytest.fixture
def his(plain, runsafe):
    """A bundle of the user's with a user namespace in which he is root, and the program for it."""
    for path in [plain.path, *plain.path.rglob("*"), runsafe.folder]:
        os.lchown(path, JOE, JOE)
    plain.config["linux"].update(
        uidMappings=[{"containerID": 0, "hostID": JOE, "size": 1},
                     {"containerID": 1, "hostID": 100000, "size": 65536}],
        gidMappings=[{"containerID": 0, "hostID": JOE, "size": 1},
                     {"containerID": 1, "hostID": 100000, "size": 65536}],
        resources={"memory": {"limit": 100 << 20}, "pids": {"limit": 50}})
    plain.config["process"]["args"] = ["/bin/sleep", "1000"]
    plain.namespace("user")
    return runsafe.with_options("--policy", "oci", "--systemd-cgroup")


def his_group(name):
    return CGROUP / f"user.slice/user-{JOE}.slice/user@{JOE}.service/user.slice/runsafe-{name}.scope"


def test_an_ordinary_user_has_the_own_manager_make_the_scope(joe, his, plain):
    """system and user manager; missing: user.slice for a user's manager"""
    name = his.id()
    done = joe(his.command("run", "-d", "-b", plain.path, name))
    assert done.status == 0, done
    group = his_group(name)
    assert files(group, ["memory.max", "pids.max"]) == {"memory.max": str(100 << 20),
                                                       "pids.max": "50"}
    assert path_of(json.loads(joe(his.command("state", name)).out)["pid"]).endswith(group.name)
    # From outside of his manager's groups only that can put a process in there.
    done = joe(his.command("exec", name, "/bin/cat", "/proc/self/cgroup"))
    assert done.out == "0::/\n", done
    done = joe(his.command("update", "--pids-limit", "40", name))
    assert done.status == 0, done
    assert files(group, ["pids.max"]) == {"pids.max": "40"}
    done = joe(his.command("delete", "--force", name), env={})
    assert done.status == 0 and not group.exists(), done


def test_root_of_a_users_namespace_has_the_users_manager_make_the_scope(joe, his, plain):
    """inside rootless Podman's namespace: its uid there is none that the bus knows"""
    name = his.id()
    plain.config["linux"].pop("uidMappings")
    plain.config["linux"].pop("gidMappings")
    plain.namespace("user", drop=True)
    inside = ["unshare", "--user", "--map-users=auto", "--map-groups=auto", "--map-root-user",
              "--mount", "--keep-caps"]
    done = joe([*inside, *his.command("run", "-d", "-b", plain.path, name)])
    assert done.status == 0, done
    assert files(his_group(name), ["pids.max"]) == {"pids.max": "50"}
    done = joe([*inside, *his.command("delete", "--force", name)])
    assert done.status == 0 and not his_group(name).exists(), done


def test_a_user_without_a_manager_is_told_so(joe, his, plain):
    env = {**joe.env, "XDG_RUNTIME_DIR": "/run/user/none"}
    done = joe(his.command("create", "-b", plain.path, his.id()), env=env)
    assert done.status == 1 and "can not reach the user's manager" in done.err, done
    his.log.unlink()


def test_a_controller_that_the_users_manager_has_not_is_named(joe, his, plain):
    plain.set("linux.resources", {"cpu": {"cpus": "0"}})
    done = joe(his.command("create", "-b", plain.path, his.id()))
    assert done.status == 1 and "Delegate=" in done.err and "cpuset" in done.err, done
    his.log.unlink()
