"""Sockets, files and settings that the runtime is handed by others, or that a workload has the other
end of."""

import contextlib
import os
import resource
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

import harness
from attacks import escaped

LIMIT = 40  # seconds: what takes longer hangs


def ends(runtime, what, *words, **more):
    """The command's result; escaped when there is none in time."""
    try:
        done = runtime(*words, timeout=LIMIT, **more)
    except subprocess.TimeoutExpired:
        escaped(True, f"{what}: it hangs")
    escaped(done.status < 0, f"{what}: it crashed by signal {-done.status}")
    return done


def take_away(runtime, name):
    """A detached process of exec is our child, and its pid namespace ends when it is reaped."""
    deleting = runtime.start_process("delete", "--force", name)
    assert harness.wait_for(lambda: harness.reap() or deleting.poll() is not None)
    deleting.communicate()


# --- the console socket

def closes(server):
    server.accept()[0].close()


def never_reads(server):
    time.sleep(LIMIT)
    server.close()


def talks(server):
    """Garbage and a descriptor of its own, and the end only after a while."""
    client = server.accept()[0]
    with contextlib.suppress(OSError):
        socket.send_fds(client, [b"\0garbage\xff" * 100], [0, 1, 2])
        client.recv(10)
    time.sleep(0.5)
    client.close()


PEERS = {"closes": closes, "never accepts": never_reads, "talks": talks}
PLACES = {"regular file": lambda p, secret: p.write_text("a file\n"), "fifo": lambda p, _: os.mkfifo(p),
          "directory": lambda p, _: p.mkdir(), "symlink": lambda p, secret: p.symlink_to(secret),
          "nothing": lambda p, _: None}


@pytest.fixture
def tty(victim):
    victim.set("process.terminal", True)
    return victim


@pytest.mark.attack("hostile console socket", "who listens there closes at once, never answers, sends "
                    "garbage and descriptors; or a file, a FIFO, a symlink lies there",
                    "only connected to and sent to, with a time limit; nothing is read")
@pytest.mark.parametrize("kind", [*PEERS, *PLACES])
@pytest.mark.parametrize("command", ["create", "exec"])
def test_a_console_socket_of_an_enemy(runtime, tty, folder, secret, kind, command):
    place = folder / "console"
    before = secret.read_text()
    if command == "exec":
        tty.set("process.terminal", False)
        name = runtime.running(tty)
        words = ["exec", "-t", "-d", "--console-socket", place, name, "/bin/true"]
    else:
        words = ["create", "-b", tty.args("/bin/true").path, "--console-socket", place, runtime.id()]
    if kind in PEERS:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(place))
            server.listen(1)
            threading.Thread(target=PEERS[kind], args=[server], daemon=True).start()
            ends(runtime, f"a peer that {kind}", *words)
    else:
        PLACES[kind](place, secret)
        done = ends(runtime, kind, *words)
        assert done.status != 0
        escaped(secret.read_text() != before, "it wrote to a file of the host")
    for name in runtime.ids():
        take_away(runtime, name)


# --- the service manager

@pytest.fixture
def manager(folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(folder / "manager"))
        (folder / "manager").chmod(0o777)
        server.setblocking(False)
        yield server


def heard(manager):
    """All messages until now, and how many descriptors came with them."""
    messages, descriptors = [], 0
    while True:
        try:
            text, fds, _, _ = socket.recv_fds(manager, 200000, 50)
        except BlockingIOError:
            return messages, descriptors
        for fd in fds:
            os.close(fd)
        messages.append(text.decode(errors="replace"))
        descriptors += len(fds)


def collect(manager, process):
    """As heard(), while it runs: a queue is soon full."""
    messages, descriptors = [], 0
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        ended = process.poll() is not None
        more, fds = heard(manager)
        messages, descriptors = messages + more, descriptors + fds
        if ended:
            break
        time.sleep(0.01)
    return messages, descriptors


@pytest.mark.attack("hostile notify socket", "the workload tells the host's service manager another "
                    "MAINPID, to keep descriptors, to wait; with line breaks, NULs, 100,000 bytes, "
                    "3,000 messages", "of all that only READY=1 goes on, once, with the pid that "
                    "runsafe knows")
