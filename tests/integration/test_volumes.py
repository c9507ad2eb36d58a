"""New named volumes become the workload's, and what it can not write or read is said so
(docs/policy.md, mounts.giveNewVolumes and mounts.explainDenied)."""

import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import struct
import subprocess
import time

import pytest

import harness
from harness import host_mount

WRITES = "touch /data/file && stat -c %u:%g /data"


@pytest.fixture
def volume(folder):
    """A new volume as Docker makes it; tests run beside folders of ours that root owns."""
    path = folder / "volumes/web/_data"
    path.mkdir(parents=True)
    for place in (path.parent, path.parent.parent):
        place.chmod(0o701)
    path.chmod(0o755)
    return path


def use(bundle, source, *options, destination="/data"):
    return bundle.mount(destination=destination, type="bind", source=str(source),
                        options=["rbind", "rprivate", *options])


def owner(path):
    found = os.stat(path)
    return found.st_uid, found.st_gid


def touched(program, bundle, volume, *words):
    """Runs it; says whether the volume has got another owner."""
    before = owner(volume)
    result = program.run(bundle.sh("id -u"), *words)
    assert result.out == "1000\n", result
    return owner(volume) != before


# --- what is given

def test_a_new_volume_is_the_workloads(runsafe, bundle, volume):
    result = runsafe.sh(use(bundle, volume), WRITES)
    assert (result.out, result.err) == ("1000:1000\n", "")
    assert owner(volume) == (1000, 1000)
    assert volume.stat().st_mode & 0o7777 == 0o755


def test_another_user_than_root_gets_it_too(runsafe, bundle, volume):
    use(bundle, volume).set("process.user", {"uid": 101, "gid": 102})
    assert runsafe.sh(bundle, WRITES).out == "101:102\n"


def test_create_gives_it_and_check_says_so(runsafe, bundle, volume):
    """`check BUNDLE` looks and changes nothing; `check ID` knows what was done."""
    use(bundle, volume).args("sleep", "1000")
    number = len(bundle.config["mounts"]) - 1
    finding = f"mounts[{number}].source: a new volume of 0:0: made the workload's, 1000:1000"
    assert finding in runsafe("check", bundle.path).out
    assert owner(volume) == (0, 0)
    name = runsafe.create(bundle)
    assert owner(volume) == (1000, 1000)
    assert finding in runsafe("check", name).out
    assert finding not in runsafe("check", bundle.path).out


def test_a_start_that_is_refused_gives_nothing(runsafe, bundle, volume):
    """Nor does a create with an id that is taken."""
    name = runsafe.running(bundle)
    use(bundle, volume)
    runsafe.fails("create", "-b", bundle.path, name, words=["exists"])
    bundle.set("process.args", [])
    runsafe.create_fails(bundle, "process.args")
    assert owner(volume) == (0, 0)


def test_the_first_of_two_that_start_at_once_gets_it(runsafe, new_bundle, volume):
    """The owner is looked at and changed under a lock, so it does not change hands twice."""
    bundles = []
    for uid in (2001, 2002, 2003, 2004):
        bundle = use(new_bundle(f"user{uid}"), volume).set("process.user", {"uid": uid, "gid": uid})
        bundles.append((uid, bundle.sh("touch /data/mine 2>/dev/null && id -u; true")))
    started = [(uid, runsafe.start_process("run", "-b", bundle.path, runsafe.id()))
               for uid, bundle in bundles]
    wrote = [uid for uid, process in started if process.communicate(timeout=60)[0] == f"{uid}\n"]
    assert wrote == [owner(volume)[0]]


@pytest.fixture
def locked(volume):
    """Somebody is just giving the volume away."""
    lock = os.open(volume.parent, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield lambda: fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)


def waits_for_the_lock(pid, volume):
    """The folder above, which is locked, stays open; before that it is only looked at."""
    def is_open():
        with contextlib.suppress(OSError):
            return str(volume.parent) in map(os.readlink, pathlib.Path(f"/proc/{pid}/fd").iterdir())
        return False

    return harness.wait_for(is_open) and (time.sleep(0.05), is_open())[1]


