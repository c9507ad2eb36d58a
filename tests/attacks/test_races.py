"""Paths that somebody else exchanges while the runtime works with them. Where one exchange at the
right moment is enough, there is no race: it is made once before each call that the runtime makes
(`exchanged`). The others run a number of rounds that a build without the protection was seen to lose,
on two cores with a load of 40. How many were lost is said with each; tests/removal/protections has
those builds."""

import os

import pytest

import hostile
from attacks import escaped
from hostile import exchanged_at_each_call, how_often, racing
from test_hostile_mounts import on_a_terminal

VOLUME = ["rbind", "rprivate", "rw"]
# Between two steps of the set-up, microseconds.
PAUSE = 300
# Who follows or mounts on a path, and who looks at it before.
WAYS = "mount,move_mount,open_tree,mount_setattr,openat2"
# Opening it is not yet writing to it: nothing happens to the host.
WRITABLE = """for place in {}; do
    true >>$place/sys/kernel/core_pattern && echo OPEN $place
done; true"""


@pytest.fixture
def exchange(probe_program):
    return probe_program("exchange")


@pytest.fixture
def lean(victim):
    """One that takes few calls to make: each of them is tried."""
    victim.config["mounts"] = [m for m in victim.config["mounts"] if m["destination"] == "/proc"]
    victim.set("linux.maskedPaths", []).set("linux.readonlyPaths", [])
    return victim


def works(runtime, bundle):
    """The control: without the attack it starts."""
    done = runtime.run(bundle)
    assert done.status == 0 and "ran" in done.out, done


@pytest.mark.attack("CVE-2019-19921", "two containers have the same root; one exchanges /proc for a "
                    "symlink while the other starts, so that its masks are put elsewhere",
                    "masks are put on through the descriptor of the procfs that was mounted")
@pytest.mark.parametrize("kind", ["proc", "bind"])
def test_proc_of_a_shared_root_is_exchanged(runtime, lean, kind):
    """Masks by their path: core_pattern of the host could be written in every second round."""
    if kind == "bind":
        if runtime.name == "default":
            pytest.skip("refuses a bind of a procfs")
        lean.set("mounts", [{"destination": "/proc", "type": "bind", "source": "/proc",
                             "options": ["rbind", "rprivate"]}])
    (lean.rootfs / "elsewhere").symlink_to("opt")
    lean.set("linux.maskedPaths", ["/proc/interrupts"])
    lean.set("linux.readonlyPaths", ["/proc/sys", "/proc/bus"])
    works(runtime, lean.sh("echo ran"))
    lean.sh(f"echo ran; {WRITABLE.format('/proc /elsewhere /opt')}")
    results = exchanged_at_each_call(runtime, lean, WAYS, lean.rootfs / "proc",
                                     lean.rootfs / "elsewhere")
    how_often(results, lambda r: "OPEN" in r.out, "/proc/sys of the host can be written")


@pytest.mark.attack("CVE-2021-30465", "a mount's destination in a shared volume is exchanged for a "
                    "symlink to the folder of volumes, so that the next volume's source is a "
                    "symlink of the attacker's",
                    "destinations are descriptors, resolved in the root; sources are opened before")
def test_destination_exchanged_in_a_shared_volume(runtime, lean, canary, folder):
    """Destinations and sources by their paths: 18 of 83 rounds were lost, the same ones each time."""
    volumes = folder / "volumes"
    one, two = volumes / "one", volumes / "two"
    for place in (one / "m", two):
        place.mkdir(parents=True)
        place.chmod(0o777)
    (one / "l").symlink_to(volumes)
    (one / "two").symlink_to(canary.path)
    lean.mount(destination="/vol", type="bind", source=str(one), options=VOLUME)
    lean.mount(destination="/vol/m", type="bind", source=str(one), options=VOLUME)
    lean.mount(destination="/stolen", type="bind", source=str(two), options=VOLUME)
    works(runtime, lean.sh("echo ran; cat /stolen/secret; true"))
    results = exchanged_at_each_call(runtime, lean, WAYS, one / "m", one / "l")
    how_often(results, lambda r: canary.WORDS in r.out, "a folder of the host was the volume")


