"""Pods over CRI, as a kubelet makes them, keeps them and takes them away."""

import pytest

from containerd import finish


def test_a_pod_and_its_container_live_and_end(containerd, runtime):
    """RunPodSandbox, CreateContainer, StartContainer, ExecSync, Stop, Remove; the states between."""
    pod = containerd.pod(runtime)
    box = pod.container("echo up; sleep 100")
    print(box.out("id"))
    print(finish(pod, "id; cat /proc/self/status"))
    box.stop()
    box.remove()
    pod.remove()
