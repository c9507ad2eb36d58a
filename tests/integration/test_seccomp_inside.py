"""docs/seccomp.md, "What is refused, and why": each group, asked for by a workload. The calls carry
arguments that the kernel refuses too, with another error, so that the answer is the filter's."""

import os

import pytest

import workload
from workload import as_engine, call

BAD = -1  # no pointer, no descriptor
AT_FDCWD = -100
O_WRONLY, O_RDWR, O_CREAT, O_TMPFILE = 0o1, 0o2, 0o100, 0o20200000
SETUID = 0o4755

x86_only = pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 numbers")


@pytest.fixture
def engine(bundle):
    return as_engine(bundle)


@pytest.fixture
def powerful(runsafe):
    """Root with every capability: only the filter is left to say no."""
    capabilities = ("SYS_ADMIN,SYS_MODULE,SYS_BOOT,SYS_TIME,SYS_PTRACE,SYS_RAWIO,SYS_NICE,"
                    "SYS_TTY_CONFIG,SYSLOG,SYS_PACCT,BPF,PERFMON,DAC_READ_SEARCH,NET_ADMIN,NET_RAW,"
                    "MKNOD,SETUID,CHECKPOINT_RESTORE")
    return runsafe.with_options("--allow", "root", "--allow", f"capability={capabilities}")


# group: (answer, calls with arguments that do no harm where the filter is missing)
GROUPS = {
    "mounts": ("EPERM", [
        ("mount", BAD, BAD, BAD, 0, 0), ("umount2", BAD, 0), ("pivot_root", BAD, BAD),
        ("open_tree", BAD, BAD, 0), ("move_mount", BAD, BAD, BAD, BAD, 0), ("fsopen", BAD, 0),
        ("fsconfig", BAD, 0, 0, 0, 0), ("fsmount", BAD, 0, 0), ("fspick", BAD, BAD, 0),
        ("mount_setattr", BAD, BAD, 0, BAD, 32)]),
    "joining namespaces": ("EPERM", [("setns", BAD, 0)]),
    "bpf, perf": ("EPERM", [("bpf", 0, BAD, 0), ("perf_event_open", BAD, 0, 0, BAD, 0)]),
    "io_uring": ("EPERM", [("io_uring_setup", 1, BAD), ("io_uring_enter", BAD, 0, 0, 0, 0, 0),
                           ("io_uring_register", BAD, 0, 0, 0)]),
    "userfaultfd": ("EPERM", [("userfaultfd", 1), ("userfaultfd", 0)]),
    "keyrings": ("EPERM", [("add_key", BAD, BAD, BAD, 0, 0), ("keyctl", 0, -3, 0),
                           ("request_key", BAD, BAD, BAD, 0)]),
    "other processes": ("EPERM", [
        ("ptrace", 0, 0, 0, 0), ("process_vm_readv", 1, BAD, 1, BAD, 1, 0),
        ("process_vm_writev", 1, BAD, 1, BAD, 1, 0), ("process_madvise", BAD, BAD, 1, 0, 0),
        ("process_mrelease", BAD, 0), ("kcmp", 1, 1, 99, 0, 0), ("pidfd_getfd", BAD, 0, 0)]),
    "files by handle": ("EPERM", [("open_by_handle_at", BAD, BAD, 0)]),
    "kernel, modules": ("EPERM", [
        ("kexec_load", 0, 0, 0, BAD), ("kexec_file_load", BAD, BAD, 0, 0, BAD),
        ("init_module", BAD, 0, BAD), ("finit_module", BAD, BAD, 0), ("delete_module", BAD, 0)]),
    "the machine": ("EPERM", [
        ("reboot", 1, 2, 3, 0), ("swapon", BAD, 0), ("swapoff", BAD), ("acct", BAD),
        ("quotactl", BAD, BAD, 0, BAD), ("quotactl_fd", BAD, BAD, 0, BAD)]),
    "clock": ("EPERM", [("settimeofday", BAD, BAD), ("clock_settime", 0, BAD),
                        ("clock_adjtime", 0, BAD), ("adjtimex", BAD)]),
    "host name, log": ("EPERM", [("sethostname", BAD, 1), ("setdomainname", BAD, 1),
                                 ("vhangup",), ("syslog", 99, 0, 0)]),
    "fanotify": ("EPERM", [("fanotify_init", 0xffff, 0), ("fanotify_mark", BAD, 0, 0, BAD, 0)]),
    "NUMA placement": ("EPERM", [("mbind", 1, 1, 99, 0, 0, 0), ("set_mempolicy", 99, 0, 0),
                                 ("migrate_pages", 1, 1, BAD, BAD),
                                 ("move_pages", 1, 1, BAD, BAD, BAD, 0)]),
    "openat2": ("ENOSYS", [("openat2", BAD, BAD, BAD, 24)]),
    "clone3": ("ENOSYS", [("clone3", BAD, 64)]),
    "queries with an older way": ("ENOSYS", [("statmount", BAD, BAD, 0, 0),
                                             ("listmount", BAD, BAD, 0, 0)]),
}
X86_GROUPS = {
    "ports": ("EPERM", [("iopl", 99), ("ioperm", BAD, 1, 1)]),
    "old ones": ("EPERM", [("sysfs", 99, 0, 0), ("uselib", BAD), ("ustat", 0, BAD)]),
}
if os.uname().machine == "x86_64":
    GROUPS |= X86_GROUPS


