"""Limits and AppArmor under Docker, in the virtual machine: there the controllers are real. With
systemd, dockerd's cgroup driver is systemd's, and each container a scope."""

import json
import time

import pytest

from docker import name_of
from engines import GROUND, cgroup_of, run, wait_for

pytestmark = pytest.mark.ground("machine", "systemd")

# dockerd looks for its own memory.swap.max: the root of the hierarchy has none.
SWAP = GROUND == "systemd"
# In emulation each container costs seconds: the second policy with one of the two drivers.
BOTH = ("runsafe", "runsafe-oci") if SWAP else ("runsafe",)
MIB = 1 << 20


def start(docker, runtime, *options, script="sleep 1000"):
    return docker("run", "-d", "--network", "none", "--runtime", name_of(runtime), *options,
                  docker.image("busybox"), "sh", "-c", script).text


def values(group, *files):
    return {name: (group / name).read_text().strip() for name in files}


def a_disk():
    return "/dev/" + run("lsblk", "-ndo", "NAME").text.split()[0]


@pytest.mark.runtimes(*BOTH, "own")
def test_every_limit_arrives_is_updated_and_goes(docker, runtime):
    """run's options, update of a running container, what is refused and what update leaves alone,
    stats; ulimits above those of the caller; no cgroup after rm."""
    disk = a_disk()
    name = start(docker, runtime, "--memory", "64m", "--memory-swap", "96m",
                 "--memory-reservation", "32m", "--cpus", "0.5", "--cpu-shares", "512",
                 "--cpuset-cpus", "0", "--pids-limit", "50", "--blkio-weight", "300",
                 "--device-read-bps", f"{disk}:1mb", "--ulimit", "nofile=500000:500000")
    group = cgroup_of(docker.pid(name))
    swap = {"own": "max", "runsafe-oci": "max", "runsafe": "0"}[runtime]
    files = ("memory.max", "memory.low", "memory.swap.max", "cpu.max", "cpuset.cpus", "pids.max")
    assert values(group, *files) == {
        "memory.max": str(64 * MIB), "memory.low": str(32 * MIB),
        "memory.swap.max": str(32 * MIB) if SWAP else swap,
        "cpu.max": "50000 100000", "cpuset.cpus": "0", "pids.max": "50"}
    # runc 1.1 makes 20 of 512 shares; since runc 1.3.2 and here it is 59, a little more than half.
    assert (group / "cpu.weight").read_text().strip() == ("20" if runtime == "own" else "59")
    assert (group / "io.weight").read_text().strip() == "default 2930"
    # Docker keeps silent and drops it where it finds no io.max in its own cgroup.
    asked = docker.inspect(name, ".HostConfig.BlkioDeviceReadBps")
    assert ("rbps=1048576" in (group / "io.max").read_text()) == bool(asked)
    assert docker("exec", name, "sh", "-c", "ulimit -n; ulimit -Hn").out == "500000\n" * 2

    docker("update", "--memory", "80m", "--memory-swap", "80m", "--memory-reservation", "20m",
           "--cpus", "0.7", "--cpu-shares", "1024", "--pids-limit", "60", name)
    now = {"memory.max": str(80 * MIB), "memory.low": str(20 * MIB), "cpu.max": "70000 100000",
           "memory.swap.max": "0" if SWAP else swap, "cpuset.cpus": "0", "pids.max": "60"}
    assert values(group, *files) == now
    docker("update", "--cpus", "0", name)  # nothing, to Docker
    docker("update", "--restart", "no", name)
    assert values(group, *files) == now
    lifted = docker("update", "--pids-limit", "-1", name, check=1 if runtime == "runsafe" else 0)
    if runtime == "runsafe":
        assert "linux.resources.pids.limit: would lift the limit" in lifted.err
        assert "--allow pids=unlimited" in lifted.err
        assert values(group, *files) == now
        assert docker.inspect(name, ".HostConfig.PidsLimit") == 60
    else:
        assert values(group, "pids.max")["pids.max"] == "max"

    shown = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", name).text)
    assert shown["MemUsage"].endswith(" / 80MiB") and not shown["MemUsage"].startswith("0B")
    assert shown["PIDs"] == "1"
    docker("rm", "-f", name)
    assert not group.exists()


