"""The life of a container under Docker: logs, signals, restarts, pauses, cp, events, commit."""

import json
import os
import subprocess
import time

import pytest

from docker import name_of
from engines import run, wait_for
from terminal import Terminal

# Of what is Docker's alone, runsafe is enough; what runtimes do under both policies, all are asked.
pytestmark = pytest.mark.runtimes("runsafe", "own")
ALL = pytest.mark.runtimes("runsafe", "runsafe-oci", "own")

# Process 1 has no default action for TERM: without a trap it goes on.
DEAF = "trap '' TERM; while :; do sleep 0.1; done"
HEARS = "trap 'echo heard; exit 7' TERM USR1; echo ready; while :; do sleep 0.1; done"


def start(docker, runtime, *options, script="sleep 1000", image="busybox"):
    """A container in the background that runs a script; its id."""
    return docker("run", "-d", "--runtime", name_of(runtime), *options, docker.image(image),
                  "sh", "-c", script).text


def state(docker, name):
    return docker.inspect(name, ".State")


def ended(docker, name):
    """Waits for the end of a container; its exit code."""
    wait_for("the container has ended", lambda: not state(docker, name)["Running"])
    return state(docker, name)["ExitCode"]


def says(docker, name, text):
    wait_for(f"it says {text}", lambda: text in docker("logs", name).out)


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_logs_hold_stdout_and_stderr_apart(docker, runtime, driver):
    name = start(docker, runtime, "--log-driver", driver,
                 script="echo one; echo bad >&2; sleep 0.3; echo two")
    follow = docker("logs", "-f", name)
    assert (follow.out, follow.err) == ("one\ntwo\n", "bad\n")
    assert ended(docker, name) == 0
    again = docker("logs", "--tail", "1", "-t", name)
    assert again.out.endswith("Z two\n") and again.err == ""


def test_a_line_without_an_end_and_a_large_output_arrive_whole(docker, runtime):
    name = start(docker, runtime, script="seq 1 20000; printf end")
    assert ended(docker, name) == 0
    assert docker("logs", name).out == "".join(f"{n}\n" for n in range(1, 20001)) + "end"


@ALL
def test_stop_kills_after_its_time_what_ignores_TERM(docker, runtime):
    name = start(docker, runtime, script=DEAF)
    begin = time.monotonic()
    docker("stop", "-t", "1", name)
    assert 1 <= time.monotonic() - begin < 9
    assert state(docker, name)["ExitCode"] == 137


def test_stop_lets_a_workload_end_by_itself(docker, runtime):
    name = start(docker, runtime, script=HEARS)
    says(docker, name, "ready")
    begin = time.monotonic()
    docker("stop", "-t", "30", name)
    assert time.monotonic() - begin < 9 and state(docker, name)["ExitCode"] == 7
    assert docker("logs", name).out.endswith("heard\n")


def test_a_workload_below_init_ends_with_143(docker, runtime):
    name = start(docker, runtime, "--init")
    wait_for("sleep is there", lambda: "sleep 1000" in docker("top", name, "-o", "pid,args").out)
    docker("stop", name)
    assert state(docker, name)["ExitCode"] == 143


@pytest.mark.parametrize("how", ["stop --signal USR1", "kill -s SIGUSR1"])
def test_a_signal_of_ones_own_choice_arrives(docker, runtime, how):
    name = start(docker, runtime, script=HEARS)
    says(docker, name, "ready")
    docker(*how.split(), name)
    assert ended(docker, name) == 7


def test_the_stop_signal_of_a_container_is_used(docker, runtime):
    name = start(docker, runtime, "--stop-signal", "USR1", script=HEARS)
    says(docker, name, "ready")
    docker("stop", name)
    assert state(docker, name)["ExitCode"] == 7


@ALL
def test_kill_ends_with_137_and_a_second_one_says_that_it_does_not_run(docker, runtime):
    name = start(docker, runtime)
    docker("kill", name)
    assert ended(docker, name) == 137
    again = docker("kill", name, check=1)
    assert "is not running" in again.err


def test_on_failure_restarts_as_often_as_told(docker, runtime):
    name = start(docker, runtime, "--restart", "on-failure:2", script="echo again; exit 3")
    wait_for("it was restarted twice", lambda: docker.inspect(name, ".RestartCount") == 2
             and state(docker, name)["Status"] == "exited")
    assert state(docker, name)["ExitCode"] == 3
    assert docker("logs", name).out == "again\n" * 3


