"""podman run with runsafe, as root, as people use it every day."""

import pytest

from engines import assert_hardened, status_in


@pytest.mark.runtimes("runsafe")
def test_an_image_runs_as_1000_with_nothing_changed_in_it(podman, runtime):
    done = podman("run", "--rm", podman.image("debian"), "id", runtime=runtime)
    assert done.text.startswith("uid=1000") and "gid=1000" in done.text and "(root)" not in done.text


@pytest.mark.runtimes("runsafe")
def test_neither_privileged_nor_root_get_past_the_policy(podman, runtime):
    done = podman("run", "--rm", "--privileged", "-u", "root", podman.image("busybox"), "cat",
                  "/proc/self/status", runtime=runtime)
    assert_hardened(status_in(done.out))


@pytest.mark.runtimes("runsafe-oci", "own")
def test_policy_oci_runs_as_root_as_crun_does(podman, runtime):
    done = podman("run", "--rm", podman.image("busybox"), "id", "-u", runtime=runtime)
    assert done.text == "0"
