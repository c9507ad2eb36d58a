"""The converter by docs/examples/converter/compose.yaml as it is written: what each of its programs
must do, and what the guides promise of it (converter_compose.Promises)."""

import ipaddress
import pathlib
import time

import pytest

import converter
import converter_compose
import systems
import vnc
from converter_compose import RUNTIME
from engines import run, wait_for

# Where people find the pictures: tests/engines/native -o FOLDER.
OUT = pathlib.Path("/job/out")
# How long the first start took, which fills Wine's volume.
first = {}


@pytest.fixture(scope="module")
def system(dockerd):
    systems.load(dockerd, "converter")
    one = converter_compose.System(dockerd)
    try:
        start = time.monotonic()
        one.up()
        first["seconds"] = time.monotonic() - start
        yield one
    finally:
        one.done()


class TestPromises(converter_compose.Promises):
    """Those that hold under any compose file."""


# --- supervisord

def test_supervisorctl_shows_five_programs_that_run(system):
    converter.drive_programs(system)


@pytest.mark.parametrize("programs", [("display",), ("vnc", "windows"), ("converter", "api")],
                         ids=" and ".join)
def test_what_dies_is_started_again(system, programs):
    """A display takes with it what draws on it and looks at it: those come back, too."""
    converter.drive_crash(system, programs)
    converter.drive_programs(system)


# --- the display, and the view of it

def test_the_display_has_the_size_that_was_asked_for(system):
    """By what the display says to its clients; the VNC server says the same (below)."""
    said = system.exec("python3", "-c", "import sys; sys.path[0] = '/app'; import display; "
                       "print(*display.ask())").text
    assert said == "%d %d" % converter.SIZE != "1024 768"


def test_a_client_sees_the_windows_program_come_and_go(system):
    shown = converter.drive_picture(system)
    shown.save(OUT / "converter-notepad.png")
    # The window is white on a black screen.
    assert shown.colours()[b"\xff\xff\xff"] > shown.width * shown.height / 4

    system.exec("supervisorctl", "stop", "windows")
    gone = wait_for("notepad's window is gone", lambda: (
        lambda one: len(one.colours()) <= 4 and one)(system.picture()))
    gone.save(OUT / "converter-empty.png")
    assert shown.difference(gone) > 0.25

    system.exec("supervisorctl", "start", "windows")
    system.wait()
    wait_for("it is back", lambda: converter.drive_picture(system).difference(gone) > 0.25)


def test_what_a_client_types_is_seen_on_the_screen(system):
    """A window can be drawn, and driven: the way from VNC to a Windows program and back."""
    before = converter.drive_picture(system)
    client = vnc.Client(system.address, system.view, converter.PASSWORD)
    try:
        client.click(100, 100)
        client.type("runsafe " * 8)
        # Dark letters in the first lines of the white area, and nothing else that is much.
        after = wait_for("the letters", lambda: (
            lambda one: one.difference(before) > 0.001 and one)(client.picture()))
    finally:
        client.close()
    after.save(OUT / "converter-typed.png")
    assert after.difference(before) < 0.1


def test_nobody_sees_it_without_the_password(system):
    converter.drive_wrong_password(system)


# --- Wine and the services

def test_windows_programs_convert_what_is_sent(system):
    converter.drive_conversion(system)


def test_one_that_asks_wrong_is_told_so(system):
    status, text = system.request("POST", "/convert?to=gold", b"lead")
    assert status == 400 and b"to= must be one of utf-16, sorted" in text
    assert system.request("POST", "/convert", "日本".encode())[0] == 400
    assert system.request("GET", "/nothing")[0] == 404
    assert system.request("POST", "/convert", b"x" * ((1 << 20) + 1))[0] == 413


def test_only_the_published_ports_answer(system):
    """The inner service is not reachable, from the host neither; VNC is for this host alone."""
    address = converter.assert_ports(system)
    assert ipaddress.ip_address(address) in ipaddress.ip_network("10.80.4.0/24")
    ports = (5900, 6099, 8080, 9000)
    assert converter.reached(*(f"127.0.0.1:{port}" for port in ports)) == {
        "127.0.0.1:5900", "127.0.0.1:8080"}
    assert converter.reached(*(f"{address}:{port}" for port in ports)) == {
        f"{address}:5900", f"{address}:8080"}
    published = system.engine.inspect(system.name, ".NetworkSettings.Ports")
    assert {key: {one["HostIp"] for one in value} - {"::"} for key, value in published.items()
            } == {"5900/tcp": {"127.0.0.1"}, "8080/tcp": {"0.0.0.0"}}