def test_restart_policies_tell_a_success_from_a_failure(docker, runtime):
    good = start(docker, runtime, "--restart", "on-failure", script="true")
    no = start(docker, runtime, "--restart", "no", script="exit 4")
    always = start(docker, runtime, "--restart", "always", script="sleep 0.2")
    unless = start(docker, runtime, "--restart", "unless-stopped", script="sleep 0.2")
    for name in always, unless:
        wait_for("it was restarted", lambda: docker.inspect(name, ".RestartCount") >= 1)
        docker("stop", "-t", "0", name)
        assert state(docker, name)["Status"] == "exited"
    for name in good, no:
        assert state(docker, name)["Status"] == "exited"
        assert docker.inspect(name, ".RestartCount") == 0


def test_update_gives_another_restart_policy(docker, runtime):
    name = start(docker, runtime)
    docker("update", "--restart", "on-failure:1", name)
    first = docker.pid(name)
    os.kill(first, 9)
    wait_for("another process 1", lambda: docker.pid(name) not in (0, first))
    os.kill(docker.pid(name), 9)
    assert ended(docker, name) == 137


def test_restart_gives_a_new_process_1_and_keeps_the_logs(docker, runtime):
    name = start(docker, runtime, script="echo up; sleep 1000")
    says(docker, name, "up")
    first = docker.pid(name)
    docker("restart", "-t", "0", name)
    assert docker.pid(name) not in (0, first)
    says(docker, name, "up\nup")


@ALL
def test_a_stopped_container_starts_again(docker, runtime):
    name = start(docker, runtime, script="echo round; exit 5")
    assert ended(docker, name) == 5
    done = docker("start", "-a", name, check=5)
    assert done.out == "round\n"


@ALL
def test_pause_holds_all_processes_and_unpause_lets_them_go_on(docker, runtime):
    name = start(docker, runtime, script="i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done")
    says(docker, name, "3")
    docker("pause", name)
    assert state(docker, name)["Status"] == "paused"
    before = docker("logs", name).out
    time.sleep(0.3)
    assert docker("logs", name).out == before
    refused = docker("exec", name, "true", check=1)
    assert "is paused" in refused.err
    docker("unpause", name)
    assert state(docker, name)["Status"] == "running"
    wait_for("it goes on", lambda: docker("logs", name).out != before)


@ALL
def test_a_paused_container_is_stopped_killed_and_removed(docker, runtime):
    names = [start(docker, runtime) for _ in range(3)]
    docker("pause", *names)
    docker("stop", "-t", "0", names[0])
    docker("kill", names[1])
    for name in names[:2]:
        assert ended(docker, name) == 137
    docker("rm", "-f", names[2])


@ALL
def test_top_shows_the_processes_of_the_container_and_no_other(docker, runtime):
    name = start(docker, runtime, script="sleep 777 & sleep 888; true")
    uid = "1000" if runtime == "runsafe" else "0"

    def lines(*options):
        return docker("top", name, *options).text.split("\n")[1:]

    wait_for("three processes", lambda: len(lines()) == 3)
    assert sorted(line.split(None, 2)[2] for line in lines("-o", "pid,uid,args")) == [
        "sh -c sleep 777 & sleep 888; true", "sleep 777", "sleep 888"]
    assert {line.split()[1] for line in lines("-eo", "pid,uid")} == {uid}
    assert str(docker.pid(name)) in [line.split()[0] for line in lines("-eo", "pid,comm")]


def test_stats_answers_for_a_running_container(docker, runtime):
    name = start(docker, runtime)
    shown = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", name).text)
    assert shown["Container"] == name and "%" in shown["CPUPerc"]


@ALL
def test_cp_goes_both_ways_running_and_stopped(docker, runtime, folder):
    """docker cp works beside the runtime, on the layer: also where the workload itself can not
    write."""
    (folder / "in").write_text("hello\n")
    name = start(docker, runtime)
    docker("cp", folder / "in", f"{name}:/home/file")
    assert docker("exec", name, "cat", "/home/file").out == "hello\n"
    docker("cp", f"{name}:/home/file", folder / "out")
    assert (folder / "out").read_text() == "hello\n"
    docker("stop", "-t", "0", name)
    docker("cp", folder / "in", f"{name}:/home/later")
    docker("cp", f"{name}:/home/later", folder / "later")
    assert (folder / "later").read_text() == "hello\n"
    docker("start", name)
    assert docker("exec", name, "cat", "/home/later").out == "hello\n"


def test_cp_into_a_read_only_container_is_refused_by_docker(docker, runtime, folder):
    (folder / "in").write_text("hello\n")
    name = start(docker, runtime, "--read-only", "-v", "/data")
    refused = docker("cp", folder / "in", f"{name}:/home/file", check=1)
    assert "container rootfs is marked read-only" in refused.err
    docker("cp", folder / "in", f"{name}:/data/file")
    assert docker("exec", name, "cat", "/data/file").out == "hello\n"


