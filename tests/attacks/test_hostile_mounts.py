"""What an image or a volume puts where the runtime mounts, masks, or makes its devices."""

import os
import pathlib
import subprocess

import pytest

import harness
import hostile
from attacks import escaped
from test_terminal import ConsoleSocket

VOLUME = ["rbind", "rprivate", "rw"]
SYMLINKED = "CVE-2023-27561, CVE-2023-28642, CVE-2025-54867"


def replace(place, target):
    if place.is_dir() and not place.is_symlink():
        subprocess.run(["rm", "-r", place], check=True)
    else:
        place.unlink(missing_ok=True)
    place.symlink_to(target)


def false_proc(path):
    """Plain files where the runtime writes labels, sysctls and scores. Returns what says which of
    them were written to."""
    for place in ("self", "thread-self", "1"):
        (path / place / "attr/apparmor").mkdir(parents=True)
        (path / place / "fd").mkdir()
        for name in ("attr/exec", "attr/apparmor/exec", "attr/keycreate", "oom_score_adj", "setgroups"):
            (path / place / name).write_text("")
    (path / "sys/kernel").mkdir(parents=True)
    for name in ("shm_rmid_forced", "core_pattern"):
        (path / "sys/kernel" / name).write_text("")
    for file in path.rglob("*"):
        file.chmod(0o777)
    return lambda: [str(f) for f in path.rglob("*") if f.is_file() and f.read_text()]


def without(bundle, *destinations):
    keep = [m for m in bundle.config["mounts"]
            if not any((m["destination"] + "/").startswith(d + "/") for d in destinations)]
    return bundle.set("mounts", keep)


def on_a_terminal(runtime, bundle, folder):
    """What the workload writes to its terminal; "" where it does not start."""
    console = ConsoleSocket(folder / f"console{next(runtime.count)}")
    name = runtime.id()
    try:
        if runtime("create", "--console-socket", console.path, "-b", bundle.path, name).status:
            return ""
        console.receive()
        runtime("start", name)
        return console.read_all(20)
    finally:
        console.close()


def is_as_asked(runtime, name):
    """Whether the container truly has the score and the sysctl, seen from outside."""
    pid = runtime.state(name)["pid"]
    score = pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text()
    sysctl = subprocess.run(["nsenter", "-t", str(pid), "-i", "cat",
                             "/proc/sys/kernel/shm_rmid_forced"], capture_output=True, check=True)
    return (score, sysctl.stdout) == ("321\n", b"1\n")


# --- /proc

@pytest.mark.attack("CVE-2019-16884, CVE-2025-52881, CVE-2025-62596", "a volume at /proc, with plain files that take the "
                    "runtime's writes of labels, sysctls and scores",
                    "nothing but single files and a procfs is mounted over procfs; the runtime "
                    "writes through the host's procfs, by a descriptor")
@pytest.mark.parametrize("beside", ["over proc", "instead of proc", "before proc", "below proc"])
def test_a_volume_that_plays_proc(runtime, victim, volume, beside):
    written = false_proc(volume)
    victim.set("linux.sysctl", {"kernel.shm_rmid_forced": "1"}).set("process.oomScoreAdj", 321)
    assert is_as_asked(runtime, runtime.running(victim))
    bind = {"destination": "/proc", "type": "bind", "source": str(volume), "options": VOLUME}
    if beside == "before proc":
        victim.set("mounts", [bind, *victim.config["mounts"]])
    elif beside == "below proc":
        victim.mount(**dict(bind, destination="/proc/self", source=str(volume / "self")))
    else:
        if beside == "instead of proc":
            without(victim, "/proc")
        victim.mount(**bind)
    name = runtime.id()
    done = runtime("create", "-b", victim.path, name)
    escaped(written(), f"the runtime wrote into {written()}")
    if done.status == 0:
        escaped(not is_as_asked(runtime, name), "started without its sysctl or its OOM score")


@pytest.mark.attack("CVE-2019-16884, CVE-2019-19921", "an image whose /proc holds plain files, and no mount of proc",
                    "the runtime never looks at the container's /proc")
def test_attack_a_false_proc_in_the_image(runtime, victim):
    written = false_proc(victim.rootfs / "proc")
    without(victim, "/proc").set("process.oomScoreAdj", 321)
    victim.set("linux.sysctl", {"kernel.shm_rmid_forced": "1"})
    name = runtime.id()
    done = runtime("create", "-b", victim.args("/bin/sleep", "1000").path, name)
    escaped(written(), f"the runtime wrote into {written()}")
    if done.status == 0:
        escaped(not is_as_asked(runtime, name), "started without its sysctl or its OOM score")
    assert done.status == 0 or not runtime.ours, done


