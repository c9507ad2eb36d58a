"""config.md, "Mounts": idmap, ridmap, uidMappings and gidMappings of a mount."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import harness
from test_rootless import rootless, single, user  # noqa: F401 (fixtures)


def ids(host, container=0, size=65536):
    return [{"containerID": container, "hostID": host, "size": size}]


def file_system(place):
    return subprocess.run(["stat", "-f", "-c", "%T", place], capture_output=True, text=True,
                          check=True).stdout.strip()


def place_for_source(folder):
    """A folder on a file system that maps ids: the tests' own, or a disk's."""
    version = tuple(int(n) for n in os.uname().release.split(".")[:2])
    able = {"ext2/ext3", "xfs", "btrfs"} | ({"tmpfs"} if version >= (6, 3) else set())
    for place in (folder, "/var/tmp", "/srv", "/root"):
        if os.path.isdir(place) and file_system(place) in able:
            return place
    pytest.skip("NEEDS ID-MAPPED MOUNTS: no ext4, xfs or btrfs here, and tmpfs maps no ids before "
                f"Linux 6.3; this is {os.uname().release}")


@pytest.fixture
def source(folder):
    """Files of 0, 1 and 5000 on the disk."""
    place = pathlib.Path(tempfile.mkdtemp(dir=place_for_source(folder)))
    place.chmod(0o755)
    for owner in (0, 1, 5000):
        (place / f"of{owner}").write_text("x")
        os.chown(place / f"of{owner}", owner, owner + 10 if owner else 0)
    yield place
    shutil.rmtree(place)


LOOK = "stat -c '%n=%u:%g' /data/* /data/below/* 2>/dev/null"


def owners(program, bundle, script=LOOK):
    facts = program.sh(bundle, script + "; true").facts()
    return {name.removeprefix("/data/"): value for name, value in facts.items() if ":" in value}


def bind(bundle, source, *options, **more):
    (bundle.rootfs / "data").mkdir(exist_ok=True)  # root of a user namespace may not
    return bundle.mount(destination="/data", type="bind", source=str(source),
                        options=["rbind", *options], **more)


def own_user_namespace(bundle, host=100000, size=65536):
    bundle.namespace("user")
    return bundle.set("linux.uidMappings", ids(host, size=size)).set(
        "linux.gidMappings", ids(host, size=size))


@pytest.mark.parametrize("word", ["idmap", "ridmap"])
def test_a_mount_with_mappings_of_its_own(oci, plain, source, word):
    """If uidMappings or gidMappings are specified for the mount, the runtime MUST use those."""
    bind(plain, source, word, uidMappings=ids(20000), gidMappings=ids(30000))
    assert owners(oci, plain) == {"of0": "20000:30000", "of1": "20001:30011", "of5000": "25000:35010"}


def test_mappings_without_the_word_are_applied_too(oci, plain, source):
    """The options SHOULD contain idmap: they are not passed over where they do not (as runc)."""
    bind(plain, source, uidMappings=ids(20000), gidMappings=ids(20000))
    assert owners(oci, plain)["of0"] == "20000:20000"


@pytest.mark.parametrize("policy", ["oci", "default"])
def test_without_mappings_those_of_the_user_namespace(runsafe, plain, source, policy):
    """If they are not specified, the container's user namespace mapping: ids look as on the disk."""
    own_user_namespace(plain)
    bind(plain, source, "idmap")
    found = owners(runsafe.with_options("--policy", policy), plain)
    assert found == {"of0": "0:0", "of1": "1:11", "of5000": "5000:5010"}


def test_without_the_word_the_disks_ids_are_nobody(oci, plain, source):
    """The counter-proof: what idmap changes."""
    own_user_namespace(plain)
    bind(plain, source)
    assert owners(oci, plain)["of0"] == "65534:65534"


def test_mappings_of_its_own_in_a_user_namespace(oci, plain, source):
    own_user_namespace(plain)
    bind(plain, source, "idmap", uidMappings=ids(100005, size=10), gidMappings=ids(100000))
    found = owners(oci, plain)
    assert (found["of0"], found["of1"]) == ("5:0", "6:11")
    assert found["of5000"] == "65534:5010"


def test_a_joined_user_namespace_gives_its_mapping(oci, plain, source):
    """The namespace by path, which config.json need not know the mapping of."""
    with contextlib.ExitStack() as stack:
        keeper = stack.enter_context(subprocess.Popen(
            ["unshare", "--user", "sleep", "100"], stdin=subprocess.DEVNULL))
        stack.callback(keeper.kill)
        place = f"/proc/{keeper.pid}"
        assert harness.wait_for(lambda: os.readlink(f"{place}/ns/user") != os.readlink("/proc/self/ns/user"))
        for kind in "ug":
            with open(f"{place}/{kind}id_map", "w", encoding="ascii") as f:
                f.write("0 300000 65536\n")
        plain.namespace("user", f"{place}/ns/user")
        bind(plain, source, "idmap")
        assert owners(oci, plain) == {"of0": "0:0", "of1": "1:11", "of5000": "5000:5010"}


def test_what_is_made_inside_has_the_disks_ids_outside(oci, plain, source):
    own_user_namespace(plain)
    bind(plain, source, "idmap")
    oci.sh(plain, "touch /data/new && chown 7:8 /data/new")
    stat = (source / "new").stat()
    assert (stat.st_uid, stat.st_gid) == (7, 8)


