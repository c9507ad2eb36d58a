"""config.md, "Root" and "Mounts"; see also test_destinations.py and test_propagation.py."""

import os
import pathlib
import socket

import pytest

from harness import host_mount, mounted_in

SEE = "cat /proc/self/mountinfo"


def inside(program, bundle, script=SEE):
    """The workload's mounts, by mount point."""
    return mounted_in(program.sh(bundle, script))


def bind(bundle, source, destination, *options, kind="bind"):
    return bundle.mount(destination=destination, type=kind, source=str(source),
                        options=list(options))


@pytest.fixture
def source(folder):
    """A directory on the host with a file and a directory in it."""
    path = folder / "source"
    (path / "below").mkdir(parents=True)
    (path / "file").write_text("from the host\n")
    return path


# --- binds

def test_a_bind_shows_the_directory_itself(oci, plain, source):
    """config.md, Mounts: source; for bind mounts it is the file or directory to show."""
    bind(plain, source, "/opt", "bind")
    assert oci.sh(plain, "cat /opt/file; echo new >/opt/new").out == "from the host\n"
    assert (source / "new").read_text() == "new\n"


@pytest.mark.parametrize("kind,options", [
    ("bind", []), ("none", ["bind"]), ("", ["rbind"]), ("ext4", ["bind"]), (None, ["rbind"])])
def test_bind_is_said_by_the_type_or_by_an_option(oci, plain, source, kind, options):
    """config.md, Mounts: type is ignored for a bind mount (options has bind or rbind)."""
    mount = {"destination": "/opt", "source": str(source), "options": options}
    plain.mount(**mount if kind is None else {**mount, "type": kind})
    assert oci.sh(plain, "cat /opt/file").out == "from the host\n"


def test_a_file_is_bound_on_a_file(oci, plain, source):
    """config.md, Mounts: bind mounts may be made from files."""
    bind(plain, source / "file", "/etc/hosts", "bind", "ro")
    assert oci.sh(plain, "cat /etc/hosts").out == "from the host\n"


def test_a_relative_source_is_below_the_bundle(oci, plain):
    """config.md, Mounts: relative bind sources are relative to the bundle."""
    (plain.path / "data").mkdir()
    (plain.path / "data/file").write_text("in the bundle\n")
    bind(plain, "data", "/opt", "bind")
    assert oci("run", "-b", plain.sh("cat /opt/file").path, oci.id(),
               cwd="/").out == "in the bundle\n"


def test_a_source_may_be_a_symlink_of_the_hosts(oci, plain, source):
    """The source is the caller's word, so its links are followed, as mount(8) does."""
    (source.parent / "link").symlink_to(source)
    bind(plain, source.parent / "link", "/opt", "bind")
    assert oci.sh(plain, "cat /opt/file").out == "from the host\n"


