"""exec: one more process in a container, under the policy that the container was made with."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

import harness
import workload

NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "uts"]


def status_of(runsafe, name, *options):
    """/proc/self/status of one more process."""
    return runsafe("exec", *options, name, "cat", "/proc/self/status").facts()


def end(runsafe, name, pid):
    """Takes a container with a detached process away: a pid namespace ends when the last process
    in it is reaped, and this one's parent is us."""
    deleting = runsafe.start_process("delete", "--force", name)
    os.waitpid(pid, 0)
    assert deleting.wait(harness.TIME_LIMIT) == 0


def test_exec_runs_a_program_and_hands_on_its_output_and_status(runsafe, bundle):
    name = runsafe.running(bundle)
    done = runsafe("exec", name, "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.status, done.out, done.err) == (42, "out\n", "err\n")


def test_exec_reads_standard_input(runsafe, bundle):
    name = runsafe.running(bundle)
    assert runsafe.ok("exec", name, "cat", stdin="hello").out == "hello"


def test_exec_that_a_signal_ends_is_128_more(runsafe, bundle):
    name = runsafe.running(bundle)
    assert runsafe("exec", name, "sh", "-c", "kill -9 $$").status == 137


def test_exec_is_in_all_of_the_containers_namespaces(runsafe, bundle):
    """DESIGN.md section 5: exec enters the container's own root."""
    name = runsafe.running(bundle.namespace("time"))
    pid = runsafe.state(name)["pid"]
    inside = runsafe.ok("exec", name, "sh", "-c",
                        "for n in cgroup ipc mnt net pid uts time; do readlink /proc/self/ns/$n; done")
    assert inside.lines == [os.readlink(f"/proc/{pid}/ns/{n}") for n in [*NAMESPACES, "time"]]
    assert runsafe.ok("exec", name, "ls", "/").lines == sorted(os.listdir(bundle.rootfs))


def test_exec_in_a_container_with_a_user_namespace(oci, plain):
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    plain.namespace("user")
    plain.set("linux.uidMappings", mapping).set("linux.gidMappings", mapping)
    for folder, names, files in os.walk(plain.rootfs):
        for name in names + files:
            os.lchown(os.path.join(folder, name), 100000, 100000)
    os.chown(plain.rootfs, 100000, 100000)
    name = oci.running(plain)
    pid = oci.state(name)["pid"]
    assert oci.ok("exec", name, "readlink", "/proc/self/ns/user").out.strip() == os.readlink(
        f"/proc/{pid}/ns/user")
    assert oci.ok("exec", name, "id", "-u").out == "0\n"
    sleeper = subprocess.Popen(oci.command("exec", name, "sleep", "1000"))
    try:
        assert harness.wait_for(lambda: len(json.loads(oci.ok("ps", "-f", "json", name).out)) == 2)
        last = json.loads(oci.ok("ps", "-f", "json", name).out)[-1]
        assert os.stat(f"/proc/{last}").st_uid == 100000
    finally:
        sleeper.send_signal(signal.SIGTERM)
        sleeper.wait()


def test_exec_is_in_the_containers_cgroup(runsafe, bundle):
    """The process is put straight into the container's cgroup."""
    name = runsafe.running(bundle)
    pid = runsafe.state(name)["pid"]
    pid_file = bundle.path / "pid"
    runsafe.ok("exec", "-d", "--pid-file", pid_file, name, "sleep", "1000")
    last = int(pid_file.read_text())
    where = [pathlib.Path(f"/proc/{p}/cgroup").read_text() for p in (pid, last)]
    assert where[0].splitlines()[-1] == where[1].splitlines()[-1]
    assert runsafe.prefix in where[1].splitlines()[-1]
    end(runsafe, name, last)


def test_exec_root_becomes_the_containers_user(runsafe, bundle):
    """DESIGN.md, row exec: the same policy; root becomes the container's own user."""
    workload.as_engine(bundle)
    name = runsafe.running(bundle)
    for options in ([], ["--user", "0"], ["--user", "0:0"], ["--user", "0", "--cap", "CAP_SYS_ADMIN"]):
        facts = status_of(runsafe, name, *options)
        assert facts["Uid"].split() == ["1000"] * 4, options
        assert facts["Gid"].split() == ["1000"] * 4, options
        assert facts["NoNewPrivs"] == "1"
        assert facts["Seccomp"] == "2"
        for capabilities in workload.CAPABILITY_SETS:
            assert int(facts[capabilities], 16) == 0, (options, capabilities)


def test_exec_of_another_user_stays_that_user(runsafe, bundle):
    name = runsafe.running(bundle)
    assert status_of(runsafe, name, "--user", "33:34")["Uid"].split() == ["33"] * 4
    assert status_of(runsafe, name, "--user", "33:34")["Gid"].split() == ["34"] * 4


def test_exec_under_strict_refuses_root(runsafe, bundle):
    """DESIGN.md, row exec: strict refuses root."""
    strict = runsafe.with_options("--policy", "strict")
    name = strict.running(bundle)
    strict.fails("exec", "--user", "0", name, "id", words=["strict"], status=255)


def test_exec_obeys_the_policy_of_create_and_not_its_own(runsafe, bundle):
    """DESIGN.md section 3: the state records the policy; exec and update obey that one."""
    name = runsafe.running(bundle)
    for other in (["--policy", "oci"], ["--allow", "root"], ["--allow", "capability=CAP_SYS_ADMIN"]):
        facts = status_of(runsafe.with_options(*other), name, "--user", "0", "--cap", "CAP_SYS_ADMIN")
        assert facts["Uid"].split() == ["1000"] * 4, other
        assert int(facts["CapBnd"], 16) == 0, other


def test_exec_keeps_what_create_was_allowed(runsafe, bundle):
    allowed = runsafe.with_options("--allow", "capability=CAP_NET_RAW")
    name = allowed.running(bundle)
    assert int(status_of(runsafe, name)["CapEff"], 16) == 1 << 13


def test_exec_as_root_under_oci_has_the_capabilities_as_written(oci, plain):
    plain.cap("CAP_CHOWN", "CAP_KILL")
    name = oci.running(plain)
    facts = status_of(oci, name)
    assert {facts[s] for s in workload.CAPABILITY_SETS} == {f"{1 << 0 | 1 << 5:016x}"}
    more = status_of(oci, name, "--cap", "CAP_NET_RAW")
    assert int(more["CapEff"], 16) == 1 << 0 | 1 << 5 | 1 << 13
    assert int(more["CapAmb"], 16) == 1 << 0 | 1 << 5


def test_exec_gives_a_capability_to_another_user_for_real(oci, plain):
    """capabilities(7): a user other than root keeps over an execve what is ambient."""
    plain.cap()
    name = oci.running(plain)
    assert int(status_of(oci, name, "--user", "5", "--cap", "CAP_NET_RAW")["CapEff"], 16) == 1 << 13


@pytest.mark.parametrize("user", ["root", "12x", "", "1000:", ":5", "-1", "+1", " 1", "1 ", "0x0",
                                  "4294967295", "4294967296", "18446744073709551616", "1:2:3",
                                  "1000:wheel", "1,2"])
def test_exec_user_takes_numbers_only(oci, plain, user):
    """CVE-2026-30892, CVE-2024-40635: what is no number must not become 0."""
    name = oci.running(plain)
    oci.fails("exec", "--user", user, name, "id", words=["--user", "UID"], status=255)


def test_exec_additional_gids(oci, plain):
    name = oci.running(plain)
    assert oci.ok("exec", "-g", "7", "-g", "8", "--user", "5:6", name, "id", "-G").out == "6 7 8\n"
    oci.fails("exec", "-g", "x", name, "id", words=["--additional-gids"], status=255)


def test_exec_env_cwd_and_no_new_privs(oci, plain):
    plain.config["process"]["env"] = ["PATH=/bin", "A=1", "B=2"]
    name = oci.running(plain.write())
    done = oci.ok("exec", "-e", "A=3", "-e", "C=x=y", "--cwd", "/usr", "--no-new-privs", name, "sh",
                  "-c", "echo $A $B $C $PWD; grep NoNew /proc/self/status")
    assert done.lines == ["3 2 x=y /usr", "NoNewPrivs:\t1"]
    assert "NoNewPrivs:\t0" in oci.ok("exec", name, "cat", "/proc/self/status").out
    oci.fails("exec", "-e", "nonsense", name, "env", words=["--env", "NAME=value"], status=255)
    oci.fails("exec", "--cwd", "usr", name, "pwd", words=["--cwd", "absolute"], status=255)
    oci.fails("exec", "--cwd", "/not/there", name, "pwd",
              words=["/not/there", "no such file or directory"], status=255)


def test_exec_finds_a_relative_program_in_path(oci, plain):
    """exec with a relative program and PATH."""
    plain.file("/opt/tool", "#!/bin/sh\necho tool\n", 0o755)
    name = oci.running(plain)
    assert oci.ok("exec", "-e", "PATH=/bin:/opt", name, "tool").out == "tool\n"
    assert oci.ok("exec", "--cwd", "/opt", name, "./tool").out == "tool\n"
    oci.fails("exec", name, "tool", words=["executable file not found in $PATH"], status=127)
    oci.fails("exec", name, "/etc/passwd", words=["permission denied"], status=126)
    oci.fails("exec", name, "/etc", words=["is a directory"], status=126)


def test_exec_with_a_cwd_that_the_user_may_not_enter(runsafe, bundle):
    """As at create, where an image's WORKDIR /root is entered before the user changes."""
    (bundle.rootfs / "root").chmod(0o700)
    name = runsafe.running(bundle)
    assert runsafe.ok("exec", "--cwd", "/root", name, "id", "-u").out == "1000\n"


@pytest.mark.parametrize("number", range(3, 12))
def test_exec_cwd_through_a_descriptor_of_the_runtime_is_refused(oci, plain, number):
    """CVE-2024-21626."""
    name = oci.running(plain)
    done = oci("exec", "--cwd", f"/proc/self/fd/{number}", name, "ls")
    assert done.status == 255
    assert "runsafe" in done.err


def test_exec_process_from_a_file_and_from_standard_input(oci, plain):
    name = oci.running(plain)
    process = {"args": ["sh", "-c", "id -u; pwd; echo $X"], "cwd": "/usr", "env": ["PATH=/bin", "X=y"],
               "user": {"uid": 9, "gid": 9}}
    file = plain.path / "process.json"
    file.write_text(json.dumps(process))
    wanted = ["9", "/usr", "y"]
    assert oci.ok("exec", "--process", file, name).lines == wanted
    assert oci.ok("exec", "-p", "-", name, stdin=json.dumps(process)).lines == wanted


def test_exec_process_that_is_wrong_says_where(oci, plain):
    name = oci.running(plain)
    oci.fails("exec", "-p", "-", name, stdin='{"cwd": "/", "args": "id"}', words=["args"], status=255)
    oci.fails("exec", "-p", "-", name, stdin='{"cwd": "/"}', words=["args"], status=255)
    oci.fails("exec", "-p", "/not/there", name, words=["/not/there"], status=255)
    oci.fails("exec", name, words=["program"], status=255)
    oci.fails("exec", "-p", "/not/there", name, "id", words=["unexpected"], status=255)


def test_exec_process_root_becomes_the_containers_user(runsafe, bundle):
    name = runsafe.running(bundle)
    caps = {s: ["CAP_SYS_ADMIN"] for s in ("bounding", "effective", "permitted", "inheritable")}
    process = {"args": ["cat", "/proc/self/status"], "cwd": "/", "user": {"uid": 0, "gid": 0},
               "capabilities": caps, "noNewPrivileges": False}
    facts = runsafe("exec", "-p", "-", name, stdin=json.dumps(process)).facts()
    assert facts["Uid"].split() == ["1000"] * 4
    assert facts["NoNewPrivs"] == "1"
    assert int(facts["CapBnd"], 16) == 0


def test_exec_options_end_at_the_id(runsafe, bundle):
    name = runsafe.running(bundle)
    assert runsafe.ok("exec", name, "echo", "-t", "--user", "0").out == "-t --user 0\n"
    assert runsafe.ok("exec", name, "--", "echo", "-d").out == "-d\n"


def test_exec_in_a_created_container(runsafe, bundle):
    """runc lets it; its file system and its protections are finished."""
    name = runsafe.create(bundle.args("/bin/sleep", "1000"))
    assert runsafe.ok("exec", name, "id", "-u").out == "1000\n"


def test_exec_in_a_stopped_container(runsafe, bundle):
    """exec in a container whose init is gone."""
    name = runsafe.running(bundle)
    runsafe.ok("kill", name, "KILL")
    runsafe.wait_status(name, "stopped")
    runsafe.fails("exec", name, "id", words=["container not running"], status=255)
    runsafe.fails("exec", "nobody", "id", words=["container does not exist"], status=255)


def test_exec_in_a_container_that_is_just_ending(runsafe, bundle):
    """It has no namespaces any more, and waits for a process whose parent is us."""
    name = runsafe.running(bundle)
    pid_file = bundle.path / "pid"
    runsafe.ok("exec", "-d", "--pid-file", pid_file, name, "sleep", "1000")
    first = runsafe.state(name)["pid"]
    runsafe.ok("kill", name, "KILL")
    assert harness.wait_for(lambda: not os.path.exists(f"/proc/{first}/ns/mnt"))
    runsafe.fails("exec", name, "id", words=["container not running"], status=255)
    end(runsafe, name, int(pid_file.read_text()))


def test_exec_detached_returns_and_leaves_it_running(runsafe, bundle):
    name = runsafe.running(bundle)
    pid_file = bundle.path / "pid"
    runsafe.ok("exec", "-d", "--pid-file", pid_file, name, "sleep", "1000")
    pid = int(pid_file.read_text())
    assert harness.cmdline(pid) == "sleep 1000"
    assert os.stat(f"/proc/{pid}").st_uid == 1000
    end(runsafe, name, pid)


def test_a_detached_process_says_itself_what_only_the_exec_finds(oci, plain):
    """As `start` has it, and as runc and crun do: the engine hears of its end, with 126."""
    plain.file("/opt/garbage", b"\x01\x02\x03", 0o755)
    name = oci.running(plain)
    pid_file = plain.path / "pid"
    done = oci("exec", "-d", "--pid-file", pid_file, name, "/opt/garbage")
    pid = int(pid_file.read_text())
    assert done.status == 0
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 126
    assert done.out_path.with_name(done.out_path.name.replace("out", "err")).read_text() == (
        'runsafe: exec: "/opt/garbage": exec format error\n')
    oci.fails("exec", name, "/opt/garbage", words=["exec format error"], status=126)


def test_exec_that_fails_leaves_no_pid_file(runsafe, bundle):
    name = runsafe.running(bundle)
    pid_file = bundle.path / "pid"
    runsafe.fails("exec", "--pid-file", pid_file, name, "/etc", words=["is a directory"], status=126)
    assert not pid_file.exists()


def test_exec_hands_signals_on(runsafe, bundle):
    name = runsafe.running(bundle)
    exec_ = runsafe.start_process("exec", name, "sh", "-c",
                                  "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 0.1; done")
    assert exec_.stdout.readline() == "up\n"
    exec_.send_signal(signal.SIGTERM)
    out, _ = exec_.communicate(timeout=harness.TIME_LIMIT)
    assert (exec_.returncode, out) == (3, "got\n")


def test_exec_hands_on_no_descriptor_but_the_preserved(oci, plain):
    """exec with an inherited descriptor."""
    name = oci.running(plain)
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        listing = "ls /proc/self/fd | wc -l"
        assert oci("exec", name, "sh", "-c", listing, pass_fds=[write]).out == "4\n"
        number = write - 2
        done = oci("exec", "--preserve-fds", number, name, "sh", "-c", f"echo hi >&{write}",
                   pass_fds=[write])
        assert done.status == 0, done
        assert os.read(read, 10) == b"hi\n"
    finally:
        os.close(read)
        os.close(write)


def test_exec_filter_is_the_containers(oci, plain):
    """The container's own seccomp filter holds for each process that joins it."""
    plain.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}]})
    name = oci.running(plain)
    assert status_of(oci, name)["Seccomp"] == "2"
    assert oci("exec", name, "mkdir", "/tmp/new").status != 0


