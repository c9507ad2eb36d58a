"""Sixty-four commands in parallel on the same few ids. Each gets one of the answers that make sense,
and there is never a second container of an id."""

import collections
import contextlib
import json
import os
import pathlib
import random
import re
import time

import pytest

import crowd
import harness

WORKERS = 64
IDS = [f"c{n}" for n in range(8)]
# Of these nobody takes one away by force, so creations and deletions can be counted.
COUNTED = IDS[-2:]
STATES = {"creating", "created", "running", "paused", "stopped"}

NONE = r"container does not exist"
NOT_RUNNING = r"container not running"
KILLED = r"the container's process (was killed by signal 9|ended) before the workload ran"
PAUSED = r"container ID is paused"
# How often a command is given, and what it may answer beside success. {short} and {long} are bundles.
ANSWERS = {
    "create -b {long} ID": (12, r"container with given ID already exists", KILLED),
    "run -d -b {long} ID": (4, r"container with given ID already exists", KILLED),
    "run -b {short} ID": (4, r"container with given ID already exists", KILLED),
    "start ID": (10, NONE, NOT_RUNNING, r"it is (running|paused), expected created"),
    "exec ID /bin/true": (10, NONE, NOT_RUNNING, PAUSED, KILLED, r"it is still being created"),
    "exec -d ID /bin/sleep 100": (3, NONE, NOT_RUNNING, PAUSED, KILLED, r"it is still being created"),
    "kill ID KILL": (4, NONE, NOT_RUNNING),
    "kill ID TERM": (3, NONE, NOT_RUNNING),
    "kill --all ID KILL": (2, NONE, NOT_RUNNING),
    "pause ID": (6, NONE, NOT_RUNNING),
    "resume ID": (8, NONE, r"container not paused: it is (created|running|stopped)"),
    "update --pids-limit 100 ID": (5, NONE, NOT_RUNNING, r"controller pids is not on there"),
    "delete ID": (10, NONE, r"cannot delete container ID that is not stopped: (running|paused)"),
    "delete --force ID": (7,),
    "state ID": (10, NONE),
    "list --format json": (4,),
    "list": (2,),
    "ps ID": (3, NONE, NOT_RUNNING),
    "events --stats ID": (2, NONE, NOT_RUNNING),
}
# That a workload was killed is no failure of the command that waited for it.
WORKLOAD = {0, 128 + 9, 128 + 15}


class Given(crowd.Command):
    """A command as ANSWERS has it, for this id."""

    def __init__(self, load, form, name, bundles):
        words = [name if word == "ID" else word.format(**bundles) for word in form.split()]
        super().__init__(load.runsafe.command(*words))
        self.form, self.name = form, name if "ID" in form.split() else None
        self.waits = form.startswith(("run -b", "exec ID"))

    def succeeded(self):
        """Whether it did what it was to do. Anything but that or a sensible refusal, in one line, is
        an error."""
        said = self.err.strip().replace(self.name or "ID", "ID")
        if self.status in (WORKLOAD if self.waits else {0}) and not said:
            return True
        assert self.status in (1, 255) and "\n" not in said, self
        assert any(re.search(one, said) for one in ANSWERS[self.form][1:]), f"no sense in {self}"
        return False

    def check_output(self):
        """It is whole, and about this container."""
        if self.form == "state ID":
            check_state(json.loads(self.out), self.name)
        elif self.form == "list --format json":
            states = json.loads(self.out)
            assert len({state["id"] for state in states}) == len(states), self
            for state in states:
                check_state(state, state["id"])
        elif self.form == "list":
            assert {len(line.split()) for line in self.out.splitlines()} == {6}, self
        elif self.form.startswith("events"):
            assert json.loads(self.out)["id"] == self.name, self
        else:
            assert self.form == "ps ID" or not self.out, self


def check_state(state, name):
    assert state["id"] == name and state["status"] in STATES, state
    if state["status"] != "creating":
        assert (state["pid"] > 0) == (state["status"] != "stopped"), state


