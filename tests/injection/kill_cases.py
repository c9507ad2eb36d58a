"""What tests/injection/kill.py kills: each command of runsafe with what must be there before it."""

import array
import contextlib
import fcntl
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

import ground  # noqa: E402
import harness  # noqa: E402
from ground import HERE  # noqa: E402
from kill_bundles import (BUNDLES, DEVICE, INSIDE, LISTENERS, MANAGER, PEER,  # noqa: E402
                          VETH)
import workload  # noqa: E402

PID_FILE = HERE / "pid"
LIMIT = 120  # seconds: others may load the machine
PROGRAMS = "sh sleep cat true".split()
NOT_THERE = "container does not exist"
ADDRESS = "192.0.2.1"
SET_UP = (VETH, f"ip address add {ADDRESS}/24 dev {DEVICE}", f"ip link set {DEVICE} up")


class Wrong(Exception):
    """What is not as it should be after a kill."""


class Program:
    """How ground.Ground calls it."""

    def __init__(self):
        self.options = ["--cgroup=available"] if harness.why_no_limits() else []

    def command(self, binaries, state, log):
        return [str(binaries / "runsafe"), "--root", str(state), "--log", str(log), *self.options]


class Ground(ground.Ground):
    """With bundles as engines write them, and sockets that take what a runtime hands over."""

    def __init__(self, number, programs):
        super().__init__(number, Program(), programs)
        os.umask(0o022)
        self.template = HERE / "template"
        self.template.mkdir()
        harness.make_template(self.template)
        for path in (self.template / "bin").iterdir():
            if path.name not in [*PROGRAMS, "busybox"]:
                path.unlink()
        done = subprocess.run([HERE / "bin/runsafe", "spec"], capture_output=True, check=True)
        self.spec = json.loads(done.stdout)
        self.taken = []
        for path in LISTENERS.values():
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(path))
            path.chmod(0o777)
            listener.listen(16)
            threading.Thread(target=self.take, args=(listener,), daemon=True).start()

        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        manager.bind(str(MANAGER))
        threading.Thread(target=self.listen, args=(manager,), daemon=True).start()
        ground.checked(ground.libc.unshare(0x40000000), "unshare")  # CLONE_NEWNET

    @staticmethod
    def listen(manager):
        """A service manager: what is ready is heard."""
        while manager.recv(4096):
            pass

    @property
    def id(self):
        return f"{self.parent}-c"

    def take(self, listener):
        """A terminal's master is kept for a while, as by an engine; an agent answers nobody, since
        no workload here makes a call that is notified."""
        while True:
            connection, _ = listener.accept()
            with connection:
                _, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(16))
                for _, _, content in control:
                    fds = array.array("i")
                    fds.frombytes(content)
                    self.taken.append(list(fds))
            while len(self.taken) > 4:
                for fd in self.taken.pop(0):
                    os.close(fd)

    def engines_bundle(self):
        os.chown(HERE / "bin/runsafe", 0, 0)
        shutil.rmtree(HERE / "bundle", ignore_errors=True)
        bundle = harness.Bundle(HERE / "bundle", self.spec, self.template)
        bundle.set("linux.cgroupsPath", f"/{self.parent}/{self.id}")
        return workload.as_engine(bundle).args("/bin/sleep", "1000")

    def quiet(self, *words):
        """Reaps meanwhile what a killed runtime leaves to us, as init does, or a shim: a pid namespace
        is not gone before that."""
        with open(HERE / "out", "wb") as out, open(HERE / "err2", "wb") as err:
            process = subprocess.Popen(self.command(*map(str, words)), stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=err)
        pidfd, tries = os.pidfd_open(process.pid), LIMIT * 200
        while tries and not select.select([pidfd], [], [], 0.005)[0]:
            tries -= 1
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended and ended.si_pid != process.pid:
                os.waitpid(ended.si_pid, 0)
        os.close(pidfd)
        if not tries:
            process.kill()
        status = process.wait()
        said = (HERE / "err2").read_text().strip() or ("" if tries else "it hangs")
        return status, (HERE / "out").read_text(), said

    def look(self):
        own = ground.CGROUP / "runsafe" / self.id
        return super().look() | ({f"cgroup {own}"} if own.exists() else set())


