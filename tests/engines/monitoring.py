"""The monitoring application of docs/examples as its tests see it, whatever drives it: what it must
do, and what is promised of each of its parts."""

import http.client
import json
import os
import pathlib
import re
import signal

import engines
import systems
from engines import run, wait_for

PARTS = ("backend", "worker", "frontend", "database", "cache")
# Whose user is what: 1000 where the image names none, else the image's own.
USERS = {"backend": "app", "worker": "app", "frontend": "nginx", "database": "postgres",
         "cache": "redis"}
# Who gets the secret.
SECRET = ("backend", "worker", "database")
# Which parts write to a volume, and where.
VOLUMES = {"backend": "/backups", "database": "/var/lib/postgresql/data", "cache": "/data"}
# What a part listens to.
PORTS = {"backend": 8000, "frontend": 80, "database": 5432, "cache": 6379}

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()
    print("connected")
except OSError as e:
    print(e)
"""


class System:
    """The running application. engine: Docker or Podman, or what answers like them; names: part ->
    container; port: where the frontend is published; secret: the database's password; first: what
    ids of a container are on the host beyond (rootless: the first subordinate id - 1)."""

    address = "127.0.0.1"  # of this host, for the published port

    def __init__(self, engine, names, port, secret, first=0):
        self.engine, self.names, self.port, self.secret = engine, names, port, secret
        self.first = first

    def exec(self, part, *words, **options):
        return self.engine("exec", self.names[part], *words, **options)

    def shell(self, part, script):
        return self.exec(part, "sh", "-c", script).out

    def pid(self, part):
        return self.engine.pid(self.names[part])

    def logs(self, part):
        done = self.engine("logs", self.names[part])
        return done.out + done.err

    def running(self, part):
        return self.engine.inspect(self.names[part], ".State.Running")

    def uid(self, part):
        """Its user and group inside."""
        uid, gid = self.shell(part, "id -u; id -g").split()
        return int(uid), int(gid)

    def request(self, method, path, body=None, timeout=10):
        """Through the published port: status, text."""
        connection = http.client.HTTPConnection(self.address, self.port,
                                                timeout=timeout * engines.SLOWER)
        try:
            connection.request(method, path, body and json.dumps(body),
                               {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def api(self, method, path, body=None):
        """The same for the backend's answers, which are JSON."""
        status, text = self.request(method, "/api/" + path, body)
        assert status == 200, (method, path, status, text)
        return json.loads(text)

    def answers(self):
        try:
            return self.request("GET", "/api/health", timeout=5)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait(self, seconds=60):
        wait_for("the application is well", self.answers, seconds)

    def read(self, host):
        """The readings of one host."""
        return [reading["value"] for reading in self.api("GET", "readings")
                if reading["host"] == host]


# --- what it does

def drive_readings(system, host="web1"):
    """What is posted is in the database, and comes back."""
    before = len(system.read(host))
    ids = [system.api("POST", "readings", {"host": host, "value": value})["id"]
           for value in (1.5, 2.5)]
    assert ids[0] != ids[1] and system.read(host)[before:] == [1.5, 2.5]


def drive_report(system):
    """The backend gives the worker a task; the result comes back by way of the cache."""
    task = system.api("POST", "reports")["task"]

    def done():
        answer = system.api("GET", f"reports/{task}")
        assert answer["state"] not in ("FAILURE", "REVOKED"), answer
        return answer["state"] == "SUCCESS" and answer

    answer = wait_for("the report is there", done, 30)
    assert answer["result"], answer
    assert task in system.logs("worker")
    return answer["result"]


def drive_backup(system):
    """A backup is a file in the volume, of the workload's."""
    before = set(system.api("GET", "backups"))
    system.api("POST", "backups")
    new = set(system.api("GET", "backups")) - before
    assert len(new) == 1
    name = new.pop()
    script = f"stat -c '%u %g' /backups/{name} && cat /backups/{name}"
    owner, text = system.shell("backend", script).split("\n", 1)
    assert owner == "%d %d" % system.uid("backend")
    json.loads(text)
    return name


def redis(system, *words):
    return system.exec("cache", "redis-cli", *words).text


def drive_cache(system):
    """SET and GET, and BGSAVE, for which Redis forks."""
    assert redis(system, "SET", "colour", "green") == "OK"
    assert redis(system, "GET", "colour") == "green"
    before = int(redis(system, "LASTSAVE"))
    # Not within the same second: LASTSAVE knows nothing finer.
    wait_for("a second is over", lambda: int(redis(system, "TIME").split()[0]) > before)
    assert "Background saving" in redis(system, "BGSAVE")
    wait_for("it is saved", lambda: int(redis(system, "LASTSAVE")) > before)
    info = redis(system, "INFO", "persistence")
    assert "rdb_last_bgsave_status:ok" in info and "aof_last_write_status:ok" in info


