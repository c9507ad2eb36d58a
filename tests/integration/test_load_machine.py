"""A service beside others who take all that they can get, where limits are real: plain bundles, no
engine. And a look at what containers leave behind in a machine of their own."""

import ctypes
import contextlib
import json
import os
import pathlib
import socket
import sys
import time

import pytest

import harness
from harness import CGROUP, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "load"))

import crowd
import ground

pytestmark = [pytest.mark.needs_limits, pytest.mark.alone]
MIB = 1 << 20
# A service goes on serving as long as each request is answered within so many seconds, on a machine
# that is ten times slower than any.
PATIENCE = 20
NEWNET = 0x40000000  # CLONE_NEWNET


def limited(bundle, script, memory, processes, share):
    """memory in MiB; share of a processor."""
    bundle.sh(script)
    bundle.set("linux.resources", {
        "memory": {"limit": memory * MIB, "swap": memory * MIB}, "pids": {"limit": processes},
        "cpu": {"quota": int(share * 100000), "period": 100000}})
    return bundle


@contextlib.contextmanager
def network_of(pid):
    """What is made of sockets here belongs to the network of that process."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as ours, open(f"/proc/{pid}/ns/net", "rb") as its:
        assert libc.setns(its.fileno(), NEWNET) == 0
        try:
            yield
        finally:
            assert libc.setns(ours.fileno(), NEWNET) == 0


def ask(pid):
    """One request on a connection of its own; how long the answer took."""
    with network_of(pid):
        one = socket.socket()
    began = time.monotonic()
    with one:
        one.settimeout(PATIENCE)
        one.connect(("127.0.0.1", 8080))
        one.sendall(b"GET /page HTTP/1.0\r\n\r\n")
        said = b""
        while part := one.recv(1000):
            said += part
    assert said.startswith(b"HTTP/1.1 200") and said.endswith(b"\r\n\r\nwell\n"), said
    return time.monotonic() - began


def ask_for(seconds, pid):
    """Answers each second and the longest wait."""
    end, taken = time.monotonic() + seconds, []
    while time.monotonic() < end:
        taken.append(ask(pid))
    return f"{len(taken) / seconds:.1f} answers a second, the slowest after {max(taken):.2f} s"


def value(name, file, key=None):
    text = (CGROUP / "runsafe" / name / file).read_text()
    return int(text if key is None else dict(line.split() for line in text.splitlines())[key])


@pytest.fixture
def start(runsafe, new_bundle):
    """start(name, script, limits): a container that runs; returns its id."""
    def one(name, *how):
        bundle = limited(new_bundle(name), *how)
        (bundle.rootfs / "home/page").write_text("well\n")
        container = runsafe.create(bundle)
        runsafe.start(container)
        return container

    return one


def test_a_service_goes_on_answering_beside_attackers(runsafe, start, capsys):
    """A fork bomb, a memory eater, a writer of a full /tmp and one of all that can be written: each is
    stopped at its own limits, all at once, and leaves nothing."""
    before = ground.Ground(runsafe.root, runsafe.root)
    service = start("service", "exec httpd -f -p 8080 -h /home", 64, 20, 0.5)
    pid = runsafe.state(service)["pid"]
    assert wait_for(lambda: os.path.exists(f"/proc/{pid}/comm") and
                    pathlib.Path(f"/proc/{pid}/comm").read_text() == "httpd\n")
    said = [f"alone: {ask_for(2, pid)}"]
    # Who is process 1 of the bomb does not bury others' children, and the dead count as processes.
    bomb = start("bomb", "b() { b | b & }; b; sleep 1000", 64, 40, 0.2)
    eater = start("eater", "while :; do dd if=/dev/zero of=/dev/null bs=64M count=1; done", 32, 10, 0.2)
    writer = start("writer", "while :; do cat /dev/zero >/tmp/x; cp /tmp/x /tmp/y; done", 32, 10, 0.2)
    glutton = start("glutton", "for d in /tmp /var/tmp /run /dev/shm; do cat /dev/zero >$d/x; done; "
                    "while :; do :; done", 32, 10, 0.2)
    said.append(f"beside four attackers: {ask_for(6, pid)}")
    assert wait_for(lambda: value(bomb, "pids.events", "max") > 0, 30)
    assert wait_for(lambda: value(eater, "memory.events", "oom_kill") > 0, 30)
    # It begins again at once, so what it holds at the moment may be less.
    assert wait_for(lambda: value(writer, "memory.peak") >= 16 * MIB, 30)
    assert wait_for(lambda: value(glutton, "memory.events", "oom_kill") > 0, 30)
    ask(pid)
    assert value(bomb, "pids.peak") <= 40
    # /tmp holds half of what the container may have; a page or two are the kernel's for its folders.
    assert value(writer, "memory.stat", "shmem") <= 17 * MIB
    for name in (eater, writer, glutton):
        assert value(name, "memory.peak") <= 33 * MIB
    assert runsafe.state(service)["pid"] == pid and runsafe.status(service) == "running"
    assert value(service, "memory.events", "oom_kill") == 0
    assert value(service, "pids.events", "max") == 0
    # Nobody but the driver would bury what is left of them: it is no engine with a shim.
    list(crowd.run(crowd.Command(runsafe.command("delete", "--force", name))
                   for name in (bomb, eater, writer, glutton)))
    said.append(f"after them: {ask_for(1, pid)}")
    runsafe.delete(service, "--force")
    before.check(5)
    with capsys.disabled():
        print("\nfigures of a service: " + "; ".join(said))


def test_containers_leave_nothing_in_the_kernel(runsafe, bundle, capsys):
    """What it holds does not grow with the containers that were."""
    bundle.args("/bin/true")
    rounds, before, each = ground.Rounds(), None, 12
    for number in range(5):
        ended = crowd.run((crowd.Command(runsafe.command("run", "-b", bundle.path, f"k{number}-{n}"))
                           for n in range(each)), 1)
        assert not [one for one in ended if one.status or one.err]
        before = before or ground.Ground(runsafe.root, runsafe.root)
        ground.drop_caches()
        rounds.look(number * each)
    before.check(4 * each)
    said, memory = rounds.leaks()
    assert not said, said
    with capsys.disabled():
        print(f"\nKiB of the kernel's memory for each container that was: {json.dumps(memory)}")
