"""config-linux.md of the runtime specification 1.3.0: what has no test elsewhere. Each is named
after its line in tests/conformance/requirements; the docstrings are our words."""

import os
import pathlib
import stat
import subprocess

import pytest

import harness
from harness import host_mount
from test_attributes import cgroup_mount, owners, with_user_namespace
from test_notify import MKDIR, agent, notify  # noqa: F401
from test_resources import limits

needs_limits = pytest.mark.needs_limits
KINDS = {"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts",
         "cgroup": "cgroup", "time": "time", "user": "user"}


@pytest.mark.parametrize("path", ["proc/self/ns/net", "../net", "./ns"])
def test_linux_namespaces_1_path_is_absolute(oci, plain, path):
    """A namespace's path that is not absolute is an error."""
    oci.create_fails(plain.namespace("network", path), "linux.namespaces", "path")


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("mount", "user")])
def test_linux_namespaces_5_what_is_not_listed_is_inherited(oci, plain, kind):
    """A type that the list does not have is the runtime's own namespace."""
    plain.namespace(kind, drop=True)
    if kind == "uts":
        plain.config.pop("hostname", None)
    if kind == "network":
        # sysfs shows a network namespace; the host's is not mounted anew.
        plain.config["mounts"] = [m for m in plain.config["mounts"] if m["type"] != "sysfs"]
    plain.set("linux.sysctl", {})
    name = oci.running(plain)
    pid = oci.state(name)["pid"]
    mine = os.readlink(f"/proc/self/ns/{KINDS[kind]}")
    assert os.readlink(f"/proc/{pid}/ns/{KINDS[kind]}") == mine


@pytest.mark.parametrize("kind", KINDS)
def test_linux_namespaces_6_a_type_twice_is_an_error(oci, plain, kind):
    """The same type twice in the list is an error, for each type."""
    plain.config["linux"]["namespaces"] += [{"type": kind}, {"type": kind}]
    oci.create_fails(plain.write(), "linux.namespaces", kind)


def test_linux_devices_1_are_available(oci, plain):
    """What the list has is there, of that type, with those numbers, mode and owner."""
    plain.set("linux.devices", [
        {"type": "c", "path": "/dev/made", "major": 1, "minor": 7, "fileMode": 0o640, "uid": 3,
         "gid": 4},
        {"type": "b", "path": "/srv/block", "major": 7, "minor": 200, "fileMode": 0o600},
        {"type": "u", "path": "/dev/unbuffered", "major": 1, "minor": 5},
        {"type": "p", "path": "/opt/pipe", "fileMode": 0o622, "uid": 5, "gid": 6}])
    out = oci.sh(plain, "stat -c '%F %t:%T %a %u:%g' /dev/made /srv/block /opt/pipe; "
                 "stat -c '%F %t:%T' /dev/unbuffered").lines
    assert out == ["character special file 1:7 640 3:4", "block special file 7:c8 600 0:0",
                   "fifo 0:0 622 5:6", "character special file 1:5"]


@pytest.mark.parametrize("what", ["file", "directory", "link", "another device", "another type"])
def test_linux_devices_2_another_file_there_is_an_error(oci, plain, what):
    """A file at the path that is not the device asked for is an error, and stays what it is."""
    place = plain.rootfs / "opt/node"
    if what == "file":
        place.write_text("mine\n")
    elif what == "directory":
        place.mkdir()
    elif what == "link":
        place.symlink_to("/etc/hosts")
    else:
        kind = stat.S_IFBLK if what == "another type" else stat.S_IFCHR
        os.mknod(place, kind | 0o600, os.makedev(1, 7 if what == "another type" else 3))
    plain.set("linux.devices", [{"type": "c", "path": "/opt/node", "major": 1, "minor": 7}])
    oci.create_fails(plain, "devices", "/opt/node", "exists")
    assert os.path.lexists(place)


@pytest.mark.parametrize("name,numbers", [("null", "1:3"), ("zero", "1:5"), ("full", "1:7"),
                                          ("random", "1:8"), ("urandom", "1:9"), ("tty", "5:0")])
