"""--pidfd-socket, as runc 1.2 has it: the pidfd of the process, sent over a socket."""

import json
import os
import re
import signal
import socket

import pytest

import harness


class Listener:
    """Takes one descriptor with the text that comes along."""

    def __init__(self, path):
        self.path = path
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        self.server.settimeout(harness.TIME_LIMIT)

    def take(self):
        connection, _ = self.server.accept()
        with connection:
            text, fds, _, _ = socket.recv_fds(connection, 4096, 1)
        (fd,) = fds
        return text.decode(), fd


@pytest.fixture
def listener(tmp_path):
    it = Listener(tmp_path / "pidfd.sock")
    yield it
    it.server.close()


def pid_of(pidfd):
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as f:
        return int(re.search(r"^Pid:\s*(-?\d+)$", f.read(), re.M)[1])


@pytest.mark.parametrize("words", [("create",), ("run", "--detach")])
def test_the_pidfd_is_that_of_the_first_process(runsafe, bundle, listener, words):
    name = runsafe.id()
    runsafe.ok(*words, "--pidfd-socket", listener.path, "-b", bundle.sh("sleep 100").path, name)
    text, pidfd = listener.take()
    assert text == "standard"
    assert pid_of(pidfd) == runsafe.state(name)["pid"]
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    runsafe.wait_status(name, "stopped")
    os.close(pidfd)


def test_exec_sends_that_of_its_own_process(runsafe, bundle, listener, tmp_path):
    name = runsafe.running(bundle)
    pid_file = tmp_path / "pid"
    runsafe.ok("exec", "--detach", "--pidfd-socket", listener.path, "--pid-file", pid_file, name,
               "sleep", "100")
    text, pidfd = listener.take()
    assert text == "setns"
    assert pid_of(pidfd) == int(pid_file.read_text()) != runsafe.state(name)["pid"]
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.waitid(os.P_PIDFD, pidfd, os.WEXITED)  # the container can not end before: it is our child
    os.close(pidfd)


def test_the_process_does_not_get_the_socket(runsafe, bundle, listener):
    done = runsafe.ok("run", "--pidfd-socket", listener.path, "-b", bundle.sh("ls /proc/self/fd").path,
                      runsafe.id())
    assert done.out.split() == ["0", "1", "2", "3"]  # 3 is ls's own


@pytest.mark.parametrize("command", ["create", "exec"])
def test_without_a_listener_nothing_starts(runsafe, bundle, tmp_path, command):
    missing = tmp_path / "nobody"
    if command == "exec":
        name = runsafe.running(bundle)
        runsafe.fails("exec", "--pidfd-socket", missing, name, "true",
                      words=["--pidfd-socket", str(missing), "no such file or directory"], status=255)
        return
    name = runsafe.id()
    runsafe.fails("create", "--pidfd-socket", missing, "-b", bundle.path, name,
                  words=["--pidfd-socket", str(missing), "no such file or directory"])
    assert not (runsafe.root / name).exists()


def test_another_file_of_the_bundle_can_be_the_configuration(runsafe, bundle):
    """crun's --config."""
    folder = bundle.sh("echo of the other").path
    config = json.loads((folder / "config.json").read_text())
    (folder / "other.json").write_text(json.dumps(config))
    (folder / "config.json").unlink()
    assert runsafe.ok("run", "--config", "other.json", "-b", folder, runsafe.id()).out == "of the other\n"
    runsafe.fails("run", "-f", "none.json", "-b", folder, runsafe.id(),
                  words=["none.json", "no such file or directory"])
