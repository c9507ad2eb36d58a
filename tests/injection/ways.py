"""The commands of a runtime, each as one way to try a failing system call: what it begins with,
what must be true afterwards."""

import contextlib
import os
import pathlib
import re
import select
import signal
import time

import ground
from ground import STATUS

CLEAN, FULL = "failed cleanly", "ran fully protected"
LESS, LEFT, OTHER = "ran with less", "left something behind", "neither"
CRASHES = {128 + int(s) for s in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL,
                                  signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP, signal.SIGPIPE)}
AFTERWARDS = 0.02  # seconds that a command has to fail in, once its workload is seen to run
READBACK = ["/readback", "-s", str(STATUS)]


def difference(found, expected):
    """What the workload has that it should not, or has not and should."""
    return ([f"- {line}" for line in expected if line not in set(found)] +
            [f"+ {line}" for line in found if line not in set(expected)])


class Wrong(Exception):
    """A violation: its kind, and what was seen."""

    def __init__(self, kind, *seen):
        super().__init__(kind, *seen)
        self.kind, self.seen = kind, [str(s) for s in seen]


class Way:
    """One command with one config. expected is the undisturbed read-back or output."""

    words, reached = (), ""

    def __init__(self, ground_, name, shape, config):
        self.ground, self.name, self.shape = ground_, name, shape
        self.expected, self.status = None, 0
        self.bundle = ground_.bundle(f"bundle-{shape}", config)
        # What the read-back is to try is what the config promises.
        linux = config["linux"]
        self.paths = [*linux.get("maskedPaths", []), *linux.get("readonlyPaths", []),
                      *linux.get("sysctl_paths", []), "/", "/etc", "/sys", "/sys/fs/cgroup",
                      "/tmp", "/var/tmp", "/dev/shm", "/run", "/data", "/etc/passwd"]

    def begin(self):
        """Once for each worker: warms up, and takes the undisturbed result."""
        self.once(None)  # fills what a runtime keeps between containers
        self.prepare()
        self.ground.remember()
        self.expected = self.once(None, learn=True)
        self.expected = self.once(None, learn=True)
        self.attempt(None)

    def prepare(self):
        """What must be there before the command."""

    def again(self):
        """After a violation: from a clean start."""
        self.ground.clean()
        self.once(None)
        self.prepare()
        self.ground.remember()

    def attempt(self, point):
        """One of CLEAN and FULL, or Wrong."""
        return self.once(point)

    def once(self, point, learn=False, trace=False):
        raise NotImplementedError

    def nothing_left(self):
        left = self.ground.left()
        if left:
            raise Wrong(LEFT, *left)

    def check_end(self, done):
        """What holds for every end: no hang, no crash, success without a word, and else one."""
        # Its status 1 is also a success, which is told by what it prints; 2 is a refusal.
        if self.name.startswith("check") and (done.status == 2 or done.messages and not done.out):
            done.status = 99
            done.messages = done.messages or ["refused"]
        if done.status is None:
            raise Wrong(OTHER, "hangs", done.err, done.out[-300:])
        died = re.search(r"killed by signal (\d+)", done.err + "".join(done.logged))
        if done.status in CRASHES or (died and died.group(1) != "9"):
            raise Wrong(OTHER, f"crashed: status {done.status}", done.err)
        if done.status == self.status and (done.messages or done.logged):
            raise Wrong(OTHER, "succeeded, and yet said", done.err, *done.logged)
        if done.status != self.status and done.status == 0:
            raise Wrong(OTHER, "status 0 instead of the workload's", done.err)
        if done.status != self.status and not done.one_message():
            raise Wrong(OTHER, f"status {done.status} with {len(done.messages)} messages",
                        done.err, *done.logged)

    def look_outside(self):
        """The process of exec that brought the workload in may need a moment more to be gone."""
        end = time.monotonic() + 1
        while True:
            lines = self.ground.look_outside("c")
            if not self.expected or set(lines) <= set(self.expected) or time.monotonic() > end:
                return lines
            time.sleep(0.01)

    def compare(self, readback, complete, outside):
        if not readback and not complete:
            return
        found = self.ground.normal(readback)
        if not complete:
            found = [line for line in found[:-1] if line not in set(self.expected)]
        more = difference(found + outside, self.expected) if complete else found
        if more:
            raise Wrong(LESS, *more)

    def end(self, process, out=""):
        """Lets the workload end, and waits for the command."""
        process.stdin.close()
        status = ground.wait_end(process)
        process.stdout.close()
        return self.noted(self.ground.done(status, out))

    def noted(self, done):
        """Keeps the name of the call that failed: a few more or fewer before it move the count."""
        self.reached = done.reached or self.reached
        return done


