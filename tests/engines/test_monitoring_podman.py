"""The monitoring application under Podman, with root and without: docs/examples/monitoring/podman
starts it; what it must do, and what is promised of each part."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile

import pytest

import monitoring
import podman as podman_module
import rootless
import systems
from engines import run, wait_for
from monitoring import PARTS

UID, FIRST = 1006, 100600
# RUNTIME=/usr/local/bin/runsafe-oci shows which promises fail without the policy.
RUNTIME = os.environ.get("RUNTIME", "/usr/local/bin/runsafe")
VOLUMES = {"backend": "backups", "database": "database", "cache": "cache"}
each_part = pytest.mark.parametrize("part", PARTS)
# What takes long, and has nothing to do with who its user is.
once = pytest.mark.parametrize("system", ["root"], indirect=True, scope="module")


class System(monitoring.System):
    """The application of one user's Podman; a copy of the example with a secret of its own."""

    def __init__(self, engine, port, first):
        super().__init__(engine, {part: f"monitoring-{part}" for part in PARTS}, port,
                         os.urandom(12).hex(), first)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="monitoring-", dir="/tmp"))
        self.folder.chmod(0o755)
        shutil.copytree(systems.EXAMPLES / "monitoring", self.folder / "monitoring")
        secrets = self.folder / "monitoring/secrets"
        secrets.mkdir(0o700)
        (secrets / "database_password").write_text(self.secret)
        (secrets / "database_password").chmod(0o444)
        os.chown(secrets, engine.uid, engine.uid)

    def script(self, name, *words):
        """Runs ./up or ./down as the user whose Podman it is. There is no systemd for the timers of
        health checks: they are called by hand."""
        podman = " ".join(map(str, ("podman", *self.engine.options)))
        env = {**self.engine.env, "PODMAN": podman, "RUNTIME": RUNTIME, "PORT": str(self.port)}
        script = self.folder / "monitoring/podman" / name
        done = run(*self.engine.prefix, script, *words, env=env, cwd="/", timeout=100)
        # Podman looks at the mounts of this ground once.
        said = [line for line in done.err.splitlines() if "is not a shared mount" not in line]
        assert not done.out and not said, done

    def well(self, part):
        return self.engine("healthcheck", "run", self.names[part], check=False).status == 0

    def restarted(self, part, before):
        """Waits until a part has another first process."""
        wait_for(f"{part} runs again", lambda: self.running(part) and self.pid(part) != before, 20)

    def volume(self, part):
        """Where the volume of a part lies on the host."""
        name = f"monitoring-{VOLUMES[part]}"
        return pathlib.Path(self.engine.inspect(name, ".Mountpoint", "--type", "volume"))


def make(who):
    if who == "root":
        engine, port, first = podman_module.make(options=systems.STORE), 8081, 0
    else:
        store = systems.store_for(UID, FIRST)
        engine, port = rootless.make("mona", UID, options=store), 8082
        first = FIRST - 1
    engine.env["DISABLE_HC_SYSTEMD"] = "true"
    return System(engine, port, first)


@pytest.fixture(scope="module", params=["root", "rootless"])
def system(request):
    """The running application, made by the example's own script, which then takes all away."""
    one = make(request.param)
    try:
        one.script("up")
        yield one
        one.script("down", "--all")
        for kind in ("ps -aq", "volume ls -q", "secret ls -q"):
            assert not one.engine(*kind.split()).text
        one.engine.clean()
    finally:
        one.engine.stop()
        shutil.rmtree(one.folder)


# --- what it does

def test_the_page_is_served(system):
    status, page = system.request("GET", "/")
    assert status == 200 and "<h1>Monitoring</h1>" in page


def test_readings_are_stored_and_come_back(system):
    monitoring.drive_readings(system)


def test_the_worker_makes_a_report(system):
    monitoring.drive_readings(system, "reported")
    assert monitoring.drive_report(system)["hosts"]["reported"]["number"] == 2


def test_a_backup_lies_in_the_new_volume_which_is_the_workloads(system):
    name = monitoring.drive_backup(system)
    uid = 1000 + system.first
    assert system.volume("backend").stat().st_uid == uid
    assert (system.volume("backend") / name).stat().st_uid == uid


def test_the_cache_keeps_values_and_saves_them(system):
    monitoring.drive_cache(system)


