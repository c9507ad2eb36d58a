"""The converter as a plain bundle: docs/examples/converter/bundle/up starts it with `runsafe run`
and nothing else; what it must do, and what is promised of it."""

import json
import os
import pathlib
import re
import socket

import pytest

import bundle
import converter
import engines
import systems
from engines import run, wait_for

EXAMPLE = systems.EXAMPLES / "converter/bundle"
STATE = pathlib.Path("/var/lib/converter")
ENGINE = ("podman", "--root", "/var/lib/containers/converter", "--runroot", "/run/converter",
          *systems.STORE)
RUNSAFE = os.environ.get("RUNSAFE", "runsafe")
ADDRESS = "10.80.3.2"


class Runsafe:
    """runsafe with the words of an engine, as far as tests/engines/converter.py uses them."""

    def __call__(self, command, *words, **options):
        if command == "logs":
            return engines.Done(["log"], 0, (STATE / "log").read_text(errors="replace"), "")
        if command == "inspect":
            command = "state"
        return run(RUNSAFE, command, *words, **options)

    def state(self):
        return json.loads(self("state", "converter").out)

    def pid(self, name):
        return self.state()["pid"]


def script(name, **env):
    """Runs ./up or ./down, which have nothing to say when all goes well."""
    env = {**os.environ, "ENGINE": " ".join(map(str, ENGINE)), "DISPLAY_SIZE": "%dx%dx24" %
           converter.SIZE, "SECRET": "/tmp/converter_password", "RUNSAFE": RUNSAFE, **env}
    done = run(EXAMPLE / name, env=env, timeout=150)
    assert not done.out and not done.err, done
    bundle.reap()


@pytest.fixture(scope="module")
def system():
    """The running converter, made by the example's own script; afterwards nothing is left but the
    bundle, Wine's folder, the secret and the log."""
    pathlib.Path("/tmp/converter_password").write_text(converter.PASSWORD + "\n")
    script("up")
    yield converter.System(Runsafe(), ADDRESS)
    script("down")
    left = [*pathlib.Path("/run/runsafe").glob("converter"),
            *pathlib.Path("/run/netns").glob("converter"),
            *pathlib.Path("/sys/class/net").glob("converter"),
            *(path for path in pathlib.Path("/sys/fs/cgroup").rglob("*converter*")
              if path.is_dir())]
    assert not left and "converter" not in run("nft", "list", "tables").out, left


# --- what it does

def test_a_windows_program_converts_what_is_sent(system):
    converter.drive_conversion(system)


def test_supervisord_runs_all_programs(system):
    converter.drive_programs(system)


def test_programs_that_are_killed_come_back(system):
    converter.drive_crash(system)


def test_the_display_is_seen_through_vnc(system):
    converter.drive_picture(system)


def test_another_password_sees_nothing(system):
    converter.drive_wrong_password(system)


def test_the_health_check_fails_while_a_program_is_missing(system):
    converter.drive_broken(system, "vnc")


@pytest.mark.parametrize("how", ["restart", "kill -9"])
def test_wines_folder_is_kept(system, how):
    def end():
        if how == "restart":
            script("down")
        else:
            converter.kill(system)
            wait_for("it has ended", lambda: bundle.reap() or
                     system.engine.state()["status"] == "stopped")
        script("up")

    converter.drive_kept(system, how[:4], end)


# --- what is promised of it

def test_exec_is_the_workloads_user(system):
    converter.assert_user(system)
    assert run(RUNSAFE, "exec", "-u", "0", "converter", "id", "-u").text == "1000"


def test_no_process_or_thread_has_a_right_too_many(system):
    converter.assert_processes(system)


def test_nothing_can_be_written_or_executed_where_it_must_not(system):
    converter.assert_rootfs(system)


def test_the_password_is_a_file_and_nowhere_else(system):
    converter.assert_secret(system, "444")
    for folder in (STATE, STATE / "secrets"):
        assert folder.stat().st_mode & 0o777 == 0o700 and folder.stat().st_uid == 0
    assert not converter.files_with(converter.PASSWORD, "/run/runsafe", STATE / "config.json",
                                    STATE / "log", STATE / "wine")


def test_only_two_ports_answer(system):
    """The host reaches them and nothing else; the converter itself reaches nobody."""
    assert converter.assert_ports(system) == ADDRESS
    places = [f"{ADDRESS}:{port}" for port in (22, 5900, 6000, 6099, 8080, 9000)]
    assert converter.reached(*places) == {f"{ADDRESS}:{port}" for port in (5900, 8080)}
    server = socket.create_server(("0.0.0.0", 9))
    with server:
        assert converter.reached("10.80.3.1:9") == {"10.80.3.1:9"}
        assert converter.reached("10.80.3.1:9", inside=system.pid()) == set()


# --- what the commands tell

def test_ps_shows_the_workloads_processes_alone(system):
    lines = run(RUNSAFE, "ps", "converter", "-eo", "uid,pid,comm").out.splitlines()[1:]
    assert {line.split()[0] for line in lines} == {"1000"}
    assert {"supervisord", "Xvfb", "x11vnc"} <= {line.split()[2] for line in lines}


def test_check_tells_what_is_hardened(system):
    """Of the bundle and of the container, the same."""
    for argument in (f"{STATE}/", "converter"):
        done = run(RUNSAFE, "check", argument, check=1)
        assert "uid not set, which is root: made 1000:1000" in done.out, done
        end = done.out.split("ends up with:")[1]
        for name, value in (("user", "1000:1000"), ("capabilities", "none"),
                            ("bounding set", "none"), ("no new privs", "yes"),
                            ("rootfs", "read-only"), ("memory", "1 GiB"), ("swap", "0 bytes"),
                            ("processes", "512")):
            assert re.search(rf"^  {name} +{value}$", end, re.M), done


def test_no_annotation_is_needed():
    config = json.loads((EXAMPLE / "config.json").read_text())
    assert "annotations" not in config and "seccomp" not in config["linux"]


def test_events_tell_what_it_uses(system):
    stats = json.loads(run(RUNSAFE, "events", "--stats", "converter").out)
    assert stats["id"] == "converter" and stats["type"] == "stats"
    if engines.has_limits():
        assert stats["data"]["memory"]["usage"]["usage"] > 10 << 20
        assert stats["data"]["pids"]["current"] >= 30