class Case:
    """One command. """

    statuses = ("created", "running", "stopped")
    options = ()
    again = False  # a second create, where before() makes none

    def __init__(self, here, bundle):
        self.here, self.bundle, self.attached, self.id = here, bundle, None, here.id
        self.input = None
        self.volume = HERE / "engine/volumes/one/_data"

    # --- what is there before

    def ok(self, *words):
        status, out, err = self.here.quiet(*words)
        if status or err:
            raise Wrong(f"{' '.join(map(str, words))}: status {status}: {err}")
        return out

    def create(self):
        console = ["--console-socket", LISTENERS["console"]] if self.terminal() else []
        return ["create", "-b", self.bundle.path, "--pid-file", PID_FILE, *console, self.id]

    def terminal(self):
        return self.bundle.config["process"].get("terminal")

    def before(self):
        self.ok(*self.create())

    def new_volume(self):
        if self.volume.exists():
            self.volume.rmdir()
        self.volume.parent.mkdir(parents=True, exist_ok=True)
        for place in [self.volume.parent, *self.volume.parents[1:3]]:
            place.chmod(0o700)
        self.volume.mkdir(mode=0o755)
        if self.bundle.config["linux"].get("uidMappings"):
            os.chown(self.volume, 100000, 100000)
        if self.bundle.config["linux"].get("netDevices"):
            self.new_device()

    def new_device(self):
        """With a device that was moved its peer goes, too, when the namespace does: a moment later.
        One that was not moved is as it was."""
        names = []

        def settled():
            names[:] = {name for _, name in socket.if_nameindex()} & {DEVICE, PEER, INSIDE}
            return sorted(names) in ([], [DEVICE, PEER])

        if harness.wait_for(settled) and (not names or self.device_is_set_up()):
            for words in () if names else SET_UP:
                subprocess.run(words.split(), check=True)
            return
        for name in names:
            subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)
        raise Wrong(f"of the device and its peer {names} are on the host, or it is not set up")

    @staticmethod
    def device_is_set_up():
        request = DEVICE.encode().ljust(40, b"\0")
        with socket.socket() as any_, contextlib.suppress(OSError):
            address = fcntl.ioctl(any_, 0x8915, request)[20:24]  # SIOCGIFADDR
            flags = fcntl.ioctl(any_, 0x8913, request)[16]  # SIOCGIFFLAGS
            return socket.inet_ntoa(address) == ADDRESS and bool(flags & 1)
        return False

    # --- the command

    def words(self):
        raise NotImplementedError

    def go(self, *options):
        """Runs it under inject; returns its exit status and what was reached."""
        here = self.here
        here.report.unlink(missing_ok=True)
        tool = [HERE / "bin/inject", "-r", str(here.report), *options]
        if self.attached:
            tool += ["-a", str(self.attached)]
        command = [*tool, "--", *map(str, here.command(*self.words()))]
        with open(here.err, "wb") as err:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=err, stderr=err,
                                       bufsize=0)
        self.meanwhile(process)
        status = ground.wait_end(process, LIMIT)
        self.input = process.stdin  # a workload that is there lives on
        if status is None:
            raise Wrong("it hangs: " + here.err.read_text(errors="replace"))
        return status, here.report.read_text().strip()

    def meanwhile(self, process):
        pass

    def trace(self):
        """The points: how many calls each process makes when nobody disturbs it."""
        self.start()
        self.go("-t", str(self.here.trace))
        lines = self.here.trace.read_text(errors="replace").splitlines()
        self.after("")
        return [(int(p), int(c), name) for p, c, name, *_ in (line.split(" ") for line in lines)]

    # --- what must hold afterwards

    def start(self):
        self.new_volume()
        self.attached = None
        self.before()
        if hasattr(self.bundle, "cold"):
            self.here.forget_profiles()

    def attempt(self, point):
        """Kills at the point. Returns what was reached; raises Wrong."""
        self.start()
        _, reached = self.go("-p", point)
        self.after(reached)
        return reached

    def after(self, reached):
        here = self.here
        there = self.look_at_state()
        self.look_at_list(there)
        self.ok("delete", "--force", self.id)
        self.input.close()
        if self.again:
            self.new_volume()
            self.ok(*self.create())
            self.ok("delete", "--force", self.id)
        PID_FILE.unlink(missing_ok=True)
        self.new_volume()
        left = here.left()
        if left:
            raise Wrong(f"left behind: {left}")

    def look_at_state(self):
        """Returns the status, or None where there is no container."""
        status, out, err = self.here.quiet("state", self.id)
        if status == 1 and NOT_THERE in err and not out:
            return None
        if status or err:
            raise Wrong(f"state: status {status}: {err}")
        state = json.loads(out)
        if state["status"] not in self.statuses:
            raise Wrong(f"state says {state['status']}, expected one of {self.statuses}")
        if (state["status"] == "stopped") != (state["pid"] == 0):
            raise Wrong(f"state says {state['status']} and pid {state['pid']}")
        if state["pid"]:
            self.look_at_process(state["status"], state["pid"])
        return state["status"]

    @staticmethod
    def look_at_process(status, pid):
        """Created is what has not run the workload yet."""
        try:
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            return  # it has just ended
        # Sealed, it is a mount of the file that hangs nowhere.
        runtime = program.endswith("/runsafe") or program.startswith("/memfd:") or program == "/"
        if runtime != (status == "created"):
            raise Wrong(f"state says {status}, and the process is {program}")

    def look_at_list(self, there):
        listed = json.loads(self.ok("list", "-f", "json")) or []
        found = [c["status"] for c in listed if c["id"] == self.id]
        if len(listed) != len(found) or bool(found) != bool(there):
            raise Wrong(f"list says {listed}, state {there}")


