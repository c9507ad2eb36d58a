"""docker run's options: each means under runsafe what it means under runc, as far as the policy goes."""

import os
import pathlib

import pytest

import docker as docker_module
import snapshot
from docker import name_of
from engines import run, status_in, wait_for
from test_docker_run import ID, sh

OURS = ("runsafe-oci", "own")
PLAIN = pytest.param([], id="plain")


@pytest.fixture
def source(folder):
    """A folder to bind, with a file and a folder that everybody may write to."""
    (folder / "f").write_text("hello\n")
    (folder / "passwd").write_text("root:x:0:0::/of/root:/bin/sh\n")
    (folder / "w").mkdir()
    (folder / "w").chmod(0o777)
    return folder


@pytest.mark.parametrize("options", [
    PLAIN,
    pytest.param(["-t"], id="terminal"),
    pytest.param(["--privileged"], id="privileged"),
    pytest.param(["--init", "-i", "--user", "65534:65533", "--group-add", "42", "--cap-drop", "ALL",
                  "--cap-add", "NET_BIND_SERVICE", "--security-opt", "no-new-privileges"],
                 id="user"),
    pytest.param(["--read-only", "--tmpfs", "/t:uid=7,mode=0750,size=1m", "--mount",
                  "type=tmpfs,dst=/u,tmpfs-mode=0700,tmpfs-size=2m", "-v", "named:/v", "-v",
                  "SOURCE:/b:ro", "--shm-size", "2m", "--workdir", "/w/x"], id="mounts"),
    pytest.param(["--ulimit", "nofile=100:200", "--ulimit", "core=0", "--ulimit", "nproc=500",
                  "--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.msgmax=1000",
                  "--oom-score-adj", "500", "--device", "/dev/zero:/dev/foo:r", "--hostname", "box",
                  "--domainname", "some.where", "-e", "A=b"], id="limits"),
    pytest.param(["--security-opt", "seccomp=unconfined", "--security-opt",
                  "systempaths=unconfined", "--cap-add", "ALL", "--network", "none", "--ipc",
                  "none", "--user", "1000"],
                 id="unconfined"),
    pytest.param(["-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "--cgroupns", "host", "-v",
                  "SOURCE:/dev/shm", "--tmpfs", "/dev/foo", "-v", "SOURCE/f:/etc/hosts", "-v",
                  "SOURCE/passwd:/etc/passwd", "-e", "HOME=", "-v", "/dev/null:/etc/hostname"],
                 id="over-others"),
    pytest.param(["--network", "host", "--pid", "host", "--ipc", "host", "--uts", "host",
                  "--cgroupns", "host", "--userns", "host"], id="host"),
])
def test_policy_oci_looks_from_inside_as_runc_does(docker, source, options):
    """Status, mounts, ids, environment, limits, devices, descriptors, sysctls, what can be written."""
    docker.image("busybox")
    options = [word.replace("SOURCE", str(source)) for word in options]
    if "--hostname" not in options and "host" not in options:
        options += ["--hostname", "box"]

    def look(runtime):
        return snapshot.parse(docker("run", "--rm", "--runtime", runtime, *options, "busybox", "sh",
                                     "-c", snapshot.SCRIPT).out)

    runcs, ours = look("runc"), look("runsafe-oci")
    for section, lines in runcs.items():
        assert ours[section] == lines, section


def test_binds_and_volumes(docker, runtime, source):
    """-v and --mount: rw, ro and all below it, a file, :z, a missing source; named volumes, filled from
    the image or not, a part of one, a later container's."""
    docker.image("debian")
    (source / "below").mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", source / "below")
    (source / "below").chmod(0o777)
    try:
        done = sh(docker, runtime, "-v", f"{source}:/rw", "-v", f"{source}:/ro:ro,z", "-v",
                  f"{source}/f:/etc/f:ro", "-v", f"{source}/new:/new", "--mount",
                  f"type=bind,src={source},dst=/forced,readonly,bind-propagation=rprivate,"
                  "bind-recursive=readonly", "--mount",
                  f"type=bind,src={source},dst=/alone,bind-recursive=disabled", script="""
                      cat /rw/f /etc/f; ls -A /new /alone/below; echo made >/rw/w/made; echo made >/rw/below/made
                      for f in /ro/w/x /ro/below/x /forced/below/x /etc/f; do echo x 2>/dev/null >$f; done
                      cat /ro/w/made /forced/below/made; touch /alone/w/x && echo alone""")
    finally:
        run("umount", source / "below")
    assert done.text.split() == ["hello", "hello", "/alone/below:", "/new:", "made", "made",
                                 "alone"], done
    assert (source / "w/made").read_text() == "made\n" and (source / "new").is_dir()

    image = docker.image("debian")
    docker("run", "--rm", "--runtime", "runc", "-v", "data:/data", "-v", "filled:/etc/skel", image,
           "sh", "-c", "mkdir -m 0777 /data/part; echo part >/data/part/f; chown -R 1000 /data")
    done = sh(docker, runtime, "-v", "data:/data", "-v", "filled:/filled", "-v", "other:/etc/skel",
              "-v", "empty:/etc/ssl:nocopy", "--mount",
              "type=volume,src=data,dst=/p,volume-subpath=part,readonly",
              "--mount", "type=volume,dst=/anonymous", image=image, script="""
                  echo mine >/data/mine; ls -A /filled; ls -A /etc/skel; ls -A /etc/ssl; cat /p/f
                  touch /p/g 2>/dev/null; ls /p; stat -c %u /data /etc/skel; ls -A /anonymous""")
    skeleton = [".bash_logout", ".bashrc", ".profile"]
    assert done.text.split() == [*skeleton, *skeleton, "part", "f", "1000", "0"], done
    assert sh(docker, runtime, "-v", "data:/data:ro", script="cat /data/mine").text == "mine"