@pytest.mark.runtimes("runsafe")
def test_cp_does_not_see_the_policys_tmpfs(docker, runtime, folder):
    """Docker does not know of the tmpfs on /tmp: cp reads and writes the layer below it. A volume
    there, or exec, is what works."""
    (folder / "in").write_text("hello\n")
    name = start(docker, runtime, script="echo mine > /tmp/mine; sleep 1000")
    wait_for("its file", lambda: docker("exec", name, "cat", "/tmp/mine", check=False).status == 0)
    missing = docker("cp", f"{name}:/tmp/mine", folder, check=1)
    assert "Could not find the file /tmp/mine in container" in missing.err
    docker("cp", folder / "in", f"{name}:/tmp/in")
    docker("exec", name, "test", "-e", "/tmp/in", check=1)

    docker("exec", "-i", name, "sh", "-c", "cat > /tmp/in", input="hello\n")
    assert docker("exec", name, "cat", "/tmp/in", "/tmp/mine").out == "hello\nmine\n"
    other = start(docker, runtime, "-v", "/tmp", script="ls -ld /tmp; sleep 1000")
    docker("cp", folder / "in", f"{other}:/tmp/in")
    assert docker("exec", other, "cat", "/tmp/in").out == "hello\n"
    docker("exec", other, "sh", "-c", "echo mine > /tmp/mine")


def test_attach_and_detach_leave_the_container_running(docker, runtime):
    name = start(docker, runtime, "-it", script="while read x; do echo got $x; done")
    client = ("docker", "-H", f"unix://{docker.socket}", "attach")
    with Terminal(*client, name) as t:
        t.send("one\n")
        t.expect("got one")
        t.send("\x10\x11")  # ctrl-p ctrl-q
        t.wait(20)
    assert state(docker, name)["Running"]
    with Terminal(*client, "--detach-keys", "ctrl-x,x", name) as t:
        t.send("two\n")
        t.expect("got two")
        t.send("\x18x")
        t.wait(20)
    assert state(docker, name)["Running"]
    with Terminal(*client, name) as t:
        t.send("three\n")
        t.expect("got three")
        t.send("\x04")  # the end of its input
        assert t.wait(20) == 0 and ended(docker, name) == 0


