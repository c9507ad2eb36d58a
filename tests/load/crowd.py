"""Many commands at once, as a busy engine gives them: posix_spawn, no thread for each, and what each
said in a file of memory (a detached workload that keeps it open keeps nobody waiting)."""

import contextlib
import os
import select
import signal
import time

NULL = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
# A command that takes longer hangs. Emulation is twenty times slower, and 64 share a processor.
PATIENCE = 120


class Hangs(AssertionError):
    """A command did not come to an end."""


class Command:
    """One command: words before it runs; status, out, err and figures afterwards."""

    def __init__(self, words, tag=None):
        self.words, self.tag, self.pid, self.status = [str(word) for word in words], tag, None, None

    def begin(self):
        self.files = [os.memfd_create(name, os.MFD_CLOEXEC) for name in ("out", "err")]
        actions = [(os.POSIX_SPAWN_DUP2, fd, number)
                   for number, fd in enumerate((NULL, *self.files))]
        self.began = time.monotonic()
        self.pid = os.posix_spawn(self.words[0], self.words, os.environ, file_actions=actions)
        self.pidfd = os.pidfd_open(self.pid)

    def end(self, status, usage):
        self.seconds = time.monotonic() - self.began
        self.status = os.waitstatus_to_exitcode(status)
        self.processor, self.memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
        self.out, self.err = (os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace")
                              for fd in self.files)
        for fd in (*self.files, self.pidfd):
            os.close(fd)

    def __repr__(self):
        return (f"\n$ {' '.join(self.words)}\nstatus {self.status}\n--- stdout\n{self.out[-1000:]}"
                f"\n--- stderr\n{self.err[-1000:]}")


# All that run now: who waits for one of them may bury another's.
everybody = {}


def bury():
    """Takes the statuses of all children that have ended, and of orphans that came to us: a zombie
    keeps its pid namespace, and who deletes the container waits for that."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.wait4(-1, os.WNOHANG))[0]:
            pid, status, usage = ended
            if pid in everybody:
                everybody.pop(pid).end(status, usage)


class Crowd:
    """Commands that run now."""

    def __init__(self):
        self.running = {}

    def begin(self, command):
        command.begin()
        self.running[command.pid] = everybody[command.pid] = command
        return command

    def ended(self, seconds=None):
        """The next one that has ended; None after so many seconds."""
        end = time.monotonic() + (seconds or PATIENCE)
        while self.running:
            bury()
            for pid, command in self.running.items():
                if command.status is not None:
                    del self.running[pid]
                    return command
            if time.monotonic() > end:
                break
            self.wait(min(0.2, end - time.monotonic()))
        oldest = min((c for c in self.running.values()), key=lambda c: c.began, default=None)
        if oldest and time.monotonic() - oldest.began > PATIENCE:
            said = f"no end after {PATIENCE} s: {oldest.words} {where(oldest.pid)}"
            self.kill()
            raise Hangs(said)
        return None

    def wait(self, seconds):
        """Until one of them has ended. Orphans tell nobody, and wait a little."""
        poll = select.poll()
        for command in self.running.values():
            poll.register(command.pidfd)
        poll.poll(max(0, seconds) * 1000)

    def kill(self):
        for pid in self.running:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                del everybody[pid]
        self.running = {}


def run(commands, width=1):
    """Runs all commands, `width` at a time, and yields each as it ends."""
    crowd, commands = Crowd(), iter(commands)
    try:
        for command in commands:
            crowd.begin(command)
            if len(crowd.running) >= width:
                yield crowd.ended()
        while crowd.running:
            yield crowd.ended()
    finally:
        crowd.kill()


def where(pid):
    """In which system call a process hangs."""
    try:
        with open(f"/proc/{pid}/stack", encoding="ascii") as stack, \
                open(f"/proc/{pid}/syscall", encoding="ascii") as call:
            return call.read() + stack.read()
    except OSError as why:
        return str(why)