def test_while_the_volume_is_locked_nothing_is_given(runsafe, bundle, volume, locked):
    """A start waits a second for the lock, and goes on without it."""
    result = runsafe.run(use(bundle, volume).sh("id -u"))
    assert result.out == "1000\n"
    assert "could not change (Resource temporarily unavailable)" in result.err
    assert owner(volume) == (0, 0)


@pytest.mark.parametrize("change", ["owner", "file", "folder"])
def test_what_changes_before_the_lock_is_there_counts(runsafe, bundle, volume, locked, change):
    """Another one was given it, has written to it, or another folder lies at its path now."""
    process = runsafe.start_process("run", "-b", use(bundle, volume).sh("id -u").path, runsafe.id())
    assert waits_for_the_lock(process.pid, volume)
    if change == "owner":
        os.chown(volume, 999, 999)
    elif change == "file":
        (volume / "file").touch()
    else:
        volume.rename(volume.parent / "before")
        volume.mkdir()
    before = owner(volume)
    locked()
    out, err = process.communicate(timeout=harness.TIME_LIMIT)
    assert out == "1000\n", err
    assert owner(volume) == before


def test_a_lock_on_the_volume_itself_is_no_hindrance(runsafe, bundle, volume):
    """A workload can open that, in another container that was let have it."""
    lock = os.open(volume, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert runsafe.sh(use(bundle, volume), WRITES).out == "1000:1000\n"
    os.close(lock)


# --- what is not

def test_an_ordinary_folder_stays_whose_it_is(runsafe, bundle, folder):
    (folder / "data").mkdir()
    assert not touched(runsafe, use(bundle, folder / "data"), folder / "data")


@pytest.mark.parametrize("shape", ["volumes/_data", "volumes/a/b/_data", "volumes/a/data",
                                   "myvolumes/a/_data", "volumes/a/_data/sub", "volumes/a/x_data"])
def test_a_folder_of_another_shape_is_no_volume(runsafe, bundle, folder, shape):
    path = folder / shape
    path.mkdir(parents=True)
    assert not touched(runsafe, use(bundle, path), path)


@pytest.mark.parametrize("what", ["file", ".hidden", "folder/"])
def test_a_volume_with_something_in_it_stays(runsafe, bundle, volume, what):
    if what.endswith("/"):
        (volume / what).mkdir()
    else:
        (volume / what).touch()
    assert not touched(runsafe, use(bundle, volume), volume)


@pytest.mark.parametrize("ids", [(999, 999), (0, 999), (999, 0)])
def test_a_volume_that_was_given_to_somebody_stays(runsafe, bundle, volume, ids):
    os.chown(volume, *ids)
    assert not touched(runsafe, use(bundle, volume), volume)


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_volume_that_all_may_write_stays(runsafe, bundle, volume, mode):
    """As Kubernetes makes an emptyDir."""
    volume.chmod(mode)
    assert not touched(runsafe, use(bundle, volume), volume)


def test_a_read_only_volume_stays(runsafe, bundle, volume):
    assert not touched(runsafe, use(bundle, volume, "ro"), volume)


def test_root_that_stays_root_needs_no_gift(runsafe, bundle, volume):
    use(bundle, volume).set("process.user", {"uid": 0, "gid": 0}).sh("id -u")
    assert runsafe.with_options("--allow", "root").run(bundle).out == "0\n"
    assert owner(volume) == (0, 0)


def test_oci_gives_and_says_nothing(oci, bundle, volume):
    result = oci.run(use(bundle, volume).sh("id -u"))
    assert (result.out, result.err, owner(volume)) == ("1000\n", "", (0, 0))


def test_a_policy_can_turn_both_off(runsafe, bundle, volume, folder):
    path = folder / "policy.json"
    path.write_text(json.dumps({"mounts": {"giveNewVolumes": False, "explainDenied": False}}))
    result = runsafe.with_options("--policy", path).run(use(bundle, volume).sh("id -u"))
    assert (result.out, result.err, owner(volume)) == ("1000\n", "", (0, 0))


@pytest.mark.parametrize("above", ["volumes/web", "volumes"])
@pytest.mark.parametrize("how", ["owner", "group", "others"])
def test_a_volume_in_a_folder_that_others_may_change_stays(runsafe, bundle, volume, above, how):
    """They could have put another folder there."""
    place = volume.parents[1] / above.removeprefix("volumes").strip("/")
    if how == "owner":
        os.chown(place, 1000, 1000)
    else:
        place.chmod(0o771 if how == "group" else 0o703)
    assert not touched(runsafe, use(bundle, volume), volume)


@pytest.mark.parametrize("at", ["_data", "web", "volumes"])
def test_a_symlink_on_the_way_gives_nothing(runsafe, bundle, volume, folder, at):
    """Somebody led the engine elsewhere: here to a volume that looks like a new one."""
    written = {"_data": folder / "volumes/mine/_data", "web": folder / "volumes/mine/_data",
               "volumes": folder / "other/volumes/web/_data"}[at]
    link, target = {"_data": (written, volume), "web": (written.parent, volume.parent),
                    "volumes": (written.parents[1], volume.parents[1])}[at]
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    assert not touched(runsafe, use(bundle, written), volume)


def test_a_path_with_dots_is_none_that_an_engine_writes(runsafe, bundle, volume):
    written = f"{volume.parents[1]}/../volumes/web/_data"
    assert not touched(runsafe, use(bundle, written), volume)


def test_a_drivers_mount_on_a_volume_stays_whose_it_is(runsafe, bundle, volume, folder):
    """`docker volume create -o type=none -o o=bind` shows a folder of the host's."""
    (folder / "hosts").mkdir()
    with host_mount(volume, "--bind", folder / "hosts"):
        assert not touched(runsafe, use(bundle, volume), folder / "hosts")
    assert owner(volume) == (0, 0)


def test_a_drivers_mount_on_a_volume_is_not_even_opened(runsafe, bundle, volume, folder):
    """Its server may not answer, and the start would wait for it."""
    libc = ctypes.CDLL(None)
    (folder / "hosts").mkdir()
    with host_mount(volume, "--bind", folder / "hosts"):
        watch = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(watch, os.fsencode(folder / "hosts"), 0x20) > 0  # IN_OPEN
        assert runsafe.run(use(bundle, volume).sh("id -u")).out == "1000\n"
        with pytest.raises(BlockingIOError):
            os.read(watch, 4096)
        runsafe("check", bundle.path)
        with pytest.raises(BlockingIOError):
            os.read(watch, 4096)
    os.close(watch)


def test_a_mount_of_the_volumes_folder_itself_is_no_hindrance(runsafe, bundle, folder):
    """Docker's data may lie on a disk of its own."""
    (folder / "disk").mkdir()
    with host_mount(folder / "disk", "-t", "tmpfs", "-o", "mode=755", "tmpfs"):
        volume = folder / "disk/volumes/web/_data"
        volume.mkdir(parents=True)
        assert runsafe.sh(use(bundle, volume), WRITES).out == "1000:1000\n"


def test_a_volume_on_a_read_only_file_system_is_said_to_be(runsafe, bundle, folder):
    (folder / "disk").mkdir()
    with host_mount(folder / "disk", "-t", "tmpfs", "-o", "mode=755", "tmpfs"):
        volume = folder / "disk/volumes/web/_data"
        volume.mkdir(parents=True)
        subprocess.run(["mount", "-n", "-o", "remount,ro", str(folder / "disk")], check=True)
        result = runsafe.run(use(bundle, volume).sh("id -u"))
    assert result.out == "1000\n"
    assert result.err == ("runsafe: /data: its file system is read-only, and this workload, "
                          "1000:1000, can not write there\n")


# ioctl_iflags(2), as chattr +i does it.
FS_IOC_SETFLAGS, FS_IMMUTABLE_FL = 0x40086602, 0x10


@contextlib.contextmanager
def open_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_a_volume_that_can_not_be_given_is_said_to_be(runsafe, bundle, folder, volume):
    """As NFS with root_squash: the change of owner fails, the start does not."""
    with open_folder(volume) as fd:
        try:
            fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", FS_IMMUTABLE_FL))
        except OSError as why:
            pytest.skip(f"NEEDS IMMUTABLE FILES: this file system has none ({why})")
        try:
            result = runsafe.run(use(bundle, volume).sh("id -u"))
        finally:
            fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", 0))
    assert result.out == "1000\n"
    assert "which runsafe could not change (Operation not permitted)" in result.err
    assert owner(volume) == (0, 0)


# --- user namespaces

def user_namespace(bundle, first=300000):
    lines = [{"containerID": 0, "hostID": first, "size": 65536}]
    bundle.namespace("user").set("linux.uidMappings", lines).set("linux.gidMappings", lines)
    # Root of the namespace makes mount points in it.
    for folder, _, _ in os.walk(bundle.rootfs):
        os.chown(folder, first, first)
    (bundle.rootfs / "data").mkdir()
    return bundle


@pytest.mark.parametrize("above", [0, 300000])
def test_in_a_user_namespace_the_mapped_ids_count(runsafe, bundle, volume, above):
    """The volume belongs to root inside; the folder above to the host's root, as Docker's
    userns-remap has it, or to the same, as Podman has it."""
    os.chown(volume, 300000, 300000)
    os.chown(volume.parent, above, above)
    assert runsafe.sh(use(user_namespace(bundle), volume), WRITES).out == "1000:1000\n"
    assert owner(volume) == (301000, 301000)


def test_in_a_user_namespace_a_volume_of_the_hosts_root_stays(runsafe, bundle, volume):
    result = runsafe.run(use(user_namespace(bundle), volume).sh("id -u"))
    assert owner(volume) == (0, 0)
    assert result.err == (
        "runsafe: /data: the volume belongs to 0:0 (mode 0755), and this workload, 1000:1000 "
        "(301000:301000 on the host), can not write there; mount it read-only (:ro) if it is only "
        "to be read, run this as the same user, or on the host: "
        f"chown -hR 301000:301000 {volume}\n")


def test_a_volume_with_mapped_ids_of_its_own_stays(runsafe, bundle, volume):
    """Whose it is inside says its mapping."""
    use(bundle, volume, "idmap")
    lines = [{"containerID": 0, "hostID": 5000, "size": 65536}]
    bundle.config["mounts"][-1].update(uidMappings=lines, gidMappings=lines)
    result = runsafe.run(bundle.write().sh("id -u"))
    if "does not support" in result.err:
        pytest.skip("NEEDS ID-MAPPED MOUNTS: not on this file system")
    assert result.out == "1000\n", result
    assert owner(volume) == (0, 0)


# --- what is said

def said(program, bundle, source, *options, destination="/data"):
    result = program.run(use(bundle, source, *options, destination=destination).sh("id -u"))
    assert result.status == 0, result
    assert result.out == "1000\n", result
    return result.err


def test_a_volume_of_roots_is_said_to_be_with_the_line_that_helps(runsafe, bundle, volume):
    (volume / "file").touch()
    line = said(runsafe, bundle, volume)
    assert line == (
        "runsafe: /data: the volume belongs to 0:0 (mode 0755), and this workload, 1000:1000, can "
        f"not write there; on the host: chown -hR 1000:1000 {volume}\n")
    # The line does help.
    command = line.rpartition("on the host: ")[2]
    subprocess.run(["sh", "-c", command], check=True)
    result = runsafe.sh(bundle, "echo x >/data/file")
    assert result.err == ""


def test_a_volume_of_another_service_is_said_to_be(runsafe, bundle, volume):
    os.chown(volume, 999, 998)
    line = said(runsafe, bundle, volume)
    assert "the volume belongs to 999:998 (mode 0755)" in line
    assert "mount it read-only (:ro) if it is only to be read, run this as the same user" in line


def test_the_mode_of_a_volume_may_be_what_is_wrong(runsafe, bundle, volume):
    os.chown(volume, 1000, 1000)
    volume.chmod(0o555)
    assert said(runsafe, bundle, volume).endswith(f"; on the host: chmod u+rwx {volume}\n")


def test_a_secret_that_can_not_be_read_is_said_to_be(runsafe, bundle, folder):
    """As compose binds it: read-only, as it is on the host."""
    secret = folder / "word"
    secret.write_text("secret")
    secret.chmod(0o600)
    line = said(runsafe, bundle, secret, "ro", destination="/run/secrets/word")
    assert line == (
        "runsafe: /run/secrets/word: the file belongs to 0:0 (mode 0600), and this workload, "
        f"1000:1000, can not read it; on the host: chown 1000 {secret}\n")
    subprocess.run(["sh", "-c", line.rpartition("on the host: ")[2]], check=True)
    assert runsafe.sh(bundle, "cat /run/secrets/word").out == "secret"


def test_a_secret_of_nobodys_mode_is_made_readable_too(runsafe, bundle, folder):
    secret = folder / "it's a word"
    secret.write_text("secret")
    secret.chmod(0)
    line = said(runsafe, bundle, secret, destination="/run/secrets/word")
    subprocess.run(["sh", "-c", line.rpartition("on the host: ")[2]], check=True)
    result = runsafe.sh(bundle, "cat /run/secrets/word")
    assert (result.out, result.err) == ("secret", "")


@pytest.mark.parametrize("below", ["mounts/secrets/q1", "userdata/secrets/word"])
def test_a_secret_that_an_engine_made_is_named_by_its_option(runsafe, bundle, folder, below):
    """Swarm's and Podman's are made anew each time: a chown would not last."""
    secret = folder / below
    secret.parent.mkdir(parents=True)
    secret.write_text("secret")
    secret.chmod(0o400)
    assert said(runsafe, bundle, secret, destination="/run/secrets/word").endswith(
        "; name its user: --secret NAME,uid=1000,gid=1000\n")


def test_an_empty_folder_of_the_hosts_is_said_to_be(runsafe, bundle, folder):
    """Docker makes it, as root's, where `-v ./data:/data` names none: no use to the workload."""
    (folder / "data").mkdir()
    assert said(runsafe, bundle, folder / "data") == (
        "runsafe: /data: the host's folder belongs to 0:0 (mode 0755), and this workload, "
        f"1000:1000, can not write there; on the host: chown -hR 1000:1000 {folder}/data\n")


def test_a_folder_that_is_named_from_the_bundle_is_said_with_its_whole_path(runsafe, bundle):
    """Who reads the line is somewhere else."""
    (bundle.path / "data").mkdir()
    assert said(runsafe, bundle, "data").endswith(
        f"on the host: chown -hR 1000:1000 {bundle.path.resolve()}/data\n")


def test_a_folder_of_the_hosts_that_nobody_may_enter_is_said_to_be(runsafe, bundle, folder):
    (folder / "data").mkdir(mode=0o700)
    (folder / "data/file").touch()
    line = said(runsafe, bundle, folder / "data")
    assert "the host's folder belongs to 0:0 (mode 0700)" in line
    # It may be /root.
    assert "; if nothing else there needs it, on the host: chown -hR " in line


def test_a_folder_of_the_hosts_with_something_to_read_is_not_worth_a_word(runsafe, bundle, folder):
    """Settings, pages, programs."""
    (folder / "data").mkdir()
    (folder / "data/file").touch()
    assert said(runsafe, bundle, folder / "data") == ""


@pytest.mark.parametrize("destination", ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname",
                                         "/dev/termination-log", "/run/.containerenv"])
