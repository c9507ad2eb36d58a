"""What test_systems_machine.py does not reach under Docker compose: the limits of images that
nobody said anything of, the converter's under Podman, and a profile of AppArmor's in a bundle."""

import json
import os
import time

import pytest

import attacks
import converter
import podman as podman_module
import systems
from attacks import value
from engines import cgroup_of, run, wait_for
from podman import sh

pytestmark = pytest.mark.ground("systems")
IMAGES = [name for names in systems.IMAGES.values() for name in names]
MIB, GIB = 1 << 20, 1 << 30
PROFILE = "runsafe-monitoring-backend"
# Wine takes three minutes for its first start here: only with RUNSAFE_WINE=1, else the API alone.
WINE = os.environ.get("RUNSAFE_WINE") == "1"


@pytest.fixture(scope="module")
def store():
    """A Podman that has the images without loading them."""
    one = podman_module.make(options=systems.STORE)
    yield one
    one.clean()
    one.stop()


def test_where_nothing_is_said_limits_are_the_policys(store):
    """1 GiB, 1 processor, 1024 processes, no swap; podman stats, the guide's command, shows it."""
    for name in IMAGES:
        store("run", "-d", "--name", name, "--network", "none", "--pids-limit", "-1",
              f"localhost/{name}", "sleep", "1000")
    for name in IMAGES:
        systems.assert_limits(store.pid(name), GIB, 1, 1024)
    shown = json.loads(store("stats", "--no-stream", "--format", "json").out)
    assert {one["name"] for one in shown} == set(IMAGES)
    for one in shown:
        assert one["mem_usage"].endswith("/ 1.074GB") and one["pids"] == "1", one
    store("rm", "-fa", "-t0")


@pytest.fixture(scope="module")
def running(store):
    """The converter, with what its compose file allows it; and what that is."""
    path = systems.EXAMPLES / "converter/compose.yaml"
    said = json.loads(run("docker", "compose", "-f", path, "config", "--format", "json").out)
    one = said["services"]["converter"]
    store("secret", "create", "vnc_password", "-", input=converter.PASSWORD)
    store("run", "-d", "--name", "converter", "--publish", "8080:8080", "--publish",
          "127.0.0.1:5900:5900", "--volume", "converter-wine:/wine", "--env",
          "DISPLAY_SIZE=%dx%dx24" % converter.SIZE, "--secret",
          "vnc_password,uid=1000,gid=1000,mode=0400", "--memory", one["mem_limit"],
          "--memory-swap", one["memswap_limit"], "--cpus", one["cpus"], "--pids-limit",
          one["pids_limit"], "--health-cmd", "none", "localhost/converter",
          *(() if WINE else ("python3", "/app/api.py")))
    system = converter.System(store)
    system.limits = int(one["mem_limit"]), float(one["cpus"]), one["pids_limit"]
    system.group = cgroup_of(system.pid())
    began = time.monotonic()
    if WINE:
        # Not each tenth of a second: it would hold Wine up.
        wait_for("the converter is well", lambda: system.health() == 200, 100, every=10)
        attacks.figure(f"the converter's first start: {time.monotonic() - began:.0f} s")
    yield system
    store("rm", "-f", "-v", "-t0", "converter")


@pytest.mark.timeout(1500)
def test_the_converters_limits_are_there(running):
    systems.assert_limits(running.pid(), *running.limits)
    shown = json.loads(running.engine("stats", "--no-stream", "--format", "json",
                                      "converter").out)[0]
    assert shown["mem_usage"].endswith("/ %.3fGB" % (running.limits[0] / 1e9)), shown
    if WINE:
        converter.drive_programs(running)
        assert running.convert("hello", "utf-16") == "hello".encode("utf-16-le")
        converter.drive_picture(running)


def test_the_converters_limits_hold(running):
    """Who eats memory, and a fork bomb that is as busy as it can: it outlives both."""
    group, (memory, share, pids), first = running.group, running.limits, running.pid()
    eat = f"dd if=/dev/zero of=/dev/null bs={memory // MIB + 32}M count=1"
    running.exec(*sh(eat), check=137)
    assert value(group, "memory.events", "oom_kill") >= 1
    assert value(group, "memory.peak") <= memory + MIB
    bomb = ("runsafe", "exec", running.engine.inspect("converter", ".ID"),
            *sh("b() { b | b & }; b; sleep 1000"))
    with attacks.attacked(group, bomb):
        wait_for("it is stopped", lambda: value(group, "pids.events", "max"), 60)
        assert attacks.share_of_a_processor(group) <= 1.1 * share
    assert value(group, "pids.peak") <= pids and running.pid() == first
    if WINE:
        wait_for("it is well", lambda: running.health() == 200, every=2)


def test_a_bundle_names_a_profile(store, folder):
    """It is applied, denies what else works, and has to be loaded."""
    run("apparmor_parser", "-r", "-W", systems.EXAMPLES / "apparmor" / PROFILE)
    store("create", "--name", "image", "localhost/monitoring-backend")
    rootfs = store("mount", "image").text

    run("runsafe", "spec", "-b", folder)
    config = json.loads((folder / "config.json").read_text())
    config["root"]["path"] = rootfs

    def start(profile, script):
        config["process"].update(args=sh(script), terminal=False, apparmorProfile=profile)
        (folder / "config.json").write_text(json.dumps(config))
        return run("runsafe", "run", "-b", folder, "profiled", check=False)

    write = "cat /proc/self/attr/apparmor/current; echo x >/dev/shm/x && echo written"
    assert start("", write).out == "unconfined\nwritten\n"
    done = start(PROFILE, write)
    assert done.out == f"{PROFILE} (enforce)\n" and "Permission denied" in done.err, done
    done = start("no-such-profile", write)
    assert done.status == 1 and not done.out
    assert 'applying "no-such-profile" (no such profile is loaded: apparmor_parser -r' in done.err
    store("rm", "image")
