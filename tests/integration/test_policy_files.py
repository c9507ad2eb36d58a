"""DESIGN.md section 3, the rows on files: rootfs, other mounts, masked and read-only paths,
devices, and what the rootfs knows of the workload."""

import os
import subprocess
import sys

import pytest

import harness
import workload
from workload import as_engine, mount_at, mounts_inside, refused

TMPFS = ["/tmp", "/var/tmp", "/run"]


@pytest.fixture
def engine(bundle):
    return as_engine(bundle)


@pytest.fixture(params=["default", "strict"])
def hardened(request, runsafe):
    """Both policies that harden; for bundles that strict takes."""
    return runsafe.with_options("--policy", request.param)


@pytest.fixture
def oci(runsafe):
    return runsafe.with_options("--policy", "oci")


@pytest.fixture
def bare(bundle):
    """A bundle that strict takes, without the places that `spec` writes itself."""
    mounts = [m for m in bundle.config["mounts"] if m["destination"] not in TMPFS]
    bundle.set("mounts", mounts).set("root.readonly", False)
    for key in ("maskedPaths", "readonlyPaths"):
        bundle.drop(f"linux.{key}")
    return bundle


def bind(bundle, source, destination, *options):
    return bundle.mount(destination=destination, source=str(source), type="bind",
                        options=["bind", *options])


# --- rootfs

def test_row_rootfs_can_not_be_written(hardened, bare):
    """read-only."""
    bare.rootfs.joinpath("opt").chmod(0o777)
    result = hardened.run(bare.sh("touch /opt/file"))
    assert "Read-only file system" in result.err
    assert "ro" in mount_at(mounts_inside(hardened, bare), "/")[1]
    assert not (bare.rootfs / "opt/file").exists()


def test_row_rootfs_can_not_be_written_by_root_either(runsafe, engine):
    program = runsafe.with_options("--allow", "root", "--allow", "capability=CAP_DAC_OVERRIDE")
    assert "Read-only file system" in program.run(engine.sh("touch /file")).err


def test_row_rootfs_as_written_under_oci(oci, engine):
    oci.sh(engine, "touch /file")
    assert (engine.rootfs / "file").exists()
    assert "Read-only file system" in oci.run(engine.set("root.readonly", True).sh("touch /x")).err


def test_row_rootfs_has_no_set_user_id_or_devices(runsafe, engine):
    """nosuid,nodev."""
    assert {"nosuid", "nodev", "ro"} <= mount_at(mounts_inside(runsafe, engine), "/")[1]


@pytest.mark.parametrize("place", TMPFS)
def test_row_tmpfs_nosuid_nodev_noexec(hardened, bare, place):
    """tmpfs on /tmp and /var/tmp and on /run, all nosuid,nodev,noexec."""
    where, options, kind = mount_at(mounts_inside(hardened, bare), place)
    assert kind == "tmpfs"
    assert {"nosuid", "nodev", "noexec", "rw"} <= options
    assert hardened.sh(bare, f"touch {place}/file && echo written").out == "written\n"
    result = hardened.run(bare.sh(f"cp /bin/busybox {place}/busybox; {place}/busybox true"))
    assert result.status == 126, result


def test_row_tmpfs_modes_and_owners(runsafe, bare):
    """(1777) and on /run (0755 ... owned by the workload)."""
    out = runsafe.sh(bare, "stat -c '%n %a %u:%g' /tmp /var/tmp /run").lines
    assert out == ["/tmp 1777 0:0", "/var/tmp 1777 0:0", "/run 755 1000:1000"]


def test_row_run_has_the_images_content_owned_by_the_workload(runsafe, bare):
    """the image's content copied up, all of it owned by the workload, without devices or
    set-user-ID."""
    bare.file("/run/app/data", "from the image\n", 0o640)
    bare.file("/run/tool", "#!/bin/sh\n", 0o4755)
    (bare.rootfs / "run/link").symlink_to("app/data")
    os.mknod(bare.rootfs / "run/device", 0o666 | 0o020000, os.makedev(1, 3))
    before = bare.listing()
    out = runsafe.sh(bare, """cat /run/app/data; echo more >>/run/app/data
        stat -c '%n %a %u:%g' /run/app /run/app/data /run/tool; readlink /run/link
        ls /run""").lines
    assert out == ["from the image", "/run/app 755 1000:1000", "/run/app/data 640 1000:1000",
                   "/run/tool 755 1000:1000", "app/data", "app", "link", "tool"]
    del before[str(bare.path / "config.json")]
    after = bare.listing()
    del after[str(bare.path / "config.json")]
    assert after == before