def test_what_engines_mount_for_themselves_is_not_worth_a_word(runsafe, bundle, folder,
                                                               destination):
    (folder / "file").touch(mode=0o600)
    assert said(runsafe, bundle, folder / "file", destination=destination) == ""


def test_what_another_mount_hides_is_not_worth_a_word(runsafe, bundle, volume):
    os.chown(volume, 999, 999)
    use(bundle, volume)
    bundle.mount(destination="/data", type="tmpfs", source="tmpfs", options=["mode=0555"])
    result = runsafe.run(bundle.sh("id -u"))
    assert (result.out, result.err) == ("1000\n", "")


def test_capabilities_on_purpose_are_asked_too(runsafe, bundle, volume):
    """The kernel's own answer: CAP_DAC_OVERRIDE writes there."""
    os.chown(volume, 999, 999)
    program = runsafe.with_options("--allow", "capability=CAP_DAC_OVERRIDE")
    assert said(program, bundle, volume) == ""


def test_an_access_control_list_is_asked_too(runsafe, bundle, volume):
    os.chown(volume, 999, 999)
    try:
        # system.posix_acl_access: user 1000 may; acl(5), linux/posix_acl_xattr.h.
        entries = [(1, 7, 0xffffffff), (2, 7, 1000), (4, 5, 0xffffffff), (16, 7, 0xffffffff),
                   (32, 5, 0xffffffff)]
        os.setxattr(volume, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(
            struct.pack("<HHI", *entry) for entry in entries))
    except OSError as error:
        pytest.skip(f"NEEDS ACCESS CONTROL LISTS: {error} on this file system")
    assert said(runsafe, bundle, volume) == ""


