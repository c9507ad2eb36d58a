"""config-linux.md, "Namespaces", "User namespace mappings" and "Offset for Time Namespace"; config.md,
"Hostname" and "Domainname"."""

import contextlib
import os
import pathlib
import subprocess

import pytest

import harness

FILES = {"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts",
         "user": "user", "cgroup": "cgroup", "time": "time"}
LINKS = "for n in pid net mnt ipc uts user cgroup time; do echo $n=$(readlink /proc/self/ns/$n); done"
# Far from what anybody on the host is.
MAPPED = 100000


def own(kind, pid="self"):
    return os.readlink(f"/proc/{pid}/ns/{FILES[kind]}")


def spaces(program, bundle):
    """The workload's namespaces: {"net": "net:[4026531840]", ...}."""
    return program.sh(bundle, LINKS).facts()


def user_namespace(bundle, **inside):
    """A user namespace with 65536 ids; the rootfs belongs to its root, as engines make it."""
    mapping = [{"containerID": 0, "hostID": MAPPED, "size": 65536}]
    bundle.namespace("user").set("linux.uidMappings", mapping).set("linux.gidMappings", mapping)
    for folder, names, files in os.walk(bundle.rootfs):
        for name in [".", *names, *files]:
            path = os.path.join(folder, name)
            if os.stat(path, follow_symlinks=False).st_nlink < 2 or os.path.isdir(path):
                os.chown(path, MAPPED, MAPPED, follow_symlinks=False)
    return bundle


@contextlib.contextmanager
def somewhere(*options):
    """A process in namespaces of its own (unshare's options); its pid."""
    with subprocess.Popen(["unshare", *options, "sh", "-c", "echo ready; exec sleep 1000"],
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            pid = process.pid
            below = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            yield int(below[0]) if below else pid
        finally:
            for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                os.kill(int(child), 9)
            process.kill()


# --- new ones

@pytest.mark.parametrize("kind", ["pid", "network", "mount", "ipc", "uts", "cgroup", "time"])
def test_a_namespace_without_path_is_new(oci, plain, kind):
    """config-linux.md, Namespaces: path not given: MUST create a new namespace of that type."""
    plain.namespace(kind)
    assert spaces(oci, plain)[FILES[kind]] != own(kind)


@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "uts", "cgroup", "time"])
def test_a_namespace_that_is_not_listed_is_the_runtimes(oci, plain, kind):
    """config-linux.md, Namespaces: a type that is not in the list MUST be inherited."""
    plain.namespace(kind, drop=True)
    if kind == "uts":
        plain.drop("hostname")
    assert spaces(oci, plain)[FILES[kind]] == own(kind)


def test_an_empty_path_is_no_path(oci, plain):
    """Engines write "path": "" for a new one."""
    plain.namespace("ipc", "")
    assert spaces(oci, plain)["ipc"] != own("ipc")


def test_a_list_without_mount_is_an_error(oci, plain):
    """There is no container without a root of its own; pivot_root on the host's is never meant."""
    oci.create_fails(plain.namespace("mount", drop=True), "linux.namespaces", "mount namespace")


def test_the_workload_is_pid_1_of_a_new_pid_namespace(oci, plain):
    assert oci.sh(plain, "echo $$").out == "1\n"


def test_lo_is_up_in_a_new_network_namespace(oci, plain):
    """runsafe brings up lo: an address, the flag, and a connection."""
    result = oci.sh(plain, "ip addr show lo; ping -c 1 -W 5 127.0.0.1")
    assert "LOOPBACK,UP" in result.out
    assert "127.0.0.1/8" in result.out
    assert "1 packets received" in result.out


def test_lo_is_left_alone_in_a_joined_network_namespace(oci, plain):
    """A namespace by path is who made it's to set up."""
    with somewhere("--net") as pid:
        plain.namespace("network", f"/proc/{pid}/ns/net")
        assert "UP" not in oci.sh(plain, "ip link show lo").lines[0].split(">")[0]


def test_the_root_of_a_new_cgroup_namespace_is_the_containers(oci, plain):
    """cgroup_namespaces(7): what it was in when it was made is its root."""
    last = oci.sh(plain, "cat /proc/self/cgroup").lines[-1]
    assert last == "0::/"


