"""Issue 3, "The edges that other runtimes got wrong": the life cycle."""

import copy
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

import harness


def zombie(pid):
    return os.path.exists(f"/proc/{pid}") and harness.is_zombie(pid)


def group_of(pid):
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as f:
        return [line.strip()[3:] for line in f if line.startswith("0::")][0]


class Race:
    """Commands at once; what those that lose write stays out of the log that others look at."""

    def __init__(self, program):
        self.program = copy.copy(program)
        self.program.log = program.folder / "race-log"

    def start(self, *args):
        number = next(self.program.count)
        err = self.program.folder / f"race{number}"
        # A container keeps its creator's stderr: a pipe would not end.
        with open(err, "wb") as e:
            process = self.program.start_process(*args, stdout=subprocess.DEVNULL, stderr=e)
        return process, err

    @staticmethod
    def ended(started, words=()):
        """Waits for a command; its status. A failure says one of the words."""
        process, err = started
        status = process.wait(timeout=harness.TIME_LIMIT)
        said = err.read_text()
        assert status in (0, 1), (status, said)
        assert status == 0 or any(word in said for word in words), said
        return status


@pytest.fixture
def race(runsafe):
    return Race(runsafe)


# --- kill

@pytest.mark.parametrize("options", [["TERM"], ["KILL"], ["0"]])
def test_kill_of_one_that_has_just_died_is_an_error(runsafe, bundle, options):
    """runtime.md, kill: neither created nor running MUST be an error: nobody has waited for it yet,
    so its number is still taken, by a zombie."""
    name = runsafe.running(bundle)
    pid = runsafe.state(name)["pid"]
    os.kill(pid, 9)
    assert harness.wait_for(lambda: zombie(pid))
    *more, sig = options
    runsafe.fails("kill", *more, name, sig, words=["container not running"])
    assert zombie(pid), "nobody else may have waited for it"
    assert runsafe.status(name) == "stopped"


@pytest.mark.parametrize("signal_name", ["KILL", "TERM"])
def test_kill_all_of_one_that_has_ended_succeeds(runsafe, bundle, signal_name):
    """As under runc and crun: engines kill all of what may be left, and would never finish with a
    container where that fails."""
    name = runsafe.running(bundle)
    pid = runsafe.state(name)["pid"]
    os.kill(pid, 9)
    assert harness.wait_for(lambda: zombie(pid))
    runsafe.ok("kill", "--all", name, signal_name)
    harness.reap()
    runsafe.wait_status(name, "stopped")
    runsafe.ok("kill", "--all", name, signal_name)


def test_kill_while_it_dies_succeeds_or_says_that_it_is_not_running(runsafe, bundle, race):
    """The race, a few times: never anything else, and never another process."""
    for _ in range(5):
        name = runsafe.running(bundle)
        killers = [race.start("kill", name, "KILL") for _ in range(4)]
        status = [race.ended(k, ["container not running"]) for k in killers]
        assert 0 in status
        runsafe.wait_status(name, "stopped")
        runsafe.fails("kill", name, "KILL", words=["container not running"])
        runsafe.delete(name)


def test_kill_of_another_processes_number_is_refused(runsafe, bundle):
    """The start time tells a pid that was reused: whatever the command, the container is stopped
    and the other process stays."""
    name = runsafe.create(bundle)
    real = runsafe.state(name)["pid"]
    time.sleep(0.05)  # start times have hundredths of a second; numbers do not come again so fast
    with subprocess.Popen(["sleep", "100"]) as other:
        file = runsafe.root / name / "state.json"
        text = file.read_text()
        file.write_text(re.sub(r'"pid":\d+', f'"pid":{other.pid}', text))
        assert runsafe.status(name) == "stopped"
        assert runsafe.state(name)["pid"] == 0
        for args in (["kill", name, "KILL"], ["start", name], ["pause", name], ["events", name],
                     ["exec", name, "true"]):
            status = 255 if args[0] == "exec" else 1
            runsafe.fails(*args, words=["container not running"], status=status)
        assert json.loads(runsafe.ok("list", "-f", "json").out)[0]["status"] == "stopped"
        runsafe.delete(name, "--force")
        assert other.poll() is None and not harness.is_zombie(other.pid)
        other.kill()
    assert harness.wait_for(lambda: harness.is_zombie(real)), "delete ends what is in its cgroup"


