"""runtime-spec, runtime.md: "Lifecycle" and "Operations"; DESIGN.md section 4 for the words."""

import json
import os
import re
import subprocess

import pytest

import harness


def test_create_does_not_run_the_program_until_start(runsafe, bundle):
    """runtime.md, create: process MUST NOT be run until the start operation."""
    name = runsafe.create(bundle.sh("echo it ran"))
    assert runsafe.status(name) == "created"
    assert runsafe.output(name) == ""
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    assert runsafe.output(name) == "it ran\n"


def test_states_are_created_running_stopped(runsafe, bundle):
    """runtime.md, state: status MAY be one of creating, created, running, stopped."""
    name = runsafe.create(bundle.args("/bin/sleep", "1000"))
    assert runsafe.status(name) == "created"
    runsafe.start(name)
    assert runsafe.status(name) == "running"
    runsafe.ok("kill", name, "KILL")
    runsafe.wait_status(name, "stopped")
    runsafe.delete(name)
    runsafe.fails("state", name, words=["container does not exist"])


def test_state_has_the_fields_of_the_specification(runsafe, bundle):
    """runtime.md, state: ociVersion, id, status, pid, bundle (absolute), annotations."""
    bundle.set("annotations", {"org.example.key": "value"})
    name = runsafe.create(bundle)
    state = runsafe.state(name)
    assert re.fullmatch(r"1\.\d+\.\d+.*", state["ociVersion"])
    assert state["id"] == name
    assert state["status"] == "created"
    assert state["bundle"] == str(bundle.path)
    assert state["annotations"]["org.example.key"] == "value"
    assert os.path.isdir(f"/proc/{state['pid']}")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", state["created"])


def test_state_of_a_stopped_container_has_no_live_pid(runsafe, bundle):
    """runtime.md, state: pid is REQUIRED when created or running."""
    name = runsafe.create(bundle.sh("exit 0"))
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    assert not runsafe.state(name).get("pid")


def test_create_with_an_id_in_use_fails_and_harms_nothing(runsafe, bundle):
    """runtime.md, create: MUST generate an error if the id is not unique."""
    name = runsafe.running(bundle)
    runsafe.fails("create", "-b", bundle.path, name, words=["exist", name])
    assert runsafe.status(name) == "running"


def test_start_of_what_is_not_created_is_an_error(runsafe, bundle):
    """runtime.md, start: a container that is not created MUST have no effect and be an error."""
    name = runsafe.running(bundle)
    runsafe.fails("start", name)
    assert runsafe.status(name) == "running"
    runsafe.ok("kill", name, "KILL")
    runsafe.wait_status(name, "stopped")
    runsafe.fails("start", name)


@pytest.mark.parametrize("command", ["start", "state", "kill", "delete"])
def test_commands_need_a_container_that_exists(runsafe, command):
    runsafe.fails(command, runsafe.id(), words=["container does not exist"])


@pytest.mark.parametrize("command", ["start", "state", "kill", "delete", "create"])
def test_commands_need_an_id(runsafe, command):
    assert runsafe(command).status == 1


def test_delete_of_a_running_container_is_refused(runsafe, bundle):
    """runtime.md, delete: a container that is not stopped MUST have no effect and be an error."""
    name = runsafe.running(bundle)
    runsafe.fails("delete", name, words=[name])
    assert runsafe.status(name) == "running"


def test_delete_force_ends_a_running_container(runsafe, bundle):
    name = runsafe.running(bundle)
    pid = runsafe.state(name)["pid"]
    runsafe.ok("delete", "--force", name)
    assert runsafe.ids() == []
    assert harness.wait_for(lambda: harness.is_zombie(pid))


def test_delete_force_of_a_created_container(runsafe, bundle):
    name = runsafe.create(bundle)
    runsafe.ok("delete", "--force", name)
    assert runsafe.ids() == []


def test_delete_force_of_what_is_not_there_succeeds(runsafe):
    """As runc: shims call it to be sure."""
    runsafe.ok("delete", "--force", runsafe.id())


