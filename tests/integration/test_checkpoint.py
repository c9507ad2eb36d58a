"""checkpoint and restore through the program criu (issue 3, "Commands"). Where that program or the
kernel can't, the tests are skipped and say so; the virtual machine can."""

import array
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

import harness

COUNT = "i=0; while :; do echo $i > /tmp/n; i=$((i+1)); sleep 0.05; done"
FACTS = r"^(?:Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp|Seccomp_filters):.*$"
SYS_RESOURCE = 24


def why_no_criu():
    """Why criu can not be used here; None when it can."""
    program = shutil.which("criu")
    if not program:
        return "there is no program criu"
    check = subprocess.run([program, "check"], capture_output=True, text=True, check=False)
    if check.returncode:
        return f"`criu check` fails: {check.stderr.strip().splitlines()[-1]}"
    version = subprocess.getoutput(program + " --version").splitlines()[0]
    known = tuple(int(n) for n in re.findall(r"\d+", version)[:2])
    # Seen: with 4.1.1 on 7.3 each container's dump fails without a reason in its log.
    if known < (4, 2) and int(os.uname().release.split(".")[0]) >= 7:
        return f"criu {version.lower()} is older than Linux {os.uname().release}"
    return why_no_dump(program)


def why_no_dump(program):
    """`criu check` does not notice a kernel that is too new for this criu: try it."""
    null = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as images, subprocess.Popen(
            ["sleep", "1000"], start_new_session=True, **null) as process:
        dump = subprocess.run([program, "dump", "-t", str(process.pid), "-D", images, "-o", "log",
                               "--leave-running"], check=False, **null)
        process.kill()
    if dump.returncode:
        return (f"{subprocess.getoutput(program + ' --version').splitlines()[0]} can not even dump "
                f"sleep on Linux {os.uname().release}")
    return None


def capabilities():
    text = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"^CapBnd:\s*(\w+)", text, re.MULTILINE)[1], 16)


NO_CRIU = why_no_criu()
criu = pytest.mark.skipif(NO_CRIU is not None, reason=f"NEEDS CRIU: {NO_CRIU}")
# criu asks for another user's limits with prlimit(2).
as_another_user = pytest.mark.skipif(
    not capabilities() >> SYS_RESOURCE & 1,
    reason="NEEDS CAP_SYS_RESOURCE: criu can not dump processes of other users without")


@pytest.fixture(scope="session", autouse=True)
def bus():
    """systemd's is started when it is first used: before anybody looks what is left behind."""
    if harness.SYSTEMD:
        subprocess.run(["systemctl", "--no-pager", "list-jobs"], capture_output=True, check=True)
        subprocess.run(["busctl", "--no-pager", "list"], capture_output=True, check=True)


@pytest.fixture
def images(folder):
    return folder / "images"


@pytest.fixture
def rooted(runsafe):
    """The default policy but for the user: what criu can dump on every host."""
    return runsafe.with_options("--allow", "root")


@pytest.fixture
def counter(bundle):
    """A workload, of root, that counts in /tmp/n."""
    bundle.config["process"]["user"] = {"uid": 0, "gid": 0}
    return bundle.sh(COUNT)


def pid_of(runsafe, name):
    return runsafe.state(name)["pid"]


