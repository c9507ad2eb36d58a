"""docs/docker.md, troubleshooting: what is read when a container wants more of the host than the
default policy gives, or Docker and runsafe do not find each other; and the one line that helps."""

import struct

import pytest

from engines import has_limits, run
from symptoms import USR, relaxed  # noqa: F401


def test_strace_and_gdb(relaxed):
    script = "strace -o /tmp/trace true && grep -c exit_group /tmp/trace"
    relaxed.says("strace: ptrace(PTRACE_TRACEME, ...): Operation not permitted", script, *USR,
                 "--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined")
    assert relaxed.works(script, *USR, runtime="allow-ptrace") == "1"


def test_an_added_capability_is_not_there(relaxed):
    script = "ip link add br0 type bridge && ip -o link show br0 | wc -l"
    relaxed.says("RTNETLINK answers: Operation not permitted", script, "--cap-add", "NET_ADMIN",
                 image="apps")
    assert relaxed.works(script, image="apps", runtime="allow-capability") == "1"


def test_iptables_and_nft(relaxed):
    script = "iptables-nft -L INPUT"
    for name in ("runsafe", "allow-capability"):
        relaxed.says("Failed to initialize nft: Protocol not supported", script, *USR, runtime=name)
    assert "policy ACCEPT" in relaxed.works(script, *USR, "--cap-add", "NET_ADMIN",
                                            runtime="runsafe-oci")


def test_privileged_gives_nothing(relaxed):
    script = "mount -t tmpfs none /mnt && echo mounted"
    relaxed.says("mount: /mnt: must be superuser to use mount", script, *USR, "--privileged")
    assert relaxed.works(script, *USR, "--privileged", runtime="runsafe-oci") == "mounted"


def test_a_docker_in_docker_wants_root(relaxed):
    data = ("--tmpfs", "/var/lib/docker", "--tmpfs", "/run", "--privileged", *USR)
    script = "dockerd --version && dockerd >/tmp/log 2>&1 || tail -n 1 /tmp/log >&2; exit 1"
    relaxed.says("dockerd needs to be started with root privileges", script, *data)
    script = """dockerd >/tmp/log 2>&1 & for i in $(seq 100); do
        docker version >/dev/null 2>&1 && echo up && exit; sleep 0.2; done; cat /tmp/log; exit 1"""
    assert relaxed.works(script, *data, runtime="runsafe-oci") == "up"


def test_a_programs_own_sandbox_makes_namespaces(relaxed):
    script = "unshare --map-root-user id -u"
    relaxed.says("unshare failed: Operation not permitted", script)
    assert relaxed.works(script, "--security-opt", "seccomp=unconfined", runtime="no-filter") == "0"


def test_io_uring_is_refused(relaxed):
    """io_uring_setup(2), 425."""
    script = """perl -e '$b = chr(0) x 200; syscall(425, 8, $b) >= 0 or die "io_uring: $!\\n"'"""
    relaxed.says("io_uring: Operation not permitted", script)
    relaxed.works(script, "--security-opt", "seccomp=unconfined", runtime="no-filter")


def test_a_32_bit_program_is_killed(relaxed, folder):
    """exit(0) through int 0x80, as the program of an i386 image would."""
    code, base = bytes.fromhex("31c04031dbcd80"), 0x8048000
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 3, 1, base + 84, 52, 0, 0,
                         52, 32, 1, 0, 0, 0)
    size = 84 + len(code)
    (folder / "i386").write_bytes(
        header + struct.pack("<8I", 1, 0, base, base, size, size, 5, 4096) + code)
    (folder / "i386").chmod(0o755)
    script, bind = "/i386; exit $?", ("-v", f"{folder}/i386:/i386:ro")
    relaxed.says("Bad system call", script, *bind)
    relaxed.works(script, *bind, runtime="no-filter")


def test_the_kernels_log(relaxed):
    script = "dmesg >/dev/null"
    relaxed.says("dmesg: read kernel buffer failed: Operation not permitted", script)
    relaxed.works(script, "--cap-add", "SYSLOG", runtime="runsafe-oci")


def test_the_host_name(relaxed):
    relaxed.says("hostname: you must be root to change the host name", "hostname web")
    assert relaxed.works("hostname", "--hostname", "web") == "web"


def test_a_kernel_setting(relaxed):
    script = "sysctl -w net.core.somaxconn=1024"
    relaxed.says('permission denied on key "net.core.somaxconn"', script, *USR)
    option = ("--sysctl", "net.core.somaxconn=1024")
    assert relaxed.works("cat /proc/sys/net/core/somaxconn", *option) == "1024"


