"""runtime.md and runtime-linux.md of the runtime specification 1.3.0: what has no test elsewhere.
Each is named after its line in tests/conformance/requirements; the docstrings are our words."""

import json
import os
import pathlib
import subprocess

import pytest

import harness
from test_resources import group, group_of

IDS = "uts mnt ipc net pid cgroup".split()


def look(oci, name):
    """What there is of a container: its state, its files, its process."""
    state = oci.state(name)
    files = {str(p): p.read_bytes() for p in sorted((oci.root / name).rglob("*")) if p.is_file()}
    alive = not harness.is_zombie(state["pid"]) if state.get("pid") else False
    return state, files, alive


def stopped(oci, bundle):
    name = oci.create(bundle.args("/bin/true"))
    oci.start(name)
    oci.wait_status(name, "stopped")
    return name


def test_runtime_state_4_is_json_of_the_pattern(oci, plain):
    """The state is one JSON object of the pattern's names and types."""
    name = oci.running(plain.set("annotations", {"org.example.key": "value"}))
    state = json.loads(oci.ok("state", name).out)
    types = {"ociVersion": str, "id": str, "status": str, "pid": int, "bundle": str,
             "annotations": dict}
    assert {key: type(state.get(key)) for key in types} == types
    assert state["id"] == name and state["annotations"] == {"org.example.key": "value"}
    assert os.path.isabs(state["bundle"]) and os.path.samefile(state["bundle"], plain.path)


@pytest.mark.parametrize("started", [False, True])
def test_runtime_state_5_pid_is_the_hosts(oci, plain, started):
    """While it is created or running, pid is the number that the host knows the process by."""
    name = oci.create(plain.args("/bin/sleep", "1000"))
    if started:
        oci.start(name)
    pid = oci.state(name)["pid"]
    assert pid in harness.children()
    assert os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid")


def test_runtime_lifecycle_2_the_environment_is_as_configured(oci, plain, folder):
    """create makes the environment that config.json asks for, and the program has not run."""
    marker = folder / "volume"
    marker.mkdir()
    plain.set("hostname", "of-create").set("linux.sysctl", {"net.ipv4.ip_forward": "1"})
    plain.mount(destination="/volume", type="bind", source=str(marker), options=["rbind"])
    name = oci.create(plain.sh("touch /volume/ran; sleep 1000"))
    pid = oci.state(name)["pid"]
    for kind in IDS:
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"), kind
    inside = ["nsenter", "--target", str(pid), "--uts", "--net"]
    assert subprocess.run([*inside, "uname", "-n"], capture_output=True, text=True,
                          check=True).stdout == "of-create\n"
    assert subprocess.run([*inside, "cat", "/proc/sys/net/ipv4/ip_forward"], capture_output=True,
                          text=True, check=True).stdout == "1\n"
    assert " /volume " in pathlib.Path(f"/proc/{pid}/mountinfo").read_text()
    assert not (marker / "ran").exists()
    oci.start(name)
    assert harness.wait_for((marker / "ran").exists)


def test_runtime_lifecycle_12_delete_undoes_create_and_no_more(oci, plain, folder):
    """delete takes away what create made; what was there before stays: a volume, a network
    namespace, a cgroup around."""
    volume = folder / "volume"
    volume.mkdir()
    (volume / "file").write_text("stays\n")
    holder = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
    try:
        assert harness.wait_for(lambda: os.readlink(f"/proc/{holder.pid}/ns/net")
                                != os.readlink("/proc/self/ns/net"))
        with group(f"/{oci.prefix}-around") as around:
            plain.namespace("network", f"/proc/{holder.pid}/ns/net")
            plain.mount(destination="/volume", type="bind", source=str(volume), options=["rbind"])
            plain.set("linux.cgroupsPath", f"/{oci.prefix}-around/own")
            before = plain.listing()
            name = oci.running(plain)
            own = harness.CGROUP / group_of(oci.state(name)["pid"]).lstrip("/")
            assert own.is_dir()
            oci.ok("kill", name, "KILL")
            oci.wait_status(name, "stopped")
            oci.delete(name)
            assert not own.exists() and around.is_dir()
        assert not (oci.root / name).exists()
        assert set(before) <= set(plain.listing())
        assert (volume / "file").read_text() == "stays\n"
        assert holder.poll() is None and os.path.exists(f"/proc/{holder.pid}/ns/net")
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("force", [False, True])
def test_runtime_delete_4_a_cgroup_that_was_there_stays(oci, plain, force):
    """A cgroup that an engine made beforehand is there afterwards, without what was made in it; and
    a start that fails leaves it, too."""
    with group(f"/{oci.prefix}-there") as there:
        plain.set("linux.cgroupsPath", f"/{oci.prefix}-there")
        name = oci.running(plain)
        (there / "inner").mkdir()
        if not force:
            oci.ok("kill", name, "KILL")
            oci.wait_status(name, "stopped")
        oci.delete(name, *(["--force"] if force else []))
        assert there.is_dir() and not (there / "inner").exists()
        oci.create_fails(plain.set("hooks", {"createRuntime": [{"path": "/bin/false"}]}), "hooks")
        assert there.is_dir()


