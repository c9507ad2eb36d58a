"""Has Windows programs make something of text. Listens inside the container only: api.py asks it."""

import http.server
import pathlib
import subprocess
import tempfile
import urllib.parse

import display

# What `wine` is given; {} is the file with the text, as the Windows program sees it.
CONVERSIONS = {
    "utf-16": ["cmd", "/u", "/c", "type", "{}"],
    "sorted": ["sort", "{}"],
    "version": ["cmd", "/c", "ver"],
}


# Written by the program `windows` when Wine has been set up.
READY = pathlib.Path("/tmp/wine-ready")


def convert(text, to):
    """What the Windows program printed. It takes bytes in Windows' western code page, 1252."""
    # Without a display Wine makes a desktop that nobody sees, and stays on it.
    display.ask()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "text.txt"
        path.write_bytes(text.decode().encode("cp1252"))
        # Drive Z: is the container's root.
        name = "Z:" + str(path).replace("/", "\\")
        words = [word.replace("{}", name) for word in CONVERSIONS[to]]
        done = subprocess.run(["wine", *words], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=30, check=True)
        return done.stdout


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        to = query.get("to", ["utf-16"])[0]
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self.answer(200, convert(text, to))
        except KeyError:
            self.answer(400, f"to= must be one of {', '.join(CONVERSIONS)}\n".encode())
        except UnicodeError as why:
            self.answer(400, f"{why}\n".encode())
        except (OSError, subprocess.SubprocessError) as why:
            self.answer(500, f"{why}\n".encode())

    def do_GET(self):
        """Healthy is who can run a Windows program."""
        if not READY.exists():
            self.answer(503, b"Wine is not ready yet\n")
            return
        try:
            self.answer(200, convert(b"", "version"))
        except (OSError, subprocess.SubprocessError) as why:
            self.answer(503, f"{why}\n".encode())

    def log_message(self, *words):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Handler).serve_forever()
