"""What the tests of tests/attacks share: the runtimes that they attack, the bundles that they use,
and the word for an attack that succeeds."""

import os
import pathlib
import shutil
import subprocess

import harness
import workload

# Runtimes beside ours: RUNSAFE_BESIDE=1 attacks those that are installed, too. What befalls them is
# told in the table and counts for nothing.
OTHERS = ("runc", "crun")
BESIDE = os.environ.get("RUNSAFE_BESIDE") == "1"


class Escaped(AssertionError):
    """The attack has succeeded; says how."""


def escaped(condition, how):
    """Raises Escaped when the condition, that the attacker wants, is met."""
    if condition:
        raise Escaped(how)


def runtimes():
    """The names under which the fixture `runtime` runs a test."""
    others = [name for name in OTHERS if BESIDE and shutil.which(name)]
    return ["default", "oci", *others]


class Runtime(harness.Runsafe):
    """A runtime under attack: runsafe with the policy `default` or `oci`, or another one, driven by
    the command line that they have in common. Nothing here asserts but create(), running() and
    state(): an attack may well end in a refusal, which is an answer."""

    def __init__(self, folder, name):
        self.name = name
        self.under = []  # a program that runs it
        self.ours = name not in OTHERS
        super().__init__(folder, *(["--policy", name] if self.ours else []))
        if not self.ours:
            self.options = []
        self.program = harness.RUNSAFE if self.ours else shutil.which(name)

    def command(self, *args):
        return [*self.under, self.program, "--root", str(self.root), "--log", str(self.log),
                "--log-format", "json", *map(str, self.options), *map(str, args)]

    def own_copy(self):
        """Lets the tests use a copy of the program, which may be spoilt. Returns its path."""
        copy = self.folder / "bin" / pathlib.Path(self.program).name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(self.program, copy)
        self.program = str(copy)
        return copy

    def version(self):
        """"crun 1.21"; for runsafe its name alone."""
        if self.ours:
            return f"runsafe {self.name}"
        said = subprocess.run([self.program, "--version"], capture_output=True, text=True,
                              check=True).stdout.split()
        return f"{self.name} {said[2].partition('+')[0]}"

    def ok(self, *args, **more):
        """Must succeed; other runtimes may have something to say, too."""
        if self.ours:
            return super().ok(*args, **more)
        result = self(*args, **more)
        assert result.status == 0, result
        return result


def usual(bundle):
    """config.json as Docker writes it for an image that says nothing: root with Docker's
    capabilities, a writable rootfs, the usual masked and read-only paths, no limits, no filter."""
    workload.as_engine(bundle)
    bundle.config["ociVersion"] = "1.0.2"  # crun 1.8 refuses what is newer
    linux = bundle.config["linux"]
    linux["maskedPaths"] = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                            "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                            "/proc/scsi", "/sys/firmware"]
    linux["readonlyPaths"] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                              "/proc/sysrq-trigger"]
    for mount in bundle.config["mounts"]:
        if mount["destination"] == "/sys":
            mount["options"].append("ro")
    return bundle.write()