def test_row_tmpfs_is_no_larger_than_half_the_memory_limit(runsafe, bare):
    bare.set("linux.resources.memory", {"limit": 64 << 20, "swap": 64 << 20})
    out = runsafe.sh(bare, "for p in /tmp /var/tmp /run; do stat -f -c '%b %S' $p; done").lines
    for line in out:
        blocks, size = map(int, line.split())
        assert blocks * size == 32 << 20


def test_row_tmpfs_unless_config_mounts_exactly_there(runsafe, bare):
    bare.mount(destination="/tmp", type="tmpfs", source="tmpfs", options=["mode=0700", "size=1m"])
    found = [m for m in mounts_inside(runsafe, bare) if m[0] == "/tmp"]
    assert len(found) == 1
    assert runsafe.sh(bare, "stat -f -c %b /tmp").out == "256\n"


def test_row_tmpfs_compared_after_symlinks(runsafe, bare):
    """compared after symlinks are resolved: what config mounts at /var/run is /run's."""
    (bare.rootfs / "var/run").symlink_to("../run")
    bare.mount(destination="/var/run", type="tmpfs", source="tmpfs", options=["size=1m"])
    assert len([m for m in mounts_inside(runsafe, bare) if m[0] == "/run"]) == 1


def test_row_tmpfs_comes_before_what_config_mounts_in_it(runsafe, bare, folder):
    """so that /run/secrets and what engines mount below /var/run stay visible."""
    (folder / "secret").write_text("s3cret\n")
    (bare.rootfs / "var/run").symlink_to("/run")
    bind(bare, folder / "secret", "/run/secrets/password", "ro")
    bind(bare, folder / "secret", "/var/run/below/password", "ro")
    assert runsafe.sh(bare, "cat /run/secrets/password /run/below/password").lines == ["s3cret"] * 2


def test_row_no_tmpfs_under_oci(oci, engine):
    assert {m[0] for m in mounts_inside(oci, engine)}.isdisjoint(TMPFS)


def test_row_shared_propagation_is_made_a_slaves(hardened, bare):
    bare.set("linux.rootfsPropagation", "rshared")
    out = hardened.sh(bare, "cat /proc/self/mountinfo").out
    assert "shared:" not in out


# --- other mounts

def test_row_binds_get_nosuid_and_nodev(hardened, bare, folder):
    """nosuid,nodev added."""
    bind(bare, folder, "/opt")
    assert {"nosuid", "nodev"} <= mount_at(mounts_inside(hardened, bare), "/opt")[1]


def test_row_all_below_an_rbind_gets_nosuid_and_nodev(hardened, bare, folder):
    below = folder / "source/below"
    below.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", below], check=True)
    try:
        bind(bare, folder / "source", "/opt", "rbind")
        found = mounts_inside(hardened, bare)
    finally:
        subprocess.run(["umount", below], check=True)
    for place in ("/opt", "/opt/below"):
        assert {"nosuid", "nodev"} <= mount_at(found, place)[1], place


def test_row_suid_and_dev_of_config_are_turned_round(hardened, bare):
    bare.mount(destination="/opt", type="tmpfs", source="tmpfs", options=["suid", "dev"])
    assert {"nosuid", "nodev"} <= mount_at(mounts_inside(hardened, bare), "/opt")[1]


def test_row_a_set_user_id_program_of_a_volume_stays_plain(runsafe, bare, folder):
    """Without no_new_privs it is the mount alone that keeps it from working."""
    tool = folder / "volume/id"
    tool.parent.mkdir()
    tool.write_bytes((bare.rootfs / "bin/busybox").read_bytes())
    tool.chmod(0o4755)
    bind(bare, tool.parent, "/opt")
    bare.set("process.noNewPrivileges", False)
    program = runsafe.with_options("--allow", "new-privileges")
    assert program.sh(bare, "/opt/id; grep NoNewPrivs /proc/self/status").out.split()[-1] == "0"
    assert "euid=0" not in program.sh(bare, "/opt/id").out


def test_row_mounts_as_written_under_oci(oci, engine, folder):
    bind(engine, folder, "/opt")
    assert not {"nosuid", "nodev"} & mount_at(mounts_inside(oci, engine), "/opt")[1]


@pytest.mark.parametrize("source", ["/", "/proc", "/sys", "/dev", "/proc/1", "/proc/self/root",
                                    "/dev/../proc"])
def test_row_a_bind_of_the_host_itself_is_refused(hardened, bare, source):
    """a bind of the host's /, /proc, /sys, /dev itself or their parents: refused."""
    bind(bare, source, "/opt")
    refused(hardened, bare, "mounts[", "host's", "--allow bind=")


