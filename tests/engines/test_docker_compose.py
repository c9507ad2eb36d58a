"""docker compose with two services, as people write it, on runsafe."""

import json
import os

import pytest

from docker import name_of
from engines import assert_hardened, run, status_in, wait_for

# db answers on port 80 (no capability is needed for that), and becomes healthy after a moment;
# web asks it by name. The volume is new, and becomes that of the user that db has.
SERVER = "sleep 0.5; cp /etc/note /run/secrets/word /data; exec httpd -f -p 80 -h /data"
CLIENT = ("wget -qO- http://db/note && wget -qO- http://10.77.0.10/word && "
          "while :; do sleep 0.1; done")

FILE = """
name: shop
services:
  db:
    image: busybox
    runtime: {runtime}
    command: ["sh", "-c", "{server}"]
    volumes: ["data:/data"]
    configs: [{{source: note, target: /etc/note}}]
    secrets: [word]
    networks: {{net: {{ipv4_address: 10.77.0.10}}}}
    healthcheck:
      test: ["CMD", "wget", "-qO", "/dev/null", "http://127.0.0.1/word"]
      interval: 300ms
      timeout: 20s
      retries: 100
  web:
    image: busybox
    runtime: {runtime}
    command: ["sh", "-c", "{client}"]
    depends_on: {{db: {{condition: service_healthy}}}}
    networks: [net]
    user: "33:33"
    read_only: true
    init: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    tmpfs: ["/scratch:size=1m"]
    stop_grace_period: 1s
    environment: {{GREETING: hello}}
    labels: {{some.label: "1"}}
    sysctls: {{net.core.somaxconn: "64"}}
    ulimits: {{nofile: 200}}
{more}
networks:
  net:
    driver: bridge
    ipam: {{config: [{{subnet: 10.77.0.0/24, gateway: 10.77.0.1}}]}}
volumes:
  data:
configs:
  note: {{file: note.txt}}
secrets:
  word: {{file: word.txt}}
"""


class Compose:
    def __init__(self, docker, folder):
        self.docker, self.folder = docker, folder

    def __call__(self, *words, **options):
        return self.docker("compose", "--ansi", "never", "--progress", "plain", *words,
                           cwd=self.folder, **options)

    def one(self, service, index=1):
        """The id of a service's container."""
        return self("ps", "-aq", "--no-trunc", service).text.split("\n")[index - 1]

    def logs(self, service):
        """What a service has written; compose begins lines with an order to the terminal."""
        return self("--profile", "*", "logs", "--no-log-prefix", service).out.replace("\x1b[2K", "")

    def sh(self, service, script, *options, **more):
        return self("exec", "-T", *options, service, "sh", "-c", script, **more)


@pytest.fixture
def compose(docker, folder):
    docker.image("busybox")
    (folder / "note.txt").write_text("a note\n")
    (folder / "word.txt").write_text("secret word\n")
    made = Compose(docker, folder)

    def up(runtime, more=""):
        (folder / "compose.yaml").write_text(FILE.format(
            runtime=name_of(runtime), server=SERVER, client=CLIENT, more=more))
        made("up", "-d", timeout=90)
        return made

    yield up
    made("--profile", "*", "down", "-v", "-t", "0", timeout=60)
    assert made.docker("volume", "ls", "-q").text == ""


