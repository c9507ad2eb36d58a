"""What the kernel offers beside files: abstract sockets, cgroups, sysctls."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys

import pytest

import harness
import workload
from attacks import escaped

# --- abstract sockets (unix(7)): no file system, only the network namespace keeps them apart

SOCKETS = ("CVE-2020-15257", "an abstract socket of the host is reached from inside",
           "a network namespace of its own; `default` refuses the host's; runsafe has no such socket")


@pytest.fixture
def listener(folder):
    """The name of an abstract socket on the host that tells everybody a secret."""
    name = f"runsafe-attack-{folder.name}"
    server = socket.socket(socket.AF_UNIX)
    server.bind("\0" + name)
    server.listen(8)
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            while True:
                server.accept()[0].sendall(b"of the host")
        os._exit(0)
    server.close()
    yield name
    os.kill(pid, 9)
    os.waitpid(pid, 0)


@pytest.fixture
def with_abstract(victim, probe_program):
    victim.file("/opt/abstract", probe_program("abstract").read_bytes(), 0o755)
    return victim


@pytest.mark.attack(*SOCKETS)
def test_an_abstract_socket_of_the_host(runtime, with_abstract, listener):
    victim = with_abstract.args("/opt/abstract", listener)
    done = runtime.run(victim)
    escaped("of the host" in done.out, "a socket of the host answered")
    assert done.out == "refused\n"
    done = runtime.run(victim.args("/bin/cat", "/proc/net/unix"))
    escaped("@" in done.out, "sockets of the host are listed")
    # The control: who asks for the host's network gets it, but from `default`.
    if runtime.name != "default":
        done = runtime.run(victim.args("/opt/abstract", listener).namespace("network", drop=True))
        assert done.out == "of the host"


@pytest.mark.attack(*SOCKETS)
@pytest.mark.parametrize("runtime", ["default"], indirect=True)
@pytest.mark.parametrize("way", ["none", "/proc/self/ns/net", "/proc/PID/ns/net", "link", "bind"])
def test_an_abstract_socket_through_the_hosts_network(runtime, with_abstract, listener, folder, way):
    """The host's namespace by any other name."""
    path = folder / "net"
    victim = with_abstract.args("/opt/abstract", listener)
    with contextlib.ExitStack() as stack:
        if way == "link":
            path.symlink_to("/proc/self/ns/net")
        elif way == "bind":
            path.touch()
            stack.enter_context(harness.host_mount(path, "--bind", "/proc/self/ns/net"))
        elif way != "none":
            path = way.replace("PID", str(os.getpid()))
        done = runtime.run(victim.namespace("network", path, drop=way == "none"))
        escaped("of the host" in done.out, f"the host's network by {way}")
        assert done.status == 1 and "network" in done.err, done


@pytest.mark.attack(*SOCKETS)
def test_the_runtime_listens_nowhere(runtime, victim):
    """Looked at in a network namespace where nobody else is."""
    command = runtime.command("create", "-b", victim.args("/bin/sleep", "1000").path, name := runtime.id())
    done = subprocess.run(["unshare", "--net", "sh", "-c", '"$@" </dev/null >/dev/null 2>&1 && '
                           "cat /proc/self/net/unix", "sh", *command], capture_output=True, text=True,
                          check=False, timeout=harness.TIME_LIMIT)
    assert done.returncode == 0 and runtime.state(name)["status"] == "created", done
    escaped("@" in done.stdout, "the runtime itself left an abstract socket")


# --- cgroups

@pytest.mark.attack("CVE-2022-0492", "release_agent of a cgroup hierarchy that it mounts itself",
                    "the cgroup is read-only; `default` allows neither a user namespace nor a mount; "
                    "under `oci` the kernel (5.17) does")
@pytest.mark.parametrize("way", ["as it is", "unshare"])
def test_attack_release_agent(runtime, victim, way, probe_program):
    """In new namespaces a process has all capabilities, and mounts a hierarchy of version 1."""
    victim.file("/opt/agent", probe_program("agent").read_bytes(), 0o755)
    (victim.rootfs / "mnt").mkdir()
    victim.mount(destination="/sys/fs/cgroup", type="cgroup", source="cgroup",
                 options=["ro", "nosuid", "noexec", "nodev"])
    done = runtime.run_ok(victim.args("/opt/agent", way))
    escaped("write=OK" in done.lines, "wrote the host's release_agent")
    escaped("mkdir=OK" in done.lines, "made a cgroup")
    escaped("move=OK" in done.lines, "opened cgroup.procs to write")
    assert "mount" in done.facts() and "move" in done.facts(), done


