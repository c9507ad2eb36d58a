"""Docker with runsafe's default policy: what is refused, how docker says it, and who may relax what.

A daemon of its own, whose socket is where everybody's is, and with runtimes that the machine's owner made:
by a policy file and by --allow, in daemon.json's runtimeArgs."""

import json
import pathlib
import tempfile

import pytest

import docker as docker_module
from engines import assert_hardened, status_in
from test_docker_run import sh

POLICY = {"name": "our-servers", "extends": "default",
          "annotations": ["rootfs-writable", "tmpfs", "root"]}
RUNTIMES = {
    "servers": ["--policy=/etc/our-servers.json"],
    "hosts": ["--allow", "host-network", "--allow", "host-pid", "--allow", "host-ipc"],
    "nets": ["--allow=capability=CAP_NET_ADMIN"],
    "trusted": ["--allow=bind=/var/run/docker.sock,/dev", "--allow=device=/dev/fuse",
                "--allow=root"],
    "strict": ["--policy=strict"],
}


@pytest.fixture(scope="module")
def daemon():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="policy-", dir="/tmp"))
    pathlib.Path("/etc/our-servers.json").write_text(json.dumps(POLICY))
    made = {name: {"path": "/usr/local/bin/runsafe", "runtimeArgs": words} for name,
            words in RUNTIMES.items()}
    docker = docker_module.Docker(folder, {
        "default-runtime": "runsafe", "runtimes": {**docker_module.RUNTIMES, **made},
        "hosts": [f"unix://{folder}/docker.sock", "unix:///var/run/docker.sock"]}).start()
    docker.image("busybox")
    yield docker
    docker.clean()
    docker.stop()


def refused(daemon, runtime, *options, words):
    """docker run shows the sentence; the workload did not run, and nothing stays."""
    done = sh(daemon, runtime, *options, script="echo it ran", check=False)
    assert done.status == 125 and "it ran" not in done.out, done
    assert "OCI runtime create failed: " in done.err
    for word in words:
        assert word in done.err, (word, done.err)
    assert not daemon.states()


@pytest.mark.parametrize("options, words", [
    (["--network", "host"], ["linux.namespaces: there is no network namespace",
                             "--allow host-network"]),
    (["--pid", "host"], ["there is no pid namespace", "--allow host-pid"]),
    (["--ipc", "host"], ["there is no ipc namespace", "--allow host-ipc"]),
    (["-v", "/var/run/docker.sock:/var/run/docker.sock"],
     ["/run/docker.sock", "root on the host", "--allow bind=/var/run/docker.sock"]),
    (["-v", "/run:/host/run:ro"], ["the container engine's socket", "--allow bind=/run"]),
    (["-v", "/:/host"], ["is the host's /", "--allow bind=/"]),
    (["-v", "/proc:/host/proc"], ["the host's /proc", "--allow bind=/proc"]),
    (["-v", "/sys:/host/sys:ro"], ["the host's /sys", "--allow bind=/sys"]),
    (["--mount", "type=bind,src=/dev,dst=/host/dev"], ["the host's /dev", "--allow bind=/dev"]),
    (["--annotation", "io.runsafe.rootfs-writable=true"],
     ["annotations.io.runsafe.rootfs-writable: not accepted",
      "/etc/runsafe/policy.json would accept it", "--allow rootfs-writable"]),
    (["--annotation", "io.runsafe.rootfs-writeable=true"],
     ["runsafe knows no annotation of that name"]),
    (["--annotation", "io.runsafe.user=0"], ["annotations.io.runsafe.user"]),
], ids=lambda value: value[1] if value[0].startswith("-") else "")
def test_what_the_default_policy_refuses(daemon, options, words):
    """With the sentence that names what would allow it, as docker shows it."""
    refused(daemon, "runsafe", *options, words=words)


def test_a_policy_file_says_which_annotations_count(daemon):
    """runtimeArgs ["--policy=FILE"]: what it lists is taken, else the error names that very file."""
    done = sh(daemon, "servers", "--annotation", "io.runsafe.rootfs-writable=true", "--annotation",
              "io.runsafe.root=true", script="touch /x && id -u; cat /proc/self/status")
    assert done.out.startswith("0\n")
    assert status_in(done.out)["CapEff"] == "0" * 16
    assert "Read-only" in sh(daemon, "servers", script="touch /x", check=False).err
    refused(daemon, "servers", "--annotation", "io.runsafe.host-network=true", "--network", "host",
            words=["/etc/our-servers.json would accept it", "(policy our-servers)"])
    # What a built-in policy lists is gone where the file has a list of its own.
    refused(daemon, "servers", "--annotation", "io.runsafe.memory=1m",
            words=["/etc/our-servers.json would"])