def test_what_the_workload_tells_the_service_manager(runtime, victim, folder, manager,
                                                     probe_program):
    victim.file("/bin/shout", probe_program("shout").read_bytes(), 0o755)
    env = dict(os.environ, NOTIFY_SOCKET=str(folder / "manager"))
    process = runtime.start_process("run", "-b", victim.args("/bin/shout").path, runtime.id(), env=env)
    messages, descriptors = collect(manager, process)
    process.communicate()
    if not runtime.ours and not messages:
        pytest.skip("it does not hand on what the workload says")
    lines = {line for message in messages for line in message.split("\n") if line}
    wrong = {line for line in lines
             if line != "READY=1" and not line.startswith("MAINPID=") or line == "MAINPID=1"}
    escaped(descriptors, "handed on descriptors of the workload")
    escaped(wrong, "handed on " + ", ".join(sorted(wrong)).replace("\0", " ")[:90])
    assert not runtime.ours or len(messages) == 1 and "READY=1" in messages[0], messages


@pytest.mark.attack("hostile notify socket", "the workload sends messages without end, so that the "
                    "runtime hears nothing else", "a bounded number is read before signals are")
def test_a_workload_that_floods_the_notify_socket(runtime, victim, folder, manager, probe_program):
    victim.file("/bin/shout", probe_program("shout").read_bytes(), 0o755)
    victim.sh("trap 'exit 7' TERM; for i in 1 2 3 4; do /bin/shout flood & done; while :; do wait; "
              "done")
    env = dict(os.environ, NOTIFY_SOCKET=str(folder / "manager"))
    name = runtime.id()
    process = runtime.start_process("run", "-b", victim.path, name, env=env)
    try:
        assert harness.wait_for(lambda: name in runtime.ids() and
                                runtime("state", name).out.count('"running"'))
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        escaped(not harness.wait_for(lambda: heard(manager) and process.poll() is not None, LIMIT),
                "a signal to the runtime was not handled")
    finally:
        runtime("delete", "--force", name)
        process.kill()
        process.communicate()


# --- files that the caller names

@pytest.mark.attack("hostile --pid-file", "where the pid file is to be lies a symlink to a file of the "
                    "host, which somebody put there", "written beside and renamed")
@pytest.mark.parametrize("command", ["create", "exec"])
def test_a_pid_file_that_is_a_symlink(runtime, victim, folder, secret, command):
    place = folder / "pid"
    place.symlink_to(secret)
    if command == "create":
        name = runtime.create(victim.args("/bin/sleep", "1000"), "--pid-file", place)
        pid = runtime.state(name)["pid"]
    else:
        name = runtime.running(victim)
        runtime("exec", "-d", "--pid-file", place, name, "/bin/true")
        pid = None
    written, at = secret.read_text(), place.read_text()
    take_away(runtime, name)
    escaped(written != "of the host\n", "it wrote to a file of the host")
    assert pid is None or int(at) == pid


@pytest.mark.attack("hostile --pid-file, --log", "a FIFO that nobody reads lies there",
                    "nothing is opened that waits")
@pytest.mark.parametrize("option", ["--pid-file", "--log"])
def test_a_fifo_where_a_file_is_to_be_written(runtime, victim, folder, option):
    place = folder / "fifo"
    os.mkfifo(place)
    if option == "--log":
        runtime.log = place
        ends(runtime, "a log that is a FIFO", "state", "nobody")
        runtime.log = folder / "log"
    else:
        ends(runtime, "a pid file that is a FIFO", "create", "--pid-file", place, "-b",
             victim.args("/bin/true").path, runtime.id())


# --- what a caller leaves to the runtime

def ignore_all():
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)


def block_all():
    signal.pthread_sigmask(signal.SIG_SETMASK, set(range(1, signal.NSIG)))


def in_a_folder_that_is_gone():
    os.mkdir("/tmp/gone")
    os.chdir("/tmp/gone")
    os.rmdir("/tmp/gone")


def limit(kind, value):
    return lambda: resource.setrlimit(kind, (value, value))


INHERITED = {
    "ignored signals": ignore_all, "blocked signals": block_all, "umask 0": lambda: os.umask(0),
    "a folder that is gone": in_a_folder_that_is_gone,
    "no stdin": lambda: os.close(0),
    "12 descriptors": limit(resource.RLIMIT_NOFILE, 12),
    "stdin a folder": lambda: os.dup2(os.open("/", os.O_RDONLY), 0),
    "nice": lambda: os.nice(5), "a process group of its own": lambda: os.setpgid(0, 0),
    "64 KiB of files": limit(resource.RLIMIT_FSIZE, 65536),
}


