"""Annotations: what an image says about itself reaches them (DESIGN.md section 3), so they may order
nothing."""

import base64
import contextlib
import os
import socket
import struct
import subprocess
import threading

import pytest

import harness
from attacks import escaped

# --- an image that relaxes its own policy

IMAGE = ("an image that relaxes its own policy",
         "labels and annotations that ask for root, for the caller's groups, for another filter",
         "io.runsafe. names count only where the policy lists them; orders to crun are not obeyed")


def program(*instructions):
    """A classic BPF program as seccomp(2) takes it, in base 64."""
    return base64.b64encode(b"".join(struct.pack("<HBBI", *i) for i in instructions)).decode()


ALLOW_ALL = program((0x06, 0, 0, 0x7fff0000))
# What crun documents as orders to itself.
ORDERS = {
    "run.oci.keep_original_groups": "1", "io.crun.keep_original_groups": "1",
    "run.oci.seccomp_bpf_data": ALLOW_ALL, "run.oci.seccomp_fail_unknown_syscall": "0",
    "run.oci.mount_context_type": "rootcontext", "run.oci.delegate-cgroup": "/x",
    "run.oci.hooks.stderr": "/HERE/stderr", "run.oci.hooks.stdout": "/HERE/stdout",
    "run.oci.seccomp.receiver": "/HERE/agent", "run.oci.seccomp.plugins": "/HERE/plugin.so",
    "run.oci.pidfd_receiver": "/HERE/pidfd", "run.oci.timens_offset": "1000000 0 0",
    "org.criu.config": "/HERE/criu.conf", "module.wasm.image/variant": "compat",
}


@pytest.mark.attack(*IMAGE)
@pytest.mark.parametrize("order", [*ORDERS, "all of them"])
def test_orders_to_another_runtime(runtime, victim, folder, order):
    """crun obeys annotations that engines copy from an image's labels."""
    chosen = ORDERS if order == "all of them" else {order: ORDERS[order]}
    victim.cap().set("process.user", {"uid": 1234, "gid": 1234})
    victim.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]})
    (victim.rootfs / "tmp").chmod(0o1777)
    script = "grep Groups: /proc/self/status; mkdir /tmp/made && echo made; cat /proc/self/timens_offsets"
    caller = {"preexec_fn": lambda: os.setgroups([0, 4242])}
    plain = runtime.run(victim.sh(script), **caller)
    assert plain.lines[0].split() == ["Groups:"] and "made" not in plain.lines, plain
    before = {p.name for p in folder.iterdir()}
    victim.set("annotations", {k: v.replace("HERE", str(folder)[1:]) for k, v in chosen.items()})
    done = runtime.run(victim.sh(script), **caller)
    groups = {"0", "4242"} & set((done.lines or [""])[0].split())
    escaped(groups, f"{order} kept the caller's groups {' '.join(sorted(groups))}")
    escaped("made" in done.lines, f"{order} replaced the system call filter")
    made = {p.name for p in folder.iterdir()} & {"stderr", "stdout"} - before
    escaped(made, f"{order} made {', '.join(sorted(made))} on the host")
    escaped("1000000" in done.out, f"{order} changed the container's clocks")
    assert done.status == 0 or done.err, done


# Each with a sign that it was obeyed.
RELAXED = {
    "root": ("true", "Uid:\t0"), "user": ("0:0", "Uid:\t0"), "policy": ("oci", "Uid:\t0"),
    "allow": ("root", "Uid:\t0"), "annotations": ("*", "Uid:\t0"),
    "capability": ("CAP_SYS_ADMIN", "CapEff:\t0000000000200000"),
    "new-privileges": ("true", "NoNewPrivs:\t0"), "seccomp": ("mount", "Seccomp:\t0"),
    "rootfs-writable": ("true", "written"), "unmask": ("all", "unmasked"), "bind": ("/", "of the host"),
    "host-network": ("true", "Uid:"), "host-pid": ("true", "Uid:"),
}
SPELLINGS = {"": "{}", "a blank behind": "{} ", "a tab before": "\t{}", "a dot before": ".{}",
             "the prefix twice": "io.runsafe.{}", "another one before it": "tmpfs,{}"}


@pytest.mark.attack(*IMAGE)
@pytest.mark.parametrize("runtime", ["default"], indirect=True)
@pytest.mark.parametrize("name", RELAXED)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_annotation_that_relaxes_the_policy(runtime, victim, name, spelling):
    """Of runsafe's own names, in spellings that a check could miss."""
    value, sign = RELAXED[name]
    key = f"io.runsafe.{SPELLINGS[spelling].format(name)}"
    victim.set("annotations", {key: value, "io.runsafe.tmpfs": "/opt"})
    if name == "bind":
        victim.mount(destination="/mnt", type="bind", source="/", options=["rbind"])
    if name.startswith("host-"):
        victim.namespace(name[5:], drop=True)
    done = runtime.run(victim.sh(
        "cat /proc/self/status; touch /etc/made && echo written; head -c 1 /proc/kcore >/dev/null && "
        "echo unmasked; [ -e /mnt/etc ] && echo of the host; true"))
    escaped(sign in done.out, f"{key}={value} was obeyed")
    assert done.status == 1 and ("annotations" in done.err or name.rpartition("-")[2] in done.err), done


