"""What an attacker tries first: from inside a workload, by a hostile rootfs, and by a hostile image
configuration. Each names the attack that it repeats. Groups of system calls: test_seccomp_inside.py."""

import json
import os
import pathlib
import subprocess

import pytest

import harness
import workload
from workload import as_engine, call, inside

HOST_FILE = "/etc/hostname"


@pytest.fixture
def engine(bundle):
    return as_engine(bundle)


@pytest.fixture
def oci(runsafe):
    return runsafe.with_options("--policy", "oci")


@pytest.fixture
def root(runsafe):
    """The default policy, but root with the capabilities that Docker gives."""
    names = ",".join(workload.USUAL_CAPABILITIES)
    return runsafe.with_options("--allow", "root", "--allow", f"capability={names}")


@pytest.fixture
def secret(folder):
    """A file of the host that no container may see or change."""
    path = folder / "secret"
    path.write_text("of the host\n")
    path.chmod(0o666)
    return path


def says(program, bundle, script, *words):
    """The script fails with these words."""
    result = program.run(bundle.sh(script))
    assert result.status != 0, result
    for word in words:
        assert word in result.err + result.out, (word, result)


# --- from inside: the first things

FIRST_THINGS = {
    "mount a tmpfs": ("mount -t tmpfs none /tmp", "permission denied"),
    "mount the host's disk": ("mount -t ext4 /dev/vda /tmp", "ermi"),
    "take a mount off": ("umount /proc", "permitted"),
    "remount the root writable": ("mount -o remount,rw /", "permission denied"),
    "a user namespace": ("unshare -U -r true", "not permitted"),
    "a mount namespace": ("unshare -m true", "not permitted"),
    "the host's namespaces": ("nsenter -t 1 -n true", "ermi"),
    "a device node": ("mknod /tmp/disk b 8 0", "not permitted"),
    "another owner": ("touch /tmp/f; chown 0 /tmp/f", "not permitted"),
    "a set-user-ID file": ("cp /bin/busybox /tmp/b; chmod 4755 /tmp/b", "not permitted"),
    "write to /": ("touch /file", "Read-only file system"),
    "write to /etc": ("echo x >/etc/passwd", "Read-only file system"),
    "write a setting of the kernel": ("echo 1 >/proc/sys/vm/drop_caches", "Read-only file system"),
    "the core pattern": ("echo '|/tmp/x' >/proc/sys/kernel/core_pattern", "Read-only file system"),
    "the clock": ("date -s 2000-01-01 2>&1; false", "not permitted"),
    "the host name": ("hostname other", "not permitted"),
    "another root": ("chroot / true", "not permitted"),
    "root by su": ("su root -c id", "suid"),
    "the kernel's log": ("dmesg", "not permitted"),
    "a program in /tmp": ("cp /bin/busybox /tmp/b; /tmp/b true", "Permission denied"),
    "an address of its own": ("ip addr add 10.9.8.7/24 dev lo", "not permitted"),
}


@pytest.mark.parametrize("name", FIRST_THINGS)
def test_attack_from_inside(runsafe, engine, name):
    script, word = FIRST_THINGS[name]
    says(runsafe, engine, script, word)


def test_attack_a_raw_socket(runsafe, engine, probe):
    """The filter lets AF_INET through, the capability is missing."""
    assert probe(runsafe, engine, call("socket", 2, 3, 1)) == {"socket": "EPERM"}


@pytest.mark.parametrize("path", ["/proc/kcore", "/proc/kmsg", "/proc/sysrq-trigger", "/proc/keys",
                                  "/proc/sys/kernel/core_pattern", "/proc/timer_list",
                                  "/sys/firmware/dmi/tables/DMI", "/sys/kernel/uevent_helper"])
def test_attack_on_a_file_of_the_kernel(root, engine, path):
    """As root: neither by owner nor by mode, but because it is masked or read-only."""
    if not os.path.exists(path):
        pytest.skip(f"this kernel has no {path}")
    reading = "" if path.startswith("/proc/sys/") else f"timeout 1 head -c 1 {path} 2>/dev/null;"
    result = root.run(engine.sh(f"{reading} echo 1 >{path}"))
    assert result.status != 0 and result.out == "", result


def test_attack_the_hosts_devices_are_not_there(root, engine):
    """/dev/mem, the disks: nothing but the usual devices."""
    out = root.sh(engine, "find / -xdev -type b; find /dev -type c; find /dev -type b").lines
    assert {d for d in out if not d.startswith("/dev/pts/")} == {
        f"/dev/{d}" for d in ("null", "zero", "full", "random", "urandom", "tty")}


