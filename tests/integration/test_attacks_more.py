"""What an attacker tries with what came later: exec, restore, the notify socket, a state folder of
his own, descriptors. Each test is an attack that was tried by hand first."""

import json
import os
import subprocess

import pytest

import harness
import workload

# --- descriptors

@pytest.mark.parametrize("way", ["--preserve-fds", "LISTEN_FDS"])
@pytest.mark.parametrize("command", ["run", "exec"])
def test_descriptors_beyond_the_callers_are_not_the_runtimes(runsafe, bundle, folder, command, way):
    """CVE-2024-21626: a number larger than what was handed over must not let the runtime's own
    through."""
    options, env = ("--preserve-fds", "500"), dict(os.environ)
    if way == "LISTEN_FDS":
        options, env = (), dict(os.environ, LISTEN_FDS="500")
    script = ["ls", "/proc/self/fd"]
    if command == "run":
        done = runsafe.run(bundle.args(*script), *options, env=env)
    else:
        name = runsafe.running(bundle)
        done = runsafe("exec", *options, name, *script, env=env)
    assert done.lines == ["0", "1", "2", "3"], done  # 3: ls has the folder open


SPY = """#!/usr/bin/python3
import os, pathlib, sys
found = {n: os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
         if os.path.exists(f"/proc/self/fd/{n}")}
pathlib.Path(os.environ["SPY"]).write_text(repr(found))
"""


def spy(folder, name):
    """A program of that name in a folder of its own: PATH, and where it says what it had open."""
    place = folder / "spies"
    place.mkdir(exist_ok=True)
    (place / name).write_text(SPY)
    (place / name).chmod(0o755)
    said = folder / "said"
    return dict(os.environ, PATH=f"{place}:{os.environ['PATH']}", SPY=str(said)), said


@pytest.mark.parametrize("program, command", [
    ("ps", ["ps"]), ("criu", ["checkpoint", "--image-path", "IMAGES"])])
def test_programs_of_the_host_get_no_descriptor_of_the_runtime(runsafe, bundle, folder, program,
                                                               command):
    name = runsafe.running(bundle)
    env, said = spy(folder, program)
    words = [str(folder / "images") if w == "IMAGES" else w for w in command]
    runsafe(*words, name, env=env)
    found = eval(said.read_text())
    more = {n: what for n, what in found.items()
            if int(n) > 2 and "/proc/" not in what and not what.startswith("socket:")}
    assert not more, found


# --- restore: what lies in a folder of images is what somebody sent

FAKE_CRIU = """#!/usr/bin/python3
import ctypes, os, socket, sys, time
sock = socket.socket(fileno=int(sys.argv[2]))
sock.recv(65536)
ids = [[int(n) for n in word.split(",") if n] for word in os.environ.get("IDS", "").split(":")]
if len(ids) == 3:
    assert ctypes.CDLL(None).unshare(0x6e020000) == 0  # all namespaces but user and time
ready, done = os.pipe()
pid = os.fork()
if pid == 0:
    sock.close()
    if len(ids) == 3:
        os.setgroups(ids[2])
        os.setresgid(*ids[1] * 3)
        os.setresuid(*ids[0] * 3)
    os.execvp("sleep", ["sleep", "1000"])
os.close(done)
os.read(ready, 1)  # until it has executed that
number, varint = pid, b""
while number > 127:
    varint += bytes([number & 127 | 128])
    number >>= 7
varint += bytes([number])
inner = b"\\x08" + varint
def notify(script):
    inside = b"\\x0a" + bytes([len(script)]) + script + b"\\x10" + varint
    return b"\\x08\\x06\\x10\\x01\\x2a" + bytes([len(inside)]) + inside
for script in os.environ.get("SCRIPTS", "").encode().split():
    sock.send(notify(script))
    sock.recv(65536)
sock.send(b"\\x08\\x02\\x10\\x01\\x22" + bytes([len(inner)]) + inner)
time.sleep(1000)
"""


@pytest.fixture
def fake_criu(folder):
    """An environment with a criu that says what it was not asked for."""
    place = folder / "programs"
    place.mkdir()
    (place / "criu").write_text(FAKE_CRIU)
    (place / "criu").chmod(0o755)
    return dict(os.environ, PATH=f"{place}:{os.environ['PATH']}")


@pytest.fixture
def images(folder):
    place = folder / "images"
    place.mkdir()
    (place / "descriptors.json").write_text('["", "", ""]')
    (place / "inventory.img").write_bytes(b"")
    return place


def restore(runsafe, bundle, images, *options):
    return "restore", "-d", "-b", bundle.path, "--image-path", images, *options, runsafe.id()


