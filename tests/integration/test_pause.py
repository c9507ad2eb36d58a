"""Issue 3: pause and resume by cgroup.freeze; runtime.md's operations on a paused container."""

import json
import os
import pathlib
import subprocess
import time

import pytest

import harness


@pytest.fixture
def ticking(runsafe, bundle):
    """A container that writes a line all the time."""
    name = runsafe.create(bundle.sh("while :; do echo tick; sleep 0.05; done"))
    runsafe.start(name)
    assert harness.wait_for(lambda: "tick" in runsafe.output(name))
    return name


def stands_still(runsafe, name):
    before = runsafe.output(name)
    time.sleep(0.4)
    return runsafe.output(name) == before


def test_a_paused_container_stands_still_until_it_is_resumed(runsafe, ticking):
    runsafe.ok("pause", ticking)
    assert stands_still(runsafe, ticking)
    runsafe.ok("resume", ticking)
    before = runsafe.output(ticking)
    assert harness.wait_for(lambda: runsafe.output(ticking) != before)


def test_state_and_list_say_paused(runsafe, ticking):
    """DESIGN.md section 4: state knows created, running, paused, stopped."""
    runsafe.ok("pause", ticking)
    assert runsafe.status(ticking) == "paused"
    assert runsafe.state(ticking)["pid"]
    entries = json.loads(runsafe.ok("list", "-f", "json").out)
    assert [e["status"] for e in entries] == ["paused"]
    assert " paused " in runsafe.ok("list").lines[1]
    runsafe.ok("resume", ticking)
    assert runsafe.status(ticking) == "running"


def test_pausing_twice_and_resuming_what_runs_are_errors(runsafe, ticking):
    """As runc: only what runs can be paused, only what is paused resumed."""
    runsafe.fails("resume", ticking, words=[ticking, "not paused", "running"])
    runsafe.ok("pause", ticking)
    runsafe.fails("pause", ticking, words=["container not running", "paused"])
    assert runsafe.status(ticking) == "paused"


def test_a_stopped_container_can_be_neither_paused_nor_resumed(runsafe, bundle):
    name = runsafe.create(bundle.sh("exit 0"))
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    runsafe.fails("pause", name, words=["container not running"])
    runsafe.fails("resume", name, words=["not paused"])


def test_a_created_container_can_be_paused_and_then_not_started(runsafe, bundle):
    """As runc: created counts as running here; start of what is not created is an error."""
    name = runsafe.create(bundle.sh("echo it ran"))
    runsafe.ok("pause", name)
    assert runsafe.status(name) == "paused"
    runsafe.fails("start", name, words=["paused"])
    runsafe.ok("resume", name)
    assert runsafe.status(name) == "created"
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    assert runsafe.output(name) == "it ran\n"


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_pause_and_resume_need_a_container_that_exists(runsafe, command):
    runsafe.fails(command, runsafe.id(), words=["container does not exist"])
    runsafe.fails(command, words=["argument"])


@pytest.mark.parametrize("options", [[], ["--all"]])
def test_kill_ends_a_paused_container(runsafe, ticking, options):
    """cgroup-v2.rst, cgroup.freeze: a frozen cgroup's processes can be killed by a fatal signal."""
    runsafe.ok("pause", ticking)
    runsafe.ok("kill", *options, ticking, "KILL")
    runsafe.wait_status(ticking, "stopped")
    runsafe.delete(ticking)


def test_another_signal_waits_until_the_container_is_resumed(runsafe, bundle):
    name = runsafe.create(bundle.sh("trap 'echo got it; exit' TERM; echo up; "
                                    "while :; do sleep 0.05; done"))
    runsafe.start(name)
    assert harness.wait_for(lambda: "up" in runsafe.output(name))
    runsafe.ok("pause", name)
    runsafe.ok("kill", name, "TERM")
    time.sleep(0.3)
    assert runsafe.status(name) == "paused"
    runsafe.ok("resume", name)
    runsafe.wait_status(name, "stopped")
    assert "got it" in runsafe.output(name)


