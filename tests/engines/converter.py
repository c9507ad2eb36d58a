"""The converter of docs/examples as its tests see it, whatever drives it: what it must do, and what
is promised of it."""

import http.client
import os
import pathlib
import re
import signal

import pytest

import engines
import systems
import vnc
from engines import run, wait_for
from monitoring import files_with, listening  # noqa: F401, for the tests as well

PASSWORD = "geh31m!x"  # VNC looks at eight characters and no more
SIZE = (800, 600)
# Which of these ADDRESS:PORT answer.
CONNECT = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor

def connect(place):
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
        return place
    except OSError:
        return ""

with ThreadPoolExecutor(20) as threads:
    print(*threads.map(connect, sys.argv[1:]))
"""
PROGRAMS = ("api", "converter", "display", "vnc", "windows")


class System:
    """The running converter. engine: Docker or Podman, or what answers like them; address, port,
    view: where it is published; first: what ids of a container are on the host beyond (rootless:
    the first subordinate id - 1)."""

    def __init__(self, engine, address="127.0.0.1", port=8080, view=5900, first=0,
                 name="converter"):
        self.engine, self.name, self.first = engine, name, first
        self.address, self.port, self.view = address, port, view

    def exec(self, *words, **options):
        return self.engine("exec", self.name, *words, **options)

    def shell(self, script):
        return self.exec("sh", "-c", script).out

    def pid(self):
        return self.engine.pid(self.name)

    def logs(self):
        done = self.engine("logs", self.name)
        return done.out + done.err

    def request(self, method, path, body=None, timeout=20):
        """Through the published port: status, bytes."""
        connection = http.client.HTTPConnection(self.address, self.port,
                                                timeout=timeout * engines.SLOWER)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def convert(self, text, to):
        status, answer = self.request("POST", f"/convert?to={to}", text.encode())
        assert status == 200, (status, answer)
        return answer

    def health(self):
        """What GET /health answers: 200, 503, or None when nobody does."""
        try:
            return self.request("GET", "/health")[0]
        except (OSError, http.client.HTTPException):
            return None

    def wait(self, seconds=60):
        wait_for("the converter is well", lambda: self.health() == 200, seconds)

    def programs(self):
        """What supervisorctl says of each: its state and process, the container's number of it."""
        done = self.exec("supervisorctl", "status", check=False)
        return {words[0]: (words[1], int(words[3].rstrip(",")) if words[1] == "RUNNING" else 0)
                for words in map(str.split, done.out.splitlines())}

    def wine(self, *words):
        """Runs a Windows program by exec."""
        return self.exec("wine", *words).out

    def picture(self):
        """The display as a VNC client sees it."""
        return vnc.picture(self.address, self.view, PASSWORD)


# --- what it does

def drive_conversion(system):
    """What Windows programs make of a text: cmd's UTF-16 of it, and sort's order."""
    text = "Zwölf Boxkämpfer\r\njagen Viktor\r\nfür 5 €\r\n"
    assert system.convert(text, "utf-16") == text.encode("utf-16-le")
    assert system.convert("b\r\nc\r\na\r\n", "sorted") == b"a\r\nb\r\nc\r\n"
    assert re.search(rb"^Microsoft Windows \d", system.convert("", "version"), re.M)
    assert system.request("POST", "/convert", b"\xff")[0] == 400


def drive_programs(system):
    """supervisorctl by exec: all of them run."""
    programs = system.programs()
    assert set(programs) == set(PROGRAMS), programs
    assert {state for state, _ in programs.values()} == {"RUNNING"}, programs


def drive_crash(system, programs=PROGRAMS):
    """supervisord starts programs again that are killed, and the converter is well again."""
    before = {name: pid for name, (_, pid) in system.programs().items() if name in programs}
    assert len(before) == len(programs) and 0 not in before.values(), before
    system.shell("kill -9 " + " ".join(map(str, before.values())))

    def again():
        now = system.programs()
        return all(now[name][0] == "RUNNING" and now[name][1] != before[name] for name in before)

    wait_for(f"{programs} run again", again, 30)
    system.wait()