@pytest.mark.attack("CVE-2024-45310", "a mount point that is to be made in a shared volume: its "
                    "folder is exchanged for a symlink to a folder of the host",
                    "made component by component, by descriptors; a symlink's target is looked up "
                    "in the root")
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_raced_mount_point_is_made_on_the_host(runtime, victim, exchange, canary, volume, kind):
    """With symlinks followed: the first or second round made it on the host."""
    (volume / "a").mkdir()
    (volume / "b").symlink_to(canary.path)
    (volume / "source").write_text("of the volume\n")
    victim.mount(destination="/vol", type="bind", source=str(volume), options=VOLUME)
    works(runtime, victim.sh("echo ran"))
    usual = list(victim.config["mounts"])
    with racing(exchange, (volume / "a", volume / "b")):
        for i in range(25):
            for n in range(8):
                if kind == "folder":
                    victim.mount(destination=f"/vol/a/new{i}-{n}/sub", type="tmpfs", source="tmpfs")
                else:
                    victim.mount(destination=f"/vol/a/new{i}-{n}", type="bind",
                                 source=str(volume / "source"), options=["rbind", "rprivate"])
            runtime.run(victim)
            victim.set("mounts", list(usual))
            done = canary.touched()
            escaped(done, f"a {kind} made on the host: {done}, in round {i + 1}")


@pytest.mark.attack("CVE-2025-52881", "a destination in a shared volume is exchanged for a symlink "
                    "to /proc: what is mounted there takes the runtime's writes, for labels and "
                    "sysctls",
                    "the destination's descriptor is looked at; writes go to the host's procfs by a "
                    "descriptor that nothing lies over")
def test_raced_volume_over_proc(runtime, victim, exchange, volume):
    """Destinations looked up twice: 8 to 16 of 40 rounds got the attacker's folder as /proc."""
    false = volume / "false"
    for path in ("self/attr/apparmor", "thread-self/attr/apparmor", "sys/kernel", "sys/net/ipv4",
                 "self/fd", "self/task/1/attr"):
        (false / path).mkdir(parents=True)
    for path in ("self/attr/exec", "thread-self/attr/exec", "self/oom_score_adj",
                 "sys/kernel/shm_rmid_forced", "sys/kernel/core_pattern"):
        (false / path).write_text("")
        (false / path).chmod(0o666)
    (volume / "a").mkdir()
    (volume / "b").symlink_to("/proc")
    victim.mount(destination="/vol", type="bind", source=str(volume), options=VOLUME)
    for _ in range(24):
        victim.mount(destination="/vol/a", type="bind", source=str(false), options=VOLUME)
    victim.set("linux.sysctl", {"kernel.shm_rmid_forced": "1"}).set("process.oomScoreAdj", 321)
    victim.sh("""echo ran; if [ -d /proc/1 ]; then cat /proc/self/oom_score_adj \
            /proc/sys/kernel/shm_rmid_forced; else echo FALSE; fi""")
    done = runtime.run(victim)
    assert done.lines == ["ran", "321", "1"], done
    with racing(exchange, (volume / "a", volume / "b")):
        results = hostile.rounds(runtime, victim, 40)
    written = [p for p in false.rglob("*") if p.is_file() and p.read_text()]
    escaped(written, f"wrote into the attacker's {written}")
    how_often(results, lambda r: r.status == 0 and r.lines != ["ran", "321", "1"],
              "started with another's files as /proc")


@pytest.mark.attack("CVE-2025-31133, CVE-2025-62161", "/dev is a volume; null in it is exchanged "
                    "for a symlink to a file of procfs, which is then bound over the masked path",
                    "masks are files of the runtime's own tmpfs")
