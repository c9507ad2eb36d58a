"""Podman without root: an ordinary user's containers, in his own user namespace."""

import os
import pathlib
import urllib.request

import pytest

import podman as podman_module
import rootless
from engines import assert_hardened, status_in, status_of, wait_for

UID = 1001
FIRST = UID * 100  # of his subordinate ids


@pytest.fixture(scope="module")
def joes():
    one = rootless.make("joe", UID)
    yield one
    one.stop()


@pytest.fixture
def joe(joes):
    """Podman of an ordinary user with subordinate ids. Afterwards nothing of the test is left."""
    yield joes
    joes.clean()


@pytest.fixture
def files(joe, folder):
    """A folder of joe's."""
    path = joe.home / folder.name
    path.mkdir(mode=0o700)
    os.chown(path, UID, UID)
    return path


def owner(path):
    st = path.stat()
    return st.st_uid, st.st_gid


@pytest.mark.runtimes("runsafe")
def test_the_workload_is_1000_of_the_users_namespace_and_has_nothing(joe, runtime):
    """Neither root inside nor the user himself: a subordinate id that owns nothing."""
    image = joe.image("busybox")
    assert joe("run", "--rm", image, "id", runtime=runtime).text == "uid=1000(app) gid=1000(app)"
    joe("run", "-d", "--name", "c", "--privileged", "-u", "root", image, "sleep", "100",
        runtime=runtime)
    assert_hardened(status_of(joe.pid("c")))
    assert status_of(joe.pid("c"))["Uid"].split()[0] == str(FIRST + 999)
    assert_hardened(status_in(joe("exec", "-u", "root", "c", "cat", "/proc/self/status",
                                  runtime=runtime).out))


@pytest.mark.runtimes("runsafe-oci", "own")
def test_root_inside_is_the_user_outside(joe, runtime):
    joe("run", "-d", "--name", "c", joe.image("busybox"), "sleep", "100", runtime=runtime)
    assert joe("exec", "c", "id", "-u", runtime=runtime).text == "0"
    assert status_of(joe.pid("c"))["Uid"].split()[0] == str(UID)


@pytest.mark.parametrize("userns, as_written, hardened", [
    ("host", 0, 1000), ("nomap", 0, 1000), ("auto", 0, 1000), ("keep-id", UID, UID),
    ("keep-id:uid=1000,gid=1000", 1000, 1000),
])
def test_a_user_namespace_of_any_kind(joe, runtime, userns, as_written, hardened):
    """--userns=: root becomes 1000 in each; the user himself stays who he is."""
    done = joe("run", "--rm", f"--userns={userns}", joe.image("busybox"), "id", "-u",
               runtime=runtime)
    assert done.text == str(hardened if runtime == "runsafe" else as_written)


@pytest.mark.runtimes("runsafe")
def test_a_user_namespace_without_1000_is_refused_by_its_name(joe, runtime):
    done = joe("run", "--rm", "--userns=auto:size=500", joe.image("busybox"), "id", check=126,
               runtime=runtime)
    assert "linux.uidMappings: uid 1000" in done.err and "is not mapped" in done.err


def test_networks_with_pasta_and_none(joe, runtime):
    image = joe.image("busybox")
    done = joe("run", "--rm", "--network=none", image, "ip", "-o", "addr", runtime=runtime)
    assert {line.split()[1] for line in done.out.splitlines()} == {"lo"}
    joe("run", "-d", "--name", "web", "-p", "127.0.0.1:8083:80", image, "httpd", "-f", "-p", "80",
        "-h", "/etc", runtime=runtime)
    page = wait_for("the page is served", lambda: fetch("http://127.0.0.1:8083/passwd"))
    assert page.startswith("root:")
    links = joe("exec", "web", "ip", "-o", "addr", runtime=runtime).out
    assert {line.split()[1] for line in links.splitlines()} > {"lo"}


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.read().decode()
    except OSError:
        return None


