"""Fixtures of the attacks, and the record of what came of each, for tests/attacks/table. The other
fixtures are tests/integration/runsafe_fixtures.py's."""

import json
import os
import pathlib

import pytest

import attacks
import harness
import hostile
import workload

HERE = pathlib.Path(__file__).parent


def pytest_configure(config):
    config.addinivalue_line("markers", "attack(name, what, by): the published hole that a test "
                            "replays, what the attacker does, and what stops it in runsafe")


def pytest_collection_modifyitems(items):
    marks = {}
    for item in items:
        if item.path.parent != HERE:
            continue
        mark = item.get_closest_marker("attack")
        assert mark and len(mark.args) == 3, f"{item.nodeid} does not say which attack it is"
        marks[item.nodeid.partition("[")[0]] = dict(zip(("name", "what", "by"), mark.args))
    # For tests/attacks/table.
    if os.environ.get("RUNSAFE_ATTACKS_LIST"):
        pathlib.Path(os.environ["RUNSAFE_ATTACKS_LIST"]).write_text(
            json.dumps([{"test": test, **mark} for test, mark in marks.items()]), encoding="utf-8")


@pytest.fixture(params=attacks.runtimes())
def runtime(request, folder):
    """runsafe with `default` and `oci`; with RUNSAFE_BESIDE=1 runc and crun as well. Afterwards
    nothing of runsafe's may be left; what others leave is taken away."""
    harness.become_subreaper()
    program = attacks.Runtime(folder, request.param)
    left = harness.Leftovers(program)
    yield program
    program.clean()
    if program.ours:
        left.check()


@pytest.fixture
def runsafe(runtime):
    """What the other fixtures call it."""
    return runtime


@pytest.fixture
def victim(bundle):
    """A bundle as Docker writes it for an image that says nothing."""
    return attacks.usual(bundle)


@pytest.fixture
def secret(folder):
    """A file of the host that no container may see or change."""
    path = folder / "secret"
    path.write_text("of the host\n")
    path.chmod(0o666)
    return path


@pytest.fixture
def canary(folder):
    """A tree of the host that nobody may read or change."""
    made = hostile.Canary(folder / "canary")
    yield made
    made.watch.close()


@pytest.fixture
def volume(folder):
    """A volume that an attacker's container has, too: here the test acts as that one."""
    path = folder / "volume"
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.fixture(scope="session")
def probe_program(tmp_path_factory):
    """The path of a program of tests/integration/probe: probe_program("interpreter")."""
    return lambda name: workload.build_probe(name, tmp_path_factory.mktemp(name))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Keeps how an attack ended: a line of JSON in the file RUNSAFE_ATTACKS."""
    outcome = yield
    report = outcome.get_result()
    path = os.environ.get("RUNSAFE_ATTACKS")
    program = getattr(item, "funcargs", {}).get("runtime")
    if not path or program is None or report.when != "call":
        return
    if report.passed:
        verdict, how = "held", ""
    elif report.skipped:
        verdict, how = "does not apply", str(call.excinfo.value)
    elif call.excinfo.errisinstance(attacks.Escaped):
        verdict, how = "escaped", str(call.excinfo.value)
    else:
        verdict, how = "error", str(call.excinfo.value).partition("\n")[0]
    mark = item.get_closest_marker("attack")
    with open(path, "a", encoding="utf-8") as f:
        json.dump({"name": mark.args[0], "what": mark.args[1], "by": mark.args[2],
                   "test": item.nodeid.partition("[")[0], "runtime": program.version(),
                   "verdict": verdict, "how": how}, f)
        f.write("\n")