def test_what_is_mounted_later_reaches_a_slave(docker, runtime, folder):
    """Propagation: rslave and rshared take what the host mounts later, rprivate does not; rshared is a
    slave under the default policy."""
    run("mount", "-t", "tmpfs", "tmpfs", folder)
    run("mount", "--make-shared", folder)
    try:
        (folder / "below").mkdir()
        docker.image("busybox")
        docker("run", "-d", "--name", "one", "--runtime", name_of(runtime), "-v",
               f"{folder}:/s:rslave", "-v", f"{folder}:/p:rprivate", "-v", f"{folder}:/h:rshared",
               "busybox", "sleep", "1000")
        run("mount", "-t", "tmpfs", "tmpfs", folder / "below")
        (folder / "below/f").write_text("later\n")
        done = docker("exec", "one", "sh", "-c", "cat /s/below/f /h/below/f; ls -A /p/below; "
                      "grep -E ' /(s|p|h) ' /proc/self/mountinfo")
        assert done.out.startswith("later\nlater\n"), done
        kinds = {(words := line.split())[4]: words[6].split(":")[0] for line in done.out.splitlines()[2:]}
        assert kinds == {"/s": "master", "/p": "-",
                         "/h": "master" if runtime == "runsafe" else "shared"}
        docker("rm", "-f", "one")
    finally:
        run("umount", "-R", folder)


def test_tmpfs(docker, runtime):
    done = sh(docker, runtime, "--tmpfs", "/t:rw,exec,size=4m,mode=1770,uid=1000,gid=1000",
              "--mount", "type=tmpfs,dst=/u,tmpfs-size=2m,tmpfs-mode=1777", "--tmpfs", "/tmp",
              "--tmpfs", "/run",
              "--read-only", "--shm-size", "3m", script="""
                  stat -c '%n %a %u' /t /u /tmp /run; df -k /t /u /dev/shm | awk '{print $2}'; touch /x || echo kept
                  cp /bin/busybox /t/true && /t/true && echo runs; cp /bin/busybox /u/true 2>/dev/null
                  /u/true 2>/dev/null || echo not; echo >/tmp/x && echo >/run/x && echo >/dev/shm/x && echo all""")
    # What is root's by nobody's word is the workload's under the default policy.
    assert done.out.splitlines() == [
        "/t 1770 1000", f"/u 1777 {ID[runtime]}", f"/tmp 1777 {ID[runtime]}",
        f"/run 1777 {ID[runtime]}", "1K-blocks", "4096", "2048", "3072", "kept", "runs", "not",
        "all"]


def test_users_and_groups(docker, runtime):
    """By name, by number, with a group, with more groups; one that nobody knows is Docker's to refuse."""
    def who(*options, script="id -u; id -g; id -G"):
        return sh(docker, runtime, *options, script=script).out.split("\n")[:-1]

    assert who("-u", "nobody") == ["65534", "65534", "65534"]
    assert who("-u", "1234:56") == ["1234", "56", "56"]
    assert who("-u", "1234:56", "--group-add", "42", "--group-add",
               "nogroup")[2].split()[-2:] == ["42", "65534"]
    done = sh(docker, runtime, "-u", "nosuch", script="id", check=False)
    assert done.status == 125 and "unable to find user nosuch" in done.err


@pytest.mark.parametrize("options", [PLAIN, pytest.param(["--cap-add", "SYS_ADMIN", "--cap-add",
                                                          "NET_ADMIN"],
                                                         id="more")])
