"""Issue 3, "The edges that other runtimes got wrong": hooks that hang, fail or die, and where they
run."""

import os
import signal
import subprocess
import time

import pytest

import harness
from test_hooks import AT_CREATE, KINDS, Hooks

# A number that no other process of the machine sleeps for.
LONG = str(40000 + os.getpid() % 10000)


@pytest.fixture
def hooks(bundle, folder):
    return Hooks(bundle.sh("exit 0"), folder)


def sleepers():
    return [p for p in harness.children() if LONG in harness.cmdline(p)]


def hang(hooks, kind, **more):
    hooks.add(kind, f"echo > $OUT/{kind}; sleep {LONG} & sleep {LONG}", **more)


def ends(process, status, *words):
    out, err = process.communicate(timeout=20)
    assert process.returncode == status, (process.returncode, out, err)
    for word in words:
        assert word in err, err
    assert harness.wait_for(lambda: not sleepers(), 5), [harness.cmdline(p) for p in sleepers()]


def begun(hooks, kind):
    assert harness.wait_for(lambda: hooks.read(kind) is not None)


# --- where they run: found out by running runc 1.1.5 and crun 1.8.1

def test_hooks_of_the_runtime_run_in_the_bundle(runsafe, bundle, hooks):
    """As crun has it for all of them, and runc for those of create and run, wherever the command
    itself was given."""
    for kind in set(KINDS) - {"startContainer"}:
        hooks.add(kind, f"pwd -P > $OUT/{kind}")
    name = runsafe.id()
    runsafe.ok("create", "-b", bundle.path, name, cwd="/usr/share")
    runsafe.ok("start", name, cwd="/usr/lib")
    runsafe.wait_status(name, "stopped")
    runsafe.ok("delete", name, cwd="/usr/sbin")
    for kind in set(KINDS) - {"startContainer"}:
        assert hooks.read(kind) == f"{bundle.path}\n", kind


def test_a_start_container_hook_runs_in_the_workloads_directory(oci, plain, folder):
    hooks = Hooks(plain.sh("exit 0").set("process.cwd", "/usr/bin"), folder)
    hooks.add("startContainer", "pwd -P > $OUT/pwd")
    oci.run_ok(plain)
    assert hooks.read("pwd") == "/usr/bin\n"


def test_a_poststop_hook_runs_also_when_the_bundle_is_gone(runsafe, bundle, hooks):
    """Engines take the bundle away first; the hook is then in the root."""
    hooks.add("poststop", "pwd -P > $OUT/pwd")
    name = runsafe.running(bundle)
    harness.shutil.rmtree(bundle.path)
    runsafe.delete(name, "--force")
    assert hooks.read("pwd") == "/\n"


# --- failure

@pytest.mark.parametrize("way", [["create"], ["run"], ["run", "-d"]])
def test_after_a_failed_create_runtime_hook_the_container_is_gone(runsafe, bundle, hooks, way):
    """runtime.md, Lifecycle 4: the container is stopped and all of it taken away, its first process
    too, which waits in its namespaces by then."""
    hooks.add("createRuntime", 'sed "s/.*\\"pid\\":\\([0-9]*\\).*/\\1/" > $OUT/pid; exit 1')
    name = runsafe.id()
    runsafe.fails(*way, "-b", bundle.path, name, words=["hooks.createRuntime[0]"])
    assert not os.path.exists(f"/proc/{hooks.read('pid').strip()}")
    runsafe.fails("state", name, words=["container does not exist"])