@pytest.mark.parametrize("listed", [False, True], ids=["no list", "another in the list"])
def test_linux_default_devices_1_are_there_beside_the_list(oci, plain, name, numbers, listed):
    """The six default devices are there, whatever the list of devices says."""
    plain.set("linux.devices", [{"type": "c", "path": "/dev/kmsg", "major": 1, "minor": 11}]
              if listed else [])
    assert oci.sh(plain, f"stat -c '%F %t:%T' /dev/{name}").out == (
        f"character special file {numbers}\n")


def test_linux_default_devices_3_ptmx_is_the_containers(oci, plain):
    """/dev/ptmx is the one of the container's own devpts."""
    assert oci.sh(plain, "readlink /dev/ptmx").out in ("pts/ptmx\n", "/dev/pts/ptmx\n")
    out = oci.sh(plain, "exec 3<>/dev/ptmx; ls /dev/pts").out.split()
    assert out == ["0", "ptmx"]


@pytest.mark.parametrize("listed", [["no.such.file", "cgroup.procs", "cgroup.threads"], None],
                         ids=["a file that no group has", "no list"])
def test_linux_cgroup_ownership_1_by_the_kernels_list(oci, plain, folder, listed):
    """A file of /sys/kernel/cgroup/delegate that the group has not is no error; without that file
    the three that the specification names are given."""
    cgroup_mount(with_user_namespace(plain)).set("process.user", {"uid": 7, "gid": 7})
    top = folder / "kernel-cgroup"
    top.mkdir()
    if listed:
        (top / "delegate").write_text("\n".join(listed) + "\n")
    with host_mount("/sys/kernel/cgroup", "--bind", top):
        own, files = owners(oci, plain)
    given = sorted(name for name, uid in files.items() if uid == 100007)
    assert own == 100007
    assert given == sorted(listed[1:] if listed else
                           ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"])


@pytest.mark.parametrize("resources,name", [
    ({"memory": {"kernel": 1 << 30}}, "memory.kernel"),
    ({"memory": {"kernelTCP": 1 << 30}}, "memory.kernelTCP"),
    ({"memory": {"swappiness": 60}}, "memory.swappiness"),
    ({"memory": {"disableOOMKiller": True}}, "memory.disableOOMKiller"),
    ({"memory": {"useHierarchy": False}}, "memory.useHierarchy"),
    ({"cpu": {"realtimeRuntime": 1000}}, "cpu.realtimeRuntime"),
    ({"cpu": {"realtimePeriod": 1000}}, "cpu.realtimePeriod"),
    ({"blockIO": {"leafWeight": 100}}, "blockIO.leafWeight"),
    ({"network": {"classID": 1}}, "network"),
    ({"network": {"priorities": [{"name": "lo", "priority": 1}]}}, "network")],
    ids=lambda v: v if isinstance(v, str) else "")
def test_linux_unified_4_what_v2_has_not_is_an_error(oci, plain, resources, name):
    """What is meant for cgroup v1 and has no counterpart in v2 is an error that names it."""
    oci.create_fails(plain.set("linux.resources", resources), "linux.resources." + name)


@needs_limits
def test_linux_unified_1_its_controllers_are_enabled(oci, plain):
    """The controllers of the files in unified are switched on for the container's group."""
    read = limits(oci, plain, unified={"memory.high": str(128 << 20), "pids.max": "66"})
    assert {"memory", "pids"} <= set(read("cgroup.controllers").split())


@needs_limits
def test_linux_unified_2_what_runsafe_has_no_word_for_is_written(oci, plain):
    """A file that runsafe knows nothing of but its controller is written all the same."""
    read = limits(oci, plain, unified={"memory.oom.group": "1", "memory.min": "4096"})
    assert read("memory.oom.group") == "1" and read("memory.min") == "4096"


@pytest.mark.parametrize("name", ["nosuch.max", "rdmaa.max", "misc.nothing"])
def test_linux_unified_3_a_controller_that_is_not_there_is_an_error(oci, plain, name):
    """A controller that the kernel does not have, or can not enable, is an error."""
    strict = oci.with_options("--cgroup=required")
    strict.create_fails(plain.set("linux.resources", {"unified": {name: "1"}}), name)


def test_linux_cpu_1_burst_is_at_most_the_quota(oci, plain):
    """A burst above the quota is an error that names both."""
    plain.set("linux.resources", {"cpu": {"quota": 20000, "period": 50000, "burst": 20001}})
    oci.create_fails(plain, "linux.resources.cpu.burst", "cpu.quota")


@pytest.mark.parametrize("entry", [{"major": 8, "minor": 0}, {"major": 8, "minor": 0, "rate": 5}])
def test_linux_block_io_1_a_weight_is_required(oci, plain, entry):
    """An entry of weightDevice without weight and leafWeight is an error."""
    oci.create_fails(plain.set("linux.resources", {"blockIO": {"weightDevice": [entry]}}),
                     "weightDevice[0]")


@pytest.mark.parametrize("action", ["SCMP_ACT_ALLOW", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
                                    "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP", "SCMP_ACT_LOG"])
def test_linux_seccomp_1_errno_for_an_action_that_has_none(oci, plain, action):
    """errnoRet, or defaultErrnoRet, with an action that returns no errno is an error."""
    plain.set("linux.seccomp", {"defaultAction": action, "defaultErrnoRet": 5})
    oci.create_fails(plain, "linux.seccomp.defaultErrnoRet")
    plain.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["getcwd"], "action": action, "errnoRet": 5}]})
    oci.create_fails(plain, "linux.seccomp.syscalls[0].errnoRet")


