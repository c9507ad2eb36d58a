"""config-linux.md: sysctl, masked and read-only paths, personality, seccomp."""

import pathlib
import platform

import pytest

import harness

STATUS = "cat /proc/self/status"


# --- sysctl

def test_sysctls_are_set_in_the_containers_namespaces(oci, plain):
    """config-linux.md, Sysctl: modified at runtime for the container."""
    before = pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text()
    plain.set("linux.sysctl", {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4242"})
    assert oci.sh(plain, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax").lines == [
        "1", "4242"]
    assert pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text() == before


@pytest.mark.parametrize("key", ["net/ipv4/conf/lo/forwarding", "net.ipv4.conf.lo.forwarding"])
def test_both_spellings_of_a_sysctl(oci, plain, key):
    """sysctl(8): dots, or slashes where a name has dots in it."""
    plain.set("linux.sysctl", {key: "1"})
    assert oci.sh(plain, "cat /proc/sys/net/ipv4/conf/lo/forwarding").out == "1\n"


def test_a_sysctl_is_set_also_where_proc_sys_is_read_only(oci, plain):
    plain.set("linux.sysctl", {"kernel.msgmax": "4242"}).set("linux.readonlyPaths", ["/proc/sys"])
    assert oci.sh(plain, "cat /proc/sys/kernel/msgmax").out == "4242\n"


def test_a_sysctl_that_is_not_there_is_named(oci, plain):
    oci.create_fails(plain.set("linux.sysctl", {"net.ipv4.no_such": "1"}), "net.ipv4.no_such")


def test_a_value_that_the_kernel_refuses_is_named(oci, plain):
    oci.create_fails(plain.set("linux.sysctl", {"net.ipv4.ip_forward": "maybe"}),
                     "net.ipv4.ip_forward", "maybe")


@pytest.mark.parametrize("key", ["kernel.pid_max", "vm.swappiness", "fs.file-max",
                                 "kernel.core_pattern"])
def test_a_sysctl_of_the_whole_machine_is_refused(oci, plain, key):
    """As runc and crun do: it belongs to no namespace."""
    oci.create_fails(plain.set("linux.sysctl", {key: "1"}), key, "belongs to no namespace")


@pytest.mark.parametrize("key,space", [("net.ipv4.ip_forward", "network"), ("kernel.msgmax", "ipc"),
                                       ("fs.mqueue.msg_max", "ipc")])
def test_a_sysctl_needs_a_namespace_of_its_own(oci, plain, key, space):
    plain.namespace(space, drop=True).set("linux.sysctl", {key: "1"})
    oci.create_fails(plain, key, f"no {space} namespace of its own")


@pytest.mark.parametrize("key", ["../../etc/passwd", "net/../../x", "/net/ipv4/ip_forward", "", "net..x"])
def test_what_is_no_sysctl(oci, plain, key):
    oci.create_fails(plain.set("linux.sysctl", {key: "1"}), "linux.sysctl")


# --- masked and read-only paths

def test_masked_paths_can_not_be_read(oci, plain):
    """config-linux.md, Masked Paths: MUST NOT be readable from inside the container."""
    plain.file("/opt/secret", "secret\n")
    plain.file("/srv/folder/secret", "secret\n")
    plain.set("linux.maskedPaths", ["/opt/secret", "/srv/folder", "/proc/version"])
    result = oci.sh(plain, "cat /opt/secret /proc/version; ls -A /srv/folder; "
                           "echo x 2>/dev/null >/opt/secret || echo refused; "
                           "touch /srv/folder/x 2>/dev/null || echo refused")
    assert result.lines == ["refused", "refused"]
    assert (plain.rootfs / "opt/secret").read_text() == "secret\n"


def test_a_masked_or_read_only_path_may_be_missing(oci, plain):
    """As runc and crun do: kernels differ in what they have below /proc."""
    places = ["/proc/no-such", "/no/such/place", "/etc/passwd/x"]
    oci.sh(plain.set("linux.maskedPaths", places).set("linux.readonlyPaths", places), "true")


def test_a_masked_path_through_a_link_stays_inside(oci, plain):
    """A link of the image leads to what it leads to in the container."""
    plain.file("/etc/hidden", "secret\n")
    (plain.rootfs / "link").symlink_to("/etc/hidden")
    plain.set("linux.maskedPaths", ["/link"])
    host = harness.mounts()
    assert oci.sh(plain, "cat /etc/hidden /link").out == ""
    assert harness.mounts() == host


def test_read_only_paths_can_not_be_written(oci, plain):
    """config-linux.md, Readonly Paths: set as readonly inside the container."""
    plain.file("/opt/file", "text\n").parent.joinpath("deep").mkdir()
    plain.set("linux.readonlyPaths", ["/opt", "/proc/sys"])
    result = oci.sh(plain, "cat /opt/file; touch /opt/deep/x 2>/dev/null || echo refused; "
                           "echo 1 2>/dev/null >/proc/sys/net/ipv4/ip_forward || echo refused; "
                           "touch /srv/x && echo written")
    assert result.lines == ["text", "refused", "refused", "written"]


def test_a_mount_below_a_read_only_path_is_read_only_too(oci, plain):
    plain.mount(destination="/opt/below", type="tmpfs", source="tmpfs")
    plain.set("linux.readonlyPaths", ["/opt"])
    assert oci.sh(plain, "touch /opt/below/x 2>/dev/null || echo refused").out == "refused\n"


@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
def test_a_relative_path_is_an_error(oci, plain, key):
    """config-linux.md: values MUST be absolute paths in the container namespace."""
    oci.create_fails(plain.set(f"linux.{key}", ["proc/kcore"]), f"linux.{key}[0]", "absolute")


# --- personality

@pytest.mark.skipif(platform.machine() != "x86_64", reason="NEEDS X86-64: what uname says differs")
@pytest.mark.parametrize("domain,machine", [("LINUX", "x86_64"), ("LINUX32", "i686")])
def test_the_personality(oci, plain, domain, machine):
    """config-linux.md, Personality: domain LINUX or LINUX32."""
    plain.set("linux.personality", {"domain": domain})
    assert oci.sh(plain, "uname -m").out == machine + "\n"


@pytest.mark.parametrize("value,word", [({"domain": "LINUX64"}, "LINUX64"), ({}, "domain"),
                                        ({"domain": "LINUX", "flags": ["X"]}, "flags")])
def test_a_personality_that_is_none(oci, plain, value, word):
    oci.create_fails(plain.set("linux.personality", value), "linux.personality", word)


# --- seccomp

MKDIR = ["mkdir", "mkdirat"]
# What a shell and its programs call, for lists that allow.
ENOUGH = """read write open openat close stat fstat newfstatat lstat statx poll lseek mmap mprotect
munmap brk rt_sigaction rt_sigprocmask rt_sigreturn ioctl access faccessat faccessat2 pipe pipe2 dup dup2
dup3 getpid sendfile clone clone3 fork vfork execve exit exit_group wait4 kill uname fcntl getcwd
chdir getuid getgid geteuid getegid setpgid getppid getpgrp getpgid setsid arch_prctl set_tid_address
set_robust_list rseq prlimit64 getrandom readlink readlinkat futex prctl umask getdents64 sysinfo
sigaltstack mremap madvise gettid tgkill time clock_gettime nanosleep clock_nanosleep""".split()


def seccomp(bundle, *rules, default="SCMP_ACT_ALLOW", **more):
    return bundle.set("linux.seccomp", {"defaultAction": default, "syscalls": list(rules), **more})


def rule(action, names=None, **more):
    return {"names": names or MKDIR, "action": "SCMP_ACT_" + action, **more}


@pytest.mark.parametrize("action,status,word", [
    ("ALLOW", 0, ""), ("ERRNO", 1, "not permitted"), ("KILL", 159, ""), ("KILL_PROCESS", 159, ""),
    ("KILL_THREAD", 159, ""), ("TRAP", 159, ""), ("LOG", 0, ""), ("TRACE", 1, "not implemented")])
def test_every_seccomp_action(oci, plain, action, status, word):
    """config-linux.md, Seccomp: the actions of libseccomp; 159 is 128 and SIGSYS."""
    seccomp(plain, rule(action))
    result = oci.sh(plain, "mkdir /opt/x 2>&1; echo $?; " + STATUS)
    assert str(status) in result.lines[:2 if status else 1]
    assert word in result.lines[0].lower()
    assert result.facts()["Seccomp"] == "2"
    assert (plain.rootfs / "opt/x").exists() == (status == 0)


@pytest.mark.parametrize("new_privileges", [True, False])
def test_seccomp_for_a_user_with_and_without_no_new_privileges(oci, plain, new_privileges):
    """seccomp(2): without no_new_privs the filter needs CAP_SYS_ADMIN, so it comes earlier."""
    plain.set("process.user", {"uid": 1000, "gid": 1000}).cap()
    plain.set("process.noNewPrivileges", not new_privileges)
    seccomp(plain, rule("ERRNO"))
    result = oci.sh(plain, STATUS + "; mkdir /tmp/x 2>/dev/null || echo refused")
    assert (result.facts()["Seccomp"], result.facts()["NoNewPrivs"]) == ("2", str(int(not new_privileges)))
    assert result.lines[-1] == "refused"


def test_no_seccomp_is_none(oci, plain):
    assert oci.sh(plain, STATUS).facts()["Seccomp"] == "0"


def test_errno_ret(oci, plain):
    """config-linux.md, Seccomp, errnoRet: the errno to return; EPERM without one."""
    seccomp(plain, rule("ERRNO", errnoRet=28))
    assert "no space left" in oci.sh(plain, "mkdir /opt/x 2>&1 || true").out.lower()


def test_errno_ret_0_looks_like_success(oci, plain):
    """seccomp(2): the call is not made and says 0, as engines fake chown."""
    seccomp(plain, rule("ERRNO", errnoRet=0))
    assert oci.sh(plain, "mkdir /opt/x && ls /opt").out == ""


@pytest.mark.parametrize("ret,word", [(None, "not permitted"), (38, "not implemented"),
                                      (13, "permission denied")])
def test_the_default_action_and_its_errno(oci, plain, ret, word):
    """config-linux.md, Seccomp, defaultErrnoRet: for the default action, EPERM without one."""
    more = {} if ret is None else {"defaultErrnoRet": ret}
    seccomp(plain, rule("ALLOW", names=ENOUGH), default="SCMP_ACT_ERRNO", **more)
    plain.set("process.noNewPrivileges", True)
    assert word in oci.sh(plain, "mkdir /opt/x 2>&1 || true").out.lower()


@pytest.mark.parametrize("operator,value,two,refused", [
    ("EQ", 18, None, [18]), ("NE", 18, None, [17, 23, 28]), ("LT", 18, None, [17]),
    ("LE", 18, None, [17, 18]), ("GE", 23, None, [23, 28]), ("GT", 23, None, [28]),
    ("MASKED_EQ", 1, 1, [17, 23]), ("MASKED_EQ", 3, 2, [18])])
def test_every_operator_on_an_argument(oci, plain, operator, value, two, refused):
    """config-linux.md, Seccomp, args: index, value, valueTwo, op; here kill(2)'s signal."""
    argument = {"index": 1, "value": value, "op": "SCMP_CMP_" + operator}
    if two is not None:
        argument["valueTwo"] = two
    seccomp(plain, rule("ERRNO", names=["kill"], args=[argument]))
    result = oci.sh(plain, "trap '' 17 18 23 28; for n in 17 18 23 28; do kill -$n $$ 2>/dev/null || "
                           "echo $n; done")
    assert [int(line) for line in result.lines] == refused


def test_arguments_of_one_rule_must_all_match(oci, plain):
    """config-linux.md: args of one rule are joined by and; rules by or."""
    both = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 18, "op": "SCMP_CMP_EQ"}]
    seccomp(plain, rule("ERRNO", names=["kill"], args=both),
            rule("ERRNO", names=["kill"], args=[{"index": 1, "value": 23, "op": "SCMP_CMP_EQ"}]))
    result = oci.sh(plain, "sleep 100 & trap '' 18 23; for p in $$ $!; do for n in 18 23; do "
                           "kill -$n $p 2>/dev/null || echo $p $n; done; done; kill -9 $!")
    assert [line.split()[1] for line in result.lines] == ["18", "23", "23"]


