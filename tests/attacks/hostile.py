"""What the attacks by files share: a tree of the host that nobody may open or change, and the other
side of a race for a path."""

import contextlib
import ctypes
import os
import pathlib
import struct
import subprocess

import attacks
import workload

LIBC = ctypes.CDLL(None, use_errno=True)
# inotify(7)
EVENTS = {0x001: "read", 0x002: "written", 0x004: "changed in mode or owner", 0x020: "opened",
          0x040: "moved away", 0x080: "moved to", 0x100: "made", 0x200: "removed"}


class Watch:
    """Tells what is done to files and folders from now on. An O_PATH descriptor is no opening."""

    def __init__(self, *paths):
        self.fd = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.names = {}
        for path in paths:
            number = LIBC.inotify_add_watch(self.fd, os.fsencode(path), sum(EVENTS))
            assert number > 0, (path, os.strerror(ctypes.get_errno()))
            self.names[number] = str(path)

    def seen(self):
        """What happened since the last time: ["/a/secret opened"]."""
        found = []
        while True:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return found
            while data:
                number, mask, _, length = struct.unpack_from("iIII", data)
                name = data[16:16 + length].rstrip(b"\0").decode()
                path = os.path.join(self.names[number], name).rstrip("/")
                found += [f"{path} {word}" for bit, word in EVENTS.items() if mask & bit]
                data = data[16 + length:]

    def close(self):
        os.close(self.fd)


class Canary:
    """A tree of the host, open to everybody by its modes, that no container may read or change."""

    WORDS = "of the host"

    def __init__(self, path):
        self.path = pathlib.Path(path)
        (self.path / "empty").mkdir(parents=True)
        for name in ("secret", "passwd", "ptmx", "null", "core_pattern"):
            (self.path / name).write_text(self.WORDS + "\n")
            (self.path / name).chmod(0o666)
        for folder in (self.path, self.path / "empty"):
            folder.chmod(0o777)
        self.watch = Watch(self.path, *self.path.iterdir())

    def touched(self):
        """What was done to it, in a few words; "" if nothing."""
        done = sorted(set(self.watch.seen()))[:3]
        return ", ".join(done).replace(f"{self.path}/", "").replace(str(self.path), "the folder")


@contextlib.contextmanager
def racing(program, *pairs, seconds=120, pause=20, move=False):
    """Pairs of names are swapped for each other meanwhile, or the first is moved to the second and
    back; pause: microseconds between."""
    words = [str(name) for pair in pairs for name in pair]
    process = subprocess.Popen([program, *(["-m"] if move else []), str(seconds), str(pause), *words], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"up\n"
        yield
        assert process.poll() is None, "the race was over before its end"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def rounds(runtime, bundle, n, *options):
    """Runs a bundle n times. Returns the results of those that started; another runtime that lost
    the race for its own files is not ours to judge. At least a few must have started, or refused
    because of the attack: a bundle that never starts for another reason proves nothing."""
    results = [runtime.run(bundle, *options) for _ in range(n)]
    for result in results:
        assert result.status == 0 or result.err.strip(), result
    return results


def exchange(a, b):
    if LIBC.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2):  # AT_FDCWD, RENAME_EXCHANGE
        raise OSError(ctypes.get_errno(), f"exchanging {a} and {b}")


def exchanged_at_each_call(runtime, bundle, calls, a, b):
    """No race: runs a bundle as often as the runtime makes calls of these names, and exchanges two
    names for each other just before the first, the second ... of them. Returns the results. Of ours
    the child alone counts, which is what looks at the container's paths."""
    process = 1 if runtime.ours else "all"
    report, results = runtime.folder / "report", []
    try:
        while not results or results[-1].reached:
            report.unlink(missing_ok=True)
            runtime.under = [workload.PROBES / "inject", "-r", report, "-c", calls, "-p",
                             f"{process}:{len(results) + 1}=exchange:{a}:{b}", "--"]
            result = runtime.run(bundle)
            said = report.read_text()
            result.reached = "not reached" not in said
            if result.reached and "not exchanged" not in said:
                exchange(a, b)
            results.append(result)
    finally:
        runtime.under = []
    assert len(results) > 5, results
    return results


def how_often(results, condition, how):
    """Escaped, when the condition is met by one of them; says how often."""
    hits = [r for r in results if condition(r)]
    attacks.escaped(hits, f"{how}, in {len(hits)} of {len(results)} rounds")