@pytest.mark.parametrize("names", [[], None])
def test_linux_seccomp_2_names_has_an_entry(oci, plain, names):
    """A rule without the name of a system call is an error."""
    rule = {"action": "SCMP_ACT_ERRNO"} | ({} if names is None else {"names": names})
    oci.create_fails(plain.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW",
                                                 "syscalls": [rule]}),
                     "linux.seccomp.syscalls[0].names")


def test_linux_seccomp_4_one_state_a_connection(oci, plain, agent, folder):  # noqa: F811
    """Each process sends one state over a connection of its own, which is closed then: create, and
    exec again."""
    there = agent()
    notify(plain, folder, *MKDIR)
    name = oci.running(plain)
    assert oci("exec", name, "/bin/true").status == 0
    # The agent reads to the end of each connection, and takes what it read as one JSON text.
    assert harness.wait_for(lambda: len(there.states) == 2)
    assert [s["fds"] for s in there.states] == [["seccompFd"]] * 2
    assert len(there.fds) == 2


@pytest.mark.parametrize("word,arrives", [("slave", True), ("rslave", True), ("private", False),
                                          ("unbindable", False), ("shared", False), (None, False)])
def test_linux_propagation_2_a_slave_gets_what_the_host_mounts(oci, plain, word, arrives):
    """What the host mounts below the rootfs appears in a container whose rootfs is a slave, and in
    no other; shared is a peer group of the container's own."""
    with host_mount(plain.path, "--bind", plain.path):
        subprocess.run(["mount", "-n", "--make-shared", plain.path], check=True)
        if word:
            plain.set("linux.rootfsPropagation", word)
        name = oci.create(plain.sh("cat /opt/later 2>/dev/null; true"))
        with host_mount(plain.rootfs / "opt", "-t", "tmpfs", "tmpfs"):
            (plain.rootfs / "opt/later").write_text("later\n")
            oci.start(name)
            oci.wait_status(name, "stopped")
        assert oci.output(name) == ("later\n" if arrives else "")
        oci.delete(name)


@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
@pytest.mark.parametrize("path", ["proc/kcore", "./proc", ""])
def test_linux_paths_1_are_absolute(oci, plain, key, path):
    """A masked or read-only path that is not absolute is an error."""
    oci.create_fails(plain.set(f"linux.{key}", [path]), f"linux.{key}[0]")


def test_linux_masked_paths_1_can_not_be_read(oci, plain):
    """Nothing of a masked file or directory can be read, by root with all capabilities either."""
    plain.file("/opt/secret", "secret\n")
    plain.file("/srv/folder/secret", "secret\n")
    plain.set("linux.maskedPaths", ["/opt/secret", "/srv/folder"])
    out = oci.sh(plain, "cat /opt/secret 2>/dev/null; ls /srv/folder; echo end").out
    assert out == "end\n"


