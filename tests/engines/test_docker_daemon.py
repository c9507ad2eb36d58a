"""dockerd's own life: restarted, killed and reloaded while containers run; runsafe as its default
runtime, and what that means for builds."""

import os
import pathlib
import signal

import pytest

import docker as docker_module
from docker import name_of
from engines import assert_hardened, run, status_in, wait_for

# These tests need no network: the bridge is the shared daemon's.
APART = {"bridge": "none", "iptables": False}


@pytest.fixture
def daemon(folder):
    """Starts a dockerd of the test's own: daemon(setting=...)."""
    started = []

    def start(env=None, **settings):
        one = docker_module.Docker(folder, {**APART, **settings}, env).start()
        started.append(one)
        return one

    yield start
    for one in started:
        if one.daemon.process.poll() is not None:
            one.start()
        one.clean()
        one.stop()


def background(docker, runtime, *options, script):
    return docker("run", "-d", "--network", "none", "--runtime", name_of(runtime), *options,
                  docker.image("busybox"), "sh", "-c", script).text


def kill(docker):
    """dockerd, with -9; its containerd goes with it."""
    docker.daemon.process.kill()
    docker.daemon.process.wait()


def containerd_of(docker):
    return int((docker.exec_root / "containerd" / "containerd.pid").read_text())


def running(docker, name):
    return docker.inspect(name, ".State.Running")


COUNTS = "trap exit TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done"


def count(docker, name):
    """The last number that it has logged; the numbers must have come without a gap."""
    lines = docker("logs", name).out.split()
    assert lines == [str(n) for n in range(1, len(lines) + 1)], lines
    return len(lines)


def goes_on(docker, name, pid):
    """The same process runs, logs, takes an exec and is stopped."""
    assert docker.pid(name) == pid
    before = count(docker, name)
    wait_for("its logs go on", lambda: count(docker, name) > before)
    assert docker("exec", name, "sh", "-c", "echo here; exit 3", check=3).text == "here"
    docker("pause", name)
    docker("unpause", name)


def test_with_live_restore_containers_survive_their_daemon(daemon, runtime):
    """Ended in peace or killed: the container runs on, its logs are without a gap, exec, pause and
    kill work; what ended meanwhile is known to have ended."""
    docker = daemon(**{"live-restore": True})
    name = background(docker, runtime, script=COUNTS)
    short = background(docker, runtime,
                       script="while ! test -e /tmp/go; do sleep 0.1; done; exit 8")
    pid, go = docker.pid(name), docker.pid(short)
    wait_for("it counts", lambda: count(docker, name) > 2)

    docker.daemon.stop()
    os.kill(pid, 0)
    pathlib.Path(f"/proc/{go}/root/tmp/go").touch()
    wait_for("the other one has ended", lambda: not pathlib.Path(f"/proc/{go}/root/tmp").exists())
    docker.start()
    goes_on(docker, name, pid)
    wait_for("its end is known", lambda: not running(docker, short))
    # 255 with Docker 26 and any runtime: it does not ask the shim for the status that it missed.
    assert docker.inspect(short, ".State.ExitCode") in (8, 255)

    kill(docker)
    os.kill(pid, 0)
    docker.start()
    goes_on(docker, name, pid)

    docker("kill", name)
    wait_for("its end is known", lambda: not running(docker, name))
    assert docker.inspect(name, ".State.ExitCode") == 137


@pytest.mark.runtimes("runsafe", "own")
def test_containers_survive_dockerds_containerd(daemon, runtime):
    """dockerd needs ten seconds to notice and start another one, by any runtime."""
    docker = daemon()
    name = background(docker, runtime, script=COUNTS)
    pid, old = docker.pid(name), containerd_of(docker)
    os.kill(old, signal.SIGKILL)
    wait_for("exec works again", lambda: docker("exec", name, "true", check=False).status == 0, 30)
    assert containerd_of(docker) != old
    goes_on(docker, name, pid)