@pytest.mark.parametrize("way", ["create", "run"])
def test_poststart_runs_after_the_workload_is_executed(runsafe, bundle, hooks, way):
    """runtime.md, Lifecycle 8 and 9: the program runs already: /proc/PID/exe is its own."""
    bundle.sh("echo up; sleep 1; :")
    hooks.add("poststart", 'pid=$(sed "s/.*\\"pid\\":\\([0-9]*\\).*/\\1/"); '
              "cat /proc/$pid/comm > $OUT/comm; tr '\\0' ' ' < /proc/$pid/cmdline > $OUT/cmdline")
    if way == "run":
        runsafe.run_ok(bundle)
    else:
        name = runsafe.create(bundle)
        runsafe.start(name)
    assert hooks.read("comm") == "sh\n"
    assert hooks.read("cmdline").startswith("/bin/sh -c echo up")


# --- hooks without a timeout that hang

@pytest.mark.parametrize("kind", AT_CREATE)
@pytest.mark.parametrize("sig", ["TERM", "INT", "HUP"])
@pytest.mark.parametrize("way", ["create", "run"])
def test_a_signal_interrupts_a_create_hook_that_hangs(runsafe, bundle, hooks, kind, sig, way):
    """One signal is enough; nothing is left."""
    hang(hooks, kind)
    hooks.add("poststop", "echo > $OUT/poststop")
    process = runsafe.start_process(way, "-b", bundle.path, runsafe.id())
    begun(hooks, kind)
    harness.send(process.pid, sig)
    number = getattr(signal, f"SIG{sig}")
    ends(process, 128 + number if way == "run" else 1, f"signal {int(number)}")
    runsafe.log.unlink()
    assert hooks.read("poststop") is not None
    assert runsafe.ids() == []


@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
@pytest.mark.parametrize("options", [[], ["-d"]])
def test_a_signal_interrupts_a_hook_of_run_that_hangs(runsafe, bundle, hooks, kind, options):
    """run waits with signals blocked by then; the hook is ended, and the container with it."""
    bundle.args("/bin/sleep", "1000")
    hang(hooks, kind)
    process = runsafe.start_process("run", *options, "-b", bundle.path, runsafe.id())
    begun(hooks, kind)
    harness.send(process.pid, "TERM")
    ends(process, 143, "signal 15", f"hooks.{kind}")
    runsafe.log.unlink()
    assert runsafe.ids() == []


def test_a_signal_interrupts_a_start_whose_poststart_hook_hangs(runsafe, bundle, hooks):
    """As a hook that fails: the container is stopped."""
    hang(hooks, "poststart")
    name = runsafe.create(bundle.args("/bin/sleep", "1000"))
    process = runsafe.start_process("start", name)
    begun(hooks, "poststart")
    harness.send(process.pid, "TERM")
    ends(process, 1, "hooks.poststart[0]", "signal 15")
    runsafe.log.unlink()
    assert runsafe.status(name) == "stopped"


def test_a_signal_ends_a_start_whose_start_container_hook_hangs(runsafe, bundle, hooks):
    """The hook is the container's own; kill and delete end it."""
    hang(hooks, "startContainer")
    name = runsafe.create(bundle)
    process = runsafe.start_process("start", name)
    begun(hooks, "startContainer")
    harness.send(process.pid, "TERM")
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    runsafe.delete(name, "--force")
    assert harness.wait_for(lambda: not sleepers(), 5)


@pytest.mark.parametrize("way", ["delete", "run"])
def test_a_signal_interrupts_a_poststop_hook_that_hangs_and_the_next_runs(
        runsafe, bundle, hooks, way):
    """A failed poststop hook is logged only: the container is deleted all the same."""
    hang(hooks, "poststop")
    hooks.add("poststop", "echo > $OUT/second")
    name = runsafe.id()
    if way == "run":
        process = runsafe.start_process("run", "-b", bundle.sh("exit 3").path, name)
    else:
        runsafe.ok("create", "-b", bundle.path, name)
        process = runsafe.start_process("delete", name)
    begun(hooks, "poststop")
    harness.send(process.pid, "TERM")
    ends(process, 3 if way == "run" else 0)
    assert hooks.read("second") is not None
    assert runsafe.ids() == []