@pytest.mark.parametrize("word, below", [("idmap", "65534:65534"), ("ridmap", "0:0")])
def test_ridmap_maps_what_lies_below_too(oci, plain, source, word, below):
    """ridmap: recursively for rbind; idmap: the mount itself."""
    other = source / "other"
    other.mkdir()
    (other / "file").write_text("x")
    (source / "below").mkdir()
    with harness.host_mount(source / "below", "--bind", other):
        own_user_namespace(plain)
        bind(plain, source, word)
        found = owners(oci, plain)
    assert (found["of0"], found["below/file"]) == ("0:0", below)


def test_the_source_keeps_its_owners(oci, plain, source):
    """The mapping is the container's mount's alone."""
    before = {p.name: p.stat().st_uid for p in source.iterdir()}
    bind(plain, source, "idmap", uidMappings=ids(20000), gidMappings=ids(20000))
    name = oci.running(plain)
    assert {p.name: p.stat().st_uid for p in source.iterdir()} == before
    oci.delete(name, "--force")


def test_other_options_go_together_with_it(oci, plain, source):
    bind(plain, source, "ridmap", "ro", "rnosuid", uidMappings=ids(20000), gidMappings=ids(20000))
    result = oci.sh(plain, "cat /proc/self/mountinfo; touch /data/x 2>&1; true")
    assert {"ro", "nosuid"} <= harness.mounted_in(result)["/data"].options
    assert "read-only" in result.out.lower()


def test_several_mounts_with_different_mappings(oci, plain, source):
    for n in (1, 2, 3):
        plain.mount(destination=f"/data/{n}", type="bind", source=str(source), options=["bind", "idmap"],
                    uidMappings=ids(n * 100000), gidMappings=ids(n * 100000))
    found = owners(oci, plain, "stat -c '%n=%u:%g' /data/*/of0")
    assert found == {f"{n}/of0": f"{n}00000:{n}00000" for n in (1, 2, 3)}


def test_idmap_without_any_mapping_is_refused(runsafe, plain, source):
    """No mappings and no user namespace: an error MUST be returned."""
    index = len(plain.config["mounts"])
    bind(plain, source, "idmap")
    for policy in ("oci", "default"):
        runsafe.with_options("--policy", policy).create_fails(
            plain, f"mounts[{index}].options", "uidMappings", "user namespace")
    status = runsafe.with_options("--policy", "oci")("check", str(plain.path) + "/")
    assert status.status != 0 and "uidMappings" in status.err + status.out


@pytest.mark.parametrize("mount", [
    {"type": "tmpfs", "source": "tmpfs", "options": ["idmap"]},
    {"type": "tmpfs", "source": "tmpfs", "options": []},
    {"type": "bind", "source": "/tmp", "options": ["remount", "bind", "idmap"]},
], ids=["tmpfs", "tmpfs, no word", "remount"])
def test_idmap_of_what_is_no_bind_is_refused(oci, plain, mount):
    """Not passed over: files would have other owners than asked for."""
    index = len(plain.config["mounts"])
    plain.mount(destination="/data", uidMappings=ids(1000), gidMappings=ids(1000), **mount)
    oci.create_fails(plain, f"mounts[{index}].options", "binds only")


def test_a_file_system_that_can_not_is_named(oci, plain):
    """sysfs maps no ids."""
    index = len(plain.config["mounts"])
    plain.mount(destination="/data", type="bind", source="/sys", options=["bind", "idmap"],
                uidMappings=ids(1000), gidMappings=ids(1000))
    oci.create_fails(plain, f"mounts[{index}]", "/sys", "file system does not support")


@pytest.mark.parametrize("missing", ["uidMappings", "gidMappings"])
def test_one_mapping_without_the_other_is_refused(oci, plain, source, missing):
    """If specified, it MUST be specified along with the other."""
    mappings = {"uidMappings": ids(1000), "gidMappings": ids(1000)}
    del mappings[missing]
    index = len(plain.config["mounts"])
    bind(plain, source, "idmap", **mappings)
    oci.create_fails(plain, f"mounts[{index}].{missing}")


def test_mappings_that_overlap_are_refused_with_their_path(oci, plain, source):
    index = len(plain.config["mounts"])
    twice = ids(1000) + ids(500000, container=5)
    bind(plain, source, "idmap", uidMappings=twice, gidMappings=ids(1000))
    oci.create_fails(plain, f"mounts[{index}].uidMappings")


def test_an_engines_workload_is_not_made_root_of_the_disk(runsafe, plain, source):
    """Default policy: the mapping that makes the workload's own id root over the source."""
    plain.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    index = len(plain.config["mounts"])
    bind(plain, source, "idmap", uidMappings=ids(1000), gidMappings=ids(1000))
    runsafe.create_fails(plain, f"mounts[{index}].uidMappings", "root")


def test_no_process_is_left_from_making_a_mapping(oci, plain, source):
    """The helper that holds the user namespace is gone when create returns."""
    bind(plain, source, "idmap", uidMappings=ids(20000), gidMappings=ids(20000))
    before = set(harness.children())
    name = oci.create(plain.args("/bin/true"))
    assert len(set(harness.children()) - before) == 1
    oci.delete(name, "--force")


def test_an_ordinary_user_is_told_that_it_needs_root(rootless, single, source):  # noqa: F811
    """His own user namespace gives no right over the file system."""
    index = len(single.config["mounts"])
    bind(single, source, "idmap")
    for mappings in ({}, {"uidMappings": ids(0, size=1), "gidMappings": ids(0, size=1)}):
        single.config["mounts"][index].update(mappings)
        rootless.with_options("--policy", "oci").create_fails(
            single.write(), f"mounts[{index}]", "only root of the host")


def test_features_lists_idmap(runsafe):
    found = json.loads(runsafe.ok("features").out)
    assert {"idmap", "ridmap"} <= set(found["mountOptions"])
    assert found["linux"]["mountExtensions"]["idmap"]["enabled"] is True
