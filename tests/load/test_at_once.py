"""A thousand containers at once."""

import json
import statistics

from harness import children, cmdline

WIDTH = 16


def milliseconds(ended):
    return statistics.median(one.seconds for one in ended) * 1000


def processor(ended):
    """Milliseconds of the processor that the quickest of some took: what others do on the machine
    changes that least."""
    return min(one.processor for one in ended) * 1000


def test_a_thousand_containers_live_side_by_side(load, size, figure):
    """Created, started, looked at, entered and deleted; nothing of them stays."""
    names = [f"c{n}" for n in range(size(quick=300, full=1000, machine=100))]
    load.create(names)
    created = {json.loads(one.out)["id"]: json.loads(one.out) for one in load.each("state", names)}
    assert sorted(created) == sorted(names)
    assert {state["status"] for state in created.values()} == {"created"}
    load.each("start", names)
    listed = json.loads(load.one("list", "--format", "json").out)
    assert sorted(one["id"] for one in listed) == sorted(names)
    assert {one["status"] for one in listed} == {"running"}
    pids = {one["pid"] for one in listed}
    assert pids == set(children()), "there are others than the workloads"
    assert {cmdline(pid) for pid in pids} == {"/bin/sleep 100000"}
    # Each in namespaces of its own, as seen from inside.
    inside = load.each("exec", names, "/bin/stat", "-L", "-c", "%i", *(
        f"/proc/self/ns/{kind}" for kind in ("pid", "mnt", "net", "ipc", "uts")))
    assert len({line for one in inside for line in one.out.split()}) == 5 * len(names)
    load.delete(names)
    load.ground.check(len(names))
    figure(f"{len(names)} containers at once, {WIDTH} commands at a time: nothing is left")


def calls_of_all(load):
    """The fewest of three: on a busy machine a command that waits looks more often."""
    rounds = [calls_of_one(load) for _ in range(3)]
    return {name: min(one[name] for one in rounds) for name in rounds[0]}


def calls_of_one(load):
    made = {"create": load.calls("create", "-b", load.bundle.path, "counted")}
    made["state"] = load.calls("state", "counted")
    load.one("start", "counted")
    made["exec"] = load.calls("exec", "counted", "/bin/true")
    made["delete"] = load.calls("delete", "--force", "counted")
    return made | {"list": load.calls("list"), "list -q": load.calls("list", "-q")}


def test_no_command_takes_longer_because_of_the_others(load, size, figure, alone):
    """`create`, `state`, `exec` and `delete` cost the same beside a thousand containers; what
    `list` costs grows as the list does. System calls tell that everywhere, a clock where it can."""
    table, made, names = {}, {}, []
    for count in size(quick=(1, 10, 100, 300), full=(1, 10, 100, 1000), machine=(1, 10, 100)):
        more = [f"c{n}" for n in range(len(names), count)]
        load.create(more)
        names += more
        extra = [f"extra{n}" for n in range(7)]
        row = {"create": load.create(extra, width=1)}
        row["state"] = load.each("state", extra, width=1)
        row["exec"] = load.each("exec", extra, "/bin/true", width=1)
        row["delete"] = load.delete(extra, width=1)
        row["list"] = load.all([load.command("list") for _ in extra], 1)
        row["list -q"] = load.all([load.command("list", "-q") for _ in extra], 1)
        table[count], made[count] = row, calls_of_all(load)
    figure("milliseconds beside N containers (of the processor)")
    figure(f"{'N':>6}" + "".join(f"{name:>16}" for name in row))
    for count, row in table.items():
        figure(f"{count:6}" + "".join(f"{milliseconds(e):8.1f} ({processor(e):5.1f})"
                                      for e in row.values()))
    load.delete(names)
    one, most = min(table), max(table)
    fewer = sorted(table)[-2]
    for name in ("create", "state", "exec", "delete"):  # a poll comes and goes
        assert made[most][name] < 1.1 * made[one][name] + 10, (name, made)
    for name in ("list", "list -q"):
        assert made[most][name] / most < 1.1 * made[fewer][name] / fewer, (name, made)
    figure(f"system calls beside {most}: {made[most]}")
    if not alone:
        return
    for name in ("create", "state", "exec", "delete"):
        few, many = processor(table[one][name]), processor(table[most][name])
        assert many < 2 * few + 3, f"{name}: {few} ms alone, {many} ms beside {most}"
    for name in ("list", "list -q"):
        few, many = processor(table[100][name]), processor(table[most][name])
        assert many < 2 * few * most / 100 + 3, f"{name}: {few} ms for 100, {many} ms for {most}"