def test_a_paused_container_is_deleted_with_force_only(runsafe, ticking):
    """runtime.md, delete: a container that is not stopped MUST be an error."""
    runsafe.ok("pause", ticking)
    runsafe.fails("delete", ticking, words=["not stopped", "paused"])
    assert runsafe.status(ticking) == "paused"
    runsafe.delete(ticking, "--force")
    assert runsafe.ids() == []


def test_a_paused_container_with_the_hosts_pids_is_deleted_whole(oci, plain):
    """The processes that KILL of the first one leaves are frozen, too."""
    plain.namespace("pid", drop=True).sh("sleep 1000 & echo up; sleep 1000")
    name = oci.create(plain)
    oci.start(name)
    assert harness.wait_for(lambda: "up" in oci.output(name))
    oci.ok("pause", name)
    oci.delete(name, "--force")
    assert oci.ids() == []


@pytest.mark.parametrize("option", ["--cgroup=none", "--cgroup-manager=disabled"])
def test_a_container_without_cgroup_can_not_be_paused(runsafe, bundle, option):
    name = runsafe.with_options(option).running(bundle)
    runsafe.fails("pause", name, words=[name, "cgroup", "made without one"])
    assert runsafe.status(name) == "running"


def test_all_processes_stand_still_also_those_in_groups_below(runsafe, bundle):
    """What the container made of its cgroup is frozen with it."""
    name = runsafe.create(bundle.sh("while :; do echo tick; sleep 0.05; done"))
    runsafe.start(name)
    with open(f"/proc/{runsafe.state(name)['pid']}/cgroup", encoding="ascii") as f:
        path = [line.strip()[3:] for line in f if line.startswith("0::")][0]
    below = harness.CGROUP / path.lstrip("/") / "below"
    below.mkdir()
    (below / "cgroup.procs").write_text(str(runsafe.state(name)["pid"]))
    assert harness.wait_for(lambda: "tick" in runsafe.output(name))
    runsafe.ok("pause", name)
    assert stands_still(runsafe, name)
    assert runsafe.status(name) == "paused"


def test_run_waits_for_a_container_that_is_paused_and_resumed(runsafe, bundle):
    bundle.sh("echo up; sleep 1; echo down; exit 3")
    name = runsafe.id()
    process = runsafe.start_process("run", "-b", bundle.path, name)
    assert process.stdout.readline() == "up\n"
    runsafe.ok("pause", name)
    time.sleep(1.5)
    assert process.poll() is None
    runsafe.ok("resume", name)
    out, err = process.communicate(timeout=harness.TIME_LIMIT)
    assert (out, err, process.returncode) == ("down\n", "", 3)


def test_delete_ends_who_is_frozen_and_holds_the_end_up(runsafe, bundle):
    """The first process of a pid namespace ends when all others in it are buried: here the parent of
    one is in the container's cgroup, and paused with it."""
    name = runsafe.running(bundle)
    state = runsafe.state(name)
    parent = subprocess.Popen(["nsenter", "-t", str(state["pid"]), "-p", "sleep", "1000"])
    assert harness.wait_for(lambda: "sleep 1000" in map(harness.cmdline, below(parent.pid)))
    child = below(parent.pid)[0]
    path = pathlib.Path(f"/proc/{state['pid']}/cgroup").read_text().rpartition("0::")[2].strip()
    (harness.CGROUP / path.lstrip("/") / "cgroup.procs").write_text(str(parent.pid))
    runsafe.ok("pause", name)
    deleting = runsafe.start_process("delete", "--force", name)
    assert parent.wait(harness.TIME_LIMIT) == -9
    os.waitpid(child, 0)
    assert deleting.wait(harness.TIME_LIMIT) == 0, deleting.stderr.read()


def below(pid):
    """Its children."""
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]
