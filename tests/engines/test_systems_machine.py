"""The systems of docs/examples where limits and AppArmor are real: the monitoring application under
Docker compose, attacked from inside, part by part, while its neighbours are timed."""

import json
import os
import pathlib
import subprocess
import tempfile
import time

import pytest

import attacks
import docker as docker_module
import monitoring
import monitoring_compose
import systems
from attacks import Neighbours, attack, value
from engines import cgroup_of, run, wait_for
from monitoring import PARTS

pytestmark = pytest.mark.ground("systems")
each_part = pytest.mark.parametrize("part", PARTS)
MIB = 1 << 20
APPARMOR = systems.EXAMPLES / "apparmor"
PROFILE = "runsafe-monitoring-backend"
# The commands of health checks take ten times as long here, and would take all of the processor.
# The worker's gives it four seconds for an answer: its reports show that it is well.
SLOWLY = "interval: 1h, timeout: 200s, start_period: 1h, start_interval: 5s"


class System(monitoring_compose.System):
    """By compose.yaml as it is; over it the profile's own file, and patience."""

    def __init__(self, docker):
        super().__init__(docker)
        (self.folder / "slowly.yaml").write_text("services:\n" + "".join(
            f"  {part}: {{healthcheck: {{{'disable: true' if part == 'worker' else SLOWLY}}}}}\n"
            for part in PARTS))
        self.env.update(HEALTH_INTERVAL="1h", REPORT_SECONDS="3600", COMPOSE_FILE=":".join(
            ["compose.yaml", str(APPARMOR / "monitoring.yaml"), "slowly.yaml"]))

    def up(self):
        # --wait takes no part without a health check.
        self("up", "-d")
        self.wait(120)
        said = json.loads(self("config", "--format", "json").out)["services"]
        # Memory, processors, processes, as the compose file says.
        self.limits = {part: (int(one["mem_limit"]), float(one["cpus"]), one["pids_limit"])
                       for part, one in said.items()}
        self.look()

    def look(self):
        """Each client in Go takes a second here: ids and processes are asked for once."""
        lines = self.engine("inspect", "--format", "{{.Id}} {{.State.Pid}}",
                            *(self.names[part] for part in PARTS)).out.splitlines()
        self.ids, self.pids = ({part: line.split()[n] for part, line in zip(PARTS, lines)}
                               for n in (0, 1))
        self.groups = {part: cgroup_of(pid) for part, pid in self.pids.items()}

    def pid(self, part):
        return int(self.pids[part])

    def exec(self, part, *words, **options):
        return run(*attacks.words(self, part, *words), **options)

    def lives(self, part):
        """In the process that it had."""
        try:
            return cgroup_of(self.pids[part]) == self.groups[part]
        except FileNotFoundError:
            return False

    def kills(self):
        """How many processes of each part were killed for its memory."""
        return {part: value(group, "memory.events", "oom_kill") if group.exists() else None
                for part, group in self.groups.items()}


