"""The converter under Podman: docs/examples/converter/podman/up starts it, with root and without;
what it must do, and what is promised of it."""

import os
import pathlib
import re

import pytest

import converter
import podman as podman_module
import rootless
import systems
from engines import run, wait_for

EXAMPLE = systems.EXAMPLES / "converter/podman"
UID = 1007
SECRET = "/tmp/converter_password"


class Podman:
    """The example's scripts, driven with one of the tests' Podmans."""

    def __init__(self, podman):
        self.podman = podman

    def __call__(self, *words, **options):
        return self.podman(*words, **options)

    def __getattr__(self, name):
        return getattr(self.podman, name)

    def script(self, name, *words):
        """Runs ./up or ./down, which have nothing to say when all goes well."""
        env = {**self.podman.env, "PODMAN": " ".join(map(str, self.podman.command())),
               "DISPLAY_SIZE": "%dx%dx24" % converter.SIZE, "SECRET": SECRET}
        done = run(EXAMPLE / name, *words, env=env, timeout=150)
        assert not done.out and not done.err, done


def running(podman, first=0):
    """The converter, started by the example's own script; afterwards all of it is taken away by
    the other one."""
    path = pathlib.Path(SECRET)
    path.write_text(converter.PASSWORD + "\n")
    path.chmod(0o644)
    engine = Podman(podman)
    podman("images")  # Podman's first command of a user warns of the mounts here
    try:
        engine.script("up")
        yield converter.System(engine, first=first)
        engine.script("down", "--all")
        podman.clean()
    finally:
        podman.stop()


@pytest.fixture(scope="module")
def system(request):
    """Root's, or that of an ordinary user where a test says so."""
    if getattr(request, "param", "root") == "root":
        one = podman_module.make()
        one.options = (*one.options, *systems.STORE)
        yield from running(one)
    else:
        one = rootless.make("wanda", UID)
        one.options = (*one.options, *systems.store_for(UID, UID * 100))
        yield from running(one, first=UID * 100 - 1)


# --- what it does

def test_a_windows_program_converts_what_is_sent(system):
    converter.drive_conversion(system)


def test_supervisord_runs_all_programs(system):
    converter.drive_programs(system)


def test_a_program_that_is_killed_comes_back(system):
    converter.drive_crash(system, ("converter", "windows"))


def test_the_display_is_seen_through_vnc(system):
    converter.drive_picture(system)


def test_the_health_check_fails_while_the_converter_is_broken(system):
    """Podman's own as well."""
    system.engine("healthcheck", "run", "converter")
    system.exec("supervisorctl", "stop", "converter")
    assert system.engine("healthcheck", "run", "converter", check=1)
    assert system.health() == 503
    system.exec("supervisorctl", "start", "converter")
    system.wait()
    system.engine("healthcheck", "run", "converter")


def test_wines_volume_outlives_a_kill(system):
    """Podman starts the converter again by itself."""
    def end():
        before = system.pid()
        converter.kill(system)
        wait_for("it is started again", lambda: system.pid() not in (0, before), 20)

    converter.drive_kept(system, "killed", end)


# --- what is promised of it

def test_exec_is_the_workloads_user(system):
    converter.assert_user(system)
    assert system.engine("exec", "-u", "root", "converter", "id", "-u").text == "1000"


def test_no_process_or_thread_has_a_right_too_many(system):
    converter.assert_processes(system)


def test_nothing_can_be_written_or_executed_where_it_must_not(system):
    converter.assert_rootfs(system)


def test_the_password_is_a_file_and_nowhere_else(system):
    """Podman's own store of secrets is root's, and where the workload's file lies, too."""
    converter.assert_secret(system, "400")
    place = system.engine.root / "overlay-containers" / system.engine.inspect("converter", ".ID")
    assert not converter.files_with(converter.PASSWORD, "/run/runsafe",
                                    place / "userdata/config.json", place / "userdata/ctr.log")


def test_only_the_published_ports_answer(system):
    """The inner service neither at this host's addresses nor at the converter's own."""
    address = converter.assert_ports(system)
    assert "%s:9000" % address not in converter.reached("%s:9000" % address)
    gateway = system.engine.inspect("converter", ".NetworkSettings.Networks.podman.Gateway")
    places = [f"{host}:{port}" for host in ("127.0.0.1", gateway) for port in (5900, 8080, 9000)]
    assert converter.reached(*places) == {"127.0.0.1:5900", "127.0.0.1:8080", f"{gateway}:8080"}


def test_inspect_and_top_tell_the_truth(system):
    host = system.engine.inspect("converter", ".HostConfig")
    assert host["Memory"] == 1 << 30 and not host["Privileged"] and not host["CapAdd"]
    top = system.engine("top", "converter", "user", "capeff", "seccomp").out.splitlines()[1:]
    assert len(top) > 10
    # "?" is one that ended while Podman looked.
    assert {tuple(line.split()) for line in top if "?" not in line} == {("app", "none", "filter")}


def test_no_annotation_or_flag_is_needed():
    for file in ("up", "converter.container"):
        text = (EXAMPLE / file).read_text()
        assert not re.search("annotation|runtime-flag|privileged|cap-add", text, re.I)


# --- without root

wandas = pytest.mark.parametrize("system", ["wanda"], indirect=True)


@wandas
def test_an_ordinary_users_converter_does_the_same(system):
    converter.drive_programs(system)
    converter.drive_conversion(system)
    converter.drive_picture(system)
    converter.drive_crash(system, ("api", "vnc"))


@wandas
def test_an_ordinary_users_converter_is_hardened(system):
    """The workload is neither root nor the user himself: a subordinate id that owns nothing."""
    converter.assert_user(system)
    converter.assert_processes(system)
    converter.assert_rootfs(system)
    converter.assert_secret(system, "400")
    assert converter.reached("127.0.0.1:9000") == set()


@wandas
def test_an_ordinary_users_volume_outlives_the_container(system):
    def end():
        system.engine.script("down")
        system.engine.script("up")

    converter.drive_kept(system, "wandas", end)


# --- quadlet

def test_the_unit_says_what_the_script_says():
    """podman-system-generator reads converter.container; the call that it makes has all options of
    the script's but --restart, which is systemd's there."""
    env = {**os.environ, "QUADLET_UNIT_DIRS": str(EXAMPLE)}
    said = run("/usr/lib/systemd/system-generators/podman-system-generator", "--dryrun", env=env)
    unit = re.search(r"^ExecStart=/usr/bin/podman (.*)$", said.out, re.M).group(1)
    unit = re.sub(r" -v ", " --volume ", re.sub(r"(--[a-z-]+)=", r"\1 ", unit)).split()
    script = (EXAMPLE / "up").read_text()
    values = dict(re.findall(r"^(\w+)=\$\{\w+:-([^}]*)\}", script, re.M))
    call = re.search(r"\$podman (--runtime.*?) >/dev/null", script, re.S).group(1)
    call = re.sub(r"\$(\w+)", lambda name: values[name.group(1)], call)
    options = re.findall(r"(--[a-z-]+) (?!-)(\S+)", re.sub(r'[\\\s]+', " ", call.replace('"', "")))
    assert len(options) > 14
    for name, value in options:
        if name != "--restart":
            assert (name, value) in zip(unit, unit[1:]), (name, value, unit)
    assert unit[-1] == "localhost/converter" and "unless-stopped" not in unit