def test_another_network_does_not_reach_it(system):
    """docker0 and compose's network share nothing."""
    address = system.engine.inspect(
        system.name, ".NetworkSettings.Networks.converter_converter.IPAddress")
    done = system.engine("run", "--rm", "--runtime", RUNTIME, "--entrypoint", "timeout",
                         "converter", "3", "python3", "-c", "import socket; "
                         f"socket.create_connection(('{address}', 8080))", check=False)
    assert done.status in (1, 124), done


def test_a_volume_of_roots_is_named_together_with_what_helps(system):
    """One from before, made by a container that was root: Wine says no, runsafe says why."""
    def start(*words, runtime=RUNTIME, **options):
        return system.engine("run", "--rm", "--runtime", runtime, "--network", "none", "-v",
                             "old:/wine", "converter", *words, **options)

    try:
        start("touch", "/wine/file", runtime="runsafe-oci")
        refused = start("wine", "cmd", "/c", "ver", check=1)
        assert "wine: '/wine' is not owned by you" in refused.err
        line = next(line for line in refused.err.splitlines() if line.startswith("runsafe: "))
        assert "/wine: the volume belongs to 0:0" in line
        run("sh", "-c", line.rpartition("on the host: ")[2])
        start("touch", "/wine/file", "/wine/new")
    finally:
        system.engine("volume", "rm", "-f", "old")


# --- health

def test_the_health_check_fails_while_the_converter_hangs(system):
    """A process that is there, but answers nothing."""
    system.wait_for_health()
    system.shell("kill -STOP $(supervisorctl pid converter)")
    try:
        status, said = system.request("GET", "/health", timeout=30)
        assert status == 503 and b'"converter": "timed out"' in said and b'"display": "ok"' in said
        system.wait_for_health("unhealthy")
    finally:
        system.shell("kill -CONT $(supervisorctl pid converter)")
    system.wait_for_health()


@pytest.mark.parametrize("program", ["display", "vnc"])
def test_the_health_check_fails_without_a_program(system, program):
    """healthy, which engines call, and the API itself."""
    converter.drive_broken(system, program)


# --- what Docker shows, and its life

def test_inspect_shows_what_the_file_says(system):
    config = system.engine.inspect(system.name, ".HostConfig")
    assert config["Runtime"] == RUNTIME and config["CapDrop"] == ["ALL"]
    assert config["ReadonlyRootfs"] and not config["Privileged"] and not config["CapAdd"]
    assert config["SecurityOpt"] == ["no-new-privileges:true"]
    assert not config.get("Annotations")
    assert not system.engine.inspect("converter", ".Config.User")


def ages(system):
    """Of files that only the making of a prefix writes: inode and time."""
    return system.shell("stat -c '%n %i %Y' /wine/.update-timestamp "
                        "/wine/drive_c/windows/system32/notepad.exe")


def test_the_first_start_makes_wines_prefix_and_no_other_does(system):
    """Down and up again: the volume is kept, nothing is made anew, and it is faster."""
    made = ages(system)
    assert "windows: new prefix in /wine" in system.logs()

    def end():
        system("down")
        start = time.monotonic()
        system.up()
        first["again"] = time.monotonic() - start

    converter.drive_kept(system, "down", end)
    assert ages(system) == made
    assert "new prefix" not in system.logs()
    print(f"first start {first['seconds']:.1f} s, second {first['again']:.1f} s")


@pytest.mark.parametrize("how", ["restart", "kill -9"])
def test_it_is_there_again(system, how):
    def end():
        if how == "restart":
            system("restart")
        else:
            pid = system.pid()
            converter.kill(system)
            # As the file says: restart: unless-stopped.
            wait_for("Docker starts it again", lambda: system.pid() not in (0, pid), 20)

    made = ages(system)
    converter.drive_kept(system, how[:4], end)
    assert ages(system) == made
    converter.drive_programs(system)
    converter.drive_picture(system)


def test_it_ends_in_time_and_says_so(system):
    """supervisord takes SIGTERM and ends all: no SIGKILL after ten seconds."""
    start = time.monotonic()
    system("stop")
    state = system.engine.inspect(system.name, ".State")
    assert state["ExitCode"] == 0 and not state["OOMKilled"], state
    assert time.monotonic() - start < 9
    assert system.engine.states() == []
    system.up()
