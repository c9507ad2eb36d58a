"""The cases of the bench. Each says who takes part, what one round of one contestant is, and what its
figures are called and shall be; tests/bench/driver does the rounds."""

import json
import re
import shutil
import subprocess
from typing import NamedTuple

from ground import CGROUPS, Failed, Floor, WORK, ended, sweep, timed


class Figure(NamedTuple):
    """One thing that is measured. crun, floor: what our median may be at most, in theirs; most: in its
    own unit."""

    title: str
    unit: str = "ms"
    crun: float = None
    floor: float = None
    most: float = None


class Case:
    """with_floor: whether the bare program can do it. with_installed: whether the crun and runc that
    this host has installed take part."""

    stages = (None,)
    warm_up = 5
    with_floor = True
    with_installed = True

    def __init__(self, ground):
        self.bundles = ground.bundles
        self.contestants = [one for one in ground.contestants
                            if (self.with_floor or not isinstance(one, Floor))
                            and (self.with_installed or not one.installed)]

    def rounds(self, asked):
        return asked

    def missing(self):
        """What this machine lacks for it."""

    def ready(self, who, stage):
        """Makes a contestant ready for the rounds of a stage."""

    def once(self, who):
        raise NotImplementedError

    def end(self):
        sweep()


class Run(Case):
    """run /bin/true, bare bundle"""

    bundle = "bare"
    figures = {
        "run": Figure("run /bin/true, bare bundle", crun=0.50, floor=1.30),
        "run-cpu": Figure("its processor time, user and system"),
        "run-memory": Figure("its peak memory, largest process", "KiB", crun=0.50, most=1843),
    }

    def once(self, who):
        return dict(zip(self.figures, timed(who.run(self.bundles[self.bundle]))))


class Docker(Run):
    """run /bin/true, Docker's config.json"""

    bundle = "docker"
    figures = {
        "docker": Figure("run /bin/true, Docker's config.json", crun=0.45, floor=1.40),
        "docker-cpu": Figure("its processor time, user and system"),
        "docker-memory": Figure("its peak memory, largest process", "KiB"),
    }


class First(Case):
    """the same, first time ever: whatever a runtime keeps, it keeps below its root, which is new"""

    figures = {"first": Figure("the same, first time ever (nothing kept)", crun=0.80)}
    with_floor = False

    def once(self, who):
        root = WORK / "new-root"
        try:
            return {"first": timed(who.run(self.bundles["docker"], root=root)).ms}
        finally:
            shutil.rmtree(root, ignore_errors=True)


class Steps(Case):
    """create, start, kill, delete, each as its own process, as shims do it"""

    with_floor = False
    figures = {
        "steps": Figure("create + start + kill + delete", crun=0.50),
        "create": Figure("create"),
        "start": Figure("start"),
        "kill": Figure("kill"),
        "delete": Figure("delete"),
    }

    def once(self, who):
        taken = {"create": timed(who.create(self.bundles["sleep"])).ms}
        for step, *words in (("start",), ("kill", "KILL"), ("delete",)):
            taken[step] = timed(who.words(step, who.id, *words)).ms
            if step == "kill":
                ended(who.pid())  # a shim deletes when it has seen the end
        return {"steps": sum(taken.values()), **taken}


class Running(Case):
    """Cases with one running container of each runtime."""

    def ready(self, who, stage):
        if not isinstance(who, Floor):
            timed(who.create(self.bundles["sleep"]))
            timed(who.words("start", who.id))
            self.floors_target = who.pid()


class Exec(Running):
    """exec /bin/true in a running container"""

    figures = {"exec": Figure("exec /bin/true in a running container", crun=0.45, floor=1.40)}

    def once(self, who):
        if isinstance(who, Floor):
            words = ["floor", "exec", self.floors_target, "/bin/true"]
        else:
            words = who.words("exec", who.id, "/bin/true")
        return {"exec": timed(words).ms}


class State(Running):
    """state of a running container"""

    with_floor = False
    figures = {"state": Figure("state of a running container", crun=0.40)}

    def once(self, who):
        return {"state": timed(who.words("state", who.id)).ms}


