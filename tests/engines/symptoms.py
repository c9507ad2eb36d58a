"""What the tests of docs/docker.md's troubleshooting tables share: dockerd with the relaxed
runtimes that the tables name, and a container that fails or works by what is said in it."""

import json
import pathlib
import signal

import pytest

from engines import wait_for

FOLDER = pathlib.Path("/tmp/policies")
# The whole of Debian 13, for programs that the images do not have.
USR = ("-v", "/usr:/usr:ro", "-v", "/etc/alternatives:/etc/alternatives:ro")


def allow(*names):
    return ["--allow=" + name for name in names]


def policy(name, **keys):
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(keys))
    return ["--policy", str(FOLDER / f"{name}.json")]


def arguments():
    """runtimeArgs by the name of the runtime."""
    return {
        "allow-capability": allow("capability=CAP_NET_ADMIN"),
        "allow-nice": allow("capability=CAP_SYS_NICE"),
        "allow-device": allow("device=/dev/kmsg"),
        "allow-host-ipc": allow("host-ipc"),
        "allow-host-network": allow("host-network"),
        "allow-host-pid": allow("host-pid"),
        "allow-memfd": allow("memfd-exec"),
        "allow-ptrace": allow("seccomp=ptrace"),
        "allow-root": allow("root"),
        "allow-slash": allow("bind=/", "bind=/proc"),
        "annotated": policy("annotated", annotations=["tmpfs", "memory", "rootfs-writable"]),
        "entrypoint": policy(
            "entrypoint", user={"root": "keep"}, capabilities={
                "give": ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID",
                         "CAP_SETUID"]}),
        "no-filter": policy("no-filter", seccomp={"builtin": False}),
        "root-group": policy("root-group", user={"rootGroup": "keep"}),
    }


def runtimes(docker):
    known = {name: {"path": "/usr/local/bin/runsafe", "runtimeArgs": words}
             for name, words in arguments().items()}
    known["allow-socket"] = {"path": "/usr/local/bin/runsafe",
                             "runtimeArgs": allow(f"bind={docker.socket}")}
    known["gone"] = {"path": "/usr/local/bin/runsafe-gone"}
    # What tests/engines/prepare lets start without controllers, this one does not.
    known["strictly"] = {"path": "/opt/runsafe/runsafe"}
    known["available"] = {"path": "/opt/runsafe/runsafe", "runtimeArgs": ["--cgroup=available"]}
    return known


@pytest.fixture
def relaxed(docker):
    """dockerd with the runtimes above; it takes new ones without a restart."""
    if "allow-root" not in docker.settings["runtimes"]:
        docker.settings["runtimes"] = {**docker.settings["runtimes"], **runtimes(docker)}
        docker.write_settings()
        docker.daemon.process.send_signal(signal.SIGHUP)
        wait_for("dockerd knows the runtimes", lambda: "allow-root" in docker("info").out)
    return Case(docker)


class Case:
    """One symptom, and what relaxes it."""

    def __init__(self, docker):
        self.docker = docker

    def run(self, script, *options, runtime="runsafe", image="debian", **more):
        return self.docker("run", "--rm", "--runtime", runtime, *options, self.docker.image(image),
                           "sh", "-c", script, **more)

    def says(self, words, script, *options, **more):
        """The container fails, and these words are what one reads. Returns all of it."""
        done = self.run(script, *options, check=False, **more)
        assert done.status != 0 and words in done.out + done.err, done
        return done

    def works(self, script, *options, **more):
        """It ends with 0; its standard output."""
        return self.run(script, *options, **more).text
