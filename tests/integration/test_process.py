"""config.md, "Process"."""

import os
import pathlib
import resource
import signal
import subprocess

import pytest

import harness

NOT_THERE = "no such file or directory"
STATUS = "cat /proc/self/status"


def masks(result):
    """CapInh, CapPrm, CapEff, CapBnd and CapAmb as sets of names."""
    names = harness.CAPABILITIES
    return {key: {n for i, n in enumerate(names) if int(value, 16) >> i & 1}
            for key, value in result.facts().items() if key.startswith("Cap")}


# --- user

def test_the_user_and_its_groups(oci, plain):
    """config.md, User: uid, gid, additionalGids; all of real, effective, saved and file system id."""
    plain.set("process.user", {"uid": 1234, "gid": 5678, "additionalGids": [10, 100, 65534]})
    facts = oci.sh(plain, STATUS).facts()
    assert facts["Uid"].split() == ["1234"] * 4
    assert facts["Gid"].split() == ["5678"] * 4
    assert set(facts["Groups"].split()) == {"10", "100", "65534"}


def test_no_additional_groups_are_the_runtimes(oci, plain):
    """config.md, User: what is not in additionalGids is not there, whoever calls the runtime."""
    done = subprocess.run(oci.command("run", "-b", plain.sh(STATUS).path, oci.id()),
                          capture_output=True, text=True, check=True, timeout=harness.TIME_LIMIT,
                          extra_groups=[7, 8])
    assert harness.Result([], 0, done.stdout, "").facts()["Groups"] == ""


def test_a_process_without_a_user_is_root(oci, plain):
    """config.md, User: uid and gid are 0 by default."""
    assert oci.sh(plain.drop("process.user"), "id -u; id -g").lines == ["0", "0"]


def test_the_largest_ids(oci, plain):
    """chown(2): 4294967295 is no id, the one before is."""
    plain.set("process.user", {"uid": 4294967294, "gid": 4294967294})
    assert oci.sh(plain, "id -u; id -g").lines == ["4294967294"] * 2


@pytest.mark.parametrize("mask,shown", [(0, "0000"), (0o27, "0027"), (0o777, "0777"), (None, "0022")])
def test_the_umask(oci, plain, mask, shown):
    """config.md, User: umask; 0022 where config says nothing."""
    if mask is not None:
        plain.set("process.user.umask", mask)
    assert oci.sh(plain, "umask").out == shown + "\n"


# --- env, cwd, args

def test_env_is_what_config_says_and_nothing_else(oci, plain):
    """config.md, Process: env with the semantics of environ(7)."""
    plain.config["process"]["env"] = ["PATH=/bin", "A=1", "EMPTY=", "B==x = y", "C=ü\nnew line"]
    plain.args("/bin/env")
    out = oci("run", "-b", plain.path, oci.id(), env={"OF_THE_RUNTIME": "1"}).out
    assert out.replace("HOME=/root\n", "") == "PATH=/bin\nA=1\nEMPTY=\nB==x = y\nC=ü\nnew line\n"


def test_a_process_without_env_has_none(oci, plain):
    """HOME alone is set, from the rootfs's passwd, as runc and crun do."""
    out = oci.run_ok(plain.drop("process.env").args("/bin/env")).lines
    assert out in ([], ["HOME=/root"])


@pytest.mark.parametrize("user,home", [(0, "/root"), (1, "/usr/sbin"), (4321, "/")])
def test_home_is_set_where_env_has_none(oci, plain, user, home):
    """As runc does: from the rootfs's passwd, / for who is not in it."""
    plain.set("process.user.uid", user)
    assert oci.sh(plain, "echo $HOME").out == home + "\n"


def test_home_is_that_of_a_passwd_mounted_over_the_rootfs_one(oci, runsafe, plain):
    """As runc reads it in the container: `docker run -v ./passwd:/etc/passwd`. An empty HOME is none."""
    (plain.path / "passwd").write_text("root:x:0:0::/of/root:/bin/sh\nweb:x:1000:1000::/of/web:/bin/sh\n")
    plain.mount(destination="/etc/passwd", source="passwd", options=["bind"])
    plain.config["process"]["env"].append("HOME=")
    assert oci.sh(plain, "echo $HOME").out == "/of/root\n"
    assert runsafe.sh(plain, "echo $HOME").out == "/of/web\n"
    name = runsafe.running(plain)
    (plain.path / "passwd").write_text("changed later\n")
    assert runsafe.ok("exec", name, "sh", "-c", "echo $HOME").out != ""


