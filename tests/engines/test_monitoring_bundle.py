"""The monitoring application as plain bundles: docs/examples/monitoring/bundles/up starts it with
`runsafe run` and nothing else; what it must do, and what is promised of each part."""

import json
import os
import pathlib
import re
import socket
import subprocess
import time

import pytest

import bundle
import engines
import monitoring
import systems
from engines import run, wait_for
from monitoring import PARTS

EXAMPLE = systems.EXAMPLES / "monitoring/bundles"
STATE = pathlib.Path("/var/lib/monitoring")
ENGINE = ("podman", "--root", "/var/lib/containers/monitoring", "--runroot", "/run/monitoring",
          *systems.STORE)
FRONTEND = "10.81.1.10"
each_part = pytest.mark.parametrize("part", PARTS)


def ids(part):
    return f"monitoring-{part}"


class Runsafe:
    """runsafe with the words of an engine, as far as tests/engines/monitoring.py uses them."""

    def __call__(self, command, *words, **options):
        if command == "logs":
            part = words[0].removeprefix("monitoring-")
            return engines.Done(["log"], 0, (STATE / part / "log").read_text(errors="replace"), "")
        if command == "inspect":
            return run("runsafe", "state", *words, **options)
        words = ["0" if word == "root" else word for word in words]
        return run("runsafe", command, *words, **options)

    def state(self, name):
        return json.loads(run("runsafe", "state", name).out)

    def pid(self, name):
        return self.state(name)["pid"]

    def inspect(self, name, key):
        assert key == ".State.Running"
        return self.state(name)["status"] == "running"


class System(monitoring.System):
    """The application on this host: its published port is reached by the host's own address."""

    address = "10.81.1.1"

    def script(self, name, *parts, check=True, **env):
        """Runs ./up or ./down."""
        env = {**os.environ, "ENGINE": " ".join(map(str, ENGINE)), **env}
        done = run(EXAMPLE / name, *parts, env=env, timeout=100, check=check)
        if check is True:
            assert not done.out and not done.err, done
        return done

    def up(self, *parts, **options):
        return self.script("up", *parts, **options)

    def down(self, *parts, **options):
        done = self.script("down", *parts, **options)
        bundle.reap()
        return done

    def ended(self, part):
        """Waits until a part has ended."""
        def over():
            bundle.reap()
            return not self.running(part)

        wait_for(f"{part} has ended", over)


def mount_images():
    """Where there is no room for them twice: root file systems that ./up finds made already."""
    for image in PARTS:
        if image != "worker":
            rootfs = STATE / image / "rootfs"
            rootfs.mkdir(parents=True)
            container = run(*ENGINE, "create", f"monitoring-{image}").text
            run("mount", "--bind", run(*ENGINE, "mount", container).text, rootfs)


@pytest.fixture(scope="module")
def system():
    """The running application, made by the example's own script; afterwards nothing is left but
    volumes, secrets, bundles and logs."""
    one = System(Runsafe(), {part: ids(part) for part in PARTS}, 8080, None)
    if engines.GROUND == "native":
        one.up()
        # What the tests' own build of the images leaves there is a name server nobody reaches.
        for file in STATE.glob("*/rootfs/etc/resolv.conf"):
            file.write_text("")
    else:
        mount_images()
        one.up("database", "cache", "backend", "frontend")
        # Emulated, Celery answers too late for its health check.
        run("timeout", "40", EXAMPLE / "up", "worker", check=False)
    one.secret = (STATE / "secrets/database_password").read_text().strip()
    yield one
    one.down()
    left = [*pathlib.Path("/run/runsafe").glob("monitoring-*"),
            *pathlib.Path("/run/netns").glob("monitoring-*"),
            *pathlib.Path("/sys/class/net").glob("mon-*"),
            *(path for path in pathlib.Path("/sys/fs/cgroup").rglob("*monitoring-*")
              if path.is_dir())]
    assert not left and "monitoring" not in run("nft", "list", "tables").out, left


# --- what it does

def test_the_page_is_served(system):
    status, page = system.request("GET", "/")
    assert status == 200 and "<h1>Monitoring</h1>" in page


