"""make install-docker and uninstall-docker: tools/docker-runtimes, and a dockerd with its file."""

import json
import os
import pathlib
import signal

import pytest

import docker as docker_module
from engines import OURS, run, wait_for

TOOL = "/project/tools/docker-runtimes"
BIN = "/usr/local/bin"
NAMES = ("runsafe", "runsafe-strict", "runsafe-oci")
ADDED = {name: {"path": f"{BIN}/{name}"} for name in NAMES}
THEIRS = """{
\t"mtu": 1400,
\t"zeta": {"b": [1, 1.50, -0.25], "a": "\\u00e9 / \\u0041"},
\t"runtimes": {"gvisor": {"path": "/usr/bin/runsc", "runtimeArgs": ["--x"]}},
\t"max-concurrent-downloads": 9007199254740993,
\t"alpha": null
}
"""


class Etc:
    """A daemon.json below a DESTDIR, where no dockerd looks, and the program installed there."""

    def __init__(self, folder):
        self.root = folder / "root"
        self.file = self.root / "etc/docker/daemon.json"
        self.file.parent.mkdir(parents=True)
        (self.root / BIN[1:]).mkdir(parents=True)
        for name in NAMES:
            (self.root / BIN[1:] / name).symlink_to("/bin/true")

    def __call__(self, action, check=True, bin=BIN, **env):
        return run(TOOL, action, bin, *NAMES, check=check,
                   env={**os.environ, "DESTDIR": str(self.root), **env})

    @property
    def json(self):
        return json.loads(self.file.read_text())

    def refuses(self, action, *words, **options):
        """One sentence with these words, and nothing was changed."""
        before = (self.file.lstat(), self.file.read_bytes()) if self.file.exists() else None
        done = self(action, check=1, **options)
        assert done.out == "" and len(done.err.splitlines()) == 1, done
        assert all(word in done.err for word in (*words, "nothing was changed")), done
        after = (self.file.lstat(), self.file.read_bytes()) if self.file.exists() else None
        # Reading it may change when it was read last.
        assert (before and (*before[0][:7], *before[0][8:], before[1])) == \
            (after and (*after[0][:7], *after[0][8:], after[1]))
        assert {path.name for path in self.file.parent.iterdir()} <= {"daemon.json"}


@pytest.fixture
def etc(folder):
    return Etc(folder)


def test_what_others_wrote_stays_as_it_is(etc):
    """Other keys and runtimes, the order of keys, numbers, indentation, mode and owner are kept."""
    etc.file.write_text(THEIRS)
    etc.file.chmod(0o640)
    os.chown(etc.file, 12, 34)
    etc("add")
    text, new = etc.file.read_text(), etc.json
    assert new.pop("runtimes") == {**json.loads(THEIRS)["runtimes"], **ADDED}
    old = json.loads(THEIRS)
    del old["runtimes"]
    assert new == old
    assert list(etc.json) == list(json.loads(THEIRS)) and '\n\t"mtu": 1400,\n' in text
    assert "9007199254740993" in text and "1.50" in text
    stat = etc.file.stat()
    assert (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid) == (0o640, 12, 34)


def test_a_second_time_nothing_changes(etc):
    etc.file.write_text(THEIRS)
    etc("add")
    before = etc.file.stat()
    assert "nothing to change" in etc("add").out
    after = etc.file.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_what_was_added_is_taken_out_and_nothing_else(etc):
    etc.file.write_text(THEIRS)
    etc("add", DEFAULT="runsafe-strict")
    etc("remove")
    assert etc.json == json.loads(THEIRS) and list(etc.json) == list(json.loads(THEIRS))
    assert "nothing to change" in etc("remove").out


def test_runtimes_that_become_empty_go_as_well(etc):
    etc.file.write_text('{"debug": true}')
    etc("add")
    etc("remove")
    assert etc.json == {"debug": True}


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_a_missing_or_empty_file_is_made(etc, text):
    if text is None:
        etc.file.parent.rmdir()
    else:
        etc.file.write_text(text)
    etc("add")
    assert etc.json == {"runtimes": ADDED}
    assert etc.file.stat().st_mode & 0o7777 == 0o644


