"""A runtime by itself, as a shim calls it, beside others: bundles, commands, what is left."""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import engines
from engines import wait_for

OWN = {"own": "/usr/bin/runc", "runc": "/usr/bin/runc", "crun": "/usr/bin/crun"}
count = itertools.count()


def reap():
    """Takes the exit statuses of orphans, which come to us where pytest is process 1 of its
    namespace; but not those of daemons that a test waits for."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        pid, _, name = head.partition(" (")
        if state == "Z" and int(parent) == os.getpid() and name not in ("dockerd", "containerd"):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(int(pid), os.WNOHANG)


def program_of(runtime):
    return OWN.get(runtime, f"/usr/local/bin/{runtime}")


def unpack(image, folder):
    """The root file system of one of the images of tests/vm/images."""
    with tarfile.open(engines.IMAGES / f"{image}.tar") as archive:
        for layer in json.load(archive.extractfile("manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as tar:
                tar.extractall(folder, filter="fully_trusted")


class Runtime:
    """A runtime with a state folder of its own, and one bundle. runtime("create", ...) runs a
    command with a log of its own; what it and its workloads write goes to files, so that nothing
    waits for a workload that has them. Its children's orphans are not reaped here: a stopped
    container is a zombie, as for a shim that has not looked yet."""

    def __init__(self, folder, runtime, image="busybox"):
        self.runtime, self.program = runtime, program_of(runtime)
        self.folder = pathlib.Path(folder)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="state-", dir="/run"))
        self.bundle = self.folder / "bundle"
        (self.bundle / "rootfs").mkdir(parents=True)
        unpack(image, self.bundle / "rootfs")
        engines.run("runc", "spec", "-b", self.bundle)  # the same for all of them
        self.config = json.loads((self.bundle / "config.json").read_text())
        self.config["process"]["terminal"] = False
        self.config["root"]["readonly"] = False
        self.names = []
        self.write()

    def write(self, args=None, **changes):
        """config.json with another process.args (a text is a script), and other top-level keys."""
        config = json.loads(json.dumps(self.config))
        if args is not None:
            config["process"]["args"] = ["sh", "-c", args] if isinstance(args, str) else args
        for key, value in changes.items():
            if isinstance(value, dict):
                config.setdefault(key, {}).update(value)
            else:
                config[key] = value
        (self.bundle / "config.json").write_text(json.dumps(config))

    def name(self):
        self.names.append(f"deep{os.getpid()}n{next(count)}")
        return self.names[-1]

    def words(self, *words, log_format="json"):
        self.log = self.folder / f"log{next(count)}"
        return [self.program, "--root", str(self.root), "--log", str(self.log), "--log-format",
                log_format, *map(str, words)]

    def __call__(self, *words, check=True, input="", log_format="json", **more):
        """Done, with .log_lines: the objects of the log."""
        command = self.words(*words, log_format=log_format)
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(command, input=input, stdout=out, stderr=err, text=True,
                                  cwd=self.bundle, timeout=60, check=False, **more)
            result = engines.Done(command, done.returncode, *(f.seek(0) or f.read() for f in (out, err)))
        text = self.log.read_text() if self.log.exists() else ""
        result.log_text = text
        result.log_lines = ([json.loads(line) for line in text.splitlines()]
                            if log_format == "json" else text.splitlines())
        if check is not False:
            assert result.status == (0 if check is True else check), (result, text)
        return result

    def running(self, args="sleep 1000", **changes):
        """A started container's name."""
        self.write(args, **changes)
        name = self.name()
        self("create", name)
        self("start", name)
        return name

    def state(self, name):
        return json.loads(self("state", name).out)

    def pid(self, name):
        return self.state(name)["pid"]

    def stopped(self, name):
        wait_for(f"{name} stopped", lambda: self.state(name)["status"] == "stopped")

    def close(self):
        """Takes all away; then nothing may be left."""
        for name in self.names:
            self("delete", "--force", name, check=False)
            reap()
        left = [path.name for path in self.root.iterdir()] if self.root.is_dir() else []
        left += [str(path) for path in pathlib.Path("/sys/fs/cgroup").rglob(f"deep{os.getpid()}n*")
                 if path.is_dir()]
        assert not left, left
        shutil.rmtree(self.root, ignore_errors=True)
