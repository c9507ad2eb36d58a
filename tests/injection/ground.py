"""One worker's own ground for tests/injection/fail.py: mounts, a bundle, a caller whose own
attributes a workload must not get, a look at the container from outside, and at what is left."""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import subprocess
import time

HERE = pathlib.Path("/tmp/injection")  # a tmpfs of the worker's own: the same path for each
CGROUP = pathlib.Path("/sys/fs/cgroup")
libc = ctypes.CDLL(None, use_errno=True)
SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
SYS_SIGACTION = {"x86_64": 13, "aarch64": 134}[os.uname().machine]
# Compiled profiles come and go, but only whole and with these names.
KEPT = f"{HERE}/state/@seccomp( 40700|/[0-9a-f]{{16}} 100600) 0:0"
STATUS = 42  # what the workload ends with
LIMIT = 30  # seconds; nothing here takes one


def checked(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), what)
    return result


def mount(kind, place, options=""):
    checked(libc.mount(kind.encode(), str(place).encode(), kind.encode(), 0, options.encode()), place)


def own_part(line):
    """A line of mountinfo; of cgroup2 without the options that all mounts of it share: who else mounts
    it on this machine changes them."""
    return line.rpartition(" ")[0] if " - cgroup2 " in line else line


def become_a_bad_caller():
    """What a workload must not inherit: each of these shows in the read-back, if a step that
    resets it was left out."""
    os.setgroups([4, 27])
    os.umask(0o077)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    for number in (32, 33):
        ignore = (1).to_bytes(8, "little") + bytes(24)
        libc.syscall(SYS_SIGACTION, number, ignore, None, 8)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.dup2(os.open("/etc", os.O_RDONLY), 60, inheritable=True)
    # Below a page the kernel writes no core file into the working directory (binfmt_elf.c).
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (4095 if hard < 0 else min(4095, hard), hard))
    # Inheritable capabilities (CVE-2022-29162), through the header and data of capset(2).
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    checked(libc.capget(header, data), "capget")
    data[2], data[5] = data[1], data[4]
    checked(libc.capset(header, data), "capset")
    libc.prctl(47, 2, 18, 0, 0)  # PR_CAP_AMBIENT_RAISE, CAP_SYS_CHROOT
    libc.syscall(SYS_KEYCTL, 1, b"of-the-caller")  # KEYCTL_JOIN_SESSION_KEYRING
    pathlib.Path("/proc/self/oom_score_adj").write_text("7")


def device_programs(cgroup):
    """BPF_PROG_QUERY: the tags (hashes of the code) of what rules the cgroup's devices."""
    ids = (ctypes.c_uint32 * 16)()
    fd = os.open(cgroup, os.O_RDONLY)
    try:
        # target_fd, attach_type BPF_CGROUP_DEVICE, query_flags, attach_flags, prog_ids, prog_cnt
        query = bytearray(64)
        query[0:16] = b"".join(n.to_bytes(4, "little") for n in (fd, 6, 0, 0))
        query[16:24] = ctypes.addressof(ids).to_bytes(8, "little")
        query[24:28] = len(ids).to_bytes(4, "little")
        buffer = (ctypes.c_char * 64).from_buffer(query)
        if libc.syscall(SYS_BPF, 16, buffer, 64) < 0:
            return [f"errno {ctypes.get_errno()}"]
        return [program_tag(ids[i]) for i in range(int.from_bytes(query[24:28], "little"))]
    finally:
        os.close(fd)


def program_tag(number):
    """BPF_PROG_GET_FD_BY_ID and BPF_OBJ_GET_INFO_BY_FD: struct bpf_prog_info, type, id, tag."""
    attribute = (ctypes.c_uint32 * 4)(number, 0, 0, 0)
    fd = libc.syscall(SYS_BPF, 13, attribute, 16)
    if fd < 0:
        return f"errno {ctypes.get_errno()}"
    info = (ctypes.c_char * 16)()
    query = bytearray(16)
    query[0:8] = fd.to_bytes(4, "little") + (16).to_bytes(4, "little")
    query[8:16] = ctypes.addressof(info).to_bytes(8, "little")
    libc.syscall(SYS_BPF, 15, (ctypes.c_char * 16).from_buffer(query), 16)
    os.close(fd)
    return bytes(info)[8:16].hex()


