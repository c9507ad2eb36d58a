"""podman run and exec with runsafe, as root, as people use them every day. All under crun as well,
with RUNSAFE_BESIDE=1."""

import json
import pathlib
import subprocess
import time
import urllib.request

import pytest

import podman as podman_module
from engines import assert_hardened, run, status_in, wait_for
from podman import name_of, workload_uid
from terminal import Terminal


def sh(script):
    return ("sh", "-c", script)


@pytest.fixture
def go(podman, runtime):
    """go(OPTIONS..., image="busybox", do=WORDS) is `podman run --rm`, its stdout by default."""
    def start(*options, image="busybox", do=("true",), whole=False, **more):
        done = podman("run", "--rm", *options, podman.image(image), *do, runtime=runtime, **more)
        return done if whole else done.text

    return start


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
    assert capabilities("--user", "33", "--cap-add", "NET_BIND_SERVICE")[:2] == (f"{1 << 10:016x}",) * 2
    assert capabilities("--privileged") == (all_of_them, none, "0", "0")
    assert capabilities("--security-opt", "seccomp=unconfined")[3] == "0"
    assert capabilities("--security-opt", "no-new-privileges")[2] == "1"


def test_the_workload_gets_its_environment_input_and_names(go, runtime, folder):
    (folder / "env").write_text("FROM_FILE=f\n")
    said = go("-i", "-e", "A=b c", "--env-file", folder / "env", "-w", "/tmp", "--hostname", "hh",
              "--add-host", "foo:1.2.3.5", "--dns", "1.2.3.4", "--tz", "local", input="typed",
              do=sh("cat; echo; echo $A $FROM_FILE $container; pwd; hostname; id -u;"
                    "grep foo /etc/hosts; cat /etc/resolv.conf"))
    assert said.split("\n") == ["typed", "b c f podman", "/tmp", "hh", workload_uid(runtime),
                                "1.2.3.5\tfoo", "nameserver 1.2.3.4"]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_program_that_can_not_run_ends_with_126_or_127_and_says_why(podman, go, runtime, terminal):
    more = ["-t"] if terminal else []
    for program, status, why in (("nosuch", 127, "not found"), ("/etc/passwd", 126, "permission"),
                                 ("/etc", 126, "")):
        done = go(*more, do=(program,), whole=True, check=status)
        # crun's word for the second is "not permitted"
        assert program in done.err and (why in done.err or "own" in runtime), done
    podman("run", "-d", "--name", "c", "busybox", "sleep", "100", runtime=runtime)
    for program, status in (("nosuch", 127), ("/etc/passwd", 126), ("/etc", 126)):
        done = podman("exec", *more, "c", program, check=status)
        assert program in done.err, done
    done = podman("exec", "-w", "/nosuch", "c", "pwd", check=127)
    assert "/nosuch" in done.err


def test_a_container_from_its_first_to_its_last_day(podman, go, runtime, folder):
    """run -d, logs, ps, port, top, exec, pause, rename, kill, stop, restart, wait, rm."""
    uid = workload_uid(runtime)
    podman("run", "-d", "--name", "c", "-p", "8099:80", podman.image("busybox"),
           *sh("trap 'echo bye; exit 3' TERM; trap 'echo hup' HUP; echo up; mkdir /tmp/w; cd /tmp/w;"
               "echo web >index.html; httpd -p 80; while :; do sleep 0.05; done"), runtime=runtime)
    wait_for("it says up", lambda: podman("logs", "c").text == "up")
    page = wait_for("the port is published", lambda: subprocess.run(
        ["curl", "-sm3", "127.0.0.1:8099"], capture_output=True, text=True).stdout)
    assert page == "web\n"
    assert podman("ps", "--format", "{{.Names}} {{.State}}").text == "c running"
    assert podman("port", "c").text == "80/tcp -> 0.0.0.0:8099"
    state = podman.inspect("c", ".State")
    assert state["Status"] == "running" and state["Pid"] == podman.pid("c") and state["Running"]

    podman("pause", "c")
    assert podman.inspect("c", ".State.Status") == "paused"
    assert podman("exec", "c", "true", check=255).err
    podman("unpause", "c")
    assert podman("exec", "c", "id", "-u").text == uid

    podman("kill", "-s", "HUP", "c")
    wait_for("the signal arrives", lambda: "hup" in podman("logs", "c").out)
    podman("rename", "c", "d")
    podman("stop", "-t", "5", "d")
    assert podman("wait", "d").text == "3" and "bye" in podman("logs", "d").out
    podman("start", "d")
    podman("restart", "-t", "5", "d")
    assert podman("exec", "d", "id", "-u").text == uid
    podman("kill", "d")
    assert podman("wait", "d").text == "137"
    assert "can only kill running containers" in podman("kill", "d", check=125).err
    podman("container", "clone", "d", "e", runtime=runtime)
    assert podman.inspect("e", ".OCIRuntime") == name_of(runtime)
    podman("rm", "d", "e")