@pytest.mark.ground("native", "systems")
def test_readings_are_stored_and_come_back(system):
    monitoring.drive_readings(system)


def test_the_worker_makes_a_report(system):
    monitoring.drive_readings(system, "reported")
    assert monitoring.drive_report(system)["hosts"]["reported"]["number"] == 2


def test_a_backup_lies_in_the_volume(system):
    name = monitoring.drive_backup(system)
    file = STATE / "volumes/backups" / name
    assert file.stat().st_uid == 1000 and isinstance(json.loads(file.read_text()), list)


def test_the_cache_keeps_values_and_saves_them(system):
    monitoring.drive_cache(system)


def test_the_administrators_password_is_for_the_workload_alone(system):
    file = "/tmp/admin_password.txt"
    assert system.shell("backend", f"stat -c '%a %u:%g' {file}").strip() == "600 1000:1000"
    password = system.shell("backend", f"cat {file}").strip()
    assert len(password) > 20 and password not in system.logs("backend")


def test_the_workers_log_has_no_warning_about_root(system):
    log = system.logs("worker")
    assert "celery@worker" in log
    assert not re.search(r"superuser|root|SecurityWarning", log), log


@pytest.mark.parametrize("how", ["restart", "kill -9"])
def test_the_database_keeps_what_it_was_given(system, how):
    """Health checks fail meanwhile: the backend's, and through it the frontend's."""
    monitoring.drive_readings(system, how)
    end(system, "database", how)
    for part in ("backend", "frontend"):
        assert system.exec(part, "healthy", check=False).status == 1
    assert system.request("GET", "/api/health")[0] == 503
    system.up("database")
    system.wait()
    assert system.read(how) == [1.5, 2.5]


@pytest.mark.parametrize("how", ["restart", "kill -9"])
def test_the_cache_keeps_what_it_was_given(system, how):
    assert monitoring.redis(system, "SET", how, "kept") == "OK"
    time.sleep(1.1)  # appendfsync everysec
    end(system, "cache", how)
    system.up("cache")
    assert monitoring.redis(system, "GET", how) == "kept"
    system.wait()
    monitoring.drive_report(system)


def end(system, part, how):
    if how == "restart":
        system.down(part)
    else:
        monitoring.kill(system, part)
        system.ended(part)


# --- what is promised of each part

@each_part
def test_exec_is_the_parts_own_user(system, part):
    monitoring.assert_user(system, part)


@each_part
def test_no_process_or_thread_has_a_right_too_many(system, part):
    monitoring.assert_processes(system, part)


@each_part
def test_ps_shows_processes_of_the_parts_user_alone(system, part):
    """`runsafe ps`, beside what the host's /proc says."""
    uid, _ = system.uid(part)
    lines = run("runsafe", "ps", ids(part), "-eo", "uid,pid").out.splitlines()[1:]
    assert {int(line.split()[0]) for line in lines} == {uid}
    group = engines.cgroup_of(system.pid(part))
    assert {int(line.split()[1]) for line in lines} == set(systems.tasks(group)) & {
        int(path.name) for path in pathlib.Path("/proc").glob("[0-9]*")}


@pytest.mark.ground("systems")
@each_part
def test_the_limits_are_those_of_its_config(system, part):
    resources = json.loads((EXAMPLE / part / "config.json").read_text())["linux"]["resources"]
    cpu = resources["cpu"]
    systems.assert_limits(system.pid(part), resources["memory"]["limit"],
                          cpu["quota"] / cpu["period"], resources["pids"]["limit"])


@pytest.mark.ground("systems")
def test_what_eats_memory_is_killed_alone(system):
    events = engines.cgroup_of(system.pid("backend")) / "memory.events"
    eater = system.exec("backend", "python3", "-c", "len(bytearray(1 << 30))", check=False)
    assert eater.status == 137, eater
    assert re.search(r"^oom_kill [1-9]", events.read_text(), re.M)
    for part in PARTS:
        assert system.running(part)
    monitoring.drive_readings(system, "after")


@each_part
def test_nothing_can_be_written_or_executed_where_it_must_not(system, part):
    monitoring.assert_rootfs(system, part)