# --- by path

def cgroup_options():
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    return [m for m in mounts if m[1] == "/sys/fs/cgroup"][-1][3]


@pytest.fixture
def nsdelegate():
    """The host's hierarchy with what systemd mounts it with. The options are the hierarchy's: all
    mounts of it have them."""
    before = cgroup_options()
    wanted = "nsdelegate,memory_recursiveprot"
    subprocess.run(["mount", "-o", f"remount,{wanted}", "/sys/fs/cgroup"], check=True)
    yield cgroup_options()
    subprocess.run(["mount", "-o", f"remount,{before}", "/sys/fs/cgroup"], check=True)


def test_a_cgroup_mount_beside_the_hosts_namespace_changes_nothing_on_the_host(oci, plain,
                                                                               nsdelegate):
    """cgroup-v2.rst, "Mounting": a new mount there would take nsdelegate off the whole host."""
    assert "nsdelegate" in nsdelegate
    plain.namespace("cgroup", drop=True)
    done = oci.sh(plain, "grep ' /sys/fs/cgroup ' /proc/mounts; cat /sys/fs/cgroup/cgroup.procs")
    assert done.lines[0].split()[2] == "cgroup2" and len(done.lines) > 1
    assert cgroup_options() == nsdelegate


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "cgroup"])
def test_a_namespace_by_path_is_joined(oci, plain, kind):
    """config-linux.md, Namespaces: path: MUST place the container's process in that namespace."""
    option = {"network": "--net"}.get(kind, f"--{kind}")
    with somewhere(option) as pid:
        plain.namespace(kind, f"/proc/{pid}/ns/{FILES[kind]}")
        if kind == "uts":
            plain.drop("hostname")
        assert spaces(oci, plain)[FILES[kind]] == own(kind, pid)


def test_a_pid_namespace_by_path_is_joined(oci, plain):
    """The workload sees who is in it already, and is not process 1."""
    with somewhere("--pid", "--fork") as pid:
        plain.namespace("pid", f"/proc/{pid}/ns/pid")
        result = oci.sh(plain, LINKS + "; echo self=$$; cat /proc/1/comm")
        assert result.facts()["pid"] == own("pid", pid)
        assert result.facts()["self"] != "1"
        assert result.lines[-1] == "sleep"


def test_a_time_namespace_by_path_is_joined(oci, plain):
    with somewhere("--time", "--boottime", "1000000", "--fork") as pid:
        plain.namespace("time", f"/proc/{pid}/ns/time")
        result = oci.sh(plain, LINKS + "; echo up=$(cut -d. -f1 /proc/uptime)")
        assert result.facts()["time"] == own("time", pid)
        assert int(result.facts()["up"]) > 1000000


def test_a_mount_namespace_by_path_is_joined(oci, plain):
    """What is mounted there stays as it is; the rootfs is found there."""
    with somewhere("--mount", "--propagation", "private") as pid:
        plain.namespace("mount", f"/proc/{pid}/ns/mnt")
        result = oci.run(plain.sh(LINKS))
        assert result.status == 0, result
        assert result.facts()["mnt"] == own("mount", pid)


def test_a_bind_of_a_namespace_is_a_path_to_it(oci, plain, folder):
    """Engines keep namespaces at /run/netns/NAME."""
    kept = folder / "kept"
    kept.touch()
    with somewhere("--net") as pid:
        inode = own("network", pid)
        subprocess.run(["mount", "-n", "--bind", f"/proc/{pid}/ns/net", kept], check=True)
    try:
        assert spaces(oci, plain.namespace("network", kept))["net"] == inode
    finally:
        subprocess.run(["umount", "-n", kept], check=True)


@pytest.mark.parametrize("policy", ["oci", "default"])
def test_a_pod_shares_network_ipc_uts_and_pid(runsafe, bundle, new_bundle, policy):
    """Pods: a second container joins the first one's namespaces."""
    program = runsafe.with_options("--policy", policy)
    first = program.running(bundle.set("hostname", "the-pod"))
    pid = program.state(first)["pid"]
    second = new_bundle("second").drop("hostname")
    for kind in ("network", "ipc", "uts", "pid"):
        second.namespace(kind, f"/proc/{pid}/ns/{FILES[kind]}")
    result = program.sh(second, LINKS + "; echo host=$(hostname); cat /proc/1/comm")
    for kind in ("network", "ipc", "uts", "pid"):
        assert result.facts()[FILES[kind]] == own(kind, pid)
    assert result.facts()["mnt"] != own("mount", pid)
    assert result.facts()["host"] == "the-pod"
    assert result.lines[-1] == "sleep"
    assert program.status(first) == "running"


