"""An image in which each standard path in turn is something that it should not be. The container
starts and is confined, or is refused in plain words and bounded time; nothing of the host is opened,
made or changed."""

import array
import fcntl
import os
import socket
import stat
import subprocess

import pytest

import harness
import hostile
from attacks import escaped

# Where mounts, devices, masks and files of the runtime go, and what it reads, enters or executes.
PLACES = """proc sys dev dev/pts dev/shm dev/mqueue dev/null dev/console dev/ptmx tmp var/tmp run etc
    etc/passwd etc/group etc/hosts etc/resolv.conf etc/hostname data masked readonly work home/app
    opt/sh""".split()
NOTHING_FOLLOWED = "paths of the image are resolved in the root, without magic links, to a descriptor"


@pytest.fixture
def image(victim, folder):
    """Uses all the places that an engine uses; its program tells whether it is confined."""
    for name in ("resolv.conf", "hostname"):
        (folder / name).write_text("of the engine\n")
        victim.mount(destination=f"/etc/{name}", type="bind", source=str(folder / name),
                     options=["rbind", "rprivate"])
    (folder / "data").mkdir()
    (folder / "data").chmod(0o777)
    victim.mount(destination="/data/sub", type="bind", source=str(folder / "data"),
                 options=["rbind", "rprivate"])
    linux = victim.config["linux"]
    linux["maskedPaths"].append("/masked")
    linux["readonlyPaths"].append("/readonly")
    for name in ("work", "home/app", "masked", "readonly", "data"):
        (victim.rootfs / name).mkdir(parents=True)
    os.link(victim.rootfs / "bin/busybox", victim.rootfs / "opt/sh")
    victim.config["process"]["env"] = ["PATH=/bin", "HOME=/home/app"]
    return victim.set("process.cwd", "/work")


def script(canary):
    return f"""echo ran; for at in . /masked /readonly /data /data/sub /home/app /work /tmp /run /etc; do
        [ -e $at{canary.path}/secret ] && cat $at{canary.path}/secret
        [ -f $at/secret ] && cat $at/secret
    done
    for at in /proc /data /work; do
        [ -f $at/sys/kernel/core_pattern ] && true >>$at/sys/kernel/core_pattern && echo OPEN $at
    done; true"""


def links(n):
    """A chain of that many symlinks in front of a folder."""
    def make(place, _):
        folder = place.parent / (place.name + ".links")
        folder.mkdir()
        for i in range(n - 1):
            (folder / str(i)).symlink_to(str(i + 1))
        (folder / str(n - 1)).mkdir()
        place.symlink_to(f"{place.name}.links/0")
    return make


def to(target):
    return lambda place, canary: place.symlink_to(target.replace("HOST", str(canary.path)))


def unix_socket(place, _):
    here = os.getcwd()
    os.chdir(place.parent)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(place.name)
    os.chdir(here)


def node(kind, major, minor):
    def make(place, _):
        os.mknod(place, kind | 0o666, os.makedev(major, minor))
        place.chmod(0o777)
    return make


IMMUTABLE, GET_FLAGS, SET_FLAGS = 0x10, 0x80086601, 0x40086602


def set_immutable(place, on):
    fd = os.open(place, os.O_RDONLY)
    flags = array.array("l", [0])
    try:
        fcntl.ioctl(fd, GET_FLAGS, flags)
        flags[0] = flags[0] | IMMUTABLE if on else flags[0] & ~IMMUTABLE
        fcntl.ioctl(fd, SET_FLAGS, flags)
    finally:
        os.close(fd)


def immutable(place, _):
    place.mkdir()
    try:
        set_immutable(place, True)
    except OSError as error:
        pytest.skip(f"NO IMMUTABLE FOLDERS: this file system says {error.strerror}")


def unreadable(place, _):
    place.mkdir()
    place.chmod(0)


def deep(place, _):
    """Forty-five levels, files at each."""
    for _ in range(45):
        place.mkdir()
        (place / "file").write_text("x")
        place = place / "d"


