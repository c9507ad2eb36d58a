"""Drives the built runsafe as a user does: bundles, commands, and a look at what is left behind.

The environment says what to test: RUNSAFE (the program), RUNSAFE_ALONE=1 (nobody else uses this
machine, so every new process, cgroup or file is ours: set in the virtual machine).
"""

import contextlib
import copy
import ctypes
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

RUNSAFE = os.environ.get("RUNSAFE", str(pathlib.Path(__file__).parents[2] / "runsafe"))
ALONE = os.environ.get("RUNSAFE_ALONE") == "1"
CGROUP = pathlib.Path("/sys/fs/cgroup")
KEPT = "@seccomp"  # in the folder of states: compiled profiles
# tests/vm/run -i systemd
SYSTEMD = pathlib.Path("/proc/1/comm").read_text().strip() == "systemd"
REAL_ROOT = pathlib.Path("/srv/rootfs-debian")
# Under software emulation everything takes twenty times as long.
TIME_LIMIT = 60

# What a person may rely on in the test rootfs, beside busybox' programs.
PASSWD = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
GROUP = "root:x:0:\ndaemon:x:1:\nusers:x:100:\n"
DIRECTORIES = "bin dev etc home opt proc root run sbin srv sys tmp usr/bin usr/lib usr/sbin var/tmp"

# capabilities(7), by number.
CAPABILITIES = ["CAP_" + name for name in """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
""".split()]


def wait_for(condition, seconds=20):
    """Whether condition() becomes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def why_no_limits():
    """Why limits can not be applied here; None when they can."""
    try:
        controllers = (CGROUP / "cgroup.controllers").read_text().split()
    except OSError:
        return f"no cgroup v2 at {CGROUP}: this host runs cgroup v1 or hybrid"
    missing = {"cpu", "memory", "pids"} - set(controllers)
    return f"cgroup v2 here has no controller {', '.join(sorted(missing))}" if missing else None


def mounts():
    """What is mounted where in our own mount namespace."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        return {(line.split()[4], line.split(" - ")[1].split()[0]) for line in f}


def cgroups():
    """All cgroups but, where others are at work too, theirs. One that lies deeper than any of a
    container is told by those above it: others make them a thousand deep."""
    found = set()
    for folder, below, _ in os.walk(CGROUP):
        found.add(folder)
        if folder.count("/") > 40:
            below.clear()
    return found


def top_files():
    """The files that a careless program would leave lying about."""
    found = {str(p) for top in ("/run", "/tmp", "/dev/shm", "/") for p in pathlib.Path(top).iterdir()}
    return found - {"/run/mount"}  # mount(8)'s own, made by the first test that uses it


def kept_filters(root):
    """The files of compiled profiles; None when anything else is there, or too much."""
    files = list((pathlib.Path(root) / KEPT).glob("*")) + list((pathlib.Path(root) / KEPT).glob(".*"))
    well = all(re.fullmatch("[0-9a-f]{16}", f.name) and f.is_file() for f in files)
    return sorted(files) if well and len(files) <= 64 else None


def is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def children():
    """Processes that run below us: an orphan comes to us, since we are a subreaper."""
    found, queue = [], [os.getpid()]
    while queue:
        for task in pathlib.Path(f"/proc/{queue.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                pids = [int(p) for p in task.read_text().split()]
                found += pids
                queue += pids
    return [p for p in found if not is_zombie(p)]


def become_subreaper():
    """prctl(PR_SET_CHILD_SUBREAPER)."""
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)


def default_signals():
    """A shell starts background jobs with INT and QUIT ignored; make, by glibc's posix_spawn, all
    jobs with 32 and 33, which only the bare system call rt_sigaction resets."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    rt_sigaction = {"x86_64": 13, "aarch64": 134}[os.uname().machine]
    for number in (32, 33):
        ctypes.CDLL(None).syscall(rt_sigaction, number, bytes(32), None, 8)


def reap():
    """Takes orphans' exit statuses, so that only what still runs is below us."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "(gone)"