def test_files_go_in_and_out_and_the_image_can_be_saved(podman, runtime, folder):
    """cp, diff, commit, export."""
    (folder / "f").write_text("in")
    podman("run", "-d", "--name", "c", podman.image("busybox"), "sleep", "100", runtime=runtime)
    podman("cp", folder / "f", "c:/tmp/f")
    assert podman("exec", "c", "cat", "/tmp/f").text == "in"
    podman("exec", "c", *sh("echo out >/tmp/g"))
    podman("cp", "c:/tmp/g", folder / "g")
    assert (folder / "g").read_text() == "out\n"
    # What the workload can not write to, `podman cp` can not either.
    done = podman("cp", folder / "f", "c:/etc/f", check=125 if runtime == "runsafe" else 0)
    assert runtime != "runsafe" or "read-only file system" in done.err
    assert runtime == "runsafe" or "A /etc/f" in podman("diff", "c").out
    podman("commit", "-q", "c", "saved")
    podman("export", "-o", folder / "tar", "c")
    assert "etc/passwd" in run("tar", "-tf", folder / "tar").out
    assert podman("run", "--rm", "saved", "id", "-u", runtime=runtime).text == workload_uid(runtime)
    podman("rm", "-ft0", "c")
    podman("rmi", "saved")


def test_exec_takes_its_options_and_hands_back_the_status(podman, runtime, folder):
    uid = workload_uid(runtime)
    podman("run", "-d", "--name", "c", podman.image("busybox"), "sleep", "100", runtime=runtime)

    def exec_(*words, **options):
        return podman("exec", *words, **options).text

    assert exec_("-e", "A=b", "-w", "/tmp", "c", *sh("echo $A $PWD; id -u")).split() == ["b", "/tmp", uid]
    assert exec_("-u", "33:44", "c", *sh("id -u; id -g")).split() == ["33", "44"]
    assert exec_("-u", "root", "c", "id", "-u") == uid
    assert exec_("-i", "c", "cat", input="typed") == "typed"
    assert exec_("-t", "c", "tty") == "/dev/pts/0"
    podman("exec", "c", *sh("exit 42"), check=42)
    podman("exec", "c", *sh("kill -9 $$"), check=137)
    podman("exec", "-d", "c", *sh("echo d >/tmp/d"))
    wait_for("the detached one writes", lambda: exec_("c", *sh("cat /tmp/d || :")) == "d")
    status = status_in(exec_("--privileged", "c", "cat", "/proc/self/status"))
    if runtime == "runsafe":
        assert_hardened(status)
    else:
        assert status["CapEff"] == "000001fffeffffff"
    (folder / "f").write_text("passed on")
    words = podman.command("exec", "--preserve-fds", "1", "c", "cat", "/proc/self/fd/3")
    assert descriptor_3(words, podman, folder / "f") == "passed on"


def descriptor_3(words, podman, path):
    """What a command says with that file as descriptor 3."""
    return run("bash", "-c", 'exec 3<"$0"; exec "$@"', path, *words, env=podman.env).text


def test_descriptors_are_passed_on(podman, runtime, folder):
    (folder / "f").write_text("passed on")
    for option in (["--preserve-fds", "1"], ["--preserve-fd", "3"]):
        words = podman.command("run", "--rm", *option, podman.image("busybox"), "cat",
                               "/proc/self/fd/3", runtime=runtime)
        assert descriptor_3(words, podman, folder / "f") == "passed on"


