"""Compiled seccomp profiles that are kept from one start to the next (docs/security.md).

A profile here answers a call with ENOTUNIQ. forge() makes its kept program answer EBADFD: who sees that,
was answered by the file."""

import ctypes
import json
import os
import pathlib
import shutil
import struct
import subprocess
import threading

import pytest

import harness
import test_rootless
from test_rootless import rootless, single, user  # noqa: F401  pylint: disable=unused-import
from workload import PROJECT, as_engine, build_probe, call, run_probe

TRUE, FORGED = "ENOTUNIQ", "EBADFD"
NUMBERS = {TRUE: 76, FORGED: 77}
HEAD = struct.Struct("<QIIQ")  # sum, flags, bytes of notes, instructions
RET_ERRNO = 0x50000
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, PTRACE_GET_FILTER = 0x4206, 0x4207, 17, 0x420c
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def profile(errno=NUMBERS[TRUE], name="userfaultfd"):
    return {"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": errno}]}


def signed(data):
    """FNV-1a, as the first eight bytes have it of what follows them."""
    total = 0xcbf29ce484222325
    for byte in data[8:]:
        total = (total ^ byte) * 0x100000001b3 & (2**64 - 1)
    return struct.pack("<Q", total) + data[8:]


def change(data, old=NUMBERS[TRUE], new=NUMBERS[FORGED]):
    """The program with another answer, and a sum that is right again."""
    one, other = (struct.pack("<HBBI", 6, 0, 0, RET_ERRNO | n) for n in (old, new))
    at = len(data) - 8 * HEAD.unpack_from(data)[3]
    assert data.count(one, at) == 1
    return signed(data[:at] + data[at:].replace(one, other))


class Kept:
    """The folder and its only file."""

    def __init__(self, root):
        self.folder = root / harness.KEPT

    @property
    def file(self):
        files = list(self.folder.iterdir())
        assert len(files) == 1, files
        return files[0]

    @property
    def program(self):
        data = self.file.read_bytes()
        return data[len(data) - 8 * HEAD.unpack_from(data)[3]:]

    def forge(self):
        file = self.file
        file.write_bytes(change(file.read_bytes()))
        return file


@pytest.fixture
def kept(runsafe):
    yield Kept(runsafe.root)
    shutil.rmtree(runsafe.root / harness.KEPT, ignore_errors=True)


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    return build_probe("probe", tmp_path_factory.mktemp("probe"))


@pytest.fixture
def engine(bundle):
    return as_engine(bundle).set("linux.seccomp", profile())


@pytest.fixture
def answer(oci, engine, probe):
    """What a new container's call is answered."""
    return lambda: run_probe(oci, engine, probe, call("userfaultfd", 0))["userfaultfd"]


def ptrace(request, pid, address=0, data=0):
    result = libc.ptrace(request, pid, address, data)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")
    return result


def filters(pid):
    """All filters of a process, as the kernel has them (ptrace(2), PTRACE_SECCOMP_GET_FILTER)."""
    found = []
    ptrace(PTRACE_SEIZE, pid)
    try:
        ptrace(PTRACE_INTERRUPT, pid)
        os.waitpid(pid, 0x40000000)  # __WALL
        for index in range(int(status(pid)["Seccomp_filters"])):
            program = ctypes.create_string_buffer(8 * ptrace(PTRACE_GET_FILTER, pid, index))
            ptrace(PTRACE_GET_FILTER, pid, index, ctypes.addressof(program))
            found.append(program.raw)
    finally:
        ptrace(PTRACE_DETACH, pid)
    return found


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@pytest.mark.parametrize("policy", ["default", "oci"])
def test_the_second_start_and_exec_have_the_very_same_filter(runsafe, engine, kept, policy):
    """Docker's own profile, compiled at the first start and read from the file at the others."""
    config = json.loads((PROJECT / "tests/bench/docker-config.json").read_text())
    engine.set("linux.seccomp", config["linux"]["seccomp"])
    program = runsafe.with_options("--policy", policy)
    program.root.mkdir(mode=0o711)
    first = program.running(engine)
    expected, written = filters(program.state(first)["pid"]), kept.file.stat().st_ino
    assert len(expected) == {"default": 2, "oci": 1}[policy] + len(expected[1:-1])
    second = program.running(engine)
    assert filters(program.state(second)["pid"]) == expected
    program.ok("exec", "--detach", "--pid-file", program.folder / "pid", second, "sleep", "1000")
    executed = int((program.folder / "pid").read_text())
    assert filters(executed) == expected
    assert kept.program in expected
    assert 100 < len(kept.program) / 8 < 700  # of the 1244 that libseccomp makes
    assert kept.file.stat().st_ino == written
    os.kill(executed, 9)
    os.waitpid(executed, 0)  # the container's pid namespace waits for that
    for name in (first, second):
        program.delete(name, "--force")