def test_a_symlink_stays_and_its_target_is_edited(etc):
    target = etc.file.parent / "kept-elsewhere"
    target.write_text("{}")
    etc.file.symlink_to("kept-elsewhere")
    etc("add")
    assert etc.file.is_symlink() and json.loads(target.read_text()) == {"runtimes": ADDED}


def test_a_symlink_to_nowhere_is_refused(etc):
    etc.file.symlink_to("missing/daemon.json")
    done = etc("add", check=1)
    assert "is a symlink to nowhere; nothing was changed" in done.err, done


def test_a_symlink_out_of_a_package_is_refused(etc, folder):
    outside = folder / "daemon.json"
    outside.write_text("{}")
    etc.file.symlink_to(outside)
    etc.refuses("add", "symlink out of", str(outside))


@pytest.mark.parametrize("text, words", [
    ('{"a": 1,}', ["is not valid JSON", "line 1"]),
    ('{"a": nan}', ["is not valid JSON"]),
    ('{"a": 1} {}', ["does not hold one JSON object"]),
    ("[]", ["does not hold one JSON object"]),
    ('{"runtimes": []}', ['"runtimes"', "not an object"]),
    ('{"runtimes": false}', ['"runtimes"', "not an object"]),
    ('{"runtimes": {"a": {"path": "/a"}}, "runtimes": {"b": {"path": "/b"}}}', ["a key twice"]),
    ('{"runtimes": {"runsafe-oci": {"path": "/opt/runsafe-oci"}}}', ['"runsafe-oci"', "BINDIR"]),
    ('{"runtimes": {"runsafe": "/usr/local/bin/runsafe"}}', ['"runsafe"', "another than"]),
    ('{"runtimes": {"runsafe": {"runtimeType": "io.containerd.runc.v2"}}}', ['"runsafe"']),
])
def test_what_can_not_be_edited_without_harm_is_refused(etc, text, words):
    etc.file.write_text(text)
    etc.refuses("add", *words)


def test_options_that_an_owner_gave_to_our_runtime_stay(etc):
    own = {"path": f"{BIN}/runsafe", "runtimeArgs": ["--policy", "/etc/runsafe/web.json"]}
    etc.file.write_text(json.dumps({"runtimes": {"runsafe": own}}))
    etc("add")
    assert etc.json["runtimes"] == {**ADDED, "runsafe": own}


def test_removal_leaves_what_is_not_ours_and_says_so(etc):
    theirs = {"runsafe": {"path": "/opt/runsafe"}, "web": {"path": f"{BIN}/runsafe"}}
    etc.file.write_text(json.dumps({"default-runtime": "runsafe", "runtimes": {
        **theirs, "runsafe-oci": ADDED["runsafe-oci"]}}))
    assert "Left there" in (done := etc("remove")).out and "runsafe, web" in done.out, done
    assert etc.json == {"default-runtime": "runsafe", "runtimes": theirs}


def test_another_default_runtime_gives_way_only_to_force(etc):
    etc.file.write_text('{"default-runtime": "gvisor"}')
    etc.refuses("add", '"gvisor"', "FORCE=1", DEFAULT="runsafe")
    etc.refuses("add", "DEFAULT=runc", DEFAULT="runc")
    etc("add")
    assert etc.json["default-runtime"] == "gvisor"
    etc("add", DEFAULT="runsafe", FORCE="1")
    assert etc.json["default-runtime"] == "runsafe"


def test_what_is_missing_is_said_in_one_sentence(etc, folder):
    """jq, which edits the file; the program; a folder for it."""
    without = folder / "bin"
    without.mkdir()
    for program in pathlib.Path("/usr/bin").iterdir():
        if program.name != "jq":
            (without / program.name).symlink_to(program)
    etc.refuses("add", "jq", "apt-get install jq", PATH=str(without))
    etc.refuses("add", "absolute path", bin="usr/bin")
    (etc.root / BIN[1:] / "runsafe-oci").unlink()
    etc.refuses("add", f"{BIN}/runsafe-oci", "make install")


