"""A folder of states that somebody else can write to, states that say what is not true, and processes
that got the number of one that has ended."""

import json
import os
import shutil
import subprocess
import time

import pytest

import harness
from attacks import escaped

COMMANDS = [["state"], ["kill", "KILL"], ["exec", "/bin/true"], ["start"], ["pause"], ["resume"],
            ["update", "--pids-limit", "7"], ["delete", "--force"]]


def call(runtime, words, name, **more):
    """The command on that container; the id comes behind the options."""
    first = next((i for i, w in enumerate(words) if i and not w.startswith("-")), len(words))
    if words[0] == "update":
        first = len(words)
    return runtime(*words[:first], name, *words[first:], **more)


def state_file(runtime, name):
    return runtime.root / name / ("status" if runtime.name == "crun" else "state.json")


def edit(runtime, name, values):
    """Changes the state on disk; values by the names that the three runtimes have for them."""
    path = state_file(runtime, name)
    state = json.loads(path.read_text())
    for key in list(state):
        if key in values:
            state[key] = values[key]
    if "cgroup_paths" in state and "cgroupPath" in values:
        state["cgroup_paths"] = {k: f"/sys/fs/cgroup{values['cgroupPath']}"
                                 for k in state["cgroup_paths"] or {"": ""}}
    path.write_text(json.dumps(state))


@pytest.fixture
def bystander():
    """A process of the host that no command may touch."""
    process = subprocess.Popen(["sleep", "1000"])
    time.sleep(0.03)  # start times are counted in hundredths of a second: not the container's own
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def kept(runtime):
    """Gives states back their names at the end, so that what they are of can be taken away."""
    moved = []
    yield lambda here, there: (here.rename(there), moved.append((there, here)))
    for there, here in reversed(moved):
        if there.exists() and not here.exists():
            there.rename(here)


@pytest.fixture
def ended(runtime):
    """Ends what a test made runtimes forget: containers by their pid."""
    pids = []
    yield pids.append
    for pid in pids:
        if not harness.is_zombie(pid):
            os.kill(pid, 9)
            harness.wait_for(lambda p=pid: harness.is_zombie(p))


def alive(process):
    return process.poll() is None


PLANTED = {
    "fifo": lambda place, secret: os.mkfifo(place),
    "symlink": lambda place, secret: place.symlink_to(secret),
    "directory": lambda place, secret: place.mkdir(),
    "huge": lambda place, secret: os.truncate(os.open(place, os.O_CREAT | os.O_WRONLY), 1 << 34),
    "zeroes": lambda place, secret: os.mknod(place, 0o020666, os.makedev(1, 5)),
    "nesting": lambda place, secret: place.write_text('{"a":' * 100000),
}


@pytest.mark.attack("hostile state folder", "a container's state is exchanged for a FIFO, a symlink, "
                    "a device, 16 GiB or 100,000 levels",
                    "opened without following or waiting; 16 MiB and 64 levels at most")
@pytest.mark.parametrize("kind", PLANTED)
def test_a_state_that_is_no_file(runtime, victim, secret, kind, ended):
    name = runtime.running(victim)
    ended(runtime.state(name)["pid"])
    place = state_file(runtime, name)
    before = place.with_name("before")
    place.rename(before)
    PLANTED[kind](place, secret)
    text = secret.read_bytes()
    for words in COMMANDS + [["list"]]:
        args = [words[0]] if words == ["list"] else None
        try:
            done = runtime(*args, timeout=40) if args else call(runtime, words, name, timeout=40)
            escaped(done.status < 0 or done.status > 128 and words[0] != "exec",
                    f"{words[0]} crashed with status {done.status}")
        except subprocess.TimeoutExpired:
            escaped(True, f"{words[0]} hangs")
        escaped(secret.read_bytes() != text, f"{words[0]} wrote to a file of the host")
    if not place.parent.exists():
        return
    if place.is_dir() and not place.is_symlink():
        place.rmdir()
    else:
        place.unlink(missing_ok=True)
    before.rename(place)
    assert runtime("delete", "--force", name).status == 0


@pytest.mark.attack("hostile state folder", "the folder ROOT/b is a symlink to, or was, ROOT/a",
                    "never followed; a state says its id, which must be the folder's")
@pytest.mark.parametrize("kind", ["symlink", "renamed", "copied"])
def test_the_state_of_another_container(runtime, victim, kept, kind):
    name = runtime.running(victim)
    pid = runtime.state(name)["pid"]
    other = runtime.id()
    here, there = runtime.root / name, runtime.root / other
    if kind == "symlink":
        there.symlink_to(here)
    elif kind == "copied":
        shutil.copytree(here, there, ignore=lambda *_: ["gate", "report", "exec.fifo", "notify"])
    else:
        kept(here, there)
    try:
        for words in COMMANDS:
            call(runtime, words, other)
            escaped(harness.is_zombie(pid), f"{words[0]} of b ended a")
    finally:
        if kind == "symlink":
            there.unlink(missing_ok=True)
        elif kind == "copied":
            shutil.rmtree(there, ignore_errors=True)


@pytest.mark.attack("hostile state folder", "an ordinary user puts a folder with a hook, or a link "
                    "to another root's state, into a --root that he may write to",
                    "neither a folder nor a state of another user than root and the caller counts")
