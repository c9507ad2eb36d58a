"""A client at a terminal: docker run -it, podman exec -it."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from engines import SLOWER


class Terminal:
    """Starts a command on a new terminal; use with `with`."""

    def __init__(self, *command, rows=24, columns=80):
        self.said = ""
        # setsid(1) makes it the controlling one: a fork(2) of Python's own would wait for ever for
        # the threads of gRPC, which other tests use.
        self.fd, other = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(["setsid", "--ctty", *map(str, command)], stdin=other,
                                        stdout=other, stderr=other)
        os.close(other)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)
        self.process.kill()
        self.process.wait()

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
        while self._read(0.1) and self.process.poll() is None:
            assert time.monotonic() < end, f"still running: {self.said!r}"
        return self.process.wait(seconds * SLOWER)
