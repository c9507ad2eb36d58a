"""docs/podman.md, troubleshooting: what is read when an image meets the default policy, and the one
line that helps."""

import os
import pathlib
import re
import shutil
import socket

import pytest

import rootless
from engines import has_limits, run

# The whole of this Debian 13, for programs that the images do not have.
USR = ("-v", "/usr:/usr:ro")
ENTRYPOINT = ["allow=root", "allow=capability=CAP_CHOWN,CAP_DAC_OVERRIDE,CAP_FOWNER,CAP_SETGID,"
              "CAP_SETUID"]


class Symptom:
    """A container that fails with a text, or works once something is said."""

    def __init__(self, podman):
        self.podman = podman

    def run(self, script, *options, image="busybox", flags=(), runtime="runsafe",
            network="--network=none"):
        words = ("sh", "-c", script) if isinstance(script, str) else script
        return self.podman("run", "--rm", network, *options, self.podman.image(image), *words,
                           flags=flags, runtime=runtime, check=False)

    def says(self, text, script, *options, **more):
        done = self.run(script, *options, **more)
        assert done.status != 0 and text in done.out + done.err, done
        return done

    def works(self, script, *options, **more):
        done = self.run(script, *options, **more)
        assert done.status == 0, done
        return done.text


@pytest.fixture(scope="module")
def symptom(podman_root):
    yield Symptom(podman_root)
    podman_root.clean()


@pytest.fixture(scope="module")
def max_symptom():
    """The same without root."""
    one = rootless.make("max", 1005)
    yield Symptom(one)
    one.clean()
    one.stop()


# --- who it is

def test_an_entrypoint_changes_owners(symptom):
    script = "touch /tmp/x && chown 55 /tmp/x && echo changed"
    symptom.says("chown: /tmp/x: Operation not permitted", script)
    assert symptom.works(script, flags=ENTRYPOINT) == "changed"


def test_an_entrypoint_gives_root_up(symptom):
    script = "setpriv --reuid 33 --regid 33 --clear-groups id -u"
    symptom.says("Operation not permitted", script, image="debian")
    assert symptom.works(script, image="debian", flags=ENTRYPOINT) == "33"
    # Better: be that user from the beginning.
    assert symptom.works("id -u", "--user=www-data", image="debian") == "33"


def test_su_and_sudo(symptom):
    script = ("su", "-c", "id -u")
    symptom.says("Authentication failure", script, image="debian")
    assert symptom.works(script, image="debian", flags=["policy=oci"]) == "0"


def test_exec_as_root_is_the_containers_user(symptom):
    podman = symptom.podman
    try:
        podman("run", "-d", "--name=plain", "--network=none", podman.image("busybox"), "sleep",
               "100", runtime="runsafe")
        podman("run", "-d", "--name=root", "--network=none", podman.image("busybox"), "sleep",
               "100", runtime="runsafe", flags=["allow=root"])
        assert podman("exec", "-u", "root", "plain", "id", "-u").text == "1000"
        assert podman("exec", "-u", "root", "root", "id", "-u").text == "0"
    finally:
        podman("rm", "-f", "-t0", "plain", "root")


def test_privileged_gives_nothing(symptom):
    script = "ip link set lo mtu 1400 && echo set"
    symptom.says("Operation not permitted", script, "--privileged")
    assert symptom.works(script, flags=["allow=capability=CAP_NET_ADMIN"]) == "set"


def test_packages_are_installed_when_it_starts(symptom):
    script = ("dpkg", "--configure", "-a")
    symptom.says("dpkg: error: requested operation requires superuser privilege", script,
                 image="debian")
    symptom.works(script, image="debian", flags=["policy=oci"])


# --- where it can write

def test_the_rootfs_can_not_be_written(symptom):
    script = "touch /var/www/page && echo written"
    symptom.says("touch: /var/www/page: Read-only file system", script)
    assert symptom.works(script, "--tmpfs=/var/www") == "written"
    assert symptom.works(script, "--annotation=io.runsafe.tmpfs=/var/www") == "written"


def test_the_rootfs_of_another_user_can_be_let_written(symptom):
    script = "touch /home/app/x && echo written"
    symptom.says("Read-only file system", script)
    # Not by 1000, who owns nothing there.
    symptom.says("Permission denied", script, flags=["allow=rootfs-writable"])
    assert symptom.works(script, flags=["allow=rootfs-writable", *ENTRYPOINT]) == "written"