def family(oci, plain, out):
    """A container in the pid namespace of others: its own two children outlive their parent."""
    plain.sh("(sleep 1000 & sleep 1000 & echo up; wait) & sleep 1000; :")
    name = oci.create(plain)
    oci.start(name)
    assert harness.wait_for(lambda: "up" in oci.output(name))
    out.extend(int(p) for p in json.loads(oci.ok("ps", "-f", "json", name).out))
    return name


def all_end(pids):
    assert harness.wait_for(lambda: all(harness.is_zombie(p) for p in pids), 10), [
        harness.cmdline(p) for p in pids if not harness.is_zombie(p)]


def test_kill_all_in_the_hosts_pid_namespace_reaches_all_and_nobody_else(oci, plain):
    """The pid namespace does not end with the first process: the cgroup knows who belongs to it."""
    pids = []
    name = family(oci, plain.namespace("pid", drop=True), pids)
    assert len(pids) == 5
    neighbor = oci.running(plain)
    oci.ok("kill", "--all", name, "KILL")
    all_end(pids)
    oci.wait_status(name, "stopped")
    assert oci.status(neighbor) == "running"


def test_kill_all_in_a_pods_pid_namespace_leaves_the_pod(oci, plain):
    """A container that joined another's pid namespace."""
    pod = oci.running(plain)
    pid = oci.state(pod)["pid"]
    pids = []
    name = family(oci, plain.namespace("pid", f"/proc/{pid}/ns/pid"), pids)
    oci.ok("kill", "--all", name, "KILL")
    all_end(pids)
    assert oci.status(pod) == "running"
    assert not harness.is_zombie(pid)
    # The pod's first process can not end before all in its namespace are waited for: by us, whose
    # children they are.
    harness.reap()
    oci.delete(name)


def test_kill_all_reaches_those_that_the_first_process_left(oci, plain):
    """Shims send KILL to all of a container whose first process has ended."""
    pids = []
    name = family(oci, plain.namespace("pid", drop=True), pids)
    oci.ok("kill", name, "KILL")
    oci.wait_status(name, "stopped")
    assert any(not harness.is_zombie(p) for p in pids)
    oci.ok("kill", "--all", name, "KILL")
    all_end(pids)
    oci.ok("kill", "--all", name, "KILL")  # to nobody, as runc has it


def test_kill_all_with_another_signal_reaches_each_process(oci, plain):
    plain.namespace("pid", drop=True)
    plain.sh("for n in 1 2; do sh -c 'trap \"echo got it; exit\" USR1; echo up; "
             "while :; do sleep 0.05; done' & done; trap 'wait; echo first; exit' USR1; "
             "while :; do sleep 0.05; done")
    name = oci.create(plain)
    oci.start(name)
    assert harness.wait_for(lambda: oci.output(name).count("up") == 2)
    time.sleep(0.2)
    oci.ok("kill", "--all", name, "USR1")
    assert harness.wait_for(lambda: oci.output(name).count("got it") == 2)


# --- delete

def test_delete_of_a_running_container_changes_nothing(runsafe, bundle):
    """runtime.md, delete: MUST have no effect on the container and MUST be an error."""
    bundle.set("hooks", {"poststop": [{"path": "/bin/sh", "args": [
        "sh", "-c", f"echo > {bundle.path}/poststop"]}]})
    name = runsafe.running(bundle)
    pid = runsafe.state(name)["pid"]
    file = runsafe.root / name / "state.json"
    before = (file.read_text(), file.stat().st_mtime_ns, group_of(pid), runsafe.state(name),
              sorted(p.name for p in file.parent.iterdir()))
    runsafe.fails("delete", name, words=[name, "not stopped", "running"])
    assert before == (file.read_text(), file.stat().st_mtime_ns, group_of(pid), runsafe.state(name),
                      sorted(p.name for p in file.parent.iterdir()))
    assert not (bundle.path / "poststop").exists()