@pytest.mark.attack("hostile caller's state", "signals ignored or blocked, umask 0, no stdin, few "
                    "descriptors, a working directory that is gone",
                    "reset, or an error that says so; none of it reaches the workload")
@pytest.mark.parametrize("kind", INHERITED)
def test_what_the_runtime_inherits(runtime, victim, kind):
    script = "cat /proc/self/status; umask; echo made >/tmp/made; ls -l /tmp/made; exit 42"
    done = ends(runtime, kind, "run", "-b", victim.sh(script).path, runtime.id(),
                preexec_fn=INHERITED[kind])
    if done.status != 42:
        assert done.err.strip(), done
        return
    facts = done.facts()
    for name in ("SigIgn", "SigBlk"):
        escaped(int(facts[name], 16) and kind.endswith("signals"),
                f"the workload has the caller's {name} {facts[name]}")
    escaped("-rw-rw-rw-" in done.out, "the workload has the caller's umask")


@pytest.mark.attack("hostile caller's state", "umask 0: states that everybody can write to",
                    "modes are set, whatever the umask is")
def test_a_state_under_umask_0(runtime, victim):
    name = runtime.create(victim.args("/bin/sleep", "1000"), preexec_fn=lambda: os.umask(0))
    for path in [runtime.root, *runtime.root.rglob("*")]:
        mode = path.lstat().st_mode
        escaped(stat.S_IFMT(mode) in (stat.S_IFREG, stat.S_IFDIR) and mode & 0o022,
                f"{path.name} can be written to by others ({mode & 0o777:o})")
    assert runtime.status(name) == "created"


ENVIRONMENT = {
    "LD_PRELOAD": "/no/where.so", "LD_LIBRARY_PATH": "/no/where", "GLIBC_TUNABLES": "glibc.x=y",
    "LISTEN_FDS": "4294967297", "LISTEN_PID": "-1", "NOTIFY_SOCKET": "relative", "PATH": "",
    "XDG_RUNTIME_DIR": "/no/where", "HOME": "x\ny:z", "LC_ALL": "../../x", "TMPDIR": "/no/where",
    "IFS": "/", "BASH_ENV": "/no/where", "TZ": ":/etc/shadow", "_LIBCONTAINER_INITPIPE": "3",
}


@pytest.mark.attack("hostile caller's state", "an environment that is meant for libraries, shells and "
                    "other runtimes", "nothing of it reaches the workload or decides anything")
def test_the_environment_of_the_caller(runtime, victim):
    done = ends(runtime, "the environment", "run", "-b", victim.sh("env; id -u").path, runtime.id(),
                env=ENVIRONMENT)
    assert done.status == 0 or not runtime.ours, done
    seen = [f"{k}={v}" for k, v in ENVIRONMENT.items() if f"{k}={v}" in done.lines]
    escaped(seen, f"the workload has {', '.join(seen)}")
    assert ends(runtime, "an empty one", "run", "-b", victim.path, runtime.id(), env={}).status == 0 \
        or not runtime.ours


# --- hooks

HOOK = """#!/bin/sh
{{ echo $0; env; pwd; cat; }} >>{said}
"""


@pytest.mark.attack("hostile hook environment", "the image has its own program at a hook's path, and "
                    "variables that a loader or shell acts upon",
                    "hooks are the host's files with their own environment alone")
@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer", "poststart",
                                  "poststop"])
def test_a_hook_of_the_host_by_the_image(runtime, victim, folder, kind):
    said, hook = folder / "said", folder / "hook"
    hook.write_text(HOOK.format(said=said))
    hook.chmod(0o755)
    marker = folder / "evil"
    victim.file(str(hook), f"#!/bin/sh\ntouch {marker} /marker\n", 0o755)
    for name in ("/etc/profile", "/etc/ld.so.preload"):
        victim.file(name, "touch /marker\n")
    victim.config["process"]["env"] += ["LD_PRELOAD=/evil.so", "BASH_ENV=/evil", "ENV=/evil"]
    victim.set("hooks", {kind: [{"path": str(hook), "env": ["OWN=1"]}]})
    done = runtime.run(victim.args("/bin/true"))
    ran = said.exists() and said.read_text()
    escaped((victim.rootfs / "marker").exists() or marker.exists(), "ran the image's program")
    if not ran:
        assert done.status != 0 or kind == "createContainer", done
        return
    escaped("evil" in ran, "the hook has the workload's environment")
    assert "OWN=1" in ran and str(victim.path) in ran, ran