# --- properties of a unit

class Bus:
    """A system bus with a systemd that takes no unit: it keeps what it is asked for."""

    def __init__(self, path):
        self.asked = []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer = self.server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        with contextlib.suppress(OSError), peer, peer.makefile("rb") as file:
            if self.greet(peer, file):
                while self.answer(peer, file):
                    pass

    @staticmethod
    def greet(peer, file):
        """The D-Bus specification, "Authentication Protocol"."""
        file.read(1)
        done = b"OK " + b"0" * 32 + b"\r\n"
        for line in iter(file.readline, b""):
            words = line.split()
            if words[0] == b"BEGIN":
                return True
            if words[0] == b"AUTH":
                said = (b"REJECTED EXTERNAL\r\n", b"DATA\r\n", done)[min(len(words), 3) - 1]
            else:
                said = b"AGREE_UNIX_FD\r\n" if words[0] == b"NEGOTIATE_UNIX_FD" else done
            peer.sendall(said)
        return False

    def answer(self, peer, file):
        """One message: "Message Format". Those that ask for nothing special get an empty answer."""
        head = file.read(16)
        if len(head) < 16:
            return False
        body, serial, fields = struct.unpack("<III", head[4:])
        rest = file.read((fields + 7) // 8 * 8 + body)
        if head[1] != 1:
            return True
        self.asked.append(rest)
        text, code, kind = b"", 2, b""
        if b"Hello" in rest:
            text, kind = b":1.1", b"s"
        elif b"StartTransientUnit" in rest:
            text, kind, code = b"no", b"s", 3
        out = struct.pack("<BB1sxI", 5, 1, b"u", serial)
        out += struct.pack("<BB1sxI4sxxxx", 6, 1, b"s", 4, b":1.1")
        if code == 3:
            name = b"org.freedesktop.DBus.Error.Failed\0"
            out += b"\0" * (-len(out) % 8) + struct.pack("<BB1sxI", 4, 1, b"s", len(name) - 1) + name
        if kind:
            out += b"\0" * (-len(out) % 8) + struct.pack("<BB1sxB1sx", 8, 1, b"g", 1, kind)
        payload = struct.pack("<I", len(text)) + text + b"\0" if kind else b""
        message = struct.pack("<cBBBIII", b"l", code, 1, 1, len(payload), serial, len(out)) + out
        peer.sendall(message + b"\0" * (-len(message) % 8) + payload)
        return True


PROPERTY = ("CVE-2024-3154", "an annotation that sets a property of the unit, so that systemd acts",
            "five properties that run nothing; every other one is an error")
HARMFUL = {"FailureAction": "'reboot'", "OnFailure": "['x.service']", "failureaction": "'reboot'",
           "ExecStopPost": "[('/bin/sh', ['sh', '-c', 'touch /x'], false)]"}


@pytest.fixture
def bus(folder, monkeypatch):
    path = folder / "bus"
    bus = Bus(path)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
    yield bus
    bus.server.close()


@pytest.mark.attack(*PROPERTY)
@pytest.mark.parametrize("name", HARMFUL)
def test_a_property_of_the_unit(runtime, victim, bus, name):
    """`org.systemd.property.NAME` becomes a property of the scope in which the container runs."""
    victim.set("linux.cgroupsPath", f"system.slice:attack:{runtime.id()}")
    victim.set("annotations", {f"org.systemd.property.{name}": HARMFUL[name]})
    program = runtime.with_options("--systemd-cgroup")
    script = 'mount -t tmpfs run /run && mkdir -p /run/systemd/system && exec "$@"'
    command = program.command("run", "-b", victim.args("/bin/true").path, runtime.id())
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command],
        capture_output=True, text=True, check=False, timeout=harness.TIME_LIMIT)
    runtime.log.unlink(missing_ok=True)
    units = [m for m in bus.asked if b"StartTransientUnit" in m]
    escaped(any(name.encode() in m for m in units), f"the unit gets {name}={HARMFUL[name]}")
    # Nothing ran; others ask for the unit, ours does not even that.
    assert done.returncode != 0 and (units or name in done.stderr or "/bin/sh" in done.stderr), done
    assert not runtime.ours or name in done.stderr, done
