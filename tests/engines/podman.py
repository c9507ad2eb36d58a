"""Podman, with folders and settings of its own."""

import json
import os
import pathlib
import pwd
import shutil
import tempfile

import pytest

import engines
from engines import run, wait_for

RUNTIMES = (*engines.OURS, "crun", "runc")
# For tests of what no policy changes: with the other two only where everything is compared.
alike = pytest.mark.runtimes(
    *(["runsafe", "runsafe-oci",
       "own"] if os.environ.get("RUNSAFE_BESIDE") == "1" else ["runsafe"]))
# Podman gives root's containers 1048576 files, which takes CAP_SYS_RESOURCE; a container that runs
# as 1000 natively shares its count of processes with the host's 1000.
LOW_LIMITS = '"nofile=1024:4096", "nproc=2048:4096"'


def sh(script):
    """The words of a shell script."""
    return ("sh", "-c", script)


def path_of(name):
    """The program of a runtime."""
    return f"/usr/local/bin/{name}" if name in engines.OURS else f"/usr/bin/{name}"


def name_of(runtime):
    """The name under which Podman knows it: its own is crun."""
    return "crun" if runtime == "own" else runtime


class Podman:
    """podman("run", ...) with containers.conf, storage and run folders of its own.

    runtime: the default one. json: the runtimes that get --log and --log-format. engine,
    containers: more lines for these tables of containers.conf. cgroups: the cgroup manager.
    user: whose Podman it is (rootless); he needs a /run/user/UID. options: more global options."""

    def __init__(self, folder, runtime="runsafe", json=RUNTIMES, engine="", containers="",
                 cgroups="cgroupfs", user=None, options=()):
        self.folder = pathlib.Path(folder)
        self.runtime, self.json, self.cgroups = runtime, tuple(json), cgroups
        self.engine, self.containers, self.user = engine, containers, user
        self.conf = self.folder / "containers.conf"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
        self.env["CONTAINERS_CONF"] = str(self.conf)
        self.prefix = ()
        # Layers lie on a file system that an overlay can have as its upper one.
        base, runroot = pathlib.Path("/var/lib/containers"), pathlib.Path("/run")
        self.uid = 0
        if user:
            entry = pwd.getpwnam(user)
            self.uid = entry.pw_uid
            base, runroot = pathlib.Path(entry.pw_dir), pathlib.Path(f"/run/user/{self.uid}")
            self.env.update(HOME=entry.pw_dir, USER=user, XDG_RUNTIME_DIR=str(runroot),
                            DBUS_SESSION_BUS_ADDRESS=f"unix:path={runroot}/bus")
            self.prefix = ("setpriv", f"--reuid={user}", f"--regid={entry.pw_gid}", "--init-groups")
        self.root = base / self.folder.name
        self.runroot = runroot / self.folder.name
        self.options = ("--root", self.root, "--runroot", self.runroot,
                        "--tmpdir", self.runroot / "tmp",
                        "--network-config-dir", self.root / "networks", *options)
        self.write_settings()
        self.loaded, self.known = set(), set()

    def write_settings(self):
        """containers.conf anew; CONTAINERS_CONF makes it the only one."""
        limits = f"default_ulimits = [{LOW_LIMITS}]" if engines.GROUND == "native" else ""
        table = "\n".join(f'{name} = ["{path_of(name)}"]' for name in RUNTIMES)
        self.conf.write_text(f"""\
[containers]
{limits}
{"" if engines.has_limits() else "pids_limit = 0"}
{self.containers}
[engine]
runtime = "{self.runtime}"
runtime_supports_json = {json.dumps(self.json)}
cgroup_manager = "{self.cgroups}"
events_logger = "file"
{self.engine}
[engine.runtimes]
{table}
""")

    def command(self, *words, runtime=None, flags=()):
        """The words of a command. runtime: for this one only; flags: for --runtime-flag."""
        if runtime:
            runtime = ("--runtime", name_of(runtime))
        flags = [f"--runtime-flag={flag}" for flag in flags]
        return [*self.prefix, "podman", *self.options, *(runtime or ()), *flags, *words]

    def __call__(self, *words, runtime=None, flags=(), **options):
        words = self.command(*words, runtime=runtime, flags=flags)
        return run(*words, env=self.env, cwd="/", **options)

    def inspect(self, name, key=".", *kind):
        """podman inspect --format '{{json KEY}}'; kind: "--type", "volume" ..."""
        return json.loads(self("inspect", *kind, "--format", "{{json %s}}" % key, name).out)

    def image(self, name):
        """Loads one of the images of tests/vm/images; its name."""
        if name not in self.loaded:
            self("load", "-qi", engines.IMAGES / f"{name}.tar", timeout=120)
            self.loaded.add(name)
        return name

    def pid(self, name):
        """The first process of a container, as the host sees it."""
        return self.inspect(name, ".State.Pid")

    def config(self, name):
        """The config.json that the runtime was given."""
        path = self.root / "overlay-containers" / self.inspect(name, ".ID") / "userdata/config.json"
        if not path.exists():
            path = pathlib.Path(self.inspect(name, ".OCIConfigPath"))
        return json.loads(path.read_text())

    def states(self):
        """What runtimes have on record. Podman gives them no --root."""
        run = pathlib.Path(f"/run/user/{self.uid}" if self.user else "/run")
        return [path for name in ("runsafe", "crun", "runc") for path in run.glob(f"{name}/*")
                if len(path.name) == 64]

    def clean(self):
        """Takes all pods, containers, volumes, networks and secrets away; then nothing of them may
        be left: no state of a runtime, cgroup, mount, network namespace or conmon."""
        self("pod", "rm", "-fa", "-t0", check=False)
        self("rm", "-fav", "-t0", check=False)
        wait_for("no containers", lambda: not self("ps", "-aq").text)
        for kind, files in (("volume", "volumes/*"), ("network", "networks/*.json")):
            if any(self.root.glob(files)):
                self(kind, "prune", "-f")
        if (self.root / "secrets").exists():
            self("secret", "rm", "-a")
        try:
            wait_for("nothing is left", lambda: not self.left(), 5)
        except AssertionError:
            left = self.left()
            self.known.update(left)  # the next tests are not to blame
            raise AssertionError(f"left behind: {left}") from None

    def left(self):
        """What is left of containers, as a list of texts."""
        left = [str(path) for path in self.states()]
        groups = pathlib.Path("/sys/fs/cgroup")
        left += [str(path) for path in groups.rglob("libpod-*") if path.is_dir()]
        mounts = pathlib.Path("/proc/self/mounts").read_text()
        # Podman keeps the overlay folder itself as a private mount.
        left += [line for line in mounts.splitlines()
                 if f"{self.root}/overlay/" in line or f"{self.root}/overlay-containers/" in line]
        left += [str(path) for path in pathlib.Path("/run/netns").glob("netns-*")]
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"conmon") and str(self.root).encode() in b" ".join(words):
                left.append(b" ".join(words).decode())
        return [one for one in left if one not in self.known]

    def stop(self):
        """Takes away all that there is, the images too."""
        self("system", "reset", "-f", check=False, timeout=120)
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.runroot, ignore_errors=True)


def workload_uid(runtime):
    """Whom a container runs as in which nobody said anything: an image's root."""
    return "1000" if runtime == "runsafe" else "0"


def make(**settings):
    """A Podman in a folder of its own that other users can read."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="podman-", dir="/tmp"))
    folder.chmod(0o755)
    return Podman(folder, **settings)
