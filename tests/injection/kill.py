"""Kills runsafe at each system call of each of its processes, and looks: state, list and delete
--force work, nothing is left, and a container of the same name can be made again.

Usage: kill.py [-j WORKERS] [-b BUNDLE]... [-o FILE] [-p POINT] [--pairs] [COMMAND]...
  -b         with this bundle of kill_cases.py; all, for all of them (plain is what it is else)
  -o FILE    gets "passed failed skipped", each command with a bundle being one
  -p POINT   PROCESS:CALL=kill or kill:VICTIM, that alone, and all that is seen
  --pairs    kills each process while another one makes a call, instead
"""

import argparse
import collections
import multiprocessing
import os
import pathlib
import signal
import sys
import time
import traceback

import kill_bundles
import kill_cases
from kill_cases import Wrong

SHOWN = 12  # failures of each case


class Outcome:
    """What came of the points of one case, in one worker or in all."""

    def __init__(self):
        self.points, self.processes, self.missed, self.wrong = 0, 0, 0, []

    def add(self, other):
        self.points += other.points
        self.processes = max(self.processes, other.processes)
        self.missed += other.missed
        self.wrong += other.wrong


def try_point(case, point, outcome):
    """Returns whether the point was reached."""
    try:
        reached = case.attempt(point)
    except Wrong as wrong:
        report = case.here.report
        at = report.read_text().strip() if report.exists() else ""
        outcome.wrong.append(f"{point} ({at}): {wrong}")
        case.here.clean()
        begin(case)
        reached = at
    if reached.startswith("reached"):
        outcome.points += 1
        return True
    outcome.missed += 1
    return False


def single_points(calls, number, workers):
    """Each call of each process; a run may make a few more or less than the traced one, so that the
    last ones are tried until none is reached."""
    for process, n in sorted(calls.items()):
        for call in range(1 + number, n + 1000 * workers, workers):
            reached = yield f"{process}:{call}=kill"
            if not reached and call > n - 40:
                break


def pairs(trace, number, workers):
    """A process makes a call, and another one that is there dies in whatever it does just then."""
    first, last = {}, {}
    for i, (process, _, _) in enumerate(trace):
        first.setdefault(process, i)
        last[process] = i
    tried = 0
    for i, (process, call, _) in enumerate(trace):
        for other in first:
            if other != process and first[other] < i < last[other]:
                tried += 1
                if tried % workers == number:
                    yield f"{process}:{call}=kill:{other}"


def try_all(case, number, workers, with_pairs):
    outcome = Outcome()
    try:
        trace = case.trace()
    except Wrong as wrong:
        outcome.wrong.append(f"nobody killed it, and yet: {wrong}")
        case.here.clean()
        return outcome
    calls = collections.Counter(process for process, _, _ in trace)
    outcome.processes = len(calls)
    points, reached = single_points(calls, number, workers), None
    if with_pairs:
        points = pairs(trace, number, workers)
    while len(outcome.wrong) < 100:
        try:
            reached = try_point(case, points.send(reached), outcome)
        except StopIteration:
            break
    return outcome


def begin(case):
    """What runsafe keeps from the first container on, such as compiled filters, is not left over."""
    case.start()
    case.go()
    case.here.quiet("delete", "--force", case.id)
    kill_cases.PID_FILE.unlink(missing_ok=True)
    case.new_volume()
    case.here.children()
    case.here.remember()


def worker(number, options, cases, pipe):
    """On one CPU, since a tracer and who it stops take turns."""
    here = None
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[number % len(cpus)]})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # cleans up
    try:
        here = kill_cases.Ground(number, options.programs)
        for name in cases:
            case = kill_cases.make(here, *name)
            begin(case)
            pipe.send((name, try_all(case, number, options.workers, options.pairs)))
    except BaseException:  # pylint: disable=broad-except
        pipe.send((None, traceback.format_exc()))
    finally:
        if here:
            here.close()


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("-j", dest="workers", type=int, default=os.cpu_count())
    parser.add_argument("-b", dest="bundles", action="append")
    parser.add_argument("-o", dest="out")
    parser.add_argument("-p", dest="point")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("commands", nargs="*", default=list(kill_cases.COMMANDS))
    options = parser.parse_args()
    bundles = options.bundles or ["plain"]
    options.bundles = list(kill_cases.BUNDLES) if "all" in bundles else bundles
    probes = kill_cases.workload.PROBES
    options.programs = {"runsafe": kill_cases.harness.RUNSAFE, "inject": probes / "inject",
                        "readback": "/bin/true", "say": probes / "say"}
    return options


def one_point(options, cases):
    """For who mends what was found."""
    here = kill_cases.Ground(0, options.programs)
    try:
        case = kill_cases.make(here, *cases[0])
        begin(case)
        for process, call, name in case.trace():
            if options.point.startswith(f"{process}:{call}="):
                print(f"{process} {call} {name}")
        print(case.attempt(options.point))
    finally:
        here.close()


def show(name, outcome, seconds):
    command, bundle = name
    print(f"  {command + ', ' + bundle:30} {outcome.points:5} points in {outcome.processes} "
          f"processes, {len(outcome.wrong)} failed ({outcome.missed} not reached, {seconds:.0f} s)")
    for line in outcome.wrong[:SHOWN]:
        print(f"      {line}")
    sys.stdout.flush()


def collect(pipes, cases):
    """Prints each case when all workers have done it."""
    outcomes, parts, broken = {}, collections.Counter(), False
    began = time.monotonic()
    for name in cases:
        outcomes[name] = Outcome()
    for name in cases:
        for pipe in pipes:
            try:
                sent, outcome = pipe.recv()
            except EOFError:
                sent, outcome = None, "a worker has ended"
            if sent is None:
                print(outcome)
                return outcomes, parts, True
            outcomes[name].add(outcome)
            parts[name] += 1
        show(name, outcomes[name], time.monotonic() - began)
        began = time.monotonic()
    return outcomes, parts, broken


def main():
    options = parse()
    skipped = {b: why for b in options.bundles if (why := kill_bundles.why_not(b))}
    for bundle, why in skipped.items():
        print(f"  {bundle}: skipped, {why}")
    cases = [(c, b) for b in options.bundles if b not in skipped for c in options.commands]
    if options.point:
        one_point(options, cases)
        return 0
    began, pipes, workers = time.monotonic(), [], []
    for number in range(options.workers):
        ours, theirs = multiprocessing.Pipe(False)
        process = multiprocessing.Process(target=worker, args=(number, options, cases, theirs))
        process.start()
        theirs.close()
        pipes.append(ours)
        workers.append(process)
    outcomes, parts, broken = collect(pipes, cases)
    for process in workers:
        if broken:
            process.terminate()
        process.join()
    good = sum(parts[n] == len(pipes) and not o.wrong and o.points > 0 for n, o in outcomes.items())
    print(f"killed at {sum(o.points for o in outcomes.values())} points: {good} of {len(cases)} "
          f"commands left nothing behind ({time.monotonic() - began:.0f} s)")
    if options.out:
        left_out = len(skipped) * len(options.commands)
        pathlib.Path(options.out).write_text(f"{good} {len(cases) - good} {left_out}\n",
                                             encoding="ascii")
    return 0 if good == len(cases) else 1


if __name__ == "__main__":
    sys.exit(main())