def test_policy_oci_filters_the_same_system_calls_as_runc(docker, options):
    """Docker's profile is read with all its conditions: each call gives the same errno under both."""
    image = docker.image("debian")
    program = pathlib.Path(__file__).parent / "syscalls.py"

    def results(runtime):
        done = docker("run", "--rm", "--runtime", runtime, "-v", "/usr:/usr:ro", "-v",
                      f"{program}:/program:ro", *options, image, "python3", "/program")
        return dict(line.split(" ", 1) for line in done.out.splitlines())

    runcs, ours = results("runc"), results("runsafe-oci")
    assert len(runcs) > 350
    assert {n: (runcs[n], ours[n]) for n in runcs if runcs[n] != ours[n]} == {}


@pytest.mark.runtimes(*OURS)
def test_privileges_are_as_asked_for(docker, runtime):
    """--cap-add, --cap-drop, --security-opt: given and taken as written."""
    def status(*options, more="true"):
        done = sh(docker, runtime, *options, script=f"cat /proc/self/status; {more}", check=False)
        return status_in(done.out), done

    plain, done = status("--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "CAP_CHOWN",
                         "--security-opt", "no-new-privileges", "--security-opt", "label=disable",
                         more="ip addr add 10.9.9.9/24 dev lo && echo added; ls /sys/firmware | wc -l")
    assert int(plain["CapEff"], 16) == 1 << 12 | 1 and plain["NoNewPrivs"] == "1"
    assert done.out.endswith("added\n0\n")
    open_, done = status("--security-opt", "seccomp=unconfined", "--security-opt",
                         "apparmor=unconfined",
                         "--security-opt", "systempaths=unconfined", "--cap-add", "ALL", more="""
                         mkdir /m; mount -t tmpfs x /m && unshare -U true && echo free; ls /sys/firmware | wc -l""")
    assert open_["Seccomp"] == "0" and int(open_["CapEff"], 16) == int(open_["CapBnd"], 16)
    assert done.out.split()[-2] == "free" and done.out.split()[-1] != "0"


def test_a_seccomp_profile_of_ones_own(docker, runtime, folder):
    profile = folder / "profile.json"
    profile.write_text('''{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}''')
    done = sh(docker, runtime, "--security-opt", f"seccomp={profile}",
              script="mkdir /tmp/x; touch /tmp/y && echo y", check=False)
    assert "Operation not supported" in done.err and done.text == "y"


def test_limits_and_sysctls(docker, runtime):
    done = sh(docker, runtime, "--ulimit", "nofile=100:200", "--ulimit", "core=0", "--ulimit",
              "nproc=500:600", "--sysctl", "net.ipv4.ip_forward=1", "--sysctl",
              "kernel.msgmax=1000", "--oom-score-adj", "500", "--stop-signal", "USR1",
              script="ulimit -Sn; ulimit -Hn; ulimit -c; ulimit -Su; ulimit -Hu; "
              "cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax /proc/self/oom_score_adj")
    assert done.out.split() == ["100", "200", "0", "500", "600", "1", "1000", "500"]


def test_what_nobody_set_is_no_limit(docker, runtime):
    """Docker writes zeros, -1 and empty lists for it; none of these needs a controller."""
    for options in (["--blkio-weight", "0", "--cpu-shares", "0", "--pids-limit", "0", "--cpus", "0",
                     "--memory", "0", "--memory-swap", "0", "--cpu-quota", "0", "--cpu-period", "0",
                     "--memory-reservation", "0", "--cpuset-cpus", "", "--cpuset-mems", "",
                     "--oom-kill-disable=false", "--cpu-rt-period", "0", "--cpu-rt-runtime", "0",
                     "--shm-size", "0", "--oom-score-adj", "0"],
                    ["--pids-limit", "-1", "--memory-swappiness", "-1", "--memory-swap", "-1",
                     "--ulimit", "nofile=-1:-1"][:6]):
        assert sh(docker, runtime, *options, script="echo started").text == "started"


@pytest.mark.runtimes(*OURS)
def test_devices(docker, runtime):
    """--device with rights and another name; --device-cgroup-rule; what is not there; --gpus."""
    done = sh(docker, runtime, "--device", "/dev/zero:/dev/foo:r", "--device", "/dev/fuse",
              "--device-cgroup-rule", "c 42:* rmw",
              script="head -c 3 /dev/foo | wc -c; stat -c '%F %t:%T' /dev/foo /dev/fuse; "
              "mknod /tmp/x c 42 1 && echo made; cat /tmp/x 2>&1; true")
    assert done.text.split("\n")[:4] == ["3", "character special file 1:5",
                                         "character special file a:e5", "made"]
    # The rule lets it through; there is just no such device.
    assert "No such device" in done.out
    for options in ["--device", "/dev/nosuch"], ["--gpus", "all"]:
        done = sh(docker, runtime, *options, script="true", check=False)
        assert done.status != 0 and ("/dev/nosuch" in done.err or "device driver" in done.err), done


