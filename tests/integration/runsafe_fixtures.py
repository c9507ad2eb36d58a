"""Fixtures, the marks that skip a test with its reason, and the counts for tests/sum."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

import harness
import workload


def pytest_configure(config):
    harness.default_signals()
    for line in ("needs_limits: needs cgroup v2 with cpu, memory and pids",
                 "needs_real_root: needs a real root file system at " + str(harness.REAL_ROOT),
                 "needs_kernel(version): needs this kernel or a newer one",
                 "needs_systemd: needs a machine of its own with systemd as process 1",
                 "alone: looks at the whole machine, so nobody else may be at work there"):
        config.addinivalue_line("markers", line)


def version(text):
    return tuple(int(n) for n in text.split("-")[0].split("+")[0].split(".")[:2])


def pytest_runtest_setup(item):
    if item.get_closest_marker("needs_limits") and harness.why_no_limits():
        pytest.skip("NEEDS LIMITS: " + harness.why_no_limits())
    if item.get_closest_marker("needs_real_root") and not harness.REAL_ROOT.is_dir():
        pytest.skip(f"NEEDS A REAL ROOT: {harness.REAL_ROOT} is not there (the virtual machine has it)")
    if item.get_closest_marker("needs_systemd") and not (harness.SYSTEMD and harness.ALONE):
        pytest.skip("NEEDS SYSTEMD AS PROCESS 1: runs in the virtual machine")
    if item.get_closest_marker("alone") and not harness.ALONE:
        pytest.skip("NEEDS A MACHINE OF ITS OWN: runs in the virtual machine")
    kernel = item.get_closest_marker("needs_kernel")
    if kernel and version(os.uname().release) < version(kernel.args[0]):
        pytest.skip(f"NEEDS LINUX {kernel.args[0]}: this is {os.uname().release}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """RUNSAFE_SHARD=1/2 runs every second test: two virtual machines share them."""
    number, _, machines = os.environ.get("RUNSAFE_SHARD", "1/1").partition("/")
    ours = items[int(number) - 1::int(machines)]
    config.hook.pytest_deselected(items=[i for i in items if i not in set(ours)])
    items[:] = ours


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("template")
    path.chmod(0o755)
    harness.make_template(path)
    return path


@pytest.fixture(scope="session")
def spec():
    """config.json as `spec` prints it."""
    done = subprocess.run([harness.RUNSAFE, "spec"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path_factory):
    """A folder of the test's own that another user can reach into (pytest's are 0700, and each
    new tmp_path reads the list of all old ones)."""
    base = tmp_path_factory.getbasetemp()
    for place in (base, base.parent):
        place.chmod(0o755)
    path = pathlib.Path(tempfile.mkdtemp(prefix="t", dir=base))
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def runsafe(folder):
    """The program; afterwards nothing of it may be left."""
    harness.become_subreaper()
    program = harness.Runsafe(folder)
    left = harness.Leftovers(program)
    yield program
    program.clean()
    left.check()


@pytest.fixture
def bundle(folder, spec, template):
    return harness.Bundle(folder / "bundle", spec, template)


@pytest.fixture
def oci(runsafe):
    """The program with the specification as its only policy."""
    return runsafe.with_options("--policy", "oci")


@pytest.fixture
def plain(bundle):
    """A bundle as engines write it for a root of all capabilities: nothing in it but what the
    specification asks every container to have."""
    capabilities = re.findall(r"^CapBnd:\s*(\w+)", pathlib.Path("/proc/self/status").read_text(),
                              re.MULTILINE)[0]
    names = [name for number, name in enumerate(harness.CAPABILITIES)
             if int(capabilities, 16) >> number & 1]
    bundle.config["process"].update(user={"uid": 0, "gid": 0}, noNewPrivileges=False, rlimits=[])
    bundle.cap(*names)
    bundle.config["root"]["readonly"] = False
    bundle.config["mounts"] = [m for m in bundle.config["mounts"]
                               if m["destination"] not in ("/tmp", "/var/tmp", "/run")]
    bundle.config["linux"].update(resources={}, maskedPaths=[], readonlyPaths=[])
    return bundle.write()


@pytest.fixture
def new_bundle(folder, spec, template):
    """Makes more bundles: new_bundle("other")."""
    return lambda name: harness.Bundle(folder / name, spec, template)


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    """Makes system calls as the workload: probe(runsafe, bundle, workload.call("mount", ...))."""
    program = workload.build_probe("probe", tmp_path_factory.mktemp("probe"))
    return lambda runsafe, bundle, *calls: workload.run_probe(runsafe, bundle, program, *calls)


# The worst that befell a test counts: a test that passes and leaves something behind has failed.
outcomes, reasons = {}, {}


def pytest_runtest_logreport(report):
    rank = {"passed": 0, "skipped": 1, "failed": 2}
    if report.outcome == "passed" and report.when != "call":
        return
    old = outcomes.get(report.nodeid, "passed")
    outcomes[report.nodeid] = max(old, report.outcome, key=rank.get)
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        reasons[report.nodeid] = report.longrepr[2].removeprefix("Skipped: ")


def write_outcomes(path):
    """For tests/conformance/table, which knows the form."""
    with open(path, "a", encoding="utf-8") as f:
        f.write(f"kernel\t{os.uname().release}\n")
        for test, outcome in outcomes.items():
            reason = " ".join(reasons.get(test, "").split()).replace("|", "/")
            f.write(f"{outcome}\t{test}\t{reason}\n")


def pytest_sessionfinish(session, exitstatus):
    if os.environ.get("RUNSAFE_OUTCOMES"):
        write_outcomes(os.environ["RUNSAFE_OUTCOMES"])
    counts = os.environ.get("RUNSAFE_COUNTS")
    if not counts:
        return
    n = {name: list(outcomes.values()).count(name) for name in ("passed", "failed", "skipped")}
    # A file that can not be read or an interrupted run is a failure that no test reports.
    if exitstatus not in (0, 1, 5):
        n["failed"] += 1
    elif exitstatus == 1 and not n["failed"]:
        n["failed"] = 1
    with open(counts, "w", encoding="utf-8") as f:
        f.write(f"{n['passed']} {n['failed']} {n['skipped']}\n")