def test_home_of_env_stays(oci, plain):
    plain.config["process"]["env"].append("HOME=/opt")
    assert oci.sh(plain, "echo $HOME").out == "/opt\n"


def test_cwd(oci, plain):
    """config.md, Process: cwd is the working directory."""
    assert oci.sh(plain.set("process.cwd", "/usr/bin"), "pwd; readlink /proc/self/cwd").lines == [
        "/usr/bin"] * 2


def test_cwd_through_a_symlink_of_the_image(oci, plain):
    (plain.rootfs / "link").symlink_to("/usr")
    assert oci.sh(plain.set("process.cwd", "/link/bin"), "readlink /proc/self/cwd").out == "/usr/bin\n"


def test_cwd_may_be_in_a_mount(oci, plain):
    plain.mount(destination="/work", type="tmpfs", source="tmpfs", options=["mode=755"])
    assert oci.sh(plain.set("process.cwd", "/work"), "pwd").out == "/work\n"


def test_cwd_of_roots_is_entered_for_another_user(oci, plain):
    """WORKDIR /root with USER 1000: the runtime enters as root, as runc does."""
    plain.set("process.user", {"uid": 1000, "gid": 1000}).set("process.cwd", "/root")
    plain.cap()
    assert oci.run(plain.args("/bin/pwd", "-P")).status == 0


def test_cwd_that_is_a_file_is_an_error(oci, plain):
    oci.create_fails(plain.set("process.cwd", "/etc/passwd"), "process.cwd", "/etc/passwd",
                     "not a directory")


def test_args_reach_the_program_as_they_are(oci, plain):
    """config.md, Process: args with the semantics of execvp(3); nothing is split or expanded."""
    words = ["", "two words", "$HOME", "*", "-x", "ü", "a\nb", "'", '"', "\\"]
    plain.args("/bin/sh", "-c", 'echo $#; printf "[%s]" "$@"', "name", *words)
    assert oci.run_ok(plain).out == "10\n" + "".join(f"[{w}]" for w in words)


def test_many_and_long_arguments(oci, plain):
    """execve(2): 128 KiB for one, 2 MiB for all."""
    plain.args("/bin/sh", "-c", "echo $# ${#1}", "name", "x" * 131000, *["y" * 100] * 5000)
    assert oci.run_ok(plain).out == "5001 131000\n"


def test_an_argument_that_is_too_long_is_126(oci, plain):
    message = oci.fails("run", "-b", plain.args("/bin/true", "x" * 200000).path, oci.id(),
                        status=126)
    assert "argument list too long" in message


# --- the executable

def test_the_executable_is_looked_for_in_the_path_of_env(oci, plain):
    """config.md, Process: args[0] like execvp(3), with PATH of the process's env."""
    plain.file("/opt/hello", "#!/bin/sh\necho from opt\n", 0o755)
    plain.config["process"]["env"] = ["PATH=/nowhere:/opt:/bin"]
    assert oci.run_ok(plain.args("hello")).out == "from opt\n"


def test_without_a_path_in_env_there_is_a_default_one(oci, plain):
    plain.config["process"]["env"] = []
    assert oci.run_ok(plain.args("echo", "found")).out == "found\n"


def test_a_slash_means_no_lookup(oci, plain):
    """execvp(3); relative to cwd."""
    plain.file("/opt/hello", "#!/bin/sh\necho from opt\n", 0o755)
    assert oci.run_ok(plain.set("process.cwd", "/opt").args("./hello")).out == "from opt\n"


def test_the_lookup_goes_on_behind_what_can_not_be_executed(oci, plain):
    """execvp(3): EACCES is remembered, the search goes on."""
    plain.file("/opt/hello", "no program\n", 0o644)
    (plain.rootfs / "srv/hello").mkdir()
    plain.file("/usr/sbin/hello", "#!/bin/sh\necho the right one\n", 0o755)
    plain.config["process"]["env"] = ["PATH=/opt:/srv:/usr/sbin:/bin"]
    assert oci.run_ok(plain.args("hello")).out == "the right one\n"


def test_argv0_is_what_config_says(oci, plain):
    """execvp(3): the program is found by the path, args[0] stays."""
    assert oci.run_ok(plain.args("cat", "/proc/self/cmdline")).out == "cat\0/proc/self/cmdline\0"


