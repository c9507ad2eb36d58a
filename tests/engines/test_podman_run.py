"""The options of podman run under runsafe, as root."""

import json
import pathlib

import pytest

import podman as podman_module
from engines import assert_hardened, run, status_in, wait_for
from podman import alike, sh, workload_uid


@pytest.mark.runtimes("runsafe")
def test_an_image_runs_as_1000_with_nothing_changed_in_it(go):
    said = go(image="debian", do=("id",))
    assert said.startswith("uid=1000") and "gid=1000" in said and "(root)" not in said


@pytest.mark.runtimes("runsafe")
def test_neither_privileged_nor_root_get_past_the_policy(go):
    for asked in (["--privileged"], ["-u", "root"], ["--cap-add", "ALL"],
                  ["--security-opt", "seccomp=unconfined"]):
        assert_hardened(status_in(go(*asked, do=("cat", "/proc/self/status"))))


@pytest.mark.runtimes("runsafe-oci", "own")
def test_policy_oci_gives_what_podman_asks_for_as_crun_does(go):
    def capabilities(*options):
        status = status_in(go(*options, do=("cat", "/proc/self/status")))
        return status["CapEff"], status["CapAmb"], status["NoNewPrivs"], status["Seccomp"]

    none, few, all_of_them = f"{0:016x}", "00000000800405fb", "000001fffeffffff"
    assert capabilities() == (few, none, "0", "2")
    assert capabilities("--cap-drop", "ALL") == (none, none, "0", "2")
    assert capabilities("--cap-add", "NET_ADMIN")[0] == "00000000800415fb"
    assert capabilities("--user", "33", "--cap-add",
                        "NET_BIND_SERVICE")[:2] == (f"{1 << 10:016x}",) * 2
    assert capabilities("--privileged") == (all_of_them, none, "0", "0")
    assert capabilities("--security-opt", "seccomp=unconfined")[3] == "0"
    assert capabilities("--security-opt", "no-new-privileges")[2] == "1"


@alike
def test_the_workload_gets_its_environment_input_and_names(go, runtime, folder):
    (folder / "env").write_text("FROM_FILE=f\n")
    said = go("-i", "-e", "A=b c", "--env-file", folder / "env", "-w", "/tmp", "--hostname", "hh",
              "--add-host", "foo:1.2.3.5", "--dns", "1.2.3.4", "--tz", "local", input="typed",
              do=sh("cat; echo; echo $A $FROM_FILE $container; pwd; hostname; id -u;"
                    "grep foo /etc/hosts; cat /etc/resolv.conf"))
    assert said.split("\n") == ["typed", "b c f podman", "/tmp", "hh", workload_uid(runtime),
                                "1.2.3.5\tfoo", "nameserver 1.2.3.4"]


def test_the_rootfs_is_writable_only_where_it_should_be(go, runtime):
    places = sh("for p in / /tmp /run /dev/shm /x /new; do touch $p/f && echo $p; done; :")
    with_tmpfs = ["--tmpfs", "/x:size=1m", "--tmpfs", "/new"]
    said = go("--read-only", *with_tmpfs, do=places).split()
    # Podman's own tmpfs on /run, /tmp and /var/tmp, and the user's, are the workload's.
    assert said == ["/tmp", "/run", "/dev/shm", "/x", "/new"]
    said = go("--read-only", "--read-only-tmpfs=false", do=places).split()
    assert said == (["/tmp", "/run"] if runtime == "runsafe" else [])
    said = go("--shm-size", "3m", do=sh("grep -w shm /proc/mounts"))
    assert "size=3072k" in said and "noexec" in said


@alike
def test_networks_are_made_shared_and_left_out(podman, go, runtime):
    uid = workload_uid(runtime)
    assert go("--network", "none", do=sh("ip -o link | wc -l")) == "1"
    podman("network", "create", "--subnet", "10.99.0.0/24", "n9")
    podman("run", "-d", "--name", "w", "--network", "n9", podman.image("busybox"), "httpd", "-f",
           "-p",
           "80", "-h", "/etc", runtime=runtime)
    # aardvark-dns knows its name, and a port below 1024 needs nobody's capability.
    fetch = sh("wget -qO- http://w/passwd | head -n 1; id -u")
    assert go("--network", "n9", do=fetch).split() == ["root:x:0:0:root:/root:/bin/sh", uid]
    assert go("--network", "container:w", do=sh("ip -o -4 addr | grep -c 10.99.0.")) == "1"
    namespace = f"ns:/proc/{podman.pid('w')}/ns/net"
    assert go("--network", namespace,
              do=sh("ip -o -4 addr | grep -c 10.99.0.; id -u")).split() == ["1", uid]
    podman("network", "connect", "podman", "w")
    assert podman("exec", "w", *sh("ip -o -4 addr | grep -c eth")).text == "2"
    podman("network", "disconnect", "n9", "w")
    address = ["--ip", "10.88.0.99", "--mac-address", "02:00:00:00:00:99"]
    assert "10.88.0.99/16" in go(*address, do=sh("ip addr; cat /sys/class/net/eth0/address"))