def test_a_signal_that_the_caller_ignores_does_not_interrupt_a_hook(runsafe, bundle, hooks):
    """nohup."""
    hooks.add("createRuntime", "echo > $OUT/createRuntime; sleep 1; echo > $OUT/done")
    command = runsafe.command("create", "-b", bundle.path, runsafe.id())
    process = subprocess.Popen(["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *command],
                               stdin=subprocess.DEVNULL)
    begun(hooks, "createRuntime")
    harness.send(process.pid, "HUP")
    assert process.wait(timeout=20) == 0
    assert hooks.read("done") is not None


@pytest.mark.parametrize("kind", KINDS)
def test_children_of_a_hook_are_killed_with_it_at_its_timeout(runsafe, bundle, hooks, kind):
    """config.md, timeout; also those that hold the hook's output open, and those of a hook that
    ignores TERM."""
    bundle.args("/bin/sleep", "1000")
    hooks.add(kind, f"trap '' TERM; (sleep {LONG}; :) & sleep {LONG}; :", timeout=1)
    begin = time.monotonic()
    name = runsafe.id()
    created = runsafe("create", "-b", bundle.path, name)
    assert (created.status == 0) == (kind not in AT_CREATE)
    if created.status == 0:
        assert (runsafe("start", name).status == 0) == (kind == "poststop")
        runsafe.ok("delete", "--force", name) if kind == "poststop" else runsafe(
            "delete", "--force", name)
    assert 1 <= time.monotonic() - begin < 30
    runsafe.log.unlink(missing_ok=True)
    assert harness.wait_for(lambda: not sleepers(), 5)


# --- the container's process dies meanwhile

@pytest.mark.parametrize("way", ["start", "run", "run -d"])
def test_a_workload_killed_between_gate_and_exec_is_not_started(oci, plain, folder, way):
    """Its end closes what its exec would close: that must not be taken for the exec."""
    hooks = Hooks(plain.namespace("pid", drop=True).sh("exit 0"), folder)
    hooks.add("startContainer", "kill -9 $PPID; sleep 1")
    hooks.add("poststart", "echo > $OUT/poststart")
    words = ["before the workload ran"]
    if way == "start":
        name = oci.create(plain)
        oci.fails("start", name, words=[*words, "container not running"])
        oci.wait_status(name, "stopped")
        oci.delete(name)
    else:
        oci.fails(*way.split(), "-b", plain.path, oci.id(), words=words)
    assert hooks.read("poststart") is None
    assert oci.ids() == []


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer", "startContainer",
                                  "poststart"])
def test_delete_force_ends_a_container_whose_hook_hangs(runsafe, bundle, hooks, kind):
    """create and start hold the lock as long as their hook runs; the hooks of the container die
    with its first process, those of the host are ended by their timeout."""
    bundle.args("/bin/sleep", "1000")
    hang(hooks, kind, timeout=3 if kind in ("createRuntime", "poststart") else 1000)
    name = runsafe.id()
    if kind in AT_CREATE:
        process = runsafe.start_process("create", "-b", bundle.path, name)
    else:
        runsafe.ok("create", "-b", bundle.path, name)
        process = runsafe.start_process("start", name)
    begun(hooks, kind)
    deleted = runsafe("delete", "--force", name, timeout=30)
    assert (deleted.status, deleted.err) == (0, "")
    ends(process, 1)
    runsafe.log.unlink()
    assert runsafe.ids() == []


def test_kill_reaches_a_container_whose_start_container_hook_hangs(runsafe, bundle, hooks):
    """Its start holds the lock."""
    hang(hooks, "startContainer")
    name = runsafe.create(bundle)
    process = runsafe.start_process("start", name)
    begun(hooks, "startContainer")
    killed = runsafe("kill", name, "KILL", timeout=10)
    assert (killed.status, killed.err) == (0, "")
    ends(process, 1, "before the workload ran")
    runsafe.log.unlink()
    runsafe.wait_status(name, "stopped")
