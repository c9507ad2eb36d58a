"""How engines find errors: the texts that they look for, exit codes, the log, and silence.

MATCHED is what they match, and where: their sources were read for it (containerd 1.7 and go-runc,
moby 26, podman 5.4, buildah 1.39, cri-o 1.31)."""

import json
import re

import pytest

import podman as podman_module
from bundle import Runtime
from docker import name_of
from engines import wait_for

# what happened: (who looks for what, as a regular expression, in what the runtime said)
MATCHED = {
    "no such container": [
        ("containerd's shim, kill", r"does not exist"),
        ("podman, state", r"does not exist|No such file"),
        ("cri-o, state and delete", r"does not exist"),
    ],
    "kill of one that has ended": [
        ("containerd's shim, kill",
         r"os: process already finished|container not running|(?i:no such process)"),
        ("cri-o, kill", r"container not running|process already finished|(?i:no such process)"),
    ],
    "the program is not in $PATH": [
        ("moby, create: 127", r"(?i)executable file not found"),
        ("moby and buildah, create", r"executable file not found in \$PATH"),
        ("podman: 127", r"(?i).*executable file not found in.*|.*no such file or directory.*"),
        ("kubelet, exec probes", r"executable file not found in \$PATH"),
    ],
    "the program is not there": [
        ("moby, create: 127", r"(?i)no such file or directory"),
        ("podman: 127", r"(?i).*executable file not found in.*|.*no such file or directory.*"),
    ],
    "the program may not be executed": [
        ("moby, create: 126", r"(?i)permission denied"),
        ("podman: 126", r"(?i).*permission denied.*|.*operation not permitted.*"),
    ],
    "the program is a directory": [
        ("containerd's shim, create", r"is a directory"),
        ("podman: 126", r"(?i).*permission denied.*|.*operation not permitted.*"),
    ],
    "a file is mounted on a directory": [
        ("moby, create: 127 with a hint", r"(?i)not a directory"),
    ],
    "the id is in use": [
        ("containerd and users", r"already exists"),
    ],
    "exec in a paused one": [
        ("users of all", r"paused"),
    ],
    "pause of one that has ended": [
        ("containerd's shim", r"container not running"),
    ],
}


def provoke(runtime, what):
    """The words of the command that comes to that, and what it needs beforehand."""
    sleeping = {"exec in a paused one", "kill of one that has ended", "the id is in use",
                "pause of one that has ended"}
    programs = {"the program is not in $PATH": "nosuch", "the program is not there": "/bin/nosuch",
                "the program may not be executed": "/etc/passwd", "the program is a directory": "/etc"}
    if what in sleeping:
        name = runtime.running()
        if what == "the id is in use":
            return ["create", name]
        if what == "exec in a paused one":
            runtime("pause", name)
            return ["exec", name, "true"]
        runtime("kill", name, "KILL")
        runtime.stopped(name)
        return ["kill", name, "TERM"] if what.startswith("kill") else ["pause", name]
    if what == "no such container":
        return ["state", "nobody"]
    if what in programs:
        runtime.write([programs[what]])
    else:
        runtime.write(mounts=[*runtime.config["mounts"],
                              {"destination": "/etc", "type": "bind", "source": "/etc/passwd",
                               "options": ["bind"]}])
    return ["create", runtime.name()]


@pytest.fixture
def alone(folder, runtime):
    it = Runtime(folder, runtime)
    yield it
    it.close()