class List(Case):
    """list with 1, 100, 1000 running containers: of as few namespaces and mounts as can be, since
    only their number matters"""

    stages = (1, 100, 1000)
    figures = {f"list-{count}": Figure(f"list with {count}", crun=0.40) for count in stages}
    with_floor = with_installed = False

    def __init__(self, ground):
        super().__init__(ground)
        # They differ in nothing that list does; and default refuses a container without a network.
        self.contestants = [one for one in self.contestants if one.name != "runsafe"]
        self.made = {}

    def ready(self, who, stage):
        before = self.made.get(who.id, 0)
        timed(who.words("run", "-d", "-b", self.bundles["small"], f"{who.id}-{stage}-@"),
              count=stage - before, at_once=2)
        self.made[who.id] = self.count = stage

    def once(self, who):
        return {f"list-{self.count}": timed(who.words("list")).ms}


class Many(Case):
    """100 containers started by 2 and by 8 at once"""

    figures = {f"many-{jobs}": Figure(f"100 containers run, {jobs} at once", crun=0.50)
               for jobs in (2, 8)}
    warm_up = 1
    with_installed = False

    def rounds(self, asked):
        return max(3, asked // 10)

    def once(self, who):
        return {f"many-{jobs}": timed(who.run(self.bundles["bare"], id=f"{who.id}-@"), 100, jobs).ms
                for jobs in (2, 8)}


class Syscalls(Case):
    """system calls of run, all processes, the workload's own twenty or so among them"""

    figures = {"syscalls": Figure("system calls of run, bare bundle", "calls", crun=0.35, most=280),
               "syscalls-docker": Figure("system calls of run, Docker's config.json", "calls")}
    warm_up = 0

    def missing(self):
        return None if shutil.which("strace") else "there is no strace"

    def rounds(self, asked):
        return 3

    def once(self, who):
        return {"syscalls": self.count(who, "bare"), "syscalls-docker": self.count(who, "docker")}

    def count(self, who, bundle):
        table = WORK / "strace"
        timed(["strace", "-f", "-c", "-o", table, *who.run(self.bundles[bundle])])
        return int(re.search(r"(\d+)\s+(\d+\s+)?total$", table.read_text(), re.M).group(1))


class Calls(Case):
    """a system call of the workload behind Docker's profile; under floor, behind none"""

    figures = {
        "getpid": Figure("getpid of the workload, Docker's profile", "ns", crun=0.90, floor=1.10),
        "read": Figure("read of /dev/null, likewise", "ns", crun=0.90, floor=1.10),
        "personality": Figure("personality, checked by argument, likewise", "ns", crun=0.90,
                              floor=1.10),
    }

    def rounds(self, asked):
        return min(asked, 20)

    def once(self, who):
        words = who.run(self.bundles["calls"], program="/bin/calls")
        done = subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
        if done.returncode:
            raise Failed(done.stderr.strip())
        return dict(zip(self.figures, map(float, done.stdout.split())))


class Memory(Case):
    """smallest memory.max in which /bin/true still runs"""

    figures = {"memory": Figure("smallest memory.max in which /bin/true still runs", "KiB", crun=1.0)}
    warm_up = 0
    with_floor = False
    STEP = 32

    def missing(self):
        if "memory" not in (CGROUPS / "cgroup.controllers").read_text().split():
            return "there is no memory controller here (make bench-machine has one)"
        return None

    def rounds(self, asked):
        return min(asked, 3)

    def once(self, who):
        fails, runs = 0, 64 * 1024
        if not self.runs(who, runs):
            raise Failed(f"not even {runs} KiB are enough")
        while runs - fails > self.STEP:
            middle = (runs + fails) // 2 // self.STEP * self.STEP
            if self.runs(who, middle):
                runs = middle
            else:
                fails = middle
        return {"memory": runs}

    def runs(self, who, kib):
        path = self.bundles["limited"] / "config.json"
        config = json.loads(path.read_text())
        config["linux"]["resources"]["memory"] = {"limit": kib * 1024, "swap": kib * 1024}
        path.write_text(json.dumps(config))
        try:
            timed(who.run(self.bundles["limited"]))
            return True
        except Failed:
            subprocess.run(list(map(str, who.words("delete", "-f", who.id))), capture_output=True)
            return False


CASES = {"run": Run, "docker": Docker, "first": First, "steps": Steps, "exec": Exec,
         "state": State, "list": List, "many": Many, "syscalls": Syscalls, "calls": Calls,
         "memory": Memory}