def test_annotations_of_the_default_policy_can_only_tighten(daemon):
    done = sh(daemon, "runsafe", "--annotation", "io.runsafe.tmpfs=/data,/var/cache/app",
              "--annotation", "io.runsafe.user=4321:1234", "--annotation", "io.runsafe.pids=77",
              script="id -u; id -g; touch /data/x /var/cache/app/x && stat -c %u /data; touch /x || echo kept")
    assert done.out.split() == ["4321", "1234", "4321", "kept"]
    refused(daemon, "runsafe", "--annotation", "io.runsafe.tmpfs=/data:exec",
            words=["io.runsafe.tmpfs", "exec"])


def test_an_image_gains_nothing_by_labels(daemon):
    """Nor by its user, its volumes or its environment."""
    daemon("create", "--name", "made", "busybox")
    daemon("commit", "-c", "LABEL io.runsafe.root=true", "-c",
           "LABEL io.runsafe.rootfs-writable=true", "-c", "LABEL io.runsafe.nonsense=true", "-c",
           "USER 0:0", "-c", "ENV HOME=/root", "made", "labelled")
    for runtime in "runsafe", "servers":
        done = daemon("run", "--rm", "--runtime", runtime, "labelled", "sh", "-c",
                      "cat /proc/self/status; echo $HOME; touch /x || echo kept")
        assert_hardened(status_in(done.out))
        assert done.out.endswith("/tmp/home\nkept\n")


def test_what_the_owner_allows_is_let_through(daemon):
    """--allow in runtimeArgs, for containers that ask for it; the rest of the policy stays."""
    done = sh(daemon, "hosts", "--network", "host", "--pid", "host", "--ipc", "host",
              script="ls /sys/class/net; cat /proc/[0-9]*/comm 2>/dev/null; cat /proc/self/status")
    assert "docker0" in done.out.split() and "dockerd" in done.out.split()
    assert_hardened(status_in(done.out))
    done = sh(daemon, "nets",
              script="ip addr add 10.9.9.9/24 dev lo && echo added; id -u; ip link set eth0 down && echo down")
    assert done.out.split() == ["added", "1000", "down"]
    done = sh(daemon, "trusted", "-v", "/var/run/docker.sock:/docker.sock", "--device", "/dev/fuse",
              "-v", "/dev:/host/dev", script="id -u; ls /docker.sock /dev/fuse /host/dev/null")
    assert done.out.split() == ["0", "/dev/fuse", "/docker.sock", "/host/dev/null"]


def test_asking_for_more_is_passed_over_where_the_policy_decides(daemon):
    """Privileges that config.json asks for count for nothing: there they just are not."""
    done = sh(daemon, "runsafe", "--cap-add", "ALL", "--security-opt", "seccomp=unconfined",
              "--security-opt", "systempaths=unconfined", "--device", "/dev/fuse", "--group-add",
              "0", "--group-add", "42",
              "--uts", "host", "--cgroupns", "host", script="""
                  cat /proc/self/status; echo; id -G; ls /dev/fuse /sys/firmware 2>/dev/null | wc -w
                  head -c 1 /proc/keys | wc -c; unshare -U true || echo filtered; cat /proc/self/cgroup""")
    assert_hardened(status_in(done.out))
    rest = done.out.split("\n\n")[-1].split("\n")
    assert rest[0] == "1000 42" and rest[1:4] == ["1", "0", "filtered"] and "0::/" in rest[4:], done


def test_strict_says_what_the_image_lacks(daemon):
    refused(daemon, "strict", words=["process.user.uid: 0 (root)", "--user", "(policy strict)"])
    refused(daemon, "strict", "-u", "1000:1000", words=["memory.limit: not set"])


def test_exec_under_a_file_obeys_what_the_container_was_made_under(daemon):
    """The policy file may have changed meanwhile."""
    daemon("run", "-d", "--name", "one", "--runtime", "servers", "--annotation",
           "io.runsafe.root=true", "busybox", "sleep", "1000")
    pathlib.Path("/etc/our-servers.json").write_text(json.dumps({**POLICY, "annotations": []}))
    try:
        done = daemon("exec", "--privileged", "one", "cat", "/proc/self/status")
        assert status_in(done.out)["Uid"].split()[0] == "0" and status_in(done.out)["CapEff"] == "0" * 16
    finally:
        pathlib.Path("/etc/our-servers.json").write_text(json.dumps(POLICY))
        daemon("rm", "-f", "one")
