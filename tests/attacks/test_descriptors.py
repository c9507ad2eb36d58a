"""Descriptors of the runtime or its caller that a container gets hold of."""

import os

import pytest

from attacks import escaped


@pytest.mark.attack("CVE-2024-21626", "a working directory in a leaked descriptor of the host",
                    "getcwd must be inside the new root; every descriptor is close-on-exec")
@pytest.mark.parametrize("number", range(3, 12))
def test_a_working_directory_in_a_leaked_descriptor(runtime, victim, number):
    victim.set("process.cwd", f"/proc/self/fd/{number}")
    leaked = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        done = runtime.run(victim.args("/bin/cat", "hostname"), pass_fds=[leaked])
    finally:
        os.close(leaked)
    with open("/etc/hostname", encoding="ascii") as f:
        escaped(done.status == 0 and f.read() in done.out, f"read /etc/hostname of the host by {number}")