def test_a_socket_a_fifo_and_a_device_are_bound_as_files(oci, plain, source):
    """Engines bind sockets, and single devices."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(source / "socket"))
        os.mkfifo(source / "fifo")
        bind(plain, source / "socket", "/opt/socket", "bind")
        bind(plain, source / "fifo", "/opt/fifo", "bind")
        bind(plain, "/dev/null", "/opt/null", "bind")
        assert oci.sh(plain, "stat -c %F /opt/socket /opt/fifo /opt/null").lines == [
            "socket", "fifo", "character special file"]


def test_rbind_brings_what_is_mounted_below_and_bind_does_not(oci, plain, source):
    """config.md, Mounts, options: bind; rbind is recursive."""
    with host_mount(source / "below", "-t", "tmpfs", "tmpfs"):
        (source / "below/deep").write_text("deep\n")
        bind(plain, source, "/opt", "bind")
        bind(plain, source, "/srv", "rbind")
        assert oci.sh(plain, "cat /srv/below/deep; ls /opt/below").out == "deep\n"


def test_a_bind_of_a_directory_on_a_file_is_an_error(oci, plain, source):
    """mount(2): ENOTDIR; the message says what can be mounted on what."""
    oci.create_fails(bind(plain, source, "/etc/hosts", "bind"), "mounts[7]", "/etc/hosts",
                     "a directory can only be mounted on a directory")


def test_a_bind_of_a_file_on_a_directory_is_an_error(oci, plain, source):
    oci.create_fails(bind(plain, source / "file", "/opt", "bind"), "mounts[7]", "/opt",
                     "a file on a file")


def test_a_word_that_no_bind_knows_is_passed_over(oci, plain, source):
    """As mount(2), runc and crun do: a bind has no file system of its own to tell."""
    bind(plain, source, "/opt", "bind", "colour=blue", "plain-word")
    assert oci.sh(plain, "cat /opt/file").out == "from the host\n"


def test_a_bind_without_source_is_an_error(oci, plain):
    plain.mount(destination="/opt", type="bind", options=["bind"])
    oci.create_fails(plain, "mounts[7].source", "a bind mount needs one")


# --- options on the mount itself

ATTRIBUTES = ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow", "relatime"]
OPPOSITES = {"ro": "rw", "nosuid": "suid", "nodev": "dev", "noexec": "exec",
             "nosymfollow": "symfollow", "nodiratime": "diratime"}


@pytest.mark.parametrize("word", ATTRIBUTES)
def test_an_attribute_reaches_a_bind(oci, plain, source, word):
    """config.md, Linux mount options: the word has the meaning of mount(8)."""
    assert word in inside(oci, bind(plain, source, "/opt", "bind", word))["/opt"].options


@pytest.mark.parametrize("word", ATTRIBUTES)
def test_an_attribute_reaches_a_new_file_system(oci, plain, word):
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=[word])
    assert word in inside(oci, plain)["/opt"].options


@pytest.mark.parametrize("word,other", OPPOSITES.items())
def test_an_attribute_of_the_source_is_taken_off_by_its_opposite(oci, plain, source, word, other):
    """The source's own options stay, unless config says otherwise."""
    with host_mount(source, "-t", "tmpfs", "-o", word, "tmpfs"):
        bind(plain, source, "/opt", "bind")
        bind(plain, source, "/srv", "bind", other)
        seen = inside(oci, plain)
    assert word in seen["/opt"].options
    assert word not in seen["/srv"].options


@pytest.mark.parametrize("word,other", OPPOSITES.items())
def test_the_last_word_wins(oci, plain, source, word, other):
    """mount(8): of words that contradict each other the last one counts."""
    bind(plain, source, "/opt", "bind", word, other)
    bind(plain, source, "/srv", "bind", other, word)
    seen = inside(oci, plain)
    assert word not in seen["/opt"].options
    assert word in seen["/srv"].options


@pytest.mark.parametrize("word", ["strictatime", "norelatime", "nostrictatime", "atime"])
def test_the_words_for_access_times(oci, plain, source, word):
    """mount(8): strictatime shows as neither relatime nor noatime; the others take one off."""
    with host_mount(source, "-t", "tmpfs", "-o", "noatime", "tmpfs"):
        seen = inside(oci, bind(plain, source, "/opt", "bind", word))["/opt"].options
    assert "noatime" not in seen
    assert ("relatime" in seen) == (word != "strictatime")


def test_noexec_and_ro_bite(oci, plain, source):
    """What the table of mounts says is what the kernel does."""
    (source / "program").write_text("#!/bin/sh\n")
    (source / "program").chmod(0o755)
    bind(plain, source, "/opt", "bind", "noexec")
    bind(plain, source, "/srv", "bind", "ro")
    out = oci.sh(plain, "/opt/program; echo $?; touch /srv/x; echo $?; /srv/program; echo $?").lines
    assert out == ["126", "1", "0"]


@pytest.mark.parametrize("word,shown", [
    ("sync", "sync"), ("dirsync", "dirsync"), ("lazytime", "lazytime")])
def test_options_of_the_file_system_itself(oci, plain, word, shown):
    """mount(8): these belong to the file system, not to the place where it is mounted."""
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=[word])
    assert shown in inside(oci, plain)["/opt"].data


