"""Programs of Debian as people run them under Docker: on the default policy, too, they do their
work, with no more than docs/docker.md says."""

import os
import socket
import urllib.request

import pytest

import docker as docker_module
from docker import name_of
from engines import assert_hardened, run, status_of, wait_for

ALL = pytest.mark.runtimes("runsafe", "runsafe-oci", "own")


def start(docker, runtime, *words):
    """docker run -d of the image apps; its name, and the host's port of the one published."""
    image = docker.image("apps")
    docker("run", "-d", "--name", "app", "--runtime", name_of(runtime), *words[:-1], image, "sh",
           "-c", words[-1])
    if runtime == "runsafe":
        assert_hardened(status_of(docker.pid("app")))
    return int(docker("port", "app").text.rsplit(":", 1)[1]) if "-p" in words else 0


def get(port, path=""):
    def answer():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as page:
                return page.read().decode()
        except OSError:
            return None

    return wait_for(f"port {port} answers", answer)


def redis(port, *words):
    """A command to redis, and its answer, in redis's own protocol."""
    def answer():
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                s.sendall((" ".join(words) + "\r\n").encode())
                said = s.recv(1000).decode()
                # It listens before it has read its files.
                return None if said.startswith("-LOADING") else said
        except OSError:
            return None

    return wait_for(f"port {port} answers", answer)


@ALL
def test_nginx_serves_a_page_on_port_80(docker, runtime, folder):
    """Its pid file goes to /run, its temporary files and logs to the two places that were added;
    the port needs no capability."""
    places = ("--annotation", "io.runsafe.tmpfs=/var/lib/nginx,/var/log/nginx")
    (folder / "index.html").write_text("hello from nginx\n")
    port = start(docker, runtime, "-p", "127.0.0.1::80", "-v", f"{folder}:/var/www/html:ro",
                 *(places if runtime == "runsafe" else ()), "exec nginx -g 'daemon off;'")
    assert get(port, "index.html") == "hello from nginx\n"
    assert "GET /index.html" in docker("exec", "app", "cat", "/var/log/nginx/access.log").out
    assert docker("exec", "app", "cat", "/run/nginx.pid").text == "1"
    docker("stop", "app")
    assert docker.inspect("app", ".State.ExitCode") == 0


@ALL
def test_nginx_reopens_stdout_and_stderr_for_its_logs(docker, runtime, folder):
    """As official images have it: the logs are symlinks to /dev/stdout and /dev/stderr."""
    (folder / "nginx.conf").write_text("""pid /run/nginx.pid; error_log /dev/stderr info;
        events {} http { access_log /dev/stdout; client_body_temp_path /tmp/b;
        proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u;
        scgi_temp_path /tmp/s; server { listen 80; return 200 yes; } }""")
    port = start(docker, runtime, "-p", "127.0.0.1::80", "-v",
                 f"{folder}/nginx.conf:/etc/nginx/nginx.conf:ro", "exec nginx -g 'daemon off;'")
    assert get(port) == "yes"
    docker("exec", "app", "nginx", "-s", "reload")
    assert get(port, "again") == "yes"
    logs = wait_for("logs", lambda: (lambda d: "GET /again" in d.out and d)(docker("logs", "app")))
    assert "start worker process" in logs.err


@ALL
def test_redis_answers_with_no_option_but_its_port(docker, runtime):
    port = start(docker, runtime, "-p", "127.0.0.1::6379",
                 "exec redis-server --protected-mode no --save ''")
    assert redis(port, "PING") == "+PONG\r\n"
    docker("stop", "app")
    assert docker.inspect("app", ".State.ExitCode") == 0


@ALL
def test_redis_keeps_its_data_in_a_named_volume(docker, runtime):
    """The image's folder belongs to redis, so does a new volume there: --user redis."""
    words = ("-p", "127.0.0.1::6379", "-v", "apps-redis:/var/lib/redis", "--user", "redis",
             "exec redis-server --protected-mode no --dir /var/lib/redis --appendonly yes")
    port = start(docker, runtime, *words)
    assert redis(port, "SET", "colour", "blue") == "+OK\r\n"
    assert redis(port, "SAVE") == "+OK\r\n"
    docker("stop", "app")
    docker("rm", "app")
    port = start(docker, runtime, *words)
    assert "blue" in redis(port, "GET", "colour")


@ALL
def test_pythons_http_server_serves_on_port_80(docker, runtime, folder):
    """The image has only python3-minimal: the module comes from outside."""
    (folder / "page").write_text("hello from python\n")
    port = start(docker, runtime, "-p", "127.0.0.1::80", "-v", f"{folder}:/srv:ro", "-w", "/srv",
                 "-v", "/usr/lib/python3.13:/usr/lib/python3.13:ro",
                 "exec python3 -m http.server 80")
    assert get(port, "page") == "hello from python\n"
    assert docker("exec", "app", "python3", "-c", "import os; print(os.getuid())").text == (
        "1000" if runtime == "runsafe" else "0")


@ALL
def test_ping_works_without_a_capability(docker, runtime):
    image = docker.image("debian")
    done = docker("run", "--rm", "--runtime", name_of(runtime), "-v", "/usr:/usr:ro", image, "ping",
                  "-c", "1", "-W", "2", "127.0.0.1")
    assert "1 received" in done.out


@pytest.fixture
def remapped(folder):
    """A dockerd whose containers have user namespaces."""
    if run("getent", "passwd", "dockremap", check=False).status:
        run("useradd", "--system", "dockremap")
        for name in "/etc/subuid", "/etc/subgid":
            with open(name, "a", encoding="utf-8") as file:
                file.write("dockremap:300000:65536\n")
    # Its images lie below, and root inside is not root.
    os.chmod("/var/lib/docker", 0o711)
    daemon = docker_module.Docker(folder, {"userns-remap": "dockremap", "bridge": "none",
                                           "iptables": False}).start()
    yield daemon
    daemon.clean()
    daemon.stop()


@pytest.mark.runtimes("runsafe", "own")
def test_userns_remap_needs_nothing(remapped, runtime):
    """The workload is 1000, and outside nobody that the host knows; a new volume is its own."""
    image, inside = remapped.image("debian"), 1000 if runtime == "runsafe" else 0
    options = ("--network", "none", "-v", "remapped:/data", "--runtime", name_of(runtime), image)
    remapped("run", "-d", "--name", "mapped", *options, "sh", "-c", "touch /data/x; sleep 60")
    assert status_of(remapped.pid("mapped"))["Uid"].split() == [str(300000 + inside)] * 4
    there = ("exec", "mapped", "test", "-e", "/data/x")
    wait_for("a file", lambda: remapped(*there, check=False).status == 0)
    assert remapped("exec", "mapped", "id", "-u").text == str(inside)
    # As the host: the one setting that would be everybody's.
    host = remapped("run", "--rm", "--userns", "host", "--network", "none", "--runtime",
                    name_of(runtime), image, "id", "-u")
    assert host.text == str(inside)
