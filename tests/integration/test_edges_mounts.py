"""Issue 3, "The edges that other runtimes got wrong": a mount over /proc, over /dev, a file over a
file, a destination that does not exist on a read-only root, shared and slave propagation in both
directions, recursive read-only on submounts."""

import os
import subprocess

import pytest

import harness
from harness import host_mount
from test_mounts import bind, inside, source  # noqa: F401
from test_propagation import shared  # noqa: F401

MASKED = {"maskedPaths": ["/proc/kcore", "/proc/timer_list"], "readonlyPaths": ["/proc/sys"]}


# --- over /proc and over /dev

def no_proc(bundle):
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/proc"]
    return bundle.write()


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
@pytest.mark.parametrize("place", ["/proc", "/proc/sys", "/proc/1"])
def test_a_mount_over_procfs_is_refused(oci, plain, source, kind, place):
    """What lies over procfs would be taken for the kernel's word, and for the masks' place
    (CVE-2019-16884): as with runc, only procfs itself goes there."""
    if kind == "bind":
        bind(plain, source, place, "rbind")
    else:
        plain.mount(destination=place, type="tmpfs", source="tmpfs", options=["mode=755"])
    oci.create_fails(plain, place, "/proc", "nothing can be mounted there")


def test_a_procfs_that_is_bound_goes_over_a_procfs_that_is_bound(oci, plain):
    """What monitoring asks for: the host's / at /host, and its /proc at /host/proc. Only the whole
    of it: a directory of procfs lies over none."""
    bind(plain, "/", "/host", "rbind", "ro")
    bind(plain, "/proc", "/host/proc", "rbind", "ro")
    assert oci.sh(plain, "read name </host/proc/1/comm; echo $name").lines == [
        open("/proc/1/comm").read().strip()]
    bind(plain, "/proc/sys", "/host/proc", "bind")
    oci.create_fails(plain, "/host/proc", "nothing can be mounted there")


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_a_mount_in_place_of_procfs_is_what_is_seen_there(oci, plain, source, kind):
    """Without a procfs in config.json /proc is a place as others are; none of the host's shows."""
    (source / "self").mkdir()
    no_proc(plain)
    if kind == "bind":
        bind(plain, source, "/proc", "rbind")
    else:
        plain.mount(destination="/proc", type="tmpfs", source="tmpfs", options=["mode=755"])
    result = oci.sh(plain, "ls /proc; test -e /proc/1 && echo procfs; true")
    assert result.lines == (["below", "file", "self"] if kind == "bind" else [])


def test_masks_with_a_mount_in_place_of_procfs_are_on_what_is_there(oci, plain, source):
    """maskedPaths and readonlyPaths are of the container as it is in the end, and what is not there
    is passed over; none of them lands on the host's files."""
    for name, value in MASKED.items():
        plain.set(f"linux.{name}", value)
    (source / "sys").mkdir()
    (source / "kcore").write_text("of the volume\n")
    no_proc(plain)
    bind(plain, source, "/proc", "rbind")
    result = oci.sh(plain, "cat /proc/kcore; echo x 2>/dev/null >/proc/sys/file || echo read-only; "
                    "echo y >/proc/file")
    assert result.lines == ["read-only"]
    assert (source / "kcore").read_text() == "of the volume\n"
    assert (source / "file").read_text() == "y\n"


def test_a_second_procfs_over_the_first_has_the_masks(oci, plain):
    """Two mounts at /proc: the masks lie on the upper one."""
    for name, value in MASKED.items():
        plain.set(f"linux.{name}", value)
    plain.mount(destination="/proc", type="proc", source="proc", options=[])
    result = oci.sh(plain, "wc -c </proc/timer_list; echo 1 2>/dev/null >/proc/sys/kernel/printk || "
                    "echo read-only; echo /proc/[0-9]*")
    assert result.lines[:2] == ["0", "read-only"]
    assert result.lines[2].split()[0] == "/proc/1"


def test_a_container_without_proc_starts(oci, plain):
    """procfs is a SHOULD: a bundle without it works, and what needs it in the start does not
    show."""
    no_proc(plain).set("linux.maskedPaths", ["/proc/kcore"]).set("linux.readonlyPaths", ["/proc/sys"])
    assert oci.sh(plain, "ls /proc; echo end").lines == ["end"]


