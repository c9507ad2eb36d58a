"""docker run with runsafe, as people use it every day."""

import re

import pytest

from docker import name_of
from engines import assert_hardened, run, status_in, wait_for
from terminal import Terminal

ID = {"runsafe": "1000", "runsafe-oci": "0", "own": "0"}


def sh(docker, runtime, *options, script, image="busybox", **more):
    """docker run --rm ... IMAGE sh -c SCRIPT. dockerd loses what a container said that ends within
    milliseconds of its start, on a busy machine ("reading from a closed fifo"): it lingers."""
    script = f"trap 'sleep 0.1' EXIT\n{script}"
    return docker("run", "--rm", "--runtime", name_of(runtime), *options, docker.image(image), "sh",
                  "-c", script, **more)


@pytest.mark.runtimes("runsafe")
def test_an_image_runs_as_1000_with_nothing_changed_in_it(docker, runtime):
    """On the default policy, `docker run --runtime runsafe debian id` prints 1000 for both."""
    image = docker.image("debian")
    done = docker("run", "--rm", "--runtime", name_of(runtime), image, "id")
    assert done.text.startswith("uid=1000") and "gid=1000" in done.text and "(root)" not in done.text


@pytest.mark.runtimes("runsafe")
def test_neither_privileged_nor_root_get_past_the_policy(docker, runtime):
    done = sh(docker, runtime, "--privileged", "-u", "root",
              script="cat /proc/self/status; ls /dev | wc -l; mount -t tmpfs x /tmp || echo kept")
    assert_hardened(status_in(done.out))
    assert done.out.endswith("kept\n") and int(done.out.split()[-2]) < 20


@pytest.mark.runtimes("runsafe-oci", "own")
def test_policy_oci_runs_as_root_as_runc_does(docker, runtime):
    assert sh(docker, runtime, script="id -u").text == "0"


def test_the_exit_status_is_the_workloads(docker, runtime):
    """By itself, by a signal that ended it, and by one that it sent to a child."""
    assert sh(docker, runtime, script="exit 7", check=False).status == 7
    # As process 1 it would have to ask for SEGV; behind --init it has not to.
    done = sh(docker, runtime, "--init", script="sh -c 'kill -9 $$'; echo $?; kill -SEGV $$",
              check=False)
    assert (done.status, done.text) == (139, "137")
    for signal, status in ("TERM", 143), ("KILL", 137):
        docker("run", "-d", "--init", "--name", "one", "--runtime", name_of(runtime), "busybox",
               "sleep", "1000")
        # The kernel drops what process 1 has no handler for: --init has its own when it has forked.
        wait_for("sleep runs", lambda: len(docker("top", "one").text.splitlines()) == 3)
        docker("kill", "-s", signal, "one")
        assert docker("wait", "one").text == str(status)
        docker("rm", "one")


@pytest.mark.parametrize("status, program, words", [
    (127, "nosuch", "executable file not found in $PATH"),
    (127, "/nosuch", "no such file or directory"),
    (126, "/etc", "is a directory"),
    (126, "/etc/passwd", "permission denied"),
])
def test_what_can_not_be_run_is_126_or_127(docker, runtime, status, program, words):
    """docker reads these out of the runtime's sentence."""
    done = docker("run", "--rm", "--runtime", name_of(runtime), docker.image("busybox"), program,
                  check=False)
    assert done.status == status, done
    assert f'exec: "{program}"' in done.err and words in done.err, done


def test_detached_named_logged_and_taken_away(docker, runtime):
    docker.image("busybox")
    number = docker("run", "-d", "--name", "one", "--runtime", name_of(runtime), "--label", "a=b",
                    "busybox", "sh", "-c", "echo out; echo err >&2; read x </proc/self/fd/0; "
                    "exec sleep 1000").text
    logs = wait_for("logs", lambda: (d := docker("logs", "one")).out and d.err and d)
    assert (logs.out, logs.err) == ("out\n", "err\n")
    assert docker("ps", "-q", "--no-trunc", "--filter", "label=a=b").text == number
    assert docker.inspect("one", ".State.Status") == "running"
    docker("stop", "-t", "0", "one")
    assert docker.inspect("one", ".State.ExitCode") == 137
    docker("rm", "one")
    # --rm by itself, also of a container that nobody waits for.
    docker("run", "-d", "--rm", "--name", "two", "--runtime", name_of(runtime), "busybox", "true")
    wait_for("it is gone", lambda: not docker("ps", "-aq").text)


