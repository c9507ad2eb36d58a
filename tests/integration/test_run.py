"""`run` in the foreground without a terminal, and everything that may be odd around it."""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

import harness

LOOP = "while :; do sleep 0.05; done"


@pytest.fixture(autouse=True)
def default_signals():
    """What started pytest may ignore SIGINT (a shell's background job); the tests mean it."""
    before = {s: signal.getsignal(s) for s in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)}
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def start(runsafe):
    """Starts `run` of a script that says when it is up; ends it afterwards."""
    started = []

    def go(bundle, script, *options, program=runsafe, **more):
        process = program.start_process("run", *options, "-b", bundle.sh(script).path,
                                        program.id(), **more)
        started.append(process)
        assert process.stdout.readline() == "up\n", process.communicate()
        return process

    yield go
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
    runsafe.clean()  # a workload that lives on has the pipes
    for process in started:
        process.communicate(timeout=harness.TIME_LIMIT)


def end(process, seconds=harness.TIME_LIMIT):
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "ALRM",
                                  "URG", "IO", "PWR", "RTMIN"])
def test_each_signal_to_run_reaches_the_workload(bundle, start, name):
    """The issue: a signal to `runsafe run` reaches the workload."""
    number = int(getattr(signal, f"SIG{name}"))
    process = start(bundle, f"trap 'echo got {number}; exit 5' {number}; echo up; {LOOP}")
    os.kill(process.pid, number)
    assert end(process) == (5, f"got {number}\n", "")


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM"])
def test_a_workload_without_a_handler_ends_as_a_program_run_directly(runsafe, bundle, start, name):
    """^C on `sleep`: 128+N, though the first process of a pid namespace gets no signal that it
    has no handler for (pid_namespaces(7))."""
    process = start(bundle, "echo up; exec sleep 1000")
    time.sleep(0.3)
    harness.send(process.pid, name)
    assert end(process) == (128 + getattr(signal, f"SIG{name}"), "", "")
    assert runsafe.ids() == []


def test_a_workload_that_ignores_a_signal_goes_on(bundle, start):
    process = start(bundle, "trap '' INT TERM; trap 'exit 4' USR1; echo up; " + LOOP)
    for name in ("INT", "TERM", "INT"):
        harness.send(process.pid, name)
    time.sleep(0.5)
    assert process.poll() is None
    harness.send(process.pid, "USR1")
    assert end(process)[0] == 4


def test_signals_on_end_do_not_keep_the_container_from_being_taken_away(runsafe, bundle, start):
    """Somebody who types ^C more than once."""
    for _ in range(5):
        process = start(bundle, "echo up; exec sleep 1000")
        for _ in range(20):
            harness.send(process.pid, "INT")
            time.sleep(0.002)
        assert end(process)[0] == 130
        assert runsafe.ids() == []


def test_a_signal_right_after_the_start_does_not_leave_the_container_alone(runsafe, bundle):
    """Whenever it comes: afterwards there is no workload that nobody waits for."""
    bundle.args("/bin/sleep", "1000")
    for step in range(12):
        name = runsafe.id()
        process = runsafe.start_process("run", "-b", bundle.path, name)
        harness.wait_for(lambda n=name: (runsafe.root / n).exists(), 5)
        time.sleep(step * 0.002)
        process.terminate()
        assert end(process)[0] in (143, -15)
        runsafe.log.unlink(missing_ok=True)
        runsafe.ok("delete", "--force", name)
    assert runsafe.ids() == []
    assert harness.wait_for(lambda: not any("sleep" in harness.cmdline(p)
                                            for p in harness.children()), 5)


