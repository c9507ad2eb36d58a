"""Input that is larger, deeper or stranger than the code that reads it expects: config.json, the
objects that exec and update read, and what is handed on to the container's process."""

import json
import subprocess
import sys

import pytest

import workload
from attacks import escaped

MIB = 1 << 20

# --- the message to the child

MESSAGE = ("CVE-2021-43784", "a field longer than its length's 16 bits, whose end is read as more fields",
           "there is no message: the child is a clone that has the plan in its memory")


def namespaces(runtime, victim):
    """What a started workload says of its namespaces, compared with ours: those that are shared."""
    name = runtime.id()
    made = runtime("create", "-b", victim.path, name)
    if made.status != 0:
        return None
    pid = runtime.state(name)["pid"]
    shared = {kind for kind in ("mnt", "pid", "net", "ipc", "uts")
              if workload.namespace_of(pid, kind) == workload.namespace_of("self", kind)}
    runtime("delete", "--force", name)
    return shared


def attribute(kind, value):
    """A field as the message of the vulnerable runc had them: length, type, value."""
    return (4 + len(value)).to_bytes(2, "little") + kind.to_bytes(2, "little") + value


# "Clone no namespace at all", in the place where the 16 bits begin again.
HIDDEN = ("/" * 65532).encode() + attribute(27281, (0).to_bytes(4, "little")) * 4


@pytest.mark.attack(*MESSAGE)
@pytest.mark.parametrize("length", [65535, 65536, 65540, 131072, 1 << 20, 3 << 20])
@pytest.mark.parametrize("field", ["namespace path", "root path", "cwd", "mappings", "mount", "hostname",
                                   "apparmor", "annotation", "groups", "rlimits"])