@pytest.mark.parametrize("kind", ["his file", "linked file"])
def test_a_state_that_another_user_put_there(runtime, victim, folder, kind, ended):
    marker = folder / "marker"
    hook = folder / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    victim.set("hooks", {"poststop": [{"path": str(hook)}]})
    name = runtime.running(victim)
    pid = runtime.state(name)["pid"]
    other = runtime.with_options()
    other.root = folder / "shared"
    other.root.mkdir()
    other.root.chmod(0o777)
    shutil.copytree(runtime.root / name, other.root / name,
                    ignore=lambda *_: ["gate", "report", "exec.fifo", "notify"])
    if kind == "linked file":
        for file in (other.root / name).iterdir():
            file.unlink()
            os.link(runtime.root / name / file.name, file)
    else:
        for file in (other.root / name).iterdir():
            os.chown(file, 1000, 1000)
    os.chown(other.root / name, 1000, 1000)
    for words in COMMANDS:
        call(other, words, name)
    escaped(marker.exists(), "ran his hook as root")
    escaped(harness.is_zombie(pid), "killed a process on his word")
    shutil.rmtree(other.root, ignore_errors=True)


@pytest.mark.attack("hostile state folder", "a state has the pid of a process of the host",
                    "a pid counts only with the start time of the process that create saw")
def test_a_state_with_the_pid_of_another(runtime, victim, bystander, ended):
    name = runtime.running(victim)
    ended(runtime.state(name)["pid"])
    edit(runtime, name, {"pid": bystander.pid, "init_process_pid": bystander.pid})
    for words in COMMANDS:
        done = call(runtime, words, name)
        escaped(not alive(bystander), f"{words[0]} killed a process of the host")
        escaped(words[0] == "exec" and done.status == 0, "exec entered the host")


GROUPS = {"the root": "/", "up": "/../../x", "itself and up": "/{own}/../{other}",
          "another's": "/{other}"}


@pytest.mark.attack("hostile state folder", "a state names the cgroup of others, or the root",
                    "a cgroup is known by its inode, and its path must be one that create writes")
@pytest.mark.parametrize("kind", GROUPS)
def test_a_state_with_the_cgroup_of_another(runtime, victim, bystander, kind, ended):
    group = harness.CGROUP / f"{runtime.prefix}-other"
    group.mkdir()
    (group / "cgroup.procs").write_text(str(bystander.pid))
    name = runtime.running(victim)
    pid, place = runtime.state(name)["pid"], state_file(runtime, name)
    ended(pid)
    before = place.read_text()
    try:
        if kind == "the root" and not runtime.ours:
            pytest.skip("it might kill all of this machine")
        path = GROUPS[kind].format(own=name, other=group.name)
        edit(runtime, name, {"cgroupPath": path, "cgroup-path": path})
        for words in COMMANDS[:1] + [["kill", "--all", "KILL"]] + COMMANDS[2:]:
            call(runtime, words, name)
            escaped(not alive(bystander), f"{words[0]} killed a process of another cgroup")
            events = (group / "cgroup.events").read_text()
            escaped("frozen 1" in events, f"{words[0]} froze another cgroup")
    finally:
        if place.exists():
            place.write_text(before)
        bystander.kill()
        bystander.wait()
        if group.exists():
            (group / "cgroup.freeze").write_text("0")
            harness.wait_for(lambda: "populated 0" in (group / "cgroup.events").read_text())
            group.rmdir()
        if not harness.is_zombie(pid):
            os.kill(pid, 9)
            harness.wait_for(lambda: harness.is_zombie(pid))
        for top in (harness.CGROUP, harness.CGROUP / "runsafe"):
            for left in top.glob(f"{runtime.prefix}*") if not place.exists() else ():
                left.rmdir()


@pytest.mark.attack("pid reuse", "the container's first process ends, and one of the host gets its "
                    "number", "a pidfd, and the start time that create saw")
def test_the_number_of_the_first_process_is_anothers(runtime, victim, probe_program):
    name = runtime.running(victim)
    pid = runtime.state(name)["pid"]
    assert runtime("exec", name, "/bin/true").status == 0
    os.kill(pid, 9)
    assert harness.wait_for(lambda: harness.reap() or not os.path.exists(f"/proc/{pid}"))
    with subprocess.Popen([probe_program("reuse"), str(pid)], stdout=subprocess.PIPE,
                          text=True) as other:
        try:
            said = other.stdout.readline()
            if said != "up\n":
                pytest.skip(f"the kernel gives no process a number of choice here: {said}")
            for words in COMMANDS:
                done = call(runtime, words, name)
                escaped(harness.is_zombie(pid), f"{words[0]} killed a process of the host")
                escaped(words[0] == "exec" and done.status == 0, "exec entered the host")
            assert other.poll() is None
        finally:
            other.kill()


@pytest.mark.attack("hostile XDG_RUNTIME_DIR", "root is called with the folder of another user in "
                    "XDG_RUNTIME_DIR", "root does not go by it")
def test_root_with_another_users_runtime_folder(runtime, victim, folder):
    name = runtime.running(victim)
    place = folder / "xdg"
    place.mkdir()
    for own in ("runsafe", "runc", "crun"):
        shutil.copytree(runtime.root, place / own,
                        ignore=lambda *_: ["gate", "report", "exec.fifo", "notify"])
    for where, _, files in os.walk(place):
        for path in [where, *(os.path.join(where, f) for f in files)]:
            os.chown(path, 1000, 1000)
    env = dict(os.environ, XDG_RUNTIME_DIR=str(place))
    words = [w for w in runtime.command("list") if w not in ("--root", str(runtime.root))]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    escaped(name in done.stdout, "it took his containers for its own")