def test_the_life_of_a_container(joe, runtime):
    """run -d, exec, top, logs, stop, start, kill, rm, each as people use it."""
    script = 'echo hello; trap "echo bye; exit 3" TERM; while :; do sleep 0.05; done'
    joe("run", "-d", "--name", "c", joe.image("busybox"), "sh", "-c", script, runtime=runtime)
    wait_for("it says hello", lambda: joe("logs", "c").text == "hello")
    # Here and below the runtime is the one that the container was made with.
    assert joe("exec", "-e", "A=b", "-w", "/tmp", "c", "sh", "-c", "echo $A $PWD").text == "b /tmp"
    assert joe("exec", "-u", "1234:55", "c", "id").text == "uid=1234 gid=55"
    assert joe("exec", "c", "sh", "-c", "exit 5", check=5)
    assert "executable file not found in $PATH" in joe("exec", "c", "nonesuch", check=127).err \
        or runtime == "own"
    joe("exec", "c", "/etc", check=126)
    columns = joe("top", "c", "pid", "huser", "capeff", "comm").out.splitlines()
    first = columns[1].split()
    hardened = runtime == "runsafe"
    assert first[:2] == ["1", str(FIRST + 999 if hardened else UID)]
    assert (first[2] == "none") is hardened
    joe("stop", "-t", "10", "c")
    assert joe.inspect("c", ".State.ExitCode") == 3 and joe("logs", "c").text == "hello\nbye"
    joe("start", "c")
    joe("kill", "-s", "KILL", "c")
    assert joe("wait", "c").text == "137"
    joe("restart", "c")
    joe("rm", "-f", "-t", "0", "c")


def test_a_terminal_and_an_init(joe, runtime):
    done = joe("run", "--rm", "-t", "--init", joe.image("busybox"), "sh", "-c",
               "tty; echo written >/dev/tty; cat /proc/1/comm", runtime=runtime)
    assert done.out.split() == ["/dev/pts/0", "written", "podman-init"]


def test_volumes_are_written_by_whom_podman_thinks_to_be_the_user(joe, runtime, files):
    """A folder of his own with keep-id; :U and a named volume with --user; :idmap, which the
    kernel does not let an ordinary user have, as with crun."""
    image = joe.image("busybox")
    joe("run", "--rm", "--userns=keep-id:uid=1000,gid=1000", "-v", f"{files}:/data", image, "touch",
        "/data/mine", runtime=runtime)
    assert owner(files / "mine") == (UID, UID)
    for volume in ("named:/data", "given:/data:U"):
        done = joe("run", "--rm", "--user", "1000:1000", "-v", volume, image, "sh", "-c",
                   "touch /data/x && stat -c '%u %g' /data/x /data", runtime=runtime)
        assert done.out == "1000 1000\n1000 1000\n"
    changed = joe.home / (files.name + "-u")
    changed.mkdir()
    os.chown(changed, UID, UID)
    joe("run", "--rm", "--user", "1000:1000", "-v", f"{changed}:/data:U", image, "touch", "/data/x",
        runtime=runtime)
    assert owner(changed) == owner(changed / "x") == (FIRST + 999, FIRST + 999)
    done = joe("run", "--rm", "-v", f"{files}:/data:idmap", image, "stat", "-c", "%u", "/data",
               runtime=runtime)
    assert done.text == "0"


def test_a_folder_of_his_own_is_root_outs_to_a_workload_that_is_not_he(joe, runtime, files):
    """Without keep-id his folder is root's inside: closed to 1000, open to root."""
    done = joe("run", "--rm", "-v", f"{files}:/data", joe.image("busybox"), "touch", "/data/x",
               runtime=runtime, check=1 if runtime == "runsafe" else 0)
    assert ("Permission denied" in done.err) is (runtime == "runsafe")


def test_read_only_with_places_to_write(joe, runtime):
    """--read-only gives /run, /tmp and /var/tmp, --tmpfs more; all can be written to."""
    done = joe("run", "--rm", "--read-only", "--tmpfs", "/cache", "--tmpfs", "/root/x:mode=0700",
               joe.image("busybox"), "sh", "-ec",
               "touch /run/x /tmp/x /var/tmp/x /cache/x; touch /etc/x", check=1, runtime=runtime)
    assert done.err.strip().endswith("/etc/x: Read-only file system")