def test_a_path_to_the_runtimes_own_namespace_changes_nothing(oci, plain):
    """Under oci the host's may be named."""
    plain.namespace("network", "/proc/self/ns/net").namespace("ipc", "/proc/self/ns/ipc")
    seen = spaces(oci, plain)
    assert (seen["net"], seen["ipc"]) == (own("network"), own("ipc"))


def test_a_path_that_is_a_namespace_of_another_type_is_an_error(oci, plain):
    """config-linux.md, Namespaces: MUST generate an error if path is not of the type."""
    oci.create_fails(plain.namespace("network", "/proc/self/ns/ipc"), "linux.namespaces[5].path",
                     "/proc/self/ns/ipc", "not a network namespace")


def test_a_path_that_is_no_namespace_is_an_error(oci, plain, folder):
    (folder / "file").touch()
    oci.create_fails(plain.namespace("network", folder / "file"), "linux.namespaces[5].path",
                     "not a network namespace")


def test_a_path_to_nothing_is_an_error(oci, plain):
    oci.create_fails(plain.namespace("network", "/run/netns/none"), "linux.namespaces[5].path",
                     "/run/netns/none", "no such file or directory")


def test_a_fifo_instead_of_a_namespace_does_not_hang(oci, plain, folder):
    os.mkfifo(folder / "fifo")
    oci.create_fails(plain.namespace("ipc", folder / "fifo"), "linux.namespaces[5].path",
                     "not a ipc namespace")


# --- names

def test_the_hostname(oci, plain):
    """config.md, Hostname: as seen by processes running inside the container."""
    host = os.uname().nodename
    assert oci.sh(plain.set("hostname", "named-here"), "hostname").out == "named-here\n"
    assert os.uname().nodename == host


def test_the_domainname(oci, plain):
    """config.md, Domainname: as seen by processes running inside the container."""
    plain.set("domainname", "example.org")
    assert oci.sh(plain, "cat /proc/sys/kernel/domainname").out == "example.org\n"
    assert "example.org" not in pathlib.Path("/proc/sys/kernel/domainname").read_text()


@pytest.mark.parametrize("key", ["hostname", "domainname"])
def test_a_name_needs_a_uts_namespace(oci, plain, key):
    """config.md: the host's own name is never changed."""
    plain.namespace("uts", drop=True).drop("hostname").set(key, "no")
    oci.create_fails(plain, key, "uts namespace")


@pytest.mark.parametrize("key", ["hostname", "domainname"])
def test_a_name_that_is_too_long_is_an_error(oci, plain, key):
    """sethostname(2): at most 64 bytes."""
    oci.sh(plain.set(key, "n" * 64), "true")
    oci.create_fails(plain.set(key, "n" * 65), key)


def test_a_hostname_is_set_in_a_joined_uts_namespace(oci, plain):
    """As runc and crun do: the namespace is the container's as much as anybody's."""
    with somewhere("--uts") as pid:
        plain.namespace("uts", f"/proc/{pid}/ns/uts").set("hostname", "joined")
        assert oci.sh(plain, "hostname").out == "joined\n"


# --- user namespaces

def test_a_user_namespace_with_mappings(oci, plain):
    """config-linux.md, User namespace mappings: containerID, hostID, size."""
    result = oci.sh(user_namespace(plain), "cat /proc/self/uid_map /proc/self/gid_map; id -u; id -g;"
                                           "touch /opt/file; stat -c %u /opt/file; readlink "
                                           "/proc/self/ns/user")
    assert [line.split() for line in result.lines[:2]] == [["0", str(MAPPED), "65536"]] * 2
    assert result.lines[2:5] == ["0", "0", "0"]
    assert result.lines[5] != own("user")
    assert (plain.rootfs / "opt/file").stat().st_uid == MAPPED