@pytest.mark.parametrize("first,second", [
    ("sync", "async"), ("lazytime", "nolazytime"), ("mand", "nomand"), ("silent", "loud")])
def test_options_of_the_file_system_are_taken_off_again(oci, plain, first, second):
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=[first, second])
    assert not {"sync", "lazytime", "mand"} & inside(oci, plain)["/opt"].data


@pytest.mark.parametrize("word", ["defaults", "iversion", "noiversion", "silent", "loud", "async",
                                  "mand", "nomand", "nolazytime"])
def test_words_that_every_runtime_knows_are_taken(oci, plain, source, word):
    """config.md: runtimes MUST support the words of its list, on a tmpfs as on a bind."""
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=[word])
    seen = inside(oci, bind(plain, source, "/srv", "bind", word))
    assert seen["/opt"].type == "tmpfs"
    assert "/srv" in seen


@pytest.mark.parametrize("options", [None, [], [""]])
def test_a_mount_without_options(oci, plain, options):
    mount = {"destination": "/opt", "type": "tmpfs", "source": "tmpfs"}
    plain.mount(**mount if options is None else {**mount, "options": options})
    assert {"rw"} <= inside(oci, plain)["/opt"].options


# --- recursive options

@pytest.fixture
def two_mounts(source):
    """A mount with another one below."""
    with host_mount(source, "-t", "tmpfs", "tmpfs"):
        (source / "below").mkdir()
        with host_mount(source / "below", "-t", "tmpfs", "tmpfs"):
            yield source


@pytest.mark.parametrize("word", ATTRIBUTES)
def test_a_recursive_attribute_reaches_all_below(oci, plain, two_mounts, word):
    """config.md, Linux mount options: r before the word means recursively, by mount_setattr."""
    seen = inside(oci, bind(plain, two_mounts, "/opt", "rbind", "r" + word))
    assert word in seen["/opt"].options
    assert word in seen["/opt/below"].options


@pytest.mark.parametrize("word", ["ro", "nosuid", "nodev", "noexec"])
def test_a_plain_attribute_stays_at_the_top(oci, plain, two_mounts, word):
    """config.md: without the r it is the mount itself and not what is mounted below."""
    seen = inside(oci, bind(plain, two_mounts, "/opt", "rbind", word))
    assert word in seen["/opt"].options
    assert word not in seen["/opt/below"].options


@pytest.mark.parametrize("word,other", OPPOSITES.items())
def test_a_recursive_opposite_takes_it_off_below(oci, plain, source, word, other):
    """config.md: rrw, rsuid, rdev, rexec ..."""
    with host_mount(source, "-t", "tmpfs", "tmpfs"):
        (source / "below").mkdir()
        with host_mount(source / "below", "-t", "tmpfs", "-o", word, "tmpfs"):
            bind(plain, source, "/opt", "rbind")
            bind(plain, source, "/srv", "rbind", "r" + other)
            seen = inside(oci, plain)
    assert word in seen["/opt/below"].options
    assert word not in seen["/srv/below"].options


def test_a_plain_word_may_differ_from_the_recursive_one(oci, plain, two_mounts):
    """rro with rw: writable at the top, read-only below."""
    seen = inside(oci, bind(plain, two_mounts, "/opt", "rbind", "rro", "rw"))
    assert "rw" in seen["/opt"].options
    assert "ro" in seen["/opt/below"].options


@pytest.mark.parametrize("options,shown", [(["rro", "rnosuid"], {"ro", "nosuid"}),
                                           (["rro", "rw"], {"rw"})])
def test_a_recursive_attribute_of_a_new_file_system_is_the_plain_one(oci, plain, options, shown):
    """Nothing is mounted below it yet; plain words go before, as for binds."""
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=options)
    assert shown <= inside(oci, plain)["/opt"].options


def test_a_recursive_strictatime(oci, plain, two_mounts):
    seen = inside(oci, bind(plain, two_mounts, "/opt", "rbind", "rstrictatime"))
    assert not {"relatime", "noatime"} & seen["/opt/below"].options