def test_run_takes_away_its_own_container_and_no_other_of_that_name(runsafe, bundle):
    """Somebody else may delete it and make one anew before run has seen the end."""
    name = runsafe.id()
    process = runsafe.start_process("run", "-b", bundle.args("/bin/sleep", "1000").path, name)
    assert harness.wait_for(lambda: name in runsafe.ids() and runsafe.status(name) == "running")
    process.send_signal(signal.SIGSTOP)
    runsafe.ok("delete", "--force", name)
    runsafe.ok("create", "-b", bundle.path, name)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=harness.TIME_LIMIT)
    assert process.returncode == 137
    assert runsafe.status(name) == "created"
    runsafe.delete(name)


def test_delete_while_it_is_started_waits_and_is_refused(runsafe, bundle, folder, race):
    """start holds the lock until the workload runs and the poststart hooks have ended."""
    bundle.args("/bin/sleep", "1000")
    bundle.set("hooks", {"poststart": [{"path": "/bin/sh", "args": [
        "sh", "-c", f"/bin/touch {folder}/begun; /bin/sleep 1"]}]})
    name = runsafe.create(bundle)
    start = race.start("start", name)
    assert harness.wait_for((folder / "begun").exists)
    runsafe.fails("delete", name, words=["not stopped", "running"])
    assert race.ended(start) == 0
    assert runsafe.status(name) == "running"


@pytest.mark.parametrize("options", [[], ["--force"]])
def test_start_and_delete_at_once_end_in_one_of_two_ways(runsafe, bundle, race, options):
    """The race, a few times: it runs, or it is gone; never half of it."""
    bundle.args("/bin/sleep", "1000")
    for _ in range(6):
        name = runsafe.create(bundle)
        pid = runsafe.state(name)["pid"]
        commands = [race.start("start", name), race.start("delete", *options, name)]
        started, deleted = [race.ended(c, ["container does not exist", "not running", "not stopped",
                                           "before the workload ran"]) for c in commands]
        if deleted == 0:
            assert harness.wait_for(lambda: harness.is_zombie(pid))
            assert runsafe.ids() == []
        else:
            assert started == 0 and not options
            assert runsafe.status(name) == "running"
            runsafe.delete(name, "--force")


def test_create_and_delete_force_at_once_leave_one_container_or_none(runsafe, bundle, race):
    bundle.args("/bin/sleep", "1000")
    left = harness.Leftovers(runsafe)
    for delay in (0, 0.002, 0.004, 0.006, 0.01, 0.02):
        name = runsafe.id()
        make = race.start("create", "-b", bundle.path, name)
        time.sleep(delay)
        delete = race.start("delete", "--force", name)
        made = race.ended(make, ["before the workload ran"])
        assert race.ended(delete) == 0
        if runsafe.ids():
            assert made == 0 and runsafe.status(name) == "created"
            runsafe.delete(name)
        left.check()


# --- create

def test_of_two_creates_of_one_id_exactly_one_wins(runsafe, bundle, new_bundle, race):
    """The race, a few times: the loser says why and takes nothing of the winner's away."""
    bundles = [bundle.set("annotations", {"n": "0"}),
               new_bundle("second").set("annotations", {"n": "1"})]
    for _ in range(6):
        name = runsafe.id()
        makers = [race.start("create", "-b", b.path, name) for b in bundles]
        status = [race.ended(m, ["container with given ID already exists"]) for m in makers]
        assert sorted(status) == [0, 1]
        state = runsafe.state(name)
        assert state["status"] == "created"
        assert state["annotations"]["n"] == str(status.index(0))
        assert name in group_of(state["pid"])
        runsafe.start(name)
        runsafe.delete(name, "--force")


def test_the_pid_file_is_there_whole_or_not_at_all(runsafe, bundle, folder):
    """Engines watch for it: it must never be seen empty or cut, also where an older one was."""
    file, seen, stop = folder / "pid", set(), threading.Event()

    def watch():
        while not stop.is_set():
            try:
                seen.add(file.read_text())
            except FileNotFoundError:
                seen.add(None)
    watcher = threading.Thread(target=watch)
    watcher.start()
    pids = {None}
    try:
        for _ in range(5):
            name = runsafe.create(bundle, "--pid-file", file)
            pids.add(str(runsafe.state(name)["pid"]))
            assert file.read_text() in pids, "there before create returns"
            runsafe.delete(name)
    finally:
        stop.set()
        watcher.join()
    assert seen <= pids, seen - pids
    assert [p.name for p in folder.iterdir() if "pid" in p.name] == ["pid"]