def test_attack_the_hosts_processes_are_not_there(runsafe, engine):
    """pids: only the container's own in /proc, and no other can be signalled."""
    out = runsafe.sh(engine, "echo /proc/[0-9]*; read -r comm </proc/1/comm; echo $comm").out.split()
    assert out[0] == "/proc/1" and out[-1] == "sh"
    assert all(int(p.rpartition("/")[2]) < 20 for p in out[:-1])


def test_attack_no_file_of_the_host_through_process_1(runsafe, engine, secret):
    """/proc/1/root is the container's own."""
    says(runsafe, engine, f"cat /proc/1/root{secret}", "No such file")


def test_attack_the_old_root_is_gone(root, engine, secret):
    """pivot_root: the host's root is nowhere below /proc/PID/root, /proc/PID/cwd or the mounts."""
    out = root.sh(engine, f"""for p in /proc/[0-9]*/root /proc/[0-9]*/cwd / /..; do
        for up in . .. ../../../../../..; do cat $p/$up{secret} 2>/dev/null; done; done; echo end""")
    assert out.out == "end\n"


def test_attack_the_old_root_by_joining_the_own_namespace(oci, engine, secret):
    """setns(2) to a mount namespace starts at its top: no root of the host's lies there."""
    engine.cap("CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE")
    result = oci.run(engine.sh(f"nsenter -t 1 -m /bin/echo joined; nsenter -t 1 -m /bin/cat {secret}"))
    assert result.out == "joined\n", result


def test_attack_chroot_out_of_the_root(oci, engine, secret):
    """The classic: chroot into a folder with a descriptor kept outside, then cd .. up."""
    script = f"""mkdir -p /jail/bin && cp /bin/busybox /jail/bin/ && exec 9</ &&
        chroot /jail /bin/busybox sh -c 'cd /proc/self/fd/9 2>/dev/null
            i=0; while [ $i -lt 20 ]; do cd ..; i=$((i+1)); done; cat .{secret}'"""
    result = oci.run(engine.sh(script))
    assert "of the host" not in result.out


def test_attack_the_cgroup_shows_nothing_above(runsafe, engine):
    """The cgroup namespace: its own place is /."""
    assert set(runsafe.sh(engine, "cut -d: -f3 /proc/self/cgroup").lines) <= {"/"}


def test_attack_the_hosts_mounts_are_not_listed(runsafe, engine, folder):
    text = runsafe.sh(engine, "cat /proc/self/mountinfo; cat /proc/1/mounts").out
    places = [line.split()[4] for line in text.splitlines() if " - " in line]
    assert places.count("/") == 1, places
    assert all(p == "/" or p.split("/")[1] in ("proc", "dev", "sys", "tmp", "var", "run", "etc")
               for p in places), places


def test_attack_the_environment_of_the_caller_stays_outside(runsafe, engine):
    env = dict(os.environ, SECRET_TOKEN="of the host")
    out = runsafe.run_ok(engine.sh("cat /proc/self/environ /proc/1/environ"), env=env).out
    assert "of the host" not in out


def test_attack_a_set_user_id_program_of_the_image(runsafe, engine):
    """no_new_privs, nosuid and no capability: it runs, as nobody else."""
    tool = engine.file("/opt/id", (engine.rootfs / "bin/busybox").read_bytes(), 0o4755)
    assert tool.stat().st_mode & 0o4000
    out = runsafe.sh(engine, "/opt/id").out
    assert out.startswith("uid=1000") and "euid=0" not in out


def test_attack_new_keys_of_the_hosts_user(runsafe, engine, probe):
    assert probe(runsafe, engine, call("keyctl", 0, -4, 0)) == {"keyctl": "EPERM"}


def test_attack_the_groups_of_the_caller_stay_outside(runsafe, engine):
    """CVE-2022-29162 and its kin: nothing of the caller's rights comes along."""
    result = runsafe.run_ok(engine.sh("id -G"), preexec_fn=lambda: os.setgroups([0, 4242]))
    assert result.out == "1000\n"


@pytest.mark.parametrize("own", [[], [1000]])
def test_attack_the_groups_of_the_caller_stay_outside_without_no_new_privs(runsafe, engine, own):
    """The filters are loaded before the runtime leaves them: none may answer its setgroups."""
    runsafe = runsafe.with_options("--allow", "new-privileges")
    engine.set("process.noNewPrivileges", False).set("process.user.additionalGids", own)
    look = ("grep", "Groups", "/proc/self/status")

    def as_somebody():
        os.setgroups([0, 4242])

    result = runsafe.run_ok(engine.args(*look), preexec_fn=as_somebody)
    assert result.out.split()[1:] == list(map(str, own))
    name = runsafe.running(engine)
    result = runsafe.ok("exec", name, *look, preexec_fn=as_somebody)
    assert result.out.split()[1:] == list(map(str, own))