def test_users_and_their_groups_are_kept_unless_they_are_root(go, runtime):
    root = "1000" if runtime == "runsafe" else "0"
    ids = sh("id -u; id -g; id -G")

    def who(*options):
        return go(*options, do=ids).split("\n")

    assert who("--user", "33:44") == ["33", "44", "44"]
    assert who("--user", "nobody")[:2] == ["65534", "65534"]
    assert who("--user", "33")[:2] == ["33", root]
    assert who("--user", "0:0")[:2] == [root, root]
    groups = who("--user", "33", "--group-add", "55", "--group-add", "0")[2].split()
    assert "55" in groups and ("0" in groups) == (runtime != "runsafe")
    assert who("--group-add", "keep-groups")[0] == root
    said = go("--user", "1234:55", "--passwd-entry", "bob:x:1234:55:Bob:/home/bob:/bin/sh",
              do=sh("whoami; echo $HOME"))
    assert said.split() == ["bob", "/home/bob"]


def test_security_options_hide_and_show_paths(go, runtime, folder):
    hidden = runtime == "runsafe"  # the policy's list is always there
    # The mask of a file is an empty one, and of a directory an empty one.
    keys = sh("cat /proc/keys | wc -l; wc -c </proc/timer_list; ls /proc/scsi 2>/dev/null | wc -l;"
              "grep -c ' /proc/sys ' /proc/mounts; wc -c </etc/passwd")
    assert go("--security-opt", "mask=/etc/passwd", do=keys).split()[4] == "0"
    shown = go("--security-opt", "unmask=ALL", do=keys).split()
    assert (shown[0] == "0") == hidden and (shown[3] == "1") == hidden
    assert "hidepid=invisible" in go("--security-opt", "proc-opts=hidepid=2",
                                     do=sh("grep ' /proc ' /proc/mounts"))
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
    (folder / "seccomp.json").write_text(json.dumps(profile))
    said = go("--security-opt", f"seccomp={folder}/seccomp.json", do=sh("mkdir /tmp/x 2>&1 || :"))
    assert "Function not implemented" in said
    for harmless in ("label=disable", "apparmor=unconfined"):
        assert go("--security-opt", harmless, do=("id", "-u")) == workload_uid(runtime)


@alike
def test_limits_and_kernel_settings_of_the_process_arrive(go, runtime):
    said = go("--ulimit", "nofile=512:1024", "--ulimit", "core=0", "--oom-score-adj", "500",
              "--umask",
              "0077", "--sysctl", "net.core.somaxconn=99", "--sysctl", "kernel.msgmax=1234",
              "--personality", "LINUX32",
              do=sh("ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj; umask;"
                    "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax; uname -m"))
    assert said.split() == ["512", "1024", "0", "500", "0077", "99", "1234", "i686"]
    if runtime != "own":  # crun leaves its state and cgroup behind
        done = go("--oom-score-adj", "-500", whole=True, check=126)  # needs CAP_SYS_RESOURCE
        assert "process.oomScoreAdj" in done.err and "permission denied" in done.err


@alike
def test_namespaces_can_be_shared_with_another_container(podman, go, runtime):
    podman("run", "-d", "--name", "c", "--ipc", "shareable", podman.image("busybox"), "sleep", "77",
           runtime=runtime)
    podman("exec", "c", "touch", "/dev/shm/theirs")
    said = go("--pid", "container:c", "--ipc", "container:c", "--uts", "container:c",
              do=sh("ps | grep -c 'sleep 7[7]'; ls /dev/shm; hostname; id -u")).split()
    assert said == ["1", "theirs", podman.inspect("c", ".Config.Hostname"), workload_uid(runtime)]
    namespace = f"ns:/proc/{podman.pid('c')}/ns/pid"
    assert go("--pid", namespace, do=sh("ps | grep -c 'sleep 7[7]'")) == "1"


@alike
def test_secrets_are_files_and_variables_that_the_workload_can_read(podman, go, runtime, folder):
    (folder / "s").write_text("hush")
    podman("secret", "create", "s1", folder / "s")
    assert go("--secret", "s1", do=("cat", "/run/secrets/s1")) == "hush"
    assert go("--secret", "s1,type=env,target=S", do=sh("echo $S")) == "hush"
    owned = go("--secret", "s1,uid=1000,gid=1000,mode=0400",
               do=sh("ls -n /run/secrets; cat /run/secrets/*"))
    assert "-r--------" in owned and owned.endswith("hush")
    assert go("--secret", "s1,target=/opt/x/s", do=("cat", "/opt/x/s")) == "hush"
    if runtime == "runsafe":
        done = podman("run", "--rm", "--secret", "s1,mode=0400", podman.image("busybox"),
                      "cat", "/run/secrets/s1", runtime=runtime, check=1)
        assert "Permission denied" in done.err
        assert "can not read it; name its user: --secret NAME,uid=1000,gid=1000\n" in done.err


