"""ctr, containerd's own client, with runsafe as its runc."""

import pathlib

import pytest

from engines import assert_hardened, run, status_in, wait_for

NAME = "c1"
# ctr can lose the output of a program that ends at once, with runc as well.
STATUS = ("sh", "-c", "cat /proc/self/status; sleep 0.3")


@pytest.fixture
def ctr(containerd, runtime):
    """ctr("run", ...) with the runtime; ctr itself says what is needed for it."""
    program = str(containerd.programs["runc" if runtime == "own" else runtime])

    def call(command, *words, **options):
        if command == "run":
            words = ("--runc-binary", program, *words)
        return containerd.ctr(command, *words, **options)

    call.containerd, call.image = containerd, containerd.image("busybox")
    call.program = program
    return call


def start(ctr, *options, command=("sleep", "100"), name=NAME):
    ctr("run", "-d", *options, ctr.image, name, *command)
    return name


def task_state(ctr, name=NAME):
    lines = [line.split() for line in ctr("tasks", "ls").out.splitlines()[1:]]
    return {line[0]: line[2] for line in lines}.get(name)


def test_run_gives_output_and_status_and_leaves_nothing(ctr):
    done = ctr("run", "--rm", ctr.image, NAME, "sh", "-c", "echo out; echo err >&2; sleep 0.3; exit 7", check=7)
    assert (done.out, done.err) == ("out\n", "err\n")
    assert not ctr("containers", "ls", "-q").out and not ctr("tasks", "ls", "-q").out


def test_who_it_is(ctr, runtime):
    seen = status_in(ctr("run", "--rm", ctr.image, NAME, *STATUS).out)
    if runtime == "runsafe":
        assert_hardened(seen)
        assert seen["Uid"].split()[0] == "1000"
    else:
        assert seen["Uid"].split()[0] == "0" and int(seen["CapEff"], 16)


def test_a_user_and_privileged(ctr, runtime):
    seen = status_in(ctr("run", "--rm", "--user", "1234:2345", ctr.image, NAME,
                         *STATUS).out)
    assert (seen["Uid"].split()[0], seen["Gid"].split()[0]) == ("1234", "2345")
    seen = status_in(ctr("run", "--rm", "--privileged", ctr.image, NAME,
                         *STATUS).out)
    if runtime == "runsafe":
        assert_hardened(seen)
    else:
        assert seen["Uid"].split()[0] == "0" and int(seen["CapEff"], 16) & 1 << 21


def test_read_only_and_seccomp(ctr, runtime):
    script = "touch /x && echo made; grep Seccomp_filters /proc/self/status; sleep 0.3"
    done = ctr("run", "--rm", "--read-only", "--seccomp", ctr.image, NAME, "sh", "-c", script)
    assert "made" not in done.out and "Read-only file system" in done.err
    # The engine's, our profile, and the answer to setgroups.
    assert done.out.split()[-1] == ("3" if runtime == "runsafe" else "1")


def test_mounts_environment_host_name_and_working_directory(ctr, folder):
    (folder / "file").write_text("from the host\n")
    done = ctr("run", "--rm", "--mount", f"type=bind,src={folder},dst=/data,options=rbind:ro",
               "--env", "COLOUR=blue", "--hostname", "box", "--cwd", "/data", ctr.image, NAME,
               "sh", "-c", "cat file; echo $COLOUR; hostname; touch x 2>&1; sleep 0.3")
    assert done.out.startswith("from the host\nblue\nbox\n") and "Read-only" in done.out


def test_a_task_is_listed_executed_in_paused_killed_and_deleted(ctr, runtime):
    name = start(ctr)
    assert task_state(ctr) == "RUNNING"
    assert str(pid_of(ctr)) in ctr("tasks", "ps", name).out
    done = ctr("tasks", "exec", "--exec-id", "e1", name, "sh", "-c", "id -u; sleep 0.3; exit 5", check=5)
    assert done.text == ("1000" if runtime == "runsafe" else "0")
    ctr("tasks", "pause", name)
    assert task_state(ctr) == "PAUSED"
    ctr("tasks", "resume", name)
    assert task_state(ctr) == "RUNNING"
    ctr("tasks", "metrics", name)
    ctr("tasks", "kill", "-s", "KILL", name)
    wait_for("the end", lambda: task_state(ctr) == "STOPPED")
    assert "non-zero exit code 137" in ctr("tasks", "delete", name).err
    assert task_state(ctr) is None
    ctr("containers", "delete", name)
    assert not ctr("containers", "ls", "-q").out


def pid_of(ctr, name=NAME):
    lines = [line.split() for line in ctr("tasks", "ls").out.splitlines()[1:]]
    return {line[0]: int(line[1]) for line in lines}[name]


def test_what_is_typed_reaches_a_program_started_later(ctr):
    name = start(ctr)
    done = ctr("tasks", "exec", "--exec-id", "e1", name, "head", "-n", "1", input="two\n")
    assert done.out == "two\n"


def test_exec_in_a_paused_task_says_that_it_is_paused(ctr):
    name = start(ctr)
    ctr("tasks", "pause", name)
    done = ctr("tasks", "exec", "--exec-id", "e1", name, "true", check=False)
    assert done.status != 0 and "paused" in done.err
    ctr("tasks", "resume", name)


def test_kill_of_a_task_that_ended_is_not_found(ctr):
    name = start(ctr, command=("true",))
    wait_for("the end", lambda: task_state(ctr) == "STOPPED")
    done = ctr("tasks", "kill", name, check=False)
    assert done.status != 0 and ("not found" in done.err or "already finished" in done.err)


