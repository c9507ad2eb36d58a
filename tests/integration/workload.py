"""What the policy and attack tests share: config.json as an engine writes it, the probe programs,
and a look at a workload from inside and from outside."""

import os
import pathlib
import re
import shutil
import subprocess

import harness

PROJECT = pathlib.Path(__file__).parents[2]
PROBES = pathlib.Path(os.environ.get("RUNSAFE_PROBES", PROJECT / "build/tests"))

# What Docker gives when nobody said anything.
USUAL_CAPABILITIES = [
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
    "CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID",
    "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT"]
USUAL_BITS = "00000000a80425fb"
CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def as_engine(bundle):
    """Makes the bundle what an engine writes for an image that says nothing: root with Docker's
    capabilities, a rootfs that can be written, no limits, nothing masked."""
    config = bundle.config
    process = config["process"]
    process["user"] = {"uid": 0, "gid": 0}
    process["env"] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
    process["noNewPrivileges"] = False
    config["root"]["readonly"] = False
    keep = ("/proc", "/dev", "/sys", "/dev/pts", "/dev/shm", "/dev/mqueue")
    config["mounts"] = [m for m in config["mounts"] if m["destination"] in keep]
    for mount in config["mounts"]:
        if mount["destination"] == "/sys":
            mount["options"] = [o for o in mount["options"] if o != "ro"]
    linux = config["linux"]
    for key in ("maskedPaths", "readonlyPaths", "seccomp", "sysctl", "devices"):
        linux.pop(key, None)
    linux["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}
    return bundle.cap(*USUAL_CAPABILITIES)


def build_probe(name, folder):
    """The program of that name, as `make probes` built it; where that was forgotten, built here."""
    source = pathlib.Path(__file__).parent / "probe" / f"{name}.c"
    built = PROBES / name
    if built.exists() and built.stat().st_mtime >= source.stat().st_mtime or not shutil.which("gcc"):
        assert built.exists(), f"{built} is missing: make probes"
        return built
    out = folder / name
    more = {"interpreter": ["-static", "-nostdlib", "-fno-stack-protector"],
            "library": ["-shared", "-fPIC"]}.get(name, ["-static"])
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O2", *more, "-o", out, source], check=True)
    return out


def syscall_number(name):
    """From the tables that the filter itself is made from."""
    table = PROJECT / "profiles" / f"syscalls-{os.uname().machine}.tbl"
    for line in table.read_text().splitlines():
        words = line.split()
        if len(words) >= 2 and words[-1] == name and words[0].isdigit():
            return int(words[0])
        if len(words) >= 2 and words[0] == name and words[1].isdigit():
            return int(words[1])
    raise KeyError(name)


def call(name, *arguments, label=None):
    """One call for the probe."""
    text = ",".join(a if isinstance(a, str) else str(a & (2**64 - 1)) for a in arguments)
    return f"{label or name}:{syscall_number(name)}:{text}"


def has_syscall(name):
    try:
        return syscall_number(name) is not None
    except KeyError:
        return False


def inside(runsafe, bundle, script):
    """Runs the script as the workload and returns its NAME=VALUE lines."""
    return runsafe.sh(bundle, script).facts()


def status_inside(runsafe, bundle):
    """/proc/self/status as the workload sees it. A shell built-in reads it: no other process."""
    return inside(runsafe, bundle, "while read -r line; do echo \"$line\"; done </proc/self/status")


def status_outside(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def mounts_inside(runsafe, bundle):
    """Where what is mounted, in order: a list of (place, options, type)."""
    lines = runsafe.sh(bundle, "cat /proc/self/mountinfo").lines
    found = []
    for line in lines:
        words = line.split()
        found.append((words[4], set(words[5].split(",")), words[words.index("-") + 1]))
    return found


def mount_at(mounts, place):
    """The one on top there."""
    found = [m for m in mounts if m[0] == place]
    assert found, f"nothing is mounted at {place}"
    return found[-1]


def namespace_of(pid, name):
    return os.readlink(f"/proc/{pid}/ns/{name}")


def pid_of(runsafe, name):
    return runsafe.state(name)["pid"]


def check(runsafe, bundle, *options):
    """`check`: its exit status and text."""
    result = runsafe.with_options(*options)("check", str(bundle.path) + "/")
    return result.status, result.out


def errors_in(text):
    """The words of errno in a shell's message."""
    return re.sub(r"^.*: ", "", text.strip())


def refused(runsafe, bundle, *words, options=()):
    """create with these global options is refused with these words."""
    return runsafe.with_options(*options).create_fails(bundle, *words)


def wait_gone(pid):
    return harness.wait_for(lambda: harness.is_zombie(pid))


def run_probe(runsafe, bundle, program, *calls):
    """What the calls came back with, made by the probe as the workload: {name: "EPERM"}."""
    place = bundle.rootfs / "probe"
    if not place.exists():
        shutil.copy(program, place)
    return runsafe.run_ok(bundle.args("/probe", *calls)).facts()