def test_several_mappings(oci, plain):
    """config-linux.md: uidMappings and gidMappings are lists, and need not be the same."""
    user_namespace(plain)
    plain.set("linux.uidMappings", [{"containerID": 0, "hostID": MAPPED, "size": 1000},
                                    {"containerID": 5000, "hostID": MAPPED + 5000, "size": 10}])
    plain.set("process.user", {"uid": 5003, "gid": 2033, "additionalGids": [44]})
    result = oci.sh(plain, "id -u; id -g; id -G; cat /proc/self/uid_map | wc -l")
    assert result.lines == ["5003", "2033", "2033 44", "2"]


def test_a_user_that_is_not_mapped_is_an_error(oci, plain):
    user_namespace(plain).set("process.user.uid", 100000)
    oci.create_fails(plain, "100000", "mapped")


def test_root_of_a_user_namespace_has_its_capabilities_there_only(oci, plain):
    """user_namespaces(7): mounting inside works, the host's devices and clock do not."""
    result = oci.sh(user_namespace(plain), "mount -t tmpfs tmpfs /opt && echo mounted; "
                                           "mknod /opt/null c 1 3 2>/dev/null || echo no device; "
                                           "date -s 2001-01-01 2>&1 >/dev/null | grep -c permitted")
    assert result.lines == ["mounted", "no device", "1"]


def test_the_default_devices_of_a_user_namespace_are_the_hosts(oci, plain):
    """mknod(2) is refused there, so they are bound; they work."""
    result = oci.sh(user_namespace(plain), "stat -c '%F %t:%T' /dev/null /dev/zero /dev/full "
                                           "/dev/random /dev/urandom /dev/tty; echo x >/dev/null; "
                                           "head -c 4 /dev/urandom | wc -c")
    assert result.lines == ["character special file " + n for n in
                            ("1:3", "1:5", "1:7", "1:8", "1:9", "5:0")] + ["4"]


def test_a_user_namespace_beside_a_joined_network(oci, plain):
    """Engines make the network first: the container joins it from a new user namespace."""
    with somewhere("--net") as pid:
        user_namespace(plain).namespace("network", f"/proc/{pid}/ns/net")
        seen = spaces(oci, plain)
        assert seen["net"] == own("network", pid)
        assert seen["user"] != own("user")


def test_a_user_namespace_beside_the_hosts_network(oci, plain):
    """Rootful Podman with --userns=auto --net=host: sysfs can not be new there."""
    user_namespace(plain).namespace("network", drop=True)
    result = oci.sh(plain, LINKS + "; ls -d /sys/class/net/lo")
    assert result.facts()["net"] == own("network")
    assert result.lines[-1] == "/sys/class/net/lo"


def test_a_user_namespace_by_path_is_joined(oci, plain, new_bundle):
    """Pods with a user namespace: the second container joins the first one's."""
    first = oci.running(user_namespace(plain))
    pid = oci.state(first)["pid"]
    second = user_namespace(new_bundle("second"))
    second.config["linux"].pop("uidMappings")
    second.config["linux"].pop("gidMappings")
    second.set("process.user", {"uid": 0, "gid": 0}).set("root.readonly", False)
    for kind in ("user", "network", "ipc", "uts"):
        second.namespace(kind, f"/proc/{pid}/ns/{FILES[kind]}")
    result = oci.sh(second.drop("hostname"), LINKS + "; id -u; touch /opt/made")
    for kind in ("user", "network", "ipc", "uts"):
        assert result.facts()[FILES[kind]] == own(kind, pid)
    assert (second.rootfs / "opt/made").stat().st_uid == MAPPED


def test_the_default_policy_hardens_inside_a_user_namespace(runsafe, bundle):
    """Policy table: 1000 is what is mapped to it, without capabilities."""
    result = runsafe.sh(user_namespace(bundle), "id -u; touch /tmp/x; grep CapEff /proc/self/status")
    assert result.lines[0] == "1000"
    assert result.facts()["CapEff"] == "0" * 16


