"""Docker Swarm with runsafe as the default runtime: one node, then three. The kernel of the native
ground has no ip_vs: services are found by their tasks' addresses, ports are those of the node."""

import json
import pathlib
import re

import pytest

import swarm as swarm_module
from conftest import BESIDE
from docker import RUNTIMES, name_of
from engines import assert_hardened, cgroup_of, run, status_in, status_of
from swarm import wait_for

POLICY = {"user": {"root": "keep"}, "rootfs": {"readonly": False}}
# Serves a word at port 80, and can be changed by an update.
WEB = ("sh", "-c", "echo ${WORD:-first} >/tmp/index.html; exec httpd -f -p 80 -h /tmp")


def pytest_generate_tests(metafunc):
    """One swarm for all tests of a runtime; "own" is runc, for comparison."""
    if "swarms" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("runtimes")
        # pytest puts what has the same place in this list together, and starts one swarm for it.
        names = list(mark.args) if mark else ["runsafe", "own", "runsafe-oci"]
        metafunc.parametrize("swarms", [name for name in names if BESIDE or name != "own"],
                             indirect=True, scope="module")


@pytest.fixture(scope="module")
def swarms(request, tmp_path_factory):
    """A swarm of one node, to which nodes may be added."""
    folder = tmp_path_factory.mktemp("swarm")
    swarm = swarm_module.Swarm(folder, {"default-runtime": name_of(request.param)}, "busybox")
    swarm.runtime = request.param
    try:
        yield swarm
        swarm.end()
    finally:
        swarm.stop()


@pytest.fixture
def one(swarms):
    yield swarms
    swarms.clean()


@pytest.fixture
def three(swarms):
    """Two more nodes. The third has a runtime of its own: a name, and /etc/runsafe/NAME.json."""
    if len(swarms.nodes) == 1:
        swarms.join({"default-runtime": name_of(swarms.runtime)})
        policy = pathlib.Path("/etc/runsafe/as-root.json")
        policy.parent.mkdir(exist_ok=True)
        policy.write_text(json.dumps(POLICY))
        program = pathlib.Path("/opt/runsafe/runsafe-as-root")
        if not program.is_symlink():
            program.symlink_to("runsafe")
        relaxed = {"path": str(program), "runtimeArgs": ["--cgroup=available"]}
        swarms.join({"default-runtime": name_of(swarms.runtime),
                     "runtimes": {**RUNTIMES, "runsafe-as-root": relaxed}})
    yield swarms
    swarms.clean()


def hardened(swarm):
    return swarm.runtime == "runsafe"


# One node.

def test_a_service_runs_in_the_default_runtime_and_scales(one):
    one.service("web", "busybox", "sleep", "1000", count=2)
    for node, container in one.containers("web"):
        assert node.inspect(container, ".HostConfig.Runtime") == name_of(one.runtime)
        if hardened(one):
            assert_hardened(status_of(node.pid(container)))
    one("service", "scale", "--detach", "web=4")
    one.settled("web", 4)
    one("service", "scale", "--detach", "web=1")
    wait_for("one container", lambda: len(one.containers("web")) == 1)


def words(swarm, service):
    """What a service's tasks serve."""
    return {node("exec", container, "cat", "/tmp/index.html", check=False).text
            for node, container in swarm.containers(service)}


def test_an_update_goes_task_by_task_and_a_bad_one_is_rolled_back(one):
    """--update-parallelism, --update-delay, --update-order, --update-failure-action rollback."""
    one.service("web", "busybox", *WEB, count=2, options=[
        "--update-parallelism", "1", "--update-delay", "100ms", "--update-monitor", "500ms",
        "--update-failure-action", "rollback", "--update-order", "start-first",
        "--rollback-parallelism", "0", "--rollback-monitor", "100ms"])
    assert one.update("web", "--env-add", "WORD=second") == "completed"
    wait_for("all are new", lambda: words(one, "web") == {"second"})
    assert one.update("web", "--args", "sh -c 'exit 3'") == "rollback_completed"
    one.settled("web", 2)
    wait_for("all are as before", lambda: words(one, "web") == {"second"})
    failed = one.tasks("web", "failed")
    assert failed and all("non-zero exit (3)" in task["Error"] for task in failed), failed