def test_raced_dev_null_for_masks(runtime, victim, exchange, volume):
    """Masks that are /dev/null of the container: 34 of 40 rounds showed what was masked."""
    os.mknod(volume / "null", 0o666 | 0o020000, os.makedev(1, 3))
    (volume / "null").chmod(0o666)
    (volume / "b").symlink_to("/proc/sys/kernel/core_pattern")
    keep = [m for m in victim.config["mounts"] if not m["destination"].startswith("/dev")]
    victim.set("mounts", keep)
    victim.mount(destination="/dev", type="bind", source=str(volume), options=VOLUME)
    victim.config["linux"]["maskedPaths"] += ["/proc/interrupts"]
    works(runtime, victim.sh("echo ran"))
    victim.sh("""echo ran; for masked in /proc/interrupts /proc/timer_list /proc/keys; do
        true >>$masked && echo OPEN; read -r word <$masked && echo READ $word
    done; true""")
    with racing(exchange, (volume / "null", volume / "b")):
        results = hostile.rounds(runtime, victim, 40)
    how_often(results, lambda r: "READ" in r.out, "a masked path shows something")
    # As root the file over it can be opened where its mount is not read-only; that tells little.
    how_often(results, lambda r: r.status == 0 and "OPEN" in r.out and runtime.ours,
              "a masked path can be written")


@pytest.mark.attack("CVE-2025-52565", "/dev is a volume; pts in it is exchanged for a folder of "
                    "symlinks to procfs while the terminal is bound over /dev/console",
                    "the terminal's other side comes from its master (TIOCGPTPEER), never by a path")
