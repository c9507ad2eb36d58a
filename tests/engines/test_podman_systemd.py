"""Podman where systemd is process 1: scopes, limits, quadlet units, an ordinary user's manager."""

import json
import pathlib
import re
import socket

import pytest

import podman as podman_module
import rootless
from engines import cgroup_of, run, wait_for

GIB = 1 << 30
CONF = pathlib.Path("/etc/containers/containers.conf")
# While it waits, it can be told to stop at once.
WAIT = ("sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait")


def value(group, name):
    return (group / name).read_text().strip()


def limits(group, runtime="runsafe"):
    """Memory, swap beyond it, processor time, processes. crun has one cgroup more, below the scope,
    and says some of it only in one of the two; its scope has 64m of swap for --memory-swap=64m."""
    def said(name):
        text = value(group, name)
        return value(group.parent, name) if runtime == "own" and text.startswith("max") else text

    swap = "0" if runtime == "own" else said("memory.swap.max")
    return [said("memory.max"), swap, said("cpu.max"), said("pids.max")]


def starve(podman, runtime):
    """Runs into the memory limit; what Podman says of it. conmon looks for the event in a cgroup
    that systemd takes away as soon as it is empty, and can come too late on a busy machine."""
    podman("run", "--network=none", "--name=hungry", "--memory=16m", "busybox", "tail",
           "/dev/zero", runtime=runtime, check=137)
    state = podman.inspect("hungry", ".State")
    podman("rm", "hungry")
    assert state["ExitCode"] == 137
    return state["OOMKilled"]


def drive_limits(podman, runtime):
    """Limits arrive in the cgroup that Podman looks at, can be changed, and an end for want of
    memory is reported. Returns that cgroup."""
    image = podman.image("busybox")
    podman("run", "-d", "--network=none", "--name=c", "--memory=64m", "--memory-swap=64m",
           "--cpus=0.5", "--pids-limit=50", image, *WAIT, runtime=runtime)
    group = cgroup_of(podman.pid("c"))
    assert limits(group, runtime) == [str(64 << 20), "0", "50000 100000", "50"]
    stats = json.loads(podman("stats", "--no-stream", "--format=json", "c").out)[0]
    assert stats["mem_usage"].endswith(" / 67.11MB") and int(stats["pids"]) >= 1
    # An ordinary user in a session of his own may not put a process there: systemd does.
    assert podman("exec", "c", "cat", "/proc/self/cgroup").out.startswith("0::/")
    podman("pause", "c")
    assert "frozen 1" in value(group, "cgroup.events")
    podman("unpause", "c")
    podman("update", "--memory=80m", "--memory-swap=80m", "--cpus=0.25", "--pids-limit=40",
           "c")
    assert limits(group, runtime) == [str(80 << 20), "0", "25000 100000", "40"]
    podman("stop", "c")
    assert not group.exists()
    assert any(starve(podman, runtime) for _ in range(3))
    return group


@pytest.fixture(scope="module")
def systems():
    """The Podman of root with its folders and settings where they usually are: timers of health
    checks know no others."""
    one = podman_module.make(cgroups="systemd")
    one.options, one.conf = (), CONF
    del one.env["CONTAINERS_CONF"]
    one.root = pathlib.Path("/var/lib/containers/storage")
    one.runroot = pathlib.Path("/run/containers")
    one.write_settings()
    yield one
    CONF.unlink()


@pytest.fixture
def system(systems):
    yield systems
    systems.clean()


@pytest.mark.ground("systemd")
@pytest.mark.runtimes("runsafe", "own")
def test_limits_in_a_scope_of_systemds(system, runtime):
    podman = system
    group = drive_limits(podman, runtime)
    assert re.match(r"/sys/fs/cgroup/machine.slice/libpod-[0-9a-f]{64}.scope", str(group))
    if runtime == "own":
        return
    # What nobody set is the policy's; pids are Podman's own 2048.
    podman("run", "-d", "--network=none", "--name=d", "busybox", *WAIT, runtime=runtime)
    assert limits(cgroup_of(podman.pid("d"))) == [str(GIB), "0", "100000 100000", "2048"]


@pytest.mark.ground("systemd")
@pytest.mark.runtimes("runsafe", "own")
def test_too_many_processes(system, runtime):
    script = "for n in 1 2 3 4 5; do sleep 9 & done"
    done = system("run", "--rm", "--network=none", "--pids-limit=4", system.image("busybox"), "sh",
                  "-c", script, runtime=runtime, check=False)
    assert done.status != 0 and "can't fork: Resource temporarily unavailable" in done.err


# --- quadlet

