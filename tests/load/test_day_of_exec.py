"""A day's worth of exec: a health check every ten seconds, 8,640 in one container."""

import pathlib
import statistics

from harness import cmdline, send, wait_for

import crowd
import ground


def counts_of(pid, cgroup):
    """What a container has: processes, what its first one has open, mounts."""
    return {"processes": sorted((cgroup / "cgroup.procs").read_text().split()),
            "descriptors": ground.descriptors(pid),
            "mounts": pathlib.Path(f"/proc/{pid}/mountinfo").read_text()}


def check_health(load, name, number):
    """As an engine does it: most are well, some fail, some are not there, some take too long."""
    if number % 20 == 7:
        return load.all([load.command("exec", name, "/bin/false")], status=1)
    if number % 20 == 11:
        return load.all([load.command("exec", name, "/bin/nothing")], status=127)
    if number % 20 == 13:
        return load.all([load.command("exec", "-d", name, "/bin/true")])
    if number % 20 == 17:
        return killed(load, name)
    return load.all([load.command("exec", name, "/bin/true")])


def killed(load, name):
    """The engine loses patience, and kills who waits; then what it waited for."""
    waiting = crowd.Crowd()
    slow = waiting.begin(load.command("exec", name, "/bin/sleep", "1000"))
    processes = ground.CGROUP / "runsafe" / name / "cgroup.procs"
    inside = lambda: set(map(int, processes.read_text().split())) - {load.first}
    assert wait_for(lambda: any(cmdline(pid) == "/bin/sleep 1000" for pid in inside()))
    send(slow.pid, "KILL")
    assert waiting.ended().status == -9
    for pid in inside():
        send(pid, "KILL")
    crowd.bury()
    assert wait_for(lambda: not inside())
    return []


def test_a_day_of_health_checks_leaves_nothing(load, size, figure, alone):
    """Neither in the container nor on the host, and the last one is as quick as the first."""
    count, rounds, taken = size(quick=500, full=8640, machine=100), ground.Rounds(), []
    load.create(["healthy"])
    load.each("start", ["healthy"])
    load.first = load.runsafe.state("healthy")["pid"]
    cgroup = ground.CGROUP / "runsafe" / "healthy"
    inside = counts_of(load.first, cgroup)
    host = ground.Ground(load.runsafe.root, load.runsafe.root)
    made = load.calls("exec", "healthy", "/bin/true")
    for number in range(count):
        taken += [one.processor for one in check_health(load, "healthy", number)]
        if (number + 1) % (count // 10) == 0:
            rounds.look(number + 1)
    assert counts_of(load.first, cgroup) == inside
    host.check(count)
    assert not (said := rounds.leaks()[0]), said
    tenth = len(taken) // 10
    first, last = (1000 * statistics.median(some) for some in (taken[:tenth], taken[-tenth:]))
    figure(f"{count} exec in one container: {first:.1f} ms of the processor at first, {last:.1f} at last")
    assert load.calls("exec", "healthy", "/bin/true") < 1.1 * made
    assert last < 2 * first + 1 or not alone  # a clock decides only there
    load.delete(["healthy"])
    load.ground.check(count)