@each_part
def test_the_secret_is_a_file_and_nowhere_else(system, part):
    if part in monitoring.SECRET:
        monitoring.assert_secret_file(system, part, mode="444")
    else:
        assert not system.shell(part, "ls /run/secrets 2>/dev/null || true")
    monitoring.assert_secret_hidden(system, part)
    assert not monitoring.files_with(system.secret, "/run/runsafe", STATE / part / "config.json",
                                     STATE / part / "log")


def test_the_secrets_folder_is_roots_alone(system):
    for folder in (STATE, STATE / "secrets"):
        status = folder.stat()
        assert status.st_mode & 0o777 == 0o700 and status.st_uid == 0


# --- networks

CONNECT = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor

def connect(place):
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
        return place
    except OSError:
        return ""

with ThreadPoolExecutor(20) as threads:
    print(*threads.map(connect, sys.argv[1:]))
"""
EVERYTHING = [f"{address}:{port}" for address in
              ("192.0.2.1", "10.81.1.1", FRONTEND, "10.81.1.20", "10.81.2.1", "10.81.2.20",
               "10.81.2.30", "10.81.2.40", "10.81.2.50") for port in (80, 5432, 6379, 8000, 8080)]


def reached(namespace, places=EVERYTHING):
    """Which of these ADDRESS:PORT answer, asked from a network namespace."""
    command = ("nsenter", f"--net=/run/netns/{namespace}") if namespace else ()
    return set(run(*command, "python3", "-c", CONNECT, *places).text.split())


@pytest.fixture(scope="module")
def neighbour():
    """Another machine on this one's network: 192.0.2.2, with this one, 192.0.2.1, as its router.
    Its port 7 is open, and so is this one's port 9."""
    ip = lambda *words: run("ip", *words)
    ip("netns", "add", "neighbour")
    ip("link", "add", "eth0", "netns", "neighbour", "type", "veth", "peer", "name", "neighbour")
    ip("address", "add", "192.0.2.1/24", "dev", "neighbour")
    ip("link", "set", "neighbour", "up")
    inside = ("-n", "neighbour")
    ip(*inside, "link", "set", "lo", "up")
    ip(*inside, "address", "add", "192.0.2.2/24", "dev", "eth0")
    ip(*inside, "link", "set", "eth0", "up")
    ip(*inside, "route", "add", "default", "via", "192.0.2.1")
    listen = "import socket, time; s = socket.create_server(('0.0.0.0', %d)); time.sleep(1000)"
    there = ("nsenter", "--net=/run/netns/neighbour")
    servers = [subprocess.Popen([*there, "python3", "-c", listen % 7]),
               subprocess.Popen(["python3", "-c", listen % 9])]
    wait_for("both listen", lambda: reached("neighbour", ["127.0.0.1:7", "192.0.2.1:9"]) == {
        "127.0.0.1:7", "192.0.2.1:9"})
    yield "neighbour"
    for server in servers:
        server.kill()
        server.wait()
    ip("netns", "delete", "neighbour")


def test_parts_reach_those_whose_network_they_share_and_nobody_else(system):
    monitoring.assert_networks(system)


def test_only_the_published_port_answers(system, neighbour):
    """From the host, and from another machine whose packets the host would pass on."""
    assert reached(None) == {f"{FRONTEND}:80", "192.0.2.1:8080", "10.81.1.1:8080"}
    assert reached(neighbour) == {"192.0.2.1:8080", "10.81.1.1:8080"}


def test_the_frontend_sees_who_asks_from_another_machine(system, neighbour):
    said = run("ip", "netns", "exec", neighbour, "curl", "-s", "http://192.0.2.1:8080/api/health")
    assert json.loads(said.out) == {"status": "ok"}
    assert re.search(r"^192\.0\.2\.2 .*GET /api/health", system.logs("frontend"), re.M)


@pytest.mark.parametrize("part, reaches", [
    ("frontend", {f"{FRONTEND}:80", "10.81.1.20:8000"}),
    ("backend", {f"{FRONTEND}:80", "10.81.1.20:8000", "10.81.2.20:8000", "10.81.2.40:5432",
                 "10.81.2.50:6379"}),
    *((part, {"10.81.2.20:8000", "10.81.2.40:5432", "10.81.2.50:6379"})
      for part in ("worker", "database", "cache"))])