def test_what_the_caller_ignores_is_not_forwarded(runsafe, bundle):
    """nohup(1), and SIGINT of a shell's background job."""
    command = runsafe.command("run", "-b", bundle.sh("echo up; sleep 1; exit 3").path, runsafe.id())
    process = subprocess.Popen(["sh", "-c", "trap '' HUP INT; exec \"$@\"", "sh", *command],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    time.sleep(0.2)
    harness.send(process.pid, "HUP")
    harness.send(process.pid, "INT")
    assert end(process) == (3, "", "")


def test_the_caller_may_ignore_sigchld(runsafe, bundle):
    """wait(2), notes: then children could not be waited for; it is inherited through exec."""
    command = runsafe.command("run", "-b", bundle.sh("exit 3").path, runsafe.id())
    done = subprocess.run(["sh", "-c", "trap '' CHLD; exec \"$@\"", "sh", *command], timeout=20,
                          check=False)
    assert done.returncode == 3


def test_the_workload_has_default_signals_and_an_empty_mask(runsafe, bundle):
    command = runsafe.command("run", "-b", bundle.args(
        "/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status").path, runsafe.id())
    script = ("import signal, os, sys\n"
              "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])\n"
              "signal.signal(signal.SIGPIPE, signal.SIG_IGN)\n"
              "signal.signal(signal.SIGUSR2, signal.SIG_IGN)\n"
              "os.execv(sys.argv[1], sys.argv[1:])")
    done = subprocess.run(["/usr/bin/python3", "-c", script, *command], capture_output=True,
                          text=True, timeout=harness.TIME_LIMIT, check=False)
    assert done.stdout.split() == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16], done


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def ticks(path):
    return path.stat().st_size


def test_tstp_stops_run_and_the_container_and_cont_continues_both(bundle, start, folder):
    """Job control: `run` stops as a program run directly would, with all that it runs."""
    # A session of its own within ours would be an orphaned group, which does not stop.
    (folder / "out").mkdir()
    (folder / "out").chmod(0o777)
    (bundle.rootfs / "out").mkdir()
    bundle.mount(destination="/out", type="bind", source=str(folder / "out"), options=["bind"])
    process = start(bundle, "echo up; while :; do echo >>/out/ticks; sleep 0.02; done",
                    preexec_fn=lambda: os.setpgid(0, 0))
    counted = folder / "out/ticks"
    assert harness.wait_for(counted.exists)
    harness.send(process.pid, "TSTP")
    assert harness.wait_for(lambda: state_of(process.pid) == "T")
    time.sleep(0.2)
    before = ticks(counted)
    time.sleep(0.4)
    assert ticks(counted) == before, "the workload goes on while run is stopped"
    harness.send(process.pid, "CONT")
    assert harness.wait_for(lambda: state_of(process.pid) != "T")
    assert harness.wait_for(lambda: ticks(counted) > before)
    harness.send(process.pid, "TERM")
    assert end(process)[0] == 143


def test_term_ends_a_workload_that_forks_all_the_time(bundle, start):
    """libc blocks all signals around a fork; one that a first process has no handler for is lost
    when it is unblocked."""
    for _ in range(5):
        process = start(bundle, "echo up; while :; do /bin/true; done")
        harness.send(process.pid, "TERM")
        assert end(process)[0] == 143


@pytest.mark.parametrize("number", [1, 2, 6, 9, 11, 15])
def test_the_status_is_128_plus_the_signal_that_ended_the_workload(runsafe, bundle, start, number):
    """DESIGN.md section 4. As the runtime sees it: without a pid namespace of its own the workload
    can end itself."""
    oci = runsafe.with_options("--policy", "oci")
    bundle.namespace("pid", drop=True)
    assert oci.run(bundle.sh(f"ulimit -c 0; kill -{number} $$; sleep 5")).status == 128 + number


def test_zero_to_255_come_through(runsafe, bundle):
    for status in (0, 1, 42, 125, 126, 127, 128, 255):
        assert runsafe.run(bundle.sh(f"exit {status}")).status == status


def zombies():
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        if rest.split()[0] == "Z":
            found.append((int(rest.split()[1]), name))
    return found


def test_orphans_of_a_shared_pid_namespace_are_reaped(runsafe, bundle, start):
    """The issue: it reaps what is reparented to it and leaves no zombie."""
    oci = runsafe.with_options("--policy", "oci")
    bundle.namespace("pid", drop=True)
    process = start(bundle, "trap 'exit 0' TERM; for i in 1 2 3 4 5; do (sleep 0.1 &); done; "
                    "sleep 0.5; echo up; " + LOOP, program=oci)
    assert not [z for z in zombies() if z[0] == process.pid]
    harness.send(process.pid, "TERM")
    assert end(process)[0] == 0


