"""The monitoring application by docs/examples/monitoring/compose.yaml as it is written: what each
part must do, and what the guides promise of it (monitoring_compose.Promises)."""

import ipaddress
import json
import re

import pytest

import monitoring
import monitoring_compose
from engines import run, wait_for
from monitoring import PARTS, redis
from monitoring_compose import RUNTIME, each_part


@pytest.fixture(scope="module")
def system(dockerd):
    monitoring_compose.systems.load(dockerd, "monitoring")
    one = monitoring_compose.System(dockerd)
    try:
        one.up()
        yield one
    finally:
        one.done()


class TestPromises(monitoring_compose.Promises):
    """Those that hold under any compose file."""


# --- what the parts do

def test_the_page_is_served_and_the_api_is_behind_it(system):
    status, page = system.request("GET", "/")
    assert status == 200 and "<h1>Monitoring</h1>" in page
    assert system.api("GET", "health") == {"status": "ok"}
    assert system.request("GET", "/nothing")[0] == 404
    assert system.request("POST", "/api/readings", {"host": ""})[0] == 422


def test_readings_are_stored_and_come_back(system):
    monitoring.drive_readings(system)


def test_the_administrators_password_is_for_its_owner_alone(system):
    """0600; a process of another user in the same container can not read it, nor in the host."""
    file = "/tmp/admin_password.txt"
    assert system.shell("backend", f"stat -c '%a %u %g' {file}") == "600 1000 1000\n"
    password = system.shell("backend", f"cat {file}").strip()
    assert len(password) >= 24
    refused = system.engine("exec", "-u", "1001", system.names["backend"], "cat", file, check=1)
    assert "Permission denied" in refused.err and not refused.out
    assert password not in "".join(system.logs(part) for part in PARTS)

    # It is good for something.
    monitoring.drive_readings(system, "gone")
    delete = ("-s", "-X", "DELETE", f"http://127.0.0.1:{system.port}/api/readings")
    assert "not the administrator" in run("curl", "-u", "admin:wrong", *delete).out
    assert system.read("gone")
    assert json.loads(run("curl", "-u", f"admin:{password}", *delete).out)["deleted"] >= 2
    assert not system.read("gone")


def test_the_worker_makes_a_report(system):
    monitoring.drive_readings(system, "reported")
    assert monitoring.drive_report(system)["hosts"]["reported"] == {
        "number": 2, "mean": 2.0, "highest": 2.5}


def test_the_worker_starts_what_is_due_by_the_clock(system):
    """beat, with its notes in /tmp."""
    redis(system, "DEL", "report:latest")
    wait_for("a report that nobody asked for",
             lambda: redis(system, "EXISTS", "report:latest") == "1", 20)
    assert "readings" in system.api("GET", "reports/latest")
    assert system.shell("worker", "ls /tmp/beat").strip() == "/tmp/beat"


def test_the_worker_says_nothing_of_root(system):
    """With --uid=1000 --gid=1000 it becomes who it is already."""
    log = system.logs("worker")
    assert " ready." in log and not re.search(r"superuser|root|Warning", log), log
    words = system.shell("worker", "tr '\\0' ' ' </proc/1/cmdline")
    assert "--uid=1000 --gid=1000" in words


def test_nginx_listens_on_port_80_without_a_capability(system):
    assert monitoring.listening(system.pid("frontend")) == {80}
    assert system.uid("frontend") == (101, 101)
    assert int(re.search(r"CapBnd:\s+(\w+)", system.shell("frontend", "cat /proc/1/status"))[1],
               16) == 0


def test_the_cluster_was_made_at_the_first_start(system):
    """initdb; the table is the application's, which is no superuser; nobody else can log in."""
    assert "The files belonging to this database system will be owned by user \"postgres\"" in (
        system.logs("database"))
    monitoring.drive_readings(system)
    rows = sql(system, "SELECT tableowner FROM pg_tables WHERE tablename = 'readings';"
               "SELECT rolname, rolsuper FROM pg_roles WHERE rolcanlogin ORDER BY 1;"
               "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'trust'")
    assert rows == ["monitoring", "monitoring|f", "postgres|t", "0"]
    refused = system.exec("backend", "python3", "-c", """
import psycopg2
right = open("/run/secrets/database_password").read().strip()
for user, password in (("monitoring", "wrong"), ("postgres", right)):
    try:
        psycopg2.connect(host="database", dbname="monitoring", user=user, password=password)
    except psycopg2.OperationalError as why:
        print(why)
""").out
    assert 'password authentication failed for user "monitoring"' in refused
    assert 'no pg_hba.conf entry for host' in refused or "pg_hba.conf rejects" in refused


def sql(system, text):
    return system.exec("database", "psql", "-qAtd", "monitoring", "-c", text).out.splitlines()