def test_the_administrators_password_is_for_the_workload_alone(system):
    file = "/tmp/admin_password.txt"
    assert system.shell("backend", f"stat -c '%a %u:%g' {file}").strip() == "600 1000:1000"
    password = system.shell("backend", f"cat {file}").strip()
    assert len(password) > 20 and password not in system.logs("backend")


def test_the_workers_log_has_no_warning_about_root(system):
    log = system.logs("worker")
    assert "celery@worker ready" in log
    assert not re.search(r"superuser|root|SecurityWarning", log), log


@pytest.mark.parametrize("how", ["restart", "kill -9"])
def test_the_database_keeps_what_it_was_given(system, how):
    """After a crash, too, from which it comes back by itself."""
    monitoring.drive_readings(system, how)
    end(system, "database", how)
    system.wait()
    assert system.read(how) == [1.5, 2.5]


@pytest.mark.parametrize("how", ["restart", "kill -9"])
def test_the_cache_keeps_what_it_was_given(system, how):
    assert monitoring.redis(system, "SET", how, "kept") == "OK"
    # appendfsync everysec: said by Redis itself, not slept for.
    wait_for("it is on the disk", lambda: "aof_pending_bio_fsync:0" in monitoring.redis(
        system, "INFO", "persistence"))
    end(system, "cache", how)
    wait_for("it answers", lambda: system.well("cache"), 20)
    assert monitoring.redis(system, "GET", how) == "kept"
    system.wait()
    monitoring.drive_report(system)


def end(system, part, how):
    before = system.pid(part)
    if how == "restart":
        system.engine("restart", system.names[part])
        assert system.pid(part) != before
    else:
        monitoring.kill(system, part)
        system.restarted(part, before)


def test_down_and_up_keep_the_data(system):
    """The containers are others then; the volumes are not."""
    monitoring.drive_readings(system, "stays")
    assert monitoring.redis(system, "SET", "stays", "here") == "OK"
    name = monitoring.drive_backup(system)
    before = system.engine.inspect("monitoring-database", ".ID")
    system.script("down")
    assert not system.engine("ps", "-aq").text
    system.script("up")
    assert system.engine.inspect("monitoring-database", ".ID") != before
    assert system.read("stays") == [1.5, 2.5]
    assert monitoring.redis(system, "GET", "stays") == "here"
    assert name in system.api("GET", "backups")


# --- what is promised of each part

@each_part
def test_exec_is_the_parts_own_user(system, part):
    monitoring.assert_user(system, part)


@each_part
def test_no_process_or_thread_has_a_right_too_many(system, part):
    monitoring.assert_processes(system, part)


@each_part
def test_podman_top_shows_the_user_without_capabilities_behind_a_filter(system, part):
    fields = ("huser", "hgroup", "capeff", "capprm", "capinh", "capamb", "capbnd", "seccomp")
    uid, gid = system.uid(part)
    lines = system.engine("top", system.names[part], *fields).out.splitlines()[1:]
    assert lines
    for line in lines:
        words = line.split()
        assert words[0] == str(uid + system.first) and words[2:] == ["none"] * 5 + ["filter"], line


@each_part
def test_podman_inspect_shows_what_was_asked_for(system, part):
    known = system.engine.inspect(system.names[part])
    assert known["OCIRuntime"] == RUNTIME and known["HostConfig"]["ReadonlyRootfs"]
    assert not known["EffectiveCaps"] and not known["BoundingCaps"]
    assert "CAP_SETUID" in known["HostConfig"]["CapDrop"]
    assert known["HostConfig"]["SecurityOpt"] == ["no-new-privileges"]
    assert not known["HostConfig"]["Privileged"]
    assert not [name for name in known["Config"]["Annotations"] if "runsafe" in name]


@each_part
def test_nothing_can_be_written_or_executed_where_it_must_not(system, part):
    monitoring.assert_rootfs(system, part)


@each_part
def test_the_secret_is_a_file_and_nowhere_else(system, part):
    """Of the workload's user and for him alone, on the host behind a folder of its owner's."""
    if part in monitoring.SECRET:
        monitoring.assert_secret_file(system, part)
        who = "%d %d" % system.uid(part)
        assert system.shell(part, "stat -c '%u %g' /run/secrets/database_password").strip() == who
    else:
        assert not system.shell(part, "ls /run/secrets 2>/dev/null || true")
    monitoring.assert_secret_hidden(system, part)