def test_the_first_start_ever_makes_the_folder_with_its_root(answer, kept):
    """The root is made by the first container, so that its program is kept by the second one."""
    assert answer() == answer() == TRUE
    assert [oct(p.stat().st_mode & 0o7777) for p in (kept.folder, kept.file)] == ["0o700", "0o600"]


def test_what_is_kept_is_used_by_run_and_exec(oci, engine, answer, kept, probe):
    answer()
    answer()
    kept.forge()
    assert answer() == FORGED
    shutil.copy(probe, engine.rootfs / "probe")
    name = oci.running(engine)
    assert oci.ok("exec", name, "/probe", call("userfaultfd", 0)).facts()["userfaultfd"] == FORGED
    kept.file.unlink()
    assert oci.ok("exec", name, "/probe", call("userfaultfd", 0)).facts()["userfaultfd"] == TRUE
    kept.file.stat()  # exec has kept it again
    oci.delete(name, "--force")


def test_a_workload_under_the_kept_filter_may_what_it_may_without(oci, engine, answer, kept, probe):
    answer()
    calls = [call("userfaultfd", 0), call("getpid"), call("mkdirat", -100, -1, 0)]
    first = run_probe(oci, engine, probe, *calls)
    assert kept.file.exists()
    assert run_probe(oci, engine, probe, *calls) == first
    assert first["userfaultfd"] == TRUE and first["mkdirat"] == "EFAULT"