def test_delete_frees_the_id(runsafe, bundle):
    """runtime.md, delete: once deleted its id MAY be used by a subsequent container."""
    name = runsafe.create(bundle)
    runsafe.delete(name, "--force")
    runsafe.ok("create", "-b", bundle.path, name)
    assert runsafe.status(name) == "created"


def test_a_container_that_dies_at_its_gate_is_stopped(runsafe, bundle):
    name = runsafe.create(bundle)
    os.kill(runsafe.state(name)["pid"], 9)
    runsafe.wait_status(name, "stopped")
    runsafe.fails("start", name)
    runsafe.delete(name)
    assert runsafe.ids() == []


@pytest.mark.parametrize("signal", ["KILL", "SIGKILL", "9", "kill"])
def test_kill_takes_names_and_numbers(runsafe, bundle, signal):
    name = runsafe.running(bundle)
    runsafe.ok("kill", name, signal)
    runsafe.wait_status(name, "stopped")


def test_kill_without_a_signal_is_term(runsafe, bundle):
    """Process 1 has no default for TERM, so this one asks for it."""
    bundle.sh("trap 'echo got TERM; exit 0' TERM; echo up; while :; do sleep 0.1; done")
    name = runsafe.create(bundle)
    runsafe.start(name)
    assert harness.wait_for(lambda: "up" in runsafe.output(name))
    runsafe.ok("kill", name)
    runsafe.wait_status(name, "stopped")
    assert "got TERM" in runsafe.output(name)


def test_kill_of_a_created_container_works(runsafe, bundle):
    """runtime.md, kill: created or running."""
    name = runsafe.create(bundle)
    runsafe.ok("kill", name, "KILL")
    runsafe.wait_status(name, "stopped")


def test_kill_of_a_stopped_container_is_an_error(runsafe, bundle):
    """runtime.md, kill: neither created nor running MUST be an error; engines match the words."""
    name = runsafe.create(bundle.sh("exit 0"))
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    runsafe.fails("kill", name, "KILL", words=["container not running"])


def test_kill_all_reaches_every_process(runsafe, bundle):
    bundle.sh("for i in 1 2 3; do sleep 1000 & done; echo up; wait")
    name = runsafe.create(bundle)
    runsafe.start(name)
    assert harness.wait_for(lambda: "up" in runsafe.output(name))
    runsafe.ok("kill", "--all", name, "KILL")
    runsafe.wait_status(name, "stopped")


def test_an_unknown_signal_is_an_error(runsafe, bundle):
    name = runsafe.running(bundle)
    runsafe.fails("kill", name, "SIGNONSENSE", words=["SIGNONSENSE", "signal"])
    assert runsafe.status(name) == "running"


def test_list_has_what_is_there(runsafe, bundle):
    one = runsafe.create(bundle)
    two = runsafe.running(bundle)
    assert runsafe.ok("list", "-q").lines == sorted([one, two])
    entries = {e["id"]: e for e in json.loads(runsafe.ok("list", "--format", "json").out)}
    assert entries[one]["status"] == "created"
    assert entries[two]["status"] == "running"
    assert entries[two]["bundle"] == str(bundle.path)
    table = runsafe.ok("list").lines
    assert table[0].split()[:3] == ["ID", "PID", "STATUS"]
    assert any(line.split()[0] == two and "running" in line for line in table[1:])


def test_list_of_nothing_is_empty(runsafe):
    assert runsafe.ok("list", "-q").out == ""
    assert json.loads(runsafe.ok("list", "-f", "json").out) in ([], None)


def test_list_passes_over_foreign_folders(runsafe, bundle):
    """DESIGN.md section 4: Docker gives all runtimes one root."""
    name = runsafe.create(bundle)
    (runsafe.root / "foreign").mkdir()
    (runsafe.root / "foreign/state.json.other").write_text("{")
    assert runsafe.ok("list", "-q").lines == [name]
    assert (runsafe.root / "foreign/state.json.other").exists()
    harness.shutil.rmtree(runsafe.root / "foreign")