def test_a_volume_belongs_to_somebody_else(symptom):
    script = "touch /data/x && echo written"
    assert symptom.works(script, "-v=symptom-new:/data") == "written"
    symptom.run("touch /data/old", "-v=symptom:/data", runtime="runsafe-oci")
    done = symptom.says("touch: /data/x: Permission denied", script, "-v=symptom:/data")
    line = next(line for line in done.err.splitlines() if line.startswith("runsafe: "))
    assert "/data: the volume belongs to 0:0 (mode 0755), and this workload, 1000:1000" in line
    run("sh", "-c", line.rpartition("on the host: ")[2])
    assert symptom.works(script, "-v=symptom:/data") == "written"
    # Or, each time: Podman does it, and has to know the user.
    assert symptom.works(script, "--user=1001:1001", "-v=symptom:/data:U") == "written"


def test_a_rootless_volume_belongs_to_somebody_else(max_symptom):
    """Its ids are those of the user's namespace, so the line goes through podman unshare."""
    script = "touch /data/x && echo written"
    assert max_symptom.works(script, "-v=symptom-new:/data") == "written"
    max_symptom.run("touch /data/old", "-v=symptom:/data", runtime="runsafe-oci")
    done = max_symptom.says("touch: /data/x: Permission denied", script, "-v=symptom:/data")
    line = next(line for line in done.err.splitlines() if line.startswith("runsafe: "))
    command = line.rpartition("on the host: podman ")[2].split()
    assert command[:3] == ["unshare", "chown", "-hR"], line
    max_symptom.podman(*command)
    assert max_symptom.works(script, "-v=symptom:/data") == "written"


def test_a_folder_of_the_host_is_somebodys(symptom):
    path = pathlib.Path("/tmp/somebodys")  # tmpfs, which knows :idmap
    path.mkdir(mode=0o755)
    os.chown(path, 1234, 1234)
    script = "touch /data/x && echo written"
    symptom.says("Permission denied", script, f"-v={path}:/data")
    assert symptom.works(script, f"-v={path}:/data", "--user=1234:1234") == "written"
    idmap = "idmap=uids=1234-1000-1;gids=1234-1000-1"
    symptom.works("touch /data/mapped", f"-v={path}:/data:{idmap}")
    assert (path / "mapped").stat().st_uid == 1234


def test_a_program_in_tmp_can_not_be_executed(symptom):
    script = "cp /bin/busybox /tmp/echo && /tmp/echo run"
    symptom.says("/tmp/echo: Permission denied", script)
    assert symptom.works(script, "--tmpfs=/tmp:exec") == "run"
    assert symptom.works(script, flags=["allow=tmpfs=/tmp:exec"]) == "run"


def test_tmp_is_full(symptom):
    """Half of the memory limit; the annotation can give no more than there is."""
    script = "dd if=/dev/zero of=/tmp/x bs=1M count=600 2>&1 && echo written"
    symptom.says("No space left on device", script)
    assert symptom.works(script, "--memory=2g").endswith("written")


# --- what it shares with the host

@pytest.mark.parametrize("namespace, words", [
    ("network", "there is no network namespace"), ("pid", "there is no pid namespace"),
    ("ipc", "there is no ipc namespace"),
])
def test_namespaces_of_the_host(symptom, namespace, words):
    options = [f"--{namespace}=host"]
    network = options.pop() if namespace == "network" else "--network=none"
    symptom.says(words, "echo in", *options, network=network)
    assert symptom.works("echo in", *options, network=network,
                         flags=[f"allow=host-{namespace}"]) == "in"


def test_the_hosts_root_is_mounted(symptom):
    symptom.says("say `--allow bind=/`", "ls /host", "-v=/:/host")
    assert "etc" in symptom.works("ls /host", "-v=/etc:/host/etc")


def test_podmans_socket_is_mounted(symptom):
    path = pathlib.Path("/run/podman/podman.sock")
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        symptom.says("who can write to that is root on the host", "true", f"-v={path}:{path}")
        assert symptom.works(f"test -S {path} && echo there", f"-v={path}:{path}",
                             flags=[f"allow=bind={path}"]) == "there"
    path.unlink()


def test_a_device(symptom):
    script = "exec 3<>/dev/fuse && echo open"
    symptom.says("/dev/fuse: Permission denied", script, "--device=/dev/fuse")
    assert symptom.works(script, "--device=/dev/fuse", flags=["allow=device=/dev/fuse"]) == "open"


# --- what the kernel lets it do

def test_ports_below_1024_work(symptom):
    assert symptom.works("httpd -p 80 && echo serves") == "serves"


