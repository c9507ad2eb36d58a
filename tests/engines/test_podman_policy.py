"""What a policy changes and refuses under Podman, how it is chosen and relaxed, and what Podman
makes of our words. The rows of docs/podman.md."""

import socket

import pytest

import podman as podman_module
from engines import assert_hardened, run, status_in
from podman import path_of, sh


@pytest.fixture
def go(podman):
    """go(OPTIONS..., do=WORDS) is `podman run --rm` under the default policy; what it came to."""
    def start(*options, do=("id", "-u"), **more):
        return podman("run", "--rm", *options, podman.image("busybox"), *do, **more)

    return start


@pytest.mark.parametrize("by_path", [False, True])
def test_a_runtime_is_chosen_by_its_name_or_by_its_path_and_kept(podman, by_path):
    word = path_of("runsafe-oci") if by_path else "runsafe-oci"
    podman("--runtime", word, "run", "-d", "--name", "c", podman.image("busybox"), "sleep", "100")
    assert podman.inspect("c", ".OCIRuntime") == word
    # Later commands do not say it again.
    assert podman("exec", "c", "id", "-u").text == "0"
    podman("restart", "-t0", "c")
    assert podman("exec", "c", "id", "-u").text == "0"


def test_podman_info_shows_the_runtime_and_its_version(podman):
    said = podman("info", "--format",
                  "{{.Host.OCIRuntime.Path}}\n{{.Host.OCIRuntime.Version}}").text
    path, version = said.split("\n")[:2]
    assert path == "/usr/local/bin/runsafe" and version.startswith("runsafe version ")


@pytest.fixture(scope="module")
def plain():
    """A Podman whose containers.conf lists no runtime under runtime_supports_json."""
    one = podman_module.make(json=())
    yield one
    one.stop()


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("listed", [True, False])
def test_errors_reach_the_user_with_and_without_a_log(podman, plain, listed, terminal):
    """Podman passes --log only to runtimes that runtime_supports_json lists, else reads stderr."""
    one = podman if listed else plain
    more = ["-t"] if terminal else []
    try:
        for options, program, status, why in (
                (["--network", "host"], "true", 126, "with --allow host-network"),
                ([], "nosuch", 127, 'exec: "nosuch": executable file not found in $PATH'),
                ([], "/etc/passwd", 126, 'exec: "/etc/passwd": permission denied')):
            done = one("run", "--rm", *more, *options, one.image("busybox"), program, check=status)
            assert why in done.err and done.err.count("runsafe: ") == 1 + (not listed)
        one("run", "-d", "--name", "c", "busybox", "sleep", "100")
        done = one("exec", *more, "c", "nosuch", check=127)
        assert "executable file not found" in done.err
    finally:
        if one is plain:
            plain.clean()


def test_flags_relax_one_container(go):
    """--runtime-flag allow=NAME[=VALUE] and policy=NAME."""
    assert go(flags=["policy=oci"]).text == "0"
    assert go(flags=["allow=root"]).text == "0"
    assert go(flags=["allow=user=77:78"], do=("id",)).text.startswith("uid=77(app) gid=78(app)")
    said = go(flags=["allow=tmpfs=/data:exec"],
              do=sh("touch /data/x && grep ' /data ' /proc/mounts")).out
    assert "noexec" not in said
    status = status_in(go(flags=["allow=capability=CAP_NET_ADMIN"], do=("cat",
                                                                        "/proc/self/status")).out)
    assert status["CapEff"] == status["CapAmb"] == f"{1 << 12:016x}"
    assert go("--network", "host", flags=["allow=host-network"],
              do=sh("readlink /proc/self/ns/net")).text == \
        run("readlink", "/proc/self/ns/net").text
    done = go("--device", "/dev/fuse", flags=["allow=device=/dev/fuse"], do=("ls", "/dev/fuse"))
    assert done.text == "/dev/fuse"
    go("-v", "/:/host", flags=["allow=bind=/"], do=("ls", "/host/project"))