def test_a_long_field(runtime, victim, field, length):
    """Whatever is too long is refused, or arrives whole: the namespaces are the container's own."""
    text = "/" + "a/" * (length // 2)
    if field == "mappings":
        size = length // 32
        more = [{"containerID": 10 * i, "hostID": 100000 + 10 * i, "size": 10} for i in range(size)]
        victim.namespace("user").set("linux.uidMappings", more).set("linux.gidMappings", more)
    else:
        words = {"namespace path": ("linux.namespaces.0.path", text), "root path": ("root.path", text),
                 "cwd": ("process.cwd", text), "hostname": ("hostname", text),
                 "apparmor": ("process.apparmorProfile", text),
                 "annotation": ("annotations", {"a": text, text: "b"}),
                 "groups": ("process.user.additionalGids", list(range(1, length // 8))),
                 "rlimits": ("process.rlimits", [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
                             * (length // 50))}
        if field == "mount":
            victim.mount(destination=text, type="tmpfs", source=text, options=[text])
        else:
            victim.set(*words[field])
    shared = namespaces(runtime, victim.args("/bin/sleep", "1000"))
    escaped(shared, f"a {field} of {length} bytes: shares {sorted(shared or [])} with the host")


@pytest.mark.attack(*MESSAGE)
@pytest.mark.parametrize("where", ["namespace path", "cwd", "env"])
def test_a_hidden_field(runtime, victim, where):
    """The same with the field that the vulnerable runc would have found behind the 65536th byte."""
    text = HIDDEN.replace(b"\0", b"\x01").decode("latin-1")
    victim.args("/bin/sleep", "1000")
    if where == "env":
        victim.config["process"]["env"].append(f"X={text}")
    else:
        victim.set({"cwd": "process.cwd", "namespace path": "linux.namespaces.0.path"}[where], text)
    shared = namespaces(runtime, victim.write())
    escaped(shared, f"a {where} with a field in it: shares {sorted(shared or [])} with the host")


@pytest.mark.attack(*MESSAGE)
@pytest.mark.parametrize("length", [65535, 65536, 65537, 131000])
def test_long_words_arrive_whole(runtime, victim, length):
    """The control: what the kernel takes (128 KiB a word) is taken, in args and environment."""
    word = "x" * (length - 2)
    victim.set("process.env", ["PATH=/bin", f"A={word}"])
    done = runtime.run(victim.args("/bin/sh", "-c", "echo ${#A} ${#1}", "sh", word))
    assert done.out == f"{length - 2} {length - 2}\n", done


# --- JSON

JSON = ("CVE-2022-24795, CVE-2023-33460", "JSON that overflows the parser's lengths, or takes all memory",
        "16 MiB and 64 levels at most, and UTF-8, before yajl sees it; what is wrong ends the reading")


def texts(n):
    """Hostile documents of about n bytes, by name: how to make each."""
    return {
        "one string": lambda: b'"' + b"a" * n + b'"', "one string that never ends": lambda: b'"' + b"a" * n,
        "one key": lambda: b'{"' + b"k" * n + b'":1}', "escapes": lambda: b'"' + b"\\u0041" * (n // 6) + b'"',
        "wrong escapes": lambda: b'"' + b"\\q" * (n // 2) + b'"',
        "half of a pair": lambda: b'"' + b"\\ud800" * (n // 6) + b'"',
        "backslashes": lambda: b'"' + b"\\" * n, "brackets": lambda: b"[" * n,
        "braces": lambda: b'{"a":' * (n // 5), "lists": lambda: b"[" + b"[]," * (n // 3) + b"[]]",
        "numbers": lambda: b"[" + b"1," * (n // 2) + b"1]", "a long number": lambda: b"1" * n,
        "a long fraction": lambda: b"0." + b"9" * n, "exponent": lambda: b"1e" + b"9" * n,
        "keys": lambda: b"{" + b",".join(b'"%d":%d' % (i, i) for i in range(n // 16)) + b"}",
        "the same key": lambda: b"{" + b'"ociVersion":"1.0.0",' * (n // 21) + b'"root":{}}',
        "blanks": lambda: b" " * n, "zeros": lambda: b"\0" * n, "not UTF-8": lambda: b'"' + b"\xff" * n + b'"',
        "comments": lambda: b"/*" * (n // 2), "strings": lambda: b"[" + b'"a",' * (n // 4) + b'"a"]'}


# A process of its own in between: what it says of its child is not ours.
MEASURE = """
import os, resource, sys
pid = os.fork()
if pid == 0:
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]), int(sys.argv[1])))
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.execv(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss // 1024, usage.ru_utime + usage.ru_stime)
"""


def measured(command, seconds):
    """Runs it: its exit status (below 0 for a signal), the memory that it took in MiB, and seconds
    of the processor's: the machine may be busy. Nothing takes more than 6 GiB, or longer."""
    done = subprocess.run([sys.executable, "-S", "-c", MEASURE, str(seconds), *map(str, command)],
                          capture_output=True, text=True, check=True)
    status, memory, took = done.stdout.split()
    return int(status), int(memory), float(took)


# MiB and seconds, for 16 MiB of text.
MOST_MEMORY, MOST_TIME = 1024, 20


def bounded(what, command):
    """No crash; memory and time in proportion to the text. Returns the exit status."""
    status, memory, seconds = measured(command, MOST_TIME)
    escaped(seconds > MOST_TIME - 1, f"still reads {what} after {seconds:.0f} s")
    escaped(status < 0, f"killed by signal {-status} by {what}")
    escaped(memory > MOST_MEMORY, f"takes {memory} MiB for {what}")
    return status


@pytest.mark.attack(*JSON)
def test_hostile_config(runtime, victim):
    for what, make in texts(4 * MIB if runtime.name == "default" else 15 * MIB).items():
        victim.write(b'{"ociVersion": "1.0.2", "annotations": ' + make())
        assert bounded(f"{what} in config.json", runtime.command(
            "run", "-b", victim.path, runtime.id())) != 0


@pytest.mark.attack(*JSON)
@pytest.mark.parametrize("command", ["exec --process", "update --resources"])
def test_hostile_objects(runtime, victim, command):
    """What exec and update read is JSON from somebody else, too."""
    name = runtime.running(victim)
    file = victim.path / "object.json"
    some = texts(4 * MIB)
    for what in ("one string that never ends", "brackets", "braces", "keys", "zeros", "a long number"):
        file.write_bytes(b'{"args": ["true"], "cwd": "/", "x": ' + some[what]())
        assert bounded(f"{what} for {command}", runtime.command(*command.split(), file, name)) != 0
    runtime.log.unlink(missing_ok=True)
    assert runtime.state(name)["status"] == "running"


LISTS = {
    "options of a mount": ("mounts.0.options", lambda n: ["a"] * n),
    "different options": ("mounts.0.options", lambda n: [f"a{i}=b" for i in range(n)]),
    "capabilities": ("process.capabilities.bounding", lambda n: [f"CAP_{i}" for i in range(n)]),
    "system calls": ("linux.seccomp", lambda n: {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": [f"call{i}" for i in range(n)], "action": "SCMP_ACT_ERRNO"}]}),
    "filters": ("linux.seccomp", lambda n: {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "args": [
            {"index": 0, "value": i, "op": "SCMP_CMP_EQ"}]} for i in range(n // 50)]}),
    "parts of a cgroup": ("linux.cgroupsPath", lambda n: "/a" * n),
    "masked paths": ("linux.maskedPaths", lambda n: [f"/proc/{i}/x" for i in range(n)]),
    "variables": ("process.env", lambda n: [f"A{i}=b" for i in range(n)]),
    "groups": ("process.user.additionalGids", lambda n: list(range(1, n))),
    "annotations": ("annotations", lambda n: {f"a{i}": "b" for i in range(n)}),
    "sysctls": ("linux.sysctl", lambda n: {f"net.ipv4.x{i}": "1" for i in range(n)}),
    "mappings": ("linux.uidMappings", lambda n: [
        {"containerID": 2 * i, "hostID": 100000 + 2 * i, "size": 1} for i in range(n // 4)]),
    "device rules": ("linux.resources.devices", lambda n: [
        {"allow": i % 2 == 0, "type": "c", "major": i % 4000, "minor": 1, "access": "r"}
        for i in range(n // 5)]),
    "namespaces": ("linux.namespaces", lambda n: [{"type": "mount"}] * (n // 2)),
    "limits": ("process.rlimits", lambda n: [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}] * (n // 4)),
    "hugetlb": ("linux.resources.hugepageLimits", lambda n: [{"pageSize": f"{i}MB", "limit": 1}
                                                             for i in range(n // 4)]),
    "words": ("process.args", lambda n: ["/bin/true", *["a"] * n]),
}


@pytest.mark.attack(*JSON)
@pytest.mark.parametrize("what", LISTS)
def test_long_lists(runtime, victim, what):
    """A list that is longer than anybody writes: refused, or done in time."""
    key, make = LISTS[what]
    if what == "mappings":
        victim.namespace("user")
    bounded(f"many {what}", runtime.command(
        "run", "-b", victim.args("/bin/true").set(key, make(100000)).path, runtime.id()))
    runtime.log.unlink(missing_ok=True)


@pytest.mark.attack(*JSON)
@pytest.mark.parametrize("size", [1 << 31, 1 << 32, (1 << 32) + 4096])
@pytest.mark.parametrize("runtime", ["default", "oci"], indirect=True)
def test_a_config_beyond_31_and_32_bits(runtime, victim, size):
    """A file whose length, cut to 32 bits, is that of good JSON. (Sparse: zeros behind it.)"""
    victim.args("/bin/echo", "ran")
    with open(victim.path / "config.json", "r+b") as f:
        f.truncate(size)
    status, memory, seconds = measured(runtime.command("run", "-b", victim.path, runtime.id()),
                                       MOST_TIME)
    escaped(status == 0, f"took a part of {size} bytes for the whole")
    escaped(memory > 64 or seconds > 5, f"read {size} bytes: {memory:.0f} MiB, {seconds:.1f} s")
    assert "16 MiB" in runtime.log.read_text()
    runtime.log.unlink()


@pytest.mark.attack(*JSON)
def test_json_that_is_cut(runtime, victim):
    """At every length of a small config.json: refused, without a crash."""
    victim.config = {"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "hostname": "\u20ac\U0001f600\\",
                     "process": {"args": ["/bin/true"], "cwd": "/", "user": {"uid": 1000, "gid": 1000},
                                 "env": ["A=\n"]}, "annotations": {"a": "\ud83d\ude00"}}
    text = json.dumps(victim.config).encode()
    for length in range(len(text) if runtime.ours else 0):
        done = runtime("run", "-b", victim.write(text[:length]).path, runtime.id())
        escaped(done.status < 0 or done.status == 0, f"status {done.status} at {length} bytes")
    runtime.log.unlink(missing_ok=True)
    for more in (b"{}", b"x", b"\0", text, b"]", b"}"):
        done = runtime("run", "-b", victim.write(text + more).path, runtime.id())
        escaped(done.status < 0, f"crashed with {more[:9]} behind it")
