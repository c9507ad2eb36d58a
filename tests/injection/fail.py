"""Makes each single system call of a runtime fail, and looks: either the command failed with one
message and left nothing behind, or the workload ran with every protection of its plan.

Usage: fail.py [-r RUNTIME] [-s SECONDS] [-o FILE] [-j WORKERS] [-q] [-p POINT] [-n NAME] [-f FILE] [WAY]...
  -r  crun, or another runtime: its figures are printed, and nothing fails
  -q  quick: each call with one errno, which is always the same; without what differs by config
  -s  for how many seconds; what was not tried then, is not, and that is said
  -o  all violations, one JSON object a line
  -p  PROCESS:CALL=ERRNO: that point alone, with all that is seen
  -n  only calls whose name matches
  -f  only calls about a file whose path matches
"""

import argparse
import collections
import contextlib
import json
import multiprocessing
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import zlib

import configs
import ground
import ways

# What the kernel never refuses; a C library has no way to say that it did (arch_prctl and
# set_tid_address: at a program's start).
CAN_NOT_FAIL = {"arch_prctl", "set_tid_address", "getuid", "geteuid", "getgid", "getegid", "getpid", "getppid", "gettid", "umask",
                "exit", "exit_group", "rt_sigreturn", "brk"}
ANY = "EPERM ENOMEM EIO EACCES ENOSYS EINTR".split()
MAKES_DESCRIPTOR = re.compile(r"^(open|socket|pipe|memfd|accept|dup|epoll_create|fs|pidfd|clone|"
                              r"signalfd|timerfd|eventfd|inotify|recvmsg|fcntl|bpf|seccomp|mount_)")
TAKES_PATH = re.compile(r"^(open|newfstatat|l?stat|access|faccess|readlink|unlink|mk|rename|chdir|chmod|"
                        r"chown|fchmodat|fchownat|mount|move_mount|umount|pivot|fspick|execve|write|"
                        r"pidfd_open|name_to|[gsl]+etxattr|symlink|link|chroot)")
COMES_AGAIN = re.compile(r"^(read|write|pread|poll|ppoll|clone|send|recv|flock|setres|setuid|fcntl|"
                         r"wait|openat2|accept|connect|mmap|mkdir|prlimit|sched|keyctl)")
TAKES_ROOM = re.compile(r"^(open|write|pwrite|mk|symlink|link|rename|move_mount|mount|fsconfig|"
                        r"fsmount|clone|unshare|ftruncate|fallocate|setxattr|fsync|close|sendfile|"
                        r"copy_file|add_key|keyctl|bpf)")


started = []  # pids of this program's own, for end_all()

# What is no violation though it looks like one: each with its reason, and counted.
LOOKUP = re.compile(r"^(open|openat|openat2|newfstatat|lstat|stat|statx|readlink|readlinkat|access|"
                    r"faccessat|faccessat2|unlinkat|fchownat|pidfd_open|fchmodat)$")
REFUSED = ("EACCES", "EPERM", "ENOENT", "ENOSYS")


def only(seen, *beginnings):
    return bool(seen) and all(line[2:].startswith(beginnings) for line in seen)


EXEMPTIONS = {
    "believed: the kernel says that there is no such file":
        lambda task, seen, runtime, loader: task.errno == "ENOENT" and LOOKUP.match(task.name),
    "believed: root of the host may not read the image's users":
        lambda task, seen, runtime, loader: task.errno == "EACCES" and
        only(seen, "/etc/", "file /etc/", "mount: /file"),
    "--cgroup=available: a limit that the host refuses is left out, and check says so":
        lambda task, seen, runtime, loader: task.errno in REFUSED and
        "--cgroup=available" in runtime.options and
        only(seen, "outside: ", "path /sys/fs/cgroup", "mount: / /sys/fs/cgroup"),
    "the C library's loader, before the runtime's first line":
        lambda task, seen, runtime, loader: task.process == 0 and task.call <= loader and
        seen and seen[0].startswith("crashed"),
    "a filter refuses executable memory, where the sysctl may not be written":
        lambda task, seen, runtime, loader: task.path.endswith("memfd_noexec") and
        task.errno in REFUSED and
        only(seen, "Seccomp_filters", "/proc/sys/vm/memfd_noexec", "path /proc/sys/vm/memfd"),
    "features names the capabilities that libcap found":
        lambda task, seen, runtime, loader: task.way == "features" and task.name == "prctl" and
        seen[0].startswith("succeeded, but its output"),
    "check says less well why this host has no limits":
        lambda task, seen, runtime, loader: task.way == "check-bundle" and
        re.search("cgroup|memfd|^$", task.path) and seen[0].startswith("succeeded, but its output"),
    "a pipe whose owner may not be changed stays the caller's":
        lambda task, seen, runtime, loader: task.name == "fchown" and only(seen, "descriptor "),
}