def test_a_part_reaches_its_networks_and_not_the_host_or_what_is_behind_it(
        system, neighbour, part, reaches):
    places = [*EVERYTHING, "10.81.1.1:9", "192.0.2.1:9", "192.0.2.2:7"]
    assert reached(ids(part), places) == reaches


# --- what the commands tell

@each_part
def test_check_tells_what_is_hardened(system, part):
    """Of the bundle and of the container, the same."""
    uid, gid = system.uid(part)
    for argument in (f"{STATE / part}/", ids(part)):
        done = run("runsafe", "check", argument, check=1)
        assert ("uid not set, which is root: made 1000:1000" in done.out) == (uid == 1000), done
        for line in ("root.readonly: was false: made true", "no mount namespace: a new one",
                     "/tmp: a tmpfs is added"):
            assert line in done.out, done
        end = done.out.split("ends up with:")[1]
        for name, value in (("user", f"{uid}:{gid}"), ("capabilities", "none"),
                            ("bounding set", "none"), ("no new privs", "yes"),
                            ("rootfs", "read-only"), ("swap", "0 bytes")):
            assert re.search(rf"^  {name} +{value}$", end, re.M), done


@each_part
def test_no_annotation_is_needed(part):
    config = json.loads((EXAMPLE / part / "config.json").read_text())
    assert "annotations" not in config and "seccomp" not in config["linux"]


def test_state_and_list_tell_the_truth(system):
    listed = {line.split()[0]: line.split() for line in run("runsafe", "list").out.splitlines()[1:]}
    for part in PARTS:
        state = system.engine.state(ids(part))
        pid = int((STATE / part / "pid").read_text())
        assert (state["status"], state["pid"]) == ("running", pid)
        assert state["bundle"] == str(STATE / part)
        assert listed[ids(part)][1:4] == [str(pid), "running", str(STATE / part)]
        assert pathlib.Path(f"/proc/{pid}/root/etc/hostname").exists()
    assert set(listed) == set(system.names.values())


@each_part
def test_events_tell_the_use_of_each_part(system, part):
    stats = json.loads(run("runsafe", "events", "--stats", ids(part)).out)
    assert stats["id"] == ids(part) and stats["type"] == "stats"
    if engines.has_limits():
        assert stats["data"]["memory"]["usage"]["usage"] > 1 << 20
        assert stats["data"]["pids"]["current"] >= 1


# --- what may go wrong, and what helps

def test_a_port_that_another_program_has_is_not_taken_from_it(system):
    with socket.create_server(("", 8091)):
        done = system.up("frontend", check=1, PORT="8091")
    assert "port 8091 of this host is in use" in done.err and not done.out, done
    assert system.request("GET", "/api/health")[0] == 200


@pytest.mark.parametrize("part, volume, owner", [
    ("database", "database", "0:0"), ("cache", "cache", "0:0"), ("backend", "backups", "33:33")])
def test_a_volume_of_somebody_else_is_named_with_the_line_that_helps(system, part, volume, owner):
    """A folder made by root, or by another service's user."""
    system.down(part)
    log, folder = STATE / part / "log", STATE / "volumes" / volume
    folder.rename(folder.with_name("kept"))
    folder.mkdir(mode=0o755)
    os.chown(folder, *map(int, owner.split(":")))
    before = len(log.read_text())
    system.up(part, check=False)
    place = monitoring.VOLUMES[part]
    said = re.search(rf"^runsafe: {place}: the host's folder belongs to {owner} .*"
                     rf" can not write there; .*on the host: (chown .* {folder})$",
                     log.read_text()[before:], re.M)
    assert said, log.read_text()[before:]
    system.down(part)
    run("sh", "-c", said.group(1))
    system.up(part)
    before = len(log.read_text())
    system.down(part)
    assert "runsafe: " not in log.read_text()[before:]
    run("rm", "-r", folder)
    folder.with_name("kept").rename(folder)
    system.up(part)
    system.wait()


def detach(folder, name):
    """Starts the bundle in this folder, with a log that workloads of uid 1000 may open."""
    with open(folder / "log", "w+") as log:
        os.fchown(log.fileno(), 1000, 1000)
        done = subprocess.run(["runsafe", "run", "--detach", "-b", folder, name], check=False,
                              stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=60)
    assert done.returncode == 0, (folder / "log").read_text()


