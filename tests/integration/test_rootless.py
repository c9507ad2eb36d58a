"""Issue 3, "Rootless": runsafe started by an ordinary user, and as "root" inside a user namespace
that somebody else made, as Podman does."""

import contextlib
import copy
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import harness
from harness import Mount, host_mount, mounted_in
from workload import call, pid_of, status_outside

# A user that is in no real /etc/passwd, with the ids that /etc/subuid gives him.
UID, FIRST, COUNT = 64321, 3000000000, 65536
# What mounting each of the namespaces' file systems needs from the host is there natively, too.
ID = {"containerID": 1000, "hostID": UID, "size": 1}


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """newuidmap(1) asks /etc/passwd and /etc/subuid: covered by copies that know the user."""
    base = tmp_path_factory.mktemp("etc")
    lines = {"passwd": f"rootless:x:{UID}:{UID}::/nonexistent:/bin/sh\n",
             "group": f"rootless:x:{UID}:\n",
             "subuid": f"rootless:{FIRST}:{COUNT}\n", "subgid": f"rootless:{FIRST}:{COUNT}\n"}
    made = []
    with contextlib.ExitStack() as stack:
        for name, line in lines.items():
            place = pathlib.Path("/etc") / name
            if not place.exists():
                place.touch()
                made.append(place)
            text = place.read_text(encoding="utf-8")
            (base / name).write_text(text + line)
            stack.enter_context(host_mount(place, "--bind", base / name))
        yield UID
    for place in made:
        place.unlink()


class AsUser(harness.Runsafe):
    """The program, called by that user, or by what prefix makes of him."""

    def __init__(self, runsafe, prefix=()):
        super().__init__(runsafe.folder, *runsafe.options)
        # Nobody delegated a cgroup to him.
        self.options.append("--cgroup=available")
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        os.chown(home, UID, UID)
        self.home, self.root, self.log = home, home / "state", home / "log"
        self.before = list(prefix)

    def become(self, *command):
        return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups",
                "env", f"XDG_RUNTIME_DIR={self.home}", *self.before, *map(str, command)]

    def command(self, *args):
        return self.become(*super().command(*args))


@pytest.fixture
def rootless(runsafe, user):
    program = AsUser(runsafe)
    left = harness.Leftovers(program)
    yield program
    program.clean()
    left.check()


@pytest.fixture
def single(bundle):
    """The workload's 1000 is the caller; nothing else is mapped."""
    return mapped(bundle, [ID])


def mapped(bundle, uids, gids=None):
    bundle.namespace("user").set("linux.uidMappings", uids)
    return bundle.set("linux.gidMappings", uids if gids is None else gids)


def lines(*triples):
    return [dict(zip(("containerID", "hostID", "size"), t)) for t in triples]


def ranges():
    """The caller is root inside, and what /etc/subuid gives him follows."""
    return lines((0, UID, 1), (1, FIRST, COUNT - 1))


# What `spec --rootless` writes

def test_what_spec_rootless_writes_runs_at_once_under_the_default_policy(rootless, bundle):
    """`runsafe spec --rootless` must give a bundle that runs at once by an ordinary user."""
    written = json.loads(rootless.ok("spec", "--rootless").out)
    assert written["linux"]["uidMappings"] == [ID] == written["linux"]["gidMappings"]
    bundle.config = written
    written["process"]["terminal"] = False
    facts = rootless.sh(bundle, "cat /proc/self/status; echo map=$(cat /proc/self/uid_map)").facts()
    assert facts["map"].split() == ["1000", str(UID), "1"]
    assert facts["Uid"].split()[0] == "1000"
    assert (facts["CapBnd"], facts["NoNewPrivs"], facts["Seccomp"]) == ("0" * 16, "1", "2")


def test_spec_rootless_by_root_is_refused(runsafe):
    runsafe.fails("spec", "--rootless", words=["--rootless", "root"])


# Mappings

def test_a_single_mapping_of_root(rootless, bundle):
    """A user may map his own id himself (user_namespaces(7)); here to 0."""
    bundle.set("process.user", {"uid": 0, "gid": 0})
    mapped(bundle, lines((0, UID, 1)))
    for mount in bundle.config["mounts"]:
        mount["options"] = [o for o in mount.get("options", []) if not re.match("[ug]id=", o)]
    bundle.write()
    result = rootless.with_options("--policy", "oci").sh(bundle, "id -u; cat /proc/self/uid_map")
    assert result.out.split() == ["0", "0", str(UID), "1"]