class Result:
    """What a command came back with."""

    def __init__(self, args, status, out, err):
        self.args, self.status, self.out, self.err = args, status, out, err
        self.out_path = None

    def __repr__(self):
        return (f"\n$ {' '.join(map(str, self.args))}\nstatus {self.status}\n--- stdout\n"
                f"{self.out[-3000:]}\n--- stderr\n{self.err[-3000:]}")

    @property
    def lines(self):
        return self.out.splitlines()

    def facts(self):
        """Lines of NAME=VALUE, or NAME: VALUE as in /proc/self/status, as a dict."""
        facts = {}
        for line in self.lines:
            for separator in ("=", ":"):
                name, found, value = line.partition(separator)
                if found and " " not in name:
                    facts[name] = value.strip()
                    break
        return facts


class Bundle:
    """A bundle of its own: a busybox rootfs and a config.json that starts as `spec` prints it."""

    def __init__(self, path, config, template):
        self.path = pathlib.Path(path)
        self.rootfs = self.path / "rootfs"
        self.config = copy.deepcopy(config)
        self.path.mkdir(parents=True)
        copy_rootfs(template, self.rootfs)
        self.config["process"]["terminal"] = False
        self.config["root"]["path"] = "rootfs"
        self.write()

    def write(self, text=None):
        """Writes config.json: the config as it now is, or any text or bytes instead."""
        text = json.dumps(self.config, indent=1) if text is None else text
        if isinstance(text, str):
            text = text.encode()
        (self.path / "config.json").write_bytes(text)
        return self

    def args(self, *words):
        self.config["process"]["args"] = list(words)
        return self.write()

    def sh(self, script):
        """Makes the workload a shell script."""
        return self.args("/bin/sh", "-c", script)

    def set(self, path, value):
        """set("linux.resources.memory.limit", 5): makes what is missing on the way; numbers index
        lists. Writes config.json."""
        *way, last = path.split(".")
        place = self.config
        for key in way:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
        return self.write()

    def drop(self, path):
        """Takes a key out."""
        *way, last = path.split(".")
        place = self.config
        for key in way:
            place = place[int(key)] if isinstance(place, list) else place[key]
        del place[int(last) if isinstance(place, list) else last]
        return self.write()

    def mount(self, **mount):
        self.config.setdefault("mounts", []).append(mount)
        return self.write()

    def namespace(self, kind, path=None, drop=False):
        """Makes the namespace a new one, one by path, or drops it from the list."""
        spaces = [n for n in self.config["linux"]["namespaces"] if n["type"] != kind]
        if not drop:
            spaces.append({"type": kind} if path is None else {"type": kind, "path": str(path)})
        self.config["linux"]["namespaces"] = spaces
        return self.write()

    def cap(self, *names):
        """All five sets."""
        sets = ("bounding", "effective", "inheritable", "permitted", "ambient")
        self.config["process"]["capabilities"] = {s: list(names) for s in sets}
        return self.write()

    def annotate(self, **annotations):
        """annotate(tmpfs="/x") sets io.runsafe.tmpfs."""
        place = self.config.setdefault("annotations", {})
        place.update({f"io.runsafe.{name}": value for name, value in annotations.items()})
        return self.write()

    def file(self, path, text, mode=0o644):
        """A file in the rootfs."""
        place = self.rootfs / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
        place.chmod(mode)
        return place

    def real_root(self):
        """Takes the small Debian of the virtual machine as rootfs (read-only shared)."""
        self.config["root"]["path"] = str(REAL_ROOT)
        return self.write()

    def listing(self):
        """All that the bundle holds, to see that nothing was added or changed."""
        found = {}
        for folder, names, files in os.walk(self.path):
            for name in names + files:
                stat = os.lstat(os.path.join(folder, name))
                found[os.path.join(folder, name)] = (stat.st_mode, stat.st_uid, stat.st_size)
        return found