def test_attack_the_session_is_its_own(runsafe, engine):
    """setsid: no job control of, or typing into, the caller's terminal (CVE-2017-5226)."""
    pid = workload.pid_of(runsafe, runsafe.running(engine))
    assert os.getsid(pid) == pid


def test_attack_no_mount_travels_to_the_host(runsafe, engine):
    """Also where all of the host's mounts are shared, as systemd makes them."""
    script = """mount --make-rshared / && before=$(wc -l </proc/self/mountinfo)
        "$@" </dev/null >/dev/null 2>&1 && [ "$(wc -l </proc/self/mountinfo)" = "$before" ] && echo same"""
    command = runsafe.command("create", "-b", engine.path, runsafe.id())
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script,
                           "sh", *command], capture_output=True, text=True, check=False,
                          timeout=harness.TIME_LIMIT)
    assert (done.stdout, done.stderr) == ("same\n", "")


def test_attack_a_false_proc_on_the_host(runsafe, engine):
    """/proc is used through a descriptor that is known to be procfs."""
    engine.sh("echo ran")
    script = 'mount -t tmpfs tmpfs /proc && mkdir -p /proc/self/ns /proc/self/fd && exec "$@"'
    command = runsafe.command("run", "-b", engine.path, runsafe.id())
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script,
                           "sh", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert "/proc: expected a mount of procfs" in done.stderr, done.stderr
    runsafe.log.unlink(missing_ok=True)


# --- descriptors (CVE-2024-21626: tests/attacks/test_descriptors.py)

def with_descriptor(number, path="/"):
    """Gives the process that becomes runsafe an open directory of the host."""
    def leak():
        fd = os.open(path, os.O_RDONLY)
        os.dup2(fd, number, inheritable=True)
        if fd != number:
            os.close(fd)
    return {"preexec_fn": leak, "close_fds": False}


@pytest.mark.parametrize("number", [3, 9, 42, 900])
@pytest.mark.parametrize("policy", ["default", "oci"])
def test_attack_no_descriptor_but_0_1_2_is_inherited(runsafe, engine, number, policy):
    """No descriptor but 0, 1, 2 and the preserved ones reaches the workload."""
    program = runsafe.with_options("--policy", policy)
    # ls opens one for itself.
    out = program.run_ok(engine.sh("exec ls /proc/self/fd"), **with_descriptor(number)).lines
    assert out == ["0", "1", "2", "3"]


def test_attack_no_descriptor_of_the_runtime_waits_at_the_gate(oci, engine):
    """Who could look into the process at its gate finds no folder of the host's. The stub, which
    executes the workload, lies in memory and is sealed."""
    pid = workload.pid_of(oci, oci.create(engine))
    targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")
               if int(fd) > 2]
    assert not [t for t in targets if not t.startswith("socket:")
                and not t.endswith(("/gate", "/report", "/memfd:runsafe (deleted)"))], targets


def test_attack_preserved_descriptors_are_those_alone(oci, engine):
    result = oci.run(engine.sh("exec ls /proc/self/fd"), "--preserve-fds", "1",
                     **with_descriptor(3, "/dev/null"))
    assert result.lines == ["0", "1", "2", "3", "4"]


# --- a hostile rootfs (more: tests/attacks/test_hostile_mounts.py, test_hostile_rootfs.py)

ESCAPES = ["/etc", "../../../../../../../../etc", "/proc/self/root/etc", "/proc/1/root/etc",
           "/proc/self/cwd/../../../etc", "/proc/self/fd/9/etc"]


@pytest.mark.parametrize("target", ESCAPES)
def test_attack_a_mount_destination_that_is_a_symlink(oci, engine, folder, target):
    """A mount destination never leads outside: it is resolved inside of the rootfs, or an error."""
    before = harness.mounts()
    (engine.rootfs / "data").symlink_to(target)
    (folder / "volume").mkdir()
    engine.mount(destination="/data/sub", type="bind", source=str(folder / "volume"),
                 options=["bind"])
    result = oci.run(engine.sh("echo ran"), **with_descriptor(9))
    assert not os.path.exists("/etc/sub")
    assert harness.mounts() == before
    assert result.status in (0, 1), result