def test_a_file_that_can_not_be_replaced_stays_whole(etc, folder):
    """A daemon.json that is itself a mount can not be renamed over."""
    etc.file.write_text("{}")
    run("mount", "--bind", etc.file, etc.file)
    try:
        done = etc("add", check=1)
        assert "can not be replaced; nothing was changed" in done.err, done
        assert etc.file.read_text() == "{}"
        assert [path.name for path in etc.file.parent.iterdir()] == ["daemon.json"]
    finally:
        run("umount", etc.file)


def test_the_new_file_is_on_the_disk_before_it_takes_the_old_ones_place(etc, folder):
    etc.file.write_text("{}")
    trace = folder / "trace"
    run("strace", "-f", "-y", "-o", trace, "-e", "trace=fsync,rename,renameat,renameat2",
        TOOL, "add", BIN, *NAMES, env={**os.environ, "DESTDIR": str(etc.root)})
    calls = [line.split(None, 1)[1] for line in trace.read_text().splitlines()
             if line.endswith(" = 0") and "resumed" not in line]
    assert len(calls) == 3 and calls[0].startswith("fsync(") and "/.daemon.json." in calls[0], calls
    assert calls[1].startswith("rename") and calls[1].count("daemon.json") == 2, calls
    assert calls[2].startswith("fsync(") and f"<{etc.file.parent}>" in calls[2], calls


# With a dockerd.

def edit(daemon, action, check=True, **env):
    return run(TOOL, action, BIN, *NAMES, check=check,
               env={**os.environ, "DAEMON_JSON": str(daemon.folder / "daemon.json"), **env})


def reload(daemon):
    """As `systemctl reload docker` does; it is over when dockerd says so."""
    times = daemon.daemon.said().count("Reloaded configuration")
    daemon.daemon.process.send_signal(signal.SIGHUP)
    wait_for("the reload", lambda: daemon.daemon.said().count("Reloaded configuration") > times)


def runtimes(daemon):
    """The default runtime and all names, as dockerd knows them."""
    info = json.loads(daemon("info", "--format", "{{json .}}").out)
    return info["DefaultRuntime"], set(info["Runtimes"])


def test_what_dockerd_would_not_start_with_is_not_written(etc):
    """`dockerd --validate` is asked."""
    etc.file.write_text('{"no-such-setting": 1}')
    os.link(etc.file, etc.root / "seen")
    etc.refuses("add", "dockerd does not accept", "as it stands", "no-such-setting", DESTDIR="",
                DAEMON_JSON=str(etc.file))


def test_a_dockerd_takes_the_runtimes_over_on_reload_and_forgets_them_on_restart(folder):
    """What the program says to restart suffices, and is needed."""
    daemon = docker_module.Docker(folder, {"runtimes": {}, "debug": True})
    daemon.start()
    try:
        image = daemon.image("busybox")
        assert "systemctl reload" in edit(daemon, "add").out
        reload(daemon)
        assert runtimes(daemon) == ("runc", {"runc", "io.containerd.runc.v2", *OURS})
        edit(daemon, "add", DEFAULT="runsafe")
        reload(daemon)
        assert runtimes(daemon)[0] == "runsafe"
        assert daemon("run", "--name", "made", image, "id", "-u").text == "1000"
        assert "systemctl restart" in edit(daemon, "remove").out
        reload(daemon)
        assert runtimes(daemon)[0] == "runsafe"
        daemon.daemon.stop()

        # Given as an option, too, dockerd would not start: its own options are looked at.
        daemon.daemon.command += ["--default-runtime", "runc"]
        daemon.start()
        assert runtimes(daemon) == ("runc", {"runc", "io.containerd.runc.v2"})
        assert "unknown or invalid runtime name: runsafe" in daemon("start", "made", check=1).err
        done = edit(daemon, "add", check=1, DEFAULT="runsafe")
        assert "dockerd would not accept" in done.err and "default-runtime" in done.err, done
        daemon("rm", "made")
    finally:
        daemon.stop()
