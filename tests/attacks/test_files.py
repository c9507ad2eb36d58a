"""Files that a runtime writes, makes or reads in a rootfs: each may be a symlink of the image."""

import os
import resource
import shutil
import subprocess

import pytest

import harness
import hostile
from attacks import escaped


@pytest.fixture
def outside(folder):
    """A folder of the host that everybody could write to."""
    place = folder / "outside"
    (place / "full").mkdir(parents=True)
    for name in ("file", "full/file"):
        (place / name).write_text("of the host\n")
        (place / name).chmod(0o666)
    for path in (place, place / "full"):
        path.chmod(0o777)
    return place


def contents(place):
    """All that lies there, to see that nothing was added or changed."""
    found = {}
    for path in sorted(place.rglob("*")):
        stat = path.lstat()
        found[str(path.relative_to(place))] = (stat.st_mode, stat.st_uid, stat.st_gid,
                                               path.read_text() if path.is_file() else None)
    return found


def changes(before, after):
    return sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))


def links(target):
    """The ways of a symlink to a path of the host, by name."""
    return {"absolute": str(target), "relative": "../" * 20 + str(target)[1:],
            "by /proc/self/root": f"/proc/self/root{target}", "by /proc/1/root": f"/proc/1/root{target}",
            "by a second link": "/second"}


def lead(bundle, place, target, way):
    """Makes the place in the rootfs such a symlink."""
    path = bundle.rootfs / place
    if not path.is_symlink() and path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    second = bundle.rootfs / "second"
    second.unlink(missing_ok=True)
    second.symlink_to(target)
    path.symlink_to(links(target)[way])


WAYS = list(links("/"))


# --- mount points

MADE = ("CVE-2019-18837", "a mount point that is a symlink of the image is made on the host",
        "openat2(2) in the rootfs, and a walk of its own where something has to be made")


@pytest.mark.attack(*MADE)
@pytest.mark.parametrize("way", WAYS)
def test_a_mount_point_made_outside(runtime, victim, folder, outside, way):
    """crun before 0.10.5 did not look whether the last name is a symlink."""
    (folder / "volume").mkdir()
    (folder / "volume/file").write_text("of the volume\n")
    sources = {"file": ("bind", str(folder / "volume/file")), "folder": ("bind", str(folder / "volume")),
               "tmpfs": ("tmpfs", "tmpfs")}
    mounts = list(victim.config["mounts"])
    before = contents(outside), harness.mounts()
    for kind, (fstype, source) in sources.items():
        for target, below in (("new", ""), ("new", "/sub"), ("full", "/sub"), ("full", "/../up"),
                              ("missing/new", ""), ("missing", "/sub/sub")):
            lead(victim, "opt/link", outside / target, way)
            options = ["bind"] if fstype == "bind" else []
            victim.set("mounts", [*mounts, {"destination": f"/opt/link{below}", "type": fstype,
                                            "source": source, "options": options}])
            done = runtime.run(victim.sh("echo ran"))
            made = changes(before[0], contents(outside))
            escaped(made, f"made {', '.join(made)} on the host, for a {kind}, by a {way} symlink")
            assert harness.mounts() == before[1]
            assert done.out == "ran\n" or "link" in done.err or "symb" in done.err, done
            shutil.rmtree(victim.rootfs / "tmp")
            (victim.rootfs / "tmp").mkdir(mode=0o1777)


# --- what the runtime writes and makes

# Engines and runtimes write or make these in a rootfs. (/dev itself: CVE-2026-41579.)
FILES = """
.krun_config.json .dockerenv etc/passwd etc/group etc/shadow etc/hosts etc/hostname etc/resolv.conf
etc/mtab etc/localtime dev/null dev/console run/.containerenv tmp/home
""".split()
FOLDERS = "etc dev/shm dev/pts dev/mqueue tmp var var/tmp run run/secrets home root proc sys".split()
THROUGH = ("CVE-2025-24965, CVE-2024-5154",
           "a file that the runtime writes (.krun_config.json, /etc/mtab) is a symlink to the host's",
           "files of its own are mounts over what a lookup inside of the rootfs finds")


