"""Issue 3, "The edges that other runtimes got wrong": capabilities across exec for uid 0 and
others, with and without ambient, with securebits; supplementary groups; umask. Exec from a runtime
in a chroot."""

import ctypes
import os
import pathlib
import shutil
import subprocess

import pytest

import harness
import workload
from test_chroot import chroot  # noqa: F401
from test_process import masks

STATUS = "cat /proc/self/status"
TWO = {"CAP_CHOWN", "CAP_KILL"}


def sets(bundle, *names, ambient=()):
    """The four sets have the names, the ambient one its own; what is ambient is inheritable."""
    bundle.set("process.capabilities", {
        "bounding": list(names), "permitted": list(names), "effective": list(names),
        "inheritable": list(ambient), "ambient": list(ambient)})
    return bundle


def as_user(bundle, uid):
    return bundle.set("process.user", {"uid": uid, "gid": uid})


# --- capabilities across exec: the workload's own, and that of `runsafe exec`

@pytest.mark.parametrize("uid,ambient,kept", [
    (0, (), TWO), (0, ("CAP_KILL",), TWO), (1000, (), set()), (1000, ("CAP_KILL",), {"CAP_KILL"})])
@pytest.mark.parametrize("how", ["program", "its child", "exec"])
def test_capabilities_across_exec(oci, plain, uid, ambient, kept, how):
    """capabilities(7): root's come back from the bounding set at each execve(2); any other user's
    are what is ambient. What runs first, what that runs, and what `exec` runs are alike."""
    as_user(sets(plain, *TWO, ambient=ambient), uid)
    if how == "exec":
        result = oci("exec", oci.running(plain), "cat", "/proc/self/status")
    else:
        result = oci.run_ok(plain.args("/bin/cat", "/proc/self/status") if how == "program"
                            else plain.sh(f"sh -c '{STATUS}; true'"))
    seen = masks(result)
    assert seen["CapPrm"] == seen["CapEff"] == kept
    assert seen["CapBnd"] == TWO
    assert seen["CapAmb"] == set(ambient) == seen["CapInh"]


def test_a_set_user_id_program_gains_no_more_than_the_bounding_set(oci, plain):
    """Without no_new_privs a set-user-ID program of root's is root, with what is bounding."""
    as_user(sets(plain, *TWO), 1000).set("process.noNewPrivileges", False)
    plain.file("/opt/cat", (plain.rootfs / "bin/busybox").read_bytes()).chmod(0o4755)
    seen = masks(oci.sh(plain, "/opt/cat /proc/self/status"))
    assert seen["CapEff"] <= TWO and seen["CapBnd"] == TWO


# capabilities(7), "The securebits flags".
NOROOT, NOROOT_LOCKED, NO_FIXUP, NO_FIXUP_LOCKED = 1, 2, 4, 8
BITS = [NO_FIXUP, NOROOT, NOROOT | NO_FIXUP, NOROOT | NOROOT_LOCKED, NO_FIXUP | NO_FIXUP_LOCKED]


def securely(bits, command):
    """The runtime's caller has these bits; and all capabilities ambient too, since with NOROOT
    being root gives it none."""
    libc = ctypes.CDLL(None, use_errno=True)
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    ours = int(status.split("CapPrm:")[1].split()[0], 16)
    words = [ours & 0xffffffff, ours & 0xffffffff, ours & 0xffffffff, ours >> 32, ours >> 32, ours >> 32]

    def become():
        capset = {"x86_64": 126, "aarch64": 91}[os.uname().machine]
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        assert libc.syscall(capset, header, (ctypes.c_uint32 * 6)(*words)) == 0
        for number in range(64):
            if ours >> number & 1:
                assert libc.prctl(47, 2, number, 0, 0) == 0  # PR_CAP_AMBIENT_RAISE
        assert libc.prctl(28, bits, 0, 0, 0) == 0  # PR_SET_SECUREBITS

    return subprocess.run(command, capture_output=True, text=True, timeout=harness.TIME_LIMIT,
                          check=False, preexec_fn=become)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("uid,ambient,most", [
    (0, (), TWO), (1000, (), set()), (1000, ("CAP_KILL",), {"CAP_KILL"})])