@pytest.fixture(scope="module")
def system():
    """From a folder in which dockerd has the images already (tests/vm/systems --disk)."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dockerd-", dir="/tmp"))
    folder.chmod(0o755)
    run("apparmor_parser", "-r", "-W", APPARMOR / PROFILE)
    docker = docker_module.Docker(folder, {"data-root": "/srv/docker"}).start()
    one = System(docker)
    # dockerd remembers 256 events, and the attacks make more: somebody listens all the time.
    one.eaters = folder / "eaters"
    with one.eaters.open("w") as out:
        listener = subprocess.Popen([*docker.client, "events", "--filter", "event=oom",
                                     "--format", "{{.Actor.ID}}"], stdout=out)
    try:
        began = time.monotonic()
        one.up()
        attacks.figure(f"compose up: {time.monotonic() - began:.0f} s")
        yield one
    finally:
        listener.kill()
        listener.wait()
        one.done()
        docker.stop()


@pytest.fixture(scope="module")
def neighbours(system):
    return Neighbours({part: monitoring.addresses(system, part)[-1] for part in PARTS}, system.port)


@pytest.fixture
def unharmed(system, neighbours, part):
    """Afterwards all parts but `part` run in the processes that they had, and none was killed."""
    neighbours.rest(part)
    kills, pids = system.kills(), dict(system.pids)
    yield
    now = system.kills()
    for one in set(PARTS) - {part}:
        assert system.lives(one) and system.pids[one] == pids[one] and now[one] == kills[one], one


# --- they are there

@each_part
def test_limits_are_what_the_compose_file_says(system, part):
    systems.assert_limits(system.pid(part), *system.limits[part])


def test_stats_show_them(system):
    """The guide's own command."""
    lines = system.engine("stats", "--no-stream", "--format", "{{json .}}").out.splitlines()
    shown = {one["Name"]: one for one in map(json.loads, lines)}
    for part in PARTS:
        one = shown[system.names[part]]
        used, _, most = one["MemUsage"].partition(" / ")
        assert most == f"{system.limits[part][0] // MIB}MiB" and not used.startswith("0B"), shown
        assert 1 <= int(one["PIDs"]) <= system.limits[part][2], shown


# --- they hold

@each_part
def test_who_eats_memory_is_killed_and_reported(system, neighbours, unharmed, part):
    """By the kernel, in its own part alone, and again whenever he tries; runsafe says so."""
    group, limit = system.groups[part], system.limits[part][0]
    before, said = system.kills()[part], system.folder / f"events-{part}"
    with said.open("w") as out:
        events = subprocess.Popen(["runsafe", "--root", attacks.root(system), "events",
                                   "--interval", "1h", system.ids[part]], stdout=out)
    eat = f"dd if=/dev/zero of=/dev/null bs={limit // MIB + 32}M count=1"
    try:
        with attack(system, part, f"while :; do {eat}; [ $? = 137 ] || exit; done") as client:
            neighbours.go_on(part, "memory")
            wait_for("runsafe says so", lambda: '"oom"' in said.read_text(), 6)
            assert client.poll() is None, "dd was not killed"
    finally:
        events.terminate()
        events.wait()
    assert system.kills()[part] > before and system.lives(part)
    # The kernel itself may go a few pages beyond.
    assert value(group, "memory.peak") <= limit + MIB


def test_docker_tells_who_ate_memory(system):
    """All of them did."""
    names = [system.names[part] for part in PARTS]
    out = system.engine("inspect", "--format", "{{.State.OOMKilled}}", *names).out.split()
    assert out == ["true"] * len(PARTS)
    def told():
        return set(system.eaters.read_text().split())

    wait_for("Docker has told of all", lambda: told() >= set(system.ids.values()), 10)
    assert told() == set(system.ids.values())
    eat = ("dd", "if=/dev/zero", "of=/dev/null", "bs=128M", "count=1")
    system.engine("exec", system.names["frontend"], *eat, check=137)


@pytest.mark.parametrize("part", ["cache"])
def test_a_part_that_itself_grows_too_large_ends_with_137(system, neighbours, unharmed, part):
    """Redis, by a value larger than its limit: it alone ends, and works again when started."""
    name = system.names[part]
    system.engine("update", "--restart", "no", name)
    system.exec(part, "redis-cli", "SETRANGE", "large", "400000000", "x", check=False)
    wait_for("it has ended", lambda: not system.running(part))
    state = system.engine.inspect(name, ".State")
    assert state["OOMKilled"] and state["ExitCode"] == 137, state
    neighbours.go_on(part, "its end")
    system.engine("update", "--restart", "unless-stopped", name)
    system.engine("start", name)
    system.look()
    wait_for("the application is well again", system.answers, 30)


@each_part
def test_files_in_tmp_are_memory_of_the_part(system, part):
    """And no more than half of what it may have."""
    group, limit = system.groups[part], system.limits[part][0]
    before = value(group, "memory.stat", "shmem")
    out = system.shell(part, "head -c 16M /dev/zero >/tmp/fill; stat -f -c '%b %S' /tmp")
    assert value(group, "memory.stat", "shmem") >= before + 16 * MIB
    blocks, size = map(int, out.split())
    assert blocks * size == limit // 2
    system.exec(part, "rm", "/tmp/fill")