def test_secrets_and_configs_are_there_for_whom_they_are_meant(one):
    """By default all may read them; with a mode, whoever it is for. Only memory holds a secret."""
    for name in ("all", "mine", "roots", "key"):
        one("secret", "create", name, "-", input=f"{name} may see ")
    for name in ("settings", "own"):
        one("config", "create", name, "-", input=f"{name} are blue ")
    one.service("app", "busybox", "sleep", "1000", options=[
        "--secret", "all", "--secret", "source=mine,target=mine,uid=1000,gid=1000,mode=0400",
        "--secret", "source=roots,target=roots,mode=0400",
        "--secret", "source=key,target=/opt/key",
        "--config", "source=settings,target=/etc/app.conf",
        "--config", "source=own,target=/home/mine.conf,uid=1000,gid=1000,mode=0400"])
    assert one.exec("app", "cat", "/run/secrets/all", "/run/secrets/mine", "/opt/key").out == \
        "all may see mine may see key may see "
    assert one.exec("app", "cat", "/etc/app.conf", "/home/mine.conf").out == \
        "settings are blue own are blue "
    assert one.exec("app", "stat", "-c", "%u:%g %a", "/run/secrets/all", "/run/secrets/mine",
                    "/etc/app.conf").text.split("\n") == ["0:0 444", "1000:1000 400", "0:0 444"]
    roots = one.exec("app", "cat", "/run/secrets/roots", check=False)
    if hardened(one):
        # docs/docker.md: a secret with a mode is meant for the workload's user.
        assert roots.status == 1 and "Permission denied" in roots.err, roots
    else:
        assert roots.out == "roots may see "
    mounts = one.exec("app", "cat", "/proc/mounts").out
    assert re.search(r"/run/secrets\S* tmpfs ro,", mounts), mounts


@pytest.mark.runtimes("runsafe", "own")
def test_a_task_that_dies_is_replaced(one):
    one.service("web", "busybox", "sleep", "1000", options=["--restart-delay", "0s"])
    (node, container), = one.containers("web")
    run("kill", "-9", node.pid(container))
    wait_for("another container", lambda: [found for found in one.containers("web")
                                           if found[1] != container])
    assert "non-zero exit (137)" in one.tasks("web", "failed")[0]["Error"]


@pytest.mark.runtimes("runsafe", "own")
def test_a_task_whose_health_check_fails_is_replaced(one):
    one.service("web", "busybox", "sh", "-c", "touch /tmp/fine; exec sleep 1000", options=[
        "--health-cmd", "test -e /tmp/fine", "--health-interval", "200ms", "--health-retries", "1",
        "--restart-delay", "0s"])
    (node, container), = one.containers("web")
    assert node.inspect(container, ".State.Health.Status") == "healthy"
    node("exec", container, "rm", "/tmp/fine")
    wait_for("another container", lambda: [found for found in one.containers("web")
                                           if found[1] != container])
    assert "unhealthy container" in one.tasks("web", "failed")[0]["Error"]


@pytest.mark.runtimes("runsafe", "own")
def test_a_port_of_the_node_leads_to_the_task(one):
    """`--publish mode=host`; port 80 inside needs no capability."""
    one.service("web", "busybox", *WEB,
                options=["--publish", "mode=host,published=8080,target=80"])
    wait_for("an answer", lambda: one.nodes[0].get(8080) == "first")


def test_options_of_a_service_reach_the_workload(one):
    """What `docker service create` knows of users, mounts, names, settings, init, signals."""
    script = """
        echo $WORD $(hostname) $(pwd) $(id -u):$(id -g)
        cat /proc/1/comm
        touch /data/a && echo data
        touch /cache/b && echo cache
        ulimit -n
        sysctl -n net.core.somaxconn
        grep -c host.example /etc/hosts
        touch /no || echo read-only
        exec sleep 1000"""
    one.service("all", "busybox", "sh", "-c", script,
                options=["--env", "WORD=word", "--hostname", "{{.Node.Hostname}}-{{.Task.Slot}}",
                         "--workdir", "/home", "--user", "1234:1234", "--init", "--read-only",
                         "--mount", "type=volume,source=data,target=/data",
                         "--mount", "type=tmpfs,target=/cache,tmpfs-mode=1777",
                         "--ulimit", "nofile=512:512", "--sysctl", "net.core.somaxconn=77",
                         "--host", "host.example:10.0.0.9", "--stop-signal", "INT",
                         "--container-label", "a=b", "--log-driver", "json-file"])
    lines = one.said("all", "read-only")
    assert lines[0] == "word node1-1 /home 1234:1234" and "docker-init" in lines[1], lines
    # A new volume is root's, and under the default policy the workload's: README.
    expected = ["data", "cache", "512", "77", "1", "read-only"]
    assert [line for line in lines if line in expected] == \
        expected[0 if one.runtime == "runsafe" else 1:], lines


@pytest.mark.runtimes("runsafe", "own")
def test_a_job_runs_to_its_end(one):
    one("service", "create", "--detach", "--no-resolve-image", "--name", "job", "--mode",
        "replicated-job", "--replicas", "2", "busybox", "sh", "-c", "echo done by $(id -u)")
    wait_for("both are complete", lambda: len(one.tasks("job", "complete")) == 2)
    assert one.said("job", "done") == [f"done by {1000 if hardened(one) else 0}"] * 2


