"""SIGKILL to the shim, to conmon, and to the runtime in the middle of each command that an engine
gives it: afterwards the engine can remove the container and run another of its name, and nothing is
left. Every point of every command is tests/integration's; here it is what an engine makes of it."""

import os
import pathlib
import signal
import tempfile

import pytest

import docker as docker_module
import podman as podman_module
from bundle import reap
from engines import cgroup_of, has_limits, run, wait_for

MARK = "4242"  # no other test sleeps that long

# The command, and the calls of its process at whose beginning it dies: SYSCALL:N, its Nth.
POINTS = {
    "create": ["mkdirat:1",    # nothing is there
               "renameat:1",   # a folder, no state in it
               "mkdirat:2",    # the state, no cgroup
               "clone3:1",     # all but the process
               "recvmsg:1",    # a process that is on no record
               "renameat:3",   # it waits at its gate, and its pid is not on record
               "linkat:1",     # no pid file
               "exit_group:1"],  # made; the engine hears of a failure
    # At the write the gate is closed, from the poll on the workload runs.
    "start": ["write:1", "poll:1", "exit_group:1"],
    "exec": ["clone3:1", "recvmsg:1", "linkat:1", "exit_group:1"],
    "kill": ["pidfd_send_signal:1"],
    "pause": ["write:1", "exit_group:1"],
    "resume": ["exit_group:1"],
    "delete": ["unlinkat:1", "unlinkat:8"],
}


class Killer:
    """A runtime that dies once, where it is told to, and is runsafe-oci otherwise."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="killer-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.path = self.folder / "runsafe-oci"
        self.order, self.done = self.folder / "order", self.folder / "done"
        option = "" if has_limits() else "--cgroup=available"
        self.path.write_text(f"""#!/bin/sh