def test_a_terminal_works_and_can_be_left_and_taken_again(podman, runtime):
    """run -it, detach keys, attach, exec -it."""
    command = podman.command("run", "-it", "--name", "c", podman.image("busybox"), "sh", runtime=runtime)
    with Terminal("env", f"CONTAINERS_CONF={podman.conf}", *command, rows=33, columns=99) as t:
        t.expect("$ " if runtime == "runsafe" else "# ")
        t.send("stty size; tty\n")
        t.expect("33 99")
        t.expect("/dev/pts/0")
        t.send("\x10")  # ctrl-p, ctrl-q: Podman wants each in a read(2) of its own
        time.sleep(0.2)
        t.send("\x11")
        assert t.wait() == 0
    with Terminal("env", f"CONTAINERS_CONF={podman.conf}", *podman.command("attach", "c")) as t:
        t.send("echo again$((1+1))\n")
        t.expect("again2")
        t.send("exit 7\n")
        t.wait()
    assert podman("wait", "c").text == "7"


def test_top_shows_the_workload_as_it_is(podman, runtime):
    """podman top reads /proc in the container's namespaces."""
    podman("run", "-d", "--name", "c", podman.image("busybox"), "sleep", "100", runtime=runtime)
    out = podman("top", "c", "user", "huser", "pid", "hpid", "capeff", "seccomp", "comm", "state").out
    cells = [word.strip() for word in out.splitlines()[1].split("  ") if word.strip()]
    user, huser, pid, hpid, caps, seccomp, program, state = cells
    assert (pid, hpid, seccomp, program, state) == ("1", str(podman.pid("c")), "filter", "sleep", "S")
    if runtime == "runsafe":
        assert (user, huser, caps) == ("app", "1000", "none")
    else:
        assert (user, huser) == ("root", "root") and "CHOWN" in caps
    assert "sleep" in podman("top", "c", "-eo", "pid,comm").out  # by ps(1)


def test_the_rootfs_is_writable_only_where_it_should_be(go, runtime):
    places = sh("for p in / /tmp /run /dev/shm /x /new; do touch $p/f 2>/dev/null && echo $p; done; :")
    with_tmpfs = ["--tmpfs", "/x:size=1m", "--tmpfs", "/new"]
    said = go("--read-only", *with_tmpfs, do=places).split()
    # Podman's own tmpfs on /run, /tmp and /var/tmp, and the user's, are the workload's whoever it is.
    assert said == ["/tmp", "/run", "/dev/shm", "/x", "/new"]
    said = go("--read-only", "--read-only-tmpfs=false", do=places).split()
    assert said == (["/tmp", "/run"] if runtime == "runsafe" else [])
    said = go("--shm-size", "3m", do=sh("grep -w shm /proc/mounts"))
    assert "size=3072k" in said and "noexec" in said


def test_networks_are_made_shared_and_left_out(podman, go, runtime):
    uid = workload_uid(runtime)
    assert go("--network", "none", do=sh("ip -o link | wc -l")) == "1"
    podman("network", "create", "--subnet", "10.99.0.0/24", "n9")
    podman("run", "-d", "--name", "w", "--network", "n9", podman.image("busybox"), "httpd", "-f", "-p",
           "80", "-h", "/etc", runtime=runtime)
    # aardvark-dns knows its name, and a port below 1024 needs nobody's capability.
    fetch = sh("wget -qO- http://w/passwd | head -n 1; id -u")
    assert go("--network", "n9", do=fetch).split() == ["root:x:0:0:root:/root:/bin/sh", uid]
    assert go("--network", "container:w", do=sh("ip -o -4 addr | grep -c 10.99.0.")) == "1"
    namespace = f"ns:/proc/{podman.pid('w')}/ns/net"
    assert go("--network", namespace, do=sh("ip -o -4 addr | grep -c 10.99.0.; id -u")).split() == ["1", uid]
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


def test_limits_and_kernel_settings_of_the_process_arrive(go, runtime):
    said = go("--ulimit", "nofile=512:1024", "--ulimit", "core=0", "--oom-score-adj", "500", "--umask",
              "0077", "--sysctl", "net.core.somaxconn=99", "--sysctl", "kernel.msgmax=1234",
              "--personality", "LINUX32",
              do=sh("ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj; umask;"
                    "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax; uname -m"))
    assert said.split() == ["512", "1024", "0", "500", "0077", "99", "1234", "i686"]
    if runtime != "own":  # crun leaves its state and cgroup behind
        done = go("--oom-score-adj", "-500", whole=True, check=126)  # needs CAP_SYS_RESOURCE
        assert "process.oomScoreAdj" in done.err and "permission denied" in done.err