class Run(Way):
    """run and exec: the workload's own status comes back."""

    def argv(self):
        return self.ground.command("run", "-b", self.bundle, "c")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.status = STATUS

    def once(self, point, learn=False, trace=False):
        g = self.ground
        process = g.start(self.argv(), point, trace)
        out = ground.read_to_end(process.stdout)
        complete = out.endswith("END\n")
        outside = self.look_outside() if complete else []
        self.left_running = complete and self.leaves_it_running(process, point)
        done = self.end(process, out)
        if complete and done.status != self.status:  # it was ended meanwhile
            outside = [line for line in self.expected or [] if line.startswith("outside: ")]
        if learn:
            assert complete and done.status == self.status, (done.status, done.err, out[-500:])
            return g.normal(out) + outside
        if self.expected is None:
            return None
        if complete or out:
            self.compare(out, complete, outside)
        self.check_end(done)
        self.nothing_left()
        self.nobody_left()
        if self.left_running:
            raise Wrong(LEFT, "the command failed, and the workload ran on", done.err)
        if point and not done.reached:
            return None
        if done.status == self.status:
            if not complete:
                raise Wrong(OTHER, "the workload's status without a workload")
            return FULL
        return CLEAN

    def leaves_it_running(self, process, point):
        """Whether the command has ended before the workload, which waits for its stdin. Most have
        failed long ago, if at all: only what fails later needs a moment."""
        if not point:
            return False
        pidfd = os.pidfd_open(process.pid)
        try:
            late = not self.ground.report.exists() or not self.ground.report.stat().st_size
            if not select.select([pidfd], [], [], AFTERWARDS if late else 0)[0]:
                return False
        finally:
            os.close(pidfd)
        process.wait()  # before children() takes it
        end = time.monotonic() + 1
        while time.monotonic() < end:
            with contextlib.suppress(Wrong):
                self.nobody_left()
                if not self.ground.children():
                    return False
            time.sleep(0.005)
        return True

    def nobody_left(self):
        pass


class Cold(Run):
    """With a profile that has not been compiled before."""

    def once(self, point, learn=False, trace=False):
        self.ground.forget_profiles()
        return super().once(point, learn, trace)


class Held:
    """Mixed into the ways that need a container that goes on running."""

    def hold(self):
        g = self.ground
        status, _, err = g.quiet("run", "--detach", "-b", str(self.waiting), "c")
        assert status == 0, err
        g.held = int(re.search(r'"pid": *(\d+)', g.quiet("state", "c")[1]).group(1))

    def check_state(self, *wanted):
        status, out, err = self.ground.quiet("state", "c")
        found = re.search(r'"status": *"(\w+)"', out)
        if status or not found or found.group(1) not in wanted:
            raise Wrong(OTHER, f"afterwards state says {found and found.group(1)}, "
                               f"not {' or '.join(wanted)}", err)
        return found.group(1)


class Exec(Held, Run):
    """exec into a container that stays."""

    def argv(self):
        """crun takes the container's user and protections for its process only from a file."""
        if self.ground.runtime.ours:
            return self.ground.command("exec", "c", *READBACK, *self.paths)
        return self.ground.command("exec", "--process", ground.HERE / "process.json", "c")

    def begin(self):
        self.prepare()
        super().begin()

    def prepare(self):
        if self.ground.held is None:
            self.hold()

    def again(self):
        self.ground.clean()
        self.hold()
        self.once(None)
        self.ground.remember()

    def nobody_left(self):
        """In its pid namespace the first process is everybody's parent in the end."""
        held, cgroup = self.ground.held, self.ground.cgroup("c")
        procs = pathlib.Path(f"/proc/{held}/task/{held}/children").read_text().split()
        if cgroup.exists():
            procs += (cgroup / "cgroup.procs").read_text().split()
        if set(procs) - {str(held)}:
            raise Wrong(LEFT, f"processes {procs} in the container")


class Create(Way):
    """create, with a start that is not disturbed after it; Start: the other way round."""

    failing = "create"

    def once(self, point, learn=False, trace=False):
        g = self.ground
        disturbed = self.failing == "create"
        process = g.start(g.command("create", "-b", self.bundle, "c"),
                          point if disturbed else None, trace and disturbed)
        status = ground.wait_end(process)
        if not disturbed:
            assert status == 0, g.err.read_text()
            return self.go_on(process, point, learn, trace)
        done = self.noted(g.done(status))
        if learn or self.expected is None:
            assert status == 0, done.err
        if status != 0:
            process.stdin.close()
            out = ground.read_to_end(process.stdout, 1)
            process.stdout.close()
            if out:
                raise Wrong(LESS, "create failed, and the workload ran", done.err)
            self.check_end(done)
            self.nothing_left()
            return CLEAN if done.reached or not point else None
        self.check_end(done)
        result = self.go_on(process, None, learn)
        return None if point and not done.reached else result

    def go_on(self, process, point, learn, trace=False):
        """Starts the container that was created, and looks at the workload."""
        g = self.ground
        starter = g.start(g.command("start", "c"), point, trace)
        status = ground.wait_end(starter)
        starter.stdin.close()
        starter.stdout.close()
        done = self.noted(g.done(status))
        out = ground.read_to_end(process.stdout, ground.LIMIT if status == 0 else 0.3)
        complete = out.endswith("END\n")
        # Of one that start ended the processes are gone.
        outside = self.look_outside() if complete and status == 0 else []
        if complete and status != 0:
            outside = [line for line in self.expected if line.startswith("outside: ")]
        process.stdin.close()
        process.stdout.close()
        if learn:
            assert complete, (status, done.err, out)
            found = g.normal(out) + outside
        elif self.expected is not None and out:
            self.compare(out, complete, outside)
        if self.expected is not None:
            self.check_end(done)
            if status == 0 and not complete:
                raise Wrong(OTHER, "start succeeded, and no workload ran")
            if status != 0 and '"running"' in g.quiet("state", "c")[1]:
                raise Wrong(LEFT, "start failed, and the workload ran on", done.err)
        self.take_away(status)
        if learn:
            return found
        if point and not done.reached:
            return None
        return FULL if status == 0 else CLEAN

    def take_away(self, status):
        g = self.ground
        if status == 0:
            end = time.monotonic() + 5
            while (g.children() and '"stopped"' not in g.quiet("state", "c")[1]
                   and time.monotonic() < end):
                time.sleep(0.002)
        state, _, err = g.quiet("state", "c")
        if state:
            raise Wrong(OTHER, "the container can not be looked at", err)
        state, _, err = g.quiet(*(["delete", "c"] if status == 0 else ["delete", "--force", "c"]))
        if state:
            raise Wrong(OTHER, "the container can not be deleted", err)
        if self.expected is not None:
            self.nothing_left()


