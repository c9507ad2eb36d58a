"""config.md, "Mounts", destination and order: where in the container a mount comes to lie."""

import pathlib

import pytest

import harness
from test_mounts import bind, source  # noqa: F401


def test_a_destination_that_is_missing_is_made(oci, plain, source):
    """As runc and crun do: a directory for a directory, a file for anything else."""
    bind(plain, source, "/new/deep/directory", "bind")
    bind(plain, source / "file", "/new/deep/file", "bind")
    plain.mount(destination="/other", type="tmpfs", source="tmpfs")
    assert oci.sh(plain, "cat /new/deep/directory/file /new/deep/file; ls -d /other").lines == [
        "from the host", "from the host", "/other"]


def test_a_destination_is_made_in_a_rootfs_that_shall_be_read_only(oci, plain, source):
    """root.readonly is what the workload sees; mount points come before."""
    bind(plain, source, "/new/directory", "bind").set("root.readonly", True)
    assert oci.sh(plain, "cat /new/directory/file; touch /x 2>/dev/null || echo refused").lines == [
        "from the host", "refused"]


def test_a_destination_through_symlinks_stays_inside(oci, plain, source):
    """A link of the image is followed as it would be from inside the container."""
    (plain.rootfs / "absolute").symlink_to("/opt")
    (plain.rootfs / "upwards").symlink_to("../../../../opt")
    bind(plain, source, "/absolute/one", "bind")
    bind(plain, source, "/upwards/two", "bind")
    assert oci.sh(plain, "cat /opt/one/file /opt/two/file").lines == ["from the host"] * 2
    assert not pathlib.Path("/opt/one").exists()


def test_var_run_leads_to_a_run_that_is_missing(oci, plain, source):
    """Debian's /var/run -> /run in an image without /run."""
    (plain.rootfs / "run").rmdir()
    (plain.rootfs / "var/run").symlink_to("/run")
    bind(plain, source, "/var/run/secrets", "bind")
    assert oci.sh(plain, "cat /run/secrets/file").out == "from the host\n"


def test_a_file_destination_that_is_a_dangling_link(oci, plain, source):
    """/etc/resolv.conf -> ../run/systemd/resolve/stub-resolv.conf, as Ubuntu's images have it."""
    (plain.rootfs / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    bind(plain, source / "file", "/etc/resolv.conf", "bind")
    assert oci.sh(plain, "cat /etc/resolv.conf").out == "from the host\n"


def test_a_destination_through_a_loop_of_links_is_an_error(oci, plain, source):
    (plain.rootfs / "a").symlink_to("b")
    (plain.rootfs / "b").symlink_to("a")
    oci.create_fails(bind(plain, source, "/a/c", "bind"), "mounts[7]", "/a/c")


def test_a_relative_destination_is_below_the_root(oci, plain, source):
    """config.md, Mounts: relative destinations are deprecated, and relative to /."""
    assert oci.sh(bind(plain, source, "opt", "bind"), "cat /opt/file").out == "from the host\n"


def test_a_destination_below_a_file_is_an_error(oci, plain, source):
    oci.create_fails(bind(plain, source, "/etc/passwd/x", "bind"), "mounts[7]", "/etc/passwd/x")


def test_mounts_come_in_the_order_of_the_list(oci, plain, source, folder):
    """config.md, Mounts: the runtime MUST mount entries in the listed order."""
    other = folder / "other"
    (other / "inner").mkdir(parents=True)
    (other / "file").write_text("the later one\n")
    bind(plain, source, "/opt", "bind")
    bind(plain, other, "/opt", "bind")
    bind(plain, source, "/opt/inner", "bind")
    assert oci.sh(plain, "cat /opt/file /opt/inner/file").lines == ["the later one",
                                                                   "from the host"]


def test_a_mount_point_is_made_in_an_earlier_mount(oci, plain, source):
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs")
    bind(plain, source, "/opt/made", "bind")
    assert oci.sh(plain, "cat /opt/made/file").out == "from the host\n"
    assert not (plain.rootfs / "opt/made").exists()


def test_a_link_in_an_earlier_mount_does_not_lead_outside(oci, plain, source, folder):
    """The mount brings its own links: they too are resolved inside the rootfs."""
    (folder / "target").mkdir()
    (source / "link").symlink_to(folder / "target")
    bind(plain, source, "/opt", "bind")
    plain.mount(destination="/opt/link/place", type="tmpfs", source="tmpfs")
    oci.sh(plain, f"ls -d {folder}/target/place")
    assert not list((folder / "target").iterdir())


@pytest.mark.parametrize("place", ["/proc/self/fd", "/proc/1/root/opt"])
def test_a_mount_below_proc_does_not_escape(oci, plain, source, place):
    """No magic link is followed on the way to a mount point."""
    before = harness.mounts()
    oci.run(bind(plain, source, place, "bind").sh("true"))
    assert harness.mounts() == before
