"""What the cases of the bench stand on: the contestants, their bundles, and the timer."""

import ctypes
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
from typing import NamedTuple

WORK = pathlib.Path("/tmp/bench")
CGROUPS = pathlib.Path("/sys/fs/cgroup")
INSTALLED = pathlib.Path("/opt/bench/installed")
FOLDER = pathlib.Path(__file__).resolve().parent
PR_SET_CHILD_SUBREAPER = 36
HANGS = 300


class Failed(Exception):
    """A contestant could not do it; the text says why."""


class Taken(NamedTuple):
    ms: float
    cpu: float
    kib: int


def timed(words, count=1, at_once=1):
    """What the command took, or count of them, at_once at a time (then @ is the number)."""
    errors = WORK / "stderr"
    try:
        with open(errors, "wb") as stderr:
            done = subprocess.run(["timer", "-n", str(count), "-j", str(at_once), *map(str, words)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                                  timeout=HANGS)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(map(str, words))} did not end within {HANGS} seconds") from None
    reap()
    if done.returncode:
        raise Failed(errors.read_text(errors="replace").strip().replace("\n", "; ")[-400:])
    nanoseconds, microseconds, kib = map(int, done.stdout.split())
    return Taken(nanoseconds / 1e6, microseconds / 1e3, kib)


def adopt():
    """Containers' first processes become ours when the runtime has gone, as they become a shim's."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def ended(pid):
    """Waits for the end of a process that we adopted."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # reaped already


def sweep():
    """Ends all that lies in cgroups that contestants made, and takes these away."""
    made = [path for path in CGROUPS.iterdir() if path.is_dir() and path.name != "bench"]
    for path in made:
        (path / "cgroup.kill").write_text("1")
    for top in made:
        for path, _, _ in os.walk(top, topdown=False):
            for _ in range(500):
                reap()
                try:
                    os.rmdir(path)
                    break
                except OSError:
                    time.sleep(0.01)
    shutil.rmtree(WORK / "state", ignore_errors=True)


class Runtime:
    """A contestant. options: before the command."""

    def __init__(self, name, program, *options):
        self.name, self.program, self.options = name, program, options
        self.id = re.sub(r"[^a-z0-9]", "-", name)
        self.root = WORK / "state" / self.id
        self.installed = program.startswith(str(INSTALLED))

    def words(self, *command, root=None):
        return [self.program, *self.options, "--root", root or self.root, *command]

    def run(self, bundle, id=None, program="/bin/true", root=None):
        return self.words("run", "-b", bundle, id or self.id, root=root)

    def create(self, bundle):
        return self.words("create", "--pid-file", WORK / f"{self.id}.pid", "-b", bundle, self.id)

    def pid(self):
        return int((WORK / f"{self.id}.pid").read_text())


class Floor:
    """The bare program: the kernel's part alone."""

    name = id = "floor"
    installed = False

    def run(self, bundle, id="floor", program="/bin/true", root=None):
        return ["floor", "run", bundle / "rootfs", CGROUPS / id, program]


def version(program):
    """crun 1.28 of "crun version 1.28 ..."; None when it does not run here."""
    try:
        said = subprocess.run([str(program), "--version"], capture_output=True, text=True).stdout
    except OSError:
        return None
    found = re.match(r"(\w+) version ([0-9.]+)", said)
    return " ".join(found.groups()) if found else None


def contestants(say):
    """The names of the newest crun and runc come from the root that we are in; then what this host
    has installed, when that is another one."""
    found = [Runtime("runsafe-oci", "runsafe", "--cgroup=available", "--policy", "oci"),
             Runtime("runsafe", "runsafe", "--cgroup=available")]
    for program in ("crun", "runc", INSTALLED / "crun", INSTALLED / "runc"):
        name = version(program)
        if name is None:
            say(f"{program} does not run here: left out")
        elif name not in (one.name for one in found):
            found.append(Runtime(name, str(program)))
    return [*found, Floor()]


def write_bundle(name, config, *words, **changes):
    """A folder with a root file system of one static busybox, and config.json. changes: of linux."""
    bundle = WORK / "bundles" / name
    rootfs = bundle / "rootfs"
    for place in ("bin", "dev", "proc", "sys", "tmp", "run", "etc", "var/tmp"):
        (rootfs / place).mkdir(parents=True)
    shutil.copy("/bin/busybox", rootfs / "bin/true")
    os.link(rootfs / "bin/true", rootfs / "bin/sleep")
    shutil.copy(shutil.which("calls"), rootfs / "bin/calls")
    for name in ("resolv.conf", "hostname", "hosts"):
        (bundle / name).write_text("127.0.0.1 localhost\n")
        (rootfs / "etc" / name).touch()
    config = json.loads(json.dumps(config).replace("BUNDLE", str(bundle)))
    config["ociVersion"] = "1.0.2"  # as far as older runtimes go
    config["process"].update(terminal=False, args=list(words))
    config["linux"].update(changes)
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def bare_config():
    """What `runc spec` writes."""
    with_spec = next(filter(shutil.which, ("runc", "crun")), None)
    if not with_spec:
        return json.loads(subprocess.run(["runsafe", "spec"], capture_output=True, check=True).stdout)
    place = WORK / "spec"
    place.mkdir()
    subprocess.run([with_spec, "spec"], cwd=place, check=True)
    return json.loads((place / "config.json").read_text())


def docker_config(say):
    """What dockerd wrote once (tests/bench/capture)."""
    config = json.loads((FOLDER / "docker-config.json").read_text())
    if "io" not in (CGROUPS / "cgroup.controllers").read_text().split():
        say("no io controller here: blockIO is left out of Docker's config.json, since crun refuses it")
        del config["linux"]["resources"]["blockIO"]
    return config