def test_namespaces_of_another_container(docker, runtime):
    """--pid, --ipc and --network container:NAME; --ipc shareable, private and none."""
    docker.image("busybox")
    docker("run", "-d", "--name", "one", "--runtime", name_of(runtime), "--ipc", "shareable",
           "busybox", "sh", "-c", "echo shared >/dev/shm/f; exec sleep 1234")
    done = sh(docker, runtime, "--pid", "container:one", "--ipc", "container:one", "--network",
              "container:one",
              script="cat /dev/shm/f; tr '\\0' ' ' </proc/1/cmdline; readlink /proc/self/ns/pid >/dev/null && hostname")
    assert done.text.split("\n")[0] == "shared" and "sleep 1234" in done.out, done
    assert docker.inspect("one", ".Config.Hostname") in done.out
    done = sh(docker, runtime, "--ipc", "none", script="[ -e /dev/shm ] || echo none")
    assert done.text == "none"
    done = sh(docker, runtime, "--ipc", "private", "--uts", "host", "--cgroupns", "private",
              "--userns", "host",
              script="echo x >/dev/shm/x && grep ^0:: /proc/self/cgroup; hostname")
    assert done.text.split("\n") == ["0::/", run("hostname").text]


@pytest.mark.runtimes(*OURS)
def test_the_hosts_namespaces(docker, runtime):
    done = sh(docker, runtime, "--network", "host", "--pid", "host", "--ipc", "host", "--cgroupns",
              "host",
              script="ls /sys/class/net; cat /proc/[0-9]*/comm; cat /proc/self/cgroup; readlink /proc/self/ns/ipc")
    words = done.out.split()
    assert {"docker0", "dockerd", os.readlink("/proc/self/ns/ipc")} <= set(words)
    assert any(word.startswith("0::/docker/") for word in words)


def test_annotations_and_labels_do_no_harm(docker, runtime):
    done = sh(docker, runtime, "--annotation", "org.example.one=two", "--annotation",
              "run.oci.hooks.stderr=/tmp/x", "--label", "io.runsafe.root=true", script="echo fine")
    assert done.text == "fine"


@pytest.fixture(scope="module")
def remapped():
    """A maker of daemons with a default runtime and userns-remap."""
    for path in "/etc/subuid", "/etc/subgid":
        with open(path, "a", encoding="ascii") as f:
            f.write("remap:200000:65536\n")
    run("useradd", "-r", "remap", check=False)
    # The remapped root has to get through to its layers.
    os.chmod("/var/lib/docker", 0o711)

    def make(folder, runtime):
        return docker_module.Docker(folder, {"userns-remap": "remap",
                                             "default-runtime": name_of(runtime)}).start()

    return make


def test_a_default_runtime_and_remapped_users(remapped, folder, runtime):
    """daemon.json: "default-runtime" and "userns-remap"."""
    docker = remapped(folder, runtime)
    try:
        image = docker.image("busybox")
        assert docker("info", "--format", "{{.DefaultRuntime}}").text == name_of(runtime)
        docker("run", "--rm", "-v", "data:/data", "-u", "0", image, "true")
        docker("run", "-d", "--name", "one", "--shm-size", "1m", "--sysctl",
               "net.ipv4.ip_forward=1", "--device", "/dev/fuse", "-v", "data:/data", image, "sh",
               "-c",
               "id -u; cat /proc/self/uid_map; touch /tmp/x && echo x >/dev/null && echo null; "
               "stat -c %u /proc/self/ /data; exec sleep 1000")
        user = "0" if runtime != "runsafe" else "1000"
        logs = wait_for("its words", lambda: len(t := docker("logs", "one").out.split()) >= 7 and t)
        assert logs[:4] == [user, "0", "200000", "65536"] and logs[-2:] == [user, user], logs
        assert run("stat", "-c", "%u", f"/proc/{docker.pid('one')}").text == str(200000 + int(user))
        done = docker("exec", "one", "id", "-u")
        assert done.text == user
        if runtime == "runsafe-oci":
            inside = [snapshot.parse(docker("run", "--rm", "--runtime", name, "--hostname", "box",
                                            image, "sh", "-c",
                                            snapshot.SCRIPT).out) for name in ("runc", runtime)]
            for sections in inside:
                # The kernel makes it with the IPC namespace: here in one call with the user namespace.
                for name in "dev", "owners":
                    sections[name] = [line for line in sections[name] if "mqueue" not in line]
            assert inside[0] == inside[1]
        done = docker("run", "--rm", "--userns", "host", image, "cat", "/proc/self/uid_map")
        assert done.out.split() == ["0", "0", "4294967295"]
        done = docker("run", "--rm", "--network", "container:one", image, "wget", "-qO-",
                      "http://127.0.0.1:1/", check=False)
        assert "refused" in done.err
    finally:
        docker.clean()
        docker.stop()
