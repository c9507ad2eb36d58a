"""config.md, "Linux mount options", propagation; config-linux.md, "Rootfs Mount Propagation"."""

import subprocess

import pytest

import harness
from harness import host_mount
from test_mounts import bind, inside, source  # noqa: F401


@pytest.fixture
def shared(source):
    """A shared mount on the host, as volumes that take mounts later are."""
    with host_mount(source, "-t", "tmpfs", "tmpfs"):
        subprocess.run(["mount", "-n", "--make-shared", source], check=True)
        (source / "below").mkdir()
        yield source


@pytest.mark.parametrize("word,fields", [
    (None, []), ("private", []), ("rprivate", []), ("slave", ["master"]), ("rslave", ["master"]),
    ("shared", ["shared"]), ("rshared", ["shared"]), ("unbindable", ["unbindable"]),
    ("runbindable", ["unbindable"])])
def test_the_propagation_of_a_bind(oci, plain, shared, word, fields):
    """config.md, Linux mount options: the words of mount_namespaces(7); private without one."""
    seen = inside(oci, bind(plain, shared, "/opt", "rbind", *[word] if word else []))
    assert [field.split(":")[0] for field in seen["/opt"].propagation] == fields


def test_a_read_only_bind_is_so_for_all_that_it_is_shared_with(oci, plain, shared, folder):
    """Others get a copy as it is when it is mounted, so it can not become read-only later: what is
    mounted in it needs its mount point."""
    (folder / "data/in").mkdir(parents=True)
    bind(plain, shared, "/opt", "rbind", "rshared")
    bind(plain, folder / "data", "/opt/below", "rbind", "ro")
    bind(plain, folder / "data", "/opt/below/in", "bind")
    name = oci.running(plain)
    try:
        with pytest.raises(OSError, match="Read-only"):
            (shared / "below/x").touch()
    finally:
        oci.delete(name, "--force")
        subprocess.run(["umount", "-n", shared / "below/in", shared / "below"], check=True)


@pytest.mark.parametrize("word", ["shared", "slave", "private", "unbindable"])
def test_the_recursive_propagation_words_reach_below(oci, plain, shared, word):
    with host_mount(shared / "below", "-t", "tmpfs", "tmpfs"):
        seen = inside(oci, bind(plain, shared, "/opt", "rbind", "r" + word))
        alone = inside(oci, bind(plain, shared, "/srv", "rbind", word))["/srv/below"]
    expected = {"shared": ["shared"], "slave": ["master"], "private": [],
                "unbindable": ["unbindable"]}[word]
    assert [f.split(":")[0] for f in seen["/opt/below"].propagation] == expected
    assert alone.type == "tmpfs"


@pytest.mark.parametrize("word,arrives", [("rslave", True), ("rshared", True), ("rprivate", False)])
def test_a_later_mount_of_the_hosts_reaches_a_slave(oci, plain, shared, word, arrives):
    """mount_namespaces(7): a slave receives what its master gets."""
    bind(plain, shared, "/opt", "rbind", word)
    name = oci.create(plain.sh("cat /opt/below/later 2>/dev/null; true"))
    with host_mount(shared / "below", "-t", "tmpfs", "tmpfs"):
        (shared / "below/later").write_text("later\n")
        oci.start(name)
        oci.wait_status(name, "stopped")
    assert oci.output(name) == ("later\n" if arrives else "")


@pytest.mark.parametrize("word,arrives", [("rshared", True), ("rslave", False), ("rprivate", False),
                                          (None, False)])
def test_a_mount_of_the_workloads_reaches_the_host_only_when_shared(oci, plain, shared, word,
                                                                    arrives):
    """mount_namespaces(7): only peers send; nothing else may show up on the host."""
    bind(plain, shared, "/opt", "rbind", *[word] if word else [])
    plain.set("linux.rootfsPropagation", "shared" if arrives else "private")
    name = oci.create(plain.sh("mount -t tmpfs tmpfs /opt/below && touch /opt/below/made && "
                               "echo mounted; sleep 1000"))
    oci.start(name)
    assert harness.wait_for(lambda: "mounted" in oci.output(name))
    there = (shared / "below/made").exists()
    oci.ok("kill", name, "KILL")
    oci.wait_status(name, "stopped")
    subprocess.run(["umount", "-n", shared / "below"], check=False, stderr=subprocess.DEVNULL)
    assert there == arrives


def test_nothing_of_a_container_is_mounted_on_the_host(oci, plain, folder):
    """Also where the bundle lies on a shared mount, as under systemd."""
    with host_mount(folder / "bundle", "--bind", plain.path):
        subprocess.run(["mount", "-n", "--make-shared", plain.path], check=True)
        before = harness.mounts()
        name = oci.create(plain.sh("mount -t tmpfs tmpfs /opt && echo mounted; sleep 1000"))
        assert harness.mounts() == before
        oci.start(name)
        assert harness.wait_for(lambda: "mounted" in oci.output(name))
        assert harness.mounts() == before
        oci.delete(name, "--force")


@pytest.mark.parametrize("word,fields", [
    ("private", []), ("rprivate", []), ("shared", ["shared"]), ("rshared", ["shared"]),
    ("unbindable", ["unbindable"]), ("runbindable", ["unbindable"])])
def test_the_propagation_of_the_rootfs(oci, plain, word, fields):
    """config-linux.md, rootfsPropagation: the rootfs's mount propagation."""
    seen = inside(oci, plain.set("linux.rootfsPropagation", word))
    assert [field.split(":")[0] for field in seen["/"].propagation] == fields


@pytest.mark.parametrize("word", ["slave", "rslave"])
def test_a_slave_rootfs_sends_nothing(oci, plain, word):
    """config-linux.md, rootfsPropagation: slave."""
    seen = inside(oci, plain.set("linux.rootfsPropagation", word))
    assert not [field for field in seen["/"].propagation if field.startswith("shared")]


def test_a_recursive_rootfs_propagation_reaches_the_mounts(oci, plain):
    """config-linux.md, rootfsPropagation: the recursive words change all below."""
    seen = inside(oci, plain.set("linux.rootfsPropagation", "rshared"))
    assert seen["/proc"].propagation and seen["/dev"].propagation


def test_an_unknown_rootfs_propagation_is_an_error(oci, plain):
    oci.create_fails(plain.set("linux.rootfsPropagation", "public"), "linux.rootfsPropagation",
                     "public")