@pytest.mark.parametrize("place", ["proc", "dev", "sys", "tmp", "run", "dev/pts", "var/tmp", "etc"])
@pytest.mark.parametrize("policy", ["default", "oci"])
def test_attack_a_usual_mount_point_that_leads_outside(runsafe, engine, folder, place, policy):
    """A symlink where the runtime mounts, or makes devices and files."""
    outside = folder / "outside"
    outside.mkdir()
    target = engine.rootfs / place
    if target.is_dir():
        subprocess.run(["rm", "-r", target], check=True)
    target.symlink_to(outside)
    before = harness.mounts()
    runsafe.with_options("--policy", policy).run(engine.sh("true"))
    assert list(outside.iterdir()) == []
    assert harness.mounts() == before


def test_attack_proc_mounted_elsewhere(root, engine):
    """A second /proc at another place has the same masks and read-only paths."""
    engine.mount(destination="/opt", type="proc", source="proc")
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    root.run(engine.sh("echo '|/tmp/x' >/opt/sys/kernel/core_pattern"))
    now = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    if now != pattern:
        pathlib.Path("/proc/sys/kernel/core_pattern").write_text(pattern)
    assert now == pattern


@pytest.mark.parametrize("place", ["link", "deep/link"])
def test_attack_copying_up_a_run_of_the_image(runsafe, engine, secret, place):
    """Symlinks in what is copied up are copied, not followed."""
    path = engine.rootfs / "run" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(secret)
    (engine.rootfs / "run/dir").symlink_to(secret.parent)
    out = runsafe.sh(engine, f"[ -L /run/{place} ] && cat /run/{place} /run/dir/secret 2>&1; true").out
    assert "of the host" not in out


def test_attack_masked_path_that_is_a_symlink_outside(oci, engine, secret, folder):
    (engine.rootfs / "mask").symlink_to(secret)
    (engine.rootfs / "read").symlink_to(folder)
    before = harness.mounts()
    engine.set("linux.maskedPaths", ["/mask"]).set("linux.readonlyPaths", ["/read"])
    oci.run(engine.sh("true"))
    assert harness.mounts() == before
    secret.write_text("still written\n")


# --- a hostile configuration of the image

@pytest.mark.parametrize("args", [["/proc/1/root/bin/busybox", "true"], ["../../../bin/busybox"],
                                  ["/proc/self/cwd/../../bin/true"]])
def test_attack_args_stay_inside(runsafe, engine, args):
    """Whatever path the image starts: it is one of its own rootfs."""
    (engine.rootfs / "bin/busybox").unlink()
    result = runsafe.run(engine.args(*args))
    assert result.status in (126, 127), result


@pytest.mark.parametrize("name", ["../x", "..", ".", "/proc/x", "a/b", "-x", "", "a" * 300, "a\nb", "a b"])
def test_attack_an_id_that_is_a_path(runsafe, bundle, name):
    """Ids are [A-Za-z0-9_+.-], never . or .., not starting with -."""
    result = runsafe("create", "-b", bundle.path, "--", name)
    assert result.status == 1 and not runsafe.ids(), result


def test_attack_env_and_annotations_reach_no_shell(runsafe, engine, folder):
    target = folder / "written"
    engine.set("process.env", ["PATH=/bin", f"X=$(touch {target})", f"LD_PRELOAD={target}",
                               "BASH_ENV=/x", "GCONV_PATH=/x"])
    engine.set("annotations", {"a": f"$(touch {target})"}).set("hostname", "`id`")
    runsafe.run(engine.sh("true"))
    assert not target.exists()


def test_attack_a_signal_from_inside_does_not_reach_the_caller(runsafe, engine):
    """kill -1 and kill 0: the pid namespace and the session of its own are the limit."""
    engine.sh("trap '' TERM; kill -TERM -1; kill -TERM 0; echo still there")
    assert runsafe.run_ok(engine).out == "still there\n"


def test_attack_the_state_is_not_readable_by_others(runsafe, engine):
    name = runsafe.create(engine)
    for path in (runsafe.root, runsafe.root / name, runsafe.root / name / "state.json"):
        assert path.stat().st_mode & 0o022 == 0, path
    assert json.loads((runsafe.root / name / "state.json").read_text())["id"] == name


def test_attack_the_loopback_is_the_containers_own(runsafe, engine):
    """And nothing else is there: no way to the host's services on 127.0.0.1."""
    facts = inside(runsafe, engine, "echo links=$(ls /sys/class/net); echo up=$(cat /sys/class/net/lo/operstate)")
    assert "lo" in facts["links"].split()
    assert not {"eth0", "ens3"} & set(facts["links"].split())
