"""Attacks from inside a part of the monitoring system, and what its neighbours do meanwhile."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

import engines
import systems
from engines import wait_for

# Printed when all tests are through (conftest.py); nothing is decided by them.
FIGURES = pathlib.Path("/job/out/figures")
# A service goes on serving as long as each request is answered within so many seconds, on a machine
# that is ten times slower than any.
PATIENCE = 20


def figure(text):
    with FIGURES.open("a", encoding="utf-8") as out:
        out.write(text + "\n")


def talk(address, port, request, answer):
    """One request on a connection of its own."""
    with socket.create_connection((address, port), PATIENCE) as one:
        one.settimeout(PATIENCE)
        one.sendall(request)
        said = one.recv(200)
        assert said.startswith(answer), said


def serves(how):
    try:
        talk(*how)
    except (OSError, AssertionError):
        return False
    return True


def ask(how):
    """The same once more where a part says that it is too busy: the backend gives the database
    three seconds, and all of this machine may stand still for as long."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return talk(*how)
        except AssertionError:
            if time.monotonic() > end:
                raise


class Neighbours:
    """What clients ask of the system, by name: parts that a request takes, and how it is made."""

    def __init__(self, addresses, port):
        """addresses: part -> an address of it; port: where the frontend is published."""
        get = b"GET %s HTTP/1.0\r\nHost: monitoring\r\n\r\n"
        # PostgreSQL starts a process for each connection; its answer to "TLS?" is no.
        tls = b"\0\0\0\x08\x04\xd2\x16\x2f"
        self.services = {
            "page": ({"frontend"},
                     ("127.0.0.1", port, get % b"/", b"HTTP/1.1 200")),
            "health": ({"backend", "database", "cache"},
                       (addresses["backend"], 8000, get % b"/api/health", b"HTTP/1.1 200")),
            "connect": ({"database"}, (addresses["database"], 5432, tls, b"N")),
            "PING": ({"cache"}, (addresses["cache"], 6379, b"PING\r\n", b"+PONG")),
        }
        self.before = {}
        figure("requests per second of one client, before an attack and meanwhile")

    def measure(self, but=None):
        """Requests per second of each service that part `but` is no part of."""
        return {name: systems.requests_each_second(lambda: ask(how), 1.0)
                for name, (parts, how) in self.services.items() if but not in parts}

    def rest(self, part):
        """What they do before `part` is attacked."""
        self.before = self.measure(part)

    def go_on(self, part, attack):
        """They serve; how much slower than without the attack goes into the figures."""
        rates = self.measure(part)
        figure(f"{attack} in the {part}: " + ", ".join(
            f"{name} {self.before[name]:.1f} -> {rate:.1f} ({rate / self.before[name] - 1:+.0%})"
            for name, rate in rates.items()))


def value(group, file, key=None):
    """A number of a cgroup: of a file's, or of the line with this key."""
    text = (group / file).read_text()
    return int(dict(line.split() for line in text.splitlines())[key] if key else text)


def processes(group):
    return {int(line) for line in (group / "cgroup.procs").read_text().split()}


def root(system):
    """Where runsafe keeps what it knows of Docker's containers."""
    return str(system.engine.exec_root / "runtime-runc/moby")


def words(system, part, *command):
    """exec by runsafe itself, with which a client in Go is not started each time."""
    return ("runsafe", "--root", root(system), "exec", system.ids[part], *map(str, command))


@contextlib.contextmanager
def attacked(group, command):
    """A command that starts something in a cgroup. Afterwards what it started is gone, and only
    that: where they are frozen, a bomb's processes can be caught."""
    before = processes(group)
    client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        wait_for("the attack begins", lambda: processes(group) - before)
        yield client
    finally:
        (group / "cgroup.freeze").write_text("1")
        wait_for("it is frozen", lambda: value(group, "cgroup.events", "frozen"))
        for pid in processes(group) - before:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        (group / "cgroup.freeze").write_text("0")
        client.wait(60)


def attack(system, part, script):
    """A shell script by exec in a part of the monitoring system."""
    return attacked(system.groups[part], words(system, part, "sh", "-c", script))


def share_of_a_processor(group, seconds=2.0):
    """What a cgroup gets of one, by its own account and the wall's clock."""
    used, began = value(group, "cpu.stat", "usage_usec"), time.monotonic()
    time.sleep(seconds)
    used = value(group, "cpu.stat", "usage_usec") - used
    return used / 1e6 / (time.monotonic() - began)