def answers(probe, program, bundle, calls):
    labelled = [call(c[0], *c[1:], label=f"{c[0]}#{n}") for n, c in enumerate(calls)
                if workload.has_syscall(c[0])]
    assert labelled
    return probe(program, bundle, *labelled)


def test_seccomp_refuses_the_groups_to_the_default_user(runsafe, engine, probe):
    """All of them at once."""
    for answer in ("EPERM", "ENOSYS"):
        calls = [c for a, group in GROUPS.values() for c in group if a == answer]
        found = answers(probe, runsafe, engine, calls)
        assert {n: a for n, a in found.items() if a != answer} == {}


@pytest.mark.parametrize("group", GROUPS)
def test_seccomp_refuses_the_group_to_root_with_capabilities(powerful, engine, probe, group):
    """What refuses is the filter, not a capability that is missing."""
    answer, calls = GROUPS[group]
    assert set(answers(probe, powerful, engine, calls).values()) == {answer}


NAMESPACE_FLAGS = {"user": 0x10000000, "mount": 0x00020000, "pid": 0x20000000, "net": 0x40000000,
                   "uts": 0x04000000, "ipc": 0x08000000, "cgroup": 0x02000000}


def test_seccomp_no_new_namespace(powerful, engine, probe):
    """clone with any CLONE_NEW*, unshare with anything but CLONE_FS, CLONE_FILES, CLONE_SYSVSEM."""
    calls = []
    for kind, flag in NAMESPACE_FLAGS.items():
        calls += [call("clone", flag | 17, label=f"clone-{kind}"),
                  call("unshare", flag, label=f"unshare-{kind}"),
                  call("unshare", flag | 1 << 33, label=f"high-{kind}")]
    found = probe(powerful, engine, *calls)
    assert len(found) == 21 and set(found.values()) == {"EPERM"}, found


def test_seccomp_time_namespace(powerful, engine, probe):
    assert probe(powerful, engine, call("unshare", 0x80)) == {"unshare": "EPERM"}


def test_seccomp_a_plain_clone_works(runsafe, engine, probe):
    assert probe(runsafe, engine, call("clone", 17), call("unshare", 0x200)) == {
        "clone": "OK", "unshare": "OK"}


FAMILIES = {"AF_PACKET": (17, 3), "AF_VSOCK": (40, 1), "AF_ALG": (38, 5), "AF_KEY": (15, 3),
            "AF_TIPC": (30, 1), "AF_RDS": (21, 5), "AF_CAN": (29, 3), "AF_BLUETOOTH": (31, 3),
            "AF_XDP": (44, 3), "AF_RXRPC": (33, 2), "AF_APPLETALK": (5, 2), "AF_NFC": (39, 3),
            "AF_QIPCRTR": (42, 2), "AF_SMC": (43, 1), "AF_UNSPEC": (0, 1), "AF_MAX": (4000, 1)}


