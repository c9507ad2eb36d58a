"""config-linux.md, "Devices" and "Default Devices"; runtime-linux.md, "Dev symbolic links"."""

import os
import pathlib
import stat
import subprocess

import pytest

import harness


DEFAULTS = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9",
            "tty": "5:0"}


def test_the_default_devices(oci, plain):
    """config-linux.md, Default Devices: the runtime MUST supply them."""
    names = " ".join(f"/dev/{name}" for name in DEFAULTS)
    result = oci.sh(plain, f"stat -c '%n %F %t:%T %a %u:%g' {names}; readlink /dev/ptmx; "
                           "stat -c %F -L /dev/ptmx")
    for line, (name, number) in zip(result.lines, DEFAULTS.items()):
        assert line == f"/dev/{name} character special file {number} 666 0:0"
    assert result.lines[-2] in ("pts/ptmx", "/dev/pts/ptmx")
    assert result.lines[-1] == "character special file"


def test_the_default_devices_work(oci, plain):
    result = oci.sh(plain, "echo x >/dev/null; head -c 2 /dev/zero | od -An -tx1; "
                           "echo x 2>/dev/null >/dev/full || echo full; "
                           "head -c 9 /dev/random | wc -c; head -c 9 /dev/urandom | wc -c")
    assert [line.strip() for line in result.lines] == ["00 00", "full", "9", "9"]


def test_the_links_in_dev(oci, plain):
    """runtime-linux.md, Dev symbolic links: fd, stdin, stdout, stderr."""
    result = oci.sh(plain, "cd /dev; for l in fd stdin stdout stderr; do readlink $l; done; "
                           "echo through >>/dev/stdout")
    assert result.lines == ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1",
                                 "/proc/self/fd/2", "through"]


@pytest.mark.parametrize("kind,name,number", [("c", "character special file", "1:3"),
                                              ("u", "character special file", "1:3"),
                                              ("b", "block special file", "7:9"),
                                              ("p", "fifo", "0:0")])
def test_a_device_of_every_type(oci, plain, kind, name, number):
    """config-linux.md, Devices: type, path, major, minor, fileMode, uid, gid."""
    device = {"type": kind, "path": "/dev/mine", "fileMode": 0o640, "uid": 12, "gid": 34}
    if kind != "p":
        major, minor = (int(n, 16) for n in number.split(":"))
        device.update(major=major, minor=minor)
    plain.set("linux.devices", [device])
    assert oci.sh(plain, "stat -c '%F %t:%T %a %u:%g' /dev/mine").out == f"{name} {number} 640 12:34\n"


def test_a_device_may_lie_anywhere(oci, plain):
    """config-linux.md, Devices: path is the full path inside the container."""
    plain.set("linux.devices", [{"type": "c", "path": "/dev/deep/er/null", "major": 1, "minor": 3}])
    assert oci.sh(plain, "stat -c '%F %a' /dev/deep/er/null; echo x >/dev/deep/er/null").out == (
        "character special file 666\n")


def test_a_mode_with_the_type_in_it(oci, plain):
    """Docker and Podman write st_mode as fileMode: 8612 is a character device with 0644... the type
    bits are passed over."""
    plain.set("linux.devices", [{"type": "c", "path": "/dev/mine", "major": 1, "minor": 3,
                                 "fileMode": stat.S_IFCHR | 0o640}])
    assert oci.sh(plain, "stat -c '%F %a' /dev/mine").out == "character special file 640\n"


def test_ptmx_is_a_link_also_where_config_lists_it(oci, plain):
    """config-linux.md, Default Devices. `docker run --privileged` lists all of the host's nodes."""
    plain.set("linux.devices", [{"type": "c", "path": "/dev/ptmx", "major": 5, "minor": 2}])
    assert oci.sh(plain, "readlink /dev/ptmx").out == "pts/ptmx\n"


def test_dev_null_on_standard_descriptors_becomes_the_containers(oci, plain):
    """Engines hand over the host's: the container's root could chmod it, for everybody there."""
    look = "stat -L -c %d:%i /dev/null /proc/self/fd/0 /proc/self/fd/2; cat; echo out >&2"
    host = os.stat("/dev/null")

    def check(*words):
        process = oci.start_process(*words, stderr=subprocess.DEVNULL)
        out = process.communicate()[0].split()
        assert process.returncode == 0 and len(out) == 3 and len(set(out)) == 1, out
        assert out[0] != f"{host.st_dev}:{host.st_ino}"

    check("run", "-b", plain.sh(look).path, oci.id())
    check("exec", oci.running(plain), "sh", "-c", look)


@pytest.mark.parametrize("kind", ["missing", "fifo", "file"])
def test_exec_does_without_nothing_but_a_real_dev_null(oci, plain, kind):
    name = oci.running(plain)
    make = {"missing": "true", "fifo": "mkfifo /dev/null", "file": "echo no > /dev/null"}[kind]
    oci.ok("exec", name, "sh", "-c", f"rm /dev/null; {make}")
    done = oci.start_process("exec", name, "true")
    assert done.wait(harness.TIME_LIMIT) == 255 and "/dev/null" in done.stderr.read()


