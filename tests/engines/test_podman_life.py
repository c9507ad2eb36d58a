"""The life of Podman's containers under runsafe, and what is done to them, as root."""

import pathlib
import subprocess
import time

import pytest

from engines import assert_hardened, run, status_in, wait_for
from podman import alike, name_of, path_of, sh, workload_uid
from terminal import Terminal


@pytest.mark.parametrize("terminal", [False, True])
@alike
def test_a_program_that_can_not_run_ends_with_126_or_127_and_says_why(podman, go, runtime,
                                                                      terminal):
    more = ["-t"] if terminal else []
    for program, status, why in (("nosuch", 127, "not found"), ("/etc/passwd", 126, "permission"),
                                 ("/etc", 126, "")):
        done = go(*more, do=(program,), whole=True, check=status)
        # crun's word for the second is "not permitted"
        assert program in done.err and (why in done.err or "own" in runtime), done
    podman("run", "-d", "--name", "c", "busybox", "sleep", "100", runtime=runtime)
    for program, status in (("nosuch", 127), ("/etc/passwd", 126), ("/etc", 126)):
        done = podman("exec", *more, "c", program, check=status)
        assert program in done.err, done
    done = podman("exec", "-w", "/nosuch", "c", "pwd", check=127)
    assert "/nosuch" in done.err


def test_a_container_from_its_first_to_its_last_day(podman, go, runtime, folder):
    """run -d, logs, ps, port, top, exec, pause, rename, kill, stop, restart, wait, rm."""
    uid = workload_uid(runtime)
    podman("run", "-d", "--name", "c", "-p", "8099:80", podman.image("busybox"),
           *sh("trap 'echo bye; exit 3' TERM; trap 'echo hup' HUP; echo up; cd /tmp;"
               "echo web >index.html; httpd -p 80; while :; do sleep 0.05; done"), runtime=runtime)
    wait_for("it says up", lambda: podman("logs", "c").text == "up")
    page = wait_for("the port is published", lambda: subprocess.run(
        ["curl", "-sm3", "127.0.0.1:8099"], capture_output=True, text=True).stdout)
    assert page == "web\n"
    assert podman("ps", "--format", "{{.Names}} {{.State}}").text == "c running"
    assert podman("port", "c").text == "80/tcp -> 0.0.0.0:8099"
    state = podman.inspect("c", ".State")
    assert state["Status"] == "running" and state["Pid"] == podman.pid("c") and state["Running"]

    podman("pause", "c")
    assert podman.inspect("c", ".State.Status") == "paused"
    assert podman("exec", "c", "true", check=255).err
    podman("unpause", "c")
    assert podman("exec", "c", "id", "-u").text == uid

    podman("kill", "-s", "HUP", "c")
    wait_for("the signal arrives", lambda: "hup" in podman("logs", "c").out)
    podman("rename", "c", "d")
    podman("stop", "-t", "5", "d")
    assert podman("wait", "d").text == "3" and "bye" in podman("logs", "d").out
    podman("start", "d")
    podman("restart", "-t", "5", "d")
    assert podman("exec", "d", "id", "-u").text == uid
    podman("kill", "d")
    assert podman("wait", "d").text == "137"
    assert "can only kill running containers" in podman("kill", "d", check=125).err
    podman("container", "clone", "d", "e", runtime=runtime)
    assert podman.inspect("e", ".OCIRuntime") == name_of(runtime)
    podman("rm", "d", "e")


@alike
def test_files_go_in_and_out_and_the_image_can_be_saved(podman, runtime, folder):
    """cp, diff, commit, export."""
    (folder / "f").write_text("in")
    podman("run", "-d", "--name", "c", podman.image("busybox"), "sleep", "100", runtime=runtime)
    podman("cp", folder / "f", "c:/tmp/f")
    assert podman("exec", "c", "cat", "/tmp/f").text == "in"
    podman("exec", "c", *sh("echo out >/tmp/g"))
    podman("cp", "c:/tmp/g", folder / "g")
    assert (folder / "g").read_text() == "out\n"
    # What the workload can not write to, `podman cp` can not either.
    done = podman("cp", folder / "f", "c:/etc/f", check=125 if runtime == "runsafe" else 0)
    assert runtime != "runsafe" or "read-only file system" in done.err
    assert runtime == "runsafe" or "A /etc/f" in podman("diff", "c").out
    podman("commit", "-q", "c", "saved")
    podman("export", "-o", folder / "tar", "c")
    assert "etc/passwd" in run("tar", "-tf", folder / "tar").out
    assert podman("run", "--rm", "saved", "id", "-u", runtime=runtime).text == workload_uid(runtime)
    podman("rm", "-ft0", "c")
    podman("rmi", "saved")