@pytest.mark.runtimes("runsafe", "own")
def test_without_live_restore_they_end_with_it_and_return_by_policy(daemon, runtime):
    docker = daemon()
    once = background(docker, runtime, script=COUNTS)
    always = background(docker, runtime, "--restart", "always", script=COUNTS)
    stopped = background(docker, runtime, "--restart", "unless-stopped", script=COUNTS)
    docker("stop", "-t", "0", stopped)
    pids = [docker.pid(once), docker.pid(always)]

    docker.daemon.stop()
    for pid in pids:
        assert not pathlib.Path(f"/proc/{pid}").exists()
    assert not docker.states()
    docker.start()
    wait_for("it is back", lambda: running(docker, always))
    assert docker.pid(always) not in pids
    assert not running(docker, once) and not running(docker, stopped)

    pid = docker.pid(always)
    kill(docker)
    docker.start()
    wait_for("it is back again", lambda: docker.pid(always) not in (0, pid))
    assert not pathlib.Path(f"/proc/{pid}").exists()
    assert docker("exec", always, "echo", "here").text == "here"


def shim_of(pid):
    shim = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    assert "shim" in pathlib.Path(f"/proc/{shim}/cmdline").read_text()
    return shim


@pytest.mark.runtimes("runsafe", "own")
def test_a_shim_that_is_killed_takes_only_its_container_along(daemon, runtime):
    docker = daemon()
    names = [background(docker, runtime, script=COUNTS) for _ in range(2)]
    pid = docker.pid(names[0])
    os.kill(shim_of(pid), signal.SIGKILL)
    wait_for("its end is known", lambda: not running(docker, names[0]))
    wait_for("its process is gone", lambda: not pathlib.Path(f"/proc/{pid}/root/bin").exists())
    docker("start", names[0])
    assert docker("exec", names[0], "echo", "again").text == "again"
    assert running(docker, names[1])


@pytest.mark.runtimes("runsafe", "own")
def test_after_all_of_it_was_killed_containers_start_again(daemon, runtime):
    """dockerd, containerd, shim and workload at once, /run stays: what the runtime has on record
    must not be in the way."""
    docker = daemon()
    always = background(docker, runtime, "--restart", "always", script=COUNTS)
    once = background(docker, runtime, script=COUNTS)
    pids = [docker.pid(name) for name in (always, once)]
    shims = [shim_of(pid) for pid in pids]
    kill(docker)
    for pid in shims + pids:
        os.kill(pid, signal.SIGKILL)
    docker.start()
    wait_for("it is back", lambda: docker.pid(always) not in (0, pids[0]))
    assert docker("exec", always, "echo", "here").text == "here"
    docker("start", once)
    assert docker("exec", once, "echo", "here").text == "here"


@pytest.mark.runtimes("runsafe")
def test_as_default_runtime_it_takes_effect_on_reload_and_for_new_containers(daemon, runtime):
    """systemctl reload docker (SIGHUP) suffices for a runtime, and for the default; a container
    keeps the runtime that it was made with."""
    docker = daemon()
    image = docker.image("busybox")
    old = docker("run", "-d", "--network", "none", image, "sleep", "1000").text
    docker.settings["default-runtime"] = runtime
    docker.settings["runtimes"] = {**docker.settings["runtimes"],
                                   "added": {"path": "/usr/local/bin/runsafe-oci"}}
    docker.write_settings()
    docker.daemon.process.send_signal(signal.SIGHUP)
    wait_for("the default", lambda: docker("info", "-f", "{{.DefaultRuntime}}").text == runtime)

    assert docker("run", "--rm", "--network", "none", image, "id", "-u").text == "1000"
    assert_hardened(status_in(docker("run", "--rm", "--network", "none", "--privileged", image,
                                     "cat", "/proc/self/status").out))
    for name in "runc", "added":
        done = docker("run", "--rm", "--network", "none", "--runtime", name, image, "id", "-u")
        assert done.text == "0"
    docker("restart", "-t", "0", old)
    assert docker("exec", old, "id", "-u").text == "0"


def test_a_runtime_with_arguments_is_called_with_them(daemon):
    docker = daemon(runtimes={"relaxed": {
        "path": "/usr/local/bin/runsafe",
        "runtimeArgs": ["--allow", "rootfs-writable", "--allow=root"]}})
    image = docker.image("busybox")
    done = docker("run", "--rm", "--network", "none", "--runtime", "relaxed", image, "sh", "-c",
                  "touch /new && id -u")
    assert done.text == "0"