def test_what_a_user_namespace_can_mount(oci, plain, folder):
    """Engines' mounts work there too: file systems, binds with options, masks, a read-only root."""
    (folder / "source").mkdir()
    (folder / "source/file").write_text("bound\n")
    user_namespace(plain).set("root.readonly", True)
    plain.mount(destination="/opt", type="bind", source=str(folder / "source"),
                options=["rbind", "ro", "nosuid", "nodev"])
    plain.mount(destination="/srv", type="tmpfs", source="tmpfs",
                options=["mode=755", "uid=1000", "gid=1000", "size=1m"])
    plain.set("linux.maskedPaths", ["/proc/kcore", "/sys/firmware", "/etc/group"])
    plain.set("linux.readonlyPaths", ["/proc/sys", "/proc/bus"])
    result = oci.sh(plain, "cat /opt/file /etc/group; stat -c '%u %g' /srv; touch /x 2>/dev/null || "
                           "echo refused; cat /proc/self/mountinfo")
    assert result.lines[:3] == ["bound", "1000 1000", "refused"]
    seen = harness.mounted_in(result)
    assert {"ro", "nosuid", "nodev"} <= seen["/opt"].options
    assert "ro" in seen["/proc/sys"].options
    for place, kind in (("/proc", "proc"), ("/sys", "sysfs"), ("/dev/mqueue", "mqueue"),
                        ("/dev/pts", "devpts"), ("/sys/fs/cgroup", "cgroup2")):
        assert seen[place].type == kind


def test_a_bundle_that_only_the_hosts_root_can_reach(oci, plain, folder):
    """Rootfs and sources are opened by the runtime, before the user namespace."""
    (folder / "source").mkdir()
    (folder / "source/file").write_text("bound\n")
    user_namespace(plain).mount(destination="/opt", type="bind", source=str(folder / "source"),
                                options=["bind"])
    plain.sh("cat /opt/file")
    folder.chmod(0o700)
    try:
        assert oci.run_ok(plain).out == "bound\n"
    finally:
        folder.chmod(0o755)


def test_sysctls_of_a_user_namespace(oci, plain):
    """Its root owns its network and ipc namespace, so they can be set."""
    user_namespace(plain).set("linux.sysctl", {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4242"})
    assert oci.sh(plain, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax").lines == [
        "1", "4242"]


def test_the_oom_score_in_a_user_namespace(oci, plain):
    assert oci.sh(user_namespace(plain).set("process.oomScoreAdj", 700),
                  "cat /proc/self/oom_score_adj").out == "700\n"


def test_a_user_namespace_without_a_root_in_it(oci, plain):
    """A mapping may leave 0 out; the set-up runs as the first id there is."""
    user_namespace(plain)
    for key in ("uidMappings", "gidMappings"):
        plain.set(f"linux.{key}", [{"containerID": 1000, "hostID": MAPPED, "size": 1}])
    plain.set("process.user", {"uid": 1000, "gid": 1000}).cap()
    assert oci.sh(plain, "id -u; id -g; echo x >/opt/made; stat -c %u /opt/made").lines == ["1000"] * 3


def test_seccomp_and_capabilities_in_a_user_namespace(oci, plain):
    user_namespace(plain).set("process.user", {"uid": 33, "gid": 33}).cap("CAP_CHOWN")
    plain.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]})
    facts = oci.sh(plain, "cat /proc/self/status; mkdir /tmp/x 2>/dev/null || echo mkdir=refused").facts()
    assert facts["Seccomp"] == "2"
    assert facts["CapEff"] == facts["CapAmb"] == "0000000000000001"
    assert facts["mkdir"] == "refused"


def test_a_user_namespace_by_path_beside_a_pid_namespace_by_path(oci, plain, new_bundle):
    """A pod's second container with all that can be shared."""
    first = oci.running(user_namespace(plain))
    pid = oci.state(first)["pid"]
    second = user_namespace(new_bundle("second")).drop("hostname")
    second.config["linux"].pop("uidMappings")
    second.config["linux"].pop("gidMappings")
    for kind in ("user", "pid", "network", "ipc", "uts", "cgroup"):
        second.namespace(kind, f"/proc/{pid}/ns/{FILES[kind]}")
    result = oci.sh(second, LINKS + "; cat /proc/1/comm")
    for kind in ("user", "pid", "network", "ipc", "uts", "cgroup"):
        assert result.facts()[FILES[kind]] == own(kind, pid)
    assert result.lines[-1] == "sleep"