JOIN = """
CREATE UNLOGGED TABLE l AS SELECT i, repeat('x', 100) t FROM generate_series(1, 600000) i;
CREATE UNLOGGED TABLE r AS SELECT i, repeat('y', 100) t FROM generate_series(1, 600000) i;
ANALYZE l; ANALYZE r;
SET work_mem = '256MB'; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)
	SELECT count(*), max(l.t), max(r.t) FROM l JOIN r USING (i);
DROP TABLE l, r;
"""


def test_processes_that_join_share_more_than_64_MiB(system):
    plan = "\n".join(sql(system, JOIN))
    assert "Parallel Hash Join" in plan and "Workers Launched: 2" in plan, plan
    used = int(re.search(r"Batches: 1 +Memory Usage: (\d+)kB", plan)[1])
    assert 64 * 1024 < used < 256 * 1024, plan


def test_the_cache_keeps_values_and_saves_them(system):
    monitoring.drive_cache(system)


# --- what stays

def end_and_start(system, part, how):
    """Ends a part as people, kernels and bugs do, and has it started again."""
    pid = system.pid(part)
    if how == "restart":
        system("restart", part)
    elif how == "kill":
        system("kill", "-s", "KILL", part)
        wait_for(f"{part} has ended", lambda: not system.running(part))
        system("start", part)
    else:
        monitoring.kill(system, part)  # its restart policy starts it
    wait_for(f"{part} runs again", lambda: system.running(part) and system.pid(part) != pid, 20)
    system.wait_for_health(part)


@pytest.mark.parametrize("how", ["restart", "kill", "crash"])
def test_the_database_keeps_what_it_was_given(system, how):
    monitoring.drive_readings(system, how)
    lines = len(system.logs("database").splitlines())
    end_and_start(system, "database", how)
    system.wait()
    assert system.read(how) == [1.5, 2.5]
    said = "\n".join(system.logs("database").splitlines()[lines:])
    assert ("was not properly shut down" in said) == (how != "restart"), said
    monitoring.drive_readings(system, how)


@pytest.mark.parametrize("how", ["restart", "kill", "crash"])
def test_the_cache_keeps_what_it_was_given(system, how):
    assert redis(system, "SET", how, "kept") == "OK"
    end_and_start(system, "cache", how)
    assert redis(system, "GET", how) == "kept"
    # Who talks to it finds it again.
    system.wait()
    system.wait_for_health("worker")
    monitoring.drive_report(system)


@pytest.mark.parametrize("part", ["backend", "worker", "frontend"])
def test_a_part_that_crashes_comes_back(system, part):
    end_and_start(system, part, "crash")
    for other in PARTS:
        system.wait_for_health(other)
    monitoring.drive_report(system)


def test_what_is_in_volumes_survives_down_and_up(system):
    """All containers and networks are new; no chown was needed."""
    monitoring.drive_readings(system, "before")
    name = monitoring.drive_backup(system)
    redis(system, "SET", "before", "kept")
    password = system.shell("backend", "cat /tmp/admin_password.txt")
    system("down")
    assert system.engine("ps", "-aq").text == ""
    system.up()
    assert system.read("before") == [1.5, 2.5]
    assert name in system.api("GET", "backups")
    assert json.loads((system.volume("backend") / name).read_text())[-1]["host"] == "before"
    assert redis(system, "GET", "before") == "kept"
    # What is in /tmp does not stay.
    assert system.shell("backend", "cat /tmp/admin_password.txt") != password
    monitoring.drive_report(system)


# --- networks

# Prints those of HOST:PORT... that can be connected to.
TRY = """
import concurrent.futures, socket, sys
def connect(place):
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
        return place
    except OSError:
        return None
with concurrent.futures.ThreadPoolExecutor(20) as pool:
    print(*filter(None, pool.map(connect, sys.argv[1:])))
"""


@pytest.fixture(scope="module")
def third(system):
    """third(SCRIPT, ARGUMENTS...): Python in a container on a network of its own."""
    docker = system.engine
    docker("network", "create", "third")

    def python(script, *arguments):
        return docker("run", "--rm", "--runtime", RUNTIME, "--network", "third", "--dns",
                      "127.0.0.1", "monitoring-backend", "python3", "-c", script, *arguments).text

    yield python
    docker("network", "rm", "third")


def published(system, part):
    ports = system.engine.inspect(system.names[part], ".NetworkSettings.Ports")
    return {port: where[0]["HostPort"] for port, where in ports.items() if where}


def test_only_who_shares_a_network_is_reached(system):
    monitoring.assert_networks(system)


def test_only_the_published_port_is_open(system):
    assert monitoring.listening() == {system.port}
    assert system.request("GET", "/")[0] == 200
    for part, port in monitoring.PORTS.items():
        ports = published(system, part)
        assert ports == ({f"{port}/tcp": str(system.port)} if part == "frontend" else {})
    # Only the frontend has a way out of this host.
    for part in PARTS:
        routes = run("nsenter", "-t", system.pid(part), "-n", "ip", "route").out
        assert ("default" in routes) == (part == "frontend"), (part, routes)