def test_a_terminal(ctr):
    """-t: ctr wants a terminal itself; util-linux' script gives it one."""
    containerd = ctr.containerd
    command = (f"ctr -a {containerd.socket} -n k8s.io run --rm -t --runc-binary {ctr.program} "
               f"{ctr.image} {NAME} sh -c 'tty; test -c /dev/console && echo console; exit 6'")
    done = run("script", "-q", "-e", "-c", command, "/dev/null", check=6)
    assert "/dev/" in done.out and "console" in done.out


def test_programs_that_can_not_be_started_say_why(ctr):
    for command, text in (("no-such", "executable file not found in $PATH"),
                          ("/etc/passwd", "permission denied"),
                          ("/bin/nothing", "no such file or directory")):
        done = ctr("run", "--rm", ctr.image, NAME, command, check=False)
        assert done.status != 0 and text in done.err, done
        ctr("containers", "delete", NAME, check=False)


def test_two_containers_of_one_name_do_not_get_into_each_others_way(ctr):
    start(ctr)
    done = ctr("run", "-d", ctr.image, NAME, "true", check=False)
    assert done.status != 0 and "already exists" in done.err
    assert task_state(ctr) == "RUNNING"


@pytest.mark.runtimes("runsafe")
def test_net_host_is_refused_with_the_words_that_would_allow_it(ctr):
    done = ctr("run", "--rm", "--net-host", ctr.image, NAME, "true", check=False)
    assert done.status != 0 and "host-network" in done.err
    # Once: the shim takes the last line of the runtime's log.
    assert done.err.count("host-network") >= 1 and "linux.namespaces" in done.err


def test_a_root_file_system_from_a_folder(ctr, runtime, folder):
    """--rootfs, and --runc-root."""
    rootfs = folder / "rootfs"
    (rootfs / "bin").mkdir(parents=True)
    run("cp", "/bin/busybox", rootfs / "bin/sh")
    done = ctr("run", "--rm", "--rootfs", "--runc-root", folder / "state", rootfs, NAME,
               "/bin/sh", "-c", "echo ran; echo $((40+2)); read -t 0.3 line; :")
    assert done.out == "ran\n42\n"


def test_a_program_with_file_capabilities_runs(ctr, runtime, folder):
    """CoreDNS, Vault and ping have some: under default they run without them, instead of failing."""
    (folder / "rootfs/bin").mkdir(parents=True)
    program = folder / "rootfs/bin/busybox"
    run("cp", "/bin/busybox", program)
    run("setcap", "cap_net_bind_service=ep", program)
    done = ctr("run", "--rm", "--rootfs", "--user", "1000:1000", folder / "rootfs", NAME,
               "/bin/busybox", "grep", "CapEff", "/proc/self/status")
    assert int(done.out.split()[1], 16) == (0 if runtime == "runsafe" else 1 << 10)


def test_devices_and_privileges_that_ctr_adds(ctr, runtime):
    script = "test -c /dev/kmsg && echo device; grep -e NoNew -e CapEff /proc/self/status; sleep 0.3"
    done = ctr("run", "--rm", "--device", "/dev/kmsg", "--cap-add", "CAP_SYS_PTRACE",
               "--allow-new-privs", ctr.image, NAME, "sh", "-c", script)
    seen = status_in(done.out)
    if runtime == "runsafe":
        assert "device" not in done.out and seen["NoNewPrivs"] == "1" and not int(seen["CapEff"], 16)
    else:
        assert "device" in done.out and seen["NoNewPrivs"] == "0"
        assert int(seen["CapEff"], 16) & 1 << 19


def test_a_network_namespace_joined_by_path(ctr):
    run("ip", "netns", "add", "joined")
    try:
        done = ctr("run", "--rm", "--with-ns", "network:/var/run/netns/joined", ctr.image, NAME,
                   "readlink", "/proc/self/ns/net")
        inode = pathlib.Path("/var/run/netns/joined").stat().st_ino
        assert done.text == f"net:[{inode}]"
    finally:
        run("ip", "netns", "del", "joined")


@pytest.mark.runtimes("runsafe-oci", "own")
def test_a_task_is_checkpointed_by_criu(ctr, folder):
    """Under default the same works where root may read the limits of 1000's processes: here the
    tests lack CAP_SYS_RESOURCE."""
    name = start(ctr, command=("sh", "-c", "while :; do sleep 1; done"))
    ctr("tasks", "checkpoint", "--exit", "--image-path", folder, name, timeout=30)
    assert list(folder.glob("core-*.img"))
    wait_for("the end", lambda: task_state(ctr) in ("STOPPED", None))


@pytest.mark.runtimes("runsafe-oci")
def test_a_container_is_restored_from_its_checkpoint_and_goes_on(ctr):
    """ctr containers checkpoint and restore: memory and the changed files. With Debian 13's runc ctr
    finds no media type in the image here."""
    name = start(ctr, command=("sh", "-c", "t=$(cat /proc/sys/kernel/random/uuid); touch /made; "
                               "while :; do echo $t >/token; sleep 0.1; rm -f /token; done"))

    def token(of):
        return ctr("tasks", "exec", "--exec-id", "e1", of, "sh", "-c", "cat /token /made",
                   check=False).text

    before = wait_for("its token", lambda: token(name))
    ctr("containers", "checkpoint", "--task", "--rw", name, "docker.io/library/checkpoint:1")
    ctr("tasks", "rm", "-f", name, check=False)
    ctr("containers", "rm", name)
    ctr("containers", "restore", "--live", "c2", "docker.io/library/checkpoint:1")
    assert wait_for("the token of its memory", lambda: token("c2")) == before
    ctr("images", "rm", "docker.io/library/checkpoint:1")