def test_a_wrong_flag_stops_the_start_and_says_so(go):
    for flag, words in (("policy=nosuch", "expected default, strict, oci or a policy file"),
                        ("allow=nosuch", "--allow nosuch: no such name; there are: bind"),
                        ("nosuch", "unknown option")):
        assert words in go(flags=[flag], check=False).err
        assert go(flags=[flag], check=False).status in (126, 127)


def test_flags_last_until_the_next_start(podman):
    """Podman does not remember them: what has to last is a policy of the runtime's own name."""
    podman("run", "-d", "--name", "c", podman.image("busybox"), "sleep", "100",
           flags=["allow=root"])
    # exec obeys the policy that the container was made under.
    assert podman("exec", "c", "id", "-u").text == "0"
    podman("restart", "-t0", "c")
    assert podman("exec", "c", "id", "-u").text == "1000"
    podman("restart", "-t0", "c", flags=["allow=root"])
    assert podman("exec", "c", "id", "-u").text == "0"


def test_a_policy_of_its_own_name_lasts(podman):
    """/etc/runsafe/NAME.json and a symlink runsafe-NAME, named in containers.conf or by path."""
    run("mkdir", "-p", "/etc/runsafe")
    with open("/etc/runsafe/lasting.json", "w", encoding="utf-8") as f:
        f.write('{"extends": "default", "user": {"uid": 33, "gid": 33},'
                ' "rootfs": {"tmpfs": {"/data": {}}}}')
    program = "/opt/runsafe/runsafe-lasting"
    run("ln", "-sfn", "runsafe", program)
    runtime = "/usr/local/bin/runsafe-lasting"
    text = open("/usr/local/bin/runsafe", "rb").read(2)
    if text == b"#!":  # natively a wrapper says --cgroup=available
        script = open("/usr/local/bin/runsafe", encoding="utf-8").read()
        open(runtime, "w", encoding="utf-8").write(script.replace("/opt/runsafe/runsafe", program))
        run("chmod", "755", runtime)
    else:
        run("ln", "-sfn", program, runtime)
    podman("--runtime", runtime, "run", "-d", "--name", "c", podman.image("busybox"), "sleep",
           "100")
    podman("restart", "-t0", "c")
    assert podman("exec", "c", *sh("touch /data/x; id -u; id -g")).text.split() == ["33", "33"]


@pytest.mark.parametrize("option, words", [
    ("--network=host", "--allow host-network"),
    ("--pid=host", "--allow host-pid"),
    ("--ipc=host", "--allow host-ipc"),
    ("--network=ns:/proc/1/ns/net", "--allow host-network"),
    ("--volume=/:/host", "--allow bind=/"),
    ("--volume=/proc:/host", "--allow bind=/proc"),
    ("--volume=/dev:/host", "--allow bind=/dev"),
    ("--volume=/run/podman/podman.sock:/s", "--allow bind=/run/podman/podman.sock"),
    ("--annotation=io.runsafe.rootfs-writable=true", "--allow rootfs-writable"),
    ("--annotation=io.runsafe.nosuch=1", "io.runsafe.nosuch"),
])
def test_what_would_reach_the_host_is_refused_with_what_allows_it(go, option, words):
    if "podman.sock" in option:
        run("mkdir", "-p", "/run/podman")
        run("rm", "-f", "/run/podman/podman.sock")
        with socket.socket(socket.AF_UNIX) as engine:
            engine.bind("/run/podman/podman.sock")
    done = go(option, check=126)
    assert words in done.err and done.err.startswith("Error: OCI runtime error: runsafe: "), done


def test_the_hosts_names_and_cgroups_are_never_seen(go):
    """--uts=host and --cgroupns=host get namespaces of their own all the same."""
    for option in ("--uts=host", "--cgroupns=host"):
        done = go(option,
                  do=sh("for n in uts cgroup; do readlink /proc/self/ns/$n; done;"
                                  "tail -n 1 /proc/self/cgroup"))
        uts, cgroup, path = done.text.split()
        assert uts != run("readlink", "/proc/self/ns/uts").text
        assert cgroup != run("readlink", "/proc/self/ns/cgroup").text and path == "0::/"