def drive_broken(system, program):
    """The health check fails while a program is stopped, inside and outside."""
    system.exec("supervisorctl", "stop", program)
    assert system.exec("healthy", check=False).status == 1
    assert system.health() in (503, None)
    system.exec("supervisorctl", "start", program)
    system.wait()
    system.exec("healthy")


def drive_picture(system, size=SIZE):
    """A VNC client sees the display, in the size that was asked for, with a window on it."""
    picture = wait_for("a picture that is not blank", lambda: (
        lambda one: len(one.colours()) > 4 and one)(system.picture()), 20)
    assert (picture.width, picture.height) == size
    return picture


def drive_wrong_password(system):
    system.picture()  # or nobody would get in
    for password in ("wrong", None):
        with pytest.raises(vnc.Refused):
            vnc.picture(system.address, system.view, password)


def drive_kept(system, name, end):
    """What a Windows program wrote below its prefix is there after end()."""
    system.wine("cmd", "/c", f"echo kept>C:\\{name}.txt")
    end()
    system.wait()
    assert system.wine("cmd", "/c", f"type C:\\{name}.txt").strip() == "kept"
    assert system.shell("stat -c %U:%G /wine").strip() == "app:app"


def kill(system):
    """As a crash does it: from outside, past the engine."""
    os.kill(system.pid(), signal.SIGKILL)


# --- what is promised of it

def assert_user(system):
    assert system.exec("whoami").text == "app"
    assert system.shell("id -u; id -g").split() == ["1000", "1000"]


def assert_processes(system):
    """All processes and threads, Wine's among them, as the host sees them."""
    systems.assert_processes(system.pid(), 1000 + system.first, least=30)
    lines = system.exec("ps", "-eo", "user=,comm=").out.splitlines()
    assert {line.split()[0] for line in lines} == {"app"}, lines
    assert any("wineserver" in line for line in lines), lines


def assert_rootfs(system):
    systems.assert_rootfs(system.shell)


def assert_secret(system, mode):
    """The password is a file, and neither in the environment or command line of any process, nor
    in what the engine tells, nor in logs."""
    path = "/run/secrets/vnc_password"
    assert system.shell(f"cat {path}").strip() == PASSWORD
    assert system.shell(f"stat -c %a {path}").strip() == mode
    for task in systems.threads(system.pid()):
        for file in ("environ", "cmdline"):
            try:
                said = pathlib.Path(f"/proc/{task}/{file}").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            assert PASSWORD.encode() not in said, (task, file, said)
    assert PASSWORD not in system.engine("inspect", system.name).out
    assert PASSWORD not in system.logs()


def reached(*places, inside=None):
    """Which of these ADDRESS:PORT answer; asked from here, or from where process `inside` is."""
    namespace = ("nsenter", "-t", inside, "-n") if inside else ()
    return set(run(*namespace, "python3", "-c", CONNECT, *places).text.split())


def assert_ports(system):
    """Two ports are open to others; the inner service is for the converter's own loopback alone.
    Returns the converter's address."""
    pid = system.pid()
    assert listening(pid) == {8080, 5900}
    said = run("nsenter", "-t", pid, "-n", "ip", "-4", "-o", "addr", "show", "scope", "global").out
    address = said.split("inet ")[1].split("/")[0]
    ports = (22, 5900, 6000, 6099, 8080, 9000)
    own = reached(*(f"127.0.0.1:{port}" for port in ports), inside=pid)
    assert own == {f"127.0.0.1:{port}" for port in (5900, 8080, 9000)}
    own = reached(*(f"{address}:{port}" for port in ports), inside=pid)
    assert own == {f"{address}:{port}" for port in (5900, 8080)}
    return address