class Create(Case):
    again = True

    def before(self):
        pass

    def words(self):
        return self.create()


class Start(Case):
    """With the container's process, which waits at its gate: it walks on."""

    def before(self):
        super().before()
        self.attached = int(PID_FILE.read_text())

    def words(self):
        return ["start", self.id]


class Run(Case):
    """In the foreground: the workload lives until its standard input ends, which is when runsafe
    only waits for it, or when it is gone itself."""

    again = True

    def __init__(self, here, bundle):
        super().__init__(here, bundle)
        *shell, script = bundle.config["process"]["args"]
        bundle.args(*shell, script.replace("sleep 1000", "cat")) if shell[0] == "/bin/sh" else \
            bundle.args("/bin/cat")
        bundle.set("process.terminal", False)

    def before(self):
        pass

    def words(self):
        return ["run", "-b", self.bundle.path, "--pid-file", PID_FILE, self.id]

    def go(self, *options):
        traced = () if "-t" in options else ("-t", str(self.here.trace))
        self.here.trace.unlink(missing_ok=True)
        return super().go(*traced, *options)

    def meanwhile(self, process):
        """Until the last that it did is to begin waiting."""
        pidfd, size = os.pidfd_open(process.pid), -1
        for _ in range(1000):
            if select.select([pidfd], [], [], 0.004)[0]:
                break
            try:
                text = self.here.trace.read_bytes()
            except OSError:
                continue
            if len(text) == size and text.endswith(b" poll \n"):
                process.stdin.close()
                break
            size = len(text)
        os.close(pidfd)


class RunDetached(Case):
    again = True

    def before(self):
        pass

    def words(self):
        return ["run", "--detach", *self.create()[1:]]


class Running(Case):
    statuses = ("running",)

    def before(self):
        super().before()
        self.ok("start", self.id)


class Exec(Running):
    def words(self):
        return ["exec", self.id, "/bin/true"]


class ExecDetached(Running):
    def words(self):
        terminal = ["--tty", "--console-socket", LISTENERS["console"]] if self.terminal() else []
        return ["exec", "--detach", *terminal, "--pid-file", PID_FILE, self.id, "/bin/sleep", "1000"]


class Update(Running):
    def words(self):
        return ["update", "--resources", HERE / "resources.json", self.id]

    def before(self):
        super().before()
        have = (ground.CGROUP / "cgroup.controllers").read_text().split()
        limits = {"pids": {"limit": 50}} if "pids" in have else {}
        if {"cpu", "memory"} <= set(have):
            limits.update(cpu={"quota": 50000, "period": 100000}, memory={"limit": 128 << 20})
        (HERE / "resources.json").write_text(json.dumps(limits))


class Pause(Running):
    statuses = ("running", "paused")

    def words(self):
        return ["pause", self.id]


class Resume(Running):
    statuses = ("running", "paused")

    def before(self):
        super().before()
        self.ok("pause", self.id)

    def words(self):
        return ["resume", self.id]


class Kill(Running):
    statuses = ("running", "stopped")

    def words(self):
        return ["kill", self.id, "KILL"]


class Delete(Running):
    statuses = ("stopped",)

    def before(self):
        super().before()
        self.ok("kill", self.id, "KILL")
        harness.wait_for(lambda: not self.here.children())

    def words(self):
        return ["delete", self.id]


class DeleteCreated(Case):
    statuses = ("created", "stopped")

    def words(self):
        return ["delete", self.id]


class DeleteForced(Running):
    statuses = ("running", "stopped")

    def words(self):
        return ["delete", "--force", self.id]


COMMANDS = {
    "create": Create, "start": Start, "run": Run, "run-detached": RunDetached, "exec": Exec,
    "exec-detached": ExecDetached, "update": Update, "pause": Pause, "resume": Resume,
    "kill": Kill, "delete": Delete, "delete-created": DeleteCreated,
    "delete-forced": DeleteForced,
}


def all_cases():
    return [(command, bundle) for bundle in BUNDLES for command in COMMANDS]


def make(here, command, bundle):
    """The case on a worker's own ground."""
    os.environ.pop("NOTIFY_SOCKET", None)
    return COMMANDS[command](here, BUNDLES[bundle](here))