def test_an_orphans_end_is_not_taken_for_the_workloads(runsafe, bundle, start):
    oci = runsafe.with_options("--policy", "oci")
    bundle.namespace("pid", drop=True)
    process = start(bundle, "(sleep 0.1; exit 9) & (sh -c 'exit 8' &); echo up; sleep 0.6; exit 6",
                    program=oci)
    assert end(process)[0] == 6


def test_run_leaves_no_zombie_of_its_own(bundle, start):
    process = start(bundle, "trap 'exit 0' TERM; for i in 1 2 3; do (sleep 0.05 &); done; "
                    "sleep 0.3; echo up; " + LOOP)
    assert not [z for z in zombies() if z[0] == process.pid]
    harness.send(process.pid, "TERM")
    assert end(process)[0] == 0


@pytest.mark.parametrize("option", ["-d", "--detach"])
def test_detached_run_returns_once_it_has_started_and_leaves_no_process(runsafe, bundle, option):
    name = runsafe.id()
    runsafe.ok("run", option, "-b", bundle.args("/bin/sleep", "1000").path, name)
    assert runsafe.status(name) == "running"
    assert harness.children() == [runsafe.state(name)["pid"]]


def test_detached_run_of_a_missing_program_fails_and_leaves_nothing(runsafe, bundle):
    left = harness.Leftovers(runsafe)
    result = runsafe("run", "-d", "-b", bundle.args("/no/such").path, runsafe.id())
    assert result.status == 127 and "no such file or directory" in result.err, result
    left.check()


def test_keep_keeps_the_stopped_container(runsafe, bundle):
    name = runsafe.id()
    result = runsafe("run", "--keep", "-b", bundle.sh("exit 3").path, name)
    assert result.status == 3
    assert runsafe.status(name) == "stopped"
    runsafe.fails("run", "-b", bundle.path, name, words=["already exists"])
    runsafe.delete(name)