@pytest.mark.parametrize("policy", ["default", "oci"])
def test_a_mapping_without_uid_0(rootless, single, policy):
    """... or a single mapping, also one without uid 0."""
    program = rootless.with_options("--policy", policy)
    out = program.sh(single, "id -u; cat /proc/self/gid_map; touch /tmp/x; stat -c %u /tmp/x").out
    assert out.split() == ["1000", "1000", str(UID), "1", "1000"]


def test_ranges_are_mapped_through_newuidmap(rootless, bundle):
    """own user namespace through newuidmap and newgidmap."""
    mapped(bundle, ranges()).set("process.user.additionalGids", [3000])
    out = rootless.sh(bundle, "cat /proc/self/uid_map /proc/self/gid_map; id -G").out
    rows = [row.split() for row in out.splitlines()]
    assert rows[:2] == rows[2:4] == [["0", str(UID), "1"], ["1", str(FIRST), str(COUNT - 1)]]
    assert rows[4] == ["1000", "3000"]


def test_ranges_without_the_callers_own_id(rootless, bundle):
    mapped(bundle, lines((0, FIRST, COUNT)))
    assert rootless.sh(bundle, "id -u; cat /proc/self/uid_map").out.split() == [
        "1000", "0", str(FIRST), str(COUNT)]


def test_a_user_namespace_by_path_of_ones_own(rootless, bundle, new_bundle, monkeypatch):
    """A pod of an ordinary user: the second container lives in the first one's namespaces."""
    # What LeakSanitizer forks at the end is in that pid namespace, and it waits for it for ever.
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")
    first = rootless.running(mapped(new_bundle("first"), ranges()))
    spaces = f"/proc/{pid_of(rootless, first)}/ns"
    for kind, file in {"user": "user", "network": "net", "ipc": "ipc", "pid": "pid"}.items():
        bundle.namespace(kind, f"{spaces}/{file}")
    out = rootless.sh(bundle, "id -u; readlink /proc/self/ns/user; ls /sys/class/net; ps").out
    assert out.splitlines()[:3] == ["1000", os.readlink(f"{spaces}/user"), "lo"], out
    assert "sleep 1000" in out
    rootless.delete(first, "--force")


def test_the_user_namespace_of_root_can_not_be_joined(rootless, runsafe, bundle, new_bundle):
    mine = runsafe.running(mapped(new_bundle("mine"), lines((0, FIRST, COUNT))))
    bundle.namespace("user", f"/proc/{pid_of(runsafe, mine)}/ns/user")
    message = rootless.create_fails(bundle, "linux.namespaces")
    assert "denied" in message or "not permitted" in message
    runsafe.delete(mine, "--force")


# Wrong input

@pytest.mark.parametrize("which, option, file", [("uid", "--add-subuids", "/etc/subuid"),
                                                 ("gid", "--add-subgids", "/etc/subgid")])
def test_a_range_that_is_not_the_users_is_named(rootless, bundle, which, option, file):
    """mapping outside of range: message names linux.uidMappings[i]."""
    wrong = lines((0, UID, 1), (1, FIRST, COUNT - 1), (COUNT, 5, 10))
    mapped(bundle, wrong if which == "uid" else ranges(), wrong if which == "gid" else ranges())
    rootless.create_fails(bundle, f"linux.{which}Mappings[2]", f"new{which}map", option, file)


def test_a_user_without_any_range_is_told_so(rootless, bundle):
    mapped(bundle, ranges())
    copy_of_subuid = pathlib.Path("/etc/subuid")  # the fixture's
    text = copy_of_subuid.read_text(encoding="utf-8")
    copy_of_subuid.write_text("", encoding="utf-8")
    try:
        rootless.create_fails(bundle, "linux.uidMappings[1]", "/etc/subuid", "usermod")
    finally:
        copy_of_subuid.write_text(text, encoding="utf-8")


def test_newuidmap_that_is_missing_is_named(rootless, bundle):
    mapped(bundle, ranges())
    rootless.before = ["PATH=/nowhere"]
    rootless.create_fails(bundle, "linux.uidMappings", "newuidmap", "uidmap", "PATH")


def test_newuidmap_is_taken_from_folders_of_root_only(rootless, bundle):
    """What runs as the caller, by name, must not be somebody else's."""
    mapped(bundle, ranges())
    false = rootless.home / "newuidmap"
    false.write_text(f"#!/bin/sh\ntouch {rootless.home}/called\n")
    false.chmod(0o755)
    rootless.before = [f"PATH={rootless.home}:.:{os.environ['PATH']}"]
    rootless.run_ok(bundle.args("/bin/true"))
    assert not (rootless.home / "called").exists()


