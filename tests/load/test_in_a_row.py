"""Ten thousand containers, one after another."""

import itertools

import ground

ROUNDS = 10


def rounds_of(load, count, figure, what, one):
    """one(n) for each of count, in rounds; then nothing is left. Others on this machine can look like a
    leak: only one that is still there after three times as many is one."""
    each, rounds, n = count // ROUNDS, ground.Rounds(), itertools.count()
    while True:
        for _ in range(each):
            one(next(n))
        # The first round fills what the kernel keeps for the next container.
        rounds.look(each * len(rounds.points))
        if len(rounds.points) <= ROUNDS:
            continue
        said, memory = rounds.leaks()
        if not said:
            break
        assert len(rounds.points) < 3 * ROUNDS, said
    load.ground.check(count)
    figure(f"{what}: KiB of the kernel's memory for each of {count}, by {len(rounds.points)} rounds: " +
           ", ".join(f"{name} {value:+.3f}" for name, value in memory.items()))


def test_ten_thousand_containers_come_and_go(load, size, figure):
    """In the foreground."""
    path = load.bundle.args("/bin/true").path
    rounds_of(load, size(quick=600, full=10000, machine=100), figure, "run",
              lambda n: load.one("run", "-b", path, f"r{n}"))


def test_ten_thousand_containers_step_by_step(load, size, figure):
    """As an engine does it, in an order that leaves some created or running when they are deleted."""
    path = load.bundle.args("/bin/sleep", "1000").path

    def steps(n):
        name = f"s{n}"
        load.one("create", "-b", path, name)
        if n % 4:
            load.one("start", name)
        if n % 4 > 1:
            load.one("exec", name, "/bin/true")
        if n % 4 > 2:
            load.one("pause", name)
        load.one("delete", "--force", name)

    rounds_of(load, size(quick=400, full=10000, machine=60), figure, "create to delete", steps)
