"""What becomes of pods when containerd, a shim or the runtime itself ends in the middle."""

import os
import pathlib
import signal
import threading

import pytest

from containerd import Failed
from engines import run, wait_for


def shim_of(containerd, pod):
    """The process of a pod's shim."""
    return int(run("pgrep", "-f", f"containerd-shim-runc-v2.*-id {pod.id} ").text.split()[0])


@pytest.mark.parametrize("how", ["TERM", "KILL"])
def test_pods_outlive_containerd(containerd, runtime, how):
    """Restarted or killed with -9: what ran runs on, and all commands work as before."""
    pod = containerd.pod(runtime)
    box = pod.container("echo up; trap 'echo bye; exit 3' TERM; while :; do sleep 0.1; done")
    pid = box.pid()
    containerd.restart(how)
    assert box.pid() == pid and box.out("echo alive") == "alive"
    assert pod.status()[0].state == containerd.messages.SANDBOX_READY
    other = pod.container("sleep 100")
    assert other.out("hostname") == "web"
    box.stop(timeout=10)
    assert box.status().exit_code == 3 and ("stdout", "bye") in box.log()
    pod.remove()


def test_what_ended_while_containerd_was_away_is_known_afterwards(containerd, runtime):
    pod = containerd.pod(runtime)
    box = pod.container("sleep 100")
    pid = box.pid()
    containerd.stop("KILL")
    os.kill(pid, signal.SIGKILL)
    containerd.restart()
    # 255, "Unknown", where the shim's report found nobody: the same under runc.
    assert box.ended().exit_code in (137, 255)


def test_a_killed_shim_leaves_nothing_of_its_pod(containerd, runtime):
    """containerd calls `runsafe delete --force` for each container that the shim had."""
    pod = containerd.pod(runtime)
    box = pod.container("sleep 100")
    pids = (pod.pid(), box.pid())
    os.kill(shim_of(containerd, pod), signal.SIGKILL)
    wait_for("both processes are gone",
             lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids))
    wait_for("no state", lambda: not containerd.states())
    assert box.ended().exit_code in (137, 255)
    wait_for("not ready",
             lambda: pod.status()[0].state == containerd.messages.SANDBOX_NOTREADY)
    pod.remove()


def test_a_killed_pause_container_makes_the_pod_not_ready(containerd, runtime):
    pod = containerd.pod(runtime)
    os.kill(pod.pid(), signal.SIGKILL)
    wait_for("not ready",
             lambda: pod.status()[0].state == containerd.messages.SANDBOX_NOTREADY)
    pod.remove()


@pytest.mark.runtimes("runsafe")
def test_a_refused_pod_leaves_nothing_and_says_why_once(containerd, runtime):
    """The shim takes the sentence from the runtime's log; a kubelet shows it as FailedCreatePodSandBox."""
    with pytest.raises(Failed) as why:
        containerd.pod(runtime, linux={"sysctls": {"vm.swappiness": "10"}})
    text = why.value.text
    assert "vm.swappiness" in text and "linux.sysctl" in text
    # One sentence, not a JSON line, and no noise of the shim's around it.
    assert text.count("policy default refuses") == 1 and "{" not in text
    assert containerd.states() == [] and containerd.shims() == []


def test_many_pods_at_once(containerd, runtime):
    pods, errors = [], []

    def make():
        try:
            pod = containerd.pod(runtime)
            pods.append(pod.container("sleep 100").out("hostname"))
        except Exception as why:  # what a thread raises is lost otherwise
            errors.append(why)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and pods == ["web"] * 6


def test_containerd_started_with_an_empty_environment_runs_pods(containerd_daemon, runtime):
    """A shim hands its environment on to the runtime: here PATH alone."""
    daemon = containerd_daemon.daemon
    containerd_daemon.stop()
    daemon.env = {"PATH": os.environ["PATH"]}
    try:
        containerd_daemon.daemon.start(containerd_daemon.is_ready)
        box = containerd_daemon.pod(runtime).container("sleep 100")
        assert box.out("echo alive") == "alive"
        containerd_daemon.clean()
    finally:
        containerd_daemon.stop()
        daemon.env = None
        containerd_daemon.daemon.start(containerd_daemon.is_ready)
