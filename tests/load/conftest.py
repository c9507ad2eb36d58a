"""Fixtures of the tests of load; the others are tests/integration/runsafe_fixtures.py's."""

import os
import pathlib
import tempfile

import pytest

import crowd
import ground
import harness
import workload

SIZE = os.environ.get("LOAD", "quick")
FIGURES = []


@pytest.fixture
def size():
    """size(quick=..., full=..., machine=...): how many, where these tests run."""
    return lambda **sizes: sizes[SIZE]


@pytest.fixture
def alone():
    """Whether nothing else is to work on this machine meanwhile: only there a clock decides."""
    return SIZE == "full"


@pytest.fixture
def figure(request):
    """Prints a line at the end; nothing is decided by it."""
    return FIGURES.append


def pytest_terminal_summary(terminalreporter):
    if FIGURES:
        terminalreporter.section("figures")
        terminalreporter.write("\n".join(FIGURES) + "\n")


class Load:
    """runsafe and a bundle that many containers share, and what was there before them."""

    def __init__(self, runsafe, bundle):
        self.runsafe, self.bundle = runsafe, bundle
        self.ground = ground.Ground(runsafe.root, runsafe.root)

    def command(self, *words, tag=None):
        return crowd.Command(self.runsafe.command(*words), tag)

    def all(self, commands, width=16, status=0):
        """All of them must end so, and say nothing; returns them as they ended."""
        ended = list(crowd.run(commands, width))
        wrong = [one for one in ended if one.status != status or (status == 0 and one.err)]
        assert not wrong, f"{len(wrong)} of {len(ended)}: {wrong[:3]}"
        return ended

    def one(self, *words):
        return self.all([self.command(*words)])[0]

    def calls(self, *words):
        """How many system calls a command makes, its workload's not among them."""
        trace = self.runsafe.folder / "trace"
        self.all([crowd.Command([str(workload.PROBES / "inject"), "-t", str(trace), "--",
                                 *self.runsafe.command(*words)])])
        return len(trace.read_text().splitlines())

    def create(self, names, bundle=None, width=16):
        path = (bundle or self.bundle).path
        return self.all((self.command("create", "-b", path, name) for name in names), width)

    def each(self, command, names, *words, width=16):
        return self.all((self.command(*command.split(), name, *words) for name in names), width)

    def delete(self, names, width=16):
        return self.each("delete --force", names, width=width)


@pytest.fixture
def load(runsafe, bundle):
    """Containers that live until they are killed. One has come and gone before anything is counted:
    what the first of all makes for good (/runsafe among the cgroups) is no leak."""
    one = Load(runsafe, bundle.args("/bin/sleep", "100000"))
    one.create(["first"])
    one.delete(["first"])
    one.ground = ground.Ground(runsafe.root, runsafe.root)
    yield one
    # Not by runsafe.clean(), which buries no orphans: a zombie keeps its pid namespace, and delete
    # waits for that.
    list(crowd.run(one.command("delete", "--force", name) for name in runsafe.ids()))


@pytest.fixture
def folder():
    """Shorter than pytest's, and on the tests' own tmpfs: tests/load/run."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="t", dir=os.environ["LOAD_FOLDER"]))
    path.chmod(0o755)
    return path
