"""exec --tty: the same between the caller's terminal and the process's as with `run`."""

import os
import select
import signal
import socket

import pytest

import harness
from test_terminal import ConsoleSocket, Terminal, set_size


@pytest.fixture
def shell(runsafe, bundle):
    """Starts `exec -t` in a terminal of its own, in one running container."""
    name = runsafe.running(bundle)
    opened = []

    def start(*words, **more):
        opened.append(Terminal(runsafe.command("exec", "-t", name, *words), **more))
        return opened[-1]

    start.container = name
    yield start
    for each in opened:
        each.close()


@pytest.fixture
def console(folder):
    made = ConsoleSocket(folder / "console")
    yield made
    made.close()


def test_exec_relays_both_ways_and_restores_the_terminal(shell):
    t = shell("sh", "-c", "echo up; read line; echo got $line; exit 5")
    t.expect("up\r\n")
    assert harness.wait_for(t.is_raw)
    t.type("hello\r")
    t.expect("got hello\r\n")
    assert t.end() == 5
    assert t.mode() == t.before


def test_exec_has_the_callers_size_and_follows_it(shell):
    t = shell("sh", "-c", "stty size; trap 'stty size; exit 0' WINCH; echo up; "
                          "while :; do sleep 0.1; done", rows=31, columns=99)
    t.expect("31 99\r\n")
    t.expect("up")
    set_size(t.master, 40, 120)
    t.expect("40 120")
    assert t.end() == 0


def test_exec_terminal_belongs_to_the_user_and_leads_its_session(shell):
    t = shell("sh", "-c", "stat -c %u $(tty); ps -o pid,sid,tty | grep $$ | head -1; id -u")
    t.expect("1000\r\n")
    t.expect("1000\r\n")
    assert t.end() == 0


def test_ctrl_c_ends_what_exec_runs_and_not_the_container(runsafe, shell):
    t = shell("sh", "-c", "echo up; sleep 1000")
    t.expect("up")
    assert harness.wait_for(t.is_raw)
    t.type("\x03")
    assert t.end() == 130
    assert t.mode() == t.before
    assert runsafe.status(shell.container) == "running"


def test_a_crash_of_what_exec_runs_leaves_a_usable_terminal(shell):
    t = shell("sh", "-c", "stty raw -echo; echo up; kill -SEGV $$")
    t.expect("up")
    assert t.end() == 128 + signal.SIGSEGV
    assert t.mode() == t.before


def test_the_end_of_the_container_ends_exec_and_restores_the_terminal(runsafe, shell):
    t = shell("sh", "-c", "echo up; sleep 1000")
    t.expect("up")
    assert harness.wait_for(t.is_raw)
    killing = runsafe.start_process("kill", shell.container, "KILL")
    assert t.end() == 137
    assert killing.wait(harness.TIME_LIMIT) == 0
    assert t.mode() == t.before


def test_exec_detached_hands_its_terminal_to_the_console_socket(runsafe, bundle, console):
    name = runsafe.running(bundle)
    runsafe.ok("exec", "-t", "-d", "--console-socket", console.path, "--pid-file",
               bundle.path / "pid", name, "sh", "-c", "tty; echo hello")
    console.receive()
    os.waitpid(int((bundle.path / "pid").read_text()), 0)
    assert console.read_all().split() == ["/dev/pts/0", "hello"]
    assert console.name == b"/dev/ptmx"


def test_exec_detached_with_a_terminal_needs_a_console_socket(runsafe, bundle, console):
    name = runsafe.running(bundle)
    runsafe.fails("exec", "-t", "-d", name, "true", words=["terminal", "--console-socket"],
                  status=255)
    runsafe.fails("exec", "-d", "--console-socket", console.path, name, "true",
                  words=["--console-socket", "--tty"], status=255)


def test_a_program_that_is_not_there_leaves_the_console_socket_alone(runsafe, bundle, console):
    """conmon takes a connection without a terminal for the end of the runtime, and drops its error."""
    name = runsafe.running(bundle)
    runsafe.fails("exec", "-t", "-d", "--console-socket", console.path, name, "nosuch",
                  words=["executable file not found in $PATH"], status=127)
    bundle.set("process.terminal", True).args("nosuch")
    runsafe.fails("create", "-b", bundle.path, "--console-socket", console.path, runsafe.id(),
                  words=["executable file not found in $PATH"])
    assert not select.select([console.listener], [], [], 0)[0]


def test_exec_with_a_console_socket_that_nobody_listens_on(runsafe, bundle, folder):
    name = runsafe.running(bundle)
    runsafe.fails("exec", "-t", "-d", "--console-socket", folder / "none", name, "true",
                  words=["--console-socket", "no such file or directory"], status=255)


@pytest.mark.parametrize("command", ["exec", "create"])
def test_a_console_socket_that_never_answers_does_not_hold_us_for_ever(runsafe, bundle, folder,
                                                                       command):
    """unix(7): connect(2) waits while the queue of connections is full."""
    path = str(folder / "full")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(path)
    name = runsafe.running(bundle)
    if command == "exec":
        runsafe.fails("exec", "-t", "-d", "--console-socket", path, name, "true",
                      words=["--console-socket", "did not answer"], status=255)
    else:
        bundle.set("process.terminal", True)
        runsafe.fails("create", "-b", bundle.path, "--console-socket", path, runsafe.id(),
                      words=["--console-socket", "did not answer"])
    for one in [listener, *waiting]:
        one.close()