class Start(Create):
    failing = "start"


class Command(Held, Way):
    """A command on a container that goes on, or on none: what it prints is all there or it fails.
    fresh: each attempt needs a container of its own. after: statuses with success, with failure.
    undo_if: undo after success, after failure, or always (None). ended: before has ended it."""

    def __init__(self, ground_, name, shape, config, words, *, before=(), fresh=False,
                 after=None, undo=(), undo_if=True, gone=False, ended=False, holds=True):
        super().__init__(ground_, name, shape, config)
        self.words, self.before, self.fresh, self.undo = words, before, fresh, undo
        self.after, self.gone, self.holds, self.undo_if = after, gone, holds, undo_if
        self.ended = ended or (gone and bool(before))

    def prepare(self):
        g = self.ground
        if self.holds and not self.fresh and g.held is None:
            self.hold()

    def ready(self):
        """A container before makes what a runtime keeps between containers."""
        g = self.ground
        if self.holds:
            self.hold()
            g.held = None
            g.quiet("delete", "--force", "c")
        g.remember()
        self.prepare()
        if not self.fresh:
            g.remember()

    def begin(self):
        self.ready()
        self.status = 0
        self.expected = self.once(None, learn=True)
        self.expected = self.once(None, learn=True)
        self.attempt(None)

    def again(self):
        self.ground.clean()
        self.ready()

    def normal_output(self, text):
        """Pids, times and what is counted differ each time, and so do columns of them."""
        return re.sub(r" +", " ", re.sub(r"\d+(\.\d+)?", "#", text))

    def limits(self):
        return [line for line in self.ground.look_outside("c") if ".max" in line]

    def once(self, point, learn=False, trace=False):
        g = self.ground
        if self.fresh:
            self.hold()
        for words in self.before:
            status, _, err = g.quiet(*words)
            assert status == 0, (words, err)
        if self.ended:
            self.wait_state("stopped")  # kill does not wait for the end
        old = self.limits() if self.name == "update" else None
        process = g.start(g.command(*self.words), point, trace)
        process.stdin.close()
        out = ground.read_to_end(process.stdout)
        done = self.end(process, out)
        if learn:
            self.status = done.status
            self.new_limits = self.limits() if old else None
        self.check_end(done)
        if not learn and done.status == self.status and \
                self.normal_output(out) != self.expected:
            raise Wrong(OTHER, "succeeded, but its output is not what it was", out[-1500:])
        # What was written before the output itself failed can not be taken back.
        if not learn and done.status not in (self.status, 99) and out and \
                not self.reached.startswith("write"):
            raise Wrong(OTHER, "failed, but printed", out[-500:])
        if old and self.limits() != (self.new_limits if done.status == 0 else old):
            raise Wrong(LEFT, f"status {done.status}", done.err, *self.limits())
        self.check_container(done.status == self.status)
        if learn:
            return self.normal_output(out)
        if point and not done.reached:
            return None
        return FULL if done.status == self.status else CLEAN

    def wait_state(self, *wanted):
        end = time.monotonic() + 10
        while True:
            try:
                return self.check_state(*wanted)
            except Wrong:
                if time.monotonic() > end:
                    raise

    def check_container(self, succeeded):
        g = self.ground
        if self.gone and succeeded:
            g.held = None
            return self.nothing_left()
        if self.after:
            self.wait_state(*self.after[0 if succeeded else 1])
        if self.fresh:
            g.held = None
            status, _, err = g.quiet("delete", "--force", "c")
            if status:
                raise Wrong(OTHER, "the container can not be deleted", err)
        for words in self.undo if self.undo_if in (succeeded, None) else ():
            status, _, err = g.quiet(*words)
            if status:
                raise Wrong(OTHER, f"afterwards {words[0]} failed", err)
        return self.nothing_left()
