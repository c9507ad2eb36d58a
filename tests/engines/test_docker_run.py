"""docker run with runsafe, as people use it every day."""

import pytest

from docker import name_of
from engines import assert_hardened, status_in


@pytest.mark.runtimes("runsafe")
def test_an_image_runs_as_1000_with_nothing_changed_in_it(docker, runtime):
    """On the default policy, `docker run --runtime runsafe debian id` prints 1000 for both."""
    image = docker.image("debian")
    done = docker("run", "--rm", "--runtime", name_of(runtime), image, "id")
    assert done.text.startswith("uid=1000") and "gid=1000" in done.text and "(root)" not in done.text


@pytest.mark.runtimes("runsafe")
def test_neither_privileged_nor_root_get_past_the_policy(docker, runtime):
    image = docker.image("busybox")
    done = docker("run", "--rm", "--runtime", name_of(runtime), "--privileged", "-u", "root", image,
                  "cat", "/proc/self/status")
    assert_hardened(status_in(done.out))


@pytest.mark.runtimes("runsafe-oci", "own")
def test_policy_oci_runs_as_root_as_runc_does(docker, runtime):
    image = docker.image("busybox")
    done = docker("run", "--rm", "--runtime", name_of(runtime), image, "id", "-u")
    assert done.text == "0"