def test_securebits_of_the_caller_give_nobody_more(oci, plain, bits, uid, ambient, most):
    """Without the kernel's fix-up a change of the user would leave all capabilities: whatever bits
    the caller has, the workload has no more than config.json gives, or does not start."""
    as_user(sets(plain, *TWO, ambient=ambient), uid)
    done = securely(bits, oci.command("run", "-b", plain.sh(STATUS).path, oci.id()))
    assert done.returncode == 0, done
    seen = masks(harness.Result([], 0, done.stdout, ""))
    assert seen["CapPrm"] <= most and seen["CapEff"] <= most
    assert seen["CapBnd"] == TWO and seen["CapAmb"] == set(ambient) == seen["CapInh"]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("uid", [0, 1000])
def test_securebits_of_the_caller_of_exec_give_nobody_more(oci, plain, bits, uid):
    """The same for exec, whose caller may be another."""
    name = oci.running(as_user(sets(plain, *TWO), 0))
    done = securely(bits, oci.command("exec", "--user", str(uid), name, "cat", "/proc/self/status"))
    assert done.returncode == 0, done
    seen = masks(harness.Result([], 0, done.stdout, ""))
    most = TWO if uid == 0 else set()
    assert seen["CapPrm"] <= most and seen["CapEff"] <= most and seen["CapBnd"] == TWO


@pytest.fixture
def show(plain, tmp_path_factory):
    """The words of a program that prints its securebits as bits=N."""
    shutil.copy(workload.build_probe("probe", tmp_path_factory.mktemp("probe")), plain.rootfs / "probe")
    return ["/probe", f"bits:v{workload.syscall_number('prctl')}:27"]  # PR_GET_SECUREBITS


@pytest.mark.parametrize("bits,left", [
    (NOROOT, 0), (NO_FIXUP, 0), (NOROOT | NO_FIXUP, 0),
    (NOROOT | NO_FIXUP | NO_FIXUP_LOCKED, NO_FIXUP | NO_FIXUP_LOCKED)])
@pytest.mark.parametrize("how", ["run", "exec"])
def test_securebits_of_the_caller_do_not_stay(oci, plain, show, bits, left, how):
    """The bits are the caller's: the workload starts with none but what is locked, so that it loses
    its capabilities where it gives root up, whoever started it."""
    sets(plain, *TWO)
    if how == "run":
        command = oci.command("run", "-b", plain.args(*show).path, oci.id())
    else:
        command = oci.command("exec", oci.running(plain), *show)
    done = securely(bits, command)
    assert (done.returncode, done.stdout) == (0, f"bits={left}\n"), done


@pytest.mark.parametrize("uid", [0, 1000])
def test_keep_caps_does_not_outlive_the_start(oci, plain, show, uid):
    """PR_SET_KEEPCAPS is for the change of the user only."""
    assert oci.run_ok(as_user(sets(plain, *TWO), uid).args(*show)).out == "bits=0\n"


# --- groups and umask

@pytest.mark.parametrize("gids", [[], [0], [10, 10], [7, 65534], list(range(2000, 2100))],
                         ids=["none", "root's", "one twice", "two", "a hundred"])
@pytest.mark.parametrize("how", ["run", "exec"])
def test_supplementary_groups_are_those_alone(oci, plain, gids, how):
    """Those of config.json, none of the caller's, and not the primary one by itself."""
    plain.set("process.user", {"uid": 1000, "gid": 1000, "additionalGids": gids})
    if how == "run":
        command = oci.command("run", "-b", plain.sh(STATUS).path, oci.id())
    else:
        name = oci.running(plain)
        command = oci.command("exec", name, "cat", "/proc/self/status")
    done = subprocess.run(command, capture_output=True, text=True, check=True, extra_groups=[4, 27],
                          timeout=harness.TIME_LIMIT)
    groups = harness.Result([], 0, done.stdout, "").facts()["Groups"].split()
    assert sorted({int(g) for g in groups}) == sorted(set(gids))


