"""exec into a container whose first process is the attacker's."""

import contextlib
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess

import pytest

import harness
from attacks import escaped
from workload import call


def hostile(runtime, victim, probe_program, secret, *capabilities):
    """A container whose first process watches for what comes; these rights more than usual."""
    for names in victim.config["process"]["capabilities"].values():
        names.extend(capabilities)
    victim.file("/bin/watch", probe_program("watch").read_bytes(), 0o755)
    name = runtime.create(victim.args("/bin/watch", str(secret)))
    runtime.start(name)
    assert harness.wait_for(lambda: "up" in runtime.output(name))
    return name


ROUNDS = 24  # a runtime that is visible while it still is on the host lost within 3
MOST = 200   # until he met it once, on a busy machine


@pytest.mark.attack("CVE-2016-9962", "the container's root, with ptrace rights, takes the process "
                    "that exec brings in while it still is the runtime",
                    "exec becomes visible when nothing but the workload's own is left to it")
@pytest.mark.parametrize("rights", [[], ["CAP_SYS_PTRACE"]], ids=["usual", "ptrace"])
def test_the_joiner_is_taken_by_the_containers_root(runtime, victim, probe_program, secret, rights):
    name = hostile(runtime, victim, probe_program, secret, *rights)
    for number in range(MOST):
        try:
            assert runtime("exec", name, "/bin/true", timeout=30).status == 0
        except subprocess.TimeoutExpired:
            escaped(True, "exec hangs in his hands")
        out = runtime.output(name)
        # Those that were the workload already when he saw them prove nothing.
        met = set(re.findall("^NEW (.+)", out, re.MULTILINE)) - {"true"}
        if met and number + 1 >= ROUNDS:
            break
    assert met, f"he never met the runtime: {out}"
    for word in ("SECRET", "DESCRIPTOR", "RIGHTS"):
        found = [line for line in out.splitlines() if line.startswith(word)]
        escaped(found, "; ".join(found))


# --- what exec finds in a container that its root has changed

TRAPS = {
    "a mount over the root": "mount -t tmpfs none / && echo taken",
    "another mount namespace": "unshare -m true && exec unshare -m sh -c 'mount -t tmpfs none /opt && "
                               "echo taken || echo refused; exec sleep 1000'",
    "a root of its own": "mkdir -p /jail/bin && cp /bin/busybox /jail/bin/ && cp /bin/busybox /jail/bin/sh"
                         " && ln -s busybox /jail/bin/sleep && chroot /jail /bin/sleep 0 && exec chroot /jail "
                         "/bin/sh -c 'echo taken; exec /bin/sleep 1000'",
    "a false /proc": "mount -t tmpfs none /proc && mkdir -p /proc/self/fd /proc/1 /proc/self/attr && "
                     "ln -s / /proc/1/root && echo taken",
    "the /proc of another pid namespace": "unshare -p -f true && exec unshare -p -f sh -c 'mount -t "
                                          "proc none /proc && echo taken || echo refused; exec sleep 1000'",
    "pivot_root": "mkdir -p /new && mount -t tmpfs none /new && mkdir -p /new/old /new/bin && "
                  "cp /bin/busybox /new/bin/sh && cp /bin/busybox /new/bin/sleep && "
                  "pivot_root /new /new/old && echo taken",
}


@pytest.mark.attack("hostile first process", "it mounts over its root, leaves it, or exchanges its /proc "
                    "before exec comes in", "all namespaces by one setns on a pidfd; \"/\" must be the "
                    "rootfs that create saw; the host's /proc by a descriptor")
@pytest.mark.parametrize("trap", TRAPS)
def test_exec_into_a_root_that_was_exchanged(runtime, victim, secret, trap):
    for names in victim.config["process"]["capabilities"].values():
        names.append("CAP_SYS_ADMIN")
    name = runtime.create(victim.sh(f"{TRAPS[trap]} || echo refused; sleep 1000"))
    assert runtime("exec", name, "/bin/true").status == 0
    runtime.start(name)
    assert harness.wait_for(lambda: {"taken", "refused"} & set(runtime.output(name).split()))
    # `default` has taken his rights away; where he keeps them, it is he who sets the trap.
    assert ("taken" in runtime.output(name)) == (runtime.name != "default"), runtime.output(name)
    assert runtime.status(name) == "running"
    for program in ("/bin/cat", "/proc/1/root/bin/cat", "../../../../bin/cat"):
        for path in (secret, f"/proc/1/root{secret}", f"../../../../../..{secret}"):
            done = runtime("exec", name, program, str(path), timeout=40)
            escaped("of the host" in done.out, f"read {path} of the host by {program}")


