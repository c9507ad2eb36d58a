"""A VNC client (RFC 6143) for tests: the password, the size of the screen, a picture of it."""

import dataclasses
import pathlib
import socket
import struct
import subprocess
import zlib

import engines


class Refused(Exception):
    """The server does not let us in, and why."""


@dataclasses.dataclass
class Picture:
    """name: what the server calls its screen. pixels: three bytes each, line by line."""

    width: int
    height: int
    name: str
    pixels: bytes

    def colours(self):
        """How many pixels have which colour."""
        counts = {}
        for i in range(0, len(self.pixels), 3):
            colour = self.pixels[i:i + 3]
            counts[colour] = counts.get(colour, 0) + 1
        return counts

    def difference(self, other):
        """The share of pixels that differ."""
        assert (self.width, self.height) == (other.width, other.height)
        pairs = zip(*[iter(self.pixels)] * 3), zip(*[iter(other.pixels)] * 3)
        return sum(a != b for a, b in zip(*pairs)) / (self.width * self.height)

    def save(self, path):
        """As PNG."""
        def chunk(kind, data):
            return (struct.pack(">I", len(data)) + kind + data
                    + struct.pack(">I", zlib.crc32(kind + data)))

        row = 3 * self.width
        lines = b"".join(b"\0" + self.pixels[i:i + row] for i in range(0, row * self.height, row))
        pathlib.Path(path).write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def encrypted(challenge, password):
    """DES with the password, each byte's bits in reverse, as key. Three times the same key is the
    same as once, which OpenSSL no longer offers by default."""
    key = password.encode()[:8].ljust(8, b"\0")
    reverse = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key)
    done = subprocess.run(["openssl", "enc", "-des-ede3-ecb", "-nopad", "-K", (3 * reverse).hex()],
                          input=challenge, capture_output=True, check=True)
    return done.stdout


class Client:
    """A connection to a server, after the handshake. password None: none is offered."""

    def __init__(self, address, port, password, timeout=15):
        self.socket = socket.create_connection((address, port), timeout * engines.SLOWER)
        try:
            self.handshake(password)
        except BaseException:
            self.close()
            raise

    def close(self):
        self.socket.close()

    def read(self, length):
        data = bytearray()
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                raise Refused("the server closed the connection")
            data += more
        return bytes(data)

    def number(self):
        return struct.unpack(">I", self.read(4))[0]

    def why(self):
        return self.read(self.number()).decode(errors="replace")

    def handshake(self, password):
        version = self.read(12)
        assert version.startswith(b"RFB 003."), version
        self.socket.sendall(b"RFB 003.008\n")
        self.methods = list(self.read(self.read(1)[0]))
        if not self.methods:
            raise Refused(self.why())
        if password is None:
            method = 1
        else:
            assert 2 in self.methods, f"no VNC authentication, but {self.methods}"
            method = 2
        self.socket.sendall(bytes([method]))
        if method == 2:
            self.socket.sendall(encrypted(self.read(16), password))
        if self.number():
            raise Refused(self.why())
        self.socket.sendall(b"\1")  # others may stay
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.read(16)  # the server's own format of pixels
        self.name = self.why()

    def picture(self):
        """The whole screen, in the raw encoding."""
        # 32 bits a pixel, the least significant byte first: blue, green, red, nothing.
        self.socket.sendall(struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8,
                                        0))
        self.socket.sendall(struct.pack(">BxHi", 2, 1, 0))
        self.socket.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        pixels = bytearray(3 * self.width * self.height)
        missing = self.width * self.height
        while missing > 0:
            kind = self.read(1)[0]
            if kind == 3:  # text for the clipboard
                self.read(3)
                self.why()
            elif kind == 0:
                for _ in range(struct.unpack(">xH", self.read(3))[0]):
                    missing -= self.rectangle(pixels)
            else:
                assert kind == 2, f"message {kind}"  # 2: the bell
        return Picture(self.width, self.height, self.name, bytes(pixels))

    def click(self, x, y):
        for buttons in (0, 1, 0):
            self.socket.sendall(struct.pack(">BBHH", 5, buttons, x, y))

    def type(self, text):
        """Presses keys; those of Latin letters have the numbers of the letters."""
        for letter in text:
            for down in (1, 0):
                self.socket.sendall(struct.pack(">BBxxI", 4, down, ord(letter)))

    def rectangle(self, pixels):
        """Reads a part of the screen; its count of pixels."""
        x, y, width, height, encoding = struct.unpack(">HHHHi", self.read(12))
        assert encoding == 0, f"encoding {encoding}"
        data = self.read(4 * width * height)
        rgb = bytearray(3 * width * height)
        rgb[0::3], rgb[1::3], rgb[2::3] = data[2::4], data[1::4], data[0::4]
        for line in range(height):
            start = 3 * ((y + line) * self.width + x)
            pixels[start:start + 3 * width] = rgb[3 * width * line:3 * width * (line + 1)]
        return width * height


def picture(address, port, password):
    """The screen as a client sees it."""
    client = Client(address, port, password)
    try:
        return client.picture()
    finally:
        client.close()
