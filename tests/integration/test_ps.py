"""Issue 3: ps (table, json), with runc's options and output."""

import json
import os
import re
import subprocess

import pytest

import harness
from test_rootless import rootless, single, user  # noqa: F401 (fixtures)

THREE = "sleep 1000 & sleep 1000 & echo up; wait"


@pytest.fixture
def three(runsafe, bundle):
    """A container of three processes: (id, their pids)."""
    return of_three(runsafe, bundle)


def of_three(program, bundle, *options):
    name = program.create(bundle.sh(THREE), *options)
    program.start(name)
    assert harness.wait_for(lambda: "up" in program.output(name))
    first = program.state(name)["pid"]
    task = harness.pathlib.Path(f"/proc/{first}/task/{first}/children")
    return name, sorted([first, *map(int, task.read_text().split())])


def column(lines, word="PID"):
    index = lines[0].split().index(word)
    return [int(line.split()[index]) for line in lines[1:]]


def test_ps_as_json_is_the_pids(runsafe, three):
    """runc ps --format json: a list of numbers, as the runtime sees them."""
    name, pids = three
    for form in (["-f", "json"], ["--format", "json"], ["--format=json"]):
        assert json.loads(runsafe.ok("ps", *form, name).out) == pids


def test_ps_as_a_table_is_what_ps_ef_prints_of_them(runsafe, three):
    """runc ps: the header of `ps -ef` and the lines of the container's processes."""
    name, pids = three
    lines = runsafe.ok("ps", name).lines
    assert lines[0].split()[:3] == ["UID", "PID", "PPID"]
    assert sorted(column(lines)) == pids
    assert runsafe.ok("ps", "--format", "table", name).lines[0] == lines[0]


@pytest.mark.parametrize("options", [["-ef"], ["aux"], ["-A", "-o", "pid,args"],
                                     ["-e", "-o", "user,pid,pgid"], ["--", "-ef"], ["-eLf"]])
def test_what_follows_the_id_is_for_the_program_ps(runsafe, three, options):
    """runc ps ID OPTIONS; the PID column is wherever the header has it."""
    name, pids = three
    assert sorted(column(runsafe.ok("ps", name, *options).lines)) == pids


def test_ps_without_a_pid_column_is_an_error(runsafe, three):
    """runc's words."""
    runsafe.fails("ps", three[0], "-e", "-o", "args", words=["couldn't find PID field"])


def test_options_that_ps_does_not_know_are_an_error(runsafe, three):
    runsafe.fails("ps", three[0], "--nonsense", words=["ps", "exit status 1"])


def test_ps_without_the_program_ps(runsafe, three, folder):
    """An engine's minimal host: the table needs the program, json does not."""
    runsafe.fails("ps", three[0], env={"PATH": str(folder)},
                  words=["executable file not found in $PATH"])
    assert json.loads(runsafe.ok("ps", "-f", "json", three[0], env={}).out) == three[1]


def test_ps_works_with_an_empty_environment(runsafe, three):
    """DESIGN.md section 4."""
    assert sorted(column(runsafe.ok("ps", three[0], env={}).lines)) == three[1]


@pytest.mark.parametrize("args,words", [
    (["x"], ["container does not exist"]), ([], ["argument"]), (["-f", "xml", "x"], ["xml"]),
    (["--nonsense", "x"], ["--nonsense"])])
def test_wrong_use_of_ps(runsafe, args, words):
    runsafe.fails("ps", *args, words=words)


def test_ps_has_its_own_help(runsafe):
    assert "--format table|json" in runsafe.ok("ps", "--help").out


def test_ps_of_a_created_and_of_a_stopped_container(runsafe, bundle):
    """runc: a stopped one has no processes, which is no error."""
    name = runsafe.create(bundle)
    assert json.loads(runsafe.ok("ps", "-f", "json", name).out) == [runsafe.state(name)["pid"]]
    runsafe.ok("kill", name, "KILL")
    runsafe.wait_status(name, "stopped")
    assert json.loads(runsafe.ok("ps", "-f", "json", name).out) == []
    assert column(runsafe.ok("ps", name).lines) == []


def test_ps_of_a_paused_container(runsafe, three):
    name, pids = three
    runsafe.ok("pause", name)
    assert json.loads(runsafe.ok("ps", "-f", "json", name).out) == pids


@pytest.mark.parametrize("option", ["--cgroup=none", "--cgroup-manager=disabled"])
def test_ps_without_a_cgroup_goes_by_the_pid_namespace(runsafe, bundle, new_bundle, option):
    """The state has no cgroup: whoever is in the pid namespace of the first process, or below it."""
    program = runsafe.with_options(option)
    name, pids = of_three(program, bundle)
    other, theirs = of_three(program, new_bundle("other"))
    assert json.loads(runsafe.ok("ps", "-f", "json", name).out) == pids
    assert json.loads(runsafe.ok("ps", "-f", "json", other).out) == theirs
    assert sorted(column(runsafe.ok("ps", name).lines)) == pids
    runsafe.ok("kill", name, "KILL")
    runsafe.wait_status(name, "stopped")
    assert json.loads(runsafe.ok("ps", "-f", "json", name).out) == []


def test_ps_without_a_cgroup_sees_nested_pid_namespaces(runsafe, oci, plain):
    """A container that makes namespaces of its own: their processes are the container's."""
    program = oci.with_options("--cgroup=none")
    plain.sh("unshare -p -f sh -c 'echo up; sleep 1000; :'; :")
    name = program.create(plain)
    program.start(name)
    assert harness.wait_for(lambda: "up" in program.output(name))
    first = program.state(name)["pid"]
    assert harness.wait_for(lambda: len(json.loads(runsafe.ok("ps", "-f", "json", name).out)) == 4)
    inside = {os.readlink(f"/proc/{pid}/ns/pid")
              for pid in json.loads(runsafe.ok("ps", "-f", "json", name).out)}
    assert len(inside) == 2 and os.readlink(f"/proc/{first}/ns/pid") in inside


def test_ps_without_cgroup_and_pid_namespace_is_refused(oci, plain):
    """Who belongs to it can not be known: no guess."""
    program = oci.with_options("--cgroup=none")
    name = program.running(plain.namespace("pid", drop=True))
    program.fails("ps", name, words=[name, "without a cgroup"])


def test_ps_does_not_hang_on_much_output(runsafe, three):
    """More than a pipe holds."""
    wide = ["-eo", "pid," + ",".join(["lstart"] * 60)]
    assert sorted(column(runsafe.ok("ps", three[0], *wide).lines)) == three[1]


def test_a_closed_stdout_is_a_failure(runsafe, three):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(runsafe.command("ps", "-f", "json", three[0]), stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert re.search("standard output", done.stderr)
    runsafe.log.unlink()


def test_ps_for_an_ordinary_user(rootless, single):
    """Rootless: his container, which has no cgroup where none was delegated to him."""
    name = rootless.running(single)
    pid = rootless.state(name)["pid"]
    assert json.loads(rootless.ok("ps", "-f", "json", name).out) == [pid]
    assert column(rootless.ok("ps", name).lines) == [pid]