# --- new file systems

@pytest.mark.parametrize("place,kind", [("/proc", "proc"), ("/sys", "sysfs"), ("/dev", "tmpfs"),
                                        ("/dev/pts", "devpts"), ("/dev/shm", "tmpfs"),
                                        ("/dev/mqueue", "mqueue"), ("/sys/fs/cgroup", "cgroup2")])
def test_the_file_systems_of_a_linux_container(oci, plain, place, kind):
    """config-linux.md, Default Filesystems; cgroup is cgroup2 where the host has that."""
    assert inside(oci, plain)[place].type == kind


def test_proc_shows_the_containers_processes_only(oci, plain):
    assert oci.sh(plain, "cd /proc; ls -d [0-9]*").lines[0] == "1"
    assert len(oci.sh(plain, "cd /proc; ls -d [0-9]*").lines) <= 2


def test_the_data_of_a_tmpfs(oci, plain):
    """config.md, Mounts: an option that is no flag goes to the file system."""
    plain.mount(destination="/opt", type="tmpfs", source="mine",
                options=["size=1m", "mode=0751", "uid=12", "gid=13", "nr_inodes=100"])
    result = oci.sh(plain, "stat -c '%a %u %g' /opt; df -k /opt | tail -1; " + SEE)
    assert result.lines[0] == "751 12 13"
    assert result.lines[1].split()[:2] == ["mine", "1024"]
    assert {"size=1024k", "nr_inodes=100"} <= mounted_in(result)["/opt"].data


def test_one_string_may_hold_several_options_of_a_file_system(oci, plain):
    """As mount(2), runc and crun take them; every comma separates."""
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs",
                options=["size=1m,mode=0751", "nosuid", "nr_inodes=100,"])
    result = oci.sh(plain, "stat -c %a /opt; " + SEE)
    assert result.lines[0] == "751"
    assert {"size=1024k", "nr_inodes=100"} <= mounted_in(result)["/opt"].data


def test_a_tmpfs_has_the_mode_1777_of_the_kernel_without_a_word(oci, plain):
    """tmpfs(5): mode 1777 where nothing is said, also where the image's /made is copied up."""
    for name, options in (("made", []), ("copied", ["tmpcopyup"]), ("fixed", ["ro"])):
        plain.mount(destination=f"/{name}", type="tmpfs", source="tmpfs", options=options)
    # The mount points that the first start left behind do not change the second.
    for _ in range(2):
        assert oci.sh(plain, "stat -c %a /made /copied /fixed").out == "1777\n1777\n1777\n"


def test_a_tmpfs_over_a_folder_of_the_image_is_as_closed_as_that(oci, plain):
    """As runc and crun have it: /root stays closed to others."""
    (plain.rootfs / "opt").chmod(0o750)
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=["ro"])
    assert oci.sh(plain, "stat -c '%a %u' /opt; touch /opt/x 2>&1 || true").lines[0] == "750 0"


def test_the_data_of_a_devpts(oci, plain):
    """config.md, Mounts: newinstance, ptmxmode and mode as engines write them."""
    seen = inside(oci, plain)["/dev/pts"].data
    assert {"mode=620", "ptmxmode=666"} <= seen


def test_an_option_that_the_file_system_does_not_know_is_named(oci, plain):
    """config.md: unknown options reach the file system; what it refuses stops the start."""
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=["colour=blue"])
    oci.create_fails(plain, "mounts[7]", "colour", "tmpfs")


def test_a_value_that_the_file_system_does_not_take_is_named(oci, plain):
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=["size=much"])
    oci.create_fails(plain, "mounts[7]", "size")


def test_a_type_that_the_kernel_does_not_know_is_named(oci, plain):
    plain.mount(destination="/opt", type="floppyfs", source="none")
    oci.create_fails(plain, "mounts[7]", "floppyfs", "/opt")