def first_processes():
    """Those that are process 1 of a container."""
    found = set()
    for pid in harness.children():
        with contextlib.suppress(OSError):
            if re.search(r"^NSpid:.*\s1$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M):
                found.add(pid)
    return found


class Storm:
    """Commands that come in at random, and what came of them."""

    def __init__(self, load, short, seed):
        self.load, self.random, self.crowd = load, random.Random(seed), crowd.Crowd()
        self.bundles = {"long": load.bundle.path, "short": short.path}
        self.given, self.done, self.longest = collections.Counter(), collections.Counter(), 0
        self.containers = collections.Counter()

    def give(self, form, name):
        self.crowd.begin(Given(self.load, form, name, self.bundles))

    def give_any(self):
        form = self.random.choices(list(ANSWERS), [weight for weight, *_ in ANSWERS.values()])[0]
        name = self.random.choice(IDS)
        if name in COUNTED and form in ("delete --force ID", "run -b {short} ID"):
            form = "delete ID"
        self.give(form, name)

    def take(self, command):
        self.given[command.form] += 1
        if not command.waits:
            self.longest = max(self.longest, command.seconds)
        if command.succeeded():
            command.check_output()
            self.done[command.form] += 1
            self.containers[command.name] += {"create": 1, "run": 1, "delete": -1}.get(
                command.form.split()[0], 0)

    def blow(self, seconds):
        """All workers are busy for so long; then those that are under way come to their end."""
        try:
            self.blow_until(time.monotonic() + seconds)
        finally:
            self.crowd.kill()

    def blow_until(self, end):
        while self.crowd.running or time.monotonic() < end:
            while len(self.crowd.running) < WORKERS and time.monotonic() < end:
                self.give_any()
            if command := self.crowd.ended(0.5):
                self.take(command)
            elif time.monotonic() > end:
                # What waits for a process that is paused would wait for ever; one that is left in a
                # container whose first process was killed, until that is deleted.
                for name in {one.name for one in self.crowd.running.values() if one.name}:
                    self.give("resume ID", name)
                    self.give("delete ID", name)

    def check_calm(self):
        """With nothing under way: what is there is what `list` says."""
        states = json.loads(self.load.one("list", "--format", "json").out)
        names = [state["id"] for state in states]
        assert names == self.load.runsafe.ids()
        assert {state["status"] for state in states} <= STATES - {"creating"}
        assert {state["pid"] for state in states if state["pid"]} == first_processes()
        for name in COUNTED:
            assert self.containers[name] == names.count(name), (name, self.containers[name], states)


@pytest.mark.parametrize("policy", ["default", "oci"])
def test_overlapping_commands_get_sensible_answers(load, new_bundle, size, figure, policy):
    """And afterwards everything can be deleted, and is gone."""
    load.runsafe = load.runsafe.with_options("--policy", policy)
    seed = int(os.environ.get("LOAD_SEED", size(quick=1, machine=1, full=random.randrange(1 << 30))))
    storm = Storm(load, new_bundle("short").args("/bin/sleep", "0.05"), seed)
    print(f"LOAD_SEED={seed}")
    for _ in range(size(quick=2, full=20, machine=2)):
        storm.blow(size(quick=2.5, full=5, machine=10))
        storm.check_calm()
    load.delete(IDS)
    load.ground.check(storm.done["create -b {long} ID"])
    figure(f"{WORKERS} commands in parallel on {len(IDS)} ids, policy {policy}: "
           f"{storm.given.total()} given, {storm.done.total()} done, the others refused with reason; "
           f"the longest took {storm.longest:.2f} s")
    often = [form for form in ANSWERS if storm.given[form] > 50 and not form.startswith("update")]
    assert all(storm.done[form] for form in often), "that was no storm"


@pytest.mark.parametrize("command, others", [
    ("create", "container with given ID already exists"),
    ("start", "it is running, expected created"),
    ("delete", "container does not exist")])
def test_one_of_many_wins(load, size, command, others):
    """The same command sixty-four times at once on one id: one of them does it."""
    for number in range(size(quick=4, full=200, machine=1)):
        name = f"one{number}"
        words = [command, "-b", load.bundle.path] if command == "create" else [command]
        if command != "create":
            load.create([name])
        ended = list(crowd.run((load.command(*words, name) for _ in range(WORKERS)), WORKERS))
        assert [one.status for one in ended].count(0) == 1, ended
        assert all(others in one.err for one in ended if one.status), ended
        load.delete([name])
    load.ground.check(number)