# --- process.cwd that the image lacks: found out by running runc 1.1.5 and crun 1.8.1

@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("user", [0, 1000])
def test_a_missing_cwd_is_made(oci, plain, readonly, user):
    """runc and crun: with the directories above it, 0755 and root's, also where the rootfs is
    read-only for the workload."""
    plain.set("root.readonly", readonly).set("process.user", {"uid": user, "gid": user})
    plain.set("process.cwd", "/new/deep").sh("pwd; stat -c '%a %u %g' /new /new/deep")
    assert oci.run_ok(plain).lines == ["/new/deep", "755 0 0", "755 0 0"]
    assert (plain.rootfs / "new/deep").is_dir()


def test_a_missing_cwd_is_made_under_the_default_policy_too(runsafe, bundle):
    """Kubernetes' workingDir: nobody else makes it."""
    bundle.set("process.cwd", "/new/deep").sh("pwd; touch x 2>&1")
    assert runsafe.run(bundle).lines[0] == "/new/deep"


def test_a_missing_cwd_is_made_inside_of_a_mount(oci, plain):
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs")
    plain.set("process.cwd", "/opt/new").sh("pwd")
    assert oci.run_ok(plain).out == "/opt/new\n"
    assert not (plain.rootfs / "opt/new").exists()


def test_a_missing_cwd_behind_a_symlink_stays_in_the_rootfs(oci, plain, folder):
    """CVE-2024-21626's neighbours: the image's symlink leads to the host's folder of that name."""
    (plain.rootfs / "link").symlink_to(folder)
    plain.set("process.cwd", "/link/new").sh("pwd -P")
    assert oci.run_ok(plain).out == f"{folder}/new\n"
    assert not (folder / "new").exists()
    assert (plain.rootfs / str(folder).lstrip("/") / "new").is_dir()


def test_a_missing_cwd_that_can_not_be_made_is_an_error(oci, plain, folder):
    (folder / "ro").mkdir()
    with harness.host_mount(folder / "ro", "-t", "tmpfs", "-o", "ro", "tmpfs"):
        plain.mount(destination="/opt", type="bind", source=str(folder / "ro"),
                    options=["rbind", "ro"])
        plain.set("process.cwd", "/opt/new").sh("pwd")
        (plain.rootfs / "opt").mkdir(exist_ok=True)
        oci.create_fails(plain, "process.cwd", "/opt/new", "cannot be made", "read-only file system")


# --- cgroup v2

def occupied(path):
    """A process that sits in a group; ended by the caller."""
    process = subprocess.Popen(["sleep", "1000"])
    (path / "cgroup.procs").write_text(str(process.pid))
    return process


@pytest.fixture
def engines_group(oci):
    path = harness.CGROUP / f"{oci.prefix}-engine"
    path.mkdir()
    yield path
    for sub in sorted(path.glob("*/"), reverse=True):
        sub.rmdir()
    path.rmdir()


@pytest.mark.needs_limits
def test_the_no_internal_process_rule_is_told(oci, plain, engines_group):
    """cgroup-v2.rst, "No Internal Process Constraint": a group with processes can hand down no
    controllers, so a limit below it is refused, and nothing is changed."""
    plain.set("linux.resources", {"memory": {"limit": 64 << 20}})
    plain.set("linux.cgroupsPath", f"/{engines_group.name}/child")
    (harness.CGROUP / "cgroup.subtree_control").write_text("+memory +pids +cpu")
    with occupied(engines_group) as process:
        try:
            message = oci.create_fails(plain, "linux.resources.memory.limit", engines_group.name)
            assert "processes" in message
            assert (engines_group / "cgroup.subtree_control").read_text().strip() == ""
            assert (engines_group / "cgroup.type").read_text().strip() == "domain"
        finally:
            process.kill()