def test_attach_without_a_terminal_brings_the_exit_code(docker, runtime):
    name = start(docker, runtime, "-i", script="read x; echo $x; echo bad >&2; sleep 0.3; exit 9")
    attached = subprocess.Popen(["docker", "-H", f"unix://{docker.socket}", "attach", name],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
    attached.stdin.write("word\n")
    attached.stdin.flush()  # and stays open: Docker's client gives up the output with the input
    assert attached.wait(20) == 9
    assert (attached.stdout.read(), attached.stderr.read()) == ("word\n", "bad\n")


def test_wait_prints_the_exit_code(docker, runtime):
    name = start(docker, runtime, script="sleep 0.5; exit 11")
    assert docker("wait", name).text == "11"
    assert docker("wait", name).text == "11"  # and again of one that has ended


@ALL
def test_events_tell_the_whole_life(docker, runtime):
    since = str(int(time.time()))
    name = start(docker, runtime)
    docker("exec", name, "sh", "-c", "exit 6", check=6)
    docker("pause", name)
    docker("unpause", name)
    docker("rename", name, "other")
    docker("kill", "-s", "KILL", name)
    assert ended(docker, name) == 137
    docker("rm", name)

    def events():
        out = docker("events", "--since", since, "--until", str(int(time.time()) + 1), "--filter",
                     f"container={name}", "--format", "{{json .}}").out
        return {e["Action"].split(":")[0]: e["Actor"]["Attributes"]
                for e in map(json.loads, out.splitlines())}

    wait_for("the exec's end", lambda: "exec_die" in events())
    seen = events()
    assert {"create", "start", "exec_create", "exec_start", "exec_die", "pause", "unpause",
            "rename", "kill", "die", "destroy"} <= set(seen)
    assert "oom" not in seen
    assert seen["exec_die"]["exitCode"] == "6" and seen["die"]["exitCode"] == "137"


@ALL
def test_health_fails_and_recovers(docker, runtime):
    since = str(int(time.time()))
    name = start(docker, runtime, "--health-cmd", "echo seen by $(id -u); test -e /tmp/well",
                 "--health-interval", "200ms", "--health-retries", "2", "--health-timeout", "5s",
                 script="touch /tmp/well; sleep 1000")

    def health():
        return state(docker, name)["Health"]

    wait_for("healthy", lambda: health()["Status"] == "healthy")
    docker("exec", name, "rm", "/tmp/well")
    wait_for("unhealthy", lambda: health()["Status"] == "unhealthy")
    assert health()["FailingStreak"] >= 2
    uid = "1000" if runtime == "runsafe" else "0"
    assert health()["Log"][-1]["Output"] == f"seen by {uid}\n"
    docker("exec", name, "touch", "/tmp/well")
    wait_for("healthy again", lambda: health()["Status"] == "healthy")
    out = docker("events", "--since", since, "--until", str(int(time.time()) + 1), "--filter",
                 f"container={name}", "--format", "{{.Action}}").out
    assert [line.split(": ")[1] for line in out.splitlines() if line.startswith("health_s")] == [
        "healthy", "unhealthy", "healthy"]


def test_a_health_check_that_hangs_is_killed(docker, runtime):
    name = start(docker, runtime, "--health-cmd", "sleep 555", "--health-interval", "200ms",
                 "--health-retries", "1", "--health-timeout", "500ms")
    wait_for("unhealthy", lambda: state(docker, name)["Health"]["Status"] == "unhealthy")
    assert "timeout" in state(docker, name)["Health"]["Log"][0]["Output"]
    assert docker("exec", name, "true").status == 0


@pytest.mark.runtimes("runsafe-oci", "own")
def test_commit_diff_and_export_show_what_was_written(docker, runtime, folder):
    name = start(docker, runtime, script="echo new > /home/new; rm /bin/wget; sleep 1000")
    wait_for("its file", lambda: "A /home/new" in docker("diff", name).out)
    wait_for("the removal", lambda: "D /bin/wget" in docker("diff", name).out)
    docker("commit", "-c", 'CMD ["cat", "/home/new"]', name, "t-committed")
    try:
        done = docker("run", "--rm", "--runtime", name_of(runtime), "t-committed")
        assert done.out == "new\n"
    finally:
        docker("rmi", "-f", "t-committed")
    docker("export", "-o", folder / "all.tar", name)
    assert run("tar", "-xOf", folder / "all.tar", "home/new").out == "new\n"


@pytest.mark.runtimes("runsafe")
def test_the_policy_leaves_the_layer_as_it_is(docker, runtime, folder):
    """diff shows nothing but what Docker itself puts in (and with runc as well), so that commit
    gives the image as it was."""
    name = start(docker, runtime, image="debian",
                 script="echo x >/tmp/x; echo x >/run/x; sleep 1000")
    wait_for("its file", lambda: docker("exec", name, "cat", "/run/x", check=False).status == 0)
    assert docker("diff", name).text == ""
    docker("commit", name, "t-committed")
    try:
        done = docker("run", "--rm", "--runtime", "runc", "t-committed", "id", "-u")
        assert done.text == "0"
    finally:
        docker("rmi", "-f", "t-committed")
    docker("export", "-o", folder / "all.tar", name)
    listed = run("tar", "-tf", folder / "all.tar").out.split("\n")
    assert "tmp/" in listed and "tmp/x" not in listed and "run/x" not in listed


@ALL
def test_rename_inspect_and_rm_f_of_a_running_container(docker, runtime):
    name = start(docker, runtime, "--name", "before")
    docker("rename", "before", "after")
    assert docker.inspect("after", ".Id") == name
    assert docker("exec", "after", "echo", "here").text == "here"
    refused = docker("rm", "after", check=1)
    assert "is running" in refused.err
    docker("rm", "-f", "after")
    assert "No such container" in docker("inspect", "--type", "container", name, check=1).err


def test_prune_takes_the_stopped_and_leaves_the_running(docker, runtime):
    gone = start(docker, runtime, script="true")
    stays = start(docker, runtime)
    assert ended(docker, gone) == 0
    docker("container", "prune", "-f")
    docker("system", "prune", "-f", "--volumes")
    assert docker("ps", "-aq", "--no-trunc").text == stays
    assert docker("exec", stays, "true").status == 0


def leftovers(docker):
    mounts = open("/proc/self/mounts", encoding="utf-8").read()
    return docker.states(), mounts.count(str(docker.data)), mounts.count(str(docker.exec_root))


def test_twenty_in_a_row_and_eight_at_once_leave_nothing(docker, runtime):
    docker.image("busybox")
    before = leftovers(docker)
    words = ["run", "--rm", "--runtime", name_of(runtime), "busybox", "sh", "-c",
             "echo $0; exit $0"]
    for n in range(20):
        assert docker(*words, n, check=n).text == str(n)
    lost = docker.lost_output()
    many = [subprocess.Popen([*docker.client, *words, str(n)], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True) for n in range(8)]
    said = [(one.communicate(timeout=60)[0], one.returncode) for one in many]
    wrong = [n for n in range(8) if said[n] != (f"{n}\n", n)]
    # What dockerd itself says that it lost.
    assert len(wrong) <= docker.lost_output() - lost, said
    assert all(said[n] == ("", n) for n in wrong), said
    wait_for("nothing is left", lambda: leftovers(docker) == before, 5)