@pytest.mark.parametrize("options", [[], ["-d"]])
def test_the_pid_file_has_the_pid_as_the_runtime_sees_it(runsafe, bundle, folder, options):
    pid_file, name = folder / "pid", runsafe.id()
    process = runsafe.start_process("run", *options, "--pid-file", pid_file, "-b",
                                    bundle.sh("sleep 1000").path, name,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert harness.wait_for(lambda: name in runsafe.ids() and runsafe.status(name) == "running")
    assert pid_file.read_text() == str(runsafe.state(name)["pid"])
    assert [p.name for p in folder.iterdir() if p.name.startswith("pid")] == ["pid"]
    runsafe.ok("kill", name, "KILL")
    process.wait(harness.TIME_LIMIT)


def test_a_pid_file_that_cannot_be_written_leaves_nothing(runsafe, bundle, folder):
    left = harness.Leftovers(runsafe)
    runsafe.fails("run", "--pid-file", folder / "none/pid", "-b", bundle.path, runsafe.id(),
                  words=["--pid-file", "no such file or directory"])
    left.check()


@pytest.mark.parametrize("user", [1000, 4711])
def test_pipes_are_the_workloads_so_that_they_can_be_reopened(runsafe, bundle, user):
    """DESIGN.md section 5; nginx and others log to /dev/stdout."""
    bundle.config["process"]["user"] = {"uid": user, "gid": user}
    process = runsafe.start_process(
        "run", "-b", bundle.sh("cat /dev/stdin > /dev/stdout; echo error > /dev/stderr; "
                               "echo fd > /proc/self/fd/1; stat -Lc %u /dev/stdout").path,
        runsafe.id(), stdin=subprocess.PIPE)
    out, err = process.communicate("through\n", timeout=harness.TIME_LIMIT)
    assert (out, err) == (f"through\nfd\n{user}\n", "error\n")


def test_files_as_stdin_and_stdout_keep_their_owner(runsafe, bundle, folder):
    """Only pipes: a log file of the host's user stays that user's."""
    with open(folder / "log-out", "w", encoding="utf-8") as out:
        process = runsafe.start_process("run", "-b", bundle.sh("echo hello").path, runsafe.id(),
                                        stdout=out)
        process.communicate(timeout=harness.TIME_LIMIT)
    assert (folder / "log-out").read_text() == "hello\n"
    assert (folder / "log-out").stat().st_uid == 0


def test_a_generated_id_has_the_bundles_name_and_none_is_used_twice(runsafe, bundle):
    bundle.args("/bin/sleep", "1000")
    for _ in range(3):
        runsafe.ok("run", "-d", str(bundle.path) + "/")
    ids = runsafe.ids()
    assert len(ids) == 3 and all(re.fullmatch(r"bundle-[0-9a-f]{8}", i) for i in ids), ids


@pytest.mark.parametrize("argument", [".", "./", "..", "../bundle", "bundle"])
def test_a_bundle_as_the_argument(runsafe, bundle, argument):
    bundle.sh("echo hello")
    where = {"..": bundle.rootfs, "bundle": bundle.path.parent}.get(argument, bundle.path)
    assert runsafe.ok("run", argument, cwd=where).out == "hello\n"
    assert runsafe.ids() == []


def test_a_bundle_with_an_odd_name(runsafe, new_bundle):
    odd = new_bundle("-ä b;\n_x").sh("echo hello")
    assert runsafe.ok("run", str(odd.path)).out == "hello\n"
    assert runsafe.ok("run", ".", cwd=odd.path).out == "hello\n"


@pytest.mark.parametrize("when", [0, 0.003, 0.006, 0.01, 0.015, 0.02, 0.03])
def test_kill_9_of_run_in_the_middle_is_cleaned_by_delete_force(runsafe, bundle, when):
    """Whatever was half made: nothing of it is left, and the id is free again."""
    left = harness.Leftovers(runsafe)
    name = runsafe.id()
    process = runsafe.start_process("run", "-b", bundle.args("/bin/sleep", "1000").path, name)
    time.sleep(when)
    process.kill()
    process.wait()
    # A workload that had started by then has the pipes still.
    runsafe.ok("delete", "--force", name)
    process.communicate(timeout=harness.TIME_LIMIT)
    left.check()
    assert runsafe.run(bundle.sh("exit 3")).status == 3


def test_kill_9_of_run_at_a_hook_leaves_no_workload_and_is_cleaned(runsafe, bundle):
    left = harness.Leftovers(runsafe)
    name = runsafe.id()
    bundle.set("hooks", {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "4"]}]})
    process = runsafe.start_process("run", "-b", bundle.args("/bin/sleep", "1000").path, name)
    assert harness.wait_for(lambda: name in runsafe.ids() and
                            any("sleep 4" in harness.cmdline(p) for p in harness.children()))
    process.kill()
    process.communicate()
    assert harness.wait_for(lambda: runsafe.status(name) == "stopped")
    runsafe.fails("start", name)
    runsafe.ok("delete", "--force", name)
    left.check()


def test_kill_9_of_run_while_it_waits_leaves_a_container_that_delete_force_ends(
        runsafe, bundle, start):
    left = harness.Leftovers(runsafe)
    process = start(bundle, "echo up; exec sleep 1000")
    name, = runsafe.ids()
    runsafe.wait_status(name, "running")
    process.kill()
    process.wait()
    assert runsafe.status(name) == "running"
    runsafe.ok("delete", "--force", name)
    process.communicate(timeout=harness.TIME_LIMIT)
    left.check()


def test_a_closed_stdout_is_the_workloads_matter(runsafe, bundle):
    read, write = os.pipe()
    os.close(read)
    process = runsafe.start_process("run", "-b", bundle.sh("echo hello || exit 5").path,
                                    runsafe.id(), stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=harness.TIME_LIMIT)
    assert process.returncode in (5, 141), err