COMPOSE = """
services:
  web:
    image: busybox
    command: ["sh", "-c", "cp /run/secrets/word /tmp/index.html; exec httpd -f -p 80 -h /tmp"]
    secrets: [word]
    networks: [inner]
    ports: [{target: 80, published: 8081, mode: host}]
    healthcheck: {test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1/"], interval: 300ms}
    deploy:
      endpoint_mode: dnsrr
      update_config: {parallelism: 1, order: stop-first, failure_action: rollback}
      restart_policy: {condition: on-failure}
      placement: {constraints: [node.role == manager]}
    stop_signal: SIGKILL
  client:
    image: busybox
    user: "1234"
    command:
      - sh
      - -c
      - until wget -q -O - http://web/; do sleep 0.2; done; echo; exec sleep 1000
    networks: [inner]
    configs: [{source: color, target: /color}]
    tmpfs: [/scratch]
    read_only: true
    deploy: {replicas: 2, endpoint_mode: dnsrr}
    stop_signal: SIGKILL
networks: {inner: {driver: overlay, ipam: {config: [{subnet: 10.55.0.0/24}]}}}
secrets: {word: {file: ./word}}
configs: {color: {file: ./color}}
"""


def test_a_stack_of_two_services_is_deployed_from_a_compose_file(one, folder):
    (folder / "stack.yml").write_text(COMPOSE)
    (folder / "word").write_text("from a secret")
    (folder / "color").write_text("blue")
    one("stack", "deploy", "--detach=true", "--resolve-image", "never", "-c", "stack.yml", "shop",
        cwd=folder)
    one.settled("shop_web", 1)
    one.settled("shop_client", 2)
    wait_for("both clients have the word",
             lambda: "".join(one.said("shop_client")).count("from a secret") == 2)
    assert one.exec("shop_client", "cat", "/color").text == "blue"
    assert one.nodes[0].get(8081) == "from a secret"
    one("stack", "rm", "shop")


# Three nodes.

@pytest.mark.runtimes("runsafe", "own")
def test_tasks_on_three_nodes_reach_one_another(three):
    """An overlay network: each task finds all by the service's name and talks to each."""
    three("network", "create", "-d", "overlay", "--attachable", "net")
    tasks = three.service("web", "busybox", "sh", "-c",
                          "hostname >/tmp/index.html; exec httpd -f -p 80 -h /tmp", count=3,
                          options=["--network", "net", "--hostname", "{{.Node.Hostname}}"])
    assert {task["Node"] for task in tasks} == {"node1", "node2", "node3"}
    every = """
        for a in $(nslookup -type=a web. | awk '/^Name/ {n = 1} n && /^Address/ {print $2}')
        do wget -T 3 -q -O - http://$a/; done | sort"""
    for node, container in three.containers("web"):
        def names():
            return node("exec", container, "sh", "-c", every).text.split()
        wait_for(f"all answer {node.name}", lambda: names() == ["node1", "node2", "node3"])
    alone = three.nodes[1]("run", "--rm", "--network", "net", "busybox", "sh", "-c",
                           "until nslookup web >/dev/null; do sleep 0.2; done" + every)
    assert alone.text.split() == ["node1", "node2", "node3"]


@pytest.mark.runtimes("runsafe", "own")
def test_an_update_rolls_over_three_nodes_with_a_secret(three):
    """A new secret replaces the old one; at all times somebody answers."""
    three("secret", "create", "key1", "-", input="one")
    three("secret", "create", "key2", "-", input="two")
    web = ("sh", "-c", "cp /run/secrets/key /tmp/index.html; exec httpd -f -p 80 -h /tmp")
    three.service("web", "busybox", *web, count=3, options=[
        "--secret", "source=key1,target=key", "--update-parallelism", "1",
        "--update-delay", "200ms", "--update-monitor", "300ms",
        "--publish", "mode=host,published=8080,target=80"])
    for node in three.nodes:
        wait_for("the old word", lambda: node.get(8080) == "one")
    three("service", "update", "--detach", "--no-resolve-image", "--secret-rm", "key1",
          "--secret-add", "source=key2,target=key", "web")
    seen = []

    def all_new():
        seen.append([node.get(8080) for node in three.nodes])
        return seen[-1] == ["two"] * 3

    wait_for("the new word everywhere", all_new)
    assert all(any(answers) for answers in seen), seen