def test_runtime_delete_3_the_groups_above_that_were_made_go(oci, plain):
    """Groups above the container's that create made are deleted with it; those that are another's
    by now stay until that one goes."""
    top = harness.CGROUP / f"{oci.prefix}-top"
    plain.set("linux.cgroupsPath", f"/{top.name}/middle/one")
    first = oci.running(plain)
    second = oci.running(plain.set("linux.cgroupsPath", f"/{top.name}/middle/two"))
    oci.delete(first, "--force")
    assert (top / "middle/two").is_dir() and not (top / "middle/one").exists()
    oci.delete(second, "--force")
    assert not (top / "middle/two").exists()
    # Who made them is gone by now: what is empty then stays, since it may be somebody's.
    (top / "middle").rmdir()
    top.rmdir()
    third = oci.running(plain.set("linux.cgroupsPath", f"/{top.name}/middle/three"))
    oci.delete(third, "--force")
    assert not top.exists()


@pytest.mark.parametrize("command", [["start"], ["delete"], ["create"], ["kill", "KILLL"],
                                     ["exec", "--user", "root"]])
def test_runtime_errors_1_an_error_changes_nothing(oci, plain, command):
    """A command that ends with an error leaves things as if it had not been called."""
    name = oci.running(plain)
    before = look(oci, name)
    first, *rest = command
    if first == "create":
        result = oci("create", "-b", plain.path, name)
    elif first == "exec":
        result = oci("exec", *rest, name, "/bin/true")
    else:
        result = oci(first, name, *rest)
    assert result.status != 0 and result.err, result
    oci.log.unlink()
    assert look(oci, name) == before


def test_runtime_warnings_1_a_warning_changes_nothing(oci, plain, folder):
    """What is a warning alone goes on as if there were none: a capability that no kernel knows, and
    a poststop hook that fails. The first is kept in the findings."""
    plain.cap("CAP_CHOWN", "CAP_FLY")
    plain.set("hooks", {"poststop": [{"path": "/bin/false"},
                                     {"path": "/bin/sh", "args": ["sh", "-c", f"echo >{folder}/ran"]}]})
    name = oci.running(plain)
    assert "CAP_FLY" in oci("check", name).out
    oci.ok("kill", name, "KILL")
    oci.wait_status(name, "stopped")
    assert oci("delete", name).status == 0
    assert (folder / "ran").exists() and not oci.ids()


@pytest.mark.parametrize("words", [["create"], ["create", "-b", "BUNDLE"], ["create", "ID"],
                                   ["create", "-b", "/no/such/bundle", "ID"]])
def test_runtime_create_1_needs_an_id_and_a_bundle(oci, plain, folder, words):
    """Without an id, or without a bundle (here: in a folder that is none), create is an error."""
    empty = folder / "empty"
    empty.mkdir()
    words = [{"ID": "c", "BUNDLE": str(plain.path)}.get(w, w) for w in words]
    result = oci(*words, cwd=empty)
    assert result.status != 0 and result.err, result
    assert not oci.ids()


