"""What shims may say to a runtime, and what they may do to it: every option of runc and crun, odd
environments, a full disk, many containers."""

import ctypes
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

import docker as docker_module
import podman as podman_module
from bundle import Runtime, reap
from engines import SLOWER, run, wait_for

# Options of runc 1.1 to 1.3 and crun that runsafe does not take, and why not.
NOT_TAKEN = {
    ("delete", "regex"): "engines name one container; many at once is a shell's job",
    ("kill", "regex"): "the same",
    ("checkpoint", "network-lock"): "criu's own default; org.criu.config says another",
    ("restore", "network-lock"): "the same",
    ("spec", "file"): "--bundle says where, and a shell's > for another name",
    (None, "usage"): "--help",
}
# runc's of 1.2 and 1.3, which Debian 13 does not have yet.
NEWER = {"create": ["pidfd-socket"], "run": ["pidfd-socket"], "exec": ["pidfd-socket"],
         "update": ["cpu-idle", "cpu-burst"]}


def options_of(program, command):
    """The long options of a help text, and whether each takes a value."""
    words = [program] + ([command] if command else []) + ["--help"]
    text = run(*words).out
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s+(?:-\S, )*--([a-z0-9-]+)(?:, -\S)?(\[?=|  ?[a-z]+ *(?:, -\w value)?  )?", line)
        if match:
            value = match[2] or ""
            found[match[1]] = value.startswith("=") or value.strip().startswith("value")
    return found


@pytest.mark.parametrize("other", ["/usr/bin/runc", "/usr/bin/crun"])
@pytest.mark.runtimes("runsafe-oci")
def test_every_option_of_runc_and_crun_is_taken(other, runtime):
    """For each command that they have, and before it."""
    commands = [None, "create", "start", "run", "exec", "state", "kill", "delete", "pause", "resume",
                "ps", "update", "list", "spec", "features", "checkpoint", "restore"]
    refused, seen = [], 0
    for command in commands + (["events"] if "runc" in other else []):
        options = options_of(other, command)
        options |= {name: True for name in (NEWER.get(command, []) if "runc" in other else [])}
        for option, takes_value in options.items():
            if option in ("help", "version") or {(command, option), (None, option)} & set(NOT_TAKEN):
                continue
            seen += 1
            value = {"preserve-fds": "1", "status-fd": "1", "rootless": "auto", "log-format": "text",
                     "log-level": "error", "cgroup-manager": "cgroupfs", "log": "/tmp/x"}
            words = [f"--{option}"] + ([value.get(option, "1")] if takes_value else [])
            before, after = (words, []) if command is None else ([], words)
            done = run("/usr/local/bin/runsafe-oci", *before, *([command] if command else []), *after,
                       "--help", check=False)
            if done.status != 0 or "Usage:" not in done.out:
                refused.append((command, option, done.err[-200:]))
    assert not refused, refused
    assert seen > 60, "the help texts were not understood"


@pytest.fixture
def alone(folder, runtime):
    it = Runtime(folder, runtime)
    yield it
    it.close()


# --- options, one by one

def test_delete_by_force_of_an_id_that_is_not_there_succeeds(alone):
    done = alone("delete", "--force", "nobody")
    assert (done.out, done.err, done.log_text) == ("", "", "")


def test_run_keeps_the_container_when_told_to(alone):
    alone.write("exit 3")
    name = alone.name()
    alone("run", "--keep", name, check=3)
    assert alone.state(name)["status"] == "stopped"
    alone("delete", name)


def test_preserved_descriptors_arrive_and_no_others(alone):
    alone.write("echo to three >&3; ls /proc/self/fd")
    out = alone.folder / "three"
    words = alone.words("run", "--preserve-fds", "1", alone.name())
    done = run("sh", "-c", f'exec "$@" 3>{out} 7</etc/passwd', "sh", *words, cwd=alone.bundle)
    assert out.read_text() == "to three\n"
    assert done.out.split() == ["0", "1", "2", "3", "4"], done  # 4 is ls's own


@pytest.mark.parametrize("option", ["--no-pivot", "--no-new-keyring", "--no-subreaper", "-no-subreaper"])
def test_run_takes_what_shims_add(alone, option):
    alone.write("echo well")
    assert alone("run", option, alone.name()).text == "well"


def test_global_options_may_be_of_another_driver_than_the_containers(alone):
    """Shims call delete and kill with, or without, the --systemd-cgroup of create."""
    name = alone.running()
    base = alone.words("x")[1:-1]
    for words in (("state", name), ("kill", name, "KILL")):
        run(alone.program, *base, "--rootless=auto", "--criu", "/nosuch/criu", *words)
    alone.stopped(name)
    other = ["--systemd-cgroup"] if alone.runtime != "own" else []  # runc wants to see systemd
    run(alone.program, "--debug=false", *other, *base, "delete", name)


def test_the_console_socket_may_have_a_long_path(alone):
    """Longer than an address can be (unix(7))."""
    if alone.runtime == "own":
        pytest.skip("runc refuses a path of more than 107 bytes")
    where = alone.folder / ("d" * 100) / ("e" * 100)
    where.mkdir(parents=True)
    server = socket.socket(socket.AF_UNIX)
    here = os.open(where, os.O_DIRECTORY)
    server.bind(f"/proc/self/fd/{here}/console.sock")
    server.listen()
    server.settimeout(20 * SLOWER)
    got = []

    def take():
        connection, _ = server.accept()
        got.append(socket.recv_fds(connection, 100, 1)[1][0])

    taker = threading.Thread(target=take)
    taker.start()
    alone.write("tty", process={"terminal": True, "args": ["tty"]})
    name = alone.name()
    alone("create", "--console-socket", where / "console.sock", name)
    taker.join()
    alone("start", name)
    assert os.read(got[0], 100).startswith(b"/dev/pts/0")
    os.close(got[0])
    os.close(here)
    server.close()


def test_names_and_folders_may_be_long(alone):
    where = alone.folder / ("d" * 200) / ("e" * 200)
    where.mkdir(parents=True)
    alone.write("echo well")
    shutil.move(alone.bundle, where / "bundle")
    alone.bundle = where / "bundle"
    done = alone("run", "--pid-file", where / "pid", "-b", where / "bundle", "n" * 200)
    assert done.text == "well" and int((where / "pid").read_text()) > 0


# --- what a caller may be like

PR_SET_CHILD_SUBREAPER = 36


def call(alone, *prefix, shell=None, **more):
    """Runs `run` and `exec` behind a prefix of words, or of a line of shell; what they printed. (Not
    by preexec_fn: a fork where gRPC's threads are, of tests before, can hang.)"""
    if shell:
        prefix = ("sh", "-c", f'{shell}; exec "$@"', "sh")
    script = "echo $(umask) $(ulimit -n) $(ls /proc/self/fd | tr '\\n' .) $(stat -c %a /tmp /dev/shm /dev)"
    alone.write(script, process={"rlimits": [], "args": ["sh", "-c", script]})
    words = [alone.program, "--root", str(alone.root)]
    once = subprocess.run([*prefix, *words, "run", "-b", str(alone.bundle), alone.name()], text=True,
                          capture_output=True, check=False, **more)
    name = alone.running(process={"rlimits": []})
    again = subprocess.run([*prefix, *words, "exec", name, "sh", "-c", script], text=True,
                           capture_output=True, check=False, **more)
    assert (once.returncode, again.returncode) == (0, 0), (once, again)
    return once.stdout.split(), again.stdout.split()


ODD = {
    "an empty environment": dict(env={}),
    "PATH that leads nowhere": dict(env={"PATH": "/nosuch"}),
    "no HOME, no TMPDIR that is there": dict(env={"PATH": os.environ["PATH"], "TMPDIR": "/nosuch"}),
    "a locale that is not there": dict(env={"PATH": os.environ["PATH"], "LC_ALL": "xx_XX.UTF-99"}),
    "umask 0777": dict(shell="umask 0777"),
    "umask 0": dict(shell="umask 0"),
    "1024 open files": dict(shell="ulimit -n 1024"),
    "20 open files": dict(shell="ulimit -n 20"),
}


@pytest.mark.parametrize("oddity", ODD)
def test_an_odd_caller_changes_nothing(alone, oddity):
    first, second = call(alone, **ODD[oddity])
    limit = {"1024 open files": "1024", "20 open files": "20"}.get(oddity)
    for mask, files, fds, *modes in (first, second):
        if alone.runtime != "own" or (mask, files, fds) == tuple(first[:3]):
            assert mask == "0022"  # runc's exec inherits it
        assert files == (limit or files)
        assert fds == "0.1.2.3."
        assert modes == ["1777", "1777", "755"], modes


def test_a_caller_whose_folder_is_gone(alone):
    call(alone, "sh", "-c", 'cd "$(mktemp -d)" && rmdir "$PWD" && exec "$@"', "sh")


def test_a_caller_that_ignores_its_childrens_end_and_broken_pipes(alone):
    call(alone, "env", "--ignore-signal=CHLD", "--ignore-signal=PIPE", "--block-signal=CHLD")


def test_a_caller_without_standard_descriptors(alone):
    """Each of them closed, then all: what is opened instead must not become the workload's output."""
    for closing in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        out = alone.folder / "out"
        alone.write(f"echo well >{'/dev/null' if '>' in closing else '&1'}; exit 4")
        words = [alone.program, "--root", str(alone.root), "run", "-b", str(alone.bundle), alone.name()]
        done = subprocess.run(["sh", "-c", f'exec "$@" {closing}', "sh", *words], check=False,
                              stdout=open(out, "w"), timeout=60)
        assert done.returncode == 4, closing


@pytest.mark.runtimes("runsafe")
def test_two_hundred_containers_are_listed(alone):
    alone.write("sleep 1000")
    names = [alone.name() for _ in range(200)]
    for name in names:
        alone("create", name)
    listed = json.loads(alone("list", "--format", "json").out)
    assert sorted(c["id"] for c in listed) == sorted(names)
    assert {c["status"] for c in listed} == {"created"}
    assert sorted(alone("list", "-q").out.split()) == sorted(names)
    for name in names:
        alone("delete", name)
    reap()
    assert alone("list", "-q").out == ""


# --- engines that were started oddly

ODD_START = """umask 0077; cd "$(mktemp -d)"; rmdir "$PWD"; ulimit -n 1024; trap '' PIPE
program=$(command -v "$1"); shift
exec env -i PATH=/usr/bin:/bin DOCKER_RAMDISK=yes "$program" "$@" <&- >&- 2>&-"""


@pytest.mark.runtimes("runsafe", "runsafe-oci", "own")
def test_a_dockerd_that_was_started_oddly(runtime):
    """An empty environment, PATH without /usr/sbin, umask 0077, no standard input and output, a
    folder that is gone, SIGPIPE ignored; and told that its root can not be pivoted (--no-pivot)."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="dockerd-", dir="/tmp"))
    daemon = docker_module.Docker(path, {"bridge": "none", "iptables": False, "userland-proxy": False},
                                  prefix=("sh", "-c", ODD_START, "sh"))
    daemon.start()
    try:
        image, name = daemon.image("busybox"), docker_module.name_of(runtime)
        assert daemon("run", "--rm", "--runtime", name, image, "sh", "-c", "umask; echo $HOME").text != ""
        daemon("run", "-d", "--name", "deep", "--runtime", name, image, "sleep", "1000")
        assert daemon("exec", "deep", "sh", "-c", "stat -c %a / /tmp").out.split() in (
            ["755", "1777"], ["755", "755"])
        daemon("exec", "-t", "deep", "true")
        daemon("pause", "deep")
        daemon("unpause", "deep")
        daemon("stop", "-t", "0", "deep")
        daemon.clean()
    finally:
        daemon.stop()


@pytest.mark.runtimes("runsafe-oci", "own")
def test_a_podman_that_was_started_oddly(podman, runtime):
    env = {"PATH": "/usr/bin:/bin", "CONTAINERS_CONF": podman.env["CONTAINERS_CONF"]}
    image = podman.image("busybox")

    def odd(*words):
        return run("sh", "-c", 'umask 0777; exec "$@"', "sh", *podman.command(*words, runtime=runtime),
                   env=env, cwd="/")

    assert odd("run", "--rm", "--network", "none", image, "echo", "well").text == "well"
    odd("run", "-d", "--network", "none", "--name", "deep", image, "sleep", "1000")
    assert odd("exec", "deep", "sh", "-c", "umask").text == "0022"
    odd("rm", "-f", "-t0", "deep")


# --- a full disk

FULL = {"no space": ("size=8k", "no space left on device"),
        "no inodes": ("nr_inodes=3", "no space left on device"),
        "read-only": ("ro", "read-only file system")}


@pytest.mark.runtimes("runsafe", "runsafe-oci", "own")
def test_docker_on_a_full_run(runtime):
    """Where the runtimes' states are: the message, nothing left; and with room again all is well."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="dockerd-", dir="/tmp"))
    daemon = docker_module.Docker(path)
    states = daemon.exec_root / "runtime-runc"
    daemon.start()
    try:
        image, name = daemon.image("busybox"), docker_module.name_of(runtime)
        words = ("run", "--rm", "--name", "deep", "--runtime", name, "--network", "none", image, "echo",
                 "well")
        for why, (options, sentence) in FULL.items():
            (states / "moby").mkdir(parents=True, exist_ok=True)
            run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", states)
            (states / "moby").mkdir()
            run("mount", "-o", f"remount,{options}", states)
            done = daemon(*words, check=False)
            if not (runtime == "own" and why == "no space"):  # runc's own state is smaller
                assert done.status == 125 and sentence in done.err, (why, done)
                assert daemon.states() == [], why
            run("mount", "-o", "remount,rw,size=1m,nr_inodes=1000", states)
            assert daemon(*words).text == "well", why
            daemon.clean()
            run("umount", states)
    finally:
        run("umount", states, check=False)
        daemon.stop()


@pytest.mark.runtimes("runsafe", "runsafe-oci")
def test_podman_on_a_full_run(podman, runtime):
    states = pathlib.Path("/run/runsafe")
    states.mkdir(exist_ok=True)
    words = ("run", "--rm", "--network", "none", podman.image("busybox"), "echo", "well")
    for options, sentence in FULL.values():
        run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", states)
        try:
            run("mount", "-o", f"remount,{options}", states)
            done = podman(*words, runtime=runtime, check=False)
            assert done.status in (125, 126) and sentence in done.err, done
            assert not podman.states()
            run("mount", "-o", "remount,rw,size=1m,nr_inodes=1000", states)
            assert podman(*words, runtime=runtime).text == "well"
        finally:
            run("umount", states)