class Runtime:
    """How a runtime is called."""

    def __init__(self, path, options=()):
        self.path, self.options = path, options
        self.name = pathlib.Path(path).name
        self.ours = self.name == "runsafe"

    def command(self, binaries, state, log):
        own = ["--log", str(log)] if self.ours else []
        return [str(binaries / self.name), "--root", str(state), *own, *self.options]


def errnos(name):
    """Which errnos fit a call."""
    if name in CAN_NOT_FAIL:
        return []
    return (ANY + (["ENOENT"] if TAKES_PATH.match(name) else []) +
            (["EAGAIN"] if COMES_AGAIN.match(name) else []) + (["EMFILE"] if MAKES_DESCRIPTOR.match(name) else []) +
            (["ENOSPC"] if TAKES_ROOM.match(name) else []))


class Task(collections.namedtuple("Task", "way process call name path errno")):
    """One point with one errno."""

    @property
    def point(self):
        return f"{self.process}:{self.call}={self.errno}"

    def __str__(self):
        return f"{self.way} {self.point} {self.name} {self.path}"


def points(way):
    """The calls of an undisturbed command: the longer of two lists, since a few come and go."""
    found = []
    for _ in range(2):
        way.once(None, trace=True)
        lines = way.ground.trace.read_text(errors="replace").splitlines()
        calls = [(line.split(" ", 3) + [""])[:4] for line in lines]
        found = max(found, [(int(p), int(c), n, path.strip()) for p, c, n, path in calls], key=len)
    return found


def worker(number, runtime, programs, names, tasks, following, results):
    """Takes one task after the other, until none is left. On one CPU: a tracer and who it stops
    take turns."""
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[number % len(cpus)]})
    here = ground.Ground(number, runtime, programs)
    made = {}
    try:
        current = None
        while True:
            with following.get_lock():
                index = following.value
                following.value += 1
            if index >= len(tasks):
                break
            task = tasks[index]
            if task.way != current:
                here.clean()
                way = made[task.way] = configs.make(here, task.way)
                way.begin()
                current = task.way
            results.put((task, *attempt(way, task)))
    except BaseException as error:  # pylint: disable=broad-except
        results.put((None, "broken", [f"{type(error).__name__}: {error}"], ""))
        raise
    finally:
        try:
            here.close()
        finally:
            results.put(None)


def attempt(way, task):
    began, way.reached = time.monotonic(), ""
    try:
        kind = way.attempt(task.point)
        seen = []
    except ways.Wrong as wrong:
        kind, seen = wrong.kind, wrong.seen
    except (AssertionError, OSError, subprocess.SubprocessError, ValueError) as error:
        kind, seen = ways.OTHER, [f"{type(error).__name__}: {error}"]
    if kind not in (ways.CLEAN, ways.FULL, None):
        for _ in range(3):
            try:
                way.again()
                break
            except (AssertionError, OSError, ways.Wrong, subprocess.SubprocessError) as error:
                seen.append(f"and afterwards: {error}")
    if way.reached in CAN_NOT_FAIL:  # the count of calls before it was another one
        kind = None
    return kind or "not reached", seen, way.reached or task.name


def list_points(runtime, programs, names, queue):
    """In a process of its own, since it becomes a bad caller."""
    here = ground.Ground("list", runtime, programs)
    try:
        for name in names:
            here.clean()
            way = configs.make(here, name)
            way.begin()
            configs.check_baseline(way, runtime)
            queue.put((name, points(way)))
    except BaseException as error:
        queue.put((None, f"{type(error).__name__}: {error}"))
        raise
    finally:
        here.close()
        queue.put(None)


