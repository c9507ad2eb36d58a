"""docker exec into containers of runsafe; exec obeys the policy that its container was made under."""

import pytest

from docker import name_of
from engines import assert_hardened, status_in, wait_for
from terminal import Terminal
from test_docker_run import ID, size_and_interrupt


@pytest.fixture(scope="module")
def box(dockerd):
    """A maker of one running container for each runtime: its name."""
    dockerd.image("busybox")
    made = set()

    def make(runtime):
        name = f"box-{name_of(runtime)}"
        if name not in made:
            dockerd("run", "-d", "--init", "--name", name, "--runtime", name_of(runtime), "-e",
                    "FROM=run", "busybox", "sleep", "10000")
            made.add(name)
        return name

    yield make
    dockerd.clean()


@pytest.fixture
def execute(dockerd, box, runtime):
    """docker exec OPTIONS BOX sh -c SCRIPT"""
    name = box(runtime)

    def run(*options, script, **more):
        return dockerd("exec", *options, name, "sh", "-c", script, **more)

    run.name, run.docker = name, dockerd
    return run


def test_exec_environment_directory_input_and_status(execute):
    done = execute("-i", "-e", "MORE=exec", "-w", "/etc",
                   script="pwd; echo $FROM $MORE; cat; echo err >&2; exit 42", input="in\n",
                   check=False)
    assert (done.status, done.out, done.err) == (42, "/etc\nrun exec\nin\n", "err\n")
    assert execute(script="kill -9 $$", check=False).status == 137


def test_exec_users(execute, runtime):
    """Root becomes the container's own user under the default policy; others are as asked for."""
    expected = {"root": ID[runtime], "0": ID[runtime], "nobody": "65534", "1234:56": "1234 56"}
    for user, numbers in expected.items():
        done = execute("-u", user, script="echo $(id -u) $(id -g)")
        assert done.text.startswith(numbers + (" " if " " not in numbers else "")), (user, done)
    assert execute(script="id -u").text == ID[runtime]
    done = execute("-u", "nosuch", script="id", check=False)
    assert done.status == 126 and "unable to find user nosuch" in done.out + done.err


@pytest.mark.runtimes("runsafe")
def test_exec_privileged_as_root_gets_nothing_more(execute):
    done = execute("--privileged", "-u", "root",
                   script="cat /proc/self/status; unshare -m true || echo kept")
    assert_hardened(status_in(done.out))
    assert done.out.endswith("kept\n")


@pytest.mark.runtimes("runsafe-oci", "own")
def test_exec_privileged_is_as_asked_for_under_oci(execute):
    status = status_in(execute("--privileged", script="cat /proc/self/status").out)
    assert int(status["CapEff"], 16).bit_count() > 35
    plain = status_in(execute(script="cat /proc/self/status").out)
    assert plain["CapEff"] == "00000000a80425fb" and plain["Seccomp"] == "2"


@pytest.mark.parametrize("program, words", [("nosuch", "executable file not found in $PATH"),
                                            ("/nosuch", "no such file or directory"),
                                            ("/etc", "permission denied"),
                                            ("/etc/passwd", "permission denied")])
def test_exec_of_what_can_not_be_run_is_126(execute, program, words):
    """docker 26 says 126 for all of them, whatever the runtime."""
    done = execute.docker("exec", execute.name, program, check=False)
    assert done.status == 126 and f'exec: "{program}"' in done.out and words in done.out, done


def test_exec_in_a_missing_directory_is_126(execute):
    done = execute("-w", "/not/there", script="pwd", check=False)
    assert done.status == 126 and "/not/there" in done.out and "no such file or directory" in done.out


def test_exec_detached(execute):
    execute("-d", script="readlink /proc/self/fd/0 >/tmp/detached; exec sleep 500")
    wait_for("it ran", lambda: execute(script="cat /tmp/detached", check=False).text == "/dev/null")
    # It is there beside the container's own processes, also for docker top.
    assert "sleep 500" in execute.docker("top", execute.name).out


def test_exec_at_a_terminal(execute, runtime):
    client = ("docker", "-H", f"unix://{execute.docker.socket}", "exec", "-it", "-e", "PS1=> ",
              execute.name, "sh")
    with Terminal(*client, rows=30, columns=111) as t:
        t.expect("> ")
        t.send("tty; stat -c %u $(tty); echo through >/dev/tty; echo $((6 * 7))\n")
        said = t.expect("42\r\n")
        assert "/dev/pts/" in said and f"\r\n{ID[runtime]}\r\nthrough\r\n" in said and "job control" not in said
        size_and_interrupt(t, "> ", (30, 111), (50, 99))
        t.send("exit 6\n")
        assert t.wait() == 6


def test_exec_sees_what_the_container_sees(execute):
    """The same root, namespaces and filters as process 1, and a /dev/null of the container's."""
    done = execute(script="for ns in mnt net pid ipc uts cgroup; do readlink /proc/self/ns/$ns; done; "
                          "stat -L -c %d:%i /; grep -h -e ^Seccomp -e ^NoNew /proc/self/status")
    first = execute(script="for ns in mnt net pid ipc uts cgroup; do readlink /proc/1/ns/$ns; done; "
                           "stat -L -c %d:%i /proc/1/root; grep -h -e ^Seccomp -e ^NoNew /proc/1/status")
    assert done.out == first.out and len(done.out.split()) >= 9


@pytest.mark.runtimes("runsafe", "runsafe-oci")
def test_exec_does_not_hand_out_the_hosts_dev_null(execute):
    """Its rights could be changed there, for everybody on the host."""
    numbers = execute(script="stat -L -c %d:%i /dev/null /proc/self/fd/0").out.split()
    assert len(set(numbers)) == 1


def test_exec_into_paused_and_stopped_containers(docker, runtime):
    """docker's own refusals; and after unpausing it works again."""
    docker.image("busybox")
    docker("run", "-d", "--name", "one", "--runtime", name_of(runtime), "busybox", "sleep", "1000")
    docker("pause", "one")
    done = docker("exec", "one", "true", check=False)
    assert done.status == 1 and "is paused" in done.err
    docker("unpause", "one")
    docker("exec", "one", "true")
    docker("kill", "one")
    done = docker("exec", "one", "true", check=False)
    assert done.status == 1 and "is not running" in done.err