def make_template(path):
    """A busybox root file system with all of its programs, owned by root."""
    busybox = shutil.which("busybox", path="/bin:/usr/bin")
    for name in DIRECTORIES.split():
        (path / name).mkdir(parents=True)
    for name, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o700)):
        (path / name).chmod(mode)
    shutil.copy(busybox, path / "bin/busybox")
    for name in subprocess.run([busybox, "--list"], capture_output=True, text=True,
                               check=True).stdout.split():
        if name != "busybox":
            (path / "bin" / name).symlink_to("busybox")
    (path / "etc/passwd").write_text(PASSWD)
    (path / "etc/group").write_text(GROUP)
    (path / "etc/hosts").write_text("127.0.0.1 localhost\n")


def copy_rootfs(template, to):
    """A copy to spoil; only bin, with its hundreds of names, is made of links."""
    shutil.copytree(template, to, symlinks=True,
                    ignore=lambda folder, names: ["bin"] if folder == str(template) else [])
    subprocess.run([template / "bin/busybox", "cp", "-al", template / "bin", to], check=True)


class Runsafe:
    """The program under test with its own --root and --log, and global options as asked for."""

    def __init__(self, folder, *options):
        self.folder = pathlib.Path(folder)
        self.root = self.folder / "state"
        self.log = self.folder / "log"
        self.options = list(options)
        if why_no_limits() and not any(str(o).startswith("--cgroup") for o in options):
            self.options.append("--cgroup=available")
        self.count = itertools.count(1)
        self.outputs = {}
        # The cgroups of our own containers carry this, also where others are at work.
        self.prefix = f"t{os.getpid():x}{time.monotonic_ns() & 0xffffff:x}"

    def with_options(self, *options):
        """The same with other global options (--policy, --allow ...)."""
        other = copy.copy(self)
        other.options = self.options + list(options)
        return other

    def id(self, name="c"):
        return f"{self.prefix}-{name}{next(self.count)}"

    def command(self, *args):
        return [RUNSAFE, "--root", str(self.root), "--log", str(self.log), "--log-format", "json",
                *map(str, self.options), *map(str, args)]

    def __call__(self, *args, stdin="", env=None, cwd=None, timeout=TIME_LIMIT, **more):
        """Runs a command to its end. Its output goes to files: a detached workload that keeps
        stdout open must not keep us waiting."""
        command = self.command(*args)
        number = next(self.count)
        out, err = self.folder / f"out{number}", self.folder / f"err{number}"
        with open(out, "wb") as o, open(err, "wb") as e:
            done = subprocess.run(command, input=stdin.encode(), stdout=o, stderr=e, env=env,
                                  cwd=cwd, timeout=timeout, check=False, **more)
        result = Result(command, done.returncode, out.read_text(errors="replace"),
                        err.read_text(errors="replace"))
        result.out_path = out
        return result

    def start_process(self, *args, **more):
        """The command as a Popen, for what goes on while it runs."""
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE, "text": True, **more}
        return subprocess.Popen(self.command(*args), **more)

    def ok(self, *args, **more):
        """Must succeed, and a command that succeeds writes nothing to stderr or the log."""
        result = self(*args, **more)
        assert result.status == 0, result
        assert result.err == "", result
        assert not self.log.exists() or self.log.read_text() == "", self.log.read_text()
        return result

    def run(self, bundle, *options, **more):
        """`run` with a new id; whatever status the workload ends with."""
        return self("run", *options, "-b", bundle.path, self.id(), **more)

    def run_ok(self, bundle, *options, **more):
        result = self.run(bundle, *options, **more)
        assert result.status == 0, result
        return result

    def sh(self, bundle, script, **more):
        """Runs a shell script as the workload; it must succeed."""
        return self.run_ok(bundle.sh(script), **more)

    def create(self, bundle, *options, **more):
        """Creates a container and returns its id."""
        name = self.id()
        self.outputs[name] = self.ok("create", *options, "-b", bundle.path, name, **more).out_path
        return name

    def output(self, name):
        """What the workload of a created container has written to its stdout until now."""
        return self.outputs[name].read_text(errors="replace")

    def start(self, name):
        self.ok("start", name)

    def running(self, bundle, *options):
        """A container that runs until it is killed."""
        name = self.create(bundle.args("/bin/sleep", "1000"), *options)
        self.start(name)
        return name

    def state(self, name):
        return json.loads(self.ok("state", name).out)

    def status(self, name):
        return self.state(name)["status"]

    def wait_status(self, name, status):
        assert wait_for(lambda: self.status(name) == status), self.state(name)

    def delete(self, name, *options):
        self.ok("delete", *options, name)

    def fails(self, *args, words=(), status=1, **more):
        """Must fail: with status, one sentence on stderr that holds all the words, the same in
        the log as one line of JSON as engines read it. Returns the sentence."""
        self.log.unlink(missing_ok=True)
        result = self(*args, **more)
        assert result.status == status, result
        assert self.log.exists(), f"nothing in the log {result}"
        lines = self.log.read_text().splitlines()
        assert len(lines) == 1, (lines, result)
        entry = json.loads(lines[0])
        assert entry["level"] == "error", entry
        assert entry["time"][10] == "T", entry
        # On a terminal a line break in it would be a line of its own.
        assert entry["msg"].replace("\n", "\\n") in result.err, (entry, result)
        for word in words:
            assert word.lower() in entry["msg"].lower(), (word, entry["msg"])
        self.log.unlink()
        return entry["msg"]

    def create_fails(self, bundle, *words, options=()):
        """create of this bundle fails with these words and leaves nothing behind."""
        left = Leftovers(self)
        before = bundle.listing()
        message = self.fails("create", *options, "-b", bundle.path, self.id(), words=words)
        left.check()
        assert bundle.listing() == before
        return message

    def ids(self):
        """All that lies in the folder of states but what belongs there."""
        if not self.root.exists():
            return []
        found = {p.name for p in self.root.iterdir()}
        return sorted(found - {KEPT} if kept_filters(self.root) is not None else found)

    def clean(self):
        """Ends what the test left on purpose."""
        for name in self.ids():
            self("delete", "--force", name)


