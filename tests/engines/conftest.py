"""Fixtures and marks of the tests of engines, and the counts for tests/sum.

ground(NAME...): where a test runs: "native" (the default), "machine" (the virtual machine, without
systemd), "systemd" (the same with systemd as process 1), "systems" (the machine with the images of
docs/examples). Elsewhere it is not collected.
runtimes(NAME...): which runtimes a test with the fixture `runtime` is driven with; "own" is the
engine's own, for comparison, and only where RUNSAFE_BESIDE=1 asks for it."""

import os
import pathlib
import tempfile

import pytest

import containerd as containerd_module
import docker as docker_module
import engines
import podman as podman_module

BESIDE = os.environ.get("RUNSAFE_BESIDE") == "1"


def pytest_configure(config):
    for line in ("ground(names): where this test runs", "runtimes(names): what it is driven with",
                 "alone: no other test may be at work on this machine"):
        config.addinivalue_line("markers", line)


def pytest_generate_tests(metafunc):
    if "runtime" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("runtimes")
    names = list(mark.args) if mark else ["runsafe", "runsafe-oci", "own"]
    if not BESIDE:
        names = [name for name in names if name != "own"]
    metafunc.parametrize("runtime", names)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Takes what belongs to this ground; RUNSAFE_SHARD=1/2 of that every second file's tests."""
    number, _, shards = os.environ.get("RUNSAFE_SHARD", "1/1").partition("/")

    def here(item):
        mark = item.get_closest_marker("ground")
        if engines.GROUND not in (mark.args if mark else ("native",)):
            return False
        # By file: daemons are started once a file or once for all.
        files = sorted({i.path.name for i in items})
        return files.index(item.path.name) % int(shards) == int(number) - 1

    ours = [item for item in items if here(item)]
    # Podman first: pasta copies the routes of the machine, and can not copy those of docker0. Then
    # bundles: dockerd lets nothing be forwarded that is not its own.
    ours.sort(key=lambda item: ("podman" not in item.path.name, "bundle" not in item.path.name))
    config.hook.pytest_deselected(items=[i for i in items if i not in set(ours)])
    items[:] = ours


@pytest.fixture
def folder():
    """A folder of the test's own that other users can reach into."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def dockerd():
    """The daemon that all tests of Docker share, with a bridge and all runtimes; runc is default."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="dockerd-", dir="/tmp"))
    path.chmod(0o755)
    daemon = docker_module.Docker(path).start()
    yield daemon
    daemon.stop()


@pytest.fixture
def docker(dockerd):
    """Docker's client: docker("run", ...). Afterwards nothing of the test may be left."""
    yield dockerd
    dockerd.clean()


@pytest.fixture(scope="session")
def podman_root():
    """The Podman of root that all its tests share; runsafe is the default runtime."""
    one = podman_module.make()
    yield one
    one.stop()


@pytest.fixture
def podman(podman_root):
    """Podman: podman("run", ..., runtime=...). Afterwards nothing of the test may be left."""
    yield podman_root
    podman_root.clean()


@pytest.fixture
def go(podman, runtime, tmp_path):
    """go(OPTIONS..., image="busybox", do=WORDS) is `podman run --rm`, its stdout by default."""
    log = tmp_path / "said"

    def start(*options, image="busybox", do=("true",), whole=False, **more):
        words = ("run", "--rm", "--log-driver", "k8s-file", "--log-opt", f"path={log}", *options,
                 podman.image(image), *do)
        log.unlink(missing_ok=True)
        done = podman(*words, runtime=runtime, **more)
        # conmon may send what a short container says before it takes the attach that waits for it: a
        # race of its own, which a busy machine loses once in a thousand runs. Its log has it then.
        if not whole and not done.out and log.exists() and " stdout F " in log.read_text():
            print(f"conmon lost the output of {words}: again")
            done = podman(*words, runtime=runtime, **more)
        return done if whole else done.text

    return start


@pytest.fixture(scope="session")
def containerd_daemon():
    """The containerd that all its tests share: all runtimes, and handlers for them in CRI."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="containerd-", dir="/tmp"))
    path.chmod(0o755)
    daemon = containerd_module.Containerd(path, systemd=engines.GROUND == "systemd")
    for name, policy in containerd_module.POLICIES.items():
        daemon.add_policy(name, policy)
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture
def containerd(containerd_daemon):
    """containerd.ctr("run", ...), containerd.pod(runtime). Afterwards nothing may be left."""
    yield containerd_daemon
    containerd_daemon.clean()


outcomes, reasons = {}, {}


def pytest_runtest_logreport(report):
    rank = {"passed": 0, "skipped": 1, "failed": 2}
    if report.outcome == "passed" and report.when != "call":
        return
    old = outcomes.get(report.nodeid, "passed")
    outcomes[report.nodeid] = max(old, report.outcome, key=rank.get)
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        reasons[report.nodeid] = report.longrepr[2].removeprefix("Skipped: ")


def pytest_sessionfinish(session, exitstatus):
    counts = os.environ.get("RUNSAFE_COUNTS")
    if not counts:
        return
    with open(counts + ".outcomes", "w", encoding="utf-8") as f:
        for test, outcome in outcomes.items():
            f.write(f"{outcome}\t{test}\t{reasons.get(test, '')}\n")
    # What the engines' own runtimes came to is for the reader, and decides nothing.
    ours = [outcome for test, outcome in outcomes.items()
            if "own" not in test.partition("[")[2].rstrip("]").split("-")]
    n = {name: ours.count(name) for name in ("passed", "failed", "skipped")}
    if exitstatus not in (0, 1, 5):
        n["failed"] += 1
    with open(counts, "w", encoding="utf-8") as f:
        f.write(f"{n['passed']} {n['failed']} {n['skipped']}\n")


def pytest_terminal_summary(terminalreporter):
    """What tests measured and nothing is decided by."""
    if (figures := pathlib.Path("/job/out/figures")).exists():
        terminalreporter.section("figures")
        terminalreporter.write(figures.read_text())