def all_points(runtime, programs, names):
    queue = multiprocessing.Queue()
    process = start(list_points, runtime, programs, names, queue)
    found = {}
    while (item := queue.get()) is not None:
        if item[0] is None:
            sys.exit(f"fail: {item[1]}")
        found[item[0]] = item[1]
    process.join()
    return found


def all_tasks(found, quick):
    """Everything; quick: one errno of each."""
    tasks = []
    for way, calls in found.items():
        for p, c, name, path in calls:
            fit = errnos(name)
            if quick and fit:
                fit = [fit[zlib.crc32(f"{way} {p} {c}".encode()) % len(fit)]]
            tasks += [Task(way, p, c, name, path, errno) for errno in fit]
    return tasks


def exempted(task, kind, seen, runtime, found):
    """The reason, or None. The loader, where there is one, is done when it takes the list of
    libraries away."""
    if not task or kind not in (ways.LESS, ways.LEFT, ways.OTHER):
        return None
    calls = [call for call in found[task.way] if call[0] == 0]
    loaded = any("/ld.so" in path for _, _, _, path in calls)
    loader = next((c for _, c, name, _ in calls if loaded and name == "munmap"), 0)
    return next((reason for reason, holds in EXEMPTIONS.items()
                 if holds(task, seen, runtime, loader)), None)


def collect(n_workers, results, seconds, following, tasks):
    """All that the workers found, while there is time."""
    end, ended = time.monotonic() + seconds, 0
    while ended < n_workers:
        if time.monotonic() > end:
            with following.get_lock():
                following.value = max(following.value, len(tasks))
        item = results.get()
        if item is None:
            ended += 1
        else:
            yield item


def grouped(violations):
    """The same call with the same path and kind of violation is one line."""
    groups = collections.defaultdict(list)
    for task, kind, seen in violations:
        path = re.sub(r"\d+", "#", task.path) if task else ""
        groups[task and task.way, kind, task and task.name, path].append((task, seen))
    return groups


def summary(found, counts, took, runtime, exempt, left):
    print(f"{runtime.name}: each system call made to fail, and what came of it")
    print(f"  {'':14}{'calls':>7}{'tried':>7}{'failed':>9}{'ran':>11}{'exempt':>8}{'ran with':>10}"
          f"{'left':>6}{'else':>6}")
    print(f"  {'':14}{'':>7}{'':>7}{'cleanly':>9}{'protected':>11}{'':>8}{'less':>10}")
    total = collections.Counter()
    for way, calls in found.items():
        c = counts[way]
        c["calls"] = sum(1 for p in calls if errnos(p[2]))
        c["tried"] = sum(c[k] for k in (ways.CLEAN, ways.FULL, "exempt", ways.LESS, ways.LEFT,
                                        ways.OTHER))
        total.update(c)
        line(way, c)
    line("all", total)
    skipped = sum(1 for calls in found.values() for p in calls if not errnos(p[2]))
    print(f"  {total['not reached']} were not reached a second time; {skipped} calls can not fail: "
          f"{', '.join(sorted(CAN_NOT_FAIL))}; {took:.0f} s")
    if left:
        print(f"  NOT ALL: {left} points were not tried, for want of time")
    for reason, n in exempt.items():
        print(f"  exempt, {n}: {reason}")


def line(name, c):
    print(f"  {name:14}{c['calls']:7}{c['tried']:7}{c[ways.CLEAN]:9}{c[ways.FULL]:11}{c['exempt']:8}"
          f"{c[ways.LESS]:10}{c[ways.LEFT]:6}{c[ways.OTHER]:6}")