@pytest.mark.parametrize("target", ["/", "/proc", "/dev"])
def test_row_a_bind_of_the_host_through_a_symlink_is_refused(hardened, bare, folder, target):
    """by device and inode, also through a symlink."""
    (folder / "innocent").symlink_to(target)
    bind(bare, folder / "innocent", "/opt")
    refused(hardened, bare, "host's", "--allow bind=")


def test_row_a_bind_of_the_host_through_another_mount_is_refused(hardened, bare, folder):
    place = folder / "elsewhere"
    place.mkdir()
    subprocess.run(["mount", "--bind", "/", place], check=True)
    try:
        bind(bare, place, "/opt")
        refused(hardened, bare, "host's /")
    finally:
        subprocess.run(["umount", place], check=True)


def test_row_another_instance_of_the_hosts_proc_is_refused(hardened, bare, folder):
    place = folder / "proc"
    place.mkdir()
    subprocess.run(["mount", "-t", "proc", "proc", place], check=True)
    try:
        bind(bare, place, "/opt")
        refused(hardened, bare, "host's /proc")
    finally:
        subprocess.run(["umount", place], check=True)


def test_row_the_host_as_rootfs_is_refused(hardened, bare):
    bare.set("root.path", "/")
    refused(hardened, bare, "root.path", "host's /")


@pytest.mark.parametrize("source", ["/dev/shm", "/dev/null"])
def test_row_dev_shm_and_single_devices_are_fine(hardened, bare, source):
    """/dev/shm, a single device, a sandbox's shm are fine."""
    bare.file("/opt/null", "")
    bind(bare, source, "/srv" if source == "/dev/shm" else "/opt/null")
    assert hardened.sh(bare, "echo fine").out == "fine\n"


def with_sockets(program, bundle, socket):
    """run where the host's /run has an engine's socket."""
    listen = f"import socket; socket.socket(socket.AF_UNIX).bind('{socket}')"
    script = (f"mount -t tmpfs tmpfs /run && mkdir -p {os.path.dirname(socket)} && "
              f'{sys.executable} -c "{listen}" && exec "$@"')
    command = program.command("run", "-b", bundle.sh("true").path, program.id())
    return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script,
                           "sh", *command], capture_output=True, text=True, check=False,
                          timeout=harness.TIME_LIMIT)


@pytest.mark.parametrize("socket, source", [
    ("/run/docker.sock", "socket"), ("/run/docker.sock", "symlink"),
    ("/run/containerd/containerd.sock", "socket"), ("/run/podman/podman.sock", "directory"),
    ("/run/crio/crio.sock", "socket"), ("/run/user/1000/podman/podman.sock", "socket"),
    ("/run/user/1000/podman/podman.sock", "directory")])
def test_row_a_container_engines_socket_is_refused(runsafe, bare, folder, socket, source):
    """or of a container engine's socket, also through a symlink or a parent directory."""
    (folder / "innocent").symlink_to(socket)
    bare.file("/opt/socket", "")
    bind(bare, {"socket": socket, "directory": os.path.dirname(socket),
                "symlink": folder / "innocent"}[source],
         "/srv" if source == "directory" else "/opt/socket")
    done = with_sockets(runsafe, bare, socket)
    assert done.returncode == 1
    assert "engine's socket" in done.stderr and "--allow bind=" in done.stderr, done.stderr
    runsafe.log.unlink()


def test_row_the_host_may_be_bound_under_oci(oci, engine):
    bind(engine, "/proc", "/opt")
    # Not a list of all: the host's processes come and go meanwhile.
    assert oci.sh(engine, "ls -d /opt/1").lines == ["/opt/1"]


# --- masked and read-only paths

MASKED = ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
          "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
          "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def test_row_masked_paths_are_always_there(hardened, bare):
    """the usual list is always there: empty, and read-only."""
    paths = [p for p in MASKED if os.path.exists(p)]
    assert paths
    found = mounts_inside(hardened, bare)
    assert [p for p in paths if "ro" not in mount_at(found, p)[1]] == []
    script = "; ".join(f"[ -d {p} ] && ls -A {p} || cat {p}" for p in paths)
    assert hardened.sh(bare, script).out == ""


def test_row_read_only_paths_are_always_there(hardened, bare):
    found = mounts_inside(hardened, bare)
    paths = [p for p in READ_ONLY if os.path.exists(p)]
    assert paths
    assert [p for p in paths if "ro" not in mount_at(found, p)[1]] == []


def test_row_read_only_paths_hold_for_root_with_capabilities(runsafe, engine):
    """Who could write by owner and mode finds a read-only mount."""
    program = runsafe.with_options("--allow", "root", "--allow", "capability=CAP_SYS_ADMIN",
                                   "--allow", "capability=CAP_DAC_OVERRIDE")
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger"):
        if os.path.exists(path):
            assert "Read-only file system" in program.run(engine.sh(f"echo 1 >{path}")).err, path


