"""DESIGN.md section 3, users: the workload is not the host's root in a user namespace that it joins."""

import contextlib
import os
import pathlib
import subprocess

import pytest

import harness


@contextlib.contextmanager
def user_namespace_mapping(uids, gids):
    """A user namespace of somebody's, with these mappings."""
    with subprocess.Popen(["unshare", "--user", "sleep", "1000"]) as process:
        try:
            own = os.readlink("/proc/self/ns/user")
            place = pathlib.Path(f"/proc/{process.pid}")
            assert harness.wait_for(lambda: os.readlink(place / "ns/user") != own)
            (place / "uid_map").write_text(uids, encoding="ascii")
            (place / "gid_map").write_text(gids, encoding="ascii")
            yield place / "ns/user"
        finally:
            process.kill()


HARMLESS = "0 100000 65536"
ROOT_AS_1000 = "0 100000 1000\n1000 0 1\n"


@pytest.mark.parametrize("uids, gids, what", [(ROOT_AS_1000, HARMLESS, "process.user.uid"),
                                              (HARMLESS, ROOT_AS_1000, "process.user.gid")])
def test_row_a_mapping_to_root_in_a_joined_user_namespace(runsafe, bundle, uids, gids, what):
    """The workload's id must not be the host's root there, either: only the namespace knows."""
    with user_namespace_mapping(uids, gids) as path:
        bundle.namespace("user", path)
        runsafe.create_fails(bundle, what, "root on the host")
        # The specification knows no such rule.
        runsafe.with_options("--policy", "oci").sh(bundle, "true")


def test_a_joined_user_namespace_that_maps_to_others_is_fine(runsafe, bundle):
    """Root of that namespace is not the host's."""
    with user_namespace_mapping(HARMLESS, HARMLESS) as path:
        bundle.namespace("user", path)
        assert runsafe.sh(bundle, "cat /proc/self/uid_map").out.split() == HARMLESS.split()


def test_exec_in_a_joined_user_namespace_is_not_the_hosts_root(runsafe, bundle):
    """The same for one more process: another user may be another one's on the host."""
    with user_namespace_mapping("0 100000 1001\n1001 0 1\n", HARMLESS) as path:
        name = runsafe.running(bundle.namespace("user", path))
        runsafe.ok("exec", name, "true")
        runsafe.fails("exec", "--user", "1001", name, "true", status=255,
                      words=["process.user.uid", "root on the host"])


def test_mappings_beside_a_joined_user_namespace_are_noted(oci, plain):
    """Engines write some; those of the namespace count, and it is said."""
    mapping = [{"containerID": 0, "hostID": 0, "size": 1}]
    with user_namespace_mapping(HARMLESS, HARMLESS) as path:
        plain.namespace("user", path)
        plain.set("linux.uidMappings", mapping).set("linux.gidMappings", mapping)
        name = oci.running(plain)
        assert oci.ok("exec", name, "cat", "/proc/self/uid_map").out.split() == HARMLESS.split()
        assert "linux.uidMappings" in oci.ok("check", name).out