[ -e {self.order} ] || exec /opt/runsafe/runsafe-oci {option} "$@"
read -r command point <{self.order}
for word; do
	[ "$word" = "$command" ] || continue
	mv {self.order} {self.done} || break
	call=${{point%:*}}
	exec strace -qq -o {self.folder}/trace -e trace=$call -e inject=$call:signal=KILL:when=${{point#*:}} \\
		/opt/runsafe/runsafe-oci {option} "$@"
done
exec /opt/runsafe/runsafe-oci {option} "$@"
""")
        self.path.chmod(0o755)

    def at(self, command, point):
        """The next such command dies there."""
        self.done.unlink(missing_ok=True)
        self.order.write_text(f"{command} {point}\n")

    def check(self):
        """It did."""
        assert self.done.exists(), "the runtime was not called so"
        assert "killed by SIGKILL" in (self.folder / "trace").read_text(), \
            f"it lived on: {self.done.read_text()}"


@pytest.fixture(scope="module")
def killer():
    return Killer()


def marked():
    """The processes of tests' containers that are there."""
    return run("pgrep", "-f", f"sleep {MARK}", check=False).out.split()


def nothing_runs():
    def gone():
        reap()
        return not marked()

    wait_for("no process is left", gone)


# --- Docker

@pytest.fixture(scope="module")
def docker_of_killer(killer, tmp_path_factory):
    path = pathlib.Path(tempfile.mkdtemp(prefix="dockerd-", dir="/tmp"))
    path.chmod(0o755)
    runtimes = {**docker_module.RUNTIMES, "killed": {"path": str(killer.path)}}
    daemon = docker_module.Docker(path, {"runtimes": runtimes}).start()
    daemon.image("busybox")
    yield daemon
    daemon.stop()


def docker_command(docker, command):
    """What makes Docker give the runtime that command, once the container is there."""
    return {
        "exec": ("exec", "deep", "true"),
        "kill": ("kill", "-s", "USR1", "deep"),  # Docker waits ten seconds after KILL
        "pause": ("pause", "deep"),
        "resume": ("unpause", "deep"),
        "delete": ("rm", "-f", "deep"),
    }[command]


def docker_survives(docker, killer, command, point):
    start = ("run", "-d", "--name", "deep", "--runtime", "killed", "busybox", "sleep", MARK)
    if command in ("create", "start"):
        killer.at(command, point)
        assert docker(*start, check=False).status != 0
    else:
        docker(*start)
        if command == "resume":
            docker("pause", "deep")
        killer.at(command, point)
        docker(*docker_command(docker, command), check=False)
    killer.check()
    left = docker("rm", "-f", "deep", check=False)
    assert left.status == 0 or "No such container" in left.err, left
    nothing_runs()
    if command == "delete":
        # Docker and its shim ask once, whatever comes of it: the owner's own delete must do.
        for name in docker.states():
            run("/usr/local/bin/runsafe-oci", "--root", docker.exec_root / "runtime-runc/moby",
                "delete", "--force", name)
    assert docker.states() == [], (command, point)
    assert docker("run", "--name", "deep", "--runtime", "killed", "busybox", "echo", "again").text == "again"
    docker("rm", "deep")


@pytest.mark.parametrize("command", POINTS)
def test_docker_survives_a_runtime_that_is_killed(docker_of_killer, killer, command):
    for point in POINTS[command]:
        docker_survives(docker_of_killer, killer, command, point)
    docker_of_killer.clean()


def shim_of(pid):
    """The shim above a container's first process."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    parent = int(stat.rpartition(")")[2].split()[1])
    assert "shim" in pathlib.Path(f"/proc/{parent}/comm").read_text()
    return parent


@pytest.mark.runtimes("runsafe", "runsafe-oci", "own")
def test_a_killed_shim_leaves_nothing(docker, runtime):
    """Docker hears of it, ends the container, and can run it again."""
    docker("run", "-d", "--name", "deep", "--runtime", docker_module.name_of(runtime),
           docker.image("busybox"), "sleep", MARK)
    group = cgroup_of(docker.pid("deep"))
    os.kill(shim_of(docker.pid("deep")), signal.SIGKILL)
    wait_for("Docker has noticed", lambda: docker.inspect("deep", ".State.Status") == "exited")
    nothing_runs()
    assert docker.states() == []
    wait_for("its cgroup is gone", lambda: not group.exists())
    docker("start", "deep")
    assert docker("exec", "deep", "echo", "again").text == "again"


def test_a_shim_that_is_killed_together_with_the_runtime(docker_of_killer, killer):
    """Between two commands of the shim: after a create of which the engine never hears the end."""
    docker = docker_of_killer
    docker("create", "--name", "deep", "--runtime", "killed", "busybox", "sleep", MARK)
    killer.at("start", "poll:1")
    docker("start", "deep", check=False)
    for pid in run("pgrep", "-f", f"containerd-shim.*{docker.inspect('deep', '.Id')}",
                   check=False).out.split():
        os.kill(int(pid), signal.SIGKILL)
    wait_for("Docker has noticed", lambda: docker.inspect("deep", ".State.Pid") == 0)
    docker("rm", "-f", "deep")
    nothing_runs()
    docker.clean()


# --- Podman

@pytest.fixture(scope="module")
def podman_of_killer(killer):
    it = podman_module.make(engine='runtime_supports_nocgroups = ["runsafe-oci"]')
    it.image("busybox")
    yield it
    it.stop()


PODMAN = {"exec": ("exec", "deep", "true"), "kill": ("kill", "deep"), "pause": ("pause", "deep"),
          "resume": ("unpause", "deep"), "delete": ("rm", "-f", "-t0", "deep")}


@pytest.mark.parametrize("command", POINTS)
def test_podman_survives_a_runtime_that_is_killed(podman_of_killer, killer, command):
    def podman(*words, **more):
        return podman_of_killer("--runtime", killer.path, *words, **more)

    start = ("run", "-d", "--name", "deep", "busybox", "sleep", MARK)
    points = POINTS[command][::2]
    if command == "create":
        # Not at its very end: conmon waits for ever then, for the end of a process that waits at
        # its gate; with crun as well. The pid file is the last that is written before.
        points = ["mkdirat:2", "recvmsg:1", "renameat:3", "linkat:1"]
    for point in points:
        if command in ("create", "start"):
            killer.at(command, point)
            assert podman(*start, check=False).status != 0
        else:
            podman(*start)
            if command == "resume":
                podman("pause", "deep")
            killer.at(command, point)
            podman(*PODMAN[command], check=False)
        killer.check()
        podman("rm", "-f", "-i", "-t0", "deep")
        nothing_runs()
        if command == "delete":  # Podman asks once, too
            for path in podman_of_killer.states():
                run("/usr/local/bin/runsafe-oci", "delete", "--force", path.name)
        wait_for(f"nothing is left of {command} {point}", lambda: not podman_of_killer.left(), 5)
        assert podman("run", "--rm", "--name", "deep", "busybox", "echo", "again").text == "again"


@pytest.mark.runtimes("runsafe", "runsafe-oci", "own")
def test_a_killed_conmon_leaves_nothing(podman, runtime):
    podman("run", "-d", "--name", "deep", podman.image("busybox"), "sleep", MARK, runtime=runtime)
    os.kill(podman.inspect("deep", ".State.ConmonPid"), signal.SIGKILL)
    # The first time it misses conmon's word of how the container ended, with crun as well.
    podman("rm", "-f", "-t0", "deep", runtime=runtime, check=False)
    podman("rm", "-f", "-i", "-t0", "deep", runtime=runtime)
    nothing_runs()
    assert podman("run", "--rm", "--name", "deep", "busybox", "echo", "again",
                  runtime=runtime).text == "again"


# --- containerd

def test_containerd_cleans_up_after_a_killed_shim(containerd, runtime):
    program = containerd.programs[docker_module.name_of(runtime)]
    containerd.ctr("run", "-d", "--runc-binary", program, containerd.image("busybox"), "deep",
                   "sleep", MARK)
    pid = [int(line.split()[1]) for line in containerd.ctr("tasks", "ls").out.splitlines()
           if line.startswith("deep")][0]
    os.kill(shim_of(pid), signal.SIGKILL)
    nothing_runs()
    wait_for("containerd has noticed", lambda: "deep" not in containerd.ctr("tasks", "ls").out)
    assert containerd.states() == []
    containerd.ctr("containers", "rm", "deep")


def test_containerd_survives_a_runtime_that_is_killed(containerd, killer):
    for command, point in (("create", "recvmsg:1"), ("create", "exit_group:1"), ("start", "poll:1"),
                           ("kill", "pidfd_send_signal:1"), ("delete", "unlinkat:3")):
        words = ("run", "-d", "--runc-binary", killer.path, containerd.image("busybox"), "deep",
                 "sleep", MARK)
        if command in ("create", "start"):
            killer.at(command, point)
            assert containerd.ctr(*words, check=False).status != 0
        else:
            containerd.ctr(*words)
            killer.at(command, point)
            containerd.ctr("tasks", "kill", "-s", "KILL", "deep", check=False)
            containerd.ctr("tasks", "rm", "-f", "deep", check=False)
        killer.check()
        containerd.ctr("tasks", "rm", "-f", "deep", check=False)
        containerd.ctr("containers", "rm", "deep", check=False)
        nothing_runs()
        wait_for("no state is left", lambda: containerd.states() == [])
        done = containerd.ctr("run", "--rm", "--runc-binary", killer.path, containerd.image("busybox"),
                              "deep", "echo", "again")
        assert done.text == "again"