@pytest.mark.parametrize("program,status,words", [
    ("nothing-here", 127, ["nothing-here", "executable file not found in $PATH"]),
    ("/bin/nothing", 127, ["/bin/nothing", NOT_THERE]),
    ("/etc/passwd/x", 127, ["/etc/passwd/x", "not a directory"]),
    ("/etc", 126, ["/etc", "is a directory"]),
    ("/etc/passwd", 126, ["/etc/passwd", "permission denied"]),
    ("/opt/garbage", 126, ["/opt/garbage", "exec format error"]),
    ("/opt/script", 127, ["/opt/script", NOT_THERE]),
    ("/opt/loop", 126, ["/opt/loop", "symbolic links"]),
])
def test_the_status_and_the_words_for_what_can_not_be_executed(oci, plain, program, status, words):
    """DESIGN.md section 4: 126 and 127 as a shell has them; the words are what engines match."""
    plain.file("/opt/garbage", b"\x01\x02\x03", 0o755)
    plain.file("/opt/script", "#!/no/such/interpreter\n", 0o755)
    (plain.rootfs / "opt/loop").symlink_to("loop")
    oci.fails("run", "-b", plain.args(program).path, oci.id(), status=status, words=words)


def test_the_cause_is_told_of_a_program_with_a_long_name_too(oci, plain):
    """Engines look for it; the name is what is cut off."""
    program = "/" + "/".join("x" * 200 for _ in range(12))
    plain.file(program, b"\x01\x02\x03", 0o755)
    said = oci.fails("run", "-b", plain.args(program).path, oci.id(), status=126)
    assert said.strip().endswith("exec format error"), said


def test_create_says_what_start_would_find(oci, plain):
    """Engines want it from create, where it still is the caller's mistake."""
    oci.create_fails(plain.args("nothing-here"), "executable file not found in $PATH")


@pytest.mark.parametrize("program,status,words", [
    ("/opt/garbage", 126, 'exec: "/opt/garbage": exec format error'),
    ("/opt/script\x1b[2J", 127, 'exec: "/opt/script?[2J": no such file or directory'),
])
def test_what_only_the_exec_can_find_the_started_process_says_itself(oci, plain, tmp_path, program,
                                                                     status, words):
    """As under runc and crun: start succeeds. Docker can not remove a container whose start fails
    while its process ends."""
    plain.file(program, b"\x01\x02\x03" if status == 126 else "#!/no/such/interpreter\n", 0o755)
    hook = tmp_path / "hooked"
    plain.set("hooks", {"poststart": [{"path": "/bin/touch", "args": ["touch", str(hook)]}]})
    name = oci.create(plain.args(program))
    pid = oci.state(name)["pid"]
    oci.ok("start", name)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
    err = oci.outputs[name].with_name(oci.outputs[name].name.replace("out", "err"))
    assert err.read_text() == f"runsafe: {words}\n"
    assert oci.status(name) == "stopped"
    assert not hook.exists(), "poststart: after the program has been executed"