KINDS = {
    "a symlink to a folder of the host": to("HOST"),
    "a relative symlink to the host": to("../" * 25 + "HOST"),
    "a symlink to a file of the host": to("HOST/secret"),
    "a symlink to what the host does not have": to("HOST/new"),
    "a symlink to a descriptor": to("/proc/self/fd/4"),
    "a symlink to a descriptor, and on": to("/proc/self/fd/5/../../../../../../../..HOST"),
    "a symlink to /proc/self/exe": to("/proc/self/exe"),
    "a symlink to /proc/1/root": to("/proc/1/rootHOST"),
    "a symlink to /proc/self/cwd": to("/proc/self/cwd"),
    "a symlink to itself": lambda place, _: place.symlink_to(place.name),
    "a symlink to /": to("/"),
    "40 symlinks": links(40),
    "41 symlinks": links(41),
    "a FIFO": lambda place, _: os.mkfifo(place, 0o666),
    "a socket": unix_socket,
    "a character device": node(stat.S_IFCHR, 1, 5),
    "a block device": node(stat.S_IFBLK, 7, 250),
    "a whiteout": node(stat.S_IFCHR, 0, 0),
    "a file": lambda place, _: place.write_text("of the image\n"),
    "a folder": lambda place, _: place.mkdir(),
    "a folder that nobody may read": unreadable,
    "a folder that nobody may change": immutable,
    "45 folders": deep,
}


class Place:
    """A path of the image, for a moment something else."""

    def __init__(self, image, name):
        self.path = image.rootfs / name
        self.aside = image.path / "aside"

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(self.path):
            os.rename(self.path, self.aside)
        return self.path

    def __exit__(self, *_):
        there = self.path.lstat()
        if stat.S_ISDIR(there.st_mode):
            if not there.st_mode & 0o700:
                self.path.chmod(0o700)
            try:
                set_immutable(self.path, False)
            except OSError:
                pass
        subprocess.run(["rm", "-rf", self.path, f"{self.path}.links"], check=True)
        if os.path.lexists(self.aside):
            os.rename(self.aside, self.path)


def in_plain_words(runtime, done):
    """A refusal is one line for a person, without a byte that steers a terminal."""
    lines = done.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("runsafe: ") and lines[0].isprintable(), done
    assert done.status in (1, 126, 127), done
    runtime.log.unlink(missing_ok=True)


def run(runtime, image, words):
    try:
        return runtime.run(image.args(*words), timeout=20)
    except subprocess.TimeoutExpired:
        for pid in harness.children():
            os.kill(pid, 9)
        return None


@pytest.mark.attack("a hostile rootfs", "each standard path of the image in turn is a symlink, a loop, a FIFO, a device, "
                    "a whiteout, a file, an unreadable or immutable folder ...",
                    NOTHING_FOLLOWED + "; only what is known to be a regular file is opened")
@pytest.mark.parametrize("kind", KINDS)
def test_each_standard_path_is(runtime, image, canary, kind):
    control = run(runtime, image, ["/bin/sh", "-c", script(canary)])
    assert control.status == 0 and control.out == "ran\n", control
    before, beside = harness.mounts(), sorted(canary.path.parent.iterdir())
    bad, refused = [], []
    for name in PLACES:
        words = ["/opt/sh" if name == "opt/sh" else "/bin/sh", "-c", script(canary)]
        with Place(image, name) as place:
            KINDS[kind](place, canary)
            watch = hostile.Watch(place) if "device" in kind or kind == "a FIFO" else None
            done = run(runtime, image, words)
            opened = watch and any("opened" in s for s in watch.seen())
        if watch:
            watch.close()
        touched = canary.touched()
        if done is None:
            bad.append(f"/{name}: hangs")
            continue
        if done.status == 0 and done.lines[:1] != ["ran"]:
            bad.append(f"/{name}: says that it started")
        if canary.WORDS in done.out or "OPEN" in done.out:
            bad.append(f"/{name}: {done.lines[-1]}")
        if touched or harness.mounts() != before:
            bad.append(f"/{name}: on the host, {touched}")
        if opened:
            bad.append(f"/{name}: opened by the runtime")
        if kind == "a symlink to /proc/self/exe" and "Usage: runsafe" in done.err:
            runtime.log.unlink(missing_ok=True)  # it was the container's program, and no shell
        elif runtime.ours and done.status:
            in_plain_words(runtime, done)
            refused.append(f"{name}: {done.err.strip()}")
    if os.environ.get("RUNSAFE_SAY"):
        print(kind, *refused, sep="\n    ")
    new = [p.name for p in canary.path.parent.iterdir() if p not in beside]
    bad += [f"{p} made beside the bundle" for p in new if not p.startswith(("out", "err", "log"))]
    escaped(bad, "; ".join(bad[:4]) + (f" and {len(bad) - 4} more" if bad[4:] else ""))


NAMES = {
    "with a line break": "a\nroot::0:0::/:/bin/sh\nb",
    "with control bytes": "a\x01\x1b[2J\x1b]0;x\x07\x7fb",
    "of bytes that are no text": "caf\udce9\udcff",
    "of another writing direction": "a\u202egpj.exe",
    "of 255 bytes": "n" * 255,
    "of 256 bytes": "n" * 256,
    "with quotes": "a'\"`$(id)\\",
    "of 60 levels": "/".join(["deep"] * 60),
    "of 4095 bytes": "/".join(["l" * 99] * 40) + "/" + "m" * 94,
    "of 5000 bytes": "/".join(["l" * 99] * 50),
    "full of dots": "../." * 300 + "./x/../y/.",
}