def test_a_higher_priority(relaxed):
    relaxed.says("nice: cannot set niceness: Permission denied", "nice -n -5 nice; exit 1")
    assert relaxed.works("nice -n -5 nice", runtime="allow-nice") == "-5"


def test_exec_as_root_is_not_root(relaxed):
    docker = relaxed.docker
    for runtime, user in (("runsafe", "1000"), ("allow-root", "0")):
        docker("run", "-d", "--name", runtime, "--runtime", runtime, docker.image("debian"),
               "sleep", "60")
        assert docker("exec", "-u", "root", runtime, "id", "-u").text == user
        capabilities = docker("exec", "--privileged", runtime, "grep", "CapEff",
                              "/proc/self/status")
        assert int(capabilities.text.split()[1], 16) == 0


def test_a_device_is_not_there(relaxed):
    script, option = "stat -c %t:%T /dev/kmsg", ("--device", "/dev/kmsg")
    relaxed.says("cannot statx '/dev/kmsg': No such file or directory", script, *option)
    assert relaxed.works(script, *option, runtime="allow-device") == "1:b"


@pytest.mark.parametrize("name", ("network", "pid", "ipc"))
def test_a_namespace_of_the_host(relaxed, name):
    own = run("readlink", f"/proc/self/ns/{name.removesuffix('work')}").text
    script = f"readlink /proc/self/ns/{name.removesuffix('work')}"
    relaxed.says(f"let it through on purpose with --allow host-{name}", script, f"--{name}", "host")
    assert relaxed.works(script, f"--{name}", "host", runtime=f"allow-host-{name}") == own


def test_namespaces_of_another_container_need_nothing(relaxed):
    docker = relaxed.docker
    docker("run", "-d", "--name", "symptoms-first", "--ipc", "shareable", "--runtime", "runsafe",
           docker.image("debian"), "sleep", "60")
    pid = docker.pid("symptoms-first")
    theirs = [run("readlink", f"/proc/{pid}/ns/{ns}").text for ns in ("net", "pid", "ipc")]
    joined = [word for ns in ("network", "pid", "ipc")
              for word in (f"--{ns}", "container:symptoms-first")]
    assert relaxed.works("cd /proc/self/ns && readlink net pid ipc", *joined).split() == theirs


def test_the_engines_socket(relaxed):
    docker = relaxed.docker
    script = """python3 -c 'import socket; s = socket.socket(socket.AF_UNIX)
s.connect("/run/docker.sock"); s.send(b"GET /_ping HTTP/1.0\\r\\n\\r\\n")
print(s.recv(15).decode())'"""
    bind = ("-v", f"{docker.socket}:/run/docker.sock")
    relaxed.says("who can write to that is root on the host; say `--allow bind=", script, *bind,
                 image="apps")
    relaxed.says("Permission denied", script, *bind, image="apps", runtime="allow-socket")
    group = str(docker.socket.stat().st_gid)
    assert "200 OK" in relaxed.works(script, *bind, "--group-add", group, image="apps",
                                     runtime="allow-socket")


def test_the_hosts_files(relaxed):
    for path in ("/", "/proc", "/sys", "/dev"):
        relaxed.says(f"{path} is", "true", "-v", f"{path}:/host{path}:ro")
    script, binds = "cat /host/proc/1/comm /host/etc/hostname", ("-v", "/:/host:ro", "-v",
                                                                "/proc:/host/proc:ro")
    theirs = open("/proc/1/comm").read() + open("/etc/hostname").read()
    assert relaxed.works(script, *binds, runtime="allow-slash") == theirs.strip()
    assert relaxed.works("cat /host", "-v", "/etc/hostname:/host:ro") == theirs.split()[1]


def test_docker_does_not_know_the_runtime(relaxed):
    """What `make install-docker` mends is in test_docker_install.py."""
    relaxed.says("unknown or invalid runtime name: runsafe-no", "true", runtime="runsafe-no")
    assert relaxed.works("id -u") == "1000"


def test_the_program_is_not_there(relaxed):
    relaxed.says("fork/exec /usr/local/bin/runsafe-gone: no such file or directory", "true",
                 runtime="gone")


def test_the_host_has_no_controllers(relaxed):
    if has_limits():
        pytest.skip("this host has its controllers")
    relaxed.says("controller memory", "true", runtime="strictly")
    done = relaxed.run("true", runtime="strictly", check=False)
    assert "--cgroup=available starts without the limits" in done.err, done
    assert relaxed.works("id -u", runtime="available") == "1000"