def test_two_services_find_each_other_and_live_as_written(compose, docker, runtime):
    """A network with its own subnet and an address in it, health, secrets, configs, a volume,
    read_only, tmpfs, user, cap_drop; logs, ps, exec, restart, pause, scale, cp, down -v."""
    shop = compose(runtime)
    db, web = shop.one("db"), shop.one("web")
    assert docker.inspect(db, ".HostConfig.Runtime") == name_of(runtime)
    wait_for("the answers", lambda: "secret word" in shop.logs("web"))
    assert shop.logs("web") == "a note\nsecret word\n"

    listed = [json.loads(line) for line in shop("ps", "--format", "json").out.splitlines()]
    assert {(s["Service"], s["State"], s["Health"]) for s in listed} == {
        ("db", "running", "healthy"), ("web", "running", "")}
    assert docker.inspect(db, ".State.StartedAt") < docker.inspect(web, ".State.StartedAt")
    assert "10.77.0.10/24" in shop.sh("db", "ip addr show eth0").out

    # The first service says nothing of users: with the default policy it is 1000.
    uid = "1000" if runtime == "runsafe" else "0"
    assert shop.sh("db", "id -u; cat /run/secrets/word").out == f"{uid}\nsecret word\n"
    status = status_in(shop.sh("db", "cat /proc/self/status").out)
    if runtime == "runsafe":
        assert_hardened(status)
    shop.sh("db", "touch /new", check=1 if runtime == "runsafe" else 0)

    # The second one is written well, and lives alike everywhere.
    assert shop.sh("web", "id -u; id -g; ulimit -n; cat /proc/sys/net/core/somaxconn; "
                   "echo $GREETING").out == "33\n33\n200\n64\nhello\n"
    status = status_in(shop.sh("web", "cat /proc/self/status").out)
    assert int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1"
    shop.sh("web", "touch /new", check=1)
    assert "size=1024k" in shop.sh("web", "grep ' /scratch ' /proc/mounts; touch /scratch/x").out
    assert "33" == shop.sh("web", "id -u", "-u", "33").text

    shop("restart", "-t", "1", "web")
    wait_for("it asked again", lambda: shop.logs("web").count("word") == 2)
    shop("pause", "web")
    assert docker.inspect(web, ".State.Status") == "paused"
    shop("unpause", "web")
    shop("up", "-d", "--scale", "web=3", "--no-recreate", timeout=90)
    assert len(shop("ps", "-q", "web").text.split()) == 3
    shop("cp", shop.folder / "note.txt", "db:/data/copied")
    assert shop.sh("web", "wget -qO- http://db/copied").out == "a note\n"
    assert shop("top", "db").out.count("httpd") == 1
    shop("kill", "db")
    wait_for("its end", lambda: not docker.inspect(db, ".State.Running"))
    assert docker.inspect(db, ".State.ExitCode") == 137

    shop("down", "-v", "-t", "1", timeout=60)
    assert docker("ps", "-aq").text == "" and docker("volume", "ls", "-q").text == ""
    assert "shop_net" not in docker("network", "ls").out


@pytest.mark.runtimes("runsafe", "own")
def test_a_run_a_job_and_a_failed_dependency(compose, docker, runtime):
    """docker compose run, service_completed_successfully, and up's failure when a health check
    never succeeds."""
    shop = compose(runtime, more=f"""
  job:
    image: busybox
    runtime: {name_of(runtime)}
    command: ["sh", "-c", "echo made > /data/made; exit $$CODE"]
    environment: {{CODE: "${{CODE:-0}}"}}
    volumes: ["data:/data"]
    profiles: [jobs]
  after:
    image: busybox
    runtime: {name_of(runtime)}
    command: ["cat", "/data/made"]
    volumes: ["data:/data"]
    depends_on: {{job: {{condition: service_completed_successfully}}}}
    profiles: [jobs]
""")
    done = shop("run", "--rm", "-T", "web", "sh", "-c", "wget -qO- http://db/word; exit 4", check=4)
    assert done.out == "secret word\n"
    shop("--profile", "jobs", "up", "-d", "after")
    wait_for("it printed", lambda: shop.logs("after") == "made\n")
    failed = shop("--profile", "jobs", "up", "-d", "--force-recreate", "--no-deps", "job",
                  env={**os.environ, "CODE": "3"})
    assert failed.status == 0
    wait_for("its end", lambda: docker.inspect(shop.one("job"), ".State.Status") == "exited")
    refused = shop("--profile", "jobs", "up", "-d", "after", check=1,
                   env={**os.environ, "CODE": "3"})
    assert "didn't complete successfully: exit 3" in refused.err


@pytest.mark.runtimes("runsafe")
def test_a_private_secret_is_roots_and_a_new_volume_the_workloads(docker, runtime, folder):
    """Compose binds a secret's file with the owner that it has on the host: the workload, 1000, is
    told so. Of the volume two services of one user share, each can read and write all."""
    docker.image("busybox")
    (folder / "word").write_text("secret\n")
    (folder / "word").chmod(0o600)
    (folder / "compose.yaml").write_text(f"""
name: owners
services:
  app: &app
    image: busybox
    runtime: {name_of(runtime)}
    network_mode: none
    volumes: ["data:/data"]
    secrets: [word]
    command: ["sh", "-c", "touch /data/x && cat /run/secrets/word"]
  other:
    <<: *app
    command: ["sh", "-c", "rm /data/x"]
volumes: {{data: }}
secrets: {{word: {{file: word}}}}
""")
    shop = Compose(docker, folder)
    try:
        refused = shop("run", "--rm", "-T", "app", check=1)
        assert "can't open '/run/secrets/word': Permission denied" in refused.err
        line = next(line for line in refused.err.splitlines() if "runsafe: " in line)
        assert "/run/secrets/word: the file belongs to 0:0 (mode 0600)" in line
        command = line.rpartition("on the host: ")[2]
        assert command == f"chown 1000 {folder}/word"
        run("sh", "-c", command)
        done = shop("run", "--rm", "-T", "app")
        assert done.out == "secret\n" and "runsafe: " not in done.err
        shop("run", "--rm", "-T", "other")
    finally:
        shop("down", "-v", "-t", "0", timeout=60)
