"""A client at a terminal: docker run -it, podman exec -it."""

import fcntl
import os
import pty
import select
import struct
import termios
import time

from engines import SLOWER


class Terminal:
    """Starts a command on a new terminal; use with `with`."""

    def __init__(self, *command, rows=24, columns=80):
        self.said = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execvp(command[0], [str(word) for word in command])
            finally:
                os._exit(127)
        self.resize(rows, columns)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)
        if self.pid:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)

    def resize(self, rows, columns):
        """The kernel tells the client (SIGWINCH)."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def _read(self, seconds):
        """Some more of what it says; False at the end."""
        if not select.select([self.fd], [], [], max(0, seconds))[0]:
            return True
        try:
            data = os.read(self.fd, 4096)
        except OSError:  # EIO: nobody has the other side open
            data = b""
        self.said += data.decode(errors="replace")
        return bool(data)

    def expect(self, text, seconds=15):
        """Reads until it says text; what came before and it are taken out of `said`."""
        end = time.monotonic() + seconds * SLOWER
        more = True
        while text not in self.said:
            assert more and time.monotonic() < end, f"no {text!r} in {self.said!r}"
            more = self._read(end - time.monotonic())
        before, _, self.said = self.said.partition(text)
        return before

    def wait(self, seconds=15):
        """The client's exit status."""
        end = time.monotonic() + seconds * SLOWER
        while self._read(0.1):
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                break
            assert time.monotonic() < end, f"still running: {self.said!r}"
        else:
            _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)