@pytest.mark.parametrize("mask", [0, 0o027, 0o777, None])
@pytest.mark.parametrize("how", ["run", "exec"])
def test_the_umask_is_configs(oci, plain, mask, how):
    """umask of config.json, for exec's processes too; 0022 where it says nothing, whatever the
    caller's is."""
    if mask is not None:
        plain.set("process.user.umask", mask)
    if how == "run":
        command = oci.command("run", "-b", plain.sh("umask").path, oci.id())
    else:
        command = oci.command("exec", oci.running(plain), "sh", "-c", "umask")
    done = subprocess.run(command, capture_output=True, text=True, check=True, umask=0o111,
                          timeout=harness.TIME_LIMIT)
    assert int(done.stdout, 8) == (0o022 if mask is None else mask)


@pytest.mark.parametrize("mask", [0o077, 0o777])
def test_the_callers_umask_makes_nothing_of_ours_unreadable(oci, plain, mask):
    """Mount points, devices and a missing cwd have their modes whatever the caller's umask is."""
    plain.set("process.cwd", "/made/here")
    plain.mount(destination="/srv/mount/point", type="tmpfs", source="tmpfs", options=["mode=755"])
    plain.set("linux.devices", [{"type": "c", "path": "/dev/made", "major": 1, "minor": 3,
                                 "fileMode": 0o666}])
    as_user(plain, 1000).cap()
    plain.sh("pwd && cd /srv/mount/point && echo >/dev/made && echo >/dev/null && stat -c %a /made")
    done = subprocess.run(oci.command("run", "-b", plain.path, oci.id()), capture_output=True,
                          text=True, umask=mask, timeout=harness.TIME_LIMIT, check=False)
    assert (done.returncode, done.stdout) == (0, "/made/here\n755\n"), done


# --- a runtime that itself runs in a chroot

def test_exec_from_a_runtime_in_a_chroot_lands_in_the_container(chroot, new_bundle, folder):  # noqa: F811
    """crun's exec landed in the host's root there: its own "/" is no mount, and joining the mount
    namespace leads to that namespace's root."""
    marker = folder / "of-the-host"
    marker.touch()
    bundle = new_bundle("chroot/bundle")
    bundle.file("/of-the-container", "").touch()
    bundle.args("/bin/sleep", "1000")
    options = ["--root", "/state", *(["--cgroup=available"] if harness.why_no_limits() else [])]

    def runsafe(*words):
        return subprocess.run(["chroot", chroot, "/bin/runsafe", *options, *words], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=harness.TIME_LIMIT, check=False)

    name = f"chroot-{os.getpid()}"
    with open(os.devnull, "w", encoding="ascii") as nothing:
        made = subprocess.run(["chroot", chroot, "/bin/runsafe", *options, "create", "-b", "/bundle",
                               name], stdout=nothing, stderr=nothing, check=False)
    try:
        assert made.returncode == 0
        assert runsafe("start", name).returncode == 0
        done = runsafe("exec", name, "sh", "-c",
                       f"ls -d /of-the-container; test -e {marker} && echo the host; "
                       "test -e /bundle && echo the chroot; cd /; pwd; ls /proc/1/root/bundle "
                       "2>/dev/null; readlink /proc/self/cwd")
        assert (done.returncode, done.stdout) == (0, "/of-the-container\n/\n/\n"), done
        done = runsafe("exec", "--cwd", "/etc", name, "pwd")
        assert (done.returncode, done.stdout) == (0, "/etc\n"), done
    finally:
        assert runsafe("delete", "--force", name).returncode == 0