def test_tmpcopyup_keeps_what_the_image_has_there(oci, plain):
    """config.md, Linux mount options: tmpcopyup copies what lay below into the tmpfs."""
    plain.file("/opt/file", "of the image\n", 0o640)
    plain.file("/opt/deep/er/program", "#!/bin/sh\necho ran\n", 0o755)
    (plain.rootfs / "opt/link").symlink_to("file")
    os.chown(plain.rootfs / "opt/file", 7, 8)
    os.mkfifo(plain.rootfs / "opt/fifo", 0o600)  # stays behind: whose end would it be?
    os.chown(plain.rootfs / "opt", 5, 6)
    (plain.rootfs / "opt").chmod(0o750)
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=["tmpcopyup"])
    result = oci.sh(plain, "cat /opt/file; stat -c '%a %u %g' /opt/file; /opt/deep/er/program; "
                           "readlink /opt/link; ls /opt/fifo 2>/dev/null; stat -c '%a %u %g' /opt; "
                           "echo more >/opt/file")
    assert result.lines == ["of the image", "640 7 8", "ran", "file", "750 5 6"]
    assert (plain.rootfs / "opt/file").read_text() == "of the image\n"


def test_what_config_says_of_a_copied_tmpfs_goes_before_the_images(oci, plain):
    """config.md, Mounts: mode, uid and gid among the options are the tmpfs's own."""
    plain.file("/opt/file", "of the image\n")
    (plain.rootfs / "opt").chmod(0o700)
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs",
                options=["tmpcopyup", "mode=0711", "uid=5"])
    assert oci.sh(plain, "stat -c '%a %u %g' /opt; cat /opt/file").lines == ["711 5 0",
                                                                            "of the image"]


def test_a_tmpfs_of_config_belongs_to_who_took_roots_place(runsafe, plain):
    """docs/policy.md: `podman run --tmpfs` and --read-only's own /run are there to be written to."""
    plain.file("/opt/deep/file", "of the image\n", 0o640)
    (plain.rootfs / "opt").chmod(0o755)
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=["tmpcopyup"])
    plain.mount(destination="/srv", type="tmpfs", source="tmpfs", options=["mode=0700"])
    plain.mount(destination="/mnt", type="tmpfs", source="tmpfs", options=["mode=0700", "uid=0"])
    result = runsafe.sh(plain, "stat -c '%a %u %g' /opt /opt/deep/file /srv /mnt; "
                               "echo more >/opt/deep/file && touch /srv/x && echo written")
    assert result.lines == ["755 1000 1000", "640 1000 1000", "700 1000 1000", "700 0 0", "written"]
    # Another user could not have written there as root either: as written.
    plain.set("process.user", {"uid": 55, "gid": 55})
    assert runsafe.sh(plain, "stat -c '%a %u %g' /opt").lines == ["755 0 0"]


def test_tmpcopyup_may_be_read_only(oci, plain):
    plain.file("/opt/file", "of the image\n")
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=["tmpcopyup", "ro"])
    result = oci.sh(plain, "cat /opt/file; touch /opt/x 2>/dev/null || echo refused")
    assert result.lines == ["of the image", "refused"]


def test_tmpcopyup_is_for_tmpfs(oci, plain):
    plain.mount(destination="/opt", type="proc", source="proc", options=["tmpcopyup"])
    oci.create_fails(plain, "mounts[7].options", "tmpcopyup is for tmpfs only")


@pytest.fixture
def on_tmpfs(folder):
    """Where overlays can lie: an overlay on an overlay is not everywhere."""
    place = folder / "layers"
    place.mkdir()
    with host_mount(place, "-t", "tmpfs", "tmpfs"):
        yield place