def test_namespaces_can_be_shared_with_another_container(podman, go, runtime):
    podman("run", "-d", "--name", "c", "--ipc", "shareable", podman.image("busybox"), "sleep", "77",
           runtime=runtime)
    podman("exec", "c", "touch", "/dev/shm/theirs")
    said = go("--pid", "container:c", "--ipc", "container:c", "--uts", "container:c",
              do=sh("ps | grep -c 'sleep 7[7]'; ls /dev/shm; hostname; id -u")).split()
    assert said == ["1", "theirs", podman.inspect("c", ".Config.Hostname"), workload_uid(runtime)]
    namespace = f"ns:/proc/{podman.pid('c')}/ns/pid"
    assert go("--pid", namespace, do=sh("ps | grep -c 'sleep 7[7]'")) == "1"


def test_secrets_are_files_and_variables_that_the_workload_can_read(podman, go, runtime, folder):
    (folder / "s").write_text("hush")
    podman("secret", "create", "s1", folder / "s")
    assert go("--secret", "s1", do=("cat", "/run/secrets/s1")) == "hush"
    assert go("--secret", "s1,type=env,target=S", do=sh("echo $S")) == "hush"
    owned = go("--secret", "s1,uid=1000,gid=1000,mode=0400", do=sh("ls -n /run/secrets; cat /run/secrets/*"))
    assert "-r--------" in owned and owned.endswith("hush")
    assert go("--secret", "s1,target=/opt/x/s", do=("cat", "/opt/x/s")) == "hush"


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
    podman("--hooks-dir", folder / "d", "run", "--rm", podman.image("busybox"), "true", runtime=runtime)
    said = [line.split() for line in (folder / "said").read_text().splitlines()]
    assert sorted(stage for stage, _ in said) == sorted(stages)
    # crun writes the state over several lines
    assert runtime == "own" or all(int(length) > 0 for _, length in said)


def test_devices_are_given_by_policy_oci_only(go, runtime):
    done = go("--device", "/dev/fuse:/dev/xx:rw", do=("ls", "-l", "/dev/xx"), whole=True,
              check=1 if runtime == "runsafe" else 0)
    assert runtime == "runsafe" or "10, 229" in done.out


def test_an_init_process_reaps_and_a_timeout_ends_it(podman, go, runtime):
    assert go("--init", do=sh("cat /proc/1/comm; id -u")).split() == ["podman-init", workload_uid(runtime)]
    go("--timeout", "1", do=("sleep", "100"), whole=True, check=255)
    podman("run", "-d", "--name", "c", "--stop-signal", "INT", "--stop-timeout", "9",
           podman.image("busybox"), *sh("trap 'exit 5' INT; echo up; while :; do sleep 0.05; done"),
           runtime=runtime)
    wait_for("it is up", lambda: podman("logs", "c").text)
    began = time.monotonic()
    podman("stop", "c")
    assert podman("wait", "c").text == "5" and time.monotonic() - began < 8
    podman("run", "-d", "--name", "r", "--restart", "on-failure:2", "busybox", "false", runtime=runtime)
    wait_for("it was started twice more", lambda: podman.inspect("r", ".RestartCount") == 2)


def test_a_systemd_container_finds_what_systemd_needs(go, runtime):
    """--systemd=always: Podman mounts /run, /run/lock, /tmp and a cgroup of the container's own."""
    said = go("--systemd", "always", do=sh(
        "for p in /run /run/lock /tmp /var/log/journal; do touch $p/x && echo $p; done;"
        "grep -q ' /sys/fs/cgroup cgroup2 rw' /proc/mounts && echo rw; echo $container; id -u"))
    assert said.split() == ["/run", "/run/lock", "/tmp", "/var/log/journal", "rw", "podman",
                            workload_uid(runtime)]


def test_cgroups_are_placed_as_podman_says(podman, go, runtime):
    for word in ("enabled", "no-conmon", "split"):
        assert go("--cgroups", word, do=("id", "-u")) == workload_uid(runtime)
    podman("run", "-d", "--name", "c", "--cgroup-parent", "/mine", podman.image("busybox"), "sleep", "100",
           runtime=runtime)
    identity = podman.inspect("c", ".ID")
    cgroup = pathlib.Path(f"/proc/{podman.pid('c')}/cgroup").read_text().splitlines()[-1]
    assert cgroup == f"0::/mine/libpod-{identity}"
    assert go(do=sh("tail -n 1 /proc/self/cgroup")) == "0::/"


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