FILES = {
    "fifo": "rm -f {} && mkfifo {}", "device": "rm -f {} && mknod {} c 1 5",
    "terminal": "rm -f {} && ln -s /dev/tty {}",
    "directory": "rm -f {} && mkdir {}", "loop": "rm -f {} && ln -s {} {}",
    "kernel log": "rm -f {} && ln -s /proc/kmsg {}", "the host by /proc": "rm -f {} && "
    "ln -s /proc/1/root/../../../../../../..SECRET {}",
    "endless": "rm -f {} && yes x:x:1:1:x:/:/bin/sh | head -c 20000000 >{}",
}


@pytest.mark.attack("hostile first process", "/etc/passwd and /etc/group become a FIFO, a device, a loop, "
                    "the kernel's log, 20 MB while exec reads them",
                    "looked at by a descriptor that does not open; only regular files of a disk, 4 MiB")
@pytest.mark.parametrize("kind", FILES)
def test_exec_reads_identity_files_of_the_attacker(runtime, victim, secret, kind):
    change = " && ".join(FILES[kind].replace("{}", f"/etc/{file}").replace("SECRET", str(secret))
                        for file in ("passwd", "group"))
    name = runtime.create(victim.sh(f"{change} && echo taken || echo refused; sleep 1000"))
    runtime.start(name)
    assert harness.wait_for(lambda: {"taken", "refused"} & set(runtime.output(name).split()))
    # `default` has a rootfs that he can not write to.
    assert ("taken" in runtime.output(name)) == (runtime.name != "default"), runtime.output(name)
    try:
        done = runtime("exec", name, "/bin/sh", "-c", "echo ran; echo $HOME", timeout=40)
    except subprocess.TimeoutExpired:
        escaped(True, "exec hangs")
    assert not runtime.ours or done.out.startswith("ran\n"), done
    escaped("of the host" in done.out, "HOME is of a file of the host")


@pytest.mark.attack("hostile first process", "it kills or stops all that it sees, as fast as it can",
                    "signals reach its own pid namespace alone")
@pytest.mark.parametrize("name", ["KILL", "STOP", "TERM"])
def test_signals_from_inside_at_what_exec_brings_in(runtime, victim, name):
    container = runtime.create(victim.sh(f"echo up; while :; do kill -{name} -1; done"))
    runtime.start(container)
    assert harness.wait_for(lambda: "up" in runtime.output(container))
    beside = subprocess.Popen(["sleep", "1000"])
    try:
        for _ in range(2):
            process = runtime.start_process("exec", container, "/bin/true",
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if not harness.wait_for(lambda p=process: p.poll() is not None, 1):
                process.kill()
            escaped(process.wait(5) == -getattr(signal, f"SIG{name}") and name != "KILL",
                    "it reached the runtime on the host")
        assert beside.poll() is None
        deleting = runtime.start_process("delete", "--force", container)
        # What exec has left is our child, and its pid namespace ends when it is reaped.
        ended = harness.wait_for(lambda: harness.reap() or deleting.poll() is not None)
        deleting.communicate()
        escaped(not ended, "the container can not be taken away")
    finally:
        beside.kill()
        beside.wait()


@pytest.mark.attack("CVE-2017-5226's lesson", "the workload types into the terminal of its caller "
                    "(TIOCSTI)", "a session of its own: the caller's terminal is not its own")
@pytest.mark.parametrize("command", ["run", "exec"])
def test_typing_into_the_callers_terminal(runtime, victim, probe_program, command):
    """With the capability, kernels take it from whoever has the terminal open."""
    shutil.copy(probe_program("probe"), victim.rootfs / "probe")
    typing = [call("ioctl", 0, 0x5412, f"@{letter}", label=f"i{i}")
              for i, letter in enumerate("id\n")]
    words = ["/probe", *typing]
    if command == "exec":
        words = ["exec", runtime.running(victim), *words]
    else:
        words = ["run", "-b", victim.args(*words).path, runtime.id()]
    shell = f"exec {shlex.join(map(str, runtime.command(*words)))}"
    pid, master = pty.fork()
    if pid == 0:
        os.execv("/bin/sh", ["sh", "-c", shell])
    text = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(master, 4096):
            text += chunk
    os.close(master)
    os.waitpid(pid, 0)
    assert b"i0=" in text, text
    escaped(b"=OK" in text, "typed into it")