def test_row_more_masked_and_read_only_paths_may_be_added(hardened, bare):
    bare.file("/etc/secret", "s3cret\n")
    bare.set("linux.maskedPaths", ["/etc/secret"]).set("linux.readonlyPaths", ["/dev/shm"])
    found = mounts_inside(hardened, bare)
    assert "ro" in mount_at(found, "/dev/shm")[1]
    assert "ro" in mount_at(found, "/proc/sys")[1]
    assert hardened.sh(bare, "cat /etc/secret").out == ""


def test_row_masked_paths_as_written_under_oci(oci, engine):
    places = {m[0] for m in mounts_inside(oci, engine)}
    assert places.isdisjoint(MASKED + READ_ONLY)
    engine.set("linux.maskedPaths", ["/proc/interrupts"])
    assert oci.sh(engine, "cat /proc/interrupts").out == ""


# --- devices

DEVICES = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9",
           "tty": "5:0"}
LIST_DEVICES = "find /dev -type c -o -type b | grep -v /dev/pts/ | sort"


def test_row_devices_the_default_set_only(hardened, bare):
    bare.set("linux.devices", [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229,
                                "fileMode": 0o666}])
    assert hardened.sh(bare, LIST_DEVICES).lines == sorted(f"/dev/{d}" for d in DEVICES)
    out = hardened.sh(bare, f"cd /dev; stat -c '%n %t:%T' {' '.join(DEVICES)}").lines
    assert out == [f"{n} {v}" for n, v in DEVICES.items()]


def test_row_a_device_on_purpose_stays(runsafe, engine):
    engine.set("linux.devices", [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229,
                                  "fileMode": 0o666}])
    program = runsafe.with_options("--allow", "device=/dev/fuse")
    assert "/dev/fuse" in program.sh(engine, LIST_DEVICES).lines


def test_row_devices_as_written_under_oci(oci, engine):
    engine.set("linux.devices", [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}])
    assert "/dev/fuse" in oci.sh(engine, LIST_DEVICES).lines


def test_row_a_device_node_of_the_rootfs_can_not_be_opened(runsafe, engine):
    """The image's own nodes: no dev on the rootfs, and not in the cgroup's list."""
    os.mknod(engine.rootfs / "opt/zero", 0o666 | 0o020000, os.makedev(1, 5))
    (engine.rootfs / "opt/zero").chmod(0o666)
    result = runsafe.run(engine.sh("head -c 1 /opt/zero"))
    assert "Permission denied" in result.err, result


def test_row_no_device_can_be_made_even_with_the_capability(runsafe, engine):
    """The cgroup's device program refuses what mknod(2)'s capability would allow."""
    program = runsafe.with_options("--allow", "root", "--allow", "capability=CAP_MKNOD")
    result = program.run(engine.sh("mknod /tmp/disk b 8 0; mknod /tmp/mem c 1 1; ls /tmp"))
    assert result.out == ""
    assert result.err.count("Operation not permitted") == 2, result


# --- a uid or gid that the rootfs does not know

def test_row_the_workload_knows_itself(hardened, bare):
    """/etc/passwd and /etc/group with a line for it (name `app`, home as HOME)."""
    out = hardened.sh(bare, "id -un; id -gn; grep ^app: /etc/passwd; head -n 1 /etc/passwd").lines
    assert out == ["app", "app", "app:x:1000:1000:runsafe workload:/tmp/home:/bin/sh",
                   harness.PASSWD.splitlines()[0]]


def test_row_what_the_rootfs_knows_is_left_alone(runsafe, engine):
    engine.file("/etc/passwd", "web:x:1000:1000::/srv:/bin/sh\n").chmod(0o644)
    engine.file("/etc/group", "web:x:1000:\n")
    assert runsafe.sh(engine, "cat /etc/passwd; id -gn").out == "web:x:1000:1000::/srv:/bin/sh\nweb\n"


def test_row_hosts_has_localhost_where_the_rootfs_has_none(runsafe, engine):
    """and an /etc/hosts with localhost where the rootfs has none, and could have one."""
    (engine.rootfs / "etc/hosts").unlink()
    assert "127.0.0.1\tlocalhost" in runsafe.sh(engine, "cat /etc/hosts").lines


def test_row_the_image_is_not_touched(runsafe, engine):
    engine.sh("id")
    before = engine.listing()
    runsafe.run_ok(engine)
    assert engine.listing() == before


def test_row_nothing_is_added_under_oci(oci, engine):
    engine.set("process.user", {"uid": 1000, "gid": 1000})
    assert oci.sh(engine, "cat /etc/passwd").out == harness.PASSWD