def test_annotations_may_only_tighten(go):
    assert go("--annotation", "io.runsafe.user=77:78",
              do=("id",)).text.startswith("uid=77(app) gid=78(app)")
    done = go("--annotation", "io.runsafe.tmpfs=/data", do=sh("touch /data/x && id -u"))
    assert done.text == "1000"
    assert go("--annotation", "run.oci.keep_original_groups=1", "--annotation",
              "a=b").text == "1000"
    done = go("--annotation", "io.runsafe.user=77", runtime="runsafe-oci", check=126)
    assert '/etc/runsafe/policy.json would accept it with "user" under "annotations"' in done.err


def test_an_image_with_such_annotations_and_labels_gains_nothing(podman):
    """Podman 5 passes an image's annotations and labels on to nobody; older ones did: see above."""
    stores = ("--root", podman.root, "--runroot", podman.runroot)
    base = run("buildah", *stores, "from", "--pull-never", podman.image("busybox")).text
    try:
        run("buildah", *stores, "config", "--annotation", "io.runsafe.root=true", "--label",
            "io.runsafe.root=true", "--annotation", "io.runsafe.memory=2g", base)
        run("buildah", *stores, "commit", "-q", base, "evil")
        assert "io.runsafe.root" in podman("image", "inspect", "evil").out
        assert_hardened(status_in(podman("run", "--rm", "evil", "cat", "/proc/self/status").out))
        podman("create", "--name", "c", "evil")
        assert "io.runsafe.root" not in (podman.inspect("c", ".Config.Annotations") or {})
    finally:
        run("buildah", *stores, "rm", base)
        podman("rm", "-f", "c")
        podman("rmi", "evil")


def test_strict_wants_everything_said(podman):
    done = podman("run", "--rm", podman.image("busybox"), "id", runtime="runsafe-strict", check=126)
    assert "process.user.uid: 0 (root)" in done.err and "--user" in done.err
    done = podman("run", "--rm", "-u", "1000:1000", "--cap-drop", "all", "--read-only", "--memory",
                  "64m",
                  "--cpus", "1", "--pids-limit", "50", "--security-opt", "no-new-privileges",
                  "busybox",
                  "cat", "/proc/self/status", runtime="runsafe-strict")
    assert_hardened(status_in(done.out))


def test_root_that_is_let_through_is_still_without_capabilities(go):
    status = status_in(go("--privileged", flags=["allow=root"], do=("cat",
                                                                    "/proc/self/status")).out)
    assert status["Uid"].split()[0] == "0" and int(status["CapEff"], 16) == 0


def test_nginx_serves_with_two_tmpfs(podman):
    """mkdir() "/var/lib/nginx/body" failed (30: Read-only file system): --tmpfs where it writes."""
    image = podman.image("apps")
    nginx = ("nginx", "-g", "daemon off;")
    assert "Read-only file system" in podman("run", "--rm", image, *nginx, check=1).err
    podman("run", "-d", "--name", "c", "-p", "8097:80", "--tmpfs", "/var/lib/nginx", "--tmpfs",
           "/var/log/nginx", image, *nginx)
    said = run("curl", "-s", "--retry", "20", "--retry-delay", "1", "--retry-all-errors",
               "127.0.0.1:8097")
    assert "<title>Welcome to nginx!" in said.out


def test_a_workload_keeps_what_it_writes_in_a_new_volume(podman):
    """Podman makes it for the user that --user names; without, for root, and runsafe gives it to
    who took root's place."""
    image = podman.image("apps")

    def redis(*options, do, **more):
        script = ("redis-server --dir /data --daemonize yes --logfile /tmp/log >/dev/null; sleep 1;"
                  f"{do}; cat /tmp/log")
        return podman("run", "--rm", "--timeout", "30", *options, image, *sh(script), **more).out

    for options in (["-v", "v1:/data"], ["--user", "1000:1000", "-v", "v2:/data"]):
        redis(*options, do="redis-cli set a kept; redis-cli shutdown save")
        assert "kept\n" in redis(*options[-2:], do="redis-cli get a")
