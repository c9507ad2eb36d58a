"""What the runtime's processes still have while they wait: the one at the gate of a created
container, those that watch a foreground `run` and `exec`. Looked at from outside, as root."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess

import pytest

import harness

# What a runtime reads that is nobody else's business.
CALLER, HOOK, NOTE, SOURCE = (f"{word}-1f7c9a" for word in ("caller", "hook", "note", "source"))


def status(pid):
    return dict(re.findall(r"^(\w+):\s*(.*)$", pathlib.Path(f"/proc/{pid}/status").read_text(),
                           re.M))


def names(mask):
    return {name for number, name in enumerate(harness.CAPABILITIES) if int(mask, 16) >> number & 1}


def descriptors(pid):
    return {int(n): os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")}


def memory(pid):
    """All that the process could read of its own."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            start, end = (int(word, 16) for word in line.split()[0].split("-"))
            if line.split()[1][0] != "r" or "[v" in line:
                continue
            mem.seek(start)
            with contextlib.suppress(OSError):
                found.append((line.split()[-1], mem.read(end - start)))
    return found


def holders(pid, text):
    """Where in the memory the text is."""
    return [name for name, content in memory(pid) if text.encode() in content]


def is_closed_to_others(pid):
    """PR_SET_DUMPABLE 0: no core dump, no ptrace(2) and no /proc/PID/mem of another's without
    CAP_SYS_PTRACE; all of /proc/PID belongs to root then (proc(5)). Who looks has its other
    capabilities, without which ptrace(2) refuses anyway."""
    same = names(status(pid)["CapPrm"]) - {"CAP_SYS_PTRACE"}
    bounding = ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in same)])
    script = (f"cat /proc/{pid}/mem || cat /proc/{pid}/environ || readlink /proc/{pid}/fd/0 || "
              f"readlink /proc/{pid}/exe")
    uid, gid = (int(status(pid)[key].split()[0]) for key in ("Uid", "Gid"))
    done = subprocess.run(["setpriv", "--reuid", str(uid), "--regid", str(gid), "--clear-groups",
                           f"--bounding-set={bounding}", "--inh-caps=-all", "sh", "-c", script],
                          capture_output=True, text=True)
    return done.returncode != 0 and not done.stdout


@pytest.fixture
def secretive(bundle, folder):
    """A bundle whose config.json has things that only the runtime needs."""
    (folder / SOURCE).mkdir()
    bundle.args("/bin/sleep", "1000")
    # Escaped, so that the parser has a copy in memory of its own.
    bundle.set("annotations", {"org.example.note": f"\t{NOTE}" * 400})
    bundle.set("hooks", {"poststop": [{"path": "/bin/true", "env": [f"TOKEN={HOOK}"]}]})
    bundle.mount(destination="/data", type="bind", source=str(folder / SOURCE),
                 options=["bind", "ro"])
    return bundle


@pytest.fixture
def at_the_gate(runsafe, secretive):
    name = runsafe.create(secretive, env={**os.environ, "DOCKER_TOKEN": CALLER})
    return runsafe.state(name)["pid"]


@pytest.mark.parametrize("secret", [CALLER, HOOK, NOTE, SOURCE])
def test_who_waits_at_the_gate_has_nothing_secret_in_its_memory(at_the_gate, secret):
    if "libasan" in pathlib.Path(f"/proc/{at_the_gate}/maps").read_text():
        pytest.skip("NEEDS A BUILD WITHOUT SANITIZERS: they keep what was freed")
    assert holders(at_the_gate, "/bin/sleep")  # it can be read at all
    assert not holders(at_the_gate, secret)


def test_who_waits_at_the_gate_has_few_descriptors_beside_the_workloads_own(at_the_gate, runsafe):
    """The gate, and where a failure is told. The socket's other end is gone with create: the
    workload's filter is loaded by then and may know no close(2)."""
    more = sorted(path for number, path in descriptors(at_the_gate).items() if number > 2)
    *files, socket = more
    assert [pathlib.Path(path).name for path in files] == ["gate", "report"], more
    assert all(path.startswith(str(runsafe.root)) for path in files)
    assert socket.startswith("socket:")


