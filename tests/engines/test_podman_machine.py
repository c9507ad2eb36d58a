"""What Podman needs real controllers and all capabilities for."""

import json

import pytest

from engines import cgroup_of, wait_for
from podman import sh

pytestmark = pytest.mark.ground("machine")


def limits_of(podman, name):
    """memory.max, cpu.max and pids.max of a running container."""
    folder = cgroup_of(podman.pid(name))
    return [(folder / f).read_text().strip() for f in ("memory.max", "cpu.max", "pids.max")]


@pytest.mark.runtimes("runsafe", "runsafe-oci", "own")
def test_limits_are_set_shown_changed_and_enforced(podman, runtime):
    """--memory, --cpus, --pids-limit, update, stats, and what happens to who wants more."""
    podman("run", "-d", "--name", "c", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "50",
           podman.image("busybox"), "sleep", "1000", runtime=runtime)
    assert limits_of(podman, "c") == [str(64 << 20), "50000 100000", "50"]
    podman("update", "--memory", "32m", "--cpus", "0.25", "--pids-limit", "40", "c")
    assert limits_of(podman, "c") == [str(32 << 20), "25000 100000", "40"]
    shown = json.loads(podman("stats", "--no-stream", "--format", "json", "c").out)[0]
    assert shown["name"] == "c" and shown["pids"] == "1", shown
    assert shown["mem_usage"].endswith("/ 33.55MB"), shown
    podman("pause", "c")
    assert "frozen 1" in (cgroup_of(podman.pid("c")) / "cgroup.events").read_text()
    podman("unpause", "c")
    # tail keeps a line without an end in memory.
    podman("run", "--name", "o", "--memory", "16m", "busybox", "tail", "/dev/zero", runtime=runtime,
           check=137)
    assert podman.inspect("o", ".State.OOMKilled") is True


@pytest.mark.runtimes("runsafe")
def test_nobody_runs_without_limits_and_update_lifts_none(podman, runtime):
    podman("run", "-d", "--name", "c", "--pids-limit", "-1", podman.image("busybox"), "sleep",
           "1000",
           runtime=runtime)
    assert limits_of(podman, "c") == [str(1 << 30), "100000 100000", "1024"]
    done = podman("update", "--memory", "-1", "c", check=125)
    assert "memory" in done.err, done
    assert limits_of(podman, "c")[0] == str(1 << 30)


@pytest.mark.runtimes("runsafe")
def test_a_hardened_container_is_checkpointed_and_comes_back(podman, runtime):
    podman("run", "-d", "--name", "c", podman.image("busybox"),
           *sh("i=0; while :; do i=$((i+1)); echo $i >/tmp/i; sleep 0.2; done"), runtime=runtime)

    def count():
        return int(podman("exec", "c", "cat", "/tmp/i").text or 0)

    before = wait_for("it counts", count)
    podman("container", "checkpoint", "c")
    podman("container", "restore", "c")
    wait_for("it counts on", lambda: count() > before)
