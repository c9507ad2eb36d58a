"""exec into a container whose first process is the attacker's."""

import pytest

import harness
from attacks import escaped


def hostile(runtime, victim, probe_program, secret, *capabilities):
    """A container whose first process watches for what comes; these rights more than usual."""
    for names in victim.config["process"]["capabilities"].values():
        names.extend(capabilities)
    victim.file("/bin/watch", probe_program("watch").read_bytes(), 0o755)
    name = runtime.create(victim.args("/bin/watch", str(secret)))
    runtime.start(name)
    assert harness.wait_for(lambda: "up" in runtime.output(name))
    return name


ROUNDS = 24  # a runtime that is visible while it still is on the host lost within 3


@pytest.mark.attack("CVE-2016-9962", "the container's root, with ptrace rights, takes the process "
                    "that exec brings in while it still is the runtime",
                    "exec becomes visible when nothing but the workload's own is left to it")
@pytest.mark.parametrize("rights", [[], ["CAP_SYS_PTRACE"]], ids=["usual", "ptrace"])
def test_the_joiner_is_taken_by_the_containers_root(runtime, victim, probe_program, secret, rights):
    name = hostile(runtime, victim, probe_program, secret, *rights)
    for _ in range(ROUNDS):
        assert runtime("exec", name, "/bin/true").status == 0
    out = runtime.output(name)
    assert "NEW" in out
    for word in ("SECRET", "DESCRIPTOR", "RIGHTS"):
        found = [line for line in out.splitlines() if line.startswith(word)]
        escaped(found, "; ".join(found))