@alike
def test_hooks_of_a_folder_run_at_each_stage(podman, runtime, folder):
    """--hooks-dir: OCI hooks, each with the state on its standard input."""
    stages = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    (folder / "hook").write_text(f'#!/bin/sh\nread -r s; echo "$1 ${{#s}}" >>{folder}/said\n')
    (folder / "hook").chmod(0o755)
    (folder / "d").mkdir()
    for stage in stages:
        hook = {"version": "1.0.0", "hook": {"path": f"{folder}/hook", "args": ["hook", stage]},
                "when": {"always": True}, "stages": [stage]}
        (folder / "d" / f"{stage}.json").write_text(json.dumps(hook))
    podman("--hooks-dir", folder / "d", "run", "--rm", podman.image("busybox"), "true",
           runtime=runtime)
    said = [line.split() for line in (folder / "said").read_text().splitlines()]
    assert sorted(stage for stage, _ in said) == sorted(stages)
    # crun writes the state over several lines
    assert runtime == "own" or all(int(length) > 0 for _, length in said)


def test_devices_are_given_by_policy_oci_only(go, runtime):
    done = go("--device", "/dev/fuse:/dev/xx:rw", do=("ls", "-l", "/dev/xx"), whole=True,
              check=1 if runtime == "runsafe" else 0)
    assert runtime == "runsafe" or "10, 229" in done.out


@alike
def test_a_systemd_container_finds_what_systemd_needs(go, runtime):
    """--systemd=always: Podman mounts /run, /run/lock, /tmp and a cgroup of the container's own."""
    said = go("--systemd", "always", do=sh(
        "for p in /run /run/lock /tmp /var/log/journal; do touch $p/x && echo $p; done;"
        "grep -q ' /sys/fs/cgroup cgroup2 rw' /proc/mounts && echo rw; echo $container; id -u"))
    assert said.split() == ["/run", "/run/lock", "/tmp", "/var/log/journal", "rw", "podman",
                            workload_uid(runtime)]


@alike
def test_cgroups_are_placed_as_podman_says(podman, go, runtime):
    for word in ("enabled", "no-conmon", "split"):
        assert go("--cgroups", word, do=("id", "-u")) == workload_uid(runtime)
    podman("run", "-d", "--name", "c", "--cgroup-parent", "/mine", podman.image("busybox"), "sleep",
           "100",
           runtime=runtime)
    identity = podman.inspect("c", ".ID")
    cgroup = pathlib.Path(f"/proc/{podman.pid('c')}/cgroup").read_text().splitlines()[-1]
    assert cgroup == f"0::/mine/libpod-{identity}"
    assert go(do=sh("tail -n 1 /proc/self/cgroup")) == "0::/"


@alike
def test_without_a_cgroup_it_runs_where_podman_is(runtime, podman):
    """--cgroups=disabled is `--cgroup-manager disabled` for the runtime, once it is listed."""
    listed = podman_module.make(
        engine='runtime_supports_nocgroup = ["crun", "runsafe", "runsafe-oci"]')
    try:
        listed("run", "-d", "--name", "c", "--cgroups=disabled", listed.image("busybox"),
               *sh("trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"), runtime=runtime)
        wait_for("it is up", lambda: listed("logs", "c").text)
        own = pathlib.Path("/proc/self/cgroup").read_text()
        assert pathlib.Path(f"/proc/{listed.pid('c')}/cgroup").read_text() == own
        listed("stop", "c")
        assert listed("wait", "c").text == "5"
        listed.clean()
    finally:
        listed.stop()
    if runtime != "own":
        done = podman("run", "--rm", "--cgroups=disabled", podman.image("busybox"), "true",
                      runtime=runtime, check=125)
        assert "not compatible with NoCgroups" in done.err


@alike
def test_a_root_file_system_needs_no_image(podman, go, runtime):
    tree = podman.root / "tree"
    for folder in ("bin", "etc", "dev", "proc", "sys", "tmp"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    run("cp", "/usr/bin/busybox", tree / "bin/sh")
    for rootfs in (tree, f"{tree}:O"):
        done = podman("run", "--rm", "--rootfs", rootfs, "/bin/sh", "-c", "busybox id -u || id -u",
                      runtime=runtime, check=False)
        assert done.text == workload_uid(runtime), done
    run("rm", "-rf", tree)