def look(pid):
    """How a process is protected, and what is mounted where with which options."""
    facts = re.findall(FACTS, pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    mounts = sorted((line.split()[4], line.split()[5])
                    for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    return facts, mounts


def count(pid):
    """Where the counter is."""
    def read():
        try:
            return pathlib.Path(f"/proc/{pid}/root/tmp/n").read_text().strip()
        except FileNotFoundError:
            return ""
    assert harness.wait_for(read)
    return int(read() or -1)  # the shell empties it before it writes


def checkpointed(runsafe, bundle, images, *options):
    """A container that counted a while and is files now; how it was, and how far it had come."""
    name = runsafe.create(bundle)
    runsafe.start(name)
    pid = pid_of(runsafe, name)
    assert harness.wait_for(lambda: count(pid) >= 2)
    was, there = look(pid), count(pid)
    runsafe.ok("checkpoint", "--image-path", images, *options, name)
    return name, was, there


def restored(runsafe, bundle, images, name, *options):
    runsafe.outputs[name] = runsafe.ok("restore", "-d", "-b", bundle.path, "--image-path", images,
                                       *options, name).out_path
    return pid_of(runsafe, name)


# --- what engines ask before they use it

def test_checkpoint_help_ends_with_0(runsafe):
    """Podman probes `checkpoint --help`, which exits 0."""
    assert "--image-path" in runsafe.ok("checkpoint", "--help").out


def test_restore_lsm_mount_context_alone_requires_an_argument(runsafe):
    """`restore --lsm-mount-context`, which alone answers "requires an argument"; older Podmans look
    for "flag needs an argument"."""
    runsafe.fails("restore", "--lsm-mount-context",
                  words=["requires an argument", "flag needs an argument"])


def test_without_criu_the_message_names_the_program_and_the_package(runsafe, bundle, images):
    """without criu, a clear message; the container goes on."""
    name = runsafe.running(bundle)
    runsafe.fails("checkpoint", "--image-path", images, name, env={"PATH": "/nowhere"},
                  words=["program criu", "$PATH", "package criu"])
    assert runsafe.status(name) == "running"


@pytest.mark.parametrize("options, words", [
    (["--manage-cgroups-mode", "hard"], ["--manage-cgroups-mode", "soft", "hard"]),
    (["--empty-ns", "pid"], ["--empty-ns", "network", "pid"]),
    (["--page-server", "somewhere"], ["--page-server", "ADDRESS:PORT", "somewhere"]),
    (["--page-server", "somewhere:70000"], ["--page-server", "ADDRESS:PORT"]),
    (["--status-fd", "99"], ["--status-fd 99", "bad file descriptor"]),
    (["--image-path", "/dev/null"], ["--image-path", "not a directory"]),
])
def test_a_wrong_option_of_checkpoint_is_an_error_and_the_container_goes_on(
        runsafe, bundle, folder, options, words):
    name = runsafe.running(bundle)
    runsafe.fails("checkpoint", *options, name, words=words, cwd=folder)
    assert runsafe.status(name) == "running"


def test_a_container_that_has_stopped_can_not_be_checkpointed(runsafe, bundle, images):
    name = runsafe.create(bundle.sh("exit 0"))
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    runsafe.fails("checkpoint", "--image-path", images, name, words=["container not running"])
    assert not images.exists()


def test_a_container_that_was_not_started_can_not_be_checkpointed(runsafe, bundle, images):
    """What waits at the start gate is runsafe itself."""
    name = runsafe.create(bundle)
    runsafe.fails("checkpoint", "--image-path", images, name, words=["created", "expected running"])


def test_restore_without_images_is_an_error_and_leaves_nothing(runsafe, bundle, images):
    runsafe.fails("restore", "-b", bundle.path, "--image-path", images, runsafe.id(),
                  words=["--image-path", "no such file or directory"])
    assert runsafe.ids() == []


# --- there and back

@criu
def test_a_restored_container_runs_on_where_it_was(rooted, counter, images):
    """Memory, files of a tmpfs and the process itself are those of the checkpoint; the container is
    gone in between, as with runc."""
    name, _, there = checkpointed(rooted, counter, images)
    assert rooted.ids() == []
    pid_file = images.parent / "pid"
    pid = restored(rooted, counter, images, name, "--pid-file", pid_file)
    assert rooted.status(name) == "running"
    assert int(pid_file.read_text()) == pid
    assert harness.wait_for(lambda: count(pid) > there + 2)
    rooted.ok("kill", name, "KILL")
    rooted.wait_status(name, "stopped")
    rooted.delete(name)


@criu
@as_another_user
def test_a_restored_container_is_as_protected_as_before_under_default(runsafe, bundle, images):
    """uid, capabilities, no_new_privs, seccomp, and each mount with its options: read-only rootfs,
    masked and read-only paths."""
    name, was, there = checkpointed(runsafe, bundle.sh(COUNT), images)
    pid = restored(runsafe, bundle, images, name)
    assert look(pid) == was
    assert "Uid:\t1000\t1000\t1000\t1000" in was[0]
    assert harness.wait_for(lambda: count(pid) > there)


@criu
def test_a_restored_container_is_as_protected_as_before(rooted, counter, images):
    """The same for what is not the user."""
    name, was, _ = checkpointed(rooted, counter, images)
    pid = restored(rooted, counter, images, name)
    assert look(pid) == was
    facts, mounts = was
    assert "NoNewPrivs:\t1" in facts and "Seccomp:\t2" in facts
    assert [o for place, o in mounts if place == "/"][0].startswith("ro,")
    for kind in ("mnt", "pid", "net", "ipc", "uts", "cgroup"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    # runc's comes back writable.
    rooted.ok("exec", name, "/bin/sh", "-c", "! touch /x 2>/dev/null && ! cat /proc/keys | grep .")


@criu
def test_sysctls_of_the_policy_are_there_again(rooted, counter, images):
    """criu brings some of a network namespace's back, and vm.memfd_noexec not at all."""
    names = ["net/ipv4/ip_unprivileged_port_start", "net/ipv4/ping_group_range", "vm/memfd_noexec"]
    names = [n for n in names if pathlib.Path("/proc/sys", n).exists()]  # memfd_noexec: Linux 6.3
    read = ["exec", "NAME", "cat"] + [f"/proc/sys/{n}" for n in names]
    name, _, _ = checkpointed(rooted, counter, images, "--leave-running")
    read[1] = name
    before = rooted.ok(*read).out
    assert before.split()[0] == "0"
    read[1] = rooted.id()
    restored(rooted, counter, images, read[1])
    assert rooted.ok(*read).out == before


@criu
def test_a_restored_container_can_be_checkpointed_again(rooted, counter, images):
    name, was, there = checkpointed(rooted, counter, images)
    restored(rooted, counter, images, name)
    second = images.parent / "second"
    rooted.ok("checkpoint", "--image-path", second, name)
    pid = restored(rooted, counter, second, name)
    assert look(pid) == was
    assert harness.wait_for(lambda: count(pid) > there)


@criu
def test_leave_running_leaves_it_running(rooted, counter, images):
    name, _, there = checkpointed(rooted, counter, images, "--leave-running")
    assert rooted.status(name) == "running"
    assert harness.wait_for(lambda: count(pid_of(rooted, name)) > there + 2)
    other = rooted.id()
    pid = restored(rooted, counter, images, other)
    assert harness.wait_for(lambda: count(pid) > there)


@criu
def test_a_dump_that_fails_lets_the_container_run_on(rooted, counter, images):
    """Here since a folder lies where an image file goes."""
    name = rooted.create(counter)
    rooted.start(name)
    pid = pid_of(rooted, name)
    count(pid)
    images.mkdir()
    (images / "pstree.img").mkdir()
    rooted.fails("checkpoint", "--image-path", images, name, words=["criu: ", "dump.log"])
    assert rooted.status(name) == "running"
    there = count(pid)
    assert harness.wait_for(lambda: count(pid) > there)


@criu
def test_a_checkpoint_that_is_killed_leaves_the_container_whole(rooted, counter, images):
    """criu ends by itself; the container runs on or is gone, but is never stuck."""
    name = rooted.create(counter)
    rooted.start(name)
    pid = pid_of(rooted, name)
    count(pid)
    with rooted.start_process("checkpoint", "--image-path", images, name) as process:
        harness.wait_for(lambda: (images / "dump.log").exists())
        process.kill()
    assert harness.wait_for(lambda: rooted.status(name) in ("running", "stopped"))
    if rooted.status(name) == "running":
        there = count(pid)
        assert harness.wait_for(lambda: rooted.status(name) == "stopped" or count(pid) > there)


@criu
def test_a_pre_dump_and_what_changed_since(rooted, counter, images):
    """--pre-dump lets it run on; --parent-path writes the changes only."""
    check = subprocess.run(["criu", "check", "--feature", "mem_dirty_track"], check=False,
                           capture_output=True)
    if check.returncode:
        pytest.skip("NEEDS MEMORY TRACKING: this kernel is built without CONFIG_MEM_SOFT_DIRTY")
    name = rooted.create(counter)
    rooted.start(name)
    count(pid_of(rooted, name))
    images.mkdir()
    rooted.ok("checkpoint", "--pre-dump", "--image-path", images / "first", name)
    assert rooted.status(name) == "running"
    there = count(pid_of(rooted, name))
    rooted.ok("checkpoint", "--parent-path", "../first", "--image-path", images / "second", name)
    assert (images / "second/parent").is_symlink()
    pid = restored(rooted, counter, images / "second", name)
    assert harness.wait_for(lambda: count(pid) > there)


def cgroup(pid):
    return pathlib.Path(f"/proc/{pid}/cgroup").read_text().rpartition("0::")[2].strip()


@criu
@pytest.mark.parametrize("mode", [[], ["--manage-cgroups-mode", "ignore"]])
def test_a_restored_container_is_in_its_own_cgroup_whatever_the_images_name(
        rooted, counter, images, mode):
    """Its limits are there; seen from inside it is the root."""
    name, was, _ = checkpointed(rooted, counter, images, "--leave-running")
    other = rooted.id()
    pid = restored(rooted, counter, images, other, *mode)
    assert cgroup(pid).endswith(other)
    assert cgroup(pid_of(rooted, name)).endswith(name)
    assert rooted.ok("exec", other, "cat", "/proc/1/cgroup").out.splitlines()[-1] == "0::/"
    assert look(pid) == was


@criu
@pytest.mark.needs_limits
def test_limits_are_those_of_the_bundle(rooted, counter, images):
    counter.set("linux.resources.memory.limit", 256 << 20)
    name, _, _ = checkpointed(rooted, counter, images)
    counter.set("linux.resources.memory.limit", 128 << 20)
    pid = restored(rooted, counter, images, name)
    folder = harness.CGROUP / cgroup(pid).lstrip("/")
    assert int((folder / "memory.max").read_text()) == 128 << 20


@criu
@pytest.mark.needs_systemd
@pytest.mark.needs_limits
def test_with_the_systemd_driver_the_restored_container_is_in_a_new_scope(rooted, counter, images):
    systemd = rooted.with_options("--systemd-cgroup")
    name, was, _ = checkpointed(systemd, counter, images, "--leave-running")
    other = systemd.id()
    pid = restored(systemd, counter, images, other)
    assert cgroup(pid) != cgroup(pid_of(systemd, name))
    assert other in cgroup(pid) and cgroup(pid).endswith(".scope")
    assert look(pid) == was
    systemd.delete(other, "--force")


@criu
def test_a_paused_container_can_be_checkpointed(rooted, counter, images):
    if not harness.CGROUP.joinpath("cgroup.controllers").exists():
        pytest.skip("NEEDS A CGROUP")
    name = rooted.create(counter)
    rooted.start(name)
    count(pid_of(rooted, name))
    rooted.ok("pause", name)
    rooted.ok("checkpoint", "--image-path", images, name)
    assert rooted.ids() == []


@criu
def test_restore_in_the_foreground_ends_as_the_workload_does(rooted, bundle, images):
    """as run: its exit status, and nothing left behind."""
    bundle.config["process"]["user"] = {"uid": 0, "gid": 0}
    bundle.sh("echo 0 > /tmp/n; while [ ! -e /tmp/go ]; do echo 5 > /tmp/n; sleep 0.05; done; "
              "trap 'exit 9' TERM; echo armed; while :; do sleep 0.05; done")
    name, _, _ = checkpointed(rooted, bundle, images)
    out, complaints = images.parent / "said", images.parent / "complaints"
    with open(out, "wb") as file, open(complaints, "wb") as errors, rooted.start_process(
            "restore", "-b", bundle.path, "--image-path", images, name, stdout=file,
            stderr=errors) as process:
        assert harness.wait_for(lambda: rooted.ids() == [name] and
                                rooted("state", name).status == 0 and
                                rooted.status(name) == "running")
        pathlib.Path(f"/proc/{pid_of(rooted, name)}/root/tmp/go").touch()
        assert harness.wait_for(lambda: out.read_text() == "armed\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(harness.TIME_LIMIT) == 9
    assert complaints.read_text() == ""
    assert rooted.ids() == []


@criu
def test_binds_come_back_from_the_bundle(rooted, counter, images):
    """A bind mount's content is the host's, a read-only one stays so, and so does what is mounted
    below."""
    volume = images.parent / "volume"
    (volume / "sub").mkdir(parents=True)
    with harness.host_mount(volume / "sub", "-t", "tmpfs", "tmpfs"):
        (volume / "sub/file").write_text("below")
        counter.mount(destination="/vol", type="bind", source=str(volume), options=["rbind", "rro"])
        (counter.rootfs / "var/run").symlink_to("../run")
        counter.mount(destination="/var/run/one", type="bind", source=str(volume / "sub/file"),
                      options=["bind"])
        (images.parent / "outer").mkdir()
        counter.mount(destination="/outer", type="bind", source=str(images.parent / "outer"),
                      options=["bind", "ro"])
        counter.mount(destination="/outer/one", type="bind", source=str(volume / "sub/file"),
                      options=["bind"])
        name, was, _ = checkpointed(rooted, counter, images)
        (volume / "new").write_text("since")
        pid = restored(rooted, counter, images, name)
        assert look(pid) == was
        root = pathlib.Path(f"/proc/{pid}/root")
        assert (root / "vol/new").read_text() == "since"
        assert (root / "vol/sub/file").read_text() == "below"
        assert (root / "run/one").read_text() == "below"
        with pytest.raises(OSError):
            (root / "vol/sub/x").write_text("x")
        # Read-only after its mount points were made, and here too.
        assert (root / "outer/one").read_text() == "below"
        with pytest.raises(OSError):
            (root / "outer/x").write_text("x")
        rooted.delete(name, "--force")


@criu
def test_hooks_of_the_runtime_run_at_restore_and_poststop_at_checkpoint(rooted, counter, images):
    """Engines set the network up in prestart and createRuntime."""
    out = images.parent / "order"
    for kind in ("prestart", "createRuntime", "poststop"):
        counter.config.setdefault("hooks", {})[kind] = [{
            "path": "/bin/sh", "args": ["sh", "-c", f"echo {kind} >> {out}"]}]
    counter.write()
    name, _, _ = checkpointed(rooted, counter, images)
    assert out.read_text().split() == ["prestart", "createRuntime", "poststop"]
    out.unlink()
    restored(rooted, counter, images, name)
    assert out.read_text().split() == ["prestart", "createRuntime"]


@criu
def test_a_joined_network_namespace_is_joined_again(rooted, counter, images):
    """A pod's: it is neither dumped nor made anew."""
    with subprocess.Popen(["unshare", "--net", "sleep", "1000"]) as holder:
        try:
            space = pathlib.Path(f"/proc/{holder.pid}/ns/net")
            assert harness.wait_for(lambda: os.readlink(space) != os.readlink("/proc/self/ns/net"))
            counter.namespace("network", space)
            name, _, _ = checkpointed(rooted, counter, images)
            pid = restored(rooted, counter, images, name)
            assert os.readlink(f"/proc/{pid}/ns/net") == os.readlink(space)
            rooted.delete(name, "--force")
        finally:
            holder.kill()


@criu
def test_joined_ipc_and_uts_namespaces_are_joined_again(rooted, counter, new_bundle, images):
    """As containers of a pod do."""
    pid = pid_of(rooted, rooted.running(new_bundle("other")))
    for kind in ("ipc", "uts"):
        counter.namespace(kind, f"/proc/{pid}/ns/{kind}")
    counter.drop("hostname")
    name, _, there = checkpointed(rooted, counter, images)
    again = restored(rooted, counter, images, name)
    for kind in ("ipc", "uts"):
        assert os.readlink(f"/proc/{again}/ns/{kind}") == os.readlink(f"/proc/{pid}/ns/{kind}")
    assert harness.wait_for(lambda: count(again) > there)


@criu
def test_a_joined_mount_namespace_is_said_to_be_impossible(runsafe, plain, new_bundle, images):
    """Never passed over: the restored one would have another."""
    oci = runsafe.with_options("--policy", "oci")
    pid = pid_of(oci, oci.running(new_bundle("other")))
    plain.namespace("mount", f"/proc/{pid}/ns/mnt").args("/bin/sleep", "1000")
    name = oci.create(plain)
    oci.start(name)
    oci.fails("checkpoint", "--image-path", images, name, words=["mount namespace", "criu"])
    assert oci.status(name) == "running"


@criu
@as_another_user
def test_a_container_with_its_own_user_namespace_comes_back_in_one(runsafe, bundle, images):
    """With its mappings, and with the device nodes that were bound from the host."""
    ids = [{"containerID": 0, "hostID": 200000, "size": 65536}]
    bundle.set("linux.uidMappings", ids).set("linux.gidMappings", ids).namespace("user")
    subprocess.run(["chown", "-Rh", "200000:200000", bundle.rootfs], check=True)
    name, other = runsafe.id(), runsafe.id()
    # Pipes: criu opens a file again as the root of the namespace, who may not.
    read, write = os.pipe()
    pipes = {"stdin": subprocess.DEVNULL, "stdout": write, "stderr": write, "check": True}
    subprocess.run(runsafe.command("create", "-b", bundle.sh(COUNT).path, name), **pipes)
    runsafe.start(name)
    was, there = look(pid_of(runsafe, name)), count(pid_of(runsafe, name))
    runsafe.ok("checkpoint", "--leave-running", "--image-path", images, name)
    # criu would write down the host's group ids, which can not be written inside.
    ping = ["cat", "/proc/sys/net/ipv4/ping_group_range"]
    assert runsafe.ok("exec", name, *ping).out.split() == ["1000", "1000"]
    subprocess.run(runsafe.command("restore", "-d", "-b", bundle.path, "--image-path", images, other),
                   **pipes)
    os.close(write)
    os.close(read)
    pid = pid_of(runsafe, other)
    assert look(pid) == was
    assert runsafe.ok("exec", other, *ping).out.split() == ["1000", "1000"]
    assert pathlib.Path(f"/proc/{pid}/uid_map").read_text().split() == ["0", "200000", "65536"]
    assert harness.wait_for(lambda: count(pid) > there)


# --- never fail open

@criu
def test_what_would_be_less_protected_is_killed_before_it_runs_on(runsafe, plain, images):
    """Images from under `oci`, a bundle under `default`: the policy is applied again."""
    plain.mount(destination="/tmp", type="tmpfs", source="tmpfs").sh(COUNT)
    name, _, _ = checkpointed(runsafe.with_options("--policy", "oci"), plain, images)
    runsafe.with_options("--allow", "root").fails(
        "restore", "-d", "-b", plain.path, "--image-path", images, name,
        words=["less protected", "killed before it ran on"])
    assert runsafe.ids() == []


@criu
@pytest.mark.parametrize("path, value, word", [
    ("process.noNewPrivileges", True, "no_new_privs"),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]}, "seccomp"),
    ("process.capabilities", {}, "capabilities"),
    ("linux.maskedPaths", ["/proc/keys"], "/proc/keys is not masked"),
    ("linux.readonlyPaths", ["/proc/sys"], "/proc/sys is not ro"),
])
def test_each_protection_that_the_images_lack_is_noticed(oci, plain, images, path, value, word):
    plain.sh("mkdir -p /tmp; " + COUNT)
    name, _, _ = checkpointed(oci, plain, images)
    plain.set(path, value)
    oci.fails("restore", "-d", "-b", plain.path, "--image-path", images, name,
              words=["less protected", word])
    assert oci.ids() == []


@criu
def test_a_rootfs_that_is_to_be_read_only_is_so_whatever_the_images_say(oci, plain, images):
    plain.mount(destination="/tmp", type="tmpfs", source="tmpfs").sh(COUNT)
    name, _, _ = checkpointed(oci, plain, images)
    plain.set("root.readonly", True)
    pid = restored(oci, plain, images, name)
    assert [o for place, o in look(pid)[1] if place == "/"][0].startswith("ro,")


@criu
def test_spoilt_images_are_an_error_with_criu_s_reason_and_leave_nothing(rooted, counter, images):
    name, _, _ = checkpointed(rooted, counter, images)
    (images / "inventory.img").write_bytes(b"nonsense")
    rooted.fails("restore", "-d", "-b", counter.path, "--image-path", images, name,
                 words=["criu: ", "restore.log"])
    assert rooted.ids() == []


@criu
def test_a_file_can_not_be_continued_in_a_pipe(rooted, counter, images):
    """criu puts a file's position back."""
    name, _, _ = checkpointed(rooted, counter, images)
    done = subprocess.run(rooted.command("restore", "-b", counter.path, "--image-path", images, name),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "descriptor 1 was a file" in done.stderr
    assert rooted.ids() == []


@criu
@pytest.mark.parametrize("policy, obeyed", [("default", False), ("oci", True)])
def test_org_criu_config_is_honoured_under_oci_only(runsafe, counter, images, policy, obeyed):
    """org.criu.config from annotations is not honoured but under oci."""
    settings = images.parent / "criu.conf"
    settings.write_text("log-file by-annotation.log\n")
    counter.set("annotations", {"org.criu.config": str(settings)})
    options = ["--policy", policy] + ([] if obeyed else ["--allow", "root"])
    checkpointed(runsafe.with_options(*options), counter, images)
    assert (images / "by-annotation.log").exists() == obeyed


# --- terminals

def accept_terminal(server):
    connection, _ = server.accept()
    with connection:
        fds = array.array("i")
        _, control, _, _ = connection.recvmsg(64, socket.CMSG_SPACE(fds.itemsize))
        fds.frombytes(control[0][2][:fds.itemsize])
        return fds[0]


@criu
def test_a_terminal_comes_back_over_the_console_socket(rooted, bundle, images, folder):
    """The workload reads and writes the same terminal, with a new other end."""
    bundle.config["process"].update(user={"uid": 0, "gid": 0}, terminal=True)
    bundle.sh("while read line; do echo got-$line; done")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(folder)  # sun_path holds 107 bytes
        server.bind("console")
        os.chdir(here)
        server.listen()
        name = rooted.create(bundle, "--console-socket", folder / "console")
        first = accept_terminal(server)
        rooted.start(name)
        os.write(first, b"one\n")
        seen = b""
        while b"got-one" not in seen:
            seen += os.read(first, 1024)
        rooted.ok("checkpoint", "--image-path", images, name)
        rooted.ok("restore", "-d", "-b", bundle.path, "--image-path", images, "--console-socket",
                  folder / "console", name)
        second = accept_terminal(server)
        os.write(second, b"two\n")
        seen = b""
        while b"got-two" not in seen:
            seen += os.read(second, 1024)
        pid = pid_of(rooted, name)
        assert os.readlink(f"/proc/{pid}/fd/0").startswith("/dev/pts/")
        os.close(first)
        os.close(second)