def test_a_default_device_may_be_written_again(oci, plain):
    """config-linux.md: engines list them too; what the list says holds."""
    plain.set("linux.devices", [{"type": "c", "path": "/dev/zero", "major": 1, "minor": 5,
                                 "fileMode": 0o600, "uid": 5}])
    assert oci.sh(plain, "stat -c '%a %u' /dev/zero").out == "600 5\n"


def test_a_device_where_another_file_is_is_an_error(oci, plain):
    """config-linux.md, Devices: MUST generate an error if a file is there that is another one."""
    plain.set("linux.devices", [{"type": "c", "path": "/etc/passwd", "major": 1, "minor": 3}])
    oci.create_fails(plain, "/etc/passwd", "exists")


def test_a_device_without_numbers_is_an_error(oci, plain):
    """config-linux.md, Devices: major and minor are REQUIRED unless type is p."""
    plain.set("linux.devices", [{"type": "c", "path": "/dev/mine", "minor": 3}])
    oci.create_fails(plain, "linux.devices[0].major")


def test_a_device_of_a_user_namespace_must_be_the_hosts(oci, plain):
    """There it can only be bound, so another one behind the name is refused."""
    mapping = [{"containerID": 0, "hostID": 0, "size": 65536}]
    plain.namespace("user").set("linux.uidMappings", mapping).set("linux.gidMappings", mapping)
    plain.set("linux.devices", [{"type": "c", "path": "/dev/null", "major": 1, "minor": 5}])
    oci.create_fails(plain, "linux.devices", "/dev/null", "1:5")


def test_a_fifo_of_a_user_namespace_is_made(oci, plain):
    """It is no device to the kernel: mode and owner are as written, there too."""
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    plain.namespace("user").set("linux.uidMappings", mapping).set("linux.gidMappings", mapping)
    plain.set("linux.devices", [{"type": "p", "path": "/dev/mine", "fileMode": 0o640, "uid": 12,
                                 "gid": 34}])
    assert oci.sh(plain, "stat -c '%F %a %u:%g' /dev/mine").out == "fifo 640 12:34\n"


def test_mode_and_owner_of_a_bound_device_are_noted(oci, plain):
    """In a user namespace they can not be set: said, not passed over."""
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    plain.namespace("user").set("linux.uidMappings", mapping).set("linux.gidMappings", mapping)
    plain.set("linux.devices", [{"type": "c", "path": "/dev/zero", "major": 1, "minor": 5,
                                 "fileMode": 0o600}])
    name = oci.running(plain)
    assert "linux.devices[0]" in oci.ok("check", name).out


def test_a_device_that_is_there_gets_its_mode(oci, plain):
    """fileMode: file mode for the device, also for one that the rootfs brings."""
    node = plain.rootfs / "srv/mine"
    os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    plain.set("linux.devices", [{"type": "c", "path": "/srv/mine", "major": 1, "minor": 3,
                                 "fileMode": 0o644, "uid": 12, "gid": 34}])
    assert oci.sh(plain, "stat -c '%t:%T %a %u:%g' /srv/mine").out == "1:3 644 12:34\n"


@pytest.mark.parametrize("source", ["host", "own"])
def test_a_dev_that_is_a_bind_mount_is_left_alone(oci, plain, folder, source):
    """Engines bind the host's /dev for privileged containers: nothing is made or changed there."""
    place = pathlib.Path("/dev")
    if source == "own":
        place = folder / "dev"
        place.mkdir()
        os.mknod(place / "only", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    plain.config["mounts"] = [m for m in plain.config["mounts"]
                              if not m["destination"].startswith("/dev")]
    plain.mount(destination="/dev", type="bind", source=str(place), options=["rbind"])
    before = sorted((p.name, p.lstat().st_mode, p.lstat().st_uid) for p in place.iterdir())
    result = oci.sh(plain, "ls /dev")
    after = sorted((p.name, p.lstat().st_mode, p.lstat().st_uid) for p in place.iterdir())
    assert before == after
    assert ("only" in result.lines) == (source == "own")


def test_a_rootfs_without_a_dev_gets_one(oci, plain):
    """config-linux.md, Default Devices: also where no mount is at /dev."""
    (plain.rootfs / "dev").rmdir()
    plain.config["mounts"] = [m for m in plain.config["mounts"]
                              if not m["destination"].startswith("/dev")]
    assert oci.sh(plain, "stat -c %F /dev/null /dev/urandom").lines == ["character special file"] * 2


def test_a_device_of_the_hosts_in_a_user_namespace_is_no_peer_of_the_hosts_dev(oci, plain):
    """Else what a container with CAP_SYS_ADMIN mounts on its /dev/null would lie on the host's
    (mount_namespaces(7), shared subtrees)."""
    was = subprocess.run(["findmnt", "-n", "-o", "PROPAGATION", "/dev"], capture_output=True,
                         text=True, check=True).stdout.strip()
    ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    plain.namespace("user").set("linux.uidMappings", ids).set("linux.gidMappings", ids)
    subprocess.run(["chown", "-Rh", "100000:100000", plain.rootfs], check=True)
    subprocess.run(["mount", "-n", "--make-shared", "/dev"], check=True)
    try:
        seen = harness.mounted_in(oci.sh(plain, "cat /proc/self/mountinfo"))
    finally:
        subprocess.run(["mount", "-n", f"--make-{was}", "/dev"], check=True)
    assert seen["/dev/null"].type == "devtmpfs"
    assert seen["/dev/null"].propagation == []