def test_exec_takes_its_options_and_hands_back_the_status(podman, runtime, folder):
    uid = workload_uid(runtime)
    podman("run", "-d", "--name", "c", podman.image("busybox"), "sleep", "100", runtime=runtime)

    def exec_(*words, **options):
        return podman("exec", *words, **options).text

    assert exec_("-e", "A=b", "-w", "/tmp", "c", *sh("echo $A $PWD; id -u")).split() == ["b",
                                                                                         "/tmp",
                                                                                         uid]
    assert exec_("-u", "33:44", "c", *sh("id -u; id -g")).split() == ["33", "44"]
    assert exec_("-u", "root", "c", "id", "-u") == uid
    assert exec_("-i", "c", "cat", input="typed") == "typed"
    assert exec_("-t", "c", "tty") == "/dev/pts/0"
    podman("exec", "c", *sh("exit 42"), check=42)
    podman("exec", "c", *sh("kill -9 $$"), check=137)
    podman("exec", "-d", "c", *sh("echo d >/tmp/d"))
    wait_for("the detached one writes", lambda: exec_("c", *sh("cat /tmp/d || :")) == "d")
    status = status_in(exec_("--privileged", "c", "cat", "/proc/self/status"))
    if runtime == "runsafe":
        assert_hardened(status)
    else:
        assert status["CapEff"] == "000001fffeffffff"
    (folder / "f").write_text("passed on")
    words = podman.command("exec", "--preserve-fds", "1", "c", "cat", "/proc/self/fd/3")
    assert descriptor_3(words, podman, folder / "f") == "passed on"


def descriptor_3(words, podman, path):
    """What a command says with that file as descriptor 3."""
    return run("bash", "-c", 'exec 3<"$0"; exec "$@"', path, *words, env=podman.env).text


@alike
def test_descriptors_are_passed_on(podman, runtime, folder):
    (folder / "f").write_text("passed on")
    for option in (["--preserve-fds", "1"], ["--preserve-fd", "3"]):
        words = podman.command("run", "--rm", *option, podman.image("busybox"), "cat",
                               "/proc/self/fd/3", runtime=runtime)
        assert descriptor_3(words, podman, folder / "f") == "passed on"


@alike
def test_a_terminal_works_and_can_be_left_and_taken_again(podman, runtime):
    """run -it, detach keys, attach, exec -it."""
    command = podman.command("run", "-it", "--name", "c", podman.image("busybox"), "sh",
                             runtime=runtime)
    with Terminal("env", f"CONTAINERS_CONF={podman.conf}", *command, rows=33, columns=99) as t:
        t.expect("$ " if runtime == "runsafe" else "# ")
        t.send("stty size; tty\n")
        t.expect("33 99")
        t.expect("/dev/pts/0")
        t.send("\x10")  # ctrl-p, ctrl-q: Podman wants each in a read(2) of its own
        time.sleep(0.2)
        t.send("\x11")
        assert t.wait() == 0
    with Terminal("env", f"CONTAINERS_CONF={podman.conf}", *podman.command("attach", "c")) as t:
        t.send("echo again$((1+1))\n")
        t.expect("again2")
        t.send("exit 7\n")
        t.wait()
    assert podman("wait", "c").text == "7"


@alike
def test_top_shows_the_workload_as_it_is(podman, runtime):
    """podman top reads /proc in the container's namespaces."""
    podman("run", "-d", "--name", "c", podman.image("busybox"), "sleep", "100", runtime=runtime)
    out = podman("top", "c", "user", "huser", "pid", "hpid", "capeff", "seccomp", "comm",
                 "state").out
    cells = [word.strip() for word in out.splitlines()[1].split("  ") if word.strip()]
    user, huser, pid, hpid, caps, seccomp, program, state = cells
    assert (pid, hpid, seccomp, program, state) == ("1", str(podman.pid("c")), "filter", "sleep",
                                                    "S")
    if runtime == "runsafe":
        assert (user, huser, caps) == ("app", "1000", "none")
    else:
        assert (user, huser) == ("root", "root") and "CHOWN" in caps
    assert "sleep" in podman("top", "c", "-eo", "pid,comm").out  # by ps(1)