@pytest.mark.parametrize("architectures", [
    None, [], ["SCMP_ARCH_X86_64"], ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]])
def test_the_architectures(oci, plain, architectures):
    """config-linux.md, Seccomp, architectures: the machine's own is always among them."""
    seccomp(plain, rule("ERRNO"), **{} if architectures is None else {"architectures": architectures})
    assert oci.sh(plain, "mkdir /opt/x 2>/dev/null || echo refused").out == "refused\n"


@pytest.mark.parametrize("flags", [
    [], ["SECCOMP_FILTER_FLAG_LOG"], ["SECCOMP_FILTER_FLAG_TSYNC"],
    ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
    ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]])
def test_the_flags(oci, plain, flags):
    """config-linux.md, Seccomp, flags: as seccomp(2) has them."""
    seccomp(plain, rule("ERRNO"), flags=flags)
    assert oci.sh(plain, "mkdir /opt/x 2>/dev/null || echo refused").out == "refused\n"


def test_an_unknown_flag_is_an_error(oci, plain):
    oci.create_fails(seccomp(plain, flags=["SECCOMP_FILTER_FLAG_FAST"]), "linux.seccomp.flags[0]",
                     "SECCOMP_FILTER_FLAG_FAST")


def test_an_unknown_syscall_is_passed_over(oci, plain):
    """The issue: a name that this kernel or libseccomp does not know is a finding, no failure."""
    seccomp(plain, rule("ERRNO", names=["syscall_of_2050", *MKDIR]))
    assert oci.sh(plain, "mkdir /opt/x 2>/dev/null || echo refused").out == "refused\n"


def test_a_filter_that_refuses_what_the_start_needs_says_so(oci, plain):
    """No hang, and no bare "killed by signal 31"."""
    oci.fails("run", "-b", seccomp(plain, rule("KILL_PROCESS", names=["write"])).args("/bin/true").path,
              oci.id(), words=["signal 31", "linux.seccomp"])


def test_an_engines_filter_comes_beside_the_built_in_one(runsafe, bundle):
    """Policy table, seccomp: the built-in profile always; the engine's own as well."""
    seccomp(bundle, rule("ERRNO", errnoRet=28))
    result = runsafe.sh(bundle, STATUS + "; mkdir /tmp/x 2>&1 || true")
    assert result.facts()["Seccomp_filters"] == "3"  # and the answer to setgroups
    assert "no space left" in result.lines[-1].lower()