def test_a_mount_over_dev_has_the_default_devices(oci, plain):
    """A file system over the /dev of before: the default devices and links are in what is seen."""
    plain.mount(destination="/dev", type="tmpfs", source="tmpfs", options=["mode=755"])
    result = oci.sh(plain, "cd /dev; for d in null zero full random urandom tty; do test -c $d && "
                    "echo $d; done; readlink fd; echo x >/dev/null")
    assert result.lines == ["null", "zero", "full", "random", "urandom", "tty", "/proc/self/fd"]


def test_a_read_only_mount_over_dev_has_them_too(oci, plain):
    """They are made before it is read-only, and it is in the end."""
    for mount in plain.config["mounts"]:
        if mount["destination"] == "/dev":
            mount["options"] = [*mount.get("options", []), "ro"]
    result = oci.sh(plain, "test -c /dev/null && echo there; touch /dev/x 2>/dev/null || echo read-only")
    assert result.lines == ["there", "read-only"]


def test_one_file_over_a_device(oci, plain, source):
    """Engines bind /dev/null over things, and things over devices: the bind is what is seen."""
    owned = source / "owned"
    os.mknod(owned, 0o020640, os.makedev(1, 5))
    os.chown(owned, 7, 8)
    bind(plain, source / "file", "/dev/random", "bind", "ro")
    bind(plain, "/dev/null", "/dev/full", "bind")
    bind(plain, owned, "/dev/zero", "bind")
    result = oci.sh(plain, "cat /dev/random; stat -c %t:%T /dev/full")
    assert result.lines == ["from the host", "1:3"]
    stat = owned.stat()
    assert (stat.st_mode & 0o777, stat.st_uid, stat.st_gid) == (0o640, 7, 8)


def test_one_file_over_a_device_in_a_user_namespace(oci, plain, source):
    """The same where the default devices are the host's, bound."""
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    plain.namespace("user").set("linux.uidMappings", mapping).set("linux.gidMappings", mapping)
    bind(plain, source / "file", "/dev/random", "bind", "ro")
    assert oci.sh(plain, "cat /dev/random; stat -c %t:%T /dev/zero").lines == ["from the host", "1:5"]


def test_a_file_of_the_image_is_no_mount(oci, plain):
    """Only what was mounted there stays: a file of the image in a device's place is an error."""
    plain.config["mounts"] = [m for m in plain.config["mounts"] if not m["destination"].startswith("/dev")]
    plain.write()
    plain.file("/dev/random", "of the image\n")
    oci.fails("create", "-b", plain.path, oci.id(), words=["/dev/random", "exists"])


# --- a file over a file, and other kinds

def test_a_file_over_a_file_leaves_the_one_below(oci, plain, source):
    """What is written goes to the source; the image's file is what it was."""
    plain.file("/etc/motd", "of the image\n")
    bind(plain, source / "file", "/etc/motd", "bind")
    assert oci.sh(plain, "cat /etc/motd; echo new >/etc/motd").out == "from the host\n"
    assert (source / "file").read_text() == "new\n"
    assert (plain.rootfs / "etc/motd").read_text() == "of the image\n"


def test_a_file_over_a_file_that_was_mounted_before(oci, plain, source):
    """The later mount at the same place is the one that is seen, read-only or not by itself."""
    (source / "other").write_text("the other\n")
    bind(plain, source / "file", "/etc/motd", "bind", "ro")
    bind(plain, source / "other", "/etc/motd", "bind")
    plain.file("/etc/motd", "")
    assert oci.sh(plain, "cat /etc/motd; echo more >>/etc/motd").out == "the other\n"
    assert (source / "other").read_text() == "the other\nmore\n"
    assert (source / "file").read_text() == "from the host\n"


def test_a_file_over_a_file_of_a_read_only_mount(oci, plain, source):
    """A volume that is read-only, and one file in it that is not."""
    writable = source.parent / "writable"
    writable.write_text("before\n")
    bind(plain, source, "/srv", "rbind", "ro")
    bind(plain, writable, "/srv/file", "bind", "rw")
    result = oci.sh(plain, "echo after >/srv/file; touch /srv/new 2>/dev/null || echo read-only")
    assert result.out == "read-only\n"
    assert writable.read_text() == "after\n" and (source / "file").read_text() == "from the host\n"