def test_seccomp_socket_families(powerful, engine, probe):
    """families beyond unix, inet, inet6 and netlink's ROUTE protocol: EPROTONOSUPPORT."""
    calls = []
    for family, (number, kind) in FAMILIES.items():
        calls += [call("socket", number, kind, 0, label=family),
                  call("socket", number | 1 << 40, kind, 0, label=f"{family}-high"),
                  call("socketpair", number, kind, 0, BAD, label=f"{family}-pair")]
    found = probe(powerful, engine, *calls)
    assert len(found) == 3 * len(FAMILIES) and set(found.values()) == {"EPROTONOSUPPORT"}, found


PROTOCOLS = {"NETFILTER": 12, "XFRM": 6, "AUDIT": 9, "KOBJECT_UEVENT": 15, "GENERIC": 16,
             "CRYPTO": 21, "SOCK_DIAG": 4}


def test_seccomp_netlink_protocols(powerful, engine, probe):
    found = probe(powerful, engine, *(call("socket", 16, 3, n, label=p)
                                      for p, n in PROTOCOLS.items()))
    assert found == dict.fromkeys(PROTOCOLS, "EPROTONOSUPPORT")


def test_seccomp_usual_sockets_work(runsafe, engine, probe):
    calls = [call("socket", f, 1, 0, label=n) for n, f in
             (("unix", 1), ("inet", 2), ("inet6", 10))] + [call("socket", 16, 3, 0, label="route")]
    assert set(probe(runsafe, engine, *calls).values()) == {"OK"}


@pytest.mark.parametrize("command", {"TIOCSTI": 0x5412, "TIOCLINUX": 0x541c,
                                     "TIOCSTI with high bits": 0x5412 | 1 << 32,
                                     "TIOCSTI, all high bits": 0xffffffff00005412}.items())
def test_seccomp_no_typing_into_the_terminal(powerful, engine, probe, command):
    """TIOCSTI (compared in its low 32 bits only: the kernel ignores the rest)."""
    assert probe(powerful, engine, call("ioctl", 0, command[1], BAD)) == {"ioctl": "EPERM"}


def test_seccomp_other_ioctls_work(runsafe, engine, probe):
    assert probe(runsafe, engine, call("ioctl", BAD, 0x5413, BAD)) == {"ioctl": "EBADF"}


def set_user_id_calls():
    yield call("fchmod", BAD, SETUID)
    yield call("fchmodat", AT_FDCWD, "@/tmp/f", SETUID)
    yield call("fchmodat2", AT_FDCWD, "@/tmp/f", SETUID, 0)
    yield call("mknodat", AT_FDCWD, "@/tmp/g", 0o100000 | SETUID, 0)
    yield call("openat", AT_FDCWD, "@/tmp/h", O_CREAT | O_WRONLY, SETUID)
    yield call("openat", AT_FDCWD, "@/tmp", O_TMPFILE | O_RDWR, SETUID, label="O_TMPFILE")
    yield call("openat", AT_FDCWD, "@/tmp/h", O_CREAT | O_WRONLY, 0o4000, label="only")
    if os.uname().machine == "x86_64":
        yield call("chmod", "@/tmp/f", SETUID)
        yield call("creat", "@/tmp/h", SETUID)
        yield call("mknod", "@/tmp/g", 0o100000 | SETUID, 0)
        yield call("open", "@/tmp/h", O_CREAT | O_WRONLY, SETUID)


def test_seccomp_no_set_user_id_bit(runsafe, engine, probe):
    """no set-user-ID bit by chmod and its kin, mknod, or open with O_CREAT or O_TMPFILE."""
    found = probe(runsafe, engine, *set_user_id_calls())
    assert set(found.values()) == {"EPERM"}, found