@pytest.mark.needs_limits
def test_a_threaded_parent_is_told(oci, plain, engines_group):
    """cgroup-v2.rst, "Threads": below a threaded group nothing but threads can live."""
    threaded = engines_group / "threaded"
    threaded.mkdir()
    (threaded / "cgroup.type").write_text("threaded")
    plain.set("linux.resources", {"pids": {"limit": 20}})
    plain.set("linux.cgroupsPath", f"/{engines_group.name}/threaded/child")
    message = oci.create_fails(plain, engines_group.name)
    assert "threaded" in message
    assert list(threaded.glob("*/")) == []


@pytest.mark.needs_limits
def test_a_parent_without_controllers_gets_them(oci, plain, engines_group):
    """An engine's fresh group: whoever asks for a limit below it has to hand the controller down."""
    assert (engines_group / "cgroup.subtree_control").read_text().strip() == ""
    plain.set("linux.resources", {"memory": {"limit": 64 << 20}})
    plain.set("linux.cgroupsPath", f"/{engines_group.name}/child")
    name = oci.running(plain)
    assert (engines_group / "child/memory.max").read_text().strip() == str(64 << 20)
    oci.delete(name, "--force")


@pytest.mark.needs_limits
@pytest.mark.parametrize("shares,weight", [(1024, "100"), (3, "1"), (1, "1"), (262143, "10000"),
                                           (1000000, "10000")])
def test_cpu_shares_near_and_beyond_both_ends(oci, plain, shares, weight):
    """runc 1.3.2's and crun 1.23's curve; beyond the ends it is the end."""
    plain.set("linux.resources", {"cpu": {"shares": shares}})
    name = oci.running(plain)
    place = harness.CGROUP / group_of(oci.state(name)["pid"]).lstrip("/")
    assert int((place / "cpu.weight").read_text()) - int(weight) in (0, 1)


@pytest.mark.needs_limits
@pytest.mark.parametrize("resources,file,text", [
    ({"memory": {"limit": 64 << 20}, "unified": {"memory.max": "max"}}, "memory.max", "max"),
    ({"cpu": {"quota": -1}, "unified": {"cpu.max": "50000 100000"}}, "cpu.max", "50000 100000"),
    ({"pids": {"limit": -1}, "unified": {"pids.max": "33"}}, "pids.max", "33"),
    ({"cpu": {"shares": 2}, "unified": {"cpu.weight": "200"}}, "cpu.weight", "200"),
    ({"unified": {"memory.max": str(64 << 20), "memory.high": str(128 << 20)}}, "memory.high",
     str(128 << 20))])
def test_unified_keys_that_contradict_have_the_last_word(oci, plain, resources, file, text):
    """config-linux.md, Unified: what is written there is what is in the file afterwards."""
    plain.set("linux.resources", resources)
    name = oci.running(plain)
    place = harness.CGROUP / group_of(oci.state(name)["pid"]).lstrip("/")
    assert (place / file).read_text().strip() == text


@pytest.mark.parametrize("command", [["delete", "--force"], ["kill", "--all"]])
def test_a_create_killed_before_it_had_its_cgroup_harms_nobody_in_it(runsafe, bundle, command):
    """The state names the cgroup before it is known to be free: a crash in between, and a command
    for what is left must not reach the container that lives there."""
    living = runsafe.running(bundle)
    other = runsafe.running(bundle)
    states = {name: runsafe.root / name / "state.json" for name in (living, other)}
    path = json.loads(states[living].read_text())["cgroupPath"]
    assert path
    pid = runsafe.state(other)["pid"]
    was = states[other].read_text()
    crashed = {**json.loads(was), "cgroupPath": path, "cgroupPending": True, "cgroupInode": 0,
               "status": "creating", "pid": 0, "startTime": 0}
    states[other].write_text(json.dumps(crashed))
    runsafe(*command, other, *(["KILL"] if command[0] == "kill" else []))
    runsafe.log.unlink(missing_ok=True)
    assert runsafe.status(living) == "running"
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    if states[other].exists():
        states[other].write_text(was)
    else:
        cgroup = harness.CGROUP / path.lstrip("/")
        (cgroup.parent / other).rmdir()