def kill(system, part):
    """As a crash does it: from outside, past the engine."""
    os.kill(system.pid(part), signal.SIGKILL)


# --- what is promised of each part

def assert_user(system, part):
    """whoami and id by the engine's exec, as root, too."""
    assert system.exec(part, "whoami").text == USERS[part]
    uid, gid = system.uid(part)
    assert uid and gid
    assert (uid == 1000) == (USERS[part] == "app")
    if system.engine("exec", "-u", "root", system.names[part], "id", "-u").text == "0":
        raise AssertionError("exec -u root is root")


def assert_processes(system, part):
    """All processes and threads, those of an exec among them, as the host sees them."""
    uid, gid = (number + system.first if system.first else number for number in system.uid(part))
    systems.assert_processes(system.pid(part), uid, gid)


def assert_rootfs(system, part):
    systems.assert_rootfs(lambda script: system.shell(part, script))


def assert_secret_file(system, part, mode="400"):
    """A file that the workload reads, and nobody else in the container could."""
    path = "/run/secrets/database_password"
    assert system.shell(part, f"cat {path}").strip() == system.secret
    assert system.shell(part, f"stat -c %a {path}").strip() == mode
    assert "/run/secrets" in system.shell(part, "cat /proc/mounts")


def assert_secret_hidden(system, part):
    """Neither in the environment or command line of any process, nor in what the engine tells."""
    secret = system.secret.encode()
    for pid in {int(line) for path in engines.cgroup_of(system.pid(part)).rglob("cgroup.procs")
                for line in path.read_text().split()}:
        for file in ("environ", "cmdline"):
            try:
                assert secret not in pathlib.Path(f"/proc/{pid}/{file}").read_bytes(), (pid, file)
            except (FileNotFoundError, ProcessLookupError):
                pass
    assert system.secret not in system.engine("inspect", system.names[part]).out
    assert system.secret not in system.logs(part)


def files_with(word, *places, but=()):
    """The files below these folders that contain a word, but those whose path has one of `but`."""
    pattern = [option for one in (word, __import__("base64").b64encode(word.encode()).decode())
               for option in ("-e", one.rstrip("="))]
    found = run("grep", "-rlsaF", *pattern, *[p for p in places if pathlib.Path(p).exists()],
                check=False, timeout=120).out.splitlines()
    return [path for path in found if not any(part in path for part in but)]


def reach(system, part, host, port):
    """What a connection from one part to another comes to: "connected", or the error. From inside
    its network namespace by the host's Python: not all images have one."""
    return run("nsenter", "-t", system.pid(part), "-n", "python3", "-c", CONNECT, host, port).text


def addresses(system, part):
    """The IPv4 addresses of a part."""
    said = run("nsenter", "-t", system.pid(part), "-n", "ip", "-4", "-o", "addr", "show", "scope",
               "global").out
    return re.findall(r"inet ([0-9.]+)/", said)


def listening(namespace_of=None):
    """The TCP ports that somebody listens to on other addresses than the loopback's."""
    command = ("nsenter", "-t", namespace_of, "-n") if namespace_of else ()
    lines = run(*command, "cat", "/proc/net/tcp", "/proc/net/tcp6").out.splitlines()
    ports = set()
    for words in (line.split() for line in lines):
        if len(words) > 3 and words[3] == "0A":
            address, _, port = words[1].rpartition(":")
            if not address.endswith("7F"):
                ports.add(int(port, 16))
    return ports


def assert_networks(system):
    """Who shares a network with whom reaches him and nobody else does; only the frontend is
    published."""
    where = {part: addresses(system, part) for part in PARTS}
    assert len(where["backend"]) == 2
    for part in ("database", "cache", "worker"):
        assert len(where[part]) == 1, where
    for part in ("database", "cache"):
        port = PORTS[part]
        assert reach(system, "backend", where[part][0], port) == "connected"
        assert reach(system, "worker", where[part][0], port) == "connected"
        assert reach(system, "frontend", where[part][0], port) != "connected"
    assert any(reach(system, "frontend", address, 8000) == "connected"
               for address in where["backend"])
    # Names are known where the network is shared.
    assert system.exec("backend", "getent", "hosts", "database").text
    assert system.exec("frontend", "getent", "hosts", "backend").text
    # Asked of whom the host asks, which can take long.
    assert not system.exec("frontend", "timeout", "3", "getent", "hosts", "database",
                           check=False).text
