"""DESIGN.md section 3 for what issue 3 lets config.json say of a process: nobody goes ahead of
others, and no ID-mapped bind makes the workload root on the disk."""

import pytest

from test_lsm import profile  # noqa: F401 pylint: disable=unused-import

FIELDS = 'cat /proc/self/stat; grep "^Max realtime p" /proc/self/limits'


def seen(program, bundle):
    """nice, static priority, policy of proc_pid_stat(5), fields 19, 40 and 41; the limits."""
    lines = program.sh(bundle, FIELDS).lines
    fields = lines[0].rpartition(")")[2].split()
    limits = {line[:25].strip(): line[25:].split()[:2] for line in lines[1:]}
    return [int(fields[n - 3]) for n in (19, 40, 41)], limits


def test_priority_no_real_time_under_default(runsafe, bundle):
    """cpu.max does not hold SCHED_FIFO (sched(7)): the limit on CPU would be none."""
    bundle.set("process.scheduler", {"policy": "SCHED_FIFO", "priority": 50})
    bundle.set("process.rlimits", [{"type": "RLIMIT_RTPRIO", "soft": 9, "hard": 99}])
    numbers, limits = seen(runsafe, bundle)
    assert numbers == [0, 0, 0]
    assert limits["Max realtime priority"] == ["0", "0"]
    checked = runsafe("check", bundle.path)
    assert checked.status == 1
    assert "process.scheduler: SCHED_FIFO" in checked.out
    assert "--allow priority" in checked.out
    strict = runsafe.with_options("--policy", "strict")
    strict.create_fails(bundle, "process.scheduler", "SCHED_FIFO", "(policy strict)")


def test_priority_no_nice_below_0_under_default(runsafe, bundle):
    bundle.set("process.scheduler", {"policy": "SCHED_OTHER", "nice": -5})
    assert seen(runsafe, bundle)[0] == [0, 0, 0]
    bundle.set("process.scheduler", {"policy": "SCHED_BATCH", "nice": 5})
    assert seen(runsafe, bundle)[0] == [5, 0, 3]


def test_priority_as_allowed_on_purpose(runsafe, bundle):
    bundle.set("process.scheduler", {"policy": "SCHED_OTHER", "nice": -5})
    assert seen(runsafe.with_options("--allow", "priority"), bundle)[0] == [-5, 0, 0]


def test_priority_of_exec(runsafe, bundle):
    """Row exec: the same policy."""
    name = runsafe.running(bundle)
    process = bundle.file("../process.json", """{"args": ["/bin/sh", "-c", "cat /proc/self/stat"],
        "cwd": "/", "user": {"uid": 1000, "gid": 1000}, "oomScoreAdj": -500,
        "scheduler": {"policy": "SCHED_FIFO", "priority": 50}}""")
    result = runsafe.ok("exec", "--process", process, name)
    fields = result.out.rpartition(")")[2].split()
    assert [int(fields[n - 3]) for n in (19, 40, 41)] == [0, 0, 0]
    runsafe.delete(name, "--force")


@pytest.mark.parametrize("key", ["uidMappings", "gidMappings"])
def test_no_mapped_bind_makes_the_workload_root_on_the_disk(runsafe, bundle, folder, key):
    """The workload's 1000 would be 0 in the host's files below the source."""
    (folder / "data").mkdir()
    maps = {"uidMappings": [{"containerID": 5, "hostID": 5, "size": 1}],
            "gidMappings": [{"containerID": 5, "hostID": 5, "size": 1}]}
    maps[key] = [{"containerID": 0, "hostID": 1000, "size": 1}]
    bundle.mount(destination="/data", type="bind", source=str(folder / "data"),
                 options=["bind", "idmap"], **maps)
    runsafe.create_fails(bundle, f".{key}", "would be 0, root", f"--allow bind={folder}/data")


@pytest.mark.parametrize("asked", ["unconfined", "runsafe-other", ""])
def test_exec_can_not_leave_the_containers_profile(runsafe, bundle, profile, asked):  # noqa: F811
    """Row exec: the same policy: `docker exec --privileged` asks for unconfined."""
    name = profile("runsafe-test")
    profile("runsafe-other")
    bundle.set("process.apparmorProfile", name)
    container = runsafe.running(bundle)
    out = runsafe.ok("exec", "--apparmor", asked, container, "cat", "/proc/self/attr/current").out
    assert out.strip() == f"{name} (enforce)"
    runsafe.delete(container, "--force")