def test_ping_wants_a_raw_socket(symptom):
    ping = ("ping", "-c1", "127.0.0.1")
    symptom.says("ping: permission denied (are you root?)", ping)
    symptom.works(ping, flags=["allow=capability=CAP_NET_RAW"])
    # Most need none, and work as they are, although Podman's settings let root's group alone.
    symptom.works(ping, *USR, image="debian")
    symptom.works(ping, *USR, "--sysctl=net.ipv4.ping_group_range=0 0", image="debian")


def test_a_program_with_file_capabilities(symptom):
    path = pathlib.Path("/srv/setcap")
    path.mkdir()
    shutil.copy("/usr/bin/busybox", path / "chown")
    run("setcap", "cap_chown+ep", path / "chown")
    script = "touch /tmp/x && /prog/chown 55 /tmp/x && echo changed"
    symptom.says("Operation not permitted", script, f"-v={path}:/prog")
    assert symptom.works(script, f"-v={path}:/prog",
                         flags=["allow=capability=CAP_CHOWN"]) == "changed"


def test_strace_and_debuggers(symptom):
    strace = ("strace", "-o", "/tmp/trace", "true")
    symptom.says("PTRACE_TRACEME: Operation not permitted", strace, *USR, image="debian")
    symptom.works(strace, *USR, image="debian", flags=["allow=seccomp=ptrace"])


def test_a_system_call_is_refused(symptom):
    """The engine's own profile is beside ours: seccomp=unconfined takes away the engine's only."""
    script = ("unshare", "-U", "true")
    symptom.says("Operation not permitted", script, image="debian")
    symptom.says("Operation not permitted", script, "--security-opt=seccomp=unconfined",
                 image="debian")
    symptom.works(script, "--security-opt=seccomp=unconfined", image="debian",
                  flags=["policy=oci"])


def test_mounting(symptom):
    symptom.says("mount: permission denied", "mount -t tmpfs none /mnt", "--cap-add=SYS_ADMIN")
    symptom.works("mkdir /mnt; mount -t tmpfs none /mnt", "--cap-add=SYS_ADMIN",
                  flags=["policy=oci"])


def test_a_kernel_setting(symptom):
    name = "net.ipv4.conf.all.forwarding"
    path = "/proc/sys/" + name.replace(".", "/")
    symptom.says("Read-only file system", f"echo 1 >{path}")
    assert symptom.works(f"cat {path}", f"--sysctl={name}=1") == "1"


# --- Podman itself

def test_podman_does_not_know_the_name(symptom):
    done = symptom.run("id", runtime="runsafe-else")
    assert done.status == 125 and 'default OCI runtime "runsafe-else" not found' in done.err
    # Without containers.conf, by the program's path.
    assert symptom.works("id -u", runtime="/usr/local/bin/runsafe") == "1000"


def test_the_settings_of_the_page_work(max_symptom):
    """docs/podman.md's containers.conf.d: Podman's own defaults stay beside it."""
    podman = max_symptom.podman
    page = (pathlib.Path(__file__).parent.parent.parent / "docs/podman.md").read_text()
    conf = podman.home / ".config/containers/containers.conf.d/runsafe.conf"
    run(*podman.prefix, "mkdir", "-p", conf.parent)
    conf.write_text(re.search(r"```toml\n(.*?)```", page, re.S).group(1))
    env = {name: value for name, value in podman.env.items() if name != "CONTAINERS_CONF"}

    def run_it(*words):
        return run(*podman.prefix, "podman", *podman.options, *words, env=env, cwd="/")

    for runtime, uid in ((), "1000"), (("--runtime=runsafe-oci",), "0"), (("--runtime=crun",), "0"):
        done = run_it(*runtime, "run", "--rm", "--network=none", podman.image("busybox"), "id",
                      "-u")
        assert done.text == uid
    # pasta would copy what routes other engines left, and fail.
    run_it("--runtime=crun", "pod", "create", "--network=none", "--name=mixed")
    pod = ("run", "--rm", "--pod=mixed", podman.image("busybox"), "id", "-u")
    assert run_it("--runtime=crun", *pod).text == "0"
    assert run_it(*pod).text == "1000"


def test_an_annotation_is_refused(symptom):
    symptom.says("annotations.io.runsafe.root: not accepted", "id",
                 "--annotation=io.runsafe.root=true")
    symptom.works("id", flags=["allow=root"])