@pytest.mark.runtimes("runsafe", "own")
def test_what_nobody_asks_for_is_the_policys_and_a_fork_bomb_stops_there(docker, runtime):
    """1 GiB, no swap, 1 CPU, 1024 processes; AppArmor's docker-default, also in exec. runc gives no
    limits."""
    name = start(docker, runtime)
    group = cgroup_of(docker.pid(name))
    ours = {"memory.max": str(1024 * MIB), "memory.swap.max": "0", "cpu.max": "100000 100000",
            "pids.max": "1024"}
    if runtime == "runsafe":
        assert values(group, *ours) == ours
    else:
        assert values(group, "memory.max", "cpu.max") == {"memory.max": "max",
                                                          "cpu.max": "max 100000"}
    assert run("cat", f"/proc/{docker.pid(name)}/attr/apparmor/current").text == (
        "docker-default (enforce)")
    assert docker("exec", name, "cat", "/proc/self/attr/current").text == "docker-default (enforce)"

    docker("update", "--pids-limit", "20", name)
    bomb = docker("exec", name, "sh", "-c", "i=0; while [ $i -lt 40 ]; do sleep 1000 & "
                  "i=$((i+1)); done", check=False)
    assert "can't fork" in bomb.err
    assert int((group / "pids.current").read_text()) <= 20
    assert "max 0" not in (group / "pids.events").read_text()
    docker("rm", "-f", name)
    assert not group.exists()


@pytest.mark.runtimes("runsafe", "own")
def test_an_OOM_kill_is_told_so_and_restarted_by_policy(docker, runtime):
    since = str(int(time.time()))
    # The shell stays until the shim has seen the event: it looks at the cgroup of a live one.
    name = start(docker, runtime, "--memory", "16m", "--memory-swap", "16m", "--restart",
                 "on-failure:1", script="tail /dev/zero; status=$?; sleep 1; exit $status")
    wait_for("its second end", lambda: docker.inspect(name, ".RestartCount") == 1
             and docker.inspect(name, ".State.Status") == "exited", 20)
    state = docker.inspect(name, ".State")
    assert state["OOMKilled"] and state["ExitCode"] == 137, state
    out = docker("events", "--since", since, "--until", str(int(time.time()) + 1), "--filter",
                 f"container={name}", "--format", "{{.Action}}").out.split()
    assert [word for word in out if word in ("start", "oom", "die")] == ["start", "oom", "die"] * 2


@pytest.mark.ground("systemd")
@pytest.mark.runtimes("runsafe")
def test_limits_of_a_compose_file_arrive_in_the_scope(docker, runtime, folder):
    docker.image("busybox")
    (folder / "compose.yaml").write_text(f"""
name: limits
services:
  app:
    image: busybox
    runtime: {name_of(runtime)}
    network_mode: none
    command: ["sleep", "1000"]
    stop_grace_period: 0s
    deploy:
      resources:
        limits: {{cpus: "0.5", memory: 48M, pids: 40}}
        reservations: {{memory: 24M}}
""")
    docker("compose", "up", "-d", cwd=folder)
    name = docker("ps", "-q", "--no-trunc").text
    group = cgroup_of(docker.pid(name))
    assert group.name == f"docker-{name}.scope" and group.parent.name == "system.slice"
    assert values(group, "memory.max", "memory.low", "cpu.max", "pids.max") == {
        "memory.max": str(48 * MIB), "memory.low": str(24 * MIB), "cpu.max": "50000 100000",
        "pids.max": "40"}
    shown = run("systemctl", "show", group.name, "-P", "MemoryMax", "-P", "TasksMax").text
    assert shown.split() == [str(48 * MIB), "40"]
    docker("compose", "down", cwd=folder)
    assert not group.exists()
