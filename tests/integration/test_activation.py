"""What a service manager hands to a runtime: sockets (sd_listen_fds(3)) and a place to say that the
service is ready (sd_notify(3))."""

import os
import socket
import subprocess
import time

import pytest

import harness
import workload

NOTIFY = "/run/notify/notify.sock"


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0.3)

    def messages(self):
        found = []
        try:
            while True:
                found.append(self.socket.recv(4096).decode())
        except TimeoutError:
            return found


@pytest.fixture
def manager(folder):
    made = Manager(str(folder / "notify"))
    yield made
    made.socket.close()


@pytest.fixture
def env(folder):
    return {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(folder / "notify")}


@pytest.fixture
def ready(bundle, say):
    """A workload that does something, says a text to its socket, and goes on."""
    def make(*texts, before="", after="exec sleep 1000"):
        bundle.file("/bin/say", say, 0o755)
        says = "".join(f"/bin/say $NOTIFY_SOCKET '{text}'; " for text in texts)
        return bundle.sh(f"{before} {says} {after}")
    return make


@pytest.fixture(scope="session")
def say(tmp_path_factory):
    """A static program that sends its second argument to the datagram socket of its first."""
    return workload.build_probe("say", tmp_path_factory.mktemp("say")).read_bytes()


def test_start_waits_until_the_workload_is_ready(runsafe, ready, manager, env):
    """NOTIFY_SOCKET handed on as runc does: `start` returns with READY=1, which goes on."""
    bundle = ready("READY=1", before="sleep 0.5; ")
    name = runsafe.create(bundle, env=env)
    pid = runsafe.state(name)["pid"]
    began = time.monotonic()
    runsafe.ok("start", name, env=env)
    assert time.monotonic() - began > 0.4
    assert manager.messages() == [f"MAINPID={pid}\nREADY=1"]
    assert runsafe.status(name) == "running"


def test_run_detached_waits_until_the_workload_is_ready(runsafe, ready, manager, env):
    name = runsafe.id()
    runsafe.ok("run", "-d", "-b", ready("STATUS=up\nREADY=1").path, name, env=env)
    assert manager.messages() == [f"MAINPID={runsafe.state(name)['pid']}\nREADY=1"]


def test_run_in_the_foreground_hands_readiness_on(runsafe, ready, manager, env):
    done = runsafe.run(ready("READY=1", after="sleep 0.3"), env=env)
    assert done.status == 0, done
    said = manager.messages()
    assert len(said) == 1 and said[0].endswith("\nREADY=1"), said


def test_nothing_but_readiness_leaves_the_container(runsafe, ready, manager, env):
    """A container must not speak for its host's service: no MAINPID, STOPPING or ERRNO of its own."""
    name = runsafe.id()
    bundle = ready("MAINPID=1", "STOPPING=1", "READY=0", "XREADY=1",
                   after="sleep 0.5; /bin/say $NOTIFY_SOCKET 'MAINPID=1\nREADY=1\nERRNO=5'; "
                         "exec sleep 1000")
    began = time.monotonic()
    runsafe.ok("run", "-d", "-b", bundle.path, name, env=env)
    assert time.monotonic() - began > 0.4
    assert manager.messages() == [f"MAINPID={runsafe.state(name)['pid']}\nREADY=1"]


def test_start_returns_when_the_workload_ends_without_a_word(runsafe, bundle, manager, env):
    name = runsafe.create(bundle.sh("exit 0"), env=env)
    runsafe.ok("start", name, env=env)
    assert manager.messages() == []
    runsafe.wait_status(name, "stopped")


def test_an_abstract_socket_of_the_manager(runsafe, ready, folder):
    address = f"runsafe-test-{os.getpid()}"
    made = Manager("\0" + address)
    name = runsafe.id()
    runsafe.ok("run", "-d", "-b", ready("READY=1").path, name,
               env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": "@" + address})
    assert len(made.messages()) == 1
    made.socket.close()


def test_the_socket_is_all_that_is_in_its_folder(oci, plain, manager, env):
    runsafe = oci
    name = runsafe.create(plain.sh("ls /run/notify; touch /run/notify/x; rm -f /run/notify/*; "
                                    "ls /run/notify; echo $NOTIFY_SOCKET"), env=env)
    runsafe.ok("start", name, env=env)
    runsafe.wait_status(name, "stopped")
    lines = [l for l in runsafe.output(name).splitlines() if ":" not in l]
    assert lines == ["notify.sock", "notify.sock", NOTIFY]


def test_without_a_manager_there_is_no_socket(runsafe, bundle):
    done = runsafe.sh(bundle, "ls /run/notify 2>&1; echo [$NOTIFY_SOCKET]")
    assert done.lines[-1] == "[]"
    assert "No such file" in done.out


@pytest.fixture
def listening():
    """Two sockets on descriptors 3 and 4, as a service manager gives them."""
    sockets = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for number, one in enumerate(sockets):
        one.bind(f"\0runsafe-listen-{os.getpid()}-{number}")
        one.listen()
    yield [one.fileno() for one in sockets]
    for one in sockets:
        one.close()


def activated(runsafe, listening, *args, **env):
    """The command with the sockets on 3 and 4."""
    def place():
        high = [os.dup2(fd, 50 + i) for i, fd in enumerate(listening)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)
            os.close(fd)

    return subprocess.run(runsafe.command(*args), env={"PATH": os.environ["PATH"], **env},
                          preexec_fn=place, close_fds=False, capture_output=True, text=True,
                          timeout=harness.TIME_LIMIT, check=False)


SHOW = ("for f in 3 4 5; do readlink /proc/self/fd/$f | cut -d: -f1; done; "
        "echo $LISTEN_FDS $LISTEN_FDNAMES; [ $LISTEN_PID = $$ ] && echo mine")


def test_run_hands_listening_sockets_on(runsafe, bundle, listening):
    """Socket activation (LISTEN_FDS) too."""
    done = activated(runsafe, listening, "run", "-b", bundle.sh(SHOW).path, runsafe.id(),
                     LISTEN_FDS="2", LISTEN_FDNAMES="a:b")
    assert done.stdout.split() == ["socket", "socket", "2", "a:b", "mine"], done


def test_exec_hands_listening_sockets_on(runsafe, bundle, listening):
    name = runsafe.running(bundle)
    done = activated(runsafe, listening, "exec", name, "sh", "-c", SHOW, LISTEN_FDS="2")
    assert done.stdout.split() == ["socket", "socket", "2", "mine"], done


@pytest.mark.parametrize("env", [{"LISTEN_FDS": "2", "LISTEN_PID": "1"}, {"LISTEN_FDS": "x"},
                                 {"LISTEN_FDS": "-1"}, {"LISTEN_FDS": "0"}, {}])
def test_sockets_for_somebody_else_stay_outside(runsafe, bundle, listening, env):
    """sd_listen_fds(3): LISTEN_PID says whom they are for."""
    done = activated(runsafe, listening, "run", "-b",
                     bundle.sh("ls /proc/self/fd; echo [$LISTEN_FDS]").path, runsafe.id(), **env)
    assert done.stdout.split() == ["0", "1", "2", "3", "[]"], done
