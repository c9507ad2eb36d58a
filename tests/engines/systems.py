"""The systems of docs/examples in the tests of engines: their images, and what is promised of each
part, looked at from inside and from outside."""

import os
import pathlib
import time

import engines
from engines import assert_hardened, run, status_of, wait_for

EXAMPLES = pathlib.Path("/project/docs/examples")
# Podman's and buildah's storage with the images, read-only (tests/vm/systems).
STORAGE = pathlib.Path("/srv/systems")
IMAGES = {
    "monitoring": ("monitoring-backend", "monitoring-frontend", "monitoring-database",
                   "monitoring-cache"),
    "converter": ("converter",),
}
# podman STORE... sees the images as localhost/NAME.
STORE = ("--storage-driver", "overlay", "--storage-opt", f"additionalimagestore={STORAGE}")


def store_for(uid, first):
    """The same for an ordinary user: the images are shown to him as his own, with `first` as the
    first of his subordinate ids, since nobody but root may look at root's."""
    place = pathlib.Path(f"/srv/systems-{uid}")
    if not place.exists():
        place.mkdir()
        ids = f"X-mount.idmap=b:0:{uid}:1 b:1:{first}:65535"
        run("mount", "--bind", "-o", ids, STORAGE, place)
    return (*STORE[:-1], f"additionalimagestore={place}")


def archive(system):
    """A file with a system's images as `docker save` writes them, under Docker's names; made once."""
    path = pathlib.Path("/var/tmp") / f"{system}.tar"
    if not path.exists():
        scratch = pathlib.Path("/var/lib/containers/archive")
        podman = ("podman", "--root", scratch, "--runroot", "/run/archive", *STORE)
        names = [f"docker.io/library/{name}:latest" for name in IMAGES[system]]
        for name in names:
            run(*podman, "tag", f"localhost/{name.split('/')[-1]}", name)
        run(*podman, "save", "-q", "-m", "-o", path, *names, timeout=300)
        for name in names:
            run(*podman, "untag", f"localhost/{name.split('/')[-1]}", name)
    return path


def load(docker, system):
    """Loads a system's images into a dockerd."""
    if system not in docker.loaded:
        docker("load", "-i", archive(system), timeout=300)
        docker.loaded.add(system)


def tasks(group):
    """The ids of all threads of a cgroup and of those below, as the host sees them."""
    return [int(line) for path in pathlib.Path(group).rglob("cgroup.threads")
            for line in path.read_text().split()]


def threads(pid):
    """The ids of all threads of the container whose first process is `pid`: of its cgroup or, where
    it got none of its own (Podman without root, natively), of its pid namespace."""
    group = engines.cgroup_of(pid)
    if group not in (engines.cgroup_of("self"), *engines.cgroup_of("self").parents):
        return tasks(group)
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "ns/pid") == os.readlink(f"/proc/{pid}/ns/pid"):
                found += [int(task.name) for task in (process / "task").iterdir()]
        except OSError:
            pass
    return found


def status_inside(task):
    """/proc/TASK/status, when it is no longer runsafe on its way in: an exec's, such as a health
    check's, is in the cgroup before it becomes the workload."""
    end = time.monotonic() + 5 * engines.SLOWER
    while (status := status_of(task))["Name"].strip().startswith("runsafe"):
        if time.monotonic() > end:
            break
        time.sleep(0.02)
    return status


def assert_processes(pid, uid, gid=None, least=1):
    """Every process and every thread of the container whose first process is `pid`: this user, no
    capability in any set, no_new_privs, a filter."""
    seen = 0
    for task in threads(pid):
        try:
            status = status_inside(task)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status["State"].split()[0] in "ZX":
            continue
        assert set(status["Uid"].split()) == {str(uid)}, status
        assert set(status["Gid"].split()) == {str(uid if gid is None else gid)}, status
        assert "0" not in status["Groups"].split(), status
        assert_hardened(status)
        seen += 1
    assert seen >= least, f"{seen} threads of {pid}"


# Run inside, by a shell: each line is a promise that did not hold.
ROOTFS = """
for place in / /etc /usr /usr/bin /var /root /home /opt; do
	[ ! -d $place ] || ! (true >$place/.written) 2>/dev/null || echo "written: $place"
done
grep -q ' /tmp tmpfs .*nosuid,nodev,noexec' /proc/mounts || echo '/tmp: not a tmpfs, noexec'
[ "$(stat -c %a /tmp)" = 1777 ] || echo '/tmp: not 1777'
cp /bin/true /tmp/true.$$ && chmod 755 /tmp/true.$$ || echo '/tmp: not written'
! /tmp/true.$$ 2>/dev/null || echo '/tmp: executed'
rm -f /tmp/true.$$
[ "$(id -u)" != 0 ] && [ "$(id -g)" != 0 ] || echo 'root'
"""


def assert_rootfs(shell):
    """The root file system can not be written; /tmp is a tmpfs, 1777, and executes nothing.
    shell(SCRIPT): runs it in the container, returns what it printed."""
    said = shell(ROOTFS).strip()
    assert not said, said


def assert_limits(pid, memory, cpus, pids):
    """The cgroup of a container: bytes, share of a processor, processes; no swap."""
    group = engines.cgroup_of(pid)

    def limit(name):
        # The strictest of the group and those above it.
        values = []
        for folder in (group, *group.parents):
            path = folder / name
            if path.exists():
                values.append(path.read_text().split())
        return values

    def least(name):
        return min(int(v[0]) for v in limit(name) if v[0] != "max")

    assert least("memory.max") == memory
    assert least("memory.swap.max") == 0
    assert least("pids.max") == pids
    assert min(int(v[0]) / int(v[1]) for v in limit("cpu.max") if v[0] != "max") == cpus


def answers(*command, seconds=30, **options):
    """Waits until a command succeeds; what it printed."""
    return wait_for(" ".join(map(str, command)),
                    lambda: (lambda done: done.status == 0 and (done.out or " "))(
                        run(*command, check=False, **options)), seconds)


def requests_each_second(once, seconds=3.0):
    """How often once() can be called, for figures; nothing is decided by them."""
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        once()
        number += 1
    return number / seconds