def test_a_terminal_reads_no_control_bytes(runsafe, bundle, folder):
    path = folder / "bad\x1b]0;name\x07 \u009b2J \u00dc"
    path.mkdir()
    line = said(runsafe, bundle, path)
    assert "bad?]0;name? ??2J \u00dc" in line
    assert line.isprintable() or line[:-1].isprintable()


def names(*without):
    """All system calls of this machine but some."""
    table = pathlib.Path(harness.__file__).parents[2] / f"profiles/syscalls-{os.uname().machine}.tbl"
    lines = table.read_text().splitlines()
    return sorted({line.split()[-1] for line in lines if line[0] != "#"} - set(without))


def test_a_filter_that_kills_for_what_it_does_not_name_hears_no_questions(runsafe, bundle, volume):
    """The workload needs no poll(2), nor does its profile name it: it starts as without a volume."""
    os.chown(volume, 999, 999)
    rule = {"names": names("poll", "ppoll", "faccessat2"), "action": "SCMP_ACT_ALLOW"}
    for action in ("SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"):
        bundle.set("linux.seccomp", {"defaultAction": action, "syscalls": [rule]})
        assert said(runsafe, bundle, volume) == ""


def test_a_filter_that_is_there_before_is_not_asked(runsafe, bundle, volume):
    """Without no_new_privs filters come first; a profile of before 2020 refuses faccessat2."""
    os.chown(volume, 1000, 1000)
    rule = {"names": ["faccessat2"], "action": "SCMP_ACT_ERRNO"}
    bundle.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
    bundle.set("process.noNewPrivileges", False)
    assert said(runsafe.with_options("--allow", "new-privileges"), bundle, volume) == ""