class Done:
    """How a command ended. reached: the name of the call that failed, or nothing."""

    def __init__(self, status, out, err, log, reached):
        self.status, self.out, self.reached = status, out, reached
        self.messages = [line for line in err.splitlines() if line.strip()]
        self.err = err
        self.logged = [line for line in log.splitlines() if line.strip()]

    def one_message(self):
        """On stderr, or in the log when stderr itself was what failed; the same in both."""
        return (len(self.messages) <= 1 and len(self.logged) <= 1 and
                bool(self.messages or self.logged))


class Ground:
    """The worker's folder, runtime and bundles."""

    def __init__(self, number, runtime, programs):
        self.runtime, self.parent = runtime, f"injection-{os.getpid()}-{number}"
        self.held = None  # pid of the container that exec and the like go into
        files = {name: pathlib.Path(path).read_bytes() for name, path in programs.items()}
        checked(libc.unshare(0x00020000), "unshare")  # CLONE_NEWNS
        for place in ("/run", "/dev/shm", "/tmp"):
            mount("tmpfs", place, "mode=1777" if place != "/run" else "mode=755")
        (HERE / "bin").mkdir(parents=True)
        for name, content in files.items():
            (HERE / "bin" / name).write_bytes(content)
            (HERE / "bin" / name).chmod(0o755)
        HERE.chmod(0o755)
        libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        become_a_bad_caller()
        self.cgroups = CGROUP / self.parent
        self.cgroups.mkdir()
        with contextlib.suppress(OSError):
            (self.cgroups / "cgroup.subtree_control").write_text("+hugetlb")
        self.state, self.log, self.err = HERE / "state", HERE / "log", HERE / "err"
        self.report, self.trace = HERE / "report", HERE / "trace"
        self.own = {n: os.readlink(f"/proc/self/ns/{n}") for n in os.listdir("/proc/self/ns")}
        self.expected, self.first = None, self.look()

    def close(self):
        self.clean()
        with contextlib.suppress(OSError):
            self.cgroups.rmdir()

    def cgroup(self, name):
        return self.cgroups / name

    def command(self, *words):
        return [*self.runtime.command(HERE / "bin", self.state, self.log), *words]

    def bundle(self, name, config):
        """A small rootfs with all mount points in it, so that nobody has to make any."""
        bundle = HERE / name
        rootfs = bundle / "rootfs"
        for folder in "dev etc home proc root run sys tmp usr var/tmp data".split():
            (rootfs / folder).mkdir(parents=True, exist_ok=True)
        for path in [bundle, rootfs, *rootfs.rglob("*")]:
            path.chmod(0o755)
        for name_, text in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
                            ("group", "root:x:0:\n"), ("hosts", "127.0.0.1 localhost\n")):
            (rootfs / "etc" / name_).write_text(text)
            (rootfs / "etc" / name_).chmod(0o644)
        shutil.copy(HERE / "bin/readback", rootfs / "readback")
        config = json.loads(json.dumps(config).replace("@PARENT@", self.parent))
        (bundle / "config.json").write_text(json.dumps(config))
        (bundle / "config.json").chmod(0o644)
        return bundle

    def start(self, command, point=None, trace=False):
        """Starts a command under the tool; returns the process and its standard output."""
        for file in (self.log, self.report):
            file.unlink(missing_ok=True)
        tool = [str(HERE / "bin/inject"), "-r", str(self.report)]
        tool += ["-t", str(self.trace)] if trace else []
        tool += ["-p", point] if point else []
        self.err.write_bytes(b"")
        with open(self.err, "ab") as err:
            return subprocess.Popen([*tool, "--", *map(str, command)], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=err, close_fds=False,
                                    bufsize=0)

    def quiet(self, *words):
        """A command without a failure, for what must work before and after."""
        with open(HERE / "out", "wb") as out, open(HERE / "err2", "wb") as err:
            done = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, timeout=LIMIT,
                                  stdout=out, stderr=err, check=False)
        return done.returncode, (HERE / "out").read_text(), (HERE / "err2").read_text().strip()

    def done(self, status, out=""):
        """How the command of start() ended."""
        texts = [f.read_text(errors="replace") if f.exists() else ""
                 for f in (self.err, self.log, self.report)]
        words = texts[2].split()
        return Done(status, out, texts[0], texts[1], words[3] if words[:1] == ["reached"] else "")

    def look_outside(self, name):
        """What only the host can see of the container: its cgroup, limits, device rules."""
        place = self.cgroup(name)
        lines = []
        with contextlib.suppress(OSError):
            lines.append(f"outside: {len((place / 'cgroup.procs').read_text().split())} in the cgroup")
            for file in sorted(os.listdir(place)):
                if file.endswith((".max", ".min", ".low", ".high", ".weight", ".group", ".control",
                                  ".cpus", ".mems", ".bfq")):
                    lines.append(f"outside: {file} {(place / file).read_text().split()}")
            lines.append(f"outside: device programs {device_programs(place)}")
        return lines

    def normal(self, text):
        """A read-back without what differs at each start: namespaces become whose they are."""
        spaces = {}
        if self.held:
            with contextlib.suppress(OSError):
                for kind in os.listdir(f"/proc/{self.held}/ns"):
                    spaces[os.readlink(f"/proc/{self.held}/ns/{kind}")] = "the container's"
        spaces.update({link: "the host's" for link in self.own.values()})
        lines = []
        for line in text.splitlines():
            if line.startswith("namespace "):
                what, _, link = line.partition(": ")
                line = f"{what}: {spaces.get(link, 'new')}"
            lines.append(own_part(line))
        return lines

    def children(self):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        pids = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return {f"process {pid}" for pid in pids if int(pid) != (self.held or 0)}

    def look(self):
        """All that a command could leave."""
        found = self.children()
        found |= {f"cgroup {e.name}" for e in os.scandir(self.cgroups) if e.is_dir()}
        found |= {f"mount {own_part(line)}" for line in
                  pathlib.Path("/proc/self/mountinfo").read_text().splitlines()}
        for top in ("/run", "/dev/shm", "/tmp"):
            for folder, names, files in os.walk(top):
                for name in names + files:
                    path = f"{folder}/{name}"
                    with contextlib.suppress(OSError):
                        mode = os.lstat(path)
                        found.add(f"{path} {mode.st_mode:o} {mode.st_uid}:{mode.st_gid}")
        return {f for f in found if not f.startswith(tuple(f"{HERE}/{n} " for n in
                                                           ("log", "err", "err2", "out", "report",
                                                            "trace")))
                and not re.fullmatch(KEPT, f)}

    def forget_profiles(self):
        """As before the first container with them."""
        shutil.rmtree(self.state / "@seccomp", ignore_errors=True)

    def remember(self):
        self.expected = self.look()

    def left(self):
        """What is there that was not; a process that was killed takes a moment to be gone."""
        end = time.monotonic() + 3
        while True:
            new = self.look() ^ self.expected
            if not new or time.monotonic() > end:
                return sorted(new)
            time.sleep(0.005)

    def clean(self):
        """Takes away what a command left, by force."""
        self.held = None
        for process in self.children():
            with contextlib.suppress(OSError):
                os.kill(int(process.split()[1]), signal.SIGKILL)
        for name in [e.name for e in os.scandir(self.cgroups) if e.is_dir()]:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(self.command("delete", "--force", name), timeout=LIMIT,
                               capture_output=True, check=False)
        for folder in [self.cgroups / e.name for e in os.scandir(self.cgroups) if e.is_dir()]:
            with contextlib.suppress(OSError):
                (folder / "cgroup.kill").write_text("1")
        end = time.monotonic() + 3
        while self.children() and time.monotonic() < end:
            time.sleep(0.01)
        for folder, _, _ in os.walk(self.cgroups, topdown=False):
            with contextlib.suppress(OSError):
                if folder != str(self.cgroups):
                    os.rmdir(folder)
        shutil.rmtree(self.state, ignore_errors=True)
        new = self.look() - self.first
        for line in sorted((line for line in new if line.startswith("mount ")), reverse=True):
            libc.umount2(line.split()[5].encode(), 2)  # MNT_DETACH
        for path in sorted((line.split()[0] for line in new
                            if line.startswith("/") and not line.startswith(f"{HERE}/")), reverse=True):
            with contextlib.suppress(OSError):
                os.rmdir(path) if os.path.isdir(path) else os.unlink(path)


def wait_end(process, seconds=LIMIT):
    """The exit status; None when it hangs."""
    if process.returncode is not None:
        return process.returncode
    pidfd = os.pidfd_open(process.pid)
    try:
        ready = select.select([pidfd], [], [], seconds)[0]
    finally:
        os.close(pidfd)
    if not ready:
        process.kill()
        process.wait()
        return None
    return process.wait()


def read_to_end(stream, seconds=LIMIT):
    """What comes until the read-back says END, or nobody is left to write."""
    text, end = b"", time.monotonic() + seconds
    while not text.endswith(b"\nEND\n"):
        if not select.select([stream], [], [], max(0, end - time.monotonic()))[0]:
            break
        more = os.read(stream.fileno(), 1 << 20)
        if not more:
            break
        text += more
    return text.decode(errors="replace")