def test_a_secret(joe, runtime):
    joe("secret", "create", "sec", "-", input="s3cret")
    image = joe.image("busybox")
    show = ("cat", "/run/secrets/sec")
    assert joe("run", "--rm", "--secret", "sec", image, *show, runtime=runtime).out == "s3cret"
    done = joe("run", "--rm", "--secret", "sec,type=env,target=SEC", image, "sh", "-c", "echo $SEC",
               runtime=runtime)
    assert done.text == "s3cret"


def test_a_pod_shares_its_network(joe, runtime):
    image = joe.image("busybox")
    joe("pod", "create", "--name", "p", "-p", "127.0.0.1:8084:80", runtime=runtime)
    joe("run", "-d", "--pod", "p", "--name", "web", image, "httpd", "-f", "-p", "80", "-h", "/etc",
        runtime=runtime)
    done = joe("run", "--rm", "--pod", "p", image, "sh", "-c",
               "until wget -q -O- http://127.0.0.1/hosts; do sleep 0.1; done", runtime=runtime)
    assert "localhost" in done.out
    assert wait_for("it is published", lambda: fetch("http://127.0.0.1:8084/passwd"))
    states = joe("ps", "--pod", "--format", "{{.PodName}} {{.State}}").text.splitlines()
    assert states == ["p running"] * 2
    joe("pod", "stop", "-t", "0", "p")
    joe("pod", "rm", "p")


def test_a_pod_with_the_users_own_ids(joe, runtime):
    """pod create --userns=keep-id: containers join its user namespace, and see its own network in
    /sys. A container with ids of its own may join another's network as well."""
    image = joe.image("busybox")
    joe("pod", "create", "--name=p", "--userns=keep-id:uid=1000,gid=1000", runtime=runtime)
    done = joe("run", "--rm", "--pod=p", image, "sh", "-c", "id -u; ls /sys/class/net",
               runtime=runtime)
    assert done.out.split()[0] == "1000"
    # Where it may be bound crun and policy oci show the host's: no tap0 there.
    assert ("tap0" in done.out) is (runtime == "runsafe")
    joe("run", "-d", "--name=a", "--network=none", image, "sleep", "100", runtime=runtime)
    done = joe("run", "--rm", "--userns=keep-id", "--network=container:a", image, "sh", "-c",
               "id -u; cd /proc/sys/net/ipv4; cat ping_group_range ip_unprivileged_port_start",
               runtime=runtime)
    seen = done.out.split()
    assert seen[0] == str(UID)
    assert runtime != "runsafe" or seen[1:] == [str(UID), str(UID), "0"]


POD = """
apiVersion: v1
kind: Pod
metadata: {name: kp}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: one
    image: docker.io/library/busybox:latest
    imagePullPolicy: Never
    command: [sh, -c, "echo from one >/shared/file; exec httpd -f -p 8080 -h /shared"]
    volumeMounts: [{name: shared, mountPath: /shared}]
  - name: two
    image: docker.io/library/busybox:latest
    imagePullPolicy: Never
    command: [sleep, "100"]
    volumeMounts: [{name: shared, mountPath: /shared}]
  volumes: [{name: shared, emptyDir: {}}]
"""


def test_kube_play_and_down(joe, runtime, folder):
    """Two containers that share a network and an emptyDir, which becomes the workload's."""
    joe.image("busybox")
    file = folder / "pod.yaml"
    file.write_text(POD)
    joe("kube", "play", file, runtime=runtime)
    wait_for("the other one serves", lambda: joe(
        "exec", "kp-two", "wget", "-q", "-O-", "http://127.0.0.1:8080/file", check=False).text
        == "from one")
    done = joe("exec", "kp-two", "sh", "-c", "id -u; touch /shared/x && echo ok")
    assert done.out.split() == ["1000" if runtime == "runsafe" else "0", "ok"]
    assert "kind: Pod" in joe("kube", "generate", "kp").out
    joe("kube", "down", file)


