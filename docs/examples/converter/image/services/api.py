"""What the outside sees: POST /convert passes text to the converter, GET /health asks all parts."""

import http.server
import json
import socket
import urllib.error
import urllib.request
import xmlrpc.client

from supervisor.xmlrpc import SupervisorTransport

import display

CONVERTER = "http://127.0.0.1:9000"
LARGEST = 1 << 20


def ask_supervisor():
    transport = SupervisorTransport(None, None, "unix:///tmp/supervisor.sock")
    with xmlrpc.client.ServerProxy("http://127.0.0.1", transport) as server:
        programs = server.supervisor.getAllProcessInfo()
    bad = [f"{p['name']} is {p['statename']}" for p in programs if p["statename"] != "RUNNING"]
    if bad:
        raise OSError(", ".join(bad))


def ask_vnc():
    with socket.create_connection(("127.0.0.1", 5900), timeout=2) as vnc:
        if not vnc.recv(12).startswith(b"RFB "):
            raise OSError("no VNC server")


def ask_converter():
    urllib.request.urlopen(CONVERTER + "/health", timeout=8).close()


PARTS = {"programs": ask_supervisor, "display": display.ask, "vnc": ask_vnc,
         "converter": ask_converter}


def health():
    """What is wrong with each part, or "ok"."""
    said = {}
    for name, ask in PARTS.items():
        try:
            ask()
            said[name] = "ok"
        except Exception as why:
            said[name] = str(why) or type(why).__name__
    return said


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body, kind="application/octet-stream"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        """Not each health check that passes."""
        if (self.path, code) != ("/health", 200):
            super().log_request(code, size)

    def do_GET(self):
        if self.path != "/health":
            self.answer(404, b"GET /health, POST /convert\n")
            return
        said = health()
        status = 200 if set(said.values()) == {"ok"} else 503
        self.answer(status, json.dumps(said).encode() + b"\n", "application/json")

    def do_POST(self):
        if self.path.partition("?")[0] != "/convert":
            self.answer(404, b"GET /health, POST /convert\n")
            return
        length = int(self.headers.get("Content-Length", 0))
        if length > LARGEST:
            self.answer(413, f"at most {LARGEST} bytes\n".encode())
            return
        try:
            with urllib.request.urlopen(CONVERTER + self.path, self.rfile.read(length),
                                        timeout=60) as done:
                self.answer(200, done.read())
        except urllib.error.HTTPError as why:
            self.answer(why.code, why.read())
        except OSError as why:
            self.answer(503, f"the converter does not answer: {why}\n".encode())


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