@pytest.mark.runtimes("runsafe", "own")
def test_a_drained_node_gives_its_tasks_away_and_a_global_service_is_everywhere(three):
    three("service", "create", "--detach", "--no-resolve-image", "--name", "agent", "--mode",
          "global", "--stop-grace-period", "1s", "busybox", "sleep", "1000")
    three.settled("agent", 3)
    three.service("web", "busybox", "sleep", "1000", count=3)
    three("node", "update", "--availability", "drain", "node2")
    wait_for("node2 is empty", lambda: not three.nodes[1]("ps", "-q").text)
    assert {task["Node"] for task in three.settled("web", 3)} == {"node1", "node3"}
    three("node", "update", "--availability", "active", "node2")
    three.settled("agent", 3)


@pytest.mark.runtimes("runsafe")
def test_a_node_relaxes_by_a_policy_file_and_labels_bring_services_there(three):
    """Swarm has no --runtime: the daemon of a node has a default-runtime with a policy, a label
    says so, and a constraint sends there what needs it."""
    relaxed = three.nodes[2]
    relaxed.settings["default-runtime"] = "runsafe-as-root"
    relaxed.write_settings()
    relaxed.daemon.process.send_signal(1)
    wait_for("the reload", lambda: "as-root" in relaxed("info", "-f", "{{.DefaultRuntime}}").out)
    three("node", "update", "--label-add", "runtime=as-root", "node3")
    try:
        three.service("old", "busybox", "sh", "-c",
                      "touch /written && cat /proc/self/status; exec sleep 1000", count=2,
                      options=["--constraint", "node.labels.runtime==as-root"])
        assert {node.name for node, _ in three.containers("old")} == {"node3"}
        status = status_in("\n".join(three.said("old", "Seccomp")))
        assert status["Uid"].split()[0] == "0" and int(status["CapBnd"], 16) == 0, status
        three.service("new", "busybox", "sh", "-c", "touch /written; exec sleep 1000",
                      options=["--constraint", "node.labels.runtime!=as-root"])
        assert "Read-only file system" in three.said("new", "touch")[0]
    finally:
        relaxed.settings["default-runtime"] = "runsafe"
        relaxed.write_settings()
        relaxed.daemon.process.send_signal(1)


@pytest.mark.runtimes("runsafe", "own")
def test_a_node_that_dies_loses_its_tasks_to_others_and_is_clean_when_it_is_back(three):
    three.service("web", "busybox", "sleep", "1000", count=3)
    lost = three.nodes[1]
    assert len([node for node, _ in three.containers("web") if node is lost]) == 1
    # The machine, as far as others can see: its daemon and its network, but not its containers.
    run("ip", "link", "set", "node2-0", "down")
    lost.daemon.process.kill()
    lost.daemon.process.wait()
    wait_for("node2 is down", lambda: three.node_status("node2") == "down")
    assert {task["Node"] for task in three.settled("web", 3)} == {"node1", "node3"}
    run("ip", "link", "set", "node2-0", "up")
    lost.daemon.start(lambda: lost("version", check=False).status == 0)
    wait_for("node2 is back", lambda: three.node_status("node2") == "ready")
    wait_for("what ran there is gone", lambda: not lost("ps", "-q").text)
    wait_for("no state of a container is left", lambda: not lost.states())


# What needs the machine: controllers for limits, ip_vs for addresses that stand for a service.

@pytest.mark.ground("machine")
@pytest.mark.runtimes("runsafe", "own")
def test_limits_and_the_routing_mesh_work_as_swarm_promises(swarms):
    """--limit-memory, --limit-cpu, --limit-pids reach the cgroup; a published port and a service's
    own address lead to its tasks in turn."""
    swarms("network", "create", "-d", "overlay", "net")
    script = "hostname >/tmp/index.html; exec httpd -f -p 80 -h /tmp"
    swarms.service("web", "busybox", "sh", "-c", script, count=2, options=[
        "--endpoint-mode", "vip", "--network", "net", "--publish", "published=8080,target=80",
        "--limit-memory", "64m", "--limit-cpu", "0.5", "--limit-pids", "50",
        "--hostname", "task{{.Task.Slot}}"])
    both, seen = {"task1", "task2"}, set()
    wait_for("both answer at the node's port", lambda: (
        seen.add(swarms.nodes[0].get(8080)), both <= seen)[1])
    seen.clear()
    wait_for("both answer at the service's address", lambda: (seen.add(swarms.exec(
        "web", "wget", "-q", "-T", "5", "-O", "-", "http://web/", check=False).text),
        both <= seen)[1])
    node, container = swarms.containers("web")[0]
    group = cgroup_of(node.pid(container))
    assert [(group / name).read_text().strip() for name in ("memory.max", "cpu.max", "pids.max")] \
        == [str(64 << 20), "50000 100000", "50"]