@pytest.mark.parametrize("scripts", ["", "post-resume", "pre-restore setup-namespaces"])
def test_what_criu_restored_without_letting_us_look_is_killed(oci, plain, images, fake_criu, scripts):
    """Fail open: success without the moment ("pre-resume") at which the processes are verified."""
    oci.fails(*restore(oci, plain, images), env=dict(fake_criu, SCRIPTS=scripts),
              words=["criu"])
    assert oci.ids() == []


@pytest.mark.parametrize("ids, word", [
    ("0:1000:", "as root"), ("1000:0:", "root's group"), ("1000:1000:5,0", "root's group"),
    ("1000:1000:5", "no_new_privs")])
def test_ids_of_root_do_not_come_with_the_images(runsafe, bundle, images, fake_criu, ids, word):
    """The policy is applied again: neither root nor root's group, whatever was checkpointed."""
    workload.as_engine(bundle).set("process.user.additionalGids", [0])
    runsafe.fails(*restore(runsafe, bundle, images), words=["less protected", word],
                  env=dict(fake_criu, SCRIPTS="pre-resume", IDS=ids))
    assert runsafe.ids() == []


def test_what_criu_leaves_in_the_hosts_namespaces_gets_no_sysctl_of_the_container(
        runsafe, bundle, images, fake_criu):
    """Sysctls are written where the restored process is: only after it was seen to be elsewhere.
    Here namespaces of the test's own stand for the host's."""
    files = "/proc/sys/net/ipv4/ping_group_range /proc/sys/vm/memfd_noexec"
    command = runsafe.command(*restore(runsafe, bundle, images))
    done = subprocess.run(
        ["unshare", "--net", "--pid", "--fork", "--mount-proc", "sh", "-c",
         f'cat {files}; "$@"; cat {files}', "sh", *map(str, command)], capture_output=True,
        text=True, env=dict(fake_criu, SCRIPTS="pre-resume"), check=False)
    assert "less protected" in done.stderr, done
    lines = done.stdout.splitlines()
    assert lines[:len(lines) // 2] == lines[len(lines) // 2:] and lines[0] == "1\t0", done


@pytest.mark.parametrize("name", ["pages-1.img", "descriptors.json", "core-1.img"])
def test_an_image_that_is_a_link_to_a_file_of_the_host_is_refused(oci, plain, images, folder,
                                                                  fake_criu, name):
    """pages-1.img -> /etc/shadow: criu would put the file into the memory of a process."""
    secret = folder / "secret"
    secret.write_text('["of the host", "", ""]')
    (images / name).unlink(missing_ok=True)
    (images / name).symlink_to(secret)
    oci.fails(*restore(oci, plain, images), env=dict(fake_criu, SCRIPTS="pre-resume"),
              words=["--image-path", name, "symbolic link"])


def test_images_of_a_pre_dump_are_looked_at_too(oci, plain, images, folder, fake_criu):
    """criu's own link "parent" leads to more of them."""
    before = folder / "before"
    before.mkdir()
    (before / "pages-1.img").symlink_to("/etc/hostname")
    (images / "parent").symlink_to("../before")
    oci.fails(*restore(oci, plain, images), env=dict(fake_criu, SCRIPTS="pre-resume"),
              words=["--image-path", "parent/pages-1.img", "symbolic link"])


@pytest.mark.parametrize("kind", ["link", "hard link", "fifo"])
@pytest.mark.parametrize("name", ["restore.log", "stats-restore"])
def test_a_log_that_leads_elsewhere_is_not_written(oci, plain, images, folder, fake_criu, name,
                                                   kind):
    """restore.log -> /etc/passwd among the images: criu would empty the file."""
    victim = folder / "victim"
    victim.write_text("of the host")
    if kind == "link":
        (images / name).symlink_to(victim)
    elif kind == "hard link":
        os.link(victim, images / name)
    else:
        os.mkfifo(images / name)
    oci.fails(*restore(oci, plain, images), env=dict(fake_criu, SCRIPTS="pre-resume"),
              words=[name])
    assert victim.read_text() == "of the host"


# --- a state folder that somebody else can write to

@pytest.mark.parametrize("kind", ["folder", "folder of a file"])
def test_a_state_folder_that_another_user_made_is_not_used(oci, plain, kind):
    """Who owns it could exchange what root puts there (a socket that is to be made 0777, FIFOs)."""
    name = oci.id()
    place = oci.root / name
    place.mkdir(parents=True)
    if kind != "folder":
        (place / "gate").write_text("")
    os.chown(place, 1000, 1000)
    oci.fails("create", "-b", plain.path, name, words=[name, "another user"])
    os.chown(place, 0, 0)
    for file in place.iterdir():
        file.unlink()
    place.rmdir()


def test_the_state_of_another_container_is_not_this_ones(oci, plain):
    """ROOT/b that was a: kill b must not end a."""
    name = oci.running(plain)
    other = oci.id()
    (oci.root / name).rename(oci.root / other)
    try:
        oci.fails("kill", other, "KILL", words=[other, name])
        oci.fails("exec", other, "true", words=[other, name], status=255)
        oci.fails("delete", "--force", other, words=[other, name])
    finally:
        (oci.root / other).rename(oci.root / name)
    assert oci.status(name) == "running"


# --- the runtime's own file

def is_sealed(pid):
    """Whether nobody can write to the program that the process runs, whatever it is allowed to, or
    it has the stub, which will execute the workload."""
    flags = os.statvfs(f"/proc/{pid}/exe").f_flag
    fds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return (bool(flags & os.ST_RDONLY) or os.readlink(f"/proc/{pid}/exe").startswith("/memfd:")
            or STUB in fds)


STUB = "/memfd:runsafe (deleted)"


def test_the_runtimes_file_is_sealed_where_a_set_user_id_program_makes_its_owner(oci, plain):
    """CVE-2019-5736 by two: a user keeps /proc/self/exe open, a set-user-ID program of the image
    writes to it, as root without any capability."""
    plain.cap().config["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert is_sealed(oci.state(oci.create(plain.write()))["pid"])
    plain.set("process.noNewPrivileges", True)
    assert not is_sealed(oci.state(oci.create(plain))["pid"])


@pytest.mark.parametrize("host", [0, 100000])
def test_the_runtimes_file_is_sealed_where_a_capability_reaches_its_owner(oci, plain, host):
    """CVE-2019-5736 in a user namespace: a user who is not root, but may become root or pass over
    modes (CAP_DAC_OVERRIDE counts where the owner is mapped, capabilities(7))."""
    plain.namespace("user").cap("CAP_DAC_OVERRIDE")
    plain.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    mapping = [{"containerID": 0, "hostID": host, "size": 65536}]
    plain.set("linux.uidMappings", mapping).set("linux.gidMappings", mapping)
    for folder, names, files in os.walk(plain.rootfs):
        for name in [folder, *(os.path.join(folder, n) for n in names + files)]:
            os.lchown(name, host, host)
    name = oci.create(plain)
    assert os.stat(os.path.realpath(harness.RUNSAFE)).st_uid == 0
    assert is_sealed(oci.state(name)["pid"]) or host != 0


# --- what the joiner shows of the host

@pytest.fixture(scope="session")
def looker(tmp_path_factory):
    """A program that looks at the arguments and environment of all that comes."""
    return workload.build_probe("look", tmp_path_factory.mktemp("look")).read_bytes()


@pytest.mark.parametrize("policy", ["default", "oci"])
def test_the_joiner_shows_neither_the_runtimes_arguments_nor_its_environment(
        runsafe, bundle, plain, looker, policy):
    """/proc/PID/cmdline is for all to read; environ for CAP_SYS_ADMIN (perfmon_capable())."""
    program = runsafe.with_options("--policy", policy)
    bundle.file("/bin/look", looker, 0o755)
    name = program.create(bundle.args("/bin/look"))
    program.start(name)
    assert harness.wait_for(lambda: "up" in program.output(name))
    process = bundle.path / "of-the-host.json"
    process.write_text(json.dumps(dict(bundle.config["process"], args=["/bin/true"])))
    for _ in range(15):
        program.ok("exec", "--process", process, name, env=dict(os.environ, TOKEN="of-the-host"))
    seen = set(program.output(name).split()[1:])
    assert not seen


# --- what is left on the host

def test_a_tmpfs_on_a_volume_leaves_the_host_no_folder_that_everybody_may_write(oci, bundle, folder):
    volume = folder / "volume"
    volume.mkdir()
    bundle.mount(destination="/opt", type="bind", source=str(volume), options=["rbind", "rw"])
    for name, options in (("cache", []), ("copied", ["tmpcopyup"])):
        bundle.mount(destination=f"/opt/a/{name}", type="tmpfs", source="tmpfs", options=options)
    assert oci.sh(bundle, "stat -c %a /opt/a/cache /opt/a/copied").out == "1777\n1777\n"
    for name in ("cache", "copied"):
        assert (volume / "a" / name).stat().st_mode & 0o7777 == 0o755