@pytest.mark.attack("a hostile rootfs", "names of 256 and paths of 4096 bytes, with line breaks, control bytes and 60 levels",
                    NOTHING_FOLLOWED + "; what is said about them is made printable")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("use", ["tmpfs", "bind of a file", "masked", "read-only", "device", "cwd",
                                 "HOME", "program"])
def test_a_path_whose_name_is(runtime, victim, canary, folder, name, use):
    text = "/" + NAMES[name]
    (folder / "file").write_text("of the engine\n")
    assert runtime.run(victim.sh("echo ran")).out == "ran\n"
    if use == "tmpfs":
        victim.mount(destination=text, type="tmpfs", source="tmpfs")
    elif use == "bind of a file":
        victim.mount(destination=text, type="bind", source=str(folder / "file"), options=["rbind"])
    elif use == "masked":
        victim.config["linux"]["maskedPaths"].append(text)
    elif use == "read-only":
        victim.config["linux"]["readonlyPaths"].append(text)
    elif use == "device":
        victim.set("linux.devices", [{"path": text, "type": "c", "major": 1, "minor": 3}])
    elif use == "cwd":
        victim.set("process.cwd", text)
    elif use == "HOME":
        victim.config["process"]["env"].append(f"HOME={text}")
    victim.sh("echo ran; read -r line </etc/passwd; echo $line")
    if use == "program":
        victim.args(text)
    text = (victim.path / "config.json").read_text()
    (victim.path / "config.json").write_bytes(text.replace("\\udce9", "\udce9").replace(
        "\\udcff", "\udcff").encode(errors="surrogateescape"))
    before = harness.mounts()
    done = runtime.run(victim, timeout=20)
    escaped(canary.touched() or harness.mounts() != before, "reached the host")
    escaped("root::" in done.out, "a line of its own in /etc/passwd")
    if runtime.ours and done.status:
        in_plain_words(runtime, done)
        if os.environ.get("RUNSAFE_SAY"):
            print(name, use, done.err[:300])


@pytest.mark.attack("a hostile rootfs", "a /run of the image with a file of a terabyte, hundreds of levels, devices and "
                    "links, where the runtime copies it into a tmpfs",
                    "copied by descriptors that follow no symlink, only regular files, inside the "
                    "container's own memory limit, 32 levels")
@pytest.mark.parametrize("what", ["a terabyte", "200 levels", "3000 names", "links", "devices", "itself"])
def test_a_run_of_the_image_to_copy(runtime, victim, canary, what):
    run_folder = victim.rootfs / "run"
    victim.set("linux.resources.memory", {"limit": 64 << 20})
    if not runtime.ours or runtime.name == "oci":
        victim.mount(destination="/run", type="tmpfs", source="tmpfs", options=[
            "nosuid", "nodev", "size=32m", "mode=755", *(["tmpcopyup"] if runtime.name != "runc" else [])])
    watch = None
    if what == "a terabyte":
        with open(run_folder / "large", "wb") as f:
            f.truncate(1 << 40)
    elif what == "200 levels":
        deep_in = run_folder
        for _ in range(200):
            deep_in = deep_in / "d"
            deep_in.mkdir()
    elif what == "3000 names":
        for i in range(3000):
            (run_folder / str(i)).symlink_to("x")
    elif what == "links":
        for name, target in (("a", canary.path / "secret"), ("b", canary.path), ("c", "/proc/self/fd/4"),
                             ("d", "../" * 25 + str(canary.path / "secret"))):
            (run_folder / name).symlink_to(target)
    elif what == "devices":
        os.mknod(run_folder / "zero", 0o020666, os.makedev(1, 5))
        os.mkfifo(run_folder / "fifo")
        watch = hostile.Watch(run_folder / "zero", run_folder / "fifo")
    else:
        (run_folder / "run").symlink_to(".")
    done = runtime.run(victim.sh("echo ran; cat /run/* /run/*/* 2>&1 | head -c 4000"), timeout=50)
    escaped(canary.touched() or canary.WORDS in done.out, "reached the host")
    escaped(watch and watch.seen(), f"opened by the runtime: {watch and watch.seen()}")
    if runtime.ours and done.status:
        in_plain_words(runtime, done)
        assert what in ("a terabyte", "200 levels"), done