def test_created_first_and_started_later(podman, runtime):
    """create, init, start -a; events tell of each."""
    podman("create", "-i", "--name", "k", podman.image("busybox"), "cat", runtime=runtime)
    podman("init", "k")
    assert podman.inspect("k", ".State.Status") == "initialized"
    assert podman("start", "-ai", "k", input="typed").text == "typed"
    podman("rm", "k")
    told = podman("events", "--stream=false", "--since", "60s", "--filter", "container=k", "--format",
                  "{{.Status}}").text.split()
    for status in ("create", "init", "start", "died", "remove"):
        assert status in told
    podman("create", "--name", "l", "busybox", "sleep", "100", runtime=runtime)
    podman("init", "l")
    podman("rm", "-f", "l")


def test_a_health_check_runs_under_the_containers_policy(podman, runtime):
    podman("run", "-d", "--name", "h", "--health-cmd", "id -u; test -e /tmp/well", "--health-interval",
           "disable", "--health-retries", "1", podman.image("busybox"), "sleep", "100", runtime=runtime)
    podman("healthcheck", "run", "h", check=1)
    assert podman.inspect("h", ".State.Health.Status") == "unhealthy"
    podman("exec", "h", "touch", "/tmp/well")
    podman("healthcheck", "run", "h")
    health = podman.inspect("h", ".State.Health")
    assert health["Status"] == "healthy" and health["Log"][-1]["Output"] == workload_uid(runtime) + "\n"


@pytest.mark.runtimes("runsafe-oci")
def test_a_container_is_checkpointed_and_comes_back(podman, runtime, folder):
    """Debian's crun is without criu, and natively only root's own processes can be dumped (no
    CAP_SYS_RESOURCE): the default policy's are in test_podman_machine.py."""
    podman("run", "-d", "--name", "c", podman.image("busybox"),
           *sh("i=0; while :; do i=$((i+1)); echo $i >/tmp/i; sleep 0.05; done"), runtime=runtime)

    def count():
        return int(podman("exec", "c", "cat", "/tmp/i").text or 0)

    first = wait_for("it counts", lambda: count() > 3 and count())
    podman("container", "checkpoint", "-e", folder / "c.tar", "c")
    assert podman.inspect("c", ".State.Status") == "exited"
    podman("rm", "c")
    podman("container", "restore", "-i", folder / "c.tar", runtime=runtime)
    second = wait_for("it counts on", lambda: count() > first and count())
    podman("container", "checkpoint", "c")
    podman("container", "restore", "c")
    wait_for("it counts on", lambda: count() > second)


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


def test_podman_gets_over_what_was_killed_under_it(podman, runtime):
    """The workload, conmon, and the container in the runtime alone."""
    def status():
        return podman("ps", "-a", "--format", "{{.State}}").text

    podman("run", "-d", "--name", "c", podman.image("busybox"), "sleep", "100", runtime=runtime)
    run("kill", "-9", podman.pid("c"))
    wait_for("its end is noticed", lambda: status() == "exited")
    assert podman("wait", "c").text == "137"
    podman("start", "c")
    conmon, pid = podman.inspect("c", ".State.ConmonPid"), podman.pid("c")
    run("kill", "-9", conmon)
    assert podman("exec", "c", "id", "-u").text == workload_uid(runtime)
    podman("rm", "-ft0", "c", check=125)  # kills it, and misses its exit status
    podman("rm", "-ft0", "c")
    assert not pathlib.Path(f"/proc/{pid}").exists()
    podman("run", "-d", "--name", "d", "busybox", "sleep", "100", runtime=runtime)
    run(podman_module.path_of(name_of(runtime)), "delete", "-f", podman.inspect("d", ".ID"))
    wait_for("its end is noticed", lambda: status() == "exited")


def test_an_empty_environment_is_enough(podman, runtime):
    words = podman.command("run", "--rm", podman.image("busybox"), "id", "-u", runtime=runtime)
    done = run("env", "-i", f"CONTAINERS_CONF={podman.conf}", "/usr/bin/podman", *words[1:])
    assert done.text == workload_uid(runtime)