def test_pid_file_holds_the_workloads_pid(runsafe, bundle, folder):
    name = runsafe.create(bundle, "--pid-file", folder / "pid")
    assert int((folder / "pid").read_text()) == runsafe.state(name)["pid"]
    assert (folder / "pid").read_text().isdigit(), "engines read the file as a number alone"


def test_changes_to_config_json_after_create_have_no_effect(runsafe, bundle):
    """runtime.md, create: any changes made to config.json after this step will not have effect."""
    name = runsafe.create(bundle.sh("echo first"))
    bundle.sh("echo second")
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    assert runsafe.output(name) == "first\n"


def test_nothing_of_runsafe_stays_beside_a_detached_container(runsafe, bundle):
    """DESIGN.md section 6: no process stays behind but the workload."""
    name = runsafe.id()
    runsafe.ok("run", "--detach", "-b", bundle.args("/bin/sleep", "1000").path, name)
    pid = runsafe.state(name)["pid"]
    assert harness.children() == [pid], [harness.cmdline(p) for p in harness.children()]
    assert "sleep" in harness.cmdline(pid)


@pytest.mark.parametrize("script,status", [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", None),
                                           ("kill -TERM $$; sleep 5", None)])
def test_run_ends_with_the_workloads_status(runsafe, bundle, script, status):
    """DESIGN.md section 4: the workload's, 128+N for a signal. Process 1 can not kill itself, so
    the signals come from outside in test_a_signal_to_run_reaches_the_workload."""
    if status is None:
        result = runsafe.run(bundle.sh(f"sh -c '{script}'; exit $?"))
        assert result.status in (137, 143), result
    else:
        assert runsafe.run(bundle.sh(script)).status == status


def test_run_of_a_missing_program_ends_with_127(runsafe, bundle):
    result = runsafe.run(bundle.args("/no/such/program"))
    assert result.status == 127, result
    assert "no such file or directory" in result.err


def test_run_of_a_file_that_is_not_executable_ends_with_126(runsafe, bundle):
    bundle.file("/opt/plain", "hello\n")
    result = runsafe.run(bundle.args("/opt/plain"))
    assert result.status == 126, result
    assert "permission denied" in result.err


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1"])
def test_a_signal_to_run_reaches_the_workload(runsafe, bundle, name):
    bundle.sh(f"trap 'echo got {name}; exit 5' {name}; echo up; while :; do sleep 0.1; done")
    process = runsafe.start_process("run", "-b", bundle.path, runsafe.id())
    assert process.stdout.readline() == "up\n"
    harness.send(process.pid, name)
    out, err = process.communicate(timeout=harness.TIME_LIMIT)
    assert out == f"got {name}\n", (out, err)
    assert process.returncode == 5, err


def test_run_killed_by_a_signal_of_the_workload_is_128_plus_n(runsafe, bundle):
    process = runsafe.start_process("run", "-b", bundle.sh("echo up; sleep 1000").path,
                                    name := runsafe.id())
    assert process.stdout.readline() == "up\n"
    runsafe.ok("kill", name, "KILL")
    process.communicate(timeout=harness.TIME_LIMIT)
    assert process.returncode == 128 + 9


def test_run_takes_a_bundle_as_its_argument(runsafe, bundle):
    """DESIGN.md section 4: an argument with a slash runs that bundle under a generated id."""
    bundle.sh("echo hello")
    result = runsafe.ok("run", str(bundle.path) + "/")
    assert result.out == "hello\n"
    assert runsafe.ok("run", ".", cwd=bundle.path).out == "hello\n"
    assert runsafe.ok("run", "bundle", cwd=bundle.path.parent).out == "hello\n"


def test_run_without_a_bundle_option_takes_the_current_folder(runsafe, bundle):
    assert runsafe.ok("run", runsafe.id(), cwd=bundle.sh("echo hello").path).out == "hello\n"


def test_run_leaves_nothing_and_keep_leaves_the_state(runsafe, bundle):
    runsafe.run_ok(bundle.sh("true"))
    assert runsafe.ids() == []
    name = runsafe.id()
    runsafe.ok("run", "--keep", "-b", bundle.path, name)
    assert runsafe.status(name) == "stopped"
    runsafe.delete(name)