def test_who_waits_at_the_gate_is_the_workload_already(at_the_gate):
    now = status(at_the_gate)
    assert {now[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (now["NoNewPrivs"], now["Seccomp"]) == ("1", "2")
    assert now["Uid"].split() == ["1000"] * 4
    assert is_closed_to_others(at_the_gate)


def test_it_starts_after_it_has_forgotten_all_else(runsafe, secretive):
    """Arguments, environment, hooks.startContainer with its state, what is said of a volume."""
    note = "/tmp/noted"
    secretive.sh(f"cat {note}; echo $MINE; exit 7")
    secretive.set("process.env", ["PATH=/bin", "MINE=kept"])
    secretive.set("hooks.startContainer", [{"path": "/bin/sh", "env": ["PATH=/bin", "WORD=hooked"],
                                            "args": ["sh", "-c", f"echo $WORD >{note}; "
                                                     f"grep -o '\"status\":\"created\"' >>{note}"]}])
    name = runsafe.create(secretive)
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    assert runsafe.output(name).split() == ["hooked", '"status":"created"', "kept"]


@pytest.fixture
def foreground(runsafe, bundle):
    """Starts a command in the foreground and returns it once its workload sleeps."""
    started = []

    def start(*args):
        process = runsafe.start_process(*args)
        started.append(process)
        assert harness.wait_for(lambda: "/bin/sleep 77" in map(harness.cmdline, harness.children()))
        # It gives up once its workload runs; with poststop hooks it keeps this.
        harness.wait_for(lambda: status(process.pid)["NoNewPrivs"] == "1", seconds=5)
        return process

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=harness.TIME_LIMIT)


def watching_run(runsafe, bundle, foreground, **config):
    for key, value in config.items():
        bundle.set(key, value)
    return foreground("run", "-b", bundle.args("/bin/sleep", "77").path, runsafe.id())


def watching_exec(runsafe, bundle, foreground):
    return foreground("exec", runsafe.running(bundle), "/bin/sleep", "77")


# To signal the workload, to look at its signals, to take away what others own below its cgroup.
RUN_NEEDS = {"CAP_KILL", "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"}
EXEC_NEEDS = {"CAP_KILL"}


@pytest.mark.parametrize("watching, needs", [(watching_run, RUN_NEEDS), (watching_exec, EXEC_NEEDS)])
def test_who_watches_keeps_few_capabilities(runsafe, bundle, foreground, watching, needs):
    now = status(watching(runsafe, bundle, foreground).pid)
    assert names(now["CapPrm"]) | names(now["CapEff"]) <= needs
    assert (now["CapInh"], now["CapAmb"]) == ("0" * 16, "0" * 16)
    assert now["NoNewPrivs"] == "1", "a program that it executed would get them back"


@pytest.mark.parametrize("watching", [watching_run, watching_exec])
def test_who_watches_is_closed_to_others(runsafe, bundle, foreground, watching):
    assert is_closed_to_others(watching(runsafe, bundle, foreground).pid)


@pytest.mark.parametrize("watching, more", [(watching_run, 4), (watching_exec, 3)])
def test_who_watches_has_few_descriptors(runsafe, bundle, foreground, watching, more):
    """The workload and exec's container (pidfds), its signals, the log, and for `run` /proc and the
    cgroup, which ^C and ^Z need."""
    found = descriptors(watching(runsafe, bundle, foreground).pid)
    rest = [path for number, path in found.items() if number > 2 and path != str(runsafe.log)]
    assert len(rest) == more, rest
    assert all(path.startswith(("anon_inode:[pidfd]", "anon_inode:[signalfd]", "/proc",
                                "/sys/fs/cgroup")) for path in rest), rest


def test_poststop_hooks_have_what_the_caller_had(runsafe, bundle, foreground, folder):
    """As under runc: a hook is the administrator's program."""
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"grep Cap /proc/self/status >{folder}/caps"]}
    process = watching_run(runsafe, bundle, foreground, hooks={"poststop": [hook]})
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=harness.TIME_LIMIT)
    own = status("self")
    found = dict(line.split(":\t") for line in (folder / "caps").read_text().splitlines())
    assert {key: found[key] for key in ("CapEff", "CapBnd")} == \
        {key: own[key] for key in ("CapEff", "CapBnd")}


def test_a_failed_exec_takes_its_pid_file_out_of_anybodys_folder(runsafe, bundle, folder):
    theirs = folder / "theirs"
    theirs.mkdir()
    os.chown(theirs, 1234, 1234)
    bundle.file("opt/garbage", "\x7fELF\x01\x01", 0o755)
    name = runsafe.running(bundle)
    runsafe.fails("exec", "--pid-file", theirs / "pid", name, "/opt/garbage",
                  words=["exec format error"], status=126)
    assert not os.listdir(theirs)