@pytest.fixture
def busy(victim, folder):
    """A bundle for which much has to be made: an unknown user, files of the engine, a cwd."""
    victim.set("process.user", {"uid": 1234, "gid": 1234}).set("process.cwd", "/var/work/here")
    for name in ("hosts", "hostname", "resolv.conf"):
        (folder / name).write_text("of the engine\n")
        victim.mount(destination=f"/etc/{name}", type="bind", source=str(folder / name),
                     options=["bind", "ro"])
    victim.set("linux.devices", [{"type": "c", "path": f"/{place}/made", "major": 1, "minor": 3}
                                 for place in ("dev", "opt/nodes")])
    return victim.set("annotations", {"run.oci.systemd.subgroup": "x"})


@pytest.mark.attack(*THROUGH)
@pytest.mark.parametrize("way", WAYS)
def test_a_file_of_the_runtime_that_leads_outside(runtime, busy, outside, way):
    done = runtime.run(busy.sh("id -u; pwd"))
    assert done.out == "1234\n/var/work/here\n", done
    shutil.rmtree(busy.rootfs / "var/work", ignore_errors=True)
    before = contents(outside), harness.mounts()
    keep = busy.path / "keep"
    busy.rootfs.rename(keep)
    some = ("etc/passwd", "etc/mtab", "etc", "run", "tmp/home") if way != "absolute" else FILES + FOLDERS
    for place in some:
        for target in ("new", "full" if place in FOLDERS else "file"):
            # What one of them leaves in a rootfs is no matter of the next.
            harness.copy_rootfs(keep, busy.rootfs)
            lead(busy, place, outside / target, way)
            done = runtime.run(busy.sh("cat /run/file /etc/file /var/file /tmp/file /etc/passwd; true"))
            changed = changes(before[0], contents(outside))
            escaped(changed, f"/{place} changed {', '.join(changed)} of the host, as a {way} symlink")
            escaped("of the host" in done.out, f"/{place} showed a file of the host, as a {way} symlink")
            assert harness.mounts() == before[1]
            shutil.rmtree(busy.rootfs)


@pytest.mark.attack(*THROUGH)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", ["cwd", "device", "folder that is copied", "masked", "read-only"])
def test_a_path_of_the_configuration_that_leads_outside(runtime, victim, outside, way, what):
    """The image does not choose the path, but where it leads."""
    before = contents(outside), harness.mounts()
    words = {"cwd": ("process.cwd", "/opt/link/made/here"),
             "device": ("linux.devices", [{"type": "c", "path": "/opt/link/made", "major": 1, "minor": 3}]),
             "masked": ("linux.maskedPaths", ["/opt/link/file", "/opt/link"]),
             "read-only": ("linux.readonlyPaths", ["/opt/link/file", "/opt/link"])}
    if what in words:
        victim.set(*words[what])
    else:
        victim.mount(destination="/opt/link", type="tmpfs", source="tmpfs", options=["tmpcopyup"])
    lead(victim, "opt/link", outside, way)
    done = runtime.run(victim.sh("cat /opt/link/file; pwd"))
    changed = changes(before[0], contents(outside))
    escaped(changed, f"the {what} changed {', '.join(changed)} of the host, by a {way} symlink")
    escaped("of the host" in done.out, f"the {what} showed a file of the host, by a {way} symlink")
    assert harness.mounts() == before[1]
    assert (outside / "file").read_text() == "of the host\n"


@pytest.mark.attack(*THROUGH)
def test_the_file_of_a_virtual_machine(runtime, victim, outside):
    """The krun of crun before 1.20 wrote /.krun_config.json by its name."""
    lead(victim, ".krun_config.json", outside / "file", "absolute")
    before = contents(outside)
    done = runtime.run(victim.sh("echo ran").set("annotations", {"run.oci.handler": "krun"}))
    escaped(contents(outside) != before, "overwrote a file of the host")
    if "krun" in done.err and not runtime.ours:
        pytest.skip(f"{runtime.name} here has no krun")
    assert done.out == "ran\n", done


# --- what the runtime reads

