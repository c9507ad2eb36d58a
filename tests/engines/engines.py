"""What the tests of all engines stand on: commands with a time limit, daemons, images."""

import os
import pathlib
import re
import subprocess
import time

IMAGES = pathlib.Path("/srv/images")
GROUND = os.environ.get("RUNSAFE_GROUND", "native")
# Software emulation takes ten times as long for everything.
SLOWER = 1 if GROUND == "native" else 10
OURS = ("runsafe", "runsafe-oci", "runsafe-strict")


def has_limits():
    controllers = pathlib.Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    return {"memory", "cpu", "pids"} <= set(controllers)


class Done:
    """What a command came to."""

    def __init__(self, command, status, out, err):
        self.command, self.status, self.out, self.err = command, status, out, err

    @property
    def text(self):
        return self.out.strip()

    def __repr__(self):
        return (f"{' '.join(self.command)}\nstatus {self.status}\n--- stdout\n{self.out[-3000:]}"
                f"\n--- stderr\n{self.err[-3000:]}")


def run(*command, check=True, input=None, timeout=60, env=None, cwd=None):
    """Runs a command to its end. check: it must end with 0 (True), with any status (False), with
    this one (a number). timeout: seconds on this host, more in emulation."""
    command = [str(word) for word in command]
    done = subprocess.run(command, input=input, capture_output=True, text=True, env=env, cwd=cwd,
                          timeout=timeout * SLOWER, errors="replace",
                          stdin=subprocess.DEVNULL if input is None else None)
    result = Done(command, done.returncode, done.stdout, done.stderr)
    if check is not False:
        assert done.returncode == (0 if check is True else check), result
    return result


def wait_for(what, condition, seconds=10, every=0.1):
    """Waits until condition() is true and returns what it returned."""
    end = time.monotonic() + seconds * SLOWER
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"after {seconds * SLOWER} s still not: {what}"
        time.sleep(every)


class Daemon:
    """A program in the background; what it says goes to a file."""

    def __init__(self, name, command, folder, env=None):
        self.name, self.command, self.env = name, [str(word) for word in command], env
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.process = None

    def start(self, ready, seconds=30):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.env, start_new_session=True)

        def up():
            assert self.process.poll() is None, f"{self.name} ended:\n{self.said()[-3000:]}"
            return ready()

        try:
            wait_for(f"{self.name} is ready", up, seconds)
        except AssertionError as why:
            raise AssertionError(f"{why}\n{self.said()[-3000:]}") from None

    def stop(self, signal="TERM", seconds=30):
        if self.process and self.process.poll() is None:
            self.process.send_signal(getattr(__import__("signal"), "SIG" + signal))
            try:
                self.process.wait(seconds * SLOWER)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"{self.name} did not end on SIG{signal}:\n"
                                     f"{self.said()[-3000:]}") from None

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def status_of(pid):
    """/proc/PID/status as a dict."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":", 1) for line in text.splitlines())


def status_in(text):
    """The same of what `cat /proc/self/status` printed."""
    return {k: v.strip() for k, v in (line.split(":", 1) for line in text.splitlines() if ":" in line)}


def assert_hardened(status):
    """What the default policy promises of a process, by its /proc/PID/status."""
    assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split(), status
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, (name, status[name])
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2", status


def cgroup_of(pid):
    """The folder of a process's cgroup."""
    path = re.search(r"^0::(.*)$", pathlib.Path(f"/proc/{pid}/cgroup").read_text(), re.M).group(1)
    return pathlib.Path("/sys/fs/cgroup" + path)