def show(violations, out):
    groups = grouped(violations)
    if out:
        with open(out, "w", encoding="utf-8") as f:
            for task, kind, seen in violations:
                f.write(json.dumps({"task": str(task), "kind": kind, "seen": seen}) + "\n")
    for (way, kind, name, path), items in sorted(groups.items(), key=str)[:60]:
        task, seen = items[0]
        which = sorted({t.errno for t, _ in items if t})
        print(f"  {way}: {name} {path}: {kind} ({len(items)}: {' '.join(which)}), "
              f"first {task and task.point}")
        for text in seen[:6]:
            print("      " + text.strip()[:300].replace("\n", "\n      "))
    if len(groups) > 60:
        print(f"  ... and {len(groups) - 60} more")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("-r", "--runtime")
    parser.add_argument("-s", "--seconds", type=float, default=1e9)
    parser.add_argument("-o", "--out")
    parser.add_argument("-j", "--workers", type=int,
                        default=2 * len(os.sched_getaffinity(0)))  # half of it is waiting
    parser.add_argument("-q", "--quick", action="store_true")
    parser.add_argument("-p", "--point")
    parser.add_argument("-n", "--name", default="")
    parser.add_argument("-f", "--file", default="")
    parser.add_argument("--results", help="a file for \"passed failed skipped\"")
    parser.add_argument("ways", nargs="*")
    return parser.parse_args()


def choose_runtime(given):
    if given:
        # crun raises its RLIMIT_MEMLOCK to load device rules: without the right to, it can only
        # be shown without cgroups.
        free = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] == resource.RLIM_INFINITY
        may = free or configs.has_capability(24)  # CAP_SYS_RESOURCE
        return Runtime(shutil.which(given) or given,
                       [] if may else ["--cgroup-manager=disabled"])
    options = [] if configs.controllers() >= {"cpu", "memory", "pids"} else ["--cgroup=available"]
    return Runtime(os.environ["RUNSAFE"], options)


def end_all(*_):
    """Takes away what the workers can not any more: their mounts go with them."""
    for pid in started:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while time.monotonic() < end and (left := [
            group for pid in started for group in ground.CGROUP.glob(f"injection-{pid}-*")]):
        for group in left:
            with contextlib.suppress(OSError):
                (group / "cgroup.kill").write_text("1")
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        time.sleep(0.05)
    os._exit(1)


def start(target, *arguments_):
    process = multiprocessing.Process(target=target, args=arguments_)
    process.start()
    started.append(process.pid)
    return process


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, end_all)
    runtime = choose_runtime(given.runtime)
    programs = {runtime.name: runtime.path, "inject": os.environ["INJECT"],
                "readback": os.environ["READBACK"]}
    names = given.ways or configs.names(runtime.ours, given.quick)
    began = time.monotonic()
    found = all_points(runtime, programs, names)
    tasks = all_tasks(found, given.quick)
    if given.point:
        tasks = [t for t in tasks if t.point == given.point]
    tasks = [t for t in tasks if re.search(given.name, t.name) and re.search(given.file, t.path)]
    results, following = multiprocessing.Queue(), multiprocessing.Value("l", 0)
    for number in range(given.workers):
        start(worker, number, runtime, programs, names, tasks, following, results)
    counts, violations = collections.defaultdict(collections.Counter), []
    exempt = collections.Counter()
    left = given.seconds - (time.monotonic() - began)
    for task, kind, seen, name in collect(given.workers, results, left, following, tasks):
        if task and name != task.name:
            task = task._replace(name=name, path="")
        reason = exempted(task, kind, seen, runtime, found) if runtime.ours else None
        if reason:
            exempt[reason] += 1
            counts[task.way]["exempt"] += 1
            continue
        counts[task.way if task else ""][kind] += 1
        if kind not in (ways.CLEAN, ways.FULL, "not reached"):
            violations.append((task, kind, seen))
        if given.point:
            print(task, kind, *seen, sep="\n  ")
    tried = sum(c[kind] for c in counts.values()
                for kind in (ways.CLEAN, ways.FULL, ways.LESS, ways.LEFT, ways.OTHER, "exempt",
                             "not reached"))
    summary(found, counts, time.monotonic() - began, runtime, exempt, len(tasks) - tried)
    show(violations, given.out)
    if given.results:  # a way is a test
        failed = {task.way if task else "" for task, _, _ in violations}
        passed = [way for way in found if counts[way]["tried"] and way not in failed]
        skipped = len(set(found) - set(passed) - failed)
        pathlib.Path(given.results).write_text(f"{len(passed)} {len(failed)} {skipped}\n",
                                               encoding="utf-8")
    return 1 if violations and runtime.ours else 0


if __name__ == "__main__":
    sys.exit(main())