@pytest.mark.parametrize("change,words", [
    (lambda b: b.mount(destination="/opt", type="nosuchfs", source="x"), ["nosuchfs"]),
    (lambda b: b.namespace("network", "/no/such"), ["linux.namespaces"]),
    (lambda b: b.set("linux.sysctl", {"net.ipv4.no_such": "1"}), ["net.ipv4.no_such"]),
    (lambda b: b.set("linux.resources.unified", {"no.such": "1"}), ["no.such"]),
    (lambda b: b.set("root.path", "no-such"), ["root.path"]),
    (lambda b: b.set("process.apparmorProfile", "no-such-profile"), ["apparmorProfile"]),
], ids=["mount", "namespace", "sysctl", "cgroup", "root", "profile"])
def test_runtime_create_6_what_can_not_be_applied_makes_no_container(oci, plain, change, words):
    """A property that can not be applied is an error that names it, and there is no container."""
    change(plain)
    oci.create_fails(plain.write(), *words)
    assert not oci.ids()


def test_runtime_start_4_without_process_is_an_error(oci, plain):
    """Without process there is nothing to start: create says so already, as runc and crun do."""
    oci.create_fails(plain.drop("process").write(), "process")


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_runtime_start_2_of_what_is_not_created_changes_nothing(oci, plain, state):
    """start of a container that runs or has stopped is an error without effect."""
    name = oci.running(plain) if state == "running" else stopped(oci, plain)
    before = look(oci, name)
    oci.fails("start", name, words=[state])
    assert look(oci, name) == before


def test_runtime_kill_2_of_what_has_stopped_changes_nothing(oci, plain):
    """kill of a container that is neither created nor running is an error without effect."""
    name = stopped(oci, plain)
    before = look(oci, name)
    oci.fails("kill", name, "KILL", words=["not running"])
    assert look(oci, name) == before


def test_runtime_kill_3_sends_that_signal_to_the_process(oci, plain):
    """kill sends the signal that is named to the container's process, and no other."""
    name = oci.create(plain.sh("trap 'echo got usr1' USR1; trap 'echo got hup; exit' HUP; "
                               "echo ready; while :; do sleep 0.1; done"))
    oci.start(name)
    assert harness.wait_for(lambda: "ready" in oci.output(name))
    oci.ok("kill", name, "USR1")
    assert harness.wait_for(lambda: "got usr1" in oci.output(name))
    assert "hup" not in oci.output(name) and oci.status(name) == "running"
    oci.ok("kill", name, "1")
    oci.wait_status(name, "stopped")
    assert oci.output(name) == "ready\ngot usr1\ngot hup\n"


@pytest.mark.parametrize("state", ["created", "running"])
def test_runtime_delete_2_of_what_has_not_stopped_changes_nothing(oci, plain, state):
    """delete of a container that has not stopped is an error without effect; of one that is created
    runsafe takes it away, as runc and crun do, since nothing of the workload has run."""
    if state == "running":
        name = oci.running(plain)
        before = look(oci, name)
        oci.fails("delete", name, words=["running"])
        assert look(oci, name) == before
    else:
        name = oci.create(plain.args("/bin/sleep", "1000"))
        assert oci("delete", name).status == 0


@pytest.mark.parametrize("command", ["state", "start", "kill", "delete"])
def test_runtime_operations_1_need_an_id_of_a_container(oci, command):
    """state, start, kill and delete without an id, or with one that is nobody's, are errors."""
    more = ["TERM"] if command == "kill" else []
    assert oci(command).status != 0
    oci.fails(command, oci.id(), *more, words=["does not exist"])


def test_runtime_linux_fds_1_only_the_three_are_open(oci, plain, folder):
    """The program has stdin, stdout and stderr, whatever the runtime and its caller had open."""
    with open(folder / "secret", "w", encoding="ascii") as extra:
        os.set_inheritable(extra.fileno(), True)
        result = oci("run", "-b", plain.sh("cd /proc/self/fd; echo *").path, oci.id(),
                     pass_fds=[extra.fileno()])
    assert result.status == 0 and set(result.out.split()) <= {"0", "1", "2", "3"}, result
    # 3 is the shell's own, of the directory that it lists.


@pytest.mark.parametrize("link,source", [("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                                         ("stdout", "/proc/self/fd/1"),
                                         ("stderr", "/proc/self/fd/2")])
def test_runtime_linux_dev_1_links(oci, plain, link, source):
    """/dev/fd, stdin, stdout and stderr are links to the process's own descriptors."""
    assert oci.sh(plain, f"readlink /dev/{link}").out == source + "\n"