@pytest.fixture
def resctrl(oci, folder):
    """A create that finds in its mountinfo a resctrl at .top, a folder made to look like one: the
    class "gold" is there. No machine of ours has the hardware."""
    top = folder / "resctrl"
    for place in (top, top / "gold"):
        place.mkdir()
        (place / "tasks").touch()
        (place / "schemata").write_text("    L3:0=ff\n    MB:0= 100\n")
    (top / "info").mkdir()
    (top / "info/last_cmd_status").write_text("ok\n")

    def create(bundle, *more):
        lie = folder / "mountinfo"
        lie.write_text(pathlib.Path("/proc/self/mountinfo").read_text()
                       + f"999 1 0:99 / {top} rw - resctrl resctrl rw\n")
        name = oci.id()
        command = oci.command("create", "-b", bundle.path, *more, name)
        said = folder / "said"
        with open(said, "w", encoding="utf-8") as err:
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c",
                 f"mount -n --bind {lie} /proc/$$/mountinfo && exec \"$@\"", "sh", *command],
                stdout=subprocess.DEVNULL, stderr=err, timeout=harness.TIME_LIMIT, check=False)
        oci.log.unlink(missing_ok=True)
        return name, harness.Result(command, done.returncode, "", said.read_text())
    create.top = top
    return create


def look(top):
    return {str(p.relative_to(top)): p.read_text() if p.is_file() else None for p in top.rglob("*")}


def test_linux_intel_rdt_2_nothing_is_touched_without_it(oci, plain, resctrl):
    """Without intelRdt a resctrl that is mounted stays as it is."""
    before = look(resctrl.top)
    _, done = resctrl(plain.args("/bin/sleep", "1000"))
    assert done.status == 0, done
    assert look(resctrl.top) == before


def test_linux_intel_rdt_3_the_process_is_in_the_class(oci, plain, resctrl):
    """The process is written to the tasks of the class that closID names, which is left as it
    is."""
    plain.set("linux.intelRdt", {"closID": "gold"}).args("/bin/sleep", "1000")
    before = look(resctrl.top)
    name, done = resctrl(plain)
    assert done.status == 0, done
    assert look(resctrl.top) == before | {"gold/tasks": str(oci.state(name)["pid"])}


def test_linux_intel_rdt_5_a_class_alone_has_to_be_there(oci, plain, resctrl):
    """closID without schemata, and no such class: an error, and none is made."""
    before = look(resctrl.top)
    _, done = resctrl(plain.set("linux.intelRdt", {"closID": "silver"}))
    assert done.status == 1 and "silver" in done.err, done
    assert look(resctrl.top) == before and not oci.ids()


@pytest.mark.parametrize("schema,fits", [("L3:0=ff", True), ("L3:0=f0", False)])
def test_linux_intel_rdt_7_schemata_are_compared(oci, plain, resctrl, schema, fits):
    """closID with schemata, and the class is there: they are compared, and an error where they
    differ."""
    plain.set("linux.intelRdt", {"closID": "gold", "l3CacheSchema": schema})
    _, done = resctrl(plain.args("/bin/sleep", "1000"))
    assert (done.status == 0) == fits, done
    assert fits or "gold" in done.err and not oci.ids()
    assert (resctrl.top / "gold/schemata").read_text() == "    L3:0=ff\n    MB:0= 100\n"


def test_linux_intel_rdt_4_schemata_are_one_value(oci, plain, resctrl):
    """Both schemata are written as one value, to a class that is made. In this folder the kernel
    puts no files into it, so it ends there: with an error, and the class is gone again."""
    plain.set("linux.intelRdt", {"l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20"})
    name, done = resctrl(plain)
    assert done.status == 1 and 'writing "L3:0=f\\nMB:0=20" to schemata' in done.err, done
    assert not (resctrl.top / name).exists() and not oci.ids()


@pytest.mark.parametrize("key,value", [
    ("memBwSchema", "L3:0=f"), ("memBwSchema", "0=20"), ("memBwSchema", "MB:0=20\nL3:0=f"),
    ("schemata", ["L3:0=f\nMB:0=20"]), ("schemata", ["MB:0=20", "L3:0=f\n"]),
    ("closID", "../other"), ("closID", "a/b"), ("closID", "..")])
def test_linux_intel_rdt_10_forms(oci, plain, resctrl, key, value):
    """memBwSchema starts with MB: and has no line break, nor has a line of schemata; closID is the
    name of a class, and no path."""
    before = look(resctrl.top)
    _, done = resctrl(plain.set("linux.intelRdt", {"closID": "gold", key: value}))
    assert done.status == 1 and f"linux.intelRdt.{key}" in done.err, done
    assert look(resctrl.top) == before and not oci.ids()