@pytest.mark.parametrize("layers", [2, 30])
def test_an_overlay_with_options_longer_than_255_bytes(oci, plain, on_tmpfs, layers):
    """fsconfig(2) takes 255 bytes for a value; engines' overlays have more."""
    names = []
    for number in range(layers):
        (on_tmpfs / f"layer{number}").mkdir()
        (on_tmpfs / f"layer{number}" / f"file{number}").write_text(f"{number}\n")
        names.append(str(on_tmpfs / f"layer{number}"))
    for name in ("upper", "work"):
        (on_tmpfs / name).mkdir()
    plain.mount(destination="/opt", type="overlay", source="overlay", options=[
        "nosuid", "nodev", "lowerdir=" + ":".join(names), f"upperdir={on_tmpfs}/upper",
        f"workdir={on_tmpfs}/work"])
    assert (len(":".join(names)) > 255) == (layers > 2)
    result = oci.sh(plain, "ls /opt | wc -l; cat /opt/file1; echo w >/opt/written; " + SEE)
    assert result.lines[:2] == [str(layers), "1"]
    assert (on_tmpfs / "upper/written").read_text() == "w\n"
    seen = mounted_in(result)["/opt"]
    assert seen.type == "overlay"
    assert {"nosuid", "nodev"} <= seen.options


@pytest.mark.parametrize("layers", [2, 30])
def test_a_comma_in_an_overlays_path(oci, plain, on_tmpfs, layers):
    """Engines escape it by a backslash; it separates nothing then."""
    names = [f"{on_tmpfs}/a,layer{number}" for number in range(layers)]
    for name in names:
        pathlib.Path(name).mkdir()
    (pathlib.Path(names[1]) / "file").write_text("found\n")
    plain.mount(destination="/opt", type="overlay", source="overlay",
                options=["lowerdir=" + ":".join(n.replace(",", "\\,") for n in names)])
    assert oci.sh(plain, "cat /opt/file").out == "found\n"


@pytest.mark.parametrize("words", [["shared"], ["nosuid", "noatime"], ["ro"]])
def test_long_options_do_not_lose_the_short_ones(oci, plain, on_tmpfs, words):
    names = []
    for number in range(30):
        (on_tmpfs / f"layer{number}").mkdir()
        names.append(str(on_tmpfs / f"layer{number}"))
    plain.mount(destination="/opt", type="overlay", source="overlay",
                options=["lowerdir=" + ":".join(names), *words])
    seen = inside(oci, plain)["/opt"]
    assert set(words) - {"shared"} <= seen.options
    assert ("shared" in words) == bool(seen.propagation)


# --- remount

def test_remount_changes_what_is_mounted_there(oci, plain):
    """mount(8): remount changes the options of a mount; crun and runc take it too."""
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=["nosuid"])
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs",
                options=["remount", "ro", "nosuid", "nodev"])
    assert {"ro", "nosuid", "nodev"} <= inside(oci, plain)["/opt"].options


def test_a_bind_is_remounted_read_only(oci, plain, source):
    bind(plain, source, "/opt", "bind")
    bind(plain, source, "/opt", "bind", "remount", "ro")
    assert "ro" in inside(oci, plain)["/opt"].options
    assert os.access(source, os.W_OK)
    (source / "written").write_text("the host may")


def test_a_read_only_bind_gets_the_mount_points_of_what_comes_into_it(oci, plain, source, folder):
    """Podman's --read-only binds /run/secrets so, and then each secret in it, as crun lets it."""
    (folder / "secret").write_text("of root\n")
    bind(plain, source, "/opt", "rbind", "ro")
    bind(plain, folder / "secret", "/opt/./new", "bind")
    bind(plain, source, "/opt/deep/er", "bind")
    done = oci.sh(plain, "cat /opt/new; touch /opt/x || echo x >/opt/new; touch /opt/deep/er/y;"
                  "touch /opt/deep/x || :")
    assert done.out == "of root\n" and done.err.count("Read-only file system") == 2
    assert (source / "y").exists() and (folder / "secret").read_text() == "x\n"
    assert not (source / "x").exists() and not (source / "deep/x").exists()


def test_remount_of_nothing_is_an_error(oci, plain):
    plain.mount(destination="/opt/none", type="tmpfs", source="tmpfs", options=["remount", "ro"])
    oci.create_fails(plain, "mounts[7]", "/opt/none")


# --- the rootfs