def test_no_user_namespace_is_an_error_that_says_what_to_write(rootless, bundle):
    rootless.create_fails(bundle, "linux.namespaces", "CAP_SYS_ADMIN", "user", "spec --rootless")


@pytest.mark.parametrize("key", ["uidMappings", "gidMappings"])
def test_missing_mappings_are_named(rootless, single, key):
    single.set(f"linux.{key}", [])
    rootless.with_options("--policy", "oci").create_fails(single, f"linux.{key}")


def test_default_policy_says_how_to_map_the_workloads_user(rootless, bundle):
    """1000 not mapped in the container's user namespace: refused, naming the mapping."""
    mapped(bundle, lines((0, UID, 1)))
    rootless.create_fails(bundle, "linux.uidMappings", "1000", json.dumps(ID))


def test_groups_that_can_not_be_set_are_refused(rootless, single):
    """user_namespaces(7): with one's own gid alone setgroups is denied for good."""
    single.set("process.user.additionalGids", [1000])
    rootless.create_fails(single, "process.user.additionalGids", "newgidmap")


def test_a_hard_limit_above_the_users_is_refused(rootless, single):
    single.set("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 10 ** 9, "hard": 10 ** 9}])
    rootless.create_fails(single, "RLIMIT_NOFILE", "CAP_SYS_RESOURCE")


def test_a_bind_that_would_uncover_something_says_so(rootless, single, folder):
    (folder / "top/below").mkdir(parents=True)
    single.mount(destination="/mnt", type="bind", source=str(folder / "top"), options=["bind"])
    with host_mount(folder / "top/below", "-t", "tmpfs", "none"):
        rootless.create_fails(single, "mounts[", "rbind")
        single.config["mounts"][-1]["options"] = ["rbind"]
        (single.rootfs / "mnt").mkdir(exist_ok=True)
        rootless.run_ok(single.args("/bin/true"))


# Life

def test_the_life_of_a_users_container_from_outside(rootless, bundle):
    """Afterwards all commands run as the ordinary user outside that namespace."""
    name = rootless.create(mapped(bundle.args("/bin/sleep", "1000"), ranges()))
    assert rootless.status(name) == "created"
    rootless.start(name)
    pid = pid_of(rootless, name)
    assert status_outside(pid)["Uid"].split()[0] == str(FIRST + 999)
    assert rootless.state(name)["owner"] == str(UID)
    assert name in rootless.ok("list", "-q").out
    assert str(pid) in rootless.ok("ps", "-f", "json", name).out
    out = rootless.ok("exec", name, "/bin/sh", "-c", "id -u; readlink /proc/self/ns/user").out
    assert out.split() == ["1000", os.readlink(f"/proc/{pid}/ns/user")]
    rootless.fails("delete", name, words=["not stopped"])
    rootless.ok("kill", name, "KILL")
    rootless.wait_status(name, "stopped")
    rootless.delete(name)


def test_exec_with_a_terminal_and_its_exit_status(rootless, single):
    name = rootless.running(single)
    assert rootless("exec", name, "/bin/sh", "-c", "exit 7").status == 7
    result = rootless("exec", "-t", name, "/bin/tty")
    assert "/dev/pts/0" in result.out, result
    rootless.delete(name, "--force")


def test_a_container_before_its_start_is_closed_to_exec(rootless, single):
    """Its process still is runsafe, closed to all but root (CVE-2016-9962)."""
    name = rootless.create(single.args("/bin/sleep", "1000"))
    rootless.fails("exec", name, "/bin/true", words=["user namespace", "started"], status=255)
    rootless.delete(name)


def test_a_copy_of_the_program_that_the_user_owns_is_sealed(rootless, bundle):
    """The workload can never write the runtime's binary."""
    own = rootless.home / "runsafe"
    shutil.copy(harness.RUNSAFE, own)
    os.chown(own, UID, UID)
    mapped(bundle.args("/bin/sleep", "1000"), ranges())
    command = [str(own) if word == harness.RUNSAFE else word
               for word in rootless.command("create", "-b", bundle.path, "c")]
    done = subprocess.run(command, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == 0
    assert os.readlink(f"/proc/{pid_of(rootless, 'c')}/exe").startswith("/memfd:")
    rootless.delete("c")


def test_oom_score_and_time_offsets(rootless, single):
    single.set("process.oomScoreAdj", 321).namespace("time")
    single.set("linux.timeOffsets", {"boottime": {"secs": 10 ** 6, "nanosecs": 0}})
    out = rootless.sh(single, "cat /proc/self/oom_score_adj /proc/uptime").out.split()
    assert out[0] == "321" and float(out[1]) > 10 ** 6


# Protections

def test_devices_are_the_hosts_bound(rootless, single):
    """devices by bind mount."""
    places = mounted_in(rootless.sh(single, "cat /proc/self/mountinfo; echo x >/dev/null"))
    assert {"/dev/null", "/dev/zero", "/dev/urandom"} <= set(places)


def test_no_capability_of_the_namespace_is_left(rootless, single):
    name = rootless.running(single)
    status = status_outside(pid_of(rootless, name))
    assert {status[s].strip() for s in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    rootless.delete(name, "--force")


@pytest.mark.needs_kernel("6.3")
def test_executable_files_in_memory_are_refused_where_the_sysctl_can_not_be_set(
        rootless, single, probe):
    """In a new pid namespace vm.memfd_noexec=2: its file is the host's root's, a filter stands in."""
    calls = [call("memfd_create", "@x", flags, label=name)
             for name, flags in (("plain", 0), ("exec", 0x10), ("noexec", 8))]
    assert probe(rootless, single, *calls) == {"plain": "EACCES", "exec": "EACCES", "noexec": "OK"}
    assert "memfd-exec" in rootless("check", f"{single.path}/").out
    free = probe(rootless.with_options("--allow", "memfd-exec"), single, *calls)
    assert free == {"plain": "OK", "exec": "OK", "noexec": "OK"}


@pytest.mark.needs_kernel("6.3")
def test_executable_files_in_memory_are_refused_to_exec_too(rootless, single, probe):
    name = rootless.running(single)
    shutil.copy(probe.__closure__[0].cell_contents, single.rootfs / "probe")
    out = rootless.ok("exec", name, "/probe", call("memfd_create", "@x", 0x10, label="exec")).out
    assert out.strip() == "exec=EACCES"
    rootless.delete(name, "--force")


@pytest.mark.parametrize("options, works", [((), False), (("--allow", "bind=/sys"), True),
                                            (("--policy", "oci"), True)])
def test_sys_is_bound_where_sysfs_is_refused(rootless, single, options, works):
    """/sys by bind mount where sysfs is refused; a policy that refuses binds of it is asked."""
    program = rootless.with_options(*options)
    with host_mount("/sys/kernel", "-t", "tmpfs", "none"):
        if not works:
            program.create_fails(single, "sysfs", "bind=/sys")
            return
        result = program.sh(single, "cat /proc/self/mountinfo; ls /sys/kernel; touch /sys/x; true")
    assert mounted_in(result)["/sys"].type == "sysfs"
    assert "Read-only" in result.err


# State

def test_state_lies_below_xdg_runtime_dir(rootless, single):
    """state under XDG_RUNTIME_DIR."""
    command = [w for w in rootless.command("create", "-b", single.args("/bin/true").path, "c")]
    at = command.index("--root")
    del command[at:at + 2]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   stdin=subprocess.DEVNULL)
    place = rootless.home / "runsafe"
    assert (place.stat().st_mode & 0o7777, place.stat().st_uid) == (0o1711, UID)
    assert (place / "c/state.json").stat().st_uid == UID
    other = copy.copy(rootless)
    other.root = place
    other.delete("c", "--force")


def test_what_another_user_wrote_into_the_state_is_not_acted_upon(rootless, runsafe, single):
    """Its hooks would run, and its pid be killed, as who calls."""
    hook = {"path": "/bin/touch", "args": ["touch", str(runsafe.folder / "called")]}
    single.set("hooks", {"poststop": [hook]})
    name = rootless.create(single.args("/bin/true"))
    root = copy.copy(runsafe)
    root.root = rootless.root
    for command in (["state"], ["kill"], ["delete", "--force"]):
        root.fails(*command, name, words=["state.json", str(UID)])
    assert name not in root.ok("list", "-q").out
    assert not (runsafe.folder / "called").exists()
    rootless.delete(name)


# cgroups

@pytest.fixture
def delegated(rootless):
    """A cgroup that is the user's, with his own process in one below."""
    top = harness.CGROUP / rootless.prefix
    (top / "own").mkdir(parents=True)
    for place in (top, top / "own"):
        for file in (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(place / file, UID, UID)
    inner = rootless.become
    rootless.become = lambda *c: ["sh", "-c", f'echo $$ >{top}/own/cgroup.procs; exec "$@"',
                                  "sh", *inner(*c)]
    yield top
    rootless.clean()
    for place in (top / "own", top):
        place.rmdir()


def test_a_delegated_cgroup_is_used(rootless, bundle, delegated):
    """cgroups where delegated: beside the caller's own, as runc has it."""
    name = rootless.running(mapped(bundle, ranges()))
    group = delegated / f"runsafe-{name}"
    assert (group / "cgroup.procs").read_text().split() == [str(pid_of(rootless, name))]
    rootless.ok("pause", name)
    assert rootless.status(name) == "paused"
    rootless.ok("resume", name)
    assert rootless("exec", name, "/bin/true").status == 0
    rootless.ok("kill", "--all", name, "KILL")
    rootless.wait_status(name, "stopped")
    rootless.delete(name)
    assert not group.exists()


@pytest.mark.needs_limits
def test_limits_in_a_delegated_cgroup(rootless, bundle, delegated):
    rootless.options.append("--cgroup=required")
    controllers = "+cpu +memory +pids"
    (harness.CGROUP / "cgroup.subtree_control").write_text(controllers)
    name = rootless.running(mapped(bundle, ranges()).set("linux.resources.pids.limit", 77))
    assert (delegated / f"runsafe-{name}/pids.max").read_text().strip() == "77"
    rootless.delete(name, "--force")


def test_without_delegation_required_says_what_is_missing(rootless, single):
    """`--cgroup=required` says clearly what is missing."""
    words = ["--cgroup=available"] if harness.why_no_limits() else ["Delegate", "--cgroup=available"]
    rootless.with_options("--cgroup=required").create_fails(single, *words)


def test_without_delegation_available_starts(rootless, single):
    rootless.with_options("--cgroup=available").run_ok(single.args("/bin/true"))


# "root" inside a namespace that somebody else made

@pytest.fixture
def nested(rootless):
    """As Podman calls its runtime: all ids, a mount namespace, the host's other ones."""
    rootless.before = ["unshare", "--user", "--mount", "--map-root-user", "--map-auto"]
    return rootless


def test_root_in_a_namespace_of_podmans_kind(nested, bundle):
    """as "root" inside a namespace that Podman made: devices by bind mount."""
    result = nested.sh(bundle, "id -u; cat /proc/self/mountinfo; echo x >/dev/null")
    assert result.lines[0] == "1000"
    places = mounted_in(result)
    assert places["/dev/null"].type == "devtmpfs"
    assert places["/sys"].type == "sysfs" and places["/proc"].type == "proc"


def test_root_in_a_namespace_without_mounts_of_its_own(nested, bundle):
    nested.before.remove("--mount")
    assert nested.sh(bundle, "id -u").out == "1000\n"


def test_the_hosts_network_in_a_namespace_of_podmans_kind(nested, bundle):
    """/sys by bind mount where sysfs is refused: the network is of another owner."""
    bundle.namespace("network", drop=True)
    result = nested.with_options("--policy", "oci").sh(bundle, "cat /proc/self/mountinfo")
    assert isinstance(mounted_in(result)["/sys"], Mount)


def test_a_user_namespace_inside_of_podmans(nested, bundle):
    """--userns=keep-id and kin: ids are those of the namespace around."""
    mapped(bundle, lines((0, 1, 1000), (1000, 0, 1)))
    out = nested.sh(bundle, "id -u; cat /proc/self/uid_map").out.split()
    assert out == ["1000", "0", str(FIRST), "1000", "1000", str(UID), "1"] or \
        out == ["1000", "0", "1", "1000", "1000", "0", "1"]


def test_exec_in_a_namespace_of_podmans_kind(nested, bundle):
    program = " ".join(harness.Runsafe.command(nested))
    nested.before += ["sh", "-c", f"set -e; r='{program}'; $r run -d -b {bundle.path} c; "
                      "$r exec c /bin/id -u; $r delete --force c"]
    bundle.args("/bin/sleep", "1000")
    done = subprocess.run(nested.become(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, timeout=harness.TIME_LIMIT)
    assert (done.stdout, done.stderr) == ("1000\n", ""), done


@pytest.mark.parametrize("name, below", [(None, True), ("somebody", True), ("root", False)])
def test_state_of_podmans_root_lies_below_xdg_runtime_dir(nested, bundle, name, below):
    """Unless a whole system lives in the namespace, whose root is called so, as runc has it."""
    nested.before += ["env", "-u", "USER"] if name is None else ["env", f"USER={name}"]
    command = nested.become(harness.RUNSAFE, "--cgroup=available", "create", "-b",
                            bundle.args("/bin/true").path, nested.id())
    said = nested.folder / "said"
    with open(said, "w", encoding="utf-8") as err:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=err,
                              stdin=subprocess.DEVNULL, check=False)
    assert (done.returncode == 0) == below, said.read_text()
    assert (nested.home / "runsafe").exists() == below
    if not below:
        assert "/run/runsafe" in said.read_text()
    nested.root, nested.before = nested.home / "runsafe", []  # the namespace is nobody's any more