def test_standard_input_output_and_error_are_passed(docker, runtime):
    """Also where the program opens them by name, and as another user."""
    done = sh(docker, runtime, "-i", "-u", "1234", input="hello\n",
              script="cat; echo out >/dev/stdout; echo err >/dev/stderr; exec 3</dev/stdin; cat <&3")
    assert (done.out, done.err) == ("hello\nout\n", "err\n")


def size_and_interrupt(t, prompt, before, after):
    """A shell sees its terminal grow, and ctrl-c ends what runs in the foreground."""
    for size, grow in (before, None), (after, after):
        t.send("until stty size | grep '%d %d$'; do sleep 0.1; done; echo so\n" % size)
        if grow:
            t.resize(*grow)
        t.expect("%d %d\r\nso\r\n" % size)
    # The shell's line editor would swallow what comes before the command runs.
    t.send("echo n''ow; cat\n")
    t.expect("now\r\n")
    t.send("through cat\n")
    # Once from the terminal's echo, once from cat.
    t.expect("through cat\r\nthrough cat\r\n")
    t.send("\x03")
    t.expect("^C")
    # What is typed before the next prompt would be flushed (termios(3), NOFLSH).
    t.expect(prompt)


def test_a_terminal(docker, runtime):
    """-it: job control, size, resize, ctrl-c, exit status."""
    docker.image("busybox")
    start = ("docker", "-H", f"unix://{docker.socket}", "run", "--rm", "-it", "--runtime",
             name_of(runtime), "busybox", "sh")
    with Terminal(*start, rows=33, columns=101) as t:
        prompt = "# " if ID[runtime] == "0" else "$ "
        t.expect(prompt)
        t.send("tty; stat -c %u /dev/console; echo through >/dev/tty; echo $((6 * 7))\n")
        said = t.expect("42\r\n")
        assert "/dev/pts/0\r\n" in said and f"\r\n{ID[runtime]}\r\nthrough\r\n" in said
        assert "job control" not in said
        size_and_interrupt(t, prompt, (33, 101), (40, 90))
        t.send("echo $((7 * 7)); exit 5\n")
        t.expect("49\r\n")
        assert t.wait() == 5


def test_a_terminal_is_left_and_taken_again(docker, runtime):
    """The detach keys, and attach."""
    docker.image("busybox")
    client = ("docker", "-H", f"unix://{docker.socket}")
    with Terminal(*client, "run", "-it", "--name", "one", "--detach-keys", "ctrl-a,d", "--runtime",
                  name_of(runtime), "busybox", "sh") as t:
        t.send("echo $((6 * 7))\n")
        t.expect("42\r\n")
        t.send("\x01d")
        assert t.wait() == 0
    assert docker.inspect("one", ".State.Running")
    with Terminal(*client, "attach", "one") as t:
        t.send("echo $((7 * 7)); exit 3\n")
        t.expect("49\r\n")
        assert t.wait() == 3


def test_environment_directory_name_and_entrypoint(docker, runtime, folder):
    (folder / "env").write_text("A=1\nB=two words\n# no line\n")
    done = sh(docker, runtime, "-e", "X=y", "-e", "EMPTY=", "--env-file", folder / "env",
              "--hostname", "box", "--domainname", "some.where", "--workdir", "/not/there",
              "--label", "l=1",
              script="env; pwd; hostname; cat /proc/sys/kernel/domainname; stat -c %u:%a /not/there")
    lines = done.out.splitlines()
    assert {"A=1", "B=two words", "X=y", "EMPTY=", "HOSTNAME=box"} <= set(lines)
    assert lines[-4:] == ["/not/there", "box", "some.where", "0:755"]
    done = docker("run", "--rm", "--runtime", name_of(runtime), "--entrypoint", "echo", "busybox",
                  "-n", "a b", "c")
    assert done.out == "a b c"