# --- a destination that does not exist

@pytest.mark.parametrize("kind", ["directory", "file", "tmpfs"])
@pytest.mark.parametrize("policy", ["oci", "default"])
def test_a_missing_destination_with_a_read_only_root(runsafe, plain, source, kind, policy):
    """readonly is what the workload sees: the mount point is made before."""
    plain.set("root.readonly", True).set("process.user", {"uid": 1000, "gid": 1000}).cap()
    place = "/not/there/yet"
    if kind == "tmpfs":
        plain.mount(destination=place, type="tmpfs", source="tmpfs", options=["mode=1777"])
    else:
        bind(plain, source / "file" if kind == "file" else source, place, "rbind")
    script = {"directory": f"cat {place}/file", "file": f"cat {place}",
              "tmpfs": f"echo 'from the host' >{place}/x; cat {place}/x"}[kind]
    result = runsafe.with_options("--policy", policy).sh(
        plain, f"{script}; mkdir /not/more 2>/dev/null || echo read-only")
    assert result.lines == ["from the host", "read-only"]


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_missing_destination_where_nothing_can_be_made(oci, plain, source, kind):
    """A rootfs on a file system that is read-only itself: an error that names the place, and
    nothing is left."""
    bind(plain, source / "file" if kind == "file" else source, "/not/there/yet", "rbind")
    with host_mount(plain.rootfs, "--bind", "-o", "ro", plain.rootfs):
        oci.create_fails(plain, "/not/there/yet", "read-only file system")


def test_a_missing_destination_in_a_read_only_volume_is_made_on_the_host(oci, plain, source):
    """As crun does it: whoever asks for both wants the second one to be there."""
    before = sorted(os.listdir(source))
    bind(plain, source, "/srv", "rbind", "ro")
    plain.mount(destination="/srv/missing", type="tmpfs", source="tmpfs", options=[])
    result = oci.sh(plain, "touch /srv/missing/x && echo made; touch /srv/x || echo no")
    assert result.lines == ["made", "no"]
    assert sorted(os.listdir(source)) == sorted([*before, "missing"])
    assert os.listdir(source / "missing") == []


# --- propagation, both ways

@pytest.mark.parametrize("word,from_host,from_container", [
    ("rshared", True, True), ("shared", True, True), ("rslave", True, False), ("slave", True, False),
    ("rprivate", False, False), ("private", False, False), (None, False, False)])
def test_propagation_in_both_directions(oci, plain, shared, word, from_host, from_container):  # noqa: F811
    """mount_namespaces(7): shared sends and receives, slave receives only, private does neither;
    and what was mounted goes away on the other side when it is taken away."""
    bind(plain, shared, "/opt", "rbind", *[word] if word else [])
    # "rprivate" would reach the volume as well, and make a private mount of a slave.
    plain.set("linux.rootfsPropagation", "shared" if from_container else "private")
    (shared / "other").mkdir()
    name = oci.create(plain.sh(
        "mount -t tmpfs tmpfs /opt/other && touch /opt/other/inside && echo mounted; "
        "while ! test -e /opt/go; do sleep 0.05; done; test -e /opt/below/outside && echo arrived; "
        "umount /opt/other && echo unmounted; sleep 1000"))
    oci.start(name)
    assert harness.wait_for(lambda: "mounted" in oci.output(name))
    assert (shared / "other/inside").exists() == from_container
    with host_mount(shared / "below", "-t", "tmpfs", "tmpfs"):
        (shared / "below/outside").touch()
        (shared / "go").touch()
        assert harness.wait_for(lambda: "unmounted" in oci.output(name))
        assert ("arrived" in oci.output(name)) == from_host
    assert not (shared / "other/inside").exists()
    oci.delete(name, "--force")