@pytest.mark.parametrize("privileges", [True, False])
@pytest.mark.parametrize("call", ["clone", "setsid", "exit_group"])
def test_exec_with_a_filter_that_refuses_what_exec_itself_does(oci, plain, call, privileges):
    """It comes into the pid namespace by a clone of its own, before such a filter is loaded."""
    plain.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": [call], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}]})
    plain.set("process.noNewPrivileges", not privileges)
    name = oci.running(plain)
    done = oci("exec", name, "cat", "/proc/self/status")
    assert done.facts()["Seccomp"] == "2", done
    assert os.getsid(0) != int(done.facts()["NSsid"].split()[0])


def test_exec_limits_are_the_containers(oci, plain):
    plain.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]
    plain.config["process"]["oomScoreAdj"] = 555
    name = oci.running(plain.write())
    done = oci.ok("exec", name, "sh", "-c", "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj")
    assert done.lines == ["77", "88", "555"]


def test_exec_is_its_own_session(oci, plain):
    name = oci.running(plain)
    fields = oci.ok("exec", name, "cat", "/proc/self/stat").out.rpartition(")")[2].split()
    pid = oci.ok("exec", name, "sh", "-c", "echo $$; cat /proc/$$/stat").out
    first, _, stat = pid.partition("\n")
    assert stat.rpartition(")")[2].split()[3] == first
    assert fields[3] != "0"