def build(docker, folder, text, buildkit, check=True):
    """docker build of a Dockerfile's text; what it said."""
    (folder / "Dockerfile").write_text(text)
    env = {**os.environ, "DOCKER_BUILDKIT": str(buildkit)}
    options = ["--progress", "plain"] if buildkit else ["--force-rm"]
    return docker("build", "--network", "none", "--no-cache", "-t", "built", *options, folder,
                  env=env, check=check)


@pytest.fixture
def context(folder):
    path = folder / "context"
    path.mkdir()
    return path


DOCKERFILE = """FROM busybox
RUN mkdir /data && id -u > /data/who && chown -R 1000:1000 /data && cat /proc/self/status
ENV WORD=there
CMD ["sh", "-c", "cat /data/who; id -u; echo $WORD"]
"""


@pytest.mark.runtimes("runsafe", "runsafe-oci", "own")
def test_the_classic_builder_uses_the_default_runtime(daemon, runtime, context):
    """DOCKER_BUILDKIT=0: with runsafe as the default a RUN step is hardened as any container is:
    it can not write, and the step's error says so. With runsafe-oci it builds."""
    docker = daemon(**{"default-runtime": name_of(runtime)})
    docker.image("busybox")
    if runtime == "runsafe":
        refused = build(docker, context, DOCKERFILE, 0, check=1)
        assert "mkdir: can't create directory '/data': Read-only file system" in refused.out
        assert "returned a non-zero code: 1" in refused.err
        # What a step writes to the tmpfs on /tmp is no part of the image: no error says so.
        build(docker, context, "FROM busybox\nRUN echo x > /tmp/x\n", 0)
        assert docker("run", "--rm", "--network", "none", "--runtime", "runc", "built", "ls",
                      "/tmp").text == ""
        return
    said = build(docker, context, DOCKERFILE, 0)
    assert int(status_in(said.out)["CapEff"], 16) != 0
    assert docker("run", "--rm", "--network", "none", "built").text == "0\n0\nthere"


@pytest.mark.runtimes("runsafe", "own")
def test_buildkit_runs_its_steps_with_runc_as_root_whatever_the_default(daemon, runtime, context):
    """What is built runs under the default runtime then. Steps are not runsafe's: they are root
    with Docker's capabilities, and an untrusted Dockerfile has them."""
    docker = daemon(**{"default-runtime": name_of(runtime)})
    docker.image("busybox")
    said = build(docker, context, DOCKERFILE, 1)
    status = {k.split()[-1]: v for k, v in status_in(said.err).items()}
    assert status["Uid"].split()[0] == "0" and status["NoNewPrivs"] == "0"
    assert int(status["CapEff"], 16) != 0
    uid = "1000" if runtime == "runsafe" else "0"
    done = docker("run", "--rm", "--network", "none", "built")
    assert done.text == f"0\n{uid}\nthere"


@pytest.mark.runtimes("runsafe-oci")
def test_buildkit_takes_runsafe_oci_where_dockerd_finds_it_as_runc(daemon, runtime, context):
    """BuildKit has no setting: it takes the runc of dockerd's PATH."""
    (context.parent / "bin").mkdir()
    runc = context.parent / "bin" / "runc"
    runc.write_text(f'#!/bin/sh\necho "$*" >>{context.parent}/calls\n'
                    f'exec /usr/local/bin/{runtime} "$@"\n')
    runc.chmod(0o755)
    docker = daemon(env={**os.environ, "PATH": f"{runc.parent}:{os.environ['PATH']}"})
    docker.image("busybox")
    said = build(docker, context, DOCKERFILE + """RUN --mount=type=tmpfs,target=/t \\
 --mount=type=cache,target=/c touch /t/x /c/x && ls /sys/class/net
RUN exit 5
""", 1, check=1)
    assert "exit code: 5" in said.err, said
    calls = (context.parent / "calls").read_text()
    assert " run --bundle " in calls and " delete " in calls
    build(docker, context, DOCKERFILE, 1)
    done = run("docker", "-H", f"unix://{docker.socket}", "run", "--rm", "--network", "none",
               "built")
    assert done.text == "0\n0\nthere"