def test_a_relaxation_that_lasts_has_a_name(symptom):
    """A symlink runsafe-NAME, and /etc/runsafe/NAME.json: Podman keeps the runtime's name."""
    podman = symptom.podman
    link, policy = pathlib.Path("/usr/local/bin/runsafe-web"), pathlib.Path("/etc/runsafe/web.json")
    policy.parent.mkdir(exist_ok=True)
    policy.write_text('{"extends": "default", "rootfs": {"tmpfs": {"/var/www": {"exec": true}}}}')
    link.symlink_to("/opt/runsafe/runsafe")
    try:
        flags = [] if has_limits() else ["cgroup=available"]
        podman("run", "-d", "--name=c", "--network=none", podman.image("busybox"), "sleep", "100",
               runtime=link, flags=flags)
        podman("restart", "-t0", "c", flags=flags)
        script = "cp /bin/busybox /var/www/echo && /var/www/echo run"
        assert podman("exec", "c", "sh", "-c", script).text == "run"
    finally:
        podman("rm", "-f", "-t0", "c")
        link.unlink()
        policy.unlink()


# --- without root

def test_a_rootless_users_own_folder(max_symptom):
    home = pathlib.Path("/home/max/files")
    home.mkdir()
    os.chown(home, 1005, 1005)
    script = "touch /data/x && echo written"
    max_symptom.says("touch: /data/x: Permission denied", script, f"-v={home}:/data")
    assert max_symptom.works(script, f"-v={home}:/data",
                             "--userns=keep-id:uid=1000,gid=1000") == "written"
    assert (home / "x").stat().st_uid == 1005


def test_a_rootless_user_has_no_cgroup_of_his_own(max_symptom):
    """Where it works: test_podman_systemd.py, a user's own manager."""
    podman = max_symptom.podman
    done = podman("--runtime=/opt/runsafe/runsafe", "run", "--rm", "--network=none",
                  podman.image("busybox"), "id", check=False)
    assert done.status == 126 and "a cgroup that was delegated to you" in done.err
    assert max_symptom.works("id -u", flags=["cgroup=available"]) == "1000"


def test_a_rootless_checkpoint(max_symptom):
    """Podman's own rule, whatever the runtime."""
    podman = max_symptom.podman
    try:
        podman("run", "-d", "--name=c", "--network=none", podman.image("busybox"), "sleep", "100")
        done = podman("container", "checkpoint", "c", check=False)
        assert "checkpointing a container requires root" in done.err
    finally:
        podman("rm", "-f", "-t0", "c")


def test_groups_of_the_caller_are_not_kept(max_symptom):
    """crun reads an annotation for that, and an image could bring it."""
    run("groupadd", "-g", "4321", "shared")
    run("usermod", "-aG", "shared", "max")
    folder = pathlib.Path("/srv/shared")
    folder.mkdir()
    os.chown(folder, 0, 4321)
    folder.chmod(0o770)
    script = "touch /data/x && echo written"
    max_symptom.says("Permission denied", script, f"-v={folder}:/data", "--group-add=keep-groups")
    # The group's own subordinate id, or the folder's owner.
    os.chown(folder, 1005, 4321)
    assert max_symptom.works(script, f"-v={folder}:/data",
                             "--userns=keep-id:uid=1000,gid=1000") == "written"


# --- what was done, and for how long

def test_a_relaxation_is_gone_after_a_restart(symptom):
    """Podman keeps the runtime's name with a container, and not --runtime-flag."""
    podman = symptom.podman
    try:
        podman("run", "-d", "--name=c", "--network=none", podman.image("busybox"), "sleep", "100",
               flags=["allow=root"])
        assert podman("exec", "c", "id", "-u").text == "0"
        podman("restart", "-t0", "c")
        assert podman("exec", "c", "id", "-u").text == "1000"
        podman("stop", "-t0", "c")
        podman("start", "c", flags=["allow=root"])
        assert podman("exec", "c", "id", "-u").text == "0"
    finally:
        podman("rm", "-f", "-t0", "c")


def test_what_was_changed_for_a_container(symptom, max_symptom):
    """runsafe check, of root's containers and, in podman unshare, of one's own."""
    for podman, words in ((symptom.podman, ()), (max_symptom.podman, ("unshare",))):
        try:
            podman("run", "-d", "--name=c", "--network=none", podman.image("busybox"), "sleep",
                   "100")
            check = ("runsafe", "check", podman("inspect", "-f", "{{.Id}}", "c").text)
            done = podman(*words, *check, check=1) if words else run(*check, check=1)
            assert "process.user: uid 0 (root): made 1000:1000 (policy default)" in done.out
        finally:
            podman("rm", "-f", "-t0", "c")