def test_a_read_only_rootfs(oci, plain):
    """config.md, root.readonly: MUST be read-only inside the container."""
    out = oci.sh(plain.set("root.readonly", True),
                 "touch /x 2>/dev/null || echo refused; touch /dev/shm/x && echo written").lines
    assert out == ["refused", "written"]


def test_a_writable_rootfs(oci, plain):
    """config.md, root.readonly: false by default."""
    del plain.config["root"]["readonly"]
    oci.sh(plain, "echo written >/opt/x")
    assert (plain.rootfs / "opt/x").read_text() == "written\n"


@pytest.mark.parametrize("where", ["absolute", "./rootfs/", "../bundle/rootfs"])
def test_where_the_rootfs_is(oci, plain, where):
    """config.md, root.path: absolute, or relative to the bundle."""
    plain.file("/etc/mark", "this one\n")
    plain.set("root.path", str(plain.rootfs) if where == "absolute" else where)
    assert oci.sh(plain, "cat /etc/mark").out == "this one\n"


def test_what_is_mounted_below_the_rootfs_comes_along(oci, plain):
    """Engines mount volumes below the rootfs before they call the runtime."""
    with host_mount(plain.rootfs / "opt", "-t", "tmpfs", "tmpfs"):
        (plain.rootfs / "opt/file").write_text("mounted before\n")
        plain.set("root.readonly", True)
        out = oci.sh(plain, "cat /opt/file; touch /opt/x 2>/dev/null || echo refused").lines
    assert out == ["mounted before", "refused"]


# --- the default policy

def test_the_default_policy_adds_nosuid_and_nodev(runsafe, bundle, source):
    """Policy table, other mounts: nosuid, nodev added; what config says more stays."""
    bind(bundle, source, "/opt", "bind", "ro", "suid", "dev")
    bundle.mount(destination="/srv", type="tmpfs", source="tmpfs", options=["noexec"])
    seen = inside(runsafe, bundle)
    assert {"nosuid", "nodev", "ro"} <= seen["/opt"].options
    assert {"nosuid", "nodev", "noexec"} <= seen["/srv"].options


def test_the_default_policy_reaches_below_an_rbind(runsafe, bundle, two_mounts):
    """Policy table, other mounts: a mount below brings no set-user-ID program either."""
    seen = inside(runsafe, bind(bundle, two_mounts, "/opt", "rbind", "rsuid"))
    assert {"nosuid", "nodev"} <= seen["/opt"].options
    assert {"nosuid", "nodev"} <= seen["/opt/below"].options


@pytest.mark.parametrize("kind,source", [("ext4", "/dev/vda"), ("squashfs", "/dev/loop0"),
                                         ("devtmpfs", "devtmpfs"), ("nfs", "host:/x")])
def test_default_refuses_the_hosts_storage_as_a_new_mount(runsafe, bundle, kind, source):
    """DESIGN.md, other mounts: a disk of the host's is no way around the rule for binds."""
    bundle.mount(destination="/data", type=kind, source=source)
    runsafe.create_fails(bundle, "mounts[9]", kind, "--allow bind=")


@pytest.mark.parametrize("options", [["lowerdir=/proc:/etc"], ["lowerdir=/etc:/"],
                                     ["lowerdir=/etc", "upperdir=/dev", "workdir=/dev"]])
def test_default_refuses_the_hosts_trees_below_an_overlay(runsafe, bundle, options):
    bundle.mount(destination="/data", type="overlay", source="overlay", options=options)
    runsafe.create_fails(bundle, "mounts[9]", "the host's")


@pytest.mark.parametrize("policy", ["default", "oci"])
def test_no_directory_of_proc_is_a_mount_point(runsafe, bundle, folder, policy):
    """CVE-2019-16884: an image that bends a volume's destination to /proc."""
    volume = folder / "volume"
    volume.mkdir()
    (bundle.rootfs / "data").symlink_to("/proc/sys")
    bundle.mount(destination="/data", type="bind", source=str(volume), options=["bind"])
    runsafe.with_options("--policy", policy).create_fails(bundle, "mounts[9]", "/proc")