# What of a procfs or sysfs must be covered, wherever the image had it put.
COVERED = """for at in /proc /data /vol/proc /sys /vol/sys /up/data; do
    [ -e $at/sys/kernel/core_pattern ] && true >>$at/sys/kernel/core_pattern && echo OPEN $at
    [ -e $at/interrupts ] && read -r line <$at/interrupts && echo SHOWN $at/interrupts
    [ -d $at/kernel/mm ] && echo SHOWN $at/kernel
done; echo ran"""


@pytest.mark.attack(SYMLINKED + ", CVE-2019-19921", "/proc or /sys of the image is a symlink: masks by that name miss",
                    "proc and sysfs are only mounted on a real directory, and masks are put on by "
                    "the descriptor of that mount")
@pytest.mark.parametrize("target", ["data", "/data", "../../../data", "/vol/PLACE", "up/data",
                                    "/proc/self/root/data", "HOST"])
@pytest.mark.parametrize("place", ["proc", "sys"])
def test_attack_proc_on_a_symlink_of_the_image(runtime, victim, volume, canary, place, target):
    for way in (victim.rootfs / "data", victim.rootfs / "up", volume / place):
        way.mkdir()
    (victim.rootfs / "up/data").symlink_to("../data")
    victim.config["mounts"].insert(0, {"destination": "/vol", "type": "bind",
                                       "source": str(volume), "options": VOLUME})
    victim.config["linux"]["maskedPaths"] += ["/proc/interrupts", "/sys/kernel"]
    assert runtime.run(victim.sh(COVERED)).out == "ran\n"
    before = harness.mounts()
    replace(victim.rootfs / place, target.replace("PLACE", place).replace("HOST", str(canary.path)))
    done = runtime.run(victim)
    escaped("OPEN" in done.out or "SHOWN" in done.out, f"uncovered: {done.lines[0] if done.out else ''}")
    escaped(canary.touched() or harness.mounts() != before, "reached the host")
    assert not runtime.ours or done.status == 1 and ("real directory" in done.err
                                                     or "its symlinks" in done.err), done


# --- /dev

@pytest.mark.attack("CVE-2026-41579, CVE-2026-47766", "/dev of the image is a symlink to a folder of the host, in which "
                    "ptmx is then removed, and links and nodes are made",
                    "all in /dev is made by descriptors, resolved in the root")
@pytest.mark.parametrize("mounted", [True, False])
@pytest.mark.parametrize("target", ["absolute", "relative", "by /proc/1/root", "by a second link"])
def test_dev_of_the_image_is_a_symlink(runtime, victim, canary, target, mounted):
    assert runtime.run(victim.sh("echo ran")).out == "ran\n"
    if not mounted:
        without(victim, "/dev")
    there = str(canary.path)
    (victim.rootfs / "second").symlink_to(there)
    replace(victim.rootfs / "dev", {"absolute": there, "relative": "../" * 20 + there[1:],
                                    "by /proc/1/root": "/proc/1/root" + there,
                                    "by a second link": "second"}[target])
    runtime.run(victim)
    done = canary.touched()
    escaped(done, f"on the host: {done}")


@pytest.mark.attack("CVE-2026-41579, CVE-2026-47766", "/dev/pts, /dev/shm or /dev/mqueue of the image is a symlink to the host",
                    "mount points are descriptors, resolved in the root")
@pytest.mark.parametrize("name", ["pts", "shm", "mqueue", "ptmx", "fd", "console"])
def test_a_part_of_dev_is_a_symlink(runtime, victim, canary, name):
    keep = [m for m in victim.config["mounts"] if m["destination"] != "/dev"]
    assert runtime.run(victim.sh("echo ran").set("mounts", keep)).out == "ran\n"
    before = harness.mounts()
    replace(victim.rootfs / "dev" / name, canary.path / ("ptmx" if name == "ptmx" else "empty"))
    runtime.run(victim)
    done = canary.touched()
    escaped(done or harness.mounts() != before, f"on the host: {done}")


@pytest.mark.attack("CVE-2025-31133, CVE-2025-62161", "/dev/null of the image is a symlink, another device or not there, "
                    "when masked paths are covered with it",
                    "masks are files of the runtime's own tmpfs")