def test_from_another_network_nothing_is_reached(system, third):
    """Neither by address nor by name, but for the published port of the host."""
    subnets = [ipaddress.ip_network(f"10.80.{n}.0/24") for n in range(3)]
    places = []
    for part, port in monitoring.PORTS.items():
        addresses = monitoring.addresses(system, part)
        for address in addresses:
            assert any(ipaddress.ip_address(address) in subnet for subnet in subnets)
        places += [f"{host}:{port}" for host in (part, *addresses)]
    assert len(places) >= 10 and third(TRY, *places) == ""
    gateway = third("import re; print(re.search(r'eth0\\s+0{8}\\s+(\\w+)',"
                    " open('/proc/net/route').read())[1])")
    host = str(ipaddress.ip_address(bytes.fromhex(gateway)[::-1]))
    assert third(TRY, f"{host}:{system.port}") == f"{host}:{system.port}"


# --- health

@pytest.mark.parametrize("broken, seen", [("database", ("backend", "frontend")),
                                          ("cache", ("backend", "frontend")),
                                          ("backend", ("frontend",))])
def test_health_checks_fail_when_the_service_is_broken(system, broken, seen):
    """Who stands on a part that is stopped says so, answers 503 or 502, and recovers."""
    system("stop", broken)
    try:
        for part in seen:
            system.wait_for_health(part, "unhealthy")
        status, text = system.request("GET", "/api/health", timeout=20)
        assert status in ((502, 504) if broken == "backend" else (503,)), text
        if broken != "backend":
            assert "detail" in json.loads(text) and system.secret not in text
        assert system.request("GET", "/")[0] == 200
        # The worker is asked by way of the cache; that it notices is in the next test.
        for part in set(PARTS) - {*seen, broken, "worker"}:
            assert system.health(part) == "healthy", part
    finally:
        system("start", broken)
    for part in PARTS:
        system.wait_for_health(part)


def test_parts_that_hang_are_unhealthy(system):
    """They are there, their ports are open, and they do not answer."""
    hanging = [system.pid(part) for part in ("database", "cache", "worker", "backend")]
    assert all(hanging)
    run("kill", "-STOP", *hanging)
    try:
        for part in PARTS:
            system.wait_for_health(part, "unhealthy")
    finally:
        run("kill", "-CONT", *hanging)
    for part in PARTS:
        system.wait_for_health(part)


# --- what a compose file says shows

@each_part
def test_docker_inspect_shows_what_was_asked_for(system, part):
    config = system.engine.inspect(system.names[part], ".HostConfig")
    assert config["CapDrop"] == ["ALL"] and not config["CapAdd"]
    assert config["ReadonlyRootfs"] is True and config["Privileged"] is False
    assert config["SecurityOpt"] == ["no-new-privileges:true"]
    assert config["Runtime"] == RUNTIME
    assert config["RestartPolicy"]["Name"] == "unless-stopped"
    assert not config.get("Annotations")


def test_docker_stats_knows_all_parts(system):
    lines = system.engine("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}} {{.PIDs}}",
                          *system.names.values()).out.splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(system.names.values())


# --- volumes of somebody else

@pytest.mark.parametrize("part, owner", [("backend", "0:0"), ("backend", "33:33"),
                                         ("database", "0:0"), ("cache", "1000:1000")])
def test_a_volume_of_another_owner_is_told_with_the_line_that_helps(system, part, owner):
    """Made by root, or by another service: its content is not given away, and the log says what to
    do; that line, on the host, helps."""
    docker, place = system.engine, monitoring.VOLUMES[part]
    image = f"monitoring-{part}"
    start = ("run", "--rm", "--runtime", RUNTIME, "--network", "none", "-v", f"old:{place}", image,
             "sh", "-c", f"touch {place}/new && stat -c %u:%g {place}/new")
    docker("volume", "create", "old")
    try:
        folder = docker.inspect("old", ".Mountpoint")
        run("sh", "-c", f"echo data >{folder}/file; chmod 700 {folder}; chown -R {owner} {folder}")
        refused = docker(*start, check=1)
        assert "Permission denied" in refused.err
        said = [line for line in refused.err.splitlines() if "runsafe" in line]
        assert len(said) == 1 and owner in said[0] and place in said[0], refused
        help_ = re.search(r"on the host: (chown .*)$", said[0])[1]
        assert folder in help_, said
        run("sh", "-c", help_)
        done = docker(*start)
        uid, gid = system.uid(part)
        assert done.text == f"{uid}:{gid}" and done.err == "", done
    finally:
        docker("volume", "rm", "-f", "old")