def test_exec_refuses_a_root_that_is_not_the_containers(oci, plain):
    """DESIGN.md section 5: exec checks that it is in the container's own root. Here the container
    has pivoted away from it."""
    plain.cap("CAP_SYS_ADMIN", "CAP_SYS_CHROOT")
    plain.sh("mkdir /other && mount -t tmpfs none /other && mkdir /other/old && cp -a /bin /other && "
             "cd /other && pivot_root . old && echo up && exec sleep 1000")
    name = oci.create(plain)
    oci.start(name)
    assert harness.wait_for(lambda: "up" in oci.output(name)), oci.output(name)
    oci.fails("exec", name, "id", words=["entering the container", "rootfs"], status=255)


def test_exec_sees_nothing_of_the_runtime_while_it_joins(oci, plain):
    """CVE-2016-9962, CVE-2019-5736: the joiner can not be looked into by the container's root."""
    plain.cap(*[c for c in harness.CAPABILITIES if c != "CAP_SYS_PTRACE"])
    name = oci.create(plain.sh(
        "while :; do for p in /proc/[0-9]*; do ls -l $p/fd $p/exe 2>/dev/null | grep -e runsafe "
        "-e state && echo SEEN; done; done; "))
    oci.start(name)
    for _ in range(20):
        oci.ok("exec", name, "true")
    assert "SEEN" not in oci.output(name), oci.output(name)


def test_exec_in_a_paused_container_is_refused_unless_asked(runsafe, bundle):
    """exec into a paused container is refused unless asked."""
    name = runsafe.running(bundle)
    runsafe.ok("pause", name)
    runsafe.fails("exec", name, "id", words=[f"container {name} is paused"], status=255)
    late = runsafe.start_process("exec", "--ignore-paused", name, "echo", "thawed")
    time.sleep(0.3)
    assert late.poll() is None
    runsafe.ok("resume", name)
    assert late.communicate(timeout=harness.TIME_LIMIT)[0] == "thawed\n"


@pytest.mark.parametrize("path", ["..", "/../..", "a/../../..", "../x", "nothere", "cpu:x"])
def test_exec_cgroup_stays_below_the_containers(runsafe, bundle, path):
    name = runsafe.running(bundle)
    runsafe.fails("exec", "--cgroup", path, name, "true", words=["--cgroup"], status=255)