def test_a_full_stdout_is_said_where_the_command_itself_writes(runsafe, bundle):
    name = runsafe.running(bundle)
    for command in (["state", name], ["list"], ["features"], ["spec"], ["--version"]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            process = runsafe.start_process(*command, stdout=full)
            _, err = process.communicate(timeout=harness.TIME_LIMIT)
        assert process.returncode == 1 and "no space left on device" in err, (command, err)
    runsafe.log.unlink()


def test_an_empty_environment_is_enough(runsafe, bundle):
    result = subprocess.run(["env", "-i", *runsafe.command("run", "-b", bundle.args(
        "/bin/env").path, runsafe.id())], capture_output=True, text=True,
        timeout=harness.TIME_LIMIT, check=False)
    assert result.returncode == 0 and result.stderr == "", result
    assert "PATH=" in result.stdout


def test_the_callers_environment_does_not_reach_the_workload(runsafe, bundle):
    result = runsafe.run_ok(bundle.args("/bin/env"), env={**os.environ, "SECRET": "x"})
    assert "SECRET" not in result.out


@pytest.mark.parametrize("closed", ["0", "1", "2", "012", "02"])
def test_closed_standard_descriptors(runsafe, bundle, closed):
    """Nothing of the runtime's may get the numbers 0 to 2."""
    (bundle.rootfs / "out").mkdir()
    out = runsafe.folder / "out"
    out.mkdir()
    out.chmod(0o777)
    bundle.mount(destination="/out", type="bind", source=str(out), options=["bind"])
    bundle.sh("fds=$(for fd in 0 1 2; do readlink /proc/$$/fd/$fd; done); n=$(ls /proc/self/fd | "
              "wc -l); echo \"$fds $n\" > /out/fds; echo x >&1; echo y >&2; cat; exit 3")
    shut = " ".join(f"{fd}>&-" if fd != "0" else "0<&-" for fd in closed)
    command = runsafe.command("run", "-b", bundle.path, runsafe.id())
    done = subprocess.run(["sh", "-c", f"exec \"$@\" {shut}", "sh", *command],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=harness.TIME_LIMIT, check=False)
    assert done.returncode == 3, done
    lines = (out / "fds").read_text().split()
    for fd in closed:
        assert lines[int(fd)] == "/dev/null", lines
    assert int(lines[3]) <= 4, lines


@pytest.mark.parametrize("n", [2, 8])
def test_of_runs_at_once_with_one_id_exactly_one_wins(runsafe, bundle, n):
    bundle.sh("echo up; exec sleep 1000")
    name = runsafe.id()
    all_ = [runsafe.start_process("run", "-b", bundle.path, name) for _ in range(n)]
    assert harness.wait_for(lambda: sum(p.poll() is None for p in all_) == 1)
    winner, = (p for p in all_ if p.poll() is None)
    assert winner.stdout.readline() == "up\n"
    for process in all_:
        if process is not winner:
            _, err = process.communicate()
            assert process.returncode == 1 and "already exists" in err, err
    runsafe.log.unlink()
    assert runsafe.status(name) == "running"
    runsafe.ok("kill", name, "KILL")
    assert end(winner)[0] == 137
    assert runsafe.ids() == []


def test_a_root_that_does_not_exist_is_made(runsafe, bundle):
    runsafe.root = runsafe.folder / "a/b/c"
    assert runsafe.sh(bundle, "echo hello").out == "hello\n"
    assert runsafe.root.stat().st_mode & 0o777 == 0o711


def test_a_root_that_is_not_writable(runsafe, bundle):
    left = harness.Leftovers(runsafe)
    other = runsafe.with_options()
    other.root = pathlib.Path("/proc/sys/none")
    other.fails("run", "-b", bundle.path, runsafe.id(), words=["/proc/sys/none"])
    other.root = runsafe.folder / "file"
    other.root.write_text("")
    other.fails("run", "-b", bundle.path, runsafe.id(), words=["file", "not a directory"])
    left.check()


def test_a_root_on_a_full_file_system(runsafe, bundle):
    """The state is there whole or not at all; the workload does not run without it."""
    small = runsafe.folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", small], check=True)
    try:
        other = runsafe.with_options()
        other.root = small / "state"
        other.root.mkdir()
        with contextlib.suppress(OSError):
            (small / "filler").write_bytes(b"x" * 65536)
        left = harness.Leftovers(runsafe)
        message = other.fails("run", "-b", bundle.sh("echo ran").path, runsafe.id(),
                              words=["no space left on device"])
        assert str(small) in message or "state" in message
        left.check()
        assert other.ids() == []
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("length", [1000, 3000])
def test_a_root_with_a_very_long_path(runsafe, bundle, length):
    runsafe.root = runsafe.folder / "/".join(["d" * 200] * (length // 201))
    name = runsafe.create(bundle.sh("echo hello"))
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    assert runsafe.output(name) == "hello\n"
    runsafe.delete(name)


def test_a_root_with_a_path_that_is_too_long(runsafe, bundle):
    other = runsafe.with_options()
    other.root = "/" + "/".join(["d" * 200] * 25)
    other.fails("run", "-b", bundle.path, runsafe.id(), words=["name too long"])


def test_the_log_as_text_is_one_line(runsafe, bundle):
    """logfmt as runc writes it; bytes that would break the line are escaped."""
    bundle.set("root.path", "no\nsuch \"root\"")
    log = runsafe.folder / "text"
    result = runsafe("--log", log, "--log-format", "text", "run", "-b", bundle.path, runsafe.id())
    assert result.status == 1
    lines = log.read_text().splitlines()
    assert len(lines) == 1
    assert re.fullmatch(r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*" level=error msg="(\\.|[^"\\])*"',
                        lines[0]), lines
    assert len(result.err.splitlines()) == 1


def test_the_log_as_json_is_one_object(runsafe, bundle):
    """Podman reads the whole log as one object."""
    bundle.set("root.path", "no\nsuch \"root\"")
    result = runsafe("run", "-b", bundle.path, runsafe.id())
    assert result.status == 1
    text = runsafe.log.read_text()
    assert text.count("\n") == 1
    entry = json.loads(text)
    assert set(entry) == {"level", "msg", "time"} and entry["level"] == "error"
    assert 'no\nsuch "root"' in entry["msg"]
    runsafe.log.unlink()


def test_failures_append_to_the_log(runsafe):
    runsafe("run", "-b", "/no/such/bundle", runsafe.id())
    runsafe("run", "-b", "/no/such/bundle", runsafe.id())
    assert [json.loads(line)["level"] for line in runsafe.log.read_text().splitlines()] == \
        ["error"] * 2
    runsafe.log.unlink()


def test_success_is_silent(runsafe, bundle):
    """DESIGN.md section 4: nothing to stderr or to the log; stdout is the workload's."""
    result = runsafe.ok("run", "-b", bundle.sh("echo only this").path, runsafe.id())
    assert result.out == "only this\n"
    assert runsafe.log.read_text() == ""


def test_a_workload_that_fails_is_no_failure_of_ours(runsafe, bundle):
    """Its status alone says so: no line in the log, none on stderr."""
    result = runsafe.run(bundle.sh("exit 9"))
    assert (result.status, result.err) == (9, "")
    assert runsafe.log.read_text() == ""


def test_a_container_deleted_by_somebody_else_meanwhile(runsafe, bundle, start):
    process = start(bundle, "echo up; exec sleep 1000")
    name, = runsafe.ids()
    runsafe.ok("delete", "--force", name)
    assert end(process) == (137, "", "")


def test_without_subreaper_run_works_as_well(runsafe, bundle):
    assert runsafe.sh(bundle, "(sleep 0.1 &); echo hello").out == "hello\n"
    name = runsafe.id()
    assert runsafe.ok("run", "--no-subreaper", "-b", bundle.path, name).out == "hello\n"


def test_much_output_and_input_at_once_passes_by_the_runtime(runsafe, bundle):
    """stdin and stdout are the workload's own; the runtime copies nothing."""
    text = "0123456789abcde\n" * 65536
    process = runsafe.start_process("run", "-b", bundle.args("/bin/cat").path, runsafe.id(),
                                    stdin=subprocess.PIPE)
    out, err = process.communicate(text, timeout=harness.TIME_LIMIT)
    assert out == text and err == "" and process.returncode == 0


def test_run_is_not_dumpable_on_behalf_of_the_workload(bundle, start):
    """The workload's user must not trace or read `run`, though it may own the pipes."""
    process = start(bundle, "trap 'exit 0' TERM; echo up; " + LOOP)
    assert os.stat(f"/proc/{process.pid}/exe").st_uid == 0
    assert ctypes.CDLL(None).getpgid(process.pid) == os.getpgid(0)
    harness.send(process.pid, "TERM")
    assert end(process)[0] == 0