def test_the_secret_is_in_no_state_file_or_log(system):
    """But for Podman's own store of secrets, which is closed to others."""
    engine = system.engine
    kept = engine.root / "secrets/filedriver/secretsdata.json"
    assert kept.stat().st_mode & 0o77 == 0
    states = {path.parent for path in engine.states()}
    assert len(states) == 1 and len(engine.states()) == len(PARTS)
    found = monitoring.files_with(system.secret, *states, engine.runroot, engine.folder,
                                  engine.root / "overlay-containers", engine.root / "volumes",
                                  engine.root / "secrets", *engine.root.glob("*.sql*"))
    # What is mounted as /run/secrets/NAME, and nothing else.
    files = [path for path in found if path != str(kept)]
    assert len(files) == len(monitoring.SECRET), files
    for path in files:
        assert path.endswith("/userdata/secrets/database_password")
        assert pathlib.Path(path).stat().st_mode & 0o777 == 0o400


# --- networks

def test_parts_reach_those_whose_network_they_share_and_nobody_else(system):
    monitoring.assert_networks(system)


CONNECT = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor

def connect(place):
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
        return place
    except OSError:
        return ""

with ThreadPoolExecutor(40) as threads:
    print(*threads.map(connect, sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def neighbour():
    """Another machine, 192.0.2.2, that takes this one, 192.0.2.1, for its router."""
    def ip(*words):
        run("ip", *words)

    ip("netns", "add", "neighbour")
    ip("link", "add", "eth0", "netns", "neighbour", "type", "veth", "peer", "name", "neighbour")
    ip("address", "add", "192.0.2.1/24", "dev", "neighbour")
    ip("link", "set", "neighbour", "up")
    ip("-n", "neighbour", "address", "add", "192.0.2.2/24", "dev", "eth0")
    ip("-n", "neighbour", "link", "set", "eth0", "up")
    ip("-n", "neighbour", "route", "add", "default", "via", "192.0.2.1")
    yield "neighbour"
    ip("netns", "delete", "neighbour")


def test_only_the_published_port_answers_another_machine(system, neighbour):
    """And the frontend's own addresses, where its network can be routed to: the same service."""
    ports = (80, 8000, 5432, 6379, system.port)
    where = {part: monitoring.addresses(system, part) for part in PARTS}
    hosts = ["192.0.2.1", "10.80.0.1", "10.80.1.1", "10.80.2.1", *sum(where.values(), [])]
    places = [f"{host}:{port}" for host in hosts for port in ports]
    reached = set(run("nsenter", f"--net=/run/netns/{neighbour}", "python3", "-c", CONNECT,
                      *places).text.split())
    assert f"192.0.2.1:{system.port}" in reached
    # The host's addresses are one machine: what is published answers on all of them.
    published = {f"{host}:{system.port}" for host in hosts[:4]}
    assert reached <= published | {f"{address}:80" for address in where["frontend"]}, reached


def test_a_part_on_another_network_is_not_reachable(system):
    """Not even by a container that takes the host for its router into their networks."""
    engine = system.engine
    engine("run", "-d", "--name", "stranger", "--network", "monitoring-public", "--pull", "never",
           "localhost/monitoring-cache", "sleep", "100", runtime=None)
    try:
        pid = engine.pid("stranger")
        places = [f"{address}:{port}" for part in PARTS
                  for address in monitoring.addresses(system, part)
                  for port in (80, 8000, 5432, 6379)]
        reached = run("nsenter", "-t", pid, "-n", "python3", "-c", CONNECT, *places).text.split()
        assert len(reached) == 1 and reached[0].startswith("10.80.0."), reached
    finally:
        engine("rm", "-f", "-t0", "stranger")


# --- health

def processes(first):
    """All processes of the pid namespace of this one. Not by the cgroup: without root and without
    systemd a container has none of its own, and is in that of these tests."""
    namespace = os.readlink(f"/proc/{first}/ns/pid")
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(path / "ns/pid") == namespace:
                found.append(int(path.name))
        except OSError:
            continue
    return found


@once
@each_part
def test_a_health_check_passes_and_fails_when_the_part_hangs(system, part):
    assert system.well(part)
    stopped = processes(system.pid(part))
    assert stopped and os.getpid() not in stopped
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert not system.well(part)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    wait_for(f"{part} is well again", lambda: system.well(part), 20)


@once
def test_who_stands_on_a_part_that_is_gone_is_not_well(system):
    """up starts it again, and nothing else."""
    before = {part: system.pid(part) for part in PARTS}
    system.engine("stop", "-t", "3", "monitoring-cache")
    for part in ("cache", "backend", "worker", "frontend"):
        assert not system.well(part)
    assert system.well("database") and system.request("GET", "/api/health")[0] == 503
    system.script("up")
    system.wait()
    assert {part for part in PARTS if system.pid(part) != before[part]} == {"cache"}


# --- volumes

def test_a_volume_of_somebody_else_gets_a_message_and_its_line_helps(system, folder):
    """Made by root, and not empty: whose it is can not be guessed."""
    engine = system.engine
    engine("volume", "create", "theirs")
    data = pathlib.Path(engine.inspect("theirs", ".Mountpoint", "--type", "volume"))
    (data / "file").write_text("theirs")
    os.chown(data / "file", engine.uid, engine.uid)
    start = ("run", "--rm", "--network", "none", "--pull", "never", "-v", "theirs:/backups",
             "localhost/monitoring-backend", "touch", "/backups/new")
    try:
        done = engine(*start, runtime="runsafe", check=1)
        line = next(line for line in done.err.splitlines() if "/backups" in line
                    and line.startswith("runsafe"))
        command = re.search(r"on the host: (.*)$", line).group(1).rstrip(".")
        command = command.replace("podman", " ".join(map(str, engine.command())), 1) \
            if command.startswith("podman") else command
        subprocess.run(command, shell=True, check=True, env=engine.env, cwd="/")
        engine(*start, runtime="runsafe")
        assert (data / "new").stat().st_uid == 1000 + system.first
    finally:
        engine("volume", "rm", "-f", "theirs")


# --- quadlet

QUADLET = systems.EXAMPLES / "monitoring/podman/quadlet"
# What `podman inspect` says of a container that has nothing to do with how it was started.
HOST = ("CapDrop", "Memory", "MemorySwap", "NanoCpus", "PidsLimit", "Privileged", "ReadonlyRootfs",
        "SecurityOpt", "ShmSize")
CONFIG = ("Cmd", "Env", "Healthcheck", "Hostname", "Image", "Secrets", "StopSignal", "StopTimeout",
          "User")


def essence(known):
    """Of what `podman inspect` says: what the container is."""
    mounts = [(mount.get("Name"), mount["Destination"]) for mount in known["Mounts"]]
    # HOME is put there at the start.
    env = sorted(word for word in known["Config"]["Env"] if not word.startswith("HOME="))
    config = {**known["Config"], "Env": env}
    return {**{key: known["HostConfig"][key] for key in HOST},
            **{key: config.get(key) for key in CONFIG}, "mounts": mounts,
            "runtime": known["OCIRuntime"], "networks": set(known["NetworkSettings"]["Networks"])}


def units(*options):
    """What quadlet makes of the units: name -> the words of its ExecStart."""
    env = {**os.environ, "QUADLET_UNIT_DIRS": str(QUADLET)}
    done = run("/usr/libexec/podman/quadlet", "-dryrun", *options, env=env)
    # It goes on with what it does not understand.
    assert not [line for line in done.err.splitlines() if "Loading source" not in line], done
    found = re.findall(r"^---(\S+)\.service---$.*?^ExecStart=(.*?)$", done.out, re.M | re.S)
    return {name: shlex.split(command) for name, command in found}


def test_quadlets_units_are_the_same_for_root_and_for_others():
    made = units()
    assert {f"monitoring-{part}" for part in PARTS} < set(made)
    assert set(made) == set(units("-user"))


@each_part
def test_quadlets_units_make_the_same_containers_as_the_script(system, part):
    """Made by quadlet's own command under another name, without what only systemd has."""
    engine = system.engine
    program, *words = units()[f"monitoring-{part}"]
    at = words.index("run")
    drop = ("--replace", "--rm", "-d", "--cgroups=split", "--cidfile=%t/%N.cid")
    words = ["quadlet" if word == f"monitoring-{part}" and words[i - 1] == "--name" else
             re.sub(r":ip=.*", "", word)
             for i, word in enumerate(words) if word not in drop]
    words[words.index("run")] = "create"
    words = [word.replace("journald", "k8s-file") for word in words]
    assert program == "/usr/bin/podman" and at == 1
    try:
        engine(*words)
        assert essence(engine.inspect("quadlet")) == essence(engine.inspect(system.names[part]))
    finally:
        engine("rm", "-f", "--ignore", "quadlet")