UNIT = """
[Container]
Image=docker.io/library/busybox:latest
Pull=never
Network=none
ContainerName=quadlet
Exec=sh -c "trap 'exit 0' TERM; id -u >/tmp/who; sleep 1000 & wait"
PodmanArgs=--memory=64m
HealthCmd=test -s /tmp/who
HealthInterval=2s
Notify=healthy
GlobalArgs=--runtime={runtime}
[Service]
Restart=always
TimeoutStartSec=300
"""


def systemctl(*words, **options):
    return run("systemctl", "--no-pager", *words, timeout=60, **options)


def main_pid(unit):
    return int(systemctl("show", "--value", "-p", "MainPID", unit).text)


@pytest.mark.ground("systemd")
@pytest.mark.runtimes("runsafe", "own")
def test_a_quadlet_unit(system, runtime):
    """Made by the generator at daemon-reload; ready when a timer's health check says so; in its own
    cgroup (--cgroups=split), which has the limits; started again when it dies; stopped."""
    podman = system
    podman.image("busybox")
    folder = pathlib.Path("/etc/containers/systemd")
    folder.mkdir(exist_ok=True)
    (folder / "rsq.container").write_text(UNIT.format(runtime=podman_module.name_of(runtime)))
    try:
        systemctl("daemon-reload")
        systemctl("start", "rsq.service")
        assert podman.inspect("quadlet", ".State.Health.Status") == "healthy"
        group = cgroup_of(podman.pid("quadlet"))
        assert "rsq.service" in group.parts and limits(group, runtime)[0] == str(64 << 20)
        assert podman("exec", "quadlet", "cat", "/tmp/who").text == (
            "1000" if runtime == "runsafe" else "0")
        before = main_pid("rsq.service")
        podman("kill", "-s", "KILL", "quadlet")
        wait_for("it runs again", lambda: main_pid("rsq.service") not in (0, before), 30)
        wait_for("it is well again",
                 lambda: systemctl("is-active", "rsq.service", check=False).text == "active", 30)
        systemctl("stop", "rsq.service")
        assert not podman("ps", "-aq").text
        assert not pathlib.Path("/sys/fs/cgroup/system.slice/rsq.service").exists()
    finally:
        systemctl("stop", "rsq.service", check=False)
        (folder / "rsq.container").unlink()
        systemctl("daemon-reload")
        systemctl("reset-failed", check=False)


# --- without root

@pytest.fixture(scope="module")
def sue():
    one = rootless.make("sue", 1004, cgroups="systemd")
    # His manager is there without a log-in, as a server's user has it.
    run("loginctl", "enable-linger", "sue")
    systemctl("start", "user@1004.service")
    wait_for("the user's bus is there", pathlib.Path("/run/user/1004/bus").exists)
    yield one
    one.stop()
    run("loginctl", "disable-linger", "sue")
    systemctl("stop", "user@1004.service", check=False)


@pytest.mark.ground("systemd")
@pytest.mark.runtimes("runsafe", "own")
def test_an_ordinary_users_limits_are_made_by_his_own_manager(sue, runtime):
    """Rootless, with the controllers that systemd delegates to him: memory, cpu (in Debian 13),
    pids."""
    group = drive_limits(sue, runtime)
    try:
        assert "/user@1004.service/" in str(group) and "/libpod-" in str(group)
    finally:
        sue.clean()


@pytest.mark.ground("systemd")
@pytest.mark.runtimes("runsafe", "own")
def test_a_controller_that_is_not_handed_down(sue, runtime):
    """cpuset is none of those that systemd gives to users."""
    done = sue("run", "--rm", "--network=none", "--cpuset-cpus=0", sue.image("busybox"), "true",
               runtime=runtime, check=126)
    assert runtime != "runsafe" or "Delegate=cpu cpuset io memory pids" in done.err
    sue.clean()


# --- sd_notify(3), which needs no systemd

READY = ("perl", "-MSocket", "-e", r"""
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
send($s, "READY=1\nSTATUS=up", 0, sockaddr_un($ENV{NOTIFY_SOCKET})) or die "send: $!"; sleep 1000
""")


def test_a_container_says_itself_when_it_is_ready(podman, runtime, folder):
    """--sdnotify=container, quadlet's Notify=true: READY=1 goes through the container's
    NOTIFY_SOCKET to the caller's, and not before the workload says it."""
    path = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(path))
        path.chmod(0o777)
        ours.settimeout(30)
        env = {**podman.env, "NOTIFY_SOCKET": str(path)}
        command = podman.command("run", "-d", "--name=c", "--network=none", "--sdnotify=container",
                                 podman.image("debian"), *READY, runtime=runtime)
        run(*command, env=env, cwd="/")
        said = ""
        # Podman tells of conmon and the runtime of READY=1, in either order.
        while "READY=1" not in said or "MAINPID=" not in said:
            said += ours.recv(4096).decode() + "\n"