def test_the_default_policy_beside_a_joined_network_and_a_new_user_namespace(runsafe, bundle):
    """Policy table, sysctl: in a joined network namespace too. sysfs shows that network, and is not
    the host's."""
    with somewhere("--net") as pid:
        user_namespace(bundle).namespace("network", f"/proc/{pid}/ns/net")
        result = runsafe.sh(bundle, "id -u; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; "
                                    "ls /sys/class/net; grep -o 'sysfs .*' /proc/mounts")
        assert result.lines[:3] == ["1000", "0", "lo"]
        assert "ro" in result.lines[3].split()[3].split(",") and len(result.lines) == 4, result


def test_mappings_need_a_user_namespace(oci, plain):
    """config-linux.md: they are of the namespace that is made."""
    mapping = [{"containerID": 0, "hostID": MAPPED, "size": 65536}]
    oci.create_fails(plain.set("linux.uidMappings", mapping), "linux.uidMappings", "user")


# --- time

def test_the_offsets_of_a_time_namespace(oci, plain):
    """config-linux.md, timeOffsets: secs and nanosecs by clock."""
    plain.namespace("time").set("linux.timeOffsets", {
        "boottime": {"secs": 1000000, "nanosecs": 5}, "monotonic": {"secs": 2000, "nanosecs": 0}})
    result = oci.sh(plain, "cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets")
    assert int(result.lines[0]) >= 1000000
    assert [line.split() for line in result.lines[1:]] == [["monotonic", "2000", "0"],
                                                           ["boottime", "1000000", "5"]]


def test_a_negative_offset(oci, plain):
    plain.namespace("time").set("linux.timeOffsets", {"boottime": {"secs": -1}})
    assert oci.sh(plain, "cat /proc/self/timens_offsets").lines[1].split() == ["boottime", "-1", "0"]


def test_an_offset_before_the_start_of_the_clock_is_an_error(oci, plain):
    """time_namespaces(7): the clock would be below zero."""
    plain.namespace("time").set("linux.timeOffsets", {"boottime": {"secs": -(1 << 40)}})
    oci.create_fails(plain, "offset")


@pytest.mark.parametrize("offsets,word", [({"realtime": {"secs": 1}}, "realtime"),
                                          ({"boottime": {"nanosecs": 1000000000}}, "nanosecs")])
def test_offsets_that_do_not_exist(oci, plain, offsets, word):
    oci.create_fails(plain.namespace("time").set("linux.timeOffsets", offsets), "linux.timeOffsets",
                     word)


def test_offsets_need_a_time_namespace(oci, plain):
    plain.set("linux.timeOffsets", {"boottime": {"secs": 1}})
    oci.create_fails(plain, "linux.timeOffsets", "time")


def test_offsets_for_a_joined_time_namespace_are_refused(oci, plain):
    """They are fixed there: not passed over."""
    plain.namespace("time", "/proc/self/ns/time").set("linux.timeOffsets", {"boottime": {"secs": 1}})
    oci.create_fails(plain, "linux.timeOffsets", "new time namespace")


def test_a_time_namespace_in_a_user_namespace(oci, plain):
    user_namespace(plain).namespace("time").set("linux.timeOffsets", {"boottime": {"secs": 5000000}})
    assert int(oci.sh(plain, "cut -d. -f1 /proc/uptime").out) >= 5000000


def test_a_joined_mount_namespace_keeps_its_root_under_default(runsafe, bundle):
    """pivot_root(2) changes the root of all who live in the namespace: a copy is used instead."""
    with somewhere("--mount", "--propagation", "private") as pid:
        before = os.readlink(f"/proc/{pid}/root"), os.stat(f"/proc/{pid}/root/").st_ino
        bundle.namespace("mount", f"/proc/{pid}/ns/mnt")
        result = runsafe.sh(bundle, LINKS)
        assert result.facts()["mnt"] not in (own("mount", pid), own("mount", os.getpid()))
        assert (os.readlink(f"/proc/{pid}/root"), os.stat(f"/proc/{pid}/root/").st_ino) == before