def test_init_collects_the_orphans(docker, runtime):
    done = sh(docker, runtime, "--init",
              script="sh -c 'true & exec sleep 0.2' & sleep 0.5; cat /proc/1/comm; "
                     "grep -h ^State /proc/[0-9]*/status")
    assert done.out.splitlines()[0] == "docker-init" and "Z (zombie)" not in done.out


def test_health_checks(docker, runtime):
    """They are exec under the hood, as the container's own user: healthy, then unhealthy."""
    docker.image("busybox")
    docker("run", "-d", "--name", "one", "--runtime", name_of(runtime), "--health-cmd",
           "id -u; test ! -e /tmp/sick", "--health-interval", "0.3s", "--health-retries", "2",
           "--health-timeout", "20s", "busybox", "sleep", "1000")
    wait_for("healthy", lambda: docker.inspect("one", ".State.Health.Status") == "healthy")
    log = docker.inspect("one", ".State.Health.Log")
    assert (log[0]["ExitCode"], log[0]["Output"]) == (0, ID[runtime] + "\n")
    docker("exec", "one", "touch", "/tmp/sick")
    wait_for("unhealthy", lambda: docker.inspect("one", ".State.Health.Status") == "unhealthy")


def test_published_ports(docker, runtime):
    """-p, reached from outside, also a port below 1024 without a capability; -P."""
    docker.image("busybox")
    docker("run", "-d", "--name", "one", "--runtime", name_of(runtime), "-p", "127.0.0.1:8080:80",
           "--expose", "81", "-P", "busybox", "sh", "-c",
           "mkdir /tmp/w; echo hello >/tmp/w/index.html; httpd -p 81 -h /tmp/w; exec httpd -f -p 80 -h /tmp/w")
    ports = docker("port", "one").out
    other = re.search(r"81/tcp -> 0.0.0.0:(\d+)", ports).group(1)
    for port in "8080", other:
        got = wait_for(port, lambda p=port: run("curl", "-s", f"http://127.0.0.1:{p}/",
                                                check=False).out)
        assert got == "hello\n"
    assert "80/tcp -> 127.0.0.1:8080" in ports


def test_networks(docker, runtime):
    """A network of one's own with subnet, address, alias, MAC, DNS and hosts; none; another's."""
    docker.image("busybox")
    docker("network", "create", "--subnet", "10.88.7.0/24", "--gateway", "10.88.7.254", "mine")
    docker("run", "-d", "--name", "one", "--runtime", name_of(runtime), "--network", "mine",
           "--network-alias", "first", "--ip", "10.88.7.9", "busybox", "sh", "-c",
           "echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp")
    done = sh(docker, runtime, "--network", "mine", "--mac-address", "02:42:0a:58:07:4d",
              "--add-host", "foo:192.0.2.7", image="debian",
              script="getent ahostsv4 first; grep foo /etc/hosts; cat /sys/class/net/eth0/address")
    assert re.search(r"^10\.88\.7\.9 +STREAM", done.out, re.M), done
    assert re.search(r"^192\.0\.2\.7\sfoo\n02:42:0a:58:07:4d$", done.out, re.M), done
    done = sh(docker, runtime, "--dns", "192.0.2.1", "--dns-search", "x.y", "--dns-option",
              "ndots:3", script="cat /etc/resolv.conf")
    assert {"nameserver 192.0.2.1", "search x.y", "options ndots:3"} <= set(done.out.splitlines())
    done = sh(docker, runtime, "--network", "container:one",
              script="wget -q -O - http://127.0.0.1/; ip -o -4 addr show dev eth0")
    assert "hello" in done.out and "10.88.7.9/24" in done.out
    done = sh(docker, runtime, "--network", "none",
              script="ls /sys/class/net; cat /sys/class/net/lo/flags; "
              "wget -T 1 -O - http://127.0.0.1/ 2>&1", check=False)
    assert done.out.startswith("lo\n0x9\n") and "refused" in done.out