def test_raced_console(runtime, victim, exchange, volume, folder):
    """/dev/pts/0 bound by its path: 18 to 20 of 30 rounds got a file of procfs as /dev/console."""
    (volume / "console").write_text("")
    # On which of the two the devpts lies, its master is found through the other one, too.
    for place in ("pts", "false"):
        (volume / place).mkdir()
        (volume / place / "0").symlink_to("/proc/sys/kernel/core_pattern")
        (volume / place / "ptmx").symlink_to("../false/ptmx")
    keep = [m for m in victim.config["mounts"] if m["destination"] not in ("/dev", "/dev/shm", "/dev/mqueue")]
    dev = {"destination": "/dev", "type": "bind", "source": str(volume), "options": VOLUME}
    victim.set("mounts", [keep[0], dev, *keep[1:]]).set("process.terminal", True)
    # The names are still being exchanged; what is mounted is not.
    victim.sh("""echo ran; while read -r _ _ _ root _ options _; do case "$root $options" in
        /sys/kernel/*" rw"*) echo OPEN; esac; done </proc/self/mountinfo""")
    assert "ran" in on_a_terminal(runtime, victim, folder)
    with racing(exchange, (volume / "pts", volume / "false"), pause=PAUSE // 3):
        texts = [on_a_terminal(runtime, victim, folder) for _ in range(30)]
    hits = [t for t in texts if "OPEN" in t]
    escaped(hits, f"a file of procfs can be written, in {len(hits)} of {len(texts)} rounds")


# --- what runsafe does, and others do not

@pytest.fixture
def ours(runtime):
    if not runtime.ours:
        pytest.skip("has no such thing")
    return runtime


@pytest.mark.attack("a copied /run, raced", "a file of an image's /run is exchanged for a symlink to the host, or for "
                    "a device, while it is copied into the tmpfs",
                    "opened once, without following, and looked at before it is opened for reading")
@pytest.mark.parametrize("kind", ["symlink", "device"])
def test_what_is_copied_of_run_is_exchanged(ours, lean, canary, kind):
    """Followed: the host's file was copied. Opened before it is looked at: so was the device (policy
    oci; by default the rootfs has none). One round each, the same one each time."""
    file, other = lean.rootfs / "run/file", lean.rootfs / "other"
    file.write_text("of the image\n")
    if kind == "symlink":
        other.symlink_to(canary.path / "secret")
    else:
        os.mknod(other, 0o666 | 0o020000, os.makedev(1, 3))
        other.chmod(0o666)
    if ours.name == "oci":
        lean.mount(destination="/run", type="tmpfs", source="tmpfs", options=["tmpcopyup"])
    works(ours, lean.sh("echo ran; cat /run/file"))
    watch = hostile.Watch(other)
    canary.touched()
    watch.seen()
    results = exchanged_at_each_call(ours, lean, "openat,newfstatat", file, other)
    opened = sum("opened" in s for s in watch.seen())
    watch.close()
    how_often(results, lambda r: canary.WORDS in r.out, "a file of the host was copied")
    escaped(canary.touched(), "a file of the host was opened")
    escaped(kind == "device" and opened, f"a device of the image was opened {opened} times")


@pytest.mark.attack("a new volume, raced", "who can write beside a new volume exchanges it for a symlink to a folder "
                    "of root's, which would become the workload's",
                    "looked at and given by one descriptor, only where nobody else writes above it")
def test_raced_new_volume(ours, victim, exchange, folder):
    """Without the look at where the source lies: the third round gave root's folder away."""
    place, other = folder / "volumes/web", folder / "host/volumes/other"
    for path in (place / "_data", other / "_data"):
        path.mkdir(parents=True)
    (place / "link").symlink_to(other / "_data")
    os.chown(place, 1001, 1001)
    victim.mount(destination="/data", type="bind", source=str(place / "_data"), options=VOLUME)
    works(ours, victim.sh("echo ran"))
    with racing(exchange, (place / "_data", place / "link")):
        for i in range(40):
            ours.run(victim)
            owner = (other / "_data").stat().st_uid
            escaped(owner, f"root's folder belongs to {owner} in round {i + 1}")


@pytest.mark.attack("a made HOME, raced", "/tmp is a volume; /tmp/home is exchanged for another container's folder "
                    "while it is made and given to the workload",
                    "only what is empty, root's and opened without following is given away")
def test_raced_home(ours, victim, exchange, canary, volume):
    """Without the look at what is in it: round 3, or 22, gave root's folder away."""
    if ours.name == "oci":
        pytest.skip("makes no HOME")
    (volume / "theirs").mkdir()
    (volume / "theirs/file").write_text("of another container\n")
    theirs = os.open(volume / "theirs", os.O_RDONLY)
    victim.mount(destination="/tmp", type="bind", source=str(volume), options=VOLUME)
    works(ours, victim.sh("echo ran"))
    (volume / "home").rmdir()
    with racing(exchange, (volume / "theirs", volume / "home"), move=True, pause=0):
        for i in range(60):
            ours.run(victim)
            owner = os.fstat(theirs).st_uid
            escaped(owner, f"a folder of root's belongs to {owner} in round {i + 1}")
    os.close(theirs)
    escaped(canary.touched(), "reached the host")


@pytest.mark.attack("read-only binds, raced", "two containers have the same root; one exchanges the destination of a "
                    "read-only bind that others are mounted in",
                    "made read-only by the descriptor of the mount")
def test_destination_of_a_read_only_bind_is_exchanged(ours, lean, volume):
    """Made read-only by its path: 4 of 85 rounds left it writable, the same ones each time."""
    (volume / "file").write_text("of the engine\n")
    (volume / "other").mkdir()
    (lean.rootfs / "opt/secrets").mkdir(parents=True)
    (lean.rootfs / "other").mkdir()
    (lean.rootfs / "opt/elsewhere").symlink_to("/other")
    lean.mount(destination="/other", type="bind", source=str(volume / "other"), options=VOLUME)
    lean.mount(destination="/opt/secrets", type="bind", source=str(volume), options=[*VOLUME[:2], "ro"])
    lean.mount(destination="/opt/secrets/one", type="bind", source=str(volume / "file"),
               options=["rbind", "ro"])
    lean.sh("""echo ran; while read -r _ _ _ root _ options _; do case "$root $options" in
        */volume" ro"*) ;; */volume" "*) echo RW; esac; done </proc/self/mountinfo""")
    works(ours, lean)
    results = exchanged_at_each_call(ours, lean, WAYS, lean.rootfs / "opt/secrets",
                                     lean.rootfs / "opt/elsewhere")
    how_often(results, lambda r: "RW" in r.out, "the bind can be written")