def test_seccomp_plain_modes_and_set_group_id_work(runsafe, engine, probe):
    """set-group-ID stays allowed: git, tar and dpkg need it on directories."""
    found = probe(runsafe, engine, call("openat", AT_FDCWD, "@/tmp/f", O_CREAT | O_WRONLY, 0o644),
                  call("fchmodat", AT_FDCWD, "@/tmp/f", 0o2755),
                  # Without O_CREAT the mode is not looked at: garbage is usual there.
                  call("openat", AT_FDCWD, "@/tmp/f", 0, SETUID, label="open"),
                  call("mkdirat", AT_FDCWD, "@/tmp/d", 0o2755))
    assert set(found.values()) == {"OK"}, found


@pytest.mark.parametrize("personality", {"ADDR_NO_RANDOMIZE": 0x40000, "MMAP_PAGE_ZERO": 0x100000,
                                         "READ_IMPLIES_EXEC": 0x400000}.items())
def test_seccomp_personality(runsafe, engine, probe, personality):
    assert probe(runsafe, engine, call("personality", personality[1]),
                 call("personality", 0xffffffff, label="asking")) == {
        "personality": "EPERM", "asking": "OK"}


def test_seccomp_newer_calls_do_not_exist(runsafe, engine, probe):
    """Unknown newer syscalls give ENOSYS."""
    assert probe(runsafe, engine, "new:600", "newer:2000", "negative:-5") == {
        "new": "ENOSYS", "newer": "ENOSYS", "negative": "ENOSYS"}


@x86_only
def test_seccomp_the_32_bit_door_is_closed(runsafe, engine, probe):
    """int 0x80's socketcall would walk past the family filter."""
    assert probe(runsafe, engine, "getpid:i20", "socketcall:i102") == {
        "getpid": "SIGSYS", "socketcall": "SIGSYS"}


@x86_only
def test_seccomp_the_x32_door_is_closed(runsafe, engine, probe):
    x32 = 0x40000000
    assert probe(runsafe, engine, f"getpid:{x32 + 39}", f"mount:{x32 + 165}",
                 f"ptrace:{x32 + 521}") == dict.fromkeys(("getpid", "mount", "ptrace"), "ENOSYS")


LEAVING = [call("setgroups", 0, 0, label="none"), call("setgroups", 1, BAD, label="one"),
           call("setgroups", 2, BAD, label="two"), call("setgroups", BAD, BAD, label="many")]


def test_a_workload_leaves_groups_that_it_does_not_have(runsafe, engine, probe):
    """What celery --uid=1000 and others call first; the kernel asks for CAP_SETGID whatever the
    list says. Where there is a further group nobody may believe to have left it."""
    said = {"none": "OK", "one": "OK", "two": "EPERM", "many": "EPERM"}
    assert probe(runsafe, engine, *LEAVING) == said
    engine.set("process.user.additionalGids", [1000, 0])
    assert probe(runsafe, engine, *LEAVING) == said
    engine.set("process.user.additionalGids", [1000, 44])
    assert set(probe(runsafe, engine, *LEAVING).values()) == {"EPERM"}


def test_groups_are_the_kernels_where_the_workload_may_change_them(runsafe, engine, probe):
    setgid = runsafe.with_options("--allow", "root", "--allow", "capability=CAP_SETGID")
    assert probe(setgid, engine, *LEAVING[1:]) == {"one": "EFAULT", "two": "EFAULT",
                                                   "many": "EINVAL"}
    oci = runsafe.with_options("--policy", "oci")
    engine.set("process.user", {"uid": 5003, "gid": 5003}).set("process.capabilities", {})
    assert set(probe(oci, engine, *LEAVING).values()) == {"EPERM"}


def test_seccomp_holds_in_every_child(runsafe, engine):
    out = runsafe.sh(engine, "sh -c 'sh -c \"grep -w Seccomp /proc/self/status\"'").out
    assert out.split() == ["Seccomp:", "2"]