def test_run_reaps_what_is_reparented_to_it(runsafe, bundle):
    """The issue: it reaps what is reparented to it and leaves no zombie."""
    bundle.sh("(sleep 0.2 &) ; echo done")
    assert runsafe.run_ok(bundle).out == "done\n"


def test_the_workload_reads_its_stdin(runsafe, bundle):
    assert runsafe.run_ok(bundle.args("/bin/cat"), stdin="from outside\n").out == "from outside\n"


def test_preserve_fds_passes_descriptors_and_no_others(runsafe, bundle, folder):
    """DESIGN.md section 5: no descriptor but 0, 1, 2 and the preserved ones."""
    (folder / "given").write_text("the file\n")
    bundle.sh("cat <&3; ls /proc/self/fd | sort -n | tr '\\n' ' '")
    command = runsafe.command("run", "--preserve-fds", 1, "-b", bundle.path, runsafe.id())
    result = subprocess.run(["sh", "-c", 'exec "$@" 3<"$0" 4<"$0"', folder / "given", *command],
                            capture_output=True, text=True, timeout=harness.TIME_LIMIT, check=True)
    text, _, fds = result.stdout.partition("\n")
    assert text == "the file"
    # ls itself opens the folder: one more than what it was given.
    assert fds.split()[:4] == ["0", "1", "2", "3"] and len(fds.split()) <= 5, result


def test_works_with_an_empty_environment(runsafe, bundle):
    name = runsafe.id()
    runsafe.ok("create", "-b", bundle.sh("echo hello").path, name, env={})
    assert runsafe.ok("state", name, env={}).err == ""
    runsafe.ok("start", name, env={})
    runsafe.wait_status(name, "stopped")
    runsafe.ok("delete", name, env={})


def test_two_commands_at_once_wait_for_one_another(runsafe, bundle):
    """The state is guarded by a lock: of ten starts, one succeeds and nine say why not."""
    name = runsafe.create(bundle.args("/bin/sleep", "1000"))
    starts = [runsafe.start_process("start", name) for _ in range(10)]
    status = [p.wait(timeout=harness.TIME_LIMIT) for p in starts]
    for p in starts:
        p.communicate()
    assert sorted(status) == [0] + [1] * 9
    runsafe.log.unlink(missing_ok=True)
    assert runsafe.status(name) == "running"


def test_ten_creates_of_one_id_make_one_container(runsafe, bundle):
    name = runsafe.id()
    makers = [runsafe.start_process("create", "-b", bundle.path, name, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL) for _ in range(10)]
    status = [p.wait(timeout=harness.TIME_LIMIT) for p in makers]
    assert sorted(status) == [0] + [1] * 9
    runsafe.log.unlink(missing_ok=True)
    assert runsafe.ids() == [name]
    assert runsafe.status(name) == "created"


def test_version_help_and_features(runsafe):
    lines = runsafe.ok("--version").lines
    assert re.fullmatch(r"runsafe version \S+", lines[0])
    assert lines[1].startswith("commit: ") and lines[2].startswith("spec: ")
    assert sum("version" in line for line in lines) == 1
    assert json.loads(runsafe.ok("features").out)["ociVersionMin"] == "1.0.0"
    for command in "create start run state kill delete list spec features check".split():
        assert command in runsafe.ok("--help").out
        assert "runsafe" in runsafe.ok(command, "--help").out


def test_an_unknown_option_is_an_error_with_the_usage_on_stderr(runsafe):
    for args in (["--no-such-option", "list"], ["list", "--no-such-option"], ["no-such-command"]):
        result = runsafe(*args)
        assert result.status == 1 and result.out == "", result
        assert "sage" in result.err and "no-such" in result.err, result
    runsafe.log.unlink(missing_ok=True)


def test_go_single_dash_options_are_taken(runsafe, bundle):
    """DESIGN.md section 4: --opt value, --opt=value, and Go's single dash."""
    name = runsafe.id()
    runsafe.ok("create", f"--bundle={bundle.path}", "-no-new-keyring", name)
    assert runsafe.ok("list", "-format=json").out.startswith("[")