def bounded():
    """A database without an end must not take the machine's memory."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


DATABASES = ["etc/passwd", "etc/group", "etc/hosts"]


@pytest.mark.attack(*THROUGH)
@pytest.mark.parametrize("path", DATABASES)
@pytest.mark.parametrize("kind", ["symlink", "dangling", "directory"])
def test_identity_files_that_are_something_else(runtime, victim, secret, path, kind):
    """What the runtime reads, and mounts its own over, is the image's to choose. (A runtime whose
    lookups leave the rootfs showed the secret.)"""
    place = victim.rootfs / path
    place.unlink()
    if kind == "directory":
        place.mkdir()
    else:
        place.symlink_to(secret if kind == "symlink" else "/no/where")
    result = runtime.run(victim.sh("id -u; cat /etc/passwd 2>/dev/null | head -c 100"))
    escaped("of the host" in result.out, f"showed a file of the host as /{path}")
    escaped(secret.read_text() != "of the host\n", f"wrote to a file of the host as /{path}")
    if kind == "symlink" and path == "etc/passwd" and runtime.name == "default":
        # Neither the host's file of that name, nor what the link leads to on the host.
        assert "\napp:x:1000:1000:" in result.out, result
    assert result.status in (0, 1)


@pytest.mark.attack("CVE-2024-9676", "/etc/passwd of the image is a fifo, or has no end",
                    "only regular files are opened, and read up to 4 MiB")
@pytest.mark.parametrize("path", DATABASES)
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_identity_files_without_an_end(runtime, victim, path, kind):
    place = victim.rootfs / path
    place.unlink()
    if kind == "fifo":
        os.mkfifo(place)
    else:
        os.mknod(place, 0o666 | 0o020000, os.makedev(1, 5))  # /dev/zero
    victim.args("/bin/echo", "ran").set("process.env", ["PATH=/bin"])  # no HOME: it is looked up
    watch = hostile.Watch(place)
    try:
        result = runtime.run(victim, timeout=20, preexec_fn=None if runtime.ours else bounded)
    except subprocess.TimeoutExpired:
        escaped(True, f"waits forever, with a {kind} as /{path}")
    # It reads no more than 4 MiB, and waits for nothing: that alone is not the promise.
    opened = any("opened" in done for done in watch.seen())
    watch.close()
    escaped(opened and runtime.ours, f"opened a {kind} of the image")
    assert result.out == "ran\n" or "user" in result.err and not runtime.ours, result


# --- lines in /etc/passwd

EVIL = "evil::0:0::/:/bin/sh"
LINE = ("CVE-2022-4318, CVE-2026-15809", "a line break in HOME becomes a line of /etc/passwd",
        "a HOME with a colon or control byte is refused, and never written")
TEXTS = ["/x\n" + EVIL, "/x\n" + EVIL + "\n", "/x\r" + EVIL, "/x\r\n" + EVIL + "\r\n", "/x\\n" + EVIL,
         "/x:/bin/sh\n" + EVIL, "\n" + EVIL + "\n", "/x\x0b" + EVIL, "/x\x85" + EVIL, "/x\u2028" + EVIL,
         "/" + "x" * 70000 + "\n" + EVIL]


def evil_lines(text):
    """Lines of root's that are not the image's."""
    return [line for line in text.replace("\r", "\n").split("\n")
            if line.split(":")[2:3] == ["0"] and line not in harness.PASSWD.split("\n")]


@pytest.mark.attack(*LINE)
@pytest.mark.parametrize("field", ["HOME", "another name", "HOME of exec", "username", "cwd", "hostname"])
def test_a_line_in_passwd(runtime, victim, field):
    """The fix of the first looked for the two letters \\\\n, so the second was the same again."""
    victim.set("process.user", {"uid": 1234, "gid": 1234})
    programs = [runtime]
    if runtime.ours:
        path = runtime.folder / "policy.json"
        path.write_text('{"extends": "oci", "user": {"identityFiles": true, "home": "keep"}}')
        programs.append(runtime.with_options("--policy", path))
    file = victim.rootfs / "etc/passwd"
    before = file.read_bytes()
    for program in programs:
        victim.set("process.env", ["PATH=/bin"])
        runtime.log.unlink(missing_ok=True)
        name = program.running(victim) if field == "HOME of exec" else None
        for text in TEXTS:
            env = ["PATH=/bin", f"{'X' if field == 'another name' else 'HOME'}={text}"]
            if field == "HOME of exec":
                done = program("exec", "--env", env[1], name, "/bin/cat", "/etc/passwd")
            else:
                key, value = {"username": ("process.user.username", text), "cwd": ("process.cwd", "/" + text),
                              "hostname": ("hostname", text)}.get(field, ("process.env", env))
                done = program.run(victim.args("/bin/cat", "/etc/passwd").set(key, value))
            escaped(evil_lines(done.out), f"{field} wrote {evil_lines(done.out)} into /etc/passwd")
            escaped(file.read_bytes() != before, f"{field} changed /etc/passwd of the image")
            assert done.out or done.status != 0, done