def test_a_slave_of_the_hosts_is_a_master_inside(oci, plain, shared):  # noqa: F811
    """slave and then shared: it receives from the host and sends to its own peers, never back."""
    bind(plain, shared, "/opt", "rbind", "rslave", "rshared")
    seen = inside(oci, plain)["/opt"]
    kinds = sorted(field.split(":")[0] for field in seen.propagation)
    assert kinds in (["master", "shared"], ["shared"])


def test_the_hosts_mounts_are_as_shared_as_before(oci, plain, shared):  # noqa: F811
    """Whatever words config.json has: the host's own mount keeps its propagation."""
    def now():
        return [line for line in open("/proc/self/mountinfo", encoding="utf-8")
                if f" {shared} " in line]
    before = now()
    for word in ("rprivate", "rslave", "runbindable", "rshared"):
        name = oci.create(bind(plain, shared, "/opt", "rbind", word))
        oci.delete(name, "--force")
        plain.config["mounts"].pop()
    assert now() == before and "shared:" in before[0]


# --- recursive read-only

@pytest.fixture
def tree(source):  # noqa: F811
    """A source with a mount in it, and one in that."""
    with host_mount(source / "below", "-t", "tmpfs", "tmpfs"):
        (source / "below/deep").mkdir()
        with host_mount(source / "below/deep", "-t", "tmpfs", "tmpfs"):
            yield source


def writable(oci, plain):
    """Which of the three can be written."""
    return oci.sh(plain, "for d in . below below/deep; do touch /opt/$d/x 2>/dev/null && echo $d; done; "
                  "true").lines


def test_rro_reaches_every_submount(oci, plain, tree):
    """mount_setattr(2), AT_RECURSIVE: read-only at every depth."""
    assert writable(oci, bind(plain, tree, "/opt", "rbind", "rro")) == []


def test_ro_alone_is_the_top(oci, plain, tree):
    """As mount(8) has it: the mount itself, and not what is mounted below."""
    assert writable(oci, bind(plain, tree, "/opt", "rbind", "ro")) == ["below", "below/deep"]


def test_rro_and_a_writable_mount_in_it(oci, plain, tree):
    """What config.json mounts later in it is its own word."""
    bind(plain, tree, "/opt", "rbind", "rro")
    plain.mount(destination="/opt/below", type="tmpfs", source="tmpfs", options=["rw"])
    assert oci.sh(plain, "touch /opt/below/x && echo written; touch /opt/x 2>/dev/null || echo not").lines \
        == ["written", "not"]


def test_rro_leaves_the_source_writable(oci, plain, tree):
    """The host's own mounts are as they were."""
    assert writable(oci, bind(plain, tree, "/opt", "rbind", "rro")) == []
    for place in (tree, tree / "below", tree / "below/deep"):
        (place / "still").touch()


def test_rro_of_a_submount_that_a_user_namespace_may_not_unlock(oci, plain, tree):
    """mount_namespaces(7): flags of the host's mounts are locked there, and read-only may be
    added."""
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    plain.namespace("user").set("linux.uidMappings", mapping).set("linux.gidMappings", mapping)
    for place in (tree, tree / "below", tree / "below/deep"):
        os.chmod(place, 0o777)
    assert writable(oci, bind(plain, tree, "/opt", "rbind", "rro")) == []


def test_a_read_only_path_with_submounts(oci, plain, tree):
    """readonlyPaths reach what is mounted below them."""
    bind(plain, tree, "/opt", "rbind").set("linux.readonlyPaths", ["/opt"])
    assert writable(oci, plain) == []


def test_a_submount_that_comes_later_to_a_slave_is_not_ours_to_lock(oci, plain, shared):  # noqa: F811
    """rro is applied once: what the host mounts later arrives as the host mounted it; said in the
    manual, tested so that it is known."""
    name = oci.create(bind(plain, shared, "/opt", "rbind", "rslave", "rro").sh(
        "touch /opt/x 2>/dev/null || echo top; sleep 1000"))
    oci.start(name)
    assert harness.wait_for(lambda: "top" in oci.output(name))
    with host_mount(shared / "below", "-t", "tmpfs", "tmpfs"):
        pid = oci.state(name)["pid"]
        done = subprocess.run(["nsenter", "--target", str(pid), "--mount", "--root", "/bin/busybox",
                               "touch", "/opt/below/x"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
    oci.delete(name, "--force")