def test_start_does_not_wait_for_who_reads_what_the_process_says_itself(oci, plain):
    """Nor does it take the process's SIGPIPE for somebody who killed the workload."""
    plain.file("/opt/garbage", b"\x01\x02\x03", 0o755)
    for full in (False, True):
        reads, writes = os.pipe()
        if full:
            os.set_blocking(writes, False)
            with pytest.raises(BlockingIOError):
                while True:
                    os.write(writes, bytes(4096))
            os.set_blocking(writes, True)
        else:
            os.close(reads)
        name = oci.id()
        subprocess.run([*oci.command("create", "-b", str(plain.args("/opt/garbage").path), name)],
                       stderr=writes, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        os.close(writes)
        oci.ok("start", name, timeout=20)
        oci.ok("delete", "--force", name)
        if full:
            os.close(reads)


def test_a_program_that_only_another_user_may_execute(oci, plain):
    """The lookup is made as the workload's user."""
    plain.file("/opt/private", "#!/bin/sh\n", 0o700)
    plain.set("process.user", {"uid": 1000, "gid": 1000}).cap()
    oci.fails("run", "-b", plain.args("/opt/private").path, oci.id(), status=126,
              words=["/opt/private", "permission denied"])


# --- how it ends

@pytest.mark.parametrize("status", [0, 1, 42, 125, 126, 127, 255])
def test_the_status_of_run_is_the_workloads(oci, plain, status):
    """DESIGN.md section 4: whatever it is, and without a word of runsafe's."""
    result = oci.run(plain.sh(f"exit {status}"))
    assert (result.status, result.err) == (status, "")


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV", "ABRT", "USR1", "RTMIN"])
def test_the_status_for_a_signal_is_128_and_its_number(oci, plain, name):
    plain.namespace("pid", drop=True)  # process 1 of a pid namespace ignores its own signals
    number = getattr(signal, "SIG" + name).value
    assert oci.run(plain.sh(f"kill -{number} $$; sleep 5")).status == 128 + number


def test_no_signal_is_blocked_or_ignored_at_the_start(oci, plain):
    """execve(2) keeps both: what the caller of the runtime blocks or ignores is not ours to keep."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        facts = oci.run_ok(plain.args("/bin/cat", "/proc/self/status"), restore_signals=False).facts()
    finally:
        signal.signal(signal.SIGUSR1, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    assert (facts["SigBlk"], facts["SigIgn"]) == ("0" * 16, "0" * 16)


def test_a_pid_file_holds_the_pid_of_the_host(oci, plain, folder):
    """--pid-file: whole or not there, without a new line, as engines read it."""
    name = oci.running(plain, "--pid-file", folder / "pid")
    text = (folder / "pid").read_text()
    assert text == str(oci.state(name)["pid"])
    assert os.readlink(f"/proc/{text}/ns/pid") != os.readlink("/proc/self/ns/pid")


def test_the_pid_file_may_have_no_folder(oci, plain, folder):
    oci.create_fails(plain, str(folder / "none/pid"), NOT_THERE,
                     options=["--pid-file", folder / "none/pid"])


# --- rlimits, OOM score

LIMITS = {"RLIMIT_CPU": "Max cpu time", "RLIMIT_FSIZE": "Max file size",
          "RLIMIT_DATA": "Max data size", "RLIMIT_STACK": "Max stack size",
          "RLIMIT_CORE": "Max core file size", "RLIMIT_RSS": "Max resident set",
          "RLIMIT_NPROC": "Max processes", "RLIMIT_NOFILE": "Max open files",
          "RLIMIT_MEMLOCK": "Max locked memory", "RLIMIT_AS": "Max address space",
          "RLIMIT_LOCKS": "Max file locks", "RLIMIT_SIGPENDING": "Max pending signals",
          "RLIMIT_MSGQUEUE": "Max msgqueue size", "RLIMIT_NICE": "Max nice priority",
          "RLIMIT_RTPRIO": "Max realtime priority", "RLIMIT_RTTIME": "Max realtime timeout"}
SOFT = {"RLIMIT_STACK": 8 << 20, "RLIMIT_AS": 1 << 30, "RLIMIT_DATA": 1 << 29,
        "RLIMIT_FSIZE": 1 << 20, "RLIMIT_NPROC": 3000, "RLIMIT_NICE": 20, "RLIMIT_RTPRIO": 10}


# getrlimit(2), as Linux numbers them; Python's module does not know all.
NUMBERS = {f"RLIMIT_{name}": number for number, name in enumerate(
    "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO "
    "RTTIME".split())}


def may_raise():
    """Whether we have CAP_SYS_RESOURCE (24)."""
    line = [x for x in pathlib.Path("/proc/self/status").read_text().splitlines() if "CapEff" in x][0]
    return bool(int(line.split()[1], 16) >> 24 & 1)


@pytest.mark.parametrize("name", LIMITS)
def test_every_rlimit(oci, plain, name):
    """config.md, POSIX process, rlimits: type, soft and hard."""
    soft = SOFT.get(name, 500)
    hard = resource.prlimit(0, NUMBERS[name])[1]
    # Without CAP_SYS_RESOURCE a hard limit is not raised.
    if hard != resource.RLIM_INFINITY and soft >= hard and not may_raise():
        soft = hard - 1 if hard else 0
    else:
        hard = soft + 1
    plain.set("process.rlimits", [{"type": name, "soft": soft, "hard": hard}])
    lines = [line for line in oci.run_ok(plain.args("/bin/cat", "/proc/self/limits")).lines
             if line.startswith(LIMITS[name])]
    assert lines[0][len(LIMITS[name]):].split()[:2] == [str(soft), str(hard)]


def test_an_unlimited_rlimit(oci, plain):
    """getrlimit(2): RLIM_INFINITY is 18446744073709551615, as engines write it."""
    top = (1 << 64) - 1
    plain.set("process.rlimits", [{"type": "RLIMIT_CORE", "soft": top, "hard": top}])
    line = [x for x in oci.sh(plain, "cat /proc/self/limits").lines if "core" in x][0]
    assert line.split()[4:6] == ["unlimited", "unlimited"]


@pytest.mark.parametrize("score", [0, 500, 1000])
def test_the_oom_score(oci, plain, score):
    """config.md, Linux process, oomScoreAdj: adjusts the oom-killer score in /proc/PID."""
    plain.set("process.oomScoreAdj", score)
    assert oci.sh(plain, "cat /proc/self/oom_score_adj").out == f"{score}\n"


def test_no_oom_score_is_the_runtimes(oci, plain):
    """config.md, oomScoreAdj: if not set, the runtime MUST NOT change it."""
    done = subprocess.run(
        ["sh", "-c", 'echo 321 >/proc/self/oom_score_adj; exec "$@"', "sh",
         *oci.command("run", "-b", plain.sh("cat /proc/self/oom_score_adj").path, oci.id())],
        capture_output=True, text=True, check=True, timeout=harness.TIME_LIMIT)
    assert done.stdout == "321\n"


# --- capabilities, no_new_privs

def test_the_five_sets_are_what_config_says(oci, plain):
    """config.md, Linux process, capabilities: each set by itself."""
    plain.set("process.capabilities", {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SETUID"],
        "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
        "effective": ["CAP_CHOWN"],
        "inheritable": ["CAP_KILL", "CAP_NET_RAW"],
        "ambient": ["CAP_KILL"]})
    plain.set("process.user", {"uid": 1000, "gid": 1000})
    seen = masks(oci.run_ok(plain.args("/bin/cat", "/proc/self/status")))
    assert seen["CapBnd"] == {"CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SETUID"}
    assert seen["CapInh"] == {"CAP_KILL", "CAP_NET_RAW"}
    # capabilities(7): over the exec of a non-root user only the ambient ones survive.
    assert seen["CapAmb"] == seen["CapPrm"] == seen["CapEff"] == {"CAP_KILL"}


def test_root_gets_its_capabilities_by_the_bounding_set(oci, plain):
    """capabilities(7), "Capabilities and execution of programs by root"."""
    plain.cap("CAP_CHOWN", "CAP_NET_BIND_SERVICE")
    plain.config["process"]["capabilities"]["ambient"] = []
    plain.config["process"]["capabilities"]["inheritable"] = []
    seen = masks(oci.sh(plain, STATUS))
    expected = {"CAP_CHOWN", "CAP_NET_BIND_SERVICE"}
    assert seen["CapBnd"] == seen["CapPrm"] == seen["CapEff"] == expected
    assert seen["CapInh"] == seen["CapAmb"] == set()


def test_ambient_capabilities_work_for_a_user(oci, plain):
    """config.md: ambient; a user that is not root uses it for real."""
    plain.set("process.user", {"uid": 1000, "gid": 1000}).cap("CAP_CHOWN")
    plain.file("/tmp/file", "")
    assert oci.sh(plain, "chown 5:6 /tmp/file; stat -c %u:%g /tmp/file").out == "5:6\n"


@pytest.mark.parametrize("capabilities", [None, {}])
def test_no_capabilities_are_none(oci, plain, capabilities):
    """config.md, capabilities: a set that is not there is empty."""
    plain.drop("process.capabilities")
    if capabilities is not None:
        plain.set("process.capabilities", capabilities)
    plain.set("process.user", {"uid": 1000, "gid": 1000})
    seen = masks(oci.run_ok(plain.args("/bin/cat", "/proc/self/status")))
    assert seen["CapPrm"] == seen["CapEff"] == seen["CapAmb"] == seen["CapInh"] == set()


def test_empty_sets_leave_root_nothing(oci, plain):
    seen = masks(oci.sh(plain.cap(), STATUS))
    assert all(not names for names in seen.values())


def test_an_unknown_capability_is_passed_over(oci, plain):
    """config.md: a value that can not be mapped to the kernel's MUST be a warning, not an error."""
    plain.cap("CAP_CHOWN", "CAP_FLY")
    assert masks(oci.sh(plain, STATUS))["CapEff"] == {"CAP_CHOWN"}


@pytest.mark.parametrize("wanted", [True, False])
def test_no_new_privileges(oci, plain, wanted):
    """config.md, Linux process, noNewPrivileges: prevents gaining privileges."""
    assert oci.sh(plain.set("process.noNewPrivileges", wanted), STATUS).facts()["NoNewPrivs"] == str(
        int(wanted))


# --- stdio

def test_stdin_stdout_and_stderr_are_the_callers(oci, plain):
    result = oci("run", "-b", plain.sh("read line; echo out $line; echo err >&2").path, oci.id(),
                 stdin="hello\n")
    assert (result.out, result.err) == ("out hello\n", "err\n")


def test_dev_stdout_can_be_opened_again_by_another_user(oci, plain):
    """DESIGN.md section 5: pipes handed to the workload are made its own."""
    plain.set("process.user", {"uid": 1000, "gid": 1000}).cap()
    process = oci.start_process("run", "-b", plain.sh("echo again >/dev/stdout").path, oci.id())
    out, err = process.communicate(timeout=harness.TIME_LIMIT)
    assert (out, err, process.returncode) == ("again\n", "", 0)