@alike
def test_an_init_process_reaps_and_a_timeout_ends_it(podman, go, runtime):
    assert go("--init", do=sh("cat /proc/1/comm; id -u")).split() == ["podman-init",
                                                                      workload_uid(runtime)]
    go("--timeout", "1", do=("sleep", "100"), whole=True, check=255)
    podman("run", "-d", "--name", "c", "--stop-signal", "INT", "--stop-timeout", "9",
           podman.image("busybox"), *sh("trap 'exit 5' INT; echo up; while :; do sleep 0.05; done"),
           runtime=runtime)
    wait_for("it is up", lambda: podman("logs", "c").text)
    began = time.monotonic()
    podman("stop", "c")
    assert podman("wait", "c").text == "5" and time.monotonic() - began < 8
    podman("run", "-d", "--name", "r", "--restart", "on-failure:2", "busybox", "false",
           runtime=runtime)
    wait_for("it was started twice more", lambda: podman.inspect("r", ".RestartCount") == 2)


@alike
def test_created_first_and_started_later(podman, runtime):
    """create, init, start -a; events tell of each."""
    podman("create", "-i", "--name", "k", podman.image("busybox"), "cat", runtime=runtime)
    podman("init", "k")
    assert podman.inspect("k", ".State.Status") == "initialized"
    assert podman("start", "-ai", "k", input="typed").text == "typed"
    podman("rm", "k")
    told = podman("events", "--stream=false", "--since", "60s", "--filter", "container=k",
                  "--format",
                  "{{.Status}}").text.split()
    for status in ("create", "init", "start", "died", "remove"):
        assert status in told
    podman("create", "--name", "l", "busybox", "sleep", "100", runtime=runtime)
    podman("init", "l")
    podman("rm", "-f", "l")


@alike
def test_a_health_check_runs_under_the_containers_policy(podman, runtime):
    podman("run", "-d", "--name", "h", "--health-cmd", "id -u; test -e /tmp/well",
           "--health-interval",
           "disable", "--health-retries", "1", podman.image("busybox"), "sleep", "100",
           runtime=runtime)
    podman("healthcheck", "run", "h", check=1)
    assert podman.inspect("h", ".State.Health.Status") == "unhealthy"
    podman("exec", "h", "touch", "/tmp/well")
    podman("healthcheck", "run", "h")
    health = podman.inspect("h", ".State.Health")
    assert health["Status"] == "healthy"
    assert health["Log"][-1]["Output"] == workload_uid(runtime) + "\n"


@pytest.mark.runtimes("runsafe-oci")
def test_a_container_is_checkpointed_and_comes_back(podman, runtime, folder):
    """Debian's crun is without criu, and natively only root's own processes can be dumped (no
    CAP_SYS_RESOURCE): the default policy's are in test_podman_machine.py."""
    podman("run", "-d", "--name", "c", podman.image("busybox"),
           *sh("i=0; while :; do i=$((i+1)); echo $i >/tmp/i; sleep 0.05; done"), runtime=runtime)

    def count():
        return int(podman("exec", "c", "cat", "/tmp/i").text or 0)

    first = wait_for("it counts", lambda: count() > 3 and count())
    podman("container", "checkpoint", "-e", folder / "c.tar", "c")
    assert podman.inspect("c", ".State.Status") == "exited"
    podman("rm", "c")
    podman("container", "restore", "-i", folder / "c.tar", runtime=runtime)
    second = wait_for("it counts on", lambda: count() > first and count())
    podman("container", "checkpoint", "c")
    podman("container", "restore", "c")
    wait_for("it counts on", lambda: count() > second)


@alike
def test_podman_gets_over_what_was_killed_under_it(podman, runtime):
    """The workload, conmon, and the container in the runtime alone."""
    def status():
        return podman("ps", "-a", "--format", "{{.State}}").text

    podman("run", "-d", "--name", "c", podman.image("busybox"), "sleep", "100", runtime=runtime)
    run("kill", "-9", podman.pid("c"))
    wait_for("its end is noticed", lambda: status() == "exited")
    assert podman("wait", "c").text == "137"
    podman("start", "c")
    conmon, pid = podman.inspect("c", ".State.ConmonPid"), podman.pid("c")
    run("kill", "-9", conmon)
    assert podman("exec", "c", "id", "-u").text == workload_uid(runtime)
    podman("rm", "-ft0", "c", check=125)  # kills it, and misses its exit status
    podman("rm", "-ft0", "c")
    assert not pathlib.Path(f"/proc/{pid}").exists()
    podman("run", "-d", "--name", "d", "busybox", "sleep", "100", runtime=runtime)
    run(path_of(name_of(runtime)), "delete", "-f", podman.inspect("d", ".ID"))
    wait_for("its end is noticed", lambda: status() == "exited")


@alike
def test_an_empty_environment_is_enough(podman, runtime):
    words = podman.command("run", "--rm", podman.image("busybox"), "id", "-u", runtime=runtime)
    done = run("env", "-i", f"CONTAINERS_CONF={podman.conf}", "/usr/bin/podman", *words[1:])
    assert done.text == workload_uid(runtime)