@pytest.mark.parametrize("what", MATCHED)
def test_engines_find_what_they_look_for(alone, what):
    """In stderr and in the log, of which there is one line, with level, msg and time."""
    done = alone(*provoke(alone, what), check=False)
    assert done.status != 0 and done.out == ""
    errors = [line for line in done.log_lines if line["level"] == "error"]
    assert len(errors) == 1, done.log_text
    for who, pattern in MATCHED[what]:
        if alone.runtime == "own" and what == "the program is a directory" and "podman" in who:
            continue  # with runc Podman says 126 by its own look at the path
        assert re.search(pattern, errors[0]["msg"]), (who, errors[0])
        assert re.search(pattern, done.err), (who, done.err)
    if alone.runtime != "own":  # runc has warnings beside it
        assert len(done.log_lines) == 1
        assert done.err == f"runsafe: {errors[0]['msg']}\n"
        assert set(errors[0]) == {"level", "msg", "time"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", errors[0]["time"])


def test_the_log_as_text_has_one_line_with_the_same_sentence(alone):
    done = alone("state", "nobody", check=1, log_format="text")
    (line,) = done.log_lines
    assert re.search(r'time="[^"]+" level=error msg="?[^"]*container does not exist"?', line), line


def test_every_command_that_succeeds_is_silent(alone):
    """Nothing on stderr, nothing in the log; on stdout only what was asked for, as JSON where shims
    parse it."""
    alone.write("trap 'exit 0' TERM; while :; do sleep 0.05; done")
    name = alone.name()
    silent = [("create", name), ("start", name), ("pause", name), ("resume", name),
              ("update", "-r", "-", name), ("exec", name, "true"), ("kill", name, "0"),
              ("kill", name, "TERM")]
    for words in silent:
        done = alone(*words, input="{}" if words[0] == "update" else "")
        assert (done.out, done.err, done.log_text) == ("", "", ""), words
        if words[0] == "start":
            for asked in (("state", name), ("ps", "--format", "json", name), ("ps", "-f", "json", name),
                          ("events", "--stats", name), ("list", "--format=json"), ("features",)):
                done = alone(*asked)
                json.loads(done.out)
                assert (done.err, done.log_text) == ("", ""), asked
    alone.stopped(name)
    for words in (("kill", "--all", name, "KILL"), ("delete", name), ("delete", "--force", name),
                  ("delete", "--force", "nobody")):
        done = alone(*words)
        assert (done.out, done.err, done.log_text) == ("", "", ""), words


def test_the_state_of_one_that_nobody_waited_for_is_stopped(alone):
    """Its process is a zombie: shims ask before they have looked."""
    name = alone.running()
    pid = alone.pid(name)
    alone("kill", name, "KILL")
    alone.stopped(name)
    assert alone.state(name)["pid"] == 0
    try:
        stat = open(f"/proc/{pid}/stat", encoding="ascii").read()
    except FileNotFoundError:
        return  # somebody's process 1 was faster
    assert stat.rpartition(")")[2].split()[0] == "Z"


# --- with the engines' own clients; what the policy adds changes none of it

engines_runtimes = pytest.mark.runtimes("runsafe-oci", "own")

# program: (docker run's status, State.ExitCode, words); under runc what only the exec finds is 1
PROGRAMS = {
    "nosuch": (127, "executable file not found in $PATH"),
    "/nosuch": (127, "no such file or directory"),
    "": (127, "executable file not found in $PATH"),
    "/odd/plain": (126, "permission denied"),
    "/odd": (126, "is a directory"),
}
STARTED = {
    "/odd/garbage": (126, "exec format error"),
    "/odd/script": (127, "no such file or directory"),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A folder of programs that can not be executed."""
    path = tmp_path_factory.mktemp("odd")
    for parent in [path, *path.parents][:3]:
        parent.chmod(0o755)
    (path / "plain").write_text("#!/bin/sh\n")
    for name, text in (("garbage", b"\x7fELFgarbage"), ("script", b"#!/nosuch\n")):
        (path / name).write_bytes(text)
        (path / name).chmod(0o755)
    return path


@engines_runtimes
@pytest.mark.parametrize("program", PROGRAMS)
def test_docker_run_ends_with_what_a_shell_would_say(docker, runtime, odd, program):
    """126 and 127, the sentence for the user, and in State.Error."""
    status, words = PROGRAMS[program]
    done = docker("run", "--name", "deep", "--runtime", name_of(runtime), "-v", f"{odd}:/odd",
                  docker.image("busybox"), program, check=False)
    state = docker.inspect("deep", ".State")
    assert done.status == state["ExitCode"] == status, done
    assert words in done.err and words in state["Error"]
    assert docker.states() == [] and state["Pid"] == 0


@engines_runtimes
@pytest.mark.parametrize("program", STARTED)
@pytest.mark.parametrize("policy", ["no", "always"])
def test_docker_shows_what_only_the_exec_finds_in_the_logs(docker, runtime, odd, program, policy):
    """The container has started and ended: it is restarted by its policy, and can be removed."""
    status, words = STARTED[program]
    docker("run", "-d", "--name", "deep", "--runtime", name_of(runtime), "--restart", policy,
           "-v", f"{odd}:/odd", docker.image("busybox"), program)
    wait_for("it said so", lambda: words in docker("logs", "deep").err)
    if policy == "always":
        wait_for("it is restarted", lambda: docker.inspect("deep", ".RestartCount") >= 1)
    else:
        wait_for("it ended", lambda: docker.inspect("deep", ".State.Status") == "exited")
        state = docker.inspect("deep", ".State")
        assert state["ExitCode"] == (1 if runtime == "own" else status) and state["Error"] == ""
    docker("rm", "-f", "deep")


@engines_runtimes
def test_docker_run_ends_with_125_for_what_is_no_fault_of_the_program(docker, runtime):
    done = docker("run", "--name", "deep", "--runtime", name_of(runtime), "-v", "/etc/passwd:/etc",
                  docker.image("busybox"), "true", check=125)
    assert "not a directory" in done.err
    assert "Are you trying to mount a directory onto a file" in done.err


@engines_runtimes
@pytest.mark.parametrize("script,status", [("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_docker_exec_ends_as_the_process_did(docker, runtime, script, status):
    docker("run", "-d", "--name", "deep", "--runtime", name_of(runtime), docker.image("busybox"),
           "sleep", "1000")
    docker("exec", "deep", "sh", "-c", script, check=status)


@engines_runtimes
def test_docker_exec_ends_with_126_and_says_why(docker, runtime, odd):
    docker("run", "-d", "--name", "deep", "--runtime", name_of(runtime), "-v", f"{odd}:/odd",
           docker.image("busybox"), "sleep", "1000")
    for program, (_, words) in PROGRAMS.items():
        done = docker("exec", "deep", program, check=126)
        assert words in done.out, done
    done = docker("exec", "deep", "/odd/garbage", check=False)
    assert done.status == (1 if runtime == "own" else 126) and "exec format error" in done.err
    done = docker("exec", "-w", "/nosuch", "deep", "true", check=126)
    assert "no such file or directory" in done.out
    # The container is as it was.
    assert docker("exec", "deep", "echo", "well").text == "well"


@pytest.fixture(scope="module")
def podman_without_json():
    """Podman that gives its runtimes no --log: it reads their stderr."""
    it = podman_module.make(json=())
    yield it
    it.stop()


@pytest.fixture(params=["json", "stderr"])
def either(request, podman, podman_without_json):
    if request.param == "json":
        yield podman
    else:
        yield podman_without_json
        podman_without_json.clean()


@engines_runtimes
def test_podman_ends_with_what_a_shell_would_say(either, runtime, odd):
    """With and without runtime_supports_json."""
    image = either.image("busybox")
    for program, (status, words) in PROGRAMS.items():
        done = either("run", "--rm", "-v", f"{odd}:/odd", image, program, runtime=runtime, check=status)
        if runtime != "own":
            assert words in done.err, done
    for program, (status, words) in STARTED.items():
        done = either("run", "--rm", "-v", f"{odd}:/odd", image, program, runtime=runtime, check=False)
        assert done.status == (1 if runtime == "own" else status) and words in done.err.lower(), done
    done = either("run", "--rm", "-v", "/etc/passwd:/etc", image, "true", runtime=runtime, check=126)
    assert "not a directory" in done.err.lower()


@engines_runtimes
def test_podman_exec_ends_with_what_a_shell_would_say(either, runtime, odd):
    either("run", "-d", "--name", "deep", "-v", f"{odd}:/odd", either.image("busybox"), "sleep", "1000",
           runtime=runtime)
    for program, (status, _) in PROGRAMS.items():
        if program:
            either("exec", "deep", program, runtime=runtime, check=status)
    done = either("exec", "deep", "/odd/garbage", runtime=runtime, check=False)
    assert done.status == (1 if runtime == "own" else 126), done
    either("exec", "deep", "sh", "-c", "kill -9 $$", runtime=runtime, check=137)
    either("exec", "deep", "sh", "-c", "exit 7", runtime=runtime, check=7)


@engines_runtimes
def test_ctr_says_what_the_runtime_said(containerd, runtime):
    image = containerd.image("busybox")
    program = containerd.programs.get(name_of(runtime))
    for command, words in (("nosuch", "executable file not found in $PATH"),
                           ("/etc/passwd", "permission denied"), ("/etc", "is a directory")):
        done = containerd.ctr("run", "--rm", "--runc-binary", program, image, "deep", command,
                              check=False)
        assert done.status != 0 and words in done.err, done
        containerd.ctr("containers", "rm", "deep", check=False)
    done = containerd.ctr("run", "--rm", "--runc-binary", program, image, "deep", "sh", "-c", "exit 7",
                          check=False)
    assert done.status == 7, done
