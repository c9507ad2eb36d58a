"""What waits beside a workload: a foreground `run` all the time, a detached one nothing."""

import os
import pathlib
import re
import signal

from harness import children, cmdline, wait_for

import crowd
import ground


def memory_of(pid):
    """KiB: resident, and its proportional share of that."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return [int(re.search(rf"^{name}: +(\d+)", text, re.M)[1]) for name in ("Rss", "Pss")]


def test_a_waiting_run_stays_small(load, size, figure):
    """After hundreds of signals and of commands about its container it has no more descriptors and no
    more memory than before."""
    foreground = crowd.Crowd()
    waiting = foreground.begin(load.command("run", "-b", load.bundle.path, "waits"))
    assert wait_for(lambda: '"status": "running"' in load.runsafe("state", "waits").out)
    before = ground.descriptors(waiting.pid)
    resident, share = memory_of(waiting.pid)
    for _ in range(size(quick=50, full=1000, machine=10)):
        for number in (signal.SIGWINCH, signal.SIGCONT, signal.SIGUSR1, signal.SIGCHLD):
            os.kill(waiting.pid, number)
        for command in ("exec waits /bin/true", "pause waits", "resume waits", "state waits"):
            load.one(*command.split())
    assert ground.descriptors(waiting.pid) == before
    now, _ = memory_of(waiting.pid)
    figure(f"a waiting `run`: {resident} KiB resident, {share} of them its share, "
           f"{sum(before.values())} descriptors")
    assert now < resident + 128 and resident < 8192
    load.one("kill", "waits", "KILL")
    assert foreground.ended().status == 128 + 9
    load.ground.check(1)


def test_a_detached_run_leaves_the_workload_alone(load):
    """No monitor, no helper."""
    for n in range(20):
        load.one("run", "-d", "-b", load.bundle.path, f"d{n}")
    assert [cmdline(pid) for pid in children()] == ["/bin/sleep 100000"] * 20
    load.delete([f"d{n}" for n in range(20)])
    load.ground.check(20)
