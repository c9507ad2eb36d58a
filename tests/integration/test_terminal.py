"""process.terminal: the console socket, and `run` between its caller's terminal and the
container's. The caller's terminal is a pty of Python's here, with us as its user."""

import array
import contextlib
import errno
import fcntl
import hashlib
import os
import pathlib
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

import harness

RAW_OFF = termios.ECHO | termios.ICANON | termios.ISIG


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    """A terminal with a program in its foreground, as a shell or sshd gives one to a user."""

    def __init__(self, command, rows=30, columns=101, **more):
        self.master, self.slave = pty.openpty()
        set_size(self.master, rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""

        def lead():
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

        more = {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave,
                "preexec_fn": lead, **more}
        self.process = subprocess.Popen(command, **more)

    def read(self, seconds=0.1):
        """What comes within that time, until it is quiet."""
        while select.select([self.master], [], [], seconds)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError as error:
                assert error.errno == errno.EIO
                break
            if not data:
                break
            self.seen += data

    def expect(self, text, seconds=harness.TIME_LIMIT):
        """Waits until the text has been seen; forgets what came up to its end."""
        text = text.encode()
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, (text, self.seen[-2000:])
            self.read(0.05)
        self.seen = self.seen.partition(text)[2]

    def type(self, text):
        os.write(self.master, text.encode())

    def mode(self):
        return termios.tcgetattr(self.slave)

    def is_raw(self):
        return not self.mode()[3] & RAW_OFF

    def end(self, seconds=harness.TIME_LIMIT):
        """Waits for the program's end, and returns its status."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.seen[-2000:]
            self.read(0.05)
        self.read()
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.end(5)
            except AssertionError:
                self.process.kill()
                self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def tty(bundle):
    """The bundle, with a terminal."""
    return bundle.set("process.terminal", True)


@pytest.fixture
def terminal(runsafe):
    """Starts `run` of a bundle in a terminal of its own."""
    opened = []

    def start(bundle, *options, **more):
        opened.append(Terminal(
            runsafe.command("run", *options, "-b", bundle.path, runsafe.id()), **more))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


class ConsoleSocket:
    """What an engine listens on with --console-socket; one connection."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        here = os.getcwd()
        os.chdir(path.parent)  # sun_path holds 107 bytes; a name of a longer path must be short
        self.listener.bind(path.name)
        os.chdir(here)
        self.listener.listen(1)
        self.listener.settimeout(harness.TIME_LIMIT)
        self.master, self.name = -1, None

    def receive(self):
        connection, _ = self.listener.accept()
        fds = array.array("i")
        self.name, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
        for level, kind, data in control:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            fds.frombytes(data)
        assert len(fds) == 1
        self.master = fds[0]
        connection.close()
        return self.master

    def read_all(self, seconds=harness.TIME_LIMIT):
        """Until all have closed the other side."""
        text, end = b"", time.monotonic() + seconds
        while True:
            assert time.monotonic() < end, text
            if not select.select([self.master], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError as error:
                assert error.errno == errno.EIO
                return text.decode()
            text += data

    def close(self):
        self.listener.close()
        if self.master >= 0:
            os.close(self.master)


@pytest.fixture
def console(folder):
    made = ConsoleSocket(folder / "console")
    yield made
    made.close()


def test_create_hands_the_terminals_master_to_the_console_socket(runsafe, tty, console):
    """runc's terminals.md: one message with the name in it and the descriptor (SCM_RIGHTS)."""
    tty.sh("tty; test -t 0 && test -t 1 && test -t 2 && echo all three; read line; echo got $line")
    name = runsafe.create(tty, "--console-socket", console.path)
    master = console.receive()
    assert console.name, "engines name the file by it"
    assert os.isatty(master)
    runsafe.start(name)
    os.write(master, b"hello\n")
    text = console.read_all()
    assert "/dev/pts/0\r\n" in text or "/dev/console\r\n" in text, text
    # The echo of what was typed can come between a line and its end.
    assert "all three" in text and "got hello\r\n" in text, text
    runsafe.wait_status(name, "stopped")


@pytest.mark.parametrize("options", [[], ["--detach"]])
def test_run_takes_a_console_socket_too(runsafe, tty, console, options):
    tty.sh("echo hello; read line")
    name = runsafe.id()
    process = runsafe.start_process("run", *options, "--console-socket", console.path,
                                    "-b", tty.path, name)
    os.write(console.receive(), b"\n")
    assert "hello\r\n" in console.read_all()
    assert process.wait(harness.TIME_LIMIT) == 0
    assert process.communicate() == ("", "")


def test_a_receiver_that_hangs_up_is_noticed_by_the_workload(runsafe, tty, console):
    """Nobody of us may keep the master open beside the one who got it."""
    tty.sh("trap 'exit 9' HUP; echo up; while :; do sleep 0.1; done")
    process = runsafe.start_process("run", "--console-socket", console.path, "-b", tty.path,
                                    runsafe.id())
    master = console.receive()
    assert b"up" in os.read(master, 100)
    console.close()
    console.master = -1
    assert process.wait(20) == 9
    process.communicate()


def test_the_terminal_has_the_size_of_console_size(runsafe, tty, console):
    """config.md: consoleSize: height and width in characters."""
    tty.set("process.consoleSize", {"height": 33, "width": 111}).sh("stty size")
    name = runsafe.create(tty, "--console-socket", console.path)
    master = console.receive()
    assert struct.unpack("HHHH", fcntl.ioctl(master, termios.TIOCGWINSZ, b"\0" * 8))[:2] == (33, 111)
    runsafe.start(name)
    assert "33 111" in console.read_all()
    runsafe.wait_status(name, "stopped")


def test_the_terminal_belongs_to_the_workload(runsafe, tty, console):
    """So that mesg, tmux and a reopened /dev/tty or /dev/stdout work for it."""
    tty.sh("stat -c '%u %a %t' $(tty); stat -c %u /dev/console; echo a >/dev/tty; "
           "echo b >/dev/stdout; echo c >/dev/console; echo d >/proc/self/fd/2; id -u")
    name = runsafe.create(tty, "--console-socket", console.path)
    console.receive()
    runsafe.start(name)
    lines = console.read_all().split("\r\n")
    runsafe.wait_status(name, "stopped")
    assert lines == ["1000 620 88", "1000", "a", "b", "c", "d", "1000", ""], lines


def test_dev_console_is_the_terminal(runsafe, tty, console):
    """config-linux.md, default devices: /dev/console is set up if terminal is enabled."""
    tty.sh("stat -c '%t:%T' /dev/console $(tty); grep -c ' /dev/console ' /proc/self/mountinfo")
    name = runsafe.create(tty, "--console-socket", console.path)
    console.receive()
    runsafe.start(name)
    lines = console.read_all().split()
    runsafe.wait_status(name, "stopped")
    assert lines == ["88:0", "88:0", "1"], lines


def test_without_a_terminal_there_is_no_dev_console(runsafe, bundle):
    assert runsafe.sh(bundle, "test -e /dev/console || echo none").out == "none\n"


def test_the_workload_leads_its_session_on_the_terminal(runsafe, tty, console):
    tty.sh("ps -o pid,pgid,sid,tty 2>/dev/null | head -3; cut -d' ' -f 1,5,6,7,8 /proc/1/stat")
    name = runsafe.create(tty, "--console-socket", console.path)
    console.receive()
    runsafe.start(name)
    last = console.read_all().split("\r\n")[-2].split()
    runsafe.wait_status(name, "stopped")
    assert last[:3] == ["1", "1", "1"] and last[4] == "1", last
    assert int(last[3]) == os.makedev(136, 0), last


def test_a_console_socket_path_may_be_longer_than_a_socket_address(runsafe, tty, folder):
    """unix(7): sun_path holds 108 bytes; engines' folders are longer."""
    long = folder / ("d" * 120) / ("e" * 100)
    long.mkdir(parents=True)
    listener = ConsoleSocket(long / ("s" * 100))
    tty.sh("echo hello; read line")
    name = runsafe.create(tty, "--console-socket", listener.path)
    os.write(listener.receive(), b"\n")
    runsafe.start(name)
    assert "hello" in listener.read_all()
    runsafe.wait_status(name, "stopped")
    listener.close()


@pytest.mark.parametrize("kind,word", [("missing", "no such file or directory"),
                                       ("refused", "connection refused"),
                                       ("file", "connection refused"),
                                       ("long", "no such file or directory")])
def test_a_console_socket_that_nobody_listens_on(runsafe, tty, folder, kind, word):
    path = folder / ("x" * 150 if kind == "long" else "sock")
    if kind == "refused":
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(path)) if len(str(path)) < 108 else pytest.skip("path too long to bind")
        dead.close()
    elif kind == "file":
        path.write_text("")
    runsafe.create_fails(tty, "--console-socket", str(path), word,
                         options=["--console-socket", path])


def test_a_console_socket_without_a_terminal_is_refused(runsafe, bundle, console):
    runsafe.create_fails(bundle, "--console-socket", "process.terminal",
                         options=["--console-socket", console.path])


@pytest.mark.parametrize("args", [["create"], ["run", "--detach"]])
def test_a_terminal_that_nobody_would_hold_is_refused(runsafe, tty, args):
    runsafe.fails(*args, "-b", tty.path, runsafe.id(),
                  words=["process.terminal", "--console-socket"])
    assert runsafe.ids() == []


def test_a_terminal_needs_a_devpts(runsafe, tty, console):
    tty.config["mounts"] = [m for m in tty.config["mounts"] if m["destination"] != "/dev/pts"]
    runsafe.create_fails(tty.write(), "console", "/dev/pts",
                         options=["--console-socket", console.path])


def test_run_relays_both_ways_and_restores_the_terminal(tty, terminal):
    t = terminal(tty.sh("echo up; read line; echo got $line; exit 5"))
    t.expect("up\r\n")
    assert harness.wait_for(t.is_raw)
    t.type("hello\r")
    t.expect("hello\r\n")  # the inner terminal's echo: the outer one is raw
    t.expect("got hello\r\n")
    assert t.end() == 5
    assert t.mode() == t.before
    assert t.seen == b""


def test_the_workload_has_the_callers_size_from_its_first_moment(tty, terminal):
    t = terminal(tty.args("/bin/stty", "size"), rows=31, columns=99)
    t.expect("31 99\r\n")
    assert t.end() == 0


def test_a_change_of_the_terminals_size_reaches_the_workload(tty, terminal):
    """SIGWINCH, and the new size."""
    t = terminal(tty.sh("trap 'stty size; exit 0' WINCH; echo up; while :; do sleep 0.1; done"))
    t.expect("up")
    set_size(t.master, 40, 120)
    t.expect("40 120")
    assert t.end() == 0


def test_the_output_is_not_translated_twice(tty, terminal):
    """A full-screen program that turns the inner terminal's translation off means it."""
    t = terminal(tty.sh(r"printf 'a\nb'; stty -opost; printf 'c\nd'"))
    assert t.end() == 0
    assert t.seen == b"a\r\nbc\nd"


def test_ctrl_c_reaches_what_runs_inside(tty, terminal):
    t = terminal(tty.sh("trap 'echo caught; exit 6' INT; echo up; while :; do sleep 0.1; done"))
    t.expect("up")
    assert harness.wait_for(t.is_raw)
    t.type("\x03")
    t.expect("caught")
    assert t.end() == 6


def test_ctrl_c_in_an_inner_shell_ends_its_job_and_not_the_shell(tty, terminal):
    t = terminal(tty.args("/bin/sh", "-i"))
    t.type("echo $((6*7)); sleep 1000\r")
    t.expect("42\r\n")
    time.sleep(0.5)
    t.type("\x03")
    t.type("echo again=$((6*8)); exit 0\r")
    t.expect("again=48")
    assert t.end() == 0
    assert t.mode() == t.before


@pytest.mark.parametrize("key,status", [("\x03", 130), ("\x1c", 131)])
def test_a_key_ends_a_workload_without_a_handler(tty, terminal, key, status):
    """The issue: it behaves like a program run directly; as first process of its pid namespace
    it would not even notice (pid_namespaces(7))."""
    t = terminal(tty.sh("echo up; exec sleep 1000"))
    t.expect("up")
    assert harness.wait_for(t.is_raw)
    time.sleep(0.3)
    t.type(key)
    assert t.end() == status
    assert t.mode() == t.before


def test_a_key_is_only_a_byte_where_the_workload_reads_raw(tty, terminal):
    t = terminal(tty.sh("stty raw -echo; echo up; dd bs=1 count=1 2>/dev/null | od -An -tx1"))
    t.expect("up")
    t.type("\x03")
    t.expect("03")
    assert t.end() == 0


def stopped(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def shell_with_jobs(runsafe, bundle):
    """An interactive shell with job control, as a person has; `run` is its job."""
    command = " ".join(runsafe.command("run", "-b", bundle.path, runsafe.id()))
    t = Terminal(["/bin/bash", "--norc", "--noediting", "-i"],
                 env={"PS1": "outer> ", "PATH": os.environ["PATH"]})
    t.expect("outer> ")
    t.type(f"{command}\r")
    return t


def test_ctrl_z_stops_a_workload_without_a_handler_and_fg_continues_it(runsafe, tty):
    """Job control as for a program run directly: the container's processes stop, too."""
    t = shell_with_jobs(runsafe, tty.sh("echo u''p; exec sleep 1000"))
    try:
        t.expect("up\r\n")
        time.sleep(0.5)
        t.type("\x1a")
        t.expect("Stopped")
        t.expect("outer> ")
        t.type("echo cooked=$((6*7))\r")
        t.expect("cooked=42")
        t.expect("outer> ")
        t.type("fg\r")
        assert harness.wait_for(t.is_raw)
        time.sleep(0.3)
        t.type("\x03")
        t.expect("outer> ")
        t.type("echo status=$?\r")
        t.expect("status=130")
    finally:
        t.type("exit\rexit\r")
        t.close()


def test_ctrl_z_in_an_inner_shell_stops_its_own_job(tty, terminal):
    t = terminal(tty.args("/bin/sh", "-i"))
    t.type("echo $((6*7)); sleep 1000\r")
    t.expect("42\r\n")
    time.sleep(0.5)
    t.type("\x1a")
    t.expect("Stopped")
    assert not stopped(t.process.pid)
    t.type("kill %1; exit 3\r")
    time.sleep(0.2)
    t.type("exit 3\r")
    assert t.end() == 3


def test_a_stop_by_signal_restores_the_terminal_until_it_goes_on(runsafe, tty):
    """kill -TSTP of a program in raw mode: the shell gets a terminal that it can use."""
    t = shell_with_jobs(runsafe, tty.sh("echo u''p; read line; echo got $line"))
    try:
        t.expect("up\r\n")
        assert harness.wait_for(t.is_raw)
        os.kill(foreground(t), signal.SIGTSTP)
        t.expect("Stopped")
        assert harness.wait_for(lambda: not t.is_raw())
        t.type("fg\r")
        assert harness.wait_for(t.is_raw)
        t.type("hello\r")
        t.expect("got hello")
        t.expect("outer> ")
        assert not t.is_raw()
    finally:
        t.type("exit\rexit\r")
        t.close()


def foreground(t):
    return struct.unpack("i", fcntl.ioctl(t.master, termios.TIOCGPGRP, b"\0" * 4))[0]


def test_in_the_background_it_leaves_the_shells_terminal_alone(runsafe, tty):
    """tcsetattr(3) and SIGTTOU: only the foreground may change the terminal."""
    command = " ".join(runsafe.command("run", "-b", tty.path, runsafe.id()))
    tty.sh("echo u''p; read line; echo got $line")
    t = Terminal(["/bin/bash", "--norc", "--noediting", "-i"],
                 env={"PS1": "outer> ", "PATH": os.environ["PATH"]})
    try:
        t.expect("outer> ")
        t.type(f"{command} &\r")
        t.expect("up\r")
        time.sleep(0.3)
        assert not t.is_raw()
        t.type("echo mine=$((6*7))\r")
        t.expect("mine=42")
        t.type("fg\r")
        assert harness.wait_for(t.is_raw)
        t.type("hello\r")
        t.expect("got hello")
        t.expect("outer> ")
    finally:
        t.type("exit\rexit\r")
        t.close()


def test_ctrl_d_is_the_end_of_the_workloads_input(tty, terminal):
    t = terminal(tty.sh("cat; echo the end"))
    t.type("line\r")
    t.expect("line\r\nline\r\n")
    t.type("\x04")
    t.expect("the end")
    assert t.end() == 0


@pytest.mark.parametrize("text", ["", "a line\n", "no newline", "x" * 3000 + "\n" + "y" * 3000])
def test_the_end_of_a_pipe_is_the_end_of_the_workloads_input(runsafe, tty, text):
    """With a terminal inside and none outside, `echo hi | runsafe run` must still end."""
    tty.sh("stty -echo; echo up; sleep 0.2; cat | wc -c")
    process = runsafe.start_process("run", "-b", tty.path, runsafe.id(), stdin=subprocess.PIPE)
    assert process.stdout.readline() == "up\n"
    out, err = process.communicate(text, timeout=20)
    assert (out.strip(), err, process.returncode) == (str(len(text)), "", 0)


def test_the_last_output_is_there_before_run_ends(tty, terminal):
    """4000 lines just before the end: all of them, and in order."""
    t = terminal(tty.sh("seq 1 4000"))
    assert t.end() == 0
    t.read(0.5)
    assert t.seen.decode().split("\r\n")[:-1] == [str(n) for n in range(1, 4001)]


def test_a_slow_reader_loses_nothing(runsafe, tty):
    """The pipe behind stdout is full when the workload has ended already."""
    tty.sh("head -c 80000 /dev/zero | tr '\\0' x; echo; echo the end")
    process = runsafe.start_process("run", "-b", tty.path, runsafe.id())
    time.sleep(2)
    out, err = process.communicate(timeout=harness.TIME_LIMIT)
    assert len(out) == len("x" * 80000 + "\nthe end\n"), len(out)
    assert out.endswith("the end\n") and err == "" and process.returncode == 0


def test_a_reader_that_goes_away_does_not_hold_the_workload_up(runsafe, tty):
    tty.sh("seq 1 100000; exit 7")
    process = runsafe.start_process("run", "-b", tty.path, runsafe.id())
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(harness.TIME_LIMIT) == 7
    process.stderr.close()


def test_a_workload_that_crashes_leaves_a_usable_terminal(runsafe, tty, terminal):
    t = terminal(tty.sh("stty raw -echo; echo up; sh -c 'kill -SEGV $$'; exit $?"))
    t.expect("up")
    assert t.end() == 139
    assert t.mode() == t.before
    t = terminal(tty.sh("echo up; sleep 1000"))
    t.expect("up")
    assert harness.wait_for(t.is_raw)
    runsafe.ok("kill", runsafe.ids()[0], "KILL")
    assert t.end() == 137
    assert t.mode() == t.before


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT"])
def test_a_signal_that_ends_run_leaves_a_usable_terminal(tty, terminal, name):
    t = terminal(tty.sh("echo up; exec sleep 1000"))
    t.expect("up")
    assert harness.wait_for(t.is_raw)
    time.sleep(0.3)
    harness.send(t.process.pid, name)
    assert t.end() == 128 + getattr(signal, f"SIG{name}")
    assert t.mode() == t.before


def test_a_start_that_fails_leaves_the_terminal_as_it_was(tty, terminal):
    t = terminal(tty.args("/no/such/program"))
    assert t.end() == 127
    assert b"no such file or directory" in t.seen
    assert t.mode() == t.before


def test_a_terminal_that_is_hung_up_ends_the_container(runsafe, tty, terminal):
    """The window is closed, the connection lost: SIGHUP, as for a program run directly."""
    t = terminal(tty.sh("echo up; exec sleep 1000"))
    t.expect("up")
    time.sleep(0.3)
    os.close(t.master)
    os.close(t.slave)
    t.master, t.slave = pty.openpty()
    assert t.process.wait(20) == 129
    assert runsafe.ids() == []


def test_a_workload_that_closes_its_terminal_for_a_while_is_heard_again(tty, terminal):
    """systemd and other inits open /dev/console only when they have something to say."""
    t = terminal(tty.sh("echo one; exec 0<&- 1>&- 2>&-; sleep 0.5; echo two >/dev/console; "
                        "read line </dev/console; echo $line >/dev/console; exit 4"))
    t.expect("one\r\n")
    t.expect("two\r\n")
    t.type("hello\r")
    t.expect("hello\r\nhello\r\n")
    assert t.end() == 4


def test_two_containers_terminals_are_apart(runsafe, tty, new_bundle, terminal):
    other = new_bundle("other").set("process.terminal", True)
    one = terminal(tty.sh("echo up; read line; echo one $line"))
    two = terminal(other.sh("echo up; read line; echo two $line"))
    one.expect("up")
    two.expect("up")
    one.type("a\r")
    two.type("b\r")
    one.expect("one a")
    two.expect("two b")
    assert one.end() == two.end() == 0


def test_input_typed_fast_arrives_whole(tty, terminal):
    """Much more than the terminal's buffer, at once."""
    t = terminal(tty.sh("stty -echo -icanon; echo up; head -c 60000 | md5sum"))
    t.expect("up\r\n")
    text = ("0123456789abcde\r" * 3750).encode()
    assert len(text) == 60000
    writer = threading.Thread(target=lambda: write_all(t.master, text))
    writer.start()
    t.expect(hashlib.md5(text.replace(b"\r", b"\n")).hexdigest())
    writer.join()
    assert t.end() == 0


def write_all(fd, data):
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(fd, data[:1000]):]


def test_the_terminal_works_for_root_under_oci(runsafe, tty, console):
    oci = runsafe.with_options("--policy", "oci")
    tty.config["process"]["user"] = {"uid": 0, "gid": 0}
    tty.write().sh("stat -c %u $(tty); echo hello >/dev/console")
    name = oci.id()
    oci.ok("create", "--console-socket", console.path, "-b", tty.path, name)
    console.receive()
    oci.ok("start", name)
    assert console.read_all() == "0\r\nhello\r\n"
    runsafe.wait_status(name, "stopped")


def test_an_image_cannot_bend_the_terminals_path(runsafe, tty, console):
    """CVE-2025-52565: /dev/console of the image is a symlink to something of the host's."""
    tty.config["mounts"] = [m for m in tty.config["mounts"] if m["destination"] != "/dev"]
    (tty.rootfs / "dev/console").symlink_to("/etc/passwd")
    (tty.rootfs / "dev/pts").mkdir(exist_ok=True)
    host = pathlib.Path("/etc/passwd")
    before = host.stat().st_uid, host.read_text()
    tty.write().sh("cat /etc/passwd | head -1")
    result = runsafe("create", "--console-socket", console.path, "-b", tty.path, runsafe.id())
    assert (host.stat().st_uid, host.read_text()) == before
    assert result.status in (0, 1)
    runsafe.log.unlink(missing_ok=True)