@pytest.mark.parametrize("part", ["frontend"])
def test_who_fills_all_that_is_writable_is_killed(system, neighbours, unharmed, part):
    """/tmp, /var/tmp and /run together are more than it may have. What is there is gone with it."""
    before = system.kills()[part]
    fill = "for d in /tmp /var/tmp /run; do head -c 100M /dev/zero >$d/fill; done"
    system.exec(part, "sh", "-c", fill, check=False)
    # The kernel takes as many processes as it needs to, the first one as well.
    now = system.kills()[part]
    assert now is None or now > before
    neighbours.go_on(part, "files")
    system.engine("restart", "-t", "1", system.names[part])
    system.look()
    assert "fill" not in system.shell(part, "ls /tmp /var/tmp /run")
    wait_for("the application is well again", system.answers, 30)


@each_part
def test_a_busy_loop_gets_its_share(system, neighbours, unharmed, part):
    group, share = system.groups[part], system.limits[part][1]
    throttled = value(group, "cpu.stat", "nr_throttled")
    with attack(system, part, "while :; do :; done"):
        got = attacks.share_of_a_processor(group)
        neighbours.go_on(part, f"busy loop ({got:.2f} of {share:g} allowed)")
    assert 0.7 * share <= got <= 1.1 * share
    if share < os.cpu_count():
        assert value(group, "cpu.stat", "nr_throttled") > throttled


# --- AppArmor

@each_part
def test_every_process_is_confined(system, part):
    """By the profile that the compose file names, else by Docker's own; an exec, too."""
    label = ("docker-default" if part != "backend" else PROFILE) + " (enforce)"
    current = "attr/apparmor/current"
    labels = {pathlib.Path(f"/proc/{task}/{current}").read_text().strip()
              for task in systems.tasks(system.groups[part])}
    assert labels == {label}
    assert system.exec(part, "cat", f"/proc/self/{current}").text == label


def test_the_profile_denies_what_else_works(system):
    """Writing to /dev/shm and executing what lies in a volume."""
    write = ("sh", "-c", "echo x >/dev/shm/x && rm /dev/shm/x")
    execute = ("sh", "-c", "cp /bin/true $0/true && $0/true; s=$?; rm $0/true; exit $s")
    system.exec("worker", *write)
    assert "Permission denied" in system.exec("backend", *write, check=False).err
    system.exec("database", *execute, monitoring.VOLUMES["database"])
    done = system.exec("backend", *execute, monitoring.VOLUMES["backend"], check=126)
    assert "Permission denied" in done.err, done


def test_a_profile_that_is_not_loaded_stops_the_start(system):
    done = system.engine("run", "--rm", "--runtime", "runsafe", "--security-opt",
                         "apparmor=no-such-profile", "monitoring-cache", "true", check=False)
    assert done.status not in (0, 1)
    assert '"no-such-profile" (no such profile is loaded: apparmor_parser -r FILE' in done.err


def test_the_application_works_after_all_that(system):
    monitoring.drive_readings(system)
    monitoring.drive_report(system)
    monitoring.drive_backup(system)
    monitoring.drive_cache(system)


# --- last: who is process 1 here does not bury others' children, and the dead count as processes

@each_part
def test_a_fork_bomb_stops_at_the_limit(system, neighbours, unharmed, part):
    group, limit = system.groups[part], system.limits[part][2]
    with attack(system, part, "b() { b | b & }; b; sleep 1000"):
        wait_for("it is stopped", lambda: value(group, "pids.events", "max"), 30)
        neighbours.go_on(part, "fork bomb")
        assert value(group, "pids.current") <= limit
    assert value(group, "pids.peak") <= limit and system.lives(part)
    # It was stopped itself as little as its neighbours.
    for name, (parts, how) in neighbours.services.items():
        if part in parts:
            wait_for(f"{name} is answered", lambda how=how: attacks.serves(how))