def test_the_frontend_with_debians_own_configuration_needs_one_line(system, folder):
    """It writes to its logs' and its temporary files' folders in the image."""
    one = folder / "stock"
    (one / "rootfs").mkdir(parents=True)
    bundle.unpack("apps", one / "rootfs")
    config = json.loads((EXAMPLE / "frontend/config.json").read_text())
    config["process"].update(args=["nginx", "-g", "daemon off;"])
    config["mounts"] = config["mounts"][:1]
    config["linux"]["namespaces"][2] = {"type": "network"}

    def start():
        (one / "config.json").write_text(json.dumps(config))
        detach(one, "stock")

    start()
    wait_for("nginx says why", lambda: "(30: Read-only file system)" in (one / "log").read_text())
    assert 'mkdir() "/var/lib/nginx/body" failed' in (one / "log").read_text()
    run("runsafe", "delete", "--force", "stock")
    config["annotations"] = {"io.runsafe.tmpfs": "/var/lib/nginx,/var/log/nginx"}
    start()
    try:
        get = "exec 3<>/dev/tcp/127.0.0.1/80; echo 'GET / HTTP/1.0\n' >&3; head -n 1 <&3"
        assert "200 OK" in systems.answers("runsafe", "exec", "stock", "bash", "-c", get)
    finally:
        run("runsafe", "delete", "--force", "stock")


# Of a part: its program, where args alone have to tell it all.
ARGS = {
    "backend": "cd /app && exec uvicorn app:app --host 0.0.0.0 --port 8000",
    "worker": "cd /app && exec celery -A tasks worker --loglevel=INFO",
    "frontend": "exec nginx -e stderr -g 'daemon off;'",
    "database": "export PATH=/usr/lib/postgresql/17/bin:$PATH PGDATA=/var/lib/postgresql/data/17; "
                "exec start",
    "cache": "exec redis-server --bind '*' --protected-mode no --dir /data --appendonly yes",
}


def write_as_spec_does(one, writer, part):
    """The bundle of a part in the folder `one`: a config.json of spec's, with another program,
    mounts, root file system and network namespace."""
    ours = json.loads((EXAMPLE / part / "config.json").read_text())
    mounts = [mount for mount in ours["mounts"] if "bind" in mount.get("options", ())]
    for mount in mounts:
        if "volumes" in mount["source"]:
            mount["source"] = str(one / "volume")
            (one / "volume").mkdir()
            os.chown(one / "volume", 1000, 1000)
        mount["source"] = str((STATE / part / mount["source"]).resolve())
    if writer == "runc":
        run("runc", "spec", cwd=one)
        config = json.loads((one / "config.json").read_text())
    else:
        config = json.loads(run(writer, "spec").out)
    config["process"].update(args=["sh", "-c", ARGS[part]], terminal=False)
    config["root"]["path"] = str(STATE / ("backend" if part == "worker" else part) / "rootfs")
    config["mounts"] += mounts
    for namespace in config["linux"]["namespaces"]:
        if namespace["type"] == "network":
            namespace["path"] = f"/run/netns/{ids(part)}"
    (one / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("writer", ["runsafe", "runc"])
def test_a_config_that_spec_writes_does_as_well(system, folder, writer):
    """Nothing else is to be known. All parts are 1000 then, and so are their volumes. (The last
    tests: the system stays down.)"""
    system.down(*PARTS)
    for part in PARTS:
        (folder / part).mkdir()
        write_as_spec_does(folder / part, writer, part)
        detach(folder / part, ids(part))
    try:
        system.wait()
        monitoring.drive_readings(system, writer)
        task = system.api("POST", "reports")["task"]
        wait_for("the report is there", lambda: system.api("GET", f"reports/{task}")["result"], 30)
        system.api("POST", "backups")
        for part in PARTS:
            systems.assert_processes(system.pid(part), 1000)
            monitoring.assert_rootfs(system, part)
            assert "runsafe: " not in (folder / part / "log").read_text()
    finally:
        system.down(*PARTS)