@pytest.mark.parametrize("kind", ["/proc/sys/kernel/core_pattern", "/proc/self/status", "zero", "missing", "directory"])
def test_attack_masking_with_a_false_dev_null(runtime, victim, kind):
    without(victim, "/dev")
    victim.config["linux"]["maskedPaths"] += ["/proc/interrupts"]
    null = victim.rootfs / "dev/null"
    if kind == "zero":
        os.mknod(null, 0o666 | 0o020000, os.makedev(1, 5))
        null.chmod(0o666)
    elif kind == "directory":
        null.mkdir()
    elif kind != "missing":
        null.symlink_to(kind)
    victim.sh("""for masked in /proc/interrupts /proc/keys /proc/timer_list; do
        [ -e $masked ] || continue
        [ -n "$(head -c 20 $masked | tr -d '\\0')" ] && echo SHOWN $masked
        [ -c $masked ] && [ "$(stat -c %t:%T $masked)" != 1:3 ] && echo ANOTHER $masked
    done; echo ran""")
    done = runtime.run(victim)
    escaped("SHOWN" in done.out or "ANOTHER" in done.out, f"not masked: {done.out!r}")
    assert done.out == "ran\n" or done.status == 1 or not runtime.ours, done


@pytest.mark.attack("CVE-2026-88265, CVE-2025-31133", "devices of the image are symlinks to files of the host, plain files or "
                    "folders; /dev/null is opened for the workload's stdin",
                    "a node is taken only when it is that very device, by its descriptor")
@pytest.mark.parametrize("name", ["null", "zero", "tty", "ptmx", "stdin"])
@pytest.mark.parametrize("kind", ["symlink", "file", "directory", "fifo", "another"])
def test_attack_false_devices_in_a_dev_of_the_image(runtime, victim, canary, name, kind):
    without(victim, "/dev")
    place = victim.rootfs / "dev" / name
    {"symlink": lambda: place.symlink_to(canary.path / "null"), "directory": place.mkdir,
     "file": lambda: place.write_text("of the image\n"), "fifo": lambda: os.mkfifo(place),
     "another": lambda: os.mknod(place, 0o666 | 0o020000, os.makedev(1, 8))}[kind]()
    watch = hostile.Watch(place) if kind == "another" else None
    victim.sh(f"if [ -c /dev/{name} ]; then echo real; else echo false; fi; cat <&0")
    process = runtime.start_process("run", "-b", victim.path, runtime.id())
    try:
        out, err = process.communicate(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        escaped(True, f"hangs on a {kind} at /dev/{name}")
    done = canary.touched()
    escaped(done or canary.WORDS in out, f"on the host: {done}")
    escaped(watch and any("opened" in s for s in watch.seen()), "opened a device of the image")
    # Either all is as it should be, or nothing runs: never a false device.
    if runtime.ours and name not in ("ptmx", "stdin", "tty"):
        escaped("false" in out, f"started with a false /dev/{name}")
        assert out or err.strip(), process.returncode


@pytest.mark.attack("CVE-2025-52565, CVE-2026-88264", "/dev/console of the image is a symlink: the terminal is bound over "
                    "what it leads to, or a file is made there",
                    "the terminal's other side comes from its master (TIOCGPTPEER), its mount point "
                    "is resolved in the root")
@pytest.mark.parametrize("target", ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "HOST/new",
                                    "HOST/secret", "pts/0", "/proc/self/fd/0"])
def test_attack_the_console_of_the_image_is_a_symlink(runtime, victim, canary, folder, target):
    keep = [m for m in victim.config["mounts"] if m["destination"] != "/dev"]
    victim.set("mounts", keep).set("process.terminal", True)
    (victim.rootfs / "dev/pts").mkdir()
    assert "ran" in on_a_terminal(runtime, victim.sh("echo ran"), folder)
    replace(victim.rootfs / "dev/pts/0", "/proc/sys/kernel/core_pattern")
    replace(victim.rootfs / "dev/console", target.replace("HOST", str(canary.path)))
    victim.sh("""if [ -c /dev/console ]; then echo terminal; fi
        [ -f /proc/sys/kernel/core_pattern ] && true >>/proc/sys/kernel/core_pattern && echo OPEN
        [ -f /dev/console ] && cat /dev/console
        echo ran""")
    text = on_a_terminal(runtime, victim, folder)
    done = canary.touched()
    escaped(done or canary.WORDS in text, f"on the host: {done}")
    escaped("OPEN" in text, "core_pattern of the host can be written")