def test_a_terminal_that_nobody_reads_stops_no_start(runsafe, bundle, folder):
    """It takes 8 KiB."""
    master, slave = os.openpty()
    for number in range(64):
        path = folder / f"{'x' * 200}{number}"
        path.mkdir()
        use(bundle, path, destination=f"/data{number}")
    process = runsafe.start_process("run", "-b", bundle.sh("sleep 0").path, runsafe.id(),
                                    stderr=slave, stdout=slave)
    assert process.wait(timeout=harness.TIME_LIMIT) == 0
    os.close(master)
    os.close(slave)


def test_it_is_said_at_the_start_and_not_by_exec(runsafe, bundle, volume):
    """An engine may listen only from then on (Podman); by create nothing is written."""
    os.chown(volume, 999, 999)
    use(bundle, volume).args("sleep", "1000")
    name = runsafe.id()
    with open(runsafe.folder / "said", "w+", encoding="utf-8") as said_there:
        subprocess.run(runsafe.command("create", "-b", bundle.path, name), stderr=said_there,
                       stdout=subprocess.DEVNULL, check=True)
        assert (runsafe.folder / "said").read_text() == ""
        runsafe.start(name)
        assert (runsafe.folder / "said").read_text().startswith(
            "runsafe: /data: the volume belongs to 999:999")
    result = runsafe("exec", name, "id", "-u")
    assert (result.out, result.err) == ("1000\n", "")


@pytest.mark.parametrize("reader", ["full", "gone", "closed"])
def test_a_standard_error_that_nobody_reads_stops_no_start(runsafe, bundle, volume, reader):
    os.chown(volume, 999, 999)
    use(bundle, volume).sh("id -u >/tmp/x; exec sleep 0")
    near, far = os.pipe()
    if reader == "full":
        os.set_blocking(far, False)
        try:
            while True:
                os.write(far, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(far, True)
    if reader == "gone":
        os.close(near)
    command = runsafe.command("run", "-b", bundle.path, runsafe.id())
    if reader == "closed":
        command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    assert subprocess.run(command, stderr=far, timeout=harness.TIME_LIMIT,
                          check=False).returncode == 0
    os.close(far)
    if reader != "gone":
        os.close(near)
