"""dockerd and its client."""

import json
import os
import pathlib
import shutil

import engines
from engines import run, wait_for

RUNTIMES = {name: {"path": f"/usr/local/bin/{name}"} for name in engines.OURS}
RUNTIMES["crun"] = {"path": "/usr/bin/crun"}

# A network namespace of its own, with a loopback device.
ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")


class Docker:
    """A dockerd with folders, a socket and settings of its own, and its client: docker("run", ...).
    settings: more for daemon.json. prefix: words before dockerd (ip netns exec ...)."""

    def __init__(self, folder, settings=None, env=None, prefix=()):
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "docker.sock"
        # Layers lie on a file system that an overlay can have as its upper one.
        self.data = pathlib.Path("/var/lib/docker") / self.folder.name
        self.exec_root = pathlib.Path("/run") / ("docker-" + self.folder.name)
        self.settings = {
            "runtimes": RUNTIMES, "data-root": str(self.data), "exec-root": str(self.exec_root),
            "pidfile": str(self.folder / "dockerd.pid"), "hosts": [f"unix://{self.socket}"],
            **(settings or {}),
        }
        self.write_settings()
        # One without a bridge takes docker0 away where it runs, and that is all daemons' here.
        if self.settings.get("bridge") == "none":
            prefix = (*ALONE, *prefix)
        self.daemon = engines.Daemon(
            "dockerd", [*prefix, "dockerd", "--config-file", self.folder / "daemon.json"],
            self.folder, env)
        self.client = ("docker", "-H", f"unix://{self.socket}")
        self.loaded = set()

    def write_settings(self):
        (self.folder / "daemon.json").write_text(json.dumps(self.settings, indent=1))

    def start(self):
        """dockerd gives its containerd fifteen seconds, which emulation with cold files can need."""
        for last in (False, False, True):
            try:
                self.daemon.start(lambda: self("version", check=False).status == 0)
                return self
            except AssertionError:
                if last or "timeout waiting for containerd to start" not in self.daemon.said():
                    raise

    def stop(self):
        self.daemon.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    def __call__(self, *words, **options):
        before = self.lost_output()
        done = run(*self.client, *words, **options)
        if words[0] == "run" and "--rm" in words and self.lost_output() > before:
            print(f"dockerd lost the output of {words}: again")
            done = run(*self.client, *words, **options)
        return done

    def lost_output(self):
        """How often dockerd came too late to open its end of a short container's pipes: a race of
        its own (moby issue 41378), which a busy machine loses once in some hundred runs."""
        return self.daemon.said().count("reading from a closed fifo")

    def inspect(self, name, key="."):
        """docker inspect --format '{{json KEY}}'."""
        return json.loads(self("inspect", "--format", "{{json %s}}" % key, name).out)

    def image(self, name):
        """Loads one of the images of tests/vm/images; its name."""
        if name not in self.loaded:
            self("load", "-i", engines.IMAGES / f"{name}.tar", timeout=120)
            self.loaded.add(name)
        return name

    def pid(self, name):
        """The first process of a container, as the host sees it."""
        return self.inspect(name, ".State.Pid")

    def states(self):
        """What runtimes have on record: Docker gives all of them one root. An id has no @."""
        root = pathlib.Path(self.exec_root) / "runtime-runc" / "moby"
        return [path.name for path in root.glob("[!@]*")]

    def clean(self):
        """Takes all containers, volumes and networks away; then no runtime may know any more."""
        # A container can go away by itself (--rm) between the two commands.
        for ids in [self("ps", "-aq").text.split()]:
            if ids:
                self("rm", "-f", "-v", *ids, check=False)
        wait_for("no containers", lambda: not self("ps", "-aq").text)
        self("volume", "prune", "-af")
        self("network", "prune", "-f")
        wait_for("no state of a container is left", lambda: not self.states(), 5)
        for pattern in ("docker/*", "system.slice/docker-*.scope"):
            left = [p for p in pathlib.Path("/sys/fs/cgroup").glob(pattern)
                    if p.is_dir() and p.name != "buildkit"]  # that one is dockerd's own
            assert not left, f"cgroups are left: {left}"


def name_of(runtime):
    """The name under which dockerd knows it: its own is runc."""
    return "runc" if runtime == "own" else runtime