SPOILED = {
    "damaged": lambda file, data: file.write_bytes(data[:8] + change(data)[8:]),
    "cut off": lambda file, data: file.write_bytes(signed(change(data)[:-8])),
    "longer": lambda file, data: file.write_bytes(signed(change(data) + bytes(8))),
    "empty": lambda file, data: file.write_bytes(b""),
    "of another user": lambda file, data: os.chown(file, 1000, 0),
    "writable by a group": lambda file, data: file.chmod(0o620),
    "writable by all": lambda file, data: file.chmod(0o602),
    "a link": lambda file, data: (file.rename(file.parent.parent / "aside"),
                                  file.symlink_to("../aside")),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_file_that_is_not_as_it_was_written_is_not_believed(answer, kept, how):
    """... and replaced by one that is."""
    answer()
    answer()
    good = kept.file.read_bytes()
    SPOILED[how](kept.forge(), good)
    assert answer() == TRUE
    assert kept.file.read_bytes() == good and not kept.file.is_symlink()
    assert kept.file.stat().st_uid == 0 and kept.file.stat().st_mode & 0o777 == 0o600
    (kept.folder.parent / "aside").unlink(missing_ok=True)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_stops_nobody(answer, kept, make):
    answer()
    answer()
    file = kept.file
    file.unlink()
    make(file, 0o600)
    assert answer() == TRUE


def test_another_profiles_program_under_this_name_is_not_believed(engine, answer, kept):
    """The name is a hash, which could be the same; the file has the profile itself in it."""
    answer()
    answer()
    file, good = kept.file, kept.file.read_bytes()
    file.unlink()
    engine.set("linux.seccomp", profile(NUMBERS[FORGED]))
    assert answer() == FORGED
    kept.file.rename(file)
    engine.set("linux.seccomp", profile())
    assert answer() == TRUE
    assert kept.file.read_bytes() == good


FOLDERS = {
    "of another user": lambda folder: os.chown(folder, 1000, 0),
    "open to a group": lambda folder: folder.chmod(0o720),
    "open to all": lambda folder: folder.chmod(0o702),
    "a link": lambda folder: (folder.rename(folder.parent / "aside"), folder.symlink_to("aside")),
}


@pytest.mark.parametrize("how", FOLDERS)
def test_a_folder_that_others_may_write_to_is_not_used(answer, kept, how):
    """Nor is it put right: who made it so may have a file open."""
    answer()
    answer()
    data = kept.forge().read_bytes()
    FOLDERS[how](kept.folder)
    assert answer() == TRUE
    assert kept.file.read_bytes() == data
    if kept.folder.is_symlink():
        kept.folder.unlink()
        shutil.rmtree(kept.folder.parent / "aside")


def test_another_build_compiles_anew(oci, engine, answer, kept, probe, folder):
    """What the key says of who compiled, beside the profile, are the ids of the linker."""
    answer()
    answer()
    data = kept.forge().read_bytes()
    key = json.JSONDecoder().raw_decode(data[HEAD.size:].decode("latin-1"))[0]
    assert key["builds"] and key["seccomp"]["syscalls"][0]["names"] == ["userfaultfd"]
    other = folder / "other" / "runsafe"
    other.parent.mkdir()
    program = pathlib.Path(harness.RUNSAFE).read_bytes()
    assert program.count(bytes.fromhex(key["builds"][0])) == 1
    other.write_bytes(program.replace(bytes.fromhex(key["builds"][0]), os.urandom(20)))
    other.chmod(0o755)
    command = [other, *oci.command("run", "-b", engine.args("/probe", call("userfaultfd", 0)).path,
                                   oci.id())[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(TRUE)
    assert len(list(kept.folder.iterdir())) == 2


def test_no_more_than_the_bound_are_kept(oci, engine, answer, kept):
    """64; two hundred are tried by tests/unit/test_seccomp_cache.c."""
    answer()
    answer()
    for number in range(62):
        shutil.copy(next(kept.folder.iterdir()), kept.folder / f"{number:016x}")
    for number, expected in ((1, 64), (2, 1), (3, 2)):
        oci.run_ok(engine.set("linux.seccomp", profile(number)).args("/bin/true"))
        assert len(list(kept.folder.iterdir())) == expected


def test_a_profile_without_measure_is_not_kept(oci, engine, kept):
    """128 KiB: Docker's takes 18."""
    oci.run_ok(engine.args("/bin/true"))
    names = [f"call_that_is_not_there_{i}" for i in range(3000)]
    engine.config["linux"]["seccomp"]["syscalls"][0]["names"] += names
    oci.run_ok(engine.write())
    oci.run_ok(engine)
    assert not kept.folder.exists()


def test_many_starts_at_once_have_their_own_filter(oci, engine, answer, kept, probe, new_bundle):
    """Six profiles, four starts of each at once, with nothing kept, then with all."""
    answer()
    bundles = []
    for number in range(6):
        bundle = as_engine(new_bundle(f"b{number}")).set("linux.seccomp", profile(70 + number))
        shutil.copy(probe, bundle.rootfs / "probe")
        bundles.append(bundle.args("/probe", call("userfaultfd", 0)))
    for _ in range(2):
        results = []
        threads = [threading.Thread(target=lambda n=n: results.append(
            (n % 6, oci.run(bundles[n % 6])))) for n in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number, result in results:
            assert result.facts()["userfaultfd"] == errno_name(70 + number), result
        assert len(results) == 24 and len(list(kept.folder.iterdir())) == 6
        assert harness.kept_filters(oci.root) is not None


def errno_name(number):
    libc.strerrorname_np.restype = ctypes.c_char_p
    return libc.strerrorname_np(number).decode()


def test_list_does_not_show_it_and_no_container_is_called_so(oci, engine, answer, kept):
    answer()
    answer()
    assert json.loads(oci.ok("list", "--format", "json").out or "null") in (None, [])
    assert oci.ok("list", "-q").out == ""
    before = kept.file.stat().st_ino
    for words in (["create", "-b", engine.path], ["run", "-b", engine.path], ["start"], ["state"],
                  ["kill"], ["delete"], ["delete", "--force"], ["ps"], ["pause"]):
        oci.fails(*words, harness.KEPT, words=["invalid container id"])
    oci.fails("exec", harness.KEPT, "/bin/true", words=["invalid container id"], status=255)
    assert kept.file.stat().st_ino == before


def test_check_keeps_nothing(oci, engine, answer, kept):
    answer()
    assert oci("check", f"{engine.path}/").status in (0, 1)
    assert not kept.folder.exists()


def test_where_the_states_have_little_room_nothing_is_kept(oci, engine, answer, kept):
    """The last megabytes are the states'; what is kept there already is still used."""
    oci.root.mkdir()
    for options, keeps in (("size=64m", True), ("size=3m", False),
                           ("size=64m,nr_inodes=100", False)):
        with harness.host_mount(oci.root, "-t", "tmpfs", "-o", options, "tmpfs"):
            assert answer() == answer() == TRUE
            assert kept.folder.exists() == keeps
            if keeps:
                kept.forge()
                free = os.statvfs(oci.root)
                with open(oci.root / "filler", "wb") as filler:
                    filler.write(bytes(free.f_bavail * free.f_frsize - (1 << 20)))
                assert answer() == FORGED
                engine.set("linux.seccomp", profile(NUMBERS[TRUE], "mincore"))
                assert oci.run_ok(engine.args("/bin/true")) and kept.file
                engine.set("linux.seccomp", profile())


@pytest.mark.parametrize("room", ["read-only", "full"])
def test_exec_works_where_nothing_can_be_written(oci, engine, kept, probe, room):
    shutil.copy(probe, engine.rootfs / "probe")
    oci.root.mkdir()
    with harness.host_mount(oci.root, "-t", "tmpfs", "-o", "size=16m", "tmpfs"):
        name = oci.running(engine)
        shutil.rmtree(kept.folder)
        if room == "read-only":
            subprocess.run(["mount", "-n", "-o", "remount,ro", oci.root], check=True)
        else:
            with pytest.raises(OSError), open(oci.root / "filler", "wb", buffering=0) as filler:
                while filler.write(bytes(1 << 16)):
                    pass
        done = oci.ok("exec", name, "/probe", call("userfaultfd", 0))
        assert done.facts()["userfaultfd"] == TRUE
        assert not kept.folder.exists()
        if room == "read-only":
            subprocess.run(["mount", "-n", "-o", "remount,rw", oci.root], check=True)
        oci.delete(name, "--force")


def test_rootless_keeps_its_own_and_root_does_not_believe_it(
        rootless, runsafe, single, probe):  # noqa: F811  pylint: disable=redefined-outer-name
    """A user's folder is his: whoever else uses it, as root may, compiles."""
    single.set("linux.seccomp", profile())
    kept = Kept(rootless.root)
    oci = rootless.with_options("--policy", "oci")
    for expected in (TRUE, TRUE):
        assert run_probe(oci, single, probe, call("userfaultfd", 0))["userfaultfd"] == expected
    assert kept.file.stat().st_uid == kept.folder.stat().st_uid == test_rootless.UID
    inode = kept.file.stat().st_ino
    data = kept.forge().read_bytes()
    assert run_probe(oci, single, probe, call("userfaultfd", 0))["userfaultfd"] == FORGED
    theirs = runsafe.with_options("--policy", "oci")
    theirs.root = rootless.root
    assert run_probe(theirs, single, probe, call("userfaultfd", 0))["userfaultfd"] == TRUE
    assert (kept.file.read_bytes(), kept.file.stat().st_ino) == (data, inode)