def test_a_health_check(joe, runtime):
    joe("run", "-d", "--name", "c", "--health-cmd", "id -u; test -e /tmp/well",
        "--health-interval=disable", joe.image("busybox"), "sleep", "100", runtime=runtime)
    joe("healthcheck", "run", "c", check=1)
    joe("exec", "c", "touch", "/tmp/well")
    joe("healthcheck", "run", "c")
    health = joe.inspect("c", ".State.Health")
    assert health["Status"] == "healthy"
    assert health["Log"][-1]["Output"].strip() == ("1000" if runtime == "runsafe" else "0")


@pytest.mark.runtimes("runsafe", "runsafe-oci")
def test_a_container_without_cgroups(joe, runtime):
    """--cgroups=disabled, for which Podman asks runtime_supports_nocgroup in containers.conf."""
    before = joe.engine
    joe.engine += '\nruntime_supports_nocgroup = ["runsafe", "runsafe-oci"]'
    joe.write_settings()
    try:
        done = joe("run", "--rm", "--cgroups=disabled", joe.image("busybox"), "echo", "ok",
                   runtime=runtime)
        assert done.text == "ok"
    finally:
        joe.engine = before
        joe.write_settings()


def test_devices_and_files_of_the_host_are_bound(joe, runtime):
    """A rootless engine can make no device nodes: they are bound, and only policy oci lets one."""
    done = joe("run", "--rm", "--device", "/dev/fuse", joe.image("busybox"), "sh", "-c",
               "exec 3<>/dev/fuse && echo opened", runtime=runtime, check=False)
    assert (done.text == "opened") is (runtime != "runsafe"), done
    done = joe("run", "--rm", "--device", "/dev/fuse", joe.image("busybox"), "sh", "-c",
               "exec 3<>/dev/fuse && echo opened", runtime=runtime,
               flags=["allow=device=/dev/fuse"] if runtime == "runsafe" else [])
    assert done.text == "opened"


# --- other ground below the same user

@pytest.mark.parametrize("driver, options", [
    ("vfs", ()), ("overlay", ("--storage-opt", "overlay.mount_program=/usr/bin/fuse-overlayfs")),
])
def test_storage_of_another_kind(joes, runtime, driver, options):
    """vfs copies; fuse-overlayfs is what kernels before 5.13 need."""
    one = podman_module.make(user="joe", options=("--storage-driver", driver, *options))
    try:
        done = one("run", "--rm", one.image("busybox"), "sh", "-c",
                   "id -u; grep ' / / ' /proc/self/mountinfo | grep -c fuse", check=False,
                   runtime=runtime)
        fuse = "1" if options else "0"
        assert done.out.split() == ["1000" if runtime == "runsafe" else "0", fuse], done
        done = one("run", "--rm", "--user", "1000", "-v", "v:/v", one.image("busybox"), "touch",
                   "/v/x", runtime=runtime)
    finally:
        one.clean()
        one.stop()


@pytest.fixture(scope="module")
def sams():
    """A user without subordinate ids: one id is all that he has."""
    (pathlib.Path("/etc/containers") / "storage.conf").write_text(
        '[storage]\ndriver = "overlay"\n[storage.options.overlay]\nignore_chown_errors = "true"\n')
    one = rootless.make("sam", 1002, ranges=False)
    yield one
    one.stop()
    (pathlib.Path("/etc/containers") / "storage.conf").unlink()


def test_a_user_without_subordinate_ids(sams, runtime):
    """His one id is 0 inside, or with keep-id 1000: that is who the workload can be."""
    image = sams.image("busybox")
    one = ("run", "--rm", "--network=none")
    try:
        if runtime == "runsafe":
            done = sams(*one, image, "id", "-u", check=126, runtime=runtime)
            assert "uid" in done.err and "is not mapped" in done.err
        else:
            assert sams(*one, image, "id", "-u", runtime=runtime).text == "0"
        done = sams(*one, "--userns=keep-id:uid=1000,gid=1000", image, "sh", "-c",
                    "id -u; touch /tmp/x && echo ok", runtime=runtime)
        assert done.out.split() == ["1000", "ok"]
        sams("run", "-d", "--name", "c", "--network=none", "--userns=keep-id:uid=1000,gid=1000",
             image, "sleep", "100", runtime=runtime)
        assert sams("exec", "c", "id", "-u").text == "1000"
    finally:
        sams.clean()
