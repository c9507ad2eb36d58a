"""Limits under Docker, in the virtual machine: there the controllers are real."""

import pytest

from docker import name_of


@pytest.mark.ground("machine", "systemd")
@pytest.mark.runtimes("runsafe", "own")
def test_memory_cpus_and_pids_arrive_in_the_cgroup(docker, runtime):
    image = docker.image("busybox")
    done = docker("run", "--rm", "--runtime", name_of(runtime), "--memory", "64m", "--cpus", "0.5",
                  "--pids-limit", "50", image, "sh", "-c",
                  "cd /sys/fs/cgroup && cat memory.max cpu.max pids.max")
    assert done.text.split("\n") == [str(64 << 20), "50000 100000", "50"]