# As Podman and Docker do it for users: a runtime that is root of a user namespace.
AS_MAPPED_ROOT = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
ready, go = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    assert libc.unshare(0x10000000 | 0x00020000) == 0  # user, mount
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(ready[0], 1)
for kind in ("uid", "gid"):
    with open(f"/proc/{pid}/{kind}_map", "w") as f:
        f.write("0 0 65536\\n")
os.write(go[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def in_user_namespace(*command):
    return subprocess.run([sys.executable, "-c", AS_MAPPED_ROOT, *command], capture_output=True,
                          text=True, check=False, timeout=harness.TIME_LIMIT, stdin=subprocess.DEVNULL)


WRITABLE = ("CVE-2023-25809", "in a user namespace /sys/fs/cgroup is the host's, and writable",
            "a mount that can not be had read-only is an error; `default` gives a cgroup namespace")


@pytest.mark.attack(*WRITABLE)
@pytest.mark.parametrize("own", [False, True], ids=["the hosts cgroups", "cgroup namespace"])
def test_the_cgroup_of_a_runtime_in_a_user_namespace(runtime, victim, own):
    """cgroup2 can not be mounted there without a cgroup namespace of one's own, so it is bound."""
    victim.mount(destination="/sys/fs/cgroup", type="cgroup", source="cgroup",
                 options=["ro", "nosuid", "noexec", "nodev", "relatime"])
    victim.namespace("cgroup", drop=not own)
    mark = f"{runtime.prefix}-made"
    place = harness.CGROUP / mark
    # The control: that user could.
    assert in_user_namespace("mkdir", str(place)).returncode == 0
    place.rmdir()
    victim.sh(f"echo ran; for d in $(find /sys/fs/cgroup -type d | head -n 50); do "
              f"mkdir $d/{mark} 2>/dev/null; done; true")

    def try_it():
        done = in_user_namespace(*runtime.command("run", "-b", victim.path, runtime.id()))
        made = [c for c in harness.cgroups() if mark in c]
        for path in made:
            os.rmdir(path)
        runtime.log.unlink(missing_ok=True)
        return done, len(made)

    done, made = try_it()
    escaped(made, f"made {made} cgroups on the host")
    assert done.stdout == "ran\n" or "cgroup" in done.stderr, done
    # The control: who does not say `ro` gets it.
    if runtime.name != "default" and not own:
        victim.config["mounts"][-1]["options"].remove("ro")
        victim.write()
        assert try_it()[1], "not even without `ro`"


@pytest.mark.attack(*WRITABLE)
@pytest.mark.parametrize("own", [False, True], ids=["the hosts cgroups", "cgroup namespace"])
def test_the_cgroup_below_a_bound_sys(runtime, victim, own):
    """`ro` of a recursive bind is that of its top alone, and a user's cgroup is his."""
    for path in [victim.rootfs, *victim.rootfs.rglob("*")]:
        os.lchown(path, 100000, 100000)
    mapping = {"containerID": 0, "hostID": 100000, "size": 65536}
    victim.namespace("user").namespace("cgroup", drop=not own)
    victim.set("linux.uidMappings", [mapping]).set("linux.gidMappings", [mapping])
    victim.config["mounts"] = [m for m in victim.config["mounts"] if m["destination"] != "/sys"]
    victim.mount(destination="/sys", type="bind", source="/sys",
                 options=["rbind", "ro", "nosuid", "noexec", "nodev"])
    victim.mount(destination="/sys/fs/cgroup", type="cgroup", source="cgroup",
                 options=["ro", "nosuid", "noexec", "nodev"])
    delegated = harness.CGROUP / f"{runtime.prefix}-delegated"
    victim.sh(f"echo ran; find /sys/fs/cgroup -name {delegated.name} -exec mkdir {{}}/made ';' "
              "2>/dev/null; true")

    def try_it():
        delegated.mkdir()
        try:
            os.chown(delegated, 100000, 100000)
            return runtime.run(victim), (delegated / "made").exists()
        finally:
            for path in (delegated / "made", delegated):
                with contextlib.suppress(FileNotFoundError):
                    path.rmdir()

    done, made = try_it()
    escaped(made, "made a cgroup below the user's own")
    assert done.out == "ran\n" or "/sys" in done.err, done
    # The control: what is bound without a mount over it is the user's.
    if runtime.name != "default" and not own:
        victim.config["mounts"].pop()
        victim.write()
        assert try_it()[1], "not even the host's own mount"


# --- sysctls

EVIL = "|/bin/evil"
# Where a pattern of one's own makes the host run a program.
PATTERN = "kernel/core_pattern"
INJECTED = [
    ("kernel.shm_rmid_forced", f"1+kernel.core_pattern={EVIL}"),
    ("kernel.shm_rmid_forced", f"1 kernel.core_pattern={EVIL}"),
    ("kernel.shm_rmid_forced", f"1\nkernel.core_pattern={EVIL}"),
    ("kernel.shm_rmid_forced", f"1,kernel.core_pattern={EVIL}"),
    (f"kernel.shm_rmid_forced=1+{PATTERN}", EVIL), (f"kernel.shm_rmid_forced\n{PATTERN}", EVIL),
    ("kernel.core_pattern", EVIL), ("kernel/core_pattern", EVIL), ("/kernel/core_pattern", EVIL),
    ("kernel//core_pattern", EVIL), ("./kernel/core_pattern", EVIL), ("kernel.core_pattern/", EVIL),
    ("kernel/shm/../core_pattern", EVIL), ("kernel/shm_rmid_forced/../core_pattern", EVIL),
    ("kernel/msg/../../kernel/core_pattern", EVIL), ("kernel/domainname/../core_pattern", EVIL),
    ("kernel.domainname/core_pattern", EVIL), ("kernel.sem....kernel.core_pattern", EVIL),
    ("net/../kernel/core_pattern", EVIL), ("net/ipv4/../../kernel/core_pattern", EVIL),
    ("net.ipv4/../../kernel/core_pattern", EVIL), ("net....kernel.core_pattern", EVIL),
    ("net.//.kernel.core_pattern", EVIL), ("fs/mqueue/../../kernel/core_pattern", EVIL),
    ("net/../../../tmp/x", EVIL), ("net/ipv4/conf/all/../../../../kernel/core_pattern", EVIL),
]
INJECTION = ("CVE-2022-0811", "a sysctl that sets another one, such as kernel.core_pattern",
             "each name is one path without `..`, of a namespace that is the container's own")


@contextlib.contextmanager
def watched(*paths):
    """Sysctls of the host; afterwards they are as before. Gives a function that says what changed."""
    files = [pathlib.Path("/proc/sys") / path for path in paths]
    before = [f.read_bytes() for f in files]
    try:
        yield lambda: [f"{f.name}={f.read_text().strip()}" for f, old in zip(files, before)
                       if f.read_bytes() != old]
    finally:
        for f, old in zip(files, before):
            if f.read_bytes() != old:
                f.write_bytes(old)


@pytest.mark.attack(*INJECTION)
@pytest.mark.parametrize("where", ["linux.sysctl", "annotations"])
def test_a_sysctl_in_a_sysctl(runtime, victim, where):
    good = {"kernel.shm_rmid_forced": "1"}
    cat = ("/bin/cat", "/proc/sys/kernel/shm_rmid_forced")
    assert runtime.run(victim.args(*cat).set("linux.sysctl", good)).out == "1\n"
    with watched(PATTERN) as changed:
        for key, value in INJECTED if where == "linux.sysctl" else INJECTED[:6]:
            if where == "linux.sysctl":
                victim.set("linux.sysctl", {key: value})
            else:
                victim.set("annotations", {"io.kubernetes.cri-o.Sysctls": f"{key}={value}",
                                           "security.alpha.kubernetes.io/sysctls": f"{key}={value}"})
            runtime.run(victim)
            escaped(changed(), f"{key}={value} set the host's {changed()}")


@pytest.mark.attack(*INJECTION)
@pytest.mark.parametrize("key, space", [
    ("vm.swappiness", None), ("vm.overcommit_ratio", None), ("kernel.printk_ratelimit", None),
    ("net.ipv4.ip_forward", "network"), ("net.ipv4.conf.lo.forwarding", "network"),
    ("kernel.msgmax", "ipc"), ("fs.mqueue.queues_max", "ipc")])
def test_a_sysctl_of_the_host(runtime, victim, key, space):
    """One that belongs to no namespace, and those of namespaces that are the host's."""
    if space:
        victim.namespace(space, drop=True)
    path = key.replace(".", "/")
    with watched(path) as changed:
        now = int(pathlib.Path("/proc/sys", path).read_text())
        victim.set("linux.sysctl", {key: str(1 - now if now in (0, 1) else now + 1)})
        done = runtime.run(victim.sh("true"))
        escaped(changed(), f"set the host's {changed()}")
        assert done.status != 0 and key in done.err or "namespace" in done.err, done