class Leftovers:
    """What is there now; check() fails when there is more later."""

    def __init__(self, runsafe):
        self.runsafe = runsafe
        self.before = self.look()

    def look(self):
        reap()
        found = {("process", p) for p in children()}
        found |= {("mount", *m) for m in mounts()}
        found |= {("cgroup", c) for c in cgroups() if ALONE or self.runsafe.prefix in c}
        found |= {("state folder", s) for s in self.runsafe.ids()}
        if ALONE:
            found |= {("file", f) for f in top_files()}
        return found

    def new(self):
        return self.look() - self.before

    def check(self):
        # A process that was killed takes a moment to be gone.
        wait_for(lambda: not self.new(), 5)
        new = sorted(map(str, self.new()))
        commands = [f"{p}: {cmdline(p)}" for kind, p, *_ in self.new() if kind == "process"]
        assert not new, f"left behind: {new} {commands}"


def send(pid, name):
    os.kill(pid, getattr(signal, f"SIG{name}"))


def mounted_in(result):
    """What `cat /proc/self/mountinfo` printed, by mount point: the last mount there counts."""
    return {line.split()[4]: Mount(line) for line in result.lines if " - " in line}


class Mount:
    """A line of /proc/PID/mountinfo (proc_pid_mountinfo(5))."""

    def __init__(self, line):
        left, right = line.split(" - ")
        _, _, _, self.source_path, self.place, options, *self.propagation = left.split()
        self.type, self.source, data = right.split()[:3]
        self.options, self.data = set(options.split(",")), set(data.split(","))

    def __repr__(self):
        return f"{self.place} {self.type} {self.options} {self.propagation} {self.data}"


@contextlib.contextmanager
def host_mount(place, *arguments):
    """mount(8) on the host for the time of a test; -n: it keeps no file in /run/mount."""
    subprocess.run(["mount", "-n", *map(str, arguments), str(place)], check=True)
    try:
        yield pathlib.Path(place)
    finally:
        subprocess.run(["umount", "-n", "-R", "-l", str(place)], check=False)
